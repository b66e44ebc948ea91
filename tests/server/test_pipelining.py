"""Framing and smuggling: requests that come before the one in front of them was answered."""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import threading
from typing import Any

from tests.server.peer import PATIENCE, SMUGGLED, chunked, get, post, request
from tests.server.support import Recorder, Serve, Site

from tornadic.http1connection.connection import EVENTS_PER_TURN, MAX_BUFFERED
from tornadic.web import RequestHandler


def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    with site.connect() as peer:
        for i in range(0, 60, 3):
            peer.send(
                get(f"/{i}")
                + post(f"/{i + 1}", b"%d" % (i + 1))
                + chunked(f"/{i + 2}")
                + b"2\r\n%02d\r\n0\r\n\r\n" % (i + 2)
            )
        for i in range(0, 60, 3):
            assert peer.read_response().body == b"ok"
            assert peer.read_response().body == b"%d" % (i + 1)
            assert peer.read_response().body == b"%02d" % (i + 2)
    assert [uri for _, uri, _ in site.seen] == [f"/{i}" for i in range(60)]


def test_pipelined_requests_however_they_are_cut(site: Site) -> None:
    with site.connect() as peer:
        peer.send_bytewise(get("/0") + post("/1", b"1") + request("HEAD", "/2") + get("/3"))
        assert peer.read_response().body == b"ok"
        assert peer.read_response().body == b"1"
        assert peer.read_response("HEAD").body == b""
        assert peer.read_response().body == b"ok"


def test_one_request_at_a_time_is_dispatched(serve: Serve) -> None:
    running = 0
    most = 0

    class Slow(Recorder):
        async def get(self, *args: Any) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            self.record()
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1
            self.write(self.request.uri)

    site = serve(("/slow.*", Slow))
    with site.connect() as peer:
        peer.send(b"".join([get(f"/slow{i}") for i in range(200)]))
        for i in range(200):
            assert peer.read_response().body == b"/slow%d" % i
    assert most == 1


def test_nothing_is_dispatched_behind_a_request_that_is_not_answered(site: Site) -> None:
    with site.connect() as peer:
        peer.send(get("/gate") + get("/behind"))
        site.goes_on()
        assert [uri for _, uri, _ in site.seen] in ([], ["/gate"])
        site.open_gate()
        assert peer.read_response().body == b"open"
        assert peer.read_response().body == b"ok"


def test_requests_are_bounded_work_in_each_turn(serve: Serve) -> None:
    turns = [0]
    ticking: list[asyncio.Handle] = []

    def tick() -> None:
        turns.append(0)
        ticking[:] = [asyncio.get_running_loop().call_soon(tick)]

    class Counted(RequestHandler):
        def get(self) -> None:
            turns[-1] += 1

    site = serve(("/counted", Counted))
    count = 10 * EVENTS_PER_TURN
    with site.connect() as peer:
        peer.send(get("/gate") + get("/counted") * count)
        site.call(tick)
        site.open_gate()
        assert peer.read_response().body == b"open"
        for _ in range(count):
            assert peer.read_response().status == 200
    site.call(lambda: ticking[0].cancel())
    site.goes_on()
    assert sum(turns) == count and max(turns) <= EVENTS_PER_TURN


def test_there_is_a_bound_on_what_is_held(site: Site) -> None:
    path = "/" + "x" * 8000
    count = 2000
    pending = get("/gate") + get(path) * count
    assert len(pending) > 200 * MAX_BUFFERED
    with site.connect() as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        peer.socket.setblocking(False)
        sent = 0
        # Once the server stops reading, the kernel soon stops taking more.
        while sent < len(pending) and select.select([], [peer.socket], [], 0.5)[1]:
            sent += peer.socket.send(pending[sent : sent + 65536])
        assert sent < 32 * MAX_BUFFERED
        site.goes_on()
        # And where it left off, it goes on.
        peer.socket.settimeout(PATIENCE)
        site.open_gate()
        sender = threading.Thread(target=peer.send, args=[pending[sent:]])
        sender.start()
        assert peer.read_response().body == b"open"
        for _ in range(count):
            assert peer.read_response().body == b"ok"
        sender.join()
    assert len(site.seen) == count + 1


def test_nothing_after_a_rejected_request_runs(site: Site) -> None:
    site.refuses(get("/1") + get("/2") + get("/3", "bad line") + get("/4"), 400, answered=2)
    site.refuses(post("/1", b"x") + get("/2", "Content-Length: x") + get("/4"), 400, answered=1)
    bad_chunk = chunked("/2") + b"x\r\n"
    site.refuses(get("/1") + bad_chunk + get("/4"), 400, answered=1)


def test_a_request_that_is_being_answered_is_not_disturbed_by_a_bad_one_behind_it(
    site: Site,
) -> None:
    with site.connect() as peer:
        peer.send(get("/gate") + get("/bad", "no colon") + SMUGGLED)
        site.goes_on()
        site.open_gate()
        assert peer.read_response().body == b"open"
        response = peer.read_response()
        assert response.status == 400 and response.headers["connection"] == "close"
        peer.ends()
    site.log.at_most_one()
    assert [uri for _, uri, _ in site.seen] == ["/gate"]


def test_nothing_after_a_request_that_closes_the_connection_runs(site: Site) -> None:
    for last in (get("/1", "Connection: close"), get("/1").replace(b"HTTP/1.1", b"HTTP/1.0")):
        with site.connect() as peer:
            peer.send(get("/0") + last + SMUGGLED + SMUGGLED)
            assert peer.read_response().body == b"ok"
            response = peer.read_response()
            assert response.body == b"ok"
            assert response.headers.get("connection") == "close"
            peer.ends()
            peer.try_to_send(SMUGGLED)
        site.goes_on()
    assert [uri for _, uri, _ in site.seen] == ["/0", "/1", "/0", "/1"]


def test_nothing_after_a_request_whose_answer_closes_the_connection_runs(serve: Serve) -> None:
    class Closing(Recorder):
        def get(self, *args: Any) -> Any:
            self.record()
            self.set_header("Connection", "close")
            self.write(b"closing")

    class ClosingLater(Closing):
        async def get(self, *args: Any) -> None:
            await asyncio.sleep(0)
            super().get()

    site = serve(("/closing", Closing), ("/later", ClosingLater))
    for path in ("/closing", "/later"):
        with site.connect() as peer:
            peer.send(get(path) + SMUGGLED)
            response = peer.read_response()
            assert response.body == b"closing" and response.headers["connection"] == "close"
            peer.ends()
            peer.try_to_send(SMUGGLED)
        site.goes_on()
    assert [uri for _, uri, _ in site.seen] == ["/closing", "/later"]


def test_a_failing_handler_does_not_take_what_is_behind_it_along(serve: Serve) -> None:
    class Failing(RequestHandler):
        def get(self) -> None:
            raise ZeroDivisionError

    site = serve(("/failing", Failing))
    with site.connect() as peer:
        peer.send(get("/failing") + get("/behind"))
        assert peer.read_response().status == 500
        assert peer.read_response().body == b"ok"
    site.goes_on()
    errors = [record for record in site.log.take(access=True) if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["tornado.application", "tornado.access"]


def test_pipelined_requests_of_a_peer_that_hung_up(site: Site) -> None:
    for _ in range(5):
        peer = site.connect()
        peer.send(get("/gate") + get("/behind") * 500)
        site.await_gate()
        peer.reset()
        site.goes_on()
        site.open_gate()
        site.goes_on()
