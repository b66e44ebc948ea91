"""Values as text on the debug page: as Python has it where that is short, quick and harmless."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
import types
from collections import OrderedDict, defaultdict, deque, namedtuple
from pathlib import Path
from typing import Any

import pytest

from tornadic.httputil import HTTPHeaders
from tornadic.web.debugpage import values
from tornadic.web.debugpage.masking import MASK, Masks
from tornadic.web.debugpage.values import Describer


class Slow:
    def __repr__(self) -> str:
        while True:
            pass


class Sleepy:
    def __repr__(self) -> str:
        while True:
            try:
                time.sleep(0.001)
            except Exception:
                pass


class Raising:
    def __repr__(self) -> str:
        raise ValueError("no <repr>")


class Leaving:
    def __repr__(self) -> str:
        raise SystemExit


class Liar:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("ask not")

    def __repr__(self) -> str:
        return "a liar"


class NoText:
    def __repr__(self) -> str:
        return 42  # type: ignore[return-value]


class Wide(dict[Any, Any]):
    def __iter__(self) -> Any:
        raise AssertionError

    items = keys = values = __iter__


Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Fields:
    x: Any
    hidden: int = dataclasses.field(default=1, repr=False)


def describe(value: Any) -> str:
    return Describer(Masks()).describe(value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            True,
            1,
            -1,
            2.5,
            1j,
            ...,
            "text",
            "quo'te",
            b"bytes",
            bytearray(b"x"),
            range(3),
        ),
        *([1, [2, "x"]], (), (1,), (1, 2), {"a": {"b": None}}, []),
        *(types.SimpleNamespace(a=1), Point(1, "x"), Fields(["x"]), ValueError("x", 1)),
        *(Path("/x"), float("nan"), int, len, re.compile("x")),
    ],
)
def test_as_python_has_it(value: Any) -> None:
    assert describe(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({1}, "{1}"),
        (frozenset([1]), "frozenset{1}"),
        (OrderedDict(a=1), "OrderedDict{'a': 1}"),
        (defaultdict(list, a=[]), "defaultdict{'a': []}"),
        (deque([1]), "deque[1]"),
        (Wide(a=1), "Wide{'a': 1}"),
        ({"a": 1}.keys(), "dict_keys(['a'])"),
        (types.MappingProxyType({"a": 1}), "mappingproxy({'a': 1})"),
        (
            HTTPHeaders({"A": "1", "Cookie": "x=1"}),
            f"HTTPHeaders{{'A': '1', 'Cookie': {MASK}}}",
        ),
        (Raising(), "<Raising: its repr raised ValueError: no <repr>>"),
        (Leaving(), "<Leaving: its repr raised SystemExit>"),
        (
            NoText(),
            "<NoText: its repr raised TypeError: __repr__ returned non-string (type int)>",
        ),
        (Slow(), "<Slow: its repr takes too long>"),
        (Sleepy(), "<Sleepy: its repr takes too long>"),
        ([Raising(), 1], "[<Raising: its repr raised ValueError: no <repr>>, 1]"),
        (1 << values.MOST_BITS, f"<int of {values.MOST_BITS + 1} bits>"),
    ],
)
def test_in_our_words(value: Any, text: str) -> None:
    assert describe(value) == text


def test_an_object_that_answers_nothing() -> None:
    assert describe(Liar()) == "a liar"


@pytest.mark.parametrize("make", [str, bytes, list, tuple, deque, dict, set, Point])
def test_huge_values_cost_what_is_shown(make: Any) -> None:
    """A million items within a million: whoever walks them all is not back in time."""
    many = range(1_000_000)
    value: Any = "x" * len(many)
    if make is bytes:
        value = value.encode()
    elif make is dict:
        value = dict.fromkeys(many, value)
    elif make is Point:
        value = Point(list(many), value)
    elif make is not str:
        value = make(many)
    for nested in (value, [value] * 1000, {"a": [value]}, Fields(value), ValueError(value)):
        for _ in range(20):
            assert len(describe(nested)) <= values.MOST_CHARACTERS + 1


def test_bounds() -> None:
    most = values.MOST_CHARACTERS - 2
    assert describe("x" * most) == repr("x" * most)
    assert describe("x" * (most + 1)).endswith("x…")
    most = values.MOST_ITEMS
    assert describe([0] * most) == repr([0] * most)
    assert describe([0] * (most + 1)).endswith("0, … 1 more]")
    assert describe(dict.fromkeys(range(most + 2))).endswith(", … 2 more}")
    assert describe((1 << values.MOST_BITS) - 1).isdigit()
    nested: Any = [0]
    for _ in range(values.MOST_DEPTH - 1):
        nested = [nested]
    assert describe(nested) == repr(nested)
    assert describe([nested]).count("… 1 items") == 1


def test_cycles() -> None:
    value: list[Any] = []
    value.append(value)
    assert len(describe(value)) < 100


def test_time_for_all_values_ends() -> None:
    describer = Describer(Masks(), seconds=0.0)
    assert describer.describe(Slow()) == "<Slow: not asked, for the page has taken long enough>"
    assert describer.describe([1, "x"]) == "[1, 'x']"


def test_tracing_goes_on_as_before() -> None:
    seen: list[str] = []

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        seen.append(frame.f_code.co_name)
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        describe(Slow())
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
