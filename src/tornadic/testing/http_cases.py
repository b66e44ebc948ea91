"""Tests of web applications: a server on a port of its own for each test, and a client for it."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

from tornadic.httpserver import HTTPServer
from tornadic.testing.cases import AsyncTestCase, get_async_test_timeout
from tornadic.testing.fixtures import bind_unused_port

if TYPE_CHECKING:
    from tornadic.httpclient import AsyncHTTPClient, HTTPResponse
    from tornadic.web import Application

__all__ = ["AsyncHTTPSTestCase", "AsyncHTTPTestCase"]

_FOLDER = os.path.dirname(os.path.abspath(__file__))


class AsyncHTTPTestCase(AsyncTestCase):
    """A test case that has a server with an application, and a client, ``self.http_client``.

    ::

        class HelloTest(AsyncHTTPTestCase):
            def get_app(self):
                return Application([("/", HelloHandler)])

            def test_hello(self):
                response = self.fetch("/")
                self.assertEqual(response.code, 200)

            @gen_test
            async def test_hello_in_a_coroutine(self):
                response = await self.http_client.fetch(self.get_url("/"))
                self.assertEqual(response.body, b"Hello")

    A subclass defines `get_app`, and may define the other ``get_`` methods.  ``self.http_server``
    is the server; client and server run in the test's loop.
    """

    http_client: AsyncHTTPClient
    http_server: HTTPServer

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self.__port = 0
        self.__client: AsyncHTTPClient | None = None
        self.__server: HTTPServer | None = None
        self.__listening: socket.socket | None = None

    def setUp(self) -> None:
        """Make the client, the application and the server, which listens on a free port."""
        super().setUp()
        self.addCleanup(self.__close)
        self.__listening, self.__port = bind_unused_port()
        self.http_client = self.__client = self.get_http_client()
        self._app = self.get_app()
        self.http_server = self.__server = self.get_http_server()
        self.http_server.add_sockets([self.__listening])
        self.__listening = None  # It is the server's now.

    def tearDown(self) -> None:
        """Close the server with all its connections, and the client; then the loop.

        Raises what `AsyncTestCase.tearDown` raises.
        """
        try:
            self.__close()
        finally:
            super().tearDown()

    def get_http_client(self) -> AsyncHTTPClient:
        """Return the client for this test: the loop's `.AsyncHTTPClient`."""
        from tornadic.httpclient import AsyncHTTPClient

        return AsyncHTTPClient()

    def get_http_server(self) -> HTTPServer:
        """Return the server for this test, which listens on nothing yet."""
        return HTTPServer(self._app, **self.get_httpserver_options())

    def get_app(self) -> Application:
        """Return the `.Application` to test, or what else an `.HTTPServer` takes.

        To be defined by the subclass.
        """
        raise NotImplementedError("a subclass of AsyncHTTPTestCase has to define get_app")

    def fetch(self, path: str, raise_error: bool = False, **kwargs: Any) -> HTTPResponse:
        """Fetch ``path`` from the server, running the loop, and return the response.

        ``path`` may also be a whole URL, of any server.  ``kwargs`` are those of
        `.AsyncHTTPClient.fetch`, and so is ``raise_error``, but that it is False by default: the
        response is returned whatever its status.  Other failures are raised, such as `OSError` if
        there is no connection.

        Raises `TimeoutError` after the time of `get_async_test_timeout`, and `RuntimeError` if
        the loop runs already.
        """
        if asyncio._get_running_loop() is not None:
            raise RuntimeError(
                "This event loop is already running: instead of self.fetch(path), "
                "await self.http_client.fetch(self.get_url(path))"
            )
        is_url = path.lower().startswith(("http://", "https://"))
        url = path if is_url else self.get_url(path)
        response: HTTPResponse = self.io_loop.run_sync(
            lambda: self.http_client.fetch(url, raise_error=raise_error, **kwargs),
            timeout=get_async_test_timeout(),
        )
        return response

    def get_httpserver_options(self) -> dict[str, Any]:
        """Return further arguments for `.HTTPServer`: none, unless a subclass has some."""
        return {}

    def get_http_port(self) -> int:
        """Return the port of the server, another one for each test."""
        return self.__port

    def get_protocol(self) -> str:
        """Return the scheme of the server's URLs."""
        return "http"

    def get_url(self, path: str) -> str:
        """Return the URL of ``path``, which begins with a slash, on the server."""
        return f"{self.get_protocol()}://127.0.0.1:{self.get_http_port()}{path}"

    def __close(self) -> None:
        server, self.__server = self.__server, None
        client, self.__client = self.__client, None
        listening, self.__listening = self.__listening, None
        if listening is not None:
            listening.close()
        try:
            if server is not None:
                server.stop()
                self.io_loop.run_sync(
                    server.close_all_connections, timeout=get_async_test_timeout()
                )
        finally:
            if client is not None:
                client.close()
            # What a test case refers to lives until the whole suite is done.
            self.__dict__.pop("http_server", None)
            self.__dict__.pop("_app", None)


class AsyncHTTPSTestCase(AsyncHTTPTestCase):
    """An `AsyncHTTPTestCase` whose server speaks TLS.

    It has a self-signed certificate for localhost, 127.0.0.1 and ::1 that comes with this package,
    its key included: for tests, and for nothing else.  The client does not verify certificates.
    """

    def get_http_client(self) -> AsyncHTTPClient:
        """Return a client of the test's own, which does not verify certificates."""
        from tornadic.httpclient import AsyncHTTPClient

        return AsyncHTTPClient(force_instance=True, defaults={"validate_cert": False})

    def get_httpserver_options(self) -> dict[str, Any]:
        """Return ``ssl_options``; a subclass that adds others asks here for these."""
        return {"ssl_options": self.get_ssl_options()}

    def get_ssl_options(self) -> dict[str, Any]:
        """Return the server's TLS options: `default_ssl_options`, unless overridden."""
        return type(self).default_ssl_options()

    @staticmethod
    def default_ssl_options() -> dict[str, Any]:
        """Return TLS options with the certificate and the key that come with this package."""
        return {
            "certfile": os.path.join(_FOLDER, "localhost.crt"),
            "keyfile": os.path.join(_FOLDER, "localhost.key"),
        }

    def get_protocol(self) -> str:
        """Return the scheme of the server's URLs."""
        return "https"
