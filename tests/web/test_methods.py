"""Which method of a handler answers which request, and which never does."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.support import LogBook, application, fetch, head, run, serving, until

from tornadic.web import (
    Application,
    ErrorHandler,
    HTTPError,
    RequestHandler,
    stream_request_body,
)

METHODS = ["GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS"]


class Everything(RequestHandler):
    def answer(self) -> None:
        self.set_header("X-Method", self.request.method or "")
        self.write(self.request.method or "")

    get = head = post = delete = patch = put = options = answer


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_its_own(method: str) -> None:
    response = fetch(Everything, method=method)
    assert (response.status, response["X-Method"]) == (200, method)
    assert response.text == ("" if method == "HEAD" else method)


@pytest.mark.parametrize("method", METHODS)
def test_not_defined_is_405(method: str) -> None:
    class Handler(RequestHandler):
        pass

    assert fetch(Handler, method=method).status == 405


def test_methods_that_are_not_defined_are_one() -> None:
    """Jupyter's server compares with it to learn what a handler has."""

    class Handler(RequestHandler):
        def get(self) -> None: ...

    undefined = [
        method
        for method in METHODS
        if getattr(Handler, method.lower()) == RequestHandler._unimplemented_method
    ]
    assert undefined == [method for method in METHODS if method != "GET"]


class TestAllow:
    """Every 405 says which methods there are (RFC 9110 section 15.5.6)."""

    class Handler(RequestHandler):
        def get(self) -> None:
            if self.get_argument("set", None):
                self.set_status(405)
                self.write("no")
                if self.get_argument("set") == "flush":
                    self.flush()
            elif self.get_argument("own", None):
                self.set_status(405)
                self.set_header("Allow", "BREW")
            else:
                raise HTTPError(405)

        def post(self) -> None: ...

        def data_received(self, chunk: bytes) -> None: ...

    @pytest.mark.parametrize("streams", [False, True])
    @pytest.mark.parametrize(
        ("method", "target"),
        [
            *[(method, "/") for method in ("HEAD", "PUT", "BREW", "GET")],
            *[("GET", "/?set=1"), ("GET", "/?set=flush")],
        ],
    )
    def test_names_the_methods_of_the_class(self, method: str, target: str, streams: bool) -> None:
        handler = stream_request_body(type("H", (self.Handler,), {})) if streams else self.Handler
        response = fetch(handler, target, method)
        assert (response.status, response["Allow"]) == (405, "GET, POST")

    def test_the_program_may_say_more(self) -> None:
        assert fetch(self.Handler, "/?own=1")["Allow"] == "BREW"

    def test_of_a_handler_without_methods_it_is_empty(self) -> None:
        class Handler(RequestHandler): ...

        assert fetch(Handler)["Allow"].strip() == ""
        app = Application([("/", ErrorHandler, {"status_code": 405})], log_function=print)
        assert fetch(app)["Allow"].strip() == ""

    @pytest.mark.parametrize("body", [b"", b"body"])
    @pytest.mark.parametrize("takes", [False, True])
    def test_of_one_that_streams_other_methods(self, takes: bool, body: bytes) -> None:
        namespace: dict[str, Any] = {"post": self.Handler.post}
        if takes:
            namespace["data_received"] = self.Handler.data_received
        handler: type[RequestHandler] = stream_request_body(type("H", (RequestHandler,), namespace))

        async def main() -> None:
            async with serving(application(handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request("/", "GET", body=body)
                    assert (response.status, response["Allow"]) == (405, "POST")

        run(main)


class TestStreamedRequestWithoutMethod:
    """It is answered when all of it is here, unless the client waits for a word from us."""

    @staticmethod
    def handler(calls: list[str]) -> type[RequestHandler]:
        @stream_request_body
        class Handler(RequestHandler):
            async def put(self) -> None:
                raise AssertionError

            def on_connection_close(self) -> None:
                calls.append("on_connection_close")

        return Handler

    def test_the_client_goes(self) -> None:
        calls: list[str] = []

        async def main() -> None:
            async with serving(application(self.handler(calls))) as server:
                client = await server.connect()
                await client.send(head(headers={"Transfer-Encoding": "chunked"}) + b"1\r\nx\r\n")
                client.close()
                await until(lambda: calls)

        run(main)
        assert calls == ["on_connection_close"]

    def test_answered_after_the_body(self) -> None:
        async def main() -> None:
            async with serving(application(self.handler([]))) as server:
                client = await server.connect()
                for _ in range(2):
                    await client.send(head(headers={"Content-Length": "200000"}))
                    await client.send(bytes(200000))
                    response = await client.response()
                    assert (response.status, response["Allow"]) == (405, "PUT")

        run(main)

    def test_who_expects_a_100_is_told_at_once(self) -> None:
        async def main() -> None:
            async with serving(application(self.handler([]))) as server:
                client = await server.connect()
                fields = {"Content-Length": "200000", "Expect": "100-continue"}
                await client.send(head(headers=fields))
                assert (await client.response()).status == 405
                assert await client.rest() == b""

        run(main)


def test_head_is_not_get() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise AssertionError

    assert fetch(Handler, method="HEAD").status == 405


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "TRACE", "get", "Get", "X", "M-SEARCH"])
def test_unknown_method_is_405(method: str) -> None:
    assert fetch(Everything, method=method).status == 405


def test_default_handlers_take_unknown_methods_too() -> None:
    assert fetch(Application([]), method="BREW").status == 405
    assert fetch(Application([]), method="DELETE").status == 404


ATTRIBUTES = [
    "finish",
    "FINISH",
    "settings",
    "SETTINGS",
    "application",
    "prepare",
    "PREPARE",
    "on_finish",
    "detach",
    "clear",
    "redirect",
    "send_error",
    "write",
    "_execute",
    "__init__",
    "__class__",
    "__CLASS__",
    "secret",
    "SECRET",
]


@pytest.mark.parametrize("method", ATTRIBUTES)
def test_an_attribute_that_is_no_http_method_is_never_dispatched(method: str) -> None:
    class Handler(Everything):
        def secret(self) -> None:
            raise AssertionError("called by its name")

    response = fetch(Handler, method=method)
    assert response.status == 405
    assert "X-Method" not in response


def test_connect_is_no_method_of_handlers() -> None:
    async def main() -> None:
        async with serving(application(Everything)) as server:
            response = await server.fetch("example.com:443", "CONNECT")
            assert response.status == 405

    run(main)


def test_supported_methods_extended() -> None:
    class WebDav(RequestHandler):
        SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "PROPFIND", "M-X")

        def propfind(self) -> None:
            self.write("found")

        async def get(self) -> None:
            self.write("got")

    assert fetch(WebDav, method="PROPFIND").text == "found"
    assert fetch(WebDav).text == "got"
    assert fetch(WebDav, method="MKCOL").status == 405


def test_supported_methods_reduced() -> None:
    class ReadOnly(Everything):
        SUPPORTED_METHODS = ("GET", "HEAD")

    assert fetch(ReadOnly).status == 200
    assert fetch(ReadOnly, method="POST").status == 405


def test_supported_but_not_there(log: LogBook) -> None:
    class Handler(RequestHandler):
        SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "PROPFIND")

    assert fetch(Handler, method="PROPFIND").status == 500
    log.take("AttributeError")


def test_prepare_is_not_called_for_an_unsupported_method() -> None:
    class Handler(RequestHandler):
        def prepare(self) -> None:
            raise AssertionError

    assert fetch(Handler, method="BREW").status == 405


def test_prepare_is_called_for_one_that_is_only_not_defined() -> None:
    class Handler(RequestHandler):
        def prepare(self) -> None:
            self.finish("prepared")

    assert fetch(Handler, method="PATCH").text == "prepared"


@pytest.mark.parametrize("method", METHODS)
def test_error_handler(method: str) -> None:
    app = Application([("/.*", ErrorHandler, {"status_code": 403})])
    response = fetch(app, method=method)
    assert response.status == 403
    assert response.text == (
        ""
        if method == "HEAD"
        else "<html><title>403: Forbidden</title><body>403: Forbidden</body></html>"
    )


def test_methods_set_later_are_found() -> None:
    handler: Any = type("Handler", (RequestHandler,), {})
    assert fetch(handler).status == 405
    handler.get = lambda self: self.write("late")
    assert fetch(handler).text == "late"
