"""Fuzzes the server's reader, and a whole server: see `tests.fuzz.campaign`."""

from __future__ import annotations

import pytest
from tests.fuzz.campaign import campaign
from tests.fuzz.comparison import compare, messages_of
from tests.fuzz.reference import Conversation, Limits
from tests.fuzz.serving import Faults, FuzzedServer, run, watched_logs
from tests.fuzz.sloppy import Habits, requests_of
from tests.http.reading import read

from tornadic.http.reader import ReaderLimits, RequestReader

LIMITS = [
    ReaderLimits(),
    ReaderLimits(max_header_size=600, max_body_size=300, chunk_size=16),
    ReaderLimits(max_header_size=200, max_body_size=5, chunk_size=1),
]


def test_requests_are_read_as_by_the_reference() -> None:
    for grammar in campaign("requests", 0.3):
        data = grammar.stream(of_responses=False)
        pieces = grammar.cut(data)
        limits = grammar.random.choice(LIMITS)
        eof = grammar.random.random() < 0.3
        habits = Habits.of(grammar.random)
        try:
            check(data, pieces, limits, eof)
            check_nobody_understands_it_otherwise(data, habits)
        except Exception as e:
            e.add_note(f"check({data!r}, {pieces!r}, {limits!r}, {eof!r}) {habits!r}")
            raise


def check(data: bytes, pieces: list[bytes], limits: ReaderLimits, eof: bool) -> None:
    """One stream: whole and in pieces it is the same, and as the reference says."""
    expected = Conversation(data, Limits(limits.max_header_size, limits.max_body_size), eof=eof)
    for way in ([data], pieces):
        reader = RequestReader(limits)
        compare(read(reader, way, eof=eof), expected, reader, eof)


def check_nobody_understands_it_otherwise(data: bytes, habits: Habits) -> None:
    """What our reader takes to its end has the same meaning for a reader that forgives much."""
    reading = read(RequestReader(ReaderLimits()), [data])
    found = messages_of(reading)
    if reading.error is None and not reading.rest and all(one.complete for one in found):
        ours = []
        for one in found:
            method, target, _ = (str(part).encode("latin-1") for part in one.head.start_line)
            ours.append((method, target, one.body))
        assert requests_of(data, habits) == ours, "there is more than one way to read this"


def test_a_server_lives_through_it() -> None:
    with watched_logs() as faults:
        run(attack(faults))


HOST = b"Host: a\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        # A log line with what some take for a line end.
        b"GET /a\x85b HTTP/1.1\r\n" + HOST,
        b"BREW /a\x85b HTTP/1.1\r\n" + HOST,
        b"GET /a?b=\x85 HTTP/1.1\r\n" + HOST,
        b"GET /a HTTP/1.1\r\nHost: \x85\r\n\r\n",
        # Hosts that the standard library chokes on.
        b"GET /a HTTP/1.1\r\nHost: [:ce:1]:80\r\n\r\n",
        b"GET http://[:ce:1]:80/ HTTP/1.1\r\n" + HOST,
        # An expected body that is here, and is none.
        b"PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n"
        + HOST
        + b"0\r\n\r\nGET / HTTP/1.1\r\n"
        + HOST,
        # A condition in small letters behind what the reader knows.
        (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        + b"GET /a HTTP/1.1\r\nHost: a\r\nif-none-match: *\r\n\r\n",
    ],
)
def test_what_was_found_before(data: bytes) -> None:
    async def main() -> None:
        server = FuzzedServer(ReaderLimits())
        try:
            for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
                await server.check(data, pieces)
        finally:
            await server.close()

    with watched_logs() as faults:
        run(main())
    assert not faults.records


async def attack(faults: Faults) -> None:
    servers = [FuzzedServer(limits) for limits in LIMITS]
    try:
        for count, grammar in enumerate(campaign("server", 0.3)):
            server = servers[count % len(servers)]
            data = grammar.stream(of_responses=False)
            pieces = grammar.cut(data)
            try:
                await server.check(data, pieces)
                if count % 20 < len(servers):
                    await server.serves_others()
                assert not faults.records, faults.records
            except Exception as e:
                e.add_note(f"{server.limits!r} {data!r}, {pieces!r}, seen: {server.seen!r}")
                raise
        for server in servers:
            await server.serves_others()
    finally:
        for server in servers:
            await server.close()
    assert not faults.records, faults.records
