"""The ``tornadic`` command: finds the sub-command and hands it the rest of the line.

Each sub-command is a module of this package with a ``main(arguments)`` that returns an exit
status; only the one that is asked for is loaded.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from tornadic import __version__, version

__all__ = ["COMMANDS", "main"]

# A command's name, which is its module's too, and what --help says of it.
COMMANDS = {
    "run": "run a program written for Tornado on Tornadic",
    "routes": "print the routes of an application",
    "check": "list what a project uses that Tornado has removed or deprecated",
}

_USAGE = "usage: tornadic [--help] [--version] COMMAND [ARGUMENTS]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments`` (None: those of this process); return the exit status.

    The status is 2 if the line makes no sense, with a message on standard error.  Whatever a
    program raises that ``tornadic run`` has started, SystemExit included, passes through.
    """
    line = list(sys.argv[1:] if arguments is None else arguments)
    if not line:
        print(_help(), file=sys.stderr)
        return 2
    command, *rest = line
    if command in ("-h", "--help", "help"):
        print(_help())
        return 0
    if command in ("-V", "--version"):
        print(f"tornadic {__version__} (Tornado API {version})")
        return 0
    if command not in COMMANDS:
        kind = "option" if command.startswith("-") else "command"
        print(f"tornadic: unknown {kind} {command!r}; see tornadic --help", file=sys.stderr)
        return 2
    status: int = importlib.import_module(f"tornadic.cli.{command}").main(rest)
    return status


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [_USAGE, "", "commands:", *lines, "", "tornadic COMMAND --help says more of each."]
    )
