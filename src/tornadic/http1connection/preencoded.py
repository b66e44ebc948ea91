"""Responses whose head a program has encoded itself, as programs did before `write_headers`.

The head is read like anybody's and written anew, so that what goes out is framed and checked as
all else is, and the connection knows where the response ends.
"""

from __future__ import annotations

from tornadic.http.errors import HTTPInputError, HTTPOutputError
from tornadic.http.headers import HTTPHeaders
from tornadic.http.reader import HEAD, ReaderLimits, ResponseReader
from tornadic.http.startlines import ResponseStartLine

__all__ = ["split_response"]


def split_response(data: bytes) -> tuple[ResponseStartLine, HTTPHeaders, bytes]:
    """The start line and headers that ``data`` begins with, and what comes behind the head.

    Raises `HTTPOutputError` if it does not begin with a whole and well-formed head, or if that
    has a ``Transfer-Encoding``: pieces of a body are framed when they are written.
    """
    reader = ResponseReader(ReaderLimits())
    reader.feed(data)
    try:
        is_whole = reader.next_event() is HEAD
    except HTTPInputError as e:
        raise HTTPOutputError(f"write() before write_headers(): {e}") from e
    if not is_whole:
        raise HTTPOutputError("write() before write_headers()")
    if "Transfer-Encoding" in reader.headers:
        raise HTTPOutputError("write() of a head with Transfer-Encoding")
    return reader.start_line, reader.headers, reader.take_rest()
