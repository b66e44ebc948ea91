"""Whose name a request may come by, and that it comes by TLS.

``Host`` is whatever the client says.  A program that builds links from it sends its users, or its
caches, wherever somebody likes; so the names are listed, and nothing else is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tornadic.middleware.arguments import names
from tornadic.web import RequestHandler

__all__ = ["HTTPSRedirect", "TrustedHosts"]

_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")

_HTTPS_PORT = 443


class TrustedHosts:
    """Answers only requests for ``hosts``, and others with 400.

    A host is a name without a port, or an address, IPv6 in brackets; ``*.example.com`` stands for
    all names below, but not for ``example.com``.  Capital letters, a dot at the end and the port
    of the request do not count.

    Raises ValueError for what is no such name, or for none, and TypeError for a text in place of
    a list.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        listed = [host.lower() for host in names("hosts", hosts)]
        for host in listed:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not a host such as 'example.com' or '*.example.com'")
        if not listed:
            raise ValueError("without any host nobody would be answered")
        self._hosts = frozenset(listed)
        self._suffixes = tuple(host[1:] for host in listed if host.startswith("*."))

    def process_request(self, handler: RequestHandler) -> None:
        """Refuse a request for another host."""
        if self.host_of(handler) is None:
            handler.send_error(400, reason="Unknown Host")

    def host_of(self, handler: RequestHandler) -> str | None:
        """The host of a request, in small letters and without its port; None if it is another."""
        host = _without_port(handler.request.host.lower())
        if host.startswith("*"):
            return None
        if host in self._hosts:
            return host
        if _HOST.fullmatch(host) and host.endswith(self._suffixes):
            return host
        return None


class HTTPSRedirect:
    """Sends requests that came without TLS to the same URL with it.

    ``hosts`` are the names that may be redirected to, as for `TrustedHosts`: any other would make
    this an open redirect; it gets a 400.  ``port`` is where TLS is served.  The status is 308,
    with which browsers repeat the request as it was.  Behind a proxy the server must be made with
    ``xheaders`` and ``trusted_downstream``, or every request is redirected for ever.

    Raises ValueError and TypeError as `TrustedHosts` does.
    """

    def __init__(self, hosts: Iterable[str], *, port: int = _HTTPS_PORT) -> None:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError(f"{port!r} is not a port")
        self._trusted = TrustedHosts(hosts)
        self._port = "" if port == _HTTPS_PORT else f":{port}"

    def process_request(self, handler: RequestHandler) -> None:
        """Redirect, unless the request came by TLS."""
        request = handler.request
        if request.protocol == "https":
            return
        host = self._trusted.host_of(handler)
        if host is None:
            handler.send_error(400, reason="Unknown Host")
            return
        # The target may be in another form than a path; it is never what chooses the host.
        path = request.path if request.path.startswith("/") else "/"
        query = f"?{request.query}" if request.query else ""
        handler.redirect(f"https://{host}{self._port}{path}{query}", status=308)


def _without_port(host: str) -> str:
    if host.startswith("["):
        end = host.find("]")
        rest = host[end + 1 :]
        return host[: end + 1] if end > 0 and (not rest or _is_port(rest)) else ""
    name, colon, port = host.partition(":")
    return name.removesuffix(".") if not colon or _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return text[0] == ":" and text[1:].isascii() and (text[1:].isdigit() or not text[1:])
