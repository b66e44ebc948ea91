"""What holds of the reader for all streams: the cut does not matter, and the reference agrees."""

from __future__ import annotations

from hypothesis import event, given, reject
from hypothesis import strategies as st
from tests.frames.framing import (
    BINARY,
    CLOSE,
    FIN,
    PING,
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
from tests.frames.test_reader import BAD_UTF8, compressed

from tornadic.frames.codes import REASONS, may_be_on_the_wire
from tornadic.frames.deflate import Deflate, DeflateOptions
from tornadic.frames.reader import Event, MessageReader
from tornadic.frames.writer import encode_close, encode_frame

LIMIT = 40

payloads = st.one_of(
    st.binary(max_size=LIMIT + 2),
    st.text(max_size=20).map(str.encode),
    st.sampled_from(list(BAD_UTF8.values())),
    st.integers(0, 0x20000).map(lambda code: code.to_bytes(3, "big")[1:] + b"\xce"),
    st.sampled_from([compressed(b"a" * size) for size in (0, 1, 9, LIMIT, LIMIT + 1)]),
    st.sampled_from([120, 125, 126, 200]).map(bytes),
)
# Mostly what is right, so that streams get somewhere.
firsts = st.one_of(
    st.sampled_from([FIN | TEXT, FIN | BINARY, TEXT, BINARY, 0, FIN, FIN | PING, RSV1 | TEXT]),
    st.sampled_from([FIN | RSV1 | TEXT, FIN | RSV1 | BINARY, FIN | CLOSE]),
    st.integers(0, 255),
)
frames = st.builds(
    frame,
    firsts,
    payloads,
    key=st.one_of(st.binary(min_size=4, max_size=4), st.none()),
    width=st.sampled_from([None, None, None, 2, 8]),
)
streams = st.one_of(
    st.lists(frames, max_size=8).map(b"".join),
    st.tuples(st.lists(frames, max_size=4).map(b"".join), st.binary(max_size=30)).map(b"".join),
    st.binary(max_size=60),
)
cuts = st.lists(st.integers(0, 500), max_size=10)


@given(streams, cuts, st.booleans(), st.booleans())
def test_the_same_however_it_is_cut(
    stream: bytes, places: list[int], deflate: bool, masked: bool
) -> None:
    whole = drain(reader(limit=LIMIT, deflate=deflate, masked=masked), [stream])
    pieces = cut(stream, places)
    found = drain(reader(limit=LIMIT, deflate=deflate, masked=masked), pieces)
    assert plain(found, deflate=deflate) == plain(whole, deflate=deflate)
    if not deflate:
        assert found == whole
    for kind, _ in whole:
        event(f"kind {kind}")


@given(streams, cuts, st.booleans(), st.booleans())
def test_as_the_reference_says(
    stream: bytes, places: list[int], deflate: bool, masked: bool
) -> None:
    found = drain(reader(limit=LIMIT, deflate=deflate, masked=masked), cut(stream, places))
    try:
        expected = reference(stream, limit=LIMIT, deflate=deflate, masked=masked)
    except Unknown:
        reject()
    assert plain(found, deflate=deflate) == expected


# A message, and where it is cut into fragments.
messages = st.tuples(st.one_of(st.text(max_size=300), st.binary(max_size=300)), cuts)
codes = st.integers(1000, 4999).filter(may_be_on_the_wire)


@given(
    st.lists(messages, max_size=6),
    st.one_of(st.none(), st.tuples(codes, st.text(max_size=30))),
    cuts,
    st.booleans(),
    st.sampled_from([None, Deflate(), Deflate(False, False, 9, 9), Deflate(True, False, 12, 15)]),
)
def test_what_is_written_is_read_back(
    sent: list[tuple[str | bytes, list[int]]],
    closing: tuple[int, str] | None,
    places: list[int],
    masked: bool,
    deflate: Deflate | None,
) -> None:
    stream = b""
    expected: list[Event] = []
    compressor = deflate and deflate.compressor(DeflateOptions(), is_server=not masked)
    for message, fragments in sent:
        payload = message.encode() if isinstance(message, str) else message
        kind = TEXT if isinstance(message, str) else BINARY
        expected += [(PING, b"between")] * len(fragments)
        expected.append((kind, message))
        if compressor:
            payload = compressor.compress(payload)
        pieces = cut(payload, fragments)
        for i, piece in enumerate(pieces):
            first = i == 0
            last = i == len(pieces) - 1
            stream += encode_frame(
                kind if first else 0, piece, mask=masked, rsv1=bool(compressor) and first, fin=last
            )
            if not last:
                stream += encode_frame(PING, b"between", mask=masked)
    if closing:
        stream += encode_close(*closing, mask=masked)
        expected.append((CLOSE, closing))
    inflater = deflate.inflater(is_server=masked) if deflate else None
    one = MessageReader(expects_mask=masked, max_message_size=1500, inflater=inflater)
    assert drain(one, cut(stream, places)) == expected


@given(st.integers(-10, 70000))
def test_codes_the_reader_and_the_writer_agree_on(code: int) -> None:
    data = frame(FIN | CLOSE, (code % 65536).to_bytes(2, "big"))
    [(kind, _)] = reader().feed(data)
    assert (kind == CLOSE) == may_be_on_the_wire(code % 65536)
    if code in REASONS and not may_be_on_the_wire(code):
        assert code in (1005, 1006, 1015)
