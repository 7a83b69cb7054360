"""Reads the contacts of the canary back.

The pipeline sends the canary; `assessment` reviews what its contacts hold.
"""

from collections.abc import Iterator, Sequence

import msgspec

from uploader.canary.assessment import Review, confirmed, history_names, review, with_link
from uploader.hubspot.account import Account
from uploader.hubspot.object_types import type_id
from uploader.hubspot.replies import Result
from uploader.hubspot.requests import MAX_INPUTS_WITH_HISTORY
from uploader.model.canary import Canary, CanaryRow
from uploader.model.records import Record
from uploader.pipeline.read_matching import match, wanted_properties
from uploader.pipeline.requests.contact_reader import Reader
from uploader.settings import Settings


async def read_back(
    sent: Sequence[CanaryRow], canary: Canary, account: Account, settings: Settings, reader: Reader
) -> Review:
    """Read the contacts of the rows and review them. StopRun if nothing can be read."""
    records = confirmed(sent)
    schema = account.schema
    writable = schema.labels.keys() - schema.read_only if schema else frozenset[str]()
    names, history = wanted_properties(records), history_names(records, writable)
    found: dict[int, Result | None] = {}
    for batch in _batches(records):
        rest = batch
        for _ in range(2):  # what an answer leaves out is asked for once more
            keys = list(dict.fromkeys(record.key for record in rest))
            reply = await reader.read_by(rest[0].id_property, keys, names, history)
            matched, unknown = match(rest, reply.results, reply.errors)
            found |= {record.position: _linked(held, account, settings) for record, held in matched}
            rest = [record for record in rest if record.position in unknown]
            if not rest:
                break
    return review(sent, found, schema.kinds if schema else {}, canary.begun_at)


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Batches of one id property each, as large as a read with history may be."""
    for id_property in dict.fromkeys(record.id_property for record in records):
        same = [record for record in records if record.id_property == id_property]
        for start in range(0, len(same), MAX_INPUTS_WITH_HISTORY):
            yield same[start : start + MAX_INPUTS_WITH_HISTORY]


def _linked(held: Result | None, account: Account, settings: Settings) -> Result | None:
    if held is None or settings.is_local:
        return held and msgspec.structs.replace(held, url="")
    return with_link(held, account.ui_domain, account.portal, type_id(settings.object_type))
