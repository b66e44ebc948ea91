"""Opcodes and close codes."""

from __future__ import annotations

import pytest

from tornadic.frames import codes
from tornadic.frames.codes import REASONS, default_reason, may_be_on_the_wire
from tornadic.frames.errors import HandshakeRefused, ProtocolViolation


def test_codes_that_close_frames_carry() -> None:
    """RFC 6455 section 7.4 and the registry of IANA, for every number that two bytes hold."""
    registered = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
    expected = registered | set(range(3000, 5000))
    assert {code for code in range(-1, 65537) if may_be_on_the_wire(code)} == expected


def test_every_registered_code_has_a_reason() -> None:
    assert set(REASONS) == {*range(1000, 1004), *range(1005, 1016)}
    for reason in REASONS.values():
        assert len(reason.encode("ascii")) <= codes.MAX_REASON


@pytest.mark.parametrize(
    "code, reason",
    [
        (None, "no status received"),
        (1000, "normal closure"),
        (1006, "abnormal closure"),
        (4000, "application's own"),
        (4999, "application's own"),
        (3000, "unknown"),
        (5000, "unknown"),
        (1004, "unknown"),
    ],
)
def test_default_reasons(code: int | None, reason: str) -> None:
    assert default_reason(code) == reason


def test_errors_say_what_is_wrong() -> None:
    assert str(ProtocolViolation(1002, "unknown opcode")) == "unknown opcode (1002)"
    refused = HandshakeRefused(426, "Only version 13", {"Sec-WebSocket-Version": "13"})
    assert str(refused) == "HTTP 426: Only version 13"
    assert HandshakeRefused(400, "no").headers == {}
