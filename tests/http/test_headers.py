"""Reading and writing header fields, what they refuse, and what the tables behind them keep.

The mapping itself is tested with `tornadic.httputil`, its public face.
"""

from __future__ import annotations

import copy
import pickle
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.reading import forget_lines, head

from tornadic.http import headers as headers_module
from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import (
    MAX_HEADERS,
    TOKEN,
    URGENT,
    Fields,
    HTTPHeaders,
    encode_fields,
    is_clean_text,
    match_patient_lines,
    read_fields,
    split_lines,
)
from tornadic.http.reader import HEAD, ReaderLimits, RequestReader

TCHAR = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
NAMES = st.text(TCHAR, min_size=1, max_size=12)
VALUES = st.text(
    st.characters(max_codepoint=255).filter(lambda c: c == "\t" or (c >= " " and c != "\x7f")),
    max_size=20,
)
LINE_ENDS = ["\r", "\n", "\r\n", "\x00", "\x0b", "\x0c", "\x1c", "\x1f", "\x7f"]


@pytest.fixture(autouse=True)
def empty_tables() -> Iterator[None]:
    forget_lines()
    yield
    forget_lines()


class TestSplittingLines:
    @pytest.mark.parametrize(
        ("block", "lines"),
        [
            (b"", [""]),
            (b"A: 1", ["A: 1"]),
            (b"A: 1\r\nB: 2", ["A: 1", "B: 2"]),
            (b"A: 1\r\n\r\n", ["A: 1", "", ""]),
            (b"\t\xe9\xff ~", ["\t\xe9\xff ~"]),
        ],
    )
    def test_at_crlf(self, block: bytes, lines: list[str]) -> None:
        assert split_lines(block) == lines
        assert split_lines(bytearray(block)) == lines

    @pytest.mark.parametrize(
        "block",
        [b"\r", b"\n", b"A\nB", b"A\rB", b"A\r\r\nB", b"A\r\n\nB", b"A\n\r\nB", b"\n\r", b"A\x00"],
    )
    def test_and_nowhere_else(self, block: bytes) -> None:
        with pytest.raises(HTTPInputError):
            split_lines(block)

    @given(st.binary(max_size=40).map(lambda raw: raw.replace(b"0", b"\r\n")))
    def test_is_the_inverse_of_joining(self, block: bytes) -> None:
        without = block.replace(b"\r\n", b"")
        clean = all(byte == 9 or (byte >= 32 and byte != 127) for byte in without)
        try:
            lines = split_lines(block)
        except HTTPInputError:
            assert not clean
        else:
            assert clean
            assert "\r\n".join(lines).encode("latin-1") == block

    @given(st.binary(max_size=20))
    def test_clean_text(self, raw: bytes) -> None:
        clean = all(byte == 9 or (byte >= 32 and byte != 127) for byte in raw)
        assert is_clean_text(raw) == is_clean_text(bytearray(raw)) == clean
        assert is_clean_text(raw + b"\r\n" + raw, 1) == clean or not clean


class TestReadingFields:
    def test_one_by_one(self) -> None:
        lines = ["host:a", "X-a: 1", "ACCEPT:\t b \t", "x-A:2", "Empty:", "Colon: a:b", "X-A: 1"]
        assert read_fields(lines) == {
            "Host": "a",
            "X-A": ["1", "2", "1"],
            "Accept": "b",
            "Empty": "",
            "Colon": "a:b",
        }

    @pytest.mark.parametrize(
        "line",
        [
            *["", ":", ": a", " A: b", "\tA: b", "A : b", "A\t: b", "A b: c", "nothing", "(A): b"],
            *["A\xe9: b", "A\x00: b", "A,B: c", '"A": b', "A/B: c", "{A}: b", "A@B: c", "A[]: b"],
        ],
    )
    def test_malformed(self, line: str) -> None:
        for lines in ([line], ["A: 1", line], ["A: 1", line, "B: 2"]):
            for _ in range(2):  # also once it was seen
                with pytest.raises(HTTPInputError) as error:
                    read_fields(lines)
                assert error.value.status == 400

    def test_only_blank_and_tab_are_stripped(self) -> None:
        assert read_fields(["A:\xa0b\x85 "]) == {"A": "\xa0b\x85"}

    def test_number_of_lines(self) -> None:
        for name in ("X-{}", "X"):
            lines = [name.format(i) + ": 1" for i in range(MAX_HEADERS + 1)]
            headers = HTTPHeaders.adopt(read_fields(lines[1:]))
            assert len(list(headers.get_all())) == MAX_HEADERS
            with pytest.raises(HTTPInputError) as error:
                read_fields(lines)
            assert error.value.status == 431

    @given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.booleans())
    def test_as_a_plain_reading_would(self, pairs: list[tuple[str, str]], again: bool) -> None:
        lines = [f"{name}:{value}" for name, value in pairs]
        for _ in range(1 + again):
            expected: dict[str, list[str]] = {}
            for name, value in pairs:
                normal = "-".join(word.capitalize() for word in name.split("-"))
                expected.setdefault(normal, []).append(value.strip(" \t"))
            headers = HTTPHeaders.adopt(read_fields(lines))
            assert {name: headers.get_list(name) for name in headers} == expected
            assert list(headers) == list(expected)

    def test_what_is_read_is_not_shared(self) -> None:
        one = read_fields(["A: 1", "A: 2", "B: 1"])
        headers = HTTPHeaders.adopt(one)
        headers.add("A", "3")
        headers.add("B", "2")
        assert read_fields(["A: 1", "A: 2", "B: 1"]) == {"A": ["1", "2"], "B": "1"}


class TestTables:
    """What was seen before is remembered for all connections, within bounds, and no secrets."""

    def test_are_bounded(self) -> None:
        for i in range(3 * headers_module._LINES_KEPT):
            headers = HTTPHeaders.adopt(read_fields([f"X-Name-{i}: {i}", f"Accept: {i}"]))
            headers.get(f"x-other-{i}")
            assert len(headers_module._lines) <= headers_module._LINES_KEPT
            assert len(headers_module._canonical) <= headers_module._SPELLINGS_KEPT
        assert len(headers_module._lines) > 0
        assert headers_module._LINES_KEPT <= 1024
        assert headers_module._SPELLINGS_KEPT <= 1024

    def test_keep_nothing_long(self) -> None:
        longest = headers_module._LONGEST_LINE_KEPT
        for size in range(longest - 10, longest + 10):
            line = "Te: " + "a" * (size - 4)
            assert read_fields([line]) == {"Te": "a" * (size - 4)}
            assert (line in headers_module._lines) == (size <= longest)
        longest = headers_module._LONGEST_SPELLING_KEPT
        for size in range(longest - 3, longest + 3):
            HTTPHeaders({"x" * size: "1"})
            assert ("x" * size in headers_module._canonical) == (size <= longest)

    @pytest.mark.parametrize(
        "name",
        [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            # What Tornado's own XSRF protection reads.
            "X-Xsrftoken",
            "X-Csrftoken",
        ],
    )
    def test_keep_no_secret(self, name: str) -> None:
        for spelling in (name, name.lower(), name.upper(), name.swapcase()):
            assert read_fields([f"{spelling}: s3cret"]) == {name: "s3cret"}
            with pytest.raises(HTTPInputError):
                read_fields([f"{spelling}: s3cret", "bad"])
            reader = RequestReader(ReaderLimits())
            for _ in range(4):
                reader.feed(head("GET / HTTP/1.1", f"{spelling}: s3cret"))
                assert reader.next_event() is HEAD
                assert reader.headers[name] == "s3cret"
        for table in (headers_module._lines, headers_module._canonical):
            assert "s3cret" not in repr(table)

    def test_keep_nothing_malformed(self) -> None:
        for line in ("A : 1", "A b: 1", "\xe9: 1", ": 1", "A"):
            with pytest.raises(HTTPInputError):
                read_fields([line])
        for name in ("A b", "\xe9", "", "A\r\nB", "\u212a"):
            assert name not in HTTPHeaders()
            HTTPHeaders().get(name)
        assert not headers_module._lines
        for name in headers_module._canonical:
            assert TOKEN.fullmatch(name)


class TestWhatIsRefused:
    @pytest.mark.parametrize("end", LINE_ENDS)
    def test_in_values(self, end: str) -> None:
        headers = HTTPHeaders({"A": "1"})
        for value in (f"a{end}b", f"{end}a", f"a{end}", f"a{end}X-Injected: 1"):
            for change in self.changes("A", value):
                with pytest.raises((ValueError, HTTPInputError)):
                    change(headers)
            with pytest.raises(HTTPInputError):
                headers.add("A", value)
            with pytest.raises(HTTPInputError):
                headers.add("A", value, _chars_are_bytes=False)
        assert list(headers.get_all()) == [("A", "1")]

    @pytest.mark.parametrize("end", [*LINE_ENDS, " ", "\t", ":", "\xe9", "(", "/", "\u212a"])
    def test_in_names(self, end: str) -> None:
        headers = HTTPHeaders({"A": "1"})
        for name in (f"a{end}b", f"{end}a", f"a{end}"):
            for change in self.changes(name, "1"):
                for _ in range(2):  # also once it was looked for
                    with pytest.raises((ValueError, HTTPInputError)):
                        change(headers)
                    headers.get(name)
            with pytest.raises(HTTPInputError):
                headers.add(name, "1")
        assert list(headers.get_all()) == [("A", "1")]

    @staticmethod
    def changes(name: str, value: str) -> list[Callable[[HTTPHeaders], object]]:
        return [
            lambda headers: headers.__setitem__(name, value),
            lambda headers: headers.update({name: value}),
            lambda headers: HTTPHeaders({name: value}),
            lambda headers: HTTPHeaders([(name, value)]),
            lambda headers: headers.update([(name, value)]),
            lambda headers: HTTPHeaders(**{name: value}),
            lambda headers: headers.setdefault(name + "x" if name == "A" else name, value),
        ]

    @given(st.binary(max_size=8))
    def test_bytes_are_text_or_refused(self, value: bytes) -> None:
        headers = HTTPHeaders()
        text = value.decode("latin-1")
        if any(c != "\t" and (c < " " or c == "\x7f") for c in text):
            with pytest.raises(ValueError):
                headers["A"] = value  # type: ignore[assignment]
            assert "A" not in headers
        else:
            headers["A"] = value  # type: ignore[assignment]
            assert headers["A"] == text

    def test_characters_that_are_no_bytes(self) -> None:
        headers = HTTPHeaders()
        for value in ("\u0100", "a\u2028b", "\U0001f600"):
            with pytest.raises(ValueError):
                headers["A"] = value
            with pytest.raises(HTTPInputError):
                headers.add("A", value)
            headers.add("A", value, _chars_are_bytes=False)
            with pytest.raises(ValueError):
                encode_fields("GET / HTTP/1.1", headers._fields)
            del headers["A"]

    @given(st.text(max_size=5), st.text(max_size=8))
    def test_what_is_taken_is_one_line(self, name: str, value: str) -> None:
        headers = HTTPHeaders()
        try:
            headers[name] = value
        except ValueError:
            pass
        try:
            headers.add(name, value)
        except HTTPInputError:
            assert not headers
        else:
            wire = encode_fields("X", headers._fields)
            assert wire.count(b"\r\n") == wire.count(b"\n") == wire.count(b"\r") == 4
            lines = split_lines(wire)
            assert read_fields(lines[1:-2]).keys() == headers.keys()


class TestWriting:
    def test_a_head(self) -> None:
        fields: Fields = {"Host": "a", "X": ["1", "2"], "Empty": "", "Y": "\xe9"}
        expected = b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\nEmpty: \r\nY: \xe9\r\n\r\n"
        assert encode_fields("GET / HTTP/1.1", fields) == expected

    def test_without_fields(self) -> None:
        assert encode_fields("HTTP/1.1 200 OK", {}) == b"HTTP/1.1 200 OK\r\n\r\n"

    def test_list_of_one(self) -> None:
        assert encode_fields("X", {"A": ["1"]}) == b"X\r\nA: 1\r\n\r\n"

    @given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
    def test_is_read_back(self, pairs: list[tuple[str, str]]) -> None:
        headers = HTTPHeaders()
        for name, value in pairs:
            headers.add(name, value.strip(" \t"))
        lines = split_lines(encode_fields("X", headers._fields))
        assert (lines[0], lines[-2:]) == ("X", ["", ""])
        assert read_fields(lines[1:-2]) == headers._fields


class TestWaiting:
    """Lines that are taken apart only when somebody asks."""

    BEFORE: Fields = {"Host": "example.com", "X-A": "1"}

    @pytest.mark.parametrize(
        "lines",
        [
            b"",
            b"A: 1\r\n",
            b"A:\r\nB: \xe9\t\r\n",
            b"X-A: 2\r\n",
            b"Hostess: a\r\n",
            b"Content-Length-X: 5\r\n",
            b"X-Host: a\r\n",
            b"Cookie: Host: a\r\n",
        ],
    )
    def test_patient(self, lines: bytes) -> None:
        for block in (lines, bytearray(lines)):
            match = match_patient_lines(b"x: " + block + b"\r\nmore", 3)
            assert match is not None
            assert match.end() == 3 + len(block) + 2

    @pytest.mark.parametrize(
        "line",
        [
            b"A: 1",
            b"A: 1\n",
            b"A: 1\r",
            b"A: \x00\r\n",
            b"A: \x7f\r\n",
            b"A: a\rb\r\n",
            b"A: a\nb\r\n",
            b"A : 1\r\n",
            b" A: 1\r\n",
            b": 1\r\n",
            b"A\r\n",
            b"\xe9: 1\r\n",
        ],
    )
    def test_malformed_ones_may_not(self, line: bytes) -> None:
        assert not match_patient_lines(line + b"\r\n")
        assert not match_patient_lines(b"B: 1\r\n" + line + b"\r\n")

    @pytest.mark.parametrize("name", sorted(URGENT))
    def test_urgent_ones_may_not_in_any_case(self, name: str) -> None:
        for spelling in (name, name.lower(), name.upper(), name.swapcase(), name.title()):
            line = f"{spelling}: a\r\n".encode()
            assert not match_patient_lines(line + b"\r\n"), spelling
            assert not match_patient_lines(b"B: 1\r\n" + line + b"C: 1\r\n\r\n")

    @given(st.binary(max_size=12), st.sampled_from([b":", b": ", b""]), st.binary(max_size=8))
    def test_only_what_can_be_read(self, name: bytes, colon: bytes, value: bytes) -> None:
        line = name + colon + value
        match = match_patient_lines(line + b"\r\n\r\n")
        if match is not None and match.end() == len(line) + 4:
            [found] = read_fields(split_lines(line))
            assert found not in URGENT

    WAYS: list[Callable[[HTTPHeaders], object]] = [
        lambda headers: list(headers.get_all()),
        lambda headers: headers["Cookie"],
        lambda headers: headers.get("x-a"),
        lambda headers: headers.get("none", 7),
        lambda headers: headers.get_list("X-A"),
        lambda headers: "cookie" in headers,
        len,
        bool,
        list,
        dict,
        str,
        repr,
        HTTPHeaders,
        copy.copy,
        copy.deepcopy,
        lambda headers: pickle.loads(pickle.dumps(headers)),
        lambda headers: headers == HTTPHeaders({"Host": "example.com"}),
        lambda headers: headers == {"Host": "example.com", "X-A": "1,2", "Cookie": "c"},
        lambda headers: headers.add("X-A", "3"),
        lambda headers: headers.add("Y", "3"),
        lambda headers: headers.__setitem__("x-a", "3"),
        lambda headers: headers.__delitem__("cookie"),
        lambda headers: headers.pop("X-A"),
        lambda headers: headers.popitem(),
        lambda headers: headers.setdefault("Cookie", "x"),
        lambda headers: headers.update({"Cookie": "x"}),
        lambda headers: headers.clear(),
        lambda headers: headers.parse_line("X-A: 5"),
        lambda headers: encode_fields("X", headers._fields),
        lambda headers: [headers.peek(name) for name in sorted(URGENT)],
        lambda headers: headers.peek("Cookie"),
        lambda headers: headers.peek("X-A"),
        lambda headers: headers.peek("X"),
    ]

    @settings(max_examples=200)
    @given(st.lists(st.sampled_from(range(len(WAYS))), min_size=1, max_size=4))
    def test_nobody_can_tell(self, ways: list[int]) -> None:
        known = head("GET / HTTP/1.1", "X-A: 1")
        last = head("GET / HTTP/1.1", "X-A: 1", "Cookie: c", "X-A: 2")
        reader, fresh = RequestReader(ReaderLimits()), RequestReader(ReaderLimits())
        reader.feed(known * 2 + last * 3)
        for _ in range(5):
            assert reader.next_event() is HEAD
        fresh.feed(last)
        assert fresh.next_event() is HEAD
        lazy, eager = reader.headers, fresh.headers
        for way in ways:
            results = []
            for headers in (lazy, eager):
                try:
                    results.append(self.WAYS[way](headers))
                except KeyError as e:
                    results.append(repr(e))
            if self.WAYS[way] is not repr:
                assert results[0] == results[1]
        assert list(lazy.get_all()) == list(eager.get_all())

    @pytest.mark.parametrize(
        "lines",
        [
            ["Cookie: c"],
            ["cookie:c"],
            ["COOKIE:\t c; d=e \t"],
            ["Cookie:"],
            ["Y: 2", "Cookie: c", "Z: 3"],
            ["Cookie: c", "Y: 2", "cookie: d"],
            ["X-A: 2", "Cookie: c"],
            ["Y: Cookie: z"],
            ["Y: cookie:z", "Cookie: c"],
            ["Cookie: c", "Y: cookie:z"],
            ["Cookie: cookie: c"],
            ["X-Cookie: z"],
            ["X-Cookie: z", "Cookie: c"],
            ["Cookie-X: z"],
            ["Cookie: \xe9"],
        ],
    )
    def test_a_line_that_is_looked_for(self, lines: list[str]) -> None:
        """It is the same with what stands around it, and nothing else is taken apart for it."""
        known = head("GET / HTTP/1.1", "X-A: 1")
        last = head("GET / HTTP/1.1", "X-A: 1", *lines)
        reader, fresh = RequestReader(ReaderLimits()), RequestReader(ReaderLimits())
        reader.feed(known * 2 + last)
        for _ in range(3):
            assert reader.next_event() is HEAD
        fresh.feed(last)
        assert fresh.next_event() is HEAD
        for name in ("Cookie", "X-A", "Y", "Cook", "X"):
            assert reader.headers.peek(name) == fresh.headers.get(name)
        assert reader.headers == fresh.headers

    def test_other_attributes_are_missing_as_ever(self) -> None:
        for headers in (HTTPHeaders(), HTTPHeaders.__new__(HTTPHeaders)):
            with pytest.raises(AttributeError, match="nothing"):
                getattr(headers, "nothing")  # noqa: B009


def pairs_of(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(fields.items())


def test_a_list_of_values_is_as_many_lines() -> None:
    headers = HTTPHeaders({"set-cookie": ["a=1", b"b=2"], "X": ["one"], "Y": []})
    assert list(headers.get_all()) == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X", "one")]
    for name, values in pairs_of({"X": ["1", "2"], "set-cookie": ()}):
        headers[name] = values
    assert list(headers.get_all()) == [("X", "1"), ("X", "2")]


@pytest.mark.parametrize(
    ("values", "error"),
    [(["a", "b\r\nX: y"], ValueError), (["a", 1], TypeError), ([["a"]], TypeError)],
)
def test_each_value_of_a_list_is_checked(values: Any, error: type[Exception]) -> None:
    headers = HTTPHeaders({"X": "before"})
    with pytest.raises(error):
        headers.update({"X": values})
    assert dict(headers) == {"X": "before"}
