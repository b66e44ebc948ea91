"""The index finds what trying all rules in turn finds, whatever the rules are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.routing.strategies import literals, patterns, words

from tornadic.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
)
from tornadic.routing import AnyMatches, Matcher, PathMatches, Rule, RuleRouter


def request_for(path: str) -> HTTPServerRequest:
    return HTTPServerRequest(
        start_line=RequestStartLine("GET", path, "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "example.com"}),
    )


class Found(HTTPMessageDelegate):
    """Says which rule was found, and with what."""

    __slots__ = ("params", "target")

    def __init__(self, target: object, params: dict[str, Any]) -> None:
        self.target = target
        self.params = params


class Naming(RuleRouter):
    """A router whose targets are numbers; ``declined`` are those that do not answer."""

    declined: frozenset[int] = frozenset()

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        return None if target in self.declined else Found(target, target_params)


def by_index(router: Naming, path: str) -> tuple[object, dict[str, Any]] | None:
    found = router.find_handler(request_for(path))
    if found is None:
        return None
    assert isinstance(found, Found)
    return found.target, found.params


def in_turn(router: Naming, path: str) -> tuple[object, dict[str, Any]] | None:
    request = request_for(path)
    for rule in router.rules:
        params = rule.matcher.match(request)
        if params is not None and rule.target not in router.declined:
            if rule.target_kwargs:
                params = {**params, "target_kwargs": rule.target_kwargs}
            return rule.target, params
    return None


def router_of(matchers: list[Matcher], declined: frozenset[int] = frozenset()) -> Naming:
    router = Naming(
        [
            Rule(matcher, number, {"n": number} if number % 2 else None)
            for number, matcher in enumerate(matchers)
        ]
    )
    router.declined = declined
    return router


def compiled(pattern: str, flags: int = 0) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, flags)
    except re.error:
        return None


FLAGS = [0, 0, re.IGNORECASE, re.VERBOSE, re.ASCII, re.DOTALL, re.MULTILINE]


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    """A matcher of any kind."""
    kind = draw(st.sampled_from(["literal"] * 3 + ["pattern"] * 4 + ["compiled", "any", "own"]))
    if kind == "any":
        return AnyMatches() if draw(st.booleans()) else EndsIn(draw(literals()))
    if kind == "own":
        return EndsIn(draw(literals()))
    pattern = "/" + draw(literals()) if kind == "literal" else draw(patterns())
    flags = draw(st.sampled_from(FLAGS)) if kind == "compiled" else 0
    regex = compiled(pattern, flags)
    assume(regex is not None and len(regex.groupindex) in (0, regex.groups))
    assert regex is not None
    return PathMatches(regex if kind == "compiled" else pattern)


class EndsIn(Matcher):
    """A matcher that the index knows nothing of."""

    def __init__(self, end: str) -> None:
        self.end = end

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if request.path.endswith(self.end) else None


def paths() -> st.SearchStrategy[str]:
    return words() | literals().map(lambda text: "/" + text)


@settings(max_examples=200)
@given(st.lists(matchers(), max_size=12), st.lists(paths(), min_size=1, max_size=8), st.data())
def test_same_first_match(rules: list[Matcher], tried: list[str], data: st.DataObject) -> None:
    declined = data.draw(st.frozensets(st.integers(0, 11), max_size=3))
    router = router_of(rules, declined)
    for path in tried:
        assert by_index(router, path) == in_turn(router, path)
    for matcher in rules:
        if isinstance(matcher, PathMatches):
            path = data.draw(st.from_regex(matcher.regex, fullmatch=True))
            path += data.draw(st.sampled_from(["", "", "a", "/"]))
            if "\n" not in path and "?" not in path and path.startswith("/"):
                assert by_index(router, path) == in_turn(router, path)


@given(
    st.lists(st.tuples(literals(), st.sampled_from(["", "(.*)", "/?", "[a-x/]*"])), max_size=30),
    st.lists(literals(), min_size=1, max_size=5),
)
@example([("a", "(.*)"), ("ab", ""), ("ab", "(.*)"), ("b", "")], ["ab", "a", "abx", "b"])
def test_many_rules_that_share_their_beginnings(
    rules: list[tuple[str, str]], tried: list[str]
) -> None:
    router = router_of([PathMatches(f"/{text}{rest}") for text, rest in rules])
    for text in tried:
        path = f"/{text}"
        assert by_index(router, path) == in_turn(router, path)


@given(st.lists(st.lists(matchers(), max_size=4), min_size=1, max_size=4), paths())
def test_rules_added_later(batches: list[list[Matcher]], path: str) -> None:
    router = Naming()
    for number, batch in enumerate(batches):
        router.add_rules([Rule(matcher, number) for matcher in batch])
        assert by_index(router, path) == in_turn(router, path)


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        # An end that is escaped is no end: the pattern is open behind it.
        ([r"/price\$"], "/price$20"),
        ([r"/price\$", "/.*"], "/price$"),
        # An alternative behind a class that holds a bracket.
        ([r"/a[\]]|/b[c]"], "/bc"),
        ([r"/a[\[]|/b[c]"], "/bc"),
        (["/a(?#()|/b"], "/b"),
        (["/a|/b"], "/b"),
        (["/a|/b", "/bx"], "/bx"),
        (["/ab?"], "/a"),
        (["/a{0}b"], "/b"),
        ([r"/a\.?"], "/a"),
        (["/(?i:a)b"], "/Ab"),
        (["(?i)/abc"], "/ABC"),
        (["(?x)/a b c"], "/abc"),
        (["/a(?=b).*"], "/ab"),
        (["/x", "/x", ".*", "/x"], "/x"),
        ([".*", "/x"], "/x"),
        (["/a(.*)", "/ab(.*)", "/a"], "/abc"),
        (["/abc", "/ab(.*)", "/a(.*)"], "/abc"),
        (["/abc", "/ab(.*)", "/a(.*)"], "/abd"),
        (["/abc", "/ab(.*)", "/a(.*)"], "/ac"),
        (["/é(.*)", "/(.*)"], "/é"),
        # One text is not looked for, whatever else there is.
        (["/m/(.*)", "/"], "/"),
        (["/m/(.*)", "/"], "/m/a"),
        (["/m/(.*)", "/"], "/z"),
        (["/m/(.*)", "/"], "*"),
        (["/m/(.*)"], ""),
        (["^/a$"], "/a"),
        (["/a$"], "/ab"),
        ([""], "/"),
    ],
)
def test_corners(rules: list[str], path: str) -> None:
    router = router_of([PathMatches(rule) for rule in rules])
    assert by_index(router, path) == in_turn(router, path)


@pytest.mark.parametrize("flags", [re.IGNORECASE, re.VERBOSE, re.ASCII, re.DOTALL, re.MULTILINE])
def test_compiled_patterns_with_flags(flags: int) -> None:
    for pattern in ("/Abc", "/a b", "/a.c$", "/ab"):
        router = router_of([PathMatches(re.compile(pattern, flags)), PathMatches("/(.*)")])
        for path in ("/Abc", "/ABC", "/abc", "/ab", "/a", "/a b", "/abcd"):
            assert by_index(router, path) == in_turn(router, path)


def test_compiled_pattern_stays_open_at_its_end() -> None:
    router = router_of([PathMatches(re.compile("/static/"))])
    assert by_index(router, "/static/x.css") == (0, {})
    assert by_index(router, "/static") is None


def test_rules_inserted_replaced_and_removed_by_hand() -> None:
    router = router_of([PathMatches("/a"), PathMatches("/b")])
    assert by_index(router, "/a") == (0, {})
    router.rules.insert(0, Rule(AnyMatches(), 10))
    assert by_index(router, "/a") == (10, {})
    router.rules.pop(0)
    assert by_index(router, "/a") == (0, {})
    router.rules[0] = Rule(PathMatches("/c"), 11)
    assert by_index(router, "/c") == (11, {})
    assert by_index(router, "/a") is None


def test_ten_thousand_rules() -> None:
    """The first and the last of many are found alike."""
    count = 10_000
    router = Naming([Rule(PathMatches(f"/item{n}/(.*)"), n) for n in range(count)])
    for number in (0, 1, 10, 100, 4999, count - 1):
        expected = (number, {"path_args": [b"x"], "path_kwargs": {}})
        assert by_index(router, f"/item{number}/x") == expected
    assert by_index(router, f"/item{count}/x") is None
