"""The request object, header collections and start lines, as programs use them."""

from __future__ import annotations

import copy
import http.cookies
import pickle
import string
import unittest
from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic import httputil
from tornadic.httputil import (
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    ParseBodyConfig,
    RequestStartLine,
    ResponseStartLine,
    parse_body_arguments,
    parse_request_start_line,
    parse_response_start_line,
)

FORM = "application/x-www-form-urlencoded"


def request_for(target: str = "/", method: str = "GET", **arguments: Any) -> HTTPServerRequest:
    headers = arguments.pop("headers", {})
    fields = headers if isinstance(headers, HTTPHeaders) else HTTPHeaders(headers)
    fields.setdefault("Host", "example.com")
    return HTTPServerRequest(
        start_line=RequestStartLine(method, target, "HTTP/1.1"), headers=fields, **arguments
    )


class TestRequest:
    def test_what_the_head_says(self) -> None:
        headers = HTTPHeaders({"Host": "example.com:8080", "X-A": "1"})
        request = request_for("/path/x?a=1&b=2?", "POST", headers=headers)
        assert (request.method, request.uri) == ("POST", "/path/x?a=1&b=2?")
        assert (request.path, request.query) == ("/path/x", "a=1&b=2?")
        assert request.version == "HTTP/1.1"
        assert request.headers is headers
        assert (request.host, request.host_name) == ("example.com:8080", "example.com")
        assert request.body == b""

    @pytest.mark.parametrize(
        ("target", "path", "query"),
        [
            ("/", "/", ""),
            ("/?", "/", ""),
            ("/?a", "/", "a"),
            ("/a?b?c", "/a", "b?c"),
            ("//x/y", "//x/y", ""),
            ("/%41%2F", "/%41%2F", ""),
            ("/a;b=c", "/a;b=c", ""),
            ("*", "*", ""),
        ],
    )
    def test_path_and_query(self, target: str, path: str, query: str) -> None:
        request = request_for(target)
        assert (request.path, request.query) == (path, query)

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("EXAMPLE.com", "example.com"),
            ("example.com:80", "example.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:8888", "127.0.0.1"),
        ],
    )
    def test_host_name(self, host: str, name: str) -> None:
        request = request_for(headers={"Host": host})
        assert request.host == host
        assert request.host_name == name

    def test_what_the_connection_knows(self) -> None:
        class Context:
            remote_ip = "1.2.3.4"
            protocol = "https"

        class Connection:
            context = Context()

        connection: Any = Connection()
        server_connection = object()
        request = request_for(connection=connection, server_connection=server_connection)
        assert (request.remote_ip, request.protocol) == ("1.2.3.4", "https")
        assert request.connection is connection
        assert request.server_connection is server_connection

    def test_without_a_connection(self) -> None:
        request = request_for()
        assert (request.remote_ip, request.protocol) == (None, "http")
        assert request.connection is None
        assert request.get_ssl_certificate() is None
        assert request.get_ssl_certificate(binary_form=True) is None

    def test_body(self) -> None:
        assert request_for(body=b"x").body == b"x"
        assert request_for(body=None).body == b""

    def test_start_line_is_asked_for(self) -> None:
        with pytest.warns(DeprecationWarning):
            request = HTTPServerRequest("GET", "/a?b=1", headers=HTTPHeaders({"Host": "x"}))
        assert (request.method, request.uri, request.version) == ("GET", "/a?b=1", "HTTP/1.0")
        assert request.arguments == {"b": [b"1"]}

    def test_full_url(self) -> None:
        request = request_for("/a?b=c", headers={"Host": "example.com:8080"})
        assert request.full_url() == "http://example.com:8080/a?b=c"
        request.protocol = "https"
        assert request.full_url() == "https://example.com:8080/a?b=c"

    def test_repr(self) -> None:
        assert repr(request_for("/a?b", headers={"Cookie": "secret=1"})) == (
            "HTTPServerRequest(protocol='http', host='example.com', method='GET', uri='/a?b', "
            "version='HTTP/1.1', remote_ip=None)"
        )

    def test_request_time_goes_on(self) -> None:
        request = request_for()
        first = request.request_time()
        assert 0 <= first <= request.request_time()


class TestAbsoluteForm:
    """RFC 9112 section 3.2.2."""

    @pytest.mark.parametrize(
        ("target", "host", "path", "query"),
        [
            ("http://other.example/a?b=c", "other.example", "/a", "b=c"),
            ("http://other.example:81/", "other.example:81", "/", ""),
            ("http://other.example", "other.example", "/", ""),
            ("http://other.example?b", "other.example", "/", "b"),
            ("https://other.example/http://x/", "other.example", "/http://x/", ""),
            ("HTTP://other.example/a", "other.example", "/a", ""),
            ("http://[::1]:81/a", "[::1]:81", "/a", ""),
        ],
    )
    def test_names_host_and_path(self, target: str, host: str, path: str, query: str) -> None:
        request = request_for(target)
        assert (request.host, request.path, request.query) == (host, path, query)
        assert request.uri == target
        assert request.full_url() == target

    @pytest.mark.parametrize("target", ["http:///a", "http://", "http://?a"])
    def test_without_a_host(self, target: str) -> None:
        with pytest.raises(HTTPInputError):
            request_for(target)


class TestArgumentsOfARequest:
    def test_of_the_query(self) -> None:
        request = request_for("/?a=1&a=%FF&b=")
        assert request.query_arguments == {"a": [b"1", b"\xff"], "b": [b""]}
        assert request.arguments == request.query_arguments
        assert request.body_arguments == {}
        assert request.files == {}

    def test_of_query_and_body(self) -> None:
        request = request_for("/?a=1&b=2", headers={"Content-Type": FORM}, body=b"a=3&c=4")
        assert request.arguments == {"a": [b"1", b"3"], "b": [b"2"], "c": [b"4"]}
        assert request.query_arguments == {"a": [b"1"], "b": [b"2"]}
        assert request.body_arguments == {"a": [b"3"], "c": [b"4"]}

    @pytest.mark.parametrize("first", ["arguments", "query_arguments", "body_arguments", "files"])
    def test_in_whatever_order_they_are_read(self, first: str) -> None:
        body = (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n2\r\n'
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\ndata\r\n--x--'
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        request = request_for("/?a=1", headers=headers, body=body)
        getattr(request, first)
        assert request.arguments == {"a": [b"1", b"2"]}
        assert request.query_arguments == {"a": [b"1"]}
        assert request.body_arguments == {"a": [b"2"]}
        (file,) = request.files["f"]
        assert (file.filename, file["body"]) == ("n", b"data")
        assert file.content_type == file["content_type"] == "application/unknown"

    def test_made_once(self) -> None:
        request = request_for("/?a=1", headers={"Content-Type": FORM, "Cookie": "a=1"}, body=b"b=2")
        for name in ("arguments", "query_arguments", "body_arguments", "files", "cookies", "host"):
            assert getattr(request, name) is getattr(request, name)

    def test_nothing_is_parsed_that_nobody_reads(self) -> None:
        headers = {"Content-Type": "multipart/form-data", "Cookie": "a=" + "\\" * 100}
        request = request_for("/?\u20ac", headers=headers, body=b"no form")
        assert request.path == "/"
        assert "HTTPServerRequest" in repr(request)
        for name in ("arguments", "query_arguments", "body_arguments", "files"):
            with pytest.raises(HTTPInputError):
                getattr(request, name)

    def test_a_query_of_too_many_fields_is_told_when_it_is_made(self) -> None:
        assert request_for("/?" + "&" * 999).arguments == {}
        with pytest.raises(HTTPInputError):
            request_for("/?" + "&" * 1000)

    def test_can_be_assigned(self) -> None:
        request = request_for("/?a=1", headers={"Content-Type": FORM}, body=b"b=2")
        request.body_arguments = {"c": [b"3"]}
        assert request.arguments == {"a": [b"1"], "c": [b"3"]}
        request.arguments = {}
        assert request.arguments == {}
        request.host = "other"
        assert request.full_url() == "http://other/?a=1"

    def test_body_assigned_before_they_are_read(self) -> None:
        request = request_for(headers={"Content-Type": FORM})
        request.body = b"a=1"
        assert request.body_arguments == {"a": [b"1"]}

    def test_files_given(self) -> None:
        files = {"f": [HTTPFile(filename="n", body=b"", content_type="text/plain")]}
        assert request_for(files=files).files == files


class TestCookiesOfARequest:
    def test_morsels_by_name(self) -> None:
        request = request_for(headers={"Cookie": 'a=1; b="x\\073y"; a=2'})
        cookies = request.cookies
        assert isinstance(cookies, http.cookies.SimpleCookie)
        assert {name: morsel.value for name, morsel in cookies.items()} == {"a": "2", "b": "x;y"}
        assert cookies["a"].key == "a"

    def test_none(self) -> None:
        assert dict(request_for().cookies) == {}

    def test_names_that_are_no_cookies_are_left_out(self) -> None:
        request = request_for(headers={"Cookie": "a b=1; =2; path=3; ok=4; é=5; x[]=6"})
        assert {name: morsel.value for name, morsel in request.cookies.items()} == {"ok": "4"}

    @given(
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
    )
    def test_nothing_a_client_sends_is_an_error(self, header: str) -> None:
        for name, morsel in request_for(headers={"Cookie": header}).cookies.items():
            assert name == morsel.key


class TestHeaders:
    def test_names_in_any_case(self) -> None:
        headers = HTTPHeaders({"content-type": "text/html"})
        assert list(headers.keys()) == ["Content-Type"]
        assert headers["CONTENT-TYPE"] == headers.get("content-Type") == "text/html"
        assert "cOnTent-type" in headers
        assert "other" not in headers
        other: Any = 5
        assert other not in headers
        headers["CONTENT-type"] = "text/plain"
        assert list(headers.items()) == [("Content-Type", "text/plain")]
        del headers["content-TYPE"]
        assert len(headers) == 0

    @pytest.mark.parametrize(
        ("name", "normal"),
        [
            ("coNtent-TYPE", "Content-Type"),
            ("x", "X"),
            ("ETAG", "Etag"),
            ("WWW-authenticate", "Www-Authenticate"),
            ("x--y", "X--Y"),
            ("-", "-"),
            ("x_y", "X_y"),
            ("3d", "3d"),
        ],
    )
    def test_normal_form(self, name: str, normal: str) -> None:
        assert list(HTTPHeaders({name: "1"})) == [normal]

    def test_missing(self) -> None:
        headers = HTTPHeaders()
        for name in ("X", "x"):
            with pytest.raises(KeyError):
                headers[name]
            with pytest.raises(KeyError):
                del headers[name]
        assert headers.get("X") is None
        assert headers.get("X", "default") == "default"
        assert headers.get_list("X") == []

    def test_several_values(self) -> None:
        headers = HTTPHeaders({"content-type": "text/html"})
        headers.add("Set-Cookie", "A=B")
        headers.add("set-cookie", "C=D")
        assert headers["set-cookie"] == headers.get("Set-Cookie") == "A=B,C=D"
        assert headers.get_list("SET-COOKIE") == ["A=B", "C=D"]
        assert headers.get_list("content-type") == ["text/html"]
        assert sorted(headers.get_all()) == [
            ("Content-Type", "text/html"),
            ("Set-Cookie", "A=B"),
            ("Set-Cookie", "C=D"),
        ]
        assert len(headers) == 2
        assert sorted(headers.items()) == [("Content-Type", "text/html"), ("Set-Cookie", "A=B,C=D")]
        headers["Set-Cookie"] = "E=F"
        assert headers.get_list("Set-Cookie") == ["E=F"]

    def test_what_is_given_out_is_not_shared(self) -> None:
        headers = HTTPHeaders()
        headers.add("A", "1")
        headers.add("A", "2")
        headers.get_list("A").append("3")
        assert headers.get_list("A") == ["1", "2"]

    def test_ways_to_make_one(self) -> None:
        assert dict(HTTPHeaders()) == {}
        assert dict(HTTPHeaders([("a", "1"), ("b", "2")])) == {"A": "1", "B": "2"}
        assert dict(HTTPHeaders({"a": "1"}, b="2")) == {"A": "1", "B": "2"}
        assert dict(HTTPHeaders(a="1")) == {"A": "1"}
        many = HTTPHeaders()
        many.add("A", "1")
        many.add("A", "2")
        assert HTTPHeaders(many).get_list("A") == ["1", "2"]

    def test_is_a_mutable_mapping(self) -> None:
        headers = HTTPHeaders(a="1", b="2")
        assert isinstance(headers, MutableMapping)
        assert headers.pop("A") == "1"
        assert headers.pop("A", None) is None
        assert headers.setdefault("c", "3") == "3"
        assert headers.setdefault("C", "4") == "3"
        headers.update({"B": "5"}, d="6")
        assert dict(headers) == {"B": "5", "C": "3", "D": "6"}
        assert list(headers.values()) == ["5", "3", "6"]
        headers.clear()
        assert not headers

    def test_equality(self) -> None:
        assert HTTPHeaders(a="1") == HTTPHeaders(A="1") == {"A": "1"}
        assert HTTPHeaders(a="1") != HTTPHeaders(a="2")
        assert HTTPHeaders(a="1") != HTTPHeaders()
        assert HTTPHeaders(a="1") != "A: 1"
        with pytest.raises(TypeError):
            hash(HTTPHeaders())

    def test_str(self) -> None:
        headers = HTTPHeaders(a="1")
        headers.add("B", "2")
        headers.add("B", "3")
        assert str(headers) == "A: 1\nB: 2\nB: 3\n"
        assert str(HTTPHeaders()) == ""

    @pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, HTTPHeaders.copy, HTTPHeaders])
    def test_copies_share_nothing(self, how: Any) -> None:
        headers = HTTPHeaders(a="1")
        headers.add("B", "2")
        headers.add("B", "3")
        other = how(headers)
        assert isinstance(other, HTTPHeaders)
        assert other == headers
        assert other.get_list("B") == ["2", "3"]
        other.add("B", "4")
        other["A"] = "changed"
        del other["A"]
        assert headers["A"] == "1"
        assert headers.get_list("B") == ["2", "3"]
        headers.add("B", "5")
        assert other.get_list("B") == ["2", "3", "4"]

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickles(self, protocol: int) -> None:
        headers = HTTPHeaders(a="1")
        headers.add("B", "2")
        headers.add("B", "é")
        other = pickle.loads(pickle.dumps(headers, protocol))
        assert list(other.get_all()) == list(headers.get_all())
        other["x-NEW"] = "1"
        assert other["X-New"] == "1"
        assert "X-New" not in headers

    def test_a_subclass_stays_one(self) -> None:
        class Mine(HTTPHeaders):
            pass

        for other in (Mine(a="1").copy(), copy.copy(Mine(a="1")), Mine.parse("A: 1")):
            assert type(other) is Mine
            assert other == {"A": "1"}


BAD_NAMES = ["", " ", "a b", "a:", "a\r\n", "é", "a\x00", "(a)", "a\t", " a"]
BAD_VALUES = ["a\r\nb", "a\nb", "a\rb", "a\x00", "\x7f", "a\x1f", "\n", "\r\n a"]


class TestAddingHeaders:
    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_bad_names(self, name: str) -> None:
        headers = HTTPHeaders()
        with pytest.raises(HTTPInputError):
            headers.add(name, "1")
        assert len(headers) == 0

    @pytest.mark.parametrize("value", BAD_VALUES)
    def test_bad_values(self, value: str) -> None:
        headers = HTTPHeaders(a="1")
        with pytest.raises(HTTPInputError):
            headers.add("A", value)
        assert headers == {"A": "1"}

    @pytest.mark.parametrize("value", ["", " ", "a\tb", "é\x80\xff", '"quoted"', ":"])
    def test_good_values(self, value: str) -> None:
        headers = HTTPHeaders()
        headers.add("A", value)
        assert headers["A"] == value

    @pytest.mark.parametrize("name", string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
    def test_every_character_of_a_token(self, name: str) -> None:
        headers = HTTPHeaders()
        headers.add(name, "1")
        assert headers.get(name.swapcase()) == "1"


class TestParsingHeaders:
    def test_lines(self) -> None:
        headers = HTTPHeaders()
        headers.parse_line("Content-Type: text/html")
        headers.parse_line("Content-Length:42\r\n")
        headers.parse_line("X-Tab:\t a b\t \n")
        headers.parse_line("X-Empty:")
        headers.parse_line("x-many: 1")
        headers.parse_line("X-MANY: 2")
        headers.parse_line("")
        headers.parse_line("\r\n")
        assert dict(headers) == {
            "Content-Type": "text/html",
            "Content-Length": "42",
            "X-Tab": "a b",
            "X-Empty": "",
            "X-Many": "1,2",
        }

    def test_block(self) -> None:
        headers = HTTPHeaders.parse("Content-Type: text/html\r\nContent-Length: 42\r\n")
        assert sorted(headers.items()) == [("Content-Length", "42"), ("Content-Type", "text/html")]
        assert HTTPHeaders.parse("A: 1\nB: 2") == {"A": "1", "B": "2"}
        assert HTTPHeaders.parse("") == {}
        assert HTTPHeaders.parse("A: 1\r\n\r\n") == {"A": "1"}

    @pytest.mark.parametrize(
        "line",
        [
            "no colon",
            ": no name",
            " folded",
            "\tfolded",
            "a b: 1",
            "a : 1",
            "é: 1",
            "a: b\x00",
            "a: b\rc",
            "a: \x7f",
            "a\r\n: b",
        ],
    )
    def test_malformed(self, line: str) -> None:
        with pytest.raises(HTTPInputError):
            HTTPHeaders().parse_line(line)
        with pytest.raises(HTTPInputError):
            HTTPHeaders.parse(f"X: 1\r\n{line}\r\n")

    def test_folded_lines_are_refused(self) -> None:
        with pytest.raises(HTTPInputError):
            HTTPHeaders.parse("A: 1\r\n more\r\nB: 2\r\n")

    def test_only_blank_and_tab_are_stripped(self) -> None:
        headers = HTTPHeaders.parse("A: \xa0x\x85\r\n")
        assert headers["A"] == "\xa0x\x85"


NAMES = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20
).map(lambda value: value.strip(" \t"))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=20))
def test_headers_written_are_read_back(pairs: list[tuple[str, str]]) -> None:
    headers = HTTPHeaders()
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        headers.add(name, value)
        expected.setdefault(name.lower(), []).append(value)
    for name, values in expected.items():
        assert headers.get_list(name) == values
        assert headers[name] == headers.get(name.upper()) == ",".join(values)
        assert name in headers
    assert len(headers) == len(expected)
    assert list(HTTPHeaders.parse(str(headers)).get_all()) == list(headers.get_all())
    again = "".join(f"{name}: {value}\r\n" for name, value in headers.get_all())
    assert HTTPHeaders.parse(again) == headers
    assert list(pickle.loads(pickle.dumps(headers)).get_all()) == list(headers.get_all())
    assert list(headers.copy().get_all()) == list(headers.get_all())


@given(st.text())
def test_reading_lines_raises_nothing_undocumented(line: str) -> None:
    headers = HTTPHeaders()
    try:
        headers.parse_line(line)
    except HTTPInputError:
        assert len(headers) == 0
    for _, value in headers.get_all():
        assert not set(value) & {chr(code) for code in (*range(9), *range(10, 32), 127)}


@given(st.lists(st.tuples(st.sampled_from(["set", "add", "del", "pop", "clear"]), NAMES, VALUES)))
def test_headers_behave_as_a_plain_dictionary_would(steps: list[tuple[str, str, str]]) -> None:
    headers = HTTPHeaders()
    model: dict[str, list[str]] = {}
    for step, name, value in steps:
        key = name.lower()
        if step == "set":
            headers[name] = value
            model[key] = [value]
        elif step == "add":
            headers.add(name, value)
            model.setdefault(key, []).append(value)
        elif step == "clear":
            headers.clear()
            model.clear()
        else:
            assert headers.pop(name, None) == (",".join(model.pop(key)) if key in model else None)
        assert {k.lower(): v for k, v in headers.items()} == {
            k: ",".join(v) for k, v in model.items()
        }


class TestStartLines:
    def test_request(self) -> None:
        line = parse_request_start_line("GET /foo?a=b HTTP/1.1")
        assert line == RequestStartLine("GET", "/foo?a=b", "HTTP/1.1")
        assert (line.method, line.path, line.version) == ("GET", "/foo?a=b", "HTTP/1.1")
        method, path, version = line
        assert [method, path, version] == ["GET", "/foo?a=b", "HTTP/1.1"]
        assert line._replace(path="/").path == "/"

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET / x HTTP/1.1",
            "GET\t/\tHTTP/1.1",
            "G(T / HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1",
            "GET / HTTP/1.10",
            "GET / HTTP/2.0",
            "GET / HTTP/0.9",
            "GET / HTTP/1.\u0661",
            "GET /\x00 HTTP/1.1",
            "GET /\r\nX: HTTP/1.1",
        ],
    )
    def test_malformed_request(self, line: str) -> None:
        with pytest.raises(HTTPInputError):
            parse_request_start_line(line)

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("HTTP/1.1 200 OK", ("HTTP/1.1", 200, "OK")),
            ("HTTP/1.0 404 Not Found", ("HTTP/1.0", 404, "Not Found")),
            ("HTTP/1.1 200 ", ("HTTP/1.1", 200, "")),
            ("HTTP/1.1 200", ("HTTP/1.1", 200, "")),
            ("HTTP/1.1 599 é", ("HTTP/1.1", 599, "é")),
        ],
    )
    def test_response(self, line: str, expected: tuple[str, int, str]) -> None:
        parsed = parse_response_start_line(line)
        assert parsed == ResponseStartLine(*expected)
        assert (parsed.version, parsed.code, parsed.reason) == expected

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "HTTP/1.1",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 abc OK",
            "HTTP/1.1  200 OK",
            "HTTP/2 200 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1 \u0662\u0660\u0660 OK",
            "HTTP/1.1 200 O\x00K",
            "HTTP/1.1 200 OK\r\nX: 1",
        ],
    )
    def test_malformed_response(self, line: str) -> None:
        with pytest.raises(HTTPInputError):
            parse_response_start_line(line)

    @given(NAMES, st.text("/abc?%=&.", min_size=1))
    def test_round_trip(self, method: str, path: str) -> None:
        line = RequestStartLine(method, path, "HTTP/1.1")
        assert parse_request_start_line(" ".join(line)) == line

    @given(st.text())
    def test_nothing_undocumented_is_raised(self, line: str) -> None:
        for parse in (parse_request_start_line, parse_response_start_line):
            try:
                parse(line)
            except HTTPInputError:
                pass


def test_public_names() -> None:
    assert httputil.responses[404] == "Not Found"
    assert isinstance(httputil.responses, Mapping)
    assert httputil.responses[200] == "OK"
    for name in httputil.__all__:
        assert hasattr(httputil, name)


FACE: Any = httputil


class TestNamesThatSuitesLookFor:
    """Names that Tornado does not document, and that suites written for it use."""

    def test_the_default_configuration(self) -> None:
        assert ParseBodyConfig() == FACE._DEFAULT_PARSE_BODY_CONFIG
        parse_body_arguments("a/b", b"", {}, {}, config=FACE._DEFAULT_PARSE_BODY_CONFIG)

    def test_the_examples_in_the_docstrings(self) -> None:
        suite = FACE.doctests()
        assert suite.countTestCases() > 10
        result = unittest.TestResult()
        suite.run(result)
        assert result.wasSuccessful(), result.failures

    @pytest.mark.parametrize("value", ["a", "a b", "a\tb", "", "\xff", "!"])
    def test_what_is_a_value_is_one_for_headers_too(self, value: str) -> None:
        assert FACE._ABNF.field_value.fullmatch(value)
        assert HTTPHeaders.parse(f"A: {value}\r\n")["A"] == value

    @pytest.mark.parametrize("value", [" a", "a ", "\ta", "a\n", "a\x00b", "\u0100", " "])
    def test_what_is_no_value(self, value: str) -> None:
        assert not FACE._ABNF.field_value.fullmatch(value)

    @given(st.from_regex(FACE._ABNF.request_target, fullmatch=True))
    def test_what_is_a_target_is_one_for_start_lines_too(self, target: str) -> None:
        line = f"GET {target} HTTP/1.1"
        assert parse_request_start_line(line).path == target

    @given(st.from_regex(FACE._ABNF.reason_phrase, fullmatch=True))
    def test_what_is_a_phrase_is_one_for_start_lines_too(self, phrase: str) -> None:
        line = f"HTTP/1.1 200 {phrase}"
        assert parse_response_start_line(line).reason == phrase

    @given(st.text())
    def test_no_other_text_is_a_request_line(self, line: str) -> None:
        try:
            method, target, _ = parse_request_start_line(line)
        except HTTPInputError:
            return
        assert FACE._ABNF.method.fullmatch(method)
        assert FACE._ABNF.request_target.fullmatch(target)
