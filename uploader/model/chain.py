"""Open rows that share a value, and so are written one after the other."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chain:
    """The longest chain of such rows at one moment."""

    rows: int = 0
    seconds_per_row: float = 0.0  #: as measured; 0: not yet
    is_all: bool = False  #: nothing but such rows is left to be written
    reading_waits: bool = False  #: no more is read, since the rows that wait for others fill the memory

    @property
    def seconds(self) -> float:
        """What it takes, about."""
        return self.rows * self.seconds_per_row

    def as_dict(self) -> dict[str, object]:
        """For machines: among the keys of a run or a job."""
        return {
            "longest_chain": self.rows,
            "chain_seconds": round(self.seconds, 1),
            "only_chains": self.is_all,
            "reading_waits": self.reading_waits,
        }
