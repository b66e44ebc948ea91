"""Python in templates: what may stand where, and where errors point to."""

from __future__ import annotations

import ast
import traceback
import warnings

import pytest

from tornadic.template import ParseError, Template
from tornadic.template.lexer import Expression, tokenize
from tornadic.template.python import MAX_COLUMN, Scan, parse_expression
from tornadic.template.sources import Source


def render(text: str, **variables: object) -> bytes:
    return Template(text, autoescape=None).generate(**variables)


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("{{ 1, 2 }}", b"(1, 2)"),
        ("{{ 1, }}", b"(1,)"),
        ("{{ *[1], 2 }}", b"(1, 2)"),
        ("{{ [i for i in range(3)] }}", b"[0, 1, 2]"),
        ("{{ (lambda a: a * 2)(2) }}", b"4"),
        ("{{ 1 if x else 2 }}", b"1"),
        ("{{ x[0:2] }}", b"ab"),
        ("{{ 1 # one }}", b"1"),
        ("{{\n1 +\n2\n}}", b"3"),
        ("{{ (y := 5) }}{{ y }}", b"55"),
        ("{{ 'é€' }}", "é€".encode()),
        ("{{ {'a': 1}['a'] }}", b"1"),
        ("{% if x and\n not None %}a{% end %}", b"a"),
        ("{% for a, b in [(1, 2)] %}{{ a }}{{ b }}{% end %}", b"12"),
        ("{% for a in 1, 2 %}{{ a }}{% end %}", b"12"),
        ("{% set a = 1; b = 2 %}{{ a }}{{ b }}", b"12"),
        ("{% set a, *b = 1, 2 %}{{ a }}{{ b }}", b"1[2]"),
        ("{% set a = 1 %}{% set a += 1 %}{{ a }}", b"2"),
        ("{% set x.upper() %}", b""),
        ("{% set if x: a = 3 %}{{ a }}", b"3"),
        ("{% set a = 1 %}{% set del a %}{{ 'a' in dir() }}", b"False"),
        ("{% set def f(): return 1 %}{{ f() }}", b"1"),
        ("{% set f = lambda: (yield) %}{{ f() is None }}", b"False"),
        ("{% import os.path %}{{ os.sep }}", b"/"),
        ("{% import os.path as p, sys %}{{ p.sep }}{{ sys.byteorder[:0] }}", b"/"),
        ("{% from os import path as p, sep %}{{ p.sep }}{{ sep }}", b"//"),
        ("{%\tif\t1 %}a{%\nend\n%}", b"a"),
    ],
)
def test_what_may_stand_there(text: str, page: bytes) -> None:
    assert render(text, x="abc") == page


@pytest.mark.parametrize(
    ("text", "line", "offset", "message"),
    [
        ("{{ a b }}", 1, 4, "invalid syntax"),
        ("\n\né {{ 1 + }}", 3, None, "invalid syntax"),
        ("{{ (1,\n 2 3) }}", 2, 2, "invalid syntax"),
        ("{{ (1 }}", 1, 6, "'(' was never closed"),
        ("a\n{{ 1) }}", 2, 5, "unmatched ')'"),
        ("{{ [1) }}", 1, None, "closing parenthesis ')' does not match opening parenthesis '['"),
        ("{{ 'a }}", 1, 4, "unterminated string literal"),
        ("{{ a = 1 }}", 1, None, ""),
        ("{{ 1:2 }}", 1, 4, "invalid syntax"),
        ("{{ 1:2, 3 }}", 1, 4, "invalid syntax"),
        ("{{ 1]; _[2 }}", 1, 4, "invalid syntax"),
        ("{{ 1] = _[2 }}", 1, 4, "invalid syntax"),
        ("{{ 1] + _[2 }}", 1, 4, "invalid syntax"),
        ("{{ i for i in x }}", 1, None, "invalid syntax"),
        ("{{ (yield) }}", 1, 5, "'yield' in a template"),
        ("{{ (yield from x) }}", 1, 5, "'yield' in a template"),
        ("{% set return %}", 1, 8, "'return' in a template"),
        ("{% set def f(x=(yield)): pass %}", 1, None, "'yield' in a template"),
        ("\n{% set x = 1 2 %}", 2, None, "invalid syntax"),
        ("{% set x = 1\nelse: y = 2 %}", 1, 8, "invalid syntax"),
        ("{% set x = 1\ny = 2 %}", 1, 8, "invalid syntax"),
        ("{% if x: %}{% end %}", 1, None, "invalid syntax"),
        ("{% if x %}{% elif a b %}{% end %}", 1, 19, "invalid syntax"),
        ("{% while x y %}{% end %}", 1, None, "invalid syntax"),
        ("{% for x y %}{% end %}", 1, 10, "invalid syntax"),
        ("{% for x in y: z\n   for a in b %}{% end %}", 1, None, "invalid syntax"),
        ("{% for 1 in x %}{% end %}", 1, None, "cannot assign to literal"),
        ("{% try %}{% except A b %}{% end %}", 1, None, "invalid syntax"),
        ("{% import a. %}", 1, None, "invalid syntax"),
        ("{% from a %}", 1, None, "invalid syntax"),
        ("{% apply a b %}{% end %}", 1, None, "invalid syntax"),
        ("{% autoescape a b %}", 1, None, "invalid syntax"),
        ("{% raw a b %}", 1, None, "invalid syntax"),
        ("{% module a b %}", 1, None, "invalid syntax"),
        ("{{ a\0 }}", 1, None, "null bytes"),
        # Seen by the compiler only.
        ("\n{{ lambda a, a: 1 }}", 2, None, "duplicate argument"),
        ("\n{% from os import * %}", 2, None, "import * only allowed"),
        ("\n{% set nonlocal x %}", 2, None, "nonlocal"),
        ("\n{% from __future__ import annotations %}", 2, None, "__future__"),
        ("\n{% for x in y %}{% else %}\n{% break %}{% end %}", 3, None, "'break' outside loop"),
        ("{% try %}{% except %}\n{% except A %}{% end %}", 1, None, "must be last"),
    ],
)
def test_bad_python_names_its_place(text: str, line: int, offset: int | None, message: str) -> None:
    try:
        Template(text, "page.html")
    except SyntaxError as error:
        assert message in error.msg
        assert error.lineno == line
        assert error.filename == "page.html"
        assert error.text == text.split("\n")[line - 1]
        if offset is not None:
            assert error.offset == offset
        return
    except ParseError as error:
        assert message == "'break' outside loop"
        assert error.lineno == line
        return
    raise AssertionError


@pytest.mark.parametrize(
    ("text", "line", "marked"),
    [
        ("{{ 1/0 }}", 1, "1/0"),
        ("a\n\n<é>{{ (1 +\n  1/0) }}", 4, "1/0"),
        ("\n{% if x.y %}{% end %}", 2, "x.y"),
        ("{% for a in x.y %}{% end %}", 1, "x.y"),
        ("{% set a = x.y %}", 1, "x.y"),
        ("{% try %}{{ 1/0 }}{% except x.y %}{% end %}", 1, "x.y"),
        ("{% from os import nothing %}", 1, None),
        ("{% module Foo() %}", 1, "Foo"),
    ],
)
def test_failing_python_is_marked(text: str, line: int, marked: str | None) -> None:
    with pytest.raises(Exception) as caught:
        Template(text, "page.html").generate(x=1, _tt_modules=1)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert frame.filename.startswith("page.html")
    assert frame.lineno == line
    assert frame.line == text.split("\n")[line - 1].strip()
    if marked is not None:
        assert frame.colno is not None
        data = text.split("\n")[line - 1].encode()
        assert data[frame.colno : frame.end_colno].decode() == marked


@pytest.mark.parametrize("column", [MAX_COLUMN, MAX_COLUMN + 1])
def test_columns_are_kept_up_to_a_limit(column: int) -> None:
    source = Source("a", "x" * (column - 3) + "{{ y }}")
    [snippet] = [one.snippet for one in tokenize(source) if isinstance(one, Expression)]
    assert snippet.column == column
    assert parse_expression(source, snippet).col_offset == min(column, MAX_COLUMN)


def test_warnings_point_to_the_line() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        Template("\n\n\n{{ '\\d' }}\n{{ 1 is 1 }}", "page.html")
    assert [one.lineno for one in seen] == [4, 5]


def test_long_lines_take_linear_time() -> None:
    page = Template("{{ 1 }}" * 4000).generate()
    assert page == b"1" * 4000


class TestScan:
    @pytest.mark.parametrize(
        ("code", "names"),
        [
            ("a = b", "a"),
            ("a, (b, *c) = d", "abc"),
            ("a.b = c[d] = 1", ""),
            ("for a in b: c = 1", "ac"),
            ("with a as b: pass", "b"),
            ("import a.x, b.y as c", "ac"),
            ("from x import a, b as c", "ac"),
            ("try: pass\nexcept A as e: pass", "e"),
            ("def f(a=(b := 1)): c = 1", "fb"),
            ("async def f(*, a=(b := 1)): c = 1", "fb"),
            ("class C(a, m=(b := 1)): c = 1", "Cb"),
            ("a = lambda b: (c := b)", "a"),
            ("a = [b for b in c if (d := b)]", "ad"),
            ("global a; a = b = 1", "b"),
            ("del a", "a"),
        ],
    )
    def test_variables(self, code: str, names: str) -> None:
        assert Scan(ast.parse(code).body).names == set(names)

    @pytest.mark.parametrize(
        ("code", "awaits"),
        [
            ("await a", True),
            ("[x async for x in y]", True),
            ("async for x in y: pass", True),
            ("async with x: pass", True),
            ("f(await x)", True),
            ("async def f(): await x", False),
            ("x", False),
        ],
    )
    def test_awaits(self, code: str, awaits: bool) -> None:
        assert Scan(ast.parse(code).body).awaits is awaits
