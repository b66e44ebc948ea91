"""Start lines (RFC 9112 sections 3 and 4): what the first line of a message says."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import TOKEN

__all__ = [
    "LONGEST_HOST",
    "TARGET",
    "RequestStartLine",
    "ResponseStartLine",
    "is_valid_host",
    "match_usual_line",
    "parse_request_start_line",
    "parse_response_start_line",
    "read_request_line",
    "read_status_line",
    "start_line_of",
]

_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")
_CONTROL = re.compile(r"[\x00-\x1F\x7F]")
TARGET = re.compile(r"[\x21-\x7E\x80-\xFF]+")
"""A request target, in whatever form: bytes, but no blank and no control character."""
_REASON = r"(?: ([\t\x20-\x7E\x80-\xFF]*))?"
_STATUS_LINE = re.compile(rf"(HTTP/[0-9]\.[0-9]) ([0-9]{{3}}){_REASON}")
_REAL_STATUS_LINE = re.compile(rf"(HTTP/[0-9]\.[0-9]) ([1-9][0-9]{{2}}){_REASON}")

_LONGEST_METHOD = 32

match_usual_line = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|TRACE) (/[!-~\x80-\xFF]*+) (HTTP/1\.[01])\r\n"
).match
"""What nearly every request begins with; what does not is for `read_request_line` to judge."""

_TEXTS = {
    text.encode(): text
    for text in (
        *("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"),
        *("HTTP/1.0", "HTTP/1.1"),
    )
}


class RequestStartLine(NamedTuple):
    """The first line of a request: ``path`` is the target as it was sent."""

    method: str
    path: str
    version: str


# Half the time of the constructor with its three arguments.
_new_start_line = tuple.__new__


class ResponseStartLine(NamedTuple):
    """The first line of a response."""

    version: str
    code: int
    reason: str


def start_line_of(usual: re.Match[bytes]) -> RequestStartLine:
    """The start line that `match_usual_line` found."""
    method, target, version = usual.groups()
    return _new_start_line(
        RequestStartLine, (_TEXTS[method], target.decode("latin-1"), _TEXTS[version])
    )


def read_request_line(line: str) -> RequestStartLine:
    """Read a request line, one character for each byte.

    Raises `HTTPInputError`: 505 for a major version that is not ours, 501 for a method
    longer than any that is in use, and 400 for the rest, such as a target that is in none of
    the four forms of RFC 9112 section 3.2.
    """
    parts = line.split(" ")
    if len(parts) != 3 or _CONTROL.search(line):
        raise HTTPInputError("Malformed HTTP request line")
    method, target, version = parts
    if version != "HTTP/1.1":
        _check_version(version)
    _check_method(method)
    if target[:1] != "/" or method == "CONNECT":
        _check_target_form(method, target)
    return RequestStartLine(method, target, version)


def _check_method(method: str) -> None:
    if not TOKEN.fullmatch(method):
        raise HTTPInputError("Malformed HTTP request line: the method is no token")
    if len(method) > _LONGEST_METHOD:
        raise HTTPInputError("HTTP method too long", 501)


def _check_version(version: str) -> None:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise HTTPInputError("Malformed HTTP request line: no version")
    if match.group(1) != "1":
        raise HTTPInputError(f"Unexpected HTTP version {version!r}", 505)


# RFC 3986 section 3.2.2, without user information, and without the comma by which a proxy may
# have joined two hosts; a port is checked for its range below.
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})*)(?::([0-9]{0,5}))?"
)

_ABSOLUTE_FORM = re.compile(r"https?://([^/?#]+)(?:[/?][^#]*)?", re.IGNORECASE)
_AUTHORITY_FORM = re.compile(r".+:[0-9]+")


LONGEST_HOST: Final = 1024
"""Characters in a host and its port: far beyond what names and addresses may have."""


@lru_cache(256)
def is_valid_host(host: str) -> bool:
    """Whether ``host`` may stand in a ``Host`` field (RFC 9110 section 7.2).

    Raises `HTTPInputError` for more than `LONGEST_HOST` characters: what raises is not kept.
    """
    if len(host) > LONGEST_HOST:
        raise HTTPInputError(f"Invalid Host header {host[:100]!r}...")
    match = _HOST.fullmatch(host)
    if match is None or int(match[2] or 0) > 65535:
        return False
    if match[1]:
        try:
            IPv6Address(match[1])
        except ValueError:
            return False
    return True


def _check_target_form(method: str, target: str) -> None:
    """Refuse a target that is neither of the forms its method allows, and is not a path."""
    if method == "CONNECT":
        well_formed = _AUTHORITY_FORM.fullmatch(target) is not None and is_valid_host(target)
    elif target == "*":
        well_formed = method == "OPTIONS"
    else:
        match = _ABSOLUTE_FORM.fullmatch(target)
        # It names the host, so that is no more free than in its field.
        well_formed = match is not None and match[1][:1] != ":" and is_valid_host(match[1])
    if not well_formed:
        raise HTTPInputError("Malformed HTTP request line: the target")


def parse_request_start_line(line: str) -> RequestStartLine:
    """The (method, path, version) of an HTTP/1.x request line.

    The path may have any form.  Raises `HTTPInputError` if the line is malformed.

        >>> parse_request_start_line("GET /foo HTTP/1.1")
        RequestStartLine(method='GET', path='/foo', version='HTTP/1.1')
    """
    parts = line.split(" ")
    if len(parts) != 3 or not TOKEN.fullmatch(parts[0]) or not TARGET.fullmatch(parts[1]):
        raise HTTPInputError("Malformed HTTP request line")
    _check_version(parts[2])
    return RequestStartLine(*parts)


def parse_response_start_line(line: str) -> ResponseStartLine:
    """The (version, code, reason) of an HTTP/1.x status line.

    The code is any three digits.  Raises `HTTPInputError` if the line is malformed.

        >>> parse_response_start_line("HTTP/1.1 200 OK")
        ResponseStartLine(version='HTTP/1.1', code=200, reason='OK')
    """
    return _status_line(_STATUS_LINE.fullmatch(line))


def read_status_line(line: str) -> ResponseStartLine:
    """The status line of a message: as above, but a code below 100 is malformed, too.

    No class of responses begins with 0 (RFC 9110 section 15), so nobody could say what follows.
    """
    return _status_line(_REAL_STATUS_LINE.fullmatch(line))


def _status_line(match: re.Match[str] | None) -> ResponseStartLine:
    if match is None:
        raise HTTPInputError("Malformed HTTP status line")
    version, code, reason = match.groups()
    _check_version(version)
    return ResponseStartLine(version, int(code), reason or "")
