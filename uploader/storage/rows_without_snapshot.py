"""Rows that a job's snapshot knows nothing of: counted from its checkpoint, named by its results file."""

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
from uploader.storage.results_file import Extent, read_results

_OUTCOMES = frozenset(outcome.value for outcome in WRITTEN | MAYBE_WRITTEN)


@dataclass(frozen=True, slots=True)
class UnkeptRow:
    """As the results file has it."""

    row: int
    source: int  #: its number, from 0; -1 where the job has no source of that name
    key: str  #: with its property's name, where that is not the job's main one
    hubspot_id: str
    outcome: str


def find_unkept(checkpoint: Path, about: Mapping[str, str], sent_below: int = 0) -> NotInSnapshot:
    """`about`: of the snapshot. `sent_below`: as the lock file beside the checkpoint has it."""
    unknown = f"{checkpoint}, which would tell, is gone"
    if checkpoint.is_file():
        try:
            with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
                if opened.job_id() == about.get("job"):
                    return not_in_snapshot(opened.periods(sent_below))
            unknown = f"{checkpoint} is another job's by now"
        except CheckpointError:
            unknown = f"{checkpoint}, which would tell, can't be read"
    if noted := about.get(snapshot.UNKEPT):  # as the job had it when it was started over
        written, unsure, unknown = orjson.loads(noted)
        return NotInSnapshot(written, unsure, unknown=unknown)
    return NotInSnapshot(unknown=unknown)


def note_unkept(checkpoint: Path, sent_below: int) -> None:
    """Keep with a job's snapshot what its checkpoint alone knows, before that is removed."""
    place = snapshot_path(checkpoint)
    if place.exists() and (about := snapshot.read_about(place)):
        found = find_unkept(checkpoint, about, sent_below)
        text = orjson.dumps([found.written, found.unsure, found.unknown]).decode()
        snapshot.note(place, snapshot.UNKEPT, text)


def list_unkept(checkpoint: Path, unkept: NotInSnapshot) -> Iterator[UnkeptRow]:
    """The rows that were written, or may have been, as far as the results file names them.

    None where it is not in its usual place. CheckpointError where it can't be read, or was changed.
    """
    path = _results_of(checkpoint)
    if path is None or not unkept.rows:
        return
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        periods, state, identity = opened.periods(), opened.state(), opened.identity()
        done = opened.rows_not_in_results()
    if not identity.results:
        return
    sources = {source.name: number for number, source in reversed(list(enumerate(identity.sources)))}
    lines = read_results(path, Extent(state.results_bytes, state.results_digest))
    for period in periods:  # the file has a line for each settled row, in the order in which they were
        some = islice(lines, max(0, period.progress.settled - done))
        done = max(done, period.progress.settled)
        for line in some:
            if period.has_snapshot is False and (row := _row(line, sources)) is not None:
                yield row


def _row(line: Sequence[str], sources: dict[str, int]) -> UnkeptRow | None:
    if len(line) < 5 or not line[0].isdigit() or line[3] not in _OUTCOMES:
        return None
    return UnkeptRow(int(line[0]), sources.get(line[4], -1), line[1], line[2], line[3])


def _results_of(checkpoint: Path) -> Path | None:
    """Where a job's results are unless it was said otherwise."""
    stem = checkpoint.name.removesuffix(".checkpoint")
    for name in (f"{stem}.results.csv", f"{checkpoint.name}.results.csv"):
        if (path := checkpoint.with_name(name)).is_file():
            return path
    return None
