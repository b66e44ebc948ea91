"""A real nginx stands before our server."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.peers.servers import nginx
from tests.peers.site import BIG, PIECE, PIECES, TEXT, digest, rules
from tests.server.logs import Log
from tests.server.peer import PATIENCE
from tests.server.support import Serve, Site

from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_unix_socket

SERVERS = """
upstream kept { server 127.0.0.1:OURS; keepalive 4; }
upstream local { server unix:SOCKET; keepalive 4; }
client_max_body_size 0;
server { listen $port0; location / { proxy_pass http://kept; } }
server {
    listen $port1;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    location / { proxy_pass http://kept; }
    location /streamed/ {
        proxy_pass http://kept/;
        proxy_buffering off;
        proxy_request_buffering off;
    }
}
server {
    listen $port2 ssl;
    ssl_certificate CERTIFICATE;
    ssl_certificate_key KEY;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    location / { proxy_pass http://local; }
}
"""
OLD, NEW, LOCAL = 0, 1, 2


@pytest.fixture
def gone() -> threading.Event:
    return threading.Event()


@pytest.fixture
def site(serve: Serve, folder: Path, gone: threading.Event) -> Site:
    return serve(*rules(str(folder)), settings={"gone": gone}, xheaders=True)


@pytest.fixture
def ports(site: Site, certificates: Certificates, tmp_path: Path) -> Iterator[list[int]]:
    """Where nginx listens: it speaks HTTP/1.0 to our server, 1.1, and 1.1 on a unix socket."""
    path = str(tmp_path / "socket")
    is_there = threading.Event()

    def listen() -> None:
        assert isinstance(site.server, HTTPServer)
        site.server.add_socket(bind_unix_socket(path))
        is_there.set()

    site.call(listen)
    assert is_there.wait(PATIENCE)
    servers = SERVERS
    for name, value in {
        "OURS": site.port,
        "SOCKET": path,
        "CERTIFICATE": certificates.server,
        "KEY": certificates.server_key,
    }.items():
        servers = servers.replace(name, str(value))
    with nginx(tmp_path, servers, 3) as ports:
        yield ports


@contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> http.client.HTTPResponse:
    connection.request(method, path, body, headers)
    return connection.getresponse()


@pytest.mark.parametrize("which", [OLD, NEW])
def test_everything(ports: list[int], which: int, site: Site) -> None:
    with connected(ports[which]) as connection:
        told = json.load(ask(connection, "GET", "/told?a=b"))
        assert told["version"] == ("HTTP/1.0", "HTTP/1.1")[which]
        assert told["arguments"] == {"a": ["b"]}
        for method in ("POST", "PUT"):
            assert ask(connection, method, "/sent", BIG).read() == BIG
            assert ask(connection, method, "/sent", iter([b"one", b"two"])).read() == b"onetwo"
        assert ask(connection, "GET", "/pieces").read() == PIECE * PIECES
        assert ask(connection, "GET", "/files/big.bin").read() == BIG
        head = ask(connection, "HEAD", "/files/big.bin")
        assert head.read() == b"" and head.headers["Content-Length"] == str(len(BIG))
        answer = ask(connection, "GET", "/files/digits.txt", Range="bytes=1-2")
        assert (answer.status, answer.read()) == (206, b"12")
        assert ask(connection, "GET", "/empty").read() == b""
        answer = ask(connection, "GET", "/text")
        assert answer.read() == TEXT.encode()
        answer = ask(connection, "GET", "/text", **{"If-None-Match": answer.headers["Etag"]})
        assert (answer.status, answer.read()) == (304, b"")
        answer = ask(connection, "GET", "/files/none")
        assert answer.status == 404 and answer.read()
        answer = ask(connection, "POST", "/redirect/303")
        assert (answer.status, answer.headers["Location"]) == (303, "/told?redirected=1")
        answer.read()
    site.goes_on()


def test_connections_are_kept(ports: list[int]) -> None:
    with connected(ports[NEW]) as connection:
        peers = {json.load(ask(connection, "GET", "/told"))["peer"] for _ in range(10)}
    assert len(peers) == 1


def test_who_asks(ports: list[int], certificates: Certificates) -> None:
    # What the client says of itself is behind what the proxy says of it.
    with connected(ports[NEW]) as connection:
        told = json.load(
            ask(
                connection,
                "GET",
                "/told",
                **{"X-Forwarded-For": "10.0.0.1, evil", "X-Forwarded-Proto": "https"},
            )
        )
    assert (told["ip"], told["protocol"], told["host"]) == ("127.0.0.1", "http", "127.0.0.1")
    secure = http.client.HTTPSConnection(
        "localhost", ports[LOCAL], timeout=PATIENCE, context=certificates.client_context()
    )
    for body in (b"a=b", b""):
        secure.request("POST", "/sent", body)
        assert secure.getresponse().read() == body
    secure.close()


def test_streamed(ports: list[int], site: Site) -> None:
    pieces = [bytes([number]) * 10_000 for number in range(100)]
    with connected(ports[NEW]) as connection:
        answer = ask(connection, "PUT", "/streamed/taken", iter(pieces))
        assert answer.read().decode() == digest(b"".join(pieces))
        answer = ask(connection, "GET", "/streamed/pieces")
        assert answer.read() == PIECE * PIECES
    site.goes_on()


def test_hanging_up_before_the_proxy(
    ports: list[int], site: Site, gone: threading.Event, log: Log
) -> None:
    with connected(ports[NEW]) as connection:
        answer = ask(connection, "GET", "/streamed/endless")
        assert answer.read(len(PIECE)) == PIECE
        answer.close()
    assert gone.wait(PATIENCE)
    log.allow(1)  # that the client has gone
    site.goes_on()


def test_too_large(serve: Serve, tmp_path: Path, log: Log) -> None:
    # The proxy hands on the refusal, though it had more to send.
    site = serve(*rules(""), max_body_size=1000)
    servers = "server { listen $port0; location / {"
    servers += f" proxy_pass http://127.0.0.1:{site.port}; client_max_body_size 0;"
    servers += " proxy_http_version 1.1; proxy_request_buffering off; } }"
    with nginx(tmp_path, servers, 1) as [port]:
        for expected in ({}, {"Expect": "100-continue"}):
            with connected(port) as connection:
                assert ask(connection, "POST", "/sent", b"x" * 1000).read() == b"x" * 1000
                answer = ask(connection, "POST", "/sent", b"x" * 10_000, **expected)
                assert answer.status == 413
                answer.read()
            log.one("Content-Length too long")


def test_many_at_a_time(ports: list[int]) -> None:
    async def one(number: int) -> None:
        def talk() -> None:
            with connected(ports[number % 2]) as connection:
                for size in (1, 50_000, 0):
                    body = b"%d" % number * size
                    assert ask(connection, "POST", "/sent", body).read() == body

        await asyncio.to_thread(talk)

    async def main() -> None:
        await asyncio.gather(*[one(number) for number in range(40)])

    asyncio.run(main())
