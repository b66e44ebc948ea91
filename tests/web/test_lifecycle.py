"""The life of a handler: what is called when, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any, ClassVar

import pytest

from tests.web.support import LogBook, application, fetch, run, serving, until
from tornadic import gen
from tornadic.web import Application, Finish, HTTPError, RequestHandler

ERROR_PAGE_500 = (
    "<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>"
)


class Recorder(RequestHandler):
    """Writes down which of its methods are called."""

    calls: ClassVar[list[str]]

    def note(self, what: str) -> None:
        self.calls.append(what)

    def set_default_headers(self) -> None:
        self.note("set_default_headers")
        self.set_header("X-Default", "yes")

    def initialize(self, **kwargs: Any) -> None:
        self.note("initialize")

    def prepare(self) -> Awaitable[None] | None:
        self.note("prepare")
        return None

    def get(self) -> Any:
        self.note("get")

    def on_finish(self) -> None:
        self.note("on_finish")

    def on_connection_close(self) -> None:
        self.note("on_connection_close")


@pytest.fixture(autouse=True)
def calls() -> list[str]:
    Recorder.calls = []
    return Recorder.calls


PREFIX = ["set_default_headers", "initialize", "prepare"]


class TestOrder:
    def test_of_a_plain_handler(self, calls: list[str]) -> None:
        response = fetch(Recorder)
        assert (response.status, response.body, response["X-Default"]) == (200, b"", "yes")
        assert calls == [*PREFIX, "get", "on_finish"]

    def test_arguments_of_the_rule_go_to_initialize(self) -> None:
        class Configured(RequestHandler):
            def initialize(self, a: int, *, b: str = "-") -> None:
                self.parts = [a, b]

            def get(self, *args: str) -> None:
                self.write({"parts": self.parts, "args": args})

        app = Application([("/(x)", Configured, {"a": 1, "b": "2"}), ("/y", Configured, {"a": 3})])
        assert fetch(app, "/x").text == '{"parts": [1, "2"], "args": ["x"]}'
        assert fetch(app, "/y").text == '{"parts": [3, "-"], "args": []}'

    def test_a_new_object_for_every_request_of_a_connection(self) -> None:
        seen: list[RequestHandler] = []

        class Handler(RequestHandler):
            def get(self) -> None:
                seen.append(self)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(3):
                    await client.request()

        run(main)
        assert len(set(map(id, seen))) == 3

    def test_attributes_known_in_initialize(self) -> None:
        class Handler(RequestHandler):
            def initialize(self) -> None:
                self.known = [self.request.path, self.settings["name"]]
                assert self.application.settings is self.settings

            def get(self) -> None:
                self.write({"known": self.known})

        response = fetch(application(Handler, name="app"), "/p")
        assert response.text == '{"known": ["/p", "app"]}'

    def test_on_finish_sees_the_status_and_may_not_write(self, log: LogBook) -> None:
        seen: list[object] = []

        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_status(201)
                self.write("x")

            def on_finish(self) -> None:
                seen.append(self.get_status())
                try:
                    self.write("more")
                except RuntimeError as e:
                    seen.append(str(e))

        response = fetch(Handler)
        assert (response.status, response.body) == (201, b"x")
        assert seen == [201, "Cannot write() after finish()"]

    def test_the_response_is_finished_when_the_coroutine_returns(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.write("a")
                await asyncio.sleep(0)
                self.write("b")

        assert fetch(Handler).body == b"ab"

    def test_methods_of_a_handler_that_is_not_first_in_its_class(self, calls: list[str]) -> None:
        class Mixin(RequestHandler):
            def prepare(self) -> Awaitable[None] | None:
                calls.append("mixin")
                return super().prepare()

        class Handler(Mixin, Recorder):
            pass

        fetch(Handler)
        assert calls == [
            "set_default_headers",
            "initialize",
            "mixin",
            "prepare",
            "get",
            "on_finish",
        ]


async def native(steps: list[str], name: str) -> None:
    await asyncio.sleep(0)
    steps.append(name)


@gen.coroutine
def decorated(steps: list[str], name: str) -> Generator[Any, Any, None]:
    yield gen.sleep(0)
    steps.append(name)


def plain(steps: list[str], name: str) -> None:
    steps.append(name)


def done_future(steps: list[str], name: str) -> asyncio.Future[None]:
    steps.append(name)
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


KINDS: list[Callable[[list[str], str], Any]] = [plain, native, decorated, done_future]


@pytest.mark.parametrize("prepare_kind", KINDS)
@pytest.mark.parametrize("method_kind", KINDS)
def test_prepare_and_method_of_any_kind(
    prepare_kind: Callable[[list[str], str], Any], method_kind: Callable[[list[str], str], Any]
) -> None:
    steps: list[str] = []

    class Handler(RequestHandler):
        def prepare(self) -> Any:
            return prepare_kind(steps, "prepare")

        def get(self, word: str) -> Any:
            self.write(word)
            return method_kind(steps, "get")

        def on_finish(self) -> None:
            steps.append("on_finish")

    assert fetch(Application([("/(.*)", Handler)]), "/word").body == b"word"
    assert steps == ["prepare", "get", "on_finish"]


class TestPrepareThatFinishes:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_method_is_not_called(
        self, kind: Callable[[list[str], str], Any], calls: list[str]
    ) -> None:
        class Handler(Recorder):
            def prepare(self) -> Any:
                self.finish("from prepare")
                return kind(self.calls, "prepare")

        assert fetch(Handler).body == b"from prepare"
        assert "get" not in calls
        assert sorted(calls[-2:]) == ["on_finish", "prepare"]

    def test_redirect_in_prepare(self, calls: list[str]) -> None:
        class Handler(Recorder):
            def prepare(self) -> None:
                self.redirect("/login")

        response = fetch(Handler)
        assert (response.status, response["Location"]) == (302, "/login")
        assert "get" not in calls

    def test_error_in_prepare(self, calls: list[str]) -> None:
        class Handler(Recorder):
            def prepare(self) -> None:
                raise HTTPError(403)

        assert fetch(Handler).status == 403
        # The error page starts from a clean response, so the default headers are set once more.
        assert calls == ["set_default_headers", "initialize", "set_default_headers", "on_finish"]

    def test_error_in_a_prepare_that_waited(self, calls: list[str]) -> None:
        class Handler(Recorder):
            async def prepare(self) -> None:
                await asyncio.sleep(0)
                raise HTTPError(403)

        assert fetch(Handler).status == 403
        assert "get" not in calls


class TestFinish:
    def test_sends_what_was_written(self, calls: list[str]) -> None:
        class Handler(Recorder):
            def get(self) -> None:
                self.set_status(401)
                self.set_header("WWW-Authenticate", 'Basic realm="x"')
                self.write("sign in")
                raise Finish

        response = fetch(Handler)
        assert (response.status, response.body) == (401, b"sign in")
        assert response["WWW-Authenticate"] == 'Basic realm="x"'
        assert calls == [*PREFIX, "on_finish"]

    @pytest.mark.parametrize("chunk", ["more", b"more", {"more": 1}])
    def test_with_a_last_chunk(self, chunk: Any) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                await asyncio.sleep(0)
                raise Finish(chunk)

        expected = '{"more": 1}' if isinstance(chunk, dict) else "more"
        assert fetch(Handler).text == expected

    def test_after_finish_changes_nothing(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.finish("x")
                raise Finish

        assert fetch(Handler).body == b"x"

    def test_in_prepare(self, calls: list[str]) -> None:
        class Handler(Recorder):
            def prepare(self) -> None:
                raise Finish("enough")

        assert fetch(Handler).body == b"enough"
        assert "get" not in calls

    def test_does_not_call_the_hooks_of_errors(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise Finish

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                raise AssertionError

            def log_exception(self, *args: Any) -> None:
                raise AssertionError

        assert fetch(Handler).status == 200


class TestHTTPError:
    def test_page_and_log(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("lost")
                raise HTTPError(404, "no %s in %s", "pin", "haystack")

        response = fetch(Handler, "/where?x=1")
        assert (response.status, response.reason) == (404, "Not Found")
        assert (
            response.text == "<html><title>404: Not Found</title><body>404: Not Found</body></html>"
        )
        assert response["Content-Type"] == "text/html; charset=UTF-8"
        record = log.take("no pin in haystack", logging.WARNING)
        assert record.name == "tornado.general"
        assert record.getMessage() == "404 GET /where?x=1 (127.0.0.1): no pin in haystack"
        assert record.exc_info is None

    def test_without_a_message_nothing_is_logged(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(400)

        assert fetch(Handler).status == 400

    @pytest.mark.parametrize("message", ["100% sure", "%s", "%(x)s", "%"])
    def test_a_message_without_arguments_is_not_formatted(self, message: str, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(400, message)

        assert fetch(Handler).status == 400
        assert log.take("400 GET").getMessage().endswith(f": {message}")

    def test_reason(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(499, reason="<Gone> fishing")

        response = fetch(Handler)
        assert (response.status, response.reason) == (499, "<Gone> fishing")
        assert "<body>499: &lt;Gone&gt; fishing</body>" in response.text

    def test_unknown_status_has_an_unknown_reason(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(499)

        assert fetch(Handler).reason == "Unknown"

    def test_text_of_the_exception(self) -> None:
        assert str(HTTPError(404)) == "HTTP 404: Not Found"
        assert str(HTTPError(404, "no %s", "pin")) == "HTTP 404: Not Found (no pin)"
        assert str(HTTPError(599, reason="Odd")) == "HTTP 599: Odd"
        assert str(HTTPError(599)) == "HTTP 599: Unknown"
        assert HTTPError().status_code == 500

    def test_message_attributes(self) -> None:
        error = HTTPError(400, "50%")
        assert (error.log_message, error.get_message(), error.args) == ("50%%", "50%", ())
        error = HTTPError(400, "%d%%", 50)
        assert (error.log_message, error.get_message(), error.args) == ("%d%%", "50%", (50,))
        assert HTTPError(400).log_message is None
        assert HTTPError(400).get_message() is None


class TestUncaughtException:
    def test_page_does_not_show_it_and_the_log_does(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("X-Half", "done")
                self.set_cookie("kept", "1")
                self.write("half")
                raise ZeroDivisionError("secret")

        response = fetch(Handler, "/where")
        assert response.status == 500
        assert response.text == ERROR_PAGE_500
        assert "X-Half" not in response
        record = log.take("secret", logging.ERROR)
        assert record.name == "tornado.application"
        assert "Uncaught exception GET /where (127.0.0.1)" in record.getMessage()
        assert "HTTPServerRequest(" in record.getMessage()
        assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError

    def test_serve_traceback(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("for developers <only>")

        for setting in ("debug", "serve_traceback"):
            settings = {setting: True, "autoreload": False}
            response = fetch(application(Handler, **settings))
            assert response.status == 500
            assert response["Content-Type"].startswith("text/plain")
            assert response.text.startswith("Traceback (most recent call last):")
            assert "ZeroDivisionError: for developers <only>" in response.text
            log.take("for developers")

    def test_debug_does_not_overrule_serve_traceback(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("secret")

        app = application(Handler, debug=True, autoreload=False, serve_traceback=False)
        assert fetch(app).text == ERROR_PAGE_500
        log.take("secret")

    def test_connection_goes_on(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            async def get(self, how: str) -> None:
                if how == "late":
                    await asyncio.sleep(0)
                raise ZeroDivisionError

        async def main() -> None:
            async with serving(Application([("/(.*)", Handler)])) as server:
                client = await server.connect()
                for how in ("early", "late", "early"):
                    assert (await client.request(f"/{how}")).status == 500

        run(main)
        assert len(log.take_all("Uncaught exception")) == 3

    @pytest.mark.parametrize("hook", ["initialize", "set_default_headers"])
    def test_before_there_is_a_handler(self, hook: str, log: LogBook) -> None:
        def fail(self: RequestHandler) -> None:
            raise ZeroDivisionError("too early")

        handler = type("Handler", (RequestHandler,), {hook: fail})

        async def main() -> None:
            async with serving(application(handler)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                # There is nobody to write an answer.
                assert await client.rest() == b""

        run(main)
        log.take("too early", logging.ERROR)

    def test_in_prepare(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def prepare(self) -> None:
                raise ZeroDivisionError("prepare")

        assert fetch(Handler).status == 500
        log.take("ZeroDivisionError: prepare")

    def test_in_write_error(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("first")

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.write("begun;")
                raise ValueError("second")

        response = fetch(Handler)
        assert response.status == 500
        log.take("ZeroDivisionError: first", logging.ERROR)
        log.take("ValueError: second", logging.ERROR)

    def test_in_write_error_after_it_finished(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(404)

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.finish("my page")
                raise ValueError("second")

        response = fetch(Handler)
        assert (response.status, response.body) == (404, b"my page")
        log.take("ValueError: second", logging.ERROR)

    @pytest.mark.parametrize("late", [False, True])
    def test_in_on_finish(self, late: bool, log: LogBook) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                if late:
                    await asyncio.sleep(0)
                self.write("x")

            def on_finish(self) -> None:
                raise ZeroDivisionError("on_finish")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    assert (await client.request()).body == b"x"

        run(main)
        assert len(log.take_all("on_finish")) == 2

    def test_in_log_exception(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(404)

            def log_exception(self, *args: Any) -> None:
                raise ZeroDivisionError("logger")

        assert fetch(Handler).status == 404
        log.take("ZeroDivisionError: logger", logging.ERROR)

    def test_in_compute_etag(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("x")

            def compute_etag(self) -> str | None:
                if self.get_status() == 200:
                    raise ZeroDivisionError("etag")
                return None

        assert fetch(Handler).status == 500
        log.take("ZeroDivisionError: etag", logging.ERROR)

    def test_in_the_log_function(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("x")

        def log_function(handler: RequestHandler) -> None:
            raise ZeroDivisionError("log_function")

        assert fetch(application(Handler, log_function=log_function)).body == b"x"
        log.take("ZeroDivisionError: log_function", logging.ERROR)

    @pytest.mark.parametrize("returned", [1, "text", {"a": 1}.items()])
    def test_what_a_method_returns_must_be_awaitable(self, returned: object, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> Any:
                return returned

        assert fetch(Handler).status == 500
        log.take("Uncaught exception", logging.ERROR)


class TestOwnErrorPages:
    def test_write_error_gets_the_exception(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(418, reason="Short and stout")

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                typ, value, tb = kwargs["exc_info"]
                assert typ is HTTPError and value.status_code == 418 and tb is not None
                self.set_header("Content-Type", "text/plain")
                self.write(f"{status_code} {self.get_status()} {value.reason}")

        response = fetch(Handler)
        assert response.text == "418 418 Short and stout"
        assert (response.status, response.reason) == (418, "Short and stout")
        assert response["Content-Type"] == "text/plain"

    def test_send_error_passes_its_arguments_on(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("X-Gone", "1")
                self.write("discarded")
                self.send_error(409, why="twice", reason="Taken")

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                assert "exc_info" not in kwargs
                self.finish({"status": status_code, "why": kwargs["why"]})

        response = fetch(Handler)
        assert response.text == '{"status": 409, "why": "twice"}'
        assert (response.status, response.reason) == (409, "Taken")
        assert "X-Gone" not in response

    def test_send_error_by_default(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.send_error()

        response = fetch(Handler)
        assert (response.status, response.text) == (500, ERROR_PAGE_500)

    def test_send_error_is_the_end(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.send_error(400)
                self.write("more")

        assert fetch(Handler).status == 400
        log.take("Cannot write() after finish()")

    def test_log_exception_overridden(self) -> None:
        seen: list[object] = []

        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("mine")

            def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
                seen.extend([typ, str(value), tb is not None])

        assert fetch(Handler).status == 500
        assert seen == [ZeroDivisionError, "mine", True]

    def test_cookies_outlive_the_error(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_cookie("seen", "1")
                raise HTTPError(403)

        assert fetch(Handler)["Set-Cookie"] == "seen=1; Path=/"


class TestAfterTheHeadersWentOut:
    def broken_off(self, handler: type[RequestHandler]) -> bytes:
        """What a client gets of a response that ends in an error."""

        async def main() -> bytes:
            async with serving(application(handler)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return await client.rest()

        return run(main)

    def test_an_error_breaks_the_response_off(self, calls: list[str], log: LogBook) -> None:
        class Handler(Recorder):
            async def get(self) -> None:
                self.write("half")
                await self.flush()
                raise ZeroDivisionError("late")

        data = self.broken_off(Handler)
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")
        # No last chunk, so that the client knows.
        assert data.endswith(b"\r\n\r\n4\r\nhalf\r\n")
        assert calls.count("on_finish") == 1
        log.take("ZeroDivisionError: late")
        log.take("Cannot send error response after headers written")

    def test_send_error(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Length", "10")
                self.write("half")
                self.flush()
                self.send_error(500)

        assert self.broken_off(Handler).endswith(b"\r\n\r\nhalf")
        log.take("Cannot send error response after headers written")

    def test_redirect_is_refused(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.flush()
                with pytest.raises(Exception, match="Cannot redirect after headers"):
                    self.redirect("/")
                self.write("x")

        assert fetch(Handler).body == b"x"

    def test_finish_exception_ends_it_well(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("a")
                self.flush()
                raise Finish("b")

        assert fetch(Handler).chunks == [b"a", b"b"]


class TestAfterTheEnd:
    @pytest.mark.parametrize(
        ("again", "message"),
        [
            (lambda h: h.finish(), "finish() called twice"),
            (lambda h: h.finish("x"), "finish() called twice"),
            (lambda h: h.write("x"), "Cannot write() after finish()"),
        ],
    )
    @pytest.mark.parametrize("late", [False, True])
    def test_is_a_clear_error(
        self, again: Callable[[RequestHandler], Any], message: str, late: bool, log: LogBook
    ) -> None:
        raised: list[str] = []

        class Handler(RequestHandler):
            async def get(self) -> None:
                self.finish("once")
                if late:
                    await asyncio.sleep(0)
                try:
                    again(self)
                except RuntimeError as e:
                    raised.append(str(e))

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request()
                    assert (response.status, response.body) == (200, b"once")
                await until(lambda: len(raised) == 2)

        run(main)
        assert raised == [message] * 2

    @pytest.mark.parametrize("late", [False, True])
    def test_raising_is_logged_and_harms_nobody(
        self, late: bool, calls: list[str], log: LogBook
    ) -> None:
        raised = 0

        class Handler(Recorder):
            async def get(self) -> None:
                nonlocal raised
                self.finish("done")
                if late:
                    await asyncio.sleep(0)
                raised += 1
                raise ZeroDivisionError("after finish")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    assert (await client.request()).body == b"done"
                await until(lambda: raised == 2)

        run(main)
        assert len(log.take_all("ZeroDivisionError: after finish")) == 2
        assert calls.count("on_finish") == 2

    def test_work_goes_on_while_the_next_request_is_served(self) -> None:
        async def main() -> None:
            release = asyncio.Event()
            ended: list[str] = []

            class Handler(RequestHandler):
                async def get(self, name: str) -> None:
                    self.finish(name)
                    await release.wait()
                    ended.append(name)

                def on_connection_close(self) -> None:
                    raise AssertionError("this request was answered")

            async with serving(Application([("/(.*)", Handler)])) as server:
                client = await server.connect()
                for name in ("a", "b", "c"):
                    assert (await client.request(f"/{name}")).text == name
                assert ended == []
                release.set()
                await until(lambda: len(ended) == 3)
                assert (await client.request("/d")).text == "d"

        run(main)

    def test_finish_future(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.write("x")
                assert await self.finish() is None
                seen.append("sent")

        seen: list[str] = []
        assert fetch(Handler).body == b"x"
        assert seen == ["sent"]


class TestContextVariables:
    variable: ClassVar[contextvars.ContextVar[str]] = contextvars.ContextVar("v", default="unset")

    @pytest.mark.parametrize("where", ["prepare", "get", "on_finish"])
    @pytest.mark.parametrize("late", [False, True])
    def test_never_seen_by_the_next_request(self, where: str, late: bool) -> None:
        seen: list[str] = []
        variable = self.variable

        class Handler(RequestHandler):
            def initialize(self) -> None:
                seen.append(variable.get())

            def reach(self, place: str) -> None:
                if place == where:
                    variable.set("leaked")

            async def prepare(self) -> None:
                self.reach("prepare")
                if late:
                    await asyncio.sleep(0)

            async def get(self) -> None:
                if late:
                    await asyncio.sleep(0)
                self.reach("get")

            def on_finish(self) -> None:
                self.reach("on_finish")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    await client.request()
                both = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2
                await client.send(both)
                await client.response()
                await client.response()
                await server.fetch()

        run(main)
        assert seen == ["unset"] * 5

    @pytest.mark.parametrize("late", [False, True])
    def test_set_in_prepare_seen_in_the_method(self, late: bool) -> None:
        variable = self.variable

        class Handler(RequestHandler):
            def prepare(self) -> Awaitable[None] | None:
                variable.set(self.request.path)
                return asyncio.sleep(0) if late else None

            async def get(self) -> None:
                await asyncio.sleep(0)
                self.write(variable.get())

        async def main() -> None:
            async with serving(application(Handler)) as server:
                paths = [f"/{n}" for n in range(5)]
                responses = await asyncio.gather(*[server.fetch(path) for path in paths])
                assert [response.text for response in responses] == paths

        run(main)


class TestClientGone:
    @pytest.mark.parametrize("place", ["prepare", "get"])
    def test_on_connection_close_once_while_a_coroutine_waits(
        self, place: str, calls: list[str]
    ) -> None:
        async def main() -> None:
            release = asyncio.Event()

            class Handler(Recorder):
                async def wait_in(self, here: str) -> None:
                    if here == place:
                        self.note("waiting")
                        await release.wait()
                        self.note("released")

                async def prepare(self) -> None:
                    await self.wait_in("prepare")

                async def get(self) -> None:
                    await self.wait_in("get")

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: "waiting" in calls)
                client.close()
                await until(lambda: "on_connection_close" in calls)
                release.set()
                await until(lambda: "on_finish" in calls)

        run(main)
        assert calls.count("on_connection_close") == 1
        assert calls[-2:] == ["released", "on_finish"]

    def test_not_called_for_a_request_that_was_answered(self, calls: list[str]) -> None:
        async def main() -> None:
            class Handler(Recorder):
                async def get(self) -> None:
                    await asyncio.sleep(0)

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.request()
                client.close()
                other = await server.connect()
                await other.request()

        run(main)
        assert "on_connection_close" not in calls

    def test_called_after_a_flush(self, calls: list[str]) -> None:
        async def main() -> None:
            class Handler(Recorder):
                async def get(self) -> None:
                    await self.flush()
                    while "on_connection_close" not in self.calls:
                        await asyncio.sleep(0)

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await client.response_head()
                client.abort()
                await until(lambda: "on_finish" in calls)

        run(main)
        assert calls.count("on_connection_close") == 1

    def test_an_error_in_it_is_logged(self, log: LogBook) -> None:
        async def main() -> None:
            release = asyncio.Event()

            class Handler(RequestHandler):
                async def get(self) -> None:
                    release.set()
                    await asyncio.Event().wait()

                def on_connection_close(self) -> None:
                    raise ZeroDivisionError("closing")

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await release.wait()
                client.close()
                await until(lambda: log.unread)

        run(main)
        log.take("ZeroDivisionError: closing")


def test_a_cancelled_task_breaks_the_response_off(calls: list[str]) -> None:
    async def main() -> None:
        tasks: list[asyncio.Task[Any]] = []

        class Handler(Recorder):
            async def get(self) -> None:
                task = asyncio.current_task()
                assert task is not None
                tasks.append(task)
                await asyncio.Event().wait()

        async with serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: tasks)
            tasks[0].cancel()
            assert await client.rest() == b""
            await until(tasks[0].done)

    run(main)
    assert calls.count("on_finish") == 1


def test_detach_gives_the_stream_away() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            stream = self.detach()
            name = await stream.read_until(b"\n")
            await stream.write(b"hello " + name)
            stream.close()

    async def main() -> None:
        async with serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nwor")
            await client.send(b"ld\n")
            assert await client.rest() == b"hello world\n"

    run(main)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.usefixtures("no_collector")
class TestNothingIsLeft:
    """Handlers are freed as soon as their request is over, without the garbage collector."""

    def left(self, handler: type[RequestHandler], path: str = "/", close: bool = False) -> int:
        handlers: weakref.WeakSet[RequestHandler] = weakref.WeakSet()

        watched = type("Watched", (handler,), {"initialize": handlers.add})

        async def main() -> int:
            async with serving(application(watched)) as server:
                client = await server.connect()
                for _ in range(3):
                    await client.request(path, headers={"Cookie": "a=b"})
                if close:
                    client.close()
                    await until(lambda: not server.http_server._connections)
                return len(handlers)

        return run(main)

    @pytest.mark.parametrize("close", [False, True])
    def test_of_a_plain_handler(self, close: bool) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_cookie("a", self.get_cookie("a", ""))
                self.write({"a": self.get_arguments("a")})

        assert self.left(Handler, "/?a=1", close) == 0

    def test_of_one_that_flushes(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("a")
                self.flush()
                self.write("b")

        assert self.left(Handler) == 0

    def test_of_an_http_error(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(404)

        assert self.left(Handler) == 0

    def test_of_an_uncaught_exception(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError

            def log_exception(self, *args: Any) -> None:
                pass  # a log record would keep the traceback

        assert self.left(Handler) == 0

    def test_of_a_missing_argument(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.get_argument("missing")

        assert self.left(Handler) == 0
        log.take_all("Missing argument missing")

    def test_of_a_handler_that_raised_finish(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise Finish("x")

        assert self.left(Handler) == 0

    def test_of_a_redirect(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.redirect("/x")

        assert self.left(Handler) == 0

    def test_of_a_coroutine_once_the_collector_ran(self) -> None:
        handlers: weakref.WeakSet[RequestHandler] = weakref.WeakSet()

        class Handler(RequestHandler):
            async def get(self) -> None:
                handlers.add(self)
                await asyncio.sleep(0)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(3):
                    await client.request()
                # The task's last callbacks run in the turn after.
                await asyncio.sleep(0)
                gc.collect()
                assert len(handlers) == 0

        run(main)
