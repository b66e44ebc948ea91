"""The packages websockets and aiohttp, as clients of our server and as servers of our client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.web.support import run, serving
from tests.websocket.support import Recorder, app_of

from tornadic.websocket import websocket_connect

aiohttp: Any = pytest.importorskip("aiohttp")
websockets: Any = pytest.importorskip("websockets")

MESSAGES: list[str | bytes] = ["", "grün", "x" * 70_000, b"", b"\x00\xff", b"y" * 1_000_000, "z"]


class Packed(Recorder):
    def get_compression_options(self) -> dict[str, Any] | None:
        return {}


def with_server(compressed: bool, use: Callable[[str], Awaitable[None]]) -> list[Any]:
    """What our handler has noted while ``use(url)`` ran."""
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Packed if compressed else Recorder, notes)) as server:
            await use(f"ws://127.0.0.1:{server.port}/")
            while not isinstance(notes[-1], tuple) or notes[-1][0] != "closed":
                await asyncio.sleep(0)

    run(main)
    return notes


@pytest.mark.parametrize("compressed", [False, True])
def test_websockets_as_client(compressed: bool) -> None:
    async def use(url: str) -> None:
        compression = "deflate" if compressed else None
        async with websockets.connect(url, compression=compression, max_size=None) as connection:
            for message in MESSAGES:
                await connection.send(message)
                assert await connection.recv() == message
            await (await connection.ping(b"?"))
            await connection.close(4000, "enough")
            assert connection.close_code == 4000

    notes = with_server(compressed, use)
    assert notes[-2:] == [("ping", b"?"), ("closed", 4000, "enough")]


@pytest.mark.parametrize("compressed", [False, True])
def test_aiohttp_as_client(compressed: bool) -> None:
    async def use(url: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, compress=15 if compressed else 0) as connection,
        ):
            for message in MESSAGES:
                if isinstance(message, str):
                    await connection.send_str(message)
                else:
                    await connection.send_bytes(message)
                assert (await connection.receive()).data == message
            await connection.close(code=4000, message=b"enough")
            assert connection.close_code == 4000

    assert with_server(compressed, use)[-1] == ("closed", 4000, "enough")


async def talk(url: str, compressed: bool) -> None:
    """Our client, with a server that sends back what it gets."""
    options: dict[str, Any] | None = {} if compressed else None
    connection = await websocket_connect(url, compression_options=options)
    assert ("Sec-WebSocket-Extensions" in connection.headers) is compressed
    for message in MESSAGES:
        await connection.write_message(message, isinstance(message, bytes))
        assert await connection.read_message() == message
    connection.close(4001, "done")
    assert await connection.read_message() is None
    assert connection.close_code in (4001, 1000)  # an echo, or an answer of its own


@pytest.mark.parametrize("compressed", [False, True])
def test_websockets_as_server(compressed: bool) -> None:
    from websockets.asyncio.server import serve

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def main() -> None:
        compression = "deflate" if compressed else None
        async with serve(echo, "127.0.0.1", 0, compression=compression, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            await talk(f"ws://127.0.0.1:{port}/", compressed)

    run(main)


@asynccontextmanager
async def aiohttp_server(compressed: bool) -> AsyncIterator[int]:
    async def echo(request: Any) -> Any:
        connection = aiohttp.web.WebSocketResponse(compress=compressed)
        await connection.prepare(request)
        async for message in connection:
            if message.type is aiohttp.WSMsgType.TEXT:
                await connection.send_str(message.data)
            else:
                await connection.send_bytes(message.data)
        return connection

    app = aiohttp.web.Application()
    app.router.add_get("/", echo)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("compressed", [False, True])
def test_aiohttp_as_server(compressed: bool) -> None:
    import aiohttp.web  # noqa: F401

    async def main() -> None:
        async with aiohttp_server(compressed) as port:
            await talk(f"ws://127.0.0.1:{port}/", compressed)

    run(main)
