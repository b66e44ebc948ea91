"""Framing and smuggling: where a request ends, and what is no request at all.

Every refused input is followed by a request that must not be run; see `Site.refuses`.
"""

from __future__ import annotations

import pytest
from tests.server.peer import HOST, SMUGGLED, chunked, get, post, request
from tests.server.support import Serve, Site

from tornadic.web import RequestHandler

MALFORMED_LENGTHS = [
    "",
    "+5",
    "-5",
    "-0",
    "5_0",
    "5 0",
    "5,",
    ",5",
    "5,6",
    "5, 6",
    "5,5",
    "5;5",
    "5.0",
    "5e0",
    "0x5",
    "five",
    '"5"',
    "\xb2",  # a superscript two, which is a digit to some
    "\xd9\xa5",  # an Arabic five in UTF-8
    "\x0b5",
    "5\x00",
]


# Content-Length


@pytest.mark.parametrize("value", MALFORMED_LENGTHS)
def test_content_length_malformed(site: Site, value: str) -> None:
    site.refuses(request("POST", "/", f"Content-Length: {value}") + b"12345", 400)


def test_content_length_is_refused_however_it_is_cut(site: Site) -> None:
    site.refuses(request("POST", "/", "Content-Length: +5") + b"12345", 400, bytewise=True)


def test_content_length_with_more_digits_than_we_accept(site: Site) -> None:
    response = site.accepts(request("POST", "/", "Content-Length: 000000000000005") + b"12345")
    assert response.body == b"12345"
    site.refuses(request("POST", "/", "Content-Length: 0000000000000005") + b"12345", 400)
    site.refuses(request("POST", "/", "Content-Length: 999999999999999"), 413)
    site.refuses(request("POST", "/", "Content-Length: 1000000000000000"), 400)
    site.refuses(request("POST", "/", "Content-Length: " + "9" * 5000), 400)


@pytest.mark.parametrize("second", ["5", "6", "0", ""])
@pytest.mark.parametrize("between", [[], ["X: y"]])
def test_content_length_twice(site: Site, second: str, between: list[str]) -> None:
    lines = ["Content-Length: 5", *between, f"content-LENGTH: {second}"]
    site.refuses(request("POST", "/", *lines) + b"12345", 400)


@pytest.mark.parametrize("padding", [" ", "\t", " \t "])
def test_content_length_between_blanks(site: Site, padding: str) -> None:
    head = request("POST", "/", f"Content-Length:{padding}5{padding}")
    assert site.accepts(head + b"12345").body == b"12345"


def test_content_length_counts_for_every_method(site: Site) -> None:
    for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"):
        head = request(method, f"/{method}", f"Content-Length: {len(SMUGGLED)}")
        site.accepts(head + SMUGGLED, method)
    assert [uri for _, uri, _ in site.seen] == [
        "/GET",
        "/HEAD",
        "/DELETE",
        "/OPTIONS",
        "/PUT",
        "/PATCH",
    ]


def test_content_length_counts_where_no_rule_matches_the_method(site: Site) -> None:
    with site.connect() as peer:
        head = request("BREW", "/", f"Content-Length: {len(SMUGGLED)}")
        assert peer.ask(head + SMUGGLED).status == 405
        assert peer.ask(get("/bystander")).status == 200
    assert site.seen == []


def test_content_length_of_nothing_leaves_no_body(site: Site) -> None:
    assert site.accepts(request("POST", "/", "Content-Length: 0")).body == b"ok"


# Transfer-Encoding


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Transfer-Encoding: chunked", "Content-Length: 0"],
        ["Transfer-Encoding: chunked", "Content-Length: x"],
        ["Transfer-Encoding: gzip", "Content-Length: 5"],
        ["Transfer-Encoding:", "Content-Length: 5"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: gzip", "X: y", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-encoding: x"],
    ],
)
def test_content_length_together_with_transfer_encoding_or_one_of_them_twice(
    site: Site, lines: list[str]
) -> None:
    site.refuses(request("POST", "/", *lines) + b"0\r\n\r\n", 400)


@pytest.mark.parametrize("coding", ["identity", "gzip", "deflate", "x-gzip", "chunke", "xchunked"])
def test_transfer_encoding_unknown(site: Site, coding: str) -> None:
    site.refuses(request("POST", "/", f"Transfer-Encoding: {coding}") + b"0\r\n\r\n", 501)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked, identity",
        "chunked,",
        ",chunked",
        ", chunked",
        "chun\tked",
        "chunked;",
        "chunked;q=1",
        '"chunked"',
        "'chunked'",
        "chunked chunked",
        "chunked\x00",
        "\x0bchunked",
        "chunked\x0c",
        "chunked\x85",
        "\xa0chunked",
        "chunked\r",
        "\nchunked",
        "chunked\n",
        "chun\r\n ked",
    ],
)
def test_transfer_encoding_obfuscated_or_not_ending_in_chunked(site: Site, value: str) -> None:
    site.refuses(request("POST", "/", f"Transfer-Encoding: {value}") + b"0\r\n\r\n", 400)


@pytest.mark.parametrize(
    "line",
    [
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "\tTransfer-Encoding: chunked",
        "Transfer-Encoding\x00: chunked",
        "\x00Transfer-Encoding: chunked",
        "Transfer-Encoding\r: chunked",
        "Transfer-Encoding\xad: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer Encoding: chunked",
    ],
)
def test_transfer_encoding_obfuscated_in_its_name(site: Site, line: str) -> None:
    site.refuses(request("POST", "/", line) + b"0\r\n\r\n", 400)
    site.refuses(request("POST", "/", "Content-Length: 5", line) + b"0\r\n\r\n", 400)


@pytest.mark.parametrize("value", ["Chunked", "CHUNKED", "cHuNkEd", "\tchunked\t", "  chunked"])
def test_transfer_encoding_in_any_case_is_chunked_and_never_ignored(site: Site, value: str) -> None:
    head = request("POST", "/", f"Transfer-Encoding:{value}")
    assert site.accepts(head + b"3\r\nabc\r\n0\r\n\r\n").body == b"abc"
    inner = request("POST", "/", f"Transfer-Encoding:{value}")
    data = inner + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    assert site.accepts(data).body == SMUGGLED


@pytest.mark.parametrize("connection", [[], ["Connection: keep-alive"]])
def test_transfer_encoding_on_http_1_0(site: Site, connection: list[str]) -> None:
    for lines in (["Transfer-Encoding: chunked"], ["Transfer-Encoding: gzip"]):
        data = request("POST", "/", *lines, *connection).replace(b"HTTP/1.1", b"HTTP/1.0")
        site.refuses(data + b"0\r\n\r\n", 400)


def test_transfer_encoding_on_later_versions_of_http_1(site: Site) -> None:
    data = chunked("/").replace(b"HTTP/1.1", b"HTTP/1.9")
    assert site.accepts(data + b"3\r\nabc\r\n0\r\n\r\n").body == b"abc"


def test_a_body_that_looks_like_a_request_is_none(site: Site) -> None:
    assert site.accepts(post("/", SMUGGLED)).body == SMUGGLED
    data = chunked("/") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    assert site.accepts(data).body == SMUGGLED
    assert site.seen == [("POST", "/", SMUGGLED)] * 2


# What is remembered of the request before


def test_a_head_like_the_one_before_is_checked_for_its_own_version(site: Site) -> None:
    first = chunked("/") + b"0\r\n\r\n"
    site.refuses(first + first.replace(b"HTTP/1.1", b"HTTP/1.0"), 400, answered=1)
    keep = b"Connection: keep-alive\r\n\r\n"
    second = b"GET / HTTP/1.0\r\n" + keep + b"GET / HTTP/1.1\r\n" + keep
    site.refuses(second, 400, answered=1)


def test_a_request_without_the_body_of_the_one_before(site: Site) -> None:
    with site.connect() as peer:
        for body in (b"12345", b"", b"123456", b"12345", b"12345"):
            assert peer.ask(post("/", body)).body == (body or b"ok")
        assert peer.ask(get("/")).body == b"ok"
        assert peer.ask(chunked("/") + b"1\r\nx\r\n0\r\n\r\n").body == b"x"
        assert peer.ask(get("/")).body == b"ok"


class Changing(RequestHandler):
    """Takes the headers of its request apart."""

    def post(self) -> None:
        headers = self.request.headers
        self.write(",".join(f"{name}={value}" for name, value in sorted(headers.get_all())))
        headers["Content-Length"] = "999"
        headers.add("X-Twice", "3")
        headers.add("X-Added", "here")
        del headers["Host"]


def test_what_a_handler_does_to_headers_does_not_last(serve: Serve) -> None:
    site = serve(("/changing", Changing))
    data = request("POST", "/changing", "Content-Length: 2", "X-Once: 1")
    with site.connect() as peer:
        answers = {peer.ask(data + b"ab").body for _ in range(3)}
        assert answers == {b"Content-Length=2,Host=example.com,X-Once=1"}
        data = request("POST", "/changing", "Content-Length: 2", "X-Twice: 1", "X-Twice: 2")
        answers = {peer.ask(data + b"ab").body for _ in range(3)}
        assert answers == {b"Content-Length=2,Host=example.com,X-Twice=1,X-Twice=2"}


# Header lines


@pytest.mark.parametrize(
    "line",
    [
        b"X : y",  # white space before the colon
        b"X\t: y",
        b" X: y",
        b"X: y\r\n folded",
        b"X: y\r\n\tfolded",
        b"X:\r\n y",
        b": empty name",
        b":",
        b" : y",
        b"no colon",
        b"X",
        b"X Y: z",
        b"X(Y): z",
        b"X/Y: z",
        b"X@Y: z",
        b"X[]: z",
        b'"X": z',
        b"{X}: z",
        b"X\\: z",
        b"X,Y: z",
        b"X;Y: z",
        b"X=Y: z",
        b"X\xe9: z",
        b"X\x7f: z",
        b"X: a\x00b",
        b"X: a\x01b",
        b"X: a\x08b",
        b"X: a\x0bb",
        b"X: a\x0cb",
        b"X: a\x1bb",
        b"X: a\x7fb",
        b"\x00X: y",
        b"X\x00: y",
        b"X: a\rb",  # bare CR and LF
        b"X: a\nb",
        b"X: a\r",
        b"X: a\n",
        b"\rX: a",
        b"\nX: a",
        b"X\n: a",
        b"X: a\n\r",
        b"X: a\r\r\nY: b",
        b"X: a\nY: b",
        b"X: a\rY: b",
    ],
)
def test_header_lines_malformed(site: Site, line: bytes) -> None:
    site.refuses(b"GET / HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n", 400)
    site.refuses(b"GET / HTTP/1.1\r\n" + line + b"\r\n" + HOST + b"\r\n", 400)


@pytest.mark.parametrize("line", [b"X : y", b"X: a\nb", b"X: a\rb", b"X: y\r\n z", b"X: \x00"])
def test_header_lines_malformed_however_they_are_cut(site: Site, line: bytes) -> None:
    site.refuses(b"GET / HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n", 400, bytewise=True)


def test_line_ends_without_cr_are_refused_before_the_head_is_whole(site: Site) -> None:
    for data in (b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\n", b"\n"):
        site.goes_on()
        with site.connect() as peer:
            assert peer.ask(data).status == 400
            peer.ends()
        site.log.one("Line end without CR")
    assert site.seen == []


class Headers(RequestHandler):
    def get(self) -> None:
        self.write({name: self.request.headers.get_list(name) for name in ("X", "Y", "Z")})


def test_header_lines_that_are_well_formed(serve: Serve) -> None:
    site = serve(("/headers", Headers))
    lines = ["X:", "Y:a\tb \xe9\t ", "Z: 1", "z:2", "!#$%&'*+-.^_`|~0: ok"]
    data = request("GET", "/headers", *lines)
    assert site.accepts(data).body == b'{"X": [""], "Y": ["a\\tb \\u00e9"], "Z": ["1", "2"]}'
    with site.connect() as peer:
        peer.send_bytewise(data + data)
        assert peer.read_response().body == peer.read_response().body != b""


# Other protocols


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), 400),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
        (b"RTSP/1.0 200 OK\r\nHost: x\r\n\r\n", 400),
        (b"HTTP/1.1 200 OK\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
        (b"\x00" * 20, 400),
    ],
)
def test_what_is_another_protocol(site: Site, data: bytes, status: int) -> None:
    site.refuses(data, status)


def test_a_refused_request_after_a_good_one_is_answered_too(site: Site) -> None:
    with site.connect() as peer:
        assert peer.ask(get("/first")).status == 200
        response = peer.ask(get("/second", "bad line"))
        assert response.status == 400 and response.headers["connection"] == "close"
        peer.ends()
    site.log.at_most_one()
    assert site.seen == [("GET", "/first", b"")]
    site.goes_on()


def test_a_refusal_says_nothing_but_that(site: Site) -> None:
    with site.connect() as peer:
        response = peer.ask(get("/", "<script>alert(1)</script>: \x00"))
        assert response.status == 400 and b"script" not in response.body
        peer.ends()
    site.log.at_most_one()
