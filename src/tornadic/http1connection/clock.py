"""The ``Date`` of a response, made once a second."""

from __future__ import annotations

from tornadic.http.dates import format_timestamp

__all__ = ["http_date"]

_second = -1
_text = ""


def http_date(now: float) -> str:
    """``now``, in seconds since the epoch, as HTTP writes a date (RFC 9110 section 5.6.7)."""
    global _second, _text
    second = int(now)
    if second != _second:
        _text = format_timestamp(second)
        _second = second
    return _text
