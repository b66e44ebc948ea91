"""The peer of a bulk transfer: one raw socket that sends or receives and does nothing else.

A transfer is one command, `<bytes> <checked>` on a line, and then so many bytes one way or the
other, which repeat PATTERN.  A server that receives answers with a report: how many bytes it got
and, if the transfer is checked, their SHA-256.  The first transfer of each connection is checked;
in those that are measured both sides only count, since a digest costs more than what is measured.

Like the generator of requests, the socket polls and never sleeps (see `benchmarks.load`).
"""

from __future__ import annotations

import hashlib
import random
import select
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from benchmarks.load import (
    ANSWER_TIMEOUT_SECONDS,
    RECEIVE_SIZE,
    STATUS_OK,
    Answer,
    LoadError,
    LoadResult,
    connect,
    split_lines,
    split_responses,
)

MIB = 2**20
PATTERN = random.Random(6).randbytes(MIB)
# What a server that receives asks for at once.
CHUNK = 65536
# What a server that sends hands over at once, by the name of its application.
SEND_SIZES = {"send-64k": 64 * 1024, "send-256k": 256 * 1024, "send-1m": MIB}
# Long enough that the command and the report do not count, a multiple of the pattern.
TRANSFER_SIZE = 64 * MIB
CHECKED_SIZE = 4 * MIB
# What a server of static files is asked for, also a multiple of the pattern.
LARGE_NAME = "large.bin"
LARGE_SIZE = 10 * MIB
# How far a receiver looks whether what came last is right, also when it only counts.
TAIL = 64


def command(size: int, checked: bool) -> bytes:
    """The line that asks for a transfer of `size` bytes."""
    return b"%d %d\n" % (size, checked)


def parse_command(line: bytes) -> tuple[int, bool]:
    """What `command` was given."""
    size, checked = line.split()
    return int(size), checked == b"1"


class Tally:
    """What a receiver got: a count, and if it is checked a SHA-256."""

    def __init__(self, checked: bool) -> None:
        self.size = 0
        self._hash = hashlib.sha256() if checked else None

    def add(self, data: bytes | memoryview) -> None:
        """Count the next bytes."""
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)

    def report(self) -> bytes:
        """The count and the digest, without a line feed."""
        digest = self._hash.hexdigest() if self._hash is not None else "unchecked"
        return f"{self.size} {digest}".encode()


def expected_report(size: int, checked: bool) -> bytes:
    """The report of whoever got `size` bytes, a multiple of the pattern."""
    tally = Tally(checked)
    for _ in range(size // MIB):
        tally.add(PATTERN)
    return tally.report()


class PolledSocket:
    """A connection that is polled; what goes wrong with it is a LoadError."""

    def __init__(self, port: int) -> None:
        self._socket = connect(port)
        self._socket.setblocking(False)
        self._readable, self._writable = select.epoll(), select.epoll()
        self._readable.register(self._socket.fileno(), select.EPOLLIN)
        self._writable.register(self._socket.fileno(), select.EPOLLOUT)

    def close(self) -> None:
        """Close it; harmless when repeated."""
        self._readable.close()
        self._writable.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        left = memoryview(data)
        while left:
            self._wait(self._writable)
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise LoadError(f"a connection failed: {error}") from error

    def receive(self, buffer: bytearray | memoryview) -> int:
        """Fill a part of `buffer`; how many bytes, at least 1."""
        self._wait(self._readable)
        try:
            count = self._socket.recv_into(buffer)
        except OSError as error:
            raise LoadError(f"a connection failed: {error}") from error
        if not count:
            raise LoadError("the server closed a connection")
        return count

    def require_answer(
        self, split: Callable[[bytes], tuple[Sequence[Answer], bytes]], body: bytes
    ) -> None:
        """Wait for one answer and raise LoadError unless it says `body`."""
        held, buffer = b"", bytearray(RECEIVE_SIZE)
        answers: Sequence[Answer] = ()
        while not answers:
            held += buffer[: self.receive(buffer)]
            answers, rest = split(held)
        answers[0].require(body)
        if rest or len(answers) > 1:
            raise LoadError(f"more than was asked for: {held!r}")

    def _wait(self, epoll: select.epoll) -> None:
        if epoll.poll(0, 1):
            return
        end = time.perf_counter() + ANSWER_TIMEOUT_SECONDS
        while not epoll.poll(0, 1):
            if time.perf_counter() > end:
                raise LoadError(f"the server did nothing for {ANSWER_TIMEOUT_SECONDS} s")


class Transfer:
    """Transfers over one connection, one after another: what all kinds have in common.

    Making one connects and does the checked transfer.  `size` is that of one measured transfer, a
    multiple of the pattern.  Raises OSError and LoadError.
    """

    def __init__(self, port: int, size: int = TRANSFER_SIZE) -> None:
        self._size = size
        self._socket = PolledSocket(port)
        try:
            self.transfer(CHECKED_SIZE, checked=True)
        except BaseException:
            self.close()
            raise

    def transfer(self, size: int, *, checked: bool) -> None:
        """Move `size` bytes; raise LoadError unless they arrived."""
        raise NotImplementedError

    def run(self, seconds: float) -> LoadResult:
        """Transfer until `seconds` have gone by, at least once.  A request is one MiB, and the
        latencies are those of whole transfers.  Raises LoadError.
        """
        start = now = time.perf_counter()
        cpu = time.process_time()
        times: list[float] = []
        while not times or now < start + seconds:
            before = now
            self.transfer(self._size, checked=False)
            now = time.perf_counter()
            times.append(now - before)
        times.sort()
        return LoadResult(
            requests=len(times) * self._size // MIB,
            wall_seconds=now - start,
            cpu_seconds=time.process_time() - cpu,
            p50_seconds=times[len(times) // 2],
            p99_seconds=times[len(times) * 99 // 100],
        )

    def _send_pattern(self, size: int) -> None:
        for _ in range(size // MIB):
            self._socket.send(PATTERN)

    def close(self) -> None:
        """Close the connection; harmless when repeated."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ToServer(Transfer):
    """The server receives."""

    def transfer(self, size: int, *, checked: bool) -> None:
        self._socket.send(command(size, checked))
        self._send_pattern(size)
        self._socket.require_answer(split_lines, expected_report(size, checked) + b"\n")


class FromServer(Transfer):
    """The server sends."""

    def transfer(self, size: int, *, checked: bool) -> None:
        self._socket.send(command(size, checked))
        tally = Tally(checked)
        buffer = bytearray(MIB)
        view = memoryview(buffer)
        count = 0
        while tally.size < size:
            # Within what is due, so that bytes too many are seen by the next transfer.
            count = self._socket.receive(view[: min(MIB, size - tally.size)])
            tally.add(view[:count])
        if tally.report() != expected_report(size, checked):
            raise LoadError(f"wrong bytes: {tally.report()!r}")
        tail = min(count, TAIL)
        if buffer[count - tail : count] != PATTERN[-tail:]:
            raise LoadError(f"wrong bytes at the end: {bytes(buffer[count - tail : count])!r}")


class Download(Transfer):
    """The server is an HTTP server, and what it sends is the large static file."""

    def __init__(self, port: int, size: int = LARGE_SIZE) -> None:
        super().__init__(port, size)

    def transfer(self, size: int, *, checked: bool) -> None:
        self._socket.send(
            f"GET /static/{LARGE_NAME} HTTP/1.1\r\nHost: www.example.com\r\n\r\n".encode()
        )
        tally = Tally(checked)
        buffer = bytearray(MIB)
        view = memoryview(buffer)
        head = b""
        while b"\r\n\r\n" not in head:
            head += view[: self._socket.receive(buffer)]
        head, _, begun = head.partition(b"\r\n\r\n")
        length = f"\r\nContent-Length: {LARGE_SIZE}\r\n".encode()
        if not head.startswith(STATUS_OK) or length not in head + b"\r\n":
            raise LoadError(f"wrong answer: {head!r}")
        tally.add(begun)
        tail = begun[-TAIL:]
        while tally.size < LARGE_SIZE:
            count = self._socket.receive(view[: min(MIB, LARGE_SIZE - tally.size)])
            tally.add(view[:count])
            tail = (tail + view[max(0, count - TAIL) : count])[-TAIL:]
        if tally.report() != expected_report(LARGE_SIZE, checked) or tail != PATTERN[-TAIL:]:
            raise LoadError(f"wrong bytes: {tally.report()!r}, at the end {tail!r}")


class Upload(Transfer):
    """The server is an HTTP server, and what it receives is the body of a PUT."""

    def transfer(self, size: int, *, checked: bool) -> None:
        path = "/checked" if checked else "/counted"
        head = f"PUT {path} HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: {size}\r\n\r\n"
        self._socket.send(head.encode())
        self._send_pattern(size)
        self._socket.require_answer(split_responses, expected_report(size, checked))
