"""A real server on the loopback, and one connection after another that sends it streams."""

from __future__ import annotations

import asyncio
import logging
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fuzz.reference import Conversation, Limits, Message, Verdict

from tornadic.http.reader import ReaderLimits
from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.web import Application, RequestHandler

PATIENCE = 20.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
MOST_PIECES = 30
STATUSES = {100, 200, 304, 400, 404, 405, 413, 417, 431, 501, 505}
NO_LIMITS = Limits(1 << 30, 1 << 30)


class Recorder(RequestHandler):
    """Answers everything with its body, and notes what it was asked."""

    def get(self) -> None:
        request = self.request
        self.settings["seen"].append((request.method, request.uri, request.body))
        self.write(request.body or b"ok")

    head = post = put = delete = patch = options = get


class Faults(logging.Handler):
    """Keeps the records that no request may cause."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # A warning of asyncio is that the client of the test writes to a server that has hung up.
        grave = record.levelno >= logging.ERROR or record.exc_info or record.stack_info
        message = record.getMessage()
        if grave or any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in message):
            self.records.append(message + str(record.exc_info or ""))


@contextmanager
def watched_logs() -> Iterator[Faults]:
    """Take what is logged, and let nobody else keep it."""
    faults = Faults()
    loggers = [logging.getLogger("tornado"), logging.getLogger("asyncio")]
    before = [(logger.propagate, logger.level) for logger in loggers]
    for logger, level in zip(loggers, (logging.DEBUG, logging.WARNING), strict=True):
        logger.addHandler(faults)
        logger.propagate = False
        logger.setLevel(level)
    try:
        yield faults
    finally:
        for logger, (propagate, level) in zip(loggers, before, strict=True):
            logger.removeHandler(faults)
            logger.propagate = propagate
            logger.setLevel(level)


class FuzzedServer:
    """Serves a `Recorder` within ``limits``; there is a bystander who is never disturbed."""

    def __init__(self, limits: ReaderLimits) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.limits = Limits(limits.max_header_size, limits.max_body_size)
        application = Application([(".*", Recorder)], seen=self.seen)
        self._server = HTTPServer(
            application,
            max_header_size=limits.max_header_size,
            max_body_size=limits.max_body_size,
            chunk_size=limits.chunk_size,
        )
        [sock] = bind_sockets(0, "127.0.0.1")
        self._server.add_socket(sock)
        self._port: int = sock.getsockname()[1]
        self._bystander: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def close(self) -> None:
        if self._bystander is not None:
            self._bystander[1].close()
            await self._bystander[1].wait_closed()
        self._server.stop()
        await self._server.close_all_connections()

    async def exchange(self, pieces: list[bytes]) -> bytes | None:
        """Send ``pieces`` on a connection, close its half of it, and return what comes back.

        None if the connection was reset.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        step = max(1, len(pieces) // MOST_PIECES)
        try:
            async with asyncio.timeout(PATIENCE):
                for i in range(0, len(pieces), step):
                    writer.write(b"".join(pieces[i : i + step]))
                    await asyncio.sleep(0)
                await writer.drain()
                writer.write_eof()
                return await reader.read()
        except TimeoutError:
            raise
        except OSError:
            return None
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass

    async def serves_others(self) -> None:
        """A connection that was open all the time gets its answer."""
        async with asyncio.timeout(PATIENCE):
            if self._bystander is None or self._bystander[0].at_eof():
                self._bystander = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._bystander
            writer.write(b"GET /bystander HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(2) == b"ok"
        del self.seen[:]

    async def check(self, data: bytes, pieces: list[bytes]) -> None:
        """Only what the reference takes for a request was run, and everything is answered."""
        asked = Conversation(data, self.limits)
        del self.seen[:]
        wire = await self.exchange(pieces)
        complete = [message for message in asked.messages if message.complete]
        due = before_the_close(complete)
        self._check_seen(due)
        if wire is None:
            # Only who asked to close, and sends more, may be cut off.
            assert not all(message.keep_alive for message in asked.messages), "reset"
            return
        methods = [message.start[0] for message in complete] or [b"GET"]
        answers = Conversation(wire, NO_LIMITS, methods=[*methods, b"GET"], eof=True)
        assert answers.verdict is Verdict.CLEAN, "the answers are malformed"
        statuses = [int(answer.start[1]) for answer in answers.messages]
        assert STATUSES.issuperset(statuses), statuses
        finals = [status for status in statuses if status != 100]
        refused = asked.verdict is not Verdict.CLEAN
        assert len(finals) <= len(due) + refused, "more answers than requests"
        # A server may close whenever it says so.
        closed = bool(finals) and not answers.messages[-1].keep_alive
        assert closed or len(finals) >= len(due), "not an answer for each request"
        assert finals.count(200) + finals.count(304) == len(self.seen)

    def _check_seen(self, due: list[Message]) -> None:
        expected = [one for one in due if hasattr(Recorder, one.start[0].decode().lower())]
        expected = [one for one in expected if one.start[0].decode() in Recorder.SUPPORTED_METHODS]
        assert len(self.seen) <= len(expected), "a request that was none was run"
        for (method, target, body), message in zip(self.seen, expected, strict=False):
            assert method.encode() == message.start[0]
            assert body == message.body
            if message.start[1][:1] == b"/":
                assert target.encode("latin-1") == message.start[1]


def before_the_close(messages: list[Message]) -> list[Message]:
    """Those up to the first one that ends its connection."""
    for i, message in enumerate(messages):
        if not message.keep_alive:
            return messages[: i + 1]
    return messages


def run(coroutine: Any) -> None:
    """Run on a loop of its own."""
    with asyncio.Runner() as runner:
        runner.run(coroutine)
