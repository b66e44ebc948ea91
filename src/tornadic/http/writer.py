"""Writing HTTP/1 messages: given a head, a body and an end, the writer gives bytes.

It decides how the body is framed, so that what goes out is always what a strict reader takes
for one message, and it counts what is written against a ``Content-Length``.  Neither a CR, an LF
nor another control character gets out: headers do not take any, and start lines are searched.
"""

from __future__ import annotations

import re

from tornadic.http.errors import HTTPOutputError
from tornadic.http.framing import connection_options
from tornadic.http.headers import TOKEN, Fields, HTTPHeaders, encode_fields
from tornadic.http.startlines import TARGET

__all__ = ["MessageWriter", "encode_chunk"]

LAST_CHUNK = b"0\r\n\r\n"

# What readers take, ours among them.
_MOST_DIGITS = 15


def encode_chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112 section 7.1); of nothing, nothing."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


_PHRASE = re.compile(r"[\t\x20-\x7E\x80-\xFF]*")

# The lines that were checked and put together before.
_status_lines: dict[tuple[int, str], str] = {}
_STATUS_LINES_KEPT = 128


def _status_line(status: int, reason: str) -> str:
    is_number = isinstance(status, int) and not isinstance(status, bool)
    if not is_number or not 100 <= status <= 999 or not _PHRASE.fullmatch(reason):
        raise ValueError(f"Unsafe status line {status!r} {reason[:100]!r}")
    line = f"HTTP/1.1 {status} {reason}"
    if len(_status_lines) < _STATUS_LINES_KEPT:
        _status_lines[status, reason] = line
    return line


def _declared_length(fields: Fields) -> int:
    value = fields["Content-Length"]
    if "Transfer-Encoding" in fields:
        raise HTTPOutputError("Message with both Transfer-Encoding and Content-Length")
    # Characters are bytes here, so that only ASCII digits are decimal.
    if isinstance(value, list) or not value.isdecimal() or len(value) > _MOST_DIGITS:
        raise HTTPOutputError(f"Malformed Content-Length {value!r:.40}")
    return int(value)


class MessageWriter:
    """The state of what is written for one message after another.

    ``left``: bytes of the body that are still due, or None if they are not counted.
    ``keep_alive``: whether the connection can be of use after this message.
    """

    __slots__ = ("_chunked", "keep_alive", "left")

    def __init__(self) -> None:
        self.keep_alive = True
        self.left: int | None = 0
        self._chunked = False

    def response_head(
        self,
        status: int,
        reason: str,
        headers: HTTPHeaders,
        method: str,
        version: str,
        keep_alive: bool,
        chunk: bytes | None = None,
    ) -> bytes:
        """The head of the answer to a request of ``method`` and ``version``, and ``chunk``.

        Adds to ``headers`` what the framing takes: ``Transfer-Encoding: chunked`` where the body
        has no length and the peer can take chunks, and ``Connection`` (RFC 9112 section 9.3)
        where the connection closes, for want of framing or of ``keep_alive``.  HTTP/1.0 is told
        as well if the connection stays, and gets no 1xx response: no bytes.  Raises ValueError
        for anything that would break the head, and `HTTPOutputError` for a malformed or
        contradictory framing, or if ``chunk`` is too long for it.
        """
        fields = headers._fields
        length = _declared_length(fields) if "Content-Length" in fields else None
        bodiless = status < 200 or status == 204 or status == 304 or method == "HEAD"
        chunked = False
        if "Transfer-Encoding" in fields:
            # Whoever asks for chunks gets them from us, if the peer can take them.
            if fields.pop("Transfer-Encoding") != "chunked":
                raise HTTPOutputError("Transfer-Encoding other than chunked")
        elif length is not None and (status < 200 or status == 204):
            del fields["Content-Length"]  # RFC 9110 section 8.6
        if length is None and not bodiless:
            if method == "CONNECT" and status < 300:
                bodiless = True  # what follows is a tunnel (RFC 9110 section 9.3.6)
            elif version != "HTTP/1.0":
                chunked = True
                fields["Transfer-Encoding"] = "chunked"
            else:
                keep_alive = False
        if "Connection" in fields and "close" in connection_options(fields):
            keep_alive = False
        if version == "HTTP/1.0":
            if status < 200 and status != 101:
                self.keep_alive = keep_alive
                return b""  # that version knows none of these (RFC 9110 section 15.2)
            if keep_alive:
                fields["Connection"] = "Keep-Alive"
        if not keep_alive and status >= 200:
            # HTTP/1.0 is told too: our answers are HTTP/1.1, whose connections stay by default,
            # and a proxy would keep one that is about to close.
            fields["Connection"] = "close"
        line = _status_lines.get((status, reason)) or _status_line(status, reason)
        head = encode_fields(line, fields)
        self.keep_alive = keep_alive
        self._chunked = chunked
        self.left = 0 if bodiless else length
        if not chunk:
            return head
        if self.left == len(chunk):
            self.left = 0
            return head + chunk
        return head + self.data(chunk)

    def request_head(self, method: str, target: str, headers: HTTPHeaders) -> bytes:
        """The head of a request, framed as its headers say; errors as in `response_head`.

        A method that usually has a body gets one in chunks where no length is declared.
        """
        if not TOKEN.fullmatch(method) or not TARGET.fullmatch(target):
            raise ValueError(f"Unsafe request line {method[:40]!r} {target[:100]!r}")
        fields = headers._fields
        length = _declared_length(fields) if "Content-Length" in fields else None
        coding = headers.get("Transfer-Encoding")
        if coding is None and length is None and method in ("POST", "PUT", "PATCH"):
            coding = headers["Transfer-Encoding"] = "chunked"
        head = encode_fields(f"{method} {target} HTTP/1.1", fields)
        self._chunked = coding is not None and coding.lower() == "chunked"
        self.left = None if self._chunked else length or 0
        return head

    def data(self, chunk: bytes) -> bytes:
        """The bytes that carry ``chunk``.

        Raises `HTTPOutputError` if it is more than the declared length has room for.
        """
        if self.left is not None:
            if len(chunk) > self.left:
                raise HTTPOutputError("Tried to write more data than Content-Length")
            self.left -= len(chunk)
            return chunk
        return encode_chunk(chunk) if self._chunked else chunk

    def end(self) -> bytes:
        """The bytes that end the message, often none.

        Raises `HTTPOutputError` if less was written than declared; the connection is of no
        further use then.
        """
        if self.left:
            raise HTTPOutputError(f"Tried to write {self.left} bytes less than Content-Length")
        tail = LAST_CHUNK if self._chunked else b""
        # Whatever is still written is too much.
        self.left = 0
        self._chunked = False
        return tail
