"""The example of a guest book, as its visitors meet it, and with its database killed."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from tests.browser import Page
from tests.mysql.support import Private, Server, run

from tornadic.mysql import connect

EXAMPLE = Path(__file__).parents[2] / "examples" / "mysql.py"


@contextmanager
def guest_book(server: Server, database: str, errors: int = 0) -> Iterator[str]:
    """The address of the example; so many errors must be in its log when it ends."""
    command = [sys.executable, "-W", "error", "-X", "dev", str(EXAMPLE), "--port=0"]
    command += [f"--db-port={server.port}", f"--db-name={database}", "--logging=error"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address, process.communicate()
        yield address
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate(timeout=20)
        assert output == ""
        assert log.count("Uncaught exception") == log.count("Traceback (most") / 2 == errors, log
        assert errors or not log
        assert process.returncode == 0
    finally:
        process.kill()


def ask(address: str, form: dict[str, str] | None = None, cookie: str = "") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST" if form else "GET", "/", urlencode(form or {}), headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text, (response.headers["Set-Cookie"] or "").partition(";")[0]


@pytest.fixture(scope="module")
def book(server: Server) -> Iterator[str]:
    async def send(statement: str) -> None:
        async with connect(**server.arguments, autocommit=True) as connection:
            await connection.query(statement)

    name = f"tornadic_guests_{os.getpid()}"
    run(lambda: send(f"CREATE DATABASE {name}"))
    try:
        with guest_book(server, name) as address:
            yield address
    finally:
        run(lambda: send(f"DROP DATABASE {name}"))


def test_in_a_browser(book: str, page: Page) -> None:
    page.open(f"{book}/")
    page.fill("[name=name]", "<b>Zoë</b> '; DROP TABLE guests; --")
    page.submit("[value=new]")
    assert "<b>Zoë</b> '; DROP TABLE guests; --: 1" in page.body()
    page.fill("[name=name]", "<b>Zoë</b> '; DROP TABLE guests; --")
    page.submit("[value=again]")
    assert "DROP TABLE guests; --: 2" in page.body()
    page.fill("[name=name]", "<b>Zoë</b> '; DROP TABLE guests; --")
    page.submit("[value=new]")
    problem = page.run("document.querySelector('[role=alert]').textContent")
    assert problem == "There is a <b>Zoë</b> '; DROP TABLE guests; -- already."
    page.take_complaint("status of 409")


def test_bad_names(book: str) -> None:
    _, text, cookie = ask(book)
    token = re.findall(r'name="_xsrf" value="([^"]+)"', text)[0]
    for name, what, status, said in [
        ("nobody", "again", 409, "never seen nobody"),
        ("x" * 41, "new", 409, "too long"),
        ("x" * 40, "new", 302, ""),
    ]:
        answer = ask(book, {"_xsrf": token, "name": name, "what": what}, cookie)
        assert answer[0] == status
        assert said in answer[1]
    assert ask(book, {"name": "x"})[0] == 403


def test_a_database_that_dies(tmp_path_factory: pytest.TempPathFactory) -> None:
    private = Private(tmp_path_factory.mktemp("dying"))
    server = private.start()
    with guest_book(server, "mysql", errors=3) as address:
        assert ask(address)[0] == 200
        server.kill()
        for _ in range(3):
            status, text, _ = ask(address)
            assert status == 500
            assert "closed for the moment" in text and "Traceback" not in text
        again = private.start()
        try:
            assert ask(address)[0] == 200
        finally:
            again.kill()
