"""The environment that Tornado's tests run in: a virtual environment, made when it is missing.

It has what Tornado's tests use if they find it, Tornado's files in a folder apart, and a ``.pth``
file that runs `tornadic_suite_startup` in each Python that starts there.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OPTIONAL", "TORNADO", "Environment", "prepare"]

TORNADO = "6.6.1"
OPTIONAL = ("hypothesis", "pycares", "pycurl", "twisted", "asyncmy", "redis", "wtforms")
"""Without them the tests that need them are skipped."""

ROOT = Path(__file__).resolve().parent.parent.parent
STARTUP = Path(__file__).resolve().parent / "startup"


@dataclass(frozen=True)
class Environment:
    """Where things are in it."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def tornado(self) -> Path:
        """The folder that holds the ``tornado`` folder of the wheel."""
        return self.folder / f"tornado-{TORNADO}"


def prepare(folder: Path) -> Environment:
    """Make the environment in ``folder``, unless it is there; return it.

    Raises `subprocess.CalledProcessError` if Tornado cannot be had, `LookupError` if ``folder`` is
    something else.
    """
    environment = Environment(folder.resolve())
    stamp = environment.folder / f".prepared-{TORNADO}"
    if not stamp.exists():
        print(f"preparing {folder}, with Tornado {TORNADO}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(environment.python), "-m", "pip", "install", "--quiet"]
        pip.append("--disable-pip-version-check")
        apart = ["--no-deps", "--upgrade", "--target", str(environment.tornado)]
        subprocess.run([*pip, *apart, f"tornado=={TORNADO}"], check=True)
        for package in OPTIONAL:
            # One by one: some have no wheel for every machine, nor anything to be built with.
            done = subprocess.run([*pip, package], capture_output=True)
            if done.returncode:
                print(f"{package} cannot be had here; its tests are left out", flush=True)
        stamp.touch()
    write_startup(environment)
    return environment


def write_startup(environment: Environment) -> None:
    """Have each Python of the environment start with the alias.

    Raises `LookupError` if the environment has not one folder for packages.
    """
    # Not asked of the Python in there: the answer may be a folder of the one it was made from.
    folders = list(environment.folder.glob("lib/python3.*/site-packages"))
    if len(folders) != 1:
        raise LookupError(f"{environment.folder} is no virtual environment")
    lines = [
        str(ROOT / "src"),
        str(ROOT),  # for `child`
        str(STARTUP),
        f"import tornadic_suite_startup as s; s.start({str(environment.tornado)!r})",
    ]
    (folders[0] / "tornadic_suite.pth").write_text("\n".join(lines) + "\n", "utf-8")
