"""Cookies: the ``Cookie`` header read as browsers read cookies, ``Set-Cookie`` written strictly.

Reading never fails: the header is cut at its semicolons, whatever the quotes say, and a value
in quotes is unquoted afterwards, so no quoting can hide one cookie in another or make two of
one.  Only blank and tab are trimmed, as browsers do: ``str.strip`` would take off more, and so
turn a name that a browser guards with its ``__Host-`` prefix rules into one that it does not.

Writing refuses whatever could end the attribute or the header it is put in.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from http.cookies import CookieError

from tornadic.http.dates import format_timestamp

__all__ = ["InvalidCookieError", "format_set_cookie", "parse_cookie"]

_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))", re.DOTALL)

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~:0-9A-Za-z]+")
# Some readers take a pair of one of these names for an attribute of the cookie before it.
_RESERVED_NAMES = frozenset(
    {"comment", "domain", "expires", "httponly", "max-age"}
    | {"partitioned", "path", "samesite", "secure", "version"}
)
_BARE_VALUE = _NAME
_VALUE = re.compile(r"[\x21-\xff]*")
_ATTRIBUTE = re.compile(r"[\x21-\x3a\x3c-\x7e\xa0-\xff]*")
_HOST = re.compile(r"\.?[0-9A-Za-z_.\-:\[\]]*")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_SAMESITE = frozenset({"strict", "lax", "none"})
# What stands for itself between quotes; everything else is written as three octal digits.
_QUOTED = {
    code: f"\\{code:03o}"
    for code in range(256)
    if not (chr(code).isascii() and (_NAME.fullmatch(chr(code)) or chr(code) in " ()/<=>?@[]{}"))
} | {ord('"'): '\\"', ord("\\"): "\\\\"}


class InvalidCookieError(CookieError, ValueError):
    """A part of ``cookie`` that cannot be sent: an ``attribute``, or its value if that is None."""

    def __init__(self, cookie: str, attribute: str | None, value: object) -> None:
        super().__init__(cookie, attribute, value)
        self.cookie = cookie
        self.attribute = attribute
        self.value = value

    def __str__(self) -> str:
        if self.attribute is None:
            return f"Invalid cookie {self.cookie!r}: {self.value!r}"
        return (
            f"Invalid cookie attribute {self.attribute}={self.value!r} for cookie {self.cookie!r}"
        )


def parse_cookie(cookie: str) -> dict[str, str]:
    """Return the cookies of a ``Cookie`` header by name; never fails.

    Pairs are separated by semicolons and by nothing else, of a repeated name the last counts,
    and a pair without ``=`` is the value of a cookie without a name, under ``""``.  A value in
    double quotes is unquoted: a backslash and three octal digits up to ``377`` are that
    character, a backslash and anything else is the latter.

    >>> parse_cookie('a=1; b="x\\\\073y"; c')
    {'a': '1', 'b': 'x;y', '': 'c'}
    """
    cookies: dict[str, str] = {}
    for pair in cookie.split(";"):
        name, equals, value = pair.partition("=")
        if not equals:
            name, value = "", name
        name = name.strip(" \t")
        value = value.strip(" \t")
        if name or value:
            if value[:1] == '"' and value[-1] == '"' and len(value) > 1:
                value = value[1:-1]
                if "\\" in value:
                    value = _ESCAPE.sub(_unescape, value)
            cookies[name] = value
    return cookies


def _unescape(match: re.Match[str]) -> str:
    octal, character = match.groups()
    if octal is not None:
        return chr(int(octal, 8))
    return character or ""


def format_set_cookie(
    name: str,
    value: str,
    *,
    domain: str | None = None,
    path: str | None = "/",
    expires: float | tuple[int, ...] | time.struct_time | datetime | None = None,
    max_age: int | float | str | None = None,
    secure: bool = False,
    httponly: bool = False,
    samesite: str | None = None,
    partitioned: bool = False,
    comment: str | None = None,
    version: int | str | None = None,
) -> str:
    """Return the value of one ``Set-Cookie`` header (RFC 6265 section 4.1).

    ``value`` is put in quotes, with escapes, if it is empty or has other characters than a name
    may have; `parse_cookie` reads it back.  It may hold Latin-1 from ``!`` on: no blank, no tab,
    no line end.

    Attributes that are None, empty or False are left out.  ``expires`` is a time as
    `format_timestamp` takes it (naive ones are UTC), ``max_age`` whole seconds, where 0 or less
    means that the cookie ends at once.  ``samesite`` is ``Strict``, ``Lax`` or ``None`` in any
    case.  ``comment`` and ``version`` are of RFC 2109, and browsers ignore them.

    Raises `InvalidCookieError`, a `ValueError` that names the part, for anything that the part
    cannot hold, and `TypeError` for an ``expires`` that is no time.

    >>> format_set_cookie("id", "a b".replace(" ", ";"), max_age=60, secure=True)
    'id="a\\\\073b"; Max-Age=60; Path=/; Secure'
    """
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED_NAMES:
        raise InvalidCookieError(name, "name", name)
    if not _VALUE.fullmatch(value):
        raise InvalidCookieError(name, None, value)
    parts = [f"{name}={_quote(value)}"]
    if comment:
        parts.append(f"Comment={_quote(_checked(_ATTRIBUTE, name, 'comment', comment))}")
    if domain:
        parts.append(f"Domain={_checked(_HOST, name, 'domain', domain)}")
    if expires is not None:
        try:
            parts.append(f"expires={format_timestamp(expires)}")
        except ValueError as error:
            raise InvalidCookieError(name, "expires", expires) from error
    if httponly:
        parts.append("HttpOnly")
    if max_age is not None:
        parts.append(f"Max-Age={_seconds(name, max_age)}")
    if partitioned:
        parts.append("Partitioned")
    if path:
        parts.append(f"Path={_checked(_ATTRIBUTE, name, 'path', path)}")
    if samesite:
        if samesite.lower() not in _SAMESITE:
            raise InvalidCookieError(name, "samesite", samesite)
        parts.append(f"SameSite={samesite}")
    if secure:
        parts.append("Secure")
    if version is not None and version != "":
        parts.append(f"Version={_checked(_INTEGER, name, 'version', str(version))}")
    return "; ".join(parts)


def _quote(value: str) -> str:
    return value if _BARE_VALUE.fullmatch(value) else f'"{value.translate(_QUOTED)}"'


def _checked(pattern: re.Pattern[str], cookie: str, attribute: str, value: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidCookieError(cookie, attribute, value)
    return value


def _seconds(cookie: str, max_age: int | float | str) -> str:
    try:
        text = max_age if isinstance(max_age, str) else str(int(max_age))
    except (ValueError, OverflowError) as error:
        # Not a number, infinite, or of so many digits that the message could not show it either.
        raise InvalidCookieError(cookie, "max_age", type(max_age).__name__) from error
    return _checked(_INTEGER, cookie, "max_age", text)
