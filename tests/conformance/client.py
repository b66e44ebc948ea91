"""``python -m tests.conformance.client URL``: an echo client, for the suite's server.

That server does what a path asks for: it says how many cases it has (``/getCaseCount``) and what
they are (``/getCaseInfo``), runs one (``/runCase``), and writes its reports (``/updateReports``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from tests.conformance.server import MAX_MESSAGE_SIZE

from tornadic.websocket import WebSocketClosedError, websocket_connect

__all__ = ["ask", "catalogue"]


async def ask(url: str) -> str | bytes | None:
    """The last message that comes before the server closes; None if there is none."""
    connection = await websocket_connect(url)
    last = None
    while (message := await connection.read_message()) is not None:
        last = message
    return last


async def count_cases(url: str) -> int:
    return int(await ask(f"{url}/getCaseCount") or 0)


async def catalogue(url: str) -> list[str]:
    """The names of all cases that a server has, in its order."""
    names = []
    for number in range(1, await count_cases(url) + 1):
        info = await ask(f"{url}/getCaseInfo?case={number}")
        assert info is not None
        names.append(json.loads(info)["id"])
    return names


async def run_cases(url: str, agent: str, compression: dict[str, Any] | None) -> None:
    for number in range(1, await count_cases(url) + 1):
        await echo(f"{url}/runCase?case={number}&agent={agent}", compression)
    await ask(f"{url}/updateReports?agent={agent}")


async def echo(url: str, compression: dict[str, Any] | None) -> None:
    """Send back what comes, until the server closes."""
    connection = await websocket_connect(
        url, compression_options=compression, max_message_size=MAX_MESSAGE_SIZE
    )
    while (message := await connection.read_message()) is not None:
        try:
            await connection.write_message(message, binary=isinstance(message, bytes))
        except WebSocketClosedError:
            pass  # closed while we had not read all


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.conformance.client", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--agent", default="tornadic", help="our name in the reports")
    parser.add_argument("--compress", action="store_true", help="offer permessage-deflate")
    options = parser.parse_args()
    asyncio.run(run_cases(options.url, options.agent, {} if options.compress else None))


if __name__ == "__main__":
    main()
