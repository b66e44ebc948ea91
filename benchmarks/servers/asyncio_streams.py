"""The servers of `tornado_streams` written with asyncio's own streams."""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter

from benchmarks.transfers import CHUNK, PATTERN, SEND_SIZES, Tally, parse_command


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    """Every line goes back."""
    while True:
        line = await reader.readuntil(b"\n")
        writer.write(line)
        await writer.drain()


async def receive_partial(reader: StreamReader, writer: StreamWriter) -> None:
    """Receive whatever is there, up to 64 KB at once."""
    while True:
        size, checked = parse_command(await reader.readuntil(b"\n"))
        tally = Tally(checked)
        while tally.size < size:
            data = await reader.read(min(CHUNK, size - tally.size))
            if not data:
                return
            tally.add(data)
        writer.write(tally.report() + b"\n")


async def receive_exact(reader: StreamReader, writer: StreamWriter) -> None:
    """Receive 64 KB at once, no less."""
    while True:
        size, checked = parse_command(await reader.readuntil(b"\n"))
        tally = Tally(checked)
        while tally.size < size:
            tally.add(await reader.readexactly(min(CHUNK, size - tally.size)))
        writer.write(tally.report() + b"\n")


async def send(reader: StreamReader, writer: StreamWriter, piece_size: int) -> None:
    """Send in pieces of this size, each drained."""
    pieces = [PATTERN[i : i + piece_size] for i in range(0, len(PATTERN), piece_size)]
    while True:
        size, _ = parse_command(await reader.readuntil(b"\n"))
        for _ in range(size // len(PATTERN)):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()


async def talk(app: str, reader: StreamReader, writer: StreamWriter) -> None:
    """Serve one connection with the application called `app`."""
    if app in SEND_SIZES:
        await send(reader, writer, SEND_SIZES[app])
    else:
        apps = {"echo": echo, "receive": receive_partial, "receive-exactly": receive_exact}
        await apps[app](reader, writer)


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve; `routes` makes no difference, there is no router."""

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await talk(app, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, sock=listener)
    async with server:
        await server.serve_forever()
