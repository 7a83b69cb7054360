"""One invocation of `verify`: what the job's rows ask for, read back and compared. Nothing is written."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from uploader.core.columns import recorded_columns
from uploader.core.mapping import Mapper
from uploader.core.model import Outcome, Record, Tallies, Unsent
from uploader.core.outcome import Action, Cause, classify_read
from uploader.core.readback import OTHER_ADDRESSES
from uploader.core.repeats import OnDuplicate
from uploader.core.retry import BATCH_ATTEMPTS, RECORD_ATTEMPTS, backoff_seconds
from uploader.core.summary import EarlyEnd
from uploader.core.verifying import Cell, Doubt, Verdict, Wanted, judge
from uploader.core.wire import MAX_INPUTS, Reply, encode_read, sent_properties
from uploader.edges.background import Offload
from uploader.edges.checkpoint import Checkpoint, Identity
from uploader.edges.files import Lock
from uploader.edges.hubspot import Call
from uploader.edges.sources.base import Source
from uploader.edges.verification import VerificationFile, place
from uploader.errors import CheckpointError
from uploader.run.opening import check_portal, check_sources, open_sources, value_settings
from uploader.run.preflight import Account
from uploader.run.session import Seams, Session
from uploader.run.stop import StopRun
from uploader.run.survey import Duplicates, find_duplicates, open_duplicates, rule_of
from uploader.settings import Settings

_READERS = 32


@dataclass(slots=True)
class Report:
    """How it ended, for people and scripts."""

    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    doubts: dict[str, int] = field(default_factory=dict)
    left: int = 0  #: not read yet
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=any(self.counts.values()))
        return int(any(self.counts[v] for v in (Verdict.DIFFERS, Verdict.MISSING, Verdict.UNCHECKED)))


class Verification(Session):
    """`run` once; then `file` tells the findings."""

    def __init__(
        self,
        settings: Settings,
        checkpoint: Checkpoint,
        seams: Seams | None = None,
        *,
        sample: int | None = None,
    ) -> None:
        """`settings` as `job_settings` makes them; `settings.restart` forgets what was verified before."""
        super().__init__(settings, seams)
        self.file = VerificationFile(checkpoint.path)
        self.report = Report()
        self.rows = 0  #: of the sources, looked through so far
        self.taken_up = False  #: an earlier one goes on
        self._began = self._clock()
        self._checkpoint = checkpoint
        self._sample = sample

    async def run(self) -> Report:
        """UploaderError where it can't start."""
        reader, writer = self.seams.offload("reader"), self.seams.offload("writer")
        try:
            with ExitStack() as stack:
                await self._run(reader, writer, stack)
        finally:
            reader.close()
            writer.close()
        if self._crash is not None:
            raise self._crash
        return self.report

    async def _run(self, reader: Offload, writer: Offload, stack: ExitStack) -> None:
        identity = self._checkpoint.identity()
        lock = Lock(place(self._checkpoint.path))
        lock.acquire()
        stack.callback(lock.release)
        sources = await self._until_halted(reader.run(lambda: open_sources(self.settings)))
        if sources is None:
            return self._close()
        check_sources(self._checkpoint.path.name, identity, sources)
        transport = self.seams.transport(self.settings)
        try:
            self._make_sender(transport, Tallies())
            account = await self._until_halted(self._look())
            if account is not None:
                check_portal(self._checkpoint.path, identity, account.portal)
                account = await self._until_halted(self._with_owners(sources, account))
            if account is not None:
                await self._verify(identity, sources, account, writer)
                stack.callback(writer.finish)
            return self._close()
        finally:
            await transport.close()

    def _close(self) -> None:
        self.report.elapsed_seconds = self._clock() - self._began
        self.report.requests = self.sender.tallies.requests if self.sender else 0
        if self._halt is not None:
            self.report.end = EarlyEnd(self._halt[0], self._reason(), self._signal)

    async def _verify(
        self, identity: Identity, sources: list[Source], account: Account, writer: Offload
    ) -> None:
        about = {"job": _fingerprint(self._checkpoint, identity), "sample": self._sample}
        self.taken_up = self.file.open(about, restart=self.settings.restart)
        self.started.set()
        await self._until_halted(self._guard(self._build(identity, sources, account, writer)))
        if not self._halted.is_set():
            await self._read_all(account, writer)
        await writer.run(self._tell)

    def _tell(self) -> None:
        self.report.counts = self.file.counts()
        self.report.doubts = self.file.doubts()
        self.report.left = self.file.unsettled_count()

    # --- what is wanted ---

    async def _build(
        self, identity: Identity, sources: list[Source], account: Account, writer: Offload
    ) -> None:
        """In slices, so that a signal is heard in between."""
        if await writer.run(lambda: self.file.is_built):
            return
        await writer.run(self.file.forget)
        mappers = self._mappers(identity, sources, account)
        duplicates = await writer.run(lambda: self._duplicates(identity, sources, mappers))
        steps = _wanted(self._checkpoint, identity, sources, mappers, self.file, duplicates=duplicates)
        while (rows := await writer.run(lambda: next(steps, None))) is not None:
            self.rows = rows
        await writer.run(lambda: self.file.finish(self._sample))

    def _duplicates(
        self, identity: Identity, sources: list[Source], mappers: list[Mapper]
    ) -> Duplicates | None:
        """What the job went by; looked for again where its file is gone."""
        path = self._checkpoint.path
        if rule_of(identity) is OnDuplicate.IN_ORDER:
            return None
        found = open_duplicates(path, identity, sources)
        if found is None:
            deque(find_duplicates(path, identity, sources, mappers), maxlen=0)
            found = open_duplicates(path, identity, sources)
        return found

    def _mappers(self, identity: Identity, sources: list[Source], account: Account) -> list[Mapper]:
        """By the columns as they were resolved when the job began: a label may have changed since."""
        mappers = []
        rules = self.settings.rules
        for index, (source, names) in enumerate(zip(sources, identity.settings["columns"], strict=True)):
            recorded = {int(column): name for column, name in names.items()} if names else None
            columns = recorded_columns(source.shape.columns, recorded) if recorded is not None else None
            mappers.append(Mapper(index, rules, account.schema, columns))
        return mappers

    # --- what is held ---

    async def _read_all(self, account: Account, writer: Offload) -> None:
        batches = self.file.unsettled(MAX_INPUTS)
        kinds = account.schema.kinds if account.schema else {}

        async def work() -> None:
            while batch := await writer.run(lambda: next(batches, None)):
                rest = batch
                for _ in range(2):  # what an answer leaves out is asked for once more
                    checked, rest = judge(rest, await self._read(rest), kinds)
                    await writer.run(lambda checked=checked: self.file.settle(checked))  # type: ignore[misc]
                    for one in checked:
                        self.report.counts[one.verdict] += 1
                    if not rest:
                        break
                await writer.run(lambda rest=rest: self.file.leave(rest))  # type: ignore[misc]

        readers = [self._task(work()) for _ in range(min(_READERS, self.settings.max_in_flight))]
        watch = self._task(self._watch())
        done = asyncio.ensure_future(asyncio.wait(readers))
        halted = asyncio.ensure_future(self._halted.wait())
        await asyncio.wait({done, halted}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*readers, watch, halted):
            task.cancel()
        await asyncio.gather(*readers, watch, halted, done, return_exceptions=True)

    async def _read(self, batch: list[Wanted]) -> Reply:
        """What is held of a batch: without a contact that breaks the question for all of them."""
        reply = await self._ask(batch)
        if reply is not None:
            return reply
        if len(batch) == 1:
            return Reply(0)
        middle = len(batch) // 2
        first, second = [await self._read(half) for half in (batch[:middle], batch[middle:])]
        return Reply(200, results=first.results + second.results, errors=first.errors + second.errors)

    async def _ask(self, batch: list[Wanted]) -> Reply | None:
        """Until it is answered; StopRun where no question could be, None where this one alone can't."""
        names = {name for contact in batch for name in contact.cells}
        asked = sorted(names | {batch[0].id_property, OTHER_ADDRESSES})
        body = encode_read(batch[0].id_property, [contact.key for contact in batch], asked)
        sender = self.sender
        assert sender is not None
        failures = 0
        while True:
            sent_at = self._clock()
            reply = await sender.send(Call("POST", self.paths.read, body))
            verdict = classify_read(reply)
            if verdict.action is Action.SETTLE:
                sender.succeeded()
                return reply
            if verdict.action is Action.SPLIT:
                raise StopRun(Cause.ADDRESS, f"reading back is refused: {verdict.reason}")
            if verdict.action is Action.STOP:
                assert verdict.cause is not None
                seconds = self._patience(verdict)
                if seconds is None:
                    raise StopRun(verdict.cause, verdict.reason)
                sender.pause(verdict.cause, seconds, sent_at)
            elif verdict.action is Action.PAUSE:
                sender.pause_for(verdict, sent_at)
            else:
                failures += 1
                sender.failed(verdict.reason, sent_at)
                if (
                    failures >= (BATCH_ATTEMPTS if len(batch) > 1 else RECORD_ATTEMPTS)
                    and await self._is_there()
                ):
                    return None
                await asyncio.sleep(backoff_seconds(failures, self.seams.roll()))

    async def _is_there(self) -> bool:
        """Whether the server answers at all: then it is the question that fails."""
        assert self.sender is not None
        reply = await self.sender.send(Call("GET", self.paths.account))
        if reply.readable and reply.status < 423:
            self.sender.succeeded()
            return True
        return False


def job_settings(identity: Identity, checkpoint: Checkpoint, **options: object) -> Settings:
    """The settings a job was begun with, for looking at it again; `options` are this invocation's."""
    known = identity.settings
    return Settings(
        checkpoint=checkpoint.path,
        write_results=False,
        id_property=known["id_property"],
        object_type=known["object_type"],
        mapped=known["map"],
        ignored=frozenset(known["ignore"]),
        include_superseded=known["include_superseded"],
        on_duplicate=rule_of(identity),
        **value_settings(known),
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )


def _fingerprint(checkpoint: Checkpoint, identity: Identity) -> str:
    """Changes when the job has moved on since."""
    tallies = checkpoint.state().tallies
    said = repr((identity, sorted(tallies.outcomes.items()), tallies.rows))
    return sha256(said.encode()).hexdigest()


def _wanted(
    checkpoint: Checkpoint,
    identity: Identity,
    sources: list[Source],
    mappers: list[Mapper],
    file: VerificationFile,
    *,
    duplicates: Duplicates | None,
) -> Iterator[int]:
    """Row by row into the file; the rows looked through so far, slice by slice."""
    doubt_of = _doubts(checkpoint)
    main = identity.settings["id_property"]
    position = 0
    for source, mapper in zip(sources, mappers, strict=True):
        for slice_ in source.slices(None):
            wanted: list[tuple[str, Wanted, Doubt]] = []
            repeated = duplicates.among(position, position + len(slice_.rows)) if duplicates else {}
            for row in slice_.rows:
                doubt = doubt_of(position)
                if position in repeated:
                    doubt = None  # it was not written
                record = mapper.map(position, row) if doubt is not None else None
                if isinstance(record, Unsent) and record.key and record.outcome is Outcome.INVALID:
                    wanted.append((record.values[0], _gone(record, main), Doubt.CHANGED))
                if isinstance(record, Record) and doubt is not None:
                    wanted.append((record.values[0], _of(record, doubt), doubt))
                    if record.id_property != main:
                        file.share(record.values)
                position += 1
            file.want(wanted)
            yield position


def _of(record: Record, doubt: Doubt) -> Wanted:
    cells = {
        name: Cell(text, record.row, record.source)
        for name, text in (sent_properties(record).items() if doubt is Doubt.NONE else ())
    }
    return Wanted(0, record.id_property, record.key, record.row, record.source, cells)


def _gone(row: Unsent, id_property: str) -> Wanted:
    return Wanted(0, id_property, row.key, row.row, row.source, {})


def _doubts(checkpoint: Checkpoint) -> Callable[[int], Doubt | None]:
    """What is known of a row's position: Doubt.NONE if it was confirmed, None if it was never written.

    Asked for in file order.
    """
    progress = checkpoint.state().progress
    aliases = {alias.position for alias in checkpoint.aliases()}
    unconfirmed = checkpoint.unconfirmed()
    ahead: list[tuple[int, str]] = []

    def doubt_of(position: int) -> Doubt | None:
        while not ahead or ahead[-1][0] < position:
            ahead[:] = [next(unconfirmed, (2**63, ""))]
        if ahead[-1][0] == position:
            unsure = ahead[-1][1] in {Outcome.ABANDONED.value, Outcome.PENDING.value}
            return Doubt.UNSURE if unsure else None
        if not progress.is_settled(position):
            return Doubt.OPEN
        return Doubt.ALIAS if position in aliases else Doubt.NONE

    return doubt_of


def find_sources(identity: Identity, checkpoint: Checkpoint, named: tuple[str, ...]) -> tuple[str, ...]:
    """Where the job's sources are: as named now, as recorded, or beside the checkpoint."""
    if named:
        return named
    found = []
    for source in identity.sources:
        beside = checkpoint.path.parent / source.name.rsplit("/", 1)[-1]
        if source.name == "-":
            raise CheckpointError("the job read standard input; give that as a file: --source PATH")
        found.append(source.name if Path(source.name).is_file() or not beside.is_file() else str(beside))
    return tuple(found)
