"""What becomes of an exception: a status, a page, a line in the log."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from tornadic.escape import xhtml_escape
from tornadic.http.errors import HTTPInputError, HTTPOutputError
from tornadic.iostream import StreamClosedError
from tornadic.log import app_log, gen_log
from tornadic.web.errors import HTTPError

if TYPE_CHECKING:
    from tornadic.web.handler import RequestHandler

__all__ = ["default_page", "log_exception", "show_to_developer", "status_of"]


def status_of(error: BaseException) -> int:
    """The status that answers a request which ended with ``error``."""
    if isinstance(error, HTTPError):
        return error.status_code if error.status_code >= 200 else 500  # 1xx ends nothing
    if isinstance(error, HTTPInputError):
        return error.status
    return 500


def default_page(status_code: int, reason: str) -> str:
    """The page of an error, where the program has none of its own."""
    title = xhtml_escape(f"{status_code}: {reason}")
    return f"<html><title>{title}</title><body>{title}</body></html>"


def show_to_developer(handler: RequestHandler, exc_info: Any) -> None:
    """Answer with all that helps to find out what went wrong; never for the public.

    Browsers get the debug page, everybody else the traceback as plain text.
    """
    # Most servers never show it, so they need not have it.
    from tornadic.web.debugpage.answer import answer

    answer(handler, exc_info)


def log_exception(
    handler: RequestHandler,
    typ: type[BaseException] | None,
    value: BaseException | None,
    tb: TracebackType | None,
) -> None:
    """Log the exception that ended a request.

    What the client did wrong is one line; what the program did wrong comes with a traceback.
    """
    summary = handler._request_summary()
    if isinstance(value, HTTPError):
        message = value.get_message()
        if message:
            gen_log.warning("%d %s: %s", value.status_code, summary, message)
    elif isinstance(value, HTTPInputError):
        gen_log.warning("%d %s: %s", value.status, summary, value)
    elif isinstance(value, StreamClosedError) and handler.request.connection_is_closed():
        gen_log.info("%s: the client has gone", summary)
    else:
        if isinstance(value, HTTPOutputError) and not handler._headers_written:
            gen_log.error("Failed to flush partial response: %s", value)
        exc_info = (typ, value, tb)
        app_log.error(
            "Uncaught exception %s\n%r",
            summary,
            handler.request,
            exc_info=exc_info,  # type: ignore[arg-type]
        )
