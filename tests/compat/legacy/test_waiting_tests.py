"""``AsyncTestCase.wait`` raises what a callback of an old form has raised, as in Tornado 5."""

from __future__ import annotations

import logging
import unittest
from collections.abc import Callable
from typing import Any

import pytest

from tornadic.httpclient import HTTPResponse
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream
from tornadic.testing import AsyncHTTPTestCase
from tornadic.web import Application, RequestHandler

pytestmark = pytest.mark.filterwarnings("ignore:.*was removed from Tornado:DeprecationWarning")


class Hello(RequestHandler):
    def get(self) -> None:
        self.write("hello")


def run(body: Callable[[Any], None]) -> unittest.TestResult:
    """Run ``body(case)`` as a test with a server; ``case`` is untyped, for old arguments."""

    class Case(AsyncHTTPTestCase):
        def get_app(self) -> Application:
            return Application([("/", Hello)])

        def runTest(self) -> None:
            body(self)

    result = unittest.TestResult()
    Case().run(result)
    assert result.testsRun == 1 and result.errors == []
    return result


def test_a_callback_of_fetch_that_fails() -> None:
    def body(case: Any) -> None:
        def handle(response: HTTPResponse) -> None:
            case.assertEqual(response.body, b"goodbye")

        case.http_client.fetch(case.get_url("/"), handle)
        case.wait(timeout=30)

    [(_, text)] = run(body).failures
    assert "b'hello' != b'goodbye'" in text


def test_a_callback_of_a_stream_that_fails() -> None:
    def body(case: Any) -> None:
        import socket

        stream: Any = IOStream(socket.create_connection(("127.0.0.1", case.get_http_port())))
        stream.write(b"GET / HTTP/1.0\r\n\r\n", lambda: case.fail("in a callback of write"))
        case.wait(timeout=30)

    [(_, text)] = run(body).failures
    assert "in a callback of write" in text


def test_the_next_wait_is_a_new_one() -> None:
    def body(case: Any) -> None:
        with case.assertRaises(AssertionError):
            case.http_client.fetch(case.get_url("/"), lambda response: case.fail("first"))
            case.wait(timeout=30)
        case.http_client.fetch(case.get_url("/"), case.stop)
        case.assertEqual(case.wait(timeout=30).code, 200)

    assert run(body).wasSuccessful()


def test_other_callbacks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    def body(case: Any) -> None:
        case.io_loop.add_callback(lambda: 1 / 0)
        case.io_loop.add_callback(case.stop, "stopped")
        case.assertEqual(case.wait(timeout=30), "stopped")

    with caplog.at_level(logging.ERROR):
        assert run(body).wasSuccessful()
    assert "ZeroDivisionError" in caplog.text


def test_a_handler_of_the_loops_own_is_kept() -> None:
    handled: list[Any] = []

    def body(case: Any) -> None:
        case.io_loop.handle_callback_exception = handled.append
        case.io_loop.add_callback(lambda: 1 / 0)
        case.io_loop.add_callback(case.stop)
        case.wait(timeout=30)
        case.assertEqual(case.io_loop.handle_callback_exception, handled.append)
        case.assertEqual(len(handled), 1)
        del case.io_loop.handle_callback_exception
        case.assertIs(
            case.io_loop.handle_callback_exception.__func__, IOLoop.handle_callback_exception
        )

    assert run(body).wasSuccessful()
