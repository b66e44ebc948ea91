"""What is known of the files that are served.

The kernel is asked for the status of a file every time; all that follows from it (where symbolic
links lead to, the type by the name, the date as text) is worked out once, and believed as long as
the status says that it is the same file, unchanged.  What follows from the content, a hash, is
believed only if the file had settled when it was read: two changes within one tick of a file
system's clock look the same.

A file is opened so that nothing can block, and what was opened is compared with what was looked
at: between the two anybody may have put something else in its place.
"""

from __future__ import annotations

import datetime
import errno
import mimetypes
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from tornadic.http.dates import format_timestamp

__all__ = [
    "ABSENT",
    "MAX_KNOWN_FILES",
    "READ_SIZE",
    "ChangedError",
    "KnownFile",
    "NotAFileError",
    "OutsideError",
    "Versions",
    "absolute",
    "content_type_of",
    "find",
    "is_settled",
    "open_file",
    "read_pieces",
    "read_whole",
    "resolve",
    "settles_at",
    "signature_of",
]

MAX_KNOWN_FILES: Final = 4096
"""Files of which something is remembered; each takes about a kilobyte."""

READ_SIZE: Final = 65536

# The coarsest clock of a file system in use (FAT's).
SETTLED_SECONDS: Final = 2.0

# A FIFO is not waited for, a terminal does not become ours, and no link is followed any more.
_OPENING: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)

ABSENT: Final = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EINVAL)
)
"""What an OSError says if there is no such file."""

Signature = tuple[int, int, int, int, int]


class OutsideError(Exception):
    """A file lies, or a symbolic link leads, outside of the directories that are served."""


class NotAFileError(Exception):
    """There is something, but no regular file; ``is_directory`` says what."""

    def __init__(self, is_directory: bool) -> None:
        super().__init__("not a regular file")
        self.is_directory = is_directory


class ChangedError(Exception):
    """A file is no longer the one that was looked at."""


def _sign(status: os.stat_result) -> Signature:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def signature_of(path: str) -> Signature | None:
    """What changes when the file at ``path`` does; None if there is none to be looked at."""
    try:
        return _sign(os.stat(path))
    except (OSError, ValueError):
        return None


def is_settled(signature: Signature) -> bool:
    """Whether from now on no change of the file could go unseen."""
    return signature[4] < (time.time() - SETTLED_SECONDS) * 1e9


class KnownFile:
    """A regular file as it was looked at.

    ``path`` is free of symbolic links; ``modified`` (aware) and ``last_modified`` (the same as
    text) are None for a time that HTTP cannot write.
    """

    __slots__ = ("content_type", "last_modified", "modified", "path", "signature", "size")

    def __init__(self, path: str, signature: Signature) -> None:
        self.path = path
        self.signature = signature
        self.size = signature[2]
        self.content_type = content_type_of(path)
        self.modified: datetime.datetime | None = None
        self.last_modified: str | None = None
        try:
            modified = datetime.datetime.fromtimestamp(signature[3] // 1_000_000_000, datetime.UTC)
            self.last_modified = format_timestamp(modified)
            self.modified = modified
        except (OverflowError, ValueError, OSError):
            pass

    @property
    def tag(self) -> str:
        """An entity tag of time and size, for what is too large to be hashed.

        Weak as long as the file could change unseen (RFC 9110 section 8.8.1).
        """
        tag = f'"{self.signature[3]:x}-{self.size:x}"'
        return tag if is_settled(self.signature) else f"W/{tag}"


def content_type_of(path: str) -> str:
    """The media type by the name of a file; what is compressed is not taken for its content."""
    kind, encoding = mimetypes.guess_type(path)
    if encoding == "gzip":
        return "application/gzip"
    if encoding is not None or kind is None:
        return "application/octet-stream"
    return kind


def absolute(path: str) -> str:
    """``path`` as an absolute one, which depends on the current folder if it is not."""
    return _normal(path) if os.path.isabs(path) else os.path.abspath(path)


_normal = lru_cache(256)(os.path.normpath)


def resolve(root: str, path: str, separator: str = os.sep) -> str | None:
    """Where ``path`` lies below ``root``, which is absolute, or None if it leaves it on its way.

    Both are taken as they are written; links are not looked at.  ``separator`` is the system's:
    where it is not a slash, neither drives nor streams nor devices may be named.
    """
    if separator == "/" and _PLAIN.fullmatch(path):
        return f"{root}{path}" if root == "/" else f"{root}/{path}"
    parts = path.split("/")
    if separator != "/":
        if ":" in path or path.startswith(separator):
            return None
        parts = path.replace(separator, "/").split("/")
        if any(part.split(".")[0].rstrip(" ").upper() in _DEVICES for part in parts):
            return None
    if path.startswith("/"):
        return None
    kept: list[str] = []
    for part in parts:
        if part == "..":
            if not kept:
                return None
            kept.pop()
        elif part and part != ".":
            kept.append(part)
    return separator.join((root.rstrip(separator), *kept)) if kept else root


# Names that stand for themselves, between single slashes.
_PLAIN: Final = re.compile(r"[^./][^/]*(?:/[^./][^/]*)*")

_DEVICES: Final = frozenset(
    (
        *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
        *(f"{name}{number}" for name in ("COM", "LPT") for number in range(10)),
    )
)

_known: dict[tuple[str, tuple[str, ...]], KnownFile] = {}


def find(path: str, directories: tuple[str, ...]) -> KnownFile:
    """The regular file at ``path``, which must lie in one of ``directories``, links followed.

    Raises `OutsideError`, whether or not there is anything outside, `NotAFileError`, and
    OSError or ValueError if there is nothing that can be looked at.
    """
    fault: OSError | None = None
    status = None
    try:
        status = os.stat(path)
    except OSError as e:
        fault = e
    key = (path, directories)
    if status is not None:
        known = _known.get(key)
        if known is not None and known.signature == _sign(status):
            return known
    real = os.path.realpath(path)
    if not any(_is_within(real, os.path.realpath(directory)) for directory in directories):
        raise OutsideError(path)
    if status is None:
        assert fault is not None
        raise fault
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(stat.S_ISDIR(status.st_mode))
    while len(_known) >= MAX_KNOWN_FILES:
        del _known[next(iter(_known))]
    known = _known[key] = KnownFile(real, _sign(status))
    return known


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


def open_file(path: str, signature: Signature | None = None) -> tuple[int, int]:
    """A descriptor for the regular file at ``path``, which is the caller's to close; its size.

    Never waits for a FIFO or a device, which are a `NotAFileError`.  Raises `ChangedError` if it
    does not have ``signature``, where one is given, and OSError.
    """
    flags = _OPENING if signature is not None else _OPENING & ~getattr(os, "O_NOFOLLOW", 0)
    try:
        fd = os.open(path, flags)
    except OSError as e:
        gone = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR)
        if signature is not None and e.errno in gone:
            raise ChangedError(path) from e
        raise
    try:
        status = os.fstat(fd)
        if signature is not None and _sign(status) != signature:
            raise ChangedError(path)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError(stat.S_ISDIR(status.st_mode))
    except BaseException:
        os.close(fd)
        raise
    return fd, status.st_size


def read_whole(fd: int, offset: int, size: int) -> bytes:
    """``size`` bytes of the file from ``offset`` on.  Raises `ChangedError` if it ends before."""
    data = os.pread(fd, size, offset)
    while len(data) < size:
        more = os.pread(fd, size - len(data), offset + len(data))
        if not more:
            raise ChangedError
        data += more
    return data


def read_pieces(path: str, start: int | None, end: int | None) -> Iterator[bytes]:
    """The regular file at ``path`` from ``start`` up to ``end``, in pieces.

    Errors as `open_file`.
    """
    fd, _ = open_file(path)
    with open(fd, "rb", buffering=0) as file:
        if start:
            file.seek(start)
        left = None if end is None else max(end - (start or 0), 0)
        while left is None or left:
            piece = file.read(READ_SIZE if left is None else min(READ_SIZE, left))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece


class Versions:
    """Versions by who makes them and of what, each with the signature for which it holds.

    Of a file that had not settled, it is believed only until that file has.
    """

    __slots__ = ("_lock", "_versions")

    def __init__(self) -> None:
        self._versions: dict[tuple[type, str], _Kept] = {}
        self._lock = threading.Lock()  # versions of large files are made in threads

    def get(self, maker: type, path: str, signature: Signature | None) -> _Kept | None:
        """What was kept and still holds: a tuple that begins with the version."""
        kept = self._versions.get((maker, path))
        if kept is None or kept[1] != signature or (kept[2] and time.time() >= kept[2]):
            return None
        return kept

    def __len__(self) -> int:
        return len(self._versions)

    def touch(self, maker: type, path: str) -> None:
        """Take note that it was asked for; who was not for the longest time is forgotten first."""
        with self._lock:
            kept = self._versions.pop((maker, path), None)
            if kept is not None:
                self._versions[maker, path] = kept

    def keep(
        self,
        maker: type,
        path: str,
        signature: Signature | None,
        version: str | None,
        expires: float,
        most: int,
    ) -> None:
        """Remember a version until ``expires`` (0: for good), and at most ``most`` in all."""
        with self._lock:
            self._versions.pop((maker, path), None)
            while len(self._versions) >= max(most, 1):
                del self._versions[next(iter(self._versions))]
            self._versions[maker, path] = (version, signature, expires)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._versions.clear()


_Kept = tuple[str | None, Signature | None, float]


def settles_at(signature: Signature | None) -> float:
    """When, by `time.time`, what is read now of a file is sure to be known by its signature.

    0 if it is by now, for what cannot be looked at too.
    """
    if signature is None or is_settled(signature):
        return 0.0
    return min(signature[4] / 1e9, time.time()) + SETTLED_SECONDS
