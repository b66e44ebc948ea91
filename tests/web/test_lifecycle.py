"""The life of a handler: what is called when, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any, ClassVar

import pytest
from tests.web.support import LogBook, application, fetch, run, serving, until

from tornadic import gen
from tornadic.web import Application, Finish, HTTPError, RequestHandler, stream_request_body


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
                    seen.append(str(e).partition(":")[0])

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
                    raised.append(str(e).partition(":")[0])

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
                await self.finish()
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


class TestCancelled:
    """A task that is cancelled answers 500, if it still can, and stays cancelled."""

    def cancel(self, flushed: bool, calls: list[str]) -> bytes:
        async def main() -> bytes:
            tasks: list[asyncio.Task[Any]] = []

            class Handler(Recorder):
                async def get(self) -> None:
                    task = asyncio.current_task()
                    assert task is not None
                    if flushed:
                        await self.flush()
                    tasks.append(task)
                    await asyncio.Event().wait()

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: tasks)
                tasks[0].cancel()
                await client.response_head() if flushed else await client.response()
                await until(tasks[0].done)
                assert tasks[0].cancelled()
                if flushed:
                    return await client.rest()
                return (await client.request("/", "HEAD")).reason.encode()

        result = run(main)
        assert calls.count("on_finish") == (1 if flushed else 2)
        return result

    def test_before_anything_was_sent(self, calls: list[str]) -> None:
        assert self.cancel(False, calls) == b"Method Not Allowed"  # the connection goes on

    def test_after_headers_went_out(self, calls: list[str]) -> None:
        assert self.cancel(True, calls) == b""

    def test_the_program_may_answer_otherwise(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.finish("too late")
                    raise

        assert fetch(Handler).text == "too late"

    @pytest.mark.parametrize("late", [False, True])
    def test_what_it_waited_for_was_cancelled(self, late: bool, log: LogBook) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                if late:
                    asyncio.get_running_loop().call_soon(future.cancel)
                else:
                    future.cancel()
                await future

        assert fetch(Handler).status == 500
        log.take("Uncaught exception GET /")

    @pytest.mark.parametrize("streams", [False, True])
    def test_before_its_first_step(self, streams: bool) -> None:
        """Where tasks begin in the next turn only (before Python 3.12), that may happen."""

        class Handler(RequestHandler):
            def prepare(self) -> Any:
                asyncio.get_running_loop().call_soon(self.cancel)
                return self.wait()

            async def wait(self) -> None:
                await asyncio.sleep(0)
                await asyncio.Event().wait()

            def cancel(self) -> None:
                (task,) = (
                    task
                    for task in asyncio.all_tasks()
                    if "_see_to_its_end" in getattr(task.get_coro(), "__qualname__", "")
                )
                task.cancel()
                task.cancel()

            def data_received(self, chunk: bytes) -> None: ...

            def post(self) -> None: ...

        handler = stream_request_body(Handler) if streams else Handler

        async def main() -> None:
            async with serving(application(handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request("/", "POST", body=b"body")
                    assert response.status == 500

        run(main)


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

        watched = type("Watched", (handler,), {"initialize": lambda self: handlers.add(self)})

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
                self.set_cookie("a", self.get_cookie("a") or "")
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
