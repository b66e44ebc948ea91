"""How long a request took until its response began, told to the client."""

from __future__ import annotations

from tornadic.middleware.arguments import header_name
from tornadic.web import RequestHandler

__all__ = ["Timing"]


class Timing:
    """Adds the milliseconds from the request's head to the response's.

    ``header`` is ``Server-Timing``, which browsers show to developers (and which has other
    entries if the handler has set some), or another name, such as ``X-Response-Time``, whose
    value is like ``1.25ms``.  Who can measure what a site does learns something about it: on a
    public server leave it out, or have a proxy take it away.  Raises ValueError for what is no
    name of a header.
    """

    def __init__(self, header: str = "Server-Timing") -> None:
        self._header = header_name(header)
        self._is_standard = header.lower() == "server-timing"

    def process_response(self, handler: RequestHandler) -> None:
        """Add the header."""
        milliseconds = handler.request.request_time() * 1000
        if self._is_standard:
            handler.add_header(self._header, f"total;dur={milliseconds:.2f}")
        else:
            handler.set_header(self._header, f"{milliseconds:.2f}ms")
