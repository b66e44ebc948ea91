"""The classes that programs meet: requests, responses, errors, and the clients' common face."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest
from tests.httpclient.support import OK, client, fails, response, run, serving

from tornadic import httpclient
from tornadic.httpclient import (
    AsyncHTTPClient,
    HTTPClient,
    HTTPClientError,
    HTTPError,
    HTTPRequest,
    HTTPResponse,
)
from tornadic.httputil import HTTPHeaders
from tornadic.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)

URL = "http://example.com/"


class TestRequest:
    def test_arguments_are_attributes(self) -> None:
        names = list(inspect.signature(HTTPRequest).parameters)
        values: dict[str, Any] = {name: object() for name in names}
        values["headers"] = {"A": "b"}
        values["body"] = b"x"
        values["if_modified_since"] = None
        request = HTTPRequest(**values)
        for name in names:
            if name not in ("use_gzip", "if_modified_since"):
                assert getattr(request, name) is values[name], name

    def test_body(self) -> None:
        request = HTTPRequest(URL, body="\u00e9")
        assert request.body == b"\xc3\xa9"
        request.body = "x"
        assert request.body == b"x"
        request.body = None
        assert request.body is None
        with pytest.raises(TypeError):
            HTTPRequest(URL, body=5)  # type: ignore[arg-type]

    def test_headers(self) -> None:
        request = HTTPRequest(URL)
        assert isinstance(request.headers, HTTPHeaders) and not request.headers
        request.headers = {"a": "b"}
        assert request.headers == {"a": "b"}
        request.headers = None
        assert isinstance(request.headers, HTTPHeaders) and not request.headers

    def test_if_modified_since_leaves_the_callers_headers_alone(self) -> None:
        fields = {"A": "b"}
        request = HTTPRequest(URL, headers=fields, if_modified_since=1)
        assert fields == {"A": "b"} and "If-Modified-Since" in request.headers

    def test_use_gzip(self) -> None:
        assert HTTPRequest(URL, use_gzip=False).decompress_response is False
        assert HTTPRequest(URL, use_gzip=False, decompress_response=True).decompress_response


class TestResponse:
    def test_defaults(self) -> None:
        request = HTTPRequest(URL)
        found = HTTPResponse(request, 200)
        assert (found.reason, found.effective_url, found.body) == ("OK", URL, b"")
        assert found.error is None and found.buffer is None and found.time_info == {}
        assert found.request_time is None and found.start_time is None
        assert isinstance(found.headers, HTTPHeaders)
        found.rethrow()

    @pytest.mark.parametrize(("code", "is_error"), [(199, 1), (200, 0), (299, 0), (300, 1)])
    def test_codes(self, code: int, is_error: int) -> None:
        found = HTTPResponse(HTTPRequest(URL), code)
        assert isinstance(found.error, HTTPClientError if is_error else type(None))

    def test_error(self) -> None:
        error = OSError("x")
        found = HTTPResponse(HTTPRequest(URL), 599, error=error)
        with pytest.raises(OSError) as caught:
            found.rethrow()
        assert caught.value is error

    def test_body(self) -> None:
        found = HTTPResponse(HTTPRequest(URL), 200, buffer=BytesIO(b"abc"))
        assert found.body == b"abc" and found.body is found.body

    def test_repr(self) -> None:
        text = repr(HTTPResponse(HTTPRequest(URL), 404))
        assert text.startswith("HTTPResponse(_body=None,") and "code=404" in text
        assert "error=HTTP 404: Not Found" in text


class TestErrors:
    def test_status(self) -> None:
        error = HTTPClientError(404)
        assert str(error) == repr(error) == "HTTP 404: Not Found"
        assert (error.code, error.message, error.response) == (404, "Not Found", None)
        assert error.args == (404, None, None)
        assert str(HTTPClientError(599)) == "HTTP 599: Unknown"
        assert str(HTTPClientError(404, "gone")) == "HTTP 404: gone"
        assert HTTPError is HTTPClientError

    @pytest.mark.parametrize("kind", [HTTPTimeoutError, HTTPStreamClosedError])
    def test_without_a_response(self, kind: type[HTTPClientError]) -> None:
        error = kind("text")  # type: ignore[arg-type]
        assert (str(error), repr(error), error.code) == ("text", "HTTP 599: text", 599)
        assert error.response is None and isinstance(error, HTTPClientError)


class TestInstances:
    def test_one_for_each_loop(self) -> None:
        found: list[AsyncHTTPClient] = []

        async def main() -> None:
            http = AsyncHTTPClient()
            assert http is AsyncHTTPClient() and isinstance(http, SimpleAsyncHTTPClient)
            assert SimpleAsyncHTTPClient() is SimpleAsyncHTTPClient() is not http
            found.append(http)

        run(main)
        run(main)
        assert found[0] is not found[1]

    def test_of_your_own(self) -> None:
        async def main() -> None:
            first = AsyncHTTPClient(force_instance=True, max_clients=3)
            assert first is not AsyncHTTPClient(force_instance=True) is not AsyncHTTPClient()
            assert isinstance(first, SimpleAsyncHTTPClient) and first.max_clients == 3
            with pytest.raises(TypeError):
                AsyncHTTPClient(force_instance=True, nothing=3)

        run(main)

    def test_closed(self) -> None:
        async def main() -> None:
            http = AsyncHTTPClient()
            http.close()
            http.close()
            with pytest.raises(RuntimeError):
                http.fetch(URL)
            assert AsyncHTTPClient() is not http

        run(main)

    def test_closing_an_own_one_leaves_the_shared_one(self) -> None:
        async def main() -> None:
            shared = AsyncHTTPClient()
            AsyncHTTPClient(force_instance=True).close()
            assert AsyncHTTPClient() is shared

        run(main)

    @pytest.mark.parametrize(
        "name",
        [
            "tornadic.simple_httpclient.SimpleAsyncHTTPClient",
            "tornado.simple_httpclient.SimpleAsyncHTTPClient",
            SimpleAsyncHTTPClient,
            None,
        ],
    )
    def test_configure(self, name: Any) -> None:
        async def main() -> None:
            saved = AsyncHTTPClient._save_configuration()
            try:
                AsyncHTTPClient.configure(name, max_clients=7, defaults={"user_agent": "x"})
                http = AsyncHTTPClient()
                assert type(http) is SimpleAsyncHTTPClient
                assert http.max_clients == 7 and http.defaults["user_agent"] == "x"
                assert http.defaults["connect_timeout"] == 20.0
                own = AsyncHTTPClient(force_instance=True, max_clients=8)
                assert isinstance(own, SimpleAsyncHTTPClient) and own.max_clients == 8
            finally:
                AsyncHTTPClient._restore_configuration(saved)

        run(main)

    @pytest.mark.parametrize("name", [int, "tornadic.nothing.X", "builtins.int"])
    def test_configure_with_what_is_none(self, name: Any) -> None:
        with pytest.raises((ValueError, ImportError)):
            AsyncHTTPClient.configure(name)


class TestImplementations:
    def test_of_your_own(self) -> None:
        class Mine(AsyncHTTPClient):
            def initialize(self, letter: str = "a", **kwargs: Any) -> None:
                super().initialize(**kwargs)
                self.letter = letter

            def fetch_impl(self, request: Any, callback: Any) -> None:
                assert request.connect_timeout == 20.0 and request.user_agent == "mine"
                assert isinstance(request.headers, HTTPHeaders)
                request.headers["X-A"] = "changed"
                buffer = BytesIO(self.letter.encode())
                callback(HTTPResponse(request, int(request.url[-3:]), buffer=buffer))

        async def main() -> None:
            assert Mine() is Mine() and Mine().letter == "a"
            http = Mine(force_instance=True, letter="b", defaults={"user_agent": "mine"})
            fields = HTTPHeaders()
            request = HTTPRequest("http://x/200", headers=fields)
            found = await http.fetch(request)
            assert found.body == b"b" and found.request is request
            assert not fields
            error = await fails(http.fetch("http://x/404"))
            assert isinstance(error, HTTPClientError) and error.code == 404
            assert (await http.fetch("http://x/404", raise_error=False)).code == 404

        run(main)

    def test_errors_that_are_no_status_are_always_raised(self) -> None:
        class Failing(AsyncHTTPClient):
            def fetch_impl(self, request: Any, callback: Any) -> None:
                callback(HTTPResponse(request, 599, error=OSError("x")))

        async def main() -> None:
            for raise_error in (True, False):
                error = await fails(Failing().fetch(URL, raise_error=raise_error))
                assert isinstance(error, OSError)

        run(main)

    def test_the_callback_alone(self) -> None:
        # `fetch_impl` is for subclasses to call too, with a callback of their own.
        class Counting(SimpleAsyncHTTPClient):
            count = 0

            def fetch_impl(self, request: Any, callback: Any) -> None:
                def counted(found: HTTPResponse) -> None:
                    self.count += 1
                    callback(found)

                super().fetch_impl(request, counted)

        async def main() -> None:
            async with serving(OK) as server:
                http = Counting(force_instance=True)
                assert (await http.fetch(server.url())).body == b"ok"
                found: asyncio.Future[HTTPResponse] = asyncio.Future()
                http.fetch_impl(HTTPRequest(server.url()), found.set_result)
                assert (await found).body == b"ok" and http.count == 2
                http.close()

        run(main)


class TestFetch:
    def test_keywords_beside_a_request(self) -> None:
        async def main() -> None:
            with pytest.raises(ValueError):
                AsyncHTTPClient().fetch(HTTPRequest(URL), method="GET")
            with pytest.raises(TypeError):
                AsyncHTTPClient().fetch(URL, nothing=1)

        run(main)

    @pytest.mark.parametrize("url", ["ftp://x/", "", "x", "//x/", "http:x", "mailto:x@y", None])
    def test_urls_that_are_none(self, url: Any) -> None:
        async def main() -> None:
            error = await fails(AsyncHTTPClient().fetch(url))
            assert isinstance(error, ValueError)

        run(main)

    def test_raise_error(self) -> None:
        async def main() -> None:
            async with serving(response(status="404 Gone")) as server, client() as http:
                error = await fails(http.fetch(server.url()))
                assert isinstance(error, HTTPClientError)
                assert error.response is not None and error.response.code == 404
                assert (await http.fetch(server.url(), raise_error=False)).error is not None
                assert isinstance(
                    await fails(http.fetch("http://127.0.0.1:1/", raise_error=False)), OSError
                )

        run(main)

    def test_a_request_may_be_fetched_again(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                request = HTTPRequest(server.url(), headers={"A": "b"})
                found = await asyncio.gather(*[http.fetch(request) for _ in range(5)])
                assert all(one.request is request for one in found)
                request.url = "http://127.0.0.1:1/"
                assert isinstance(await fails(http.fetch(request)), OSError)

        run(main)


class TestBlocking:
    def test_in_a_loop(self) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError):
                HTTPClient()

        run(main)

    def test_arguments(self) -> None:
        http = HTTPClient(max_clients=3)
        try:
            assert isinstance(http._async_client, SimpleAsyncHTTPClient)
            assert http._async_client.max_clients == 3
            with pytest.raises(ConnectionRefusedError):
                http.fetch("http://127.0.0.1:1/")
        finally:
            http.close()
            http.close()

    def test_class(self) -> None:
        class Mine(AsyncHTTPClient):
            def fetch_impl(self, request: Any, callback: Any) -> None:
                callback(HTTPResponse(request, 200, buffer=BytesIO(b"mine")))

        http = HTTPClient(Mine)
        assert http.fetch(URL).body == b"mine"
        http.close()

    def test_that_could_not_be_made(self) -> None:
        with pytest.raises(TypeError):
            HTTPClient(nothing=1)


class TestCommand:
    def test_of_a_line(self) -> None:
        async def main() -> None:
            body = "h\u00e9llo".encode()
            async with serving(response("X-A: b", body=body)) as server:
                for arguments, expected in (
                    ([], "h\u00e9llo\n"),
                    (["--print_headers", "--print_body=false"], "X-A: b\nContent-Length: 6\n\n"),
                ):
                    process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        "-m",
                        "tornadic.httpclient",
                        *arguments,
                        server.url(),
                        stdout=subprocess.PIPE,
                        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                    )
                    output, _ = await process.communicate()
                    assert output.decode() == expected and process.returncode == 0

        run(main)

    def test_main_is_public(self) -> None:
        assert callable(httpclient.main)
