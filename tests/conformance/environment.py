"""The environment of the Autobahn test suite, which is a program for Python 2.7.

It gets a virtual environment of its own.  The Python 2.7 for it is looked for where the variable
``AUTOBAHN_PYTHON`` says; without it on the path, then among pyenv's.  Its virtualenv makes the
environment, or one that its pip installs aside.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

__all__ = ["SUITE", "VARIABLE", "find_python", "prepare"]

SUITE: Final = "autobahntestsuite==25.10.1"
"""The version that our figures are of."""

VARIABLE: Final = "AUTOBAHN_PYTHON"

INSTALL_TIMEOUT: Final = 900
"""Seconds for a download and its compiled parts: a minute on a machine of two cores."""

_ASK_VERSION: Final = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"


def prepare(folder: Path) -> Path:
    """Install the suite in ``folder``, unless it is there; return the path of its program.

    Raises `LookupError` if there is no Python for it, `subprocess.SubprocessError` if it cannot
    be installed.
    """
    program = folder / "bin" / "wstest"
    stamp = folder / f".prepared-{SUITE}"
    if not stamp.exists():
        python = find_python(os.environ)
        print(f"preparing {folder}, with {SUITE} on {python}", flush=True)
        _make_environment(python, folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        run([*pip, "--disable-pip-version-check", SUITE])
        stamp.touch()
    return program


def _make_environment(python: str, folder: Path) -> None:
    variables = dict(os.environ)
    if not _imports(python, "virtualenv"):
        aside = str(folder.with_name(f"{folder.name}-virtualenv"))
        run(
            [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--target",
                aside,
                "--upgrade",
                "virtualenv",
            ]
        )
        variables["PYTHONPATH"] = aside
    run([python, "-m", "virtualenv", "--quiet", str(folder)], variables)


def run(command: list[str], variables: Mapping[str, str] | None = None) -> None:
    subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT, env=variables)


def find_python(variables: Mapping[str, str]) -> str:
    """The Python 2.7 to use, ``variables`` being the environment's.

    Raises `LookupError` if there is none, or if the one that is named is something else.
    """
    named = variables.get(VARIABLE)
    for python in [named] if named else candidates(variables):
        if version_of(python) == "2.7" and (
            _imports(python, "virtualenv") or _imports(python, "pip")
        ):
            return python
    wanted = "Python 2.7 with virtualenv or pip"
    if named:
        raise LookupError(f"{VARIABLE} is {named!r}, and that is no {wanted}")
    raise LookupError(
        f"{SUITE} needs a {wanted}. None is on the path or among pyenv's; "
        f"name one by {VARIABLE}=/path/to/python2.7"
    )


def candidates(variables: Mapping[str, str]) -> Iterator[str]:
    # All of the path: the first may be a shim of pyenv's that finds no version chosen.
    for folder in variables.get("PATH", "").split(os.pathsep):
        if folder and (path := Path(folder, "python2.7")).exists():
            yield str(path)
    pyenv = Path(variables.get("PYENV_ROOT") or Path(variables.get("HOME", "/"), ".pyenv"))
    for path in sorted(pyenv.glob("versions/2.7*/bin/python2.7")):
        yield str(path)


def version_of(python: str) -> str | None:
    """What a Python says it is; None if it does not run."""
    done = _ask(python, _ASK_VERSION)
    return done.stdout if done is not None and done.returncode == 0 else None


def _imports(python: str, module: str) -> bool:
    done = _ask(python, f"import {module}")
    return done is not None and done.returncode == 0


def _ask(python: str, code: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
