"""OAuth 1.0 and 1.0a, for a web site (RFC 5849).

Three steps: the site gets a request token (temporary credentials), the browser takes that to the
provider, and comes back with the user's consent; then the site changes the request token for an
access token.  Between the first step and the last one the browser keeps the request token in a
cookie, so that nobody can finish in one browser what was begun in another.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, cast

from tornadic import _legacy
from tornadic.auth.callbacks import with_callback
from tornadic.auth.errors import AuthError
from tornadic.auth.signatures import (
    _oauth10a_signature,
    _oauth_parse_response,
    _oauth_signature,
)
from tornadic.escape import utf8
from tornadic.httpclient import AsyncHTTPClient, HTTPResponse
from tornadic.httputil import url_concat

if TYPE_CHECKING:
    from tornadic.web import RequestHandler

__all__ = ["OAuthMixin"]

_COOKIE = "_oauth_request_token"


class OAuthMixin:
    """Logging in by OAuth 1.0 or 1.0a; see `.TwitterMixin` for an example.

    Class attributes: ``_OAUTH_REQUEST_TOKEN_URL``, ``_OAUTH_AUTHORIZE_URL`` and
    ``_OAUTH_ACCESS_TOKEN_URL`` are the provider's.  ``_OAUTH_VERSION`` is "1.0" or "1.0a", the
    default.  ``_OAUTH_NO_CALLBACKS`` (False): callbacks must be registered with the provider in
    advance.

    A subclass also defines `_oauth_get_user_future` and `_oauth_consumer_token`.
    """

    _OAUTH_REQUEST_TOKEN_URL: str
    _OAUTH_AUTHORIZE_URL: str
    _OAUTH_ACCESS_TOKEN_URL: str
    _OAUTH_VERSION: str
    _OAUTH_NO_CALLBACKS: bool

    @with_callback
    async def authorize_redirect(
        self,
        callback_uri: str | None = None,
        extra_params: dict[str, Any] | None = None,
        http_client: AsyncHTTPClient | None = None,
    ) -> None:
        """Send the user to the provider, and finish.

        ``callback_uri`` is where they are sent back to, relative to this page or absolute; None if
        one is registered with the provider.  With "oob" there is none, and the response is the URL
        that the user has to open.  ``extra_params`` go to the provider with the request for a
        token (1.0a only).  ``http_client`` makes that request (None: `get_auth_http_client`).

        Sets the cookie ``_oauth_request_token``, which `get_authenticated_user` uses.

        Raises ValueError for a ``callback_uri`` where the provider takes none, `AuthError` if it
        gives no token, and what the client raises.
        """
        if callback_uri and getattr(self, "_OAUTH_NO_CALLBACKS", False):
            raise ValueError("This service does not support oauth_callback")
        await self._ask_for_token(
            self._OAUTH_AUTHORIZE_URL, callback_uri, extra_params, http_client, callback_uri
        )

    async def _ask_for_token(
        self,
        authorize_url: str,
        callback_uri: str | None,
        extra_params: dict[str, Any] | None,
        http_client: AsyncHTTPClient | None,
        redirect_callback: str | None,
    ) -> None:
        """Get a request token, and send the user with it to ``authorize_url``.

        ``callback_uri`` goes with the request for the token, as 1.0a has it, and
        ``redirect_callback`` with the redirect, as 1.0 has it.
        """
        if http_client is None:
            http_client = self.get_auth_http_client()
        if getattr(self, "_OAUTH_VERSION", "1.0a") == "1.0a":
            url = self._oauth_request_token_url(
                callback_uri=callback_uri, extra_params=extra_params
            )
        else:
            url = self._oauth_request_token_url()
        # Whoever is redirected to is not the provider.
        response = await http_client.fetch(url, follow_redirects=False)
        self._on_request_token(authorize_url, redirect_callback, response)

    @with_callback
    async def get_authenticated_user(
        self, http_client: AsyncHTTPClient | None = None
    ) -> dict[str, Any]:
        """Who the user is that the provider has sent back here.

        The dictionary is what `_oauth_get_user_future` gives, with the ``access_token``, a
        dictionary with ``key``, ``secret`` and what else the provider said, with which requests
        can be made for that user.  ``http_client`` as in `authorize_redirect`.

        Clears the cookie.  Raises `.MissingArgumentError` if there is no ``oauth_token`` in the
        request, `AuthError` if that is not what the cookie says or the provider gives no token or
        no user, and what the client raises.
        """
        handler = cast("RequestHandler", self)
        request_key = utf8(handler.get_argument("oauth_token"))
        verifier = handler.get_argument("oauth_verifier", None)
        cookie = handler.get_cookie(_COOKIE)
        if not cookie:
            raise AuthError("Missing OAuth request token cookie")
        handler.clear_cookie(_COOKIE)
        token = _token_of(cookie)
        if not hmac.compare_digest(token["key"], request_key):
            raise AuthError("Request token does not match cookie")
        if verifier:
            token["verifier"] = verifier
        if http_client is None:
            http_client = self.get_auth_http_client()
        response = await http_client.fetch(
            self._oauth_access_token_url(token), follow_redirects=False
        )
        access_token = _oauth_parse_response(response.body)
        user = await self._oauth_get_user_future(access_token)
        if not user:
            raise AuthError("Error getting user")
        user["access_token"] = access_token
        return user

    def _oauth_request_token_url(
        self, callback_uri: str | None = None, extra_params: dict[str, Any] | None = None
    ) -> str:
        """The signed URL that gives a request token (RFC 5849 section 2.1)."""
        url = self._OAUTH_REQUEST_TOKEN_URL
        args = self._oauth_arguments()
        if getattr(self, "_OAUTH_VERSION", "1.0a") == "1.0a":
            if callback_uri:
                args["oauth_callback"] = self._absolute_callback(callback_uri)
            args.update(extra_params or {})
        args["oauth_signature"] = self._oauth_sign("GET", url, args, None)
        return url_concat(url, args)

    def _oauth_access_token_url(self, request_token: dict[str, Any]) -> str:
        """The signed URL that changes a request token for an access token (section 2.3)."""
        url = self._OAUTH_ACCESS_TOKEN_URL
        args = self._oauth_arguments(request_token)
        if "verifier" in request_token:
            args["oauth_verifier"] = request_token["verifier"]
        args["oauth_signature"] = self._oauth_sign("GET", url, args, request_token)
        return url_concat(url, args)

    def _oauth_request_parameters(
        self,
        url: str,
        access_token: dict[str, Any],
        parameters: dict[str, Any] = {},  # noqa: B006
        method: str = "GET",
    ) -> dict[str, Any]:
        """The parameters of OAuth, the signature among them, for a request to ``url``.

        ``parameters`` are all others that are sent, in the query or in a form.
        """
        args = self._oauth_arguments(access_token)
        args["oauth_signature"] = self._oauth_sign(
            method, url, {**args, **parameters}, access_token
        )
        return args

    def _oauth_arguments(self, token: dict[str, Any] | None = None) -> dict[str, Any]:
        """What every request has beside its signature (RFC 5849 section 3.1)."""
        args: dict[str, Any] = {"oauth_consumer_key": self._oauth_consumer_token()["key"]}
        if token is not None:
            args["oauth_token"] = token["key"]
        args["oauth_signature_method"] = "HMAC-SHA1"
        args["oauth_timestamp"] = str(int(time.time()))
        args["oauth_nonce"] = secrets.token_hex(16)
        args["oauth_version"] = "1.0"
        return args

    def _oauth_sign(
        self, method: str, url: str, parameters: dict[str, Any], token: dict[str, Any] | None
    ) -> str:
        is_10a = getattr(self, "_OAUTH_VERSION", "1.0a") == "1.0a"
        sign = _oauth10a_signature if is_10a else _oauth_signature
        return sign(self._oauth_consumer_token(), method, url, parameters, token).decode()

    def _absolute_callback(self, callback_uri: str) -> str:
        if callback_uri == "oob":
            return callback_uri
        handler = cast("RequestHandler", self)
        return urllib.parse.urljoin(handler.request.full_url(), callback_uri)

    def _on_request_token(
        self, authorize_url: str, callback_uri: str | None, response: HTTPResponse
    ) -> None:
        """Keep the request token in ``response`` in the cookie, and send the user off."""
        handler = cast("RequestHandler", self)
        token = _oauth_parse_response(response.body)
        value = b"|".join([base64.b64encode(utf8(token[name])) for name in ("key", "secret")])
        handler.set_cookie(
            _COOKIE,
            value,
            httponly=True,
            secure=handler.request.protocol == "https",
            samesite="Lax",
        )
        args = {"oauth_token": token["key"]}
        if callback_uri == "oob":
            handler.finish(url_concat(authorize_url, args))
            return
        if callback_uri:
            args["oauth_callback"] = self._absolute_callback(callback_uri)
        handler.redirect(url_concat(authorize_url, args))

    def _oauth_consumer_token(self) -> dict[str, Any]:
        """The site's own credentials, a dictionary with ``key`` and ``secret``.

        A subclass must define this.
        """
        raise NotImplementedError

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        """Who the user is for whom ``access_token``, as `get_authenticated_user` gives it, is.

        A subclass must define this, as a coroutine or with a future.  Returns a dictionary; an
        empty one, or None, if there is no such user.
        """
        if hasattr(self, "_oauth_get_user"):  # of an old program
            user: dict[str, Any] = await _legacy.room("logins").get_user(self, access_token)
            return user
        raise NotImplementedError

    def get_auth_http_client(self) -> AsyncHTTPClient:
        """The client for requests to the provider; a subclass may have its own."""
        return AsyncHTTPClient()


def _token_of(cookie: str) -> dict[str, Any]:
    """The request token in the cookie."""
    try:
        key, secret = [base64.b64decode(part, validate=True) for part in cookie.split("|")]
    except ValueError:
        raise AuthError("Malformed OAuth request token cookie") from None
    return {"key": key, "secret": secret}
