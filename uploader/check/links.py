"""What `check` says of links: labels that the account lacks, other records that are not there.

In    the values of the link columns, counted over all rows; a session.
Out   problems; `LinkCounts` in the report.
Raise StopRun, StorageError.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from uploader.associations import other_ends
from uploader.associations.results_of_another_job import check_results
from uploader.associations.types import find_type, lacks_label, read_types
from uploader.associations.work_list import End, FoundEnd
from uploader.check.report import Report
from uploader.errors import SettingsError
from uploader.hubspot.requests import MAX_INPUTS, MAX_SEARCHED, paths
from uploader.jobs.scans.link_values import LinkValues
from uploader.jobs.session import Session
from uploader.model.associations import LinkColumn
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.record_search import RecordSearch
from uploader.settings import Settings
from uploader.system.blocking_calls import Offload

#: Requests for the other records of one kind: half a minute at the usual quota; a minute of searches, whose
#: pace is slower.
_MOST_READS, _MOST_SEARCHES = 1_000, 300
#: Requests side by side.
_AT_ONCE = 4
#: Missing values that are named.
_NAMED = 20
#: Values that are compared with the files of a plan together.
_COMPARED = 10_000

#: The values of a column, by name, that a step of a plan is going to write.
ComesWithPlan = Callable[[LinkColumn, Sequence[str]], Collection[str]]


async def look_links_up(
    report: Report,
    values: LinkValues,
    session: Session | None,
    reader: Offload,
    comes_with_plan: ComesWithPlan | None = None,
) -> None:
    """Add to the report what the rows' links lead to; without a session only their numbers."""
    await reader.run(values.list_ends)
    if session is not None:
        for place in dict.fromkeys(values.places):
            if comes_with_plan is not None:
                await reader.run(partial(_note_coming, values, place, comes_with_plan))
            await _look_up(values, place, session, reader)
    report.links = await reader.run(lambda: values.counts(_NAMED))
    _note_unknown(report)
    _warn_of_none(report)
    _warn_of_alike(report)


def results_problems(columns: Sequence[LinkColumn]) -> list[str]:
    """What is wrong with the results files that columns name. Blocks."""
    problems = []
    for path in dict.fromkeys(one.results for one in columns if one.results):
        try:
            check_results(Path(path))
        except SettingsError as error:
            problems.append(str(error))
    return problems


async def label_problems(settings: Settings, tools: Tools) -> list[str]:
    """What the account lacks of the labels that columns name, and of links between these types of records."""
    columns, problems = settings.associations, []
    known = await read_types(dict.fromkeys(one.object_type for one in columns), tools)
    for one in columns:
        if settings.create_labels and lacks_label(one, known[one.object_type]):
            continue
        try:
            find_type(one, settings.object_type, known[one.object_type])
        except SettingsError as error:
            problems.append(str(error))
    return problems


def _note_coming(values: LinkValues, place: int, comes_with_plan: ComesWithPlan) -> None:
    """Note the values that another step of the plan writes: there is no need to ask for them."""
    column, after = values.columns[place], 0
    while page := values.ends(place, after, _COMPARED):
        after = page[-1].id
        found = comes_with_plan(column, [one.name for one in page])
        values.note(place, dict.fromkeys(found, "it comes with the plan"))


async def _look_up(values: LinkValues, place: int, session: Session, reader: Offload) -> None:
    """Ask for the most frequent values of a kind of record."""
    column = values.columns[place]
    is_searched = other_ends.is_searched(column)
    size, most = (MAX_SEARCHED, _MOST_SEARCHES) if is_searched else (MAX_INPUTS, _MOST_READS)
    there = paths(session.settings.api_version, column.object_type)
    after, paging = 0, asyncio.Lock()

    async def ask() -> None:
        nonlocal after, most
        while True:
            async with paging:
                page = await reader.run(partial(values.ends, place, after, size)) if most else []
                if not page:
                    return
                after, most = page[-1].id, most - 1
            ends = [End(one.name, one.value) for one in page]
            if is_searched:
                search = RecordSearch(session.attempts, there.search, column.by)
                found = await other_ends.search(ends, column, search)
            else:
                found = await other_ends.read(ends, column, Reader(session.attempts, there.read))
            whys = {name: _why(one) for name, one in found.items()}
            await reader.run(partial(values.note, place, whys))

    await session.run_workers(ask() for _ in range(_AT_ONCE))


def _warn_of_none(report: Report) -> None:
    """Warn of columns without any link: of rows that name their own fields, no other error tells of them."""
    for one in report.links if report.findings.sendable else ():
        if not one.links:
            report.warnings.append(f"no row that can be sent has a link in column {one.column.column!r}")


def _warn_of_alike(report: Report) -> None:
    """Warn of ids that are two records in Salesforce, and one for HubSpot."""
    for one in report.links:
        if one.alike:
            first, second = one.alike_example
            report.warnings.append(
                f"link column {one.column.column!r}: {one.alike:,} ids differ from another one only in upper "
                f"and lower case, such as {first} and {second}; HubSpot takes both for the same record, so a "
                "link may lead to the wrong one: export ids of 18 characters"
            )


def _why(found: FoundEnd) -> str:
    return "" if found.hubspot_id else found.why or "there is none"


def _note_unknown(report: Report) -> None:
    """Report the links that were not looked up."""
    for one in report.links:
        if one.unknown and one.unknown < one.links - one.faults:
            report.not_checked.append(
                f"whether the other records of {one.unknown:,} links of column {one.column.column!r} are in "
                "the account: only those of the most frequent values were looked up"
            )
