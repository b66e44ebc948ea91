"""Running the suite: a slice of its cases at a time, against our server or our client.

Each slice has processes and a folder of its own, so that several can run at a time and one that
hangs takes no other along.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Final

from tests.conformance.client import catalogue
from tests.conformance.reports import CaseResult, read_folder
from tests.services import free_port, is_listening

__all__ = ["CLIENT", "SERVER", "Slice", "chosen", "list_cases", "run_slice", "slices"]

SERVER: Final = "server"
CLIENT: Final = "client"
AGENT: Final = "tornadic"
ROOT: Final = Path(__file__).resolve().parent.parent.parent

START_TIMEOUT: Final = 60.0
"""Seconds until a process listens, on a machine that is busy."""

LONG_GROUPS: Final = {"9", "12", "13"}
"""Those that take minutes: limits, and compression with a thousand messages a case."""


@dataclass(frozen=True)
class Slice:
    """Cases that are run in one go, on which side of ours, with or without compression."""

    side: str
    is_compressed: bool
    cases: tuple[str, ...]

    @property
    def name(self) -> str:
        compression = "compressed" if self.is_compressed else "plain"
        return f"{self.side}-{compression}-{self.cases[0]}"


def chosen(cases: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Those of ``cases`` that fit one of ``patterns``, such as ``12.*``.

    Raises `LookupError` for a pattern that none fits.
    """
    for pattern in patterns:
        if not any(fnmatchcase(case, pattern) for case in cases):
            raise LookupError(f"there is no case {pattern}")
    return [case for case in cases if any(fnmatchcase(case, pattern) for pattern in patterns)]


def slices(side: str, is_compressed: bool, cases: Sequence[str]) -> list[Slice]:
    """All of ``cases`` in pieces: the long groups by their parts, the others together."""

    def key(case: str) -> str:
        parts = case.split(".")
        return ".".join(parts[:2]) if parts[0] in LONG_GROUPS else ""

    ordered = sorted(cases, key=key)  # stable; a part's cases stay in order
    return [Slice(side, is_compressed, tuple(part)) for _, part in groupby(ordered, key)]


def list_cases(wstest: Path, folder: Path) -> list[str]:
    """The names of all cases of the suite."""
    with fuzzing_server(wstest, folder, ["*"]) as url:
        return asyncio.run(catalogue(url))


def run_slice(one: Slice, wstest: Path, folder: Path, timeout: float) -> list[CaseResult]:
    """Run a slice, with its reports below ``folder``; return a result for each case.

    What is not done after ``timeout`` seconds has no report.
    """
    folder = folder / one.name
    shutil.rmtree(folder, ignore_errors=True)
    run = run_server if one.side == SERVER else run_client
    try:
        run(one, wstest, folder, timeout)
    except subprocess.TimeoutExpired:
        print(f"{one.name} has taken longer than {timeout:g} seconds", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"{one.name} failed with {error.returncode}, see {folder}/log", file=sys.stderr)
    return read_folder(folder / "reports", AGENT, one.cases)


def run_server(one: Slice, wstest: Path, folder: Path, timeout: float) -> None:
    """Have the suite's client try our server."""
    folder.mkdir(parents=True)
    with open(folder / "log", "wb") as log, started(ours(one), log, subprocess.PIPE) as server:
        assert server.stdout is not None
        url = f"ws://127.0.0.1:{int(server.stdout.readline())}"
        settings = {"servers": [{"agent": AGENT, "url": url}]}
        spec = write_spec(folder, one.cases, settings)
        command = [str(wstest), "-m", "fuzzingclient", "-s", str(spec)]
        subprocess.run(command, check=True, timeout=timeout, stdout=log, stderr=log, cwd=folder)


def run_client(one: Slice, wstest: Path, folder: Path, timeout: float) -> None:
    """Have our client go through the cases of the suite's server."""
    with fuzzing_server(wstest, folder, one.cases) as url, open(folder / "log", "ab") as log:
        command = [*ours(one), url, "--agent", AGENT]
        subprocess.run(command, check=True, timeout=timeout, stdout=log, stderr=log, cwd=ROOT)


def ours(one: Slice) -> list[str]:
    command = [sys.executable, "-m", f"tests.conformance.{one.side}"]
    return [*command, "--compress"] if one.is_compressed else command


@contextmanager
def fuzzing_server(wstest: Path, folder: Path, cases: Sequence[str]) -> Iterator[str]:
    """Run the suite's server while the block runs; gives its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    spec = write_spec(folder, cases, {"url": url})
    # 0: it would serve web pages too.
    command = [str(wstest), "-m", "fuzzingserver", "-s", str(spec), "-u", "0"]
    with open(folder / "log", "wb") as log, started(command, log, log) as server:
        wait_for(port, server)
        yield url


@contextmanager
def started(
    command: Sequence[str], log: IO[bytes], output: IO[bytes] | int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command while the block runs."""
    process = subprocess.Popen(command, stdout=output, stderr=log, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process listens; raises `subprocess.SubprocessError` if it never does."""
    end = time.monotonic() + START_TIMEOUT
    while not is_listening(port):
        if process.poll() is not None:
            raise subprocess.CalledProcessError(process.returncode, process.args)
        if time.monotonic() > end:
            raise subprocess.TimeoutExpired(process.args, START_TIMEOUT)
        time.sleep(0.05)


def write_spec(folder: Path, cases: Sequence[str], settings: dict[str, Any]) -> Path:
    """Write what the suite is to do; its reports go beside it."""
    path = folder / "spec.json"
    common = {"outdir": str(folder / "reports"), "cases": list(cases)}
    nothing: dict[str, Any] = {"exclude-cases": [], "exclude-agent-cases": {}}
    path.write_text(json.dumps({**common, **nothing, **settings}), "utf-8")
    return path
