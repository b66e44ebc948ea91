"""Frames to messages.  Every stream is read whole, byte by byte and with something before it."""

from __future__ import annotations

import zlib

import pytest
from tests.frames.framing import (
    BINARY,
    CLOSE,
    FAIL,
    FIN,
    KEY,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    bytewise,
    close,
    drain,
    fails,
    frame,
    length,
    more,
    read,
    reader,
    text,
)

from tornadic.frames.reader import MAX_BYTES_PER_FEED, MAX_FRAMES_PER_FEED, Event


class TestExamplesOfTheRFC:
    """RFC 6455 section 5.7, each under its name there."""

    def test_a_single_frame_unmasked_text_message(self) -> None:
        stream = bytes.fromhex("81 05 48 65 6c 6c 6f")
        assert read(stream, masked=False) == [(TEXT, "Hello")]

    def test_a_single_frame_masked_text_message(self) -> None:
        stream = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
        assert read(stream) == [(TEXT, "Hello")]

    def test_a_fragmented_unmasked_text_message(self) -> None:
        stream = bytes.fromhex("01 03 48 65 6c 80 02 6c 6f")
        assert read(stream, masked=False) == [(TEXT, "Hello")]

    def test_unmasked_ping_request(self) -> None:
        stream = bytes.fromhex("89 05 48 65 6c 6c 6f")
        assert read(stream, masked=False) == [(PING, b"Hello")]

    def test_masked_ping_response(self) -> None:
        stream = bytes.fromhex("8a 85 37 fa 21 3d 7f 9f 4d 51 58")
        assert read(stream) == [(PONG, b"Hello")]

    def test_256_bytes_in_a_single_unmasked_frame(self) -> None:
        payload = bytes(range(256))
        assert read(bytes.fromhex("82 7e 01 00") + payload, masked=False) == [(BINARY, payload)]

    def test_64_kilobytes_in_a_single_unmasked_frame(self) -> None:
        payload = bytes(range(256)) * 256
        stream = bytes.fromhex("82 7f 00 00 00 00 00 01 00 00") + payload
        assert read(stream, masked=False) == [(BINARY, payload)]


class TestLengths:
    @pytest.mark.parametrize("masked", [True, False])
    @pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 124, 125, 126, 127, 128, 65535, 65536])
    def test_at_the_borders(self, size: int, masked: bool) -> None:
        payload = bytes(i * 7 & 0x7F for i in range(size))
        key = KEY if masked else None
        stream = frame(FIN | TEXT, payload, key=key) + frame(FIN | BINARY, payload, key=key)
        assert read(stream, masked=masked) == [(TEXT, payload.decode()), (BINARY, payload)]

    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128])
    @pytest.mark.parametrize("masked", [True, False])
    def test_one_frame_alone(self, size: int, masked: bool) -> None:
        # The way for what comes in one piece has borders of its own.
        payload = b"a" * size
        stream = frame(FIN | TEXT, payload, key=KEY if masked else None)
        assert drain(reader(masked=masked), [stream]) == [(TEXT, "a" * size)]

    @pytest.mark.parametrize(
        "size, width", [(0, 2), (5, 2), (125, 2), (0, 8), (126, 8), (65535, 8)]
    )
    def test_not_in_the_shortest_form(self, size: int, width: int) -> None:
        assert fails(frame(FIN | BINARY, bytes(size), width=width)) == 1002

    def test_shortest_forms(self) -> None:
        assert read(frame(FIN | BINARY, bytes(126), width=2)) == [(BINARY, bytes(126))]
        assert read(frame(FIN | BINARY, bytes(65536), width=8)) == [(BINARY, bytes(65536))]

    def test_top_bit(self) -> None:
        assert fails(bytes([FIN | BINARY, 0xFF]) + bytes([0x80, 0, 0, 0, 0, 0, 0, 0])) == 1002
        # One less is a length, though not one that anybody takes.
        assert fails(bytes([FIN | BINARY, 0xFF]) + bytes([0x7F] + [0xFF] * 7) + KEY) == 1009

    def test_a_length_of_the_other_role(self) -> None:
        # 133 bytes after a head whose second byte, mask bit and all, is 133.
        stream = bytes([FIN | TEXT, 133]) + b"a" * 133
        assert fails(stream, masked=False) == 1002

    def test_a_length_field_in_the_place_of_a_payload(self) -> None:
        # 126 bytes after the head, though 126 says that a length follows.
        stream = bytes([FIN | BINARY, 126]) + b"\x00\x7e" + bytes(124)
        assert read(stream, masked=False) == []
        stream = bytes([FIN | BINARY, 127]) + bytes(127)
        assert fails(stream, masked=False) == 1002

    def test_the_middle_of_a_frame_that_looks_like_one(self) -> None:
        # A byte in binary, whose head from the second byte on could be an empty text's.
        stream = frame(FIN | BINARY, b"x", key=b"\x80abc")
        assert stream[1:3] == b"\x81\x80"
        assert drain(reader(), [stream[:1], stream[1:]]) == [(BINARY, b"x")]
        # A whole text as the payload of a fragment.
        inner = text(b"abc")
        stream = frame(FIN | BINARY, inner, key=bytes(4))
        assert drain(reader(), [stream[:6], stream[6:]]) == [(BINARY, inner)]

    def test_negative_after_the_mask_bit(self) -> None:
        assert fails(bytes([FIN | TEXT, 0]) + bytes(4)) == 1002


class TestHeads:
    @pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    def test_unknown_opcodes(self, opcode: int) -> None:
        assert fails(frame(FIN | opcode)) == 1002
        assert fails(frame(FIN | opcode, b"abc")) == 1002

    @pytest.mark.parametrize("bits", [RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV2 | RSV3])
    @pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
    def test_reserved_bits(self, bits: int, opcode: int) -> None:
        assert fails(frame(FIN | bits | opcode)) == 1002

    @pytest.mark.parametrize("bits", [RSV2, RSV3, RSV1 | RSV2])
    def test_reserved_bits_with_compression(self, bits: int) -> None:
        assert fails(frame(FIN | bits | TEXT), deflate=True) == 1002

    @pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
    def test_compressed_control_frame(self, opcode: int) -> None:
        assert fails(frame(FIN | RSV1 | opcode), deflate=True) == 1002

    @pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
    @pytest.mark.parametrize("size", [0, 5, 126])
    def test_masks_of_the_wrong_side(self, opcode: int, size: int) -> None:
        assert fails(frame(FIN | opcode, bytes(size), key=None)) == 1002
        assert fails(frame(FIN | opcode, bytes(size), key=KEY), masked=False) == 1002

    def test_fails_before_the_payload_comes(self) -> None:
        assert reader().feed(bytes([FIN | 3, 0x80])) == [(FAIL, (1002, "unknown opcode"))]


class TestControlFrames:
    @pytest.mark.parametrize("opcode", [PING, PONG])
    def test_size(self, opcode: int) -> None:
        assert read(frame(FIN | opcode, bytes(125))) == [(opcode, bytes(125))]
        assert fails(frame(FIN | opcode, bytes(126))) == 1002
        assert fails(frame(FIN | opcode, bytes(65536))) == 1002

    def test_size_of_a_close(self) -> None:
        assert read(close(1000, b"r" * 123)) == [(CLOSE, (1000, "r" * 123))]
        assert fails(close(1000, b"r" * 124)) == 1002

    @pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
    def test_fragmented(self, opcode: int) -> None:
        assert fails(frame(opcode, b"a")) == 1002

    def test_length_of_two_bytes(self) -> None:
        assert fails(frame(FIN | PING, b"a", width=2)) == 1002

    def test_in_order_with_messages(self) -> None:
        stream = text(b"a") + frame(FIN | PING, b"1") + text(b"b") + frame(FIN | PONG)
        assert read(stream) == [(TEXT, "a"), (PING, b"1"), (TEXT, "b"), (PONG, b"")]


class TestFragments:
    def test_any_number(self) -> None:
        stream = text(b"a", fin=False) + more(b"b", fin=False) * 600 + more(b"c")
        assert read(stream) == [(TEXT, "a" + "b" * 600 + "c")]

    def test_empty_ones(self) -> None:
        assert read(text(b"", fin=False) + more(b"", fin=False) * 3 + more()) == [(TEXT, "")]
        assert read(frame(BINARY) + more(b"x", fin=False) + more()) == [(BINARY, b"x")]

    def test_control_frames_between(self) -> None:
        stream = text(b"a", fin=False) + frame(FIN | PING, b"p") + more(b"b", fin=False)
        stream += frame(FIN | PONG) + more(b"c")
        assert read(stream) == [(PING, b"p"), (PONG, b""), (TEXT, "abc")]

    def test_close_between(self) -> None:
        assert read(text(b"a", fin=False) + close(1001) + more(b"b")) == [(CLOSE, (1001, ""))]

    def test_nothing_to_continue(self) -> None:
        assert fails(more(b"a")) == 1002
        assert fails(more(b"a", fin=False)) == 1002
        events = read(text(b"a", fin=False) + more(b"b") + more(b"c"))
        assert [kind for kind, _ in events] == [TEXT, FAIL]

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    @pytest.mark.parametrize("fin", [FIN, 0])
    def test_not_finished(self, opcode: int, fin: int) -> None:
        assert fails(text(b"a", fin=False) + frame(fin | opcode, b"b")) == 1002
        # Each as it might be received.
        one = reader()
        assert one.feed(text(b"a", fin=False)) == []
        assert one.feed(frame(fin | opcode, b"b")) == [(FAIL, (1002, "message not finished"))]

    def test_of_any_size(self) -> None:
        sizes = [0, 1, 2, 3, 5, 125, 126, 70000, 7]
        pieces = [bytes([i]) * size for i, size in enumerate(sizes)]
        stream = frame(BINARY) + b"".join(more(piece, fin=False) for piece in pieces) + more()
        assert read(stream) == [(BINARY, b"".join(pieces))]


# Names of the cases are what is wrong with them.
BAD_UTF8 = {
    "a continuation alone": b"\x80",
    "a start alone, then ASCII": b"\xc3a",
    "overlong slash": b"\xc0\xaf",
    "overlong slash of three": b"\xe0\x80\xaf",
    "overlong slash of four": b"\xf0\x80\x80\xaf",
    "overlong NUL": b"\xc0\x80",
    "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
}
GOOD_UTF8 = ["κόσμε", "\x00", "\x7f\x80߿", "ࠀ\ud7ff\ue000￿", "\U00010000\U0010ffff"]


class TestText:
    @pytest.mark.parametrize("content", GOOD_UTF8)
    def test_valid(self, content: str) -> None:
        data = content.encode()
        assert read(text(data)) == [(TEXT, content)]
        stream = text(b"", fin=False) + b"".join(more(byte, fin=False) for byte in bytewise(data))
        assert read(stream + more()) == [(TEXT, content)]
        assert read(close(1000, data)) == [(CLOSE, (1000, content))]

    @pytest.mark.parametrize("bad", BAD_UTF8.values(), ids=BAD_UTF8)
    def test_invalid(self, bad: bytes) -> None:
        data = "κ".encode() + bad + b"after"
        assert fails(text(data)) == 1007
        assert fails(text(data * 100)) == 1007
        assert fails(text(data, fin=False) + more()) == 1007
        assert fails(close(1000, data)) == 1007
        assert read(frame(FIN | BINARY, data)) == [(BINARY, data)]

    @pytest.mark.parametrize("bad", BAD_UTF8.values(), ids=BAD_UTF8)
    def test_fails_at_the_first_byte_that_is_wrong(self, bad: bytes) -> None:
        """Without the end of its frame, and without the end of its message."""
        good = "κόσμε".encode()
        wrong = next(i for i in range(len(bad)) if not can_go_on(bad[: i + 1]))
        head = len(frame(TEXT, bytes(1000))) - 1000
        stream = frame(TEXT, good + bad + bytes(1000 - len(good) - len(bad)))
        until = head + len(good) + wrong
        one = reader()
        assert drain(one, bytewise(stream[:until])) == []
        assert one.feed(stream[until : until + 1]) == [(FAIL, (1007, "invalid UTF-8"))]
        one = reader()
        assert one.feed(stream[: until + 1]) == [(FAIL, (1007, "invalid UTF-8"))]
        one = reader()
        begun = text(good, fin=False) + b"".join(more(b, fin=False) for b in bytewise(bad[:wrong]))
        assert drain(one, [begun]) == []
        assert drain(one, [more(bad[wrong : wrong + 1], fin=False)])[0][0] == FAIL

    @pytest.mark.parametrize("cut_short", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"])
    def test_a_character_cut_short(self, cut_short: bytes) -> None:
        assert fails(text(b"a" + cut_short)) == 1007
        assert fails(text(b"a" + cut_short, fin=False) + more()) == 1007
        assert fails(close(1000, cut_short)) == 1007
        # The next message does not complete it.
        assert fails(text(cut_short) + text(b"\x80")) == 1007

    def test_a_long_text_of_many_pieces(self) -> None:
        content = "λόγος\r\n \U0001f600\r" * 9000
        stream = text(content.encode())
        pieces = [stream[i : i + 1021] for i in range(0, len(stream), 1021)]
        assert drain(reader(), pieces) == [(TEXT, content)]


def can_go_on(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


class TestClose:
    def test_without_a_code(self) -> None:
        assert read(close()) == [(CLOSE, (None, ""))]

    def test_one_byte(self) -> None:
        assert fails(frame(FIN | CLOSE, b"\x03")) == 1002

    CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]

    @pytest.mark.parametrize("code", CODES)
    def test_codes(self, code: int) -> None:
        assert read(close(code, b"why")) == [(CLOSE, (code, "why"))]

    @pytest.mark.parametrize(
        "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535]
    )
    def test_codes_that_nobody_sends(self, code: int) -> None:
        assert fails(close(code, b"why")) == 1002

    @pytest.mark.parametrize("after", [text(b"a"), close(1000), frame(FIN | 3), b"\xff" * 99])
    def test_what_follows_is_ignored(self, after: bytes) -> None:
        assert read(close(1000) + after) == [(CLOSE, (1000, ""))]
        one = reader()
        assert one.feed(close(1000)) == [(CLOSE, (1000, ""))]
        assert one.feed(after) == []

    def test_what_follows_a_violation_is_ignored(self) -> None:
        one = reader()
        assert one.feed(frame(FIN | 3) + text(b"a"))[0][0] == FAIL
        for after in (text(b"a"), close(1000), b"", b"\x81"):
            assert one.feed(after) == []
        one = reader()
        assert one.feed(text(b"\xff"))[0][0] == FAIL
        assert one.feed(text(b"a")) == []

    def test_events_before_a_violation(self) -> None:
        events = read(text(b"a") + frame(FIN | PING) + frame(FIN | 3) + text(b"b"))
        assert events == [(TEXT, "a"), (PING, b""), (FAIL, (1002, "unknown opcode"))]


class TestMessageSize:
    @pytest.mark.parametrize("limit", [0, 1, 100, 125, 126, 300, 65535, 65536, 70000])
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_one_frame(self, limit: int, opcode: int) -> None:
        [event] = read(frame(FIN | opcode, b"a" * limit), limit=limit)
        assert event[0] == opcode
        assert fails(frame(FIN | opcode, b"a" * (limit + 1)), limit=limit) == 1009

    def test_fragments(self) -> None:
        stream = text(b"a" * 60, fin=False)
        assert read(stream + more(b"b" * 40), limit=100) == [(TEXT, "a" * 60 + "b" * 40)]
        assert fails(stream + more(b"b" * 41), limit=100) == 1009
        assert fails(stream + more(b"b" * 40, fin=False) + more(b"c"), limit=100) == 1009

    def test_fails_before_the_payload_comes(self) -> None:
        head = bytes([FIN | BINARY]) + bytes([0x80 | 126, 0, 201]) + KEY
        assert reader(limit=200).feed(head) == [(FAIL, (1009, "message too big"))]
        begun = text(b"a" * 100, fin=False)
        assert reader(limit=200).feed(begun + bytes([FIN, 0x80 | 101]) + KEY)[0][0] == FAIL

    def test_counts_bytes_not_characters(self) -> None:
        assert read(text("é".encode() * 50), limit=100) == [(TEXT, "é" * 50)]
        assert fails(text("é".encode() * 51), limit=100) == 1009

    def test_each_message_has_the_whole_of_it(self) -> None:
        assert len(read(text(b"a" * 100) * 3, limit=100)) == 3
        halves = text(b"a" * 50, fin=False) + more(b"a" * 50)
        assert len(read(halves * 3, limit=100)) == 3


def compressed(data: bytes, *, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(data) + deflater.flush(flush))[:-4]


class TestCompressed:
    def test_whole_and_in_fragments(self) -> None:
        data = compressed(b"Hello, " * 30)
        events: list[Event] = [(TEXT, "Hello, " * 30)]
        assert read(frame(FIN | RSV1 | TEXT, data), deflate=True) == events
        for at in range(len(data) + 1):
            stream = frame(RSV1 | TEXT, data[:at]) + frame(FIN | PING) + more(data[at:])
            assert read(stream, deflate=True) == [(PING, b""), *events]

    def test_only_where_marked(self) -> None:
        stream = frame(FIN | RSV1 | BINARY, compressed(b"a")) + frame(FIN | BINARY, b"b")
        assert read(stream, deflate=True) == [(BINARY, b"a"), (BINARY, b"b")]

    def test_the_mark_on_a_continuation(self) -> None:
        data = compressed(b"abc")
        assert (
            fails(frame(RSV1 | TEXT, data[:2]) + frame(FIN | RSV1, data[2:]), deflate=True) == 1002
        )
        assert fails(text(b"a", fin=False) + frame(FIN | RSV1, b"b"), deflate=True) == 1002

    @pytest.mark.parametrize("limit", [0, 1, 100, 5000])
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_size_when_inflated(self, limit: int, opcode: int) -> None:
        def whole(size: int) -> bytes:
            return frame(FIN | RSV1 | opcode, compressed(b"a" * size))

        def halves(size: int) -> bytes:
            data = compressed(b"a" * size)
            return frame(RSV1 | opcode, data[:4]) + more(data[4:])

        for stream in (whole, halves):
            [event] = read(stream(limit), limit=limit, deflate=True)
            assert event[0] == opcode
            assert fails(stream(limit + 1), limit=limit, deflate=True) == 1009

    def test_bad_text(self) -> None:
        data = compressed(b"good \xff" + b"more" * 100)
        assert fails(frame(FIN | RSV1 | TEXT, data), deflate=True) == 1007
        # Before the end of the frame.
        data = compressed(b"\xff" + bytes(range(256)) * 100)
        stream = frame(RSV1 | TEXT, data)
        assert drain(reader(deflate=True), [stream[:400]]) == [(FAIL, (1007, "invalid UTF-8"))]

    def test_no_deflate_data(self) -> None:
        assert fails(frame(FIN | RSV1 | TEXT, b"\xff" * 20), deflate=True) == 1007
        assert fails(frame(RSV1 | TEXT, b"\xff" * 20), deflate=True) == 1007

    def test_a_bomb(self) -> None:
        data = compressed(bytes(50_000_000))
        assert fails(frame(FIN | RSV1 | BINARY, data), limit=1000, deflate=True) == 1009

    def test_empty(self) -> None:
        assert read(frame(FIN | RSV1 | TEXT, b"\x00"), deflate=True) == [(TEXT, "")]
        assert read(frame(FIN | RSV1 | TEXT), deflate=True) == [(TEXT, "")]
        assert read(frame(RSV1 | TEXT) + more() + text(b"a"), deflate=True) == [
            (TEXT, ""),
            (TEXT, "a"),
        ]


class TestTurns:
    """However much has come at once, a feed takes a bounded time."""

    @pytest.mark.parametrize("one", [text(b"a"), frame(FIN | PING), text(b"ab")])
    def test_frames(self, one: bytes) -> None:
        reading = reader()
        assert len(reading.feed(one * MAX_FRAMES_PER_FEED)) == MAX_FRAMES_PER_FEED
        assert not reading.waiting
        assert len(reading.feed(one * (MAX_FRAMES_PER_FEED + 1))) == MAX_FRAMES_PER_FEED
        assert reading.waiting
        assert len(reading.feed(b"")) == 1
        assert not reading.waiting

    def test_frames_that_are_no_events(self) -> None:
        reading = reader()
        many = 3 * MAX_FRAMES_PER_FEED
        assert reading.feed(text(b"", fin=False) + more(fin=False) * many + more()) == []
        assert reading.waiting
        assert drain(reading, [b""]) == [(TEXT, "")]

    def test_feeding_on_while_it_waits(self) -> None:
        reading = reader()
        events = reading.feed(text(b"a") * (MAX_FRAMES_PER_FEED + 3) + text(b"bcd")[:3])
        assert reading.waiting
        events += drain(reading, [text(b"bcd")[3:]])
        assert events[-4:] == [(TEXT, "a")] * 3 + [(TEXT, "bcd")]

    def test_the_end_of_waiting_may_leave_a_part(self) -> None:
        reading = reader()
        whole = text(b"a") * (MAX_FRAMES_PER_FEED + 1)
        assert len(drain(reading, [whole + text(b"bcd")[:3]])) == MAX_FRAMES_PER_FEED + 1
        assert reading.feed(text(b"bcd")[3:]) == [(TEXT, "bcd")]
        assert reading.feed(text(b"e")) == [(TEXT, "e")]

    def test_inflated_bytes(self) -> None:
        half = frame(FIN | RSV1 | BINARY, compressed(bytes(MAX_BYTES_PER_FEED // 2)))
        reading = reader(deflate=True)
        assert len(reading.feed(half * 2)) == 2
        assert not reading.waiting
        assert len(reading.feed(half * 3)) == 2
        assert reading.waiting
        assert len(reading.feed(b"")) == 1
        less = frame(FIN | RSV1 | BINARY, compressed(bytes(MAX_BYTES_PER_FEED // 2 - 1)))
        assert len(reading.feed(less + half + half)) == 3
        assert not reading.waiting

    def test_all_of_a_large_feed(self) -> None:
        # A megabyte of empty frames, read in hundreds of turns.
        reading = reader()
        assert len(drain(reading, [frame(FIN | PONG) * 150_000])) == 150_000


class TestMemory:
    def test_many_small_pieces_are_joined_in_linear_time(self) -> None:
        reading = reader(limit=1 << 24)
        assert reading.feed(frame(BINARY)) == []
        piece = more(b"0123456789" * 12, fin=False) * 200
        for _ in range(400):
            assert reading.feed(piece) == []
        [(kind, content)] = reading.feed(more())
        assert kind == BINARY
        assert content == b"0123456789" * 960_000

    def test_what_was_read_is_not_kept(self) -> None:
        reading = reader()
        assert len(reading.feed(text(b"a") * 100 + text(b"b" * 100)[:5])) == 100
        assert len(reading._held) == 5
        assert len(reading.feed(text(b"b" * 100)[5:] + frame(FIN | 3) + bytes(1000))) == 2
        assert reading.ended
        assert reading._held == b""

    def test_a_length_reserves_nothing(self) -> None:
        # A terabyte is announced; there would be no memory for it.
        reading = reader(limit=1 << 41)
        announced = bytes([FIN | BINARY, 0xFF]) + length(1 << 40, 8)[1:] + KEY
        assert reading.feed(announced + b"abc") == []
