# mypy: disable-error-code = "import-not-found"
"""uvicorn (uvloop, httptools) with a Starlette application."""

from __future__ import annotations

import socket
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.pages import JINJA_TEMPLATES, VALUES
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


def page_of_rows() -> Callable[[Request], Response]:
    """A handler that renders by Jinja2, as Starlette's documentation shows."""
    import jinja2
    from starlette.templating import Jinja2Templates

    loader = jinja2.DictLoader(JINJA_TEMPLATES)
    templates = Jinja2Templates(env=jinja2.Environment(loader=loader, autoescape=True))

    async def page(request: Request) -> Response:
        return templates.TemplateResponse(request, "list.html", VALUES)

    return page


def make_app(app: str) -> Starlette:
    """The application called `app`."""
    if app == "page":
        return Starlette(routes=[Route("/", page_of_rows())])
    route = {
        "hello": Route("/", hello),
        "unique": Route("/{path:path}", hello),
        "json": Route("/api/{user}/items/{item}", json_item),
    }[app]
    return Starlette(routes=[route])


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve; `routes` is for the Tornado-like servers alone."""
    await run_uvicorn(make_app(app), listener)
