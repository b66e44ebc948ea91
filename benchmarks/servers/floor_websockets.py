"""The floor of WebSockets: an epoll, `recv`, and `send` of a frame that was made beforehand.

What comes is counted, not read: the first message on a connection is unmasked, and all that
follow are taken for the same.  So what is left is the kernel's, and a call for each piece.
"""

from __future__ import annotations

import asyncio
import select
import socket
import threading

from benchmarks.sockets import ACCEPT, BROADCAST, RECEIVE_SIZE, TEXT, frame
from tornadic.frames.masking import mask

_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n" % ACCEPT
)


class Connection:
    """A socket, the bytes in each of its messages, and the answer to each."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_open = False
        self.echoes = False
        self.size = 0
        self.got = bytearray()
        self.missing = 0
        self.answer = b""

    def take_first(self, data: bytes) -> None:
        """Read the request, or the first message, of which only the length and mask count."""
        self.got += data
        if not self.is_open:
            if self.got.endswith(b"\r\n\r\n"):
                self.echoes = self.got.startswith(b"GET /echo")
                self.is_open = True
                self.got.clear()
                self.sock.sendall(_SWITCH)
            return
        width = {126: 2, 127: 8}.get(self.got[1] & 0x7F, 0)
        head = 6 + width
        length = int.from_bytes(self.got[2 : 2 + width], "big") if width else self.got[1] & 0x7F
        if len(self.got) == head + length:
            payload = mask(bytes(self.got[head - 4 : head]), bytes(self.got[head:]))
            self.answer = frame(self.got[0] & 0x0F, payload, masked=False)
            self.size = self.missing = len(self.got)


def serve_for_ever(listener: socket.socket) -> None:
    """Answer whatever comes; a thread of its own, for it waits by itself."""
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    connections: dict[int, Connection] = {}
    message = frame(TEXT, BROADCAST, masked=False)
    while True:
        for fd, _ in epoll.poll():
            connection = connections.get(fd)
            if connection is None:
                sock = listener.accept()[0]
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[sock.fileno()] = Connection(sock)
                epoll.register(sock.fileno(), select.EPOLLIN)
                continue
            try:
                data = connection.sock.recv(RECEIVE_SIZE)
            except OSError:
                data = b""
            if not data:
                del connections[fd]
                connection.sock.close()
            elif not connection.size:
                connection.take_first(data)
                if connection.size:
                    answer(connection, connections, message)
            else:
                connection.missing -= len(data)
                if not connection.missing:
                    connection.missing = connection.size
                    answer(connection, connections, message)


def answer(connection: Connection, connections: dict[int, Connection], message: bytes) -> None:
    """What one message is answered with."""
    if connection.echoes:
        connection.sock.sendall(connection.answer)
        return
    for one in connections.values():
        one.sock.send(message)


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve both applications."""
    listener.setblocking(True)
    threading.Thread(target=serve_for_ever, args=(listener,), daemon=True).start()
    await asyncio.Event().wait()
