"""Whatever requests do to a session, the next one finds what a dictionary would hold."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sessions.support import Failing, Remote, Visitor, handler, make_store, site
from tests.web.support import run

from tornadic.sessions import SessionStore, SessionStoreError
from tornadic.web import RequestHandler

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from([0, 1, True, None, 1.5, "x", "\ud83d", [], [1], {}, {"k": [1]}, "y" * 99])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, VALUES),
        st.tuples(st.just("set"), KEYS, VALUES),
        st.tuples(st.just("delete"), KEYS, st.none()),
        st.tuples(st.just("change"), KEYS, VALUES),
        st.tuples(st.just("look"), KEYS, VALUES),
        st.tuples(st.sampled_from(["clear", "regenerate", "save", "fail"]), st.none(), st.none()),
        st.tuples(st.just("flush"), st.none(), st.none()),
    ),
    max_size=7,
)
# What a request does, and the status of its answer.
REQUESTS = st.lists(
    st.tuples(STEPS, st.sampled_from([200, 200, 200, 204, 404, 500])), min_size=1, max_size=5
)


def change(value: Any, more: Any) -> None:
    """Change a value in place, if that can be done."""
    if isinstance(value, list):
        value.append(more)
    elif isinstance(value, dict):
        value["k"] = more


class Model:
    """What the store has, what the handler sees, and how both were led there."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self.stored: dict[str, Any] = {}
        self.seen: dict[str, Any] = {}
        # Whether the head has gone out, and if so, whether the client has a session.
        self.is_under_way = False
        self.has_cookie = False

    async def answer(self, handler: RequestHandler, steps: list[Any], status: int) -> None:
        """Do to the session of a request what ``steps`` say."""
        self.seen = copy.deepcopy(self.stored)
        self.is_under_way = False
        handler.set_status(status)
        session: Any = handler.session
        for word, key, value in steps:
            if word == "flush" and status == 204:
                pass  # for the client that would be all of it, and the session not saved yet
            elif word == "flush":
                if not self.is_under_way:
                    self.has_cookie = not session.is_new or bool(self.seen and status < 500)
                self.is_under_way = True
                await handler.flush()
            elif word in ("clear", "regenerate") and self.is_under_way:
                with pytest.raises(RuntimeError, match="headers have gone out"):
                    getattr(session, word)()
            elif word == "set" and self.is_under_way and not self.has_cookie:
                with pytest.raises(RuntimeError, match="headers have gone out"):
                    session[key] = value
            elif (
                word == "delete" and self.is_under_way and key in self.seen and not self.has_cookie
            ):
                with pytest.raises(RuntimeError, match="headers have gone out"):
                    del session[key]
            elif word in ("save", "fail") and self.is_under_way and status >= 500:
                # What the client was not told cannot be.
                with contextlib.suppress(RuntimeError):
                    await self.save(session, word == "fail")
            elif word not in ("save", "fail"):
                self.follow(session, word, key, value)
            elif not self.is_under_way or self.has_cookie:
                await self.save(session, word == "fail")
        assert dict(session) == self.seen
        assert len(session) == len(self.seen)
        if status < 500:
            self.stored = self.seen

    def follow(self, session: Any, word: str, key: str, value: Any) -> None:
        """Take a step with both, and compare what comes of it."""
        seen = self.seen
        if word == "set":
            seen[key], session[key] = copy.deepcopy(value), copy.deepcopy(value)
        elif word == "delete" and key in seen:
            del seen[key], session[key]
        elif word == "delete":
            with pytest.raises(KeyError):
                del session[key]
        elif word == "change":
            change(seen.get(key), value)
            change(session.get(key), value)
        elif word == "look":
            assert session.get(key, value) == seen.get(key, value)
            assert type(session.get(key)) is type(seen.get(key))
            assert (key in session) is (key in seen)
        elif word == "clear":
            seen.clear()
            session.clear()
        elif word == "regenerate":
            session.regenerate()

    async def save(self, session: Any, fails: bool) -> None:
        """Save in the middle of a request, if the store lets it."""
        store = self.store
        if isinstance(store, Failing) and fails:
            store.failing = {"save", "delete"}
        try:
            await session.save()
            self.stored = copy.deepcopy(self.seen)
        except SessionStoreError:
            pass
        finally:
            if isinstance(store, Failing):
                store.failing = set()


class Passed:
    """Has nothing to say to a response."""

    def process_response(self, handler: RequestHandler) -> None:
        handler.set_header("X-Passed", "1")


class PassedLater:
    """Neither has this one, and takes its time."""

    async def process_response(self, handler: RequestHandler) -> None:
        await asyncio.sleep(0)
        handler.set_header("Vary", "Origin")


@pytest.mark.parametrize("middleware", [(), (Passed(),), (PassedLater(), Passed())])
@pytest.mark.parametrize("kind", ["memory", "sqlite", "failing", "remote"])
@given(REQUESTS)
@settings(max_examples=60)
def test_what_the_next_request_finds(
    kind: str, middleware: tuple[Any, ...], requests: list[tuple[Any, int]]
) -> None:
    async def main(store: SessionStore) -> None:
        model = Model(store)
        waiting = list(requests)

        async def get(self: RequestHandler) -> None:
            await model.answer(self, *waiting.pop(0))

        def look(self: RequestHandler) -> None:
            self.write(json.dumps(dict(self.session)))

        rules = [("/", handler(get)), ("/look", handler(look))]
        async with site(store, *rules, middleware=middleware) as server:
            visitor = Visitor(server)
            for _, status in requests:
                response = await visitor.get()
                assert response.status == status
                assert response["Vary"].lower().count("cookie") == 1
                assert len(response.all("Set-Cookie")) <= 1
                assert json.loads((await visitor.get("/look")).text) == model.stored

    with TemporaryDirectory() as folder:
        store: SessionStore
        if kind in ("memory", "sqlite"):
            store = make_store(kind, Path(folder))
        else:
            store = Failing() if kind == "failing" else Remote()
        run(lambda: main(store))
