"""Forms from requests: bodies of every kind, validators that wait, languages, answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import wtforms
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tools import module
from tests.web.support import LogBook, Response, application, fetch
from wtforms import validators as v

from tornadic import locale
from tornadic.forms import Form, UploadedFile, ui_modules
from tornadic.forms.patterns import html_pattern
from tornadic.forms.reading import MAX_DEPTH, MAX_VALUES
from tornadic.template import DictLoader
from tornadic.web import Application, RequestHandler

module("wtforms")

TOKEN = "2|00000000|0123456789abcdef0123456789abcdef|1700000000"
XSRF = {"Cookie": f"_xsrf={TOKEN}", "X-Xsrftoken": TOKEN}
PAGES = {"page.html": "{% module Form(form, novalidate=True) %}"}


class Address(Form):
    city = wtforms.StringField("City", [v.InputRequired(), v.Length(max=20)])


class Person(Form):
    name = wtforms.StringField("Name", [v.InputRequired(), v.Length(min=2, max=20)])
    age = wtforms.IntegerField("Age", [v.Optional(), v.NumberRange(0, 150)])
    height = wtforms.FloatField("Height", [v.Optional()])
    price = wtforms.DecimalField("Price", [v.Optional()])
    agrees = wtforms.BooleanField("I agree")
    color = wtforms.SelectField("Color", [v.Optional()], choices=["r", "g"])
    tags = wtforms.SelectMultipleField("Tags", choices=["a", "b"])
    day = wtforms.DateField("Day", [v.Optional()])
    address = wtforms.FormField(Address)
    names = wtforms.FieldList(wtforms.StringField(validators=[v.Length(max=5)]), max_entries=3)
    homes = wtforms.FieldList(wtforms.FormField(Address))
    photo = wtforms.FileField("Photo")
    photos = wtforms.MultipleFileField("Photos")


def app(form_class: type[Form], **settings: Any) -> Application:
    """Whoever posts gets the data back, or the errors."""

    class Handler(RequestHandler):
        def get(self) -> None:
            form = form_class.from_handler(self, query=True)
            self.write({"submitted": form.is_submitted, "data": shown(form)})

        async def post(self) -> None:
            form = form_class.from_handler(self)
            if await form.validate_async():
                self.write({"data": shown(form)})
            else:
                form.send_errors("page.html")

    settings.setdefault("template_loader", DictLoader(PAGES))
    return application(Handler, ui_modules=[ui_modules], **settings)


def shown(form: Form) -> Any:
    return json.loads(json.dumps(form.data, default=str))


def post(form_class: type[Form], headers: Any = (), **values: Any) -> Response:
    sent = {**XSRF, "Content-Type": "application/x-www-form-urlencoded", **dict(headers)}
    return fetch(app(form_class), "/", "POST", sent, urlencode(values, doseq=True).encode())


def post_json(form_class: type[Form], body: Any, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**XSRF, "Content-Type": "application/json", **headers}
    return fetch(app(form_class), "/", "POST", sent, raw)


def errors(form_class: type[Form], body: Any) -> Any:
    response = post_json(form_class, body)
    assert response.status == 422, response.text
    return json.loads(response.body)["errors"]


# Browsers


def test_a_form_of_a_browser() -> None:
    values = {"name": "Ann", "age": "5", "agrees": "y", "tags": ["a", "b"], "address-city": "Rome"}
    data = json.loads(post(Person, **values, **{"names-0": "x", "names-1": "y"}).body)["data"]
    assert (data["name"], data["age"], data["agrees"], data["tags"]) == ("Ann", 5, True, ["a", "b"])
    assert (data["address"], data["names"]) == ({"city": "Rome"}, ["x", "y"])


def test_the_form_comes_again_with_its_errors() -> None:
    response = post(Person, name="<", **{"address-city": "Rome"})
    assert response.status == 422
    page = response.text
    assert 'value="&lt;"' in page and 'role="alert"' in page
    assert re.search(r'<input aria-describedby="name-errors" aria-invalid="true" id="name"', page)
    assert '<ul class="field-errors" id="name-errors"><li>Field must be between 2 and 20' in page
    assert 'enctype="multipart/form-data"' in page
    assert 'name="_xsrf"' in page


def test_queries_do_not_fill_in_what_is_posted() -> None:
    class Handler(RequestHandler):
        def post(self) -> None:
            form = Person.from_handler(self)
            self.write({"name": form.name.data})

    headers = {**XSRF, "Content-Type": "application/x-www-form-urlencoded"}
    response = fetch(Handler, "/?name=query", "POST", headers, b"age=3")
    assert json.loads(response.body) == {"name": None}


def test_a_get() -> None:
    assert json.loads(fetch(app(Person)).body)["submitted"] is True  # by its query
    found = json.loads(fetch(app(Person), "/?name=Bob").body)["data"]
    assert found["name"] == "Bob"

    class Handler(RequestHandler):
        def get(self) -> None:
            form = Person.from_handler(self, data={"name": "before"})
            self.write(f"{form.is_submitted} {form.name.data}")

    assert fetch(Handler, "/?name=Bob").text == "False before"


def test_files() -> None:
    seen: list[Any] = []

    class Handler(RequestHandler):
        def post(self) -> None:
            form = Person.from_handler(self, check_xsrf=False)
            seen.extend(
                [form.photo.data, form.photos.data, form.name.data, form.age.process_errors]
            )

    def send(files: list[tuple[str, str, bytes]], fields: dict[str, str]) -> None:
        seen.clear()
        boundary, body = "xyz", b""
        for name, value in fields.items():
            line = f'--xyz\r\nContent-Disposition: form-data; name="{name}"'
            body += f"{line}\r\n\r\n{value}\r\n".encode()
        for name, filename, content in files:
            line = f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"'
            body += line.encode() + b"\r\nContent-Type: image/png\r\n\r\n" + content + b"\r\n"
        body += b"--xyz--\r\n"
        kind = f"multipart/form-data; boundary={boundary}"
        assert fetch(Handler, "/", "POST", {"Content-Type": kind}, body).status == 200

    send([("photo", "a.png", b"1"), ("photos", "b", b"2"), ("photos", "c", b"3")], {})
    photo, photos = seen[:2]
    assert isinstance(photo, UploadedFile)
    assert (photo.filename, photo.body, photo.content_type) == ("a.png", b"1", "image/png")
    assert [one.body for one in photos] == [b"2", b"3"]
    # Texts in place of files, and files in place of texts.
    send([("name", "n.png", b"1"), ("age", "x", b"5")], {"photo": "text", "photos": "text"})
    assert seen == [None, [], "n.png", ["Not a valid integer value."]]
    # None was chosen.
    send([("photo", "", b"")], {})
    assert seen[0] is None


# The token


def test_without_the_token(log: LogBook) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for given_settings in ({}, {"xsrf_cookies": True}):
        assert fetch(app(Person, **given_settings), "/", "POST", headers, b"name=Ann").status == 403
    for kind in ("application/json", "text/plain"):
        response = fetch(app(Person), "/", "POST", {"Content-Type": kind}, b"{}")
        assert response.status == 403
    assert len(log.take_all("_xsrf")) == 4


def test_the_token_is_checked_once() -> None:
    checked = []

    class Handler(RequestHandler):
        def check_xsrf_cookie(self) -> None:
            checked.append(1)

        def post(self) -> None:
            Person.from_handler(self)

    for given_settings in ({}, {"xsrf_cookies": True}):
        fetch(application(Handler, **given_settings), "/", "POST")
    assert checked == [1, 1]


# JSON


def test_json() -> None:
    body: dict[str, Any] = {
        "name": "Ann",
        "age": 5,
        "height": 1.5,
        "price": 12.30,
        "agrees": True,
        "color": "r",
        "tags": ["a"],
        "day": "2024-02-29",
        "address": {"city": "Rome"},
        "names": ["x", "y"],
        "homes": [{"city": "A"}, {"city": "B"}],
        "unknown": [1],
    }
    data = json.loads(post_json(Person, body).body)["data"]
    del body["unknown"]
    assert data == {**body, "price": "12.3", "photo": None, "photos": []}


def test_nothing_and_null_are_the_same() -> None:
    bodies: list[Any] = [{"address": {}}, dict.fromkeys(["name", "age", "homes"]), {}]
    for body in bodies:
        found = errors(Person, body)
        assert found == {
            "name": ["This field is required."],
            "address": {"city": ["This field is required."]},
        }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 5),
        ("name", ["x"]),
        ("name", {"a": 1}),
        ("name", True),
        ("name", "\ud800"),
        ("age", "5"),
        ("age", 5.0),
        ("age", True),
        ("age", []),
        ("height", "1"),
        ("price", []),
        ("agrees", "yes"),
        ("agrees", 1),
        ("color", ["r"]),
        ("tags", "a"),
        ("tags", [["a"]]),
        ("day", 20240229),
        ("address", "Rome"),
        ("address", []),
        ("names", "x"),
        ("names", ["1", "2", "3", "4"]),
        ("homes", {"0": 1}),
        ("photo", "x"),
        ("photos", ["x"]),
    ],
)
def test_wrong_kinds_are_errors_of_the_field(name: str, value: Any) -> None:
    body = {"name": "Ann", "address": {"city": "Rome"}, name: value}
    assert errors(Person, body) == {name: ["Not a valid value."]}


def test_wrong_kinds_within() -> None:
    body = {"name": "Ann", "address": {"city": 1}, "homes": [{}, {"city": 5}, {"city": "A"}]}
    found = errors(Person, {**body, "names": ["x", 5]})
    assert found == {
        "address": {"city": ["Not a valid value."]},
        "homes": [{"city": ["This field is required."]}, {"city": ["Not a valid value."]}, {}],
        "names": [[], ["Not a valid value."]],
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"5",
        b"{",
        b'{"a": NaN}',
        b'{"name": 1, "name": 2}',
        b"\xff",
        '{"name": "x"}'.encode("utf-16"),
        b'{"age": ' + b"1" * 5000 + b"}",
        b'{"a": ' * 100_000,
        b'{"a":' * MAX_DEPTH + b"{}" + b"}" * MAX_DEPTH,
        json.dumps({"a": [0] * MAX_VALUES}).encode(),
    ],
    ids=range(12),
)
def test_json_that_is_none(body: bytes, log: LogBook) -> None:
    assert post_json(Person, body).status == 400
    log.take("400")


def test_json_at_the_bounds() -> None:
    deep: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 1):
        deep = {"a": deep}
    for body in (deep, {"a": [0] * (MAX_VALUES - 1)}):
        assert post_json(Person, body).status == 422


def test_other_kinds_of_bodies(log: LogBook) -> None:
    for kind in ("text/plain", "application/jsonp", "application/xml"):
        headers = {**XSRF, "Content-Type": kind}
        assert fetch(app(Person), "/", "POST", headers, b'{"name": "x"}').status == 415
    assert fetch(app(Person), "/", "POST", XSRF, b"x").status == 415
    log.take_all("415")


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(list(Person()._fields)), values, max_size=5))
def test_any_json_has_an_answer(body: Any) -> None:
    class Request:
        method = "POST"
        headers = {"Content-Type": "application/json"}

    class Handler:
        request: Any = Request()
        settings: dict[str, Any] = {}
        locale = locale.get("en_US")

    handler: Any = Handler()
    handler.request.body = json.dumps(body).encode()
    form = Person.from_handler(handler, check_xsrf=False)
    form.validate()
    json.dumps(form.error_dict)


# Validators that wait


class Unique(Form):
    name = wtforms.StringField("Name", [v.InputRequired()])
    nick = wtforms.StringField("Nick", [v.Optional()])
    asked: list[str] = []

    async def validate_name(self, field: Any) -> None:
        await asyncio.sleep(0)
        self.asked.append(field.data)
        if field.data == "taken":
            raise wtforms.ValidationError("Taken")

    async def validate_nick(self, field: Any) -> None:
        self.asked.append(field.data)


class Rule:
    async def __call__(self, form: Any, field: Any) -> None:
        await asyncio.sleep(0)
        if field.data == "bad":
            raise v.StopValidation("Bad")


class Outer(Form):
    inner = wtforms.FormField(Unique)
    code = wtforms.StringField(validators=[Rule()])


def test_validators_that_wait() -> None:
    Unique.asked.clear()
    assert errors(Unique, {"name": "taken"}) == {"name": ["Taken"]}
    assert errors(Unique, {}) == {"name": ["This field is required."]}
    assert post_json(Unique, {"name": "free", "nick": "n"}).status == 200
    assert Unique.asked == ["taken", "free", "n"]


def test_validators_that_wait_within_and_in_lists() -> None:
    found = errors(Outer, {"inner": {"name": "taken"}, "code": "bad"})
    assert found == {"inner": {"name": ["Taken"]}, "code": ["Bad"]}
    assert post_json(Outer, {"inner": {"name": "free"}, "code": "good"}).status == 200


def test_who_forgets_to_wait_is_told() -> None:
    for form in (Unique(data={"name": "x"}), Outer()):
        with pytest.raises(RuntimeError, match=r"await form\.validate_async\(\)"):
            form.validate()


# Languages


@pytest.fixture
def german(tmp_path: Path) -> Iterator[None]:
    rows = '"Name","Der Name"\n"City","Die Stadt"\n"Taken","Vergeben"\n'
    (tmp_path / "de.csv").write_text(rows, "utf-8")
    locale.load_translations(str(tmp_path))
    yield
    locale.load_translations(str(tmp_path / ".."), "utf-8")


def test_languages(german: None) -> None:
    response = post(Person, {"Accept-Language": "de"}, name="x" * 21)
    assert "Der Name" in response.text and "Die Stadt" in response.text
    assert "Dieses Feld wird benötigt." in response.text  # of the form within
    assert "zwischen 2 und 20" in response.text
    response = post_json(Unique, {"name": "taken"}, **{"Accept-Language": "de"})
    assert json.loads(response.body)["errors"] == {"name": ["Vergeben"]}
    assert "Field must be" in post(Person, {"Accept-Language": "en"}, name="x").text


# Answers


@pytest.mark.parametrize(
    ("accept", "as_json", "of_form"),
    [
        (None, True, False),
        ("*/*", True, False),
        ("application/json", True, True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False, False),
        ("application/json;q=0.5, text/html;q=0.9", False, False),
        ("application/json, text/html;q=x", True, True),
        (", ;," * 1000, True, False),
    ],
)
def test_who_gets_what(accept: str | None, as_json: bool, of_form: bool) -> None:
    headers = {} if accept is None else {"Accept": accept}
    for response, expected in (
        (post_json(Person, {}, **headers), as_json),
        (post(Person, headers), of_form),
    ):
        assert response.status == 422
        assert response["Content-Type"].startswith("application/json") == expected
        assert response["Vary"] == "Accept"


def test_errors_without_a_handler() -> None:
    with pytest.raises(RuntimeError, match="from_handler"):
        Person().send_errors("page.html")


# HTML


def rendered(form: type[Form], **values: Any) -> str:
    return post(form, **values).text


def test_attributes() -> None:
    class Fields(Form):
        code = wtforms.StringField("Code", [v.Regexp("^[a-z]{3}$")], description="Three <letters>")
        number = wtforms.IntegerField("N", [v.NumberRange(1, 9)])
        choice = wtforms.RadioField("Which", choices=["a", "b"])
        yes = wtforms.BooleanField("Yes", [v.InputRequired()])
        secret = wtforms.HiddenField(validators=[v.InputRequired()])
        send = wtforms.SubmitField("Go")
        names = wtforms.FieldList(wtforms.StringField("One"), min_entries=2)

    page = rendered(Fields, code="1", number="10")
    assert 'aria-describedby="code-help code-errors"' in page
    assert '<p class="field-help" id="code-help">Three &lt;letters&gt;</p>' in page
    assert 'pattern="[a-z]{3}"' in page
    assert 'max="9" min="1"' in page
    assert '<fieldset class="field field-invalid"><legend>Which</legend>' in page
    assert re.search(r'<input [^>]*id="yes"[^>]*required[^>]*> <label for="yes">', page)
    assert "<li>Secret: This field is required.</li>" in page
    assert page.count('type="submit"') == 1
    assert '<input id="names-1" name="names-1"' in page


ASCII = re.ASCII


@pytest.mark.parametrize(
    ("regex", "flags", "pattern"),
    [
        ("^[a-z]+$", 0, "[a-z]+"),
        (r"\A[A-Za-z0-9_.-]{2,20}\Z", 0, None),
        (r"[A-Za-z0-9_.\-]{2,20}\Z", 0, r"[A-Za-z0-9_.\-]{2,20}"),
        (r"^(?:ab)+\.c$", 0, r"(?:ab)+\.c"),
        (r"^\d+$", 0, None),
        (r"^\d+$", ASCII, r"\d+"),
        (r"^\w+$", 0, None),
        (r"^a\$", 0, None),
        ("^a", 0, None),
        ("^a|b$", 0, None),
        ("^a$", re.IGNORECASE, None),
        ("^(?P<x>a)$", 0, None),
        ("^(?i:a)$", 0, None),
        ("^.$", 0, None),
        (r"^\s$", ASCII, None),
    ],
)
def test_patterns(regex: str, flags: int, pattern: str | None) -> None:
    assert html_pattern(re.compile(regex, flags)) == pattern


@given(st.text("ab-.{2,}()*+?[]\\d", max_size=12), st.text("ab1-.", max_size=6))
def test_a_pattern_means_what_the_expression_means(text: str, value: str) -> None:
    try:
        regex = re.compile(f"^{text}$", re.ASCII)
    except (re.error, RecursionError, OverflowError):
        return
    pattern = html_pattern(regex)
    if pattern is not None:
        assert bool(regex.match(value)) == bool(re.fullmatch(pattern, value, re.ASCII))
