"""A real Chromium as the client."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.browser import Browser, Page

from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.web import Application, RequestHandler
from tornadic.websocket import WebSocketHandler

OPEN = """
window.talk = (path, protocols) => new Promise((done, failed) => {
  const socket = new WebSocket(`ws://${location.host}${path}`, protocols || []);
  const got = [], waiting = [];
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => done({
    socket,
    next: () => new Promise(r => got.length ? r(got.shift()) : waiting.push(r)),
    closed: new Promise(r => socket.onclose = e => r([e.code, e.reason, e.wasClean])),
  });
  socket.onerror = failed;
  socket.onmessage = e => waiting.length ? waiting.shift()(e.data) : got.push(e.data);
})
"""


class PageHandler(RequestHandler):
    def get(self) -> None:
        self.write("<!doctype html><title>sockets</title><link rel=icon href=data:,>")


class Echo(WebSocketHandler):
    ended: queue.Queue[tuple[int | None, str | None]] = queue.Queue()

    def on_message(self, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split(" ", 2)
            self.close(int(code), reason)
        else:
            self.write_message(message, isinstance(message, bytes))

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[-1] if subprotocols else None

    def get_compression_options(self) -> dict[str, Any] | None:
        return {} if self.request.path == "/packed" else None

    def on_close(self) -> None:
        if self.request.query == "noted":
            self.ended.put((self.close_code, self.close_reason))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on a loop in a thread of its own, since the browser is waited for in this one."""
    started: list[Any] = []
    ready = threading.Event()

    async def main() -> None:
        app = Application(
            [("/", PageHandler), ("/plain|/packed", Echo)],
            log_function=lambda handler: None,
        )
        (sock, *_) = sockets = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(app)
        server.add_sockets(sockets)
        ended = asyncio.Event()
        started.extend((sock.getsockname()[1], asyncio.get_running_loop(), ended))
        ready.set()
        await ended.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(20)
    yield started[0]
    started[1].call_soon_threadsafe(started[2].set)
    thread.join(20)


@pytest.fixture
def sockets(page: Page, port: int) -> Page:
    page.open(f"http://127.0.0.1:{port}/")
    page.run(f"{{ {OPEN} }}")
    return page


@pytest.mark.parametrize("path", ["/plain", "/packed"])
def test_there_and_back(sockets: Page, path: str) -> None:
    found = sockets.run(
        f"""(async () => {{
          const talk = await window.talk({path!r});
          const found = [talk.socket.extensions];
          for (const text of ['', 'grün 😀', 'x'.repeat(1 << 20)]) {{
            talk.socket.send(text);
            found.push(await talk.next() === text);
          }}
          const bytes = new Uint8Array(1 << 20).map((_, i) => i * 7);
          talk.socket.send(bytes);
          const back = new Uint8Array(await talk.next());
          found.push(back.length === bytes.length && back.every((b, i) => b === bytes[i]));
          for (let n = 0; n < 500; n++) talk.socket.send(`${{n}}`);
          let ordered = true;
          for (let n = 0; n < 500; n++) ordered &&= await talk.next() === `${{n}}`;
          found.push(ordered);
          talk.socket.close();
          found.push(await talk.closed);
          return found;
        }})()"""
    )
    extension = "permessage-deflate" if path == "/packed" else ""
    assert found == [extension, True, True, True, True, True, [1005, "", True]]


def test_the_server_closes(sockets: Page) -> None:
    for code, reason in ((1000, "bye"), (1001, "away"), (4999, "grün")):
        assert sockets.run(
            f"""(async () => {{
              const talk = await window.talk('/plain');
              talk.socket.send('close {code} {reason}');
              return await talk.closed;
            }})()"""
        ) == [code, reason, True]


def test_the_page_closes(sockets: Page) -> None:
    assert sockets.run(
        """(async () => {
          const talk = await window.talk('/plain?noted');
          talk.socket.close(3001, 'enough');
          return await talk.closed;
        })()"""
    ) == [3001, "", True]
    assert Echo.ended.get(timeout=20) == (3001, "enough")


def test_the_page_goes(browser: Browser, port: int) -> None:
    page = browser.new_page()
    page.open(f"http://127.0.0.1:{port}/")
    page.run(f"{{ {OPEN} }}")
    page.run("window.talk('/plain?noted').then(talk => (window.kept = talk, true))")
    page.close()
    assert Echo.ended.get(timeout=20) == (1001, None)


def test_subprotocols(sockets: Page) -> None:
    assert (
        sockets.run("window.talk('/plain', ['a', 'b']).then(talk => talk.socket.protocol)") == "b"
    )


def test_a_page_of_another_origin(sockets: Page, port: int) -> None:
    sockets.open(f"http://localhost:{port}/")
    refused = sockets.run(
        f"""new Promise(done => {{
          const socket = new WebSocket('ws://127.0.0.1:{port}/plain');
          socket.onclose = e => done(e.code);
        }})"""
    )
    assert refused == 1006
    sockets.take_complaint("403")
