"""The servers that are measured, each with the same few applications.

Every module of this package but `__main__` offers

    async def serve(listener: socket.socket, app: str, routes: int) -> None

which serves the application called `app` (see `benchmarks.scenarios`) on the listening socket
until it is cancelled.  Access logs are off everywhere.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec

# Servers are often where only administrators look.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))


@dataclass(frozen=True, slots=True)
class Server:
    """What runs a server: the module here, the loop under it, and what must be installed.

    `module` serves HTTP, `streams` what has to do with bare streams and `websockets` WebSockets;
    empty where it does not.
    `frameworks` are the names of the packages whose versions belong to the result; `needs` are
    modules that must be found, and `command` a program.
    """

    name: str
    label: str
    module: str
    frameworks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    uvloop: bool = False
    streams: str = ""
    command: str = ""
    websockets: str = ""

    def missing(self) -> str | None:
        """The first needed module or program that is not installed, or None if all are there."""
        if self.command and shutil.which(self.command, path=SEARCH_PATH) is None:
            return self.command
        needs = (*self.needs, "uvloop") if self.uvloop else self.needs
        return next((name for name in needs if not installed(name)), None)


def installed(name: str) -> bool:
    """Whether there is a module of this name to import."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return False
    # A directory without __init__.py is found too, but holds nothing to run.
    return spec is not None and spec.origin is not None


SERVERS = {
    server.name: server
    for server in (
        Server(
            "floor",
            "raw socket (the floor)",
            "floor",
            streams="floor_streams",
            websockets="floor_websockets",
        ),
        Server(
            "tornado",
            "Tornado",
            "tornado_app",
            ("tornado",),
            ("tornado.web",),
            streams="tornado_streams",
            websockets="tornado_websockets",
        ),
        Server(
            "tornadic",
            "Tornadic",
            "tornado_app",
            ("tornadic",),
            ("tornadic.web", "tornadic.httpserver"),
            streams="tornado_streams",
            websockets="tornado_websockets",
        ),
        Server(
            "uvicorn", "uvicorn, bare ASGI", "asgi", ("uvicorn",), ("uvicorn", "httptools"), True
        ),
        Server(
            "starlette",
            "uvicorn + Starlette",
            "starlette_app",
            ("uvicorn", "starlette"),
            ("uvicorn", "httptools", "starlette"),
            True,
        ),
        Server(
            "aiohttp",
            "aiohttp (uvloop)",
            "aiohttp_app",
            ("aiohttp",),
            ("aiohttp",),
            True,
            websockets="aiohttp_websockets",
        ),
        Server(
            "websockets",
            "websockets",
            "",
            ("websockets",),
            ("websockets",),
            websockets="websockets_app",
        ),
        Server(
            "picows",
            "picows (Cython, uvloop)",
            "",
            ("picows",),
            ("picows",),
            True,
            websockets="picows_app",
        ),
        Server("asyncio", "asyncio", "", streams="asyncio_streams"),
        Server("nginx", "nginx", "", command="nginx"),
        Server("jinja2", "Jinja2", "", ("jinja2",), ("jinja2",)),
        Server("aiomysql", "aiomysql", "", ("aiomysql",), ("aiomysql",)),
        Server("asyncmy", "asyncmy", "", ("asyncmy",), ("asyncmy",)),
    )
}
