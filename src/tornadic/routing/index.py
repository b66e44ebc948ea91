"""Finding the rules that may match a path, without trying all of them.

Every rule whose matcher is a plain `PathMatches` has a text that its paths begin with, often the
whole path.  Rules of whole paths are found in a dictionary.  For the others the texts are
sorted: the longest one that a path begins with is the greatest text not after the path, or one
that this one begins with in its turn.  With each text all the rules are kept that are to be
tried for it, in the order in which they were given; so the order still decides.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from tornadic.routing.matchers import PathMatches
from tornadic.routing.patterns import is_anchored, read_pattern
from tornadic.routing.rules import Rule

__all__ = ["Candidate", "RuleIndex"]

Candidate = tuple[Rule, bool]
"""A rule, and whether it is known to match, with no groups to take."""


class RuleIndex:
    """An index of ``rules`` as they are now."""

    __slots__ = ("_by_path", "_candidates", "_parents", "_texts")

    def __init__(self, rules: Iterable[Rule]) -> None:
        by_text: dict[str, _Ordered] = {"": []}
        by_path: dict[str, _Ordered] = {}
        for order, rule in enumerate(rules):
            text, is_whole = _literal_of(rule)
            places = by_path if is_whole else by_text
            places.setdefault(text, []).append((order, rule, is_whole))
        if not by_text[""] and len(by_text) == 2:
            # One text, which need not be looked for: the regular expressions will tell.
            del by_text[""]
        self._texts = sorted(by_text)
        self._parents = [0]
        for i in range(1, len(self._texts)):
            self._parents.append(self._last_beginning(self._texts[i], i - 1))
        # What is tried for a path that begins with the text, and with none that is longer.
        merged: list[_Ordered] = []
        for text, parent in zip(self._texts, self._parents, strict=True):
            inherited = merged[parent] if merged else []
            merged.append(sorted(inherited + by_text[text], key=_order))
        self._candidates = [_without_order(rules) for rules in merged]
        self._by_path = {
            path: _without_order(sorted(rules + merged[self._find(path)], key=_order))
            for path, rules in by_path.items()
        }

    def candidates(self, path: str) -> tuple[Candidate, ...]:
        """The rules that may match ``path``, in order."""
        found = self._by_path.get(path)
        if found is not None:
            return found
        return self._candidates[self._find(path) if len(self._texts) > 1 else 0]

    def _find(self, path: str) -> int:
        """The place of the longest text that ``path`` begins with, or of the only one."""
        if len(self._texts) == 1:
            return 0
        return self._last_beginning(path, bisect_right(self._texts, path) - 1)

    def _last_beginning(self, path: str, i: int) -> int:
        """Of the text at ``i`` and those that it begins with, the longest that ``path`` does."""
        texts = self._texts
        while not path.startswith(texts[i]):
            i = self._parents[i]
        return i


_Ordered = list[tuple[int, Rule, bool]]


def _order(entry: tuple[int, Rule, bool]) -> int:
    return entry[0]


def _without_order(entries: _Ordered) -> tuple[Candidate, ...]:
    return tuple([(rule, known) for _, rule, known in entries])


def _literal_of(rule: Rule) -> tuple[str, bool]:
    """The text that the paths of ``rule`` begin with, and whether that is the whole path."""
    matcher = rule.matcher
    if type(matcher) is not PathMatches or matcher.regex.flags != re.UNICODE.value:
        return "", False
    pattern = matcher.regex.pattern
    parts = read_pattern(pattern)
    # A compiled pattern is taken as it is, and then its end may be open.
    return parts.prefix, parts.is_literal and is_anchored(pattern)
