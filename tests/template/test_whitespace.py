"""White space: the three modes, and who chooses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.template import DictLoader, ParseError, Template, filter_whitespace

MESSY = "a  b\t\n\n c"


@pytest.mark.parametrize(
    ("mode", "text", "expected"),
    [
        ("all", " a \r\n\t b ", " a \r\n\t b "),
        ("single", "a  \tb", "a b"),
        ("single", "a \t\n\n  b", "a\nb"),
        ("single", " a\r\nb ", " a\nb "),
        ("single", "a\x0b\x0cb\r\rc", "a\x0b\x0cb\r\rc"),
        ("single", "a\xa0 \n b\xa0", "a\nb\xa0"),
        ("oneline", "a \n\n\t b", "a b"),
        ("oneline", "\na\x0b\u2003b\r", " a b "),
    ],
)
def test_modes(mode: str, text: str, expected: str) -> None:
    assert filter_whitespace(mode, text) == expected


@given(st.text(st.sampled_from(" \t\n\r\x0b\xa0ab")))
def test_white_space_alone_is_touched(text: str) -> None:
    letters = "".join(text.split())
    for mode in ("all", "single", "oneline"):
        found = filter_whitespace(mode, text)
        assert "".join(found.split()) == letters
        assert filter_whitespace(mode, found) == found


def test_long_runs_take_linear_time() -> None:
    assert filter_whitespace("single", "\x0b" * 1_000_000 + "a") == "\x0b" * 1_000_000 + "a"
    assert filter_whitespace("oneline", " " * 1_000_000) == " "


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="invalid whitespace mode 'some'"):
        filter_whitespace("some", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, MESSY),
        ({"name": "a.txt"}, MESSY),
        ({"name": "a.html"}, "a b\nc"),
        ({"name": "a.js"}, "a b\nc"),
        ({"name": "a.HTML"}, MESSY),
        ({"name": "a.html", "whitespace": "all"}, MESSY),
        ({"whitespace": "oneline"}, "a b c"),
        ({"compress_whitespace": True}, "a b\nc"),
        ({"name": "a.html", "compress_whitespace": False}, MESSY),
    ],
)
def test_mode_of_a_template(arguments: dict[str, Any], expected: str) -> None:
    assert Template(MESSY, **arguments).generate() == expected.encode()


def test_the_loaders_mode_is_a_default() -> None:
    loader = DictLoader({"a.html": MESSY}, whitespace="oneline")
    assert loader.load("a.html").generate() == b"a b c"
    assert Template(MESSY, "b.html", loader, whitespace="all").generate() == MESSY.encode()
    loader = DictLoader({"a.html": MESSY, "a.txt": MESSY})
    assert loader.load("a.html").generate() == b"a b\nc"
    assert loader.load("a.txt").generate() == MESSY.encode()


def test_two_words_for_one_thing() -> None:
    with pytest.raises(ValueError, match="both"):
        Template("", compress_whitespace=True, whitespace="all")
    with pytest.raises(ValueError, match="invalid whitespace mode"):
        Template("", whitespace="none")


def test_tag_changes_the_rest_of_its_file() -> None:
    text = "{% whitespace oneline %} a  \n{% whitespace all %}  b  {% whitespace single %} \n"
    assert Template(text).generate() == b" a   b  \n"
    loader = DictLoader(
        {"a": "{% whitespace oneline %}{% include b %}a  a", "b": "b  b"}, whitespace="all"
    )
    assert loader.load("a").generate() == b"b  ba a"


@pytest.mark.parametrize("mode", ["", "both", "All"])
def test_unknown_mode_of_a_tag(mode: str) -> None:
    with pytest.raises(ParseError, match=r"a\.html:2"):
        Template(f"\n{{% whitespace {mode} %}}", "a.html")


def test_text_with_preformatted_lines_is_kept() -> None:
    page = Template("<pre>a  b</pre>{{ 1 }}a  b", "a.html").generate()
    assert page == b"<pre>a  b</pre>1a b"
