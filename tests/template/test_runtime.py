"""Values: escaping, bytes, and what is joined."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.escape import xhtml_escape
from tornadic.template import DictLoader, ParseError, Template

text = st.text(st.characters(exclude_categories=["Cs"]))
values = (
    text
    | st.integers()
    | st.floats()
    | st.none()
    | st.booleans()
    | st.lists(text)
    | text.map(str.encode)
)


def as_text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@given(values)
def test_values_are_escaped_as_by_xhtml_escape(value: object) -> None:
    page = Template("<{{ x }}>").generate(x=value)
    assert page == f"<{xhtml_escape(as_text(value))}>".encode()


@given(values)
def test_raw_values_are_not(value: object) -> None:
    assert Template("<{% raw x %}>").generate(x=value) == f"<{as_text(value)}>".encode()
    assert Template("{{ x }}", autoescape=None).generate(x=value) == as_text(value).encode()


@given(st.lists(st.binary() | text, max_size=6))
def test_any_bytes_pass_where_nothing_is_escaped(pieces: list[bytes | str]) -> None:
    page = Template("é{% for x in pieces %}{% raw x %}|{% end %}").generate(pieces=pieces)
    expected = [x if isinstance(x, bytes) else x.encode() for x in pieces]
    assert page == "é".encode() + b"".join(x + b"|" for x in expected)


def test_bytes_to_be_escaped_must_be_text() -> None:
    with pytest.raises(UnicodeDecodeError):
        Template("{{ x }}").generate(x=b"\xff")


@pytest.mark.parametrize("tag", ["{{ x }}", "{% raw x %}"])
def test_lone_surrogates(tag: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        Template(tag).generate(x="\ud800")


def test_subclasses_of_text_count_for_what_they_hold() -> None:
    class Odd(str):
        def __str__(self) -> str:
            return "other"

        def replace(self, *args: Any) -> str:
            raise AssertionError

    assert Template("{{ x }}{% raw x %}").generate(x=Odd("a<")) == b"a&lt;a<"


def test_other_objects_by_their_text() -> None:
    class Thing:
        def __str__(self) -> str:
            return "<thing>"

    page = Template("{{ x }}{% raw x %}{{ None }}{{ True }}{{ 1, 2 }}").generate(x=Thing())
    assert page == b"&lt;thing&gt;<thing>NoneTrue(1, 2)"


class TestAutoescape:
    def test_off(self) -> None:
        assert Template("{{ '<' }}{% autoescape None %}").generate() == b"<"

    def test_is_of_the_file_only(self) -> None:
        files = {
            "raw": "{% autoescape None %}{{ '<' }}{% include inner %}{% block b %}{% end %}",
            "inner": "{{ '>' }}",
            "child": "{% extends raw %}{% block b %}{{ '&' }}{% end %}",
        }
        loader = DictLoader(files)
        assert loader.load("raw").generate() == b"<&gt;"
        assert loader.load("child").generate() == b"<&gt;&amp;"

    def test_of_the_loader_is_a_default(self) -> None:
        loader = DictLoader({"a": "{{ '<' }}"}, autoescape=None)
        assert loader.load("a").generate() == b"<"
        assert Template("{{ '<' }}", "b", loader, autoescape="xhtml_escape").generate() == b"&lt;"
        text = "{% autoescape xhtml_escape %}{{ '<' }}"
        assert Template(text, "c", loader).generate() == b"&lt;"

    @pytest.mark.parametrize("result", ["[{}]", b"[%d]"])
    def test_function_of_the_program_gets_bytes(self, result: Any) -> None:
        seen: list[object] = []

        def mark(value: bytes) -> Any:
            seen.append(value)
            return result

        page = Template("{% autoescape mark %}{{ 'é' }}{{ 1 }}{% raw 'r' %}").generate(mark=mark)
        expected = result if isinstance(result, bytes) else result.encode()
        assert page == expected * 2 + b"r"
        assert seen == ["é".encode(), b"1"]

    def test_any_expression_for_it(self) -> None:
        page = Template("{{ 'a' }}", autoescape="functions['up']").generate(
            functions={"up": bytes.upper}
        )
        assert page == b"A"

    def test_must_give_text(self) -> None:
        with pytest.raises(TypeError, match="NoneType"):
            Template("{% autoescape f %}{{ 1 }}").generate(f=lambda value: None)

    def test_whoever_replaces_xhtml_escape_is_asked(self) -> None:
        own: Callable[[bytes], str] = lambda value: f"({value.decode()})"  # noqa: E731
        assert Template("{{ '<' }}").generate(xhtml_escape=own) == b"(<)"
        loader = DictLoader({"a": "{{ '<' }}"}, namespace={"xhtml_escape": own})
        assert loader.load("a").generate() == b"(<)"
        assert Template("{% set xhtml_escape = own %}{{ '<' }}").generate(own=own) == b"(<)"
        text = "{% from html import escape as xhtml_escape %}{% apply len_of %}{{ 'a' }}{% end %}"
        with pytest.raises(TypeError):  # it is given bytes
            Template(text).generate(len_of=len)

    def test_must_be_said_what(self) -> None:
        with pytest.raises(ParseError, match="autoescape needs"):
            Template("{% autoescape %}")


def test_what_every_template_knows() -> None:
    text = (
        "{{ escape('<') }} {{ xhtml_escape('<') }} {{ url_escape('a b') }} {{ squeeze(' a  b ') }} "
        "{% raw json_encode({'a': '</b>'}) %} {% raw linkify('http://a.com') %} "
        "{{ datetime.date(1843, 1, 2) }} {{ _tt_utf8('a') }} "
        "{{ isinstance(b'', _tt_string_types) }} {{ __name__ }}"
    )
    page = Template(text, "a.txt", autoescape=None).generate()
    link = '<a href="http://a.com">http://a.com</a>'
    date = datetime.date(1843, 1, 2)
    expected = f'&lt; &lt; a+b a b {{"a": "<\\/b>"}} {link} {date} a True a_txt'
    assert page.decode() == expected


def test_modules_are_raw() -> None:
    class Modules:
        def Text(self, value: Any) -> Any:
            return value

    def render(value: Any, tag: str = "Text(x)") -> bytes:
        return Template(f"{{% module {tag} %}}").generate(_tt_modules=Modules(), x=value)

    assert render("<b>") == b"<b>"
    assert render(b"<\xff>") == b"<\xff>"
    assert render(None) == b"None"
    assert render("ab", "Text(x).upper()[1]") == b"B"
    with pytest.raises(NameError, match="_tt_modules"):
        Template("{% module Text(1) %}").generate(Text=str)


@pytest.mark.parametrize("tag", ["{{ f() }}", "{% raw f() %}", "{% module f() %}"])
def test_what_is_to_be_awaited_is_no_value(tag: str) -> None:
    async def f() -> str:
        raise AssertionError("called by nobody")

    class Modules:
        f: Any

    Modules.f = staticmethod(f)
    # That nobody awaits it would be a warning, and a failure.
    with pytest.raises(RuntimeError, match=r"f\(\) is to be awaited, by generate_async"):
        Template(tag).generate(f=f, _tt_modules=Modules())


def test_futures_are_no_values_either() -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(RuntimeError, match="a Future is to be awaited"):
        Template("{{ f }}").generate(f=loop.create_future())
    loop.close()


class TestGlobalNames:
    def test_of_all_files_and_functions(self) -> None:
        files = {
            "base": "{{ a }}{% block x %}{% end %}{% include part %}"
            "{% block y %}{{ gone }}{% end %}",
            "part": "{% apply b %}{{ c }}{% end %}",
            "page": "{% extends base %}{% block x %}{{ [d(lambda: e) for f in g] }}{% end %}"
            "{% block y %}{% set h = 1 %}{{ h }}{% end %}",
        }
        names = DictLoader(files).load("page").global_names
        assert names is not None
        assert names >= set("abcdeg")
        assert not names & {"h", "f", "gone"}

    @pytest.mark.parametrize(
        "text",
        [
            "{{ eval('x') }}",
            "{% set y = globals()['x'] %}",
            "{% from builtins import eval as e %}{{ e('x') }}",
            "{% import sys %}{{ sys._getframe().f_globals }}",
        ],
    )
    def test_of_what_may_look_up_any(self, text: str) -> None:
        assert Template(text).global_names is None
