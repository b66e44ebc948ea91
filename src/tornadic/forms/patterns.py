"""Regular expressions that mean the same to Python and to a browser.

A browser that refuses what the server would take is worse than one that lets it pass, so only what
is certain is given to ``pattern``: an expression that has to match all of the text, of characters,
classes, groups and repetitions in ASCII.
"""

from __future__ import annotations

import re

__all__ = ["html_pattern"]

_REPEATED = r"(?:[*+?]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\})?"
_LITERAL = r"[A-Za-z0-9_ @,:;=%~!\"'<>&-]|\\[.*+?^$()\[\]{}|\\/]"
_CLASS = r"\[\^?(?:[A-Za-z0-9_ @.,:;=%~!+*](?:-[A-Za-z0-9])?|\\[\[\]\\-])+\]"
# No repetition behind an opening bracket: a question mark there is another story.
_OPENING = r"\(\?:|\((?!\?)"
_EVERYWHERE = re.compile(rf"(?:(?:{_LITERAL}|{_CLASS}|\)){_REPEATED}|{_OPENING})*")
# Beyond ASCII these mean less to a browser.
_IN_ASCII = re.compile(rf"(?:(?:{_LITERAL}|{_CLASS}|\\[dw]|\)){_REPEATED}|{_OPENING})*")


def html_pattern(regex: re.Pattern[str]) -> str | None:
    """``regex`` for the attribute ``pattern`` of HTML, or None if it cannot be said there."""
    if not isinstance(regex.pattern, str) or regex.flags & ~(re.UNICODE | re.ASCII):
        return None
    text = regex.pattern.removeprefix("^").removeprefix(r"\A")
    inner = text.removesuffix(r"\Z")
    if inner == text:
        inner = text.removesuffix("$")
        if inner == text or inner.endswith("\\"):
            return None
    allowed = _IN_ASCII if regex.flags & re.ASCII else _EVERYWHERE
    return inner if allowed.fullmatch(inner) else None
