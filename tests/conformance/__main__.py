"""``python -m tests.conformance``, from the project's folder: the Autobahn test suite.

It tries our WebSocket server and our client, each with compression and without; see `suite`.  The
exit status is 1 if a case fails or has no report, and 2 if the suite could not be run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.conformance.environment import prepare
from tests.conformance.reports import CaseResult, failing, table
from tests.conformance.suite import (
    CLIENT,
    ROOT,
    SERVER,
    chosen,
    list_cases,
    run_slice,
    slices,
)

__all__ = ["main"]

COMPRESSION = {"on": [True], "off": [False], "both": [True, False]}


def main(line: Sequence[str] | None = None) -> int:
    """Run what the command line asks for, print the results; return the exit status."""
    options = parse(line)
    folder = Path(options.reports).absolute()
    try:
        wstest = prepare(Path(options.venv).absolute())
        cases = chosen(list_cases(wstest, folder), options.cases.split(","))
    except (LookupError, OSError, subprocess.SubprocessError) as error:
        print(f"The Autobahn test suite cannot be run: {error}", file=sys.stderr)
        return 2
    runs = [
        (side, is_compressed)
        for side in options.side or [SERVER, CLIENT]
        for is_compressed in COMPRESSION[options.compression]
    ]
    run = partial(run_slice, wstest=wstest, folder=folder, timeout=options.timeout)
    status = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        pending = [(one, [pool.submit(run, s) for s in slices(*one, cases)]) for one in runs]
        try:
            for (side, is_compressed), futures in pending:
                results = [result for future in futures for result in future.result()]
                status |= report(side, is_compressed, results)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # begin nothing more
            raise
    print(f"\nThe suite's own reports are in {folder}")
    return status


def parse(line: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.conformance", description=__doc__)
    add = parser.add_argument
    for side in (SERVER, CLIENT):
        add(f"--{side}", dest="side", action="append_const", const=side, help=f"try our {side}")
    add("--cases", default="*", help="such as 1.*,12.3.*; all of them by default")
    add("--compression", choices=COMPRESSION, default="both", help="both by default")
    add("--jobs", type=int, default=2, help="slices of the suite at a time")
    add("--timeout", type=float, default=1800, help="seconds for a slice")
    add("--reports", default=ROOT / "build" / "conformance", help="the folder of the reports")
    add("--venv", default=ROOT / ".venv-autobahn", help="the suite's, made if it is missing")
    return parser.parse_args(line)


def report(side: str, is_compressed: bool, results: Sequence[CaseResult]) -> int:
    """Print what became of the cases of one run; return the exit status."""
    print(f"\nOur {side}, compression {'on' if is_compressed else 'off'}")
    print(table(results))
    failed = failing(results, is_compressed=is_compressed)
    for result in results:
        if result in failed or result.verdict == "NON-STRICT":
            print(f"  {result.case} {result.verdict}: {result.words}")
    sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
