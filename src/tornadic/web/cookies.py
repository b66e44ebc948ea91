"""The part of a handler that reads and sets cookies."""

from __future__ import annotations

import datetime
import http.cookies
from typing import TYPE_CHECKING, Any

from tornadic.escape import native_str
from tornadic.http.cookies import format_set_cookie

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest

__all__ = ["CookiesMixin"]


class CookiesMixin:
    """Cookies of the request, and of the response until it is sent."""

    request: HTTPServerRequest

    # Those that are set with the response, by name; None for none at all.
    _new_cookies: dict[str, str] | None

    @property
    def cookies(self) -> http.cookies.SimpleCookie:
        """The request's cookies, as `http.cookies.Morsel` objects by their names."""
        return self.request.cookies

    def get_cookie(self, name: str, default: str | None = None) -> str | None:
        """The value of the cookie ``name`` in the request, or ``default``.

        What `set_cookie` sets is seen by the next request.
        """
        return self.request.cookie_values.get(name, default)

    def set_cookie(
        self,
        name: str,
        value: str | bytes,
        domain: str | None = None,
        expires: float | tuple[int, ...] | datetime.datetime | None = None,
        path: str = "/",
        expires_days: float | None = None,
        *,
        max_age: int | None = None,
        httponly: bool = False,
        secure: bool = False,
        samesite: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Set a cookie with the response; a later call for the same name replaces it.

        ``expires`` is a date (a number is seconds since the epoch), ``expires_days`` counts from
        now, ``max_age`` is in seconds; without any the cookie lasts as long as the browser.
        ``samesite``: "Strict", "Lax" or "None".  ``kwargs`` are further attributes, in any case.
        Raises ValueError if anything has a character that could end it.
        """
        if expires_days is not None and not expires:
            expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=expires_days)
        attributes: dict[str, Any] = {
            "domain": domain,
            "path": path,
            "expires": expires or None,
            "max_age": max_age or None,
            "secure": secure,
            "httponly": httponly,
            "samesite": samesite,
        }
        for key, given in kwargs.items():
            attributes[key.lower().replace("-", "_")] = given
        name = native_str(name)
        cookie = format_set_cookie(name, native_str(value), **attributes)
        if self._new_cookies is None:
            self._new_cookies = {}
        self._new_cookies[name] = cookie

    def clear_cookie(self, name: str, **kwargs: Any) -> None:
        """Delete the cookie ``name``; ``path`` and ``domain`` must be those it was set with."""
        for given in ("expires", "max_age"):
            if given in kwargs:
                raise TypeError(f"clear_cookie() got an unexpected keyword argument {given!r}")
        a_year_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=365)
        self.set_cookie(name, "", expires=a_year_ago, **kwargs)

    def clear_all_cookies(self, **kwargs: Any) -> None:
        """Delete all cookies that the request came with; ``kwargs`` as `clear_cookie`."""
        for name in list(self.request.cookie_values):
            try:
                format_set_cookie(name, "")
            except ValueError:
                continue  # a name that only browsers take
            self.clear_cookie(name, **kwargs)
