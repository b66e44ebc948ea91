"""Bodies that come compressed, decoded piece by piece within a bound.

A decoder is only made for a response that is compressed; which codings there are, and what decodes
them, is in `tornadic.http.codings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tornadic.http.codings import AVAILABLE, Decoder, decoder
from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import HTTPHeaders

__all__ = ["ACCEPTED", "BodyDecoder", "decoder_for"]

ACCEPTED: Final = ", ".join(["gzip", *(name for name in ("br", "zstd") if name in AVAILABLE)])
"""The value of ``Accept-Encoding``."""


class BodyDecoder:
    """Decodes one body in ``coding``; in all at most ``max_size`` bytes.

    Raises `HTTPInputError` for more than that, and for what is malformed, cut short, or followed
    by other bytes.
    """

    __slots__ = ("_coding", "_decoder", "_has_begun", "_left")

    def __init__(self, coding: str, decoder: Decoder, max_size: int) -> None:
        self._coding = coding
        self._decoder = decoder
        self._left = max_size
        self._has_begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The pieces that ``data`` decodes to, none of them empty."""
        self._has_begun = True
        try:
            for piece in self._decoder.decode(data):
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
            self._decoder.finish()
        except ValueError as e:
            raise HTTPInputError(f"invalid {self._coding} data: {e}") from e


def decoder_for(headers: HTTPHeaders, max_size: int) -> BodyDecoder | None:
    """The decoder of a body with these ``headers``, or None if we know none.

    If there is one, ``Content-Encoding`` becomes ``X-Consumed-Content-Encoding``.
    """
    coding = headers["Content-Encoding"]
    found = decoder(coding)
    if found is None:
        return None
    headers.add("X-Consumed-Content-Encoding", coding)
    del headers["Content-Encoding"]
    return BodyDecoder(coding.lower(), found, max_size)
