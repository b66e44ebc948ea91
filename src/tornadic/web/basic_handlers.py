"""Handlers that need no writing: an error for everyone, and a redirect."""

from __future__ import annotations

import re
from typing import Any

from tornadic.escape import to_unicode
from tornadic.httputil import qs_to_qsl, url_concat
from tornadic.web.errors import HTTPError
from tornadic.web.handler import RequestHandler

__all__ = ["ErrorHandler", "RedirectHandler"]


class ErrorHandler(RequestHandler):
    """Answers every request with ``status_code``."""

    def initialize(self, status_code: int) -> None:
        self.set_status(status_code)

    def prepare(self) -> None:
        raise HTTPError(self._status_code)


class RedirectHandler(RequestHandler):
    """Redirects every GET to ``url``, for ever if ``permanent``.

    ``url`` is formatted with the groups of the rule's pattern, ``{0}`` or by name.  The query is
    passed on.
    """

    def initialize(self, url: str, permanent: bool = True) -> None:
        self._url = url
        self._permanent = permanent

    def get(self, *args: Any, **kwargs: Any) -> None:
        to_url = self._url.format(*args, **kwargs)
        if _site(to_url) not in self._sites(args, kwargs):
            # Groups may fill in a path and a query, but never choose whose they are.
            raise HTTPError(400, "Redirect to another site: %r", to_url[:100])
        if self.request.query_arguments:
            pairs = qs_to_qsl(self.request.query_arguments)
            to_url = url_concat(to_url, [(name, to_unicode(value)) for name, value in pairs])
        self.redirect(to_url, permanent=self._permanent)

    def _sites(self, args: Any, kwargs: Any) -> list[tuple[str, str]]:
        """The sites that the URL leads to whatever the groups are."""
        filled, blank = (
            _site(self._url.format(*[text for _ in args], **dict.fromkeys(kwargs, text)))
            for text in ("x", "")
        )
        # Where a group stands right behind the host, it is only without the group that it ends.
        return [filled, blank] if blank[1].strip("/") else [filled]


def _site(url: str) -> tuple[str, str]:
    """The scheme and the authority of ``url``, as a browser would read it."""
    read = re.sub(r"[\t\r\n]", "", url).lstrip("".join(map(chr, range(33)))).replace("\\", "/")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", read)
    rest = read[scheme.end() :] if scheme else read
    authority = re.match(r"//+[^/?#]*", rest)
    return scheme[0].lower() if scheme else "", authority[0].lower() if authority else ""
