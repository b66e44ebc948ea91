"""The chat as people use it: two windows of a browser, two processes, one Redis."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Browser, Page
from tests.services import any_redis, free_port
from tests.web.support import PATIENCE

from tornadic.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornadic.websocket import WebSocketClientConnection, websocket_connect

APP = Path(__file__).resolve().parents[1] / "examples" / "chat" / "app.py"
ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


class Chat:
    """A process that serves the chat."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-W", "error", str(APP), *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        greeting = self.process.stdout.readline()
        found = re.search(r"http://\S+", greeting)
        assert found is not None, self.process.communicate()
        self.address = found[0]

    def room(self, name: str) -> str:
        return f"{self.address}rooms/{name}"

    def end(self) -> None:
        """End it as a service is ended; it must have nothing to complain of."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        assert "Traceback" not in errors and "[E " not in errors, errors


@contextmanager
def running(*arguments: str) -> Iterator[Chat]:
    chat = Chat(*arguments)
    try:
        yield chat
        if chat.process.poll() is None:
            chat.end()
    finally:
        chat.process.kill()
        chat.process.communicate()


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    with running("--port=0", "--history=3") as chat:
        yield chat


@pytest.fixture(scope="module")
def shared() -> Iterator[list[str]]:
    """Arguments by which processes are one chat."""
    with any_redis() as url:
        yield [f"--redis={url}", f"--prefix=test-{secrets.token_hex(8)}:"]


def come_in(page: Page, address: str, name: str) -> None:
    page.open(address)
    page.fill("#name", name)
    page.click("#join button")
    page.wait_until("document.getElementById('status').dataset.state === 'open'")


def say(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#say button")


def wait_for(page: Page, text: str) -> None:
    condition = f"document.getElementById('messages').textContent.includes({json.dumps(text)})"
    page.wait_until(condition)


def said(page: Page) -> list[str]:
    found: list[str] = page.run(
        "[...document.querySelectorAll('#messages .text')].map(item => item.textContent)"
    )
    return found


# In a browser


def test_two_windows_two_processes(browser: Browser, shared: list[str]) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(running("--port=0", *shared)) for _ in range(2))
        anne, bert = browser.new_page(), browser.new_page()
        come_in(anne, first.room("kitchen"), "Anne")
        assert anne.text("status") == "Connected"
        say(anne, "Is anybody there?")
        wait_for(anne, "Is anybody there?")
        # Whoever comes later, to another process, sees what was said before.
        come_in(bert, second.room("kitchen"), "Bert")
        wait_for(bert, "Is anybody there?")
        wait_for(anne, "Bert has come in")
        say(bert, ATTACK)
        wait_for(anne, ATTACK)
        say(anne, "Two lines\nand a grün 😀")
        wait_for(bert, "Two lines\nand a grün 😀")
        for page in (anne, bert):
            assert said(page) == ["Is anybody there?", ATTACK, "Two lines\nand a grün 😀"]
            assert page.run("document.title") == "kitchen | Chat"
            assert (
                page.run("document.querySelectorAll('#messages img, #messages script').length") == 0
            )
        # One's own messages are on one's own page only.
        assert anne.run("document.querySelectorAll('.mine').length") == 2
        assert bert.run("document.querySelectorAll('.mine').length") == 1
        bert.close()
        wait_for(anne, "Bert has left")
        assert anne.complaints == bert.complaints == []
        anne.close()


def test_it_connects_again(page: Page, shared: list[str]) -> None:
    arguments = [f"--port={free_port()}", *shared]
    with running(*arguments) as chat:
        come_in(page, chat.room("study"), "Anne")
        say(page, "before")
        wait_for(page, "before")
        address = chat.room("study")
        chat.end()
    page.wait_until("document.getElementById('status').dataset.state === 'lost'")
    with running(*arguments) as chat:
        assert chat.room("study") == address
        page.wait_until("document.getElementById('status').dataset.state === 'open'")
        say(page, "after")
        wait_for(page, "after")
        # The history comes again with the connection, and nothing is there twice.
        assert said(page) == ["before", "after"]
        assert page.run("document.querySelectorAll('.mine').length") == 2
        page.open("about:blank")
    page.overlook_complaints("WebSocket", "REFUSED")


def test_for_everybody(page: Page, chat: Chat) -> None:
    """Names for all that can be used, a place where news are announced, no room for sideways."""
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=320,
        height=640,
        deviceScaleFactor=1,
        mobile=True,
    )
    come_in(page, chat.room("hall"), "W" * 30)
    say(page, "x" * 1000)
    wait_for(page, "x" * 1000)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"textbox", "button", "log", "status"}
    found = {
        (node["role"]["value"], node["name"]["value"])
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in roles
    }
    assert ("log", "Messages") in found
    assert ("button", "Send") in found
    assert ("textbox", f"Message as {'W' * 30}") in found
    assert ("textbox", "Another room") in found
    assert all(name for role, name in found if role != "status")
    assert page.run("document.activeElement.id") == "text"


def test_to_another_room(page: Page, chat: Chat) -> None:
    page.open(chat.address)
    assert page.run("location.pathname") == "/rooms/lobby"
    page.fill("#room", "  The <b>Grün</b> Room! ")
    page.submit("#rooms button")
    assert page.run("location.pathname") == "/rooms/the-b-gr-n-b-room"


# Without one


async def joined(chat: Chat, name: str, room: str) -> WebSocketClientConnection:
    url = f"ws{chat.room(room).removeprefix('http')}/socket"
    connection = await websocket_connect(url)
    await connection.write_message(json.dumps({"join": name}))
    return connection


async def told(connection: WebSocketClientConnection, kind: str) -> dict[str, Any]:
    """The next message, which has to be of a kind."""
    message = await connection.read_message()
    assert message is not None
    found: dict[str, Any] = json.loads(message)
    assert found["kind"] == kind
    return found


def run(main: Any) -> None:
    async def timed() -> None:
        async with asyncio.timeout(4 * PATIENCE):
            await main()

    asyncio.run(timed())


def test_history(chat: Chat) -> None:
    async def main() -> None:
        anne = await joined(chat, " Anne \u202e\x07 A. ", "attic")
        assert (await told(anne, "welcome"))["messages"] == []
        assert (await told(anne, "came"))["name"] == "Anne A."
        for number in range(5):
            await anne.write_message(json.dumps({"say": f" {number} "}))
            await told(anne, "said")
        bert = await joined(chat, "Bert", "attic")
        texts = [message["text"] for message in (await told(bert, "welcome"))["messages"]]
        assert texts == ["2", "3", "4"]
        other = await joined(chat, "Carl", "cellar")
        assert (await told(other, "welcome"))["messages"] == []
        for connection in (anne, bert, other):
            connection.close()

    run(main)


def test_limits(chat: Chat) -> None:
    async def main() -> None:
        anne = await joined(chat, "A" * 31, "garden")
        await told(anne, "welcome")
        assert (await told(anne, "came"))["name"] == "A" * 30
        for text, kind in (("x" * 1000, "said"), ("x" * 1001, "error"), (" ", "error")):
            await anne.write_message(json.dumps({"say": text}))
            await told(anne, kind)
        await anne.write_message(json.dumps({"join": "Somebody else"}))
        await told(anne, "error")
        for _ in range(30):
            await anne.write_message(json.dumps({"say": "again"}))
        kinds = [json.loads(await anne.read_message() or "")["kind"] for _ in range(30)]
        assert kinds[:5] == ["said"] * 5
        assert kinds[-1] == "error"
        anne.close()
        nobody = await joined(chat, " \x00 ", "garden")
        await told(nobody, "error")
        await nobody.write_message(json.dumps({"say": "I have no name"}))
        await told(nobody, "error")
        nobody.close()

    run(main)


@pytest.mark.parametrize(
    "message",
    ["", "[]", "7", "{}", '{"say": 1}', '{"a": "b"}', '{"say": "\\ud800"}', "[" * 8000, "nonsense"],
)
def test_nonsense_is_the_end(chat: Chat, message: str) -> None:
    async def main() -> None:
        connection = await joined(chat, "Anne", "yard")
        await told(connection, "welcome")
        await told(connection, "came")
        await connection.write_message(message)
        assert await connection.read_message() is None
        assert connection.close_code == 1008

    run(main)


def test_pages_of_other_origins(chat: Chat) -> None:
    async def main() -> None:
        url = f"ws{chat.room('lobby').removeprefix('http')}/socket"
        with pytest.raises(HTTPClientError) as caught:
            await websocket_connect(HTTPRequest(url, headers={"Origin": "https://evil.example"}))
        assert caught.value.code == 403

    run(main)


def test_headers_and_addresses(chat: Chat) -> None:
    async def main() -> None:
        client = AsyncHTTPClient()
        page = await client.fetch(chat.room("lobby"))
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        for room in ("UPPER", "a%22b", "-a", "a" * 31, "%3Cb%3E"):
            with pytest.raises(HTTPClientError) as caught:
                await client.fetch(chat.room(room))
            assert caught.value.code == 404
        client.close()

    run(main)
