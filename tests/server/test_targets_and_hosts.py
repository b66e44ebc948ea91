"""Framing and smuggling: request lines, targets, versions, methods and ``Host``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.server.peer import HOST, get, post, request
from tests.server.support import Recorder, Serve, Site

from tornadic.http.startlines import LONGEST_HOST
from tornadic.web import RequestHandler


class Echo(RequestHandler):
    """Says what it takes the request to be about."""

    def get(self, *args: Any) -> None:
        asked = self.request
        self.write({"host": asked.host, "path": asked.path, "query": asked.query})

    options = get


class Everywhere(Recorder):
    """Has methods of many names, and only one of HTTP's more."""

    SUPPORTED_METHODS = (*Recorder.SUPPORTED_METHODS, "PROPFIND")

    def propfind(self) -> None:
        self.get()

    def brew(self) -> None:
        self.get()


# The request line


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"GET",
        b"GET /",
        b"GET / ",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET / / HTTP/1.1",
        b"GET / HTTP/1.1 HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"GET\x0b/\x0cHTTP/1.1",
        b"GET\xa0/ HTTP/1.1",
        b"GET /\xa0HTTP/1.1",
        b"GET / HTTP/1.1\r",
        b"GET / HTTP/1.1\n",
        b"\rGET / HTTP/1.1",
        b"\nGET / HTTP/1.1",
        b"GET /\r HTTP/1.1",
        b"GET /a\nb HTTP/1.1",
        b"GET / HTTP/1.1\x00",
        b"HTTP/1.1 GET /",
        b"Host: example.com",
    ],
)
def test_malformed_request_line(site: Site, line: bytes) -> None:
    site.refuses(line + b"\r\n" + HOST + b"\r\n", 400)


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (b"HTTP/0.9", 505),
        (b"HTTP/2.0", 505),
        (b"HTTP/3.0", 505),
        (b"HTTP/9.9", 505),
        (b"HTTP/2", 400),
        (b"HTTP/1", 400),
        (b"HTTP/1.", 400),
        (b"HTTP/.1", 400),
        (b"HTTP/1.10", 400),
        (b"HTTP/01.1", 400),
        (b"HTTP/1.1.1", 400),
        (b"HTTP/1.x", 400),
        (b"HTTP/+1.1", 400),
        (b"HTTP/1_1", 400),
        (b"HTTP/-1.1", 400),
        (b"HTTP/1,1", 400),
        (b"HTTP/\xb9.1", 400),
        (b"HTTP 1.1", 400),
        (b"http/1.1", 400),
        (b"Http/1.1", 400),
        (b"HTTPS/1.1", 400),
        (b"XHTTP/1.1", 400),
        (b"ICAP/1.1", 400),
        (b"", 400),
    ],
)
def test_unknown_version(site: Site, version: bytes, status: int) -> None:
    site.refuses(b"GET / " + version + b"\r\n" + HOST + b"\r\n", status)


@pytest.mark.parametrize("minor", [2, 9])
def test_later_versions_of_http_1_are_taken_as_1_1(site: Site, minor: int) -> None:
    data = get("/").replace(b"HTTP/1.1", b"HTTP/1.%d" % minor)
    assert site.accepts(data).status == 200
    site.refuses(data.replace(HOST, b""), 400)


def test_one_empty_line_before_a_request_and_two(site: Site) -> None:
    assert site.accepts(b"\r\n" + get("/")).status == 200
    site.refuses(b"\r\n\r\n" + get("/"), 400)
    site.refuses(b"\r\n\r\n" + get("/"), 400, bytewise=True)
    site.refuses(post("/", b"12345") + b"\r\n\r\n" + get("/"), 400, answered=1)
    with site.connect() as peer:
        assert peer.ask(post("/", b"12345")).body == b"12345"
        # What old browsers added to a form.
        assert peer.ask(b"\r\n" + get("/")).status == 200
        assert peer.ask(b"\r\n" + get("/")).status == 200


# Methods


@pytest.mark.parametrize(
    "method",
    [
        b"",
        b"G(ET",
        b"GET,",
        b"GET:",
        b"G@T",
        b"G[T",
        b'"GET"',
        b"{GET}",
        b"G\\T",
        b"G/T",
        b"G\x00T",
        b"G\x7fT",
        b"G\xc9T",
        b"\x00GET",
        b"\xef\xbb\xbfGET",
    ],
)
def test_method_that_is_no_token(site: Site, method: bytes) -> None:
    site.refuses(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n", 400)


def test_method_at_its_longest_and_beyond(site: Site) -> None:
    with site.connect() as peer:
        assert peer.ask(request("M" * 32, "/")).status == 405
        assert peer.ask(get("/bystander")).status == 200
    site.refuses(request("M" * 33, "/"), 501)
    site.refuses(request("M" * 10_000, "/"), 501)


@pytest.mark.parametrize(
    "method",
    [
        "get",
        "Get",
        "BREW",
        "RECORD",
        "WRITE",
        "FINISH",
        "PREPARE",
        "INITIALIZE",
        "CLEAR",
        "SETTINGS",
        "REQUEST",
        "ON_FINISH",
        "_EXECUTE",
        "_RUN",
        "__INIT__",
        "__init__",
        "__CLASS__",
        "DATA_RECEIVED",
        "TRACE",
        "!",
    ],
)
def test_method_that_exists_as_an_attribute_is_never_dispatched(serve: Serve, method: str) -> None:
    site = serve(("/everywhere", Everywhere))
    with site.connect() as peer:
        assert peer.ask(request(method, "/everywhere")).status == 405
        assert peer.ask(request(method, "/nowhere/else")).status == 405
        assert peer.ask(request("PROPFIND", "/everywhere")).status == 200
    assert site.seen == [("PROPFIND", "/everywhere", b"")]


# Targets


@pytest.mark.parametrize(
    "target",
    [
        b"index.html",
        b"index.html?a=/b",
        b"?a=b",
        b"#",
        b"a/b",
        b"example.com",
        b"example.com:80",
        b"example.com/path",
        b"*/",
        b"**",
        b"\\",
        b"http:/path",
        b"http:path",
        b"http://",
        b"http:///path",
        b"http://?query",
        b"http://#fragment",
        b"://example.com/",
        b"ftp://example.com/",
        b"file:///etc/passwd",
        b"javascript:alert(1)",
        b"data:,x",
        b"ws://example.com/",
        b"%2F",
        b"/\x00",
        b"/a\x01b",
        b"/\x7f",
        b"/a\x0bb",
    ],
)
def test_target_without_a_leading_slash_or_with_a_control_character(
    site: Site, target: bytes
) -> None:
    site.refuses(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400)


@pytest.mark.parametrize(
    "target", ["/", "//", "/a?b=c&d", "//a//b", "/?", "/%00", "/%0d%0a", "/*", "/a:b@c"]
)
def test_origin_form(site: Site, target: str) -> None:
    assert site.accepts(get(target)).status == 200
    assert site.seen == [("GET", target, b"")]


def test_asterisk_form(serve: Serve) -> None:
    site = serve((r"\*", Echo))
    response = site.accepts(request("OPTIONS", "*"), "OPTIONS")
    assert response.body == b'{"host": "example.com", "path": "*", "query": ""}'
    for method in ("GET", "HEAD", "POST", "DELETE", "BREW"):
        site.refuses(request(method, "*"), 400)


@pytest.mark.parametrize(
    ("target", "host", "path", "query"),
    [
        ("http://other.example/a/b?c=d", "other.example", "/a/b", "c=d"),
        ("HTTP://other.example:8080/", "other.example:8080", "/", ""),
        ("https://other.example", "other.example", "/", ""),
        ("http://other.example?q", "other.example", "/", "q"),
        ("http://[::1]:80/x", "[::1]:80", "/x", ""),
        ("http://other.example//evil/", "other.example", "//evil/", ""),
        ("http://other.example/?u=http://third/", "other.example", "/", "u=http://third/"),
    ],
)
def test_absolute_form_names_the_host(
    serve: Serve, target: str, host: str, path: str, query: str
) -> None:
    # RFC 9112 section 3.2.2: the Host field does not count then.
    site = serve(("/.*", Echo))
    found = json.loads(site.accepts(get(target)).body)
    assert found == {"host": host, "path": path, "query": query}


@pytest.mark.parametrize(
    "authority",
    [
        "user@other.example",
        "user:password@other.example",
        "@other.example",
        "other.example\\@evil.example",
        "other.example:65536",
        "other.example:99999",
        "other.example:http",
        "other.example:80:80",
        "other.example:-1",
        ":80",
        "[::1",
        "::1",
        "[]",
        '"other.example"',
        "<script>",
        "a{b}",
        "a|b",
        "a^b",
        "a`b",
        "\xe9.example",
    ],
)
def test_absolute_form_with_a_malformed_host(site: Site, authority: str) -> None:
    site.refuses(get(f"http://{authority}/"), 400)


def test_absolute_form_does_without_no_host_field(site: Site) -> None:
    data = get("http://example.com/")
    site.refuses(data.replace(HOST, b""), 400)
    site.refuses(data.replace(HOST, HOST + HOST), 400)
    site.refuses(data.replace(HOST, b"Host: a/b\r\n"), 400)
    site.refuses(get("http://example.com/#fragment"), 400)


def test_authority_form(site: Site) -> None:
    with site.connect() as peer:
        for target in ("example.com:443", "[::1]:443"):
            response = peer.ask(request("CONNECT", target))
            assert response.status == 405
        assert peer.ask(get("/bystander")).status == 200
    for target in ("/", "*", "example.com", "example.com:", "http://example.com:443/", "a@b:443"):
        site.refuses(request("CONNECT", target), 400)
    site.refuses(request("CONNECT", "example.com:123456"), 400)
    assert site.seen == []


# Host


def test_host_missing(site: Site) -> None:
    site.refuses(b"GET / HTTP/1.1\r\n\r\n", 400)
    site.refuses(b"GET / HTTP/1.1\r\nX-Host: example.com\r\n\r\n", 400)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize(
    "second", [HOST, b"host: example.com\r\n", b"Host: other\r\n", b"HOST:\r\n"]
)
def test_host_double(site: Site, version: bytes, second: bytes) -> None:
    keep = b"Connection: keep-alive\r\n\r\n"
    site.refuses(b"GET / " + version + b"\r\n" + HOST + second + keep, 400)
    site.refuses(b"GET / " + version + b"\r\n" + HOST + b"X: y\r\n" + second + keep, 400)


@pytest.mark.parametrize(
    "host",
    [
        b"example.com/",
        b"example.com/path",
        b"/",
        b"user@example.com",
        b"user:password@example.com",
        b"@",
        b"example.com?q",
        b"example.com#f",
        b"http://example.com",
        b"example .com",
        b"example\t.com",
        b"example.com example.org",
        b"exam\x00ple.com",
        b"exam\x01ple.com",
        b"example.com\x7f",
        b"example.com\r",
        b"example.com\n",
        b"\xe9xample.com",
        b"example.com:port",
        b"example.com:65536",
        b"example.com:123456",
        b"example.com:-1",
        b"example.com:+80",
        b"example.com:8_0",
        b"example.com:80:80",
        b"example.com:\xb2",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"[::1]:x",
        b"[example.com]",
        b"[]",
        b"<script>",
        b'"example.com"',
        b"example\\com",
        b"a{b}",
        b"a|b",
        b"a^b",
        b"a`b",
        b"a[b",
    ],
)
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_host_malformed(site: Site, host: bytes, version: bytes) -> None:
    site.refuses(b"GET / " + version + b"\r\nHost: " + host + b"\r\n\r\n", 400)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "example.com:80",
        "example.com:65535",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8080",
        "a_b",
    ],
)
def test_host_well_formed(serve: Serve, host: str) -> None:
    site = serve(("/host", Echo))
    data = f"GET /host HTTP/1.1\r\nHost:\t{host} \r\n\r\n".encode()
    assert site.accepts(data).body == f'{{"host": "{host}", "path": "/host", "query": ""}}'.encode()


def test_host_empty_or_none_where_that_is_allowed(site: Site) -> None:
    # RFC 9110 section 7.2: empty if the target has no authority.
    assert site.accepts(b"GET / HTTP/1.1\r\nHost:\r\n\r\n").status == 200
    assert site.accepts(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").status == 200


def test_host_at_its_longest_and_beyond(site: Site) -> None:
    longest = "a" * LONGEST_HOST
    head = get("/").replace(b"example.com", longest.encode())
    assert site.accepts(head).status == 200
    site.refuses(head.replace(b"aa", b"aaa", 1), 400)
    site.refuses(get(f"http://a{longest}/"), 400)
