"""Forms that the handler reads part by part while they come."""

from __future__ import annotations

import asyncio
import io
import os
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from tests.web.support import (
    LogBook,
    Response,
    application,
    fetch,
    head,
    run,
    serving,
    until,
)

from tornadic.httputil import ParseBodyConfig, ParseMultipartConfig, set_parse_body_config
from tornadic.web import BodyPart, HTTPError, RequestHandler, stream_request_body
from tornadic.web.parts import DEFAULT_READ_LIMIT, SAVE_BLOCK

TYPE = {"Content-Type": "multipart/form-data; boundary=1234"}
END = b"--1234--\r\n"
LARGE = os.urandom(2_500_000)


@pytest.fixture(autouse=True)
def refusals(log: LogBook) -> Iterator[None]:
    """What is the client's fault is a line in the log, and expected here."""
    yield
    log.unread = [r for r in log.unread if not re.match(r"4\d\d POST /", r.getMessage())]


def part(name: str, body: bytes = b"x", filename: str | None = None) -> bytes:
    line = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        line += f'; filename="{filename}"\r\nContent-Type: text/plain'
    return b"--1234\r\n" + line.encode() + b"\r\n\r\n" + body + b"\r\n"


def reading(read: Callable[[RequestHandler], Awaitable[Any]]) -> type[RequestHandler]:
    """A handler class whose ``post`` is ``read``, and what that returns is sent back."""

    @stream_request_body
    class Handler(RequestHandler):
        async def post(self) -> None:
            self.write({"found": await read(self)})

        def get(self) -> None:
            self.write("got")

    return Handler


def post(
    read: Callable[[RequestHandler], Awaitable[Any]], body: bytes, headers: dict[str, str] = TYPE
) -> Response:
    return fetch(reading(read), "/", "POST", headers, body)


async def summary(handler: RequestHandler) -> Any:
    """Name, file name, content type and size of all parts."""
    return [
        [part.name, part.filename, part.content_type, len(await part.read())]
        async for part in handler.stream_parts()
    ]


async def names(handler: RequestHandler) -> Any:
    return [part.name async for part in handler.stream_parts()]


def test_fields_and_files() -> None:
    body = part("a", b"") + part("f", b"\r\n\0", "x.txt") + part("a", b"12") + END
    assert post(summary, body).text == (
        '{"found": [["a", null, null, 0], ["f", "x.txt", "text/plain", 3], ["a", null, null, 2]]}'
    )


def test_headers_of_a_part() -> None:
    async def read(handler: RequestHandler) -> Any:
        return [[part.headers["content-type"], repr(part)] async for part in handler.stream_parts()]

    assert post(read, part("f", b"", "x") + END).text == (
        '{"found": [["text/plain", "BodyPart(name=\'f\', filename=\'x\')"]]}'
    )


@pytest.mark.parametrize("body", [END, b"--1234--", b"--1234\r\n" + END, END + b"epilogue" * 99999])
def test_an_empty_form(body: bytes) -> None:
    assert post(names, body).text == '{"found": []}'


def test_pieces_come_while_the_rest_is_on_its_way() -> None:
    seen: list[Any] = []

    async def read(handler: RequestHandler) -> Any:
        async for part in handler.stream_parts():
            seen.append(part.name)
            async for piece in part:
                seen.append(piece)

    async def main() -> None:
        async with serving(application(reading(read))) as server:
            client = await server.connect()
            body = part("a", b"one-two") + part("b", b"") + END
            await client.send(head("/", "POST", TYPE, body))
            for sent, due in (
                (part("a", b"one-")[:-2], 2),
                (b"two\r\n--12", 3),
                (part("b", b"")[4:], 4),
            ):
                await client.send(sent)
                await until(lambda: len(seen) == due)  # noqa: B023
            await client.send(END)
            assert (await client.response()).status == 200

    run(main)
    assert seen == ["a", b"one-", b"two", "b"]


def test_byte_by_byte() -> None:
    body = part("a", b"\r\n--123") + part("f", b"\r\n", "x") + END

    async def main() -> None:
        async with serving(application(reading(summary)), chunk_size=1) as server:
            response = await server.fetch("/", "POST", TYPE, body)
            assert '[["a", null, null, 7], ["f", "x", "text/plain", 2]]' in response.text

    run(main)


def test_what_is_not_read_is_skipped() -> None:
    async def read(handler: RequestHandler) -> Any:
        found: list[Any] = []
        async for part in handler.stream_parts():
            if part.name == "a":
                async for piece in part:
                    found.append(len(piece) > 0)
                    break
            elif part.name == "c":
                found.append((await part.read()).decode())
        return found

    body = part("a", LARGE) + part("b", LARGE) + part("c", b"read") + part("d", LARGE) + END
    assert post(read, body).text == '{"found": [true, "read"]}'


def test_a_part_is_read_once() -> None:
    async def read(handler: RequestHandler) -> Any:
        async for part in handler.stream_parts():
            first = await anext(part)
            return [len(first) + len(await part.read()), len(await part.read())]

    assert post(read, part("a", b"x" * 1000) + END).text == '{"found": [1000, 0]}'


def test_a_part_that_was_passed_over() -> None:
    async def read(handler: RequestHandler) -> Any:
        parts = handler.stream_parts()
        first = await anext(parts)
        second = await anext(parts)
        with pytest.raises(RuntimeError, match="'a' was passed over"):
            await first.read()
        return (await second.read()).decode()

    assert post(read, part("a") + part("b", b"2") + END).text == '{"found": "2"}'


def test_a_slow_reader_slows_the_client_down() -> None:
    async def main() -> None:
        release = asyncio.Event()
        received = 0

        async def read(handler: RequestHandler) -> Any:
            nonlocal received
            async for part in handler.stream_parts():
                async for piece in part:
                    received += len(piece)
                    await release.wait()
            return received

        size = 30_000_000
        async with serving(application(reading(read))) as server:
            client = await server.connect()
            begin, end = part("a", b"")[:-2], b"\r\n" + END
            headers = {**TYPE, "Content-Length": str(len(begin) + size + len(end))}
            client.writer.write(head("/", "POST", headers) + begin)

            async def send() -> None:
                for _ in range(300):
                    client.writer.write(bytes(100_000))
                    await client.writer.drain()
                client.writer.write(end)

            sending = asyncio.create_task(send())
            await until(lambda: received)
            for _ in range(200):
                await asyncio.sleep(0)
            assert not sending.done()
            assert received <= 65536
            release.set()
            await sending
            assert f'{{"found": {size}}}' == (await client.response()).text

    run(main)


class TestRead:
    @pytest.mark.parametrize("limit", [0, 1, 100_000])
    def test_at_the_limit_and_beyond(self, limit: int) -> None:
        async def read(handler: RequestHandler) -> Any:
            async for part in handler.stream_parts():
                return len(await part.read(limit))

        assert post(read, part("a", b"x" * limit) + END).text == f'{{"found": {limit}}}'
        assert post(read, part("a", b"x" * (limit + 1)) + END).status == 413

    def test_there_is_a_limit_by_default(self) -> None:
        async def read(handler: RequestHandler) -> Any:
            async for part in handler.stream_parts():
                return len(await part.read())

        body = b"x" * DEFAULT_READ_LIMIT
        assert post(read, part("a", body) + END).status == 200
        assert post(read, part("a", body + b"x") + END).status == 413


class TestSaveTo:
    def save(self, target: Any, body: bytes, **options: Any) -> Response:
        async def read(handler: RequestHandler) -> Any:
            return [
                await part.save_to(target() if callable(target) else target, **options)
                async for part in handler.stream_parts()
            ]

        return post(read, body)

    @pytest.mark.parametrize(
        "size", [0, 1, SAVE_BLOCK - 1, SAVE_BLOCK, SAVE_BLOCK + 1, 2 * SAVE_BLOCK]
    )
    def test_to_a_path(self, tmp_path: Path, size: int) -> None:
        path = tmp_path / "saved"
        body = LARGE[:size]
        response = self.save(path, part("f", body, "../../evil") + END)
        assert response.text == f'{{"found": [{size}]}}'
        assert path.read_bytes() == body
        assert os.listdir(tmp_path) == ["saved"]

    def test_permissions_are_those_of_any_file(self, tmp_path: Path) -> None:
        self.save(str(tmp_path / "saved"), part("f") + END)
        (tmp_path / "other").touch()
        assert (tmp_path / "saved").stat().st_mode == (tmp_path / "other").stat().st_mode

    def test_a_file_that_is_there_is_replaced_when_the_new_one_is_whole(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "saved"
        path.write_bytes(b"old")
        with path.open("rb") as old:
            assert self.save(path, part("f", b"new") + END).status == 200
            assert old.read() == b"old"
        assert path.read_bytes() == b"new"

    def test_to_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert self.save("saved", part("f", b"new") + END).status == 200
        assert os.listdir(tmp_path) == ["saved"]

    def test_to_an_object(self) -> None:
        target = io.BytesIO()
        assert self.save(target, part("f", LARGE) + part("g", b"more") + END).status == 200
        assert target.getvalue() == LARGE + b"more"

    def test_to_a_raw_file_that_takes_little_at_a_time(self) -> None:
        class Slow(io.RawIOBase):
            data = b""

            def writable(self) -> bool:
                return True

            def write(self, data: Any) -> int:
                self.data += bytes(data[:100_000])
                return min(len(data), 100_000)

        target = Slow()
        assert self.save(target, part("f", LARGE) + END).status == 200
        assert target.data == LARGE

    def test_the_loop_goes_on_while_the_disk_is_slow(self) -> None:
        release = threading.Event()

        class Slow:
            threads: set[int] = set()

            def write(self, data: bytes) -> None:
                self.threads.add(threading.get_ident())
                assert release.wait(10)

        target: Any = Slow()

        async def read(handler: RequestHandler) -> Any:
            return [await part.save_to(target) async for part in handler.stream_parts()]

        async def main() -> None:
            async with serving(application(reading(read))) as server:
                client = await server.connect()
                body = part("f", b"body") + END
                await client.send(head("/", "POST", TYPE, body) + body)
                await until(lambda: target.threads)
                assert (await server.fetch()).body == b"got"
                release.set()
                assert (await client.response()).text == '{"found": [4]}'

        run(main)
        assert threading.get_ident() not in target.threads

    def test_at_the_limit_and_beyond(self, tmp_path: Path) -> None:
        path = tmp_path / "saved"
        assert self.save(path, part("f", b"x" * 10) + END, limit=10).status == 200
        assert self.save(path, part("f", b"x" * 11) + END, limit=10).status == 413
        assert path.read_bytes() == b"x" * 10
        large = part("f", LARGE) + END
        assert self.save(path, large, limit=len(LARGE) - 1).status == 413
        assert os.listdir(tmp_path) == ["saved"]

    def test_a_directory_that_is_not_there(self, tmp_path: Path, log: LogBook) -> None:
        response = self.save(tmp_path / "missing" / "saved", part("f") + END)
        assert response.status == 500
        log.take("FileNotFoundError")

    def test_a_directory_in_the_place_of_the_file(self, tmp_path: Path, log: LogBook) -> None:
        (tmp_path / "saved").mkdir()
        assert self.save(tmp_path / "saved", part("f") + END).status == 500
        assert os.listdir(tmp_path) == ["saved"]
        log.take("IsADirectoryError")

    def test_an_object_that_fails(self, log: LogBook) -> None:
        class Full:
            def write(self, data: bytes) -> None:
                raise OSError(28, "No space left on device")

        assert self.save(Full(), part("f", LARGE) + END).status == 500
        log.take("No space left on device")

    @pytest.mark.parametrize("how", ["gone", "malformed", "cancelled"])
    def test_nothing_is_left_of_a_file_that_is_not_whole(self, tmp_path: Path, how: str) -> None:
        tasks: list[asyncio.Task[Any]] = []
        ends: list[BaseException] = []
        body = part("f", LARGE) + END

        async def read(handler: RequestHandler) -> Any:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            try:
                async for part in handler.stream_parts():
                    await part.save_to(tmp_path / "saved")
            except BaseException as e:
                ends.append(e)
                raise

        async def main() -> None:
            async with serving(application(reading(read))) as server:
                client = await server.connect()
                await client.send(head("/", "POST", TYPE, body) + body[:2_000_000])
                # It is being written.
                await until(lambda: os.listdir(tmp_path))
                (name,) = os.listdir(tmp_path)
                assert name.startswith(".") and name.endswith(".part")
                if how == "gone":
                    client.abort()
                elif how == "malformed":
                    await client.send(bytes(len(body) - 2_000_000))
                    assert (await client.response()).status == 400
                else:
                    tasks[0].cancel()
                await until(lambda: ends)
                assert os.listdir(tmp_path) == []

        run(main)


class TestErrors:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"preamble\r\n" + END,
            part("a"),
            part("a")[:-2],
            part("a") + b"--1234",
            part("a") + b"--1234--x",
            part("a") + b"--12345\r\n",
            b"--1234\r\nX: y\r\n\r\n\r\n" + END,
            b"--1234\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n\r\n" + END,
            b"--1234\r\n\r\n\r\n" + END,
        ],
    )
    def test_a_malformed_form_is_a_400(self, body: bytes) -> None:
        headers = {**TYPE, "Content-Length": str(len(body))}
        assert post(names, body, headers).status == 400

    @pytest.mark.parametrize(
        ("content_type", "status"),
        [
            ("multipart/form-data", 400),
            ("multipart/form-data; boundary=", 400),
            ('multipart/form-data; boundary="', 400),
            ("multipart/form-data; boundary=a; boundary=b", 400),
            ("multipart/form-data; boundary=" + "b" * 201, 400),
            ("multipart/form-data; boundary=other", 400),
            ("multipart/form-data; boundary=\xe4", 400),
            ("multipart/mixed; boundary=1234", 415),
            ("multipart/form-datax; boundary=1234", 415),
            ("application/x-www-form-urlencoded", 415),
            ("", 415),
            ('multipart/form-data; boundary="1234"', 200),
            ("Multipart/Form-Data; boundary=1234; charset=utf-8", 200),
        ],
    )
    def test_content_types(self, content_type: str, status: int) -> None:
        response = post(names, part("a") + END, {"Content-Type": content_type})
        assert response.status == status

    def test_no_content_type_at_all(self) -> None:
        assert post(names, part("a") + END, {}).status == 415

    def test_a_coding_that_nobody_undid(self) -> None:
        assert post(names, b"body", {**TYPE, "Content-Encoding": "gzip"}).status == 400

    def test_at_most_100_parts(self) -> None:
        assert post(names, part("a") * 100 + END).status == 200
        assert post(names, part("a") * 101 + END).status == 413
        assert post(names, b"--1234\r\n" * 101 + END).status == 413

    def test_headers_of_a_part_are_bounded(self) -> None:
        start = b"--1234\r\nContent-Disposition: form-data; name=a\r\nX: "
        at_limit = start + b"y" * (10 * 1024 - len(start) + 8)
        rest = b"\r\n\r\n\r\n" + END
        assert post(names, at_limit + rest).status == 200
        assert post(names, at_limit + b"y" + rest).status == 413

    def test_all_of_it_is_bounded(self) -> None:
        body = part("a") + END

        async def read(handler: RequestHandler) -> Any:
            return [part.name async for part in handler.stream_parts(max_size=len(body))]

        assert post(read, body).status == 200
        assert post(read, body + b"x").status == 413

    def test_limits_can_be_set(self) -> None:
        config = ParseMultipartConfig(max_parts=1)

        async def read(handler: RequestHandler) -> Any:
            return [part.name async for part in handler.stream_parts(config=config)]

        assert post(read, part("a") + END).status == 200
        assert post(read, part("a") * 2 + END).status == 413
        set_parse_body_config(ParseBodyConfig(multipart=ParseMultipartConfig(enabled=False)))
        try:
            assert post(names, part("a") + END).status == 400
            assert post(read, part("a") + END).status == 200
        finally:
            set_parse_body_config(ParseBodyConfig())

    def test_an_error_stays_one(self) -> None:
        async def read(handler: RequestHandler) -> Any:
            parts = handler.stream_parts()
            await anext(parts)
            found = []
            for _ in range(3):
                try:
                    await anext(parts)
                except Exception as e:
                    found.append(str(e))
            return found

        text = post(read, part("a") + b"--1234xy").text
        assert text.count("no line end after a boundary") == 3

    def test_a_form_that_is_read_on_after_its_end(self) -> None:
        async def read(handler: RequestHandler) -> Any:
            parts = handler.stream_parts()
            return [[part.name async for part in parts] for _ in range(3)]

        assert post(read, part("a") + END).text == '{"found": [["a"], [], []]}'

    def test_not_for_other_handlers(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            async def post(self) -> None:
                self.stream_parts()

        assert fetch(Handler, "/", "POST", TYPE, END).status == 500
        log.take("RuntimeError: stream_parts() is for a class with @stream_request_body")

    def test_an_answer_in_the_middle(self) -> None:
        async def read(handler: RequestHandler) -> Any:
            async for part in handler.stream_parts():
                if part.name == "b":
                    raise HTTPError(409)

        async def main() -> None:
            async with serving(application(reading(read))) as server:
                client = await server.connect()
                body = part("a") + part("b", LARGE[:100_000]) + END
                for _ in range(2):
                    assert (await client.request("/", "POST", TYPE, body)).status == 409
                assert (await client.request()).body == b"got"

        run(main)

    def test_one_line_in_the_log_for_a_bad_form(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        post(names, part("a") * 3 + b"--1234x")
        lines = [record for record in caplog.records if record.name.startswith("tornado")]
        assert len(lines) == 1


def test_a_part_can_be_named_in_annotations() -> None:
    def takes(part: BodyPart, file: BinaryIO) -> None: ...

    assert takes.__annotations__["part"] == "BodyPart"
