"""Responses compressed on their way out, for clients that accept it (RFC 9110 section 8.4)."""

from __future__ import annotations

import re
import zlib
from typing import ClassVar

from tornadic.httputil import HTTPHeaders, HTTPServerRequest
from tornadic.web.transforms import OutputTransform

__all__ = ["GZipContentEncoding"]

# With the header and trailer of gzip around it.
_GZIP_WINDOW = 31

_ACCEPTED = re.compile(
    r"(?:^|,)[ \t]*(?:x-)?gzip[ \t]*(?:;[ \t]*q=([01](?:\.[0-9]{0,3})?)[ \t]*)?(?=,|$)",
    re.IGNORECASE,
)


class GZipContentEncoding(OutputTransform):
    """Compresses what is text by gzip; an application has it by the setting ``compress_response``.

    That is what has a content type of ``text/`` or one of `CONTENT_TYPES`, is not encoded yet,
    and has `MIN_LENGTH` bytes or comes in pieces.  A piece can be read as soon as it is there.
    ``Vary`` says that other clients may get something else.
    """

    CONTENT_TYPES: ClassVar[set[str]] = {
        "application/atom+xml",
        "application/javascript",
        "application/json",
        "application/x-javascript",
        "application/xhtml+xml",
        "application/xml",
        "image/svg+xml",
    }
    """Types that are compressed without being ``text/``."""

    GZIP_LEVEL = 6
    """From 1, quickly, to 9, as small as can be."""

    MIN_LENGTH = 1024
    """Bytes below which it is not worth the while: that fits into one packet anyway."""

    def __init__(self, request: HTTPServerRequest) -> None:
        accepted = request.headers.get("Accept-Encoding", "")
        self._is_accepted = "gzip" in accepted.lower() and _accepts_gzip(accepted)
        self._compressor: zlib._Compress | None = None

    def _compressible_type(self, ctype: str) -> bool:
        return ctype.startswith("text/") or ctype in self.CONTENT_TYPES

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Decide whether to compress, and do so with the first piece."""
        _add_vary(headers)
        if not self._is_accepted or "Content-Encoding" in headers or "Content-Range" in headers:
            return status_code, headers, chunk
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not self._compressible_type(kind) or (finishing and len(chunk) < self.MIN_LENGTH):
            return status_code, headers, chunk
        headers["Content-Encoding"] = "gzip"
        self._compressor = zlib.compressobj(self.GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        chunk = self.transform_chunk(chunk, finishing)
        if "Content-Length" in headers:
            if finishing:
                headers["Content-Length"] = str(len(chunk))
            else:  # nobody knows yet
                del headers["Content-Length"]
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Compress a piece, so that it can be read without the next one."""
        compressor = self._compressor
        if compressor is None:
            return chunk
        mode = zlib.Z_FINISH if finishing else zlib.Z_SYNC_FLUSH
        return compressor.compress(chunk) + compressor.flush(mode)


def _accepts_gzip(accepted: str) -> bool:
    weights = [match[1] for match in _ACCEPTED.finditer(accepted)]
    return any(weight is None or float(weight) > 0 for weight in weights)


def _add_vary(headers: HTTPHeaders) -> None:
    vary = headers.get("Vary")
    if vary is None:
        headers["Vary"] = "Accept-Encoding"
        return
    named = {name.strip().lower() for name in vary.split(",")}
    if not named & {"*", "accept-encoding"}:
        headers["Vary"] = f"{vary}, Accept-Encoding"
