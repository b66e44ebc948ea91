"""A test runner: `unittest.main` with Tornado's options and log format."""

from __future__ import annotations

import signal
import sys
import unittest
from typing import Any

from tornadic.options import define, options, parse_command_line

__all__ = ["main"]

# Each option, what `unittest.main` is to be told if it is given on the command line, and its help.
_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "verbose": ({"verbosity": 2}, "Print a line for each test."),
    "quiet": ({"verbosity": 0}, "Print failures and the summary only."),
    "failfast": ({"failfast": True}, "Stop at the first failure."),
    "catch": ({"catchbreak": True}, "On Ctrl-C finish the running test, then report and stop."),
    "buffer": ({"buffer": True}, "Show what a test prints only if it fails."),
}


def main(**kwargs: Any) -> None:
    """Run tests as `unittest.main` does, after reading the command line as Tornado does.

    The line names modules, classes or methods in full (``tornadic.testing.main`` run in a script
    does not look in the script itself: ``__main__.MyTest`` does).  Without names, the function
    ``all()`` of the main module has to return the suite to run.

    Options are the logging ones of `tornadic.log`, and ``--verbose``, ``--quiet``, ``--failfast``,
    ``--catch``, ``--buffer`` and ``--exception_on_interrupt``: false makes Ctrl-C end the process
    at once and without a traceback, also where Python would not get to raise KeyboardInterrupt.

    ``kwargs`` are passed on to `unittest.main`, and options go before them.  ``argv`` is the line
    to read instead of `sys.argv`, ``defaultTest`` and ``module`` replace ``"all"`` and
    ``"__main__"``.

    Exits the process, unless ``exit=False`` is given.  Raises `tornadic.options.Error` for an
    unknown option.
    """
    _define_options()
    argv = kwargs.pop("argv", None) or sys.argv
    names = parse_command_line(list(argv))
    if not options.exception_on_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name, (arguments, _) in _OPTIONS.items():
        if getattr(options, name):
            kwargs.update(arguments)
    # Names are those of modules, unless there are none.
    kwargs.setdefault("module", None if names else "__main__")
    kwargs.setdefault("defaultTest", "all")
    unittest.main(argv=[argv[0], *names], **kwargs)


def _define_options() -> None:
    if "exception_on_interrupt" in options:
        return  # This is not the first call.
    define(
        "exception_on_interrupt",
        type=bool,
        default=True,
        help="Whether Ctrl-C raises KeyboardInterrupt, which shows where the program is but "
        "cannot interrupt everything. If false it ends the process at once.",
    )
    for name, (_, explanation) in _OPTIONS.items():
        define(name, type=bool, default=False, help=explanation)
