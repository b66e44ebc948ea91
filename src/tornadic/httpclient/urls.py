"""URLs, taken apart for a request.

A URL is text from somewhere, often with pieces that a user typed.  What could end a line or part
a request line is refused; blanks and what is beyond ASCII are percent-encoded, as browsers do.
The part between ``//`` and the path is the same for many URLs, and remembered.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from tornadic.http.startlines import is_valid_host

__all__ = ["Authority", "Location", "join_location", "split_url"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#\\]*)([^#]*)(?:#.*)?", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_NETLOC = re.compile(r"[^/?#\\]*")
_PORTS: Final = {"http": 80, "https": 443}

# What quote() leaves alone: all of ASCII that is visible, percent signs of what is encoded too.
_VISIBLE: Final = "".join([chr(code) for code in range(0x21, 0x7F)])


class Authority(NamedTuple):
    """Scheme, host and port of a URL.

    ``host`` is an IP address, without brackets, or a name in ASCII.  ``netloc`` is what the
    ``Host`` field says.  ``credentials`` are the user name and the password of the URL.
    """

    scheme: str
    host: str
    port: int
    netloc: str
    credentials: tuple[bytes, bytes] | None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What has to be the same for secrets to be sent (RFC 6454)."""
        return self[:3]


class Location(NamedTuple):
    """A URL: where to connect to, and what to ask for there (path and query)."""

    authority: Authority
    target: str


def split_url(url: str) -> Location:
    """Take ``url`` apart; a fragment is dropped.

    Raises ValueError for a scheme other than http and https, a host or port that cannot be one,
    and for control characters.
    """
    if not (isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url):
        url = _clean(url)
    match = _URL.fullmatch(url)
    scheme = "" if match is None else match[1].lower()
    if match is None or scheme not in _PORTS:
        if scheme not in _PORTS and urlsplit(url).scheme not in _PORTS:
            raise ValueError(f"Unsupported url scheme: {url[:200]}")
        raise ValueError(f"Malformed url: {url[:200]}")
    target = match[3]
    if target[:1] != "/":
        if target[:1] == "\\":
            raise ValueError(f"Malformed url: {url[:200]}")
        target = "/" + target
    return Location(_split_authority(scheme, match[2]), target)


def _clean(url: object) -> str:
    if isinstance(url, bytes):
        url = url.decode("utf-8")
    if not isinstance(url, str):
        raise ValueError(f"Unsupported url scheme: {url!r}")
    if any([character < " " or character == "\x7f" for character in url]):
        raise ValueError(f"Control character in url {url[:200]!r}")
    scheme, separator, rest = url.partition("://")
    netloc = _NETLOC.match(rest)
    assert netloc is not None
    # Names have an encoding of their own.
    host = netloc[0]
    return scheme + separator + host + quote(rest[len(host) :], safe=_VISIBLE)


@lru_cache(1024)
def _split_authority(scheme: str, text: str) -> Authority:
    userinfo, at, netloc = text.rpartition("@")
    if not netloc.isascii():
        netloc = _encode_name(netloc)
    if not netloc or netloc[0] == ":" or not is_valid_host(netloc):
        raise ValueError(f"No host can be {netloc[:100]!r}")
    host, colon, port = netloc.rpartition(":")
    if not colon or netloc[-1] == "]":
        host, port = netloc, ""
    if "%" in host:
        raise ValueError(f"No host can be {netloc[:100]!r}")
    number = int(port) if port else _PORTS[scheme]
    credentials = None
    if at:
        user, _, password = userinfo.partition(":")
        credentials = unquote_to_bytes(user), unquote_to_bytes(password)
    return Authority(scheme, host.strip("[]").lower(), number, netloc, credentials)


def _encode_name(netloc: str) -> str:
    name, colon, port = netloc.partition(":")
    try:
        return name.encode("idna").decode("ascii") + colon + port
    except UnicodeError as e:
        raise ValueError(f"No host can be {netloc[:100]!r}: {e}") from e


def join_location(base: str, location: str) -> str:
    """The URL to which ``location``, of a response to ``base``, leads (RFC 3986 section 5).

    Characters of ``location`` stand for bytes, as in every header.  A user name and a password
    that it names are dropped: they are the server's idea, not the user's.  It may be malformed,
    which `split_url` finds out.
    """
    if not location.isascii():
        location = quote(location.encode("latin-1"), safe=_VISIBLE)
    if location.startswith("//"):
        location = base.partition(":")[0] + ":" + location
    elif not _SCHEME.match(location):
        return urljoin(base, location)
    scheme, slashes, rest = location.partition("//")
    netloc = _NETLOC.match(rest)
    assert netloc is not None
    return scheme + slashes + netloc[0].rpartition("@")[2] + rest[netloc.end() :]
