"""One server in a process of its own: `python -m benchmarks.servers NAME APP [options]`.

It binds itself to its core, prints the port it listens on, and serves until it is killed or its
standard input ends, which happens also when the process that started it dies.  With `--profile`
it runs under cProfile; the end of standard input then stops it and the profile is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import importlib
import os
import pstats
import socket
import sys
import threading
from collections.abc import Callable

from benchmarks.scenarios import STREAM_APPS, WEBSOCKET_APP
from benchmarks.servers import SERVERS, Server

BACKLOG = 4096
PROFILE_LINES = 45


async def _serve(server: Server, listener: socket.socket, app: str, routes: int) -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def wait_for_end() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(ended.set)

    name = server.streams if app in STREAM_APPS else server.module
    if app == WEBSOCKET_APP:
        name = server.websockets
    module = importlib.import_module(f"benchmarks.servers.{name}")
    serving = asyncio.ensure_future(module.serve(listener, app, routes))
    # Blocked outside the interpreter lock, this thread costs the server nothing.
    threading.Thread(target=wait_for_end, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    ending = asyncio.ensure_future(ended.wait())
    await asyncio.wait((serving, ending), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()


def _loop_factory(server: Server) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not server.uvloop:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(
        "uvloop"
    ).new_event_loop
    return factory


def main() -> None:
    """Parse the command line, serve, and end the process without ceremony."""
    parser = argparse.ArgumentParser(prog="benchmarks.servers")
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("app")
    parser.add_argument("--routes", type=int, default=1)
    parser.add_argument("--core", type=int)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    server = SERVERS[options.server]
    os.environ["BENCH_PACKAGE"] = server.name
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    profile = cProfile.Profile()
    runner = asyncio.Runner(loop_factory=_loop_factory(server))
    serving = _serve(server, listener, options.app, options.routes)
    if options.profile:
        profile.runcall(runner.run, serving)
        pstats.Stats(profile).sort_stats("tottime").print_stats(PROFILE_LINES)
    else:
        runner.run(serving)
    sys.stdout.flush()
    # Connections may still be open and tasks still waiting; nobody is interested in them.
    os._exit(0)


if __name__ == "__main__":
    main()
