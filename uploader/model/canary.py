"""A job's canary: its first rows, sent alone, with their outcomes."""

from dataclasses import dataclass, replace

from uploader.model.outcomes import WRITTEN, Outcome
from uploader.model.records import Record

#: On a production account, unless the user sets another number.
DEFAULT_ROWS = 100


MAX_ROWS = 10_000


#: Outcomes of rows that were sent.
SENT_OUTCOMES = WRITTEN | {Outcome.REJECTED, Outcome.ABANDONED, Outcome.PENDING}


@dataclass(frozen=True, slots=True)
class Canary:
    """The canary as the checkpoint has it. Times are by the machine's clock, in seconds since 1970."""

    rows: int  #: how many are to be sent
    begun_at: float
    sent_at: float | None = None  #: when all of them were settled
    approved: bool = False

    @property
    def waits(self) -> bool:
        """Whether the canary waits for the user's approval."""
        return self.sent_at is not None and not self.approved

    def approve(self) -> "Canary":
        return replace(self, approved=True)


@dataclass(frozen=True, slots=True)
class CanaryRow:
    """A settled row of the canary."""

    record: Record
    outcome: Outcome
    reason: str = ""  #: if it is not confirmed
