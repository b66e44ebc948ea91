"""The answer to a developer whose request failed: a page for browsers, text for everyone else."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from tornadic.log import app_log
from tornadic.web.debugpage.collect import as_text, collect, learn_secrets
from tornadic.web.debugpage.page import render
from tornadic.web.debugpage.style import POLICY

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest
    from tornadic.web.handler import RequestHandler

__all__ = ["answer", "wants_page"]

# Where a browser shows what it gets; anywhere else a script asks, maybe that of another site.
_SHOWN = ("document", "")

_HEADERS = {
    "Content-Type": "text/html; charset=UTF-8",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def answer(handler: RequestHandler, exc_info: Any) -> None:
    """Finish the response of ``handler`` with what is known of ``exc_info``.

    That is a triple like `sys.exc_info`'s.  A page that fails is a line in the log, and then the
    answer is text.
    """
    error: BaseException = exc_info[1]
    if wants_page(handler.request):
        try:
            page = render(collect(handler, error))
        except Exception:
            app_log.error("The debug page cannot be shown", exc_info=True)
        else:
            _send_page(handler, page)
            return
    try:
        text = as_text(error, learn_secrets(handler, error))
    except Exception:
        app_log.error("The traceback cannot be masked", exc_info=True)
        text = "".join(traceback.format_exception_only(type(error), None))
    handler.set_header("Content-Type", "text/plain; charset=UTF-8")
    handler.finish(text.encode("utf-8", "backslashreplace"))


def _send_page(handler: RequestHandler, page: str) -> None:
    # The page is for who has opened it; the program's headers may let others read its answers.
    for name in [*handler._headers]:
        if name.startswith("Access-Control-"):
            handler.clear_header(name)
    for name, value in _HEADERS.items():
        handler.set_header(name, value)
    handler.finish(page.encode("utf-8", "backslashreplace"))


def wants_page(request: HTTPServerRequest) -> bool:
    """Whether the client of ``request`` is a browser that would show a page.

    It says that it takes HTML, by name, and that the answer is not for a script.
    """
    if request.headers.get("Sec-Fetch-Dest", "").lower() not in _SHOWN:
        return False
    for item in request.headers.get("Accept", "").lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        if media in ("text/html", "application/xhtml+xml"):
            weights = [one[2:].strip() for one in parameters if one.startswith("q=")]
            return not weights or weights[0].strip("0.") != ""
    return False
