"""Static files: what is sent, conditional requests, versions, and what a subclass may change."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import inspect
import json
import os
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import make_certificates
from tests.web.static_support import BODY, ETAG, LAST_MODIFIED, MODIFIED, app, get, make_root, write
from tests.web.support import Client, LogBook, fetch, head, run, serving, until

from tornadic.web import (
    Application,
    HTTPError,
    OutputTransform,
    RequestHandler,
    StaticFileHandler,
    _files,
    static,
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    StaticFileHandler.reset()
    yield make_root(tmp_path)
    StaticFileHandler.reset()


SPARSE = 24_000_000
"""Bytes of a file that does not fit into what kernels keep of a connection."""


def make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, SPARSE)


def is_open(path: Path) -> bool:
    """Whether this process has the file open, where that can be told."""
    folder = Path("/proc/self/fd")
    return folder.exists() and any(
        os.path.realpath(fd) == str(path.resolve()) for fd in folder.iterdir()
    )


class TestContent:
    def test_a_file(self, root: Path) -> None:
        response = get(root)
        assert (response.status, response.body) == (200, BODY)
        assert response["Content-Type"] == "text/plain"
        assert response["Content-Length"] == "11"
        assert response["Etag"] == ETAG
        assert response["Last-Modified"] == LAST_MODIFIED
        assert response["Accept-Ranges"] == "bytes"
        assert "Cache-Control" not in response and "Expires" not in response
        assert "Vary" not in response

    @pytest.mark.parametrize(
        "name", ["two%20words.txt", "%C3%A4.txt", "./a.txt", "folder/../a.txt"]
    )
    def test_names_are_unescaped(self, root: Path, name: str) -> None:
        assert get(root, name).body == BODY

    def test_an_empty_file(self, root: Path) -> None:
        response = get(root, "empty.txt")
        assert (response.status, response["Content-Length"], response.body) == (200, "0", b"")

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("x.html", "text/html"),
            ("x.js", "text/javascript"),
            ("x.tar.gz", "application/gzip"),
            ("x.svgz", "application/gzip"),
            ("x.tar.bz2", "application/octet-stream"),
            ("x", "application/octet-stream"),
            ("x.unheardof", "application/octet-stream"),
        ],
    )
    def test_types(self, root: Path, name: str, kind: str) -> None:
        write(root / name)
        assert get(root, name)["Content-Type"] == kind

    def test_head(self, root: Path) -> None:
        response = fetch(app(root), "/f/a.txt", method="HEAD")
        assert (response.status, response["Content-Length"], response["Etag"]) == (200, "11", ETAG)

    def test_other_methods(self, root: Path) -> None:
        response = fetch(app(root), "/f/a.txt", method="POST", body=b"x")
        assert (response.status, response["Allow"]) == (405, "GET, HEAD")

    def test_a_rule_for_one_file(self, root: Path) -> None:
        assert fetch(app(root / "a.txt", pattern="/one()"), "/one").body == BODY
        assert fetch(app(root / "a.txt", pattern="/one(x)?"), "/one").body == BODY

    def test_a_relative_root(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root.parent)
        assert fetch(app("root/"), "/f/a.txt").body == BODY

    def test_a_root_that_is_a_link(self, root: Path) -> None:
        (root.parent / "link").symlink_to(root)
        assert fetch(app(root.parent / "link"), "/f/a.txt").body == BODY

    def test_what_is_not_there(self, root: Path, log: LogBook) -> None:
        for name in ("nope", "folder/nope", "a.txt/nope", "x" * 300, "x/" * 3000):
            assert get(root, name).status == 404

    @pytest.mark.parametrize("more", [-1, 0, 1, 2**20, 3 * 2**20 + 17])
    def test_every_size(self, root: Path, more: int) -> None:
        content = os.urandom(static.SENT_AT_ONCE + more)
        write(root / "large", content)
        response = get(root, "large")
        assert response.body == content
        assert response["Content-Length"] == str(len(content))

    def test_over_tls(self, root: Path, tmp_path: Path) -> None:
        certificates = make_certificates(tmp_path)
        content = os.urandom(700_001)
        write(root / "large", content)

        async def main() -> None:
            async with serving(app(root), ssl_options=certificates.server_context()) as server:
                client = Client(
                    *await asyncio.open_connection(
                        "127.0.0.1", server.port, ssl=certificates.client_context()
                    )
                )
                server.clients.append(client)
                assert (await client.request("/f/large")).body == content
                assert (await client.request("/f/a.txt")).body == BODY

        run(main)

    def test_keep_alive_behind_a_large_file(self, root: Path) -> None:
        write(root / "large", bytes(300_000))

        async def main() -> None:
            async with serving(app(root)) as server:
                client = await server.connect()
                for _ in range(3):
                    assert len((await client.request("/f/large")).body) == 300_000
                    assert (await client.request("/f/a.txt")).body == BODY

        run(main)

    def test_old_times(self, root: Path) -> None:
        write(root / "old", modified=-1_000_000_000)
        assert get(root, "old")["Last-Modified"] == "Sun, 24 Apr 1938 22:13:20 GMT"
        assert get(root, "old", If_Modified_Since=LAST_MODIFIED).status == 304


class TestInTheMiddle:
    """What happens while a large file is being sent."""

    def test_it_becomes_shorter(self, root: Path, log: LogBook) -> None:
        make_sparse(root / "large")
        with (root / "large").open("r+b") as file:

            async def main() -> None:
                async with serving(app(root)) as server:
                    client = await server.connect()
                    await client.send(head("/f/large"))
                    response = await client.response_head()
                    assert response["Content-Length"] == str(SPARSE)
                    file.truncate(1000)
                    assert len(await client.rest()) < SPARSE
                    assert (await server.fetch("/f/a.txt")).body == BODY

            run(main)
        assert not is_open(root / "large")
        log.take("has become shorter")

    def test_it_becomes_longer(self, root: Path) -> None:
        make_sparse(root / "large")

        async def main() -> None:
            async with serving(app(root)) as server:
                client = await server.connect()
                await client.send(head("/f/large"))
                response = await client.response_head()
                with (root / "large").open("ab") as file:
                    file.write(b"x" * 1000)
                body = await client.reader.readexactly(int(response["Content-Length"]))
                assert body == bytes(SPARSE)
                assert (await client.request("/f/a.txt")).body == BODY

        run(main)

    def test_it_is_removed(self, root: Path) -> None:
        make_sparse(root / "large")

        async def main() -> None:
            async with serving(app(root)) as server:
                client = await server.connect()
                await client.send(head("/f/large"))
                await client.response_head()
                (root / "large").unlink()
                assert await client.reader.readexactly(SPARSE) == bytes(SPARSE)

        run(main)

    def test_the_client_leaves(self, root: Path) -> None:
        make_sparse(root / "large")
        finished = []

        class Handler(StaticFileHandler):
            def on_finish(self) -> None:
                finished.append(True)

        async def main() -> None:
            async with serving(app(root, Handler)) as server:
                client = await server.connect()
                await client.send(head("/f/large"))
                await client.response_head()
                client.abort()
                await until(lambda: finished)

        run(main)
        assert not is_open(root / "large")

    def test_others_are_served_meanwhile(self, root: Path) -> None:
        make_sparse(root / "large")

        async def main() -> None:
            async with serving(app(root)) as server:
                slow = await server.connect()
                await slow.send(head("/f/large"))
                await slow.response_head()
                for _ in range(5):
                    assert (await server.fetch("/f/a.txt")).body == BODY
                assert len(await slow.reader.readexactly(SPARSE)) == SPARSE

        run(main)


class TestConditions:
    @pytest.mark.parametrize("asked", [ETAG, f"W/{ETAG}", "*", f'"a", {ETAG}'])
    def test_if_none_match(self, root: Path, asked: str) -> None:
        response = get(root, If_None_Match=asked)
        assert (response.status, response.body) == (304, b"")
        assert response["Etag"] == ETAG and response["Last-Modified"] == LAST_MODIFIED
        assert "Content-Type" not in response and "Content-Length" not in response

    @pytest.mark.parametrize(
        ("date", "status"),
        [
            (LAST_MODIFIED, 304),
            ("Sun, 09 Sep 2001 01:46:41 GMT", 304),
            ("Sunday, 09-Sep-01 01:46:40 GMT", 304),
            ("Sun, 09 Sep 2001 01:46:39 GMT", 200),
            ("yesterday", 200),
            ("", 200),
        ],
    )
    def test_if_modified_since(self, root: Path, date: str, status: int) -> None:
        assert get(root, If_Modified_Since=date).status == status

    def test_the_tag_comes_first(self, root: Path) -> None:
        response = get(root, If_None_Match='"a"', If_Modified_Since=LAST_MODIFIED)
        assert (response.status, response.body) == (200, BODY)

    def test_head_and_ranges_too(self, root: Path) -> None:
        fields = {"If-None-Match": ETAG}
        assert fetch(app(root), "/f/a.txt", method="HEAD", headers=fields).status == 304
        assert get(root, If_None_Match=ETAG, Range="bytes=0-1").status == 304

    def test_a_changed_file(self, root: Path) -> None:
        assert get(root)["Etag"] == ETAG
        write(root / "a.txt", b"other", MODIFIED + 1)
        response = get(root, If_None_Match=ETAG)
        assert (response.status, response.body) == (200, b"other")
        assert get(root, If_None_Match=response["Etag"]).status == 304


class TestVersions:
    def settings(self, root: Path, **more: Any) -> dict[str, Any]:
        return {"static_path": str(root), **more}

    def test_url(self, root: Path) -> None:
        make = StaticFileHandler.make_static_url
        version = ETAG.strip('"')
        assert make(self.settings(root), "a.txt") == f"/static/a.txt?v={version}"
        assert make(self.settings(root), "a.txt", include_version=False) == "/static/a.txt"
        settings = self.settings(root, static_url_prefix="/s/")
        assert make(settings, "a.txt") == f"/s/a.txt?v={version}"

    def test_is_made_once(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reads: list[str] = []

        class Handler(StaticFileHandler):
            @classmethod
            def get_content_version(cls, abspath: str) -> str:
                reads.append(os.path.basename(abspath))
                return f"v{len(reads)}"

        settings = self.settings(root)
        for _ in range(3):
            assert Handler.get_version(settings, "a.txt") == "v1"
        write(root / "a.txt", b"longer than it was")
        assert Handler.get_version(settings, "a.txt") == "v2"
        Handler.reset()
        assert Handler.get_version(settings, "a.txt") == "v3"
        settings["static_hash_cache"] = False
        assert Handler.get_version(settings, "a.txt") == "v4"
        # Another class is another maker of versions.
        assert StaticFileHandler.get_version(settings, "a.txt") != "v4"

    def test_the_longest_unused_is_forgotten(self, root: Path) -> None:
        reads: list[str] = []

        class Handler(StaticFileHandler):
            MAX_CACHED_VERSIONS = 2

            @classmethod
            def get_content_version(cls, abspath: str) -> str:
                reads.append(os.path.basename(abspath)[0])
                return "v"

        for name in "abc":
            write(root / name)
        for name in "abacab":
            Handler.get_version(self.settings(root), name)
        assert reads == ["a", "b", "c", "b"]

    def test_of_a_file_that_has_just_changed_is_kept_for_a_moment(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two changes within a tick of the file system's clock look the same."""
        settings = self.settings(root)
        status = (root / "a.txt").stat()
        now = status.st_ctime
        monkeypatch.setattr(time, "time", lambda: now)
        old = StaticFileHandler.get_version(settings, "a.txt")
        sign = _files.signature_of(str(root / "a.txt"))
        write(root / "a.txt", b"HELLO WORLD")
        monkeypatch.setattr(_files, "signature_of", lambda path: sign)
        assert StaticFileHandler.get_version(settings, "a.txt") == old
        now += _files.SETTLED_SECONDS
        new = StaticFileHandler.get_version(settings, "a.txt")
        assert new == hashlib.sha512(b"HELLO WORLD").hexdigest()

    def test_of_what_is_not_there(self, root: Path, log: LogBook) -> None:
        assert StaticFileHandler.make_static_url(self.settings(root), "nope") == "/static/nope"
        log.take("Could not open static file")
        # Nobody is told twice, and what appears is seen.
        assert StaticFileHandler.get_version(self.settings(root), "nope") is None
        write(root / "nope")
        assert StaticFileHandler.get_version(self.settings(root), "nope") == ETAG.strip('"')

    @pytest.mark.parametrize(("size", "fits"), [(11, True), (10, False)])
    def test_largest(self, root: Path, log: LogBook, size: int, fits: bool) -> None:
        class Handler(StaticFileHandler):
            MAX_VERSION_CONTENT_SIZE = size

        found = Handler.get_version(self.settings(root), "a.txt")
        assert (found is not None) == fits
        if not fits:
            log.take("larger than 10 bytes")
            with pytest.raises(ValueError, match="larger than"):
                Handler.get_content_version(str(root / "a.txt"))
        response = fetch(app(root, Handler), "/f/a.txt")
        assert (response["Etag"] == ETAG) == fits
        assert (
            fetch(
                app(root, Handler), "/f/a.txt", headers={"If-None-Match": response["Etag"]}
            ).status
            == 304
        )

    def test_a_tag_by_the_time_is_weak_until_it_is_settled(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Handler(StaticFileHandler):
            MAX_VERSION_CONTENT_SIZE = 1

        assert fetch(app(root, Handler), "/f/a.txt")["Etag"].startswith('W/"')
        monkeypatch.setattr(_files, "SETTLED_SECONDS", 0.0)
        tag = fetch(app(root, Handler), "/f/a.txt")["Etag"]
        assert tag == f'"{MODIFIED * 10**9:x}-b"'

    def test_what_is_large_is_hashed_once_and_in_a_thread(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        makers: list[threading.Thread] = []

        write(root / "large", bytes(static.HASHED_AT_ONCE + 1))

        async def main() -> None:
            async with serving(app(root)) as server:
                answers = await asyncio.gather(*[server.fetch("/f/large") for _ in range(5)])
                (tag,) = {answer["Etag"] for answer in answers}
                assert tag == f'"{real(bytes(static.HASHED_AT_ONCE + 1)).hexdigest()}"'
                assert all(len(answer.body) == static.HASHED_AT_ONCE + 1 for answer in answers)

        class Spy:
            """In the place of the hash, which is what takes the time."""

            def __init__(self) -> None:
                makers.append(threading.current_thread())
                self._real = real(b"")
                self.update = self._real.update
                self.hexdigest = self._real.hexdigest

        real = hashlib.sha512
        monkeypatch.setattr(hashlib, "sha512", Spy)
        run(main)
        assert len(makers) == 1 and makers[0] is not threading.main_thread()

    def test_cache_headers(self, root: Path) -> None:
        version = ETAG.strip('"')
        for query, caching in (
            (f"v={version}", "max-age=315360000, immutable"),
            ("v=old", "max-age=315360000"),
            ("v=", "max-age=315360000"),
            ("v", "max-age=315360000"),
        ):
            response = get(root, f"a.txt?{query}")
            assert response["Cache-Control"] == caching
            assert "Expires" in response
        assert "Cache-Control" not in get(root, "a.txt?w=1")

    def test_static_url(self, root: Path, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write(
                    {
                        "plain": self.static_url("a.txt", include_version=False),
                        "host": self.static_url("a.txt", include_host=True, include_version=False),
                        "versioned": self.static_url("a.txt"),
                    }
                )

        class Absolute(Handler):
            include_host = True

        class Outside(RequestHandler):
            def get(self) -> None:
                self.static_url("../secret.txt")

        rules = [("/", Handler), ("/absolute", Absolute), ("/outside", Outside)]
        settings: dict[str, Any] = {"log_function": lambda handler: None}
        one = Application(rules, static_path=str(root), **settings)
        found = json.loads(fetch(one).body)
        version = ETAG.strip('"')
        assert found == {
            "plain": "/static/a.txt",
            "host": "http://example.com/static/a.txt",
            "versioned": f"/static/a.txt?v={version}",
        }
        found = json.loads(fetch(one, "/absolute").body)
        assert found["plain"] == "http://example.com/static/a.txt"
        assert fetch(one, found["versioned"].removeprefix("http://example.com")).body == BODY
        assert fetch(one, "/outside").status == 403
        log.take("not in root static directory")
        assert fetch(Application(rules, **settings)).status == 500
        log.take("You must define the 'static_path' setting")


class TestSettings:
    def make(self, root: Path, **settings: Any) -> Application:
        rules: list[Any] = [("/static/mine", RequestHandler)]
        return Application(
            rules, static_path=str(root), log_function=lambda handler: None, **settings
        )

    def test_rules(self, root: Path) -> None:
        write(root / "favicon.ico", b"icon")
        write(root / "robots.txt", b"robots")
        one = self.make(root)
        assert fetch(one, "/static/a.txt").body == BODY
        assert fetch(one, "/favicon.ico").body == b"icon"
        assert fetch(one, "/robots.txt").body == b"robots"
        assert fetch(one, "/faviconxico").status == 404

    def test_prefix_is_literal(self, root: Path) -> None:
        one = self.make(root, static_url_prefix="/s.x/")
        assert fetch(one, "/s.x/a.txt").body == BODY
        assert fetch(one, "/sax/a.txt").status == 404

    def test_class_and_arguments(self, root: Path) -> None:
        class Handler(StaticFileHandler):
            def set_extra_headers(self, path: str) -> None:
                self.set_header("X-Path", path)

        one = self.make(
            root,
            static_handler_class=Handler,
            static_handler_args={"default_filename": "index.html"},
        )
        response = fetch(one, "/static/folder/")
        assert (response.body, response["X-Path"]) == (b"<p>index</p>", "folder/")


class TestSubclasses:
    def test_without_a_file_system(self) -> None:
        content = {"/one": b"first", "/two": b"second"}

        class Handler(StaticFileHandler):
            @classmethod
            def get_absolute_path(cls, root: str, path: str) -> str:
                return f"/{path}"

            def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
                if absolute_path not in content:
                    raise HTTPError(404)
                return absolute_path

            @classmethod
            def get_content(  # type: ignore[override]
                cls, abspath: str, start: int | None = None, end: int | None = None
            ) -> bytes:
                return content[abspath][start:end]

            def get_content_size(self) -> int:
                assert self.absolute_path is not None
                return len(content[self.absolute_path])

            def get_modified_time(self) -> datetime.datetime | None:
                return datetime.datetime(2001, 9, 9, 1, 46, 40)  # naive

            def get_content_type(self) -> str:
                return "text/x-made"

        one = app("nowhere", Handler)
        response = fetch(one, "/f/one")
        assert (response.status, response.body) == (200, b"first")
        assert response["Etag"] == f'"{hashlib.sha512(b"first").hexdigest()}"'
        assert response["Last-Modified"] == LAST_MODIFIED
        assert response["Content-Type"] == "text/x-made"
        part = fetch(one, "/f/two", headers={"Range": "bytes=1-2"})
        assert (part.status, part.body) == (206, b"ec")
        fields = {"If-Modified-Since": "Sun, 09 Sep 2001 01:46:41 GMT"}
        assert fetch(one, "/f/two", headers=fields).status == 304
        assert fetch(one, "/f/three").status == 404
        assert fetch(one, "/f/one", method="HEAD")["Content-Length"] == "5"

    def test_content_in_pieces(self, root: Path) -> None:
        closed: list[bool] = []

        class Handler(StaticFileHandler):
            @classmethod
            def get_content(
                cls, abspath: str, start: int | None = None, end: int | None = None
            ) -> Generator[bytes, None, None]:
                try:
                    for letter in BODY.decode():
                        yield letter.encode()
                finally:
                    closed.append(True)

            @classmethod
            def get_content_version(cls, abspath: str) -> str:
                return "v1"

        response = fetch(app(root, Handler), "/f/a.txt")
        assert (response.body, response["Etag"]) == (BODY, '"v1"')
        assert closed == [True]

    def test_no_tag_no_date_no_type(self, root: Path) -> None:
        class Handler(StaticFileHandler):
            def compute_etag(self) -> str | None:
                return None

            def get_modified_time(self) -> datetime.datetime | None:
                return None

            def get_content_type(self) -> str:
                return ""

            def get_cache_time(self, path: str, modified: Any, mime_type: str) -> int:
                assert (path, modified, mime_type) == ("a.txt", None, "")
                return 60

        response = fetch(app(root, Handler), "/f/a.txt", headers={"If-Modified-Since": "x"})
        assert response.body == BODY
        assert "Etag" not in response and "Last-Modified" not in response
        assert response["Cache-Control"] == "max-age=60"

    def test_get_can_be_awaited(self, root: Path) -> None:
        write(root / "large", bytes(100_000))

        class Handler(StaticFileHandler):
            async def get(self, path: str, include_body: bool = True) -> None:
                self.set_header("X-Before", "1")
                await super().get(path, include_body)

        for name, size in (("a.txt", 11), ("large", 100_000)):
            response = fetch(app(root, Handler), f"/f/{name}")
            assert (len(response.body), response["X-Before"]) == (size, "1")

    def test_what_validation_finds_elsewhere(self, root: Path) -> None:
        """Whoever overrides it decides; the file is looked at all the same."""

        class Handler(StaticFileHandler):
            def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
                return absolute_path.replace("alias", "a.txt")

        one = app(root, Handler)
        assert fetch(one, "/f/alias").body == BODY
        assert fetch(one, "/f/nope").status == 404

    def test_transforms_see_large_files(self, root: Path) -> None:
        class Upper(OutputTransform):
            def transform_first_chunk(
                self, status: int, headers: Any, chunk: bytes, f: bool
            ) -> Any:
                return status, headers, chunk.upper()

            def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
                return chunk.upper()

        write(root / "large", b"x" * 200_000)
        one = app(root, settings={"transforms": [Upper]})
        assert fetch(one, "/f/large").body == b"X" * 200_000

    def test_signatures(self) -> None:
        def names(method: Any) -> list[str]:
            return list(inspect.signature(method).parameters)

        assert names(StaticFileHandler.initialize) == [
            "self",
            "path",
            "default_filename",
            "allowed_symlink_directory",
        ]
        assert names(StaticFileHandler.get_content) == ["abspath", "start", "end"]
        assert StaticFileHandler.CACHE_MAX_AGE == 315360000
        assert StaticFileHandler.MAX_CACHED_VERSIONS == 10000
        assert StaticFileHandler.MAX_VERSION_CONTENT_SIZE == 67108864
