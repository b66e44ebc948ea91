"""Sessions as visitors of a site have them, with every store."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.sessions.conftest import MakeStore
from tests.sessions.support import Notes, Visitor, handler, new_key, settled, site
from tests.web.support import LogBook, run

from tornadic.web import HTTPError, RequestHandler


def test_a_session_lasts_from_request_to_request(make: MakeStore) -> None:
    async def main() -> None:
        async with site(make(), ("/", Notes)) as server:
            visitor, other = Visitor(server), Visitor(server)
            assert (await visitor.get("/")).text == "{}"
            assert visitor.cookies == {}  # nothing to remember, nothing to carry
            await visitor.get("/?a=1&b=2")
            await other.get("/?a=9")
            assert json.loads((await visitor.get("/?c=3&b=")).body) == {"a": "1", "c": "3"}
            assert json.loads((await visitor.get("/")).body) == {"a": "1", "c": "3"}
            assert json.loads((await other.get("/")).body) == {"a": "9"}

    run(main)


def test_a_coroutine_and_prepare_have_it_too(make: MakeStore) -> None:
    class Handler(RequestHandler):
        async def prepare(self) -> None:
            self.seen = self.session.get("visits", 0)
            await asyncio.sleep(0)

        async def get(self) -> None:
            await asyncio.sleep(0)
            self.session["visits"] = self.seen + 1
            self.write(str(self.seen))

    class Plain(Handler):
        def prepare(self) -> None:  # type: ignore[override]
            self.seen = self.session.get("visits", 0)

    class AtOnce(RequestHandler):
        def prepare(self) -> None:
            visits = self.session["visits"] = self.session.get("visits", 0) + 1
            self.finish(str(visits - 1))

    async def main() -> None:
        rules = [("/", Handler), ("/plain", Plain), ("/at-once", AtOnce)]
        async with site(make(), *rules) as server:
            visitor = Visitor(server)
            for number, path in enumerate(["/", "/plain", "/at-once"] * 2):
                response = await visitor.get(path)
                assert (response.status, response.text) == (200, str(number))

    run(main)


def test_the_answer_waits_for_the_store(make: MakeStore) -> None:
    """Whoever has the answer finds on the next request what he was told."""

    async def main() -> None:
        async with site(make(), ("/", Notes)) as server:
            visitors = [Visitor(server) for _ in range(20)]
            await asyncio.gather(*(v.get(f"/?n={n}") for n, v in enumerate(visitors)))
            found = await asyncio.gather(*(v.get() for v in visitors))
            assert [json.loads(r.body)["n"] for r in found] == [str(n) for n in range(20)]

    run(main)


def test_pipelined_requests_see_each_others_sessions(make: MakeStore) -> None:
    async def main() -> None:
        async with site(make(), ("/", Notes)) as server:
            visitor = Visitor(server)
            await visitor.get("/?n=0")
            client = await server.connect()
            await client.send(
                b"".join(
                    b"GET /?n=%d HTTP/1.1\r\nHost: a\r\nCookie: session=%s\r\n\r\n"
                    % (number, visitor.key.encode())
                    for number in range(1, 6)
                )
            )
            for number in range(1, 6):
                assert json.loads((await client.response()).body) == {"n": str(number)}
            assert json.loads((await visitor.get()).body) == {"n": "5"}

    run(main)


def test_requests_of_one_session_at_once(make: MakeStore) -> None:
    """Ten requests load before any of them saves, and each keeps its own key."""
    inside = 0

    async def get(self: RequestHandler) -> None:
        nonlocal inside
        assert self.session["user"] == "ada"
        inside += 1
        while inside < 10:
            await asyncio.sleep(0)
        number = self.get_query_argument("n")
        self.session[f"key {number}"] = number
        self.session["last"] = number

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/slow", handler(get))) as server:
            visitor = Visitor(server)
            await visitor.get("/?user=ada")
            await asyncio.gather(*(visitor.get(f"/slow?n={n}") for n in range(10)))
            found = json.loads((await visitor.get()).body)
            assert {found.pop("last")} < set("0123456789")
            assert found == {"user": "ada", **{f"key {n}": str(n) for n in range(10)}}

    run(main)


def test_changes_in_place_are_seen(make: MakeStore) -> None:
    def get(self: RequestHandler) -> None:
        cart = self.session.setdefault("cart", {"items": []})
        cart["items"].append({"number": len(cart["items"])})
        self.write(cart)

    async def main() -> None:
        async with site(make(), ("/", handler(get))) as server:
            visitor = Visitor(server)
            for count in range(1, 4):
                items = [{"number": number} for number in range(count)]
                assert json.loads((await visitor.get()).body) == {"items": items}

    run(main)


def test_a_forged_or_forgotten_identifier_is_not_adopted(make: MakeStore) -> None:
    async def main() -> None:
        store = make()
        async with site(store, ("/", Notes)) as server:
            for forged in (new_key(), "x" * 32, "x", "", "ä" * 32, "../../etc/passwd", "0" * 5000):
                visitor = Visitor(server, {"session": forged})
                assert (await visitor.get()).text == "{}"
                assert visitor.cookies == {"session": forged}
                await visitor.get("/?a=1")
                assert visitor.key != forged
                assert await settled(store.load(forged)) is None
                assert json.loads((await visitor.get()).body) == {"a": "1"}

    run(main)


def login(self: RequestHandler) -> None:
    self.session.regenerate()
    self.session["user"] = self.get_query_argument("user")


def logout(self: RequestHandler) -> None:
    self.session.clear()


def test_login_and_logout(make: MakeStore) -> None:
    async def main() -> None:
        rules = [("/", Notes), ("/login", handler(login)), ("/logout", handler(logout))]
        async with site(make(), *rules) as server:
            visitor = Visitor(server)
            await visitor.get("/?cart=1")
            eavesdropper = Visitor(server, visitor.cookies)
            await visitor.get("/login?user=ada")
            assert visitor.key != eavesdropper.key
            assert json.loads((await visitor.get()).body) == {"cart": "1", "user": "ada"}
            assert (await eavesdropper.get()).text == "{}"
            kept = Visitor(server, visitor.cookies)
            await visitor.get("/logout")
            assert visitor.cookies == {}
            assert (await kept.get()).text == "{}"

    run(main)


def test_login_without_a_session_before(make: MakeStore) -> None:
    async def main() -> None:
        async with site(make(), ("/", Notes), ("/login", handler(login))) as server:
            visitor = Visitor(server)
            await visitor.get("/login?user=ada")
            assert json.loads((await visitor.get()).body) == {"user": "ada"}

    run(main)


def test_logout_with_a_last_word(make: MakeStore) -> None:
    def get(self: RequestHandler) -> None:
        self.session.clear()
        self.session.flash("Good bye")

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/logout", handler(get))) as server:
            visitor = Visitor(server)
            await visitor.get("/?user=ada")
            old = Visitor(server, visitor.cookies)
            await visitor.get("/logout")
            assert visitor.key != old.key
            assert (await visitor.get()).text == (await old.get()).text == "{}"

    run(main)


def test_who_logs_out_meanwhile_stays_logged_out(make: MakeStore) -> None:
    """A request that loaded the session before does not bring it back."""
    go_on = asyncio.Event()
    loaded = asyncio.Event()

    async def get(self: RequestHandler) -> None:
        assert self.session["user"] == "ada"
        loaded.set()
        await go_on.wait()
        self.session["last"] = "page"
        if self.get_query_argument("renew", ""):
            self.session.regenerate()

    async def main() -> None:
        rules = [("/", Notes), ("/slow", handler(get)), ("/logout", handler(logout))]
        async with site(make(), *rules) as server:
            for query in ("", "?renew=1"):
                loaded.clear()
                go_on.clear()
                visitor = Visitor(server)
                await visitor.get("/?user=ada")
                slow = Visitor(server, visitor.cookies)
                waiting = asyncio.create_task(slow.get(f"/slow{query}"))
                await loaded.wait()
                before = Visitor(server, visitor.cookies)
                await visitor.get("/logout")
                go_on.set()
                assert (await waiting).status == 200
                assert "user" not in json.loads((await before.get()).body)
                assert "user" not in json.loads((await slow.get()).body)

    run(main)


def test_messages_for_the_next_page(make: MakeStore) -> None:
    def get(self: RequestHandler) -> None:
        for text in self.get_query_arguments("say"):
            self.session.flash(text, "error" if text == "no" else "message")
        if self.get_query_argument("look", ""):
            self.write({"found": self.session.get_flashed()})

    async def main() -> None:
        async with site(make(), ("/", handler(get))) as server:
            visitor = Visitor(server)
            await visitor.get("/?say=yes&say=no")
            await visitor.get("/?say=well")
            found = json.loads((await visitor.get("/?look=1")).body)["found"]
            assert found == [["message", "yes"], ["error", "no"], ["message", "well"]]
            assert json.loads((await visitor.get("/?look=1")).body)["found"] == []

    run(main)


def test_what_a_failed_request_did_is_not_kept(make: MakeStore, log: LogBook) -> None:
    def get(self: RequestHandler) -> None:
        self.session["half"] = True
        raise HTTPError(int(self.get_query_argument("status")))

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/fail", handler(get))) as server:
            visitor = Visitor(server)
            assert (await visitor.get("/fail?status=500")).status == 500
            assert visitor.cookies == {}
            # An answer to the client, such as a form with its mistakes, is no failure.
            assert (await visitor.get("/fail?status=422")).status == 422
            assert json.loads((await visitor.get()).body) == {"half": True}

    run(main)


def test_values_that_are_not_json(make: MakeStore, log: LogBook) -> None:
    def get(self: RequestHandler) -> None:
        if self.get_query_argument("late", ""):
            self.session["basket"] = basket = {"things": list[Any]()}
            basket["things"].append({1, 2})
        else:
            self.session["basket"] = object()

    async def main() -> None:
        async with site(make(), ("/", handler(get))) as server:
            for query in ("", "?late=1"):
                visitor = Visitor(server)
                assert (await visitor.get(f"/{query}")).status == 500
                assert visitor.cookies == {}
                record = log.take("Uncaught exception")
                assert record.exc_info is not None
                assert "session['basket'] is not JSON" in str(record.exc_info[1])

    run(main)


def test_what_is_set_while_the_session_is_saved(make: MakeStore) -> None:
    """It is for the next time, and so is what another task wants to save meanwhile."""

    async def get(self: RequestHandler) -> None:
        session = self.session
        session["basket"] = ["apple"]
        session["number"] = 1
        saving = asyncio.ensure_future(session.save())
        await asyncio.sleep(0)
        session["number"] = 2
        session["later"] = True
        session["basket"].append("pear")
        again = asyncio.ensure_future(session.save())
        await asyncio.sleep(0)
        session["number"] = 3
        await asyncio.gather(saving, again)
        del session["later"]
        await session.save()
        session["number"] += 1

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/save", handler(get))) as server:
            visitor = Visitor(server)
            for _ in range(2):
                await visitor.get("/save")
                found = json.loads((await visitor.get()).text)
                assert found == {"basket": ["apple", "pear"], "number": 4}

    run(main)


def test_a_response_that_ends_while_the_session_is_saved(make: MakeStore) -> None:
    saving: list[asyncio.Task[None]] = []

    async def get(self: RequestHandler) -> None:
        count = self.session.get("count", 0)
        self.session["a"] = count
        saving.append(asyncio.ensure_future(self.session.save()))
        await asyncio.sleep(0)
        self.session["b"] = count
        if self.get_query_argument("more", ""):
            self.session["count"] = count + 1

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/save", handler(get))) as server:
            visitor = Visitor(server)
            for number, query in enumerate(("?more=1", "?more=1", "")):
                await visitor.get(f"/save{query}")
                await saving.pop()
                found = json.loads((await visitor.get()).text)
                assert found == {"a": number, "b": number, "count": min(number + 1, 2)}

    run(main)


def test_a_failed_response_that_ends_while_the_session_is_saved(make: MakeStore) -> None:
    """What the handler has saved itself stays, and what it did after that does not."""

    async def get(self: RequestHandler) -> None:
        self.session["saved"] = True
        saving = asyncio.ensure_future(self.session.save())
        await asyncio.sleep(0)
        self.session["saved"] = self.session["half"] = False
        self.set_status(500)
        self.finish()
        await saving

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/fail", handler(get))) as server:
            visitor = Visitor(server)
            for _ in range(2):
                assert (await visitor.get("/fail")).status == 500
                assert json.loads((await visitor.get()).text) == {"saved": True}

    run(main)


def test_a_response_in_pieces(make: MakeStore) -> None:
    async def get(self: RequestHandler) -> None:
        self.session["first"] = 1
        self.write("one")
        await self.flush()
        self.session["second"] = 2
        self.write("two")

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/pieces", handler(get))) as server:
            visitor = Visitor(server)
            assert (await visitor.get("/pieces")).text == "onetwo"
            assert json.loads((await visitor.get()).body) == {"first": 1, "second": 2}
            await visitor.get("/?first=")
            assert (await visitor.get("/pieces")).text == "onetwo"
            assert json.loads((await visitor.get()).body) == {"first": 1, "second": 2}

    run(main)


def test_too_late_for_a_cookie(make: MakeStore) -> None:
    told: list[str] = []

    async def get(self: RequestHandler) -> None:
        self.write("one")
        await self.flush()
        for change in (
            lambda: self.session.update(a=1),
            self.session.regenerate,
            self.session.clear,
        ):
            try:
                change()
            except RuntimeError as error:
                told.append(str(error))

    async def main() -> None:
        async with site(make(), ("/", handler(get))) as server:
            assert (await Visitor(server).get()).text == "one"

    run(main)
    assert told == ["the headers have gone out, and the client cannot get its cookie"] * 3


def test_saved_in_the_middle(make: MakeStore) -> None:
    """As a WebSocket would do it, which goes on for long after its headers."""
    saved, go_on = asyncio.Event(), asyncio.Event()

    async def get(self: RequestHandler) -> None:
        self.session["step"] = 1
        await self.session.save()
        await self.session.save()
        await self.flush()
        saved.set()
        await go_on.wait()
        self.session["step"] = 2
        await self.session.save()

    async def main() -> None:
        async with site(make(), ("/", Notes), ("/long", handler(get))) as server:
            client = await server.connect()
            await client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await client.response_head()
            await saved.wait()
            key = head["Set-Cookie"].partition("=")[2].partition(";")[0]
            visitor = Visitor(server, {"session": key})
            assert json.loads((await visitor.get()).body) == {"step": 1}
            go_on.set()
            assert await client.chunk() == b""
            assert json.loads((await visitor.get()).body) == {"step": 2}

    run(main)


def test_a_client_that_leaves_while_its_session_is_saved(make: MakeStore) -> None:
    started, go_on, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.session["a"] = 1
            started.set()
            await go_on.wait()

        def on_finish(self) -> None:
            finished.set()

    async def main() -> None:
        async with site(make(), ("/", Handler)) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await started.wait()
            client.abort()
            go_on.set()
            await finished.wait()

    run(main)


def test_finish_is_called_once_and_may_be_waited_for(make: MakeStore) -> None:
    calls: list[Any] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.session["a"] = 1
            await self.finish("done")
            calls.append("after")

        def finish(self, chunk: Any = None) -> asyncio.Future[None]:
            calls.append(chunk)
            return super().finish(chunk)

        def on_finish(self) -> None:
            calls.append("on_finish")

    async def main() -> None:
        async with site(make(), ("/", Handler)) as server:
            response = await Visitor(server).get()
            assert (response.text, response["Content-Length"]) == ("done", "4")
            assert "Etag" in response
            assert calls == ["done", "on_finish", "after"]

    run(main)


def test_redirects_and_error_pages_carry_sessions(make: MakeStore) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.session.flash("Saved")
            self.redirect("/")

    class Missing(RequestHandler):
        def prepare(self) -> None:
            raise HTTPError(404)

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.write({"found": self.session.get_flashed()})

    async def main() -> None:
        async with site(make(), ("/save", Handler), ("/", Missing)) as server:
            visitor = Visitor(server)
            assert (await visitor.get("/save")).status == 302
            assert json.loads((await visitor.get()).body) == {"found": [["message", "Saved"]]}
            assert json.loads((await visitor.get()).body) == {"found": []}

    run(main)
