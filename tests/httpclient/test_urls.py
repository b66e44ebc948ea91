"""URLs, taken apart and joined."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.httpclient.urls import join_location, split_url


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "netloc", "target"),
    [
        ("http://example.com", "http", "example.com", 80, "example.com", "/"),
        ("https://example.com/", "https", "example.com", 443, "example.com", "/"),
        ("HTTP://Example.COM:81/A?B#C", "http", "example.com", 81, "Example.COM:81", "/A?B"),
        ("http://example.com:/x", "http", "example.com", 80, "example.com:", "/x"),
        ("http://[::1]/", "http", "::1", 80, "[::1]", "/"),
        ("http://[::1]:8080?q", "http", "::1", 8080, "[::1]:8080", "/?q"),
        ("http://u:p@example.com/", "http", "example.com", 80, "example.com", "/"),
        ("http://b\u00fc.test/", "http", "xn--b-eha.test", 80, "xn--b-eha.test", "/"),
        ("http://example.com/\u20ac x", "http", "example.com", 80, "example.com", "/%E2%82%AC%20x"),
        ("http://a_b.example.com/", "http", "a_b.example.com", 80, "a_b.example.com", "/"),
        ("http://a.test/http://b/", "http", "a.test", 80, "a.test", "/http://b/"),
        ("http://a.test?http://b/", "http", "a.test", 80, "a.test", "/?http://b/"),
    ],
)
def test_split(url: str, scheme: str, host: str, port: int, netloc: str, target: str) -> None:
    authority, found = split_url(url)
    assert (authority.scheme, authority.host, authority.port) == (scheme, host, port)
    assert authority.origin == (scheme, host, port)
    assert (authority.netloc, found) == (netloc, target)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "/x",
        "//example.com/",
        "http:/example.com/",
        "http:example.com",
        "http://",
        "http:///x",
        "http://:80/",
        "http://u@/",
        "http://a b/",
        "http://a%20b/",
        "http://exa\tmple.com/",
        "http://example.com:99999/",
        "http://example.com:-1/",
        "http://example.com:8x/",
        "http://example.com:80:80/",
        "http://::1/",
        "http://[::1/",
        "http://[x]/",
        "http://[::1]x/",
        "http://example.com\\@evil.com/",
        "http://example.com\\x",
        "http://\u20ac..x/",
        "http://" + "a" * 70 + "\u00e9.example/",
        "http://exa\x00mple.com/",
        "http://example.com/\n",
        "http://example.com/\x7f",
        " http://example.com/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "ws://example.com/",
        "javascript://example.com/%0aalert(1)",
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError):
        split_url(url)


@pytest.mark.parametrize(
    ("base", "location", "joined"),
    [
        ("http://a.test/x/y?z", "w", "http://a.test/x/w"),
        ("http://a.test/x", "?q", "http://a.test/x?q"),
        ("http://a.test/x", "//b.test/y", "http://b.test/y"),
        ("https://a.test/x", "//u:p@b.test/y", "https://b.test/y"),
        ("http://a.test/", "http://u:p@b.test/@", "http://b.test/@"),
        ("http://u:p@a.test/x", "/y", "http://u:p@a.test/y"),
        ("http://a.test/", "/\u00c3\u00a9", "http://a.test/%C3%A9"),
        ("http://a.test/", "", "http://a.test/"),
    ],
)
def test_join(base: str, location: str, joined: str) -> None:
    assert join_location(base, location) == joined


@given(st.text(st.characters(max_codepoint=0x500), max_size=30))
def test_nothing_gets_out_that_could_end_a_line(text: str) -> None:
    for url in (text, f"http://{text}", f"http://example.com/{text}", f"http://x:{text}@y/{text}"):
        try:
            authority, target = split_url(url)
        except ValueError:
            continue
        assert re.fullmatch(r"[!-~]+", target) and target[0] == "/"
        assert re.fullmatch(r"[!-~]+", authority.netloc)
        assert 0 <= authority.port <= 65535 and authority.scheme in ("http", "https")


@given(st.text(st.characters(max_codepoint=255), max_size=30))
def test_where_a_location_leads(location: str) -> None:
    try:
        authority, _ = split_url(join_location("http://a.test/x", location))
    except ValueError:
        return
    if "//" not in location:
        assert authority.host == "a.test"
