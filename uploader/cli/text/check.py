"""How `check` reads: on a terminal, and as JSON for scripts. Values in, text out: nothing is printed here.

The keys of `--json`, which others script against:

    sources         name, rows and notices of each; the sheet of an Excel file
    account         portal, kind, time_zone, token_kind, scopes (null: unknown), burst and its seconds,
                    day_limit, day_left, records_used, records_limit; null where HubSpot was not asked
    columns         source, column, property ("": left out, or undecided), type, undecided, remark,
                    proposal (the property that an undecided column may be, or null), cells, filled (cells
                    with a value), distinct (different values), distinct_complete (false: there may be more),
                    samples (the first values); the counts of a column that is left out are 0
    problems, warnings, not_checked     texts; with a problem `upload` would not start
    would_stop      why `upload` would stop before its end; "" where it would not
    unseen          texts: what happens all the same, and no request shows
    rows, sendable, invalid, no_key, skipped, suppressed (of the skipped), values_dropped, sample
    not_rows, faults, dropped     category, column, count, examples (source, row, reason); counts are exact
    repeated_keys, repeated_rows, repeats     how many, and the first (source, row, first_source, first_row)
    most_repeated_keys      property, key, rows, doubtful: those that most rows have; a doubtful one is a
                    problem, unless --on-duplicate is given
    shared_rows, shared     rows with a unique value that a row of another key has, and the first of them
    bad_values      values that options do not take: column, property, count (of cells), values (value, count,
                    near: the option that may have been meant, or null), other_values (how many more),
                    complete (false: rare values were forgotten, and counts may be too low), options (value,
                    label)
    owners, unknown_owners  property -> value -> rows; the second: of owners that the account does not have
    cleared         column -> blanks that clear
    remarks                 the same, of texts that are sent and may have been changed on their way
    date_numbers            the same, of numbers that are read as dates
    words_for_nothing       column -> word, such as NULL -> cells
    blank_candidates        word, columns (column -> cells), options (values of --blank-value): such words,
                    unless they are blank already
    forecast        batches, requests, seconds (where rows may turn out not to be written, once their contacts
                    are read: at most), days (pauses at midnight), ends_at,
                    longest_chain (rows of one key, 0: none; written one after the other), chain_seconds,
                    without_multi_status (refused_share, requests, seconds); null without rows to send
    requests, elapsed_seconds, exit_code
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from uploader.check.blank_candidates import mapping_lines
from uploader.check.report import Column, Report
from uploader.cli.project_file import PROJECT_OPTION
from uploader.cli.text.bad_values import bad_value_dicts, bad_value_lines
from uploader.cli.text.forecast import reads_text
from uploader.cli.text.next_command import by_hand, next_command, portal_option, upload_line, without
from uploader.cli.text.numbers import duration, printable
from uploader.hubspot.account import PRODUCTION
from uploader.hubspot.object_types import noun
from uploader.jobs.scans.column_counts import ColumnCounts
from uploader.jobs.scans.row_findings import Example, Group
from uploader.pipeline.rate.forecast import CHAIN_SECONDS
from uploader.records.not_a_row import NOT_A_ROW
from uploader.records.repeated_keys import KeyCount
from uploader.records.values.top_level_domains import TOP_LEVEL_DOMAIN
from uploader.settings import Settings
from uploader.sources.names import STDIN, stem
from uploader.storage.duplicates_file import source_of
from uploader.storage.file_names import unused

_SHOWN_OWNERS = 20
#: A key is mentioned if more rows than this have it, although it is not doubtful.
_MENTIONED_ROWS = 2
#: A chain of rows of one key is mentioned if it takes longer than this.
_SHOWN_CHAIN_SECONDS = 10.0
#: With this many undecided columns or more, a drafted mapping is suggested.
_MANY = 3


def as_dict(report: Report) -> dict[str, object]:
    """The report as JSON. The keys are documented at the top of this file."""
    found = report.findings
    names = [source.name for source in report.sources]
    ends = [*report.starts[1:], found.rows]
    return {
        "sources": [
            {"name": source.name, "rows": end - start, "notices": list(source.notices)}
            | ({"sheet": source.shape.sheet} if source.shape.sheet else {})
            for source, start, end in zip(report.sources, report.starts, ends, strict=True)
        ],
        "account": _account_dict(report),
        "columns": [
            {"source": names[c.source], "column": c.column, "property": c.property, "type": c.type}
            | {"undecided": c.is_undecided, "remark": c.remark}
            | _column_counts(report, c)
            for c in report.columns
        ],
        "problems": report.problems,
        "warnings": report.warnings,
        "not_checked": report.not_checked,
        "would_stop": report.would_stop,
        "unseen": list(report.unseen),
        "sample": report.sample,
        **_findings_dict(report, names),
        "blank_candidates": [
            {"word": one.word, "columns": dict(one.columns), "options": one.entries()}
            for one in report.blank_candidates
        ],
        "forecast": _forecast_dict(report),
        "requests": report.requests,
        "elapsed_seconds": round(report.elapsed_seconds, 3),
        "exit_code": report.exit_code,
    }


def _column_counts(report: Report, column: Column) -> dict[str, object]:
    counts = report.findings.columns.get((column.source, column.column)) or ColumnCounts()
    return {
        "proposal": column.proposal.property if column.proposal and column.proposal.property else None,
        "cells": counts.cells,
        "filled": counts.filled,
        "distinct": counts.distinct,
        "distinct_complete": counts.is_exact,
        "samples": list(map(printable, counts.samples)),
    }


def _findings_dict(report: Report, names: list[str]) -> dict[str, object]:
    found = report.findings
    return {
        "rows": found.rows,
        "sendable": found.sendable,
        "invalid": found.invalid,
        "no_key": found.keyless,
        "skipped": found.skipped,
        "suppressed": found.suppressed,
        "values_dropped": found.values_dropped,
        "not_rows": _groups({(NOT_A_ROW, ""): found.not_rows} if found.not_rows.count else {}, names),
        "faults": _groups(found.faults, names),
        "dropped": _groups(found.dropped, names),
        "repeated_keys": found.repeated_keys,
        "repeated_rows": found.repeated_rows,
        "repeats": _repeats(report, names),
        "most_repeated_keys": [
            {"property": one.property, "key": one.value, "rows": one.rows, "doubtful": is_doubtful}
            for one, is_doubtful in _most_repeated(report)
        ],
        "shared_rows": found.shared_rows,
        "shared": [
            {
                "source": names[one.source],
                "row": one.row,
                "property": one.name,
                "first_source": names[one.first_source],
                "first_row": one.first_row,
            }
            for one in found.shared
        ],
        "bad_values": bad_value_dicts(report.bad_columns),
        "owners": {column: dict(counts.most_common()) for column, counts in found.owners.items()},
        "unknown_owners": {name: dict(who.most_common()) for name, who in report.unknown_owners.items()},
        "cleared": dict(found.cleared),
        "remarks": _groups(found.remarks, names),
        "date_numbers": _groups(found.date_numbers, names),
        "words_for_nothing": {column: dict(words.most_common()) for column, words in found.nothings.items()},
    }


def _account_dict(report: Report) -> dict[str, object] | None:
    account, closer, quota = report.account, report.closer, report.quota
    if account is None:
        return None
    burst = quota.burst if quota else None
    scopes = closer.token.scopes if closer else None
    record_limit = closer.record_limit if closer else None
    return {
        "portal": account.portal or (closer.token.portal if closer else ""),
        "kind": account.kind,
        "time_zone": account.time_zone,
        "token_kind": report.token_kind,
        "scopes": sorted(scopes) if scopes is not None else None,
        "burst": burst.requests if burst else None,
        "burst_seconds": burst.seconds if burst else None,
        "day_limit": quota.day_limit if quota else None,
        "day_left": quota.day_left if quota else None,
        "records_used": record_limit.used if record_limit else None,
        "records_limit": record_limit.limit if record_limit else None,
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


def _repeats(report: Report, names: list[str]) -> list[dict[str, object]]:
    return [
        {
            "source": names[source_of(repeat.position, report.starts)],
            "row": repeat.number,
            "first_source": names[source_of(repeat.other_position, report.starts)],
            "first_row": repeat.other_number,
        }
        for repeat in report.findings.repeats
    ]


def _forecast_dict(report: Report) -> dict[str, object] | None:
    work = report.workload
    if work is None:
        return None
    ahead = work.forecast
    return {
        "batches": work.batches,
        "requests": ahead.requests,
        "seconds": _finite(ahead.seconds),
        "days": ahead.pauses,
        "ends_at": ahead.ends_at.isoformat() if ahead.ends_at else None,
        "longest_chain": work.longest_chain,
        "chain_seconds": round(work.longest_chain * CHAIN_SECONDS, 1),
        "without_multi_status": [
            {"refused_share": share, "requests": other.requests, "seconds": _finite(other.seconds)}
            for share, other in work.halved.items()
        ],
    }


def _finite(seconds: float) -> float | None:
    return round(seconds, 1) if seconds != float("inf") else None


# --- for people ---


def lines(report: Report, settings: Settings, typed: Sequence[str]) -> list[str]:
    """The report as lines. `typed`: the command after the program's name."""
    return [
        *_account_lines(report),
        *_column_lines(report),
        *_row_lines(report, settings),
        *_forecast_lines(report, settings),
        *_unseen_lines(report),
        *(f"NOT CHECKED: {printable(text)}" for text in report.not_checked),
        *(f"WARNING: {printable(text, 600)}" for text in report.warnings),
        *(f"PROBLEM: {printable(text, 600)}" for text in report.problems),
        _verdict(report),
        *_next(report, settings, typed),
    ]


def _account_lines(report: Report) -> list[str]:
    account, closer = report.account, report.closer
    if account is None:
        return []
    kind = {PRODUCTION: "production", "": "kind unknown"}.get(account.kind, account.kind)
    portal = account.portal or (closer.token.portal if closer else "") or "unknown"
    texts = [
        f"account {portal} ({kind}), {account.time_zone or 'time zone unknown'}; token: {report.token_kind}"
    ]
    if closer and closer.token.scopes is not None:
        texts.append(f"scopes: {', '.join(sorted(closer.token.scopes)) or 'none'}")
    quota = report.quota
    if quota:
        burst, left = quota.burst, quota.day_left
        day = "" if left is None else f"; {left:,} of {quota.day_limit or 0:,} left today"
        texts.append(f"quota: {burst.requests:,} requests in {burst.seconds:g} s{day}")
    if closer and (records := closer.record_limit):
        texts.append(f"records: {records.used:,} of {records.limit:,}, room for {records.left:,}")
    return texts


def _column_lines(report: Report) -> list[str]:
    texts = []
    several = len(report.sources) > 1
    for index, source in enumerate(report.sources):
        columns = [column for column in report.columns if column.source == index]
        where = f"{source.name}: " if several else ""
        for column in columns:
            what = f"{column.property} ({column.type or 'type unknown'})" if column.property else "UNDECIDED"
            if column.property or column.is_undecided:
                texts.append(f"  {where}{printable(column.column, 60)} -> {what}")
                texts += [f"    {column.remark}"] if column.remark else []
        if out := [printable(c.column, 60) for c in columns if not c.property and not c.is_undecided]:
            texts.append(f"  {where}left out: {', '.join(out)}")
        texts += [f"  {printable(notice)}" for notice in source.notices]
    return texts


def _row_lines(report: Report, settings: Settings) -> list[str]:
    found = report.findings
    of_each = " of each source" if len(report.sources) > 1 else ""
    note = f" (only the first {report.sample:,}{of_each} were read)" if report.sample else ""
    texts = [f"{found.rows:>12,}  rows{note}"]
    if found.rows and not found.sendable + found.invalid + found.skipped:
        return [*texts, f"{'':>14}not checked: first decide what the columns mean"]
    texts.append(f"{found.sendable:>12,}  can be sent")
    if settings.rules.suppresses:
        texts.append(f"{found.suppressed:>12,}  skipped: suppressed (--suppress, --suppress-where)")
    if not_rows := found.not_rows.count:
        texts.append(f"{not_rows:>12,}  skipped: no rows")
        texts += _group_lines({(NOT_A_ROW, ""): found.not_rows}, report)
    if later := found.skipped - found.suppressed - not_rows:
        texts.append(f"{later:>12,}  skipped: superseded by a later row with the same key")
    texts.append(
        f"{found.invalid:>12,}  invalid"
        + (f", {found.keyless:,} of them without a key" * bool(found.keyless))
        + " (a row can have several problems)" * (sum(g.count for g in found.faults.values()) > found.invalid)
    )
    if found.invalid:
        share = f"{found.invalid / found.rows:.1%}" if found.invalid * 1000 >= found.rows else "under 0.1%"
        limit = settings.max_failures
        where = f" (counted from {limit.ENOUGH_ROWS:,} rows on)" if limit.share is not None else ""
        texts.append(f"{'':>14}{share} of the rows; upload stops at more than --max-failures {limit}{where}")
    texts += _group_lines(found.faults, report)
    if found.values_dropped:
        texts.append(f"{found.values_dropped:>12,}  values left out")
        texts += _group_lines(found.dropped, report)
    texts.append(f"{found.repeated_keys:>12,}  keys are repeated, in {found.repeated_rows:,} further rows")
    texts += _repeat_lines(report)
    texts += [
        f"{one.rows:>16,}  {printable(one.value, 60)}: would become one {noun(settings.object_type).one}"
        for one, is_doubtful in _most_repeated(report)
        if is_doubtful or one.rows > _MENTIONED_ROWS
    ]
    texts += _shared_lines(report)
    texts += [
        f"{count:>12,}  blank cells clear {printable(column, 60)}" for column, count in found.cleared.items()
    ]
    return [
        *texts,
        *bad_value_lines(report.bad_columns),
        *_remark_lines(report),
        *_blank_lines(report, settings),
        *_owner_lines(report),
    ]


def _remark_lines(report: Report) -> list[str]:
    """Lines about texts that are sent and look wrong."""
    found, texts = report.findings, list[str]()
    changed = {name: group for name, group in found.remarks.items() if name[0] != TOP_LEVEL_DOMAIN}
    wrong = {name: group for name, group in found.remarks.items() if name[0] == TOP_LEVEL_DOMAIN}
    for groups, what in (
        (changed, "texts may have been changed by a spreadsheet or an export, and are sent:"),
        (wrong, "addresses have a domain that HubSpot will hardly accept, and are sent:"),
        (found.date_numbers, "numbers are read as dates:"),
    ):
        if groups:
            texts.append(f"{sum(group.count for group in groups.values()):>12,}  {what}")
            texts += _group_lines(groups, report)
    return texts


def _most_repeated(report: Report) -> list[tuple[KeyCount, bool]]:
    """The keys that most rows have, and whether each is doubtful."""
    most = report.findings.keys.most_repeated()
    rare = [key for key in report.doubtful_keys if key not in most][: max(0, _SHOWN_OWNERS - len(most))]
    return [(key, key in report.doubtful_keys) for key in [*most, *rare]]


def _blank_lines(report: Report, settings: Settings) -> list[str]:
    """Lines about words that may stand for a blank, with what makes them blank."""
    found = report.blank_candidates
    if not found:
        return []
    shown = found[:_SHOWN_OWNERS]
    texts = [f"{sum(one.cells for one in found):>12,}  cells hold a text that may stand for no value:"]
    for one in shown:
        columns = ", ".join(f"{printable(column, 60)} ({n:,})" for column, n in one.columns.items())
        texts.append(f"{one.cells:>16,}  {printable(one.word, 40)} in {columns}")
    if len(found) > len(shown):
        texts.append(f"{'':>18}and {len(found) - len(shown):,} more (listed with --json)")
    texts.append(f"{'':>18}to take them for blanks, add {' '.join(one.options() for one in shown)}")
    of_job = settings.repeated_options
    for name in of_job.get("--mapping") or of_job.get(PROJECT_OPTION, ()):
        texts.append(f"{'':>18}or write in {Path(name).name}, with what it has for these columns:")
        texts += [f"{'':>20}{line}" for line in mapping_lines(shown, report, settings.rules)]
    return texts


def _owner_lines(report: Report) -> list[str]:
    texts = []
    for name, counts in report.findings.owners.items():
        unknown = report.unknown_owners.get(name, Counter())
        texts.append(f"{counts.total():>12,}  rows have {name}, with {len(counts):,} owners")
        texts += _most_common(counts - unknown)
        if unknown:
            texts.append(
                f"{unknown.total():>12,}  of them name {len(unknown):,} owners that this account does not "
                "have" + " (including skipped rows)" * bool(report.findings.skipped)
            )
            texts += _most_common(unknown)
    return texts


def _most_common(counts: Counter[str]) -> list[str]:
    texts = [f"{count:>16,}  {printable(who, 60)}" for who, count in counts.most_common(_SHOWN_OWNERS)]
    rest = counts.most_common()[_SHOWN_OWNERS:]
    return texts + (
        [f"{sum((n for _, n in rest)):>16,}  of {len(rest):,} others (listed with --json)"] if rest else []
    )


def _group_lines(groups: Mapping[tuple[str, str], Group], report: Report) -> list[str]:
    texts = []
    for (category, column), group in sorted(groups.items(), key=lambda item: -item[1].count):
        where = f" in {printable(column, 60)}" if column else ""
        texts.append(f"{group.count:>16,}  {category}{where}")
        by_reason: dict[str, list[Example]] = {}
        for one in group.examples:
            by_reason.setdefault(one.reason, []).append(one)
        texts += [
            f"{'':>18}{_rows_text(of_it, report)}: {printable(reason, 160)}"
            for reason, of_it in by_reason.items()
        ]
        if group.count > len(group.examples) > 0:
            texts.append(f"{'':>18}and {group.count - len(group.examples):,} more (--examples N)")
    return texts


def _rows_text(examples: Sequence[Example], report: Report) -> str:
    """Such as `rows 7, 9`, source by source."""
    numbers: dict[int, list[int]] = {}
    for one in examples:
        numbers.setdefault(one.source, []).append(one.row)
    return "; ".join(
        f"{_row_text(', '.join(map(str, rows)), source, report, several=len(rows) > 1)}"
        for source, rows in numbers.items()
    )


def _repeat_lines(report: Report) -> list[str]:
    found = report.findings
    several = len(report.sources) > 1
    pairs = []
    for repeat in found.repeats:
        here, there = (source_of(p, report.starts) for p in (repeat.position, repeat.other_position))
        first = _row_text(str(repeat.other_number), there, report)
        pairs.append(f"{_row_text(str(repeat.number), here, report)} as {first}")
    if not several:  # short enough for one line
        pairs = [", ".join(pairs)] if pairs else []
    texts = [f"{'':>18}{pair}" for pair in pairs]
    if found.repeated_rows > len(found.repeats) > 0:
        texts.append(f"{'':>18}and {found.repeated_rows - len(found.repeats):,} more (--examples N)")
    return texts


def _shared_lines(report: Report) -> list[str]:
    found = report.findings
    if not found.shared_rows:
        return []
    texts = [
        f"{found.shared_rows:>12,}  rows have a unique value of a row with another key, and may be refused:"
    ]
    for one in found.shared:
        first = _row_text(str(one.first_row), one.first_source, report)
        texts.append(f"{'':>18}{_row_text(str(one.row), one.source, report)}: {one.name} as {first}")
    if found.shared_rows > len(found.shared):
        texts.append(f"{'':>18}and {found.shared_rows - len(found.shared):,} more (--examples N)")
    return texts


def _row_text(row: str, source: int, report: Report, *, several: bool = False) -> str:
    of = f" of {report.sources[source].name}" if len(report.sources) > 1 else ""
    return f"row{'s' * several} {row}{of}"


def _forecast_lines(report: Report, settings: Settings) -> list[str]:
    work = report.workload
    if work is None:
        return []
    ahead = work.forecast
    pauses = f", with {ahead.pauses} pauses until the account's midnight" if ahead.pauses else ""
    quota = "" if report.quota else ", assuming the quota of larger accounts"
    ending = f"{pauses}{quota}"
    most = "at most " if settings.may_spare_rows else ""
    requests = f"{most}{_counted(ahead.requests, 'request', 'requests')}{reads_text(settings)}"
    texts = [
        f"{_counted(work.batches, 'batch', 'batches')}: {requests}, {_seconds_text(ahead.seconds)}{ending}",
        "  (plus a few requests at the start)",
    ]
    if work.longest_chain * CHAIN_SECONDS >= _SHOWN_CHAIN_SECONDS:
        takes = duration(work.longest_chain * CHAIN_SECONDS)
        texts.append(
            f"  {work.longest_chain:,} rows share one key and are written one after the other: about "
            f"{takes} (--on-duplicate last writes only the last of them)"
        )
    shares = "; ".join(
        f"of {share:.1%} {other.requests:,} requests, {_seconds_text(other.seconds)}"
        for share, other in work.halved.items()
    )
    return [*texts, f"  if HubSpot does not name the rows it refuses (no multi-status): {shares}"]


def _unseen_lines(report: Report) -> list[str]:
    if not report.unseen:
        return []
    return [f"Not visible to uploader: {'; '.join(report.unseen)} (`uploader help live-portal`)"]


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _seconds_text(seconds: float) -> str:
    return duration(seconds) if seconds != float("inf") else "more than a year"


def _verdict(report: Report) -> str:
    if report.exit_code == 0:
        return "no problem found"
    if report.problems:
        count = len(report.problems)
        return f"upload cannot start: {count:,} {'problem' if count == 1 else 'problems'}, see above"
    if report.would_stop:
        return f"upload would stop before the end: {report.would_stop}"
    found = report.findings
    counts = {
        "invalid rows": found.invalid,
        "values left out": found.values_dropped,
        "repeated keys": found.repeated_keys,
        "shared values": found.shared_rows,
        "warnings": len(report.warnings),
    }
    return (
        f"upload would run; first look at the {', '.join((what for what, count in counts.items() if count))}"
    )


def _next(report: Report, settings: Settings, typed: Sequence[str]) -> list[str]:
    """What to do next, with the commands."""
    lacks = by_hand(settings.sources)
    account, closer = report.account, report.closer
    portal = (account.portal if account else "") or (closer.token.portal if closer else "")
    mapping = ["--mapping", report.drafted] if report.drafted else []
    typed = without(typed, "--mapping") if mapping else typed
    undecided = sum(column.is_undecided for column in report.columns)
    described = {"--mapping", PROJECT_OPTION} & settings.repeated_options.keys()
    can_draft = STDIN not in settings.sources and not mapping and not described
    if can_draft and undecided >= _MANY:
        draft = unused(Path(f"{Path(stem(settings.sources[0])).name}.toml"))
        return [
            f"next: say what the columns mean (--map, --ignore), or have it drafted{lacks}: "
            + next_command(typed, "check", ["--write-mapping", str(draft)])
        ]
    again = f"then{lacks} {next_command(typed, 'check', mapping)}"
    if report.problems or report.would_stop:
        what = "review and complete the draft" if mapping else "correct this"
        return [f"next: {what}, {again}"]
    first = "review and complete the draft, then " if mapping else ""
    if settings.offline:
        return [f"next: {first}set HUBSPOT_ACCESS_TOKEN to the token, {again}"]
    more = [*mapping, *portal_option(settings.portal, portal)]
    return [
        f"next: {first}preview the changes{lacks}: {next_command(typed, 'preview', more)}",
        f"then {upload_line(typed, settings, more)}",
    ]
