"""What the Autobahn test suite has written about a run: each case's verdict, and why.

It leaves a folder with an ``index.json``, which has two verdicts for each case of each agent, on
what was answered and on how the connection was closed, and the name of the case's own report.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["MISSING", "VERDICTS", "CaseResult", "failing", "read_folder", "table"]

MISSING: Final = "MISSING"
VERDICTS: Final = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED")

_INDEX: Final = "index.json"
_ROW: Final = "{:<8}" + "{:>15}" * (len(VERDICTS) + 1)


@dataclass(frozen=True)
class CaseResult:
    """What became of a case: a verdict of `VERDICTS`, or `MISSING`; and the words for it."""

    case: str
    verdict: str
    words: str = ""

    @property
    def group(self) -> str:
        return self.case.partition(".")[0]


def read_folder(folder: Path, agent: str, cases: Iterable[str]) -> list[CaseResult]:
    """The results of ``agent`` in the reports of ``folder``, one for each of ``cases``."""
    path = folder / _INDEX
    entries = json.loads(path.read_text("utf-8")).get(agent, {}) if path.exists() else {}
    return [read_case(folder, case, entries.get(case)) for case in cases]


def read_case(folder: Path, case: str, entry: dict[str, Any] | None) -> CaseResult:
    if entry is None:
        return CaseResult(case, MISSING, "there is no report of it")
    verdict = verdict_of(entry["behavior"], entry["behaviorClose"])
    if verdict == "OK":
        return CaseResult(case, verdict)
    report = json.loads((folder / entry["reportfile"]).read_text("utf-8"))
    said = f"{entry['behavior']}: {report['result']}"
    closed = f"close {entry['behaviorClose']}: {report['resultClose']}"
    return CaseResult(case, verdict, plain(f"{report['description']} | {said} | {closed}"))


def verdict_of(behavior: str, close: str) -> str:
    """One verdict of two: the worse.

    On the close there are others, such as ``UNCLEAN`` and ``WRONG CODE``.  They are failures.
    """
    if behavior not in VERDICTS or close not in VERDICTS:
        return "FAILED"
    if "FAILED" in (behavior, close):
        return "FAILED"
    return close if behavior == "OK" else behavior


def plain(text: str) -> str:
    """Without tags and line ends: the words are meant for a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def table(results: Sequence[CaseResult]) -> str:
    """A row for each group of cases, and the sum."""
    groups: dict[str, Counter[str]] = {}
    for result in results:
        groups.setdefault(result.group, Counter())[result.verdict] += 1
    columns = (*VERDICTS, MISSING)
    lines = [_ROW.format("group", *columns)]
    for group in sorted(groups, key=int):
        lines.append(_ROW.format(group, *(groups[group][column] for column in columns)))
    total = sum(groups.values(), Counter[str]())
    lines.append(_ROW.format("all", *(total[column] for column in columns)))
    return "\n".join(lines)


def failing(results: Iterable[CaseResult], *, is_compressed: bool) -> list[CaseResult]:
    """Those that should not be: failed, missing, or of no avail though compression was on."""
    bad = {"FAILED", MISSING}
    if is_compressed:
        bad.add("UNIMPLEMENTED")
    return [result for result in results if result.verdict in bad]
