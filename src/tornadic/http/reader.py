"""Reading HTTP/1 messages from bytes: the reader is fed, and asked for the next event.

It is one small machine with a function for each state.  However the bytes are cut, the same
events come out, but for where the body's pieces begin and end::

    HEAD ---(no body)--> HEAD ...
      |----> LENGTH ------------------------------> END
      |----> CHUNKED (size, data, line end) ...       ^
      |          `--------------> TRAILERS -----------|
      `----> UNTIL_CLOSE --(eof)---------------------'

After `END` the next call begins the next message.  After an error nothing more is read.

A keep-alive connection sends nearly the same head again and again.  So the reader remembers the
start line, and the header lines with which the last two blocks began, be it all of them; if the
next block begins so too, then only what comes behind (a cookie, a referer) is new, and if nothing
of that says where the message ends, it is checked and left for the program to ask for.  That is
a comparison of bytes, and no more memory than one head and its fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import Any, Final

from tornadic.http.errors import HTTPInputError
from tornadic.http.framing import CHUNKED, UNTIL_CLOSE, Framing, frame_request, frame_response
from tornadic.http.headers import (
    MAX_HEADERS,
    SHORTEST_LINE,
    Fields,
    HTTPHeaders,
    is_clean_text,
    match_patient_lines,
    read_fields,
    split_lines,
)
from tornadic.http.startlines import (
    match_usual_line,
    read_request_line,
    read_status_line,
    start_line_of,
)

__all__ = [
    "DEFAULT_CHUNK_SIZE",
    "DEFAULT_MAX_BODY_SIZE",
    "DEFAULT_MAX_HEADER_SIZE",
    "END",
    "HEAD",
    "MAX_CHUNKS_PER_TURN",
    "MAX_CHUNK_LINE",
    "MORE",
    "ReaderLimits",
    "RequestReader",
    "ResponseReader",
]

DEFAULT_MAX_HEADER_SIZE: Final = 65536
DEFAULT_MAX_BODY_SIZE: Final = 104857600
DEFAULT_CHUNK_SIZE: Final = 65536

MAX_CHUNK_LINE: Final = 256
"""Bytes in the line of a chunk's size; 16 are digits, the rest an extension nobody reads."""

MAX_CHUNKS_PER_TURN: Final = 256
"""Small chunks that are joined before `MORE` lets others have their turn: a bounded time."""

# What is remembered, secrets in it too, is the connection's own and goes with it; a memo of
# more would be paid for by connections that are idle.
_LARGEST_BLOCK_KEPT = 1024

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_CRLF = b"\r\n"


class _Event(Enum):
    HEAD = "a message begins"
    END = "the message is complete"
    MORE = "there is more to read, but it has taken its time already"


HEAD: Final = _Event.HEAD
END: Final = _Event.END
MORE: Final = _Event.MORE
Event = _Event | bytes | None


# A third of the time of a constructor, which has arguments to look at.
_new_headers = HTTPHeaders.__new__


class _Part(Enum):
    """What of a chunk comes next."""

    SIZE = "its size"
    DATA = "its data"
    LINE_END = "the CRLF behind the data"


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """Bounds of what is read, in bytes.

    ``max_header_size`` holds for the head with all its line ends, and for trailers.
    """

    max_header_size: int = DEFAULT_MAX_HEADER_SIZE
    max_body_size: int = DEFAULT_MAX_BODY_SIZE
    chunk_size: int = DEFAULT_CHUNK_SIZE


class _MessageReader:
    """What requests and responses share: the search for the head's end, and the body."""

    __slots__ = (
        "_data",
        "_joined",
        "_known",
        "_known_fields",
        "_known_framing",
        "_known_is_whole",
        "_known_version",
        "_line",
        "_line_size",
        "_overhead",
        "_part",
        "_patience",
        "_pos",
        "_received",
        "_remaining",
        "_scanned",
        "_seen",
        "_skipped_line",
        "_step",
        "framing",
        "headers",
        "limits",
        "max_body_size",
        "start_line",
    )
    _remembers = True

    start_line: Any
    headers: HTTPHeaders
    framing: Framing

    def __init__(self, limits: ReaderLimits) -> None:
        self.limits = limits
        self.max_body_size = limits.max_body_size
        self._data: bytes | bytearray = b""
        self._pos = 0
        self._scanned = 0
        self._skipped_line = False
        self._remaining = 0
        self._received = 0
        self._overhead = 0
        self._part = _Part.SIZE
        # Of many small chunks, what was read before `MORE`.
        self._joined: bytearray | None = None
        # The start line of the message before, and the size of one whose head is not whole yet.
        self._line: bytes | bytearray = b""
        self._line_size = 0
        self._seen: bytes | None = None
        self._known: bytes | None = None
        self._known_is_whole = False
        # So many bytes of lines behind the known ones are surely not too many lines.
        self._patience = 0
        self._known_version = ""
        # What reads on in the message; None between two messages.
        self._step: Callable[[Any], Event] | None = None

    # Feeding

    def feed(self, data: bytes) -> None:
        """Take bytes that came from the peer."""
        unread = len(self._data) - self._pos
        if not unread:
            self._data = data
            self._pos = 0
        elif isinstance(self._data, bytearray):
            del self._data[: self._pos]
            self._data += data
            self._pos = 0
        else:
            self._data = bytearray(memoryview(self._data)[self._pos :])
            self._data += data
            self._pos = 0

    def feed_eof(self) -> None:
        """Take the end of the stream.

        A body that is delimited by it ends, and the next event is `END`.  Elsewhere than
        between two messages it raises `HTTPInputError`: a body cut short is an error, never a
        shorter body.
        """
        if self._step is _MessageReader._read_until_close:
            self._step = _MessageReader._read_rest
        elif self.in_message or self.buffered:
            self._step = _MessageReader._read_nothing
            raise HTTPInputError("Connection closed within a message")

    @property
    def buffered(self) -> int:
        """Bytes that were fed and not read yet."""
        return len(self._data) - self._pos

    @property
    def in_message(self) -> bool:
        """Whether a head was read whose message has not ended yet."""
        return self._step is not None

    def forget_head(self) -> bool:
        """Let go of a head that was dealt with, but for what the next may be compared to.

        Returns whether something of the next message is here.
        """
        del self.headers
        if not self._line:
            self.start_line = None
        return len(self._data) > self._pos

    def take_rest(self) -> bytes:
        """Give up what was fed and not read yet; it belongs to another protocol now."""
        rest = bytes(memoryview(self._data)[self._pos :])
        self._data = b""
        self._pos = 0
        return rest

    def next_event(self) -> Event:
        """The next event, or None if it takes more bytes to tell.

        `HEAD` opens a message: ``start_line``, ``headers`` and ``framing`` describe it, and if
        ``framing.body`` is 0 that is all of it.  Otherwise ``bytes`` are the next piece of its
        body, at most ``limits.chunk_size`` long, and `END` closes it.  `MORE` is for the next
        turn of the loop: ask again without feeding, once others had theirs.

        Raises `HTTPInputError` for a message that is malformed or beyond a limit; from then on
        None is all that comes.
        """
        try:
            if self._step is not None:
                return self._step(self)
            data = self._data
            begin = self._pos
            line = self._line
            if line and data.startswith(line, begin):
                middle = begin + len(line)  # the start line of the message before
            else:
                middle = self._read_line(data, begin)
                if middle <= begin:
                    return self.next_event() if middle == begin else None
            known = self._known
            if known is None or self._scanned or not data.startswith(known, middle):
                return self._read_block(data, begin, middle)
            end = middle + len(known)
            waiting: bytes | bytearray = b""
            if not self._known_is_whole:
                rest = end
                match = match_patient_lines(data, rest)
                if match is None:
                    return self._read_block(data, begin, middle)
                end = match.end()
                if end - rest > self._patience and not self._may_wait(data[rest:end]):
                    return self._read_block(data, begin, middle)
                waiting = data[rest : end - 2]
            headers = self.headers = _new_headers(HTTPHeaders)
            headers._first = self._known_fields
            headers._waiting = waiting
            self.framing = self._known_framing
            # `_begin`, in line: nearly every request comes this way.
            if end - begin > self.limits.max_header_size:
                raise HTTPInputError("Head of the message too long", 431)
            self._skipped_line = False
            if end == len(data):
                self._data = b""
                end = 0
            self._pos = end
            if self._known_framing.body:
                self._open_body(self._known_framing.body)
            return HEAD
        except HTTPInputError:
            self._step = _MessageReader._read_nothing
            raise

    def _read_nothing(self) -> Event:
        return None

    def _finish(self) -> Event:
        self._step = None
        if self._pos == len(self._data):
            self._data = b""
            self._pos = 0
        return END

    # The head

    def _read_line(self, data: bytes | bytearray, begin: int) -> int:
        """Read a start line that is not the one before, and say where it ends.

        That is ``begin`` where an empty line was skipped, and -1 if it is not all here.
        """
        if self._line_size:
            return begin + self._line_size
        middle = data.find(_CRLF, begin + self._scanned) + 2
        if middle < 2:
            self._wait_for_empty_line()
            return -1
        if middle == begin + 2:
            self._skip_empty_line()
            return begin
        if middle - begin > self.limits.max_header_size:
            raise HTTPInputError("Head of the message too long", 431)
        line = data[begin:middle]
        self._take_start_line(line, self._parse_start_line(line[:-2].decode("latin-1")))
        return middle

    def _take_start_line(self, line: bytes | bytearray, start_line: Any) -> None:
        self.start_line = start_line
        # One that is too long is not held on to while the connection is idle.
        self._line = line if len(line) <= _LARGEST_BLOCK_KEPT else b""
        if start_line.version != self._known_version:
            # What is known was framed for another version.
            self._known_version = start_line.version
            self._known = self._seen = None

    def _may_wait(self, lines: bytes | bytearray) -> bool:
        """Whether ``lines``, with the empty one, are not too many beside the known ones."""
        return lines.count(b"\n") - 1 + len(self._known_fields) <= MAX_HEADERS

    def _read_block(self, data: bytes | bytearray, begin: int, middle: int) -> Event:
        """Read all the lines behind the start line, and learn which ones come again."""
        end = data.find(b"\r\n\r\n", max(middle - 2, begin + self._scanned)) + 4
        if end < 4:
            self._wait_for_empty_line()
            self._line_size = middle - begin
            return None
        if end - begin > self.limits.max_header_size:
            raise HTTPInputError("Head of the message too long", 431)
        block = data[middle:end]
        fields = _fields_of(block)
        self.headers = HTTPHeaders.adopt(fields)
        self.framing = self._decide_framing(fields)
        if (
            self._remembers
            and len(block) <= _LARGEST_BLOCK_KEPT
            and (self._known is None or not block.startswith(self._known))
        ):
            self._learn(bytes(block))
        return self._begin(begin, end)

    def _begin(self, begin: int, end: int) -> Event:
        """A head is there: take note of where it ends, and of what is to come."""
        if end - begin > self.limits.max_header_size:
            raise HTTPInputError("Head of the message too long", 431)
        self._scanned = self._line_size = 0
        self._skipped_line = False
        if end == len(self._data):
            # A connection may be idle now, and is not to hold on to anything.
            self._data = b""
            end = 0
        self._pos = end
        if self.framing.body:
            self.max_body_size = self.limits.max_body_size
            self._open_body(self.framing.body)
        return HEAD

    def _learn(self, block: bytes) -> None:
        """Keep the lines with which both this block and the one before begin."""
        before, self._seen = self._seen, block
        self._known = None
        if before is None:
            return
        if block != before:
            lines = block.split(_CRLF)
            pairs = zip(lines, before.split(_CRLF), strict=False)
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            block = b"".join([line + _CRLF for line in lines[:same]])
        fields = _fields_of(block)
        repeated = any([type(value) is list for value in fields.values()])
        if "Host" not in fields or repeated:
            # Only with the host there is a framing; and lists a copy would share.
            return
        self._known = block
        self._known_is_whole = block is self._seen
        self._known_fields = fields
        self._known_framing = self._decide_framing(fields)
        self._patience = SHORTEST_LINE * (MAX_HEADERS - len(fields))
        self._seen = None

    def _wait_for_empty_line(self) -> None:
        """Look at a head that is not whole yet: refuse at once what can never become one."""
        unread = len(self._data) - self._pos
        if unread >= self.limits.max_header_size:
            raise HTTPInputError("Head of the message too long", 431)
        begin = self._pos + self._scanned
        new = self._data[begin:]
        if not new:
            return
        line_ends = self._data.count(_CRLF, max(begin - 1, self._pos))
        if self._data.count(b"\n", begin) != line_ends:
            raise HTTPInputError("Line end without CR")
        if not is_clean_text(new.replace(b"\r", b"").replace(b"\n", b"")):
            raise HTTPInputError("Control character in the head")
        # The last three bytes may be the beginning of the empty line.
        self._scanned = max(unread - 3, 0)

    def _skip_empty_line(self) -> None:
        """Ignore one empty line before a message (RFC 9112 section 2.2), and no more."""
        if self._skipped_line:
            raise HTTPInputError("Empty lines instead of a message")
        self._skipped_line = True
        self._pos += 2
        self._scanned = 0

    # What reads a start line.
    _parse_start_line: Callable[[str], Any]

    def _decide_framing(self, fields: Fields) -> Framing:
        raise NotImplementedError

    # Bodies

    def _open_body(self, body: int) -> None:
        self._received = 0
        self._remaining = 0
        if body == CHUNKED:
            self._overhead = 0
            self._part = _Part.SIZE
            self._step = _MessageReader._read_chunked
        elif body == UNTIL_CLOSE:
            self._step = _MessageReader._read_until_close
        else:
            self._remaining = body
            self._step = _MessageReader._begin_length

    def _take(self, most: int) -> bytes:
        """The next bytes that are here already, at most ``most``; no copy if it is all."""
        data = self._data
        pos = self._pos
        here = len(data) - pos
        size = min(most, here, self.limits.chunk_size)
        self._pos = pos + size
        if size == here and pos == 0 and isinstance(data, bytes):
            self._data = b""
            self._pos = 0
            return data
        return bytes(memoryview(data)[pos : pos + size])

    def _count(self, size: int) -> None:
        self._received += size
        if self._received > self.max_body_size:
            raise HTTPInputError("Body too long", 413)

    def _begin_length(self) -> Event:
        # Only now, so that whoever saw the head could set another limit.
        if self._remaining > self.max_body_size:
            raise HTTPInputError("Content-Length too long", 413)
        self._step = _MessageReader._read_length
        return self._read_length()

    def _read_length(self) -> Event:
        data = self._data
        size = len(data)
        pos = self._pos
        if pos == size:
            return None
        if (
            not pos
            and size < self._remaining
            and size <= self.limits.chunk_size
            and type(data) is bytes
        ):
            # What `_take` does, for the usual piece in the middle of a large body.
            self._data = b""
            self._remaining -= size
            return data
        piece = self._take(self._remaining)
        self._remaining -= len(piece)
        if not self._remaining:
            self._step = _MessageReader._finish
        return piece

    def _read_until_close(self) -> Event:
        if self._pos == len(self._data):
            return None
        piece = self._take(self.limits.chunk_size)
        self._count(len(piece))
        return piece

    def _read_rest(self) -> Event:
        """What is left of a body that ended with the stream, and then its end."""
        return self._read_until_close() or self._finish()

    def _read_chunked(self) -> Event:
        pieces: list[bytes] = []
        joined, self._joined = self._joined, None
        room = self.limits.chunk_size - (len(joined) if joined else 0)
        while room and self._pos < len(self._data):
            if len(pieces) == MAX_CHUNKS_PER_TURN:
                self._joined = joined if joined is not None else bytearray()
                self._joined += b"".join(pieces)
                return MORE
            if self._part is _Part.DATA:
                piece = self._take(min(self._remaining, room))
                self._count(len(piece))
                self._remaining -= len(piece)
                room -= len(piece)
                pieces.append(piece)
                if not self._remaining:
                    self._part = _Part.LINE_END
            elif self._part is _Part.LINE_END:
                if not self._pass_line_end():
                    break
                self._part = _Part.SIZE
            else:
                size = self._read_chunk_size()
                if size is None:
                    break
                if not size:
                    self._step = _MessageReader._read_trailers
                    break
                self._remaining = size
                self._part = _Part.DATA
        if joined:
            pieces.insert(0, bytes(joined))
        if pieces:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._read_trailers() if self._step is _MessageReader._read_trailers else None

    def _pass_line_end(self) -> bool:
        """Step over the CRLF that must follow a chunk's data; False if it is not all here."""
        found = self._data[self._pos : self._pos + 2]
        if found == _CRLF:
            self._pos += 2
            return True
        if found != b"\r":
            raise HTTPInputError("improperly terminated chunk")
        return False

    def _read_chunk_size(self) -> int | None:
        eol = self._data.find(_CRLF, self._pos, self._pos + MAX_CHUNK_LINE + 2)
        if eol < 0:
            line = self._data[self._pos : self._pos + MAX_CHUNK_LINE + 2]
            if len(line) == MAX_CHUNK_LINE + 2 or not is_clean_text(line.removesuffix(b"\r")):
                raise HTTPInputError("invalid chunk size")
            return None
        digits, extension, text = self._data[self._pos : eol].partition(b";")
        if not _CHUNK_SIZE.fullmatch(digits) or not is_clean_text(text):
            raise HTTPInputError("invalid chunk size")
        if extension:
            self._overhead += len(text) + 1
            if self._overhead > self.limits.max_header_size:
                raise HTTPInputError("chunk extensions too large")
        self._pos = eol + 2
        size = int(digits, 16)
        if self._received + size > self.max_body_size:
            raise HTTPInputError("chunked body too large", 413)
        return size

    def _read_trailers(self) -> Event:
        """Read the trailer section, which must be well-formed and is not kept."""
        pos = self._pos
        if self._data[pos : pos + 2] == _CRLF:
            self._pos = pos + 2
            return self._finish()
        end = self._data.find(b"\r\n\r\n", pos + self._scanned) + 4
        if end < 4:
            self._wait_for_empty_line()
            return None
        if end - pos > self.limits.max_header_size:
            raise HTTPInputError("Trailers too long", 431)
        _fields_of(self._data[pos:end])
        self._pos = end
        self._scanned = 0
        return self._finish()


def _fields_of(block: bytes | bytearray) -> Fields:
    """Read lines with their line ends, the last one of which may be the empty line."""
    lines = split_lines(block)
    while lines and not lines[-1]:
        lines.pop()
    return read_fields(lines) if lines else {}


class RequestReader(_MessageReader):
    """The reader of a server: see `_MessageReader.next_event`."""

    __slots__ = ()

    _parse_start_line = staticmethod(read_request_line)

    def _read_line(self, data: bytes | bytearray, begin: int) -> int:
        usual = match_usual_line(data, begin) if not self._scanned else None
        if usual is None:
            return super()._read_line(data, begin)
        middle = usual.end()
        start_line = start_line_of(usual)
        if start_line[2] != self._known_version or middle - begin > _LARGEST_BLOCK_KEPT:
            self._take_start_line(data[begin:middle], start_line)
        else:
            self._line = data[begin:middle]
            self.start_line = start_line
        return middle

    def _decide_framing(self, fields: Fields) -> Framing:
        return frame_request(self.start_line, fields)


class ResponseReader(_MessageReader):
    """The reader of a client.

    ``request_method`` is that of the request whose response comes next: to a ``HEAD`` there is
    no body, whatever the head says.  So the framing is decided afresh for every response.
    """

    __slots__ = ("request_method",)
    _remembers = False

    def __init__(self, limits: ReaderLimits, request_method: str | None = None) -> None:
        super().__init__(limits)
        self.request_method = request_method

    _parse_start_line = staticmethod(read_status_line)

    def _decide_framing(self, fields: Fields) -> Framing:
        return frame_response(self.start_line, fields, self.request_method)
