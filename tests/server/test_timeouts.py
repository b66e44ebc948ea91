"""Time and memory: whoever is late is cut off, and nobody else.

No test says how long anything takes: it waits for the end of the connection.  Where something
must *not* end, the test waits until another connection has been cut off for its silence.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.server.peer import PATIENCE, Peer, chunked, get, post, request
from tests.server.support import Recorder, Serve, Site

from tornadic.http1connection import HTTP1ConnectionParameters, deadlines, parameters
from tornadic.iostream import StreamClosedError
from tornadic.web import HTTPError, RequestHandler, stream_request_body

SHORT = 0.15
PAUSE = 0.02


def drip(peer: Peer, data: bytes) -> None:
    """Send ``data`` in a slow trickle, over and over, until the server answers or closes."""
    for _ in range(int(PATIENCE / PAUSE / len(data)) + 1):
        for i in range(len(data)):
            if peer.hears(PAUSE) or not peer.try_to_send(data[i : i + 1]):
                return
    raise AssertionError("the server has all the time in the world")


def outlast(site: Site, times: int = 1) -> None:
    """Wait until connections that say nothing have been cut off so many times."""
    for _ in range(times):
        with site.connect() as peer:
            assert peer.is_cut() == b""


def accepts_others(site: Site) -> None:
    with site.connect() as peer:
        assert peer.ask(get("/bystander")).body == b"undisturbed"


# Heads


@pytest.mark.parametrize(
    "data",
    [b"GET /" + b"x" * 500, get("/")[:-2] + b"X: " + b"y" * 500, b"\r\nGET / HTTP/1.1\r\n"],
)
def test_header_timeout_slowloris(serve: Serve, data: bytes) -> None:
    site = serve(idle_connection_timeout=SHORT)
    with site.connect() as peer:
        drip(peer, data)
        assert peer.is_cut() == b""
    site.log.at_most_one()
    accepts_others(site)
    assert site.seen == []


@pytest.mark.parametrize("data", [b"", b"\r\n", b"G", get("/")[:-1]])
def test_header_timeout_of_who_falls_silent(serve: Serve, data: bytes) -> None:
    site = serve(idle_connection_timeout=SHORT)
    with site.connect() as peer:
        peer.send(data)
        assert peer.is_cut() == b""
    accepts_others(site)
    assert site.seen == []


@pytest.mark.parametrize("data", [b"", b"\r\n", b"G", get("/")[:-1]])
def test_idle_timeout_after_a_request(serve: Serve, data: bytes) -> None:
    site = serve(idle_connection_timeout=SHORT)
    with site.connect() as peer:
        assert peer.ask(post("/", b"x")).body == b"x"
        peer.send(data)
        assert peer.is_cut() == b""
    accepts_others(site)
    assert len(site.seen) == 1


def test_header_timeout_slowloris_after_a_request(serve: Serve) -> None:
    site = serve(idle_connection_timeout=SHORT)
    with site.connect() as peer:
        assert peer.ask(get("/")).body == b"ok"
        drip(peer, get("/")[:-2] + b"X: " + b"y" * 500)
        assert peer.is_cut() == b""
    accepts_others(site)
    assert len(site.seen) == 1


def test_idle_timeout_begins_anew_with_every_request(serve: Serve) -> None:
    site = serve(idle_connection_timeout=SHORT * 2)
    silent = site.connect()
    with silent, site.connect() as peer:
        while not silent.hears(SHORT / 4):
            assert peer.ask(get("/")).status == 200
        assert peer.ask(get("/")).status == 200


def test_idle_timeout_begins_when_the_response_is_out(serve: Serve) -> None:
    size = 1 << 24

    class Large(RequestHandler):
        def get(self) -> None:
            self.write(b"x" * size)

    site = serve(("/large", Large), idle_connection_timeout=SHORT * 4)
    with site.connect(receive_buffer=65536) as peer:
        peer.send(get("/large"))
        peer.read_head()
        peer.read_exactly(size // 2)
        outlast(site)
        peer.read_exactly(size - size // 2)
        assert not peer.hears(SHORT)
        assert peer.ask(get("/")).body == b"ok"


# Bodies


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (request("POST", "/", "Content-Length: 100000"), b"x"),
        (chunked("/"), b"1\r\nx\r\n"),
        (chunked("/") + b"ffff\r\n", b"x"),
        (chunked("/"), b"1;" + b"x" * 200),
        (chunked("/") + b"0\r\n", b"X: y\r\n"),
    ],
    ids=["length", "small chunks", "large chunk", "extension", "trailers"],
)
def test_body_timeout(serve: Serve, head: bytes, body: bytes) -> None:
    site = serve(body_timeout=SHORT)
    with site.connect() as peer:
        peer.send(head)
        drip(peer, body)
        assert peer.is_cut() == b""
    site.log.at_most_one()
    accepts_others(site)
    assert site.seen == []


def test_body_timeout_of_who_falls_silent(serve: Serve) -> None:
    site = serve(body_timeout=SHORT)
    whole = post("/", b"x" * 100)
    for data in (whole[:-1], whole[:-100], chunked("/"), chunked("/") + b"1\r\nx\r\n0\r\n"):
        with site.connect() as peer:
            assert peer.ask(get("/first")).status == 200
            peer.send(data)
            assert peer.is_cut() == b""
        site.log.one("Timeout reading body")
    accepts_others(site)
    assert {uri for _, uri, _ in site.seen} == {"/first"}


def test_body_timeout_of_who_was_asked_to_continue(serve: Serve) -> None:
    site = serve(body_timeout=SHORT)
    with site.connect() as peer:
        head = request("POST", "/", "Content-Length: 10", "Expect: 100-continue")
        assert peer.ask(head).status == 100
        assert peer.is_cut() == b""
    site.log.one("Timeout reading body")
    assert site.seen == []


def test_body_timeout_does_not_hold_for_heads_and_pauses(serve: Serve) -> None:
    site = serve(body_timeout=SHORT)
    with site.connect() as idle, site.connect() as slow:
        assert idle.ask(post("/", b"x")).status == 200
        slow.send(get("/")[:-2])
        for _ in range(2):
            with site.connect() as peer:
                peer.send(chunked("/"))
                assert peer.is_cut() == b""
            site.log.one("Timeout reading body")
        assert idle.ask(post("/", b"x")).status == 200
        assert slow.ask(b"\r\n").status == 200


@stream_request_body
class Streaming(Recorder):
    """Notes what becomes of it; sets a time-out if asked to."""

    def prepare(self) -> Awaitable[None] | None:
        self.size = 0
        timeout = self.get_query_argument("timeout", "")
        if timeout:
            connection: Any = self.request.connection
            connection.set_body_timeout(float(timeout))
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.size += len(chunk)
        return None

    def post(self) -> None:
        self.record()
        self.write(str(self.size))

    def on_connection_close(self) -> None:
        self.settings["seen"].append(("closed", self.request.uri, b""))


def test_body_timeout_that_a_handler_sets(serve: Serve) -> None:
    site = serve(("/streaming", Streaming))
    with site.connect() as peer:
        peer.send(request("POST", f"/streaming?timeout={SHORT}", "Content-Length: 100000"))
        drip(peer, b"x")
        assert peer.is_cut() == b""
    site.log.one("Timeout reading body")
    site.goes_on()


def test_body_timeout_that_a_handler_sets_is_for_one_request(serve: Serve) -> None:
    site = serve(("/streaming", Streaming), idle_connection_timeout=SHORT)
    with site.connect() as peer:
        assert peer.ask(post(f"/streaming?timeout={SHORT}", b"x")).body == b"1"
        peer.send(post("/streaming", b"xyz")[:-1])
        outlast(site)
        assert peer.ask(b"z").body == b"3"


def test_body_timeout_tells_a_streaming_handler_once(serve: Serve) -> None:
    site = serve(("/streaming", Streaming), body_timeout=SHORT)
    with site.connect() as peer:
        peer.send(post("/streaming", b"x" * 100)[:-1])
        assert peer.is_cut() == b""
    site.log.one("Timeout reading body")
    accepts_others(site)
    accepts_others(site)
    assert site.seen == [("closed", "/streaming", b"")]


# Responses


class Endless(Recorder):
    """Sends until the client is gone, and notes that it noticed."""

    async def get(self, *args: Any) -> None:
        self.record()
        try:
            while True:
                self.write(b"x" * 65536)
                await self.flush()
        except StreamClosedError:
            self.settings["arrived"].set()


def test_write_timeout(serve: Serve) -> None:
    params = HTTP1ConnectionParameters(write_timeout=SHORT)
    site = serve(("/endless", Endless), params=params)
    with site.connect(receive_buffer=4096) as peer:
        peer.send(get("/endless"))
        site.await_gate()
        peer.is_cut()
    accepts_others(site)
    site.log.at_most_one()


def test_write_timeout_of_a_response_that_is_complete(serve: Serve) -> None:
    gone = threading.Event()
    size = 1 << 24

    class Large(RequestHandler):
        def get(self) -> None:
            connection: Any = self.request.connection
            connection.stream.set_close_callback(gone.set)
            self.write(b"x" * size)

    site = serve(("/large", Large), params=HTTP1ConnectionParameters(write_timeout=SHORT))
    for lines in ([], ["Connection: close"]):
        gone.clear()
        with site.connect(receive_buffer=4096) as peer:
            peer.send(get("/large", *lines))
            assert gone.wait(PATIENCE)
            assert len(peer.is_cut()) < size
        accepts_others(site)


def test_write_timeout_spares_who_reads_at_all(serve: Serve) -> None:
    size = 1 << 24

    class Large(RequestHandler):
        def get(self) -> None:
            self.write(b"x" * size)

    params = HTTP1ConnectionParameters(write_timeout=SHORT, header_timeout=SHORT * 2)
    site = serve(("/large", Large), params=params)
    with site.connect(receive_buffer=65536) as peer:
        peer.send(get("/large", "Connection: close"))
        peer.read_head()
        peer.read_exactly(size // 2)
        outlast(site)
        assert len(peer.read_to_end()) == size - size // 2


# A server with nothing set


def test_defaults_are_finite() -> None:
    params = HTTP1ConnectionParameters()
    assert params.header_timeout is params.body_timeout is params.write_timeout is None
    for seconds in (
        parameters.DEFAULT_HEADER_TIMEOUT,
        parameters.DEFAULT_IDLE_TIMEOUT,
        parameters.DEFAULT_BODY_TIMEOUT,
        parameters.DEFAULT_WRITE_TIMEOUT,
        deadlines.LINGER_SECONDS,
    ):
        assert 0 < seconds <= 120
    assert parameters.LEAST_RATE > 0


def test_slowloris_fails_on_a_default_server(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "DEFAULT_HEADER_TIMEOUT", SHORT)
    site = serve()
    with site.connect() as peer:
        drip(peer, get("/")[:-2] + b"X: " + b"y" * 500)
        assert peer.is_cut() == b""
    with site.connect() as peer:
        # The pause between two requests is another time-out than that of a head.
        assert peer.ask(get("/")).status == 200
        outlast(site)
        assert peer.ask(get("/")).status == 200
        drip(peer, get("/")[:-2] + b"X: " + b"y" * 500)
        assert peer.is_cut() == b""
    accepts_others(site)


def test_idle_connections_are_closed_on_a_default_server(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "DEFAULT_IDLE_TIMEOUT", SHORT)
    site = serve()
    with site.connect() as peer:
        assert peer.ask(get("/")).status == 200
        assert peer.is_cut() == b""
    accepts_others(site)


def test_slow_bodies_are_cut_off_on_a_default_server(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "DEFAULT_BODY_TIMEOUT", SHORT)
    site = serve()
    for head, body in (
        (request("POST", "/", "Content-Length: 1000"), b"x"),
        (chunked("/"), b"1\r\nx\r\n"),
    ):
        with site.connect() as peer:
            peer.send(head)
            drip(peer, body)
            assert peer.is_cut() == b""
        site.log.one("Timeout reading body")
    accepts_others(site)
    assert site.seen == []


@pytest.mark.parametrize("with_head", [True, False])
def test_bodies_that_come_steadily_are_not_cut_off_on_a_default_server(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, with_head: bool
) -> None:
    monkeypatch.setattr(parameters, "DEFAULT_BODY_TIMEOUT", SHORT)
    site = serve(idle_connection_timeout=SHORT)
    size = int(parameters.LEAST_RATE * PATIENCE * 2)
    head = request("POST", "/", f"Content-Length: {size}", "Expect: 100-continue")
    with site.connect() as peer:
        if with_head:
            peer.send(head + b"x" * (size - 1))
        else:
            assert peer.ask(head).status == 100
            peer.send(b"x" * (size - 1))
        outlast(site, 2)
        peer.send(b"x")
        response = peer.read_response()
        if with_head and response.status == 100:
            response = peer.read_response()
        assert response.body == b"x" * size


def test_who_does_not_read_is_cut_off_on_a_default_server(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "DEFAULT_WRITE_TIMEOUT", SHORT)
    site = serve(("/endless", Endless))
    with site.connect(receive_buffer=4096) as peer:
        peer.send(get("/endless"))
        site.await_gate()
    accepts_others(site)
    site.log.at_most_one()


def test_no_time_out_if_that_is_what_somebody_wants(serve: Serve) -> None:
    params = HTTP1ConnectionParameters(
        header_timeout=math.inf, body_timeout=math.inf, write_timeout=math.inf
    )
    site = serve(params=params)
    with site.connect() as peer:
        assert peer.ask(post("/", b"x")).status == 200


# The time that the server takes is not the peer's


def test_a_handler_may_take_longer_than_any_time_out(serve: Serve) -> None:
    site = serve(idle_connection_timeout=SHORT, body_timeout=SHORT)
    with site.connect() as peer:
        peer.send(get("/gate"))
        outlast(site)
        site.open_gate()
        assert peer.read_response().body == b"open"
        assert peer.ask(get("/")).body == b"ok"


@stream_request_body
class SlowToPrepare(Streaming):
    async def prepare(self) -> None:
        self.size = 0
        self.settings["arrived"].set()
        await self.settings["gate"].wait()


@stream_request_body
class SlowToTake(Streaming):
    async def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size == len(chunk):
            self.settings["arrived"].set()
            await self.settings["gate"].wait()


@pytest.mark.parametrize("handler", [SlowToPrepare, SlowToTake])
@pytest.mark.parametrize("coming", [0, 1])
@pytest.mark.parametrize(
    ("before", "data"),
    [
        (b"", post("/slow", b"xyz")),
        (get("/"), chunked("/slow") + b"3\r\nxyz\r\n0\r\n\r\n"),
    ],
    ids=["first", "second"],
)
def test_a_streaming_handler_may_take_longer_than_any_time_out(
    serve: Serve, handler: type[RequestHandler], coming: int, before: bytes, data: bytes
) -> None:
    site = serve(("/slow", handler), idle_connection_timeout=SHORT, body_timeout=SHORT)
    with site.connect() as peer:
        if before:
            assert peer.ask(before).status == 200
        now, later = data[: len(data) - coming], data[len(data) - coming :]
        peer.send(now)
        site.await_gate()
        outlast(site)
        peer.send(later)
        site.open_gate()
        assert peer.read_response().body == b"3"
    assert ("closed", "/slow", b"") not in site.seen


# Lingering


def test_a_refused_peer_that_does_not_go_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "LINGER_SECONDS", SHORT)
    site = serve()
    with site.connect() as peer:
        assert peer.ask(get("/", "no colon")).status == 400
        peer.ends()
        for _ in range(int(PATIENCE / PAUSE)):
            threading.Event().wait(PAUSE)
            if not peer.try_to_send(b"x"):
                break
        else:
            raise AssertionError("the server lingers on and on")
    site.log.at_most_one()
    site.goes_on()


@stream_request_body
class Early(RequestHandler):
    """Answers by the head alone."""

    def prepare(self) -> None:
        raise HTTPError(401)


@pytest.mark.parametrize("begun", [b"", b"4\r\nasdf\r\n"])
def test_who_has_the_answer_and_does_not_send_the_rest_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(deadlines, "LINGER_SECONDS", SHORT)
    site = serve(("/early", Early))
    with site.connect() as peer:
        assert peer.ask(chunked("/early") + begun).status == 401
        assert peer.is_cut() == b""
    with site.connect() as peer:
        # Who sends it in time may go on.
        for _ in range(3):
            data = chunked("/early") + begun + b"0\r\n\r\n"
            assert peer.ask(data).status == 401
        assert peer.ask(get("/bystander")).status == 200
    site.goes_on()


def test_the_sweeper_outlives_its_connections(serve: Serve) -> None:
    site = serve(idle_connection_timeout=SHORT)
    for _ in range(3):
        outlast(site)
        accepts_others(site)
