"""Responses compressed on their way out, for clients that accept it (RFC 9110 section 8.4).

What is compressed is decided with the first piece: by the client, the type, and the size if that
is known.  From then on each piece is encoded so that it can be read before the next one comes; a
`flush` really flushes.

A response that is compressed is another representation, and only its meaning is the same: a strong
entity tag becomes a weak one, which still answers "Do you have it already?", and parts of it are
not offered.
"""

from __future__ import annotations

from typing import ClassVar

from tornadic.http import codings
from tornadic.httputil import HTTPHeaders, HTTPServerRequest
from tornadic.web.transforms import OutputTransform

__all__ = ["GZipContentEncoding", "NegotiatedContentEncoding"]


class GZipContentEncoding(OutputTransform):
    """Compresses what is text by gzip.

    That is what has a content type of ``text/`` or one of `CONTENT_TYPES`, is not encoded yet,
    and has `MIN_LENGTH` bytes or comes in pieces.  A piece can be read as soon as it is there.
    ``Vary`` says that other clients may get something else.  Nothing with a ``Cache-Control`` of
    ``no-transform`` is compressed: for a page that shows a secret beside what a stranger chose,
    whose size would then tell of the secret (BREACH).
    """

    CODINGS: ClassVar[tuple[str, ...]] = ("gzip",)
    """What a body may be encoded with; of those that a client likes as much, the best first."""

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

    BROTLI_LEVEL = 4
    """From 0, quickly, to 11, as small as can be; 4 takes half of gzip's time."""

    ZSTD_LEVEL = 3
    """From 1, quickly, to 22, as small as can be; 3 takes a fifth of gzip's time."""

    MIN_LENGTH = 1024
    """Bytes below which it is not worth the while: that fits into one packet anyway."""

    def __init__(self, request: HTTPServerRequest) -> None:
        self._request = request
        self._encode: codings.Encode | None = None

    def _compressible_type(self, ctype: str) -> bool:
        return ctype.startswith("text/") or ctype in self.CONTENT_TYPES

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Decide whether to compress, and do so with the first piece."""
        _add_vary(headers)
        if status_code == 304:
            self._name_what_the_client_has(headers)
            return status_code, headers, chunk
        is_left_out = finishing and not chunk and self._request.method == "HEAD"
        size = int(headers.get("Content-Length", "0")) if is_left_out else len(chunk)
        if finishing and size < self.MIN_LENGTH:
            return status_code, headers, chunk
        coding = self._coding_for(headers)
        if coding is None:
            return status_code, headers, chunk
        headers["Content-Encoding"] = coding
        _weaken_etag(headers)
        if "Accept-Ranges" in headers:
            del headers["Accept-Ranges"]
        if not is_left_out:
            level = {"zstd": self.ZSTD_LEVEL, "br": self.BROTLI_LEVEL, "gzip": self.GZIP_LEVEL}
            self._encode = codings.encoder(coding, level[coding], whole=finishing)
            chunk = self.transform_chunk(chunk, finishing)
        if "Content-Length" in headers:
            if finishing and not is_left_out:
                headers["Content-Length"] = str(len(chunk))
            else:  # nobody knows yet
                del headers["Content-Length"]
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Compress a piece, so that it can be read without the next one."""
        encode = self._encode
        if encode is None or not (chunk or finishing):
            return chunk
        return encode(chunk, finishing)

    def _coding_for(self, headers: HTTPHeaders) -> str | None:
        """What to encode a response with these ``headers`` with; None: nothing."""
        accepted = self._request.headers.get("Accept-Encoding", "")
        coding = codings.choose(accepted, self.CODINGS)
        if coding is None or "Content-Encoding" in headers or "Content-Range" in headers:
            return None
        if "no-transform" in headers.get("Cache-Control", "").lower():
            return None
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return coding if self._compressible_type(kind) else None

    def _name_what_the_client_has(self, headers: HTTPHeaders) -> None:
        """Have a 304 carry the tag under which the client got it, weak if it was compressed."""
        weak = f"W/{headers.get('Etag', '')}"
        if weak in self._request.headers.get("If-None-Match", ""):
            _weaken_etag(headers)

    def _passes(self) -> bool:
        """Whether all further pieces are let through as they are; after the first one."""
        own = type(self).transform_chunk is not GZipContentEncoding.transform_chunk
        return self._encode is None and not own


class NegotiatedContentEncoding(GZipContentEncoding):
    """Compresses by zstd, Brotli or gzip, whichever the client likes best; of equals in that order.

    An application has it by the setting ``compress_response``.  zstd and Brotli are there if the
    extras ``zstd`` and ``brotli`` are installed.
    """

    CODINGS = codings.AVAILABLE


def _weaken_etag(headers: HTTPHeaders) -> None:
    """Say that the bytes may differ under this tag (RFC 9110 section 8.8.3.3)."""
    etag = headers.get("Etag", "")
    if etag.startswith('"'):
        headers["Etag"] = f"W/{etag}"


def _add_vary(headers: HTTPHeaders) -> None:
    vary = headers.get("Vary")
    if vary is None:
        headers["Vary"] = "Accept-Encoding"
        return
    named = {name.strip().lower() for name in vary.split(",")}
    if not named & {"*", "accept-encoding"}:
        headers["Vary"] = f"{vary}, Accept-Encoding"
