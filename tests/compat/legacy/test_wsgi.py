"""Handlers under a WSGI server: Python's own, with its validator between."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
from tests.web.support import LogBook, fetch, logged

from tornadic import gen, web, wsgi
from tornadic.ioloop import IOLoop
from tornadic.web import Application, RequestHandler
from tornadic.wsgi import WSGIContainer

# What warns is seen to in `test_names`, and in the programs.
pytestmark = pytest.mark.filterwarnings("ignore:.*was removed from Tornado:DeprecationWarning")


@pytest.fixture(autouse=True)
def log() -> Iterator[LogBook]:
    with logged() as book:
        yield book


class Echo(RequestHandler):
    def get(self, name: str = "") -> None:
        self.set_cookie("a", "b", max_age=10)
        self.write({"name": name, "q": self.get_argument("q", ""), "ip": self.request.remote_ip})

    head = get

    def post(self, name: str = "") -> None:
        self.set_status(201)
        self.write(f"{self.get_argument('x')} {self.request.host} {self.request.protocol}")


class Pieces(RequestHandler):
    def get(self) -> None:
        self.write("a")
        self.flush()
        self.write("b")


class Empty(RequestHandler):
    def get(self) -> None:
        self.set_status(204)


class Fails(RequestHandler):
    def get(self) -> None:
        raise ZeroDivisionError("under WSGI")


class Ready(RequestHandler):
    @gen.coroutine
    def get(self) -> None:
        self.write("gen.coroutine")

    async def post(self) -> None:
        self.write("async")


class Waits(RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0)

    @gen.coroutine
    def post(self) -> Generator[Any, Any, None]:
        yield gen.moment

    def put(self) -> None:
        IOLoop.current().add_callback(self.finish)

    def delete(self) -> None:
        self._auto_finish = False  # as `web.asynchronous` does


HANDLERS: list[Any] = [
    (r"/echo/(.*)", Echo),
    (r"/pieces", Pieces),
    (r"/empty", Empty),
    (r"/fails", Fails),
    (r"/ready", Ready),
    (r"/waits", Waits),
]
SETTINGS = {"log_function": lambda handler: None}


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(application: Any) -> Iterator[http.client.HTTPConnection]:
    with make_server("127.0.0.1", 0, validator(application), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=50)
        try:
            yield connection
        finally:
            connection.close()
            server.shutdown()
            thread.join()


def adapted() -> Any:
    return wsgi.WSGIAdapter(Application(HANDLERS, **SETTINGS))


def derived() -> Any:
    return wsgi.WSGIApplication(HANDLERS, **SETTINGS)


@pytest.fixture(params=[adapted, derived])
def connection(request: pytest.FixtureRequest) -> Iterator[http.client.HTTPConnection]:
    with served(request.param()) as connection:
        yield connection


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None
) -> tuple[int, str]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def test_a_request(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/echo/caf%C3%A9%20x?q=%C3%A9+1")
    response = connection.getresponse()
    assert response.status == 200
    assert response.read() == b'{"name": "caf\\u00e9 x", "q": "\\u00e9 1", "ip": "127.0.0.1"}'
    assert response.headers["Set-Cookie"] == "a=b; Max-Age=10; Path=/"
    assert response.headers["Etag"]


def test_a_body(connection: http.client.HTTPConnection) -> None:
    status, text = ask(connection, "POST", "/echo/", "x=%C3%A9")
    assert (status, text) == (201, f"é 127.0.0.1:{connection.port} http")


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("HEAD", "/echo/x", 200, ""),
        ("GET", "/pieces", 200, "ab"),
        ("GET", "/empty", 204, ""),
        ("GET", "/ready", 200, "gen.coroutine"),
        ("POST", "/ready", 200, "async"),
        ("PUT", "/pieces", 405, None),
        ("GET", "/nowhere", 404, None),
    ],
)
def test_answers(
    connection: http.client.HTTPConnection, method: str, path: str, status: int, body: str | None
) -> None:
    found = ask(connection, method, path)
    assert found[0] == status
    assert body is None or found[1] == body


def test_an_error(connection: http.client.HTTPConnection, log: LogBook) -> None:
    assert ask(connection, "GET", "/fails")[0] == 500
    assert "under WSGI" in log.format(log.take("Uncaught exception GET /fails (127.0.0.1)"))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_nothing_can_wait(
    connection: http.client.HTTPConnection, method: str, log: LogBook
) -> None:
    assert ask(connection, method, "/waits")[0] == 500
    record = log.take(f"Uncaught exception {method} /waits (127.0.0.1)")
    assert "under a WSGI server a handler cannot wait" in log.format(record)
    assert ask(connection, "GET", "/pieces") == (200, "ab")


def test_a_body_cannot_be_streamed() -> None:
    @web.stream_request_body
    class Handler(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            pass

    with pytest.raises(RuntimeError, match="cannot stream its body"):
        wsgi.WSGIAdapter(Application([("/", Handler)]))(environ(), lambda *args: None)


def environ(**more: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(b"x=1&y=2"),
        **more,
    }


def test_the_request_by_itself() -> None:
    request = wsgi.HTTPRequest(
        environ(
            REQUEST_METHOD="POST",
            SCRIPT_NAME="/app",
            PATH_INFO="/\xc3\xa9",
            QUERY_STRING="q=%20",
            CONTENT_TYPE="application/x-www-form-urlencoded",
            CONTENT_LENGTH="3",
            HTTP_X_OTHER="o",
            REMOTE_ADDR="1.2.3.4",
        )
    )
    assert request.full_url() == "https://example.com/app/%C3%A9?q=%20"
    assert request.arguments == {"q": [b" "], "x": [b"1"]}
    assert request.headers["X-Other"] == "o"
    assert request.remote_ip == "1.2.3.4"
    assert (request.body, request.host) == (b"x=1", "example.com")


@pytest.mark.parametrize("length", ["", "-1", "x", "\xb2"])
def test_lengths_that_are_none(length: str) -> None:
    assert wsgi.HTTPRequest(environ(CONTENT_LENGTH=length)).body == b""


@pytest.mark.parametrize("name", ["HTTP_X_A", "HTTP_COOKIE"])
def test_headers_that_are_none(name: str) -> None:
    with pytest.raises(ValueError):
        wsgi.HTTPRequest(environ(**{name: "a\r\nb: c"}))


def test_under_our_own_container() -> None:
    # On the thread of a loop that runs, and still does afterwards.
    response = fetch(WSGIContainer(adapted()), "/pieces")
    assert (response.status, response.body) == (200, b"ab")


def test_no_loop_is_left() -> None:
    list(adapted()(environ(PATH_INFO="/ready"), lambda *args: None))
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_names() -> None:
    for name in ("HTTPRequest", "WSGIAdapter", "WSGIApplication"):
        with pytest.warns(DeprecationWarning, match=f"tornado.wsgi.{name} was removed"):
            getattr(wsgi, name)
