"""What runs Tornado's tests, on tests made up for the purpose."""

from __future__ import annotations

import json
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tools import module
from tests.tornado_suite import api, exceptions
from tests.tornado_suite.__main__ import main
from tests.tornado_suite.api import Entry, check, entries
from tests.tornado_suite.environment import TORNADO, Environment, prepare, write_startup
from tests.tornado_suite.exceptions import KnownException, compare, read
from tests.tornado_suite.stand_ins import (
    RENAMED,
    DecompressTooLargeError,
    PerMessageDeflateCompressor,
    PerMessageDeflateDecompressor,
)

from tornadic.frames.errors import ProtocolViolation

Run = Callable[..., dict[str, dict[str, str]]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with a Tornado that is hardly more than a folder."""
    made = Environment(tmp_path_factory.mktemp("environment"))
    venv.create(made.folder, symlinks=True)
    (made.tornado / "tornado" / "test").mkdir(parents=True)
    (made.tornado / "tornado" / "__init__.py").write_text("raise ImportError('the wrong one')")
    (made.tornado / "tornado" / "test" / "__init__.py").write_text("")
    (made.folder / f".prepared-{TORNADO}").touch()
    return made


@pytest.fixture
def run(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, dict[str, str]]]:
    """Write a test module, run it, and return what became of each test."""
    empty = tmp_path / "exceptions.toml"
    empty.write_text("")
    monkeypatch.setattr(exceptions.read, "__defaults__", (empty,))

    def run(source: str, *options: str, status: int = 0) -> dict[str, dict[str, str]]:
        path = environment.tornado / "tornado" / "test" / "some_test.py"
        path.write_text("import os, unittest\n" + source)
        found = tmp_path / "outcomes.json"
        line = ["--venv", str(environment.folder), "--json", str(found), *options, "some_test"]
        assert main(line) == status
        outcomes: dict[str, dict[str, str]] = json.loads(found.read_text())
        return {name.rpartition(".")[2]: outcome for name, outcome in outcomes.items()}

    return run


def outcomes_of(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: one["outcome"] for name, one in found.items()}


class TestOutcomes:
    def test_of_every_kind(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        found = run(
            """
class Test(unittest.TestCase):
    def test_passes(self): pass
    def test_fails(self): self.fail("no good")
    def test_raises(self): raise OSError("worse")
    def test_is_skipped(self): self.skipTest("not here")
    @unittest.skip("abstract base class")
    def test_is_none(self): pass
    @unittest.expectedFailure
    def test_fails_as_expected(self): self.fail()
    @unittest.expectedFailure
    def test_should_have_failed(self): pass
    def test_in_parts(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)
    def test_clean_up(self):
        self.addCleanup(self.fail, "dirty")
    def test_warning(self):
        import warnings
        warnings.warn("careful")
""",
            status=1,
        )
        assert outcomes_of(found) == {
            "test_passes": "passed",
            "test_fails": "failed",
            "test_raises": "failed",
            "test_is_skipped": "skipped",
            "test_fails_as_expected": "passed",
            "test_should_have_failed": "failed",
            "test_in_parts": "failed",
            "test_clean_up": "failed",
            "test_warning": "failed",
        }
        assert "OSError: worse" in found["test_raises"]["detail"]
        assert found["test_is_skipped"]["detail"] == "not here"
        printed = capsys.readouterr().out
        # run, passed, failed, skipped
        assert "9 2 6 1" in " ".join(printed.split())
        assert "0 known exceptions beside, 6 unexpected failures" in printed

    def test_all_is_well(self, run: Run) -> None:
        found = run("class Test(unittest.TestCase):\n    def test(self): pass")
        assert outcomes_of(found) == {"test": "passed"}

    @pytest.mark.parametrize("source", ["import no_such_module", "this is no Python", "1 / 0"])
    def test_a_module_that_cannot_be_loaded(self, run: Run, source: str) -> None:
        assert outcomes_of(run(source, status=1)) == {"some_test": "failed"}

    def test_one_that_hangs_costs_itself_only(self, run: Run) -> None:
        source = """
class Test(unittest.TestCase):
    def test_1(self): pass
    def test_2(self):
        import time, subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        print("here it stops", flush=True)
        time.sleep(1000)
    def test_3(self): pass
"""
        found = run(source, "--timeout", "3", status=1)
        assert outcomes_of(found) == {"test_1": "passed", "test_2": "failed", "test_3": "passed"}
        assert "took longer than 3 seconds" in found["test_2"]["detail"]
        assert "here it stops" in found["test_2"]["detail"]

    def test_one_that_kills_the_process_too(self, run: Run) -> None:
        source = """
class Test(unittest.TestCase):
    def test_1(self): os._exit(3)
    def test_2(self): os.abort()
    def test_3(self): pass
"""
        found = run(source, status=1)
        assert outcomes_of(found) == {"test_1": "failed", "test_2": "failed", "test_3": "passed"}
        assert "status 3" in found["test_1"]["detail"]

    def test_there_is_an_end_to_it(self, run: Run) -> None:
        methods = "".join(f"\n    def test_{n}(self): os._exit(1)" for n in range(9))
        found = run(f"class Test(unittest.TestCase):{methods}", status=1)
        assert set(outcomes_of(found).values()) == {"failed"}
        assert "given up after 6 processes" in found["some_test"]["detail"]

    def test_death_outside_a_test(self, run: Run) -> None:
        assert outcomes_of(run("os._exit(0)", status=0)) == {}
        assert outcomes_of(run("os._exit(9)", status=1)) == {"some_test": "failed"}


class TestAlias:
    def test_tornado_is_tornadic(self, run: Run) -> None:
        found = run(
            """
import subprocess, sys
import tornado, tornado.web

CODE = "import tornado.web, tornado.test.some_test, tornadic; assert tornado is tornadic"

class Test(unittest.TestCase):
    def test_here(self):
        import tornadic.web
        self.assertIs(tornado.web, tornadic.web)
        self.assertEqual(tornado.web.RequestHandler.__module__.split(".")[0], "tornado")
    def test_tests_are_tornados(self):
        self.assertEqual(__name__, "tornado.test.some_test")
    def test_child_with_another_path(self):
        environment = {**os.environ, "PYTHONPATH": os.getcwd()}
        subprocess.run([sys.executable, "-c", CODE], check=True, env=environment)
    def test_isolated_child(self):
        subprocess.run([sys.executable, "-I", "-c", CODE], check=True, env={})
    def test_child_without_it_has_nothing(self):
        done = subprocess.run([sys.executable, "-S", "-c", "import tornado"], stderr=-1)
        self.assertIn(b"No module named", done.stderr)
"""
        )
        assert set(outcomes_of(found).values()) == {"passed"}
        assert len(found) == 5

    def test_another_tornado_is_noticed(self, run: Run) -> None:
        found = run(
            """
import sys, types

class Test(unittest.TestCase):
    def test(self):
        import tornado.util
        other = sys.modules["tornado.other"] = types.ModuleType("tornado.other")
        other.__file__ = "/somewhere/tornado/other.py"
""",
            status=1,
        )
        assert outcomes_of(found) == {"test": "passed", "some_test": "failed"}
        assert "/somewhere/tornado/other.py" in found["some_test"]["detail"]

    def test_on_tornado_itself(self, run: Run) -> None:
        found = run("import tornado", "--on-tornado", status=1)
        assert "the wrong one" in found["some_test"]["detail"]

    def test_what_stands_for_tornados_insides_is_there(self) -> None:
        for (name, theirs), ours in RENAMED.items():
            found = module(name.replace("tornado", "tornadic", 1))
            assert not hasattr(found, theirs) and hasattr(found, ours)

    @pytest.mark.parametrize("persistent", [True, False])
    def test_what_stands_for_compression_compresses(self, persistent: bool) -> None:
        compressor = PerMessageDeflateCompressor(persistent, None, {"compression_level": 9})
        inflater = PerMessageDeflateDecompressor(persistent, None, 1000)
        sizes = []
        for message in (b"x" * 1000, b"", b"spam and eggs " * 50, b"spam and eggs " * 50):
            data = compressor.compress(message)
            assert inflater.decompress(data) == message
            sizes.append(len(data))
        assert (sizes[3] < sizes[2]) == persistent
        with pytest.raises(DecompressTooLargeError):
            inflater.decompress(compressor.compress(b"x" * 1001))
        with pytest.raises(ProtocolViolation):
            PerMessageDeflateDecompressor(persistent, None, 1000).decompress(b"\xff\xff")

    def test_an_environment_must_be_one(self, tmp_path: Path) -> None:
        with pytest.raises(LookupError, match="no virtual environment"):
            write_startup(Environment(tmp_path))

    def test_no_packages_outside_are_touched(self, environment: Environment) -> None:
        prepare(environment.folder)
        [startup] = environment.folder.rglob("*.pth")
        assert startup.name == "tornadic_suite.pth"


class TestModules:
    def test_tornados_own_list(
        self, environment: Environment, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tests = environment.tornado / "tornado" / "test"
        run("class Test(unittest.TestCase):\n    def test(self): pass")
        (tests / "api.txt").write_text("[tornado]\ntornado.version: data\ntornado.none: data\n")
        (tests / "runtests.py").write_text(
            "raise OSError\nTEST_MODULES = ['tornado.test.some_test']"
        )
        capsys.readouterr()
        assert main(["--venv", str(environment.folder)]) == 1
        printed = " ".join(capsys.readouterr().out.split())
        assert "api 2 1 1 0" in printed
        assert "some_test 1 1 0 0" in printed
        assert "api.tornado.none there is no such name" in printed

    def test_no_list(self, environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
        (environment.tornado / "tornado" / "test" / "runtests.py").write_text("")
        assert main(["--venv", str(environment.folder)]) == 2
        assert "has no list of modules" in capsys.readouterr().err


class TestExceptions:
    OUTCOMES = {"t.A.one": "failed", "t.A.two": "passed", "t.B.one": "skipped", "t.C": "failed"}

    def test_known_and_unknown(self) -> None:
        known = KnownException(("t.A.*",), "because")
        found = compare(self.OUTCOMES, [known])
        assert found.known == {known: ["t.A.one"]}
        assert found.unexpected == ["t.C"]
        assert found.passing == []

    def test_what_passes_by_now(self) -> None:
        found = compare(self.OUTCOMES, [KnownException(("t.A.two", "t.B.*", "t.D"), "because")])
        # Those that are skipped, or do not run at all, may be needed elsewhere.
        assert found.passing == ["t.A.two"]
        assert found.unexpected == ["t.A.one", "t.C"]

    def test_they_are_no_failure(
        self, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "exceptions.toml").write_text(
            '[[exception]]\ntests = ["*.test_1"]\nreason = "It is so."\n'
        )
        run("class Test(unittest.TestCase):\n    def test_1(self): self.fail()")
        printed = capsys.readouterr().out
        assert "Known: It is so." in printed
        assert "1 run: 0 differ on purpose, 1 100.0% known exceptions beside, 0 unexp" in printed

    def test_shares(self) -> None:
        outcomes = {f"t.{n}": "failed" for n in "abcd"}
        private = KnownException(("t.a", "t.b"), "private")
        on_purpose = KnownException(("t.b", "t.c"), "on purpose", True)
        found = compare(outcomes, [private, on_purpose])
        assert (found.count(differs=True), found.count(differs=False)) == (2, 1)
        assert found.unexpected == ["t.d"]

    @pytest.mark.parametrize(("failing", "status"), [(1, 0), (2, 1)])
    @pytest.mark.parametrize("differs", ["", "differs = true\n"])
    def test_too_many(
        self,
        environment: Environment,
        run: Run,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        failing: int,
        status: int,
        differs: str,
    ) -> None:
        tests = environment.tornado / "tornado" / "test"
        missing = "".join(f"tornado.none{n}: data\n" for n in range(failing))
        (tests / "api.txt").write_text(f"[tornado]\ntornado.version: data\n{missing}")
        (tests / "runtests.py").write_text("TEST_MODULES = ['tornado.test.some_test']")
        (tests / "some_test.py").write_text(
            "import unittest\n"
            "class Test(unittest.TestCase): pass\n"
            "for n in range(98): setattr(Test, f'test_{n}', lambda self: None)\n"
        )
        (tmp_path / "exceptions.toml").write_text(
            f'[[exception]]\n{differs}tests = ["api.*"]\nreason = "r"\n'
        )
        # Of a hundred, and of 101, one may be known.
        assert main(["--venv", str(environment.folder)]) == (0 if differs else status)
        printed = capsys.readouterr().out
        assert ("are too many" in printed) == (status == 1 and not differs)

    @pytest.mark.parametrize(
        "entry", ['tests = ["a"]', 'reason = "r"', 'tests = []\nreason = "r"', "a = 1"]
    )
    def test_each_has_tests_and_a_reason(self, tmp_path: Path, entry: str) -> None:
        path = tmp_path / "list.toml"
        path.write_text(f"[[exception]]\n{entry}\n")
        with pytest.raises(ValueError, match="tests and a reason"):
            read(path)

    def test_ours_can_be_read(self) -> None:
        for exception in read(exceptions.FILE):
            for pattern in exception.tests:
                assert pattern.startswith(("tornado.", "api.tornado.")), pattern


class TestAPI:
    LIST = """
[tornadic.util]
tornadic.util.Configurable: class(builtins.object)
tornadic.util.Configurable.configure: classmethod(cls, impl, **kwargs)
tornadic.util.ObjectDict.__getattr__: method(self, name)
tornadic.util.bytes_type: alias of builtins.bytes
tornadic.util.exec_in: function(code, glob, loc=None)

[tornadic.testing]
tornadic.testing.AsyncTestCase: class(unittest.case.TestCase)
tornadic.testing.AsyncTestCase.io_loop: attribute
tornadic.testing.AsyncHTTPSTestCase.default_ssl_options: staticmethod()
tornadic.testing.ExpectLog.matched: attribute
tornadic.testing.bind_unused_port: function(reuse_port=False, address='127.0.0.1')
"""

    def test_what_is_there(self) -> None:
        listed = list(entries(self.LIST))
        assert len(listed) == 10
        for entry in listed:
            assert check(entry) is None, entry

    @pytest.mark.parametrize(
        ("path", "kind", "signature", "problem"),
        [
            ("no_such", "data", "", "no such name"),
            ("Configurable.no_such", "attribute", "", "no such name"),
            ("bytes_type.no_such", "attribute", "", "no such name"),
            ("exec_in", "class", "()", "no class"),
            ("__all__", "function", "()", "no function"),
            ("exec_in", "function", "(code, loc=None)", "its parameters"),
            ("exec_in", "function", "(code, glob, loc=None, more=1)", "its parameters"),
            ("exec_in", "function", "(code, glob, other=None)", "its parameters"),
            ("exec_in", "function", "(code, glob, *, loc=None)", "its parameters"),
            ("exec_in", "function", "(code, glob, loc)", "its parameters"),
            ("exec_in", "function", "(code, glob, loc=0)", "default of loc is None, not 0"),
            ("Configurable.configure", "staticmethod", "(cls, impl, **kwargs)", "classmethod"),
        ],
    )
    def test_what_is_not(self, path: str, kind: str, signature: str, problem: str) -> None:
        found = check(Entry("tornadic.util", path, kind, signature))
        assert found is not None and problem in found

    @pytest.mark.parametrize("signature", ["(code, glob)", "(code, glob, loc=None)"])
    def test_more_that_can_be_left_out(self, signature: str) -> None:
        assert check(Entry("tornadic.util", "exec_in", "function", signature)) is None
        entry = Entry("tornadic.util", "exec_in", "function", "(glob, loc=None)")
        assert check(entry) is not None  # what is more comes first

    def test_defaults_that_are_not_shown(self) -> None:
        for signature in ("(code, glob, loc=...)", "(code, glob, loc=<object at 0x0>)"):
            assert check(Entry("tornadic.util", "exec_in", "function", signature)) is None

    def test_no_line_of_a_list(self) -> None:
        with pytest.raises(ValueError, match="what is"):
            list(entries("[tornado]\nsomething\n"))

    def test_names(self) -> None:
        [entry] = entries("[tornado.web]\ntornado.web.HTTPError: class()\n")
        assert entry.name == "api.tornado.web.HTTPError"
        assert entry.name.startswith(f"{api.MODULE}.")
