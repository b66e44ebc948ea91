"""Entity tags: the same bytes need not be sent twice (RFC 9110 section 8.8.3)."""

from __future__ import annotations

import re

__all__ = ["matches"]

_ETAG = re.compile(r'(?:W/)?"[^"]*"|\*')


def matches(asked: str, etag: str) -> bool:
    """Whether an ``If-None-Match`` of ``asked`` covers ``etag``, by the weak comparison.

    RFC 9110 section 13.1.2.
    """
    if not etag:
        return False
    own = etag.removeprefix("W/")
    return any(found == "*" or found.removeprefix("W/") == own for found in _ETAG.findall(asked))
