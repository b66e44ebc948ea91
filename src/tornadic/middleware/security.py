"""Headers by which browsers protect a site's users."""

from __future__ import annotations

from tornadic.middleware.arguments import header_value
from tornadic.web import RequestHandler

__all__ = ["SecurityHeaders"]

_YEAR = 365 * 86400
# What the list of browsers asks for (https://hstspreload.org).
_LEAST_FOR_PRELOAD = _YEAR

_FRAME_OPTIONS = ("DENY", "SAMEORIGIN")


class SecurityHeaders:
    """Adds what makes browsers careful; a header that the handler has set itself stays.

    Always ``X-Content-Type-Options: nosniff``.  The others, each None for none:
    ``frame_options`` ("DENY", "SAMEORIGIN"), ``referrer_policy``, ``opener_policy`` (who shares
    a window's memory), ``content_security_policy`` and ``permissions_policy`` (none unless given,
    since they depend on the site).

    ``hsts_seconds`` is for how long browsers must use TLS once they have (RFC 6797), 0 to make
    them forget it and None for no word of it; it is said only on TLS.  ``hsts_subdomains`` counts
    for all names below, too, and ``hsts_preload`` agrees to be in the list that browsers come
    with, which is hard to leave: it needs a year and the subdomains.

    Raises ValueError for what is no value of its header.
    """

    def __init__(
        self,
        *,
        frame_options: str | None = "DENY",
        referrer_policy: str | None = "strict-origin-when-cross-origin",
        opener_policy: str | None = "same-origin",
        content_security_policy: str | None = None,
        permissions_policy: str | None = None,
        hsts_seconds: int | None = _YEAR,
        hsts_subdomains: bool = False,
        hsts_preload: bool = False,
    ) -> None:
        if frame_options not in (None, *_FRAME_OPTIONS):
            raise ValueError(f"frame_options is one of {', '.join(_FRAME_OPTIONS)}, or None")
        wanted = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": frame_options,
            "Referrer-Policy": referrer_policy,
            "Cross-Origin-Opener-Policy": opener_policy,
            "Content-Security-Policy": content_security_policy,
            "Permissions-Policy": permissions_policy,
        }
        self._headers = {
            name: header_value(value) for name, value in wanted.items() if value is not None
        }
        self._hsts = _hsts(hsts_seconds, hsts_subdomains, hsts_preload)

    def process_response(self, handler: RequestHandler) -> None:
        """Add what is not there."""
        headers = handler._headers
        for name, value in self._headers.items():
            if name not in headers:
                headers[name] = value
        if self._hsts is not None and handler.request.protocol == "https":
            headers["Strict-Transport-Security"] = self._hsts


def _hsts(seconds: int | None, subdomains: bool, preload: bool) -> str | None:
    if seconds is None:
        if subdomains or preload:
            raise ValueError("hsts_subdomains and hsts_preload need hsts_seconds")
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
        raise ValueError(f"hsts_seconds is a number of seconds, not {seconds!r}")
    if preload and (not subdomains or seconds < _LEAST_FOR_PRELOAD):
        raise ValueError(f"hsts_preload needs hsts_subdomains and {_LEAST_FOR_PRELOAD} seconds")
    value = f"max-age={seconds}"
    if subdomains:
        value += "; includeSubDomains"
    return f"{value}; preload" if preload else value
