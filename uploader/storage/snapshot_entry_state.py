"""Decides whether a contact was read before the job's first write to it."""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from uploader.model.watermark import Progress

#: The error of a reading's time: by this machine's clock, and by the reply's own time.
CLOCKS_DIFFER_SECONDS, EXACT_SECONDS = 120.0, 5.0


class ReadingState(StrEnum):
    """Whether the row of a reading was written."""

    KEPT = "kept"  #: not known yet: an open reading
    WRITTEN = "written"  #: it was: the reading is valid
    DOUBT = "doubt"  #: it may have been written


class OpenReading(NamedTuple):
    """A reading of an earlier run without a decision."""

    reading: int
    contact: int
    position: int | None  #: None: kept by an earlier version
    source: int
    row: int


def reading_state(
    reading: OpenReading,
    progress: Progress,
    unsure: Collection[int],
    in_doubt_below: int,
    *,
    is_complete: bool,
    is_exact: bool,
) -> ReadingState | None:
    """The state of a reading; None if its row cannot have been sent.

    `unsure`: positions settled, but not confirmed. `in_doubt_below`: rows from there on were not
    sent, if that `is_exact`; after a power cut it is not.
    """
    position = reading.position
    if position is None:
        resume = progress.resume
        line = resume.mark.line if resume.mark else 0
        is_settled = is_complete or (reading.source, reading.row) < (resume.source, line)
        return ReadingState.WRITTEN if is_settled else ReadingState.DOUBT
    if is_complete or progress.is_settled(position):
        return ReadingState.DOUBT if position in unsure else ReadingState.WRITTEN
    return None if is_exact and position >= in_doubt_below else ReadingState.DOUBT
