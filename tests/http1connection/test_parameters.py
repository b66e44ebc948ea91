"""The parameters of a connection: what they are by default, and what a bound of nothing means."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from tests.http1connection.support import OK, Program, post, run, served
from tests.server.logs import Log

from tornadic.http1connection import HTTP1ConnectionParameters

DEFAULTS = {
    "no_keep_alive": False,
    "chunk_size": 65536,
    "max_header_size": 65536,
    "header_timeout": None,
    "max_body_size": 104857600,
    "body_timeout": None,
    "decompress": False,
    "write_timeout": None,
}


def values(params: HTTP1ConnectionParameters) -> dict[str, Any]:
    return {name: getattr(params, name) for name in DEFAULTS}


def test_the_defaults_are_finite() -> None:
    assert values(HTTP1ConnectionParameters()) == DEFAULTS
    assert values(HTTP1ConnectionParameters(chunk_size=None, max_body_size=None)) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_keep_alive", True),
        ("chunk_size", 1),
        ("max_header_size", 1),
        ("header_timeout", 0.5),
        ("max_body_size", 0),
        ("max_body_size", 1),
        ("body_timeout", 1.5),
        ("decompress", True),
        ("write_timeout", math.inf),
    ],
)
def test_each_can_be_given(name: str, value: Any) -> None:
    given: dict[str, Any] = {name: value}
    assert values(HTTP1ConnectionParameters(**given)) == DEFAULTS | given


def test_their_order_is_the_documented_one() -> None:
    params = HTTP1ConnectionParameters(True, 1, 2, 3.0, 4, 5.0, True, 6.0)
    assert list(values(params).values()) == [True, 1, 2, 3.0, 4, 5.0, True, 6.0]
    assert list(inspect.signature(HTTP1ConnectionParameters).parameters) == list(DEFAULTS)


def test_a_program_may_keep_its_own_attributes_with_them() -> None:
    params: Any = HTTP1ConnectionParameters()
    params.label = "mine"
    assert params.label == "mine"


@pytest.mark.parametrize("name", ["chunk_size", "max_header_size"])
def test_no_size_is_the_default_size(name: str) -> None:
    given: dict[str, Any] = {name: 0}
    assert values(HTTP1ConnectionParameters(**given)) == DEFAULTS


@pytest.mark.parametrize("body", [b"", b"a"])
def test_a_body_of_no_bytes_is_all_that_may_come(log: Log, body: bytes) -> None:
    async def main() -> None:
        async with served(Program(), HTTP1ConnectionParameters(max_body_size=0)) as (_, peer):
            peer.send(post("/", body))
            if body:
                await peer.reads_refusal(413)
            else:
                await peer.reads(OK)

    run(main)
    if body:
        log.one("too long")


def test_what_is_changed_later_holds_for_connections_made_later(log: Log) -> None:
    async def main() -> None:
        params = HTTP1ConnectionParameters()
        params.max_body_size = 2
        async with served(Program(), params) as (_, peer):
            peer.send(post("/", b"abc"))
            await peer.reads_refusal(413)

    run(main)
    log.one("too long")


@pytest.mark.parametrize("name", ["header_timeout", "body_timeout", "write_timeout"])
def test_the_shortest_time_is_what_a_sweeper_goes_by(name: str) -> None:
    given: dict[str, Any] = {name: 0.5}
    assert HTTP1ConnectionParameters(**given).shortest_timeout == 0.5


def test_the_shortest_time_of_several() -> None:
    assert HTTP1ConnectionParameters().shortest_timeout == 30.0
    assert HTTP1ConnectionParameters(header_timeout=math.inf).shortest_timeout == 60.0
    params = HTTP1ConnectionParameters(header_timeout=3.0, body_timeout=2.0, write_timeout=4.0)
    assert params.shortest_timeout == 2.0
    lifted = HTTP1ConnectionParameters(
        header_timeout=math.inf, body_timeout=math.inf, write_timeout=math.inf
    )
    assert lifted.shortest_timeout == math.inf
