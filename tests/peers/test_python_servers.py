"""Our clients ask Python's servers for things: aiohttp, uvicorn with h11, http.server, Tornado."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.peers.clients import BOTH, fetching
from tests.peers.servers import python_server
from tests.peers.site import BIG
from tests.tools import module

from tornadic.httpclient import AsyncHTTPClient, HTTPClientError

BINARY = {"Content-Type": "application/octet-stream"}  # else some take it for a form

MODULES = {
    "aiohttp_server": "aiohttp",
    "http_server": "http.server",
    "tornado_server": "tornado",
    "uvicorn_server": "uvicorn",
}


@pytest.fixture(scope="module", params=MODULES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the server is."""
    module(MODULES[request.param])
    with python_server(request.param) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("kind", BOTH)
def test_everything(url: str, kind: str) -> None:
    async def test(client: AsyncHTTPClient) -> None:
        for body in (b"", b"small", BIG):
            found = await client.fetch(f"{url}/sent", method="POST", body=body, headers=BINARY)
            assert found.body == body
        assert (await client.fetch(f"{url}/sent")).body == b""
        numbers = b"".join(b"%d " % number for number in range(100))
        assert (await client.fetch(f"{url}/pieces")).body == numbers
        pieces: list[bytes] = []
        await client.fetch(f"{url}/pieces", streaming_callback=pieces.append)
        assert b"".join(pieces) == numbers
        found = await client.fetch(f"{url}/moved", method="POST", body="x")
        assert found.body == b"" and found.effective_url == f"{url}/sent"
        found = await client.fetch(f"{url}/moved", follow_redirects=False, raise_error=False)
        assert found.code == 302
        many = await asyncio.gather(
            *[client.fetch(f"{url}/sent", method="PUT", body=b"%d" % n) for n in range(50)]
        )
        assert [one.body for one in many] == [b"%d" % n for n in range(50)]

    fetching(kind, test)


def test_bodies_that_are_produced(url: str) -> None:
    async def test(client: AsyncHTTPClient) -> None:
        async def produce(write) -> None:  # type: ignore[no-untyped-def]
            for number in range(100):
                await write(b"%d" % number)

        expected = b"".join(b"%d" % number for number in range(100))
        headers = {"Content-Length": str(len(expected))}
        found = await client.fetch(
            f"{url}/sent", method="PUT", body_producer=produce, headers=headers
        )
        assert found.body == expected

    fetching("simple", test)


def test_expectations(url: str, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["url"] == "http_server":
        return  # HTTP/1.0 knows of none

    async def test(client: AsyncHTTPClient) -> None:
        found = await client.fetch(
            f"{url}/sent", method="POST", body=BIG, headers=BINARY, expect_100_continue=True
        )
        assert found.body == BIG

    fetching("simple", test)


@pytest.mark.parametrize("kind", BOTH)
def test_bad_requests(url: str, kind: str) -> None:
    # What the server thinks of it does not matter, as long as the client lives.
    async def test(client: AsyncHTTPClient) -> None:
        try:
            await client.fetch(f"{url}/sent", headers={"X": "x" * 70_000})
        except (HTTPClientError, ConnectionError) as error:
            assert getattr(error, "code", 599) in (400, 431, 599)
        assert (await client.fetch(f"{url}/sent")).code == 200

    fetching(kind, test)
