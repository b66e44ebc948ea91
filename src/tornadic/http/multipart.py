"""``multipart/form-data`` (RFC 7578), read as it comes or from a body that is all there.

Strategy: the body must start with the first delimiter, and from then on each part is found by
two bounded searches, one for the end of its headers and one for the next delimiter.  Nothing is
split before it is counted, and no byte is searched twice.  However the bytes are cut, the same
parts come out, or the same error; only where the pieces of a body begin and end differs::

    OPENING --> DELIMITER --(CRLF)--> HEAD --> BODY --> DELIMITER ...
                    `-----(--)--> LAST LINE --> END

A piece of a body is handed on when it comes.  What is held back is at most what may yet turn out
to be a delimiter, and only if the bytes so far are one's beginning.

Where readers are known to differ we do not guess.  A preamble, a delimiter that is followed by
anything but a line end or ``--``, and a ``Content-Disposition`` or one of its parameters that
comes twice are errors, because a filter in front of us may have seen other fields there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple

from tornadic.http.errors import HTTPInputError
from tornadic.http.parameters import split_parameters
from tornadic.http.partheads import TOO_LARGE, PartHead, read_part_head

__all__ = [
    "DEFAULT_MAX_PARTS",
    "DEFAULT_MAX_PART_HEADER_SIZE",
    "END",
    "MAX_BOUNDARY_LENGTH",
    "PART_END",
    "MultipartReader",
    "Part",
    "find_boundary",
    "read_parts",
]

DEFAULT_MAX_PARTS: Final = 100
"""More than forms have fields; each part costs objects of its own, however little is in it."""

DEFAULT_MAX_PART_HEADER_SIZE: Final = 10 * 1024
"""Bytes; a part has two lines, and a file name at most some hundred characters."""

# RFC 2046 section 5.1.1 allows 70; some programs write longer ones.
MAX_BOUNDARY_LENGTH = 200
# Visible ASCII but quote and backslash; spaces within.  The RFC's own set is smaller.
_BOUNDARY = re.compile(rb"[!#-\[\]-~](?:[ !#-\[\]-~]*[!#-\[\]-~])?")
# Blanks may pad the last delimiter's line (RFC 2046); what follows that line is no part of a form.
_skip_blanks = re.compile(rb"[ \t]{0,64}").match


class _Event(Enum):
    PART_END = "the part is complete"
    END = "the form is complete"
    AGAIN = "nothing to tell, but the next step may have something"


PART_END: Final = _Event.PART_END
END: Final = _Event.END
_AGAIN: Final = _Event.AGAIN


class Part(NamedTuple):
    """One field of a form.  ``filename`` is None or empty if the field is no file."""

    name: str
    filename: str | None
    content_type: str | None
    body: bytes


def find_boundary(content_type: str) -> bytes:
    """Return the boundary that a ``multipart/form-data`` content type names.

    Raises `HTTPInputError` if there is none, or more than one, or the media type is another.
    """
    media_type, parameters = split_parameters(content_type)
    if media_type.lower() != "multipart/form-data":
        raise HTTPInputError("Invalid content type")
    boundaries = [value for name, value in parameters if name == "boundary"]
    if not any(boundaries):
        raise HTTPInputError("multipart boundary not found")
    if len(boundaries) > 1:
        raise HTTPInputError("more than one multipart boundary")
    return boundaries[0].encode("utf-8", "replace")


def read_parts(
    boundary: bytes, data: bytes, *, max_parts: int, max_part_header_size: int
) -> list[Part]:
    """Return the fields of the multipart body ``data``, in order.

    Arguments and errors are those of `MultipartReader`, but for the status, which is always 400:
    of a body that was let in whole, Tornado says no more than that it is no good.
    """
    reader = MultipartReader(
        boundary, max_parts=max_parts, max_part_header_size=max_part_header_size
    )
    reader.feed(data)
    reader.feed_eof()
    try:
        return _collect_parts(reader.next_event)
    except HTTPInputError as error:
        error.status = 400
        raise


def _collect_parts(next_event: Callable[[], Any]) -> list[Part]:
    parts: list[Part] = []
    while (event := next_event()) is not END:
        head: PartHead = event
        body = next_event()  # all of it, since all is here
        if body is PART_END:
            body = b""
        else:
            next_event()  # and that is its end
        parts.append(Part(head.name, head.filename, head.content_type, body))
    return parts


class MultipartReader:
    """Reads the fields of a multipart body: fed with bytes, it is asked for the next event.

    ``boundary`` is as the content type gives it, without the leading dashes; quotes around it
    are taken off.  ``max_parts`` bounds the parts, ``max_part_header_size`` (bytes) the headers
    of each, without the empty line that ends them, ``max_size`` (bytes; None: no bound) all that
    is fed.  What follows the closing delimiter is not looked at, and not kept.

    Raises `HTTPInputError` if the boundary is malformed.
    """

    __slots__ = (
        "_count",
        "_data",
        "_delimiter",
        "_eof",
        "_max_part_header_size",
        "_max_parts",
        "_max_size",
        "_not_data",
        "_pos",
        "_scanned",
        "_size",
        "_step",
    )

    def __init__(
        self,
        boundary: bytes,
        *,
        max_parts: int = DEFAULT_MAX_PARTS,
        max_part_header_size: int = DEFAULT_MAX_PART_HEADER_SIZE,
        max_size: int | None = None,
    ) -> None:
        self._delimiter = b"\r\n--" + _checked_boundary(boundary)
        self._max_parts = max_parts
        self._max_part_header_size = max_part_header_size
        self._max_size = max_size
        self._data = b""
        self._pos = 0
        self._eof = False
        self._size = 0
        self._count = 0
        # Of a head that is not whole yet, what was searched for its end.
        self._scanned = 0
        # Before a body stands a line end that is not of it, but may be its delimiter's.
        self._not_data = 0
        self._step: Callable[[MultipartReader], Any] = MultipartReader._read_opening

    def feed(self, data: bytes) -> None:
        """Take more of the body.  Raises `HTTPInputError` (413) beyond ``max_size``."""
        self._size += len(data)
        if self._max_size is not None and self._size > self._max_size:
            self._stop()
            raise HTTPInputError("multipart/form-data too large", TOO_LARGE)
        if self._step is MultipartReader._read_nothing:
            return
        self._data = self._data[self._pos :] + data if len(self._data) > self._pos else data
        self._pos = 0

    def feed_eof(self) -> None:
        """Take the end of the body.  If it comes too early, `next_event` raises."""
        self._eof = True

    @property
    def held(self) -> int:
        """Bytes that were fed and not handed on yet."""
        return len(self._data) - self._pos

    def next_event(self) -> Any:
        """The next event, or None if it takes more bytes to tell.

        A `PartHead` opens a part, ``bytes`` are the next piece of what is in it, never empty, and
        `PART_END` closes it.  `END` is the end of the form; what comes after it is None.

        Raises `HTTPInputError` for a body that is malformed, cut short, or beyond a limit (then
        with the status 413); from then on None is all that comes.
        """
        try:
            while (event := self._step(self)) is _AGAIN:
                pass
            return event
        except HTTPInputError:
            self._stop()
            raise

    def _stop(self) -> None:
        self._step = MultipartReader._read_nothing
        self._data = b""
        self._pos = 0

    def _read_nothing(self) -> Any:
        return None

    def _read_opening(self) -> Any:
        data = self._data
        opening = self._delimiter[2:]
        if not data.startswith(opening):
            if not self._eof and opening.startswith(data):
                return None
            raise HTTPInputError("multipart/form-data: does not begin with the boundary")
        self._pos = len(opening)
        self._step = MultipartReader._read_delimiter_end
        return _AGAIN

    def _read_delimiter_end(self) -> Any:
        """Whether a part follows the delimiter, or else the body ends."""
        after = self._data[self._pos : self._pos + 2]
        if after == b"\r\n":
            self._count += 1
            if self._count > self._max_parts:
                raise HTTPInputError("multipart/form-data has too many parts", TOO_LARGE)
            self._step = MultipartReader._begin_head
            return _AGAIN
        if after == b"--":
            self._pos += 2
            self._step = MultipartReader._read_last_line
            return _AGAIN
        if len(after) == 2:
            raise HTTPInputError("multipart/form-data: no line end after a boundary")
        if self._eof:
            raise HTTPInputError("multipart/form-data: no final boundary found")
        return None

    def _read_last_line(self) -> Any:
        blanks: Any = _skip_blanks(self._data, self._pos)
        after = self._data[blanks.end() : blanks.end() + 2]
        if after == b"\r\n" or (self._eof and not after):
            self._stop()
            return END
        if self._eof or after not in (b"", b"\r"):
            raise HTTPInputError("multipart/form-data: data after the final boundary")
        return None

    def _begin_head(self) -> Any:
        data, pos, delimiter = self._data, self._pos, self._delimiter
        if data.startswith(delimiter, pos):
            # An empty form, as some clients write it: a delimiter straight after another.
            self._pos = pos + len(delimiter)
            self._step = MultipartReader._read_delimiter_end
            return _AGAIN
        if len(data) - pos < len(delimiter) and not self._eof and delimiter.startswith(data[pos:]):
            return None
        self._pos = pos + 2
        self._scanned = 0
        self._step = MultipartReader._read_head
        return _AGAIN

    def _read_head(self) -> Any:
        data, start, limit = self._data, self._pos, self._max_part_header_size
        end = data.find(b"\r\n\r\n", start + self._scanned, start + limit + 4)
        seen = len(data) - start
        # A part may not begin before the one before it ended.
        last = end if end >= 0 else start + limit
        again = max(self._scanned - len(self._delimiter), 0)
        if data.startswith(b"\r\n", start) or data.find(self._delimiter, start + again, last) >= 0:
            raise HTTPInputError("multipart/form-data missing headers")
        if end < 0:
            if seen >= limit + 4:
                raise HTTPInputError("multipart/form-data part header too large", TOO_LARGE)
            if self._eof:
                raise HTTPInputError("multipart/form-data missing headers")
            # The last three bytes may be the beginning of the empty line.
            self._scanned = max(seen - 3, 0)
            return None
        head = read_part_head(data[start:end])
        self._pos = end + 2
        self._not_data = 2
        self._step = MultipartReader._read_body
        return head

    def _read_body(self) -> Any:
        data, pos, delimiter = self._data, self._pos, self._delimiter
        begin = pos + self._not_data
        end = data.find(delimiter, pos)
        if end >= 0:
            self._not_data = 0
            self._pos = end + len(delimiter)
            if end > begin:
                self._step = MultipartReader._end_part
                return data[begin:end]
            return self._end_part()
        if self._eof:
            raise HTTPInputError("multipart/form-data: no final boundary found")
        size = len(data)
        # There is one CR in a delimiter, so only at the last one can it begin.
        end = data.rfind(b"\r", max(pos, size - len(delimiter) + 1))
        if end < 0 or not delimiter.startswith(data[end:]):
            end = size
        if end == pos:
            return None
        self._not_data = 0
        if end == size:
            self._data = b""
            self._pos = 0
        else:
            self._pos = end
        return data[begin:end] if end > begin else None

    def _end_part(self) -> Any:
        self._step = MultipartReader._read_delimiter_end
        return PART_END


def _checked_boundary(boundary: bytes) -> bytes:
    if len(boundary) >= 2 and boundary[:1] == b'"' == boundary[-1:]:
        boundary = boundary[1:-1]
    if len(boundary) > MAX_BOUNDARY_LENGTH or not _BOUNDARY.fullmatch(boundary):
        raise HTTPInputError("multipart/form-data: malformed boundary")
    return boundary
