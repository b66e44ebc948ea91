"""The way through middleware: order, exceptions, and what may still be changed on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sessions.support import Visitor, make_store
from tests.web.support import LogBook, Response, fetch, run, serving, writer

from tornadic.sessions import MemoryStore
from tornadic.web import (
    Application,
    Finish,
    HTTPError,
    RedirectHandler,
    RequestHandler,
    stream_request_body,
)
from tornadic.websocket import WebSocketHandler, websocket_connect

Next = Callable[[], Awaitable[None]]


class Both:
    """Notes when it is passed."""

    def __init__(self, name: str, trail: list[str]) -> None:
        self.name, self.trail = name, trail

    def process_request(self, handler: RequestHandler) -> Any:
        self.trail.append(f"{self.name} in")

    def process_response(self, handler: RequestHandler) -> Any:
        self.trail.append(f"{self.name} out")
        handler.add_header("X-Passed", self.name)


class Waiting(Both):
    async def process_request(self, handler: RequestHandler) -> None:
        await asyncio.sleep(0)
        super().process_request(handler)

    async def process_response(self, handler: RequestHandler) -> None:
        await asyncio.sleep(0)
        super().process_response(handler)


class Around:
    def __init__(self, name: str, trail: list[str]) -> None:
        self.name, self.trail = name, trail

    async def __call__(self, handler: RequestHandler, call_next: Next) -> None:
        self.trail.append(f"{self.name} in")
        try:
            await call_next()
        except BaseException as e:
            self.trail.append(f"{self.name} {type(e).__name__}")
            raise
        self.trail.append(f"{self.name} out")
        if not handler._finished:
            handler.set_header("X-Around", self.name)


def passed(response: Response) -> str:
    return "".join(response.all("X-Passed"))


def site(handler: Any, *middleware: Any, **settings: Any) -> Application:
    settings.setdefault("log_function", lambda handler: None)
    rules = handler if isinstance(handler, list) else [("/", handler)]
    return Application(rules, middleware=list(middleware), **settings)


@pytest.mark.parametrize("kinds", ["ss", "sw", "ws", "ww"])
def test_in_and_out_again(kinds: str) -> None:
    trail: list[str] = []
    kind = {"s": Both, "w": Waiting}
    chain = [kind[letter](name, trail) for letter, name in zip(kinds, "ab", strict=True)]

    class Handler(RequestHandler):
        def prepare(self) -> None:
            trail.append("prepare")

        def get(self) -> None:
            trail.append("get")
            self.write("body")

    response = fetch(site(Handler, *chain))
    assert trail == ["a in", "b in", "prepare", "get", "b out", "a out"]
    assert (response.status, response.text) == (200, "body")
    assert passed(response) == "ba"


def test_around() -> None:
    trail: list[str] = []

    class Handler(RequestHandler):
        async def prepare(self) -> None:
            await asyncio.sleep(0)
            trail.append("prepare")

        async def get(self) -> None:
            trail.append("get")
            self.write("body")

    chain = [Around("a", trail), Both("b", trail), Around("c", trail)]
    response = fetch(site(Handler, *chain))
    assert trail == ["a in", "b in", "c in", "prepare", "get", "c out", "a out", "b out"]
    assert response.text == "body"
    assert response["X-Around"] == "a"


def raising(error: BaseException) -> type[RequestHandler]:
    def get(self: RequestHandler) -> None:
        raise error

    return type("Raising", (RequestHandler,), {"get": get})


@pytest.mark.parametrize("waits", [False, True])
def test_exceptions_pass_and_become_the_page_of_the_handler(waits: bool) -> None:
    trail: list[str] = []

    class Handler(raising(HTTPError(418))):  # type: ignore[misc]
        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.finish(f"own page {status_code}")

    kind = Waiting if waits else Both
    chain = [kind("a", trail), Around("b", trail), Around("c", trail)]
    response = fetch(site(Handler, *chain))
    assert (response.status, response.text) == (418, "own page 418")
    assert passed(response) == "a"
    assert trail == ["a in", "b in", "c in", "c HTTPError", "b HTTPError", "a out"]


def test_around_may_answer_an_exception() -> None:
    async def catch(handler: RequestHandler, call_next: Next) -> None:
        try:
            await call_next()
        except ZeroDivisionError:
            handler.set_status(409)
            handler.write("caught")

    response = fetch(site(raising(ZeroDivisionError()), catch))
    assert (response.status, response.text) == (409, "caught")


def test_finish_passes_too() -> None:
    trail: list[str] = []
    assert fetch(site(raising(Finish("over")), Around("a", trail))).text == "over"
    assert trail == ["a in", "a Finish"]


def test_next_is_called_once(log: LogBook) -> None:
    async def twice(handler: RequestHandler, call_next: Next) -> None:
        await call_next()
        await call_next()

    assert fetch(site(writer("x"), twice)).status == 500
    log.take("call_next() was called twice")


def test_next_is_not_called() -> None:
    async def alone(handler: RequestHandler, call_next: Next) -> None:
        handler.write("alone")

    trail: list[str] = []
    response = fetch(site(writer("x"), Both("a", trail), alone, Both("b", trail)))
    assert response.text == "alone"
    assert trail == ["a in", "b out", "a out"]


@pytest.mark.parametrize("waits", [False, True])
def test_whoever_comes_first_may_finish(waits: bool) -> None:
    trail: list[str] = []

    class Door:
        def process_request(self, handler: RequestHandler) -> Any:
            return self.later(handler) if waits else self.close(handler)

        def close(self, handler: RequestHandler) -> None:
            handler.set_status(403)
            handler.finish("closed")

        async def later(self, handler: RequestHandler) -> None:
            await asyncio.sleep(0)
            self.close(handler)

    chain = [Both("a", trail), Door(), Both("b", trail), Around("c", trail)]
    response = fetch(site(writer("x"), *chain))
    assert (response.status, response.text) == (403, "closed")
    assert trail == ["a in", "b out", "a out"]


def test_raising_on_the_way_in() -> None:
    trail: list[str] = []

    class Door:
        def process_request(self, handler: RequestHandler) -> None:
            raise HTTPError(401)

    response = fetch(site(writer("x"), Both("a", trail), Door(), Both("b", trail)))
    assert response.status == 401
    assert trail == ["a in", "b out", "a out"]


@pytest.mark.parametrize("waits", [False, True])
def test_status_headers_and_cookies_may_change(waits: bool) -> None:
    class Changing:
        def process_response(self, handler: RequestHandler) -> Any:
            return self.later(handler) if waits else self.change(handler)

        def change(self, handler: RequestHandler) -> None:
            assert handler.get_status() == 200
            handler.set_status(202)
            handler.set_cookie("seen", "1")
            handler.set_header("X-Late", "yes")

        async def later(self, handler: RequestHandler) -> None:
            await asyncio.sleep(0)
            self.change(handler)

    response = fetch(site(writer("body"), Changing()))
    assert (response.status, response.text, response["X-Late"]) == (202, "body", "yes")
    assert response["Set-Cookie"].startswith("seen=1")


@pytest.mark.parametrize("waits", [False, True])
def test_before_the_first_head_of_a_stream(waits: bool) -> None:
    trail: list[str] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.write("one ")
            first = self.flush()
            if not waits:
                assert trail == ["a in", "a out"]
            self.write("two ")
            await self.flush()
            await first
            assert trail == ["a in", "a out"]
            self.write("three")

    kind = Waiting if waits else Both
    response = fetch(site(Handler, kind("a", trail)))
    assert response.text == "one two three"
    assert passed(response) == "a"
    assert trail == ["a in", "a out"]


def test_a_flush_and_a_finish_that_nobody_waits_for() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("one ")
            self.flush()
            self.finish("two")

    response = fetch(site(Handler, Waiting("a", [])))
    assert (response.text, passed(response)) == ("one two", "a")


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("streams", [False, True])
def test_one_that_fails_on_the_way_out(waits: bool, streams: bool, log: LogBook) -> None:
    trail: list[str] = []

    class Failing:
        def process_response(self, handler: RequestHandler) -> Any:
            if waits:
                return self.later()
            raise ZeroDivisionError

        async def later(self) -> None:
            await asyncio.sleep(0)
            raise ZeroDivisionError

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.write("secret")
            if streams:
                await self.flush()

    response = fetch(site(Handler, Both("a", trail), Failing(), Both("b", trail)))
    assert response.status == 500
    assert "secret" not in response.text
    assert passed(response) == "ba"  # of the page
    log.take("Uncaught exception")
    log.take("process_response of an error page")


def test_errors_before_any_method(log: LogBook) -> None:
    class Picky(RequestHandler):
        def initialize(self, a: int) -> None:
            raise AssertionError

    rules = [("/picky", Picky), ("/form", writer("x"))]
    app = site(rules, Both("a", []), xsrf_cookies=True)

    async def main() -> list[Response]:
        async with serving(app) as server:
            return [
                await server.fetch("/nowhere"),
                await server.fetch("/form", "POST"),
                await server.fetch("/form", "PROPFIND"),
                await server.fetch("/picky"),
            ]

    responses = run(main)
    assert [one.status for one in responses] == [404, 403, 405, 500]
    assert [passed(one) for one in responses] == ["a"] * 4
    log.take("'_xsrf' argument missing")
    log.take("Picky")


def test_files_redirects_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("file")
    (tmp_path / "large.txt").write_text("file" * 300_000)
    rules = [("/old", RedirectHandler, {"url": "/new"}), ("/", writer("x"))]
    app = site(rules, Waiting("a", []), Both("b", []), static_path=str(tmp_path))

    async def main() -> None:
        async with serving(app) as server:
            file = await server.fetch("/static/a.txt")
            assert (file.text, passed(file)) == ("file", "ba")
            large = await server.fetch("/static/large.txt")
            assert (len(large.body), passed(large)) == (1_200_000, "ba")
            old = await server.fetch("/old")
            assert (old.status, old["Location"], passed(old)) == (301, "/new", "ba")
            headers = {"If-None-Match": (await server.fetch("/"))["Etag"]}
            same = await server.fetch("/", headers=headers)
            assert (same.status, same.body, passed(same)) == (304, b"", "ba")
            head = await server.fetch("/", "HEAD")
            assert (head.status, passed(head)) == (200, "ba")

    run(main)


@pytest.mark.parametrize("waits", [False, True])
def test_bodies_that_come_in_pieces(waits: bool) -> None:
    trail: list[str] = []

    @stream_request_body
    class Upload(RequestHandler):
        async def post(self) -> None:
            pieces = [piece async for piece in self.stream_body()]
            self.write(b"".join(pieces))

    @stream_request_body
    class Taking(RequestHandler):
        taken = b""

        def data_received(self, chunk: bytes) -> None:
            trail.append("data")
            self.taken += chunk

        def post(self) -> None:
            self.write(self.taken)

    class Door:
        def process_request(self, handler: RequestHandler) -> None:
            if handler.request.headers.get("X-Refuse"):
                handler.send_error(413)

    kind = Waiting if waits else Both
    rules = [("/upload", Upload), ("/taking", Taking)]
    app = site(rules, kind("a", trail), Door(), Around("b", trail))

    async def main() -> None:
        async with serving(app) as server:
            for path in ("/upload", "/taking"):
                trail.clear()
                response = await server.fetch(path, "POST", body=b"x" * 100_000)
                assert (response.status, len(response.body)) == (200, 100_000)
                assert trail[:2] == ["a in", "b in"]
                assert trail[-2:] == ["b out", "a out"]
                refused = await server.fetch(path, "POST", {"X-Refuse": "1"}, b"x" * 100_000)
                assert (refused.status, passed(refused)) == (413, "a")

    run(main)


@pytest.mark.parametrize("around", [False, True])
def test_websockets(around: bool) -> None:
    trail: list[str] = []

    class Echo(WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            self.write_message(message)

    class Door:
        def process_request(self, handler: RequestHandler) -> None:
            if "closed" in handler.request.uri:
                handler.send_error(403)

    extra = [Around("b", trail)] if around else []

    async def main() -> None:
        app = site([("/.*", Echo)], Waiting("a", trail), Door(), *extra)
        async with serving(app) as server:
            connection = await websocket_connect(f"ws://127.0.0.1:{server.port}/open")
            await connection.write_message("hello")
            assert await connection.read_message() == "hello"
            connection.close()
            assert await connection.read_message() is None
            # The handshake's answer is not HTTP's any more, but a refusal is.
            assert "a out" not in trail
            refused = await server.fetch("/closed")
            assert (refused.status, passed(refused)) == (403, "a")
            assert passed(await server.fetch("/open")) == "a"

    run(main)


class Counting:
    """Uses the session on the way out."""

    def __init__(self) -> None:
        self.calls = 0

    async def process_response(self, handler: RequestHandler) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        handler.session["count"] = handler.session.get("count", 0) + 1


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_sessions_are_saved_after_the_last_word(kind: str, tmp_path: Path, redis_url: str) -> None:
    counting = Counting()

    class Handler(RequestHandler):
        def get(self) -> None:
            self.write(str(self.session.get("count")))

    async def main() -> None:
        store = MemoryStore() if kind == "memory" else make_store(kind, tmp_path, [redis_url])
        async with serving(site(Handler, counting, session_store=store)) as server:
            visitor = Visitor(server)
            answers = [(await visitor.get()).text for _ in range(3)]
            assert answers == ["None", "1", "2"]
            assert counting.calls == 3
        closing = store.close()
        if closing is not None:
            await closing

    run(main)


def test_the_client_goes_while_one_waits() -> None:
    begun, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Slow:
        async def process_response(self, handler: RequestHandler) -> None:
            begun.set()
            await go.wait()

    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("x")

        def on_finish(self) -> None:
            ended.set()

    async def main() -> None:
        async with serving(site(Handler, Slow())) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun.wait()
            client.abort()
            go.set()
            await ended.wait()

    run(main)


def test_a_base_handler_does_as_well() -> None:
    class Base(RequestHandler):
        def prepare(self) -> None:
            self.set_header("X-Prepared", "yes")

        def finish(self, chunk: Any = None) -> Any:
            self.set_header("X-Finished", "yes")
            return super().finish(chunk)

    class Handler(Base):
        def get(self) -> None:
            self.write("x")

    response = fetch(site(Handler, Waiting("a", [])))
    assert response["X-Prepared"] == response["X-Finished"] == "yes"


@pytest.mark.parametrize("wrong", [[Both], [object()], [None], "cors", {"a": 1}, 5])
def test_what_is_no_middleware(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"middleware"):
        Application([], middleware=wrong)


def test_none_costs_nothing() -> None:
    given: list[dict[str, Any]] = [{}, {"middleware": []}, {"middleware": None}]
    for settings in given:
        app = Application([], **settings)
        assert app._middleware is None
