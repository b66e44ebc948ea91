"""A real browser, as a person would sit before it: headless Chromium.

It is spoken to over the pipe of its debugging protocol: there one can wait for what a page does,
click, and be told of every error that its console shows.  The fixtures are in `conftest.py`.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools import program

__all__ = ["Browser", "Page", "Response", "chromium"]

# Seconds that the browser may take to tell of something.
PATIENCE = 20.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--remote-debugging-pipe",
]

# Puts two descriptors where the browser looks for its commands and answers, and becomes it.
WIRE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, see `tests.tools`."""
    return program("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Navigated(Exception):
    """The document in which a script ran is gone."""


@dataclass(frozen=True)
class Response:
    """What a page was answered."""

    url: str
    status: int
    headers: dict[str, str]
    from_cache: bool  # without asking the server


class Browser:
    """A headless Chromium, with any number of pages."""

    def __init__(self, folder: Path) -> None:
        commands, self._commands = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in _pipe())
        self._answers, answers = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in _pipe())
        wire = [sys.executable, "-c", WIRE, str(commands), str(answers)]
        self._process = subprocess.Popen(
            [*wire, chromium(), *OPTIONS, f"--user-data-dir={folder}"],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._unread = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def close(self) -> None:
        self.call("Browser.close")
        self._process.wait(timeout=20)
        os.close(self._commands)
        os.close(self._answers)

    def new_page(self, context: str | None = None) -> Page:
        """A page with cookies, storage and cache of its own, or those of another's ``context``."""
        if context is None:
            context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, target["targetId"], attached["sessionId"], context)
        self._pages[attached["sessionId"]] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise Navigated(answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            page = self._pages.get(answer.get("sessionId", ""))
            if page is not None and "method" in answer:
                page._note(answer["method"], answer.get("params", {}))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            more = os.read(self._answers, 65536)
            assert more, "the browser has ended"
            self._unread += more
        first, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message


class Page:
    """One page: what it shows, what it was answered, and the complaints of its console."""

    def __init__(self, browser: Browser, target: str, session: str, context: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self.context = context
        self.complaints: list[str] = []
        self._overlooked: tuple[str, ...] = ()
        self.responses: list[Response] = []
        self.raw_statuses: list[int] = []  # as they came; a page is told of no 304
        self._cached: set[str] = set()

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
        self._browser._pages.pop(self._session, None)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol for this page; return its result."""
        return self._browser.call(method, self._session, **parameters)

    def _note(self, method: str, data: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(data["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and data["type"] in ("error", "warning"):
            self.complaints.append(str(data["args"]))
        elif method == "Log.entryAdded" and data["entry"]["level"] in ("error", "warning"):
            # The browser itself asks for an icon, some time after a page without one is there.
            if not data["entry"].get("url", "").endswith("/favicon.ico"):
                complaint = str(data["entry"])
                if not self._is_overlooked(complaint):
                    self.complaints.append(complaint)
        elif method == "Network.requestServedFromCache":
            self._cached.add(data["requestId"])
        elif method == "Network.responseReceivedExtraInfo":
            self.raw_statuses.append(data["statusCode"])
        elif method == "Network.responseReceived":
            answer = data["response"]
            cached = data["requestId"] in self._cached or answer.get("fromDiskCache", False)
            self.responses.append(
                Response(answer["url"], answer["status"], answer["headers"], cached)
            )

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, once it is there if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        """Load a page, and all it refers to; the address may redirect."""
        self.run("window.isTheOldPage = true")
        answer = self.call("Page.navigate", url=address)
        assert "errorText" not in answer, answer
        if "loaderId" in answer:  # else only the fragment changed
            self.wait_until("!window.isTheOldPage && document.readyState === 'complete'")

    def wait_until(self, condition: str) -> None:
        """Wait until an expression is true; it is asked again every 10 ms, on the next page too."""
        while True:
            try:
                self.run(
                    "new Promise(done => { const ask = () => "
                    f"({condition}) ? done() : setTimeout(ask, 10); ask(); }})"
                )
                return
            except Navigated:
                continue

    def wait_to_hear(self, is_known: Callable[[], bool]) -> None:
        """Wait until the browser has told enough: it tells of what happens when it likes."""
        end = time.monotonic() + PATIENCE
        while not is_known():
            assert time.monotonic() < end, (self.responses, self.complaints)
            self.run("new Promise(done => setTimeout(done, 10))")

    def take_complaint(self, text: str) -> None:
        """Wait for the complaint that has ``text`` in it, which was expected."""
        self.wait_to_hear(lambda: any(text in complaint for complaint in self.complaints))
        self.complaints.remove(next(one for one in self.complaints if text in one))

    def overlook_complaints(self, *texts: str) -> None:
        """Take no notice of complaints that have one of ``texts`` in them, however many come."""
        self._overlooked += texts
        self.complaints[:] = [c for c in self.complaints if not self._is_overlooked(c)]

    def _is_overlooked(self, complaint: str) -> bool:
        return any(text in complaint for text in self._overlooked)

    def click(self, selector: str) -> None:
        """Click the first element that a CSS selector finds."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def submit(self, selector: str) -> None:
        """Click what leads to another page, and wait for that page."""
        self.run("window.isTheOldPage = true")
        self.click(selector)
        self.wait_until("!window.isTheOldPage && document.readyState === 'complete'")

    def fill(self, selector: str, value: str) -> None:
        """Type a value into a field."""
        self.run(
            f"{{ const field = document.querySelector({json.dumps(selector)});"
            f" field.value = {json.dumps(value)};"
            " field.dispatchEvent(new Event('input', { bubbles: true })); }"
        )

    def text(self, identifier: str) -> str:
        """The text of the element with an ``id``."""
        text: str = self.run(f"document.getElementById({json.dumps(identifier)}).textContent")
        return text

    def body(self) -> str:
        """The text of all of the page."""
        text: str = self.run("document.body.innerText")
        return text

    def screenshot(self, path: Path) -> None:
        """Save a picture of the page, as a PNG, to look at."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))


def _pipe() -> Iterator[int]:
    """The two ends of a pipe; each is closed when the next is asked for."""
    for end in os.pipe():
        yield end
        os.close(end)
