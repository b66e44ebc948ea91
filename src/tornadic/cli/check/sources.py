"""The files of a project: finding them, reading them, and saying what stands in the way.

Nothing of what is read here is ever executed.
"""

from __future__ import annotations

import ast
import io
import os
import re
import stat
import tokenize
import warnings
from collections.abc import Iterator, Sequence

__all__ = ["MOST_BYTES", "MOST_FILES", "Problem", "find", "parse", "read"]

MOST_BYTES = 4_000_000
"""A larger file is passed over: what people write is far smaller, what programs write is data."""

MOST_FILES = 100_000
"""Files that are looked at, that no tree of folders takes for ever."""

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "__pypackages__"})
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
"""What a folder has in it that is an environment of Python."""

_PYTHON_2 = (
    (re.compile(r"^\s*print\b(?!\s*\()"), "a print statement"),
    (re.compile(r"^\s*exec\b(?!\s*\()"), "an exec statement"),
    (re.compile(r"^\s*except\b[^:#]+,\s*\w+\s*:"), "`except X, name`"),
    (re.compile(r"^\s*raise\b[^#'\"(]+,"), "`raise X, value`"),
    (re.compile(r"<>"), "`<>`"),
    (re.compile(r"\b[uU][rR]['\"]"), 'ur""'),
    (re.compile(r"(?<![\w.])0[0-7]+\b|\b\d+[lL]\b"), "an integer of Python 2"),
    (re.compile(r"`"), "backticks"),
    (re.compile(r"^\s*def\s+\w+\(.*\([^()=]*\).*\)\s*:"), "a tuple as a parameter"),
)


class Problem(Exception):
    """A file could not be looked at; ``is_fatal`` if no Python 3 could run it, either."""

    def __init__(
        self, reason: str, is_fatal: bool = False, *, line: int = 1, column: int = 1
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_fatal = is_fatal
        self.line = line
        self.column = column


def find(paths: Sequence[str]) -> Iterator[str]:
    """Yield the files that ``paths`` name, and those called ``*.py`` in the folders they name.

    Environments of Python, hidden folders and those of other tools are passed over, unless they are
    named themselves.  Links are followed, each folder is entered once.  The order is that of the
    alphabet, folder by folder.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if os.path.isdir(path):
            yield from _files_in(path, seen)
        else:
            yield path


def _files_in(top: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            found = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue  # gone meanwhile, or not ours to read
        identity = found.st_dev, found.st_ino
        if identity in seen:
            continue
        seen.add(identity)
        if folder != top and any(entry.name in _ENVIRONMENT for entry in entries):
            continue
        folders = []
        for entry in entries:
            if _is_folder(entry):
                if not entry.name.startswith(".") and entry.name not in _SKIPPED:
                    folders.append(entry.path)
            elif entry.name.endswith(".py"):
                yield entry.path
        waiting.extend(reversed(folders))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle


def read(path: str) -> str:
    """Return a file's text, decoded as it says itself (PEP 263).

    Raises `Problem` if it cannot be read, is no text, or is larger than `MOST_BYTES`.
    """
    try:
        # Not to hang on what is no file: a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Problem("is no file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise Problem(f"has more than {MOST_BYTES:,} bytes")
    if b"\0" in content:
        raise Problem("is no text: it has NUL bytes", True)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except SyntaxError as error:
        raise Problem(f"cannot be decoded: {error.msg}", True) from None
    except (ValueError, LookupError) as error:
        raise Problem(f"cannot be decoded: {error}", True) from None


def parse(text: str) -> ast.Module:
    """Return the syntax tree of a text.

    Raises `Problem` if Python 3 cannot read it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as for "\d": not ours to tell
            return ast.parse(text)
    except SyntaxError as error:
        raise _syntax_problem(text, error) from None
    except (ValueError, OverflowError) as error:
        raise Problem(f"is not Python: {error}", True) from None
    except (RecursionError, MemoryError):
        raise Problem("is nested too deeply to be read") from None


def _syntax_problem(text: str, error: SyntaxError) -> Problem:
    line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
    lines = re.split(r"\r\n|\r|\n", text)
    wrong = lines[line - 1] if line <= len(lines) else ""
    for pattern, what in _PYTHON_2:
        if pattern.search(wrong[:1000]):
            return Problem(f"is written for Python 2: {what}", True, line=line, column=column)
    return Problem(f"is not Python 3: {error.msg}", True, line=line, column=column)
