"""Sessions for some handlers, and attributes of programs that have their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.sessions.support import Notes, Visitor, handler, make_store, site
from tests.web.support import run

from tornadic.sessions import MemoryStore, Session, SessionMixin
from tornadic.web import RequestHandler


def test_handlers_with_a_store_of_their_own() -> None:
    class Own(SessionMixin, Notes):
        session_store = MemoryStore()

    class Other(SessionMixin, Notes):
        session_store = MemoryStore()

    async def main() -> None:
        rules = [("/own", Own), ("/other", Other), ("/site", Notes)]
        async with site(MemoryStore(), *rules) as server:
            visitors = {path: Visitor(server) for path, _ in rules}
            for path, visitor in visitors.items():
                await visitor.get(f"{path}?is={path[1:]}")
            for path, visitor in visitors.items():
                for other, _ in rules:
                    found = json.loads((await visitor.get(other)).body)
                    assert found == ({"is": path[1:]} if other == path else {})

    run(main)


def test_without_a_store_for_all() -> None:
    class Own(SessionMixin, Notes):
        session_store = MemoryStore()

    def get(self: RequestHandler) -> None:
        self.write({"has": hasattr(self, "session")})

    async def main() -> None:
        async with site(None, ("/own", Own), ("/", handler(get))) as server:
            visitor = Visitor(server)
            assert (await visitor.get()).text == '{"has": false}'
            await visitor.get("/own?a=1")
            assert (await visitor.get("/own")).text == '{"a": "1"}'
            assert (await visitor.get()).text == '{"has": false}'

    run(main)


def test_a_remote_store_of_their_own(redis_url: str, tmp_path: Path) -> None:
    async def main() -> None:
        store = make_store("redis", tmp_path, [redis_url])

        class Own(SessionMixin, RequestHandler):
            session_store = store
            prepared: Any = None

            def prepare(self) -> None:
                self.prepared = self.session.get("a")

            def get(self) -> None:
                self.session["a"] = 1
                self.write({"a": self.prepared})

        class Late(Own):
            session_autoload = False

            def prepare(self) -> None:
                with pytest.raises(RuntimeError, match=r"await self\.session\.load"):
                    self.session["a"]

            async def get(self) -> None:  # type: ignore[override]
                session = await self.load_session()
                assert session is self.session is await self.load_session()
                assert isinstance(session, Session)
                self.write(dict(session))

        async with site(None, ("/", Own), ("/late", Late)) as server:
            visitor = Visitor(server)
            assert (await visitor.get()).text == '{"a": null}'
            assert (await visitor.get()).text == '{"a": 1}'
            assert (await visitor.get("/late")).text == '{"a": 1}'
        await store.close()  # type: ignore[misc]

    run(main)


def test_the_applications_store_is_the_mixins_too() -> None:
    class Plain(SessionMixin, Notes):
        pass

    async def main() -> None:
        async with site(MemoryStore(), ("/", Notes), ("/plain", Plain)) as server:
            visitor = Visitor(server)
            await visitor.get("/plain?a=1")
            assert (await visitor.get()).text == '{"a": "1"}'

    run(main)


def test_it_stands_in_front() -> None:
    with pytest.raises(TypeError, match="SessionMixin must come before the handler in Wrong"):

        class Wrong(RequestHandler, SessionMixin):
            pass


def test_a_program_may_have_sessions_of_its_own() -> None:
    """As many programs for Tornado do: an attribute, or a property, of the same name."""

    class Attribute(RequestHandler):
        def prepare(self) -> None:
            self.session = {"mine": 1}

        def get(self) -> None:
            self.write(self.session)

    class Property(RequestHandler):
        @property
        def session(self) -> dict[str, int]:
            return {"mine": 2}

        def get(self) -> None:
            self.write(self.session)

    async def main() -> None:
        rules = [("/1", Attribute), ("/2", Property)]
        for settings in ({}, {"session_store": {"their": "own"}}, {"session_store": None}):
            async with site(None, *rules, **settings) as server:
                for number in (1, 2):
                    text = (await Visitor(server).get(f"/{number}")).text
                    assert text == f'{{"mine": {number}}}'

    run(main)


def test_without_sessions_there_is_no_such_attribute() -> None:
    def get(self: RequestHandler) -> None:
        assert not hasattr(self, "session")
        with pytest.raises(AttributeError, match="session_store"):
            self.session  # noqa: B018
        self.write("none")

    async def main() -> None:
        async with site(None, ("/", handler(get))) as server:
            assert (await Visitor(server).get()).text == "none"

    run(main)
