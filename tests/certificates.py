"""Certificates for the tests, made when they are needed by the ``openssl`` command."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools import program


@dataclass(frozen=True, slots=True)
class Certificates:
    """Self-signed certificates, so that each is its own authority.

    ``server`` is made out to localhost and 127.0.0.1, ``client`` to a person.
    """

    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def server_options(self, **more: Any) -> dict[str, Any]:
        """``ssl_options`` of a server."""
        return {"certfile": str(self.server), "keyfile": str(self.server_key), **more}

    def client_options(self, **more: Any) -> dict[str, Any]:
        """``ssl_options`` of a client that trusts the server."""
        return {"ca_certs": str(self.server), **more}

    def server_context(self) -> ssl.SSLContext:
        """A server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        return context

    def client_context(self, with_certificate: bool = False) -> ssl.SSLContext:
        """The context of a client that trusts the server, and may have a certificate too."""
        context = ssl.create_default_context(cafile=str(self.server))
        if with_certificate:
            context.load_cert_chain(self.client, self.client_key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make new certificates and their keys in ``folder``, or skip the test."""
    program("openssl")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    server = _make(folder, "server", "/CN=localhost", names)
    client = _make(folder, "client", "/CN=Anne Client", "subjectAltName=email:anne@example.com")
    return Certificates(*server, *client)


def _make(folder: Path, name: str, subject: str, extension: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", subject]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-addext", extension, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
