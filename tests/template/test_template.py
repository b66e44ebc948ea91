"""`Template`: its arguments, its namespace, many at once."""

from __future__ import annotations

import gc
import inspect
import linecache
import threading
import traceback
import weakref
from typing import Any

import pytest

from tornadic.template import DictLoader, Template


def test_text_or_bytes() -> None:
    assert Template("é{{ x }}").generate(x="ü") == "éü".encode()
    assert Template("é{{ x }}".encode()).generate(x="ü".encode()) == "éü".encode()
    assert Template("").generate() == b""


def test_text_that_is_none() -> None:
    with pytest.raises(UnicodeDecodeError):
        Template(b"\xff")
    with pytest.raises(UnicodeEncodeError):
        Template("\ud800")


def test_arguments() -> None:
    parameters = inspect.signature(Template).parameters
    assert list(parameters) == [
        "template_string",
        "name",
        "loader",
        "compress_whitespace",
        "autoescape",
        "whitespace",
    ]
    assert parameters["name"].default == "<string>"
    template = Template("x", "a.html")
    assert (template.name, template.loader, template.autoescape) == (
        "a.html",
        None,
        "xhtml_escape",
    )
    assert Template("x", "é.html").generate() == b"x"


def test_who_prevails() -> None:
    namespace: dict[str, Any] = {"squeeze": "loader", "a": "loader", "b": "loader"}
    loader = DictLoader({"x": "{{ squeeze }} {{ a }} {{ b }} {{ c }}"}, namespace=namespace)
    template = loader.load("x")
    assert template.generate(b="call", c="call") == b"loader loader call call"
    namespace["a"] = "changed"
    assert template.generate(b=1, c=2) == b"loader changed 1 2"


def test_variables_do_not_outlive_a_call() -> None:
    template = Template("{% try %}{{ x }}{% except NameError %}none{% end %}{% set y = 1 %}")
    assert template.generate(x=1) == b"1"
    assert template.generate() == b"none"
    variables: dict[str, Any] = {"x": 2}
    assert template.generate(**variables) == b"2"
    assert variables == {"x": 2}


def test_a_variable_that_is_set_hides_the_argument() -> None:
    with pytest.raises(UnboundLocalError):
        Template("{% set x = x %}").generate(x=1)


def test_builtins_and_eval() -> None:
    assert Template("{{ len('ab') }}{{ eval('x') }}").generate(x=1) == b"21"
    with pytest.raises(NameError, match="nothing"):
        Template("{{ nothing }}").generate()


def test_threads_share_one() -> None:
    template = Template("{% for i in range(200) %}{{ x }}{% end %}")
    pages: list[bytes] = []

    def work(x: int) -> None:
        pages.extend(template.generate(x=x) for _ in range(20))

    threads = [threading.Thread(target=work, args=(x,)) for x in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pages) == [str(x).encode() * 200 for x in range(4) for _ in range(20)]


class TestLines:
    """What is known of templates that are no files."""

    def frame_of(self, template: Template) -> traceback.FrameSummary:
        try:
            template.generate()
        except ZeroDivisionError as error:
            return traceback.extract_tb(error.__traceback__)[-1]
        raise AssertionError

    def test_live_as_long_as_the_template(self) -> None:
        template = Template("\n{{ 1/0 }}", "only-here.html")
        frame = self.frame_of(template)
        assert (frame.filename, frame.line) == ("only-here.html", "{{ 1/0 }}")
        assert "only-here.html" in linecache.cache
        gone = weakref.ref(template)
        del template
        gc.collect()
        assert gone() is None
        assert "only-here.html" not in linecache.cache

    def test_of_two_with_one_name(self) -> None:
        first = Template("{{ 1/0 }}", "same-name.html")
        second = Template("{{ 2/0 }}", "same-name.html")
        assert self.frame_of(first).line == "{{ 1/0 }}"
        frame = self.frame_of(second)
        assert frame.line == "{{ 2/0 }}"
        assert frame.filename.startswith("same-name.html (")

    def test_without_a_name(self) -> None:
        template = Template("{{ 1/0 }}")
        frame = self.frame_of(template)
        assert frame.filename.startswith("<template ")
        assert frame.line == "{{ 1/0 }}"
        assert not linecache.getlines("<string>")

    def test_of_all_that_it_came_from(self) -> None:
        loader = DictLoader(
            {
                "lines-base": "{% block b %}{% end %}",
                "lines-child": "{% extends lines-base %}{% block b %}{{ 1/0 }}{% end %}",
            }
        )
        template = loader.load("lines-child")
        loader.reset()
        gc.collect()
        assert self.frame_of(template).line is not None
        assert "lines-base" in linecache.cache

    def test_loader_of_the_namespace(self) -> None:
        # So that what looks by PEP 302 finds the text as well.
        page = Template("{% raw __loader__.get_source(__name__) %}").generate()
        assert page == b"{% raw __loader__.get_source(__name__) %}"
