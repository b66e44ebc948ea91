"""Keys looked up on a hash ring."""

from __future__ import annotations

from benchmarks.programs import require
from tornadic.hashring import HashRing

KEYS = [f"key {number}" for number in range(1000)]


def _look_up(count: int, nodes: int) -> None:
    ring = HashRing([f"10.0.{number // 256}.{number % 256}:11211" for number in range(nodes)])
    found = set()
    for number in range(count):
        found.add(ring.get_node(KEYS[number % len(KEYS)]))
    require(found <= set(ring.nodes), True)


async def few_nodes(count: int, port: int) -> None:
    """Among three nodes."""
    _look_up(count, 3)


async def many_nodes(count: int, port: int) -> None:
    """Among three hundred."""
    _look_up(count, 300)


async def join_and_leave(count: int, port: int) -> None:
    """A node that joins three hundred, and leaves them."""
    ring = HashRing([f"node {number}" for number in range(300)])
    before = ring.get_node("key")
    for _ in range(max(1, count // 1000)):
        ring.add("new")
        ring.remove("new")
    require(ring.get_node("key"), before)
