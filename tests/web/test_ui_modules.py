"""UI modules: parts of pages, and the styles and scripts that they bring."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.web.support import LogBook, Response, application, fetch

from tornadic import gen
from tornadic.template import DictLoader
from tornadic.web import Application, RequestHandler, TemplateModule, UIModule

HEAD_AND_BODY = "<html><head></head><body>%s</body></html>"


def answer_of(
    template: str,
    *,
    parts: dict[str, str] | None = None,
    waits: bool = False,
    methods: dict[str, Any] | None = None,
    **settings: Any,
) -> Response:
    """What a handler with ``methods`` answers that renders ``template`` and finishes."""

    class Handler(RequestHandler):
        def get(self) -> Any:
            return self.render_async("page.html") if waits else self.render("page.html")

    cls = type("Handler", (Handler,), methods or {})
    texts = {**(parts or {}), "page.html": template}
    settings.setdefault("template_loader", DictLoader(texts))
    return fetch(application(cls, **settings))


def page_of(template: str, **options: Any) -> str:
    response = answer_of(template, **options)
    assert response.status == 200
    return response.text


def module(output: Any = "", **resources: Any) -> type[UIModule]:
    """A module whose methods return what is given for them."""
    methods = {name: lambda self, value=value: value for name, value in resources.items()}
    return type("Module", (UIModule,), {"render": lambda self: output, **methods})


class Entry(UIModule):
    def render(self, text: str, mark: str = "b") -> str:
        return f"<{mark}>{text}</{mark}>"


# Use


def test_a_module_is_called_for_every_use() -> None:
    template = "{% module Entry('one') %} {% module Entry('two', mark='i') %}"
    assert page_of(template, ui_modules={"Entry": Entry}) == "<b>one</b> <i>two</i>"


@pytest.mark.parametrize(("output", "expected"), [("é", "é"), ("ü".encode(), "ü"), ("", "")])
def test_output_is_text_or_bytes_and_not_escaped(output: str | bytes, expected: str) -> None:
    assert page_of("[{% module M() %}]", ui_modules={"M": module(output)}) == f"[{expected}]"


def test_one_object_for_a_handler() -> None:
    class Counter(UIModule):
        count = 0

        def render(self) -> str:
            self.count += 1
            return str(self.count)

    template = "{% module A() %}{% module A() %}{% module B() %}{% raw modules.A() %}"
    modules = {"A": Counter, "B": Counter}
    assert page_of(template, ui_modules=modules) == "1213"
    assert page_of(template, ui_modules=modules) == "1213"


def test_what_a_module_knows() -> None:
    class Curious(UIModule):
        def render(self) -> str:
            handler = self.handler
            assert self.request is handler.request
            assert self.ui is handler.ui
            assert self.locale is handler.locale
            assert self.current_user == "Ada"
            return self.ui.greet(self.current_user) + self.ui.modules.Entry("x")  # type: ignore[no-any-return]

    def greet(handler: RequestHandler, name: str) -> str:
        return f"{handler.request.method} {name} "

    assert (
        page_of(
            "{% module Curious() %}",
            methods={"get_current_user": lambda self: "Ada"},
            ui_modules={"Curious": Curious, "Entry": Entry},
            ui_methods={"greet": greet},
        )
        == "GET Ada <b>x</b>"
    )


def test_a_module_renders_templates() -> None:
    class Card(UIModule):
        def render(self, name: str) -> bytes:
            return self.render_string("card.html", name=name)

    parts = {"card.html": "<p>{{ name }}{% module Entry(1) %}</p>"}
    page = page_of("{% module Card('<') %}", parts=parts, ui_modules={"Card": Card, "Entry": Entry})
    assert page == "<p>&lt;<b>1</b></p>"


def test_modules_that_are_always_there() -> None:
    page = page_of(
        "{% module linkify('http://a.com/?x&y <b>', extra_params='rel=\"me\"') %}\n"
        "{% module xsrf_form_html() %}\n{{ '_xsrf' in handler.request.cookies }}",
        methods={"xsrf_form_html": lambda self: "<hidden>"},
    )
    link = '<a href="http://a.com/?x&amp;y" rel="me">http://a.com/?x&amp;y</a> &lt;b&gt;'
    assert page == f"{link}\n<hidden>\nFalse"


def test_hidden_field_against_forgery_is_a_module() -> None:
    response = answer_of("{% module xsrf_form_html() %}")
    assert response.text.startswith('<input type="hidden" name="_xsrf" value="2|')
    assert response["Set-Cookie"].startswith("_xsrf=2|")


def test_they_may_be_replaced() -> None:
    own = {"linkify": Entry, "xsrf_form_html": Entry, "Template": Entry}
    template = "{% module linkify(1) %}{% module xsrf_form_html(2) %}{% module Template(3) %}"
    assert page_of(template, ui_modules=own) == "<b>1</b><b>2</b><b>3</b>"


def test_unknown_module(log: LogBook) -> None:
    assert answer_of("\n{% module Nope() %}").status == 500
    record = log.take("no UI module 'Nope' in the setting ui_modules")
    assert record.exc_info is not None and record.exc_info[1] is not None
    assert record.exc_info[1].__notes__ == ["# page.html:2"]


def test_base_class_renders_nothing(log: LogBook) -> None:
    assert answer_of("{% module M() %}", ui_modules={"M": UIModule}).status == 500
    log.take("NotImplementedError")


def test_base_class_needs_nothing(log: LogBook) -> None:
    seen: list[Any] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            one = UIModule(self)
            seen.extend([one.embedded_javascript(), one.javascript_files(), one.embedded_css()])
            seen.extend([one.css_files(), one.html_head(), one.html_body()])

    fetch(Handler)
    assert seen == [None] * 6


# Settings


def test_modules_of_a_python_module() -> None:
    own = ModuleType("own")
    for name, value in {"Entry": Entry, "_Hidden": Entry, "small": Entry, "other": 1}.items():
        setattr(own, name, value)
    known = Application(ui_modules=own).ui_modules
    assert set(known) == {"Entry", "_Hidden", "small", "Template", "linkify", "xsrf_form_html"}


def test_methods_of_a_python_module() -> None:
    def function(handler: RequestHandler) -> str:
        return "x"

    own = ModuleType("own")
    for name in ("first", "_hidden", "Capital", "élan"):
        setattr(own, name, function)
    own.number = 1  # type: ignore[attr-defined]
    assert set(Application(ui_methods=own).ui_methods) == {"first", "élan"}
    assert set(Application(ui_methods=vars(own)).ui_methods) == {"first", "élan"}


def test_lists_of_modules_and_dictionaries() -> None:
    own = ModuleType("own")
    own.A = Entry  # type: ignore[attr-defined]
    own.call = len  # type: ignore[attr-defined]
    mixed = [own, {"B": Entry, "a": len}, [{"C": Entry}], ({"b": len},)]
    app = Application(ui_modules=mixed, ui_methods=mixed)
    assert {"A", "B", "C"} <= set(app.ui_modules)
    assert set(app.ui_methods) == {"call", "a", "b"}


def test_later_ones_win() -> None:
    other = module()
    assert Application(ui_modules=[{"A": Entry}, {"A": other}]).ui_modules["A"] is other


@pytest.mark.parametrize("name", ["ui_modules", "ui_methods"])
@pytest.mark.parametrize("setting", [3, "package.modules", Entry, [3]])
def test_settings_that_are_neither(name: str, setting: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} takes a module, a dictionary or a list"):
        Application(**{name: setting})


@pytest.mark.parametrize("setting", [None, {}, []])
def test_settings_that_are_empty(setting: Any) -> None:
    app = Application(ui_modules=setting, ui_methods=setting)
    assert (len(app.ui_modules), app.ui_methods) == (3, {})


def test_ui_methods_in_templates() -> None:
    def greet(handler: RequestHandler, name: str = "you", *, mark: str = "!") -> str:
        return f"{handler.request.path} {name}{mark}"

    template = "{{ greet() }} {{ greet('<', mark='?') }} {{ handler.ui.greet('a') }}"
    assert page_of(template, ui_methods={"greet": greet}) == "/ you! / &lt;? / a!"


def test_a_method_may_hide_what_is_always_there() -> None:
    methods = {"locale": lambda handler: "own", "modules": lambda handler: "never seen"}
    page = page_of("{{ locale() }}{% module M() %}", ui_methods=methods, ui_modules={"M": module()})
    assert page == "own"


def test_ui_of_a_handler() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            assert self.ui is self.ui
            assert self.ui["modules"] is self.ui.modules
            self.write(self.ui.modules["Entry"]("a") + self.ui.modules.Entry("b"))
            with pytest.raises(KeyError):
                self.ui.modules["Nope"]
            assert not hasattr(self.ui.modules, "Nope")
            assert not hasattr(self.ui, "nope")
            self.ui.more = lambda: "from the handler"
            self.render("page.html")

    loader = DictLoader({"page.html": "{{ more() }}"})
    app = application(Handler, ui_modules={"Entry": Entry}, template_loader=loader)
    assert fetch(app).text == "<b>a</b><b>b</b>from the handler"


def test_ui_may_be_replaced() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.ui = type(self.ui)(word="own")
            self.render("page.html")

    loader = DictLoader({"page.html": "{{ word }}"})
    assert fetch(application(Handler, template_loader=loader)).text == "own"


# Resources


def placed(*modules: type[UIModule], **options: Any) -> str:
    """The page with uses of the modules, M0, M1 and so on."""
    named = {f"M{number}": one for number, one in enumerate(modules)}
    uses = "".join(f"{{% module {name}() %}}" for name in named)
    return page_of(HEAD_AND_BODY % uses, ui_modules=named, **options)


def test_everything_at_its_place() -> None:
    full = module(
        "<p>",
        css_files=["/a.css", "https://example.com/b.css"],
        embedded_css="p { color: red }",
        html_head="<meta>",
        javascript_files=["/a.js", "//example.com/b.js"],
        embedded_javascript="start();",
        html_body="<i>",
    )
    assert placed(full) == (
        "<html><head>"
        '<link href="/a.css" type="text/css" rel="stylesheet"/>'
        '<link href="https://example.com/b.css" type="text/css" rel="stylesheet"/>\n'
        '<style type="text/css">\np { color: red }\n</style>\n'
        "<meta>\n"
        "</head><body><p>"
        '<script src="/a.js" type="text/javascript"></script>'
        '<script src="//example.com/b.js" type="text/javascript"></script>\n'
        '<script type="text/javascript">\n//<![CDATA[\nstart();\n//]]>\n</script>\n'
        "<i>\n"
        "</body></html>"
    )


def test_of_several_modules_in_the_order_of_their_use() -> None:
    one = module(
        css_files="/1.css",
        embedded_css=b"one{}",
        html_head=b"<one>",
        javascript_files=b"/1.js",
        embedded_javascript=b"one();",
        html_body="<ONE>",
    )
    two = module(
        css_files=("/2.css", b"/1.css"),
        embedded_css="two{}",
        html_head="<two>",
        javascript_files=iter(["/2.js", "/1.js"]),
        embedded_javascript="two();",
        html_body=b"<TWO>",
    )
    assert placed(one, two) == (
        '<html><head><link href="/1.css" type="text/css" rel="stylesheet"/>'
        '<link href="/2.css" type="text/css" rel="stylesheet"/>\n'
        '<style type="text/css">\none{}\ntwo{}\n</style>\n'
        "<one><two>\n</head><body>"
        '<script src="/1.js" type="text/javascript"></script>'
        '<script src="/2.js" type="text/javascript"></script>\n'
        '<script type="text/javascript">\n//<![CDATA[\none();\ntwo();\n//]]>\n</script>\n'
        "<ONE><TWO>\n</body></html>"
    )


@pytest.mark.parametrize("nothing", [None, "", b"", []])
def test_nothing_is_nothing(nothing: Any) -> None:
    names = ["css_files", "embedded_css", "html_head", "javascript_files"]
    empty = module("x", **dict.fromkeys([*names, "embedded_javascript", "html_body"], nothing))
    assert placed(empty) == HEAD_AND_BODY % "x"


@pytest.mark.parametrize("url", ["/q?a=1&b='\"<", "https://x/?a&b", "data:text/css,a<b"])
def test_addresses_are_escaped(url: str) -> None:
    escaped = url.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    escaped = escaped.replace("'", "&#x27;")
    page = placed(module(css_files=url, javascript_files=url))
    assert f'<link href="{escaped}" type' in page
    assert f'<script src="{escaped}" type' in page


def test_relative_files_are_static(tmp_path: Path) -> None:
    (tmp_path / "m.js").write_text("start();")
    version = hashlib.sha512(b"start();").hexdigest()
    one = module(javascript_files=["m.js", "/m.js", f"/files/m.js?v={version}"])
    page = placed(one, static_path=str(tmp_path), static_url_prefix="/files/")
    assert page.count("<script") == 2
    assert f'<script src="/files/m.js?v={version}" type' in page
    page = placed(one, static_path=str(tmp_path), methods={"include_host": True})
    assert f'<script src="http://example.com/static/m.js?v={version}" type' in page


def test_relative_files_need_a_static_path(log: LogBook) -> None:
    template = HEAD_AND_BODY % "{% module M() %}"
    modules = {"M": module(css_files="m.css")}
    assert answer_of(template, ui_modules=modules).status == 500
    log.take("You must define the 'static_path' setting")


def test_relative_files_stay_below_the_static_path(tmp_path: Path, log: LogBook) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "secret.js").write_text("secret")
    modules = {"M": module(javascript_files="../secret.js")}
    template = HEAD_AND_BODY % "{% module M() %}"
    static = str(tmp_path / "static")
    assert answer_of(template, ui_modules=modules, static_path=static).status == 403
    log.take("403 GET /")


@pytest.mark.parametrize("waits", [False, True])
def test_the_page_of_an_error_has_its_own_modules(waits: bool, log: LogBook) -> None:
    def write_error(self: RequestHandler, status_code: int, **kwargs: Any) -> None:
        self.render("error.html")

    response = answer_of(
        HEAD_AND_BODY % "{% module Loud() %}{{ 1/0 }}",
        parts={"error.html": "no head{% module Calm() %}"},
        waits=waits,
        methods={"write_error": write_error},
        ui_modules={"Loud": module(html_head="<loud>"), "Calm": module(html_body="<calm>")},
    )
    assert (response.status, response.text) == (500, "no head<calm>\n")
    log.take("ZeroDivisionError")


def test_only_modules_that_are_used_bring_resources() -> None:
    loud = module(html_head="<loud>")
    template = HEAD_AND_BODY % "{{ bool(modules.Loud) }}{{ hasattr(modules, 'Loud') }}"
    assert "<loud>" not in page_of(template, ui_modules={"Loud": loud})


def test_modules_of_a_part_that_was_rendered_before() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.render("page.html", part=self.render_string("part.html"))

    texts = {"part.html": "{% module M() %}", "page.html": HEAD_AND_BODY % "{% raw part %}"}
    modules = {"M": module("x", html_body="<end>")}
    app = application(Handler, template_loader=DictLoader(texts), ui_modules=modules)
    assert fetch(app).text == HEAD_AND_BODY % "x<end>\n"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<HEAD></HEAD ><BODY></BODY\n></BODY>", "<HEAD>H</HEAD ><BODY></BODY\n>B</BODY>"),
        ("<head></head><p></head></body></body>", "<head>H</head><p></head></body>B</body>"),
        ("<title></title><body></body>", "<title></title>H<body>B</body>"),
        (
            "<title></title><BODY class='a'>x</HTML>\n",
            "<title></title>H<BODY class='a'>xB</HTML>\n",
        ),
        ("<head></head>x", "<head>H</head>xB"),
    ],
)
def test_tags_as_html_has_them(template: str, expected: str) -> None:
    modules = {"M": module(html_head="<h>", html_body="<b>")}
    page = page_of(f"{{% module M() %}}{template}", ui_modules=modules)
    assert page.replace("<h>\n", "H").replace("<b>\n", "B") == expected


def test_a_part_of_a_page_has_no_head(log: LogBook) -> None:
    template = "<p>{% module M() %}</p>"
    assert answer_of(template, ui_modules={"M": module(html_head="<h>")}).status == 500
    log.take("ValueError: what UI modules have for the head of the page needs a </head> in it")
    # Scripts are fine behind it.
    assert page_of(template, ui_modules={"M": module(html_body="<b>")}) == "<p></p><b>\n"


def test_what_a_user_writes_is_no_tag() -> None:
    """What is escaped draws no resources to it."""
    modules = {"M": module(html_head="<h>", html_body="<b>")}
    template = HEAD_AND_BODY % "{% module M() %}{{ '</head></body>' }}"
    page = page_of(template, ui_modules=modules)
    assert page.startswith("<html><head><h>\n</head>")
    assert page.endswith("&lt;/body&gt;<b>\n</body></html>")


def test_a_handler_may_write_them_its_own_way() -> None:
    def linked(kind: str) -> Any:
        def link(self: RequestHandler, files: Iterable[str]) -> str:
            return f"<{kind} {','.join(files)}>"

        return link

    def embedded(kind: bytes) -> Any:
        def embed(self: RequestHandler, pieces: Iterable[bytes]) -> bytes:
            return b"<%b %b>" % (kind, b",".join(pieces))

        return embed

    methods = {
        "render_linked_js": linked("js"),
        "render_linked_css": linked("css"),
        "render_embed_js": embedded(b"script"),
        "render_embed_css": embedded(b"style"),
    }
    resources = {"embedded_css": "e", "embedded_javascript": "f"}
    one = module(css_files=["a", b"b"], javascript_files="c", **resources)
    two = module(css_files="a", javascript_files="d", **resources)
    page = placed(one, two, methods=methods)
    assert page == (
        "<html><head><css a,b,a>\n<style e,e>\n</head><body><js c,d>\n<script f,f>\n</body></html>"
    )


def test_they_are_of_use_to_a_handler() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write(self.render_linked_js(["/a.js", "/a.js"]))
            self.write(self.render_linked_css(["/a.css", "/a.css"]))
            self.write(self.render_embed_js([b"a", b"b"]))
            self.write(self.render_embed_css([b"a", b"b"]))

    assert fetch(Handler).text == (
        '<script src="/a.js" type="text/javascript"></script>'
        '<link href="/a.css" type="text/css" rel="stylesheet"/>'
        '<script type="text/javascript">\n//<![CDATA[\na\nb\n//]]>\n</script>'
        '<style type="text/css">\na\nb\n</style>'
    )


# Templates as modules

TEMPLATE_PAGE = HEAD_AND_BODY % (
    "{% set x = 1 %}{% module Template('part.html', y=2) %}{% module Template('part.html', y=3) %}"
)


def test_a_template_has_its_own_variables() -> None:
    page = page_of(TEMPLATE_PAGE, parts={"part.html": "{{ y }}{{ 'x' in globals() }} "})
    assert page == HEAD_AND_BODY % "2False 3False "
    assert issubclass(TemplateModule, UIModule)


def test_a_template_sets_its_resources_once() -> None:
    part = (
        "{{ set_resources(css_files='/a.css', embedded_css='a{}', html_head='<h>', "
        "javascript_files=['/a.js'], embedded_javascript='a();', html_body='<b>') }}{{ y }}"
    )
    assert page_of(TEMPLATE_PAGE, parts={"part.html": part}) == (
        '<html><head><link href="/a.css" type="text/css" rel="stylesheet"/>\n'
        '<style type="text/css">\na{}\n</style>\n<h>\n</head><body>23'
        '<script src="/a.js" type="text/javascript"></script>\n'
        '<script type="text/javascript">\n//<![CDATA[\na();\n//]]>\n</script>\n<b>\n'
        "</body></html>"
    )


def test_several_templates_set_theirs() -> None:
    parts = {
        "a": "{{ set_resources(embedded_css='a{}', html_head='<a>', css_files=['/1', b'/2']) }}",
        "b": "{{ set_resources(embedded_css=b'b{}', html_head=b'<b>', css_files='/1') }}",
        "c": "{{ set_resources(embedded_css=None, javascript_files=[], html_body='') }}",
    }
    uses = "{% module Template('a') %}{% module Template('b') %}{% module Template('c') %}"
    assert page_of(HEAD_AND_BODY % uses, parts=parts) == (
        '<html><head><link href="/1" type="text/css" rel="stylesheet"/>'
        '<link href="/2" type="text/css" rel="stylesheet"/>\n'
        '<style type="text/css">\na{}\nb{}\n</style>\n<a><b>\n</head><body></body></html>'
    )


def test_both_names_of_scripts() -> None:
    parts = {"part.html": "{{ set_resources(javascript_files='/a.js', js_files=['/b.js']) }}"}
    page = page_of(TEMPLATE_PAGE, parts=parts)
    assert page.index("/a.js") < page.index("/b.js")


def test_resources_that_differ(log: LogBook) -> None:
    parts = {"part.html": "{{ set_resources(embedded_css=str(y)) }}"}
    assert answer_of(TEMPLATE_PAGE, parts=parts).status == 500
    log.take("set_resources called with different resources for the same template, part.html")


def test_resources_that_there_are_not(log: LogBook) -> None:
    parts = {"part.html": "{{ set_resources(css='a', embedded_css='b') }}"}
    assert answer_of(TEMPLATE_PAGE, parts=parts).status == 500
    log.take("TypeError: set_resources() in part.html got unknown ['css']")


def test_a_template_may_use_modules() -> None:
    parts = {"part.html": "{% module Template('inner.html', z=y) %}", "inner.html": "[{{ z }}]"}
    assert page_of(TEMPLATE_PAGE, parts=parts) == HEAD_AND_BODY % "[2][3]"


# Waiting


class Slow(UIModule):
    async def render(self, text: str) -> str:
        await asyncio.sleep(0)
        return f"<slow>{text}</slow>"

    def html_body(self) -> str:
        return "<end>"


def test_modules_may_be_coroutines() -> None:
    class Decorated(UIModule):
        @gen.coroutine
        def render(self) -> Any:
            yield gen.moment
            return b"<decorated>"

    modules = {"Slow": Slow, "Entry": Entry, "Decorated": Decorated}
    uses = "{% module Slow('a') %}{% module Entry('b') %}{% module Decorated() %}"
    page = page_of(HEAD_AND_BODY % f"{uses}{uses}", waits=True, ui_modules=modules)
    expected = "<slow>a</slow><b>b</b><decorated>" * 2 + "<end>\n"
    assert page == HEAD_AND_BODY % expected


def test_coroutines_are_for_pages_that_wait(log: LogBook) -> None:
    assert answer_of("{% module Slow('a') %}", ui_modules={"Slow": Slow}).status == 500
    log.take("Slow.render() is to be awaited, by generate_async() or render_async()")


def test_a_template_as_module_waits_too() -> None:
    part = "{% module Slow(y) %}{{ await get() }}{{ set_resources(html_head='<h>') }}"

    async def get() -> str:
        await asyncio.sleep(0)
        return "<"

    page = page_of(
        TEMPLATE_PAGE,
        parts={"part.html": part},
        waits=True,
        ui_modules={"Slow": Slow},
        ui_methods={"get": lambda handler: get()},
    )
    expected = "<slow>2</slow>&lt;<slow>3</slow>&lt;<end>\n"
    assert page == f"<html><head><h>\n</head><body>{expected}</body></html>"


def test_a_module_may_have_both_ways() -> None:
    class Both(UIModule):
        def render(self, name: str) -> bytes:
            return b"at once"

        async def render_async(self, name: str) -> bytes:
            return await self.render_string_async("part.html", name=name)

    parts = {"part.html": "{% module Slow(name) %}"}
    modules = {"Both": Both, "Slow": Slow}
    template = "{% module Both('a') %}"
    assert page_of(template, parts=parts, ui_modules=modules) == "at once"
    page = page_of(template, parts=parts, ui_modules=modules, waits=True)
    assert page == "<slow>a</slow><end>\n"
