"""Reading what a provider answers.

An error names what was expected, and never shows what came: that may be a secret.
"""

from __future__ import annotations

from typing import Any

from tornadic import escape
from tornadic.auth.errors import AuthError

__all__ = ["read_json", "read_object", "read_token"]


def read_json(body: bytes) -> Any:
    """What the JSON in ``body`` stands for; raises `AuthError` if it is none."""
    try:
        return escape.json_decode(body)
    except (ValueError, RecursionError):
        # Without its cause, which has the whole body with it.
        raise AuthError("The provider's answer is no JSON") from None


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; raises `AuthError` if it is none."""
    answer = read_json(body)
    if not isinstance(answer, dict):
        raise AuthError("The provider's answer is no JSON object")
    return answer


def read_token(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body`` with an ``access_token`` (RFC 6749 section 5.1).

    Raises `AuthError` if it is none.
    """
    answer = read_object(body)
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise AuthError("The provider's answer has no access token")
    return answer
