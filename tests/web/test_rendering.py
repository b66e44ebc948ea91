"""Pages that handlers render from templates."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from tests.web.support import LogBook, Server, application, fetch, run, serving

from tornadic import locale
from tornadic.template import BaseLoader, DictLoader, Loader
from tornadic.web import Application, RequestHandler, identity


class Page(RequestHandler):
    """Renders the template that the path names, with the query's arguments."""

    def get(self) -> None:
        names = self.request.query_arguments
        values = {name: self.get_query_argument(name) for name in names}
        self.render(self.request.path[1:], **values)


class WaitingPage(RequestHandler):
    async def get(self) -> None:
        await self.render_async(self.request.path[1:])


def app_of(
    templates: dict[str, str], handler: type[RequestHandler] = Page, **settings: Any
) -> Application:
    settings.setdefault("template_loader", DictLoader(templates))
    return application(handler, **settings)


def text_of(template: str, handler: type[RequestHandler] = Page, **settings: Any) -> str:
    response = fetch(app_of({"page.html": template}, handler, **settings), "/page.html")
    assert response.status == 200
    return response.text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("{% extends base.html %}{% block a %}{{ x }}{% end %}")
    (tmp_path / "base.html").write_text("<p>\n  {% block a %}{% end %}</p>")
    return tmp_path


# The response


def test_a_page_is_a_whole_response() -> None:
    async def main() -> None:
        async with serving(app_of({"page.html": "<p>{{ x }}</p>"})) as server:
            response = await server.fetch("/page.html?x=%C3%A9")
            assert response.text == "<p>é</p>"
            assert response["Content-Type"] == "text/html; charset=UTF-8"
            assert response["Content-Length"] == "9"
            known = {"If-None-Match": response["Etag"]}
            again = await server.fetch("/page.html?x=%C3%A9", headers=known)
            assert (again.status, again.body) == (304, b"")

    run(main)


def test_values_are_escaped() -> None:
    response = fetch(app_of({"page.html": "{{ x }}"}), "/page.html?x=<script>%27%22%26")
    assert response.text == "&lt;script&gt;&#x27;&quot;&amp;"


def test_render_finishes() -> None:
    done: list[bool] = []

    class Handler(RequestHandler):
        def get(self) -> Any:
            self.set_status(201)
            sent = self.render("page.html")
            done.append(sent.done())
            for render in (self.render, self.render_async):
                with pytest.raises(RuntimeError, match=r"Cannot render\(\) after finish\(\)"):
                    render("page.html")
            return sent

    response = fetch(app_of({"page.html": "x"}, Handler))
    assert (response.status, response.text, done) == (201, "x", [True])


def test_what_was_written_before_stays() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("before ")
            self.write(self.render_string("part.html", x=1))
            self.render("page.html")

    assert fetch(app_of({"page.html": "page", "part.html": "{{ x }} "}, Handler)).text == (
        "before 1 page"
    )


def test_nothing_of_a_page_that_fails_is_sent(log: LogBook) -> None:
    response = fetch(app_of({"page.html": "secret\n{{ 1/0 }}"}), "/page.html")
    assert response.status == 500
    assert "secret" not in response.text
    record = log.take("ZeroDivisionError")
    assert record.exc_info is not None and record.exc_info[1] is not None
    assert record.exc_info[1].__notes__ == ["# page.html:2"]


def test_a_subclass_may_render_by_another_engine() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.render("name", x=1)

        def render_string(self, template_name: str, **kwargs: Any) -> Any:
            return f"{template_name} é {kwargs}"

    assert fetch(Handler).text == "name é {'x': 1}"


def test_a_loader_may_have_templates_of_another_kind() -> None:
    class Other:
        def generate(self, **namespace: Any) -> bytes:
            return f"{sorted(namespace)}".encode()

    class Others(BaseLoader):
        def load(self, name: str, parent_path: str | None = None) -> Any:
            return Other()

    names = text_of("", template_loader=Others())
    assert "'current_user', 'handler', 'locale'" in names


# What a template knows


def test_names_that_are_always_there() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.render("page.html")

        def get_current_user(self) -> str:
            return "Ada"

        def static_url(self, path: str, include_host: bool | None = None, **kwargs: Any) -> str:
            return f"/files/{path}"

    text = (
        "{{ handler.request is request }} {{ current_user }} {{ locale.code }} {{ _('word') }} "
        "{{ _('word', 'words', 2) }} {{ pgettext('law', 'right') }} {{ static_url('x') }} "
        "{{ reverse_url('home') }} {{ xsrf_form_html() == handler.xsrf_form_html() }} "
        "{{ modules.linkify('a') }}"
    )
    loader = DictLoader({"page.html": text})
    app = Application(
        [("/home", Handler, {}, "home")], template_loader=loader, log_function=lambda handler: None
    )
    assert fetch(app, "/home").text == ("True Ada en_US word words right /files/x /home True a")


def test_arguments_prevail() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.render("page.html", request="r", _="u", locale="l", escape="e", modules="m")

    text = "{{ request }}{{ _ }}{{ locale }}{{ escape }}{{ modules }}"
    assert text_of(text, Handler) == "rulem"


def test_a_subclass_may_add_names() -> None:
    class Handler(Page):
        def get_template_namespace(self) -> dict[str, Any]:
            namespace = super().get_template_namespace()
            assert namespace["handler"] is self
            assert {"current_user", "locale", "_", "pgettext", "modules"} <= set(namespace)
            return {**namespace, "site": "ours", "request": "theirs"}

    assert text_of("{{ site }} {{ request }}", Handler) == "ours theirs"


def test_names_of_the_loader_are_hidden_by_those_of_the_handler() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.render("page.html")

    loader = DictLoader(
        {"page.html": "{{ handler }}{{ site }}"}, namespace={"site": "s", "handler": "h"}
    )
    app = application(type("H", (Handler,), {"__str__": lambda self: "H"}), template_loader=loader)
    assert fetch(app).text == "Hs"


class Counting(RequestHandler):
    """Knows how often it was asked who is there and in which language."""

    def initialize(self) -> None:
        self.asked: list[str] = []

    def get(self) -> None:
        self.write(self.render_string("page.html"))
        self.finish(f" {','.join(self.asked)}")

    def get_current_user(self) -> str:
        self.asked.append("user")
        return "Ada"

    def get_user_locale(self) -> None:
        self.asked.append("locale")


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ("x", ""),
        ("{{ handler.asked }}{% set locale = 1 %}", ""),
        ("{{ current_user }}", "user"),
        ("{{ locale.code }}", "locale"),
        ("{{ _('x') }}", "locale"),
        ("{{ pgettext('x', 'y') }}", "locale"),
        ("{% for x in [lambda: current_user] %}{{ x() }}{% end %}", "user"),
        ("{{ eval('current_' 'user') }}", "user,locale"),
        ("{{ globals()['locale'].code }}", "user,locale"),
        ("{% include part.html %}", "user"),
        ("{% module Template('part.html') %}", "user"),
    ],
)
def test_only_what_a_template_uses_is_found_out(template: str, asked: str) -> None:
    app = app_of({"page.html": template, "part.html": "{{ current_user }}"}, Counting)
    response = fetch(app)
    assert response.status == 200
    assert response.text.rpartition(" ")[2] == asked


@pytest.fixture
def german(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "de.csv").write_text('"Hello","Hallo"\n')
    locale.load_translations(str(tmp_path))
    yield
    (tmp_path / "de.csv").unlink()
    locale.load_translations(str(tmp_path))


@pytest.mark.usefixtures("german")
def test_pages_in_the_language_of_the_browser() -> None:
    app = app_of({"page.html": "{{ _('Hello') }} {{ locale.code }}"})
    for accepted, expected in {"de-AT,en;q=0.5": "Hallo de", "fr": "Hello en_US"}.items():
        headers = {"Accept-Language": accepted}
        for _ in range(2):  # what it means is kept
            assert fetch(app, "/page.html", headers=headers).text == expected


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_languages_beyond_what_is_kept(more: int) -> None:
    identity._languages.cache_clear()
    accepted = "de;q=0.9,x".ljust(identity.MAX_KEPT + more, "x")
    app = app_of({"page.html": "{{ _('Hello') }}"})
    assert fetch(app, "/page.html", headers={"Accept-Language": accepted}).text == "Hallo"
    assert identity._languages.cache_info().currsize == (more <= 0)


# Where templates are


def test_template_path(folder: Path) -> None:
    app = application(Page, template_path=str(folder))
    assert fetch(app, "/page.html?x=1").text == "<p>\n1</p>"


def test_a_handler_has_a_folder_of_its_own(folder: Path) -> None:
    class Handler(Page):
        def get_template_path(self) -> str:
            return str(folder)

    app = application(Handler, template_path="/there/is/none")
    assert fetch(app, "/page.html?x=1").text == "<p>\n1</p>"


CALLERS = """
from tornadic.web import RequestHandler, UIModule

class AtOnce(RequestHandler):
    def get(self):
        self.render("page.html")

class Waits(RequestHandler):
    async def get(self):
        await self.render_async("page.html")

class InATask(RequestHandler):
    async def get(self):
        import asyncio
        await asyncio.create_task(self.render_async("page.html"))

class Card(UIModule):
    def render(self):
        return self.render_string("card.html")
"""


@pytest.mark.parametrize("name", ["AtOnce", "Waits", "InATask"])
def test_without_a_path_it_is_the_folder_of_who_renders(name: str, tmp_path: Path) -> None:
    (tmp_path / "callers.py").write_text(CALLERS)
    (tmp_path / "page.html").write_text(
        "{% include 'parts/part.html' %} {{ handler.render_string('card.html') }} "
        "{% module Template('parts/part.html') %} {% module Card() %}"
    )
    (tmp_path / "card.html").write_text("card")
    (tmp_path / "parts").mkdir()
    # Templates do not count, wherever they are.
    (tmp_path / "parts" / "part.html").write_text("part {% module Template('card.html') %}")
    spec = importlib.util.spec_from_file_location("callers", tmp_path / "callers.py")
    assert spec is not None and spec.loader is not None
    callers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(callers)
    app = application(getattr(callers, name), ui_modules=callers)
    assert fetch(app).text == "part card card part card card"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.html",
        "a/../../secret.html",
        "..%2Fsecret.html",
        "page.html%00",
        "",
        "no.html",
        ".",
    ],
)
def test_names_that_lead_elsewhere(name: str, folder: Path, log: LogBook) -> None:
    inner = folder / "inner"
    inner.mkdir()
    (folder / "secret.html").write_text("secret")

    class Handler(RequestHandler):
        def get(self) -> None:
            self.render(self.get_query_argument("name"))

    response = fetch(application(Handler, template_path=str(inner)), f"/?name={name}")
    assert (response.status, "secret" in response.text) == (500, False)
    log.take("Uncaught exception")


# Loaders


def test_loaders_are_kept_for_the_process(folder: Path) -> None:
    loaders: list[BaseLoader] = []

    class Handler(Page):
        def create_template_loader(self, template_path: str) -> BaseLoader:
            assert template_path == str(folder)
            loaders.append(Loader(template_path))
            return loaders[-1]

    for _ in range(2):
        app = application(Handler, template_path=str(folder))
        assert fetch(app, "/page.html?x=1").text == "<p>\n1</p>"
        (folder / "base.html").write_text("changed")
    assert len(loaders) == 1


def test_clearing_them_reads_everything_anew(folder: Path) -> None:
    app = application(Page, template_path=str(folder))
    assert fetch(app, "/base.html").text == "<p>\n</p>"
    (folder / "base.html").write_text("changed")
    assert fetch(app, "/base.html").text == "<p>\n</p>"
    RequestHandler._template_loaders.clear()
    assert fetch(app, "/base.html").text == "changed"


def test_classes_that_make_loaders_do_not_get_those_of_others(folder: Path) -> None:
    class Handler(Page):
        def create_template_loader(self, template_path: str) -> BaseLoader:
            return DictLoader({"page.html": "own"})

    assert fetch(application(Page, template_path=str(folder)), "/base.html").text == "<p>\n</p>"
    assert fetch(application(Handler, template_path=str(folder)), "/page.html").text == "own"


def test_applications_with_other_settings_do_not_share_them(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ x }}  \n  -")
    pages = [
        fetch(application(Page, template_path=str(tmp_path), **settings), "/page.html?x=<").text
        for settings in (
            {},
            {"autoescape": None},
            {"template_whitespace": "oneline"},
            {"autoescape": "url_escape", "template_whitespace": "all"},
            {"template_loader": DictLoader({"page.html": "other"})},
            {"template_loader": DictLoader({"page.html": "another"})},
            {"template_loader": None},
        )
    ]
    assert pages == [
        "&lt;\n-",
        "<\n-",
        "&lt; -",
        "%3C  \n  -",
        "other",
        "another",
        "&lt;\n-",
    ]


def test_unknown_mode_of_white_space(folder: Path, log: LogBook) -> None:
    app = application(Page, template_path=str(folder), template_whitespace="some")
    assert fetch(app, "/base.html").status == 500
    log.take("invalid whitespace mode 'some'")


def test_threads_get_one_loader(folder: Path) -> None:
    made: list[BaseLoader] = []
    ready = threading.Barrier(8)

    class Handler(RequestHandler):
        async def get(self) -> None:
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(8) as pool:
                pages = [loop.run_in_executor(pool, self.page) for _ in range(8)]
                assert await asyncio.gather(*pages) == [b"<p>\n</p>"] * 8

        def page(self) -> bytes:
            ready.wait()
            return self.render_string("base.html")

        def create_template_loader(self, template_path: str) -> BaseLoader:
            made.append(super().create_template_loader(template_path))
            return made[-1]

    assert fetch(application(Handler, template_path=str(folder))).status == 200
    assert len(made) == 1


class Twice(RequestHandler):
    """Changes a template between its uses."""

    change: Callable[[], object]

    def get(self) -> None:
        self.write(self.render_string("base.html"))
        self.change()
        self.finish(self.render_string("base.html"))


@pytest.mark.parametrize("setting", ["debug", "compiled_template_cache"])
def test_templates_that_are_not_kept(folder: Path, setting: str) -> None:
    """They are read anew for each request, not for each use."""
    settings = {"compiled_template_cache": False}
    if setting == "debug":
        settings = {"debug": True, "autoreload": False}
    handler = type(
        "Handler", (Twice,), {"change": lambda self: (folder / "base.html").write_text("new")}
    )
    app = application(handler, template_path=str(folder), **settings)
    assert fetch(app).text == "<p>\n</p><p>\n</p>"
    assert fetch(app).text == "newnew"


def test_a_loader_of_the_program_forgets_too() -> None:
    texts = {"page.html": "old"}
    app = app_of(texts, compiled_template_cache=False)
    assert fetch(app, "/page.html").text == "old"
    texts["page.html"] = "new"
    assert fetch(app, "/page.html").text == "new"


@pytest.mark.parametrize("kept", [False, True])
def test_versions_of_static_files(tmp_path: Path, kept: bool) -> None:
    (tmp_path / "a.css").write_text("a")
    app = app_of(
        {"page.html": "{{ static_url('a.css') }}"},
        static_path=str(tmp_path),
        static_hash_cache=kept,
    )
    first = fetch(app, "/page.html").text
    assert fetch(app, "/page.html").text == first
    (tmp_path / "a.css").write_text("b, and longer")
    assert fetch(app, "/page.html").text != first


# Waiting


def test_templates_may_wait() -> None:
    async def names() -> list[str]:
        await asyncio.sleep(0)
        return ["<Ada>", "Mary"]

    template = "{% for name in await names() %}{{ name }} {% end %}{% raw current_user %}"
    page = text_of(template, WaitingPage, ui_methods={"names": lambda handler: names()})
    assert page == "&lt;Ada&gt; Mary None"


def test_templates_that_do_not_wait() -> None:
    assert text_of("{{ 1 }}", WaitingPage) == "1"


def test_a_coroutine_may_be_returned() -> None:
    class Handler(RequestHandler):
        def get(self) -> Any:
            return self.render_async("page.html")

    assert (
        text_of("{{ await f() }}", Handler, ui_methods={"f": lambda h: asyncio.sleep(0, 1)}) == "1"
    )


def test_text_that_waits() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.write(await self.render_string_async("page.html", x=asyncio.sleep(0, "<x>")))

    assert text_of("{{ await x }}", Handler) == "&lt;x&gt;"


def test_render_does_not_wait(log: LogBook) -> None:
    assert fetch(app_of({"page.html": "{{ await x }}"}), "/page.html").status == 500
    log.take("page.html contains await")


def test_an_error_after_waiting(log: LogBook) -> None:
    template = "secret{{ await f() }}{{ 1/0 }}"
    app = app_of({"page.html": template}, WaitingPage, ui_methods={"f": lambda h: asyncio.sleep(0)})
    response = fetch(app, "/page.html")
    assert (response.status, "secret" in response.text) == (500, False)
    log.take("ZeroDivisionError")


def test_a_template_is_missed_at_once() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            with pytest.raises(KeyError):
                _ = self.render_async("none.html")
            self.finish("told")

    assert text_of("", Handler) == "told"


def test_a_handler_that_finishes_meanwhile() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            page = self.render_async("page.html")
            self.finish("first")
            with pytest.raises(RuntimeError, match="after finish"):
                await page

    assert text_of("x", Handler) == "first"


def test_pages_wait_beside_each_other() -> None:
    name: ContextVar[str] = ContextVar("name")

    async def main() -> None:
        gates = {one: asyncio.Event() for one in "ab"}

        class Handler(WaitingPage):
            async def get(self) -> None:
                name.set(self.get_query_argument("name"))
                await super().get()

        async def wait() -> str:
            await gates[name.get()].wait()
            return name.get()

        app = app_of(
            {"page.html": "{{ await wait() }}"}, Handler, ui_methods={"wait": lambda h: wait()}
        )
        async with serving(app) as server:
            pages = [asyncio.ensure_future(server.fetch(f"/page.html?name={one}")) for one in "ab"]
            gates["b"].set()
            assert (await pages[1]).text == "b"
            assert not pages[0].done()
            gates["a"].set()
            assert (await pages[0]).text == "a"

    run(main)


def test_a_client_that_goes_while_a_page_waits(log: LogBook) -> None:
    async def main() -> None:
        waits, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        class Handler(WaitingPage):
            def on_connection_close(self) -> None:
                gone.set()

            async def get(self) -> None:
                try:
                    await super().get()
                finally:
                    ended.set()

        async def wait() -> None:
            waits.set()
            await gone.wait()

        app = app_of(
            {"page.html": "{{ await wait() }}"}, Handler, ui_methods={"wait": lambda h: wait()}
        )
        async with serving(app) as server:
            await leave(server, waits)
            await ended.wait()

    async def leave(server: Server, waits: asyncio.Event) -> None:
        client = await server.connect()
        await client.send(b"GET /page.html HTTP/1.1\r\nHost: a\r\n\r\n")
        await waits.wait()
        client.abort()

    run(main)


# Memory


def test_a_page_leaves_nothing_behind() -> None:
    """What rendered it is gone without the garbage collector."""
    handlers: list[weakref.ref[RequestHandler]] = []

    class Handler(Page):
        def prepare(self) -> None:
            handlers.append(weakref.ref(self))

    texts = {
        "page.html": "{% module Template('part.html') %}{{ greet() }}{% block a %}{% end %}",
        "part.html": "{{ set_resources(html_body='<b>') }}",
    }
    app = app_of(texts, Handler, ui_methods={"greet": lambda handler: "hello"})
    gc.disable()
    try:
        assert fetch(app, "/page.html").text == "hello<b>\n"
        assert [ref() for ref in handlers] == [None]
    finally:
        gc.enable()
