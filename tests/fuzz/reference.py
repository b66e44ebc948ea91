"""A second reading of HTTP/1.1, to hold the first against: RFC 9112 by the letter, and slowly.

It has all the bytes at once and goes through them one at a time.  It knows nothing of the reader;
what they share are the RFC and the policy that SECURITY and the reader's documentation state:
one empty line before a message, ``chunked`` as the only coding, the limits.
"""

from __future__ import annotations

import ipaddress
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

TCHAR: Final = frozenset((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())
DIGIT: Final = frozenset(b"0123456789")
HEXDIG: Final = frozenset(b"0123456789abcdefABCDEF")
# Longer than any name or address, and taken for none.
LONGEST_HOST: Final = 1024
# No comma: two hosts that somebody has joined must not pass for one.
HOST_CHAR: Final = frozenset((string.ascii_letters + string.digits + "-._~%!$&'()*+;=").encode())

CR, LF, HTAB, SP, DEL = 13, 10, 9, 32, 127
MOST_LINES: Final = 200
LONGEST_CHUNK_LINE: Final = 256
LONGEST_METHOD: Final = 32


class Invalid(Exception):
    """These bytes are no message, whatever follows."""


class Incomplete(Exception):
    """The bytes ended within a message."""


class Verdict(Enum):
    CLEAN = "the bytes end with a message"
    INCOMPLETE = "the bytes end within a message"
    INVALID = "there is something that is no message"


@dataclass
class Message:
    """``start`` is what the first line says, as bytes; ``fields`` are in the order they came."""

    start: tuple[bytes, ...]
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    has_body: bool = False
    complete: bool = False
    keep_alive: bool = True


@dataclass(frozen=True)
class Limits:
    head: int
    body: int


class Cursor:
    """A place in the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0

    def at_end(self) -> bool:
        return self.pos == len(self.data)

    def byte(self) -> int:
        if self.at_end():
            raise Incomplete
        self.pos += 1
        return self.data[self.pos - 1]

    def crlf(self) -> None:
        if self.byte() != CR or self.byte() != LF:
            raise Invalid("no line end")

    def line(self) -> bytes:
        """The bytes before the next CRLF, none of which is a control character but HTAB."""
        found = bytearray()
        while True:
            byte = self.byte()
            if byte == CR:
                if self.byte() != LF:
                    raise Invalid("bare CR")
                return bytes(found)
            if (byte < SP and byte != HTAB) or byte == DEL:
                raise Invalid("control character")
            found.append(byte)


class Conversation:
    """All the messages in some bytes that go in one direction.

    ``messages``: what there is, the last one perhaps in part.  ``verdict``: how it ended.
    ``methods`` None: the messages are requests; else they are the responses to requests of these
    methods, or of the last one if there are more.  ``eof``: nothing follows.
    """

    def __init__(
        self,
        data: bytes,
        limits: Limits,
        *,
        methods: Sequence[bytes] | None = None,
        eof: bool = False,
    ) -> None:
        self.messages: list[Message] = []
        self._cursor = Cursor(data)
        self._limits = limits
        self._methods = methods
        self._answered = 0
        self._eof = eof
        self.why = ""
        try:
            self._skipped = False
            while not self._cursor.at_end():
                self._read_message()
            self.verdict = Verdict.CLEAN
        except Incomplete:
            self.verdict = Verdict.INCOMPLETE
        except Invalid as e:
            self.verdict = Verdict.INVALID
            self.why = str(e)

    def _read_message(self) -> None:
        cursor = self._cursor
        begin = cursor.pos
        first = cursor.line()
        if not first:
            # RFC 9112 section 2.2; one is enough for anybody.
            if self._skipped:
                raise Invalid("empty lines")
            self._skipped = True
            return
        self._skipped = False
        start = read_request_line(first) if self._methods is None else read_status_line(first)
        fields = self._read_fields()
        if cursor.pos - begin > self._limits.head:
            raise Invalid("long head")
        message = Message(start, fields)
        framing = self._framing(message)
        self.messages.append(message)
        self._read_body(message, framing)
        message.complete = True

    def _read_fields(self) -> list[tuple[bytes, bytes]]:
        fields = []
        while line := self._cursor.line():
            name, colon, value = line.partition(b":")
            if not colon or not name or not TCHAR.issuperset(name):
                raise Invalid("field name")
            fields.append((name.lower(), value.strip(b" \t")))
            if len(fields) > MOST_LINES:
                raise Invalid("many lines")
        return fields

    def _framing(self, message: Message) -> int | str:
        """The number of bytes of the body, or "chunked", or "close" (section 6.3)."""
        version = message.start[2 if self._methods is None else 0]
        old = version == b"HTTP/1.0"
        values = values_of(message, b"connection")
        options = {one.strip(b" \t").lower() for value in values for one in value.split(b",")}
        message.keep_alive = b"close" not in options and (not old or b"keep-alive" in options)
        codings = values_of(message, b"transfer-encoding")
        lengths = values_of(message, b"content-length")
        if codings and (lengths or old or [one.lower() for one in codings] != [b"chunked"]):
            raise Invalid("transfer coding")
        if self._methods is not None:
            lengths = [one.strip(b" \t") for value in lengths for one in value.split(b",")]
            if len(set(lengths)) > 1:
                raise Invalid("unequal lengths")
            lengths = lengths[:1]
        else:
            check_hosts(values_of(message, b"host"), old)
        if len(lengths) > 1:
            raise Invalid("lengths")
        if lengths and not (1 <= len(lengths[0]) <= 15 and DIGIT.issuperset(lengths[0])):
            raise Invalid("length")
        if self._methods is not None and self._has_no_body(self._methods, int(message.start[1])):
            return 0
        if codings:
            return "chunked"
        if lengths:
            return int(lengths[0])
        return 0 if self._methods is None else "close"

    def _has_no_body(self, methods: Sequence[bytes], code: int) -> bool:
        if 100 <= code < 200:
            return True
        method = methods[min(self._answered, len(methods) - 1)]
        self._answered += 1
        tunnel = method == b"CONNECT" and code < 300
        return code in (204, 304) or method == b"HEAD" or tunnel

    def _read_body(self, message: Message, framing: int | str) -> None:
        if framing == 0:
            return
        message.has_body = True
        if framing == "chunked":
            self._read_chunks(message)
        elif framing == "close":
            message.keep_alive = False
            self._take(message, len(self._cursor.data) - self._cursor.pos)
            if not self._eof:
                raise Incomplete
        else:
            assert isinstance(framing, int)
            if framing > self._limits.body:
                raise Invalid("long body")
            self._take(message, framing)

    def _take(self, message: Message, size: int) -> None:
        cursor = self._cursor
        found = cursor.data[cursor.pos : cursor.pos + size]
        cursor.pos += len(found)
        message.body += found
        if len(message.body) > self._limits.body:
            raise Invalid("long body")
        if len(found) < size:
            raise Incomplete

    def _read_chunks(self, message: Message) -> None:
        cursor = self._cursor
        extensions = 0
        while True:
            line = cursor.line()
            if len(line) > LONGEST_CHUNK_LINE:
                raise Invalid("long chunk line")
            digits, semicolon, extension = line.partition(b";")
            if not 1 <= len(digits) <= 16 or not HEXDIG.issuperset(digits):
                raise Invalid("chunk size")
            extensions += len(semicolon + extension)
            if extensions > self._limits.head:
                raise Invalid("long extensions")
            size = int(digits, 16)
            if len(message.body) + size > self._limits.body:
                raise Invalid("long body")
            if not size:
                break
            self._take(message, size)
            cursor.crlf()
        begin = cursor.pos
        # A section of nothing but the empty line is no section.
        if self._read_fields() and cursor.pos - begin > self._limits.head:
            raise Invalid("long trailers")


def values_of(message: Message, name: bytes) -> list[bytes]:
    return [value for key, value in message.fields if key == name]


def check_version(version: bytes) -> None:
    """Section 2.3."""
    if len(version) != 8 or version[:7] != b"HTTP/1." or version[7] not in DIGIT:
        raise Invalid("version")


def read_request_line(line: bytes) -> tuple[bytes, ...]:
    """Section 3."""
    parts = tuple(line.split(b" "))
    if len(parts) != 3:
        raise Invalid("request line")
    method, target, version = parts
    if not 1 <= len(method) <= LONGEST_METHOD or not TCHAR.issuperset(method):
        raise Invalid("method")
    check_version(version)
    if HTAB in target or not is_target(method, target):
        raise Invalid("target")
    return parts


def is_target(method: bytes, target: bytes) -> bool:
    """Section 3.2: the four forms."""
    if method == b"CONNECT":
        host, colon, port = target.rpartition(b":")
        return bool(host and colon and port) and is_authority(target)
    if target[:1] == b"/":
        return True
    if target == b"*":
        return method == b"OPTIONS"
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https") or b"#" in rest:
        return False
    for i, byte in enumerate(rest):
        if byte in b"/?":
            rest = rest[:i]
            break
    return rest[:1] not in (b"", b":") and is_authority(rest)


def is_authority(text: bytes) -> bool:
    """RFC 3986 section 3.2 without user information: a host, and perhaps a port."""
    if len(text) > LONGEST_HOST:
        return False
    if text[:1] == b"[":
        literal, bracket, rest = text[1:].partition(b"]")
        if not bracket or not is_ipv6(literal):
            return False
    else:
        host, colon, port = text.partition(b":")
        rest = colon + port
        if not HOST_CHAR.issuperset(host) or not is_percent_encoded(host):
            return False
    if not rest:
        return True
    port = rest[1:]
    if rest[0] != ord(":") or len(port) > 5 or not DIGIT.issuperset(port):
        return False
    return int(port or b"0") <= 65535


def is_ipv6(text: bytes) -> bool:
    if b"%" in text or not text.isascii():
        return False
    try:
        ipaddress.IPv6Address(text.decode())
    except ValueError:
        return False
    return True


def is_percent_encoded(text: bytes) -> bool:
    """Whether two hexadecimal digits stand behind every percent sign."""
    return all(len(one) >= 2 and HEXDIG.issuperset(one[:2]) for one in text.split(b"%")[1:])


def check_hosts(hosts: list[bytes], old: bool) -> None:
    """Section 3.2: one, or none if it is HTTP/1.0."""
    if len(hosts) > 1 or (not hosts and not old):
        raise Invalid("hosts")
    if hosts and not is_authority(hosts[0]):
        raise Invalid("host")


def read_status_line(line: bytes) -> tuple[bytes, ...]:
    """Section 4; many servers leave out the blank before a reason that is empty."""
    version, _, rest = line.partition(b" ")
    code, _, reason = rest.partition(b" ")
    check_version(version)
    # RFC 9110 section 15 knows none below 100.
    if len(code) != 3 or not DIGIT.issuperset(code) or code[:1] == b"0":
        raise Invalid("status")
    return version, code, reason
