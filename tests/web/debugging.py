"""What the tests of the debug page share: a program that fails, and a page that is read."""

from __future__ import annotations

import html
import html.parser
from collections.abc import Callable
from typing import Any

from tests.browser import Page
from tests.web.support import LogBook, Response, fetch

from tornadic.web import Application, RequestHandler

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

Act = Callable[[RequestHandler], Any]


def raising(act: Act, **settings: Any) -> Application:
    """An application whose every request is ``act``, with the debug page on."""

    class Handler(RequestHandler):
        def get(self, *args: str) -> Any:
            return act(self)

        post = get

    settings = {"serve_traceback": True, "log_function": lambda handler: None, **settings}
    return Application([(r"/(.*)", Handler)], **settings)


def shown(
    act: Act,
    log: LogBook,
    target: str = "/",
    headers: dict[str, str] | None = None,
    method: str = "GET",
    body: bytes = b"",
    **settings: Any,
) -> Parsed:
    """The page for a request that ends with what ``act`` raises."""
    response = fetch(raising(act, **settings), target, method, {**BROWSER, **(headers or {})}, body)
    log.take_all("Uncaught exception")
    return Parsed(response)


class Parsed(html.parser.HTMLParser):
    """A page: its elements, its text, and the text without entities."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response
        self.source = response.text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._style = False
        assert response["Content-Type"] == "text/html; charset=UTF-8"
        self.feed(self.source)
        self.text = "\n".join(self.texts)
        self.flat = "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.texts.append(data)

    def count(self, tag: str, **attributes: str) -> int:
        return sum(
            name == tag and all(given.get(key) == value for key, value in attributes.items())
            for name, given in self.elements
        )


def expected(page: Page, status: int) -> None:
    """The browser notes the status; it must complain of nothing else."""
    page.take_complaint(f"status of {status}")
    assert page.complaints == []
