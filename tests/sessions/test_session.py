"""The mapping, and what it takes for changed."""

from __future__ import annotations

import json
import math
from enum import IntEnum
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sessions.support import Visitor, handler, site
from tests.web.support import LogBook, run

from tornadic.sessions import MemoryStore, Record
from tornadic.sessions.session import MAX_CHARACTERS, MAX_FLASHED, Session
from tornadic.sessions.values import decode, encode
from tornadic.web import RequestHandler


def session_of(**stored: Any) -> Session:
    """A session as it is after loading, with these values in the store."""
    session = Session(cast(Any, None))
    texts = {key: encode(key, value) for key, value in stored.items()}
    session._fill("key", Record(texts, 0.0, 1.0))
    return session


def written(session: Session) -> tuple[dict[str, Any], list[str]] | None:
    change = session._change()
    if change is None:
        return None
    return {key: json.loads(text) for key, text in change.written.items()}, list(change.removed)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Any text that a str may hold, halves of characters included.
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_values_come_back(value: Any) -> None:
    text = encode("key", value)
    assert decode(text) == value == json.loads(text)
    assert encode("key", decode(text)) == text  # or else it would seem to be changed
    assert text.isascii()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        b"bytes",
        {1, 2},
        1j,
        math.nan,
        math.inf,
        [math.nan],
        {"a": b"b"},
        {1: "a"},
        [{"a": ({None: 1},)}],
        {("a", "b"): 1},
    ],
)
def test_values_that_json_would_not_give_back(value: Any) -> None:
    session = session_of()
    with pytest.raises(TypeError, match=r"session\['basket'\] is not JSON"):
        session["basket"] = value
    assert "basket" not in session


def test_values_within_themselves() -> None:
    value: list[Any] = []
    value.append(value)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for each in (value, deep):
        with pytest.raises(TypeError, match=r"session\['a'\] is not JSON"):
            session_of()["a"] = each


def test_numbers_with_names_are_numbers() -> None:
    class Colour(IntEnum):
        RED = 3

    session = session_of()
    session["colour"] = Colour.RED
    assert written(session) == ({"colour": 3}, [])


@pytest.mark.parametrize("key", [1, None, b"a", ("a",)])
def test_keys_are_text(key: Any) -> None:
    with pytest.raises(TypeError, match="the keys of a session are text"):
        session_of()[key] = 1


def test_it_is_a_mapping() -> None:
    session = session_of(a=1, b=[2])
    assert len(session) == 2
    assert list(session) == ["a", "b"]
    assert "a" in session and "c" not in session
    assert session == {"a": 1, "b": [2]}
    assert session.get("c") is None
    assert session.get("c", 5) == 5
    assert session.setdefault("a", 7) == 1
    assert session.pop("a") == 1
    assert session.pop("a", None) is None
    with pytest.raises(KeyError):
        session["a"]
    with pytest.raises(KeyError):
        del session["a"]
    session.update(c=3)
    assert dict(session.items()) == {"b": [2], "c": 3}
    assert repr(session) == "<Session {'b': [2], 'c': 3}>"
    assert written(session) == ({"c": 3}, ["a"])


def test_reading_changes_nothing() -> None:
    session = session_of(a=1, b=[{"c": 2.50}], d="é")
    assert dict(session) == {"a": 1, "b": [{"c": 2.5}], "d": "é"}
    assert session["b"] is session["b"]
    assert session._change() is None


def test_changes_that_lead_back_are_none() -> None:
    session = session_of(a=[1])
    session["a"].append(2)
    session["a"].pop()
    session["b"] = 1
    del session["b"]
    session["a"] = [1]
    assert session._change() is None


def test_changes_in_place() -> None:
    session = session_of(a=[1], b={"c": {}}, d=[4])
    session["a"].append(2)
    session["b"]["c"]["e"] = 5
    session["d"]
    session["f"] = new = [6]
    new.append(7)
    assert written(session) == ({"a": [1, 2], "b": {"c": {"e": 5}}, "f": [6, 7]}, [])


def test_what_was_removed_is_not_changed_in_place() -> None:
    session = session_of(a=[1])
    value = session["a"]
    del session["a"]
    value.append(2)
    assert written(session) == ({}, ["a"])


def test_clear_begins_anew() -> None:
    session = session_of(a=1)
    session.clear()
    assert dict(session) == {}
    assert session.is_new
    assert session._change() is None
    session["a"] = 1
    assert written(session) == ({"a": 1}, [])


def test_flashed_messages_are_not_in_sight() -> None:
    session = session_of(a=1)
    session.flash("one")
    session.flash({"text": "two"}, "error")
    assert (list(session), len(session)) == (["a"], 1)
    assert session.get_flashed("error") == [("error", {"text": "two"})]
    assert session.get_flashed("error") == []
    assert session.get_flashed() == [("message", "one")]
    assert session.get_flashed() == []
    assert session._change() is None


def test_flashed_messages_that_nobody_sees() -> None:
    session = session_of()
    for number in range(MAX_FLASHED):
        session.flash(number)
    assert len(session.get_flashed()) == MAX_FLASHED
    for number in range(MAX_FLASHED + 1):
        session.flash(number)
    assert [text for _, text in session.get_flashed()] == list(range(1, MAX_FLASHED + 1))


def test_size() -> None:
    session = session_of()
    session["a"] = "x" * (MAX_CHARACTERS - 2)
    assert session._change() is not None
    session["b"] = 1
    with pytest.raises(ValueError, match="cannot be kept"):
        session._change()


def test_text_that_somebody_has_spoilt(log: LogBook) -> None:
    session = session_of(a=1, b=2)
    cast("dict[str, str]", session._stored)["a"] = "{"
    with pytest.raises(KeyError):
        session["a"]
    log.take("no JSON under 'a'")
    assert dict(session) == {"b": 2}
    assert written(session) == ({}, ["a"])


def test_before_it_is_loaded() -> None:
    session = Session(cast(Any, None))
    session._expect("key")
    for use in (
        lambda: session["a"],
        lambda: session.update(a=1),
        lambda: "a" in session,
        lambda: len(session),
        lambda: list(session),
        lambda: session.is_new,
        session.clear,
        session.regenerate,
        session.get_flashed,
    ):
        with pytest.raises(RuntimeError, match=r"await self\.session\.load\(\)"):
            use()
    assert repr(session) == "<Session, not loaded>"


def test_new_or_not() -> None:
    seen = []

    def get(self: RequestHandler) -> None:
        seen.append(self.session.is_new)
        self.session["a"] = 1
        seen.append(self.session.is_new)

    async def main() -> None:
        async with site(MemoryStore(), ("/", handler(get))) as server:
            visitor = Visitor(server)
            await visitor.get()
            await visitor.get()

    run(main)
    assert seen == [True, True, False, False]
