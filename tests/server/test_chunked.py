"""Framing and smuggling: bodies that come in chunks."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.server.peer import SMUGGLED, chunked, get
from tests.server.support import Serve, Site

from tornadic.http.headers import MAX_HEADERS
from tornadic.http.reader import MAX_CHUNK_LINE
from tornadic.http1connection.connection import EVENTS_PER_TURN
from tornadic.web import RequestHandler, stream_request_body

LAST = b"0\r\n\r\n"


def one_byte_chunks(count: int) -> bytes:
    return b"1\r\nx\r\n" * count


@pytest.mark.parametrize(
    "size",
    [
        b"0x3",
        b"0X3",
        b"+3",
        b"-3",
        b"-0",
        b"1_0",
        b"",
        b" 3",
        b"3 ",
        b"\t3",
        b"3\t",
        b"3 3",
        b"3.",
        b"3h",
        b"g",
        b"3,",
        b"\xb3",
        b"\xd9\xa3",
        b"3\x00",
        b"\x003",
        b"3\x0b",
        b"three",
        b'"3"',
        b" ",
        b"ffffffffffffffff1",  # beyond 64 bits
        b"10000000000000003",
        b"0" * 16 + b"3",
        b"0" * 100 + b"3",
    ],
)
def test_chunk_size_malformed(site: Site, size: bytes) -> None:
    site.refuses(chunked("/") + size + b"\r\nabc\r\n" + LAST, 400)
    site.refuses(chunked("/") + b"1\r\na\r\n" + size + b"\r\nabc\r\n" + LAST, 400)


def test_chunk_size_of_16_digits_and_of_17(site: Site) -> None:
    assert site.accepts(chunked("/") + b"0" * 15 + b"3\r\nabc\r\n" + LAST).body == b"abc"
    assert site.accepts(chunked("/") + b"3\r\nabc\r\n" + b"0" * 16 + b"\r\n\r\n").body == b"abc"
    site.refuses(chunked("/") + b"0" * 16 + b"3\r\nabc\r\n" + LAST, 400)
    site.refuses(chunked("/") + b"3\r\nabc\r\n" + b"0" * 17 + b"\r\n\r\n", 400)


@pytest.mark.parametrize("size", [b"ffffffffffffffff", b"8000000000000000", b"7fffffffffffffff"])
def test_chunk_size_that_overflows_what_a_body_may_be(site: Site, size: bytes) -> None:
    # There is nothing to wait for: such a chunk can only end in a refusal.
    site.refuses(chunked("/") + size + b"\r\n", 413)


def test_chunk_sizes_in_any_case_and_with_leading_zeros(site: Site) -> None:
    data = chunked("/") + b"A\r\n0123456789\r\n0a\r\n0123456789\r\n00000\r\n\r\n"
    assert site.accepts(data).body == b"0123456789" * 2


@pytest.mark.parametrize(
    "behind", [b"", b"\n", b"\r", b"\n\r", b"\r\r\n", b" \r\n", b"d\r\n", b"xx"]
)
def test_chunk_data_not_followed_by_crlf(site: Site, behind: bytes) -> None:
    site.refuses(chunked("/") + b"3\r\nabc" + behind + LAST, 400)


@pytest.mark.parametrize(
    "line",
    [
        b"3\n",
        b"3\r",
        b"3\n\r\n",
        b"3\r\r\n",
        b"\n3\r\n",
        b"3;a\n\r\n",
        b"3;a\nb\r\n",
        b"3;a\rb\r\n",
        b"3;a\r\r\n",
        b"3;\x00\r\n",
        b"3;a=\x01\r\n",
        b"3;a\x7f\r\n",
        b"3;\n\r\n",
        b"3 ;a\n\r\n",
    ],
)
def test_bare_lf_or_cr_as_line_end_or_inside_an_extension(site: Site, line: bytes) -> None:
    site.refuses(chunked("/") + line + b"abc\r\n" + LAST, 400)
    site.refuses(chunked("/") + line + b"abc\r\n" + LAST, 400, bytewise=True)
    # RFC 9112's example of a proxy that takes the LF in an extension for the line's end.
    inner = b"2;\nxx\r\n45\r\n0\r\n\r\n"
    site.refuses(chunked("/") + inner, 400)


@pytest.mark.parametrize(
    "end", [b"0\n\n", b"0\r\n\n", b"0\n\r\n", b"0\r\r", b"0\r\n\r\r\n", b"0;\n"]
)
def test_last_chunk_with_bare_line_ends(site: Site, end: bytes) -> None:
    site.refuses(chunked("/") + b"3\r\nabc\r\n" + end, 400)


def test_chunk_extensions_are_passed_over(site: Site) -> None:
    data = b'3;a\r\nabc\r\n3;a=b;c="d e"\r\ndef\r\n1;\tx=\xe9\r\ng\r\n0;last\r\n\r\n'
    assert site.accepts(chunked("/") + data).body == b"abcdefg"
    site.refuses(chunked("/") + b"3;" + b"a" * 10 + b"\r\nabcX\r\n" + LAST, 400)


def test_chunk_line_at_its_longest_and_beyond(site: Site) -> None:
    for line in (b"3;", b"0003;x="):
        longest = line + b"a" * (MAX_CHUNK_LINE - len(line))
        assert site.accepts(chunked("/") + longest + b"\r\nabc\r\n" + LAST).body == b"abc"
        site.refuses(chunked("/") + longest + b"a\r\nabc\r\n" + LAST, 400)
        site.refuses(chunked("/") + longest + b"a\r\nabc\r\n" + LAST, 400, bytewise=True)


def test_chunk_line_that_never_ends(site: Site) -> None:
    site.refuses(chunked("/") + b"3;" + b"a" * 100_000, 400)
    site.refuses(chunked("/") + b"0" * 100_000, 400)


def test_endless_extensions(serve: Serve) -> None:
    site = serve(max_header_size=1000)
    # Every extension counts with its semicolon.
    chunk = b"1;" + b"e" * 99 + b"\r\nx\r\n"
    assert site.accepts(chunked("/") + chunk * 10 + LAST).body == b"x" * 10
    site.refuses(chunked("/") + chunk * 10 + b"1;\r\nx\r\n" + LAST, 400)


@pytest.mark.parametrize(
    "trailer",
    [
        b"no colon",
        b"X : y",
        b" X: y",
        b"X: y\r\n folded",
        b": y",
        b"X: a\nb",
        b"X: a\rb",
        b"X: \x00",
        b"X(: y",
        SMUGGLED[:-4],
    ],
)
def test_trailers_malformed(site: Site, trailer: bytes) -> None:
    site.refuses(chunked("/") + b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n", 400)
    site.refuses(chunked("/") + b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n", 400, bytewise=True)


class Fields(RequestHandler):
    def post(self) -> None:
        self.write(",".join(sorted(name for name, _ in self.request.headers.get_all())))


def test_trailers_are_no_headers_and_frame_nothing(serve: Serve) -> None:
    site = serve(("/fields", Fields))
    trailers = b"Content-Length: 50\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nX: y\r\n"
    response = site.accepts(chunked("/fields") + b"1\r\nx\r\n0\r\n" + trailers + b"\r\n")
    assert response.body == b"Host,Transfer-Encoding"


def test_endless_trailers(serve: Serve) -> None:
    site = serve(max_header_size=1000)
    fits = b"X: " + b"y" * (1000 - 3 - 4)
    assert site.accepts(chunked("/") + b"0\r\n" + fits + b"\r\n\r\n").body == b"ok"
    site.refuses(chunked("/") + b"0\r\n" + fits + b"y\r\n\r\n", 431)
    site.refuses(chunked("/") + b"0\r\n" + fits + b"yyyy", 431)
    site.refuses(chunked("/") + b"0\r\n" + b"X: y\r\n" * 1000, 431)


def test_too_many_trailers(site: Site) -> None:
    most = b"X: y\r\n" * MAX_HEADERS
    assert site.accepts(chunked("/") + b"0\r\n" + most + b"\r\n").body == b"ok"
    site.refuses(chunked("/") + b"0\r\n" + most + b"X: y\r\n\r\n", 431)


def test_chunks_however_they_are_cut(site: Site) -> None:
    data = chunked("/") + b"3;x=y\r\nabc\r\n0003\r\ndef\r\n0\r\nX: y\r\n\r\n"
    with site.connect() as peer:
        peer.send_bytewise(data + data)
        assert peer.read_response().body == peer.read_response().body == b"abcdef"
        assert peer.ask(get("/bystander")).status == 200


def test_nothing_is_run_of_what_follows_a_body_with_a_bad_chunk(site: Site) -> None:
    good = chunked("/") + b"3\r\nabc\r\n" + LAST
    site.refuses(good + good + chunked("/") + b"3\r\nabcd\r\n" + LAST, 400, answered=2)


def test_a_chunked_body_cut_short_is_an_error(site: Site) -> None:
    whole = chunked("/") + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    for cut in (1, 2, 4, 8, 11, 13, 17, 18):
        with site.connect() as peer:
            peer.send(whole[:-cut])
            peer.half_close()
            assert peer.is_cut() == b""
        site.goes_on()
    assert site.seen == []


# Millions of one-byte chunks


@stream_request_body
class Turns(RequestHandler):
    """Counts, for each turn of the loop, how many pieces it was given."""

    def prepare(self) -> None:
        self.size = 0
        self.turn = 0
        self.pieces: list[int] = [0]
        self.ticking: asyncio.Handle | None = None
        self.tick()

    def tick(self) -> None:
        self.pieces.append(0)
        self.ticking = asyncio.get_running_loop().call_soon(self.tick)

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.pieces[-1] += 1

    def post(self) -> None:
        assert self.ticking is not None
        self.ticking.cancel()
        self.write({"size": self.size, "most": max(self.pieces)})


def test_one_byte_chunks_are_bounded_work_in_each_turn(serve: Serve) -> None:
    site = serve(("/turns", Turns))
    with site.connect() as peer:
        # Behind a request that waits, the chunks are here already when they may be read.
        peer.send(get("/gate") + chunked("/turns") + one_byte_chunks(10_000) + LAST)
        site.open_gate()
        assert peer.read_response().body == b"open"
        answer = json.loads(peer.read_response().body)
    assert answer["size"] == 10_000
    assert 0 < answer["most"] <= EVENTS_PER_TURN


def test_millions_of_one_byte_chunks_do_not_starve_others(site: Site) -> None:
    with site.connect() as peer, site.connect() as other:
        peer.send(chunked("/"))
        for _ in range(20):
            # A few turns' worth each time; the other is answered in between.
            peer.send(one_byte_chunks(10_000))
            assert other.ask(get("/bystander")).status == 200
        assert peer.ask(LAST).body == b"x" * 200_000
