"""TLS streams: how they come about, who is let in, and what a failed handshake leaves behind."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.iostream.support import (
    Collector,
    fails_with,
    linger_not,
    listening,
    raw,
    receive,
    reset,
    run,
    sockets,
    turns,
    under_tls,
    until,
)
from tests.server.logs import Log

from tornadic.iostream import IOStream, SSLIOStream, StreamClosedError, tls

BIG = bytes(range(256)) * 20_000

# What may come to a TLS port that is no TLS, or not enough of it.
NOT_TLS = {
    "plain HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zeros": b"\0" * 100,
    "a record too long": b"\x16\x03\x01\xff\xff" + b"z" * 3000,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "data before the handshake": b"\x17\x03\x03\x00\x05hello",
    "a broken hello": b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c" + b"\xff" * 12,
}


class TestHandshake:
    def test_connect(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
                assert await stream.connect(address, server_hostname="localhost") is stream
                certificate = stream.socket.getpeercert()
                assert certificate is not None
                assert certificate["subject"] == ((("commonName", "localhost"),),)
                assert stream.encrypted and not stream.closed()
                [other] = accepted
                assert await other.wait_for_handshake() is other
                assert await other.wait_for_handshake() is other  # it is behind us
                await stream.write(b"hello")
                assert await other.read_bytes(5) == b"hello"
                stream.close()

        run(main)

    def test_a_context_and_an_ip_address(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, _):
                stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_context())
                await stream.connect(address, server_hostname="127.0.0.1")
                stream.close()

        run(main)

    def test_nothing_is_checked_if_one_says_so(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, _):
                stream = SSLIOStream(socket.socket(), ssl_options={"cert_reqs": ssl.CERT_NONE})
                await stream.connect(address)
                stream.close()

        run(main)

    def test_reads_and_writes_wait_for_it(self, certificates: Certificates) -> None:
        async def main() -> None:
            answers: list[Awaitable[None]] = []

            def answer(other: SSLIOStream) -> None:
                answered = other.write(b"early answer\n")
                assert not answered.done()
                answers.append(answered)

            context = certificates.server_context()
            async with listening(context, answer) as (address, accepted):
                stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
                connected = stream.connect(address, "localhost")
                written = stream.write(b"early" + BIG)
                read = stream.read_until(b"\n")
                assert not written.done()
                await until(lambda: accepted)
                [other] = accepted
                assert await other.read_bytes(5 + len(BIG)) == b"early" + BIG
                assert await read == b"early answer\n"
                await asyncio.gather(connected, written, *answers)
                stream.close()

        run(main)

    def test_the_loop_does_not_spin_meanwhile(self, certificates: Certificates) -> None:
        async def main() -> None:
            calls: list[int] = []

            class Counted(ssl.SSLSocket):
                def do_handshake(self, block: bool = False) -> None:
                    calls.append(1)
                    super().do_handshake(block)

            context = certificates.server_context()
            context.sslsocket_class = Counted
            async with listening(context) as (address, accepted):
                with socket.create_connection(address) as peer:
                    peer.send(b"\x16\x03\x01\x02\x00")  # the beginning of a record
                    await until(lambda: accepted)
                    accepted[0].write(b"waits")
                    await turns(50)
                    assert 0 < len(calls) < 5

        run(main)

    def test_goes_on_whoever_reads(self, certificates: Certificates) -> None:
        """What is paused is the data, not the handshake."""

        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
                connected = stream.connect(address, "localhost")
                await until(lambda: accepted)
                [other] = accepted
                other.attach_sink(Collector())
                other.detach_sink()
                second = Collector()
                other.attach_sink(second)
                other.pause_reading()
                await connected
                await stream.write(b"hello")
                await turns(20)
                assert not second.got
                other.resume_reading()
                await until(lambda: second.got)
                stream.close()

        run(main)

    def test_a_server_may_ask_for_a_certificate(self, certificates: Certificates) -> None:
        async def main() -> None:
            context = certificates.server_context()
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(certificates.client)
            async with listening(context) as (address, accepted):
                options = certificates.client_context(with_certificate=True)
                stream = SSLIOStream(socket.socket(), ssl_options=options)
                await stream.connect(address, "localhost")
                await accepted[0].wait_for_handshake()
                certificate = accepted[0].socket.getpeercert()
                assert certificate is not None
                assert certificate["subject"] == ((("commonName", "Anne Client"),),)
                stream.close()

        run(main)

    def test_a_client_without_the_certificate_asked_for(
        self, certificates: Certificates, log: Log
    ) -> None:
        async def main() -> None:
            context = certificates.server_context()
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(certificates.client)
            async with listening(context) as (address, accepted):
                options = certificates.client_options()
                stream = SSLIOStream(socket.socket(), ssl_options=options)
                # The client is done before the server has looked (RFC 8446 section 4.4).
                await stream.connect(address, "localhost")
                waiting = accepted[0].wait_for_handshake()
                await fails_with(stream.read_bytes(1), ssl.SSLError)
                with pytest.raises(ssl.SSLError):
                    await waiting

        run(main)
        for record in log.take():  # one for each side
            assert record.exc_info is None and "CERTIFICATE" in record.getMessage().upper()

    def test_application_protocol(self, certificates: Certificates) -> None:
        async def main() -> None:
            server, client = certificates.server_context(), certificates.client_context()
            server.set_alpn_protocols(["http/1.1"])
            client.set_alpn_protocols(["h2", "http/1.1"])
            async with listening(server) as (address, accepted):
                stream = SSLIOStream(socket.socket(), ssl_options=client)
                await stream.connect(address, "localhost")
                await accepted[0].wait_for_handshake()
                assert accepted[0].socket.selected_alpn_protocol() == "http/1.1"
                stream.close()

        run(main)


class TestRefusals:
    """The client does not like the server; both are told, each logs one line at most."""

    @pytest.mark.parametrize("kind", ["wrong name", "unknown authority", "old version"])
    def test_by_the_client(self, kind: str, certificates: Certificates, log: Log) -> None:
        server = certificates.server_context()
        options: Any = certificates.client_options()
        if kind == "unknown authority":
            options = None
        if kind == "old version":
            options = certificates.client_context()
            options.maximum_version = ssl.TLSVersion.TLSv1_2
            server.minimum_version = ssl.TLSVersion.TLSv1_3

        async def main() -> None:
            async with listening(server) as (address, accepted):
                stream = SSLIOStream(socket.socket(), ssl_options=options)
                name = "other.example" if kind == "wrong name" else "localhost"
                connected = stream.connect(address, name)
                read, written = stream.read_bytes(1), stream.write(b"secret")
                with pytest.raises(ssl.SSLError) as caught:
                    await connected
                assert stream.closed() and stream.error is caught.value
                if kind != "old version":
                    assert isinstance(caught.value, ssl.SSLCertVerificationError)
                await fails_with(read, ssl.SSLError)
                await fails_with(written, ssl.SSLError)
                await until(lambda: accepted)
                with pytest.raises(ssl.SSLError):
                    await accepted[0].wait_for_handshake()
                assert accepted[0].closed()

        run(main)
        records = log.take()
        assert len(records) == 2
        for record in records:
            assert record.getMessage().startswith("SSL Error") and record.exc_info is None

    def test_a_name_is_required(self, certificates: Certificates, log: Log) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, _):
                stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
                with pytest.raises(ValueError, match="hostname"):
                    await stream.connect(address)
                assert stream.closed()

        run(main)
        log.one("hostname")

    @pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64, "local\0host"])
    def test_a_name_that_is_none(self, name: str, certificates: Certificates, log: Log) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, _):
                stream = SSLIOStream(socket.socket(), ssl_options={"cert_reqs": ssl.CERT_NONE})
                with pytest.raises(ValueError):
                    await stream.connect(address, name)
                assert stream.closed()

        run(main)
        log.one("SSL Error")

    def test_a_connection_that_is_lost_before_it_begins(
        self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`ssl` may find, with the descriptor taken over already, that nobody is there."""

        def wrap(sock: socket.socket, options: Any, **kwargs: Any) -> ssl.SSLSocket:
            os.close(sock.detach())
            raise ConnectionResetError(errno.ECONNRESET, "reset")

        monkeypatch.setattr(tls, "ssl_wrap_socket", wrap)

        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as server:
                stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
                with pytest.raises(ConnectionResetError):
                    await stream.connect(server.getsockname(), "localhost")
                assert stream.closed()

        run(main)

    def test_bad_options(self, log: Log) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as server:
                stream = SSLIOStream(socket.socket(), ssl_options={"certfiles": "x"})
                with pytest.raises(ValueError, match="certfiles"):
                    await stream.connect(server.getsockname(), "localhost")

        run(main)
        log.one("certfiles")

    def test_a_port_where_nobody_is(self, certificates: Certificates) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as server:
                address = server.getsockname()
            stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
            await fails_with(stream.connect(address, "localhost"), ConnectionRefusedError)

        run(main)

    def test_a_server_that_speaks_no_tls(self, certificates: Certificates, log: Log) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                future = stream.start_tls(False, certificates.client_options(), "localhost")
                peer.send(b"220 mail.example.com ESMTP\r\n")
                with pytest.raises(ssl.SSLError):
                    await future

        run(main)
        log.one("SSL Error")


class TestStrangers:
    """What comes to a port that is open to the world."""

    @pytest.mark.parametrize("ending", ["waits", "closes", "resets"])
    @pytest.mark.parametrize("data", NOT_TLS.values(), ids=NOT_TLS)
    def test_who_speak_no_tls(
        self, data: bytes, ending: str, certificates: Certificates, log: Log
    ) -> None:
        async def main() -> None:
            async with raw() as (plain, peer):
                future = plain.start_tls(True, certificates.server_options())
                peer.send(data)
                if ending == "closes":
                    peer.close()
                elif ending == "resets":
                    reset(peer)
                with pytest.raises(OSError):
                    await future

        run(main)
        log.at_most_one()

    @pytest.mark.parametrize("ending", ["closes", "resets", "half-closes"])
    @pytest.mark.parametrize("sent", [0, 3, 60])
    def test_who_leave_in_the_middle(
        self, sent: int, ending: str, certificates: Certificates, log: Log
    ) -> None:
        """Not worth a line: it happens all the time."""

        async def main() -> None:
            hello = ssl.MemoryBIO()
            client = certificates.client_context().wrap_bio(
                ssl.MemoryBIO(), hello, server_hostname="localhost"
            )
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            async with raw() as (plain, peer):
                stream = plain.start_tls(True, certificates.server_options())
                peer.send(hello.read()[:sent])
                await turns()
                if ending == "half-closes":
                    peer.shutdown(socket.SHUT_WR)
                elif ending == "closes":
                    peer.close()
                else:
                    reset(peer)
                with pytest.raises(OSError):
                    await stream

        run(main)
        assert log.take() == []

    @pytest.mark.parametrize("drips", [False, True])
    def test_who_never_come_to_an_end(
        self, drips: bool, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tls, "DEFAULT_HANDSHAKE_TIMEOUT", 0.05)

        async def main() -> None:
            async with raw() as (plain, peer):
                future = plain.start_tls(True, certificates.server_options())
                hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 500
                position = 0
                while not future.done():
                    if drips and position < len(hello):
                        peer.send(hello[position : position + 1])
                        position += 1
                    await asyncio.sleep(0.001)
                with pytest.raises(TimeoutError):
                    await future
                assert await receive(peer, 1) == b""

        run(main)

    def test_there_is_a_bound_by_default(self) -> None:
        assert tls.DEFAULT_HANDSHAKE_TIMEOUT == 30

    def test_the_time_ends_with_the_handshake(
        self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tls, "DEFAULT_HANDSHAKE_TIMEOUT", 0.2)

        async def main() -> None:
            async with under_tls(certificates) as (stream, peer):
                await asyncio.sleep(0.3)
                await peer.write(b"still here")
                assert await stream.read_bytes(10) == b"still here"

        run(main)

    def test_garbage_in_the_middle(self, certificates: Certificates, log: Log) -> None:
        async def main() -> None:
            async with under_tls(certificates) as (stream, peer):
                read = stream.read_bytes(1)
                socket.socket.send(peer.socket, b"\x17\x03\x03\x00\x20" + b"forged" * 6)
                await fails_with(read, ssl.SSLError)
                assert stream.closed()
                stream.close()

        run(main)
        assert len(log.take()) <= 2  # the other side may be told by an alert

    def test_an_end_without_a_good_bye(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with under_tls(certificates) as (stream, peer):
                future = stream.read_until_close()
                await peer.write(b"abc")
                socket.socket.shutdown(peer.socket, socket.SHUT_WR)
                assert await future == b"abc"
                peer.close()

        run(main)

    def test_a_reset(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                peer = SSLIOStream(socket.socket(), ssl_options=certificates.client_options())
                await peer.connect(address, "localhost")
                read, written = accepted[0].read_bytes(1), accepted[0].write(BIG)
                await turns()
                linger_not(peer.socket)
                peer.close(exc_info=ValueError("without a word"))
                # What OpenSSL makes of it is an end or an error, as it comes.
                for future in (read, written):
                    with pytest.raises(StreamClosedError):
                        await future

        run(main)


class TestStartTls:
    def test_in_the_middle_of_a_conversation(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with sockets(max_buffer_size=50_000, read_chunk_size=1000) as (ours, theirs):
                await theirs.write(b"STARTTLS\n")
                assert await ours.read_until(b"\n") == b"STARTTLS\n"
                await ours.write(b"go\n")
                assert await theirs.read_until(b"\n") == b"go\n"
                closed = asyncio.Event()
                ours.set_close_callback(closed.set)
                accepted = ours.start_tls(True, certificates.server_options())
                client = await theirs.start_tls(
                    False, certificates.client_options(), server_hostname="localhost"
                )
                server = await accepted
                assert isinstance(server, SSLIOStream) and server.encrypted
                assert (server.max_buffer_size, server.read_chunk_size) == (50_000, 1000)
                await client.write(b"secret")
                assert await server.read_bytes(6) == b"secret"
                assert not closed.is_set()
                client.close()
                await closed.wait()
                server.close()

        run(main)

    def test_the_old_stream_is_done_with(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with sockets() as (ours, theirs):
                accepted = ours.start_tls(True, certificates.server_options())
                client = await theirs.start_tls(False, certificates.client_options(), "localhost")
                server = await accepted
                with pytest.raises(StreamClosedError):
                    ours.write(b"x")
                with pytest.raises(StreamClosedError):
                    ours.start_tls(True)
                ours.close()
                assert not server.closed()
                server.close()
                client.close()

        run(main)

    @pytest.mark.parametrize("busy", ["reading", "writing", "buffer", "sink", "connecting"])
    def test_not_while_anything_is_going_on(self, busy: str) -> None:
        async def main() -> None:
            async with sockets() as (stream, peer):
                if busy == "reading":
                    stream.read_bytes(1)
                elif busy == "writing":
                    stream.write(BIG)
                elif busy == "sink":
                    stream.attach_sink(Collector())
                elif busy == "buffer":
                    await peer.write(b"ab")
                    await stream.read_bytes(1)
                else:
                    with socket.create_server(("127.0.0.1", 0)) as server:
                        stream = IOStream(socket.socket())
                        stream.connect(server.getsockname())
                with pytest.raises(ValueError, match="not idle"):
                    stream.start_tls(False, server_hostname="localhost")
                assert not stream.closed()
                stream.close()

        run(main)

    def test_options_that_do_not_go_together(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, peer):
                closed = asyncio.Event()
                stream.set_close_callback(closed.set)
                with pytest.raises(ValueError, match="hostname"):
                    stream.start_tls(False)
                assert stream.closed() and isinstance(stream.error, ValueError)
                await closed.wait()
                assert await peer.read_until_close() == b""

        run(main)

    def test_a_server_without_a_certificate(self, log: Log) -> None:
        async def main() -> None:
            async with sockets() as (ours, theirs):
                accepted = ours.start_tls(True)
                connected = theirs.start_tls(False, server_hostname="localhost")
                for future in (accepted, connected):
                    with pytest.raises(ssl.SSLError):
                        await future

        run(main)
        assert len(log.take()) == 2

    def test_given_up(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                future = stream.start_tls(True, certificates.server_options())
                await turns()
                future.cancel()
                assert await receive(peer, 1) == b""

        run(main)


class TestWaitForHandshake:
    def test_only_once_at_a_time(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                with socket.create_connection(address):
                    await until(lambda: accepted)
                    accepted[0].wait_for_handshake()
                    with pytest.raises(RuntimeError):
                        accepted[0].wait_for_handshake()

        run(main)

    def test_closed_meanwhile(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                with socket.create_connection(address):
                    await until(lambda: accepted)
                    future = accepted[0].wait_for_handshake()
                    accepted[0].close()
                    await fails_with(future, None)
                    await fails_with(accepted[0].wait_for_handshake(), None)

        run(main)


def test_documented_methods(certificates: Certificates) -> None:
    async def main() -> None:
        async with under_tls(certificates) as (stream, peer):
            buffer = bytearray(10)
            assert stream.read_from_fd(buffer) is None
            assert peer.write_to_fd(memoryview(b"abc")) == 3
            await turns(50)
            assert stream.read_from_fd(buffer) == 3
            assert buffer[:3] == b"abc"
            assert stream.fileno() is stream.socket
            stream.set_nodelay(True)

    run(main)
