"""Reads records back that HubSpot accepted without confirming them.

In    the records of a batch, when HubSpot accepted them, and what is known of their properties.
Out   those that HubSpot holds, each with its contact.
How   By their values. Where HubSpot may have stored a value in a form of its own, its history decides.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from uploader.hubspot.missing_scopes import missing_scopes
from uploader.hubspot.replies import Result
from uploader.hubspot.requests import MAX_INPUTS_WITH_HISTORY, encode_read
from uploader.hubspot.schema import Kind
from uploader.model.records import Record
from uploader.pipeline import read_matching
from uploader.pipeline.requests.contact_reader import Reader

Confirmed = tuple[Record, Result]


class ReadBack(NamedTuple):
    """The records that HubSpot holds, each with its contact; or the scopes without which none can be read."""

    confirmed: Sequence[Confirmed]
    lacking: Sequence[str] = ()


async def read_back(
    records: Sequence[Record],
    reader: Reader,
    accepted_at: float | None,
    kinds: Mapping[str, Kind],
    read_app: Callable[[], Awaitable[str]],
) -> ReadBack:
    """`read_app`: reads the id of our app, as in histories; "" if it is not known."""
    names = read_matching.wanted_properties(records)
    reply = await reader.read_by(records[0].id_property, [record.key for record in records], names)
    found, _ = read_matching.match(records, reply.results, reply.errors)
    confirmed: list[Confirmed] = []
    in_question: dict[str, tuple[Record, list[str]]] = {}  # by HubSpot id
    for record, held in found:
        if held and read_matching.confirmed_by(record, [held], accepted_at, kinds):
            confirmed.append((record, held))
        elif held and (asked := read_matching.in_question(record, held, accepted_at, kinds)):
            in_question[held.id] = record, asked
    if in_question:
        app = await read_app()
        confirmed += [one async for one in _by_history(in_question, reader, accepted_at or 0.0, app)]
    return ReadBack(confirmed, missing_scopes(reply.body) if reply.status == 403 else ())


async def _by_history(
    in_question: Mapping[str, tuple[Record, Sequence[str]]], reader: Reader, accepted_at: float, app: str
) -> AsyncIterator[Confirmed]:
    ids, names = list(in_question), sorted({name for _, asked in in_question.values() for name in asked})
    for start in range(0, len(ids), MAX_INPUTS_WITH_HISTORY):
        some = ids[start : start + MAX_INPUTS_WITH_HISTORY]
        reply = await reader.read(some, lambda keys: encode_read("", keys, [], names))
        for held in reply.results:
            record, asked = in_question.get(held.id, (None, ()))
            if record and read_matching.confirmed_by_history(asked, held, accepted_at, app):
                yield record, held
