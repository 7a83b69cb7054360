"""Rows written without a snapshot: counted from the checkpoint, listed from the results file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from uploader.errors import CheckpointError
from uploader.model.outcomes import MAYBE_WRITTEN, WRITTEN
from uploader.model.settings_periods import NotInSnapshot, not_in_snapshot
from uploader.storage import snapshot
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import snapshot_path
from uploader.storage.results_file import read_results

_OUTCOMES = frozenset(outcome.value for outcome in WRITTEN | MAYBE_WRITTEN)


@dataclass(frozen=True, slots=True)
class RowWithoutSnapshot:
    """A row that was written, or may have been, as in the results file."""

    row: int
    source: int  #: its index; -1 if the job has no source of that name
    key: str  #: with its property's name, unless that is the job's main id property
    hubspot_id: str
    outcome: str


def count_rows_without_snapshot(
    checkpoint: Path, about: Mapping[str, str], sent_below: int = 0
) -> NotInSnapshot:
    """The number of such rows. `about`: of the snapshot; `sent_below`: from the lock file."""
    unknown = f"{checkpoint} is missing"
    if checkpoint.is_file():
        try:
            with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
                if opened.job_id() == about.get("job"):
                    return not_in_snapshot(opened.periods(sent_below))
            unknown = f"{checkpoint} belongs to another job now"
        except CheckpointError:
            unknown = f"{checkpoint} cannot be read"
    if noted := about.get(snapshot.UNKEPT):  # stored when the job was started over
        written, unsure, unknown = orjson.loads(noted)
        return NotInSnapshot(written, unsure, unknown=unknown)
    return NotInSnapshot(unknown=unknown)


def save_rows_without_snapshot(checkpoint: Path, sent_below: int) -> None:
    """Store the number in the snapshot, before the checkpoint is removed."""
    place = snapshot_path(checkpoint)
    if place.exists() and (about := snapshot.read_about(place)):
        found = count_rows_without_snapshot(checkpoint, about, sent_below)
        text = orjson.dumps([found.written, found.unsure, found.unknown]).decode()
        snapshot.note(place, snapshot.UNKEPT, text)


def list_rows_without_snapshot(checkpoint: Path, unkept: NotInSnapshot) -> Iterator[RowWithoutSnapshot]:
    """The rows, as far as the results file lists them.

    None if it is not in its default place. CheckpointError if it can't be read, or was changed.
    """
    path = results_of(checkpoint)
    if path is None or not unkept.rows:
        return
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        periods, state, identity = opened.periods(), opened.state(), opened.identity()
        done = opened.rows_not_in_results()
    if not identity.results:
        return
    sources = {source.name: number for number, source in reversed(list(enumerate(identity.sources)))}
    lines = read_results(path, state.results)
    for period in periods:  # the file has a line for each settled row, in the order of settling
        some = islice(lines, max(0, period.progress.settled - done))
        done = max(done, period.progress.settled)
        for line in some:
            if period.has_snapshot is False and (row := _row(line, sources)) is not None:
                yield row


def _row(line: Sequence[str], sources: dict[str, int]) -> RowWithoutSnapshot | None:
    if len(line) < 5 or not line[0].isdigit() or line[3] not in _OUTCOMES:
        return None
    return RowWithoutSnapshot(int(line[0]), sources.get(line[4], -1), line[1], line[2], line[3])


def results_of(checkpoint: Path) -> Path | None:
    """The results file in its default place; None if there is none."""
    stem = checkpoint.name.removesuffix(".checkpoint")
    for name in (f"{stem}.results.csv", f"{checkpoint.name}.results.csv"):
        if (path := checkpoint.with_name(name)).is_file():
            return path
    return None
