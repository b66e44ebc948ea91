"""The resolver that asks name servers itself, and a name server on loopback to be asked."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from tests.iostream.support import open_descriptors, run, turns, until
from tests.tools import module

from tornadic.netutil import Resolver
from tornadic.tcpclient import TCPClient

pycares = module("pycares")

from tornadic.platform import caresresolver  # noqa: E402
from tornadic.platform.caresresolver import CaresResolver  # noqa: E402

V4, V6 = socket.AF_INET, socket.AF_INET6

_A, _AAAA = 1, 28


class NameServer(asyncio.DatagramProtocol):
    """Knows the names it is given; of all others it says that they do not exist (RFC 1035)."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []
        self.silent = False
        self.nonsense = False

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.DatagramTransport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = data.index(b"\0", 12)
        labels, at = [], 12
        while at < end:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name = ".".join(labels).lower()
        (kind,) = struct.unpack("!H", data[end + 1 : end + 3])
        self.asked.append(name)
        if not self.silent:
            answer = self._answer(data[:2], data[12 : end + 5], name, kind)
            self.transport.sendto(b"\xff" * 20 if self.nonsense else answer, addr)

    def _answer(self, number: bytes, question: bytes, name: str, kind: int) -> bytes:
        family = V4 if kind == _A else V6
        found = [
            socket.inet_pton(family, ip)
            for ip in self.names.get(name, [])
            if (":" in ip) == (family == V6) and kind in (_A, _AAAA)
        ]
        flags = 0x8180 if name in self.names else 0x8183
        answer = number + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question
        for ip in found:
            answer += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(ip)) + ip
        return answer


@asynccontextmanager
async def asking(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]] | None = None, **options: Any
) -> AsyncIterator[tuple[CaresResolver, NameServer]]:
    """A resolver, and the only name server it knows."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(names or {}), local_addr=("127.0.0.1", 0)
    )
    options = {"timeout": 20, "tries": 1, **options}
    with monkeypatch.context() as patch:
        channel = partial(
            pycares.Channel, servers=["127.0.0.1"], udp_port=server.port, lookups="b", **options
        )
        patch.setattr(caresresolver.pycares, "Channel", channel)
        resolver = CaresResolver()
    try:
        yield resolver, server
    finally:
        resolver.close()
        transport.close()
        await turns()


def test_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = {"a.example": ["127.0.0.7"], "b.example": ["127.0.0.8", "127.0.0.9"]}
        async with asking(monkeypatch, names) as (resolver, server):
            threads = threading.active_count()
            found = await resolver.resolve("a.example", 80, V4)
            assert found == [(V4, ("127.0.0.7", 80))]
            found = await resolver.resolve("b.example", 443, V4)
            assert sorted(found) == [(V4, ("127.0.0.8", 443)), (V4, ("127.0.0.9", 443))]
            assert server.asked == ["a.example", "b.example"]
            assert threading.active_count() == threads

    run(main)


def test_both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = {"a.example": ["127.0.0.7", "::1"], "b.example": ["127.0.0.8"]}
        async with asking(monkeypatch, names) as (resolver, _):
            found = await resolver.resolve("a.example", 80)
            assert sorted(found) == [(V4, ("127.0.0.7", 80)), (V6, ("::1", 80, 0, 0))]
            assert await resolver.resolve("a.example", 80, V6) == [(V6, ("::1", 80, 0, 0))]
            assert await resolver.resolve("b.example", 80) == [(V4, ("127.0.0.8", 80))]
            with pytest.raises(socket.gaierror):
                await resolver.resolve("b.example", 80, V6)

    run(main)


def test_an_address_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with asking(monkeypatch) as (resolver, server):
            assert await resolver.resolve("127.0.0.1", 80) == [(V4, ("127.0.0.1", 80))]
            assert await resolver.resolve("0::1", 80) == [(V6, ("::1", 80, 0, 0))]
            assert server.asked == []

    run(main)


def test_the_hosts_file() -> None:
    async def main() -> None:
        resolver = CaresResolver()
        assert (V4, ("127.0.0.1", 80)) in await resolver.resolve("localhost", 80, V4)
        resolver.close()

    run(main)


def test_a_name_that_is_not_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with asking(monkeypatch, {"xn--bcher-kva.example": ["127.0.0.7"]}) as (resolver, _):
            assert await resolver.resolve("bücher.example", 80, V4) == [(V4, ("127.0.0.7", 80))]

    run(main)


@pytest.mark.parametrize(
    "host", ["nothing.example", "a\0b", "x" * 64 + ".example", "a..b", "\ud800.example", ""]
)
def test_no_such_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with asking(monkeypatch) as (resolver, _):
            with pytest.raises(socket.gaierror) as caught:
                await resolver.resolve(host, 80, V4)
            assert caught.value.errno == socket.EAI_NONAME

    run(main)


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_port(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with asking(monkeypatch) as (resolver, server):
            with pytest.raises(socket.gaierror):
                await resolver.resolve("a.example", port)
            assert not server.asked

    run(main)


@pytest.mark.parametrize("what", ["silent", "nonsense"])
def test_a_name_server_that_does_not_answer(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with asking(monkeypatch, timeout=0.05, tries=2) as (resolver, server):
            setattr(server, what, True)
            with pytest.raises(socket.gaierror) as caught:
                await resolver.resolve("a.example", 80, V4)
            assert caught.value.errno == socket.EAI_AGAIN
            assert len(server.asked) >= 2

    run(main)


def test_a_name_server_that_answers_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = {"a.example": ["127.0.0.7"]}
        async with asking(monkeypatch, names, timeout=0.2, tries=9) as (resolver, server):
            server.silent = True
            lookup = asyncio.ensure_future(resolver.resolve("a.example", 80, V4))
            await until(lambda: server.asked)
            server.silent = False
            assert await lookup == [(V4, ("127.0.0.7", 80))]

    run(main)


def test_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = {f"{n}.example": [f"127.0.1.{n}"] for n in range(200)}
        async with asking(monkeypatch, names) as (resolver, _):
            found = await asyncio.gather(*(resolver.resolve(name, 80, V4) for name in names))
            assert [one[0][1][0] for one in found] == [f"127.0.1.{n}" for n in range(200)]

    run(main)


def test_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with asking(monkeypatch, {"b.example": ["127.0.0.8"]}) as (resolver, server):
            server.silent = True
            lookup = asyncio.ensure_future(resolver.resolve("a.example", 80, V4))
            await until(lambda: server.asked)
            lookup.cancel()
            with pytest.raises(asyncio.CancelledError):
                await lookup
            server.silent = False
            assert await resolver.resolve("b.example", 80, V4)

    run(main)


def test_closing_ends_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        before = open_descriptors()
        async with asking(monkeypatch) as (resolver, server):
            server.silent = True
            lookup = asyncio.ensure_future(resolver.resolve("a.example", 80, V4))
            await until(lambda: server.asked)
            resolver.close()
            resolver.close()
            with pytest.raises(socket.gaierror):
                await lookup
            with pytest.raises(RuntimeError, match="closed"):
                await resolver.resolve("127.0.0.1", 80)
        await until(lambda: open_descriptors() <= before)

    run(main)


@pytest.mark.parametrize("package", ["tornadic", "tornado"])
def test_configured_by_name(package: str) -> None:
    async def main() -> None:
        saved = Resolver._save_configuration()
        try:
            Resolver.configure(f"{package}.platform.caresresolver.CaresResolver")
            client = TCPClient()
        finally:
            Resolver._restore_configuration(saved)
        assert type(client.resolver) is CaresResolver
        with socket.create_server(("127.0.0.1", 0)) as sock:
            (await client.connect("localhost", sock.getsockname()[1], af=V4)).close()
        client.close()

    run(main)
