"""A server that is to end: it takes nobody new, answers what has begun, and closes in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.server.peer import PATIENCE, SMUGGLED, Peer, get, post, request
from tests.server.support import Serve, Site

from tornadic.web import RequestHandler


class Stubborn(RequestHandler):
    """Begins to answer and never ends."""

    async def get(self) -> None:
        self.write(b"begun")
        await self.flush()
        self.settings["arrived"].set()
        await asyncio.Event().wait()

    def on_connection_close(self) -> None:
        self.settings["seen"].append(("CLOSED", "", b""))


@pytest.fixture
def site(serve: Serve) -> Iterator[Site]:
    yield serve(("/stubborn", Stubborn))


def drained(site: Site, timeout: float = PATIENCE) -> Any:
    return asyncio.run_coroutine_threadsafe(
        site.server.close_all_connections(timeout=timeout), site._loop
    )


def begin_to_drain(site: Site, timeout: float = PATIENCE) -> Any:
    """Let the server begin; returns once it has stopped to listen."""
    future = drained(site, timeout)
    done = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), site._loop)
    done.result(PATIENCE)
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", site.port), PATIENCE).close()
    return future


def test_nobody_there(site: Site) -> None:
    drained(site).result(PATIENCE)


def test_idle_connections_are_closed(site: Site) -> None:
    with site.connect() as new, site.connect() as used:
        assert used.ask(get("/")).status == 200
        site.goes_on()
        begin_to_drain(site).result(PATIENCE)
        new.ends()
        used.ends()


def test_a_request_in_flight_is_answered_and_is_the_last(site: Site) -> None:
    with site.connect() as peer:
        peer.send(get("/gate"))
        site.await_gate()
        future = begin_to_drain(site)
        peer.send(SMUGGLED)
        site.open_gate()
        response = peer.read_response()
        assert response.body == b"open"
        assert response.headers["connection"] == "close"
        peer.half_close()
        peer.ends()
        future.result(PATIENCE)
    assert [path for _, path, _ in site.seen] == ["/gate"]


@pytest.mark.parametrize("pipelined", [b"", get("/1")])
def test_a_request_that_has_begun_to_come_is_answered(site: Site, pipelined: bytes) -> None:
    whole = post("/", b"hello")
    with site.connect() as head, site.connect() as body:
        for peer, cut in ((head, 20), (body, len(whole) - 1)):
            peer.send(whole[:cut])
        wait_until_read(site)
        future = begin_to_drain(site)
        for peer, cut in ((head, 20), (body, len(whole) - 1)):
            peer.send(whole[cut:] + pipelined)
            response = peer.read_response()
            assert response.body == b"hello"
            assert response.headers["connection"] == "close"
            peer.half_close()
            peer.ends()
        future.result(PATIENCE)
    assert "/1" not in [path for _, path, _ in site.seen]


def wait_until_read(site: Site) -> None:
    """What other connections sent before is read when a later request is answered."""
    with site.connect() as peer:
        assert peer.ask(get("/bystander", "Connection: close")).status == 200


def test_requests_that_wait_for_their_turn_are_not_begun(site: Site) -> None:
    with site.connect() as peer:
        peer.send(get("/gate") + get("/1") + get("/2"))
        site.await_gate()
        future = begin_to_drain(site)
        site.open_gate()
        assert peer.read_response().headers["connection"] == "close"
        peer.half_close()
        peer.ends()
        future.result(PATIENCE)
    assert [path for _, path, _ in site.seen] == ["/gate"]


def test_an_answer_that_is_not_read_is_sent_to_its_end(serve: Serve) -> None:
    class Large(RequestHandler):
        def get(self) -> None:
            self.write(b"x" * 5_000_000)

    site = serve(("/large", Large))
    with site.connect(receive_buffer=4096) as peer:
        peer.send(get("/large"))
        assert peer.hears(PATIENCE)
        future = begin_to_drain(site)
        assert len(peer.read_response().body) == 5_000_000
        peer.ends()
        future.result(PATIENCE)


def test_what_does_not_end_is_closed_in_time(site: Site) -> None:
    with site.connect() as stubborn, site.connect() as polite:
        stubborn.send(get("/stubborn"))
        site.await_gate()
        polite.send(request("POST", "/", "Content-Length: 5"))
        wait_until_read(site)
        begin_to_drain(site, timeout=0.1).result(PATIENCE)
        assert stubborn.is_cut().endswith(b"5\r\nbegun\r\n")
        assert polite.is_cut() == b""
    assert ("CLOSED", "", b"") in site.seen


def test_without_a_time_nothing_is_waited_for(site: Site) -> None:
    with site.connect() as peer:
        peer.send(get("/stubborn"))
        site.await_gate()
        drained(site, timeout=0).result(PATIENCE)
        peer.is_cut()
    # Only closed, not stopped.
    with Peer(site.port) as peer:
        assert peer.ask(get("/")).status == 200


def test_twice_at_once(site: Site) -> None:
    with site.connect() as peer:
        peer.send(get("/gate"))
        site.await_gate()
        futures = [begin_to_drain(site), drained(site)]
        site.open_gate()
        assert peer.read_response().status == 200
        peer.half_close()
        for future in futures:
            future.result(PATIENCE)
