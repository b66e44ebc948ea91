"""A server in a process of its own, and what the kernel says that it used.

CPU time comes from the process's CPU clock (user and system time of all its threads, in
nanoseconds; /proc/<pid>/stat has the same sum in steps of 10 ms), memory from
/proc/<pid>/smaps_rollup, which is counted when read where the cheaper files may lag behind.
"""

from __future__ import annotations

import os
import platform
import resource
import select
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from benchmarks.load import LoadResult
from benchmarks.servers import Server

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 10.0


class MeasureError(Exception):
    """A server did not start, or ended while it was needed."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core the servers run on and the generator's, and whether these are two."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> Cores:
        """Of the cores this process may use, the last for the servers and the first for us."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(server=allowed[-1], load=allowed[0])

    @property
    def shared(self) -> bool:
        """Whether generator and server have to share one core, which spoils most figures."""
        return self.server == self.load


class ServerProcess:
    """A started server; a context manager that ends it, whatever happens.

    `app` and `routes` are those of `benchmarks.servers`; `core` binds it, None leaves it free.
    Raises MeasureError when it does not start; its own words are on standard error by then.
    """

    def __init__(
        self,
        server: Server,
        app: str,
        *,
        routes: int = 1,
        core: int | None = None,
        profile: bool = False,
    ) -> None:
        command = [
            sys.executable,
            "-m",
            "benchmarks.servers",
            server.name,
            app,
            f"--routes={routes}",
        ]
        if core is not None:
            command.append(f"--core={core}")
        if profile:
            command.append("--profile")
        self._name = server.name
        # A session of its own: Ctrl-C is for us, and we end the server.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            self.port = self._read_port()
        except BaseException:
            self.kill()
            raise

    def _read_port(self) -> int:
        output = self._process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], START_TIMEOUT_SECONDS)
        line = output.readline() if ready else b""
        if not line:
            raise MeasureError(f"{self._name} did not start")
        return int(line)

    def cpu_seconds(self) -> float:
        """User and system time it has used so far."""
        return cpu_seconds_of(self._process.pid)

    def resident_bytes(self) -> int:
        """Memory it has in RAM at this moment."""
        for line in Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        raise MeasureError(f"{self._name} has ended")

    def forget_peak(self) -> None:
        """Have `peak_bytes` begin anew, where the kernel lets us; else it counts from the start."""
        with suppress(OSError):
            Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        """The most memory it has had in RAM."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise MeasureError(f"{self._name} has ended")

    def finish(self) -> str:
        """End it in an orderly way and return what it printed (its profile).

        Raises MeasureError if it does not end.
        """
        try:
            output, _ = self._process.communicate(timeout=STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise MeasureError(f"{self._name} does not end") from error
        return output.decode()

    def kill(self) -> None:
        """End it at once; harmless when repeated."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


def cpu_seconds_of(pid: int) -> float:
    """User and system time that a process has used so far."""
    # What clock_getcpuclockid(3) returns on Linux; Python has no name for it.
    return time.clock_gettime((~pid << 3) | 2)


class Measured(Protocol):
    """What is loaded: a server of ours, or an nginx."""

    def cpu_seconds(self) -> float: ...


class Driver(Protocol):
    """What loads a server: `benchmarks.load` with requests, `benchmarks.transfers` in bulk."""

    def run(self, seconds: float) -> LoadResult: ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured window of one server.

    `cpu_us` is its CPU time for a request; `busy` the share of the window it had its core;
    `load_us` what the generator itself used for a request; `others` the share of all cores
    that this machine spent on anybody else.
    """

    cpu_us: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    busy: float
    load_us: float
    others: float
    requests: int


def busy_seconds() -> float:
    """Time that all cores together were not idle since the machine started, in steps of 10 ms."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _waiting, interrupt, soft, stolen = map(int, fields[1:9])
    ticks = user + nice + system + interrupt + soft + stolen
    return ticks / os.sysconf("SC_CLK_TCK")


def share_of_others(seconds: float, wall_seconds: float) -> float:
    """The share of all cores that `seconds` of their time are; nothing if clocks disagree."""
    return max(0.0, seconds / wall_seconds / (os.cpu_count() or 1))


def measure(process: Measured, load: Driver, seconds: float) -> Sample:
    """Load the server for `seconds` and relate what it used to what it answered.

    Every request of the window is answered within it, so nothing is cut off at either end.
    Raises benchmarks.load.LoadError.
    """
    taken = busy_seconds()
    before = process.cpu_seconds()
    result = load.run(seconds)
    used = process.cpu_seconds() - before
    taken = busy_seconds() - taken
    return Sample(
        cpu_us=used / result.requests * 1e6,
        requests_per_second=result.requests / result.wall_seconds,
        p50_ms=result.p50_seconds * 1e3,
        p99_ms=result.p99_seconds * 1e3,
        busy=used / result.wall_seconds,
        load_us=result.cpu_seconds / result.requests * 1e6,
        others=share_of_others(taken - used - result.cpu_seconds, result.wall_seconds),
        requests=result.requests,
    )


def allow_open_files(count: int) -> None:
    """Raise this process's limit of open files, and so its children's, to `count` if it is lower.

    Raises MeasureError where the hard limit forbids it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise MeasureError(f"{count} open files are needed, and the hard limit is {hard}")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": platform.release(),
        "processor": model,
        "cores": str(os.cpu_count()),
    }


def version_of(distribution: str) -> str:
    """The installed version of a distribution, or "from source" when it has no metadata."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "from source"
