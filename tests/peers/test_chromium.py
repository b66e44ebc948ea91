"""Chromium visits our server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Browser, Page
from tests.peers.site import BIG, PIECE, PIECES, TEXT, digest, port_of, rules
from tests.server.logs import Log
from tests.server.peer import PATIENCE
from tests.server.support import Serve, Site

from tornadic.web import RequestHandler

IMAGES = 30
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'


class Home(RequestHandler):
    """A page with everything, and forms."""

    def get(self) -> None:
        images = "".join(f"<img src='/dot/{number}'>" for number in range(IMAGES))
        self.write(
            f"""<!doctype html><html lang="en"><title>Home</title>
            <link rel="icon" href="data:,"><link rel="stylesheet" href="/style">
            <script src="/script" defer></script><h1 id="head">Home</h1>{images}
            <form id="plain" method="post" action="/told?from=form" accept-charset="utf-8">
              <input name="name"><textarea name="text"></textarea><button id="send">Send</button>
            </form>
            <form id="files" method="post" action="/told" enctype="multipart/form-data">
              <input name="name"><input type="file" name="up" multiple><button id="up">Up</button>
            </form>
            <form method="post" action="/redirect/303"><button id="away">Away</button></form>"""
        )


class Noted(RequestHandler):
    """Notes from which port it was asked."""

    def get(self, *args: str) -> None:
        self.settings["ports"].append(port_of(self.request))
        kind, text = {
            "/style": ("text/css", "h1 { color: rgb(1, 2, 3) }"),
            "/script": ("text/javascript", "window.isReady = true"),
        }.get(self.request.path, ("image/svg+xml", DOT))
        self.set_header("Content-Type", kind)
        self.write(text)


class Kept(RequestHandler):
    """May be kept for an hour."""

    def get(self) -> None:
        self.settings["ports"].append(0)
        self.set_header("Cache-Control", "max-age=3600")
        self.write("kept")


@pytest.fixture
def gone() -> threading.Event:
    return threading.Event()


@pytest.fixture
def ports() -> list[int]:
    return []


@pytest.fixture
def site(serve: Serve, folder: Path, gone: threading.Event, ports: list[int]) -> Site:
    settings = {"gone": gone, "ports": ports, "compress_response": True}
    own = [("/", Home), ("/(?:style|script|dot/.*)", Noted), ("/kept", Kept)]
    return serve(*own, *rules(str(folder)), settings=settings)


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """One page for all: making one takes longer than a visit."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def home(site: Site, window: Page) -> Iterator[Page]:
    """The page with all that belongs to it, in a browser that remembers nothing."""
    window.call("Network.clearBrowserCookies")
    window.call("Network.clearBrowserCache")
    window.responses.clear()
    window.open(f"http://127.0.0.1:{site.port}/")
    yield window
    window.open("about:blank")  # nothing is asked for when the server has gone
    complaints = list(window.complaints)
    window.complaints.clear()
    assert complaints == []


def fetched(page: Page, arguments: str, what: str = "text") -> Any:
    """What ``fetch()`` gives."""
    return page.run(f"fetch({arguments}).then(answer => answer.{what}())")


def test_a_page_and_all_it_refers_to(home: Page, ports: list[int]) -> None:
    assert home.run("window.isReady") is True
    colour = "getComputedStyle(document.querySelector('h1')).color"
    assert home.run(colour) == "rgb(1, 2, 3)"
    assert home.run("[...document.images].every(one => one.naturalWidth === 9)")
    assert {one.status for one in home.responses} == {200}
    assert len(ports) == IMAGES + 2
    assert len(set(ports)) <= 6  # as many connections as it makes to a server


class TestForms:
    TEXT = "ä & = + \N{SNOWMAN}\r\nsecond line "

    def test_urlencoded(self, home: Page) -> None:
        home.fill("#plain [name=name]", " Anne ")
        home.fill("#plain [name=text]", self.TEXT)
        home.submit("#send")
        found = json.loads(home.body())
        assert found["arguments"] == {"from": ["form"], "name": [" Anne "], "text": [self.TEXT]}
        assert found["headers"]["Content-Type"] == "application/x-www-form-urlencoded"

    def test_files(self, home: Page) -> None:
        home.fill("#files [name=name]", self.TEXT[:5])
        home.run(
            """{ const files = new DataTransfer();
            const bytes = new Uint8Array(5120000).map((_, index) => index % 256);
            files.items.add(new File([bytes], 'big \\u2603;".bin', { type: 'x/y' }));
            files.items.add(new File([], 'empty'));
            document.querySelector('[type=file]').files = files.files; }"""
        )
        home.submit("#up")
        found = json.loads(home.body())
        assert found["arguments"] == {"name": [self.TEXT[:5]]}
        assert found["files"]["up"] == [
            ["big \N{SNOWMAN};%22.bin", "x/y", digest(BIG)],
            ["empty", "application/octet-stream", digest(b"")],
        ]

    def test_redirected(self, home: Page) -> None:
        home.submit("#away")
        assert json.loads(home.body())["method"] == "GET"
        assert home.run("location.pathname") == "/told"


class TestFetch:
    def test_bodies(self, home: Page) -> None:
        script = "'/taken', { method: 'PUT', body: new Blob(Array(50).fill('x'.repeat(100000))) }"
        assert fetched(home, script) == digest(b"x" * 5_000_000)
        assert fetched(home, "'/sent', { method: 'POST', body: 'ä' }") == "ä"
        assert fetched(home, "'/text'") == TEXT
        assert home.run("fetch('/empty').then(answer => answer.status)") == 204
        headers = "'/told', { headers: { 'X-Own': 'a, b' }, method: 'DELETE' }"
        found = fetched(home, headers, "json")
        assert (found["method"], found["headers"]["X-Own"]) == ("DELETE", "a, b")

    def test_piece_by_piece(self, home: Page) -> None:
        size = home.run(
            """fetch('/pieces').then(async answer => {
                const reader = answer.body.getReader();
                let size = 0;
                for (;;) {
                    const { done, value } = await reader.read();
                    if (done) return size;
                    size += value.length;
                }
            })"""
        )
        assert size == len(PIECE) * PIECES

    def test_given_up(self, home: Page, gone: threading.Event, site: Site, log: Log) -> None:
        name = home.run(
            """{ const controller = new AbortController();
            fetch('/endless', { signal: controller.signal }).then(async answer => {
                const reader = answer.body.getReader();
                await reader.read();
                controller.abort();
                return reader.read().catch(error => error.name);
            }) }"""
        )
        assert name == "AbortError"
        assert gone.wait(PATIENCE)
        site.goes_on()
        log.allow(1)  # that the client has gone

    def test_frame_removed(self, home: Page, gone: threading.Event, site: Site, log: Log) -> None:
        home.run(
            """{ window.frame = document.createElement('iframe');
            frame.src = '/endless';
            document.body.append(frame); }"""
        )
        home.wait_until("frame.contentDocument?.URL.endsWith('/endless')")
        home.run("frame.remove()")
        assert gone.wait(PATIENCE)
        site.goes_on()
        log.allow(1)  # that the client has gone

    def test_sent_on_leaving(self, home: Page, site: Site) -> None:
        home.run("navigator.sendBeacon('/beacon', 'good bye')")
        home.open(f"http://127.0.0.1:{site.port}/text")
        while ("POST", "/beacon", b"good bye") not in site.seen:
            site.goes_on()


class TestState:
    def test_cookies(self, home: Page, site: Site) -> None:
        assert fetched(home, "'/cookies'", "json") == {}
        assert home.run("document.cookie") == "plain=a"
        assert fetched(home, "'/cookies'", "json") == {"plain": "a", "secret": "b"}
        assert fetched(home, "'/told'", "json")["headers"]["Cookie"] == "plain=a"

    def test_nothing_changed(self, home: Page, ports: list[int]) -> None:
        # It asks again with the ETags, and takes each 304 for the image it has.
        home.responses.clear()
        before = len(ports)
        home.run("window.isTheOldPage = true")
        home.call("Page.reload")
        home.wait_until("!window.isTheOldPage && document.readyState === 'complete'")
        assert len(ports) == before + IMAGES + 2
        assert home.run("[...document.images].every(one => one.naturalWidth === 9)")

    @pytest.mark.parametrize("path", ["/text", "/files/text.txt"])
    def test_304(self, home: Page, path: str) -> None:
        ask = f"'{path}', {{ cache: 'no-cache' }}"
        assert fetched(home, ask) == fetched(home, ask) == TEXT
        while home.raw_statuses[-2:] != [200, 304]:
            home.run("0")  # that is told apart from what the page is told

    def test_from_the_cache(self, home: Page, ports: list[int]) -> None:
        before = len(ports)
        assert [fetched(home, "'/kept'") for _ in range(3)] == ["kept"] * 3
        assert len(ports) == before + 1
