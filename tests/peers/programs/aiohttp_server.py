"""aiohttp's server on the socket whose number is given."""

from __future__ import annotations

import asyncio
import socket
import sys

from aiohttp import web


async def sent(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def pieces(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_compression()
    await response.prepare(request)
    for number in range(100):
        await response.write(b"%d " % number)
    await response.write_eof()
    return response


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/sent")


async def main() -> None:
    application = web.Application(client_max_size=10_000_000)
    application.router.add_route("*", "/sent", sent)
    application.router.add_get("/pieces", pieces)
    application.router.add_route("*", "/moved", moved)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=int(sys.argv[1]))).start()
    await asyncio.Event().wait()


asyncio.run(main())
