"""Fuzzes the reader of WebSocket frames, and the handshake: see `tests.fuzz.campaign`."""

from __future__ import annotations

import zlib
from random import Random

import pytest
from tests.frames.framing import (
    BINARY,
    CLOSE,
    FAIL,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Unknown,
    cut,
    drain,
    frame,
    plain,
    reader,
    reference,
)
from tests.fuzz.campaign import campaign

from tornadic.frames.codes import may_be_on_the_wire
from tornadic.frames.deflate import accept_offers
from tornadic.frames.errors import HandshakeRefused
from tornadic.frames.handshake import check_request
from tornadic.frames.reader import Event
from tornadic.httputil import HTTPHeaders

LIMIT = 300


def random_text(random: Random, size: int) -> bytes:
    text = "".join(random.choices("aé漢\U0001f600", k=size)).encode()[:size]
    # Rarely what the cut has left of the last character.
    return text if random.random() < 0.1 else text.decode(errors="ignore").encode()


def random_message(random: Random) -> list[tuple[int, bytes]]:
    """First bytes and payloads of the frames of a message, with pings between them."""
    size = random.choice([0, 1, 2, 5, 20, 125, 126, 127, LIMIT // 2, LIMIT, LIMIT + 1])
    opcode = random.choice([TEXT, BINARY])
    payload = random_text(random, size) if opcode == TEXT else random.randbytes(size)
    if random.random() < 0.4:
        deflater = zlib.compressobj(wbits=-15)
        payload = deflater.compress(payload)
        payload += deflater.flush(random.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))[:-4]
        if random.random() < 0.2:
            payload += deflater.flush(zlib.Z_FINISH) + b"\x00" * random.randrange(2)
        if random.random() < 0.1:
            payload = damaged(random, payload)
        opcode |= RSV1
    places = [random.randrange(size + 1) for _ in range(random.choice([0, 0, 0, 1, 3]))]
    frames = [(opcode, b""), *[(0, piece) for piece in cut(payload, places)]]
    if random.random() < 0.8:
        frames[:2] = [(opcode, frames[1][1])]
    frames[-1] = (frames[-1][0] | FIN, frames[-1][1])
    while random.random() < 0.3:
        control = random.choice([FIN | PING, FIN | PONG]), random.randbytes(random.choice([0, 125]))
        frames.insert(random.randrange(len(frames) + 1), control)
    return frames


def damaged(random: Random, data: bytes) -> bytes:
    """With a few of its bytes changed, left out or put in."""
    for _ in range(random.randrange(4)):
        at = random.randrange(len(data) + 1)
        data = data[:at] + random.randbytes(random.randrange(2)) + data[at + random.randrange(2) :]
    return data


def random_stream(random: Random) -> bytes:
    frames = [one for _ in range(random.randrange(6)) for one in random_message(random)]
    if random.random() < 0.5:
        code = random.choice([1000, 1000, 1011, 3000, 4999, 1005, 999]).to_bytes(2, "big")
        reason = random_text(random, random.choice([0, 5, 123]))
        frames.append((FIN | CLOSE, random.choice([code + reason, b"", code[:1]])))
    if frames and random.random() < 0.2:
        frames[random.randrange(len(frames))] = random.randrange(256), random.randbytes(5)
    stream = b""
    for first, payload in frames:
        key = None if random.random() < 0.005 else random.randbytes(4)
        stream += frame(first, payload, key=key, width=8 if random.random() < 0.005 else None)
    return damaged(random, stream) if random.random() < 0.2 else stream


def check_events(events: list[Event]) -> None:
    """Only what is documented, and nothing after the end."""
    for i, (kind, content) in enumerate(events):
        if kind in (CLOSE, FAIL):
            assert i == len(events) - 1
            assert isinstance(content, tuple)
            code, reason = content
            assert (kind == CLOSE and code is None) or may_be_on_the_wire(code)
            assert len(reason.encode()) <= 123
        elif kind == TEXT:
            assert isinstance(content, str)
            assert len(content.encode()) <= LIMIT
        else:
            assert kind in (BINARY, PING, PONG)
            assert isinstance(content, bytes)
            assert len(content) <= (LIMIT if kind == BINARY else 125)


def test_frames_are_read_as_by_the_reference() -> None:
    for grammar in campaign("frames", 0.12):
        random = grammar.random
        stream = random_stream(random)
        places = [random.randrange(len(stream) + 1) for _ in range(random.randrange(9))]
        deflate = random.random() < 0.6
        try:
            check(stream, places, deflate)
        except Exception as e:
            e.add_note(f"check({stream!r}, {places!r}, {deflate!r})")
            raise


def check(stream: bytes, places: list[int], deflate: bool) -> None:
    """One stream: whole and in pieces it is the same, and as the reference says."""
    whole = drain(reader(limit=LIMIT, deflate=deflate), [stream])
    check_events(whole)
    pieces = drain(reader(limit=LIMIT, deflate=deflate), cut(stream, places))
    check_events(pieces)
    assert plain(pieces, deflate=deflate) == plain(whole, deflate=deflate)
    try:
        expected = reference(stream, limit=LIMIT, deflate=deflate, masked=True)
    except Unknown:
        return
    assert plain(whole, deflate=deflate) == expected


WORDS = ["websocket", "Upgrade", "13", "permessage-deflate", "server_max_window_bits", "a", "10"]
NAMES = [
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
]


def test_handshakes_are_accepted_or_refused() -> None:
    accepted = 0
    for grammar in campaign("handshakes", 0.08):
        random = grammar.random
        headers = HTTPHeaders()
        values = ["websocket", "Upgrade", "dGhlIHNhbXBsZSBub25jZQ==", "13", "a, b"]
        values.append("permessage-deflate; client_max_window_bits=10")
        for name, value in zip(NAMES, values, strict=True):
            for _ in range(random.choice([1] * 20 + [0, 2])):
                if random.random() < 0.2:
                    value = "".join(
                        random.choice([*WORDS, *';,="; \t']) for _ in range(random.randrange(20))
                    )
                headers.add(name, value)
        try:
            found = check_request(random.choice(["GET"] * 9 + ["POST"]), "HTTP/1.1", headers)
        except HandshakeRefused as refused:
            assert refused.status in (400, 405, 426)
            continue
        accepted += 1
        answer = accept_offers(found.extensions)
        assert answer is None or answer[0].startswith("permessage-deflate")
    print(f"{accepted} accepted")


@pytest.mark.parametrize("seed", range(3))
def test_the_generator_gets_somewhere(seed: int) -> None:
    """Most streams hold messages; and those that end too soon would test nothing."""
    random = Random(seed)
    events: list[Event] = []
    for _ in range(300):
        events += drain(reader(limit=LIMIT, deflate=True), [random_stream(random)])
    kinds = [kind for kind, _ in events]
    assert min(kinds.count(kind) for kind in (TEXT, BINARY, PING, PONG, CLOSE, FAIL)) > 20
