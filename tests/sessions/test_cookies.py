"""The cookie: its flags, when it is sent, and what else the headers say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sessions.support import Notes, Visitor, handler, new_key, site
from tests.web.support import Response, run, serving

from tornadic.http.cookies import parse_cookie
from tornadic.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornadic.sessions import MemoryStore, Record, SessionStore
from tornadic.web import Application, RequestHandler


def answer(
    target: str = "/?a=1",
    store: SessionStore | None = None,
    tls: bool = False,
    **settings: Any,
) -> Response:
    """The answer to somebody who comes for the first time."""

    async def main() -> Response:
        settings["session_store"] = store or MemoryStore()
        settings["log_function"] = lambda handler: None
        # As from a proxy that has done the TLS.
        app = Application([("/", Notes)], **settings)
        async with serving(app, xheaders=tls) as server:
            return await Visitor(server).get(target, {"X-Scheme": "https"} if tls else {})

    return run(main)


def attributes(response: Response) -> set[str]:
    return set(response["Set-Cookie"].split("; ")[1:])


def test_flags() -> None:
    assert attributes(answer()) == {"HttpOnly", "Max-Age=7776000", "Path=/", "SameSite=Lax"}


def test_under_tls() -> None:
    assert "Secure" in attributes(answer(tls=True))


def test_an_identifier_is_192_random_bits() -> None:
    keys = set()
    for _ in range(20):
        found = re.fullmatch(r"session=([\w-]{32}); .*", answer()["Set-Cookie"])
        assert found is not None
        keys.add(found[1])
    assert len(keys) == 20


def test_an_identifier_is_never_in_a_url() -> None:
    async def main() -> None:
        def get(self: RequestHandler) -> None:
            self.session["a"] = 1
            self.redirect("/next")

        async with site(MemoryStore(), ("/", handler(get)), ("/notes", Notes)) as server:
            visitor = Visitor(server)
            response = await visitor.get()
            assert response["Location"] == "/next"
            assert visitor.key not in response.text
            stranger = Visitor(server)
            assert (await stranger.get(f"/notes?session={visitor.key}")).text != '{"a": 1}'

    run(main)


def test_a_name_that_only_this_host_can_set() -> None:
    response = answer(session_cookie_name="__Host-id")
    assert response["Set-Cookie"].startswith("__Host-id=")
    assert {"Secure", "Path=/"} < attributes(response)
    assert "domain" not in response["Set-Cookie"].lower()


def test_settings() -> None:
    response = answer(
        session_cookie_name="id",
        session_cookie_domain="example.com",
        session_cookie_samesite="Strict",
        session_cookie_secure=True,
        session_cookie_persistent=False,
    )
    assert response["Set-Cookie"].startswith("id=")
    assert attributes(response) == {
        "Domain=example.com",
        "HttpOnly",
        "Path=/",
        "SameSite=Strict",
        "Secure",
    }


@pytest.mark.parametrize(
    ("lifetime", "max_age"),
    [(None, 400 * 86400), (401 * 86400, 400 * 86400), (399 * 86400, 399 * 86400), (0.5, 1)],
)
def test_the_cookie_lasts_as_long_as_the_session_can(lifetime: float, max_age: int) -> None:
    response = answer(store=MemoryStore(lifetime=lifetime))
    assert f"Max-Age={max_age}" in attributes(response)


@pytest.mark.parametrize(
    "settings",
    [
        {"session_cookie_samesite": "lax"},
        {"session_cookie_samesite": None},
        {"session_on_store_error": "ignore"},
        {"session_cookie_name": "__Host-id", "session_cookie_domain": "example.com"},
        {"session_cookie_name": "__Host-id", "session_cookie_secure": False},
        {"session_cookie_samesite": "None", "session_cookie_secure": False},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"session_|__Host-"):
        answer(**settings)


def test_other_sites_may_embed_it_over_tls_only() -> None:
    assert {"SameSite=None", "Secure"} < attributes(answer(session_cookie_samesite="None"))


def test_it_is_sent_once() -> None:
    async def main() -> None:
        async with site(MemoryStore(), ("/", Notes)) as server:
            visitor = Visitor(server)
            assert "Set-Cookie" not in await visitor.get()
            assert "Set-Cookie" in await visitor.get("/?a=1")
            assert "Set-Cookie" not in await visitor.get("/?a=2")
            assert "Set-Cookie" not in await visitor.get()

    run(main)


def test_a_cookie_that_is_removed() -> None:
    def get(self: RequestHandler) -> None:
        self.session.clear()

    async def main() -> None:
        settings = {"session_cookie_name": "__Host-id"}
        async with site(MemoryStore(), ("/", Notes), ("/out", handler(get)), **settings) as server:
            visitor = Visitor(server)
            await visitor.get("/?a=1")
            response = await visitor.get("/out")
            # Or the browser, which guards the name, would not take it.
            assert {"Path=/", "Secure"} < attributes(response)
            assert visitor.cookies == {}
            # Whoever has none is told nothing.
            assert "Set-Cookie" not in await visitor.get("/out")

    run(main)


def test_caches_keep_visitors_apart() -> None:
    def get(self: RequestHandler) -> None:
        self.set_header("Vary", self.get_query_argument("vary"))
        self.session.get("a")

    def cached(self: RequestHandler) -> None:
        self.set_header("Cache-Control", "no-store")
        self.session["a"] = 1

    async def main() -> None:
        rules = [
            ("/", Notes),
            ("/vary", handler(get)),
            ("/cached", handler(cached)),
            ("/without", handler(lambda self: None)),
        ]
        async with site(MemoryStore(), *rules) as server:
            visitor = Visitor(server)
            assert (await visitor.get())["Vary"] == "Cookie"
            assert "Cache-Control" not in await visitor.get()
            assert (await visitor.get("/?a=1"))["Cache-Control"] == "private"
            assert (await Visitor(server).get("/cached"))["Cache-Control"] == "no-store"
            vary = (await visitor.get("/vary?vary=Accept"))["Vary"]
            assert vary == "Accept, Cookie"
            for told in ("*", "Origin, cookie"):
                assert (await visitor.get(f"/vary?vary={told.replace(' ', '%20')}"))["Vary"] == told
            assert "Vary" not in await visitor.get("/without")

    run(main)


def test_several_cookies_of_the_name() -> None:
    """As when another path or subdomain has set one: the last counts, and it must be ours."""

    async def main() -> None:
        async with site(MemoryStore(), ("/", Notes)) as server:
            visitor = Visitor(server)
            await visitor.get("/?a=1")
            client = await server.connect()
            for other, expected in ((new_key(), "{}"), (visitor.key, '{"a": "1"}')):
                cookie = f"session={visitor.key}; session={other}"
                response = await client.request("/", headers={"Cookie": cookie})
                assert response.text == expected

    run(main)


KEYS = ("k" * 32, "K" * 32)
# What a header of cookies is made of here: ours, others that look like it, and what is none.
PIECES = [
    *(f"session={key}" for key in KEYS),
    f"xsession={KEYS[0]}",
    f"=session={KEYS[0]}",
    f"a=session={KEYS[0]}",
    f"session={KEYS[0]}=",
    f'session="{KEYS[0]}"',
    "session=" + KEYS[0][1:],
    "session=" + KEYS[0] + "k",
    "session=" + "\xe4" * 32,
    "session=" + "a;b" * 10 + "ab",
    "session=",
    "session",
    "a=b",
    "c",
    "",
]


@given(st.lists(st.sampled_from(PIECES), max_size=4), st.sampled_from(["; ", ";", " ; "]))
def test_the_identifier_is_found_as_any_cookie_is(pieces: list[str], between: str) -> None:
    header = between.join(pieces)
    sent = parse_cookie(header).get("session", "")
    expected = sent if len(sent) == 32 and sent.isascii() else None
    asked: list[str] = []

    class Store(MemoryStore):
        def load(self, key: str) -> Record | None:
            asked.append(key)
            return super().load(key)

    line = RequestStartLine("GET", "/", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Cookie": header}))
    handler = RequestHandler(Application(session_store=Store()), request)
    assert handler.session.is_new
    assert asked == ([] if expected is None else [expected])
