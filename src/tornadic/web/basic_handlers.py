"""Handlers that need no writing: an error for everyone, a redirect, and the way to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornadic.escape import to_unicode
from tornadic.httputil import HTTPServerRequest, qs_to_qsl, url_concat
from tornadic.web.errors import HTTPError
from tornadic.web.handler import RequestHandler
from tornadic.web.sites import site_of

__all__ = ["ErrorHandler", "FallbackHandler", "RedirectHandler"]


class ErrorHandler(RequestHandler):
    """Answers every request with ``status_code``."""

    def initialize(self, status_code: int) -> None:
        self.set_status(status_code)

    def prepare(self) -> None:
        raise HTTPError(self._status_code)

    # There is nothing here to be protected, and who asked for it had better hear what is wrong.

    def check_xsrf_cookie(self) -> None:
        """Every request gets the same answer."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Every request gets the same answer."""
        return True


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
        if site_of(to_url) not in self._sites(args, kwargs):
            # Groups may fill in a path and a query, but never choose whose they are.
            raise HTTPError(
                400, "Redirect URL cannot change the scheme or netloc: %r", to_url[:100]
            )
        if self.request.query_arguments:
            pairs = qs_to_qsl(self.request.query_arguments)
            to_url = url_concat(to_url, [(name, to_unicode(value)) for name, value in pairs])
        try:
            self.redirect(to_url, permanent=self._permanent)
        except ValueError:
            raise HTTPError(400, "Redirect URL contains invalid characters") from None

    def _sites(self, args: Any, kwargs: Any) -> list[tuple[str, str]]:
        """The sites that the URL leads to whatever the groups are."""
        x, y, blank = (
            site_of(self._url.format(*[text for _ in args], **dict.fromkeys(kwargs, text)))
            for text in ("x", "y", "")
        )
        sites = [x] if x == y else []
        # Where a group stands right behind the host, it is only without the group that it ends.
        return [*sites, blank] if blank[1].strip("/") else sites


class FallbackHandler(RequestHandler):
    """Hands every request on to ``fallback``, which answers it.

    That is a function of the `.HTTPServerRequest`, or what can be called like one: another
    `Application`, or a `.WSGIContainer`.  The body has been read by then.
    """

    def initialize(self, fallback: Callable[[HTTPServerRequest], Any]) -> None:
        self.fallback = fallback

    def prepare(self) -> None:
        self.fallback(self.request)
        # The answer is not of this handler's making.
        self._finished = True
        self.on_finish()
