"""Checks of what middleware is made with: a mistake there is found when the program starts."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["header_name", "header_value", "names"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7E](?:[\x20-\x7E]*[\x21-\x7E])?")


def header_name(text: str) -> str:
    """``text``, if it may be the name of a header, or a method (RFC 9110 section 5.6.2).

    Raises ValueError.
    """
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} is not a name of a header or a method")
    return text


def header_value(text: str) -> str:
    """``text``, if it may be the value of a header: visible ASCII and blanks.

    Raises ValueError.
    """
    if not _VALUE.fullmatch(text):
        raise ValueError(f"{text!r} is not a value of a header")
    return text


def names(what: str, texts: Iterable[str]) -> list[str]:
    """A list of texts; a single text in its place is a mistake that would pass for letters.

    Raises TypeError.
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"{what} is a list of texts, not the text {texts!r}")
    listed = list(texts)
    if not all(isinstance(text, str) for text in listed):
        raise TypeError(f"{what} is a list of texts, not {listed!r}")
    return listed
