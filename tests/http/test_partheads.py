"""The head of a part: what browsers write is read quickly, and as all else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.errors import HTTPInputError
from tornadic.http.partheads import PartHead, _match_usual, _read_unusual, read_part_head

NAMED = b'Content-Disposition: form-data; name="'


def outcome(head: PartHead) -> tuple[object, ...]:
    return head.name, head.filename, head.content_type, list(head.headers.get_all())


@pytest.mark.parametrize(
    ("block", "name", "filename", "content_type"),
    [
        (NAMED + b'a"', "a", None, None),
        (NAMED + b'a"; filename=""', "a", "", None),
        (NAMED + b'a b"; filename="c;d=e.txt"', "a b", "c;d=e.txt", None),
        (NAMED + b'a"\r\nContent-Type: text/plain', "a", None, "text/plain"),
        (
            NAMED + '日"; filename="é"\r\nContent-Type: text/html; charset=x'.encode(),
            "日",
            "é",
            "text/html; charset=x",
        ),
    ],
)
def test_the_usual_ones(
    block: bytes, name: str, filename: str | None, content_type: str | None
) -> None:
    assert _match_usual(block)
    head = read_part_head(block)
    assert (head.name, head.filename, head.content_type) == (name, filename, content_type)
    assert head.headers["content-disposition"].startswith("form-data; name=")
    assert outcome(head) == outcome(_read_unusual(block))


@pytest.mark.parametrize(
    "block",
    [
        NAMED + b'a\\"b"',
        NAMED + b'a\tb"',
        NAMED + b'a"; filename="C:\\x"',
        NAMED + b'a" ',
        NAMED + b'a"\r\nContent-Type:  text/plain',
        NAMED + b'a"\r\nContent-Type: text/plain ',
        NAMED + b'a"\r\nContent-Type: text/\xc3\xa9',
        NAMED + b'a"\r\nX: y',
        NAMED.lower() + b'a"',
        b"Content-Type: text/plain\r\n" + NAMED + b'a"',
    ],
)
def test_the_others_are_read_in_full(block: bytes) -> None:
    assert not _match_usual(block)
    assert read_part_head(block).name


@pytest.mark.parametrize("control", [b"\r", b"\n", b"\0", b"\x7f", b"\x1f"])
@pytest.mark.parametrize("where", [b'%s"', b'a"; filename="%s"', b'a"\r\nContent-Type: a%sb'])
def test_no_control_character_gets_in(where: bytes, control: bytes) -> None:
    with pytest.raises(HTTPInputError):
        read_part_head(NAMED + where % control)


PIECES = [
    NAMED,
    b'"',
    b'a"',
    b"a",
    b'; filename="',
    b"\r\nContent-Type: ",
    b"text/plain",
    b";",
    b" ",
    b"\\",
    b"\t",
    b"\r\n",
    b"\xc3\xa9",
    b"\xff",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=2), max_size=8).map(b"".join))
def test_both_ways_agree(rest: bytes) -> None:
    for block in (NAMED + b'a"' + rest, NAMED + rest, rest):
        try:
            full = outcome(_read_unusual(block))
        except HTTPInputError as e:
            with pytest.raises(HTTPInputError) as caught:
                read_part_head(block)
            assert str(caught.value) == str(e)
        else:
            assert outcome(read_part_head(block)) == full
