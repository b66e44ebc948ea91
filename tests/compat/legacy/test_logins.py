"""Logging in with callbacks, or with nobody who waits, as handlers of Tornado 2 to 4 did."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tornadic import auth
from tornadic.auth import AuthError
from tornadic.compat.legacy.contexts import ExceptionStackContext
from tornadic.httpclient import AsyncHTTPClient
from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.web import Application, RequestHandler

PATIENCE = 30.0


class Provider(RequestHandler):
    """What is asked of a provider."""

    def get(self, what: str) -> None:
        if what == "request_token":
            self.write("oauth_token=rk&oauth_token_secret=rs")
        elif what == "access_token":
            self.write("oauth_token=ak&oauth_token_secret=as")
        elif what == "refused":
            self.write("no token at all")
        else:
            self.write({"name": "Somebody", "path": what, "token": self.get_argument("t", "")})

    post = get


class Login(RequestHandler, auth.OAuthMixin):
    _OAUTH_VERSION = "1.0a"
    _OAUTH_NO_CALLBACKS = False

    def prepare(self) -> None:
        base = self.settings["base"]
        self._OAUTH_REQUEST_TOKEN_URL = f"{base}/provider/{self.get_argument('ask', 'request')}"
        self._OAUTH_REQUEST_TOKEN_URL += "" if "refused" in self.request.uri else "_token"
        self._OAUTH_ACCESS_TOKEN_URL = f"{base}/provider/access_token"
        self._OAUTH_AUTHORIZE_URL = f"{base}/provider/authorize"

    def get(self) -> None:
        # What @asynchronous does.
        self._auto_finish = False

        def failed(kind: Any, error: Any, traceback: Any) -> bool:
            self.send_error(502, reason=kind.__name__)
            return True

        with ExceptionStackContext(failed):
            self.begin()

    def begin(self) -> None:
        self.run_old: Any = self
        if self.get_argument("oauth_token", None):
            self.run_old.get_authenticated_user(self.on_user)
        elif self.get_argument("callback", None):
            self.run_old.authorize_redirect("/", callback=self.on_redirect)
        else:
            self.run_old.authorize_redirect("/")

    def on_user(self, user: Any) -> None:
        self.finish({"user": user})

    def on_redirect(self, result: Any) -> None:
        assert result is None and self._finished
        self.settings["seen"].append("redirected")

    def _oauth_consumer_token(self) -> dict[str, Any]:
        return {"key": "k", "secret": "s"}

    def _oauth_get_user(self, access_token: dict[str, Any], callback: Any) -> None:
        callback({"name": "Somebody", "key": access_token["key"]})


class Graph(RequestHandler, auth.FacebookGraphMixin):
    async def get(self) -> None:
        self._FACEBOOK_BASE_URL = self.settings["base"] + "/provider"
        got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        old: Any = self
        if self.get_argument("named", None):
            old.facebook_request("/me", callback=got.set_result, t="1")
        elif self.get_argument("oauth2", None):
            old.oauth2_request(self.settings["base"] + "/provider/me", got.set_result, t="1")
        else:
            future = old.facebook_request("/me", got.set_result, None, {"t": "1"})
            assert await future == await got
        self.write(await got)


async def served(seen: list[str]) -> tuple[HTTPServer, str]:
    [sock] = bind_sockets(0, "127.0.0.1")
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    handlers: list[Any] = [("/provider/(.*)", Provider), ("/login", Login), ("/graph", Graph)]
    server = HTTPServer(Application(handlers, base=base, seen=seen))
    server.add_sockets([sock])
    return server, base


def fetch(path: str, seen: list[str] | None = None, **options: Any) -> Any:
    """Start a site, fetch one page of it."""

    async def main() -> Any:
        server, base = await served(seen if seen is not None else [])
        async with asyncio.timeout(PATIENCE):
            response = await AsyncHTTPClient().fetch(
                base + path, follow_redirects=False, raise_error=False, **options
            )
            server.stop()
            await server.close_all_connections()
        return response

    return asyncio.run(main())


def test_a_redirect_that_nobody_waits_for() -> None:
    response = fetch("/login")
    assert response.code == 302
    target = urlsplit(response.headers["Location"])
    assert target.path == "/provider/authorize"
    assert parse_qs(target.query)["oauth_token"] == ["rk"]


def test_a_redirect_with_a_callback() -> None:
    seen: list[str] = []
    with pytest.warns(DeprecationWarning, match="callback of authorize_redirect was removed"):
        assert fetch("/login?callback=1", seen).code == 302
    assert seen == ["redirected"]


def test_a_redirect_that_fails_and_nobody_waits_for() -> None:
    response = fetch("/login?ask=refused")
    assert (response.code, response.reason) == (502, "AuthError")


def test_a_user_for_a_callback_and_by_the_old_method() -> None:
    cookie = {"Cookie": "_oauth_request_token=cms=|cnM="}
    with pytest.warns(DeprecationWarning) as warned:
        response = fetch("/login?oauth_token=rk", headers=cookie)
    assert b'"key": "ak"' in response.body and b'"name": "Somebody"' in response.body
    texts = [str(warning.message) for warning in warned]
    assert any("callback of get_authenticated_user was removed" in text for text in texts)
    assert any("_oauth_get_user was removed" in text for text in texts)


def test_no_user_for_a_callback(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        pytest.warns(DeprecationWarning, match="callback of get_authenticated_user"),
    ):
        response = fetch("/login?oauth_token=other", headers={"Cookie": "_oauth_request_token=x"})
    assert response.body == b'{"user": null}'
    assert "Malformed OAuth request token cookie" in caplog.text


@pytest.mark.parametrize("query", ["?named=1", "?oauth2=1", ""])
def test_requests_with_a_callback(query: str) -> None:
    with pytest.warns(DeprecationWarning, match="callback of (facebook|oauth2)_request was"):
        response = fetch("/graph" + query)
    assert b'"path": "me"' in response.body and b'"token": "1"' in response.body


def test_a_method_that_is_no_coroutine() -> None:
    class Handler(auth.OAuth2Mixin):
        _OAUTH_AUTHORIZE_URL = "http://provider/"
        target = ""

        def redirect(self, url: str) -> None:
            self.target = url

    called: list[Any] = []

    async def main() -> None:
        old: Any = Handler()
        with pytest.warns(DeprecationWarning, match="callback of authorize_redirect") as seen:
            old.authorize_redirect("/here", "id", callback=lambda: called.append(old.target))
        assert seen[0].filename == __file__
        while not called:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert called == ["http://provider/?response_type=code&redirect_uri=%2Fhere&client_id=id"]


def test_new_programs_get_what_they_await() -> None:
    class Handler(auth.OAuth2Mixin):
        def get_auth_http_client(self) -> Any:
            raise AuthError("asked")

    async def main() -> None:
        coroutine = Handler().oauth2_request("http://provider/")
        with pytest.raises(AuthError, match="asked"):
            await coroutine

    asyncio.run(main())
