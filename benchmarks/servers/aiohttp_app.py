# mypy: disable-error-code = "import-not-found"
"""aiohttp's own server, on uvloop."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from benchmarks.scenarios import FORM, FORM_FILE_EDGE
from benchmarks.transfers import Tally


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


async def form(request: web.Request) -> web.Response:
    """The six fields of a form, sent back as JSON."""
    fields = await request.post()
    return web.json_response({name: fields[name] for name in FORM})


async def multipart(request: web.Request) -> web.Response:
    """A field and what is known of a file, sent back as JSON."""
    fields = await request.post()
    file = fields["file"]
    assert isinstance(file, web.FileField)
    body = file.file.read()
    return web.json_response(
        {
            "title": fields["title"],
            "filename": file.filename,
            "type": file.content_type,
            "size": len(body),
            "edges": (body[:FORM_FILE_EDGE] + body[-FORM_FILE_EDGE:]).decode(),
        }
    )


async def upload(request: web.Request) -> web.Response:
    """A body received piece by piece."""
    tally = Tally(request.path == "/checked")
    async for data in request.content.iter_any():
        tally.add(data)
    return web.Response(body=tally.report())


def make_app(app: str) -> web.Application:
    """The application called `app`."""
    method, path, handler = {
        "hello": ("GET", "/", hello),
        "unique": ("GET", "/{path:.*}", hello),
        "json": ("GET", "/api/{user}/items/{item}", json_item),
        "form": ("POST", "/form", form),
        "multipart": ("POST", "/form", multipart),
        "upload": ("PUT", "/{path:counted|checked}", upload),
    }[app]
    application = web.Application()
    application.router.add_route(method, path, handler)
    return application


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve; `routes` is for the Tornado-like servers alone."""
    runner = web.AppRunner(make_app(app), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()
