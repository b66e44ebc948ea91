"""Header values with parameters: ``form-data; name="a"; filename*=utf-8''b%20c``.

A value is cut at its semicolons by one scan whose every step consumes what it has seen, so a
header full of quotes, backslashes or semicolons takes linear time.  Quoting is read as browsers
write it rather than as the grammar has it: a backslash escapes a quote or a backslash, and is
itself before anything else (``C:\\dir``).

The extended forms of RFC 2231 and RFC 8187 (``name*=``, ``name*0=``, ``name*0*=``) are joined
under the plain name, over which they win.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

__all__ = ["_encode_header", "_parse_header", "join_parameters", "split_parameters"]

# A run without structure, a quoted piece (to the end if its quote is never closed), or a
# semicolon.  No alternative can fail after it has consumed anything: nothing is scanned twice.
_PIECE = re.compile(r'[^;"]+|"(?:[^"\\]+|\\.)*+\\?"?|;', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
_EXTENDED_NAME = re.compile(r"(?P<name>[^*]+)\*(?:(?P<section>[0-9]{1,9})(?P<encoded>\*?))?")

# Names a peer may choose a codec by.  UTF-8 is all that RFC 8187 asks for; Python's other codecs
# (idna, punycode, utf-7) are slow or surprising on hostile input.
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1"}


def split_parameters(line: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the value proper and its ``(name, value)`` parameters, in order, repeats included.

    Names are in lower case, quotes and escapes are undone, extended forms are left as they are.
    A parameter without ``=`` is left out.
    """
    value, *parameters = _split_at_semicolons(line)
    pairs = []
    for parameter in parameters:
        name, equals, text = parameter.partition("=")
        if equals:
            pairs.append((name.strip().lower(), _unquote(text.strip())))
    return value.strip(), pairs


def _split_at_semicolons(line: str) -> list[str]:
    if '"' not in line:
        return line.split(";")
    parts = []
    current: list[str] = []
    for match in _PIECE.finditer(line):
        piece = match[0]
        if piece == ";":
            parts.append("".join(current))
            current = []
        else:
            current.append(piece)
    parts.append("".join(current))
    return parts


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
        if "\\" in text:
            text = _ESCAPED.sub(r"\1", text)
    return text


def _parse_header(line: str) -> tuple[str, dict[str, str]]:
    """Return the value proper of ``line`` and a dictionary of its parameters.

    Names are in lower case; of a repeated one the last counts; a parameter without ``=`` is left
    out.  Extended parameters are decoded and stand under their plain name.  Bytes that are not
    of the character set they claim become U+FFFD, an unknown character set is read as Latin-1.

    >>> _parse_header('form-data; name="a;b"; file*=utf-8\\'\\'%e2%82%ac')
    ('form-data', {'name': 'a;b', 'file': '€'})
    """
    value, pairs = split_parameters(line)
    return value, join_parameters(pairs)


def join_parameters(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return what `split_parameters` found as a dictionary, extended parameters decoded."""
    plain: dict[str, str] = {}
    extended: dict[str, list[tuple[int, bool, str]]] = {}
    for name, text in pairs:
        match = _EXTENDED_NAME.fullmatch(name) if "*" in name else None
        if match is None:
            plain[name] = text
            continue
        section = match["section"]
        encoded = section is None or bool(match["encoded"])
        # The unnumbered form stands for the whole, and sorts before any section.
        number = -1 if section is None else int(section)
        extended.setdefault(match["name"], []).append((number, encoded, text))
    for name, sections in extended.items():
        plain[name] = _join_sections(sections)
    return plain


def _join_sections(sections: list[tuple[int, bool, str]]) -> str:
    """Return what the sections say together (RFC 2231 section 3), decoded.

    Sections come in any order; a character may be cut between two of them, so bytes are joined
    before they are decoded.
    """
    if len(sections) > 1:
        sections = sorted(sections, key=lambda section: section[0])
        if sections[0][0] == -1:
            sections = sections[:1]
    if not any(encoded for _, encoded, _ in sections):
        return "".join([text for _, _, text in sections])
    charset = "latin-1"
    data = []
    for position, (_, encoded, text) in enumerate(sections):
        if encoded:
            if position == 0 and text.count("'") >= 2:
                claimed, _, text = text.split("'", 2)
                charset = _CHARSETS.get(claimed.lower(), "latin-1")
            data.append(unquote_to_bytes(text))
        else:
            data.append(text.encode(charset, "replace"))
    return b"".join(data).decode(charset, "replace")


def _encode_header(key: str, pdict: Mapping[str, object]) -> str:
    """Return ``key`` with the parameters of ``pdict`` in the order of their names.

    None as a value gives a parameter without ``=``.  Nothing is quoted or checked: names and
    values have to be tokens.

    >>> _encode_header("permessage-deflate", {"b": 15, "a": None})
    'permessage-deflate; a; b=15'
    """
    parts = [key]
    for name, value in sorted(pdict.items()):
        parts.append(name if value is None else f"{name}={value}")
    return "; ".join(parts)
