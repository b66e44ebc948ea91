"""Values as text, within bounds: so many characters, so many items, so much time.

What Python's own types hold is walked here, so that a list of a million items costs what is
shown of it.  Only for other objects their `repr` is called.  It may raise, which is shown, and it
may take long, which is ended: Python code is interrupted by a trace function.  (What waits within
C can not be.)
"""

from __future__ import annotations

import array
import collections
import functools
import http.cookies
import itertools
import sys
import time
import types
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tornadic.httputil import HTTPHeaders
from tornadic.web.debugpage.masking import MASK, Masks, is_secret

__all__ = ["Describer"]

_T = TypeVar("_T")

MOST_CHARACTERS = 600
"""Of one value; a screen of text in a table."""

MOST_ITEMS = 30
"""Of one container."""

MOST_DEPTH = 4
"""Of containers within each other."""

MOST_BITS = 1024
"""Of an integer; the digits of larger ones take quadratic time."""

SECONDS_EACH = 0.1
SECONDS_IN_ALL = 1.0
"""For calling `repr`; nobody waits longer for a page that says that something is wrong."""

# Masked first, cut then: a secret that begins before the end would not be known by half.
_MARGIN = 80

_PLAIN = (type(None), bool, float, complex, type(...), type(NotImplemented), range)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_SEQUENCES: tuple[tuple[type, str, str], ...] = (
    (list, "[", "]"),
    (tuple, "(", ")"),
    (set, "{", "}"),
    (frozenset, "{", "}"),
    (collections.deque, "[", "]"),
)


class _OutOfTime(BaseException):
    """Raised into a `repr` that takes too long; nothing that it catches."""


class _Full(Exception):
    """There is no room left for the value."""


class Describer:
    """Describes values for one page; what ``masks`` know is not shown."""

    def __init__(self, masks: Masks, seconds: float = SECONDS_IN_ALL) -> None:
        self._masks = masks
        self._end = time.monotonic() + seconds
        self._parts: list[str] = []
        self._room = 0

    def describe(self, value: object, name: str = "") -> str:
        """``value`` in at most `MOST_CHARACTERS`; the mask if its ``name`` is that of a secret."""
        if name and _is_hidden(name, value):
            return MASK
        self._parts = []
        self._room = MOST_CHARACTERS + _MARGIN
        try:
            self._walk(value, 0)
        except _Full:
            self._parts.append("…")
        except Exception as error:
            self._parts.append(f"… <{type(error).__name__} while it was described>")
        return self._hidden("".join(self._parts))

    def text_of(self, error: BaseException, most: int) -> str:
        """``str(error)`` in at most ``most`` characters."""
        return self._hidden(self._call(str, error, most + _MARGIN), most)

    def _hidden(self, text: str, most: int = MOST_CHARACTERS) -> str:
        text = self._masks.hide(text)
        return text if len(text) <= most else text[:most] + "…"

    def _add(self, text: str) -> None:
        if len(text) > self._room:
            self._parts.append(text[: self._room])
            raise _Full
        self._room -= len(text)
        self._parts.append(text)

    def _walk(self, value: Any, depth: int) -> None:
        # Only types are looked at: an object may lie about its class, or fail when it is asked.
        kind = type(value)
        if kind in _PLAIN:
            self._add(repr(value))
        elif issubclass(kind, int) and kind.__repr__ is int.__repr__:
            bits = int.bit_length(value)
            self._add(int.__repr__(value) if bits <= MOST_BITS else f"<int of {bits} bits>")
        elif issubclass(kind, (str, bytes, bytearray)):
            self._walk_text(value, kind)
        elif issubclass(kind, http.cookies.BaseCookie):
            self._walk_sequence(f"{kind.__name__}(", dict.__iter__(value), len(value), ")", depth)
        elif issubclass(kind, dict):
            prefix = "" if kind is dict else kind.__name__
            self._walk_pairs(f"{prefix}{{", dict.items(value), dict.__len__(value), "}", depth)
        elif issubclass(kind, HTTPHeaders):
            self._walk_pairs(f"{kind.__name__}{{", value.get_all(), len(value), "}", depth)
        elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
            pairs = list(zip(kind._fields, tuple.__iter__(value), strict=False))
            self._walk_fields(kind.__name__, pairs, depth)
        elif issubclass(kind, tuple(one for one, _, _ in _SEQUENCES)):
            base, opens, closes = next(one for one in _SEQUENCES if issubclass(kind, one[0]))
            prefix = "" if kind in (list, tuple, set) else kind.__name__
            items = base.__iter__(value)  # type: ignore[attr-defined]
            self._walk_sequence(f"{prefix}{opens}", items, len(value), closes, depth)
        else:
            self._walk_object(value, kind, depth)

    def _walk_object(self, value: Any, kind: Any, depth: int) -> None:
        shape = kind.__repr__
        if kind in _VIEWS:
            self._walk_sequence(f"{kind.__name__}([", iter(value), len(value), "])", depth)
        elif kind is types.MappingProxyType:
            self._walk_pairs("mappingproxy({", value.items(), len(value), "})", depth)
        elif shape is BaseException.__repr__:
            self._walk_sequence(f"{kind.__name__}(", value.args, len(value.args), ")", depth)
        elif shape is types.SimpleNamespace.__repr__:
            name = "namespace" if kind is types.SimpleNamespace else kind.__name__
            self._walk_fields(name, list(vars(value).items()), depth)
        elif kind is functools.partial:
            pairs = [("func", value.func), ("args", value.args), ("keywords", value.keywords)]
            self._walk_fields("functools.partial", pairs, depth)
        elif kind is array.array:
            self._add(f"array({value.typecode!r}, {len(value)} items)")
        elif _is_of_dataclass(kind):
            names = [name for name, one in kind.__dataclass_fields__.items() if one.repr]
            missing = "<not set>"
            pairs = [(name, getattr(value, name, missing)) for name in names[: MOST_ITEMS + 1]]
            self._walk_fields(kind.__qualname__, pairs, depth)
        else:
            self._add(self._call(repr, value, self._room + 1))

    def _walk_text(self, value: Any, kind: Any) -> None:
        base: Any = next(one for one in (str, bytes, bytearray) if issubclass(kind, one))
        if kind.__repr__ is not base.__repr__:
            self._add(self._call(repr, value, self._room + 1))
            return
        size = base.__len__(value)
        self._add(base.__repr__(base.__getitem__(value, slice(0, self._room))))
        if size > self._room > 0 and size > MOST_CHARACTERS:
            raise _Full

    def _walk_sequence(
        self, opens: str, items: Iterable[Any], size: int, closes: str, depth: int
    ) -> None:
        self._add(opens)
        if depth >= MOST_DEPTH and size:
            self._add(f"… {size} items")
        else:
            for i, item in enumerate(itertools.islice(items, MOST_ITEMS)):
                if i:
                    self._add(", ")
                self._walk(item, depth + 1)
            self._add_rest(size)
        if size == 1 and opens == "(":
            self._add(",")
        self._add(closes)

    def _walk_pairs(
        self, opens: str, pairs: Iterable[tuple[Any, Any]], size: int, closes: str, depth: int
    ) -> None:
        self._add(opens)
        if depth >= MOST_DEPTH and size:
            self._add(f"… {size} items")
        else:
            for i, (key, value) in enumerate(itertools.islice(pairs, MOST_ITEMS)):
                if i:
                    self._add(", ")
                self._walk(key, depth + 1)
                self._add(": ")
                self._walk_named(key, value, depth)
            self._add_rest(size)
        self._add(closes)

    def _walk_fields(self, name: str, pairs: list[tuple[str, Any]], depth: int) -> None:
        self._add(f"{name}(")
        if depth >= MOST_DEPTH:
            self._add("…")
            pairs = []
        for i, (key, value) in enumerate(pairs[:MOST_ITEMS]):
            self._add(f"{', ' if i else ''}{key}=")
            self._walk_named(key, value, depth)
        self._add_rest(len(pairs))
        self._add(")")

    def _walk_named(self, name: object, value: object, depth: int) -> None:
        if type(name) is bytes:
            name = name[:MOST_CHARACTERS].decode("latin-1")
        if type(name) is str and _is_hidden(name, value):
            self._add(MASK)
        else:
            self._walk(value, depth + 1)

    def _add_rest(self, size: int) -> None:
        if size > MOST_ITEMS:
            self._add(f", … {size - MOST_ITEMS} more")

    def _call(self, function: Callable[[Any], str], value: object, most: int) -> str:
        """``function(value)``, cut off, or what came of the attempt."""
        kind = type(value).__name__
        if time.monotonic() >= self._end:
            return f"<{kind}: not asked, for the page has taken long enough>"
        try:
            text = _timed(lambda: function(value), min(time.monotonic() + SECONDS_EACH, self._end))
            return str.__getitem__(text, slice(0, most))
        except _OutOfTime:
            return f"<{kind}: its {function.__name__} takes too long>"
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = error.args[0] if error.args and type(error.args[0]) is str else ""
            raised = f"{type(error).__name__}: {reason[:200]}" if reason else type(error).__name__
            return f"<{kind}: its {function.__name__} raised {raised}>"


def _timed(call: Callable[[], _T], end: float) -> _T:
    """What ``call`` returns; raises `_OutOfTime` within it when the clock is at ``end``."""

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        if time.monotonic() > end:
            raise _OutOfTime
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return call()
    finally:
        sys.settrace(before)


def _is_hidden(name: str, value: object) -> bool:
    """Whether ``value`` is secret by its name; that there is none, or a switch, is not."""
    return value is not None and type(value) is not bool and is_secret(name)


def _is_of_dataclass(kind: Any) -> bool:
    """Whether the fields of a dataclass are what its own `repr` shows."""
    made = getattr(kind.__repr__, "__wrapped__", None)
    code = getattr(made, "__code__", None)
    return (
        "__dataclass_fields__" in kind.__dict__
        and code is not None
        and code.co_filename == "<string>"
    )
