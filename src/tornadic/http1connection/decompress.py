"""Bodies that come compressed, inflated piece by piece within their limit."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable

from tornadic import gen
from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import HTTPMessageDelegate
from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.util import GzipDecompressor

__all__ = ["InflatingDelegate"]

PIECES_PER_TURN = 16
"""Pieces of ``chunk_size`` inflated before others get their turn: a thousandth of their size may
have been enough to make them."""


class InflatingDelegate(HTTPMessageDelegate):
    """Hands a body on to ``delegate`` inflated, if its ``Content-Encoding`` is gzip or x-gzip.

    The header becomes ``X-Consumed-Content-Encoding``.  Raises `HTTPInputError` for more than
    ``max_body_size`` bytes (413), and for data that is malformed, cut short or followed by more.
    """

    __slots__ = ("_chunk_size", "_closed", "_decompressor", "_delegate", "_size", "max_body_size")

    def __init__(self, delegate: HTTPMessageDelegate, max_body_size: int, chunk_size: int) -> None:
        self._delegate = delegate
        self.max_body_size = max_body_size
        self._size = 0
        self._closed = False
        self._chunk_size = chunk_size
        self._decompressor: GzipDecompressor | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
            self._decompressor = GzipDecompressor()
            headers.add("X-Consumed-Content-Encoding", headers["Content-Encoding"])
            del headers["Content-Encoding"]
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._decompressor is None:
            return self._delegate.data_received(chunk)
        return self._inflate(self._decompressor, chunk)

    async def _inflate(self, decompressor: GzipDecompressor, data: bytes) -> None:
        pieces = 0
        while data and not self._closed:
            pieces += 1
            if pieces % PIECES_PER_TURN == 0:
                await asyncio.sleep(0)
            try:
                piece = decompressor.decompress(data, self._chunk_size)
            except zlib.error as e:
                raise HTTPInputError(f"invalid gzip data: {e}") from e
            self._size += len(piece)
            if self._size > self.max_body_size:
                raise HTTPInputError("decompressed body too large", 413)
            if piece:
                waiting = self._delegate.data_received(piece)
                if waiting is not None:
                    await gen.convert_yielded(waiting)
            data = decompressor.unconsumed_tail

    def finish(self) -> None:
        if self._decompressor is not None:
            try:
                self._decompressor.flush()
            except zlib.error as e:
                raise HTTPInputError("invalid gzip data: cut short") from e
        self._delegate.finish()

    def answered(self) -> None:
        self._delegate.answered()

    def on_connection_close(self) -> None:
        self._closed = True
        self._delegate.on_connection_close()
