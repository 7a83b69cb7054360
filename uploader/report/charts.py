"""Charts as SVG text: numbers in, markup out. The page's classes colour them; there are no scripts.

The time axis has intervals of one width. Longer periods without a run are cut out and marked by a line.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

#: In units of the SVG; the page scales it.
WIDTH, HEIGHT = 900, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 14, 34
#: A gap of more columns than this is cut out.
_CUT_COLUMNS = 3
_TICKS = 7


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis: the columns of the intervals."""

    begins: Sequence[int]  #: seconds since 1970
    seconds: int  #: each one's width
    columns: Mapping[int, int] = field(default_factory=dict)  #: begin -> column
    cuts: Sequence[int] = ()  #: columns before which time was cut out

    @property
    def count(self) -> int:
        return max(self.columns.values(), default=0) + 1

    def x(self, column: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * column / self.count


def axis_of(begins: Sequence[int], seconds: int) -> Axis:
    """The axis of intervals in order of time. A short gap is drawn, a long one is cut out."""
    columns: dict[int, int] = {}
    cuts, column, before = [], 0, None
    for begin in begins:
        if before is not None:
            gap = (begin - before) // seconds
            if gap > _CUT_COLUMNS:
                cuts.append(column + 1)
            column += gap if gap <= _CUT_COLUMNS else 1
        columns[begin] = column
        before = begin
    return Axis(begins, seconds, columns, cuts)


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each interval; None if there is none."""

    name: str
    kind: str  #: its CSS class
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    axis: Axis
    unit: str
    #: Filled and stacked.
    areas: Sequence[Series] = ()
    lines: Sequence[Series] = ()
    #: The share of each interval to be shaded: when nothing was sent.
    shade: Series | None = None
    value_text: Callable[[float], str] = lambda value: f"{value:,.0f}"

    def svg(self) -> str:
        """The chart as markup, with escaped labels."""
        top = self._top()
        title = escape(self.title)
        parts = [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
            f"<title>{title}, in {escape(self.unit)}</title>",
        ]
        if self.shade:
            parts += self._shading(self.shade)
        parts += self._grid(top)
        parts += self._areas(top)
        parts += [self._line(one, top) for one in self.lines]
        parts += self._times()
        parts.append("</svg>")
        return "".join(parts)

    def _top(self) -> float:
        """The end of the value axis: a round number that no value exceeds."""
        stacked = [
            sum(value or 0 for value in column)
            for column in zip(*(one.values for one in self.areas), strict=True)
        ]
        lined = [value for one in self.lines for value in one.values if value is not None]
        return round_up(max([*stacked, *lined], default=0.0))

    def _y(self, value: float, top: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top

    def _grid(self, top: float) -> list[str]:
        parts, right = [], WIDTH - _RIGHT
        steps = steps_of(top)
        for step in range(steps + 1):
            value = top * step / steps
            y, text = self._y(value, top), escape(self.value_text(value))
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="label end" x="{_LEFT - 6}" y="{y + 4:.1f}">{text}</text>')
        return parts

    def _areas(self, top: float) -> list[str]:
        axis, floor, parts = self.axis, [0.0] * len(self.axis.begins), []
        for one in self.areas:
            if not any(one.values):
                continue
            path = []
            for place, begin in enumerate(axis.begins):
                value = one.values[place] or 0.0
                if value:
                    left, right = axis.x(axis.columns[begin]), axis.x(axis.columns[begin] + 1)
                    low, high = self._y(floor[place], top), self._y(floor[place] + value, top)
                    path.append(f"M{left:.1f} {low:.1f}V{high:.1f}H{right:.1f}V{low:.1f}Z")
                    floor[place] += value
            parts.append(f'<path class="fill {one.kind}" d="{"".join(path)}"/>')
        return parts

    def _line(self, one: Series, top: float) -> str:
        axis, path, before = self.axis, [], None
        for place, begin in enumerate(axis.begins):
            value, column = one.values[place], axis.columns[begin]
            if value is None:
                before = None
                continue
            is_broken = before != column - 1 or column in axis.cuts
            left, right, y = axis.x(column), axis.x(column + 1), self._y(value, top)
            path.append(f"M{left:.1f} {y:.1f}H{right:.1f}" if is_broken else f"V{y:.1f}H{right:.1f}")
            before = column
        return f'<path class="line {one.kind}" d="{"".join(path)}"/>'

    def _shading(self, shade: Series) -> list[str]:
        axis, path = self.axis, []
        for place, begin in enumerate(axis.begins):
            if share := min(1.0, shade.values[place] or 0.0):
                left = axis.x(axis.columns[begin])
                width = (axis.x(axis.columns[begin] + 1) - left) * share
                path.append(f"M{left:.1f} {_TOP}h{width:.2f}V{HEIGHT - _BOTTOM}h-{width:.2f}Z")
        return [f'<path class="{shade.kind}" d="{"".join(path)}"/>'] if path else []

    def _times(self) -> list[str]:
        axis, low = self.axis, HEIGHT - _BOTTOM
        parts, last = [], -math.inf
        for column in axis.cuts:
            x = axis.x(column)
            parts.append(f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{low}"/>')
        apart, form = (WIDTH - _LEFT - _RIGHT) / _TICKS, self._clock_form()
        for begin in axis.begins:
            x = axis.x(axis.columns[begin])
            if x - last >= apart and x < WIDTH - 60:
                text = datetime.fromtimestamp(begin, UTC).strftime(form)
                parts.append(f'<text class="label" x="{x:.1f}" y="{HEIGHT - 12}">{text}</text>')
                parts.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{low}" y2="{low + 5}"/>')
                last = x
        return parts

    def _clock_form(self) -> str:
        axis = self.axis
        if axis.begins and axis.begins[-1] - axis.begins[0] >= 86_400:
            return "%d %b %H:%M"
        return "%H:%M" if axis.seconds * axis.count >= 1_200 else "%H:%M:%S"


#: The ends that a scale may have, times a power of ten, and the number of steps for each.
_SCALES = {1.0: 5, 2.0: 4, 2.5: 5, 4.0: 4, 5.0: 5, 8.0: 4, 10.0: 5}


def round_up(value: float) -> float:
    """The next larger number that a scale may end at; 1 for 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(scale * power for scale in _SCALES if value <= scale * power * (1 + 1e-9))


def steps_of(top: float) -> int:
    """The number of steps of a scale that ends at `top`."""
    lead = top / 10.0 ** math.floor(math.log10(top) + 1e-9)
    return _SCALES[min(_SCALES, key=lambda scale: abs(scale - lead))]
