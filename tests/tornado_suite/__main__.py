"""``python -m tests.tornado_suite``, from the project's folder: Tornado's tests, on Tornadic.

Tornado's wheel has its tests in it.  Each module of them runs in a process of its own, in an
environment where ``import tornado`` is Tornadic; see `environment` and `child`.  The exit status
is 1 if a test fails that is not in ``exceptions.toml``, or if too many are in there (see
`MOST_KNOWN`), and 2 if they could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.tornado_suite import api, exceptions
from tests.tornado_suite.environment import ROOT, prepare
from tests.tornado_suite.modules import ModuleResult, find_modules, run_module
from tests.tornado_suite.startup.tornadic_suite_startup import VARIABLE

__all__ = ["main"]

SHOWN_IN_FULL = 20
"""If so many fail, or fewer, their tracebacks are shown unasked."""

COLUMNS = ("run", "passed", "failed", "skipped", "differ", "known", "seconds")
"""Of those that failed: those that differ on purpose, and other known exceptions."""

MOST_KNOWN = 0.01
"""Of all that is run no more than this may be known exceptions, those aside that differ on purpose
and stand in ``docs/differences.md``."""


def main(line: Sequence[str] | None = None) -> int:
    """Run what the command line asks for, print the results; return the exit status."""
    options = parse(line)
    try:
        environment = prepare(Path(options.venv).absolute())
        names = [full_name(name) for name in options.modules]
        names = names or [api.MODULE, *find_modules(environment)]
    except (OSError, LookupError, subprocess.CalledProcessError) as error:
        print(f"Tornado's tests cannot be run: {error}", file=sys.stderr)
        return 2
    # Their time-outs are meant for a machine that has nothing else to do.
    variables = {"ASYNC_TEST_TIMEOUT": os.environ.get("ASYNC_TEST_TIMEOUT", "20")}
    if options.on_tornado:
        variables[VARIABLE] = "1"
    run = partial(run_module, environment=environment, timeout=options.timeout, variables=variables)
    print_row("", COLUMNS)  # `differ` and `known` are of those that failed
    results: list[ModuleResult] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(run, names):
            print_result(result)
            results.append(result)
    if options.json:
        write_json(Path(options.json), results)
    return summarize(results, options.verbose, is_whole=not options.modules)


def parse(line: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.tornado_suite", description=__doc__)
    add = parser.add_argument
    add("--venv", default=ROOT / ".venv-compat", help="the environment, made if it is missing")
    add("--timeout", type=float, default=180, help="seconds for a module's process")
    add("--jobs", type=int, default=1, help="modules at a time")
    add("--json", metavar="FILE", help="write all outcomes and tracebacks there")
    add("--verbose", action="store_true", help="show the tracebacks of what failed")
    add(
        "--on-tornado",
        action="store_true",
        help="run them on Tornado itself, to see what fails on this machine anyway",
    )
    add("modules", nargs="*", help="such as web_test; all of them by default")
    return parser.parse_args(line)


def full_name(module: str) -> str:
    is_full = "." in module or module == api.MODULE
    return module if is_full else f"tornado.test.{module}"


def print_row(name: str, cells: Sequence[object]) -> None:
    print(f"{name:28}" + "".join(f"{cell:>9}" for cell in cells), flush=True)


def print_result(*results: ModuleResult, name: str | None = None) -> None:
    """Print a line for one module, or for the sum of several."""
    counts = [sum(one.count(outcome) for one in results) for outcome in COLUMNS[1:4]]
    seconds = sum(one.seconds for one in results)
    name = name or results[0].name.removeprefix("tornado.test.")
    comparison = compare(results)
    known = [comparison.count(differs=True), share(comparison.count(differs=False), sum(counts))]
    print_row(name, [sum(counts), *counts, *known, f"{seconds:.1f}"])


def share(count: int, total: int) -> str:
    """A number, and which part of ``total`` that is."""
    return f"{count} {count / total:.1%}" if count else "0"


def compare(results: Sequence[ModuleResult]) -> exceptions.Comparison:
    outcomes = {test: outcome for one in results for test, outcome in one.outcomes.items()}
    return exceptions.compare(outcomes, exceptions.read())


def summarize(results: Sequence[ModuleResult], verbose: bool, is_whole: bool) -> int:
    """Print the sum, and what failed by whether that was known; return the exit status.

    ``is_whole``: whether all modules were run, so that shares say something.
    """
    print_result(*results, name="all")
    details = {test: detail for one in results for test, detail in one.details.items()}
    comparison = compare(results)
    for exception, tests in comparison.known.items():
        print(f"\nKnown: {exception.reason}")
        print_tests(tests, details if verbose else {}, verbose)
    if comparison.passing:
        print("\nThese are in the list of exceptions and pass:")
        print_tests(comparison.passing, {}, False)
    if comparison.unexpected:
        print("\nThese should not have failed:")
        few = len(comparison.unexpected) <= SHOWN_IN_FULL
        print_tests(comparison.unexpected, details, verbose or few)
    total = sum(len(one.outcomes) for one in results)
    differing, known = comparison.count(differs=True), comparison.count(differs=False)
    print(
        f"\n{total} run: {differing} differ on purpose, {share(known, total)} known exceptions "
        f"beside, {len(comparison.unexpected)} unexpected failures"
    )
    too_many = is_whole and known > MOST_KNOWN * total
    if too_many:
        print(f"More than {MOST_KNOWN:.0%} known exceptions are too many.")
    return 1 if comparison.unexpected or too_many else 0


def print_tests(tests: Sequence[str], details: dict[str, str], with_details: bool) -> None:
    for test in tests:
        print(f"  {test}")
        lines = details.get(test, "").splitlines()
        for line in lines if with_details else lines[-1:]:
            print(f"      {line}")


def write_json(path: Path, results: Sequence[ModuleResult]) -> None:
    found = {
        test: {"outcome": outcome, "detail": one.details[test]}
        for one in results
        for test, outcome in one.outcomes.items()
    }
    path.write_text(json.dumps(found, indent=1, sort_keys=True), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
