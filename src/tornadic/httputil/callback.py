"""A function of one request, as somebody who takes requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornadic.http.interfaces import HTTPMessageDelegate
from tornadic.httputil.request import HTTPServerRequest

__all__ = ["CallbackDelegate"]


class CallbackDelegate(HTTPMessageDelegate):
    """Calls ``callback`` with ``request`` when its body is whole.

    Who does not have the request yet sets ``request`` when its head comes.
    """

    __slots__ = ("_callback", "_chunks", "request")

    request: HTTPServerRequest

    def __init__(
        self, callback: Callable[[HTTPServerRequest], Any], request: HTTPServerRequest | None = None
    ) -> None:
        self._callback = callback
        self._chunks: list[bytes] = []
        if request is not None:
            self.request = request

    def data_received(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def finish(self) -> None:
        self.request.body = b"".join(self._chunks)
        self._chunks.clear()
        self._callback(self.request)

    def on_connection_close(self) -> None:
        self._chunks.clear()
