"""A hostile server on the loopback, and a client of ours that has to live with it.

The client asks twice.  To the first request the server says what the fuzzer has made; whatever it
was, the second one gets the answer that was meant for it: nothing that came before can pass for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from tests.fuzz.reference import Conversation, Limits, Message, values_of
from tests.fuzz.serving import MOST_PIECES, PATIENCE

from tornadic.http.reader import ReaderLimits
from tornadic.httpclient import HTTPClientError, HTTPResponse
from tornadic.iostream import UnsatisfiableReadError
from tornadic.simple_httpclient import HTTPStreamClosedError, SimpleAsyncHTTPClient

__all__ = ["Case", "HostileServer"]

MOST_INFORMATIONAL = 10
"""1xx responses that come before the answer."""

UNASKED = b"HTTP/1.1 200 OK\r\nOwn: nobody's\r\nContent-Length: 0\r\n\r\n"

DOCUMENTED = (HTTPStreamClosedError, UnsatisfiableReadError, ConnectionError)


@dataclass(frozen=True)
class Case:
    """What the server says to a request of ``method``, and whether it then hangs up."""

    pieces: list[bytes]
    method: str
    closes: bool

    def __repr__(self) -> str:
        """As short as it can be, to be tried again."""
        sizes = [len(piece) for piece in self.pieces]
        cut = sizes if max(sizes, default=1) > 1 else "bytewise"
        return f"Case({self.data!r}, {cut}, {self.method}, closes={self.closes})"

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


class HostileServer:
    """Says what it is told to, to the clients that it has itself; ``limits`` are theirs."""

    def __init__(self, limits: ReaderLimits) -> None:
        self.limits = Limits(limits.max_header_size, limits.max_body_size)
        self._client = SimpleAsyncHTTPClient(
            force_instance=True,
            max_clients=1,
            max_header_size=limits.max_header_size,
            max_body_size=limits.max_body_size,
        )
        self._server: asyncio.Server | None = None
        self._port = 0
        self._count = 0
        self.case = Case([], "GET", True)
        self._said = asyncio.Event()
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._client.close()
        assert self._server is not None
        self._server.close()
        while self._connections:
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST"):
                    await reader.readexactly(4)
                if b" /next/" in head:
                    own = head.split()[1]
                    writer.write(b"HTTP/1.1 200 OK\r\nOwn: %b\r\nContent-Length: 0\r\n\r\n" % own)
                    continue
                await self._say(writer, self.case)
                if self.case.closes:
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass
            self._connections.discard(writer)

    async def _say(self, writer: asyncio.StreamWriter, case: Case) -> None:
        try:
            await self._send(writer, case)
        finally:
            self._said.set()

    async def _send(self, writer: asyncio.StreamWriter, case: Case) -> None:
        pieces = case.pieces
        step = max(1, len(pieces) // MOST_PIECES)
        for i in range(0, len(pieces), step):
            writer.write(b"".join(pieces[i : i + step]))
            await asyncio.sleep(0)
            await writer.drain()

    async def check(self, pieces: list[bytes], random: Random) -> None:
        """The client has understood what was said, or refused it; and the next answer is the next.

        The server hangs up in any case where the client may wait for more.
        """
        method = random.choice(["GET", "GET", "HEAD", "POST"])
        data = b"".join(pieces)
        closes = random.random() < 0.5 or self._answer(data, method, eof=False) is None
        self.case = Case(pieces, method, closes)
        self._said.clear()
        async with asyncio.timeout(PATIENCE):
            found = await self._fetch("/fuzzed", method)
            self._compare(found)
            assert not self._client.active and not self._client.queue
            self._count += 1
            own = f"/next/{self._count}"
            # What comes after the next request has left can be told from its answer by nobody.
            await self._said.wait()
            if not closes and random.random() < 0.3:
                # This comes before, though the client's loop has had no turn to see it.
                for writer in self._connections:
                    writer.write(UNASKED)
            following = await self._fetch(own, "GET")
        assert isinstance(following, HTTPResponse), following
        assert (following.code, following.headers.get("Own")) == (200, own), "not its answer"

    async def _fetch(self, path: str, method: str) -> HTTPResponse | Exception:
        try:
            return await self._client.fetch(
                f"http://127.0.0.1:{self._port}{path}",
                method=method,
                body=b"body" if method == "POST" else None,
                follow_redirects=False,
                decompress_response=False,
                raise_error=False,
            )
        except (HTTPClientError, UnsatisfiableReadError, OSError) as e:
            return e

    def _answer(self, data: bytes, method: str, eof: bool) -> Message | None:
        """The answer by the reference, if it is there to its end."""
        said = Conversation(data, self.limits, methods=[method.encode()], eof=eof)
        for number, message in enumerate(said.messages):
            code = int(message.start[1])
            if (code < 200 or code == 204) and claims_a_body(message):
                return None
            if code < 200 and code != 101:
                if number >= MOST_INFORMATIONAL:
                    return None
                continue
            return message if message.complete else None
        return None

    def _compare(self, found: HTTPResponse | Exception) -> None:
        case = self.case
        due = self._answer(case.data, case.method, eof=case.closes)
        if isinstance(found, Exception):
            assert isinstance(found, DOCUMENTED), repr(found)
            assert due is None, f"what is valid was refused: {found!r}"
            return
        assert due is not None, f"what is invalid was taken: {found.code} {found.body!r}"
        assert found.code == int(due.start[1])
        assert found.body == due.body
        fields = [(name.lower(), value) for name, value in found.headers.get_all()]
        expected = [(name.decode(), value.decode("latin-1")) for name, value in due.fields]
        assert sorted(fields) == sorted(expected)


def claims_a_body(message: Message) -> bool:
    """Whether a message that has no body says that it has one (RFC 9110 section 8.6)."""
    lengths = values_of(message, b"content-length")
    return bool(values_of(message, b"transfer-encoding")) or lengths not in ([], [b"0"])
