"""Open rows that share a value, and so are written one after the other."""

from dataclasses import dataclass

#: What a request of one row takes, about, before any was sent.
CHAIN_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Chain:
    """The longest chain of open rows that share a value, at one moment."""

    rows: int = 0
    seconds_per_row: float = 0.0  #: while no others are left; 0: not known yet
    is_all: bool = False  #: only such rows are left to be written
    reading_waits: bool = False  #: reading pauses, because rows that wait for others fill the memory
    share: float = 0.0  #: of the rows that are still to be read: so many are expected to join the chain
    seconds_beside_others: float = 0.0  #: for a row, while other rows are sent, too; 0: not measured

    @property
    def seconds(self) -> float:
        """The approximate time that the chain takes."""
        return self.rows * self.seconds_per_row

    def rows_with(self, to_come: float) -> float:
        """The rows of the chain, with those of the rows to come that are expected to join it."""
        return self.rows + self.share * to_come

    def seconds_with(self, to_come: float, others_seconds: float) -> float:
        """The approximate time until the chain is written, with those of the rows to come.

        `others_seconds`: until all other rows are. Up to then the chain waits with them for the quota.
        """
        rows, alone = self.rows_with(to_come), self.seconds_per_row or CHAIN_SECONDS
        if self.is_all:
            return rows * alone
        beside = max(alone, self.seconds_beside_others)
        if rows * beside <= others_seconds:
            return rows * beside
        return others_seconds + (rows - others_seconds / beside) * alone

    def as_dict(self) -> dict[str, object]:
        """Return the chain as JSON keys of a run or a job."""
        return {
            "longest_chain": self.rows,
            "chain_seconds": round(self.seconds, 1),
            "only_chains": self.is_all,
            "reading_waits": self.reading_waits,
        }
