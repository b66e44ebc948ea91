"""Escaping and decoding for HTML, JSON, URLs and forms."""

from __future__ import annotations

import collections
import enum
import html
import json
import re
import urllib.parse
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic import escape
from tornadic.escape import linkify, parse_qs_bytes, url_escape, url_unescape


class TestText:
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_round_trip(self, text: str) -> None:
        assert escape.to_unicode(escape.utf8(text)) == text

    def test_unchanged(self) -> None:
        text, data = "é", b"\xff"
        assert escape.to_unicode(text) is text
        assert escape.utf8(data) is data
        assert escape.to_unicode(None) is None
        assert escape.utf8(None) is None

    @pytest.mark.parametrize("value", [1, bytearray(b"a"), ["a"], memoryview(b"a")])
    def test_wrong_type(self, value: Any) -> None:
        for convert in (escape.utf8, escape.to_unicode):
            with pytest.raises(TypeError, match="Expected bytes, unicode, or None"):
                convert(value)

    def test_not_utf8(self) -> None:
        with pytest.raises(UnicodeDecodeError):
            escape.to_unicode(b"\xff")
        with pytest.raises(UnicodeEncodeError):
            escape.utf8("\ud800")

    def test_aliases(self) -> None:
        for alias in (escape.native_str, escape.to_basestring, escape._unicode):
            assert alias is escape.to_unicode

    def test_recursive_unicode(self) -> None:
        value = {b"a": [b"b", ("c", b"d"), {b"e": 1}], "f": None}
        assert escape.recursive_unicode(value) == {"a": ["b", ("c", "d"), {"e": 1}], "f": None}

    def test_recursive_unicode_gives_plain_containers(self) -> None:
        pair = collections.namedtuple("pair", "a b")
        assert escape.recursive_unicode(pair(b"1", 2)) == ("1", 2)
        other = {b"x"}
        assert escape.recursive_unicode(other) is other

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("  a \n\t b ", "a b"), ("a\x00\x1fb", "a b"), ("", ""), ("a\xa0b", "a\xa0b")],
    )
    def test_squeeze(self, value: str, expected: str) -> None:
        assert escape.squeeze(value) == expected


class TestXhtml:
    @given(st.text())
    def test_escaped_text_is_inert(self, text: str) -> None:
        escaped = escape.xhtml_escape(text)
        assert not set("<>\"'") & set(escaped)
        assert re.sub("&(amp|lt|gt|quot|#x27);", "", escaped).count("&") == 0

    @given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"])))
    def test_round_trip(self, text: str) -> None:
        assert escape.xhtml_unescape(escape.xhtml_escape(text)) == text

    def test_characters(self) -> None:
        assert escape.xhtml_escape('<a href="\'">&') == "&lt;a href=&quot;&#x27;&quot;&gt;&amp;"
        assert escape.xhtml_escape("<é>".encode()) == "&lt;é&gt;"

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("&lt;&#39;&#x27;&nbsp;", "<''\xa0"),
            ("&foo; &", "&foo; &"),
            ("&#xd800;&#0;&#x110000;", "\ufffd" * 3),
            ("&#x80;", "€"),
            (b"&eacute;", "é"),
        ],
    )
    def test_unescape(self, value: str | bytes, expected: str) -> None:
        assert escape.xhtml_unescape(value) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class TestJson:
    @given(json_values)
    def test_round_trip_without_end_tags(self, value: Any) -> None:
        encoded = escape.json_encode(value)
        assert "</" not in encoded
        assert escape.json_decode(encoded) == value
        assert escape.json_decode(encoded.encode()) == value

    @given(
        json_values | st.floats() | st.lists(st.floats()) | st.dictionaries(st.floats(), st.none())
    )
    def test_it_is_what_the_standard_library_makes(self, value: Any) -> None:
        assert escape.json_encode(value) == json.dumps(value).replace("</", "<\\/")

    def test_kinds_that_are_like_others(self) -> None:
        class Text(str):
            pass

        class Number(enum.IntEnum):
            ONE = 1

        value = [
            Text("a"),
            Number.ONE,
            OrderedDict(b=(1, 2)),
            {None: 1, True: 2, 3: 4, Text("k"): 5},
        ]
        assert escape.json_encode(value) == json.dumps(value)

    def test_errors_are_those_of_the_standard_library(self) -> None:
        circle: list[Any] = []
        circle.append(circle)
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        for value in (circle, deep, {1}, [object()], {(): 1}, 1j, {"a": b""}):
            with pytest.raises((TypeError, ValueError, RecursionError)) as expected:
                json.dumps(value)
            with pytest.raises(expected.type, match=re.escape(str(expected.value))):
                escape.json_encode(value)

    def test_what_a_program_has_made_of_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json.JSONEncoder, "default", lambda self, value: sorted(value))
        assert escape.json_encode({"a": {2, 1}}) == '{"a": [1, 2]}'
        monkeypatch.setattr(json, "dumps", lambda value: f"<{value}></x>")
        assert escape.json_encode(1) == "<1><\\/x>"

    def test_script_cannot_be_closed(self) -> None:
        assert escape.json_encode({"a": "</script>"}) == '{"a": "<\\/script>"}'

    def test_bytes(self) -> None:
        assert escape.json_decode(b'"\xc3\xa9"') == "é"
        with pytest.raises(TypeError):
            escape.json_encode(b"x")

    @pytest.mark.parametrize("value", ["", "{a}", b"\xff", "[1"])
    def test_not_json(self, value: str | bytes) -> None:
        with pytest.raises(ValueError):
            escape.json_decode(value)


# Made of what percent-decoders trip over.
percent_bytes = st.lists(
    st.sampled_from([b"%", b"=", b"25", b"3D", b"3d", b"4", b"\n", b"\r", b" ", b"_", b"\xff"])
    | st.binary(max_size=3)
).map(b"".join)


class TestUrl:
    @pytest.mark.parametrize(
        ("value", "plus", "path"),
        [
            ("a b/c?&=é+%", "a+b%2Fc%3F%26%3D%C3%A9%2B%25", "a%20b/c%3F%26%3D%C3%A9%2B%25"),
            (b"\xff ~.-_", "%FF+~.-_", "%FF%20~.-_"),
            ("", "", ""),
        ],
    )
    def test_escape(self, value: str | bytes, plus: str, path: str) -> None:
        assert url_escape(value) == plus
        assert url_escape(value, plus=False) == path

    def test_header_injection_is_escaped(self) -> None:
        assert url_escape("a\r\nb", plus=False) == "a%0D%0Ab"

    @given(st.binary(), st.booleans())
    def test_round_trip_of_bytes(self, data: bytes, plus: bool) -> None:
        assert url_unescape(url_escape(data, plus), encoding=None, plus=plus) == data

    @given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
    def test_round_trip_of_text(self, text: str, plus: bool) -> None:
        assert url_unescape(url_escape(text, plus), plus=plus) == text

    @given(percent_bytes)
    def test_bytes_as_the_standard_library(self, data: bytes) -> None:
        assert url_unescape(data, None, False) == urllib.parse.unquote_to_bytes(data)

    @given(percent_bytes | st.text().map(lambda text: text.encode(errors="replace")))
    def test_text_as_the_standard_library(self, data: bytes) -> None:
        text = data.decode(errors="replace")
        for encoding in ("utf-8", "latin-1"):
            assert url_unescape(text, encoding) == urllib.parse.unquote_plus(text, encoding)
            assert url_unescape(text, encoding, False) == urllib.parse.unquote(text, encoding)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("a+b%20c%2F", "a b c/"),
            ("%C3%A9%ff", "é\ufffd"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            (b"%e9", "\ufffd"),
            ("é%20", "é "),
        ],
    )
    def test_unescape(self, value: str | bytes, expected: str) -> None:
        assert url_unescape(value) == expected

    def test_unescape_is_done_once(self) -> None:
        assert url_unescape("%252e%25%32%65") == "%2e%2e"

    def test_encodings(self) -> None:
        assert url_unescape("%e9", encoding="latin-1") == "é"
        assert url_unescape("a+%e9", encoding=None) == b"a \xe9"
        assert url_unescape("a+%2B", plus=False) == "a++"
        assert url_unescape(b"\xff", encoding=None) == b"\xff"
        with pytest.raises(UnicodeDecodeError):
            url_unescape(b"\xff")

    def test_wrong_type(self) -> None:
        value: Any = 1
        for function in (url_escape, url_unescape):
            with pytest.raises(TypeError):
                function(value)


class TestParseQs:
    @given(st.lists(st.tuples(st.text(st.characters(max_codepoint=255)), st.binary()), max_size=8))
    def test_round_trip(self, fields: list[tuple[str, bytes]]) -> None:
        expected: dict[str, list[bytes]] = {}
        for name, value in fields:
            expected.setdefault(name, []).append(value)
        encoded = urllib.parse.urlencode([(n.encode("latin-1"), v) for n, v in fields])
        assert parse_qs_bytes(encoded, keep_blank_values=True, strict_parsing=True) == expected
        assert parse_qs_bytes(encoded.encode(), keep_blank_values=True) == expected

    @given(percent_bytes, st.booleans())
    def test_as_the_standard_library(self, data: bytes, keep_blank_values: bool) -> None:
        text = data.decode("latin-1").replace(" ", "&")
        expected = urllib.parse.parse_qs(text, keep_blank_values, encoding="latin-1")
        assert parse_qs_bytes(text, keep_blank_values) == {
            name: [value.encode("latin-1") for value in values] for name, values in expected.items()
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("a=1&b=2&a=3", {"a": [b"1", b"3"], "b": [b"2"]}),
            ("a=&b&&=c", {"": [b"c"]}),
            ("a+b=c+d%2B", {"a b": [b"c d+"]}),
            ("a=b=c;d=e", {"a": [b"b=c;d=e"]}),
            ("%ff=%FE", {"\xff": [b"\xfe"]}),
            (b"\xff=\xfe", {"\xff": [b"\xfe"]}),
            ("a%26b%3Dc=%26%3D", {"a&b=c": [b"&="]}),
            ("", {}),
            (b"", {}),
        ],
    )
    def test_fields(self, query: str | bytes, expected: dict[str, list[bytes]]) -> None:
        assert parse_qs_bytes(query) == expected

    def test_blank_values(self) -> None:
        assert parse_qs_bytes("a=&b&&c=1", True) == {"a": [b""], "b": [b""], "c": [b"1"]}

    @pytest.mark.parametrize("query", ["a", "a=1&", "&&a=1"])
    def test_strict(self, query: str) -> None:
        with pytest.raises(ValueError, match="bad query field"):
            parse_qs_bytes(query, strict_parsing=True)

    @pytest.mark.parametrize("query", ["a=1&b=2&c=3", "&&", b"a&a&a"])
    def test_number_of_fields(self, query: str | bytes) -> None:
        parse_qs_bytes(query, max_num_fields=3)
        with pytest.raises(ValueError, match="Max number of fields"):
            parse_qs_bytes(query, max_num_fields=2)

    def test_beyond_latin1(self) -> None:
        with pytest.raises(UnicodeEncodeError):
            parse_qs_bytes("a=\u2603")


def link(url: str, shown: str | None = None, extra: str = "") -> str:
    return f'<a href="{url}"{extra}>{shown or url}</a>'


class TestLinkify:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("see http://a.com/!", f"see {link('http://a.com/')}!"),
            ("see http://a.com/b.", f"see {link('http://a.com/b')}."),
            ("<http://a.com>", f"&lt;{link('http://a.com')}&gt;"),
            ("'https://a.com'", f"&#x27;{link('https://a.com')}&#x27;"),
            ("www.a.com/x", link("http://www.a.com/x", "www.a.com/x")),
            ("http://a.com?x=1&y=2", link("http://a.com?x=1&amp;y=2")),
            ("http://a.com/x&", f"{link('http://a.com/x')}&amp;"),
            ("http://a.com/x_(y)", link("http://a.com/x_(y)")),
            ("(http://a.com/x_(y))", f"({link('http://a.com/x_(y)')})"),
            ("(http://a.com/x)", f"({link('http://a.com/x')})"),
            ("http://a.com/(a(b)c)", f"{link('http://a.com/')}(a(b)c)"),
            ("http://a.com/x.(b)", f"{link('http://a.com/x')}.(b)"),
            ("http://u:p@a.com:80/", link("http://u:p@a.com:80/")),
            ("http://➡.ws/䨹", link("http://➡.ws/䨹")),
            ("http:/a", link("http:/a")),
            ("http:// http://.", f"{link('http://')} {link('http://')}."),
            (b"http://a.com \xc3\xa9", f"{link('http://a.com')} é"),
            ("-http://x --www.x", f"-{link('http://x')} --{link('http://www.x', 'www.x')}"),
            (
                "http://a.com/x- http://a.com/x_",
                f"{link('http://a.com/x-')} {link('http://a.com/x_')}",
            ),
        ],
    )
    def test_links(self, text: str | bytes, expected: str) -> None:
        assert linkify(text) == expected

    @pytest.mark.parametrize(
        "text",
        ["", "plain", "www.", "_www.a.com", "wwwx.com", "http:/", "foohttp://a", "HTTP://A.COM"],
    )
    def test_no_links(self, text: str) -> None:
        assert linkify(text) == text

    @pytest.mark.parametrize("text", ["javascript://a/%0aalert(1)", "ftp://a", "data:///x"])
    def test_protocols_not_permitted(self, text: str) -> None:
        assert linkify(text) == text

    def test_permitted_protocols(self) -> None:
        assert linkify("ftp://a http://b", permitted_protocols=["ftp"]) == (
            f"{link('ftp://a')} http://b"
        )

    def test_a_link_inside_a_protocol_not_permitted_stays_text(self) -> None:
        assert linkify("javascript://www.a.com") == "javascript://www.a.com"

    def test_require_protocol(self) -> None:
        assert (
            linkify("www.a.com http://b", require_protocol=True) == f"www.a.com {link('http://b')}"
        )

    def test_extra_params(self) -> None:
        expected = link("http://www.a.com", "www.a.com", ' rel="nofollow"')
        assert linkify("www.a.com", extra_params=' rel="nofollow" ') == expected
        seen = []

        def params(url: str) -> str:
            seen.append(url)
            return 'class="x" '

        assert linkify("www.a.com/?a&b", extra_params=params) == link(
            "http://www.a.com/?a&amp;b", "www.a.com/?a&amp;b", ' class="x"'
        )
        assert seen == ["http://www.a.com/?a&amp;b"]

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("http://a.com/" + "b" * 17, None),  # 30 characters
            ("http://a.com/" + "b" * 18, "http://a.com/bbbbbbbb..."),
            ("http://a.com/bb/cc/dddddddddddddddd", "http://a.com/bb..."),
            ("http://a.com/bb?cccccccccccccccccccccc", "http://a.com/bb..."),
            ("http://a.com/bb.cccccccccccccccccccccc", "http://a.com/bb..."),
            ("http://" + "a" * 34 + ".com", None),  # 45 characters
            ("http://" + "a" * 35 + ".com", "http://" + "a" * 23 + "..."),
            ("http://a.com/bbbbbb&amp;ccccccccccccc", "http://a.com/bbbbbb..."),
            ("http://aaaaaaaaaaaaaaaaaaa.com/b.c", None),  # would not get shorter
        ],
    )
    def test_shorten(self, url: str, shown: str | None) -> None:
        expected = link(url, shown, f' title="{url}"' if shown else "")
        assert linkify(html.unescape(url), shorten=True) == expected

    @given(
        st.lists(
            st.sampled_from(
                [
                    "http",
                    "://",
                    ":/",
                    "www.",
                    "a-b",
                    "(",
                    ")",
                    "&",
                    "<",
                    '"',
                    "'",
                    ".",
                    ";",
                    " ",
                    "é",
                ]
            )
        ).map("".join)
        | st.text(),
        st.booleans(),
    )
    def test_output_is_the_escaped_text_with_tags(self, text: str, require_protocol: bool) -> None:
        linked = linkify(text, require_protocol=require_protocol)
        assert re.sub(r'<a href="[^"<>\s]*">|</a>', "", linked) == html.escape(text)

    @pytest.mark.parametrize(
        "piece",
        ["a-", "-", "www.", "www.a(", "http://a(", "http://", "&", "http://a&", "(", "a:/", ","],
    )
    def test_hostile_text_takes_linear_time(self, piece: str) -> None:
        # Quadratic time would run into the time limit for a test.
        text = piece * (300_000 // len(piece))
        assert len(linkify(text)) >= len(text)
        assert len(linkify("www.a" + text, shorten=True)) >= 10


def test_percent_decoding_takes_linear_time() -> None:
    for piece in (b"%41", b"%", b"%%", b"%\n", b"%x", b"%3D%25", b"+"):
        data = piece * 200_000
        assert len(url_unescape(data, None)) <= len(data)


def test_all() -> None:
    assert sorted(escape.__all__) == escape.__all__
    assert all(hasattr(escape, name) for name in escape.__all__)
    assert json.loads(escape.json_encode(escape.__all__)) == escape.__all__
