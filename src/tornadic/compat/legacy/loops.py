"""``io_loop=``, by which Tornado 4 told objects their loop, and what its `IOLoop` had beside.

The loop that is given need not be the current one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tornadic import _legacy
from tornadic.ioloop import IOLoop, _asyncio_loop_of_thread
from tornadic.iostream.base import BaseIOStream
from tornadic.netutil import add_accept_handler

__all__ = ["accepting_in", "as_current", "begin_stream", "given", "instance", "warn_of_threshold"]

_T = TypeVar("_T")

# What `instance` gave last in the main thread.
_of_main: IOLoop | None = None


def given(owner: str, io_loop: _T) -> _T:
    """Warn of the argument ``io_loop`` of ``owner``, and return it.

    Raises TypeError if it is none.
    """
    if not isinstance(io_loop, IOLoop):
        raise TypeError(f"io_loop of {owner} is no IOLoop: {io_loop!r}")
    _legacy.warn(f"io_loop= of {owner}", "leave it out: it is the current loop")
    return io_loop


@contextlib.contextmanager
def as_current(io_loop: IOLoop) -> Iterator[None]:
    """Make ``io_loop`` the current one of this thread for a moment, whichever runs meanwhile."""
    loop = io_loop.asyncio_loop
    if IOLoop.current(instance=False) is io_loop:
        yield
        return
    running = asyncio._get_running_loop()
    if running is not None:
        asyncio._set_running_loop(loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(running)
        return
    before = IOLoop.current(instance=False)
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None if before is None else before.asyncio_loop)


def accepting_in(io_loop: IOLoop) -> Callable[..., Callable[[], None]]:
    """Return an `.add_accept_handler` for ``io_loop``."""

    def add(sock: socket.socket, callback: Callable[[socket.socket, Any], None]) -> Any:
        with as_current(io_loop):
            return add_accept_handler(sock, callback)

    return add


def instance() -> IOLoop:
    """Return what `.IOLoop.instance` returns."""
    global _of_main
    if threading.current_thread() is threading.main_thread():
        _of_main = IOLoop.current()
        return _of_main
    if (
        _asyncio_loop_of_thread() is None
        and _of_main is not None
        and not _of_main.asyncio_loop.is_closed()
    ):
        return _of_main
    return IOLoop.current()


def begin_stream(stream: BaseIOStream, *arguments: Any) -> None:
    """Initialize a stream that was given a loop, last or, as once, first of the arguments."""
    *sizes, io_loop = arguments
    if isinstance(sizes[0], IOLoop):
        io_loop, *sizes = arguments
    with as_current(given("IOStream", io_loop)):
        BaseIOStream.__init__(stream, *sizes)


def warn_of_threshold(name: str) -> None:
    """Warn of an alarm for callbacks that block the loop, which does not go off."""
    _legacy.warn(
        f"IOLoop.{name}",
        "it has no effect: use asyncio's debug mode, which logs callbacks that are slow",
    )
