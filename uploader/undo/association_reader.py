"""Read which objects are associated with records, type by type. `undo/associated_records` decides."""

from collections.abc import Collection, MutableMapping, Sequence

from uploader.hubspot.requests import encode_ids
from uploader.pipeline.requests.contact_reader import Reader
from uploader.undo import associated_records
from uploader.undo.associated_records import Associations, Type
from uploader.undo.would_be_gone import WouldBeGone


class AssociationReader:
    """Counts the objects of each type that are associated with records, given by id."""

    def __init__(
        self,
        object_type: str,
        readers: Sequence[tuple[Type, Reader]],
        refused: MutableMapping[str, str],
        gone: WouldBeGone,
    ) -> None:
        """`object_type`: of the records. `refused`: types that can't be read, and why; shared, so that each
        is asked for once in a run. `gone`: what does not count.
        """
        self._object_type = object_type
        self._gone = gone
        self._readers = readers
        self._refused = refused

    async def look(self, ids: Sequence[str]) -> Associations:
        """Read the associations of records, one request for each type. StopRun if nothing can be read."""
        counts: dict[str, dict[str, int]] = {}
        unknown: dict[str, dict[str, str]] = {}
        for one, reader in self._readers:
            if one.name not in self._refused:
                counts[one.name], unknown[one.name] = await self._counts(one, reader, ids)
        return Associations([one for one, _ in self._readers], counts, unknown, dict(self._refused))

    async def _counts(
        self, wanted: Type, reader: Reader, ids: Sequence[str]
    ) -> tuple[dict[str, int], dict[str, str]]:
        found: dict[str, int] = {}

        def left(hubspot_id: str, others: Collection[str]) -> int:
            return self._gone.left((self._object_type, hubspot_id), wanted.name, others)

        unknown = dict.fromkeys(ids, "")
        for _ in range(2):  # what an answer leaves out is asked for once more
            reply = await reader.read(list(unknown), encode_ids)
            if why := associated_records.refusal(wanted, reply):
                self._refused[wanted.name] = why
                break
            more, unknown = associated_records.counts(unknown.keys(), reply, left)
            found |= more
            if not unknown:
                break
        return found, unknown
