"""What can be known of a pattern without running it.

A route's pattern is a regular expression, and most are nearly plain text: ``/users/([0-9]+)``.
`read_pattern` takes such a pattern apart into its literal pieces and its groups.  The first text
lets the index find the rule without trying it, all of them together turn arguments back into a
path.  Whatever it does not understand it leaves to the regular expression.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PatternParts", "is_anchored", "read_pattern"]

_SPECIAL = frozenset(".^$*+?{}[]\\|()")
_REPEATING = frozenset("*+{")


class PatternParts(NamedTuple):
    """What `read_pattern` found.

    ``prefix``: text that every path matched begins with.  ``is_literal``: the pattern matches
    ``prefix`` and nothing else, if it is matched to the end.  ``pieces``: the texts before,
    between and behind the groups, optional ones included, or None if the pattern has more to it.
    """

    prefix: str
    is_literal: bool
    pieces: list[str] | None


def is_anchored(pattern: str) -> bool:
    """Whether ``pattern`` ends in a ``$`` that stands for the end of the path."""
    body = pattern.removesuffix("$")
    backslashes = len(body) - len(body.rstrip("\\"))
    return body != pattern and backslashes % 2 == 0


def read_pattern(pattern: str) -> PatternParts:
    """Take apart ``pattern``, which has no flags."""
    if _has_alternative(pattern):
        # One of several patterns: not even the first text is sure to be there.
        return PatternParts("", False, None)
    pattern = pattern.removeprefix("^")
    # A dollar at the end that is only a character passes for the anchor, which it is not.
    is_open = pattern.endswith("$") and not is_anchored(pattern)
    if is_anchored(pattern):
        pattern = pattern[:-1]
    pieces = [""]
    prefix: str | None = None
    at = 0
    while at < len(pattern):
        text, end = _element(pattern, at)
        if end is None or pattern[end : end + 1] in _REPEATING:
            return PatternParts(pieces[0] if prefix is None else prefix, False, None)
        is_optional = pattern[end : end + 1] == "?"
        if prefix is None and (text is None or is_optional):
            prefix = pieces[0]
        if text is None:
            pieces.append("")
        else:
            pieces[-1] += text
        at = end + is_optional
        if is_optional and pattern[at : at + 1] in ("?", "+"):
            at += 1  # lazy or possessive: of no account for what can match
    if prefix is None:
        return PatternParts(pieces[0], not is_open, pieces)
    return PatternParts(prefix, False, pieces)


def _element(pattern: str, at: int) -> tuple[str | None, int | None]:
    """The literal or the group at ``at``: its text, None for a group, and where it ends.

    The end is None for anything else.
    """
    char = pattern[at]
    if char == "(":
        return None, _end_of_group(pattern, at)
    if char == "\\":
        escaped = pattern[at + 1 : at + 2]
        # An escaped letter or digit is a class or a reference, or something for the future.
        if escaped and not (escaped.isascii() and escaped.isalnum()):
            return escaped, at + 2
        return "", None
    return ("", None) if char in _SPECIAL else (char, at + 1)


def _end_of_group(pattern: str, start: int) -> int | None:
    """Behind the group that opens at ``start``; None if it is no plain one, without another."""
    at = start + 1
    if pattern[at : at + 1] == "?":
        if pattern[at : at + 3] != "?P<":
            return None
        at += 3
    while at < len(pattern):
        char = pattern[at]
        if char == "(":
            return None
        if char == ")":
            return at + 1
        at = _behind(pattern, at)
    return None


def _behind(pattern: str, at: int) -> int:
    """Behind the character, the escape or the class at ``at``."""
    if pattern[at] == "\\":
        return at + 2
    if pattern[at] != "[":
        return at + 1
    at += 1
    if pattern[at : at + 1] == "^":
        at += 1
    if pattern[at : at + 1] == "]":
        at += 1  # the first one is a member of the class
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _has_alternative(pattern: str) -> bool:
    """Whether a ``|`` stands outside of groups and classes."""
    depth = 0
    at = 0
    while at < len(pattern):
        if pattern.startswith("(?#", at):
            at = pattern.find(")", at) + 1  # compiled before, so that it has an end
            continue
        char = pattern[at]
        if char == "|" and not depth:
            return True
        depth += (char == "(") - (char == ")")
        at = _behind(pattern, at)
    return False
