"""Listening sockets, what is read off addresses, TLS options, and the resolvers."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
from collections.abc import Callable
from typing import Any

from tornadic import _legacy
from tornadic._resolvers import (
    BlockingResolver,
    DefaultExecutorResolver,
    DefaultLoopResolver,
    ExecutorResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
)
from tornadic.ioloop import IOLoop
from tornadic.log import gen_log

__all__ = [
    "BlockingResolver",
    "DefaultExecutorResolver",
    "DefaultLoopResolver",
    "ExecutorResolver",
    "OverrideResolver",
    "Resolver",
    "ThreadedResolver",
    "add_accept_handler",
    "bind_sockets",
    "bind_unix_socket",
    "is_valid_ip",
    "ssl_options_to_context",
    "ssl_wrap_socket",
]

__getattr__ = _legacy.names_of(__name__)

# No descriptors or memory to be had: it may pass, but not in the next turn of the loop.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 1

DEFAULT_BACKLOG = 128
"""Connections the kernel keeps ready; also how many are accepted before others get a turn."""


def bind_sockets(
    port: int,
    address: str | None = None,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    backlog: int = DEFAULT_BACKLOG,
    flags: int | None = None,
    reuse_port: bool = False,
) -> list[socket.socket]:
    """Listen on ``port``, on every address that ``address`` stands for.

    ``address``: an IP address or a host name; None or ``""`` for all interfaces.  ``family``:
    `socket.AF_INET` or `socket.AF_INET6` alone, else both where there are both.  ``flags``: for
    `socket.getaddrinfo`.  With port 0 all sockets get the same free port.  ``reuse_port`` lets
    several processes listen on the port.  Returns non-blocking sockets, at least one; raises
    `OSError` if there is none to be had, with nothing left open.
    """
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("this platform has no SO_REUSEPORT")
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is no port")  # getaddrinfo would wrap it round
    if address == "":
        address = None
    if not socket.has_ipv6 and family == socket.AF_UNSPEC:
        family = socket.AF_INET
    if flags is None:
        flags = socket.AI_PASSIVE
    found = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, flags)
    sockets: list[socket.socket] = []
    taken: set[Any] = set()
    unavailable: OSError | None = None
    try:
        for kind, _, protocol, _, where in sorted(found, key=lambda info: info[0]):
            if where in taken:
                continue
            taken.add(where)
            if port == 0 and sockets:
                where = (where[0], sockets[0].getsockname()[1], *where[2:])
            try:
                sockets.append(_listen(kind, protocol, where, backlog, reuse_port))
            except OSError as e:
                # A host without IPv6 may still resolve names to it.
                if e.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
                unavailable = e
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    if not sockets:
        raise unavailable or OSError(errno.EADDRNOTAVAIL, f"nothing to listen on at {address!r}")
    return sockets


def _listen(
    family: int, protocol: int, address: Any, backlog: int, reuse_port: bool
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        if os.name != "nt":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # IPv4 has a socket of its own.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def bind_unix_socket(file: str, mode: int = 0o600, backlog: int = DEFAULT_BACKLOG) -> socket.socket:
    """Listen on the Unix socket ``file``, whose permissions become ``mode``.

    A socket that is there already is replaced; anything else there is a ValueError.  A name
    that begins with a NUL is abstract and has no permissions (Linux).
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        abstract = file.startswith("\0")
        if not abstract:
            try:
                existing = os.stat(file)
            except FileNotFoundError:
                pass
            else:
                if not stat.S_ISSOCK(existing.st_mode):
                    raise ValueError(f"File {file} exists and is not a socket")
                os.unlink(file)
        sock.bind(file)
        if not abstract:
            os.chmod(file, mode)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def add_accept_handler(
    sock: socket.socket,
    callback: Callable[[socket.socket, Any], None],
    io_loop: IOLoop | None = None,
) -> Callable[[], None]:
    """Call ``callback(connection, address)`` for each connection that ``sock`` accepts.

    Returns a function that ends this; the socket stays open.  ``io_loop`` is of old programs.
    """
    if io_loop is None:
        io_loop = IOLoop.current()
    else:
        io_loop = _legacy.room("loops").given("add_accept_handler", io_loop)
    removed = False
    pause: object | None = None

    def accept(fd: socket.socket, events: int) -> None:
        for _ in range(DEFAULT_BACKLOG):
            if removed:
                return
            try:
                connection, address = sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as e:
                if e.errno not in _EXHAUSTED:
                    raise
                gen_log.error("Cannot accept connections for %d s: %s", _PAUSE_SECONDS, e)
                wait()
                return
            callback(connection, address)

    def wait() -> None:
        # The connection stays in the backlog; asking again at once would only keep us busy.
        nonlocal pause
        io_loop.remove_handler(sock)
        pause = io_loop.call_later(_PAUSE_SECONDS, go_on)

    def go_on() -> None:
        nonlocal pause
        pause = None
        io_loop.add_handler(sock, accept, IOLoop.READ)

    def remove() -> None:
        nonlocal removed
        if removed:
            return
        removed = True
        if pause is not None:
            io_loop.remove_timeout(pause)
        else:
            io_loop.remove_handler(sock)

    go_on()
    return remove


def is_valid_ip(ip: str) -> bool:
    """Whether ``ip`` is an IPv4 or IPv6 address, and not a name or anything else."""
    if not ip or "\x00" in ip:
        # getaddrinfo takes the empty string for this host.
        return False
    try:
        found = socket.getaddrinfo(
            ip, 0, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST
        )
    except (socket.gaierror, UnicodeError):
        return False
    return bool(found)


_SSL_OPTIONS = frozenset(
    {"ca_certs", "cert_reqs", "certfile", "ciphers", "keyfile", "ssl_version"},
)


def ssl_options_to_context(
    ssl_options: dict[str, Any] | ssl.SSLContext, server_side: bool | None = None
) -> ssl.SSLContext:
    """Turn a dictionary of TLS options into a context; a context is returned as it is.

    The dictionary may have: ``certfile`` and ``keyfile``, files with our certificate and its
    key (by default in the same file); ``ca_certs``, a file with authorities to trust;
    ``cert_reqs``, whether the peer must have a certificate (`ssl.CERT_NONE`,
    ``CERT_OPTIONAL``, ``CERT_REQUIRED``); ``ciphers``; ``ssl_version``, a ``PROTOCOL``
    constant of `ssl`.

    ``server_side``: by default a client requires a certificate and checks the name in it, and a
    server requires none.  None is neither, checks nothing, and is deprecated.

    Raises TypeError for other types, ValueError for other keys, and what `ssl` raises for files
    that are missing (`OSError`) or no good (`ssl.SSLError`).
    """
    if isinstance(ssl_options, ssl.SSLContext):
        return ssl_options
    if not isinstance(ssl_options, dict):
        raise TypeError(f"ssl_options must be a dict or an SSLContext, not {ssl_options!r}")
    unknown = ssl_options.keys() - _SSL_OPTIONS
    if unknown:
        raise ValueError(f"unknown ssl_options: {', '.join(sorted(map(str, unknown)))}")
    by_side = {
        None: ssl.PROTOCOL_TLS,
        True: ssl.PROTOCOL_TLS_SERVER,
        False: ssl.PROTOCOL_TLS_CLIENT,
    }
    context = ssl.SSLContext(ssl_options.get("ssl_version", by_side[server_side]))
    if "certfile" in ssl_options:
        context.load_cert_chain(ssl_options["certfile"], ssl_options.get("keyfile"))
    if "cert_reqs" in ssl_options:
        if ssl_options["cert_reqs"] == ssl.CERT_NONE:
            context.check_hostname = False  # else `ssl` refuses
        context.verify_mode = ssl_options["cert_reqs"]
    if "ca_certs" in ssl_options:
        context.load_verify_locations(ssl_options["ca_certs"])
    if "ciphers" in ssl_options:
        context.set_ciphers(ssl_options["ciphers"])
    return context


def ssl_wrap_socket(
    socket: socket.socket,
    ssl_options: dict[str, Any] | ssl.SSLContext,
    server_hostname: str | None = None,
    server_side: bool | None = None,
    **kwargs: Any,
) -> ssl.SSLSocket:
    """Put ``socket``, which is used up by it, under TLS.

    ``ssl_options`` and ``server_side`` as for `ssl_options_to_context`; ``server_hostname`` is
    what a client expects in the server's certificate; ``kwargs`` are for
    `ssl.SSLContext.wrap_socket`.

    Raises ValueError for a name that cannot be one, and what `ssl` raises; with a ValueError the
    socket stays as it was.
    """
    context = ssl_options_to_context(ssl_options, server_side=server_side)
    # `ssl` would find out when it has taken the socket, and lose it.
    if server_hostname is not None and (
        "\0" in server_hostname or not server_hostname.encode("idna")
    ):
        raise ValueError(f"{server_hostname!r} is no host name")
    return context.wrap_socket(
        socket, server_side=bool(server_side), server_hostname=server_hostname, **kwargs
    )
