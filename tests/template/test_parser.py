"""Tags: what they do, and where they may not stand."""

from __future__ import annotations

import pickle

import pytest

from tornadic.template import ParseError, Template
from tornadic.template.parser import MAX_DEPTH


def render(text: str, **variables: object) -> bytes:
    return Template(text).generate(**variables)


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("{% if x %}a{% end %}", b"a"),
        ("{% if not x %}a{% elif x == 1 %}b{% elif 1 %}d{% else %}c{% end %}", b"b"),
        ("{% if not x %}a{% elif 0 %}b{% else %}c{% end if %}", b"c"),
        ("{% if x %}{% else %}{% end %}", b""),
        ("{% for i in [1, 2] %}{{ i }}{% else %}e{% end %}", b"12e"),
        (
            "{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% end %}{{ i }}{% else %}e{% end %}",
            b"1",
        ),
        ("{% for i in [1, 2] %}{% if i == 1 %}{% continue %}{% end %}{{ i }}{% end %}", b"2"),
        ("{% while x < 3 %}{% break %}{% end %}", b""),
        ("{% set n = 0 %}{% while n < 3 %}{{ n }}{% set n += 1 %}{% else %}e{% end %}", b"012e"),
        ("{% for i in [] %}{% end %}", b""),
        ("{% try %}a{{ 1/0 }}b{% except %}c{% end %}", b"ac"),
        ("{% try %}a{% except KeyError %}b{% else %}c{% finally %}d{% end %}", b"acd"),
        ("{% try %}{{ {}[1] }}{% except A %}{% except KeyError as e %}{{ e }}{% end %}", b"1"),
        ("{% try %}{% finally %}{% end %}", b""),
        ("{% try %}{% except %}{% end %}", b""),
        ("{% comment if x %}a{# b #}{% comment %}", b"a"),
        ("{% for i in [1, 2] %}{% block b %}{{ i }}{% break %}{% end %}{% end %}", b"1"),
        ("{% block a %}1{% end %}{% block a %}2{% end %}", b"22"),
        ("{% block 'a b' %}1{% end %}", b"1"),
    ],
)
def test_tags(text: str, page: bytes) -> None:
    assert render(text, x=1, A=ValueError) == page


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a\n{% foo %}", 2, "unknown tag 'foo'"),
        ("{% if x %}\n{% endif %}", 2, "unknown tag 'endif'"),
        ("\n{% end %}", 2, "Extra {% end %}"),
        ("{% comment %}x{% end %}", 1, "Extra {% end %}"),
        ("\n{% if x %}\n\n", 2, "Missing {% end %} of if"),
        ("{% for x in y %}\n{% block b %}", 2, "Missing {% end %} of block"),
        ("{% if x %}{% else %}", 1, "Missing {% end %} of if"),
        ("{% else %}", 1, "else outside of if, for, while, try"),
        ("{% elif x %}", 1, "elif outside of if"),
        ("{% except %}", 1, "except outside of try"),
        ("{% finally %}", 1, "finally outside of try"),
        ("{% for x in y %}{% elif x %}{% end %}", 1, "elif cannot belong to for"),
        ("{% block b %}\n{% else %}{% end %}", 2, "else cannot belong to block"),
        ("{% if x %}{% else %}{% else %}{% end %}", 1, "else after else"),
        ("{% if x %}{% else %}{% elif x %}{% end %}", 1, "elif after else"),
        ("{% try %}{% end %}", 1, "try needs except or finally"),
        ("{% try %}{% else %}{% end %}", 1, "misplaced else of try"),
        ("{% try %}{% finally %}{% except %}{% end %}", 1, "misplaced except of try"),
        ("{% try %}{% finally %}{% finally %}{% end %}", 1, "misplaced finally of try"),
        ("{% try %}{% except %}{% else %}{% except %}{% end %}", 1, "misplaced except of try"),
        ("{% break %}", 1, "break outside of for, while"),
        ("{% if x %}{% continue %}{% end %}", 1, "continue outside of for, while"),
        ("{% for i in x %}{% apply f %}{% break %}{% end %}{% end %}", 1, "break outside"),
        ("{% super %}", 1, "super outside of block"),
        ("{% if x %}{% extends a %}{% end %}", 1, "extends within if"),
        ("{% else x %}", 1, "else outside"),
        ("{% if x %}{% else y %}{% end %}", 1, "else takes nothing"),
        ("{% for i in x %}{% break i %}{% end %}", 1, "break takes nothing"),
        ("{% try x %}{% end %}", 1, "try takes nothing"),
        ("{% if %}{% end %}", 1, "if needs a test"),
        ("{% if x %}{% elif %}{% end %}", 1, "elif needs a test"),
        ("{% for %}{% end %}", 1, "for needs"),
        ("{% while %}{% end %}", 1, "while needs a test"),
        ("{% apply %}{% end %}", 1, "apply needs a function"),
        ("{% block %}{% end %}", 1, "block needs a name"),
        ("{% set %}", 1, "set needs a statement"),
        ("{% raw %}", 1, "raw needs an expression"),
        ("{% module %}", 1, "module needs a module"),
        ("{% import %}", 1, "import needs a module"),
        ("{% from %}", 1, "from needs a module and names"),
        ("{% extends %}", 1, "extends needs a file"),
        ("{% extends '' %}", 1, "extends needs a file"),
        ('{% include "" %}', 1, "include needs a file"),
        ("{% include a %}", 1, "'include a' needs a loader"),
        ("\n{% extends a %}", 2, "'extends a' needs a loader"),
    ],
)
def test_tags_that_are_not_well_put(text: str, line: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        Template(text, "page.html")
    error = caught.value
    assert (error.filename, error.lineno) == ("page.html", line)
    assert error.message.startswith(message)
    assert str(error) == f"{error.message} at page.html:{line}"


def test_parse_error_is_a_value() -> None:
    error = ParseError("no", "a.html", 3)
    assert (error.message, error.filename, error.lineno) == ("no", "a.html", 3)
    assert (ParseError("no").filename, ParseError("no").lineno) == (None, 0)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.args) == ("no at a.html:3", ("no", "a.html", 3))


@pytest.mark.parametrize("tag", ["if 1", "block b%d", "apply same", "for i%d in [1]"])
def test_depth_has_a_limit(tag: str) -> None:
    def nested(depth: int) -> str:
        opened = (f"{{% {tag % i if '%' in tag else tag} %}}" for i in range(depth))
        return "".join(opened) + "x" + "{% end %}" * depth

    with pytest.raises(ParseError, match="more than 100 tags"):
        Template(nested(MAX_DEPTH + 1))
    if tag.startswith("for"):
        # Of loops Python takes fewer, and says so itself.
        with pytest.raises(SyntaxError, match="too many statically nested blocks"):
            Template(nested(MAX_DEPTH))
    else:
        page = Template(nested(MAX_DEPTH)).generate(same=lambda data: data)
        assert page == b"x"


def test_many_branches() -> None:
    text = "{% if x == 0 %}" + "".join(f"{{% elif x == {i} %}}{i}" for i in range(1, 200))
    assert render(text + "{% end %}", x=150) == b"150"
