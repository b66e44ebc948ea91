"""Runs a module of Tornado's tests in a process of its own, and says what became of each test.

A process that takes too long, or dies, costs the test that was running; a new one goes on with
those behind it.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.tornado_suite.environment import Environment

__all__ = ["ModuleResult", "find_modules", "run_module"]

CHILD = "tests.tornado_suite.child"
RESTARTS = 5
"""After so many processes that hang or die, what is left of a module is given up."""

MOST_OUTPUT = 4000


@dataclass
class ModuleResult:
    """The outcomes of a module's tests: "passed", "failed" or "skipped", and why."""

    name: str
    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    seconds: float = 0

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return Counter(self.outcomes.values())[outcome]

    def note(self, test: str, outcome: str, detail: str) -> None:
        """Take down an outcome; a test that fails in its clean-up has two, and has failed."""
        if self.outcomes.get(test) != "failed":
            self.outcomes[test] = outcome
            self.details[test] = detail


def find_modules(environment: Environment) -> list[str]:
    """The names that Tornado's own runner has in its list, which is read and not run."""
    source = environment.tornado / "tornado" / "test" / "runtests.py"
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TEST_MODULES":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise LookupError(f"{source} has no list of modules")


def run_module(
    name: str, environment: Environment, timeout: float, variables: Mapping[str, str]
) -> ModuleResult:
    """Run module ``name`` with ``timeout`` seconds for each process.

    ``variables`` are put into the environment of the processes.
    """
    began = time.monotonic()
    result = ModuleResult(name)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory(prefix="tornado-suite-") as folder:
        path = Path(folder) / "events"
        for _ in range(1 + RESTARTS):
            path.write_text("")
            end = _run_child(name, path, environment, timeout, {**inherited, **variables}, result)
            running = _read_events(path, result)
            if end is None:
                break
            # If none was running, it failed before the first or after the last.
            result.note(running or name, "failed", end)
            if running is None:
                break
        else:
            result.note(name, "failed", f"given up after {RESTARTS + 1} processes")
    result.seconds = time.monotonic() - began
    return result


def _run_child(
    name: str,
    events: Path,
    environment: Environment,
    timeout: float,
    variables: Mapping[str, str],
    so_far: ModuleResult,
) -> str | None:
    """Run one process; return how it ended if not well."""
    process = subprocess.Popen(
        [environment.python, "-W", "default", "-m", CHILD, name, events],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=variables,
        cwd=events.parent,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    done = json.dumps(sorted(so_far.outcomes))
    try:
        output, _ = process.communicate(done, timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        output, _ = process.communicate()
        return f"took longer than {timeout:g} seconds\n{output[-MOST_OUTPUT:]}"
    finally:
        _end(process)
    if process.returncode:
        return f"died with status {process.returncode}\n{output[-MOST_OUTPUT:]}"
    return None


def _end(process: subprocess.Popen[str]) -> None:
    """End the process with all that it has started: it leads a group of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _read_events(path: Path, result: ModuleResult) -> str | None:
    """Take down what the process wrote; return the test that had not ended."""
    running: str | None = None
    complete = False
    for line in path.read_text("utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut short with the process
        if "begins" in event:
            running = event["begins"]
        elif "outcome" in event:
            result.note(event["id"], event["outcome"], event["detail"])
            running = None if event["id"] == running else running
        else:
            complete = True
    return None if complete else running
