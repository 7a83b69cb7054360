"""Records with their outcomes, and counts of them."""

from copy import copy
from dataclasses import dataclass, field, fields

import msgspec

from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import Record, Unsent
from uploader.model.rows import one_line


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is a dead letter, as far as it is known."""

    category: str
    message: str
    correlation_id: str = ""
    existing_id: str = ""


class Settlement(msgspec.Struct, gc=False):
    """The outcome of one record, on its way to the checkpoint."""

    record: Record | Unsent
    outcome: Outcome
    hubspot_id: str = ""  #: only when the answer names it
    replayed: bool = False  #: confirmed by a second sending, after an attempt without a definite answer
    attempts: int = 1
    refusal: Refusal | None = None


def note(settlement: Settlement) -> str:
    """Return why a row failed or was skipped and which of its values were left out; "" if there is nothing
    to say.
    """
    record, refusal = settlement.record, settlement.refusal
    if isinstance(record, Unsent):
        return record.all_reasons
    return one_line(
        [
            *([refusal.message] if refusal else []),
            *(f"left out: {fault.reason}" for fault in record.dropped),
        ]
    )


#: The rule by which a record is skipped after its contact was read.
ONLY = "ONLY"


def skip_rule(settlement: Settlement) -> str:
    """Return the rule by which a row was skipped."""
    record, refusal = settlement.record, settlement.refusal
    return record.category if isinstance(record, Unsent) else (refusal.category if refusal else "") or ONLY


_SENT = (Outcome.CREATED, Outcome.UPDATED, Outcome.REJECTED, Outcome.ABANDONED, Outcome.PENDING)


@dataclass(slots=True)
class Tallies:
    """Counts over all invocations of a job, named as in the summary's JSON and in the checkpoint."""

    rows: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    replayed: int = 0
    values_dropped: int = 0
    keyless: int = 0  #: of the invalid: rows that have no key at all
    values_spared: int = 0  #: values not sent because HubSpot's stay (preserved)
    requests: int = 0
    throttled: int = 0
    retries: int = 0
    num_errors: int = 0
    aliases: int = 0  #: identity conflicts: contacts that several keys of the sources led to
    upserts: int = 0  #: requests that carried records
    sent: int = 0  #: records in them, including those sent again
    held_back: int = 0  #: rows that had to wait for an earlier row, over the whole job
    opt_outs: int = 0  #: addresses in the list of opt-outs; counted when they are listed, not with their rows
    opt_outs_unlisted: int = 0  #: records sent that say "opted out" and have no address to list
    batches: dict[str, int] = field(default_factory=dict)
    skips: dict[str, int] = field(default_factory=dict)  #: rows that were skipped, by the rule
    pauses: dict[str, int] = field(default_factory=dict)  #: number of pauses, by cause

    @property
    def settled(self) -> int:
        return sum(self.outcomes.values())

    @property
    def written(self) -> int:
        """Of the settled ones those that were sent; whether HubSpot took them is another question."""
        return sum(map(self.outcomes.__getitem__, _SENT))

    @property
    def open(self) -> int:
        return self.rows - self.settled

    @property
    def confirmed(self) -> int:
        return self.outcomes[Outcome.CREATED] + self.outcomes[Outcome.UPDATED]

    @property
    def failed(self) -> int:
        return sum(self.outcomes[outcome] for outcome in DEAD_LETTERS)

    @property
    def records_per_upsert(self) -> float:
        return self.sent / self.upserts if self.upserts else 0.0

    def copied(self) -> "Tallies":
        """A copy that later counts do not change. Every commit makes one, and `deepcopy` takes far longer."""
        return Tallies(**{one.name: copy(getattr(self, one.name)) for one in fields(Tallies)})
