"""TLS options as a dictionary or a context, and sockets put under TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates, make_certificates

from tornadic.netutil import ssl_options_to_context, ssl_wrap_socket


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class TestSSLOptionsToContext:
    @pytest.mark.parametrize("side", [True, False])
    def test_a_context_is_returned_as_it_is(self, side: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert ssl_options_to_context(context, server_side=side) is context

    def test_a_client_checks_by_default(self) -> None:
        context = ssl_options_to_context({}, server_side=False)
        assert context.protocol == ssl.PROTOCOL_TLS_CLIENT
        assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname

    def test_a_server_asks_for_nothing_by_default(self) -> None:
        context = ssl_options_to_context({}, server_side=True)
        assert context.protocol == ssl.PROTOCOL_TLS_SERVER
        assert context.verify_mode == ssl.CERT_NONE and not context.check_hostname

    def test_no_side_is_deprecated(self) -> None:
        with pytest.warns(DeprecationWarning):
            context = ssl_options_to_context({})
        assert context.verify_mode == ssl.CERT_NONE

    def test_certificate_and_key(self, certificates: Certificates) -> None:
        options = certificates.server_options()
        assert isinstance(ssl_options_to_context(options, True), ssl.SSLContext)

    def test_certificate_and_key_in_one_file(
        self, certificates: Certificates, tmp_path: Path
    ) -> None:
        both = tmp_path / "both.pem"
        both.write_text(certificates.server.read_text() + certificates.server_key.read_text())
        ssl_options_to_context({"certfile": str(both)}, True)

    def test_authorities(self, certificates: Certificates) -> None:
        context = ssl_options_to_context(certificates.client_options(), False)
        assert len(context.get_ca_certs()) == 1

    @pytest.mark.parametrize("level", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
    @pytest.mark.parametrize("side", [True, False])
    def test_cert_reqs(self, level: ssl.VerifyMode, side: bool) -> None:
        context = ssl_options_to_context({"cert_reqs": level}, side)
        assert context.verify_mode == level
        assert context.check_hostname == (not side and level != ssl.CERT_NONE)

    def test_ciphers_and_version(self) -> None:
        options = {"ciphers": "ECDHE+AESGCM", "ssl_version": ssl.PROTOCOL_TLS_CLIENT}
        context = ssl_options_to_context(options, True)
        assert context.protocol == ssl.PROTOCOL_TLS_CLIENT
        older = [c for c in context.get_ciphers() if c["protocol"] != "TLSv1.3"]
        assert older and all("GCM" in c["name"] for c in older)

    def test_bad_options(self, tmp_path: Path) -> None:
        garbage = tmp_path / "garbage"
        garbage.write_text("no certificate")
        neither: Any = ["certfile"]
        with pytest.raises(ValueError, match="cert_file"):
            ssl_options_to_context({"cert_file": "x"}, True)
        with pytest.raises(TypeError):
            ssl_options_to_context(neither, True)
        with pytest.raises(FileNotFoundError):
            ssl_options_to_context({"certfile": str(tmp_path / "none")}, True)
        with pytest.raises(ssl.SSLError):
            ssl_options_to_context({"certfile": str(garbage)}, True)


class TestSSLWrapSocket:
    def test_both_sides(self, certificates: Certificates) -> None:
        ours, theirs = socket.socketpair()
        server = ssl_wrap_socket(
            ours, certificates.server_options(), server_side=True, do_handshake_on_connect=False
        )
        assert server.server_side
        thread = threading.Thread(target=server.do_handshake)
        thread.start()
        client = ssl_wrap_socket(
            theirs, certificates.client_options(), "localhost", server_side=False
        )
        thread.join()
        assert isinstance(client, ssl.SSLSocket) and client.server_hostname == "localhost"
        client.send(b"hello")
        assert server.recv(5) == b"hello"
        for sock in (server, client):
            sock.close()

    @pytest.mark.parametrize("name", [None, "", ".", "a..b", "a" * 64, "a\0b"])
    def test_a_refused_socket_is_still_there(
        self, name: str | None, certificates: Certificates
    ) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with pytest.raises(ValueError):
                ssl_wrap_socket(ours, certificates.client_options(), name, server_side=False)
            ours.send(b"x")
            assert theirs.recv(1) == b"x"
