"""Events as bytes, read back by a reader that follows the HTML standard's own steps."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.eventsource import encode_event

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


def parse(stream: bytes) -> list[dict[str, Any]]:
    """What a browser makes of a stream (HTML standard, section 9.2.6)."""
    events = []
    fields: dict[str, Any] = {"data": []}
    for line in re.split("\r\n|\r|\n", stream.decode()):
        if not line:
            if len(fields) > 1 or fields["data"]:
                events.append({**fields, "data": "\n".join(fields["data"])})
            fields = {"data": []}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            fields["data"].append(value)
        else:
            assert name not in fields
            fields[name] = value
    return events


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("hello",), b"data: hello\n\n"),
        (("",), b"data: \n\n"),
        (("a\nb\r\nc\rd",), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (("a\u2028b\x85c",), "data: a\u2028b\x85c\n\n".encode()),
        (("grün".encode(),), "data: grün\n\n".encode()),
        (({"a": [1, None]},), b'data: {"a": [1, null]}\n\n'),
        (([1, 2],), b"data: [1, 2]\n\n"),
        (("x", "tick", "7", 0), b"event: tick\nid: 7\nretry: 0\ndata: x\n\n"),
        ((None, None, "", 3000), b"id: \nretry: 3000\n\n"),
    ],
)
def test_encoded(arguments: tuple[Any, ...], expected: bytes) -> None:
    assert encode_event(*arguments) == expected


@given(TEXT, LINE, LINE, st.integers(0, 10**9))
def test_what_is_sent_is_read_back(data: str, event: str, id: str, retry: int) -> None:
    [found] = parse(encode_event(data, event, id, retry))
    assert found == {
        "data": re.sub("\r\n|\r", "\n", data),
        "event": event,
        "id": id,
        "retry": str(retry),
    }


@given(st.recursive(st.none() | st.booleans() | TEXT, lambda x: st.lists(x), max_leaves=9))
def test_json(value: Any) -> None:
    [found] = parse(encode_event({"value": value}))
    assert json.loads(found["data"]) == {"value": value}


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "\r\n", "x\ndata: forged"])
def test_no_line_ends_in_event_or_id(bad: str) -> None:
    with pytest.raises(ValueError, match="Line end in the type"):
        encode_event("x", event=bad)
    with pytest.raises(ValueError, match="Line end or NUL"):
        encode_event("x", id=bad)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"data": "x", "id": "a\0b"}, ValueError),
        ({"data": "x", "retry": -1}, ValueError),
        ({"data": "x", "retry": 1.5}, TypeError),
        ({"data": "x", "retry": True}, TypeError),
        ({"data": b"\xff"}, ValueError),
        ({"data": "\ud800"}, ValueError),
        ({"data": 7}, TypeError),
    ],
)
def test_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_event(**arguments)
