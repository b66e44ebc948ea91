"""Frames put together byte by byte, readers fed in every way, and a reader to compare with.

The reference is for whole streams only: it takes no care of time or memory, and waits until a
frame is complete before it says anything of its payload.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tornadic.frames.deflate import Inflater
from tornadic.frames.reader import Event, MessageReader

KEY = b"\x37\xfa\x21\x3d"  # of the examples in RFC 6455 section 5.7
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
TEXT, BINARY, CLOSE, PING, PONG, FAIL = 1, 2, 8, 9, 10, -1


def xor(key: bytes, payload: bytes) -> bytes:
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def length(size: int, width: int | None = None) -> bytes:
    """The length's first byte, and the ``width`` bytes that follow; the fewest if not told."""
    if width is None:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    first = {0: size, 2: 126, 8: 127}[width]
    return bytes([first]) + size.to_bytes(width, "big") if width else bytes([first])


def frame(
    first: int, payload: bytes = b"", *, key: bytes | None = KEY, width: int | None = None
) -> bytes:
    """A frame: FIN, the reserved bits and the opcode make its first byte; None is no mask."""
    told = length(len(payload), width)
    if key is None:
        return bytes([first]) + told + payload
    return bytes([first, told[0] | 0x80]) + told[1:] + key + xor(key, payload)


def text(payload: bytes, *, fin: bool = True) -> bytes:
    return frame((FIN if fin else 0) | TEXT, payload)


def more(payload: bytes = b"", *, fin: bool = True) -> bytes:
    return frame(FIN if fin else 0, payload)


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(FIN | CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def reader(*, limit: int = 1 << 20, deflate: bool = False, masked: bool = True) -> MessageReader:
    inflater = Inflater(15, True) if deflate else None
    return MessageReader(expects_mask=masked, max_message_size=limit, inflater=inflater)


def drain(reader: MessageReader, pieces: Iterable[bytes]) -> list[Event]:
    """Feed every piece, and again as long as the reader waits."""
    events: list[Event] = []
    for piece in pieces:
        events += reader.feed(piece)
        while reader.waiting:
            events += reader.feed(b"")
    return events


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def read(
    stream: bytes, *, limit: int = 1 << 20, deflate: bool = False, masked: bool = True
) -> list[Event]:
    """What a stream says, the same whole, byte by byte, and with something before it."""
    ways: Sequence[tuple[bytes, list[bytes]]] = (
        (b"", [stream]),
        (b"", bytewise(stream)),
        (frame(FIN | PING, b"before", key=KEY if masked else None), [stream]),
    )
    results = []
    for before, pieces in ways:
        one = reader(limit=limit, deflate=deflate, masked=masked)
        if before:
            pieces = [before + pieces[0], *pieces[1:]]
        events = drain(one, pieces)
        if before:
            assert events.pop(0) == (PING, b"before")
        assert one.ended == bool(events and events[-1][0] in (CLOSE, FAIL))
        results.append(events)
    assert results[0] == results[1] == results[2]
    return results[0]


def fails(
    stream: bytes, *, limit: int = 1 << 20, deflate: bool = False, masked: bool = True
) -> int:
    """The close code that a stream fails with, which has to be its only event."""
    [(kind, content)] = read(stream, limit=limit, deflate=deflate, masked=masked)
    assert kind == FAIL
    assert isinstance(content, tuple)
    code, reason = content
    assert isinstance(code, int)
    assert len(reason.encode("ascii")) <= 123
    return code


def plain(events: Iterable[Event], *, deflate: bool) -> list[Event]:
    """Violations without their words, and if compressed without their code.

    If what is inflated is both too much and wrong, it depends on the cut which shows first.
    """
    return [
        (kind, None if deflate else content[0])
        if kind == FAIL and isinstance(content, tuple)
        else (kind, content)
        for kind, content in events
    ]


class Wrong(Exception):
    """The reference has found a violation; its argument is the close code."""


class Unknown(Exception):
    """What the reference cannot inflate: the end of a stream, or no data where there should be."""


def reference(stream: bytes, *, limit: int, deflate: bool, masked: bool) -> list[Event]:
    """What a whole stream says, with no words for a violation, only its code; or `Unknown`."""
    events: list[Event] = []
    inflater = zlib.decompressobj(-15)
    kind, compressed, begun, pieces = 0, 0, False, b""
    at = 0
    try:
        while len(stream) - at >= 2:
            first, second = stream[at : at + 2]
            opcode = first & 15
            if first & (RSV2 | RSV3) or (first & RSV1 and (not deflate or opcode not in (1, 2))):
                raise Wrong(1002)
            if opcode not in (0, 1, 2, 8, 9, 10) or (second >> 7) != masked:
                raise Wrong(1002)
            size = second & 127
            if opcode > 7:
                if first < FIN or size > 125:
                    raise Wrong(1002)
            elif (opcode == 0) != bool(kind):
                raise Wrong(1002)
            width = {126: 2, 127: 8}.get(size, 0)
            start = at + 2 + width
            if len(stream) < start:
                break
            if width:
                size = int.from_bytes(stream[at + 2 : start], "big")
                if size < (126 if width == 2 else 65536) or size >= 1 << 63:
                    raise Wrong(1002)
            key = b"\0\0\0\0"
            if masked:
                key = stream[start : start + 4]
                start += 4
            if len(stream) < start:
                break
            if opcode < 8 and not (first & RSV1 or compressed) and len(pieces) + size > limit:
                raise Wrong(1009)
            payload = xor(key, stream[start : start + size])
            at = start + size
            is_whole = len(payload) == size
            if opcode > 7:
                if not is_whole:
                    break
                events.append((opcode, payload if opcode != CLOSE else closing(payload)))
                if opcode == CLOSE:
                    return events
                continue
            if opcode:
                kind, compressed = opcode, first & RSV1
            last = is_whole and first >= FIN
            if compressed:
                begun = begun or bool(payload)
                if last and not begun:
                    raise Unknown
                try:
                    payload = inflater.decompress(payload + b"\0\0\xff\xff" * last)
                except zlib.error:
                    raise Wrong(1007) from None
                if inflater.eof:
                    raise Unknown
            pieces += payload
            check(kind, pieces, last, limit)
            if last:
                events.append((kind, pieces.decode() if kind == TEXT else pieces))
                kind, compressed, begun, pieces = 0, 0, False, b""
    except Wrong as wrong:
        events.append((FAIL, None if deflate else wrong.args[0]))
    return events


def check(kind: int, pieces: bytes, last: bool, limit: int) -> None:
    if len(pieces) > limit:
        raise Wrong(1009)
    if kind == TEXT:
        try:
            pieces.decode()
        except UnicodeDecodeError as error:
            if last or error.reason != "unexpected end of data":
                raise Wrong(1007) from None


def closing(payload: bytes) -> tuple[int | None, str]:
    if not payload:
        return None, ""
    code = int.from_bytes(payload[:2], "big")
    allowed = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
    if len(payload) == 1 or not (code in allowed or 3000 <= code < 5000):
        raise Wrong(1002)
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise Wrong(1007) from None
