"""Whatever requests do to a session, the next one finds what a dictionary would hold."""

from __future__ import annotations

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

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.seen: dict[str, Any] = {}

    async def follow(self, session: Any, step: tuple[str, Any, Any], store: Any) -> None:
        """Take a step with both, and compare what comes of it."""
        word, key, value = step
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
        elif word == "save":
            await session.save()
            self.stored = copy.deepcopy(seen)
        elif word == "fail":
            if isinstance(store, Failing):
                store.failing = {"save", "delete"}
            with contextlib.suppress(SessionStoreError):
                await session.save()
                self.stored = copy.deepcopy(seen)
            if isinstance(store, Failing):
                store.failing = set()


@pytest.mark.parametrize("kind", ["memory", "sqlite", "failing", "remote"])
@given(REQUESTS)
@settings(max_examples=150)
def test_what_the_next_request_finds(kind: str, requests: list[tuple[Any, int]]) -> None:
    model = Model()
    waiting = list(requests)
    stores: list[SessionStore] = []

    async def get(self: RequestHandler) -> None:
        steps, status = waiting.pop(0)
        session = self.session
        model.seen = copy.deepcopy(model.stored)
        for step in steps:
            await model.follow(session, step, stores[-1])
        assert dict(session) == model.seen
        assert len(session) == len(model.seen)
        if status < 500:
            model.stored = model.seen
        self.set_status(status)

    def look(self: RequestHandler) -> None:
        self.write(json.dumps(dict(self.session)))

    async def main() -> None:
        rules = [("/", handler(get)), ("/look", handler(look))]
        with TemporaryDirectory() as folder:
            if kind in ("memory", "sqlite"):
                stores.append(make_store(kind, Path(folder)))
            else:
                stores.append(Failing() if kind == "failing" else Remote())
            async with site(stores[-1], *rules) as server:
                visitor = Visitor(server)
                while waiting:
                    status = waiting[0][1]
                    assert (await visitor.get()).status == status
                    assert json.loads((await visitor.get("/look")).text) == model.stored

    run(main)
