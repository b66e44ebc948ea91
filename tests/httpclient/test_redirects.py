"""Where redirects lead, and what is sent there."""

from __future__ import annotations

from typing import Any

import pytest
from tests.httpclient.support import (
    OK,
    Conn,
    Request,
    client,
    fails,
    raw,
    redirect,
    response,
    run,
    serving,
)

from tornadic.httpclient import HTTPClientError, HTTPRequest

SECRETS = {"Authorization": "Bearer x", "Cookie": "a=b", "Proxy-Authorization": "Basic y"}


def followed(answer: bytes, host: str = "127.0.0.1", **arguments: Any) -> list[Request]:
    """The requests that a fetch leads to which is first answered with ``answer``."""
    found: list[Request] = []

    async def main() -> None:
        names = {"other.test": "127.0.0.1", "here.test": "127.0.0.1"}
        async with serving([answer, OK]) as server, client(hostname_mapping=names) as http:
            user = arguments.pop("user", "")
            await http.fetch(server.url("/first", host=host, user=user), **arguments)
            found.extend(server.requests)

    run(main)
    return found


@pytest.mark.parametrize(
    ("code", "method", "after"),
    [
        (301, "GET", "GET"),
        (301, "HEAD", "HEAD"),
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (301, "DELETE", "DELETE"),
        (302, "POST", "GET"),
        (302, "PATCH", "PATCH"),
        (303, "GET", "GET"),
        (303, "HEAD", "HEAD"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (307, "POST", "POST"),
        (307, "HEAD", "HEAD"),
        (308, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
def test_methods_and_bodies(code: int, method: str, after: str) -> None:
    body = b"xyz" if method in ("POST", "PUT", "PATCH") else None
    fields = {"Content-Type": "text/plain", "X-A": "b"}
    first, second = followed(
        response("Location: /second", status=f"{code} X"), method=method, body=body, headers=fields
    )
    assert (first.method, first.body) == (method, body or b"")
    assert (second.method, second.target) == (after, "/second")
    assert second.header("x-a") == "b"
    if after == method and code != 303:
        assert second.body == (body or b"")
        assert second.header("content-type") == "text/plain"
    else:
        assert second.body == b"" and second.header("content-length") is None
        assert (second.header("content-type") is None) == (method != "HEAD")


@pytest.mark.parametrize("code", [300, 304, 305, 306, 399])
def test_other_codes_are_answers(code: int) -> None:
    async def main() -> None:
        answer = response("Location: /second", status=f"{code} X")
        async with serving([answer, OK]) as server, client() as http:
            error = await fails(http.fetch(server.url()))
            assert isinstance(error, HTTPClientError) and error.code == code
            assert len(server.requests) == 1

    run(main)


def test_without_a_location() -> None:
    async def main() -> None:
        async with serving(response(status="302 Found")) as server, client() as http:
            found = await http.fetch(server.url(), raise_error=False)
            assert found.code == 302 and len(server.requests) == 1

    run(main)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/a?b=c#d", "/a?b=c"),
        ("second", "/second"),
        ("../up", "/up"),
        ("?q", "/first?q"),
        ("/a b", "/a%20b"),
        ("/\u00c3\u00a9", "/%C3%A9"),
        ("/%41", "/%41"),
        ("//127.0.0.1:{port}/x", "/x"),
        ("http://127.0.0.1:{port}", "/"),
        ("HTTP://127.0.0.1:{port}/y", "/y"),
        ("http://127.0.0.1:{port}?z", "/?z"),
    ],
)
def test_forms_of_locations(location: str, target: str) -> None:
    async def main() -> None:
        async def handle(conn: Conn) -> None:
            while (await conn.request()).target == "/first":
                conn.send(redirect(location.replace("{port}", str(conn.server.port))))
            conn.send(OK)
            await conn.ended()

        async with serving(handle) as server, client() as http:
            assert (await http.fetch(server.url("/first"))).body == b"ok"
            assert [one.target for one in server.requests] == ["/first", target]

    run(main)


def test_effective_url_and_request() -> None:
    async def main() -> None:
        async with serving([redirect("/second"), OK]) as server, client() as http:
            request = HTTPRequest(server.url("/first"))
            found = await http.fetch(request)
            assert found.request is request and request.url == server.url("/first")
            assert found.effective_url == server.url("/second")

    run(main)


class TestSecrets:
    def test_stay_at_their_origin(self) -> None:
        _, second = followed(redirect("/second"), headers=SECRETS)
        assert [second.header(name.lower()) for name in SECRETS] == list(SECRETS.values())

    @pytest.mark.parametrize("host", ["other.test", "here.test.", "127.0.0.1"])
    def test_do_not_go_to_another_host(self, host: str) -> None:
        async def main() -> None:
            names = {"other.test": "127.0.0.1", "here.test": "127.0.0.1", "here.test.": "127.0.0.1"}
            async with serving(OK) as server, client(hostname_mapping=names) as http:
                location = server.url("/second", host=host)
                async with serving(redirect(location)) as first:
                    await http.fetch(
                        first.url(host="here.test", user="u:p@"), headers={**SECRETS, "X-A": "b"}
                    )
                    assert first.requests[0].header("cookie") == "a=b"
                [second] = server.requests
                assert [second.header(name.lower()) for name in SECRETS] == [None] * 3
                assert second.header("x-a") == "b"

        run(main)

    def test_do_not_go_to_another_port(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                async with serving(redirect(server.url())) as first:
                    await http.fetch(
                        first.url(), headers=SECRETS, auth_username="u", auth_password="p"
                    )
                [second] = server.requests
                assert [second.header(name.lower()) for name in SECRETS] == [None] * 3

        run(main)

    def test_do_not_come_back(self) -> None:
        # From here to there and to here again: what was dropped stays so.
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                while True:
                    request = await conn.request()
                    host = "b.test" if request.target == "/" else "a.test"
                    after = {"/": "/there", "/there": "/last"}.get(request.target)
                    where = f"http://{host}:{conn.server.port}{after}"
                    conn.send(OK if after is None else redirect(where))

            names = {"a.test": "127.0.0.1", "b.test": "127.0.0.1"}
            async with serving(handle) as server, client(hostname_mapping=names) as http:
                await http.fetch(server.url(host="a.test"), headers=SECRETS)
                first, second, third = server.requests
                assert str(first.header("host"))[:2] == str(third.header("host"))[:2] == "a."
                assert first.header("cookie") == "a=b"
                assert second.header("cookie") is third.header("cookie") is None

        run(main)

    def test_of_the_url(self) -> None:
        first, second = followed(redirect("/second"), user="user:pass@")
        assert first.header("authorization") == second.header("authorization") is not None

    def test_named_by_the_server(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                location = server.url("/x", user="evil:word@")
                async with serving(redirect(location)) as first:
                    found = await http.fetch(first.url())
                assert server.requests[0].header("authorization") is None
                assert "evil" not in found.effective_url

        run(main)

    def test_host_of_the_caller_is_for_the_first(self) -> None:
        first, second = followed(redirect("/second"), headers={"Host": "mine.test"})
        assert first.header("host") == "mine.test"
        assert str(second.header("host")).startswith("127.0.0.1:")


class TestLimits:
    @pytest.mark.parametrize(("most", "code"), [(3, 200), (2, 302)])
    def test_of_number(self, most: int, code: int) -> None:
        async def main() -> None:
            async with serving([redirect("/")] * 3 + [OK]) as server, client() as http:
                found = await http.fetch(server.url(), max_redirects=most, raise_error=False)
                assert found.code == code and len(server.requests) == most + 1

        run(main)

    @pytest.mark.parametrize("arguments", [{"follow_redirects": False}, {"max_redirects": 0}])
    def test_none(self, arguments: dict[str, Any]) -> None:
        async def main() -> None:
            async with serving([redirect("/x"), OK]) as server, client() as http:
                error = await fails(http.fetch(server.url(), **arguments))
                assert isinstance(error, HTTPClientError) and error.code == 302
                assert error.response is not None
                assert error.response.headers["Location"] == "/x"

        run(main)


@pytest.mark.parametrize("size", [65536, 65537, None])
def test_long_bodies_are_not_read(size: int | None) -> None:
    async def main() -> None:
        async def handle(conn: Conn) -> None:
            while (await conn.request()).target == "/x":
                conn.send(OK)
            length = 10**9 if size is None else size
            conn.send(raw("HTTP/1.1 302 X", "Location: /x", f"Content-Length: {length}"))
            if size is not None:
                conn.send(bytes(size))
                await conn.request()
                conn.send(OK)
            while size is None:
                conn.send(bytes(65536))
                await conn.writer.drain()

        async with serving(handle) as server, client(max_body_size=10**10) as http:
            assert (await http.fetch(server.url())).body == b"ok"
            assert server.connections == (1 if size == 65536 else 2)

    run(main)


def test_callbacks_see_the_last_answer_only() -> None:
    async def main() -> None:
        lines: list[str] = []
        pieces: list[bytes] = []
        first = response("Location: /x", "X-A: b", status="302 Found", body=b"gone")
        async with serving([first, OK]) as server, client() as http:
            await http.fetch(
                server.url(), streaming_callback=pieces.append, header_callback=lines.append
            )
        assert pieces == [b"ok"]
        assert lines == ["HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n", "\r\n"]

    run(main)


def test_one_place_is_enough() -> None:
    async def main() -> None:
        async with serving([redirect("/x")] * 3 + [OK]) as server, client(max_clients=1) as http:
            assert (await http.fetch(server.url())).code == 200

    run(main)


def test_a_producer_is_asked_again() -> None:
    async def main() -> None:
        async def produce(write: Any) -> None:
            await write(b"abc")

        async with serving([redirect("/x", "307 X"), OK]) as server, client() as http:
            await http.fetch(server.url(), method="POST", body_producer=produce)
            assert [one.body for one in server.requests] == [b"abc", b"abc"]

    run(main)
