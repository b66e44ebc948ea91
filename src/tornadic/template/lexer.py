"""Cuts the text of a template into plain text, expressions and tags.

One regular expression finds what opens the next piece; where that ends, the closing sign says,
whatever stands before it (so none may stand in a string within).  Of three or more braces in a
row the innermost two count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tornadic.template.sources import Snippet, Source, advance

__all__ = ["Expression", "Tag", "Text", "Token", "tokenize"]

_OPENING = re.compile(r"\{(?:\{(?!\{)|[%#])")
_OPERATOR = re.compile(r"\s*(\S*)")
_CLOSING = {"{{": ("}}", "expression"), "{%": ("%}", "block"), "{#": ("#}", "comment")}


@dataclass(frozen=True, slots=True)
class Text:
    """What stands in the page as it is."""

    snippet: Snippet


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between ``{{`` and ``}}``."""

    snippet: Snippet


@dataclass(frozen=True, slots=True)
class Tag:
    """What stands between ``{%`` and ``%}``: the whole, its first word, and the rest."""

    whole: Snippet
    operator: str
    rest: Snippet

    @property
    def line(self) -> int:
        """The line of the first word."""
        return self.whole.line


Token = Text | Expression | Tag


def tokenize(source: Source) -> Iterator[Token]:
    """Give the pieces in order; comments are left out.

    Raises `.ParseError` for what is opened and not closed.
    """
    text = source.text
    done, line, column = 0, 1, 0
    while match := _OPENING.search(text, done):
        start, inside = match.span()
        if start > done:
            yield Text(Snippet(text[done:start], line, column))
        opening = match[0]
        opening_line, column = advance(line, column, text[done:start])
        if text.startswith("!", inside):
            yield Text(Snippet(opening, opening_line, column))
            done, line, column = inside + 1, opening_line, column + 3
            continue
        closing, what = _CLOSING[opening]
        end = text.find(closing, inside)
        if end < 0:
            raise source.error(f"Missing end {what} {closing}", opening_line)
        content = Snippet(text[inside:end], opening_line, column + 2)
        if opening == "{{":
            yield Expression(content.after(0))
        elif opening == "{%":
            yield _tag(content.after(0))
        line, column = content.end
        done, column = end + 2, column + 2
    if done < len(text):
        yield Text(Snippet(text[done:], line, column))


def _tag(whole: Snippet) -> Tag:
    match = _OPERATOR.match(whole.text)
    assert match is not None
    return Tag(whole, match[1], whole.after(match.end()))
