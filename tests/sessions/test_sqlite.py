"""Sessions in a file: expiry, other processes, crashes, and whom the loop waits for."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from tests.sessions.support import Asked, Clock, new_key, opened
from tests.web.support import run

from tornadic.sessions import Change, SessionStoreError, SQLiteStore, sqlite
from tornadic.sessions.sqlite_writer import MOST_IN_BATCH, SQLiteWriter

HOUR = 3600.0


def rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "file.db")) as db:
        (count,) = db.execute("SELECT count(*) FROM sessions").fetchone()
    assert isinstance(count, int)
    return count


async def written(store: Asked) -> None:
    """Wait until all that was posted so far is done: there is one line, and this is its end."""
    await store.delete("nobody")


def test_a_session_expires_when_it_is_not_used(tmp_path: Path, clock: Clock) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "file.db", clock=clock, idle_timeout=HOUR)
        async with opened(store) as asked:
            used, touched, idle = [await asked.create() for _ in range(3)]
            seen = await asked.load(idle)
            clock.now += HOUR - 1
            assert await asked.load(used) is not None
            await asked.touch(touched)
            await written(asked)
            clock.now += 1
            assert await asked.load(idle) is None
            assert not await asked.save(idle, Change({"a": "2"}, (), seen))
            clock.now += HOUR - 2
            assert await asked.load(used) is not None
            assert await asked.load(touched) is not None

    run(main)


def test_reading_writes_only_when_a_tenth_of_the_time_has_passed(
    tmp_path: Path, clock: Clock
) -> None:
    def expires() -> float:
        with closing(sqlite3.connect(tmp_path / "file.db")) as db:
            (found,) = db.execute("SELECT expires FROM sessions").fetchone()
        assert isinstance(found, float)
        return found

    async def main() -> None:
        store = SQLiteStore(tmp_path / "file.db", clock=clock, idle_timeout=HOUR)
        async with opened(store) as asked:
            key = await asked.create()
            first = expires()
            clock.now += HOUR / 10
            await asked.load(key)
            await written(asked)
            assert expires() == first
            clock.now += 1
            await asked.load(key)
            await written(asked)
            assert expires() == first + HOUR / 10 + 1

    run(main)


def test_expired_rows_are_swept(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SWEPT_AT_ONCE", 10)

    async def main() -> None:
        store = SQLiteStore(tmp_path / "file.db", clock=clock, idle_timeout=HOUR)
        async with opened(store) as asked:
            for _ in range(25):
                await asked.create()
            clock.now += HOUR
            assert [await asked.sweep() for _ in range(4)] == [10, 10, 5, 0]
            for _ in range(5):
                await asked.create()
            clock.now += HOUR
            # By itself, with the first change after a minute.
            store._swept_at -= sqlite.SWEEP_SECONDS
            kept = await asked.create()
            assert rows(tmp_path) == 1
            await asked.delete(kept)
            assert rows(tmp_path) == 0

    run(main)


def test_the_file_is_its_owners_and_tells_no_identifier(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            key = await asked.create(user='"ada"')
            files = list(tmp_path.iterdir())
            assert files
            for file in files:
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
            held = b"".join(file.read_bytes() for file in files)
            assert key.encode() not in held
            assert hashlib.sha256(key.encode()).digest() in held

    run(main)


def test_it_is_there_again_after_the_process(tmp_path: Path) -> None:
    program = """
import asyncio, os, sys
from tornadic.sessions import Change, SQLiteStore
async def main():
    store = SQLiteStore("file.db")
    await store.save("key", Change({"a": "1"}))
    os._exit(0)  # as a crash would
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=50)

    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            assert await asked.values("key") == {"a": "1"}

    run(main)


# Somebody comes, and goes as the last one would if nobody else had the file open: SQLite then
# takes away what it keeps beside the file.
_PASS_BY = """
import asyncio, os, subprocess, sys
from tornadic.sessions import Change, SQLiteStore
def pass_by():
    program = "import sqlite3; d = sqlite3.connect('file.db'); d.execute('SELECT * FROM sessions')"
    subprocess.run([sys.executable, "-c", program + ".fetchall(); d.close()"], check=True)
async def save_and_crash(store):
    await store.save("key", Change({}))
    pass_by()
    assert await store.save("key", Change({"a": "1"}))
    os._exit(0)
store = SQLiteStore("file.db")
store.load("key")
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("", id="with-one-store"),
        pytest.param("other = SQLiteStore('file.db')", id="with-two-stores"),
        pytest.param(
            # The child goes on with the store that was open, after its parent has closed it.
            "child = os.fork()\n"
            "if child:\n"
            "    store.close()\n"
            "    sys.exit(os.waitpid(child, 0)[1])",
            id="that-was-forked",
        ),
    ],
)
def test_nothing_is_lost_by_a_process(tmp_path: Path, program: str) -> None:
    program = f"{_PASS_BY}\n{program}\nasyncio.run(save_and_crash(store))"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=50)

    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            assert await asked.values("key") == {"a": "1"}

    run(main)


def test_a_fork_waits_for_what_others_do(tmp_path: Path) -> None:
    """Threads load and save while their process forks, again and again; every child does too."""
    program = """
import asyncio, os, threading
from tornadic.sessions import Change, SQLiteStore
store = SQLiteStore("file.db")
is_over = threading.Event()
async def change(name, times):
    for number in range(times):
        assert await store.save(name, Change({str(number): "1"}, (), store.load(name)))
def work(name):
    asyncio.run(store_until_over(name))
async def store_until_over(name):
    await change(name, 1)
    while not is_over.is_set():
        await change(name, 5)
threads = [threading.Thread(target=work, args=(f"thread {n}",)) for n in range(2)]
for thread in threads:
    thread.start()
for number in range(20):
    child = os.fork()
    if not child:
        asyncio.run(change(f"child {number}", 3))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
is_over.set()
for thread in threads:
    thread.join()
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=50)

    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            for number in range(20):
                assert await asked.values(f"child {number}") == {"0": "1", "1": "1", "2": "1"}
            for number in range(2):
                values = await asked.values(f"thread {number}")
                assert values is not None
                assert values["0"] == "1"

    run(main)


def test_processes_share_it(tmp_path: Path) -> None:
    """Four of them change the same session at once, some made by fork with the store open."""
    program = """
import asyncio, os, sys
from tornadic.sessions import Change, SQLiteStore
store = SQLiteStore("file.db")
async def main(name):
    for number in range(25):
        record = store.load("key")
        assert await store.save("key", Change({f"{name} {number}": "1"}, (), record))
    store.close()
store.load("key")
child = os.fork()
asyncio.run(main(sys.argv[1] + (" child" if child == 0 else " parent")))
if child:
    sys.exit(os.waitpid(child, 0)[1])
"""

    async def before() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            await asked.save("key", Change({}))

    async def after() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            assert await asked.values("key") == {
                f"{name} {kind} {number}": "1"
                for name in "ab"
                for kind in ("child", "parent")
                for number in range(25)
            }

    run(before)
    command = [sys.executable, "-W", "error", "-c", program]
    children = [subprocess.Popen([*command, name], cwd=tmp_path) for name in "ab"]
    assert [child.wait(50) for child in children] == [0, 0]
    run(after)


def test_the_loop_goes_on_while_somebody_else_writes(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            key = await asked.create(a="1")
            with closing(sqlite3.connect(tmp_path / "file.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                saving = asyncio.ensure_future(asked.update(key, a="2"))
                for _ in range(100):
                    assert await asked.values(key) == {"a": "1"}
                    await asyncio.sleep(0)
                assert not saving.done()
                other.execute("COMMIT")
            assert await saving
            assert await asked.values(key) == {"a": "2"}

    run(main)


def test_a_writer_that_waits_too_long_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)

    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            with closing(sqlite3.connect(tmp_path / "file.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(SessionStoreError, match="locked"):
                    await asked.create()
                other.execute("ROLLBACK")
            await asked.create()

    run(main)


def test_rows_that_nobody_can_read_are_no_sessions(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            for data in ("", "{", "[]", "7", '{"a": 1}', b"\xff", '{"a": null}'):
                key = await asked.create(a="1")
                digest = hashlib.sha256(key.encode()).digest()
                with sqlite3.connect(tmp_path / "file.db") as other:
                    other.execute("UPDATE sessions SET data = ? WHERE id = ?", (data, digest))
                other.close()
                assert await asked.load(key) is None
                # And they do not spoil it for others in the same transaction.
                seen = await asked.load(await asked.create())
                assert seen is not None
                saved = await asyncio.gather(
                    asked.save(key, Change({"b": "2"}, (), seen)), asked.create()
                )
                assert saved[0] is False

    run(main)


def test_loads_from_several_threads(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(SQLiteStore(tmp_path / "file.db")) as asked:
            key = await asked.create(a="1")
            found = await asyncio.gather(
                *(asyncio.to_thread(asked.store.load, key) for _ in range(8))
            )
            assert all(getattr(record, "values", None) == {"a": "1"} for record in found)

    run(main)


def test_closing_writes_what_is_left_and_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "file.db")
        saving = [store.save(new_key(), Change({})) for _ in range(3 * MOST_IN_BATCH)]
        store.load("nobody")
        store.close()
        assert rows(tmp_path) == len(saving)
        assert all(await asyncio.gather(*saving))
        # And it can be used again.
        assert await store.save(new_key(), Change({}))
        store.close()

    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)
        gc.collect()
    assert threading.active_count() == before
    assert os.listdir(tmp_path) == ["file.db"]


class TestWriter:
    @pytest.mark.parametrize("count", [1, MOST_IN_BATCH, MOST_IN_BATCH + 1])
    def test_what_waits_is_one_transaction(self, tmp_path: Path, count: int) -> None:
        transactions: list[int] = []
        done = 0

        def after(db: sqlite3.Connection) -> None:
            transactions.append(done)

        def work(db: sqlite3.Connection) -> int:
            nonlocal done
            done += 1
            return done

        begun, first = threading.Event(), threading.Event()

        def wait(db: sqlite3.Connection) -> None:
            begun.set()
            first.wait(20)

        async def main() -> None:
            writer = SQLiteWriter(
                lambda: sqlite3.connect(tmp_path / "file.db", isolation_level=None), after
            )
            writer.post(wait)
            await asyncio.to_thread(begun.wait, 20)
            results = [writer.submit(work) for _ in range(count)]
            first.set()
            assert await asyncio.gather(*results) == list(range(1, count + 1))
            writer.close()

        run(main)
        full, rest = divmod(count, MOST_IN_BATCH)
        ends = [MOST_IN_BATCH * number for number in range(1, full + 1)] + [count] * bool(rest)
        assert transactions == [0, *ends]

    def test_work_that_fails_fails_alone(self, tmp_path: Path) -> None:
        first = threading.Event()

        async def main() -> None:
            writer = SQLiteWriter(
                lambda: sqlite3.connect(tmp_path / "file.db", isolation_level=None),
                lambda db: None,
            )
            writer.post(lambda db: first.wait(20))
            writer.post(lambda db: db.execute("CREATE TABLE t (n INTEGER UNIQUE)"))

            def insert(number: int) -> asyncio.Future[int]:
                statement = "INSERT INTO t VALUES (?)"
                return writer.submit(lambda db: db.execute(statement, (number,)).rowcount)

            results = [insert(number) for number in (1, 2, 1, 3)]
            gone = writer.submit(lambda db: db.execute("SELECT count(*) FROM t").fetchone())
            gone.cancel()
            first.set()
            found = await asyncio.gather(*results, return_exceptions=True)
            assert [found[0], found[1], found[3]] == [1, 1, 1]
            assert isinstance(found[2], SessionStoreError)
            assert "UNIQUE" in str(found[2])
            writer.close()

        run(main)

    def test_a_loop_that_is_closed_waits_for_nothing(self, tmp_path: Path) -> None:
        first = threading.Event()
        writer = SQLiteWriter(
            lambda: sqlite3.connect(tmp_path / "file.db", isolation_level=None), lambda db: None
        )
        writer.post(lambda db: first.wait(20))

        async def main() -> None:
            writer.submit(lambda db: None)

        run(main)
        first.set()
        writer.close()
