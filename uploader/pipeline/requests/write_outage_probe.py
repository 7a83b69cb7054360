"""Whether HubSpot writes at all just now, found out by a write that changes nothing.

A record that breaks every request it is in can't be told from an outage while nothing else is written, and
reads prove nothing about writes. So a record that this run wrote is upserted once more, without properties.
Such a request is paced and counted as any other, and carries no row.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from uploader.hubspot import wire
from uploader.hubspot.client import Call
from uploader.model.records import Record
from uploader.pipeline.reply_verdict import Action, classify, classify_optional_read
from uploader.pipeline.requests.attempts import Attempts

_LOG = logging.getLogger("uploader")
#: Records to choose from: the last may be open again, by a later row.
_KEPT = 8
#: How long a failed write is not tried again. Many records may wait for its success.
_REFUSED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Written:
    """A record that HubSpot has confirmed in this run."""

    position: int
    id_property: str
    key: str
    value: str  #: the closed one of its key


class WriteProbe:
    """What this run has written, and the question asked by it. One for all workers of a run."""

    def __init__(self, paths: wire.Paths, clock: Callable[[], float], is_open: Callable[[str], bool]) -> None:
        """`is_open`: whether an open row has a closed value."""
        self._paths = paths
        self._clock = clock
        self._is_open = is_open
        self._written: deque[_Written] = deque(maxlen=_KEPT)
        self._refused_at: float | None = None

    def note(self, record: Record) -> None:
        """An upsert's answer has confirmed it."""
        self._written.append(_Written(record.position, record.id_property, record.key, record.values[0]))

    async def writes_pass(self, attempts: Attempts) -> bool | None:
        """None where there is nothing to ask by. StopRun as any request."""
        now = self._clock()
        if self._refused_at is not None and now - self._refused_at < _REFUSED_SECONDS:
            return False
        if attempts.sender.only_reads:
            return None
        for one in [one for one in reversed(self._written) if not self._is_open(one.value)]:
            is_there = await self._is_there(one, attempts)
            if is_there is False:
                if one in self._written:  # another worker may have asked about it, too
                    self._written.remove(one)
                continue
            if is_there and await self._is_written(one, attempts):
                return True
            self._refused_at = self._clock()
            return False
        return None

    async def _is_there(self, one: _Written, attempts: Attempts) -> bool | None:
        """An upsert would create it anew where somebody has deleted it since. None: no answer."""
        body = wire.encode_read(one.id_property, [one.key], [])
        call = Call("POST", self._paths.read, body, shown=one.id_property)
        reply, verdict = await attempts.once(call, classify_optional_read)
        if verdict.action is Action.SETTLE:
            return len(reply.results) == 1  # what may not be read can't be seen to be there
        return None

    async def _is_written(self, one: _Written, attempts: Attempts) -> bool:
        record = _empty(one)
        call = Call("POST", self._paths.upsert, wire.encode_batch([record]), shown=one.id_property)
        _, verdict = await attempts.once(call, lambda reply: classify([record], reply), is_write=True)
        if verdict.confirmed and verdict.confirmed[0].new:
            hubspot_id = verdict.confirmed[0].hubspot_id
            _LOG.warning("record %s was deleted just now, and is there again without values", hubspot_id)
        return bool(verdict.confirmed)


def _empty(one: _Written) -> Record:
    """The record as it is judged, with nothing in it that could be written."""
    return Record(
        position=one.position,
        source=0,
        row=0,
        id_property=one.id_property,
        key=one.key,
        values=(one.value,),
        properties={},
        raw=b"",
    )
