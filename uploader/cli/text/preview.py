"""How `preview` reads on a terminal. Values in, text out: nothing is printed here."""

from collections.abc import Iterator, Sequence

from uploader.cli.text.next_command import portal_option, upload_line
from uploader.cli.text.numbers import duration
from uploader.cli.text.table import number_table, table_lines
from uploader.hubspot.object_types import noun
from uploader.jobs.summary import advice
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.model.outcomes import Outcome
from uploader.model.stop import Cause
from uploader.preview.as_json import NOT_SEEN, OUTCOMES
from uploader.preview.row_details import CellDetail, LinkDetail, RowDetail
from uploader.preview.run import Report
from uploader.preview.value_changes import EXAMPLE_KINDS, KINDS, REFUSED, REWRITTEN, Example
from uploader.records.associations.link_columns import association_words
from uploader.records.write_policy import Change
from uploader.settings import Settings

#: Outcomes that a preview only foresees.
WOULD = {Outcome.CREATED: "would create", Outcome.UPDATED: "would update"}
_WOULD_BE = "values would be"
_SHOWN_PROPERTIES, _SHOWN_CHARACTERS = 60, 50
_MEANING = {
    Change.OVERWRITTEN.value: "HubSpot's value is replaced",
    REWRITTEN: "the value of an earlier row is replaced by that of a later row",
    Change.PRESERVED.value: "HubSpot's value is kept: --write, --fill or --create-only",
    Change.KEPT.value: "sent, and HubSpot may keep its value, such as a later lifecycle stage",
    REFUSED: "not a value of the property: never sent",
}


def lines(report: Report, width: int) -> list[str]:
    """The report as lines, without the next steps (`ending`)."""
    return [
        *_head(report),
        *_outcome_lines(report),
        *_property_lines(report),
        *_link_lines(report),
        *_example_lines(report),
        *(line for one in report.rows for line in _row_lines(one, report, width)),
        "",
        "not visible in a preview:",
        *(f"  {text}" for text in NOT_SEEN),
        f"{counted(report.requests, 'request')}, {duration(report.summary.elapsed_seconds)}",
    ]


def _head(report: Report) -> Iterator[str]:
    rows = report.summary.tallies.rows
    if report.end is not None:
        seen = rows - report.summary.tallies.open
        yield f"PARTIAL: only {counted(seen, 'row was', 'rows were')} previewed"
    if report.sample is not None:
        yield f"sample: only the first {counted(report.sample, 'row was', 'rows were')} previewed"


def _outcome_lines(report: Report) -> Iterator[str]:
    tally, tallies = report.tally, report.summary.tallies
    yield f"{'rows':>12}  {tallies.rows:>12,}"
    usual = {Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.SKIPPED, Outcome.INVALID}
    notes = {
        Outcome.REJECTED: "another record has the same unique value, or none has the id",
        Outcome.ABANDONED: "HubSpot did not answer",
    }
    for outcome in OUTCOMES:
        count = tallies.outcomes[outcome]
        if count or outcome in usual:
            note = f"  ({notes[outcome]})" if outcome in notes else ""
            yield f"{WOULD.get(outcome, outcome):>12}  {count:>12,}{note}"
        if outcome is Outcome.SKIPPED:
            yield from (f"{'':>26}  {n:,}: {printable(why)}" for why, n in tally.skipped.most_common())
    if tallies.open:
        yield f"{'not previewed':>12} {tallies.open:>12,}"


def _property_lines(report: Report) -> Iterator[str]:
    tally = report.tally
    if not tally.properties:
        return
    kinds = [kind for kind in KINDS if tally.total(kind)]
    ranked = sorted(tally.properties.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = [
        (printable(name, 40), *(f"{counts[kind]:,}" for kind in kinds))
        for name, counts in ranked[:_SHOWN_PROPERTIES]
    ]
    yield ""
    yield from number_table((_WOULD_BE, *kinds), rows)
    if len(ranked) > _SHOWN_PROPERTIES:
        yield f"and {len(ranked) - _SHOWN_PROPERTIES:,} more properties (listed with --json)"
    if keys := [name for name in report.match if name in tally.properties]:
        yield f"of {' and '.join(keys)}, the key that a row is matched by is not counted unless it is refused"


def _link_lines(report: Report) -> Iterator[str]:
    if report.links:
        yield ""
    for column, count in report.links:
        yield f"{count:>12,}  links of {printable(column.column, 60)} to {association_words(column)}"


def _example_lines(report: Report) -> Iterator[str]:
    for kind in EXAMPLE_KINDS:
        examples = report.tally.examples(kind)
        if not examples:
            continue
        meaning = f" ({_MEANING[kind]})" if kind in _MEANING else ""
        yield ""
        yield f"would be {kind}{meaning}, such as:"
        for one in examples:
            where = f" of {report.sources[one.source]}" if len(report.sources) > 1 else ""
            yield f"  row {one.row}{where}: {_what(one)}"


def _what(one: Example) -> str:
    if one.kind == REFUSED:
        return printable(one.reason, 160)
    name = printable(one.property, 60)
    before, asked, after = (_text(text) for text in (one.before, one.asked, one.after))
    if one.kind in {Change.PRESERVED, Change.KEPT}:
        return f"{name}: {before} {'may be' if one.kind == Change.KEPT else 'is'} kept; the row has {asked}"
    return f"{name}: {before} -> {after}"


_ROW_HEADER = ("column", "property", "cell", "sent", "HubSpot now")


def _row_lines(one: RowDetail, report: Report, width: int) -> Iterator[str]:
    """One row as a table, with what becomes of it above."""
    where = f" of {printable(report.sources[one.source])}" if len(report.sources) > 1 else ""
    yield ""
    yield printable(f"row {one.row}{where}: {one.key or 'no key'}: {_outcome_text(one)}")
    shown = [cell for cell in one.cells if cell.cell or cell.sent is not None or cell.reason]
    table = table_lines(_ROW_HEADER, [_cells(cell) for cell in shown], width - 2) if shown else []
    yield from (f"  {line}" for line in table)
    yield from (f"  link by {_link_text(link)}" for link in one.links)
    if blank := len(one.cells) - len(shown):
        yield f"  and {counted(blank, 'blank cell')}, not sent"


def _link_text(one: LinkDetail) -> str:
    label = f", label {one.label}" if one.label else ""
    fault = f": {one.fault}" if one.fault else ""
    return printable(f"{one.column}: {one.object_type} {one.value}{label}{fault}", 160)


def _outcome_text(one: RowDetail) -> str:
    if one.outcome is Outcome.CREATED:
        return "would create a record"
    if one.outcome is Outcome.UPDATED and one.is_of_earlier_row:
        return "would update the record that an earlier row would create"
    if one.outcome is Outcome.UPDATED:
        return f"would update record {one.contact}"
    return f"{one.outcome.value}{f': {one.reason}' if one.reason else ''}"


def _cells(one: CellDetail) -> tuple[str, ...]:
    name = one.property if one.property != one.column else ""
    held = "" if one.hubspot is None else _text(one.hubspot)
    return (printable(one.column or "(no column)", 60), printable(name, 60), *_sent(one), held)


def _sent(one: CellDetail) -> tuple[str, str]:
    """The cell, and what is sent of it."""
    cell = printable(one.cell, _SHOWN_CHARACTERS)
    if one.sent is not None:
        return cell, printable(one.sent, _SHOWN_CHARACTERS) or "(clears it)"
    if one.change == REFUSED:
        return cell, f"nothing: {printable(one.reason, 160)}"
    if one.change == Change.PRESERVED:
        return cell, "nothing: HubSpot's value stays"
    if one.change == Change.SAME:
        return cell, "nothing: HubSpot has it"
    if one.property:
        return cell, "nothing"
    return cell, "a link" if one.is_link else "nothing: left out"


def _text(text: str) -> str:
    return printable(text, _SHOWN_CHARACTERS) or "(nothing)"


def ending(report: Report, settings: Settings, typed: Sequence[str]) -> Iterator[str]:
    """The conclusion and the next steps. `typed`: the command after the program's name."""
    yield from (printable(notice) for notice in report.notices)
    end = report.end
    if end is not None:
        begins_anew = end.cause in {Cause.SIGNAL, Cause.CUT_OFF}
        again = "the same command starts from the beginning" if begins_anew else advice(end.cause)
        yield f"nothing was written; stopped: {printable(end.reason)}; {again}"
        return
    if aliases := report.summary.tallies.aliases:
        many = noun(settings.object_type).many
        yield f"{aliases:,} {many} are matched by more than one key; the order of their rows is not certain"
    if report.would_stop:
        yield (
            f"upload would stop before the end: more failures than --max-failures {settings.max_failures}; "
            "correct the rows"
        )
    if report.is_step:
        return
    portal = report.account.portal if report.account else ""
    more = portal_option(settings.portal, portal)
    yield f"nothing was written; next {upload_line(typed, settings, more, is_undone=report.is_undone)}"
