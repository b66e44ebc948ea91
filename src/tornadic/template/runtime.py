"""What compiled templates call, and what they know from the start.

The pieces of a page are collected as text, joined and encoded once.  Bytes that are UTF-8 become
text at once; any others stay bytes, and then the pieces are encoded one by one.
"""

from __future__ import annotations

import builtins
import datetime
from collections.abc import Awaitable, Callable, Mapping
from types import CoroutineType
from typing import Any

from tornadic.escape import (
    json_encode,
    linkify,
    squeeze,
    to_unicode,
    url_escape,
    utf8,
    xhtml_escape,
)

__all__ = ["DEFAULT_NAMESPACE", "Piece", "escaped", "escaped_by", "join", "raw"]

Piece = str | bytes


def escaped(value: object) -> str:
    """A value as text, escaped for HTML as `.xhtml_escape` does.

    Raises `UnicodeDecodeError` for bytes that are not UTF-8.
    """
    if value.__class__ is str:
        # Most text needs no escaping, and five looks at it are cheaper than one `replace`.
        text: str = value
        if "&" in text:
            text = text.replace("&", "&amp;")
        if "<" in text:
            text = text.replace("<", "&lt;")
        if ">" in text:
            text = text.replace(">", "&gt;")
        if '"' in text:
            text = text.replace('"', "&quot;")
        if "'" in text:
            text = text.replace("'", "&#x27;")
        return text
    if value.__class__ is int:
        return str(value)
    # What text or bytes a subclass holds is what counts, not how it behaves.
    return xhtml_escape(_to_bytes(value))


def escaped_by(function: Callable[[bytes], Any]) -> Callable[[object], str]:
    """Return what does as `escaped`, by a function of the program."""

    def escape(value: object) -> str:
        return to_unicode(_to_text(function(_to_bytes(value))))

    return escape


def raw(value: object) -> Piece:
    """A value as text; only bytes that are not UTF-8 stay as they are."""
    if value.__class__ is str:
        return value
    return _to_text(value if isinstance(value, str | bytes) else _shown(value))


def join(pieces: list[Piece]) -> bytes:
    """The pieces as one, in UTF-8.  Raises `UnicodeEncodeError` for lone surrogates."""
    try:
        return "".join(pieces).encode()  # type: ignore[arg-type]
    except TypeError:
        return b"".join([utf8(piece) for piece in pieces])


def _to_bytes(value: object) -> bytes:
    return utf8(value if isinstance(value, str | bytes) else _shown(value))


def _shown(value: object) -> str:
    """A value of no kind in particular.  Raises `RuntimeError` for what is to be awaited."""
    if hasattr(value.__class__, "__await__"):
        what = f"a {type(value).__name__}"
        if isinstance(value, CoroutineType):
            what = f"{value.__qualname__}()"
            value.close()
        raise RuntimeError(f"{what} is to be awaited, by generate_async() or render_async()")
    return str(value)


async def _settled(value: object) -> object:
    """What a module gave, once it is there."""
    return await value if isinstance(value, Awaitable) else value


def _to_text(value: object) -> Piece:
    """What a function returned.  Raises `TypeError` unless it is text or bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    raise TypeError(f"Expected bytes or unicode; got {type(value)!r}")


DEFAULT_NAMESPACE: Mapping[str, Any] = {
    "__builtins__": builtins,
    "datetime": datetime,
    "escape": xhtml_escape,
    "json_encode": json_encode,
    "linkify": linkify,
    "squeeze": squeeze,
    "url_escape": url_escape,
    "xhtml_escape": xhtml_escape,
    # The compiler's own; the first two are known to programs.
    "_tt_string_types": (str, bytes),
    "_tt_utf8": utf8,
    "_tt_bytes": _to_bytes,
    "_tt_settled": _settled,
    "_tt_join": join,
    "_tt_text": _to_text,
}
