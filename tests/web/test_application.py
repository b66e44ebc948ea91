"""Applications: their rules and hosts, settings, log lines, transforms, and how they listen."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.web.support import LogBook, application, fetch, run, serving

from tornadic.httpserver import HTTPServer
from tornadic.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornadic.netutil import bind_sockets
from tornadic.routing import (
    AnyMatches,
    HostMatches,
    Matcher,
    PathMatches,
    Router,
    Rule,
    RuleRouter,
)
from tornadic.web import (
    Application,
    ErrorHandler,
    RequestHandler,
    URLSpec,
    url,
)


class Says(RequestHandler):
    """Answers with a word and what it knows of the path."""

    def initialize(self, word: str = "?") -> None:
        self.word = word

    def get(self, *args: Any, **kwargs: Any) -> None:
        parts = [self.word, *map(str, args), *[f"{k}={v}" for k, v in sorted(kwargs.items())]]
        self.write(" ".join(parts))


def says(word: str, pattern: str = ".*", name: str | None = None) -> URLSpec:
    return URLSpec(pattern, Says, {"word": word}, name)


def text(app: Any, target: str = "/", host: str = "example.com", **headers: str) -> str:
    fields = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    response = fetch(app, target, headers=fields)
    return response.text if response.status == 200 else str(response.status)


class TestSettings:
    def test_are_the_keyword_arguments(self) -> None:
        app = Application([], debug=False, anything=[1])
        assert app.settings["anything"] == [1]

    def test_handlers_see_them(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                assert self.settings is self.application.settings
                self.write(self.settings["greeting"])

        assert text(application(Handler, greeting="hi")) == "hi"

    def test_debug_serves_tracebacks_unless_told_otherwise(self) -> None:
        assert Application([], debug=True, autoreload=False).settings["serve_traceback"] is True
        app = Application([], debug=True, autoreload=False, serve_traceback=False)
        assert app.settings["serve_traceback"] is False
        assert "serve_traceback" not in Application([]).settings

    def test_no_handlers_at_all(self) -> None:
        assert text(Application()) == "404"


class TestRules:
    def test_forms_of_a_rule(self) -> None:
        app = Application(
            [
                ("/two", Says),
                ["/list", Says, {"word": "list"}],
                ("/four", Says, {"word": "four"}, "name4"),
                URLSpec("/spec", Says, {"word": "spec"}, name="spec"),
                url("/url", Says, dict(word="url")),
                Rule(PathMatches("/rule"), Says, {"word": "rule"}),
                (PathMatches("/matcher"), Says, {"word": "matcher"}),
                ("/dotted", "tests.web.test_application.Says", {"word": "dotted"}),
            ]
        )
        assert text(app, "/two") == "?"
        for word in ("list", "four", "spec", "url", "rule", "matcher", "dotted"):
            assert text(app, f"/{word}") == word

    def test_the_first_that_matches(self) -> None:
        app = Application([says("a", "/x"), says("b", "/.*"), says("c", "/y")])
        assert [text(app, path) for path in ("/x", "/y", "/x/")] == ["a", "b", "b"]

    def test_the_whole_path_must_match(self) -> None:
        app = Application([says("a", "/x")])
        assert [text(app, path) for path in ("/x", "/xy", "/", "/x/", "/x?q")] == [
            "a",
            "404",
            "404",
            "404",
            "a",
        ]

    def test_paths_are_matched_as_they_were_sent(self) -> None:
        app = Application([says("raw", "/a%20b"), says("decoded", "/a b"), says("g", "/(.*)")])
        assert text(app, "/a%20b") == "raw"
        assert text(app, "/a%21b") == "g a!b"

    @pytest.mark.parametrize("rule", [("/x",), (), ("/x", Says, {}, "n", "too many")])
    def test_malformed_rules(self, rule: Any) -> None:
        with pytest.raises((ValueError, TypeError, AssertionError)):
            Application([rule])

    def test_groups_are_all_named_or_none(self) -> None:
        with pytest.raises((ValueError, AssertionError), match="groups in url regexes must either"):
            Application([("/(?P<a>.)/(.)", Says)])

    def test_unknown_dotted_name(self) -> None:
        with pytest.raises(ImportError):
            Application([("/", "tests.web.test_application.Missing")])

    def test_repr_of_a_rule(self) -> None:
        shown = repr(URLSpec("/x/(.*)", Says, {"word": "x"}, name="n"))
        assert shown.startswith("URLSpec('/x/(.*)$', ")
        assert shown.endswith("kwargs={'word': 'x'}, name='n')")


class TestNotFound:
    def test_by_default(self) -> None:
        response = fetch(Application([("/x", Says)]), "/y")
        assert (response.status, response.reason) == (404, "Not Found")
        assert "<title>404: Not Found</title>" in response.text

    def test_default_handler_class(self) -> None:
        class Lost(RequestHandler):
            def prepare(self) -> None:
                self.set_status(404)
                self.finish("lost")

        app = Application([("/x", Says)], default_handler_class=Lost)
        response = fetch(app, "/y")
        assert (response.status, response.text) == (404, "lost")
        assert fetch(app, "/y", "POST").text == "lost"
        assert text(app, "/x") == "?"

    def test_default_handler_args(self) -> None:
        app = Application(
            [], default_handler_class=ErrorHandler, default_handler_args={"status_code": 410}
        )
        assert text(app) == "410"


class TestReverse:
    def app(self) -> Application:
        return Application(
            [
                says("home", "/", "home"),
                says("user", "/user/([0-9]+)", "user"),
                says("named", "/named/(?P<first>[^/]+)/(?P<second>[^/]+)", "named"),
                says("number", r"/\d+", "number"),
                says("dot", r"/file\.txt", "file"),
                ("/nested/.*", [says("inner", "/nested/(.*)", "inner")]),
                (HostMatches("other.example"), [says("host", "/host/(.*)", "host")]),
                (AnyMatches(), Application([says("app", "/app/(.*)", "app")])),
            ]
        )

    @pytest.mark.parametrize(
        ("arguments", "path"),
        [
            (("home",), "/"),
            (("user", 5), "/user/5"),
            (("user", "5"), "/user/5"),
            (("user", b"5"), "/user/5"),
            (("named", "a b", "c/d"), "/named/a%20b/c/d"),
            (("named", "é", "+&="), "/named/%C3%A9/%2B%26%3D"),
            (("inner", "x"), "/nested/x"),
            (("host", "x"), "/host/x"),
            (("app", "x"), "/app/x"),
            (("file",), "/file.txt"),
        ],
    )
    def test_url(self, arguments: tuple[Any, ...], path: str) -> None:
        assert self.app().reverse_url(*arguments) == path

    def test_unknown_name(self) -> None:
        with pytest.raises(KeyError, match="nobody not found in named urls"):
            self.app().reverse_url("nobody")

    def test_wrong_number_of_arguments(self) -> None:
        for arguments in ((), (1, 2)):
            with pytest.raises(AssertionError):
                self.app().reverse_url("user", *arguments)

    def test_a_pattern_that_cannot_be_reversed(self) -> None:
        with pytest.raises(ValueError, match="Cannot reverse url regex"):
            self.app().reverse_url("number")

    def test_names_of_hosts_rules(self) -> None:
        app = Application([])
        app.add_handlers("a.example", [says("a", "/a/(.*)", "a")])
        assert app.reverse_url("a", 1) == "/a/1"

    def test_from_a_handler(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                handler: Any = self
                self.write(handler.reverse_url("named", 1, 2))

        app = Application([("/", Handler), url("/named/(.*)/(.*)", Says, name="named")])
        assert text(app) == "/named/1/2"

    def test_a_name_given_twice_warns_and_the_last_counts(self, log: LogBook) -> None:
        app = Application([says("a", "/a", "same"), says("b", "/b", "same")])
        log.take("Multiple handlers named same; replacing previous value", logging.WARNING)
        assert app.reverse_url("same") == "/b"


class TestHosts:
    def app(self, **settings: Any) -> Application:
        app = Application([says("every", "/(?!only).*")], **settings)
        app.add_handlers(r"a\.example", [says("a", "/"), says("a-only", "/only-a")])
        app.add_handlers(r".*\.example", [says("star", "/.*")])
        return app

    @pytest.mark.parametrize(
        ("host", "target", "expected"),
        [
            ("a.example", "/", "a"),
            ("a.example", "/only-a", "a-only"),
            ("a.example", "/other", "star"),
            ("b.example", "/", "star"),
            ("example.com", "/", "every"),
            ("example.com", "/only-a", "404"),
            ("A.EXAMPLE", "/", "a"),
            ("a.example:8080", "/", "a"),
            ("a.example.com", "/", "every"),
            ("xa.example", "/", "star"),
            ("127.0.0.1", "/", "every"),
            ("[::1]:80", "/", "every"),
        ],
    )
    def test_rules_by_host(self, host: str, target: str, expected: str) -> None:
        assert text(self.app(), target, host) == expected

    def test_the_target_in_absolute_form_names_the_host(self) -> None:
        assert text(self.app(), "http://a.example/only-a", "example.com") == "a-only"

    def test_a_list_of_rules_as_target(self) -> None:
        app = Application(
            [
                (HostMatches("a.example"), [("/x", Says, {"word": "a"})]),
                (HostMatches("b.example"), [("/x", Says, {"word": "b"})]),
                ("/x", Says, {"word": "else"}),
            ]
        )
        assert text(app, "/x", "a.example") == "a"
        assert text(app, "/x", "b.example") == "b"
        assert text(app, "/x", "c.example") == "else"
        assert text(app, "/y", "a.example") == "404"

    def test_default_host(self) -> None:
        app = Application([], default_host="a.example")
        app.add_handlers(r"a\.example", [says("a", "/")])
        app.add_handlers(r"b\.example", [says("b", "/")])
        assert text(app, "/", "unknown.example") == "a"
        assert text(app, "/", "b.example") == "b"
        # A proxy passed the name on that the client used, so that counts.
        assert text(app, "/", "unknown.example", X_Real_Ip="1.2.3.4") == "404"

    def test_no_default_host(self) -> None:
        app = Application([])
        app.add_handlers(r"a\.example", [says("a", "/")])
        assert text(app, "/", "unknown.example") == "404"

    def test_added_while_serving(self) -> None:
        app = Application([says("before", "/")])

        async def main() -> None:
            async with serving(app) as server:
                client = await server.connect()
                assert (await client.request("/")).text == "before"
                app.add_handlers("example.com", [says("after", "/")])
                assert (await client.request("/")).text == "after"
                app.wildcard_router.add_rules([says("more", "/more")])
                assert (await client.request("/more")).text == "more"

        run(main)


class TestNested:
    def test_an_application_in_an_application(self) -> None:
        inner = Application([says("inner", "/api/(.*)")], greeting="inner")
        outer = Application([("/api/.*", inner), says("outer", "/.*")], greeting="outer")
        assert text(outer, "/api/x") == "inner x"
        assert text(outer, "/else") == "outer"
        assert text(outer, "/apix") == "outer"

    def test_the_inner_ones_settings_and_404_count(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write(self.settings["greeting"])

        inner = Application([("/in/x", Handler)], greeting="inner")
        outer = Application([("/in/.*", inner), says("outer")], greeting="outer")
        assert text(outer, "/in/x") == "inner"
        assert text(outer, "/in/missing") == "404"

    def test_bodies_reach_the_inner_one(self) -> None:
        class Handler(RequestHandler):
            def post(self) -> None:
                self.write(self.request.body)

        outer = Application([(AnyMatches(), Application([("/x", Handler)]))])
        body = b"x" * 100_000
        assert fetch(outer, "/x", "POST", body=body).body == body

    def test_deep_lists(self) -> None:
        app = Application(
            [("/a/.*", [("/a/b/.*", [says("deep", "/a/b/c")]), says("mid", "/a/.*")])]
        )
        assert text(app, "/a/b/c") == "deep"
        assert text(app, "/a/b/d") == "mid"
        assert text(app, "/a") == "404"

    def test_rule_router_in_front_of_applications(self) -> None:
        router = RuleRouter(
            [
                Rule(HostMatches("a.example"), Application([says("a")])),
                Rule(PathMatches("/b.*"), Application([says("b")])),
            ]
        )
        assert text(router, "/", "a.example") == "a"
        assert text(router, "/b", "x.example") == "b"
        assert text(router, "/c", "x.example") == "404"

    def test_rule_router_in_an_application(self) -> None:
        inner = Application([says("inner")])
        app = Application(
            [("/r/.*", RuleRouter([Rule(PathMatches("/r/x"), inner)])), says("outer")]
        )
        assert text(app, "/r/x") == "inner"
        # The router has nobody for it, so the next rule is asked.
        assert text(app, "/r/y") == "outer"

    def test_a_router_of_ones_own_with_get_handler_delegate(self) -> None:
        app = Application([])

        class ByMethod(Router):
            def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
                return app.get_handler_delegate(
                    request,
                    Says,
                    target_kwargs={"word": request.method},
                    path_args=[request.path[1:].encode()],
                )

        assert text(ByMethod(), "/x") == "GET x"
        assert text(Application([(AnyMatches(), ByMethod())]), "/y") == "GET y"

    def test_get_handler_delegate_with_names(self) -> None:
        app = Application([])

        class Named(Router):
            def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
                return app.get_handler_delegate(request, Says, path_kwargs={"a": b"1"})

        assert text(Named()) == "? a=1"

    def test_a_function_as_target(self) -> None:
        def function(request: HTTPServerRequest) -> None:
            body = b"function got " + request.body
            connection: Any = request.connection
            connection.write_headers(
                ResponseStartLine("HTTP/1.1", 200, "OK"),
                HTTPHeaders({"Content-Length": str(len(body))}),
                body,
            )
            connection.finish()

        app = Application([("/f", function), says("handler")])
        assert fetch(app, "/f", "POST", body=b"x").text == "function got x"
        assert text(app, "/g") == "handler"

    def test_a_matcher_of_ones_own(self) -> None:
        class Header(Matcher):
            def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
                if "X-Word" not in request.headers:
                    return None
                return {"path_args": [request.headers["X-Word"].encode()]}

        app = Application([(Header(), Says, {"word": "header"}), says("plain")])
        assert text(app, X_Word="w") == "header w"
        assert text(app) == "plain"


class TestLog:
    @pytest.mark.parametrize(
        ("status", "level"),
        [
            (200, logging.INFO),
            (304, logging.INFO),
            (399, logging.INFO),
            (400, logging.WARNING),
            (404, logging.WARNING),
            (499, logging.WARNING),
            (500, logging.ERROR),
            (599, logging.ERROR),
        ],
    )
    def test_levels(self, status: int, level: int, caplog: pytest.LogCaptureFixture) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_status(status)

        with caplog.at_level(logging.INFO, "tornado.access"):
            fetch(Application([("/path", Handler)]), "/path?q=1")
        (record,) = [record for record in caplog.records if record.name == "tornado.access"]
        assert record.levelno == level
        message = record.getMessage()
        assert message.startswith(f"{status} GET /path?q=1 (127.0.0.1) ")
        milliseconds = message.rpartition(" ")[2]
        assert milliseconds.endswith("ms")
        assert float(milliseconds[:-2]) >= 0

    def test_one_line_per_request(self, caplog: pytest.LogCaptureFixture) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                await asyncio.sleep(0)
                self.write("x")

        async def main() -> None:
            async with serving(Application([("/", Handler)])) as server:
                client = await server.connect()
                for _ in range(3):
                    await client.request("/")

        with caplog.at_level(logging.INFO, "tornado.access"):
            run(main)
        assert len([r for r in caplog.records if r.name == "tornado.access"]) == 3

    def test_log_function_replaces_it(self, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[tuple[int, str]] = []

        def log_function(handler: RequestHandler) -> None:
            seen.append((handler.get_status(), handler.request.path))
            assert handler.request.request_time() >= 0

        with caplog.at_level(logging.INFO, "tornado.access"):
            fetch(Application([("/x", Says)], log_function=log_function), "/x")
            fetch(Application([("/x", Says)], log_function=log_function), "/y")
        assert seen == [(200, "/x"), (404, "/y")]
        assert caplog.records == []

    def test_log_request_overridden(self) -> None:
        seen: list[int] = []

        class App(Application):
            def log_request(self, handler: RequestHandler) -> None:
                seen.append(handler.get_status())

        fetch(App([]))
        assert seen == [404]

    def test_nothing_is_formatted_that_is_not_written(self) -> None:
        class Handler(RequestHandler):
            def _request_summary(self) -> str:
                raise AssertionError

            def get(self) -> None:
                self.write("x")

        access = logging.getLogger("tornado.access")
        assert not access.isEnabledFor(logging.INFO)
        assert text(Application([("/", Handler)])) == "x"


class TestListen:
    def test_returns_the_server(self) -> None:
        async def main() -> None:
            probe = bind_sockets(0, "127.0.0.1")
            port = probe[0].getsockname()[1]
            probe[0].close()
            server = Application([says("here")]).listen(port, "127.0.0.1")
            assert isinstance(server, HTTPServer)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"\r\n\r\nhere")
            writer.close()
            server.stop()
            await server.close_all_connections()

        run(main)

    def test_arguments_of_the_server_and_of_its_socket(self) -> None:
        async def main() -> None:
            probe = bind_sockets(0, "127.0.0.1")
            port = probe[0].getsockname()[1]
            probe[0].close()

            class Handler(RequestHandler):
                def get(self) -> None:
                    self.write(f"{self.request.remote_ip} {self.request.protocol}")

            server = Application([("/", Handler)]).listen(
                port,
                address="127.0.0.1",
                family=socket.AF_INET,
                backlog=5,
                flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST,
                reuse_port=True,
                xheaders=True,
                no_keep_alive=True,
            )
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nX-Real-Ip: 1.2.3.4\r\nX-Scheme: https\r\n\r\n"
            )
            assert (await reader.read()).endswith(b"\r\n\r\n1.2.3.4 https")
            writer.close()
            server.stop()
            await server.close_all_connections()

        run(main)

    def test_unknown_arguments(self) -> None:
        async def main() -> None:
            with pytest.raises(TypeError, match="no_such"):
                Application([]).listen(0, "127.0.0.1", no_such=1)

        run(main)

    def test_a_port_in_use(self) -> None:
        async def main() -> None:
            taken = bind_sockets(0, "127.0.0.1")
            port = taken[0].getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                Application([]).listen(port, "127.0.0.1")
            taken[0].close()

        run(main)


class Two(RequestHandler):
    async def get(self) -> None:
        self.write("one")
        await self.flush()
        self.write("two")


class TestCalledDirectly:
    """An application takes a request that is there already, from whatever connection."""

    class Connection:
        context = None

        def __init__(self) -> None:
            self.sent: list[Any] = []

        def write_headers(
            self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes = b""
        ) -> Awaitable[None]:
            self.sent += [start_line.code, chunk]
            return self.nothing()

        def write(self, chunk: bytes) -> Awaitable[None]:
            self.sent.append(chunk)
            return self.nothing()

        def finish(self) -> None:
            self.sent.append("finish")

        def set_close_callback(self, callback: Any) -> None:
            pass

        def nothing(self) -> asyncio.Future[None]:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.set_result(None)
            return future

    def call(self, handler: type[RequestHandler]) -> list[Any]:
        async def main() -> list[Any]:
            connection: Any = self.Connection()
            request = HTTPServerRequest(
                start_line=RequestStartLine("GET", "/x", "HTTP/1.1"),
                headers=HTTPHeaders({"Host": "example.com"}),
                connection=connection,
            )
            application(handler)(request)
            for _ in range(5):
                await asyncio.sleep(0)
            sent: list[Any] = connection.sent
            return sent

        return run(main)

    def test_plain(self) -> None:
        assert self.call(Says) == [200, b"?", "finish"]

    def test_coroutine(self) -> None:
        assert self.call(Two) == [200, b"one", b"two", "finish"]


def test_a_function_as_the_servers_callback() -> None:
    def callback(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(
            ResponseStartLine("HTTP/1.1", 200, "OK"),
            HTTPHeaders({"Content-Length": str(len(request.body))}),
            request.body,
        )
        connection.finish()

    async def main() -> None:
        async with serving(callback) as server:
            client = await server.connect()
            for body in (b"a", b"b" * 1000):
                assert (await client.request("/", "POST", body=body)).body == body

    run(main)


def test_delegates_of_ones_own() -> None:
    class Delegate(HTTPMessageDelegate):
        def __init__(self, connection: Any) -> None:
            self.connection = connection

        def finish(self) -> None:
            self.connection.write_headers(
                ResponseStartLine("HTTP/1.1", 200, "OK"),
                HTTPHeaders({"Content-Length": "2"}),
                b"OK",
            )
            self.connection.finish()

    class Custom(Router):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
            return Delegate(request.connection)

    assert text(Custom()) == "OK"
    assert text(Application([(AnyMatches(), Custom())])) == "OK"
