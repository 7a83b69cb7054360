"""Read one batch of contacts, decide by `plan`, archive or restore them, and return the results."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from msgspec import structs

from uploader.hubspot.replies import Reply, Result
from uploader.hubspot.requests import MAX_INPUTS_WITH_HISTORY, encode_read
from uploader.hubspot.schema import LIFECYCLE_STAGE
from uploader.jobs.session import Session
from uploader.model.redaction import without_addresses
from uploader.pipeline.read_matching import MERGED_IDS, answers_for, with_other_keys, with_reason
from uploader.pipeline.reply_verdict import classify_optional_read
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.key_search import KeySearch
from uploader.undo import associated_records, settled_doubts
from uploader.undo.association_reader import AssociationReader
from uploader.undo.plan import (
    DELETED_SINCE,
    RECORD_SOURCE,
    Finding,
    Plan,
    Portal,
    Trace,
    as_without_others,
    is_same,
    is_stored,
    plan,
    wanted_history,
)
from uploader.undo.record_writer import NOT_FOUND, LastUpdated, RecordWriter, Written
from uploader.undo.undo_file import Key
from uploader.undo.would_be_gone import WouldBeGone

#: How often a change that may not be visible yet is read again; the first wait in seconds (it doubles).
_LOOKS_AGAIN, _LOOK_SECONDS = 4, 1.0
#: How long, added to an upload's limit, a batch may have paused since its first read and still be written.
#: A batch takes some thirty requests: pauses of each must not make it outdated again and again.
STALLS_SECONDS = 540.0
#: The reason for a contact that no reply names.
LEFT_OUT = "HubSpot did not answer for it"


class BatchWorker:
    """Works on one batch at a time. StopRun if no request can succeed, or if the run is to end."""

    def __init__(
        self,
        session: Session,
        portal: Portal,
        *,
        last_updated: LastUpdated,
        refused: dict[str, str],
        is_tail: Callable[[], bool],
        archive_touched: bool,
        gone: WouldBeGone,
        search: KeySearch | None = None,
    ) -> None:
        """`last_updated` and `refused` (types whose associations can't be read, and why) are shared by all.
        `is_tail`: this batch may be the last. `archive_touched`, `gone`: as `Undo` has them.
        """
        self.is_in_flight = False
        self._sender = session.sender
        self._portal = portal
        self._archive_touched = archive_touched
        attempts = structs.replace(
            session.attempts,
            note_in_flight=self._note_in_flight,
            is_wanted=lambda: not session.ending.is_ending,
        )
        types = associated_records.types_for(session.settings.object_type)
        path = session.paths.associations
        self._attempts = attempts
        self._reader = Reader(attempts, session.paths.read, search=search)
        self._rewriter = RecordWriter(attempts, session.paths, last=last_updated, is_tail=is_tail)
        self._associations = AssociationReader(
            session.settings.object_type,
            [
                (one, Reader(attempts, path.replace("{to}", one.name), classify_optional_read))
                for one in types
            ],
            refused,
            gone,
        )

    def _note_in_flight(self, in_flight: bool) -> None:
        self.is_in_flight = in_flight

    async def resolve(self, keys: list[Key]) -> tuple[dict[int, str], dict[int, str]]:
        """The ids of the contacts that keys lead to now, by number ("" for none); why others are unknown."""
        name, rest = keys[0].id_property, keys
        found: dict[int, str] = {}
        asked = with_other_keys({name})
        for _ in range(2):  # what an answer leaves out is asked for once more
            reply = await self._reader.read_by(name, [key.key for key in rest], asked)
            led, unknown = _contact_ids(rest, reply)
            found |= led
            rest = [key for key in rest if key.number in unknown]
            if not rest:
                break
        return found, {key.number: unknown[key.number] for key in rest}

    async def plan(self, traces: list[Trace]) -> tuple[list[Plan], dict[int, str]]:
        """Read contacts and make a plan for each; by number, why the others could not be read."""
        self._rewriter.known_at = self._sender.stalled_seconds + STALLS_SECONDS
        portal = self._portal
        plans: list[Plan] = []
        left_out: dict[int, str] = {}
        for start in range(0, len(traces), MAX_INPUTS_WITH_HISTORY):
            some = traces[start : start + MAX_INPUTS_WITH_HISTORY]
            history = wanted_history(some, portal)
            texts = (name for trace in some for name in (*trace.former, *trace.sent))
            names = sorted({*RECORD_SOURCE, *MERGED_IDS, *texts})
            rest = {trace.hubspot_id: trace for trace in some}
            for _ in range(2):
                reply = await self._reader.read(
                    list(rest), partial(_encode_with_history, names=names, history=history)
                )
                held, unknown = _held(rest, reply)
                plans += [self._planned(rest.pop(one), there) for one, there in held.items()]
                if not rest:
                    break
            left_out |= {trace.number: unknown[one] for one, trace in rest.items()}
        return (plans if self._archive_touched else await self._keep_touched(plans)), left_out

    def _planned(self, trace: Trace, held: Result | None) -> Plan:
        held = as_without_others(trace, held, self._portal)
        trace = settled_doubts.settle(trace, held, self._portal)
        return plan(trace, held, self._portal, archive_touched=self._archive_touched)

    async def _keep_touched(self, plans: list[Plan]) -> list[Plan]:
        """Keep created contacts that have associations, which takes one read for each type of objects."""
        ids = [one.hubspot_id for one in plans if one.archive]
        if not ids:
            return plans
        self._attempts.check_wanted()
        associations = await self._associations.look(ids)
        return [associated_records.keep_touched(one, associations) for one in plans]

    async def carry_out(self, plans: Sequence[Plan]) -> tuple[dict[int, Finding], dict[int, Finding]]:
        """Archive and restore. By number, the contacts that failed and those that do not exist any more.

        OutOfDateError if the contacts were read too long ago.
        """
        failed = await self._archive([one for one in plans if one.archive])
        more, gone = await self._restore([one for one in plans if one.restore])
        return {**failed, **more}, gone

    async def _archive(self, plans: list[Plan]) -> dict[int, Finding]:
        """Archive contacts, then read them back: the reply does not name single contacts."""
        written = await self._rewriter.archive({one.number: one.hubspot_id for one in plans})
        failed, _ = _refusals(written)
        rest = {one.hubspot_id: one.number for one in plans if one.number not in failed}
        whys: dict[int, str] = {}
        for wait in _read_back_waits():
            if not rest:
                break
            await asyncio.sleep(wait)
            reply = await self._reader.read(list(rest), lambda ids: encode_read("", ids, []))
            held, unknown = _held(rest, reply)
            rest = {one: number for one, number in rest.items() if held.get(one, _NOBODY) is not None}
            still = "it was not archived, although HubSpot accepted the request"
            whys = {
                number: with_reason(LEFT_OUT, unknown[one]) if one in unknown else still
                for one, number in rest.items()
            }
        return {**failed, **{number: _failure(whys[number]) for number in rest.values()}}

    async def _restore(self, plans: list[Plan]) -> tuple[dict[int, Finding], dict[int, Finding]]:
        cleared = {one.number: (one.hubspot_id, _NO_STAGE) for one in plans if one.clear_first}
        outcome = await self._write(cleared)
        stopped = outcome[0].keys() | outcome[1].keys()
        wanted = {one.number: (one.hubspot_id, one.restore) for one in plans if one.number not in stopped}
        failed, gone = await self._write(wanted)
        return {**outcome[0], **failed}, {**outcome[1], **gone}

    async def _write(
        self, wanted: Mapping[int, tuple[str, Mapping[str, str]]]
    ) -> tuple[dict[int, Finding], dict[int, Finding]]:
        """Write values, by number. Returns the contacts that failed, and those that do not exist any more."""
        written = await self._rewriter.update(wanted)
        failed, gone = _refusals(written)
        failed |= {
            number: _failure(f"HubSpot has another value of {name}")
            for number, shown in written.confirmed.items()
            if (name := _differing_property(wanted[number][1], shown, self._portal))
        }
        unsure = {wanted[number][0]: number for number in written.unsure}
        for wait in _read_back_waits():
            if not unsure:
                break
            await asyncio.sleep(wait)
            names = sorted({name for number in unsure.values() for name in wanted[number][1]})
            reply = await self._reader.read(
                list(unsure),
                lambda ids, names=names: encode_read("", ids, names),  # type: ignore[misc]
            )
            for one, held in _held(unsure, reply)[0].items():
                if held is None:
                    gone[unsure.pop(one)] = _DELETED
                elif not _differing_property(
                    wanted[unsure[one]][1], held.properties, self._portal, is_all=True
                ):
                    del unsure[one]
        failed |= {number: _failure("HubSpot gave no definite answer") for number in unsure.values()}
        return failed, gone


_NO_STAGE: Mapping[str, str] = {LIFECYCLE_STAGE: ""}
_DELETED = Finding("", "", "", "", DELETED_SINCE)
_NOBODY = Result("", new=False, trace_id="", properties={})


def _failure(why: str) -> Finding:
    return Finding("", "", "", "", without_addresses(" ".join(why.split())))


def _read_back_waits() -> Iterator[float]:
    yield 0.0
    for count in range(_LOOKS_AGAIN):
        yield _LOOK_SECONDS * 2**count


def _encode_with_history(ids: Sequence[str], names: Sequence[str], history: Sequence[str]) -> bytes:
    return encode_read("", ids, names, history)


def _contact_ids(keys: Sequence[Key], reply: Reply) -> tuple[dict[int, str], dict[int, str]]:
    """By number, the id of the contact that a key leads to ("" for none), or why it is not known."""
    ids: dict[int, str] = {}
    unknown: dict[int, str] = {}
    answers = answers_for(keys[0].id_property, [key.key for key in keys], reply.results, reply.errors)
    for key, one in zip(keys, answers, strict=True):
        if one.is_definite:
            ids[key.number] = one.held.id if one.held else ""
        else:
            unknown[key.number] = one.why
    return ids, unknown


def _held(asked: Collection[str], reply: Reply) -> tuple[dict[str, Result | None], dict[str, str]]:
    """By id, the records in the reply (None if it says that a record does not exist); for the other ids that
    were asked for, why they are unknown.
    """
    held: dict[str, Result | None] = {}
    unknown: dict[str, str] = {}
    for hubspot_id, one in zip(asked, answers_for("", asked, reply.results, reply.errors), strict=True):
        if one.is_definite:
            held[hubspot_id] = one.held
        else:
            unknown[hubspot_id] = one.why
    return held, unknown


def _refusals(written: Written) -> tuple[dict[int, Finding], dict[int, Finding]]:
    gone = {number: _DELETED for number, why in written.refused.items() if why.category == NOT_FOUND}
    failed = {
        number: _failure(f"{why.category}: {why.message}" if why.category else why.message)
        for number, why in written.refused.items()
        if number not in gone
    }
    return failed, gone


def _differing_property(
    wanted: Mapping[str, str], shown: Mapping[str, object], portal: Portal, *, is_all: bool = False
) -> str:
    """A property that differs from what was written; "" if none. `is_all`: a property not shown is blank."""
    for name, text in wanted.items():
        value = shown.get(name)
        value = value if isinstance(value, str) else "" if is_all else text
        # A stage that did not go back is not restored, although HubSpot's rule explains it.
        is_restored = is_same(name, text, value, portal.kinds) or (
            name != LIFECYCLE_STAGE and is_stored(name, text, value, portal)
        )
        if not is_restored:
            return name
    return ""
