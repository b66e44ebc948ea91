"""Runs test cases as `unittest` does, so that tests can look at what becomes of them."""

from __future__ import annotations

import gc
import traceback
import unittest
import warnings
from dataclasses import dataclass, field

Outcome = str | BaseException


class _Recorder(unittest.TestResult):
    """Keeps the exceptions themselves, where `unittest` keeps only their text."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, list[Outcome]] = {}

    def _note(self, test: unittest.TestCase, outcome: Outcome) -> None:
        self.outcomes.setdefault(test.id().rpartition(".")[2], []).append(outcome)

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, "passed")

    def addError(self, test: unittest.TestCase, err: object) -> None:
        self._note(test, err[1])  # type: ignore[index]

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        self._note(test, err[1])  # type: ignore[index]

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._note(test, f"skipped: {reason}")


@dataclass
class Results:
    """What became of the tests of a case: "passed", "skipped: why", or the exceptions."""

    outcomes: dict[str, list[Outcome]]
    warnings: list[warnings.WarningMessage] = field(default_factory=list)

    def passed(self) -> bool:
        """Whether every test did, and nothing was warned of; else show what was raised."""
        for outcomes in self.outcomes.values():
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    traceback.print_exception(outcome)
        for warning in self.warnings:
            print(warning)
        return not self.warnings and all(one == ["passed"] for one in self.outcomes.values())

    def error(self, name: str = "test") -> BaseException:
        """The one exception of a test."""
        [outcome] = self.outcomes[name]
        assert isinstance(outcome, BaseException), outcome
        return outcome


def run_case(case: type[unittest.TestCase]) -> Results:
    """Run all tests of a case; warnings, those of objects that were dropped too, are kept."""
    recorder = _Recorder()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(recorder)
        gc.collect()
    return Results(recorder.outcomes, caught)


def source_lines(error: BaseException) -> list[str]:
    """The lines of the program in a traceback, with those of its causes."""
    lines = []
    one: BaseException | None = error
    while one is not None:
        lines += [frame.line or "" for frame in traceback.extract_tb(one.__traceback__)]
        one = one.__cause__
    return lines
