"""`uploader upload`: make settings from options, run the job, and print its summary."""

import asyncio
import contextlib
import gc
import importlib.util
import math
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.canary.assessment import Review
from uploader.cli.logs import configure_messages, is_json, note_event, note_job, print_message
from uploader.cli.option_variables import options_from_variables, say_settings
from uploader.cli.options.connection import LOG_FORMAT, PATH
from uploader.cli.options.group import CommandWithHeadings, Heading, option
from uploader.cli.options.source_and_key import job_options, job_settings
from uploader.cli.output import print_json, print_lines
from uploader.cli.progress import show
from uploader.cli.project_file import job_words
from uploader.cli.summary_file import SummaryFile
from uploader.cli.text.canary import (
    anew_text,
    approving_line,
    canary_text,
    kind_text,
    refusal_text,
    review_lines,
)
from uploader.cli.text.forecast import chain_lines, forecast_lines, reads_text
from uploader.cli.text.next_command import command_line
from uploader.cli.text.numbers import about
from uploader.cli.text.summary import ending_text, missing_links_lines, opt_out_lines, summary_text
from uploader.cli.typed_answer import answer
from uploader.errors import SettingsError, UndoneCanaryError
from uploader.hubspot.account import Account
from uploader.hubspot.object_types import noun
from uploader.hubspot.requests import MAX_INPUTS
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.model.chain_of_rows import CHAIN_SECONDS
from uploader.model.foreign_texts import printable
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause
from uploader.pipeline.rate.forecast import with_chain
from uploader.settings import Settings
from uploader.settings.safety import parse_tolerance
from uploader.settings.source import SourceSettings
from uploader.settings.speed import OnLongPause, parse_duration
from uploader.sources.names import STDIN, shown
from uploader.storage.file_names import opt_outs_path, snapshot_path, undo_path
from uploader.system.stop_signals import stop_on_signals


@click.command(cls=CommandWithHeadings)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@job_options
@option(
    Heading.SAFETY,
    "--canary",
    type=int,
    metavar="N",
    help="Send N rows first, read them back, and ask before sending the others. "
    "Default: 100 on a production account, or none with --yes.",
)
@option(Heading.SAFETY, "--no-canary", is_flag=True, help="Send all rows at once.")
@option(
    Heading.SAFETY,
    "--canary-wait",
    type=float,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for workflows to act before the canary rows are read back.",
)
@option(
    Heading.SAFETY,
    "--approve-canary",
    is_flag=True,
    help="Send the other rows: the canary's result has been reviewed.",
)
@option(
    Heading.SAFETY,
    "--tolerate",
    metavar="N|P%",
    help="Exit with 0 although a finished job has failed rows, up to this number or share.",
)
@option(
    Heading.SAFETY,
    "--restart",
    is_flag=True,
    help="Discard the checkpoint and the results file, and begin with the first row.",
)
@option(
    Heading.SAFETY,
    "--accept-changed-settings",
    is_flag=True,
    help="Resume although settings that decide what is written are not those the job began with.",
)
@option(
    Heading.SAFETY,
    "--accept-changed-results",
    is_flag=True,
    help="Resume with a new results file if the job's own was changed or is missing.",
)
@option(
    Heading.SAFETY,
    "--yes",
    is_flag=True,
    help="Write to a production account without asking, and without a canary unless --canary is given.",
)
@option(
    Heading.SPEED,
    "--max-duration",
    metavar="TIME",
    help="Finish what is in flight and stop (exit 75) after this time, for example 2h30m.",
)
@option(
    Heading.SPEED,
    "--drain-timeout",
    type=float,
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="After Ctrl-C or SIGTERM, wait this long for the replies to requests in flight.",
)
@option(
    Heading.OUTPUT,
    "--checkpoint",
    type=PATH,
    help="File that a later run resumes from; required for stdin. Default: path of the first source + "
    ".checkpoint.",
)
@option(
    Heading.OUTPUT,
    "--results",
    type=PATH,
    help="CSV file with the outcome of each row. Default: path of the first source + .results.csv.",
)
@option(Heading.OUTPUT, "--no-results", is_flag=True, help="Write no results file.")
@option(
    Heading.OUTPUT,
    "--summary-file",
    type=PATH,
    metavar="FILE",
    help="Write the summary and the exit code to this file as JSON; it is replaced in one step.",
)
@option(Heading.OUTPUT, "--json", "as_json", is_flag=True, help="Print the summary on stdout as JSON.")
@LOG_FORMAT
@option(
    Heading.OUTPUT, "-v", "--verbose", is_flag=True, help="Print more messages on stderr; never a secret."
)
def command(
    sources: tuple[str, ...],
    *,
    log_format: str,
    yes: bool,
    verbose: bool,
    as_json: bool,
    summary_file: Path | None,
    **options: Any,  # noqa: ANN401  # those of the settings
) -> int:
    """Upload the rows of SOURCE. The same command again resumes a job that was stopped.

    SOURCE is a CSV, NDJSON or JSON file, plain or compressed (gzip, zstd, bzip2, xz, ZIP), a Parquet or
    .xlsx file, a URL, also of a database (sqlite:///crm.db?table=people), a pattern in quotes
    ('exports/*.csv'), or - for stdin. The access token is read from HUBSPOT_ACCESS_TOKEN or --token-file, or
    printed by the program of --token-command.

    \b
    Exit codes:
      0        every row created, updated, unchanged or skipped (or the number
               of others within --tolerate)
      1        finished; some rows failed or are pending, or some links or members
               of a list are missing
      2        wrong usage, or the job cannot start
      3        waiting for approval of the canary
      75       stopped; run the same command again later
      78       stopped; solve the reported problem, then run it again
      130/143  interrupted by SIGINT/SIGTERM
    """
    file = SummaryFile(summary_file) if summary_file else None
    configure_messages(log_format, verbose=verbose)
    with file.recording_errors() if file else contextlib.nullcontext():
        settings = Settings(**job_fields(sources, yes=yes, **options))
        if file:
            file.check(settings)
        gc.freeze()  # what is loaded by now stays
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            try:
                summary, finished_before, rows_not_in_results = runner.run(_upload(settings, yes=yes))
            except UndoneCanaryError as error:
                error.args = (f"{error}{anew_text(_typed(), sources)}",)
                raise
    code = file.write(summary) if file else summary.exit_code
    _report(summary, settings, finished_before, as_json=as_json, rows_not_in_results=rows_not_in_results)
    return code


def job_fields(
    sources: tuple[str, ...],
    *,
    no_results: bool,
    tolerate: str | None,
    drain_timeout: float,
    max_duration: str | None,
    canary: int | None,
    no_canary: bool,
    canary_wait: float,
    yes: bool,
    **same: Any,  # noqa: ANN401  # options whose names and types are the settings' own
) -> dict[str, Any]:
    """The fields of the job's `Settings`, from the values of its options."""
    return {
        "sources": sources,
        "write_results": not no_results,
        "tolerate": parse_tolerance(tolerate) if tolerate else None,
        "drain_timeout_seconds": drain_timeout,
        "max_duration_seconds": parse_duration(max_duration) if max_duration else None,
        "canary": _canary_rows(canary, no_canary=no_canary, yes=yes),
        "canary_wait_seconds": canary_wait,
        **job_settings(same),
    }


def _canary_rows(rows: int | None, *, no_canary: bool, yes: bool) -> int | None:
    """The number of canary rows; 0 for none, None if it depends on the account."""
    if rows is not None and (no_canary or rows < 1):
        raise SettingsError("--canary takes a number of rows, 1 or more; for none, use --no-canary alone")
    return 0 if no_canary or (yes and rows is None) else rows


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of uvloop if it is installed, which takes some 15 % less CPU; else None."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    uvloop = importlib.import_module("uvloop")

    class ExactLoop(uvloop.Loop):  # type: ignore[name-defined,misc]
        def time(self) -> float:
            """The exact time. uvloop caches it while a callback runs: too coarse for a log of sends."""
            return time.monotonic()

    return ExactLoop


async def _upload(settings: Settings, *, yes: bool) -> tuple[Summary, list[str], int]:
    """Run the job: its summary, notices to print, and the number of rows that the results file lacks."""
    asks = can_ask(settings)

    async def approve(account: Account, rows: int | None) -> bool:
        if not account.may_be_production:
            return True
        if not asks:
            raise SettingsError(refusal_text(account))
        async with display.aside():
            return await _approve(account, rows)

    async def judge(review: Review) -> bool:
        async with display.aside():
            return await judge_canary(review, settings.object_type, asks=asks)

    run = Run(settings, approve=None if yes else approve, judge=judge)
    stop_on_signals(partial(_interrupt, run))
    display = RunDisplay(run, partial(_introduce, run))
    display.start()
    try:
        summary = await run.run()
        return summary, lines_after(run, summary), run.rows_not_in_results
    finally:
        await display.stop()


async def judge_canary(review: Review, object_type: str, *, asks: bool) -> bool:
    """Show the review of a canary, and ask whether the other rows are sent if somebody can be asked."""
    for line in review_lines(review, noun(object_type)):
        print_message(line)
    return asks and await is_yes("send the other rows?")


class RunDisplay:
    """The messages and the progress display of a running job."""

    def __init__(self, run: Run, introduce: Callable[[], None], step: str = "") -> None:
        """`introduce` prints what stands above the progress. `step`: what the job is within a plan."""
        self._run = run
        self._introduce_now = introduce
        self._step = step
        self._is_introduced = False
        self._task: asyncio.Task[None] | None = None

    @property
    def object_type(self) -> str:
        return self._run.settings.object_type

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._show())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Pause the display, which would overwrite a question."""
        await self.stop()
        self._introduce()
        try:
            yield
        finally:
            self.start()

    async def _show(self) -> None:
        display = asyncio.ensure_future(show(self._run, step=self._step))
        try:
            await self._run.started.wait()
            self._introduce()
            await display
        finally:
            display.cancel()

    def _introduce(self) -> None:
        if not self._is_introduced:
            self._is_introduced = True
            self._introduce_now()


def _introduce(run: Run) -> None:
    note_job(run.job_id, run.account.portal)
    for line in [
        *introduction(run),
        "Ctrl-C stops cleanly; the same command resumes, with another --rate if you like",
    ]:
        print_message(line)
    say_settings(click.get_current_context())


def can_ask(settings: SourceSettings) -> bool:
    """Whether the user can be asked: on a terminal, with stdin not a source."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not is_json() and "-" not in settings.sources


async def _approve(account: Account, rows: int | None) -> bool:
    count = "the rows" if rows is None else f"about {about(rows)} rows"
    name = account.portal or "unknown"
    return await is_yes(f"account {name} is {kind_text(account)}. Write {count} to it?")


async def is_yes(question: str) -> bool:
    print_message(f"{question} [y/N] ", end="")
    return (await answer()).strip().lower() in {"y", "yes"}


def _interrupt(run: Run, number: signal.Signals) -> None:
    run.stop(number)
    what = (
        "waiting for the replies to requests in flight" if run.started.is_set() else "nothing was written yet"
    )
    print_message(f"stopping: {what} (interrupt again to stop at once)")


def introduction(run: Run, rows: int | None = None, longest_chain: int | None = None) -> list[str]:
    """The first lines of a run: account, key, rows, requests, duration, files. `rows`: their number, if it is
    known and not only estimated. `longest_chain`: the number of those with the most frequent key, if known.
    """
    account, settings = run.account, run.settings
    kind = f" ({account.kind})" if account.kind else ""
    about = ", ".join(part for part in (account.ui_domain, account.time_zone) if part)
    where = f"{noun(settings.object_type).many} into account {account.portal or 'unknown'}{kind}"
    key = f"by {', else '.join(settings.match)}"
    lines = [f"{where}, {key}{f'; {about}' if about else ''}"]
    lines += _forecast(run, rows, longest_chain) or ["number of rows: unknown until they are read"]
    lines += [f"checkpoint {settings.checkpoint_path}", *run.notices]
    if run.canary is not None and not run.canary.approved:
        lines.append(canary_text(run.canary, settings.canary_wait_seconds))
    return lines


def _forecast(run: Run, known_rows: int | None, longest_chain: int | None = None) -> list[str]:
    session, settings = run.session, run.settings
    all_rows = run.rows_estimated if known_rows is None else known_rows
    if session is None or all_rows is None:
        return []
    view, reads_first = run.view(), settings.reads_first
    settled = view.tallies.settled if view else 0
    share = view.share_written if view and reads_first else None
    last = min(all_rows, settings.limit or all_rows)
    rows = max(0, last - settled)
    reads, writes = rows if reads_first else 0, rows if share is None else share * rows
    searches = 2 * math.ceil(rows / MAX_INPUTS) if settings.rules.is_searched else 0
    requests = searches + math.ceil(reads / MAX_INPUTS) + math.ceil(writes / MAX_INPUTS)
    chain, to_come = run.chain, max(0, last - (view.tallies.rows if view else 0))
    # How much of a chain an earlier run has written is known by its checkpoint alone.
    chain_rows = round(chain.rows_with(to_come)) if settled or longest_chain is None else longest_chain
    chain_rows, pace = min(chain_rows, rows), chain.seconds_per_row or CHAIN_SECONDS
    lines = forecast_lines(
        rows,
        with_chain(session.forecast(requests, searches=searches), chain_rows, pace),
        session.sender.day,
        session.day.clock_text,
        waits=settings.on_long_pause is OnLongPause.WAIT,
        reads=reads_text(settings),
        is_most=share is None and settings.may_spare_rows,
        is_exact=known_rows is not None,
    )
    return lines + chain_lines(f"about {about(chain_rows)}", chain_rows * pace)


def lines_after(run: Run, summary: Summary) -> list[str]:
    """What to say after a run: what it did not do, and what came up late."""
    has_begun = run.started.is_set() or summary.cause in {None, Cause.CANARY}
    lines = _finished_lines(run) if has_begun else ["nothing was written"]
    return lines + run.late_notices()


def _finished_lines(run: Run) -> list[str]:
    """Lines about a job that was finished before, and how to run it again; empty for other jobs."""
    before = run.finished_before
    if before is None:
        return []
    from uploader.cli.text.undo_state import undone_text  # noqa: PLC0415  # few runs end so

    where = f"this job is finished already, in account {before.portal or 'unknown'}"
    undone = undone_text(run.settings.checkpoint_path, sys.argv[1:])
    if not before.changed_settings:
        return [f"nothing was sent: {where} (to run it again: --restart)", *undone]
    ways = (
        "to run it again with these, use --restart; to run another job, use another --checkpoint and "
        "--results"
    )
    return [
        f"nothing was sent: {where}, with other settings; {ways}",
        f"changed settings: {printable(before.changed_settings, 2000)}",
        *undone,
    ]


def _report(
    summary: Summary,
    settings: Settings,
    finished_before: list[str],
    *,
    as_json: bool,
    rows_not_in_results: int = 0,
) -> None:
    checkpoint, tallies = settings.checkpoint_path, summary.tallies
    is_undone = bool(finished_before) and _is_undone(checkpoint)
    with contextlib.suppress(OSError):
        if as_json:
            print_json(summary.as_dict())
        elif tallies.rows:
            print_lines(summary_text(summary).splitlines())
    for line in finished_before:
        print_message(line)
    if is_json():
        note_event("summary", ending_text(summary), {"exit_code": summary.exit_code, **summary.as_dict()})
    else:
        print_message(ending_text(summary, is_undone=is_undone))
    if summary.cause is Cause.CANARY:
        print_message(approving_line(_typed(), settings.sources))
    if tallies.rows and settings.results_path and settings.results_path.exists():
        which = (
            f"{tallies.settled - rows_not_in_results:,} of the rows" if rows_not_in_results else "each row"
        )
        left_out = " and the values left out (column note)" if tallies.values_dropped else ""
        print_message(f"outcome of {which}{left_out}: {settings.results_path}")
    opt_outs = opt_out_lines(tallies, opt_outs_path(checkpoint))
    for line in [*opt_outs, *missing_links_lines(summary, "the same command")]:
        print_message(line)
    if tallies.aliases:
        print_message(
            f"{tallies.aliases:,} {noun(settings.object_type).many} were matched by more than one key of "
            f"the file; the order of their rows is not certain: "
            + command_line("status", "--aliases", *job_words(checkpoint, settings.repeated_options))
        )
    for line in closing_lines(settings, summary):
        print_message(line)
    say_failures(tallies, checkpoint, has_ended=summary.state == "complete")


def _typed() -> list[str]:
    """The words of this command, with the options that variables give."""
    return ["upload", *options_from_variables(click.get_current_context()), *sys.argv[2:]]


def _is_undone(checkpoint: Path) -> bool:
    if not undo_path(snapshot_path(checkpoint)).exists():
        return False
    from uploader.undo.job.state import is_undone  # noqa: PLC0415  # few jobs were undone

    return is_undone(checkpoint)


def closing_lines(settings: Settings, summary: Summary) -> list[str]:
    """What to do with a complete job, with the commands; none for others."""
    if summary.state != "complete":
        return []
    job = partial(job_words, settings.checkpoint_path, settings.repeated_options)
    lines = [f"see the job as a page: {command_line('report', *job())}"]
    if summary.tallies.confirmed and STDIN not in settings.sources:  # verify needs the rows again
        verify = command_line("verify", *job(account=True, typed=sys.argv[1:]))
        is_secret = any(shown(source) != source for source in settings.sources)
        lacks = " (add --source with the whole URL)" if is_secret else ""
        lines.insert(0, f"compare the records with the rows{lacks}: {verify}")
    return lines


def say_failures(tallies: Tallies, checkpoint: Path, *, has_ended: bool) -> None:
    if tallies.failed and checkpoint.exists():
        # A start does without it.
        from uploader.cli.commands.failures import failures_command, top_reasons  # noqa: PLC0415

        for reason, count in top_reasons(checkpoint):
            print_message(f"{count:>9,}  {reason}")
        verb = "correct" if has_ended else "look at"  # corrected rows wait for those that are still to come
        print_message(f"to {verb} the failed rows ({tallies.failed:,}): {failures_command(checkpoint)}")
