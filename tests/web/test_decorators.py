"""Decorators of methods: who may come in, and by which path; never off the site."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.support import LogBook, Response, application, fetch

from tornadic.web import RequestHandler, addslash, authenticated, removeslash
from tornadic.web.sites import site_of


class Private(RequestHandler):
    def get_current_user(self) -> str | None:
        return self.get_argument("user", None)

    @authenticated
    def get(self, *groups: str) -> None:
        """The page."""
        self.write(f"hello {self.current_user}")

    head = post = put = delete = patch = options = get


def ask(target: str = "/page", method: str = "GET", login_url: str = "/login") -> Response:
    return fetch(application(Private, login_url=login_url), target, method)


class TestAuthenticated:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_somebody(self, method: str) -> None:
        assert ask("/?user=ada", method).text == "hello ada"

    def test_coroutines(self) -> None:
        class Handler(Private):
            @authenticated
            async def get(self, *groups: str) -> None:
                self.write("came")

        assert fetch(application(Handler, login_url="/login"), "/?user=a").text == "came"
        assert fetch(application(Handler, login_url="/login")).status == 302

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_nobody_is_sent_to_log_in(self, method: str) -> None:
        response = ask("/page?a=1&b=%20", method)
        assert response.status == 302
        assert response["Location"] == "/login?next=%2Fpage%3Fa%3D1%26b%3D%2520"

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_nobody_posts(self, method: str) -> None:
        response = ask(method=method)
        assert (response.status, "Location" in response) == (403, False)

    @pytest.mark.parametrize(
        ("login_url", "location"),
        [
            ("/login", "/login?next=%2Fpage%3Fk"),
            ("login", "login?next=%2Fpage%3Fk"),
            ("/login#top", "/login?next=%2Fpage%3Fk#top"),
            ("/login?", "/login?"),
            ("/login?next=/home", "/login?next=/home"),
            ("http://a.example/in", "http://a.example/in?next=http%3A%2F%2Fexample.com%2Fpage%3Fk"),
            ("//a.example/in", "//a.example/in?next=http%3A%2F%2Fexample.com%2Fpage%3Fk"),
            ("https://a.example/in?x=1", "https://a.example/in?x=1"),
        ],
    )
    def test_next(self, login_url: str, location: str) -> None:
        assert ask("/page?k", login_url=login_url)["Location"] == location

    @pytest.mark.parametrize("target", ["//evil.example/x", "/\\evil.example/x", "///evil.example"])
    def test_next_never_leads_off_the_site(self, target: str) -> None:
        (back,) = parse_qs(urlsplit(ask(target)["Location"]).query)["next"]
        assert site_of(back) == ("http:", "//example.com")

    def test_without_a_login_url(self, log: LogBook) -> None:
        assert fetch(application(Private)).status == 500
        log.take("You must define the 'login_url' setting")

    def test_looks_like_the_method(self) -> None:
        assert (Private.get.__name__, Private.get.__doc__) == ("get", "The page.")


class Adding(RequestHandler):
    @addslash
    def get(self) -> None:
        """The page."""
        self.write(self.request.path)

    head = post = put = get


class Removing(RequestHandler):
    @removeslash
    def get(self) -> None:
        """The page."""
        self.write(self.request.path)

    head = post = put = get


def moved(handler: type[RequestHandler], target: str, method: str = "GET") -> str | None:
    """Where a request is redirected to, if it is."""
    response = fetch(handler, target, method)
    if response.status == 200:
        return None
    assert response.status == 301
    return response["Location"]


class TestSlashes:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        ("target", "location"),
        [
            ("/a", "/a/"),
            ("/a?q=1&b", "/a/?q=1&b"),
            ("/a?", "/a/"),
            ("/a/b?u=//x", "/a/b/?u=//x"),
            ("/a%0d%0ab", "/a%0d%0ab/"),
            ("/%2f/a", "/%2f/a/"),
            ("/a/", None),
            ("/", None),
            ("/a/?q", None),
        ],
    )
    def test_addslash(self, target: str, location: str | None, method: str) -> None:
        assert moved(Adding, target, method) == location

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        ("target", "location"),
        [
            ("/a/", "/a"),
            ("/a//", "/a"),
            ("/a/?q=1", "/a?q=1"),
            ("/a/?", "/a"),
            ("/a", None),
            ("/a?q=/", None),
            ("/", None),
            ("//", None),
        ],
    )
    def test_removeslash(self, target: str, location: str | None, method: str) -> None:
        assert moved(Removing, target, method) == location

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_other_methods_are_not_redirected(self, method: str) -> None:
        assert fetch(Adding, "/a", method).status == 404
        assert fetch(Adding, "/a/", method).text == "/a/"
        assert fetch(Removing, "/a/", method).status == 404
        assert fetch(Removing, "/a", method).text == "/a"
        assert fetch(Removing, "/", method).text == "/"

    @pytest.mark.parametrize(
        "path",
        ["//evil.example", "/\\evil.example", "///evil.example", "/\\/evil.example", "//a/b"],
    )
    def test_never_off_the_site(self, path: str, log: LogBook) -> None:
        for handler, target in ((Adding, path), (Removing, path + "/")):
            response = fetch(handler, target)
            assert (response.status, "Location" in response) == (403, False)
            log.take("two initial slashes")

    def test_look_like_the_method(self) -> None:
        assert Adding.get.__doc__ == Removing.get.__doc__ == "The page."


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("/a//b", ("", "")),
        ("a", ("", "")),
        ("", ("", "")),
        ("?//a", ("", "")),
        ("//A.example/b", ("", "//a.example")),
        ("/\\a.example", ("", "//a.example")),
        ("\\\\a.example", ("", "//a.example")),
        ("\x00 //a.example", ("", "//a.example")),
        ("/\t/a.example", ("", "//a.example")),
        ("/\r\n/a.example", ("", "//a.example")),
        ("HTTPS://A.example?b", ("https:", "//a.example")),
        ("https:/a.example", ("https:", "//a.example")),
        ("https:a.example/b", ("https:", "//a.example")),
        ("http:\\\\\\a.example", ("http:", "//a.example")),
        ("///a.example/b", ("", "//a.example")),
        ("//user@a.example:80/b", ("", "//user@a.example:80")),
        ("mailto:a@a.example", ("mailto:", "")),
        ("javascript:alert(1)", ("javascript:", "")),
        ("java\nscript:alert(1)", ("javascript:", "")),
    ],
)
def test_site_of(url: str, site: tuple[str, str]) -> None:
    assert site_of(url) == site


@given(st.text("/\\a.\t\n :", max_size=8))
def test_site_of_a_path_is_empty_only_if_it_is_a_path(rest: str) -> None:
    # Whatever stands behind one slash: a browser stays here unless it sees a second one.
    squeezed = rest.translate({9: None, 10: None, ord("\\"): "/"})
    expected: Any = squeezed.startswith("/")
    assert any(site_of("/" + rest)) == expected
