"""Nothing a program is made to put into a response can end the field it is put in.

Every case is an attacker's text that reached the program: it is a ValueError, and of the head
that it was to go into not one byte is sent.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import pytest
from tests.web.support import LogBook, application, head, run, serving

from tornadic.web import Application, HTTPError, RequestHandler

CONTROLS = [chr(code) for code in (*range(9), *range(10, 32), 127)]
ATTACKS = ["a\r\nX-Evil: 1", "a\r\n\r\n<script>", "\nX-Evil: 1", "\rX-Evil: 1", "a\r\n b", "x\r\n"]
ATTACKS += [f"a{control}b" for control in CONTROLS] + ["\x00", "\n"]

Action = Callable[[RequestHandler], Any]


class Put(Protocol):
    """Puts an attacker's text into a response."""

    def __call__(self, handler: RequestHandler, text: Any) -> Any: ...


def attempt(actions: Iterable[Action], flush: bool = False) -> list[tuple[bool, bytes]]:
    """For each action: whether it or the sending raised ValueError, and all the client got."""
    todo = list(actions)
    raised = [False] * len(todo)

    class Handler(RequestHandler):
        def get(self, number: str) -> None:
            try:
                todo[int(number)](self)
                if flush:
                    self.flush()
                if not self._finished:
                    self.finish("sent")
            except ValueError:
                raised[int(number)] = True
                self.clear()
                self.finish("refused")

    async def main() -> list[bytes]:
        answers = []
        async with serving(Application([("/(.*)", Handler)])) as server:
            for number in range(len(todo)):
                client = await server.connect()
                await client.send(head(f"/{number}", headers={"Connection": "close"}))
                answers.append(await client.rest())
                client.close()
        return answers

    answers = run(main)
    return list(zip(raised, answers, strict=True))


def refused(put: Put, texts: Iterable[Any]) -> None:
    """``put(handler, text)`` is refused for every text, also if it is sent at once."""
    given = list(texts)
    actions = [functools.partial(put, text=text) for text in given]
    for flush in (False, True):
        for text, (raised, data) in zip(given, attempt(actions, flush), strict=True):
            assert raised, text
            # Only what the handler said afterwards, and one response.
            assert data.endswith(b"\r\n\r\nrefused"), text
            assert data.startswith(b"HTTP/1.1 200 OK\r\n"), text
            assert data.count(b"HTTP/1.1") == 1, text
            assert b"Evil" not in data and b"script" not in data, text


def accepted(action: Action) -> bytes:
    ((raised, data),) = attempt([action])
    assert not raised
    return data


def test_header_value() -> None:
    refused(lambda handler, text: handler.set_header("X-Value", text), ATTACKS)
    refused(lambda handler, text: handler.set_header("X-Value", text.encode()), ATTACKS)
    refused(lambda handler, text: handler.add_header("X-Value", text), ATTACKS)


BAD_NAMES = [*ATTACKS, "a b", "a:b", "a\tb", " a", "a ", "", "é", "€", "a(b)"]


def test_header_name() -> None:
    refused(lambda handler, text: handler.set_header(text, "1"), BAD_NAMES)
    refused(lambda handler, text: handler.add_header(text, "1"), BAD_NAMES)


def test_header_written_past_the_checks_of_set_header() -> None:
    def value(handler: RequestHandler, text: str) -> None:
        handler._headers["X-Value"] = text

    def name(handler: RequestHandler, text: str) -> None:
        handler._headers[text] = "1"

    refused(value, ATTACKS)
    refused(name, BAD_NAMES)


def test_tab_is_no_control_character_of_a_header() -> None:
    data = accepted(lambda handler: handler.set_header("X-Value", "a\tb"))
    assert b"\r\nX-Value: a\tb\r\n" in data


def test_content_type_and_location_set_by_hand() -> None:
    refused(lambda handler, text: handler.set_header("Content-Type", text), ATTACKS)
    refused(lambda handler, text: handler.set_header("Location", text), ATTACKS)


def test_reason() -> None:
    refused(lambda handler, text: handler.set_status(200, text), ATTACKS)
    refused(lambda handler, text: handler.set_status(200, reason=text), ATTACKS)


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "\r\n\r\n<script>", "\x00", "a\x7f", "€"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_reason_of_an_error(text: str, method: str, log: LogBook) -> None:
    """The client still gets an answer."""

    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(499, reason=text)

        def post(self) -> None:
            self.send_error(499, reason=text)

    async def main() -> bytes:
        async with serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(head(method=method, headers={"Connection": "close"}))
            return await client.rest()

    data = run(main)
    log.unread.clear()
    assert data.startswith((b"HTTP/1.1 499 Unknown\r\n", b"HTTP/1.1 500 "))
    assert b"Evil" not in data and b"<script" not in data


def test_redirect() -> None:
    targets = [f"/x{attack}" for attack in ATTACKS] + ["/a\tb", "\t/a"]
    refused(lambda handler, text: handler.redirect(text), targets)
    refused(lambda handler, text: handler.redirect(text, permanent=True), targets)
    refused(lambda handler, text: handler.redirect(text, status=307), targets)


SEPARATORS = [";", "; Domain=evil.example", ";Secure"]


def test_cookie_name() -> None:
    names = [*ATTACKS, "a\tb", "a b", *SEPARATORS, "a=b", "a,b", "", "é", '"']
    refused(lambda handler, text: handler.set_cookie(text, "1"), names)


def test_cookie_value() -> None:
    # DEL is one of those that are sent as an escape.
    values = [*[text for text in ATTACKS if "\x7f" not in text], "a\tb", "€"]
    refused(lambda handler, text: handler.set_cookie("name", text), values)


@pytest.mark.parametrize("text", ["a;b", 'a"b', "a,b", "a\\b", "é", "a\x7fb"])
def test_cookie_value_that_is_quoted(text: str) -> None:
    data = accepted(lambda handler: handler.set_cookie("name", text))
    line = data[data.index(b"Set-Cookie: ") :].partition(b"\r\n")[0]
    # Nothing between the quotes can be taken for the end of the value.
    value = line.removeprefix(b'Set-Cookie: name="').removesuffix(b'"; Path=/')
    assert not set(value) & set(b";,\x7f")
    assert line.count(b";") == 1


@pytest.mark.parametrize("attribute", ["domain", "path", "samesite", "DOMAIN", "Path", "SameSite"])
def test_cookie_attribute(attribute: str) -> None:
    texts = [*ATTACKS, "a\tb", *SEPARATORS, "/;x", "€"]
    refused(lambda handler, text: handler.set_cookie("name", "1", **{attribute: text}), texts)
    refused(lambda handler, text: handler.clear_cookie("name", **{attribute: text}), texts)


@pytest.mark.parametrize("attribute", ["max_age", "Max_Age", "MAX-AGE"])
def test_cookie_max_age(attribute: str) -> None:
    values = ["1\r\nX-Evil: 1", "1; Secure", "x", "1\n", "1e3", " 1", "\x00"]
    refused(lambda handler, text: handler.set_cookie("name", "1", **{attribute: text}), values)


@pytest.mark.parametrize("attribute", ["expires", "Expires", "EXPIRES"])
def test_cookie_expires_that_is_no_time(attribute: str) -> None:
    values = [float("nan"), float("inf"), 1e300]
    refused(lambda handler, text: handler.set_cookie("name", "1", **{attribute: text}), values)


@pytest.mark.parametrize("attribute", ["comment", "version", "Comment", "VERSION"])
def test_cookie_attributes_of_old(attribute: str) -> None:
    texts = ["1\r\nX-Evil: 1", "1; Secure", "1\x00", "1\n"]
    refused(lambda handler, text: handler.set_cookie("name", "1", **{attribute: text}), texts)


def test_cookie_expires_that_is_text() -> None:
    def action(handler: RequestHandler) -> None:
        text: Any = "Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Evil: 1"
        with pytest.raises((TypeError, ValueError)):
            handler.set_cookie("name", "1", expires=text)

    assert b"Set-Cookie" not in accepted(action)


@pytest.mark.parametrize("attribute", ["x", "x; secure", "set_cookie", "http_only", ""])
def test_cookie_attributes_that_do_not_exist(attribute: str) -> None:
    def action(handler: RequestHandler) -> None:
        arguments: dict[str, Any] = {attribute: "x"}
        with pytest.raises((TypeError, ValueError, KeyError)):
            handler.set_cookie("name", "1", **arguments)

    assert b"Set-Cookie" not in accepted(action)


def test_one_bad_cookie_leaves_the_good_ones() -> None:
    def action(handler: RequestHandler) -> None:
        handler.set_cookie("good", "1")
        with pytest.raises(ValueError, match="good"):
            handler.set_cookie("good", "2", path="a;b")

    data = accepted(action)
    assert data.count(b"Set-Cookie") == 1
    assert b"\r\nSet-Cookie: good=1; Path=/\r\n" in data


def test_dates_cannot_bring_text() -> None:
    class Zone(datetime.tzinfo):
        def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta:
            return datetime.timedelta(0)

        def tzname(self, when: datetime.datetime | None) -> str:
            return "x\r\nX-Evil: 1"

        def dst(self, when: datetime.datetime | None) -> None:
            return None

    when = datetime.datetime(2024, 1, 1, tzinfo=Zone())
    assert b"\r\nX-When: Mon, 01 Jan 2024 00:00:00 GMT\r\n" in accepted(
        lambda handler: handler.set_header("X-When", when)
    )


class TestErrorPages:
    @pytest.mark.parametrize("text", ["<script>", "</title><x>", "&amp;", "\"'"])
    def test_reason_is_escaped(self, text: str) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(400, reason=text)

        async def main() -> bytes:
            async with serving(application(Handler)) as server:
                response = await server.fetch()
                assert response.status == 400
                return response.body

        body = run(main)
        assert body.count(b"<") == body.count(b">") == 6
        assert b"&amp; " not in body

    def test_the_url_is_not_shown(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(404)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                response = await server.fetch("/<script>?<script>")
                assert b"script" not in response.body

        run(main)
