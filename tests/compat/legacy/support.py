"""Runs programs that use old forms, as their users would, and talks to them over real sockets.

A program lies in ``programs/`` and runs in a process of its own under ``tornadic run``, with every
warning shown.  One that serves prints ``port`` and the number of its port on a line of its own::

    with serving("chat.py") as server:
        assert server.fetch("/").body == b"Hello"
    assert "gen.engine" in server.warnings[0]

One that does its work and ends is for `run`.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["PROGRAMS", "Answer", "Finished", "Server", "deprecations", "run", "serving"]

PROGRAMS = Path(__file__).parent / "programs"

PATIENCE = 50.0
"""Seconds for whatever must happen, on a machine that is busy with other things."""


@dataclass
class Answer:
    """What a server answered."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Finished:
    """What became of a program that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def warnings(self) -> list[str]:
        return deprecations(self.stderr)


class Server:
    """A program that listens on ``port``; ``stderr`` and ``warnings`` are there once it ended."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.stderr = ""

    def fetch(
        self,
        path: str = "/",
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.reason, response.headers, response.read())
        finally:
            connection.close()

    @property
    def warnings(self) -> list[str]:
        return deprecations(self.stderr)


def deprecations(stderr: str) -> list[str]:
    """The warnings of the kind in ``stderr``, each as ``file.py:line text``."""
    found = re.findall(r"^(.*):(\d+): DeprecationWarning: (.*)$", stderr, re.MULTILINE)
    return [f"{os.path.basename(file)}:{line} {text}" for file, line, text in found]


@contextmanager
def serving(program: str | Path, *arguments: str) -> Iterator[Server]:
    """Start a program of `PROGRAMS`, wait until it says its port, and end it at last."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            _command(program, arguments),
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        server = Server(process, 0)
        try:
            server.port = _port_of(process, errors)
            yield server
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)
            server.stderr = _text_of(errors)


def run(program: str | Path, *arguments: str) -> Finished:
    """Run a program of `PROGRAMS` to its end."""
    finished = subprocess.run(
        _command(program, arguments),
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


def _command(program: str | Path, arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "tornadic", "run", str(PROGRAMS / program), *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "always", "PYTHONUNBUFFERED": "1"}


def _port_of(process: subprocess.Popen[str], errors: IO[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.fullmatch(r"port (\d+)\n", line):
            return int(match[1])
    process.wait(PATIENCE)
    raise AssertionError(f"the program ended with {process.returncode}: {_text_of(errors)}")


def _text_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
