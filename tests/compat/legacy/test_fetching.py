"""``fetch`` with a callback: a response comes whatever happens, from a real server."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests import running

from tornadic import gen
from tornadic.compat.legacy.contexts import ExceptionStackContext
from tornadic.compat.legacy.coroutines import Task
from tornadic.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornadic.ioloop import IOLoop
from tornadic.netutil import bind_sockets
from tornadic.web import Application, RequestHandler

pytestmark = pytest.mark.filterwarnings("ignore:.*was removed from Tornado:DeprecationWarning")

PATIENCE = 30.0

any_client: Any = AsyncHTTPClient


class Hello(RequestHandler):
    def get(self) -> None:
        self.set_status(int(self.get_argument("status", "200")))
        self.write(self.request.headers.get("X-Word", "hello"))


class Silent(RequestHandler):
    async def get(self) -> None:
        await asyncio.Event().wait()


def run(main: Callable[[str], Awaitable[Any]]) -> Any:
    """Run ``main`` with the URL of a server; what nobody caught is an error."""

    async def served() -> Any:
        [sock] = bind_sockets(0, "127.0.0.1")
        server = Application([("/", Hello), ("/silent", Silent)]).listen(0, "127.0.0.1")
        server.add_sockets([sock])
        result = await main(f"http://127.0.0.1:{sock.getsockname()[1]}/")
        server.stop()
        await server.close_all_connections()
        gc.collect()
        return result

    return running.run(served)


class Got(list[HTTPResponse]):
    """Responses, as a callback."""

    def __call__(self, response: HTTPResponse) -> None:
        self.append(response)

    async def wait(self, count: int = 1) -> HTTPResponse:
        while len(self) < count:
            await asyncio.sleep(0.001)
        return self[-1]


def test_positional_callback() -> None:
    async def main(url: str) -> None:
        got = Got()
        with pytest.warns(DeprecationWarning, match=r"callback of AsyncHTTPClient\.fetch") as seen:
            any_client().fetch(url, got)
        assert seen[0].filename == __file__
        response = await got.wait()
        assert (response.code, response.body, response.error) == (200, b"hello", None)
        response.rethrow()

    run(main)


def test_callback_by_name_with_other_arguments() -> None:
    async def main(url: str) -> None:
        got = Got()
        any_client().fetch(url, callback=got, headers={"X-Word": "word"})
        assert (await got.wait()).body == b"word"
        any_client().fetch(HTTPRequest(url, headers={"X-Word": "other"}), callback=got)
        assert (await got.wait(2)).body == b"other"

    run(main)


@pytest.mark.parametrize("raise_error", [True, False])
def test_an_error_status(raise_error: bool) -> None:
    async def main(url: str) -> None:
        got = Got()
        any_client().fetch(f"{url}?status=404", got, raise_error)
        response = await got.wait()
        assert (response.code, response.body) == (404, b"hello")
        with pytest.raises(HTTPClientError):
            response.rethrow()

    run(main)


def test_no_connection() -> None:
    async def main(url: str) -> None:
        got = Got()
        [sock] = bind_sockets(0, "127.0.0.1")
        refused = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        sock.close()
        any_client().fetch(refused, got)
        response = await got.wait()
        assert (response.code, response.request.url) == (599, refused)
        assert isinstance(response.error, ConnectionRefusedError)
        assert response.request_time is not None and response.request_time >= 0
        with pytest.raises(ConnectionRefusedError):
            response.rethrow()

    run(main)


def test_no_answer_in_time() -> None:
    async def main(url: str) -> None:
        got = Got()
        any_client().fetch(f"{url}silent", got, request_timeout=0.05)
        response = await got.wait()
        assert response.code == 599
        assert isinstance(response.error, HTTPClientError) and response.error.code == 599

    run(main)


def test_a_url_that_is_none() -> None:
    async def main(url: str) -> None:
        got = Got()
        any_client().fetch("nonsense", got)
        response = await got.wait()
        assert response.code == 599 and isinstance(response.error, ValueError)

    run(main)


def test_wrong_arguments_are_told_at_once() -> None:
    async def main(url: str) -> None:
        client = any_client()
        with pytest.raises(TypeError, match="wrong"):
            client.fetch(url, print, wrong=1)
        with pytest.raises(ValueError, match="HTTPRequest"):
            client.fetch(HTTPRequest(url), print, method="GET")
        with pytest.raises(TypeError, match="cannot call 'text'"):
            client.fetch(url, callback="text")

    run(main)


def test_a_callback_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    handled: list[Any] = []

    def handle(kind: Any, error: Any, traceback: Any) -> bool:
        handled.append(kind)
        return True

    def fails(response: HTTPResponse) -> None:
        raise KeyError("in the callback")

    async def main(url: str) -> None:
        any_client().fetch(url, fails)
        while not caplog.records:
            await asyncio.sleep(0.001)
        with ExceptionStackContext(handle):
            any_client().fetch(url, fails)
        while not handled:
            await asyncio.sleep(0.001)

    run(main)
    errors = [record for record in caplog.records if record.exc_info]
    assert len(errors) == 1 and "in the callback" in caplog.text
    assert handled == [KeyError]


def test_a_callback_that_is_a_coroutine() -> None:
    got = []

    async def main(url: str) -> None:
        done = asyncio.Event()

        async def callback(response: HTTPResponse) -> None:
            await asyncio.sleep(0)
            got.append(response.code)
            done.set()

        any_client().fetch(url, callback)
        await done.wait()

    run(main)
    assert got == [200]


def test_yielded_too() -> None:
    async def main(url: str) -> Any:
        got = Got()

        @gen.coroutine
        def body() -> Any:
            response = yield any_client().fetch(url, got)
            with pytest.raises(HTTPClientError):
                yield any_client().fetch(f"{url}?status=500", got)
            task = yield Task(any_client().fetch, f"{url}?status=404")
            return response.code, task.code

        assert await body() == (200, 404)
        await got.wait(2)
        return sorted(response.code for response in got)

    assert run(main) == [200, 500]


def test_awaited_too() -> None:
    async def main(url: str) -> None:
        got = Got()
        response = await any_client().fetch(url, got)
        assert response is await got.wait()

    run(main)


def test_called_off() -> None:
    async def main(url: str) -> None:
        got = Got()
        future = any_client().fetch(f"{url}silent", got)
        await asyncio.sleep(0)
        future.cancel()
        await asyncio.sleep(0.01)
        assert got == []

    run(main)


def test_the_callback_is_released() -> None:
    async def main(url: str) -> None:
        got = Got()
        reference = weakref.ref(got)
        any_client().fetch(url, got)
        await got.wait()
        del got
        await asyncio.sleep(0)
        gc.collect()
        assert reference() is None

    run(main)


def test_io_loop_of_a_client() -> None:
    async def main(url: str) -> None:
        here = IOLoop.current()
        with pytest.warns(DeprecationWarning, match="io_loop= of AsyncHTTPClient"):
            assert any_client(io_loop=here) is AsyncHTTPClient()
        with pytest.warns(DeprecationWarning, match="io_loop= of AsyncHTTPClient"):
            assert any_client(here) is AsyncHTTPClient()
        own = any_client(here, True, defaults={"user_agent": "mine"})
        assert own is not AsyncHTTPClient() and own.defaults["user_agent"] == "mine"
        own.close()
        with pytest.raises(TypeError, match="is no IOLoop"):
            any_client(io_loop="loop")

    run(main)


def test_io_loop_that_is_not_the_current_one() -> None:
    other: Any = IOLoop(make_current=False)

    async def main(url: str) -> None:
        client = any_client(io_loop=other)
        assert client.io_loop is other
        assert client is not AsyncHTTPClient()
        assert IOLoop.current() is AsyncHTTPClient().io_loop

    run(main)
    other.close()


def test_before_the_loop_starts() -> None:
    code = """
from tornadic.httpclient import AsyncHTTPClient
from tornadic.ioloop import IOLoop
from tornadic.web import Application, RequestHandler
from tornadic.netutil import bind_sockets

class Hello(RequestHandler):
    def get(self):
        self.write("hello")

def handle(response):
    print(response.code, response.body.decode())
    IOLoop.current().stop()

[sock] = bind_sockets(0, "127.0.0.1")
from tornadic.httpserver import HTTPServer
server = HTTPServer(Application([("/", Hello)]))
server.add_sockets([sock])
AsyncHTTPClient().fetch(f"http://127.0.0.1:{sock.getsockname()[1]}/", handle)
IOLoop.current().start()
"""
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50
    )
    assert finished.stdout == "200 hello\n", finished.stderr
    assert finished.stderr.count("DeprecationWarning") == 1
