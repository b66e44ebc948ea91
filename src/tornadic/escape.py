"""Escaping and decoding for HTML, JSON, URLs and forms, and text/bytes conversion.

Most functions are thin covers of the standard library that take both `str` and `bytes`.  `utf8`
and `to_unicode` run several times per request, so the usual case is decided by one `isinstance`.
`linkify` finds links by a linear scan, not by one large regular expression: the text it is given
is often a stranger's.
"""

from __future__ import annotations

import binascii
import html
import json
import json.encoder
import re
import urllib.parse
from collections.abc import Callable, Collection
from typing import Any, overload

from tornadic.util import unicode_type

__all__ = [
    "json_decode",
    "json_encode",
    "linkify",
    "native_str",
    "parse_qs_bytes",
    "recursive_unicode",
    "squeeze",
    "to_basestring",
    "to_unicode",
    "unicode_type",
    "url_escape",
    "url_unescape",
    "utf8",
    "xhtml_escape",
    "xhtml_unescape",
]


@overload
def utf8(value: bytes) -> bytes: ...
@overload
def utf8(value: str) -> bytes: ...
@overload
def utf8(value: None) -> None: ...
def utf8(value: str | bytes | None) -> bytes | None:
    """Encode text as UTF-8; return bytes and None unchanged.

    Raises `TypeError` for any other type and `UnicodeEncodeError` for lone surrogates.
    """
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, bytes):
        return value
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


@overload
def to_unicode(value: str) -> str: ...
@overload
def to_unicode(value: bytes) -> str: ...
@overload
def to_unicode(value: None) -> None: ...
def to_unicode(value: str | bytes | None) -> str | None:
    """Decode UTF-8 bytes; return text and None unchanged.

    Raises `TypeError` for any other type and `UnicodeDecodeError` for bytes that are not UTF-8.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if value is None:
        return None
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


# Three names that differed only under Python 2, and the short one that modules use.
native_str = to_unicode
to_basestring = to_unicode
_unicode = to_unicode


def recursive_unicode(obj: Any) -> Any:
    """Decode every byte string in a structure of dictionaries, lists and tuples.

    Returns new containers (a subclass becomes its plain type); anything else is kept as it is.
    Raises `UnicodeDecodeError` for bytes that are not UTF-8.
    """
    if isinstance(obj, dict):
        return {recursive_unicode(key): recursive_unicode(value) for key, value in obj.items()}
    if isinstance(obj, list):
        return [recursive_unicode(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple(recursive_unicode(item) for item in obj)
    if isinstance(obj, bytes):
        return obj.decode()
    return obj


def xhtml_escape(value: str | bytes) -> str:
    """Escape ``& < > " '`` for HTML and XML text, and for attribute values in quotes."""
    return html.escape(to_unicode(value))


def xhtml_unescape(value: str | bytes) -> str:
    """Replace character references by what they stand for, as `html.unescape` does."""
    return html.unescape(to_unicode(value))


def json_encode(value: Any) -> str:
    """Encode as JSON that may stand inside an HTML ``<script>``: it never contains ``</``.

    Raises `TypeError` for what JSON cannot hold; bytes are among that.
    """
    if _encode is not None and json.dumps is _dumps:
        try:
            return "".join(_encode(value, 0)).replace("</", "<\\/")
        except Exception:
            pass  # it is told, or mended by a program's own default, below
    return json.dumps(value).replace("</", "<\\/")


def _make_encoder() -> Any:
    """What `json.dumps` makes for each value anew, in C; None where there is no such thing.

    It does not look for circles, which end as a RecursionError here, and as ever below.
    """
    encoder = json.JSONEncoder()
    quote, separators = json.encoder.encode_basestring_ascii, (": ", ", ")
    try:
        make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]
        return make(None, encoder.default, quote, None, *separators, False, False, True)
    except (AttributeError, TypeError):
        return None


# Not another function that a program has put in its place.
_dumps = json.dumps if json.dumps.__module__ == json.__name__ else None
_encode = _make_encoder()


def json_decode(value: str | bytes) -> Any:
    """Decode JSON text, or bytes in UTF-8, UTF-16 or UTF-32.

    Raises `ValueError` if it is not JSON.
    """
    return json.loads(value)


_BLANKS = re.compile("[\x00-\x20]+")


def squeeze(value: str) -> str:
    """Replace each run of ASCII white space and control characters by one space; strip the ends."""
    return _BLANKS.sub(" ", value).strip()


def url_escape(value: str | bytes, plus: bool = True) -> str:
    """Percent-encode a value for a URL; text is encoded as UTF-8 first.

    With ``plus`` (the default), for query strings: a space becomes ``+`` and a slash ``%2F``.
    Without, for paths: a space becomes ``%20`` and slashes stay.
    """
    quote = urllib.parse.quote_plus if plus else urllib.parse.quote
    return quote(utf8(value))


@overload
def url_unescape(value: str | bytes, encoding: None, plus: bool = True) -> bytes: ...
@overload
def url_unescape(value: str | bytes, encoding: str = "utf-8", plus: bool = True) -> str: ...
def url_unescape(
    value: str | bytes, encoding: str | None = "utf-8", plus: bool = True
) -> str | bytes:
    """Decode a percent-encoded value.

    ``encoding`` of None gives bytes; otherwise the result is text in that encoding, with U+FFFD
    for what does not decode.  With ``plus`` (the default), a ``+`` stands for a space, as in query
    strings and forms but not in paths.  A ``%`` without two hexadecimal digits stays.
    """
    if encoding is None:
        data = utf8(value)
        return _unquote_to_bytes(data.replace(b"+", b" ") if plus else data)
    text = to_unicode(value)
    if plus:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    if text.isascii():
        return _unquote_to_bytes(text.encode()).decode(encoding, "replace")
    return urllib.parse.unquote(text, encoding)


# A number is looked for in bytes in a tenth of the time that it takes for a byte string.
_PERCENT = ord("%")
_SWAP_PERCENT_AND_EQUALS = bytes.maketrans(b"%=", b"=%")


def _unquote_to_bytes(data: bytes) -> bytes:
    """Return what `urllib.parse.unquote_to_bytes` does, in time and memory that stay small.

    The standard library makes an object or two for each escape, which turns a large escaped body
    into many times its size.  Quoted-printable (RFC 2045 section 6.7) is the same code with ``=``
    for ``%``, and its decoder is one pass in C.
    """
    if _PERCENT not in data:
        return data
    # The two signs trade places before and after decoding, so those that come out of escapes must
    # trade places too; "%3d" in lower case is the marker between the two replacements.
    data = data.replace(b"%3d", b"%3D").replace(b"%25", b"%3d").replace(b"%3D", b"%25")
    quoted = data.translate(_SWAP_PERCENT_AND_EQUALS)
    # Where its decoder would not take a stray "=" as it stands: before another one (twice, since
    # replace() does not see overlapping pairs), before a line end, and at the end.
    quoted = quoted.replace(b"==", b"=3D=").replace(b"==", b"=3D=")
    quoted = quoted.replace(b"=\n", b"=3D\n").replace(b"=\r", b"=3D\r")
    if quoted.endswith(b"="):
        quoted += b"3D"
    return binascii.a2b_qp(quoted).translate(_SWAP_PERCENT_AND_EQUALS)


def parse_qs_bytes(
    qs: str | bytes,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    *,
    max_num_fields: int | None = None,
) -> dict[str, list[bytes]]:
    """Parse a query string or a urlencoded form into lists of byte strings, by name.

    Names are decoded as Latin-1, so that each of their bytes is one character.  Fields are
    separated by ``&`` only.

    ``keep_blank_values`` keeps fields whose value is empty or missing.  ``strict_parsing`` raises
    `ValueError` for a field without ``=``.  More fields than ``max_num_fields`` (None: no limit)
    raise `ValueError` before any is parsed.  Text beyond Latin-1 raises `UnicodeEncodeError`.
    """
    if not qs:
        return {}
    data = qs.encode("latin-1") if isinstance(qs, str) else qs
    if max_num_fields is not None and data.count(b"&") >= max_num_fields:
        raise ValueError("Max number of fields exceeded")
    escaped = _PERCENT in data
    result: dict[str, list[bytes]] = {}
    for field in data.replace(b"+", b" ").split(b"&"):
        name, equals, value = field.partition(b"=")
        if not equals and strict_parsing:
            raise ValueError(f"bad query field: {field!r}")
        if not value and not (keep_blank_values and field):
            continue
        if escaped:
            name = _unquote_to_bytes(name)
            value = _unquote_to_bytes(value)
        result.setdefault(name.decode("latin-1"), []).append(value)
    return result


# The start of a link: a scheme with one to three slashes, or "www.".  A scheme is looked for only
# where a run of its characters begins, so that no text is scanned more than once.
_LINK_START = re.compile(r"(?<![\w-])-*+(\w[\w-]*+):(/{1,3})|\bwww[.]")
# What a link goes on with in escaped text: plain characters, "&" and '"' (as entities), and one
# pair of parentheses at a time, as in many encyclopedia addresses.  Punctuation belongs to the link
# only if more of it follows.  All repetition is possessive, so a match takes linear time.
_PUNCTUATION = r"""!"#$%'*+,.:;<=>?@\[\]^`{|}~"""
_LINK_REST = re.compile(
    rf"(?:(?:(?:[{_PUNCTUATION}]|&amp;|&quot;)*+[^\s&(){_PUNCTUATION}])++"
    r"|\((?:[^\s&()]|&amp;|&quot;)*+\))*+"
)
_PARTIAL_ENTITY_AT_END = re.compile(r"&\w*\Z")
# Links longer than this many characters of escaped text are shortened for display.
_SHORT_LINK = 30
_SHORT_LINK_PATH = 8
# A link whose host is what makes it long is left alone up to this length.
_LONG_LINK = 45


def linkify(
    text: str | bytes,
    shorten: bool = False,
    extra_params: str | Callable[[str], str] = "",
    require_protocol: bool = False,
    permitted_protocols: Collection[str] = ("http", "https"),
) -> str:
    """Escape plain text for HTML and turn the addresses in it into links.

    ``shorten`` shows long addresses cut short, with the whole one as title.  ``extra_params`` is
    HTML to add inside each ``<a>`` tag, or a function that is given the (escaped) address and
    returns it.  ``require_protocol`` leaves addresses that begin with ``www.`` alone.  Only the
    schemes in ``permitted_protocols`` become links; never allow ``javascript``.

    Raises `UnicodeDecodeError` for bytes that are not UTF-8.
    """
    if isinstance(extra_params, str) and extra_params:
        extra_params = " " + extra_params.strip()
    escaped = html.escape(to_unicode(text))
    pieces: list[str] = []
    done = 0
    position = 0
    while match := _LINK_START.search(escaped, position):
        scheme, slashes = match[1], match[2]
        start = match.start(1) if scheme else match.start()
        rest = _LINK_REST.match(escaped, match.end())
        position = end = rest.end() if rest else match.end()
        if end == match.end() and not (slashes and len(slashes) > 1):
            continue
        if scheme not in permitted_protocols if scheme else require_protocol:
            continue
        url = escaped[start:end]
        pieces.append(escaped[done:start])
        pieces.append(_link(url, len(scheme + slashes) + 1 if scheme else 0, shorten, extra_params))
        done = end
    pieces.append(escaped[done:])
    return "".join(pieces)


def _link(
    url: str, prefix_length: int, shorten: bool, extra_params: str | Callable[[str], str]
) -> str:
    """Return the HTML for one address; ``prefix_length`` counts the scheme and its slashes."""
    href = url if prefix_length else "http://" + url
    params = extra_params if isinstance(extra_params, str) else " " + extra_params(href).strip()
    shown = _shortened(url, prefix_length) if shorten else url
    if shown != url:
        params += f' title="{href}"'
    return f'<a href="{href}"{params}>{shown}</a>'


def _shortened(url: str, prefix_length: int) -> str:
    """Return the host and the start of the path, or ``url`` itself if that is not shorter."""
    if len(url) <= _SHORT_LINK:
        return url
    host, slash, path = url[prefix_length:].partition("/")
    short = url
    if slash:
        first = path.partition("/")[0][:_SHORT_LINK_PATH]
        first = first.partition("?")[0].partition(".")[0]
        short = url[:prefix_length] + host + "/" + first
    if len(short) > _LONG_LINK:
        short = short[:_SHORT_LINK]
    if short == url:
        return url
    short = _PARTIAL_ENTITY_AT_END.sub("", short) + "..."
    return short if len(short) < len(url) else url
