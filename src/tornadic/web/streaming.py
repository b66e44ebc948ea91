"""Handlers that take the body of a request as it comes."""

from __future__ import annotations

from typing import TypeVar

from tornadic.web.handler import RequestHandler

__all__ = ["stream_request_body"]

_T = TypeVar("_T", bound=RequestHandler)


def stream_request_body(cls: type[_T]) -> type[_T]:
    """Make a handler class take its body in pieces, by `RequestHandler.data_received`.

    Then ``prepare`` is called when the head has come, ``data_received`` for every piece (if it is
    a coroutine the next piece waits for it), and the method when the body is complete.
    ``request.body`` and its arguments stay empty.  Raises TypeError for anything but a subclass
    of `RequestHandler`.
    """
    if not issubclass(cls, RequestHandler):
        raise TypeError(f"expected subclass of RequestHandler, got {cls!r}")
    cls._stream_request_body = True
    return cls
