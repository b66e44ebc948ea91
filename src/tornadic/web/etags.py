"""Entity tags: the same bytes need not be sent twice (RFC 9110 section 8.8.3)."""

from __future__ import annotations

import hashlib
import re

__all__ = ["etag_of", "matches"]

_ETAG = re.compile(r'(?:W/)?"[^"]*"|\*')


def etag_of(chunks: list[bytes]) -> str:
    """A strong entity tag for a body in pieces."""
    if len(chunks) == 1:
        return f'"{hashlib.sha1(chunks[0], usedforsecurity=False).hexdigest()}"'
    digest = hashlib.sha1(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return f'"{digest.hexdigest()}"'


def matches(asked: str, etag: str) -> bool:
    """Whether an ``If-None-Match`` of ``asked`` covers ``etag``, by the weak comparison.

    RFC 9110 section 13.1.2.
    """
    if not etag:
        return False
    own = etag.removeprefix("W/")
    return any(found == "*" or found.removeprefix("W/") == own for found in _ETAG.findall(asked))
