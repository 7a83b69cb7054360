"""All that `check` found, as lines. Values in, text out: nothing is printed here."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from uploader.check.blank_candidates import mapping_lines
from uploader.check.report import Report, Workload
from uploader.cli.options.project import PROJECT_OPTION
from uploader.cli.text.bad_values import bad_value_lines, namesakes_text
from uploader.cli.text.check.column_table import NO_TERMINAL, column_lines, full_table, unsent_columns
from uploader.cli.text.check.links import link_lines, notice_lines
from uploader.cli.text.check.next_steps import next_steps, verdict
from uploader.cli.text.folding import folded, folded_command
from uploader.cli.text.forecast import chain_lines, reads_text
from uploader.cli.text.numbers import duration
from uploader.hubspot.account import PRODUCTION
from uploader.hubspot.object_types import noun
from uploader.hubspot.requests import MAX_INPUTS
from uploader.jobs.scans.bad_values import REPLACEABLE
from uploader.jobs.scans.row_findings import SHORT_ID, Example, Group
from uploader.jobs.summary import IMPORT_IT
from uploader.lists.named_list import plan_text
from uploader.model.chain_of_rows import CHAIN_SECONDS
from uploader.model.counted import counted, numbered
from uploader.model.foreign_texts import printable
from uploader.records.headers.recognition import Recognized
from uploader.records.not_a_row import NOT_A_ROW
from uploader.records.values.top_level_domains import TOP_LEVEL_DOMAIN
from uploader.settings import Settings
from uploader.storage.duplicates_file import source_of

_SHOWN_OWNERS, _SHOWN_SIGNS = 20, 3
#: What a line of a mapping file begins with.
_OF_MAPPING = " " * 20
#: A key is mentioned if more rows than this have it, although it is not doubtful.
_MENTIONED_ROWS = 2


def lines(report: Report, settings: Settings, typed: Sequence[str], width: int | None = None) -> list[str]:
    """The report as lines. `typed`: the command after the program's name. `width`: of the terminal; None:
    the output is no terminal, and sentences are not folded.
    """
    above = [
        verdict(report),
        *opt_out_lines(report, settings),
        *other_key_lines(report, settings),
        *notice_lines(report),
        *(f"PROBLEM: {printable(text, 600)}" for text in report.problems),
        *(f"WARNING: {printable(text, 600)}" for text in report.warnings),
        *(f"NOT CHECKED: {printable(text)}" for text in report.not_checked),
        *_account_lines(report),
    ]
    below = [
        *_row_lines(report, settings),
        *link_lines(report),
        *forecast_lines(report, settings),
        *list_lines(report, settings),
        *_unseen_lines(report),
    ]
    steps = next_steps(report, settings, typed)
    if width is not None:
        above, below = ([one for line in lines for one in _folded(line, width)] for lines in (above, below))
        steps = [one for step in steps for one in folded_command(step, width)]
    return [*above, *_column_lines(report, settings, width), *below, *steps]


def _folded(line: str, width: int) -> list[str]:
    """The line in lines of this width; one of a mapping file stays whole, to be pasted."""
    return [line] if line.startswith(_OF_MAPPING) and " = " in line else folded(line, width)


def opt_out_lines(report: Report, settings: Settings) -> list[str]:
    """What becomes of the rows that say "opted out"."""
    found = report.findings
    if not found.opt_outs:
        return []
    note = f" of the first {report.sample:,}" if report.sample else ""
    rows = f"OPT-OUTS: {counted(found.opt_outs, 'row')}{note} {numbered(found.opt_outs, 'says', 'say')} so"
    rows += f", with {counted(found.opt_out_addresses, 'address', 'addresses')}"
    path = settings.opt_outs_path
    texts = [f"{rows}: upload writes the list {path}; {IMPORT_IT}" if path else f"{rows}; see the problem"]
    if found.opt_outs_unlisted:
        have = numbered(found.opt_outs_unlisted, "has", "have")
        texts.append(f"{'':>10}{found.opt_outs_unlisted:,} of them {have} no address that could be listed")
    return texts


def other_key_lines(report: Report, settings: Settings) -> list[str]:
    """What would match the rows without a key that have a value of another unique property."""
    found = report.findings
    if not found.other_keys or (report.schema and not report.schema.labels.keys() >= {*settings.match}):
        return []  # or a property is still to be created, which is the problem
    counts = " and ".join(f"{count:,} have {name}" for name, count in found.other_keys.most_common())
    match = report.wider_match(settings.match)
    paths = settings.repeated_options.get(PROJECT_OPTION, ())
    if paths:
        what = f"write match = {json.dumps(match)} in {Path(paths[0]).name}"
    else:
        what = f"add --match {','.join(match)}"
    rows = counted(found.keyless, "row has", "rows have")
    return [f"KEYS: {rows} no {' or '.join(settings.match)}; of these, {counts}: to send these, too, {what}"]


def list_lines(report: Report, settings: Settings) -> list[str]:
    """What becomes of the list of --add-to-list, and what finding out its members may cost."""
    one, reads = report.record_list, -(-report.findings.sendable // MAX_INPUTS)
    if one is None:
        return []
    rules = settings.rules
    is_known = settings.reads_first or rules.is_by_own_id or rules.is_searched or not reads
    more = "" if is_known else f"; up to {counted(reads, 'request')} more read the ids of updated ones"
    return [f"{plan_text(one.name, one.found)}{more}"]


def _account_lines(report: Report) -> list[str]:
    closer = report.closer
    if report.account is None:
        return []
    texts = [f"{account_text(report)}; token: {report.token_kind}"]
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


def account_text(report: Report) -> str:
    """Which account it is; "" if none was asked."""
    account, closer = report.account, report.closer
    if account is None:
        return ""
    kind = {PRODUCTION: "production", "": "kind unknown"}.get(account.kind, account.kind)
    portal = account.portal or (closer.token.portal if closer else "") or "unknown"
    return f"account {portal} ({kind}), {account.time_zone or 'time zone unknown'}"


def _column_lines(report: Report, settings: Settings, width: int | None) -> list[str]:
    """The columns as a table, and what is said of the sources."""
    found = column_lines(report)
    texts = origin_lines(report)
    for what, names in unsent_columns(report, settings.rules).items():
        texts += [f"{what}: {', '.join(names)}"] if names else []
    several = len(report.sources) > 1
    for source in report.sources:
        where = f"{source.name}: " if several else ""
        texts += [f"{where}{printable(notice)}" for notice in source.notices]
    lines = full_table(found, width or NO_TERMINAL) if found else []
    lines += [line for text in texts for line in ([text] if width is None else folded(text, width))]
    return ["", *lines, ""] if lines else []


def origin_lines(report: Report) -> list[str]:
    """The systems that the sources seem to be exported from."""
    several = len(report.sources) > 1
    return [
        line
        for source, origin in zip(report.sources, report.origins, strict=False)
        for line in _origin_lines(origin, f"{source.name}: " if several else "")
    ]


def _origin_lines(origin: Recognized, where: str) -> list[str]:
    """The line about the system that a source seems to be exported from."""
    if not origin.systems:
        return []
    shown = ", ".join(repr(printable(sign, 60)) for sign in origin.signs[:_SHOWN_SIGNS])
    rest = len(origin.signs) - _SHOWN_SIGNS
    more = f" and {rest:,} more" if rest > 0 else ""
    return [f"{where}looks like an export of {origin.name}, by {shown}{more}"]


def _row_lines(report: Report, settings: Settings) -> list[str]:
    """What becomes of the rows, and what is wrong with them."""
    found = report.findings
    of_each = " of each source" if len(report.sources) > 1 else ""
    note = f" (only the first {report.sample:,}{of_each} were read)" if report.sample else ""
    texts = [f"{found.rows:>12,}  {numbered(found.rows, 'row')}{note}"]
    if found.rows and not found.sendable + found.invalid + found.skipped:
        return [*texts, f"{'':>14}not checked: first decide what the columns mean"]
    return [
        *texts,
        f"{found.sendable:>12,}  can be sent",
        *_skipped_lines(report, settings),
        *_invalid_lines(report, settings),
        *_key_lines(report, settings),
        *(
            f"{count:>12,}  {numbered(count, 'blank cell clears', 'blank cells clear')} {printable(name, 60)}"
            for name, count in found.cleared.items()
        ),
        *_remark_lines(report),
        *_blank_lines(report, settings),
        *_owner_lines(report),
    ]


def _skipped_lines(report: Report, settings: Settings) -> list[str]:
    found, texts = report.findings, list[str]()
    if settings.rules.suppresses:
        texts.append(
            f"{found.suppressed:>12,}  skipped: suppressed (--suppress, --suppress-where, --opt-outs)"
        )
    if not_rows := found.not_rows.count:
        what = numbered(not_rows, "line that is no row, and is", "lines that are no rows, and are")
        texts.append(f"{not_rows:>12,}  {what} skipped")
        texts += _group_lines({(NOT_A_ROW, ""): found.not_rows}, report)
    if later := found.skipped - found.suppressed - not_rows:
        texts.append(f"{later:>12,}  skipped: superseded by a later row with the same key")
    return texts


def _invalid_lines(report: Report, settings: Settings) -> list[str]:
    """Lines about rows that are invalid, and values that are left out."""
    found = report.findings
    texts = [
        f"{found.invalid:>12,}  invalid"
        + (f", {found.keyless:,} of them without a key" * bool(found.keyless))
        + " (a row can have several problems)" * (sum(g.count for g in found.faults.values()) > found.invalid)
    ]
    if found.invalid:
        share = f"{found.invalid / found.rows:.1%}" if found.invalid * 1000 >= found.rows else "under 0.1%"
        limit = settings.max_failures
        where = f" (counted from {limit.ENOUGH_ROWS:,} rows on)" if limit.share is not None else ""
        texts.append(f"{'':>14}{share} of the rows; upload stops at more than --max-failures {limit}{where}")
    texts += _group_lines(found.faults, report)
    if found.values_dropped:
        texts.append(f"{found.values_dropped:>12,}  {numbered(found.values_dropped, 'value')} left out")
        texts += _group_lines(found.dropped, report)
    return texts


def _key_lines(report: Report, settings: Settings) -> list[str]:
    """Lines about keys and other unique values that several rows have."""
    found = report.findings
    keys, further = numbered(found.repeated_keys, "key is", "keys are"), found.repeated_rows
    return [
        f"{found.repeated_keys:>12,}  {keys} repeated, in {counted(further, 'further row')}",
        *_repeat_lines(report),
        *(
            f"{one.rows:>16,}  {printable(one.value, 60)}: would become one {noun(settings.object_type).one}"
            for one, is_doubtful in report.most_repeated_keys()
            if is_doubtful or one.rows > _MENTIONED_ROWS
        ),
        *split_lines(report),
        *_shared_lines(report),
    ]


def _remark_lines(report: Report) -> list[str]:
    """Lines about texts that are sent and look wrong."""
    found, texts = report.findings, list[str]()
    own = (TOP_LEVEL_DOMAIN, SHORT_ID)
    changed = {name: group for name, group in found.remarks.items() if name[0] not in own}
    wrong, short = (
        {name: group for name, group in found.remarks.items() if name[0] == category} for category in own
    )
    for groups, what in (
        (short, "keys may be ids that differ in upper and lower case only, which are one key:"),
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
    cells = sum(one.cells for one in found)
    hold = numbered(cells, "cell holds", "cells hold")
    texts = [f"{cells:>12,}  {hold} a text that may stand for no value:"]
    for one in shown:
        columns = ", ".join(f"{printable(column, 60)} ({n:,})" for column, n in one.columns.items())
        texts.append(f"{one.cells:>16,}  {printable(one.word, 40)} in {columns}")
    if len(found) > len(shown):
        texts.append(f"{'':>18}and {len(found) - len(shown):,} more (listed with --json)")
    texts.append(f"{'':>18}to take them for blanks, add {' '.join(one.options() for one in shown)}")
    of_job = settings.repeated_options
    for name in of_job.get("--mapping") or of_job.get(PROJECT_OPTION, ()):
        texts.append(f"{'':>18}or write in {Path(name).name}, with what it has for these columns:")
        texts += [f"{_OF_MAPPING}{line}" for line in mapping_lines(shown, report.names, settings.rules)]
    return texts


def _owner_lines(report: Report) -> list[str]:
    texts = []
    for name, counts in report.findings.owners.items():
        unknown = report.unknown_owners.get(name, Counter())
        have = numbered(counts.total(), "row has", "rows have")
        texts.append(f"{counts.total():>12,}  {have} {name}, with {counted(len(counts), 'owner')}")
        texts += _most_common(counts - unknown)
        if unknown:
            texts += _unknown_owner_lines(name, report)
    return texts


def _unknown_owner_lines(name: str, report: Report) -> list[str]:
    """The owners that the account does not have, then those that it has several of."""
    note = " (including skipped rows)" if report.findings.skipped else ""
    texts = []
    if missing := report.missing_owners.get(name):
        name_them = numbered(missing.total(), "names", "name")
        texts.append(
            f"{missing.total():>12,}  of them {name_them} {counted(len(missing), 'owner')} that this "
            f"account does not have{note}"
        )
        texts += _most_common(missing)
    for who, several in report.ambiguous_owners.get(name, {}).items():
        count = report.unknown_owners[name][who]
        name_it = numbered(count, "names", "name")
        texts.append(f"{count:>12,}  of them {name_it} an owner that is not certain{note}:")
        texts.append(f"{'':>16}  {namesakes_text(who, several)}")
    return texts


def _most_common(counts: Counter[str]) -> list[str]:
    texts = [f"{count:>16,}  {printable(who, 60)}" for who, count in counts.most_common(_SHOWN_OWNERS)]
    rest = counts.most_common()[_SHOWN_OWNERS:]
    return texts + (
        [f"{sum((n for _, n in rest)):>16,}  of {len(rest):,} others (listed with --json)"] if rest else []
    )


def _group_lines(groups: Mapping[tuple[str, str], Group], report: Report) -> list[str]:
    texts = []
    shown = () if groups is report.findings.faults else report.findings.faults
    bad = {one.column: one for one in report.bad_columns if not any(one.column == name for _, name in shown)}
    for (category, column), group in sorted(groups.items(), key=lambda item: -item[1].count):
        where = f" in {printable(column, 60)}" if column else ""
        texts.append(f"{group.count:>16,}  {category}{where}")
        if category in REPLACEABLE and column in bad:
            texts += bad_value_lines(bad[column], _rows_by_value(group.examples, report))
            continue
        texts += [f"{'':>18}{text}" for text in reason_texts(group.examples, report)]
        if group.count > len(group.examples) > 0:
            texts.append(f"{'':>18}and {group.count - len(group.examples):,} more (--examples N)")
    return texts


def reason_texts(examples: Sequence[Example], report: Report) -> list[str]:
    """The reasons, each with its rows."""
    by_reason: dict[str, list[Example]] = {}
    for one in examples:
        by_reason.setdefault(one.reason, []).append(one)
    return [f"{_rows_text(of_it, report)}: {printable(reason, 160)}" for reason, of_it in by_reason.items()]


def _rows_by_value(examples: Sequence[Example], report: Report) -> dict[str, str]:
    """The rows of the examples, by their values in small letters."""
    found: dict[str, list[Example]] = {}
    for one in examples:
        for text in one.texts:
            found.setdefault(text.casefold(), []).append(one)
    return {text: _rows_text(of_it, report) for text, of_it in found.items()}


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
    have = numbered(found.shared_rows, "row has", "rows have")
    what = f"{have} a unique value of a row with another key, and may be refused:"
    texts = [f"{found.shared_rows:>12,}  {what}"]
    for one in found.shared:
        first = _row_text(str(one.first_row), one.first_source, report)
        texts.append(f"{'':>18}{_row_text(str(one.row), one.source, report)}: {one.name} as {first}")
    if found.shared_rows > len(found.shared):
        texts.append(f"{'':>18}and {found.shared_rows - len(found.shared):,} more (--examples N)")
    return texts


def split_lines(report: Report) -> list[str]:
    """Which keys stand on rows of several records by another unique property, and what becomes of them."""
    found = report.findings
    if not found.split_keys:
        return []
    pairs = []
    for one in found.split[:_MOST_PAIRS]:
        first, later = _row_text(str(one.first_row), one.first_source, report), str(one.row)
        pairs.append(f"{first} and {_row_text(later, one.source, report)}")
    names = " and ".join(dict.fromkeys(one.name for one in found.split)) or "another unique property"
    such_as = f", such as {', '.join(pairs)}" if pairs else ""
    verb = numbered(found.split_keys, "key stands", "keys stand")
    text = (
        f"{found.split_keys:>8,}  {verb} on rows with different values of {names}{such_as}: they become one "
        "record, in which the later row overwrites the earlier one. If they are two, correct the key of one "
        "of them; --on-duplicate reject writes neither and lists both"
    )
    return [text]


_MOST_PAIRS = 3


def _row_text(row: str, source: int, report: Report, *, several: bool = False) -> str:
    of = f" of {report.sources[source].name}" if len(report.sources) > 1 else ""
    return f"row{'s' * several} {row}{of}"


def forecast_lines(report: Report, settings: Settings) -> list[str]:
    work = report.workload
    if work is None:
        return []
    texts = [
        cost_text(work, report, settings),
        "  (plus a few requests at the start)",
        *(f"  {text}" for text in chain_texts(work)),
    ]
    shares = "; ".join(
        f"of {share:.1%} {counted(other.requests, 'request')}, {_seconds_text(other.seconds)}"
        for share, other in work.halved.items()
    )
    return [*texts, f"  if HubSpot does not name the rows it refuses (no multi-status): {shares}"]


def cost_text(work: Workload, report: Report, settings: Settings) -> str:
    """Requests and time of the upload."""
    ahead = work.forecast
    pauses = f", with {ahead.pauses} pauses until the account's midnight" if ahead.pauses else ""
    quota = "" if report.quota else ", assuming the quota of larger accounts"
    most = "at most " if settings.may_spare_rows else ""
    requests = f"{most}{counted(ahead.requests, 'request')}{reads_text(settings)}"
    batches = counted(work.batches, "batch", "batches")
    return f"{batches}: {requests}, {_seconds_text(ahead.seconds)}{pauses}{quota}"


def chain_texts(work: Workload) -> list[str]:
    """How long the rows of one key take, if that is long."""
    return chain_lines(f"{work.longest_chain:,}", work.longest_chain * CHAIN_SECONDS)


def _unseen_lines(report: Report) -> list[str]:
    if not report.unseen:
        return []
    return [f"Not visible to uploader: {'; '.join(report.unseen)} (`uploader help live-portal`)"]


def _seconds_text(seconds: float) -> str:
    return duration(seconds) if seconds != float("inf") else "more than a year"
