"""Cookies as a handler reads them, and as a browser is told to keep them."""

from __future__ import annotations

import datetime
import http.cookies
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.web.support import application, fetch, run, serving

from tornadic.web import RequestHandler

Action = Callable[[RequestHandler], Any]


def set_cookies(action: Action, **headers: str) -> list[str]:
    """The ``Set-Cookie`` lines of a response in which the handler did ``action``."""

    class Handler(RequestHandler):
        def get(self) -> None:
            action(self)

    return fetch(Handler, headers=headers).all("Set-Cookie")


def set_cookie(*args: Any, **kwargs: Any) -> str:
    (line,) = set_cookies(lambda handler: handler.set_cookie(*args, **kwargs))
    return line


def attributes(line: str) -> dict[str, str]:
    """The attributes of a ``Set-Cookie`` line by their names in lower case."""
    pairs = [part.partition("=") for part in line.split("; ")[1:]]
    return {name.lower(): value for name, _, value in pairs}


class TestReading:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("a=1", "1"),
            ("b=2; a=1", "1"),
            ("a=1; a=2", "2"),
            ("a=", ""),
            ('a="x y"', "x y"),
            ('a="x\\073y"', "x;y"),
            ("a=x=y", "x=y"),
            ("b=2", None),
            ("A=1", None),
            ("a", None),
            ("", None),
            (";;a=1;", "1"),
            ('b="; a=1; c="', "1"),
        ],
    )
    def test_get_cookie(self, header: str, expected: str | None) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                assert self.get_cookie("a") == expected
                assert self.get_cookie("a", "default") == (
                    "default" if expected is None else expected
                )

        assert fetch(Handler, headers={"Cookie": header}).status == 200

    def test_without_a_header(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                assert self.get_cookie("a") is None
                assert self.get_cookie("a", default="d") == "d"
                assert dict(self.cookies) == {}

        assert fetch(Handler).status == 200

    def test_morsels(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                assert self.cookies is self.request.cookies
                assert isinstance(self.cookies["a"], http.cookies.Morsel)
                self.write({name: morsel.value for name, morsel in self.cookies.items()})

        response = fetch(Handler, headers={"Cookie": 'a=1; b="x y"'})
        assert response.text == '{"a": "1", "b": "x y"}'

    def test_what_is_set_is_seen_by_the_next_request(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                before = self.get_cookie("count") or "0"
                self.set_cookie("count", str(int(before) + 1))
                assert self.get_cookie("count", "0") == before
                self.write(before)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                cookie = "other=x"
                for expected in ("0", "1", "2"):
                    response = await client.request(headers={"Cookie": cookie})
                    assert response.text == expected
                    cookie = response["Set-Cookie"].partition(";")[0]

        run(main)

    def test_many_cookies_are_read_in_linear_time(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write(str(len(self.cookies)))

        header = "; ".join(f'c{number}="\\"{number}\\""' for number in range(2000))
        assert fetch(Handler, headers={"Cookie": header}).text == "2000"
        assert fetch(Handler, headers={"Cookie": 'a="' + "\\" * 50_000}).status == 200


class TestSetting:
    def test_plain(self) -> None:
        assert set_cookie("name", "value") == "name=value; Path=/"

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({"domain": "example.com"}, {"domain": "example.com", "path": "/"}),
            ({"path": "/app"}, {"path": "/app"}),
            ({"path": ""}, {}),
            ({"max_age": 60}, {"max-age": "60", "path": "/"}),
            ({"httponly": True}, {"httponly": "", "path": "/"}),
            ({"secure": True}, {"secure": "", "path": "/"}),
            ({"samesite": "Lax"}, {"samesite": "Lax", "path": "/"}),
            ({"samesite": "None", "secure": True}, {"samesite": "None", "secure": "", "path": "/"}),
            ({"secure": False, "httponly": False, "samesite": None}, {"path": "/"}),
            ({"domain": None, "expires": None, "max_age": None}, {"path": "/"}),
        ],
    )
    def test_attributes(self, arguments: dict[str, Any], expected: dict[str, str]) -> None:
        assert attributes(set_cookie("name", "value", **arguments)) == expected

    def test_attributes_by_position(self) -> None:
        line = set_cookie("name", "value", "example.com", 0.0, "/p", 1)
        found = attributes(line)
        assert (found["domain"], found["path"]) == ("example.com", "/p")

    def test_attributes_in_any_case(self) -> None:
        arguments = {"Path": "/p", "DOMAIN": "example.com", "HttpOnly": True, "Secure": True}
        found = attributes(set_cookie("name", "value", **arguments))
        assert found == {"path": "/p", "domain": "example.com", "httponly": "", "secure": ""}

    @pytest.mark.parametrize(
        "when",
        [
            datetime.datetime(2030, 5, 6, 7, 8, 9),
            datetime.datetime(2030, 5, 6, 7, 8, 9, tzinfo=datetime.UTC),
            datetime.datetime(
                2030, 5, 6, 9, 8, 9, tzinfo=datetime.timezone(datetime.timedelta(hours=2))
            ),
            1904281689,
            1904281689.7,
            (2030, 5, 6, 7, 8, 9),
            time.gmtime(1904281689),
        ],
    )
    def test_expires(self, when: Any) -> None:
        found = attributes(set_cookie("name", "value", expires=when))
        assert found["expires"] == "Mon, 06 May 2030 07:08:09 GMT"

    def test_an_error_names_an_attribute_as_the_program_wrote_it(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                with pytest.raises(
                    http.cookies.CookieError, match=r"attribute DoMaIn='a;b' for cookie 'n'"
                ):
                    self.set_cookie("n", "v", DoMaIn="a;b")

        assert fetch(Handler).status == 200

    def test_expires_days(self) -> None:
        before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        found = attributes(set_cookie("name", "value", expires_days=10.5))["expires"]
        after = datetime.datetime.now(datetime.UTC)
        when = datetime.datetime.strptime(found, "%a, %d %b %Y %H:%M:%S GMT")
        period = datetime.timedelta(days=10.5)
        assert before + period <= when.replace(tzinfo=datetime.UTC) <= after + period

    def test_expires_wins_over_expires_days(self) -> None:
        when = datetime.datetime(2030, 5, 6, 7, 8, 9)
        found = attributes(set_cookie("name", "value", expires=when, expires_days=1))
        assert found["expires"] == "Mon, 06 May 2030 07:08:09 GMT"

    @pytest.mark.parametrize("value", ["a;b", 'a"b', "a,b", "a\\b", "é", "=", "", "{}"])
    def test_any_value_comes_back(self, value: str) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                if self.get_cookie("name") is not None:
                    assert self.get_cookie("name") == value
                    self.write("came back")
                else:
                    self.set_cookie("name", value)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                line = (await server.fetch())["Set-Cookie"]
                cookie = line.partition("; ")[0]
                assert (await server.fetch(headers={"Cookie": cookie})).text == "came back"

        run(main)

    def test_bytes(self) -> None:
        assert set_cookie("name", b"value") == "name=value; Path=/"

    def test_each_cookie_has_its_own_line_and_the_last_of_a_name_counts(self) -> None:
        def action(handler: RequestHandler) -> None:
            handler.set_cookie("a", "1", path="/one")
            handler.set_cookie("b", "2")
            handler.set_cookie("a", "3")

        assert sorted(set_cookies(action)) == ["a=3; Path=/", "b=2; Path=/"]

    def test_beside_a_header_of_ones_own(self) -> None:
        def action(handler: RequestHandler) -> None:
            handler.add_header("Set-Cookie", "mine=1")
            handler.set_cookie("a", "1")

        assert sorted(set_cookies(action)) == ["a=1; Path=/", "mine=1"]

    def test_clear_header_does_not_concern_cookies(self) -> None:
        def action(handler: RequestHandler) -> None:
            handler.set_cookie("a", "1")
            handler.clear_header("Set-Cookie")

        assert set_cookies(action) == ["a=1; Path=/"]

    def test_once_per_response(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.set_cookie("a", "1")
                await self.flush()
                self.write("x")
                await self.flush()

        response = fetch(Handler)
        assert response.all("Set-Cookie") == ["a=1; Path=/"]
        assert response.body == b"x"

    def test_in_a_redirect_and_a_304(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_cookie("a", "1")
                if self.request.path == "/redirect":
                    self.redirect("/")

        assert fetch(Handler, "/redirect")["Set-Cookie"] == "a=1; Path=/"
        response = fetch(Handler, headers={"If-None-Match": "*"})
        assert (response.status, response["Set-Cookie"]) == (304, "a=1; Path=/")


class TestClearing:
    def expired(self, line: str) -> dict[str, str]:
        found = attributes(line)
        when = datetime.datetime.strptime(found.pop("expires"), "%a, %d %b %Y %H:%M:%S GMT")
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        assert now - when > datetime.timedelta(days=300)
        return found

    def test_one(self) -> None:
        (line,) = set_cookies(lambda handler: handler.clear_cookie("name"))
        assert line.startswith('name=""; ')
        assert self.expired(line) == {"path": "/"}

    def test_with_its_attributes(self) -> None:
        (line,) = set_cookies(
            lambda handler: handler.clear_cookie(
                "name", path="/p", domain="example.com", secure=True, samesite="Lax"
            )
        )
        assert self.expired(line) == {
            "path": "/p",
            "domain": "example.com",
            "secure": "",
            "samesite": "Lax",
        }

    @pytest.mark.parametrize("argument", ["expires", "max_age"])
    def test_when_it_ends_is_not_asked(self, argument: str) -> None:
        def action(handler: RequestHandler) -> None:
            with pytest.raises(TypeError, match=argument):
                handler.clear_cookie("name", **{argument: 1})

        assert set_cookies(action) == []

    def test_after_it_was_set(self) -> None:
        def action(handler: RequestHandler) -> None:
            handler.set_cookie("name", "1")
            handler.clear_cookie("name")

        (line,) = set_cookies(action)
        self.expired(line)

    def test_all(self) -> None:
        lines = set_cookies(
            lambda handler: handler.clear_all_cookies(path="/p", domain="example.com"),
            Cookie="a=1; b=2",
        )
        assert sorted(line.partition("=")[0] for line in lines) == ["a", "b"]
        for line in lines:
            assert self.expired(line) == {"path": "/p", "domain": "example.com"}

    def test_all_of_none(self) -> None:
        assert set_cookies(lambda handler: handler.clear_all_cookies()) == []

    @pytest.mark.parametrize("header", ["a b=1; good=1", "é=1; good=1", "nameless; good=1"])
    def test_all_in_spite_of_names_that_cannot_be_set(self, header: str) -> None:
        """A client may send any name; clearing the others must not fail over it."""

        class Handler(RequestHandler):
            def get(self) -> None:
                self.clear_all_cookies()

        response = fetch(Handler, headers={"Cookie": header})
        assert response.status == 200
        assert [line.partition("=")[0] for line in response.all("Set-Cookie")] == ["good"]
