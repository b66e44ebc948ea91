"""Values of a session as JSON text, one text for each key.

Whatever JSON would not give back as it was is refused where it is set: no numbers beyond the
finite ones, no dictionaries whose keys are not text.  Tuples come back as lists.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii
from json.scanner import make_scanner
from typing import Any

__all__ = ["decode", "encode"]

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
# What the decoder itself calls, which is C.
_decode = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]  # typed as a class of itself


def encode(key: str, value: Any) -> str:
    """The value as JSON; raises TypeError, with the name of the key, if it is none."""
    kind = type(value)
    # What most sessions hold; a third of the time that the encoder takes.
    if kind is str:
        return encode_basestring_ascii(value)
    if kind is int:
        return str(value)
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"session[{key!r}] is not JSON: {error}") from None
    if kind is dict or kind is list or kind is tuple:
        _check_keys(key, value)
    return text


def decode(text: str) -> Any:
    """The value that `encode` made ``text`` of; raises ValueError if it is no JSON."""
    try:
        return _decode(text, 0)[0]
    except StopIteration:
        raise ValueError(f"no JSON: {text[:100]!r}") from None


def _check_keys(key: str, value: Any) -> None:
    """Refuse dictionaries that would come back with other keys, at any depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for inner in value:
                if not isinstance(inner, str):
                    raise TypeError(f"session[{key!r}] is not JSON: {inner!r} is a key in it")
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
