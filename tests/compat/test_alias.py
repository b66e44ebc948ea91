"""The ``tornado`` alias, as programs see it.

Each test runs a program in a Python of its own, since the alias is there for good once it is
installed.  Warnings are errors in them too.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from pkgutil import iter_modules

import pytest
from tests.tools import module

import tornadic

Run = Callable[..., str]

ALIAS = "from tornadic.compat import install_as_tornado; install_as_tornado()\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a program in a folder of its own, and returns what it printed."""

    def run(program: str, *arguments: str, **environment: str) -> str:
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(program))
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        finished = subprocess.run(
            [sys.executable, "-W", "error", *(arguments or [str(script)])],
            cwd=tmp_path,
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert finished.returncode == 0, finished.stderr
        assert finished.stderr == ""
        return finished.stdout

    return run


def with_alias(program: str) -> str:
    return ALIAS + textwrap.dedent(program)


class TestPackage:
    def test_api_level_is_that_of_the_tornado_it_stands_for(self) -> None:
        assert tornadic.version_info >= (6, 1)
        assert tornadic.version == "6.6.1"
        assert tornadic.version_info == (6, 6, 1, 0)

    def test_own_version_is_a_literal_that_build_tools_can_read(self) -> None:
        source = Path(tornadic.__file__).read_text()
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__version__"
        }
        assert values == {"__version__": tornadic.__version__}

    def test_no_public_module_is_left_out(self) -> None:
        private = {"__main__", "cli", "frames", "http"}
        present = {module.name for module in iter_modules(tornadic.__path__)}
        hidden = {name for name in present if name.startswith("_")}
        assert present - private - hidden == set(tornadic.__all__)
        assert len(set(tornadic.__all__)) == len(tornadic.__all__)
        assert set(tornadic.__all__) <= set(dir(tornadic))

    def test_modules_load_on_first_use(self, run: Run) -> None:
        run(
            """
            import sys, tornadic
            assert not [name for name in sys.modules if name.startswith("tornadic.")]
            assert tornadic.escape.utf8("x") == b"x"
            assert tornadic.escape is sys.modules["tornadic.escape"]
            assert "tornadic.web" not in sys.modules and "tornadic.ioloop" not in sys.modules
            assert "tornado" not in sys.modules
            """
        )

    def test_unknown_attribute(self) -> None:
        with pytest.raises(AttributeError, match="module 'tornadic' has no attribute 'nothing'"):
            _ = tornadic.nothing


class TestIdentity:
    def test_one_module_whichever_name_comes_first(self, run: Run) -> None:
        run(
            with_alias(
                """
                import importlib, sys
                import tornado, tornadic
                assert tornado is tornadic
                import tornado.escape
                assert "tornado.web" not in sys.modules and "tornadic.web" not in sys.modules
                from tornadic import escape
                assert tornado.escape is tornadic.escape is escape
                import tornadic.http.errors
                import tornado.http.errors as errors
                assert errors is tornadic.http.errors is sys.modules["tornado.http.errors"]
                assert tornado.http is sys.modules["tornadic.http"] is tornado.http
                from tornado.util import ObjectDict
                from tornadic.util import ObjectDict as same
                assert ObjectDict is same
                assert importlib.import_module("tornado.log") is tornadic.log
                assert importlib.import_module(".log", "tornado") is tornado.log
                """
            )
        )

    def test_modules_bear_tornado_names(self, run: Run) -> None:
        run(
            with_alias(
                """
                import tornadic.util, tornado, tornadic.http
                from tornadic.util import ObjectDict
                assert repr(tornado).startswith("<module 'tornado' from")
                assert repr(tornadic.util).startswith("<module 'tornado.util' from")
                assert repr(ObjectDict) == "<class 'tornado.util.ObjectDict'>"
                assert ObjectDict.__module__ == "tornado.util"
                for module in tornado, tornado.util, tornado.http:
                    spec = module.__spec__
                    assert spec.name == module.__name__ == spec.loader.name, spec
                    assert module.__package__ == spec.parent
                    assert module.__loader__ is spec.loader and module.__file__ == spec.origin
                assert tornado.util.__package__ == "tornado"
                assert tornado.http.__package__ == "tornado.http"
                """
            )
        )

    def test_modules_loaded_before_keep_their_name_and_get_the_other(self, run: Run) -> None:
        run(
            """
            import tornadic.util
            before = tornadic.util
            from tornadic.compat import install_as_tornado
            install_as_tornado()
            install_as_tornado()
            import sys, tornado.util, tornado.escape, pickle
            assert tornado.util is before is sys.modules["tornadic.util"]
            assert before.__name__ == "tornadic.util" == before.ObjectDict.__module__
            assert tornado.escape.__name__ == "tornado.escape"
            assert tornado.compat is tornadic.compat
            assert pickle.loads(b"ctornado.util\\nObjectDict\\n.") is before.ObjectDict
            import importlib
            assert importlib.reload(before) is tornado.util is tornadic.util
            assert [type(f).__name__ for f in sys.meta_path].count("AliasFinder") == 1
            """
        )

    def test_pickles_load_under_either_name(self, run: Run) -> None:
        run(
            with_alias(
                """
                import pickle
                from tornado.util import ObjectDict
                theirs = pickle.dumps(ObjectDict, 0)
                assert b"tornado.util" in theirs
                ours = theirs.replace(b"tornado.util", b"tornadic.util")
                assert pickle.loads(theirs) is pickle.loads(ours) is ObjectDict
                """
            )
        )

    def test_tools_that_look_at_modules(self, run: Run) -> None:
        run(
            with_alias(
                """
                import importlib.resources, importlib.util
                import inspect, linecache, pkgutil, runpy, sys
                import tornado, tornado.util, tornadic.util
                assert pkgutil.get_data("tornado", "py.typed") is not None
                assert pkgutil.get_data("tornadic", "py.typed") is not None
                for package in "tornado", "tornadic.http":
                    assert importlib.resources.files(package).joinpath("__init__.py").is_file()
                # Not loaded yet: by either name, as python -m would ask.
                for name in "tornado.escape", "tornadic.escape":
                    spec = importlib.util.find_spec(name)
                    assert spec.name == name and spec.loader.get_code(name).co_name == "<module>"
                    assert "def utf8" in spec.loader.get_source(name)
                    assert runpy.run_module(name)["utf8"]("x") == b"x"
                assert "tornado.escape" not in sys.modules
                assert pkgutil.get_data("tornadic.http", "errors.py").startswith(b'\"""')
                assert tornado.http.__name__ == "tornado.http"
                assert "class ObjectDict" in inspect.getsource(tornado.util.ObjectDict)
                linecache.clearcache()
                assert inspect.getmodule(tornado.util.ObjectDict) is tornado.util
                assert pkgutil.resolve_name("tornado.util:ObjectDict") is tornado.util.ObjectDict
                util, package = tornado.util, tornado
                assert importlib.reload(util) is util is tornadic.util is tornado.util
                assert importlib.reload(package) is tornado is tornadic
                assert util.__name__ == "tornado.util" and package.__name__ == "tornado"
                names = {m.name for m in pkgutil.iter_modules(tornado.__path__, "tornado.")}
                assert {"tornado.util", "tornado.escape"} <= names
                for name in "tornado", "tornadic":
                    again = sys.modules.pop(name)
                    assert __import__(name) is again is package
                    assert sys.modules["tornado"].__spec__.name == "tornado"
                """
            )
        )


class TestHashRing:
    PROGRAM = """
        from hash_ring import HashRing
        import hash_ring, importlib, sys, tornado.hashring, tornadic.hashring
        assert hash_ring is tornado.hashring is tornadic.hashring
        assert hash_ring.__spec__.name == "tornado.hashring"
        importlib.reload(tornado.hashring)
        print(HashRing(["a", "b"]).get_node("key"))
    """

    def test_the_ring_has_the_name_that_programs_know(self, run: Run, tmp_path: Path) -> None:
        # Even where the package itself is installed.
        (tmp_path / "hash_ring.py").write_text("raise SystemExit('the other one')")
        assert run(with_alias(self.PROGRAM)) in ("a\n", "b\n")

    def test_in_a_child_process(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "child.py").write_text(textwrap.dedent(self.PROGRAM))
        parent = """
            from tornadic.compat import install_as_tornado
            install_as_tornado(child_processes=True)
            import subprocess, sys
            subprocess.run([sys.executable, "-W", "error", "child.py"], check=True)
        """
        assert run(parent) in ("a\n", "b\n")

    def test_without_the_alias_the_name_is_not_ours(self, run: Run) -> None:
        program = "import tornadic.hashring, importlib.util\n"
        assert run(program + "print(importlib.util.find_spec('hash_ring'))") == "None\n"


class TestTornadoMySQL:
    def test_has_the_name_that_programs_know(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "tornado_mysql.py").write_text("raise SystemExit('the other one')")
        program = """
            from tornado_mysql import pools
            from tornado_mysql.cursors import DictCursor
            import tornado_mysql.err, tornado_mysql, tornado.mysql.pools, tornadic.mysql.cursors
            assert pools is tornado_mysql.pools is tornado.mysql.pools
            assert tornado_mysql is tornado.mysql is tornadic.mysql
            assert DictCursor is tornadic.mysql.cursors.DictCursor
            assert tornado_mysql.__spec__.name == "tornado.mysql"
            assert tornado_mysql.err.__spec__.name == "tornado.mysql.err"
            try:
                import tornado_mysql.no_such_module
            except ModuleNotFoundError as error:
                print("no_such_module" in str(error))
        """
        assert run(with_alias(program)) == "True\n"


class TestRefusals:
    def test_the_real_tornado_beside(self, run: Run) -> None:
        # Of all its modules none is reached, not even those that Tornadic does not have.
        module("tornado")
        run(
            with_alias(
                """
                import importlib, importlib.metadata, importlib.util, os, sys, tornadic
                [folder] = tornadic.__path__
                files = importlib.metadata.files("tornado")
                theirs = [file for file in files if file.suffix == ".py"]
                assert len(theirs) > 50
                reached = 0
                for file in theirs:
                    name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
                    if name.split(".")[0] != "tornado":
                        continue
                    try:
                        module = importlib.import_module(name)
                    except ImportError:
                        continue
                    reached += 1
                    assert module is sys.modules["tornadic" + name[7:]], name
                    assert os.path.commonpath([module.__file__, folder]) == folder, name
                assert reached > 20
                """
            ),
        )

    def test_an_installed_tornado_is_never_reached(self, run: Run, tmp_path: Path) -> None:
        real = tmp_path / "site" / "tornado"
        (real / "test").mkdir(parents=True)
        for name in "__init__.py", "web.py", "onlythere.py", "util.py", "test/__init__.py":
            (real / name).write_text("raise SystemError('the real one')")
        run(
            with_alias(
                """
                import importlib.machinery, sys

                class Editable:  # as some installations of a package leave behind
                    def find_spec(self, name, path=None, target=None):
                        if name.startswith("tornado."):
                            folder = [sys.path[1] + "/tornado"]
                            return importlib.machinery.PathFinder.find_spec(name, folder)

                sys.meta_path.append(Editable())
                assert sys.path[1].endswith("site")
                import tornado.util
                assert not tornado.util.__file__.startswith(sys.path[1])

                for name in "tornado.onlythere", "tornado.test", "tornado.test.web_test":
                    try:
                        __import__(name)
                    except ModuleNotFoundError as error:
                        assert error.name == name.removesuffix(".web_test")
                        assert repr(error.name) in str(error)
                        assert "Tornadic" in str(error) and "no such module" in str(error)
                    else:
                        raise AssertionError(name)
                try:
                    from tornado import onlythere
                except ImportError as error:
                    assert "cannot import name 'onlythere' from 'tornado'" in str(error)
                try:
                    import tornadic.onlythere
                except ModuleNotFoundError as error:
                    assert str(error) == "No module named 'tornadic.onlythere'"
                else:
                    raise AssertionError
                assert not hasattr(tornado, "onlythere")
                """
            ),
            PYTHONPATH=str(tmp_path / "site"),
        )

    def test_a_tornado_imported_before_is_an_error(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "tornado").mkdir()
        (tmp_path / "tornado" / "__init__.py").write_text("")
        (tmp_path / "tornado" / "web.py").write_text("")
        run(
            """
            import sys, tornado.web, tornadic
            real, path = tornado, list(sys.meta_path)
            from tornadic.compat import install_as_tornado
            for imported in "tornado", "tornado.web":
                try:
                    install_as_tornado(child_processes=True)
                except RuntimeError as error:
                    assert f"{imported} was imported before, from {real.__path__[0]}" in str(error)
                else:
                    raise AssertionError
                sys.modules.pop("tornado", None)
            import os, tornado
            assert tornado.__path__ == real.__path__ and sys.meta_path == path
            assert tornadic.__name__ == "tornadic" and "PYTHONPATH" not in os.environ
            """
        )

    def test_a_failed_import_leaves_neither_name(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "more" / "packed").mkdir(parents=True)
        (tmp_path / "more" / "broken.py").write_text(
            "import sys, tornadic.broken, tornado.broken\nfrom . import broken\n"
            "assert broken is sys.modules['tornado.broken'] is sys.modules['tornadic.broken']\n"
            "1 / 0\n"
        )
        (tmp_path / "more" / "packed" / "__init__.py").write_text("from . import inner")
        (tmp_path / "more" / "packed" / "inner.py").write_text("1 / 0")
        run(
            with_alias(
                """
                import sys, tornadic
                tornadic.__path__.append("more")
                for name in "broken", "packed", "packed.inner":
                    for package in "tornado", "tornadic", "tornado":
                        try:
                            __import__(f"{package}.{name}")
                        except ZeroDivisionError:
                            pass
                        else:
                            raise AssertionError(name)
                        for both in "tornado", "tornadic":
                            assert f"{both}.{name}" not in sys.modules
                            assert f"{both}.packed" not in sys.modules
                """
            )
        )


class TestCircularAndConcurrentImports:
    def test_modules_that_import_each_other_by_every_name(self, run: Run, tmp_path: Path) -> None:
        package = tmp_path / "more" / "ring"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(
            "from tornadic.ring.one import One\nfrom .two import Two\n"
        )
        (package / "one.py").write_text(
            "import tornado.ring.two as other\nfrom tornadic import ring\nclass One: pass\n"
        )
        (package / "two.py").write_text(
            "from . import one\nimport tornadic.ring.one as same\nassert one is same\n"
            "class Two: pass\n"
        )
        for first in "tornado.ring.two", "tornadic.ring.two", "tornadic.ring", "tornado.ring.one":
            run(
                with_alias(
                    f"""
                    import importlib, sys, tornado
                    tornado.__path__.append("more")
                    importlib.import_module({first!r})
                    import tornado.ring.one, tornadic.ring.two
                    assert tornado.ring.One.__module__ == "tornado.ring.one"
                    assert tornadic.ring.two.one is sys.modules["tornadic.ring.one"]
                    for name, module in list(sys.modules.items()):
                        if name.startswith("tornado."):
                            assert module is sys.modules["tornadic" + name[7:]], name
                            assert module.__spec__.name == module.__name__, name
                    """
                )
            )

    def test_a_thread_waits_for_a_module_that_loads_by_its_other_name(
        self, run: Run, tmp_path: Path
    ) -> None:
        slow = """
        import sys, tornado
        assert sys.modules["tornado." + __name__[8:]] is sys.modules["tornadic." + __name__[8:]]
        tornado.loading.set()
        assert tornado.may_go_on.wait(30)
        import importlib
        for package in "tornado", "tornadic":  # its own affair, whoever waits by either name
            importlib.import_module(package + "." + __name__[8:])
        complete = True
        """
        (tmp_path / "more").mkdir()
        for number in range(4):
            (tmp_path / "more" / f"slow{number}.py").write_text(textwrap.dedent(slow))
        run(
            with_alias(
                """
                import importlib, sys, threading, tornado
                tornado.__path__.append("more")
                packages = "tornado", "tornadic"
                pairs = [(first, second) for first in packages for second in packages]
                for number, (first, second) in enumerate(pairs):
                    tornado.loading, tornado.may_go_on = threading.Event(), threading.Event()
                    seen = []

                    def load(package):
                        module = importlib.import_module(f"{package}.slow{number}")
                        seen.append((module, module.complete))

                    one = threading.Thread(target=load, args=[first])
                    one.start()
                    assert tornado.loading.wait(30)
                    two = threading.Thread(target=load, args=[second])
                    two.start()
                    # Until it waits for a lock of the import system, or is through too early.
                    while two.is_alive():
                        frame = sys._current_frames().get(two.ident)
                        if frame and frame.f_code.co_name == "acquire":
                            break
                    tornado.may_go_on.set()
                    one.join()
                    two.join()
                    module = sys.modules[f"tornado.slow{number}"]
                    assert seen == [(module, True)] * 2, (first, second, seen)
                """
            )
        )

    def test_many_threads_get_one_module_each(self, run: Run, tmp_path: Path) -> None:
        package = tmp_path / "more" / "crowd"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        for number in range(30):
            (package / f"m{number}.py").write_text(
                "import tornadic.util, tornado.escape\n"
                f"from tornadic.crowd import m{number}\nfrom . import m{number} as same\n"
                f"assert same is m{number}\nclass Thing: pass\n"
            )
        run(
            with_alias(
                """
                import importlib, sys, threading, tornado
                tornado.__path__.append("more")
                seen, failed = {number: set() for number in range(30)}, []
                together = threading.Barrier(8)
                sys.setswitchinterval(1e-5)

                def load(package):
                    try:
                        together.wait()
                        for number, things in seen.items():
                            module = importlib.import_module(f"{package}.crowd.m{number}")
                            things.add(module.Thing)
                    except BaseException as error:
                        failed.append(error)

                threads = [
                    threading.Thread(target=load, args=[package])
                    for package in ["tornado", "tornadic"] * 4
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                assert not failed, failed
                assert {len(things) for things in seen.values()} == {1}
                """
            )
        )


def test_loader_of_a_module_is_pythons_own(run: Run) -> None:
    printed = run(with_alias("import tornado.util; print(type(tornado.util.__loader__).__name__)"))
    assert printed.strip() == SourceFileLoader.__name__
