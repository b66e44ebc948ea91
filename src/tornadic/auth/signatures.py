"""Signatures of OAuth 1.0 and 1.0a, and the answers that carry its tokens (RFC 5849).

Everything that is signed is text, number or bytes; text is UTF-8.  The two versions differ only in
the key: 1.0 joined the secrets as they are, 1.0a escapes them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping
from typing import Any

from tornadic.auth.errors import AuthError

__all__ = [
    "_oauth10a_signature",
    "_oauth_escape",
    "_oauth_parse_response",
    "_oauth_signature",
]

_DEFAULT_PORTS = {"http": 80, "https": 443}

# A token and its secret, and what else a provider may add.
_MOST_FIELDS = 100


def _oauth_signature(
    consumer_token: dict[str, Any],
    method: str,
    url: str,
    parameters: dict[str, Any] = {},  # noqa: B006
    token: dict[str, Any] | None = None,
) -> bytes:
    """The signature of a request by OAuth 1.0, HMAC-SHA1, as base64.

    ``consumer_token`` and ``token`` (None: there is none yet) have a ``secret``.  ``parameters``
    are all that is sent beside those in the query of ``url``.
    """
    secrets = [consumer_token["secret"], token["secret"] if token else b""]
    return _sign(b"&".join(map(_to_bytes, secrets)), method, url, parameters)


def _oauth10a_signature(
    consumer_token: dict[str, Any],
    method: str,
    url: str,
    parameters: dict[str, Any] = {},  # noqa: B006
    token: dict[str, Any] | None = None,
) -> bytes:
    """The signature of a request by OAuth 1.0a (RFC 5849 section 3.4.2); as `_oauth_signature`."""
    secrets = [consumer_token["secret"], token["secret"] if token else b""]
    return _sign("&".join(map(_escape, secrets)).encode(), method, url, parameters)


def _sign(key: bytes, method: str, url: str, parameters: Mapping[str, Any]) -> bytes:
    text = "&".join(map(_escape, [method.upper(), _base_url(url), _normal_form(url, parameters)]))
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha1).digest())


def _base_url(url: str) -> str:
    """``url`` without query, fragment and default port (RFC 5849 section 3.4.1.2)."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    if parts.port is not None and parts.port == _DEFAULT_PORTS.get(parts.scheme):
        host = host.rpartition(":")[0]
    return f"{parts.scheme}://{host}{parts.path or '/'}"


def _normal_form(url: str, parameters: Mapping[str, Any]) -> str:
    """All parameters in one text (RFC 5849 section 3.4.1.3.2)."""
    query = urllib.parse.urlsplit(url).query
    pairs = [*urllib.parse.parse_qsl(query, keep_blank_values=True), *parameters.items()]
    return "&".join(
        [f"{name}={value}" for name, value in sorted((_escape(k), _escape(v)) for k, v in pairs)]
    )


def _oauth_escape(val: str | bytes) -> str:
    """``val`` with everything escaped but letters, digits and ``-._~`` (RFC 5849 section 3.6)."""
    return urllib.parse.quote(_to_bytes(val), safe="~")


def _escape(value: Any) -> str:
    return _oauth_escape(value if isinstance(value, (str, bytes)) else str(value))


def _to_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _oauth_parse_response(body: bytes) -> dict[str, Any]:
    """The token in a provider's answer: its ``key`` and ``secret``, and what else is there.

    Raises `AuthError` if the answer has no token (RFC 5849 sections 2.1 and 2.3).
    """
    try:
        fields = urllib.parse.parse_qs(body.decode(), errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise AuthError("The provider's answer is no form") from None
    answer: dict[str, Any] = {name: values[0] for name, values in fields.items()}
    key = answer.pop("oauth_token", None)
    secret = answer.pop("oauth_token_secret", None)
    if key is None or secret is None:
        raise AuthError("The provider's answer has no token")
    # What else came cannot take the place of these.
    return {**answer, "key": key, "secret": secret}
