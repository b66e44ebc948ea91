# mypy: disable-error-code = "import-not-found"
"""uvicorn (uvloop, httptools) with a bare ASGI application: what a hand-written app costs."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import uvicorn

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_ITEM_PATH = re.compile("/api/([^/]+)/items/([0-9]+)")


async def _respond(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The greeting, whatever the path."""
    await _respond(send, 200, b"text/plain; charset=utf-8", b"Hello, world!")


async def json_item(scope: Scope, receive: Receive, send: Send) -> None:
    """Path groups, a query argument, a header and a cookie, sent back as JSON."""
    match = _ITEM_PATH.fullmatch(scope["path"])
    if match is None:
        await _respond(send, 404, b"text/plain; charset=utf-8", b"Not Found")
        return
    headers = dict(scope["headers"])
    cookies = dict(
        pair.strip().partition("=")[::2]
        for pair in headers.get(b"cookie", b"").decode("latin-1").split(";")
    )
    answer = {
        "user": match[1],
        "item": match[2],
        "page": parse_qs(scope["query_string"].decode())["page"][0],
        "request_id": headers[b"x-request-id"].decode("latin-1"),
        "theme": cookies["theme"],
    }
    await _respond(send, 200, b"application/json", json.dumps(answer).encode())


async def run_uvicorn(application: Any, listener: socket.socket) -> None:
    """Run uvicorn over `application` on the loop that is running."""
    config = uvicorn.Config(
        application,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        # The default of 5 s would close the idle connections while they are being opened.
        timeout_keep_alive=75,
    )
    await uvicorn.Server(config).serve(sockets=[listener])


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve; `routes` makes no difference, there is no router."""
    await run_uvicorn(json_item if app == "json" else hello, listener)
