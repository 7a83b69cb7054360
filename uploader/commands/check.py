"""`uploader check`: everything that can be known before the first write.

The keys of `--json`, which others script against:

    sources         name and rows of each
    account         portal, kind, time_zone, token_kind, scopes (null: not told), burst and its seconds,
                    day_limit, day_left, records_used, records_limit; null where nobody was asked
    columns         source, column, property ("": left out), type
    problems, warnings, not_checked     texts; with a problem `upload` would not start
    rows, sendable, invalid, no_key, skipped, values_dropped, sample
    faults, dropped     category, column, count, examples (source, row, reason); counts are exact
    repeated_keys, repeated_rows, repeats     how many, and the first (source, row, first_source, first_row)
    owners, cleared     column -> value -> rows; column -> blanks that clear
    forecast        batches, requests, seconds, days (pauses at midnight), ends_at,
                    without_multi_status (refused_share, requests, seconds); null without rows to send
    requests, elapsed_seconds, exit_code
"""

import asyncio
import contextlib
import shlex
import signal
import sys
from collections.abc import Mapping
from typing import Any, Literal

import click
import orjson

from uploader.commands.options import PATH, parse_map, read_token, talking, talking_settings
from uploader.commands.progress import say, survey_line
from uploader.commands.texts import duration, printable
from uploader.core.summary import advice
from uploader.core.surveying import Group
from uploader.edges.repeats import source_of
from uploader.run.checking import Check, Report
from uploader.run.preflight import PRODUCTION
from uploader.settings import Settings

_PROGRESS_SECONDS, _LIVE_SECONDS = 5.0, 0.5
_SHOWN_OWNERS = 20


@click.command(short_help="Say all that can be known before the first write.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--id-property", default="email", show_default=True, help="Match contacts by this property.")
@click.option("--object-type", default="contacts", show_default=True)
@talking
@click.option("--map", "mapped", multiple=True, metavar="COLUMN=PROPERTY", help="What a column means.")
@click.option("--ignore", "ignored", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--include-superseded", is_flag=True, help="As for upload.")
@click.option("--format", "format_", type=click.Choice(["csv", "ndjson"]), help="Default: found by content.")
@click.option("--delimiter", help="Of CSV cells. Default: found. (For a tab: $'\\t')")
@click.option("--checkpoint", type=PATH, help="Temporary files go beside it. Default: beside the source.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Read the first N rows only.")
@click.option(
    "--examples", type=click.IntRange(0, 1000), default=10, show_default=True, help="Rows named of each kind."
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
def command(
    sources: tuple[str, ...],
    *,
    mapped: tuple[str, ...],
    ignored: tuple[str, ...],
    format_: Literal["csv", "ndjson"] | None,
    sample: int | None,
    examples: int,
    as_json: bool,
    **same: Any,  # noqa: ANN401  # options whose names and types are the settings' own
) -> int:
    """Say what `upload` would meet: the account, the columns, every row. Writes nothing.

    Spends a handful of requests, and then reads the whole of each SOURCE. Without a token (in
    HUBSPOT_ACCESS_TOKEN or --token-file) it does all that needs none, and says what was left out.

    \b
    Exit codes: 0 all is well; 1 upload would run, and some rows fail or something deserves attention;
    2 upload can't start as asked; 75 the account can't be asked now; 130/143 interrupted.
    """
    is_offline = not read_token(same["token_file"])
    settings = Settings(
        sources=sources,
        mapped=parse_map(mapped),
        ignored=frozenset(ignored),
        format=format_,
        write_results=False,
        offline=is_offline,
        **_with_place(sources, talking_settings(same)),
    )
    report = asyncio.run(_check(settings, sample, examples))
    _tell(report, settings, as_json=as_json)
    return report.exit_code


def _with_place(sources: tuple[str, ...], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Standard input has no folder of its own; nothing is left in this one."""
    place = fields["checkpoint"] or (_NOWHERE if "-" in sources else None)
    return {**fields, "checkpoint": place}


_NOWHERE = PATH.convert("stdin.checkpoint", None, None)


async def _check(settings: Settings, sample: int | None, examples: int) -> Report:
    run = Check(settings, sample=sample, examples=examples)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a hang-up is ignored, and stays so. Otherwise it is a SIGTERM.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            code = signal.SIGTERM if number is signal.SIGHUP else number
            loop.add_signal_handler(number, run.stop, code)
    display = asyncio.ensure_future(_live(run) if sys.stderr.isatty() else _plain(run))
    try:
        return await run.run()
    finally:
        display.cancel()
        await asyncio.gather(display, return_exceptions=True)


async def _plain(run: Check) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        if text := _now(run):
            say(text)


async def _live(run: Check) -> None:
    # Imported here: only terminals pay for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with contextlib.suppress(OSError), Live(console=Console(file=sys.stderr), transient=True) as live:
        while True:
            live.update(Text(_now(run)))
            await asyncio.sleep(_LIVE_SECONDS)


def _now(run: Check) -> str:
    sender = run.sender
    if run.surveying is not None:
        return survey_line(run.surveying, run.bytes_total)
    if sender is not None and sender.pausing:
        return f"PAUSED {duration(sender.pause_seconds)}: {sender.pausing}"
    return f"asking the account: {printable(sender.last_failure)}" if sender and sender.last_failure else ""


def _tell(report: Report, settings: Settings, *, as_json: bool) -> None:
    if report.end is not None:
        say(f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}")
        return
    with contextlib.suppress(OSError):
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(as_dict(report), option=orjson.OPT_INDENT_2) + b"\n")
            sys.stdout.buffer.flush()
        else:
            print("\n".join(_lines(report, settings)), flush=True)


# --- for scripts ---


def as_dict(report: Report) -> dict[str, object]:
    """The keys are documented at the top of this file."""
    found = report.findings
    names = [source.name for source in report.sources]
    ends = [*report.starts[1:], found.rows]
    return {
        "sources": [
            {"name": name, "rows": end - start}
            for name, start, end in zip(names, report.starts, ends, strict=True)
        ],
        "account": _account_dict(report),
        "columns": [
            {"source": names[c.source], "column": c.column, "property": c.property, "type": c.type}
            for c in report.columns
        ],
        "problems": report.problems,
        "warnings": report.warnings,
        "not_checked": report.not_checked,
        "rows": found.rows,
        "sample": report.sample,
        "sendable": found.sendable,
        "invalid": found.invalid,
        "no_key": found.keyless,
        "skipped": found.skipped,
        "values_dropped": found.values_dropped,
        "faults": _groups(found.faults, names),
        "dropped": _groups(found.dropped, names),
        "repeated_keys": found.repeated_keys,
        "repeated_rows": found.repeated_rows,
        "repeats": [
            {
                "source": names[source_of(repeat.position, report.starts)],
                "row": repeat.number,
                "first_source": names[source_of(repeat.other_position, report.starts)],
                "first_row": repeat.other_number,
            }
            for repeat in found.repeats
        ],
        "owners": {column: dict(counts.most_common()) for column, counts in found.owners.items()},
        "cleared": dict(found.cleared),
        "forecast": _forecast_dict(report),
        "requests": report.requests,
        "elapsed_seconds": round(report.elapsed_seconds, 3),
        "exit_code": report.exit_code,
    }


def _account_dict(report: Report) -> dict[str, object] | None:
    account, closer = report.account, report.closer
    if account is None:
        return None
    scopes = closer.token.scopes if closer else None
    room = closer.room if closer else None
    return {
        "portal": account.portal or (closer.token.portal if closer else ""),
        "kind": account.kind,
        "time_zone": account.time_zone,
        "token_kind": report.token_kind,
        "scopes": sorted(scopes) if scopes is not None else None,
        "burst": report.burst.requests if report.burst else None,
        "burst_seconds": report.burst.seconds if report.burst else None,
        "day_limit": report.day_limit,
        "day_left": report.day_left,
        "records_used": room.used if room else None,
        "records_limit": room.limit if room else None,
    }


def _groups(groups: Mapping[tuple[str, str], Group], names: list[str]) -> list[dict[str, object]]:
    return [
        {
            "category": category,
            "column": column,
            "count": group.count,
            "examples": [
                {"source": names[one.source], "row": one.row, "reason": printable(one.reason)}
                for one in group.examples
            ],
        }
        for (category, column), group in sorted(groups.items(), key=lambda item: -item[1].count)
    ]


def _forecast_dict(report: Report) -> dict[str, object] | None:
    ahead = report.ahead
    if ahead is None:
        return None
    return {
        "batches": report.batches,
        "requests": ahead.requests,
        "seconds": _finite(ahead.seconds),
        "days": ahead.pauses,
        "ends_at": ahead.ends_at.isoformat() if ahead.ends_at else None,
        "without_multi_status": [
            {"refused_share": share, "requests": other.requests, "seconds": _finite(other.seconds)}
            for share, other in report.halved.items()
        ],
    }


def _finite(seconds: float) -> float | None:
    return round(seconds, 1) if seconds != float("inf") else None


# --- for people ---


def _lines(report: Report, settings: Settings) -> list[str]:
    return [
        *_account_lines(report),
        *_column_lines(report),
        *_row_lines(report),
        *_forecast_lines(report),
        *(f"NOT CHECKED: {printable(text)}" for text in report.not_checked),
        *(f"WARNING: {printable(text, 600)}" for text in report.warnings),
        *(f"PROBLEM: {printable(text, 600)}" for text in report.problems),
        _verdict(report),
        *_next_lines(report, settings),
    ]


def _account_lines(report: Report) -> list[str]:
    account, closer = report.account, report.closer
    if account is None:
        return []
    kind = {PRODUCTION: "production", "": "kind unknown"}.get(account.kind, account.kind)
    portal = account.portal or (closer.token.portal if closer else "") or "unknown"
    lines = [
        f"account {portal} ({kind}), {account.time_zone or 'time zone unknown'}; token: {report.token_kind}"
    ]
    if closer and closer.token.scopes is not None:
        lines.append(f"scopes: {', '.join(sorted(closer.token.scopes)) or 'none'}")
    burst = report.burst
    if burst:
        day = (
            f"; {report.day_left:,} of {report.day_limit or 0:,} left today"
            if report.day_left is not None
            else ""
        )
        lines.append(f"quota: {burst.requests:,} requests in {burst.seconds:g} s{day}")
    if closer and closer.room:
        lines.append(f"records: {closer.room.used:,} of {closer.room.limit:,}, room for {closer.room.left:,}")
    return lines


def _column_lines(report: Report) -> list[str]:
    lines = []
    several = len(report.sources) > 1
    for column in report.columns:
        where = f"{report.sources[column.source].name}: " if several else ""
        what = f"{column.property} ({column.type or 'type unknown'})" if column.property else "left out"
        lines.append(f"  {where}{printable(column.column, 60)} -> {what}")
    return lines


def _row_lines(report: Report) -> list[str]:
    found = report.findings
    of_each = " of each source" if len(report.sources) > 1 else ""
    note = f" (only the first {report.sample:,}{of_each} were read)" if report.sample else ""
    lines = [f"{found.rows:>12,}  rows{note}", f"{found.sendable:>12,}  can be sent"]
    if found.skipped:
        lines.append(f"{found.skipped:>12,}  skipped: a later row has written their key")
    lines.append(
        f"{found.invalid:>12,}  invalid"
        + (f", {found.keyless:,} of them without a key" * bool(found.keyless))
    )
    lines += _group_lines(found.faults, report)
    if found.values_dropped:
        lines.append(f"{found.values_dropped:>12,}  values left out")
        lines += _group_lines(found.dropped, report)
    lines.append(
        f"{found.repeated_keys:>12,}  keys come more than once, in {found.repeated_rows:,} further rows"
    )
    lines += _repeat_lines(report)
    lines += [
        f"{count:>12,}  blanks clear {printable(column, 60)}" for column, count in found.cleared.items()
    ]
    for column, counts in found.owners.items():
        lines.append(f"{sum(counts.values()):>12,}  rows with {column}, of {len(counts):,} owners")
        lines += [f"{count:>16,}  {printable(who, 60)}" for who, count in counts.most_common(_SHOWN_OWNERS)]
    return lines


def _group_lines(groups: Mapping[tuple[str, str], Group], report: Report) -> list[str]:
    lines = []
    for (category, column), group in sorted(groups.items(), key=lambda item: -item[1].count):
        where = f" in {printable(column, 60)}" if column else ""
        lines.append(f"{group.count:>16,}  {category}{where}")
        for one in group.examples:
            row = _row_text(one.row, one.source, report)
            lines.append(f"{'':>18}{row}: {printable(one.reason, 160)}")
        if group.count > len(group.examples) > 0:
            lines.append(f"{'':>18}and {group.count - len(group.examples):,} more (--examples N)")
    return lines


def _repeat_lines(report: Report) -> list[str]:
    found = report.findings
    lines = []
    for repeat in found.repeats:
        here, there = (source_of(p, report.starts) for p in (repeat.position, repeat.other_position))
        first = _row_text(repeat.other_number, there, report)
        lines.append(f"{'':>18}{_row_text(repeat.number, here, report)}: as {first}")
    if found.repeated_rows > len(found.repeats) > 0:
        lines.append(f"{'':>18}and {found.repeated_rows - len(found.repeats):,} more")
    return lines


def _row_text(row: int, source: int, report: Report) -> str:
    return f"row {row}" + (f" of {report.sources[source].name}" if len(report.sources) > 1 else "")


def _forecast_lines(report: Report) -> list[str]:
    ahead = report.ahead
    if ahead is None:
        return []
    pauses = f", with {ahead.pauses} pauses until the account's midnight" if ahead.pauses else ""
    quota = "" if report.has_asked_quota else ", at the usual quota of larger accounts"
    lines = [
        f"{report.batches:,} batches: {ahead.requests:,} requests, {_seconds_text(ahead.seconds)}{pauses}{quota}"
    ]
    lines += [
        f"  if HubSpot does not name the rows it refuses (no multi-status), and refuses {share:.1%} of them: "
        f"{other.requests:,} requests, {_seconds_text(other.seconds)}"
        for share, other in report.halved.items()
    ]
    return lines


def _seconds_text(seconds: float) -> str:
    return duration(seconds) if seconds != float("inf") else "no end within a year"


def _verdict(report: Report) -> str:
    return {
        0: "all is well",
        1: "upload would run; some of it deserves a look first",
    }.get(report.exit_code, "upload can't start as asked")


def _next_lines(report: Report, settings: Settings) -> list[str]:
    """The command to type next."""
    if report.problems:
        return ["mend the problems above, then check again"]
    words = ["uploader", "upload", *settings.sources]
    if settings.id_property != "email":
        words += ["--id-property", settings.id_property]
    if settings.object_type != "contacts":
        words += ["--object-type", settings.object_type]
    for column, name in settings.mapped.items():
        words += ["--map", f"{column}={name}"]
    for column in sorted(settings.ignored):
        words += ["--ignore", column]
    if settings.include_superseded:
        words.append("--include-superseded")
    token = "put the token into HUBSPOT_ACCESS_TOKEN, check again, " if settings.offline else ""
    return [f"next: {token}{'then ' * bool(token)}{shlex.join(words)}"]
