"""Files as bodies: counted like all that is written, and sent by the stream itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornadic.http.errors import HTTPOutputError

if TYPE_CHECKING:
    from tornadic.http1connection.connection import HTTP1Connection

__all__ = ["send_file"]


async def send_file(connection: HTTP1Connection, fd: int, offset: int, count: int) -> None:
    """Write ``count`` bytes of the file ``fd``, as `HTTP1Connection.write` would; see there.

    Behind `HTTP1Connection.write_headers` with a ``Content-Length``, else `HTTPOutputError`, as
    if it were too much.  What the stream raises, `IOStream.send_file` says.
    """
    writer = connection._writer
    if writer.left is None or count > writer.left:
        connection.stream.close()
        raise HTTPOutputError("Tried to write more data than Content-Length")
    writer.left -= count
    await connection.stream.send_file(fd, offset, count)
