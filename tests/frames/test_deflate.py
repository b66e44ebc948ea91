"""permessage-deflate: what is agreed on, and what is compressed and inflated."""

from __future__ import annotations

import os
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.frames.framing import FIN, PING, RSV1, TEXT, bytewise, frame, read

from tornadic.frames.deflate import (
    MAX_STREAMS,
    Compressor,
    Deflate,
    DeflateOptions,
    Inflater,
    accept_offers,
    accept_response,
    offer,
)
from tornadic.frames.errors import NegotiationError, ProtocolViolation
from tornadic.frames.handshake import parse_extensions

PLENTY = 1 << 20


def inflate(
    *messages: bytes, room: int = PLENTY, takeover: bool = True, bits: int = 15
) -> list[bytes]:
    """Inflate messages one after another: whole, byte by byte, and their last byte for itself."""
    results = []
    for way in (lambda m: [m], bytewise, lambda m: [m[:-1], m[-1:]]):
        inflater = Inflater(bits, takeover)
        found = []
        for message in messages:
            content = b""
            pieces = [*way(message), b""]
            for i, piece in enumerate(pieces):
                content += inflater.inflate(piece, room - len(content), i == len(pieces) - 1)
            found.append(content)
        results.append(found)
    one = Inflater(bits, takeover)
    results.append([one.inflate(message, room, True) for message in messages])
    assert all(result == results[0] for result in results)
    return results[0]


def fails(*messages: bytes, room: int = PLENTY, takeover: bool = True) -> int:
    with pytest.raises(ProtocolViolation) as caught:
        inflate(*messages, room=room, takeover=takeover)
    return caught.value.close_code


class TestExamplesOfTheRFC:
    """RFC 7692 section 7.2.3, each under its name there."""

    HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")

    def test_a_message_compressed_using_one_compressed_deflate_block(self) -> None:
        assert inflate(self.HELLO) == [b"Hello"]
        frames = bytes.fromhex("c1 07 f2 48 cd c9 c9 07 00")
        assert read(frames, deflate=True, masked=False) == [(TEXT, "Hello")]
        frames = bytes.fromhex("41 03 f2 48 cd 80 04 c9 c9 07 00")
        assert read(frames, deflate=True, masked=False) == [(TEXT, "Hello")]
        assert Compressor(15, True, DeflateOptions()).compress(b"Hello") == self.HELLO

    def test_sharing_lz77_sliding_window(self) -> None:
        again = bytes.fromhex("f2 00 11 00 00")
        assert inflate(self.HELLO, again) == [b"Hello", b"Hello"]
        assert inflate(self.HELLO, self.HELLO, takeover=False) == [b"Hello", b"Hello"]
        assert fails(self.HELLO, again, takeover=False) == 1007
        compressor = Compressor(15, True, DeflateOptions())
        assert [compressor.compress(b"Hello") for _ in range(2)] == [self.HELLO, again]
        compressor = Compressor(15, False, DeflateOptions())
        assert [compressor.compress(b"Hello") for _ in range(2)] == [self.HELLO] * 2

    def test_using_a_deflate_block_with_no_compression(self) -> None:
        assert inflate(bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f 00")) == [b"Hello"]

    def test_using_a_deflate_block_with_bfinal_set_to_1(self) -> None:
        final = bytes.fromhex("f3 48 cd c9 c9 07 00 00")
        assert inflate(final) == [b"Hello"]
        assert inflate(final, final, self.HELLO, final) == [b"Hello"] * 4
        assert inflate(final, final, takeover=False) == [b"Hello"] * 2

    def test_two_deflate_blocks_in_one_message(self) -> None:
        assert inflate(bytes.fromhex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00")) == [b"Hello"]

    def test_generating_an_empty_fragment(self) -> None:
        assert inflate(b"\x00") == [b""]
        assert Compressor(15, True, DeflateOptions()).compress(b"") == b"\x00"


class TestInflating:
    def test_the_bound(self) -> None:
        data = Compressor(15, True, DeflateOptions()).compress(b"a" * 1000)
        assert inflate(data, room=1000) == [b"a" * 1000]
        assert fails(data, room=999) == 1009
        assert fails(data, room=0) == 1009

    def test_no_more_than_the_bound_is_ever_produced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A gigabyte of zeros, that would be."""
        bomb = zlib.compressobj(9, wbits=-15)
        data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
        produced: list[int] = []
        decompressobj = zlib.decompressobj

        class Watched:
            def __init__(self, *arguments: Any, **named: Any) -> None:
                self._inflater = decompressobj(*arguments, **named)

            def decompress(self, data: bytes, most: int) -> bytes:
                piece = self._inflater.decompress(data, most)
                produced.append(len(piece))
                return piece

            def __getattr__(self, name: str) -> Any:
                return getattr(self._inflater, name)

        monkeypatch.setattr(zlib, "decompressobj", Watched)
        with pytest.raises(ProtocolViolation):
            Inflater(15, True).inflate(data, 5000, True)
        assert produced == [5001]
        # Nor by beginning another stream.
        produced.clear()
        stream = zlib.compressobj(wbits=-15)
        data = stream.compress(bytes(3000)) + stream.flush()
        with pytest.raises(ProtocolViolation):
            Inflater(15, True).inflate(data * 3, 5000, True)
        assert produced == [3000, 2001]

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"\x07", id="a block of type 3"),
            pytest.param(b"\xff" * 10, id="no blocks at all"),
            pytest.param(bytes.fromhex("00 05 00 fa fe 48"), id="lengths that do not match"),
            pytest.param(bytes.fromhex("f2 00 11 00 00"), id="looking back too far"),
        ],
    )
    def test_no_deflate_data(self, data: bytes) -> None:
        assert fails(data) == 1007

    def test_a_message_without_data(self) -> None:
        hello = TestExamplesOfTheRFC.HELLO
        assert inflate(b"", hello, b"", hello) == [b"", b"Hello", b"", b"Hello"]

    def test_the_end_of_a_stream_without_the_byte_behind(self) -> None:
        final = bytes.fromhex("f3 48 cd c9 c9 07 00")
        assert inflate(final, b"\x00", final, TestExamplesOfTheRFC.HELLO) == [
            b"Hello",
            b"",
            b"Hello",
            b"Hello",
        ]

    def test_looking_back_over_the_end_of_a_stream(self) -> None:
        """Nobody does; it is no deflate data, however the bytes are cut."""
        final = bytes.fromhex("f3 48 cd c9 c9 07 00 00")
        again = zlib.compressobj(wbits=-15, zdict=b"Hello")
        message = (again.compress(b"Hello") + again.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert fails(final, message) == fails(final + message) == 1007

    def test_streams_within_a_message(self) -> None:
        final = bytes.fromhex("f3 48 cd c9 c9 07 00")
        assert inflate(final * 3, final + TestExamplesOfTheRFC.HELLO) == [
            b"Hello" * 3,
            b"Hello" * 2,
        ]
        assert inflate(final * 3, room=15) == [b"Hello" * 3]
        assert fails(final * 3, room=14) == 1009

    def test_how_many_streams_may_end(self) -> None:
        empty = bytes.fromhex("03 00")
        for takeover in (True, False):
            streams = empty * MAX_STREAMS
            assert inflate(streams + b"\x00", streams, takeover=takeover) == [b"", b""]
            assert fails(streams + empty, takeover=takeover) == 1007

    def test_windows(self) -> None:
        far = os.urandom(1000) + bytes(30_000)
        for bits in range(8, 16):
            compressor = Compressor(max(bits, 9), True, DeflateOptions())
            messages = [far, far, b"", far[:50]]
            assert inflate(*map(compressor.compress, messages), bits=bits) == messages

    def test_a_window_that_is_too_small(self) -> None:
        block = os.urandom(5000)
        message = Compressor(15, True, DeflateOptions()).compress(block + block)
        one = Inflater(9, True)
        with pytest.raises(ProtocolViolation):
            for piece in bytewise(message):
                one.inflate(piece, PLENTY, False)


@given(
    st.lists(st.binary(max_size=200).map(lambda data: data * 3), max_size=5),
    st.integers(9, 15),
    st.booleans(),
    st.integers(-1, 9),
    st.integers(1, 9),
)
def test_what_is_compressed_is_inflated(
    messages: list[bytes], bits: int, takeover: bool, level: int, memory: int
) -> None:
    compressor = Compressor(bits, takeover, DeflateOptions(level, memory))
    compressed = [compressor.compress(message) for message in messages]
    assert inflate(*compressed, takeover=takeover, bits=bits) == messages


@given(st.lists(st.binary(max_size=60), max_size=4), st.booleans(), st.integers(0, 300))
def test_anything_is_inflated_or_a_violation(
    messages: list[bytes], takeover: bool, room: int
) -> None:
    inflater = Inflater(15, takeover)
    try:
        for message in messages:
            assert len(inflater.inflate(message, room, True)) <= room
    except ProtocolViolation as violation:
        assert violation.close_code in (1007, 1009)


class TestCompressing:
    def test_kinds_of_messages(self) -> None:
        for message in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
            one = Compressor(15, True, DeflateOptions())
            assert inflate(one.compress(message)) == [b"abc"]
        assert one.compress(bytearray()) == one.compress(memoryview(b"")) == b"\x00"

    def test_empty_messages_between(self) -> None:
        one = Compressor(15, True, DeflateOptions())
        messages = [b"", b"a", b"", b"", b"a"]
        assert inflate(*map(one.compress, messages)) == messages

    def test_a_message_in_fragments_around_a_ping(self) -> None:
        data = Compressor(15, True, DeflateOptions()).compress(b"Hello" * 9)
        stream = frame(RSV1 | TEXT, data[:3]) + frame(FIN | PING) + frame(FIN, data[3:])
        assert read(stream, deflate=True) == [(PING, b""), (TEXT, "Hello" * 9)]

    def test_levels(self) -> None:
        text = b"".join(b"%d times %d is %d\n" % (i, i, i * i) for i in range(500))
        stored, usual = (
            len(Compressor(15, True, DeflateOptions(level)).compress(text)) for level in (0, 6)
        )
        assert usual < len(text) / 2
        assert len(text) < stored < len(text) + 50


class TestOptions:
    def test_of_a_dictionary(self) -> None:
        assert DeflateOptions.of({}) == DeflateOptions(6, 8)
        options = {"compression_level": 9, "mem_level": 1}
        assert DeflateOptions.of(options) == DeflateOptions(9, 1)
        with pytest.raises(ValueError, match="unknown compression options"):
            DeflateOptions.of({"level": 9})

    @pytest.mark.parametrize("level", [-2, 10])
    def test_levels_that_zlib_does_not_have(self, level: int) -> None:
        with pytest.raises(ValueError, match="compression_level"):
            DeflateOptions.of({"compression_level": level})

    @pytest.mark.parametrize("level", [0, 10])
    def test_memory_levels_that_zlib_does_not_have(self, level: int) -> None:
        with pytest.raises(ValueError, match="mem_level"):
            DeflateOptions.of({"mem_level": level})

    def test_the_ends_of_the_ranges(self) -> None:
        for level, memory in [(-1, 1), (0, 9), (9, 1)]:
            one = Compressor(15, True, DeflateOptions(level, memory))
            assert inflate(one.compress(b"abc" * 99)) == [b"abc" * 99]


def accept(*lines: str) -> tuple[str, Deflate] | None:
    return accept_offers(parse_extensions(lines))


class TestServer:
    """What a server makes of offers (RFC 7692 sections 5.1 and 7.1)."""

    @pytest.mark.parametrize(
        "line, answer, agreed",
        [
            ("permessage-deflate", "permessage-deflate", Deflate()),
            ("permessage-deflate; client_max_window_bits", "permessage-deflate", Deflate()),
            (
                "permessage-deflate; client_max_window_bits=10",
                "permessage-deflate; client_max_window_bits=10",
                Deflate(client_bits=10),
            ),
            (
                "permessage-deflate; client_max_window_bits=8",
                "permessage-deflate; client_max_window_bits=8",
                Deflate(client_bits=8),
            ),
            (
                'permessage-deflate; server_max_window_bits="9"; client_max_window_bits',
                "permessage-deflate; server_max_window_bits=9",
                Deflate(server_bits=9),
            ),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover",
                Deflate(server_takeover=False),
            ),
            (
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=15",
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=15",
                Deflate(client_takeover=False),
            ),
        ],
    )
    def test_accepts(self, line: str, answer: str, agreed: Deflate) -> None:
        assert accept(line) == (answer, agreed)
        # And the client that has offered it takes the answer.
        [(_, parameters)] = parse_extensions([answer])
        assert accept_response(parameters) == agreed

    @pytest.mark.parametrize(
        "parameters",
        [
            "unknown",
            "server_max_window_bits",
            "server_max_window_bits=8",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=+10",
            "server_max_window_bits=1_0",
            "server_max_window_bits=ten",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=09",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "Server_No_Context_Takeover",
            "server_no_context_takeover; server_no_context_takeover",
            "client_max_window_bits; client_max_window_bits",
            "server_max_window_bits=10; server_max_window_bits=10",
        ],
    )
    def test_declines(self, parameters: str) -> None:
        wrong = f"permessage-deflate; {parameters}"
        assert accept(wrong) is None
        # The next offer may do.
        assert accept(f"{wrong}, permessage-deflate") == ("permessage-deflate", Deflate())
        assert accept(wrong, "permessage-deflate") == ("permessage-deflate", Deflate())

    def test_the_first_offer_that_can_be_served(self) -> None:
        line = "x-other, permessage-deflate; server_max_window_bits=10, permessage-deflate"
        expected = ("permessage-deflate; server_max_window_bits=10", Deflate(server_bits=10))
        assert accept(line) == expected

    def test_nothing_to_accept(self) -> None:
        assert accept() is None
        assert accept("x-webkit-deflate-frame", "permessage-bzip2") is None

    def test_what_browsers_offer(self) -> None:
        # Chromium and Firefox; Safari.
        assert accept("permessage-deflate; client_max_window_bits") is not None
        assert accept("permessage-deflate") is not None


class TestClient:
    """What a client makes of the answer (RFC 7692 sections 5.1 and 7.1)."""

    def test_offer(self) -> None:
        assert offer() == "permessage-deflate; client_max_window_bits"
        assert accept(offer()) == ("permessage-deflate", Deflate())

    @pytest.mark.parametrize(
        "parameters, agreed",
        [
            ([], Deflate()),
            ([("server_no_context_takeover", None)], Deflate(server_takeover=False)),
            ([("client_no_context_takeover", None)], Deflate(client_takeover=False)),
            ([("server_max_window_bits", "8")], Deflate(server_bits=8)),
            ([("client_max_window_bits", "12")], Deflate(client_bits=12)),
        ],
    )
    def test_accepts(self, parameters: list[tuple[str, str | None]], agreed: Deflate) -> None:
        assert accept_response(parameters) == agreed

    @pytest.mark.parametrize(
        "parameters",
        [
            [("unknown", None)],
            [("server_max_window_bits", None)],
            [("client_max_window_bits", None)],
            [("client_max_window_bits", "16")],
            [("server_max_window_bits", "7")],
            [("server_no_context_takeover", "1")],
            [("server_max_window_bits", "10")] * 2,
        ],
    )
    def test_fails(self, parameters: list[tuple[str, str | None]]) -> None:
        with pytest.raises(NegotiationError, match="permessage-deflate: "):
            accept_response(parameters)


class TestRoles:
    AGREED = Deflate(server_takeover=False, client_takeover=True, server_bits=10, client_bits=12)

    @pytest.mark.parametrize("is_server", [True, False])
    def test_each_side_can_read_the_other(self, is_server: bool) -> None:
        sender = self.AGREED.compressor(DeflateOptions(), is_server=is_server)
        receiver = self.AGREED.inflater(is_server=not is_server)
        assert sender is not None
        message = os.urandom(3000) * 2
        sizes = []
        for _ in range(3):
            data = sender.compress(message)
            sizes.append(len(data))
            assert receiver.inflate(data, PLENTY, True) == message
        # The server forgets; and only the client looks back as far as to the other half.
        assert (sizes[1] < 3000) == (not is_server)
        assert (sizes[0] < 4000) == (not is_server)

    def test_a_window_that_zlib_cannot_compress_with(self) -> None:
        agreed = Deflate(client_bits=8)
        assert agreed.compressor(DeflateOptions(), is_server=False) is None
        assert agreed.compressor(DeflateOptions(), is_server=True) is not None
