"""Compression of messages: the extension permessage-deflate (RFC 7692).

What is agreed on is a `Deflate`: whether either side keeps its window from one message to the
next, and how far back it may look.  `accept_offers` is the server's part of the negotiation,
`offer` and `accept_response` are the client's; `compressor` and `inflater` make what works on
messages.

zlib cannot compress with a window of 256 bytes (8 bits), only inflate what was.  A server
declines an offer that asks it to.  A client that is asked to sends its messages uncompressed,
which the RFC allows for any message.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tornadic.frames.codes import INVALID_PAYLOAD, MESSAGE_TOO_BIG
from tornadic.frames.errors import NegotiationError, ProtocolViolation
from tornadic.frames.masking import Buffer
from tornadic.frames.messages import TOO_BIG

__all__ = [
    "DEFAULT_LEVEL",
    "DEFAULT_MEMORY_LEVEL",
    "EXTENSION",
    "MAX_STREAMS",
    "Compressor",
    "Deflate",
    "DeflateOptions",
    "Extension",
    "Inflater",
    "Parameters",
    "accept_offers",
    "accept_response",
    "offer",
]

EXTENSION: Final = "permessage-deflate"

Parameters = Sequence[tuple[str, str | None]]
"""Names of an extension's parameters, and their values, None where there is none."""

Extension = tuple[str, Parameters]
"""Name and parameters."""

_SERVER_NO_TAKEOVER: Final = "server_no_context_takeover"
_CLIENT_NO_TAKEOVER: Final = "client_no_context_takeover"
_SERVER_BITS: Final = "server_max_window_bits"
_CLIENT_BITS: Final = "client_max_window_bits"

_MOST_BITS: Final = 15
_LEAST_BITS_OF_ZLIB: Final = 9
_WINDOW_BITS: Final = {str(bits): bits for bits in range(8, _MOST_BITS + 1)}

# What ends every message and is not sent (RFC 7692 section 7.2.1): an empty stored block.
_TAIL: Final = b"\x00\x00\xff\xff"
# An empty message; zlib would give nothing at all (RFC 7692 section 7.2.3.6).
_EMPTY: Final = b"\x00"

# zlib's own defaults.
DEFAULT_LEVEL: Final = 6
DEFAULT_MEMORY_LEVEL: Final = 8

MAX_STREAMS: Final = 16
"""DEFLATE streams that may end within one message.  Hardly anybody ends more than one; beginning
one takes as long as inflating thousands of bytes, and two bytes are enough to ask for it."""

_BAD_DATA: Final = "invalid compressed data"


@dataclass(frozen=True)
class DeflateOptions:
    """How this side compresses.

    ``level`` is zlib's: 0 (not at all) to 9 (best), or -1 for what zlib thinks is a good
    compromise.  ``memory_level`` is zlib's too, 1 to 9: a connection that compresses takes
    ``2 ** (memory_level + 9)`` bytes, and four times its window.  Raises `ValueError`.
    """

    level: int = DEFAULT_LEVEL
    memory_level: int = DEFAULT_MEMORY_LEVEL

    def __post_init__(self) -> None:
        if not -1 <= self.level <= 9:
            raise ValueError("compression_level must be from -1 to 9")
        if not 1 <= self.memory_level <= 9:
            raise ValueError("mem_level must be from 1 to 9")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> DeflateOptions:
        """Make them of what ``get_compression_options`` returns.

        Its keys are ``compression_level`` and ``mem_level``.  Raises `ValueError` for others.
        """
        unknown = set(options) - {"compression_level", "mem_level"}
        if unknown:
            raise ValueError(f"unknown compression options {sorted(unknown)}")
        return cls(
            options.get("compression_level", DEFAULT_LEVEL),
            options.get("mem_level", DEFAULT_MEMORY_LEVEL),
        )


@dataclass(frozen=True)
class Deflate:
    """What both sides have agreed on: who keeps a window, and how large it is, in bits."""

    server_takeover: bool = True
    client_takeover: bool = True
    server_bits: int = _MOST_BITS
    client_bits: int = _MOST_BITS

    def compressor(self, options: DeflateOptions, *, is_server: bool) -> Compressor | None:
        """Return what compresses our messages; None if they have to be sent as they are."""
        bits = self.server_bits if is_server else self.client_bits
        takeover = self.server_takeover if is_server else self.client_takeover
        if bits < _LEAST_BITS_OF_ZLIB:
            return None
        return Compressor(bits, takeover, options)

    def inflater(self, *, is_server: bool) -> Inflater:
        """Return what inflates the peer's messages."""
        bits = self.client_bits if is_server else self.server_bits
        takeover = self.client_takeover if is_server else self.server_takeover
        return Inflater(bits, takeover)


class Compressor:
    """Compresses messages, one after the other (RFC 7692 section 7.2.1)."""

    __slots__ = ("_bits", "_deflater", "_options", "_takeover")

    def __init__(self, bits: int, takeover: bool, options: DeflateOptions) -> None:
        self._bits = bits
        self._takeover = takeover
        self._options = options
        self._deflater: zlib._Compress | None = None

    @property
    def kind(self) -> tuple[int, DeflateOptions]:
        """What decides about the result, besides what was compressed before."""
        return self._bits, self._options

    def forget(self) -> None:
        """Look back at nothing when the next message is compressed.

        Such a message suits every peer that takes this ``kind``, whatever it has received.
        """
        self._deflater = None

    def compress(self, message: Buffer) -> bytes:
        """Return the payload of a frame with RSV1 set."""
        if not message:
            return _EMPTY
        deflater = self._deflater
        if deflater is None:
            options = self._options
            deflater = zlib.compressobj(
                options.level, zlib.DEFLATED, -self._bits, options.memory_level
            )
            if self._takeover:
                self._deflater = deflater
        return (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


class Inflater:
    """Inflates messages, piece by piece (RFC 7692 section 7.2.2).

    Where the peer ends a DEFLATE stream (BFINAL, section 7.2.3.4), another one begins, which
    does not look back over that end: who has no other way to flush cannot look back either.
    """

    __slots__ = ("_begun", "_bits", "_ends", "_inflater", "_takeover")

    def __init__(self, bits: int, takeover: bool) -> None:
        self._bits = max(bits, _LEAST_BITS_OF_ZLIB)
        self._takeover = takeover
        self._inflater: zlib._Decompress | None = None
        # Whether anything has come of this message, and behind the last end of a stream.
        self._begun = False
        # How many streams have ended in this message.
        self._ends = 0

    def inflate(self, data: bytes, room: int, last: bool) -> bytes:
        """Return what ``data``, a piece of a message, inflates to.

        ``room``: how many bytes that may be; no more than one byte beyond is ever inflated.
        ``last``: whether the message ends with it.  Raises `ProtocolViolation` if it is more
        (1009), or no DEFLATE data (1007); nothing can be inflated after that.
        """
        if last and (data or self._begun):
            data += _TAIL
        inflated = b""
        if data:
            self._begun = True
            try:
                inflated = self._inflate(data, room)
            except zlib.error:
                raise ProtocolViolation(INVALID_PAYLOAD, _BAD_DATA) from None
        if last:
            self._begun = False
            self._ends = 0
            if not self._takeover:
                self._inflater = None
        return inflated

    def _inflate(self, data: bytes, room: int) -> bytes:
        inflated = b""
        while True:
            inflater = self._inflater
            if inflater is None:
                inflater = self._inflater = zlib.decompressobj(-self._bits)
            inflated += inflater.decompress(data, room + 1 - len(inflated))
            if len(inflated) > room:
                raise ProtocolViolation(MESSAGE_TOO_BIG, TOO_BIG)
            if not inflater.eof:
                return inflated
            self._inflater = None
            self._ends += 1
            if self._ends > MAX_STREAMS:
                raise ProtocolViolation(INVALID_PAYLOAD, "too many compressed streams")
            data = inflater.unused_data
            # Some end a message with their stream, without the byte that should follow it.
            if not data or data == _TAIL:
                self._begun = False
                return inflated


def accept_offers(extensions: Sequence[Extension]) -> tuple[str, Deflate] | None:
    """Choose, as a server, among what a client offers (RFC 7692 sections 5 and 7).

    The first offer that we can serve wins.  Returns the extension for the answer, and what is
    agreed on with it; None if nothing is.
    """
    for name, parameters in extensions:
        if name == EXTENSION:
            try:
                return _accept_offer(_read_parameters(parameters))
            except NegotiationError:
                continue
    return None


def _accept_offer(asked: dict[str, int | None]) -> tuple[str, Deflate]:
    server_bits = asked.get(_SERVER_BITS, _MOST_BITS)
    if server_bits is None or server_bits < _LEAST_BITS_OF_ZLIB:
        raise NegotiationError(f"no {_SERVER_BITS} that can be served")
    # Every parameter of the offer is one of the answer, but for a permission to set the bits.
    answer = [EXTENSION]
    for name, bits in asked.items():
        if bits is not None:
            answer.append(f"{name}={bits}")
        elif name != _CLIENT_BITS:
            answer.append(name)
    return "; ".join(answer), _agreed(asked)


def offer() -> str:
    """Return what a client offers: any window that the server likes."""
    return f"{EXTENSION}; {_CLIENT_BITS}"


def accept_response(parameters: Parameters) -> Deflate:
    """Check, as a client, what the server makes of `offer`.

    Raises `NegotiationError` if the connection has to be failed.
    """
    answered = _read_parameters(parameters)
    for name in (_SERVER_BITS, _CLIENT_BITS):
        if answered.get(name, _MOST_BITS) is None:
            raise NegotiationError(f"{EXTENSION}: {name} has no value")
    return _agreed(answered)


def _agreed(parameters: dict[str, int | None]) -> Deflate:
    return Deflate(
        _SERVER_NO_TAKEOVER not in parameters,
        _CLIENT_NO_TAKEOVER not in parameters,
        parameters.get(_SERVER_BITS) or _MOST_BITS,
        parameters.get(_CLIENT_BITS) or _MOST_BITS,
    )


def _read_parameters(parameters: Parameters) -> dict[str, int | None]:
    """Return the window bits, or None where there is no value, of every parameter.

    Raises `NegotiationError` for one that is unknown, comes twice or has a wrong value.
    """
    found: dict[str, int | None] = {}
    for name, value in parameters:
        if name in found:
            raise NegotiationError(f"{EXTENSION}: {name} twice")
        if name in (_SERVER_BITS, _CLIENT_BITS):
            if value is not None and value not in _WINDOW_BITS:
                raise NegotiationError(f"{EXTENSION}: {name} of {value[:20]!r}")
            found[name] = None if value is None else _WINDOW_BITS[value]
        elif name in (_SERVER_NO_TAKEOVER, _CLIENT_NO_TAKEOVER):
            if value is not None:
                raise NegotiationError(f"{EXTENSION}: {name} with a value")
            found[name] = None
        else:
            raise NegotiationError(f"{EXTENSION}: unknown parameter {name[:40]!r}")
    return found
