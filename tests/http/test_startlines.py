"""Start lines: what is one, byte for byte, and which targets and hosts they may name."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.errors import HTTPInputError
from tornadic.http.startlines import (
    LONGEST_HOST,
    RequestStartLine,
    is_valid_host,
    parse_request_start_line,
    parse_response_start_line,
    read_request_line,
)

TCHAR = set(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")


def status_of(line: str) -> int:
    with pytest.raises(HTTPInputError) as error:
        read_request_line(line)
    return error.value.status


class TestRequestLines:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("GET / HTTP/1.1", ("GET", "/", "HTTP/1.1")),
            ("POST /a/b?c=d&e HTTP/1.0", ("POST", "/a/b?c=d&e", "HTTP/1.0")),
            ("get //a HTTP/1.1", ("get", "//a", "HTTP/1.1")),
            ("X-!#$%&'*+.^_`|~ / HTTP/1.9", ("X-!#$%&'*+.^_`|~", "/", "HTTP/1.9")),
            ("OPTIONS * HTTP/1.1", ("OPTIONS", "*", "HTTP/1.1")),
            ("GET http://a/b HTTP/1.1", ("GET", "http://a/b", "HTTP/1.1")),
            ("GET HTTPS://a:80?b HTTP/1.1", ("GET", "HTTPS://a:80?b", "HTTP/1.1")),
            ("CONNECT a:443 HTTP/1.1", ("CONNECT", "a:443", "HTTP/1.1")),
            ("CONNECT [::1]:443 HTTP/1.1", ("CONNECT", "[::1]:443", "HTTP/1.1")),
            ("GET /\xe9 HTTP/1.1", ("GET", "/\xe9", "HTTP/1.1")),
        ],
    )
    def test_well_formed(self, line: str, expected: tuple[str, str, str]) -> None:
        start = read_request_line(line)
        assert start == expected
        assert isinstance(start, RequestStartLine)
        assert parse_request_start_line(line) == start

    @pytest.mark.parametrize(
        "line",
        [
            "",
            " ",
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /a b HTTP/1.1",
            "GET\t/\tHTTP/1.1",
            "GET /\t HTTP/1.1",
            "GET /\x00 HTTP/1.1",
            "GET /\x7f HTTP/1.1",
            "GET / HTTP/1.1\r",
            "GET / HTTP/1.1\n",
            "GET /\n HTTP/1.1",
            " / HTTP/1.1",
            "G\x00T / HTTP/1.1",
            "G(T / HTTP/1.1",
            "G\xc9T / HTTP/1.1",
            "GET / HTTP/1",
            "GET / HTTP/1.",
            "GET / HTTP/11",
            "GET / HTTP/1.10",
            "GET / HTTP/01.1",
            "GET / HTTP/1,1",
            "GET / http/1.1",
            "GET / Http/1.1",
            "GET / HTTP 1.1",
            "GET / HTTPS/1.1",
            "GET / ICAP/1.0",
            "GET / HTTP/\xb9.1",
            "GET / HTTP/-1.1",
            "GET / ",
        ],
    )
    def test_malformed(self, line: str) -> None:
        assert status_of(line) == 400
        with pytest.raises(HTTPInputError):
            parse_request_start_line(line)

    @pytest.mark.parametrize("version", ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"])
    def test_versions_of_others(self, version: str) -> None:
        assert status_of(f"GET / {version}") == 505

    @pytest.mark.parametrize("control", ["\x00", "\x01", "\x7f"])
    def test_control_characters_come_before_the_version(self, control: str) -> None:
        # The reader refuses them with 400 when the line comes in pieces.
        assert status_of(f"G{control}T / HTTP/2.0") == 400

    def test_length_of_a_method(self) -> None:
        assert read_request_line("M" * 32 + " / HTTP/1.1").method == "M" * 32
        assert status_of("M" * 33 + " / HTTP/1.1") == 501

    def test_every_character_of_a_method(self) -> None:
        for code in range(256):
            line = f"G{chr(code)}T / HTTP/1.1"
            if chr(code) in TCHAR:
                assert read_request_line(line).method == line[:3]
            else:
                assert status_of(line) == 400

    def test_every_character_of_a_target(self) -> None:
        for code in range(256):
            line = f"GET /a{chr(code)}b HTTP/1.1"
            if code > 32 and code != 127:
                assert read_request_line(line).path == f"/a{chr(code)}b"
            else:
                assert status_of(line) == 400

    @pytest.mark.parametrize(
        "line",
        [
            "GET a HTTP/1.1",
            "GET ?a HTTP/1.1",
            "GET #a HTTP/1.1",
            "GET * HTTP/1.1",
            "OPTIONS ** HTTP/1.1",
            "OPTIONS *a HTTP/1.1",
            "GET \\a HTTP/1.1",
            "GET ../a HTTP/1.1",
            "GET a:80 HTTP/1.1",
            "GET example.com/ HTTP/1.1",
            "GET http:/a HTTP/1.1",
            "GET http:a HTTP/1.1",
            "GET http:///a HTTP/1.1",
            "GET http://?a HTTP/1.1",
            "GET http://:80/ HTTP/1.1",
            "GET http://u@a/ HTTP/1.1",
            "GET http://u:p@a/ HTTP/1.1",
            "GET http://a:b/ HTTP/1.1",
            "GET http://a:65536/ HTTP/1.1",
            "GET http://a\\b/ HTTP/1.1",
            "GET http://a/#b HTTP/1.1",
            "GET ftp://a/ HTTP/1.1",
            "GET file:///etc/passwd HTTP/1.1",
            "GET javascript:alert(1) HTTP/1.1",
            "CONNECT / HTTP/1.1",
            "CONNECT /a HTTP/1.1",
            "CONNECT * HTTP/1.1",
            "CONNECT a HTTP/1.1",
            "CONNECT a: HTTP/1.1",
            "CONNECT :443 HTTP/1.1",
            "CONNECT a:b HTTP/1.1",
            "CONNECT a:123456 HTTP/1.1",
            "CONNECT a:1:2 HTTP/1.1",
            "CONNECT u@a:443 HTTP/1.1",
            "CONNECT http://a/ HTTP/1.1",
            "CONNECT ::1:443 HTTP/1.1",
        ],
    )
    def test_targets_of_no_form(self, line: str) -> None:
        assert status_of(line) == 400

    def test_port_of_an_authority_form(self) -> None:
        assert read_request_line("CONNECT a:65535 HTTP/1.1").path == "a:65535"
        assert status_of("CONNECT a:65536 HTTP/1.1") == 400

    @given(st.text(st.characters(max_codepoint=255)))
    def test_nothing_undocumented_is_raised(self, text: str) -> None:
        for line in (text, f"GET {text} HTTP/1.1", f"CONNECT {text} HTTP/1.1", f"{text} / {text}"):
            try:
                start = read_request_line(line)
            except HTTPInputError as e:
                assert e.status in (400, 501, 505)
            else:
                assert " ".join(start) == line
                assert set(start.method) <= TCHAR
                assert not any(ord(char) <= 32 or ord(char) == 127 for char in start.path)


class TestHosts:
    @pytest.mark.parametrize(
        "host",
        [
            "",
            "a",
            "example.com",
            "EXAMPLE.com.",
            "xn--bcher-kva.example",
            "under_score.example",
            "127.0.0.1",
            "127.0.0.1:80",
            "a:",
            "a:0",
            "a:65535",
            "a:00080",
            "[::1]",
            "[::1]:80",
            "[2001:DB8::1]",
            "[::ffff:10.0.0.1]",
            "%65xample.com",
            "a!$&'()*+;=~",
        ],
    )
    def test_valid(self, host: str) -> None:
        assert is_valid_host(host)

    @pytest.mark.parametrize(
        "host",
        [
            "a/b",
            "a/",
            "/",
            "\\",
            "a?b",
            "a#b",
            "u@a",
            "u:p@a",
            " a",
            "a ",
            "a b",
            "a\tb",
            "a\x00",
            "a\n",
            "a\x7f",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:99999",
            "a:000000",
            "a:\u0661",
            "a:1:2",
            "::1",
            "[::1",
            "::1]",
            "[::1]a",
            "[]",
            "[a b]",
            "[::1%eth0]",
            "a[b]",
            "http://a",
            "\xe9.example",
            "a<b>",
            'a"b',
            "a|b",
            "a^b",
            "a`b",
            "a{b}",
        ],
    )
    def test_invalid(self, host: str) -> None:
        assert not is_valid_host(host)

    @pytest.mark.parametrize("host", ["%", "%6", "%zz", "a%", "a%2", "%%41"])
    def test_percent_takes_two_digits(self, host: str) -> None:
        # RFC 9110 section 7.2: a server answers 400 to what is no host (RFC 3986 section 3.2.2).
        assert not is_valid_host(host)

    @pytest.mark.parametrize("host", ["[v]", "[:]", "[.]", "[:::]", "[1::2::3]", "[12345::]"])
    def test_brackets_take_an_address(self, host: str) -> None:
        assert not is_valid_host(host)


class TestStatusLines:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("HTTP/1.1 200 OK", ("HTTP/1.1", 200, "OK")),
            ("HTTP/1.0 404 Not  Found ", ("HTTP/1.0", 404, "Not  Found ")),
            ("HTTP/1.1 200 ", ("HTTP/1.1", 200, "")),
            ("HTTP/1.1 200", ("HTTP/1.1", 200, "")),
            ("HTTP/1.1 200 \t\xe9", ("HTTP/1.1", 200, "\t\xe9")),
        ],
    )
    def test_well_formed(self, line: str, expected: tuple[str, int, str]) -> None:
        assert parse_response_start_line(line) == expected

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "HTTP/1.1",
            "HTTP/1.1 ",
            "HTTP/1.1 20",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 20x OK",
            "HTTP/1.1 -20 OK",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1 \u0662\u0660\u0660 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1  200 OK",
            " HTTP/1.1 200 OK",
            "HTTP/1.1\t200\tOK",
            "HTTP/1.1 200 O\x00K",
            "HTTP/1.1 200 OK\r",
            "HTTP/1.1 200 OK\n",
            "HTTP/1.1 200\n",
            "http/1.1 200 OK",
            "HTTP/1 200 OK",
            "HTTP/2.0 200 OK",
            "HTTP/0.9 200 OK",
        ],
    )
    def test_malformed(self, line: str) -> None:
        with pytest.raises(HTTPInputError):
            parse_response_start_line(line)


def test_a_host_at_its_longest_and_beyond() -> None:
    longest = "a" * (LONGEST_HOST - 6) + ":65535"
    kept = is_valid_host.cache_info().currsize
    assert is_valid_host(longest)
    for host in ("a" + longest, "a" * (LONGEST_HOST + 1), "a" * 60_000):
        with pytest.raises(HTTPInputError) as caught:
            is_valid_host(host)
        assert caught.value.status == 400 and len(str(caught.value)) < 200
    # What is too long is not remembered, whoever sends how much of it.
    assert is_valid_host.cache_info().currsize <= kept + 1
    with pytest.raises(HTTPInputError):
        read_request_line(f"GET http://{'a' * 2000}/ HTTP/1.1")
