"""A job's canary, its first rows sent alone, and what became of each of them."""

from dataclasses import dataclass, replace

from uploader.model.outcomes import WRITTEN, Outcome
from uploader.model.records import Record

#: On a production account, unless the user says another number.
DEFAULT_ROWS = 100


MAX_ROWS = 10_000


#: Of rows that have left.
SENT_OUTCOMES = WRITTEN | {Outcome.REJECTED, Outcome.ABANDONED, Outcome.PENDING}


@dataclass(frozen=True, slots=True)
class Canary:
    """What the checkpoint knows of it. Times are of the machine's clock, in seconds since 1970."""

    rows: int  #: that are to leave
    begun_at: float
    sent_at: float | None = None  #: all of them are settled since
    approved: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is the user's turn."""
        return self.sent_at is not None and not self.approved

    def approve(self) -> "Canary":
        return replace(self, approved=True)


@dataclass(frozen=True, slots=True)
class CanaryRow:
    """One of its rows, settled."""

    record: Record
    outcome: Outcome
    reason: str = ""  #: where it is not confirmed
