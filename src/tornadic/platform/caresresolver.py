"""A resolver that asks name servers itself, by the library c-ares: no threads, no blocking.

c-ares has sockets of its own, and says which to watch for what; and it says when it wants to be
called though nothing came, to ask again or give up.
"""

from __future__ import annotations

import importlib
import socket
from typing import Any

from tornadic import _legacy
from tornadic._resolvers import Addresses, Resolver, no_such_name, written_out
from tornadic.concurrent import Future
from tornadic.ioloop import IOLoop

__all__ = ["CaresResolver"]

# Optional, and without types.
pycares: Any = importlib.import_module("pycares")

# Seconds; c-ares counts in milliseconds, and would have us come back for the last one often.
_SHORTEST_WAIT = 0.01

_NO_SUCH_NAME = (
    pycares.errno.ARES_ENOTFOUND,
    pycares.errno.ARES_ENODATA,
    pycares.errno.ARES_EBADNAME,
)


class CaresResolver(Resolver):
    """Looks names up by c-ares.  Deprecated: use the default.

    It needs ``pycares``, version 4.9 or newer.  Its answers may differ from the system's: it
    reads ``/etc/hosts`` and ``/etc/resolv.conf``, and knows of no other way.  It belongs to the
    loop that is the current one when it is made.  Name servers that do not answer are given up
    after c-ares' own time-outs, some seconds.
    """

    def initialize(self) -> None:
        self.io_loop = IOLoop.current()
        self.channel = pycares.Channel(sock_state_cb=self._watch)
        self._watched: set[int] = set()
        self._unanswered: set[Future[Addresses]] = set()
        self._timer: object | None = None
        self._closed = False

    def close(self) -> None:
        """Free what c-ares holds; lookups under way fail."""
        if self._closed:
            return
        self._closed = True
        self.channel.cancel()
        self.channel.close()
        self._stop_timer()
        # c-ares may close its sockets later, when nobody listens to it any more.
        for fd in self._watched:
            self.io_loop.remove_handler(fd)
        self._watched.clear()

    @_legacy.called_back
    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Addresses:
        """See `.Resolver.resolve`.  Raises RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("The resolver is closed")
        found = written_out(host, port, family)
        if found is not None:
            return found
        try:
            name = host.encode("idna").decode()
        except UnicodeError as e:
            raise no_such_name(host) from e
        future: Future[Addresses] = Future()

        def answered(result: Any, error: int | None) -> None:
            self._unanswered.discard(future)
            if future.done():
                return
            if error is None:
                future.set_result([_address(node) for node in result.nodes])
            else:
                future.set_exception(_error(host, error))

        self._unanswered.add(future)
        self.channel.getaddrinfo(
            name, port, family=family, type=socket.SOCK_STREAM, callback=answered
        )
        self._set_timer()
        return await future

    def _watch(self, fd: int, readable: bool, writable: bool) -> None:
        """Watch a socket of c-ares, or no longer; it closes it only afterwards."""
        events = (IOLoop.READ if readable else 0) | (IOLoop.WRITE if writable else 0)
        if fd in self._watched and not events:
            self._watched.remove(fd)
            self.io_loop.remove_handler(fd)
        elif fd in self._watched:
            self.io_loop.update_handler(fd, events)
        elif events and not self._closed:
            self._watched.add(fd)
            self.io_loop.add_handler(fd, self._on_event, events)

    def _on_event(self, fd: int, events: int) -> None:
        none = pycares.ARES_SOCKET_BAD
        error = events & IOLoop.ERROR
        self.channel.process_fd(
            fd if events & IOLoop.READ or error else none,
            fd if events & IOLoop.WRITE or error else none,
        )
        self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        if self._unanswered and not self._closed:
            delay = max(self.channel.timeout(), _SHORTEST_WAIT)
            self._timer = self.io_loop.call_later(delay, self._on_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self.io_loop.remove_timeout(self._timer)
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        self.channel.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
        self._set_timer()


def _address(node: Any) -> tuple[int, Any]:
    host, *more = node.addr
    return node.family, (host.decode(), *more)


def _error(host: str, code: int) -> socket.gaierror:
    if code in _NO_SUCH_NAME:
        return no_such_name(host)
    return socket.gaierror(socket.EAI_AGAIN, f"{host!r}: {pycares.errno.strerror(code)}")
