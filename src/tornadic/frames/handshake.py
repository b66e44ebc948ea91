"""The handshake that makes a WebSocket of an HTTP connection (RFC 6455 section 4).

`check_request` is the server's part, `request_fields` and `check_response` are the client's.
Header fields come as a mapping that has ``get_list``: what is allowed once must be there once.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Final, Protocol

from tornadic.frames.deflate import EXTENSION, Deflate, Extension, accept_response, offer
from tornadic.frames.errors import HandshakeRefused, NegotiationError

__all__ = [
    "Agreement",
    "HeaderLists",
    "Upgrade",
    "accept_key",
    "check_request",
    "check_response",
    "new_handshake_key",
    "parse_extensions",
    "parse_subprotocols",
    "request_fields",
]

VERSION: Final = "13"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

# Base64 of sixteen bytes.
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SUBPROTOCOL: Final = re.compile(_TOKEN)
# A parameter, whose value is a token even in quotes (RFC 6455 section 9.1).
_PARAMETER: Final = re.compile(
    rf"[ \t]*;[ \t]*(?P<name>{_TOKEN})"
    rf'(?:[ \t]*=[ \t]*(?:(?P<token>{_TOKEN})|"(?P<quoted>{_TOKEN})"))?'
)
_EXTENSION_NAME: Final = re.compile(rf"[ \t]*({_TOKEN})")
_NEXT: Final = re.compile(r"[ \t]*(?:,[ \t,]*|$)")


class HeaderLists(Protocol):
    """What is asked of header fields; `tornadic.httputil.HTTPHeaders` has it."""

    def get_list(self, name: str) -> list[str]:
        """Return the values of all lines of that name, in order."""


@dataclass(frozen=True)
class Upgrade:
    """What a client asks for, in a request that we can accept."""

    accept: str
    """The value for ``Sec-WebSocket-Accept``."""
    subprotocols: list[str]
    """What the client would speak, best first."""
    extensions: list[Extension]


@dataclass(frozen=True)
class Agreement:
    """What the server has chosen of what the client asked for."""

    subprotocol: str | None
    deflate: Deflate | None


def accept_key(key: str) -> str:
    """Return the ``Sec-WebSocket-Accept`` that answers a ``Sec-WebSocket-Key``.

    >>> accept_key("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return b64encode(sha1(key.encode("latin-1") + _GUID).digest()).decode("ascii")


def new_handshake_key() -> str:
    """Return a new ``Sec-WebSocket-Key``: sixteen random bytes in Base64."""
    return b64encode(os.urandom(16)).decode("ascii")


def check_request(method: str, version: str, headers: HeaderLists) -> Upgrade:
    """Check a client's opening handshake (RFC 6455 section 4.2.1).

    ``version`` is HTTP's, as in ``HTTP/1.1``.  Raises `HandshakeRefused`.
    """
    if method != "GET":
        raise HandshakeRefused(405, "A WebSocket is asked for with GET", {"Allow": "GET"})
    if version != "HTTP/1.1":
        raise HandshakeRefused(400, "A WebSocket needs HTTP/1.1")
    if "websocket" not in _tokens(headers, "Upgrade"):
        raise HandshakeRefused(400, 'Can "Upgrade" only to "WebSocket"')
    if "upgrade" not in _tokens(headers, "Connection"):
        raise HandshakeRefused(400, '"Connection" must be "Upgrade"')
    if [value.strip() for value in headers.get_list("Sec-WebSocket-Version")] != [VERSION]:
        raise HandshakeRefused(
            426,
            f"Only version {VERSION} of WebSocket is spoken here",
            {"Sec-WebSocket-Version": VERSION, "Upgrade": "websocket"},  # RFC 9110 section 15.5.22
        )
    keys = headers.get_list("Sec-WebSocket-Key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0].strip()):
        raise HandshakeRefused(400, "Sec-WebSocket-Key missing or invalid")
    try:
        subprotocols = parse_subprotocols(headers.get_list("Sec-WebSocket-Protocol"))
        extensions = parse_extensions(headers.get_list("Sec-WebSocket-Extensions"))
    except ValueError as error:
        raise HandshakeRefused(400, str(error)) from None
    return Upgrade(accept_key(keys[0].strip()), subprotocols, extensions)


def request_fields(
    key: str, *, subprotocols: Sequence[str] = (), deflate: bool = False
) -> list[tuple[str, str]]:
    """Return the header fields by which a client asks for a WebSocket, but for ``Host``.

    ``key`` is of `new_handshake_key`; ``deflate``: whether compression is offered.  Raises
    `ValueError` for a subprotocol that is no token or comes twice (RFC 6455 section 4.1).
    """
    if len(set(subprotocols)) != len(subprotocols):
        raise ValueError("a subprotocol is asked for twice")
    for name in subprotocols:
        if not _SUBPROTOCOL.fullmatch(name):
            raise ValueError(f"subprotocol {name!r} is no token")
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", VERSION),
    ]
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if deflate:
        fields.append(("Sec-WebSocket-Extensions", offer()))
    return fields


def check_response(
    status: int,
    headers: HeaderLists,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    deflate: bool = False,
) -> Agreement:
    """Check the server's answer to `request_fields` with the same arguments (section 4.1).

    Raises `NegotiationError` if the connection has to be failed.
    """
    if status != 101:
        raise NegotiationError(f"the server answered with status {status}, not 101")
    if _tokens(headers, "Upgrade") != ["websocket"]:
        raise NegotiationError("Upgrade is not websocket")
    if "upgrade" not in _tokens(headers, "Connection"):
        raise NegotiationError("Connection is not Upgrade")
    if [value.strip() for value in headers.get_list("Sec-WebSocket-Accept")] != [accept_key(key)]:
        raise NegotiationError("Sec-WebSocket-Accept does not answer our key")
    chosen = [value.strip() for value in headers.get_list("Sec-WebSocket-Protocol")]
    if len(chosen) > 1 or not set(chosen) <= set(subprotocols):
        raise NegotiationError("the server chose a subprotocol that was not asked for")
    extensions = parse_extensions(headers.get_list("Sec-WebSocket-Extensions"))
    agreed = None
    for name, parameters in extensions:
        if not deflate or name != EXTENSION or agreed is not None:
            raise NegotiationError(f"the server chose extension {name[:40]!r}, not asked for")
        agreed = accept_response(parameters)
    return Agreement(chosen[0] if chosen else None, agreed)


def parse_subprotocols(values: Sequence[str]) -> list[str]:
    """Return the subprotocols of all ``Sec-WebSocket-Protocol`` lines, in order.

    Raises `ValueError` for what is no token.
    """
    names = [name.strip() for value in values for name in value.split(",")]
    for name in names:
        if name and not _SUBPROTOCOL.fullmatch(name):
            raise ValueError("malformed Sec-WebSocket-Protocol")
    return [name for name in names if name]


def parse_extensions(values: Sequence[str]) -> list[Extension]:
    """Return the extensions of all ``Sec-WebSocket-Extensions`` lines, in order (section 9.1).

    Raises `NegotiationError`, a `ValueError`, for what is not of that grammar.
    """
    extensions: list[Extension] = []
    for value in values:
        value = value.strip(" \t,")
        at = 0
        while at < len(value):
            match = _EXTENSION_NAME.match(value, at)
            if match is None:
                raise NegotiationError("malformed Sec-WebSocket-Extensions")
            name = match[1]
            parameters: list[tuple[str, str | None]] = []
            while parameter := _PARAMETER.match(value, match.end()):
                parameters.append((parameter["name"], parameter["token"] or parameter["quoted"]))
                match = parameter
            following = _NEXT.match(value, match.end())
            if following is None:
                raise NegotiationError("malformed Sec-WebSocket-Extensions")
            at = following.end()
            extensions.append((name, parameters))
    return extensions


def _tokens(headers: HeaderLists, name: str) -> list[str]:
    """Return the members of a field that is a list of tokens, in lower case."""
    values = headers.get_list(name)
    return [token.strip().lower() for value in values for token in value.split(",")]
