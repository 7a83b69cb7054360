"""Records whose key is not unique, such as companies by domain: found, updated by id, or created, once.

In    records that conflict with no other open one, so each key is in one request at a time.
Out   of `find` the records that can be sent, each with the id that was found for it; the settlements of those
      that can't; and those in doubt, which may have been created by a request that got no answer.
Rules batch/create is not idempotent: what may have been created is not created again before the search has
      had the time to show it. A request that got no answer may be carried out for as long as HubSpot works
      on it, and the search finds a new record a while later. Both are waited for, generously. Where records
      that the job created since are not found after that time, the search lags even more, and says nothing.
      A key that HubSpot has accepted is never sent again.
Units seconds.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import NamedTuple

from uploader.hubspot.requests import MAX_INPUTS
from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settled_rows import Refusal, Settlement
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.key_search import (
    DOUBT_SECONDS,
    LATEST_SECONDS,
    SHOWN_SECONDS,
    Holder,
    KeySearch,
    ambiguous_text,
)
from uploader.storage.created_records_file import CreatedRecordsFile, Creation
from uploader.system.blocking_calls import Offload

_LOG = logging.getLogger("uploader")
#: When, after a request has left, a search looks for its records; later searches are a minute apart.
_LOOKS = (5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 180.0, 240.0, DOUBT_SECONDS)
_LATER_SECONDS = 60.0
#: Records that the search has to find: so many are asked for, of so many kept, noted so far apart.
_ASKED, _WITNESSES, _APART_SECONDS = 3, 120, 15.0
#: How many records are created at once after so many requests without an answer: one may break the others'.
_AT_ONCE = (MAX_INPUTS, 20, 5, 1)
#: Requests to create a record that get no answer while other writes do.
MOST_TRIES = 5

AMBIGUOUS, NO_ANSWER, PENDING = "AMBIGUOUS", "NO_ANSWER", "PENDING"


@dataclass(frozen=True, slots=True)
class FoundRecords:
    """Records as `SearchedRecords.find` leaves them."""

    ready: Sequence[Record] = ()
    settled: Sequence[Settlement] = ()
    in_doubt: Sequence[Record] = ()


@dataclass(slots=True)
class _Tries:
    """Requests to create the record of a key that got no answer."""

    count: int = 0  #: while other writes succeeded
    successes: int = 0  #: of all writes, at the last one


class _Witness(NamedTuple):
    """A record that the job created, by an answer: some time later, the search has to find it."""

    key: str
    at: float


class SearchedRecords:
    """What a job does with such records. One for all its workers."""

    def __init__(
        self, search: KeySearch, created: CreatedRecordsFile, writer: Offload, now: Callable[[], float]
    ) -> None:
        """`now`: HubSpot's time, in seconds since 1970."""
        self.search = search
        self._created = created
        self._writer = writer
        self._now = now
        #: What an earlier process sent left before this time, whenever that was noted.
        self._began = now()
        self.in_doubt = 0  #: records that are waited for
        self._tries: dict[str, _Tries] = {}
        self._witnesses: deque[_Witness] = deque(maxlen=_WITNESSES)

    # --- before records are sent ---

    async def find(self, records: Sequence[Record], attempts: Attempts) -> FoundRecords:
        """Find who has the records' keys."""
        holders = await self.search.find([record.key for record in records], attempts)
        ready, settled, in_doubt = [], [], []
        for record in records:
            holder = holders[record.key]
            record.contact_id = holder.hubspot_id
            if holder.creation is not None:
                in_doubt.append(record)
            elif holder.hubspot_id or holder.is_absent:
                ready.append(record)
            else:
                settled.append(self._unsendable(record, holder))
        return FoundRecords(ready, settled, in_doubt)

    def _unsendable(self, record: Record, holder: Holder) -> Settlement:
        if holder.ids:
            refusal = Refusal(AMBIGUOUS, ambiguous_text(self.search.name, holder.ids))
            return Settlement(record, Outcome.REJECTED, attempts=0, refusal=refusal)
        return Settlement(record, Outcome.ABANDONED, attempts=0, refusal=Refusal(NO_ANSWER, holder.why))

    def at_once(self, records: Iterable[Record]) -> Iterable[Sequence[Record]]:
        """Yield the records that are to be created, each time as many as one request may have."""
        for most, same in groupby(sorted(records, key=self._most), self._most):
            some = sorted(same, key=lambda record: record.position)
            for begin in range(0, len(some), most):
                yield some[begin : begin + most]

    def _most(self, record: Record) -> int:
        tries = self._tries.get(record.key)
        return _AT_ONCE[min(tries.count if tries else 0, len(_AT_ONCE) - 1)]

    async def begin(self, records: Iterable[Record]) -> None:
        """Note on the disk that a request to create these is about to leave."""
        keys, at = [record.key for record in records], self._now()
        await self._writer.run(lambda: self._created.begin(keys, at))

    # --- what answers say ---

    async def note(self, ids: Mapping[str, str], *, is_answer: bool = True) -> None:
        """Note the records that HubSpot has created, by key; "" for an id that it does not say.

        `is_answer`: it has just said so. Otherwise a search has found them.
        """
        if ids:
            at = self._now()
            await self._writer.run(lambda: self._created.note(ids, at))
            for key, hubspot_id in ids.items():
                self._tries.pop(key, None)
                if (
                    is_answer
                    and hubspot_id
                    and not (self._witnesses and at < self._witnesses[-1].at + _APART_SECONDS)
                ):
                    self._witnesses.append(_Witness(key, at))

    async def accept(self, keys: Collection[str]) -> None:
        """Note that HubSpot will create these, and does not say when."""
        if keys:
            await self._writer.run(lambda: self._created.accept(keys))

    async def forget(self, keys: Collection[str]) -> None:
        """Note that nothing was created for these keys."""
        if keys:
            await self._writer.run(lambda: self._created.forget(keys))

    # --- requests without an answer ---

    async def settle_doubts(
        self,
        records: Sequence[Record],
        attempts: Attempts,
        sleep: Callable[[float], Awaitable[None]],
        writes_pass: Callable[[], Awaitable[bool | None]],
    ) -> list[Settlement]:
        """Wait until it is known of each record whether it was created. Returns the settlements of those of
        which it stays unknown; `find` says what is known of the others.
        """
        settled: list[Settlement] = []
        left = {record.key: record for record in records}
        _LOG.info("%d records may have been created: searching until that is known", len(left))
        self.in_doubt += len(left)
        try:
            await self._wait_for(left, settled, attempts, sleep, writes_pass)
        finally:
            self.in_doubt -= len(left)
        return settled

    async def _wait_for(
        self,
        left: dict[str, Record],
        settled: list[Settlement],
        attempts: Attempts,
        sleep: Callable[[float], Awaitable[None]],
        writes_pass: Callable[[], Awaitable[bool | None]],
    ) -> None:
        """Take records out of `left`, by key, as they become known; add those to `settled` that do not."""
        is_first = True
        while left:
            creations = await self._writer.run(partial(self._created.creations, list(left)))
            since = {key: max(one.at, self._began) for key, one in creations.items()}
            await sleep(min(_wait(self._now() - at, is_first=is_first) for at in since.values()))
            is_first = False
            shown_until = self._now() - SHOWN_SECONDS
            witnesses = [one for one in self._witnesses if one.at <= shown_until][-_ASKED:]
            asked = list(dict.fromkeys([*left, *(one.key for one in witnesses)]))
            holders = await self.search.search(asked, attempts)
            for key, record in list(left.items()):
                later = [holders[one.key] for one in witnesses if one.at >= since[key]]
                is_blind = bool(later) and not any(one.ids for one in later)
                doubt = _Doubt(creations[key], holders[key], self._now() - since[key], is_blind)
                if doubt.is_open:
                    continue
                del left[key]
                self.in_doubt -= 1
                if (one := await self._settled(record, doubt, attempts, writes_pass)) is not None:
                    settled.append(one)

    async def _settled(
        self,
        record: Record,
        doubt: "_Doubt",
        attempts: Attempts,
        writes_pass: Callable[[], Awaitable[bool | None]],
    ) -> Settlement | None:
        """Return the settlement of a record of which it stays unknown whether it was created."""
        key, ids = record.key, doubt.holder.ids
        if doubt.holder.hubspot_id:
            await self.note({key: doubt.holder.hubspot_id}, is_answer=False)
            return None
        if ids:
            return _unknown(record, Outcome.ABANDONED, ambiguous_text(self.search.name, ids), AMBIGUOUS)
        if doubt.creation.is_accepted:
            return _unknown(record, Outcome.PENDING, _ACCEPTED, PENDING)
        if not doubt.was_not_created:
            return _unknown(record, Outcome.ABANDONED, _LAGS)
        if await self._may_try_again(key, attempts, writes_pass):
            await self.forget([key])
            return None
        return _unknown(record, Outcome.ABANDONED, _TRIED)

    async def _may_try_again(
        self, key: str, attempts: Attempts, writes_pass: Callable[[], Awaitable[bool | None]]
    ) -> bool:
        """Whether a key may be sent once more. A request without an answer counts if other writes succeed."""
        tries, successes = self._tries.setdefault(key, _Tries()), attempts.sender.write_successes
        if successes > tries.successes or await writes_pass():
            tries.count += 1
        tries.successes = attempts.sender.write_successes
        return tries.count < MOST_TRIES


_TRIED = "HubSpot did not answer the requests to create it, and no search finds it"
_LAGS = (
    "HubSpot did not answer the request to create it, and its search does not show new records yet: upload "
    "the row again later, when the search shows whether there is one"
)
_ACCEPTED = "HubSpot has accepted it, and no search finds it yet"


def _unknown(record: Record, outcome: Outcome, why: str, category: str = NO_ANSWER) -> Settlement:
    return Settlement(record, outcome, refusal=Refusal(category, why))


def _wait(age: float, *, is_first: bool) -> float:
    """Return the seconds until a search looks for a record, by the age of its request."""
    if is_first and age >= DOUBT_SECONDS:
        return 0.0
    return next((at - age for at in _LOOKS if at > age), _LATER_SECONDS)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What is known of a request without an answer."""

    creation: Creation
    holder: Holder  #: by a search just now
    age: float  #: of the request, in seconds
    is_blind: bool  #: the search does not find what was created since, either

    @property
    def was_not_created(self) -> bool:
        """Whether the search would find the record if there was one."""
        is_unknown = bool(self.holder.ids or self.holder.why or self.is_blind)
        return not is_unknown and self.age >= DOUBT_SECONDS

    @property
    def is_open(self) -> bool:
        if self.holder.ids or self.was_not_created:
            return False
        return self.age < (DOUBT_SECONDS if self.creation.is_accepted else LATEST_SECONDS)
