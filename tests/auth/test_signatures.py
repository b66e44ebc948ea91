"""Signatures of OAuth 1.0, by the examples that were published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.auth import AuthError
from tornadic.auth.signatures import (
    _MOST_FIELDS,
    _base_url,
    _normal_form,
    _oauth10a_signature,
    _oauth_escape,
    _oauth_parse_response,
    _oauth_signature,
)

PRINTER = {"key": "dpf43f3p2l4k3l03", "secret": "kd94hf93k423kf44"}


def arguments(key: str, timestamp: str, nonce: str, **more: str) -> dict[str, str]:
    return {
        "oauth_consumer_key": key,
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": timestamp,
        "oauth_nonce": nonce,
        **{f"oauth_{name}": value for name, value in more.items()},
    }


def test_temporary_credentials_of_rfc_5849_section_1_2() -> None:
    signature = _oauth10a_signature(
        PRINTER,
        "POST",
        "https://photos.example.net/initiate",
        arguments(
            PRINTER["key"], "137131200", "wIjqoS", callback="http://printer.example.com/ready"
        ),
    )
    assert signature == b"74KNZJeDHnMBp0EMJ9ZHt/XKycU="


def test_token_credentials_of_rfc_5849_section_1_2() -> None:
    signature = _oauth10a_signature(
        PRINTER,
        "POST",
        "https://photos.example.net/token",
        arguments(
            PRINTER["key"],
            "137131201",
            "walatlh",
            token="hh5s93j4hdidpola",
            verifier="hfdp7dh39dks9884",
        ),
        {"key": "hh5s93j4hdidpola", "secret": "hdhd0244k9j7ao03"},
    )
    assert signature == b"gKgrFCywp7rO0OXSjdot/IHF7IU="


def test_the_photo_of_rfc_5849_section_1_2() -> None:
    parameters = arguments(PRINTER["key"], "137131202", "chapoH", token="nnch734d00sl2jdk")
    token = {"key": "nnch734d00sl2jdk", "secret": "pfkkdhi9sl3r4s00"}
    url = "http://photos.example.net/photos"
    query = {"file": "vacation.jpg", "size": "original"}
    expected = b"MdpQcU8iPSUjWoN/UDMsK2sui9I="
    assert _oauth10a_signature(PRINTER, "GET", url, {**parameters, **query}, token) == expected
    # The same, with the query where it is sent.
    url += "?file=vacation.jpg&size=original"
    assert _oauth10a_signature(PRINTER, "GET", url, parameters, token) == expected
    # None of these secrets has anything to escape.
    assert _oauth_signature(PRINTER, "GET", url, parameters, token) == expected


# RFC 5849 section 3.4.1.1, with what is in the body put behind what is in the query.
REQUEST = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q"
OAUTH = arguments("9djdj82h48djs9d2", "137131201", "7d8f3e4a", token="kkk9d7dh3k39sjv7")


def test_the_base_string_of_rfc_5849_section_3_4_1() -> None:
    assert _base_url(REQUEST) == "http://example.com/request"
    assert _normal_form(REQUEST, OAUTH) == (
        "a2=r%20b&a3=2%20q&a3=a&b5=%3D%253D&c%40=&c2=&oauth_consumer_key=9djdj82h48djs9d2"
        "&oauth_nonce=7d8f3e4a&oauth_signature_method=HMAC-SHA1&oauth_timestamp=137131201"
        "&oauth_token=kkk9d7dh3k39sjv7"
    )


def test_the_signature_of_rfc_5849_section_3_4_1() -> None:
    # As corrected by erratum 2550.
    signature = _oauth10a_signature(
        {"secret": "j49sk3j29djd"}, "post", REQUEST, OAUTH, {"secret": "dh893hdasih9"}
    )
    assert signature == b"r6/TJjbCOr97/+UU0NsvSne7s5g="


def test_the_example_of_twitter() -> None:
    # https://dev.twitter.com/docs/auth/creating-signature, as it was for version 1 of the API.
    parameters = {
        **arguments(
            "xvz1evFS4wEEPTGEFPHBog",
            "1318622958",
            "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
            token="370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            version="1.0",
        ),
        "status": "Hello Ladies + Gentlemen, a signed OAuth request!",
        "include_entities": "true",
    }
    signature = _oauth10a_signature(
        {"secret": "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"},
        "POST",
        "https://api.twitter.com/1/statuses/update.json",
        parameters,
        {"secret": "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"},
    )
    assert signature == b"tnnArxj06cWHq44gCs1OSKk/jLY="


def test_the_versions_differ_in_what_is_escaped() -> None:
    # What Tornado 6.6.1 gives.
    consumer = {"key": "ck", "secret": "c&s"}
    arguments = (consumer, "GET", "http://example.com/x")
    assert _oauth_signature(*arguments) == b"ZwFjyErlu+DjEcZHbLJlTlF2Tl4="
    assert _oauth10a_signature(*arguments) == b"v1ICPvjqzt6o36jdVeh4tM83rkQ="


@pytest.mark.parametrize(
    "url,base",
    [
        ("http://example.com", "http://example.com/"),
        ("HTTP://Example.COM/A%20b", "http://example.com/A%20b"),
        ("https://example.com:443/?a#b", "https://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com:8080/;p", "http://example.com:8080/;p"),
        ("http://user:password@example.com/", "http://example.com/"),
        ("http://[::1]:80/", "http://[::1]/"),
    ],
)
def test_base_urls(url: str, base: str) -> None:
    # RFC 5849 section 3.4.1.2
    assert _base_url(url) == base


def test_values_of_other_kinds() -> None:
    assert _normal_form("http://a/", {"n": 5, "b": b"\xff", "t": "\xe9", "l": [1]}) == (
        "b=%FF&l=%5B1%5D&n=5&t=%C3%A9"
    )


def test_sorting_is_by_what_is_escaped() -> None:
    # "%" is before the letters, and "é" behind them.
    assert _normal_form("http://a/", {"z": "", "\xe9": "", "a": ""}) == "%C3%A9=&a=&z="


@given(st.text())
def test_escaping(text: str) -> None:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return
    escaped = _oauth_escape(text)
    assert escaped == _oauth_escape(raw)
    # RFC 5849 section 3.6
    unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    assert escaped == "".join(
        [chr(byte) if chr(byte) in unreserved else f"%{byte:02X}" for byte in raw]
    )


def test_a_token() -> None:
    body = b"oauth_token=a%26b&oauth_token_secret=c+d&screen_name=%C3%A9&blank="
    assert _oauth_parse_response(body) == {"key": "a&b", "secret": "c d", "screen_name": "\xe9"}


def test_what_else_came_does_not_take_the_place_of_the_token() -> None:
    body = b"key=x&secret=y&oauth_token=a&oauth_token_secret=b&oauth_token=c"
    assert _oauth_parse_response(body) == {"key": "a", "secret": "b"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"oauth_token=a",
        b"oauth_token_secret=b",
        b"oauth_token=&oauth_token_secret=",
        b"<html>",
        b'{"oauth_token": "a", "oauth_token_secret": "b"}',
        b"\xff",
        b"oauth_token=%FF&oauth_token_secret=b",
    ],
)
def test_an_answer_without_a_token(body: bytes) -> None:
    with pytest.raises(AuthError):
        _oauth_parse_response(body)


def test_how_many_fields_an_answer_may_have() -> None:
    body = b"oauth_token=a&oauth_token_secret=b"
    body += b"&x=1" * (_MOST_FIELDS - 2)
    assert _oauth_parse_response(body)["key"] == "a"
    with pytest.raises(AuthError):
        _oauth_parse_response(body + b"&x=1")


@given(st.binary())
def test_any_answer_is_a_token_or_refused(body: bytes) -> None:
    try:
        token = _oauth_parse_response(body)
    except AuthError:
        return
    assert token["key"] and token["secret"]
