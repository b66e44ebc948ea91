"""Files that lie there encoded already, and which client gets which form of them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from tests.web.static_support import BODY, ETAG, MODIFIED, app, make_root, write
from tests.web.support import Response, fetch

from tornadic.web import StaticFileHandler

SETTINGS = {"static_precompressed": True}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = make_root(tmp_path)
    write(root / "a.txt.gz", gzip.compress(BODY, mtime=0))
    return root


def get(root: Path, accepted: str | None, name: str = "a.txt", **fields: str) -> Response:
    headers = {key.replace("_", "-"): value for key, value in fields.items()}
    if accepted is not None:
        headers["Accept-Encoding"] = accepted
    return fetch(app(root, settings=SETTINGS), f"/f/{name}", headers=headers)


class TestForms:
    def test_encoded(self, root: Path) -> None:
        response = get(root, "gzip, deflate, br")
        assert response["Content-Encoding"] == "gzip"
        assert response["Vary"] == "Accept-Encoding"
        assert response["Content-Type"] == "text/plain"
        assert gzip.decompress(response.body) == BODY
        assert response["Etag"] != ETAG

    @pytest.mark.parametrize("accepted", [None, "", "identity", "deflate", "gzip;q=0", "br"])
    def test_as_it_is(self, root: Path, accepted: str | None) -> None:
        response = get(root, accepted)
        assert (response.body, response["Etag"]) == (BODY, ETAG)
        assert "Content-Encoding" not in response
        assert response["Vary"] == "Accept-Encoding"

    def test_not_asked_for(self, root: Path) -> None:
        response = fetch(app(root), "/f/a.txt", headers={"Accept-Encoding": "gzip"})
        assert response.body == BODY
        assert "Vary" not in response and "Content-Encoding" not in response

    def test_without_other_forms(self, root: Path) -> None:
        response = get(root, "gzip", "folder/index.html")
        assert "Vary" not in response and "Content-Encoding" not in response

    def test_each_form_has_a_tag_of_its_own(self, root: Path) -> None:
        encoded = get(root, "gzip")["Etag"]
        assert get(root, "gzip", If_None_Match=encoded).status == 304
        assert get(root, None, If_None_Match=encoded).status == 200
        assert get(root, "gzip", If_None_Match=ETAG).status == 200
        assert get(root, "gzip", If_None_Match=encoded)["Vary"] == "Accept-Encoding"

    def test_a_part_is_one_of_the_form(self, root: Path) -> None:
        whole = get(root, "gzip")
        part = get(root, "gzip", Range="bytes=2-5", If_Range=whole["Etag"])
        assert (part.status, part.body) == (206, whole.body[2:6])
        assert part["Content-Range"] == f"bytes 2-5/{len(whole.body)}"
        assert get(root, None, Range="bytes=2-5", If_Range=whole["Etag"]).body == BODY

    def test_an_old_form_is_not_used(self, root: Path) -> None:
        write(root / "a.txt", b"newer", MODIFIED + 1)
        response = get(root, "gzip")
        assert response.body == b"newer" and "Vary" not in response

    def test_a_form_outside_is_not_used(self, root: Path) -> None:
        (root / "a.txt.gz").unlink()
        (root / "a.txt.gz").symlink_to("../secret.txt")
        (root / "a.txt.br").mkdir()
        assert get(root, "gzip, br").body == BODY

    def test_the_best_form(self, root: Path) -> None:
        for suffix, content in ((".br", b"brotli"), (".zst", b"zstandard")):
            write(root / f"a.txt{suffix}", content)
        assert get(root, "gzip, br, zstd").body == b"zstandard"
        assert get(root, "gzip, br").body == b"brotli"
        assert get(root, "gzip;q=1, br;q=0.9")["Content-Encoding"] == "gzip"

    def test_versioned(self, root: Path) -> None:
        """The URL has the version of the file itself, whatever form of it is sent."""
        version = StaticFileHandler.get_version({"static_path": str(root)}, "a.txt")
        response = get(root, "gzip", f"a.txt?v={version}")
        assert response["Content-Encoding"] == "gzip"
        assert response["Cache-Control"] == "max-age=315360000, immutable"
        assert get(root, "gzip", "a.txt?v=x")["Cache-Control"] == "max-age=315360000"

    def test_content_of_ones_own_has_no_other_forms(self, root: Path) -> None:
        class Handler(StaticFileHandler):
            @classmethod
            def get_content(cls, abspath: str, start: Any = None, end: Any = None) -> Any:
                return BODY

        one = app(root, Handler, settings=SETTINGS)
        assert fetch(one, "/f/a.txt", headers={"Accept-Encoding": "gzip"}).body == BODY
