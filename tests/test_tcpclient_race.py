"""The race of the addresses alone: who is tried when, and who is closed.  No sockets, no clocks."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from tests.iostream.support import run, turns
from tests.resolving import timers

from tornadic.iostream import StreamClosedError
from tornadic.tcpclient import _Connector, _format_addr

V4, V6 = socket.AF_INET, socket.AF_INET6

# Time is not what this is about.
LONG = 3600.0


class Attempt:
    """A stream that does as it is told, in the place of one that connects."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        self.closed = True

    async def succeed(self) -> None:
        self.future.set_result(self)
        await turns(2)

    async def fail(self) -> None:
        self.closed = True
        self.future.set_exception(ConnectionRefusedError(self.address))
        await turns(2)


class Race:
    """A race of addresses, the lower-case letters of one family and the others of another."""

    def __init__(
        self, addresses: str, timeout: float | None = LONG, impossible: str = "", **more: Any
    ) -> None:
        self.impossible = impossible
        self.attempts: dict[str, Attempt] = {}
        self.connector = _Connector([(one.islower() + 1, one) for one in addresses], self._connect)
        self.future: asyncio.Future[Any] = self.connector.start(timeout, **more)

    def _connect(self, family: int, address: str) -> Any:
        assert address not in self.attempts
        if address in self.impossible:
            raise OSError(address)
        attempt = self.attempts[address] = Attempt(address)
        return attempt, attempt.future

    def __getitem__(self, address: str) -> Attempt:
        return self.attempts[address]

    @property
    def running(self) -> str:
        """The addresses that are being tried, in the order in which they were begun."""
        return "".join(name for name, one in self.attempts.items() if not one.future.done())

    def is_over(self, winner: str = "") -> bool:
        """Whether every stream is closed but the winner's."""
        open_ones = [name for name, one in self.attempts.items() if not one.closed]
        return self.future.done() and open_ones == list(winner)


def test_the_first_address_goes_first() -> None:
    async def main() -> None:
        race = Race("abCD")
        assert race.running == "a"
        await race["a"].succeed()
        assert race.future.result() == (2, "a", race["a"])
        assert race.is_over("a")

    run(main)


def test_the_other_family_joins_when_it_fails() -> None:
    async def main() -> None:
        race = Race("abCD")
        await race["a"].fail()
        assert race.running == "bC"
        await race["C"].fail()
        assert race.running == "bD"
        await race["D"].succeed()
        assert race.future.result() == (1, "D", race["D"])
        assert race.is_over("D")

    run(main)


def test_the_other_family_joins_when_it_does_not_answer() -> None:
    async def main() -> None:
        race = Race("abCD")
        race.connector.on_timeout()
        assert race.running == "aC"
        await race["a"].succeed()
        assert race.future.result()[1] == "a"
        assert race["C"].closed

    run(main)


def test_families_may_be_mixed_up() -> None:
    async def main() -> None:
        race = Race("aCbD")
        race.connector.on_timeout()
        assert race.running == "aC"
        await race["a"].fail()
        await race["C"].fail()
        assert race.running == "bD"

    run(main)


def test_who_does_not_answer_gets_more_and_more_company() -> None:
    async def main() -> None:
        race = Race("abcDE")
        for expected in ("aD", "aDb", "aDbE", "aDbEc", "aDbEc"):
            race.connector.on_timeout()
            assert race.running == expected
        await race["b"].succeed()
        assert race.is_over("b")

    run(main)


def test_one_family_alone() -> None:
    async def main() -> None:
        race = Race("abc")
        race.connector.on_timeout()
        assert race.running == "a"  # as with Tornado
        race.connector.on_timeout()
        assert race.running == "ab"
        await race["a"].fail()
        assert race.running == "bc"

    run(main)


def test_all_fail() -> None:
    async def main() -> None:
        race = Race("abC")
        await race["a"].fail()
        await race["C"].fail()
        assert not race.future.done()
        await race["b"].fail()
        assert isinstance(race.future.exception(), ConnectionRefusedError)
        assert str(race.future.exception()) == "b"

    run(main)


def test_when_all_in_flight_have_failed_the_rest_has_its_turn() -> None:
    async def main() -> None:
        race = Race("aBC")
        race.connector.on_timeout()
        await race["B"].fail()
        await race["C"].fail()
        assert race.running == "a"
        await race["a"].fail()
        assert race.future.exception()

    run(main)


def test_an_address_that_cannot_be_tried_has_failed() -> None:
    async def main() -> None:
        assert Race("abC", impossible="a").running == "bC"
        assert Race("abCD", impossible="abC").running == "D"
        assert Race("abCD", impossible="ab").running == "C"
        race = Race("abC", impossible="abC")
        assert isinstance(race.future.exception(), OSError)
        race = Race("abC", impossible="bC")
        await race["a"].fail()
        assert isinstance(race.future.exception(), OSError)

    run(main)


def test_no_address() -> None:
    async def main() -> None:
        assert isinstance(Race("").future.exception(), OSError)

    run(main)


def test_an_attempt_that_is_cancelled_has_failed() -> None:
    async def main() -> None:
        race = Race("ab")
        race["a"].future.cancel()
        await turns()
        assert race.running == "b"
        race["b"].future.cancel()
        await turns()
        assert isinstance(race.future.exception(), StreamClosedError)

    run(main)


def test_two_answer_at_once() -> None:
    async def main() -> None:
        race = Race("aC")
        race.connector.on_timeout()
        race["C"].future.set_result(race["C"])
        race["a"].future.set_result(race["a"])
        await turns()
        assert race.future.result()[1] == "C"
        assert race["a"].closed and not race["C"].closed

    run(main)


def test_a_loser_fails_afterwards() -> None:
    async def main() -> None:
        race = Race("abC")
        race.connector.on_timeout()
        await race["C"].succeed()
        await race["a"].fail()
        assert race.running == ""
        assert race.is_over("C")

    run(main)


def test_cancelled() -> None:
    async def main() -> None:
        before = timers()
        race = Race("abC", connect_timeout=LONG)
        race.connector.on_timeout()
        race.future.cancel()
        await turns()
        assert race["a"].closed and race["C"].closed
        race.connector.on_timeout()
        race.connector.on_connect_timeout()
        assert race.running == "aC"
        assert timers() == before

    run(main)


def test_too_late() -> None:
    async def main() -> None:
        race = Race("abC", connect_timeout=LONG)
        race.connector.on_timeout()
        await race["C"].fail()
        race.connector.on_connect_timeout()
        assert str(race.future.exception()) == "Timeout while connecting to a"
        assert race["a"].closed
        await race["a"].succeed()
        assert race.is_over()

    run(main)


def test_one_at_a_time() -> None:
    async def main() -> None:
        race = Race("abCD", timeout=None)
        for name in "abC":
            assert race.running == name
            await race[name].fail()
        await race["D"].succeed()
        assert race.future.result()[1] == "D"

    run(main)


def test_split() -> None:
    first = [(V6, "a"), (V4, "b"), (V6, "c"), (1, "d")]
    assert _Connector.split(first) == ([(V6, "a"), (V6, "c")], [(V4, "b"), (1, "d")])
    assert _Connector.split([]) == ([], [])


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 80), "127.0.0.1:80"),
        (("::1", 80, 0, 0), "[::1]:80"),
        ("/run/socket", "/run/socket"),
        (b"\0name", "b'\\x00name'"),
        ((), "()"),
    ],
)
def test_addresses_in_messages(address: Any, text: str) -> None:
    assert _format_addr(address) == text
