# mypy: disable-error-code = "import-not-found"
"""Pages rendered by the template engines of Tornado, Tornadic and Jinja2, values escaped for HTML.

What comes out is compared with what plain Python makes of the same values.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from importlib import import_module

from benchmarks.pages import JINJA_TEMPLATES, TORNADO_TEMPLATES, VALUES, expected_list
from benchmarks.programs import require

_package = os.environ["BENCH_PACKAGE"]


def _renderer(name: str) -> Callable[[], bytes]:
    """What finds this template and renders it, as a handler does for each request."""
    if _package == "jinja2":
        import jinja2

        environment = jinja2.Environment(loader=jinja2.DictLoader(JINJA_TEMPLATES), autoescape=True)
        return lambda: environment.get_template(name).render(**VALUES).encode()
    module = import_module(f"{_package}.template")
    loader = module.DictLoader(TORNADO_TEMPLATES, whitespace="all")
    return lambda: loader.load(name).generate(**VALUES)


def _render(count: int, name: str, expected: str) -> None:
    render = _renderer(name)
    page = b""
    for _ in range(count):
        page = render()
    require(page, expected.encode())


async def page_of_rows(count: int, port: int) -> None:
    """A table in a block of a page that includes another."""
    _render(count, "list.html", expected_list())


async def greeting(count: int, port: int) -> None:
    """Hardly more than a call."""
    title = escape(VALUES["title"])
    expected = f"<p>Good morning, Ada Lovelace! It is <b>{title}</b>, 1843.</p>"
    _render(count, "greeting.html", expected)
