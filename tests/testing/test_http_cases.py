"""Test cases with a server."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import Any

import pytest
from tests.testing.support import run_case

from tornadic.httpclient import AsyncHTTPClient, HTTPClientError
from tornadic.httpserver import HTTPServer
from tornadic.ioloop import IOLoop
from tornadic.testing import AsyncHTTPSTestCase, AsyncHTTPTestCase, gen_test
from tornadic.web import Application, HTTPError, RequestHandler


class Hello(RequestHandler):
    def get(self) -> None:
        self.write(f"hello by {self.request.protocol}")

    def post(self) -> None:
        self.write(self.request.body)


class Broken(RequestHandler):
    def get(self) -> None:
        raise HTTPError(404)


class Slow(RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(1000)


def application() -> Application:
    routes: list[Any] = [("/", Hello), ("/broken", Broken), ("/slow", Slow)]
    return Application(routes, log_function=lambda handler: None)


def is_closed(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


class HelloCase(AsyncHTTPTestCase):
    def get_app(self) -> Application:
        return application()


def test_fetch() -> None:
    class Case(HelloCase):
        def test(self) -> None:
            response = self.fetch("/")
            assert response.code == 200
            assert response.body == b"hello by http"
            assert self.fetch("/", method="POST", body=b"sent").body == b"sent"

        def test_whole_urls(self) -> None:
            assert self.fetch(self.get_url("/")).code == 200
            assert self.fetch(f"HTTP://127.0.0.1:{self.get_http_port()}/").code == 200

        def test_errors_are_responses(self) -> None:
            assert self.fetch("/broken").code == 404

        def test_unless_they_are_asked_for(self) -> None:
            with pytest.raises(HTTPClientError) as caught:
                self.fetch("/broken", raise_error=True)
            assert caught.value.code == 404

        def test_other_failures_are_raised(self) -> None:
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
                with pytest.raises(OSError):
                    self.fetch(f"http://127.0.0.1:{sock.getsockname()[1]}/")

    assert run_case(Case).passed()


def test_fetch_runs_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNC_TEST_TIMEOUT", "0.05")

    class Case(HelloCase):
        def test(self) -> None:
            self.fetch("/slow")

    assert isinstance(run_case(Case).error(), TimeoutError)


def test_in_a_coroutine() -> None:
    class Case(HelloCase):
        @gen_test
        async def test(self) -> None:
            response = await self.http_client.fetch(self.get_url("/"))
            assert response.body == b"hello by http"
            with pytest.raises(RuntimeError, match=r"await self\.http_client\.fetch"):
                self.fetch("/")

    assert run_case(Case).passed()


def test_what_there_is() -> None:
    class Case(HelloCase):
        def test(self) -> None:
            assert isinstance(self.http_client, AsyncHTTPClient)
            assert isinstance(self.http_server, HTTPServer)
            assert self.get_protocol() == "http"
            assert self.get_httpserver_options() == {}
            assert self.get_url("/a?b") == f"http://127.0.0.1:{self.get_http_port()}/a?b"

    assert run_case(Case).passed()


def test_everything_is_closed_afterwards() -> None:
    ports: list[int] = []

    class Case(HelloCase):
        def test_first(self) -> None:
            ports.append(self.get_http_port())
            # A connection that nobody closes.
            self.client = socket.create_connection(("127.0.0.1", ports[-1]))
            self.addCleanup(self.client.close)
            self.fetch("/")

        test_second = test_first

        def tearDown(self) -> None:
            super().tearDown()
            self.client.settimeout(20)
            assert self.client.recv(1) == b""
            assert not hasattr(self, "http_server")
            assert self.io_loop.asyncio_loop.is_closed()

    assert run_case(Case).passed()
    assert len(ports) == 2
    assert all(map(is_closed, ports))
    assert IOLoop.current(instance=False) is None


def test_options_of_the_server() -> None:
    class Case(HelloCase):
        def get_httpserver_options(self) -> dict[str, Any]:
            return {"max_body_size": 10}

        def test(self) -> None:
            assert self.fetch("/", method="POST", body=b"x" * 10).code == 200
            assert self.fetch("/", method="POST", body=b"x" * 11).code == 413

    assert run_case(Case).passed()


def test_a_server_of_ones_own() -> None:
    class Case(AsyncHTTPTestCase):
        def get_http_server(self) -> HTTPServer:
            return HTTPServer(application(), protocol="https")

        def get_app(self) -> Any:
            return None

        def test(self) -> None:
            assert self.fetch("/").body == b"hello by https"

    assert run_case(Case).passed()


@pytest.mark.parametrize("method", ["get_app", "get_http_client", "get_http_server"])
def test_nothing_leaks_if_one_cannot_be_made(method: str) -> None:
    ports: list[int] = []

    class Case(HelloCase):
        def test(self) -> None:
            raise AssertionError

    def fail(self: HelloCase) -> None:
        ports.append(self.get_http_port())
        raise LookupError(method)

    setattr(Case, method, fail)
    results = run_case(Case)
    assert isinstance(results.error(), LookupError)
    assert results.warnings == []
    assert all(map(is_closed, ports))
    assert IOLoop.current(instance=False) is None


def test_without_an_application() -> None:
    class Case(AsyncHTTPTestCase):
        def test(self) -> None:
            pass

    results = run_case(Case)
    assert isinstance(results.error(), NotImplementedError)
    assert results.warnings == []


class TestTLS:
    def test_fetch(self) -> None:
        class Case(AsyncHTTPSTestCase):
            def get_app(self) -> Application:
                return application()

            def test(self) -> None:
                assert self.get_protocol() == "https"
                assert self.get_url("/").startswith("https://127.0.0.1:")
                assert self.fetch("/").body == b"hello by https"

            @gen_test
            async def test_client_is_its_own(self) -> None:
                other = AsyncHTTPClient()
                assert other is not self.http_client
                other.close()

        assert run_case(Case).passed()

    def test_options(self) -> None:
        class Case(AsyncHTTPSTestCase):
            def get_app(self) -> Application:
                return application()

            def get_ssl_options(self) -> dict[str, Any]:
                return {**super().get_ssl_options(), "ciphers": "ECDHE+AESGCM"}

            def get_httpserver_options(self) -> dict[str, Any]:
                options = super().get_httpserver_options()
                assert set(options) == {"ssl_options"}
                return {**options, "no_keep_alive": True}

            def test(self) -> None:
                assert self.fetch("/").headers["Connection"] == "close"

        assert run_case(Case).passed()

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
    def test_the_certificate_is_good_for_this_host(self, host: str) -> None:
        handshake(host)

    def test_and_for_no_other(self) -> None:
        with pytest.raises(ssl.SSLCertVerificationError, match="example"):
            handshake("example.com")

    def test_it_is_as_good_as_everlasting(self) -> None:
        assert handshake("localhost")["notAfter"] == "Dec 31 23:59:59 9999 GMT"

    def test_the_files_can_be_read_by_everybody(self) -> None:
        options = AsyncHTTPSTestCase.default_ssl_options()
        assert set(options) == {"certfile", "keyfile"}
        for path in options.values():
            assert os.stat(path).st_mode & 0o444 == 0o444


def handshake(host: str) -> dict[str, Any]:
    """Have a client that trusts our certificate, and checks all, speak to a server that has it."""
    options = AsyncHTTPSTestCase.default_ssl_options()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(**options)
    client_context = ssl.create_default_context(cafile=options["certfile"])
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server, client, server]
    for side in waiting:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    certificate: Any = client.getpeercert()
    return dict(certificate)
