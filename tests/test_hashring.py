"""The ring beside a naive one: the description of the ring, word by word, without any care."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic import hashring
from tornadic.hashring import HashRing

KEYS = [f"key {number}" for number in range(3000)]
NODES = ["192.168.0.246:11212", "192.168.0.247:11212", "192.168.0.249:11212"]


def number(data: bytes) -> int:
    return data[0] + data[1] * 256 + data[2] * 65536 + data[3] * 16777216


class NaiveRing:
    """Every point in a dictionary, and every look-up a walk through all of them."""

    def __init__(self, nodes: Sequence[str], weights: Mapping[str, float] | None = None) -> None:
        weight = {node: (weights or {}).get(node, 1) for node in nodes}
        self.points: dict[int, str] = {}
        for node in nodes:
            count = math.floor(40 * len(nodes) * weight[node] / sum(weight.values()))
            for i in range(count):
                digest = hashlib.md5(f"{node}-{i}".encode()).digest()
                for offset in (0, 4, 8):
                    self.points[number(digest[offset : offset + 4])] = node

    def get_node(self, key: str) -> str:
        point = number(hashlib.md5(key.encode()).digest())
        behind = [other for other in self.points if other > point]
        return self.points[min(behind or self.points)]

    def walk(self, key: str) -> list[str]:
        point = number(hashlib.md5(key.encode()).digest())
        order = sorted(self.points, key=lambda other: (other <= point, other))
        return [self.points[other] for other in order]


def same(ring: HashRing[str], other: HashRing[str]) -> bool:
    return ring._ring == other._ring


names = st.lists(st.text(max_size=6), min_size=1, max_size=6, unique=True)
weights = st.one_of(st.integers(0, 9), st.floats(0, 9))


@given(names, st.dictionaries(st.text(max_size=6), weights), st.text(max_size=20))
def test_keys_are_where_a_naive_ring_has_them(
    nodes: list[str], heavy: dict[str, float], key: str
) -> None:
    if not sum(heavy.get(node, 1) for node in nodes) > 1e-3:
        return
    ring, naive = HashRing(nodes, heavy), NaiveRing(nodes, heavy)
    assert ring.get_node(key) == naive.get_node(key)
    assert list(ring.iterate_nodes(key, distinct=False)) == naive.walk(key)
    assert list(ring.iterate_nodes(key)) == list(dict.fromkeys(naive.walk(key)))


def test_known_keys() -> None:
    # By `md5sum`: the first four bytes of the key's digest, read backwards, are its point.
    ring = HashRing(["a", "b", "c"])
    assert hashlib.md5(b"hello").hexdigest()[:8] == "5d41402a"
    points = sorted(NaiveRing(["a", "b", "c"]).points)
    assert ring.get_node_pos("hello") == sum(1 for point in points if point <= 0x2A40415D)


def test_a_point_of_the_ring_belongs_to_the_next() -> None:
    ring = HashRing(["a", "b"])
    points, owners = ring._ring
    (point,) = hashring._point_of(hashlib.md5(b"key").digest())
    position = ring.get_node_pos("key")
    assert position is not None
    # Put the key's very point into the ring: the key stays with the point behind it.
    ring._ring = (
        [*points[:position], point, *points[position:]],
        [*owners[:position], "itself", *owners[position:]],
    )
    assert ring.get_node("key") == owners[position % len(owners)]
    assert ring.get_node_pos("key") == position + 1


def test_behind_the_last_point_comes_the_first() -> None:
    ring = HashRing(["a", "b", "c"])
    points, owners = ring._ring
    last = next(
        key
        for key in map(str, itertools.count())
        if number(hashlib.md5(key.encode()).digest()) >= points[-1]
    )
    assert ring.get_node_pos(last) == 0
    assert ring.get_node(last) == owners[0]


def test_text_and_its_bytes_are_one_key() -> None:
    ring = HashRing(NODES)
    for key in ("a", "ä", "日本"):
        assert ring.get_node(key) == ring.get_node(key.encode())
        assert ring.get_node_pos(key) == ring.get_node_pos(key.encode())


def test_nodes_may_be_anything_that_has_a_name() -> None:
    numbers = HashRing([1, 2, 3])
    texts = HashRing(["1", "2", "3"])
    assert [str(numbers.get_node(key)) for key in KEYS] == [texts.get_node(key) for key in KEYS]


def test_empty() -> None:
    ring: HashRing[str] = HashRing([])
    assert ring.get_node("key") is None
    assert ring.get_node_pos("key") is None
    assert list(ring.iterate_nodes("key")) == []
    assert ring.nodes == []


def test_weights_share_the_keys() -> None:
    ring = HashRing(["small", "large", "none"], {"large": 3, "none": 0})
    shares = Counter(ring.get_node(key) for key in KEYS)
    assert set(shares) == {"small", "large"}
    assert 2 < shares["large"] / shares["small"] < 4.5
    assert list(ring.iterate_nodes("key")) in (["small", "large"], ["large", "small"])


@pytest.mark.parametrize("weight", [-1, math.nan, math.inf])
def test_bad_weights(weight: float) -> None:
    with pytest.raises(ValueError, match="is no weight for 'a'"):
        HashRing(["a"], {"a": weight})
    ring = HashRing(["b"])
    with pytest.raises(ValueError, match="is no weight for 'a'"):
        ring.add("a", weight)
    assert ring.nodes == ["b"]


def test_no_weight_at_all() -> None:
    with pytest.raises(ValueError, match="all nodes are 0"):
        HashRing(["a"], {"a": 0})
    ring: HashRing[str] = HashRing([])
    with pytest.raises(ValueError, match="all nodes are 0"):
        ring.add("a", 0)
    assert ring.nodes == []
    ring.add("a")
    ring.add("b", 0)
    with pytest.raises(ValueError, match="all nodes are 0"):
        ring.remove("a")
    assert ring.get_node("key") == "a"


def test_a_node_is_named_once() -> None:
    with pytest.raises(ValueError, match="'a' is in the ring already"):
        HashRing(["a", "b", "a"])
    with pytest.raises(KeyError, match="c"):
        HashRing(["a"]).remove("c")


def test_adding_moves_the_new_nodes_share_and_nothing_else() -> None:
    ring = HashRing([f"node {number}" for number in range(9)])
    before = {key: ring.get_node(key) for key in KEYS}
    ring.add("new")
    after = {key: ring.get_node(key) for key in KEYS}
    moved = {key for key in KEYS if before[key] != after[key]}
    assert {after[key] for key in moved} == {"new"}
    assert 0.07 < len(moved) / len(KEYS) < 0.13
    ring.remove("new")
    assert {key: ring.get_node(key) for key in KEYS} == before


def test_removing_moves_the_nodes_own_keys_to_those_that_stood_in() -> None:
    ring = HashRing(NODES)
    before = {key: list(ring.iterate_nodes(key)) for key in KEYS}
    ring.remove(NODES[1])
    for key, nodes in before.items():
        assert ring.get_node(key) == (nodes[1] if nodes[0] == NODES[1] else nodes[0])


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"), st.integers(1, 5)), max_size=12)
)
def test_changes_lead_to_the_ring_that_a_new_one_is(steps: list[tuple[bool, str, int]]) -> None:
    ring: HashRing[str] = HashRing()
    there: dict[str, int] = {}
    for adding, node, weight in steps:
        if adding and node not in there:
            ring.add(node, weight)
            there[node] = weight
        elif not adding and node in there:
            ring.remove(node)
            del there[node]
        assert ring.nodes == list(there)
        assert same(ring, HashRing(there, there))


@given(st.permutations("abcd"), st.permutations("abcd"))
def test_points_that_several_claim(order: list[str], leaving: list[str]) -> None:
    """On a circle of 16 points there are many rivals; who was named last has the point."""
    whole = hashring._points_of

    def few(digest: bytes) -> tuple[int, ...]:
        return tuple(point % 16 for point in whole(digest))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashring, "_points_of", few)
        ring = HashRing(order)
        left = list(order)
        for node in leaving:
            points: dict[int, str] = {}
            for other in left:
                for i in range(40):
                    digest = hashlib.md5(f"{other}-{i}".encode()).digest()
                    points.update({point % 16: other for point in whole(digest)})
            assert ring._ring == (sorted(points), [points[point] for point in sorted(points)])
            ring.remove(node)
            left.remove(node)
        assert ring._ring == ([], [])
        assert not ring._rivals


def test_a_change_hashes_only_what_comes_or_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = HashRing([f"node {number}" for number in range(300)])
    hashed = []
    whole = hashlib.md5

    def counting(data: bytes, **options: bool) -> object:
        hashed.append(data)
        return whole(data, **options)

    monkeypatch.setattr(hashring, "md5", counting)
    ring.add("new")
    assert len(hashed) == 40
    ring.remove("new")
    assert len(hashed) == 80
