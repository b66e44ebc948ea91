"""Programs that raise, and programs that are slow."""

from __future__ import annotations

import pytest
from tests.http1connection.support import (
    OK,
    Peer,
    Program,
    Taker,
    answer,
    get,
    head,
    post,
    raising,
    run,
    served,
    turns,
    uncaught,
    until,
)
from tests.server.logs import Log

from tornadic.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
)
from tornadic.httputil import HTTPInputError

# Programs that raise


STEPS = [
    ("on_head", False),
    ("on_head", True),
    ("on_data", False),
    ("on_data", True),
    ("on_finish", False),
]


@pytest.mark.parametrize(("step", "later"), STEPS)
def test_a_program_that_raises_closes_the_connection(log: Log, step: str, later: bool) -> None:
    async def main() -> None:
        program = Program(**{step: raising(ZeroDivisionError(), later)})
        async with served(program) as (_, peer):
            peer.send(post() + get("/2"))
            await peer.reads_end()
            await until(lambda: program.closed)
            ends = [["failed", "closed"] if step == "on_finish" else ["closed"]]
            assert [taker.ends for taker in program.takers] == ends

    run(main)
    uncaught(log, ZeroDivisionError)


@pytest.mark.parametrize("error", [ZeroDivisionError(), HTTPInputError("dislike")])
def test_a_program_that_raises_when_it_is_asked(log: Log, error: Exception) -> None:
    class Raising(Program):
        def start_request(self, server_conn: object, request_conn: object) -> Taker:
            raise error

    async def main() -> None:
        program = Raising()
        async with served(program) as (_, peer):
            peer.send(get())
            if isinstance(error, HTTPInputError):
                await peer.reads_refusal(400)
            else:
                await peer.reads_end()

    run(main)
    if isinstance(error, HTTPInputError):
        log.one("dislike")
    else:
        uncaught(log, ZeroDivisionError)


@pytest.mark.parametrize("later", [False, True])
def test_a_program_that_raises_when_the_answer_has_begun(log: Log, later: bool) -> None:
    async def hook(taker: Taker) -> None:
        head(taker.conn, b"a", {"Content-Length": "3"})
        if later:
            await turns(3)
        raise HTTPInputError("dislike")

    async def main() -> None:
        async with served(Program(on_head=hook)) as (_, peer):
            peer.send(post())
            await peer.reads_end(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na")

    run(main)
    log.one("dislike")


@pytest.mark.parametrize("cause", ["refused", "refused later", "cut short"])
def test_a_program_that_raises_when_its_connection_closes(log: Log, cause: str) -> None:
    class RaisingTaker(Taker):
        def on_connection_close(self) -> None:
            super().on_connection_close()
            raise ZeroDivisionError

    class Raising(Program):
        def start_request(self, server_conn: object, request_conn: object) -> Taker:
            assert isinstance(request_conn, HTTP1Connection)
            taker = RaisingTaker(**self.hooks)
            taker.conn = request_conn
            self.takers.append(taker)
            return taker

    async def send(peer: Peer) -> None:
        if cause == "cut short":
            peer.send(post()[:-1], end=True)
        else:
            peer.send(post())
        await peer.reader.read()

    async def main() -> None:
        hook = raising(HTTPInputError("dislike"), cause == "refused later")
        program = Raising(**({} if cause == "cut short" else {"on_head": hook}))
        async with served(program) as (_, peer):
            await send(peer)
            await peer.hang_up()
            await until(lambda: program.closed)
            assert program.takers[0].ends == ["closed"]

    run(main)
    raised = [record for record in log.take() if record.exc_info is not None]
    assert [record.name for record in raised] == ["tornado.application"]


# Flow control


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_slow_program_gets_its_body_in_order(size: int) -> None:
    async def pause(_: Taker) -> None:
        await turns(2)

    async def main() -> None:
        body = bytes(range(256)) * 4
        program = Program(on_head=pause, on_data=pause, on_finish=answer)
        async with served(program, HTTP1ConnectionParameters(chunk_size=size)) as (_, peer):
            peer.send(post("/", body) + get("/2"))
            await peer.reads(OK + OK)
            assert program.takers[0].body == body
            assert max(map(len, program.takers[0].pieces)) <= size

    run(main)
