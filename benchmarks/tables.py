"""The results as tables for a terminal; the first column is the one to trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.costs import Cost, CostScenario
from benchmarks.measure import Sample
from benchmarks.runs import Ratio
from benchmarks.scenarios import GROWN_TARGETS, Target
from benchmarks.servers import SERVERS

REFERENCE, OURS = "tornado", "tornadic"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns under their headings, the first `left` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in (headings, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def median_cost(samples: Sequence[Sample]) -> float:
    """The median CPU time for a request, in µs."""
    return median(sample.cpu_us for sample in samples)


def _versus(value: float, reference: float | None) -> str:
    return f"{value / reference:.3f}" if reference else ""


def _digits(cost: float) -> int:
    return 2 if cost < 10 else 1


def _range(costs: Sequence[float]) -> str:
    """The lowest and the highest, with as many digits as the lowest needs."""
    digits = _digits(min(costs))
    return f"{min(costs):.{digits}f}-{max(costs):.{digits}f}"


def _verdict(ratio: float | None, target: Target | None) -> str:
    return f"\n{target.verdict(ratio)}" if target and ratio is not None else ""


def request_table(
    results: Mapping[str, Sequence[Sample]], target: Target | None, unit: str = "request"
) -> str:
    """The servers of one request scenario, cheapest first, and how the target stands.

    `unit` is what one request is called.
    """
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
        f"CPU µs/{unit}",
        "all rounds",
        "vs Tornado",
        "best vs best",
        f"{unit}s/s",
        "p99 ms",
        "busy",
        "load µs",
        "others",
    )
    ratio = costs[OURS] / reference if reference and OURS in costs else None
    return table(headings, rows) + _verdict(ratio, target)


def cost_table(scenario: CostScenario, results: Mapping[str, Mapping[str, Sequence[Cost]]]) -> str:
    """The peers of each case, in the order of the cases, and how the targets stand."""
    with_memory = any(
        cost.peak_bytes is not None
        for by_peer in results.values()
        for costs in by_peer.values()
        for cost in costs
    )
    rows = []
    verdicts = ""
    for case in scenario.cases:
        samples = results[case.name]
        costs = {name: median(c.cpu_us for c in each) for name, each in samples.items()}
        best = {name: min(c.cpu_us for c in each) for name, each in samples.items()}
        for name in sorted(costs, key=costs.__getitem__):
            row = [
                case.name,
                scenario.label(SERVERS[name]),
                f"{costs[name]:.{_digits(costs[name])}f}",
                _range([c.cpu_us for c in samples[name]]),
                _versus(costs[name], costs.get(REFERENCE)),
                _versus(best[name], best.get(REFERENCE)),
                f"{median(c.per_second for c in samples[name]):,.0f}",
                f"{median(c.busy for c in samples[name]):.0%}",
                f"{median(c.others for c in samples[name]):.0%}",
            ]
            if with_memory:
                peak = median(c.peak_bytes or 0 for c in samples[name])
                row.append(f"{peak / 2**20:.1f}")
            rows.append(row)
        rates = {name: median(c.per_second for c in each) for name, each in samples.items()}
        for what, figures, targets in (("", costs, case.targets), (" rate", rates, case.rates)):
            for name, target in targets:
                if name in figures and OURS in figures:
                    beside = f"{case.name}{what}, to {scenario.label(SERVERS[name])}"
                    verdicts += f"\n{beside}: {target.verdict(figures[OURS] / figures[name])}"
    headings = [
        "case",
        "peer",
        f"CPU µs/{scenario.unit}",
        "all rounds",
        "vs Tornado",
        "best vs best",
        "per second",
        "busy",
        "others",
    ]
    if with_memory:
        headings.append("peak MiB")
    return table(headings, rows, left=2) + verdicts


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
        bound = GROWN_TARGETS.get(grown)
        if bound and OURS in by_server and REFERENCE in by_server:
            versus = median(by_server[OURS].after) / median(by_server[REFERENCE].after)
            verdicts += f"\n{grown}, to Tornado: {bound.verdict(versus)}"
    headings = ("grown", "server", "CPU µs before", "after", "ratio", "")
    return table(headings, rows) + verdicts
