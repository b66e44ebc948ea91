"""``AsyncHTTPClient.fetch(request, callback)``: the callback gets a response whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tornadic import _legacy
from tornadic.concurrent import Future
from tornadic.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornadic.ioloop import IOLoop

__all__ = ["fetch"]

_NO_RESPONSE = 599


def fetch(
    client: AsyncHTTPClient,
    request: HTTPRequest | str,
    raise_error: Any,
    callback: Any,
    kwargs: dict[str, Any],
) -> Future[HTTPResponse]:
    """Do what `.AsyncHTTPClient.fetch` does, and call ``callback(response)`` at the end.

    Where there is none, a response with the code 599 has the exception as its ``error``.  The
    future that is returned is the usual one; its exception need not be looked at.

    Raises TypeError if ``callback`` cannot be called, and what `.AsyncHTTPClient.fetch` raises.
    """
    if callable(raise_error):  # the second argument was the callback, and the third this one
        callback, raise_error = raise_error, callback is None or callback
    if not callable(callback):
        raise TypeError(f"fetch cannot call {callback!r}")
    _legacy.warn("callback of AsyncHTTPClient.fetch", "await fetch(request, raise_error=False)")
    if not isinstance(request, HTTPRequest):
        request, kwargs = HTTPRequest(url=request, **kwargs), {}
    future: Future[HTTPResponse] = client.fetch(request, raise_error=raise_error, **kwargs)
    _call_back(future, request, callback)
    return future


def _call_back(
    future: Future[HTTPResponse], request: HTTPRequest, callback: Callable[[HTTPResponse], Any]
) -> None:
    start = time.time()

    def give(done: Future[HTTPResponse]) -> Any:
        if done.cancelled():
            return None  # whoever has called it off does not wait
        error = done.exception()
        if error is None:
            return callback(done.result())
        if isinstance(error, HTTPClientError) and error.response is not None:
            return callback(error.response)
        elapsed = time.time() - start
        return callback(
            HTTPResponse(request, _NO_RESPONSE, error=error, request_time=elapsed, start_time=start)
        )

    IOLoop.current().add_future(future, give)
