"""The debug page, as a developer sees it: who gets it, what it shows, how it looks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import html.parser
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Page
from tests.web.debugging import BROWSER, Parsed, expected, raising, shown
from tests.web.support import LogBook, fetch, run, serving

from tornadic.template import DictLoader, Loader, Template
from tornadic.web import Application, HTTPError, RequestHandler, StaticFileHandler
from tornadic.web.debugpage import collect
from tornadic.web.debugpage.style import POLICY, STYLE

# Who gets it


class TestWho:
    @pytest.mark.parametrize(
        ("headers", "is_page"),
        [
            (BROWSER, True),
            ({"Accept": "text/html"}, True),
            ({"Accept": "text/plain;q=0.1 , Text/HTML ; q=0.2"}, True),
            ({"Accept": "application/xhtml+xml"}, True),
            ({**BROWSER, "Sec-Fetch-Dest": "document"}, True),
            ({**BROWSER, "Sec-Fetch-Dest": "iframe"}, False),
            ({**BROWSER, "Sec-Fetch-Dest": "empty"}, False),
            ({**BROWSER, "Sec-Fetch-Dest": "script"}, False),
            ({"Accept": "*/*"}, False),
            ({"Accept": "text/*"}, False),
            ({"Accept": "text/html;q=0"}, False),
            ({"Accept": "text/html;q=0.000"}, False),
            ({"Accept": "application/json"}, False),
            ({}, False),
        ],
    )
    def test_browsers_and_others(
        self, headers: dict[str, str], is_page: bool, log: LogBook
    ) -> None:
        def act(handler: RequestHandler) -> None:
            raise ZeroDivisionError("<it>")

        response = fetch(raising(act), headers=headers)
        log.take("Uncaught")
        assert response.status == 500
        if is_page:
            assert response["Content-Type"] == "text/html; charset=UTF-8"
            assert response.text.startswith("<!DOCTYPE html>")
        else:
            assert response["Content-Type"] == "text/plain; charset=UTF-8"
            assert response.text.startswith("Traceback (most recent call last):\n")
            assert response.text.endswith("\nZeroDivisionError: <it>\n")

    @pytest.mark.parametrize("settings", [{}, {"debug": True, "serve_traceback": False}])
    def test_nobody_without_the_setting(self, settings: Any, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            secret = "not for you"
            raise ZeroDivisionError(secret)

        settings = {"serve_traceback": False, "autoreload": False, **settings}
        response = fetch(raising(act, **settings), headers=BROWSER)
        log.take("Uncaught")
        assert "not for you" not in response.text and len(response.text) < 200

    def test_head_has_no_body(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def head(self) -> None:
                raise ZeroDivisionError

        app = Application([("/", Handler)], serve_traceback=True, log_function=lambda handler: None)
        response = fetch(app, method="HEAD", headers=BROWSER)
        log.take("Uncaught")
        assert response.body == b"" and int(response["Content-Length"]) > 1000

    def test_nothing_is_imported_before_it_is_needed(self) -> None:
        code = """
            import asyncio, sys, tornadic.web
            tornadic.web.Application([], serve_traceback=True)
            assert not [name for name in sys.modules if "debugpage" in name or "routetable" in name]
        """
        command = [sys.executable, "-c", re.sub(r"^ +", "", code, flags=re.MULTILINE)]
        subprocess.run(command, check=True, timeout=50)

    def test_what_other_sites_may_read(self, log: LogBook) -> None:
        """The program may let all sites read its answers, and this one is not meant."""

        class Handler(RequestHandler):
            def set_default_headers(self) -> None:
                self.set_header("Access-Control-Allow-Origin", "*")
                self.set_header("Access-Control-Allow-Credentials", "true")
                self.set_header("Content-Security-Policy", "default-src *")

            def get(self) -> None:
                raise ZeroDivisionError

        app = Application([("/", Handler)], serve_traceback=True, log_function=lambda handler: None)
        response = fetch(app, headers=BROWSER)
        log.take("Uncaught")
        assert not [name for name, _ in response.fields if name.startswith("Access-Control")]
        assert response["Content-Security-Policy"] == POLICY
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"] == "no-store"
        assert response["Referrer-Policy"] == "no-referrer"

    def test_policy_allows_this_style_and_nothing_else(self) -> None:
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        assert (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
        ) == POLICY

    def test_a_page_that_fails_is_text(self, log: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
        def act(handler: RequestHandler) -> None:
            raise ZeroDivisionError("first")

        monkeypatch.setattr(collect, "_settings", None)
        response = fetch(raising(act), headers=BROWSER)
        log.take("Uncaught")
        log.take("The debug page cannot be shown", logging.ERROR)
        assert response["Content-Type"].startswith("text/plain")
        assert "ZeroDivisionError: first" in response.text


# What it shows


class PriceError(ValueError):
    """Raised by the tests."""


def price_of(order: str, prices: dict[str, float]) -> float:
    try:
        return prices[order]
    except KeyError as error:
        raise PriceError(f"No price for {order}") from error


class TestExceptions:
    def test_a_cause_with_frames_source_and_variables(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            prices = {"tea": 2.5}
            price_of("coffee", prices)

        page = shown(act, log, "/menu?size=3")
        assert page.response.status == 500
        assert "PriceError" in page.texts and "No price for coffee" in page.texts
        assert "The cause of PriceError:" in page.texts
        assert page.texts.index("PriceError") < page.texts.index("KeyError")
        assert "KeyError" in page.texts and "'coffee'" in page.texts
        assert page.texts.count("price_of") == 2
        assert "TestExceptions.test_a_cause_with_frames_source_and_variables.act" in page.texts
        assert "{'tea': 2.5}" in page.texts
        # The line that failed is marked, and in it the expression.
        assert page.count("span", **{"aria-current": "true"}) >= 3
        assert "<mark>prices[order]</mark>" in page.source
        assert page.count("mark") >= 1

    def test_frames_of_the_program_are_open_and_ours_are_not(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            re.compile("(")

        page = shown(act, log)
        open_ones = [
            (attributes["class"] or "").split()[-1]
            for tag, attributes in page.elements
            if tag == "details"
            and "open" in attributes
            and "frame" in (attributes.get("class") or "").split()
        ]
        assert set(open_ones) == {"program"}
        assert page.count("details", **{"class": "frame library"}) >= 2
        assert page.count("details", **{"class": "frame framework"}) >= 1
        assert "calls within libraries" in page.flat

    def test_context(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second")  # noqa: B904

        page = shown(act, log)
        assert "Was being handled when ValueError was raised:" in page.texts
        assert page.texts.index("second") < page.texts.index("'first'")

    def test_context_that_is_suppressed(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            try:
                raise KeyError("fir" + "st")
            except KeyError:
                raise ValueError("second") from None

        assert "KeyError" not in shown(act, log).texts

    def test_group(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            inner = ExceptionGroup("inner", [KeyError("deepest")])
            raise ExceptionGroup("several", [ValueError("one"), inner])

        page = shown(act, log)
        for text in ("several (2 sub-exceptions)", "1 of 2 in ExceptionGroup:", "'deepest'"):
            assert text in page.texts
        assert "It was never raised, so there is no traceback." in page.texts

    def test_notes(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            error = ValueError("it")
            error.add_note("Look <here>")
            error.__notes__.append(42)  # type: ignore[arg-type]
            raise error

        page = shown(act, log)
        assert "Look <here>" in page.texts and "42" in page.texts

    def test_http_error(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            raise HTTPError(418, "no %s", "coffee", reason="<Teapot>")

        page = Parsed(fetch(raising(act), headers=BROWSER))
        log.take("no coffee")
        assert page.response.status == 418
        assert "418 <Teapot>" in page.flat
        assert "HTTP 418: <Teapot> (no coffee)" in page.texts

    def test_of_a_coroutine(self, log: LogBook) -> None:
        async def inner() -> None:
            apples = 12345
            await asyncio.sleep(0)
            raise ValueError(apples)

        async def act(handler: RequestHandler) -> None:
            await inner()

        page = shown(act, log)
        assert page.texts.count("12345") >= 2

    def test_bad_python(self, log: LogBook, tmp_path: Path) -> None:
        path = tmp_path / "bad.py"
        path.write_text("first = 1\nsecond = = 2\nthird = 3\n")

        def act(handler: RequestHandler) -> None:
            compile(path.read_text(), str(path), "exec")

        page = shown(act, log)
        assert f"{path}:2" in page.texts
        assert "second = " in page.texts and "third = 3" in page.texts
        # Where there is no file there is the line that the error knows.
        page = shown(lambda handler: compile("x = = 2", "<typed>", "exec"), log)
        assert "<typed>:1" in page.texts and page.source.count("<mark>=</mark>") == 1

    def test_a_source_that_is_gone(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            exec(compile("1 / 0", "<nowhere>", "exec"))

        assert "The source is not known." in shown(act, log).texts

    def test_a_missing_argument_of_initialize(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def initialize(self, database: str) -> None: ...

        app = Application([("/", Handler)], serve_traceback=True, log_function=lambda handler: None)
        page = Parsed(fetch(app, headers=BROWSER))
        log.take("Uncaught")
        assert "They are the third element of the rule" in page.text


class TestTemplates:
    def test_line_of_the_file(self, log: LogBook, tmp_path: Path) -> None:
        (tmp_path / "page.html").write_text("<p>\n{% include part.html %}\n</p>\n")
        (tmp_path / "part.html").write_text("<b>\n{{ order['buyer']['name'] }}\n</b>\n")
        loader = Loader(str(tmp_path))

        def act(handler: RequestHandler) -> None:
            loader.load("page.html").generate(order={"buyer": None}, secret_key="hush, hush")

        page = shown(act, log)
        assert page.count("details", **{"class": "frame template"}) == 2
        assert [file for file in page.texts if file.endswith(("part.html:2", "page.html:2"))]
        assert "{% include part.html %}" in page.flat
        assert "<mark>order['buyer']['name']</mark>" in html.unescape(page.source)
        assert "Variables of the template" in page.texts
        assert "{'buyer': None}" in page.texts
        # What every template knows is no news.
        assert not {"xhtml_escape", "json_encode", "datetime", "_tt_utf8"} & set(page.texts)
        assert "hush" not in page.text.replace('secret_key="hush, hush"', "")

    def test_without_a_file(self, log: LogBook) -> None:
        template = Template("<i>\n{{ missing }}\n</i>", name="in memory")
        page = shown(lambda handler: template.generate(), log)
        assert "in memory:2" in page.texts and "</i>" in page.texts

    def test_malformed(self, log: LogBook) -> None:
        loader = DictLoader({"bad.html": "one\n{% if x %}\n{% bogus %}\nfour"})
        page = shown(lambda handler: loader.load("bad.html"), log)
        assert "bad.html:3" in page.texts and "{% bogus %}" in page.texts and "four" in page.texts

    def test_bad_python_in_it(self, log: LogBook, tmp_path: Path) -> None:
        (tmp_path / "bad.html").write_text("one\n{{ x + }}\nthree\n")
        page = shown(lambda handler: Loader(str(tmp_path)).load("bad.html"), log)
        assert f"{tmp_path / 'bad.html'}:2" in page.texts and "three" in page.texts


class TestRequest:
    def test_what_came(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            raise ZeroDivisionError

        page = shown(
            act,
            log,
            "/a%20b?size=3&size=4",
            {
                "X-One": "eins",
                "Cookie": "theme=dark",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            "POST",
            b"colour=red",
        )
        assert "http://example.com/a%20b?size=3&size=4" in page.texts
        for text in (
            "['3', '4']",
            "['red']",
            "X-One",
            "eins",
            "theme",
            "dark",
            "10 bytes",
            "'a b'",
        ):
            assert text in page.texts
        assert "POST" in page.texts

    def test_arguments_that_cannot_be_read(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            raise ZeroDivisionError

        page = shown(
            act, log, headers={"Content-Type": "multipart/form-data"}, method="POST", body=b"x"
        )
        assert "They cannot be read: " in page.text

    def test_settings(self, log: LogBook) -> None:
        page = shown(lambda handler: 1 / 0, log, colour="mauve")
        assert page.texts[page.texts.index("colour") + 1] == "'mauve'"


class TestRoutes:
    class Main(RequestHandler):
        def get(self) -> None: ...

        def put(self) -> None:
            raise HTTPError(404)

    def page(self, target: str, host: str = "example.com", method: str = "GET") -> Parsed:
        app = Application(
            [
                ("/users/", self.Main, None, "users"),
                ("/orders/([0-9]+)", self.Main),
                ("/deep/.*", [("/deep/inner", self.Main)]),
            ],
            serve_traceback=True,
            log_function=lambda handler: None,
        )
        app.add_handlers(r"admin\.example\.com", [("/admin", self.Main)])
        return Parsed(fetch(app, target, method, {**BROWSER, "Host": host}))

    def test_those_that_were_tried(self) -> None:
        page = self.page("/nowhere")
        assert page.response.status == 404
        assert "No route leads there" in page.texts
        for text in ("/users/", "users", "/orders/([0-9]+)", "/deep/inner", "GET PUT", "rules"):
            assert text in page.texts
        assert page.texts.index("/users/") < page.texts.index("/orders/([0-9]+)")
        assert "TestRoutes.Main" in page.texts
        assert page.count("tr", **{"class": "other"}) == 1  # another host
        assert self.page("/x", "admin.example.com").count("tr", **{"class": "other"}) == 0

    @pytest.mark.parametrize(
        ("target", "meant"),
        [("/users", "/users/"), ("/orders/12/", "/orders/12"), ("/usrs/", "/users/")],
    )
    def test_did_you_mean(self, target: str, meant: str) -> None:
        assert f"Did you mean <code>{meant}</code>?" in self.page(target).source

    def test_no_idea_what_was_meant(self) -> None:
        assert "Did you mean" not in self.page("/something/else").source

    def test_a_404_of_the_programs(self) -> None:
        page = self.page("/users/", method="PUT")
        assert "The routes of the application" in page.texts
        assert "TestRoutes.Main.put" in page.texts

    def test_no_routes(self) -> None:
        app = Application(serve_traceback=True, log_function=lambda handler: None)
        assert "The application has none." in Parsed(fetch(app, headers=BROWSER)).texts

    def test_bound(self) -> None:
        for extra in (0, 1):
            rules = [(f"/{i:05}", self.Main) for i in range(collect.MOST_ROUTES + extra)]
            app = Application(rules, serve_traceback=True, log_function=lambda handler: None)
            page = Parsed(fetch(app, headers=BROWSER))
            assert page.count("th", **{"class": "mono"}) == collect.MOST_ROUTES
            assert ("1 more are not shown." in page.texts) == bool(extra)
            assert f"/{collect.MOST_ROUTES - 1:05}" in page.texts
            assert f"/{collect.MOST_ROUTES:05}" not in page.texts


# In a browser


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_looks(width: int, scheme: str, log: LogBook, page: Page, tmp_path: Path) -> None:
    """Nothing sticks out, every text can be read, and all can be reached by keyboard."""
    template = Template("<b>\n{{ order['buyer']['name'] }}\n</b>", name="order.html")

    def act(handler: RequestHandler) -> None:
        if handler.request.path == "/template":
            template.generate(order={"buyer": None})
        a_value = "a long line " * 40
        price_of(a_value, {"x" * 300: 1.0})

    app = Application(
        [
            (r"/static/(.*)", StaticFileHandler, {"path": str(tmp_path)}),
            (
                r"/(error|template)",
                type("Main", (RequestHandler,), {"get": lambda self, _: act(self)}),
            ),
        ],
        serve_traceback=True,
        log_function=lambda handler: None,
    )
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=800, deviceScaleFactor=1, mobile=width < 500,
    )  # fmt: skip
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=media)

    async def main() -> None:
        async with serving(app) as server:
            for path, status in (("error", 500), ("template", 500), ("nowhere", 404)):
                url = f"http://127.0.0.1:{server.port}/{path}?{'q' * 300}"
                await asyncio.to_thread(page.open, url)
                expected(page, status)
                assert page.run("document.documentElement.scrollWidth") <= width
                assert page.run(CONTRASTS) == []
                assert page.run("document.querySelectorAll('main, h1, header').length") == 3
                assert page.run("getComputedStyle(document.body).margin") == "0px"

    run(main)
    log.take_all("Uncaught")


# The texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, 1.4.3).
CONTRASTS = """
(() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())
  ).map(element => {
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.className];
  }).filter(([contrast]) => contrast < 4.5);
})()
"""
