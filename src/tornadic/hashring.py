"""A ring of nodes on which every key has its place (consistent hashing).

The ring is the one that memcached clients call ketama, and keys have the nodes that the package
``hash_ring`` gives them.  A node of weight 1 among its likes has 120 points on a circle of 2**32:
three for each of 40 digests, the MD5 of ``node-0``, ``node-1`` and so on.  A key belongs to the
first point behind its own.  So a node that joins takes its share from all others, and nothing
else moves.

The points are a sorted list, which `bisect` searches, with the list of their nodes beside it.
A change hashes only the points that come or go; a sorted list of them is merged.  Two nodes may
claim the same point, one chance in 2**32 for each pair: the one that was named later has it, and
the other waits in ``_rivals`` for it to go.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping
from hashlib import md5
from struct import Struct
from typing import Any, Generic, TypeVar

__all__ = ["HashRing"]

Node = TypeVar("Node", bound=Hashable)

DIGESTS_PER_NODE = 40
"""How many digests a node of average weight has; part of the format, like what follows."""

_NOBODY: Any = object()

_points_of = Struct("<III").unpack_from
_point_of = Struct("<I").unpack_from


class HashRing(Generic[Node]):
    """The nodes among which keys are divided.

    ``nodes`` are whatever `str` names apart, in the order in which they were added.  ``weights``
    are numbers by node, in proportion to the share of the keys that it is to have (1 where there
    is none; 0: no keys).

    Raises ValueError for a node named twice, for a weight that is negative or not finite, and if
    all weights are 0.
    """

    def __init__(
        self, nodes: Iterable[Node] = (), weights: Mapping[Node, float] | None = None
    ) -> None:
        given = weights or {}
        self._weights: dict[Node, float] = {}
        # The digests of a node that are in the ring.
        self._counts: dict[Node, int] = {}
        # The points in order, and whose each is.
        self._ring: tuple[list[int], list[Node]] = ([], [])
        # Who has a point; and all who claim it, where there are several.
        self._owner_of: dict[int, Node] = {}
        self._rivals: dict[int, list[Node]] = {}
        for node in nodes:
            self._enter(node, given.get(node, 1))
        self._settle()

    @property
    def nodes(self) -> list[Node]:
        """The nodes, in the order in which they were added."""
        return list(self._weights)

    def add(self, node: Node, weight: float = 1) -> None:
        """Add a node: about its share of the keys moves to it, if all weights are the same.

        Where they differ, the others' numbers of points change a little too, to what they would
        be in a new ring.  Raises ValueError as the constructor does, and changes nothing then.
        """
        self._enter(node, weight)
        try:
            self._settle()
        except ValueError:
            del self._weights[node]
            raise

    def remove(self, node: Node) -> None:
        """Remove a node: its keys are divided among the others, and no other key moves.

        Raises KeyError if it is not there, and ValueError if only weights of 0 would be left.
        """
        weights = dict(self._weights)
        del weights[node]
        counts = _counts(weights)
        self._apply(counts)
        self._weights = weights

    def get_node(self, key: str | bytes) -> Node | None:
        """The node that ``key`` belongs to; None if there is none in the ring."""
        data = key.encode() if isinstance(key, str) else key
        points, owners = self._ring
        (point,) = _point_of(md5(data, usedforsecurity=False).digest())
        position = bisect_right(points, point)
        if position < len(points):
            return owners[position]
        return owners[0] if owners else None

    def get_node_pos(self, key: str | bytes) -> int | None:
        """The place of the key's point among all points of the ring; None in an empty ring."""
        data = key.encode() if isinstance(key, str) else key
        points, _ = self._ring
        (point,) = _point_of(md5(data, usedforsecurity=False).digest())
        return bisect_right(points, point) % len(points) if points else None

    def iterate_nodes(self, key: str | bytes, distinct: bool = True) -> Iterator[Node]:
        """The key's node, then those that stand in for it, in the order of the circle.

        ``distinct``: each node once; otherwise as often as it has points.
        """
        start = self.get_node_pos(key)
        if start is None:
            return
        _, owners = self._ring
        left = sum(1 for count in self._counts.values() if count) if distinct else -1
        seen: set[Node] = set()
        for position in range(start, start + len(owners)):
            node = owners[position % len(owners)]
            if distinct:
                if node in seen:
                    continue
                seen.add(node)
            yield node
            if distinct and len(seen) == left:
                return

    # Changes

    def _enter(self, node: Node, weight: float) -> None:
        if node in self._weights:
            raise ValueError(f"{node!r} is in the ring already")
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"{weight!r} is no weight for {node!r}")
        self._weights[node] = weight

    def _settle(self) -> None:
        self._apply(_counts(self._weights))

    def _apply(self, counts: dict[Node, int]) -> None:
        """Give every node its number of digests, at the price of those that come and go."""
        before = self._counts
        ranks = {node: rank for rank, node in enumerate({**before, **counts})}
        gone = False
        for node, count in before.items():
            for point in _points(node, counts.get(node, 0), count):
                gone |= self._give_up(point, node, ranks)
        come = {
            point
            for node, count in counts.items()
            for point in _points(node, before.get(node, 0), count)
            if self._claim(point, node, ranks)
        }
        owner_of = self._owner_of
        points, _ = self._ring
        if gone:
            points = [point for point in points if point in owner_of and point not in come]
        points = points + sorted(come)
        points.sort()  # two runs: merged, not sorted anew
        self._counts = counts
        # In one step, for whoever looks a key up in another thread.
        self._ring = (points, [owner_of[point] for point in points])

    def _claim(self, point: int, node: Node, ranks: dict[Node, int]) -> bool:
        """Let ``node`` claim a point; return whether it was nobody's before."""
        owner = self._owner_of.setdefault(point, _NOBODY)
        if owner is _NOBODY:
            self._owner_of[point] = node
            return True
        rivals = self._rivals.setdefault(point, [owner])
        rivals.append(node)
        self._owner_of[point] = max(rivals, key=ranks.__getitem__)
        return False

    def _give_up(self, point: int, node: Node, ranks: dict[Node, int]) -> bool:
        """Take a claim back; return whether the point is nobody's now."""
        rivals = self._rivals.get(point)
        if rivals is None:
            del self._owner_of[point]
            return True
        rivals.remove(node)
        self._owner_of[point] = max(rivals, key=ranks.__getitem__)
        if len(rivals) == 1:
            del self._rivals[point]
        return False


def _counts(weights: Mapping[Node, float]) -> dict[Node, int]:
    """How many digests each node has in the ring."""
    total = sum(weights.values())
    if weights and not total:
        raise ValueError("the weights of all nodes are 0")
    return {
        node: math.floor(DIGESTS_PER_NODE * len(weights) * weight / total)
        for node, weight in weights.items()
    }


def _points(node: Hashable, start: int, end: int) -> Iterator[int]:
    """The points of a node's digests from number ``start`` to before ``end``."""
    for number in range(start, end):
        yield from _points_of(md5(f"{node}-{number}".encode(), usedforsecurity=False).digest())
