"""The results as tables for a terminal; the first column is the one to trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.measure import Sample
from benchmarks.runs import Ratio
from benchmarks.scenarios import Target
from benchmarks.servers import SERVERS

REFERENCE, OURS = "tornado", "tornadic"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under their headings, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in (headings, ["-" * width for width in widths], *rows):
        cells = [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def median_cost(samples: Sequence[Sample]) -> float:
    """The median CPU time for a request, in µs."""
    return median(sample.cpu_us for sample in samples)


def _versus(value: float, reference: float | None) -> str:
    return f"{value / reference:.3f}" if reference else ""


def _verdict(ratio: float | None, target: Target | None) -> str:
    return f"\n{target.verdict(ratio)}" if target and ratio is not None else ""


def request_table(results: Mapping[str, Sequence[Sample]], target: Target | None) -> str:
    """The servers of one request scenario, cheapest first, and how the target stands."""
    costs = {name: median_cost(samples) for name, samples in results.items()}
    reference = costs.get(REFERENCE)
    best = {name: min(s.cpu_us for s in samples) for name, samples in results.items()}
    rows = []
    for name in sorted(costs, key=costs.__getitem__):
        samples = results[name]
        worst = max(sample.cpu_us for sample in samples)
        rows.append(
            (
                SERVERS[name].label,
                f"{costs[name]:.1f}",
                f"{best[name]:.1f}-{worst:.1f}",
                _versus(costs[name], reference),
                _versus(best[name], best.get(REFERENCE)),
                f"{median(sample.requests_per_second for sample in samples):,.0f}",
                f"{median(sample.p99_ms for sample in samples):.2f}",
                f"{median(sample.busy for sample in samples):.0%}",
                f"{median(sample.load_us for sample in samples):.1f}",
                f"{median(sample.others for sample in samples):.0%}",
            )
        )
    headings = (
        "server",
        "CPU µs/request",
        "all rounds",
        "vs Tornado",
        "best vs best",
        "requests/s",
        "p99 ms",
        "busy",
        "load µs",
        "others",
    )
    ratio = costs[OURS] / reference if reference and OURS in costs else None
    return table(headings, rows) + _verdict(ratio, target)


def memory_table(results: Mapping[str, float], target: Target | None) -> str:
    """Resident memory of an idle connection, least first; the target is in KiB."""
    reference = results.get(REFERENCE)
    rows = [
        (SERVERS[name].label, f"{results[name] / 1024:.2f}", _versus(results[name], reference))
        for name in sorted(results, key=results.__getitem__)
    ]
    ours = results[OURS] / 1024 if OURS in results else None
    return table(("server", "KiB/connection", "vs Tornado"), rows) + _verdict(ours, target)


def median_ratio(ratio: Ratio) -> float:
    """The median over the rounds of after divided by before."""
    return median(after / before for before, after in zip(ratio.before, ratio.after, strict=True))


def scaling_table(results: Mapping[str, Mapping[str, Ratio]], targets: Mapping[str, Target]) -> str:
    """What a request costs when something has grown, against what it cost before."""
    rows = []
    verdicts = ""
    for grown, by_server in results.items():
        for name, ratio in by_server.items():
            rows.append(
                (
                    grown,
                    SERVERS[name].label,
                    f"{median(ratio.before):.1f}",
                    f"{median(ratio.after):.1f}",
                    f"{median_ratio(ratio):.2f}",
                    ratio.note,
                )
            )
            target = targets.get(grown)
            if name == OURS and target:
                verdicts += f"\n{grown}: {target.verdict(median_ratio(ratio))}"
    headings = ("grown", "server", "CPU µs before", "after", "ratio", "")
    return table(headings, rows) + verdicts
