"""`uploader undo`: archive what a job created and restore what it changed, where it is still the job's."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.cli.logs import configure_messages, print_message
from uploader.cli.option_variables import say_settings
from uploader.cli.options.connection import LOG_FORMAT, PATH, connection_options, connection_settings
from uploader.cli.options.group import CommandWithHeadings, Heading, option
from uploader.cli.options.project import Project
from uploader.cli.output import print_json, print_lines
from uploader.cli.plans.each_step import before_steps
from uploader.cli.text.new_properties import removed_lines
from uploader.cli.text.numbers import duration
from uploader.cli.text.undo_state import newer_jobs_lines, undone_text, unkept_lines
from uploader.cli.undo.approval import approvals
from uploader.cli.undo.before_records import lines_before
from uploader.cli.work_display import Work, WorkDisplay
from uploader.errors import UploaderError
from uploader.hubspot.object_types import noun
from uploader.jobs.summary import advice
from uploader.model.counted import counted, numbered
from uploader.model.foreign_texts import printable
from uploader.properties import removal
from uploader.storage.file_names import snapshot_path
from uploader.system.stop_signals import stop_on_signals
from uploader.undo.associated_records import NOT_KNOWN
from uploader.undo.job.as_json import as_dict
from uploader.undo.job.kept_list import KeptList
from uploader.undo.job.run import JobReport, JobUndo, Part
from uploader.undo.plan import BY_NEWER, UndoOutcome
from uploader.undo.run import Report, Undo
from uploader.undo.undo_file import find
from uploader.undo.would_be_gone import WouldBeGone

_REASONS = 5
_GONE = "uploader.would_be_gone"


@click.command(cls=CommandWithHeadings)
@click.argument("checkpoint", type=PATH)
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be done.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="CSV file for what is kept, and why. Default: path of the source + .kept.csv.",
)
@click.option(
    "--restart", is_flag=True, help="Look at every record again, also those that an earlier undo settled."
)
@click.option(
    "--archive-touched",
    is_flag=True,
    help="Also archive created records that people or other apps have changed since, or have associated "
    "calls, notes, deals or tickets with. Default: these are kept and listed.",
)
@click.option(
    "--yes", is_flag=True, help="Do not ask for confirmation before records are archived or changed."
)
@connection_options
@LOG_FORMAT
@option(Heading.OUTPUT, "--json", "as_json", is_flag=True, help="Print the report on stdout as JSON.")
def command(
    checkpoint: Path,
    *,
    dry_run: bool,
    output: Path | None,
    restart: bool,
    archive_touched: bool,
    yes: bool,
    log_format: str,
    as_json: bool,
    **connection: object,
) -> int:
    """Undo a job that was run with --snapshot: archive what it created, restore what it changed. Records that
    it has put into a list (--add-to-list) are taken out first, and links that it made (--associate) are taken
    back, also without a snapshot.

    CHECKPOINT is the job's checkpoint, or a snapshot that --restart kept (...checkpoint.snapshot.1; of a job
    without one, ...checkpoint.links.1 or ...checkpoint.list.1). It may also be a record that
    create-properties wrote (...created.json): then the properties that no record has a value of are archived,
    and the others are kept.

    Records that the job created are archived, unless others have changed them since or have associated calls,
    e-mails, meetings, notes, tasks, messages, letters, deals or tickets with them. Each value that the job
    changed is restored if it is still the job's. All else is kept and listed, as are rows that were written
    without --snapshot. If interrupted, the same command continues.

    \b
    Exit codes:
      0        all undone
      1        some records were kept, are gone, failed or have no snapshot
      2        wrong usage, undo cannot start, or it was declined
      75       stopped; run the same command again later
      78       stopped; solve the reported problem first
      130/143  interrupted by SIGINT/SIGTERM
    """
    configure_messages(log_format, verbose=False)
    gone = click.get_current_context().meta.setdefault(_GONE, WouldBeGone())  # the steps of a plan share it
    display = _Display()
    undo = JobUndo(
        checkpoint,
        connection_settings(connection),
        dry_run=dry_run,
        output=output,
        restart=restart,
        archive_touched=archive_touched,
        approvals=None if yes else approvals(display.aside),
        gone=gone,
        watch=display.watch,
    )
    report = asyncio.run(_undo(undo))
    if report.properties is not None:
        _print_properties(report, report.properties, as_json=as_json)
    elif report.records is None:
        _print_before(report, as_json=as_json)
    else:
        _print_records(checkpoint, report, report.records, as_json=as_json)
    return report.exit_code


async def _undo(undo: JobUndo) -> JobReport:
    stop_on_signals(undo.stop)
    return await undo.run()


class _Display:
    """The progress display of the records, once they are undone."""

    def __init__(self) -> None:
        self._display: WorkDisplay | None = None

    @contextlib.asynccontextmanager
    async def watch(self, part: Part) -> AsyncIterator[None]:
        if not isinstance(part, Undo):
            yield
            return
        say_settings(click.get_current_context())
        for line in newer_jobs_lines(part.file, sys.argv[1:]):
            print_message(line)
        self._display = WorkDisplay(
            partial(_work, part), ready=part.started, introduce=partial(_introduce, part)
        )
        async with self._display:
            yield

    @contextlib.asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        async with self._display.aside() if self._display else contextlib.nullcontext():
            yield


def _print_before(report: JobReport, *, as_json: bool) -> None:
    with contextlib.suppress(OSError):
        if as_json:
            print_json(as_dict(report))
        else:
            print_lines(lines_before(report))
    if not report.is_stopped_before:
        print_message(
            "nothing was written; run the command without --dry-run to do it"
            if report.is_dry
            else "the records themselves stay as they are: the job was run without --snapshot"
        )


def _print_properties(whole: JobReport, report: removal.Report, *, as_json: bool) -> None:
    with contextlib.suppress(OSError):
        if as_json:
            print_json(as_dict(whole))
        else:
            print_lines(removed_lines(report, dry_run=whole.is_dry))
    if report.end is not None:
        print_message(f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}")
    elif whole.is_dry:
        print_message("nothing was archived; run the command without --dry-run to do it")
    elif report.kept:
        print_message("undo the uploads that wrote these values first, then run this command again")


@before_steps("undo")
def _refuse_part_of_plan(steps: Sequence[tuple[Project, Path]], options: Mapping[str, Any]) -> None:
    """CheckpointError if a step cannot be undone, before another one is."""
    del options
    for step, checkpoint in steps:
        try:
            find(checkpoint)
        except UploaderError as error:
            what = "nothing was undone, since not all steps can be; undo the others one by one, with -f"
            error.args = (f"{what} {step.file}#STEP: step {step.step}: {error}",)
            raise


# --- reporting ---


def _introduce(run: Undo) -> None:
    assert run.session is not None
    account, report = run.session.account, run.report
    where = f"account {account.portal}" if account else "the account"
    goes_on = f", {report.left:,} left from an earlier undo" if run.is_resumed else ""
    keys = counted(report.keys, *noun(run.settings.object_type))
    print_message(f"undo in {where}: {keys} in {run.file.snapshot.name}{goes_on}")


def _work(run: Undo) -> Work:
    assert run.session is not None
    sender, report = run.session.sender, run.report
    trouble = f"PAUSED {duration(sender.pause_seconds)}: {sender.pausing}" if sender.pausing else ""
    if run.resolving:
        trouble = trouble or f"looking up what the job created: {counted(sender.tallies.requests, 'request')}"
    parts = [f"{part} (planned)" for part in _parts(report)] if run.dry else _parts(report)
    done = report.keys - report.left
    if not done and not trouble:  # all batches in flight are read before the first is undone
        parts = [f"reading them first: {counted(sender.tallies.requests, 'request')}"]
    return Work(noun(run.settings.object_type).many, done, report.keys, parts, trouble)


def _parts(report: Report) -> list[str]:
    return [f"{count:,} {outcome.value}" for outcome, count in report.counts.items() if count]


def _print_kept(kept: KeptList) -> None:
    """Print the reasons of what was kept, and what to do."""
    if kept.unlisted:
        rows = counted(kept.unlisted, "row")
        print_message(f"{rows} without a snapshot cannot be listed: {kept.why_unlisted}")
    for reason, count in kept.reasons.most_common(_REASONS):
        print_message(f"{count:>9,}  {printable(reason)}")
    if kept.hidden_scope:
        print_message(
            f"the token lacks the scope {kept.hidden_scope}: undo did not see whether others have written "
            "sensitive properties of what the job created"
        )
    for line in _next_steps(kept.touched, kept.object_type, kept.reasons):
        print_message(line)


def _next_steps(touched: int, object_type: str, reasons: Iterable[str]) -> Iterator[str]:
    """What the user can do about kept records. `touched`: how many --archive-touched would archive."""
    reasons = list(reasons)
    if any(BY_NEWER in reason for reason in reasons):
        yield (
            "what newer jobs have written is kept: undo those jobs first, as named above, then run this "
            "command again with --restart"
        )
    if touched:
        yield (
            f"{counted(touched, *noun(object_type))} that the job created "
            f"{numbered(touched, 'is', 'are')} kept, because "
            "others have worked with them since; to archive them, too, add --archive-touched"
        )
    if any(NOT_KNOWN in reason for reason in reasons):
        yield ("if the token lacks a scope, grant it, then run this command again with --restart")


def _print_records(named: Path, whole: JobReport, report: Report, *, as_json: bool) -> None:
    end, kept = report.end, whole.kept
    if kept is not None:
        _print_kept(kept)
    with contextlib.suppress(OSError):
        if as_json:
            print_json(as_dict(whole))
        else:
            print_lines([*lines_before(whole), *_lines(report, dry_run=whole.is_dry)])
    if report.is_old:
        print_message("nothing was done: the job was undone before (--restart looks at every record again)")
    if end is not None:
        print_message(f"stopped: {printable(end.reason)}; {advice(end.cause)}")
    elif report.exit_code and kept is not None and kept.path.exists():
        print_message(f"list of what was kept: {kept.path}")
    if end is None and whole.is_dry:
        print_message("nothing was written; run the command without --dry-run to do it")
    snapshot, checkpoint = find(named)
    if whole.is_dry and snapshot == snapshot_path(checkpoint) and checkpoint.exists():
        for line in undone_text(checkpoint, sys.argv[1:]):
            print_message(f'{line} (counted above as "{_WORDS[UndoOutcome.AS_BEFORE]}")')


_WORDS = {
    UndoOutcome.ARCHIVED: "created by the job, archived",
    UndoOutcome.RESTORED: "changed by the job, restored",
    UndoOutcome.AS_BEFORE: "unchanged: nothing to do",
    UndoOutcome.KEPT: "kept, at least in part: changed by others since",
    UndoOutcome.GONE: "gone: deleted, merged or not found",
    UndoOutcome.FAILED: "failed",
    UndoOutcome.ALIAS: "counted under another key",
}
_WOULD = {
    UndoOutcome.ARCHIVED: "created by the job, to be archived",
    UndoOutcome.RESTORED: "changed by the job, to be restored",
}


def _lines(report: Report, *, dry_run: bool) -> list[str]:
    """The report as lines for people."""
    words = {**_WORDS, **_WOULD} if dry_run else _WORDS
    lines = [f"{count:>12,}  {words[outcome]}" for outcome, count in report.counts.items()]
    if report.left:
        lines.append(f"{report.left:>12,}  left")
    lines.append(f"{report.keys:>12,}  in the snapshot")
    restored = "to be restored" if dry_run else "restored"
    lines.append(f"values {restored}: {report.values_restored:,}, kept: {report.values_kept:,}")
    if count := report.twice_absent:
        lines.append(
            f"{counted(count, 'key')} matched no record before a request that got no "
            "answer, nor before the next one: if the first request created a record whose key was changed "
            "since, that record is not undone"
        )
    lines += unkept_lines(report.unkept)
    lines.append(f"{counted(report.requests, 'request')}, {duration(report.elapsed_seconds)}")
    return lines
