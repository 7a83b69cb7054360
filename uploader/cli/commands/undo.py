"""`uploader undo`: archive what a job created and restore what it changed, where it is still the job's."""

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.cli.logs import configure_messages, print_message
from uploader.cli.option_variables import say_settings
from uploader.cli.options.connection import LOG_FORMAT, PATH, connection_options, connection_settings
from uploader.cli.options.group import CommandWithHeadings, Heading, option
from uploader.cli.options.project import Project
from uploader.cli.output import print_json, print_lines, refuse_foreign, write_list
from uploader.cli.plans.each_step import before_steps
from uploader.cli.text.canary import kind_text
from uploader.cli.text.numbers import duration, printable
from uploader.cli.text.undo_state import newer_jobs_lines, undone_text, unkept_dict, unkept_lines
from uploader.cli.typed_answer import answer
from uploader.cli.undo.before_records import Before
from uploader.cli.undo.links import find_links, undo_links
from uploader.cli.undo.record_list import find_list, undo_list
from uploader.cli.work_display import Work, WorkDisplay
from uploader.errors import CheckpointError, SettingsError, UploaderError
from uploader.hubspot.account import Account
from uploader.hubspot.object_types import noun
from uploader.jobs.summary import advice
from uploader.model.records import display_key
from uploader.model.redaction import without_identifiers
from uploader.model.settings_periods import NotInSnapshot
from uploader.properties.creation_record import is_record
from uploader.storage.file_names import snapshot_path
from uploader.storage.rows_without_snapshot import list_rows_without_snapshot
from uploader.system.stop_signals import stop_on_signals
from uploader.undo.associated_records import NOT_KNOWN
from uploader.undo.plan import BY_NEWER, UndoOutcome
from uploader.undo.run import Approve, Report, Undo, undo_settings
from uploader.undo.undo_file import UndoFile, find
from uploader.undo.would_be_gone import WouldBeGone

_HEADER = (
    "outcome",
    "row",
    "source",
    "key",
    "hubspot_id",
    "property",
    "ours",
    "now",
    "written_by",
    "why",
)
_REASONS = 5
_GONE = "uploader.would_be_gone"
#: The outcome, in the list of what was kept, of a row without a snapshot.
_UNKEPT = "no snapshot"


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
    if is_record(checkpoint):
        what = "this file records properties"
        _refuse_options(what, output=output, restart=restart, archive_touched=archive_touched)
        from uploader.cli.undo.properties import undo_properties  # noqa: PLC0415  # jobs do without it

        return undo_properties(checkpoint, dry_run=dry_run, yes=yes, as_json=as_json, connection=connection)
    gone = click.get_current_context().meta.setdefault(_GONE, WouldBeGone())  # the steps of a plan share it
    has_snapshot = _has_snapshot(checkpoint)
    before = _undo_before(
        checkpoint,
        {"output": output, "archive_touched": archive_touched},
        has_snapshot=has_snapshot,
        gone=gone,
        restart=restart,
        dry_run=dry_run,
        yes=yes,
        connection=connection,
    )
    if before.is_stopped or (not has_snapshot and not before.is_empty):
        _print_before(before, as_json=as_json)
        return before.exit_code
    snapshot, checkpoint = find(checkpoint)
    listed = output or _beside(snapshot)
    refuse_foreign(listed, _HEADER, "no list of what was kept")
    with contextlib.closing(UndoFile(snapshot)) as file:
        settings = undo_settings(file, checkpoint, restart=restart, **connection_settings(connection))
        make = partial(Undo, settings, file, dry=dry_run, archive_touched=archive_touched, gone=gone)
        report = _undo_records(make, file, partial(_write, output=listed, keeps_empty=bool(output)), yes=yes)
    _print_report(report, listed, before, as_json=as_json, dry_run=dry_run)
    if dry_run and snapshot == snapshot_path(checkpoint) and checkpoint.exists():
        for line in undone_text(checkpoint, sys.argv[1:]):
            print_message(f'{line} (counted above as "{_WORDS[UndoOutcome.AS_BEFORE]}")')
    return report.exit_code or before.exit_code


def _undo_records(
    make: Callable[..., Undo], file: UndoFile, write: Callable[[Undo], None], *, yes: bool
) -> Report:
    say_settings(click.get_current_context())
    for line in newer_jobs_lines(file, sys.argv[1:]):
        print_message(line)
    return asyncio.run(_undo(make, write, yes=yes))


# --- what comes before the records ---


def _undo_before(
    named: Path,
    of_records: Mapping[str, object],
    *,
    has_snapshot: bool,
    gone: WouldBeGone,
    restart: bool,
    dry_run: bool,
    yes: bool,
    connection: Mapping[str, Any],
) -> Before:
    """Undo the list and the links of a job. `of_records`: options that a job without a snapshot refuses."""
    job = UndoFile(find(named)[0]).about["job"] if has_snapshot else ""
    place, linked = find_list(named), find_links(named, job)
    if not has_snapshot and (place is not None or linked is not None):
        _refuse_options("this job was run without --snapshot", **of_records)
    before = Before(
        undo_list(*place, job, dry_run=dry_run, yes=yes, connection=connection) if place else None
    )
    if linked is not None and not before.is_stopped:
        before.links = undo_links(
            linked, dry_run=dry_run, gone=gone, restart=restart, yes=yes, connection=connection
        )
    return before


def _has_snapshot(named: Path) -> bool:
    try:
        find(named)
    except CheckpointError:
        return False
    return True


def _print_before(before: Before, *, as_json: bool) -> None:
    with contextlib.suppress(OSError):
        if as_json:
            print_json(before.as_dict())
        else:
            print_lines(before.lines())
    if not before.is_stopped:
        print_message(
            "nothing was written; run the command without --dry-run to do it"
            if before.is_dry
            else "the records themselves stay as they are: the job was run without --snapshot"
        )


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


def _refuse_options(why: str, **given: object) -> None:
    """SettingsError for an option that means nothing where no records are undone."""
    for name, value in given.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise SettingsError(f"{option} is for the undo of an upload with --snapshot, and {why}")


async def _undo(make: Callable[..., Undo], write: Callable[[Undo], None], *, yes: bool) -> Report:
    ask = _approval(yes=yes)

    async def approve(account: Account, created: int, others: int) -> bool:
        async with display.aside():
            return ask is None or await ask(account, created, others)

    run = make(approve=approve)
    stop_on_signals(run.ending.stop)
    display = WorkDisplay(partial(_work, run), ready=run.started, introduce=partial(_introduce, run))
    async with display:
        report = await run.run()
        if report.end is None:
            write(run)
        return report


# --- asking ---


def _approval(*, yes: bool) -> Approve | None:
    if yes:
        return None
    return _approve if sys.stdin.isatty() and sys.stderr.isatty() else _refuse_production


async def _refuse_production(account: Account, created: int, others: int) -> bool:
    del created, others
    if account.may_be_production:
        raise SettingsError(
            f"account {account.portal} is {kind_text(account)}, and there is no terminal to ask for "
            "confirmation: check with --dry-run, then add --yes"
        )
    return True


def _what_is_done(created: int, others: int) -> str:
    archived = f"archive up to {created:,} records that the job created"
    if not others:
        return archived
    return (
        f"{archived}, and restore values of up to {others:,} others"
        if created
        else (f"restore values of up to {others:,} records that were there before the job")
    )


async def _approve(account: Account, created: int, others: int) -> bool:
    kind = f" ({account.kind})" if account.kind else ""
    print_message(f"account {account.portal}{kind}: {_what_is_done(created, others)}? [y/N] ", end="")
    return (await answer()).strip().lower() in {"y", "yes"}


# --- reporting ---


def _introduce(run: Undo) -> None:
    assert run.session is not None
    account, report = run.session.account, run.report
    where = f"account {account.portal}" if account else "the account"
    goes_on = f", {report.left:,} left from an earlier undo" if run.is_resumed else ""
    many = noun(run.settings.object_type).many
    print_message(f"undo in {where}: {report.keys:,} {many} in {run.file.snapshot.name}{goes_on}")


def _work(run: Undo) -> Work:
    assert run.session is not None
    sender, report = run.session.sender, run.report
    trouble = f"PAUSED {duration(sender.pause_seconds)}: {sender.pausing}" if sender.pausing else ""
    if run.resolving:
        trouble = trouble or f"looking up what the job created: {sender.tallies.requests:,} requests"
    parts = [f"{part} (planned)" for part in _parts(report)] if run.dry else _parts(report)
    done = report.keys - report.left
    return Work(noun(run.settings.object_type).many, done, report.keys, parts, trouble)


def _parts(report: Report) -> list[str]:
    return [f"{count:,} {outcome.value}" for outcome, count in report.counts.items() if count]


def _write(run: Undo, output: Path, *, keeps_empty: bool) -> None:
    """Write the list of what was not undone, and print its reasons and what to do."""
    reasons: Counter[str] = Counter()
    write_list(output, _HEADER, _listed(run, reasons), keeps_empty=keeps_empty)
    for reason, count in reasons.most_common(_REASONS):
        print_message(f"{count:>9,}  {printable(reason)}")
    schema = run.session.account.schema if run.session and run.session.account else None
    if schema and schema.hidden_scope and run.report.counts[UndoOutcome.ARCHIVED]:
        print_message(
            f"the token lacks the scope {schema.hidden_scope}: undo did not see whether others have written "
            "sensitive properties of what the job created"
        )
    for line in _next_steps(run.file.kept_created(), run.settings.object_type, reasons):
        print_message(line)


def _next_steps(touched: int, object_type: str, reasons: Iterable[str]) -> Iterator[str]:
    """What the user can do about kept records. `touched`: how many --archive-touched would archive."""
    reasons = list(reasons)
    word = noun(object_type).one if touched == 1 else noun(object_type).many
    if any(BY_NEWER in reason for reason in reasons):
        yield (
            "what newer jobs have written is kept: undo those jobs first, as named above, then run this "
            "command again with --restart"
        )
    if touched:
        yield (
            f"{touched:,} {word} that the job created {'is' if touched == 1 else 'are'} kept, because "
            "others have worked with them since; to archive them, too, add --archive-touched"
        )
    if any(NOT_KNOWN in reason for reason in reasons):
        yield ("if the token lacks a scope, grant it, then run this command again with --restart")


def _listed(run: Undo, reasons: Counter[str]) -> Iterator[Sequence[object]]:
    """Lines for what was kept and for rows without a snapshot. Reasons are counted in `reasons`."""
    for kept in run.file.kept():
        finding = kept.finding
        why = without_identifiers(finding.why)
        reasons[f"{kept.outcome.value}: {finding.property or 'the whole record'}: {why}"] += 1
        yield (
            kept.outcome.value,
            kept.row,
            kept.source + 1,
            display_key(kept.key, [f"{kept.id_property}="], run.settings.id_property),
            kept.hubspot_id,
            finding.property,
            finding.ours,
            finding.now,
            finding.source,
            finding.why,
        )
    yield from _unkept(run.settings.checkpoint_path, run.report.unkept)


def _unkept(checkpoint: Path, unkept: NotInSnapshot) -> Iterator[Sequence[object]]:
    """Rows that were written without a snapshot, as the results file names them."""
    listed, why = 0, "the results file does not list them"
    try:
        for row in list_rows_without_snapshot(checkpoint, unkept):
            cells = (row.row, row.source + 1 or "", row.key, row.hubspot_id)
            yield (
                _UNKEPT,
                *cells,
                "",
                "",
                "",
                "",
                f"{row.outcome} without --snapshot, so it cannot be undone",
            )
            listed += 1
    except CheckpointError:
        why = "the results file cannot be read, or was changed"
    if listed < unkept.written:
        print_message(f"{unkept.written - listed:,} rows without a snapshot cannot be listed: {why}")


def _beside(snapshot: Path) -> Path:
    head, _, number = snapshot.name.rpartition(".snapshot")
    return snapshot.with_name(f"{head.removesuffix('.checkpoint')}.kept{number}.csv")


def _print_report(report: Report, output: Path, before: Before, *, as_json: bool, dry_run: bool) -> None:
    counts, end = report.counts, report.end
    with contextlib.suppress(OSError):
        if as_json:
            document = {
                "contacts": report.keys,
                **{outcome.name.lower(): counts[outcome] for outcome in UndoOutcome},
                "left": report.left,
                "values_restored": report.values_restored,
                "values_kept": report.values_kept,
                "keys_absent_twice": report.twice_absent,
                **unkept_dict(report.unkept),
                **before.as_dict(),
                "dry_run": dry_run,
                "requests": report.requests,
                "elapsed_seconds": round(report.elapsed_seconds, 3),
                "state": "stopped" if end else "complete",
                "reason": end.reason if end else "",
            }
            print_json(document)
        else:
            print_lines([*before.lines(), *_lines(report, dry_run=dry_run)])
    if report.is_old:
        print_message("nothing was done: the job was undone before (--restart looks at every record again)")
    if end is not None:
        print_message(f"stopped: {printable(end.reason)}; {advice(end.cause)}")
    elif report.exit_code and output.exists():
        print_message(f"list of what was kept: {output}")
    if end is None and dry_run:
        print_message("nothing was written; run the command without --dry-run to do it")


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
            f"{count:,} {'key' if count == 1 else 'keys'} matched no record before a request that got no "
            "answer, nor before the next one: if the first request created a record whose key was changed "
            "since, that record is not undone"
        )
    lines += unkept_lines(report.unkept)
    lines.append(f"{report.requests:,} requests, {duration(report.elapsed_seconds)}")
    return lines
