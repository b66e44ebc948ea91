"""Frames to bytes."""

from __future__ import annotations

import pytest
from tests.frames.framing import BINARY, CLOSE, FIN, KEY, PING, PONG, RSV1, TEXT, frame, xor

from tornadic.frames.writer import encode_close, encode_frame, frame_head

OPCODES = [0, TEXT, BINARY, CLOSE, PING, PONG]
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70000]


def unmasked(data: bytes) -> bytes:
    """A client's frame as a server would send it."""
    assert data[1] & 0x80
    start = 2 + {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    key = data[start : start + 4]
    return bytes([data[0], data[1] & 0x7F]) + data[2:start] + xor(key, data[start + 4 :])


class TestExamplesOfTheRFC:
    """RFC 6455 section 5.7, each under its name there; keys are ours to choose."""

    def test_a_single_frame_unmasked_text_message(self) -> None:
        assert encode_frame(TEXT, b"Hello") == bytes.fromhex("81 05 48 65 6c 6c 6f")

    def test_a_single_frame_masked_text_message(self) -> None:
        expected = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
        assert frame_head(TEXT, 5, key=KEY) + xor(KEY, b"Hello") == expected
        assert unmasked(encode_frame(TEXT, b"Hello", mask=True)) == unmasked(expected)

    def test_a_fragmented_unmasked_text_message(self) -> None:
        first = encode_frame(TEXT, b"Hel", fin=False)
        assert first + encode_frame(0, b"lo") == bytes.fromhex("01 03 48 65 6c 80 02 6c 6f")

    def test_unmasked_ping_request_and_masked_ping_response(self) -> None:
        assert encode_frame(PING, b"Hello") == bytes.fromhex("89 05 48 65 6c 6c 6f")
        response = unmasked(encode_frame(PONG, b"Hello", mask=True))
        assert response == bytes.fromhex("8a 05 48 65 6c 6c 6f")

    def test_256_bytes_in_a_single_unmasked_frame(self) -> None:
        assert frame_head(BINARY, 256) == bytes.fromhex("82 7e 01 00")

    def test_64_kilobytes_in_a_single_unmasked_frame(self) -> None:
        assert frame_head(BINARY, 65536) == bytes.fromhex("82 7f 00 00 00 00 00 01 00 00")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rsv1", [0, RSV1])
@pytest.mark.parametrize("fin", [0, FIN])
@pytest.mark.parametrize("opcode", [0, TEXT, BINARY])
def test_data_frames(opcode: int, fin: int, rsv1: int, size: int) -> None:
    payload = b"p" * size
    expected = frame(fin | rsv1 | opcode, payload, key=None)
    plain = encode_frame(opcode, payload, rsv1=bool(rsv1), fin=bool(fin))
    assert plain == expected
    assert frame_head(opcode, size, rsv1=bool(rsv1), fin=bool(fin)) + payload == expected
    assert unmasked(encode_frame(opcode, payload, mask=True, rsv1=bool(rsv1), fin=bool(fin))) == (
        expected
    )


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("size", [3, 300])
def test_kinds_of_payloads(size: int, mask: bool) -> None:
    for payload in (b"x" * size, bytearray(b"x" * size), memoryview(b"x" * size)):
        found = encode_frame(TEXT, payload, mask=mask)
        assert type(found) is bytes
        assert (unmasked(found) if mask else found) == frame(FIN | TEXT, b"x" * size, key=None)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("mask", [False, True])
def test_control_frames(opcode: int, mask: bool) -> None:
    for size in (0, 125):
        found = encode_frame(opcode, bytes(size), mask=mask)
        assert (unmasked(found) if mask else found) == frame(FIN | opcode, bytes(size), key=None)
    with pytest.raises(ValueError, match="at most 125"):
        encode_frame(opcode, bytes(126), mask=mask)
    with pytest.raises(ValueError, match="control frames"):
        encode_frame(opcode, b"", mask=mask, fin=False)
    with pytest.raises(ValueError, match="control frames"):
        encode_frame(opcode, b"", mask=mask, rsv1=True)
    with pytest.raises(ValueError, match="control frames"):
        frame_head(opcode, 126)


@pytest.mark.parametrize("opcode", [-1, 3, 7, 11, 15, 16, 0x81])
def test_unknown_opcodes(opcode: int) -> None:
    for mask in (False, True):
        for payload in (b"", bytes(500)):
            with pytest.raises(ValueError, match="unknown opcode"):
                encode_frame(opcode, payload, mask=mask)
    with pytest.raises(ValueError, match="unknown opcode"):
        frame_head(opcode, 5)


def test_every_frame_has_a_key_of_its_own() -> None:
    assert len({encode_frame(BINARY, b"", mask=True)[2:6] for _ in range(50)}) == 50


class TestClose:
    @pytest.mark.parametrize("mask", [False, True])
    def test_content(self, mask: bool) -> None:
        def payload(code: int | None = None, reason: str | None = None) -> bytes:
            data = encode_close(code, reason, mask=mask)
            assert data[0] == FIN | CLOSE
            return (unmasked(data) if mask else data)[2:]

        assert payload() == payload(None, "") == b""
        assert payload(1000) == payload(1000, "") == b"\x03\xe8"
        assert payload(4999, "wärum") == b"\x13\x87" + "wärum".encode()
        assert payload(None, "only a reason") == b"\x03\xe8only a reason"

    @pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536])
    def test_codes_that_nobody_sends(self, code: int) -> None:
        with pytest.raises(ValueError, match=f"close code {code} cannot be sent"):
            encode_close(code)

    def test_length_of_the_reason(self) -> None:
        assert len(encode_close(1000, "r" * 123)) == 127
        assert len(encode_close(1000, "é" * 61)) == 2 + 2 + 122
        for reason in ("r" * 124, "é" * 62):
            with pytest.raises(ValueError, match="at most 123 bytes"):
                encode_close(1000, reason)

    def test_half_a_surrogate(self) -> None:
        with pytest.raises(ValueError, match="surrogates not allowed"):
            encode_close(1000, "\ud800")
