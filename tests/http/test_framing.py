"""Where a message ends: the tables of RFC 9112 section 6, and everything that is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.errors import HTTPInputError
from tornadic.http.framing import (
    CHUNKED,
    UNTIL_CLOSE,
    Framing,
    connection_options,
    frame_request,
    frame_response,
)
from tornadic.http.headers import Fields
from tornadic.http.startlines import RequestStartLine, ResponseStartLine

HOST: Fields = {"Host": "example.com"}
BAD_LENGTHS = [
    "",
    "+5",
    "-5",
    "-0",
    "5 ",
    " 5",
    "5 5",
    "5_0",
    "0x5",
    "5.0",
    "5e1",
    "five",
    "5,6",
    "5;5",
    "\u0665",
    "\xb2",
    "1" * 16,
    "5\n",
    "5\x00",
]


def request(fields: Fields, version: str = "HTTP/1.1", method: str = "POST") -> Framing:
    return frame_request(RequestStartLine(method, "/", version), {**HOST, **fields})


def response(
    fields: Fields, code: int = 200, method: str | None = "GET", version: str = "HTTP/1.1"
) -> Framing:
    return frame_response(ResponseStartLine(version, code, ""), fields, method)


def refuses_request(fields: Fields, status: int = 400, version: str = "HTTP/1.1") -> None:
    with pytest.raises(HTTPInputError) as error:
        request(fields, version)
    assert error.value.status == status


def refuses_response(fields: Fields, version: str = "HTTP/1.1") -> None:
    with pytest.raises(HTTPInputError):
        response(fields, version=version)


class TestBodiesOfRequests:
    @pytest.mark.parametrize(
        ("fields", "body"),
        [
            ({}, 0),
            ({"Content-Length": "0"}, 0),
            ({"Content-Length": "5"}, 5),
            ({"Content-Length": "005"}, 5),
            ({"Content-Length": "9" * 15}, 10**15 - 1),
            ({"Transfer-Encoding": "chunked"}, CHUNKED),
            ({"Transfer-Encoding": "Chunked"}, CHUNKED),
            ({"Transfer-Encoding": "CHUNKED"}, CHUNKED),
        ],
    )
    def test_what_is_said(self, fields: Fields, body: int) -> None:
        for method in ("GET", "POST", "HEAD", "DELETE", "QUERY"):
            assert request(fields, method=method) == (body, True, False)

    @pytest.mark.parametrize("value", BAD_LENGTHS)
    def test_malformed_length(self, value: str) -> None:
        refuses_request({"Content-Length": value})

    def test_several_lengths(self) -> None:
        refuses_request({"Content-Length": ["5", "6"]})
        refuses_request({"Content-Length": ["5", "5"]})
        refuses_request({"Content-Length": "5, 5"})

    def test_length_and_coding(self) -> None:
        for length in ("5", "0", "x", ""):
            refuses_request({"Content-Length": length, "Transfer-Encoding": "chunked"})
        refuses_request({"Content-Length": ["5", "5"], "Transfer-Encoding": "chunked"})
        refuses_request({"Content-Length": "5", "Transfer-Encoding": "gzip"})

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "chunked, chunked",
            "chunked,",
            ",chunked",
            "chunked, identity",
            "identity, chunked",
            "gzip, chunked",
            "gzip,chunked",
            "chunked;q=1",
            "chunked chunked",
            "chun\tked",
            '"chunked"',
            "xchunked\x0b",
            "chunke\u212a",
            "\xe9",
        ],
    )
    def test_obfuscated_coding(self, value: str) -> None:
        with pytest.raises(HTTPInputError) as error:
            request({"Transfer-Encoding": value})
        assert error.value.status in (400, 501)

    @pytest.mark.parametrize("value", ["gzip", "identity", "x-chunked", "chunkedd", "deflate"])
    def test_unknown_coding(self, value: str) -> None:
        refuses_request({"Transfer-Encoding": value}, 501)

    def test_several_codings(self) -> None:
        refuses_request({"Transfer-Encoding": ["chunked", "chunked"]})
        refuses_request({"Transfer-Encoding": ["gzip", "chunked"]})

    def test_coding_before_it_was_invented(self) -> None:
        refuses_request({"Transfer-Encoding": "chunked"}, version="HTTP/1.0")

    @given(st.text(st.characters(max_codepoint=255), max_size=20))
    def test_nothing_but_digits_is_a_length(self, value: str) -> None:
        digits = value != "" and len(value) <= 15 and set(value) <= set("0123456789")
        for frame in (request, response):
            try:
                framing = frame({"Content-Length": value})
            except HTTPInputError:
                assert not digits
            else:
                # A client takes several equal lengths for one.
                values = {one.strip(" \t") for one in value.split(",")}
                assert digits or (frame is response and len(values) == 1)
                assert framing.body == int(values.pop())


class TestHosts:
    def test_missing(self) -> None:
        start = RequestStartLine("GET", "/", "HTTP/1.1")
        with pytest.raises(HTTPInputError):
            frame_request(start, {})
        assert frame_request(start._replace(version="HTTP/1.0"), {}) == (0, False, False)

    @pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
    @pytest.mark.parametrize(
        "host", [["a", "b"], ["a", "a"], "a/b", "u@h", "a b", "a,b c", "h:x", "h:65536", "h\x00"]
    )
    def test_double_or_malformed(self, host: str | list[str], version: str) -> None:
        refuses_request({"Host": host}, version=version)

    @pytest.mark.parametrize(
        "host", ["", "example.com", "example.com:80", "[::1]:8888", "10.0.0.1"]
    )
    def test_well_formed(self, host: str) -> None:
        assert request({"Host": host}) == (0, True, False)


class TestConnections:
    @pytest.mark.parametrize(
        ("value", "new", "old"),
        [
            (None, True, False),
            ("", True, False),
            ("keep-alive", True, True),
            ("Keep-Alive", True, True),
            ("close", False, False),
            ("Close", False, False),
            ("CLOSE", False, False),
            ("keep-alive, close", False, False),
            ("close, keep-alive", False, False),
            ("upgrade,\tkeep-alive", True, True),
            ("Upgrade", True, False),
            ("x-close", True, False),
            ("closed", True, False),
            (["keep-alive", "close"], False, False),
            (["Upgrade", "Keep-Alive"], True, True),
            (["x", "y, close"], False, False),
        ],
    )
    def test_stay_or_close(self, value: str | list[str] | None, new: bool, old: bool) -> None:
        fields: Fields = {} if value is None else {"Connection": value}
        assert request(fields).keep_alive == new
        assert request(fields, "HTTP/1.2").keep_alive == new
        assert request(fields, "HTTP/1.0").keep_alive == old
        fields["Content-Length"] = "0"
        assert request(fields).keep_alive == new
        assert response(fields).keep_alive == new
        assert response(fields, version="HTTP/1.0").keep_alive == old

    def test_options(self) -> None:
        assert connection_options({}) == set()
        assert connection_options({"Connection": ["A, b", "\tC "]}) == {"a", "b", "c"}


class TestExpectations:
    @pytest.mark.parametrize(
        "value",
        [
            "100-continue",
            "100-Continue",
            "a=b, 100-continue",
            ["x", "100-CONTINUE"],
            ["100-continue,"],
        ],
    )
    def test_expected(self, value: str | list[str]) -> None:
        assert request({"Expect": value, "Content-Length": "5"}).expects_continue
        assert request({"Expect": value, "Transfer-Encoding": "chunked"}).expects_continue

    def test_not_expected(self) -> None:
        length: Fields = {"Content-Length": "5"}
        expects: Fields = {"Expect": "100-continue"}
        # RFC 9110 section 10.1.1: without a body, and by HTTP/1.0, it means nothing.
        assert not request(expects).expects_continue
        assert not request({**expects, "Content-Length": "0"}).expects_continue
        assert not request({**expects, **length}, "HTTP/1.0").expects_continue
        assert not request({**length, "Expect": "200-ok"}).expects_continue
        assert not request({**length, "Expect": ""}).expects_continue
        assert not response({**length, **expects}).expects_continue


class TestBodiesOfResponses:
    @pytest.mark.parametrize(
        ("fields", "body"),
        [
            ({}, UNTIL_CLOSE),
            ({"Content-Length": "0"}, 0),
            ({"Content-Length": "5"}, 5),
            ({"Content-Length": "5, 5"}, 5),
            ({"Content-Length": "5,5 ,\t5"}, 5),
            ({"Content-Length": ["5", "5"]}, 5),
            ({"Transfer-Encoding": "chunked"}, CHUNKED),
        ],
    )
    def test_what_is_said(self, fields: Fields, body: int) -> None:
        for code in (200, 201, 206, 299, 301, 400, 404, 500, 599):
            assert response(fields, code).body == body
        for method in ("GET", "POST", None):
            assert response(fields, method=method).body == body
        # There is none, whatever the head says.
        for code in (100, 101, 103, 199, 204, 304):
            assert response(fields, code) == (0, True, False)
        assert response(fields, method="HEAD") == (0, True, False)

    def test_a_body_that_ends_with_the_connection_ends_it(self) -> None:
        assert response({"Connection": "keep-alive"}) == (UNTIL_CLOSE, False, False)

    @pytest.mark.parametrize("code", [200, 204, 299])
    def test_tunnel_has_no_body(self, code: int) -> None:
        # RFC 9112 section 6.3, whatever the head says; a refusal has one.
        for fields in ({}, {"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}):
            assert response({**fields}, code, "CONNECT").body == 0
        assert response({"Content-Length": "5"}, 407, "CONNECT").body == 5

    @pytest.mark.parametrize("value", [*BAD_LENGTHS[:5], *BAD_LENGTHS[6:], "5,", ",5", "5,,5"])
    def test_malformed_length(self, value: str) -> None:
        if value not in ("5 ", " 5"):
            refuses_response({"Content-Length": value})

    def test_conflicts(self) -> None:
        refuses_response({"Content-Length": ["5", "6"]})
        refuses_response({"Content-Length": "5, 05"})
        refuses_response({"Content-Length": "5", "Transfer-Encoding": "chunked"})
        refuses_response({"Transfer-Encoding": "gzip"})
        refuses_response({"Transfer-Encoding": "gzip, chunked"})
        refuses_response({"Transfer-Encoding": ["chunked", "chunked"]})
        refuses_response({"Transfer-Encoding": "chunked"}, "HTTP/1.0")
