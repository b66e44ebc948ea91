"""Where a message ends: the one place that decides it (RFC 9112 section 6).

Nothing is guessed.  A conflict, an ambiguity or a malformed length is an `HTTPInputError`,
after which nothing on the connection may be taken for a message.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import Fields
from tornadic.http.startlines import RequestStartLine, ResponseStartLine, is_valid_host

__all__ = [
    "CHUNKED",
    "UNTIL_CLOSE",
    "Framing",
    "connection_options",
    "frame_request",
    "frame_response",
]

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

# 15 digits are a petabyte: more than anyone sends, and far from every integer's end.
_LENGTH = re.compile(r"[0-9]{1,15}")


class Framing(NamedTuple):
    """What the head of a message says about its body and its connection.

    ``body`` is a number of bytes, `CHUNKED` or `UNTIL_CLOSE`.
    """

    body: int
    keep_alive: bool
    expects_continue: bool


# What nearly every request without a body comes to.
_PLAIN = Framing(0, True, False)


def connection_options(fields: Fields) -> set[str]:
    """The options of all ``Connection`` lines, in lower case."""
    value = fields.get("Connection")
    if value is None:
        return set()
    if isinstance(value, list):
        value = ",".join(value)
    return {option.strip(" \t") for option in value.lower().split(",")}


def _keeps_alive(version: str, fields: Fields) -> bool:
    if version != "HTTP/1.0" and fields.get("Connection", "keep-alive") == "keep-alive":
        return True
    options = connection_options(fields)
    if "close" in options:
        return False
    return version != "HTTP/1.0" or "keep-alive" in options


def _read_length(value: str) -> int:
    if not _LENGTH.fullmatch(value):
        raise HTTPInputError(f"Malformed Content-Length {value[:40]!r}")
    return int(value)


def _check_chunked(value: str | list[str], version: str, fields: Fields) -> None:
    """Accept ``Transfer-Encoding: chunked``, on its own and where it is allowed."""
    if "Content-Length" in fields:
        raise HTTPInputError("Message with both Transfer-Encoding and Content-Length")
    if version == "HTTP/1.0":
        raise HTTPInputError("Transfer-Encoding in an HTTP/1.0 message")
    if isinstance(value, list):
        raise HTTPInputError("Several Transfer-Encoding lines")
    if value.lower() != "chunked":
        known = re.fullmatch(r"[A-Za-z0-9\-]+", value)
        raise HTTPInputError(f"Unsupported Transfer-Encoding {value[:40]!r}", 501 if known else 400)


def frame_request(start: RequestStartLine, fields: Fields) -> Framing:
    """Decide the framing of a request; raises `HTTPInputError` for what is not to be trusted."""
    host = fields.get("Host")
    if type(host) is not str or not is_valid_host(host):
        _refuse_host(host, start.version)
    if (
        "Content-Length" not in fields
        and "Transfer-Encoding" not in fields
        and fields.get("Connection", "keep-alive") == "keep-alive"
        and start.version != "HTTP/1.0"
    ):
        return _PLAIN
    return _frame_body(start.version, fields)


def _refuse_host(host: str | list[str] | None, version: str) -> None:
    """Raise for a ``Host`` that is missing, double or malformed; HTTP/1.0 has none."""
    if host is None:
        if version != "HTTP/1.0":
            raise HTTPInputError("Missing Host header")
    elif isinstance(host, list):
        raise HTTPInputError("Multiple Host headers")
    else:
        raise HTTPInputError(f"Invalid Host header {host[:100]!r}")


def _frame_body(version: str, fields: Fields) -> Framing:
    body = 0
    coding = fields.get("Transfer-Encoding")
    length = fields.get("Content-Length")
    if coding is not None:
        _check_chunked(coding, version, fields)
        body = CHUNKED
    elif length is not None:
        if isinstance(length, list):
            raise HTTPInputError("Several Content-Length lines")
        body = _read_length(length)
    expects = fields.get("Expect")
    expects_continue = (
        isinstance(expects, str)
        and body != 0
        and version != "HTTP/1.0"
        and expects.lower() == "100-continue"
    )
    return Framing(body, _keeps_alive(version, fields), expects_continue)


def frame_response(start: ResponseStartLine, fields: Fields, request_method: str | None) -> Framing:
    """Decide the framing of the response to a request of ``request_method``.

    Several equal lengths are taken for one (RFC 9110 section 8.6); everything else as in
    `frame_request`.
    """
    coding = fields.get("Transfer-Encoding")
    length = fields.get("Content-Length")
    body = UNTIL_CLOSE
    if coding is not None:
        _check_chunked(coding, start.version, fields)
        body = CHUNKED
    elif length is not None:
        joined = ",".join(length) if isinstance(length, list) else length
        values = {value.strip(" \t") for value in joined.split(",")}
        if len(values) != 1:
            raise HTTPInputError("Multiple unequal Content-Length values")
        body = _read_length(values.pop())
    is_tunnel = request_method == "CONNECT" and 200 <= start.code < 300
    if request_method == "HEAD" or start.code in (204, 304) or start.code < 200 or is_tunnel:
        body = 0
    keep_alive = body != UNTIL_CLOSE and _keeps_alive(start.version, fields)
    return Framing(body, keep_alive, False)
