"""What is raised for a template that is none."""

from __future__ import annotations

__all__ = ["ParseError"]


class ParseError(Exception):
    """A template is malformed, apart from the Python in it (that raises `SyntaxError`).

    ``filename`` is the name of the template, None if it is not known; ``lineno`` the line in it,
    counted from 1, or 0 if it is not known.  Both are attributes, as is ``message``.
    """

    text: str | None = None
    """The whole text of the template, where it is known, to show the line in."""

    def __init__(self, message: str, filename: str | None = None, lineno: int = 0) -> None:
        super().__init__(message, filename, lineno)
        self.message = message
        self.filename = filename
        self.lineno = lineno

    def __str__(self) -> str:
        return f"{self.message} at {self.filename}:{self.lineno}"
