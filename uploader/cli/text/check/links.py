"""What `check` found about links, as lines. Values in, text out."""

from collections.abc import Iterator

from uploader.check.report import Report
from uploader.jobs.scans.link_values import LinkCounts
from uploader.model.counted import counted, numbered
from uploader.model.foreign_texts import printable
from uploader.records.associations.link_columns import association_words

#: Missing values in a line of the screen.
_NAMED = 4


def notice_lines(report: Report) -> list[str]:
    """What HubSpot may link by itself."""
    return [f"NOTE: {report.automatic_companies}"] if report.automatic_companies else []


def link_lines(report: Report) -> Iterator[str]:
    """The links of each column, with the values that name no record."""
    for one in report.links:
        yield f"{one.links:>12,}  {numbered(one.links, 'link')} of {_what(one)}{_different(one)}"
        if one.faults:
            yield f"{one.faults:>16,}  name no record: {printable(one.fault)}"
        if one.missing:
            yield f"{one.missing:>16,}  are not in the account, of {counted(one.missing_values, 'value')}:"
        for missing in one.most_missing:
            yield f"{missing.links:>20,}  {printable(missing.value, 60)}{_unusual(missing.why)}"
        if (rest := one.missing_values - len(one.most_missing)) > 0:
            yield f"{'':>22}and {counted(rest, 'more value')}"
        if one.unknown:
            yield f"{one.unknown:>16,}  were not looked up"


def short_link_lines(report: Report) -> list[str]:
    """The columns of which some links cannot be made, a line each."""
    return [
        f"{one.missing + one.faults:>8,}  of {counted(one.links, 'link')} "
        f"{numbered(one.missing + one.faults, 'leads', 'lead')} to no record: "
        f"{_what(one)}: {_most(one)}"
        for one in report.links
        if one.missing or one.faults
    ]


def _what(one: LinkCounts) -> str:
    return f"{printable(one.column.column, 60)} to {association_words(one.column)}"


def _different(one: LinkCounts) -> str:
    return f" ({counted(one.values, 'different value')})" if one.values else ""


def _unusual(why: str) -> str:
    """The reason, unless it just says that there is no such record."""
    return f": {printable(why)}" if not why.startswith("HubSpot has no ") else ""


def _most(one: LinkCounts) -> str:
    named = [f"{printable(each.value, 40)} ({each.links:,})" for each in one.most_missing[:_NAMED]]
    if not named:
        return printable(one.fault)
    rest = one.missing_values - len(named)
    return ", ".join(named) + (f" and {rest:,} more" if rest > 0 else "")
