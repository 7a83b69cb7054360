"""Who has keys that are not unique, such as the domains of companies: by what the job created, or by search.

In    keys in their `searchable` form.
Out   a `Holder` of each: one record, none, several, or not known yet.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from uploader.hubspot.requests import Paths
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.record_search import RecordSearch
from uploader.storage.created_records_file import CreatedRecordsFile, Creation
from uploader.system.blocking_calls import Offload

#: After a request has left, HubSpot may carry it out for so long (as the client's longest wait), and the
#: search may take so long to show the record: moments by its documentation, 30 s by reports.
CARRIED_OUT_SECONDS, SHOWN_SECONDS = 120.0, 180.0
DOUBT_SECONDS = CARRIED_OUT_SECONDS + SHOWN_SECONDS
#: How long it is waited for a search that lags even more, and what other jobs have created counts without it.
LATEST_SECONDS = 1_800.0
#: The ids that are named where several records have a key.
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a key."""

    ids: Sequence[str] = ()  #: of the records that have it, oldest first
    creation: Creation | None = None  #: the job's request to create it, if no answer has named the record
    why: str = ""  #: why it is not known

    @property
    def hubspot_id(self) -> str:
        """The only record's id; "" if there is none, or are several."""
        return self.ids[0] if len(self.ids) == 1 else ""

    @property
    def is_absent(self) -> bool:
        return not (self.ids or self.creation or self.why)


def ambiguous_text(name: str, ids: Sequence[str]) -> str:
    """Why a key stands for no single record."""
    named = ", ".join(ids[:_MOST_NAMED]) + (" and others" if len(ids) > _MOST_NAMED else "")
    return f"{len(ids):,} records have this {name}: {named}"


def key_search_of(paths: Paths, writer: Offload) -> "KeySearch | None":
    """Return a search for keys whose job is not known; None for types whose keys are unique."""
    return KeySearch(paths, None, writer) if paths.searched else None


class KeySearch:
    """Finds the records of an object type by the property that is searched."""

    def __init__(
        self,
        paths: Paths,
        created: CreatedRecordsFile | None,
        writer: Offload,
        now: Callable[[], float] = lambda: 0.0,
        others: Sequence[CreatedRecordsFile] = (),
    ) -> None:
        """`writer` runs the calls of `created`. Without that, what was created just now may not be found.
        `now`: HubSpot's time, in seconds since 1970. `others`: what other jobs have created.
        """
        self.name = paths.searched
        self._path = paths.search
        self._created = created
        self._writer = writer
        self._now = now
        self._others = others

    async def find(self, keys: Collection[str], attempts: Attempts) -> dict[str, Holder]:
        """Return the holder of each key. StopRun if no request can succeed."""
        created = self._created
        creations = await self._writer.run(lambda: created.creations(keys)) if created else {}
        found = {
            key: Holder((one.hubspot_id,)) if one.hubspot_id else Holder(creation=one)
            for key, one in creations.items()
        }
        if rest := [key for key in dict.fromkeys(keys) if key not in found]:
            found |= await self.search(rest, attempts)
        if self._others and (absent := [key for key, one in found.items() if one.is_absent]):
            found |= await self._writer.run(lambda: self._created_by_others(absent))
        return found

    def _created_by_others(self, keys: Sequence[str]) -> dict[str, Holder]:
        """The records that other jobs have created so lately that the search may not show them yet."""
        since = self._now() - LATEST_SECONDS
        return {
            key: Holder((one.hubspot_id,))
            for file in self._others
            for key, one in file.creations(keys).items()
            if one.hubspot_id and one.at >= since
        }

    async def look(self, keys: Collection[str], attempts: Attempts) -> dict[str, Holder]:
        """Return the holder of each key for a reader, which has not to be as sure as a writer: what the job
        may have created is searched for, too.
        """
        found = await self.find(keys, attempts)
        doubts = {key: one.creation for key, one in found.items() if one.creation is not None}
        shown = await self.search(list(doubts), attempts) if doubts else {}
        for key, creation in doubts.items():
            is_old = self._now() - creation.at >= DOUBT_SECONDS and not creation.is_accepted
            if is_old or not shown[key].is_absent:
                found[key] = shown[key]
        return found

    async def search(self, keys: Sequence[str], attempts: Attempts) -> Mapping[str, Holder]:
        """Return the holders that the search finds, whatever the job created."""
        answer = await RecordSearch(attempts, self._path, self.name).find(keys)
        held = {key: Holder(ids) for key, ids in answer.ids.items()}
        return held | {key: Holder(why=why) for key, why in answer.unknown.items()}
