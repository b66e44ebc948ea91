"""The tokens against cross-site request forgery: one secret in a cookie, the same in the form.

Version 2 is ``2|mask|masked token|time``.  The mask is another for every response, so that a page
that is compressed does not give the token away, guess by guess (BREACH).  Version 1 is the token
itself.  Either is accepted for the other, since it is the tokens inside that are compared.
"""

from __future__ import annotations

import binascii
import hmac
import os
import re

__all__ = ["decode_token", "encode_token", "is_same_token", "new_token"]

# Ours have 54 characters; a bound on what somebody may have us compare.
MAX_TOKEN_SIZE = 1024

# Beyond guessing: 128 bits.
_TOKEN_SIZE = 16
_MASK_SIZE = 4

_VERSION = re.compile(r"([1-9][0-9]{0,2})\|")
# Of a time in seconds: thirty million years.
_MAX_DIGITS = 15

Decoded = tuple[int, bytes, float | None] | tuple[None, None, None]


def new_token() -> bytes:
    """A token that nobody has seen."""
    return os.urandom(_TOKEN_SIZE)


def encode_token(token: bytes, seconds: float, version: int) -> bytes:
    """``token`` as it goes into cookies and forms, in version 2 under a new mask.

    ``seconds``: when the token was made, since the epoch.  Raises ValueError for a version that
    there is not.
    """
    if version == 1:
        return binascii.hexlify(token)
    if version != 2:
        raise ValueError(f"unknown xsrf cookie version {version!r}")
    mask = os.urandom(_MASK_SIZE)
    return b"2|%b|%b|%d" % (binascii.hexlify(mask), _mask(token, mask).hex().encode(), seconds)


def decode_token(text: str) -> Decoded:
    """Version, token and time (None in version 1) of what a client sent; all None if malformed."""
    if not text or len(text) > MAX_TOKEN_SIZE:
        return None, None, None
    if text[:2] == "2|":
        return _decode_v2(text)
    if _VERSION.match(text):
        return None, None, None
    try:
        return 1, binascii.unhexlify(text), None
    except ValueError:  # no token of ours; but there are clients that choose theirs
        return 1, text.encode("utf-8", "surrogateescape"), None


def _decode_v2(text: str) -> Decoded:
    try:
        _, mask, masked, seconds = text.split("|")
        token = _mask(binascii.unhexlify(masked), binascii.unhexlify(mask))
    except ValueError:
        return None, None, None
    if not token or len(mask) != 2 * _MASK_SIZE:
        return None, None, None
    if not (seconds.isdigit() and seconds.isascii()) or len(seconds) > _MAX_DIGITS:
        return None, None, None
    return 2, token, int(seconds)


def is_same_token(a: bytes, b: bytes) -> bool:
    """Whether two tokens are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(a, b)


def _mask(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    repeated = (mask * (size // _MASK_SIZE + 1))[:size]
    # Either order of the bytes will do, and this one takes half the time.
    masked = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
    return masked.to_bytes(size, "little")
