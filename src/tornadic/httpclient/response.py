"""`HTTPResponse`: what a fetch gives."""

from __future__ import annotations

from io import BytesIO

from tornadic.http.headers import HTTPHeaders
from tornadic.http.statuses import responses
from tornadic.httpclient.errors import HTTPClientError
from tornadic.httpclient.request import HTTPRequest, _RequestProxy

__all__ = ["HTTPResponse"]


class HTTPResponse:
    """A response.  All arguments are attributes too.

    ``request``: the `HTTPRequest`.  ``code``: the status; 599 where there was no response.
    ``reason``: the phrase that came with it (None or empty: the usual one).  ``headers``:
    `.HTTPHeaders`.  ``buffer``: the body as a file, or None.  ``effective_url``: where redirects
    have led (None: where the request went).  ``error``: an exception, or None; a status outside
    200 to 299 makes an `HTTPClientError` of itself.

    ``request_time``: seconds from the beginning of the request, or of the last one if redirects
    were followed, to the last byte of the response; waiting for a place among ``max_clients`` is
    not counted.  ``start_time``: when it began, in seconds since the epoch.  ``time_info``: parts
    of the time, in seconds; which ones depends on the client.
    """

    error: BaseException | None = None
    _error_is_response_code = False
    request: HTTPRequest

    def __init__(
        self,
        request: HTTPRequest,
        code: int,
        headers: HTTPHeaders | None = None,
        buffer: BytesIO | None = None,
        effective_url: str | None = None,
        error: BaseException | None = None,
        request_time: float | None = None,
        time_info: dict[str, float] | None = None,
        reason: str | None = None,
        start_time: float | None = None,
    ) -> None:
        self.request = request.request if isinstance(request, _RequestProxy) else request
        self.code = code
        self.reason = reason or responses.get(code, "Unknown")
        self.headers = HTTPHeaders() if headers is None else headers
        self.buffer = buffer
        self._body: bytes | None = None
        self.effective_url = self.request.url if effective_url is None else effective_url
        self._error_is_response_code = False
        self.error = error
        if error is None and not 200 <= code < 300:
            self._error_is_response_code = True
            self.error = HTTPClientError(code, message=self.reason, response=self)
        self.start_time = start_time
        self.request_time = request_time
        self.time_info = time_info or {}

    @property
    def body(self) -> bytes:
        """The body; empty if it went to a ``streaming_callback``."""
        if self.buffer is None:
            return b""
        if self._body is None:
            self._body = self.buffer.getvalue()
        return self._body

    def rethrow(self) -> None:
        """Raise ``error``, if there is one."""
        if self.error is not None:
            raise self.error

    def __repr__(self) -> str:
        attributes = ",".join([f"{name}={value!r}" for name, value in sorted(vars(self).items())])
        return f"{type(self).__name__}({attributes})"
