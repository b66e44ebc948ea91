"""Paths of static files, as attackers write them: never what is outside, never off the site.

What is refused is refused in the same way whether or not it is there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.static_support import BODY, SECRET, app, get, make_root, write
from tests.web.support import LogBook, fetch

from tornadic.web import HTTPError, StaticFileHandler, _files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


class TestOutside:
    @pytest.mark.parametrize(
        "name",
        [
            "..",
            "../secret.txt",
            "../nope.txt",
            "%2e%2e/secret.txt",
            "..%2fsecret.txt",
            "%2e%2e%2fsecret.txt",
            "folder/../../secret.txt",
            "./../secret.txt",
            "folder/../../root/a.txt",
            "../root/a.txt",
            "../root2/secret.txt",
            "/a.txt",
            "%2fa.txt",
            "/etc/passwd",
            "//etc/passwd",
            "%2Fetc%2Fpasswd",
        ],
    )
    def test_is_refused(self, root: Path, log: LogBook, name: str) -> None:
        response = get(root, name)
        assert response.status == 403
        assert SECRET not in response.body and BODY not in response.body
        log.take("is not in root static directory")

    def test_a_sibling_whose_name_begins_alike(self, root: Path, log: LogBook) -> None:
        (root / "link").symlink_to(root.parent / "root2")
        assert get(root, "link/secret.txt").status == 403
        log.take("is not in root static directory")

    @pytest.mark.parametrize(
        "name",
        [
            "%252e%252e/secret.txt",
            "..%255csecret.txt",
            "..\\secret.txt",
            "..%5csecret.txt",
            "....//secret.txt",
            "..;/secret.txt",
            "a.txt%00",
            "%00",
            "a.txt%00.jpg",
            "a.txt::$DATA",
            "CON",
            "A.TXT",
        ],
    )
    def test_is_just_a_name(self, root: Path, name: str) -> None:
        assert get(root, name).status == 404

    def test_bytes_that_are_no_utf8(self, root: Path, log: LogBook) -> None:
        assert get(root, "%E4.txt").status == 400
        assert get(root, "%C0%AE%C0%AE/secret.txt").status == 400
        log.take_all("")

    @given(st.lists(st.sampled_from(["..", ".", "", "a", "a.b", "\\", "..."]), max_size=8))
    def test_what_is_resolved_lies_within(self, parts: list[str]) -> None:
        path = "/".join(parts)
        found = _files.resolve("/srv/root", path)
        plain = os.path.normpath(os.path.join("/srv/root", path))
        inside = plain == "/srv/root" or plain.startswith("/srv/root/")
        if found is None:
            assert path.startswith("/") or ".." in parts
        else:
            assert inside and found == plain
        assert _files.resolve("/", path) in (None, os.path.normpath("/" + path.lstrip("/")))

    @pytest.mark.parametrize(
        "path",
        [
            "..\\secret",
            "a\\..\\..\\secret",
            "\\secret",
            "C:\\secret",
            "C:secret",
            "a.txt::$DATA",
            "CON",
            "folder/nul.txt",
            "lpt1",
            "com1 .txt",
        ],
    )
    def test_where_backslashes_are_separators(self, path: str) -> None:
        assert _files.resolve("C:\\root", path, "\\") is None

    def test_what_is_well_where_backslashes_are_separators(self) -> None:
        assert _files.resolve("C:\\root", "a/b\\..\\c.txt", "\\") == "C:\\root\\a\\c.txt"

    @pytest.mark.parametrize(
        "path", ["a" * 60000 + "/.", "aaaa/" * 12000 + "/", "a/" * 30000 + "."]
    )
    def test_long_ones_take_no_longer_than_reading_them(self, path: str) -> None:
        for _ in range(50):
            assert _files.resolve("/srv/root", path) is not None

    def test_static_url(self, root: Path) -> None:
        settings = {"static_path": str(root)}
        for path in ("../secret.txt", "../nope", "/etc/passwd", "folder/../../secret.txt"):
            with pytest.raises(HTTPError) as caught:
                StaticFileHandler.make_static_url(settings, path)
            assert caught.value.status_code == 403


class TestLinks:
    def test_within(self, root: Path) -> None:
        (root / "link.bin").symlink_to("a.txt")
        (root / "away").symlink_to("folder")
        response = get(root, "link.bin")
        assert (response.body, response["Content-Type"]) == (BODY, "text/plain")
        assert get(root, "away/index.html").status == 200

    def test_leading_out(self, root: Path, log: LogBook) -> None:
        (root / "file").symlink_to("../secret.txt")
        (root / "nothing").symlink_to("../nope.txt")
        (root / "folder2").symlink_to("..")
        for name in ("file", "nothing", "folder2", "folder2/secret.txt", "folder2/nope"):
            assert get(root, name).status == 403
        assert len(log.take_all("is not in root static directory")) == 5

    def test_broken_ones(self, root: Path) -> None:
        (root / "nothing").symlink_to("nope.txt")
        (root / "loop").symlink_to("loop")
        assert get(root, "nothing").status == 404
        assert get(root, "loop").status == 404

    @pytest.mark.parametrize("as_list", [False, True])
    def test_allowed(self, root: Path, log: LogBook, as_list: bool) -> None:
        write(root.parent / "shared" / "b.txt", b"shared")
        write(root.parent / "shared2" / "c.txt", SECRET)
        (root / "b.txt").symlink_to("../shared/b.txt")
        (root / "c.txt").symlink_to("../shared2/c.txt")
        allowed: Any = str(root.parent / "shared")
        one = app(root, allowed_symlink_directory=[allowed] if as_list else allowed)
        assert fetch(one, "/f/b.txt").body == b"shared"
        assert fetch(one, "/f/a.txt").body == BODY
        assert fetch(one, "/f/c.txt").status == 403
        log.take("is not in root static directory")

    def test_one_that_is_turned_round(self, root: Path, log: LogBook) -> None:
        """What was allowed once is not allowed for good."""
        write(root.parent / "elsewhere" / "b.txt")
        (root / "link").symlink_to("folder")
        write(root / "folder" / "b.txt")
        assert get(root, "link/b.txt").body == BODY
        (root / "link").unlink()
        (root / "link").symlink_to("../elsewhere")
        assert get(root, "link/b.txt").status == 403
        log.take("is not in root static directory")


class TestDirectories:
    def test_without_a_default(self, root: Path, log: LogBook) -> None:
        for name in ("", "folder", "folder/", "folder/.."):
            assert get(root, name).status == 403
        assert len(log.take_all("is not a file")) == 4

    def test_default_filename(self, root: Path) -> None:
        one = app(root, default_filename="index.html")
        assert fetch(one, "/f/folder/").body == b"<p>index</p>"
        response = fetch(one, "/f/folder")
        assert (response.status, response["Location"]) == (301, "/f/folder/")
        assert fetch(one, "/f/folder", method="HEAD").status == 301
        assert fetch(one, "/f/").status == 404

    def test_a_default_outside(self, root: Path, log: LogBook) -> None:
        one = app(root, default_filename="../../secret.txt")
        assert fetch(one, "/f/folder/").status == 403
        log.take("is not in root static directory")

    def test_a_link_to_a_folder_outside_is_not_redirected(self, root: Path, log: LogBook) -> None:
        (root / "link").symlink_to("../root2")
        assert fetch(app(root, default_filename="index.html"), "/f/link").status == 403
        log.take("is not in root static directory")

    @pytest.mark.parametrize(
        "target",
        [
            "//evil.com/q/folder",
            "//evil.com/../q/folder",
            "///evil.com/q/folder",
            "/\\evil.com/q/folder",
            "/\\/evil.com/q/folder",
        ],
    )
    def test_never_redirects_off_the_site(self, root: Path, log: LogBook, target: str) -> None:
        one = app(root, pattern=".*/q/(.*)", default_filename="index.html")
        response = fetch(one, target)
        assert response.status == 403
        assert "Location" not in response
        log.take("cannot redirect")

    @pytest.mark.parametrize(
        "target", ["//evil.com/..", "//evil.com/%2e%2e", "///..", "/%5cevil.com/.."]
    )
    def test_a_rule_for_everything(self, root: Path, log: LogBook, target: str) -> None:
        response = fetch(app(root, pattern="/(.*)", default_filename="index.html"), target)
        assert response.status in (403, 404) or response["Location"].startswith("/%5c")
        log.take_all("") if log.unread else None


class TestSpecialFiles:
    def test_fifo(self, root: Path, log: LogBook) -> None:
        os.mkfifo(root / "fifo")
        assert get(root, "fifo").status == 403
        assert StaticFileHandler.get_version({"static_path": str(root)}, "fifo") is None
        with pytest.raises(HTTPError):
            next(StaticFileHandler.get_content(str(root / "fifo")))
        assert len(log.take_all("is not a file")) == 2

    def test_device(self, root: Path, log: LogBook) -> None:
        (root / "zero").symlink_to("/dev/zero")
        assert fetch(app(root, allowed_symlink_directory="/dev"), "/f/zero").status == 403
        assert StaticFileHandler.get_version({"static_path": str(root)}, "zero") is None
        assert len(log.take_all("is not a file")) == 2

    @pytest.mark.parametrize(
        ("number", "status"), [(errno.EACCES, 403), (errno.EPERM, 403), (errno.EIO, 500)]
    )
    def test_unreadable(
        self,
        root: Path,
        log: LogBook,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        status: int,
    ) -> None:
        assert get(root).status == 200
        real = os.open

        def fail(path: Any, *args: Any, **kwargs: Any) -> int:
            if str(path).endswith("a.txt"):
                raise OSError(number, os.strerror(number))
            return real(path, *args, **kwargs)

        monkeypatch.setattr(os, "open", fail)
        assert get(root).status == status
        log.take("'a.txt'")


class TestChanges:
    def swap(
        self, monkeypatch: pytest.MonkeyPatch, root: Path, change: Callable[[int], None]
    ) -> None:
        """Have ``change`` happen between the look at the file and its opening, every time."""
        real = os.open
        times = [0]

        def swapped(path: Any, *args: Any, **kwargs: Any) -> int:
            if str(path) == str(root / "a.txt"):
                times[0] += 1
                change(times[0])
            return real(path, *args, **kwargs)

        monkeypatch.setattr(os, "open", swapped)

    def test_replaced_once(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def change(times: int) -> None:
            if times == 1:
                write(root / "new", b"the new one")
                os.replace(root / "new", root / "a.txt")

        self.swap(monkeypatch, root, change)
        response = get(root, Range="bytes=0-2")
        assert (response.status, response.body) == (206, b"the")
        assert response["Content-Range"] == "bytes 0-2/11"

    def test_replaced_by_a_link_out(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, log: LogBook
    ) -> None:
        def change(times: int) -> None:
            (root / "a.txt").unlink()
            (root / "a.txt").symlink_to("../secret.txt")

        self.swap(monkeypatch, root, change)
        response = get(root)
        assert response.status == 403 and SECRET not in response.body
        log.take("is not in root static directory")

    def test_replaced_by_a_fifo(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, log: LogBook
    ) -> None:
        def change(times: int) -> None:
            (root / "a.txt").unlink()
            os.mkfifo(root / "a.txt")

        self.swap(monkeypatch, root, change)
        assert get(root).status == 403
        log.take("is not a file")

    def test_removed(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.swap(monkeypatch, root, lambda times: (root / "a.txt").unlink(missing_ok=True))
        assert get(root).status == 404

    def test_replaced_all_the_time(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, log: LogBook
    ) -> None:
        def change(times: int) -> None:
            write(root / "a.txt", b"x" * times)

        self.swap(monkeypatch, root, change)
        assert get(root).status == 503
        log.take("changes all the time")
