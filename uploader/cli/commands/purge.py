"""`uploader purge`: delete the files of a job. `storage/files_to_purge` finds them."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from uploader.cli.logs import print_message
from uploader.cli.options.project import Plan
from uploader.cli.output import print_lines
from uploader.cli.plans.each_step import after_steps
from uploader.cli.project_file import checkpoint_argument, checkpoint_of
from uploader.cli.text.next_command import command_line
from uploader.cli.typed_answer import answer
from uploader.errors import DeclinedError, SettingsError
from uploader.jobs.corrected_rows import correcting_jobs, files_of_failed_rows
from uploader.jobs.follow_ups import read_progress
from uploader.plans.record_file import record_path
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import snapshot_path, undo_path
from uploader.storage.files_to_purge import JobFile, files_around, find, is_report, remove
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
@click.option(
    "--with-opt-outs",
    is_flag=True,
    help="Delete the list of opt-outs, too, because it was imported in HubSpot.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(checkpoint: Path, *, keep_results: bool, unfinished: bool, with_opt_outs: bool, yes: bool) -> int:
    """Delete the checkpoint, the files beside it, the results file, and the lists of verify and undo.

    Deletes only files that certainly belong to this job, and never a source. Names what it leaves: the list
    of opt-outs, files of failed rows with the jobs that uploaded them, the sources, files that options named,
    and files beside these with the same beginning. Delete those, and what was written elsewhere with -o,
    copies and backups yourself. The disk space is not overwritten.
    """
    lock = Lock(checkpoint)
    lock.acquire()  # before its state is read, so that no process resumes it in between
    try:
        with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
            state, jobs, around = opened.state(), correcting_jobs(opened), _around(checkpoint, opened)
            undone = [one.line for one in read_progress(opened).values() if one.open]
        if (state.state != "complete" or undone) and not unfinished:
            what = f"{state.tallies.open:,} rows are open" if state.state != "complete" else "; ".join(undone)
            raise SettingsError(
                f"{checkpoint}: this job is not finished, and cannot be resumed without its checkpoint "
                f"({what}); to delete it anyway, add --unfinished"
            )
        found, kept = list[JobFile](), list[JobFile]()
        for one in find(checkpoint):
            is_kept = keep_results if one.is_result else one.is_to_import and not with_opt_outs
            (kept if is_kept else found).append(one)
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
    of_jobs = {one.path.absolute() for job in jobs for one in find(job)}
    left: dict[Path, JobFile] = {}
    for one in (*kept, *around):
        if one.path.exists() and one.path.absolute() not in of_jobs:
            left.setdefault(one.path.absolute(), one)
    _say_left([*left.values()], jobs, yes=yes)
    return 0


def _around(checkpoint: Path, job: Checkpoint) -> list[JobFile]:
    """Files that have to do with the job, those of its failed rows first."""
    failed = files_of_failed_rows(checkpoint, job.identity())
    return [*(JobFile(path, "failed rows of this job") for path in failed), *files_around(checkpoint, job)]


def _say_left(left: Sequence[JobFile], jobs: Sequence[Path], *, yes: bool) -> None:
    """Name what is left: files, and the jobs that uploaded failed rows."""
    if left:
        print_message(f"left, as they may hold personal data, too: {len(left)} files")
    for one in left[:_MOST_LEFT]:
        print_message(f"{one.path}: {one.what}")
    if len(left) > _MOST_LEFT:
        print_message(f"and {len(left) - _MOST_LEFT:,} more")
    for job in jobs:
        purge = command_line("purge", job, *["--yes"] * yes)
        print_message(f"{job} is of a job that uploaded failed rows of this one: {purge}")


_MOST_LEFT = 20


@after_steps("purge")
def _remove_record(plan: Plan, options: Mapping[str, Any], code: int) -> int:
    """Remove the record and the report of a plan, once the jobs of all its steps are removed."""
    del options
    if any(checkpoint_of(one).exists() for one in plan.steps):
        return code
    record, report = record_path(plan.path), plan.path.with_name(f"{plan.path.name}.report.html")
    files = {record: "the record of the plan", **({report: "its report"} if is_report(report) else {})}
    for path, what in files.items():
        if path.exists():
            path.unlink()
            print_lines([f"deleted {path}: {what}"])
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
