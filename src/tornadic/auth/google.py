"""Logging in with Google, by OAuth 2.0."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any, cast

from tornadic.auth.answers import read_token
from tornadic.auth.callbacks import with_callback
from tornadic.auth.oauth2 import OAuth2Mixin

if TYPE_CHECKING:
    from tornadic.web import RequestHandler

__all__ = ["GoogleOAuth2Mixin"]


class GoogleOAuth2Mixin(OAuth2Mixin):
    """Logging in with Google.

    The application's setting ``google_oauth`` is ``{"key": CLIENT_ID, "secret": CLIENT_SECRET}``,
    as Google gave them to you for it; the ``redirect_uri`` must be registered there.  The page of
    `tornadic.auth` shows a handler.
    """

    _OAUTH_AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
    _OAUTH_ACCESS_TOKEN_URL = "https://www.googleapis.com/oauth2/v4/token"
    _OAUTH_USERINFO_URL = "https://www.googleapis.com/oauth2/v1/userinfo"
    _OAUTH_NO_CALLBACKS = False
    _OAUTH_SETTINGS_KEY = "google_oauth"

    def get_google_oauth_settings(self) -> dict[str, str]:
        """The site's credentials, a dictionary with ``key`` and ``secret``.

        They are from the application's settings; a subclass may have them from elsewhere.  Raises
        KeyError if they are not there.
        """
        handler = cast("RequestHandler", self)
        settings: dict[str, str] = handler.settings[self._OAUTH_SETTINGS_KEY]
        return settings

    @with_callback
    async def get_authenticated_user(
        self,
        redirect_uri: str,
        code: str,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> dict[str, Any]:
        """The access token for the user whom Google has sent back with ``code``.

        ``redirect_uri`` is the one they were sent with.  ``client_id`` and ``client_secret`` are
        the site's (None: those of `get_google_oauth_settings`).

        The dictionary has an ``access_token``, and what else Google says of it; nothing about the
        user, for which there is `oauth2_request` with `_OAUTH_USERINFO_URL`.

        Raises `AuthError` if there is no token in the answer, and what the client raises.
        """
        if client_id is None or client_secret is None:
            settings = self.get_google_oauth_settings()
            client_id = settings["key"] if client_id is None else client_id
            client_secret = settings["secret"] if client_secret is None else client_secret
        body = urllib.parse.urlencode(
            {
                "redirect_uri": redirect_uri,
                "code": code,
                "client_id": client_id,
                "client_secret": client_secret,
                "grant_type": "authorization_code",
            }
        )
        response = await self.get_auth_http_client().fetch(
            self._OAUTH_ACCESS_TOKEN_URL,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=body,
            # Whoever is redirected to must not get the secret.
            follow_redirects=False,
        )
        return read_token(response.body)
