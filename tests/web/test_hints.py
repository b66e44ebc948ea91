"""Common mistakes: each message says what to do, by the kind of exception that Tornado has."""

from __future__ import annotations

import asyncio
import logging
import re
import warnings
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pytest
from tests.web.support import LogBook, Response, application, fetch, head, run, serving

from tornadic import gen
from tornadic.http.interfaces import HTTPMessageDelegate
from tornadic.routing import Router
from tornadic.web import Application, RequestHandler, url


def caught(act: Callable[[RequestHandler], Any]) -> BaseException:
    """What ``act`` raises in a handler."""
    found: list[BaseException] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            try:
                result = act(self)
                if result is not None:
                    await result
            except Exception as error:
                found.append(error)

    fetch(Handler)
    [error] = found
    return error


def failed(method: Any, log: LogBook, **attributes: Any) -> BaseException:
    """What ends a request that is answered by ``method``."""
    response = fetch(type("Handler", (RequestHandler,), {"get": method, **attributes}))
    assert response.status == 500
    record = log.take("Uncaught exception", logging.ERROR)
    assert record.exc_info is not None and record.exc_info[1] is not None
    return record.exc_info[1]


async def number() -> int:
    return 42


class TestForgottenAwait:
    @pytest.mark.parametrize("name", ["write", "finish"])
    def test_a_coroutine_is_written(self, name: str) -> None:
        coroutine = number()
        error = caught(lambda handler: getattr(handler, name)(coroutine))
        coroutine.close()
        assert type(error) is TypeError
        assert str(error) == (
            "write() only accepts bytes, unicode, and dict objects, and got the coroutine "
            "number(): did you forget await? Write what it gives, as in self.write(await ...)"
        )

    def test_a_future_is_written(self) -> None:
        error = caught(lambda handler: handler.write(asyncio.Future()))  # type: ignore[arg-type]
        assert type(error) is TypeError
        assert "got a future: did you forget await?" in str(error)

    def test_pieces_are_written(self) -> None:
        async def pieces() -> AsyncIterator[str]:
            yield "x"

        error = caught(lambda handler: handler.write(pieces()))  # type: ignore[arg-type]
        assert "async for piece" in str(error)

    @pytest.mark.parametrize(
        ("value", "named"),
        [(None, "None"), (42, "42 (int)"), (object(), "an object of object")],
    )
    def test_anything_else_is_named(self, value: Any, named: str) -> None:
        error = caught(lambda handler: handler.write(value))
        assert str(error).endswith(f"objects, and got {named}")

    def test_lists_are_refused_as_ever(self) -> None:
        error = caught(lambda handler: handler.write([1]))  # type: ignore[arg-type]
        assert str(error).endswith("dict objects. Lists not accepted for security reasons")


class TestResultOfAMethod:
    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("x" * 1000, "to send it call self.write(...) instead of return"),
            (b"", "to send it call self.write(...) instead of return"),
            ({"a": 1}, "to send it call self.write(...) instead of return"),
            ({}, "to send it call self.write(...) instead of return"),
            ([], "to send something call self.write(...)"),
            (0, "to send something call self.write(...)"),
        ],
    )
    def test_a_value(self, value: Any, says: str, log: LogBook) -> None:
        error = failed(lambda self: value, log)
        assert type(error) is TypeError
        assert str(error).startswith("Handler.get() returned ")
        assert str(error).endswith(f", and it may return None or an awaitable only: {says}")
        assert len(str(error)) < 250

    def test_a_generator(self, log: LogBook) -> None:
        def get(self: RequestHandler) -> Generator[Any, Any, None]:
            yield number()

        assert "decorate it with gen.coroutine" in str(failed(get, log))

    def test_an_asynchronous_generator(self, log: LogBook) -> None:
        async def get(self: RequestHandler) -> AsyncIterator[str]:
            yield "x"

        assert "with self.write() instead of yield" in str(failed(get, log))

    def test_of_prepare(self, log: LogBook) -> None:
        error = failed(lambda self: None, log, prepare=lambda self: "ready")
        assert type(error) is TypeError
        assert str(error).startswith("Handler.prepare() returned 'ready' (str), ")

    def test_behind_a_prepare_that_waits(self, log: LogBook) -> None:
        async def prepare(self: RequestHandler) -> None:
            await asyncio.sleep(0)

        error = failed(lambda self: "x", log, prepare=prepare)
        assert str(error).startswith("Handler.get() returned 'x' (str), ")

    def test_what_can_be_awaited_is(self) -> None:
        class Handler(RequestHandler):
            @gen.coroutine
            def get(self) -> Generator[Any, Any, None]:
                self.write(str((yield number())))

        assert fetch(Handler).text == "42"


class TestAfterTheEnd:
    @pytest.mark.parametrize(
        ("act", "begins"),
        [
            (lambda handler: handler.write("x"), "Cannot write() after finish(): "),
            (lambda handler: handler.finish(), "finish() called twice: "),
        ],
    )
    def test_of_the_response(self, act: Callable[[RequestHandler], Any], begins: str) -> None:
        def act_late(handler: RequestHandler) -> None:
            handler.finish()
            act(handler)

        error = caught(act_late)
        assert type(error) is RuntimeError
        assert str(error).startswith(begins)
        assert "Return after finish(), redirect()" in str(error)

    def test_redirect(self) -> None:
        def act(handler: RequestHandler) -> None:
            handler.redirect("/a")
            handler.redirect("/b")

        error = caught(act)
        assert type(error) is RuntimeError
        assert "Cannot redirect after headers have been written" in str(error)
        assert "return after it" in str(error)

    @pytest.mark.parametrize(
        ("name", "arguments"),
        [
            ("set_header", ("X-Late", "1")),
            ("add_header", ("X-Late", "1")),
            ("set_status", (404,)),
            ("set_cookie", ("late", "1")),
        ],
    )
    @pytest.mark.parametrize("end", ["flush", "finish"])
    def test_of_the_head(self, name: str, arguments: tuple[Any, ...], end: str) -> None:
        """Tornado takes it in silence, so a program may go on; but it hears of it."""
        responses: list[Response] = []

        class Handler(RequestHandler):
            def get(self) -> None:
                getattr(self, end)()
                getattr(self, name)(*arguments)

        with pytest.warns(RuntimeWarning, match=rf"{name}\(\) has no effect any more") as found:
            responses.append(fetch(Handler))
        assert found[0].filename == __file__
        assert responses[0].status == 200
        assert "X-Late" not in responses[0] and "Set-Cookie" not in responses[0]

    def test_a_place_is_named_once(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.finish()
                self.set_header("X-Late", "1")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head() * 3)
                for _ in range(3):
                    assert (await client.response()).status == 200

        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("default")
            run(main)
        assert len(found) == 1


class Plain:
    """A class that forgot its base."""


class TestTargets:
    @pytest.mark.parametrize(
        ("target", "says"),
        [
            (Plain, "leads to Plain, which is no handler; derive it from web.RequestHandler"),
            (Router, "leads to the class Router; give an object of that class"),
            (Application, "leads to the class Application; give an object of that class"),
            (number, "leads to the coroutine function number, which nobody would await"),
            (asyncio, "leads to an object of module; give a RequestHandler class"),
            (42, "leads to 42 (int); give a RequestHandler class"),
            ("tests.web.test_hints.Plain", "leads to Plain, which is no handler"),
        ],
    )
    def test_of_a_rule(self, target: Any, says: str) -> None:
        for rule in ((r"/x/(.*)", target), url(r"/x/(.*)", target)):
            with pytest.raises(TypeError, match=re.escape(f"The rule '/x/(.*)' {says}")):
                Application([rule])
            with pytest.raises(TypeError):
                Application([(r"/deep/.*", [rule])])

    def test_of_another_tornado(self) -> None:
        theirs = type("Main", (type("RequestHandler", (), {}),), {})
        with pytest.raises(TypeError, match="of another Tornado; start the program with"):
            Application([("/", theirs)])

    def test_those_that_are_right(self) -> None:
        class Delegate(HTTPMessageDelegate):
            pass

        right: list[Any] = [RequestHandler, Application(), print, None, Delegate, []]
        for target in right:
            Application([("/", target)])


class TestInitialize:
    def test_a_missing_argument(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def initialize(self, database: str, limit: int) -> None: ...

        app = Application([("/", Handler, {"limit": 3})], log_function=lambda handler: None)
        assert fetch(app).status == 500
        record = log.take("Uncaught exception")
        assert record.exc_info is not None
        error = record.exc_info[1]
        assert type(error) is TypeError
        assert "missing 1 required positional argument: 'database'" in str(error)
        [note] = error.__notes__
        assert "come from the rule, which gives limit (" in note
        assert '(r"/path", Handler, {"name": value})' in note

    def test_one_too_many(self, log: LogBook) -> None:
        app = Application([("/", RequestHandler, {"x": 1})], log_function=lambda handler: None)
        assert fetch(app).status == 500
        record = log.take("initialize takes none of")
        assert record.exc_info is not None and isinstance(record.exc_info[1], TypeError)

    def test_an_error_of_its_own_is_left_alone(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def initialize(self) -> None:
                len(3)  # type: ignore[arg-type]

        assert fetch(Handler).status == 500
        record = log.take("has no len")
        assert record.exc_info is not None
        assert not hasattr(record.exc_info[1], "__notes__")
