"""What can be known of a pattern without running it.

A route's pattern is a regular expression, and most are nearly plain text: ``/users/([0-9]+)``.
`read_pattern` takes such a pattern apart into its literal pieces and its groups.  The first piece
lets the index find the rule without trying it, all of them together turn arguments back into a
path.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["PatternParts", "read_pattern"]

_SPECIAL = frozenset(".^$*+?{}[]\\|()")
_QUANTIFIERS = frozenset("*+?{")


class PatternParts(NamedTuple):
    """What `read_pattern` found.

    ``prefix``: text that every path matched begins with.  ``is_literal``: the pattern matches
    ``prefix`` and nothing else.  ``pieces``: the texts before, between and behind the groups, or
    None if the pattern has more to it than texts and groups.
    """

    prefix: str
    is_literal: bool
    pieces: list[str] | None


def read_pattern(pattern: str) -> PatternParts:
    """Take apart ``pattern``, which is matched against a whole path, without its flags."""
    pattern = pattern.removeprefix("^")
    if pattern.endswith("$") and not pattern.endswith("\\$"):
        pattern = pattern[:-1]
    pieces: list[str] = []
    text: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "(":
            end = _end_of_group(pattern, at)
            opening = pattern[at + 1 : at + 4]
            if end is None or (opening.startswith("?") and opening != "?P<"):
                break
            if end < len(pattern) and pattern[end] in _QUANTIFIERS:
                break
            pieces.append("".join(text))
            text = []
            at = end
            continue
        literal, size = _literal_at(pattern, at)
        if literal is None or pattern[at + size : at + size + 1] in _QUANTIFIERS | {"|"}:
            break
        text.append(literal)
        at += size
    whole = at == len(pattern)
    if _has_alternative(pattern):
        # One of several patterns: not even the first text is sure to be there.
        return PatternParts("", False, None)
    pieces.append("".join(text))
    return PatternParts(pieces[0], whole and len(pieces) == 1, pieces if whole else None)


def _literal_at(pattern: str, at: int) -> tuple[str | None, int]:
    """The character that the pattern stands for at ``at``, and how long that is written."""
    char = pattern[at]
    if char == "\\":
        escaped = pattern[at + 1 : at + 2]
        # An escaped letter or digit is a class or a reference, or something for the future.
        if escaped and not (escaped.isascii() and escaped.isalnum()):
            return escaped, 2
        return None, 2
    return (None, 1) if char in _SPECIAL else (char, 1)


def _end_of_group(pattern: str, start: int) -> int | None:
    """Behind the group that opens at ``start``; None if there is another group in it."""
    at = start + 1
    in_class = False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]" or pattern[at - 1] == "["
        elif char == "[":
            in_class = True
        elif char == "(":
            return None
        elif char == ")":
            return at + 1
        at += 1
    return None


def _has_alternative(pattern: str) -> bool:
    """Whether a ``|`` stands outside of groups and classes."""
    outside = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
    outside = re.sub(r"\[\^?\]?[^\]]*\]", "", outside)
    depth = 0
    for char in outside:
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth <= 0:
            return True
    return False
