"""``python -m tornadic.testing NAMES``: runs the tests named, see `tornadic.testing.main`."""

from tornadic.testing.runner import main

if __name__ == "__main__":
    main()
