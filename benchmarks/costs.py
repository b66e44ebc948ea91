"""What is not a request and its answer: bulk transfers, uploads, coroutines, locks and clients.

A scenario here has cases, and each case costs some CPU time for each of its units (an await, a
megabyte).  The peers take turns within a round, each time in a fresh process.  What runs in that
process is a server of `benchmarks.servers` behind a raw socket, or a program of
`benchmarks.programs` that measures itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.files import static_folder
from benchmarks.measure import (
    ROOT,
    Cores,
    MeasureError,
    Sample,
    ServerProcess,
    allow_open_files,
    busy_seconds,
    measure,
    share_of_others,
)
from benchmarks.nginx import Nginx
from benchmarks.runs import SPARE_FILES, WARM_CONNECTIONS, Plan, Report
from benchmarks.scenarios import TORNADO_LIKE, WEBSOCKET_APP, Target
from benchmarks.servers import SEARCH_PATH, Server, installed
from benchmarks.sockets import Echoes, Hearers, Idle
from benchmarks.transfers import Download, FromServer, ToServer, Transfer, Upload

# A program that takes longer hangs: the slowest takes some seconds on a slow machine.
PROGRAM_TIMEOUT_SECONDS = 120.0
# Of a page there is one for so many operations.
PAGE_SHARE = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """One measurement of one peer: CPU time for each unit, and how many units a second.

    `busy` is the share of the time in which it had its core, `others` the share of all cores that
    went to anybody but peer and generator.  `peak_bytes` is the most memory it had, less what it
    had before the first unit; None where nobody asked.
    """

    cpu_us: float
    per_second: float
    busy: float
    others: float
    units: int
    peak_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a scenario for every peer.

    `app` is the application or the program's function.  `targets` bound the ratio of Tornadic's
    cost to that of the peers they name, `rates` that of the units a second.  A program does `times`
    what the plan says.
    """

    name: str
    app: str
    targets: tuple[tuple[str, Target], ...] = ()
    times: int = 1
    rates: tuple[tuple[str, Target], ...] = ()


Measure = Callable[[Case, Server, Plan, Cores], Cost]


@dataclass(frozen=True, slots=True)
class CostScenario:
    """Cases with one unit and one way to measure them.

    `modules` are what Tornado-like peers need beyond the rest; `needs` is a command that must be
    there, empty for none; `labels` are the peers that are called otherwise here, by name.
    """

    name: str
    title: str
    unit: str
    peers: tuple[str, ...]
    measure: Measure
    cases: tuple[Case, ...]
    modules: tuple[str, ...] = ()
    needs: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def label(self, server: Server) -> str:
        """What this peer is called here."""
        return dict(self.labels).get(server.name, server.label)

    def missing(self, server: Server) -> str | None:
        """What this peer lacks for this scenario, or None."""
        if server.name not in TORNADO_LIKE:
            return None
        names = (f"{server.name}.{module}" for module in self.modules)
        return next((name for name in names if not installed(name)), None)

    def missing_command(self) -> str | None:
        """The command that is not there, or None."""
        there = not self.needs or shutil.which(self.needs, path=SEARCH_PATH)
        return None if there else self.needs


def run_costs(
    scenario: CostScenario, servers: Sequence[Server], plan: Plan, cores: Cores, report: Report
) -> dict[str, dict[str, list[Cost]]]:
    """The costs by case and peer, one for each round.  Raises LoadError and MeasureError."""
    costs: dict[str, dict[str, list[Cost]]] = {}
    for case in scenario.cases:
        by_peer: dict[str, list[Cost]] = {server.name: [] for server in servers}
        costs[case.name] = by_peer
        for number in range(plan.rounds):
            for server in servers:
                report(
                    f"{scenario.name}, {case.name}: "
                    f"round {number + 1} of {plan.rounds}, {server.name}"
                )
                by_peer[server.name].append(scenario.measure(case, server, plan, cores))
    return costs


def _transfer(kind: type[Transfer], case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    with ServerProcess(server, case.app, core=cores.server) as process:
        before = process.resident_bytes()
        process.forget_peak()
        with kind(process.port) as transfer:
            transfer.run(plan.warm_seconds)
            sample = measure(process, transfer, plan.seconds)
        peak = process.peak_bytes() - before
    return replace(_cost_of(sample), peak_bytes=peak)


def _cost_of(sample: Sample) -> Cost:
    return Cost(
        cpu_us=sample.cpu_us,
        per_second=sample.requests_per_second,
        busy=sample.busy,
        others=sample.others,
        units=sample.requests,
    )


def measure_bulk(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """A transfer over a bare stream; a unit is a MiB."""
    kind = FromServer if case.app.startswith("send") else ToServer
    return replace(_transfer(kind, case, server, plan, cores), peak_bytes=None)


def measure_upload(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """An upload to an HTTP server, with the memory it took; a unit is a MiB."""
    return _transfer(Upload, case, server, plan, cores)


def measure_download(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """GETs of the large static file; a unit is a MiB."""
    if server.command != "nginx":
        return replace(_transfer(Download, case, server, plan, cores), peak_bytes=None)
    with Nginx(static_folder(), cores.server) as nginx, Download(nginx.port) as transfer:
        transfer.run(plan.warm_seconds)
        return _cost_of(measure(nginx, transfer, plan.seconds))


def measure_websocket(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """Messages of a WebSocket: echoed, or sent to many; a unit is a message that is received."""
    kind, _, number = case.app.partition(".")
    with ServerProcess(server, WEBSOCKET_APP, core=cores.server) as process:
        if kind == "echo":
            load: Echoes | Hearers = Echoes(process.port, int(number), plan.connections)
        else:
            allow_open_files(int(number) + SPARE_FILES)
            load = Hearers(process.port, int(number))
        with load:
            load.run(plan.warm_seconds)
            sample = measure(process, load, plan.seconds)
    return Cost(
        cpu_us=sample.cpu_us,
        per_second=sample.requests_per_second,
        busy=sample.busy,
        others=sample.others,
        units=sample.requests,
    )


def measure_openings(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """WebSockets that are opened, one after another, and then left alone; a unit is one of them.

    The memory is what all of them together have taken.
    """
    allow_open_files(plan.idle + SPARE_FILES)
    with (
        ServerProcess(server, WEBSOCKET_APP, core=cores.server) as process,
        Idle(process.port, WARM_CONNECTIONS),
    ):
        before, used, taken = process.resident_bytes(), process.cpu_seconds(), busy_seconds()
        wall = time.perf_counter()
        with Idle(process.port, plan.idle) as idle:
            wall, used = time.perf_counter() - wall, process.cpu_seconds() - used
            taken = busy_seconds() - taken
            grown = process.resident_bytes() - before
            idle.require_open()
    return Cost(
        cpu_us=used / plan.idle * 1e6,
        per_second=plan.idle / wall,
        busy=used / wall,
        others=share_of_others(taken - used - wall, wall),
        units=plan.idle,
        peak_bytes=max(grown, 0),
    )


def measure_operations(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """A program that works for itself; a unit is one operation."""
    return run_program(case.app, server, plan.operations * case.times, cores)


def measure_pages(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """A program that renders pages, each of which takes longer than an operation."""
    return run_program(case.app, server, plan.operations * case.times // PAGE_SHARE, cores)


def measure_client(case: Case, server: Server, plan: Plan, cores: Cores) -> Cost:
    """A program that fetches from nginx, which runs on the generator's core."""
    with Nginx() as nginx:
        return run_program(case.app, server, plan.fetches * case.times, cores, nginx.port)


def run_program(app: str, server: Server, count: int, cores: Cores, port: int = 0) -> Cost:
    """One run of `module.function` of `benchmarks.programs`, `count` units of it.

    Raises MeasureError when it fails; its own words are on standard error by then.
    """
    command = [sys.executable, "-m", "benchmarks.programs", server.name, app]
    command += [f"--count={count}", f"--core={cores.server}", f"--port={port}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
            timeout=PROGRAM_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasureError(f"{server.name}, {app}: does not end") from error
    if done.returncode:
        raise MeasureError(f"{server.name}, {app}: ended with status {done.returncode}")
    used = json.loads(done.stdout)
    cpu, wall = used["cpu_seconds"], used["wall_seconds"]
    return Cost(
        cpu_us=cpu / count * 1e6,
        per_second=count / wall,
        busy=cpu / wall,
        others=share_of_others(used["taken_seconds"] - cpu, wall),
        units=count,
    )
