"""A tour in one page, written as a plain Tornado program: nothing in it knows of Tornadic.

``tornadic run demo/app.py [--port=8888] [--address=127.0.0.1]`` serves it; with Tornado installed
``python demo/app.py`` does too, and the page says who is at work.  Each card of the page has a
handler below and shows that handler's source, so what you read there is what ran.
"""

from __future__ import annotations

import asyncio
import builtins
import errno
import inspect
import io
import keyword
import platform
import signal
import socket
import string
import sys
import time
import tokenize
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import tornado.httpserver
import tornado.httputil
import tornado.iostream
import tornado.netutil
import tornado.options
import tornado.web
from tornado.escape import url_escape, url_unescape, xhtml_escape

HERE = Path(__file__).resolve().parent

# Tornado itself has a `version` only.
SERVED_BY = (
    f"Tornadic {tornado.__version__}"
    if hasattr(tornado, "__version__")
    else f"Tornado {tornado.version}"
)

# The page needs no inline script or style and nothing from elsewhere, so nothing else may run.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # Alone in its process a page may read the clock to a few microseconds: for the latencies.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}

VISITOR_COOKIE = "tornadic_demo_visitor"


class BaseHandler(tornado.web.RequestHandler):
    """What all pages have in common: headers, and how an error looks."""

    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        # Ask each time; the entity tag then spares the body.
        self.set_header("Cache-Control", "no-cache")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        reason = tornado.httputil.responses.get(status_code, "Unknown")
        self.finish(render("error.html", status=status_code, reason=reason, server=SERVED_BY))

    def visitor(self) -> str:
        """The name the visitor left in the form; empty if there is none."""
        name: str = url_unescape(self.get_cookie(VISITOR_COOKIE, ""))
        return name


class PageHandler(BaseHandler):
    def get(self) -> None:
        request = self.request
        seen = [
            ("Method", request.method),
            ("Target", request.uri),
            ("Version", request.version),
            ("Remote address", request.remote_ip),
            *request.headers.get_all(),
        ]
        self.write(render("page.html", visitor=self.visitor(), seen=table(seen), **FACTS, **CODE))


class PingHandler(BaseHandler):
    def get(self) -> None:
        self.write({"cpu_seconds": time.process_time()})


class StreamHandler(BaseHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        try:
            for word in STORY.split():
                self.write(f"{word} ")
                await self.flush()
                await asyncio.sleep(0.05)
        except tornado.iostream.StreamClosedError:
            pass  # The reader has heard enough.


class VisitorHandler(BaseHandler):
    def post(self) -> None:
        name = self.get_body_argument("name")[:40]
        likes = self.get_body_arguments("likes")
        self.set_cookie(
            VISITOR_COOKIE,
            url_escape(name),
            expires_days=7,
            httponly=True,
            samesite="Lax",
        )
        wanted = self.request.headers.get("Accept", "")
        if "application/json" in wanted:
            self.write({"name": name, "likes": likes})
        else:
            self.redirect("/#form", status=303)

    def delete(self) -> None:
        self.clear_cookie(VISITOR_COOKIE)
        self.set_status(204)


class ContrastHandler(BaseHandler):
    def get(self, text: str, paper: str) -> None:
        ratio = contrast(text, paper)
        level = "AAA" if ratio >= 7 else "AA" if ratio >= 4.5 else "too low"
        self.write(
            {
                "text": text,
                "paper": paper,
                "ratio": round(ratio, 2),
                "level": level,
            }
        )


class FailureHandler(BaseHandler):
    def get(self, status: str) -> None:
        if status == "500":
            raise RuntimeError("The demo fails on purpose here; this traceback is for you.")
        raise tornado.web.HTTPError(int(status))


class MissingHandler(BaseHandler):
    def prepare(self) -> None:
        raise tornado.web.HTTPError(404)


class AssetHandler(BaseHandler):
    TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

    def get(self, name: str) -> None:
        file = HERE / name
        self.set_header("Content-Type", f"{self.TYPES[file.suffix]}; charset=UTF-8")
        self.write(file.read_bytes())


RULES = [
    (r"/", PageHandler),
    (r"/api/ping", PingHandler),
    (r"/api/stream", StreamHandler),
    (r"/api/visitor", VisitorHandler),
    (r"/api/contrast/([0-9a-f]{6})/([0-9a-f]{6})", ContrastHandler),
    (r"/error/([45]\d\d)", FailureHandler),
    (r"/(style\.css|script\.js|icon\.svg)", AssetHandler),
]

STORY = """A tornado starts where warm air meets cold: wind that turns along the ground is lifted
upright, and what was wide and slow becomes narrow and quick. These words are one response, each
sent as soon as it was written. Nothing else waits for them: press “Measure” meanwhile."""


def luminance(colour: str) -> float:
    """How bright ``colour``, six hexadecimal digits, is to the eye, from 0 to 1 (WCAG 2.2)."""
    channels = [value / 255 for value in bytes.fromhex(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    red, green, blue = linear
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


class Html(str):
    """Text that is HTML already; `render` escapes all other."""


def render(file: str, **values: object) -> str:
    """The text of ``file`` with each ``$name`` replaced by its value, escaped unless `Html`."""
    escaped = {
        name: value if isinstance(value, Html) else xhtml_escape(str(value))
        for name, value in values.items()
    }
    return string.Template((HERE / file).read_text("utf-8")).substitute(escaped)


def table(rows: Iterable[tuple[str, str]]) -> Html:
    """Table rows of names and what they are."""
    return Html(
        "".join(
            f'<tr><th scope="row">{xhtml_escape(name)}</th><td>{xhtml_escape(value)}</td></tr>\n'
            for name, value in rows
        )
    )


def highlight(source: str) -> Html:
    """Python source with its words marked: the text itself comes out as it went in."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    pieces: list[str] = []
    done = 0
    previous = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start = max(done, starts[token.start[0] - 1] + token.start[1])
        end = max(start, starts[token.end[0] - 1] + token.end[1]) if token.string else start
        pieces.append(xhtml_escape(source[done:start]))
        text = xhtml_escape(source[start:end])
        kind = _kind(token, previous)
        pieces.append(f'<span class="{kind}">{text}</span>' if kind else text)
        done, previous = end, token.string
    return Html("".join(pieces) + xhtml_escape(source[done:]))


def _kind(token: tokenize.TokenInfo, previous: str) -> str:
    """The class of a token in the style sheet; empty for one that is not marked."""
    kind = tokenize.tok_name[token.type]
    if kind == "STRING" or kind.startswith("FSTRING"):
        return "string"
    if kind in ("COMMENT", "NUMBER"):
        return kind.lower()
    if kind != "NAME":
        return ""
    if keyword.iskeyword(token.string):
        return "keyword"
    if previous in ("def", "class"):
        return "defined"
    known = token.string == "self" or hasattr(builtins, token.string)
    return "builtin" if known and previous != "." else ""


FACTS = {
    "server": SERVED_BY,
    "api": f"Tornado {tornado.version}",
    "python": f"{platform.python_implementation()} {platform.python_version()}",
    "system": f"{platform.system()} {platform.machine()}",
}


def parse_options() -> Any:
    """The command line's options; ends the process if it makes no sense."""
    options = tornado.options.options
    tornado.options.define("port", default=8888, help="port to listen on; 0 for any free one")
    tornado.options.define("address", default="127.0.0.1", help="address to listen on")
    # A measurement would fill the terminal; --logging=info shows every request.
    options.logging = "warning"
    try:
        rest = tornado.options.parse_command_line()
    except (tornado.options.Error, ValueError) as error:
        fail(f"{error}; see --help", 2)
    if rest:
        fail(f"no use for {' '.join(rest)}; see --help", 2)
    return options


def open_port(port: int, address: str) -> list[socket.socket]:
    """Listen on ``port``; ends the process with a clear word if that cannot be."""
    if not 0 <= port <= 65535:
        fail(f"there is no port {port}", 2)
    try:
        sockets: list[socket.socket] = tornado.netutil.bind_sockets(port, address)
    except OSError as error:
        hint = f"; try --port={port + 1}" if error.errno == errno.EADDRINUSE else ""
        fail(f"cannot listen on {address} port {port}: {error.strerror}{hint}", 1)
    return sockets


def fail(message: str, status: int) -> NoReturn:
    print(f"demo: {message}", file=sys.stderr)
    sys.exit(status)


async def serve(sockets: list[socket.socket]) -> None:
    """Answer requests until Ctrl-C or SIGTERM."""
    application = tornado.web.Application(RULES, default_handler_class=MissingHandler)
    server = tornado.httpserver.HTTPServer(application)
    server.add_sockets(sockets)
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    for sock in sockets:
        host, port = sock.getsockname()[:2]
        print(f"{SERVED_BY} is at http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    print("Open it in a browser; Ctrl-C ends it.", flush=True)
    await stop.wait()
    server.stop()
    await server.close_all_connections()


CODE = {
    f"{name}_code": highlight(inspect.getsource(shown))
    for name, shown in {
        "page": PageHandler,
        "ping": PingHandler,
        "stream": StreamHandler,
        "visitor": VisitorHandler,
        "contrast": ContrastHandler,
        "failure": FailureHandler,
        "base": BaseHandler,
        "serve": serve,
    }.items()
}


if __name__ == "__main__":
    options = parse_options()
    asyncio.run(serve(open_port(options.port, options.address)))
