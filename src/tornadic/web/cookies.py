"""The part of a handler that reads and sets cookies, plain ones and signed ones."""

from __future__ import annotations

import datetime
import http.cookies
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tornadic.escape import native_str
from tornadic.http.cookies import InvalidCookieError, format_set_cookie
from tornadic.web import hints, signing
from tornadic.web.settings import SettingsMixin

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest

__all__ = ["CookiesMixin"]


class CookiesMixin(SettingsMixin):
    """Cookies of the request, and of the response until it is sent."""

    request: HTTPServerRequest
    _headers_written: bool

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
        if self._headers_written:
            hints.warn_of_sent_head("set_cookie")
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
        try:
            cookie = format_set_cookie(name, native_str(value), **attributes)
        except InvalidCookieError as e:
            for key in kwargs:
                if key.lower().replace("-", "_") == e.attribute:
                    e.attribute = key  # as the program spelled it
            raise
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

    # Signed

    def create_signed_value(
        self, name: str, value: str | bytes, version: int | None = None
    ) -> bytes:
        """Return ``value`` with the time and a signature, by the setting ``cookie_secret``.

        `get_signed_cookie` reads it back.  ``version`` is the format's (None: the newest).  Where
        ``cookie_secret`` has several keys, the setting ``key_version`` says which one signs.
        Raises RuntimeError if a setting is missing, and what `.web.create_signed_value` raises.
        """
        secret = self._cookie_secret()
        key_version = None
        if isinstance(secret, Mapping):
            key_version = self.settings.get("key_version")
            if key_version is None:
                raise RuntimeError("key_version setting must be used for secret_key dicts")
        return signing.create_signed_value(
            secret, name, value, version=version, key_version=key_version
        )

    def set_signed_cookie(
        self,
        name: str,
        value: str | bytes,
        expires_days: float | None = 30,
        version: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Set a cookie that the client cannot change, though it can read it.

        ``expires_days`` is how long it stays in the browser (None: as long as that is open); how
        old it may be when it comes back, `get_signed_cookie` decides.  ``kwargs`` go to
        `set_cookie`, the rest and the errors are those of `create_signed_value`.
        """
        signed = self.create_signed_value(name, value, version=version)
        self.set_cookie(name, signed, expires_days=expires_days, **kwargs)

    def get_signed_cookie(
        self,
        name: str,
        value: str | None = None,
        max_age_days: float = 31,
        min_version: int | None = None,
    ) -> bytes | None:
        """The value of a signed cookie of the request, or None if it is missing or not ours.

        ``value``: what to read instead of the cookie.  ``max_age_days`` and ``min_version`` as
        `.web.decode_signed_value`.  Raises RuntimeError without the setting ``cookie_secret``.
        """
        secret = self._cookie_secret()
        if value is None:
            value = self.get_cookie(name)
        return signing.decode_signed_value(
            secret, name, value, max_age_days=max_age_days, min_version=min_version
        )

    def get_signed_cookie_key_version(self, name: str, value: str | None = None) -> int | None:
        """The version of the key that a signed cookie names; None without a cookie or version.

        It is what the client sent: only if `get_signed_cookie` has it, too, was the key ours.
        """
        self._cookie_secret()
        if value is None:
            value = self.get_cookie(name)
        return None if value is None else signing.get_signature_key_version(value)

    # As they were called before Tornado 6.3.
    set_secure_cookie = set_signed_cookie
    get_secure_cookie = get_signed_cookie
    get_secure_cookie_key_version = get_signed_cookie_key_version

    def _cookie_secret(self) -> signing.Secret:
        self.require_setting("cookie_secret", "secure cookies")
        secret: signing.Secret = self.settings["cookie_secret"]
        return secret
