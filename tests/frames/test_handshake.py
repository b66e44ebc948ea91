"""The handshake: what is asked, what is answered, and what is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.frames.deflate import Deflate, Extension
from tornadic.frames.errors import HandshakeRefused, NegotiationError
from tornadic.frames.handshake import (
    Agreement,
    Upgrade,
    accept_key,
    check_request,
    check_response,
    new_handshake_key,
    parse_extensions,
    parse_subprotocols,
    request_fields,
)
from tornadic.httputil import HTTPHeaders

# Of the example in RFC 6455 section 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

REQUEST = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
]
RESPONSE = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", ACCEPT),
]


def headers(fields: list[tuple[str, str]], *changes: tuple[str, str | None]) -> HTTPHeaders:
    """The fields; those named in ``changes`` are left out, and come again if they have a value."""
    changed = {name for name, _ in changes}
    result = HTTPHeaders()
    for name, value in fields:
        if name not in changed:
            result.add(name, value)
    for name, new in changes:
        if new is not None:
            result.add(name, new)
    return result


def asked(
    *changes: tuple[str, str | None], method: str = "GET", version: str = "HTTP/1.1"
) -> Upgrade:
    return check_request(method, version, headers(REQUEST, *changes))


def refused(
    *changes: tuple[str, str | None], method: str = "GET", version: str = "HTTP/1.1"
) -> int:
    with pytest.raises(HandshakeRefused) as caught:
        asked(*changes, method=method, version=version)
    return caught.value.status


def test_the_key_of_the_example() -> None:
    """RFC 6455 section 1.3."""
    assert accept_key(KEY) == ACCEPT


def test_new_keys() -> None:
    keys = {new_handshake_key() for _ in range(50)}
    assert len(keys) == 50
    assert {len(base64.b64decode(key, validate=True)) for key in keys} == {16}
    for key in keys:
        asked(("Sec-WebSocket-Key", key))


class TestRequest:
    def test_the_least(self) -> None:
        assert asked() == Upgrade(ACCEPT, [], [])

    def test_all_of_it(self) -> None:
        found = asked(
            ("Sec-WebSocket-Protocol", "chat, superchat"),
            ("Sec-WebSocket-Protocol", "v2.chat"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        )
        extensions: list[Extension] = [("permessage-deflate", [("client_max_window_bits", None)])]
        assert found == Upgrade(ACCEPT, ["chat", "superchat", "v2.chat"], extensions)

    @pytest.mark.parametrize("value", ["WebSocket", "WEBSOCKET", "h2c, websocket", "websocket ,"])
    def test_upgrade(self, value: str) -> None:
        assert asked(("Upgrade", value)).accept == ACCEPT

    @pytest.mark.parametrize("value", [None, "", "h2c", "websockets", "web socket", "websocket/13"])
    def test_no_upgrade(self, value: str | None) -> None:
        assert refused(("Upgrade", value)) == 400

    @pytest.mark.parametrize("value", ["upgrade", "keep-alive, Upgrade", "close,UPGRADE"])
    def test_connection(self, value: str) -> None:
        assert asked(("Connection", value)).accept == ACCEPT

    def test_connection_in_two_lines(self) -> None:
        assert asked(("Connection", "keep-alive"), ("Connection", "Upgrade")).accept == ACCEPT

    @pytest.mark.parametrize("value", [None, "", "close", "keep-alive", "upgraded", "not upgrade"])
    def test_no_connection(self, value: str | None) -> None:
        assert refused(("Connection", value)) == 400

    @pytest.mark.parametrize(
        "value", [None, "", "12", "8", "7", "013", "13, 8", "+13", "14", "1\xb3"]
    )
    def test_versions(self, value: str | None) -> None:
        with pytest.raises(HandshakeRefused) as caught:
            asked(("Sec-WebSocket-Version", value))
        assert caught.value.status == 426
        assert caught.value.headers == {"Sec-WebSocket-Version": "13", "Upgrade": "websocket"}

    def test_version_twice(self) -> None:
        assert refused(("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Version", "13")) == 426

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "",
            "short",
            base64.b64encode(bytes(15)).decode(),
            base64.b64encode(bytes(17)).decode(),
            base64.b64encode(bytes(18)).decode(),
            KEY[:-1],
            KEY[:-2],
            KEY + "=",
            "-_" + KEY[2:],
            " " + KEY[1:],
            KEY.replace("=", "\xbd"),
            f"{KEY}, {KEY}",
        ],
    )
    def test_keys(self, value: str | None) -> None:
        assert refused(("Sec-WebSocket-Key", value)) == 400

    def test_key_twice(self) -> None:
        assert refused(("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Key", KEY)) == 400

    @pytest.mark.parametrize("method", ["POST", "HEAD", "get", "CONNECT"])
    def test_methods(self, method: str) -> None:
        assert refused(method=method) == 405

    @pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", ""])
    def test_http_versions(self, version: str) -> None:
        assert refused(version=version) == 400

    @pytest.mark.parametrize("value", ["two words", "a;b", "a,b c", 'a"b"', "é"])
    def test_subprotocols_that_are_no_tokens(self, value: str) -> None:
        assert refused(("Sec-WebSocket-Protocol", value)) == 400

    def test_extensions_that_are_malformed(self) -> None:
        assert refused(("Sec-WebSocket-Extensions", "a b")) == 400


class TestExtensions:
    @pytest.mark.parametrize(
        "lines, expected",
        [
            ([], []),
            ([""], []),
            ([" , ,"], []),
            (["foo"], [("foo", [])]),
            (["foo, bar"], [("foo", []), ("bar", [])]),
            (["foo", "bar"], [("foo", []), ("bar", [])]),
            (["foo,,bar,"], [("foo", []), ("bar", [])]),
            (["foo;a"], [("foo", [("a", None)])]),
            (['foo; a=1; b="2" ;c'], [("foo", [("a", "1"), ("b", "2"), ("c", None)])]),
            (
                ["foo ; a = 1,\tbar;a=1;a=2"],
                [("foo", [("a", "1")]), ("bar", [("a", "1"), ("a", "2")])],
            ),
        ],
    )
    def test_lists(self, lines: list[str], expected: object) -> None:
        assert parse_extensions(lines) == expected

    @pytest.mark.parametrize(
        "line",
        [
            "foo bar",
            "foo;",
            "foo; ,",
            ";a",
            "=a",
            "foo; =1",
            "foo; a=",
            "foo; a=,b",
            'foo; a="',
            'foo; a=""',
            'foo; a="1',
            'foo; a="1 2"',
            'foo; a="1"2',
            "foo; a=1 2",
            "foo; a b",
            "foo; a=1=2",
            '"foo"',
            "foo/bar",
            "fo\u00f6",
        ],
    )
    def test_malformed(self, line: str) -> None:
        with pytest.raises(NegotiationError, match="malformed"):
            parse_extensions([line])

    def test_takes_linear_time(self) -> None:
        # Each of them would take hours if anything were looked at again and again.
        many = 200_000
        assert len(parse_extensions(["a," * many])) == many
        assert len(parse_extensions(["a" + ";b" * many])[0][1]) == many
        for line in (
            "a" * many + "!/",
            "a" + ";" * many,
            "a" + " " * many + "b",
            "a;b=" + '"' * many,
        ):
            with pytest.raises(NegotiationError):
                parse_extensions([line])

    @given(st.lists(st.text('ab;=," \t\\', max_size=30), max_size=3))
    def test_anything_is_parsed_or_refused(self, lines: list[str]) -> None:
        try:
            found = parse_extensions(lines)
        except NegotiationError:
            return
        written = []
        for name, parameters in found:
            pairs = [key if value is None else f"{key}={value}" for key, value in parameters]
            written.append("; ".join([name, *pairs]))
        assert parse_extensions([", ".join(written)]) == found


class TestSubprotocols:
    def test_lists(self) -> None:
        assert parse_subprotocols([]) == []
        assert parse_subprotocols(["a, b ,c", "", ",d,"]) == ["a", "b", "c", "d"]


class TestClient:
    def test_fields(self) -> None:
        assert request_fields(KEY) == REQUEST
        fields = request_fields(KEY, subprotocols=["a", "b"], deflate=True)
        assert fields == [
            *REQUEST,
            ("Sec-WebSocket-Protocol", "a, b"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ]
        found = check_request("GET", "HTTP/1.1", headers(fields))
        assert found.subprotocols == ["a", "b"]

    @pytest.mark.parametrize("names", [["a", "a"], [""], ["a b"], ["a,b"], ["a\r\nb"], ["é"]])
    def test_subprotocols_that_cannot_be_asked_for(self, names: list[str]) -> None:
        with pytest.raises(ValueError, match="subprotocol"):
            request_fields(KEY, subprotocols=names)

    def test_the_least(self) -> None:
        assert check_response(101, headers(RESPONSE), KEY) == Agreement(None, None)

    def test_all_of_it(self) -> None:
        found = check_response(
            101,
            headers(
                RESPONSE,
                ("Upgrade", "WebSocket"),
                ("Connection", "keep-alive, upgrade"),
                ("Sec-WebSocket-Protocol", "b"),
                ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10"),
            ),
            KEY,
            subprotocols=["a", "b"],
            deflate=True,
        )
        assert found == Agreement("b", Deflate(server_bits=10))

    @pytest.mark.parametrize(
        "changes",
        [
            [("Upgrade", None)],
            [("Upgrade", "h2c")],
            [("Upgrade", "websocket, h2c")],
            [("Connection", None)],
            [("Connection", "close")],
            [("Sec-WebSocket-Accept", None)],
            [("Sec-WebSocket-Accept", ACCEPT.lower())],
            [("Sec-WebSocket-Accept", KEY)],
            [("Sec-WebSocket-Accept", ACCEPT), ("Sec-WebSocket-Accept", ACCEPT)],
            [("Sec-WebSocket-Protocol", "c")],
            [("Sec-WebSocket-Protocol", "A")],
            [("Sec-WebSocket-Protocol", "")],
            [("Sec-WebSocket-Protocol", "a, b")],
            [("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "a")],
            [("Sec-WebSocket-Extensions", "x-other")],
            [("Sec-WebSocket-Extensions", "permessage-deflate, permessage-deflate")],
            [("Sec-WebSocket-Extensions", "permessage-deflate; unknown")],
            [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")],
            [("Sec-WebSocket-Extensions", "permessage deflate")],
        ],
    )
    def test_answers_that_fail(self, changes: list[tuple[str, str | None]]) -> None:
        answer = headers(RESPONSE, *changes)
        with pytest.raises(NegotiationError):
            check_response(101, answer, KEY, subprotocols=["a", "b"], deflate=True)

    @pytest.mark.parametrize("status", [100, 200, 302, 401, 500])
    def test_other_statuses(self, status: int) -> None:
        with pytest.raises(NegotiationError, match=f"status {status}"):
            check_response(status, headers(RESPONSE), KEY)

    def test_what_was_not_asked_for(self) -> None:
        answer = headers(RESPONSE, ("Sec-WebSocket-Protocol", "a"))
        with pytest.raises(NegotiationError, match="subprotocol"):
            check_response(101, answer, KEY)
        answer = headers(RESPONSE, ("Sec-WebSocket-Extensions", "permessage-deflate"))
        with pytest.raises(NegotiationError, match="not asked for"):
            check_response(101, answer, KEY)
