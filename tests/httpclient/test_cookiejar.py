"""Which cookies are kept, and to whom they are sent (RFC 6265)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.httpclient.support import OK, client, redirect, response, run, serving

from tornadic.httpclient import CookieJar
from tornadic.httpclient.cookiejar import MAX_COOKIE_SIZE, MAX_COOKIES, MAX_COOKIES_PER_DOMAIN

NOW = 1_700_000_000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def sent(url: str, *values: str, to: str) -> str | None:
    """What goes to ``to`` after a response from ``url`` with ``values`` of ``Set-Cookie``."""
    jar = CookieJar(Clock())
    jar.store(url, values)
    return jar.header_for(to)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a=b", "a=b"),
        (" a = b ", "a=b"),
        ("a=", "a="),
        ("a=b=c", "a=b=c"),
        ('a="b c"', 'a="b c"'),
        ("a=b; unknown=x; ;", "a=b"),
        ("a=b; Path=/; HttpOnly; SameSite=Lax", "a=b"),
        ("a=\u00e9", "a=\u00e9"),
        ("=b", None),
        ("b", None),
        ("", None),
        (";a=b", None),
        ("a=b\x00", None),
        ("a\r\nb=c", None),
        ("a=b; Path=/\x01", None),
        ("__Secure-a=b", None),
        ("__Host-a=b; Path=/", None),
        ("a=b; Secure", None),
        ("a=b; Max-Age=0", None),
        ("a=b; Max-Age=-1", None),
        ("a=b; Max-Age=x", "a=b"),
        ("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9", "a=b"),
        ("a=b; Expires=nonsense", "a=b"),
    ],
)
def test_what_is_kept(value: str, kept: str | None) -> None:
    assert sent("http://example.com/", value, to="http://example.com/") == kept


@pytest.mark.parametrize("extra", [0, 1])
def test_size(extra: int) -> None:
    value = "a=" + "x" * (MAX_COOKIE_SIZE - 1 + extra)
    found = sent("http://example.com/", value, to="http://example.com/")
    assert found == (None if extra else value)


@pytest.mark.parametrize(
    ("host", "domain", "to", "goes"),
    [
        ("example.com", "", "example.com", True),
        ("example.com", "", "EXAMPLE.com", True),
        ("example.com", "", "www.example.com", False),
        ("example.com", "", "other.com", False),
        ("example.com", "example.com", "www.example.com", True),
        ("example.com", ".Example.COM", "a.b.example.com", True),
        ("www.example.com", "example.com", "example.com", True),
        ("www.example.com", "example.com", "badexample.com", False),
        ("www.example.com", "other.com", "other.com", False),
        ("www.example.com", "ample.com", "ample.com", False),
        ("example.com", "www.example.com", "www.example.com", False),
        ("www.example.com", "com", "other.com", False),
        ("www.example.com", ".com", "www.example.com", False),
        ("a.co.uk", "co.uk", "b.co.uk", False),
        ("a.co.uk", "a.co.uk", "b.a.co.uk", True),
        ("localhost", "localhost", "localhost", True),
        ("localhost", "localhost", "x.localhost", False),
        ("127.0.0.1", "", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "0.0.1", "9.0.0.1", False),
        ("[::1]", "", "[::1]", True),
    ],
)
def test_domains(host: str, domain: str, to: str, goes: bool) -> None:
    value = f"a=b; Domain={domain}" if domain else "a=b"
    assert (sent(f"http://{host}/", value, to=f"http://{to}/") == "a=b") is goes


@pytest.mark.parametrize(
    ("target", "path", "to", "goes"),
    [
        ("/", "", "/any/thing", True),
        ("/a/b?c/d", "", "/a", True),
        ("/a/b", "", "/a/x", True),
        ("/a/b", "", "/ab", False),
        ("/a/b", "", "/", False),
        ("/x", "/docs", "/docs", True),
        ("/x", "/docs", "/docs/", True),
        ("/x", "/docs", "/docs?q", True),
        ("/x", "/docs", "/docsets", False),
        ("/x", "/docs/", "/docs", False),
        ("/x", "/docs/", "/docs/web", True),
        ("/x", "docs", "/", True),
    ],
)
def test_paths(target: str, path: str, to: str, goes: bool) -> None:
    value = f"a=b; Path={path}" if path else "a=b"
    found = sent(f"http://example.com{target}", value, to=f"http://example.com{to}")
    assert (found == "a=b") is goes


@pytest.mark.parametrize(
    ("value", "to", "goes"),
    [
        ("a=b; Secure", "https://example.com/", True),
        ("a=b; Secure", "http://example.com/", False),
        ("a=b", "http://example.com/", True),
        ("__Secure-a=b; Secure", "https://example.com/", True),
        ("__Host-a=b; Secure; Path=/", "https://example.com/", True),
        ("__Host-a=b; Secure", "https://example.com/", True),
        ("__Host-a=b; Secure; Path=/; Domain=example.com", "https://example.com/", False),
        ("__Host-a=b; Secure; Path=/x", "https://example.com/x", False),
    ],
)
def test_secure(value: str, to: str, goes: bool) -> None:
    assert (sent("https://example.com/", value, to=to) is not None) is goes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Wed, 15 Nov 2023 22:13:20 GMT", 86400),
        ("Wed, 15-Nov-2023 22:13:20 GMT", 86400),
        ("Wed, 15-Nov-23 22:13:20", 86400),
        ("Wed Nov 15 22:13:20 2023", 86400),
        ("22:13:20 15 November 2023", 86400),
        ("Tue, 14 Nov 2023 22:13:21 GMT", 1),
    ],
)
def test_expiry(text: str, seconds: float) -> None:
    clock = Clock()
    jar = CookieJar(clock)
    jar.store("http://example.com/", [f"a=b; Expires={text}"])
    [cookie] = jar
    assert cookie.expires == NOW + seconds
    clock.now = NOW + seconds - 0.5
    assert jar.header_for("http://example.com/") == "a=b"
    clock.now = NOW + seconds
    assert jar.header_for("http://example.com/") is None and not len(jar)


@pytest.mark.parametrize(
    "text",
    ["", "Nov 2023", "32 Nov 2023 01:02:03", "15 Nov 2023 24:00:00", "15 Nov 1600 01:02:03",
     "15 Nov 2023 01:60:00", "15 Foo 2023 01:02:03", "31 Feb 2023 01:02:03", "x" * 100_000],
)  # fmt: skip
def test_dates_that_are_none(text: str) -> None:
    jar = CookieJar(Clock())
    jar.store("http://example.com/", [f"a=b; Expires={text}"])
    [cookie] = jar
    assert cookie.expires is None


def test_lives_are_bounded() -> None:
    jar = CookieJar(Clock())
    jar.store("http://a.com/", ["a=b; Max-Age=" + "9" * 4000, "b=c; Expires=1 Jan 9999 00:00:00"])
    assert {cookie.expires for cookie in jar} == {NOW + 400 * 86400}


def test_replaced_and_removed() -> None:
    jar = CookieJar(Clock())
    jar.store("http://example.com/", ["a=1", "b=2", "a=3"])
    assert jar.header_for("http://example.com/") == "a=3; b=2" and len(jar) == 2
    jar.store("http://example.com/", ["a=; Max-Age=0", "never=; Max-Age=0"])
    assert jar.header_for("http://example.com/") == "b=2" and len(jar) == 1
    jar.clear()
    assert not len(jar) and jar.header_for("http://example.com/") is None


def test_longer_paths_first() -> None:
    found = sent(
        "http://example.com/x/y/z",
        "a=1; Path=/",
        "b=2; Path=/x/y",
        "c=3; Path=/x",
        "d=4; Path=/x/y",
        to="http://example.com/x/y/",
    )
    assert found == "b=2; d=4; c=3; a=1"


class TestBounds:
    def test_of_a_domain(self) -> None:
        jar = CookieJar(Clock())
        url = "http://example.com/"
        for number in range(MAX_COOKIES_PER_DOMAIN):
            jar.store(url, [f"c{number}=x"])
        assert len(jar) == MAX_COOKIES_PER_DOMAIN and "c0=" in str(jar.header_for(url))
        jar.store(url, ["one=more"])
        assert len(jar) == MAX_COOKIES_PER_DOMAIN and "c0=" not in str(jar.header_for(url))

    def test_in_all(self) -> None:
        jar = CookieJar(Clock())
        for number in range(MAX_COOKIES + 1):
            jar.store(f"http://h{number}.example.com/", ["a=b"])
        assert len(jar) == MAX_COOKIES
        assert jar.header_for("http://h0.example.com/") is None
        assert jar.header_for("http://h1.example.com/") == "a=b"

    def test_no_hour_for_one_header(self) -> None:
        jar = CookieJar(Clock())
        jar.store("http://example.com/", ["a=b;" + "x;" * 200_000, "a=b; Domain=" + "a." * 30_000])


@given(
    st.text(alphabet=st.characters(max_codepoint=255), max_size=60),
    st.sampled_from(["http://a.b.example.com/x/y", "https://example.com/", "http://127.0.0.1:8/"]),
)
def test_nothing_breaks_a_header(value: str, url: str) -> None:
    jar = CookieJar(Clock())
    jar.store(url, [value, f"n={value}", f"n=v; {value}"])
    found = jar.header_for(url)
    assert found is None or not any(one in found for one in "\r\n\0")


class TestWithAClient:
    def test_to_and_fro(self) -> None:
        async def main() -> None:
            jar = CookieJar()
            first = response("Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/x", body=b"ok")
            async with serving([first, OK]) as server, client(cookie_jar=jar) as http:
                await http.fetch(server.url())
                await http.fetch(server.url(), headers={"Cookie": "own=3"})
                await http.fetch(server.url("/x"))
                cookies = [one.header("cookie") for one in server.requests]
                assert cookies == [None, "own=3; a=1", "b=2; a=1"]

        run(main)

    def test_on_the_way_of_redirects(self) -> None:
        async def main() -> None:
            names = {"a.test": "127.0.0.1", "b.test": "127.0.0.1"}
            jar = CookieJar()
            async with (
                serving(OK) as server,
                client(cookie_jar=jar, hostname_mapping=names) as http,
            ):
                jar.store("http://b.test/", ["b=2"])
                location = server.url(host="b.test")
                answer = redirect(location).replace(b"\r\n", b"\r\nSet-Cookie: a=1\r\n", 1)
                async with serving([answer, OK]) as first:
                    await http.fetch(first.url(host="a.test"), headers={"Cookie": "own=3"})
                    assert first.requests[0].header("cookie") == "own=3"
                    await http.fetch(first.url(host="a.test"))
                    assert first.requests[1].header("cookie") == "a=1"
                assert server.requests[0].header("cookie") == "b=2"

        run(main)

    def test_none_without_a_jar(self) -> None:
        async def main() -> None:
            async with serving(response("Set-Cookie: a=1", body=b"ok")) as server, client() as http:
                for _ in range(2):
                    await http.fetch(server.url())
                assert server.requests[1].header("cookie") is None

        run(main)
