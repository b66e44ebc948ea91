"""What is read off a pattern must be true of every path that it matches."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.routing.strategies import patterns, words

from tornadic.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornadic.routing import PathMatches
from tornadic.routing.patterns import read_pattern


def request_for(path: str) -> HTTPServerRequest:
    return HTTPServerRequest(
        start_line=RequestStartLine("GET", path, "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "example.com"}),
    )


@pytest.mark.parametrize(
    ("pattern", "prefix", "is_literal"),
    [
        ("/", "/", True),
        ("/users", "/users", True),
        ("^/users$", "/users", True),
        ("", "", True),
        (r"/a\.b", "/a.b", True),
        (r"/a\-b\/c", "/a-b/c", True),
        ("/users/([0-9]+)", "/users/", False),
        ("/users/(?P<id>[0-9]+)/edit", "/users/", False),
        ("/users/?", "/users", False),
        ("/ab*", "/a", False),
        ("/ab{2}", "/a", False),
        (r"/a\.?", "/a", False),
        (r"/a\d", "/a", False),
        ("/a.b", "/a", False),
        ("/a[bc]", "/a", False),
        ("/a(b|c)", "/a", False),
        ("/a(?:b|c)", "/a", False),
        ("/a(?=b)b", "/a", False),
        ("/a|/b", "", False),
        ("/a(b)|/c", "", False),
        (r"/a\|b", "/a|b", True),
        ("/a[|]b", "/a", False),
        ("/a[]|]b", "/a", False),
        ("/a[^]|]b", "/a", False),
        (r"/a[\]|]b", "/a", False),
        (r"/a[\]]|/b[c]", "", False),
        (r"/a[\[]|/b[c]", "", False),
        (r"/a\[|/b\]", "", False),
        ("/a(?#()|/b", "", False),
        ("/a(?#|)b", "/a", False),
        ("/(a)?b", "/", False),
        ("/é", "/é", True),
    ],
)
def test_prefix_and_literal(pattern: str, prefix: str, is_literal: bool) -> None:
    parts = read_pattern(pattern)
    assert (parts.prefix, parts.is_literal) == (prefix, is_literal)


@given(patterns(), st.data())
def test_prefix_is_a_prefix_of_every_match(pattern: str, data: st.DataObject) -> None:
    try:
        regex = re.compile(pattern if pattern.endswith("$") else pattern + "$")
    except re.error:
        assume(False)
    parts = read_pattern(pattern)
    path = data.draw(st.from_regex(pattern, fullmatch=True) | words())
    assume("\n" not in path)
    if regex.match(path) is not None:
        assert path.startswith(parts.prefix)
        if parts.is_literal:
            assert path == parts.prefix
    elif parts.is_literal:
        assert path != parts.prefix


class TestReverse:
    @pytest.mark.parametrize(
        ("pattern", "arguments", "path"),
        [
            ("/", (), "/"),
            ("^/a$", (), "/a"),
            (r"/a\.b", (), "/a.b"),
            ("/(.*)", ("x",), "/x"),
            ("/(.*)/b/(.*)", ("1", "2"), "/1/b/2"),
            ("/(?P<y>[^/]+)/(?P<x>[^/]+)", ("1", "2"), "/1/2"),
            ("/(a|b)/c", ("a",), "/a/c"),
            ("/(.*)", (5,), "/5"),
            ("/(.*)", (b"x y",), "/x%20y"),
            ("/(.*)", ("é?#&+%",), "/%C3%A9%3F%23%26%2B%25"),
            (r"/([\[\]])/([)])/x", ("[", ")"), "/%5B/%29/x"),
            (r"/x([\[])/y([a])/z", ("1", "2"), "/x1/y2/z"),
            ("/x([^)]+)/y", ("1",), "/x1/y"),
            (r"/x(\))/y", ("1",), "/x1/y"),
            ("/100%/(x)", ("1",), "/100%/1"),
        ],
    )
    def test_path(self, pattern: str, arguments: tuple[Any, ...], path: str) -> None:
        assert PathMatches(pattern).reverse(*arguments) == path

    @pytest.mark.parametrize(
        ("pattern", "arguments", "base"),
        [
            ("/user/([0-9]+)/?", (5,), "/user/5"),
            ("/user/?", (), "/user"),
            ("/page/([0-9]+)?", (5,), "/page/5"),
        ],
    )
    def test_an_optional_end(self, pattern: str, arguments: tuple[Any, ...], base: str) -> None:
        """Common in programs; whether the slash is there is of no matter."""
        path = PathMatches(pattern).reverse(*arguments)
        assert path is not None
        assert path.removesuffix("?").removesuffix("/") == base

    @pytest.mark.parametrize("pattern", ["/(.*)", "/", "/(a)/(b)/(c)"])
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
    def test_number_of_arguments(self, pattern: str, count: int) -> None:
        matcher = PathMatches(pattern)
        arguments = ["x"] * count
        if count == matcher.regex.groups:
            assert matcher.reverse(*arguments) == re.sub(r"\(.*?\)", "x", pattern)
        else:
            with pytest.raises(AssertionError):
                matcher.reverse(*arguments)

    @pytest.mark.parametrize("pattern", [r"/\d+", r"/\w(x)", r"/a(?:/(\d+))?", r"/x\b"])
    def test_more_than_texts_and_groups(self, pattern: str) -> None:
        with pytest.raises(ValueError, match="Cannot reverse url regex"):
            PathMatches(pattern).reverse(*["1"] * PathMatches(pattern).regex.groups)

    @given(st.lists(words(), min_size=1, max_size=4), st.data())
    def test_of_a_match_gives_the_path_back(self, texts: list[str], data: st.DataObject) -> None:
        groups = st.sampled_from(
            ["(.*)", "([^/]+)", "(.+?)", "(?:x|y)|.", r"(\w*)", "([a-z%0-9]*)"]
        )
        kinds = [data.draw(groups) for _ in texts[1:]]
        kinds = [kind if kind.startswith("(") and kind.endswith(")") else "(.)" for kind in kinds]
        pattern = re.escape(texts[0])
        path = texts[0]
        for kind, text in zip(kinds, texts[1:], strict=True):
            pattern += kind + re.escape(text)
            path += quote(data.draw(words())) + text
        matcher = PathMatches(pattern)
        match = matcher.match(request_for(path))
        assume(match is not None)
        assert match is not None
        assert matcher.reverse(*match.get("path_args", [])) == path
