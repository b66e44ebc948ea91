"""Handlers that take the body of a request as it comes."""

from __future__ import annotations

from typing import TypeVar

from tornadic.web.handler import RequestHandler

__all__ = ["stream_request_body"]

_T = TypeVar("_T", bound=RequestHandler)


def stream_request_body(cls: type[_T]) -> type[_T]:
    """Make a handler class take its body while it comes, instead of when it is complete.

    If the class defines no `RequestHandler.data_received`, ``prepare`` and the method are called
    when the head has come, and read the body themselves, by `RequestHandler.stream_body` or
    `RequestHandler.stream_parts`.

    If it does, then ``prepare`` is called when the head has come, ``data_received`` for every
    piece (if it is a coroutine the next piece waits for it), and the method when the body is
    complete.

    ``request.body`` and its arguments stay empty.  A body of more than ``max_body_size`` takes
    ``self.request.connection.set_max_body_size``, before it is read.  Raises TypeError for
    anything but a subclass of `RequestHandler`.
    """
    if not issubclass(cls, RequestHandler):
        raise TypeError(f"expected subclass of RequestHandler, got {cls!r}")
    cls._stream_request_body = True
    return cls
