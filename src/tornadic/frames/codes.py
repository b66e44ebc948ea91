"""Numbers of the WebSocket protocol: opcodes, and the codes that a close frame carries.

Sources: RFC 6455 sections 5.2, 7.4 and 11.7, and IANA's registry of close codes
(https://www.iana.org/assignments/websocket, table "WebSocket Close Code Number").
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ABNORMAL_CLOSURE",
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "FAIL",
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "INVALID_PAYLOAD",
    "MANDATORY_EXTENSION",
    "MAX_CONTROL_PAYLOAD",
    "MAX_REASON",
    "MESSAGE_TOO_BIG",
    "NORMAL_CLOSURE",
    "NO_STATUS",
    "PING",
    "POLICY_VIOLATION",
    "PONG",
    "PROTOCOL_ERROR",
    "REASONS",
    "TEXT",
    "TLS_HANDSHAKE",
    "UNSUPPORTED_DATA",
    "default_reason",
    "may_be_on_the_wire",
]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FAIL: Final = -1
"""No opcode: the kind of the event that says the peer has broken the protocol."""

MAX_CONTROL_PAYLOAD: Final = 125
"""Bytes in the payload of a close, ping or pong (RFC 6455 section 5.5)."""

MAX_REASON: Final = MAX_CONTROL_PAYLOAD - 2
"""Bytes in the reason of a close: the code takes two."""

NORMAL_CLOSURE: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
NO_STATUS: Final = 1005
ABNORMAL_CLOSURE: Final = 1006
INVALID_PAYLOAD: Final = 1007
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
MANDATORY_EXTENSION: Final = 1010
INTERNAL_ERROR: Final = 1011
TLS_HANDSHAKE: Final = 1015

REASONS: Final[dict[int, str]] = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no status received",
    1006: "abnormal closure",
    1007: "invalid frame payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "mandatory extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake failure",
}
"""What the registered codes mean, in a few words."""

# For programs that say something about a connection without a close frame.
_NEVER_SENT: Final = frozenset([NO_STATUS, ABNORMAL_CLOSURE, TLS_HANDSHAKE])


def may_be_on_the_wire(code: int) -> bool:
    """Whether a close frame may carry ``code``, whoever sends it (RFC 6455 section 7.4).

    These are the registered codes, but for the three that only stand for the lack of a close
    frame (1005, 1006, 1015), and all from 3000 to 4999, which libraries and applications use.
    """
    return 3000 <= code <= 4999 or (code in REASONS and code not in _NEVER_SENT)


def default_reason(code: int | None) -> str:
    """Return what ``code`` means in a few words, for logs; None is a close without a code."""
    if code is None:
        code = NO_STATUS
    if code in REASONS:
        return REASONS[code]
    return "application's own" if 4000 <= code <= 4999 else "unknown"
