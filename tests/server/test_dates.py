"""Every response has a ``Date``, whoever made it (RFC 9110 section 6.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.server.peer import chunked, get, post, request
from tests.server.support import Serve, Site
from tests.web.support import fetch

from tornadic.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornadic.web import RequestHandler

DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


class Status(RequestHandler):
    """Answers with the status that its path names; 0 fails."""

    def get(self, status: str) -> None:
        self.set_status(int(status) or 1 // 0)

    head = post = get


@pytest.fixture
def site(serve: Serve) -> Iterator[Site]:
    yield serve(("/([0-9]+)", Status), max_body_size=1000, max_header_size=4000)


def has_date(site: Site, data: bytes, status: int, method: str = "GET") -> None:
    with site.connect() as peer:
        response = peer.ask(data, method)
    assert response.status == status
    assert DATE.fullmatch(response.headers["date"])
    site.goes_on()


@pytest.mark.parametrize("status", [200, 204, 301, 304, 404, 500, 503])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answers_of_the_program(site: Site, status: int, method: str) -> None:
    has_date(site, request(method, f"/{status}"), status, method)
    has_date(site, request(method, f"/{status}").replace(b"1.1", b"1.0"), status, method)
    site.log.take(access=True)


def test_a_program_that_fails(site: Site) -> None:
    has_date(site, get("/0"), 500)
    for record in site.log.take(access=True):
        assert record.exc_info is None or record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/", "no colon"), 400),
        (post("/", b"x" * 1001), 413),
        (chunked("/") + b"3e9\r\n", 413),
        (get("/", "X: " + "y" * 4000), 431),
        (request("GET" * 11, "/"), 501),
        (get("/").replace(b"1.1", b"2.0"), 505),
        (request("BREW", "/"), 405),
    ],
)
def test_refusals(site: Site, data: bytes, status: int) -> None:
    has_date(site, data, status)
    site.log.at_most_one()


class Cleared(RequestHandler):
    def get(self) -> None:
        self.clear_header("Date")


def test_a_handler_cannot_do_without(serve: Serve) -> None:
    has_date(serve(("/", Cleared)), get("/"), 200)


def answer_raw(request: HTTPServerRequest) -> None:
    connection: Any = request.connection
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    connection.finish()


def answer(request: HTTPServerRequest) -> None:
    connection: Any = request.connection
    if request.path == "/100":
        connection.write_headers(ResponseStartLine("", 103, "Early Hints"), HTTPHeaders())
    headers = HTTPHeaders({"Content-Length": "0"})
    if request.path == "/own":
        headers["Date"] = "Thu, 01 Jan 1970 00:00:00 GMT"
    connection.write_headers(ResponseStartLine("", 200, "OK"), headers)
    connection.finish()


@pytest.mark.parametrize("program", [answer, answer_raw])
def test_answers_of_programs_without_handlers(program: Any) -> None:
    response = fetch(program)
    assert response.status == 200
    assert DATE.fullmatch(response["Date"])


def test_one_of_the_programs_own_stays() -> None:
    assert fetch(answer, "/own")["Date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_an_interim_response_needs_none() -> None:
    assert "Date" not in fetch(answer, "/100")
