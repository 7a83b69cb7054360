"""Numbers and durations as they are printed."""


def duration(seconds: float) -> str:
    """A duration such as `42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"


def about(count: int) -> str:
    """An estimate rounded to three significant digits."""
    step = 10 ** max(0, len(str(count)) - 3)
    return f"{round(count / step) * step:,}"
