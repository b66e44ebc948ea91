"""Templates made of others: blocks, includes, and what they share."""

from __future__ import annotations

import asyncio
import sys
import traceback
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.template import DictLoader, ParseError, Template


def render(files: dict[str, str], name: str, **variables: object) -> bytes:
    return DictLoader(files).load(name).generate(**variables)


class TestBlocks:
    def test_children_replace_them(self) -> None:
        files = {
            "base": "<{% block a %}1{% end %}|{% block b %}2{% end %}>",
            "child": "{% extends base %}junk{% block a %}3{% end %}{{ 1/0 }}",
            "grandchild": "{% extends child %}{% block b %}4{% end %}{% block no %}5{% end %}",
        }
        assert render(files, "base") == b"<1|2>"
        assert render(files, "child") == b"<3|2>"
        assert render(files, "grandchild") == b"<3|4>"

    def test_within_each_other(self) -> None:
        files = {
            "base": "{% block a %}1{% block b %}2{% end %}3{% end %}",
            "inner": "{% extends base %}{% block b %}4{% end %}",
            "outer": "{% extends base %}{% block a %}5{% block c %}6{% end %}{% end %}",
            "new": "{% extends outer %}{% block c %}7{% end %}{% block b %}8{% end %}",
        }
        assert render(files, "inner") == b"143"
        assert render(files, "outer") == b"56"
        assert render(files, "new") == b"57"

    def test_share_the_variables_around_them(self) -> None:
        files = {
            "base": "{% for i in [1, 2] %}{% block row %}{% end %}{{ last }}{% end %}{{ os.sep }}",
            "child": "{% extends base %}{% block row %}{{ i }}:{% set last = i %}"
            "{% import os %}{% try %}{{ 1/0 }}{% except Exception as e %}{% end %}"
            "{% for k in 'a' %}{{ [(found := j) for j in k] }}{% end %}{{ found }}{% end %}",
        }
        assert render(files, "child") == b"1:[&#x27;a&#x27;]a12:[&#x27;a&#x27;]a2/"

    def test_a_variable_that_only_a_block_sets_is_unknown_before(self) -> None:
        files = {
            "base": "{{ x }}{% block b %}{% end %}",
            "child": "{% extends base %}{% block b %}{% set x = 1 %}{% end %}",
        }
        with pytest.raises(NameError, match="'x'"):
            render(files, "child", x=3)

    def test_may_stand_twice(self) -> None:
        files = {
            "base": "{% block a %}1{% end %}{% block a %}2{% end %}",
            "child": "{% extends base %}{% block a %}3{% end %}",
        }
        assert (render(files, "base"), render(files, "child")) == (b"22", b"33")

    def test_in_what_is_included(self) -> None:
        files = {
            "part": "{% block a %}1{% end %}",
            "base": "<{% include part %}>",
            "child": "{% extends base %}{% block a %}2{% end %}",
            "same": "{% include part %}{% block a %}3{% end %}",
            "other": "{% extends other_base %}{% include part %}",
            "other_base": "{% block a %}4{% end %}",
        }
        assert render(files, "child") == b"<2>"
        assert render(files, "same") == b"33"
        assert render(files, "other") == b"1"

    def test_last_extends_counts(self) -> None:
        files = {"a": "A", "b": "B{% block x %}{% end %}", "c": "{% extends a %}{% extends b %}"}
        assert render(files, "c") == b"B"

    def test_break_does_not_lead_into_another_file(self) -> None:
        files = {
            "base": "{% for i in [1, 2] %}{% block b %}{% end %}{% end %}",
            "child": "{% extends base %}\n"
            "{% for i in [] %}{% block b %}{% break %}{% end %}{% end %}",
        }
        with pytest.raises(SyntaxError, match="'break' outside loop") as caught:
            render(files, "child")
        assert (caught.value.filename, caught.value.lineno) == ("child", 2)

    def test_the_last_definition_counts(self) -> None:
        files = {
            "base": "[{% block a %}x{% end %}]",
            "child": "{% extends base %}{% block a %}1{% block a %}2{% end %}{% end %}",
            "again": "{% extends base %}{% block a %}3{% include base %}{% end %}",
        }
        assert (render(files, "child"), render(files, "again")) == (b"[2]", b"[x]")


class TestSuper:
    files = {
        "base": "{% for i in [1, 2] %}{% block a %}b{{ i }}{% end %}{% end %}",
        "child": "{% extends base %}{% block a %}<{% super %}>{% set i = 7 %}{% super %}{% end %}",
        "skip": "{% extends child %}",
        "grandchild": "{% extends skip %}{% block a %}[{% super %}]{% end %}",
    }

    def test_is_what_is_replaced(self) -> None:
        assert render(self.files, "child") == b"<b1>b7<b2>b7"
        assert render(self.files, "grandchild") == b"[<b1>b7][<b2>b7]"

    def test_around_another_block(self) -> None:
        files = {
            "base": "{% block a %}1{% block b %}2{% end %}{% end %}",
            "child": "{% extends base %}{% block a %}a{% super %}{% end %}"
            "{% block b %}b{% super %}{% end %}",
        }
        assert render(files, "child") == b"a1b2"

    def test_there_must_be_one(self) -> None:
        with pytest.raises(ParseError, match="super in block a, which replaces none at x:2"):
            render({"x": "\n{% block a %}{% super %}{% end %}"}, "x")


class TestIncludes:
    def test_share_variables_both_ways(self) -> None:
        files = {
            "a": "{% set x = 1 %}{% include b %}{{ x }}{{ y }}{% include b %}",
            "b": "({{ x }}){% set x += 1 %}{% set y = 'y' %}",
        }
        assert render(files, "a") == b"(1)2y(2)"

    def test_within_includes_and_loops(self) -> None:
        files = {
            "a": "{% for i in [1, 2] %}{% include b %}{% end %}",
            "b": "{% set j = i * 2 %}{% include c %}",
            "c": "{{ i }}{{ j }}{% for i in [] %}{% end %}",
        }
        assert render(files, "a") == b"1224"

    def test_break_belongs_to_the_file(self) -> None:
        with pytest.raises(ParseError, match="break outside of for, while at b:1"):
            render({"a": "{% for i in [1] %}{% include b %}{% end %}", "b": "{% break %}"}, "a")

    def test_not_of_one_that_extends(self) -> None:
        files = {"a": "\n{% include b %}", "b": "{% extends c %}", "c": ""}
        with pytest.raises(ParseError, match="b cannot be included, since it extends c at a:2"):
            render(files, "a")


class TestApply:
    def test_function_gets_bytes_and_gives_text_or_bytes(self) -> None:
        seen: list[object] = []

        def note(data: bytes) -> bytes:
            seen.append(data)
            return b"[%s]" % data

        text = "{% apply note %}é{{ '<' }}{% raw b'\\xff' %}{% end %}{% apply str_ %}{% end %}"
        page = Template(text).generate(note=note, str_=lambda data: "ü")
        assert seen == ["é&lt;".encode() + b"\xff"]
        assert page == "[é&lt;".encode() + b"\xff]" + "ü".encode()

    def test_anything_else_is_an_error(self) -> None:
        for result in (None, 1):
            with pytest.raises(TypeError, match=type(result).__name__):
                Template("{% apply f %}{% end %}").generate(f=lambda data, r=result: r)

    def test_any_expression_for_it(self) -> None:
        text = "{% apply lambda data: data.upper() %}a{% end %}{% apply fs['x'] %}b{% end %}"
        assert Template(text).generate(fs={"x": bytes.title}) == b"AB"

    def test_variables_set_within_are_its_own(self) -> None:
        files = {
            "a": "{% set x = 1 %}{% set y = 2 %}"
            "{% apply same %}{{ y }}{% include b %}{{ x }}{% end %}{{ x }}",
            "b": "{% set x = 3 %}",
        }
        assert render(files, "a", same=lambda data: data) == b"231"

    def test_within_each_other(self) -> None:
        text = "{% apply f %}a{% apply f %}b{% end %}{% block c %}c{% end %}{% end %}"
        assert Template(text).generate(f=lambda data: b"<%s>" % data) == b"<a<b>c>"

    def test_what_a_failing_one_wrote_is_gone(self) -> None:
        text = "{% try %}a{% apply f %}b{{ 1/0 }}{% end %}{% except %}c{% end %}"
        assert Template(text).generate(f=bytes) == b"ac"


class TestCircles:
    def test_extends(self) -> None:
        files = {"a": "\n{% extends b %}", "b": "{% extends c %}", "c": "\n\n{% extends a %}"}
        with pytest.raises(ParseError, match="a extends itself at c:3"):
            render(files, "a")
        with pytest.raises(ParseError, match="a extends itself at a:1"):
            render({"a": "{% extends a %}"}, "a")

    def test_includes(self) -> None:
        files = {"a": "{% include b %}", "b": "\n{% if 0 %}{% include a %}{% end %}"}
        with pytest.raises(ParseError, match="a contains itself at b:2"):
            render(files, "a")
        with pytest.raises(ParseError, match="a contains itself at a:1"):
            render({"a": "{% include a %}"}, "a")

    def test_super(self) -> None:
        files = {
            "base": "{% block a %}{% block b %}{% end %}{% end %}",
            "child": "{% extends base %}{% block b %}{% block a %}{% super %}{% end %}{% end %}",
        }
        with pytest.raises(ParseError, match="block a contains itself at child:1"):
            render(files, "child")

    def test_twice_in_a_row_is_none(self) -> None:
        files = {"a": "{% include b %}{% include b %}{% include c %}", "b": "b", "c": "b"}
        assert render(files, "a") == b"bbb"


class TestPlaces:
    files = {
        "places-base.html": "x\n{% block b %}\n{% end %}",
        "places-child.html": "{% extends places-base.html %}\n{% block b %}\n\n"
        "{% include places-part.html %}{% end %}",
        "places-part.html": "\n{% apply f %}\né{{ 1/0 }}{% end %}",
    }

    def test_traceback_goes_through_the_templates(self) -> None:
        loader = DictLoader(self.files)
        with pytest.raises(ZeroDivisionError) as caught:
            loader.load("places-child.html").generate(f=bytes)
        frames = traceback.extract_tb(caught.value.__traceback__)[-4:]
        assert [(one.filename, one.lineno, one.line) for one in frames] == [
            ("places-base.html", 2, "{% block b %}"),
            ("places-child.html", 4, "{% include places-part.html %}{% end %}"),
            ("places-part.html", 2, "{% apply f %}"),
            ("places-part.html", 3, "é{{ 1/0 }}{% end %}"),
        ]
        # In short, and in the words that programs know from Tornado.
        assert caught.value.__notes__ == [
            "# places-part.html:3 (via places-part.html:2, places-child.html:4, places-base.html:2)"
        ]

    def test_place_is_noted_once(self) -> None:
        class Refused(Exception):
            pass

        refused = Refused()

        def refuse() -> None:
            raise refused

        template = Template("\n{{ f() }}", "a.html")
        for _ in range(3):
            with pytest.raises(Refused):
                template.generate(f=refuse)
        assert refused.__notes__ == ["# a.html:2"]

    def test_template_that_renders_another(self) -> None:
        loader = DictLoader({"a": "{% raw load('b') %}", "b": "\n{{ 1/0 }}"})
        with pytest.raises(ZeroDivisionError) as caught:
            loader.load("a").generate(load=lambda name: loader.load(name).generate())
        assert caught.value.__notes__ == ["# b:2", "# a:1"]

    def test_debuggers_see_the_lines(self) -> None:
        lines: list[tuple[str, int]] = []

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line" and frame.f_code.co_filename.endswith(".html"):
                lines.append((frame.f_code.co_filename, frame.f_lineno))
            return trace

        files = {
            "steps-base.html": "a\n{% set x = 1 %}\n{% block b %}{% end %}\n{{ x }}",
            "steps.html": "{% extends steps-base.html %}\n{% block b %}\n"
            "{% for y in z %}\n{{ y }}\n{% end %}{% end %}",
        }
        template = DictLoader(files).load("steps.html")
        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            template.generate(z=[1])
        finally:
            sys.settrace(previous)
        assert {line for name, line in lines if name == "steps-base.html"} >= {2, 3, 4}
        assert {line for name, line in lines if name == "steps.html"} >= {3, 4}

    def test_error_of_the_compiler_names_the_file(self) -> None:
        files = {
            "base": "{% block a %}{% end %}{% block b %}{% end %}",
            "child": "{% extends base %}{% block a %}{% end %}{% block b %}\n"
            "{% include part %}{% end %}",
            "part": "\n\n{{ lambda a, a: 1 }}",
        }
        with pytest.raises(SyntaxError, match="duplicate argument") as caught:
            render(files, "child")
        assert (caught.value.filename, caught.value.lineno) == ("part", 3)


class TestAwait:
    async def double(self, value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    def generate(self, files: dict[str, str], name: str) -> bytes:
        template = DictLoader(files).load(name)
        return asyncio.run(template.generate_async(double=self.double, same=lambda data: data))

    def test_wherever_an_expression_stands(self) -> None:
        text = (
            "{{ await double(1) }}{% raw await double(2) %}"
            "{% if await double(0) %}a{% elif await double(1) %}b{% end %}"
            "{% for i in [await double(i) for i in [3, 4]] %}{{ i }}{% end %}"
            "{% set x = await double(5) %}{{ x }}"
            "{% while x > await double(5) %}{% end %}"
            "{% try %}{{ await double(1/0) }}"
            "{% except ZeroDivisionError %}{{ await double(6) }}{% end %}"
        )
        assert self.generate({"a": text}, "a") == b"24b681012"

    def test_in_blocks_includes_and_apply(self) -> None:
        files = {
            "base": "{% apply same %}<{% block a %}{% end %}>{% end %}{% block c %}c{% end %}",
            "child": "{% extends base %}{% block a %}{% include part %}{{ y }}{% end %}",
            "part": "{% apply same %}{% set x = 1 %}{{ await double(2) }}{% end %}"
            "{% set y = await double(3) %}",
        }
        assert self.generate(files, "child") == b"<46>c"

    def test_block_that_does_not_await_is_no_coroutine(self) -> None:
        files = {
            "base": "{% block a %}{{ await double(1) }}{% end %}{% block b %}{% end %}",
            "child": "{% extends base %}{% block a %}{% end %}{% block b %}b{% end %}",
        }
        assert self.generate(files, "base") == b"2"
        assert render(files, "child") == b"b"

    def test_errors_point_to_the_line(self) -> None:
        files = {"a": "\n{% include b %}", "b": "\n\n{{ await double(1/0) }}"}
        with pytest.raises(ZeroDivisionError) as caught:
            self.generate(files, "a")
        assert caught.value.__notes__ == ["# b:3 (via a:2)"]

    def test_generate_refuses(self) -> None:
        template = Template("{{ await x }}", "a.html")
        with pytest.raises(RuntimeError, match=r"a\.html contains await: use generate_async"):
            template.generate(x=1)

    def test_needs_none(self) -> None:
        assert asyncio.run(Template("{{ x }}").generate_async(x=1)) == b"1"

    def test_renders_go_on_beside_each_other(self) -> None:
        async def main() -> list[bytes]:
            template = Template("{{ x }}{{ await double(x) }}{{ x }}")
            return await asyncio.gather(
                *(template.generate_async(x=x, double=self.double) for x in range(3))
            )

        assert asyncio.run(main()) == [b"000", b"121", b"242"]


class TestModules:
    """``{% module %}`` in pages that wait, and in those that do not."""

    class Modules:
        async def Slow(self, value: object) -> str:
            await asyncio.sleep(0)
            return f"<{value}>"

        def Quick(self, value: int) -> bytes:
            return b"(%d)" % value

        def Future(self) -> asyncio.Future[str]:
            future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            future.set_result("&")
            return future

    def generate(self, files: dict[str, str], name: str) -> bytes:
        template = DictLoader(files).load(name)
        page = template.generate_async(_tt_modules=self.Modules(), up=bytes.upper)
        return asyncio.run(page)

    def test_are_awaited_wherever_they_stand(self) -> None:
        files = {
            "base": "{% module Quick(1) %}{% block a %}{% end %}"
            "{% apply up %}{% include part %}{% end %}",
            "child": "{% extends base %}"
            "{% block a %}{% for i in 'ab' %}{% module Slow(i) %}{% end %}{% end %}",
            "part": "{% if True %}{% module Slow('part') %}{% end %}{% module Future() %}",
        }
        assert self.generate(files, "child") == b"(1)<a><b><PART>&"

    def test_page_that_does_not_wait_renders_both_ways(self) -> None:
        template = Template("{% module Quick(1) %}{{ 2 }}")
        assert template.generate(_tt_modules=self.Modules()) == b"(1)2"
        assert asyncio.run(template.generate_async(_tt_modules=self.Modules())) == b"(1)2"
        assert template.generate(_tt_modules=self.Modules()) == b"(1)2"

    def test_errors_point_to_the_line(self) -> None:
        files = {"a": "\n{% include b %}", "b": "\n{% module Slow(1/0) %}"}
        with pytest.raises(ZeroDivisionError) as caught:
            self.generate(files, "a")
        assert caught.value.__notes__ == ["# b:2 (via a:2)"]


names = st.sampled_from("abc")
leaves = st.sampled_from(["x", "{{ v }}", "{% set v = v + 1 %}"])
bodies: st.SearchStrategy[str] = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map("".join)
        | inner.map("{{% if v % 2 %}}{}{{% end %}}".format)
        | inner.map("{{% for i in [0, v] %}}{}{{% end %}}".format)
    ),
    max_leaves=6,
)


@given(bodies, bodies, bodies)
def test_what_is_included_is_as_if_it_stood_there(before: str, middle: str, after: str) -> None:
    start = "{% set v = 1 %}"
    whole = Template(start + before + middle + after).generate()
    parts = {"a": f"{start}{before}{{% include b %}}{after}", "b": middle}
    assert render(parts, "a") == whole
    family = {
        "base": f"{start}{before}{{% block m %}}{{% end %}}{after}",
        "child": f"{{% extends base %}}{{% block m %}}{middle}{{% end %}}",
    }
    assert render(family, "child") == whole
