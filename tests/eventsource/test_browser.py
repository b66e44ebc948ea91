"""Chromium's own ``EventSource`` as the client."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.browser import Browser, Page

from tornadic.eventsource import EventSourceHandler
from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.web import Application, HTTPError, RequestHandler

LISTEN = """
window.listen = path => {
  const source = new EventSource(path), got = [], waiting = [];
  const note = e => {
    const what = [e.type, e.data ?? null, e.lastEventId ?? null];
    waiting.length ? waiting.shift()(what) : got.push(what);
  };
  const types = ['open', 'error', 'message', 'tick', 'grün'];
  for (const type of types) source.addEventListener(type, note);
  return { source, next: () => new Promise(r => got.length ? r(got.shift()) : waiting.push(r)) };
}
"""


class PageHandler(RequestHandler):
    def get(self) -> None:
        self.write("<!doctype html><title>events</title><link rel=icon href=data:,>")


class Various(EventSourceHandler):
    def open(self, *args: Any) -> None:
        self.send("one\ntwo\r\nthree\rfour\u2028five")
        self.send({"häuser": [1, None]}, event="tick", id="7")
        self.send("", event="grün", id="grün 😀")
        self.send(" led by a blank\n")


class Counter(EventSourceHandler):
    """Sends three numbers a time, and is broken off; ends for good at ten.

    The break waits until the page has heard all three: a browser may drop what it has received
    of a response that is cut, if its page has not got round to it.
    """

    heard = asyncio.Event()

    def prepare(self) -> None:
        if self.last_event_id == "9":
            raise HTTPError(204)

    async def open(self, *args: Any) -> None:
        await self.send(None, retry=1)
        start = int(self.last_event_id or "0")
        for number in range(start + 1, start + 4):
            await self.send(f"after {self.last_event_id}", id=str(number))
        if start == 3:
            await self.heard.wait()
            self.request.connection.stream.close()  # type: ignore[union-attr]
        else:
            self.close()


class Heard(RequestHandler):
    def post(self) -> None:
        Counter.heard.set()


class Watched(EventSourceHandler):
    ends: queue.Queue[str] = queue.Queue()

    def on_close(self) -> None:
        self.ends.put("closed")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on a loop in a thread of its own, since the browser is waited for in this one."""
    started: list[Any] = []
    ready = threading.Event()

    async def main() -> None:
        app = Application(
            [
                ("/", PageHandler),
                ("/various", Various),
                ("/count", Counter),
                ("/heard", Heard),
                ("/watch", Watched),
            ],
            log_function=lambda handler: None,
            compress_response=True,
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
def events(page: Page, port: int) -> Page:
    page.open(f"http://127.0.0.1:{port}/")
    page.run(f"{{ {LISTEN} }}")
    return page


def test_what_arrives(events: Page) -> None:
    found = events.run(
        """(async () => {
          const { source, next } = window.listen('/various');
          const found = [];
          for (let n = 0; n < 5; n++) found.push(await next());
          source.close();
          return found;
        })()"""
    )
    assert found == [
        ["open", None, None],
        ["message", "one\ntwo\nthree\nfour\u2028five", ""],
        ["tick", '{"h\\u00e4user": [1, null]}', "7"],
        ["grün", "", "grün 😀"],
        ["message", " led by a blank\n", "grün 😀"],
    ]


def test_it_connects_again_where_it_was(events: Page) -> None:
    found = events.run(
        """(async () => {
          const { source, next } = window.listen('/count');
          const found = [];
          while (source.readyState !== EventSource.CLOSED) {
            found.push(await next());
            if (found.at(-1)[2] === '6') await fetch('/heard', {method: 'POST'});
          }
          return found;
        })()"""
    )
    # The second end was a broken connection, the fourth request a 204.
    assert [what[0] for what in found] == ["open", *["message"] * 3, "error"] * 3 + ["error"]
    messages = [(what[1], what[2]) for what in found if what[0] == "message"]
    heard = ["None"] * 3 + ["3"] * 3 + ["6"] * 3
    assert messages == [(f"after {last}", str(n)) for n, last in enumerate(heard, 1)]

    def statuses() -> list[int]:
        return [r.status for r in events.responses if r.url.endswith("/count")]

    events.wait_to_hear(lambda: len(statuses()) == 4)
    assert statuses() == [200, 200, 200, 204]
    # Chromium tells its console of the connection that broke, and of nothing else.
    events.overlook_complaints("ERR_INCOMPLETE_CHUNKED_ENCODING")


def test_the_page_goes(browser: Browser, port: int) -> None:
    page = browser.new_page()
    page.open(f"http://127.0.0.1:{port}/")
    page.run(f"{{ {LISTEN} }}")
    page.run("(window.kept = window.listen('/watch')).next()")
    page.close()
    assert Watched.ends.get(timeout=20) == "closed"
