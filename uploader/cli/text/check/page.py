"""What `check` found, as the content of an HTML page: all of it, in the order of the screen. The template
escapes every text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from uploader.check.bad_columns import BadColumn
from uploader.check.report import Report
from uploader.cli.text.bad_values import kind_words, namesakes_text
from uploader.cli.text.check.column_table import column_lines, unsent_columns
from uploader.cli.text.check.details import (
    account_text,
    forecast_lines,
    opt_out_lines,
    origin_lines,
    other_key_lines,
    reason_texts,
    split_lines,
)
from uploader.cli.text.check.links import notice_lines
from uploader.cli.text.check.next_steps import next_steps, verdict
from uploader.cli.text.check.screen import row_text
from uploader.jobs.scans.bad_values import REPLACEABLE
from uploader.jobs.scans.row_findings import Group
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.records.associations.link_columns import association_words
from uploader.settings import Settings

_STATES = {0: "complete", 1: "stopped"}
#: Values and options of a property that are named.
_NAMED = 50


class Kind(NamedTuple):
    """What was found of one kind, in one column."""

    cells: int
    column: str
    what: str
    examples: Sequence[str]


def page_content(report: Report, settings: Settings, typed: Sequence[str]) -> Mapping[str, Any]:
    """The variables of the template `check.html`. `typed`: the command after the program's name."""
    found = report.findings
    further = counted(found.repeated_rows, "further row")
    return {
        "names": [printable(source.name) for source in report.sources],
        "verdict": verdict(report).replace(", see below", ""),
        "state": _STATES.get(report.exit_code, "refused"),
        "account": account_text(report),
        "rows": row_text(report),
        "notes": [
            *opt_out_lines(report, settings),
            *other_key_lines(report, settings),
            *notice_lines(report),
            *origin_lines(report),
        ],
        "problems": [
            ("Problems", list(map(_whole, report.problems))),
            ("Warnings", list(map(_whole, report.warnings))),
            ("Not checked", list(map(_whole, report.not_checked))),
        ],
        "next": list(map(_parted, next_steps(report, settings, typed))),
        "columns": column_lines(report),
        "unsent": unsent_columns(report, settings.rules),
        "kinds": [
            ("Bad values", sorted(_bad_values(report), key=lambda kind: -kind.cells)),
            (
                "Sent, and may be wrong",
                [*_groups(found.remarks, report), *_groups(found.date_numbers, report)],
            ),
            ("Links to records that are not there", list(_links(report))),
            ("May stand for no value", list(_blanks(report))),
        ],
        "keys": report.most_repeated_keys(),
        "repeated": f"{counted(found.repeated_keys, 'repeated key')}, in {further}.",
        "split": [line.strip() for line in split_lines(report)],
        "cost": forecast_lines(report, settings),
    }


def _whole(text: str) -> str:
    return printable(text, 2_000)


def _parted(step: str) -> tuple[str, str]:
    """A next step as a text and a command."""
    text, program, words = step.partition("uploader ")
    return text.strip().rstrip(":"), f"{program}{words}"


def _bad_values(report: Report) -> Iterator[Kind]:
    """Of options the values with what may be meant; of other kinds the rows, by reason."""
    found, bad = report.findings, {one.column: one for one in report.bad_columns}
    for groups in (found.faults, found.dropped):
        options = {name: group for name, group in groups.items() if name[0] in REPLACEABLE and name[1] in bad}
        for _, column in options:
            if one := bad.pop(column, None):
                yield _of_options(one)
        listed = {*options, *(name for name in groups if name[0] == "OWNER" and report.unknown_owners)}
        yield from _groups({name: group for name, group in groups.items() if name not in listed}, report)
    for name, ambiguous in report.ambiguous_owners.items():
        for who, several in ambiguous.items():
            yield Kind(report.unknown_owners[name][who], name, namesakes_text(who, several), [])
    for name, owners in report.missing_owners.items():
        shown = [f"{printable(who, 60)} ({count:,})" for who, count in owners.most_common(_NAMED)]
        what = f"{counted(len(owners), 'owner')} that the account does not have"
        yield Kind(owners.total(), name, what, shown)


def _of_options(one: BadColumn) -> Kind:
    options = ", ".join(printable(option.value, 60) for option in one.options[:_NAMED])
    values = [
        f"{printable(value.text, 60)} ({value.cells:,})" + (f": {value.near.value}?" if value.near else "")
        for value in one.values[:_NAMED]
    ]
    rest = len(one.values) + one.others - len(values)
    more = [f"and {rest:,} more"] if rest > 0 else []
    what = f"{one.property or 'the property'} takes {options}" if options else "no options"
    return Kind(one.cells, printable(one.column, 60), what, [*values, *more])


def _groups(groups: Mapping[tuple[str, str], Group], report: Report) -> Iterator[Kind]:
    for (category, column), group in sorted(groups.items(), key=lambda item: -item[1].count):
        rest = group.count - len(group.examples)
        more = [f"and {rest:,} more"] if rest > 0 and group.examples else []
        yield Kind(
            group.count,
            printable(column, 60),
            kind_words(category),
            [*reason_texts(group.examples, report), *more],
        )


def _links(report: Report) -> Iterator[Kind]:
    """The columns of which some links cannot be made, with the values."""
    for one in report.links:
        values = [f"{printable(each.value, 60)} ({each.links:,})" for each in one.most_missing]
        rest = one.missing_values - len(values)
        values += [f"and {rest:,} more"] if rest > 0 else []
        values += [f"{one.faults:,} name no record: {printable(one.fault)}"] if one.faults else []
        if values:
            what = f"of {counted(one.links, 'link')} to {association_words(one.column)}"
            yield Kind(one.missing + one.faults, printable(one.column.column, 60), what, values)


def _blanks(report: Report) -> Iterator[Kind]:
    for one in report.blank_candidates[:_NAMED]:
        columns = ", ".join(printable(column, 60) for column in one.columns)
        yield Kind(one.cells, columns, printable(one.word, 40), [one.options()])
