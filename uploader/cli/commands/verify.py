"""`uploader verify`: read the records of a job back and compare them with its rows."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.cli.logs import configure_messages, is_json, print_message
from uploader.cli.option_variables import is_by_variable, say_settings
from uploader.cli.options.connection import LOG_FORMAT, PATH, connection_options, connection_settings
from uploader.cli.options.group import CommandWithHeadings, Heading, option
from uploader.cli.options.project import Plan
from uploader.cli.output import print_json, print_lines
from uploader.cli.plans.each_step import after_steps
from uploader.cli.text.numbers import duration
from uploader.cli.text.undo_state import undone_text
from uploader.cli.text.verified_links import link_lines
from uploader.cli.work_display import Work, WorkDisplay
from uploader.hubspot.object_types import Noun, noun
from uploader.jobs.summary import advice
from uploader.model.counted import counted, numbered
from uploader.model.foreign_texts import printable
from uploader.sources.names import is_pattern
from uploader.system.stop_signals import stop_on_signals
from uploader.undo.job.as_json import undone_dict
from uploader.undo.job.state import undone_before
from uploader.verify.as_json import as_dict
from uploader.verify.differences import Examples
from uploader.verify.job import OpenedJob, open_job, verify_job
from uploader.verify.judge import Finding, Verdict
from uploader.verify.run import Report, Verification


@click.command(cls=CommandWithHeadings)
@click.argument("checkpoint", type=PATH)
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="PATH",
    help="New path of a source that was moved. Repeat it for each source, in the job's order.",
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Verify only N records.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="CSV file for the differences. Default: path of the source + .differences.csv.",
)
@click.option("--restart", is_flag=True, help="Discard an earlier verification, and read all records again.")
@connection_options
@LOG_FORMAT
@option(Heading.OUTPUT, "--json", "as_json", is_flag=True, help="Print the report on stdout as JSON.")
def command(
    checkpoint: Path,
    *,
    sources: tuple[str, ...],
    sample: int | None,
    output: Path | None,
    restart: bool,
    log_format: str,
    as_json: bool,
    **connection: object,
) -> int:
    """Read the records of a job back and compare them with the values of its rows.

    Changes that HubSpot makes by itself are reported apart from differences: addresses in lower case, a
    lifecycle stage that does not go back, another notation of numbers and dates. Failed rows that were
    uploaded later from a file of `failures`, in the same folder, are compared, too, and so are the links that
    the job made. If interrupted, the same command continues; after it has finished, it begins anew.

    \b
    Exit codes:
      0        all as uploaded, apart from HubSpot's own changes
      1        some records or links differ, are missing or could not be checked
      2        wrong usage, or verification cannot start
      75       stopped; run the same command again later
      78       stopped; solve the reported problem first
      130/143  interrupted by SIGINT/SIGTERM
    """
    configure_messages(log_format, verbose=False)
    # A variable may hold the pattern that `upload` was given; the checkpoint has the files.
    sources = () if any(map(is_pattern, sources)) and is_by_variable("sources") else sources
    options = connection_settings(connection)
    with open_job(checkpoint, sources=sources, output=output, restart=restart, connection=options) as job:
        say_settings(click.get_current_context())
        for line in job.left_out:
            print_message(line)
        undone = undone_text(checkpoint, sys.argv[1:])
        for line in undone:
            print_message(line)
        verified = _verify(job, job.verification(sample), keeps_empty=output is not None)
        report, examples = asyncio.run(verified)
    _print_examples(examples)
    _print_report(checkpoint, report, job, is_undone=bool(undone), as_json=as_json)
    return report.exit_code


@after_steps("verify")
def _say_verdict(plan: Plan, options: Mapping[str, Any], code: int) -> int:
    """Say in a line how all steps of a plan compare."""
    del options
    how = {
        0: "as uploaded, apart from HubSpot's own changes",
        1: "some records or links differ, are missing or could not be checked; see the steps above",
    }
    print_message(f"{plan.path.name}, all steps: {how.get(code, 'not all of them were verified')}")
    return code


async def _verify(job: OpenedJob, run: Verification, *, keeps_empty: bool) -> tuple[Report, Examples]:
    stop_on_signals(run.ending.stop)
    async with WorkDisplay(partial(_work, run, job.checkpoint.state().tallies.rows)):
        return await verify_job(job, run, keeps_empty=keeps_empty)


def _work(run: Verification, rows: int) -> Work | None:
    """What is done; first the rows of the job are read, then its records."""
    done, session = sum(run.report.counts.values()), run.session
    is_paused = session is not None and bool(session.sender.pausing)
    trouble = (
        f"PAUSED {duration(session.sender.pause_seconds)}: {session.sender.pausing}"
        if is_paused and session
        else ""
    )
    if run.records and run.report.links is not None and done == run.records:
        links = run.report.links
        compared = [f"{count:,} {verdict.value}" for verdict, count in links.counts.items() if count]
        return Work("links", links.compared - links.left, links.compared, compared, trouble)
    if run.records:
        return Work(
            noun(run.settings.object_type).many, done, run.records, _parts(run.report.counts), trouble
        )
    return Work("rows read", run.rows, rows, trouble=trouble) if run.rows or trouble else None


def _parts(counts: dict[Verdict, int]) -> list[str]:
    return [f"{count:,} {_SHORT.get(verdict, verdict.value)}" for verdict, count in counts.items() if count]


def _print_examples(examples: Examples) -> None:
    if is_json():  # whose lines hold no values
        return
    for finding in examples.findings:
        print_message(_example(finding))
    for column, link in examples.links:
        ends = f"{link.from_id} and {noun(column.object_type).one} {link.to_id}"
        note = f" ({printable(link.note, 200)})" if link.note else ""
        name = printable(column.column, 60)
        print_message(f"  row {link.row}: {link.verdict.value}: {name}: {ends}{note}")


def _example(finding: Finding) -> str:
    """A finding as one line, without values, which are in the file."""
    note = f" ({finding.note})" if finding.note else ""
    verdict = _SHORT.get(finding.verdict, finding.verdict.value)
    return f"  row {finding.row}: {verdict}: {printable(finding.property, 60)}{note}"


def _print_report(
    checkpoint: Path, report: Report, job: OpenedJob, *, is_undone: bool, as_json: bool
) -> None:
    counts, end = report.counts, report.end
    if report.account_doubt:
        print_message(report.account_doubt)
    if report.has_older_rules:
        print_message(
            "rows were written by an earlier version, and are read by newer rules now: values that are read "
            "in another way differ, and records with such keys are missing (page operations)"
        )
    with contextlib.suppress(OSError):
        if as_json:
            print_json(as_dict(report, undone_dict(undone_before(checkpoint))))
        else:
            print_lines(_lines(report, noun(job.settings.object_type)))
    if end is not None:
        print_message(f"stopped: {printable(end.reason)}; {advice(end.cause)}")
    elif any(counts[verdict] for verdict in _LISTED) or (report.links and report.links.listed):
        if is_undone:
            print_message("records that are missing or differ are to be expected: the job was undone")
        print_message(f"list of the differences: {job.output}")


#: What a verdict is called, where not by its own name.
_SHORT = {Verdict.ADJUSTED: "adjusted by HubSpot"}
_LISTED = (Verdict.ADJUSTED, Verdict.DIFFERS, Verdict.MISSING)
_WORDS = {
    Verdict.EQUAL: "equal",
    Verdict.ADJUSTED: "equal, apart from HubSpot's own changes",
    Verdict.DIFFERS: "differ",
    Verdict.MISSING: "missing",
    Verdict.UNCHECKED: "not checked",
}


def _corrected_line(report: Report) -> str:
    """How many failed rows later jobs have written."""
    written = sum(one.rows_written for one in report.corrected)
    names = ", ".join(
        f"{one.name} ({one.rows_written:,} of {counted(one.rows, 'row')})" for one in report.corrected
    )
    return (
        f"{written:,} of {report.rows_failed:,} failed rows were written later, from {names}, and are "
        f"compared above; {max(0, report.rows_failed - written):,} are left"
    )


def _lines(report: Report, words: Noun) -> list[str]:
    many = numbered(report.records, *words)
    lines = [f"{count:>12,}  {_WORDS[verdict]}" for verdict, count in report.counts.items()]
    lines += [f"{'':>12}    {count:,}: {why}" for why, count in report.doubts.items()]
    if report.left:
        lines.append(f"{report.left:>12,}  left to read")
    lines.append(f"{report.records:>12,}  {many}{' (a sample)' if report.is_sample else ''}")
    if report.rows and not report.is_sample:
        written_later = sum(one.rows_written for one in report.corrected)
        again = report.rows_written + written_later - report.records
        was = numbered(report.rows_written, "was", "were")
        lines.append(
            f"{report.rows_written:,} of {counted(report.rows, 'row')} {was} written"
            + (f", {again:,} of them with a key of an earlier row" if again > 0 else "")
            + f"; {report.rows - report.rows_written - report.rows_open:,} were not (rejected, invalid or "
            "skipped)"
        )
    if report.corrected:
        lines.append(_corrected_line(report))
    if report.links:
        lines += link_lines(report.links)
    if not report.is_finished:
        read = f"{report.rows_open:,} of the rows read are" if report.rows_open else "the others are"
        lines.append(f"the job has not sent all rows: {read} still to be sent, and not compared")
    lines.append(f"{counted(report.requests, 'request')}, {duration(report.elapsed_seconds)}")
    return lines
