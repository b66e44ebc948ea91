"""`web.asynchronous`, and what handlers had beside it."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.web.support import LogBook, Response, application, fetch, logged, run, serving, until

from tornadic import gen, web
from tornadic.ioloop import IOLoop
from tornadic.web import Application, HTTPError, RequestHandler
from tornadic.websocket import WebSocketHandler

# What warns is seen to in `TestWarnings`, and in the programs.
pytestmark = pytest.mark.filterwarnings("ignore:.*was removed from Tornado:DeprecationWarning")


@pytest.fixture(autouse=True)
def log() -> Iterator[LogBook]:
    """What the framework logs; the test takes what is due."""
    with logged() as book:
        yield book


def asynchronous(method: Callable[..., Any]) -> Callable[..., Any]:
    decorated: Callable[..., Any] = web.asynchronous(method)
    return decorated


def engine(method: Callable[..., Any]) -> Callable[..., Any]:
    decorated: Callable[..., Any] = gen.engine(method)
    return decorated


def handler(method: Callable[..., Any], **more: Any) -> type[RequestHandler]:
    return type("Handler", (RequestHandler,), {"get": method, **more})


class TestAsynchronous:
    @pytest.mark.parametrize(
        "schedule",
        [
            lambda f: IOLoop.current().add_callback(f),
            lambda f: IOLoop.current().add_timeout(IOLoop.current().time() + 0.001, f),
            lambda f: IOLoop.current().call_later(0.001, f),
            lambda f: asyncio.get_running_loop().call_soon(f),
            lambda f: threading.Thread(target=IOLoop.current().add_callback, args=(f,)).start(),
            lambda f: IOLoop.current().add_future(
                asyncio.ensure_future(asyncio.sleep(0)), lambda _: f()
            ),
            lambda f: IOLoop.current().add_future(ThreadPoolExecutor(1).submit(int), lambda _: f()),
        ],
        ids=["callback", "timeout", "call_later", "asyncio", "thread", "future", "executor"],
    )
    def test_finished_later(self, schedule: Callable[[Callable[[], None]], None]) -> None:
        @asynchronous
        def get(self: Any) -> None:
            self.write("first ")
            schedule(lambda: self.finish("last"))

        assert fetch(handler(get)).text == "first last"

    def test_finished_at_once(self) -> None:
        assert fetch(handler(asynchronous(lambda self: self.finish("x") and None))).text == "x"

    def test_the_connection_goes_on(self) -> None:
        @asynchronous
        def get(self: Any) -> None:
            IOLoop.current().add_callback(self.finish, self.request.path)

        async def main() -> None:
            async with serving(application(handler(get))) as server:
                client = await server.connect()
                for path in ("/a", "/b"):
                    assert (await client.request(path)).text == path

        run(main)

    def test_arguments_of_the_path(self) -> None:
        @asynchronous
        def get(self: Any, name: str, kind: str = "x") -> None:
            IOLoop.current().add_callback(lambda: self.finish(name + kind))

        app = Application([(r"/(\w+)", handler(get))], log_function=lambda _: None)
        assert fetch(app, "/a").text == "ax"

    def test_the_name_stays(self) -> None:
        def get(self: Any) -> None:
            """Documented."""

        assert asynchronous(get).__name__ == "get"
        assert asynchronous(get).__doc__ == "Documented."

    def test_set_by_hand(self) -> None:
        def get(self: Any) -> None:
            self._auto_finish = False
            IOLoop.current().add_callback(self.finish, "later")

        assert fetch(handler(get)).text == "later"

    def test_finished_is_read(self) -> None:
        seen: list[bool] = []

        @asynchronous
        def get(self: Any) -> None:
            def callback() -> None:
                seen.append(self._finished)
                self.finish()
                seen.append(self._finished)

            IOLoop.current().add_callback(callback)

        assert fetch(handler(get)).status == 200
        assert seen == [False, True]

    def test_prepare(self) -> None:
        @asynchronous
        def prepare(self: Any) -> None:
            IOLoop.current().add_callback(self.finish, " and prepare")

        found = handler(lambda self: self.write("get"), prepare=prepare)
        assert fetch(found).text == "get and prepare"

    @pytest.mark.parametrize("is_outside", [False, True])
    def test_addslash(self, is_outside: bool) -> None:
        @web.addslash
        def slashed(self: Any) -> None:
            IOLoop.current().add_callback(self.finish, "there")

        plain = asynchronous(lambda self: IOLoop.current().add_callback(self.finish, "there"))
        get = web.addslash(plain) if is_outside else asynchronous(slashed)
        response = fetch(handler(get), "/x")
        assert (response.status, response["Location"]) == (301, "/x/")
        assert fetch(handler(get), "/x/").text == "there"

    def test_the_stream_is_reached(self) -> None:
        @asynchronous
        def get(self: Any) -> None:
            self.request.connection.stream.io_loop.add_callback(self.finish, "by its loop")

        assert fetch(handler(get)).text == "by its loop"

    def test_in_pieces(self) -> None:
        @asynchronous
        def get(self: Any) -> None:
            self.write("1")
            self.flush(callback=lambda: second(self))

        def second(self: Any) -> None:
            self.write("2")
            self.flush(False, lambda: self.finish("3"))

        assert fetch(handler(get)).chunks == [b"1", b"2", b"3"]


class TestWithCoroutines:
    def test_a_coroutine_finishes_by_its_end(self) -> None:
        @asynchronous
        @gen.coroutine
        def get(self: Any) -> Generator[Any, Any, None]:
            yield gen.moment
            self.write("end")

        assert fetch(handler(get)).text == "end"

    def test_a_coroutine_finishes_before_its_end(self) -> None:
        ended: list[str] = []

        @asynchronous
        @gen.coroutine
        def get(self: Any) -> Generator[Any, Any, None]:
            self.finish("early")
            yield gen.moment
            ended.append("end")

        assert fetch(handler(get)).text == "early"
        assert ended == ["end"]

    def test_a_coroutine_that_never_waits(self) -> None:
        @asynchronous
        @gen.coroutine
        def get(self: Any) -> None:
            self.write("end")

        assert fetch(handler(get)).text == "end"

    def test_async_def(self) -> None:
        @asynchronous
        async def get(self: Any) -> None:
            await asyncio.sleep(0)
            self.write("end")

        assert fetch(handler(get)).text == "end"

    @pytest.mark.parametrize("is_outside", [False, True])
    def test_an_engine(self, is_outside: bool) -> None:
        def get(self: Any) -> Generator[Any, Any, None]:
            got = yield gen.Task(lambda callback: IOLoop.current().add_callback(callback, "got"))
            self.finish(got)

        both = (engine, asynchronous) if is_outside else (asynchronous, engine)
        assert fetch(handler(both[0](both[1](get)))).text == "got"

    @pytest.mark.parametrize("inner", [gen.coroutine, engine])
    @pytest.mark.parametrize("waits", [False, True])
    def test_an_exception(self, inner: Any, waits: bool, log: LogBook) -> None:
        @asynchronous
        @inner
        def get(self: Any) -> Generator[Any, Any, None]:
            if waits:
                yield gen.moment
            raise ZeroDivisionError("in the coroutine")

        assert fetch(handler(get)).status == 500
        assert "in the coroutine" in log.format(log.take("Uncaught exception GET /"))

    @pytest.mark.parametrize("value", [5, "text", object()])
    def test_what_cannot_be_waited_for(self, value: Any, log: LogBook) -> None:
        assert fetch(handler(asynchronous(lambda self: value))).status == 500
        log.take("Uncaught exception GET /")


class TestExceptions:
    def test_in_the_method(self, log: LogBook) -> None:
        @asynchronous
        def get(self: Any) -> None:
            raise ZeroDivisionError("at once")

        assert fetch(handler(get)).status == 500
        log.take("at once")

    @pytest.mark.parametrize("depth", [1, 3])
    def test_in_a_callback(self, depth: int, log: LogBook) -> None:
        def later(left: int) -> None:
            if not left:
                raise ZeroDivisionError("in the callback")
            IOLoop.current().add_callback(later, left - 1)

        response = fetch(handler(asynchronous(lambda self: later(depth))))
        assert response.status == 500
        assert "in the callback" in log.format(log.take("Uncaught exception GET /"))

    def test_one_that_names_a_status(self, log: LogBook) -> None:
        def fail() -> None:
            raise HTTPError(403, "no %s", "way")

        get = asynchronous(lambda self: IOLoop.current().add_callback(fail))
        assert fetch(handler(get)).status == 403
        log.take("403 GET / (127.0.0.1): no way")

    def test_after_the_head_has_gone_out(self, log: LogBook) -> None:
        @asynchronous
        def get(self: Any) -> None:
            self.write("half")
            self.flush()
            IOLoop.current().add_callback(lambda: 1 / 0)

        async def main() -> bytes:
            async with serving(application(handler(get))) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return await client.rest()

        assert run(main).endswith(b"4\r\nhalf\r\n")
        log.take("Uncaught exception GET /")
        log.take("Cannot send error response after headers written")

    def test_finished_twice(self, log: LogBook) -> None:
        @asynchronous
        def get(self: Any) -> None:
            IOLoop.current().add_callback(self.finish, "once")
            IOLoop.current().add_callback(self.finish, "twice")

        async def main() -> None:
            async with serving(application(handler(get))) as server:
                client = await server.connect()
                for _ in range(2):
                    assert (await client.request()).text == "once"
                await until(lambda: len(log.unread) == 2)

        run(main)
        for record in log.take_all("Uncaught exception GET /"):
            assert "finish() called twice" in log.format(record)

    def test_two_requests_at_a_time(self, log: LogBook) -> None:
        arrived: list[str] = []
        both: asyncio.Future[None]

        @asynchronous
        def get(self: Any) -> None:
            def answer(_: Any) -> None:
                if self.request.path == "/bad":
                    raise ZeroDivisionError("bad")
                self.finish(self.request.path)

            arrived.append(self.request.path)
            IOLoop.current().add_future(both, answer)
            if len(arrived) == 2:
                both.set_result(None)

        async def main() -> list[Response]:
            nonlocal both
            both = asyncio.get_running_loop().create_future()
            async with serving(application(handler(get))) as server:
                return list(await asyncio.gather(server.fetch("/good"), server.fetch("/bad")))

        good, bad = run(main)
        assert (good.status, good.text) == (200, "/good")
        assert bad.status == 500
        log.take("Uncaught exception GET /bad")

    def test_async_callback(self, log: LogBook) -> None:
        def get(self: Any) -> None:
            self._auto_finish = False
            callback = self.async_callback(self.answer, 1, b=0)
            asyncio.get_running_loop().call_soon(callback)

        def answer(self: Any, a: int, b: int) -> None:
            self.write(a / b)

        assert fetch(handler(get, answer=answer)).status == 500
        log.take("Uncaught exception GET /")

    def test_async_callback_of_none(self) -> None:
        assert (
            fetch(handler(lambda self: self.write(str(self.async_callback(None))))).text == "None"
        )


class TestReleased:
    """Nothing is left of requests whose callback never comes, once their client has gone."""

    def leave(self, get: Callable[..., Any], refs: list[weakref.ref[Any]], left: list[str]) -> None:
        def on_connection_close(self: Any) -> None:
            left.append("left")

        found = handler(get, on_connection_close=on_connection_close)

        async def main() -> None:
            async with serving(application(found)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: refs)
                client.abort()
                await until(lambda: left)
                await asyncio.sleep(0)
                gc.collect()
                assert [ref() for ref in refs] == [None]

        run(main)
        assert left == ["left"]

    def test_a_callback(self) -> None:
        refs: list[weakref.ref[Any]] = []

        @asynchronous
        def get(self: Any) -> None:
            refs.append(weakref.ref(self))

        self.leave(get, refs, [])

    @pytest.mark.parametrize("kind", ["coroutine", "engine", "native"])
    def test_a_coroutine(self, kind: str) -> None:
        refs: list[weakref.ref[Any]] = []
        left: list[str] = []
        ended: list[str] = []

        def generator(self: Any) -> Generator[Any, Any, None]:
            refs.append(weakref.ref(self))
            try:
                yield gen.Task(lambda callback: None)
            finally:
                ended.append("finally")

        async def native(self: Any) -> None:
            refs.append(weakref.ref(self))
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append("finally")

        decorate: dict[str, Callable[[], Any]] = {
            "coroutine": lambda: gen.coroutine(generator),
            "engine": lambda: engine(generator),
            "native": lambda: native,
        }
        inner = decorate[kind]()
        self.leave(asynchronous(inner), refs, left)
        assert ended == ["finally"]


class TestErrorPages:
    @staticmethod
    def html(self: Any, status_code: int, **kwargs: Any) -> str:
        error = kwargs.get("exception")
        return f"{status_code} {sorted(kwargs)} {type(error).__name__}"

    def test_get_error_html(self) -> None:
        def get(self: Any) -> None:
            raise HTTPError(404)

        response = fetch(handler(get, get_error_html=self.html))
        assert (response.status, response.text) == (404, "404 ['exception'] HTTPError")

    def test_send_error(self) -> None:
        def get(self: Any) -> None:
            self.send_error(418, extra=1)

        assert fetch(handler(get, get_error_html=self.html)).text == "418 ['extra'] NoneType"

    def test_one_that_fails(self, log: LogBook) -> None:
        def fail(self: Any, status_code: int, **kwargs: Any) -> str:
            raise ZeroDivisionError("in the page")

        assert fetch(handler(lambda self: self.send_error(400), get_error_html=fail)).status == 400
        log.take("in the page")

    def test_one_that_finishes(self) -> None:
        def html(self: Any, status_code: int, **kwargs: Any) -> None:
            self.finish("by itself")

        response = fetch(handler(lambda self: self.send_error(400), get_error_html=html))
        assert response.text == "by itself"


class TestFlush:
    def test_not_called_for_a_client_that_has_gone(self) -> None:
        called: list[str] = []
        done: list[Any] = []

        @asynchronous
        def get(self: Any) -> None:
            self.request.connection.stream.close()
            self.write("x")
            done.append(self.flush(callback=lambda: called.append("x")))

        async def main() -> None:
            async with serving(application(handler(get))) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: done and done[0].done())
                done[0].exception()
                await asyncio.sleep(0)

        run(main)
        assert called == []

    def test_of_a_websocket_handler(self) -> None:
        class Handler(WebSocketHandler):
            def prepare(self) -> None:
                self._auto_finish = False
                self.write("no")
                self.flush(callback=lambda: self.finish("ne") and None)

            async def get(self, *args: Any, **kwargs: Any) -> None:
                pass

        assert fetch(Handler).text == "none"


class TestWarnings:
    @pytest.mark.filterwarnings("default:.*was removed from Tornado:DeprecationWarning")
    def test_each_at_the_line_that_uses_it(self) -> None:
        with pytest.warns(DeprecationWarning) as seen:

            class Handler(RequestHandler):
                @web.asynchronous
                def get(self) -> None:
                    self.flush(callback=self.async_callback(self.again))

                def again(self) -> None:
                    self.finish()

                def post(self) -> None:
                    self.send_error(400)

                def get_error_html(self, status_code: int, **kwargs: Any) -> str:
                    return "x"

            fetch(Handler)
            fetch(Handler, method="POST")
        named = {str(warning.message).partition(" was removed")[0]: warning for warning in seen}
        assert set(named) == {
            "tornado.web.asynchronous",
            "callback= of RequestHandler.flush",
            "RequestHandler.async_callback",
            "RequestHandler.get_error_html",
        }
        assert {warning.filename for warning in seen} == {__file__}

    def test_a_program_without_them_loads_nothing(self) -> None:
        code = (
            "import sys, tornadic.web, tornadic.wsgi, tornadic.httpserver;"
            "assert not [name for name in sys.modules if 'legacy.' in name]"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
