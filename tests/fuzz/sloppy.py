"""Readers of requests as proxies have them: each forgives something.

What is as RFC 9112 has it, all of them understand alike.  Hence whatever our server takes has to
mean the same to every one of them: where it does not, a proxy and our server can be made to
disagree over where a request ends, and that is how one request is smuggled in another.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random

__all__ = ["Habits", "Request", "requests_of"]

Request = tuple[bytes, bytes, bytes]
"""Method, target, and body."""


class Lost(Exception):
    """Even a sloppy reader does not know how to go on."""


@dataclass(frozen=True)
class Habits:
    """What a reader forgives."""

    bare_lf: bool  # ends a line
    bare_cr: bool  # ends a line
    nul_ends: bool  # a line, as strings of C have it
    folds: bool  # a line that begins with a blank goes on with the one before
    trims_names: bool  # of white space before the colon
    any_blank: bool  # counts as white space: vertical tabs, form feeds, and Latin-1's
    last_wins: bool  # of several fields of a name
    length_first: bool  # before Transfer-Encoding
    guesses_chunked: bool  # from any coding that has the word in it
    loose_numbers: bool  # with signs, underscores, prefixes, and what stands behind a blank
    skips_line_ends: bool  # behind a chunk, whatever there is

    @classmethod
    def of(cls, random: Random) -> Habits:
        """Some habits."""
        return cls(*[random.random() < 0.4 for _ in fields(cls)])


class Reader:
    """Reads ``data`` from the front."""

    def __init__(self, data: bytes, habits: Habits) -> None:
        self._data = data
        self._habits = habits
        self._pos = 0
        self.at_end = not data

    def line(self) -> bytes:
        """The next line without its end."""
        data, start, habits = self._data, self._pos, self._habits
        for i in range(start, len(data)):
            if data[i : i + 2] == b"\r\n":
                end = i + 2
            elif (habits.bare_lf and data[i] == 10) or (habits.bare_cr and data[i] == 13):
                end = i + 1
            else:
                continue
            self._go_to(end)
            line = data[start:i]
            return line.partition(b"\0")[0] if habits.nul_ends else line
        raise Lost

    def take(self, size: int) -> bytes:
        start = self._pos
        if size < 0 or start + size > len(self._data):
            raise Lost
        self._go_to(start + size)
        return self._data[start : start + size]

    def _go_to(self, pos: int) -> None:
        self._pos = pos
        self.at_end = pos == len(self._data)

    def strip(self, text: bytes) -> bytes:
        return (
            text.decode("latin-1").strip().encode("latin-1")
            if self._habits.any_blank
            else (text.strip(b" \t"))
        )

    def number(self, text: bytes, base: int) -> int:
        if self._habits.loose_numbers:
            text = (text.split() or [b""])[0].partition(b",")[0]
        elif not text.isalnum():
            raise Lost
        try:
            return int(text, base)
        except ValueError:
            raise Lost from None

    def request(self) -> Request | None:
        """The next request; None if there are but empty lines."""
        habits = self._habits
        first = b""
        while not first:
            if self.at_end:
                return None
            first = self.line()
        words = first.split() if habits.any_blank else first.split(b" ")
        if len(words) != 3:
            raise Lost
        headers = self._headers()
        coding = headers.get(b"transfer-encoding", b"")
        length = headers.get(b"content-length")
        chunked = coding.lower() == b"chunked"
        if habits.guesses_chunked:
            chunked = b"chunked" in coding.lower()
        if length is not None and (habits.length_first or not chunked):
            body = self.take(self.number(length, 10))
        else:
            body = self._chunks() if chunked else b""
        return words[0], words[1], body

    def _headers(self) -> dict[bytes, bytes]:
        habits = self._habits
        found: dict[bytes, bytes] = {}
        name = b""
        while line := self.line():
            if line[:1] in (b" ", b"\t") and habits.folds and name:
                found[name] += b" " + self.strip(line)
                continue
            name, colon, value = line.partition(b":")
            if not colon:
                continue
            name = name.lower()
            if habits.trims_names:
                name = self.strip(name)
            if name not in found or habits.last_wins:
                found[name] = self.strip(value)
        return found

    def _chunks(self) -> bytes:
        body = b""
        while True:
            digits, _, _ = self.line().partition(b";")
            if self._habits.any_blank:
                digits = self.strip(digits)
            size = self.number(digits, 16)
            if not size:
                self._headers()
                return body
            body += self.take(size)
            if self._habits.skips_line_ends:
                self.take(2)
            elif self.line():
                raise Lost


def requests_of(data: bytes, habits: Habits) -> list[Request] | None:
    """The requests in ``data``; None if the reader loses its way."""
    reader = Reader(data, habits)
    found = []
    try:
        while (request := reader.request()) is not None:
            found.append(request)
    except Lost:
        return None
    return found
