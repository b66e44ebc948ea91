"""Cookies that servers set, kept for them (RFC 6265).

A cookie belongs to the host that set it, or, with a ``Domain``, to the hosts below that.  There
is no list of public suffixes here; what looks like one gets no cookies: a single label, or a
usual word in front of a country's code.  Reading is as lenient as the RFC wants it, and a cookie
that breaks a rule is simply not kept.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from tornadic.httpclient.urls import split_url

__all__ = ["Cookie", "CookieJar"]

MAX_COOKIE_SIZE: Final = 4096
"""Bytes in the name and the value of a cookie that is kept (RFC 6265 section 6.1)."""

MAX_COOKIES_PER_DOMAIN: Final = 50
MAX_COOKIES: Final = 3000

_LONGEST_LIFE: Final = 400 * 86400
"""Seconds; browsers keep none for longer."""

_CONTROL = re.compile(r"[\x00-\x08\x0A-\x1F\x7F]")
_SECOND_LEVEL: Final = frozenset(
    [
        "ac",
        "co",
        "com",
        "ed",
        "edu",
        "go",
        "gob",
        "gov",
        "gouv",
        "gv",
        "ltd",
        "me",
        "mil",
        "ne",
        "net",
        "nom",
        "or",
        "org",
        "plc",
        "sch",
    ]
)

# RFC 6265 section 5.1.1.
_DATE_DELIMITER = re.compile(r"[\t\x20-\x2F\x3B-\x40\x5B-\x60\x7B-\x7E]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9].*)?")
_DAY = re.compile(r"([0-9]{1,2})(?:[^0-9].*)?")
_YEAR = re.compile(r"([0-9]{2,4})(?:[^0-9].*)?")
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS_OF_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LONGEST_DATE: Final = 100


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that is kept.

    ``domain`` is a host; with ``host_only`` False also all below it.  ``expires`` is in seconds
    since the epoch, or None for as long as the jar.
    """

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    http_only: bool
    expires: float | None


class CookieJar:
    """Keeps cookies; give it to a client as ``cookie_jar``.

    At most `MAX_COOKIES` in all and `MAX_COOKIES_PER_DOMAIN` for a domain; beyond that those go
    that were set first.  ``clock`` gives the time in seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # By domain, and there by path and name, in the order in which they were set.
        self._domains: dict[str, OrderedDict[tuple[str, str], Cookie]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Cookie]:
        """The cookies, also those that have expired and were not looked for since."""
        return iter([cookie for kept in self._domains.values() for cookie in kept.values()])

    def clear(self) -> None:
        """Forget all cookies."""
        self._domains.clear()
        self._size = 0

    def store(self, url: str, values: Iterable[str]) -> None:
        """Keep what the ``Set-Cookie`` fields with these ``values`` say, of a response from
        ``url``.

        A cookie whose time is over is forgotten.
        """
        (authority, target) = split_url(url)
        now = self._clock()
        for value in values:
            cookie = _read_set_cookie(value, authority.host, authority.scheme, target, now)
            if cookie is not None:
                self._keep(cookie, now)

    def _keep(self, cookie: Cookie, now: float) -> None:
        kept = self._domains.get(cookie.domain)
        key = cookie.path, cookie.name
        if cookie.expires is not None and cookie.expires <= now:
            if kept is not None and key in kept:
                self._drop(cookie.domain, key)
            return
        if kept is None:
            kept = self._domains[cookie.domain] = OrderedDict()
        if key not in kept:
            if len(kept) >= MAX_COOKIES_PER_DOMAIN:
                self._drop(cookie.domain, next(iter(kept)))
                kept = self._domains.setdefault(cookie.domain, OrderedDict())
            elif self._size >= MAX_COOKIES:
                domain = next(iter(self._domains))
                self._drop(domain, next(iter(self._domains[domain])))
            self._size += 1
        kept[key] = cookie

    def _drop(self, domain: str, key: tuple[str, str]) -> None:
        kept = self._domains[domain]
        del kept[key]
        self._size -= 1
        if not kept:
            del self._domains[domain]

    def header_for(self, url: str) -> str | None:
        """The value of the ``Cookie`` field of a request for ``url``; None if there is none."""
        authority, target = split_url(url)
        path = target.partition("?")[0]
        is_secure = authority.scheme == "https"
        now = self._clock()
        found: list[Cookie] = []
        for domain in _domains_above(authority.host):
            for key, cookie in list(self._domains.get(domain, {}).items()):
                if cookie.expires is not None and cookie.expires <= now:
                    self._drop(domain, key)
                elif (
                    (not cookie.host_only or domain == authority.host)
                    and (not cookie.secure or is_secure)
                    and _path_matches(path, cookie.path)
                ):
                    found.append(cookie)
        # Longer paths first; the order in which they were set stays otherwise.
        found.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join([f"{cookie.name}={cookie.value}" for cookie in found]) or None


def _domains_above(host: str) -> Iterator[str]:
    """``host`` and the domains that it is in."""
    yield host
    if not _is_address(host):
        while "." in host:
            host = host.partition(".")[2]
            yield host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _path_matches(path: str, prefix: str) -> bool:
    """RFC 6265 section 5.1.4."""
    if not path.startswith(prefix):
        return False
    return len(path) == len(prefix) or prefix[-1] == "/" or path[len(prefix)] == "/"


def _default_path(target: str) -> str:
    path = target.partition("?")[0]
    return path[: path.rfind("/")] or "/"


def _looks_public(domain: str) -> bool:
    """Whether ``domain`` is probably one under which anybody may have a name."""
    labels = domain.split(".")
    return len(labels) == 1 or (
        len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SECOND_LEVEL
    )


def _read_set_cookie(text: str, host: str, scheme: str, target: str, now: float) -> Cookie | None:
    """The cookie that ``text`` sets (RFC 6265 sections 5.2 and 5.3), or None if it may not."""
    pair, *rest = text.split(";", 64)
    name, equals, value = pair.partition("=")
    name, value = name.strip(" \t"), value.strip(" \t")
    if not equals or not name or len(name) + len(value) > MAX_COOKIE_SIZE or _CONTROL.search(text):
        return None
    attributes: dict[str, str] = {}
    for attribute in rest:
        key, _, setting = attribute.partition("=")
        attributes[key.strip(" \t").lower()] = setting.strip(" \t")
    domain = attributes.get("domain", "").removeprefix(".").lower()
    host_only = not domain or domain == host
    if not host_only and (
        not host.endswith("." + domain) or _is_address(host) or _looks_public(domain)
    ):
        return None
    if domain == host and not (_is_address(host) or _looks_public(domain)):
        host_only = False
    path = attributes.get("path", "")
    if path[:1] != "/":
        path = _default_path(target)
    secure = "secure" in attributes
    if secure and scheme != "https":
        return None  # whoever stands in the middle may not replace what they cannot read
    if name.startswith("__Secure-") and not secure:
        return None
    if name.startswith("__Host-") and not (secure and "domain" not in attributes and path == "/"):
        return None
    expires = _expiry(attributes, now)
    return Cookie(
        name, value, domain or host, host_only, path, secure, "httponly" in attributes, expires
    )


def _expiry(attributes: dict[str, str], now: float) -> float | None:
    """When a cookie ends; ``Max-Age`` counts before ``Expires``."""
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age, re.ASCII):
        seconds = int(age[:12])
        return now + min(seconds, _LONGEST_LIFE) if seconds > 0 else 0.0
    moment = _read_date(attributes.get("expires", ""))
    return None if moment is None else min(moment, now + _LONGEST_LIFE)


def _read_date(text: str) -> float | None:
    """A date as cookies have it (RFC 6265 section 5.1.1), or None if it is none."""
    clock = day = month = year = None
    for token in _DATE_DELIMITER.split(text[:_LONGEST_DATE]):
        if clock is None and (match := _TIME.fullmatch(token)):
            clock = tuple(map(int, match.groups()))
        elif day is None and (match := _DAY.fullmatch(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (match := _YEAR.fullmatch(token)):
            year = int(match[1])
    if clock is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    hour, minute, second = clock
    if year < 1601 or not 1 <= day <= _DAYS_OF_MONTH[month - 1]:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    return float(timegm((year, month, day, hour, minute, second)))
