"""`uploader purge`: delete the files of a job. `storage/files_to_purge` finds them."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from uploader.cli.logs import print_message
from uploader.cli.output import print_lines
from uploader.cli.plans.each_step import after_steps
from uploader.cli.project_file import Plan, checkpoint_argument, checkpoint_of
from uploader.cli.typed_answer import answer
from uploader.errors import DeclinedError, SettingsError
from uploader.jobs.follow_ups import read_progress
from uploader.plans.record_file import record_path
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import snapshot_path, undo_path
from uploader.storage.files_to_purge import JobFile, files_around, find, remove
from uploader.system.private_files import Lock


@click.command()
@checkpoint_argument
@click.option(
    "--keep-results", is_flag=True, help="Keep the results file (row, key, id and outcome of each row)."
)
@click.option(
    "--unfinished",
    is_flag=True,
    help="Delete the files of an unfinished job, too; it cannot be resumed then.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(checkpoint: Path, *, keep_results: bool, unfinished: bool, yes: bool) -> int:
    """Delete the checkpoint, the files beside it, the results file, and the lists of verify and undo.

    Deletes only files that certainly belong to this job, and never a source. Names what it leaves: the
    sources, files that options named, and files beside these with the same beginning. Delete those, and what
    was written elsewhere with -o, copies and backups yourself. The disk space is not overwritten.
    """
    lock = Lock(checkpoint)
    lock.acquire()  # before its state is read, so that no process resumes it in between
    try:
        with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
            state, around = opened.state(), files_around(checkpoint, opened)
            left = [one.line for one in read_progress(opened).values() if one.open]
        if (state.state != "complete" or left) and not unfinished:
            what = f"{state.tallies.open:,} rows are open" if state.state != "complete" else "; ".join(left)
            raise SettingsError(
                f"{checkpoint}: this job is not finished, and cannot be resumed without its checkpoint "
                f"({what}); to delete it anyway, add --unfinished"
            )
        found = [one for one in find(checkpoint) if not (keep_results and one.is_result)]
        print_message(f"to be deleted, {len(found)} files:")
        for line in _listed(found, checkpoint):
            print_message(line)
        if not yes and not asyncio.run(_is_meant(len(found))):
            raise DeclinedError("nothing was deleted")
        for one in found:
            remove(one)
        lock.keep_note = False
    finally:
        lock.release()
    print_lines([f"deleted {len(found)} files of {checkpoint.name}"])
    stay = [one for one in around if one.path.exists()]
    if stay:
        print_message(f"left, as they may hold personal data, too: {len(stay)} files")
    for one in stay[:_MOST_LEFT]:
        print_message(f"{one.path}: {one.what}")
    if len(stay) > _MOST_LEFT:
        print_message(f"and {len(stay) - _MOST_LEFT:,} more")
    return 0


_MOST_LEFT = 20


@after_steps("purge")
def _remove_record(plan: Plan, options: Mapping[str, Any], code: int) -> int:
    """Remove the record of a plan, once the jobs of all its steps are removed."""
    del options
    record = record_path(plan.path)
    if record.exists() and not any(checkpoint_of(one).exists() for one in plan.steps):
        record.unlink(missing_ok=True)
        print_lines([f"deleted {record}: the record of the plan"])
    return code


def _listed(found: list[JobFile], checkpoint: Path) -> list[str]:
    lines = [f"{one.path}: {one.what}" for one in found]
    snapshot = snapshot_path(checkpoint)
    if snapshot.exists() and not undo_path(snapshot).exists():
        lines.append("this job was not undone; without its snapshot it can no longer be")
    return lines


async def _is_meant(count: int) -> bool:
    if not sys.stdin.isatty():
        raise SettingsError("there is no terminal to ask for confirmation; add --yes")
    print_message(f"delete these {count} files? [y/N] ", end="")
    return (await answer()).strip().lower() in {"y", "yes"}
