"""The rounds: which server is measured when, and what is kept of it.

Servers take turns (A B C, A B C, ...), each time in a fresh process, so that a machine that
slows down for a while slows all of them, and the luck of one process's memory layout does not
stay with one server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.load import IdleConnections, Load, expect_body, same_requests
from benchmarks.measure import Cores, Sample, ServerProcess, allow_open_files, measure
from benchmarks.scenarios import (
    HELLO,
    ROUTE_SCALINGS,
    ROUTES,
    RequestScenario,
    RouteScaling,
    browser_request,
    hello_requests,
    unique_requests,
)
from benchmarks.servers import Server

# Connections that are warmed up before memory is first read.
WARM_CONNECTIONS = 8
# Open files besides the idle connections: the generator's sockets, pipes, the standard streams.
SPARE_FILES = 200

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often to measure.

    `seconds` is one measured window, `warm_seconds` the load before it; `idle` the number of
    connections left open; `long_seconds` the load between the two windows of the long run.
    `operations` and `fetches` are how much a program does that measures itself.
    """

    rounds: int
    seconds: float
    warm_seconds: float
    scaling_rounds: int
    idle: int
    long_seconds: float
    connections: int = 64
    pipeline: int = 1
    operations: int = 100_000
    fetches: int = 20_000


@dataclass(slots=True)
class Ratio:
    """A cost before and after something grew, in rounds: CPU µs for a request each time."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    note: str = ""


def run_requests(
    scenario: RequestScenario, servers: Sequence[Server], plan: Plan, cores: Cores, report: Report
) -> dict[str, list[Sample]]:
    """The samples of every server, one for each round.  Raises LoadError and MeasureError."""
    samples: dict[str, list[Sample]] = {server.name: [] for server in servers}
    for number in range(plan.rounds):
        for server in servers:
            report(f"{scenario.name}: round {number + 1} of {plan.rounds}, {server.name}")
            with (
                ServerProcess(server, scenario.app, core=cores.server) as process,
                Load(
                    process.port,
                    scenario.requests(),
                    scenario.check,
                    connections=plan.connections,
                    pipeline=plan.pipeline,
                    wire=scenario.wire,
                ) as load,
            ):
                load.run(plan.warm_seconds)
                samples[server.name].append(measure(process, load, plan.seconds))
    return samples


def run_memory(
    servers: Sequence[Server], plan: Plan, cores: Cores, report: Report
) -> dict[str, float]:
    """Resident bytes for each idle connection, by server.  Raises LoadError and MeasureError."""
    allow_open_files(plan.idle + SPARE_FILES)
    request = browser_request("/")
    found = {}
    for server in servers:
        report(f"memory: {server.name}")
        with (
            ServerProcess(server, "hello", core=cores.server) as process,
            Load(
                process.port, hello_requests(), expect_body(HELLO), connections=WARM_CONNECTIONS
            ) as load,
        ):
            load.run(plan.warm_seconds)
            before = process.resident_bytes()
            with IdleConnections(process.port, request, plan.idle) as idle:
                grown = process.resident_bytes() - before
                idle.require_open()
        found[server.name] = grown / plan.idle
    return found


def run_scaling(
    servers: Sequence[Server], plan: Plan, cores: Cores, report: Report
) -> dict[str, dict[str, Ratio]]:
    """The growing costs, by what grows and then by server.  Raises LoadError and MeasureError."""
    allow_open_files(plan.idle + SPARE_FILES)
    ratios: dict[str, dict[str, Ratio]] = {}
    for number in range(plan.scaling_rounds):
        for server in servers:
            report(f"scaling: round {number + 1} of {plan.scaling_rounds}, {server.name}")
            for scaling in ROUTE_SCALINGS:
                name = f"{ROUTES:,} {scaling.name}"
                ratio = ratios.setdefault(name, {}).setdefault(server.name, Ratio())
                ratio.before.append(_route_cost(server, scaling, 1, plan, cores))
                ratio.after.append(_route_cost(server, scaling, ROUTES, plan, cores))
            by_server = ratios.setdefault(f"{plan.idle:,} idle connections", {})
            _idle_cost(server, by_server.setdefault(server.name, Ratio()), plan, cores)
            by_server = ratios.setdefault("many unlike requests before", {})
            _long_cost(server, by_server.setdefault(server.name, Ratio()), plan, cores)
    return ratios


def _route_cost(
    server: Server, scaling: RouteScaling, routes: int, plan: Plan, cores: Cores
) -> float:
    requests = same_requests(browser_request(scaling.path))
    with (
        ServerProcess(server, scaling.app, routes=routes, core=cores.server) as process,
        Load(process.port, requests, expect_body(HELLO), connections=plan.connections) as load,
    ):
        load.run(plan.warm_seconds)
        return measure(process, load, plan.seconds).cpu_us


def _idle_cost(server: Server, ratio: Ratio, plan: Plan, cores: Cores) -> None:
    with (
        ServerProcess(server, "hello", core=cores.server) as process,
        Load(
            process.port, hello_requests(), expect_body(HELLO), connections=plan.connections
        ) as load,
    ):
        load.run(plan.warm_seconds)
        before = measure(process, load, plan.seconds)
        with IdleConnections(process.port, browser_request("/"), plan.idle) as idle:
            after = measure(process, load, plan.seconds)
            idle.require_open()
    ratio.before.append(before.cpu_us)
    ratio.after.append(after.cpu_us)


def _long_cost(server: Server, ratio: Ratio, plan: Plan, cores: Cores) -> None:
    """No two requests alike, so that whatever is remembered of them piles up."""
    with (
        ServerProcess(server, "unique", core=cores.server) as process,
        Load(
            process.port, unique_requests(), expect_body(HELLO), connections=plan.connections
        ) as load,
    ):
        load.run(plan.warm_seconds)
        before = measure(process, load, plan.seconds)
        resident = process.resident_bytes()
        between = load.run(plan.long_seconds)
        after = measure(process, load, plan.seconds)
        grown = process.resident_bytes() - resident
    ratio.before.append(before.cpu_us)
    ratio.after.append(after.cpu_us)
    requests = between.requests + after.requests
    ratio.note = f"{requests:,} requests between, memory {grown / 2**20:+.1f} MiB"


def profile(
    scenario: RequestScenario, server: Server, plan: Plan, cores: Cores, report: Report
) -> str:
    """The profile of one server under the scenario's load, as text."""
    report(f"profile: {scenario.name}, {server.name}")
    with ServerProcess(server, scenario.app, core=cores.server, profile=True) as process:
        with Load(
            process.port,
            scenario.requests(),
            scenario.check,
            connections=plan.connections,
            pipeline=plan.pipeline,
            wire=scenario.wire,
        ) as load:
            result = load.run(plan.seconds)
        printed = process.finish()
    return f"{result.requests:,} {scenario.unit}s under cProfile\n{printed}"
