"""Finds the other records of links by the values that name them, each value once.

By a unique property they are read, 100 a request; by another one, such as a company's domain, they are
searched for at the search's own pace.
"""

from collections.abc import Sequence

from uploader.associations.work_list import End, FoundEnd
from uploader.hubspot.object_types import noun
from uploader.model.associations import DOMAIN, NAME, LinkColumn
from uploader.model.records import OWN_ID, lock_key
from uploader.pipeline.read_matching import Answer, KeyAnswer, with_reason
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.record_ids import read_keys
from uploader.pipeline.requests.record_search import RecordSearch


def is_searched(column: LinkColumn) -> bool:
    """Whether the records of a column are found by search, as they have no unique property."""
    return column.by in {DOMAIN, NAME}


def can_be_created(column: LinkColumn) -> bool:
    """Whether a value is enough to create a record, and asking twice creates one."""
    return not is_searched(column) and column.by != OWN_ID


async def read(ends: Sequence[End], column: LinkColumn, reader: Reader) -> dict[str, FoundEnd]:
    """Find records by a unique property; at most one request's worth."""
    answers = await read_keys(column.by, [one.value for one in ends], reader)
    return {
        one.name: _read_end(one, column, answers[column.by, lock_key(column.by, one.value)]) for one in ends
    }


def _read_end(end: End, column: LinkColumn, answer: KeyAnswer) -> FoundEnd:
    if answer.held is not None and answer.is_definite:
        return FoundEnd(answer.held.id)
    if answer.answer is Answer.ABSENT:
        return FoundEnd(why=absent_text(end, column))
    what = f"HubSpot did not say which {noun(column.object_type).one} has {column.by} {end.value}"
    return FoundEnd(why=with_reason(what, answer.why), is_unclear=True)


async def search(ends: Sequence[End], column: LinkColumn, by: RecordSearch) -> dict[str, FoundEnd]:
    """Find records by a property that need not be unique."""
    found = await by.find([one.value for one in ends])
    return {
        one.name: (
            FoundEnd(why=found.unknown[one.value], is_unclear=True)
            if one.value in found.unknown
            else _searched_end(one, column, found.ids[one.value])
        )
        for one in ends
    }


def _searched_end(end: End, column: LinkColumn, ids: Sequence[str]) -> FoundEnd:
    if len(ids) == 1:
        return FoundEnd(ids[0])
    if not ids:
        return FoundEnd(why=absent_text(end, column))
    words = noun(column.object_type).many
    named = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    why = f"ambiguous: {len(ids):,} {words} have {column.by} {end.value} ({named})"
    return FoundEnd(why=why, is_unclear=True)


def absent_text(end: End, column: LinkColumn) -> str:
    return f"HubSpot has no {noun(column.object_type).one} with {column.by} {end.value}"
