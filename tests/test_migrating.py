"""``docs/migrating.md``, by doing what it says: its commands, on a small program for Tornado."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "migrating.md").read_text("utf-8")
COMMANDS: list[str] = re.findall(
    r"^ {4}((?:PYTHONWARNINGS=\S+ )?(?:tornadic|grep) .*)$", PAGE, re.MULTILINE
)

PROGRAM = """\
import logging, os, sys, tornado
import tornado.web as w
from tornado import ioloop
from tornado.options import define, options
import tornado.gen

define("port", default=1, type=int)
logging.getLogger("tornado.access").setLevel(10)
address = "https://github.com/tornadoweb/tornado.git"  # and www.tornado.org


class Main(w.RequestHandler):
    def get(self):
        self.write("x" * tornado.version_info[0])


if __name__ == "__main__":
    tornado.options.parse_command_line()
    tornado.ioloop.IOLoop.instance()
    print(sys.modules[Main.__mro__[1].__module__].__file__, options.port)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a program for Tornado, a package of it, and its tests."""
    (tmp_path / "app.py").write_text(PROGRAM)
    for folder in ("mysite", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    shutil.copy(tmp_path / "app.py", tmp_path / "mysite" / "server.py")
    test = (
        "from tornado.testing import AsyncTestCase\nclass Test(AsyncTestCase):\n  def test(self): 1"
    )
    (tmp_path / "mysite" / "tests.py").write_text(test + "\n")
    (tmp_path / "mysite" / "test_site.py").write_text(test + "\n")
    return tmp_path


def call(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the page as a shell would, with this Python's ``tornadic``."""
    command = command.replace("tornadic ", f"{sys.executable} -m tornadic ", 1)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )


def command_like(beginning: str) -> str:
    [found] = [line for line in COMMANDS if line.startswith(beginning)]
    return found


@pytest.mark.parametrize("beginning", ["tornadic run app.py", "tornadic run -m mysite.server"])
def test_run(beginning: str, site: Path) -> None:
    done = call(command_like(beginning), site)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" 8888\n")
    assert f"{os.sep}tornadic{os.sep}" in done.stdout


def test_warnings(site: Path) -> None:
    (site / "app.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    assert "DeprecationWarning: old" in call(command_like("PYTHONWARNINGS"), site).stderr


@pytest.mark.parametrize(
    "beginning",
    ["tornadic run -m pytest", "tornadic run -m unittest", "tornadic run -m tornado.testing"],
)
def test_tests(beginning: str, site: Path) -> None:
    done = call(command_like(beginning), site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 passed|Ran [12] test", done.stdout + done.stderr)


def test_check(site: Path) -> None:
    done = call(command_like("tornadic check"), site)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].split()[:3] == ["19:5", "deprecated", "tornado.ioloop.IOLoop.instance:"]
    assert lines[-1] == "6 files: 2 deprecated"


def test_renaming(site: Path) -> None:
    if shutil.which("perl") is None:
        pytest.skip("there is no perl")
    done = call(command_like("grep"), site)
    assert (done.returncode, done.stderr) == (0, "")
    renamed = (site / "app.py").read_text()
    kept = ("tornado.access", "tornadoweb/tornado.git", "www.tornado.org")
    rest = renamed
    for text in kept:
        assert text in renamed
        rest = rest.replace(text, "")
    assert "tornado" not in rest.replace("tornadic", "")
    ran = subprocess.run(
        [sys.executable, "app.py", "--port=5"],
        cwd=site,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith(" 5\n")


def test_cookies_are_valid_either_way(tmp_path: Path) -> None:
    sign = "from tornado.web import *; print(create_signed_value('key', 'name', 'value').decode())"
    read = "from tornado.web import *; print(decode_signed_value('key', 'name', '{}'))"
    for one, other in (("", "tornadic.compat"), ("tornadic.compat", "")):
        value = run_python(sign, one)
        assert run_python(read.replace("{}", value), other) == "b'value'"


def run_python(code: str, alias: str) -> str:
    """Run code on Tornado, or with the alias on."""
    if alias:
        code = f"import {alias} as a; a.install_as_tornado(); {code}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
