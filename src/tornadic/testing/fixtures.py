"""What tests need beside a loop: free ports, and context managers that last for a test."""

from __future__ import annotations

import socket
import unittest
from contextlib import AbstractContextManager
from typing import TypeVar

from tornadic.netutil import bind_sockets

__all__ = ["bind_unused_port", "setup_with_context_manager"]

_T = TypeVar("_T")


def bind_unused_port(
    reuse_port: bool = False, address: str = "127.0.0.1"
) -> tuple[socket.socket, int]:
    """Listen on a free port; return the non-blocking socket, which is the caller's, and the port.

    ``address`` is an IP address or a name; the empty string stands for all IPv4 interfaces.
    ``reuse_port`` lets other sockets be bound to the same port, each with ``SO_REUSEPORT``.

    Raises `OSError` if there is no such address here.
    """
    family = socket.AF_INET6 if ":" in (address or "") else socket.AF_INET
    sock = bind_sockets(0, address, family=family, reuse_port=reuse_port)[0]
    port: int = sock.getsockname()[1]
    return sock, port


def setup_with_context_manager(testcase: unittest.TestCase, cm: AbstractContextManager[_T]) -> _T:
    """Enter ``cm`` now, leave it after the test; return what entering it gave.

    For ``setUp``.  It is left after ``tearDown``, whatever became of the test; those entered last
    are left first.  Raises `TypeError` if ``cm`` is no context manager.
    """
    return testcase.enterContext(cm)
