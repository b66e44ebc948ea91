"""WebSocket clients for the servers: raw sockets, and frames that were made beforehand.

`Echoes` sends one message on each connection and the next when it has come back; `Hearers` has
one of its connections ask for a broadcast, and the next when everybody has heard it.  The first
answer on each connection is compared in full; from then on the generator counts bytes and looks
at the first and the last of them, since masking and unmasking in Python would cost it more than
the server.  Like the generator of requests it polls and never sleeps (see `benchmarks.load`).
"""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from benchmarks.load import ANSWER_TIMEOUT_SECONDS, LoadError, LoadResult, Wire, connect, exchange

OPENING = (
    b"GET /%s HTTP/1.1\r\nHost: www.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Origin: http://www.example.com\r\nUser-Agent: Mozilla/5.0\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
STATUS_SWITCHING = b"HTTP/1.1 101 "
# The answer to the key above, which RFC 6455 section 1.3 has as its example.
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

TEXT, BINARY = 1, 2
# A mask that changes every byte; the server cannot know that it is always the same.
MASK = b"\x5a\x17\xc3\x88"
RECEIVE_SIZE = 262144

BROADCAST = b"b" * 1024
"""What everybody hears."""


class Switched:
    """An answer that gives us the connection."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.body = b""
        self.size = len(head) + 4

    def require(self, body: bytes) -> None:
        """Raise LoadError unless it is a 101 that answers our key."""
        if not self.head.startswith(STATUS_SWITCHING) or ACCEPT not in self.head:
            raise LoadError(f"no WebSocket: {self.head!r}")


def split_switched(data: bytes) -> tuple[list[Switched], bytes]:
    """The head of an answer to `OPENING`, and what is left over."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return ([Switched(head)], rest) if end else ([], data)


SWITCHED = Wire(STATUS_SWITCHING, split_switched)


def frame(opcode: int, payload: bytes, masked: bool) -> bytes:
    """A frame that is a whole message."""
    flag, size = (0x80 if masked else 0), len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, flag | size))
    elif size < 65536:
        head = struct.pack(">BBH", 0x80 | opcode, flag | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, flag | 127, size)
    if not masked:
        return head + payload
    pad = MASK * (size // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(pad[:size], "big")
    return head + MASK + number.to_bytes(size, "big")


def payload_of(size: int) -> bytes:
    """A payload of so many bytes, of ASCII, the same every time."""
    return bytes(random.Random(size).choices(range(0x20, 0x7F), k=size))


def open_socket(port: int, path: str) -> socket.socket:
    """A connection on which a server speaks WebSocket; raises OSError and LoadError."""
    connection = connect(port)
    try:
        exchange(connection, OPENING % path.encode(), SWITCHED).require(b"")
    except BaseException:
        connection.close()
        raise
    return connection


class Sockets:
    """Open connections, each of which is due `answer` now and then."""

    def __init__(self, port: int, path: str, answer: bytes, connections: int) -> None:
        self._answer = answer
        self._sockets: dict[int, socket.socket] = {}
        self._epoll = select.epoll()
        self._buffer = memoryview(bytearray(RECEIVE_SIZE))
        try:
            for _ in range(connections):
                connection = open_socket(port, path)
                self._sockets[connection.fileno()] = connection
                connection.setblocking(False)
                self._epoll.register(connection.fileno(), select.EPOLLIN)
            if answer:
                self._check()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        raise NotImplementedError

    def _receive(
        self, answered: Callable[[int], None], checked: dict[int, bytearray] | None = None
    ) -> None:
        """Receive until every connection has had what it is due; `answered` may make it more."""
        clock, poll, buffer = time.perf_counter, self._epoll.poll, self._buffer
        answer, size = self._answer, len(self._answer)
        first, last = answer[0], answer[-1]
        due, got = self._due, dict.fromkeys(self._sockets, 0)
        receive = {fd: connection.recv_into for fd, connection in self._sockets.items()}
        heard = clock()
        while due:
            self._push()
            events = poll(0, len(receive))
            if not events:
                if clock() - heard > ANSWER_TIMEOUT_SECONDS:
                    raise LoadError(f"no answer for {ANSWER_TIMEOUT_SECONDS} s")
                continue
            heard = clock()
            for fd, _ in events:
                count = receive[fd](buffer, min(size - got[fd], RECEIVE_SIZE))
                if not count or fd not in due or (not got[fd] and buffer[0] != first):
                    raise LoadError("the server closed a connection, or said something else")
                if checked is not None:
                    checked.setdefault(fd, bytearray()).extend(buffer[:count])
                got[fd] += count
                if got[fd] == size:
                    if buffer[count - 1] != last:
                        raise LoadError("a wrong answer")
                    got[fd] = 0
                    due.remove(fd)
                    answered(fd)

    _due: set[int]

    def _push(self) -> None:
        """Send what the kernel did not take."""

    def _check(self) -> None:
        """One answer on every connection, compared in full."""
        received: dict[int, bytearray] = {}
        self._start()
        self._receive(lambda fd: None, received)
        if any(data != self._answer for data in received.values()):
            raise LoadError("a wrong answer")

    def close(self) -> None:
        """Close every connection; harmless when repeated."""
        for connection in self._sockets.values():
            connection.close()
        self._sockets.clear()
        self._epoll.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Echoes(Sockets):
    """Connections that send `size` bytes and wait for them to come back.  Raises LoadError."""

    def __init__(self, port: int, size: int, connections: int) -> None:
        opcode = TEXT if size < 65536 else BINARY
        self._frame = frame(opcode, payload_of(size), masked=True)
        self._unsent: dict[int, memoryview] = {}
        super().__init__(port, "echo", frame(opcode, payload_of(size), masked=False), connections)

    def _start(self) -> None:
        self._due = set(self._sockets)
        for fd in self._sockets:
            self._send(fd)

    def _send(self, fd: int) -> None:
        count = self._sockets[fd].send(self._frame)
        if count < len(self._frame):
            self._unsent[fd] = memoryview(self._frame)[count:]

    def _push(self) -> None:
        for fd, left in list(self._unsent.items()):
            try:
                count = self._sockets[fd].send(left)
            except BlockingIOError:
                continue
            if count == len(left):
                del self._unsent[fd]
            else:
                self._unsent[fd] = left[count:]

    def run(self, seconds: float) -> LoadResult:
        """Send for `seconds`, and wait for what is still due."""
        clock, latencies = time.perf_counter, list[float]()
        wall, cpu = clock(), time.process_time()
        end = wall + seconds
        sent = dict.fromkeys(self._sockets, wall)

        def answered(fd: int) -> None:
            now = clock()
            latencies.append(now - sent[fd])
            if now < end:
                sent[fd] = now
                self._due.add(fd)
                self._send(fd)

        self._start()
        self._receive(answered)
        return result(latencies, len(latencies), clock() - wall, time.process_time() - cpu)


class Hearers(Sockets):
    """Connections of which one asks for broadcasts.  A request is one message to one of them."""

    def __init__(self, port: int, connections: int) -> None:
        self._frame = frame(TEXT, b"go", masked=True)
        super().__init__(port, "broadcast", frame(TEXT, BROADCAST, masked=False), connections)

    def _start(self) -> None:
        self._due = set(self._sockets)
        next(iter(self._sockets.values())).send(self._frame)

    def run(self, seconds: float) -> LoadResult:
        """Ask for broadcasts for `seconds`, one after another."""
        clock, latencies = time.perf_counter, list[float]()
        wall, cpu = clock(), time.process_time()
        now = wall
        while now < wall + seconds or not latencies:
            self._start()
            self._receive(lambda fd: None)
            latencies.append(clock() - now)
            now = clock()
        count = len(latencies) * len(self._sockets)
        return result(latencies, count, now - wall, time.process_time() - cpu)


class Idle(Sockets):
    """Connections that nobody uses."""

    def __init__(self, port: int, connections: int) -> None:
        super().__init__(port, "echo", b"", connections)

    def require_open(self) -> None:
        """Raise LoadError if the server has closed, or written to, one of them."""
        touched = len(self._epoll.poll(0, len(self._sockets)))
        if touched:
            raise LoadError(f"{touched} idle connections were closed")


def result(latencies: list[float], count: int, wall: float, cpu: float) -> LoadResult:
    """What a run has seen."""
    latencies.sort()
    return LoadResult(
        requests=count,
        wall_seconds=wall,
        cpu_seconds=cpu,
        p50_seconds=latencies[len(latencies) // 2],
        p99_seconds=latencies[len(latencies) * 99 // 100],
    )
