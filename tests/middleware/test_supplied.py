"""The middleware that comes along, as browsers, users and attackers meet it."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.middleware.test_chain import raising, site
from tests.services import redis_server
from tests.web.support import LogBook, Response, fetch, run, serving, writer

from tornadic.middleware import (
    CORS,
    HTTPSRedirect,
    LimitStoreError,
    MemoryLimits,
    RateLimit,
    RedisLimits,
    RequestId,
    RequestIdFilter,
    SecurityHeaders,
    Timing,
    TrustedHosts,
    client_address,
    current_request_id,
)
from tornadic.middleware.limits import MAX_KEY_CHARACTERS
from tornadic.web import HTTPError, RequestHandler

HELLO = writer("hello")

# CORS

APP = "https://app.example.com"


def allowed(response: Response) -> list[str]:
    return [name for name, _ in response.fields if name.startswith("Access-Control-")]


def preflight(cors: CORS, origin: str, method: str = "GET", headers: str | None = None) -> Response:
    sent = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers is not None:
        sent["Access-Control-Request-Headers"] = headers
    return fetch(site(HELLO, cors), "/", "OPTIONS", sent)


def test_cors_lets_known_pages_read() -> None:
    cors = CORS([APP], credentials=True, expose_headers=["X-Total"])
    response = fetch(site(HELLO, cors), headers={"Origin": APP})
    assert response["Access-Control-Allow-Origin"] == APP
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert response["Access-Control-Expose-Headers"] == "X-Total"
    assert response["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "*",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com.evil.example",
        "https://app.example.com:444",
        f"{APP}/",
        f"{APP}, https://evil.example",
        APP.upper(),
    ],
)
def test_cors_says_nothing_to_others(origin: str | None) -> None:
    cors = CORS([APP], credentials=True)
    headers = {} if origin is None else {"Origin": origin}
    response = fetch(site(HELLO, cors), headers=headers)
    assert response.text == "hello"
    assert allowed(response) == []
    assert response["Vary"] == "Origin"
    if origin is not None:
        refused = preflight(cors, origin)
        assert refused.status == 403
        assert allowed(refused) == []


def test_cors_preflight() -> None:
    cors = CORS([APP], methods=["GET", "PUT"], headers=["X-Token"], max_age=60)
    response = preflight(cors, APP, "PUT", "x-token, accept")
    assert (response.status, response.body) == (204, b"")
    assert response["Access-Control-Allow-Origin"] == APP
    assert response["Access-Control-Allow-Methods"] == "GET, PUT"
    assert response["Access-Control-Allow-Headers"] == "X-Token"
    assert response["Access-Control-Max-Age"] == "60"
    vary = "Access-Control-Request-Method, Access-Control-Request-Headers, Origin"
    assert response["Vary"] == vary


@pytest.mark.parametrize(
    ("method", "headers"),
    [("DELETE", None), ("put", None), ("", None), ("PUT", "x-other"), ("PUT", "x-token," * 600)],
)
def test_cors_preflight_for_what_may_not_be(method: str, headers: str | None) -> None:
    cors = CORS([APP], methods=["PUT"], headers=["X-Token"])
    response = preflight(cors, APP, method, headers)
    assert response.status == 403
    assert "Access-Control-Allow-Methods" not in response


def test_cors_for_everybody() -> None:
    response = fetch(site(HELLO, CORS("*")), headers={"Origin": "null"})
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response
    assert "Vary" not in response


def test_cors_on_errors_and_options_of_the_program() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(404)

        def options(self) -> None:
            self.set_header("Vary", "Accept")
            self.write("own")

    app = site(Handler, CORS([APP]))
    response = fetch(app, headers={"Origin": APP})
    assert (response.status, response["Access-Control-Allow-Origin"]) == (404, APP)
    response = fetch(app, "/", "OPTIONS", {"Origin": APP})
    assert (response.text, response["Vary"]) == ("own", "Accept, Origin")


@pytest.mark.parametrize(
    "wrong",
    [
        {"origins": "*", "credentials": True},
        {"origins": ["*"]},
        {"origins": ["null"]},
        {"origins": ["https://example.com/"]},
        {"origins": ["https://example.com\r\nX: y"]},
        {"origins": ["https://*.example.com"]},
        {"origins": [APP], "methods": ["GET\r\n"]},
        {"origins": [APP], "headers": ["X: y"]},
        {"origins": [APP], "expose_headers": [""]},
        {"origins": [APP], "max_age": -1},
        {"origins": [APP], "max_age": True},
    ],
)
def test_cors_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        CORS(**wrong)


def test_texts_in_place_of_lists() -> None:
    for make in (lambda: CORS(APP), lambda: TrustedHosts("a"), lambda: CORS([APP], methods="GET")):
        with pytest.raises(TypeError, match="list of texts"):
            make()
    with pytest.raises(TypeError, match="list of texts"):
        TrustedHosts([b"a"])  # type: ignore[list-item]


# Hosts


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("example.com", 200),
        ("EXAMPLE.com:8080", 200),
        ("example.com.", 200),
        ("a.b.sub.example.com", 200),
        ("[::1]:80", 200),
        ("127.0.0.1", 200),
        ("sub.example.com", 400),
        ("evil.example", 400),
        ("example.com.evil.example", 400),
        ("evilexample.com", 400),
        (".sub.example.com", 400),
        ("*.sub.example.com", 400),
        ("[::2]", 400),
        ("[::1", 400),
        ("example.com:x", 400),
        ("evil.example:example.com", 400),
    ],
)
def test_trusted_hosts(host: str, status: int, log: LogBook) -> None:
    trusted = TrustedHosts(["Example.com", "*.sub.example.com", "[::1]", "127.0.0.1"])
    response = fetch(site(HELLO, trusted), headers={"Host": host})
    assert response.status == status
    assert (response.body == b"hello") == (status == 200)
    log.unread.clear()  # what is no Host at all is refused, and logged, before


def test_redirect_to_https() -> None:
    for port, shown in ((443, ""), (8443, ":8443")):
        app = site(HELLO, HTTPSRedirect(["example.com"], port=port))
        response = fetch(app, "/a%20b?c=%2F", "POST", {"Host": "example.com:8080"}, b"x")
        assert response.status == 308
        assert response["Location"] == f"https://example.com{shown}/a%20b?c=%2F"


@pytest.mark.parametrize(
    ("target", "host", "location"),
    [
        ("/", "evil.example", None),
        ("/", "example.com@evil.example", None),
        ("/", "example.com:80@evil.example", None),
        ("//evil.example/x", "example.com", "https://example.com//evil.example/x"),
        ("/\\evil.example", "example.com", "https://example.com/\\evil.example"),
        ("/%0d%0aX:y", "example.com", "https://example.com/%0d%0aX:y"),
        ("http://evil.example/x", "example.com", None),
    ],
)
def test_redirects_never_leave_the_site(
    target: str, host: str, location: str | None, log: LogBook
) -> None:
    app = site(HELLO, HTTPSRedirect(["example.com"]))
    response = fetch(app, target, headers={"Host": host})
    if location is None:
        assert response.status == 400 and "Location" not in response
    else:
        assert response["Location"] == location
    log.unread.clear()


def test_no_redirect_by_tls() -> None:
    async def main() -> None:
        app = site(HELLO, HTTPSRedirect(["example.com"]), SecurityHeaders())
        options = {"xheaders": True, "trusted_downstream": ["127.0.0.1"]}
        async with serving(app, **options) as server:
            response = await server.fetch("/", headers={"X-Forwarded-Proto": "https"})
            assert (response.status, response.text) == (200, "hello")
            assert response["Strict-Transport-Security"] == "max-age=31536000"
            plain = await server.fetch("/")
            assert (plain.status, "Strict-Transport-Security" in plain) == (308, False)

    run(main)


@pytest.mark.parametrize("hosts", [[], ["*"], ["https://a"], ["a:80"], ["a/b"], ["a\r\nb"], [""]])
def test_hosts_that_cannot_be(hosts: list[str]) -> None:
    with pytest.raises(ValueError):
        TrustedHosts(hosts)
    with pytest.raises(ValueError):
        HTTPSRedirect(hosts)


@pytest.mark.parametrize("port", [0, 65536, True, "443"])
def test_ports_that_cannot_be(port: Any) -> None:
    with pytest.raises(ValueError):
        HTTPSRedirect(["a"], port=port)


# Identifiers


class Names(RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0)
        record = logging.makeLogRecord({})
        assert RequestIdFilter().filter(record)
        own = vars(self)["request_id"]
        assert own == current_request_id() == record.request_id  # type: ignore[attr-defined]
        self.write(own)


def test_identifiers() -> None:
    first, second = (fetch(site(Names, RequestId())) for _ in range(2))
    assert first.text == first["X-Request-ID"] != second.text
    assert re.fullmatch("[0-9a-f]{32}", first.text)
    assert current_request_id() is None
    record = logging.makeLogRecord({})
    RequestIdFilter().filter(record)
    assert record.request_id == "-"  # type: ignore[attr-defined]


@pytest.mark.parametrize("good", ["a", "Job-1_2.3", "a" * 64])
def test_identifiers_of_clients(good: str) -> None:
    headers = {"X-Request-ID": good}
    assert fetch(site(Names, RequestId(accept=True)), headers=headers).text == good
    assert fetch(site(Names, RequestId()), headers=headers).text != good


@pytest.mark.parametrize(
    "bad", ["", "a" * 65, "a b", "-a", "a%0d%0aX", "a,b", "\xe9", "a\tb", "<b>"]
)
def test_identifiers_that_are_none(bad: str) -> None:
    response = fetch(site(Names, RequestId(accept=True)), headers={"X-Request-ID": bad})
    assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])


def test_two_identifiers_are_none() -> None:
    headers = [("X-Request-ID", "a"), ("X-Request-ID", "b")]
    response = fetch(site(Names, RequestId(accept=True)), headers=headers)
    assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])


def test_what_failed_before_has_an_identifier() -> None:
    app = site(HELLO, TrustedHosts(["a"]), RequestId())
    assert re.fullmatch("[0-9a-f]{32}", fetch(app)["X-Request-ID"])


@pytest.mark.parametrize("kind", [RequestId, Timing])
def test_headers_that_cannot_be(kind: Any) -> None:
    with pytest.raises(ValueError):
        kind("X-A\r\nB")


# Headers


def test_security_headers_on_pages_and_errors() -> None:
    for handler in (HELLO, raising(HTTPError(404))):
        response = fetch(
            site(handler, SecurityHeaders(content_security_policy="default-src 'self'"))
        )
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert response["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response["Content-Security-Policy"] == "default-src 'self'"
        assert "Strict-Transport-Security" not in response


def test_security_headers_of_the_handler_stay() -> None:
    class Framed(RequestHandler):
        def get(self) -> None:
            self.set_header("X-Frame-Options", "SAMEORIGIN")

    headers = SecurityHeaders(referrer_policy=None, opener_policy=None)
    response = fetch(site(Framed, headers))
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "Referrer-Policy" not in response


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame_options": "ALLOWALL"},
        {"referrer_policy": "a\r\nb"},
        {"permissions_policy": ""},
        {"hsts_seconds": -1},
        {"hsts_seconds": 1.5},
        {"hsts_seconds": None, "hsts_subdomains": True},
        {"hsts_preload": True},
        {"hsts_preload": True, "hsts_subdomains": True, "hsts_seconds": 31535999},
    ],
)
def test_security_headers_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SecurityHeaders(**wrong)
    assert SecurityHeaders(hsts_preload=True, hsts_subdomains=True)


def test_timing() -> None:
    class Entries(RequestHandler):
        def get(self) -> None:
            self.set_header("Server-Timing", "db;dur=1")

    entries = fetch(site(Entries, Timing())).all("Server-Timing")
    assert entries[0] == "db;dur=1"
    assert re.fullmatch(r"total;dur=\d+\.\d\d", entries[1])
    response = fetch(site(HELLO, Timing("X-Response-Time")))
    assert re.fullmatch(r"\d+\.\d\dms", response["X-Response-Time"])


# Limits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_limit_at_n_and_beyond() -> None:
    clock = Clock()
    app = site(HELLO, RateLimit(3, 60, store=MemoryLimits(clock=clock)))

    async def main() -> None:
        async with serving(app) as server:
            statuses = [(await server.fetch()).status for _ in range(3)]
            assert statuses == [200] * 3
            refused = await server.fetch()
            assert (refused.status, refused["Retry-After"]) == (429, "20")
            clock.now += 19.9
            assert (await server.fetch())["Retry-After"] == "1"
            clock.now += 0.1
            assert (await server.fetch()).status == 200
            assert (await server.fetch()).status == 429

    run(main)


@given(st.integers(1, 20), st.lists(st.floats(0, 30), max_size=60))
def test_nobody_comes_more_often(limit: int, pauses: list[float]) -> None:
    clock = Clock()
    store = MemoryLimits(clock=clock)
    window = 60.0
    came = []
    for pause in pauses:
        clock.now += pause
        if not store.take("a", window / limit, window):
            came.append(clock.now)
    # All at once, and in the window after that as many again.
    for first in came:
        assert sum(first <= time <= first + window for time in came) <= 2 * limit


def test_huge_numbers_of_keys_are_bounded() -> None:
    clock = Clock()
    store = MemoryLimits(100, clock=clock)
    for number in range(10_000):
        store.take(str(number), 60.0, 60.0)
    assert len(store) == 100
    assert store.take("9999", 60.0, 60.0) == 60.0  # the newest is still held
    clock.now += 60
    for number in range(100):
        store.take(f"later {number}", 0.001, 60.0)
        clock.now += 1
    assert len(store) == 1  # what is over goes by itself
    with pytest.raises(ValueError):
        MemoryLimits(0)


def test_keys() -> None:
    store = MemoryLimits()
    seen = []
    take = store.take

    def noted(key: str, share: float, window: float) -> float:
        seen.append(key)
        return take(key, share, window)

    store.take = noted  # type: ignore[method-assign]
    limit = RateLimit(
        1, 60, key=lambda handler: handler.get_query_argument("key", None), store=store, name="api"
    )
    app = site(HELLO, limit)

    async def main() -> None:
        async with serving(app) as server:
            for _ in range(3):
                assert (await server.fetch("/")).status == 200
            for key, status in (("a", 200), ("b", 200), ("a", 429)):
                assert (await server.fetch(f"/?key={key}")).status == status
            for size in (MAX_KEY_CHARACTERS, MAX_KEY_CHARACTERS + 1, 5000):
                assert (await server.fetch(f"/?key={'x' * size}")).status == 200

    run(main)
    assert seen[:3] == ["api:a", "api:b", "api:a"]
    assert [len(key) for key in seen[3:]] == [4 + 64, 4 + 49, 4 + 49]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002/64"),
        ("2001:db8:1:2:ffff::", "20010db800010002/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80000000000000/64"),
        ("bad:", "bad:"),
        ("0.0.0.0", "0.0.0.0"),
    ],
)
def test_addresses(address: str, key: str) -> None:
    keys = []

    class Handler(RequestHandler):
        def get(self) -> None:
            self.request.remote_ip = address
            keys.append(client_address(self))

    fetch(site(Handler))
    assert keys == [key]


def test_limits_in_redis(redis_url: str) -> None:
    async def main() -> None:
        prefix = f"test:{secrets.token_hex(8)}:"
        stores = [RedisLimits(redis_url, prefix=prefix) for _ in range(2)]
        limits = [RateLimit(3, 3600, store=store) for store in stores]
        async with serving(site(HELLO, limits[0])) as one, serving(site(HELLO, limits[1])) as two:
            statuses = [(await server.fetch()).status for server in (one, two, one, two, one)]
            assert statuses == [200, 200, 200, 429, 429]
            assert 1100 < int((await two.fetch())["Retry-After"]) <= 1200
        assert await stores[0].take("other", 1.0, 60.0) == 0
        for store in stores:
            await store.close()

    run(main)


@pytest.mark.parametrize(("policy", "status"), [("allow", 200), ("refuse", 503)])
def test_redis_that_fails(policy: str, status: int, log: LogBook) -> None:
    async def main() -> None:
        with redis_server() as redis:
            store = RedisLimits(redis.url)
            limit = RateLimit(100, 60, store=store, on_store_error=policy)
            async with serving(site(HELLO, limit)) as server:
                assert (await server.fetch()).status == 200
                redis.kill()
                for _ in range(3):
                    assert (await server.fetch()).status == status
                log.take("Requests cannot be counted", logging.ERROR)  # once
                redis.start()
                assert (await server.fetch()).status == 200
                log.take("Requests are counted again")
            await store.close()

    run(main)


def test_a_local_store_that_fails(log: LogBook) -> None:
    class Broken:
        def take(self, key: str, share: float, window: float) -> float:
            raise LimitStoreError("broken")

    limit = RateLimit(1, 60, store=Broken(), on_store_error="refuse")
    assert fetch(site(HELLO, limit)).status == 503
    log.take("Requests cannot be counted: broken")


@pytest.mark.parametrize(
    "wrong", [(0, 60), (1_000_001, 60), (True, 60), (1.5, 60), (1, 0.9), (1, 86400 * 30 + 1)]
)
def test_limits_that_cannot_be(wrong: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError):
        RateLimit(*wrong)
    assert RateLimit(1, 1) and RateLimit(1_000_000, 86400 * 30)
    with pytest.raises(ValueError):
        RateLimit(1, 1, on_store_error="maybe")
