"""Framing, time and memory: each limit of a request at its bound and one beyond."""

from __future__ import annotations

from typing import Any

import pytest
from tests.server.peer import HOST, SMUGGLED, Peer, chunked, get, post, request
from tests.server.support import Recorder, Serve, Site

from tornadic.http.headers import MAX_HEADERS
from tornadic.http.reader import DEFAULT_MAX_BODY_SIZE, DEFAULT_MAX_HEADER_SIZE
from tornadic.web import stream_request_body


def head_of(size: int, fields: int = 1) -> bytes:
    """A GET request of ``size`` bytes, its filling in so many fields."""
    names = b"".join([b"X%d: \r\n" % i for i in range(fields - 1)])
    begin = b"GET / HTTP/1.1\r\n" + HOST + names + b"Filling: "
    return begin + b"x" * (size - len(begin) - 4) + b"\r\n\r\n"


def target_of(size: int) -> bytes:
    """A GET request of ``size`` bytes, its filling in the target."""
    end = b" HTTP/1.1\r\n" + HOST + b"\r\n"
    return b"GET /" + b"x" * (size - 5 - len(end)) + end


# The head


@pytest.mark.parametrize("make", [head_of, target_of, lambda size: head_of(size, 20)])
def test_head_over_max_header_size(serve: Serve, make: Any) -> None:
    site = serve(max_header_size=1000)
    assert site.accepts(make(1000)).status == 200
    site.refuses(make(1001), 431)
    site.refuses(make(1001), 431, bytewise=True)
    site.refuses(make(5000), 431)


def test_head_over_max_header_size_of_a_server_with_nothing_set(site: Site) -> None:
    assert DEFAULT_MAX_HEADER_SIZE == 65536
    assert site.accepts(head_of(DEFAULT_MAX_HEADER_SIZE)).status == 200
    site.refuses(head_of(DEFAULT_MAX_HEADER_SIZE + 1), 431)
    assert site.accepts(target_of(DEFAULT_MAX_HEADER_SIZE)).status == 200
    site.refuses(target_of(DEFAULT_MAX_HEADER_SIZE + 1), 431)


def test_head_at_max_header_size_with_requests_around_it(serve: Serve) -> None:
    site = serve(max_header_size=1000)
    with site.connect() as peer:
        # Only the head counts, not the body before it or the requests behind it.
        peer.send(post("/", b"b" * 5000) + head_of(1000) + post("/", b"b" * 5000) + get("/"))
        assert [len(peer.read_response().body) for _ in range(4)] == [5000, 2, 5000, 2]
    site.refuses(post("/", b"b" * 5000) + head_of(1001), 431, answered=1)


def test_head_without_an_end(serve: Serve) -> None:
    site = serve(max_header_size=1000)
    for endless in (b"G" * 5000, b"GET /" + b"x" * 5000, get("/")[:-2] + b"X: y\r\n" * 1000):
        site.goes_on()
        with site.connect() as peer:
            assert peer.ask(endless).status == 431
            peer.ends()
        site.log.at_most_one()
    # The bound itself can still be met by what comes next; one byte more cannot.
    whole = head_of(1000)
    with site.connect() as peer:
        peer.send(whole[:-1])
        site.goes_on()
        assert peer.ask(whole[-1:]).status == 200
        peer.send(b"x" * 1000)
        assert peer.read_response().status == 431
        peer.ends()
    site.log.at_most_one()


def test_a_line_that_comes_in_fragments_forever(serve: Serve) -> None:
    site = serve(max_header_size=20_000)
    site.refuses(get("/")[:-2] + b"X: " + b"y" * 20_000, 431, bytewise=True)


def test_too_many_headers(site: Site) -> None:
    # Host is one of them.
    for line in ("X: y", "X-{}: y"):
        lines = [line.format(i) for i in range(MAX_HEADERS)]
        assert site.accepts(get("/", *lines[1:])).status == 200
        site.refuses(get("/", *lines), 431)
    site.refuses(get("/", *["X:"] * 10_000), 431)


# The body


def test_body_over_max_body_size_by_its_length(serve: Serve) -> None:
    site = serve(max_body_size=1000)
    assert site.accepts(post("/", b"x" * 1000)).body == b"x" * 1000
    site.refuses(post("/", b"x" * 1001), 413)
    # Nobody waits for the body to come.
    site.refuses(request("POST", "/", "Content-Length: 1001"), 413)
    site.refuses(request("POST", "/", "Content-Length: 99999999999"), 413)
    site.refuses(request("GET", "/", "Content-Length: 1001"), 413)


def test_body_over_max_body_size_in_chunks(serve: Serve) -> None:
    site = serve(max_body_size=1000)
    last = b"0\r\n\r\n"
    full = b"64\r\n" + b"x" * 100 + b"\r\n"
    assert site.accepts(chunked("/") + full * 10 + last).body == b"x" * 1000
    assert site.accepts(chunked("/") + b"3e8\r\n" + b"x" * 1000 + b"\r\n" + last).status == 200
    site.refuses(chunked("/") + full * 10 + b"1\r\nx\r\n" + last, 413)
    site.refuses(chunked("/") + b"3e9\r\n" + b"x" * 1001 + b"\r\n" + last, 413)
    site.refuses(chunked("/") + full * 100, 413)


def test_chunk_over_max_body_size_before_it_comes(serve: Serve) -> None:
    site = serve(max_body_size=1000)
    site.refuses(chunked("/") + b"3e9\r\n", 413)
    site.refuses(chunked("/") + b"1\r\nx\r\n3e8\r\n", 413)


def test_body_over_max_body_size_of_a_server_with_nothing_set(site: Site) -> None:
    assert DEFAULT_MAX_BODY_SIZE == 104857600
    site.refuses(request("POST", "/", f"Content-Length: {DEFAULT_MAX_BODY_SIZE + 1}"), 413)
    with site.connect() as peer:
        head = request("POST", "/", "Expect: 100-continue", "Content-Length: 104857600")
        assert peer.ask(head).status == 100


def test_body_of_which_nothing_is_allowed(serve: Serve) -> None:
    site = serve(max_body_size=0)
    assert site.accepts(get("/")).status == 200
    assert site.accepts(post("/", b"")).status == 200
    assert site.accepts(chunked("/") + b"0\r\n\r\n").status == 200
    site.refuses(post("/", b"x"), 413)
    site.refuses(chunked("/") + b"1\r\nx\r\n0\r\n\r\n", 413)


def test_a_body_may_be_larger_than_max_buffer_size(serve: Serve) -> None:
    # The buffer holds what was not handed on yet, and a body is handed on as it comes.
    site = serve(max_buffer_size=1000)
    assert site.accepts(post("/", b"x" * 5000)).body == b"x" * 5000


@stream_request_body
class Sized(Recorder):
    """Streams a body for which it sets a limit of its own."""

    def prepare(self) -> None:
        self.size = 0
        connection: Any = self.request.connection
        connection.set_max_body_size(int(self.get_query_argument("limit")))

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def post(self) -> None:
        self.record()
        self.write(str(self.size))


@pytest.mark.parametrize("limit", [10, 1000, 5000])
def test_body_over_the_limit_that_a_handler_sets(serve: Serve, limit: int) -> None:
    site = serve(("/sized", Sized), max_body_size=1000)
    path = f"/sized?limit={limit}"
    most = b"%x\r\n%b\r\n" % (limit, b"x" * limit)
    last = b"0\r\n\r\n"
    assert site.accepts(post(path, b"x" * limit)).body == b"%d" % limit
    assert site.accepts(chunked(path) + most + last).body == b"%d" % limit
    site.refuses(post(path, b"x" * (limit + 1)), 413)
    site.refuses(chunked(path) + most + b"1\r\nx\r\n" + last, 413)


def test_the_limit_that_a_handler_sets_is_for_one_request(serve: Serve) -> None:
    site = serve(("/sized", Sized), max_body_size=1000)
    with site.connect() as peer:
        assert peer.ask(post("/sized?limit=5000", b"x" * 5000)).body == b"5000"
        assert peer.ask(post("/sized?limit=1", b"x")).body == b"1"
        assert peer.ask(post("/", b"x" * 1000)).body == b"x" * 1000
    site.refuses(post("/sized?limit=5000", b"x" * 5000) + post("/", b"x" * 1001), 413, answered=1)


def test_a_refused_peer_gets_to_read_the_answer_though_it_goes_on_sending(serve: Serve) -> None:
    # RFC 9112 section 9.6: a reset would take the answer away.
    site = serve(max_body_size=1000)
    with site.connect() as peer:
        peer.send(request("POST", "/", "Content-Length: 500000"))
        for _ in range(5):
            peer.send(b"x" * 100_000)
        response = peer.read_response()
        assert response.status == 413 and response.headers["connection"] == "close"
        peer.ends()
        peer.try_to_send(SMUGGLED)
    site.log.at_most_one()
    site.goes_on()
    assert site.seen == []


def send_until_cut(peer: Peer) -> int:
    """Send for as long as the server takes it, and say how much that was."""
    sent = 0
    while sent < 1 << 28 and peer.try_to_send(b"x" * 65536):
        sent += 65536
    return sent


def test_a_refused_peer_that_sends_forever_is_cut_off(site: Site) -> None:
    with site.connect() as peer:
        peer.send(b"no request\r\n\r\n")
        assert send_until_cut(peer) < 1 << 24
    site.log.at_most_one()
    site.goes_on()


def test_a_handler_is_not_run_for_a_body_that_was_refused(serve: Serve) -> None:
    events: list[str] = []

    @stream_request_body
    class Streaming(Recorder):
        def prepare(self) -> None:
            events.append("prepare")

        def data_received(self, chunk: bytes) -> None:
            events.append("data")

        def post(self) -> None:
            events.append("post")

        def on_connection_close(self) -> None:
            events.append("close")

    site = serve(("/streaming", Streaming), max_body_size=10)
    site.refuses(post("/streaming", b"x" * 11), 413)
    assert events == ["prepare", "close"]
    events.clear()
    site.refuses(chunked("/streaming") + b"a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", 413)
    assert events[0] == "prepare" and events[-1] == "close"
    assert "post" not in events
