"""For tests of who looks up names and connects: a world without name servers, and its clocks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tornadic.netutil import Resolver


@pytest.fixture
def no_name_servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `socket.getaddrinfo` know addresses and ``localhost``, and ask nobody."""
    real = socket.getaddrinfo

    def local(
        host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        if host not in (None, "localhost"):
            flags |= socket.AI_NUMERICHOST
        return real(host, port, family, type, proto, flags)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    yield


class Answers(Resolver):
    """Gives the same addresses for every host; takes note of what it is asked."""

    def initialize(self, *addresses: Any) -> None:
        self.addresses = [
            one if isinstance(one, tuple) and isinstance(one[0], int) else with_family(one)
            for one in addresses
        ]
        self.asked: list[tuple[Any, ...]] = []
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        self.asked.append((host, port, family))
        return self.addresses


def with_family(address: Any) -> tuple[int, Any]:
    """An address of a socket, and its family before it."""
    if isinstance(address, str):
        return socket.AF_UNIX, address
    return (socket.AF_INET6 if ":" in address[0] else socket.AF_INET), address


def timers() -> int:
    """How many timers the loop has."""
    loop: Any = asyncio.get_running_loop()
    return sum(not handle.cancelled() for handle in loop._scheduled)
