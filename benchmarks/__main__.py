"""`python -m benchmarks`: what the uploader costs the machine it runs on, beside what else one could run.

Lives here: which measurements there are, how much of each, and what is printed and drawn of them. How they
are taken stands in `cost_per_record`, `cost_by_shape`, `memory_by_file_size` and `start_time`, with the
demands.

    python -m benchmarks
    python -m benchmarks --quick
    python -m benchmarks --large --only sizes
    python -m benchmarks --only shapes --shapes csv crm
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import cost_by_shape, cost_per_record, memory_by_file_size, start_time
from benchmarks.memory_by_file_size import Size
from benchmarks.start_time import Starts
from benchmarks.support.cost_charts import Bar, draw_costs, draw_memory
from benchmarks.support.make_shapes import SHAPES
from benchmarks.support.processes import Failed, Table, workplace

PAIRS, QUICK_PAIRS = 7, 3
QUICK_ROWS = 50_000
STARTS, QUICK_STARTS = 5, 3
PARTS = ("cost", "shapes", "sizes", "starts")
#: Modules of the extra `bench`, by part.
NEEDED = {"cost": ("dlt", "httpx", "hubspot"), "shapes": ("pyarrow",)}
CHARTS = Path(__file__).parent / "charts"


@dataclass(slots=True)
class Figures:
    """What was measured; parts that were not asked for are empty."""

    costs: cost_per_record.Measured = field(default_factory=dict)
    shapes: cost_by_shape.Measured = field(default_factory=dict)
    sizes: Sequence[Size] = ()
    starts: Starts | None = None


def main() -> int:
    options = parse()
    needed = {name for part in options.only for name in NEEDED.get(part, ())}
    for module in sorted(needed | ({"matplotlib"} if options.chart else set())):
        if importlib.util.find_spec(module) is None:
            raise Failed(f"{module} is missing: install the extra `bench`")
    began = time.monotonic()
    figures = measure(options)
    table = Table(_title(options))
    report(figures, table)
    table.add("minutes it all took", f"{(time.monotonic() - began) / 60:.1f}")
    table.add("load average of 15 minutes", f"{os.getloadavg()[2]:.1f} on {os.cpu_count()} cores")
    print(table)
    if options.chart:
        draw(figures, options.chart)
    return 1 if table.failures else 0


def measure(options: argparse.Namespace) -> Figures:
    figures, is_quick = Figures(), options.quick
    with workplace(options.keep) as folder:
        if "cost" in options.only:
            figures.costs = cost_per_record.measure(folder, options.rows, options.pairs, is_quick=is_quick)
        if "shapes" in options.only:
            figures.shapes = cost_by_shape.measure(folder, options.rows, options.pairs, options.shapes)
        if "sizes" in options.only:
            figures.sizes = memory_by_file_size.measure(folder, _sizes(options))
        if "starts" in options.only:
            rows = _sizes(options)[-1]
            figures.starts = start_time.measure(folder, rows, QUICK_STARTS if is_quick else STARTS)
    return figures


def _sizes(options: argparse.Namespace) -> list[int]:
    if options.quick:
        return [memory_by_file_size.SMALL]
    return [
        memory_by_file_size.SMALL,
        memory_by_file_size.MEDIUM,
        *([memory_by_file_size.LARGE] if options.large else []),
    ]


# --- what is printed and drawn ---


def report(figures: Figures, table: Table) -> None:
    if figures.costs:
        print(cost_per_record.as_text(figures.costs))
        cost_per_record.judge(figures.costs, table)
    if figures.shapes:
        print(f"\n{cost_by_shape.as_text(figures.shapes)}")
        cost_by_shape.judge(figures.shapes, table)
    if figures.sizes:
        print(f"\n{memory_by_file_size.as_text(figures.sizes)}")
        memory_by_file_size.judge(figures.sizes, table)
    if figures.starts:
        start_time.judge(figures.starts, table)


def _title(options: argparse.Namespace) -> str:
    if not {"cost", "shapes"} & set(options.only):
        return "sizes and starts"
    reckoned = ""
    if options.rows < cost_per_record.NOMINAL_ROWS:
        reckoned = f", a start's CPU counted as in {cost_per_record.NOMINAL_ROWS:,}"
    return f"{options.pairs} pairs of {options.rows:,} records{reckoned}"


def draw(figures: Figures, folder: Path) -> None:
    if figures.costs:
        draw_costs(folder / "cost.svg", [_bar(costs) for costs in figures.costs.values()])
    if figures.sizes:
        peaks: dict[str, dict[int, float]] = {}
        for size in figures.sizes:
            peaks.setdefault(size.form.title, {})[size.rows] = size.peak_megabytes
        draw_memory(folder / "memory.svg", peaks, memory_by_file_size.MOST_MEGABYTES)


def _bar(costs: cost_per_record.Costs) -> Bar:
    return Bar(
        costs.contender.title,
        costs.contender.is_ours,
        statistics.median(costs.us_per_record),
        statistics.median(costs.records_per_second),
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what the uploader costs, beside what else one could run.",
    )
    parser.add_argument("--rows", type=int, help=f"of a turn; default {cost_per_record.NOMINAL_ROWS:,}")
    parser.add_argument("--pairs", type=int, help=f"turns of the uploader and of each loop; default {PAIRS}")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="only these of the part"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    much = parser.add_mutually_exclusive_group()
    much.add_argument(
        "--quick", action="store_true", help="five minutes: few records, no large file, no chart"
    )
    much.add_argument(
        "--large", action="store_true", help=f"also {memory_by_file_size.LARGE:,} records, some 4 GB of disk"
    )
    charts = parser.add_mutually_exclusive_group()
    charts.add_argument(
        "--chart", type=Path, nargs="?", const=CHARTS, metavar="DIR", help="there; --quick, too"
    )
    charts.add_argument("--no-chart", action="store_true")
    options = parser.parse_args()
    options.rows = options.rows or (QUICK_ROWS if options.quick else cost_per_record.NOMINAL_ROWS)
    options.pairs = options.pairs or (QUICK_PAIRS if options.quick else PAIRS)
    if options.chart is None and not options.quick and not options.no_chart:
        options.chart = CHARTS
    return options


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"benchmarks: {failure}")
