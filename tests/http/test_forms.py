"""Form bodies: which parser a content type calls for, its limits, and where the fields go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tornadic.http.errors import HTTPInputError
from tornadic.http.forms import (
    HTTPFile,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    parse_body_arguments,
    parse_multipart_form_data,
    set_parse_body_config,
)
from tornadic.http.headers import HTTPHeaders

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=1234"
FIELD = b'--1234\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
END = b"--1234--\r\n"

Form = tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]


@pytest.fixture
def default_config() -> Iterator[None]:
    yield
    set_parse_body_config(ParseBodyConfig())


def parse_body(content_type: str, body: bytes, headers: HTTPHeaders | None = None) -> Form:
    form: Form = ({}, {})
    parse_body_arguments(content_type, body, *form, headers)
    return form


class TestContentType:
    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/form-data; boundary=1234",
            'multipart/form-data; boundary="1234"',
            "multipart/form-data;boundary=1234; charset=utf-8",
            "Multipart/Form-Data; Boundary=1234",
            "multipart/form-data; x=y; boundary=1234",
            'multipart/form-data; x="boundary=5; boundary=6"; boundary=1234',
        ],
    )
    def test_boundary(self, content_type: str) -> None:
        assert parse_body(content_type, FIELD + END) == ({"a": [b"x"]}, {})

    @pytest.mark.parametrize(
        ("content_type", "why"),
        [
            ("multipart/form-data", "boundary not found"),
            ("multipart/form-data; boundary=", "boundary not found"),
            ('multipart/form-data; boundary=""', "boundary not found"),
            ("multipart/form-data; xboundary=1234", "boundary not found"),
            ("multipart/form-data; boundary", "boundary not found"),
            ("multipart/form-data; boundary*=utf-8''1234", "boundary not found"),
            ('multipart/form-data; x="; boundary=1234', "boundary not found"),
            ("multipart/form-data; boundary=1234; boundary=5", "more than one"),
            ("multipart/form-data boundary=1234", "Invalid content type"),
            ("multipart/form-data, x; boundary=1234", "Invalid content type"),
            ('multipart/form-data; boundary="1234', "malformed boundary"),
            ("multipart/form-data; boundary=\xe9", "malformed boundary"),
            ("multipart/form-data; boundary=" + "1" * 10_000, "malformed boundary"),
            ("multipart/form-data; boundary=12345", "begin with the boundary"),
        ],
    )
    def test_bad_boundary(self, content_type: str, why: str) -> None:
        with pytest.raises(HTTPInputError, match=f"^Invalid multipart/form-data: .*{why}"):
            parse_body(content_type, FIELD + END)

    @pytest.mark.parametrize(
        "content_type",
        [URLENCODED, URLENCODED + "; charset=utf-8", URLENCODED.upper(), URLENCODED + " ;x"],
    )
    def test_urlencoded(self, content_type: str) -> None:
        assert parse_body(content_type, b"a=1&b=%C3%A9+&c=&a=2") == (
            {"a": [b"1", b"2"], "b": [b"\xc3\xa9 "], "c": [b""]},
            {},
        )

    @pytest.mark.parametrize(
        "content_type", ["", "text/plain", URLENCODED + "x", URLENCODED + ",x", "multipart/mixed"]
    )
    def test_other_bodies_are_left_alone(self, content_type: str) -> None:
        encoded = HTTPHeaders({"Content-Encoding": "gzip"})
        assert parse_body(content_type, b"a=1", encoded) == ({}, {})

    @pytest.mark.parametrize("content_type", [URLENCODED, MULTIPART])
    @pytest.mark.parametrize("coding", ["gzip", "br, gzip", "identity", "x", ""])
    def test_encoded_forms_are_refused(self, content_type: str, coding: str) -> None:
        headers = HTTPHeaders({"content-encoding": coding})
        with pytest.raises(HTTPInputError, match="Unsupported Content-Encoding"):
            parse_body(content_type, b"a=1", headers)
        assert parse_body(URLENCODED, b"a=1", HTTPHeaders()) == ({"a": [b"1"]}, {})


class TestConfig:
    def test_defaults(self) -> None:
        config = ParseBodyConfig()
        assert config == ParseBodyConfig(ParseMultipartConfig(), ParseUrlEncodedConfig())
        assert config.multipart == ParseMultipartConfig(True, 100, 10240)
        assert config.urlencoded == ParseUrlEncodedConfig(1000)

    def test_urlencoded_fields_at_most_1000(self) -> None:
        body = b"&".join([b"a=1"] * 1000)
        assert parse_body(URLENCODED, body) == ({"a": [b"1"] * 1000}, {})
        with pytest.raises(HTTPInputError, match="Max number of fields exceeded"):
            parse_body(URLENCODED, body + b"&a=1")

    def test_given_limits_count_before_the_defaults(self) -> None:
        arguments: dict[str, list[bytes]] = {}
        few = ParseBodyConfig(ParseMultipartConfig(max_parts=1), ParseUrlEncodedConfig(1))
        parse_body_arguments(URLENCODED, b"a=1", arguments, {}, config=few)
        parse_body_arguments(MULTIPART, FIELD + END, arguments, {}, config=few)
        assert arguments == {"a": [b"1", b"x"]}
        for content_type, body in ((URLENCODED, b"a=1&b=2"), (MULTIPART, FIELD * 2 + END)):
            with pytest.raises(HTTPInputError):
                parse_body_arguments(content_type, body, arguments, {}, config=few)
        assert arguments == {"a": [b"1", b"x"]}

    @pytest.mark.usefixtures("default_config")
    def test_the_defaults_can_be_set(self) -> None:
        set_parse_body_config(
            ParseBodyConfig(ParseMultipartConfig(enabled=False), ParseUrlEncodedConfig(1))
        )
        with pytest.raises(HTTPInputError, match="parsing is disabled"):
            parse_multipart_form_data(b"1234", FIELD + END, {}, {})
        with pytest.raises(HTTPInputError, match="multipart/form-data parsing is disabled"):
            parse_body(MULTIPART, FIELD + END)
        with pytest.raises(HTTPInputError, match="Max number of fields"):
            parse_body(URLENCODED, b"a=1&b=2")
        set_parse_body_config(ParseBodyConfig())
        assert parse_body(MULTIPART, FIELD + END) == ({"a": [b"x"]}, {})


class TestHTTPFile:
    def test_attributes_are_keys(self) -> None:
        file = HTTPFile(filename="f", body=b"x", content_type="text/plain")
        assert file.filename == file["filename"] == "f"
        file.body = b"y"
        assert file["body"] == b"y"
        assert file == {"filename": "f", "body": b"y", "content_type": "text/plain"}

    def test_an_attribute_that_is_not_there(self) -> None:
        with pytest.raises(AttributeError):
            _ = HTTPFile(filename="f").body
