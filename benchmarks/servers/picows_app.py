# mypy: disable-error-code = "import-not-found"
# mypy: disallow-subclassing-any = False
"""The package picows, whose protocol is written in Cython, on uvloop."""

from __future__ import annotations

import socket
from typing import Any

import picows

from benchmarks.sockets import BROADCAST

members: set[Any] = set()


class Echo(picows.WSListener):
    """Every message goes back."""

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class Broadcast(picows.WSListener):
    """Every message has one sent to everybody."""

    def on_ws_connected(self, transport: Any) -> None:
        members.add(transport)

    def on_ws_disconnected(self, transport: Any) -> None:
        members.discard(transport)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        for member in members:
            member.send(picows.WSMsgType.TEXT, BROADCAST)


def listener_of(request: Any) -> Any:
    """Who takes part in the connection that is asked for."""
    return Echo() if request.path == b"/echo" else Broadcast()


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve both applications."""
    server = await picows.ws_create_server(
        listener_of, sock=listener, enable_auto_ping=False, max_frame_size=2**24
    )
    await server.serve_forever()
