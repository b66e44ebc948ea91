# mypy: disable-error-code = "import-not-found"
"""aiohttp's own server, on uvloop."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web


async def hello(request: web.Request) -> web.Response:
    """The greeting."""
    return web.Response(text="Hello, world!")


async def json_item(request: web.Request) -> web.Response:
    """Path groups, a query argument, a header and a cookie, sent back as JSON."""
    return web.json_response(
        {
            "user": request.match_info["user"],
            "item": request.match_info["item"],
            "page": request.query["page"],
            "request_id": request.headers["X-Request-Id"],
            "theme": request.cookies["theme"],
        }
    )


def make_app(app: str) -> web.Application:
    """The application called `app`."""
    path, handler = {
        "hello": ("/", hello),
        "unique": ("/{path:.*}", hello),
        "json": ("/api/{user}/items/{item}", json_item),
    }[app]
    application = web.Application()
    application.router.add_get(path, handler)
    return application


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve; `routes` is for the Tornado-like servers alone."""
    runner = web.AppRunner(make_app(app), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()
