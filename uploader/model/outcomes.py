"""The final states of a row, and groups of them."""

from enum import StrEnum


class Outcome(StrEnum):
    """The final state of a row. Every row ends in exactly one."""

    CREATED = "created"  #: HubSpot confirmed it: a new record
    UPDATED = "updated"  #: HubSpot confirmed it: a record that was there
    UNCHANGED = "unchanged"  #: read first, and there was nothing to write
    REJECTED = "rejected"  #: HubSpot refused this record for good
    INVALID = "invalid"  #: never sent: the row can't become an input
    SKIPPED = "skipped"  #: never sent, by the user's own rule
    ABANDONED = "abandoned"  #: attempts ran out without a definite answer, while others succeeded
    PENDING = "pending"  #: accepted, and neither confirmed nor refused, even by read-back


#: The outcomes that leave a dead letter behind.
DEAD_LETTERS = frozenset({Outcome.REJECTED, Outcome.INVALID, Outcome.ABANDONED})


#: Of these, the ones that may pass as they are: nobody has said anything against the row.
TRANSIENT = frozenset({Outcome.ABANDONED})


WRITTEN = frozenset({Outcome.CREATED, Outcome.UPDATED})


#: Sent, and never answered for certain.
MAYBE_WRITTEN = frozenset({Outcome.ABANDONED, Outcome.PENDING})
