"""Signed values: what a program hands out, gets back, and then knows to be its own.

Version 2 is ``2|key version|time|name|value|signature``; a field stands behind its length, so
that no field can be read as a part of its neighbour.  Version 1 is ``value|time|signature`` and
signs name, value and time run together; what guards it is that a value has whole groups of
base64 and a time ten digits, but whoever has no old values left asks for ``min_version=2``.

Nothing is believed, or even looked at twice, before the signature is found to be right.  All of
this is text in and text out; the time comes from the ``clock`` that is passed in.
"""

from __future__ import annotations

import binascii
import hmac
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping

from tornadic.escape import utf8
from tornadic.log import gen_log

__all__ = [
    "DEFAULT_SIGNED_VALUE_MIN_VERSION",
    "DEFAULT_SIGNED_VALUE_VERSION",
    "MAX_SUPPORTED_SIGNED_VALUE_VERSION",
    "MIN_SUPPORTED_SIGNED_VALUE_VERSION",
    "create_signed_value",
    "decode_signed_value",
    "get_signature_key_version",
]

MIN_SUPPORTED_SIGNED_VALUE_VERSION = 1
"""The oldest version of signed values that there is."""

MAX_SUPPORTED_SIGNED_VALUE_VERSION = 2
"""The newest version of signed values that there is."""

DEFAULT_SIGNED_VALUE_VERSION = 2
"""The version that is made, if nothing is said."""

DEFAULT_SIGNED_VALUE_MIN_VERSION = 1
"""The oldest version that is read, if nothing is said."""

# Far beyond any cookie; a bound on what is hashed because somebody sent it.
MAX_SIGNED_VALUE_SIZE = 1024 * 1024

# How many seconds a value may be signed ahead of our clock: the clocks of a site's servers differ.
MAX_CLOCK_SKEW = 60 * 60

Secret = str | bytes | Mapping[int, str | bytes]
Clock = Callable[[], float]

_DAY = 24 * 60 * 60
_VERSION = re.compile(rb"([1-9][0-9]{0,2})\|")
_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,6}):")
_KEY_VERSION = re.compile(rb"0|-?[1-9][0-9]{0,14}")
_TIME_V2 = re.compile(rb"0|[1-9][0-9]{0,14}")
# Ten digits since 2001: with fewer, some of them may have been moved into the value.
_TIME_V1 = re.compile(rb"[1-9][0-9]{9,14}")

_SIGNATURE_SIZE_V2 = 64


def create_signed_value(
    secret: Secret,
    name: str,
    value: str | bytes,
    version: int | None = None,
    clock: Clock | None = None,
    key_version: int | None = None,
) -> bytes:
    """Return ``value`` with the time and a signature, to be read back under the same ``name``.

    ``secret`` is a key, or keys by their version, of which ``key_version`` is the one to sign
    with.  ``version`` is the format's (None: `DEFAULT_SIGNED_VALUE_VERSION`), ``clock`` gives
    the seconds since the epoch (None: `time.time`).  The value can be read by whoever has it.

    Raises ValueError for an unknown version, an empty key, keys without a ``key_version`` or in
    version 1, and a value that is too large to be read back (a megabyte, signed); KeyError if
    there is no such key.
    """
    if version is None:
        version = DEFAULT_SIGNED_VALUE_VERSION
    seconds = utf8(str(int((clock or time.time)())))
    encoded = b64encode(utf8(value))
    if version == 1:
        key = _key(secret, None)
        signed = b"|".join((encoded, seconds, _create_signature_v1(key, name, encoded, seconds)))
    elif version == 2:
        if isinstance(secret, Mapping) and key_version is None:
            raise ValueError("A key_version is needed to sign with one of several keys")
        key = _key(secret, key_version)
        fields = (utf8(str(key_version or 0)), seconds, utf8(name), encoded)
        body = b"2|" + b"".join([b"%d:%b|" % (len(field), field) for field in fields])
        signed = body + _create_signature_v2(key, body)
    else:
        raise ValueError(f"Unsupported version {version!r}")
    if len(signed) > MAX_SIGNED_VALUE_SIZE:
        raise ValueError(f"A signed value of {len(signed)} bytes is too large")
    return signed


def decode_signed_value(
    secret: Secret,
    name: str,
    value: None | str | bytes,  # noqa: RUF036
    max_age_days: float = 31,
    clock: Clock | None = None,
    min_version: int | None = None,
) -> bytes | None:
    """Return what `create_signed_value` was given, or None for anything that is not its work.

    None too for a value of another name, older than ``max_age_days``, from the future, or in a
    version below ``min_version`` (None: `DEFAULT_SIGNED_VALUE_MIN_VERSION`).  Arguments as
    `create_signed_value`; of several keys the value says which.

    Raises ValueError for an empty key, and a ``min_version`` beyond all versions.
    """
    if min_version is None:
        min_version = DEFAULT_SIGNED_VALUE_MIN_VERSION
    if min_version > MAX_SUPPORTED_SIGNED_VALUE_VERSION:
        raise ValueError(f"Unsupported min_version {min_version!r}")
    if not value:
        return None
    raw = utf8(value)
    if len(raw) > MAX_SIGNED_VALUE_SIZE:
        return None
    version = _version_of(raw)
    if version < min_version:
        return None
    now = (clock or time.time)()
    if version == 1:
        return _decode_v1(secret, utf8(name), raw, now, max_age_days)
    if version == 2:
        return _decode_v2(secret, utf8(name), raw, now, max_age_days)
    return None


def get_signature_key_version(value: str | bytes) -> int | None:
    """The version of the key that ``value`` says it was signed with; None in version 1.

    This is what the value says: nothing is verified.
    """
    raw = utf8(value)
    if len(raw) > MAX_SIGNED_VALUE_SIZE or _version_of(raw) != 2:
        return None
    fields = _split_v2(raw)
    return None if fields is None else int(fields[0])


def _version_of(raw: bytes) -> int:
    match = _VERSION.match(raw)
    return int(match[1]) if match else 1


def _key(secret: Secret, key_version: int | None) -> bytes:
    if isinstance(secret, Mapping):
        if key_version is None:
            raise ValueError("Values of version 1 cannot be signed with one of several keys")
        secret = secret[key_version]
    if not secret:
        raise ValueError("An empty key would be everybody's")
    return utf8(secret)


def _create_signature_v1(secret: str | bytes, *parts: str | bytes) -> bytes:
    return (
        hmac.digest(utf8(secret), b"".join([utf8(part) for part in parts]), "sha1").hex().encode()
    )


def _create_signature_v2(secret: str | bytes, s: bytes) -> bytes:
    return hmac.digest(utf8(secret), s, "sha256").hex().encode()


def _decode_v2(
    secret: Secret, name: bytes, raw: bytes, now: float, max_age_days: float
) -> bytes | None:
    fields = _split_v2(raw)
    if fields is None:
        return None
    key_version, seconds, signed_name, value = fields
    try:
        key = _key(secret, int(key_version))
    except KeyError:
        return None  # of a key that is no longer, or not yet, ours
    body, signature = raw[:-_SIGNATURE_SIZE_V2], raw[-_SIGNATURE_SIZE_V2:]
    if not hmac.compare_digest(signature, _create_signature_v2(key, body)):
        return None
    if not hmac.compare_digest(signed_name, name):
        return None
    signed_at = int(seconds)
    if signed_at < now - max_age_days * _DAY or signed_at > now + MAX_CLOCK_SKEW:
        return None
    return _from_base64(value)


def _split_v2(raw: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Key version, time, name and value, the first two being numbers; None for another form."""
    fields = []
    position = 2
    for _ in range(4):
        length = _LENGTH.match(raw, position)
        if length is None:
            return None
        end = length.end() + int(length[1])
        if raw[end : end + 1] != b"|":
            return None
        fields.append(raw[length.end() : end])
        position = end + 1
    key_version, seconds, name, value = fields
    if len(raw) != position + _SIGNATURE_SIZE_V2:
        return None
    if not (_KEY_VERSION.fullmatch(key_version) and _TIME_V2.fullmatch(seconds)):
        return None
    return key_version, seconds, name, value


def _decode_v1(
    secret: Secret, name: bytes, raw: bytes, now: float, max_age_days: float
) -> bytes | None:
    # A client can send this version to whoever signs with several keys, which it never has.
    if raw.count(b"|") != 2 or isinstance(secret, Mapping):
        return None
    value, seconds, signature = raw.split(b"|")
    expected = _create_signature_v1(_key(secret, None), name, value, seconds)
    if not hmac.compare_digest(signature, expected):
        gen_log.warning("Invalid cookie signature %r", raw[:100])
    elif not seconds.isdigit():
        return None
    elif not _TIME_V1.fullmatch(seconds):
        gen_log.warning("Tampered cookie %r", raw[:100])
    elif int(seconds) < now - max_age_days * _DAY:
        gen_log.warning("Expired cookie %r", raw[:100])
    elif int(seconds) > now + MAX_CLOCK_SKEW:
        gen_log.warning("Cookie timestamp in future; possible tampering %r", raw[:100])
    else:
        return _from_base64(value)
    return None


def _from_base64(value: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except binascii.Error:
        return None
