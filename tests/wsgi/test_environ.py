"""The environment of a WSGI application."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_from_bytes
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.support import Fields, run, serving
from tests.wsgi.support import Environ, answer

from tornadic.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornadic.wsgi import WSGIContainer


def app_of(seen: list[Environ]) -> Any:
    """An application, checked by the standard library, that notes its environment."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        assert type(environ) is dict
        seen.append({**environ, "body": environ["wsgi.input"].read(1000)})
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    return validator(app)


def environ_of(
    target: str = "/",
    method: str = "GET",
    headers: Fields = (),
    body: bytes = b"",
    **options: Any,
) -> Environ:
    """The environment for a request that came over a socket; ``options`` are the server's."""
    seen: list[Environ] = []
    response = answer(app_of(seen), None, target, method, headers, body, **options)
    assert response.body == b"ok"
    [environ] = seen
    return environ


def environ_for(target: str, *headers: tuple[str, str]) -> Environ:
    """The environment for a request that was made by hand."""
    fields = HTTPHeaders()
    for name, value in headers:
        fields.add(name, value)
    request = HTTPServerRequest(
        start_line=RequestStartLine("GET", target, "HTTP/1.1"), headers=fields
    )
    return WSGIContainer(lambda environ, start_response: []).environ(request)


def test_a_whole_environment() -> None:
    environ = environ_of("/a%20b?c=%20d", headers={"Host": "Example.com:8080", "X-Thing": "1"})
    own = {name: value for name, value in environ.items() if not name.startswith("wsgi.")}
    assert own == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=%20d",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "Example.com:8080",
        "HTTP_X_THING": "1",
        "body": b"",
    }
    assert environ["wsgi.version"] == (1, 0)
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.multiprocess"] is True
    assert environ["wsgi.run_once"] is False


def test_errors_go_to_stderr() -> None:
    assert environ_for("/")["wsgi.errors"] is sys.stderr


def test_multithread_is_what_the_executor_makes_it() -> None:
    request = HTTPServerRequest(start_line=RequestStartLine("GET", "/", "HTTP/1.1"))
    with ThreadPoolExecutor(1) as pool:
        threads = WSGIContainer(lambda environ, start_response: [], pool)
        assert threads.environ(request)["wsgi.multithread"] is True
    loop = WSGIContainer(lambda environ, start_response: [])
    assert loop.environ(request)["wsgi.multithread"] is False


def test_a_body_with_its_length_and_type() -> None:
    environ = environ_of("/", "POST", {"Content-Type": "a/b"}, b"abc")
    assert environ["body"] == b"abc"
    assert environ["CONTENT_LENGTH"] == "3"
    assert environ["CONTENT_TYPE"] == "a/b"
    assert not {"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"} & set(environ)


def test_an_empty_body_that_was_announced() -> None:
    assert environ_of("/", "POST", {"Content-Length": "0"})["CONTENT_LENGTH"] == "0"
    assert "CONTENT_LENGTH" not in environ_of("/")


def test_chunks_are_no_business_of_the_application() -> None:
    body = b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    environ = environ_of("/", "POST", {"Transfer-Encoding": "chunked"}, body)
    assert environ["body"] == b"abc"
    assert environ["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_the_length_of_an_inflated_body_is_what_can_be_read() -> None:
    body = gzip.compress(b"a" * 500)
    headers = {"Content-Encoding": "gzip"}
    environ = environ_of("/", "POST", headers, body, decompress_request=True)
    assert environ["body"] == b"a" * 500
    assert environ["CONTENT_LENGTH"] == "500"


@given(st.binary(max_size=40))
def test_a_path_comes_as_its_bytes(path: bytes) -> None:
    environ = environ_for("/" + quote_from_bytes(path, safe=""))
    assert environ["PATH_INFO"].encode("latin-1") == b"/" + path


@pytest.mark.parametrize(
    "target,path,query",
    [
        ("/a+b", "/a+b", ""),
        ("/%zz%4", "/%zz%4", ""),
        ("/\xc3\xa9", "/\xc3\xa9", ""),
        ("//a//b", "//a//b", ""),
        ("/?", "/", ""),
        ("/a?b?c#d", "/a", "b?c#d"),
        ("http://example.com/a?b", "/a", "b"),
        ("*", "/", ""),
    ],
)
def test_targets(target: str, path: str, query: str) -> None:
    environ = environ_for(target)
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)


def test_asking_about_the_server_as_a_whole() -> None:
    environ = environ_of("*", "OPTIONS")
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("OPTIONS", "/")


@pytest.mark.parametrize(
    "host,name,port",
    [
        ("example.com", "example.com", "80"),
        ("EXAMPLE.com:1", "example.com", "1"),
        ("[::1]:8080", "[::1]", "8080"),
        ("[::1]", "[::1]", "80"),
    ],
)
def test_server_name_and_port(host: str, name: str, port: str) -> None:
    environ = environ_for("/", ("Host", host))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)


def test_http_1_0_without_a_host() -> None:
    seen: list[Environ] = []

    async def main() -> None:
        async with serving(WSGIContainer(app_of(seen))) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            await client.response()

    run(main)
    [environ] = seen
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "80")
    assert "HTTP_HOST" not in environ


def test_https() -> None:
    environ = environ_of("/", protocol="https")
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTPS"] == "on"
    assert environ["SERVER_PORT"] == "443"
    assert "HTTPS" not in environ_of("/")


def test_the_address_of_the_client_behind_a_proxy() -> None:
    headers = {"X-Real-Ip": "192.0.2.7", "X-Scheme": "https"}
    environ = environ_of("/", headers=headers, xheaders=True)
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("192.0.2.7", "https")


def test_a_header_that_comes_twice() -> None:
    headers = [("Accept", "a"), ("Accept", "b"), ("Cookie", "a=1"), ("Cookie", "b=2")]
    environ = environ_for("/", *headers)
    assert environ["HTTP_ACCEPT"] == "a,b"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_a_header_with_an_underscore_does_not_pass_for_another() -> None:
    # https://www.djangoproject.com/weblog/2015/jan/13/security/ (CVE-2015-0219)
    environ = environ_of("/", headers=[("X_Auth_User", "root"), ("X-Auth_User", "root")])
    assert "HTTP_X_AUTH_USER" not in environ


def test_a_header_does_not_pass_for_a_setting() -> None:
    # https://httpoxy.org (CVE-2016-5385 and others)
    assert "HTTP_PROXY" not in environ_of("/", headers={"Proxy": "http://evil.example"})


def test_every_variable_is_text_of_bytes() -> None:
    environ = environ_of("/%ff?\xe9", headers={"X-Thing": "\xe9\xff"})
    for name, value in environ.items():
        if not name.startswith("wsgi.") and name != "body":
            assert type(value) is str
            value.encode("latin-1")
    assert environ["HTTP_X_THING"] == "\xe9\xff"


def test_a_container_may_have_another_environment() -> None:
    class Container(WSGIContainer):
        def environ(self, request: HTTPServerRequest) -> Environ:
            return {**super().environ(request), "mine": request.uri}

    seen: list[Environ] = []

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        seen.append(environ)
        start_response("204 No Content", [])
        return []

    async def main() -> None:
        async with serving(Container(app)) as server:
            await server.fetch("/a?b")

    run(main)
    assert seen[0]["mine"] == "/a?b"


def test_a_file_wrapper_gives_blocks_and_closes_the_file() -> None:
    file = io.BytesIO(b"abcde")

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        blocks: Iterable[bytes] = environ["wsgi.file_wrapper"](file, 2)
        return blocks

    assert answer(app).chunks == [b"ab", b"cd", b"e"]
    assert file.closed


def test_a_client_without_an_address() -> None:
    assert environ_for("/")["REMOTE_ADDR"] == ""
