"""The ``Range`` and ``Content-Range`` headers for one range of bytes (RFC 9110 section 14).

One anchored expression reads the header; what it does not match is no range that we serve, and
the caller sends the whole representation, as the RFC tells it to.
"""

from __future__ import annotations

import re

__all__ = ["_get_content_range", "_parse_request_range"]

# 20 digits number every byte of a 64-bit file; ``int()`` of more is work for nothing.
_RANGE = re.compile(
    r"[ \t]*bytes[ \t]*=[ \t]*(?P<first>[0-9]{0,20})[ \t]*"
    r"(?:-[ \t]*(?P<last>[0-9]{0,20})[ \t]*)?",
    re.IGNORECASE | re.ASCII,
)
_MAX_LENGTH = 128


def _parse_request_range(range_header: str) -> tuple[int | None, int | None] | None:
    """Return ``(start, end)`` as a slice takes them, or None if the header is to be ignored.

    The last byte of a header is inclusive, the end of a slice is not.  A suffix (the last n
    bytes) gives ``(-n, None)``, but ``-0``, no bytes at all, gives ``(None, 0)``; a position
    without a dash is the first one, and a header without positions gives ``(None, None)``.
    Ignored are other units, several ranges, numbers that are not plain ASCII digits or have more
    than 20 of them, and anything over 128 characters.

    >>> _parse_request_range("bytes=0-99")
    (0, 100)
    >>> _parse_request_range("bytes=100-")
    (100, None)
    >>> _parse_request_range("bytes=-5")
    (-5, None)
    >>> _parse_request_range("bytes=0-1,5-6") is None
    True
    """
    if len(range_header) > _MAX_LENGTH:
        return None
    match = _RANGE.fullmatch(range_header)
    if match is None:
        return None
    first, last = match.group("first", "last")
    if first:
        return int(first), int(last) + 1 if last else None
    if not last:
        return None, None
    length = int(last)
    return (-length, None) if length else (None, 0)


def _get_content_range(start: int | None, end: int | None, total: int) -> str:
    """Return the ``Content-Range`` value for the slice ``start:end`` of ``total`` bytes.

    ``start`` None (or 0) is the beginning, ``end`` None (or 0) the end.

    >>> _get_content_range(2, 5, 10)
    'bytes 2-4/10'
    >>> _get_content_range(None, None, 10)
    'bytes 0-9/10'
    """
    return f"bytes {start or 0}-{(end or total) - 1}/{total}"
