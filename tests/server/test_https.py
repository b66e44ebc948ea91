"""HTTP over TLS: what holds without it holds with it, and strangers at the port disturb nobody."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates, make_certificates
from tests.server.logs import Log
from tests.server.peer import HOST, PATIENCE, Peer, get, post, request
from tests.server.support import Recorder, Serve, Site
from tests.tools import program

from tornadic.iostream import tls
from tornadic.tcpserver import TCPServer
from tornadic.web import RequestHandler, stream_request_body

BIG = bytes(range(256)) * 20_000

STRANGERS = {
    "nothing": b"",
    "plain HTTP": get("/"),
    "garbage": b"\x00\xff" * 500,
    "a record too long": b"\x16\x03\x01\xff\xff" + b"z" * 100,
    "half a hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 50,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
}


class SecurePeer(Peer):
    """A client that trusts the server's certificate; an end without close_notify is an error."""

    def __init__(
        self, port: int, context: ssl.SSLContext, receive_buffer: int | None = None
    ) -> None:
        super().__init__(port, receive_buffer)
        self.socket = context.wrap_socket(
            self.socket, server_hostname="localhost", suppress_ragged_eofs=False
        )


class SecureSite(Site):
    """A server with TLS, and clients that speak it."""

    context: ssl.SSLContext

    def connect(self, receive_buffer: int | None = None) -> Peer:
        return SecurePeer(self.port, self.context, receive_buffer)


class About(RequestHandler):
    """What the program gets to know of the connection."""

    def get(self) -> None:
        certificate = self.request.get_ssl_certificate()
        binary = self.request.get_ssl_certificate(binary_form=True)
        subject = certificate.get("subject") if isinstance(certificate, dict) else None
        self.write(
            {
                "protocol": self.request.protocol,
                "full_url": self.request.full_url(),
                "ip": self.request.remote_ip,
                "subject": subject,
                "binary": len(binary) if isinstance(binary, bytes) else None,
            }
        )


class Large(RequestHandler):
    def get(self) -> None:
        self.write(BIG)


class Pieces(RequestHandler):
    async def get(self) -> None:
        for _ in range(50):
            self.write(BIG[:100_000])
            await self.flush()


@stream_request_body
class Slow(Recorder):
    """Takes nothing more of a body until the gate is open."""

    async def prepare(self) -> None:
        self.size = 0

    async def data_received(self, chunk: bytes) -> None:
        if not self.size:
            self.settings["arrived"].set()
            await self.settings["gate"].wait()
        self.size += len(chunk)

    def post(self) -> None:
        self.write(str(self.size))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def serve(log: Log, certificates: Certificates) -> Iterator[Serve]:
    sites: list[Site] = []

    def start(*rules: tuple[str, type[RequestHandler]], **arguments: Any) -> Site:
        arguments.setdefault("ssl_options", certificates.server_options())
        rules += (("/about", About), ("/large", Large), ("/pieces", Pieces), ("/slow", Slow))
        site = SecureSite(log, *rules, **arguments)
        site.context = certificates.client_context()
        sites.append(site)
        site.start()
        return site

    yield start
    for site in sites:
        site.stop()


@pytest.fixture
def site(serve: Serve) -> Site:
    return serve()


class TestRequests:
    def test_the_request_knows(self, site: Site) -> None:
        with site.connect() as peer:
            body = peer.ask(get("/about")).body
        assert b'"protocol": "https"' in body
        assert b'"full_url": "https://example.com/about"' in body
        assert b'"ip": "127.0.0.1"' in body
        assert b'"subject": null' in body and b'"binary": null' in body

    def test_one_after_another(self, site: Site) -> None:
        with site.connect() as peer:
            for number in range(20):
                body = b"%d" % number * number
                assert peer.ask(post("/", body)).body == (body or b"ok")
        assert len(site.seen) == 20

    def test_pipelined(self, site: Site) -> None:
        with site.connect() as peer:
            peer.send(b"".join(get(f"/{number}") for number in range(200)))
            for _ in range(200):
                assert peer.read_response().body == b"ok"
        assert [target for _, target, _ in site.seen] == [f"/{number}" for number in range(200)]

    def test_byte_by_byte(self, site: Site) -> None:
        with site.connect() as peer:
            peer.send_bytewise(post("/", b"hello"))
            assert peer.read_response().body == b"hello"

    @pytest.mark.parametrize("chunk_size", [None, 1000, 16384, 16385])
    def test_large_bodies_both_ways(self, chunk_size: int | None, serve: Serve) -> None:
        site = serve(chunk_size=chunk_size, max_buffer_size=len(BIG) * 2)
        with site.connect() as peer:
            for _ in range(2):
                assert peer.ask(post("/", BIG)).body == BIG

    def test_a_response_in_pieces(self, site: Site) -> None:
        with site.connect() as peer:
            assert peer.ask(get("/pieces")).body == BIG[:100_000] * 50
            assert peer.ask(get("/bystander")).body == b"undisturbed"

    def test_a_client_that_reads_slowly(self, site: Site) -> None:
        with site.connect(receive_buffer=4096) as slow:
            slow.send(get("/large"))
            site.goes_on()
            head = slow.read_head()
            assert head[0] == 200
            assert slow.read_exactly(len(BIG)) == BIG

    def test_a_handler_that_takes_its_time_holds_the_client_back(self, site: Site) -> None:
        size = 30_000_000
        with site.connect() as peer:
            assert isinstance(peer.socket, ssl.SSLSocket)
            peer.send(request("POST", "/slow", f"Content-Length: {size}"))
            piece, sent = b"x" * 16384, 0
            peer.send(piece)
            sent += len(piece)
            site.await_gate()
            peer.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                while sent < size:
                    sent += peer.socket.send(piece[: size - sent])
            assert sent < size
            site.goes_on()
            peer.socket.settimeout(PATIENCE)
            site.open_gate()
            # What timed out has to be given again, as OpenSSL has begun with it.
            while sent < size:
                sent += peer.socket.send(piece[: size - sent])
            assert peer.read_response().body == str(size).encode()


class TestTheEnd:
    def test_of_a_connection_that_the_client_wants_closed(self, site: Site) -> None:
        with site.connect() as peer:
            response = peer.ask(get("/", "Connection: close"))
            assert response.headers["connection"] == "close"
            peer.ends()

    def test_of_a_body_that_ends_with_the_connection(self, site: Site) -> None:
        with site.connect() as peer:
            peer.send(b"GET /pieces HTTP/1.0\r\n" + HOST + b"\r\n")
            _, _, body = peer.read_to_end().partition(b"\r\n\r\n")
            assert body == BIG[:100_000] * 50

    def test_malformed_requests(self, site: Site) -> None:
        site.refuses(b"GET / HTTP/1.1\r\nBad Name: x\r\n" + HOST + b"\r\n", 400)

    def test_an_answer_before_the_body_is_over(self, serve: Serve) -> None:
        """It gets through, though the client goes on sending."""
        site = serve(max_body_size=1000)
        with site.connect() as peer:
            peer.send(request("POST", "/", f"Content-Length: {len(BIG)}"))
            peer.try_to_send(b"x" * 500_000)
            assert peer.read_response().status == 413
        site.goes_on()
        site.log.at_most_one()

    def test_a_client_that_says_nothing_is_not_waited_for(self, serve: Serve) -> None:
        site = serve(idle_connection_timeout=0.2)
        with site.connect() as peer:
            peer.ends()
        with site.connect() as peer:
            assert peer.ask(get("/")).status == 200
            peer.ends()

    def test_a_reset(self, site: Site) -> None:
        for path in ("/large", "/gate", "/"):
            peer = site.connect()
            peer.send(get(path))
            if path == "/gate":
                site.await_gate()
            peer.reset()
        site.open_gate_for_all()
        site.goes_on()


class TestClientCertificates:
    @pytest.fixture
    def strict(self, serve: Serve, certificates: Certificates) -> Site:
        return serve(
            ssl_options=certificates.server_options(
                cert_reqs=ssl.CERT_REQUIRED, ca_certs=str(certificates.client)
            )
        )

    def test_is_told_to_the_program(self, strict: Site, certificates: Certificates) -> None:
        context = certificates.client_context(with_certificate=True)
        with SecurePeer(strict.port, context) as peer:
            body = peer.ask(get("/about")).body
        assert b'"subject": [[["commonName", "Anne Client"]]]' in body
        der = ssl.PEM_cert_to_DER_cert(certificates.client.read_text())
        assert b'"binary": %d' % len(der) in body

    def test_who_has_none_is_not_let_in(
        self, strict: Site, certificates: Certificates, log: Log
    ) -> None:
        with pytest.raises((ssl.SSLError, ConnectionError)), strict.connect() as peer:
            peer.ask(get("/"))
        context = certificates.client_context(with_certificate=True)
        with SecurePeer(strict.port, context) as peer:
            assert peer.ask(get("/bystander")).status == 200
        assert strict.seen == []
        log.one("SSL Error")


class TestNames:
    """A server that has a certificate for each of its names (RFC 6066 section 3)."""

    @pytest.fixture
    def asked(self) -> list[str | None]:
        return []

    @pytest.fixture
    def many(self, serve: Serve, certificates: Certificates, asked: list[str | None]) -> Site:
        anne = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        anne.load_cert_chain(certificates.client, certificates.client_key)

        def choose(sock: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            asked.append(name)
            if name == "anne.example":
                sock.context = anne
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name == "who.example" else None

        context = certificates.server_context()
        context.sni_callback = choose
        return serve(ssl_options=context)

    @pytest.mark.parametrize(
        ("name", "subject"),
        [("localhost", "localhost"), ("anne.example", "Anne Client"), (None, "localhost")],
    )
    def test_the_certificate_is_chosen_by_the_name(
        self,
        many: Site,
        certificates: Certificates,
        asked: list[str | None],
        name: str | None,
        subject: str,
    ) -> None:
        authority = certificates.client if subject == "Anne Client" else certificates.server
        context = ssl.create_default_context(cafile=str(authority))
        context.check_hostname = False
        with Peer(many.port) as peer:
            peer.socket = secure = context.wrap_socket(peer.socket, server_hostname=name)
            certificate: Any = secure.getpeercert()
            assert certificate["subject"][0][0][1] == subject
            assert peer.ask(get("/bystander")).status == 200
        assert asked == [name]

    def test_a_name_that_is_refused(self, many: Site, certificates: Certificates, log: Log) -> None:
        context = certificates.client_context()
        with Peer(many.port) as peer, pytest.raises(ssl.SSLError):
            context.wrap_socket(peer.socket, server_hostname="who.example")
        many.goes_on()
        log.one("SSL Error")


class TestStrangers:
    @pytest.mark.parametrize("ending", ["closes", "resets", "half-closes", "stays"])
    @pytest.mark.parametrize("data", STRANGERS.values(), ids=STRANGERS)
    def test_one(self, data: bytes, ending: str, site: Site, log: Log) -> None:
        site.goes_on()
        with Peer(site.port) as stranger:
            stranger.try_to_send(data)
            if ending == "resets":
                stranger.reset()
            elif ending == "closes":
                stranger.socket.close()
            elif ending == "half-closes":
                try:
                    stranger.half_close()
                except OSError:
                    pass  # the server was faster
                stranger.is_cut()
            site.goes_on()
        site.stop()
        log.at_most_one()

    @pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="descriptors are not shown")
    def test_many(self, site: Site, log: Log) -> None:
        site.goes_on()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            crowd = [Peer(site.port) for _ in range(12)]
            for number, (stranger, data) in enumerate(
                zip(crowd, list(STRANGERS.values()) * 2, strict=True)
            ):
                stranger.try_to_send(data)
                if number % 2:
                    stranger.reset()
            site.goes_on()
            for stranger in crowd:
                stranger.socket.close()
        done = threading.Event()
        while len(os.listdir("/proc/self/fd")) > before:
            site.goes_on()
            assert not done.wait(0.001)
        site.stop()
        assert site.seen == []
        assert len(log.take()) <= 60

    def test_who_never_come_to_an_end(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tls, "DEFAULT_HANDSHAKE_TIMEOUT", 0.1)
        with Peer(site.port) as silent, Peer(site.port) as half:
            half.send(STRANGERS["half a hello"])
            assert silent.is_cut() == half.is_cut() == b""
        site.goes_on()

    def test_the_server_closes_on_them(self, site: Site) -> None:
        with Peer(site.port) as silent:
            site.goes_on()
            site.stop()
            assert silent.is_cut() == b""


class TestOtherClients:
    def test_http_client(self, site: Site, certificates: Certificates) -> None:
        connection = http.client.HTTPSConnection(
            "localhost", site.port, timeout=PATIENCE, context=certificates.client_context()
        )
        for body in (b"small", BIG, b"small again"):
            connection.request("POST", "/", body=body)
            response = connection.getresponse()
            assert response.status == 200 and response.read() == body
        connection.close()

    def test_curl(self, site: Site, certificates: Certificates, tmp_path: Path) -> None:
        upload = tmp_path / "upload"
        upload.write_bytes(BIG)
        base = f"https://localhost:{site.port}"
        common = [program("curl"), "-sS", "--fail", "--ipv4", "--cacert", str(certificates.server)]
        outputs = [tmp_path / "first", tmp_path / "second"]
        command = [*common, "--http1.1", "--data-binary", f"@{upload}", "-w", "%{num_connects}"]
        for output in outputs:
            command += [base, "-o", str(output)]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        assert done.stdout == b"10"  # new connections: the second request had the first one's
        assert [output.read_bytes() for output in outputs] == [BIG, BIG]
        # A body that only the connection's end delimits.
        command = [*common, "--http1.0", f"{base}/pieces"]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        assert done.stdout == BIG[:100_000] * 50


class TestOptions:
    def test_a_context(self, serve: Serve, certificates: Certificates) -> None:
        site = serve(ssl_options=certificates.server_context())
        site.goes_on()

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({}, KeyError),
            ({"keyfile": "server.key"}, KeyError),
            ({"certfile": "/no/such/file"}, ValueError),
            ({"certfile": "server.crt", "keyfile": "/no/such/file"}, ValueError),
            ({"certfile": "/"}, ValueError),
            ({"certfile": "server.key", "keyfile": "server.key"}, ssl.SSLError),
            ({"certfile": "server.crt", "keyfile": "client.key"}, ssl.SSLError),
            ({"certfile": "server.crt", "keyfile": "server.key", "cert": 1}, ValueError),
        ],
    )
    def test_bad_ones_are_refused_at_once(
        self, options: dict[str, Any], error: type[Exception], certificates: Certificates
    ) -> None:
        folder = certificates.server.parent
        options = {
            key: str(folder / value) if isinstance(value, str) else value
            for key, value in options.items()
        }
        with pytest.raises(error):
            TCPServer(ssl_options=options)

    def test_may_be_changed_while_the_server_runs(self, certificates: Certificates) -> None:
        names: list[str] = []

        def look(address: Any, authority: Path) -> None:
            context = ssl.create_default_context(cafile=str(authority))
            context.check_hostname = False
            with (
                socket.create_connection(address, timeout=PATIENCE) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as sock,
            ):
                certificate: Any = sock.getpeercert()
                names.append(certificate["subject"][0][0][1])

        class Closing(TCPServer):
            async def handle_stream(self, stream: Any, address: Any) -> None:
                await stream.wait_for_handshake()
                stream.close()

        async def main() -> None:
            server = Closing(ssl_options=certificates.server_options())
            with socket.create_server(("127.0.0.1", 0)) as sock:
                sock.setblocking(False)
                server.add_socket(sock)
                address = sock.getsockname()
                await asyncio.to_thread(look, address, certificates.server)
                server.ssl_options = {
                    "certfile": str(certificates.client),
                    "keyfile": str(certificates.client_key),
                }
                await asyncio.to_thread(look, address, certificates.client)
                server.stop()

        asyncio.run(main())
        assert names == ["localhost", "Anne Client"]

    def test_gone_before_it_is_accepted(self, site: Site) -> None:
        """The kernel hands over connections that were reset meanwhile."""
        for data in (b"", b"abc"):
            stranger = Peer(site.port)
            site.call(lambda: threading.Event().wait(0.05))
            stranger.send(data)
            stranger.reset()
            site.goes_on()
        site.log.allow(2)

    def test_a_handler_that_fails_leaves_nothing_open(
        self, certificates: Certificates, log: Log
    ) -> None:
        class Failing(TCPServer):
            def handle_stream(self, stream: Any, address: Any) -> None:
                raise ZeroDivisionError

        async def main() -> None:
            for options in (None, certificates.server_options()):
                server = Failing(ssl_options=options)
                with socket.create_server(("127.0.0.1", 0)) as sock:
                    sock.setblocking(False)
                    server.add_socket(sock)
                    reader, writer = await asyncio.open_connection(*sock.getsockname())
                    assert await reader.read() == b""
                    writer.close()
                    server.stop()

        asyncio.run(main())
        for record in log.take():
            assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
