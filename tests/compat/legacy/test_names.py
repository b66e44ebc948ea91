"""Old names and modules: each there, each with a warning at the line that uses it."""

from __future__ import annotations

import importlib
import inspect
import io
import logging
import re
import subprocess
import sys
import unittest
import warnings
from typing import Any

import pytest

from tornadic import netutil, testing, util
from tornadic.compat.legacy import MODULES, NAMES
from tornadic.tcpserver import TCPServer

ALL = [(module, name) for module, names in NAMES.items() for name in names]


@pytest.mark.parametrize(("module", "name"), ALL)
def test_every_name_is_there(module: str, name: str) -> None:
    room, instead = NAMES[module][name]
    holder = importlib.import_module(f"tornadic.{module}")
    with pytest.warns(DeprecationWarning) as seen:
        found = getattr(holder, name)
    [warning] = seen
    assert warning.filename == __file__
    text = f"tornado.{module}.{name} was removed from Tornado and is kept for old programs; "
    assert str(warning.message) == text + instead
    rooms = importlib.import_module(f"tornadic.compat.legacy.{room}")
    assert getattr(rooms, name) is found
    assert name in rooms.__all__


@pytest.mark.parametrize(("module", "name"), ALL)
def test_every_name_can_be_imported_from(module: str, name: str) -> None:
    code = f"from tornadic.{module} import {name}"
    with pytest.warns(DeprecationWarning, match=re.escape(f"tornado.{module}.{name} was")):
        exec(code, {"__name__": "old"})


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_has_a_room(module: str) -> None:
    room, _ = MODULES[module]
    assert inspect.ismodule(importlib.import_module(f"tornadic.compat.legacy.{room}"))


def run_under_the_alias(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "always", "-m", "tornadic", "run", "-"],
        input=code,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_modules_under_the_alias() -> None:
    finished = run_under_the_alias(
        "import sys\n"
        "import tornado.gen, tornado.web, tornado.ioloop\n"
        "assert not [name for name in sys.modules if '.legacy.' in name]\n"
        "from tornado import stack_context\n"
        "import tornado.stack_context\n"
        "from tornado.stack_context import NullContext\n"
        "import tornadic.stack_context\n"
        "assert tornado.stack_context is tornadic.stack_context is stack_context\n"
        "assert stack_context.NullContext is NullContext\n"
        "assert stack_context.StackContextInconsistentError.__module__ == 'tornado.stack_context'\n"
        "try:\n"
        "    import tornado.nothing\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error.name)\n"
    )
    assert finished.stdout == "tornado.nothing\n", finished.stderr
    where = [line for line in finished.stderr.splitlines() if "DeprecationWarning" in line]
    assert where[0].startswith("<stdin>:4: DeprecationWarning: tornado.stack_context was removed")


def test_modules_without_the_alias() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tornadic.stack_context")


def old(module: Any, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(module, name)


def test_names_from_the_days_of_two_pythons() -> None:
    assert old(util, "b")("caf\xe9") == b"caf\xe9"
    assert old(util, "u")("café") == "café"
    assert old(util, "PY3") is True
    assert old(netutil, "TCPServer") is TCPServer


def test_get_unused_port() -> None:
    port = old(testing, "get_unused_port")()
    [sock] = netutil.bind_sockets(port, "127.0.0.1")
    sock.close()


class Trapped:
    """Runs a test under ``LogTrapTestCase``, with a root logger of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown = io.StringIO()
        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [logging.StreamHandler(self.shown)])

    def run(self, body: Any) -> unittest.TestResult:
        base: Any = old(testing, "LogTrapTestCase")

        class Case(base):  # type: ignore[misc]
            def runTest(self) -> None:
                logging.getLogger().warning("from the test")
                body(self)

        result = unittest.TestResult()
        Case().run(result)
        assert result.testsRun == 1
        return result


def test_log_of_a_test_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    trapped = Trapped(monkeypatch)
    assert trapped.run(lambda case: None).wasSuccessful()
    assert trapped.shown.getvalue() == ""
    logging.getLogger().warning("afterwards")
    assert trapped.shown.getvalue() == "afterwards\n"


def test_log_of_a_test_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    trapped = Trapped(monkeypatch)
    assert not trapped.run(lambda case: case.fail("no")).wasSuccessful()
    assert trapped.shown.getvalue() == "from the test\n"


def test_log_with_other_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    trapped = Trapped(monkeypatch)
    logging.getLogger().addHandler(logging.NullHandler())
    assert trapped.run(lambda case: None).wasSuccessful()
    assert trapped.shown.getvalue() == "from the test\n"
