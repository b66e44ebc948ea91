"""Resolvers: they turn a host and a port into addresses to connect to.

`socket.getaddrinfo` blocks while it asks for a name, so that goes to a thread, or whatever else
runs it.  An address that is written out asks nobody: it is taken apart at once, on the loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, ClassVar

from tornadic import _legacy
from tornadic.concurrent import Future, chain_future, dummy_executor
from tornadic.ioloop import IOLoop
from tornadic.util import Configurable

__all__ = [
    "Addresses",
    "BlockingResolver",
    "DefaultExecutorResolver",
    "DefaultLoopResolver",
    "ExecutorResolver",
    "OverrideResolver",
    "Resolver",
    "ThreadedResolver",
    "no_such_name",
    "written_out",
]

DEFAULT_THREADS = 10

Addresses = list[tuple[int, Any]]

# What a user imports them from.
_PUBLIC_MODULE = f"{__package__}.netutil"


class Resolver(Configurable):
    """Looks names up, without blocking the loop.

    ``Resolver()`` makes a `DefaultLoopResolver`, or what was configured::

        Resolver.configure("tornado.netutil.ThreadedResolver", num_threads=10)

    There are also `DefaultExecutorResolver`, `ExecutorResolver`, `BlockingResolver`,
    `ThreadedResolver`, `OverrideResolver` and, with the ``pycares`` extra,
    `tornado.platform.caresresolver.CaresResolver`.  A subclass of your own defines `resolve`.
    """

    __module__ = _PUBLIC_MODULE

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        given = kwargs.pop("io_loop", None)
        if given is not None:
            _legacy.room("loops").given(cls.__name__, given)
        return super().__new__(cls, *args, **kwargs)

    @classmethod
    def configurable_base(cls) -> type[Resolver]:
        return Resolver

    @classmethod
    def configurable_default(cls) -> type[Resolver]:
        return DefaultLoopResolver

    @classmethod
    def configure(cls, impl: str | type[Configurable] | None, **kwargs: Any) -> None:
        """Choose the class that ``Resolver()`` makes; see `.Configurable.configure`.

        A name may begin with ``tornado.`` whether or not that is an alias of this package.
        """
        if isinstance(impl, str) and impl.startswith("tornado."):
            impl = f"{__package__}.{impl.removeprefix('tornado.')}"
        super().configure(impl, **kwargs)

    @_legacy.called_back
    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[Addresses]:
        """Look up ``host``, a name or an IP address.

        ``family``: only addresses of that family; `socket.AF_UNSPEC` for all.  Returns an
        awaitable of (family, address) pairs in the order of preference; an address is what
        `socket.socket.connect` takes: (host, port) for IPv4, with two more numbers for IPv6.

        The awaitable raises `OSError`, as a rule a `socket.gaierror`, if there is no such name,
        it has no address of the family, or ``port`` is none.
        """
        raise NotImplementedError()

    def close(self) -> None:
        """Free what the resolver holds; it cannot be used afterwards.  Closing twice is fine."""


class DefaultLoopResolver(Resolver):
    """Uses the loop's `asyncio.loop.getaddrinfo`, in a thread of its default executor."""

    __module__ = _PUBLIC_MODULE

    @_legacy.called_back
    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Addresses:
        found = written_out(host, port, family)
        if found is not None:
            return found
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        except UnicodeError as e:
            raise no_such_name(host) from e
        return _addresses(infos)


class DefaultExecutorResolver(Resolver):
    """Uses `.IOLoop.run_in_executor`.  Deprecated: use `DefaultLoopResolver`."""

    __module__ = _PUBLIC_MODULE

    @_legacy.called_back
    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Addresses:
        found = written_out(host, port, family)
        if found is None:
            loop = IOLoop.current()
            found = await loop.run_in_executor(None, _look_up_blocking, host, port, family)
        return found


class ExecutorResolver(Resolver):
    """Uses an executor that the program has.  Deprecated: use the default.

    ``executor``: a `concurrent.futures.Executor`; None to look names up at once, which blocks
    the loop.  ``close_executor``: whether `close` shuts it down, without waiting for lookups
    that it has begun.
    """

    __module__ = _PUBLIC_MODULE

    executor: Executor | None
    close_executor: bool

    def initialize(self, executor: Executor | None = None, close_executor: bool = True) -> None:
        self.executor = dummy_executor if executor is None else executor
        self.close_executor = close_executor and executor is not None

    def close(self) -> None:
        executor, self.executor = self.executor, None
        if self.close_executor and executor is not None:
            executor.shutdown(wait=False)

    @_legacy.called_back
    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[Addresses]:
        """See `Resolver.resolve`; returns a `.Future`.  Raises RuntimeError after `close`."""
        if self.executor is None:
            raise RuntimeError("The resolver is closed")
        future: Future[Addresses] = Future()
        try:
            found = written_out(host, port, family)
        except OSError as e:
            future.set_exception(e)
            return future
        if found is not None:
            future.set_result(found)
        else:
            chain_future(self.executor.submit(_look_up_blocking, host, port, family), future)
        return future


class BlockingResolver(ExecutorResolver):
    """Blocks the loop until the name is looked up.  Deprecated: use the default."""

    __module__ = _PUBLIC_MODULE

    def initialize(self) -> None:  # type: ignore[override]
        super().initialize()


class ThreadedResolver(ExecutorResolver):
    """Uses threads that all resolvers of this class share.  Deprecated: use the default.

    ``num_threads``: how many there are at most; the first resolver decides that for the whole
    process.
    """

    __module__ = _PUBLIC_MODULE

    _threadpool: ClassVar[ThreadPoolExecutor | None] = None
    _threadpool_pid: ClassVar[int | None] = None

    def initialize(self, num_threads: int = DEFAULT_THREADS) -> None:  # type: ignore[override]
        super().initialize(self._create_threadpool(num_threads), close_executor=False)

    @classmethod
    def _create_threadpool(cls, num_threads: int) -> ThreadPoolExecutor:
        # Threads do not survive a fork.
        if ThreadedResolver._threadpool is None or ThreadedResolver._threadpool_pid != os.getpid():
            ThreadedResolver._threadpool = ThreadPoolExecutor(num_threads, "resolver")
            ThreadedResolver._threadpool_pid = os.getpid()
        return ThreadedResolver._threadpool


class OverrideResolver(Resolver):
    """Asks ``resolver``, with some hosts replaced by others.

    ``mapping`` says by which, in any of three ways, the first of which goes first::

        {
            ("login.example.com", 443, socket.AF_INET6): ("::1", 1443),
            ("login.example.com", 443): ("localhost", 1443),
            "example.com": "127.0.1.1",
        }

    What comes out is not replaced again.  The resolver becomes this one's, and is closed with it.
    """

    __module__ = _PUBLIC_MODULE

    resolver: Resolver
    mapping: dict[Any, Any]

    def initialize(self, resolver: Resolver, mapping: dict[Any, Any]) -> None:
        self.resolver = resolver
        self.mapping = mapping

    def close(self) -> None:
        self.resolver.close()

    @_legacy.called_back
    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[Addresses]:
        mapping = self.mapping
        if (host, port, family) in mapping:
            host, port = mapping[host, port, family]
        elif (host, port) in mapping:
            host, port = mapping[host, port]
        elif host in mapping:
            host = mapping[host]
        return self.resolver.resolve(host, port, family)


def _look_up_blocking(host: str, port: int, family: int) -> Addresses:
    try:
        return _addresses(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
    except UnicodeError as e:
        raise no_such_name(host) from e


def written_out(host: str, port: int, family: int) -> Addresses | None:
    """The addresses if ``host`` is an IP address, None if that has yet to be found out.

    Raises `socket.gaierror` for what `socket.getaddrinfo` would cut short, and then find.
    """
    if isinstance(port, int) and not 0 <= port <= 65535:
        raise socket.gaierror(socket.EAI_SERVICE, f"{port} is no port")
    if not isinstance(host, str):
        return None
    if "\0" in host:
        raise no_such_name(host)
    if not host[:1].isdigit() and ":" not in host:
        return None
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        return _addresses(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags))
    except (OSError, UnicodeError):
        return None  # a name that looks like one; or the blocking lookup says what is wrong


def no_such_name(host: str) -> socket.gaierror:
    """What a resolver raises for a host that is no name, or nobody's."""
    return socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a known host name")


def _addresses(infos: list[Any]) -> Addresses:
    return [(family, address) for family, _, _, _, address in infos]
