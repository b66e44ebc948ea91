"""What our server serves to real clients."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from tornadic.httputil import HTTPServerRequest
from tornadic.web import RequestHandler, StaticFileHandler, stream_request_body

BIG = bytes(range(256)) * 20_000
"""A body that no buffer holds at once: five megabytes."""

TEXT = "All work and no play makes a dull page.\n" * 500
PIECE, PIECES = b"piece of it\n" * 1000, 50


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def port_of(request: HTTPServerRequest) -> int:
    """The port that a client on TCP has: it tells connections apart, as long as they are open."""
    connection: Any = request.connection
    port: int = connection.context.address[1]
    return port


class Told(RequestHandler):
    """Tells as JSON what was asked, and by whom."""

    def get(self) -> None:
        request = self.request
        self.write(
            {
                "method": request.method,
                "uri": request.uri,
                "version": request.version,
                "host": request.host,
                "protocol": request.protocol,
                "ip": request.remote_ip,
                "headers": dict(request.headers.get_all()),
                "arguments": {
                    name: self.get_arguments(name, strip=False) for name in request.arguments
                },
                "files": {
                    name: [[one.filename, one.content_type, digest(one.body)] for one in files]
                    for name, files in request.files.items()
                },
                "digest": digest(request.body),
                "peer": port_of(request),
            }
        )

    post = put = patch = delete = options = get


class Sent(RequestHandler):
    """Sends the body back."""

    def post(self) -> None:
        self.write(self.request.body)

    put = post


@stream_request_body
class Taken(RequestHandler):
    """Takes a body piece by piece, and tells its digest."""

    def prepare(self) -> None:
        self.hash = hashlib.sha256()

    async def data_received(self, chunk: bytes) -> None:
        await asyncio.sleep(0)
        self.hash.update(chunk)

    def put(self) -> None:
        self.write(self.hash.hexdigest())

    post = put


class Pieces(RequestHandler):
    """Sends pieces, each flushed, without a length."""

    async def get(self) -> None:
        for _ in range(PIECES):
            self.write(PIECE)
            await self.flush()


class Endless(RequestHandler):
    """Sends pieces until the client has gone; ``gone`` is then set."""

    async def get(self) -> None:
        while True:
            self.write(PIECE)
            await self.flush()
            await asyncio.sleep(0.005)  # a browser has to lay it out

    def on_connection_close(self) -> None:
        self.settings["gone"].set()


class Cookies(RequestHandler):
    """Sets two cookies, and tells those that came."""

    def get(self) -> None:
        self.set_cookie("plain", "a")
        self.set_cookie("secret", "b", httponly=True, samesite="Lax", path="/cookies")
        self.write({name: one.value for name, one in self.request.cookies.items()})


class Text(RequestHandler):
    """A text that is worth compressing, with the ETag of its own."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(TEXT)


class Redirect(RequestHandler):
    """To ``/told``, with the status that is asked for."""

    def get(self, status: str) -> None:
        self.redirect("/told?redirected=1", status=int(status))

    post = get


class Empty(RequestHandler):
    def get(self) -> None:
        self.set_status(204)


def rules(folder: str) -> list[Any]:
    """The site's rules; ``folder`` has the static files."""
    return [
        ("/told.*", Told),
        ("/sent", Sent),
        ("/taken", Taken),
        ("/pieces", Pieces),
        ("/endless", Endless),
        ("/cookies", Cookies),
        ("/text", Text),
        ("/redirect/([0-9]+)", Redirect),
        ("/empty", Empty),
        ("/files/(.*)", StaticFileHandler, {"path": folder}),
    ]
