"""Feeds a reader, however the bytes may be cut, and notes what comes out.

Everything is read whole, byte by byte, in halves and with a further message behind it, and has to
give the same each time: events with the pieces of a body joined, and an error's status.  What an
error cut off of a body does not count, for how much of it was seen before depends on the cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from tornadic.http import headers as headers_module
from tornadic.http.errors import HTTPInputError
from tornadic.http.framing import Framing
from tornadic.http.headers import URGENT
from tornadic.http.reader import END, HEAD, MORE, ReaderLimits, RequestReader, ResponseReader

Reader = RequestReader | ResponseReader

REQUEST_BEHIND: Final = b"PATCH /behind HTTP/1.1\r\nHost: behind\r\n\r\n"
RESPONSE_BEHIND: Final = b"HTTP/1.1 299 Behind\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Head:
    """A head as it was when it came."""

    start_line: tuple[str | int, ...]
    fields: tuple[tuple[str, str], ...]
    framing: Framing


Event = Head | bytes | Literal["end"]


@dataclass(frozen=True)
class Reading:
    """All that came of some bytes: ``error`` is its status, ``rest`` what was not read."""

    events: tuple[Event, ...]
    error: int | None
    rest: bytes

    @property
    def heads(self) -> list[Head]:
        return [event for event in self.events if isinstance(event, Head)]

    @property
    def bodies(self) -> list[bytes]:
        return [event for event in self.events if isinstance(event, bytes)]

    @property
    def settled(self) -> tuple[Event, ...]:
        """The events without what there was of a body when an error came."""
        if self.error is not None and self.events and isinstance(self.events[-1], bytes):
            return self.events[:-1]
        return self.events


# Fields that are asked for without need, and may have to be taken apart for that.
OTHERS = ("Cookie", "If-Modified-Since", "If-Range", "Range", "X-A")


class Listener:
    """Feeds ``reader`` and takes its events at once.

    ``on_head`` is called at every head, as a program would be.  The headers that come are spoilt
    after they were noted: they are the program's, and nothing of it may come back.
    """

    def __init__(self, reader: Reader, on_head: Callable[[Reader], None] | None = None) -> None:
        self.reader = reader
        self.events: list[Event] = []
        self.error: int | None = None
        self._on_head = on_head
        self._fed = 0

    def feed(self, data: bytes) -> None:
        self.reader.feed(data)
        self._fed += len(data)
        assert self.reader.buffered <= self._fed
        self.drain()

    def drain(self, one_message: bool = False) -> bool:
        """Take events until it takes more bytes; nothing comes after an error.

        With ``one_message`` it stops behind a message, and says whether it did.
        """
        # A head and an end for every message, and no message takes less than 16 bytes.
        fed = self._fed or self.reader.buffered
        most = fed + fed // 8 + 4
        for _ in range(most):
            try:
                event = self.reader.next_event()
            except HTTPInputError as e:
                assert self.error is None, "an error after an error"
                assert 400 <= e.status <= 599
                self.error = e.status
                continue
            if event is None:
                return False
            assert self.error is None, "an event after an error"
            self._note(event)
            if one_message and not self.reader.in_message:
                return True
        raise AssertionError("more events than bytes")

    def _note(self, event: object) -> None:
        reader = self.reader
        if event is HEAD:
            headers = reader.headers
            peeked = {name: headers.peek(name) for name in (*URGENT, *OTHERS)}
            fields = tuple(headers.get_all())
            assert peeked == {name: headers.get(name) for name in peeked}
            self.events.append(Head(tuple(reader.start_line), fields, reader.framing))
            for name, _ in fields:
                headers.add(name, "spoilt")
            headers["X-Spoilt"] = "1"
            if self._on_head is not None:
                self._on_head(reader)
        elif event is END:
            self.events.append("end")
        elif event is not MORE:
            assert isinstance(event, bytes), "a body's piece is bytes"
            assert 0 < len(event) <= reader.limits.chunk_size
            if self.events and isinstance(before := self.events[-1], bytes):
                self.events[-1] = before + event
            else:
                self.events.append(event)

    def eof(self) -> None:
        try:
            self.reader.feed_eof()
        except HTTPInputError as e:
            assert 400 <= e.status <= 599
            self.error = self.error or e.status
        self.drain()

    def result(self) -> Reading:
        return Reading(tuple(self.events), self.error, self.reader.take_rest())


def read(
    reader: Reader,
    pieces: Iterable[bytes],
    *,
    eof: bool = False,
    on_head: Callable[[Reader], None] | None = None,
) -> Reading:
    """What comes of ``pieces``, and of the end of the stream behind them if ``eof``."""
    listener = Listener(reader, on_head)
    for piece in pieces:
        listener.feed(piece)
    if eof:
        listener.eof()
    return listener.result()


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """``data`` cut at ``places``, wherever they are."""
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(bounds) if a < b]


def forget_lines() -> None:
    """Empty the tables of lines and names, as in a process that has seen nothing yet."""
    headers_module._lines.clear()
    headers_module._canonical.clear()


def _agree(one: Reading, other: Reading) -> None:
    assert other.error == one.error
    assert other.settled == one.settled


def _read_every_way(
    make: Callable[[], Reader],
    data: bytes,
    behind: bytes,
    eof: bool,
    on_head: Callable[[Reader], None] | None,
) -> Reading:
    whole = read(make(), [data], eof=eof, on_head=on_head)
    _agree(whole, read(make(), bytewise(data), eof=eof, on_head=on_head))
    for middle in (len(data) // 2, len(data) - 1):
        _agree(whole, read(make(), cut(data, [middle]), eof=eof, on_head=on_head))
    if eof:
        return whole
    followed = read(make(), [data + behind], on_head=on_head)
    if whole.error is not None:
        _agree(whole, followed)
        return whole
    probe = make()
    read(probe, [data])
    last = read(make(), [behind])
    if not (whole.rest or probe.in_message or last.error):
        assert followed.error is None
        assert followed.heads == [*whole.heads, *last.heads]
        assert followed.bodies == whole.bodies
    return whole


def requests(
    data: bytes,
    limits: ReaderLimits | None = None,
    *,
    eof: bool = False,
    on_head: Callable[[Reader], None] | None = None,
) -> Reading:
    """What a server reads of ``data``, in every way it may come."""
    limits = limits or ReaderLimits()
    return _read_every_way(lambda: RequestReader(limits), data, REQUEST_BEHIND, eof, on_head)


def responses(
    data: bytes,
    method: str | None = None,
    limits: ReaderLimits | None = None,
    *,
    eof: bool = False,
    on_head: Callable[[Reader], None] | None = None,
) -> Reading:
    """What a client that asked with ``method`` reads of ``data``, in every way it may come."""
    limits = limits or ReaderLimits()
    return _read_every_way(
        lambda: ResponseReader(limits, method), data, RESPONSE_BEHIND, eof, on_head
    )


def head(start: str, *lines: str, host: bool = True) -> bytes:
    """A request's head: ``start``, ``Host`` unless told otherwise, and ``lines``."""
    hosts = ["Host: example.com"] if host else []
    return "\r\n".join([start, *hosts, *lines, "", ""]).encode("latin-1")


def answer(start: str, *lines: str) -> bytes:
    """A response's head."""
    return head(start, *lines, host=False)
