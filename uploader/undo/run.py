"""One invocation of `undo`: a snapshot's contacts read, judged by `plan`, archived or written back."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from uploader.errors import BooksError, CheckpointError, DeclinedError
from uploader.hubspot import wire
from uploader.hubspot.account import Account
from uploader.jobs.ending import Ending
from uploader.jobs.preflight import side_by_side
from uploader.jobs.session import Seams, Session, early_end, exact_clock
from uploader.jobs.summary import EarlyEnd
from uploader.model.redaction import without_addresses
from uploader.model.settings_periods import Unkept
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.read_matching import MERGED_IDS, also_other_addresses, told, with_why
from uploader.pipeline.reply_verdict import classify_optional_read
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.sender import OutOfDateError
from uploader.records.values.compare import LIFECYCLE_STAGE
from uploader.settings import Settings
from uploader.storage.rows_without_snapshot import find_unkept
from uploader.storage.snapshot import take_up_for_undo
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import Lock
from uploader.undo import associated_records, settled_doubts
from uploader.undo.association_reader import AssociationReader
from uploader.undo.plan import (
    DELETED_SINCE,
    RECORD_SOURCE,
    UNDONE,
    Fate,
    Finding,
    Plan,
    Portal,
    Trace,
    is_same,
    plan,
    wanted_history,
)
from uploader.undo.record_writer import NOT_FOUND, LastUpdated, Rewriter, Written
from uploader.undo.undo_file import Key, UndoFile

_HANDS = 32
#: How often what may not show yet is read again, and the first wait, in seconds (it doubles).
_LOOKS_AGAIN, _LOOK_SECONDS = 4, 1.0
#: For how long, added to an upload's, a batch may have paused since its first read and still be acted upon.
#: It takes some thirty requests: if each has to pause for a moment, it must not be read again for ever.
_STALLS_SECONDS = 540.0

Item = TypeVar("Item")
#: Asked before anything is written: the account, how many contacts may be archived, how many written back.
Approve = Callable[[Account, int, int], Awaitable[bool]]


@dataclass(slots=True)
class Report:
    """How it ended, for people and scripts. The counts and what is left add up to the snapshot's keys."""

    counts: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    keys: int = 0
    values_restored: int = 0
    values_kept: int = 0
    twice_absent: int = 0  #: keys of which an earlier row may have created a contact that nobody can find
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None
    unkept: Unkept = field(default=Unkept())  #: what the job wrote and the snapshot knows nothing of
    is_old: bool = False  #: an earlier undo has left nothing to be done, and nobody looked again

    @property
    def left(self) -> int:
        return self.keys - sum(self.counts.values())

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=any(self.counts.values()))
        is_left = any(count for fate, count in self.counts.items() if fate not in UNDONE)
        return int(is_left or not self.unkept.is_empty)


@dataclass(slots=True)
class Hand:
    """Who works on one batch at a time."""

    attempts: Attempts
    reader: Reader
    rewriter: Rewriter
    associations: AssociationReader
    on_wire: bool = False


class Undoing:
    """`run` once; then `file` tells what was kept, until it is closed."""

    def __init__(
        self,
        settings: Settings,
        file: UndoFile,
        seams: Seams | None = None,
        *,
        approve: Approve | None = None,
        dry: bool = False,
        archive_touched: bool = False,
    ) -> None:
        """`settings` as `undo_settings` makes them; `settings.restart` forgets what was undone before.

        `dry`: reads only; what would become of each contact is told as if it had. `archive_touched`: archive
        what the job created although people or other apps have worked with it since.
        """
        self.settings = settings
        self.session: Session | None = None  #: once the account is asked
        self.started = asyncio.Event()  #: the account is known, and how much there is to be done
        self.ending = Ending()
        self.file = file
        self.report = Report()
        self.taken_up = False  #: an earlier one goes on
        self.resolving = False  #: the keys that led to nobody are looked up
        self.dry = dry
        self.archive_touched = archive_touched
        self._seams = seams or Seams()
        self._approve = approve
        self._refused: dict[str, str] = {}  # types whose associations can't be read, and why
        self._is_outdated = False  # contacts were left, for what was read of them is too old to act upon
        self._last_updated = LastUpdated()

    async def run(self) -> Report:
        """UploaderError where it can't start."""
        writer, clock = self._seams.offload("writer"), exact_clock()
        began = clock()
        try:
            with ExitStack() as stack:
                lock = Lock(self.settings.checkpoint_path)
                lock.acquire()
                stack.callback(lock.release)
                checkpoint = self.settings.checkpoint_path
                take_up = partial(take_up_for_undo, self.file.snapshot, checkpoint, lock.noted)
                await writer.run(take_up)
                look = partial(find_unkept, checkpoint, self.file.about, lock.noted)
                self.report.unkept = await writer.run(look)
                await self._run(writer, stack)
        finally:
            writer.close()
        if self.ending.crash is not None:
            raise self.ending.crash
        report = self.report
        report.elapsed_seconds = clock() - began
        report.requests = self.session.sender.tallies.requests if self.session else 0
        report.end = early_end(self.ending, self.session)
        if report.end is None and report.left:
            raise BooksError(f"{report.left:,} contacts of the snapshot are not accounted for")
        return report

    async def _run(self, writer: Offload, stack: ExitStack) -> None:
        async with Session(self.settings, self._seams, self.ending) as session:
            self.session = session
            with suppress(StopRun):
                account, app = await self.ending.unless_ended(_look(session))
                self._check_portal(account)
                stack.callback(writer.finish)
                await self._undo(session, account, app, writer)

    def _check_portal(self, account: Account) -> None:
        known, name = self.file.about["portal"], self.file.snapshot.name
        if not known or not account.portal:
            whose = "this token may not say whose account it is" if known else "nobody could say whose it is"
            raise CheckpointError(f"{name} belongs to account {known or 'unknown'}, and {whose}: not undone")
        if known != account.portal:
            raise CheckpointError(
                f"{name} belongs to account {known}, this token to account {account.portal}; "
                "use the token of that account"
            )

    # --- from the list to the last contact ---

    async def _undo(self, session: Session, account: Account, app: str, writer: Offload) -> None:
        file, schema = self.file, account.schema
        if schema is None:
            raise self.ending.stopped(Cause.SCOPE, "the token may not read which properties there are")
        self.taken_up = await writer.run(lambda: file.open(restart=self.settings.restart, keep=not self.dry))
        portal = Portal(app, frozenset(schema.labels.keys() - schema.read_only), schema.kinds)
        try:
            await self._undo_all(session, account, portal, writer)
        finally:
            await writer.run(self._tell)
        if not self.report.left and not self.report.is_old:
            await writer.run(partial(file.note_end, f"{self._seams.wall_clock():%Y-%m-%d %H:%M} UTC"))

    async def _undo_all(self, session: Session, account: Account, portal: Portal, writer: Offload) -> None:
        file, unless_ended, guard = self.file, self.ending.unless_ended, self.ending.guard
        await unless_ended(guard(self._copy(writer)))
        self.report.keys = await writer.run(lambda: file.keys_count)
        self.report.counts = await writer.run(file.counts)
        again = await writer.run(file.kept_created) if self.archive_touched else 0
        self.report.counts[Fate.KEPT] -= again  # they are looked at again, once that is approved
        self.report.is_old = self.taken_up and not self.report.left
        self.started.set()
        self.resolving = True
        try:
            resolve = partial(self._resolve, writer=writer)
            await self._share_out(session, file.absent(wire.MAX_INPUTS), resolve, writer)
        finally:
            self.resolving = False
        await unless_ended(guard(self._ask(account, writer, again)))
        # What was created goes first: it may hold a unique value that is to go back to another contact.
        at_once = associated_records.records_at_once((await writer.run(file.open_counts))[0], self._hands)
        for created, count in ((True, at_once), (False, wire.MAX_INPUTS)):
            self._is_outdated = True
            while self._is_outdated:
                self._is_outdated = False
                work = partial(self._work, session, portal=portal, writer=writer)
                await self._share_out(session, file.traces(count, created=created), work, writer)

    def _tell(self) -> None:
        self.report.keys = self.file.keys_count
        self.report.counts = self.file.counts()
        self.report.values_restored, self.report.values_kept = self.file.values()
        self.report.twice_absent = self.file.twice_absent

    async def _copy(self, writer: Offload) -> None:
        """In slices, so that a signal is heard in between."""
        while await writer.run(self.file.copy):
            pass

    async def _ask(self, account: Account, writer: Offload, again: int) -> None:
        """`again`: contacts that an undo has kept, and this one looks at anew."""
        await writer.run(self.file.gather)
        created, others = await writer.run(self.file.open_counts)
        is_asked = created + again + others and not self.dry
        if is_asked and self._approve and not await self._approve(account, created + again, others):
            raise DeclinedError("nothing was undone")
        if again:
            await writer.run(self.file.reopen_kept)

    async def _share_out(
        self,
        session: Session,
        batches: Iterator[list[Item]],
        work: Callable[[Hand, list[Item]], Awaitable[None]],
        writer: Offload,
    ) -> None:
        """Batch by batch to as many as may be under way. Where the run ends, what is on the wire may end."""

        async def serve(hand: Hand) -> None:
            while batch := await writer.run(lambda: next(batches, None)):
                await work(hand, batch)
                self.ending.go_on()

        hands = [self._hand(session) for _ in range(self._hands)]

        async def drain(tasks: Collection[asyncio.Task[None]]) -> None:
            """What was decided is on the disk, so any moment will do; but an answer on its way tells more."""
            waiting = {task for task, hand in zip(tasks, hands, strict=True) if hand.on_wire}
            if waiting:
                await self._wait_for_the_last(waiting)

        await session.share_work(map(serve, hands), drain)

    async def _wait_for_the_last(self, tasks: Collection[asyncio.Task[None]]) -> None:
        at_once = asyncio.ensure_future(self.ending.at_once.wait())
        ended = asyncio.ensure_future(asyncio.wait(tasks))
        await asyncio.wait(
            {at_once, ended},
            timeout=self.settings.drain_timeout_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in (at_once, ended):
            task.cancel()
        await asyncio.gather(at_once, ended, return_exceptions=True)

    @property
    def _hands(self) -> int:
        return min(_HANDS, self.settings.max_in_flight)

    def _hand(self, session: Session) -> Hand:
        def note(out: bool) -> None:
            hand.on_wire = out

        attempts = replace(session.attempts, on_wire=note, is_wanted=lambda: not self.ending.has_come)
        types = associated_records.types_for(self.settings.object_type)
        paths = [session.paths.associations.replace("{to}", one.name) for one in types]
        hand = Hand(
            attempts,
            Reader(attempts, session.paths.read),
            Rewriter(
                attempts,
                session.paths,
                last=self._last_updated,
                is_tail=lambda: self.report.left <= wire.MAX_INPUTS,
            ),
            AssociationReader(
                [
                    (one, Reader(attempts, path, classify_optional_read))
                    for one, path in zip(types, paths, strict=True)
                ],
                self._refused,
            ),
        )
        return hand

    # --- whom the keys lead to now ---

    async def _resolve(self, hand: Hand, keys: list[Key], *, writer: Offload) -> None:
        name, rest = keys[0].id_property, keys
        found: dict[int, str] = {}
        asked = also_other_addresses({name})
        for _ in range(2):  # what an answer leaves out is asked for once more
            reply = await hand.reader.read(
                [key.key for key in rest], lambda some: wire.encode_read(name, some, asked)
            )
            led, unknown = _whose(rest, reply)
            found |= led
            rest = [key for key in rest if key.number in unknown]
            if not rest:
                break
        settled = await writer.run(partial(self.file.resolve, found))
        await self._fail({key.number: unknown[key.number] for key in rest}, writer)
        self._count({**settled, Fate.FAILED: len(rest)})

    async def _fail(self, left_out: Mapping[int, str], writer: Offload) -> None:
        """Of these contacts nothing is known: by number, what HubSpot says of the reason."""
        for why in dict.fromkeys(left_out.values()):
            numbers = [number for number, one in left_out.items() if one == why]
            await writer.run(partial(self.file.fail, numbers, with_why(_LEFT_OUT, why)))

    def _count(self, more: Mapping[Fate, int]) -> None:
        for fate, count in more.items():
            self.report.counts[fate] += count

    # --- one batch of contacts ---

    async def _work(
        self, session: Session, hand: Hand, traces: list[Trace], *, portal: Portal, writer: Offload
    ) -> None:
        hand.rewriter.known_at = session.sender.stalled_seconds + _STALLS_SECONDS
        plans, left_out = await self._plan(hand, traces, portal)
        if not self.archive_touched:
            plans = await self._keep_touched(hand, plans)
        await self._fail(left_out, writer)
        self._count({Fate.FAILED: len(left_out)})
        try:
            for start in range(0, len(plans), wire.MAX_INPUTS):
                await self._carry_out(hand, plans[start : start + wire.MAX_INPUTS], portal, writer)
        except OutOfDateError:
            self._is_outdated = True  # others may have written meanwhile: those left are read anew

    async def _carry_out(self, hand: Hand, plans: list[Plan], portal: Portal, writer: Offload) -> None:
        if self.dry:
            await writer.run(partial(self.file.settle, plans, {}, {}))
            self._count(_fates([one.fate for one in plans], 0))
            return
        await writer.run(partial(self.file.decide, plans))
        settled = [one for one in plans if not one.writes]
        self._count(_fates([one.fate for one in settled], 0))
        todo = [one for one in plans if one.writes]
        failed, gone = await self._archive(hand, [one for one in todo if one.archive])
        more = await self._restore(hand, [one for one in todo if one.restore], portal)
        failed |= more[0]
        gone |= more[1]
        await writer.run(partial(self.file.settle, todo, failed, gone))
        done = [one.fate for one in todo if one.number not in failed and one.number not in gone]
        self._count({**_fates(done, len(failed)), Fate.GONE: len(gone)})

    async def _plan(
        self, hand: Hand, traces: list[Trace], portal: Portal
    ) -> tuple[list[Plan], dict[int, str]]:
        """And, by number, why nothing is known of the others. Only what an answer names is acted on."""
        plans: list[Plan] = []
        left_out: dict[int, str] = {}
        for start in range(0, len(traces), wire.MAX_INPUTS_WITH_HISTORY):
            some = traces[start : start + wire.MAX_INPUTS_WITH_HISTORY]
            history = wanted_history(some, portal)
            texts = (name for trace in some for name in (*trace.former, *trace.sent))
            names = sorted({*RECORD_SOURCE, *MERGED_IDS, *texts})
            rest = {trace.hubspot_id: trace for trace in some}
            for _ in range(2):
                reply = await hand.reader.read(
                    list(rest), partial(_encode_with_history, names=names, history=history)
                )
                held, unknown = _held(rest, reply)
                plans += [
                    plan(
                        settled_doubts.settle(rest.pop(one), there, portal),
                        there,
                        portal,
                        archive_touched=self.archive_touched,
                    )
                    for one, there in held.items()
                ]
                if not rest:
                    break
            left_out |= {trace.number: unknown[one] for one, trace in rest.items()}
        return plans, left_out

    async def _keep_touched(self, hand: Hand, plans: list[Plan]) -> list[Plan]:
        """What was created and has been worked with since is kept: one read for each type of objects."""
        ids = [one.hubspot_id for one in plans if one.archive]
        if not ids:
            return plans
        hand.attempts.go_on()
        associations = await hand.associations.look(ids)
        return [associated_records.keep_touched(one, associations) for one in plans]

    async def _archive(self, hand: Hand, plans: list[Plan]) -> tuple[dict[int, Finding], dict[int, Finding]]:
        """The answer says nothing of the single contact, so they are read back."""
        written = await hand.rewriter.archive({one.number: one.hubspot_id for one in plans})
        failed, _ = _refusals(written)
        rest = {one.hubspot_id: one.number for one in plans if one.number not in failed}
        whys: dict[int, str] = {}
        for wait in _waits():
            if not rest:
                break
            await asyncio.sleep(wait)
            reply = await hand.reader.read(list(rest), lambda ids: wire.encode_read("", ids, []))
            held, unknown = _held(rest, reply)
            rest = {one: number for one, number in rest.items() if held.get(one, _NOBODY) is not None}
            still = "it is still there, though HubSpot took it on"
            whys = {
                number: with_why(_LEFT_OUT, unknown[one]) if one in unknown else still
                for one, number in rest.items()
            }
        return {**failed, **{number: _failure(whys[number]) for number in rest.values()}}, {}

    async def _restore(
        self, hand: Hand, plans: list[Plan], portal: Portal
    ) -> tuple[dict[int, Finding], dict[int, Finding]]:
        cleared = {one.number: (one.hubspot_id, _NO_STAGE) for one in plans if one.clear_first}
        outcome = await self._write(hand, cleared, portal)
        stopped = outcome[0].keys() | outcome[1].keys()
        wanted = {one.number: (one.hubspot_id, one.restore) for one in plans if one.number not in stopped}
        failed, gone = await self._write(hand, wanted, portal)
        return {**outcome[0], **failed}, {**outcome[1], **gone}

    async def _write(
        self, hand: Hand, wanted: Mapping[int, tuple[str, Mapping[str, str]]], portal: Portal
    ) -> tuple[dict[int, Finding], dict[int, Finding]]:
        """Values into contacts, by number; those that failed, and those that are not there any more."""
        written = await hand.rewriter.update(wanted)
        failed, gone = _refusals(written)
        failed |= {
            number: _failure(f"HubSpot kept another value of {name}")
            for number, shown in written.confirmed.items()
            if (name := _other(wanted[number][1], shown, portal))
        }
        unsure = {wanted[number][0]: number for number in written.unsure}
        for wait in _waits():
            if not unsure:
                break
            await asyncio.sleep(wait)
            names = sorted({name for number in unsure.values() for name in wanted[number][1]})
            reply = await hand.reader.read(
                list(unsure),
                lambda ids, names=names: wire.encode_read("", ids, names),  # type: ignore[misc]
            )
            for one, held in _held(unsure, reply)[0].items():
                if held is None:
                    gone[unsure.pop(one)] = _DELETED
                elif not _other(wanted[unsure[one]][1], held.properties, portal, is_all=True):
                    del unsure[one]
        failed |= {number: _failure("HubSpot gave no definite answer") for number in unsure.values()}
        return failed, gone


async def _look(session: Session) -> tuple[Account, str]:
    """The account, and the id of the token's app."""
    properties = session.look_at_properties(await session.look_at_account())
    return await side_by_side(properties, session.preflight.look_at_the_app(session.settings.token))


_LEFT_OUT = "HubSpot's answers leave it out"
_NO_STAGE: Mapping[str, str] = {LIFECYCLE_STAGE: ""}
_DELETED = Finding("", "", "", "", DELETED_SINCE)
_NOBODY = wire.Result("", new=False, trace_id="", properties={})


def _failure(why: str) -> Finding:
    return Finding("", "", "", "", without_addresses(" ".join(why.split())))


def _fates(fates: Sequence[Fate], failed: int) -> dict[Fate, int]:
    return {**{fate: fates.count(fate) for fate in set(fates)}, Fate.FAILED: failed}


def _waits() -> Iterator[float]:
    yield 0.0
    for count in range(_LOOKS_AGAIN):
        yield _LOOK_SECONDS * 2**count


def _encode_with_history(ids: Sequence[str], names: Sequence[str], history: Sequence[str]) -> bytes:
    return wire.encode_read("", ids, names, history)


def _whose(keys: Sequence[Key], reply: wire.Reply) -> tuple[dict[int, str], dict[int, str]]:
    """By number, the id of the contact a key leads to ("" for nobody), or why it is not known."""
    ids: dict[int, str] = {}
    unknown: dict[int, str] = {}
    answers = told(keys[0].id_property, [key.key for key in keys], reply.results, reply.errors)
    for key, one in zip(keys, answers, strict=True):
        if one.is_definite:
            ids[key.number] = one.held.id if one.held else ""
        else:
            unknown[key.number] = one.why
    return ids, unknown


def _held(asked: Collection[str], reply: wire.Reply) -> tuple[dict[str, wire.Result | None], dict[str, str]]:
    """By id, what the answer holds of those that were asked for, None where it says that nobody is there; and
    why it isn't known of the others.
    """
    held: dict[str, wire.Result | None] = {}
    unknown: dict[str, str] = {}
    for hubspot_id, one in zip(asked, told("", asked, reply.results, reply.errors), strict=True):
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


def _other(
    wanted: Mapping[str, str], shown: Mapping[str, object], portal: Portal, *, is_all: bool = False
) -> str:
    """A property that is not as it was written; `is_all`: what isn't shown holds nothing."""
    for name, text in wanted.items():
        value = shown.get(name)
        value = value if isinstance(value, str) else "" if is_all else text
        if not is_same(name, text, value, portal.kinds):
            return name
    return ""


def undo_settings(file: UndoFile, checkpoint: Path, **options: object) -> Settings:
    """For a snapshot's account and type of objects; `options` are this invocation's."""
    return Settings(
        sources=(str(file.snapshot),),
        checkpoint=checkpoint,
        write_results=False,
        match=(file.about["id_property"],),
        object_type=file.about["object_type"],
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )
