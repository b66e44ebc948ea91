"""What a handler sends: pieces, statuses, headers, bodies and their lengths."""

from __future__ import annotations

import asyncio
import datetime
import json
from typing import Any

import pytest
from tests.web.support import LogBook, application, fetch, head, run, serving, writer

from tornadic.web import Application, HTTPError, RequestHandler


class TestWrite:
    @pytest.mark.parametrize(
        ("chunk", "body"),
        [
            ("text", b"text"),
            ("é🐙", "é🐙".encode()),
            ("", b""),
            (b"\x00\xff", b"\x00\xff"),
            ({}, b"{}"),
            ({"a": [1, "é", None]}, b'{"a": [1, "\\u00e9", null]}'),
            ({"a": "</script>"}, b'{"a": "<\\/script>"}'),
        ],
    )
    def test_kinds(self, chunk: Any, body: bytes) -> None:
        response = fetch(writer(chunk))
        assert response.body == body
        assert response["Content-Length"] == str(len(body))
        kind = "application/json" if isinstance(chunk, dict) else "text/html"
        assert response["Content-Type"] == f"{kind}; charset=UTF-8"

    def test_nothing(self) -> None:
        response = fetch(writer())
        assert (response.status, response.body, response["Content-Length"]) == (200, b"", "0")

    def test_pieces_in_order(self) -> None:
        assert fetch(writer("a", b"b", "", "c")).body == b"abc"

    @pytest.mark.parametrize("chunk", [["a"], [], ("a",), 1, None, 1.5, {1, 2}, object()])
    def test_other_kinds_are_refused(self, chunk: Any) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                with pytest.raises(TypeError, match=r"write\(\) only accepts bytes, unicode"):
                    self.write(chunk)

        assert fetch(Handler).body == b""

    def test_a_list_is_refused_with_the_reason(self) -> None:
        chunk: Any = [1]

        class Handler(RequestHandler):
            def get(self) -> None:
                with pytest.raises(TypeError, match="Lists not accepted for security reasons"):
                    self.write(chunk)

        assert fetch(Handler).status == 200

    def test_a_dict_that_is_no_json(self, log: LogBook) -> None:
        assert fetch(writer({"a": object()})).status == 500
        log.take("TypeError")

    def test_finish_with_a_chunk(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("a")
                self.finish({"b": 1})

        response = fetch(Handler)
        assert response.body == b'a{"b": 1}'
        assert response["Content-Type"].startswith("application/json")

    def test_content_type_set_after_a_dict_stays(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write({})
                self.set_header("Content-Type", "text/javascript")

        assert fetch(Handler)["Content-Type"] == "text/javascript"

    def test_large_body_arrives_whole(self) -> None:
        body = bytes(range(256)) * 40_000
        assert fetch(writer(body)).body == body


class TestStatus:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ((200,), (200, "OK")),
            ((201,), (201, "Created")),
            ((404,), (404, "Not Found")),
            ((418,), (418, "I'm a Teapot")),
            ((599,), (599, "Unknown")),
            ((299, "Fine"), (299, "Fine")),
            ((200, "very well indeed"), (200, "very well indeed")),
        ],
    )
    def test_and_reason(self, arguments: tuple[Any, ...], expected: tuple[int, str]) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_status(*arguments)
                assert self.get_status() == arguments[0]

        response = fetch(Handler)
        assert (response.status, response.reason.lower()) == (expected[0], expected[1].lower())

    def test_by_name(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_status(status_code=202, reason="Taken")

        assert fetch(Handler).reason == "Taken"

    def test_clear_undoes_all(self) -> None:
        class Handler(RequestHandler):
            def set_default_headers(self) -> None:
                self.set_header("X-Default", "1")

            def get(self) -> None:
                self.set_status(404)
                self.set_header("X-Other", "1")
                self.set_header("X-Default", "2")
                self.write("gone")
                self.clear()

        response = fetch(Handler)
        assert (response.status, response.reason, response.body) == (200, "OK", b"")
        assert "X-Other" not in response
        assert response["X-Default"] == "1"


class TestHeaders:
    def test_those_that_are_always_there(self) -> None:
        response = fetch(writer("x"))
        names = [name for name, _ in response.fields]
        assert sorted(names) == ["Content-Length", "Content-Type", "Date", "Etag", "Server"]
        date = datetime.datetime.strptime(response["Date"], "%a, %d %b %Y %H:%M:%S GMT")
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        assert abs(now - date) < datetime.timedelta(minutes=5)

    def test_they_can_be_replaced_and_cleared(self) -> None:
        class Handler(RequestHandler):
            def set_default_headers(self) -> None:
                self.set_header("Server", "mine")
                self.clear_header("Content-Type")
                self.clear_header("X-Never-Set")

            def get(self) -> None:
                pass

        response = fetch(Handler)
        assert response["Server"] == "mine"
        assert "Content-Type" not in response

    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("text", "text"),
            ("", ""),
            ("é", "é"),
            (b"bytes", "bytes"),
            (b"\xe9", "é"),
            (0, "0"),
            (-5, "-5"),
            (10**20, "1" + "0" * 20),
            (True, "True"),
            (datetime.datetime(2024, 2, 29, 12, 0, 5), "Thu, 29 Feb 2024 12:00:05 GMT"),
            (
                datetime.datetime(
                    2024, 2, 29, 12, 0, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2))
                ),
                "Thu, 29 Feb 2024 10:00:05 GMT",
            ),
        ],
    )
    def test_values_of_every_type(self, value: Any, sent: str) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("X-Value", value)
                self.add_header("X-Added", value)

        response = fetch(Handler)
        assert response["X-Value"] == response["X-Added"] == sent

    @pytest.mark.parametrize("value", [None, 1.5, [], {}, object(), datetime.date(2024, 1, 1)])
    def test_other_types_are_refused(self, value: Any) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                with pytest.raises(TypeError):
                    self.set_header("X-Value", value)
                with pytest.raises(TypeError):
                    self.add_header("X-Value", value)

        assert "X-Value" not in fetch(Handler)

    def test_set_add_and_clear(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.add_header("X-Many", "1")
                self.add_header("x-many", "2")
                self.set_header("X-One", "a")
                self.set_header("x-ONE", "b")
                self.add_header("X-None", "1")
                self.clear_header("x-nONE")
                self.set_header("X-Replaced", "1")
                self.add_header("X-Replaced", "2")
                self.set_header("X-Replaced", "3")

        response = fetch(Handler)
        assert response.all("X-Many") == ["1", "2"]
        assert response.all("X-One") == ["b"]
        assert response.all("X-None") == []
        assert response.all("X-Replaced") == ["3"]

    def test_a_value_no_byte_can_hold(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("X-Value", "€")

        assert fetch(Handler).status == 500
        log.take("Uncaught exception")

    def test_default_headers_hold_for_errors_too(self) -> None:
        class Handler(RequestHandler):
            def set_default_headers(self) -> None:
                self.set_header("X-Frame-Options", "DENY")

            def get(self) -> None:
                raise HTTPError(404)

        assert fetch(Handler)["X-Frame-Options"] == "DENY"


class TestNoBody:
    def test_head_has_the_length_and_no_body(self) -> None:
        async def main() -> None:
            async with serving(application(writer("body"))) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request(method="HEAD")
                    assert response["Content-Length"] == "4"
                assert (await client.request()).body == b"body"

        run(main)

    def test_head_flushed(self) -> None:
        class Handler(RequestHandler):
            async def head(self) -> None:
                self.write("one")
                await self.flush()
                self.write("two")
                await self.flush()

            def get(self) -> None:
                self.write("next")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                response = await client.request(method="HEAD")
                assert response.status == 200
                assert (await client.request()).body == b"next"

        run(main)

    def test_head_with_a_length_of_the_programs_own(self) -> None:
        class Handler(RequestHandler):
            def head(self) -> None:
                self.set_header("Content-Length", 12345)

        assert fetch(Handler, method="HEAD")["Content-Length"] == "12345"

    @pytest.mark.parametrize("status", [204, 304])
    def test_statuses_without_one(self, status: int) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_status(status)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request()
                    assert response.status == status
                    for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
                        assert name not in response

        run(main)

    @pytest.mark.parametrize("status", [204, 304])
    def test_writing_one_there_is_an_error(self, status: int, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_status(status)
                self.write("body")

        assert fetch(Handler).status == 500
        record = log.take("Cannot send body with")
        assert record.exc_info is not None and record.exc_info[0] is RuntimeError

    def test_204_flushed(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.set_status(204)
                await self.flush()

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request()
                    assert response.status == 204
                    assert "Transfer-Encoding" not in response

        run(main)


class TestFlush:
    class Pieces(RequestHandler):
        async def get(self) -> None:
            for piece in ("one", "two", "three"):
                self.write(piece)
                await self.flush()

    def test_chunks_come_as_they_are_flushed(self) -> None:
        response = fetch(self.Pieces)
        assert response.chunks == [b"one", b"two", b"three"]
        assert "Etag" not in response

    def test_the_client_has_a_piece_before_the_next_is_made(self) -> None:
        async def main() -> None:
            go_on = asyncio.Event()

            class Handler(RequestHandler):
                async def get(self) -> None:
                    self.write("first")
                    await self.flush()
                    await go_on.wait()
                    self.write("second")

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head())
                await client.response_head()
                assert await client.chunk() == b"first"
                go_on.set()
                assert await client.chunk() == b"second"
                assert await client.chunk() == b""

        run(main)

    def test_headers_alone(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.set_header("X-Early", "1")
                await self.flush()
                with pytest.warns(RuntimeWarning, match="set_header"):
                    self.set_header("X-Late", "1")
                self.write("body")

        response = fetch(Handler)
        assert (response["X-Early"], response.body) == ("1", b"body")
        assert "X-Late" not in response

    def test_of_nothing_ends_nothing(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.write("a")
                await self.flush()
                await self.flush()
                await self.flush()
                self.write("b")

        assert fetch(Handler).chunks == [b"a", b"b"]

    def test_without_waiting(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                for number in range(100):
                    self.write(str(number))
                    self.flush()

        assert fetch(Handler).text == "".join(map(str, range(100)))

    def test_http_1_0_gets_no_chunks_and_no_promise(self) -> None:
        async def main() -> None:
            async with serving(application(self.Pieces)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                response = await client.response()
                assert response.body == b"onetwothree"
                assert "Transfer-Encoding" not in response
                assert response["Connection"] == "close"

        run(main)

    def test_a_slow_client_holds_the_handler_back(self) -> None:
        async def main() -> None:
            sent = 0
            piece = bytes(1_000_000)

            class Handler(RequestHandler):
                async def get(self) -> None:
                    nonlocal sent
                    for _ in range(30):
                        self.write(piece)
                        await self.flush()
                        sent += 1

            async with serving(application(Handler)) as server:
                client = await server.connect()
                transport: Any = client.writer.transport
                transport.pause_reading()
                await client.send(head())
                for _ in range(300):
                    await asyncio.sleep(0)
                assert sent < 30
                transport.resume_reading()
                response = await client.response()
                assert len(response.body) == 30_000_000

        run(main)


class TestContentLength:
    def test_of_the_program(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.set_header("Content-Length", 6)
                self.write("abc")
                await self.flush()
                self.write("def")

        response = fetch(Handler)
        assert (response["Content-Length"], response.body) == ("6", b"abcdef")
        assert "Transfer-Encoding" not in response

    def test_too_small_before_anything_was_sent(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Length", 3)
                self.write("four")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(headers={"Connection": "close"}))
                data = await client.rest()
                # An error page or a closed connection, and no cut body that looks whole.
                assert not data or data.startswith(b"HTTP/1.1 500 ")

        run(main)
        log.take("Tried to write more data than Content-Length")
        log.unread.clear()

    def test_too_small_after_headers_went_out(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Length", 3)
                self.write("two")
                self.flush()
                self.write("more")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head())
                assert (await client.response()).body == b"two"
                assert await client.rest() == b""

        run(main)
        log.take("Tried to write more data than Content-Length")
        log.unread.clear()

    @pytest.mark.parametrize("flush", [False, True])
    def test_too_large(self, flush: bool, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Length", 10)
                self.write("four")
                if flush:
                    self.flush()

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head())
                data = await client.rest()
                assert not data.startswith(b"HTTP/1.1 200 ") or data.endswith(b"\r\n\r\nfour")

        run(main)
        log.take("Tried to write 6 bytes less than Content-Length")
        log.unread.clear()

    @pytest.mark.parametrize("value", ["-1", "x", "1, 1", "0x4", "+4"])
    def test_malformed(self, value: str, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Length", value)
                self.write("body")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head())
                data = await client.response()
                assert data.status == 500

        run(main)
        log.unread.clear()

    def test_the_next_response_is_not_concerned(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self, what: str) -> None:
                if what == "bad":
                    self.set_header("Content-Length", 2)
                self.write("body")

        async def main() -> None:
            async with serving(Application([("/(.*)", Handler)])) as server:
                await server.fetch("/good")
                client = await server.connect()
                await client.send(head("/bad", headers={"Connection": "close"}))
                assert not (await client.rest()).startswith(b"HTTP/1.1 200 ")
                assert (await server.fetch("/good")).body == b"body"

        run(main)
        log.unread.clear()


def test_connection_close_of_the_program() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_header("Connection", "close")
            self.write("last")

    async def main() -> None:
        async with serving(application(Handler)) as server:
            client = await server.connect()
            response = await client.request()
            assert (response["Connection"], response.body) == ("close", b"last")
            assert await client.rest() == b""

    run(main)


def test_json_round_trip() -> None:
    value = {"a": [1, 2.5, None, True, "é</x>"], "b": {"c": "\u2028"}}
    assert json.loads(fetch(writer(value)).text) == value
