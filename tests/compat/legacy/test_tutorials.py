"""What tutorials of the days of Tornado 1 to 5 do and is allowed still: nothing here warns."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from tests.web.support import LogBook, Response, application, fetch, logged, run, serving

from tornadic import web
from tornadic.httpserver import HTTPServer
from tornadic.sessions import MemoryStore
from tornadic.web import Application, ErrorHandler, HTTPError, RequestHandler, UIModule, url

SECRET = {"cookie_secret": "of at least thirty-two characters", "log_function": lambda _: None}


@pytest.fixture(autouse=True)
def log() -> Iterator[LogBook]:
    with logged() as book:
        yield book


def cookies_of(response: Response) -> Any:
    jar: SimpleCookie = SimpleCookie()
    for line in response.all("Set-Cookie"):
        jar.load(line)
    return jar


class TestCookies:
    WHEN = datetime.datetime(2001, 9, 9, 1, 46, 40, tzinfo=datetime.UTC)
    TEXT = "Sun, 09 Sep 2001 01:46:40 GMT"

    @pytest.mark.parametrize(
        "expires",
        [
            1e9,
            10**9,
            time.gmtime(10**9),
            tuple(time.gmtime(10**9)),
            WHEN,
            WHEN.replace(tzinfo=None),
        ],
        ids=["float", "int", "struct", "tuple", "datetime", "naive"],
    )
    def test_expires(self, expires: Any) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_cookie("plain", "x", expires=expires)
                self.set_secure_cookie("signed", "x", expires=expires)

        jar = cookies_of(fetch(application(Handler, **SECRET)))
        assert [jar[name]["expires"] for name in ("plain", "signed")] == [self.TEXT, self.TEXT]

    def test_max_age(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_cookie("number", "x", max_age=10)
                self.set_cookie("text", "x", max_age="20")
                self.set_cookie("session", "x", expires_days=None)
                self.set_secure_cookie("signed", "x", expires_days=None, max_age=30)

        response = fetch(application(Handler, **SECRET))
        jar = cookies_of(response)
        assert [jar[name]["max-age"] for name in ("number", "text", "session", "signed")] == [
            "10",
            "20",
            "",
            "30",
        ]
        assert not any(morsel["expires"] for morsel in jar.values())


class TestFinishOverridden:
    """A subclass whose ``finish`` returns nothing, as one of Tornado 1 to 5 did."""

    class Base(RequestHandler):
        def finish(self, chunk: Any = None) -> None:  # type: ignore[override]
            self.set_header("X-Middleware", "out")
            super().finish(chunk)

    @pytest.mark.parametrize("kind", ["plain", "auto", "coroutine", "error", "redirect", "raised"])
    def test_all_ways_out(self, kind: str, log: LogBook) -> None:
        class Handler(self.Base):  # type: ignore[name-defined,misc]
            async def get(self) -> None:
                if kind == "plain":
                    self.finish("x")
                elif kind == "error":
                    self.send_error(404)
                elif kind == "redirect":
                    self.redirect("/y")
                elif kind == "raised":
                    raise HTTPError(409)

        response = fetch(Handler)
        assert response["X-Middleware"] == "out"
        expected = {"error": 404, "redirect": 302, "raised": 409}
        assert response.status == expected.get(kind, 200)

    @pytest.mark.parametrize("with_session", [False, True])
    def test_render(self, tmp_path: Path, with_session: bool) -> None:
        (tmp_path / "page.html").write_text("{{ handler.request.path }} {{ title }}")

        class Handler(self.Base):  # type: ignore[name-defined,misc]
            def get(self) -> Any:
                if with_session:
                    self.session["x"] = 1
                return self.render("page.html", title="t")

        settings = {"session_store": MemoryStore()} if with_session else {}
        app = application(Handler, template_path=str(tmp_path), **SECRET, **settings)
        assert fetch(app, "/p").text == "/p t"


class TestInitialize:
    def test_a_session_made_by_hand(self) -> None:
        kept: dict[str, dict[str, Any]] = {}

        class Session:
            def __init__(self, handler: RequestHandler) -> None:
                key = handler.get_secure_cookie("sid")
                self.key = key.decode() if key else f"s{len(kept)}"
                handler.set_secure_cookie("sid", self.key)
                self.values = kept.setdefault(self.key, {})

            def __getitem__(self, name: str) -> Any:
                return self.values.get(name)

            def __setitem__(self, name: str, value: Any) -> None:
                self.values[name] = value

            def __delitem__(self, name: str) -> None:
                del self.values[name]

        class Handler(RequestHandler):
            def initialize(self, step: int) -> None:
                self.session = Session(self)
                self.step = step

            def get(self) -> None:
                self.session["n"] = (self.session["n"] or 0) + self.step
                self.write(str(self.session["n"]))

            def delete(self) -> None:
                del self.session["n"]

        app = Application([(r"/", Handler, {"step": 2})], **SECRET)

        async def main() -> list[str]:
            async with serving(app) as server:
                client = await server.connect()
                first = await client.request()
                cookie = {"Cookie": f"sid={cookies_of(first)['sid'].value}"}
                second = await client.request(headers=cookie)
                await client.request(method="DELETE", headers=cookie)
                third = await client.request(headers=cookie)
                return [first.text, second.text, third.text]

        assert run(main) == ["2", "4", "2"]
        assert len(kept) == 1

    def test_middleware_by_prepare_and_finish(self) -> None:
        seen: list[str] = []

        class One:
            def request(self, handler: RequestHandler) -> None:
                seen.append(f"in {handler.get_argument('q')}")

            def response(self, handler: RequestHandler) -> None:
                seen.append(f"out {handler.get_status()}")

        class Handler(RequestHandler):
            middleware = (One(), One())

            def prepare(self) -> None:
                for one in self.middleware:
                    one.request(self)

            def finish(self, chunk: Any = None) -> None:  # type: ignore[override]
                for one in reversed(self.middleware):
                    one.response(self)
                super().finish(chunk)

            def get(self) -> None:
                self.write("x")

        assert fetch(Handler, "/?q=1").text == "x"
        assert seen == ["in 1", "in 1", "out 200", "out 200"]


class Named(RequestHandler):
    def initialize(self, text: str = "none") -> None:
        self.text = text

    def get(self, *args: str, **kwargs: str) -> None:
        self.write(f"{self.text} {args or kwargs} {self.reverse_url('one', 'x')}")


class TestRules:
    @pytest.mark.parametrize(
        "pattern", [r"/one/(\w+)", r"^/one/(\w+)$", r"/one/(\w+)$", r"^/one/(\w+)"]
    )
    def test_anchors_of_their_own(self, pattern: str) -> None:
        app = Application([(pattern, Named, {}, "one")], **SECRET)
        assert fetch(app, "/one/a").text == "none ('a',) /one/x"
        assert fetch(app, "/one/a/b").status == 404
        assert fetch(app, "/x/one/a").status == 404

    def test_all_forms(self) -> None:
        app = Application(
            [
                (r"/one/(\w+)", Named, {}, "one"),
                (r"/two/(?P<name>\w+)", Named, {"text": "two"}),
                url(r"/three/(\w+)", Named, {"text": "three"}, name="three"),
                web.URLSpec(r"/four", Named, dict(text="four"), "four"),
                (r"/gone", ErrorHandler, {"status_code": 410}),
            ],
            "example.com",
            None,
            **SECRET,
        )
        assert fetch(app, "/two/b").text == "two {'name': 'b'} /one/x"
        assert fetch(app, "/three/c").text == "three ('c',) /one/x"
        assert fetch(app, "/four").text == "four {} /one/x"
        assert fetch(app, "/gone").status == 410

    def test_hosts_added_afterwards(self) -> None:
        app = Application([(r"/(\w*)", Named, {"text": "any"}, "one")], **SECRET)
        app.add_handlers(r"^www\.example\.org$", [(r"/(\w*)", Named, {"text": "www"}, "www")])
        app.add_handlers(r".*\.example\.org", [(r"/", Named, {"text": "sub"})])
        answers = {
            host: fetch(app, "/", headers={"Host": host}).text.split()[0]
            for host in ("www.example.org", "a.example.org", "example.com")
        }
        assert answers == {
            "www.example.org": "www",
            "a.example.org": "sub",
            "example.com": "any",
        }


class TestErrors:
    def test_send_error_that_is_none(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.send_error(200, message="all is well", code=7)

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.write({"status": status_code, **kwargs})

        response = fetch(Handler)
        assert response.status == 200
        assert response.body == b'{"status": 200, "message": "all is well", "code": 7}'

    @pytest.mark.parametrize(("reason", "shown"), [(None, "Unknown"), ("Odd", "Odd")])
    def test_a_status_of_ones_own(self, reason: str | None, shown: str) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.set_status(798, reason)
                self.write("x")

        response = fetch(Handler)
        assert (response.status, response.reason, response.text) == (798, shown, "x")

    def test_log_message_and_its_arguments(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                raise HTTPError(400, "%s is no %s", "x", "number")

        assert fetch(Handler).status == 400
        log.take("400 GET / (127.0.0.1): x is no number")

    def test_finish_twice(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.finish("one")
                with pytest.raises(RuntimeError, match=r"finish\(\) called twice"):
                    self.finish("two")

        assert fetch(Handler).text == "one"


class Entry(UIModule):
    def render(self, entry: str) -> str:
        return f"<p>{entry}</p>"

    def embedded_css(self) -> str:
        return ".entry { margin: 0 }"

    def css_files(self) -> str:
        return "entry.css"

    def embedded_javascript(self) -> str:
        return "entry()"

    def javascript_files(self) -> list[str]:
        return ["entry.js"]

    def html_head(self) -> str:
        return "<meta name=entry>"

    def html_body(self) -> str:
        return "<i>end</i>"


class TestApplications:
    def test_a_blog(self, tmp_path: Path) -> None:
        (tmp_path / "static").mkdir()
        for name in ("a.txt", "entry.css", "entry.js"):
            (tmp_path / "static" / name).write_text("static")
        (tmp_path / "entry.html").write_text("{{ entry }}")
        (tmp_path / "home.html").write_text(
            "<html><head></head><body>{% for e in entries %}{% module Entry(e) %}{% end %}"
            "{% module Template('entry.html', entry=handler.db[0]) %}{{ whoami() }}</body></html>"
        )

        class Home(RequestHandler):
            @property
            def db(self) -> list[str]:
                entries: list[str] = self.application.db  # type: ignore[attr-defined]
                return entries

            def get(self) -> None:
                assert self.application.settings is self.settings
                answer = self.render("home.html", entries=self.db, handler=self)
                assert answer is None or answer.done()

        class Blog(Application):
            def __init__(self) -> None:
                handlers: list[Any] = [
                    (r"/", Home),
                    (r"/files/(.*)", web.StaticFileHandler, {"path": str(tmp_path / "static")}),
                ]
                settings = dict(
                    blog_title="Blog",
                    template_path=str(tmp_path),
                    static_path=str(tmp_path / "static"),
                    ui_modules={"Entry": Entry},
                    ui_methods={"whoami": lambda handler: "me"},
                    xsrf_cookies=True,
                    **SECRET,
                )
                Application.__init__(self, handlers, **settings)
                self.db = ["one", "two"]

        page = fetch(Blog()).text
        for piece in (
            "<p>one</p><p>two</p>oneme",
            ".entry { margin: 0 }",
            'href="/static/entry.css',
            "entry()",
            'src="/static/entry.js',
            "<meta name=entry>\n</head>",
            "<i>end</i>\n</body>",
        ):
            assert piece in page
        assert fetch(Blog(), "/files/a.txt").text == "static"
        assert fetch(Blog(), "/static/a.txt").text == "static"

    def test_transforms(self) -> None:
        class Upper(web.OutputTransform):
            def transform_first_chunk(
                self, status_code: int, headers: Any, chunk: bytes, finishing: bool
            ) -> Any:
                return status_code, headers, chunk.upper()

        class Handler(RequestHandler):
            def get(self) -> None:
                self.write("x")

        assert fetch(Application([("/", Handler)], transforms=[Upper], **SECRET)).text == "X"

    def test_log_request_overridden(self) -> None:
        logged_status: list[int] = []

        class Quiet(Application):
            def log_request(self, handler: RequestHandler) -> None:
                logged_status.append(handler.get_status())

        assert fetch(Quiet(), "/").status == 404
        assert logged_status == [404]

    def test_listening_in_one_line(self) -> None:
        async def main() -> None:
            server: Any = HTTPServer(Application([]), xheaders=True)
            server.listen(0, address="127.0.0.1")
            server.stop()

        run(main)
