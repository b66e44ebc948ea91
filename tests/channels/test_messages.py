"""Messages on their way: what goes in comes out, and what is none is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.channels.messages import Message, encode_message

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(JSON | st.binary())
def test_there_and_back(value: Any) -> None:
    message = Message(encode_message(value))
    assert message.value == value
    if isinstance(value, (str, bytes)):
        assert message.text == value
    else:
        assert isinstance(message.text, str)
        assert Message(message.text.encode()).value == value


@given(st.binary())
def test_whatever_comes_is_a_message_or_a_value_error(payload: bytes) -> None:
    message = Message(payload)
    try:
        _ = message.value
    except ValueError:
        return
    assert message.text is not None


def test_nesting_without_end() -> None:
    with pytest.raises(ValueError, match="nested"):
        _ = Message(b"[" * 100_000).value


@pytest.mark.parametrize("value", [object(), {1, 2}, {"a": b"b"}])
def test_no_json(value: Any) -> None:
    with pytest.raises(TypeError):
        encode_message(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], "\ud800"])
def test_not_in_json(value: Any) -> None:
    with pytest.raises(ValueError):
        encode_message(value)


@pytest.mark.parametrize("value", [bytearray(b"a\0b"), memoryview(b"a\0b")])
def test_bytes_of_other_kinds(value: Any) -> None:
    assert Message(encode_message(value)).value == b"a\0b"
