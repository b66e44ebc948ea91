"""Names that stood elsewhere once, and those that spared programs the differences of Pythons."""

from __future__ import annotations

from tornadic.log import enable_pretty_logging
from tornadic.tcpserver import TCPServer
from tornadic.util import raise_exc_info

__all__ = ["PY3", "TCPServer", "b", "enable_pretty_logging", "raise_exc_info", "u"]

PY3 = True


def b(s: str) -> bytes:
    """Return the bytes that ``s`` was in Python 2: a literal ``b"..."`` today."""
    return s.encode("latin-1")


def u(s: str) -> str:
    """Return ``s``: all literals are text today."""
    return s
