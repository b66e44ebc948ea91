"""What is sent, to which application, and what counts as a right answer.

The requests are those of a desktop Chrome on a site it has visited before: nine headers with a
cookie.  Nothing in here opens a socket; the servers import the answers from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.load import Response, expect_body, expect_json, same_requests, unlike_requests

HELLO = b"Hello, world!"
JSON_ANSWER = {
    "user": "ada",
    "item": "1815",
    "page": "3",
    "request_id": "7f9c2ba4e88f827d",
    "theme": "dark",
}
# The two that are compared throughout; the others answer only what is common to all.
TORNADO_LIKE = ("tornadic", "tornado")


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


def json_requests() -> Iterator[bytes]:
    """The same request with everything that JSON_ANSWER is made of."""
    path = f"/api/{JSON_ANSWER['user']}/items/{JSON_ANSWER['item']}?page={JSON_ANSWER['page']}"
    request_id = f"X-Request-Id: {JSON_ANSWER['request_id']}\r\n"
    return same_requests(browser_request(path, extra=request_id))


@dataclass(frozen=True, slots=True)
class Target:
    """An upper bound for a figure, shown as it was stated (`1/9`)."""

    bound: Fraction

    def verdict(self, figure: float) -> str:
        """One phrase on how `figure` stands to the bound."""
        is_met = figure <= self.bound
        return f"target <= {self.bound}: {figure:.3f} ({'met' if is_met else 'not met'})"


@dataclass(frozen=True, slots=True)
class RequestScenario:
    """Requests of one kind, sent to the application `app` of every server in `servers`.

    `servers` None means all.  `target` bounds the ratio of Tornadic's CPU time for a request to
    Tornado's; None where nothing was promised.
    """

    name: str
    title: str
    app: str
    requests: Callable[[], Iterator[bytes]]
    check: Callable[[Response], None]
    servers: tuple[str, ...] | None = None
    target: Target | None = None


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
        target=Target(Fraction(1, 6)),
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
# Resident KiB of an idle connection.
MEMORY_TARGET: Target | None = Target(Fraction(6))
SCENARIO_NAMES = (*(scenario.name for scenario in REQUEST_SCENARIOS), "memory", "scaling")
