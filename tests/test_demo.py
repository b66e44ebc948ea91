"""The demo as a newcomer meets it: its command in a process of its own, its page in a browser."""

from __future__ import annotations

import contextlib
import html
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from tests.browser import Page

DEMO = Path(__file__).resolve().parents[1] / "demo"
SOURCE = (DEMO / "app.py").read_text("utf-8")
RUN = [sys.executable, "-W", "error", "-X", "dev", "-m", "tornadic", "run", str(DEMO / "app.py")]

COOKIE = "tornadic_demo_visitor"


class Demo:
    """A demo that listens."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        found = re.search(r"http://\S+", self.greeting)
        if found is None:
            self.process.kill()
            raise AssertionError(f"no address in {self.greeting!r}: {self.process.communicate()}")
        self.address = found[0]
        where = urlsplit(self.address)
        self.host, self.port = where.hostname or "", where.port or 0

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=20)

    def end(self, signum: int = signal.SIGTERM) -> tuple[str, str, int]:
        """Send a signal; return what the process wrote since, and its status."""
        self.process.send_signal(signum)
        output, errors = self.process.communicate(timeout=20)
        return output, errors, self.process.returncode


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Demo]:
    demo = Demo(*arguments)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.communicate()


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """One demo for all that does not end it; it must not have complained in the end."""
    with running("--port=0") as demo:
        yield demo
        _, errors, status = demo.end()
        assert status == 0
        assert errors.count("Traceback") == errors.count("Error: The demo fails on purpose")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


def ask(
    demo: Demo,
    target: str,
    method: str = "GET",
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    connection = demo.connect()
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode("utf-8"))
    finally:
        connection.close()


def post_form(demo: Demo, fields: list[tuple[str, str]], **headers: str) -> Answer:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return ask(demo, "/api/visitor", "POST", urlencode(fields), {**kind, **headers})


class TestThePage:
    def test_says_who_serves_it(self, demo: Demo) -> None:
        page = ask(demo, "/")
        assert page.status == 200
        server = page.headers["Server"].replace("/", " ")
        assert server.startswith("Tornadic ")
        assert f"<dd>{server}</dd>" in page.text
        assert server in demo.greeting
        assert f"{sys.version_info.major}.{sys.version_info.minor}." in page.text

    def test_shows_the_code_that_ran(self, demo: Demo) -> None:
        blocks = re.findall(r"<pre tabindex[^>]*><code>(.*?)</code>", ask(demo, "/").text, re.S)
        shown = [html.unescape(re.sub(r"<[^>]*>", "", block)) for block in blocks]
        assert len(shown) == 8
        for code in shown:
            assert code in SOURCE

    def test_shows_the_request(self, demo: Demo) -> None:
        page = ask(demo, "/?x=<b>&y", headers={"X-Odd": '"<script>alert(1)</script>"'}).text
        assert "<td>/?x=&lt;b&gt;&amp;y</td>" in page
        assert "<td>&quot;&lt;script&gt;alert(1)&lt;/script&gt;&quot;</td>" in page
        assert "<td>127.0.0.1</td>" in page
        assert "<td>HTTP/1.1</td>" in page

    def test_greets_by_the_cookie(self, demo: Demo) -> None:
        page = ask(demo, "/", headers={"Cookie": f"{COOKIE}=%22%3E%3Ci%3EZo%C3%AB"}).text
        assert 'value="&quot;&gt;&lt;i&gt;Zoë"' in page

    @pytest.mark.parametrize("cookie", ["%ff%00", "%", "%zz", "a" * 4000])
    def test_takes_any_cookie(self, demo: Demo, cookie: str) -> None:
        assert ask(demo, "/", headers={"Cookie": f"{COOKIE}={cookie}"}).status == 200

    def test_leaves_no_placeholder(self, demo: Demo) -> None:
        assert not re.search(r"\$[a-z_{]", ask(demo, "/").text)

    def test_needs_nothing_from_elsewhere(self, demo: Demo) -> None:
        page = re.sub("<code>.*?</code>", "", ask(demo, "/").text, flags=re.S)
        assets = re.findall(r'(?:src|href)="(/[^"#]*\.[a-z]+)"', page)
        assert {"/style.css", "/script.js", "/icon.svg"} == set(assets)
        assert not re.search(r"https?://|\bstyle=|\bon[a-z]+=|<style", page)
        for asset in set(assets):
            text = ask(demo, asset).text.replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|@import|url\((?!#)", text)

    def test_its_own_links_lead_somewhere(self, demo: Demo) -> None:
        page = ask(demo, "/").text
        targets = set(re.findall(r'href="#([^"]+)"', page)) | {"form", "errors"}
        assert targets <= set(re.findall(r'\bid="([^"]+)"', page))


class TestEveryAnswer:
    @pytest.mark.parametrize(
        "target", ["/", "/style.css", "/api/ping", "/error/403", "/error/500", "/no/such/page"]
    )
    def test_allows_only_what_is_its_own(self, demo: Demo, target: str) -> None:
        headers = ask(demo, target).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy and "*" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("style.css", "text/css"),
            ("script.js", "text/javascript"),
            ("icon.svg", "image/svg+xml"),
        ],
    )
    def test_an_asset_is_sent_once(self, demo: Demo, name: str, kind: str) -> None:
        first = ask(demo, f"/{name}")
        assert first.text == (DEMO / name).read_text("utf-8")
        assert first.headers["Content-Type"] == f"{kind}; charset=UTF-8"
        again = ask(demo, f"/{name}", headers={"If-None-Match": first.headers["Etag"]})
        assert (again.status, again.text) == (304, "")

    @pytest.mark.parametrize("target", ["/app.py", "/page.html", "/../demo/app.py", "/styleXcss"])
    def test_no_other_file_is_sent(self, demo: Demo, target: str) -> None:
        assert ask(demo, target).status == 404


class TestTheCards:
    def test_ping_says_the_processor_time(self, demo: Demo) -> None:
        first, second = (json.loads(ask(demo, "/api/ping").text)["cpu_seconds"] for _ in range(2))
        assert 0 < first < second

    def test_the_stream_comes_in_pieces(self, demo: Demo) -> None:
        connection = demo.connect()
        try:
            connection.request("GET", "/api/stream")
            response = connection.getresponse()
            assert response.headers["Transfer-Encoding"] == "chunked"
            assert [response.read1() for _ in range(3)] == [b"A ", b"tornado ", b"starts "]
        finally:
            connection.close()

    def test_the_form_comes_back_as_json(self, demo: Demo) -> None:
        fields = [("name", " Zoë & <Co> "), ("likes", "calm"), ("likes", "tea & toast")]
        answer = post_form(demo, fields, Accept="application/json")
        assert json.loads(answer.text) == {"name": "Zoë & <Co>", "likes": ["calm", "tea & toast"]}
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=Zo%C3%AB")
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
        page = ask(demo, "/", headers={"Cookie": cookie.partition(";")[0]}).text
        assert 'value="Zoë &amp; &lt;Co&gt;"' in page

    def test_the_form_works_without_script(self, demo: Demo) -> None:
        answer = post_form(demo, [("name", "Ann")], Accept="text/html")
        assert answer.status == 303
        assert answer.headers["Location"] == "/#form"
        assert answer.headers["Set-Cookie"].startswith(f"{COOKIE}=Ann;")

    def test_a_name_is_needed_and_bounded(self, demo: Demo) -> None:
        assert post_form(demo, [("likes", "calm")]).status == 400
        for length, kept in [(40, 40), (41, 40)]:
            answer = post_form(demo, [("name", "n" * length)], Accept="application/json")
            assert json.loads(answer.text)["name"] == "n" * kept

    def test_the_cookie_is_forgotten(self, demo: Demo) -> None:
        answer = ask(demo, "/api/visitor", "DELETE")
        assert answer.status == 204
        assert answer.headers["Set-Cookie"].startswith(f'{COOKIE}=""; expires=')

    @pytest.mark.parametrize(
        ("text", "paper", "ratio", "level"),
        [
            ("000000", "ffffff", 21.0, "AAA"),
            ("ffffff", "000000", 21.0, "AAA"),
            ("777777", "777777", 1.0, "too low"),
            ("767676", "ffffff", 4.54, "AA"),
            ("777777", "ffffff", 4.48, "too low"),
        ],
    )
    def test_contrast(self, demo: Demo, text: str, paper: str, ratio: float, level: str) -> None:
        answer = ask(demo, f"/api/contrast/{text}/{paper}")
        assert answer.headers["Content-Type"].startswith("application/json")
        expected = {"text": text, "paper": paper, "ratio": ratio, "level": level}
        assert json.loads(answer.text) == expected

    @pytest.mark.parametrize(
        "colours", ["000000", "000000/fffff", "000000/fffffg", "000000/FFFFFF"]
    )
    def test_what_is_no_colour_is_not_found(self, demo: Demo, colours: str) -> None:
        assert ask(demo, f"/api/contrast/{colours}").status == 404

    @pytest.mark.parametrize(
        ("target", "status", "reason"),
        [
            ("/no/such/page", 404, "Not Found"),
            ("/error/403", 403, "Forbidden"),
            ("/error/500", 500, "Internal Server Error"),
            ("/error/499", 499, "Unknown"),
            ("/error/399", 404, "Not Found"),
        ],
    )
    def test_errors_have_a_page(self, demo: Demo, target: str, status: int, reason: str) -> None:
        answer = ask(demo, target)
        assert answer.status == status
        assert f"<title>{status} {reason}</title>" in answer.text
        assert "Traceback" not in answer.text and "on purpose" not in answer.text

    def test_the_wrong_method_has_one_too(self, demo: Demo) -> None:
        assert ask(demo, "/", "PUT", "").status == 405


class TestTheCommand:
    def test_says_where_it_is(self) -> None:
        with running("--port=0", "--address=127.0.0.1") as demo:
            assert demo.greeting == f"{demo.greeting.split(' is')[0]} is at {demo.address}\n"
            assert demo.greeting.startswith("Tornadic ")
            assert ask(demo, "/").status == 200

    @pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
    def test_ends_quietly(self, signum: signal.Signals) -> None:
        with running("--port=0") as demo:
            _, errors, status = demo.end(signum)
            assert (errors, status) == ("", 0)

    def test_ends_quietly_amid_requests(self) -> None:
        with running("--port=0") as demo:
            idle, busy = demo.connect(), demo.connect()
            try:
                idle.request("GET", "/api/ping")
                idle.getresponse().read()
                busy.request("GET", "/api/stream")
                response = busy.getresponse()
                assert response.read1() == b"A "
                _, errors, status = demo.end(signal.SIGINT)
                assert (errors, status) == ("", 0)
                with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                    response.read()
            finally:
                idle.close()
                busy.close()

    def test_a_listener_that_leaves_is_no_error(self) -> None:
        with running("--port=0") as demo:
            connection = demo.connect()
            connection.request("GET", "/api/stream")
            response = connection.getresponse()
            response.read1()
            response.close()
            connection.close()
            # The words of the first would have come to an end before those of the second.
            story = ask(demo, "/api/stream").text
            assert story.split() == re.findall(r'STORY = """(.*?)"""', SOURCE, re.S)[0].split()
            _, errors, status = demo.end()
            assert (errors, status) == ("", 0)

    def test_a_taken_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = self.run(f"--port={port}")
        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr == (
            f"demo: cannot listen on 127.0.0.1 port {port}: Address already in use;"
            f" try --port={port + 1}\n"
        )

    @pytest.mark.parametrize(
        ("arguments", "status"),
        [
            (["--port=65536"], 2),
            (["--address=256.0.0.1"], 1),
            (["--port=one"], 2),
            (["--colour=red"], 2),
            (["8888"], 2),
        ],
    )
    def test_a_line_that_makes_no_sense(self, arguments: list[str], status: int) -> None:
        ended = self.run(*arguments)
        assert ended.returncode == status
        assert ended.stdout == ""
        assert ended.stderr.splitlines()[-1].startswith("demo: ")
        assert "Traceback" not in ended.stderr

    def test_help_names_the_options(self) -> None:
        ended = self.run("--help")
        assert ended.returncode == 0
        assert "--port" in ended.stdout + ended.stderr
        assert "--address" in ended.stdout + ended.stderr

    @staticmethod
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*RUN, *arguments], capture_output=True, text=True, timeout=30)


# In a browser

MEASURED = "/^\\d+ requests, /.test(document.getElementById('measured').textContent)"


class TestInABrowser:
    @pytest.fixture
    def page(self, page: Page, demo: Demo) -> Page:
        """The page, loaded and measured."""
        page.open(f"{demo.address}/")
        page.wait_until(MEASURED)
        return page

    def test_measures_at_once(self, page: Page) -> None:
        assert page.text("measured") == "100 requests, 4 at once"
        for name in ("rate", "median", "slow", "cpu"):
            assert float(page.text(name).replace(",", "")) > 0
        assert page.run("document.querySelectorAll('#histogram rect').length") > 0

    def test_measures_when_asked(self, page: Page) -> None:
        page.run("document.querySelector('[name=lanes]').value = '1'")
        page.run("document.querySelector('#measure button').click()")
        page.wait_until("document.getElementById('measured').textContent.startsWith('500 ')")
        assert page.text("measured") == "500 requests, 1 at once"

    def test_shows_the_stream_as_it_comes(self, page: Page) -> None:
        page.run("document.getElementById('listen').click()")
        page.wait_until("document.querySelectorAll('#story span').length > 2")
        assert page.text("listen") == "Stop"
        page.run("document.getElementById('listen').click()")
        page.wait_until("document.getElementById('listen').textContent === 'Start the stream'")
        assert page.text("heard").startswith("Stopped: ")
        assert page.text("story").startswith("A tornado starts")

    def test_remembers_a_name(self, page: Page, demo: Demo) -> None:
        page.run("document.querySelector('[name=name]').value = '<b>Zoë'")
        page.run("document.querySelector('#visitor button').click()")
        page.wait_until("!document.getElementById('answer').hidden")
        assert json.loads(page.text("answer")) == {"name": "<b>Zoë", "likes": ["calm"]}
        page.open(f"{demo.address}/?again")
        assert page.run("document.querySelector('[name=name]').value") == "<b>Zoë"
        page.wait_until(MEASURED)
        page.run("document.getElementById('forget').click()")
        page.wait_until("document.getElementById('answer-note').textContent !== ''")
        page.open(f"{demo.address}/")
        assert page.run("document.querySelector('[name=name]').value") == ""
        page.wait_until(MEASURED)

    def test_compares_colours(self, page: Page) -> None:
        assert json.loads(page.text("ratio"))["level"] == "AA"
        page.run("document.querySelector('[name=text]').value = '#000000'")
        page.run(
            "document.querySelector('[name=text]').dispatchEvent(new Event('input',"
            " { bubbles: true }))"
        )
        page.wait_until("document.getElementById('ratio').textContent.includes('AAA')")
        assert page.text("target") == "/api/contrast/000000/e8f4f1"
        assert (
            page.run("getComputedStyle(document.getElementById('sample')).color") == "rgb(0, 0, 0)"
        )

    @pytest.mark.parametrize("width", [320, 390, 834, 1280])
    def test_fits_the_screen(self, page: Page, width: int) -> None:
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        page.run("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.run("document.documentElement.scrollWidth") <= width

    def test_everything_has_a_name(self, page: Page) -> None:
        """A screen reader finds no field, button, link or region without one."""
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        roles = ("button", "link", "textbox", "checkbox", "combobox", "ColorWell", "region", "img")
        found = [node for node in nodes if node.get("role", {}).get("value") in roles]
        assert len(found) > 20
        assert [node for node in found if not node["name"]["value"]] == []
