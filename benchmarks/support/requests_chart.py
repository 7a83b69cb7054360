"""A chart of requests over time as SVG, small and the same for the same figures.

Lives here: how it looks. What it shows comes in; matplotlib is loaded only when something is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.quota_figures import Quota

#: 800 pixels at the 72 points an inch that SVG counts in.
WIDTH_INCHES, PANEL_INCHES, MARGIN_INCHES = 800 / 72, 1.65, 0.9
ACCEPTED, REFUSED, LINE, TEXT = "#4a90d9", "#e4572e", "#333333", "#1a1a1a"
#: Peaks beyond so many times the quota are cut off and named in words; the rest would be too flat to read.
TALLEST = 3.5
STYLE: dict[Any, Any] = {
    "font.size": 12,
    "svg.fonttype": "none",  # letters as outlines are half of the file
    "svg.hashsalt": "pacing",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": LINE,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}


@dataclass(frozen=True, slots=True)
class Panel:
    name: str
    figures: str  #: what matters, in words
    each_second: Sequence[tuple[int, int]]  #: requests accepted and refused


def draw(path: Path, panels: Sequence[Panel], quota: Quota) -> None:
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        height = PANEL_INCHES * len(panels) + MARGIN_INCHES
        figure = Figure(figsize=(WIDTH_INCHES, height), facecolor="white", layout="constrained")
        all_axes = figure.subplots(len(panels), sharex=True, sharey=True)
        for axes, panel in zip(all_axes, panels, strict=True):
            _draw_panel(axes, panel, quota)
        all_axes[-1].set_xlabel("seconds since the first request")
        figure.supylabel("requests per second", fontsize=12)
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_panel(axes: Any, panel: Panel, quota: Quota) -> None:
    accepted = [one for one, _ in panel.each_second]
    sent = [sum(both) for both in panel.each_second]
    edges, top = range(len(sent) + 1), TALLEST * quota.per_second
    axes.stairs(accepted, edges, fill=True, color=ACCEPTED, label="accepted")
    axes.stairs(sent, edges, baseline=accepted, fill=True, color=REFUSED, label="refused (429)")
    label = f"quota, {quota.per_second:g}/s"
    axes.axhline(quota.per_second, color=LINE, linestyle="--", linewidth=1.2, label=label)
    axes.set_xlim(0, len(sent))
    axes.set_ylim(0, top)
    axes.set_title(f"{panel.name}: {panel.figures}", loc="left", fontsize=12.5, fontweight="bold")
    if max(sent) > top:
        axes.set_title(f"cut off, up to {max(sent)}/s", loc="right", fontsize=11)
