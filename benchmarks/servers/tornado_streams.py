# mypy: disallow-subclassing-any = False
"""Servers on bare streams for Tornado and Tornadic: one source, as `tornado_app` is.

`echo` sends each line back.  The others take commands (see `benchmarks.transfers`) and receive or
send in the way and in the pieces that their name tells.
"""

from __future__ import annotations

import asyncio
import os
import socket
from importlib import import_module
from typing import Any

from benchmarks.transfers import CHUNK, PATTERN, SEND_SIZES, Tally, parse_command

_package = os.environ["BENCH_PACKAGE"]
iostream: Any = import_module(f"{_package}.iostream")
tcpserver: Any = import_module(f"{_package}.tcpserver")


async def echo(stream: Any) -> None:
    """Every line goes back."""
    while True:
        line = await stream.read_until(b"\n")
        await stream.write(line)


async def receive_partial(stream: Any) -> None:
    """Receive whatever is there, up to 64 KB at once."""
    while True:
        size, checked = parse_command(await stream.read_until(b"\n"))
        tally = Tally(checked)
        while tally.size < size:
            tally.add(await stream.read_bytes(min(CHUNK, size - tally.size), partial=True))
        await stream.write(tally.report() + b"\n")


async def receive_exact(stream: Any) -> None:
    """Receive 64 KB at once, no less."""
    while True:
        size, checked = parse_command(await stream.read_until(b"\n"))
        tally = Tally(checked)
        while tally.size < size:
            tally.add(await stream.read_bytes(min(CHUNK, size - tally.size)))
        await stream.write(tally.report() + b"\n")


async def send(stream: Any, piece_size: int) -> None:
    """Send in pieces of this size, each awaited."""
    pieces = [PATTERN[i : i + piece_size] for i in range(0, len(PATTERN), piece_size)]
    while True:
        size, _ = parse_command(await stream.read_until(b"\n"))
        for _ in range(size // len(PATTERN)):
            for piece in pieces:
                await stream.write(piece)


async def talk(app: str, stream: Any) -> None:
    """Serve one connection with the application called `app`."""
    if app in SEND_SIZES:
        await send(stream, SEND_SIZES[app])
    else:
        apps = {"echo": echo, "receive": receive_partial, "receive-exactly": receive_exact}
        await apps[app](stream)


class StreamServer(tcpserver.TCPServer):
    """A server whose connections end when the client has gone."""

    def __init__(self, app: str) -> None:
        super().__init__()
        self._app = app

    async def handle_stream(self, stream: Any, address: object) -> None:
        try:
            await talk(self._app, stream)
        except iostream.StreamClosedError:
            pass


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve; `routes` makes no difference, there is no router."""
    listener.setblocking(False)
    server = StreamServer(app)
    server.add_sockets([listener])
    await asyncio.Event().wait()
