"""Errors: what the client is shown, what the log tells, and whatever fails on the way."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.web.support import LogBook, application, fetch, run, serving

from tornadic.web import Application, Finish, HTTPError, RequestHandler, errorpages

ERROR_PAGE_500 = (
    "<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>"
)


class TestHTTPError:
    def test_page_and_log(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("lost")
                raise HTTPError(404, "no %s in %s", "pin", "haystack")

        response = fetch(Handler, "/where?x=1")
        assert (response.status, response.reason) == (404, "Not Found")
        assert (
            response.text == "<html><title>404: Not Found</title><body>404: Not Found</body></html>"
        )
        assert response["Content-Type"] == "text/html; charset=UTF-8"
        record = log.take("no pin in haystack", logging.WARNING)
        assert record.name == "tornado.general"
        assert record.getMessage() == "404 GET /where?x=1 (127.0.0.1): no pin in haystack"
        assert record.exc_info is None

    def test_without_a_message_nothing_is_logged(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(400)

        assert fetch(Handler).status == 400

    @pytest.mark.parametrize("message", ["100% sure", "%s", "%(x)s", "%"])
    def test_a_message_without_arguments_is_not_formatted(self, message: str, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(400, message)

        assert fetch(Handler).status == 400
        assert log.take("400 GET").getMessage().endswith(f": {message}")

    def test_reason(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(499, reason='"Gone" & fishing')

        response = fetch(Handler)
        assert (response.status, response.reason) == (499, '"Gone" & fishing')
        assert "<body>499: &quot;Gone&quot; &amp; fishing</body>" in response.text

    @pytest.mark.parametrize("reason", ["<script>alert(1)</script>", "a\r\nX: y", "a\0", "\u20ac"])
    def test_a_reason_that_is_no_phrase_is_unknown(self, reason: str) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                if self.get_argument("raise"):
                    raise HTTPError(499, reason=reason)
                self.send_error(499, reason=reason)

        for target in ("/?raise=1", "/?raise="):
            response = fetch(Handler, target)
            assert (response.status, response.reason) == (499, "Unknown")
            assert response.text == errorpages.default_page(499, "Unknown")
            assert "X" not in response

    def test_unknown_status_has_an_unknown_reason(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(499)

        assert fetch(Handler).reason == "Unknown"

    def test_text_of_the_exception(self) -> None:
        assert str(HTTPError(404)) == "HTTP 404: Not Found"
        assert str(HTTPError(404, "no %s", "pin")) == "HTTP 404: Not Found (no pin)"
        assert str(HTTPError(599, reason="Odd")) == "HTTP 599: Odd"
        assert str(HTTPError(599)) == "HTTP 599: Unknown"
        assert HTTPError().status_code == 500

    def test_message_attributes(self) -> None:
        error = HTTPError(400, "50%")
        assert (error.log_message, error.get_message(), error.args) == ("50%%", "50%", ())
        error = HTTPError(400, "%d%%", 50)
        assert (error.log_message, error.get_message(), error.args) == ("%d%%", "50%", (50,))
        assert HTTPError(400).log_message is None
        assert HTTPError(400).get_message() is None


class TestStatusesWithoutBody:
    """An `HTTPError` may be one of those, too: no page, and the connection goes on."""

    @pytest.mark.parametrize("debug", [False, True])
    @pytest.mark.parametrize("status", [204, 304])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    def test_connection_goes_on(self, status: int, method: str, debug: bool) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("dropped")
                raise HTTPError(status)

            head = post = get

        async def main() -> None:
            async with serving(application(Handler, serve_traceback=debug)) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request("/", method)
                    assert (response.status, response.body) == (status, b"")
                    for name in ("Content-Length", "Content-Type", "Connection", "Etag"):
                        assert name not in response

        run(main)

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_page_of_the_programs_own_is_dropped(self, status: int, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.send_error(status)

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.finish("page")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    assert (await client.request()).status == status

        run(main)
        assert len(log.take_all(f"Cannot send body with {status}")) == 2

    def test_an_interim_status_is_a_mistake(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(100)

        assert fetch(Handler).status == 500


class TestUncaughtException:
    def test_page_does_not_show_it_and_the_log_does(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("X-Half", "done")
                self.set_cookie("kept", "1")
                self.write("half")
                raise ZeroDivisionError("secret")

        response = fetch(Handler, "/where")
        assert response.status == 500
        assert response.text == ERROR_PAGE_500
        assert "X-Half" not in response
        record = log.take("secret", logging.ERROR)
        assert record.name == "tornado.application"
        assert "Uncaught exception GET /where (127.0.0.1)" in record.getMessage()
        assert "HTTPServerRequest(" in record.getMessage()
        assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError

    def test_serve_traceback(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("for developers <only>")

        for setting in ("debug", "serve_traceback"):
            settings = {setting: True, "autoreload": False}
            response = fetch(application(Handler, **settings))
            assert response.status == 500
            assert response["Content-Type"].startswith("text/plain")
            assert response.text.startswith("Traceback (most recent call last):")
            assert "ZeroDivisionError: for developers <only>" in response.text
            log.take("for developers")

    def test_debug_does_not_overrule_serve_traceback(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("secret")

        app = application(Handler, debug=True, autoreload=False, serve_traceback=False)
        assert fetch(app).text == ERROR_PAGE_500
        log.take("secret")

    def test_connection_goes_on(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            async def get(self, how: str) -> None:
                if how == "late":
                    await asyncio.sleep(0)
                raise ZeroDivisionError

        async def main() -> None:
            async with serving(Application([("/(.*)", Handler)])) as server:
                client = await server.connect()
                for how in ("early", "late", "early"):
                    assert (await client.request(f"/{how}")).status == 500

        run(main)
        assert len(log.take_all("Uncaught exception")) == 3

    @pytest.mark.parametrize("hook", ["initialize", "set_default_headers"])
    def test_before_there_is_a_handler(self, hook: str, log: LogBook) -> None:
        def fail(self: RequestHandler) -> None:
            raise ZeroDivisionError("too early")

        handler = type("Handler", (RequestHandler,), {hook: fail})

        async def main() -> None:
            async with serving(application(handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    response = await client.request()
                    assert (response.status, response.text) == (500, ERROR_PAGE_500)

        run(main)
        assert len(log.take_all("too early")) == 2

    def test_in_prepare(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def prepare(self) -> None:
                raise ZeroDivisionError("prepare")

        assert fetch(Handler).status == 500
        log.take("ZeroDivisionError: prepare")

    def test_in_write_error(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("first")

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.write("begun;")
                raise ValueError("second")

        response = fetch(Handler)
        assert response.status == 500
        log.take("ZeroDivisionError: first", logging.ERROR)
        log.take("ValueError: second", logging.ERROR)

    def test_in_write_error_after_it_finished(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(404)

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.finish("my page")
                raise ValueError("second")

        response = fetch(Handler)
        assert (response.status, response.body) == (404, b"my page")
        log.take("ValueError: second", logging.ERROR)

    @pytest.mark.parametrize("late", [False, True])
    def test_in_on_finish(self, late: bool, log: LogBook) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                if late:
                    await asyncio.sleep(0)
                self.write("x")

            def on_finish(self) -> None:
                raise ZeroDivisionError("on_finish")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    assert (await client.request()).body == b"x"

        run(main)
        assert len(log.take_all("on_finish")) == 2

    def test_in_log_exception(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(404)

            def log_exception(self, *args: Any) -> None:
                raise ZeroDivisionError("logger")

        assert fetch(Handler).status == 404
        log.take("ZeroDivisionError: logger", logging.ERROR)

    def test_in_compute_etag(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("x")

            def compute_etag(self) -> str | None:
                if self.get_status() == 200:
                    raise ZeroDivisionError("etag")
                return None

        assert fetch(Handler).status == 500
        log.take("ZeroDivisionError: etag", logging.ERROR)

    def test_in_the_log_function(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("x")

        def log_function(handler: RequestHandler) -> None:
            raise ZeroDivisionError("log_function")

        assert fetch(application(Handler, log_function=log_function)).body == b"x"
        log.take("ZeroDivisionError: log_function", logging.ERROR)

    @pytest.mark.parametrize("returned", [1, "text", {"a": 1}.items()])
    def test_what_a_method_returns_must_be_awaitable(self, returned: object, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> Any:
                return returned

        assert fetch(Handler).status == 500
        log.take("Uncaught exception", logging.ERROR)


class Odd(BaseException):
    """No Exception: what test tools raise for a failure, and some libraries to break off."""


def wrong(*_: Any) -> None:
    raise Odd("it")


async def wrong_at_once(*_: Any) -> None:
    raise Odd("it")


async def wrong_later(*_: Any) -> None:
    await asyncio.sleep(0)
    raise Odd("it")


class TestWhatIsNoException:
    @pytest.mark.parametrize("act", [wrong, wrong_at_once, wrong_later])
    @pytest.mark.parametrize("where", ["get", "prepare"])
    def test_is_answered_all_the_same(self, where: str, act: Any, log: LogBook) -> None:
        handler = type("Handler", (RequestHandler,), {where: act})
        assert fetch(handler).status == 500
        log.take("Uncaught exception")

    def test_from_a_constructor(self, log: LogBook) -> None:
        handler = type("Handler", (RequestHandler,), {"initialize": wrong})
        assert fetch(handler).status == 500
        log.take("Uncaught exception")

    @pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
    @pytest.mark.parametrize("is_async", [False, True])
    def test_but_what_ends_the_program_does(
        self, kind: type[BaseException], is_async: bool
    ) -> None:
        class Handler(RequestHandler):
            def get(self) -> Any:
                return self.end() if is_async else raise_it()

            async def end(self) -> None:
                await asyncio.sleep(0)
                raise_it()

        def raise_it() -> None:
            raise kind("enough")

        with pytest.raises(kind, match="enough"):
            fetch(Handler)


class TestOwnErrorPages:
    def test_write_error_gets_the_exception(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(418, reason="Short and stout")

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                typ, value, tb = kwargs["exc_info"]
                assert typ is HTTPError and value.status_code == 418 and tb is not None
                self.set_header("Content-Type", "text/plain")
                self.write(f"{status_code} {self.get_status()} {value.reason}")

        response = fetch(Handler)
        assert response.text == "418 418 Short and stout"
        assert (response.status, response.reason) == (418, "Short and stout")
        assert response["Content-Type"] == "text/plain"

    def test_send_error_passes_its_arguments_on(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("X-Gone", "1")
                self.write("discarded")
                self.send_error(409, why="twice", reason="Taken")

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                assert "exc_info" not in kwargs
                self.finish({"status": status_code, "why": kwargs["why"]})

        response = fetch(Handler)
        assert response.text == '{"status": 409, "why": "twice"}'
        assert (response.status, response.reason) == (409, "Taken")
        assert "X-Gone" not in response

    def test_send_error_by_default(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.send_error()

        response = fetch(Handler)
        assert (response.status, response.text) == (500, ERROR_PAGE_500)

    def test_send_error_is_the_end(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.send_error(400)
                self.write("more")

        assert fetch(Handler).status == 400
        log.take("Cannot write() after finish()")

    def test_log_exception_overridden(self) -> None:
        seen: list[object] = []

        class Handler(RequestHandler):
            def get(self) -> None:
                raise ZeroDivisionError("mine")

            def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
                seen.extend([typ, str(value), tb is not None])

        assert fetch(Handler).status == 500
        assert seen == [ZeroDivisionError, "mine", True]

    def test_cookies_outlive_the_error(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_cookie("seen", "1")
                raise HTTPError(403)

        assert fetch(Handler)["Set-Cookie"] == "seen=1; Path=/"


class TestAfterTheHeadersWentOut:
    def broken_off(self, handler: type[RequestHandler]) -> bytes:
        """What a client gets of a response that ends in an error."""

        async def main() -> bytes:
            async with serving(application(handler)) as server:
                client = await server.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return await client.rest()

        return run(main)

    def test_an_error_breaks_the_response_off(self, log: LogBook) -> None:
        finished: list[int] = []

        class Handler(RequestHandler):
            async def get(self) -> None:
                self.write("half")
                await self.flush()
                raise ZeroDivisionError("late")

            def on_finish(self) -> None:
                finished.append(self.get_status())

        data = self.broken_off(Handler)
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")
        # No last chunk, so that the client knows.
        assert data.endswith(b"\r\n\r\n4\r\nhalf\r\n")
        assert finished == [200]
        log.take("ZeroDivisionError: late")
        log.take("Cannot send error response after headers written")

    def test_send_error(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Length", "10")
                self.write("half")
                self.flush()
                self.send_error(500)

        assert self.broken_off(Handler).endswith(b"\r\n\r\nhalf")
        log.take("Cannot send error response after headers written")

    def test_redirect_is_refused(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.flush()
                with pytest.raises(Exception, match="Cannot redirect after headers"):
                    self.redirect("/")
                self.write("x")

        assert fetch(Handler).body == b"x"

    def test_finish_exception_ends_it_well(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("a")
                self.flush()
                raise Finish("b")

        assert fetch(Handler).chunks == [b"a", b"b"]
