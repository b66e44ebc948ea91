"""The benchmarks' WebSocket clients tell right answers from wrong ones."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

if not hasattr(select, "epoll"):
    pytest.skip("the benchmarks measure on Linux", allow_module_level=True)

from benchmarks.costs import run_costs
from benchmarks.floors import COST_SCENARIOS
from benchmarks.load import LoadError
from benchmarks.measure import Cores, ServerProcess
from benchmarks.runs import Plan
from benchmarks.servers import SERVERS
from benchmarks.sockets import (
    ACCEPT,
    BINARY,
    BROADCAST,
    MASK,
    TEXT,
    Echoes,
    Hearers,
    Idle,
    frame,
    open_socket,
    payload_of,
    split_switched,
)
from benchmarks.tables import cost_table

SWITCHING = b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
PLAN = Plan(
    rounds=1,
    seconds=0.1,
    warm_seconds=0.05,
    scaling_rounds=1,
    idle=5,
    long_seconds=0.1,
    connections=4,
)


@contextmanager
def canned(answer: Callable[[bytes], bytes], opening: bytes = SWITCHING) -> Iterator[int]:
    """A server for one connection that answers what is received by a function; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(ConnectionError):
            connection.recv(65536)
            connection.sendall(opening)
            while data := connection.recv(65536):
                said = answer(data)
                if not said:
                    return
                connection.sendall(said)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(20)
        listener.close()


class TestFrames:
    @pytest.mark.parametrize(
        ("size", "head"),
        [
            (0, b"\x81\x00"),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ],
    )
    def test_heads(self, size: int, head: bytes) -> None:
        payload = payload_of(size)
        assert len(payload) == size
        assert frame(TEXT, payload, masked=False) == head + payload

    @pytest.mark.parametrize("size", [1, 4, 5, 200])
    def test_masked(self, size: int) -> None:
        payload = payload_of(size)
        whole = frame(BINARY, payload, masked=True)
        head = len(whole) - size
        assert whole[head - 4 : head] == MASK
        assert bytes(b ^ MASK[i % 4] for i, b in enumerate(whole[head:])) == payload

    def test_switched(self) -> None:
        assert split_switched(SWITCHING[:-1]) == ([], SWITCHING[:-1])
        (answer,), rest = split_switched(SWITCHING + b"more")
        answer.require(b"")
        assert rest == b"more"


@pytest.mark.parametrize(
    "opening",
    [b"HTTP/1.1 200 OK\r\n\r\n", SWITCHING.replace(ACCEPT, b"x")],
)
def test_no_websocket(opening: bytes) -> None:
    with canned(lambda data: b"", opening) as port, pytest.raises(LoadError):
        open_socket(port, "echo")


RIGHT = frame(TEXT, payload_of(32), masked=False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        RIGHT[:-1] + b"\x00",
        RIGHT.replace(b"\x81", b"\x82"),
        frame(TEXT, payload_of(32)[::-1], masked=False),
        RIGHT + b"x",
    ],
)
def test_wrong_echoes(answer: bytes) -> None:
    with (
        canned(lambda data: answer) as port,
        pytest.raises((LoadError, ConnectionError)),
        Echoes(port, 32, connections=1) as load,
    ):
        load.run(0.05)


def test_right_echoes_of_a_canned_server() -> None:
    with canned(lambda data: RIGHT) as port, Echoes(port, 32, connections=1) as load:
        assert load.run(0.05).requests >= 1


class TestServers:
    @pytest.mark.parametrize("server", ["tornadic", "floor"])
    @pytest.mark.parametrize("size", [32, 8192, 300_000])
    def test_echoes(self, server: str, size: int) -> None:
        with (
            ServerProcess(SERVERS[server], "websocket") as process,
            Echoes(process.port, size, connections=3) as load,
        ):
            assert load.run(0.05).requests >= 3

    def test_hearers_and_idle_ones(self) -> None:
        with ServerProcess(SERVERS["tornadic"], "websocket") as process:
            with Hearers(process.port, 5) as load:
                assert load.run(0.05).requests % 5 == 0
            with Idle(process.port, 5) as idle:
                idle.require_open()

    @pytest.mark.parametrize("name", ["websocket", "websocket-open"])
    def test_one_round(self, name: str) -> None:
        scenario = next(scenario for scenario in COST_SCENARIOS if scenario.name == name)
        scenario = replace(scenario, cases=scenario.cases[:1])
        servers = [SERVERS["tornadic"]]
        costs = run_costs(scenario, servers, PLAN, Cores.choose(), lambda text: None)
        assert costs[scenario.cases[0].name]["tornadic"][0].cpu_us > 0
        assert "Tornadic" in cost_table(scenario, costs)


def test_what_is_broadcast_has_a_kilobyte() -> None:
    assert len(BROADCAST) == 1024
