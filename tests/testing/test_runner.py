"""The runner, by running it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import logging, sys, unittest
import tornadic.testing

class First(unittest.TestCase):
    def test_a(self):
        logging.getLogger("tornado.general").info("a is running")

    def test_b(self):
        print("b prints")

class Second(unittest.TestCase):
    def test_c(self):
        print("c prints")
        self.fail("c fails")

    def test_d(self):
        pass

class Waiting(unittest.TestCase):
    def test(self):
        import time
        print("waiting", flush=True)
        for _ in range(1000):
            time.sleep(0.05)  # a signal just before one is only noticed after it

def all():
    return unittest.defaultTestLoader.loadTestsFromTestCase(First)

def only_d():
    return unittest.defaultTestLoader.loadTestsFromName("__main__.Second.test_d")

if __name__ == "__main__":
    tornadic.testing.main({arguments})
    print("returned")
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return write(tmp_path)


def write(folder: Path, arguments: str = "") -> Path:
    """Write the script, with arguments for `main`."""
    path = folder / "script.py"
    path.write_text(SCRIPT.replace("{arguments}", arguments))
    return path


def run(*line: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *map(str, line)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


def test_all(script: Path) -> None:
    done = run(script)
    assert done.returncode == 0
    assert "Ran 2 tests" in done.stderr
    # Tornado's log format.
    assert "[I " in done.stderr and "a is running" in done.stderr
    assert "returned" not in done.stdout


@pytest.mark.parametrize("line", [["__main__.Second"], ["--", "__main__.Second.test_c"]])
def test_names(script: Path, line: list[str]) -> None:
    done = run(script, *line)
    assert done.returncode == 1
    assert "c fails" in done.stderr
    assert "a is running" not in done.stderr


def test_no_such_module(script: Path) -> None:
    done = run(script, "no_such_module_anywhere")
    assert done.returncode == 1
    assert "no_such_module_anywhere" in done.stderr


def test_verbose_and_quiet(script: Path) -> None:
    assert "test_a (__main__.First.test_a) ... " in run(script, "--verbose").stderr
    plain, quiet = run(script, "--logging=none").stderr, run(script, "--quiet", "--logging=none")
    assert plain.startswith("..")
    assert not quiet.stderr.startswith(".")
    assert "Ran 2 tests" in quiet.stderr


def test_failfast(script: Path) -> None:
    line = ["__main__.Second.test_c", "__main__.Second.test_d"]
    assert "Ran 2 tests" in run(script, *line).stderr
    assert "Ran 1 test" in run(script, "--failfast", *line).stderr


def test_buffer(script: Path) -> None:
    assert "b prints" in run(script).stdout
    assert "prints" not in run(script, "--buffer").stdout
    assert "c prints" in run(script, "--buffer", "__main__.Second").stdout


def test_logging_options(script: Path, tmp_path: Path) -> None:
    assert "a is running" not in run(script, "--logging=warning").stderr
    run(script, f"--log-file-prefix={tmp_path / 'log'}")
    assert "a is running" in (tmp_path / "log").read_text()


def test_help(script: Path) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    told = done.stdout + done.stderr
    for option in ("verbose", "quiet", "failfast", "catch", "buffer", "exception-on-interrupt"):
        assert f"--{option}" in told


def test_unknown_option(script: Path) -> None:
    done = run(script, "--no_such_option")
    assert done.returncode == 1
    assert "Unrecognized command line option: 'no" in done.stderr


def test_arguments_of_unittest(tmp_path: Path) -> None:
    done = run(write(tmp_path, "verbosity=2, exit=False"))
    assert "test_a (__main__.First.test_a) ... " in done.stderr
    assert "returned" in done.stdout
    assert "..." not in run(write(tmp_path, "verbosity=2"), "--quiet").stderr
    done = run(write(tmp_path, "defaultTest='only_d'"))
    assert "Ran 1 test" in done.stderr
    done = run(write(tmp_path, "argv=['name', '__main__.Second.test_d']"), "--no_such_option")
    assert done.returncode == 0
    assert "Ran 1 test" in done.stderr
    done = run(write(tmp_path, "no_such=1"))
    assert "TypeError" in done.stderr


def test_twice_in_a_process(tmp_path: Path) -> None:
    path = write(tmp_path, "exit=False), tornadic.testing.main(exit=False")
    assert run(path).stderr.count("Ran 2 tests") == 2


@pytest.mark.parametrize("package", ["tornadic", "tornado"])
def test_as_a_module(tmp_path: Path, package: str) -> None:
    write(tmp_path).rename(tmp_path / "their_tests.py")
    line = ["-m", f"{package}.testing", "their_tests.First"]
    if package == "tornado":
        line[:0] = ["-m", "tornadic", "run"]
    done = subprocess.run(
        [sys.executable, "-W", "error", *line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("option", "status", "told"),
    [
        ("--exception_on_interrupt=true", None, "KeyboardInterrupt"),
        ("--exception_on_interrupt=false", -signal.SIGINT, ""),
        ("--catch", None, "KeyboardInterrupt"),
    ],
)
def test_interrupt(script: Path, option: str, status: int | None, told: str) -> None:
    with subprocess.Popen(
        [sys.executable, script, option, "__main__.Waiting"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        if option == "--catch":
            # The first lets the running test finish, the second does not.
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.01)
        _, errors = process.communicate(timeout=50)
    if status is not None:
        assert process.returncode == status
        assert errors == ""
    else:
        assert process.returncode != 0
        assert told in errors
