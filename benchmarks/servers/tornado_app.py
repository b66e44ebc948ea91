# mypy: disallow-subclassing-any = False
"""The applications for Tornado and Tornadic: one source, only the imported package differs.

The package's name stands in the environment variable BENCH_PACKAGE (`tornado` or `tornadic`),
set by the process that runs this module.
"""

from __future__ import annotations

import asyncio
import os
import socket
from importlib import import_module
from typing import Any

from benchmarks.files import static_folder
from benchmarks.pages import TORNADO_TEMPLATES, VALUES
from benchmarks.programs import require
from benchmarks.scenarios import FORM, FORM_FILE_EDGE, SESSION_KEY
from benchmarks.transfers import Tally

_package = os.environ["BENCH_PACKAGE"]
httpserver: Any = import_module(f"{_package}.httpserver")
web: Any = import_module(f"{_package}.web")


class HelloHandler(web.RequestHandler):
    def get(self) -> None:
        self.write("Hello, world!")


class AnyPathHandler(web.RequestHandler):
    def get(self, path: str) -> None:
        self.write("Hello, world!")


class PageHandler(web.RequestHandler):
    def get(self) -> None:
        self.render("list.html", **VALUES)


class SessionReadHandler(web.RequestHandler):
    def get(self) -> None:
        require(self.session["user"], "ada")
        self.write("Hello, world!")


class SessionHandler(web.RequestHandler):
    def get(self) -> None:
        self.session["visits"] = self.session.get("visits", 0) + 1
        self.write("Hello, world!")


class AsyncHandler(web.RequestHandler):
    async def get(self) -> None:
        self.write("Hello, world!")


class JSONHandler(web.RequestHandler):
    def get(self, user: str, item: str) -> None:
        self.write(
            {
                "user": user,
                "item": item,
                "page": self.get_query_argument("page"),
                "request_id": self.request.headers.get("X-Request-Id"),
                "theme": self.get_cookie("theme"),
            }
        )


class FormHandler(web.RequestHandler):
    def post(self) -> None:
        self.write({name: self.get_body_argument(name) for name in FORM})


class MultipartHandler(web.RequestHandler):
    def post(self) -> None:
        file = self.request.files["file"][0]
        self.write(
            {
                "title": self.get_body_argument("title"),
                "filename": file["filename"],
                "type": file["content_type"],
                "size": len(file["body"]),
                "edges": (file["body"][:FORM_FILE_EDGE] + file["body"][-FORM_FILE_EDGE:]).decode(),
            }
        )


@web.stream_request_body
class UploadHandler(web.RequestHandler):
    def initialize(self, checked: bool) -> None:
        self.tally = Tally(checked)

    def data_received(self, chunk: bytes) -> None:
        self.tally.add(chunk)

    def put(self) -> None:
        self.write(self.tally.report())


def make_app(app: str, routes: int) -> Any:
    """The application called `app`, with its route among `routes` others (the last of them)."""
    rules: dict[str, list[tuple[Any, ...]]] = {
        "hello": [("/", HelloHandler)],
        "unique": [("/(.*)", AnyPathHandler)],
        "async": [("/", AsyncHandler)],
        "session": [("/", SessionHandler)],
        "session-read": [("/", SessionReadHandler)],
        "page": [("/", PageHandler)],
        "json": [("/api/([^/]+)/items/([0-9]+)", JSONHandler)],
        "form": [("/form", FormHandler)],
        "multipart": [("/form", MultipartHandler)],
        "upload": [
            ("/counted", UploadHandler, {"checked": False}),
            ("/checked", UploadHandler, {"checked": True}),
        ],
        "static": [],
        "literals": [(f"/page{n}", HelloHandler) for n in reversed(range(routes))],
        "regexes": [(f"/section{n}/([0-9]+)", AnyPathHandler) for n in reversed(range(routes))],
    }
    settings: dict[str, Any] = {"xsrf_cookies": app == "form"}
    if app == "page":
        template = import_module(f"{_package}.template")
        settings["template_loader"] = template.DictLoader(TORNADO_TEMPLATES, whitespace="all")
    if app.startswith("session"):
        sessions = import_module(f"{_package}.sessions")
        store = settings["session_store"] = sessions.MemoryStore()
        store.save(SESSION_KEY, sessions.Change({"user": '"ada"', "visits": "1"}))
    if app == "static":
        settings["static_path"] = str(static_folder())
    return web.Application(rules[app], **settings)


async def serve(listener: socket.socket, app: str, routes: int) -> None:
    """Serve with the package's own HTTPServer on its own loop."""
    listener.setblocking(False)
    server = httpserver.HTTPServer(make_app(app, routes))
    server.add_sockets([listener])
    await asyncio.Event().wait()
