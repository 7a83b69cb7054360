"""`uploader preview`: what a run would create, overwrite and leave."""

import asyncio
import contextlib
import sys
from typing import Any

import click

from uploader.cli.commands.upload import command as upload
from uploader.cli.logs import say
from uploader.cli.option_variables import say_settings
from uploader.cli.options.connection import PATH
from uploader.cli.options.source_and_key import (
    ahead_settings,
    job_settings,
    looking_ahead,
    shaping,
    taking_those_of,
)
from uploader.cli.output import tell, tell_json
from uploader.cli.progress import show, shown
from uploader.cli.signals import heed_signals
from uploader.cli.text.preview import as_dict, ending, lines
from uploader.hubspot.object_types import noun
from uploader.preview.run import Preview, Report
from uploader.settings import Settings


@taking_those_of(upload)
@click.command(short_help="Say what a run would create, overwrite and leave.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@shaping
@looking_ahead
@click.option("--checkpoint", type=PATH, help="The job's, as for upload. It is not opened.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Look at the first N rows only.")
@click.option(
    "--examples",
    type=click.IntRange(0, 100),
    default=5,
    show_default=True,
    help="Values shown of each kind of change.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
def command(
    sources: tuple[str, ...],
    *,
    sample: int | None,
    examples: int,
    as_json: bool,
    **same: Any,  # noqa: ANN401  # options whose names and types are the settings' own
) -> int:
    """Say what `upload` with the same options would do, row by row and value by value. Reads only.

    Goes through all rows as upload does, and reads each record instead of writing it: one request per 100
    rows, of the same quota (two where they bring records an address, or another value that is unique, beside
    their key). Nothing of the job is touched; temporary files, in TMPDIR (or
    beside the checkpoint, where that is none), are removed. Takes all options of upload.

    \b
    Exit codes: 0 no row would fail; 1 some would; 2 upload can't start as asked; 75 and 78 stopped, as
    upload; 130/143 interrupted, with what was found so far.
    """
    fields = ahead_settings(job_settings(same))
    if "-" in sources and fields["checkpoint"] is None:
        fields["checkpoint"] = PATH.convert("stdin.checkpoint", None, None)
    settings = Settings(sources=sources, write_results=False, **fields)
    say_settings(click.get_current_context())
    report = asyncio.run(_preview(settings, sample, examples))
    _tell(report, settings, as_json=as_json)
    return report.exit_code


async def _preview(settings: Settings, sample: int | None, examples: int) -> Report:
    preview = Preview(settings, sample=sample, examples=examples)
    heed_signals(preview.ending.stop)
    async with shown(_display(preview)):
        return await preview.preview()


async def _display(preview: Preview) -> None:
    run = await preview.run
    display = asyncio.ensure_future(show(run))
    try:
        await run.started.wait()
        many = noun(run.settings.object_type).many
        say(f"a preview of {many} in account {run.account.portal or 'unknown'}: nothing is written")
        await display
    finally:
        display.cancel()


def _tell(report: Report, settings: Settings, *, as_json: bool) -> None:
    with contextlib.suppress(OSError):
        if as_json:
            tell_json(as_dict(report))
        elif report.summary.tallies.rows:
            tell(lines(report))
    for line in ending(report, settings, sys.argv[1:]):
        say(line)
