"""Parts of static files (RFC 9110 section 14), and when a part must not be sent (13.1.5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.static_support import BODY, ETAG, LAST_MODIFIED, app, get, make_root, write
from tests.web.support import fetch, run, serving

from tornadic.web import static


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


class TestRanges:
    @pytest.mark.parametrize(
        ("header", "part", "where"),
        [
            ("bytes=0-4", BODY[:5], "0-4"),
            ("bytes=0-0", BODY[:1], "0-0"),
            ("bytes=5-100", BODY[5:], "5-10"),
            ("bytes=10-", BODY[10:], "10-10"),
            ("bytes=-5", BODY[-5:], "6-10"),
            ("BYTES = 1 - 2", BODY[1:3], "1-2"),
        ],
    )
    def test_a_part(self, root: Path, header: str, part: bytes, where: str) -> None:
        response = get(root, Range=header)
        assert (response.status, response.body) == (206, part)
        assert response["Content-Range"] == f"bytes {where}/11"
        assert response["Etag"] == ETAG
        head = fetch(app(root), "/f/a.txt", method="HEAD", headers={"Range": header})
        assert (head.status, head["Content-Length"]) == (206, str(len(part)))

    @pytest.mark.parametrize(
        "header", ["bytes=0-", "bytes=0-10", "bytes=0-11", "bytes=-11", "bytes=-99"]
    )
    def test_all_of_it_is_no_part(self, root: Path, header: str) -> None:
        response = get(root, Range=header)
        assert (response.status, response.body) == (200, BODY)
        assert "Content-Range" not in response

    @pytest.mark.parametrize(
        "header",
        [
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1_0-",
            "bytes=--5",
            "bytes=1-2-3",
            "bytes=",
            "bytes=-",
            "lines=1-2",
            "1-2",
            "",
            "bytes=" + "0" * 200 + "-1",
            "bytes=" + ",".join(["0-1"] * 5000),
        ],
    )
    def test_what_is_no_single_range_is_ignored(self, root: Path, header: str) -> None:
        response = get(root, Range=header)
        assert (response.status, response.body) == (200, BODY)

    @pytest.mark.parametrize(
        "header",
        ["bytes=11-", "bytes=11-12", "bytes=-0", "bytes=5-4", "bytes=99999999999999999999-"],
    )
    def test_unsatisfiable(self, root: Path, header: str) -> None:
        response = get(root, Range=header)
        assert (response.status, response.body) == (416, b"")
        assert response["Content-Range"] == "bytes */11"

    @pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
    def test_of_nothing(self, root: Path, header: str) -> None:
        response = get(root, "empty.txt", Range=header)
        assert (response.status, response["Content-Range"]) == (416, "bytes */0")

    @given(first=st.integers(0, 30), last=st.none() | st.integers(0, 30))
    def test_is_a_slice(
        self, tmp_path_factory: pytest.TempPathFactory, first: int, last: int | None
    ) -> None:
        handler = object.__new__(static.StaticFileHandler)
        statuses: list[int] = []

        class Headers:
            def peek(self, name: str) -> str | None:
                text = f"bytes={first}-{'' if last is None else last}"
                return text if name == "Range" else None

        handler.request = type("Request", (), {"headers": Headers()})()
        handler.set_status = lambda status_code, reason=None: statuses.append(status_code)  # type: ignore[method-assign]
        handler.set_header = lambda name, value: None  # type: ignore[method-assign]
        part = handler._requested_part(len(BODY))
        expected = BODY[first : None if last is None else last + 1]
        if part is None:
            assert expected == b""
        else:
            start, end = part
            assert BODY[start:end] == expected
            assert statuses == ([206] if expected != BODY else [])

    def test_of_a_large_file(self, root: Path) -> None:
        content = os.urandom(3 * 2**20)
        write(root / "large", content)
        for first, last in ((1, 70_000), (2**20 - 1, 2**21), (2**21, 2**21 + 9)):
            response = get(root, "large", Range=f"bytes={first}-{last}")
            assert response.body == content[first : last + 1]


class TestIfRange:
    @pytest.mark.parametrize(
        ("condition", "status"),
        [
            (ETAG, 206),
            (LAST_MODIFIED, 206),
            ("Sunday, 09-Sep-01 01:46:40 GMT", 206),
            ('"other"', 200),
            (f"W/{ETAG}", 200),
            ("Sun, 09 Sep 2001 01:46:41 GMT", 200),
            ("Sun, 09 Sep 2001 01:46:39 GMT", 200),
            ("garbage", 200),
            ("*", 200),
            ("", 200),
        ],
    )
    def test_only_of_the_same_content(self, root: Path, condition: str, status: int) -> None:
        response = get(root, Range="bytes=0-4", If_Range=condition)
        assert response.status == status
        assert response.body == (BODY[:5] if status == 206 else BODY)

    def test_a_weak_tag_never_matches(self, root: Path) -> None:
        class Handler(static.StaticFileHandler):
            def compute_etag(self) -> str | None:
                return 'W/"v"'

        fields = {"Range": "bytes=0-4", "If-Range": 'W/"v"'}
        assert fetch(app(root, Handler), "/f/a.txt", headers=fields).status == 200


def test_on_a_connection_that_has_asked_for_other_things(root: Path) -> None:
    """Heads that begin as the ones before are read by a shorter way; no line is lost in it."""

    async def main() -> None:
        async with serving(app(root)) as server:
            client = await server.connect()
            browser = {"User-Agent": "a browser", "Accept": "*/*"}
            whole = await client.request("/f/a.txt", headers=browser)
            last = whole["Last-Modified"]
            for _ in range(3):
                conditions: list[tuple[dict[str, str], int]] = [
                    ({}, 200),
                    ({"Range": "bytes=0-0"}, 206),
                    ({"range": "bytes=0-0", "If-Range": '"other"'}, 200),
                    ({"If-Range": last, "RANGE": "bytes=0-0"}, 206),
                    ({"If-Modified-Since": last}, 304),
                    ({"X": "Range: bytes=0-0"}, 200),
                    ({"Range": "bytes=0-0", "If-Modified-Since": last}, 304),
                ]
                for condition, status in conditions:
                    answer = await client.request("/f/a.txt", headers={**browser, **condition})
                    assert answer.status == status, condition
            client.close()

    run(main)
