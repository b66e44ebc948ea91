"""TLS streams once they are open: reads that want to write, writes that want to read, and the
good-bye that tells a complete message from one that was cut off."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.iostream.support import (
    PATIENCE,
    Collector,
    listening,
    run,
    sockets,
    turns,
    under_tls,
    until,
)

from tornadic.iostream import SSLIOStream

BIG = bytes(range(256)) * 20_000


async def call(function: Callable[[], Any]) -> Any:
    """Run what blocks in a thread."""
    return await asyncio.get_running_loop().run_in_executor(None, function)


class Contrary(ssl.SSLSocket):
    """A socket whose reads want to write first, and whose writes want to read, now and then."""

    reads_want_to_write = 0
    writes_want_to_read = 0
    handshake_wants_to_write = 0
    held = b""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        if self.reads_want_to_write:
            self.reads_want_to_write -= 1
            # As OpenSSL may: the bytes have left the descriptor, and are held back.
            self.held = self.held or super().recv(buflen, flags)
            raise ssl.SSLWantWriteError
        held, self.held = self.held, b""
        return held or super().recv(buflen, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        if self.writes_want_to_read:
            self.writes_want_to_read -= 1
            raise ssl.SSLWantReadError
        return super().send(data, flags)

    def do_handshake(self, block: bool = False) -> None:
        if self.handshake_wants_to_write:
            self.handshake_wants_to_write -= 1
            raise ssl.SSLWantWriteError
        super().do_handshake(block)


class TestCrosswise:
    @staticmethod
    @asynccontextmanager
    async def contrary(
        certificates: Certificates, handshake: int = 0
    ) -> AsyncIterator[tuple[SSLIOStream, Any, SSLIOStream]]:
        """A stream, its contrary socket, and the stream at the other end."""
        context = certificates.server_context()
        context.sslsocket_class = type(
            "Contrary", (Contrary,), {"handshake_wants_to_write": handshake}
        )
        async with sockets() as (ours, theirs):
            accepted = ours.start_tls(True, context)
            peer = await theirs.start_tls(False, certificates.client_options(), "localhost")
            stream = await accepted
            try:
                yield stream, stream.socket, peer
            finally:
                stream.close()
                peer.close()

    def test_a_handshake_that_wants_to_write(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with self.contrary(certificates, handshake=3) as (stream, sock, peer):
                assert sock.handshake_wants_to_write == 0
                await peer.write(b"ok")
                assert await stream.read_bytes(2) == b"ok"

        run(main)

    @pytest.mark.parametrize("writing", [False, True])
    @pytest.mark.parametrize("sink", [False, True])
    def test_a_read_that_wants_to_write(
        self, sink: bool, writing: bool, certificates: Certificates
    ) -> None:
        async def main() -> None:
            async with self.contrary(certificates) as (stream, sock, peer):
                sock.reads_want_to_write = 3
                await peer.write(b"hello")
                if writing:
                    written = stream.write(BIG)
                collector = Collector()
                if sink:
                    stream.attach_sink(collector)
                if writing:
                    assert await peer.read_bytes(len(BIG)) == BIG
                    await written
                if sink:
                    await until(lambda: collector.got == [b"hello"])
                else:
                    assert await stream.read_bytes(5) == b"hello"
                assert sock.reads_want_to_write == 0

        run(main)

    @pytest.mark.parametrize("sink", [False, True])
    def test_a_read_that_waits_for_a_full_kernel(
        self, sink: bool, certificates: Certificates
    ) -> None:
        """It has to wait until the peer reads, and the loop has nothing to do meanwhile."""

        async def main() -> None:
            async with self.contrary(certificates) as (stream, sock, peer):
                collector = Collector()
                if sink:
                    stream.attach_sink(collector)
                else:
                    read = stream.read_bytes(10)
                written = stream.write(BIG)
                await turns()
                sock.reads_want_to_write = 1000
                await peer.write(b"hello")
                await turns(50)
                await peer.write(b"hello")
                await turns(50)
                assert 990 < sock.reads_want_to_write < 1000
                sock.reads_want_to_write = 0
                assert await peer.read_bytes(len(BIG)) == BIG
                if sink:
                    await until(lambda: b"".join(collector.got) == b"hellohello")
                else:
                    assert await read == b"hellohello"
                await written

        run(main)

    @pytest.mark.parametrize("reading", [False, True])
    @pytest.mark.parametrize("size", [5, 5_000_000])
    def test_a_write_that_wants_to_read(
        self, size: int, reading: bool, certificates: Certificates
    ) -> None:
        async def main() -> None:
            async with self.contrary(certificates) as (stream, sock, peer):
                data = BIG[:size]
                sock.writes_want_to_read = 3
                if reading:
                    read = stream.read_bytes(3)
                written = stream.write(data)
                more = stream.write(b"more")
                received = peer.read_bytes(size + 4)
                await turns(20)
                assert not written.done() and sock.writes_want_to_read == 2  # and no more tries
                for byte in (b"a", b"b", b"c"):
                    await peer.write(byte)
                    await turns(20)
                assert await received == data + b"more"
                await asyncio.gather(written, more)
                assert await (read if reading else stream.read_bytes(3)) == b"abc"

        run(main)

    def test_a_write_that_wants_to_read_while_reading_is_paused(
        self, certificates: Certificates
    ) -> None:
        """The sink is not fed against its will; the write goes on when it is."""

        async def main() -> None:
            async with self.contrary(certificates) as (stream, sock, peer):
                collector = Collector()
                stream.attach_sink(collector)
                stream.pause_reading()
                sock.writes_want_to_read = 1
                written = stream.write(b"hello")
                await peer.write(b"x")
                await turns(20)
                assert not collector.got and not written.done()
                stream.resume_reading()
                assert await peer.read_bytes(5) == b"hello"
                await written
                assert collector.got == [b"x"]

        run(main)


class TestGoodBye:
    """Close_notify tells a complete message from one that was cut off."""

    @staticmethod
    def end_of(address: Any, context: ssl.SSLContext) -> tuple[bytes, bool]:
        """All that comes, and whether it ended as it should."""
        plain = socket.create_connection(address, timeout=PATIENCE)
        # suppress_ragged_eofs would hide the difference.
        with context.wrap_socket(
            plain, server_hostname="localhost", suppress_ragged_eofs=False
        ) as sock:
            data = b""
            try:
                while piece := sock.recv(65536):
                    data += piece
            except (ssl.SSLEOFError, ConnectionError):
                return data, False
            return data, True

    async def ends(
        self, certificates: Certificates, finish: Callable[[SSLIOStream], Any]
    ) -> tuple[bytes, bool]:
        async with listening(certificates.server_context()) as (address, accepted):
            context = certificates.client_context()
            reading = asyncio.ensure_future(call(partial(self.end_of, address, context)))
            await until(lambda: accepted)
            await accepted[0].wait_for_handshake()
            await accepted[0].write(b"answer")
            finish(accepted[0])
            outcome: tuple[bytes, bool] = await reading
            return outcome

    @pytest.mark.parametrize("way", ["close", "close_when_written", "shutdown_write"])
    def test_is_said(self, way: str, certificates: Certificates) -> None:
        async def main() -> None:
            outcome = await self.ends(certificates, lambda stream: getattr(stream, way)())
            assert outcome == (b"answer", True)

        run(main)

    def test_is_said_behind_what_waits(self, certificates: Certificates) -> None:
        async def main() -> None:
            def finish(stream: SSLIOStream) -> None:
                stream.write(BIG)
                stream.close_when_written()

            assert await self.ends(certificates, finish) == (b"answer" + BIG, True)

        run(main)

    def test_is_not_said_after_a_fault(self, certificates: Certificates) -> None:
        async def main() -> None:
            outcome = await self.ends(certificates, lambda s: s.close(exc_info=ValueError()))
            assert outcome == (b"answer", False)

        run(main)

    def test_is_not_said_if_something_is_missing(self, certificates: Certificates) -> None:
        async def main() -> None:
            def finish(stream: SSLIOStream) -> None:
                stream.write(BIG * 4)
                stream.close()

            data, complete = await self.ends(certificates, finish)
            assert len(data) < 6 + 4 * len(BIG) and not complete

        run(main)

    def test_loses_nothing_that_is_on_its_way(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with under_tls(certificates) as (stream, peer):
                await peer.write(b"on its way")
                stream.shutdown_write()
                assert await stream.read_bytes(10) == b"on its way"

        run(main)

    def test_something_comes_in_the_very_moment(
        self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """OpenSSL decrypts nothing more then; the peer is still heard out, and not cut off."""
        monkeypatch.setattr(SSLIOStream, "_has_more_to_read", lambda self: False)

        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                peer = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
                await peer.connect(address, "localhost")
                [stream] = accepted
                await stream.wait_for_handshake()
                sink = Collector()
                stream.attach_sink(sink)
                sent = peer.write(BIG)
                stream.send(b"answer")
                stream.shutdown_write()
                assert await peer.read_bytes(6) == b"answer"
                peer.pause_reading()
                await sent
                assert not stream.closed()
                peer.close()
                await until(lambda: sink.ended)
                assert not sink.got and stream.error is None

        run(main)

    def test_half_closed_before_the_handshake(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                with socket.create_connection(address):
                    await until(lambda: accepted)
                    accepted[0].shutdown_write()
                    assert accepted[0].closed()

        run(main)
