"""A page that is the same in every engine: its templates, its values, and what comes of them.

The templates are Jinja2's; in Tornado's language every end is ``{% end %}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

ROWS = 50

JINJA_TEMPLATES = {
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

TORNADO_TEMPLATES = {
    name: re.sub(r"{% end\w+ %}", "{% end %}", text) for name, text in JINJA_TEMPLATES.items()
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
VALUES: dict[str, Any] = {
    "title": "Tools > all of them",
    "user": "Ada Lovelace",
    "year": 1843,
    "menu": [("/", "Home"), ("/tools", "Tools"), ("/about", "About us")],
    "rows": _ROWS,
}


def expected_list() -> str:
    """What plain Python makes of the values of ``list.html``."""
    title = escape(VALUES["title"])
    menu = "".join(f'<li><a href="{link}">{text}</a></li>' for link, text in VALUES["menu"])
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
