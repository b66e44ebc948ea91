"""A file that is written by worker threads, and is there only when it is complete.

It is written under another name in the same directory, which the client cannot guess, and renamed
at the end.  A thread cannot be cancelled with the task that waits for it, so a lock keeps the one
that clears up from the one that still writes.
"""

from __future__ import annotations

import os
import secrets
from io import FileIO
from threading import Lock
from typing import Any, BinaryIO

__all__ = ["PartFile"]


class PartFile:
    """``target``, a path or an object with a ``write`` for bytes, as something to write to.

    All methods may block, and be called from any thread.
    """

    __slots__ = ("_discarded", "_file", "_lock", "_path", "_temporary")

    def __init__(self, target: str | os.PathLike[str] | BinaryIO) -> None:
        self._lock = Lock()
        self._discarded = False
        self._temporary: str | None = None
        self._path: str | None = None
        self._file: Any = None
        if isinstance(target, (str, os.PathLike)):
            self._path = os.fspath(target)
        else:
            self._file = target

    def write(self, pieces: list[bytes], last: bool) -> None:
        """Write ``pieces``; with ``last`` the file is complete.  Raises OSError."""
        with self._lock:
            if self._discarded:
                return
            if self._file is None:
                self._open()
            if self._temporary is not None:
                _write_at_once(self._file, pieces)
            else:
                for piece in pieces:
                    _write_all(self._file, piece)
            if last and self._path is not None and self._temporary is not None:
                self._file.close()
                os.replace(self._temporary, self._path)
                self._temporary = None

    def _open(self) -> None:
        assert self._path is not None
        directory = os.path.dirname(self._path)
        temporary = os.path.join(directory, f".{secrets.token_hex(16)}.part")
        self._file = open(temporary, "xb", buffering=0)  # noqa: SIM115  # open between two calls
        self._temporary = temporary

    def discard(self) -> None:
        """Leave nothing of a file that is not complete; nothing more is written."""
        with self._lock:
            self._discarded = True
            if self._temporary is not None:
                os.unlink(self._temporary)
                self._temporary = None
                self._file.close()


def _write_at_once(file: FileIO, pieces: list[bytes]) -> None:
    """Write ``pieces`` by one call: each one costs the loop a wait for the interpreter."""
    if pieces:
        written = os.writev(file.fileno(), pieces)
        if written < sum(map(len, pieces)):
            _write_all(file, b"".join(pieces)[written:])


def _write_all(file: Any, data: bytes) -> None:
    """Write ``data``, however little the file takes at a time."""
    written = file.write(data)
    # What buffers takes all, and what is no file of Python's may not say how much it took.
    if written is None or written >= len(data):
        return
    view = memoryview(data)[written:]
    while view:
        written = file.write(view)
        if not written:
            raise OSError("The file takes no more")
        view = view[written:]
