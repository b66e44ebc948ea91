"""How large a session may become, in one request and in many."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.sessions.support import Visitor, handler, make_store, site
from tests.web.support import LogBook, run

from tornadic.sessions import MemoryStore
from tornadic.sessions.session import MAX_CHARACTERS
from tornadic.web import RequestHandler

# What JSON adds to text.
QUOTES = 2
HALF = MAX_CHARACTERS // 2


class Sizes(RequestHandler):
    """Sets text of so many characters of JSON under each key, and shows what is there."""

    def get(self) -> None:
        for key, (value,) in self.request.query_arguments.items():
            if value == b"0":
                del self.session[key]
            else:
                self.session[key] = "x" * (int(value) - QUOTES)
        self.write({key: len(text) + QUOTES for key, text in self.session.items()})


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize(
    "targets",
    [
        # Whether it fits: at once, by and by, and what replaces other text.
        [(f"/?a={MAX_CHARACTERS}", True)],
        [(f"/?a={MAX_CHARACTERS + 1}", False)],
        [("/?a=3", True), (f"/?b={MAX_CHARACTERS - 3}", True), ("/?c=3", False)],
        [("/?a=3", True), (f"/?b={MAX_CHARACTERS - 2}", False), ("/?b=3", True)],
        [(f"/?a={HALF}", True), (f"/?b={HALF}", True), (f"/?a={HALF - 1}", True)],
        [(f"/?a={HALF + n}", True) for n in range(1, 9)] + [(f"/?b={HALF}", False)],
        [(f"/?a={HALF}&b={HALF}", True), ("/?b=0&c=3", True), (f"/?d={HALF - 2}", False)],
        [(f"/?a={HALF}&b={HALF}", True), ("/?b=0", True), (f"/?c={HALF}", True)],
    ],
)
def test_the_largest(
    targets: list[tuple[str, bool]], kind: str, tmp_path: Path, log: LogBook
) -> None:
    async def main() -> None:
        async with site(make_store(kind, tmp_path), ("/", Sizes)) as server:
            visitor = Visitor(server)
            kept: Any = {}
            for target, fits in targets:
                response = await visitor.get(target)
                assert response.status == (200 if fits else 500), target
                if fits:
                    kept = json.loads(response.text)
                else:
                    log.take("cannot be kept")
                assert json.loads((await visitor.get()).text) == kept

    run(main)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_request_that_saves_again_and_again(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async def get(self: RequestHandler) -> None:
            largest = "x" * (MAX_CHARACTERS - QUOTES)
            for key in ("a", "b", "a"):
                self.session[key] = largest
                await self.session.save()
                self.session["c"] = ""
                with pytest.raises(ValueError, match="cannot be kept"):
                    await self.session.save()
                del self.session["c"], self.session[key]
                await self.session.save()
            self.session["a"] = "the end"

        async with site(
            make_store(kind, tmp_path), ("/", Sizes), ("/save", handler(get))
        ) as server:
            visitor = Visitor(server)
            for _ in range(2):
                assert (await visitor.get("/save")).status == 200
                assert json.loads((await visitor.get()).text) == {"a": len("the end") + QUOTES}

    run(main)


def test_what_another_request_has_written_counts(log: LogBook) -> None:
    """Both have loaded the session before either writes."""

    async def main() -> None:
        loaded, may_write = asyncio.Event(), asyncio.Event()

        async def get(self: RequestHandler) -> None:
            assert "a" in self.session
            loaded.set()
            await may_write.wait()
            self.session["c"] = 1

        async with site(MemoryStore(), ("/", Sizes), ("/slow", handler(get))) as server:
            visitor = Visitor(server)
            await visitor.get("/?a=3")
            slow = asyncio.ensure_future(visitor.get("/slow"))
            await loaded.wait()
            assert (await visitor.get(f"/?b={MAX_CHARACTERS - 3}")).status == 200
            may_write.set()
            assert (await slow).status == 500
            log.take("cannot be kept")
            # However often something small is set again.
            for _ in range(3):
                assert (await visitor.get("/?a=3")).status == 200
                assert (await visitor.get("/?a=2")).status == 200
            assert json.loads((await visitor.get()).text) == {"a": 2, "b": MAX_CHARACTERS - 3}

    run(main)
