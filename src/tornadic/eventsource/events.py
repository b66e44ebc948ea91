"""One event as bytes: a few fields, one to a line, and an empty line."""

from __future__ import annotations

import re
from typing import Any, Final

from tornadic.escape import json_encode

__all__ = ["COMMENT", "Data", "encode_event"]

Data = str | bytes | dict[str, Any] | list[Any] | None

COMMENT: Final = b":\n\n"
"""What no receiver takes note of, and every proxy sees as a sign of life."""

# What ends a line in this format; `str.splitlines` knows many more.
_LINE_END: Final = re.compile("\r\n|\r|\n")
_NO_ID: Final = re.compile("[\r\n\0]")


def encode_event(
    data: Data, event: str | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """The bytes of an event.

    ``data`` is text, bytes that are UTF-8, a dict or list as JSON, or None for no event at all:
    then only ``id`` and ``retry`` count.  Text of several lines arrives as it is, but for its line
    ends, which become ``\\n``.  ``event`` is its type (None: ``message``).  ``id`` is what the
    client names when it connects again; the empty text makes it forget the one before.  ``retry``
    is how many milliseconds it waits until it connects again.

    Raises ValueError for a line end in ``event`` or ``id``, NUL in ``id``, a negative ``retry``,
    and data that is no UTF-8; TypeError for other kinds of data, and a ``retry`` that is no int.
    """
    lines = []
    if event is not None:
        if _LINE_END.search(event):
            raise ValueError(f"Line end in the type of an event: {event[:100]!r}")
        lines.append(f"event: {event}")
    if id is not None:
        if _NO_ID.search(id):
            raise ValueError(f"Line end or NUL in the id of an event: {id[:100]!r}")
        lines.append(f"id: {id}")
    if retry is not None:
        if type(retry) is not int:
            raise TypeError(f"retry is a number of milliseconds, not {retry!r}")
        if retry < 0:
            raise ValueError(f"retry cannot be {retry}")
        lines.append(f"retry: {retry}")
    if data is not None:
        lines += [f"data: {line}" for line in _LINE_END.split(_text_of(data))]
    return "\n".join([*lines, "\n"]).encode()


def _text_of(data: str | bytes | dict[str, Any] | list[Any]) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, bytes):
        return data.decode()
    if isinstance(data, (dict, list)):
        return json_encode(data)
    raise TypeError(f"Data of an event is text, bytes, a dict or a list, not {type(data).__name__}")
