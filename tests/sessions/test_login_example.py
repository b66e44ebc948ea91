"""The example, as a person uses it: in a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Page
from tests.services import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "login.py"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the example listens."""
    command = [sys.executable, "-W", "error", str(EXAMPLE), f"--port={free_port()}"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=20)


def cookies(page: Page) -> dict[str, dict[str, Any]]:
    return {cookie["name"]: cookie for cookie in page.call("Network.getCookies")["cookies"]}


def log_in(page: Page, password: str) -> None:
    page.fill("#name", "ada")
    page.fill("#password", password)
    page.submit("#login")


def path(page: Page) -> str:
    found: str = page.run("location.pathname + location.search")
    return found


def test_login_and_logout(address: str, page: Page) -> None:
    page.open(f"{address}/?page=2")
    assert path(page).startswith("/login?next=")
    assert "session" not in cookies(page)
    log_in(page, "wrong")
    assert page.text("flash") == "Wrong name or password"
    page.take_complaint("status of 422")
    assert "session" not in cookies(page)  # the message was shown at once
    log_in(page, "lovelace")
    assert path(page) == "/?page=2"
    assert page.text("greeting") == "Hello, ada"
    assert page.text("flash") == "Welcome, ada"
    assert page.text("visits") == "1"
    cookie = cookies(page)["session"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert cookie["path"] == "/"
    assert not cookie["secure"]  # there is no TLS here
    assert len(cookie["value"]) == 32
    assert page.run("document.cookie").find(cookie["value"]) == -1
    page.open(f"{address}/")
    assert page.text("visits") == "2"
    assert page.run("document.getElementById('flash')") is None
    page.submit("#logout")
    assert path(page) == "/login"
    assert page.text("flash") == "Good bye"
    assert cookies(page)["session"]["value"] != cookie["value"]
    # The old identifier is worth nothing, to whoever has kept it.
    page.call("Network.setCookie", name="session", value=cookie["value"], url=address)
    page.open(f"{address}/")
    assert path(page).startswith("/login")


def test_login_gives_a_new_identifier(address: str, page: Page) -> None:
    page.open(f"{address}/login")
    # As somebody else might plant it.
    page.call("Network.setCookie", name="session", value="k" * 32, url=address)
    log_in(page, "lovelace")
    assert page.text("greeting") == "Hello, ada"
    assert cookies(page)["session"]["value"] != "k" * 32


@pytest.mark.parametrize("target", ["//example.com/", "https://example.com/", "/\\example.com"])
def test_login_leads_nowhere_else(address: str, page: Page, target: str) -> None:
    page.open(f"{address}/login?next={target.replace(chr(92), '%5C')}")
    log_in(page, "lovelace")
    assert page.run("location.href") == f"{address}/"


def test_a_form_of_another_site_is_refused(address: str, page: Page) -> None:
    page.open(f"{address}/login")
    page.run("document.querySelector('[name=_xsrf]').remove()")
    log_in(page, "lovelace")
    assert "403" in page.body()
    page.take_complaint("status of 403")
    assert "session" not in cookies(page)
