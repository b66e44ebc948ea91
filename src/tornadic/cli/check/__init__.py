"""``tornadic check``: lists what a project uses that Tornado has removed or deprecated.

The files are read, by their syntax trees; nothing of them is run or imported.  Reading has three
steps, each a room: `sources` finds files and parses them, `reading` makes of each tree a few facts
(and the tree is dropped), `judging` holds the facts of all files against the table in `forms` and
against what Tornadic has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tornadic.cli.check import sources
from tornadic.cli.check.facts import ModuleFacts
from tornadic.cli.check.forms import Level
from tornadic.cli.check.judging import judge
from tornadic.cli.check.project import Project
from tornadic.cli.check.reading import read
from tornadic.cli.check.report import Report, Unread

__all__ = ["check", "main"]

_HELP = """\
usage: tornadic check [--json] PATH...

List what the files use that Tornado has removed or deprecated, and what to write today.  PATH is a
file, or a folder in which files called *.py are looked for; virtual environments, hidden folders
and node_modules are passed over.  Nothing is run.

  will not run   neither Tornado 6.6 nor Tornadic has it; or the file is not Python 3
  may not run    private to Tornado, or the program is prepared for its absence
  removed        removed from Tornado; Tornadic runs it, with a warning
  deprecated     Tornado still has it, and advises against it

The exit status is 1 if something will not run, otherwise 0; 2 for a bad line.

  --json   an object: files (how many), summary (a number for each level: will-not-run,
           may-not-run, removed, deprecated), findings (a list of objects with path, line, column,
           level, name, instead; lines and columns from 1 on, columns in characters; name is null
           if the file is not Python 3), passed_over (a list of objects with path, reason)"""


def main(arguments: Sequence[str]) -> int:
    """Check what ``arguments`` name, and print the report.

    Return 0, 1 if something will not run, or 2 for a bad line, with a message on standard error.
    """
    rest = list(arguments)
    if "-h" in rest or "--help" in rest:
        print(_HELP)
        return 0
    names, literal = _partition(rest)
    as_json = "--json" in names
    paths = [word for word in names if word != "--json"]
    unknown = [word for word in paths if word.startswith("-")]
    if unknown:
        return _complain(f"unknown option {unknown[0]!r}; see tornadic check --help")
    paths += literal
    if not paths:
        return _complain("name files or folders; see tornadic check --help")
    for path in paths:
        if not os.path.exists(path):
            return _complain(f"there is no {path!r}")
    report = check(paths)
    print(report.as_json() if as_json else report.as_text())
    return 0 if report.will_run else 1


def _partition(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before ``--``, and those behind it, which are paths whatever they look like."""
    if "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def _complain(message: str) -> int:
    print(f"tornadic check: {message}", file=sys.stderr)
    return 2


def check(paths: Sequence[str]) -> Report:
    """Return what there is to say of the files and folders ``paths``."""
    facts: dict[str, ModuleFacts] = {}
    shown: dict[str, str] = {}
    unread = []
    for path in sources.find(paths):
        place = os.path.abspath(path)
        if place in shown:
            continue
        if len(shown) == sources.MOST_FILES:
            reason = f"and all after it are passed over: there are more than {len(shown):,}"
            unread.append(Unread(path, 1, 1, reason, None))
            break
        shown[place] = path
        try:
            text = sources.read(path)
            facts[place] = read(sources.parse(text), place, text)
        except sources.Problem as problem:
            level = Level.WILL_NOT_RUN if problem.is_fatal else None
            unread.append(Unread(path, problem.line, problem.column, problem.reason, level))
    findings = judge(Project(facts.values()), shown)
    return Report(len(facts), findings, unread)
