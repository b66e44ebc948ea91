"""A store that is down: 503 or an empty session, one line in the log, and no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.services import free_port
from tests.sessions.support import Failing, Notes, Remote, Visitor, handler, new_key, site
from tests.web.support import LogBook, run, serving

from tornadic.sessions import (
    RedisRingStore,
    RedisStore,
    SessionStoreError,
    SQLiteStore,
)
from tornadic.web import Application, RequestHandler, StaticFileHandler

both = pytest.mark.parametrize("kind", [Failing, Remote])


def out(self: RequestHandler) -> None:
    self.session.clear()


RULES = [("/", Notes), ("/out", handler(out))]


@both
def test_503_for_as_long_as_it_lasts(kind: type[Failing], log: LogBook) -> None:
    async def main() -> None:
        store = kind()
        # In debug mode there would be tracebacks, for what is the program's own fault.
        async with site(store, *RULES, serve_traceback=True) as server:
            visitor = Visitor(server)
            await visitor.get("/?a=1")
            for failing, target in (("load", "/"), ("save", "/?b=2"), ("delete", "/out")):
                store.failing = {failing}
                for _ in range(3):
                    response = await visitor.get(target)
                    assert response.status == 503
                    assert "Service Unavailable" in response.text
                    assert "Traceback" not in response.text and "order" not in response.text
                    assert "Set-Cookie" not in response
                store.failing = set()
                assert (await visitor.get(f"/?c={failing}")).status == 200
                what = "loaded" if failing == "load" else "saved"
                log.take(f"Sessions cannot be {what}: out of order")
                log.take(f"Sessions can be {what} again")
            # Who has no session does not notice.
            store.failing = {"load"}
            assert (await Visitor(server).get()).status == 200

    run(main)


@both
def test_an_empty_session_by_policy(kind: type[Failing], log: LogBook) -> None:
    async def main() -> None:
        store = kind()
        async with site(store, *RULES, session_on_store_error="fresh") as server:
            visitor = Visitor(server)
            await visitor.get("/?a=1")
            key = visitor.key
            store.failing = {"load"}
            response = await visitor.get("/?b=2")
            # What is set is there for this request only, and the session stays what it was.
            assert (response.status, response.text) == (200, '{"b": "2"}')
            store.failing = {"save"}
            response = await visitor.get("/?b=2")
            assert (response.status, response.text) == (200, '{"a": "1", "b": "2"}')
            newcomer = Visitor(server)
            assert (await newcomer.get("/?a=1")).status == 200
            assert newcomer.cookies == {}
            store.failing = set()
            assert (await visitor.get()).text == '{"a": "1"}'
            assert visitor.key == key
            await visitor.get("/?c=1")
            for what in ("loaded", "saved"):
                log.take(f"Sessions cannot be {what}: out of order")
                log.take(f"Sessions can be {what} again")

    run(main)


@both
def test_an_error_page_may_look_at_the_session(kind: type[Failing], log: LogBook) -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write(dict(self.session))

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.write({"user": self.session.get("user", "nobody")})

    async def main() -> None:
        store = kind()
        async with site(store, ("/", Page)) as server:
            store.failing = {"load"}
            response = await Visitor(server, {"session": new_key()}).get()
            assert (response.status, response.text) == (503, '{"user": "nobody"}')
            log.take("out of order")

    run(main)


@both
def test_headers_that_have_gone_out_already(kind: type[Failing], log: LogBook) -> None:
    async def get(self: RequestHandler) -> None:
        self.session["a"] = 1
        self.write("one")
        await self.flush()
        self.write("two")

    async def main() -> None:
        store = kind()
        async with site(store, ("/", handler(get))) as server:
            store.failing = {"save"}
            response = await Visitor(server).get()
            assert (response.status, response.text) == (200, "onetwo")
            log.take("out of order")

    run(main)


@both
def test_a_store_with_a_mistake(
    kind: type[Failing], log: LogBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        store = kind()
        async with site(store, ("/", Notes)) as server:
            monkeypatch.setattr(store, "_fail", lambda name: 1 / 0)
            assert (await Visitor(server).get("/?a=1")).status == 500
            log.take("Uncaught exception")

    run(main)


def test_a_request_is_cancelled_while_its_session_is_saved(log: LogBook) -> None:
    saving = asyncio.Event()

    class Slow(Remote):
        async def _later(self, function: Any, *arguments: Any) -> Any:
            saving.set()
            await asyncio.Event().wait()

    async def get(self: RequestHandler) -> None:
        self.session["a"] = 1
        task = asyncio.ensure_future(self.finish())
        await saving.wait()
        task.cancel()

    async def main() -> None:
        async with site(Slow(), ("/", handler(get))) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await client.rest() == b""

    run(main)


def test_whose_address_nobody_has(log: LogBook) -> None:
    async def main(store: Any) -> None:
        async with site(store, ("/", Notes)) as server:
            assert (await Visitor(server, {"session": new_key()}).get()).status == 503
            assert (await Visitor(server).get("/?a=1")).status == 503
            assert (await Visitor(server).get()).status == 200

    urls = [f"redis://:secret@127.0.0.1:{free_port()}" for _ in range(2)]
    run(lambda: main(RedisStore(urls[0])))
    for record in log.take_all("Sessions cannot be"):
        assert "secret" not in record.getMessage()
    run(lambda: main(RedisRingStore(urls)))
    for record in log.take_all("is left out"):
        assert "secret" not in record.getMessage()
    log.take("Sessions cannot be loaded: no server of the ring answers")
    log.take("Sessions cannot be saved: no server of the ring answers")


def test_static_files_do_not_ask(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")

    async def main() -> None:
        store = Remote()
        store.failing = {"load"}
        rule = ("/(.*)", StaticFileHandler, {"path": str(tmp_path)})
        settings: dict[str, Any] = {"log_function": lambda handler: None, "session_store": store}
        async with serving(Application([rule], **settings)) as server:
            response = await Visitor(server, {"session": new_key()}).get("/a.txt")
            assert (response.status, response.text) == (200, "text")

    run(main)


def test_files_that_cannot_be_sessions(tmp_path: Path) -> None:
    with pytest.raises(SessionStoreError, match="no such"):
        SQLiteStore(tmp_path / "no such folder" / "file.db")
    (tmp_path / "text").write_text("This is no database at all, though it is long enough.\n" * 20)
    with pytest.raises(SessionStoreError, match="not a database"):
        SQLiteStore(tmp_path / "text")


def test_a_file_that_is_taken_away(tmp_path: Path, log: LogBook) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "file.db")
        async with site(store, ("/", Notes)) as server:
            visitor = Visitor(server)
            await visitor.get("/?a=1")
            with sqlite3.connect(tmp_path / "file.db") as other:
                other.execute("DROP TABLE sessions")
            other.close()
            assert (await visitor.get()).status == 503
            assert (await Visitor(server).get("/?a=1")).status == 503
            for record in log.take_all("Sessions cannot be"):
                assert "no such table" in record.getMessage()

    run(main)
    assert os.listdir(tmp_path) == ["file.db"]


@both
def test_what_could_not_be_saved_is_saved_later(kind: type[Failing], log: LogBook) -> None:
    """A handler that saves by itself is told, and has lost nothing of what it did."""

    async def get(self: RequestHandler) -> None:
        store.failing.add("save")
        session = self.session
        session["changed"] = "new"
        session["basket"].append("pear")
        del session["gone"], session["back"]
        saving = asyncio.ensure_future(session.save())
        if self.get_query_argument("meanwhile", ""):
            await asyncio.sleep(0)
        session["since"] = 1
        session["back"] = "again"
        session.pop("changed", None)
        with pytest.raises(SessionStoreError):
            await saving
        session["changed"] = "newer"
        assert dict(session) == expected
        store.failing.clear()

    expected = {"changed": "newer", "basket": ["apple", "pear"], "since": 1, "back": "again"}
    store = kind()

    async def main() -> None:
        def begin(self: RequestHandler) -> None:
            self.session.clear()
            self.session.update(changed="old", basket=["apple"], gone=1, back=1)

        rules = [("/", Notes), ("/begin", handler(begin)), ("/save", handler(get))]
        async with site(store, *rules) as server:
            visitor = Visitor(server)
            for query in ("", "?meanwhile=1"):
                await visitor.get("/begin")
                assert (await visitor.get(f"/save{query}")).status == 200
                assert json.loads((await visitor.get()).text) == expected

    run(main)
