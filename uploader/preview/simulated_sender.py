"""A sender that writes nothing: it answers writes itself, and reads as if they had been made.

All requests of the pipeline but these are sent as usual. A write is not sent: it is stored in the overlay and
answered at once as HubSpot would, without a permit. A read is sent only for records that are not in the
overlay, and its reply is merged with the overlay.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import orjson

from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.replies import Reply, Result
from uploader.hubspot.requests import Paths, encode_read
from uploader.hubspot.schema import Kind
from uploader.hubspot.transport import Call
from uploader.jobs.opening import Job
from uploader.model.records import EMAIL, OWN_ID, lock_key
from uploader.pipeline.read_matching import OTHER_ADDRESSES, answers_for, with_other_keys, with_reason
from uploader.pipeline.requests.contact_reader import ReadContact, Reader
from uploader.pipeline.sender import Sender
from uploader.preview.overlay import Overlay
from uploader.preview.row_counts import RowCounts
from uploader.preview.simulated_contact import SimulatedResult, is_simulated, simulated_id
from uploader.preview.value_changes import after_writing, text_of
from uploader.system.blocking_calls import Offload

_NoteInFlight = Callable[[bool], None]
_CONFLICT = "CONFLICT"


@dataclass(slots=True)
class Simulation:
    """The state that a simulated sender shares with the preview."""

    overlay: Overlay
    offload: Offload
    paths: Paths
    reader: Callable[[], Reader]  #: reads which contact has a unique value
    row_counts: RowCounts
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    unique: Collection[str] = ()  #: properties whose values no two contacts share
    looks: dict[int, ReadContact] = field(default_factory=dict)  #: rows about to be written, by position
    in_doubt: dict[str, Result] = field(default_factory=dict)  #: results that will be asked for again
    ids: Any = field(default_factory=count)  #: numbers for contacts that would be created

    def begin(self, job: Job) -> None:
        """Set the job. Call it before the first row."""
        self.row_counts.begin(job)
        schema, rules = job.account.schema, job.settings.rules
        self.kinds = job.kinds
        addresses = {EMAIL} if rules.has_addresses else set[str]()
        unique = addresses | {*rules.match} | (schema.unique if schema else frozenset())
        self.unique = unique - {self.paths.searched}

    def look(self, look: ReadContact) -> None:
        """Note the decision for a row whose contact was read."""
        if look.decision is None:
            return
        if look.decision.outcome is None:
            self.looks[look.record.position] = look  # counted when its upsert comes
        else:
            self.row_counts.note_unsent(look)


class SimulatedSender(Sender):
    """Reads from HubSpot as `Sender` does, and writes to the overlay."""

    only_reads = True

    def __init__(self, *arguments: Any, simulation: Simulation, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **named)
        self._simulation = simulation

    async def send(
        self,
        call: Call,
        *,
        note_in_flight: _NoteInFlight = lambda _: None,
        known_at: float = math.inf,
        may_resend: Callable[[], bool] = lambda: True,
        is_early: bool = False,
    ) -> Reply:
        paths = self._simulation.paths
        if call.path in {paths.upsert, paths.update, paths.create}:
            note_in_flight(True)
            try:
                return await self._write(call)
            finally:
                note_in_flight(False)
        if call.path == paths.read:
            return await self._read(call, note_in_flight)
        return await super().send(
            call, note_in_flight=note_in_flight, known_at=known_at, may_resend=may_resend, is_early=is_early
        )

    # --- reading ---

    async def _read(self, call: Call, note_in_flight: _NoteInFlight) -> Reply:
        """Answer a read from HubSpot and the overlay. Keys in the overlay are not sent as keys."""
        question = orjson.loads(call.body or b"{}")
        name, keys = question.get("idProperty", ""), [one["id"] for one in question["inputs"]]
        owners = await self._owners(name, keys) if name else dict(zip(keys, keys, strict=True))
        named = set(owners.values()) - {""}
        pretended = {one for one in named if is_simulated(one)}
        results: dict[str, Result] = {}
        errors = [ErrorObject(_NOT_FOUND, "", ids=(key,)) for key, one in owners.items() if not one]
        rest = [key for key in keys if key not in owners]
        for id_property, some in ((name, rest), ("", sorted(named - pretended))):
            if not some:
                continue
            body = encode_read(id_property, some, question["properties"])
            asked = Call("POST", call.path, body, shown=call.shown)
            reply = await super().send(asked, note_in_flight=note_in_flight)
            if not (reply.ok and reply.readable):
                return reply
            results |= {result.id: result for result in reply.results}
            errors += reply.errors if id_property == name else _by_key(reply.errors, owners)
        overlay = self._simulation.overlay
        written = await self._simulation.offload.run(lambda: overlay.properties(results.keys() | pretended))
        found = [
            SimulatedResult(
                result.id,
                properties={**result.properties, **written.get(result.id, {})},
                in_hubspot=result.properties,
            )
            for result in results.values()
        ]
        found += [
            SimulatedResult(one, properties=written[one]) for one in sorted(pretended) if one in written
        ]
        return Reply(200, readable=True, results=tuple(found), errors=tuple(errors))

    async def _owners(self, name: str, keys: Sequence[str]) -> dict[str, str]:
        """By key, the contact that would have it; without keys that the job would not have changed."""
        overlay, values = self._simulation.overlay, {lock_key(name, key): key for key in keys}
        found = await self._simulation.offload.run(lambda: overlay.owners(values.keys()))
        return {values[value]: one for value, one in found.items()}

    # --- writing ---

    async def _write(self, call: Call) -> Reply:
        """Answer a write as HubSpot would, and keep its result in the overlay."""
        simulation = self._simulation
        inputs = orjson.loads(call.body or b"{}")["inputs"]
        again = [
            simulation.in_doubt.pop(trace)
            for one in inputs
            if (trace := one["objectWriteTraceId"]) in simulation.in_doubt
        ]
        answered = {result.trace_id for result in again}
        rows = [
            _Row(simulation.looks[int(one["objectWriteTraceId"])], one["properties"])
            for one in inputs
            if one["objectWriteTraceId"] not in answered
        ]
        for row in rows:
            row.carry_out(simulation)
        absent = {row.position: (OWN_ID, _ABSENT) for row in rows if row.is_new and row.is_by_own_id}
        taken = await self._find_taken([row for row in rows if row.position not in absent])
        refused = {**absent, **taken}
        accepted = [row for row in rows if row.position not in refused]
        contacts = {row.contact: row.changed for row in accepted}
        given = {value: "" for row in accepted for value in row.given_up}
        given |= {value: row.contact for row in accepted for value in row.claimed}
        await simulation.offload.run(lambda: simulation.overlay.write(contacts, given))
        for row in rows:
            del simulation.looks[row.position]
            if row.position in refused:
                simulation.row_counts.note_refused(row.look, *refused[row.position])
            else:
                simulation.row_counts.note_written(row.look)
        errors = [
            ErrorObject(_NOT_FOUND if one in absent else _CONFLICT, why, trace_ids=(str(one),))
            for one, (_, why) in refused.items()
        ]
        results = [*again, *(Result(row.contact, row.is_new, str(row.position), {}) for row in accepted)]
        # Two rows of one contact: they come again, each by itself.
        counts = Counter(result.id for result in results)
        simulation.in_doubt |= {result.trace_id: result for result in results if counts[result.id] > 1}
        return Reply(
            207 if errors else 200,
            readable=True,
            batch_status="COMPLETE",
            results=tuple(results),
            errors=tuple(errors),
            num_errors=len(errors),
        )

    async def _find_taken(self, rows: Sequence["_Row"]) -> dict[int, tuple[str, str]]:
        """Rows that HubSpot would refuse, since another contact has a unique value of theirs besides the key,
        or may have it. By position, with the property and the reason.
        """
        taken: dict[int, tuple[str, str]] = {}
        reader = self._simulation.reader()
        for name in sorted(self._simulation.unique):
            wanting = [row for row in rows if name in row.asked and row.asked[name] and row.claims(name)]
            if not wanting:
                continue
            keys = list(dict.fromkeys(row.asked[name] for row in wanting))
            names = with_other_keys([name])
            reply = await reader.read(keys, lambda some: encode_read(name, some, names))  # noqa: B023
            owners = dict(zip(keys, answers_for(name, keys, reply.results, reply.errors), strict=True))
            for row in wanting:
                owner = owners[row.asked[name]]
                if owner.held is not None and owner.held.id != row.contact:
                    taken.setdefault(row.position, (name, _TAKEN))
                elif not owner.is_definite:
                    taken.setdefault(row.position, (name, with_reason(_UNKNOWN, owner.why)))
        return taken


def _by_key(errors: Sequence[ErrorObject], owners: Mapping[str, str]) -> list[ErrorObject]:
    """The errors with HubSpot's ids replaced by the keys that lead to them."""
    return [
        replace(error, ids=tuple(key for key, one in owners.items() if one in error.ids)) for error in errors
    ]


_NOT_FOUND = "OBJECT_NOT_FOUND"
_ABSENT = "no record has this id, and a row by its id creates none"
_TAKEN = "another record has the same unique value"
_UNKNOWN = "HubSpot did not answer whether another record has this value"


class _Row:
    """One input of a write, and what it would do."""

    def __init__(self, look: ReadContact, asked: Mapping[str, str]) -> None:
        self.look = look
        self.position = look.record.position
        self.asked = asked
        self.is_new = look.held is None
        self.is_by_own_id = look.record.id_property == OWN_ID
        self.contact = look.held.id if look.held else ""
        self.changed: dict[str, str] = {}
        self.claimed: list[str] = []  #: unique values that the contact would get
        self.given_up: list[str] = []  #: unique values that it would lose
        self._held = look.held.properties if look.held else {}

    def claims(self, name: str) -> bool:
        """Whether the row has a unique value that its contact does not have yet."""
        return lock_key(name, self.asked[name]) in self.claimed

    def carry_out(self, simulation: Simulation) -> None:
        """Work out what the write changes, and which unique values move."""
        record = self.look.record
        self.changed = {
            name: after_writing(name, text, text_of(self._held.get(name)), simulation.kinds.get(name, Kind()))
            for name, text in self.asked.items()
        }
        if self.is_new:
            self.contact = simulated_id(next(simulation.ids))
            self.changed.setdefault(record.id_property, record.key)
        for name in simulation.unique:
            if name in self.changed:
                self._move(name, text_of(self._held.get(name)), self.changed[name])

    def _move(self, name: str, before: str, after: str) -> None:
        """Note a unique value that the contact gives up, and the one that it claims."""
        old, new = lock_key(name, before), lock_key(name, after)
        if old == new:
            return
        others = text_of(self._held.get(OTHER_ADDRESSES)).split(";") if name == EMAIL else []
        if new in (lock_key(name, other) for other in others):
            # A secondary address becomes the primary one; the two swap.
            kept = [other for other in others if lock_key(name, other) != new]
            self.changed[OTHER_ADDRESSES] = ";".join([*kept, *([before] if before else [])])
            return
        if before:
            self.given_up.append(old)
        if after:
            self.claimed.append(new)
