"""Requests that a browser sends for another site are turned away by what the browser says."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.support import LogBook, Response, application, fetch

from tornadic.web import Application, RequestHandler

Headers = dict[str, str]

STRANGER = "https://evil.example"


class Handler(RequestHandler):
    def get(self) -> None:
        self.write("taken")

    head = options = post = put = delete = patch = get


class Asked(Handler):
    """Writes down whom it was asked about, and trusts nobody."""

    asked: list[str]

    def check_trusted_origin(self, origin: str) -> bool:
        self.asked.append(origin)
        return False


def send(
    headers: Headers, method: str = "POST", handler: type[RequestHandler] = Handler, **settings: Any
) -> Response:
    settings.setdefault("cross_origin_protection", True)
    return fetch(application(handler, **settings), "/", method, headers)


def is_taken(headers: Headers, log: LogBook, **settings: Any) -> bool:
    response = send(headers, **settings)
    if response.status == 200:
        return response.text == "taken"
    assert response.status == 403
    log.take("not allowed")
    return False


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_are_not_checked(method: str) -> None:
    assert send({"Sec-Fetch-Site": "cross-site", "Origin": STRANGER}, method).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are(method: str, log: LogBook) -> None:
    assert send({"Sec-Fetch-Site": "cross-site", "Origin": STRANGER}, method).status == 403
    log.take("Sec-Fetch-Site cross-site & origin 'https://evil.example' not allowed")


def test_only_with_the_setting() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": STRANGER}
    assert send(headers, cross_origin_protection=False).status == 200


@pytest.mark.parametrize("origin", [None, STRANGER, "http://example.com"])
@pytest.mark.parametrize(
    ("site", "taken"),
    [
        ("same-origin", True),
        ("none", True),
        ("same-site", False),
        ("cross-site", False),
        ("", False),
        ("SAME-ORIGIN", False),
        ("same-origin, cross-site", False),
        ("anything", False),
    ],
)
def test_sec_fetch_site_decides(site: str, taken: bool, origin: str | None, log: LogBook) -> None:
    headers = {"Sec-Fetch-Site": site} | ({} if origin is None else {"Origin": origin})
    assert is_taken(headers, log) is taken


def test_without_any_header_it_was_no_browser(log: LogBook) -> None:
    assert is_taken({}, log)


@pytest.mark.parametrize(
    ("host", "origin", "taken"),
    [
        ("example.com", "http://example.com", True),
        ("example.com", "https://example.com", True),
        ("EXAMPLE.com", "https://example.COM", True),
        ("example.com:8080", "http://example.com:8080", True),
        ("[::1]:80", "http://[::1]:80", True),
        ("example.com", "http://example.com:8080", False),
        ("example.com:8080", "http://example.com", False),
        ("example.com", "http://www.example.com", False),
        ("example.com", "http://example.com.evil.example", False),
        ("example.com", "http://evilexample.com", False),
        ("example.com", "http://evil.example?example.com", False),
        ("example.com", "http://evil.example#example.com", False),
        ("example.com", "http://evil.example\\example.com", False),
        ("example.com", "http://user@example.com", False),
        ("example.com", "http://example.com@evil.example", False),
        ("example.com", "null", False),
        ("example.com", "", False),
        ("example.com", "file://", False),
        ("example.com", "example.com", False),
        ("example.com", "http://[::1", False),
        ("example.com", "http://exämple.com", False),
        ("example.com", "http://example.com, http://evil.example", False),
    ],
)
def test_origin_decides_for_older_browsers(
    host: str, origin: str, taken: bool, log: LogBook
) -> None:
    assert is_taken({"Host": host, "Origin": origin}, log) is taken


def test_two_origins_are_none(log: LogBook) -> None:
    headers = [("Origin", "http://example.com"), ("Origin", STRANGER)]
    app = application(Handler, cross_origin_protection=True)
    assert fetch(app, "/", "POST", headers).status == 403
    log.take("not allowed")


def test_two_values_of_sec_fetch_site_are_none(log: LogBook) -> None:
    headers = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin")]
    app = application(Handler, cross_origin_protection=True)
    assert fetch(app, "/", "POST", headers).status == 403
    log.take("not allowed")


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        ("https://good.example", True),
        ("http://good.example", False),
        ("https://good.example:443", False),
        ("https://GOOD.example", False),
        ("https://good.exampl", False),
        ("good.example", False),
        ("", False),
        ("null", False),
    ],
)
@pytest.mark.parametrize("kind", [list, set, tuple, frozenset, lambda origins: origins[0]])
@pytest.mark.parametrize("site", [None, "cross-site"])
def test_trusted_origins(
    origin: str, taken: bool, kind: Any, site: str | None, log: LogBook
) -> None:
    headers = {"Origin": origin} | ({} if site is None else {"Sec-Fetch-Site": site})
    assert is_taken(headers, log, trusted_origins=kind(["https://good.example"])) is taken


def test_a_handler_of_its_own_mind(log: LogBook) -> None:
    class Subdomains(Handler):
        def check_trusted_origin(self, origin: str) -> bool:
            return origin.endswith(".example.com")

    same_site = {"Sec-Fetch-Site": "same-site", "Origin": "https://a.example.com"}
    assert is_taken(same_site, log, handler=Subdomains)
    assert not is_taken({**same_site, "Origin": STRANGER}, log, handler=Subdomains)


def test_is_asked_about_strangers_only(log: LogBook) -> None:
    Asked.asked = []
    for headers in (
        {},
        {"Origin": "http://example.com"},
        {"Sec-Fetch-Site": "same-origin", "Origin": STRANGER},
        {"Sec-Fetch-Site": "none"},
    ):
        assert is_taken(headers, log, handler=Asked)
    assert Asked.asked == []
    assert not is_taken({"Sec-Fetch-Site": "cross-site"}, log, handler=Asked)
    assert Asked.asked == []
    for headers in ({"Origin": STRANGER}, {"Sec-Fetch-Site": "same-site", "Origin": "null"}):
        assert not is_taken(headers, log, handler=Asked)
    assert Asked.asked == [STRANGER, "null"]


def test_comes_before_prepare(log: LogBook) -> None:
    class Preparing(Handler):
        def prepare(self) -> None:
            raise AssertionError("prepare was called")

    assert not is_taken({"Origin": STRANGER}, log, handler=Preparing)


def test_with_xsrf_cookies_both_are_checked(log: LogBook) -> None:
    token = "2|8503eb86|c38cc183d6ba5ff3d5c1b5e8ed7e5cb4|1300000000"
    headers = {"Cookie": f"_xsrf={token}", "X-Xsrftoken": token, "Origin": STRANGER}
    assert not is_taken(headers, log, xsrf_cookies=True)
    assert is_taken({**headers, "Origin": "http://example.com"}, log, xsrf_cookies=True)
    response = send({"Origin": "http://example.com"}, xsrf_cookies=True)
    assert response.status == 403
    log.take("'_xsrf' argument missing")


def test_what_is_not_there_is_a_404() -> None:
    app = Application([], cross_origin_protection=True, log_function=lambda handler: None)
    assert fetch(app, "/", "POST", {"Origin": STRANGER}).status == 404


def test_log_lines_cannot_be_forged(log: LogBook) -> None:
    headers = {"Sec-Fetch-Site": "%s%d\x80", "Origin": "http://\x85evil"}
    assert send(headers).status == 403
    record = log.take("not allowed")
    assert record.getMessage().isprintable()
