"""How the text of a template is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.template import ParseError, Template
from tornadic.template.lexer import Expression, Tag, Text, Token, tokenize
from tornadic.template.sources import Source


def cut(text: str) -> list[Token]:
    return list(tokenize(Source("a.html", text)))


def render(text: str) -> bytes:
    return Template(text).generate()


def test_pieces_in_order() -> None:
    text, expression, tag, end = cut("a {{ x }}{% if  y  %} b")
    assert isinstance(text, Text) and text.snippet.text == "a "
    assert isinstance(expression, Expression) and expression.snippet.text == "x"
    assert isinstance(tag, Tag)
    assert (tag.operator, tag.rest.text, tag.whole.text) == ("if", "y", "if  y")
    assert isinstance(end, Text) and end.snippet.text == " b"


def test_places_count_lines_from_one_and_bytes_from_zero() -> None:
    _, first, _, second = cut("é {{ x }}\n\n€{%\n  set\n y %}")
    assert isinstance(first, Expression)
    assert (first.snippet.line, first.snippet.column) == (1, 6)
    assert isinstance(second, Tag)
    assert (second.line, second.whole.column) == (4, 2)
    assert (second.rest.line, second.rest.column) == (5, 1)
    assert second.whole.end == (5, 2)


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("{{!", b"{{"),
        ("{%! if %}", b"{% if %}"),
        ("a{#! b #}", b"a{# b #}"),
        ("{", b"{"),
        ("{ { } }}", b"{ { } }}"),
        ("%} #}", b"%} #}"),
        ("{{{ 1 }}}", b"{1}"),
        ("{{{{1}}}}", b"{{1}}"),
        ("{# {{ %} #}a", b"a"),
        ("{##}", b""),
        ("{# a\n#}b{# c #}", b"b"),
        ("", b""),
    ],
)
def test_what_is_markup_and_what_is_not(text: str, page: bytes) -> None:
    assert render(text) == page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{{ x", "Missing end expression }} at <string>:2"),
        ("{% if", "Missing end block %} at <string>:1"),
        ("\n\n{# x }", "Missing end comment #} at <string>:3"),
        ("{{}}", "Empty expression at <string>:1"),
        ("{{ \n }}", "Empty expression"),
        ("{% %}", "Empty tag"),
    ],
)
def test_what_is_open_or_empty(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message.replace("}", r"\}")):
        render(text)


def test_the_first_closing_sign_closes() -> None:
    with pytest.raises(SyntaxError, match="unterminated string"):
        render("{{ '}}' }}")


def test_many_pieces_on_one_line_take_linear_time() -> None:
    tokens = cut("a{{ b }}" * 50_000)
    assert len(tokens) == 100_000
    assert isinstance(tokens[-1], Expression)
    assert tokens[-1].snippet.column == 8 * 50_000 - 4


plain = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda text: not any(sign in text for sign in ("{{", "{%", "{#"))
)


@given(plain)
def test_text_without_markup_passes_unchanged(text: str) -> None:
    assert render(text) == text.encode()


@given(st.text(st.sampled_from("{}%#! \na'"), max_size=40))
def test_only_what_is_documented_is_raised(text: str) -> None:
    try:
        Template(text)
    except (ParseError, SyntaxError):
        pass


@given(st.lists(st.sampled_from(["{{!", "{%!", "{#!", "a", " ", "\n", "}}"])))
def test_escaped_signs_stand_for_themselves(parts: list[str]) -> None:
    expected = "".join(part.removesuffix("!") for part in parts)
    assert render("".join(parts)) == expected.encode()
