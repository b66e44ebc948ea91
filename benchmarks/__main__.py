"""`python -m benchmarks`: options, the order of things, and the report."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.costs import CostScenario, run_costs
from benchmarks.floors import COST_SCENARIOS
from benchmarks.load import LoadError
from benchmarks.measure import Cores, MeasureError, machine, version_of
from benchmarks.runs import Plan, profile, run_memory, run_requests, run_scaling
from benchmarks.scenarios import (
    MEMORY_TARGET,
    REQUEST_SCENARIOS,
    SCALING_TARGETS,
    SCENARIO_NAMES,
    TORNADO_LIKE,
)
from benchmarks.servers import SERVERS, Server
from benchmarks.tables import OURS, cost_table, memory_table, request_table, scaling_table

ALL_NAMES = (*SCENARIO_NAMES, *(scenario.name for scenario in COST_SCENARIOS))

FULL = Plan(rounds=5, seconds=1.0, warm_seconds=0.3, scaling_rounds=3, idle=5000, long_seconds=4.0)
QUICK = Plan(
    rounds=2,
    seconds=0.3,
    warm_seconds=0.2,
    scaling_rounds=1,
    idle=1000,
    long_seconds=1.0,
    operations=20_000,
    fetches=2_000,
)


def _names(allowed: Sequence[str]) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in allowed:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(allowed)}")
        return names

    return parse


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; ends the process with a message if it is wrong."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Tornadic beside its peers.")
    parser.add_argument("--quick", action="store_true", help="under three minutes, rough figures")
    parser.add_argument("--rounds", type=int, help="rounds of each request scenario")
    parser.add_argument("--seconds", type=float, help="length of one measured window")
    parser.add_argument("--connections", type=int, help="busy connections (64)")
    parser.add_argument("--pipeline", type=int, help="requests sent at once on a connection (1)")
    parser.add_argument(
        "--only",
        type=_names(ALL_NAMES),
        default=list(ALL_NAMES),
        metavar="NAMES",
        help=f"scenarios, with commas: {', '.join(ALL_NAMES)}",
    )
    parser.add_argument(
        "--servers",
        type=_names(list(SERVERS)),
        default=list(SERVERS),
        metavar="NAMES",
        help=f"servers, with commas: {', '.join(SERVERS)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="instead of measuring, print a cProfile of the first of --only "
        "on Tornadic, or on the first of --servers",
    )
    options = parser.parse_args(arguments)
    for name in ("rounds", "seconds", "connections", "pipeline"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            parser.error(f"--{name} must be above 0")
    return options


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan that the options ask for."""
    names = ("rounds", "seconds", "connections", "pipeline")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.rounds is not None:
        given["scaling_rounds"] = min(options.rounds, FULL.scaling_rounds)
    return replace(QUICK if options.quick else FULL, **given)


def available(names: Sequence[str]) -> list[Server]:
    """Those of the servers that can run here; says which cannot."""
    servers = []
    for name in names:
        missing = SERVERS[name].missing()
        if missing is None:
            servers.append(SERVERS[name])
        else:
            print(f"{SERVERS[name].label}: left out, {missing} is not installed")
    return servers


def report(text: str) -> None:
    """Say on a terminal what is going on; the line is overwritten by the next."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def heading(text: str) -> None:
    """Start a section of the report."""
    report("")
    print(f"\n{text}", flush=True)


def run(options: argparse.Namespace, plan: Plan, servers: Sequence[Server], cores: Cores) -> Any:
    """Measure, print the tables, and return everything for --json."""
    found: dict[str, Any] = {}
    http = [server for server in servers if server.module]
    both = [server for server in servers if server.name in TORNADO_LIKE]
    for scenario in REQUEST_SCENARIOS:
        names = scenario.servers
        chosen = http if names is None else [s for s in servers if s.name in names]
        if scenario.name in options.only and chosen:
            samples = run_requests(scenario, chosen, plan, cores, report)
            heading(f"{scenario.name}: {scenario.title}")
            print(request_table(samples, scenario.target, scenario.unit))
            found[scenario.name] = {
                name: [asdict(sample) for sample in each] for name, each in samples.items()
            }
    if "memory" in options.only and http:
        memory = run_memory(http, plan, cores, report)
        heading(f"memory: {plan.idle:,} keep-alive connections, idle after one request each")
        print(memory_table(memory, MEMORY_TARGET))
        found["memory"] = memory
    if "scaling" in options.only and both:
        ratios = run_scaling(both, plan, cores, report)
        heading("scaling: CPU time for a request when something has grown")
        print(scaling_table(ratios, SCALING_TARGETS))
        found["scaling"] = {
            grown: {name: asdict(ratio) for name, ratio in by_server.items()}
            for grown, by_server in ratios.items()
        }
    for cost_scenario in COST_SCENARIOS:
        if cost_scenario.name in options.only:
            found.update(run_cost(cost_scenario, servers, plan, cores))
    return found


def run_cost(
    scenario: CostScenario, servers: Sequence[Server], plan: Plan, cores: Cores
) -> dict[str, Any]:
    """Measure and print one scenario; everything of it for --json, nothing if it cannot run."""
    command = scenario.missing_command()
    if command is not None:
        heading(f"{scenario.name}: left out, {command} is not installed")
        return {}
    peers = []
    for server in servers:
        missing = scenario.missing(server)
        if server.name in scenario.peers and missing is None:
            peers.append(server)
        elif server.name in scenario.peers:
            heading(f"{scenario.name}: {server.label} left out, {missing} is not installed")
    if not peers:
        return {}
    costs = run_costs(scenario, peers, plan, cores, report)
    heading(f"{scenario.name}: {scenario.title}")
    print(cost_table(scenario, costs))
    return {
        scenario.name: {
            case: {name: [asdict(cost) for cost in each] for name, each in by_peer.items()}
            for case, by_peer in costs.items()
        }
    }


def _profile(options: argparse.Namespace, plan: Plan, cores: Cores) -> None:
    names = options.servers if len(options.servers) < len(SERVERS) else [OURS]
    for server in available(names[:1]):
        scenario = next((s for s in REQUEST_SCENARIOS if s.name in options.only), None)
        if scenario is None:
            raise MeasureError("only scenarios of requests can be profiled")
        print(profile(scenario, server, plan, cores, report))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; returns the exit status: 0, or 1 when a server failed."""
    options = parse_options(arguments)
    plan = make_plan(options)
    cores = Cores.choose()
    # A plain kill has to end the servers too, so it takes the way of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.sched_setaffinity(0, {cores.load})
    started = time.monotonic()
    try:
        if options.profile:
            _profile(options, plan, cores)
            return 0
        host = machine()
        print(", ".join([host["python"], host["processor"], f"Linux {host['kernel']}"]))
        servers = available(options.servers)
        names = sorted({name for server in servers for name in server.frameworks})
        versions = {name: version_of(name) for name in names}
        if versions:
            print(", ".join(f"{name} {version}" for name, version in versions.items()))
        print(f"{plan.connections} connections, pipeline {plan.pipeline}, ", end="")
        print(f"{plan.rounds} rounds of {plan.seconds:g} s, medians")
        if cores.shared:
            print("Only one core is ours: servers and generator share it, expect rough figures.")
        found = run(options, plan, servers, cores)
    except (LoadError, MeasureError) as error:
        heading(f"stopped: {error}")
        return 1
    except KeyboardInterrupt:
        heading("stopped")
        return 130
    print(f"\n{time.monotonic() - started:.0f} s in all")
    if options.json is not None:
        everything = {"machine": host, "versions": versions, "plan": asdict(plan), "found": found}
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
