"""``python -m tests.conformance.server``: an echo server, for the suite's client.

It prints its port, and runs until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any, Final

from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.web import Application
from tornadic.websocket import WebSocketHandler

MAX_MESSAGE_SIZE: Final = 32 * 1024 * 1024
"""The largest message of the suite has 16 MB."""


class Echo(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


class CompressedEcho(Echo):
    def get_compression_options(self) -> dict[str, Any]:
        return {}


async def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.conformance.server", description=__doc__)
    parser.add_argument("--compress", action="store_true", help="agree to permessage-deflate")
    options = parser.parse_args()
    application = Application(
        [("/", CompressedEcho if options.compress else Echo)],
        websocket_max_message_size=MAX_MESSAGE_SIZE,
        websocket_max_write_buffer_size=2 * MAX_MESSAGE_SIZE,
    )
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(application).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
