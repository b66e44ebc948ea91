"""Streams of events over raw sockets: every byte, every end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.web.support import Client, LogBook, Response, Server, head, run, serving, until

from tornadic.eventsource import EventSourceHandler, broadcast
from tornadic.iostream import StreamClosedError
from tornadic.web import Application, HTTPError


class Recorder(EventSourceHandler):
    """Notes what happens to it."""

    notes: list[Any]
    made: list[Recorder]

    def initialize(self, notes: list[Any], made: list[Recorder]) -> None:
        self.notes = notes
        self.made = made
        made.append(self)

    def open(self, *args: Any) -> Any:
        self.notes.append(("open", *args))

    def on_close(self) -> Any:
        assert not self.is_open
        self.notes.append("closed")

    def on_finish(self) -> None:
        self.notes.append("finished")


class Site:
    """One handler class that is served, what it noted, and those that were made."""

    def __init__(self, handler: type[Recorder], **settings: Any) -> None:
        self.notes: list[Any] = []
        self.made: list[Recorder] = []
        settings.setdefault("log_function", lambda handler: None)
        arguments = {"notes": self.notes, "made": self.made}
        self.app = Application([("/(.*)", handler, arguments)], **settings)

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[Server]:
        async with serving(self.app) as server:
            yield server


async def opened(server: Server, target: str = "/", **fields: str) -> tuple[Client, Response]:
    """A client that has got its head."""
    client = await server.connect()
    more = {name.replace("_", "-"): value for name, value in fields.items()}
    await client.send(head(target, headers=more))
    return client, await client.response_head()


def with_open(function: Any, **attributes: Any) -> type[Recorder]:
    return type("Handler", (Recorder,), {"open": function, **attributes})


def test_the_head() -> None:
    async def main() -> None:
        site = Site(Recorder, compress_response=True)
        async with site.served() as server:
            client, response = await opened(server, "/a", Accept_Encoding="gzip, br, zstd")
            assert response.status == 200
            assert response["Content-Type"] == "text/event-stream"
            assert response["Cache-Control"] == "no-store, no-transform"
            assert response["X-Accel-Buffering"] == "no"
            assert response["Transfer-Encoding"] == "chunked"
            for name in ("Content-Length", "Content-Encoding", "Etag"):
                assert name not in response
            assert site.notes == [("open", "a")]
            # What is sent comes at once, as it is.
            future = site.made[0].send("hello", "greeting", "1")
            assert future.done()
            assert await client.chunk() == b"event: greeting\nid: 1\ndata: hello\n\n"

    run(main)


def test_errors_of_the_caller_send_nothing() -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            client, _ = await opened(server)
            for arguments in ({"event": "a\nb"}, {"id": "a\rb"}, {"retry": -1}):
                with pytest.raises(ValueError):
                    site.made[0].send("x", **arguments)
                with pytest.raises(ValueError):
                    broadcast(site.made, "x", **arguments)
            site.made[0].send("right")
            assert await client.chunk() == b"data: right\n\n"

    run(main)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("17", "17"), ("gr\xc3\xbcn", "grün"), ("", None), (None, None), ("\xff", "\ufffd")],
)
def test_last_event_id(value: str | None, expected: str | None) -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            await opened(server, **({} if value is None else {"Last_Event_ID": value}))
            assert site.made[0].last_event_id == expected

    run(main)


def test_close_ends_the_response_and_the_connection_goes_on() -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            client, _ = await opened(server)
            (handler,) = site.made
            handler.send("last")
            handler.close()
            handler.close()
            assert site.notes == [("open", ""), "finished", "closed"]
            assert await client.chunk() == b"data: last\n\n"
            assert await client.chunk() == b""
            with pytest.raises(StreamClosedError):
                handler.send("too late")
            broadcast([handler], "too late")
            await client.send(head("/again"))
            assert (await client.response_head()).status == 200
        assert site.notes.count("closed") == 2

    run(main)


@pytest.mark.parametrize("manner", ["ends", "resets", "half-closes"])
def test_the_client_goes(manner: str) -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            client, _ = await opened(server)
            if manner == "ends":
                client.close()
            elif manner == "resets":
                client.abort()
            else:
                client.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            await until(lambda: "closed" in site.notes)
            with pytest.raises(StreamClosedError):
                site.made[0].send("nobody hears it")
        assert site.notes == [("open", ""), "finished", "closed"]

    run(main)


def test_the_server_ends() -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            await opened(server)
        assert site.notes == [("open", ""), "finished", "closed"]

    run(main)


def test_prepare_refuses() -> None:
    async def main() -> None:
        def prepare(self: Recorder) -> None:
            raise HTTPError(204)

        site = Site(type("Refusing", (Recorder,), {"prepare": prepare}))
        async with site.served() as server:
            response = await server.fetch()
            assert response.status == 204
        assert site.notes == ["finished"]

    run(main)


def test_a_coroutine_that_sends() -> None:
    async def main() -> None:
        async def open(self: Recorder, *args: Any) -> None:
            for number in range(3):
                await self.send(str(number))
            self.close()

        site = Site(with_open(open))
        async with site.served() as server:
            response = await server.fetch()
            assert response.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert site.notes == ["finished", "closed"]

    run(main)


def test_a_coroutine_that_is_done_leaves_the_stream_open() -> None:
    async def main() -> None:
        async def open(self: Recorder, *args: Any) -> None:
            await self.send("first")

        site = Site(with_open(open))
        async with site.served() as server:
            client, _ = await opened(server)
            assert await client.chunk() == b"data: first\n\n"
            await until(lambda: site.made[0]._opening is None)
            await site.made[0].send("second")
            assert await client.chunk() == b"data: second\n\n"

    run(main)


def test_a_coroutine_that_waits_is_cancelled_when_the_client_goes() -> None:
    async def main() -> None:
        async def open(self: Recorder, *args: Any) -> None:
            try:
                self.notes.append("waits")
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.notes.append("cancelled")
                raise

        site = Site(with_open(open))
        async with site.served() as server:
            client, _ = await opened(server)
            await until(lambda: "waits" in site.notes)
            client.abort()
            await until(lambda: "cancelled" in site.notes)
        assert site.notes == ["waits", "finished", "closed", "cancelled"]

    run(main)


def test_a_coroutine_that_sends_until_the_client_goes(log: LogBook) -> None:
    async def main() -> None:
        async def open(self: Recorder, *args: Any) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
            await self.send("nobody is there")  # raises, and that is no news

        site = Site(with_open(open))
        async with site.served() as server:
            client, _ = await opened(server)
            await until(lambda: site.made[0]._opening is not None)
            await asyncio.sleep(0)
            client.abort()
            await until(lambda: "closed" in site.notes)
            await asyncio.sleep(0)

    run(main)


@pytest.mark.parametrize("is_coroutine", [False, True])
def test_an_exception_breaks_off(is_coroutine: bool, log: LogBook) -> None:
    async def main() -> None:
        def fail(self: Recorder, *args: Any) -> None:
            self.send("begun")
            raise RuntimeError("out of events")

        async def fail_later(self: Recorder, *args: Any) -> None:
            fail(self)

        site = Site(with_open(fail_later if is_coroutine else fail))
        async with site.served() as server:
            client, _ = await opened(server)
            # No last chunk: it is not complete.
            assert await client.rest() == b"d\r\ndata: begun\n\n\r\n"
        assert site.notes == ["finished", "closed"]
        log.take("out of events")

    run(main)


@pytest.mark.parametrize("is_coroutine", [False, True])
def test_an_exception_in_on_close(is_coroutine: bool, log: LogBook) -> None:
    async def main() -> None:
        def fail(self: Recorder) -> None:
            raise RuntimeError("cannot say goodbye")

        async def fail_later(self: Recorder) -> None:
            fail(self)

        on_close = fail_later if is_coroutine else fail
        site = Site(type("Failing", (Recorder,), {"on_close": on_close}))
        async with site.served() as server:
            client, _ = await opened(server)
            site.made[0].close()
            assert await client.chunk() == b""
        log.take("cannot say goodbye")

    run(main)


def test_silence_is_broken_by_comments() -> None:
    async def main() -> None:
        site = Site(Recorder, eventsource_keep_alive_interval=0.005)
        async with site.served() as server:
            client, _ = await opened(server)
            assert [await client.chunk() for _ in range(3)] == [b":\n\n"] * 3
            site.made[0].close()
            while await client.chunk() == b":\n\n":
                pass

    run(main)


@pytest.mark.parametrize("interval", [0, None])
def test_no_comments(interval: float | None) -> None:
    async def main() -> None:
        site = Site(Recorder, eventsource_keep_alive_interval=interval)
        async with site.served() as server:
            await opened(server)
            assert site.made[0]._timer is None

    run(main)


EVENT = "x" * 60000
FULL = 100_000


async def filled(handler: Recorder) -> int:
    """Send to a client that does not read until something has to wait; how much was sent."""
    count = 0
    stream = handler.request.connection.stream  # type: ignore[union-attr]
    while not stream.unsent:
        handler.send(EVENT, id=str(count))
        count += 1
    return count


async def ids(client: Client, count: int) -> list[int]:
    """The ids of the next events."""
    data = b""
    while data.count(b"id: ") < count or not data.endswith(b"\n\n"):
        data += await client.chunk()
    return [int(part.split(b"\n")[0]) for part in data.split(b"id: ")[1:]]


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_a_slow_client_misses_events(policy: str) -> None:
    async def main() -> None:
        kind = type("Slow", (Recorder,), {"when_slow": policy})
        site = Site(kind, eventsource_max_write_buffer_size=200_000)
        async with site.served() as server:
            client, _ = await opened(server)
            (handler,) = site.made
            sent = await filled(handler)
            for number in range(sent, sent + 50):
                broadcast([handler], EVENT, id=str(number))
            stream = handler.request.connection.stream  # type: ignore[union-attr]
            assert stream.unsent + handler._held_size <= 200_000 + 60_100
            assert handler.dropped >= 46
            kept = sent + 50 - handler.dropped
            waiting = handler.send("the last", id="9999") if policy == "drop_oldest" else None
            found = await ids(client, kept)
            assert len(found) == kept
            if policy == "drop_newest":
                assert found == list(range(kept))
            else:
                # A part was with the stream already; of the others the latest are kept.
                assert found[:sent] == list(range(sent))
                assert found[sent:] == sorted(found[sent:])
                assert found[-1] == 9999
            if waiting is not None:
                await waiting
            assert handler.is_open

    run(main)


def test_a_slow_client_is_closed() -> None:
    async def main() -> None:
        site = Site(Recorder, eventsource_max_write_buffer_size=FULL)
        async with site.served() as server:
            await opened(server)
            (handler,) = site.made
            await filled(handler)
            stream = handler.request.connection.stream  # type: ignore[union-attr]
            while stream.unsent + handler._held_size <= FULL:
                waiting = handler.send(EVENT)
                assert handler.is_open
            # The bound is passed, and the next is one too many.
            with pytest.raises(StreamClosedError):
                handler.send("one more")
            assert "closed" not in site.notes  # in the next turn, for nobody expects it now
            with pytest.raises(StreamClosedError):
                await waiting
            assert site.notes == [("open", ""), "finished", "closed"]

    run(main)


def test_who_waits_is_told_when_all_has_gone_out() -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            client, _ = await opened(server)
            (handler,) = site.made
            sent = await filled(handler)
            one, other = handler.send("a", id="1000"), handler.send("b", id="1001")
            assert not one.done()
            one.cancel()  # is nobody else's concern
            assert (await ids(client, sent + 2))[-2:] == [1000, 1001]
            await other

    run(main)


def test_who_closes_sends_what_waits_first() -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            client, _ = await opened(server)
            (handler,) = site.made
            sent = await filled(handler)
            broadcast([handler], "last", id="1000")
            handler.close()
            assert (await ids(client, sent + 1))[-1] == 1000
            assert await client.chunk() == b""

    run(main)


def test_broadcast_to_many() -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            clients = [(await opened(server))[0] for _ in range(5)]
            site.made[2].close()
            broadcast(site.made, {"n": 1}, event="tick")
            for number, client in enumerate(clients):
                expected = b"" if number == 2 else b'event: tick\ndata: {"n": 1}\n\n'
                assert await client.chunk() == expected

    run(main)


def test_another_policy_is_an_error(log: LogBook) -> None:
    async def main() -> None:
        site = Site(type("Wrong", (Recorder,), {"when_slow": "wait"}))
        async with site.served() as server:
            assert (await server.fetch()).status == 500
        log.take("when_slow is one of")

    run(main)


def test_http_1_0() -> None:
    async def main() -> None:
        site = Site(Recorder)
        async with site.served() as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.0\r\nHost: example.com\r\n\r\n")
            response = await client.response_head()
            assert "Transfer-Encoding" not in response
            site.made[0].send("plain")
            site.made[0].close()
            assert await client.rest() == b"data: plain\n\n"

    run(main)
