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
    return _members(fields, "Connection")


def _members(fields: Fields, name: str) -> set[str]:
    """The members of the lists in all lines of ``name``, in lower case (RFC 9110 section 5.3)."""
    value = fields.get(name)
    if value is None:
        return set()
    if isinstance(value, list):
        value = ",".join(value)
    return {member.strip(" \t") for member in value.lower().split(",")}


def _keeps_alive(version: str, fields: Fields) -> bool:
    if version != "HTTP/1.0" and fields.get("Connection", "keep-alive") == "keep-alive":
        return True
    options = connection_options(fields)
    if "close" in options:
        return False
    return version != "HTTP/1.0" or "keep-alive" in options


def _read_length(value: str) -> int:
    if not _LENGTH.fullmatch(value):
        raise HTTPInputError(f"Only integer Content-Length is allowed: {value[:40]!r}")
    return int(value)


def _check_chunked(value: str | list[str], version: str, fields: Fields) -> None:
    """Accept ``Transfer-Encoding: chunked``, on its own and where it is allowed."""
    if "Content-Length" in fields:
        raise HTTPInputError("Message with both Transfer-Encoding and Content-Length")
    if version == "HTTP/1.0":
        raise HTTPInputError("Transfer-Encoding in an HTTP/1.0 message")
    if isinstance(value, list):
        value = ",".join(value)
    if value.lower() != "chunked":
        known = re.fullmatch(r"[A-Za-z0-9\-]+", value)
        named = value[:40].encode("unicode_escape").decode()
        raise HTTPInputError(f"Unsupported Transfer-Encoding {named}", 501 if known else 400)


def frame_request(start: RequestStartLine, fields: Fields) -> Framing:
    """Decide the framing of a request; raises `HTTPInputError` for what is not to be trusted."""
    host = fields.get("Host")
    if type(host) is not str or not is_valid_host(host):
        _refuse_host(host, start.version, fields)
    if (
        "Content-Length" not in fields
        and "Transfer-Encoding" not in fields
        and fields.get("Connection", "keep-alive") == "keep-alive"
        and start.version != "HTTP/1.0"
    ):
        return _PLAIN
    return _frame_body(start.version, fields)


def _refuse_host(host: str | list[str] | None, version: str, fields: Fields) -> None:
    """Raise for a ``Host`` that is missing, double or malformed; HTTP/1.0 has none."""
    _frame_body(version, fields)  # what is wrong with that is the graver matter
    if host is None:
        if version != "HTTP/1.0":
            raise HTTPInputError("Missing Host header")
    elif isinstance(host, list):
        raise HTTPInputError(f"Multiple host headers not allowed: {','.join(host)[:100]!r}")
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
        if isinstance(length, list) or "," in length:
            # Equal ones are no better: whoever stands in front may have read only the first.
            _same_length(length)
            raise HTTPInputError(f"Multiple Content-Lengths: {length!r:.40}")
        body = _read_length(length)
    expects_continue = (
        body != 0
        and version != "HTTP/1.0"
        and "Expect" in fields
        and "100-continue" in _members(fields, "Expect")
    )
    return Framing(body, _keeps_alive(version, fields), expects_continue)


def _same_length(length: str | list[str]) -> str:
    """The one value of several lengths, or `HTTPInputError`."""
    joined = ",".join(length) if isinstance(length, list) else length
    values = {value.strip(" \t") for value in joined.split(",")}
    if len(values) != 1:
        raise HTTPInputError(f"Multiple unequal Content-Lengths: {joined[:40]!r}")
    return values.pop()


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
        body = _read_length(_same_length(length))
    is_tunnel = request_method == "CONNECT" and 200 <= start.code < 300
    if request_method == "HEAD" or start.code in (204, 304) or start.code < 200 or is_tunnel:
        body = 0
    keep_alive = body != UNTIL_CLOSE and _keeps_alive(start.version, fields)
    return Framing(body, keep_alive, False)
