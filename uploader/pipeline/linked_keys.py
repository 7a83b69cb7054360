"""Keys of one contact: a row that holds two match keys links them for the rest of the job.

Used only if rows are matched by several properties. A later row with one of the keys then conflicts with rows
that have the other. Links are stored on disk before the row that made them is settled.
"""

from collections.abc import Collection, Sequence

from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settled_rows import Settlement
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile
from uploader.system.blocking_calls import Offload

#: HubSpot has these rows' values, or may have them, so their keys lead to one contact.
_LINKING = frozenset(
    {Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.PENDING, Outcome.ABANDONED}
)


class Links:
    """The links of a job. Disk access goes through `offload`."""

    def __init__(self, keys_file: KeysOfOneContactFile, match: Collection[str], offload: Offload) -> None:
        """`match`: the properties that rows are matched by."""
        self._keys_file = keys_file
        self._match = match
        self._offload = offload

    async def note(self, settlements: Sequence[Settlement]) -> None:
        """Store the keys that these rows link. Await it before they are settled. StorageError if the disk
        refuses.
        """
        for one in settlements:
            if one.outcome in _LINKING and len(keys := self._keys(one)) > 1:
                self._keys_file.link(keys)
        # What an earlier row has linked since they were read: they were written after it.
        await self.extend([one.record for one in settlements if isinstance(one.record, Record)])

    async def extend(self, records: Sequence[Record]) -> None:
        """Add to the values of each row those that they are linked to."""
        if not records:
            return
        values = [value for record in records for value in record.lock_keys]
        linked = await self._offload.run(lambda: self._keys_file.linked(values))
        for record in records if linked else ():
            more = [key for value in record.lock_keys for key in linked.get(value, ())]
            if more:
                record.lock_keys = tuple(dict.fromkeys((*record.lock_keys, *more)))

    def _keys(self, settlement: Settlement) -> tuple[str, ...]:
        return tuple(v for v in settlement.record.lock_keys if v.partition("=")[0] in self._match)
