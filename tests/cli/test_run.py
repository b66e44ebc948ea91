"""The command line, by running it: ``tornadic run`` must be told from ``python`` by nothing.

Most tests run one program both ways and compare all that comes out.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import tornadic
from tornadic.cli import COMMANDS, main

RUN = [sys.executable, "-W", "error", "-m", "tornadic", "run"]
PYTHON = [sys.executable, "-W", "error"]

# Everything that a program can see of how it was started.
SHOW = """
import sys
print(sys.argv, sys.path, sys.flags.safe_path)
print(__name__, __file__, __package__, __doc__, globals().get("__cached__"), __builtins__)
print(__spec__ and (__spec__.name, __spec__.origin, __spec__.parent), type(__loader__))
print(sys.modules["__main__"].__dict__ is globals())
"""


def call(
    command: Sequence[str | Path],
    folder: Path,
    text: str = "",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``, with nothing of ours in its environment."""
    ours = ("PYTHONPATH", "PYTHONSAFEPATH", "TORNADIC_AS_TORNADO")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**clean, **(environment or {})},
        input=text,
        capture_output=True,
        text=True,
        timeout=50,
    )


def compare(
    line: Sequence[str | Path],
    folder: Path,
    text: str = "",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``line`` by Python and by us, and return what both did."""
    by_python = call([*PYTHON, *line], folder, text, environment)
    by_us = call([*RUN, *line], folder, text, environment)
    assert by_us.stdout == by_python.stdout
    assert by_us.stderr == by_python.stderr
    assert by_us.returncode == by_python.returncode
    return by_us


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a script, a package and a zip file that all show how they were started."""
    (tmp_path / "deep" / "package").mkdir(parents=True)
    show = "'''Shows.'''\n" + SHOW
    (tmp_path / "deep" / "app.py").write_text(show)
    (tmp_path / "deep" / "package" / "__init__.py").write_text("import sys; print(sys.argv)")
    (tmp_path / "deep" / "package" / "module.py").write_text(show)
    (tmp_path / "deep" / "package" / "__main__.py").write_text(show)
    (tmp_path / "link.py").symlink_to(tmp_path / "deep" / "app.py")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", show)
    return tmp_path


def write(folder: Path, program: str, name: str = "app.py") -> str:
    (folder / name).write_text(textwrap.dedent(program))
    return name


class TestStartsAsPythonDoes:
    @pytest.mark.parametrize(
        "line",
        [
            ["deep/app.py", "--port=1", "--help", "-m", "--", "x y"],
            ["./deep/../link.py"],
            ["deep/package", "-h"],
            ["app.zip", "--version"],
        ],
        ids=["script", "link", "folder", "zip"],
    )
    def test_files(self, folder: Path, line: list[str]) -> None:
        shown = compare(line, folder).stdout
        assert str([line[0], *line[1:]]) in shown

    def test_an_absolute_path_from_elsewhere(self, folder: Path) -> None:
        compare([folder / "deep" / "app.py", "argument"], folder / "deep" / "package")

    @pytest.mark.parametrize("name", ["package", "package.module", "app"])
    def test_modules(self, folder: Path, name: str) -> None:
        compare(["-m", name, "--help", "-m"], folder / "deep")

    def test_standard_input(self, folder: Path) -> None:
        shown = compare(["-", "x", "-y"], folder, "import sys; print(sys.argv, sys.path)")
        assert "['-', 'x', '-y'] ['', " in shown.stdout

    def test_safe_path(self, folder: Path) -> None:
        for line in ["deep/app.py"], ["deep/package"], ["-"]:
            compare(line, folder, SHOW, {"PYTHONSAFEPATH": "1"})

    def test_compiled_script(self, folder: Path) -> None:
        compiler = "import py_compile; py_compile.compile('link.py', cfile='link.pyc')"
        assert call([*PYTHON, "-c", compiler], folder).returncode == 0
        compare(["link.pyc", "x"], folder)

    def test_program_without_future_of_ours(self, folder: Path) -> None:
        write(folder, "def f(x: undefined): pass\n")  # our modules postpone annotations
        compare(["app.py"], folder)


class TestEndsAsPythonDoes:
    @pytest.mark.parametrize(
        ("program", "status"),
        [
            ("pass", 0),
            ("import sys; sys.exit(3)", 3),
            ("import sys; sys.exit('no more')", 1),
            ("raise SystemExit", 0),
            ("def f():\n    1 / 0\ntry:\n    f()\nexcept Exception as e:\n    raise KeyError", 1),
            ("def f(:\n    pass", 1),
            ("# coding: latin-1\nassert len('\xe9') == 2", 0),
            ("raise KeyboardInterrupt", -signal.SIGINT),
            ("import sys, os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
            (
                "import sys\nsys.excepthook = lambda *a: print(a[:2], a[2].tb_lineno)\n"
                "import atexit; atexit.register(print, 'exit')\nraise ValueError(1)",
                1,
            ),
            (
                "import threading, atexit\natexit.register(print, 'bye')\n"
                "main = threading.main_thread()\ndef f():\n    main.join()\n    print('waited')\n"
                "threading.Thread(target=f).start()",
                0,
            ),
        ],
    )
    def test_status_and_output(self, tmp_path: Path, program: str, status: int) -> None:
        finished = compare([write(tmp_path, program)], tmp_path)
        assert finished.returncode == status
        assert "tornadic" not in finished.stderr

    def test_error_in_a_module_has_none_of_our_frames(self, folder: Path) -> None:
        write(folder, "import sys\n1 / 0\n", "fails.py")
        stderr = call([*RUN, "-m", "fails"], folder).stderr
        assert stderr.splitlines()[1].startswith(f'  File "{folder / "fails.py"}", line 2')
        assert stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"

    def test_error_in_the_packages_above_is_shown_in_full(self, folder: Path) -> None:
        (folder / "package").mkdir()
        (folder / "package" / "__init__.py").write_text("import not_there")
        finished = call([*RUN, "-m", "package.module"], folder)
        assert finished.returncode == 1
        assert "No module named 'not_there'" in finished.stderr
        assert "Traceback" in finished.stderr


class TestNothingToRun:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (["nothing.py"], "can't open file"),
            (["-m", "nothing"], "No module named nothing"),
            (["-m", "nothing.at.all"], "Error while finding module specification"),
            (["-m", "app.py"], "try 'app' instead"),
            (["-m", "json"], "No module named json.__main__; 'json' is a package"),
            (["-m", ".relative"], "Relative module names not supported"),
            (["empty"], "can't find '__main__' module"),
        ],
    )
    def test_message_and_pythons_status(
        self, tmp_path: Path, line: list[str], message: str
    ) -> None:
        (tmp_path / "empty").mkdir()
        by_us = call([*RUN, *line], tmp_path)
        assert by_us.returncode == call([*PYTHON, *line], tmp_path).returncode
        assert by_us.stderr.startswith("tornadic run: ")
        assert message in by_us.stderr
        assert len(by_us.stderr.splitlines()) == 1


class TestCommandLine:
    def test_version_is_ours_and_the_api_that_it_offers(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--version"]) == 0
        said = capsys.readouterr().out
        assert said == f"tornadic {tornadic.__version__} (Tornado API {tornadic.version})\n"

    def test_help_names_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--help"]) == 0
        said = capsys.readouterr().out
        for name, summary in COMMANDS.items():
            assert re.search(rf"^  {name} +{summary}$", said, re.MULTILINE)

    def test_help_of_each_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        for name in COMMANDS:
            assert main([name, "--help"]) == 0
            assert capsys.readouterr().out.startswith(f"usage: tornadic {name} ")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ([], "usage: tornadic "),
            (["fly"], "tornadic: unknown command 'fly'"),
            (["--fly"], "tornadic: unknown option '--fly'"),
            (["run"], "tornadic run: no program to run"),
            (["run", "-m"], "tornadic run: no program to run"),
            (["run", "--"], "tornadic run: no program to run"),
            (["run", "--fly", "app.py"], "tornadic run: unknown option '--fly'"),
        ],
    )
    def test_a_line_without_sense_is_status_2(
        self, line: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(line) == 2
        said = capsys.readouterr()
        assert said.err.startswith(message)
        assert said.out == ""

    def test_console_script(self, folder: Path) -> None:
        script = Path(sysconfig.get_path("scripts")) / "tornadic"
        if not script.exists():
            pytest.skip("Tornadic is not installed here")
        by_us = call([script, "run", "--", "deep/app.py", "--version"], folder)
        by_python = call([sys.executable, "deep/app.py", "--version"], folder)
        assert (by_us.stdout, by_us.stderr) == (by_python.stdout, "")
        finished = call([script, "fly"], folder)
        assert (finished.returncode, finished.stdout) == (2, "")


class TestAlias:
    def test_program_sees_tornado_and_loads_only_what_it_asks_for(self, tmp_path: Path) -> None:
        (tmp_path / "tornado.py").write_text("raise SystemError('the real one')")
        write(
            tmp_path,
            """
            import sys
            assert not [name for name in sys.modules if name.startswith("tornado.util")]
            import tornado.util, tornadic.util
            assert tornado.util is tornadic.util
            assert tornado.util.ObjectDict.__module__ == "tornado.util"
            assert tornado.version_info >= (6,)
            assert "tornado.escape" not in sys.modules and "tornado.web" not in sys.modules
            print(__name__, tornado.__name__)
            """,
        )
        for line in ["app.py"], ["-m", "app"]:
            finished = call([*RUN, *line], tmp_path)
            assert (finished.stdout, finished.stderr) == ("__main__ tornado\n", "")

    def test_runs_a_module_of_tornado(self, tmp_path: Path) -> None:
        finished = call([*RUN, "-m", "tornado.util"], tmp_path)
        assert (finished.returncode, finished.stderr) == (0, "")


# Run in child processes of every kind; it says what it sees.
CHILD = """
def see(kind):
    import sys
    assert not [n for n in sys.modules if n.startswith(("tornado.util", "tornado.web"))], kind
    import tornado.util as util, tornadic.util
    from tornadic import util as same
    assert util is tornadic.util is same
    assert "tornadic.web" not in sys.modules
    print(kind, util.ObjectDict, flush=True)
"""


class TestChildProcesses:
    def test_every_kind_of_child_has_the_alias(self, tmp_path: Path) -> None:
        (tmp_path / "child.py").write_text(CHILD)
        write(
            tmp_path,
            """
            import multiprocessing, os, pickle, subprocess, sys
            from child import see

            if __name__ == "__main__":
                if sys.argv[1:] == ["again"]:
                    see("exec")
                    raise SystemExit(7)
                for method in multiprocessing.get_all_start_methods():
                    child = multiprocessing.get_context(method).Process(target=see, args=[method])
                    child.start()
                    child.join()
                    assert child.exitcode == 0, method
                code = "from child import see; see('subprocess')"
                subprocess.run([sys.executable, "-c", code], check=True)
                import tornado.util
                data = pickle.dumps(tornado.util.ObjectDict)
                code = "import pickle, sys; print(pickle.load(sys.stdin.buffer))"
                subprocess.run([sys.executable, "-c", code], input=data, check=True)
                subprocess.run([sys.executable, "-m", "tornado.util"], check=True)
                subprocess.run([sys.executable, "-m", "tornadic", "run", "inner.py"], check=True)
                os.execv(sys.executable, [sys.executable, *sys.argv, "again"])
            """,
        )
        write(tmp_path, "from child import see; see('run')", "inner.py")
        finished = call([*RUN, "app.py"], tmp_path)
        assert finished.stderr == ""
        assert finished.returncode == 7
        kind = "<class 'tornado.util.ObjectDict'>"
        kinds = [line.removesuffix(f" {kind}") for line in finished.stdout.splitlines()]
        assert kinds[-4:] == ["subprocess", kind, "run", "exec"]
        assert {"spawn", "fork", "forkserver"} >= set(kinds[:-4]) >= {"spawn"}

    def test_a_child_is_else_what_it_would_be_without_us(self, tmp_path: Path) -> None:
        """Also one level down, and with a sitecustomize of the user's own."""
        probe = """
        import sys
        ours = [n for n in sys.modules if n.startswith("tornad") and n != "tornadic_on_demand"]
        site = sys.modules.get("sitecustomize")
        print(sys.path, ours, site and site.__file__, getattr(sys, "customized", None))
        """
        write(tmp_path, probe, "probe.py")
        write(
            tmp_path,
            "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True)",
            "start.py",
        )
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.customized = 1")
        for variables in {}, {"PYTHONPATH": str(tmp_path / "site")}:
            plain = call([sys.executable, "probe.py"], tmp_path, environment=variables)
            assert ("1" in plain.stdout.split()) == bool(variables)
            for line in ["probe.py"], ["start.py", "probe.py"]:
                child = call([*RUN, "start.py", *line], tmp_path, environment=variables)
                assert (child.stdout, child.stderr) == (plain.stdout, "")

    def test_an_error_in_the_users_sitecustomize_is_reported_as_ever(self, tmp_path: Path) -> None:
        (tmp_path / "sitecustomize.py").write_text("1 / 0")
        environment = {"PYTHONPATH": str(tmp_path)}
        write(
            tmp_path,
            """
            import subprocess, sys
            code = "import tornado; print(tornado.__name__)"
            sys.exit(subprocess.run([sys.executable, "-c", code]).returncode)
            """,
        )
        plain = call([sys.executable, "-c", ""], tmp_path, environment=environment)
        finished = call([sys.executable, *RUN[3:], "app.py"], tmp_path, environment=environment)
        assert finished.stdout == "tornado\n"
        assert "ZeroDivisionError" in plain.stderr
        assert finished.stderr == plain.stderr * 2  # our own start, and the child's

    def test_the_same_tornadic_even_if_it_is_not_on_the_childs_path(self, tmp_path: Path) -> None:
        (tmp_path / "tornadic").mkdir()
        (tmp_path / "tornadic" / "__init__.py").write_text("raise SystemError('another')")
        write(
            tmp_path,
            """
            import subprocess, sys
            code = "import sys; sys.path[1:] = [p for p in sys.path[1:] if 'python' in p]\\n"
            code += "import tornadic.util, tornado.util; print(tornado.util is tornadic.util)"
            subprocess.run([sys.executable, "-c", code], check=True)
            """,
        )
        source = str(Path(tornadic.__file__).parent.parent)
        starter = f"import sys; sys.path.insert(0, {source!r}); import tornadic.cli as c; c.main()"
        finished = call([sys.executable, "-c", starter, "run", "app.py"], tmp_path)
        assert (finished.stdout, finished.stderr) == ("True\n", "")

    def test_another_python_is_left_alone(self, tmp_path: Path) -> None:
        venv.create(tmp_path / "other", with_pip=False, symlinks=True)
        python = tmp_path / "other" / "bin" / "python"
        (tmp_path / "tornado.py").write_text("print('its own')")
        write(tmp_path, f"import subprocess; subprocess.run([{str(python)!r}, '-W', 'error', 'x'])")
        write(
            tmp_path,
            """
            import sys, importlib.util, tornado
            print(importlib.util.find_spec("tornadic"), "sitecustomize" in sys.modules, sys.path)
            """,
            "x",
        )
        plain = call([python, "x"], tmp_path)
        finished = call([*RUN, "app.py"], tmp_path)
        assert plain.stdout.startswith("its own\nNone ")
        assert (finished.stdout, finished.stderr) == (plain.stdout, "")

    def test_running_twice_adds_nothing_to_the_environment(self, tmp_path: Path) -> None:
        from tornadic.compat.children import STARTUP_FOLDER, VARIABLE, alias_in_children

        environ: dict[str, str] = {}
        alias_in_children(environ)
        once = dict(environ)
        alias_in_children(environ)
        assert environ == once == {VARIABLE: once[VARIABLE], "PYTHONPATH": STARTUP_FOLDER}
        environ["PYTHONPATH"] = os.pathsep.join(["first", STARTUP_FOLDER, "last"])
        alias_in_children(environ)
        assert environ["PYTHONPATH"] == os.pathsep.join([STARTUP_FOLDER, "first", "last"])
