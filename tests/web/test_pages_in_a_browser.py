"""Pages with UI modules, as a browser shows them: styles and scripts take effect, in order."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Page
from tests.web.support import PATIENCE, application, serving

from tornadic.template import DictLoader
from tornadic.web import Application, RequestHandler, UIModule

BASE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><title>{% block title %}{% end %}</title>
<link rel="icon" href="data:,">
<style>#first, #second { color: rgb(1, 1, 1); margin: 1px }</style>
<script>var order = ["page"]</script>
</head>
<body>
{% block content %}{% end %}
</body>
</html>
"""
PAGE = """\
{% extends base.html %}
{% block title %}{{ title }}{% end %}
{% block content %}
{% module Box("first", title) %}{% module Box("second", "2") %}{% module Late() %}
{% module Template("note.html", text="</body></head>") %}
{% end %}
"""
NOTE = """\
{{ set_resources(css_files="note.css", embedded_css="#first { margin: 4px }",
                 javascript_files=["box.js", "note.js"], embedded_javascript="order.push('note')",
                 html_body="<script>order.push('note body')</script>") }}
<p id="note">{{ text }}</p>
"""
FORM = """\
{% extends base.html %}
{% block content %}
<form method="post">{% module xsrf_form_html() %}<input name="name"><button>Send</button></form>
<p id="links">{% module linkify(text) %}</p>
{% end %}
"""
FILES = {
    "box.css": "#first, #second { color: rgb(2, 2, 2); margin: 2px; padding: 2px }",
    "note.css": "#first { padding: 3px }",
    "box.js": "order.push('box.js', document.querySelectorAll('.box').length)",
    "note.js": "order.push('note.js')",
}


class Box(UIModule):
    def render(self, name: str, text: str) -> bytes:
        return self.render_string("box.html", name=name, text=text)

    def css_files(self) -> list[str]:
        return ["box.css"]

    def embedded_css(self) -> str:
        return "#first, #second { color: rgb(3, 3, 3); margin: 3px }"

    def javascript_files(self) -> str:
        return "box.js"

    def embedded_javascript(self) -> str:
        return "order.push('box')"

    def html_head(self) -> str:
        return "<style>#second { margin: 5px }</style>"


class Late(UIModule):
    """Comes after waiting, where a page may wait."""

    def render(self) -> str:
        return ""

    async def render_async(self) -> str:
        await asyncio.sleep(0)
        return ""

    def embedded_javascript(self) -> str:
        return "order.push('late') // to the end of the line"

    def html_body(self) -> str:
        return "<script>order.push('body')</script>"


class AtOnce(RequestHandler):
    def get(self) -> None:
        self.render("page.html", title="<script>order.push('injected')</script>")


class Waits(RequestHandler):
    async def get(self) -> None:
        await self.render_async("page.html", title="<script>order.push('injected')</script>")


class Form(RequestHandler):
    def get(self) -> None:
        self.render("form.html", text="see www.example.com/?a=1&b=2 <i>")

    def post(self) -> None:
        self.render("page.html", title=self.get_body_argument("name"))


@contextlib.contextmanager
def served(app: Application) -> Iterator[str]:
    """Serve from another thread, since the browser is waited for in this one; gives the address."""
    addresses: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def main() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with serving(app) as server:
            end = lambda: loop.call_soon_threadsafe(ended.set)  # noqa: E731
            addresses.put((f"http://127.0.0.1:{server.port}", end))
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=[main()])
    thread.start()
    address, end = addresses.get(timeout=PATIENCE)
    try:
        yield address
    finally:
        end()
        thread.join()


def style(page: Page, element: str, name: str) -> str:
    value: str = page.run(f"getComputedStyle(document.getElementById('{element}')).{name}")
    return value


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    box = '<div class="box" id="{{ name }}">{{ text }}</div>'
    texts = {
        "base.html": BASE,
        "page.html": PAGE,
        "note.html": NOTE,
        "form.html": FORM,
        "box.html": box,
    }
    return {
        "template_loader": DictLoader(texts),
        "static_path": str(tmp_path),
        "ui_modules": {"Box": Box, "Late": Late},
    }


@pytest.mark.parametrize("handler", [AtOnce, Waits])
def test_styles_and_scripts(
    handler: type[RequestHandler], settings: dict[str, Any], page: Page
) -> None:
    with served(application(handler, **settings)) as address:
        page.open(f"{address}/")
    # Behind the page's own; files before rules, in the order of the modules; then the HTML.
    assert style(page, "first", "color") == "rgb(3, 3, 3)"
    assert style(page, "first", "padding") == "3px"
    assert style(page, "second", "padding") == "2px"
    assert style(page, "first", "margin") == "4px"
    assert style(page, "second", "margin") == "5px"
    assert page.run("order") == [
        "page",
        "box.js",
        2,
        "note.js",
        "box",
        "late",
        "note",
        "body",
        "note body",
    ]
    assert page.run("document.title") == "<script>order.push('injected')</script>"
    assert page.text("first") == "<script>order.push('injected')</script>"
    assert page.text("note") == "</body></head>"
    files = [response for response in page.responses if "/static/" in response.url]
    assert sorted(file.url.rpartition("/")[2].partition("?v=")[0] for file in files) == [
        "box.css",
        "box.js",
        "note.css",
        "note.js",
    ]
    assert {file.status for file in files} == {200}


def test_a_form_against_forgery_and_links(settings: dict[str, Any], page: Page) -> None:
    with served(application(Form, xsrf_cookies=True, **settings)) as address:
        page.open(f"{address}/")
        assert page.text("links") == "see www.example.com/?a=1&b=2 <i>"
        assert page.run("document.querySelector('#links a').href") == (
            "http://www.example.com/?a=1&b=2"
        )
        page.fill("input[name=name]", "Zoë & <b>")
        page.submit("button")
        assert page.text("first") == "Zoë & <b>"
