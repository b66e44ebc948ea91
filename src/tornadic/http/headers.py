"""Header fields: a multi-valued, case-insensitive mapping, and the strict way to read one.

One dictionary holds everything: the canonical name maps to a string, or to a list of strings
where a field came more than once.  So the common field costs one entry, and a thousand lines
of one name are appended to a list and joined only if somebody asks.

Lines and names are looked up in bounded tables of what was seen before, so that what comes with
every request is checked and taken apart once.  And lines that nobody but the program can want are
checked, but taken apart only when it asks for a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from tornadic.http.errors import HTTPInputError

__all__ = [
    "MAX_HEADERS",
    "SHORTEST_LINE",
    "TOKEN",
    "HTTPHeaders",
    "encode_fields",
    "is_clean_text",
    "match_patient_lines",
    "read_fields",
    "split_lines",
]

MAX_HEADERS = 200
"""Field lines in one message: twice what other servers take, far less than a head can hold."""

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2."""

Fields = dict[str, str | list[str]]
"""Canonical names, and the value, or the list of values, of each."""

URGENT = frozenset(
    ["Connection", "Content-Length", "Expect", "Host", "If-None-Match", "Transfer-Encoding"]
)
"""Fields that we ourselves look for in every request."""

match_patient_lines = re.compile(
    rb"(?:"
    rb"(?![CEHITcehit](?i:onnection|ontent-length|xpect|ost|f-none-match|ransfer-encoding):)"
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7E\x80-\xFF]*+\r\n"
    rb")*+\r\n"
).match
"""Lines that may be taken apart later: all well-formed, none `URGENT`, and then the empty line."""

SHORTEST_LINE = 4
"""Bytes in ``a:`` and its line end."""

_VALUE = re.compile(r"[^\x00-\x08\x0A-\x1F\x7F]*")
_BYTES_VALUE = re.compile(r"[\t\x20-\x7E\x80-\xFF]*")

# What may stand in a head, apart from its line ends: HTAB, SP, VCHAR and obs-text.
_ALLOWED = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])

_FOLDED = "header line cannot start with whitespace, folding not supported"

_SPELLINGS_KEPT = 1024
_LONGEST_SPELLING_KEPT = 64
_canonical: dict[str, str] = {}

# Browsers send most lines again and again, also on other connections; such a line was checked
# when it came first.  Only fields that are no secret, and not different every time, are kept.
_LINES_KEPT = 1024
_LONGEST_LINE_KEPT = 256
_KEPT = frozenset(
    [
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Type",
        "Dnt",
        "Host",
        "Keep-Alive",
        "Origin",
        "Pragma",
        "Priority",
        "Sec-Ch-Ua",
        "Sec-Ch-Ua-Mobile",
        "Sec-Ch-Ua-Platform",
        "Sec-Fetch-Dest",
        "Sec-Fetch-Mode",
        "Sec-Fetch-Site",
        "Sec-Fetch-User",
        "Sec-Gpc",
        "Server",
        "Te",
        "Transfer-Encoding",
        "Upgrade",
        "Upgrade-Insecure-Requests",
        "User-Agent",
        "Vary",
        "X-Forwarded-Proto",
        "X-Requested-With",
        "X-Scheme",
    ]
)
_lines: dict[str, tuple[str, str]] = {}

# These are known from the start, so that no flood of other names can keep them out.
for _name in (
    *_KEPT,
    *URGENT,
    *("Authorization", "Content-Length", "Cookie", "Date", "Etag", "Expires", "If-Match"),
    *("If-Modified-Since", "Last-Modified", "Location", "Referer", "Set-Cookie"),
    *("X-Forwarded-For", "X-Real-Ip", "X-Request-Id", "X-Xsrftoken"),
):
    _canonical[_name] = _canonical[_name.lower()] = _name


def is_clean_text(raw: bytes | bytearray, line_ends: int = 0) -> bool:
    """Whether ``raw`` holds no control character but HTAB and exactly ``line_ends`` CRLFs.

    The caller has counted the CRLFs (by splitting at them), so whatever else is left when all
    that is allowed is deleted is a bare CR, a bare LF, a NUL or another control character.
    """
    return len(raw.translate(None, _ALLOWED)) == 2 * line_ends


def _canonicalise(name: str) -> str:
    """``name`` in the form ``Content-Type``, remembered if it is a name that may come again."""
    canonical = "-".join([word.capitalize() for word in name.split("-")])
    if (
        len(_canonical) < _SPELLINGS_KEPT
        and len(name) <= _LONGEST_SPELLING_KEPT
        and TOKEN.fullmatch(name)
    ):
        _canonical[name] = canonical
    return canonical


def _checked_name(name: str) -> str:
    """The canonical form of ``name``, which must be a token; raises `HTTPInputError`."""
    if not TOKEN.fullmatch(name):
        if name[:1] in (" ", "\t"):
            raise HTTPInputError(_FOLDED)
        raise HTTPInputError(f"Invalid header name {name[:100]!r}")
    return _canonical.get(name) or _canonicalise(name)


def split_lines(block: bytes | bytearray) -> list[str]:
    """Split a block of header lines at its CRLFs, one character for each byte.

    Raises `HTTPInputError` for a bare CR or LF, and for any other control character.
    """
    lines = block.decode("latin-1").split("\r\n")
    if not is_clean_text(block, len(lines) - 1):
        raise HTTPInputError("Invalid header value: control character in the headers")
    return lines


def read_fields(lines: list[str]) -> Fields:
    """Read the field lines of a head (RFC 9112 section 5), none of which may be folded.

    ``lines`` are without their line ends, one character for each byte, and were searched for
    control characters (see `split_lines`).  Returns what `HTTPHeaders.adopt` takes.  Raises
    `HTTPInputError`: with status 431 for more than `MAX_HEADERS` lines, else 400.
    """
    if len(lines) > MAX_HEADERS:
        raise HTTPInputError("Too many headers", 431)
    found = [_field(line) for line in lines]
    fields: Fields = dict(found)
    if len(fields) != len(found):
        fields = {}
        for key, value in found:
            if key in fields:
                _append(fields, key, value)
            else:
                fields[key] = value
    return fields


def _field(line: str) -> tuple[str, str]:
    return _lines.get(line) or _read_line(line)


def _read_line(line: str) -> tuple[str, str]:
    """The canonical name and the value in a line; raises `HTTPInputError`."""
    name, colon, value = line.partition(":")
    if not colon:
        if line[:1] in (" ", "\t"):
            raise HTTPInputError(_FOLDED)
        raise HTTPInputError("no colon in header line")
    # White space before the colon and folded lines are no tokens, and end here.
    key = _canonical.get(name)
    if key is None:
        key = _checked_name(name)
    field = key, value.strip(" \t")
    if key in _KEPT and len(line) <= _LONGEST_LINE_KEPT:
        if len(_lines) >= _LINES_KEPT:
            _lines.clear()
        _lines[line] = field
    return field


def _append(fields: Fields, key: str, value: str) -> None:
    before = fields[key]
    if isinstance(before, list):
        before.append(value)
    else:
        fields[key] = [before, value]


class HTTPHeaders(MutableMapping[str, str]):
    """A case-insensitive mapping of header names to values, in which a name may come twice.

    As a mapping, the values of a repeated name are joined with commas; `get_list` and
    `get_all` give them one by one::

        >>> h = HTTPHeaders({"content-type": "text/html"})
        >>> h.add("Set-Cookie", "A=B")
        >>> h.add("Set-Cookie", "C=D")
        >>> h["set-cookie"], h.get_list("set-cookie")
        ('A=B,C=D', ['A=B', 'C=D'])

    Takes what `dict` takes, or another `HTTPHeaders`.  What could end a line is never in here:
    assigning a name that is no token, or a value with a control character or one beyond U+00FF,
    raises ValueError, and a value that is neither text nor bytes TypeError.  Bytes become text,
    a character each, and a list of values as many lines.
    """

    __slots__ = ("__weakref__", "_fields", "_first", "_waiting")

    _fields: Fields
    # While lines wait to be taken apart: those, and the fields before them, which are not ours.
    _first: Fields
    _waiting: bytes | bytearray | None

    def __init__(self, *args: Any, **kwargs: str) -> None:
        self._waiting = None
        self._fields = {}
        if len(args) == 1 and not kwargs and isinstance(args[0], HTTPHeaders):
            self._fields = args[0]._copy_fields()
        elif args or kwargs:
            self.update(*args, **kwargs)

    @classmethod
    def adopt(cls, fields: Fields) -> HTTPHeaders:
        """Make headers of a dictionary from canonical names to values, which becomes theirs.

        What is in it must be clean already.
        """
        self = cls.__new__(cls)
        self._waiting = None
        self._fields = fields
        return self

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not there: the first time that anybody wants the fields.
        if name != "_fields":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        fields = self._first.copy()
        if self._waiting:
            for key, value in map(_field, self._waiting[:-2].decode("latin-1").split("\r\n")):
                if key in fields:
                    _append(fields, key, value)
                else:
                    fields[key] = value
        self._fields = fields
        self._waiting = None
        return fields

    def peek(self, name: str) -> str | None:
        """The value of the field called ``name``, in its canonical form; None if there is none.

        Nothing else is taken apart for that, unless the name stands in several places.
        """
        waiting = self._waiting
        if waiting is None:
            value = self._fields.get(name)
        elif not waiting or name in URGENT:
            value = self._first.get(name)
        else:
            value = self._peek_into(waiting, name)
        return ",".join(value) if isinstance(value, list) else value

    def _peek_into(self, waiting: bytes | bytearray, name: str) -> str | list[str] | None:
        """The field among lines that wait, which stay so if it stands in one place only."""
        searched, wanted = waiting.lower(), name.lower().encode() + b":"
        start = searched.find(wanted)
        if start < 0:
            return self._first.get(name)
        begins_line = start == 0 or searched[start - 1 : start] == b"\n"
        start += len(wanted)
        if not begins_line or name in self._first or searched.find(wanted, start) >= 0:
            return self._fields.get(name)
        return waiting[start : waiting.index(b"\r", start)].decode("latin-1").strip(" \t")

    def _copy_fields(self) -> Fields:
        return {k: v if isinstance(v, str) else list(v) for k, v in self._fields.items()}

    # Beyond a mapping

    def add(self, name: str, value: str, *, _chars_are_bytes: bool = True) -> None:
        """Add one more value for ``name``.

        ``value`` may hold characters up to U+00FF, each of which stands for a byte
        (``_chars_are_bytes=False`` lifts that, for headers inside a form's part).  Raises
        `HTTPInputError` if the name is no token or the value has a control character.
        """
        key = _checked_name(name)
        pattern = _BYTES_VALUE if _chars_are_bytes else _VALUE
        if not pattern.fullmatch(value):
            raise HTTPInputError(f"Invalid header value {value[:100]!r}")
        if key in self._fields:
            _append(self._fields, key, value)
        else:
            self._fields[key] = value

    def get_list(self, name: str) -> list[str]:
        """All values of ``name`` in the order they came; an empty list if there are none."""
        found = self._fields.get(_canonical.get(name) or _canonicalise(name))
        if found is None:
            return []
        return [found] if isinstance(found, str) else list(found)

    def get_all(self) -> Iterable[tuple[str, str]]:
        """All ``(name, value)`` pairs; a name with several values comes several times."""
        for name, value in self._fields.items():
            if isinstance(value, list):
                for one in value:
                    yield name, one
            else:
                yield name, value

    def parse_line(self, line: str, *, _chars_are_bytes: bool = True) -> None:
        """Add the field of one line, with or without its line end.

        Raises `HTTPInputError` for anything but ``name: value``; lines that continue an
        earlier one are not accepted (RFC 9112 section 5.2).
        """
        if line.endswith("\n"):
            line = line[:-2] if line.endswith("\r\n") else line[:-1]
        if not line:
            return
        if line[0] in " \t":
            raise HTTPInputError(_FOLDED)
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPInputError("no colon in header line")
        self.add(name, value.strip(" \t"), _chars_are_bytes=_chars_are_bytes)

    @classmethod
    def parse(cls, headers: str, *, _chars_are_bytes: bool = True) -> HTTPHeaders:
        r"""Read a block of header lines that end in CRLF or LF.

        >>> sorted(HTTPHeaders.parse("Content-Type: text/html\r\nContent-Length: 42\r\n").items())
        [('Content-Length', '42'), ('Content-Type', 'text/html')]

        Raises `HTTPInputError` as `parse_line` does.
        """
        self = cls()
        for line in headers.split("\n"):
            self.parse_line(line.removesuffix("\r"), _chars_are_bytes=_chars_are_bytes)
        return self

    # The mapping

    def __setitem__(self, name: str, value: str) -> None:
        key = _canonical.get(name)
        if key is None:
            if not TOKEN.fullmatch(name):
                raise ValueError(f"Illegal header name {name[:100]!r}")
            key = _canonicalise(name)
        if not isinstance(value, str):
            if isinstance(value, (list, tuple)):
                self._set_list(name, key, value)
                return
            if not isinstance(value, bytes):
                raise TypeError(f"A header value is text, not {value!r}")
            value = value.decode("latin-1")
        if not (value.isascii() and value.isprintable()) and not _BYTES_VALUE.fullmatch(value):
            raise ValueError(f"Unsafe header value {value[:100]!r}")
        self._fields[key] = value

    def _set_list(self, name: str, key: str, values: Sequence[Any]) -> None:
        """Set a line for each of ``values``, or none at all."""
        checked = HTTPHeaders()
        lines: list[str] = []
        for value in values:
            if isinstance(value, (list, tuple)):
                raise TypeError(f"A header value is text, not {value!r}")
            checked[name] = value
            lines.append(checked[name])
        if len(lines) > 1:
            self._fields[key] = lines
        elif lines:
            self._fields[key] = lines[0]
        else:
            self._fields.pop(key, None)

    def __getitem__(self, name: str) -> str:
        value = self._fields[_canonical.get(name) or _canonicalise(name)]
        return ",".join(value) if isinstance(value, list) else value

    def get(self, key: str, default: Any = None) -> Any:
        """The value of the name ``key``, several joined with commas, or ``default``."""
        value = self._fields.get(_canonical.get(key) or _canonicalise(key), default)
        return ",".join(value) if isinstance(value, list) and value is not default else value

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return (_canonical.get(name) or _canonicalise(name)) in self._fields

    def __delitem__(self, name: str) -> None:
        del self._fields[_canonical.get(name) or _canonicalise(name)]

    def __len__(self) -> int:
        return len(self._fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HTTPHeaders):
            return list(self.get_all()) == list(other.get_all()) or dict(self) == dict(other)
        if isinstance(other, Mapping):
            return dict(self) == dict(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> HTTPHeaders:
        """A copy that shares nothing with this one."""
        return type(self).adopt(self._copy_fields())

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> HTTPHeaders:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self._copy_fields())

    def __str__(self) -> str:
        return "".join([f"{name}: {value}\n" for name, value in self.get_all()])

    __unicode__ = __str__


def encode_fields(first_line: str, fields: Fields) -> bytes:
    """Put a head together: ``first_line``, a line for each field, and the empty line.

    ``first_line`` must be clean; ``fields`` are if they are an `HTTPHeaders`', for nothing else
    gets in there.  Raises ValueError for a character that is no byte.
    """
    try:
        lines = [first_line, *map(_field_line, fields.items()), "\r\n"]  # type: ignore[arg-type]
    except TypeError:  # a list, where a field stands several times
        lines = [first_line]
        for name, value in fields.items():
            values = value if isinstance(value, list) else [value]
            lines.extend([f"{name}: {one}" for one in values])
        lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")


_field_line = ": ".join


def _unpickle(cls: type[HTTPHeaders], fields: Fields) -> HTTPHeaders:
    return cls.adopt(fields)
