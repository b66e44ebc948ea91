# mypy: disable-error-code = "import-not-found"
"""uvicorn (uvloop, httptools) with a Starlette application."""

from __future__ import annotations

import socket

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from benchmarks.servers.asgi import run_uvicorn


async def hello(request: Request) -> PlainTextResponse:
    """The greeting."""
    return PlainTextResponse("Hello, world!")


async def json_item(request: Request) -> JSONResponse:
    """Path groups, a query argument, a header and a cookie, sent back as JSON."""
    return JSONResponse(
        {
            "user": request.path_params["user"],
            "item": request.path_params["item"],
            "page": request.query_params["page"],
            "request_id": request.headers["X-Request-Id"],
            "theme": request.cookies["theme"],
        }
    )


def make_app(app: str) -> Starlette:
    """The application called `app`."""
    route = {
        "hello": Route("/", hello),
        "unique": Route("/{path:path}", hello),
        "json": Route("/api/{user}/items/{item}", json_item),
    }[app]
    return Starlette(routes=[route])


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve; `routes` is for the Tornado-like servers alone."""
    await run_uvicorn(make_app(app), listener)
