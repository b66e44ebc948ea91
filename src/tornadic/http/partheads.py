"""The head of a part of a form: its name, its file name, and what else its headers say.

Nearly every part has the two lines that browsers write, in their spelling; one pattern takes them
apart.  What it does not match, however little it differs, is read in full.
"""

from __future__ import annotations

import re
from typing import Final

from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import MAX_HEADERS, HTTPHeaders, is_clean_text, read_fields
from tornadic.http.parameters import join_parameters, split_parameters

__all__ = ["TOO_LARGE", "PartHead", "read_part_head"]

TOO_LARGE: Final = 413
"""The status of what is beyond a limit of a form."""

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# No escapes within the quotes, no blanks at the ends of the content type: nothing to undo.
_match_usual = re.compile(
    rb'Content-Disposition: form-data; name="([^"\\\x00-\x1f\x7f]++)"'
    rb'(?:; filename="([^"\\\x00-\x1f\x7f]*+)")?'
    rb"(?:\r\nContent-Type: ([!-~]++(?: ++[!-~]++)*+))?"
).fullmatch


class PartHead:
    """What the headers of a part say.

    ``name`` is that of the field and never empty; ``filename`` is None or empty if the field is
    no file, and otherwise what the client calls it: never use it as a path.  ``content_type`` is
    None if the client does not say.
    """

    __slots__ = ("_block", "_headers", "content_type", "filename", "name")

    def __init__(
        self, name: str, filename: str | None, content_type: str | None, block: bytes
    ) -> None:
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self._block = block
        self._headers: HTTPHeaders | None = None

    @property
    def headers(self) -> HTTPHeaders:
        """All headers of the part."""
        if self._headers is None:
            self._headers = _read_headers(self._block)
        return self._headers


def read_part_head(block: bytes) -> PartHead:
    """Read the header lines ``block``, without the last line end and the empty line behind it.

    Raises `HTTPInputError` for lines that are no headers, not UTF-8, too many (`MAX_HEADERS`), or
    that do not name exactly one field of a form.
    """
    usual = _match_usual(block)
    if usual is None:
        return _read_unusual(block)
    name, filename, content_type = usual.groups()
    try:
        return PartHead(
            name.decode(),
            None if filename is None else filename.decode(),
            None if content_type is None else content_type.decode(),
            block,
        )
    except UnicodeDecodeError as error:
        raise HTTPInputError("multipart/form-data headers are not UTF-8") from error


def _read_unusual(block: bytes) -> PartHead:
    headers = _read_headers(block)
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
    head = PartHead(name, filename, content_types[0] if content_types else None, block)
    head._headers = headers
    return head


def _read_headers(block: bytes) -> HTTPHeaders:
    try:
        lines = block.decode("utf-8").split("\r\n")
    except UnicodeDecodeError as error:
        raise HTTPInputError("multipart/form-data headers are not UTF-8") from error
    if len(lines) > MAX_HEADERS:
        raise HTTPInputError("multipart/form-data part header too large", TOO_LARGE)
    if not is_clean_text(block, line_ends=len(lines) - 1):
        raise HTTPInputError("Invalid header value in multipart/form-data")
    return HTTPHeaders.adopt(read_fields(lines))
