"""``callback=`` and ``streaming_callback=`` of the streams, which return None then.

A callback gets the result in a later turn of the loop.  It is not called if there is none because
the stream has closed: the close callback tells of that, once no other callback is due.  A callback
that fails closes the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial as bind
from typing import Any

from tornadic import _legacy
from tornadic.compat.legacy.contexts import wrap
from tornadic.concurrent import Future
from tornadic.iostream import IOStream, SSLIOStream, StreamClosedError
from tornadic.iostream.base import BaseIOStream

__all__ = [
    "connect",
    "read_bytes",
    "read_into",
    "read_until",
    "read_until_close",
    "read_until_regex",
    "wait_for_handshake",
    "write",
]

Callback = Callable[..., Any]

# Tasks that read for a streaming callback; asyncio refers to them only weakly.
_reading: set[Future[Any]] = set()


def read_until(stream: BaseIOStream, delimiter: bytes, max_bytes: Any, callback: Any) -> None:
    """Do what `.BaseIOStream.read_until` does, for the callback."""
    _read(stream, "read_until", delimiter, max_bytes, callback)


def read_until_regex(stream: BaseIOStream, regex: bytes, max_bytes: Any, callback: Any) -> None:
    """Do what `.BaseIOStream.read_until_regex` does, for the callback."""
    _read(stream, "read_until_regex", regex, max_bytes, callback)


def read_into(stream: BaseIOStream, buf: bytearray, partial: Any, callback: Any) -> None:
    """Do what `.BaseIOStream.read_into` does, for the callback."""
    _read(stream, "read_into", buf, partial, callback)


def _read(stream: BaseIOStream, name: str, what: Any, option: Any, callback: Any) -> None:
    if callable(option):  # once the callback came first
        callback, option = option, callback
    _begin(name, callback)
    options = () if option is None else (option,)
    _call_back(stream, getattr(stream, name)(what, *options), callback)


def read_bytes(
    stream: BaseIOStream, num_bytes: int, partial: Any, callback: Any, streaming_callback: Any
) -> Future[bytes] | None:
    """Do what `.BaseIOStream.read_bytes` does, for the callbacks; see `read_until_close`."""
    if callable(partial):  # once it was the last of these
        if callable(streaming_callback):
            callback, partial = partial, False
        else:
            callback, streaming_callback, partial = partial, callback, bool(streaming_callback)
    _begin("read_bytes", callback, streaming_callback)
    if streaming_callback is None:
        _call_back(stream, stream.read_bytes(num_bytes, partial), callback)
        return None
    _check_idle(stream)
    return _read_in_pieces(stream, streaming_callback, num_bytes, partial, callback)


def read_until_close(
    stream: BaseIOStream, callback: Any, streaming_callback: Any
) -> Future[bytes] | None:
    """Do what `.BaseIOStream.read_until_close` does, for the callbacks.

    ``streaming_callback`` gets each piece as it comes, and ``callback`` at the end nothing more
    than empty bytes.  Without ``callback`` returns a future of them.
    """
    _begin("read_until_close", callback, streaming_callback)
    if streaming_callback is None:
        _call_back(stream, stream.read_until_close(), callback)
        return None
    _check_idle(stream)
    return _read_in_pieces(stream, streaming_callback, None, False, callback)


def write(stream: BaseIOStream, data: bytes | memoryview, callback: Callback) -> None:
    """Call ``callback()`` when all was written.

    A callback takes the place of the one that is still waiting for an earlier write.
    """
    _begin("write", callback)
    future = stream.write(data)
    waiting = stream._write_callback
    if waiting is not None and not waiting[0].done():
        waiting[1] = None
    mine: Any = [future, callback]
    stream._write_callback = None if future.done() else mine

    def written(_: Any) -> Any:
        if stream._write_callback is mine:
            stream._write_callback = None
        return None if mine[1] is None else mine[1]()

    _call_back(stream, future, written)


def connect(stream: IOStream, address: Any, server_hostname: Any, callback: Any) -> None:
    """Call ``callback()`` when the stream is connected."""
    if callable(server_hostname):
        callback, server_hostname = server_hostname, callback
    _begin("connect", callback)
    _call_back(stream, stream.connect(address, server_hostname), lambda _: callback())


def wait_for_handshake(stream: SSLIOStream, callback: Callback) -> None:
    """Call ``callback()`` when the handshake is done."""
    _begin("wait_for_handshake", callback)
    _call_back(stream, stream.wait_for_handshake(), lambda _: callback())


def _begin(name: str, *callbacks: Any) -> None:
    for callback in callbacks:
        if callback is not None and not callable(callback):
            raise TypeError(f"a stream cannot call {callback!r}")
    _legacy.warn(f"callback of IOStream.{name}", "await the future that it returns")


def _call_back(stream: BaseIOStream, future: Future[Any], callback: Any) -> None:
    """Call ``callback(result)`` when there is one."""
    stream._callbacks_due += 1
    future.add_done_callback(bind(_done, stream, wrap(callback)))


def _done(stream: BaseIOStream, callback: Callback, future: Future[Any]) -> None:
    stream._callbacks_due -= 1
    try:
        if not future.cancelled() and future.exception() is None:
            _run(stream, callback, future.result())
    finally:
        if stream.closed():
            stream._tell_closed()


def _check_idle(stream: BaseIOStream) -> None:
    """Raise what a read would raise that begins now."""
    if stream._pending is not None or stream._sink is not None:
        stream._end_cancelled_read()
    if stream.closed() and not stream._buffer:
        raise StreamClosedError(real_error=stream.error)


def _run(stream: BaseIOStream, callback: Callback, *args: Any) -> None:
    """Call a callback of the program's; one that fails closes the stream."""
    try:
        returned = callback(*args)
    except Exception as error:
        stream.close(exc_info=error)
        stream.io_loop.handle_callback_exception(bind(_run, stream, callback))
    else:
        if returned is not None:  # a coroutine, perhaps
            stream.io_loop._run_callback(lambda: returned)


def _read_in_pieces(
    stream: BaseIOStream, give: Callback, size: int | None, partial: bool, callback: Any
) -> Future[bytes] | None:
    give = wrap(give)
    if size is None:
        reading = _until_close(stream, give)
    else:
        reading = _piece(stream, give, size) if partial else _bytes(stream, give, size)
    task = stream.io_loop.asyncio_loop.create_task(reading)
    _reading.add(task)
    task.add_done_callback(_reading.discard)
    if callback is None:
        return task
    _call_back(stream, task, callback)
    return None


async def _piece(stream: BaseIOStream, give: Callback, size: int) -> bytes:
    _run(stream, give, await stream.read_bytes(size, partial=True))
    return b""


async def _bytes(stream: BaseIOStream, give: Callback, size: int) -> bytes:
    while size:
        data = await stream.read_bytes(min(size, stream.read_chunk_size), partial=True)
        size -= len(data)
        _run(stream, give, data)
    return b""


async def _until_close(stream: BaseIOStream, give: Callback) -> bytes:
    while True:
        try:
            data = await stream.read_bytes(stream.read_chunk_size, partial=True)
        except StreamClosedError:
            if stream.error is None or isinstance(stream.error, stream._HUNG_UP):
                return b""
            raise
        _run(stream, give, data)
        # What is here already would be read on and on, and nobody else would get their turn.
        await asyncio.sleep(0)
