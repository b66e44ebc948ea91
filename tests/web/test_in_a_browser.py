"""Forms, cookies, logins and static files, as a browser deals with them."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.browser import Browser, Page

STYLE = "p { color: rgb(1, 2, 3) }"
SCRIPT = "document.documentElement.dataset.script = 'ran'"
SITE = Path(__file__).parent / "site" / "app.py"


class Site:
    """The site, running; its files may be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "style.css").write_text(STYLE, "utf-8")
        (folder / "script.js").write_text(SCRIPT, "utf-8")
        (folder / "favicon.ico").write_bytes(b"")  # which error pages make browsers ask for
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-X", "dev", str(SITE), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.communicate()

    def seen(self) -> list[str]:
        """Status, method and target of what was asked for since the last call."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        connection.request("GET", "/requests")
        seen: list[str] = json.loads(connection.getresponse().read())["seen"]
        connection.close()
        return seen


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("static"))
    yield site
    _, errors = site.process.communicate(timeout=20)
    assert (site.process.returncode, errors) == (0, "")


@pytest.fixture
def home(site: Site, page: Page) -> Page:
    site.seen()
    page.open(f"{site.address}/")
    return page


def cookies(page: Page) -> dict[str, dict[str, object]]:
    found = page.call("Network.getCookies")["cookies"]
    return {cookie["name"]: cookie for cookie in found}


def notes(page: Page) -> list[str]:
    found: list[str] = page.run(
        "[...document.querySelectorAll('#notes li')].map(each => each.textContent)"
    )
    return found


class TestForms:
    def test_with_its_token(self, site: Site, home: Page) -> None:
        home.fill("[name=text]", "<b>1 & 2</b> é€")
        home.submit("#note button")
        assert notes(home)[-1] == "<b>1 & 2</b> é€ and more "
        assert home.run("location.pathname") == "/"
        assert "302 POST /" in site.seen()

    def test_without_a_token(self, site: Site, home: Page) -> None:
        before = notes(home)
        home.run("document.querySelector('[name=_xsrf]').remove()")
        home.submit("#note button")
        assert "403" in home.body()
        home.take_complaint("status of 403")
        home.open(f"{site.address}/")
        assert notes(home) == before

    def test_with_the_token_of_another_visitor(self, site: Site, browser: Browser) -> None:
        mine, other = browser.new_page(), browser.new_page()
        for page in (mine, other):
            page.open(f"{site.address}/")
        token = other.run("document.querySelector('[name=_xsrf]').value")
        mine.fill("[name=_xsrf]", token)
        mine.submit("#note button")
        assert "403" in mine.body()
        for page in (mine, other):
            page.close()

    def test_by_script_with_the_header(self, site: Site, home: Page) -> None:
        send = """
            (token => fetch('/', {
                method: 'POST',
                body: new URLSearchParams({text: 'by script'}),
                headers: {'X-XSRFToken': token, 'X-Requested-With': 'script'},
            }).then(answer => answer.ok ? answer.json() : answer.status))
        """
        token = home.run("document.querySelector('[name=_xsrf]').value")
        assert home.run(f"{send}({json.dumps(token)})") == {"count": len(notes(home)) + 1}
        assert home.run(f"{send}('')") == 403
        home.take_complaint("status of 403")

    def test_from_another_site(self, site: Site, home: Page, tmp_path: Path) -> None:
        before = notes(home)
        other = Site(tmp_path)
        try:
            home.open(f"{other.address}/")
            home.run(
                "document.body.innerHTML ="
                f' \'<form method=post action="{site.address}/"><button>x</button>'
                "<input name=text value=stolen></form>'"
            )
            home.submit("button")
            assert home.run("location.origin") == site.address
            assert "403" in home.body()
            home.take_complaint("status of 403")
            home.open(f"{site.address}/")
            assert notes(home) == before
        finally:
            other.process.communicate(timeout=20)


class TestCookies:
    def test_come_back(self, site: Site, home: Page) -> None:
        assert home.text("visits") == "1"
        home.open(f"{site.address}/?again")
        assert home.text("visits") == "2"

    def test_are_of_one_visitor(self, site: Site, home: Page, browser: Browser) -> None:
        stranger = browser.new_page()
        stranger.open(f"{site.address}/")
        assert stranger.text("visits") == "1"
        stranger.close()

    def test_have_the_attributes_they_were_given(self, home: Page) -> None:
        visits = cookies(home)["visits"]
        assert (visits["value"], visits["httpOnly"], visits["sameSite"]) == ("1", True, "Lax")
        assert visits["path"] == "/"
        assert "visits" not in home.run("document.cookie")
        assert "_xsrf" in home.run("document.cookie")


class TestLogin:
    def test_leads_back_to_where_one_was_going(self, site: Site, home: Page) -> None:
        home.open(f"{site.address}/private/diary?q=a%26b")
        assert home.run("location.pathname + location.search") == (
            "/login?next=%2Fprivate%2Fdiary%3Fq%3Da%2526b"
        )
        home.fill("[name=name]", "Zoë")
        home.submit("#login button")
        assert home.run("location.pathname + location.search") == "/private/diary?q=a%26b"
        assert home.text("greeting") == "Only for Zoë: diary a&b"
        assert cookies(home)["user"]["httpOnly"]

        home.submit("#logout button")
        assert home.text("user") == "nobody"
        assert "user" not in cookies(home)
        home.open(f"{site.address}/private/diary")
        assert home.run("location.pathname") == "/login"

    def test_a_changed_cookie_is_nobody(self, site: Site, home: Page) -> None:
        home.open(f"{site.address}/login")
        home.fill("[name=name]", "ada")
        home.submit("#login button")
        assert home.text("user") == "ada"
        value = str(cookies(home)["user"]["value"]).replace("|4:user|", "|4:root|")
        home.call("Network.setCookie", name="user", value=value, url=site.address)
        home.open(f"{site.address}/?")
        assert home.text("user") == "nobody"


class TestStaticFiles:
    def test_are_applied(self, home: Page) -> None:
        colour = "getComputedStyle(document.getElementById('user')).color"
        assert home.run(colour) == "rgb(1, 2, 3)"
        assert home.run("document.documentElement.dataset.script") == "ran"

    def test_are_asked_for_once(self, site: Site, home: Page) -> None:
        assert sum("/static/" in line for line in site.seen()) == 2
        home.responses.clear()
        home.open(f"{site.address}/login")
        assert [line for line in site.seen() if "/static/" in line] == []
        home.wait_to_hear(lambda: sum("/static/" in one.url for one in home.responses) == 2)
        static = [answer for answer in home.responses if "/static/" in answer.url]
        assert [(answer.status, answer.from_cache) for answer in static] == [(200, True)] * 2

    def test_are_asked_for_again_once_they_have_changed(self, site: Site, home: Page) -> None:
        (site.folder / "style.css").write_text("p { color: rgb(4, 5, 6) }", "utf-8")
        try:
            site.seen()
            home.open(f"{site.address}/?changed")
            (line,) = [line for line in site.seen() if "/static/" in line]
            assert line.startswith("200 GET /static/style.css?v=")
            colour = "getComputedStyle(document.getElementById('user')).color"
            assert home.run(colour) == "rgb(4, 5, 6)"
        finally:
            (site.folder / "style.css").write_text(STYLE, "utf-8")

    def test_without_a_version_are_asked_whether_they_have_changed(
        self, site: Site, home: Page
    ) -> None:
        get = "fetch('/static/style.css', {cache: 'no-cache'}).then(answer => answer.text())"
        site.seen()
        assert home.run(get) == STYLE
        assert home.run(get) == STYLE
        assert site.seen() == ["200 GET /static/style.css", "304 GET /static/style.css"]

    def test_a_part_of_one(self, home: Page) -> None:
        get = "fetch('/static/style.css', {cache: 'no-store', headers: {Range: 'bytes=4-8'}})"
        part = home.run(f"{get}.then(async answer => [answer.status, await answer.text()])")
        assert part == [206, STYLE[4:9]]
