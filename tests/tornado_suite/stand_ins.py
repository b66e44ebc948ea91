"""What stands for Tornado's insides where its tests ask for them, so that they try ours.

Some tests import private names, or look at private counters, to try what is public: compression,
masks, what goes over the wire.  They get the same by the same names here, made of Tornadic's own
parts; nothing is faked.  A name that Tornadic has itself is left alone.
"""

from __future__ import annotations

import doctest
import importlib
import unittest
from collections import Counter
from collections.abc import Callable
from typing import Any

__all__ = [
    "RENAMED",
    "DecompressTooLargeError",
    "PerMessageDeflateCompressor",
    "PerMessageDeflateDecompressor",
    "count_bytes",
    "fill_in",
]

RENAMED = {("tornado.curl_httpclient", "_CurlStreamingBuffer"): "_Transfer"}
"""Private names, and what does that work in Tornadic.

Without them a module's other tests could not be loaded.
"""

MOST_BITS = 15
"""The window of who names none (RFC 7692 section 7.1.2)."""


def fill_in() -> None:
    """Give what stands for Tornado's insides their names, unless this is Tornado."""
    for (name, theirs), ours in RENAMED.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue  # the tests of an optional module that is not there say so themselves
        if not hasattr(module, theirs):
            setattr(module, theirs, getattr(module, ours))
    websocket = importlib.import_module("tornado.websocket")
    if not hasattr(websocket, "_DecompressTooLargeError"):
        for made in (
            DecompressTooLargeError,
            PerMessageDeflateCompressor,
            PerMessageDeflateDecompressor,
        ):
            setattr(websocket, f"_{made.__name__}", made)
        count_bytes(websocket)
    iostream = importlib.import_module("tornado.iostream")
    if not hasattr(iostream, "doctests"):
        iostream.doctests = doctests  # type: ignore[attr-defined]


# Compression of messages


class DecompressTooLargeError(Exception):
    """A message inflates to more than it may be."""


class PerMessageDeflateCompressor:
    """`tornadic.frames.deflate.Compressor`, made of the arguments that Tornado's takes."""

    def __init__(
        self, persistent: bool, max_wbits: int | None, compression_options: Any = None
    ) -> None:
        from tornadic.frames.deflate import Compressor, DeflateOptions

        options = DeflateOptions.of(compression_options or {})
        self._ours = Compressor(max_wbits or MOST_BITS, persistent, options)

    def compress(self, data: bytes) -> bytes:
        """Return the payload of a frame."""
        return self._ours.compress(data)


class PerMessageDeflateDecompressor:
    """`tornadic.frames.deflate.Inflater`, for whole messages."""

    def __init__(
        self,
        persistent: bool,
        max_wbits: int | None,
        max_message_size: int,
        compression_options: Any = None,
    ) -> None:
        from tornadic.frames.deflate import Inflater

        self._room = max_message_size
        self._ours = Inflater(max_wbits or MOST_BITS, persistent)

    def decompress(self, data: bytes) -> bytes:
        """Return the message; raises `DecompressTooLargeError` if it is too large."""
        from tornadic.frames.codes import MESSAGE_TOO_BIG
        from tornadic.frames.errors import ProtocolViolation

        try:
            return self._ours.inflate(data, self._room, True)
        except ProtocolViolation as violation:
            if violation.close_code == MESSAGE_TOO_BIG:
                raise DecompressTooLargeError from None
            raise


# Bytes of messages, and on the wire


def count_bytes(websocket: Any) -> None:
    """Have WebSocket connections count what goes in and out, as Tornado's do.

    Messages are counted where they come from the reader and where they are given to
    ``write_message``; the wire, at the socket.
    """
    from tornado.iostream import IOStream

    from tornadic.frames.reader import MessageReader

    protocol = websocket.WebSocketProtocol
    counts: dict[int, Counter[str]] = {}
    current: list[Counter[str]] = []

    def of(connection: object) -> Counter[str]:
        return counts.setdefault(id(connection), Counter())

    def within(method: Callable[..., Any], before: Callable[..., None]) -> Callable[..., Any]:
        def counted(self: object, *args: Any, **kwargs: Any) -> Any:
            current.append(of(self))
            before(current[-1], *args)
            try:
                return method(self, *args, **kwargs)
            finally:
                current.pop()

        return counted

    def message_goes(count: Counter[str], message: Any, *_: Any) -> None:
        count["_message_bytes_out"] += size_of(message)

    def bytes_come(count: Counter[str], data: bytes) -> None:
        count["_wire_bytes_in"] += len(data)

    feed, send = MessageReader.feed, IOStream.send

    def counted_feed(self: MessageReader, data: bytes) -> Any:
        events = feed(self, data)
        if current:
            messages: list[Any] = [value for kind, value in events if kind in (1, 2)]
            current[-1]["_message_bytes_in"] += sum(map(size_of, messages))
        return events

    def counted_send(self: Any, data: bytes) -> Any:
        if current:
            current[-1]["_wire_bytes_out"] += len(data)
        return send(self, data)

    protocol.write_message = within(protocol.write_message, message_goes)
    protocol.feed = within(protocol.feed, bytes_come)
    for owner, name, counted in (
        (MessageReader, "feed", counted_feed),
        (IOStream, "send", counted_send),
    ):
        setattr(owner, name, counted)
    for way in ("_message_bytes_in", "_message_bytes_out", "_wire_bytes_in", "_wire_bytes_out"):
        setattr(protocol, way, counter_of(way, of))


def counter_of(way: str, of: Callable[[object], Counter[str]]) -> property:
    return property(lambda connection: of(connection)[way])


def size_of(message: str | bytes) -> int:
    return len(message.encode() if isinstance(message, str) else message)


# Examples in docstrings


def doctests() -> unittest.TestSuite:
    """The examples in the docstrings of the rooms of `tornadic.iostream`."""
    from tornadic.iostream import base, buffers, reads, sockets

    rooms = (base, buffers, reads, sockets)
    return unittest.TestSuite([doctest.DocTestSuite(room) for room in rooms])
