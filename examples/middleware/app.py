"""A small API behind middleware: ``python examples/middleware/app.py``, then see its headers.

    curl -i http://127.0.0.1:8888/
    curl -i http://127.0.0.1:8888/ -H 'Origin: https://app.example.com'

The sixth request within a minute gets a 429.
"""

import asyncio
import logging

from tornadic.httpserver import HTTPServer
from tornadic.middleware import (
    CORS,
    RateLimit,
    RequestId,
    RequestIdFilter,
    SecurityHeaders,
    Timing,
    TrustedHosts,
)
from tornadic.netutil import bind_sockets
from tornadic.options import define, options, parse_command_line
from tornadic.web import Application, HTTPError, RequestHandler

define("port", 8888, help="where it listens")


class JSONErrors:
    """Around all handlers: what they refuse is answered as JSON."""

    async def __call__(self, handler, call_next):
        try:
            await call_next()
        except HTTPError as error:
            handler.set_status(error.status_code)
            handler.write({"error": error.reason or handler._reason})


class Greeting(RequestHandler):
    def get(self, name):
        if name == "nobody":
            raise HTTPError(404)
        logging.info("greeting %s", name or "the world")
        self.write({"hello": name or "world"})


def make_app():
    return Application(
        [("/([a-z]*)", Greeting)],
        middleware=[
            RequestId(),
            Timing(),
            SecurityHeaders(),
            TrustedHosts(["localhost", "127.0.0.1"]),
            CORS(["https://app.example.com"]),
            RateLimit(5, window=60),
            JSONErrors(),
        ],
    )


async def main():
    logged = logging.StreamHandler()
    logged.addFilter(RequestIdFilter())
    logging.basicConfig(handlers=[logged], level=logging.INFO, format="%(request_id)s %(message)s")
    parse_command_line()  # which leaves a log alone that is set up already
    server = HTTPServer(make_app())
    sockets = bind_sockets(options.port, "127.0.0.1")
    server.add_sockets(sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
