"""Findings as text for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tornadic.cli.check.forms import Level
from tornadic.cli.check.judging import Finding

__all__ = ["Report", "Unread"]

_LABELS = {
    Level.WILL_NOT_RUN: "will not run",
    Level.MAY_NOT_RUN: "may not run",
    Level.REMOVED: "removed",
    Level.DEPRECATED: "deprecated",
}
_MEANINGS = {
    Level.WILL_NOT_RUN: "will not run",
    Level.MAY_NOT_RUN: "may not run",
    Level.REMOVED: "removed from Tornado, run here with a warning",
    Level.DEPRECATED: "deprecated",
}


@dataclass(frozen=True)
class Unread:
    """A file that could not be looked at."""

    path: str
    line: int
    column: int
    reason: str
    level: Level | None
    """WILL_NOT_RUN if no Python 3 could run it, None if it was passed over."""


@dataclass(frozen=True)
class Report:
    """What a check came to."""

    files: int
    """How many files were looked at."""
    findings: Sequence[Finding]
    unread: Sequence[Unread]

    @property
    def will_run(self) -> bool:
        """Whether nothing was found that cannot run."""
        return not self._counts()[Level.WILL_NOT_RUN]

    def as_text(self) -> str:
        """Return lines by file, and a last one that sums them up."""
        lines: list[str] = []
        for path, rows in groupby(self._rows(), key=lambda row: row[0]):
            lines += [path, *(self._line(*row[1:]) for row in rows), ""]
        return "\n".join([*lines, self._summary()])

    def _rows(self) -> list[tuple[str, int, int, str, str]]:
        rows = [
            (one.path, one.line, one.column, _LABELS[one.level], f"{one.name}: {one.instead}")
            for one in self.findings
        ]
        rows += [
            (one.path, one.line, one.column, _label(one.level), f"the file {one.reason}")
            for one in self.unread
        ]
        return sorted(rows)

    def _line(self, line: int, column: int, label: str, text: str) -> str:
        width = max(map(len, _LABELS.values()))
        return f"  {f'{line}:{column}':>8}  {label:{width}}  {text}"

    def _counts(self) -> Counter[Level]:
        counts = Counter(one.level for one in self.findings)
        counts.update(one.level for one in self.unread if one.level is not None)
        return counts

    def _summary(self) -> str:
        counts = self._counts()
        files = f"{self.files} file" if self.files == 1 else f"{self.files} files"
        parts = [f"{counts[level]} {_MEANINGS[level]}" for level in Level if counts[level]]
        skipped = sum(one.level is None for one in self.unread)
        if skipped:
            parts.append(f"{skipped} passed over")
        return f"{files}: {', '.join(parts) or 'no old forms'}"

    def as_json(self) -> str:
        """Return an object, whose shape `tornadic check --help` describes."""
        counts = self._counts()
        return json.dumps(
            {
                "files": self.files,
                "summary": {level.value: counts[level] for level in Level},
                "findings": list(self._objects()),
                "passed_over": [
                    {"path": one.path, "reason": one.reason}
                    for one in self.unread
                    if one.level is None
                ],
            },
            indent=2,
        )

    def _objects(self) -> Iterator[dict[str, object]]:
        for one in self.findings:
            yield {
                "path": one.path,
                "line": one.line,
                "column": one.column,
                "level": one.level.value,
                "name": one.name,
                "instead": one.instead,
            }
        for other in self.unread:
            if other.level is not None:
                yield {
                    "path": other.path,
                    "line": other.line,
                    "column": other.column,
                    "level": other.level.value,
                    "name": None,
                    "instead": f"the file {other.reason}",
                }


def _label(level: Level | None) -> str:
    return "passed over" if level is None else _LABELS[level]
