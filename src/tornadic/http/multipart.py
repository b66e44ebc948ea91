"""``multipart/form-data`` (RFC 7578), read in one pass from a body that is all there.

Strategy: the body must start with the first delimiter, and from then on each part is found by
two bounded searches, one for the end of its headers and one for the next delimiter.  Nothing is
split before it is counted, and no byte is searched twice.

Where readers are known to differ we do not guess.  A preamble, a delimiter that is followed by
anything but a line end or ``--``, and a ``Content-Disposition`` or one of its parameters that
comes twice are errors, because a filter in front of us may have seen other fields there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import MAX_HEADERS, HTTPHeaders, is_clean_text, read_fields
from tornadic.http.parameters import join_parameters, split_parameters

__all__ = ["MAX_BOUNDARY_LENGTH", "Part", "find_boundary", "read_parts"]

# RFC 2046 section 5.1.1 allows 70; some programs write longer ones.
MAX_BOUNDARY_LENGTH = 200
# Visible ASCII but quote and backslash; spaces within.  The RFC's own set is smaller.
_BOUNDARY = re.compile(rb"[!#-\[\]-~](?:[ !#-\[\]-~]*[!#-\[\]-~])?")
# Blanks may pad the last delimiter's line (RFC 2046); what follows that line is no part of a form.
_END_OF_LINE = re.compile(rb"[ \t]{0,64}(?:\r\n|\Z)")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Part(NamedTuple):
    """One field of a form.  ``filename`` is None or empty if the field is no file."""

    name: str
    filename: str | None
    content_type: str | None
    body: bytes


def find_boundary(content_type: str) -> bytes:
    """Return the boundary that a ``multipart/form-data`` content type names.

    Raises `HTTPInputError` if there is none, or more than one, or the media type is another.
    """
    media_type, parameters = split_parameters(content_type)
    if media_type.lower() != "multipart/form-data":
        raise HTTPInputError("Invalid content type")
    boundaries = [value for name, value in parameters if name == "boundary"]
    if not any(boundaries):
        raise HTTPInputError("multipart boundary not found")
    if len(boundaries) > 1:
        raise HTTPInputError("more than one multipart boundary")
    return boundaries[0].encode("utf-8", "replace")


def read_parts(
    boundary: bytes, data: bytes, *, max_parts: int, max_part_header_size: int
) -> list[Part]:
    """Return the fields of the multipart body ``data``, in order.

    ``boundary`` is as the content type gives it, without the leading dashes; quotes around it
    are taken off.  ``max_parts`` bounds the parts, ``max_part_header_size`` (bytes) the headers
    of each, without the blank line that ends them.  What follows the closing delimiter is not
    looked at.  Raises `HTTPInputError` at the first thing that is wrong or beyond a limit.
    """
    delimiter = b"\r\n--" + _checked_boundary(boundary)
    if not data.startswith(delimiter[2:]):
        raise HTTPInputError("multipart/form-data: does not begin with the boundary")
    parts: list[Part] = []
    count = 0
    start = len(delimiter) - 2
    while _opens_part(data, start):
        count += 1
        if count > max_parts:
            raise HTTPInputError("multipart/form-data has too many parts")
        if data.startswith(delimiter, start):
            # An empty form, as some clients write it: a delimiter straight after another.
            start += len(delimiter)
            continue
        start += 2
        body_start = _end_of_headers(data, start, delimiter, max_part_header_size)
        # The line end of the blank line may itself begin the delimiter: an empty body.
        end = data.find(delimiter, body_start - 2)
        if end == -1:
            raise HTTPInputError("multipart/form-data: no final boundary found")
        headers = _read_headers(data[start : body_start - 4])
        parts.append(_make_part(headers, data[body_start : max(end, body_start)]))
        start = end + len(delimiter)
    return parts


def _checked_boundary(boundary: bytes) -> bytes:
    if len(boundary) >= 2 and boundary[:1] == b'"' == boundary[-1:]:
        boundary = boundary[1:-1]
    if len(boundary) > MAX_BOUNDARY_LENGTH or not _BOUNDARY.fullmatch(boundary):
        raise HTTPInputError("multipart/form-data: malformed boundary")
    return boundary


def _opens_part(data: bytes, position: int) -> bool:
    """Whether a part follows the delimiter that ends at ``position``, or else the body ends."""
    after = data[position : position + 2]
    if after == b"\r\n":
        return True
    if after == b"--":
        if _END_OF_LINE.match(data, position + 2):
            return False
        raise HTTPInputError("multipart/form-data: data after the final boundary")
    if len(after) < 2:
        raise HTTPInputError("multipart/form-data: no final boundary found")
    raise HTTPInputError("multipart/form-data: no line end after a boundary")


def _end_of_headers(data: bytes, start: int, delimiter: bytes, limit: int) -> int:
    """Return where the body of the part begins whose headers begin at ``start``."""
    end = data.find(b"\r\n\r\n", start, start + limit + 4)
    if end == -1:
        if len(data) > start + limit + 4 and data.find(delimiter, start, start + limit) == -1:
            raise HTTPInputError("multipart/form-data part header too large")
        raise HTTPInputError("multipart/form-data missing headers")
    # A part may not begin before the one before it ended.
    if data.find(delimiter, start - 2, end) != -1 or data.startswith(b"\r\n", start):
        raise HTTPInputError("multipart/form-data missing headers")
    return end + 4


def _read_headers(block: bytes) -> HTTPHeaders:
    try:
        lines = block.decode("utf-8").split("\r\n")
    except UnicodeDecodeError as error:
        raise HTTPInputError("multipart/form-data headers are not UTF-8") from error
    if len(lines) > MAX_HEADERS:
        raise HTTPInputError("multipart/form-data part header too large")
    if not is_clean_text(block, line_ends=len(lines) - 1):
        raise HTTPInputError("Invalid header value in multipart/form-data")
    return HTTPHeaders.adopt(read_fields(lines))


def _make_part(headers: HTTPHeaders, body: bytes) -> Part:
    dispositions = headers.get_list("Content-Disposition")
    if len(dispositions) != 1:
        raise HTTPInputError("multipart/form-data: needs one Content-Disposition")
    disposition, pairs = split_parameters(dispositions[0])
    if disposition.lower() != "form-data":
        raise HTTPInputError("multipart/form-data: Content-Disposition is not form-data")
    if len(dict(pairs)) != len(pairs):
        raise HTTPInputError("multipart/form-data: repeated parameter in Content-Disposition")
    parameters = join_parameters(pairs)
    name = parameters.get("name")
    if not name:
        raise HTTPInputError("multipart/form-data missing name")
    filename = parameters.get("filename")
    # Percent-encoding can bring in what a header line could not hold.
    if _CONTROLS.search(name) or (filename and _CONTROLS.search(filename)):
        raise HTTPInputError("multipart/form-data name with a control character")
    content_types = headers.get_list("Content-Type")
    return Part(name, filename, content_types[0] if content_types else None, body)
