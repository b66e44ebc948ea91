"""Handlers that need no writing: an error for everyone, and a redirect."""

from __future__ import annotations

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
        if to_url.startswith(("//", "/\\", "\\")) and not self._url.startswith("//"):
            # A group filled in so that the path became another site's address.
            raise HTTPError(403, "Redirect off the site")
        if self.request.query_arguments:
            to_url = url_concat(
                to_url,
                [
                    (name, to_unicode(value))
                    for name, value in qs_to_qsl(self.request.query_arguments)
                ],
            )
        self.redirect(to_url, permanent=self._permanent)
