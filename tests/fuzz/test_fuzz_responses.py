"""Fuzzes the client's reader, and a whole client: see `tests.fuzz.campaign`."""

from __future__ import annotations

from tests.fuzz.campaign import campaign
from tests.fuzz.comparison import compare
from tests.fuzz.fetching import HostileServer
from tests.fuzz.reference import Conversation, Limits
from tests.fuzz.serving import Faults, run, watched_logs
from tests.http.reading import read

from tornadic.http.reader import ReaderLimits, ResponseReader

LIMITS = [
    ReaderLimits(),
    ReaderLimits(max_header_size=600, max_body_size=300, chunk_size=16),
    ReaderLimits(max_header_size=200, max_body_size=5, chunk_size=1),
]


def test_responses_are_read_as_by_the_reference() -> None:
    for grammar in campaign("responses", 0.1):
        data = grammar.stream(of_responses=True)
        pieces = grammar.cut(data)
        limits = grammar.random.choice(LIMITS)
        method = grammar.random.choice(["GET", "GET", "HEAD", "POST"])
        eof = grammar.random.random() < 0.5
        try:
            check(data, pieces, limits, method, eof)
        except Exception as e:
            e.add_note(f"check({data!r}, {pieces!r}, {limits!r}, {method!r}, {eof!r})")
            raise


def check(data: bytes, pieces: list[bytes], limits: ReaderLimits, method: str, eof: bool) -> None:
    """One stream: whole and in pieces it is the same, and as the reference says."""
    expected = Conversation(
        data,
        Limits(limits.max_header_size, limits.max_body_size),
        methods=[method.encode()],
        eof=eof,
    )
    for way in ([data], pieces):
        reader = ResponseReader(limits, method)
        compare(read(reader, way, eof=eof), expected, reader, eof)


def test_a_client_lives_through_it() -> None:
    with watched_logs() as faults:
        run(endure(faults))


async def endure(faults: Faults) -> None:
    servers = [HostileServer(limits) for limits in LIMITS]
    for server in servers:
        await server.start()
    try:
        for count, grammar in enumerate(campaign("client", 0.3)):
            server = servers[count % len(servers)]
            pieces = grammar.cut(grammar.stream(of_responses=True))
            try:
                await server.check(pieces, grammar.random)
                assert not faults.records, faults.records
            except Exception as e:
                e.add_note(f"{server.limits!r} {server.case!r}")
                raise
    finally:
        for server in servers:
            await server.close()
    assert not faults.records, faults.records
