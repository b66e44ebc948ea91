# mypy: disable-error-code = "import-not-found"
"""WebSockets of aiohttp, on uvloop."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import WSMsgType, web

from benchmarks.sockets import BROADCAST

MESSAGE = BROADCAST.decode()
members: set[web.WebSocketResponse] = set()


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Every message goes back."""
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    return ws


async def broadcast(request: web.Request) -> web.WebSocketResponse:
    """Every message has one sent to everybody."""
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    members.add(ws)
    async for _ in ws:
        for member in members:
            await member.send_str(MESSAGE)
    members.discard(ws)
    return ws


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve both applications."""
    application = web.Application()
    application.router.add_get("/echo", echo)
    application.router.add_get("/broadcast", broadcast)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()
