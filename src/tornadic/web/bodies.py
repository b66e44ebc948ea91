"""The body of a request, read by the handler itself while it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from tornadic.http.forms import ParseMultipartConfig, multipart_reader
from tornadic.web.incoming import IncomingBody
from tornadic.web.parts import BodyPart, BodyParts

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest

__all__ = ["BodyMixin"]


class BodyMixin:
    """The part of a handler that reads its body piece by piece."""

    request: HTTPServerRequest

    _incoming: IncomingBody | None = None

    def stream_body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, while it comes::

            @stream_request_body
            class UploadHandler(RequestHandler):
                async def put(self):
                    digest = hashlib.sha256()
                    async for chunk in self.stream_body():
                        digest.update(chunk)
                    self.write(digest.hexdigest())

        For a class under `.stream_request_body` that defines no ``data_received``; its method is
        called when the head has come, and the client is not asked for more than the handler
        takes.  Pieces are as they come, at most ``chunk_size`` bytes and never empty.  Whoever
        breaks off may go on later by another call; what nobody reads is thrown away when the
        request is answered.

        Raises RuntimeError for any other class.  While iterating it raises `.StreamClosedError`
        if the client goes before the end (which needs not be caught: nobody is left to answer),
        and RuntimeError if the request was answered before.  A body that is malformed or larger
        than the connection's ``max_body_size`` is answered by the connection.
        """
        return self._find_incoming("stream_body")

    def stream_parts(
        self, *, config: ParseMultipartConfig | None = None, max_size: int | None = None
    ) -> AsyncIterator[BodyPart]:
        """The fields and files of a ``multipart/form-data`` body, one by one, while they come::

            @stream_request_body
            class UploadHandler(RequestHandler):
                async def post(self):
                    async for part in self.stream_parts():
                        if part.name == "photo":
                            await part.save_to(f"/srv/photos/{uuid.uuid4()}")
                        elif part.name == "title":
                            title = (await part.read(1000)).decode()

        Classes and errors are as for `stream_body`; see `.BodyPart` for what can be done with a
        part.  What is not read of a part is skipped when the next is asked for.  No more than a
        piece is held in memory at any time.

        ``config`` bounds the number of parts and their headers (None: as
        `.set_parse_body_config` has it), ``max_size`` the whole body, in bytes (None: only the
        connection's ``max_body_size`` does).

        Besides it raises `.HTTPInputError`, which becomes the status of the answer unless it is
        caught: 415 if the body is no such form, 400 if it is malformed, 413 beyond a limit.
        """
        incoming = self._find_incoming("stream_parts")
        reader = multipart_reader(self.request.headers, config=config, max_size=max_size)
        return BodyParts(incoming, reader)

    def _find_incoming(self, method: str) -> IncomingBody:
        if self._incoming is None:
            raise RuntimeError(
                f"{method}() is for a class with @stream_request_body that has no data_received"
            )
        return self._incoming
