"""Logging in by way of somebody else: OpenID, OAuth 1.0 and OAuth 2.0.

The classes are mixins for `.RequestHandler`.  A handler for logging in sends the user to the
provider (``authenticate_redirect``, ``authorize_redirect``), and when the provider sends them back,
asks it who that is (``get_authenticated_user``).  Other handlers make requests for that user
(``twitter_request``, ``facebook_request``, ``oauth2_request``).  Each class says more::

    class LoginHandler(tornadic.web.RequestHandler, tornadic.auth.GoogleOAuth2Mixin):
        async def get(self):
            redirect_uri = self.settings["base_url"] + self.reverse_url("login")
            if self.get_argument("code", None):
                if not hmac.compare_digest(
                    self.get_argument("state", ""), self.get_cookie("state") or " "
                ):
                    raise tornadic.web.HTTPError(403)
                access = await self.get_authenticated_user(
                    redirect_uri=redirect_uri, code=self.get_argument("code")
                )
                user = await self.oauth2_request(
                    self._OAUTH_USERINFO_URL, access_token=access["access_token"]
                )
                ...
            else:
                state = secrets.token_urlsafe()
                self.set_cookie("state", state, httponly=True, samesite="Lax")
                self.authorize_redirect(
                    redirect_uri=redirect_uri,
                    client_id=self.get_google_oauth_settings()["key"],
                    scope=["profile", "email"],
                    extra_params={"state": state},
                )

With OAuth 2.0 the ``state`` is the program's to make and to compare, as above: without it, anyone
can log somebody in as themselves (RFC 6749 section 10.12).

`AuthError` is raised when a provider's answer, or what the browser brought from it, will not do;
`.HTTPClientError` when the provider answered with an error status or not at all.
"""

from tornadic.auth.errors import AuthError
from tornadic.auth.facebook import FacebookGraphMixin
from tornadic.auth.google import GoogleOAuth2Mixin
from tornadic.auth.oauth1 import OAuthMixin
from tornadic.auth.oauth2 import OAuth2Mixin
from tornadic.auth.openid import OpenIdMixin
from tornadic.auth.twitter import TwitterMixin

__all__ = [
    "AuthError",
    "FacebookGraphMixin",
    "GoogleOAuth2Mixin",
    "OAuth2Mixin",
    "OAuthMixin",
    "OpenIdMixin",
    "TwitterMixin",
]
