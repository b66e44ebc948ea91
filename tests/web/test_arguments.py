"""Arguments as a handler reads them: from the query, from forms, as text or as an error."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.support import LogBook, Response, fetch

from tornadic.web import Application, HTTPError, MissingArgumentError, RequestHandler

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Echo(RequestHandler):
    """Shows the arguments ``a`` as each method sees them."""

    def show(self) -> None:
        self.write(
            {
                "argument": self.get_argument("a", None),
                "arguments": self.get_arguments("a"),
                "query": self.get_query_argument("a", None),
                "queries": self.get_query_arguments("a"),
                "body": self.get_body_argument("a", None),
                "bodies": self.get_body_arguments("a"),
            }
        )

    def get(self) -> None:
        self.show()

    def post(self) -> None:
        self.show()


def read(call: str, target: str, headers: Any = (), body: bytes = b"") -> Any:
    """What ``call``, such as ``get_argument('a')``, gives in a handler."""
    given: list[Any] = []

    class Handler(RequestHandler):
        def prepare(self) -> None:
            given.append(eval(f"self.{call}", {"self": self}))
            self.finish()

    fetch(Handler, target, "POST" if body else "GET", headers, body)
    return given[0]


def text_of(raw_query: str) -> object:
    return read("get_argument('a')", f"/?a={raw_query}")


class TestWhereTheyComeFrom:
    def test_nowhere(self) -> None:
        response = fetch(Echo)
        assert response.text == (
            '{"argument": null, "arguments": [], "query": null, "queries": [],'
            ' "body": null, "bodies": []}'
        )

    def test_query_and_body(self) -> None:
        response = fetch(Echo, "/?a=1&a=2&b=x", "POST", FORM, b"a=3&a=4")
        assert response.text == (
            '{"argument": "4", "arguments": ["1", "2", "3", "4"],'
            ' "query": "2", "queries": ["1", "2"], "body": "4", "bodies": ["3", "4"]}'
        )

    def test_multipart(self) -> None:
        body = (
            b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xc3\xa9\r\n'
            b'--xx\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n'
            b"Content-Type: text/plain\r\n\r\n\x00\xff\r\n--xx--\r\n"
        )

        class Handler(RequestHandler):
            def post(self) -> None:
                (file,) = self.request.files["f"]
                assert file.filename == file["filename"] == "f.txt"
                assert (file.body, file.content_type) == (b"\x00\xff", "text/plain")
                self.write(self.get_body_argument("a"))

        headers = {"Content-Type": 'multipart/form-data; boundary="xx"'}
        assert fetch(Handler, method="POST", headers=headers, body=body).text == "é"

    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
    def test_other_bodies_are_no_forms(self, content_type: str) -> None:
        headers = {"Content-Type": content_type} if content_type else {}
        response = fetch(Echo, method="POST", headers=headers, body=b"a=1")
        assert '"argument": null' in response.text

    def test_content_type_with_parameters_and_in_any_case(self) -> None:
        headers = {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
        response = fetch(Echo, method="POST", headers=headers, body=b"a=1")
        assert '"bodies": ["1"]' in response.text

    def test_the_path_is_no_query(self) -> None:
        assert read("get_arguments('a')", "/a=1") == []


class TestText:
    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            ("x", "x"),
            ("", ""),
            ("x+y", "x y"),
            ("x%20y", "x y"),
            ("x%2By", "x+y"),
            ("%C3%A9", "é"),
            ("%F0%9F%90%99", "🐙"),
            ("%25", "%"),
            ("a=b", "a=b"),
            ("%26%3D%3B%23", "&=;#"),
            ("x;y", "x;y"),
            ("+x+", "x"),
            ("%09%0Ax%0D%0A", "x"),
            ("x%0Ay%09z", "x\ny\tz"),
            ("x%00y%1Fz", "x y z"),
            ("%00x%0E", "x"),
            ("x%7Fy", "x\x7fy"),
            ("%C2%A0x", "x"),
        ],
    )
    def test_decoded_cleaned_and_stripped(self, raw: str, text: str) -> None:
        assert text_of(raw) == text

    def test_strip_can_be_turned_off(self) -> None:
        assert read("get_argument('a', strip=False)", "/?a=+x+%0A") == " x \n"
        assert read("get_arguments('a', strip=False)", "/?a=+x+&a=%00") == [" x ", " "]
        assert read("get_query_argument('a', strip=False)", "/?a=+x") == " x"
        assert read("get_query_arguments('a', False)", "/?a=+x") == [" x"]
        assert read("get_body_argument('a', strip=False)", "/", FORM, b"a=+x") == " x"
        assert read("get_body_arguments('a', False)", "/", FORM, b"a=+x") == [" x"]

    def test_names_are_decoded_too(self) -> None:
        assert read("get_argument('a b&')", "/?a+b%26=1") == "1"

    def test_a_name_without_a_value(self) -> None:
        assert read("get_arguments('a')", "/?a&a=") == ["", ""]

    def test_strip_in_the_place_of_a_default(self, log: LogBook) -> None:
        default: Any = "default"

        class Handler(RequestHandler):
            def get(self) -> None:
                self.get_arguments("a", default)

        assert fetch(Handler).status == 500
        log.take("AssertionError")

    def test_arguments_may_be_changed_by_the_program(self) -> None:
        class Handler(RequestHandler):
            def prepare(self) -> None:
                self.request.arguments["a"] = [b"mine"]

            def get(self) -> None:
                self.write(self.get_argument("a"))

        assert fetch(Handler, "/?a=theirs").text == "mine"

    def test_the_request_gives_bytes(self) -> None:
        assert read("request.arguments", "/?a=+x&b=%FF&a=2") == {"a": [b" x", b"2"], "b": [b"\xff"]}

    def test_what_the_query_gave_is_not_changed_by_the_body(self) -> None:
        seen = read(
            "request.arguments and (self.request.query_arguments, self.request.body_arguments)",
            "/?a=1",
            FORM,
            b"a=2",
        )
        assert seen == ({"a": [b"1"]}, {"a": [b"2"]})


class TestMissing:
    @pytest.mark.parametrize("method", ["argument", "query_argument", "body_argument"])
    def test_is_a_400(self, method: str, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                getattr(self, f"get_{method}")("name")

        response = fetch(Handler)
        assert response.status == 400
        assert "name" not in response.text
        assert log.take("Missing argument name").getMessage().startswith("400 GET / (127.0.0.1)")

    def test_the_exception_names_it(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                with pytest.raises(MissingArgumentError) as caught:
                    self.get_argument("who%s")
                error = caught.value
                assert (error.arg_name, error.status_code) == ("who%s", 400)
                assert str(error) == "HTTP 400: Bad Request (Missing argument who%s)"

        assert fetch(Handler).status == 200

    @pytest.mark.parametrize("default", ["None", "''", "0", "[]", "'x'"])
    def test_any_default_comes_back_as_it_is(self, default: str) -> None:
        assert read(f"get_argument('a', {default})", "/") == eval(default)
        assert read(f"get_argument('a', default={default})", "/") == eval(default)

    def test_query_does_not_count_for_the_body(self) -> None:
        assert read("get_body_argument('a', 'default')", "/?a=1") == "default"
        assert read("get_query_argument('a', 'default')", "/", FORM, b"a=1") == "default"


class TestBadOnes:
    def answer(self, target: str, headers: Any = (), body: bytes = b"") -> Response:
        return fetch(Echo, target, "POST" if body else "GET", headers, body)

    @pytest.mark.parametrize("raw", ["%FF", "%C3", "%ED%A0%80", "%C0%AF"])
    def test_bad_utf8_is_a_400(self, raw: str, log: LogBook) -> None:
        assert self.answer(f"/?a={raw}").status == 400
        log.take("Invalid unicode in a")

    def test_bad_utf8_that_nobody_reads(self) -> None:
        assert self.answer("/?b=%FF").status == 200

    @pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 400)])
    def test_number_of_fields_at_its_limit(self, count: int, status: int, log: LogBook) -> None:
        fields = "&".join(["a=1"] * count)
        assert self.answer("/", FORM, fields.encode()).status == status
        assert self.answer(f"/?{fields}").status == status
        if status == 400:
            assert len(log.take_all("Max number of fields exceeded")) == 2

    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=other",
        ],
    )
    def test_malformed_multipart_is_a_400(self, content_type: str, log: LogBook) -> None:
        assert self.answer("/", {"Content-Type": content_type}, b"--x\r\n\r\n").status == 400
        log.take("Invalid multipart/form-data")

    def test_a_form_in_a_coding_is_a_400(self, log: LogBook) -> None:
        headers = {**FORM, "Content-Encoding": "gzip"}
        assert self.answer("/", headers, b"\x1f\x8b").status == 400
        log.take("Unsupported Content-Encoding: gzip")

    def test_errors_do_not_break_the_connection_or_reach_those_who_do_not_ask(self) -> None:
        class Handler(RequestHandler):
            def post(self) -> None:
                self.write(self.request.body)

        response = fetch(
            Handler, method="POST", headers={"Content-Type": "multipart/form-data"}, body=b"x"
        )
        assert (response.status, response.body) == (200, b"x")


class TestGroupsOfThePath:
    class Groups(RequestHandler):
        def get(self, *args: str | None, **kwargs: str | None) -> None:
            assert self.path_args == list(args)
            assert self.path_kwargs == kwargs
            self.write({"args": args, "kwargs": kwargs})

    def groups(self, pattern: str, target: str) -> str:
        return fetch(Application([(pattern, self.Groups)]), target).text

    def test_by_position(self) -> None:
        assert self.groups("/(.*)/(.*)", "/x/y") == '{"args": ["x", "y"], "kwargs": {}}'

    def test_by_name(self) -> None:
        expected = '{"args": [], "kwargs": {"b": "x", "a": "y"}}'
        assert self.groups("/(?P<b>.*)/(?P<a>.*)", "/x/y") == expected

    def test_none(self) -> None:
        assert self.groups("/x", "/x") == '{"args": [], "kwargs": {}}'

    @pytest.mark.parametrize(
        ("raw", "text"), [("%C3%A9", "é"), ("a+b", "a+b"), ("a%2Fb", "a/b"), ("%2525", "%25")]
    )
    def test_percent_decoded_once_and_plus_stays(self, raw: str, text: str) -> None:
        class Handler(RequestHandler):
            def get(self, arg: str) -> None:
                self.write(arg)

        assert fetch(Application([("/(.*)", Handler)]), f"/{raw}").text == text

    def test_optional_group_that_took_no_part(self) -> None:
        assert self.groups("/x(/.*)?", "/x") == '{"args": [null], "kwargs": {}}'
        assert self.groups("/x(?P<a>/.*)?", "/x") == '{"args": [], "kwargs": {"a": null}}'

    def test_bad_utf8_is_a_400(self, log: LogBook) -> None:
        app = Application([("/p/(.*)", self.Groups), ("/n/(?P<part>.*)", self.Groups)])
        assert fetch(app, "/p/%FF").status == 400
        log.take("Invalid unicode in url")
        assert fetch(app, "/n/%FF").status == 400
        log.take("Invalid unicode in part")

    def test_groups_are_not_stripped_or_cleaned(self) -> None:
        seen: list[str] = []

        class Handler(RequestHandler):
            def get(self, arg: str) -> None:
                seen.append(arg)

        fetch(Application([("/(.*)", Handler)]), "/%20x%00%20")
        assert seen == [" x\x00 "]

    def test_groups_and_the_method_must_agree(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise AssertionError

        assert fetch(Application([("/(.*)", Handler)]), "/x").status == 500
        log.take("TypeError")


class TestDecodeArgument:
    def test_a_subclass_may_take_another_encoding(self) -> None:
        names: list[str | None] = []

        class Handler(RequestHandler):
            def decode_argument(self, value: bytes, name: str | None = None) -> str:
                names.append(name)
                return value.decode("latin-1")

            def get(self, group: str) -> None:
                self.write({"group": group, "a": self.get_argument("a")})

        response = fetch(Application([("/(.*)", Handler)]), "/%E9?a=%E8")
        assert response.text == '{"group": "\\u00e9", "a": "\\u00e8"}'
        assert names == [None, "a"]

    def test_a_subclass_may_leave_them_in_bytes(self) -> None:
        class Handler(RequestHandler):
            def decode_argument(self, value: bytes, name: str | None = None) -> Any:
                return value

            def get(self, group: str) -> None:
                seen: list[Any] = [group, self.get_argument("a"), *self.get_arguments("a")]
                seen += self.get_arguments("a", strip=False)
                assert seen == [b"\xe9", b"\xe8\x01", b"\xe8\x01", b" \xe8\x01"]
                self.write("seen")

        assert fetch(Application([("/(.*)", Handler)]), "/%E9?a=+%E8%01").text == "seen"

    def test_errors_of_the_subclass_are_answered(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def decode_argument(self, value: bytes, name: str | None = None) -> str:
                raise HTTPError(422, "not text")

            def get(self, group: str) -> None:
                raise AssertionError

        assert fetch(Application([("/(.*)", Handler)]), "/x").status == 422
        log.take("not text")
