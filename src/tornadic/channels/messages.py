"""Messages as bytes: JSON as it is, and bytes behind a NUL, with which no JSON begins."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, Final

__all__ = ["Message", "check_name", "encode_message"]

_BYTES: Final = b"\0"


def encode_message(value: Any) -> bytes:
    """What goes over the wire for ``value``.

    Raises TypeError for what is neither bytes nor JSON, and ValueError for a number or a text
    that JSON, or UTF-8, cannot have.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _BYTES + bytes(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class Message:
    """A message that has come, as each receiver wants it, made once for all of them.

    Raises ValueError, when it is looked at, for bytes that are no message.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    @cached_property
    def value(self) -> Any:
        """What was published, after its way through JSON."""
        if self._payload.startswith(_BYTES):
            return self._payload[len(_BYTES) :]
        try:
            return json.loads(self._payload)
        except RecursionError:
            raise ValueError("JSON that is nested too deeply") from None

    @cached_property
    def text(self) -> str | bytes:
        """What clients get: text and bytes as they are, all else as JSON."""
        value = self.value
        return value if isinstance(value, (str, bytes)) else self._payload.decode()


def check_name(name: str) -> None:
    """Raise TypeError or ValueError for what can be no channel's name."""
    if not isinstance(name, str):
        raise TypeError(f"The name of a channel is text, not {type(name).__name__}")
    name.encode()
