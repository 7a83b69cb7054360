"""How long a reply takes. Pure: the roll comes in.

The recorded times lie between 81 and 366 ms for two records; for a hundred nothing is
known, so the cost per record and the tail are inferred.
"""

RECORDS_PER_BASE = 200  #: so many records cost as much again as the request itself
TAIL = 1 / 3  #: one in a hundred takes 3.7 times the least, one in a thousand 8 times
LONGEST = 20.0  #: the tail is cut there


def latency_seconds(base_seconds: float, records: int, roll: float) -> float:
    """A Pareto tail over the base, and a cost per record. `roll` lies in [0, 1); base 0 is none at all."""
    tail: float = min((1.0 - roll) ** -TAIL, LONGEST)
    return base_seconds * (0.8 * tail + records / RECORDS_PER_BASE)
