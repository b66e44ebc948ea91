"""The part of a handler that turns away what other sites have a browser send.

There are two protections, each a setting.  ``xsrf_cookies``: a form must repeat what stands in a
cookie, which other sites can neither read nor set.  ``cross_origin_protection``: the browser
itself says where a request comes from, in headers that no page can change; nothing has to be
added to forms.  Safe methods (RFC 9110 section 9.2.1) are not checked: they change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tornadic.escape import xhtml_escape
from tornadic.web import xsrf
from tornadic.web.arguments import ArgumentsMixin
from tornadic.web.cookies import CookiesMixin
from tornadic.web.errors import HTTPError
from tornadic.web.identity import IdentityMixin

if TYPE_CHECKING:
    from tornadic.web.handler import RequestHandler

__all__ = ["SAFE_METHODS", "ProtectionMixin", "protect"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_DEFAULT_COOKIE = "_xsrf"

# How long the cookie of somebody who is logged in stays in the browser.
_EXPIRES_DAYS = 30

# From ourselves, or by the user's own hand: an address typed in, a bookmark.
_OWN_SITES = ("same-origin", "none")


def protect(handler: RequestHandler) -> None:
    """Carry out the checks that the settings ask for.  Raises `.HTTPError` 403."""
    settings = handler.settings
    if settings.get("xsrf_cookies"):
        handler.check_xsrf_cookie()
    if settings.get("cross_origin_protection"):
        objection = handler._check_cross_origin(handler.check_trusted_origin)
        if objection is not None:
            raise HTTPError(403, "%s", objection)


class ProtectionMixin(ArgumentsMixin, CookiesMixin, IdentityMixin):
    """Tokens for forms, and what is made of a request's origin."""

    _xsrf_token: bytes | None = None
    _raw_xsrf_token: tuple[int | None, bytes, float] | None = None

    @property
    def xsrf_token(self) -> bytes:
        """The token to put into forms, in ASCII; asking for it sets the cookie, if there is none.

        It is masked anew for every response.  The settings ``xsrf_cookie_name`` ("_xsrf"),
        ``xsrf_cookie_version`` (2) and ``xsrf_cookie_kwargs``, which go to `set_cookie`, say how
        the cookie is set; without more it lasts 30 days for a ``current_user``, and for nobody in
        particular as long as the browser.  It must be asked for before the headers have gone
        out.  Raises ValueError for a version that there is not.
        """
        if self._xsrf_token is None:
            version, token, seconds = self._get_raw_xsrf_token()
            as_version = self.settings.get("xsrf_cookie_version", 2)
            self._xsrf_token = xsrf.encode_token(token, seconds, as_version)
            if version is None:
                options = dict(self.settings.get("xsrf_cookie_kwargs") or {})
                if self.current_user:
                    options.setdefault("expires_days", _EXPIRES_DAYS)
                self.set_cookie(self._xsrf_cookie_name(), self._xsrf_token, **options)
        return self._xsrf_token

    def check_xsrf_cookie(self) -> None:
        """Raise `.HTTPError` 403 if the request does not repeat the token of its cookie.

        The token is the argument ``_xsrf``, or else the header ``X-Xsrftoken`` or
        ``X-Csrftoken``.  With the setting ``xsrf_cookies`` this is called before `prepare`, for
        all methods but GET, HEAD and OPTIONS.  A handler whose users are never known by a cookie
        may define it to do nothing.
        """
        sent = (
            self.get_argument("_xsrf", None)
            or self.request.headers.get("X-Xsrftoken")
            or self.request.headers.get("X-Csrftoken")
        )
        if not sent:
            raise HTTPError(403, "'_xsrf' argument missing from POST")
        _, token, _ = self._decode_xsrf_token(sent)
        if not token:
            raise HTTPError(403, "'_xsrf' argument has invalid format")
        _, expected, _ = self._get_raw_xsrf_token()
        if not xsrf.is_same_token(token, expected):
            raise HTTPError(403, "XSRF cookie does not match POST argument")

    def xsrf_form_html(self) -> str:
        """The hidden field with the token, for every form that is posted.

        In templates it is ``{% module xsrf_form_html() %}``.
        """
        token = xhtml_escape(self.xsrf_token)
        return f'<input type="hidden" name="_xsrf" value="{token}"/>'

    def check_trusted_origin(self, origin: str) -> bool:
        """Whether pages of ``origin``, such as ``https://example.com``, may send requests here.

        With the setting ``cross_origin_protection`` this is called before `prepare`, for all
        methods but GET, HEAD and OPTIONS, if the request comes from another origin, or one that
        is not known to be this one; false makes it a 403.  By default it looks into the setting
        ``trusted_origins``, a collection of origins.  A subclass may decide by the origin, and by
        what else is in the request; who relies on a credential must verify it here.
        """
        trusted = self.settings.get("trusted_origins") or ()
        # Parts of a text would do too, where it is not told from a collection.
        return origin == trusted if isinstance(trusted, str) else origin in trusted

    def _check_cross_origin(self, check: Callable[[str], bool]) -> str | None:
        """Why the request's origin is not acceptable, or None; ``check`` decides on strangers."""
        headers = self.request.headers
        site = headers.get("Sec-Fetch-Site")
        origin = headers.get("Origin")
        if site is not None:
            if site in _OWN_SITES or (origin is not None and check(origin)):
                return None
            # Bytes beyond ASCII may be control characters to whoever shows the log.
            shown = site.encode("ascii", "backslashreplace").decode("ascii")
            return f"Sec-Fetch-Site {shown} & origin {origin!r} not allowed"
        # What sends neither is no browser, or none that another site could have put to use.
        if origin is None or self._origin_matches_host(origin) or check(origin):
            return None
        return f"Origin {origin!r} not allowed"

    def _origin_matches_host(self, origin: str) -> bool:
        try:
            site = urlsplit(origin).netloc
        except ValueError:
            return False
        return site.lower() == self.request.host.lower()  # which is never empty

    def _xsrf_cookie_name(self) -> str:
        name: str = self.settings.get("xsrf_cookie_name", _DEFAULT_COOKIE)
        return name

    def _get_raw_xsrf_token(self) -> tuple[int | None, bytes, float]:
        """The version of the cookie's token, the token, and its time; version None: it is new."""
        if self._raw_xsrf_token is None:
            cookie = self.get_cookie(self._xsrf_cookie_name())
            version, token, seconds = self._decode_xsrf_token(cookie or "")
            if not token:
                version, token = None, xsrf.new_token()
            self._raw_xsrf_token = (version, token, time.time() if seconds is None else seconds)
        return self._raw_xsrf_token

    def _decode_xsrf_token(
        self, cookie: str
    ) -> tuple[int, bytes, float | None] | tuple[None, None, None]:
        return xsrf.decode_token(cookie)
