"""What is sent, to which application, and what counts as a right answer.

The requests are those of a desktop Chrome on a site it has visited before: nine headers with a
cookie.  Nothing in here opens a socket; the servers import the answers from here.  What is not
measured by requests and answers stands in `benchmarks.costs`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from fractions import Fraction
from urllib.parse import urlencode

from benchmarks.load import (
    HTTP,
    UNCHANGED,
    Answer,
    Wire,
    expect_body,
    expect_json,
    same_requests,
    split_lines,
    unlike_requests,
)
from benchmarks.pages import expected_list
from benchmarks.transfers import SEND_SIZES

HELLO = b"Hello, world!"
JSON_ANSWER = {
    "user": "ada",
    "item": "1815",
    "page": "3",
    "request_id": "7f9c2ba4e88f827d",
    "theme": "dark",
}
FORM = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "subject": "Invoice 1815 & a question",
    "country": "Österreich",
    "agree": "on",
    "message": "Good morning,\r\n\r\nthe sum is 100 % right (20 € + 80 €)." * 4,
}
# One token under two masks: what the browser was given as a cookie, and with the form.
XSRF_COOKIE = "2|8503eb86|c38cc183d6ba5ff3d5c1b5e8ed7e5cb4|1731916800"
XSRF_FIELD = "2|5b1c77d2|1d935dd708a5c3a70bde29bc3361c0e0|1731916800"
BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gWv"
# 100 KB of lines, some of which begin as a boundary does.
FORM_FILE = b"".join(b"--%06d;measured;20.5;ok\r\n" % number for number in range(3704))
# The identifier of a session that is there.
SESSION_KEY = "k" * 32
# How much of both ends of the file is sent back.
FORM_FILE_EDGE = 24
MULTIPART_ANSWER = {
    "title": "Österreich",
    "filename": "readings.csv",
    "type": "text/csv",
    "size": len(FORM_FILE),
    "edges": (FORM_FILE[:FORM_FILE_EDGE] + FORM_FILE[-FORM_FILE_EDGE:]).decode(),
}
# A style sheet of 1 KB, whose age and hash a client knows that has been here before.
STATIC_NAME = "style.css"
STATIC_FILE = (b"p.measured { color: #20558a; margin: 0 1815px; }\n" * 21)[:1024]
STATIC_MODIFIED_SECONDS = 1_000_000_000
ECHO_LINE = b"PUBLISH news.weather.vienna 1815 light rain, 12 degrees, wind from the west\n"
# The applications that a server answers with a protocol on bare streams.
STREAM_APPS = ("echo", "receive", "receive-exactly", *SEND_SIZES)
# The two that are compared throughout; the others answer only what is common to all.
TORNADO_LIKE = ("tornadic", "tornado")

# Speaks WebSocket.
WEBSOCKET_APP = "websocket"


def browser_request(path: str, *, referer: str = "/", cookie: str = "", extra: str = "") -> bytes:
    """A GET as Chrome sends it; `extra` is further header lines, each with its line end."""
    cookie = cookie or "theme=dark; _ga=GA1.1.1046537718.1731916800; sid=4b9f6e0c2f7d41a8"
    return (
        f"GET {path} HTTP/1.1\r\n"
        "Host: www.example.com\r\n"
        "Connection: keep-alive\r\n"
        "Upgrade-Insecure-Requests: 1\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
        "image/apng,*/*;q=0.8\r\n"
        f"Referer: https://www.example.com{referer}\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\n"
        "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
        f"Cookie: {cookie}\r\n"
        f"{extra}"
        "\r\n"
    ).encode()


def hello_requests() -> Iterator[bytes]:
    """The same request again and again."""
    return same_requests(browser_request("/"))


def unique_requests() -> Iterator[bytes]:
    """Path, query, referer and cookie differ in every request."""
    return unlike_requests(
        browser_request(
            "/articles/%d/title-of-%d?page=%d&ref=home",
            referer="/articles/%d?from=search",
            cookie="theme=dark; _ga=GA1.1.%d.1731916800; sid=4b9f6e0c%d",
        )
    )


def session_requests() -> Iterator[bytes]:
    """The same request, with the cookie of a session among others."""
    cookie = f"theme=dark; _ga=GA1.1.1046537718.1731916800; session={SESSION_KEY}"
    return same_requests(browser_request("/", cookie=cookie))


def json_requests() -> Iterator[bytes]:
    """The same request with everything that JSON_ANSWER is made of."""
    path = f"/api/{JSON_ANSWER['user']}/items/{JSON_ANSWER['item']}?page={JSON_ANSWER['page']}"
    request_id = f"X-Request-Id: {JSON_ANSWER['request_id']}\r\n"
    return same_requests(browser_request(path, extra=request_id))


def browser_post(path: str, kind: str, body: bytes, cookie: str = "") -> bytes:
    """A form as Chrome sends it, of the content type `kind`."""
    extra = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return browser_request(path, cookie=cookie, extra=extra).replace(b"GET", b"POST", 1) + body


def form_requests() -> Iterator[bytes]:
    """The same form of six fields, and the token that shows it to be the site's own."""
    kind = "application/x-www-form-urlencoded"
    body = urlencode({"_xsrf": XSRF_FIELD, **FORM}).encode()
    return same_requests(browser_post("/form", kind, body, f"theme=dark; _xsrf={XSRF_COOKIE}"))


def multipart_requests() -> Iterator[bytes]:
    """The same field and file."""
    body = (
        b'--%s\r\nContent-Disposition: form-data; name="title"\r\n\r\n%s\r\n'
        b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n'
        b"Content-Type: %s\r\n\r\n%s\r\n--%s--\r\n"
    ) % (
        BOUNDARY,
        str(MULTIPART_ANSWER["title"]).encode(),
        BOUNDARY,
        str(MULTIPART_ANSWER["filename"]).encode(),
        str(MULTIPART_ANSWER["type"]).encode(),
        FORM_FILE,
        BOUNDARY,
    )
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    return same_requests(browser_post("/form", kind, body))


def static_requests() -> Iterator[bytes]:
    """The same file of 1 KB."""
    return same_requests(browser_request(f"/static/{STATIC_NAME}"))


def unchanged_requests() -> Iterator[bytes]:
    """The same file, which the client has already."""
    date = formatdate(STATIC_MODIFIED_SECONDS, usegmt=True)
    tag = hashlib.sha512(STATIC_FILE).hexdigest()
    extra = f'If-None-Match: "{tag}"\r\nIf-Modified-Since: {date}\r\n'
    return same_requests(browser_request(f"/static/{STATIC_NAME}", extra=extra))


def echo_lines() -> Iterator[bytes]:
    """The same line again and again."""
    return same_requests(ECHO_LINE)


@dataclass(frozen=True, slots=True)
class Target:
    """An upper bound for a figure, with `is_least` a lower one, shown as it was stated (`1/9`)."""

    bound: Fraction
    is_least: bool = False

    def verdict(self, figure: float) -> str:
        """One phrase on how `figure` stands to the bound."""
        is_met = figure >= self.bound if self.is_least else figure <= self.bound
        sign = ">=" if self.is_least else "<="
        return f"target {sign} {self.bound}: {figure:.3f} ({'met' if is_met else 'not met'})"


@dataclass(frozen=True, slots=True)
class RequestScenario:
    """Requests of one kind, sent to the application `app` of every server in `servers`.

    `servers` None means all that serve HTTP.  `wire` tells where an answer ends, `unit` is what
    one request is called.  `target` bounds the ratio of Tornadic's CPU time for a request to
    Tornado's; None where nothing was promised.
    """

    name: str
    title: str
    app: str
    requests: Callable[[], Iterator[bytes]]
    check: Callable[[Answer], None]
    servers: tuple[str, ...] | None = None
    target: Target | None = None
    wire: Wire = HTTP
    unit: str = "request"


REQUEST_SCENARIOS = (
    RequestScenario(
        "hello",
        "the same GET / again and again",
        "hello",
        hello_requests,
        expect_body(HELLO),
        target=Target(Fraction(1, 9)),
    ),
    RequestScenario(
        "unique",
        "no two requests alike: path, query, referer and cookie change, one route takes all",
        "unique",
        unique_requests,
        expect_body(HELLO),
        target=Target(Fraction(1, 8)),
    ),
    RequestScenario(
        "async",
        "GET / to an `async def get` that awaits nothing",
        "async",
        hello_requests,
        expect_body(HELLO),
        servers=TORNADO_LIKE,
        target=Target(Fraction(1, 7)),
    ),
    RequestScenario(
        "json",
        "two path groups, a query argument, a header and a cookie, sent back as JSON",
        "json",
        json_requests,
        expect_json(JSON_ANSWER),
        target=Target(Fraction(1, 7)),
    ),
    RequestScenario(
        "session-read",
        "hello, and a value of a session in memory is read",
        "session-read",
        session_requests,
        expect_body(HELLO),
        servers=("tornadic",),
    ),
    RequestScenario(
        "session",
        "hello, and a value of a session in memory is read and changed",
        "session",
        session_requests,
        expect_body(HELLO),
        servers=("tornadic",),
    ),
    RequestScenario(
        "page",
        "GET / to a handler that renders a template: inheritance, include, 50 rows",
        "page",
        hello_requests,
        expect_body(expected_list().encode()),
        servers=(*TORNADO_LIKE, "starlette"),
        target=Target(Fraction(1, 3)),
    ),
    RequestScenario(
        "form",
        "a posted form of six fields, its XSRF token checked, sent back as JSON",
        "form",
        form_requests,
        expect_json(FORM),
        servers=(*TORNADO_LIKE, "aiohttp"),
        target=Target(Fraction(1, 5)),
    ),
    RequestScenario(
        "multipart",
        "a posted form of a field and a file of 100 KB",
        "multipart",
        multipart_requests,
        expect_json(MULTIPART_ANSWER),
        servers=(*TORNADO_LIKE, "aiohttp"),
        target=Target(Fraction(1, 3)),
    ),
    RequestScenario(
        "static",
        "a file of 1 KB",
        "static",
        static_requests,
        expect_body(STATIC_FILE),
        servers=TORNADO_LIKE,
        target=Target(Fraction(1, 5)),
    ),
    RequestScenario(
        "static-304",
        "the same file, which the client has already: If-None-Match and If-Modified-Since",
        "static",
        unchanged_requests,
        expect_body(b""),
        servers=TORNADO_LIKE,
        target=Target(Fraction(1, 6)),
        wire=UNCHANGED,
    ),
    RequestScenario(
        "echo",
        "a line of 76 bytes, read_until and write",
        "echo",
        echo_lines,
        expect_body(ECHO_LINE),
        servers=(*TORNADO_LIKE, "asyncio", "floor"),
        target=Target(Fraction(1, 3)),
        wire=Wire(ECHO_LINE, split_lines),
        unit="line",
    ),
)


@dataclass(frozen=True, slots=True)
class RouteScaling:
    """The cost with many routes against the same request to the same route alone.

    The route asked for is the last one.  `app` is the application, `path` what is requested.
    """

    name: str
    app: str
    path: str


ROUTE_SCALINGS = (
    RouteScaling("literal routes", "literals", "/page0"),
    RouteScaling("regexes with a literal prefix", "regexes", "/section0/1815"),
)
ROUTES = 1000
# Bounds of the ratios of the scaling scenario, by what has grown.
SCALING_TARGETS: dict[str, Target] = {
    f"{ROUTES:,} literal routes": Target(Fraction(11, 10)),
    f"{ROUTES:,} regexes with a literal prefix": Target(Fraction(11, 10)),
    "5,000 idle connections": Target(Fraction(11, 10)),
    "many unlike requests before": Target(Fraction(11, 10)),
}
# Bounds of what it costs when it has grown, against Tornado's cost then.
GROWN_TARGETS: dict[str, Target] = {
    f"{ROUTES:,} regexes with a literal prefix": Target(Fraction(1, 15)),
}
# Resident KiB of an idle connection.
MEMORY_TARGET: Target | None = Target(Fraction(6))
SCENARIO_NAMES = (*(scenario.name for scenario in REQUEST_SCENARIOS), "memory", "scaling")
