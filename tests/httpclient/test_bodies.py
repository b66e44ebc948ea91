"""Bodies of forms, read back by our own server's parsers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.httpclient import encode_form, encode_multipart
from tornadic.httputil import HTTPFile, HTTPHeaders, parse_body_arguments

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def read(body: bytes, headers: dict[str, str]) -> tuple[dict[str, list[bytes]], dict[str, Any]]:
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, Any] = {}
    parse_body_arguments(headers["Content-Type"], body, arguments, files, HTTPHeaders(headers))
    return arguments, files


@given(st.dictionaries(NAMES, st.lists(st.binary(max_size=20), min_size=1, max_size=3), max_size=5))
def test_form(fields: dict[str, list[bytes]]) -> None:
    arguments, _ = read(*encode_form(fields))
    # Blank values are left out by the server.
    expected = {name: [one for one in values if one] for name, values in fields.items()}
    found = {name.encode("latin-1").decode("utf-8"): [one for one in values if one]
             for name, values in arguments.items()}  # fmt: skip
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in expected.items() if v}


@given(
    st.dictionaries(NAMES, st.binary(max_size=50), max_size=4),
    st.dictionaries(NAMES, st.tuples(NAMES, st.binary(max_size=50)), max_size=4),
)
def test_multipart(fields: dict[str, bytes], files: dict[str, tuple[str, bytes]]) -> None:
    as_files = {
        name: HTTPFile(filename=filename, body=body, content_type="text/x-test")
        for name, (filename, body) in files.items()
    }
    arguments, found = read(*encode_multipart(fields, as_files))
    for name, value in fields.items():
        assert _quoted(name) in arguments and arguments[_quoted(name)] == [value]
    for name, (filename, body) in files.items():
        [file] = found[_quoted(name)]
        assert (file.filename, file.body) == (_quoted(filename), body)
        assert file.content_type == "text/x-test"


def _quoted(name: str) -> str:
    return name.replace('"', "%22")


def test_several_values_and_pairs() -> None:
    assert encode_form([("a", "1"), ("b", b"2"), ("a", ["3", "4"])])[0] == b"a=1&b=2&a=3&a=4"
    arguments, _ = read(*encode_multipart([("a", "1"), ("a", ["2", b"3"])]))
    assert arguments == {"a": [b"1", b"2", b"3"]}


def test_names_do_not_end_their_line() -> None:
    body, headers = encode_multipart(
        {'a"\r\nX: y': "v"},
        {"f": HTTPFile(filename='x"\r\n\r\nevil', body=b"b", content_type=None)},
    )
    arguments, files = read(body, headers)
    assert arguments == {"a%22%0D%0AX: y": [b"v"]}
    [file] = files["f"]
    assert file.filename == "x%22%0D%0A%0D%0Aevil"
    assert file.content_type == "application/octet-stream"


def test_content_type_that_is_none() -> None:
    with pytest.raises(ValueError):
        encode_multipart({}, {"f": HTTPFile(filename="x", body=b"", content_type="a/b\r\nX: y")})


def test_boundaries_differ() -> None:
    assert encode_multipart({})[1] != encode_multipart({})[1]
