"""What is sent: a request of one hop, and the next one when the server redirects.

Nothing here knows a connection.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final

from tornadic import __version__
from tornadic.http.headers import TOKEN, HTTPHeaders
from tornadic.httpclient.request import _RequestProxy
from tornadic.httpclient.urls import Authority, join_location, split_url
from tornadic.simple_httpclient.routes import Manner, Route, basic_credentials, manner_of

__all__ = ["USER_AGENT", "Outgoing", "is_redirect"]

USER_AGENT: Final = f"Tornadic/{__version__}"

METHODS: Final = frozenset(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"])
_WITH_BODY: Final = frozenset(["PATCH", "POST", "PUT"])
_IDEMPOTENT: Final = frozenset(["DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"])
_REDIRECTS: Final = frozenset([301, 302, 303, 307, 308])

# They are about a body that is not sent any more.
_OF_BODY: Final = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-Type",
    "Transfer-Encoding",
)
# They are meant for who was asked first.
_SECRETS: Final = ("Authorization", "Cookie", "Proxy-Authorization")

Producer = Callable[[Callable[[bytes], Future[None]]], Awaitable[None] | None]


def is_redirect(code: int) -> bool:
    """Whether a response of this status names another place to ask at."""
    return code in _REDIRECTS


@lru_cache(256)
def _usual_headers(netloc: str, agent: str, encodings: str, close: bool) -> HTTPHeaders:
    """What is sent with every request to a host; to be copied."""
    headers = HTTPHeaders({"Host": netloc, "User-Agent": agent})
    if encodings:
        headers["Accept-Encoding"] = encodings
    if close:
        headers["Connection"] = "close"
    return headers


class Outgoing:
    """A request to one place.

    ``headers`` are those that the caller wants.  ``authorization`` is that of the URL or of
    ``auth_username``.  ``continues``: the body waits for a ``100 Continue``.
    """

    __slots__ = (
        "agent",
        "authority",
        "authorization",
        "body",
        "continues",
        "headers",
        "manner",
        "method",
        "producer",
        "target",
        "url",
    )

    agent: str | None
    authority: Authority
    authorization: str | None
    body: bytes | None
    continues: bool
    headers: HTTPHeaders
    manner: Manner
    method: str
    producer: Producer | None
    target: str
    url: str

    @classmethod
    def of(cls, request: _RequestProxy) -> Outgoing:
        """What ``request`` asks for.

        Raises ValueError, and KeyError for an unknown method.
        """
        self = cls()
        own = request.request
        self.url = own.url
        self.authority, self.target = split_url(own.url)
        method = self.method = own.method
        self.headers = own.headers
        self.body = own.body
        self.producer = own.body_producer
        self.continues = own.expect_100_continue
        agent = own.user_agent
        self.agent = request.user_agent if agent is None else agent
        has_body = self.body is not None or self.producer is not None
        if method not in METHODS or has_body != (method in _WITH_BODY):
            _check_method(method, has_body, request)
        if has_body and self.body is not None and self.producer is not None:
            raise ValueError("Only one of body and body_producer may be given")
        self.authorization = self._authorize(request)
        self.manner = manner_of(request)
        return self

    def _authorize(self, request: _RequestProxy) -> str | None:
        credentials = self.authority.credentials
        username = request.auth_username
        if credentials is None and username is None:
            return None
        if request.auth_mode not in (None, "basic"):
            raise ValueError(f"unsupported auth_mode {request.auth_mode}")
        if credentials is not None:
            return basic_credentials(*credentials)
        return basic_credentials(username, request.auth_password)

    @property
    def route(self) -> Route:
        """The key of a connection that would do."""
        return self.authority.origin, self.manner

    @property
    def may_be_repeated(self) -> bool:
        """Whether it does no harm to send this twice (RFC 9110 section 9.2.2)."""
        return self.method in _IDEMPOTENT and self.producer is None

    def head(self, encodings: str, close: bool) -> tuple[str, HTTPHeaders]:
        """The target, and the header fields to be sent.

        ``encodings`` is what to accept, if the caller does not say; ``close``: nothing else will
        be sent on the connection.
        """
        agent = self.agent or USER_AGENT
        headers = _usual_headers(self.authority.netloc, agent, encodings, close).copy()
        if self.headers:
            self._add_own(headers)
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        if self.body is not None or self.producer is not None or self.method in _WITH_BODY:
            self._describe_body(headers)
        proxy = self.manner.proxy
        if proxy is None or self.authority.scheme == "https":
            return self.target, headers
        if proxy.authorization is not None:
            headers["Proxy-Authorization"] = proxy.authorization
        return f"http://{self.authority.netloc}{self.target}", headers

    def _add_own(self, headers: HTTPHeaders) -> None:
        own = self.headers
        for name in own:
            values = own.get_list(name)
            headers[name] = values[0]
            for value in values[1:]:
                headers.add(name, value)
        if self.agent:
            headers["User-Agent"] = self.agent

    def _describe_body(self, headers: HTTPHeaders) -> None:
        if self.continues:
            headers["Expect"] = "100-continue"
        if self.producer is not None and self.body is None:
            if "Content-Length" not in headers:
                headers["Transfer-Encoding"] = "chunked"
        elif "Transfer-Encoding" not in headers:
            headers["Content-Length"] = str(len(self.body or b""))
        elif "Content-Length" in headers:
            del headers["Content-Length"]
        if self.method == "POST" and "Content-Type" not in headers:
            headers["Content-Type"] = "application/x-www-form-urlencoded"

    def redirected(self, code: int, location: str) -> Outgoing:
        """The request that follows a redirect of status ``code`` (RFC 9110 section 15.4).

        Raises ValueError if ``location`` leads nowhere, or out of http and https.
        """
        url = join_location(self.url, location)
        after = Outgoing()
        after.url = url
        after.authority, after.target = split_url(url)
        after.headers = headers = self.headers.copy()
        after.agent = self.agent
        after.manner = self.manner
        after.method, after.body, after.producer = self.method, self.body, self.producer
        after.continues = self.continues
        after.authorization = self.authorization
        dropped: tuple[str, ...] = ("Host",)
        # Browsers have always turned a POST into a GET; 307 and 308 were made to end that.
        if (code == 303 and self.method != "HEAD") or (
            code in (301, 302) and self.method == "POST"
        ):
            after.method, after.body, after.producer = "GET", None, None
            after.continues = False
            dropped += _OF_BODY
        if after.authority.origin != self.authority.origin:
            after.authorization = None
            dropped += _SECRETS
        for name in dropped:
            if name in headers:
                del headers[name]
        return after


def _check_method(method: str, has_body: bool, request: _RequestProxy) -> None:
    """Refuse what is more often a mistake than meant, unless it is said to be meant."""
    if request.allow_nonstandard_methods:
        if not TOKEN.fullmatch(method):
            raise ValueError(f"Unsafe method {method[:40]!r}")
        return
    if method not in METHODS:
        raise KeyError(f"unknown method {method}")
    if has_body != (method in _WITH_BODY):
        raise ValueError(
            f"Body must {'' if has_body else 'not '}be None for method {method} "
            "(unless allow_nonstandard_methods is true)"
        )
