"""What the UI modules of a page need besides: put at its places when the page is complete.

Style sheets and rules go to the end of the head, links first; scripts to the end of the body, links
first; then whatever HTML the modules have for either.  Files are linked once, in the order in which
they are first asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tornadic.escape import native_str, utf8, xhtml_escape
from tornadic.web.modules import Output, UIModule, as_list

if TYPE_CHECKING:
    from tornadic.web.handler import RequestHandler

__all__ = ["embed_css", "embed_js", "link_css", "link_js", "place"]

_HEAD_END = re.compile(rb"</head\s*>", re.IGNORECASE)
_BODY_START = re.compile(rb"<body[\s>]", re.IGNORECASE)
_BODY_END = re.compile(rb"</body\s*>", re.IGNORECASE)
_PAGE_END = re.compile(rb"</html\s*>\s*\Z", re.IGNORECASE)

# With a scheme (RFC 3986 section 3.1), or from the top of a site.
_ABSOLUTE = re.compile(r"/|[a-zA-Z][a-zA-Z0-9+.-]*:")


def link_js(handler: RequestHandler, files: Iterable[Output]) -> str:
    """The elements that link scripts."""
    return "".join(
        f'<script src="{xhtml_escape(url)}" type="text/javascript"></script>'
        for url in _urls(handler, files)
    )


def link_css(handler: RequestHandler, files: Iterable[Output]) -> str:
    """The elements that link style sheets."""
    return "".join(
        f'<link href="{xhtml_escape(url)}" type="text/css" rel="stylesheet"/>'
        for url in _urls(handler, files)
    )


def embed_js(pieces: Iterable[bytes]) -> bytes:
    """The element that holds scripts."""
    script = b"\n".join(pieces)
    return b'<script type="text/javascript">\n//<![CDATA[\n%b\n//]]>\n</script>' % script


def embed_css(pieces: Iterable[bytes]) -> bytes:
    """The element that holds style rules."""
    return b'<style type="text/css">\n%b\n</style>' % b"\n".join(pieces)


def place(handler: RequestHandler, modules: list[UIModule], page: bytes) -> bytes:
    """The page with all that its modules need.

    Raises ValueError if something belongs into the head and it cannot be told where that ends.
    """
    head, body = _collect(handler, modules)
    if head:
        end = _end_of_head(page)
        page = page[:end] + head + page[end:]
    if body:
        end = _end_of_body(page)
        page = page[:end] + body + page[end:]
    return page


def _collect(handler: RequestHandler, modules: list[UIModule]) -> tuple[bytes, bytes]:
    """What belongs at the end of the head, and at the end of the body."""
    css_files: list[str] = []
    rules: list[bytes] = []
    heads: list[bytes] = []
    js_files: list[str] = []
    scripts: list[bytes] = []
    bodies: list[bytes] = []
    for module in modules:
        _add_files(css_files, module.css_files())
        _add_text(rules, module.embedded_css())
        _add_text(heads, module.html_head())
        _add_files(js_files, module.javascript_files())
        _add_text(scripts, module.embedded_javascript())
        _add_text(bodies, module.html_body())
    head = body = b""
    if css_files:
        head += _line(handler.render_linked_css(css_files))
    if rules:
        head += _line(handler.render_embed_css(rules))
    if js_files:
        body += _line(handler.render_linked_js(js_files))
    if scripts:
        body += _line(handler.render_embed_js(scripts))
    return head + _line(b"".join(heads)), body + _line(b"".join(bodies))


def _add_files(files: list[str], more: Output | Iterable[Output] | None) -> None:
    if more:
        files += [native_str(file) for file in as_list(more)]


def _add_text(pieces: list[bytes], more: Output | None) -> None:
    if more:
        pieces.append(utf8(more))


def _line(part: Output) -> bytes:
    return utf8(part) + b"\n" if part else b""


def _urls(handler: RequestHandler, files: Iterable[Output]) -> Iterable[str]:
    """The URLs of files, each once."""
    names = [native_str(file) for file in files]
    return dict.fromkeys(
        name if _ABSOLUTE.match(name) else handler.static_url(name) for name in names
    )


def _end_of_head(page: bytes) -> int:
    found = _HEAD_END.search(page) or _BODY_START.search(page)
    if found is None:
        raise ValueError("what UI modules have for the head of the page needs a </head> in it")
    return found.start()


def _end_of_body(page: bytes) -> int:
    """Where the body ends; HTML allows to leave out the tags that say so."""
    end = page.rfind(b"</body>")
    if end >= 0:
        return end
    ends = [match.start() for match in _BODY_END.finditer(page)]
    if ends:
        return ends[-1]
    last = _PAGE_END.search(page)
    return last.start() if last else len(page)
