"""URLs and query strings.

Query strings are parsed on nearly every request that has one, so the usual query, without
escapes, is nothing but ``split`` and ``partition``.  No more is split off than fields are allowed,
and the percent escapes of a value are decoded together, so that the work stays linear in the length
of the text.
"""

from __future__ import annotations

import re
import unicodedata
from binascii import a2b_qp
from collections.abc import Iterable, Iterator
from typing import AnyStr
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tornadic.http.errors import HTTPInputError

__all__ = [
    "MAX_QUERY_FIELDS",
    "encode_username_password",
    "parse_query",
    "parse_urlencoded",
    "qs_to_qsl",
    "split_host_and_port",
    "url_concat",
]

# Each field becomes objects of its own, a hundred times the size of its "&".
MAX_QUERY_FIELDS = 1000

# As numbers these are looked for in bytes in a tenth of the time: where it is given bytes, ``in``
# first tries them as a number, and makes an exception of that.
_PERCENT, _PLUS, _EQUALS, _LINE_FEED, _CARRIAGE_RETURN = b"%+=\n\r"

_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_NETLOC = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]+):([0-9]{1,5})")


def parse_query(query: str, max_fields: int = MAX_QUERY_FIELDS) -> dict[str, list[bytes]]:
    """Return the fields of the query string of a URL, in the order in which names first occur.

    Characters of ``query`` stand for bytes (Latin-1), as in a request target.  Names are given
    so too, values as bytes; both percent-decoded, with ``+`` for a space.  Fields are separated
    by ``&`` only; a field without ``=`` or without a value counts as blank and is kept; escapes
    that are none stay as they are.

    Raises `HTTPInputError` beyond ``max_fields`` fields (the empty ones between two ``&`` count)
    and for characters beyond Latin-1.

    >>> parse_query("a=1&b=%C3%A9&a=x+y&c")
    {'a': [b'1', b'x y'], 'b': [b'\\xc3\\xa9'], 'c': [b'']}
    """
    try:
        return _parse_fields(query.encode("latin-1"), max_fields)
    except ValueError as error:
        raise HTTPInputError(f"Invalid query string: {error}") from error


def parse_urlencoded(body: bytes, max_fields: int = MAX_QUERY_FIELDS) -> dict[str, list[bytes]]:
    """Return the fields of an ``application/x-www-form-urlencoded`` body, as `parse_query` does.

    Raises `HTTPInputError` beyond ``max_fields`` fields.
    """
    try:
        return _parse_fields(body, max_fields)
    except ValueError as error:
        raise HTTPInputError(f"Invalid x-www-form-urlencoded body: {error}") from error


def _parse_fields(data: bytes, max_fields: int) -> dict[str, list[bytes]]:
    fields: dict[str, list[bytes]] = {}
    if not data:
        return fields
    escaped = _PERCENT in data
    # What `_unquote_quickly` is not sure of.
    unquote = _unquote if _LINE_FEED in data or _CARRIAGE_RETURN in data else _unquote_quickly
    if _PLUS in data:
        data = data.replace(b"+", b" ")
    pairs = data.split(b"&", max_fields)
    if len(pairs) > max_fields:
        raise ValueError("Max number of fields exceeded")
    for field in pairs:
        if not field:
            continue
        key, _, value = field.partition(b"=")
        if escaped:
            if _PERCENT in value:
                value = unquote(value)
            if _PERCENT in key:
                key = unquote(key)
        name = key.decode("latin-1")
        if name in fields:
            fields[name].append(value)
        else:
            fields[name] = [value]
    return fields


def _unquote_quickly(data: bytes) -> bytes:
    """Decode the percent escapes in ``data``, which has no end of a line in it."""
    # Quoted-printable is the same with another sign, and the only such decoder written in C.
    # It is right if it has made one byte of three for every sign: all else that it does with one
    # shortens less, but for an end of a line behind it.
    if _EQUALS not in data:
        decoded = a2b_qp(data.replace(b"%", b"="))
        if len(data) - len(decoded) == 2 * data.count(b"%"):
            return decoded
    return _unquote(data)


def _unquote(data: bytes) -> bytes:
    """Decode the percent escapes in ``data``; what is none stays as it is."""
    return _ESCAPES.sub(_decode_escapes, data)


def _decode_escapes(run: re.Match[bytes]) -> bytes:
    return bytes.fromhex(run[0].replace(b"%", b"").decode("ascii"))


def qs_to_qsl(qs: dict[str, list[AnyStr]]) -> Iterable[tuple[str, AnyStr]]:
    """Yield the pairs of a name and one of its values in ``qs``, as ``parse_qs`` returned it.

    >>> list(qs_to_qsl({"a": ["1", "2"], "b": ["3"]}))
    [('a', '1'), ('a', '2'), ('b', '3')]
    """
    return _pairs(qs)


def _pairs(qs: dict[str, list[AnyStr]]) -> Iterator[tuple[str, AnyStr]]:
    for name, values in qs.items():
        for value in values:
            yield name, value


def url_concat(
    url: str,
    args: None | dict[str, str] | list[tuple[str, str]] | tuple[tuple[str, str], ...],  # noqa: RUF036
) -> str:
    """Return ``url`` with ``args`` added to its query, before any fragment.

    ``args`` is a dictionary, or a list or tuple of pairs where a name is to come more than once;
    None leaves ``url`` exactly as it is.  Otherwise the query that is there is kept in content
    but written anew: escapes may take another form, and fields without ``=`` gain one.

    Raises `TypeError` for other kinds of ``args`` and `ValueError` for a URL with a broken host.

    >>> url_concat("/search?q=a#top", {"page": "2"})
    '/search?q=a&page=2#top'
    >>> url_concat("/search", [("tag", "x"), ("tag", "y z")])
    '/search?tag=x&tag=y+z'
    """
    if args is None:
        return url
    if isinstance(args, dict):
        added = list(args.items())
    elif isinstance(args, (list, tuple)):
        added = list(args)
    else:
        raise TypeError(f"'args' parameter should be dict, list or tuple. Not {type(args)}")
    parts = urlsplit(url)
    # surrogateescape carries escapes that are not UTF-8 through unharmed.
    kept = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    query = urlencode(kept + added, errors="surrogateescape")
    return urlunsplit(parts._replace(query=query))


def split_host_and_port(netloc: str) -> tuple[str, int | None]:
    """Return ``(host, port)`` from ``netloc``, the port None if there is none.

    The brackets of an IPv6 address stay with the host.  A port is one to five ASCII digits that
    make at most 65535; where what follows the colon is no port, or the colons are those of an
    IPv6 address without brackets, all of ``netloc`` comes back as the host.

    >>> split_host_and_port("example.com:8080")
    ('example.com', 8080)
    >>> split_host_and_port("[::1]")
    ('[::1]', None)
    """
    match = _NETLOC.fullmatch(netloc)
    if match is not None:
        port = int(match[2])
        if port <= 65535:
            return match[1], port
    return netloc, None


def encode_username_password(username: str | bytes, password: str | bytes) -> bytes:
    """Return ``username:password`` as HTTP's Basic scheme sends it, before base64.

    Text is encoded as UTF-8 in the normal form C (RFC 7617 section 2.1); bytes are taken as they
    are.  A colon in the user name cannot be told from the one that ends it: that is the caller's
    to avoid.

    >>> encode_username_password("Aladdin", "open sesame")
    b'Aladdin:open sesame'
    """
    return b":".join(
        unicodedata.normalize("NFC", part).encode() if isinstance(part, str) else part
        for part in (username, password)
    )
