"""``python -m tornadic``: the command line, as the ``tornadic`` script has it."""

from tornadic.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
