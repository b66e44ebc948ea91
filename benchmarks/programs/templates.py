# mypy: disable-error-code = "import-not-found"
"""Pages rendered by the template engines of Tornado, Tornadic and Jinja2, values escaped for HTML.

The templates are Jinja2's; in Tornado's language every end is ``{% end %}``.  What comes out is
compared with what plain Python makes of the same values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any

from benchmarks.programs import require

_package = os.environ["BENCH_PACKAGE"]
ROWS = 50

_TEMPLATES = {
    "base.html": """\
<!DOCTYPE html>
<html><head><title>{% block title %}The shop{% endblock %}</title></head>
<body>
<ul>{% for link, text in menu %}<li><a href="{{ link }}">{{ text }}</a></li>{% endfor %}</ul>
{% block content %}{% endblock %}
{% include "footer.html" %}
</body></html>""",
    "footer.html": "<footer>{{ user }}, {{ year }}</footer>",
    "list.html": """\
{% extends "base.html" %}
{% block title %}{{ title }}{% endblock %}
{% block content %}<h1>{{ title }}</h1>
<table>
{% for row in rows %}<tr>
<td><a href="/item/{{ row.number }}">{{ row.name }}</a></td>
<td>{{ row.price }}</td>
<td>{% if row.stock %}{{ row.stock }} in stock{% else %}sold out{% endif %}</td>
</tr>{% endfor %}
</table>{% endblock %}""",
    "greeting.html": "<p>Good morning, {{ user }}! It is <b>{{ title }}</b>, {{ year }}.</p>",
}


@dataclass
class _Row:
    number: int
    name: str
    price: str
    stock: int


_ROWS = [
    _Row(i, f"Spanner No. {i}" + " & nut" * (i % 5 == 0), f"{i}.90 €", i % 3) for i in range(ROWS)
]
_VALUES: dict[str, Any] = {
    "title": "Tools > all of them",
    "user": "Ada Lovelace",
    "year": 1843,
    "menu": [("/", "Home"), ("/tools", "Tools"), ("/about", "About us")],
    "rows": _ROWS,
}


def _expected_list() -> str:
    title = escape(_VALUES["title"])
    menu = "".join(f'<li><a href="{link}">{text}</a></li>' for link, text in _VALUES["menu"])
    rows = "".join(
        f'<tr>\n<td><a href="/item/{row.number}">{escape(row.name)}</a></td>\n'
        f"<td>{row.price}</td>\n"
        f"<td>{f'{row.stock} in stock' if row.stock else 'sold out'}</td>\n</tr>"
        for row in _ROWS
    )
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body>\n<ul>{menu}</ul>\n"
        f"<h1>{title}</h1>\n<table>\n{rows}\n</table>\n"
        "<footer>Ada Lovelace, 1843</footer>\n</body></html>"
    )


def _renderer(name: str) -> Callable[[], bytes]:
    """What finds this template and renders it, as a handler does for each request."""
    if _package == "jinja2":
        import jinja2

        environment = jinja2.Environment(loader=jinja2.DictLoader(_TEMPLATES), autoescape=True)
        return lambda: environment.get_template(name).render(**_VALUES).encode()
    texts = {key: re.sub(r"{% end\w+ %}", "{% end %}", text) for key, text in _TEMPLATES.items()}
    module = import_module(f"{_package}.template")
    loader = module.DictLoader(texts, whitespace="all")
    return lambda: loader.load(name).generate(**_VALUES)


def _render(count: int, name: str, expected: str) -> None:
    render = _renderer(name)
    page = b""
    for _ in range(count):
        page = render()
    require(page, expected.encode())


async def page_of_rows(count: int, port: int) -> None:
    """A table in a block of a page that includes another."""
    _render(count, "list.html", _expected_list())


async def greeting(count: int, port: int) -> None:
    """Hardly more than a call."""
    title = escape(_VALUES["title"])
    expected = f"<p>Good morning, Ada Lovelace! It is <b>{title}</b>, 1843.</p>"
    _render(count, "greeting.html", expected)
