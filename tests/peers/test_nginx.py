"""Our clients ask a real nginx for things."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.httpclient.support import SHORT, fails, until
from tests.peers.clients import BOTH, Test, fetching
from tests.peers.servers import nginx
from tests.peers.site import BIG, TEXT
from tests.server.logs import Log

from tornadic.httpclient import AsyncHTTPClient, HTTPClientError
from tornadic.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)

SERVERS = """
server {
    listen $port0;
    root FILES;
    client_max_body_size 1k;
    location = /text.txt { gzip on; gzip_types *; gzip_min_length 1; etag on; }
    location = /big.bin { }
    location /moved/ { return 301 /digits.txt; }
    location /see { return 302 http://127.0.0.1:PORT1/own; }
    location /kept/ { return 307 /back; }
    location /back { proxy_pass http://$port1/back; }
    location /circle { return 302 /circle; }
    location /empty { return 204; }
    location /secret {
        auth_basic "secret";
        auth_basic_user_file $folder/users;
        try_files /digits.txt =404;
    }
    location /slow { limit_rate 20k; try_files /big.bin =404; }
    location /closed { keepalive_timeout 0; return 200 "closed"; }
    location /nothing { return 444; }
    location /buffered {
        proxy_pass http://$port1/text.txt;
        gzip on;
        gzip_proxied any;
        gzip_types *;
    }
}
server {
    # A sparing one: three requests to a connection, which waits 50 ms for the next.
    listen $port1;
    root FILES;
    keepalive_requests 3;
    keepalive_timeout 50ms;
    location /own { return 200 "$http_authorization|$http_x_own|$request_method"; }
    location /back { return 200 "$request_method"; }
}
server {
    listen $port2 ssl;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate CERTIFICATE;
    ssl_certificate_key KEY;
    ssl_client_certificate CLIENT;
    ssl_verify_client optional_no_ca;
    location / { return 200 "$ssl_protocol|$ssl_client_s_dn|$host"; }
}
"""


class Server:
    """Where nginx is."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports

    def url(self, path: str, server: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[server]}{path}"


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, certificates: Certificates
) -> Iterator[Server]:
    private = tmp_path_factory.mktemp("nginx")
    secret = base64.b64encode(hashlib.sha1(b"pass:word").digest()).decode()
    (private / "users").write_text(f"Anne:{{SHA}}{secret}\n")
    text = SERVERS
    for name, value in {
        "FILES": folder,
        "CERTIFICATE": certificates.server,
        "KEY": certificates.server_key,
        "CLIENT": certificates.client,
        "http://127.0.0.1:PORT1": "http://$port1",
    }.items():
        text = text.replace(name, str(value))
    with nginx(private, text, 3) as ports:
        yield Server(ports)


@pytest.fixture(params=BOTH)
def fetch(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a test with each of our clients."""

    def run(test: Test, **arguments: Any) -> None:
        fetching(request.param, test, **arguments)

    return run


Fetch = Callable[..., None]


class TestAnswers:
    def test_files(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await client.fetch(server.url("/big.bin"))
            assert found.body == BIG and found.headers["Content-Length"] == str(len(BIG))
            found = await client.fetch(server.url("/big.bin"), method="HEAD")
            assert found.body == b"" and found.headers["Content-Length"] == str(len(BIG))
            found = await client.fetch(server.url("/digits.txt"), headers={"Range": "bytes=5-7"})
            assert (found.code, found.body) == (206, b"567")
            found = await client.fetch(server.url("/empty"))
            assert (found.code, found.body) == (204, b"")
            assert (await client.fetch(server.url("/none"), raise_error=False)).code == 404

        fetch(test)

    def test_gzip(self, fetch: Fetch, server: Server) -> None:
        # What is compressed on its way has no length, and comes in chunks.
        async def test(client: AsyncHTTPClient) -> None:
            for path in ("/text.txt", "/buffered"):
                found = await client.fetch(server.url(path))
                assert found.body == TEXT.encode()
                assert "Content-Length" not in found.headers
            pieces: list[bytes] = []
            await client.fetch(server.url("/text.txt"), streaming_callback=pieces.append)
            assert b"".join(pieces) == TEXT.encode()
            plain = await client.fetch(server.url("/text.txt"), decompress_response=False)
            assert plain.body == TEXT.encode() and "Content-Length" in plain.headers

        fetch(test)

    def test_conditions(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await client.fetch(server.url("/digits.txt"))
            for headers in (
                {"If-None-Match": found.headers["ETag"]},
                {"If-Modified-Since": found.headers["Last-Modified"]},
            ):
                again = await client.fetch(
                    server.url("/digits.txt"), headers=headers, raise_error=False
                )
                assert (again.code, again.body) == (304, b"")

        fetch(test)

    @pytest.mark.parametrize("user", ["Anne", "Bob"])
    def test_basic_authentication(self, fetch: Fetch, server: Server, user: str) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await client.fetch(
                server.url("/secret"),
                auth_username=user,
                auth_password="pass:word",
                raise_error=False,
            )
            assert found.code == (200 if user == "Anne" else 401)

        fetch(test)

    def test_too_large(self, fetch: Fetch, server: Server) -> None:
        # It answers, and closes on a client that still sends.
        async def test(client: AsyncHTTPClient) -> None:
            for expected in (False, True):
                found = await client.fetch(
                    server.url("/back"),
                    method="POST",
                    body=b"x" * 100_000,
                    headers={"Expect": "100-continue"} if expected else {},
                    raise_error=False,
                )
                assert found.code == 413

        fetch(test)

    def test_bad_requests(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await client.fetch(
                server.url("/digits.txt"), headers={"X": "x" * 50_000}, raise_error=False
            )
            assert found.code == 400

        fetch(test)


class TestRedirects:
    def test_followed(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await client.fetch(server.url("/moved/"))
            assert found.body == b"0123456789" * 10
            assert found.effective_url == server.url("/digits.txt")
            found = await client.fetch(server.url("/kept/"), method="POST", body="x")
            assert found.body == b"POST"
            found = await client.fetch(
                server.url("/see"), auth_username="Anne", auth_password="x", headers={"X-Own": "y"}
            )
            assert found.body == b"|y|GET"  # the password is for the first server only

        fetch(test)

    def test_not_followed(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await client.fetch(
                server.url("/moved/"), follow_redirects=False, raise_error=False
            )
            assert found.code == 301
            error = await fails(client.fetch(server.url("/circle"), max_redirects=5))
            assert isinstance(error, HTTPClientError)

        fetch(test)


class TestConnections:
    def test_after_so_many_requests(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            for _ in range(20):
                assert (await client.fetch(server.url("/back", 1))).body == b"GET"

        fetch(test)

    def test_closed_while_nobody_asks(self, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            assert isinstance(client, SimpleAsyncHTTPClient)
            for _ in range(3):
                assert (await client.fetch(server.url("/back", 1))).body == b"GET"
                await client.fetch(server.url("/back", 1), method="POST", body="x")
                await until(lambda: not len(client._pool))

        fetching("simple", test)

    def test_closed_at_about_the_time_somebody_asks(self, fetch: Fetch, server: Server) -> None:
        # The connection is gone, or going, as the request leaves: it is sent on another one.
        async def test(client: AsyncHTTPClient) -> None:
            for number in range(20):
                assert (await client.fetch(server.url("/back", 1))).body == b"GET"
                await asyncio.sleep(0.045 + 0.0005 * number)

        fetch(test)

    def test_closed_after_each(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await asyncio.gather(*[client.fetch(server.url("/closed")) for _ in range(30)])
            assert {one.body for one in found} == {b"closed"}
            assert {one.headers["Connection"] for one in found} == {"close"}

        fetch(test)

    def test_no_answer(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            error = await fails(client.fetch(server.url("/nothing")))
            assert isinstance(error, HTTPClientError) and error.code == 599
            if isinstance(client, SimpleAsyncHTTPClient):
                assert type(error) is HTTPStreamClosedError

        fetch(test)

    def test_slowly(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            error = await fails(client.fetch(server.url("/slow"), request_timeout=5 * SHORT))
            assert isinstance(error, HTTPClientError) and error.code == 599
            if isinstance(client, SimpleAsyncHTTPClient):
                assert type(error) is HTTPTimeoutError
            assert (await client.fetch(server.url("/digits.txt"))).code == 200

        fetch(test)

    def test_many_at_a_time(self, fetch: Fetch, server: Server) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            urls = [server.url("/digits.txt"), server.url("/back", 1), server.url("/text.txt")]
            found = await asyncio.gather(*[client.fetch(url) for url in urls * 50])
            assert {one.code for one in found} == {200}

        fetch(test, max_clients=20)


class TestTLS:
    def test_it(self, fetch: Fetch, server: Server, certificates: Certificates) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            url = f"https://localhost:{server.ports[2]}/"
            found = await client.fetch(url, ca_certs=str(certificates.server))
            assert found.body == b"TLSv1.3||localhost"
            found = await client.fetch(
                url,
                ca_certs=str(certificates.server),
                client_cert=str(certificates.client),
                client_key=str(certificates.client_key),
            )
            assert found.body == b"TLSv1.3|CN=Anne Client|localhost"
            found = await client.fetch(url, validate_cert=False)
            assert found.body == b"TLSv1.3||localhost"  # not on the connection of the one before

        fetch(test)

    def test_not_to_be_trusted(self, fetch: Fetch, server: Server, log: Log) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            error = await fails(client.fetch(f"https://localhost:{server.ports[2]}/"))
            assert isinstance(error, (HTTPClientError, OSError))

        fetch(test)
        log.allow(1)

    def test_spoken_to_as_if_it_were_not(self, fetch: Fetch, server: Server, log: Log) -> None:
        async def test(client: AsyncHTTPClient) -> None:
            found = await client.fetch(server.url("/", 2), raise_error=False)
            assert found.code == 400
            error = await fails(client.fetch(server.url("/").replace("http:", "https:")))
            assert isinstance(error, (HTTPClientError, OSError))

        fetch(test)
        log.allow(1)
