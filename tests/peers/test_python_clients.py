"""Python's HTTP clients ask our server for things."""

from __future__ import annotations

import asyncio
import http.client
import http.cookiejar
import io
import json
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.peers.site import BIG, PIECE, PIECES, TEXT, digest, rules
from tests.running import run
from tests.server.logs import Log
from tests.server.peer import PATIENCE
from tests.server.support import Serve, Site
from tests.tools import module

GENERATED = [b"one", b"", b"two" * 10_000, BIG[:100_000]]


def url(site: Site, path: str = "/told") -> str:
    return f"http://127.0.0.1:{site.port}{path}"


async def generated() -> AsyncIterator[bytes]:
    for piece in GENERATED:
        yield piece
        await asyncio.sleep(0)


class TestStandardLibrary:
    @pytest.fixture
    def connection(self, site: Site) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
        yield connection
        connection.close()

    def test_one_connection(self, connection: http.client.HTTPConnection) -> None:
        connection.connect()
        sock = connection.sock
        for path, body in (("/text", TEXT.encode()), ("/pieces", PIECE * PIECES), ("/empty", b"")):
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.read() == body and response.status in (200, 204)
            connection.request("HEAD", path)
            assert connection.getresponse().read() == b""
        # A body of an iterable goes in chunks.
        connection.request("POST", "/sent", body=iter(GENERATED), encode_chunked=True)
        assert connection.getresponse().read() == b"".join(GENERATED)
        assert connection.sock is sock

    def test_urllib(self, site: Site) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        no_proxies = urllib.request.ProxyHandler({})
        opener = urllib.request.build_opener(jar, no_proxies)

        def ask(path: str, data: bytes | None = None) -> Any:
            with opener.open(url(site, path), data, timeout=PATIENCE) as response:
                return json.load(response)

        assert ask("/cookies") == {}
        assert ask("/cookies") == {"plain": "a", "secret": "b"}
        form = urllib.parse.urlencode({"a": "ä & b"}).encode()
        assert ask("/told", form)["arguments"] == {"a": ["ä & b"]}
        assert ask("/redirect/302", form)["method"] == "GET"
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask("/files/none")
        assert caught.value.code == 404
        caught.value.close()


class TestAiohttp:
    def test_requests(self, site: Site) -> None:
        aiohttp = module("aiohttp")

        async def main() -> None:
            connector = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(url(site, ""), connector=connector) as session:
                peers = set()
                form = aiohttp.FormData({"a": "ä"})
                form.add_field("up", io.BytesIO(BIG), filename="big.bin", content_type="x/y")
                for sent, arguments in (
                    ({"json": {"a": 1}}, {}),
                    ({"data": {"a": "ä &"}}, {"a": ["ä &"]}),
                    ({"data": form}, {"a": ["ä"]}),
                ):
                    async with session.post("/told", **sent) as response:
                        found = await response.json()
                        assert found["arguments"] == arguments
                        peers.add(found["peer"])
                assert found["files"] == {"up": [["big.bin", "x/y", digest(BIG)]]}
                async with session.post("/sent", data=generated()) as response:
                    assert await response.read() == b"".join(GENERATED)
                async with session.post("/sent", data=io.BytesIO(BIG), expect100=True) as response:
                    assert await response.read() == BIG
                async with session.get("/pieces") as response:
                    pieces = [piece async for piece in response.content.iter_any()]
                    assert b"".join(pieces) == PIECE * PIECES
                async with session.get("/text") as response:
                    assert response.headers["Content-Encoding"] in ("zstd", "br", "gzip")
                    assert await response.text() == TEXT
                async with session.post("/redirect/307", data=b"kept") as response:
                    assert (await response.json())["digest"] == digest(b"kept")
                async with session.get("/told") as response:
                    peers.add((await response.json())["peer"])
                assert len(peers) == 1

        run(main)

    def test_many_at_a_time(self, site: Site) -> None:
        aiohttp = module("aiohttp")

        async def main() -> None:
            async with aiohttp.ClientSession(url(site, "")) as session:

                async def ask(number: int) -> None:
                    body = b"%d" % number * 1000
                    async with session.post("/sent", data=body) as response:
                        assert await response.read() == body

                await asyncio.gather(*[ask(number) for number in range(200)])

        run(main)

    def test_hanging_up(self, serve: Serve, folder: Any, log: Log) -> None:
        # The handler is told; the client need not have taken what was sent.
        aiohttp = module("aiohttp")
        gone = threading.Event()
        site = serve(*rules(str(folder)), settings={"gone": gone})

        async def main() -> None:
            async with aiohttp.ClientSession(url(site, "")) as session:
                async with session.get("/endless") as response:
                    assert await response.content.readexactly(len(PIECE)) == PIECE
                    response.close()
                assert await asyncio.to_thread(gone.wait, PATIENCE)

        run(main)
        site.goes_on()
        log.allow(1)  # that the client has gone

    def test_tls(self, serve: Serve, folder: Any, certificates: Certificates, log: Log) -> None:
        aiohttp = module("aiohttp")
        site = serve(*rules(str(folder)), ssl_options=certificates.server_options())
        base = f"https://localhost:{site.port}"

        async def main() -> None:
            context = certificates.client_context()
            connector = aiohttp.TCPConnector(ssl=context)
            async with aiohttp.ClientSession(base, connector=connector) as session:
                for _ in range(3):
                    async with session.post("/sent", data=io.BytesIO(BIG)) as response:
                        assert await response.read() == BIG

        run(main)
        log.take()


class TestHttpx:
    def test_blocking(self, site: Site) -> None:
        httpx = module("httpx")
        with httpx.Client(base_url=url(site, ""), trust_env=False, timeout=PATIENCE) as client:
            peers = {client.get("/told").json()["peer"] for _ in range(5)}
            assert len(peers) == 1
            assert client.post("/sent", content=iter(GENERATED)).content == b"".join(GENERATED)
            found = client.post("/told", data={"a": "b"}, files={"up": ("big", BIG)}).json()
            assert found["arguments"] == {"a": ["b"]}
            assert found["files"]["up"][0][2] == digest(BIG)
            assert client.get("/text").text == TEXT
            assert client.get("/cookies").json() == {}
            assert client.get("/cookies").json() == {"plain": "a", "secret": "b"}
            found = client.get("/redirect/301", follow_redirects=True).json()
            assert found["uri"] == "/told?redirected=1"
            assert client.get("/files/digits.txt", headers={"Range": "bytes=-2"}).text == "89"
            with client.stream("GET", "/pieces") as response:
                assert b"".join(response.iter_bytes()) == PIECE * PIECES

    def test_asynchronous(self, site: Site) -> None:
        httpx = module("httpx")

        async def main() -> None:
            # Making a context takes longer than all of the requests.
            async with httpx.AsyncClient(
                base_url=url(site, ""),
                trust_env=False,
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            ) as client:
                answers = await asyncio.gather(
                    *[client.post("/sent", content=b"%d" % number) for number in range(50)]
                )
                assert [answer.content for answer in answers] == [b"%d" % n for n in range(50)]
                answer = await client.put("/taken", content=generated())
                assert answer.text == digest(b"".join(GENERATED))

        run(main)
