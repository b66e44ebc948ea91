"""Runs one of Tornado's test modules; started in the suite's environment, by `modules`.

Each event is a line of JSON in a file, written at once: who started this learns how far it came,
however it ends.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

from tests.tornado_suite import api, stand_ins

__all__ = ["run"]

MOST_DETAIL = 4000
"""Characters of a traceback that are kept, from its end."""

ABSTRACT = "abstract base class"
"""Tornado's reason to skip what is no test of its own."""


class Recorder(unittest.TestResult):
    """Writes down what becomes of each test."""

    def __init__(self, module: str, path: str) -> None:
        super().__init__()
        self._module = module
        self._path = path

    def write(self, **event: Any) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    def _end(self, test: unittest.TestCase, outcome: str, detail: str = "") -> None:
        name = test_id(test, self._module)
        self.write(id=name, outcome=outcome, detail=detail[-MOST_DETAIL:])

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.write(begins=test_id(test, self._module))

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._end(test, "passed")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._end(test, "passed")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._end(test, "failed", "passed, but was expected to fail")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._end(test, "failed", self.failures.pop()[1])

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._end(test, "failed", self.errors.pop()[1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self.addFailure(test, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if reason != ABSTRACT:
            self._end(test, "skipped", reason)


def test_id(test: unittest.TestCase, module: str) -> str:
    """The name of a test; that of its module, if that could not be loaded."""
    name = test.id()
    return module if name.startswith("unittest.loader._FailedTest.") else name


def flatten(suite: Any) -> Iterator[unittest.TestCase]:
    """The tests of a suite of suites."""
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from flatten(one)
        else:
            yield one


def strangers() -> list[str]:
    """Modules of a Tornado that is not Tornadic, its tests aside: there may be none."""
    import tornadic

    folder = os.path.dirname(tornadic.__file__)
    return [
        f"{name} ({module.__file__})"
        for name, module in list(sys.modules.items())
        if (name == "tornado" or name.startswith("tornado."))
        and not (name == "tornado.test" or name.startswith("tornado.test."))
        and not (getattr(module, "__file__", None) or folder).startswith(folder)
    ]


def tornadic_is_here() -> bool:
    """Whether ``import tornado`` is Tornadic, and not Tornado itself."""
    return "tornadic" in sys.modules


def set_up() -> None:
    """Do as Tornado's own runner does: no warning passes, and logs go where nobody looks."""
    warnings.filterwarnings("error")
    warnings.filterwarnings("ignore", category=ImportWarning)
    for category in (DeprecationWarning, PendingDeprecationWarning):
        # Those of other packages are not ours to mend.
        warnings.filterwarnings("ignore", category=category)
        warnings.filterwarnings("error", category=category, module=r"tornado\..*")
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)


def run(module: str, path: str, done: set[str]) -> None:
    """Run the tests of ``module`` but those in ``done``; append the events to file ``path``."""
    set_up()
    recorder = Recorder(module, path)
    if module == api.MODULE:
        run_api(recorder)
    else:
        if tornadic_is_here():
            stand_ins.fill_in()
        suite = unittest.defaultTestLoader.loadTestsFromName(module)
        tests = [test for test in flatten(suite) if test_id(test, module) not in done]
        unittest.TestSuite(tests).run(recorder)
    if "tornadic" in sys.modules and (found := strangers()):
        detail = f"modules that are not Tornadic's: {', '.join(found)}"
        recorder.write(id=module, outcome="failed", detail=detail)
    recorder.write(complete=True)


def run_api(recorder: Recorder) -> None:
    """Take each line of the list of the API for a test."""
    with open(api.find_list(), encoding="utf-8") as file:
        listed = list(api.entries(file.read()))
    for entry in listed:
        try:
            problem = api.check(entry)
        except ImportError as error:
            problem = f"its module cannot be imported: {error}"
        outcome = "failed" if problem else "passed"
        recorder.write(id=entry.name, outcome=outcome, detail=problem or "")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], set(json.load(sys.stdin)))
