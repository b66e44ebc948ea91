"""How a connection is made: everything that tells one from another.

A connection serves another request only if that would have made the very same one, so a `Route`
is the key under which it is kept.
"""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from typing import Any, Final, NamedTuple

from tornadic.http.urls import encode_username_password
from tornadic.httpclient.request import _RequestProxy
from tornadic.httpclient.urls import Authority, split_url
from tornadic.iostream.tls import default_context
from tornadic.netutil import is_valid_ip, ssl_options_to_context

__all__ = ["PLAIN", "Manner", "Proxy", "Route", "TLSFiles", "basic_credentials", "manner_of"]


class Proxy(NamedTuple):
    """A proxy, and what it is sent as ``Proxy-Authorization``."""

    authority: Authority
    authorization: str | None


class TLSFiles(NamedTuple):
    """TLS options that a request gives one by one; the files are read for each connection."""

    validate_cert: bool
    ca_certs: str | None
    client_cert: str | None
    client_key: str | None


TLSOptions = ssl.SSLContext | tuple[tuple[str, Any], ...] | TLSFiles | None


class Manner(NamedTuple):
    """What matters for a connection besides where it leads.

    ``tls``: a context, the items of a dictionary of options, or files; None for the defaults.
    """

    family: socket.AddressFamily = socket.AF_UNSPEC
    source_ip: str | None = None
    tls: TLSOptions = None
    proxy: Proxy | None = None

    def context(self) -> ssl.SSLContext:
        """The context of a TLS connection.

        Raises OSError or `ssl.SSLError` for files that are missing or no good.
        """
        tls = self.tls
        if tls is None:
            return default_context(False)
        if isinstance(tls, ssl.SSLContext):
            return tls
        if not isinstance(tls, TLSFiles):
            return ssl_options_to_context(dict(tls), server_side=False)
        if tls.validate_cert:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca_certs)
        else:
            # Without the system's authorities, which take milliseconds to read.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if tls.ca_certs is not None:
                context.load_verify_locations(tls.ca_certs)
        if tls.client_cert is not None:
            context.load_cert_chain(tls.client_cert, tls.client_key)
        return context


PLAIN: Final = Manner()
"""Nothing special was asked for."""

Route = tuple[tuple[str, str, int], Manner]
"""An origin, and the manner in which it is reached."""


def basic_credentials(username: str | bytes, password: str | bytes | None) -> str:
    """The value of an ``Authorization`` field (RFC 7617)."""
    pair = encode_username_password(username, password or "")
    return "Basic " + b64encode(pair).decode("ascii")


# What a client's defaults may have that is not in `Manner`'s own.
_OF_MANNER: Final = frozenset(
    [
        "allow_ipv6",
        "ca_certs",
        "client_cert",
        "client_key",
        "network_interface",
        "proxy_host",
        "proxy_port",
        "ssl_options",
    ]
)


def manner_of(request: _RequestProxy) -> Manner:
    """How ``request`` wants to be connected.

    Raises ValueError or TypeError for options that cannot be meant.
    """
    own = request.request
    defaults = request.defaults or {}
    # Nearly always nothing is said, and asking one by one costs more than all the rest.
    if (
        own.ssl_options is None
        and own.proxy_host is None
        and own.proxy_port is None
        and own.network_interface is None
        and own.allow_ipv6 is None
        and own.validate_cert is None
        and own.ca_certs is None
        and own.client_cert is None
        and own.client_key is None
        and defaults.get("validate_cert", True) is True
        and _OF_MANNER.isdisjoint(defaults)
    ):
        return PLAIN
    family = socket.AF_INET if request.allow_ipv6 is False else socket.AF_UNSPEC
    source_ip = request.network_interface
    if source_ip is not None and not is_valid_ip(source_ip):
        raise ValueError(
            f"Unrecognized IPv4 or IPv6 address for network_interface, got {source_ip!r}"
        )
    return Manner(family, source_ip, _tls_of(request), _proxy_of(request))


def _tls_of(
    request: _RequestProxy,
) -> ssl.SSLContext | tuple[tuple[str, Any], ...] | TLSFiles | None:
    options = request.ssl_options
    if isinstance(options, dict):
        return tuple(sorted(options.items()))
    if options is not None:
        if not isinstance(options, ssl.SSLContext):
            raise TypeError(f"ssl_options must be a dict or an SSLContext, not {options!r}")
        return options
    # None, as from a program's own defaults, is no wish to do without.
    validate = request.validate_cert is None or bool(request.validate_cert)
    files = TLSFiles(validate, request.ca_certs, request.client_cert, request.client_key)
    return None if files == (True, None, None, None) else files


def _proxy_of(request: _RequestProxy) -> Proxy | None:
    host, port = request.proxy_host, request.proxy_port
    if not host or not port:
        if host or port:
            raise ValueError("A proxy needs both proxy_host and proxy_port")
        return None
    if request.proxy_auth_mode not in (None, "basic"):
        raise ValueError(f"unsupported proxy_auth_mode {request.proxy_auth_mode}")
    scheme, _, name = host.rpartition("://")
    if ":" in name and name[:1] != "[":
        name = f"[{name}]"
    authority = split_url(f"{scheme or 'http'}://{name}:{port}/").authority
    authorization = None
    if request.proxy_username is not None:
        authorization = basic_credentials(request.proxy_username, request.proxy_password)
    return Proxy(authority, authorization)
