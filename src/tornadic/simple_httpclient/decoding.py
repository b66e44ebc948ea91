"""Bodies that come compressed, decoded piece by piece within a bound.

gzip is always there; ``br`` and ``zstd`` are if a package for them is installed.  A decoder is
only made for a response that is compressed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final, Protocol

from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import HTTPHeaders
from tornadic.util import GzipDecompressor

__all__ = ["ACCEPTED", "BodyDecoder", "decoder_for"]

PIECE: Final = 65536
"""Bytes that are decoded at once."""


class _Decompressor(Protocol):
    """What decodes one coding."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Pieces of about `PIECE` bytes that ``data`` decodes to; ValueError if it cannot be."""

    def finish(self) -> None:
        """There is no more; ValueError if there should be."""


class _Gzip:
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


class _Brotli:
    def __init__(self) -> None:
        module: Any = import_module("brotli")
        self._decompressor = module.Decompressor()
        self._error: type[Exception] = module.error

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
        except self._error as e:
            raise ValueError(str(e)) from e

    def finish(self) -> None:
        if not self._decompressor.is_finished():
            raise ValueError("cut short")


class _Zstd:
    """Frames, one after another (RFC 8878 section 3.1)."""

    def __init__(self) -> None:
        self._module: Any = _zstd_module()
        self._frame: Any = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            while data or (self._frame is not None and not self._frame.needs_input):
                if self._frame is None:
                    self._frame = self._module.ZstdDecompressor()
                yield self._frame.decompress(data, PIECE)
                data = b""
                if self._frame.eof:
                    data = self._frame.unused_data
                    self._frame = None
        except self._module.ZstdError as e:
            raise ValueError(str(e)) from e

    def finish(self) -> None:
        if self._frame is not None:
            raise ValueError("cut short")


def _zstd_module() -> Any:
    """The module of Python 3.14, or the same for older ones."""
    try:
        return import_module("compression.zstd")
    except ImportError:
        return import_module("backports.zstd")


def _is_there(probe: Callable[[], object]) -> bool:
    try:
        probe()
    except (ImportError, TypeError):
        return False  # TypeError: too old to bound what it gives
    return True


def _try_brotli() -> None:
    import_module("brotli").Decompressor().process(b"", output_buffer_limit=1)


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {"gzip": _Gzip, "x-gzip": _Gzip}
if _is_there(_try_brotli):
    _DECOMPRESSORS["br"] = _Brotli
if _is_there(_zstd_module):
    _DECOMPRESSORS["zstd"] = _Zstd

ACCEPTED: Final = ", ".join([coding for coding in _DECOMPRESSORS if coding != "x-gzip"])
"""The value of ``Accept-Encoding``."""


class BodyDecoder:
    """Decodes one body in ``coding``; in all at most ``max_size`` bytes.

    Raises `HTTPInputError` for more than that, and for what is malformed, cut short, or followed
    by other bytes.
    """

    __slots__ = ("_coding", "_decompressor", "_has_begun", "_left")

    def __init__(self, coding: str, decompressor: _Decompressor, max_size: int) -> None:
        self._coding = coding
        self._decompressor = decompressor
        self._left = max_size
        self._has_begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The pieces that ``data`` decodes to, none of them empty."""
        self._has_begun = True
        try:
            for piece in self._decompressor.decode(data):
                self._left -= len(piece)
                if self._left < 0:
                    raise HTTPInputError("decompressed body too large", 413)
                if piece:
                    yield piece
        except ValueError as e:
            raise HTTPInputError(f"invalid {self._coding} data: {e}") from e

    def finish(self) -> None:
        """There is no more to decode."""
        if not self._has_begun:
            return  # a response without a body, as to a HEAD
        try:
            self._decompressor.finish()
        except ValueError as e:
            raise HTTPInputError(f"invalid {self._coding} data: {e}") from e


def decoder_for(headers: HTTPHeaders, max_size: int) -> BodyDecoder | None:
    """The decoder of a body with these ``headers``, or None if we know none.

    If there is one, ``Content-Encoding`` becomes ``X-Consumed-Content-Encoding``.
    """
    value = headers["Content-Encoding"]
    coding = value.lower()
    decompressor = _DECOMPRESSORS.get(coding)
    if decompressor is None:
        return None
    headers.add("X-Consumed-Content-Encoding", value)
    del headers["Content-Encoding"]
    return BodyDecoder(coding, decompressor(), max_size)
