"""The frames of a traceback: where each stands, the lines around it, and its variables."""

from __future__ import annotations

import functools
import itertools
import linecache
import os
import sys
import sysconfig
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import tornadic
from tornadic.template.runtime import DEFAULT_NAMESPACE
from tornadic.template.sources import Source
from tornadic.web.debugpage.masking import LEAST_OF_VARIABLE, Masks, is_secret
from tornadic.web.debugpage.values import Describer

__all__ = [
    "Budget",
    "Excerpt",
    "Frame",
    "Gap",
    "Line",
    "Variable",
    "excerpt",
    "frames_of",
    "learn_from",
]

Kind = Literal["program", "template", "framework", "library"]

OWN: tuple[Kind, ...] = ("program", "template")
"""What the developer has written."""

MOST_FRAMES = 40
"""Of one exception: half of them from either end, where a recursion shows what it is."""

MOST_FRAMES_IN_ALL = 120
MOST_VARIABLES = 40
"""Of one frame."""

MOST_VARIABLES_IN_ALL = 1200
LINES_AROUND = 5
MOST_COLUMNS = 300
"""Of one line of source."""


@dataclass(frozen=True)
class Line:
    """A line of source; ``marked`` are the columns of what failed in it, None for nothing."""

    number: int
    text: str
    is_current: bool
    marked: tuple[int, int] | None = None


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a file, and which of them counts."""

    file: str
    number: int
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Variable:
    """A local variable, described."""

    name: str
    value: str


@dataclass(frozen=True)
class Frame:
    """One call; ``path`` is the whole path of its file, ``excerpt.file`` the part worth reading."""

    kind: Kind
    function: str
    path: str
    excerpt: Excerpt
    variables: tuple[Variable, ...]
    variables_left_out: int


@dataclass(frozen=True)
class Gap:
    """So many frames that are not shown."""

    count: int


@dataclass
class Budget:
    """What may still be shown on the page."""

    frames: int = MOST_FRAMES_IN_ALL
    variables: int = MOST_VARIABLES_IN_ALL


_Place = tuple[types.FrameType, int, int]


def _places_of(traceback: types.TracebackType | None, most: int) -> tuple[list[_Place], int]:
    """Frame, line and instruction of at most ``most`` calls, the last call first.

    With more of them the middle is left out; the second value says how many that are.
    """
    places: list[_Place] = []
    while traceback is not None:
        places.append((traceback.tb_frame, traceback.tb_lineno, traceback.tb_lasti))
        traceback = traceback.tb_next
    places.reverse()
    left_out = len(places) - most
    if left_out <= 0:
        return places, 0
    last = most // 2
    return places[: most - last] + places[len(places) - last :], left_out


def frames_of(
    traceback: types.TracebackType | None, describer: Describer, masks: Masks, budget: Budget
) -> list[Frame | Gap]:
    """The frames of ``traceback``, the last call first."""
    most = min(MOST_FRAMES, budget.frames)
    places, left_out = _places_of(traceback, most)
    budget.frames -= len(places)
    shown: list[Frame | Gap] = [
        _frame(*place, describer=describer, masks=masks, budget=budget) for place in places
    ]
    if left_out:
        shown.insert(most - most // 2, Gap(left_out))
    return shown


def learn_from(traceback: types.TracebackType | None, masks: Masks) -> None:
    """Hide what the variables of a traceback hold whose names are those of secrets."""
    for frame, _, _ in _places_of(traceback, MOST_FRAMES)[0]:
        for name, value in _variables_of(frame)[:MOST_VARIABLES]:
            if is_secret(name):
                masks.learn(value, LEAST_OF_VARIABLE)


def _frame(
    frame: types.FrameType,
    number: int,
    instruction: int,
    *,
    describer: Describer,
    masks: Masks,
    budget: Budget,
) -> Frame:
    path = frame.f_code.co_filename
    kind = _kind_of(frame)
    found = _variables_of(frame)
    room = min(MOST_VARIABLES, budget.variables)
    budget.variables -= min(room, len(found))
    return Frame(
        kind,
        _name_of(frame.f_code, kind),
        path,
        excerpt(
            path,
            number,
            masks,
            columns=_columns_of(frame.f_code, instruction, number),
            namespace=frame.f_globals,
        ),
        tuple(Variable(name, describer.describe(value, name)) for name, value in found[:room]),
        max(0, len(found) - room),
    )


def _name_of(code: types.CodeType, kind: Kind) -> str:
    name = code.co_qualname
    if kind == "template":
        return "template"
    return "module" if name == "<module>" else name.replace(".<locals>", "")


def _variables_of(frame: types.FrameType) -> list[tuple[str, Any]]:
    """The names of a frame that somebody has given, with what they stand for."""
    try:
        found = dict(frame.f_locals)
    except Exception:
        return []  # the namespace of a class body may be anything
    if _source_of(frame) is not None:
        # What a template was rendered with are its globals.
        given = {
            name: value
            for name, value in frame.f_globals.items()
            if DEFAULT_NAMESPACE.get(name) is not value
        }
        found = {**given, **found}
        return [
            (name, value) for name, value in found.items() if not name.startswith(("_tt_", "__"))
        ]
    if frame.f_code.co_name == "<module>":
        aside = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
        return [
            (name, value)
            for name, value in found.items()
            if not name.startswith("__") and not issubclass(type(value), aside)
        ]
    # Python's own, such as the iterable of a comprehension.
    return [(name, value) for name, value in found.items() if not name.startswith(".")]


def _source_of(frame: types.FrameType) -> Source | None:
    """The template that a frame runs, if it does."""
    loader = frame.f_globals.get("__loader__")
    return loader if type(loader) is Source else None


def _kind_of(frame: types.FrameType) -> Kind:
    if _source_of(frame) is not None:
        return "template"
    path = frame.f_code.co_filename
    if path.startswith(_framework()):
        return "framework"
    if path.startswith(("<frozen ", *_libraries())) or any(
        f"{os.sep}{folder}{os.sep}" in path for folder in ("site-packages", "dist-packages")
    ):
        return "library"
    return "program"


@functools.cache
def _framework() -> str:
    return os.path.join(os.path.dirname(os.path.abspath(str(tornadic.__file__))), "")


@functools.cache
def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({os.path.join(paths[name], "") for name in names})


def _columns_of(code: types.CodeType, instruction: int, number: int) -> tuple[int, int] | None:
    """First and last byte, in its line, of the expression that an instruction belongs to."""
    if instruction < 0:
        return None
    at = instruction // 2
    for first, last, begin, end in itertools.islice(code.co_positions(), at, at + 1):
        if first != number or begin is None or end is None:
            return None
        return begin, end if last == first else 1 << 30
    return None


def excerpt(
    path: str,
    number: int,
    masks: Masks,
    *,
    columns: tuple[int, int] | None = None,
    namespace: dict[str, Any] | None = None,
    lines: Iterable[str] | None = None,
    begin: int = 1,
) -> Excerpt:
    """The lines around line ``number`` of the file at ``path``; none if there is no such file.

    ``columns`` are bytes of that line.  ``lines`` is the text, where the file need not be read, and
    ``begin`` the number of the first of them.
    """
    if lines is None:
        linecache.checkcache(path)
        lines = linecache.getlines(path, namespace)
    shown = []
    skipped = max(0, number - LINES_AROUND - begin)
    last = max(0, number + LINES_AROUND + 1 - begin)
    for i, line in itertools.islice(enumerate(lines, begin), skipped, last):
        text = line.rstrip("\r\n")
        marked = _characters(text, columns) if columns is not None and i == number else None
        hidden = masks.hide_source(text[:MOST_COLUMNS])
        # What was masked has moved what stands behind it.
        marked = marked if hidden == text[:MOST_COLUMNS] else None
        shown.append(Line(i, hidden, i == number, marked))
    return Excerpt(_short(path), number, tuple(shown))


def _characters(text: str, columns: tuple[int, int]) -> tuple[int, int] | None:
    """The characters that stand at these bytes of a line; None for all of it, or nothing."""
    data = text.encode("utf-8", "replace")
    begin, end = (len(data[:column].decode("utf-8", "ignore")) for column in columns)
    blank = len(text) - len(text.lstrip())
    if begin >= end or (begin <= blank and end >= len(text.rstrip())):
        return None
    return begin, min(end, MOST_COLUMNS)


def _short(path: str) -> str:
    """A path from where a reader would begin: the working folder, or that of the libraries."""
    roots = [
        os.getcwd(),
        *filter(os.path.isabs, sys.path),
        os.path.dirname(_framework().rstrip(os.sep)),
        *_libraries(),
    ]
    for root in sorted({os.path.join(root, "") for root in roots}, key=len, reverse=True):
        if path.startswith(root):
            return path[len(root) :]
    return path
