"""The floor of streams: for an echo `add_reader`, for bulk transfers a blocking socket's thread.

What the latter takes is the kernel's, and a call for each piece.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

from benchmarks.servers import floor
from benchmarks.transfers import CHUNK, PATTERN, SEND_SIZES, Tally, parse_command


def _read_command(connection: socket.socket) -> tuple[int, bool]:
    """The next command; ConnectionError when the client has gone.

    It comes a byte at a time, since the bytes behind it are the transfer's.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError
        line += byte
    return parse_command(line)


def receive(connection: socket.socket, flags: int) -> None:
    """Receive up to 64 KB at once, or exactly that with MSG_WAITALL among the flags."""
    while True:
        size, checked = _read_command(connection)
        tally = Tally(checked)
        while tally.size < size:
            data = connection.recv(min(CHUNK, size - tally.size), flags)
            if not data:
                return
            tally.add(data)
        connection.sendall(tally.report() + b"\n")


def send(connection: socket.socket, piece_size: int) -> None:
    """Send in pieces of this size."""
    pieces = [PATTERN[i : i + piece_size] for i in range(0, len(PATTERN), piece_size)]
    while True:
        size, _ = _read_command(connection)
        for _ in range(size // len(PATTERN)):
            for piece in pieces:
                connection.sendall(piece)


def talk(app: str, connection: socket.socket) -> None:
    """Serve one connection with the application called `app`, until the client has gone."""
    with connection, suppress(ConnectionError):
        if app in SEND_SIZES:
            send(connection, SEND_SIZES[app])
        else:
            receive(connection, socket.MSG_WAITALL if app == "receive-exactly" else 0)


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve each connection in a thread, an echo in the loop; `routes` makes no difference."""
    if app == "echo":
        await floor.respond(listener, bytes)
        return
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(listener)
        connection.setblocking(True)
        threading.Thread(target=talk, args=(app, connection), daemon=True).start()
