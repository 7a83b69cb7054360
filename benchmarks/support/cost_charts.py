"""Charts of what a record costs and what memory a file takes, as SVG: small, the same for the same figures.

Lives here: how they look. What they show comes in; matplotlib is loaded only when something is drawn.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.requests_chart import ACCEPTED, LINE, REFUSED, STYLE, WIDTH_INCHES

OURS, OTHERS = ACCEPTED, "#b8c4d0"
BAR_INCHES, MARGIN_INCHES, LINES_INCHES = 0.36, 1.1, 3.6
COLOURS = (ACCEPTED, REFUSED, "#5aa469", "#8e6bbf")


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    is_ours: bool
    us_per_record: float
    records_per_second: float


def draw_costs(path: Path, bars: Sequence[Bar]) -> None:
    with _figure(path, BAR_INCHES * len(bars) + MARGIN_INCHES) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_bars(left, bars, [bar.us_per_record for bar in bars], "{:.1f}")
        _draw_bars(right, bars, [bar.records_per_second for bar in bars], "{:,.0f}")
        left.set_title("CPU, microseconds per record", loc="left", fontsize=12.5, fontweight="bold")
        right.set_title("records per second", loc="left", fontsize=12.5, fontweight="bold")
        left.invert_yaxis()


def draw_memory(path: Path, peaks: Mapping[str, Mapping[int, float]], most_megabytes: float) -> None:
    """`peaks`: form -> records -> megabytes."""
    with _figure(path, LINES_INCHES) as figure:
        axes = figure.subplots()
        for (form, by_rows), colour in zip(peaks.items(), COLOURS, strict=False):
            axes.plot(list(by_rows), list(by_rows.values()), marker="o", color=colour, label=form)
        axes.axhline(
            most_megabytes, color=LINE, linestyle="--", linewidth=1.2, label=f"limit, {most_megabytes:g} MB"
        )
        axes.set_xscale("log")
        counts = sorted({rows for by_rows in peaks.values() for rows in by_rows})
        axes.set_xticks(counts, [f"{rows:,}" for rows in counts])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("records in the file")
        axes.set_title("peak memory of the uploader, MB", loc="left", fontsize=12.5, fontweight="bold")
        figure.legend(loc="outside right upper", frameon=False)


def _draw_bars(axes: Any, bars: Sequence[Bar], values: Sequence[float], form: str) -> None:
    drawn = axes.barh(
        [bar.name for bar in bars], values, color=[OURS if bar.is_ours else OTHERS for bar in bars]
    )
    axes.bar_label(drawn, [form.format(value) for value in values], padding=4, fontsize=11)
    axes.set_xlim(0, 1.25 * max(values))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


@contextmanager
def _figure(path: Path, height_inches: float) -> Iterator[Any]:
    """Saved when all is drawn."""
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({**STYLE, "svg.hashsalt": path.stem}):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), facecolor="white", layout="constrained")
        yield figure
        figure.savefig(path, format="svg", metadata={"Date": None})
