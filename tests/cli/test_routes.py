"""``tornadic routes``, by running it on programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tornadic.cli.routes import main

COMMAND = [sys.executable, "-W", "error", "-m", "tornadic", "routes"]

PROGRAM = """
import tornado.web
from tornado.routing import AnyMatches, RuleRouter, Rule, PathMatches
from tornado.web import Application, RequestHandler, url

print("loading")

class Main(RequestHandler):
    def get(self): ...
    async def post(self): ...

class Item(RequestHandler):
    def delete(self, item): ...

class Admin(RequestHandler):
    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "PROPFIND")
    def propfind(self): ...

def plain(request): ...

RULES = [
    url(r"/", Main, name="main"),
    (r"/api/.*", [
        (r"/api/items", Main),
        (r"/api/items/(?P<item>[0-9]+)", Item, None, "item"),
        (r"/api/deep/.*", [(r"/api/deep/end", Main)]),
    ]),
    (r"/plain", plain),
    (r"/old/(.*)", tornado.web.RedirectHandler, {"url": "/{0}"}),
]

def make_app():
    app = Application(RULES)
    app.add_handlers(r"admin\\.example\\.com", [(r"/", Admin)])
    return app

async def make_later():
    return make_app()

class Own(Application):
    def __init__(self):
        super().__init__([(r"/own", Main)])

app = Application([(r"/only", Main)])
router = RuleRouter([Rule(PathMatches("/r"), app)])
empty = Application()
number = 42

def wants(port, *, debug): ...
def gives_nothing(): ...
def fails():
    raise OSError("no database")

if __name__ == "__main__":
    raise SystemExit("it was run")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "handlers.py").write_text(PROGRAM)
    inner = "from .handlers import app as application\n"
    (tmp_path / "package" / "server.py").write_text(inner)
    return tmp_path


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ours = ("PYTHONPATH", "PYTHONSAFEPATH", "TORNADIC_AS_TORNADO")
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in ours},
        capture_output=True,
        text=True,
        timeout=50,
    )


def listed(folder: Path, *words: str) -> str:
    finished = call(folder, *words)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == "loading\n"
    return finished.stdout


TABLE = """\
PATTERN                          METHODS        HANDLER                                     NAME  HOST
/                                PROPFIND       program.Admin                                     admin\\.example\\.com
/                                GET POST       program.Main                                main
/api/.*                          -              rules
  /api/items                     GET POST       program.Main
  /api/items/(?P<item>[0-9]+)    DELETE         program.Item                                item
  /api/deep/.*                   -              rules
    /api/deep/end                GET POST       program.Main
/plain                           -              program.plain
/old/(.*)                        GET            tornado.web.basic_handlers.RedirectHandler
"""  # noqa: E501


@pytest.mark.parametrize(
    "target", ["program:make_app", "program.py:make_later", "./program.py:make_app"]
)
def test_table(target: str, folder: Path) -> None:
    def words(table: str) -> list[list[str]]:
        return [
            [line[: len(line) - len(line.lstrip())], *line.split()] for line in table.splitlines()
        ]

    table = listed(folder, target)
    assert words(table) == words(TABLE)
    # What stands below a head begins where that does.
    first, *lines = table.splitlines()
    at = first.index("HANDLER")
    assert all(line[at - 2 : at] == "  " and line[at] != " " for line in lines)


def test_json(folder: Path) -> None:
    routes = json.loads(listed(folder, "--json", "program:make_app"))
    assert routes[0] == {
        "pattern": "/",
        "depth": 0,
        "methods": ["PROPFIND"],
        "handler": "program.Admin",
        "name": None,
        "host": r"admin\.example\.com",
    }
    assert [route["depth"] for route in routes] == [0, 0, 0, 1, 1, 1, 2, 0, 0]
    assert routes[7]["handler"] == "program.plain" and routes[7]["methods"] is None


@pytest.mark.parametrize(
    "target", ["program", "program.py", "program:app", "package.server", "package/server.py"]
)
def test_the_usual_name(target: str, folder: Path) -> None:
    table = listed(folder, target)
    assert table.splitlines()[1].startswith("/only")
    assert "NAME" not in table  # a column without anything in it


def test_a_class_of_the_programs(folder: Path) -> None:
    assert "/own" in listed(folder, "program:Own")


def test_a_router_around_an_application(folder: Path) -> None:
    routes = json.loads(listed(folder, "--json", "program:router"))
    assert [(route["pattern"], route["depth"]) for route in routes] == [("/r", 0), ("/only", 1)]


def test_no_routes(folder: Path) -> None:
    assert listed(folder, "program:empty") == "There are no routes.\n"
    assert json.loads(listed(folder, "--json", "program:empty")) == []


def test_a_program_that_says_tornadic(tmp_path: Path) -> None:
    code = """
        import sys
        import tornadic.web
        assert sys.argv == ["app"], sys.argv
        app = tornadic.web.Application([("/", tornadic.web.RequestHandler)])
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(code))
    finished = call(tmp_path, "app:app")
    assert finished.stdout.splitlines()[1].split()[:2] == ["/", "-"]


def test_a_file_called_as_a_module_of_pythons(tmp_path: Path) -> None:
    code = (
        "import tornado.web\napp = tornado.web.Application([('/x', tornado.web.RequestHandler)])\n"
    )
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "json.py").write_text(code)
    finished = call(tmp_path, "--json", "deep/json.py")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert json.loads(finished.stdout)[0]["pattern"] == "/x"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("missing:app", "there is no module 'missing' in "),
        ("package.missing:app", "there is no module 'package.missing' in "),
        ("missing.py:app", "there is no file 'missing.py'"),
        ("no name:app", "'no name' is neither the name of a module nor a path that ends in .py"),
        ("program:ap", "program has no 'ap'; it has app, empty, make_app, router"),
        ("program:app.x", "program has no 'app.x'"),
        ("package", "package has none of app, application, make_app, create_app; name the "),
        ("program:number", "number is a int, and no application or function"),
        ("program:wants", "wants cannot be called without arguments: missing a required arg"),
        ("program:gives_nothing", "gives_nothing() returned a NoneType, and no application"),
    ],
)
def test_what_cannot_be_listed(target: str, says: str, folder: Path) -> None:
    finished = call(folder, target)
    assert (finished.returncode, finished.stdout) == (1, "")
    message = finished.stderr.removeprefix("loading\n")
    assert message.startswith(f"tornadic routes: {says}")
    assert len(message.splitlines()) == 1


LOOPS = {
    "run": "asyncio.run(asyncio.Event().wait())",
    "start": "tornado.ioloop.IOLoop.current().start()",
    "run_sync": "tornado.ioloop.IOLoop.current().run_sync(asyncio.Event().wait)",
}


@pytest.mark.parametrize(
    ("loop", "target"),
    [("run", "unguarded.py"), ("start", "unguarded:made"), ("run_sync", "unguarded.py")],
)
def test_a_program_that_starts_its_loop_when_it_is_imported(
    loop: str, target: str, folder: Path
) -> None:
    program = f"""
import asyncio, tornado.ioloop, tornado.web
asyncio.run(asyncio.sleep(0))  # a loop that ends is no matter
app = made = tornado.web.Application([("/main", tornado.web.RequestHandler)])
{LOOPS[loop]}
app = None
"""
    (folder / "unguarded.py").write_text(program)
    done = call(folder, target)
    assert done.returncode == 0
    assert "/main" in done.stdout
    assert "starts a loop when it is imported" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_makes_its_application_within_its_loop(folder: Path) -> None:
    (folder / "within.py").write_text("import asyncio; asyncio.run(asyncio.Event().wait())")
    done = call(folder, "within.py")
    assert done.returncode == 1
    assert "starts a loop when it is imported" in done.stderr
    assert "has none of app" in done.stderr


def test_a_program_that_fails(folder: Path) -> None:
    (folder / "broken.py").write_text("import no_such_thing\n")
    (folder / "leaves.py").write_text("raise SystemExit(3)\n")
    for target, error in (
        ("program:fails", "OSError: no database"),
        ("broken:app", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("broken.py:app", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("leaves:app", "SystemExit: 3"),
    ):
        finished = call(folder, target)
        assert (finished.returncode, finished.stdout) == (1, "")
        said = finished.stderr.removeprefix("loading\n")
        assert said.startswith("Traceback (most recent call last):")
        assert f"\n{error}\ntornadic routes: " in said
        assert "cli/routes.py" not in said or target == "program:fails"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ([], "tornadic routes: name one application"),
        (["a:b", "c:d"], "tornadic routes: name one application"),
        (["--fly", "a:b"], "tornadic routes: unknown option '--fly'"),
    ],
)
def test_a_line_without_sense(
    line: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == 2
    said = capsys.readouterr()
    assert said.err.startswith(says)
    assert said.out == ""
