"""Changes to what goes out, after the handler and before the connection."""

from __future__ import annotations

from tornadic.httputil import HTTPHeaders, HTTPServerRequest

__all__ = ["OutputTransform"]


class OutputTransform:
    """Changes a response on its way out; `.Application.add_transform` adds a class of it."""

    def __init__(self, request: HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return status, headers and first piece of the body as they are to be sent.

        ``finishing``: there is no further piece.
        """
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Return a further piece of the body as it is to be sent."""
        return chunk

    def _passes(self) -> bool:
        """Whether, after the first piece, all others are sure to be returned as they are."""
        return type(self).transform_chunk is OutputTransform.transform_chunk
