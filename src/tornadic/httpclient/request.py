"""`HTTPRequest`: what is to be fetched, and how."""

from __future__ import annotations

import ssl
import time
from asyncio import Future
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from tornadic.escape import utf8
from tornadic.http.dates import format_timestamp
from tornadic.http.headers import HTTPHeaders

__all__ = ["HTTPRequest"]


class HTTPRequest:
    """A request, for `AsyncHTTPClient.fetch` and `HTTPClient.fetch`.

    All arguments are attributes too, and all but ``url`` are optional.  Where None is given, the
    ``defaults`` of the client count, and these in brackets if they say nothing.

    ``url``: an absolute URL of ``http`` or ``https``.  ``method``: "GET", "HEAD", "POST", "PUT",
    "PATCH", "DELETE" or "OPTIONS"; others only with ``allow_nonstandard_methods`` (False), which
    also allows a body where none is usual, and none where one is.  ``headers``: a dictionary or
    `.HTTPHeaders`, added to what the client sends.

    ``body``: text, sent as UTF-8, or bytes.  ``body_producer``, instead of ``body``: a function
    that is called with a function ``write(bytes)``, whose future is done when there is room for
    more, and returns a future that is done when all is written; without a ``Content-Length``
    among the headers the body goes out in chunks.  It is called again if the request is sent
    again.  ``expect_100_continue``: send the body only after the server asked for it.

    ``auth_username``, ``auth_password``, ``auth_mode`` ("basic"; curl also has "digest").
    ``user_agent``.  ``if_modified_since``: a time in seconds or a `datetime.datetime`.
    ``decompress_response`` (True): ask for a compressed response, and decompress it;
    ``use_gzip`` is an old name for it.

    ``connect_timeout`` and ``request_timeout``, for all of it: in seconds (20), 0 for none.
    ``follow_redirects`` (True) and how often, ``max_redirects`` (5).

    ``streaming_callback``: called with each piece of the body, which then is not kept; it may be
    a coroutine (not with curl), and the next piece waits for it.  ``header_callback``: called
    with each line of the head, from the status line to the empty line, with their line ends.
    ``prepare_curl_callback``: called with the ``pycurl.Curl`` object (curl only).

    ``proxy_host`` and ``proxy_port``, ``proxy_username``, ``proxy_password`` (""),
    ``proxy_auth_mode`` ("basic"; curl also has "digest").  ``network_interface``: the IP address
    to connect from (curl also takes an interface).  ``allow_ipv6`` (True).

    ``ssl_options``: an `ssl.SSLContext`, or a dictionary for `.ssl_options_to_context`, which
    counts instead of ``validate_cert`` (True), ``ca_certs`` (a file of authorities; None for the
    system's), ``client_cert`` and ``client_key`` (files).
    """

    _headers: dict[str, str] | HTTPHeaders

    _DEFAULTS: dict[str, Any] = {
        "connect_timeout": 20.0,
        "request_timeout": 20.0,
        "follow_redirects": True,
        "max_redirects": 5,
        "decompress_response": True,
        "proxy_password": "",
        "allow_nonstandard_methods": False,
        "validate_cert": True,
    }

    def __init__(
        self,
        url: str,
        method: str = "GET",
        headers: dict[str, str] | HTTPHeaders | None = None,
        body: bytes | str | None = None,
        auth_username: str | None = None,
        auth_password: str | None = None,
        auth_mode: str | None = None,
        connect_timeout: float | None = None,
        request_timeout: float | None = None,
        if_modified_since: float | datetime | None = None,
        follow_redirects: bool | None = None,
        max_redirects: int | None = None,
        user_agent: str | None = None,
        use_gzip: bool | None = None,
        network_interface: str | None = None,
        streaming_callback: None | Callable[[bytes], Awaitable[None] | None] = None,  # noqa: RUF036
        header_callback: Callable[[str], None] | None = None,
        prepare_curl_callback: Callable[[Any], None] | None = None,
        proxy_host: str | None = None,
        proxy_port: int | None = None,
        proxy_username: str | None = None,
        proxy_password: str | None = None,
        proxy_auth_mode: str | None = None,
        allow_nonstandard_methods: bool | None = None,
        validate_cert: bool | None = None,
        ca_certs: str | None = None,
        allow_ipv6: bool | None = None,
        client_key: str | None = None,
        client_cert: str | None = None,
        body_producer: None  # noqa: RUF036
        | Callable[[Callable[[bytes], Future[None]]], Awaitable[None] | None] = None,
        expect_100_continue: bool = False,
        decompress_response: bool | None = None,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
    ) -> None:
        self._headers = HTTPHeaders() if headers is None else headers
        if if_modified_since:
            self._headers = HTTPHeaders(self._headers)
            self._headers["If-Modified-Since"] = format_timestamp(if_modified_since)
        self.proxy_host = proxy_host
        self.proxy_port = proxy_port
        self.proxy_username = proxy_username
        self.proxy_password = proxy_password
        self.proxy_auth_mode = proxy_auth_mode
        self.url = url
        self.method = method
        self._body = body if body is None else utf8(body)
        self.body_producer = body_producer
        self.auth_username = auth_username
        self.auth_password = auth_password
        self.auth_mode = auth_mode
        self.connect_timeout = connect_timeout
        self.request_timeout = request_timeout
        self.follow_redirects = follow_redirects
        self.max_redirects = max_redirects
        self.user_agent = user_agent
        self.decompress_response = use_gzip if decompress_response is None else decompress_response
        self.network_interface = network_interface
        self.streaming_callback = streaming_callback
        self.header_callback = header_callback
        self.prepare_curl_callback = prepare_curl_callback
        self.allow_nonstandard_methods = allow_nonstandard_methods
        self.validate_cert = validate_cert
        self.ca_certs = ca_certs
        self.allow_ipv6 = allow_ipv6
        self.client_key = client_key
        self.client_cert = client_cert
        self.ssl_options = ssl_options
        self.expect_100_continue = expect_100_continue
        self.start_time = time.time()

    @property
    def headers(self) -> HTTPHeaders:
        """The headers to add; None makes them empty."""
        return self._headers  # type: ignore[return-value]

    @headers.setter
    def headers(self, value: dict[str, str] | HTTPHeaders | None) -> None:
        self._headers = HTTPHeaders() if value is None else value

    @property
    def body(self) -> bytes | None:
        """The body; text that is set becomes UTF-8."""
        return self._body

    @body.setter
    def body(self, value: bytes | str | None) -> None:
        self._body = value if value is None else utf8(value)


class _RequestProxy:
    """A request together with what counts where it says nothing."""

    __slots__ = ("defaults", "request")

    def __init__(self, request: HTTPRequest, defaults: dict[str, Any] | None) -> None:
        self.request = request
        self.defaults = defaults

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.request, name)
        if value is None and self.defaults is not None:
            value = self.defaults.get(name)
        return value
