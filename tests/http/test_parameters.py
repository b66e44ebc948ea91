"""Parameters of header values, well quoted, badly quoted and extended."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.parameters import _encode_header, _parse_header, split_parameters


@pytest.mark.parametrize(
    ("line", "value", "parameters"),
    [
        ("", "", {}),
        ("a", "a", {}),
        ("A/B ; C = D ;;", "A/B", {"c": "D"}),
        ("a; b; c=d", "a", {"c": "d"}),
        ("a; b=; c==d", "a", {"b": "", "c": "=d"}),
        ("a; b=1; b=2", "a", {"b": "2"}),
        ('a; b="c;d"; e="f"', "a", {"b": "c;d", "e": "f"}),
        ('a; b="c\\"d;e"; f=g', "a", {"b": 'c"d;e', "f": "g"}),
        ('a; b="c\\\\"; f=g', "a", {"b": "c\\", "f": "g"}),
        ('a; b="c\\d"', "a", {"b": "c\\d"}),
        ('a; b="c; d=e', "a", {"b": '"c; d=e'}),
        ('a; b="c\\', "a", {"b": '"c\\'}),
        ('a; b="c"d; e=f', "a", {"b": '"c"d', "e": "f"}),
        ('a; b="', "a", {"b": '"'}),
        ("a; b='c'", "a", {"b": "'c'"}),
    ],
)
def test_parse_header(line: str, value: str, parameters: dict[str, str]) -> None:
    assert _parse_header(line) == (value, parameters)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("f*=utf-8''%C3%A9", "é"),
        ("f*=UTF-8'de'%c3%a9", "é"),
        ("f*=iso-8859-1''%E9", "é"),
        ("f*=us-ascii''a%20b", "a b"),
        ("f*=utf-8''%FF", "\ufffd"),
        ("f*=utf-8''a%22b;", 'a"b'),
        ("f*=utf-8''100%", "100%"),
        ("f*=\"utf-8''%41\"", "A"),
        ("f*=utf-8''é%41", "éA"),
        ("f*=utf-8''it's", "it's"),
        ("f*=%41", "A"),
        ("f*=x'y", "x'y"),
        ("f=x; f*=utf-8''y", "y"),
        ("f*=utf-8''y; f=x", "y"),
        ("f*0=a; f*1=b", "ab"),
        ("f*1=b; f*0=a", "ab"),
        ("f*10=c; f*9=b; f*0=a", "abc"),
        ('f*0="a;"; f*1="b"', "a;b"),
        ("f*0*=utf-8''%C3; f*1*=%A9", "é"),
        ("f*0*=utf-8''%C3%A9; f*1=%41é", "é%41é"),
        ("f*0=x; f*=utf-8''y", "y"),
        ("F*=utf-8''y", "y"),
    ],
)
def test_extended_parameters(parameters: str, expected: str) -> None:
    assert _parse_header(f"v; {parameters}") == ("v", {"f": expected})


@pytest.mark.parametrize("name", ["f*x", "f**", "f*0**", "*", "f*٣", "f*" + "9" * 5000, "*0"])
def test_names_that_only_look_extended(name: str) -> None:
    assert _parse_header(f"v; {name}=x") == ("v", {name: "x"})


@pytest.mark.parametrize("charset", ["idna", "punycode", "utf-7", "hex", "unicode_escape", "é"])
def test_peers_do_not_choose_codecs(charset: str) -> None:
    assert _parse_header(f"v; f*={charset}''+AGE-%41") == ("v", {"f": "+AGE-A"})


def test_many_sections_take_linear_time() -> None:
    sections = "".join(f"f*{number}=a;" for number in range(100_000))
    assert _parse_header("v;" + sections) == ("v", {"f": "a" * 100_000})


@given(st.text() | st.text(alphabet="a=;\"\\ *'%01"))
def test_any_header_is_parsed(line: str) -> None:
    value, parameters = _parse_header(line)
    assert len(parameters) <= line.count(";")
    assert value == value.strip()


@pytest.mark.parametrize(
    ("key", "parameters", "expected"),
    [
        ("a", {}, "a"),
        ("a", {"c": "1", "b": None, "d": 15}, "a; b; c=1; d=15"),
        ("a", {"b": ""}, "a; b="),
    ],
)
def test_encode_header(key: str, parameters: dict[str, Any], expected: str) -> None:
    assert _encode_header(key, parameters) == expected


def test_split_parameters_keeps_repeats_and_extended_forms() -> None:
    assert split_parameters("a; B=1; b=\"2\"; c*=utf-8''%41; d") == (
        "a",
        [("b", "1"), ("b", "2"), ("c*", "utf-8''%41")],
    )
