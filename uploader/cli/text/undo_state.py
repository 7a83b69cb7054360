"""Whether a job was undone, as text."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from uploader.cli.project_file import job_words
from uploader.cli.text.next_command import account_words, command_line, given_account, seen_from
from uploader.model.counted import counted
from uploader.model.settings_periods import NotInSnapshot, Ranges
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import snapshot_path
from uploader.undo.job.state import undone_before
from uploader.undo.plan import UNDONE, UndoOutcome
from uploader.undo.undo_file import UndoFile

#: Shown of ranges of rows.
_RANGES = 5


def undone_text(checkpoint: Path, typed: Sequence[str] = ()) -> list[str]:
    """One line if an undo of the job was begun, else none. `typed`: the words of this command."""
    found = undone_before(checkpoint)
    if found is None:
        return []
    undone, unkept = found
    counts = undone.counts
    others = sum(count for outcome, count in counts.items() if outcome not in UNDONE)
    when = f" on {undone.ended_at}" if undone.ended_at and not undone.left else ""
    parts = [
        f"{counted(counts[UndoOutcome.ARCHIVED], 'created record is', 'created records are')} archived",
        f"{counted(counts[UndoOutcome.RESTORED], 'changed record is', 'changed records are')} restored",
        *([f"{counted(others, 'is', 'are')} not"] if others else []),
    ]
    lines = unkept_lines(unkept)
    if not undone.left:
        with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
            recorded = seen_from(Path.cwd(), opened.repeated_options())
        job = job_words(checkpoint, recorded, account=True, typed=typed)
        again = command_line("undo", *job, "--restart")
        return [
            f"the job was undone{when}: {', '.join(parts)}; to look at all of them again: {again}",
            *lines,
        ]
    if not any(counts.values()):  # it was killed
        records = counted(undone.left, "record")
        text = f"an undo of the job was begun: some of {records} may be archived or restored already"
        return [f"{text}; the same undo continues", *lines]
    left = f"the job is partly undone, {counted(undone.left, 'is', 'are')} left"
    return [f"{left}: {', '.join(parts)}; the same undo continues", *lines]


def newer_jobs_lines(file: UndoFile, typed: Sequence[str]) -> list[str]:
    """A line for each newer job that is to be undone before this one, the newest first. `typed`: the words of
    this command.
    """
    lines = []
    for job in file.others.to_undo_first:
        words: list[object] = [job.snapshot, *account_words(given_account({}, typed))]
        if job.snapshot == snapshot_path(job.checkpoint) and job.checkpoint.exists():
            with closing(Checkpoint.open(job.checkpoint, read_only=True)) as opened:
                recorded = seen_from(Path.cwd(), opened.repeated_options())
            words = job_words(job.checkpoint, recorded, account=True, typed=typed)
        undo = command_line("undo", *words)
        lines.append(
            f"{job.checkpoint.name} is of a newer job that wrote some of the same records, and is not "
            f"undone; undo it first: {undo}"
        )
    return lines


def unkept_lines(unkept: NotInSnapshot) -> list[str]:
    """Lines about rows that were written without a snapshot."""
    lines = []
    if unkept.written:
        rows = counted(unkept.written, "row")
        lines.append(f"written without --snapshot, so not undone: {rows}{_where(unkept.rows)}")
    if unkept.unsure:
        lines.append(
            f"perhaps written without --snapshot, so not undone: up to {counted(unkept.unsure, 'row')}"
            f"{_where(unkept.unsure_rows)}"
        )
    if unkept.unknown:
        lines.append(f"unknown whether more was written without --snapshot: {unkept.unknown}")
    return lines


def _where(ranges: Ranges) -> str:
    """The first ranges of rows, counted from 1; "" if not known."""
    if not ranges:
        return ""
    shown = [f"{first + 1:,} to {end:,}" for first, end in ranges[:_RANGES]]
    more = f" and {len(ranges) - _RANGES:,} more ranges" if len(ranges) > _RANGES else ""
    return f" (among the rows {', '.join(shown)}{more}, counted over all sources without headers)"
