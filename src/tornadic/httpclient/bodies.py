"""Bodies of forms, as a browser would send them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from tornadic.escape import utf8

__all__ = ["encode_form", "encode_multipart"]

Value = str | bytes
# Sequence, for lists do not take the types of their items as they are.
Values = Value | Sequence[Value]
Fields = Mapping[str, Values] | Sequence[tuple[str, Values]]

_MEDIA_TYPE = re.compile(r"[\x20-\x7E]+")

# What would end a name, as browsers write it (https://html.spec.whatwg.org, "multipart/form-data
# encoding algorithm"); they leave backslashes alone, in which most servers see an escape.
_ESCAPED = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A", ord("\\"): "\\\\"}


def _pairs(fields: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Each name with each of its values."""
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        if isinstance(value, (list, tuple)):
            for one in value:
                yield name, one
        else:
            yield name, value


def encode_form(fields: Fields) -> tuple[bytes, dict[str, str]]:
    """A body of ``application/x-www-form-urlencoded``, and the headers that go with it.

    ``fields`` are a dictionary from names to a value or a list of values, or pairs.  Text becomes
    UTF-8.

    >>> encode_form({"a": "x y", "b": ["1", "2"]})
    (b'a=x+y&b=1&b=2', {'Content-Type': 'application/x-www-form-urlencoded'})
    """
    pairs = [(name, utf8(value)) for name, value in _pairs(fields)]
    body = urlencode(pairs).encode("ascii")
    return body, {"Content-Type": "application/x-www-form-urlencoded"}


def encode_multipart(
    fields: Fields, files: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()
) -> tuple[bytes, dict[str, str]]:
    """A body of ``multipart/form-data`` (RFC 7578), and the headers that go with it.

    ``fields`` as for `encode_form`.  ``files``: names, each with one or a list of `.HTTPFile`, or
    other objects with a ``filename``, a ``body`` of bytes and a ``content_type`` (None:
    ``application/octet-stream``).  Files are held in memory; for large ones write a
    ``body_producer``.

    Raises ValueError for a content type that cannot be one.
    """
    # Nobody can guess it, so no value can contain it.
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []

    def add(name: str, more: str, value: bytes) -> None:
        quoted = name.translate(_ESCAPED)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{quoted}"{more}\r\n\r\n'
        parts.extend([head.encode("utf-8"), value, b"\r\n"])

    for name, value in _pairs(fields):
        add(name, "", utf8(value))
    for name, file in _pairs(files):
        media_type = file.content_type or "application/octet-stream"
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise ValueError(f"Unsafe content type {media_type!r}")
        filename = file.filename.translate(_ESCAPED)
        add(name, f'; filename="{filename}"\r\nContent-Type: {media_type}', utf8(file.body))
    parts.append(f"--{boundary}--\r\n".encode("ascii"))
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return b"".join(parts), headers
