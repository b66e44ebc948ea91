"""A site moves from Tornado to Tornadic, or half of it does: what one gave out the other takes.

The same program runs twice, each in a process of its own: on an installed Tornado (of the Python
that TORNADO_PYTHON names, or else of this one), and on Tornadic under the name ``tornado``.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

PROGRAM = """
import asyncio, json, sys
from tornado import netutil, version, web
from tornado.httpserver import HTTPServer

class Values(web.RequestHandler):
    "Gives out cookies, and says what it reads in those that come."
    def get(self):
        numbers = {"version": int(self.get_argument("version"))}
        if numbers["version"] == 2 and self.application.settings["key_version"] is not None:
            numbers["version"] = None
        for name, value in [("user", "ada"), ("odd", "\u00e9\u20ac|:;")]:
            self.set_signed_cookie(name, value, **numbers)
        self.finish("set")
    def post(self):
        read = {name: self.get_signed_cookie(name) for name in ("user", "odd", "old")}
        read = {name: value and value.decode() for name, value in read.items()}
        read["key"] = self.get_signed_cookie_key_version("user")
        self.finish(read)

class Form(web.RequestHandler):
    def get(self):
        self.finish(self.xsrf_token)
    def post(self):
        self.finish("taken")

async def main():
    settings = json.loads(sys.argv[1])
    secret = settings["cookie_secret"]
    if isinstance(secret, dict):
        secret = {int(version): key for version, key in secret.items()}
    settings["cookie_secret"] = secret
    rules = [("/values", Values)]
    values = web.Application(rules, xsrf_cookies=False, **settings)
    forms = web.Application([("/form", Form)], xsrf_cookies=True, **settings)
    for application in (values, forms):
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        HTTPServer(application).add_sockets(sockets)
        print(sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""

ON_TORNADIC = "from tornadic.compat import install_as_tornado; install_as_tornado()\n"
PYTHON = os.environ.get("TORNADO_PYTHON", sys.executable)
REQUIRED = os.environ.get("TORNADIC_REQUIRE_TOOLS") == "1"

ONE_SECRET = "It's a secret to everybody"
SEVERAL = {"1": "one", "2": "two"}


@dataclass
class Site:
    """The program, running; and the cookies that it is sent."""

    process: subprocess.Popen[str]
    ports: tuple[int, int]
    versions: tuple[int, ...]  # of signed values; version 1 knows one key only

    def ask(self, path: str, jar: Jar, body: dict[str, str] | None = None) -> tuple[int, str]:
        port = self.ports[0] if path.startswith("/values") else self.ports[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        method = "GET" if body is None else "POST"
        connection.request(method, path, urlencode(body or {}), headers)
        response = connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or ():
            name, _, rest = line.partition("=")
            jar.cookies[name] = rest.partition(";")[0]
        text = response.read().decode()
        connection.close()
        return response.status, text


@dataclass
class Jar:
    """The cookies of a browser that visits both sites."""

    cookies: dict[str, str] = field(default_factory=dict)


def start(python: str, text: str, settings: dict[str, object]) -> Site:
    process = subprocess.Popen(
        [python, "-c", text, json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first, second = (int(process.stdout.readline()) for _ in range(2))
    several = isinstance(settings["cookie_secret"], dict)
    return Site(process, (first, second), (2,) if several else (1, 2))


@pytest.fixture(
    scope="module",
    params=[
        {"cookie_secret": ONE_SECRET, "key_version": None},
        {"cookie_secret": ONE_SECRET, "key_version": None, "xsrf_cookie_version": 1},
        {"cookie_secret": SEVERAL, "key_version": 1},
        {"cookie_secret": SEVERAL, "key_version": 2},
    ],
    ids=["one-secret", "tokens-of-version-1", "first-of-two-keys", "second-of-two-keys"],
)
def sites(request: pytest.FixtureRequest) -> Iterator[dict[str, Site]]:
    probe = subprocess.run(
        [PYTHON, "-c", "import tornado.web"], capture_output=True, timeout=30, check=False
    )
    if probe.returncode:
        assert not REQUIRED, "there is no Tornado"
        pytest.skip("there is no Tornado to exchange values with")
    sites = {
        "tornado": start(PYTHON, PROGRAM, request.param),
        "tornadic": start(sys.executable, ON_TORNADIC + PROGRAM, request.param),
    }
    yield sites
    for site in sites.values():
        site.process.communicate(timeout=20)
        assert site.process.returncode == 0


WAYS = pytest.mark.parametrize(
    ("giver", "taker"), [("tornado", "tornadic"), ("tornadic", "tornado")]
)


@WAYS
def test_signed_cookies(sites: dict[str, Site], giver: str, taker: str) -> None:
    for version in sites[giver].versions:
        jar = Jar()
        assert sites[giver].ask(f"/values?version={version}", jar) == (200, "set")
        assert set(jar.cookies) == {"user", "odd"}
        jar.cookies["old"] = jar.cookies["user"]  # signed, but under another name
        status, text = sites[taker].ask("/values", jar, {})
        assert status == 200
        read = json.loads(text)
        assert (read["user"], read["odd"], read["old"]) == ("ada", "\u00e9\u20ac|:;", None)
        assert read == json.loads(sites[giver].ask("/values", jar, {})[1])


@WAYS
def test_tokens_of_forms(sites: dict[str, Site], giver: str, taker: str) -> None:
    jar, stranger = Jar(), Jar()
    status, token = sites[giver].ask("/form", jar)
    assert status == 200 and jar.cookies["_xsrf"]
    assert sites[taker].ask("/form", jar, {"_xsrf": token}) == (200, "taken")
    _, other = sites[giver].ask("/form", stranger)
    assert sites[taker].ask("/form", jar, {"_xsrf": other})[0] == 403
    # And the taker, shown the giver's cookie, gives out a token that the giver takes.
    status, token = sites[taker].ask("/form", jar)
    assert status == 200
    assert sites[giver].ask("/form", jar, {"_xsrf": token}) == (200, "taken")


def test_both_are_what_they_say(sites: dict[str, Site]) -> None:
    """Neither process has quietly run on the other's code."""
    servers = {}
    for name, site in sites.items():
        connection = http.client.HTTPConnection("127.0.0.1", site.ports[1], timeout=20)
        connection.request("GET", "/form")
        servers[name] = connection.getresponse().headers["Server"].partition("/")[0]
        connection.close()
    assert servers == {"tornado": "TornadoServer", "tornadic": "Tornadic"}
