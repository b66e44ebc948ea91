"""Responses by zstd, Brotli and gzip: who gets which, and what it does to tags, parts and HEAD."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.browser import Page
from tests.http.test_codings import decompress, stream_of
from tests.web.static_support import make_root, write
from tests.web.support import LogBook, Response, application, fetch, head, run, serving, writer

from tornadic.web import (
    Application,
    GZipContentEncoding,
    NegotiatedContentEncoding,
    OutputTransform,
    RequestHandler,
    StaticFileHandler,
)

TEXT = "all the same " * 200
TAG = f'"{hashlib.sha1(TEXT.encode()).hexdigest()}"'
CHROME = "gzip, deflate, br, zstd"
CODINGS = ("zstd", "br", "gzip")
LARGE = b"a line of a log\n" * 20_000


def get(
    handler: type[RequestHandler], accepted: str, method: str = "GET", **fields: str
) -> Response:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    headers["Accept-Encoding"] = accepted
    return fetch(application(handler, compress_response=True), "/", method, headers)


def body_of(response: Response) -> bytes:
    return decompress(response["Content-Encoding"], response.body)


class TestWhich:
    @pytest.mark.parametrize(
        ("accepted", "chosen"),
        [
            (CHROME, "zstd"),
            ("gzip, deflate, br", "br"),
            ("gzip, deflate", "gzip"),
            ("br;q=0.9, gzip;q=0.8", "br"),
            ("gzip, br;q=0.9, zstd;q=0.5", "gzip"),
            ("zstd;q=0, br;q=0.001, gzip;q=0", "br"),
            ("zstd;q=2, br", "br"),
            ("BR", "br"),
        ],
    )
    def test_negotiated(self, accepted: str, chosen: str) -> None:
        response = get(writer(TEXT), accepted)
        assert response["Content-Encoding"] == chosen
        assert response["Content-Length"] == str(len(response.body))
        assert response["Vary"] == "Accept-Encoding"
        assert body_of(response).decode() == TEXT

    @pytest.mark.parametrize("accepted", ["*", "identity", "br;q=0", "identity, br;q=0.5"])
    def test_none(self, accepted: str) -> None:
        response = get(writer(TEXT), accepted)
        assert (response.text, "Content-Encoding" in response) == (TEXT, False)
        assert response["Vary"] == "Accept-Encoding"

    def test_gzip_alone(self) -> None:
        app = Application([("/", writer(TEXT))], transforms=[GZipContentEncoding])
        response = fetch(app, headers={"Accept-Encoding": CHROME})
        assert response["Content-Encoding"] == "gzip"

    def test_an_order_and_levels_of_ones_own(self) -> None:
        class Small(NegotiatedContentEncoding):
            CODINGS = ("br", "gzip")
            BROTLI_LEVEL = 11

        rows = "".join(f"{i * 7919 % 1000} is a number\n" for i in range(500))
        sizes = {}
        for transform in (NegotiatedContentEncoding, Small):
            app = Application([("/", writer(rows))], transforms=[transform])
            response = fetch(app, headers={"Accept-Encoding": "br"})
            assert body_of(response).decode() == rows
            sizes[transform] = len(response.body)
        assert sizes[Small] < sizes[NegotiatedContentEncoding]
        app = Application([("/", writer(rows))], transforms=[Small])
        assert fetch(app, headers={"Accept-Encoding": CHROME})["Content-Encoding"] == "br"

    def test_what_is_changed_for_gzip_holds_for_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Programs for Tornado set these on the class."""
        monkeypatch.setattr(GZipContentEncoding, "MIN_LENGTH", 1)
        monkeypatch.setattr(GZipContentEncoding, "CONTENT_TYPES", {"x/y"})

        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Type", "x/y")
                self.write("short")

        assert body_of(get(Handler, CHROME)) == b"short"

    @pytest.mark.parametrize("size", [1023, 1024])
    def test_size_at_the_limit_and_below(self, size: int) -> None:
        response = get(writer("x" * size), "br")
        assert ("Content-Encoding" in response) is (size == 1024)

    def test_pages_that_must_not_tell_their_size(self) -> None:
        """BREACH: what is compressed together can be guessed, byte by byte, from the length."""

        class Secret(RequestHandler):
            def get(self) -> None:
                self.set_header("Cache-Control", "private, No-Transform")
                self.write(TEXT)

        response = get(Secret, CHROME)
        assert (response.text, response["Vary"]) == (TEXT, "Accept-Encoding")

    def test_what_is_encoded_already(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Encoding", "br")
                self.write(TEXT)

        response = get(Handler, CHROME)
        assert (response["Content-Encoding"], response.text, response["Etag"]) == ("br", TEXT, TAG)


@pytest.mark.parametrize("coding", CODINGS)
class TestHow:
    def test_pieces_can_be_read_one_by_one(self, coding: str) -> None:
        pieces = [b"data: one\n\n", b"data: two\n\n" * 1000, b"data: three\n\n"]

        class Handler(RequestHandler):
            read: ClassVar[list[asyncio.Event]] = []

            async def get(self) -> None:
                self.set_header("Content-Type", "text/event-stream")
                self.set_header("Content-Length", "999")  # of no use any more
                for piece in pieces:
                    self.write(piece)
                    await self.flush()
                    await self.flush()  # nothing is left to be sent
                    self.read.append(asyncio.Event())
                    await self.read[-1].wait()

        async def main() -> None:
            async with serving(application(Handler, compress_response=True)) as server:
                client = await server.connect()
                await client.send(head(headers={"Accept-Encoding": coding}))
                response = await client.response_head()
                assert response["Content-Encoding"] == coding
                assert "Content-Length" not in response and "Etag" not in response
                read = stream_of(coding)
                for number, piece in enumerate(pieces):
                    # The next one is written only when this one has been read.
                    assert read(await client.chunk()) == piece
                    while len(Handler.read) <= number:
                        await asyncio.sleep(0)
                    Handler.read[number].set()
                assert read(await client.chunk()) == b""
                assert await client.chunk() == b""

        run(main)

    def test_head_says_what_get_would(self, coding: str) -> None:
        whole = get(writer(TEXT), coding)
        found = get(writer(TEXT), coding, "HEAD")
        for name in ("Content-Length", "Content-Encoding", "Etag", "Vary"):
            assert found[name] == whole[name]
        assert found.body == b""

    def test_tags(self, coding: str) -> None:
        """The same tag for other bytes must be weak, and is enough for "Do you have it?"."""
        response = get(writer(TEXT), coding)
        assert response["Etag"] == f"W/{TAG}"
        again = get(writer(TEXT), coding, If_None_Match=response["Etag"])
        assert (again.status, again["Etag"]) == (304, f"W/{TAG}")
        assert "Content-Encoding" not in again and again["Vary"] == "Accept-Encoding"
        plain = get(writer(TEXT), "identity", If_None_Match=TAG)
        assert (plain.status, plain["Etag"]) == (304, TAG)
        assert get(writer(TEXT + "!"), coding, If_None_Match=response["Etag"]).status == 200

    def test_tags_of_ones_own(self, coding: str) -> None:
        weak = writer(TEXT, compute_etag=lambda self: 'W/"v1"')
        assert get(weak, coding)["Etag"] == 'W/"v1"'
        assert get(weak, coding, If_None_Match='W/"v1"')["Etag"] == 'W/"v1"'
        assert "Etag" not in get(writer(TEXT, compute_etag=lambda self: None), coding)


@pytest.fixture
def files(tmp_path: Path) -> Application:
    root = make_root(tmp_path)
    write(root / "small.js", TEXT.encode())
    write(root / "large.log.txt", LARGE)
    write(root / "large.bin", LARGE)
    return Application(
        [("/(.*)", StaticFileHandler, {"path": str(root)})],
        compress_response=True,
        log_function=lambda handler: None,
    )


class TestFiles:
    @pytest.mark.parametrize("name", ["small.js", "large.log.txt"])
    @pytest.mark.parametrize("coding", CODINGS)
    def test_compressed(self, files: Application, name: str, coding: str) -> None:
        response = fetch(files, f"/{name}", headers={"Accept-Encoding": coding})
        content = TEXT.encode() if name == "small.js" else LARGE
        assert body_of(response) == content
        tag = f'W/"{hashlib.sha512(content).hexdigest()}"'
        assert response["Etag"] == tag
        assert "Accept-Ranges" not in response
        headers = {"Accept-Encoding": coding, "If-None-Match": tag}
        again = fetch(files, f"/{name}", headers=headers)
        assert (again.status, again["Etag"]) == (304, tag)

    @pytest.mark.parametrize("name", ["small.js", "large.log.txt"])
    def test_head(self, files: Application, name: str) -> None:
        """The length of what a GET would send is not known, and no other may be told."""
        found = fetch(files, f"/{name}", "HEAD", {"Accept-Encoding": "br"})
        assert (found["Content-Encoding"], found["Etag"][:3]) == ("br", 'W/"')
        assert "Content-Length" not in found and "Accept-Ranges" not in found
        found = fetch(files, f"/{name}", "HEAD")
        assert (found["Accept-Ranges"], found["Etag"][:1]) == ("bytes", '"')
        assert found["Content-Length"] == str(len(TEXT) if name == "small.js" else len(LARGE))

    def test_parts_are_of_the_file_itself(self, files: Application) -> None:
        headers = {"Accept-Encoding": "br", "Range": "bytes=4-1999"}
        part = fetch(files, "/small.js", headers=headers)
        assert (part.status, part.body) == (206, TEXT[4:2000].encode())
        assert "Content-Encoding" not in part and part["Etag"].startswith('"')
        # Who has a compressed one cannot go on with a part of another.
        whole = fetch(files, "/small.js", headers={"Accept-Encoding": "br"})
        headers["If-Range"] = whole["Etag"]
        assert fetch(files, "/small.js", headers=headers).status == 200

    def test_large_files_that_are_not_text(
        self, files: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are still sent by the kernel."""
        sent: list[int] = []
        by_kernel = os.sendfile

        def sendfile(target: int, fd: int, offset: int, count: int) -> int:
            sent.append(by_kernel(target, fd, offset, count))
            return sent[-1]

        monkeypatch.setattr(os, "sendfile", sendfile)
        response = fetch(files, "/large.bin", headers={"Accept-Encoding": CHROME})
        assert response.body == LARGE and sum(sent) == len(LARGE)
        assert response["Content-Length"] == str(len(LARGE)) and "Accept-Ranges" in response

    @pytest.mark.parametrize("base", [OutputTransform, GZipContentEncoding])
    def test_a_transform_of_ones_own_sees_all_of_a_large_file(
        self, tmp_path: Path, base: type[OutputTransform]
    ) -> None:
        class Counting(base):  # type: ignore[valid-type, misc]
            seen = 0

            def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
                Counting.seen += len(chunk)
                return chunk

        write(tmp_path / "large.bin", LARGE)
        rules = [("/(.*)", StaticFileHandler, {"path": str(tmp_path)})]
        app = Application(rules, transforms=[Counting], log_function=lambda handler: None)
        assert fetch(app, "/large.bin").body == LARGE
        assert Counting.seen == len(LARGE)

    def test_a_file_that_becomes_shorter(self, tmp_path: Path, log: LogBook) -> None:
        """The client must not take a part for the whole."""
        path = write(tmp_path / "large.txt", os.urandom(12_000_000).hex().encode())
        rules = [("/(.*)", StaticFileHandler, {"path": str(tmp_path)})]
        app = Application(rules, compress_response=True, log_function=lambda handler: None)

        async def main() -> None:
            async with serving(app) as server:
                client = await server.connect()
                await client.send(head("/large.txt", headers={"Accept-Encoding": "zstd"}))
                await client.response_head()
                os.truncate(path, 1000)
                assert not (await client.rest()).endswith(b"0\r\n\r\n")

        run(main)
        log.take("has become shorter")
        log.take("Cannot send error response after headers written")


class Site(RequestHandler):
    """A page that loads a script and reads a stream."""

    def get(self, name: str) -> None:
        if name == "script.js":
            self.set_header("Content-Type", "application/javascript")
            self.write(f"const text = {json.dumps(TEXT)};")
        else:
            self.write(f"<script src='/script.js'></script><p>{TEXT}</p>")


class Events(RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        for number in range(3):
            self.write(f"data: {number}\n\n")
            await self.flush()
        await asyncio.Event().wait()  # until the browser has gone


SITE: list[Any] = [("/events", Events), ("/(.*)", Site)]


class TestRealClients:
    @pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl command")
    def test_curl(self) -> None:
        async def main() -> None:
            app = Application(SITE, compress_response=True, log_function=lambda handler: None)
            async with serving(app) as server:
                command = ["curl", "-sS", "--compressed", "-D", "-"]
                curl = await asyncio.create_subprocess_exec(
                    *command, f"http://127.0.0.1:{server.port}/", stdout=asyncio.subprocess.PIPE
                )
                out, _ = await curl.communicate()
                fields, _, body = out.decode().partition("\r\n\r\n")
                assert curl.returncode == 0 and TEXT in body
                assert "\r\nContent-Encoding: " in fields

        run(main)

    def test_a_browser(self, page: Page) -> None:
        served: list[tuple[str, int]] = []

        def note(handler: RequestHandler) -> None:
            served.append((handler.request.path, handler.get_status()))

        async def main() -> None:
            app = Application(SITE, compress_response=True, log_function=note)
            async with serving(app) as server:
                await asyncio.to_thread(look, f"http://127.0.0.1:{server.port}")

        def look(site: str) -> None:
            page.open(f"{site}/page")
            assert page.run("text") == TEXT
            assert page.body().strip() == TEXT.strip()
            page.wait_to_hear(lambda: len(page.responses) >= 2)
            for answer in page.responses[:2]:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                assert headers["content-encoding"] == "zstd"
            # It asks again with the tag that it was given.
            again = page.run("fetch('/page', {cache: 'no-cache'}).then(r => r.text())")
            assert TEXT in again and ("/page", 304) in served
            page.run(
                "window.seen = []; window.source = new EventSource('/events');"
                "source.onmessage = event => seen.push(event.data)"
            )
            page.wait_until("seen.length === 3")
            assert page.run("seen.join() + (source.close() || '')") == "0,1,2"

        asyncio.run(main())
