"""`uploader verify`: read the records of a job back and compare them with its rows."""

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from uploader.cli.logs import configure_messages, is_json, print_message
from uploader.cli.option_variables import is_by_variable, say_settings
from uploader.cli.options.connection import LOG_FORMAT, PATH, connection_options, connection_settings
from uploader.cli.options.group import CommandWithHeadings, Heading, option
from uploader.cli.output import print_json, print_lines, refuse_foreign, write_list
from uploader.cli.text.numbers import duration, printable
from uploader.cli.text.undo_state import undone_dict, undone_text
from uploader.cli.text.verified_links import link_lines, links_dict
from uploader.cli.work_display import Work, WorkDisplay
from uploader.hubspot.object_types import noun
from uploader.jobs.summary import advice
from uploader.settings import Settings
from uploader.sources.names import is_pattern
from uploader.storage.checkpoint import Checkpoint
from uploader.system.sqlite import remove_database
from uploader.system.stop_signals import stop_on_signals
from uploader.verify.corrections import Correction, find_corrections
from uploader.verify.judge import Finding, Verdict
from uploader.verify.link_judge import LinkVerdict
from uploader.verify.result_file import write_result
from uploader.verify.run import Report, Verification, find_sources, job_settings

#: `to_id` and `value` are of links.
_HEADER = (
    *("verdict", "row", "source", "key", "hubspot_id", "property", "wanted", "found", "note"),
    *("to_id", "value"),
)
#: The columns that lists of earlier versions have, too.
_FORMER_HEADER = _HEADER[:9]
_EXAMPLES = 5


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
    is_named = output is not None
    output = output or checkpoint.with_name(f"{checkpoint.name.removesuffix('.checkpoint')}.differences.csv")
    refuse_foreign(output, _FORMER_HEADER, "no list of differences")
    # A variable may hold the pattern that `upload` was given; the checkpoint has the files.
    sources = () if any(map(is_pattern, sources)) and is_by_variable("sources") else sources
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(contextlib.closing(Checkpoint.open(checkpoint, read_only=True)))
        identity = opened.identity()
        settings = job_settings(
            identity,
            opened,
            sources=find_sources(identity, opened, sources),
            restart=restart,
            **connection_settings(connection),
        )
        corrections, left_out = find_corrections(opened, stack, **connection_settings(connection))
        jobs = [identity, *(one.checkpoint.identity() for one in corrections)]
        names = [source.name for job in jobs for source in job.sources]
        say_settings(click.get_current_context())
        for line in left_out:
            print_message(line)
        undone = undone_text(checkpoint, sys.argv[1:])
        for line in undone:
            print_message(line)
        listed = partial(_write, output=output, names=names, keeps_empty=is_named)
        report = asyncio.run(_verify(settings, opened, sample, corrections, listed))
    many, undo = noun(settings.object_type).many, undone_dict(checkpoint) if undone else None
    _print_report(report, many, output, undo, as_json=as_json)
    return report.exit_code


async def _verify(
    settings: Settings,
    checkpoint: Checkpoint,
    sample: int | None,
    corrections: Sequence[Correction],
    write: Callable[[Verification], None],
) -> Report:
    run = Verification(settings, checkpoint, sample=sample, corrections=corrections)
    stop_on_signals(run.ending.stop)
    with contextlib.closing(run.file):
        async with WorkDisplay(partial(_work, run, checkpoint.state().tallies.rows)):
            report = await run.run()
            if report.end is None:
                write(run)
                remove_database(run.file.path)  # complete: the next verification reads all again
                write_result(checkpoint.path, checkpoint.job_id(), time.time(), report)
            return report


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
    return [f"{count:,} {verdict.value}" for verdict, count in counts.items() if count]


def _write(run: Verification, output: Path, names: Sequence[str], *, keeps_empty: bool) -> None:
    write_list(output, _HEADER, _listed(run, names), keeps_empty=keeps_empty)


def _listed(run: Verification, names: Sequence[str]) -> Iterator[Sequence[object]]:
    """Lines for all findings; the first of each kind are also printed."""
    shown: Counter[Verdict] = Counter()
    for key, hubspot_id, finding in run.file.findings(run.settings.id_property):
        yield (
            finding.verdict.value,
            finding.row,
            names[finding.source],
            key,
            hubspot_id,
            finding.property,
            finding.wanted,
            finding.found,
            finding.note,
            "",
            "",
        )
        shown[finding.verdict] += 1
        if shown[finding.verdict] <= _EXAMPLES and not is_json():  # whose lines hold no values
            print_message(_example(finding))

    yield from _listed_links(run, names)


def _listed_links(run: Verification, names: Sequence[str]) -> Iterator[Sequence[object]]:
    """The same for links. `property` is their column, `wanted` their label."""
    shown: Counter[LinkVerdict] = Counter()
    for column, finding in run.links.findings():
        yield (
            finding.verdict.value,
            finding.row,
            names[finding.source],
            finding.key,
            finding.from_id,
            column.column,
            column.label,
            finding.found,
            finding.note,
            finding.to_id,
            finding.value,
        )
        shown[finding.verdict] += 1
        if shown[finding.verdict] <= _EXAMPLES and not is_json():
            ends = f"{finding.from_id} and {noun(column.object_type).one} {finding.to_id}"
            note = f" ({printable(finding.note, 200)})" if finding.note else ""
            name = printable(column.column, 60)
            print_message(f"  row {finding.row}: {finding.verdict.value}: {name}: {ends}{note}")


def _example(finding: Finding) -> str:
    """A finding as one line, without values, which are in the file."""
    note = f" ({finding.note})" if finding.note else ""
    return f"  row {finding.row}: {finding.verdict.value}: {printable(finding.property, 60)}{note}"


def _print_report(
    report: Report, many: str, output: Path, undone: dict[str, object] | None, *, as_json: bool
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
            document = {
                "contacts": report.records,
                "rows": report.rows,
                "rows_written": report.rows_written,
                "rows_open": report.rows_open,
                "is_finished": report.is_finished,
                "corrected": [asdict(one) for one in report.corrected],
                **{verdict.name.lower(): counts[verdict] for verdict in Verdict},
                "not_checked_because": report.doubts,
                "links": links_dict(report.links) if report.links else None,
                "left": report.left,
                "has_older_rules": report.has_older_rules,
                "undone": undone,
                "requests": report.requests,
                "elapsed_seconds": round(report.elapsed_seconds, 3),
                "state": "stopped" if end else "complete",
                "reason": end.reason if end else "",
            }
            print_json(document)
        else:
            print_lines(_lines(report, many))
    if end is not None:
        print_message(f"stopped: {printable(end.reason)}; {advice(end.cause)}")
    elif any(counts[verdict] for verdict in _LISTED) or (report.links and report.links.listed):
        if undone:
            print_message("records that are missing or differ are to be expected: the job was undone")
        print_message(f"list of the differences: {output}")


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
    names = ", ".join(f"{one.name} ({one.rows_written:,} of {one.rows:,} rows)" for one in report.corrected)
    return (
        f"{written:,} of {report.rows_failed:,} failed rows were written later, from {names}, and are "
        f"compared above; {max(0, report.rows_failed - written):,} are left"
    )


def _lines(report: Report, many: str) -> list[str]:
    lines = [f"{count:>12,}  {_WORDS[verdict]}" for verdict, count in report.counts.items()]
    lines += [f"{'':>12}    {count:,}: {why}" for why, count in report.doubts.items()]
    if report.left:
        lines.append(f"{report.left:>12,}  left to read")
    lines.append(f"{report.records:>12,}  {many}{' (a sample)' if report.is_sample else ''}")
    if report.rows and not report.is_sample:
        written_later = sum(one.rows_written for one in report.corrected)
        again = report.rows_written + written_later - report.records
        lines.append(
            f"{report.rows_written:,} of {report.rows:,} rows were written"
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
    lines.append(f"{report.requests:,} requests, {duration(report.elapsed_seconds)}")
    return lines
