"""The debug page, attacked: secrets, markup in every text, and all that is too large."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import gc
import html
import html.parser
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.browser import Page
from tests.web.debugging import BROWSER, Parsed, expected, raising, shown
from tests.web.support import LogBook, fetch, run, serving

from tornadic.web import RequestHandler
from tornadic.web.debugpage import collect, frames, values
from tornadic.web.debugpage.masking import MASK, Masks
from tornadic.web.debugpage.values import Describer

# What it must not show


SECRETS = (
    "correct-horse-battery",
    "swordfish-1",
    "bearer-of-news",
    "0123456789abcdef",
    "tok-en-of-love",
    "oh so secret",
    "key-of-the-api",
    "hunter2hunter2",
    "pw-in-the-dsn",
    "form-password",
)


@dataclasses.dataclass
class Account:
    name: str
    password: str


class TestSecrets:
    def act(self, handler: RequestHandler) -> None:
        password = "hunter2" * 2
        copied = f"<{password}>"
        account = Account("ada", "swordfish-1")
        nested = {"deep": [{"api_key": "key-of-the-api", b"Token": b"tok-en-of-love"}]}
        headers = handler.request.headers
        request = handler.request
        settings = handler.settings
        cookies = handler.request.cookie_values
        raw = handler.request.body
        secret = handler.settings["cookie_secret"]
        raise ValueError(
            f"cannot log in with {password} at db://ada:pw-in-the-dsn@db/x",
            (copied, account, nested, headers, request, settings, cookies, raw),
            f"secret: {secret}",
        )

    @pytest.mark.parametrize("accept", ["text/html", "*/*"])
    def test_none_of_them_anywhere(self, accept: str, log: LogBook) -> None:
        app = raising(
            self.act,
            cookie_secret="correct-horse-battery",
            google_oauth={"key": "me", "secret": "oh so secret"},
        )
        headers = {
            "Accept": accept,
            "Authorization": "Bearer bearer-of-news",
            "Cookie": "session=0123456789abcdef; theme=dark",
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": "http://example.com/?token=tok-en-of-love",
        }
        response = fetch(
            app, "/?token=tok-en-of-love&page=3", "POST", headers, b"password=form-password&n=1"
        )
        log.take_all("Uncaught")
        assert response["Content-Type"].startswith(
            "text/html" if accept == "text/html" else "text/p"
        )
        text = html.unescape(response.text)
        assert [secret for secret in SECRETS if secret in text] == []
        assert "hunter2" not in text.replace('password = "hunter2" * 2', "")
        assert MASK in text
        if accept == "text/html":
            assert "Bearer ••••" in text
            assert "name='ada'" in text and "theme" in text and "dark" in text
            assert "page=3" in text and "['1']" in text

    def test_basic_credentials_and_their_password(self, log: LogBook) -> None:
        credentials = base64.b64encode(b"ada:swordfish-1").decode()

        def act(handler: RequestHandler) -> None:
            user, word = base64.b64decode(credentials).decode().split(":")
            raise ValueError(f"{user} may not enter with {word}")

        page = shown(act, log, headers={"Authorization": f"Basic {credentials}"})
        assert credentials not in page.text and "swordfish-1" not in page.text.replace(
            'b"ada:swordfish-1"', ""
        )
        assert f"ada may not enter with {MASK}" in page.texts

    def test_where_a_value_is_cut_its_beginning_is_hidden_too(self, log: LogBook) -> None:
        key = "".join(chr(ord("a") + i % 26) + str(i) for i in range(500))

        def act(handler: RequestHandler) -> None:
            text = "x" * (values.MOST_CHARACTERS - 20) + handler.settings["cookie_secret"]
            raise ValueError(len(text))

        page = shown(act, log, cookie_secret=key)
        assert key[:6] not in page.text


# Attacks


MARKUP = (
    "</title></style></pre><script>window.attacked=1</script><img src=x onerror='attacked=1'>\"'&"
)


class Attack:
    """An object whose every text is markup."""

    def __repr__(self) -> str:
        return MARKUP


class AttackError(Exception):
    def __str__(self) -> str:
        return MARKUP


AttackError.__qualname__ = MARKUP

ALLOWED = set(
    re.findall(
        r"\w+",
        "html head meta title style body header main footer div span strong h1 h2 p pre mark code "
        "details summary table thead tbody tr th td",
    )
)


class TestMarkup:
    def act(self, handler: RequestHandler) -> None:
        attack = Attack()
        namespace = {MARKUP: MARKUP, "attack": attack, "__name__": "x"}
        error = AttackError()
        error.add_note(MARKUP)
        code = compile(f"#{MARKUP}\nraise error", f"/{MARKUP}.py", "exec")
        exec(code.replace(co_name=MARKUP, co_qualname=MARKUP), {**namespace, "error": error})

    def headers(self) -> dict[str, str]:
        return {
            "X-Attack": MARKUP,
            "Cookie": f"a={MARKUP.replace(' ', '')[:14]}",
            "Referer": MARKUP,
        }

    def test_text_stays_text(self, log: LogBook) -> None:
        page = shown(
            self.act,
            log,
            f"/{MARKUP.replace(' ', '')}?<script>=<script>",
            self.headers(),
            settings={MARKUP: MARKUP},
        )
        assert {tag for tag, _ in page.elements} <= ALLOWED
        assert page.count("style") == page.count("title") == 1
        for _, attributes in page.elements:
            assert set(attributes) <= {
                *("class", "open", "lang", "charset", "name", "content", "tabindex", "role"),
                *("aria-label", "aria-current", "scope", "data-label"),
            }
        assert page.flat.count(MARKUP) >= 8
        assert "<script" not in page.source

    def test_what_cannot_be_seen_is_spelt_out(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            raise ValueError("a\u202eb\x00c\x1bd\ud800e\u200bf\r\ng")

        page = shown(act, log)
        assert "a\\u202eb\\x00c\\x1bd\\ud800e\\u200bf\\r\ng" in page.texts
        text = fetch(raising(act)).body
        log.take("Uncaught")
        assert b"\\ud800" in text

    @given(st.text())
    def test_any_message(self, text: str) -> None:
        from tornadic.web.debugpage.page import _e

        escaped = _e(text)
        assert not set("<>\"'") & set(escaped)
        escaped.encode()

    def test_in_a_browser(self, log: LogBook, page: Page) -> None:
        async def main() -> None:
            app = raising(self.act, **{MARKUP: MARKUP})
            async with serving(app) as server:
                url = f"http://127.0.0.1:{server.port}/%3Cscript%3E?x=<script>attacked=1</script>"
                await asyncio.to_thread(page.open, url)

        run(main)
        log.take("Uncaught")
        assert page.run("typeof window.attacked") == "undefined"
        assert page.run("document.scripts.length") == 0
        assert page.run("document.images.length") == 0
        assert MARKUP in page.run("document.querySelector('h1').textContent")
        expected(page, 500)


# Bounds


def make_cycle() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__ = second
    second.__context__ = first
    return first


class TestBounds:
    def test_recursion(self, log: LogBook) -> None:
        def deeper(n: int) -> int:
            return deeper(n + 1) + 1

        page = shown(lambda handler: deeper(0), log)
        count = page.source.count('<details class="frame')
        assert count == frames.MOST_FRAMES
        assert re.search(r"… \d{3,} frames are not shown …", page.text)
        assert len(page.source) < 500_000

    @pytest.mark.parametrize("extra", [0, 1])
    def test_frames(self, extra: int) -> None:
        def deeper(n: int) -> None:
            if n:
                deeper(n - 1)
            else:
                raise ValueError

        try:
            deeper(frames.MOST_FRAMES - 2 + extra)
        except ValueError as error:
            masks = Masks()
            found = frames.frames_of(error.__traceback__, Describer(masks), masks, frames.Budget())
        assert sum(isinstance(one, frames.Frame) for one in found) == frames.MOST_FRAMES
        gaps = [one for one in found if isinstance(one, frames.Gap)]
        assert gaps == ([frames.Gap(1)] if extra else [])

    def test_cycle_of_exceptions(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            raise make_cycle()

        page = shown(act, log)
        assert page.texts.count("first") == 1 and page.texts.count("second") == 1

    def test_a_chain_without_end(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            error: Exception = ValueError("last")
            for _ in range(1000):
                outer = ValueError("in between")
                outer.__cause__ = error
                error = outer
            raise error

        logging.disable()  # Python's own formatter does not get to the end of it
        try:
            page = Parsed(fetch(raising(act), headers=BROWSER))
        finally:
            logging.disable(logging.NOTSET)
        assert page.texts.count("in between") == collect.MOST_EXCEPTIONS
        assert "more exceptions are not shown." in page.text

    @pytest.mark.parametrize("extra", [0, 1])
    def test_exceptions_of_a_group(self, extra: int, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            members = [
                ValueError(f"number {i}") for i in range(collect.MOST_EXCEPTIONS - 1 + extra)
            ]
            raise ExceptionGroup("all", members)

        page = shown(act, log)
        assert page.count("h2") >= collect.MOST_EXCEPTIONS
        assert ("1 more exceptions are not shown." in page.texts) == bool(extra)

    def test_huge_everything(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            many = dict.fromkeys([f"name{i}" for i in range(5000)], "x" * 100_000)
            exec(
                "def f():\n " + "\n ".join(f"v{i} = many" for i in range(300)) + "\n 1/0\nf()",
                {"many": many},
            )

        query = "&".join(f"a{i}={'b' * 20}" for i in range(900))
        page = shown(act, log, f"/?{query}")
        assert len(page.source) < 1_000_000
        assert f"… {300 - frames.MOST_VARIABLES} more are not shown" in page.texts
        assert "and 800 more" in page.texts

    def test_a_huge_message(self, log: LogBook) -> None:
        def act(handler: RequestHandler) -> None:
            raise ValueError("x" * 3_000_000)

        assert len(shown(act, log).source) < 300_000
        assert len(fetch(raising(act)).body) < collect.MOST_TEXT + 100
        log.take("Uncaught")

    def test_a_message_that_cannot_be_had(self, log: LogBook) -> None:
        class BadError(Exception):
            def __str__(self) -> str:
                raise ZeroDivisionError("in the text")

        def act(handler: RequestHandler) -> None:
            raise BadError

        page = shown(act, log)
        assert "<BadError: its str raised ZeroDivisionError: in the text>" in page.texts

    def test_nothing_is_kept(self, log: LogBook) -> None:
        class Big:
            """Something that should go when the request has gone."""

        def act(handler: RequestHandler) -> None:
            big = Big()
            raise ValueError(big)

        logging.disable()  # the log keeps it, too
        try:
            assert "Big object" in Parsed(fetch(raising(act), headers=BROWSER)).text
        finally:
            logging.disable(logging.NOTSET)
        gc.collect()
        assert [one for one in gc.get_objects() if type(one) is Big] == []
