"""One program: `python -m benchmarks.programs PEER MODULE.FUNCTION --count N [options]`.

A tenth of the work warms it up.  Then it is measured by the process's CPU clock, which counts all
threads, and by the wall clock; both are printed as JSON, with the time of all cores meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable

from benchmarks.measure import busy_seconds
from benchmarks.servers import SERVERS

Program = Callable[[int, int], Awaitable[None]]
WARM_UP_SHARE = 10
# A program that hangs ends itself, even if nobody is left to end it.
LIFETIME_SECONDS = 150


async def _measure(program: Program, count: int, port: int) -> dict[str, float]:
    await program(max(1, count // WARM_UP_SHARE), port)
    taken, wall, cpu = busy_seconds(), time.perf_counter(), time.process_time()
    await program(count, port)
    return {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "taken_seconds": busy_seconds() - taken,
    }


def main() -> None:
    """Parse the command line, run the program, print what it used."""
    parser = argparse.ArgumentParser(prog="benchmarks.programs")
    parser.add_argument("peer", choices=SERVERS)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    signal.alarm(LIFETIME_SECONDS)
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    os.environ["BENCH_PACKAGE"] = options.peer
    module, _, function = options.program.partition(".")
    program = getattr(importlib.import_module(f"benchmarks.programs.{module}"), function)
    print(json.dumps(asyncio.run(_measure(program, options.count, options.port))))


if __name__ == "__main__":
    main()
