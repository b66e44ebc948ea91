"""Fuzzes the server's reader, and a whole server: see `tests.fuzz.campaign`."""

from __future__ import annotations

from tests.fuzz.campaign import campaign
from tests.fuzz.comparison import compare
from tests.fuzz.reference import Conversation, Limits
from tests.fuzz.serving import Faults, FuzzedServer, run, watched_logs
from tests.http.reading import read

from tornadic.http.reader import ReaderLimits, RequestReader

LIMITS = [
    ReaderLimits(),
    ReaderLimits(max_header_size=600, max_body_size=300, chunk_size=16),
    ReaderLimits(max_header_size=200, max_body_size=5, chunk_size=1),
]


def test_requests_are_read_as_by_the_reference() -> None:
    for grammar in campaign("requests", 0.6):
        data = grammar.stream(of_responses=False)
        pieces = grammar.cut(data)
        limits = grammar.random.choice(LIMITS)
        eof = grammar.random.random() < 0.3
        try:
            check(data, pieces, limits, eof)
        except Exception as e:
            e.add_note(f"check({data!r}, {pieces!r}, {limits!r}, {eof!r})")
            raise


def check(data: bytes, pieces: list[bytes], limits: ReaderLimits, eof: bool) -> None:
    """One stream: whole and in pieces it is the same, and as the reference says."""
    expected = Conversation(data, Limits(limits.max_header_size, limits.max_body_size), eof=eof)
    for way in ([data], pieces):
        reader = RequestReader(limits)
        compare(read(reader, way, eof=eof), expected, reader, eof)


def test_a_server_lives_through_it() -> None:
    with watched_logs() as faults:
        run(attack(faults))


async def attack(faults: Faults) -> None:
    servers = [FuzzedServer(limits) for limits in LIMITS]
    try:
        for count, grammar in enumerate(campaign("server", 0.4)):
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
