# mypy: disallow-subclassing-any = False
"""WebSockets for Tornado and Tornadic: one source, but for how a message is sent to many.

The package's name stands in the environment variable BENCH_PACKAGE, as for `tornado_app`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from importlib import import_module
from typing import Any

from benchmarks.sockets import BROADCAST

_package = os.environ["BENCH_PACKAGE"]
httpserver: Any = import_module(f"{_package}.httpserver")
web: Any = import_module(f"{_package}.web")
websocket: Any = import_module(f"{_package}.websocket")

MESSAGE = BROADCAST.decode()


class EchoHandler(websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, isinstance(message, bytes))


class BroadcastHandler(websocket.WebSocketHandler):
    members: set[BroadcastHandler] = set()

    def open(self) -> None:
        self.members.add(self)

    def on_message(self, message: str | bytes) -> None:
        if hasattr(websocket, "broadcast"):
            websocket.broadcast(self.members, MESSAGE)
        else:
            for member in self.members:
                member.write_message(MESSAGE)

    def on_close(self) -> None:
        self.members.discard(self)


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve both applications."""
    listener.setblocking(False)
    rules = [("/echo", EchoHandler), ("/broadcast", BroadcastHandler)]
    server = httpserver.HTTPServer(web.Application(rules))
    server.add_sockets([listener])
    await asyncio.Event().wait()
