"""One request and its response, and what comes of it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any

from tests.http1connection.support import Hook, Peer, Taker, client, request, response, run

from tornadic.http1connection import HTTP1Connection, HTTP1ConnectionParameters

LENGTH_3 = "Content-Length: 3"
CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"
PLAIN = response(LENGTH_3, body=b"abc")


TEXT = b"abcde" * 200
PACKED = gzip.compress(TEXT)


def packed(data: bytes, *fields: str) -> bytes:
    return response(GZIP, f"Content-Length: {len(data)}", *fields, body=data)


def params(**options: Any) -> HTTP1ConnectionParameters:
    return HTTP1ConnectionParameters(**options)


@dataclass
class Outcome:
    """What `read_response` came to; ``stream_closed`` is how it left the stream."""

    usable: bool
    taker: Taker
    stream_closed: bool


def exchange(
    data: bytes,
    *,
    method: str = "GET",
    end: bool = False,
    params: HTTP1ConnectionParameters | None = None,
    bytewise: bool = False,
    hooks: dict[str, Hook] | None = None,
) -> Outcome:
    """Ask by ``method``, and read ``data``, after which the server closes if ``end``."""
    outcomes: list[Outcome] = []

    async def main() -> None:
        async with client(params) as (conn, peer):
            outcomes.append(await ask(conn, peer, data, method, end, bytewise, hooks))

    run(main)
    return outcomes[0]


async def ask(
    conn: HTTP1Connection,
    peer: Peer,
    data: bytes,
    method: str = "GET",
    end: bool = False,
    bytewise: bool = False,
    hooks: dict[str, Hook] | None = None,
) -> Outcome:
    taker = Taker(**hooks or {})
    taker.conn = conn
    await request(conn, method)
    conn.finish()
    if bytewise:
        future = conn.read_response(taker)
        await peer.send_bytewise(data, end)
    else:
        peer.send(data, end)
        future = conn.read_response(taker)
    usable = await future
    return Outcome(usable, taker, conn.stream.closed())


def takes(
    outcome: Outcome, body: bytes, usable: bool = True, codes: list[int] | None = None
) -> None:
    """The message came whole, and the stream is open if it is of further use."""
    taker = outcome.taker
    assert (taker.codes, taker.body, taker.ends) == (codes or [200], body, ["finish"])
    assert (outcome.usable, outcome.stream_closed) == (usable, not usable)


def fails(outcome: Outcome, codes: list[int], body: bytes = b"") -> None:
    """The message did not come whole: the delegate knows, and the stream is closed."""
    taker = outcome.taker
    assert (taker.codes, taker.body, taker.ends) == (codes, body, ["closed"])
    assert (outcome.usable, outcome.stream_closed) == (False, True)
