# mypy: disable-error-code = "import-not-found"
"""The package websockets, without compression, on asyncio."""

from __future__ import annotations

import asyncio
import socket

from websockets import ConnectionClosed
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_websockets

from benchmarks.sockets import BROADCAST

MESSAGE = BROADCAST.decode()
members: set[ServerConnection] = set()


async def talk(connection: ServerConnection) -> None:
    """Send back every message, or have one sent to everybody."""
    assert connection.request is not None
    try:
        if connection.request.path == "/echo":
            async for message in connection:
                await connection.send(message)
            return
        members.add(connection)
        async for _ in connection:
            broadcast(members, MESSAGE)
    except ConnectionClosed:
        pass  # the generator ends without ceremony
    finally:
        members.discard(connection)


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve both applications."""
    async with serve_websockets(
        talk, sock=listener, compression=None, ping_interval=None, max_size=None
    ):
        await asyncio.Event().wait()
