"""Which method of a handler answers which request, and which never does."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.support import LogBook, application, fetch, run, serving

from tornadic.web import Application, ErrorHandler, RequestHandler

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
