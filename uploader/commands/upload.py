"""`uploader upload`: options to settings, signals to the run, the summary to the user."""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import Literal

import click
import orjson

from uploader.commands.failures import top_reasons, unused
from uploader.commands.options import PATH, parse_map, talking, talking_settings
from uploader.commands.progress import say, show
from uploader.commands.texts import ending_text, forecast_lines, summary_text
from uploader.core.model import Outcome
from uploader.core.summary import Summary
from uploader.core.wire import MAX_INPUTS
from uploader.run.pipeline import Run
from uploader.settings import OnLongPause, Settings, parse_failure_limit


@click.command(short_help="Run the job, or resume it.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--id-property", default="email", show_default=True, help="Match contacts by this property.")
@click.option("--object-type", default="contacts", show_default=True)
@click.option(
    "--checkpoint", type=PATH, help="Default: first source's path + .checkpoint; needed with stdin."
)
@click.option("--results", type=PATH, help="What became of each row. Default: first source + .results.csv")
@click.option("--no-results", is_flag=True, help="Write no results file.")
@talking
@click.option("--map", "mapped", multiple=True, metavar="COLUMN=PROPERTY", help="What a column means.")
@click.option("--ignore", "ignored", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option(
    "--include-superseded", is_flag=True, help="Send rows that `failures` marked as superseded, too."
)
@click.option("--format", "format_", type=click.Choice(["csv", "ndjson", "json"]), help="Default: found.")
@click.option("--delimiter", help="Of CSV cells. Default: found. (For a tab: $'\\t')")
@click.option("--encoding", metavar="NAME", help="Such as windows-1252. Default: UTF-8, UTF-16 if it shows.")
@click.option("--sheet", metavar="NAME", help="Of an Excel file. Default: the first that holds anything.")
@click.option("--max-failures", default="20%", show_default=True, metavar="N|P%", help="Stop beyond so many.")
@click.option("--restart", is_flag=True, help="Forget the checkpoint and its results file.")
@click.option("--accept-changed-settings", is_flag=True, help="Go on although what is written changes.")
@click.option("--drain-timeout", type=float, default=20.0, show_default=True, help="Seconds, after a signal.")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr; never a secret.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on stdout.")
def command(
    sources: tuple[str, ...],
    *,
    mapped: tuple[str, ...],
    ignored: tuple[str, ...],
    no_results: bool,
    format_: Literal["csv", "ndjson", "json"] | None,
    max_failures: str,
    drain_timeout: float,
    verbose: bool,
    as_json: bool,
    **same: object,
) -> int:
    """Run the job, or resume it: the same command again continues where it stopped.

    SOURCE is a CSV, NDJSON or JSON file, plain or compressed (gzip, zstd, bzip2, xz, ZIP), a Parquet or
    .xlsx file, a URL, or a pattern in quotes ('exports/*.csv'); - is stdin. The token comes from
    HUBSPOT_ACCESS_TOKEN or --token-file.

    \b
    Exit codes: 0 every row created or updated; 1 finished, some rows were not; 2 wrong usage, or the
    job can't start; 75 stopped, the same command later goes on; 78 stopped, mend something first;
    130/143 interrupted.
    """
    settings = Settings(
        sources=sources,
        mapped=parse_map(mapped),
        ignored=frozenset(ignored),
        write_results=not no_results,
        format=format_,
        max_failures=parse_failure_limit(max_failures),
        drain_timeout_seconds=drain_timeout,
        **talking_settings(same),  # and options whose names and types are the settings' own
    )
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    _spare_the_collector()
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        summary, finished_before = runner.run(_upload(settings))
    _report(summary, settings, finished_before, as_json=as_json)
    return summary.exit_code


def _spare_the_collector() -> None:
    """Records are many and make no cycles: looking for some at every 700th costs 15 to 20 % of the CPU."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: some 15 % of the CPU less."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    uvloop = importlib.import_module("uvloop")

    class ExactLoop(uvloop.Loop):  # type: ignore[name-defined,misc]
        def time(self) -> float:
            """Its own stands still while a callback runs: too coarse for an exact log of sends."""
            return time.monotonic()

    return ExactLoop


async def _upload(settings: Settings) -> tuple[Summary, str | None]:
    run = Run(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a hang-up is ignored, and stays so. Otherwise it is a SIGTERM.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            code = signal.SIGTERM if number is signal.SIGHUP else number
            loop.add_signal_handler(number, _interrupt, run, code)
    display = asyncio.ensure_future(_display(run))
    try:
        return await run.run(), run.finished_before
    finally:
        display.cancel()
        await asyncio.gather(display, return_exceptions=True)


def _interrupt(run: Run, number: signal.Signals) -> None:
    run.stop(number)
    say("stopping: waiting for the replies on the wire (again: stop at once)")


async def _display(run: Run) -> None:
    display = asyncio.ensure_future(show(run))
    try:
        await run.started.wait()
        account = run.account
        kind = f" ({account.kind})" if account and account.kind else ""
        say(
            f"into account {(account and account.portal) or 'unknown'}{kind}, by {run.settings.id_property}; "
            f"checkpoint {run.settings.checkpoint_path}"
        )
        for notice in run.notices:
            say(notice)
        for line in _forecast(run):
            say(line)
        await display
    finally:
        display.cancel()


def _forecast(run: Run) -> list[str]:
    view = run.view()
    if view is None or run.sender is None or run.rows_estimated is None:
        return []
    rows = max(0, run.rows_estimated - view.tallies.settled)
    ahead = run.forecast(-(-rows // MAX_INPUTS))
    waits = run.settings.on_long_pause is OnLongPause.WAIT
    return forecast_lines(rows, ahead, run.sender.day, run.clock_text, waits=waits)


def _report(summary: Summary, settings: Settings, finished_before: str | None, *, as_json: bool) -> None:
    checkpoint, tallies = settings.checkpoint_path, summary.tallies
    with contextlib.suppress(OSError):
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(summary.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")
            sys.stdout.buffer.flush()
        elif tallies.rows:
            print(summary_text(summary), flush=True)
    if finished_before is not None:
        say(
            f"nothing was sent: this job was finished before, into account {finished_before or 'unknown'} "
            "(--restart does it again)"
        )
    say(ending_text(summary))
    if settings.results_path and settings.results_path.exists():
        say(f"what became of each row: {settings.results_path}")
    if tallies.outcomes[Outcome.SKIPPED]:
        say("skipped: rows whose key a later row has written since (--include-superseded sends them)")
    if tallies.aliases:
        say(
            f"{tallies.aliases:,} contacts were reached by more than one key of the file; the order of their "
            f"rows is not sure: uploader status --aliases {checkpoint}"
        )
    if tallies.failed and checkpoint.exists():
        for reason, count in top_reasons(checkpoint):
            say(f"{count:>9,}  {reason}")
        fresh = unused(checkpoint.with_name(f"{checkpoint.stem.split('.')[0]}.failures.csv"))
        say(f"to mend the {tallies.failed:,} that failed: uploader failures {checkpoint} -o {fresh}")
