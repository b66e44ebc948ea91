"""The text of a template and where it is, for errors and for those who look at code.

The functions that a template becomes carry a file name.  If the text is that of a file, this is
its path.  Any other text is put into `linecache`, under the template's name, for as long as the
template lives: tracebacks and debuggers look there first.
"""

from __future__ import annotations

import itertools
import linecache
import weakref
from dataclasses import dataclass

from tornadic.template.errors import ParseError

__all__ = ["UNNAMED", "Snippet", "Source", "advance"]

UNNAMED = "<string>"
"""The name of a template that was given none."""

_numbers = itertools.count(1)


def advance(line: int, column: int, text: str) -> tuple[int, int]:
    """Where one is after ``text`` which begins at line and column."""
    newlines = text.count("\n")
    if not newlines:
        return line, column + len(text.encode())
    return line + newlines, len(text[text.rindex("\n") + 1 :].encode())


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of a template's text.

    ``line`` counts from 1 and ``column``, in bytes of UTF-8, from 0, as Python's own trees do.
    """

    text: str
    line: int
    column: int

    @property
    def end(self) -> tuple[int, int]:
        """Line and column behind it."""
        return advance(self.line, self.column, self.text)

    def after(self, length: int) -> Snippet:
        """What is left behind so many characters, without the white space at either end."""
        rest = self.text[length:]
        stripped = rest.lstrip()
        skipped = self.text[: length + len(rest) - len(stripped)]
        return Snippet(stripped.rstrip(), *advance(self.line, self.column, skipped))


class Source:
    """The text of a template.

    ``name`` is what the loader calls it, and ``path`` that of the file with this text, None if
    there is none.  Code that comes from it carries ``filename``: the path, or a name that no other
    text has.

    Raises `UnicodeEncodeError` for text that has no UTF-8.
    """

    __slots__ = ("__weakref__", "filename", "name", "path", "text")

    def __init__(self, name: str, text: str, path: str | None = None) -> None:
        text.encode()
        self.name = name
        self.text = text
        self.path = path
        self.filename = path or self._publish()

    def _publish(self) -> str:
        """Let `linecache` know the lines, and return under which name."""
        lines = [f"{line}\n" for line in self.text.split("\n")]
        filename = self.name
        if filename == UNNAMED:
            filename = f"<template {next(_numbers)}>"
        entry = (len(self.text), None, lines, filename)
        if linecache.cache.setdefault(filename, entry) is not entry:
            filename = f"{filename} ({next(_numbers)})"
            linecache.cache[filename] = (len(self.text), None, lines, filename)
        weakref.finalize(self, linecache.cache.pop, filename, None).atexit = False
        return filename

    def get_source(self, name: str) -> str:
        """The text.  So that this can be the ``__loader__`` of a module (PEP 302)."""
        return self.text

    def line(self, number: int) -> str:
        """The line of this number, which counts from 1; empty if there is none."""
        lines = self.text.split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def error(self, message: str, line: int) -> ParseError:
        """What to raise for an error in this line."""
        error = ParseError(message, self.name, line)
        error.text = self.text
        return error

    def syntax_error(self, message: str, line: int, offset: int) -> SyntaxError:
        """What to raise for bad Python at this character of this line; both count from 1."""
        return SyntaxError(message, (self.path or self.name, line, offset, self.line(line)))
