"""Logging in with Twitter, by OAuth 1.0a."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any, cast

from tornadic.auth.answers import read_json
from tornadic.auth.callbacks import with_callback
from tornadic.auth.oauth1 import OAuthMixin
from tornadic.httputil import url_concat

if TYPE_CHECKING:
    from tornadic.web import RequestHandler

__all__ = ["TwitterMixin"]


class TwitterMixin(OAuthMixin):
    """Logging in with Twitter.

    The application's settings ``twitter_consumer_key`` and ``twitter_consumer_secret`` are what
    Twitter gave you for it.  The handler is for the URL that is registered there as callback::

        class LoginHandler(RequestHandler, TwitterMixin):
            async def get(self):
                if self.get_argument("oauth_token", None):
                    user = await self.get_authenticated_user()
                    ...
                else:
                    await self.authorize_redirect()

    The user has a ``username``, a ``name``, the ``access_token``, and what else Twitter says.

    Deprecated: this is version 1.1 of Twitter's API, which Twitter has limited.
    """

    _OAUTH_REQUEST_TOKEN_URL = "https://api.twitter.com/oauth/request_token"
    _OAUTH_ACCESS_TOKEN_URL = "https://api.twitter.com/oauth/access_token"
    _OAUTH_AUTHORIZE_URL = "https://api.twitter.com/oauth/authorize"
    _OAUTH_AUTHENTICATE_URL = "https://api.twitter.com/oauth/authenticate"
    _OAUTH_NO_CALLBACKS = False
    _TWITTER_BASE_URL = "https://api.twitter.com/1.1"

    @with_callback
    async def authenticate_redirect(self, callback_uri: str | None = None) -> None:
        """Do what `authorize_redirect` does, but ask the user only if they have not agreed yet."""
        await self._ask_for_token(self._OAUTH_AUTHENTICATE_URL, callback_uri, None, None, None)

    @with_callback
    async def twitter_request(
        self,
        path: str,
        access_token: dict[str, Any],
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """What Twitter answers, as JSON stands for it.

        ``path`` is like "/statuses/user_timeline/btaylor", without version and format, or a whole
        URL.  ``access_token`` is the user's; with None the request is not signed.  ``post_args``
        make it a POST and are its form; ``args`` are its query.

        Raises `AuthError` if the answer is no JSON, and what the client raises.
        """
        is_whole = path.startswith(("http:", "https:"))
        url = path if is_whole else f"{self._TWITTER_BASE_URL}{path}.json"
        if access_token:
            method = "GET" if post_args is None else "POST"
            args.update(
                self._oauth_request_parameters(
                    url, access_token, {**args, **(post_args or {})}, method=method
                )
            )
        if args:
            url = url_concat(url, args)
        http_client = self.get_auth_http_client()
        if post_args is None:
            response = await http_client.fetch(url)
        else:
            body = urllib.parse.urlencode(post_args)
            response = await http_client.fetch(url, method="POST", body=body)
        return read_json(response.body)

    def _oauth_consumer_token(self) -> dict[str, Any]:
        return {"key": self._setting("key"), "secret": self._setting("secret")}

    def _setting(self, name: str) -> Any:
        name = f"twitter_consumer_{name}"
        settings = cast("RequestHandler", self).settings
        if not settings.get(name):
            raise KeyError(
                f"You must define the '{name}' setting in your application to use Twitter OAuth"
            )
        return settings[name]

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        user = await self.twitter_request("/account/verify_credentials", access_token=access_token)
        if not isinstance(user, dict) or not user:
            return {}
        user["username"] = user.get("screen_name")
        return user
