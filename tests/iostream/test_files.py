"""Files over streams: in order, exactly as much as asked for, and nothing left open."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.iostream.support import run, sockets, under_tls, until
from tests.server.logs import Log

from tornadic.iostream import IOStream, StreamClosedError, files

SIZE = 3 * files.WINDOW_SIZE + 12345
CONTENT = os.urandom(SIZE)


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_RDWR)
    try:
        yield fd
    finally:
        os.close(fd)


class Plain(IOStream):
    """Writes in a way of its own, so that the kernel cannot do it."""

    def write_to_fd(self, data: memoryview) -> int:
        return self.socket.send(data)


@asynccontextmanager
async def linked(kind: type[IOStream]) -> AsyncIterator[tuple[IOStream, IOStream]]:
    """A stream to read from, and one of this kind that writes to it."""
    ours, theirs = socket.socketpair()
    reader, writer = IOStream(ours), kind(theirs)
    try:
        yield reader, writer
    finally:
        reader.close()
        writer.close()


@pytest.fixture(params=["sendfile", "own write", "no preadv"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "no preadv":
        monkeypatch.setattr(files, "_NO_WAIT", 0)
    return IOStream if request.param == "sendfile" else Plain


class TestSendFile:
    def test_between_writes(self, fd: int, how: Any) -> None:
        async def main() -> None:
            async with linked(how) as (reader, writer):
                reading = reader.read_bytes(5_000_000 + SIZE + 3)
                writer.write(bytes(5_000_000))
                await writer.send_file(fd, 0, SIZE)
                await writer.write(b"end")
                assert await reading == bytes(5_000_000) + CONTENT + b"end"
                assert not writer.writing()

        run(main)

    @pytest.mark.parametrize(
        ("offset", "count"),
        [
            (0, 0),
            (SIZE, 0),
            (0, 1),
            (SIZE - 1, 1),
            (1, files.WINDOW_SIZE),
            (7, files.WINDOW_SIZE + 1),
            (1, files.READ_SIZE + 1),
        ],
    )
    def test_a_part(self, fd: int, how: Any, offset: int, count: int) -> None:
        async def main() -> None:
            async with linked(how) as (reader, writer):
                reading = reader.read_bytes(count + 1)
                await writer.send_file(fd, offset, count)
                await writer.write(b".")
                assert await reading == CONTENT[offset : offset + count] + b"."

        run(main)

    def test_over_tls(self, fd: int, certificates: Certificates) -> None:
        async def main() -> None:
            async with under_tls(certificates) as (reader, writer):
                reading = reader.read_bytes(SIZE)
                await writer.send_file(fd, 0, SIZE)
                assert await reading == CONTENT

        run(main)

    def test_what_is_on_a_disk_is_read_in_a_thread(
        self, fd: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[int, int]] = []
        real = files._read_through

        def spy(fd: int, offset: int, size: int) -> None:
            asked.append((offset, size))
            real(fd, offset, size)

        monkeypatch.setattr(files, "_in_memory", lambda fd, offset, size: False)
        monkeypatch.setattr(files, "_read_through", spy)

        async def main() -> None:
            async with sockets() as (reader, writer):
                reading = reader.read_bytes(SIZE)
                await writer.send_file(fd, 0, SIZE)
                assert await reading == CONTENT

        run(main)
        window = files.WINDOW_SIZE
        assert asked == [(n * window, window) for n in range(3)] + [(3 * window, 12345)]

    def test_a_file_that_became_shorter(self, fd: int, how: Any, log: Log) -> None:
        async def main() -> None:
            async with linked(how) as (reader, writer):
                sending = asyncio.ensure_future(writer.send_file(fd, 0, SIZE))
                assert await reader.read_bytes(1000) == CONTENT[:1000]
                os.truncate(fd, 2000)
                rest = await reader.read_until_close()
                assert CONTENT.startswith(CONTENT[:1000] + rest[:1000])
                assert len(rest) < SIZE - 1000
                with pytest.raises(StreamClosedError) as caught:
                    await sending
                assert "shorter" in str(caught.value.real_error)
                assert writer.closed()

        run(main)
        log.one("has become shorter")

    def test_the_peer_leaves(self, fd: int, how: Any) -> None:
        async def main() -> None:
            async with linked(how) as (reader, writer):
                os.truncate(fd, 100 * SIZE)
                sending = asyncio.ensure_future(writer.send_file(fd, 0, 100 * SIZE))
                await until(writer.writing)
                reader.close()
                with pytest.raises(StreamClosedError):
                    await sending
                assert writer.closed()
                with pytest.raises(StreamClosedError):
                    await writer.send_file(fd, 0, SIZE)

        run(main)

    def test_cancelled(self, fd: int) -> None:
        """What was begun cannot be taken back, so that nothing may follow it."""

        async def main() -> None:
            async with sockets() as (_, writer):
                sending = asyncio.ensure_future(writer.send_file(fd, 0, SIZE))
                await until(writer.writing)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                assert writer.closed()

        run(main)

    def test_no_range(self, fd: int) -> None:
        async def main() -> None:
            async with sockets() as (_, writer):
                for offset, count in ((-1, 5), (0, -1)):
                    with pytest.raises(ValueError, match="No range"):
                        await writer.send_file(fd, offset, count)

        run(main)

    def test_progress_is_seen(self, fd: int) -> None:
        """By what was sent a server tells a slow client from one that has stopped reading."""

        async def main() -> None:
            async with sockets() as (reader, writer):
                before = writer.write_generation
                sending = asyncio.ensure_future(writer.send_file(fd, 0, SIZE))
                await until(lambda: writer.sent_from_queue)
                assert writer.write_generation == before + 1
                assert 0 < writer.unsent <= files.WINDOW_SIZE
                assert await reader.read_bytes(SIZE) == CONTENT
                await sending

        run(main)
