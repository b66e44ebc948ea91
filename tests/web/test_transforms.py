"""Output transforms: they see every piece of a response, in their order."""

from __future__ import annotations

from tests.web.support import fetch, run, serving, writer

from tornadic.httputil import HTTPHeaders, HTTPServerRequest
from tornadic.web import Application, OutputTransform, RequestHandler


class Upper(OutputTransform):
    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers.add("X-Transform", f"upper {finishing}")
        return status_code, headers, self.transform_chunk(chunk, finishing)

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        return chunk.upper()


class Mark(OutputTransform):
    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self.path = request.path

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers.add("X-Transform", f"mark {self.path}")
        chunk = self.transform_chunk(chunk, finishing)
        if "Content-Length" in headers:
            headers["Content-Length"] = str(len(chunk))
        return status_code + 1, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        return b"<" + chunk + (b"!>" if finishing else b">")


class Two(RequestHandler):
    async def get(self) -> None:
        self.write("one")
        await self.flush()
        self.write("two")


class TestTransforms:
    def test_that_does_nothing(self) -> None:
        assert fetch(Application([("/", writer("?"))], transforms=[OutputTransform])).text == "?"

    def test_in_their_order(self) -> None:
        app = Application([("/", writer("word"))], transforms=[Mark, Upper])
        response = fetch(app)
        assert (response.status, response.text) == (201, "<WORD!>")
        assert response.all("X-Transform") == ["mark /", "upper True"]

    def test_pieces(self) -> None:
        response = fetch(Application([("/", Two)], transforms=[Upper, Mark]))
        assert response.chunks == [b"<ONE>", b"<TWO!>"]
        assert response["Transfer-Encoding"] == "chunked"

    def test_add_transform(self) -> None:
        app = Application([("/", writer("word"))])
        app.add_transform(Upper)
        assert fetch(app).text == "WORD"

    def test_no_body_is_transformed_into_a_head_response(self) -> None:
        class Handler(RequestHandler):
            def head(self) -> None:
                self.write("body")

        app = Application([("/", Handler)], transforms=[Upper])

        async def main() -> None:
            async with serving(app) as server:
                client = await server.connect()
                for _ in range(2):
                    assert (await client.request("/", "HEAD")).status == 200

        run(main)

    def test_error_pages_too(self) -> None:
        assert fetch(Application([], transforms=[Upper])).text.startswith("<HTML>")
