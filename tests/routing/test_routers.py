"""Routers and matchers: who answers a request, and with which arguments."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.web.support import fetch, head, run, serving

from tornadic.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornadic.routing import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    Matcher,
    PathMatches,
    ReversibleRouter,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
    URLSpec,
)
from tornadic.web import Application, RequestHandler


def request_for(path: str = "/", host: str = "example.com", **headers: str) -> HTTPServerRequest:
    return HTTPServerRequest(
        start_line=RequestStartLine("GET", path, "HTTP/1.1"),
        headers=HTTPHeaders({"Host": host, **headers}),
    )


def answer(connection: Any, body: bytes) -> None:
    headers = HTTPHeaders({"Content-Length": str(len(body))})
    connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, body)
    connection.finish()


class TestMatchers:
    def test_any(self) -> None:
        assert AnyMatches().match(request_for()) == {}
        assert AnyMatches().reverse() is None

    @pytest.mark.parametrize(
        ("pattern", "host", "matches"),
        [
            ("example.com", "example.com", True),
            ("example.com", "EXAMPLE.com:8888", True),
            ("example.com", "www.example.com", False),
            ("example.com", "example.com.evil", False),
            (r".*\.example\.com", "www.example.com", True),
            (re.compile("exam"), "example.com", True),
        ],
    )
    def test_host(self, pattern: Any, host: str, matches: bool) -> None:
        found = HostMatches(pattern).match(request_for(host=host))
        assert found == ({} if matches else None)

    def test_default_host(self) -> None:
        application = Application(default_host="a.example")
        matcher = DefaultHostMatches(application, re.compile(r"a\.example$"))
        assert matcher.match(request_for()) == {}
        assert matcher.match(request_for(**{"X-Real-Ip": "1.2.3.4"})) is None
        assert DefaultHostMatches(application, re.compile("b$")).match(request_for()) is None

    @pytest.mark.parametrize(
        ("pattern", "path", "expected"),
        [
            ("/x", "/x", {}),
            ("/x", "/x/", None),
            ("/x$", "/x", {}),
            ("/(.*)", "/a", {"path_args": [b"a"], "path_kwargs": {}}),
            ("/(.*)/(.*)", "/a/", {"path_args": [b"a", b""], "path_kwargs": {}}),
            ("/(?P<n>.*)", "/a", {"path_args": [], "path_kwargs": {"n": b"a"}}),
            ("/(.*)", "/%C3%A9%2F+", {"path_args": [b"\xc3\xa9/+"], "path_kwargs": {}}),
            ("/(.*)", "/%zz%", {"path_args": [b"%zz%"], "path_kwargs": {}}),
            ("/x(y)?", "/x", {"path_args": [None], "path_kwargs": {}}),
        ],
    )
    def test_path(self, pattern: str, path: str, expected: Any) -> None:
        assert PathMatches(pattern).match(request_for(path)) == expected

    def test_path_compiled_is_taken_as_it_is(self) -> None:
        matcher = PathMatches(re.compile("/x"))
        assert matcher.match(request_for("/xyz")) == {}
        assert matcher.regex.pattern == "/x"
        assert PathMatches("/x").regex.pattern == "/x$"

    def test_own_matcher_must_define_match(self) -> None:
        with pytest.raises(NotImplementedError):
            Matcher().match(request_for())
        assert Matcher().reverse("x") is None


class TestRule:
    def test_attributes(self) -> None:
        matcher = AnyMatches()
        rule = Rule(matcher, test_plain_router, {"a": 1}, "name")
        assert rule.matcher is matcher
        assert (rule.target, rule.target_kwargs, rule.name) == (test_plain_router, {"a": 1}, "name")
        assert Rule(matcher, test_plain_router).target_kwargs == {}

    def test_reverse(self) -> None:
        assert Rule(PathMatches("/(.*)"), None).reverse(1) == "/1"
        assert Rule(AnyMatches(), None).reverse(1) is None

    def test_url_spec(self) -> None:
        spec = URLSpec("/(.*)", RequestHandler, {"a": 1}, "name")
        assert isinstance(spec, Rule)
        assert spec.regex.pattern == "/(.*)$"
        assert (spec.handler_class, spec.kwargs, spec.name) == (RequestHandler, {"a": 1}, "name")
        assert spec.reverse("x") == "/x"

    def test_repr(self) -> None:
        shown = repr(Rule(AnyMatches(), RequestHandler, {"a": 1}, "name"))
        assert shown.startswith("Rule(<")
        assert shown.endswith("kwargs={'a': 1}, name='name')")


def test_plain_router() -> None:
    with pytest.raises(NotImplementedError):
        Router().find_handler(request_for())
    with pytest.raises(NotImplementedError):
        ReversibleRouter().reverse_url("name")


class TestReversible:
    def router(self) -> ReversibleRuleRouter:
        nested = ReversibleRuleRouter([Rule(PathMatches("/in/(.*)"), RequestHandler, name="in")])
        return ReversibleRuleRouter(
            [
                Rule(PathMatches("/out/(.*)"), RequestHandler, name="out"),
                Rule(PathMatches("/in/.*"), nested),
            ]
        )

    def test_url(self) -> None:
        router = self.router()
        assert router.reverse_url("out", 1) == "/out/1"
        assert router.reverse_url("in", 2) == "/in/2"
        assert router.reverse_url("nobody") is None


class TestDelegates:
    """What a router hands a request to sees all of it, in order."""

    def test_streams_to_the_delegate_that_was_found(self) -> None:
        calls: list[Any] = []

        class Delegate(HTTPMessageDelegate):
            def __init__(self, connection: Any) -> None:
                self.connection = connection

            def headers_received(
                self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
            ) -> Awaitable[None] | None:
                calls.append((start_line, headers["Host"]))
                return None

            def data_received(self, chunk: bytes) -> Awaitable[None] | None:
                calls.append(chunk)
                return None

            def finish(self) -> None:
                calls.append("finish")
                answer(self.connection, b"ok")

        class Custom(Router):
            def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
                calls.append((request.path, kwargs))
                return Delegate(request.connection)

        assert fetch(RuleRouter([("/x.*", Custom())]), "/xy", "POST", body=b"body").body == b"ok"
        assert calls == [
            ("/xy", {}),
            (("POST", "/xy", "HTTP/1.1"), "example.com"),
            b"body",
            "finish",
        ]

    def test_on_connection_close(self) -> None:
        calls: list[str] = []

        class Delegate(HTTPMessageDelegate):
            def data_received(self, chunk: bytes) -> Awaitable[None] | None:
                calls.append("data")
                return None

            def on_connection_close(self) -> None:
                calls.append("closed")

        class Custom(Router):
            def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
                return Delegate()

        async def main() -> None:
            async with serving(Custom()) as server:
                client = await server.connect()
                await client.send(head("/", "POST", {"Content-Length": "8"}) + b"half")
                client.writer.write_eof()
                await client.rest()
                client.close()

        run(main)
        assert calls == ["data", "closed"]

    def test_matched_groups_reach_a_router_and_a_function(self) -> None:
        seen: list[Any] = []

        class Custom(Router):
            def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
                seen.append(kwargs)
                return None

        def function(request: HTTPServerRequest, **kwargs: Any) -> None:
            seen.append(kwargs)
            answer(request.connection, b"function")

        router = RuleRouter(
            [
                ("/(?P<name>.*)", Custom(), {"for": "router"}),
                ("/(.*)", function, {"for": "function"}),
            ]
        )
        assert fetch(router, "/x").body == b"function"
        assert seen == [
            {
                "path_args": [],
                "path_kwargs": {"name": b"x"},
                "target_kwargs": {"for": "router"},
            },
            {
                "path_args": [b"x"],
                "path_kwargs": {},
                "target_kwargs": {"for": "function"},
            },
        ]

    def test_a_connection_delegate_as_target(self) -> None:
        class Delegate(HTTPMessageDelegate):
            def __init__(self, connection: Any) -> None:
                self.connection = connection

            def finish(self) -> None:
                answer(self.connection, b"delegate")

        class Server(HTTPServerConnectionDelegate):
            def start_request(self, server_conn: object, request_conn: Any) -> HTTPMessageDelegate:
                assert server_conn is not None
                return Delegate(request_conn)

        assert fetch(RuleRouter([(AnyMatches(), Server())])).body == b"delegate"

    def test_nobody(self) -> None:
        async def main() -> None:
            async with serving(RuleRouter()) as server:
                client = await server.connect()
                for body in (b"", b"body"):
                    response = await client.request("/", "POST", body=body)
                    assert (response.status, response.body) == (404, b"")

        run(main)

    def test_request_of_the_router(self) -> None:
        seen: list[HTTPServerRequest] = []

        class Custom(Router):
            def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
                seen.append(request)
                return None

        fetch(Custom(), "/path?a=1", headers={"X-A": "1"})
        (request,) = seen
        assert (request.method, request.path, request.query) == ("GET", "/path", "a=1")
        assert (request.headers["X-A"], request.remote_ip) == ("1", "127.0.0.1")
        assert request.connection is not None and request.server_connection is not None

    def test_rules_of_every_form(self) -> None:
        def function(request: HTTPServerRequest) -> None:
            answer(request.connection, request.path.encode())

        router = RuleRouter(
            [
                ("/a", function),
                ["/b", function],
                Rule(PathMatches("/c"), function),
                (PathMatches("/d"), function),
                URLSpec("/e", function),
            ]
        )
        for path in ("/a", "/b", "/c", "/d", "/e"):
            assert fetch(router, path).body == path.encode()
        assert fetch(router, "/f").status == 404

    def test_process_rule_may_change_what_is_added(self) -> None:
        class Shouting(RuleRouter):
            def process_rule(self, rule: Rule) -> Rule:
                rule = super().process_rule(rule)
                return Rule(PathMatches("/LOUD"), rule.target)

        def function(request: HTTPServerRequest) -> None:
            answer(request.connection, b"ok")

        router = Shouting([("/quiet", function)])
        assert fetch(router, "/LOUD").body == b"ok"
        assert fetch(router, "/quiet").status == 404
