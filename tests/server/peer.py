"""A raw client, and a reader of responses that forgives nothing.

It sends the bytes that it is given, and blocks, with a generous time-out, until there is something
to read.
"""

from __future__ import annotations

import os
import re
import select
import socket
import struct
from dataclasses import dataclass

PATIENCE = 10.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds after which a test gives up on something that should have happened."""

HOST = b"Host: example.com\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
"""A request that no handler may ever see."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\x20-\x7E]*)")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7E\x80-\xFF]*)")


@dataclass(frozen=True, slots=True)
class Response:
    """A response; the names of ``headers`` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def get(path: str, *fields: str) -> bytes:
    """A GET request for ``path`` with further header lines."""
    return request("GET", path, *fields)


def post(path: str, body: bytes, *fields: str) -> bytes:
    """A POST request with ``body`` and its length."""
    return request("POST", path, f"Content-Length: {len(body)}", *fields) + body


def request(method: str, path: str, *fields: str) -> bytes:
    """The head of an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: example.com", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunked(path: str, *fields: str) -> bytes:
    """The head of a POST request whose body comes in chunks."""
    return request("POST", path, "Transfer-Encoding: chunked", *fields)


class Peer:
    """One connection, as a client that sends what it is told to and reads with a strict eye."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    # Sending

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Send ``data`` one byte at a time, or as much as the server cares to take."""
        try:
            for i in range(len(data)):
                self.socket.sendall(data[i : i + 1])
        except OSError:
            pass

    def try_to_send(self, data: bytes) -> bool:
        """Send ``data``; False if the server is gone already."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Hang up with a reset instead of the usual good-bye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Reading

    def ask(self, data: bytes, method: str = "GET") -> Response:
        """Send a request and read the response."""
        self.send(data)
        return self.read_response(method)

    def read_response(self, method: str = "GET") -> Response:
        """Read one response to a request of ``method``; anything out of order fails the test."""
        status, headers = self.read_head()
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        assert coding is None or length is None, headers
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Response(status, headers, b"")
        if coding is not None:
            assert coding == "chunked", headers
            return Response(status, headers, self._read_chunks())
        if length is not None:
            assert re.fullmatch("[0-9]+", length, re.ASCII), headers
            return Response(status, headers, self.read_exactly(int(length)))
        # HTTP/1.0 is not told that its body ends with the connection.
        assert headers.get("connection") in ("close", None), headers
        return Response(status, headers, self.read_to_end())

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Read the head of a response: its status and its fields, none of them twice."""
        lines = self._read_until(b"\r\n\r\n")[:-4].split(b"\r\n")
        match = _STATUS_LINE.fullmatch(lines[0])
        assert match is not None, lines[0]
        headers: dict[str, str] = {}
        for line in lines[1:]:
            field = _FIELD.fullmatch(line)
            assert field is not None, line
            name = field[1].decode().lower()
            assert name not in headers, line
            headers[name] = field[2].decode("latin-1")
        return int(match[1]), headers

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            line = self._read_until(b"\r\n")
            assert re.fullmatch(rb"[0-9a-f]+\r\n", line), line
            piece = self.read_exactly(int(line, 16))
            assert self.read_exactly(2) == b"\r\n"
            if not piece:
                return body
            body += piece

    def _read_until(self, delimiter: bytes) -> bytes:
        while delimiter not in self._data:
            self._receive()
        found, _, self._data = self._data.partition(delimiter)
        return found + delimiter

    def read_exactly(self, size: int) -> bytes:
        parts = [self._data]
        here = len(self._data)
        while here < size:
            self._data = b""
            self._receive()
            parts.append(self._data)
            here += len(self._data)
        data = b"".join(parts)
        self._data = data[size:]
        return data[:size]

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the connection closed behind {self._data[-100:]!r}"
        self._data += data

    def read_to_end(self) -> bytes:
        """Read until the server has closed in good order."""
        parts = [self._data]
        self._data = b""
        while data := self.socket.recv(1 << 20):
            parts.append(data)
        return b"".join(parts)

    def ends(self) -> None:
        """Wait for the end of the connection; nothing more may come before it."""
        assert self.read_to_end() == b""

    def is_cut(self) -> bytes:
        """Wait until the server has closed, in good order or not, and return what came."""
        parts = [self._data]
        self._data = b""
        try:
            while data := self.socket.recv(1 << 20):
                parts.append(data)
        except ConnectionError:
            pass
        return b"".join(parts)

    def hears(self, seconds: float) -> bool:
        """Whether something, if only the end, can be read; waits up to ``seconds`` for it."""
        return bool(self._data) or bool(select.select([self.socket], [], [], seconds)[0])
