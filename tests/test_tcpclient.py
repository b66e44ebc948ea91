"""Connections to servers on loopback: by any address, in time, under TLS, with nothing left."""

from __future__ import annotations

import asyncio
import datetime
import errno
import inspect
import random
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates, make_certificates
from tests.iostream.support import linger_not, open_descriptors, reset, run, turns, until
from tests.resolving import Answers, no_name_servers, timers
from tests.server.logs import Log

from tornadic import tcpclient
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream, SSLIOStream, StreamClosedError
from tornadic.netutil import OverrideResolver, Resolver
from tornadic.tcpclient import TCPClient

__all__ = ["no_name_servers"]

pytestmark = pytest.mark.usefixtures("no_name_servers")

V4, V6 = socket.AF_INET, socket.AF_INET6

# Of IPv6 there are two numbers more, which no test looks at.
Address = tuple[str, int]

# Nothing is to come of it within a test.
LONG = 3600.0


def has_ipv6() -> bool:
    try:
        with socket.socket(V6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 on loopback")


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    log = Log(caplog)
    yield log
    log.check_end()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def listening(
    host: str = "127.0.0.1", port: int = 0, backlog: int = 16
) -> Iterator[tuple[socket.socket, Address]]:
    """A server's socket, and its address."""
    family = V6 if ":" in host else V4
    with socket.create_server((host, port), family=family, backlog=backlog) as sock:
        sock.setblocking(False)
        yield sock, sock.getsockname()


@contextmanager
def refusing(host: str = "127.0.0.1") -> Iterator[Address]:
    """An address that nobody listens on, nor will."""
    with socket.socket(V6 if ":" in host else V4) as sock:
        sock.bind((host, 0))
        yield sock.getsockname()


@contextmanager
def hanging(host: str = "127.0.0.1") -> Iterator[Address]:
    """An address that does not answer: the server's queue of connections is full."""
    with ExitStack() as stack, listening(host, backlog=0) as (sock, address):
        for _ in range(16):
            waiting = stack.enter_context(socket.socket(sock.family))
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(address)
        try:
            waiting.getpeername()
        except OSError:
            yield address
        else:
            pytest.skip("this system's queue is never full")


@asynccontextmanager
async def tls_server(
    context: ssl.SSLContext,
) -> AsyncIterator[tuple[Address, list[SSLIOStream]]]:
    """The address of a server under TLS, and the streams it has accepted."""
    streams: list[SSLIOStream] = []

    def accept() -> None:
        connection, _ = sock.accept()
        wrapped = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        streams.append(SSLIOStream(wrapped))

    loop = asyncio.get_running_loop()
    with listening() as (sock, address):
        loop.add_reader(sock, accept)
        try:
            yield address, streams
        finally:
            loop.remove_reader(sock)
            for stream in streams:
                stream.close()


async def fails(error: type[BaseException], connecting: Any) -> Any:
    """What ``connecting`` raises, with nothing left open at that moment."""
    before = open_descriptors()
    with pytest.raises(error) as caught:
        await connecting
    assert type(caught.value) is error or error is OSError
    assert open_descriptors() == before
    return caught.value


class TestConnecting:
    def test_to_an_address(self) -> None:
        async def main() -> None:
            with listening() as (sock, address):
                stream = await TCPClient().connect(*address)
                assert type(stream) is IOStream
                assert stream.socket.getpeername() == address
                connection, _ = sock.accept()
                with connection:
                    await stream.write(b"hello")
                    assert connection.recv(9) == b"hello"
                    connection.sendall(b"hi")
                    assert await stream.read_bytes(2) == b"hi"
                stream.close()

        run(main)

    def test_to_a_name(self) -> None:
        async def main() -> None:
            with listening() as (_, address):
                client = TCPClient()
                (await client.connect("localhost", address[1])).close()
                client.close()

        run(main)

    @needs_ipv6
    def test_over_ipv6(self) -> None:
        async def main() -> None:
            with listening("::1") as (_, address):
                stream = await TCPClient().connect("::1", address[1])
                assert stream.socket.family == V6
                stream.close()

        run(main)

    def test_family(self) -> None:
        async def main() -> None:
            with listening() as (_, address):
                answers = Answers(address)
                client = TCPClient(answers)
                (await client.connect("a.example", 99)).close()
                (await client.connect("a.example", 99, af=V4)).close()
                assert answers.asked == [
                    ("a.example", 99, socket.AF_UNSPEC),
                    ("a.example", 99, V4),
                ]
                await fails(socket.gaierror, TCPClient().connect("127.0.0.1", address[1], af=V6))

        run(main)

    def test_max_buffer_size(self) -> None:
        async def main() -> None:
            with listening() as (_, address):
                stream = await TCPClient().connect(*address, max_buffer_size=1234)
                assert stream.max_buffer_size == 1234
                stream.close()

        run(main)

    @pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")
    def test_to_a_unix_socket_by_a_resolver(self, tmp_path: Path) -> None:
        async def main() -> None:
            path = str(tmp_path / "socket")
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(path)
                client = TCPClient(Answers(path))
                error = await fails(StreamClosedError, client.connect("a.example", 80))
                assert isinstance(error.real_error, ConnectionRefusedError)
                sock.listen()
                stream = await client.connect("a.example", 80, timeout=LONG)
                assert stream.socket.getpeername() == path
                stream.close()

        run(main)

    def test_many_at_once(self) -> None:
        async def main() -> None:
            with ExitStack() as stack:
                _, (_, port) = stack.enter_context(listening("127.0.0.1"))
                for n in range(2, 51):
                    stack.enter_context(listening(f"127.0.0.{n}", port))
                client = TCPClient()
                hosts = [f"127.0.0.{n}" for n in range(1, 51)]
                streams = await asyncio.gather(*(client.connect(host, port) for host in hosts))
                assert [stream.socket.getpeername()[0] for stream in streams] == hosts
                for stream in streams:
                    stream.close()

        run(main)

    def test_the_signature(self) -> None:
        parameters = inspect.signature(TCPClient.connect).parameters
        assert {name: one.default for name, one in parameters.items() if name != "self"} == {
            "host": inspect.Parameter.empty,
            "port": inspect.Parameter.empty,
            "af": socket.AF_UNSPEC,
            "ssl_options": None,
            "max_buffer_size": None,
            "source_ip": None,
            "source_port": None,
            "timeout": None,
        }


class TestResolving:
    def test_whose_resolver_is_closed(self) -> None:
        async def main() -> None:
            given = Answers()
            TCPClient(resolver=given).close()
            assert not given.closed
            saved = Resolver._save_configuration()
            try:
                Resolver.configure(Answers)
                client = TCPClient()
                client.close()
            finally:
                Resolver._restore_configuration(saved)
            assert isinstance(client.resolver, Answers) and client.resolver.closed == 1

        run(main)

    @pytest.mark.parametrize("host", ["no-such-host.invalid", "a\0b", "x" * 64, "", "[::1]"])
    def test_no_such_host(self, host: str) -> None:
        async def main() -> None:
            await fails(socket.gaierror, TCPClient().connect(host, 80))

        run(main)

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_no_port(self, port: int) -> None:
        async def main() -> None:
            await fails(socket.gaierror, TCPClient().connect("127.0.0.1", port))

        run(main)

    def test_no_address(self) -> None:
        async def main() -> None:
            error = await fails(socket.gaierror, TCPClient(Answers()).connect("a.example", 80))
            assert "a.example" in str(error)

        run(main)

    @pytest.mark.parametrize("timeout", [None, LONG])
    @pytest.mark.parametrize("error", [KeyError("x"), TimeoutError("the resolver's own")])
    def test_an_error_of_the_resolver(self, error: Exception, timeout: float | None) -> None:
        class Failing(Answers):
            async def resolve(self, *args: Any) -> Any:
                raise error

        async def main() -> None:
            with pytest.raises(type(error)) as caught:
                await TCPClient(Failing()).connect("a.example", 80, timeout=timeout)
            assert caught.value is error

        run(main)


class TestRefused:
    def test_by_the_only_address(self) -> None:
        async def main() -> None:
            with refusing() as address:
                error = await fails(StreamClosedError, TCPClient().connect(*address))
                assert isinstance(error.real_error, ConnectionRefusedError)

        run(main)

    @needs_ipv6
    def test_by_all_of_several(self) -> None:
        async def main() -> None:
            with refusing() as first, refusing("127.0.0.2") as second, refusing("::1") as third:
                client = TCPClient(Answers(third, first, second, first))
                error = await fails(StreamClosedError, client.connect("a.example", 80))
                assert isinstance(error.real_error, ConnectionRefusedError)

        run(main)

    def test_by_all_but_the_last(self) -> None:
        async def main() -> None:
            with refusing() as refused, listening("127.0.0.9") as (_, address):
                for before in range(4):
                    client = TCPClient(Answers(*[refused] * before, address))
                    stream = await client.connect("a.example", 80)
                    assert stream.socket.getpeername() == address
                    stream.close()

        run(main)

    def test_a_family_that_this_system_does_not_have(self) -> None:
        async def main() -> None:
            with listening() as (_, address):
                there_is_none = (12345, ("::1", 80, 0, 0))
                client = TCPClient(Answers(there_is_none, with_v4(address), there_is_none))
                (await client.connect("a.example", 80)).close()
                error = await fails(OSError, TCPClient(Answers(there_is_none)).connect("a", 80))
                assert not isinstance(error, StreamClosedError)
                assert error.errno == errno.EAFNOSUPPORT

        run(main)

    def test_ipv6_is_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = socket.socket

        def without_ipv6(family: int, *args: Any) -> socket.socket:
            if family == V6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return real(family, *args)

        async def main() -> None:
            with listening() as (_, address):
                client = TCPClient(Answers(("::1", address[1], 0, 0), address))
                monkeypatch.setattr(socket, "socket", without_ipv6)
                try:
                    stream = await client.connect("a.example", 80)
                finally:
                    monkeypatch.undo()
                assert stream.socket.family == V4
                stream.close()

        run(main)

    @pytest.mark.parametrize("bad", [("127.0.0.1", 80, 3), ("127.0.0.1",), ("127.0.0.1", "x"), ()])
    def test_an_address_that_is_none(self, bad: Any) -> None:
        async def main() -> None:
            with listening() as (_, address):
                await fails(TypeError, TCPClient(Answers((V4, bad))).connect("a.example", 80))
                client = TCPClient(Answers((V4, bad), with_v4(address)))
                (await client.connect("a.example", 80)).close()

        run(main)


class TestOneAddressHangs:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tcpclient, "_ATTEMPT_DELAY", 0.02)

    @needs_ipv6
    @pytest.mark.parametrize("hosts", [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
    def test_the_other_family_answers(self, hosts: tuple[str, str]) -> None:
        async def main() -> None:
            with hanging(hosts[0]) as first, listening(hosts[1]) as (_, second):
                before = open_descriptors()
                stream = await TCPClient(Answers(first, second)).connect("a.example", 80)
                assert stream.socket.getpeername() == second
                assert open_descriptors() == before + 1
                stream.close()

        run(main)

    def test_another_of_its_family_answers(self) -> None:
        async def main() -> None:
            with hanging() as first, listening() as (_, last), refusing() as refused:
                for addresses in ([first, last], [first, first, last], [first, refused, last]):
                    before = open_descriptors()
                    stream = await TCPClient(Answers(*addresses)).connect("a.example", 80)
                    assert stream.socket.getpeername() == last
                    assert open_descriptors() == before + 1
                    stream.close()

        run(main)

    @needs_ipv6
    def test_and_the_other_refuses(self) -> None:
        async def main() -> None:
            with hanging() as first, refusing("::1") as second:
                connecting = TCPClient(Answers(first, second)).connect("a", 80, timeout=0.2)
                error = await fails(TimeoutError, connecting)
                assert str(error) == f"Timeout while connecting to 127.0.0.1:{first[1]}"

        run(main)

    @needs_ipv6
    def test_and_the_other_too(self) -> None:
        async def main() -> None:
            with hanging("::1") as first, hanging() as second:
                connecting = TCPClient(Answers(first, second)).connect("a", 80, timeout=0.2)
                assert str(await fails(TimeoutError, connecting)) == (
                    f"Timeout while connecting to 127.0.0.1:{second[1]}, [::1]:{first[1]}"
                )

        run(main)


class TestTimeout:
    @pytest.mark.parametrize("timeout", [0.02, datetime.timedelta(seconds=0.02), 0, -1])
    def test_while_resolving(self, timeout: Any) -> None:
        cancelled: list[str] = []

        class Silent(Answers):
            async def resolve(self, host: str, *args: Any) -> Any:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.append(host)
                    raise

        async def main() -> None:
            connecting = TCPClient(Silent()).connect("a.example", 80, timeout=timeout)
            error = await fails(TimeoutError, connecting)
            assert str(error) == "Timeout while resolving a.example"
            is_past = isinstance(timeout, int)
            assert cancelled == ([] if is_past else ["a.example"])

        run(main)

    @pytest.mark.parametrize("timeout", [0.02, datetime.timedelta(seconds=0.02)])
    def test_while_connecting(self, timeout: Any) -> None:
        async def main() -> None:
            with hanging() as address:
                error = await fails(TimeoutError, TCPClient().connect(*address, timeout=timeout))
                assert str(error) == f"Timeout while connecting to 127.0.0.1:{address[1]}"

        run(main)

    @pytest.mark.parametrize("timeout", [0.1, datetime.timedelta(seconds=0.1)])
    def test_during_the_handshake(self, timeout: Any) -> None:
        async def main() -> None:
            with listening() as (_, address):  # which says nothing
                client = TCPClient(Answers(address))
                connecting = client.connect("a.example", 1, ssl_options={}, timeout=timeout)
                error = await fails(TimeoutError, connecting)
                assert str(error) == f"Timeout during TLS handshake with 127.0.0.1:{address[1]}"

        run(main)

    def test_a_time_of_day(self) -> None:
        async def main() -> None:
            now = IOLoop.current().time()
            with hanging() as address:
                connecting = TCPClient().connect(*address, timeout=now + 0.05)
                assert "while connecting" in str(await fails(TimeoutError, connecting))
                connecting = TCPClient().connect(*address, timeout=now - 1)
                assert "while resolving" in str(await fails(TimeoutError, connecting))
            with listening() as (_, address):
                (await TCPClient().connect(*address, timeout=now + LONG)).close()

        run(main)

    @pytest.mark.parametrize("timeout", [LONG, 10**8, 1e9, float("inf"), True])
    def test_in_time(self, timeout: Any) -> None:
        async def main() -> None:
            with listening() as (_, address):
                if timeout == 1e9:  # a day in 2001
                    await fails(TimeoutError, TCPClient().connect(*address, timeout=timeout))
                    return
                before = timers()
                (await TCPClient().connect(*address, timeout=timeout)).close()
                assert timers() == before

        run(main)

    @pytest.mark.parametrize(
        ("timeout", "error"), [("5", TypeError), (object(), TypeError), (float("nan"), ValueError)]
    )
    def test_no_timeout_at_all(self, timeout: Any, error: type[Exception]) -> None:
        async def main() -> None:
            answers = Answers()
            await fails(error, TCPClient(answers).connect("a.example", 1, timeout=timeout))
            assert not answers.asked

        run(main)


class TestCancelling:
    def test_while_resolving(self) -> None:
        class Silent(Answers):
            async def resolve(self, *args: Any) -> Any:
                await asyncio.Event().wait()

        async def main() -> None:
            connecting = asyncio.ensure_future(TCPClient(Silent()).connect("a.example", 80))
            await turns()
            await cancel(connecting)

        run(main)

    @needs_ipv6
    def test_while_connecting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tcpclient, "_ATTEMPT_DELAY", 0.01)

        async def main() -> None:
            with hanging() as first, hanging("::1") as second, hanging() as third:
                before, timers_before = open_descriptors(), timers()
                client = TCPClient(Answers(first, second, third))
                connecting = asyncio.ensure_future(client.connect("a", 80))
                await until(lambda: open_descriptors() == before + 3)
                await cancel(connecting)
                assert open_descriptors() == before
                assert timers() == timers_before

        run(main)

    @pytest.mark.parametrize("timeout", [None, LONG])
    def test_during_the_handshake(self, timeout: float | None) -> None:
        async def main() -> None:
            with listening() as (sock, address):
                before = open_descriptors()
                connecting = asyncio.ensure_future(
                    TCPClient().connect(*address, ssl_options={}, timeout=timeout)
                )
                await until(lambda: accepted(sock, peers))
                with peers.pop() as peer:
                    await until(lambda: has_bytes(peer))
                    await cancel(connecting)
                assert open_descriptors() == before

        peers: list[socket.socket] = []
        run(main)

    @pytest.mark.parametrize("late", range(8))
    def test_at_whatever_moment(self, late: int) -> None:
        """Also in the very turn of the loop in which the connection is there."""

        async def main() -> None:
            with listening() as (_, address):
                before = open_descriptors()
                connecting = asyncio.ensure_future(TCPClient().connect(*address))
                await turns(late)
                connecting.cancel()
                await asyncio.wait([connecting])
                if not connecting.cancelled():
                    connecting.result().close()
                assert open_descriptors() == before

        run(main)

    def test_in_the_moment_of_success(self) -> None:
        class Cancelling(TCPClient):
            def _create_stream(self, *args: Any, **kwargs: Any) -> Any:
                stream, future = super()._create_stream(*args, **kwargs)
                loop = asyncio.get_running_loop()
                future.add_done_callback(lambda _: loop.call_soon(tasks[0].cancel))
                return stream, future

        async def main() -> None:
            with listening() as (_, address):
                before = open_descriptors()
                tasks.append(asyncio.create_task(Cancelling().connect(*address)))
                with pytest.raises(asyncio.CancelledError):
                    await tasks[0]
                assert open_descriptors() == before

        tasks: list[asyncio.Task[IOStream]] = []
        run(main)

    def test_in_the_moment_the_handshake_is_done(
        self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def main() -> None:
            async with tls_server(certificates.server_context()) as (address, streams):
                real = IOStream.start_tls

                def start_tls(*args: Any) -> Any:
                    future = real(*args)
                    future.add_done_callback(lambda _: connecting.cancel())
                    return future

                monkeypatch.setattr(IOStream, "start_tls", start_tls)
                client = TCPClient(Answers(address))
                options = certificates.client_options()
                connecting = asyncio.ensure_future(
                    client.connect("localhost", 1, ssl_options=options)
                )
                before = open_descriptors()
                with pytest.raises(asyncio.CancelledError):
                    await connecting
                assert open_descriptors() == before + len(streams)

        run(main)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_left_open_whatever_happens(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any addresses in any order, with and without TLS, cancelled or late at any moment."""
    monkeypatch.setattr(tcpclient, "_ATTEMPT_DELAY", 0.001)
    choose = random.Random(seed)

    async def main() -> None:
        with ExitStack() as stack:
            enter = stack.enter_context
            addresses = [enter(hanging()), enter(refusing()), enter(listening())[1]]
            if has_ipv6():
                addresses += [enter(hanging("::1")), enter(listening("::1"))[1]]
            before, timers_before = open_descriptors(), timers()
            for _ in range(60):
                client = TCPClient(Answers(*choose.choices(addresses, k=choose.randint(1, 6))))
                connecting = asyncio.ensure_future(
                    client.connect(
                        "localhost",
                        1,
                        timeout=choose.uniform(0.0001, 0.01),
                        ssl_options=choose.choice([None, context]),
                    )
                )
                if choose.random() < 0.5:
                    await turns(choose.randint(0, 12))
                    connecting.cancel()
                await asyncio.wait([connecting])
                if not connecting.cancelled() and connecting.exception() is None:
                    connecting.result().close()
                assert open_descriptors() == before
                assert timers() == timers_before

    context = ssl.create_default_context()
    run(main)


class TestSource:
    def test_an_address(self) -> None:
        async def main() -> None:
            with listening() as (_, address):
                stream = await TCPClient().connect(*address, source_ip="127.0.0.5")
                assert stream.socket.getsockname()[0] == "127.0.0.5"
                stream.close()

        run(main)

    @pytest.mark.parametrize("ip", [None, "127.0.0.6"])
    def test_a_port(self, ip: str | None) -> None:
        async def main() -> None:
            with refusing() as (_, port), refusing("127.0.0.6") as (_, other):
                pass
            with listening("127.0.0.2") as (_, address):
                port = other if ip else port
                stream = await TCPClient().connect(*address, source_ip=ip, source_port=port)
                # With a port only, the system chooses the address, as ever.
                assert stream.socket.getsockname()[1] == port
                assert stream.socket.getsockname()[0] in (ip or "127.0.0.1", ip or "127.0.0.2")
                linger_not(stream.socket)  # the port is wanted again
                stream.close()

        run(main)

    @pytest.mark.parametrize("port", [0, None])
    def test_any_port(self, port: int | None) -> None:
        async def main() -> None:
            with listening() as (_, address):
                (await TCPClient().connect(*address, source_ip="", source_port=port)).close()

        run(main)

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_no_port(self, port: int) -> None:
        async def main() -> None:
            answers = Answers()
            await fails(ValueError, TCPClient(answers).connect("a", 80, source_port=port))
            assert not answers.asked

        run(main)

    def test_a_port_that_is_taken(self) -> None:
        async def main() -> None:
            with listening() as (_, address), refusing() as taken:
                connecting = TCPClient().connect(*address, source_port=taken[1])
                assert (await fails(OSError, connecting)).errno == errno.EADDRINUSE

        run(main)

    def test_an_address_that_is_not_ours(self) -> None:
        async def main() -> None:
            with listening() as (_, address):
                connecting = TCPClient().connect(*address, source_ip="192.0.2.1")
                assert (await fails(OSError, connecting)).errno == errno.EADDRNOTAVAIL

        run(main)

    @needs_ipv6
    def test_addresses_of_another_family_are_left_out(self) -> None:
        async def main() -> None:
            with listening("::1") as (_, first), listening() as (_, second):
                client = TCPClient(Answers(first, second))
                stream = await client.connect("a.example", 80, source_ip="127.0.0.1")
                assert stream.socket.getpeername() == second
                stream.close()
                client = TCPClient(Answers(first))
                await fails(socket.gaierror, client.connect("a", 80, source_ip="127.0.0.1"))

        run(main)

    def test_one_port_for_one_address_at_a_time(self) -> None:
        async def main() -> None:
            with refusing() as (_, port):
                pass
            with refusing() as first, refusing() as second, listening() as (_, last):
                client = TCPClient(Answers(first, second, last))
                stream = await client.connect("a.example", 80, source_port=port)
                assert stream.socket.getpeername() == last
                linger_not(stream.socket)  # the port is wanted again
                stream.close()

        run(main)


class TestTLS:
    @pytest.mark.parametrize("kind", ["dictionary", "context"])
    def test_a_connection(self, kind: str, certificates: Certificates) -> None:
        async def main() -> None:
            options: Any = certificates.client_options()
            if kind == "context":
                options = certificates.client_context()
            async with tls_server(certificates.server_context()) as (address, streams):
                client = TCPClient(OverrideResolver(Answers(address), {}))
                stream = await client.connect(
                    "localhost", 1, ssl_options=options, max_buffer_size=999, timeout=LONG
                )
                assert type(stream) is SSLIOStream
                assert stream.max_buffer_size == 999
                assert stream.socket.getpeercert()
                await until(lambda: streams)
                stream.write(b"hello")
                assert await streams[0].read_bytes(5) == b"hello"
                stream.close()

        run(main)

    def test_the_certificate_must_be_made_out_to_the_host(
        self, certificates: Certificates, log: Log
    ) -> None:
        async def main() -> None:
            async with tls_server(certificates.server_context()) as (address, streams):
                client = TCPClient(Answers(address))
                options = certificates.client_options()
                with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                    await client.connect("other.example", 1, ssl_options=options)
                await until(lambda: streams and streams[0].closed())
            assert len(log.take()) == 2

        run(main)

    def test_the_certificate_must_be_trusted(self, certificates: Certificates, log: Log) -> None:
        async def main() -> None:
            async with tls_server(certificates.server_context()) as (address, streams):
                with pytest.raises(ssl.SSLCertVerificationError):
                    await TCPClient(Answers(address)).connect("localhost", 1, ssl_options={})
                await until(lambda: streams and streams[0].closed())
            assert len(log.take()) == 2

        run(main)

    @pytest.mark.parametrize(
        ("answer", "error", "lines"),
        [(b"", ssl.SSLEOFError, 0), (b"HTTP/1.1 400 Bad Request\r\n\r\n", ssl.SSLError, 1)],
    )
    def test_the_server_knows_no_tls(
        self, answer: bytes, error: type[OSError], lines: int, log: Log
    ) -> None:
        async def main() -> None:
            with listening() as (sock, address):
                connecting = asyncio.ensure_future(TCPClient().connect(*address, ssl_options={}))
                await until(lambda: accepted(sock, peers))
                with peers.pop() as peer:
                    await until(lambda: has_bytes(peer))
                    peer.recv(65536)
                    peer.sendall(answer)
                await fails_after(error, connecting)
                assert len(log.take()) == lines

        peers: list[socket.socket] = []
        run(main)

    def test_the_server_hangs_up(self) -> None:
        async def main() -> None:
            with listening() as (sock, address):
                connecting = asyncio.ensure_future(TCPClient().connect(*address, ssl_options={}))
                await until(lambda: accepted(sock, peers))
                peer = peers.pop()
                await until(lambda: has_bytes(peer))
                reset(peer)
                await fails_after(ConnectionResetError, connecting)

        peers: list[socket.socket] = []
        run(main)

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"nothing": 1}, ValueError),
            (5, TypeError),
            ({"ca_certs": "/no/such/file"}, FileNotFoundError),
        ],
    )
    def test_options_are_looked_at_first(self, options: Any, error: type[Exception]) -> None:
        async def main() -> None:
            answers = Answers()
            await fails(error, TCPClient(answers).connect("a.example", 1, ssl_options=options))
            assert not answers.asked

        run(main)

    @pytest.mark.parametrize("host", ["", "a\0b"])
    def test_a_host_that_no_certificate_can_have(self, host: str) -> None:
        async def main() -> None:
            with listening() as (_, address):
                client = TCPClient(Answers(address))
                await fails(ValueError, client.connect(host, 1, ssl_options={}))

        run(main)


async def cancel(connecting: asyncio.Future[Any]) -> None:
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting


async def fails_after(error: type[BaseException], connecting: asyncio.Future[Any]) -> None:
    """``connecting``, which has begun, raises ``error``; `run` sees to what is left open."""
    with pytest.raises(error) as caught:
        await connecting
    assert type(caught.value) is error


def accepted(sock: socket.socket, into: list[socket.socket]) -> bool:
    try:
        into.append(sock.accept()[0])
    except BlockingIOError:
        return False
    into[-1].setblocking(False)
    return True


def has_bytes(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def with_v4(address: Any) -> tuple[int, Any]:
    return V4, address


def test_a_stream_of_ones_own() -> None:
    """Programs override how a stream is made."""

    class Own(TCPClient):
        def _create_stream(
            self,
            max_buffer_size: int | None,
            af: int,
            addr: Any,
            source_ip: str | None = None,
            source_port: int | None = None,
        ) -> Any:
            made.append((max_buffer_size, af, addr, source_ip, source_port))
            return super()._create_stream(max_buffer_size, af, addr, source_ip, source_port)

    made: list[Any] = []

    async def main() -> None:
        with listening() as (_, address):
            (await Own().connect(*address, max_buffer_size=7, source_ip="127.0.0.3")).close()
            assert made == [(7, V4, address, "127.0.0.3", None)]

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the error comes later")
def test_an_error_that_comes_at_once() -> None:
    async def main() -> None:
        with listening() as (_, address):
            unreachable = ("127.255.255.255", address[1])  # broadcast
            error = await fails(StreamClosedError, TCPClient().connect(*unreachable))
            assert error.real_error.errno in (errno.ENETUNREACH, errno.EACCES)
            client = TCPClient(Answers(unreachable, address))
            (await client.connect("a.example", 80)).close()

    run(main)
