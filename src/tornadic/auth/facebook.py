"""Logging in with Facebook, by OAuth 2.0."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from tornadic.auth.answers import read_token
from tornadic.auth.callbacks import with_callback
from tornadic.auth.errors import AuthError
from tornadic.auth.oauth2 import OAuth2Mixin

__all__ = ["FacebookGraphMixin"]

_FIELDS = ("id", "name", "first_name", "last_name", "locale", "picture", "link")


class FacebookGraphMixin(OAuth2Mixin):
    """Logging in with Facebook, and its Graph API.

    ::

        class LoginHandler(RequestHandler, FacebookGraphMixin):
            async def get(self):
                if self.get_argument("code", None):
                    user = await self.get_authenticated_user(
                        redirect_uri=redirect_uri,
                        client_id=self.settings["facebook_api_key"],
                        client_secret=self.settings["facebook_secret"],
                        code=self.get_argument("code"),
                    )
                    ...
                else:
                    self.authorize_redirect(
                        redirect_uri=redirect_uri,
                        client_id=self.settings["facebook_api_key"],
                        extra_params={"scope": "user_posts", "state": state},
                    )
    """

    _OAUTH_ACCESS_TOKEN_URL = "https://graph.facebook.com/oauth/access_token?"
    _OAUTH_AUTHORIZE_URL = "https://www.facebook.com/dialog/oauth?"
    _OAUTH_NO_CALLBACKS = False
    _FACEBOOK_BASE_URL = "https://graph.facebook.com"

    @with_callback
    async def get_authenticated_user(
        self,
        redirect_uri: str,
        client_id: str,
        client_secret: str,
        code: str,
        extra_fields: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Who the user is whom Facebook has sent back with ``code``.

        ``redirect_uri`` is the one they were sent with, ``client_id`` and ``client_secret`` are
        the site's.  The dictionary has ``id``, ``name``, ``first_name``, ``last_name``,
        ``locale``, ``picture``, ``link`` and the fields named in ``extra_fields`` (any iterable of
        names), each None if Facebook does not say; the ``access_token``, text; and
        ``session_expires``, the seconds that it is good for, as text, if Facebook says so.
        None if there is no such user.

        Raises `AuthError` if an answer is malformed or has no token, and what the client raises.
        """
        url = self._oauth_request_token_url(
            redirect_uri=redirect_uri, code=code, client_id=client_id, client_secret=client_secret
        )
        # Whoever is redirected to is not the provider.
        response = await self.get_auth_http_client().fetch(url, follow_redirects=False)
        session = read_token(response.body)
        access_token: str = session["access_token"]
        fields = list(dict.fromkeys([*_FIELDS, *(extra_fields or ())]))
        proof = hmac.new(client_secret.encode(), access_token.encode(), hashlib.sha256)
        user = await self.facebook_request(
            path="/me",
            access_token=access_token,
            appsecret_proof=proof.hexdigest(),
            fields=",".join(fields),
        )
        if user is None:
            return None
        if not isinstance(user, dict):
            raise AuthError("The provider's answer is no user")
        found = {field: user.get(field) for field in fields}
        found["access_token"] = access_token
        if session.get("expires_in") is not None:
            found["session_expires"] = str(session["expires_in"])
        return found

    @with_callback
    async def facebook_request(
        self,
        path: str,
        access_token: str | None = None,
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """What the Graph API answers, as JSON stands for it; see `oauth2_request`.

        ``path``, like "/btaylor/picture", is added to the attribute ``_FACEBOOK_BASE_URL``.
        """
        url = self._FACEBOOK_BASE_URL + path
        return await self.oauth2_request(
            url, access_token=access_token, post_args=post_args, **args
        )
