"""The report of `check` as JSON for scripts. Values in, values out.

The keys of `--json`, which others script against:

    sources         name, rows and notices of each; the sheet of an Excel file; export_of (the system that it
                    seems to be exported from) and export_signs (columns and lines), if one is recognised
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
    opt_outs (rows that say "opted out", where they are listed or nobody has decided), opt_out_addresses
                    (different ones of them), opt_outs_unlisted (such rows without an address)
    not_rows, faults, dropped     category, column, count, examples (source, row, reason); counts are exact
    repeated_keys, repeated_rows, repeats     how many, and the first (source, row, first_source, first_row)
    most_repeated_keys      property, key, rows, doubtful: those that most rows have; a doubtful one is a
                    problem, unless --on-duplicate is given
    split_keys, split       keys of rows with several values of another unique property, and the first rows
    shared_rows, shared     rows with a unique value that a row of another key has, and the first of them
    bad_values      values that options do not take: column, property, count (of cells), values (value, count,
                    near: the option that may have been meant, or null), other_values (how many more),
                    complete (false: rare values were forgotten, and counts may be too low), options (value,
                    label)
    owners, unknown_owners  property -> value -> rows; the second: of owners that the account does not have,
                    or has several of
    ambiguous_owners        of these, property -> name -> the ids of the owners that have it
    cleared         column -> blanks that clear
    remarks                 the same, of texts that are sent and may have been changed on their way
    date_numbers            the same, of numbers that are read as dates
    words_for_nothing       column -> word, such as NULL -> cells
    links           of each link column: column, object_type, by, label, links, values (different ones),
                    faults (links whose value cannot name a record), missing (links whose other record is not
                    in the account), missing_values, unknown (links that were not looked up),
                    most_missing (value, links, reason)
    automatic_companies     what HubSpot may link by itself; "" where contacts are not linked with companies
    blank_candidates        word, columns (column -> cells), options (values of --blank-value): such words,
                    unless they are blank already
    forecast        batches, requests, seconds (where rows may turn out not to be written, once their contacts
                    are read: at most), days (pauses at midnight), ends_at,
                    longest_chain (rows of one key, 0: none; written one after the other), chain_seconds,
                    without_multi_status (refused_share, requests, seconds); null without rows to send
    list            of --add-to-list: name, id and size (null if it is to be made); null without one
    requests, elapsed_seconds, exit_code
"""

from collections.abc import Mapping, Sequence

from uploader.check.bad_columns import BadColumn
from uploader.check.report import Column, Report
from uploader.jobs.scans.column_counts import ColumnCounts
from uploader.jobs.scans.link_values import LinkCounts
from uploader.jobs.scans.row_findings import Group
from uploader.model.chain_of_rows import CHAIN_SECONDS
from uploader.model.foreign_texts import printable
from uploader.records.duplicates import SharedValue
from uploader.records.not_a_row import NOT_A_ROW
from uploader.storage.duplicates_file import source_of


def as_dict(report: Report) -> dict[str, object]:
    """The report as JSON. The keys are documented at the top of this file."""
    found = report.findings
    names = [source.name for source in report.sources]
    ends = [*report.starts[1:], found.rows]
    return {
        "sources": [
            {"name": source.name, "rows": end - start, "notices": list(source.notices)}
            | ({"sheet": source.shape.sheet} if source.shape.sheet else {})
            | ({"export_of": origin.name, "export_signs": list(origin.signs)} if origin.systems else {})
            for source, start, end, origin in zip(
                report.sources, report.starts, ends, report.origins, strict=True
            )
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
        "links": [_link_dict(one) for one in report.links],
        "automatic_companies": report.automatic_companies,
        "forecast": _forecast_dict(report),
        "list": _list_dict(report),
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
        "other_keys": dict(found.other_keys),
        "skipped": found.skipped,
        "suppressed": found.suppressed,
        "opt_outs": found.opt_outs,
        "opt_out_addresses": found.opt_out_addresses,
        "opt_outs_unlisted": found.opt_outs_unlisted,
        "values_dropped": found.values_dropped,
        "not_rows": _groups({(NOT_A_ROW, ""): found.not_rows} if found.not_rows.count else {}, names),
        "faults": _groups(found.faults, names),
        "dropped": _groups(found.dropped, names),
        "repeated_keys": found.repeated_keys,
        "repeated_rows": found.repeated_rows,
        "repeats": _repeats(report, names),
        "most_repeated_keys": [
            {"property": one.property, "key": one.value, "rows": one.rows, "doubtful": is_doubtful}
            for one, is_doubtful in report.most_repeated_keys()
        ],
        "shared_rows": found.shared_rows,
        "shared": _shared(found.shared, names),
        "split_keys": found.split_keys,
        "split": _shared(found.split, names),
        "bad_values": bad_value_dicts(report.bad_columns),
        "owners": {column: dict(counts.most_common()) for column, counts in found.owners.items()},
        "unknown_owners": {name: dict(who.most_common()) for name, who in report.unknown_owners.items()},
        "ambiguous_owners": {
            name: {who: [owner.id for owner in several] for who, several in names.items()}
            for name, names in report.ambiguous_owners.items()
        },
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


def _shared(found: Sequence[SharedValue], names: Sequence[str]) -> list[dict[str, object]]:
    return [
        {
            "source": names[one.source],
            "row": one.row,
            "property": one.name,
            "first_source": names[one.first_source],
            "first_row": one.first_row,
        }
        for one in found
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


def _link_dict(one: LinkCounts) -> dict[str, object]:
    column = one.column
    return {
        "column": column.column,
        "object_type": column.object_type,
        "by": column.by,
        "label": column.label,
        "links": one.links,
        "values": one.values,
        "faults": one.faults,
        "missing": one.missing,
        "missing_values": one.missing_values,
        "unknown": one.unknown,
        "most_missing": [
            {"value": printable(each.value), "links": each.links, "reason": printable(each.why)}
            for each in one.most_missing
        ],
    }


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


def _list_dict(report: Report) -> dict[str, object] | None:
    one = report.record_list
    if one is None:
        return None
    return {
        "name": one.name,
        "id": one.found.id if one.found else None,
        "size": one.found.size if one.found else None,
    }


def _finite(seconds: float) -> float | None:
    return round(seconds, 1) if seconds != float("inf") else None


def bad_value_dicts(columns: Sequence[BadColumn]) -> list[dict[str, object]]:
    return [
        {
            "column": one.column,
            "property": one.property,
            "count": one.cells,
            "values": [
                {
                    "value": value.text,
                    "count": value.cells,
                    "near": value.near.value if value.near else None,
                }
                for value in one.values
            ],
            "other_values": one.others,
            "complete": one.is_complete,
            "options": [{"value": option.value, "label": option.label} for option in one.options],
        }
        for one in columns
    ]
