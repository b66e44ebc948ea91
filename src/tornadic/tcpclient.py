"""Connections to servers: a name becomes addresses, and the first that answers is taken.

The addresses are tried as RFC 8305 ("Happy Eyeballs") says.  The first goes first; one that
fails, or has not answered for a moment, gets company from the other family, and after each
further moment from one more address.  So a network that swallows packets costs a fraction of a
second, and not the whole time-out.  Whoever answers first wins; all others are closed.

From the first step to the last every socket belongs to somebody who closes it: to its attempt,
to the `_Connector` that won it, to the handshake, and then to the caller.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import math
import numbers
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from tornadic import _legacy
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream, StreamClosedError
from tornadic.netutil import Resolver, ssl_options_to_context

__all__ = ["TCPClient"]

# RFC 8305 section 5 recommends 0.25; Tornado's users know 0.3.
_ATTEMPT_DELAY: Final = 0.3

# Nobody waits for thirty years, so a greater time-out is a time of day.
_FIRST_DEADLINE: Final = 1e9

_Result = tuple[int, Any, IOStream]
_Connect = Callable[[int, Any], tuple[IOStream, "asyncio.Future[IOStream]"]]


class TCPClient:
    """Connects to servers.

    ``resolver`` looks up the hosts; None for ``Resolver()``, which is then closed with the
    client.
    """

    def __init__(self, resolver: Resolver | None = None, io_loop: IOLoop | None = None) -> None:
        if io_loop is not None:
            _legacy.room("loops").given("TCPClient", io_loop)
        self.resolver: Resolver = Resolver() if resolver is None else resolver
        self._own_resolver = resolver is None

    def close(self) -> None:
        """Close the resolver, if it is the client's own.  Streams stay open."""
        if self._own_resolver:
            self.resolver.close()

    @_legacy.called_back
    async def connect(
        self,
        host: str,
        port: int,
        af: socket.AddressFamily = socket.AF_UNSPEC,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        source_ip: str | None = None,
        source_port: int | None = None,
        timeout: float | datetime.timedelta | None = None,
    ) -> IOStream:
        """Connect to ``host``, and shake hands if ``ssl_options`` are given.

        ``host`` is a name or an IP address.  ``af``: use addresses of that family only;
        `socket.AF_UNSPEC` for all.  ``ssl_options`` make it a connection under TLS, whose
        server must prove to be ``host``, unless they say otherwise: a context or a dictionary,
        see `.ssl_options_to_context`.  ``max_buffer_size``: the stream's, see `.BaseIOStream`.
        ``source_ip`` and ``source_port``: where to connect from; by default the system chooses.
        With a port of its own, addresses are tried one after the other.

        ``timeout``, for all of it together: in seconds, as a number or a `datetime.timedelta`,
        or the time, by `.IOLoop.time`, when it is over.  None leaves it to the system.

        Returns an `.IOStream`, or under TLS an `.SSLIOStream`.  Cancelling closes whatever is
        open by then, and so does any failure.

        Raises, before anything is sent, ValueError or TypeError for arguments that are no good
        (see also `.ssl_options_to_context`); `OSError`, as a rule a `socket.gaierror`, if the
        resolver knows no address, or there is no connecting from ``source_ip`` and
        ``source_port``; `.StreamClosedError` if no address takes the connection, with the last
        reason as its ``real_error``; `ssl.SSLError` or another `OSError` if the handshake fails;
        `TimeoutError` when the time is over, with the step that took too long in its message.
        """
        context = None
        if ssl_options is not None:
            context = ssl_options_to_context(ssl_options, server_side=False)
        if source_port and not 0 <= source_port <= 65535:
            raise ValueError(f"source_port {source_port} is no port")
        end = _end(timeout)
        async with _until(end, f"while resolving {host}"):
            found = await self.resolver.resolve(host, port, af)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has no address")
        create = functools.partial(
            self._create_stream, max_buffer_size, source_ip=source_ip, source_port=source_port
        )
        connecting = _Connector(found, create).start(
            None if source_port else _ATTEMPT_DELAY, _seconds_left(end)
        )
        try:
            _, address, stream = await connecting
        except BaseException:
            _close_unwanted(connecting)
            raise
        if context is None:
            return stream
        handshake = stream.start_tls(False, context, host)
        try:
            async with _until(end, f"during TLS handshake with {_format_addr(address)}"):
                return await handshake
        except BaseException:
            _close_unwanted(handshake)
            raise

    def _create_stream(
        self,
        max_buffer_size: int | None,
        af: int,
        addr: Any,
        source_ip: str | None = None,
        source_port: int | None = None,
    ) -> tuple[IOStream, asyncio.Future[IOStream]]:
        """Begin to connect to one address: a stream, and the future of its connecting."""
        sock = socket.socket(af, socket.SOCK_STREAM)
        try:
            if source_ip or source_port:
                sock.bind((source_ip or "", source_port or 0))
            stream = IOStream(sock, max_buffer_size=max_buffer_size)
            return stream, stream.connect(addr)
        except BaseException:
            sock.close()
            raise


def _end(timeout: float | datetime.timedelta | None) -> float | None:
    """When the time is over, by the clock of asyncio."""
    if timeout is None:
        return None
    if isinstance(timeout, datetime.timedelta):
        seconds = timeout.total_seconds()
    elif isinstance(timeout, numbers.Real):
        seconds = float(timeout)
    else:
        raise TypeError(f"Unsupported timeout {timeout!r}")
    if math.isnan(seconds):
        raise ValueError("The timeout is not a number")
    if seconds >= _FIRST_DEADLINE:
        seconds -= IOLoop.current().time()
    return asyncio.get_running_loop().time() + seconds


def _seconds_left(end: float | None) -> float | None:
    return None if end is None else end - asyncio.get_running_loop().time()


@asynccontextmanager
async def _until(end: float | None, step: str) -> AsyncIterator[None]:
    """Cancel what is within at ``end``, and raise `TimeoutError` then, which names the step."""
    left = _seconds_left(end)
    if left is not None and left <= 0:
        raise TimeoutError(f"Timeout {step}")
    limit = asyncio.timeout(left)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(f"Timeout {step}") from None


def _close_unwanted(future: asyncio.Future[Any]) -> None:
    """Close the stream that ``future`` gives, now or later: nobody will take it."""
    if not future.cancel() and not future.cancelled() and future.exception() is None:
        result = future.result()
        stream: IOStream = result[-1] if isinstance(result, tuple) else result
        stream.close()


def _format_addr(addr: Any) -> str:
    """An address as people write it."""
    if not isinstance(addr, tuple) or len(addr) < 2:
        return str(addr)
    host, port = addr[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


class _Connector:
    """Tries addresses until one answers; the others' streams are closed.

    ``addrinfo`` has (family, address) pairs in the order of preference.  ``connect`` begins to
    connect to one: it returns a stream, and the future of its connecting.
    """

    def __init__(self, addrinfo: Iterable[tuple[int, Any]], connect: _Connect) -> None:
        first, other = self.split(addrinfo)
        self._first, self._other = iter(first), iter(other)
        self._connect = connect
        # All that were made, until one has won, which then is its owner's.
        self.streams: set[IOStream] = set()
        self._waiting_for: dict[IOStream, Any] = {}
        self._delay: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        # How often an address that did not answer got company; the other family goes first.
        self._companions = 0
        self._last_error: BaseException | None = None
        self._loop = IOLoop.current().asyncio_loop
        self.future: asyncio.Future[_Result] = self._loop.create_future()
        self.future.add_done_callback(self._ended)

    @staticmethod
    def split(
        addrinfo: Iterable[tuple[int, Any]],
    ) -> tuple[list[tuple[int, Any]], list[tuple[int, Any]]]:
        """The addresses of the first one's family, and the others."""
        first: list[tuple[int, Any]] = []
        other: list[tuple[int, Any]] = []
        for family, address in addrinfo:
            is_first = not first or family == first[0][0]
            (first if is_first else other).append((family, address))
        return first, other

    def start(
        self, timeout: float | None = _ATTEMPT_DELAY, connect_timeout: float | None = None
    ) -> asyncio.Future[_Result]:
        """Begin.  The future gives family, address and stream, or raises the last error.

        ``timeout``: seconds after which an address that does not answer gets company; None for
        one at a time, whatever happens.  ``connect_timeout``: seconds for everything, then the
        future raises `TimeoutError`; None for no such bound.
        """
        self._delay = timeout
        if connect_timeout is not None:
            self._end_timer = self._loop.call_later(connect_timeout, self.on_connect_timeout)
        self._go_on_if_idle()
        return self.future

    def _ended(self, future: asyncio.Future[_Result]) -> None:
        if future.cancelled():
            self._clean_up()

    def _clean_up(self) -> None:
        self._last_error = None
        for timer in (self._timer, self._end_timer):
            if timer is not None:
                timer.cancel()
        for stream in self.streams:
            stream.close()

    def _try(self, addresses: Iterator[tuple[int, Any]]) -> bool:
        """Begin to connect to the next of ``addresses``; False if there is none."""
        failed = begun = False
        for family, address in addresses:
            try:
                stream, connecting = self._connect(family, address)
            except Exception as e:
                self._last_error = e
                failed = True
                continue
            begun = True
            self.streams.add(stream)
            self._waiting_for[stream] = address
            connecting.add_done_callback(functools.partial(self._done, addresses, family, stream))
            self._set_timer()
            break
        if failed:
            self._try_other_family()
        return begun

    def _try_other_family(self) -> None:
        """Begin with the other family, unless it has been."""
        if not self._companions and self._delay is not None:
            self._companions = 1
            self._try(self._other)

    def _go_on_if_idle(self) -> None:
        for addresses in (self._first, self._other):
            if not self._waiting_for:
                self._try(addresses)
        if self._waiting_for:
            return
        error = self._last_error
        self._clean_up()
        self.future.set_exception(error or OSError("There is no address to connect to"))

    def _set_timer(self) -> None:
        if self._delay is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self._delay, self.on_timeout)

    def on_timeout(self) -> None:
        """No address has answered for a moment: one more gets its chance."""
        if self.future.done():
            return
        self._companions += 1
        if self._companions == 1:
            if not self._try(self._other):
                self._set_timer()
        elif self._companions % 2:
            self._try(self._other) or self._try(self._first)
        else:
            self._try(self._first) or self._try(self._other)

    def on_connect_timeout(self) -> None:
        """No address has answered for too long: give up."""
        if not self.future.done():
            addresses = ", ".join(sorted(map(_format_addr, self._waiting_for.values())))
            self.future.set_exception(TimeoutError(f"Timeout while connecting to {addresses}"))
            self._clean_up()

    def _done(
        self,
        addresses: Iterator[tuple[int, Any]],
        family: int,
        stream: IOStream,
        connecting: asyncio.Future[IOStream],
    ) -> None:
        error = StreamClosedError() if connecting.cancelled() else connecting.exception()
        address = self._waiting_for.pop(stream)
        if self.future.done():
            return  # another was faster, or nobody wants it
        if error is None:
            self.streams.remove(stream)
            self._clean_up()
            self.future.set_result((family, address, stream))
            return
        self._last_error = error
        if self._delay is not None:
            self._try(addresses)
            self._try_other_family()
        self._go_on_if_idle()
