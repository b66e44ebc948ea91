"""Feeds the reader of multipart bodies, and says by other means what should have come out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tornadic.http.errors import HTTPInputError
from tornadic.http.multipart import END, PART_END, MultipartReader
from tornadic.http.partheads import PartHead, read_part_head

BOUNDARY: Final = b"1234"
FIELD: Final = b'--1234\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
LAST: Final = b"--1234--\r\n"

Field = tuple[str, str | None, str | None, bytes]
Outcome = list[Field] | str


def reading(pieces: Iterable[bytes], reader: MultipartReader | None = None) -> Outcome:
    """The fields of a body that comes in ``pieces``, or what was wrong with it.

    On the way it is checked that events come in their order, and that no more is held back than
    may be needed.
    """
    if reader is None:
        reader = MultipartReader(BOUNDARY)
    fields: list[Field] = []
    head: PartHead | None = None
    body = b""
    ended = False
    pieces = iter(pieces)
    try:
        while True:
            event = reader.next_event()
            if event is None:
                # A head is bounded by its own limit.
                assert head is None or reader.held <= len(reader._delimiter) - 1
                if ended:
                    assert reader.held == 0
                piece = next(pieces, None)
                if piece is None:
                    if ended:
                        return fields
                    reader.feed_eof()
                else:
                    reader.feed(piece)
            elif isinstance(event, PartHead):
                assert head is None and not ended
                head = event
            elif event is PART_END:
                assert head is not None
                fields.append((head.name, head.filename, head.content_type, body))
                head, body = None, b""
            elif event is END:
                assert head is None and not ended
                ended = True
            else:
                assert head is not None and type(event) is bytes and event
                body += event
    except HTTPInputError as e:
        assert reader.next_event() is None and reader.held == 0
        if reader._max_size is None:
            reader.feed(b"more")
            assert reader.next_event() is None and reader.held == 0
        return str(e)


def expected(data: bytes) -> list[Field] | None:
    """The fields of the body ``data``, or None if it is malformed, by cutting it to pieces.

    Slow, without limits, and simple enough to be right.
    """
    first, *pieces = (b"\r\n" + data).split(b"\r\n--" + BOUNDARY)
    if first:
        return None
    fields: list[Field] = []
    for piece in pieces[:-1] if pieces else ():
        if re.fullmatch(rb"--[ \t]{0,64}(\r\n.*)?", piece, re.DOTALL):
            return fields
        if not piece:
            continue  # a delimiter straight after another
        # The line end behind the head may be the one of the delimiter.
        head, empty_line, body = piece.partition(b"\r\n\r\n")
        if not empty_line and piece.endswith(b"\r\n"):
            head = piece[:-2]
        elif not empty_line:
            return None
        if head[:2] != b"\r\n" or not head[2:] or head[2:4] == b"\r\n":
            return None
        try:
            read = read_part_head(head[2:])
        except HTTPInputError:
            return None
        fields.append((read.name, read.filename, read.content_type, body))
    if pieces and re.fullmatch(rb"--[ \t]{0,64}(\r\n.*)?", pieces[-1], re.DOTALL):
        return fields
    return None
