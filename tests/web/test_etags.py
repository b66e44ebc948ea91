"""Entity tags: what the client has already is not sent again (RFC 9110 section 13.1.2)."""

from __future__ import annotations

import hashlib

import pytest
from tests.web.support import application, fetch, run, serving, writer

from tornadic.web import Application, RequestHandler


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha1(body).hexdigest()}"'


class TestEtag:
    def test_is_the_hash_of_the_body(self) -> None:
        assert fetch(writer("a", "b"))["Etag"] == etag_of(b"ab")
        assert fetch(writer())["Etag"] == etag_of(b"")

    @pytest.mark.parametrize(
        ("asked", "status"),
        [
            ("{}", 304),
            ("*", 304),
            ("W/{}", 304),
            ('"x", {}', 304),
            ('"x",{},"y"', 304),
            ('W/"x", W/{}', 304),
            ('"a, b", {}', 304),
            ('"x"', 200),
            ("", 200),
            ("{}x", 304),
            ("x", 200),
            ('"', 200),
            ('"x", "y"', 200),
        ],
    )
    def test_if_none_match(self, asked: str, status: int) -> None:
        asked = asked.replace("{}", etag_of(b"body"))
        response = fetch(writer("body"), headers={"If-None-Match": asked})
        assert response.status == status
        assert response.body == (b"body" if status == 200 else b"")

    def test_without_its_quotes_it_does_not_match(self) -> None:
        asked = etag_of(b"body").strip('"')
        assert fetch(writer("body"), headers={"If-None-Match": asked}).status == 200

    def test_a_weak_tag_of_ones_own(self) -> None:
        handler = writer("body", compute_etag=lambda self: 'W/"v1"')
        for asked in ('W/"v1"', '"v1"', '"v0", W/"v1"'):
            assert fetch(handler, headers={"If-None-Match": asked}).status == 304
        response = fetch(handler)
        assert (response.status, response["Etag"]) == (200, 'W/"v1"')

    def test_a_304_has_no_body_and_does_not_describe_one(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_header("Content-Language", "en")
                self.set_header("Cache-Control", "max-age=1")
                self.write("body")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                tag = etag_of(b"body")
                response = await client.request(headers={"If-None-Match": tag})
                assert (response.status, response.reason) == (304, "Not Modified")
                assert (response["Etag"], response["Cache-Control"]) == (tag, "max-age=1")
                for name in ("Content-Type", "Content-Language", "Content-Length"):
                    assert name not in response
                assert "Transfer-Encoding" not in response
                # Nothing of a body is in the way of the next response.
                assert (await client.request()).body == b"body"

        run(main)

    def test_none(self) -> None:
        handler = writer("body", compute_etag=lambda self: None)
        response = fetch(handler, headers={"If-None-Match": "*"})
        assert response.status == 200
        assert "Etag" not in response

    def test_set_by_the_program(self) -> None:
        class Handler(RequestHandler):
            def compute_etag(self) -> str | None:
                return None

            def get(self) -> None:
                self.set_header("Etag", '"mine"')
                if self.check_etag_header():
                    self.set_status(304)
                    return
                self.write("body")

        assert fetch(Handler)["Etag"] == '"mine"'
        response = fetch(Handler, headers={"If-None-Match": '"mine"'})
        assert (response.status, response["Etag"]) == (304, '"mine"')

    def test_set_by_the_program_is_kept_and_compared(self) -> None:
        handler = writer("body", prepare=lambda self: self.set_header("Etag", '"mine"'))
        assert fetch(handler)["Etag"] == '"mine"'
        assert fetch(handler, headers={"If-None-Match": etag_of(b"body")}).status == 200
        response = fetch(handler, headers={"If-None-Match": '"mine"'})
        assert (response.status, response["Etag"]) == (304, '"mine"')

    def test_only_for_200_and_only_when_sent_at_once(self) -> None:
        class Handler(RequestHandler):
            async def get(self, how: str) -> None:
                self.write("x")
                if how == "flushed":
                    await self.flush()
                else:
                    self.set_status(int(how))

            def post(self, how: str) -> None:
                self.write("x")

        app = Application([("/(.*)", Handler)])
        assert "Etag" not in fetch(app, "/404")
        assert "Etag" not in fetch(app, "/flushed")
        assert "Etag" not in fetch(app, "/x", "POST")
        assert fetch(app, "/404", headers={"If-None-Match": "*"}).status == 404
        assert fetch(app, "/x", "POST", headers={"If-None-Match": "*"}).status == 200

    def test_head(self) -> None:
        response = fetch(writer("body"), method="HEAD", headers={"If-None-Match": '"x"'})
        assert (response.status, response["Etag"]) == (200, etag_of(b"body"))
        tag = {"If-None-Match": etag_of(b"body")}
        assert fetch(writer("body"), method="HEAD", headers=tag).status == 304
