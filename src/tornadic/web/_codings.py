"""Which of several encoded forms of a file a client gets (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["CODINGS", "choose"]

CODINGS = (("zstd", ".zst"), ("br", ".br"), ("gzip", ".gz"))
"""What a file may be encoded with, best first, and how the name of its encoded form ends."""

_MAX_LENGTH = 512
_DIGITS = re.compile("[0-9]{0,3}")


def choose(accepted: str, available: Sequence[str]) -> str | None:
    """The one of ``available`` that an ``Accept-Encoding`` of ``accepted`` likes best.

    Of equals the first.  None if it takes none of them, or likes the file as it is better; a
    header over 512 characters is not read, and takes none.
    """
    if not accepted or len(accepted) > _MAX_LENGTH:
        return None
    weights = _weights(accepted)
    anything = weights.get("*", 0.0)
    best, most = None, weights.get("identity", 0.0)
    for coding in available:
        weight = weights.get(coding, anything)
        if weight > most or (best is None and weight == most > 0):
            best, most = coding, weight
    return best


@lru_cache(256)
def _weights(accepted: str) -> dict[str, float]:
    """The weight of each coding; one that cannot be read is 0."""
    found: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, *parameters = (part.strip(" \t") for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.rstrip(" \t") == "q":
                weight = _weight(value.strip(" \t"))
        found.setdefault("gzip" if name == "x-gzip" else name, weight)
    return found


def _weight(text: str) -> float:
    """RFC 9110 section 12.4.2: at most three digits behind the point."""
    whole, _, digits = text.partition(".")
    if whole not in ("0", "1") or not _DIGITS.fullmatch(digits):
        return 0.0
    return min(float(f"{whole}.{digits or '0'}"), 1.0)
