"""Bodies: cut short, compressed, and forms; what they hold, and what is refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.server.peer import SMUGGLED, Peer, chunked, get, post, request
from tests.server.support import Recorder, Serve, Site

from tornadic.http.forms import ParseMultipartConfig
from tornadic.http.headers import MAX_HEADERS
from tornadic.http.multipart import MAX_BOUNDARY_LENGTH
from tornadic.http.urls import MAX_QUERY_FIELDS
from tornadic.web import HTTPError, stream_request_body

URLENCODED = "Content-Type: application/x-www-form-urlencoded"
GZIP = "Content-Encoding: gzip"


# Cut short


@pytest.mark.parametrize(
    "head",
    [
        request("POST", "/", "Content-Length: 10"),
        request("POST", "/", "Content-Length: 10").replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"POST / HTTP/1.0\r\nContent-Length: 10\r\nConnection: keep-alive\r\n\r\n",
        request("GET", "/", "Content-Length: 10"),
        request("PUT", "/", "Content-Length: 10", "Content-Type: text/plain"),
    ],
)
@pytest.mark.parametrize("end", ["half", "close", "reset"])
@pytest.mark.parametrize("body", [b"", b"x", b"123456789"])
def test_a_body_cut_short_is_an_error_never_a_shorter_body(
    site: Site, head: bytes, end: str, body: bytes
) -> None:
    with site.connect() as peer:
        peer.send(head + body)
        if end == "half":
            peer.half_close()
            assert not peer.is_cut().startswith(b"HTTP/1.1 2")
        elif end == "reset":
            peer.reset()
    site.goes_on()
    assert site.seen == []


@stream_request_body
class Streaming(Recorder):
    """Notes the pieces of its body, and its end, whichever that is."""

    def prepare(self) -> Awaitable[None] | None:
        self.pieces: list[bytes] = []
        limit = self.get_query_argument("limit", "")
        if limit:
            connection: Any = self.request.connection
            connection.set_max_body_size(int(limit))
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.pieces.append(chunk)
        return None

    def post(self) -> None:
        self.settings["seen"].append(("POST", "/streaming", b"".join(self.pieces)))
        self.write({"sizes": [len(piece) for piece in self.pieces]})

    def on_connection_close(self) -> None:
        self.settings["seen"].append(("CLOSED", "/streaming", b"".join(self.pieces)))


@pytest.mark.parametrize("end", ["half", "close", "reset"])
@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_streaming_handler_is_told_once_that_its_body_was_cut_short(
    serve: Serve, end: str, framing: str
) -> None:
    site = serve(("/streaming", Streaming))
    with site.connect() as peer:
        peer.send(request("POST", "/streaming", framing))
        site.goes_on()
        peer.send(b"2\r\nxy\r\n"[:9])
        site.goes_on()
        if end == "half":
            peer.half_close()
            peer.is_cut()
        elif end == "reset":
            peer.reset()
    for _ in range(3):
        site.goes_on()
    assert [method for method, _, _ in site.seen] == ["CLOSED"]


def test_a_body_without_a_length_is_none(site: Site) -> None:
    # RFC 9112 section 6.3: of requests only chunked ones may leave their length open.
    with site.connect() as peer:
        peer.send(b"POST / HTTP/1.0\r\n\r\n" + b"a=b")
        assert peer.read_response().body == b"ok"
        peer.ends()
    assert site.seen == [("POST", "/", b"")]


def test_pieces_are_no_larger_than_chunk_size(serve: Serve) -> None:
    site = serve(("/streaming", Streaming), chunk_size=1000, decompress_request=True)
    body = bytes(range(250)) * 40
    packed = gzip.compress(body)
    for data in (
        post("/streaming", body),
        chunked("/streaming") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        post("/streaming", packed, GZIP),
    ):
        sizes = json.loads(site.accepts(data).body)["sizes"]
        assert sum(sizes) == len(body) and max(sizes) <= 1000
        # What has come is cut into whole pieces, wherever in a packet it began.
        assert sizes == [1000] * 10
    assert {seen for _, _, seen in site.seen} == {body}


@stream_request_body
class Refusing(Recorder):
    """Answers by its head alone, and leaves the body where it is.

    The query says how: ``way=finish`` or ``way=raise``, with ``later`` in a coroutine.
    """

    def prepare(self) -> Awaitable[None] | None:
        if self.get_query_argument("later", ""):
            return self.refuse_later()
        self.refuse()
        return None

    async def refuse_later(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        self.refuse()

    def refuse(self) -> None:
        if self.get_query_argument("way", "") == "raise":
            raise HTTPError(403)
        self.set_status(403)
        self.finish()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None

    def post(self) -> None:
        self.record()


def is_answered_alone(site: Site, head: bytes, body: bytes, status: int) -> None:
    """The head is answered, whenever the body comes; and that is not taken for requests."""
    for together in (True, False):
        with site.connect() as peer:
            peer.send(head + body if together else head)
            response = peer.read_response()
            assert response.status == status
            if not together:
                peer.try_to_send(body)
            if response.headers.get("connection") == "close":
                assert peer.is_cut() == b""
            else:
                assert_in_step(peer)
        site.goes_on()
    assert site.seen == []


@pytest.mark.parametrize("way", ["finish", "raise"])
@pytest.mark.parametrize("later", ["", "1"])
def test_a_body_that_nobody_wants_is_no_request(serve: Serve, way: str, later: str) -> None:
    site = serve(("/refusing", Refusing))
    path = f"/refusing?way={way}&later={later}"
    body = SMUGGLED * 50
    is_answered_alone(site, request("POST", path, f"Content-Length: {len(body)}"), body, 403)
    is_answered_alone(site, chunked(path), b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), 403)


def test_a_body_for_a_method_that_there_is_not_is_no_request(serve: Serve) -> None:
    site = serve(("/refusing", Refusing))
    body = SMUGGLED * 50
    head = request("BREW", "/refusing", f"Content-Length: {len(body)}")
    is_answered_alone(site, head, body, 405)


# Compressed


def test_gzip_bodies_are_inflated_if_that_is_asked_for(serve: Serve) -> None:
    site = serve(decompress_request=True)
    packed = gzip.compress(b"hello " * 100)
    # RFC 9110 section 8.4.1.3
    for name in ("gzip", "GZIP", "Gzip", "x-gzip", "X-GZip"):
        response = site.accepts(post("/", packed, f"Content-Encoding: {name}"))
        assert response.body == b"hello " * 100
    pieces = b"".join([b"1\r\n%c\r\n" % byte for byte in packed])
    assert site.accepts(chunked("/", GZIP) + pieces + b"0\r\n\r\n").body == b"hello " * 100
    assert site.accepts(post("/", packed)).body == packed
    assert site.accepts(post("/", packed, "Content-Encoding: identity")).body == packed
    assert site.accepts(post("/", b"", GZIP)).body == b"ok"
    two = gzip.compress(b"one ") + gzip.compress(b"two")
    assert site.accepts(post("/", two, GZIP)).body == b"one two"
    assert site.accepts(post("/", gzip.compress(b""), GZIP)).body == b"ok"


def test_gzip_bodies_one_after_another_are_all_inflated(serve: Serve) -> None:
    site = serve(decompress_request=True)
    data = post("/", gzip.compress(b"x" * 100), GZIP)
    with site.connect() as peer:
        peer.send(data * 5)
        assert [peer.read_response().body for _ in range(5)] == [b"x" * 100] * 5


def test_gzip_bodies_are_left_alone_otherwise(site: Site) -> None:
    packed = gzip.compress(b"a=b")
    assert site.accepts(post("/", packed, GZIP)).body == packed


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[:-8],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:10],
        lambda packed: packed[:1],
        lambda packed: packed + b"x",
        lambda packed: packed + b"\0",
        lambda packed: packed + b"\x1f",
        lambda packed: packed + packed[:-1],
        lambda packed: packed[:-5] + b"\xff" + packed[-4:],
        lambda packed: packed[:12] + b"\xff\xff\xff" + packed[15:],
        lambda packed: b"x" + packed,
        lambda packed: b"not gzip at all",
        lambda packed: zlib.compress(b"hello" * 100),
    ],
)
@pytest.mark.parametrize("path", ["/", "/streaming"])
def test_gzip_data_trailing_truncated_or_damaged_is_an_error(
    serve: Serve, damage: Any, path: str
) -> None:
    site = serve(("/streaming", Streaming), decompress_request=True)
    packed = damage(gzip.compress(b"hello" * 100))
    site.refuses(post(path, packed, GZIP), 400)
    site.refuses(chunked(path, GZIP) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed), 400)


@pytest.mark.parametrize("path", ["/", "/streaming"])
def test_max_body_size_holds_for_the_decompressed_size(serve: Serve, path: str) -> None:
    site = serve(("/streaming", Streaming), decompress_request=True, max_body_size=10_000)
    for size, status in ((10_000, 200), (10_001, 413), (10_000_000, 413)):
        packed = gzip.compress(b"\0" * size)
        for data in (
            post(path, packed, GZIP),
            chunked(path, GZIP) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed),
        ):
            site.seen.clear()
            if status == 200:
                site.accepts(data)
                assert len(site.seen[0][2]) == size
            else:
                site.refuses(data, status)


def test_max_body_size_holds_over_all_members(serve: Serve) -> None:
    site = serve(decompress_request=True, max_body_size=10_000)
    member = gzip.compress(b"\0" * 1000)
    assert len(site.accepts(post("/", member * 10, GZIP)).body) == 10_000
    site.refuses(post("/", member * 10 + gzip.compress(b"\0"), GZIP), 413)


def test_max_body_size_holds_for_the_compressed_size_too(serve: Serve) -> None:
    site = serve(decompress_request=True, max_body_size=1000)
    empty = gzip.compress(b"")
    site.accepts(post("/", empty * (1000 // len(empty)), GZIP))
    site.refuses(post("/", empty * (1000 // len(empty) + 1), GZIP), 413)


@pytest.mark.parametrize("limit", [500, 5000])
def test_the_limit_that_a_handler_sets_holds_for_the_decompressed_size(
    serve: Serve, limit: int
) -> None:
    site = serve(("/streaming", Streaming), decompress_request=True, max_body_size=1000)
    path = f"/streaming?limit={limit}"
    response = site.accepts(post(path, gzip.compress(b"\0" * limit), GZIP))
    assert sum(json.loads(response.body)["sizes"]) == limit
    site.seen.clear()
    site.refuses(post(path, gzip.compress(b"\0" * (limit + 1)), GZIP), 413)


# Forms


class Form(Recorder):
    """Answers with what it found in the query and in the body."""

    def post(self, *args: Any) -> None:
        fields = {name: self.get_arguments(name) for name in self.request.arguments}
        files = {
            name: [(file.filename, file.content_type, len(file.body)) for file in found]
            for name, found in self.request.files.items()
        }
        self.record()
        self.write({"fields": fields, "files": files})

    get = post


@pytest.fixture
def form_site(serve: Serve) -> Site:
    return serve(("/form", Form), decompress_request=True)


def refuses_form(site: Site, data: bytes) -> None:
    """The form is answered with 400, one line is logged, and the connection is in step."""
    site.goes_on()
    before = len(site.seen)
    with site.connect() as peer:
        assert peer.ask(data).status == 400
        assert_in_step(peer)
    site.log.at_most_one()
    site.goes_on()
    assert len(site.seen) == before


def assert_in_step(peer: Peer) -> None:
    assert peer.ask(get("/bystander")).body == b"undisturbed"


def form(site: Site, data: bytes) -> Any:
    return json.loads(site.accepts(data).body)


def test_urlencoded_fields_at_most_1000(form_site: Site) -> None:
    assert MAX_QUERY_FIELDS == 1000
    most = "&".join(["a=b"] * 1000).encode()
    assert len(form(form_site, post("/form", most, URLENCODED))["fields"]["a"]) == 1000
    for more in (most + b"&a=b", most + b"&", b"&" + most, b"&" * 100_000, b"a" + b"&a" * 100_000):
        refuses_form(form_site, post("/form", more, URLENCODED))


def test_query_fields_at_most_1000(form_site: Site) -> None:
    most = "&".join(["a=b"] * 1000)
    assert len(form(form_site, get(f"/form?{most}"))["fields"]["a"]) == 1000
    refuses_form(form_site, get(f"/form?{most}&a=b"))
    refuses_form(form_site, get("/form?" + "&" * 50_000))


def test_urlencoded_fields(form_site: Site) -> None:
    body = b"a=1&b=%C3%A9&a=x+y&c&=&%zz=%"
    found = form(form_site, post("/form?a=0", body, URLENCODED + "; charset=UTF-8"))
    fields = {"a": ["0", "1", "x y"], "b": ["\xe9"], "c": [""], "": [""], "%zz": ["%"]}
    assert found == {"fields": fields, "files": {}}
    refuses_form(form_site, post("/form", b"a=%ff", URLENCODED))
    refuses_form(form_site, get("/form?a=%ff"))


def test_urlencoded_body_in_an_encoding_that_nobody_undid(serve: Serve) -> None:
    packed = gzip.compress(b"a=b")
    site = serve(("/form", Form))
    refuses_form(site, post("/form", packed, URLENCODED, GZIP))
    refuses_form(site, post("/form", b"a=b", URLENCODED, "Content-Encoding: br"))
    other = serve(("/form", Form), decompress_request=True)
    assert form(other, post("/form", packed, URLENCODED, GZIP))["fields"] == {"a": ["b"]}
    other.refuses(post("/form", packed[:-1], URLENCODED, GZIP), 400)


def multipart(*parts: bytes, boundary: str = "b", declared: str | None = None) -> bytes:
    """A request with a form of ``parts``, each with its headers."""
    edge = boundary.encode()
    body = b"".join([b"--%b\r\n%b\r\n" % (edge, part) for part in parts]) + b"--%b--\r\n" % edge
    boundary = boundary if declared is None else declared
    return post("/form", body, f"Content-Type: multipart/form-data; boundary={boundary}")


def field(name: str, value: bytes = b"x", *lines: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'.encode()
    return b"\r\n".join([head, *lines, b"", value])


def test_multipart_fields_and_files(form_site: Site) -> None:
    file = b'Content-Disposition: form-data; name="f"; filename="../a;b.txt"\r\n\r\n\r\n-b\r\n-'
    data = multipart(field("a", b"1"), field("a", b"\r\n"), file, field("c", b""))
    files = {"f": [["../a;b.txt", "application/unknown", 7]]}
    found = form(form_site, data)
    assert found == {"fields": {"a": ["1", ""], "c": [""]}, "files": files}
    assert form(form_site, multipart(field("a"), declared='"b"'))["fields"] == {"a": ["x"]}


def test_multipart_parts_at_most_100(form_site: Site) -> None:
    assert ParseMultipartConfig().max_parts == 100
    found = form(form_site, multipart(*[field("a")] * 100))
    assert len(found["fields"]["a"]) == 100
    refuses_form(form_site, multipart(*[field("a")] * 101))
    refuses_form(form_site, multipart(*[b"\r\n"] * 101))
    # All of it is only delimiters, of one byte.
    body = b"--b\r\n" * 200_000
    content_type = "Content-Type: multipart/form-data; boundary=b"
    refuses_form(form_site, post("/form", body, content_type))


def test_multipart_headers_of_a_part_at_their_bound(form_site: Site) -> None:
    size = ParseMultipartConfig().max_part_header_size
    assert size == 10240
    begin = len(b'Content-Disposition: form-data; name="a"\r\nX: ')
    most = field("a", b"x", b"X: " + b"y" * (size - begin))
    assert form(form_site, multipart(most))["fields"] == {"a": ["x"]}
    refuses_form(form_site, multipart(field("a", b"x", b"X: " + b"y" * (size - begin + 1))))
    lines = [b"X: y"] * (MAX_HEADERS - 1)
    assert form(form_site, multipart(field("a", b"x", *lines)))["fields"] == {"a": ["x"]}
    refuses_form(form_site, multipart(field("a", b"x", *lines, b"X: y")))


def test_multipart_boundary_at_its_longest_and_beyond(form_site: Site) -> None:
    longest = "b" * MAX_BOUNDARY_LENGTH
    assert form(form_site, multipart(field("a"), boundary=longest))["fields"] == {"a": ["x"]}
    refuses_form(form_site, multipart(field("a"), boundary=longest + "b"))


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data;",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="b',
        'multipart/form-data; boundary=b"',
        "multipart/form-data; boundary=b\\",
        "multipart/form-data; boundary=\xe9",
        "multipart/form-data; boundary=b\tb",
        "multipart/form-data; boundary=b; boundary=c",
        "multipart/form-data; boundary=c",
        "multipart/form-data; Boundary=c; x=b",
        "multipart/form-data boundary=b",
        "multipart/form-datax; boundary=b",
    ],
)
def test_multipart_boundary_missing_quoted_or_malformed(form_site: Site, content_type: str) -> None:
    body = b"--b\r\n" + field("a") + b"\r\n--b--\r\n"
    refuses_form(form_site, post("/form", body, f"Content-Type: {content_type}"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b"--b--x",
        b"--b\n" + field("a") + b"\n--b--\n",
        b"preamble\r\n--b\r\n" + field("a") + b"\r\n--b--\r\n",
        b"\r\n" * 1000 + b"--b\r\n" + field("a") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("a"),
        b"--b\r\n" + field("a") + b"\r\n--b",
        b"--b\r\n" + field("a") + b"\r\n--bx\r\n",
        b"--b\r\n" + field("a") + b"\r\n--b\r\nno headers\r\n--b--\r\n",
        b"--b\r\n\r\nno headers\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=a\r\n--b--\r\n",
        b"--b\r\n" + field("a", b"x", b"no colon") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("a", b"x", b"X : y") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("a", b"x", b"X: \x00") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("a", b"x", b"X: \xff") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("a", b"x", b"X: a\nb") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("a", b"x", b"X: a", b" folded") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("", b"x") + b"\r\n--b--\r\n",
        b"--b\r\n" + field('a"; name="b', b"x") + b"\r\n--b--\r\n",
        b"--b\r\n" + field("a", b"x", b"Content-Disposition: form-data") + b"\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name*=utf-8''%0d%0a\r\n\r\nx\r\n--b--\r\n",
    ],
)
def test_multipart_the_first_error_raises_and_one_line_is_logged(
    form_site: Site, body: bytes
) -> None:
    content_type = "Content-Type: multipart/form-data; boundary=b"
    refuses_form(form_site, post("/form", body, content_type))
    refuses_form(form_site, post("/form", body + b"--b\r\n" * 1000, content_type))


def test_multipart_quoted_semicolons_take_linear_time(form_site: Site) -> None:
    for name in (";" * 10_000, '\\"' * 5000, "\\\\" * 5000, ";;\\" * 3333, "=" * 10_000):
        with form_site.connect() as peer:
            assert peer.ask(multipart(field(name))).status in (200, 400)
            assert_in_step(peer)
        form_site.log.at_most_one()
