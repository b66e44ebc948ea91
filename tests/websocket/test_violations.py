"""What a peer may not send, and the code that it is told so with (RFC 6455 section 7.4)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.support import run, serving
from tests.websocket.support import (
    BINARY,
    CLOSE,
    MASK,
    PING,
    TEXT,
    Recorder,
    app_of,
    close_payload,
    frame,
    noted,
    raw,
)

VIOLATIONS = {
    "no mask": (frame(TEXT, b"a", mask=None), 1002),
    "RSV1 without an extension": (frame(TEXT, b"a", rsv=4), 1002),
    "RSV2": (frame(TEXT, b"a", rsv=2), 1002),
    "RSV3": (frame(TEXT, b"a", rsv=1), 1002),
    "RSV1 on a ping": (frame(PING, b"a", rsv=4), 1002),
    "a reserved opcode": (frame(3), 1002),
    "a reserved control opcode": (frame(11), 1002),
    "a ping in fragments": (frame(PING, fin=False), 1002),
    "a ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "nothing to continue": (frame(0, b"a"), 1002),
    "a message within another": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "a length that is too long": (b"\x82\xfe\x00\x7d" + MASK, 1002),
    "a length that is much too long": (b"\x82\xff" + bytes(6) + b"\xff\xff" + MASK, 1002),
    "a negative length": (b"\x82\xff" + b"\xff" * 8 + MASK, 1002),
    "bad UTF-8": (frame(TEXT, b"\xff"), 1007),
    "bad UTF-8 in a message that never ends": (frame(TEXT, b"a\xff", fin=False), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "half a character at the end": (frame(TEXT, b"gr\xc3"), 1007),
    "a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a close with bad UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    **{
        f"a close with {code}": (frame(CLOSE, close_payload(code)), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(name: str) -> None:
    sent, code = VIOLATIONS[name]
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT, b"good"), sent, frame(TEXT, b"after"))
            assert await peer.message() == "good"
            got, reason = await peer.closed_with()
            assert got == code
            assert reason
            await peer.ended()
            await noted(notes, "closed")
            peer.client.close()

    run(main)
    assert notes[:2] == ["open", "good"]
    assert [note[:2] for note in notes[2:]] == [("closed", code)]


def over(size: int, **settings: Any) -> Any:
    """The answer to a message of ``size`` bytes, in a frame and in two."""
    answers = []

    async def main() -> None:
        async with serving(app_of(Recorder, [], **settings)) as server:
            payload = b"x" * size
            for sent in (
                frame(BINARY, payload),
                frame(BINARY, payload[:-1], fin=False) + frame(0, payload[-1:]),
            ):
                peer = await raw(server)
                await peer.send(sent)
                first, data = await peer.frame()
                answers.append(data if first == 0x82 else (int.from_bytes(data[:2]), data[2:]))
                peer.client.close()

    run(main)
    assert answers[0] == answers[1]
    return answers[0]


def test_the_longest_message() -> None:
    assert over(50, websocket_max_message_size=50) == b"x" * 50
    assert over(51, websocket_max_message_size=50) == (1009, b"message too big")


def test_the_longest_message_by_default() -> None:
    async def main() -> None:
        async with serving(app_of(Recorder, [])) as server:
            for size, answer in ((10 * 1024 * 1024, 0x82), (10 * 1024 * 1024 + 1, 0x88)):
                peer = await raw(server)
                if answer == 0x82:
                    # The mask is all zeroes, so that the test is not busy with masking.
                    await peer.send(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4 + size))
                else:
                    await peer.send(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4))
                first, data = await peer.frame()
                assert first == answer
                assert len(data) == size or data[:2] == (1009).to_bytes(2, "big")
                peer.client.close()

    run(main)


def test_one_line_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tornado.general")

    async def main() -> None:
        async with serving(app_of(Recorder, [])) as server:
            peer = await raw(server)
            await peer.send(frame(3))
            await peer.closed_with()
            await peer.ended()
            peer.client.close()

    run(main)
    lines = [record.getMessage() for record in caplog.records if record.name == "tornado.general"]
    assert lines == ["Malformed WebSocket from 127.0.0.1: unknown opcode (1002)"]
