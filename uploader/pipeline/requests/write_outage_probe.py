"""Whether HubSpot accepts writes now, tested by a write that changes nothing.

A record that breaks every request it is in looks like an outage while nothing else is written, and reads
prove nothing about writes. So a record that this run wrote is written once more, without properties. Such a
request is paced and counted like any other, and carries no row.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from uploader.hubspot.requests import Paths, encode_read, write_request
from uploader.hubspot.transport import Call
from uploader.model.outcomes import Outcome
from uploader.model.records import OWN_ID, Record
from uploader.pipeline.reply_verdict import Action, classify, classify_optional_read
from uploader.pipeline.requests.attempts import Attempts

_LOG = logging.getLogger("uploader")
#: Records to choose from: a later row may have opened the last one again.
_KEPT = 8
#: How long the test is not repeated after a failure. Many records may wait for it.
_REFUSED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Written:
    """A record that HubSpot has confirmed in this run."""

    position: int
    id_property: str
    key: str
    lock_key: str  #: of its key


class WriteProbe:
    """Tests whether writes succeed, with records that this run has written. One for all workers of a run."""

    def __init__(self, paths: Paths, clock: Callable[[], float], is_open: Callable[[str], bool]) -> None:
        """`is_open` returns whether an open row has a lock key."""
        self._paths = paths
        self._clock = clock
        self._is_open = is_open
        self._written: deque[_Written] = deque(maxlen=_KEPT)
        self._refused_at: float | None = None

    def note(self, record: Record, hubspot_id: str = "") -> None:
        """Note a record that the reply to a write has confirmed, with the id in that reply."""
        by, key = record.id_property, record.key
        if by == self._paths.searched:
            by, key = OWN_ID, hubspot_id
        if key:
            self._written.append(_Written(record.position, by, key, record.lock_keys[0]))

    async def writes_pass(self, attempts: Attempts) -> bool | None:
        """Whether a write succeeds now; None if there is no record to test it with. StopRun as for any
        request.
        """
        now = self._clock()
        if self._refused_at is not None and now - self._refused_at < _REFUSED_SECONDS:
            return False
        if attempts.sender.only_reads:
            return None
        for one in [one for one in reversed(self._written) if not self._is_open(one.lock_key)]:
            is_there = await self._is_there(one, attempts)
            if is_there is False:
                if one in self._written:  # another worker may have tested with it, too
                    self._written.remove(one)
                continue
            if is_there and await self._is_written(one, attempts):
                return True
            self._refused_at = self._clock()
            return False
        return None

    async def _is_there(self, one: _Written, attempts: Attempts) -> bool | None:
        """Whether the record still exists: an upsert would create it again if it was deleted. None: no
        answer.
        """
        body = encode_read(one.id_property, [one.key], [])
        call = Call("POST", self._paths.read, body, shown=one.id_property)
        reply, verdict = await attempts.once(call, classify_optional_read)
        if verdict.action is Action.SETTLE:
            return len(reply.results) == 1  # a record that may not be read does not show
        return None

    async def _is_written(self, one: _Written, attempts: Attempts) -> bool:
        """Whether HubSpot accepts a write without values to this record."""
        record = _empty(one)
        path, body = write_request(self._paths, [record])
        call = Call("POST", path, body, shown=one.id_property)
        _, verdict = await attempts.once(call, lambda reply: classify([record], reply), is_write=True)
        for settlement in verdict.confirmed:
            if settlement.outcome is Outcome.CREATED:
                _LOG.warning(
                    "record %s was deleted while it was probed, and has been created again without values",
                    settlement.hubspot_id,
                )
        return bool(verdict.confirmed)


def _empty(one: _Written) -> Record:
    """Return the record without any value that could be written."""
    return Record(
        position=one.position,
        source=0,
        row=0,
        id_property=one.id_property,
        key=one.key,
        lock_keys=(one.lock_key,),
        properties={},
        raw=b"",
    )
