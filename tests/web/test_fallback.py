"""Requests handed on to something else that answers them."""

from __future__ import annotations

from typing import Any

from tests.web.support import LogBook, fetch, writer

from tornadic.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornadic.web import Application, FallbackHandler, RequestHandler
from tornadic.wsgi import WSGIContainer


def silent(handler: RequestHandler) -> None:
    pass


def test_a_function() -> None:
    def answer(request: HTTPServerRequest) -> None:
        body = f"{request.method} {request.path} {request.body!r}".encode()
        connection: Any = request.connection
        head = ResponseStartLine("", 200, "OK")
        headers = HTTPHeaders({"Content-Length": str(len(body))})
        connection.write_headers(head, headers, body)
        connection.finish()

    app = Application(
        [("/own", writer("own")), (".*", FallbackHandler, {"fallback": answer})],
        log_function=silent,
    )
    assert fetch(app, "/own").text == "own"
    assert fetch(app, "/x", "POST", body=b"data").text == "POST /x b'data'"


def test_another_application() -> None:
    inner = Application([("/in/(.*)", writer_of_group())], log_function=silent)
    app = Application([("/in/.*", FallbackHandler, {"fallback": inner})], log_function=silent)
    assert fetch(app, "/in/side").text == "side"
    assert fetch(app, "/in").status == 404


def writer_of_group() -> type[RequestHandler]:
    class Handler(RequestHandler):
        async def get(self, group: str) -> None:
            self.write(group)

    return Handler


def test_wsgi() -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    app = Application([(".*", FallbackHandler, {"fallback": WSGIContainer(wsgi)})])
    assert fetch(app, "/wsgi").text == "/wsgi"


def test_is_finished_once() -> None:
    finished: list[bool] = []

    class Counting(FallbackHandler):
        def on_finish(self) -> None:
            finished.append(self._finished)

    inner = Application([(".*", writer("x"))], log_function=silent)
    app = Application([(".*", Counting, {"fallback": inner})], log_function=silent)
    assert fetch(app).text == "x"
    assert finished == [True]


def test_is_protected_as_other_handlers_are(log: LogBook) -> None:
    inner = Application([(".*", writer("x"))], log_function=silent)
    rules: Any = [(".*", FallbackHandler, {"fallback": inner})]
    app = Application(rules, xsrf_cookies=True, log_function=silent)
    assert fetch(app, "/", "POST").status == 403
    log.take("'_xsrf' argument missing")
