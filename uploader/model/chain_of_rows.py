"""Open rows that share a value, and so are written one after the other."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chain:
    """The longest chain of open rows that share a value, at one moment."""

    rows: int = 0
    seconds_per_row: float = 0.0  #: as measured; 0: not measured yet
    is_all: bool = False  #: only such rows are left to be written
    reading_waits: bool = False  #: reading pauses, because rows that wait for others fill the memory

    @property
    def seconds(self) -> float:
        """The approximate time that the chain takes."""
        return self.rows * self.seconds_per_row

    def as_dict(self) -> dict[str, object]:
        """Return the chain as JSON keys of a run or a job."""
        return {
            "longest_chain": self.rows,
            "chain_seconds": round(self.seconds, 1),
            "only_chains": self.is_all,
            "reading_waits": self.reading_waits,
        }
