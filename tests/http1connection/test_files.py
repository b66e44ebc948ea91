"""Files as bodies are counted as all bodies are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.web.support import application, run, serving

from tornadic.http.errors import HTTPOutputError
from tornadic.http1connection.files import send_file
from tornadic.web import RequestHandler


@pytest.mark.parametrize(
    ("declared", "count", "fits"), [("5", 5, True), ("5", 6, False), (None, 5, False)]
)
def test_no_more_than_was_declared(
    tmp_path: Path, declared: str | None, count: int, fits: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    failed: list[type[BaseException]] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            if declared is not None:
                self.set_header("Content-Length", declared)
            await self.flush()
            with path.open("rb") as file:
                try:
                    await send_file(self.request.connection, file.fileno(), 0, count)  # type: ignore[arg-type]
                except HTTPOutputError as e:
                    failed.append(type(e))

    async def main() -> None:
        async with serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.response_head()
            if fits:
                assert await client.reader.readexactly(5) == b"01234"
            else:
                assert b"0123" not in await client.rest()
            await asyncio.sleep(0)

    run(main)
    assert failed == ([] if fits else [HTTPOutputError])
