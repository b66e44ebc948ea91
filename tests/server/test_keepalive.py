"""Which connections persist, and how the others end (RFC 9112 section 9)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.server.peer import PATIENCE, SMUGGLED, get, post, request
from tests.server.support import Recorder, Serve, Site

from tornadic.web import RequestHandler


def head(version: str, *fields: str) -> bytes:
    return get("/", *fields).replace(b"HTTP/1.1", version.encode())


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("HTTP/1.1", []),
        ("HTTP/1.1", ["Connection: keep-alive"]),
        ("HTTP/1.1", ["Connection: Keep-Alive"]),
        ("HTTP/1.1", ["Connection: x, keep-alive"]),
        ("HTTP/1.1", ["Connection: x"]),
        ("HTTP/1.1", ["Connection:"]),
        ("HTTP/1.1", ["Connection: closed"]),
        ("HTTP/1.1", ["Connection: not-close, close-not, clos e"]),
        ("HTTP/1.1", ['Connection: "close"']),
        ("HTTP/1.1", ["Proxy-Connection: close", "Keep-Alive: timeout=0"]),
        ("HTTP/1.1", ["X-Connection: close"]),
        ("HTTP/1.2", []),
        ("HTTP/1.0", ["Connection: keep-alive"]),
        ("HTTP/1.0", ["Connection: KEEP-ALIVE"]),
        ("HTTP/1.0", ["Connection: x,keep-alive"]),
        ("HTTP/1.0", ["Connection: x", "X: y", "connection: keep-alive"]),
        ("HTTP/1.0", ["Connection:\tkeep-alive\t,\tx"]),
    ],
)
def test_connections_that_persist(site: Site, version: str, lines: list[str]) -> None:
    data = head(version, *lines)
    with site.connect() as peer:
        for _ in range(3):
            response = peer.ask(data)
            assert response.status == 200
            assert response.headers.get("connection", "").lower() == (
                "keep-alive" if version == "HTTP/1.0" else ""
            )
    assert len(site.seen) == 3


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("HTTP/1.1", ["Connection: close"]),
        ("HTTP/1.1", ["Connection: CLOSE"]),
        ("HTTP/1.1", ["connection:close"]),
        ("HTTP/1.1", ["Connection: x, close"]),
        ("HTTP/1.1", ["Connection: close,x"]),
        ("HTTP/1.1", ["Connection: ,, close ,"]),
        ("HTTP/1.1", ["Connection: x\t,\tClose\t"]),
        ("HTTP/1.1", ["Connection: keep-alive, close"]),
        ("HTTP/1.1", ["Connection: close, keep-alive"]),
        ("HTTP/1.1", ["Connection: keep-alive", "Connection: close"]),
        ("HTTP/1.1", ["Connection: x", "X: y", "CONNECTION: close"]),
        ("HTTP/1.2", ["Connection: close"]),
        ("HTTP/1.0", []),
        ("HTTP/1.0", ["Connection: close"]),
        ("HTTP/1.0", ["Connection: x"]),
        ("HTTP/1.0", ["Connection: keep-alive, close"]),
        ("HTTP/1.0", ["Connection: keep-alive", "Connection: close"]),
        ("HTTP/1.0", ["Keep-Alive: timeout=5"]),
        ("HTTP/1.0", ["Connection: keepalive"]),
    ],
)
def test_connections_that_close(site: Site, version: str, lines: list[str]) -> None:
    with site.connect() as peer:
        response = peer.ask(head(version, *lines))
        assert response.status == 200
        # To HTTP/1.0 too: what answers is HTTP/1.1, whose connections stay unless they say this.
        assert response.headers.get("connection") == "close"
        peer.ends()
        peer.try_to_send(SMUGGLED)
    site.goes_on()
    assert len(site.seen) == 1


def test_a_connection_closes_after_requests_that_did_not_ask_for_it(site: Site) -> None:
    with site.connect() as peer:
        for _ in range(3):
            assert peer.ask(get("/")).status == 200
        assert peer.ask(get("/", "Connection: close")).status == 200
        peer.ends()


def test_no_keep_alive(serve: Serve) -> None:
    site = serve(no_keep_alive=True)
    for data in (get("/"), post("/", b"x"), head("HTTP/1.0", "Connection: keep-alive")):
        with site.connect() as peer:
            peer.send(data + SMUGGLED)
            response = peer.read_response()
            assert response.status == 200
            assert response.headers.get("connection") == "close"
            peer.ends()
    assert {uri for _, uri, _ in site.seen} == {"/"}


class Various(RequestHandler):
    """Answers in the way that the last part of its path names."""

    def get(self, way: str) -> None:
        if way == "pieces":
            self.write(b"one ")
            self.flush()
            self.write(b"two")
            self.flush()
        elif way.isdigit():
            self.set_status(int(way))
        else:
            self.write(way)

    head = post = get


def test_a_body_in_pieces_is_chunked_or_ends_with_the_connection(serve: Serve) -> None:
    site = serve(("/(.*)", Various))
    with site.connect() as peer:
        for _ in range(2):
            response = peer.ask(get("/pieces"))
            assert response.headers["transfer-encoding"] == "chunked"
            assert response.body == b"one two"
        assert peer.ask(get("/plain")).body == b"plain"
    for lines in ([], ["Connection: keep-alive"]):
        with site.connect() as peer:
            peer.send(get("/pieces", *lines).replace(b"HTTP/1.1", b"HTTP/1.0"))
            response = peer.read_response()
            assert "transfer-encoding" not in response.headers
            # What ends with the connection does not claim that it stays.
            assert response.headers["connection"] == "close"
            assert response.body == b"one two"
    with site.connect() as peer:
        for _ in range(2):
            peer.send(get("/plain", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
            response = peer.read_response()
            assert response.headers["connection"] == "Keep-Alive"
            assert response.headers["content-length"] == "5" and response.body == b"plain"


def test_responses_without_a_body_leave_the_connection_in_step(serve: Serve) -> None:
    site = serve(("/(.*)", Various))
    with site.connect() as peer:
        for _ in range(2):
            response = peer.ask(request("HEAD", "/plain"), "HEAD")
            assert response.status == 200
            response = peer.ask(request("HEAD", "/pieces"), "HEAD")
            assert response.status == 200
            for status in (204, 304, 404, 500, 200):
                assert peer.ask(get(f"/{status}")).status == status
            assert peer.ask(get("/plain")).body == b"plain"
    site.goes_on()
    records = [record for record in site.log.take(access=True) if record.exc_info is not None]
    assert records == []


def test_errors_of_the_application_leave_the_connection_in_step(site: Site) -> None:
    with site.connect() as peer:
        for _ in range(2):
            assert peer.ask(request("BREW", "/")).status == 405
            assert (
                peer.ask(request("PATCH", "/bystander", "Content-Length: 2") + b"xy").status == 405
            )
            assert peer.ask(get("/bystander")).body == b"undisturbed"


# The end of a connection


class Large(RequestHandler):
    """A response that is more than sockets hold."""

    size = 1 << 24

    def get(self) -> None:
        self.write(b"x" * self.size)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_the_whole_response_goes_out_before_the_connection_closes(
    serve: Serve, version: str
) -> None:
    site = serve(("/large", Large))
    data = get("/large", "Connection: close").replace(b"HTTP/1.1", version.encode())
    with site.connect() as peer:
        assert len(peer.ask(data).body) == Large.size
        peer.ends()


def test_a_half_closed_connection_is_answered(site: Site) -> None:
    for data in (get("/"), post("/", b"x"), get("/") * 3):
        with site.connect() as peer:
            peer.send(data)
            peer.half_close()
            assert peer.read_to_end().count(b"HTTP/1.1 200 OK\r\n") == max(data.count(b"GET"), 1)


@pytest.mark.parametrize("size", [1 << 16, 1 << 20, 1 << 24])
def test_a_pipelined_request_does_not_destroy_the_answer_behind_which_the_connection_closes(
    serve: Serve, size: int
) -> None:
    # RFC 9112 section 9.6: closing at once would reset the connection under the answer.
    class Sized(RequestHandler):
        def get(self) -> None:
            self.write(b"x" * size)

    site = serve(("/sized", Sized), no_keep_alive=True)
    with site.connect(receive_buffer=4096) as peer:
        peer.send(get("/sized"))
        status, headers = peer.read_head()
        assert (status, headers["connection"]) == (200, "close")
        assert peer.try_to_send(SMUGGLED)
        assert len(peer.read_exactly(size)) == size
        peer.ends()
    assert site.seen == []


def test_a_connection_that_closes_does_not_wait_for_the_client(serve: Serve) -> None:
    gone = threading.Event()

    class Watched(Recorder):
        def get(self, *args: Any) -> None:
            connection: Any = self.request.connection
            connection.stream.set_close_callback(gone.set)
            super().get()

    site = serve(("/watched", Watched))
    with site.connect() as peer:
        peer.ask(get("/watched", "Connection: close"))
        assert gone.wait(PATIENCE)
