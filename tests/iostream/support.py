"""Pairs of streams that talk to each other, and a loop that leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest
from tests import running
from tests.certificates import Certificates

from tornadic.ioloop import IOLoop
from tornadic.iostream import (
    BaseIOStream,
    IOStream,
    PipeIOStream,
    SSLIOStream,
    StreamClosedError,
)
from tornadic.iostream.watcher import watcher_of

PATIENCE = 10.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds after which a test gives up on something that should have happened."""


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run ``main``; what nobody caught in its loop, and what it leaves open, is an error."""

    async def counted() -> None:
        IOLoop.current().shared(watcher_of)  # it has a descriptor of its own
        before = open_descriptors()
        await main()
        gc.collect()
        await until(lambda: open_descriptors() <= before)

    running.run(counted)


def open_descriptors() -> int:
    """How many descriptors this process has open, where that can be told."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:
        return 0


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition()`` holds; the time-out is the caller's."""
    while not condition():
        await asyncio.sleep(0.001)


async def turns(number: int = 10) -> None:
    """Let the loop turn a few times."""
    for _ in range(number):
        await asyncio.sleep(0)


class Pair(Protocol):
    """Opens a stream to read from, made with the options, and one that writes to it."""

    def __call__(self, **options: Any) -> Any: ...


@asynccontextmanager
async def sockets(**options: Any) -> AsyncIterator[tuple[IOStream, IOStream]]:
    """Two connected streams over sockets; the first is made with ``options``."""
    ours, theirs = socket.socketpair()
    first, second = IOStream(ours, **options), IOStream(theirs)
    try:
        yield first, second
    finally:
        first.close()
        second.close()


@asynccontextmanager
async def pipes(**options: Any) -> AsyncIterator[tuple[PipeIOStream, PipeIOStream]]:
    """The two ends of a pipe."""
    reading, writing = os.pipe()
    first, second = PipeIOStream(reading, **options), PipeIOStream(writing)
    try:
        yield first, second
    finally:
        first.close()
        second.close()


@asynccontextmanager
async def under_tls(
    certificates: Certificates, **options: Any
) -> AsyncIterator[tuple[IOStream, IOStream]]:
    """Two streams over TLS, of a server and its client, the handshake behind them."""
    async with sockets(**options) as (ours, theirs):
        accepted = ours.start_tls(True, certificates.server_options())
        connected = theirs.start_tls(False, certificates.client_options(), "localhost")
        first, second = await accepted, await connected
        try:
            yield first, second
        finally:
            first.close()
            second.close()


@asynccontextmanager
async def raw(**options: Any) -> AsyncIterator[tuple[IOStream, socket.socket]]:
    """A stream over TCP, made with ``options``, and the bare socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    peer.setblocking(False)
    stream = IOStream(accepted, **options)
    try:
        yield stream, peer
    finally:
        stream.close()
        peer.close()


def reset(peer: socket.socket) -> None:
    """Hang up with a reset instead of the usual good-bye."""
    linger_not(peer)
    peer.close()


def linger_not(peer: socket.socket) -> None:
    """Let closing ``peer`` be a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def receive(peer: socket.socket, size: int) -> bytes:
    """``size`` bytes from a bare socket, or less at its end."""
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < size:
        piece = await loop.sock_recv(peer, size - len(data))
        if not piece:
            break
        data += piece
    return bytes(data)


async def fails_with(awaitable: Awaitable[Any], real_error: type[BaseException] | None) -> None:
    """The awaitable raises `StreamClosedError`, because of ``real_error``."""
    with pytest.raises(StreamClosedError) as caught:
        await awaitable
    if real_error is None:
        assert caught.value.real_error is None
    else:
        assert isinstance(caught.value.real_error, real_error)


async def feed_slowly(stream: BaseIOStream, data: bytes, size: int = 1) -> None:
    """Write ``data`` a few bytes at a time, each in a turn of its own."""
    for start in range(0, len(data), size):
        await stream.write(data[start : start + size])
        await asyncio.sleep(0)


@asynccontextmanager
async def listening(
    context: ssl.SSLContext, on_stream: Callable[[SSLIOStream], None] | None = None
) -> AsyncIterator[tuple[Any, list[SSLIOStream]]]:
    """The address of a TLS server, and the streams it has accepted.

    ``on_stream`` is called with each, before anything else happens to it.
    """
    streams: list[SSLIOStream] = []
    loop = asyncio.get_running_loop()

    def accept() -> None:
        connection, _ = sock.accept()
        connection.setblocking(False)
        wrapped = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        streams.append(SSLIOStream(wrapped))
        if on_stream is not None:
            on_stream(streams[-1])

    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        loop.add_reader(sock, accept)
        try:
            yield sock.getsockname(), streams
        finally:
            loop.remove_reader(sock)
            for stream in streams:
                stream.close()


class Collector:
    """A sink that takes note of what it gets."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.ended = False

    def feed(self, data: bytes) -> None:
        self.got.append(data)

    def stream_closed(self) -> None:
        self.ended = True
