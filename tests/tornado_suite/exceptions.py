"""The tests of Tornado's that Tornadic does not pass, with the reasons: ``exceptions.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

__all__ = ["Comparison", "KnownException", "compare", "read"]

FILE = Path(__file__).resolve().parent / "exceptions.toml"


@dataclass(frozen=True)
class KnownException:
    """Tests, by patterns as of a shell, and why they may fail."""

    tests: tuple[str, ...]
    reason: str
    differs: bool = False
    """Whether Tornadic does otherwise on purpose, and ``docs/differences.md`` says so."""

    def covers(self, test: str) -> bool:
        """Whether ``test`` is one of them."""
        return any(fnmatchcase(test, pattern) for pattern in self.tests)


@dataclass(frozen=True)
class Comparison:
    """What failed, held against what may."""

    unexpected: list[str]
    known: dict[KnownException, list[str]]
    passing: list[str]
    """Patterns of which everything that they cover was run and passes."""

    def count(self, *, differs: bool) -> int:
        """How many of those that failed are known for that kind of reason."""
        kinds: dict[str, bool] = {}
        for exception, tests in self.known.items():
            for test in tests:
                kinds[test] = kinds.get(test, False) or exception.differs
        return list(kinds.values()).count(differs)


def read(path: Path = FILE) -> list[KnownException]:
    """Read the list.

    Raises `ValueError` for an entry without tests or without a reason, or with anything else but
    ``differs``.
    """
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8")).get("exception", [])
    exceptions = []
    for entry in entries:
        tests, reason = entry.get("tests"), entry.get("reason")
        differs = entry.get("differs", False)
        if not tests or not reason or not set(entry) <= {"tests", "reason", "differs"}:
            raise ValueError(f"an exception has tests and a reason: {entry}")
        if not isinstance(differs, bool):
            raise ValueError(f"differs is true or false: {entry}")
        exceptions.append(KnownException(tuple(tests), reason.strip(), differs))
    return exceptions


def compare(outcomes: Mapping[str, str], exceptions: Iterable[KnownException]) -> Comparison:
    """Sort the failed tests by whether, and why, that was known."""
    failed = sorted(test for test, outcome in outcomes.items() if outcome == "failed")
    known: dict[KnownException, list[str]] = {}
    passing = []
    left = set(failed)
    for exception in exceptions:
        covered = [test for test in failed if exception.covers(test)]
        if covered:
            known[exception] = covered
            left.difference_update(covered)
        for pattern in exception.tests:
            met = [outcome for test, outcome in outcomes.items() if fnmatchcase(test, pattern)]
            if met and set(met) == {"passed"}:
                passing.append(pattern)
    return Comparison(sorted(left), known, passing)
