"""The essentials on uvloop; ``make test ARGS='--uvloop tests/iostream'`` tries others on it."""

from __future__ import annotations

import subprocess
import sys

import pytest

ESSENTIALS = [
    "tests/iostream/test_resumed.py",
    "tests/iostream/test_watcher.py",
    "tests/test_gen.py",
    "tests/test_ioloop.py",
    "tests/test_tcpserver.py",
]


def test_essentials(request: pytest.FixtureRequest) -> None:
    pytest.importorskip("uvloop")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--uvloop"]
    result = subprocess.run(
        [*command, *ESSENTIALS],
        cwd=request.config.rootpath,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
