"""Content codings: which are there, which of them is wanted, and what encodes and decodes them.

RFC 9110 sections 8.4 and 12.5.3.  gzip is always there; ``br`` (RFC 7932) and ``zstd`` (RFC 8878)
are if a package for them is installed.  A package is asked once, when this is imported.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, Protocol

from tornadic.util import GzipDecompressor

__all__ = [
    "AVAILABLE",
    "PIECE",
    "SUFFIXES",
    "Decoder",
    "Encode",
    "choose",
    "decoder",
    "encoder",
    "normal_name",
]

PIECE: Final = 65536
"""Bytes that are decoded at once."""

SUFFIXES: Final = {"zstd": ".zst", "br": ".br", "gzip": ".gz"}
"""How the name of an encoded file ends; of codings that a client likes as much, the best first."""

# Of an Accept-Encoding; browsers send 25 characters.
MAX_LENGTH: Final = 512

_DIGITS: Final = re.compile("[0-9]{0,3}")
_GZIP_WINDOW: Final = 31  # with the header and trailer of gzip around it
_BROTLI_WINDOW: Final = 18  # 256 KB, as a power of two; more costs memory and gains little

Encode = Callable[[bytes, bool], bytes]
"""Encodes a piece so that it can be read before the next one comes; True with the last one."""


def normal_name(coding: str) -> str:
    """The name of a coding in the one form that is used here."""
    name = coding.lower()
    return "gzip" if name == "x-gzip" else name


# What is wanted


@lru_cache(256)
def choose(accepted: str, available: tuple[str, ...]) -> str | None:
    """The one of ``available`` that an ``Accept-Encoding`` of ``accepted`` likes best.

    Of equals the first.  None if it names none of them, or likes the content as it is better; a
    header over 512 characters is not read, and names none.  ``*`` stands for codings that exist,
    and who writes it may never have heard of zstd: it is not taken for one.
    """
    if not accepted or len(accepted) > MAX_LENGTH:
        return None
    weights = _weights(accepted)
    best, most = None, weights.get("identity", 0.0)
    for coding in available:
        weight = weights.get(coding, 0.0)
        if weight > most or (best is None and weight == most > 0):
            best, most = coding, weight
    return best


def _weights(accepted: str) -> dict[str, float]:
    """The weight of each coding; one that cannot be read is 0."""
    found: dict[str, float] = {}
    for item in accepted.split(","):
        name, *parameters = (part.strip(" \t") for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.rstrip(" \t").lower() == "q":
                weight = _weight(value.strip(" \t"))
        found.setdefault(normal_name(name), weight)
    return found


def _weight(text: str) -> float:
    """RFC 9110 section 12.4.2: at most three digits behind the point."""
    whole, _, digits = text.partition(".")
    if whole not in ("0", "1") or not _DIGITS.fullmatch(digits):
        return 0.0
    return min(float(f"{whole}.{digits or '0'}"), 1.0)


# What there is


def _brotli_module() -> Any:
    """Google's package; TypeError if it is too old to bound what it gives."""
    module: Any = import_module("brotli")
    module.Decompressor().process(b"", output_buffer_limit=1)
    return module


def _zstd_module() -> Any:
    """The module of Python 3.14, or the same for older ones."""
    try:
        return import_module("compression.zstd")
    except ImportError:
        return import_module("backports.zstd")


def _if_there(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except (ImportError, TypeError):
        return None


_brotli: Final = _if_there(_brotli_module)
_zstd: Final = _if_there(_zstd_module)

AVAILABLE: Final = tuple(
    coding
    for coding, module in (("zstd", _zstd), ("br", _brotli), ("gzip", zlib))
    if module is not None
)
"""The codings of this process, best first: zstd takes a fifth of gzip's time and is as small."""


# Encoding


def encoder(coding: str, level: int, *, whole: bool) -> Encode:
    """What encodes one body in ``coding``, one of `AVAILABLE`.

    ``level`` is the coding's own measure of how small it is to become.  ``whole``: the first piece
    is the last one too.
    """
    return _ENCODERS[coding](level, whole)


def _gzip_encoder(level: int, whole: bool) -> Encode:
    compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)

    def encode(data: bytes, finishing: bool) -> bytes:
        mode = zlib.Z_FINISH if finishing else zlib.Z_SYNC_FLUSH
        return compressor.compress(data) + compressor.flush(mode)

    return encode


def _brotli_encoder(level: int, whole: bool) -> Encode:
    compressor = _brotli.Compressor(quality=level, lgwin=_BROTLI_WINDOW)

    def encode(data: bytes, finishing: bool) -> bytes:
        begun: bytes = compressor.process(data)
        rest: bytes = compressor.finish() if finishing else compressor.flush()
        return begun + rest

    return encode


def _zstd_encoder(level: int, whole: bool) -> Encode:
    if whole:
        # It knows the size, and takes no more memory than that calls for.
        return lambda data, finishing: _zstd.compress(data, level)
    # Of a response that stays open the tables stay too: with these 0.1 to 0.2 MB, like gzip's,
    # where those of level 3 are 0.9 MB, for one per cent of the size.
    names = _zstd.CompressionParameter
    compressor = _zstd.ZstdCompressor(
        options={
            names.compression_level: level,
            names.window_log: 17,
            names.hash_log: 13,
            names.chain_log: 13,
        }
    )

    def encode(data: bytes, finishing: bool) -> bytes:
        encoded: bytes = compressor.compress(
            data, compressor.FLUSH_FRAME if finishing else compressor.FLUSH_BLOCK
        )
        return encoded

    return encode


_ENCODERS: Final[dict[str, Callable[[int, bool], Encode]]] = {
    "gzip": _gzip_encoder,
    "br": _brotli_encoder,
    "zstd": _zstd_encoder,
}


# Decoding


class Decoder(Protocol):
    """What decodes one body."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Pieces of about `PIECE` bytes that ``data`` decodes to; ValueError if it cannot be."""

    def finish(self) -> None:
        """There is no more; ValueError if there should be."""


def decoder(coding: str) -> Decoder | None:
    """What decodes a body in ``coding``, as the header names it; None if that is not known."""
    name = normal_name(coding)
    return _DECODERS[name]() if name in AVAILABLE else None


class _GzipDecoder:
    def __init__(self) -> None:
        self._decompressor = GzipDecompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        decompressor = self._decompressor
        try:
            while data:
                yield decompressor.decompress(data, PIECE)
                data = decompressor.unconsumed_tail
        except zlib.error as e:
            raise ValueError(str(e)) from e

    def finish(self) -> None:
        try:
            self._decompressor.flush()
        except zlib.error as e:
            raise ValueError("cut short") from e


class _BrotliDecoder:
    def __init__(self) -> None:
        self._decompressor = _brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        decompressor = self._decompressor
        try:
            if decompressor.is_finished():
                raise ValueError("bytes behind the end")
            piece = decompressor.process(data, output_buffer_limit=PIECE)
            while piece:
                yield piece
                if decompressor.is_finished():
                    break
                piece = decompressor.process(b"", output_buffer_limit=PIECE)
        except _brotli.error as e:
            raise ValueError(str(e)) from e

    def finish(self) -> None:
        if not self._decompressor.is_finished():
            raise ValueError("cut short")


class _ZstdDecoder:
    """Frames, one after another (RFC 8878 section 3.1)."""

    def __init__(self) -> None:
        self._frame: Any = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            while data or (self._frame is not None and not self._frame.needs_input):
                if self._frame is None:
                    self._frame = _zstd.ZstdDecompressor()
                yield self._frame.decompress(data, PIECE)
                data = b""
                if self._frame.eof:
                    data = self._frame.unused_data
                    self._frame = None
        except _zstd.ZstdError as e:
            raise ValueError(str(e)) from e

    def finish(self) -> None:
        if self._frame is not None:
            raise ValueError("cut short")


_DECODERS: Final[dict[str, Callable[[], Decoder]]] = {
    "gzip": _GzipDecoder,
    "br": _BrotliDecoder,
    "zstd": _ZstdDecoder,
}
