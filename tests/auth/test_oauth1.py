"""OAuth 1.0 and 1.0a, from the login to a request for the user, and what may go wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.auth.support import Answer, Asked, Provider, World, play, sent_to, site_of
from tests.web.support import LogBook

from tornadic.auth import OAuthMixin, TwitterMixin
from tornadic.httpclient import AsyncHTTPClient
from tornadic.web import RequestHandler

CONSUMER = {"key": "consumer & key", "secret": "consumer & secret"}
REQUEST_TOKEN = {"key": "request & token", "secret": "request + secret"}
ACCESS_TOKEN = {"key": "access/token", "secret": "access & secret"}


def form(token: dict[str, str], **more: str) -> str:
    return urlencode({"oauth_token": token["key"], "oauth_token_secret": token["secret"], **more})


class Signed:
    """Holds requests against RFC 5849, as a provider does."""

    def __init__(self, provider: Provider, is_10a: bool = True) -> None:
        self.nonces: set[str] = set()
        self.is_10a = is_10a
        provider.answers["/request_token"] = self.request_token
        provider.answers["/access_token"] = self.access_token
        provider.answers["/user"] = self.user

    def check(self, asked: Asked, token: dict[str, str] | None = None) -> None:
        """Section 3.2: signature, nonce and time."""
        fields = asked.fields
        given = fields.pop("oauth_signature")
        pairs = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in fields.items())
        parameters = "&".join([f"{name}={value}" for name, value in pairs])
        parts = [asked.method, asked.url.partition("?")[0], parameters]
        text = "&".join([quote(part, safe="~") for part in parts])
        secrets = [CONSUMER["secret"], token["secret"] if token else ""]
        if self.is_10a:
            secrets = [quote(secret, safe="~") for secret in secrets]
        digest = hmac.digest("&".join(secrets).encode(), text.encode(), hashlib.sha1)
        assert hmac.compare_digest(given, base64.b64encode(digest).decode())
        assert fields["oauth_consumer_key"] == CONSUMER["key"]
        assert fields["oauth_signature_method"] == "HMAC-SHA1"
        assert fields["oauth_version"] == "1.0"
        assert fields.get("oauth_token") == (token and token["key"])
        assert abs(int(fields["oauth_timestamp"]) - time.time()) < 600
        assert fields["oauth_nonce"] not in self.nonces
        self.nonces.add(fields["oauth_nonce"])

    def request_token(self, asked: Asked) -> Answer:
        self.check(asked)
        return form(REQUEST_TOKEN, oauth_callback_confirmed="true")

    def access_token(self, asked: Asked) -> Answer:
        self.check(asked, REQUEST_TOKEN)
        if asked.fields.get("oauth_verifier") != "the verifier":
            return 401, "no such verifier"
        return form(ACCESS_TOKEN, user_id="7")

    def user(self, asked: Asked) -> Answer:
        self.check(asked, ACCESS_TOKEN)
        return {"name": "Anne"}


def site(provider: str, **attributes: Any) -> type[RequestHandler]:
    async def call(self: Any) -> Any:
        if self.get_argument("oauth_token", None) or self.get_argument("back", None):
            return await self.get_authenticated_user()
        return await self.authorize_redirect(
            self.get_argument("callback", None), self.settings.get("extra_params")
        )

    async def get_user(self: Any, access_token: dict[str, Any]) -> Any:
        url = f"{provider}/user"
        parameters = self._oauth_request_parameters(url, access_token, {"a": "b c"})
        query = urlencode({"a": "b c", **parameters})
        response = await self.get_auth_http_client().fetch(f"{url}?{query}")
        return {"name": "Anne", "said": response.body.decode()}

    methods = {
        "_OAUTH_REQUEST_TOKEN_URL": f"{provider}/request_token",
        "_OAUTH_AUTHORIZE_URL": f"{provider}/authorize?lang=de",
        "_OAUTH_ACCESS_TOKEN_URL": f"{provider}/access_token",
        "_oauth_consumer_token": lambda self: CONSUMER,
        "_oauth_get_user_future": get_user,
    }
    return site_of(OAuthMixin, call, **{**methods, **attributes})


def site_10(provider: str) -> type[RequestHandler]:
    return site(provider, _OAUTH_VERSION="1.0")


BACK = "/login?" + urlencode(
    {"oauth_token": REQUEST_TOKEN["key"], "oauth_verifier": "the verifier"}
)


# Logging in


def test_the_whole_way() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        response = await world.visit("/login?callback=/back?a=b")
        callback = f"{world.site_url}/back?a=b"
        assert sent_to(response) == (
            f"{world.provider.url}/authorize",
            {"lang": "de", "oauth_token": REQUEST_TOKEN["key"], "oauth_callback": callback},
        )
        assert world.provider.take("/request_token").fields["oauth_callback"] == callback
        user = await world.result(BACK)
        assert user == {
            "name": "Anne",
            "said": '{"name": "Anne"}',
            "access_token": {**ACCESS_TOKEN, "user_id": "7"},
        }
        assert world.cookies == {}

    play(site, scene)


def test_the_whole_way_of_version_1_0() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider, is_10a=False)
        response = await world.visit("/login?callback=/back")
        _, query = sent_to(response)
        assert query["oauth_callback"] == f"{world.site_url}/back"
        # Version 1.0 says it only here; with 1.0a the provider knows before the user does.
        assert "oauth_callback" not in world.provider.take("/request_token").fields
        assert (await world.result(BACK))["name"] == "Anne"

    play(site_10, scene)


def test_the_cookie_is_for_the_way_back_only() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        cookie = (await world.visit())["Set-Cookie"]
        assert "; HttpOnly" in cookie and "; SameSite=Lax" in cookie and "Path=/" in cookie
        assert "Secure" not in cookie and "expires" not in cookie.lower()

    play(site, scene)


def test_without_a_callback() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        _, query = sent_to(await world.visit())
        assert "oauth_callback" not in query
        assert "oauth_callback" not in world.provider.take("/request_token").fields

    play(site, scene)


def test_out_of_band() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        response = await world.visit("/login?callback=oob")
        assert response.status == 200
        token = urlencode({"oauth_token": REQUEST_TOKEN["key"]})
        assert response.text == f"{world.provider.url}/authorize?lang=de&{token}"
        assert world.provider.take("/request_token").fields["oauth_callback"] == "oob"
        assert (await world.result(BACK))["name"] == "Anne"

    play(site, scene)


def test_extra_parameters() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        sent_to(await world.visit())
        assert world.provider.take("/request_token").fields["scope"] == "a b"

    play(site, scene, extra_params={"scope": "a b"})


def test_a_provider_that_takes_no_callbacks(log: LogBook) -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        sent_to(await world.visit())
        assert (await world.visit("/login?callback=/back")).status == 500
        log.take("ValueError: This service does not support oauth_callback")
        assert len(world.provider.asked) == 1

    play(lambda provider: site(provider, _OAUTH_NO_CALLBACKS=True), scene)


def test_a_client_of_ones_own() -> None:
    used: list[str] = []

    class Client:
        async def fetch(self, url: str, **kwargs: Any) -> Any:
            used.append(url.partition("?")[0])
            return await AsyncHTTPClient().fetch(url, **kwargs)

    async def scene(world: World) -> None:
        Signed(world.provider)
        await world.visit()
        await world.result(BACK)
        paths = ("request_token", "access_token", "user")
        assert used == [f"{world.provider.url}/{path}" for path in paths]

    play(lambda provider: site(provider, get_auth_http_client=lambda self: Client()), scene)


def test_a_client_for_one_question() -> None:
    class Client:
        async def fetch(self, url: str, **kwargs: Any) -> Any:
            return type("Response", (), {"body": form(REQUEST_TOKEN).encode()})

    def make(provider: str) -> type[RequestHandler]:
        async def call(self: Any) -> Any:
            if self.get_argument("oauth_token", None):
                return await self.get_authenticated_user(http_client=Client())
            return await self.authorize_redirect(http_client=Client())

        async def get_user(self: Any, access_token: dict[str, Any]) -> Any:
            return {"name": "Anne"}

        more = {"call": call, "_oauth_get_user_future": get_user}
        return type("Site", (site(provider),), more)

    async def scene(world: World) -> None:
        sent_to(await world.visit())
        # Version 1.0 knows no verifier.
        back = "/login?" + urlencode({"oauth_token": REQUEST_TOKEN["key"]})
        user = await world.result(back)
        assert user == {"name": "Anne", "access_token": REQUEST_TOKEN}
        assert world.provider.asked == []

    play(make, scene)


def test_nonces_are_long_and_never_the_same() -> None:
    async def scene(world: World) -> None:
        signed = Signed(world.provider)
        for _ in range(20):
            await world.visit()
        assert len(signed.nonces) == 20
        assert min(map(len, signed.nonces)) >= 32

    play(site, scene)


def test_what_a_subclass_must_define() -> None:
    class Bare(OAuthMixin):
        pass

    with pytest.raises(NotImplementedError):
        Bare()._oauth_consumer_token()
    with pytest.raises(NotImplementedError):
        Bare()._oauth_get_user_future({}).send(None)


# Who comes back may be anybody


def cookie(key: str, secret: str = "x") -> str:
    return "|".join([base64.b64encode(part.encode()).decode() for part in (key, secret)])


@pytest.mark.parametrize(
    "value,why",
    [
        (None, "Missing"),
        (cookie("another token"), "does not match"),
        (cookie(REQUEST_TOKEN["key"] + "x"), "does not match"),
        (cookie(REQUEST_TOKEN["key"][:-1]), "does not match"),
        (cookie(""), "does not match"),
        ("|", "does not match"),
        ("", "Missing"),
        ("abc", "Malformed"),
        ("a|b", "Malformed"),
        ("YQ==|YQ==|YQ==", "Malformed"),
        ("YQ==YQ==", "Malformed"),
        ("!!!!|####", "Malformed"),
        ("\xe9|\xe9", "Malformed"),
    ],
)
def test_another_browser_does_not_finish_what_this_one_began(value: str | None, why: str) -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        if value is not None:
            world.cookies["_oauth_request_token"] = value
        refusal = await world.refusal(BACK)
        assert refusal.startswith("AuthError: ") and why in refusal
        assert world.provider.asked == []

    play(site, scene)


def test_a_cookie_is_used_once() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        await world.visit()
        await world.refusal("/login?oauth_token=wrong")
        assert "Missing" in await world.refusal(BACK)

    play(site, scene)


def test_a_return_without_a_token(log: LogBook) -> None:
    async def scene(world: World) -> None:
        response = await world.visit("/login?back=1&denied=1")
        assert response.status == 400
        log.take("Missing argument oauth_token")

    play(site, scene)


def test_a_wrong_verifier() -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        await world.visit()
        back = "/login?" + urlencode({"oauth_token": REQUEST_TOKEN["key"], "oauth_verifier": "x"})
        assert await world.refusal(back) == "HTTPClientError: HTTP 401: Unauthorized"

    play(site, scene)


# The provider may be anybody too

NO_TOKENS: list[Answer] = [
    "",
    "oauth_token=a",
    "oauth_token_secret=SECRET",
    '{"oauth_token": "SECRET"}',
    b"oauth_token=%FF&oauth_token_secret=SECRET",
    "SECRET" * 1000,
]


@pytest.mark.parametrize("answer", NO_TOKENS)
def test_no_request_token(answer: Answer) -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/request_token"] = answer
        refusal = await world.refusal()
        assert refusal.startswith("AuthError") and "SECRET" not in refusal
        assert world.cookies == {}

    play(site, scene)


@pytest.mark.parametrize("answer", NO_TOKENS)
def test_no_access_token(answer: Answer) -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        world.provider.answers["/access_token"] = answer
        await world.visit()
        refusal = await world.refusal(BACK)
        assert refusal.startswith("AuthError") and "SECRET" not in refusal

    play(site, scene)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", ["/request_token", "/access_token"])
def test_a_provider_that_sends_us_elsewhere(path: str, status: int) -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        world.elsewhere.answers["/"] = form(ACCESS_TOKEN)
        world.provider.answers[path] = (status, f"redirect {world.elsewhere.url}/")
        if path == "/access_token":
            await world.visit()
        refusal = await world.refusal(BACK if path == "/access_token" else "/login")
        assert refusal.startswith(f"HTTPClientError: HTTP {status}")
        assert world.elsewhere.asked == []

    play(site, scene)


def test_a_token_does_not_break_out_of_the_redirect() -> None:
    token = {"key": "a&b=c#d\r\nX-Evil: 1", "secret": "; Path=/evil\r\n"}

    async def scene(world: World) -> None:
        world.provider.answers["/request_token"] = form(token)
        response = await world.visit()
        assert sent_to(response)[1] == {"lang": "de", "oauth_token": token["key"]}
        assert "X-Evil" not in response
        assert "evil" not in response["Set-Cookie"]

    play(site, scene)


@pytest.mark.parametrize("user", [None, {}])
def test_no_user(user: Any) -> None:
    async def get_user(self: Any, access_token: Any) -> Any:
        return user

    async def scene(world: World) -> None:
        Signed(world.provider)
        await world.visit()
        assert await world.refusal(BACK) == "AuthError: Error getting user"

    play(lambda provider: site(provider, _oauth_get_user_future=get_user), scene)


# Twitter


def twitter(provider: str) -> type[RequestHandler]:
    async def call(self: Any) -> Any:
        what = self.get_argument("what", "user")
        if what == "user":
            return await self.get_authenticated_user()
        if what == "request":
            return await self.twitter_request(
                self.get_argument("path", "/statuses/show"),
                access_token=ACCESS_TOKEN if self.get_argument("signed", "1") == "1" else None,
                post_args={"status": "a b\xe9"} if self.get_argument("post", None) else None,
                q="c d",
                n=5,
            )
        return await getattr(self, what)(callback_uri=self.get_argument("callback", None))

    return site_of(
        TwitterMixin,
        call,
        _OAUTH_REQUEST_TOKEN_URL=f"{provider}/request_token",
        _OAUTH_AUTHORIZE_URL=f"{provider}/authorize",
        _OAUTH_AUTHENTICATE_URL=f"{provider}/authenticate",
        _OAUTH_ACCESS_TOKEN_URL=f"{provider}/access_token",
        _TWITTER_BASE_URL=f"{provider}/1.1",
    )


SETTINGS = {
    "twitter_consumer_key": CONSUMER["key"],
    "twitter_consumer_secret": CONSUMER["secret"],
}


def test_where_twitter_is() -> None:
    assert TwitterMixin._OAUTH_REQUEST_TOKEN_URL == "https://api.twitter.com/oauth/request_token"
    assert TwitterMixin._OAUTH_ACCESS_TOKEN_URL == "https://api.twitter.com/oauth/access_token"
    assert TwitterMixin._OAUTH_AUTHORIZE_URL == "https://api.twitter.com/oauth/authorize"
    assert TwitterMixin._OAUTH_AUTHENTICATE_URL == "https://api.twitter.com/oauth/authenticate"
    assert TwitterMixin._TWITTER_BASE_URL == "https://api.twitter.com/1.1"
    assert TwitterMixin._OAUTH_NO_CALLBACKS is False


def test_the_whole_way_with_twitter() -> None:
    async def scene(world: World) -> None:
        signed = Signed(world.provider)

        def verify(asked: Asked) -> Answer:
            signed.check(asked, ACCESS_TOKEN)
            return {"screen_name": "anne", "name": "Anne"}

        world.provider.answers["/1.1/account/verify_credentials.json"] = verify
        for what, path in (
            ("authenticate_redirect", "/authenticate"),
            ("authorize_redirect", "/authorize"),
        ):
            response = await world.visit(f"/login?what={what}&callback=/back")
            url, query = sent_to(response)
            assert url == world.provider.url + path
            assert query["oauth_token"] == REQUEST_TOKEN["key"]
            user = await world.result(BACK)
            assert user["username"] == user["screen_name"] == "anne"
            assert user["access_token"] == {**ACCESS_TOKEN, "user_id": "7"}
        callbacks = [one.fields.get("oauth_callback") for one in world.provider.asked]
        assert callbacks.count(f"{world.site_url}/back") == 2

    play(twitter, scene, **SETTINGS)


@pytest.mark.parametrize("answer", ["null", "{}", "[]", "[1]", '"x"', "5"])
def test_twitter_knows_no_such_user(answer: str) -> None:
    async def scene(world: World) -> None:
        Signed(world.provider)
        world.provider.answers["/1.1/account/verify_credentials.json"] = answer
        await world.visit("/login?what=authorize_redirect")
        assert await world.refusal(BACK) == "AuthError: Error getting user"

    play(twitter, scene, **SETTINGS)


def test_requests_to_twitter() -> None:
    async def scene(world: World) -> None:
        signed = Signed(world.provider)

        def check(asked: Asked) -> Answer:
            signed.check(asked, ACCESS_TOKEN)
            return {"method": asked.method, "q": asked.fields["q"], "form": dict(asked.form)}

        world.provider.answers["/1.1/statuses/show.json"] = check
        world.provider.answers["/other"] = check
        get = {"method": "GET", "q": "c d", "form": {}}
        assert await world.result("/?what=request") == get
        post = {"method": "POST", "q": "c d", "form": {"status": "a b\xe9"}}
        assert await world.result("/?what=request&post=1") == post
        assert await world.result(f"/?what=request&path={world.provider.url}/other") == get

    play(twitter, scene, **SETTINGS)


def test_a_request_to_twitter_for_nobody() -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/1.1/statuses/show.json"] = lambda asked: asked.fields
        assert await world.result("/?what=request&signed=0") == {"q": "c d", "n": "5"}

    play(twitter, scene)


@pytest.mark.parametrize("answer", ["", "no JSON SECRET", b"\xff", "[" * 100_000])
def test_twitter_talks_nonsense(answer: Answer) -> None:
    async def scene(world: World) -> None:
        world.provider.answers["/1.1/statuses/show.json"] = answer
        assert await world.refusal("/?what=request&signed=0") == (
            "AuthError: The provider's answer is no JSON"
        )

    play(twitter, scene)


@pytest.mark.parametrize("missing", SETTINGS)
def test_missing_settings(missing: str, log: LogBook) -> None:
    async def scene(world: World) -> None:
        assert (await world.visit("/login?what=authorize_redirect")).status == 500
        log.take(f"You must define the '{missing}' setting")

    play(twitter, scene, **{name: SETTINGS[name] for name in SETTINGS if name != missing})
