"""Restarts, for real: programs in processes of their own change their files and come back.

What is noticed as a change is shown in this process, with a restart that is only noted.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import select
import signal
import subprocess
import sys
import textwrap
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tornadic import autoreload
from tornadic.ioloop import IOLoop
from tornadic.web import Application

PATIENCE = 20.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))

PYTHON = [sys.executable, "-W", "error"]
RUN = [*PYTHON, "-m", "tornadic", "run"]
WRAPPER = [*PYTHON, "-m", "tornadic.autoreload"]
# The same, but for how often it looks.
QUICK_WRAPPER = [
    *PYTHON,
    "-c",
    "from tornadic import autoreload; autoreload.DEFAULT_CHECK_TIME = 10; autoreload.main()",
]

# What programs begin with: they know which of their lives this is, and can change their file.
PRELUDE = """
import asyncio, os, signal, sys
from pathlib import Path

LIFE = int(os.environ.get("LIFE", "1"))
os.environ["LIFE"] = str(LIFE + 1)
HERE = Path(__file__).absolute() if "__file__" in globals() else None

def change(path=HERE):
    with open(path, "a") as file:
        file.write("#\\n")

def say(*words):
    print(LIFE, *words, flush=True)

async def restart(path=HERE):
    "Live until the change is noticed."
    from tornado import autoreload
    autoreload.start(5)
    change(path)
    await asyncio.Event().wait()
"""


def program(text: str, module: str = "tornadic") -> str:
    return PRELUDE.replace("from tornado ", f"from {module} ") + textwrap.dedent(text)


def environment(**more: str) -> dict[str, str]:
    """Nothing of ours, nor of an outer run of these tests."""
    ours = ("PYTHONPATH", "PYTHONSAFEPATH", "TORNADIC_AS_TORNADO", "LIFE")
    return {name: value for name, value in os.environ.items() if name not in ours} | more


def call(
    command: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that ends by itself."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def put(path: Path, text: str) -> None:
    """Write a file in one go, as far as a reader can tell."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


class Child:
    """A program that is watched while it runs."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.text = b""

    def read(self, expected: str, patience: float = PATIENCE) -> bool:
        """Wait until the program has said ``expected``; False if it has not by then."""
        while expected.encode() not in self.text:
            if not select.select([self.output], [], [], patience)[0]:
                return False
            more = os.read(self.output.fileno(), 65536)
            assert more, f"ended, with: {self.text.decode()}"
            self.text += more
        return True

    def change_until(self, path: Path, text: str, expected: str) -> None:
        """Write a file, again and again, until the program has noticed and says ``expected``."""
        for attempt in range(200):
            put(path, text + "#" * attempt)
            if self.read(expected, PATIENCE / 100):
                return
        raise AssertionError(f"unnoticed: {self.text.decode()}")

    def end(self) -> int:
        self.text += self.output.read()
        return self.process.wait(PATIENCE)


@pytest.fixture
def start_child(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(*command: str | Path) -> Child:
        children.append(Child(command, tmp_path))
        return children[-1]

    yield start
    for child in children:
        child.process.kill()
        child.process.wait(PATIENCE)
        child.output.close()


def test_public_names() -> None:
    assert autoreload.__all__ == ["add_reload_hook", "main", "start", "wait", "watch"]


class TestChanges:
    """What counts as a change."""

    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is watched but what a test names."""
        monkeypatch.setattr(autoreload, "_seen", {})
        monkeypatch.setattr(autoreload, "_watched", set())
        monkeypatch.setattr(autoreload, "_loaded_files", set)

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "watched.txt"
        path.write_text("first")
        autoreload.watch(str(path))
        autoreload._remember_files()
        return path

    def test_none(self, file: Path) -> None:
        assert autoreload._changed_file() is None
        assert autoreload._changed_file() is None

    def test_content(self, file: Path) -> None:
        before = file.stat().st_mtime_ns
        file.write_text("second")
        os.utime(file, ns=(before, before))  # so soon that the clock has not moved
        assert autoreload._changed_file() == str(file)
        assert autoreload._changed_file() is None

    def test_time(self, file: Path) -> None:
        # Also to the past, as when an older version is put back.
        for second in (3, 2):
            os.utime(file, (second, second))
            assert autoreload._changed_file() == str(file)
            assert autoreload._changed_file() is None

    def test_saved_by_replacing(self, file: Path) -> None:
        stat = file.stat()
        file.unlink()
        assert autoreload._changed_file() is None
        file.write_text("first")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert autoreload._changed_file() is None
        file.unlink()
        file.write_text("other")
        os.utime(file, (1, 1))
        assert autoreload._changed_file() == str(file)

    def test_not_there_yet(self, tmp_path: Path) -> None:
        path = tmp_path / "coming"
        autoreload.watch(str(path))
        autoreload._remember_files()
        assert autoreload._changed_file() is None
        path.touch()
        assert autoreload._changed_file() == str(path)

    def test_relative_to_the_folder_of_that_moment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        autoreload.watch("file")
        monkeypatch.chdir("/")
        autoreload._remember_files()
        (tmp_path / "file").touch()
        assert autoreload._changed_file() == str(tmp_path / "file")

    def test_impossible_names(self) -> None:
        autoreload.watch("nul\0byte")
        autoreload.watch("x" * 5000)
        assert autoreload._changed_file() is None

    def test_what_is_new_later_is_no_change(self, file: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.touch()
        autoreload.watch(str(other))
        assert autoreload._changed_file() is None
        # Nor does remembering what is new overlook a change of what is known.
        file.write_text("changed")
        autoreload._remember_files()
        assert autoreload._changed_file() == str(file)


class TestLoadedModules:
    def test_all_that_come_from_a_file(self) -> None:
        files = autoreload._loaded_files()
        assert {autoreload.__file__, os.__file__, __file__} <= files

    def test_modules_without_a_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for number, file in enumerate([None, 7, b"bytes"]):
            odd = types.ModuleType("odd")
            odd.__dict__["__file__"] = file
            monkeypatch.setitem(sys.modules, f"odd{number}", odd)
        monkeypatch.setitem(sys.modules, "odd.none", types.ModuleType("none"))
        monkeypatch.setitem(sys.modules, "odd.object", object())
        pretender = type("Pretender", (), {"__slots__": (), "__class__": types.ModuleType})()
        monkeypatch.setitem(sys.modules, "odd.pretender", pretender)
        assert all(isinstance(file, str) for file in autoreload._loaded_files())

    def test_lazy_modules_stay_lazy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "lazy.py"
        path.write_text("raise AssertionError('loaded')")
        spec = importlib.util.spec_from_file_location("lazy", path)
        assert spec is not None and spec.loader is not None
        loader = importlib.util.LazyLoader(spec.loader)
        spec.loader = loader
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "lazy", module)
        loader.exec_module(module)
        assert str(path) in autoreload._loaded_files()

    def test_nothing_else_is_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked: list[str] = []
        stat = os.stat

        def counting(path: str) -> os.stat_result:
            looked.append(path)
            return stat(path)

        monkeypatch.setattr(autoreload, "_seen", {})
        monkeypatch.setattr(autoreload, "_watched", {str(tmp_path / "one")})
        expected = autoreload._loaded_files() | {str(tmp_path / "one")}
        monkeypatch.setattr(autoreload, "os", types.SimpleNamespace(stat=counting))
        autoreload._remember_files()
        assert sorted(looked) == sorted(expected)
        looked.clear()
        assert autoreload._changed_file() is None
        assert sorted(looked) == sorted(expected)


class TestWatching:
    @pytest.fixture(autouse=True)
    def restarts(self, monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[str]:
        """Restarts are only noted, and nothing of this process is watched."""
        noted: asyncio.Queue[str] = asyncio.Queue()
        monkeypatch.setattr(autoreload, "_seen", {})
        monkeypatch.setattr(autoreload, "_watched", set())
        monkeypatch.setattr(autoreload, "_loops", type(autoreload._loops)())
        monkeypatch.setattr(autoreload, "_loaded_files", set)
        monkeypatch.setattr(autoreload, "_reload", lambda: noted.put_nowait("restart"))
        return noted

    def test_start(
        self, restarts: asyncio.Queue[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            path = tmp_path / "file"
            autoreload.watch(str(path))
            autoreload.start(1)
            path.touch()
            with caplog.at_level("INFO"):
                await restarts.get()
            assert caplog.messages == [f"{path} modified; restarting server"]
            # Had the restart failed: it is not tried again before the next change.
            await asyncio.sleep(0.02)
            assert restarts.empty()
            path.write_text("more")
            await restarts.get()

        asyncio.run(main())

    def test_once_for_a_loop(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            for _ in range(3):
                autoreload.start()
            # The handles of its timers are what a loop is watched by.
            assert len(asyncio.get_running_loop()._scheduled) == 1  # type: ignore[attr-defined]

        asyncio.run(main())
        assert caplog.messages == []

    def test_two_loops(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> IOLoop:
            autoreload.start()
            return IOLoop.current()

        loops = [asyncio.run(main()) for _ in range(2)]
        assert len(set(loops)) == 2
        text = "tornado.autoreload started more than once in the same process"
        assert caplog.messages == [text]

    @pytest.mark.parametrize("check_time", [0, -1])
    def test_no_time_at_all(self, check_time: int, restarts: asyncio.Queue[str]) -> None:
        async def main() -> None:
            with pytest.raises(ValueError, match="must have a positive callback_time"):
                autoreload.start(check_time)
            # That was no start.
            autoreload.start(1)
            autoreload.watch(__file__)
            while __file__ not in autoreload._seen:
                await asyncio.sleep(0)

        asyncio.run(main())

    def test_wait(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        class Restarted(Exception):
            pass

        def restart() -> None:
            raise Restarted

        looks = []

        def sleep(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:
                (tmp_path / "file").touch()

        monkeypatch.setattr(autoreload, "_reload", restart)
        monkeypatch.setattr(autoreload, "time", types.SimpleNamespace(sleep=sleep))
        autoreload.watch(str(tmp_path / "file"))
        with pytest.raises(Restarted):
            autoreload.wait()
        assert looks == [0.5] * 3

    @pytest.mark.parametrize(
        ("settings", "watches"),
        [
            ({}, False),
            ({"debug": False}, False),
            ({"debug": True}, True),
            ({"autoreload": True}, True),
            ({"debug": True, "autoreload": False}, False),
        ],
    )
    def test_application(self, settings: dict[str, Any], watches: bool) -> None:
        async def main() -> None:
            application = Application([], **settings)
            assert (IOLoop.current() in autoreload._loops) is watches
            assert bool(application.settings.get("autoreload")) is watches
            debug = bool(settings.get("debug"))
            assert application.settings.get("serve_traceback", False) is debug
            for name in ("compiled_template_cache", "static_hash_cache"):
                assert application.settings.get(name, True) is not debug

        asyncio.run(main())


class TestReload:
    """What a restart does in the old process; exec itself is only noted."""

    class Replaced(BaseException):
        pass

    @pytest.fixture(autouse=True)
    def commands(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        commands: list[list[str]] = []

        def execv(path: str, command: list[str]) -> None:
            assert path == command[0]
            commands.append(command)
            raise self.Replaced

        monkeypatch.setattr(autoreload, "_hooks", [])
        monkeypatch.setattr(os, "execv", execv)
        monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "app.py", "--port=1"])
        return commands

    def test_the_same_command(
        self, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["changed", "by", "the", "program"])
        with pytest.raises(self.Replaced):
            autoreload._reload()
        assert commands == [[sys.executable, "-X", "dev", "app.py", "--port=1"]]

    def test_embedded(self, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "")
        monkeypatch.setattr(sys, "orig_argv", ["/opt/program", "argument"])
        with pytest.raises(self.Replaced):
            autoreload._reload()
        assert commands == [["/opt/program", "argument"]]

    def test_hooks(self, caplog: pytest.LogCaptureFixture) -> None:
        called: list[int] = []
        autoreload.add_reload_hook(lambda: called.append(1))
        autoreload.add_reload_hook(lambda: [][1])
        autoreload.add_reload_hook(lambda: called.append(2))
        with pytest.raises(self.Replaced):
            autoreload._reload()
        assert called == [1, 2]
        assert len(caplog.messages) == 1
        assert caplog.messages[0].startswith("Uncaught exception in reload hook")
        assert caplog.records[0].exc_info is not None

    def test_the_folder_it_was_started_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = os.getcwd()
        monkeypatch.chdir(tmp_path)
        with pytest.raises(self.Replaced):
            autoreload._reload()
        assert os.getcwd() == before
        monkeypatch.setattr(autoreload, "_start_folder", str(tmp_path / "gone"))
        with pytest.raises(self.Replaced):
            autoreload._reload()
        assert os.getcwd() == before

    def test_timer(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 1000)
        try:
            with pytest.raises(self.Replaced):
                autoreload._reload()
            assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    @pytest.mark.parametrize("stream", [None, open(os.devnull, "w")])  # noqa: SIM115
    def test_no_output(self, stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        if stream is not None:
            stream.close()
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(self.Replaced):
            autoreload._reload()


class TestRestarts:
    """Real ones, of programs that watch themselves."""

    SHOW = """
    say(sys.argv, sys.path[0], __name__, __spec__ and __spec__.name, os.getcwd())
    if LIFE == 1:
        asyncio.run(restart())
    """

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with a space in its name: in it a script, a package and a zip file."""
        folder = tmp_path / "a folder"
        (folder / "package").mkdir(parents=True)
        (folder / "package" / "__init__.py").touch()
        for name in ("the script.py", "module.py", "package/__main__.py"):
            (folder / name).write_text(program(self.SHOW))
        return folder

    @pytest.mark.parametrize(
        "line",
        [
            ["the script.py", "an argument", "--option", "-m", "", "ö"],
            ["-m", "package", "x"],
            ["-m", "package.__main__"],
            ["-m", "module"],
            ["package", "x"],
            ["../a folder/the script.py"],
        ],
        ids=["script", "package", "__main__", "module", "folder", "relative"],
    )
    def test_as_it_was_started(self, folder: Path, line: list[str]) -> None:
        done = call([*PYTHON, *line], folder)
        assert done.stderr == ""
        assert done.returncode == 0
        first, second = done.stdout.splitlines()
        assert first.startswith("1 ") and second.startswith("2 ")
        assert first[1:] == second[1:]

    def test_a_folder_that_has_gone(self, tmp_path: Path) -> None:
        text = program("""
        if LIFE == 1:
            os.mkdir("gone")
            os.chdir("gone")
            os.rmdir(os.getcwd())
        from tornadic import autoreload
        say("here")
        if LIFE == 1:
            asyncio.run(restart())
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*PYTHON, tmp_path / "app.py"], tmp_path)
        assert done.stdout == "1 here\n2 here\n", done.stderr

    def test_zip_file(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "app.zip", "w") as file:
            file.writestr("__main__.py", program(self.SHOW.replace("()", "('other')", 1)))
        (tmp_path / "other").touch()
        text = program("""
        from tornadic import autoreload
        autoreload.watch("other")
        say(sys.argv)
        if LIFE == 1:
            asyncio.run(restart("other"))
        """)
        with zipfile.ZipFile(tmp_path / "app.zip", "w") as file:
            file.writestr("__main__.py", text)
        done = call([*PYTHON, "app.zip", "x"], tmp_path)
        assert done.stderr == ""
        assert done.stdout == "1 ['app.zip', 'x']\n2 ['app.zip', 'x']\n"

    def test_options_of_the_interpreter(self, tmp_path: Path) -> None:
        text = program("""
        say(sys.flags.optimize, sys.warnoptions, sys._xoptions, sys.stdout.write_through)
        if LIFE == 1:
            asyncio.run(restart())
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*PYTHON, "-O", "-X", "mine=1", "-u", "app.py"], tmp_path)
        shown = "1 ['error'] {'mine': '1'} True"
        assert done.stdout == f"1 {shown}\n2 {shown}\n", done.stderr

    def test_program_text(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        text = program("""
        from tornadic import autoreload
        autoreload.watch("file")
        say(sys.argv)
        if LIFE == 1:
            asyncio.run(restart("file"))
        """)
        done = call([*PYTHON, "-c", text, "x"], tmp_path)
        assert done.stdout == "1 ['-c', 'x']\n2 ['-c', 'x']\n", done.stderr

    def test_what_goes_on_and_what_ends(self, tmp_path: Path) -> None:
        """The number, the environment and output; not descriptors, timers and folders."""
        text = program("""
        import logging, socket
        from tornadic import autoreload
        from tornadic.httpserver import HTTPServer
        from tornadic.netutil import bind_sockets
        from tornadic.iostream import PipeIOStream
        from tornadic.web import Application

        logging.disable()

        def descriptors():
            return sorted(int(name) for name in os.listdir("/dev/fd"))

        say(os.getpid(), os.environ.get("PYTHONPATH"), os.environ.get("MINE"), descriptors())
        os.environ["MINE"] = "set"

        async def main():
            sockets = bind_sockets(0, "127.0.0.1")
            HTTPServer(Application([])).add_sockets(sockets)
            client = socket.create_connection(sockets[0].getsockname())
            client.sendall(b"GET / HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n")
            await asyncio.to_thread(client.recv, 1)
            streams = [PipeIOStream(fd) for fd in os.pipe()]
            files = [open(__file__) for _ in range(10)]
            reader = asyncio.ensure_future(streams[0].read_bytes(1))
            os.chdir("/")
            signal.setitimer(signal.ITIMER_REAL, 2000)
            autoreload.add_reload_hook(lambda: print("hooked"))
            sys.stdout.write("not flushed\\n")
            assert len(descriptors()) > 15
            await restart()

        if LIFE == 1:
            asyncio.run(main())
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*PYTHON, "app.py"], tmp_path, {"PYTHONPATH": "/one:/two"})
        assert done.stderr == ""
        first, *rest, second = done.stdout.splitlines()
        assert rest == ["not flushed", "hooked"]
        assert first[1:].replace("None", "set") == second[1:]
        assert "/one:/two set" in second

    def test_a_module_of_the_program(self, tmp_path: Path) -> None:
        (tmp_path / "helper.py").write_text("VALUE = 'old'\n")
        text = program("""
        import helper
        say(helper.VALUE)

        async def main():
            from tornadic import autoreload
            autoreload.start(5)
            Path(helper.__file__).write_text("VALUE = 'new one'")
            await asyncio.Event().wait()

        if LIFE == 1:
            asyncio.run(main())
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*PYTHON, "app.py"], tmp_path)
        assert done.stdout == "1 old\n2 new one\n", done.stderr

    def test_wait(self, tmp_path: Path) -> None:
        text = program("""
        from tornadic import autoreload
        autoreload.watch(__file__)
        autoreload._remember_files()
        say("here")
        if LIFE == 1:
            change()
            autoreload.wait()
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*PYTHON, "app.py"], tmp_path)
        assert done.stdout == "1 here\n2 here\n", done.stderr

    def test_exec_fails(self, tmp_path: Path) -> None:
        """It goes on as it is, and says why."""
        text = program("""
        import logging
        from tornadic import autoreload

        class Failure(logging.Handler):
            def emit(self, record):
                say(record.exc_info[0].__name__)
                asyncio.get_running_loop().stop()

        logging.getLogger("tornado").addHandler(Failure())
        sys.executable = "/no/such/python"
        loop = asyncio.new_event_loop()
        loop.create_task(restart())
        loop.run_forever()
        say("still here")
        os._exit(0)
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*PYTHON, "app.py"], tmp_path)
        assert done.stdout == "1 FileNotFoundError\n1 still here\n", done.stderr


class TestAlias:
    """Programs written for Tornado come back on Tornadic."""

    APP = """
    import tornado.autoreload, tornado.web
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets

    class Handler(tornado.web.RequestHandler):
        def get(self):
            self.write(f"{LIFE} {type(self).__mro__[1].__module__} {tornado.web.__file__}")

    async def fetch(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        answer = await reader.read()
        writer.close()
        return answer.rpartition(b"\\r\\n")[2].decode()

    async def main():
        start = tornado.autoreload.start
        tornado.autoreload.start = lambda: start(5)
        app = tornado.web.Application([("/", Handler)], debug=True)
        sockets = bind_sockets(0, "127.0.0.1")
        HTTPServer(app).add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        print(await fetch(port), flush=True)
        if LIFE == 1:
            change()
            await asyncio.Event().wait()
        os._exit(0)

    asyncio.run(main())
    """

    @pytest.mark.parametrize(
        "line",
        [
            ["app.py"],
            ["-m", "app"],
            ["-m", "package"],
            ["-m", "tornado.autoreload", "app.py"],
            ["-m", "tornado.autoreload", "-m", "package"],
        ],
        ids=" ".join,
    )
    def test_debug(self, tmp_path: Path, line: list[str]) -> None:
        (tmp_path / "package").mkdir()
        for name in ("app.py", "package/__init__.py", "package/__main__.py"):
            text = "" if "__init__" in name else program(self.APP, "tornado")
            (tmp_path / name).write_text(text)
        done = call([*RUN, *line], tmp_path)
        assert done.stderr == ""
        served = f"tornado.web.handler {sys.modules['tornadic.web'].__file__}"
        assert done.stdout == f"1 {served}\n2 {served}\n"

    def test_until_success(self, tmp_path: Path) -> None:
        text = program("""
        import tornado.autoreload
        say(tornado.autoreload.main.__module__)
        if LIFE == 1:
            change()
            sys.exit(1)
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*RUN, "-m", "tornado.autoreload", "--until-success", "app.py"], tmp_path)
        assert done.stderr == ""
        assert done.stdout == "1 tornado.autoreload\n2 tornado.autoreload\n"


class TestCommandLine:
    @pytest.mark.parametrize(
        ("line", "status", "message"),
        [
            ([], 1, "no program to run"),
            (["--until-success"], 1, "no program to run"),
            (["--"], 1, "no program to run"),
            (["-m"], 2, "-m needs the name of a module"),
            (["--until-success", "-m"], 2, "-m needs the name of a module"),
            (["--no-such-option", "app.py"], 2, "unknown option '--no-such-option'"),
        ],
    )
    def test_makes_no_sense(
        self,
        line: list[str],
        status: int,
        message: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["autoreload", *line])
        with pytest.raises(SystemExit) as caught:
            autoreload.main()
        assert caught.value.code == status
        output = capsys.readouterr()
        assert output.err.startswith(f"python -m tornadic.autoreload: {message}\n\nusage: ")
        assert output.out == ""

    @pytest.mark.parametrize("option", ["-h", "--help"])
    def test_help(
        self, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["autoreload", option])
        with pytest.raises(SystemExit) as caught:
            autoreload.main()
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith("usage: python -m tornadic.autoreload ")

    @pytest.mark.parametrize(
        ("line", "parsed"),
        [
            (["app.py"], (False, False, ["app.py"])),
            (
                ["app.py", "-m", "--until-success"],
                (False, False, ["app.py", "-m", "--until-success"]),
            ),
            (["--until-success", "app.py", "-h"], (True, False, ["app.py", "-h"])),
            (["--", "-odd.py", "x"], (False, False, ["-odd.py", "x"])),
            (["-m", "package", "-h"], (False, True, ["package", "-h"])),
            (["-mpackage", "x"], (False, True, ["package", "x"])),
            (["-m", "package", "--until-success", "x"], (True, True, ["package", "x"])),
            (["-m", "package", "--until-success", "-x"], (True, True, ["package", "-x"])),
            (["--until-success", "-m", "package", "-m"], (True, True, ["package", "-m"])),
            (
                ["-m", "package", "x", "--until-success"],
                (False, True, ["package", "x", "--until-success"]),
            ),
        ],
    )
    def test_parsed(self, line: list[str], parsed: tuple[bool, bool, list[str]]) -> None:
        assert autoreload._parse(line) == parsed


class TestWrapper:
    """``python -m tornadic.autoreload``."""

    def test_until_success(self, tmp_path: Path) -> None:
        text = program("""
        say(sys.argv)
        if LIFE < 4:
            change()
            sys.exit({1: 3, 2: "words", 3: True}[LIFE])
        sys.exit(0)
        """)
        (tmp_path / "app.py").write_text(text)
        done = call([*WRAPPER, "--until-success", "app.py", "x"], tmp_path)
        assert done.returncode == 0
        assert done.stderr == "words\n"
        assert done.stdout == "".join(f"{life} ['app.py', 'x']\n" for life in (1, 2, 3, 4))

    @pytest.mark.parametrize("ending", ["", "sys.exit()", "sys.exit(0)"])
    def test_success(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / "app.py").write_text(f"import sys\nprint('once')\n{ending}")
        done = call([*WRAPPER, "--until-success", "app.py"], tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")

    SHOW = """
    say(__name__, sys.modules["__main__"].__dict__ is globals(), __spec__ and __spec__.name)
    say(sys.argv, sys.path[0])
    if LIFE == 1:
        change()
        sys.exit(1)
    """

    @pytest.mark.parametrize(
        "line",
        [
            ["deep/the script.py", "x"],
            ["deep/package", "x"],
            ["-m", "deep.package", "x"],
            ["-m", "deep.module", "x"],
        ],
        ids=["script", "folder", "package", "module"],
    )
    def test_as_python_would(self, tmp_path: Path, line: list[str]) -> None:
        (tmp_path / "deep" / "package").mkdir(parents=True)
        for name in ("package/__init__.py", "__init__.py"):
            (tmp_path / "deep" / name).touch()
        for name in ("the script.py", "module.py", "package/__main__.py"):
            (tmp_path / "deep" / name).write_text(program(self.SHOW))
        # What is on the path is written there as it is given.
        line = [str(tmp_path / word) if word == "deep/package" else word for word in line]
        by_us = call([*WRAPPER, "--until-success", *line], tmp_path)
        by_python = call([*PYTHON, *line], tmp_path, {"LIFE": "2"})
        assert by_us.stderr == by_python.stderr == ""
        assert by_us.stdout == by_python.stdout.replace("2 ", "1 ") + by_python.stdout

    def test_both_folders_are_on_the_path(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "beside.py").touch()
        (tmp_path / "above.py").touch()
        (tmp_path / "deep" / "app.py").write_text("import above, beside")
        done = call([*WRAPPER, "--until-success", "deep/app.py"], tmp_path)
        assert (done.returncode, done.stderr) == (0, "")

    def test_safe_path(self, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text("import sys; print(sys.path)")
        command = [PYTHON[0], "-P", *PYTHON[1:], "-m", "tornadic.autoreload", "--until-success"]
        done = call([*command, "app.py"], tmp_path)
        assert str(tmp_path) not in done.stdout
        assert done.stdout.startswith("["), done.stderr

    def test_error(self, tmp_path: Path, start_child: Callable[..., Child]) -> None:
        (tmp_path / "app.py").write_text("import sys\ndef f():\n    1 / 0\nf()\n")
        child = start_child(*QUICK_WRAPPER, "--until-success", "app.py")
        child.read("ZeroDivisionError: division by zero\n")
        lines = child.text.decode().splitlines()
        assert lines[:2] == [
            "Script exited with uncaught exception",
            "Traceback (most recent call last):",
        ]
        # Of our frames, and runpy's, there is nothing to see.
        assert lines[2].endswith('app.py", line 4, in <module>')
        put(tmp_path / "app.py", "print('mended')")
        assert child.end() == 0
        assert child.text.endswith(b"mended\n")

    @pytest.mark.parametrize("line", [["app.py"], ["-m", "app"], ["-m", "package"]], ids=" ".join)
    def test_syntax_error(
        self, tmp_path: Path, start_child: Callable[..., Child], line: list[str]
    ) -> None:
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "__init__.py").touch()
        paths = [tmp_path / "app.py", tmp_path / "package" / "__main__.py"]
        for path in paths:
            path.write_text("x = = 1\n")
        child = start_child(*QUICK_WRAPPER, "--until-success", *line)
        child.read("SyntaxError: invalid syntax\n")
        for path in paths:
            put(path, "print('mended')")
        assert child.end() == 0
        assert child.text.endswith(b"mended\n")

    @pytest.mark.parametrize(
        "broken",
        [
            "x = = 1\n",
            "x = '\udcff'\n",
            "import no_such_module\n",
            "import asyncio\nraise asyncio.CancelledError\n",
        ],
        ids=["syntax", "encoding", "import", "cancelled"],
    )
    def test_a_broken_module(
        self, tmp_path: Path, start_child: Callable[..., Child], broken: str
    ) -> None:
        (tmp_path / "app.py").write_text("import package.helper\n")
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "__init__.py").touch()
        helper = tmp_path / "package" / "helper.py"
        helper.write_text(broken, errors="surrogateescape")
        child = start_child(*QUICK_WRAPPER, "--until-success", "app.py")
        child.read("Error")
        put(helper, "print('mended')")
        assert child.end() == 0
        assert child.text.endswith(b"mended\n")

    def test_an_error_that_led_to_the_error(
        self, tmp_path: Path, start_child: Callable[..., Child]
    ) -> None:
        text = "try:\n import helper\nexcept SyntaxError:\n raise RuntimeError('no helper')\n"
        (tmp_path / "app.py").write_text(text)
        (tmp_path / "helper.py").write_text("x = = 1\n")
        child = start_child(*QUICK_WRAPPER, "--until-success", "app.py")
        child.read("RuntimeError: no helper\n")
        put(tmp_path / "helper.py", "print('mended')")
        assert child.end() == 0

    @pytest.mark.parametrize(
        ("line", "path"),
        [
            (["app.py"], "app.py"),
            (["folder"], "folder/__main__.py"),
            (["-m", "app"], "app.py"),
            (["-m", "package"], "package/__main__.py"),
            (["-m", "package.module"], "package/module.py"),
        ],
        ids=" ".join,
    )
    def test_not_there_yet(
        self, tmp_path: Path, start_child: Callable[..., Child], line: list[str], path: str
    ) -> None:
        for name in ("folder", "package"):
            (tmp_path / name).mkdir()
        (tmp_path / "package" / "__init__.py").touch()
        child = start_child(*QUICK_WRAPPER, "--until-success", *line)
        child.read("Error")
        put(tmp_path / path, "print('here')")
        assert child.end() == 0
        assert child.text.endswith(b"here\n")

    def test_a_module_that_the_program_has_loaded(
        self, tmp_path: Path, start_child: Callable[..., Child]
    ) -> None:
        put(tmp_path / "helper.py", "print('old')")
        (tmp_path / "app.py").write_text("import helper")
        child = start_child(*QUICK_WRAPPER, "app.py")
        child.read("old\n")
        child.change_until(tmp_path / "helper.py", "print('new')\n", "new\n")

    def test_a_program_that_watches_itself(self, tmp_path: Path) -> None:
        """On its restart the wrapper is there again, and catches what is broken then."""
        text = program("""
        from tornadic import autoreload
        say("started")
        if LIFE == 1:
            HERE.write_text("raise SystemExit(print('second life'))")
            asyncio.run(restart())
        """)
        (tmp_path / "app.py").write_text(text.replace("restart())", "restart(__file__))"))
        done = call([*WRAPPER, "--until-success", "app.py"], tmp_path)
        assert done.stdout == "1 started\nsecond life\n", done.stderr

    def test_interrupted(self, tmp_path: Path, start_child: Callable[..., Child]) -> None:
        text = """
        import atexit, signal
        signal.signal(signal.SIGINT, lambda *_: print("the program's handler"))
        atexit.register(print, "at exit", flush=True)
        print("ready", flush=True)
        """
        (tmp_path / "app.py").write_text(textwrap.dedent(text) + SAY_WHEN_WAITING)
        child = start_child(*QUICK_WRAPPER, "app.py")
        child.read("waiting\n")
        child.process.send_signal(signal.SIGINT)
        assert child.end() == 130
        assert child.text == b"ready\nwaiting\nat exit\n"

    def test_terminated(self, tmp_path: Path, start_child: Callable[..., Child]) -> None:
        text = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('handler'))\n"
        (tmp_path / "app.py").write_text(text + SAY_WHEN_WAITING)
        child = start_child(*QUICK_WRAPPER, "app.py")
        child.read("waiting\n")
        child.process.terminate()
        assert child.end() == -signal.SIGTERM
        assert child.text == b"waiting\n"

    def test_ignored_signals_stay_ignored(
        self, tmp_path: Path, start_child: Callable[..., Child]
    ) -> None:
        text = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        (tmp_path / "app.py").write_text(text + SAY_WHEN_WAITING)
        child = start_child(*QUICK_WRAPPER, "app.py")
        child.read("waiting\n")
        child.process.send_signal(signal.SIGINT)
        child.process.send_signal(signal.SIGTERM)
        assert child.end() == -signal.SIGTERM


# The first sleep of the wrapper is told.
SAY_WHEN_WAITING = """
import time
from tornadic import autoreload
class Time:
    def sleep(self, seconds):
        print("waiting", flush=True)
        time.sleep(1000)
autoreload.time = Time()
"""
