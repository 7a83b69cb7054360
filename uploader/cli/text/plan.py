"""A plan as text: what its steps will write, and how they ended. Nothing is printed here."""

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len

from uploader.canary.planning import UNDONE
from uploader.cli.text.folding import folded
from uploader.cli.text.numbers import duration
from uploader.cli.text.table import table_lines
from uploader.hubspot.account import Account
from uploader.hubspot.object_types import noun
from uploader.jobs.scans.link_values import MissingEnd
from uploader.jobs.summary import advice
from uploader.model.counted import counted, numbered
from uploader.model.foreign_texts import printable
from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.stop import Cause
from uploader.plans.ending import PlanEnd, StepEnd
from uploader.plans.other_files import LinksInPlan
from uploader.plans.record import COMPLETE, NOT_STARTED
from uploader.records.associations.link_columns import association_words
from uploader.records.write_policy import Only, Policy
from uploader.settings import Settings

#: The width of a table where no terminal says how wide it is.
WIDE = 200
_CONFIRMED = (Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.SKIPPED)
_REST = (*(one for one in Outcome if one in DEAD_LETTERS), Outcome.PENDING)
_POLICIES = {
    Policy.OVERWRITE: "values that HubSpot has are replaced",
    Policy.FILL: "only where HubSpot has no value",
    Policy.CREATE_ONLY: "values of new records only",
}
_ONLY = {Only.ALL: "", Only.EXISTING: "no record is created", Only.NEW: "no record is changed"}


def step_title(number: int, count: int, name: str) -> str:
    """Such as `step 2 of 3, contacts`; steps are counted from 0."""
    return f"step {number + 1} of {count}, {name}"


def account_line(account: Account) -> str:
    kind = f" ({account.kind})" if account.kind else ""
    more = ", ".join(part for part in (account.ui_domain, account.time_zone) if part)
    return f"writes into account {account.portal or 'unknown'}{kind}{f'; {more}' if more else ''}:"


def outlook_line(name: str, rows: int, settings: Settings, *, is_part: bool) -> str:
    """What a step will write: how many rows, by which key, and what becomes of values that HubSpot has.
    `is_part`: only so many of its rows were counted.
    """
    many = noun(settings.object_type).many
    parts = [
        f"{'at least ' * is_part}{counted(rows, 'row')} into {many} by {', else '.join(settings.match)}",
        _POLICIES[settings.policy] + (" (columns have rules of their own)" if settings.policies else ""),
        _ONLY[settings.only_records],
        f"blanks clear {', '.join(sorted(settings.cleared))}" if settings.cleared else "",
        "former values are saved" if settings.snapshot else "former values are NOT saved (snapshot = true)",
    ]
    return "  " + printable(f"{name}: " + "; ".join(part for part in parts if part), 400)


def links_in_plan_lines(found: Sequence[LinksInPlan], *, is_part: bool = False) -> list[str]:
    """What the links of all steps lead to: records of other steps, or none at all. `is_part`: only the first
    rows of the files are known.
    """
    nowhere = "among the first rows of this plan's files" if is_part else "in a file of this plan"
    lines = []
    for one in found:
        what = f"{one.step}: links of {printable(one.column.column, 60)} to {association_words(one.column)}"
        if one.in_files:
            lead = numbered(one.in_files, "leads to a record that comes", "lead to records that come")
            lines.append(f"{what}: {one.in_files:,} {lead} with this plan")
        if one.shared:
            lines.append(
                f"{what}: {one.shared:,} lead to several records of this plan, and are not made: "
                f"{_most(one.most_shared)}"
            )
        if one.missing:
            rest = one.missing_values - len(one.most_missing)
            more = f" and {rest:,} more" if rest > 0 else ""
            lead = numbered(one.missing, "leads", "lead")
            lines.append(
                f"{what}: {one.missing:,} {lead} to nothing, neither in the account nor {nowhere}: "
                f"{_most(one.most_missing)}{more}"
            )
    return lines


def _most(ends: Sequence[MissingEnd]) -> str:
    return ", ".join(f"{printable(one.value, 40)} ({one.links:,})" for one in ends)


def step_ending(title: str, end: StepEnd) -> str:
    """How a step ended, in a line, and what to do."""
    if end.error:
        return f"{title}: not started: {end.error}"
    summary = end.summary
    if summary is None:
        return f"{title}: {NOT_STARTED}"
    tallies = summary.tallies
    counts = [f"{tallies.outcomes[one]:,} {one.value}" for one in Outcome if tallies.outcomes[one]]
    left = [f"{tallies.open:,} open"] if tallies.open else []
    rows = f"{counted(tallies.rows, 'row')}: {', '.join([*counts, *left])}" if tallies.rows else "no rows"
    reason = f": {printable(summary.reason)}" if summary.reason and summary.state != COMPLETE else ""
    follow_ups = {name: one.as_dict() for name, one in summary.follow_ups.items()}
    texts = [rows, *(follow_up_text(name, one) for name, one in follow_ups.items() if any(one.values()))]
    return f"{title}: {summary.state}{reason}; {'; '.join(texts)}; {duration(summary.elapsed_seconds)}"


#: Counts of what follows the rows that are no outcomes: how many links rows have; whether the list is new.
_NO_OUTCOMES = frozenset({"read", "made"})


def follow_up_text(name: str, counts: Mapping[str, object]) -> str:
    """What follows the rows, in counts: `links: 58,000 linked, 200 already`."""
    some = [
        f"{n:,} {key.replace('_', ' ')}"
        for key, n in counts.items()
        if isinstance(n, int) and n and key not in _NO_OUTCOMES
    ]
    return f"{name}: {', '.join(some) or 'none'}"


def table_of(end: PlanEnd, width: int, *, is_undone: bool = False) -> list[str]:
    """The steps with their counts, and the sums: a table if it fits the width, else a text for each.
    `is_undone`: an undo of a step was begun since.
    """
    header = ["step", "rows", *(one.value for one in (*_CONFIRMED, *_REST)), "open", "requests", "state"]
    rows = [_row(one) for one in end.steps]
    totals = end.totals()
    keys = ["rows", *(one.value for one in (*_CONFIRMED, *_REST)), "open", "requests"]
    rows.append(["all steps", *(_count(totals[key], key) for key in keys), end.state])
    follow_ups = [follow_up_text(name, one) for name, one in end.follow_up_totals().items()]
    before = ["these are the counts of the upload, before the undo"] if is_undone else []
    table = _fitting_table(header, rows, width) or _as_texts(header, rows, width)
    return [*table, *follow_ups, *before]


def _fitting_table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The table with a line for each row, without the requests if need be; [] if the width is too small."""
    at = header.index("requests")
    for some, cells in (
        (header, rows),
        ([*header[:at], *header[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]),
    ):
        lines = table_lines(some, cells, width)
        if len(lines) == len(rows) + 2 and max(map(cell_len, lines)) <= width:
            return lines
    return []


def _as_texts(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    for name, *counts, state in rows:
        some = ", ".join(f"{count} {what}" for what, count in zip(header[1:-1], counts, strict=True) if count)
        yield from folded(f"{name}: {state}{f'; {some}' if some else ''}", width)


def _row(end: StepEnd) -> list[str]:
    if end.summary is None:
        return [end.name, *[""] * (len(_CONFIRMED) + len(_REST) + 3), NOT_STARTED]
    tallies = end.summary.tallies
    counts = [_count(tallies.outcomes[one], one.value) for one in (*_CONFIRMED, *_REST)]
    rest = [_count(tallies.open, "open"), _count(tallies.requests, "requests")]
    return [end.name, _count(tallies.rows, "rows"), *counts, *rest, end.state]


def _count(number: int, what: str) -> str:
    """A count; what never happened has no column."""
    return f"{number:,}" if number or what in {"rows", "created", "updated", "requests"} else ""


def plan_ending(end: PlanEnd, *, is_undone: bool = False) -> list[str]:
    """The last lines: how the plan ended, which steps wait, and what to do. `is_undone`: a step was."""
    if early := end.early:
        why = f"stopped while the steps were checked: {early.reason}; {advice(early.cause)}"
        return [printable(why, 2_000)]
    by, waiting = end.stopped_by, end.waiting
    wait = _names_text(waiting)
    verb = numbered(len(waiting), "waits", "wait")
    if by is not None:
        cause = by.summary.cause if by.summary and not by.error else None
        what = advice(cause) if cause else "correct this, then run the same command again"
        after = f"; {wait} {verb} until it is complete" if waiting else ""
        if by.error == UNDONE:
            return [f"stopped: step {by.name}: {UNDONE}{after}"]
        return [printable(f"stopped: step {by.name}: {by.reason or by.state}{after}; {what}", 2_000)]
    if waiting:
        return [f"stopped: {wait} {verb}; {advice(Cause.SIGNAL)}"]
    if end.state != COMPLETE:
        return [f"stopped: {Cause.LIMIT}; {advice(Cause.LIMIT)}"]
    again = ", and undone since; to upload all steps again: --restart"
    return [f"{COMPLETE}{again if is_undone else ''}"]


def _names_text(steps: Sequence[StepEnd]) -> str:
    names = [one.name for one in steps]
    return f"step{'s' if len(names) > 1 else ''} {', '.join(names)}"
