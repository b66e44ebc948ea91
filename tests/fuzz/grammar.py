"""Makes streams of HTTP messages, good ones and such as an attacker would send.

Everything comes of one `random.Random`, so that a seed stands for all of it.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Final

STARTS: Final = [
    b"GET / HTTP/1.1",
    b"GET / HTTP/1.1",
    b"GET /a/b?c=d HTTP/1.1",
    b"POST /form HTTP/1.1",
    b"PUT /a HTTP/1.1",
    b"HEAD / HTTP/1.1",
    b"DELETE /a HTTP/1.0",
    b"GET / HTTP/1.0",
    b"OPTIONS * HTTP/1.1",
    b"GET http://example.com/a HTTP/1.1",
    b"CONNECT example.com:443 HTTP/1.1",
    b"BREW /pot HTTP/1.1",
]
BAD_STARTS: Final = [
    b"GET /",
    b"GET  / HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"GET / HTTP/2.0",
    b"GET / http/1.1",
    b"GET * HTTP/1.1",
    b"GET a HTTP/1.1",
    b"GET\t/ HTTP/1.1",
    b"G(T / HTTP/1.1",
    b"CONNECT / HTTP/1.1",
    b"GET http:///a HTTP/1.1",
]
STATUSES: Final = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 404 Not Found",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 103 Early Hints",
    b"HTTP/1.1 500",
    b"HTTP/1.1 206 ",
]
BAD_STATUSES: Final = [
    b"HTTP/1.1 20 OK",
    b"HTTP/1.1  200 OK",
    b"HTTP/2.0 200 OK",
    b"HTTP/1.1 2OO OK",
    b"ICY 200 OK",
    b"<html>",
]
FIELDS: Final = [
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
    b"Accept: text/html,*/*;q=0.8",
    b"Accept-Encoding: gzip, deflate",
    b"Accept-Language: en",
    b"Connection: keep-alive",
    b"Cookie: a=1; b=2",
    b"Cookie: a=1; b=3",
    b"Cookie: " + b"c" * 1100,
    b"X-A: 1",
    b"x-a:2",
    b"X-Latin: \xe9\xff",
    b"Empty:",
    b"If-None-Match: *",
    b"Cache-Control:\tmax-age=0 ",
    b"Content-Type: application/x-www-form-urlencoded",
]
FRAMING_FIELDS: Final = [
    b"Connection: close",
    b"connection: Close, x",
    b"Connection: Keep-Alive",
    b"Expect: 100-continue",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Host: example.com",
]
BAD_FIELDS: Final = [
    b"Content-Length: 5, 5",
    b"Content-Length: +5",
    b"Content-Length: 0x5",
    b"Content-Length: 5 5",
    b"Content-Length:",
    b"Content-Length : 5",
    b"Content-Length: 1111111111111111",
    b"Content-Length: 99999999999",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: chunked\rX: 1",
    b" folded: 1",
    b"\tfolded",
    b"no colon",
    b": 1",
    b"Host: a b",
    b"Host: a/b",
    b"Host: a:99999",
    b"X: \x00",
    b"X: a\nY: b",
    b"X\xe9: 1",
    b"",
]
BAD_FRAMING: Final = [
    b"Content-Length: -5",
    b"Content-Length: 5;",
    b"Content-Length: 1_0",
    b"Content-Length: 5\r\nContent-Length: 5",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Content-Length: \xb25",
    b"Content-Length\x00: 5",
    b"Content-Length:\x0b5",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: chunked,",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: chunked\xa0",
    b"Transfer-Encoding: \xe7hunked",
]
BAD_SIZES: Final = [
    b"0x%b",
    b"+%b",
    b"-%b",
    b" %b",
    b"%b ",
    b"%b\t",
    b"%b\x0b",
    b"%b_0",
    b"%bg",
    b"%b,%b",
    b"\x00%b",
]
BAD_LINE_ENDS: Final = [b"", b"\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n\r\n", b"xx", b"\x85"]
HOSTS: Final = [b"Host: example.com", b"host: a", b"Host: 127.0.0.1:8888", b"HOST:[::1]:80"]
BODIES: Final = [
    b"",
    b"x",
    b"hello",
    b"\r\n",
    b"0\r\n\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"y" * 70,
    bytes(range(256)),
]
# What one writes into the midst of something.
TOKENS: Final = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0",
    b"0\r\n\r\n",
    b"ffffffffffffffff",
    b"-",
    b"+",
    b"\x0b",
    b"\x85",
    b"\xa0",
    b"\xff",
    b"HTTP/1.1",
    b"Host: b\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
]


class Grammar:
    """Streams made with ``random``; half of them are as they should be."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def stream(self, *, of_responses: bool) -> bytes:
        """Some messages of one connection, much like one another, and perhaps corrupted."""
        random = self.random
        bad = random.random() < 0.25
        fields = [random.choice(FIELDS) for _ in range(random.randrange(6))]
        start = self._start(of_responses, False)
        parts = []
        for _ in range(random.choice([1, 1, 2, 3, 4, 6])):
            if random.random() < 0.5:
                start = self._start(of_responses, bad)
            if random.random() < 0.5:
                self._change(fields)
            parts.append(self._message(start, fields, of_responses, bad))
        data = b"".join(parts)
        if random.random() < 0.4:
            data = self.mutate(data)
        return data

    def _start(self, of_responses: bool, bad: bool) -> bytes:
        random = self.random
        if bad and random.random() < 0.3:
            return random.choice(BAD_STATUSES if of_responses else BAD_STARTS)
        return random.choice(STATUSES if of_responses else STARTS)

    def _change(self, fields: list[bytes]) -> None:
        random = self.random
        if fields and random.random() < 0.4:
            del fields[random.randrange(len(fields))]
        else:
            fields.insert(random.randrange(len(fields) + 1), random.choice(FIELDS))

    def _message(self, start: bytes, fields: list[bytes], of_responses: bool, bad: bool) -> bytes:
        random = self.random
        lines = list(fields)
        if not of_responses:
            lines.insert(0, random.choice(HOSTS) if random.random() < 0.3 else HOSTS[0])
        body = b""
        kind = random.random()
        if kind < 0.3:
            body = random.choice(BODIES)
            lines.append(b"Content-Length: %d" % len(body))
        elif kind < 0.6 and b"HTTP/1.0" not in start:
            lines.append(
                random.choice([b"Transfer-Encoding: chunked"] * 3 + [b"TRANSFER-encoding:CHUNKED"])
            )
            body = self._chunks(bad)
        elif of_responses and kind < 0.7:
            body = random.choice(BODIES)
        if random.random() < 0.2:
            lines.insert(random.randrange(len(lines) + 1), random.choice(FRAMING_FIELDS[:4]))
        if bad and random.random() < 0.4:
            pool = random.choice([BAD_FIELDS, BAD_FIELDS, BAD_FRAMING, FRAMING_FIELDS])
            lines.insert(random.randrange(len(lines) + 1), random.choice(pool))
        head = b"\r\n".join([start, *lines, b"", b""])
        return b"\r\n" * (random.random() < 0.05) + head + body

    def _chunks(self, bad: bool) -> bytes:
        random = self.random
        end = random.choice(BAD_LINE_ENDS) if bad and random.random() < 0.5 else b"\r\n"
        wire = b""
        for _ in range(random.choice([0, 1, 1, 2, 3, 30])):
            piece = random.choice(BODIES[1:])[: random.choice([1, 5, 300])]
            digits = b"%x" % len(piece)
            if random.random() < 0.2:
                digits = digits.upper().zfill(random.choice([2, 8, 16, 17]))
            extension = random.choice(
                [b"", b"", b"", b";", b';a="b"', b"; \xff", b";" + b"e" * 253]
            )
            if bad and random.random() < 0.2:
                digits = random.choice(BAD_SIZES).replace(b"%b", digits)
            # One of the two at most: if both were wrong, whoever takes the first is not found out.
            first, second = random.choice([(end, b"\r\n"), (b"\r\n", end)])
            wire += digits + extension + first + piece + second
            end = b"\r\n"
        trailers = random.choice([b"", b"", b"", b"X: 1\r\n", b"Content-Length: 5\r\nX:\r\n"])
        return wire + random.choice([b"0", b"0", b"000", b"0;x"]) + b"\r\n" + trailers + b"\r\n"

    def mutate(self, data: bytes) -> bytes:
        """``data`` with a few faults."""
        random = self.random
        wire = bytearray(data)
        for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
            place = random.randrange(len(wire) + 1)
            size = random.choice([1, 1, 2, 5, 40])
            kind = random.randrange(6)
            if kind == 0:
                wire[place : place + 1] = bytes([random.randrange(256)])
            elif kind == 1:
                wire[place:place] = random.choice(TOKENS)
            elif kind == 2:
                del wire[place : place + size]
            elif kind == 3:
                wire[place:place] = wire[place : place + size]
            elif kind == 4:
                wire[place : place + size] = random.choice(TOKENS)
            elif random.random() < 0.3:
                del wire[place:]
            else:
                there = random.randrange(len(wire) + 1)
                piece = wire[there : there + size]
                wire[place:place] = piece
        return bytes(wire)

    def cut(self, data: bytes) -> list[bytes]:
        """``data`` in the pieces in which it arrives."""
        random = self.random
        kind = random.random()
        if kind < 0.25:
            return [data[i : i + 1] for i in range(len(data))]
        places = sorted(
            random.randrange(len(data) + 1) for _ in range(random.choice([1, 2, 5, 20]))
        )
        bounds = [0, *places, len(data)]
        return [data[a:b] for a, b in pairwise(bounds) if a < b]
