"""All that `check` found, as lines. Values in, text out: nothing is printed here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import filterfalse
from pathlib import Path

from uploader.check.blank_candidates import mapping_lines
from uploader.check.report import Report
from uploader.cli.project_file import PROJECT_OPTION
from uploader.cli.text.bad_values import bad_value_lines
from uploader.cli.text.check.next_steps import next_steps, verdict
from uploader.cli.text.forecast import reads_text
from uploader.cli.text.numbers import duration, printable
from uploader.hubspot.account import PRODUCTION
from uploader.hubspot.object_types import noun
from uploader.jobs.scans.row_findings import Example, Group
from uploader.jobs.summary import IMPORT_IT
from uploader.pipeline.rate.forecast import CHAIN_SECONDS
from uploader.records.headers.recognition import Recognized
from uploader.records.not_a_row import NOT_A_ROW
from uploader.records.values.top_level_domains import TOP_LEVEL_DOMAIN
from uploader.settings import Settings
from uploader.storage.duplicates_file import source_of

_SHOWN_OWNERS, _SHOWN_SIGNS = 20, 3
#: A key is mentioned if more rows than this have it, although it is not doubtful.
_MENTIONED_ROWS = 2
#: A chain of rows of one key is mentioned if it takes longer than this.
_SHOWN_CHAIN_SECONDS = 10.0


def lines(report: Report, settings: Settings, typed: Sequence[str]) -> list[str]:
    """The report as lines. `typed`: the command after the program's name."""
    return [
        *_opt_out_lines(report, settings),
        *_account_lines(report),
        *_column_lines(report, settings),
        *_row_lines(report, settings),
        *_forecast_lines(report, settings),
        *_unseen_lines(report),
        *(f"NOT CHECKED: {printable(text)}" for text in report.not_checked),
        *(f"WARNING: {printable(text, 600)}" for text in report.warnings),
        *(f"PROBLEM: {printable(text, 600)}" for text in report.problems),
        verdict(report),
        *next_steps(report, settings, typed),
    ]


def _opt_out_lines(report: Report, settings: Settings) -> list[str]:
    """What becomes of the rows that say "opted out"."""
    found = report.findings
    if not found.opt_outs:
        return []
    note = f" of the first {report.sample:,}" if report.sample else ""
    rows = f"OPT-OUTS: {found.opt_outs:,} rows{note} say so, with {found.opt_out_addresses:,} addresses"
    path = settings.opt_outs_path
    texts = [f"{rows}: upload writes the list {path}; {IMPORT_IT}" if path else f"{rows}; see the problem"]
    if found.opt_outs_unlisted:
        texts.append(f"{'':>10}{found.opt_outs_unlisted:,} of them have no address that could be listed")
    return texts


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


def _column_lines(report: Report, settings: Settings) -> list[str]:
    texts = []
    several = len(report.sources) > 1
    for index, source in enumerate(report.sources):
        columns = [column for column in report.columns if column.source == index]
        where = f"{source.name}: " if several else ""
        texts += _origin_lines(report.origins[index], where)
        for column in columns:
            what = f"{column.property} ({column.type or 'type unknown'})" if column.property else "UNDECIDED"
            if column.property or column.is_undecided:
                texts.append(f"  {where}{printable(column.column, 60)} -> {what}")
                texts += [f"    {column.remark}"] if column.remark else []
        unsent = [column.column for column in columns if not column.property and not column.is_undecided]
        tells = settings.rules.tells_opt_outs
        for what, some in (("opt-outs", filter(tells, unsent)), ("left out", filterfalse(tells, unsent))):
            if names := [printable(name, 60) for name in some]:
                texts.append(f"  {where}{what}: {', '.join(names)}")
        texts += [f"  {printable(notice)}" for notice in source.notices]
    return texts


def _origin_lines(origin: Recognized, where: str) -> list[str]:
    """The line about the system that a source seems to be exported from."""
    if not origin.systems:
        return []
    shown = ", ".join(repr(printable(sign, 60)) for sign in origin.signs[:_SHOWN_SIGNS])
    rest = len(origin.signs) - _SHOWN_SIGNS
    more = f" and {rest:,} more" if rest > 0 else ""
    return [f"  {where}looks like an export of {origin.name}, by {shown}{more}"]


def _row_lines(report: Report, settings: Settings) -> list[str]:
    found = report.findings
    of_each = " of each source" if len(report.sources) > 1 else ""
    note = f" (only the first {report.sample:,}{of_each} were read)" if report.sample else ""
    texts = [f"{found.rows:>12,}  rows{note}"]
    if found.rows and not found.sendable + found.invalid + found.skipped:
        return [*texts, f"{'':>14}not checked: first decide what the columns mean"]
    texts.append(f"{found.sendable:>12,}  can be sent")
    if settings.rules.suppresses:
        texts.append(
            f"{found.suppressed:>12,}  skipped: suppressed (--suppress, --suppress-where, --opt-outs)"
        )
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
        for one, is_doubtful in report.most_repeated_keys()
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
