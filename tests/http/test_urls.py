"""URLs taken apart and put together; query strings from anybody."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.errors import HTTPInputError
from tornadic.http.urls import (
    MAX_QUERY_FIELDS,
    encode_username_password,
    parse_query,
    parse_urlencoded,
    qs_to_qsl,
    split_host_and_port,
    url_concat,
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("&&", {}),
        ("a=b&c=d", {"a": [b"b"], "c": [b"d"]}),
        ("a=1&b=2&a=3", {"a": [b"1", b"3"], "b": [b"2"]}),
        ("a=&b=1&c", {"a": [b""], "b": [b"1"], "c": [b""]}),
        ("=1&=", {"": [b"1", b""]}),
        ("a=b=c", {"a": [b"b=c"]}),
        ("a;b=1;c", {"a;b": [b"1;c"]}),
        ("a+b=+%20+", {"a b": [b"   "]}),
        ("a%3d%26=%3D%26", {"a=&": [b"=&"]}),
        ("a=%2B+%252B", {"a": [b"+ %2B"]}),
        ("a=%C3%A9&b=%e9\xe9", {"a": [b"\xc3\xa9"], "b": [b"\xe9\xe9"]}),
        ("%C3%A9=1&\xe9=2", {"\xc3\xa9": [b"1"], "\xe9": [b"2"]}),
        ("a=%00%0d%0a", {"a": [b"\x00\r\n"]}),
        ("a=%&b=%4&c=%zz&d=%%41&e=%4%41", {"a": [b"%"], "b": [b"%4"], "c": [b"%zz"]}
         | {"d": [b"%A"], "e": [b"%4A"]}),
    ],
)  # fmt: skip
def test_fields_of_a_query(query: str, expected: dict[str, list[bytes]]) -> None:
    assert parse_query(query) == expected
    assert parse_urlencoded(query.encode("latin-1")) == expected


def test_fields_are_counted_before_they_are_split() -> None:
    at_limit = "&".join(["a=1"] * MAX_QUERY_FIELDS)
    assert parse_query(at_limit) == {"a": [b"1"] * 1000}
    assert parse_urlencoded(at_limit.encode()) == {"a": [b"1"] * 1000}
    with pytest.raises(HTTPInputError, match="query string: Max number of fields") as caught:
        parse_query(at_limit + "&a=1")
    assert caught.value.status == 400
    with pytest.raises(HTTPInputError, match="x-www-form-urlencoded body: Max number of fields"):
        parse_urlencoded(at_limit.encode() + b"&a=1")


def test_empty_fields_count_too() -> None:
    assert parse_query("&" * 999) == {}
    with pytest.raises(HTTPInputError):
        parse_query("&" * 1000)


def test_the_limit_can_be_set() -> None:
    assert parse_query("a=1&b=2", 2) == {"a": [b"1"], "b": [b"2"]}
    with pytest.raises(HTTPInputError):
        parse_query("a=1&b=2", 1)
    assert parse_query("", 0) == {}
    with pytest.raises(HTTPInputError):
        parse_urlencoded(b"a", 0)


@pytest.mark.parametrize("query", ["a=中", "中=1", "a=1&b=%41中"])
def test_a_query_holds_bytes_only(query: str) -> None:
    with pytest.raises(HTTPInputError, match="Invalid query string"):
        parse_query(query)


@pytest.mark.parametrize("piece", ["%41", "%", "%4", "%%", "+", "%41a", "=", "%zz+"])
def test_one_long_field_takes_linear_time(piece: str) -> None:
    (values,) = parse_query("a=" + piece * 500_000).values()
    assert len(values) == 1


@given(st.lists(st.tuples(st.binary(min_size=1), st.binary()), max_size=20))
def test_quoted_fields_are_read_back(pairs: list[tuple[bytes, bytes]]) -> None:
    text = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    expected: dict[str, list[bytes]] = {}
    for name, value in pairs:
        expected.setdefault(name.decode("latin-1"), []).append(value)
    assert parse_query(text) == expected


@given(st.text(alphabet=st.characters(max_codepoint=127)) | st.text(alphabet="a=&%+4F;"))
def test_agrees_with_the_standard_library(query: str) -> None:
    theirs = [
        (name, value.encode("latin-1"))
        for name, value in parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    ]
    assert sorted(qs_to_qsl(parse_query(query))) == sorted(theirs)


ESCAPES = st.text("%=\r\n 0aF_x\t.").map(str.encode) | st.text("%40a").map(str.encode)


@given(ESCAPES, st.booleans())
def test_escapes_are_those_of_the_standard_library(value: bytes, is_name: bool) -> None:
    """Soft line ends, and whatever else a decoder in C may know, are nothing to a form."""
    if is_name:
        value = value.replace(b"=", b"")
        expected = {unquote_to_bytes(value).decode("latin-1"): [b""]} if value else {}
        assert parse_urlencoded(value) == expected
    else:
        assert parse_urlencoded(b"a=" + value) == {"a": [unquote_to_bytes(value)]}


@given(st.binary())
def test_any_body_is_parsed(body: bytes) -> None:
    fields = parse_urlencoded(body, max_fields=10_000)
    assert sum(map(len, fields.values())) <= body.count(b"&") + 1


def test_qs_to_qsl_gives_each_value_a_pair() -> None:
    assert list(qs_to_qsl({"a": ["1", "2"], "b": [], "c": [""]})) == [
        ("a", "1"),
        ("a", "2"),
        ("c", ""),
    ]


@pytest.mark.parametrize(
    ("url", "args", "expected"),
    [
        ("http://e.com/p", {"a": "b"}, "http://e.com/p?a=b"),
        ("http://e.com/p", [("a", "1"), ("a", "2")], "http://e.com/p?a=1&a=2"),
        ("http://e.com/p", (("a", "1"), ("b", "2")), "http://e.com/p?a=1&b=2"),
        ("http://e.com/p?", {"a": "b"}, "http://e.com/p?a=b"),
        ("http://e.com/p?x=1", {"a": "b"}, "http://e.com/p?x=1&a=b"),
        ("http://e.com/p?x=1&", {"a": "b"}, "http://e.com/p?x=1&a=b"),
        ("http://e.com/p?x", {"a": "b"}, "http://e.com/p?x=&a=b"),
        ("http://e.com/p?x=%20&y=%26&z=+", {}, "http://e.com/p?x=+&y=%26&z=+"),
        ("http://e.com/p?x=%FF%C3%A9", {"a": "b"}, "http://e.com/p?x=%FF%C3%A9&a=b"),
        ("http://e.com/p?x=1#top", {"a": "b"}, "http://e.com/p?x=1&a=b#top"),
        ("http://e.com", {"a": "b"}, "http://e.com?a=b"),
        ("/p;v=1?x=1", {"a": "é & ü"}, "/p;v=1?x=1&a=%C3%A9+%26+%C3%BC"),
        ("/p", {"a\r\nSet-Cookie: x": "#?&=\0"}, "/p?a%0D%0ASet-Cookie%3A+x=%23%3F%26%3D%00"),
        ("http://e.com/p?", None, "http://e.com/p?"),
        ("http://e.com/p?x=%20#", None, "http://e.com/p?x=%20#"),
    ],
)
def test_url_concat(url: str, args: Any, expected: str) -> None:
    assert url_concat(url, args) == expected


@pytest.mark.parametrize("args", ["a=b", 5, {"a"}, iter([("a", "b")])])
def test_url_concat_refuses_other_arguments(args: Any) -> None:
    with pytest.raises(TypeError, match="dict, list or tuple"):
        url_concat("http://e.com", args)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(TEXT, TEXT)))
def test_url_concat_adds_exactly_what_is_given(pairs: list[tuple[str, str]]) -> None:
    parts = urlsplit(url_concat("http://e.com/p?x=1#f", pairs))
    assert (parts.netloc, parts.path, parts.fragment) == ("e.com", "/p", "f")
    assert parse_qsl(parts.query, keep_blank_values=True) == [("x", "1"), *pairs]


@pytest.mark.parametrize(
    ("netloc", "expected"),
    [
        ("a:80", ("a", 80)),
        ("a", ("a", None)),
        ("[::1]:80", ("[::1]", 80)),
        ("[::1]", ("[::1]", None)),
        ("user@a:80", ("user@a", 80)),
        ("a:0", ("a", 0)),
        ("a:00080", ("a", 80)),
        ("a:65535", ("a", 65535)),
        ("", ("", None)),
    ],
)
def test_host_and_port(netloc: str, expected: tuple[str, int | None]) -> None:
    assert split_host_and_port(netloc) == expected


NO_PORT = ["", "b", "+80", "-1", " 80", "80 ", "80\n", "8_0", "٣", "65536", "000080", "9" * 5000]
NO_HOST = [":80", "a:80:90", "::1", "::1:80", "[::1", "::1]:80", "[::1]x:80", "[::1]:", "[a]b]:1"]


@pytest.mark.parametrize("netloc", [f"a:{port}" for port in NO_PORT] + NO_HOST)
def test_where_there_is_no_port_all_is_host(netloc: str) -> None:
    assert split_host_and_port(netloc) == (netloc, None)


@given(st.text())
def test_splitting_loses_nothing(netloc: str) -> None:
    host, port = split_host_and_port(netloc)
    assert netloc == host or (port is not None and netloc.startswith(host + ":"))


def test_brackets_and_colons_take_linear_time() -> None:
    for netloc in ("[" * 1_000_000, ":" * 1_000_000, "[" + ":" * 1_000_000, "a" * 1_000_000 + "]"):
        assert split_host_and_port(netloc) == (netloc, None)


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("user", "pass", b"user:pass"),
        (b"user", b"\xff", b"user:\xff"),
        ("é", "ü", b"\xc3\xa9:\xc3\xbc"),
        ("e\u0301", "u\u0308", b"\xc3\xa9:\xc3\xbc"),
        (b"e\xcc\x81", "", b"e\xcc\x81:"),
        ("", "a:b", b":a:b"),
    ],
)
def test_encode_username_password(
    username: str | bytes, password: str | bytes, expected: bytes
) -> None:
    assert encode_username_password(username, password) == expected


def test_repeated_names_are_appended_not_searched() -> None:
    names = Counter(f"n{number % 7}" for number in range(1000))
    query = "&".join(f"n{number % 7}={number}" for number in range(1000))
    assert {name: len(values) for name, values in parse_query(query).items()} == names
