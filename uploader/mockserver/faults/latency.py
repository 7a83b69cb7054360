"""How long a reply takes. Pure: the random number comes in.

Recorded times lie between 81 and 366 ms for two records. For a hundred none are known, so the cost per
record and the tail are inferred.
"""

RECORDS_PER_BASE = 200  #: so many records cost as much as the request itself
TAIL = 1 / 3  #: one in a hundred takes 3.7 times the least, one in a thousand 8 times
LONGEST = 20.0  #: the tail is cut there


def latency_seconds(base_seconds: float, records: float, random: float) -> float:
    """The latency: base with a Pareto tail, plus a cost per record. `random` lies in [0, 1)."""
    tail: float = min((1.0 - random) ** -TAIL, LONGEST)
    return base_seconds * (0.8 * tail + records / RECORDS_PER_BASE)
