"""The report of `preview` as JSON for scripts. Values in, values out.

The keys of `--json`, which others script against:

    account         portal, kind; null where the account was not reached
    sample          the most rows that were looked at; null: all
    partial         true where it ended before all of these were looked at; `reason` says why
    rows, created, updated, unchanged, skipped, invalid, rejected, abandoned    rows by the outcome they would
                    have; `rejected` only where another record has a unique value, or no record the row's id
                    (what else HubSpot refuses, no request shows before), `abandoned` where no reply shows
                    what HubSpot holds
    open            rows read, and not looked at any more
    skipped_because reason -> rows
    properties      property -> set, overwritten, cleared, unchanged, spared, kept, rewritten, refused: values
                    (overwritten, cleared: values that HubSpot has now; rewritten: values of an earlier row
                    that a later row replaces or clears; spared: values that are not sent, because an option
                    preserves those of HubSpot; kept: values that are sent, and that HubSpot may not take,
                    by a rule of its own)
    faults          category, property, count: why values are refused
    examples        set, overwritten, cleared, spared, kept, rewritten, refused -> source, row, property,
                    before, asked, after, reason (of a refused one); those of a kind are of different rows
    row_details     the first rows (--rows): source, row, key, outcome, reason, id, is_of_earlier_row, cells;
                    a cell has column, property, cell, sent (null: nothing), hubspot (null: not read, or no
                    contact), change (of the kinds above, or ""), reason, is_link; links (column,
                    object_type, by, label, value, fault)
    links           column, object_type, by, label, links: how many each column asks for
    not_seen        what a preview can't tell, in words
    opt_outs, opt_outs_unlisted     addresses that would be listed; records that say so and have none
    aliases         contacts that several keys of the rows lead to: the order of their rows is not sure
    would_stop      true where upload would end early, for too many failures
    notices, requests, elapsed_seconds, state, reason, exit_code
"""

from dataclasses import asdict

from uploader.model.outcomes import Outcome
from uploader.preview.row_details import RowDetail
from uploader.preview.run import Report
from uploader.preview.value_changes import EXAMPLE_KINDS, KINDS, REFUSED, Example

OUTCOMES = (
    Outcome.CREATED,
    Outcome.UPDATED,
    Outcome.UNCHANGED,
    Outcome.SKIPPED,
    Outcome.INVALID,
    Outcome.REJECTED,
    Outcome.ABANDONED,
)
NOT_SEEN = (
    "other rows that HubSpot will refuse, because of an address or a validation rule",
    "changes by workflows and other apps, now and after the upload",
    "values that HubSpot sets by itself, such as a new contact's lifecycle stage or company",
)


def as_dict(report: Report) -> dict[str, object]:
    """The report as JSON. The keys are documented at the top of this file."""
    tally, tallies, account = report.tally, report.summary.tallies, report.account
    return {
        "account": {"portal": account.portal, "kind": account.kind} if account else None,
        "sample": report.sample,
        "partial": report.end is not None,
        "rows": tallies.rows,
        **{outcome.value: tallies.outcomes[outcome] for outcome in OUTCOMES},
        "open": tallies.open,
        "skipped_because": dict(tally.skipped),
        "properties": {
            name: {kind: counts[kind] for kind in KINDS} for name, counts in sorted(tally.properties.items())
        },
        "faults": [
            {"category": category, "property": name, "count": count}
            for (category, name), count in tally.faults.most_common()
        ],
        "examples": {
            kind: [_example_dict(one, report.sources) for one in tally.examples(kind)]
            for kind in EXAMPLE_KINDS
        },
        "row_details": [_row_dict(one, report.sources) for one in report.rows],
        "links": [
            {"column": one.column, "object_type": one.object_type, "by": one.by, "label": one.label}
            | {"links": count}
            for one, count in report.links
        ],
        "not_seen": list(NOT_SEEN),
        "aliases": tallies.aliases,
        "opt_outs": tallies.opt_outs,
        "opt_outs_unlisted": tallies.opt_outs_unlisted,
        "would_stop": report.would_stop,
        "notices": report.notices,
        "requests": report.requests,
        "elapsed_seconds": round(report.summary.elapsed_seconds, 3),
        "state": report.summary.state,
        "reason": report.summary.reason,
        "exit_code": report.exit_code,
    }


def _example_dict(one: Example, names: list[str]) -> dict[str, object]:
    values = {"before": one.before, "asked": one.asked, "after": one.after}
    more = {"reason": one.reason} if one.kind == REFUSED else values
    return {"source": names[one.source], "row": one.row, "property": one.property, **more}


def _row_dict(one: RowDetail, names: list[str]) -> dict[str, object]:
    return {
        "source": names[one.source],
        "row": one.row,
        "key": one.key,
        "outcome": one.outcome.value,
        "reason": one.reason,
        "id": one.contact,
        "is_of_earlier_row": one.is_of_earlier_row,
        "cells": [asdict(cell) for cell in one.cells],
        "links": [asdict(link) for link in one.links],
    }
