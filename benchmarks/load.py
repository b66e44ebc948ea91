"""The load generator: one process, one epoll, non-blocking sockets, a closed loop.

It has to be cheaper than the servers it drives, so the loop below does only what cannot be
left out: one `recv`, a comparison, one clock reading and one `send` for each request.  A probe
request is answered before the load begins; its answer is parsed and checked in full, and from
then on an answer of the same size, the same status and the same body is right at a glance.
It polls and never sleeps.  Waking a process that sleeps on the other core is work for the one
that sends to it: on a virtual machine 3 us and more for each answer, which a client elsewhere
would not cost the server, and which it pays only if it is slower than the generator.

Whatever looks different takes the slow path, which frames anew (`Wire`) and compares again.
A wrong answer ends the run with `LoadError`: a figure for wrong answers is worth nothing.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from types import TracebackType
from typing import Protocol, Self

# No server may take longer than this over one answer; far above any p99 seen.
ANSWER_TIMEOUT_SECONDS = 10.0
RECEIVE_SIZE = 65536
# Requests above this get a send buffer that holds one whole: the loop sends in a single call.
LARGE_REQUEST = 8192
STATUS_OK = b"HTTP/1.1 200 "
STATUS_UNCHANGED = b"HTTP/1.1 304 "


class LoadError(Exception):
    """The server answered wrongly, not at all, or closed a connection."""


class Answer(Protocol):
    """One answer of whatever protocol: what it says, and its bytes on the wire."""

    @property
    def body(self) -> bytes: ...

    @property
    def size(self) -> int: ...

    def require(self, body: bytes) -> None:
        """Raise LoadError unless it is a good answer that says `body`."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response as it came: its head (without the blank line) and its body."""

    head: bytes
    body: bytes

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.head) + 4 + len(self.body)

    def require(self, body: bytes) -> None:
        """Raise LoadError unless the status is 200 and the body is `body`."""
        if not self.head.startswith(STATUS_OK) or self.body != body:
            raise LoadError(f"wrong answer: {self.head!r} {self.body[:200]!r}")


def split_responses(data: bytes) -> tuple[list[Response], bytes]:
    """Cut `data` into whole responses, framed by Content-Length, and what is left over.

    Raises LoadError for a response that does not say its length.
    """
    responses = []
    while (end := data.find(b"\r\n\r\n")) >= 0:
        head = data[:end]
        mark = head.lower().find(b"\r\ncontent-length:")
        if mark < 0:
            raise LoadError(f"an answer without Content-Length: {head!r}")
        body_end = end + 4 + int(head[mark + 17 :].split(b"\r\n", 1)[0])
        if len(data) < body_end:
            break
        responses.append(Response(head, data[end + 4 : body_end]))
        data = data[body_end:]
    return responses, data


@dataclass(frozen=True, slots=True)
class Line:
    """One line that came, with its line feed."""

    body: bytes

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.body)

    def require(self, body: bytes) -> None:
        """Raise LoadError unless the line is `body`."""
        if self.body != body:
            raise LoadError(f"wrong answer: {self.body[:200]!r}")


def split_lines(data: bytes) -> tuple[list[Line], bytes]:
    """Cut `data` into whole lines and what is left over."""
    *lines, rest = data.split(b"\n")
    return [Line(line + b"\n") for line in lines], rest


@dataclass(frozen=True, slots=True)
class Wire:
    """How answers are told apart: `start` is what each right one begins with and has only once,
    `split` cuts bytes into whole answers and what is left over.
    """

    start: bytes
    split: Callable[[bytes], tuple[Sequence[Answer], bytes]]


HTTP = Wire(STATUS_OK, split_responses)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A response that says that the client has it already."""

    head: bytes
    body: bytes = b""

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.head) + 4

    def require(self, body: bytes) -> None:
        """Raise LoadError unless the status is 304; `body` is empty."""
        if not self.head.startswith(STATUS_UNCHANGED) or body:
            raise LoadError(f"wrong answer: {self.head!r}")


def split_unchanged(data: bytes) -> tuple[list[Unchanged], bytes]:
    """Cut `data` into whole responses without a body and what is left over."""
    *heads, rest = data.split(b"\r\n\r\n")
    return [Unchanged(head) for head in heads], rest


UNCHANGED = Wire(STATUS_UNCHANGED, split_unchanged)


def expect_body(body: bytes) -> Callable[[Answer], None]:
    """A check that the probe's answer has exactly this body."""
    return lambda response: response.require(body)


def expect_json(value: object) -> Callable[[Answer], None]:
    """A check that the probe's answer is this value in JSON, however it is spaced."""

    def check(response: Answer) -> None:
        response.require(response.body)
        if json.loads(response.body) != value:
            raise LoadError(f"wrong answer: {response.body!r} instead of {value!r}")

    return check


def same_requests(request: bytes) -> Iterator[bytes]:
    """`request`, for ever."""
    return repeat(request)


def unlike_requests(template: bytes, first: int = 1_000_000) -> Iterator[bytes]:
    """Requests no two of which are alike: a number that grows stands at every `%d`."""
    places = template.count(b"%d")
    number = first
    while True:
        yield template % ((number,) * places)
        number += 1


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one run of the generator saw; `cpu_seconds` is the generator's own cost."""

    requests: int
    wall_seconds: float
    cpu_seconds: float
    p50_seconds: float
    p99_seconds: float


class Load:
    """Keep-alive connections to one server, and the closed loop over them.

    `requests` gives the bytes of each request; `check` sees the probe's answer and raises
    LoadError if it is wrong; `wire` tells where answers end.  With `pipeline` n, n requests are
    sent at once on a connection and the next n only when all are answered; a latency is then that
    of the whole group.
    Connecting and the probe happen here, so errors of either are raised here (OSError, LoadError).
    """

    def __init__(
        self,
        port: int,
        requests: Iterator[bytes],
        check: Callable[[Answer], None],
        *,
        connections: int = 64,
        pipeline: int = 1,
        wire: Wire = HTTP,
    ) -> None:
        self._pipeline = pipeline
        self._wire = wire
        self._sockets: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}
        self._epoll = select.epoll()
        try:
            for _ in range(connections):
                connection = connect(port)
                self._sockets[connection.fileno()] = connection
            request = next(requests)
            probe = exchange(next(iter(self._sockets.values())), request, wire)
            check(probe)
            size = len(request) * pipeline
            for fd, connection in self._sockets.items():
                if size > LARGE_REQUEST:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size)
                connection.setblocking(False)
                # Edge-triggered: the kernel need not look at a socket again after it was read.
                self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)
        except BaseException:
            self.close()
            raise
        self._body = probe.body
        self._size = probe.size * pipeline
        self._requests = requests if pipeline == 1 else _grouped(requests, pipeline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; harmless when repeated."""
        for connection in self._sockets.values():
            connection.close()
        self._sockets.clear()
        self._epoll.close()

    def run(self, seconds: float) -> LoadResult:
        """Send for `seconds`, then take in what is still due, so that every request sent is
        answered when this returns.  Raises LoadError.
        """
        gc_was_enabled = gc.isenabled()
        gc.disable()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            latencies = self._drive(wall + seconds)
        except OSError as error:
            raise LoadError(f"a connection failed: {error}") from error
        finally:
            if gc_was_enabled:
                gc.enable()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        latencies.sort()
        return LoadResult(
            requests=len(latencies) * self._pipeline,
            wall_seconds=wall,
            cpu_seconds=cpu,
            p50_seconds=latencies[len(latencies) // 2],
            p99_seconds=latencies[len(latencies) * 99 // 100],
        )

    def _drive(self, end: float) -> list[float]:
        """The loop; returns the latency of each answer (of each group when pipelining)."""
        clock, poll, size, body = time.perf_counter, self._epoll.poll, self._size, self._body
        make, pipelined, depth = self._requests.__next__, self._pipeline > 1, self._pipeline
        start = self._wire.start
        receive = {fd: connection.recv for fd, connection in self._sockets.items()}
        send = {fd: connection.send for fd, connection in self._sockets.items()}
        width = waiting = len(send)
        sent_at = {}
        latencies: list[float] = []
        note = latencies.append
        for fd in send:
            sent_at[fd] = clock()
            send[fd](make())
        heard = clock()
        while waiting:
            # Never asleep: see the module's description.
            events = poll(0, width)
            if not events:
                if clock() - heard > ANSWER_TIMEOUT_SECONDS:
                    raise LoadError(f"no answer for {ANSWER_TIMEOUT_SECONDS} s: {self._partial!r}")
                continue
            heard = clock()
            for fd, _ in events:
                data = receive[fd](RECEIVE_SIZE)
                if (
                    len(data) != size
                    or not data.startswith(start)
                    or not data.endswith(body)
                    or (pipelined and data.count(start) != depth)
                ) and not self._complete(fd, data):
                    continue
                now = clock()
                note(now - sent_at[fd])
                if now < end:
                    sent_at[fd] = now
                    request = make()
                    if send[fd](request) != len(request):
                        raise LoadError("the server does not read what it is sent")
                else:
                    waiting -= 1
        return latencies

    def _complete(self, fd: int, data: bytes) -> bool:
        """The slow path: whether `data` completes the answers due on this connection.

        Raises LoadError for an answer that is wrong or was not asked for.
        """
        if not data:
            raise LoadError(f"the server closed a connection after {self._partial.get(fd, b'')!r}")
        held = self._partial.pop(fd, b"") + data
        responses, rest = self._wire.split(held)
        for response in responses:
            response.require(self._body)
        if len(responses) < self._pipeline:
            self._partial[fd] = held
            return False
        if rest or len(responses) > self._pipeline:
            raise LoadError(f"more than was asked for: {rest!r} after {responses[-1]!r}")
        return True


def _grouped(requests: Iterator[bytes], size: int) -> Iterator[bytes]:
    while True:
        yield b"".join(islice(requests, size))


def connect(port: int) -> socket.socket:
    """A blocking connection to the server on this port of the loopback interface."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(connection: socket.socket, request: bytes, wire: Wire = HTTP) -> Answer:
    """Send one request over a blocking connection and return its answer.  Raises LoadError."""
    connection.sendall(request)
    held = b""
    while True:
        try:
            data = connection.recv(RECEIVE_SIZE)
        except TimeoutError as error:
            raise LoadError(f"no answer but {held!r}") from error
        held += data
        responses, rest = wire.split(held)
        if responses and not rest:
            return responses[0]
        if (rest and responses) or not data:
            raise LoadError(f"a wrong answer or none: {held!r}")


class IdleConnections:
    """Connections that were answered once and then left open, `count` of them.

    Each is opened and answered before the next, so that the server never holds more than one
    request at a time: what it keeps afterwards is what an idle connection costs.
    """

    def __init__(self, port: int, request: bytes, count: int) -> None:
        self._connections: list[socket.socket] = []
        try:
            for _ in range(count):
                connection = connect(port)
                self._connections.append(connection)
                response = exchange(connection, request)
                response.require(response.body)
        except BaseException:
            self.close()
            raise

    def require_open(self) -> None:
        """Raise LoadError if the server has closed, or written to, one of them."""
        poller = select.epoll()
        try:
            for connection in self._connections:
                poller.register(connection.fileno(), select.EPOLLIN)
            touched = len(poller.poll(0, len(self._connections)))
        finally:
            poller.close()
        if touched:
            raise LoadError(f"{touched} of {len(self._connections)} idle connections were closed")

    def close(self) -> None:
        """Close all of them; harmless when repeated."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
