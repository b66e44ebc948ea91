"""OAuth 2.0, with Google, with Facebook, and with providers that lie."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from tests.auth.support import Answer, Asked, World, play, sent_to, site_of

from tornadic.auth import AuthError, FacebookGraphMixin, GoogleOAuth2Mixin, OAuth2Mixin
from tornadic.web import RequestHandler

Make = Callable[[str], type[RequestHandler]]

CLIENT = {"key": "client & id", "secret": "client & SECRET"}
REDIRECT = "http://example.com/back?a=b"


class Grants:
    """Gives codes and tokens as RFC 6749 has it, once each."""

    def __init__(self, world: World) -> None:
        self.codes: dict[str, str] = {}
        self.tokens: set[str] = set()
        world.provider.answers["/token"] = self.token
        world.provider.answers["/me"] = self.user

    def authorize(self, fields: dict[str, str]) -> str:
        """What a user's consent brings back, as a query."""
        assert fields["response_type"] == "code"
        assert fields["client_id"] == CLIENT["key"]
        code = secrets.token_hex(8)
        self.codes[code] = fields["redirect_uri"]
        return f"code={code}&state={fields['state']}"

    def token(self, asked: Asked) -> Answer:
        fields = asked.fields
        if asked.method == "POST":
            assert not asked.query
            assert fields["grant_type"] == "authorization_code"
        assert hmac.compare_digest(fields["client_id"], CLIENT["key"])
        assert hmac.compare_digest(fields["client_secret"], CLIENT["secret"])
        if self.codes.pop(fields["code"], None) != fields["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        token = f"TOKEN-{secrets.token_hex(8)}"
        self.tokens.add(token)
        return {"access_token": token, "token_type": "Bearer", "expires_in": 3600}

    def user(self, asked: Asked) -> Answer:
        token = asked.fields["access_token"]
        if token not in self.tokens:
            return 401, "unknown token"
        proof = asked.fields.get("appsecret_proof")
        if proof is not None:
            digest = hmac.digest(CLIENT["secret"].encode(), token.encode(), hashlib.sha256)
            assert hmac.compare_digest(proof, digest.hex())
        return {"id": "7", "name": "Anne", "fields": asked.fields.get("fields")}


def google(provider: str) -> type[RequestHandler]:
    async def call(self: Any) -> Any:
        code = self.get_argument("code", None)
        if code is None:
            state = secrets.token_urlsafe()
            self.set_cookie("state", state)
            return self.authorize_redirect(
                redirect_uri=REDIRECT,
                client_id=self.get_google_oauth_settings()["key"],
                scope=["profile", "email"],
                extra_params={"state": state, "prompt": "a b"},
            )
        expected = self.get_cookie("state") or secrets.token_urlsafe()
        if not hmac.compare_digest(self.get_argument("state", ""), expected):
            raise AuthError("wrong state")
        access = await self.get_authenticated_user(
            redirect_uri=self.get_argument("redirect", REDIRECT), code=code
        )
        user = await self.oauth2_request(
            self._OAUTH_USERINFO_URL, access_token=access["access_token"]
        )
        return [access, user]

    return site_of(
        GoogleOAuth2Mixin,
        call,
        _OAUTH_AUTHORIZE_URL=f"{provider}/authorize",
        _OAUTH_ACCESS_TOKEN_URL=f"{provider}/token",
        _OAUTH_USERINFO_URL=f"{provider}/me",
    )


def facebook(provider: str) -> type[RequestHandler]:
    async def call(self: Any) -> Any:
        if self.get_argument("code", None) is None:
            return self.authorize_redirect(
                redirect_uri=REDIRECT,
                client_id=CLIENT["key"],
                extra_params={"scope": "a,b", "state": "s"},
            )
        return await self.get_authenticated_user(
            redirect_uri=REDIRECT,
            client_id=CLIENT["key"],
            client_secret=CLIENT["secret"],
            code=self.get_argument("code"),
            extra_fields=self.settings.get("extra_fields"),
        )

    return site_of(
        FacebookGraphMixin,
        call,
        _OAUTH_AUTHORIZE_URL=f"{provider}/authorize?",
        _OAUTH_ACCESS_TOKEN_URL=f"{provider}/token?",
        _FACEBOOK_BASE_URL=provider,
    )


GOOGLE = {"google_oauth": CLIENT}


# The redirect


def redirecting(**arguments: Any) -> Make:
    def make(provider: str) -> type[RequestHandler]:
        return site_of(
            OAuth2Mixin,
            lambda self: self.authorize_redirect(**arguments),
            _OAUTH_AUTHORIZE_URL="http://provider.example/authorize?lang=de",
        )

    return make


@pytest.mark.parametrize(
    "arguments,query",
    [
        ({}, {"response_type": "code"}),
        ({"response_type": "token"}, {"response_type": "token"}),
        (
            {"redirect_uri": REDIRECT, "client_id": "a&b", "scope": ["c", "d e"]},
            {
                "response_type": "code",
                "redirect_uri": REDIRECT,
                "client_id": "a&b",
                "scope": "c d e",
            },
        ),
        (
            {"client_id": "a", "extra_params": {"client_id": "b", "state": "\r\nX-Evil: 1"}},
            {"response_type": "code", "client_id": "b", "state": "\r\nX-Evil: 1"},
        ),
    ],
)
def test_redirects(arguments: dict[str, Any], query: dict[str, str]) -> None:
    async def scene(world: World) -> None:
        response = await world.visit()
        url, found = sent_to(response)
        assert (url, found) == ("http://provider.example/authorize", {"lang": "de", **query})
        assert "X-Evil" not in response

    play(redirecting(**arguments), scene)


def test_the_secret_is_not_for_the_redirect() -> None:
    async def scene(world: World) -> None:
        with pytest.warns(DeprecationWarning, match="client_secret argument is deprecated"):
            assert "SECRET" not in (await world.visit())["Location"]

    play(redirecting(client_id="a", client_secret="SECRET"), scene)


def test_the_url_for_a_token() -> None:
    class Some(OAuth2Mixin):
        _OAUTH_ACCESS_TOKEN_URL = "http://provider.example/token"

    assert Some()._oauth_request_token_url() == "http://provider.example/token"
    url = Some()._oauth_request_token_url("http://r", "i&d", "s", "c", {"e": "1"})
    assert url == (
        "http://provider.example/token"
        "?redirect_uri=http%3A%2F%2Fr&code=c&client_id=i%26d&client_secret=s&e=1"
    )


# Requests


def requesting(**arguments: Any) -> Make:
    def make(provider: str) -> type[RequestHandler]:
        url = f"{provider}/api?first=1"
        return site_of(OAuth2Mixin, lambda self: self.oauth2_request(url, **arguments))

    return make


def tell(asked: Asked) -> Answer:
    return {"method": asked.method, "query": asked.query, "form": asked.form}


@pytest.mark.parametrize(
    "arguments,method,query,form",
    [
        ({}, "GET", [], []),
        (
            {"access_token": "t&", "a": "b c", "n": 5},
            "GET",
            [["access_token", "t&"], ["a", "b c"], ["n", "5"]],
            [],
        ),
        ({"post_args": {}}, "POST", [], []),
        (
            {"access_token": "t", "post_args": {"m": "x y\xe9", "n": 5}, "q": "1"},
            "POST",
            [["access_token", "t"], ["q", "1"]],
            [["m", "x y\xe9"], ["n", "5"]],
        ),
    ],
)
def test_requests(
    arguments: dict[str, Any], method: str, query: list[Any], form: list[Any]
) -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/api"] = tell
        assert await world.result() == {
            "method": method,
            "query": [["first", "1"], *query],
            "form": form,
        }

    play(requesting(**arguments), scene)


@pytest.mark.parametrize("answer", ["[1, null]", '"x"', "5", "null"])
def test_any_json_will_do(answer: str) -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/api"] = answer
        assert await world.result() in ([1, None], "x", 5, None)

    play(requesting(), scene)


NO_JSON: list[Answer] = ["", "SECRET", b"\xff", "{'a': 1}", '{"a": "SECRET"', "[" * 100_000]


@pytest.mark.parametrize("answer", NO_JSON)
def test_what_is_no_json(answer: Answer) -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/api"] = answer
        assert await world.refusal() == "AuthError: The provider's answer is no JSON"

    play(requesting(), scene)


def test_an_error_status() -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/api"] = 400, {"error": "SECRET"}
        assert await world.refusal() == "HTTPClientError: HTTP 400: Bad Request"

    play(requesting(), scene)


def test_a_token_does_not_go_elsewhere() -> None:
    async def scene(world: World) -> None:
        world.elsewhere.answers["/"] = tell
        world.provider.answers["/api"] = 302, f"redirect {world.elsewhere.url}/"
        assert (await world.result())["query"] == []

    play(requesting(access_token="t"), scene)


def test_a_client_of_ones_own() -> None:
    class Client:
        async def fetch(self, url: str, **kwargs: Any) -> Any:
            class Response:
                body = b'"mine"'

            return Response

    async def scene(world: World) -> None:
        assert await world.result() == "mine"

    def make(provider: str) -> type[RequestHandler]:
        return site_of(
            OAuth2Mixin,
            lambda self: self.oauth2_request(provider),
            get_auth_http_client=lambda self: Client(),
        )

    play(make, scene)


# Google


def test_where_google_is() -> None:
    mixin = GoogleOAuth2Mixin
    assert mixin._OAUTH_AUTHORIZE_URL == "https://accounts.google.com/o/oauth2/v2/auth"
    assert mixin._OAUTH_ACCESS_TOKEN_URL == "https://www.googleapis.com/oauth2/v4/token"
    assert mixin._OAUTH_USERINFO_URL == "https://www.googleapis.com/oauth2/v1/userinfo"
    assert mixin._OAUTH_NO_CALLBACKS is False
    assert mixin._OAUTH_SETTINGS_KEY == "google_oauth"


def test_the_whole_way_with_google() -> None:
    async def scene(world: World) -> None:
        grants = Grants(world)
        url, query = sent_to(await world.visit())
        assert url == f"{world.provider.url}/authorize"
        assert (query["scope"], query["prompt"]) == ("profile email", "a b")
        back = grants.authorize(query)
        access, user = await world.result(f"/login?{back}")
        assert access["access_token"] in grants.tokens
        assert access["token_type"] == "Bearer"
        assert (user["id"], user["name"]) == ("7", "Anne")
        # The code is good for once.
        assert "400" in await world.refusal(f"/login?{back}")

    play(google, scene, **GOOGLE)


def test_a_login_that_somebody_else_began() -> None:
    async def scene(world: World) -> None:
        grants = Grants(world)
        _, query = sent_to(await world.visit())
        back = grants.authorize(query)
        for victim in ({}, {"state": "another"}):
            world.cookies = dict(victim)
            assert await world.refusal(f"/login?{back}") == "AuthError: wrong state"
        assert world.provider.asked == []

    play(google, scene, **GOOGLE)


def test_a_provider_that_changes_the_state() -> None:
    async def scene(world: World) -> None:
        grants = Grants(world)
        _, query = sent_to(await world.visit())
        code = grants.authorize(query).partition("&")[0]
        for state in ("", "&state=", "&state=x", f"&state={query['state']}x"):
            assert await world.refusal(f"/login?{code}{state}") == "AuthError: wrong state"

    play(google, scene, **GOOGLE)


def test_a_code_for_another_page() -> None:
    async def scene(world: World) -> None:
        grants = Grants(world)
        _, query = sent_to(await world.visit())
        back = grants.authorize(query)
        assert "400" in await world.refusal(f"/login?{back}&redirect=http://evil.example/")

    play(google, scene, **GOOGLE)


def with_google(**arguments: Any) -> Make:
    def make(provider: str) -> type[RequestHandler]:
        return site_of(
            GoogleOAuth2Mixin,
            lambda self: self.get_authenticated_user(REDIRECT, "code", **arguments),
            _OAUTH_ACCESS_TOKEN_URL=f"{provider}/token",
        )

    return make


@pytest.mark.parametrize(
    "arguments,settings,key,secret",
    [
        ({}, GOOGLE, CLIENT["key"], CLIENT["secret"]),
        ({"client_id": "i"}, GOOGLE, "i", CLIENT["secret"]),
        ({"client_secret": "s"}, GOOGLE, CLIENT["key"], "s"),
        ({"client_id": "i", "client_secret": "s"}, {}, "i", "s"),
    ],
)
def test_who_the_site_is(
    arguments: dict[str, str], settings: dict[str, Any], key: str, secret: str
) -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/token"] = {"access_token": "t"}
        assert await world.result() == {"access_token": "t"}
        asked = world.provider.take("/token")
        assert asked.method == "POST"
        assert asked.fields == {
            "redirect_uri": REDIRECT,
            "code": "code",
            "client_id": key,
            "client_secret": secret,
            "grant_type": "authorization_code",
        }

    play(with_google(**arguments), scene, **settings)


def test_credentials_from_elsewhere() -> None:
    class Mine(GoogleOAuth2Mixin):
        def get_google_oauth_settings(self) -> dict[str, str]:
            return {"key": "k", "secret": "s"}

    async def scene(world: World) -> None:
        world.provider.answers["/token"] = {"access_token": "t"}
        await world.result()
        assert world.provider.take("/token").fields["client_secret"] == "s"

    def make(provider: str) -> type[RequestHandler]:
        return site_of(
            Mine,
            lambda self: self.get_authenticated_user(REDIRECT, "code"),
            _OAUTH_ACCESS_TOKEN_URL=f"{provider}/token",
        )

    play(make, scene)


def test_without_credentials() -> None:
    handler: Any = type("Site", (GoogleOAuth2Mixin,), {"settings": {}})()
    with pytest.raises(KeyError, match="google_oauth"):
        handler.get_google_oauth_settings()


NO_TOKEN: list[Answer] = [
    *NO_JSON,
    "[]",
    '"SECRET"',
    "null",
    "{}",
    {"error": "SECRET"},
    {"access_token": ""},
    {"access_token": None},
    {"access_token": 5},
    {"access_token": ["SECRET"]},
    "access_token=SECRET&expires=5",
]


@pytest.mark.parametrize("answer", NO_TOKEN)
@pytest.mark.parametrize("make", [with_google(), facebook])
def test_no_token(make: Make, answer: Answer) -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/token"] = answer
        refusal = await world.refusal("/login?code=c")
        assert refusal.startswith("AuthError: The provider's answer")
        assert "SECRET" not in refusal

    play(make, scene, **GOOGLE)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("make", [with_google(), facebook])
def test_the_secret_does_not_go_elsewhere(make: Make, status: int) -> None:
    async def scene(world: World) -> None:
        world.elsewhere.answers["/"] = {"access_token": "t"}
        world.provider.answers["/token"] = status, f"redirect {world.elsewhere.url}/"
        assert f"HTTP {status}" in await world.refusal("/login?code=c")
        assert world.elsewhere.asked == []

    play(make, scene, **GOOGLE)


@pytest.mark.parametrize("make", [google, facebook])
@pytest.mark.parametrize("answer", [None, (500, "SECRET"), "SECRET", "{}"])
def test_nothing_secret_is_logged(
    make: Make, answer: Answer | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene(world: World) -> None:
        grants = Grants(world)
        _, query = sent_to(await world.visit())
        if answer is not None:
            world.provider.answers["/token"] = answer
        text = (await world.visit(f"/login?{grants.authorize(query)}")).text
        assert "SECRET" not in text

    play(make, scene, **GOOGLE)
    for record in caplog.records:
        line = logging.Formatter().format(record)
        assert "SECRET" not in line and "TOKEN-" not in line


# Facebook


def test_where_facebook_is() -> None:
    mixin = FacebookGraphMixin
    assert mixin._OAUTH_AUTHORIZE_URL == "https://www.facebook.com/dialog/oauth?"
    assert mixin._OAUTH_ACCESS_TOKEN_URL == "https://graph.facebook.com/oauth/access_token?"
    assert mixin._FACEBOOK_BASE_URL == "https://graph.facebook.com"
    assert mixin._OAUTH_NO_CALLBACKS is False


@pytest.mark.parametrize("extra", [None, {"email": 1, "name": 2}, ["email"], {"email"}])
def test_the_whole_way_with_facebook(extra: Any) -> None:
    async def scene(world: World) -> None:
        grants = Grants(world)
        url, query = sent_to(await world.visit())
        assert (url, query["scope"]) == (f"{world.provider.url}/authorize", "a,b")
        user = await world.result(f"/login?{grants.authorize(query)}")
        token = user.pop("access_token")
        assert token in grants.tokens
        assert user.pop("session_expires") == "3600"
        names = ["id", "name", "first_name", "last_name", "locale", "picture", "link"]
        names += ["email"] if extra else []
        assert user == {**dict.fromkeys(names), "id": "7", "name": "Anne"}
        asked = world.provider.take("/me").fields
        assert sorted(asked["fields"].split(",")) == sorted(names)
        proof = hmac.new(CLIENT["secret"].encode(), token.encode(), hashlib.sha256).hexdigest()
        assert asked["appsecret_proof"] == proof

    play(facebook, scene, extra_fields=extra)


def test_a_session_without_an_end() -> None:
    async def scene(world: World) -> None:
        Grants(world).tokens.add("t")
        world.provider.answers["/token"] = {"access_token": "t"}
        assert "session_expires" not in await world.result("/login?code=c")

    play(facebook, scene)


def test_facebook_knows_no_such_user() -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/token"] = {"access_token": "t"}
        world.provider.answers["/me"] = "null"
        assert await world.result("/login?code=c") is None
        for answer in ("[]", "5", '"x"'):
            world.provider.answers["/me"] = answer
            assert "is no user" in await world.refusal("/login?code=c")

    play(facebook, scene)


def test_requests_to_facebook() -> None:
    def make(provider: str) -> type[RequestHandler]:
        return site_of(
            FacebookGraphMixin,
            lambda self: self.facebook_request(
                "/me/feed", access_token="t", post_args={"m": "x"}, q="1"
            ),
            _FACEBOOK_BASE_URL=f"{provider}/v1",
        )

    async def scene(world: World) -> None:
        world.provider.answers["/v1/me/feed"] = tell
        assert await world.result() == {
            "method": "POST",
            "query": [["access_token", "t"], ["q", "1"]],
            "form": [["m", "x"]],
        }

    play(make, scene)
