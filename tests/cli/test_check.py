"""``tornadic check``: small projects, and what is said of them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import textwrap
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tornadic.cli import main
from tornadic.cli.check import check, forms, sources, surface
from tornadic.cli.check.forms import Level
from tornadic.cli.check.judging import Finding, judge
from tornadic.cli.check.project import Project
from tornadic.cli.check.reading import read
from tornadic.compat import legacy

WILL_NOT_RUN, MAY_NOT_RUN = Level.WILL_NOT_RUN, Level.MAY_NOT_RUN
REMOVED, DEPRECATED = Level.REMOVED, Level.DEPRECATED


def look_at(source: str | Mapping[str, str]) -> list[Finding]:
    """The findings for one file, ``app.py``, or for several."""
    files = {"app.py": source} if isinstance(source, str) else source
    facts = []
    for name, text in files.items():
        text = textwrap.dedent(text)
        facts.append(read(sources.parse(text), f"/project/{name}", text))
    return judge(Project(facts), {f"/project/{name}": name for name in files})


def names(source: str | Mapping[str, str]) -> list[tuple[int, str]]:
    """Line and name of each finding, without ``tornado.``."""
    return [(one.line, one.name.replace("tornado.", "")) for one in look_at(source)]


def only(source: str | Mapping[str, str]) -> Finding:
    [finding] = look_at(source)
    return finding


def run(*line: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tornadic", "check", *map(str, line)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
    )


# Names


@pytest.mark.parametrize(
    ("imports", "used"),
    [
        ("import tornado.web", "tornado.web.asynchronous"),
        ("import tornado", "tornado.web.asynchronous"),
        ("import tornado.web as w", "w.asynchronous"),
        ("from tornado import web", "web.asynchronous"),
        ("from tornado import gen as g, web as w", "w.asynchronous"),
        ("import tornadic.web", "tornadic.web.asynchronous"),
        ("from tornado.web import *", "asynchronous"),
        ("import tornado.web; a = tornado.web; b = a", "b.asynchronous"),
        ("from tornado import web; mark = web", "mark.asynchronous"),
        ("web = __import__('x')\nfrom tornado import web", "web.asynchronous"),
    ],
)
def test_names_however_imported(imports: str, used: str) -> None:
    finding = only(f"{imports}\n@{used}\ndef get(self): pass")
    assert (finding.name, finding.level) == ("tornado.web.asynchronous", REMOVED)
    assert finding.line == imports.count("\n") + 2
    assert (finding.column, finding.path) == (2, "app.py")


def test_name_and_its_import() -> None:
    assert names("from tornado.gen import Task as T\ndef f():\n  yield T(g)\n  yield T(h)\n") == [
        (1, "gen.Task"),
        (3, "gen.Task"),
        (4, "gen.Task"),
    ]


def test_alias_by_assignment() -> None:
    assert names("from tornado import gen\nengine = gen.engine\n@engine\ndef f(): pass") == [
        (2, "gen.engine"),
        (3, "gen.engine"),
    ]


def test_import_within_a_function() -> None:
    source = """
        def f():
            from tornado import gen
            yield gen.Task(g)
        def g():
            gen.Task
    """
    assert names(source) == [(4, "gen.Task")]


def test_parameter_hides_a_module() -> None:
    assert names("from tornado import gen\ndef f(gen): gen.Task") == []


def test_definition_hides_an_import() -> None:
    assert (
        names("from tornado.web import *\ndef asynchronous(f): pass\n@asynchronous\ndef g(): 1")
        == []
    )


def test_class_scope_is_not_seen_by_methods() -> None:
    source = """
        class A:
            from tornado import gen
            mark = gen.engine
            def f(self):
                gen.Task
    """
    assert names(source) == [(4, "gen.engine")]


def test_names_of_others() -> None:
    source = """
        import asyncio.tasks as gen, concurrent.futures, database
        from other import web, stack_context
        from twisted.web import asynchronous
        gen.Task, web.asynchronous, stack_context.wrap, database.Connection
        Task = engine = asynchronous
    """
    assert names(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "from tornado.web import asynchronous, asynchronous",
        "from tornado.web import (\n  asynchronous,\n  asynchronous)",
    ],
)
def test_each_name_of_an_import(source: str) -> None:
    assert [one.name for one in look_at(source)] == ["tornado.web.asynchronous"] * 2


def test_column_is_in_characters() -> None:
    finding = only('from tornado import gen\nx = "äöü€😀"; gen.Task')
    assert (finding.line, finding.column) == (2, 14)


# What is not there


@pytest.mark.parametrize(
    "source",
    [
        "import tornado.database",
        "import tornado.database as db",
        "from tornado import database",
        "from tornado.database import Connection",
        "import tornado\ntornado.database",
        "from tornado.platform.epoll import EPollIOLoop",
        "import tornado.platform.kqueue",
        "import tornado.platform.select, os",
        "from tornado.platform import windows",
        "from tornado.web import NoSuchName",
        "import tornado.nothing",
        "import tornado.web.nothing",
        "import tornado.web\ntornado.web.NoSuchName",
        "from tornado.ioloop import IOLoop\nIOLoop.configure('tornado.platform.epoll.EPollIOLoop')",
        "from tornado.util import import_object\nimport_object('tornado.web.NoSuchName')",
        "from tornado.auth import GoogleMixin",
        "from tornado.util import no_such_name",
    ],
)
def test_will_not_run(source: str) -> None:
    assert only(source).level is WILL_NOT_RUN


def test_name_of_another_module() -> None:
    finding = only("import tornado.web\ntornado.web.utf8('x')")
    assert (finding.level, finding.instead) == (WILL_NOT_RUN, "use tornado.escape.utf8")


def test_what_is_missing_is_told_where_it_is_imported() -> None:
    assert names("from tornado import database\ndatabase.Connection()\ndatabase.Row()") == [
        (1, "database")
    ]


@pytest.mark.parametrize(
    "source",
    [
        "try:\n  from tornado import database\nexcept ImportError:\n  database = None\n{}",
        "try:\n  import tornado.database\nexcept (OSError, ImportError):\n  pass\n",
        "try:\n  import tornado.database\nexcept:\n  pass\n",
        "import tornado\nif hasattr(tornado, 'database'):\n  tornado.database\n",
        "import tornado\nif tornado.version_info < (3,):\n  import tornado.database\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import tornado.database\n",
    ],
)
def test_prepared_for_what_is_missing(source: str) -> None:
    used = "if database:\n  database.Connection()\n" if "{}" in source else ""
    levels = {one.level for one in look_at(source.replace("{}", used))}
    assert levels == {MAY_NOT_RUN}


def test_not_prepared() -> None:
    source = "try:\n  import tornado.database\nexcept ValueError:\n  import tornado.database\n"
    assert [one.level for one in look_at(source)] == [WILL_NOT_RUN] * 2


def test_names_that_the_program_adds() -> None:
    assert names("import tornado.web\ntornado.web.mine = 1\ntornado.web.mine") == []


def test_what_is_there() -> None:
    source = """
        import tornado, tornado.web, tornado.platform.asyncio, tornado.httpclient
        from tornado.options import define, options, parse_command_line
        from tornado import version, version_info, gen, ioloop, websocket, testing
        from tornado.platform.asyncio import AsyncIOLoop
        from tornado.web import *
        from tornado.gen import *
        tornado.version_info, tornado.__name__, tornado.web.__doc__, gen.sleep
        class Main(RequestHandler):
            async def get(self):
                http = tornado.httpclient.AsyncHTTPClient()
                response = await http.fetch("http://x", raise_error=False)
                await self.flush(True)
                await http.fetch("http://x", True)
                self.write(response.body)
                self.request.connection.write(b"x")
                self.finish()
        ioloop.IOLoop.current().add_callback(callback=print)
        ioloop.PeriodicCallback(callback=print, callback_time=1).start()
    """
    assert names(source) == []


def test_private_names() -> None:
    source = "from tornado.web import _x\nimport tornado.web as w\nw._y\nw.Application()._no_such\n"
    assert [(one.name, one.level) for one in look_at(source)] == [
        ("tornado.web._x", MAY_NOT_RUN),
        ("tornado.web._y", MAY_NOT_RUN),
        ("tornado.web.Application._no_such", MAY_NOT_RUN),
    ]


def test_private_names_of_handlers() -> None:
    source = """
        from tornado.web import RequestHandler
        class Main(RequestHandler):
            def get(self):
                self._mine = self._unset
                self._log()
                self._mine.x
                self._headers
            def _execute(self, *args): pass
            def _log_out(self): pass
    """
    assert names(source) == [(6, "web.RequestHandler._log"), (9, "def _execute")]


# Classes


HANDLER = """
from tornado import web
class Base(web.RequestHandler): pass
class Middle(Base): pass
"""


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("self.async_callback(f)", "web.RequestHandler.async_callback"),
        ("self.flush(callback=f)", "callback= of web.RequestHandler.flush"),
        ("self.flush(False, f)", "callback= of web.RequestHandler.flush"),
        ("self.flush(self.done)", "callback= of web.RequestHandler.flush"),
        ("self.flush(lambda: 1)", "callback= of web.RequestHandler.flush"),
        ("super().flush(callback=f)", "callback= of web.RequestHandler.flush"),
        ("super(Main, self).flush(callback=f)", "callback= of web.RequestHandler.flush"),
        ("web.RequestHandler.flush(self, callback=f)", "callback= of web.RequestHandler.flush"),
        ("self.request.write(b'x')", "httputil.HTTPServerRequest.write"),
        ("self.request.finish()", "httputil.HTTPServerRequest.finish"),
    ],
)
@pytest.mark.parametrize("base", ["web.RequestHandler", "Middle", "web.StaticFileHandler"])
def test_methods_of_handlers(call: str, name: str, base: str) -> None:
    source = f"""
class Main({base}):
    def get(self):
        def f(): pass
        {call}
    def done(self): pass
"""
    finding = only(HANDLER + source)
    if name.startswith("callback=") and "web.RequestHandler" not in call:
        name = name.replace(
            "web.RequestHandler", base if base != "Middle" else "web.RequestHandler"
        )
    elif base == "web.StaticFileHandler" and "async_callback" in call:
        name = name.replace("RequestHandler", "StaticFileHandler")
    assert finding.name.replace("tornado.", "") == name
    assert finding.level is REMOVED


@pytest.mark.parametrize("call", ["self.flush(callback=None)", "self.flush(True)", "self.flush()"])
def test_calls_without_old_arguments(call: str) -> None:
    assert names(f"{HANDLER}class Main(Base):\n    def get(self):\n        {call}") == []


def test_override_of_what_nobody_calls() -> None:
    source = f"{HANDLER}class Main(Middle):\n    def get_error_html(self, code): pass\n"
    assert names(source) == [(6, "def get_error_html")]
    assert names("class Main:\n    def get_error_html(self, code): pass\n") == []


def test_own_method_hides_the_old_one() -> None:
    source = f"""{HANDLER}
class Main(Middle):
    def async_callback(self, f): return f
    def flush(self, callback): pass
    def get(self):
        self.async_callback(1)
        self.flush(callback=1)
"""
    assert names(source) == [(7, "def async_callback")]


def test_classes_over_several_files() -> None:
    files = {
        "site/base.py": "from tornado.web import RequestHandler\nclass Base(RequestHandler): pass",
        "site/__init__.py": "from .base import Base as Handler",
        "site/deep/__init__.py": "",
        "site/deep/a.py": "from ..base import *\nclass A(Base):\n  def get(s): s.async_callback()",
        "site/deep/b.py": "import site_.x, site\nclass B(site.Handler):\n def get_error_html(s): 1",
        "tools/c.py": "from site.deep import a\nclass C(a.A):\n  def get(s): s.flush(callback=1)",
        "site/d.py": "from base import *\nclass D(Base):\n  def get(s): s.flush(callback=1)",
    }
    found = [(one.path, one.line) for one in look_at(files)]
    assert found == [
        ("site/d.py", 3),
        ("site/deep/a.py", 3),
        ("site/deep/b.py", 3),
        ("tools/c.py", 3),
    ]


def test_classes_in_a_circle() -> None:
    files = {
        "a.py": "from b import B\nclass A(B):\n  def f(self): self.async_callback()",
        "b.py": "from a import A, x\nclass B(A):\n  def f(self): self.flush(callback=1)\ny = x",
        "c.py": "from c import *\nfrom b import y\nclass C(C): pass\nx = x\nz = y.x",
    }
    assert names(files) == []


def test_several_bases() -> None:
    source = """
        from tornado import auth, web
        class Login(web.RequestHandler, auth.FacebookGraphMixin):
            def get(self):
                self.facebook_request("/me", self.async_callback(self.on_me))
                self.flush(callback=print)
    """
    assert names(source) == [
        (5, "callback= of auth.FacebookGraphMixin.facebook_request"),
        (5, "web.RequestHandler.async_callback"),
        (6, "callback= of web.RequestHandler.flush"),
    ]


def test_arguments_of_streams() -> None:
    source = """
        from tornado.iostream import IOStream
        from tornado.tcpserver import TCPServer
        class Server(TCPServer):
            def handle_stream(self, stream, address):
                stream.read_until(b"x", self.f)
                stream.read_until(b"x", 100)
                self.stream = IOStream(address)
            def f(self, data):
                self.stream.read_bytes(1, streaming_callback=print)
                self.stream.write(b"x", self.f)
                self.stream.write(b"x")
        def use(stream: IOStream, other):
            stream.connect(("x", 1), lambda: 1)
            other.read_until_regex(b"x", callback=print)
            other.read_until(b"x", print)
    """
    assert names(source) == [
        (6, "callback= of iostream.IOStream.read_until"),
        (10, "streaming_callback= of iostream.IOStream.read_bytes"),
        (11, "callback= of iostream.IOStream.write"),
        (14, "callback= of iostream.IOStream.connect"),
        (15, "callback= of iostream.BaseIOStream.read_until_regex"),
    ]


def test_arguments_of_clients() -> None:
    source = """
        from tornado import httpclient
        def on_done(r): pass
        class A:
            def __init__(self): self.http = httpclient.AsyncHTTPClient()
            def f(self):
                self.http.fetch("x", on_done)
                self.http.fetch("x", callback=on_done)
                self.http.fetch("x", False)
        httpclient.HTTPRequest("x", use_gzip=True)
        with httpclient.AsyncHTTPClient() as client:
            client.fetch("x", lambda r: 1)
    """
    fetch = "callback= of httpclient.AsyncHTTPClient.fetch"
    use_gzip = (10, "use_gzip= of httpclient.HTTPRequest")
    assert names(source) == [(7, fetch), (8, fetch), use_gzip, (12, fetch)]


def test_methods_of_others() -> None:
    """Their names alone tell nothing where nothing is Tornado's."""
    source = "import telnetlib\ndef f(x):\n  x.read_until(b'', callback=f); x.fetch(1, callback=f)"
    assert names(source) == []
    assert len(names(f"import tornado.web\n{source}")) == 2


@pytest.mark.parametrize(
    ("call", "level"),
    [
        ("client.fetch('x', f, raise_error=False)", WILL_NOT_RUN),
        ("client.fetch('x', callback=f, raise_error=False)", REMOVED),
        ("client.fetch('x', f)", REMOVED),
        ("stream.read_bytes(1, f, partial=True)", WILL_NOT_RUN),
        ("stream.read_until(b'x', f, max_bytes=1)", WILL_NOT_RUN),
        ("stream.read_until(b'x', f)", REMOVED),
    ],
)
def test_two_arguments_in_one_place(call: str, level: Level) -> None:
    source = f"""
        from tornado import httpclient, iostream
        client = httpclient.AsyncHTTPClient()
        def f(x): pass
        def g(stream: iostream.IOStream): {call}
    """
    assert only(source).level is level


def test_callbacks_of_old_tests() -> None:
    source = """
        from tornado.testing import AsyncHTTPTestCase
        class Test(AsyncHTTPTestCase):
            def test(self):
                self.http_client.fetch(self.get_url("/"), self.stop)
                self.wait()
    """
    assert names(source) == [(5, "callback= of httpclient.AsyncHTTPClient.fetch")]


def test_loops_as_arguments() -> None:
    source = """
        from tornado import ioloop, httpserver, tcpserver, websocket
        class Server(tcpserver.TCPServer): pass
        class Other(tcpserver.TCPServer):
            def __init__(self, io_loop): super().__init__(io_loop=io_loop)
        loop = ioloop.IOLoop.current()
        Server(io_loop=loop)
        Other(io_loop=loop)
        ioloop.PeriodicCallback(f, 10, loop)
        ioloop.PeriodicCallback(f, 10, io_loop=loop)
        ioloop.PeriodicCallback(f, 10, io_loop=None)
        websocket.websocket_connect("x", io_loop=loop)
        f(io_loop=loop)
    """
    assert [line for line, name in names(source) if name.startswith("io_loop=")] == [
        5,
        7,
        9,
        10,
        12,
    ]


def test_callback_of_a_coroutine() -> None:
    files = {
        "a.py": """
            from tornado import gen
            coroutine = gen.coroutine
            @gen.coroutine
            def one(x): pass
            @coroutine
            def two(x, callback=None): pass
            @gen.coroutine
            def three(**others): pass
            def four(callback): pass
        """,
        "b.py": """
            import a
            a.one(1, callback=f)
            a.two(1, callback=f)
            a.three(1, callback=f)
            a.four(1, callback=f)
            a.one(1)
        """,
    }
    assert names(files) == [(3, "callback= of the coroutine one")]


# The table


MODULE_NAMES = [
    path
    for path, form in forms.NAMES.items()
    if form.level is not WILL_NOT_RUN and path.split(".")[-2].islower()
]


@pytest.mark.parametrize("path", MODULE_NAMES)
def test_names_said_to_run_are_there(path: str) -> None:
    module, _, name = path.rpartition(".")
    if not legacy.NAMES.get(module) and forms.NAMES[path].level is REMOVED:
        pytest.skip(f"tornado.{module} has no old names here")
    assert surface.old_name(module, name) or surface.has_name(module, name)


MEMBERS = [
    path
    for path, form in forms.NAMES.items()
    if form.level is DEPRECATED and not path.split(".")[-2].islower()
]


@pytest.mark.parametrize("path", MEMBERS)
def test_members_said_to_run_are_there(path: str) -> None:
    owner, _, name = path.rpartition(".")
    assert surface.has_attribute(owner, name)


@pytest.mark.parametrize(
    "path", [*forms.ARGUMENTS, *forms.ATTRIBUTES, *forms.UNIQUE_METHODS.values(), *forms.RETURNS]
)
def test_what_the_table_speaks_of_is_there(path: str) -> None:
    owner, _, name = path.rpartition(".")
    if surface.is_class(owner):
        assert surface.has_attribute(owner, name)
    else:
        assert surface.has_name(owner, name)


@pytest.mark.parametrize("path", [p for p, f in forms.MODULES.items() if f.level is WILL_NOT_RUN])
def test_modules_said_to_be_gone_are(path: str) -> None:
    assert not surface.has_module(path)


def test_every_instead_is_half_a_sentence() -> None:
    arguments = [one.form for several in forms.ARGUMENTS.values() for one in several]
    tables = (forms.MODULES, forms.NAMES, forms.OVERRIDES)
    for form in [*arguments, *(one for table in tables for one in table.values())]:
        assert form.instead
        assert not form.instead.endswith(".")


# Files


def test_a_project(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "handlers.py").write_text(
        "from tornado import gen, web\n\n"
        "class Main(web.RequestHandler):\n"
        "    @web.asynchronous\n"
        "    @gen.engine\n"
        "    def get(self):\n"
        "        yield gen.Task(self.flush)\n"
    )
    (tmp_path / "app" / "loops.py").write_text(
        "import tornado.ioloop\ntornado.ioloop.IOLoop.instance().start()\n"
    )
    (tmp_path / "clean.py").write_text("import tornado.web\n")
    done = run("app", "clean.py", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "app/handlers.py"
    assert lines[1].split()[:3] == ["4:6", "removed", "tornado.web.asynchronous:"]
    assert lines[5] == "app/loops.py"
    assert lines[6].split()[:3] == ["2:1", "deprecated", "tornado.ioloop.IOLoop.instance:"]
    assert lines[-1] == "3 files: 3 removed from Tornado, run here with a warning, 1 deprecated"


def test_nothing_is_run(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("open('was-run', 'w')\nimport tornado.web, no_such_module\n")
    (tmp_path / "tornado.py").write_text("open('was-run', 'w')\n")
    done = run("app.py", "tornado.py", folder=tmp_path)
    assert done.stdout == "2 files: no old forms\n"
    assert not (tmp_path / "was-run").exists()


def test_json(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import tornado.database\n")
    (tmp_path / "old.py").write_text("x = 1\nprint 'hello'\n")
    (tmp_path / "large.py").write_bytes(b"#" * (sources.MOST_BYTES + 1))
    done = run("--json", ".", folder=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "files": 1,
        "summary": {"will-not-run": 2, "may-not-run": 0, "removed": 0, "deprecated": 0},
        "findings": [
            {
                "path": "./app.py",
                "line": 1,
                "column": 8,
                "level": "will-not-run",
                "name": "tornado.database",
                "instead": "use tornadic.mysql, or a driver for asyncio",
            },
            {
                "path": "./old.py",
                "line": 2,
                "column": 1,
                "level": "will-not-run",
                "name": None,
                "instead": "the file is written for Python 2: a print statement",
            },
        ],
        "passed_over": [
            {"path": "./large.py", "reason": f"has more than {sources.MOST_BYTES:,} bytes"}
        ],
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "name files or folders"),
        (["--jsn", "."], "unknown option '--jsn'"),
        (["nowhere"], "there is no 'nowhere'"),
        ([".", "--", "--json"], "there is no '--json'"),
    ],
)
def test_bad_lines(line: list[str], message: str, tmp_path: Path) -> None:
    done = run(*line, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"tornadic check: {message}")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: tornadic check")
    assert all(level.value in printed for level in Level)


def test_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 files: no old forms\n"


def test_folders_that_are_passed_over(tmp_path: Path) -> None:
    for name in (".git", "node_modules", "__pycache__", "venv", "lib/site-packages", "good"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.py").write_text("import tornado.database")
        (tmp_path / name / "x.txt").write_text("import tornado.database")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / ".hidden.py").write_text("")
    top = str(tmp_path)
    assert list(sources.find([top])) == [f"{top}/.hidden.py", f"{top}/good/x.py"]
    named = f"{top}/venv"
    assert list(sources.find([named])) == [f"{named}/x.py"]
    assert list(sources.find([f"{top}/good/x.txt"])) == [f"{top}/good/x.txt"]


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.py").write_text("")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    (tmp_path / "a" / "nowhere.py").symlink_to(tmp_path / "missing")
    report = check([str(tmp_path / "a")])
    assert report.files == 1
    assert [one.reason for one in report.unread] == ["cannot be read: No such file or directory"]


def test_file_named_twice(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("import tornado.database")
    path = str(tmp_path / "x.py")
    assert len(check([path, path, str(tmp_path)]).findings) == 1


def test_most_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_FILES", 2)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("")
    assert check([str(tmp_path)]).unread == []
    for name in ("c.py", "d.py"):
        (tmp_path / name).write_text("")
    report = check([str(tmp_path)])
    assert report.files == 2
    assert [one.path for one in report.unread] == [str(tmp_path / "c.py")]
    assert "passed over" in report.as_text() and report.will_run


def test_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"#" * sources.MOST_BYTES)
    assert len(sources.read(str(path))) == sources.MOST_BYTES
    path.write_bytes(b"#" * (sources.MOST_BYTES + 1))
    with pytest.raises(sources.Problem, match="has more than 4,000,000 bytes"):
        sources.read(str(path))


def test_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    [unread] = check([str(tmp_path)]).unread
    assert unread.reason == "is no file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"print 'x'\n", "is written for Python 2: a print statement"),
        (b"print\tx, y\n", "is written for Python 2: a print statement"),
        (b"try:\n  f()\nexcept E, e:\n  pass\n", "is written for Python 2: `except X, name`"),
        (b"raise E, 'x'\n", "is written for Python 2: `raise X, value`"),
        (b"exec 'x' in y\n", "is written for Python 2: an exec statement"),
        (b"x = 0777\n", "is written for Python 2: an integer of Python 2"),
        (b"x = 10L\n", "is written for Python 2: an integer of Python 2"),
        (b"if x <> y: pass\n", "is written for Python 2: `<>`"),
        (b"x = `y`\n", "is written for Python 2: backticks"),
        (b"x = ur'y'\n", 'is written for Python 2: ur""'),
        (b"def f(a, (b, c)): pass\n", "is written for Python 2: a tuple as a parameter"),
        (b"x = (\n", "is not Python 3: '(' was never closed"),
        (b"if 1:\n\tx\n        y\n", "is not Python 3: "),
        (b"x\0", "is no text: it has NUL bytes"),
        (b"\xff\xfe", "cannot be decoded: "),
        (b"# coding: nonsense\n", "cannot be decoded: unknown encoding: nonsense"),
        (b"# coding: hex\n", "cannot be decoded: "),
    ],
)
def test_files_that_are_not_python_3(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(content)
    report = check([str(tmp_path / "x.py")])
    [unread] = report.unread
    assert unread.reason.startswith(reason)
    assert not report.will_run
    assert report.as_text().endswith("0 files: 1 will not run")


def test_encodings(tmp_path: Path) -> None:
    source = "# -*- coding: latin-1 -*-\nfrom tornado import gen\nx = 'äöü'; gen.Task\n"
    (tmp_path / "a.py").write_bytes(source.encode("latin-1"))
    (tmp_path / "b.py").write_bytes(b"\xef\xbb\xbfimport tornado.gen as g\r\ng.Task\r\n")
    (tmp_path / "c.py").write_bytes(b"from tornado import gen\rgen.Task\r")
    places = [(one.line, one.column) for one in check([str(tmp_path)]).findings]
    assert places == [(3, 12), (2, 1), (2, 1)]


# Any program


def look_at_anything(text: str) -> list[Finding] | None:
    try:
        tree = sources.parse(text)
    except sources.Problem:
        return None
    return judge(Project([read(tree, "/x.py", text)]), {})


NAMES = st.sampled_from(
    ["tornado", "web", "gen", "self", "super", "x", "f", "engine", "Task", "RequestHandler", "_x"]
)
LEAVES = st.one_of(NAMES, st.sampled_from(["1", "'tornado.web.x'", "None", "lambda: x", "'é'"]))
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner.map("({})".format), NAMES),
        st.builds("({})({}, callback={})".format, inner, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{} for {} in {}]".format, inner, NAMES, inner),
        st.builds("(x := {})".format, inner),
        st.builds("super({}, self).{}({})".format, inner, NAMES, inner),
    ),
    max_leaves=12,
)


def indent(lines: str) -> str:
    return textwrap.indent(lines, "  ")


STATEMENTS = st.recursive(
    st.one_of(
        EXPRESSIONS,
        st.builds("{} = {}".format, NAMES, EXPRESSIONS),
        st.builds("{}: {} = {}".format, NAMES, EXPRESSIONS, EXPRESSIONS),
        st.builds("self.{} = {}".format, NAMES, EXPRESSIONS),
        st.builds("del {}".format, NAMES),
        st.builds("global {}".format, NAMES),
        st.builds("import tornado.{} as {}".format, NAMES, NAMES),
        st.builds("import {}".format, NAMES),
        st.builds("from tornado.{} import {}, {} as {}".format, NAMES, NAMES, NAMES, NAMES),
        st.builds("from {}{} import {}".format, st.sampled_from(["", ".", "...."]), NAMES, NAMES),
        st.builds("from tornado.{} import *".format, NAMES),
    ),
    lambda inner: st.one_of(
        st.builds("{}\n{}".format, inner, inner),
        st.builds(lambda n, b, i: f"class {n}({b}):\n{indent(i)}", NAMES, EXPRESSIONS, inner),
        st.builds(
            lambda d, n, p, q, i: f"@{d}\ndef {n}({p}, *{q}0):\n{indent(i)}",
            EXPRESSIONS,
            NAMES,
            NAMES,
            NAMES,
            inner,
        ),
        st.builds(lambda e, i: f"if {e}:\n{indent(i)}\nelse:\n{indent(i)}", EXPRESSIONS, inner),
        st.builds(
            lambda i, e, n: f"try:\n{indent(i)}\nexcept {e} as {n}:\n{indent(i)}",
            inner,
            EXPRESSIONS,
            NAMES,
        ),
        st.builds(lambda e, n, i: f"with {e} as {n}:\n{indent(i)}", EXPRESSIONS, NAMES, inner),
    ),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(STATEMENTS)
@example("x = x.y\nx.z")
@example("class super(super): pass\nsuper().x()")
@example("def f(self): self.x = self.x(callback=self.x)")
@example("from . import x\nfrom .x import *\nx.y")
@example("from tornado import *\nweb.RequestHandler().flush(callback=1)")
def test_any_program(text: str) -> None:
    look_at_anything(text)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    look_at_anything(text)


def test_standard_library(tmp_path: Path) -> None:
    """A sample of what people write, in one project."""
    folder = Path(sysconfig.get_path("stdlib"))
    paths = [str(path) for path in sorted(folder.glob("*.py"))[::4]]
    paths += [str(folder / "email"), str(folder / "json")]
    report = check(paths)
    assert report.files > 60
    assert report.findings == []


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 5000 + ")" * 5000,
        "x = " + "+".join(["a"] * 100_000),
        "x" + ".y" * 20_000,
        "from tornado import gen\ngen" + ".Task()" * 3000,
        "\n".join(" " * n + "if x:" for n in range(90)) + "\n" + " " * 91 + "pass",
    ],
    ids=["brackets", "sum", "attributes", "calls", "blocks"],
)
def test_deep_nesting(text: str) -> None:
    look_at_anything(text)


def test_large_files_take_linear_time() -> None:
    """Quadratic work over these would not end within the time-out of a test."""
    lines = ["from tornado import gen", "x0 = gen.Task"]
    lines += [f"x{n} = x{n - 1}" for n in range(1, 20_000)]
    lines += [f"class C{n}(C{n - 1}):\n  def f(self): self.async_callback()" for n in range(5000)]
    lines.append("é = [" + ", ".join(["gen.Task"] * 20_000) + "]")
    text = "\n".join(lines)
    findings = look_at_anything(text)
    assert findings is not None
    assert len(findings) >= 20_000


def test_parsing_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(sources.parse('x = "\\d"; 1 is 1'), ast.Module)
