"""OAuth 2.0, for a web site (RFC 6749)."""

from __future__ import annotations

import urllib.parse
import warnings
from typing import TYPE_CHECKING, Any, cast

from tornadic.auth.answers import read_json
from tornadic.auth.callbacks import with_callback
from tornadic.httpclient import AsyncHTTPClient
from tornadic.httputil import url_concat

if TYPE_CHECKING:
    from tornadic.web import RequestHandler

__all__ = ["OAuth2Mixin"]


class OAuth2Mixin:
    """Logging in by OAuth 2.0; see `.GoogleOAuth2Mixin` or `.FacebookGraphMixin` for examples.

    Class attributes: ``_OAUTH_AUTHORIZE_URL`` and ``_OAUTH_ACCESS_TOKEN_URL`` are the provider's.
    """

    _OAUTH_AUTHORIZE_URL: str
    _OAUTH_ACCESS_TOKEN_URL: str

    @with_callback
    def authorize_redirect(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        extra_params: dict[str, Any] | None = None,
        scope: list[str] | None = None,
        response_type: str = "code",
    ) -> None:
        """Send the user to the provider, and finish (RFC 6749 section 4.1.1).

        ``redirect_uri`` is where they are sent back to, absolute; None if one is registered with
        the provider.  ``client_id`` is the site's.  ``scope`` is what the site asks for,
        ``extra_params`` are more for the provider, such as ``state``.  ``client_secret`` has no
        effect and is deprecated.
        """
        if client_secret is not None:
            warnings.warn("client_secret argument is deprecated", DeprecationWarning, stacklevel=2)
        args: dict[str, Any] = {"response_type": response_type}
        if redirect_uri is not None:
            args["redirect_uri"] = redirect_uri
        if client_id is not None:
            args["client_id"] = client_id
        args.update(extra_params or {})
        if scope:
            args["scope"] = " ".join(scope)
        handler = cast("RequestHandler", self)
        handler.redirect(url_concat(self._OAUTH_AUTHORIZE_URL, args))

    def _oauth_request_token_url(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        code: str | None = None,
        extra_params: dict[str, Any] | None = None,
    ) -> str:
        """The URL that gives an access token for ``code``, at providers that take a GET."""
        given = {
            "redirect_uri": redirect_uri,
            "code": code,
            "client_id": client_id,
            "client_secret": client_secret,
        }
        args = {name: value for name, value in given.items() if value is not None}
        return url_concat(self._OAUTH_ACCESS_TOKEN_URL, {**args, **(extra_params or {})})

    @with_callback
    async def oauth2_request(
        self,
        url: str,
        access_token: str | None = None,
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """What ``url`` answers, as JSON stands for it.

        ``access_token`` and ``args`` become its query; ``post_args`` make it a POST and are its
        form.

        Raises `AuthError` if the answer is no JSON, and what the client raises.
        """
        if access_token:
            args = {"access_token": access_token, **args}
        if args:
            url = url_concat(url, args)
        http_client = self.get_auth_http_client()
        if post_args is None:
            response = await http_client.fetch(url)
        else:
            body = urllib.parse.urlencode(post_args)
            response = await http_client.fetch(url, method="POST", body=body)
        return read_json(response.body)

    def get_auth_http_client(self) -> AsyncHTTPClient:
        """The client for requests to the provider; a subclass may have its own."""
        return AsyncHTTPClient()
