"""Whether what was read of a contact was read before the job's first write to it."""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from uploader.model.watermark import Progress

#: How far the time of a reading may be off: by this machine's clock, and where the answer said it itself.
CLOCKS_DIFFER_SECONDS, EXACT_SECONDS = 120.0, 5.0


class ReadingState(StrEnum):
    """What is known of the row that a reading was made for."""

    KEPT = "kept"  #: nothing yet
    WRITTEN = "written"  #: it was confirmed by the process that read it: the reading stands
    DOUBT = "doubt"  #: it may have been written


class Kept(NamedTuple):
    """A reading whose process is no more."""

    reading: int
    contact: int
    position: int | None  #: None: kept by an earlier version
    source: int
    row: int


def judge(
    kept: Kept,
    progress: Progress,
    unsure: Collection[int],
    in_doubt_below: int,
    *,
    is_complete: bool,
    is_exact: bool,
) -> ReadingState | None:
    """None where its row cannot have left. `unsure`: positions that were settled without being confirmed.

    `in_doubt_below`: rows from there on have not left, if that `is_exact`, which it is not after a power cut.
    """
    position = kept.position
    if position is None:
        resume = progress.resume
        line = resume.mark.line if resume.mark else 0
        is_settled = is_complete or (kept.source, kept.row) < (resume.source, line)
        return ReadingState.WRITTEN if is_settled else ReadingState.DOUBT
    if is_complete or progress.is_settled(position):
        return ReadingState.DOUBT if position in unsure else ReadingState.WRITTEN
    return None if is_exact and position >= in_doubt_below else ReadingState.DOUBT
