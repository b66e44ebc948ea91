"""Listening sockets, and what is read off addresses."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from tornadic.ioloop import IOLoop
from tornadic.log import gen_log

__all__ = ["add_accept_handler", "bind_sockets", "bind_unix_socket", "is_valid_ip"]

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
    sock: socket.socket, callback: Callable[[socket.socket, Any], None]
) -> Callable[[], None]:
    """Call ``callback(connection, address)`` for each connection that ``sock`` accepts.

    Returns a function that ends this; the socket stays open.
    """
    io_loop = IOLoop.current()
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
