"""The final states of a row, and groups of them."""

from enum import StrEnum


class Outcome(StrEnum):
    """The final state of a row. Every row ends in exactly one."""

    CREATED = "created"  #: HubSpot confirmed it: a new record
    UPDATED = "updated"  #: HubSpot confirmed it: an existing record
    UNCHANGED = "unchanged"  #: read first; there was nothing to write
    REJECTED = "rejected"  #: HubSpot refused this record for good
    INVALID = "invalid"  #: never sent: the row cannot become an input
    SKIPPED = "skipped"  #: never sent, because of an option of the user
    ABANDONED = "abandoned"  #: attempts ran out without a definite answer, while others succeeded
    PENDING = "pending"  #: accepted, and neither confirmed nor refused, even by read-back


#: The outcomes of rows that are as their source wants them. With others the exit code is not 0.
OK = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.SKIPPED})


#: The outcomes that leave a dead letter.
DEAD_LETTERS = frozenset({Outcome.REJECTED, Outcome.INVALID, Outcome.ABANDONED})


#: Dead letters that may succeed unchanged: HubSpot raised no objection to the row.
TRANSIENT = frozenset({Outcome.ABANDONED})


WRITTEN = frozenset({Outcome.CREATED, Outcome.UPDATED})


#: Sent, without a definite answer.
MAYBE_WRITTEN = frozenset({Outcome.ABANDONED, Outcome.PENDING})
