"""Framing and smuggling: ``Expect: 100-continue`` (RFC 9110 section 10.1.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from tests.server.peer import SMUGGLED, get, request
from tests.server.support import Recorder, Serve, Site

from tornadic.web import RequestHandler, stream_request_body

EXPECT = "Expect: 100-continue"
BODY = b"12345"
HEAD = request("POST", "/", "Content-Length: 5", EXPECT)
CHUNKED = request("POST", "/", "Transfer-Encoding: chunked", EXPECT)


@pytest.mark.parametrize(
    "line",
    [
        EXPECT,
        "expect:100-CONTINUE",
        "EXPECT: \t100-Continue ",
        "Expect: x=y;z, 100-Continue",
        "Expect: 100-continue\r\nExpect: x",
        "Expect: x\r\nX: y\r\nExpect: 100-continue",
    ],
)
def test_the_client_is_asked_to_continue_once(site: Site, line: str) -> None:
    with site.connect() as peer:
        for _ in range(3):
            response = peer.ask(request("POST", "/", "Content-Length: 5", line))
            assert response.status == 100 and response.headers == {}
            for i in range(5):
                peer.send(BODY[i : i + 1])
            assert peer.read_response().body == BODY
        assert peer.ask(get("/bystander")).status == 200


def test_the_client_is_asked_to_continue_in_chunks(site: Site) -> None:
    with site.connect() as peer:
        assert peer.ask(CHUNKED).status == 100
        peer.send_bytewise(b"5\r\n12345\r\n0\r\n\r\n")
        assert peer.read_response().body == BODY
        assert peer.ask(get("/bystander")).status == 200


def test_the_client_that_does_not_wait_needs_no_answer(site: Site) -> None:
    with site.connect() as peer:
        assert peer.ask(HEAD + BODY).body == BODY
        assert peer.ask(get("/bystander")).status == 200


@pytest.mark.parametrize(
    "data",
    [
        get("/", EXPECT),
        request("POST", "/", "Content-Length: 0", EXPECT),
    ],
)
def test_nobody_is_asked_for_a_body_that_there_is_not(site: Site, data: bytes) -> None:
    site.accepts(data)


@pytest.mark.parametrize("value", ["100", "100-continued", "x-100-continue", "100 continue", ""])
def test_nobody_is_asked_who_expects_something_else(site: Site, value: str) -> None:
    with site.connect() as peer:
        peer.send(request("POST", "/", "Content-Length: 5", f"Expect: {value}"))
        site.goes_on()
        assert peer.ask(BODY).body == BODY


def test_an_empty_body_in_chunks_leaves_the_connection_open(site: Site) -> None:
    assert site.accepts(CHUNKED + b"0\r\n\r\n").body == b"ok"
    assert site.accepts(CHUNKED + b"0;x=y\r\nX: y\r\n\r\n").body == b"ok"


def test_http_1_0_knows_no_100(site: Site) -> None:
    head = request("POST", "/", "Content-Length: 5", EXPECT, "Connection: keep-alive")
    with site.connect() as peer:
        peer.send(head.replace(b"HTTP/1.1", b"HTTP/1.0"))
        site.goes_on()
        assert peer.ask(BODY).body == BODY


def test_the_response_to_a_pipelined_request_comes_before_the_100(site: Site) -> None:
    with site.connect() as peer:
        peer.send(get("/gate") + HEAD)
        site.open_gate()
        assert peer.read_response().body == b"open"
        assert peer.read_response().status == 100
        assert peer.ask(BODY).body == BODY


# No 100 for what is refused


def test_a_body_that_is_too_long_is_refused_before_it_comes(serve: Serve) -> None:
    site = serve(max_body_size=4)
    for data in (HEAD, HEAD + BODY):
        site.goes_on()
        with site.connect() as peer:
            response = peer.ask(data)
            assert response.status == 413 and response.headers["connection"] == "close"
            peer.ends()
        site.log.at_most_one()
    assert site.seen == []


def test_a_malformed_request_is_refused_before_its_body_comes(site: Site) -> None:
    for lines in (["Content-Length: +5"], ["Content-Length: 5", "Transfer-Encoding: chunked"]):
        with site.connect() as peer:
            assert peer.ask(request("POST", "/", *lines, EXPECT)).status == 400
            peer.ends()
        site.log.at_most_one()
    assert site.seen == []


@stream_request_body
class Refusing(Recorder):
    """Answers by its head alone, at once or a little later."""

    def prepare(self) -> Awaitable[None] | None:
        if self.get_query_argument("later", ""):
            return self.refuse_later()
        self.refuse()
        return None

    async def refuse_later(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        self.refuse()

    def refuse(self) -> None:
        self.set_status(403)
        self.finish(b"refused")

    def data_received(self, chunk: bytes) -> None:
        raise AssertionError("nobody asked for this")

    def post(self) -> None:
        self.record()


@pytest.mark.parametrize("path", ["/refusing", "/refusing?later=1"])
@pytest.mark.parametrize("framing", ["Content-Length: 50000", "Transfer-Encoding: chunked"])
def test_a_final_response_instead_of_100_ends_the_connection(
    serve: Serve, path: str, framing: str
) -> None:
    # Whether the body still comes cannot be known, so nothing behind it could be read.
    site = serve(("/refusing", Refusing))
    with site.connect() as peer:
        response = peer.ask(request("POST", path, framing, EXPECT))
        assert (response.status, response.body) == (403, b"refused")
        assert response.headers.get("connection") == "close"
        peer.ends()
        peer.try_to_send(SMUGGLED)
    site.goes_on()
    assert site.seen == []


@pytest.mark.parametrize("path", ["/refusing", "/refusing?later=1"])
def test_a_body_sent_in_spite_of_a_final_response_is_no_request(serve: Serve, path: str) -> None:
    site = serve(("/refusing", Refusing))
    for sent_at_once in (True, False):
        with site.connect() as peer:
            peer.send(request("POST", path, f"Content-Length: {len(SMUGGLED)}", EXPECT))
            if sent_at_once:
                peer.send(SMUGGLED + SMUGGLED)
            assert peer.read_response().status == 403
            peer.try_to_send(SMUGGLED + SMUGGLED)
            assert peer.is_cut() == b""
        site.goes_on()
    assert site.seen == []


class Patient(RequestHandler):
    async def post(self) -> None:
        self.write(self.request.body)


@stream_request_body
class Considering(Recorder):
    """Makes up its mind about the head before the client may go on."""

    async def prepare(self) -> None:
        self.settings["arrived"].set()
        await self.settings["gate"].wait()
        self.body = b""

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk

    def post(self) -> None:
        self.record()
        self.write(self.body)


def test_the_client_is_asked_to_continue_only_when_the_handler_is_ready(serve: Serve) -> None:
    site = serve(("/considering", Considering))
    with site.connect() as peer:
        peer.send(request("POST", "/considering", "Content-Length: 5", EXPECT))
        site.await_gate()
        site.goes_on()
        assert not peer.hears(0.05)
        site.open_gate()
        assert peer.read_response().status == 100
        assert peer.ask(BODY).body == BODY
        assert peer.ask(get("/bystander")).status == 200


def test_the_client_is_asked_to_continue_by_a_coroutine_too(serve: Serve) -> None:
    site = serve(("/patient", Patient))
    with site.connect() as peer:
        assert peer.ask(request("POST", "/patient", "Content-Length: 5", EXPECT)).status == 100
        assert peer.ask(BODY).body == BODY
        assert peer.ask(get("/bystander")).status == 200


def test_a_client_that_gives_up_after_the_100_is_no_trouble(site: Site) -> None:
    for end in ("close", "reset"):
        with site.connect() as peer:
            assert peer.ask(HEAD).status == 100
            if end == "reset":
                peer.reset()
        site.goes_on()
    assert site.seen == []
