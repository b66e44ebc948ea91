"""Secrets: which names are those of one, and that no copy of their values is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.web.debugpage.masking import MASK, Masks, is_secret, is_secret_cookie


@pytest.mark.parametrize(
    "name",
    [
        *("password", "db_passwd", "PASSWORD", "passphrase", "secret", "cookie_secret"),
        *("token", "access_token", "apiKey", "api_key", "X-Api-Key", "private_key", "otp"),
        *("Authorization", "Cookie", "Set-Cookie", "xsrf", "csrf_token", "_xsrf", "sid"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["name", "key", "tokenizer", "author", "path", "side", "request", "keyword", "pass_"],
)
def test_names_of_others(name: str) -> None:
    assert not is_secret(name)


def test_cookies() -> None:
    assert is_secret_cookie("session", "1") and is_secret_cookie("user", "ada")
    assert is_secret_cookie("x", "0" * 16) and not is_secret_cookie("x", "0" * 15)
    assert not is_secret_cookie("theme", "dark")


def test_short_values_stay() -> None:
    masks = Masks()
    masks.learn("abc")
    masks.learn("wxyz")
    assert masks.hide("abc wxyz") == f"abc {MASK}"


def test_other_spellings() -> None:
    masks = Masks()
    masks.learn('quote"&line\nend')
    for text in ('quote"&line\nend', "'quote\"&line\\nend'", "quote%22%26line%0Aend"):
        assert "line" not in masks.hide(text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("password=x1 y", f"password={MASK} y"),
        ("{'api_key': 'a b', 'n': 1}", f"{{'api_key': {MASK}, 'n': 1}}"),
        ('"token" : "a\'b"', f'"token" : {MASK}'),
        ("Authorization: abc", f"Authorization: {MASK}"),
        ("redis://:pw@host", f"redis://:{MASK}@host"),
        ("no secrets here", "no secrets here"),
        ("name 'password' is not defined", "name 'password' is not defined"),
    ],
)
def test_in_a_text(text: str, hidden: str) -> None:
    assert Masks().hide(text) == hidden


def test_in_source_only_literals() -> None:
    masks = Masks()
    assert masks.hide_source("token = lexer.next()") == "token = lexer.next()"
    assert masks.hide_source("password = 'abc'") == f"password = '{MASK}'"
    assert masks.hide_source('d["secret"] = "abc"') == f'd["secret"] = "{MASK}"'


@given(st.text(max_size=300), st.text(min_size=4, max_size=60))
def test_a_secret_is_never_left(text: str, secret: str) -> None:
    secret = secret.strip()
    masks = Masks()
    masks.learn(secret)
    if len(secret) >= 4 and secret not in MASK:
        assert secret not in masks.hide(f"{text} {secret} {text}").replace(MASK, "\0")


def test_linear() -> None:
    for text in (
        "password" * 50_000,
        "token=" * 50_000,
        "://a:" * 50_000,
        "secret" + " " * 200_000,
    ):
        Masks().hide(text)
        Masks().hide_source(text)
