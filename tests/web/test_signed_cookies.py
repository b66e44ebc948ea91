"""Cookies that the client can read, but not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.web.support import LogBook, Response, application, fetch

from tornadic.web import RequestHandler, create_signed_value, decode_signed_value

SECRET = "It's a secret to everybody"
KEYS = {0: "zero", 1: "one"}


def do(
    action: Callable[[RequestHandler], Any], cookie: str = "", **settings: Any
) -> tuple[Any, Response]:
    """What ``action`` returned in a handler whose request had ``cookie``, and the response."""
    results: list[Any] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            results.append(action(self))

    settings.setdefault("cookie_secret", SECRET)
    headers = {"Cookie": cookie} if cookie else {}
    response = fetch(application(Handler, **settings), headers=headers)
    return (results or [None])[0], response


def signed(value: str | bytes, name: str = "user", secret: Any = SECRET, **kwargs: Any) -> str:
    return create_signed_value(secret, name, value, **kwargs).decode()


def test_set_and_get() -> None:
    _, response = do(lambda handler: handler.set_signed_cookie("user", b"ada \xff"))
    cookie = response["Set-Cookie"].partition(";")[0]
    assert "expires=" in response["Set-Cookie"].lower()
    got, _ = do(lambda handler: handler.get_signed_cookie("user"), cookie)
    assert got == b"ada \xff"


def test_for_the_session_of_the_browser_and_with_attributes() -> None:
    _, response = do(
        lambda handler: handler.set_signed_cookie(
            "user", "ada", expires_days=None, httponly=True, samesite="Lax", path="/x"
        )
    )
    line = response["Set-Cookie"]
    assert "expires" not in line.lower()
    assert {"HttpOnly", "SameSite=Lax", "Path=/x"} <= set(line.split("; "))


@pytest.mark.parametrize(
    "cookie",
    ["", "user=ada", "user=", "user=2|x", f"user={signed('ada', 'other')}", f"user={signed('a')}x"],
)
def test_what_is_not_ours_is_none(cookie: str, log: LogBook) -> None:
    got, _ = do(lambda handler: handler.get_signed_cookie("user"), cookie)
    assert got is None
    log.unread.clear()


def test_arguments_go_through() -> None:
    old = f"user={signed('ada', clock=lambda: 1300000000)}"
    assert do(lambda handler: handler.get_signed_cookie("user"), old)[0] is None
    forever = float("inf")
    read = do(lambda handler: handler.get_signed_cookie("user", max_age_days=forever), old)
    assert read[0] == b"ada"
    first = f"user={signed('ada', version=1)}"
    assert do(lambda handler: handler.get_signed_cookie("user"), first)[0] == b"ada"
    assert do(lambda handler: handler.get_signed_cookie("user", min_version=2), first)[0] is None
    version = do(lambda handler: handler.create_signed_value("user", "ada", version=1))[0]
    assert version.count(b"|") == 2


def test_values_that_are_no_cookies() -> None:
    value = signed("ada")
    got, _ = do(lambda handler: handler.get_signed_cookie("user", value), "user=other")
    assert got == b"ada"
    made, _ = do(lambda handler: handler.create_signed_value("user", "ada"))
    assert decode_signed_value(SECRET, "user", made) == b"ada"


def test_key_version_says_which_key_signs() -> None:
    made, _ = do(
        lambda handler: handler.create_signed_value("user", "ada"),
        cookie_secret=KEYS,
        key_version=1,
    )
    assert decode_signed_value({1: "one"}, "user", made) == b"ada"
    cookie = f"user={made.decode()}"
    got = do(
        lambda handler: (
            handler.get_signed_cookie("user"),
            handler.get_signed_cookie_key_version("user"),
        ),
        cookie,
        cookie_secret=KEYS,
        key_version=0,
    )
    assert got[0] == (b"ada", 1)


def test_key_version_of_nothing() -> None:
    assert do(lambda handler: handler.get_signed_cookie_key_version("user"))[0] is None
    assert do(lambda handler: handler.get_signed_cookie_key_version("user", "x"))[0] is None
    named = signed("ada", secret=KEYS, key_version=1)
    got, _ = do(lambda handler: handler.get_signed_cookie_key_version("user", named))
    assert got == 1


def test_several_keys_without_a_key_version(log: LogBook) -> None:
    _, response = do(lambda handler: handler.create_signed_value("user", "ada"), cookie_secret=KEYS)
    assert response.status == 500
    log.take("key_version setting must be used")


@pytest.mark.parametrize(
    "action",
    [
        lambda handler: handler.create_signed_value("user", "ada"),
        lambda handler: handler.set_signed_cookie("user", "ada"),
        lambda handler: handler.get_signed_cookie("user"),
        lambda handler: handler.get_signed_cookie("user", "x"),
        lambda handler: handler.get_signed_cookie_key_version("user"),
    ],
)
@pytest.mark.parametrize("secret", [None, "", b"", {}])
def test_without_a_secret(action: Any, secret: Any, log: LogBook) -> None:
    _, response = do(action, "user=x", cookie_secret=secret)
    assert (response.status, "Set-Cookie" in response) == (500, False)
    log.take(
        "You must define the 'cookie_secret' setting in your application to use secure cookies"
    )


def test_a_value_of_version_1_sent_to_a_site_with_several_keys() -> None:
    got, response = do(
        lambda handler: handler.get_signed_cookie("user"),
        f"user={signed('ada', version=1)}",
        cookie_secret=KEYS,
        key_version=1,
    )
    assert (got, response.status) == (None, 200)


def test_names_of_old() -> None:
    assert RequestHandler.set_secure_cookie is RequestHandler.set_signed_cookie
    assert RequestHandler.get_secure_cookie is RequestHandler.get_signed_cookie
    old = RequestHandler.get_secure_cookie_key_version
    assert old is RequestHandler.get_signed_cookie_key_version
