"""A name for every request, by which what is logged about it is found again."""

from __future__ import annotations

import logging
import re
import secrets
from contextvars import ContextVar

from tornadic.middleware.arguments import header_name
from tornadic.web import RequestHandler

__all__ = ["RequestId", "RequestIdFilter", "current_request_id"]

# Nothing that a header, a line of a log or a shell could mistake for more than a name.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_BYTES = 16

_current: ContextVar[str | None] = ContextVar("tornadic_request_id", default=None)


def current_request_id() -> str | None:
    """The identifier of the request that is being answered; None outside of any.

    It follows into coroutines and tasks that a handler begins.
    """
    return _current.get()


class RequestId:
    """Gives every request an identifier: ``handler.request_id``, and a header of the response.

    ``header`` is its name.  With ``accept`` a client, say a proxy in front, may send one itself:
    up to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit;
    anything else is passed over.  Without, or if it sends none, it is 32 random hexadecimal
    digits.  Raises ValueError for what is no name of a header.
    """

    def __init__(self, header: str = "X-Request-ID", *, accept: bool = False) -> None:
        self._header = header_name(header)
        self._accept = accept

    def process_request(self, handler: RequestHandler) -> None:
        """Find an identifier."""
        self._identify(handler)

    def process_response(self, handler: RequestHandler) -> None:
        """Tell the client."""
        # A request that failed before it came here has none yet.
        identifier = vars(handler).get("request_id") or self._identify(handler)
        handler.set_header(self._header, identifier)

    def _identify(self, handler: RequestHandler) -> str:
        sent = handler.request.headers.get(self._header, "") if self._accept else ""
        identifier = sent if _IDENTIFIER.fullmatch(sent) else secrets.token_hex(_BYTES)
        vars(handler)["request_id"] = identifier
        _current.set(identifier)
        return identifier


class RequestIdFilter(logging.Filter):
    """Gives log records ``request_id``, for a format such as ``%(request_id)s %(message)s``.

    It is ``-`` outside of any request.  Add it to a handler of the log, not to a logger.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _current.get() or "-"
        return True
