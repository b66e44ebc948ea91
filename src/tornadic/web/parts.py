"""The parts of a form, one after another, while they come.

The reader says where a part begins and ends; it is fed when somebody asks, so what is not asked
for stays with the client.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, BinaryIO, Final

from tornadic.http.errors import HTTPInputError
from tornadic.http.multipart import PART_END, MultipartReader
from tornadic.http.partheads import TOO_LARGE, PartHead
from tornadic.httputil import HTTPHeaders
from tornadic.web.incoming import IncomingBody
from tornadic.web.saving import PartFile

__all__ = ["DEFAULT_READ_LIMIT", "BodyPart", "BodyParts"]

DEFAULT_READ_LIMIT: Final = 1048576
"""Bytes of a part that are read into memory if nobody says how many: plenty for a text field."""

SAVE_BLOCK: Final = 1048576
"""Bytes that are gathered for one call of a thread: the thread costs as much as a few pieces."""

# Small pieces are objects of their own.
_MOST_PIECES = 1024


class BodyParts:
    """The parts of a form, as an asynchronous iterator; see `.RequestHandler.stream_parts`."""

    __slots__ = ("_body", "_current", "_ended", "_error", "_reader")

    def __init__(self, body: IncomingBody, reader: MultipartReader) -> None:
        self._body = body
        self._reader = reader
        self._current: BodyPart | None = None
        self._ended = False
        self._error: HTTPInputError | None = None

    def __aiter__(self) -> BodyParts:
        return self

    async def __anext__(self) -> BodyPart:
        current = self._current
        if current is not None:
            self._current = None
            while await self._next_event() is not PART_END:
                pass
        event = None if self._ended else await self._next_event()
        if isinstance(event, PartHead):
            part = self._current = BodyPart(event, self)
            return part
        self._ended = True
        # What follows the form is of no interest, but only with it the body is whole.
        while await self._body.take() is not None:
            pass
        raise StopAsyncIteration

    async def _next_event(self) -> Any:
        if self._error is not None:
            raise self._error
        reader = self._reader
        try:
            while (event := reader.next_event()) is None:
                piece = await self._body.take()
                if piece is None:
                    reader.feed_eof()
                else:
                    reader.feed(piece)
        except HTTPInputError as e:
            self._error = e
            raise
        return event

    async def _next_piece(self, part: BodyPart) -> bytes | None:
        """The next piece of ``part``, or None at its end."""
        if part is not self._current:
            raise RuntimeError(f"The part {part.name!r} was passed over")
        event = await self._next_event()
        if event is not PART_END:
            piece: bytes = event
            return piece
        self._current = None
        return None


class BodyPart:
    """One field of a form that is still on its way, as an asynchronous iterator of its pieces.

    ``name`` is that of the field and never empty.  ``filename`` is None or empty if the field is
    no file, and otherwise what the client calls it: never use it as a path.  ``content_type`` is
    what the client says of it (None: nothing).

    It can be read until the next part is asked for; then what was not read is skipped, and
    reading raises RuntimeError.  Besides, whatever reads a part raises `StreamClosedError` if the
    client goes, and `HTTPInputError` if the form turns out to be malformed or beyond a limit.
    """

    __slots__ = ("_ended", "_head", "_parts")

    def __init__(self, head: PartHead, parts: BodyParts) -> None:
        self._head = head
        self._parts = parts
        self._ended = False

    @property
    def name(self) -> str:
        return self._head.name

    @property
    def filename(self) -> str | None:
        return self._head.filename

    @property
    def content_type(self) -> str | None:
        return self._head.content_type

    @property
    def headers(self) -> HTTPHeaders:
        """All headers of the part."""
        return self._head.headers

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, filename={self.filename!r})"

    def __aiter__(self) -> BodyPart:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._take()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def _take(self) -> bytes | None:
        if self._ended:
            return None
        piece = await self._parts._next_piece(self)
        self._ended = piece is None
        return piece

    async def read(self, limit: int = DEFAULT_READ_LIMIT) -> bytes:
        """All of the part that was not read yet.

        Raises `HTTPInputError` with status 413 if that is more than ``limit`` bytes.
        """
        body = bytearray()
        while (piece := await self._take()) is not None:
            if len(body) + len(piece) > limit:
                raise self._too_large(limit)
            body += piece
        return bytes(body)

    async def save_to(
        self, target: str | os.PathLike[str] | BinaryIO, *, limit: int | None = None
    ) -> int:
        """Write what was not read yet to ``target``, and return how many bytes that was.

        ``target`` is the path of a file, or an object with a ``write`` for bytes.  Writing is done
        by threads of the loop's executor, block by block, so that a slow disk stops this request
        and no other.  A file appears, or takes the place of the one that was there, when it is
        complete; if anything fails, or the task is cancelled, nothing of it is left.  An object
        gets what has come so far, and is neither flushed nor closed.

        Raises `HTTPInputError` with status 413 beyond ``limit`` bytes (None: no bound but that of
        the body), and `OSError` for what goes wrong with the file.
        """
        run = asyncio.get_running_loop().run_in_executor
        file = PartFile(target)
        total = size = 0
        pieces: list[bytes] = []
        try:
            while (piece := await self._take()) is not None:
                total += len(piece)
                if limit is not None and total > limit:
                    raise self._too_large(limit)
                size += len(piece)
                pieces.append(piece)
                if size >= SAVE_BLOCK or len(pieces) >= _MOST_PIECES:
                    await run(None, file.write, pieces, False)
                    pieces = []
                    size = 0
            await run(None, file.write, pieces, True)
        except GeneratorExit:
            file.discard()
            raise
        except BaseException:
            await run(None, file.discard)
            raise
        return total

    def _too_large(self, limit: int) -> HTTPInputError:
        return HTTPInputError(f"The part {self.name!r} has more than {limit} bytes", TOO_LARGE)
