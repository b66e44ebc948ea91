"""The watcher of descriptors: who is called, who is not any more, and at what price."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from tests.iostream.support import run, turns, until
from tests.server.logs import Log

from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream
from tornadic.iostream.watcher import Watcher, _LoopWatcher, watcher_of


@pytest.fixture(params=["shared", "loop"])
def make_watcher(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Watcher]:
    """Makes the watcher of this system, or the one that works anywhere."""
    if request.param == "loop":
        monkeypatch.setattr(sys, "platform", "darwin")
    return lambda: IOLoop.current().shared(watcher_of)


@contextmanager
def socketpairs(number: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    pairs = [socket.socketpair() for _ in range(number)]
    for ours, theirs in pairs:
        ours.setblocking(False)
        theirs.setblocking(False)
    try:
        yield pairs
    finally:
        for ours, theirs in pairs:
            ours.close()
            theirs.close()


def test_the_one_for_elsewhere(make_watcher: Callable[[], Watcher]) -> None:
    async def main() -> None:
        assert isinstance(make_watcher(), _LoopWatcher) == (sys.platform != "linux")

    run(main)


def test_calls_back_until_it_is_told_to_stop(make_watcher: Callable[[], Watcher]) -> None:
    async def main() -> None:
        with socketpairs(1) as [(ours, theirs)]:
            watcher = make_watcher()
            calls: list[int] = []
            watcher.watch(ours.fileno(), lambda: calls.append(1))
            await turns()
            assert not calls
            theirs.send(b"x")
            await until(lambda: len(calls) >= 3)  # it has not been read, so it can be
            watcher.unwatch(ours.fileno())
            before = len(calls)
            await turns()
            assert len(calls) == before
            watcher.watch(ours.fileno(), lambda: calls.append(1))
            await until(lambda: len(calls) > before)
            watcher.unwatch(ours.fileno())

    run(main)


def test_each_its_own(make_watcher: Callable[[], Watcher]) -> None:
    async def main() -> None:
        with socketpairs(600) as pairs:
            watcher = make_watcher()
            read: dict[int, bytes] = {}

            def reader(number: int, sock: socket.socket) -> Callable[[], None]:
                def callback() -> None:
                    read[number] = read.get(number, b"") + sock.recv(100)

                return callback

            for number, (ours, _) in enumerate(pairs):
                watcher.watch(ours.fileno(), reader(number, ours))
            for number, (_, theirs) in enumerate(pairs):
                theirs.send(b"%d" % number)
            await until(lambda: len(read) == len(pairs))
            assert read == {number: b"%d" % number for number in range(len(pairs))}
            for ours, _ in pairs:
                watcher.unwatch(ours.fileno())

    run(main)


def test_given_up_by_another_in_the_same_turn(make_watcher: Callable[[], Watcher]) -> None:
    """Whoever is called first gives up the others; none of them may be called after that."""

    async def main() -> None:
        with socketpairs(5) as pairs:
            watcher = make_watcher()
            called: list[int] = []

            def callback(number: int) -> None:
                called.append(number)
                for ours, _ in pairs:
                    watcher.unwatch(ours.fileno())

            for number, (ours, theirs) in enumerate(pairs):
                watcher.watch(ours.fileno(), partial(callback, number))
                theirs.send(b"x")
            await until(lambda: called)
            await turns()
            assert len(called) == 1

    run(main)


def test_a_number_that_is_used_again_in_the_same_turn(
    make_watcher: Callable[[], Watcher],
) -> None:
    """An event of the old descriptor is none of the new one that has its number."""

    async def main() -> None:
        with socketpairs(2) as pairs:
            watcher = make_watcher()
            new: list[tuple[socket.socket, socket.socket]] = []
            wrong: list[int] = []

            def callback(mine: int) -> None:
                for ours, _ in pairs:
                    watcher.unwatch(ours.fileno())
                number = pairs[1 - mine][0].fileno()
                pairs[1 - mine][0].close()
                ours, theirs = socket.socketpair()
                new.append((ours, theirs))
                assert number in (ours.fileno(), theirs.fileno())
                watcher.watch(number, lambda: wrong.append(number))

            for mine, (ours, theirs) in enumerate(pairs):
                watcher.watch(ours.fileno(), partial(callback, mine))
                theirs.send(b"x")
            await until(lambda: new)
            await turns()
            assert not wrong
            [(ours, theirs)] = new
            for sock, other in ((ours, theirs), (theirs, ours)):
                other.send(b"now it is true")
                await turns()
                sock.recv(100)
            assert wrong
            watcher.unwatch(wrong[0])
            ours.close()
            theirs.close()

    run(main)


def test_both_ways_of_one(make_watcher: Callable[[], Watcher]) -> None:
    """Whoever reads is called first, and may keep whoever writes from being called."""

    async def main() -> None:
        with socketpairs(1) as [(ours, theirs)]:
            watcher = make_watcher()
            fd = ours.fileno()
            calls: list[str] = []

            def read() -> None:
                calls.append("read")
                if len(calls) > 10:
                    watcher.unwatch_writing(fd)
                    watcher.unwatch(fd)

            theirs.send(b"x")
            watcher.watch_writing(fd, lambda: calls.append("write"))
            watcher.watch(fd, read)
            await until(lambda: len(calls) > 10)
            await turns()
            assert calls == ["read", "write"] * 5 + ["read"]
            # And one without the other.
            watcher.watch(fd, lambda: calls.append("read"))
            watcher.watch_writing(fd, lambda: calls.append("write"))
            watcher.unwatch(fd)
            calls.clear()
            await until(lambda: calls)
            assert set(calls) == {"write"}
            watcher.watch(fd, lambda: calls.append("read"))
            watcher.unwatch_writing(fd)
            calls.clear()
            await until(lambda: calls)
            assert set(calls) == {"read"}
            watcher.unwatch(fd)
            watcher.unwatch(fd)
            watcher.unwatch_writing(fd)

    run(main)


@pytest.mark.parametrize("way", ["read", "write"])
def test_a_hang_up_is_for_whoever_watches(make_watcher: Callable[[], Watcher], way: str) -> None:
    async def main() -> None:
        with socketpairs(1) as [(ours, theirs)]:
            watcher = make_watcher()
            while True:
                try:
                    ours.send(bytes(65536))
                except BlockingIOError:
                    break
            called: list[int] = []
            fd = ours.fileno()
            if way == "read":
                watcher.watch(fd, lambda: called.append(1))
            else:
                watcher.watch_writing(fd, lambda: called.append(1))
            await turns()
            assert not called
            theirs.close()
            await until(lambda: called)
            watcher.unwatch(fd)
            watcher.unwatch_writing(fd)

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the loop logs it")
def test_a_callback_that_fails_disturbs_no_other(log: Log) -> None:
    async def main() -> None:
        with socketpairs(2) as pairs:
            watcher = IOLoop.current().shared(watcher_of)
            good: list[bytes] = []

            def bad() -> None:
                watcher.unwatch(pairs[0][0].fileno())
                raise ZeroDivisionError

            watcher.watch(pairs[0][0].fileno(), bad)
            watcher.watch(pairs[1][0].fileno(), lambda: good.append(pairs[1][0].recv(100)))
            for _, theirs in pairs:
                theirs.send(b"x")
            await until(lambda: good)
            watcher.unwatch(pairs[1][0].fileno())

    run(main)
    [record] = log.take()
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of epoll")
def test_what_cannot_be_watched(tmp_path: object) -> None:
    async def main() -> None:
        watcher = IOLoop.current().shared(watcher_of)
        with open(f"{tmp_path}/file", "w") as file:
            for _ in range(2):
                with pytest.raises(PermissionError):
                    watcher.watch(file.fileno(), lambda: None)
        # Nothing of it stays behind.
        with socketpairs(1) as [(ours, theirs)]:
            called: list[int] = []
            watcher.watch(ours.fileno(), lambda: called.append(1))
            theirs.send(b"x")
            await until(lambda: called)
            watcher.unwatch(ours.fileno())

    run(main)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="descriptors cannot be counted")
def test_idle_streams_share_it(make_watcher: Callable[[], Watcher]) -> None:
    async def main() -> None:
        make_watcher()
        with socketpairs(20) as pairs:
            before = len(os.listdir("/proc/self/fd"))
            streams = [IOStream(ours) for ours, _ in pairs]
            futures = [stream.read_bytes(1) for stream in streams]
            assert len(os.listdir("/proc/self/fd")) == before
            for _, theirs in pairs:
                theirs.send(b"x")
            for future in futures:
                assert await future == b"x"
            for stream in streams:
                stream.close()

    run(main)
