"""Fuzzes the reader of multipart bodies: see `tests.fuzz.campaign`."""

from __future__ import annotations

from random import Random

from tests.fuzz.campaign import campaign
from tests.http.multiparts import FIELD, LAST, expected, reading

PIECES = [
    FIELD,
    FIELD,
    LAST,
    b"--1234",
    b"\r\n--1234",
    b"\r\n--1234\r\n",
    b"--1234--",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"--",
    b"--12",
    b" ",
    b"\t",
    b'Content-Disposition: form-data; name="b"',
    b'Content-Disposition: form-data; name=b; filename="c"',
    b"Content-Type: text/plain",
    b"X: y",
    b"\xff",
    b'"',
    b";",
    b"name*0*=utf-8''%41",
]


def test_forms_are_read_as_by_cutting_them_to_pieces() -> None:
    for grammar in campaign("multipart", 0.1):
        data = form(grammar.random)
        pieces = grammar.cut(data)
        try:
            check(data, pieces)
        except Exception as e:
            e.add_note(f"check({data!r}, {pieces!r})")
            raise


def form(random: Random) -> bytes:
    """A form that is right in most places."""
    pieces = random.choices(PIECES, k=random.randint(0, 10))
    if random.random() < 0.8:
        pieces.insert(0, FIELD)
    if random.random() < 0.8:
        pieces.append(random.choice([LAST, b"\r\n" + LAST]))
    data = bytearray(b"".join(pieces))
    if data and random.random() < 0.3:
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


def check(data: bytes, pieces: list[bytes]) -> None:
    """One form: whole and in pieces it is the same, and as the other way has it."""
    found = reading([data])
    assert reading(pieces) == found
    model = expected(data)
    assert (found == model) if isinstance(found, list) else (model is None)
