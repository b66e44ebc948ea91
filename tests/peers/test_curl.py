"""The ``curl`` command asks our server for things."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.peers.site import BIG, PIECE, PIECES, TEXT, digest, rules
from tests.server.logs import Log
from tests.server.peer import PATIENCE
from tests.server.support import Serve, Site
from tests.tools import program

from tornadic.http1connection.deadlines import LINGER_BYTES
from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_unix_socket


def curl(
    *arguments: str, send: bytes = b"", works: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run curl, which must succeed, or must not."""
    command = [program("curl"), "--disable", "--silent", "--show-error", "--noproxy", "*"]
    done = subprocess.run(
        [*command, "--max-time", str(PATIENCE), *arguments], input=send, capture_output=True
    )
    assert (done.returncode == 0) is works, done.stderr
    return done


def url(site: Site, path: str = "/told") -> str:
    return f"http://127.0.0.1:{site.port}{path}"


def told(site: Site, *arguments: str, path: str = "/told", send: bytes = b"") -> Any:
    """What the server understood."""
    return json.loads(curl(*arguments, url(site, path), send=send).stdout)


@pytest.fixture
def big(folder: Path) -> str:
    return str(folder / "big.bin")


class TestConnections:
    def test_several_urls_on_one(self, site: Site) -> None:
        many = [url(site, path) for path in ("/told", "/pieces", "/empty", "/text", "/none")]
        done = curl("--write-out", "%{stderr}%{http_code}/%{num_connects} ", *many)
        assert done.stderr.split() == [b"200/1", b"200/0", b"204/0", b"200/0", b"200/0"]

    def test_in_parallel(self, site: Site) -> None:
        many = url(site, "/told?number=[1-40]")
        done = curl("--parallel", "--output", "/dev/null", "--write-out", "%{http_code} ", many)
        assert done.stdout.split() == [b"200"] * 40

    def test_http_1_0(self, site: Site) -> None:
        # What has no length ends with the connection.
        done = curl("--http1.0", "--include", url(site, "/pieces"))
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        assert b"chunked" not in head.lower() and b"content-length" not in head.lower()
        assert body == PIECE * PIECES
        assert told(site, "--http1.0")["version"] == "HTTP/1.0"

    def test_http_1_0_kept_alive(self, site: Site) -> None:
        done = curl(
            *("--http1.0", "--header", "Connection: keep-alive"),
            *("--write-out", "%{stderr}%{num_connects} ", url(site), url(site, "/text")),
        )
        assert done.stderr.split() == [b"1", b"0"]

    def test_http_0_9_is_refused(self, site: Site, log: Log) -> None:
        # The answer has a head: nobody takes an error page for what was asked for.
        done = curl("--request", "GET /told\r\n\r\n", "--include", url(site))
        assert done.stdout.startswith(b"HTTP/1.1 400 ")
        log.one("Malformed HTTP request line")

    def test_http_2(self, site: Site, log: Log) -> None:
        # An offer is not taken up; the preface of somebody who does not ask is refused.
        found = told(site, "--http2")
        assert found["version"] == "HTTP/1.1" and found["headers"]["Upgrade"] == "h2c"
        done = curl("--http2-prior-knowledge", url(site), works=False)
        assert done.stdout == b""
        log.one("Malformed")
        site.goes_on()

    def test_through_a_unix_socket(self, site: Site, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        is_there = threading.Event()

        def listen() -> None:
            assert isinstance(site.server, HTTPServer)
            site.server.add_socket(bind_unix_socket(path))
            is_there.set()

        site.call(listen)
        assert is_there.wait(PATIENCE)
        done = curl("--unix-socket", path, "http://somewhere/sent", "--data", "hello")
        assert done.stdout == b"hello"

    def test_as_if_we_were_a_proxy(self, site: Site) -> None:
        # The target is a URL; whose Host counts is RFC 9112 section 3.2.2.
        done = curl(
            *("--noproxy", "", "--proxy", f"http://127.0.0.1:{site.port}"),
            "http://example.com/told?a=b",
        )
        found = json.loads(done.stdout)
        assert found["host"] == "example.com" and found["uri"].endswith("/told?a=b")

    def test_asterisk(self, site: Site) -> None:
        curl("--request", "OPTIONS", "--request-target", "*", "--fail", url(site))
        assert site.seen == [("OPTIONS", "*", b"")]


class TestBodies:
    def test_expected(self, site: Site, big: str) -> None:
        done = curl(
            *("--verbose", "--header", "Expect: 100-continue", "--expect100-timeout", "60"),
            *("--data-binary", f"@{big}", url(site, "/sent")),
        )
        assert b"HTTP/1.1 100 Continue" in done.stderr
        assert done.stdout == BIG

    def test_expected_and_refused(self, serve: Serve, folder: Path, big: str, log: Log) -> None:
        # Nothing of the body is sent.
        site = serve(*rules(str(folder)), max_body_size=1000)
        done = curl(
            *("--header", "Expect: 100-continue", "--expect100-timeout", "60"),
            *("--data-binary", f"@{big}", "--output", "/dev/null"),
            *("--write-out", "%{http_code} %{size_upload}", url(site, "/sent")),
        )
        assert done.stdout == b"413 0"
        log.at_most_one()

    def test_refused_while_it_comes(self, serve: Serve, folder: Path, log: Log) -> None:
        # As long as it is no more than a server that has refused it goes on to read.
        site = serve(*rules(str(folder)), max_body_size=1000)
        done = curl(
            *("--header", "Expect:", "--data-binary", "@-", "--output", "/dev/null"),
            *("--write-out", "%{http_code}", url(site, "/sent")),
            send=BIG[:LINGER_BYTES],
        )
        assert done.stdout == b"413"
        log.at_most_one()

    @pytest.mark.parametrize("path", ["/sent", "/taken"])
    def test_chunked(self, site: Site, path: str) -> None:
        done = curl("--upload-file", "-", url(site, path), send=BIG)
        assert done.stdout == (BIG if path == "/sent" else digest(BIG).encode())

    def test_upload(self, site: Site, big: str) -> None:
        done = curl("--upload-file", big, url(site, "/taken"))
        assert done.stdout == digest(BIG).encode()

    def test_forms(self, site: Site, big: str) -> None:
        found = told(site, "--data-urlencode", "a=ä &=+", "--data", "a=2")
        assert found["arguments"] == {"a": ["ä &=+", "2"]}
        found = told(
            site,
            *(
                "--form-escape",
                "--form-string",
                'text=one "quoted"; two',
                "--form",
                f"up=@{big};type=x/y",
            ),
            *("--form", 'up=@-;filename="b\\"c;d.txt"'),
            send=b"second",
        )
        assert found["arguments"] == {"text": ['one "quoted"; two']}
        first, second = found["files"]["up"]
        assert first == ["big.bin", "x/y", digest(BIG)]
        assert second[0] == 'b"c;d.txt' and second[2] == digest(b"second")

    def test_compressed(self, site: Site) -> None:
        done = curl("--compressed", "--include", url(site, "/text"))
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        assert re.search(rb"content-encoding: (zstd|br|gzip)", head.lower())
        assert body == TEXT.encode()
        assert curl(url(site, "/text")).stdout == TEXT.encode()

    def test_head(self, site: Site) -> None:
        done = curl("--head", "--write-out", "%{num_connects} ", *[url(site, "/files/big.bin")] * 2)
        assert done.stdout.count(b"Content-Length: %d\r\n" % len(BIG)) == 2
        assert done.stdout.count(b"\r\n\r\n1 ") == done.stdout.count(b"\r\n\r\n0 ") == 1

    def test_slowly(self, site: Site) -> None:
        # Back-pressure: the client takes what it likes, when it likes.
        done = curl("--limit-rate", "10M", url(site, "/files/big.bin"))
        assert done.stdout == BIG


class TestFiles:
    @pytest.mark.parametrize(
        ("ranges", "body"),
        [("10-14", b"01234"), ("-3", b"789"), ("95-", b"56789"), ("98-500", b"89")],
    )
    def test_ranges(self, site: Site, ranges: str, body: bytes) -> None:
        done = curl("--range", ranges, "--include", url(site, "/files/digits.txt"))
        assert done.stdout.startswith(b"HTTP/1.1 206 ")
        assert done.stdout.partition(b"\r\n\r\n")[2] == body

    def test_beyond_the_end(self, site: Site) -> None:
        done = curl("--range", "100-", "--include", url(site, "/files/digits.txt"))
        assert done.stdout.startswith(b"HTTP/1.1 416 ")
        assert b"Content-Range: bytes */100\r\n" in done.stdout

    def test_resumed(self, site: Site, tmp_path: Path) -> None:
        half = tmp_path / "half"
        half.write_bytes(BIG[:1_000_000])
        curl("--continue-at", "-", "--output", str(half), url(site, "/files/big.bin"))
        assert half.read_bytes() == BIG

    @pytest.mark.parametrize("path", ["/text", "/files/text.txt"])
    def test_etags(self, site: Site, tmp_path: Path, path: str) -> None:
        etag = str(tmp_path / "etag")
        assert curl("--etag-save", etag, url(site, path)).stdout == TEXT.encode()
        again = curl("--etag-compare", etag, "--write-out", "%{http_code}", url(site, path))
        assert again.stdout == b"304"

    def test_if_modified_since(self, site: Site, folder: Path, tmp_path: Path) -> None:
        kept = tmp_path / "kept"
        address = url(site, "/files/digits.txt")
        curl("--remote-time", "--output", str(kept), address)
        done = curl("--time-cond", str(kept), "--write-out", "%{http_code}", address)
        assert done.stdout == b"304"

    @pytest.mark.parametrize(
        "path", ["/files/../conftest.py", "/files/%2e%2e/x", "/files/..%2fx", "/files//etc/passwd"]
    )
    def test_outside(self, site: Site, path: str, log: Log) -> None:
        done = curl(
            "--path-as-is", "--write-out", "%{http_code}", "-o", "/dev/null", url(site, path)
        )
        assert done.stdout in (b"403", b"404")
        log.at_most_one()


class TestState:
    def test_cookies(self, site: Site, tmp_path: Path) -> None:
        jar = str(tmp_path / "jar")
        assert told(site, "--cookie-jar", jar, "--cookie", jar, path="/cookies") == {}
        found = told(site, "--cookie-jar", jar, "--cookie", jar, path="/cookies")
        assert found == {"plain": "a", "secret": "b"}
        # The path of the second one is another.
        assert told(site, "--cookie", jar)["headers"]["Cookie"] == "plain=a"

    @pytest.mark.parametrize(
        ("status", "method"),
        [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")],
    )
    def test_redirects(self, site: Site, status: int, method: str) -> None:
        found = told(site, "--location", "--data", "a=b", path=f"/redirect/{status}")
        assert (found["method"], found["uri"]) == (method, "/told?redirected=1")
        assert found["digest"] == digest(b"a=b" if method == "POST" else b"")


class TestTLS:
    @pytest.fixture
    def site(self, serve: Serve, folder: Path, certificates: Certificates) -> Site:
        return serve(*rules(str(folder)), ssl_options=certificates.server_options())

    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_versions(self, site: Site, certificates: Certificates, version: str, big: str) -> None:
        address = f"https://localhost:{site.port}/sent"
        done = curl(
            *("--ipv4", "--cacert", str(certificates.server), f"--tlsv{version}"),
            *("--tls-max", version, "--data-binary", f"@{big}"),
            *("--write-out", "%{stderr}%{num_connects} ", address, address),
        )
        assert done.stdout == BIG * 2 and done.stderr == b"1 0 "

    def test_not_to_be_trusted(self, site: Site, log: Log) -> None:
        done = curl("--ipv4", f"https://localhost:{site.port}/told", works=False)
        assert done.returncode == 60
        log.allow(1)

    def test_plain_http(self, site: Site, log: Log) -> None:
        curl(url(site), works=False)
        log.allow(1)

    def test_openssl(self, site: Site, certificates: Certificates) -> None:
        # It offers what it likes, and closes its half of the connection behind the request.
        command = [program("openssl"), "s_client", "-quiet", "-verify_return_error"]
        command += ["-CAfile", str(certificates.server), "-servername", "localhost"]
        command += ["-alpn", "h2,http/1.1", "-connect", f"127.0.0.1:{site.port}"]
        request = b"GET /told HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        done = subprocess.run(command, input=request, capture_output=True, timeout=PATIENCE)
        assert done.stdout.startswith(b"HTTP/1.1 200 ")
        assert json.loads(done.stdout.partition(b"\r\n\r\n")[2])["protocol"] == "https"
