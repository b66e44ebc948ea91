"""Cookies: what a browser sends is understood, what we send cannot be broken out of."""

from __future__ import annotations

import http.cookies
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.cookies import InvalidCookieError, format_set_cookie, parse_cookie

MOMENT = datetime(1994, 11, 6, 8, 49, 37)
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"

VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {}),
        (";; ;=; = ", {}),
        ("a=b; c=d", {"a": "b", "c": "d"}),
        ("a=b;c=d;", {"a": "b", "c": "d"}),
        (" \ta =\tb\t; c = d ", {"a": "b", "c": "d"}),
        ("a=b=c==", {"a": "b=c=="}),
        ("a=1; a=2", {"a": "2"}),
        ("a=", {"a": ""}),
        ("a=b,c=d", {"a": "b,c=d"}),
        ("$Version=1; a=b; $Path=/", {"$Version": "1", "a": "b", "$Path": "/"}),
        ("\xe9=\xfc", {"\xe9": "\xfc"}),
    ],
)
def test_pairs(header: str, expected: dict[str, str]) -> None:
    assert parse_cookie(header) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('""', ""),
        ('"a b"', "a b"),
        ('"a\\073b"', "a;b"),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ('"\\351\\377\\000"', "\xe9\xff\x00"),
        ('"\\3777"', "\xff7"),
        ("a\\073b", "a\\073b"),
        ("'a'", "'a'"),
        ('"', '"'),
        ('"a', '"a'),
        ('a"', 'a"'),
        ('a"b"', 'a"b"'),
        ('"a"b"', 'a"b'),
        ('"a\\"', "a\\"),
    ],
)
def test_quoted_values(value: str, expected: str) -> None:
    assert parse_cookie(f"x={value}; y=z") == {"x": expected, "y": "z"}


@pytest.mark.parametrize("escape", ["400", "777", "999", "08x", "1", "12", "+12", "٠٧٣", "x41"])
def test_bad_octal_escapes_are_no_characters(escape: str) -> None:
    assert parse_cookie(f'a="\\{escape}"') == {"a": escape}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("=x", {"": "x"}),
        ("x", {"": "x"}),
        ("=__Host-x=1", {"": "__Host-x=1"}),
        ("__Host-x", {"": "__Host-x"}),
        ("==__Host-x=1", {"": "=__Host-x=1"}),
        ('a="b; __Host-x=1', {"a": '"b', "__Host-x": "1"}),
        ('a="\\073 __Host-x=1"', {"a": "; __Host-x=1"}),
    ],
)
def test_nameless_cookies_do_not_become_others(header: str, expected: dict[str, str]) -> None:
    assert parse_cookie(header) == expected


@pytest.mark.parametrize("blank", ["\xa0", "\x85", "\u2000", "\x0b", "\x0c", "\x1f", "\r\n"])
def test_only_blank_and_tab_are_trimmed(blank: str) -> None:
    assert parse_cookie(f"{blank}__Host-x=1{blank}") == {f"{blank}__Host-x": f"1{blank}"}


@pytest.mark.parametrize("piece", ['"', "\\", '\\"', "\\1", "\\07", ";", '";', "=", " ", "a=\\;"])
def test_hostile_headers_take_linear_time(piece: str) -> None:
    parse_cookie('a="' + piece * 500_000 + '"')
    parse_cookie('a="' + piece * 500_000)


@given(st.text() | st.text(alphabet='ab=;" \\0137\t'))
def test_any_header_is_parsed(header: str) -> None:
    cookies = parse_cookie(header)
    assert len(cookies) <= header.count(";") + 1
    assert all(";" not in name and "=" not in name for name in cookies)


@given(VALUES)
def test_what_is_written_is_read_back(value: str) -> None:
    header = format_set_cookie("n", value)
    assert parse_cookie(header) == {"n": value, "Path": "/"}
    pair = header.removesuffix("; Path=/")
    assert pair.isascii() and pair.isprintable()
    assert not {",", ";"} & set(pair)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"])))
def test_other_readers_and_writers_agree(value: str) -> None:
    theirs = http.cookies.SimpleCookie()
    theirs["n"] = value
    assert format_set_cookie("n", value, path=None) == theirs["n"].OutputString()


def test_attributes_and_their_order() -> None:
    header = format_set_cookie(
        "a",
        "b",
        version=1,
        secure=True,
        samesite="Strict",
        path="/p",
        partitioned=True,
        max_age=5,
        httponly=True,
        expires=MOMENT,
        domain="e.com",
        comment="x",
    )
    assert header == (
        f"a=b; Comment=x; Domain=e.com; expires={DATE}; HttpOnly; Max-Age=5; Partitioned; "
        "Path=/p; SameSite=Strict; Secure; Version=1"
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_attributes_left_out(nothing: str | None) -> None:
    header = format_set_cookie(
        "a", "b", domain=nothing, path=nothing, samesite=nothing, comment=nothing, version=nothing
    )
    assert header == "a=b"


@pytest.mark.parametrize(
    "expires",
    [
        784111777,
        784111777.5,
        time.gmtime(784111777),
        (1994, 11, 6, 8, 49, 37),
        MOMENT,
        MOMENT.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=5))),
    ],
)
def test_expires_takes_every_kind_of_time(expires: Any) -> None:
    assert format_set_cookie("a", "b", expires=expires) == f"a=b; expires={DATE}; Path=/"


def test_zero_is_a_time() -> None:
    assert "expires=Thu, 01 Jan 1970 00:00:00 GMT" in format_set_cookie("a", "b", expires=0)
    assert "; Max-Age=0;" in format_set_cookie("a", "b", max_age=0)


@pytest.mark.parametrize(
    ("max_age", "sent"), [(5, "5"), (-1, "-1"), (1.9, "1"), ("60", "60"), (True, "1")]
)
def test_max_age_is_sent_in_whole_seconds(max_age: Any, sent: str) -> None:
    assert f"; Max-Age={sent};" in format_set_cookie("a", "b", max_age=max_age)


def test_max_age_has_at_most_eighteen_digits() -> None:
    most = 10**18 - 1
    assert f"; Max-Age={most};" in format_set_cookie("a", "b", max_age=most)
    for more in (most + 1, str(most + 1), 10**5000):
        with pytest.raises(InvalidCookieError, match="max_age"):
            format_set_cookie("a", "b", max_age=more)


@pytest.mark.parametrize("samesite", ["Strict", "lax", "None"])
def test_samesite(samesite: str) -> None:
    assert format_set_cookie("a", "b", samesite=samesite).endswith(f"; SameSite={samesite}")


def attributes(name: str, value: str) -> dict[str, Any]:
    return {name: value}


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", ";", "中"])
@pytest.mark.parametrize("attribute", ["domain", "path", "samesite", "comment", "max_age"])
def test_attributes_refuse_controls_and_semicolons(attribute: str, character: str) -> None:
    for text in (character, f"a{character}b", f"Lax{character}", f"{character}1"):
        with pytest.raises(ValueError, match=f"attribute {attribute}="):
            format_set_cookie("n", "v", **attributes(attribute, text))


@pytest.mark.parametrize("text", ["x", "1 ", "1.5", "+1", "1_0", "٣", "", "1;"])
def test_max_age_as_text_is_digits(text: str) -> None:
    with pytest.raises(ValueError, match="max_age"):
        format_set_cookie("n", "v", max_age=text)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_numbers_without_a_date(number: float) -> None:
    with pytest.raises(ValueError, match="max_age"):
        format_set_cookie("n", "v", max_age=number)
    with pytest.raises(ValueError, match="expires"):
        format_set_cookie("n", "v", expires=number)


def test_expires_that_is_no_time() -> None:
    text: Any = DATE
    with pytest.raises(TypeError):
        format_set_cookie("n", "v", expires=text)


@pytest.mark.parametrize("samesite", ["bogus", "Strict, Lax", "Lax; Secure"])
def test_samesite_is_one_of_three(samesite: str) -> None:
    with pytest.raises(ValueError, match="samesite"):
        format_set_cookie("n", "v", samesite=samesite)


@pytest.mark.parametrize("version", ["1;x", "x", "1\r\n"])
def test_version_is_a_number(version: str) -> None:
    with pytest.raises(ValueError, match="version"):
        format_set_cookie("n", "v", version=version)


NO_NAMES = [
    "",
    "a b",
    "a;b",
    "a=b",
    'a"',
    "é",
    "a\tb",
    "a\r\nb",
    "a\0",
    "a,b",
    "a/b",
    "a@b",
    "\x7f",
]
RESERVED = ["path", "Path", "secure", "EXPIRES", "max-age", "SameSite", "partitioned", "version"]


@pytest.mark.parametrize("name", NO_NAMES + RESERVED)
def test_names_that_cannot_be_sent(name: str) -> None:
    with pytest.raises(ValueError, match="attribute name="):
        format_set_cookie(name, "v")


@pytest.mark.parametrize("name", ["a", "__Host-a", "$a", "a.b", "a:b", "!#%&'*+-^_`|~"])
def test_names_that_can(name: str) -> None:
    assert format_set_cookie(name, "v", path=None) == f"{name}=v"


@pytest.mark.parametrize("character", [*map(chr, range(0x21)), "\u0100", "中", "\udc80"])
def test_values_that_cannot_be_sent(character: str) -> None:
    with pytest.raises(ValueError, match="Invalid cookie 'n'"):
        format_set_cookie("n", f"a{character}b")


def test_the_error_is_what_programs_catch() -> None:
    with pytest.raises(http.cookies.CookieError):
        format_set_cookie("a b", "v")
    assert issubclass(InvalidCookieError, ValueError)


ANY_TEXT = st.text() | st.sampled_from(["/", "e.com", "Lax", "1"])


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_only_one_header_line_comes_out(
    name: str, value: str, domain: str, path: str, samesite: str, comment: str
) -> None:
    try:
        header = format_set_cookie(
            name, value, domain=domain, path=path, samesite=samesite, comment=comment
        )
    except ValueError:
        return
    given_attributes = sum(map(bool, (domain, path, samesite, comment)))
    assert header.count(";") == given_attributes
    assert not any(ord(character) < 0x20 for character in header)
    header.encode("latin-1")
