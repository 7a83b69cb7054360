"""`uploader preview`: show what a run would create, overwrite and leave."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click

from uploader.cli.commands.upload import command as upload
from uploader.cli.logs import print_message
from uploader.cli.option_variables import say_settings
from uploader.cli.options.connection import PATH
from uploader.cli.options.group import CommandLike
from uploader.cli.options.project import Plan
from uploader.cli.options.source_and_key import job_options, reading_settings
from uploader.cli.output import print_json, print_lines
from uploader.cli.plans.each_step import after_steps
from uploader.cli.plans.overview import migrate_line
from uploader.cli.progress import displaying, show
from uploader.cli.project_file import step_in_use
from uploader.cli.text.preview import WOULD, ending, lines
from uploader.hubspot.object_types import noun
from uploader.preview.as_json import as_dict
from uploader.preview.run import Preview, Report
from uploader.settings import Settings
from uploader.system.stop_signals import stop_on_signals
from uploader.undo.job.state import has_to_begin_anew


@click.command(cls=CommandLike, like=upload)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@job_options
@click.option(
    "--checkpoint",
    type=PATH,
    help="Checkpoint of the job, as for upload; it is not changed.",
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Read only the first N rows.")
@click.option(
    "--examples",
    type=click.IntRange(0, 100),
    default=5,
    show_default=True,
    metavar="N",
    help="Show at most N values for each kind of change.",
)
@click.option(
    "--rows",
    type=click.IntRange(0, 1_000),
    default=0,
    metavar="N",
    help="Show the first N rows as tables: each cell, what would be sent, and what HubSpot has now.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report on stdout as JSON.")
def command(
    sources: tuple[str, ...],
    *,
    sample: int | None,
    examples: int,
    rows: int,
    as_json: bool,
    **same: Any,  # noqa: ANN401  # options whose names and types are the settings' own
) -> int:
    """Show what `upload` would create, change and leave, row by row. Nothing is written to HubSpot.

    Processes all rows as upload does, but reads each record instead of writing it: one request per 100 rows
    (two, if rows have an e-mail address or another unique value beside their key), which count against the
    quota. Temporary files, in TMPDIR or beside the checkpoint, are removed at the end.

    Takes every option of upload; see `uploader upload --help`. Below are its own.

    \b
    Exit codes:
      0        no row would fail
      1        some rows would fail
      2        upload cannot start
      75       stopped; run the same command again later
      78       stopped; solve the reported problem first
      130/143  interrupted; what was found so far is shown
    """
    settings = Settings(sources=sources, **reading_settings(sources, same))
    say_settings(click.get_current_context())
    report = asyncio.run(_preview(partial(Preview, settings, sample=sample, examples=examples, rows=rows)))
    report.is_undone = has_to_begin_anew(settings.checkpoint_path)
    report.is_step = step_in_use(click.get_current_context()) is not None
    _print_report(report, settings, as_json=as_json)
    return report.exit_code


@after_steps("preview")
def _say_next(plan: Plan, options: Mapping[str, Any], code: int) -> int:
    del options
    if code in {0, 1}:
        print_message(f"nothing was written; {migrate_line(plan, sys.argv[1:])}")
    return code


async def _preview(make: Callable[[], Preview]) -> Report:
    preview = make()
    stop_on_signals(preview.ending.stop)
    async with displaying(_display(preview)):
        return await preview.preview()


async def _display(preview: Preview) -> None:
    run = await preview.run
    display = asyncio.ensure_future(show(run, WOULD))
    try:
        await run.started.wait()
        many = noun(run.settings.object_type).many
        print_message(f"preview of {many} in account {run.account.portal or 'unknown'}: nothing is written")
        await display
    finally:
        display.cancel()


def _print_report(report: Report, settings: Settings, *, as_json: bool) -> None:
    with contextlib.suppress(OSError):
        if as_json:
            print_json(as_dict(report))
        elif report.summary.tallies.rows:
            print_lines(lines(report, shutil.get_terminal_size().columns))
    for line in ending(report, settings, sys.argv[1:]):
        print_message(line)
