"""Tornado's server on the socket whose number is given."""

from __future__ import annotations

import asyncio
import socket
import sys

import tornado.httpserver
import tornado.web


class Sent(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write(self.request.body)

    post = put = get


class Pieces(tornado.web.RequestHandler):
    async def get(self) -> None:
        for number in range(100):
            self.write(b"%d " % number)
            await self.flush()


class Moved(tornado.web.RequestHandler):
    def get(self) -> None:
        self.redirect("/sent")

    post = put = get


async def main() -> None:
    assert "tornadic" not in sys.modules
    rules = [("/sent", Sent), ("/pieces", Pieces), ("/moved", Moved)]
    server = tornado.httpserver.HTTPServer(
        tornado.web.Application(rules, compress_response=True, log_function=lambda handler: None)
    )
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.setblocking(False)
    server.add_sockets([sock])
    await asyncio.Event().wait()


asyncio.run(main())
