"""Numbers, shares and durations as they are printed."""

import math


def duration(seconds: float) -> str:
    """A duration such as `42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"


def percent(share: float) -> str:
    """A share of work that is done, such as `42%`; `100%` only if nothing of it is left."""
    return f"{math.floor(min(1.0, share) * 100 + _ROUNDING)}%"


#: What binary fractions may lack of a whole percent.
_ROUNDING = 1e-9


def about(count: int) -> str:
    """An estimate rounded to three significant digits."""
    step = 10 ** max(0, len(str(count)) - 3)
    return f"{round(count / step) * step:,}"
