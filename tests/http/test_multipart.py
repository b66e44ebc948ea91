"""Multipart bodies: what browsers send arrives whole, the rest is refused whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http.errors import HTTPInputError
from tornadic.http.forms import (
    HTTPFile,
    ParseMultipartConfig,
    parse_body_arguments,
    parse_multipart_form_data,
)
from tornadic.http.parameters import _parse_header

Form = tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]


def part(headers: str | bytes, body: bytes = b"x", boundary: bytes = b"1234") -> bytes:
    if isinstance(headers, str):
        headers = headers.encode()
    return b"--" + boundary + b"\r\n" + headers + b"\r\n\r\n" + body + b"\r\n"


FIELD = part('Content-Disposition: form-data; name="a"')
END = b"--1234--\r\n"


def parse(data: bytes, boundary: bytes = b"1234", **limits: Any) -> Form:
    form: Form = ({}, {})
    config = ParseMultipartConfig(**limits) if limits else None
    parse_multipart_form_data(boundary, data, *form, config=config)
    return form


def refuse(data: bytes, why: str, boundary: bytes = b"1234", **limits: Any) -> None:
    form: Form = ({"kept": [b"1"]}, {})
    with pytest.raises(HTTPInputError, match=why) as caught:
        config = ParseMultipartConfig(**limits) if limits else None
        parse_multipart_form_data(boundary, data, *form, config=config)
    assert caught.value.status == 400
    assert form == ({"kept": [b"1"]}, {})


def test_fields_and_files() -> None:
    data = (
        part('Content-Disposition: form-data; name="a"', b"1")
        + part('Content-Disposition: form-data; name="f"; filename="x.txt"', b"\r\n\0")
        + part('content-disposition:form-data;name=a', b"")
        + part(
            'Content-Type: text/plain; charset=utf-8\r\n'
            'Content-Disposition: form-data; name="f"; filename="y"',
            b"-\r\n-1234",
        )
        + END
    )  # fmt: skip
    arguments, files = parse(data)
    assert arguments == {"a": [b"1", b""]}
    first, second = files["f"]
    assert (first.filename, first.body) == ("x.txt", b"\r\n\0")
    assert first.content_type == "application/unknown"
    assert (second["filename"], second["body"]) == ("y", b"-\r\n-1234")
    assert second["content_type"] == "text/plain; charset=utf-8"


def test_fields_are_added_to_what_is_there() -> None:
    arguments = {"a": [b"0"]}
    parse_multipart_form_data(b"1234", FIELD + END, arguments, {})
    assert arguments == {"a": [b"0", b"x"]}


@pytest.mark.parametrize("data", [END, b"--1234--", b"--1234\r\n--1234--"])
def test_an_empty_form(data: bytes) -> None:
    assert parse(data) == ({}, {})


@pytest.mark.parametrize(
    "end", [b"--1234--", END, END + b"epilogue", b"--1234-- \t\r\n", END + FIELD + END]
)
def test_nothing_after_the_final_boundary_counts(end: bytes) -> None:
    assert parse(FIELD + end) == ({"a": [b"x"]}, {})


def test_an_empty_body_may_share_its_line_end() -> None:
    assert parse(FIELD.replace(b"x\r\n", b"") + END) == ({"a": [b""]}, {})


def test_the_boundary_may_come_in_quotes() -> None:
    assert parse(FIELD + END, b'"1234"') == ({"a": [b"x"]}, {})


def test_a_boundary_within_a_line_is_data() -> None:
    data = FIELD.replace(b"x\r\n", b"x--1234--\r\n\n--1234\r\n") + END
    assert parse(data) == ({"a": [b"x--1234--\r\n\n--1234"]}, {})


def test_a_file_field_left_empty_is_a_field() -> None:
    data = part('Content-Disposition: form-data; name="f"; filename=""', b"") + END
    assert parse(data) == ({"f": [b""]}, {})


@pytest.mark.parametrize(
    ("parameter", "filename"),
    [
        ('filename="f;g.txt"', "f;g.txt"),
        ('filename="f\\"g\\\\h"', 'f"g\\h'),
        ('filename="C:\\dir\\f.txt"', "C:\\dir\\f.txt"),
        ('filename="é.txt"', "é.txt"),
        ("filename*=utf-8''%C3%A9%20;", "é "),
        ("filename=e; filename*=UTF-8'en'%C3%A9", "é"),
        ("filename*0=a; filename*1*=%20b", "a b"),
        ('filename="../../etc/passwd"', "../../etc/passwd"),
        ('filename="%0d%0a"', "%0d%0a"),
    ],
)
def test_file_names(parameter: str, filename: str) -> None:
    data = part(f'Content-Disposition: form-data; name="f"; {parameter}') + END
    assert parse(data)[1]["f"][0].filename == filename


def test_names_in_utf_8() -> None:
    data = part('Content-Disposition: form-data; name="日本"') + END
    assert parse(data) == ({"日本": [b"x"]}, {})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "begin with the boundary"),
        (FIELD, "no final boundary"),
        (FIELD + b"--1234", "no final boundary"),
        (FIELD + b"--1234\r\n", "missing headers"),
        (FIELD[:-2] + b"--1234--", "no final boundary"),
        (FIELD + b"--123--", "no final boundary"),
        (b"\r\n" + FIELD + END, "begin with the boundary"),
        (b"preamble\r\n" + FIELD + END, "begin with the boundary"),
        (b"-" + FIELD + END, "begin with the boundary"),
        (b"--12345\r\n" + FIELD[8:] + END, "no line end after a boundary"),
        (b"--1234\n" + FIELD[8:] + END, "no line end after a boundary"),
        (b"--1234 \r\n" + FIELD[8:] + END, "no line end after a boundary"),
        (FIELD + b"--12345\r\n" + FIELD[8:] + END, "no line end after a boundary"),
        (FIELD + b"--1234 \r\n" + FIELD[8:] + END, "no line end after a boundary"),
        (FIELD.replace(b"\nx", b"\n--1234x") + END, "no line end after a boundary"),
        (FIELD + b"--1234-- junk", "data after the final boundary"),
        (FIELD + b"--1234--\n", "data after the final boundary"),
        (FIELD + b"--1234--" + b" " * 65, "data after the final boundary"),
        (FIELD.replace(b"\r\n", b"\n") + END, "no line end after a boundary"),
        (b"--1234\r\n\r\nx\r\n" + END, "missing headers"),
        (b"--1234\r\n\r\n\r\nx\r\n" + END, "missing headers"),
        (b"--1234\r\n\r\n" + END, "missing headers"),
        (b"--1234\r\nContent-Disposition: form-data; name=a\r\n" + END, "missing headers"),
        (b"--1234\r\nX: y\r\n" + FIELD + END, "missing headers"),
    ],
)
def test_malformed_structure(data: bytes, why: str) -> None:
    refuse(data, why)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (b"X: y", "needs one Content-Disposition"),
        (b"Content-Disposition: form-data", "missing name"),
        (b'Content-Disposition: form-data; name=""', "missing name"),
        (b'Content-Disposition: form-data; filename="f"', "missing name"),
        (b'Content-Disposition: attachment; name="a"', "not form-data"),
        (b"Content-Disposition: form-data; name=a; name=b", "repeated parameter"),
        (b"Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data", "one"),
        (b"Content-Disposition: form-data; name=a\r\nBad", "[Nn]o colon"),
        (b"Content-Disposition: form-data; name=a\r\nBad Name: x", "header name"),
        (b"Content-Disposition: form-data;\r\n name=a", "colon|header name|space"),
        (b"Content-Disposition : form-data; name=a", "header name"),
        (b'Content-Disposition: form-data; name="a\x00"', "Invalid header value"),
        (b'Content-Disposition: form-data; name="a\nX: y"', "Invalid header value"),
        (b'Content-Disposition: form-data; name="a\rX: y"', "Invalid header value"),
        (b'Content-Disposition: form-data; name="a\x7f"', "Invalid header value"),
        (b'Content-Disposition: form-data; name="\xff"', "not UTF-8"),
        (b"Content-Disposition: form-data; name*=utf-8''a%00", "control character"),
        (b"Content-Disposition: form-data; name=a; filename*=''%0d%0aX", "control character"),
    ],
)
def test_malformed_headers(headers: bytes, why: str) -> None:
    refuse(part(headers) + END, why)


def test_an_error_in_a_later_part_leaves_nothing_behind() -> None:
    refuse(FIELD * 3 + part("X: y") + END, "Content-Disposition")


def test_at_most_100_parts() -> None:
    assert parse(FIELD * 100 + END) == ({"a": [b"x"] * 100}, {})
    refuse(FIELD * 101 + END, "too many parts")
    refuse(FIELD * 101, "too many parts")


def test_empty_parts_count() -> None:
    assert parse(b"--1234\r\n" * 100 + END) == ({}, {})
    refuse(b"--1234\r\n" * 101 + END, "too many parts")


def test_the_number_of_parts_can_be_set() -> None:
    assert parse(FIELD + END, max_parts=1) == ({"a": [b"x"]}, {})
    refuse(FIELD * 2 + END, "too many parts", max_parts=1)
    assert parse(END, max_parts=0) == ({}, {})
    refuse(FIELD + END, "too many parts", max_parts=0)


@pytest.mark.parametrize("limit", [10240, 100])
def test_headers_of_a_part_are_bounded(limit: int) -> None:
    limits: dict[str, Any] = {} if limit == 10240 else {"max_part_header_size": limit}
    headers = 'Content-Disposition: form-data; name="a"\r\nX: '
    at_limit = headers + "y" * (limit - len(headers))
    assert parse(part(at_limit) + END, **limits) == ({"a": [b"x"]}, {})
    refuse(part(at_limit + "y") + END, "header too large", **limits)
    refuse(b"--1234\r\n" + b"y" * 1_000_000, "header too large", **limits)


def test_lines_of_headers_are_bounded() -> None:
    disposition = 'Content-Disposition: form-data; name="a"'
    assert parse(part(disposition + "\r\nX: y" * 199) + END) == ({"a": [b"x"]}, {})
    refuse(part(disposition + "\r\nX: y" * 200) + END, "header too large")


def test_a_boundary_has_at_most_200_characters() -> None:
    for length, boundary in ((200, b"b" * 200), (201, b"b" * 201)):
        data = part("Content-Disposition: form-data; name=a", boundary=boundary)
        data += b"--" + boundary + b"--"
        if length == 200:
            assert parse(data, boundary) == ({"a": [b"x"]}, {})
        else:
            refuse(data, "malformed boundary", boundary)


@pytest.mark.parametrize(
    "boundary", [b"", b'""', b'"', b"a ", b" a", b"a\r\nb", b"a\0", b'a"b', b"\xe9", b"a\\"]
)
def test_malformed_boundaries(boundary: bytes) -> None:
    data = part("Content-Disposition: form-data; name=a", boundary=boundary)
    refuse(data + b"--" + boundary + b"--", "malformed boundary", boundary)


def test_disabled() -> None:
    refuse(FIELD + END, "disabled", enabled=False)


@pytest.mark.parametrize(
    "filler", [b"\r\n--123", b"\r\n", b"-", b"x--1234", b"\r\n\r\n--", b"\n--1234"]
)
def test_bodies_like_boundaries_take_linear_time(filler: bytes) -> None:
    data = filler * 1_000_000
    assert parse(FIELD.replace(b"x\r\n", data + b"\r\n") + END)[0] == {"a": [data]}


@pytest.mark.parametrize("filler", [b"\r\n--b", b"b", b"--"])
def test_a_long_repetitive_boundary_takes_linear_time(filler: bytes) -> None:
    boundary = b"b" * 200
    data = filler * 1_000_000
    refuse(part("Content-Disposition: form-data; name=a", data, boundary), "final", boundary)


@pytest.mark.parametrize("piece", ['"', ";", '";', '\\"', "\\", "a*0=b;", "=", '"\\', "' "])
def test_dispositions_full_of_quotes_take_linear_time(piece: str) -> None:
    line = "form-data; name=a; b=" + piece * 200_000
    _parse_header(line)
    data = part(f"Content-Disposition: {line}") + END
    form: Form = ({}, {})
    try:
        config = ParseMultipartConfig(max_part_header_size=len(data))
        parse_multipart_form_data(b"1234", data, *form, config=config)
    except HTTPInputError:
        pass


BOUNDARIES = st.text(
    "abcXYZ0189'()+_,-./:=?", min_size=1, max_size=70
).map(str.encode)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
BODIES = st.binary() | st.sampled_from([b"\r\n", b"--", b"\r\n--", b"-", b"\r", b"\n"])
FIELDS = st.lists(st.tuples(NAMES, st.none() | NAMES, BODIES), max_size=8)


def write(boundary: bytes, fields: list[tuple[str, str | None, bytes]]) -> bytes:
    out = b""
    for name, filename, body in fields:
        line = f'Content-Disposition: form-data; name="{escape(name)}"'
        if filename is not None:
            line += f'; filename="{escape(filename)}"'
        out += part(line, body, boundary)
    return out + b"--" + boundary + b"--\r\n"


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@given(BOUNDARIES, FIELDS)
def test_what_is_written_is_read_back(
    boundary: bytes, fields: list[tuple[str, str | None, bytes]]
) -> None:
    if any(b"\r\n--" + boundary in b"\r\n" + body + b"\r\n" for _, _, body in fields):
        return
    form: Form = ({}, {})
    content_type = f'multipart/form-data; boundary="{boundary.decode()}"'
    parse_body_arguments(content_type, write(boundary, fields), *form)
    expected: Form = ({}, {})
    for name, filename, body in fields:
        if filename is None:
            expected[0].setdefault(name, []).append(body)
        else:
            file = HTTPFile(filename=filename, body=body, content_type="application/unknown")
            expected[1].setdefault(name, []).append(file)
    assert form == expected


PIECES = [FIELD, END, b"--1234", b"\r\n", b"--", b"X: y", b"\r\n\r\n", b'"', b";", b"*0*=''%", b""]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=12).map(b"".join))
def test_any_body_is_parsed_or_refused(data: bytes) -> None:
    for body in (data, FIELD + data, b"--1234\r\n" + data + END):
        try:
            arguments, files = parse(body)
        except HTTPInputError:
            continue
        assert len(arguments) + len(files) <= body.count(b"--1234")


@given(st.integers(0, len(FIELD * 2 + END) - 1))
def test_a_body_cut_short_is_never_a_shorter_form(length: int) -> None:
    whole = FIELD * 2 + END
    if length < len(whole) - 2:
        refuse(whole[:length], "boundary|headers")
