"""Responses compressed for those who accept it, and left alone for everybody else."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.support import LogBook, Response, application, fetch, run, serving, writer

from tornadic.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornadic.web import (
    Application,
    GZipContentEncoding,
    HTTPError,
    OutputTransform,
    RequestHandler,
)

TEXT = "all the same " * 200
GZIP = {"Accept-Encoding": "gzip"}


def get(
    handler: type[RequestHandler], accepted: str | None = "gzip", method: str = "GET", **more: str
) -> Response:
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    return fetch(application(handler, compress_response=True), "/", method, headers | more)


def with_headers(*chunks: Any, **headers: str) -> type[RequestHandler]:
    """A handler that writes ``chunks`` with ``headers``, underscores for hyphens."""

    class Handler(RequestHandler):
        def get(self) -> None:
            for chunk in chunks:
                self.write(chunk)
            for name, value in headers.items():
                self.set_header(name.replace("_", "-"), value)

        head = get

    return Handler


def is_compressed(response: Response) -> bool:
    if response.body[:2] != b"\x1f\x8b":
        assert response.all("Content-Encoding") != ["gzip"]
        return False
    assert response["Content-Encoding"] == "gzip"
    return True


class TestWhen:
    def test_accepted(self) -> None:
        response = get(writer(TEXT))
        assert gzip.decompress(response.body).decode() == TEXT
        assert response["Content-Encoding"] == "gzip"
        assert response["Content-Length"] == str(len(response.body))
        assert response["Vary"] == "Accept-Encoding"

    @pytest.mark.parametrize("settings", [{"gzip": True}, {"compress_response": True}])
    def test_settings(self, settings: Any) -> None:
        assert is_compressed(fetch(application(writer(TEXT), **settings), headers=GZIP))

    def test_without_a_setting(self) -> None:
        response = fetch(application(writer(TEXT)), headers=GZIP)
        assert (response.text, "Vary" in response) == (TEXT, False)

    def test_transforms_of_ones_own_replace_it(self) -> None:
        app = Application([("/", writer(TEXT))], transforms=[], compress_response=True)
        assert fetch(app, headers=GZIP).text == TEXT
        app = Application([("/", writer(TEXT))], transforms=[OutputTransform, GZipContentEncoding])
        assert is_compressed(fetch(app, headers=GZIP))

    @pytest.mark.parametrize(
        ("accepted", "expected"),
        [
            ("gzip", True),
            ("GZip", True),
            ("x-gzip", True),
            ("deflate, gzip;q=1.0, *;q=0.5", True),
            ("br;q=0, gzip ; q=0.001 ,zstd;q=0", True),
            ("gzip;q=0.", False),
            ("gzip;q=0", False),
            ("gzip; q=0.000", False),
            ("identity", False),
            ("deflate, compress", False),
            ("notgzip", False),
            ("gzipped", False),
            ("*", False),
            ("", False),
            (None, False),
            ("gzip" + ",x" * 254, True),
            ("gzip" + ",x" * 254 + "y", False),
        ],
    )
    def test_accept_encoding(self, accepted: str | None, expected: bool) -> None:
        response = get(writer(TEXT), accepted)
        assert is_compressed(response) is expected
        assert response["Vary"] == "Accept-Encoding"

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("text/html; charset=UTF-8", True),
            ("text/plain", True),
            ("TEXT/Plain ; charset=x", True),
            ("text/event-stream", True),
            ("application/json", True),
            ("application/json; charset=UTF-8", True),
            ("application/javascript", True),
            ("application/x-javascript", True),
            ("application/xml", True),
            ("application/atom+xml", True),
            ("application/xhtml+xml", True),
            ("image/svg+xml", True),
            ("image/png", False),
            ("application/octet-stream", False),
            ("application/zip", False),
            ("font/woff2", False),
            ("", False),
        ],
    )
    def test_content_types(self, kind: str, expected: bool) -> None:
        response = get(with_headers(TEXT, Content_Type=kind))
        assert is_compressed(response) is expected
        assert response["Vary"] == "Accept-Encoding"

    def test_size_at_the_limit_and_below(self) -> None:
        assert GZipContentEncoding.MIN_LENGTH == 1024
        assert is_compressed(get(writer("x" * 1024)))
        assert get(writer("x" * 1023)).text == "x" * 1023

    @pytest.mark.parametrize("coding", ["br", "identity"])
    def test_what_is_encoded_already(self, coding: str) -> None:
        response = get(with_headers(TEXT, Content_Encoding=coding))
        assert (response["Content-Encoding"], response.text) == (coding, TEXT)

    def test_ranges_are_of_what_is_not_compressed(self) -> None:
        response = get(with_headers(TEXT, Content_Range=f"bytes 0-{len(TEXT) - 1}/9999"))
        assert response.text == TEXT

    @pytest.mark.parametrize(
        ("own", "sent"),
        [
            ("Cookie", "Cookie, Accept-Encoding"),
            ("Cookie, Accept-Encoding", "Cookie, Accept-Encoding"),
            ("accept-encoding", "accept-encoding"),
            ("*", "*"),
        ],
    )
    def test_vary_is_kept(self, own: str, sent: str) -> None:
        assert get(with_headers(TEXT, Vary=own))["Vary"] == sent

    @pytest.mark.parametrize("status", [204, 304])
    def test_responses_without_a_body(self, status: int) -> None:
        response = get(writer(prepare=lambda self: self.set_status(status)))
        assert (response.status, "Content-Encoding" in response) == (status, False)

    def test_error_pages(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(500)

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.finish(TEXT)

        response = get(Handler)
        assert (response.status, is_compressed(response)) == (500, True)


class TestHow:
    def test_head_says_what_get_would(self) -> None:
        whole = get(writer(TEXT))
        head = get(writer(TEXT), method="HEAD")
        assert head["Content-Length"] == whole["Content-Length"]
        assert (head["Content-Encoding"], head.body) == ("gzip", b"")

    def test_etags_are_of_what_was_written(self) -> None:
        etag = f'"{hashlib.sha1(TEXT.encode()).hexdigest()}"'
        assert get(writer(TEXT), None)["Etag"] == etag
        assert get(writer(TEXT), **{"If-None-Match": etag}).status == 304

    def test_a_length_that_the_program_set(self) -> None:
        response = get(with_headers(TEXT, Content_Length=str(len(TEXT))))
        assert gzip.decompress(response.body).decode() == TEXT

    def test_pieces_can_be_read_one_by_one(self) -> None:
        class Handler(RequestHandler):
            async def get(self) -> None:
                self.set_header("Content-Length", "999")  # of no use any more
                for i in range(3):
                    self.write(f"piece {i};")
                    await self.flush()

        async def main() -> None:
            async with serving(application(Handler, compress_response=True)) as server:
                client = await server.connect()
                response = await client.request(headers=GZIP)
                assert "Content-Length" not in response
                inflate = zlib.decompressobj(31)
                *pieces, last = response.chunks
                expected = [f"piece {i};".encode() for i in range(3)]
                assert [inflate.decompress(piece) for piece in pieces] == expected
                assert inflate.decompress(last) == b""
                assert inflate.eof

        run(main)

    @given(st.lists(st.binary(max_size=3000), min_size=1, max_size=5))
    def test_what_is_compressed_is_read_back(self, chunks: list[bytes]) -> None:
        request = HTTPServerRequest(
            headers=HTTPHeaders(GZIP), start_line=RequestStartLine("GET", "/", "HTTP/1.1")
        )
        transform = GZipContentEncoding(request)
        headers = HTTPHeaders({"Content-Type": "text/plain"})
        first, *others = chunks
        status, headers, sent = transform.transform_first_chunk(200, headers, first, not others)
        for i, chunk in enumerate(others, 1):
            sent += transform.transform_chunk(chunk, i == len(others))
        is_too_small = not others and len(first) < GZipContentEncoding.MIN_LENGTH
        assert status == 200
        assert ("Content-Encoding" in headers) is not is_too_small
        assert (sent if is_too_small else gzip.decompress(sent)) == b"".join(chunks)

    def test_a_subclass_has_its_own_limits(self) -> None:
        class Eager(GZipContentEncoding):
            MIN_LENGTH = 1
            CONTENT_TYPES: ClassVar[set[str]] = {"x/y"}

        app = Application([("/", with_headers("x", Content_Type="x/y"))], transforms=[Eager])
        assert gzip.decompress(fetch(app, headers=GZIP).body) == b"x"
