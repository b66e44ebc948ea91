"""What a WSGI application may say, what becomes of it, and what it may not say."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.support import LogBook, run, serving
from tests.wsgi.support import PLAIN, App, Blocks, Environ, Headers, answer, saying

from tornadic import __version__
from tornadic.routing import PathMatches, Rule, RuleRouter
from tornadic.web import Application, RequestHandler
from tornadic.wsgi import WSGIContainer
from tornadic.wsgi.response import _checked_headers, _parse_status


def streaming(blocks: Iterable[Any], headers: Headers = PLAIN, status: str = "200 OK") -> App:
    """An application that returns ``blocks`` as they are."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return blocks

    return app


def writing(*blocks: bytes, headers: Headers = PLAIN, rest: Iterable[bytes] = ()) -> App:
    """An application that calls ``write`` with each of ``blocks``."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", list(headers))
        for block in blocks:
            write(block)
        return rest

    return app


# What goes right


def test_a_response(executor: Executor | None) -> None:
    response = answer(validator(saying(b"ab", b"c")), executor)
    assert (response.status, response.reason, response.body) == (200, "OK", b"abc")
    assert response["Content-Type"] == "text/plain"
    assert response["Server"] == f"Tornadic/{__version__}"
    assert response["Date"].endswith(" GMT")


def test_a_list_has_a_length(executor: Executor | None) -> None:
    assert answer(saying(b"ab", b"", b"c"), executor)["Content-Length"] == "3"
    assert answer(streaming((b"ab", b"c")), executor)["Content-Length"] == "3"
    assert answer(saying(), executor)["Content-Length"] == "0"


def test_what_the_application_says_itself_stays(executor: Executor | None) -> None:
    headers = [("Server", "mine"), ("Date", "then"), ("Set-Cookie", "a"), ("Set-Cookie", "b")]
    response = answer(saying(b"x", headers=headers), executor)
    assert (response["Server"], response["Date"]) == ("mine", "then")
    assert response.all("Set-Cookie") == ["a", "b"]
    assert response["Content-Type"] == "text/html; charset=UTF-8"


def test_a_phrase_may_be_any_or_empty(executor: Executor | None) -> None:
    assert answer(saying(status="404 Nicht gefunden \xe4"), executor).reason == (
        "Nicht gefunden \xe4"
    )
    assert answer(saying(status="299 "), executor).status == 299


def test_a_generator_is_sent_in_chunks(executor: Executor | None) -> None:
    response = answer(streaming(iter([b"ab", b"", b"c"])), executor)
    assert "Content-Length" not in response
    assert response["Transfer-Encoding"] == "chunked"
    assert response.body == b"abc"


def test_a_generator_with_a_length(executor: Executor | None) -> None:
    response = answer(streaming(iter([b"ab", b"c"]), [("Content-Length", "3")]), executor)
    assert (response.body, response["Content-Length"]) == (b"abc", "3")


def test_http_1_0_gets_no_chunks(executor: Executor | None) -> None:
    async def main() -> None:
        container = WSGIContainer(streaming(iter([b"ab", b"c"])), executor)
        async with serving(container) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            response = await client.response()
            assert response.body == b"abc"
            assert "Transfer-Encoding" not in response

    run(main)


def test_start_response_in_the_first_step_of_a_generator(executor: Executor | None) -> None:
    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response("201 Created", [])
        yield b"ab"

    response = answer(app, executor)
    assert (response.status, response.body) == (201, b"ab")


def test_other_kinds_of_bytes(executor: Executor | None) -> None:
    response = answer(streaming(iter([bytearray(b"a"), memoryview(b"b")])), executor)
    assert response.body == b"ab"


def test_write(executor: Executor | None) -> None:
    response = answer(writing(b"ab", b"", b"c", rest=iter([b"d"])), executor)
    assert response.body == b"abcd"
    response = answer(writing(b"ab", headers=[("Content-Length", "3")], rest=[b"c"]), executor)
    assert (response.body, response["Content-Length"]) == (b"abc", "3")


def test_the_first_write_sends_the_head(executor: Executor | None) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"")
        try:
            raise KeyError("too late")
        except KeyError:
            with pytest.raises(KeyError, match="too late"):
                start_response("500 Sorry", [], sys.exc_info())
        return [b"x"]

    assert answer(app, executor).status == 200


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body(executor: Executor | None, status: str) -> None:
    for blocks in ([b"ab"], iter([b"ab"]), []):
        for headers in ([], [("Content-Length", "2")]):
            response = answer_and_next(streaming(blocks, headers, status), executor)
            assert response == (int(status[:3]), b"")


@pytest.mark.parametrize("headers", [[], [("Content-Length", "2")]])
def test_head_has_no_body(executor: Executor | None, headers: Headers) -> None:
    for app in (
        saying(b"ab", headers=headers),
        streaming(iter([b"ab"]), headers),
        writing(b"ab", headers=headers),
        saying(headers=headers),
    ):
        assert answer_and_next(app, executor, "HEAD") == (200, b"")


def test_head_has_the_length_of_what_get_would_send(executor: Executor | None) -> None:
    assert answer(saying(b"abc"), executor, method="HEAD")["Content-Length"] == "3"
    # Nothing at all may only mean that the application knows what HEAD is.
    assert "Content-Length" not in answer(saying(), executor, method="HEAD")


def answer_and_next(app: App, executor: Executor | None, method: str = "GET") -> tuple[int, bytes]:
    """Status and body, when the next request on the connection was answered properly too."""
    found = []

    async def main() -> None:
        router = RuleRouter(
            [
                Rule(PathMatches("/next"), WSGIContainer(saying(b"next"))),
                Rule(PathMatches("/"), WSGIContainer(app, executor)),
            ]
        )
        async with serving(router) as server:
            client = await server.connect()
            found.append(await client.request("/", method))
            assert (await client.request("/next")).body == b"next"

    run(main)
    return found[0].status, found[0].body


def test_more_than_the_length_is_not_sent(executor: Executor | None) -> None:
    blocks = Blocks(b"ab", b"cd", b"ef")
    app = streaming(blocks, [("Content-Length", "3")])
    assert answer_and_next(app, executor) == (200, b"abc")
    assert blocks.left == [b"ef"]
    assert blocks.closed == 1
    assert answer_and_next(saying(b"abcd", headers=[("Content-Length", "3")]), executor) == (
        200,
        b"abc",
    )


def test_close_is_called_once_at_the_end(executor: Executor | None) -> None:
    blocks = Blocks(b"ab", b"c")
    assert answer(streaming(blocks), executor).body == b"abc"
    assert (blocks.left, blocks.closed) == ([], 1)


def test_status_and_headers_may_be_replaced_until_they_are_sent(executor: Executor | None) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("X-First", "1"), ("Content-Length", "2")])
        try:
            raise KeyError
        except KeyError:
            start_response("500 Sorry", [("X-Second", "2")], exc_info=sys.exc_info())
        return [b"abc"]

    response = answer(app, executor)
    assert (response.status, response.reason, response.body) == (500, "Sorry", b"abc")
    assert "X-First" not in response
    assert response["X-Second"] == "2"


def test_requests_on_one_connection(executor: Executor | None) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(PLAIN))
        return [environ["PATH_INFO"].encode(), environ["wsgi.input"].read()]

    async def main() -> None:
        async with serving(WSGIContainer(app, executor)) as server:
            client = await server.connect()
            for i in range(5):
                response = await client.request(f"/{i}", "POST", body=b"x" * i)
                assert response.body == f"/{i}{'x' * i}".encode()

    run(main)


def test_beside_handlers(executor: Executor | None) -> None:
    class Hello(RequestHandler):
        def get(self) -> None:
            self.write("handler")

    application = Application(
        [
            (r"/handler", Hello),
            (PathMatches(r"/wsgi/.*"), WSGIContainer(saying(b"wsgi"), executor)),
        ],
        log_function=lambda handler: None,
    )
    assert answer_of(application, "/handler") == (200, b"handler")
    assert answer_of(application, "/wsgi/a") == (200, b"wsgi")
    assert answer_of(application, "/else")[0] == 404


def answer_of(application: Application, target: str) -> tuple[int, bytes]:
    found = []

    async def main() -> None:
        async with serving(application) as server:
            found.append(await server.fetch(target, body=b"abc"))

    run(main)
    return found[0].status, found[0].body


# What goes wrong before the head is sent


def raising(environ: Environ, start_response: Any) -> Iterable[bytes]:
    raise ZeroDivisionError


def raising_later(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "100"), ("X-Lost", "1")])
    raise ZeroDivisionError


def start_twice(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def no_start(environ: Environ, start_response: Any) -> Iterable[bytes]:
    return [b"ab"]


def no_start_and_no_body(environ: Environ, start_response: Any) -> Iterable[bytes]:
    return []


def no_start_in_a_generator(environ: Environ, start_response: Any) -> Iterator[bytes]:
    yield b""
    yield b"ab"


def text_in_a_generator(environ: Environ, start_response: Any) -> Iterator[Any]:
    start_response("200 OK", [])
    yield "abc"


@pytest.mark.parametrize(
    "app,text",
    [
        (raising, "ZeroDivisionError"),
        (raising_later, "ZeroDivisionError"),
        (start_twice, "called twice"),
        (no_start, "did not call start_response"),
        (no_start_and_no_body, "did not call start_response"),
        (no_start_in_a_generator, "did not call start_response"),
        (streaming(None), "NoneType"),  # type: ignore[arg-type]
        (streaming("abc"), "bytes, not str"),
        (streaming(["abc"]), "bytes, not str"),
        (text_in_a_generator, "bytes, not str"),
        (streaming(b"abc"), "bytes, not int"),
        (writing("abc"), "bytes, not str"),  # type: ignore[arg-type]
        (writing(b"abc", headers=[("Content-Length", "2")]), "more data than Content-Length"),
        (saying(b"ab", headers=[("Content-Length", "3")]), "1 bytes shorter"),
        (saying(headers=[("Content-Length", "3")]), "3 bytes shorter"),
        (lambda environ: None, "TypeError"),
        (None, "not callable"),
    ],
)
def test_a_failure_is_a_500_and_one_line(
    app: App, text: str, executor: Executor | None, log: LogBook
) -> None:
    response = answer(app, executor)
    assert (response.status, response.body) == (500, b"500: Internal Server Error")
    assert "X-Lost" not in response
    record = log.take(text, logging.ERROR)
    assert record.name == "tornado.application"
    assert record.getMessage() == "Uncaught exception GET / (127.0.0.1)"
    assert record.exc_info is not None


@pytest.mark.parametrize(
    "status",
    [
        "",
        "200",
        "200OK",
        " 200 OK",
        "20 OK",
        "2000 OK",
        "+20 OK",
        "abc",
        "100 Continue",
        "101 Switching Protocols",
        "199 No",
        "\uff12\uff10\uff10 OK",
        "200 \u20ac",
        "200 O\rK",
        "200 OK\r\nX-Evil: 1",
        "200 OK\n",
        "200 O\x00K",
    ],
)
def test_a_status_that_is_none(status: str, executor: Executor | None, log: LogBook) -> None:
    response = answer(saying(b"x", status=status), executor)
    assert response.status == 500
    assert "X-Evil" not in response
    log.take("Malformed status")


BAD_HEADERS: list[tuple[Any, Any]] = [
    ("X-A", "1\r\nX-Evil: 1"),
    ("X-A", "1\nX-Evil: 1"),
    ("X-A", "1\rX-Evil: 1"),
    ("X-A", "1\x00"),
    ("X-A", "\u20ac"),
    ("X-A\r\nX-Evil", "1"),
    ("X A", "1"),
    ("X:A", "1"),
    ("", "1"),
    ("X\xe4", "1"),
    ("Content-Length", "-1"),
    ("Content-Length", "+1"),
    ("Content-Length", "1_0"),
    ("Content-Length", "\xb2"),
    ("Content-Length", ""),
    ("Content-Length", "1" * 16),
    ("Connection", "close"),
    ("connection", "x"),
    ("Keep-Alive", "1"),
    ("Proxy-Authenticate", "x"),
    ("Proxy-Authorization", "x"),
    ("TE", "x"),
    ("Trailer", "x"),
    ("Trailers", "x"),
    ("TRANSFER-ENCODING", "chunked"),
    ("Upgrade", "websocket"),
    ("Status", "200 OK"),
]


@pytest.mark.parametrize("name,value", BAD_HEADERS)
def test_headers_that_an_application_may_not_set(
    name: str, value: str, executor: Executor | None, log: LogBook
) -> None:
    response = answer(saying(b"x", headers=[(name, value)]), executor)
    assert (response.status, response.body) == (500, b"500: Internal Server Error")
    assert "X-Evil" not in response
    log.take("ValueError")


@pytest.mark.parametrize(
    "header", [(b"X-A", "1"), ("X-A", b"1"), ("X-A", None), ("X-A", 1), (None, "1")]
)
def test_what_is_no_text(header: Any, executor: Executor | None, log: LogBook) -> None:
    assert answer(saying(b"x", headers=[header]), executor).status == 500
    log.take("TypeError")
    assert answer(saying(b"x", status=b"200 OK"), executor).status == 500  # type: ignore[arg-type]
    log.take("TypeError")


def test_two_lengths(log: LogBook) -> None:
    headers = [("Content-Length", "1"), ("content-length", "1")]
    assert answer(saying(b"x", headers=headers)).status == 500
    log.take("Malformed Content-Length")


def test_the_longest_length() -> None:
    _, length = _checked_headers([("Content-Length", "9" * 15)])
    assert length == 10**15 - 1
    with pytest.raises(ValueError, match="Malformed"):
        _checked_headers([("Content-Length", "9" * 16)])


@given(st.text(), st.text())
def test_headers_are_taken_or_refused(name: str, value: str) -> None:
    try:
        headers, _ = _checked_headers([(name, value)])
    except ValueError:
        return
    [(_, taken)] = headers.get_all()
    assert taken == value
    assert not set("\r\n\0") & set(name + value)


@given(st.text())
def test_a_status_is_taken_or_refused(status: str) -> None:
    try:
        code, reason = _parse_status(status)
    except ValueError:
        return
    assert f"{code} {reason}" == status
    assert not set("\r\n\0") & set(reason)


def test_the_error_is_raised_in_the_application(executor: Executor | None) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        with pytest.raises(ValueError, match="Malformed status"):
            start_response("no", [])
        with pytest.raises(ValueError, match="Invalid header"):
            start_response("200 OK", [("X-A", "\n")])
        with pytest.raises(ValueError, match="may not set Connection"):
            start_response("200 OK", [("Connection", "close")])
        write = start_response("200 OK", [("Content-Length", "2")])
        write(b"a")
        with pytest.raises(ValueError, match="more data than Content-Length"):
            write(b"bc")
        with pytest.raises(TypeError):
            write("b")
        write(b"b")
        with pytest.raises(ValueError, match="more data than Content-Length"):
            write(b"c")
        return []

    assert answer(app, executor).body == b"ab"


def test_close_is_called_after_a_failure(executor: Executor | None, log: LogBook) -> None:
    blocks = Blocks(ValueError("first step"))
    assert answer(streaming(blocks), executor).status == 500
    assert blocks.closed == 1
    log.take("first step")


def test_a_close_that_fails_does_not_spoil_the_response(
    executor: Executor | None, log: LogBook
) -> None:
    class Spoilt(Blocks):
        def close(self) -> None:
            raise ValueError("in close")

    assert answer_and_next(streaming(Spoilt(b"ab")), executor) == (200, b"ab")
    log.take("in close")


# What goes wrong later


@pytest.mark.parametrize("headers", [[], [("Content-Length", "100")]])
def test_a_failure_in_the_middle_closes_the_connection(
    headers: Headers, executor: Executor | None, log: LogBook
) -> None:
    blocks = Blocks(b"ab", ZeroDivisionError("second step"))
    assert cut_short(streaming(blocks, headers), executor)
    assert blocks.closed == 1
    log.take("second step")


def test_less_than_the_length_closes_the_connection(
    executor: Executor | None, log: LogBook
) -> None:
    assert cut_short(streaming(iter([b"ab"]), [("Content-Length", "3")]), executor)
    log.take("1 bytes shorter")
    assert cut_short(writing(b"ab", headers=[("Content-Length", "3")]), executor)
    log.take("1 bytes shorter")


def test_replacing_what_is_sent_raises_what_was_raised(
    executor: Executor | None, log: LogBook
) -> None:
    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"ab"
        try:
            raise ZeroDivisionError("far too late")
        except ZeroDivisionError:
            start_response("500 Sorry", [], sys.exc_info())
        yield b"cd"

    assert cut_short(app, executor)
    log.take("far too late")


def cut_short(app: App, executor: Executor | None) -> bool:
    """Whether a client sees that the response ends too early."""
    found = []

    async def main() -> None:
        async with serving(WSGIContainer(app, executor)) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            found.append(await client.rest())

    run(main)
    head, _, body = found[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    if b"chunked" in head:
        return b"0\r\n\r\n" not in body
    return len(body) < int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])


def test_write_after_the_end_does_not_reach_the_next_response(executor: Executor | None) -> None:
    writes: list[Callable[[bytes], None]] = []

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        for write in writes:
            with pytest.raises(RuntimeError, match="after the end"):
                write(b"evil")
        writes.append(start_response("200 OK", []))
        return iter([b"good"])

    async def main() -> None:
        async with serving(WSGIContainer(app, executor)) as server:
            client = await server.connect()
            for _ in range(3):
                assert (await client.request()).body == b"good"

    run(main)


def test_the_access_log(executor: Executor | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tornado.access")
    answer(saying(status="200 OK"), executor, "/a?b")
    answer(saying(status="404 Not Found"), executor, "/\xe4")
    answer(saying(status="503 Service Unavailable"), executor, "/", "POST")
    records = [record for record in caplog.records if record.name == "tornado.access"]
    assert [record.levelno for record in records] == [20, 30, 40]
    messages = [record.getMessage().rpartition(" ")[0] for record in records]
    assert messages == [
        "200 GET /a?b (127.0.0.1)",
        "404 GET /\\xe4 (127.0.0.1)",
        "503 POST / (127.0.0.1)",
    ]
