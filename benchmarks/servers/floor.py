"""The floor: plain asyncio, `add_reader`, a non-blocking socket and a constant answer.

Nothing is parsed beyond finding where requests end, so no Python server with the same loop can
be faster.  It knows every application of `benchmarks.scenarios` by its answer alone.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from email.utils import formatdate

from benchmarks.scenarios import HELLO, JSON_ANSWER


def _answer(app: str) -> bytes:
    kind, body = "text/html; charset=UTF-8", HELLO
    if app == "json":
        kind, body = "application/json; charset=UTF-8", json.dumps(JSON_ANSWER).encode()
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Server: floor\r\n"
        f"Content-Type: {kind}\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Answer every request alike; `routes` makes no difference."""
    head_and_body = _answer(app)
    await respond(listener, lambda data: head_and_body * data.count(b"\r\n\r\n"))


async def respond(listener: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    """Send to every piece of data that comes what `answer` makes of it."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)

    def accept() -> None:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.add_reader(connection.fileno(), read, connection)

    def read(connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if data:
            connection.send(answer(data))
        else:
            loop.remove_reader(connection.fileno())
            connection.close()

    loop.add_reader(listener.fileno(), accept)
    await asyncio.Event().wait()
