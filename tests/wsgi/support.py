"""Applications to serve, and one call that serves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any

from tests.web.support import Fields, Response, run, serving

from tornadic.wsgi import WSGIContainer

Headers = list[tuple[str, str]]
Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]

PLAIN: Headers = [("Content-Type", "text/plain")]


def answer(
    app: App,
    executor: Executor | None = None,
    target: str = "/",
    method: str = "GET",
    headers: Fields = (),
    body: bytes = b"",
    **options: Any,
) -> Response:
    """The response of ``app`` to one request; ``options`` are the server's."""

    async def main() -> Response:
        async with serving(WSGIContainer(app, executor), **options) as server:
            return await server.fetch(target, method, headers, body)

    return run(main)


def saying(*blocks: bytes, status: str = "200 OK", headers: Headers | None = None) -> App:
    """An application that answers with ``blocks``, a list."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(PLAIN if headers is None else headers))
        return list(blocks)

    return app


class Blocks:
    """An iterable that notes what was asked of it."""

    def __init__(self, *blocks: Any) -> None:
        self.left = list(blocks)
        self.closed = 0

    def __iter__(self) -> Blocks:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        block = self.left.pop(0)
        if isinstance(block, Exception):
            raise block
        return block

    def close(self) -> None:
        self.closed += 1
