"""uvicorn with h11 on the socket whose number is given."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/moved":
        head: dict[str, Any] = {"status": 302, "headers": [(b"location", b"/sent")]}
    else:
        head = {"status": 200, "headers": []}
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", **head})
    if path == "/pieces":
        for number in range(100):
            piece = b"%d " % number
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": body if path == "/sent" else b""})


uvicorn.run(application, fd=int(sys.argv[1]), http="h11", log_level="error", lifespan="off")
