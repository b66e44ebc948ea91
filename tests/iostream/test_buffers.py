"""The buffers of a stream, without one: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from tornadic.iostream.buffers import ReadBuffer, WriteQueue


class TestReadBuffer:
    @given(
        steps=st.lists(
            st.binary(max_size=300).map(lambda data: data * 300)
            | st.binary(max_size=20)
            | st.integers(0, 100_000),
            max_size=20,
        )
    )
    def test_gives_what_it_was_given(self, steps: list[bytes | int]) -> None:
        buffer = ReadBuffer()
        expected = b""
        for step in steps:
            if isinstance(step, bytes):
                buffer.append(step)
                expected += step
            else:
                size = min(step, len(expected))
                assert buffer.take(size) == expected[:size]
                expected = expected[size:]
            assert len(buffer) == len(expected)
        assert buffer.take(len(buffer)) == expected
        assert len(buffer) == 0

    @given(data=st.binary(max_size=50), sizes=st.lists(st.integers(0, 20), max_size=10))
    def test_take_into(self, data: bytes, sizes: list[int]) -> None:
        buffer = ReadBuffer()
        buffer.append(data)
        for size in sizes:
            target = bytearray(size)
            taken = buffer.take_into(memoryview(target))
            assert taken == min(size, len(data))
            assert target[:taken] == data[:taken] and not any(target[taken:])
            data = data[taken:]
        assert len(buffer) == len(data)

    def test_does_not_grow_with_what_went_through(self) -> None:
        buffer = ReadBuffer()
        buffer.append(b"x" * 10)
        for _ in range(3000):
            buffer.append(b"y" * 1000)
            buffer.take(1000)
        assert len(buffer) == 10
        assert sys.getsizeof(buffer.joined()) < 300_000

    def test_a_byte_does_not_cost_an_object(self) -> None:
        buffer = ReadBuffer()
        for _ in range(200_000):
            buffer.append(b"x")
        assert len(buffer._pieces) < 10
        assert buffer.take(200_000) == b"x" * 200_000

    def test_what_is_taken_as_it_came_is_not_copied(self) -> None:
        buffer = ReadBuffer()
        pieces = [b"a" * 5000, b"b" * 6000]
        for piece in pieces:
            buffer.append(piece)
        assert buffer.take(5000) is pieces[0]
        assert buffer.take(6000) is pieces[1]

    @given(pieces=st.lists(st.binary(min_size=1, max_size=20) | st.just(b"z" * 5000), max_size=8))
    def test_joined(self, pieces: list[bytes]) -> None:
        buffer = ReadBuffer()
        expected = b""
        for piece in pieces:
            buffer.append(piece)
            expected += piece
            if len(expected) > 3:
                assert buffer.take(3) == expected[:3]
                expected = expected[3:]
            assert buffer.joined()[buffer.start :] == expected
            assert len(buffer) == len(expected)


class TestWriteQueue:
    @staticmethod
    def drain(queue: WriteQueue, size: int) -> bytes:
        piece = queue.peek()
        data = bytes(piece[:size])
        piece.release()
        queue.advance(len(data))
        return data

    @given(
        steps=st.lists(
            st.binary(min_size=1, max_size=20)
            | st.integers(4090, 4110).map(lambda size: (bytes(range(250)) * 17)[:size])
            | st.binary(min_size=1, max_size=20).map(lambda data: data * 1000)
            | st.integers(1, 30_000),
            max_size=30,
        )
    )
    def test_gives_what_it_was_given(self, steps: list[bytes | int]) -> None:
        queue = WriteQueue()
        given_in = given_out = b""
        for step in steps:
            if isinstance(step, bytes):
                queue.append(step)
                given_in += step
            elif queue.size:
                given_out += self.drain(queue, step)
            assert queue.size == len(given_in) - len(given_out)
            assert queue.written == len(given_out)
        while queue.size:
            given_out += self.drain(queue, 50_000)
        assert given_out == given_in

    def test_large_pieces_stay_as_they_are(self) -> None:
        queue = WriteQueue()
        data = b"x" * 4097
        queue.append(data)
        piece = queue.peek()
        assert piece.obj is data
        piece.release()

    def test_small_pieces_become_one(self) -> None:
        queue = WriteQueue()
        for _ in range(1000):
            queue.append(b"small")
        assert self.drain(queue, 10_000) == b"small" * 1000

    def test_joined_pieces_have_a_bound(self) -> None:
        queue = WriteQueue()
        for _ in range(100):
            queue.append(b"x" * 4096)
        sizes = []
        while queue.size:
            sizes.append(len(self.drain(queue, 1_000_000)))
        assert sum(sizes) == 409_600
        assert max(sizes) <= 65536 + 4096

    def test_peek_and_advance_by_any_number(self) -> None:
        queue = WriteQueue()
        for piece in (b"a" * 5000, b"b", b"c" * 5000):
            queue.append(piece)
        assert bytes(queue.peek(3)) == b"aaa"
        queue.advance(5001)
        assert bytes(queue.peek(3)) == b"ccc"
        assert len(queue) == queue.size == 5000
        queue.advance(5000)
        assert (len(queue), bytes(queue.peek()), queue.written) == (0, b"", 10_001)

    def test_a_changed_original_does_not_matter(self) -> None:
        queue = WriteQueue()
        data = bytearray(b"before")
        queue.append(data)
        data[:] = b"behind"
        assert self.drain(queue, 6) == b"before"
