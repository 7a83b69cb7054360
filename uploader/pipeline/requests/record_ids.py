"""The ids of rows that a job has settled: named by the answers, else read by key, 100 a request.

In    settled rows in any number, such as those of a results file; memory holds one page of them.
Out   the same rows in the same order, each with the id of its record, or why it has none.
Rule  Only what is missing is read: no row of which the answer named the id, and no key twice in a page.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

from uploader.hubspot.requests import MAX_INPUTS
from uploader.model.outcomes import Outcome
from uploader.model.records import OWN_ID, lock_key
from uploader.pipeline.follow_up import RunWorkers
from uploader.pipeline.read_matching import Answer, KeyAnswer, answers_for, with_other_keys, with_reason
from uploader.pipeline.requests.contact_reader import Reader
from uploader.storage.rows_of_results import ResultRow
from uploader.system.blocking_calls import Offload

#: Rows whose records are in the account.
RECORDS_THERE = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED})
_READERS = 32
#: A page ends when so many keys are to be read, which keeps the requests full, or with so many rows.
_MOST_KEYS, _MOST_ROWS = _READERS * MAX_INPUTS, 20_000

_Key = tuple[str, str]  # a property, and a key of it


class RowWithId(NamedTuple):
    """A settled row and its record."""

    row: ResultRow
    hubspot_id: str  #: "" if it has none
    why: str = ""  #: why it has none


async def with_ids(
    rows: Iterator[ResultRow], reader: Reader, run_workers: RunWorkers, offload: Offload
) -> AsyncIterator[list[RowWithId]]:
    """Yield the rows page by page. `offload` reads `rows`. StopRun if no request can succeed.

    Rows that were not written have no id, and their outcome says why.
    """
    while page := await offload.run(lambda: _page(rows)):
        answers = await _read(_missing(page), reader, run_workers)
        yield [_located(row, answers) for row in page]


def _page(rows: Iterator[ResultRow]) -> list[ResultRow]:
    page: list[ResultRow] = []
    missing: set[_Key] = set()
    while len(page) < _MOST_ROWS and len(missing) < _MOST_KEYS and (row := next(rows, None)) is not None:
        page.append(row)
        if _is_missing(row):
            missing.add(_key_of(row))
    return page


def _missing(page: Iterable[ResultRow]) -> dict[_Key, str]:
    """The keys to read, without repeats, as they were sent."""
    return {_key_of(row): row.key for row in page if _is_missing(row)}


def _is_missing(row: ResultRow) -> bool:
    return row.outcome in RECORDS_THERE and not row.hubspot_id


def _key_of(row: ResultRow) -> _Key:
    return row.id_property, lock_key(row.id_property, row.key)


def _located(row: ResultRow, answers: dict[_Key, KeyAnswer]) -> RowWithId:
    if row.hubspot_id or row.outcome not in RECORDS_THERE:
        return RowWithId(row, row.hubspot_id, "" if row.hubspot_id else f"the row is {row.outcome.value}")
    one = answers[_key_of(row)]
    if one.held is not None and one.is_definite:
        return RowWithId(row, one.held.id)
    if one.answer is Answer.ABSENT:
        return RowWithId(row, "", "HubSpot has no record with this key any more")
    return RowWithId(row, "", with_reason("HubSpot did not say which record has this key", one.why))


async def _read(keys: dict[_Key, str], reader: Reader, run_workers: RunWorkers) -> dict[_Key, KeyAnswer]:
    answers: dict[_Key, KeyAnswer] = {}
    batches = iter(list(_batches(keys)))

    async def work() -> None:
        for name, batch in batches:
            answers.update(await read_keys(name, batch, reader))

    if keys:
        await run_workers(work() for _ in range(min(_READERS, -(-len(keys) // MAX_INPUTS))))
    return answers


def _batches(keys: dict[_Key, str]) -> Iterator[tuple[str, list[str]]]:
    """The keys of each property, in batches."""
    for property_ in dict.fromkeys(name for name, _ in keys):
        texts = [text for (name, _), text in keys.items() if name == property_]
        for start in range(0, len(texts), MAX_INPUTS):
            yield property_, texts[start : start + MAX_INPUTS]


async def read_keys(name: str, keys: Sequence[str], reader: Reader) -> dict[_Key, KeyAnswer]:
    """What HubSpot says of one batch of keys of a property, each by its lock key."""
    found: dict[_Key, KeyAnswer] = {}
    rest = list(keys)
    asked = with_other_keys([name or OWN_ID])
    for _ in range(2):  # what an answer leaves out is asked for once more
        reply = await reader.read_by(name, rest, asked)
        answers = answers_for(name, rest, reply.results, reply.errors)
        found |= {(name, lock_key(name, key)): one for key, one in zip(rest, answers, strict=True)}
        rest = [key for key, one in zip(rest, answers, strict=True) if not one.is_definite]
        if not rest:
            break
    return found
