"""One invocation of `verify`: what the job's rows ask for, read back and compared. Nothing is written."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from uploader.core.columns import MappingError, recorded_columns
from uploader.core.mapping import Mapper
from uploader.core.model import Outcome, Record, Tallies, Unsent
from uploader.core.overwriting import Overwriting, Policy
from uploader.core.readback import also_other_addresses
from uploader.core.summary import EarlyEnd
from uploader.core.verifying import Cell, Doubt, Verdict, Wanted, judge
from uploader.core.wire import MAX_INPUTS, Reply, encode_read, sent_properties
from uploader.edges.background import Offload
from uploader.edges.checkpoint import Checkpoint, Identity
from uploader.edges.files import Lock
from uploader.edges.sources.base import Source
from uploader.edges.verification import VerificationFile, place
from uploader.errors import CheckpointError, SettingsError
from uploader.run.identity import check_portal, check_sources, value_settings
from uploader.run.opening import open_again
from uploader.run.preflight import Account
from uploader.run.reading import Reader
from uploader.run.resolving import overwriting_rules, rules_of
from uploader.run.session import Seams, Session
from uploader.settings import Settings

_READERS = 32
_NOT_WRITTEN = (Outcome.REJECTED, Outcome.INVALID, Outcome.SKIPPED)


@dataclass(slots=True)
class Report:
    """How it ended, for people and scripts."""

    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    doubts: dict[str, int] = field(default_factory=dict)
    left: int = 0  #: not read yet
    rows: int = 0  #: of the sources, as the job has read them
    rows_written: int = 0  #: of these, what is not rejected, invalid or skipped; several may be of one record
    is_sample: bool = False
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None

    @property
    def records(self) -> int:
        return sum(self.counts.values()) + self.left

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
        self.report = Report(is_sample=sample is not None)
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
        identity, name = self._checkpoint.identity(), self._checkpoint.path
        if Lock(name).is_held():
            raise CheckpointError(
                f"the job of {name} is running: verify it once it has ended (uploader status {name})"
            )
        lock = Lock(place(self._checkpoint.path))
        lock.acquire()
        stack.callback(lock.release)
        sources = await self._until_halted(reader.run(lambda: open_again(self.settings, identity)))
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
            await self._hang_up(transport)

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
        tallies = self._checkpoint.state().tallies
        self.report.rows = tallies.rows
        self.report.rows_written = tallies.rows - sum(tallies.outcomes[outcome] for outcome in _NOT_WRITTEN)

    # --- what is wanted ---

    async def _build(
        self, identity: Identity, sources: list[Source], account: Account, writer: Offload
    ) -> None:
        """In slices, so that a signal is heard in between."""
        if await writer.run(lambda: self.file.is_built):
            return
        await writer.run(self.file.forget)
        mappers = self._mappers(identity, sources, account)
        overwriting = overwriting_rules(self.settings, sources, account)
        steps = _wanted(self._checkpoint, identity, sources, mappers, self.file, overwriting)
        while (rows := await writer.run(lambda: next(steps, None))) is not None:
            self.rows = rows
        await writer.run(lambda: self.file.finish(self._sample))

    def _mappers(self, identity: Identity, sources: list[Source], account: Account) -> list[Mapper]:
        """By the columns as they were resolved when the job began: a label may have changed since."""
        mappers = []
        rules = self.settings.rules
        for index, (source, names) in enumerate(zip(sources, identity.settings["columns"], strict=True)):
            recorded = {int(column): name for column, name in names.items()} if names else None
            columns = recorded_columns(source.shape.columns, recorded) if recorded is not None else None
            try:
                mappers.append(Mapper(index, rules_of(rules, source), account.schema, columns))
            except MappingError as error:  # of a property that has changed since
                raise SettingsError(str(error)) from error
        return mappers

    # --- what is held ---

    async def _read_all(self, account: Account, writer: Offload) -> None:
        batches = self.file.unsettled(MAX_INPUTS)
        kinds = account.schema.kinds if account.schema else {}
        assert self.sender is not None
        reader = Reader(self.sender, self.paths, self._patience, roll=self.seams.roll)

        async def work() -> None:
            while batch := await writer.run(lambda: next(batches, None)):
                rest = batch
                for _ in range(2):  # what an answer leaves out is asked for once more
                    checked, unknown = judge(rest, await self._read(reader, rest), kinds)
                    rest = [contact for contact in rest if contact.number in unknown]
                    await writer.run(lambda checked=checked: self.file.settle(checked))  # type: ignore[misc]
                    for one in checked:
                        self.report.counts[one.verdict] += 1
                    if not rest:
                        break
                await writer.run(lambda unknown=unknown: self.file.leave(unknown))  # type: ignore[misc]

        readers = [self._task(work()) for _ in range(min(_READERS, self.settings.max_in_flight))]
        watch = self._task(self._watch())
        done = asyncio.ensure_future(asyncio.wait(readers))
        halted = asyncio.ensure_future(self._halted.wait())
        await asyncio.wait({done, halted}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*readers, watch, halted):
            task.cancel()
        await asyncio.gather(*readers, watch, halted, done, return_exceptions=True)

    async def _read(self, reader: Reader, batch: list[Wanted]) -> Reply:
        """What is held of a batch: without a contact that breaks the question for all of them."""
        names = {name for contact in batch for name in contact.cells}
        asked = also_other_addresses(names | {batch[0].id_property})
        return await reader.read(
            [contact.key for contact in batch], lambda keys: encode_read(batch[0].id_property, keys, asked)
        )


def job_settings(identity: Identity, checkpoint: Checkpoint, **options: object) -> Settings:
    """The settings a job was begun with, for looking at it again; `options` are this invocation's."""
    known = identity.settings
    return Settings(
        checkpoint=checkpoint.path,
        write_results=False,
        match=tuple(known.get("match", [known["id_property"]])),
        object_type=known["object_type"],
        mapped=known["map"],
        ignored=frozenset(known["ignore"]),
        include_superseded=known["include_superseded"],
        **value_settings(known),
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )


def _fingerprint(checkpoint: Checkpoint, identity: Identity) -> str:
    """Changes when the job has moved on since, or was begun anew."""
    tallies = checkpoint.state().tallies
    said = repr((checkpoint.job_id(), identity, sorted(tallies.outcomes.items()), tallies.rows))
    return sha256(said.encode()).hexdigest()


def _wanted(  # noqa: PLR0917
    checkpoint: Checkpoint,
    identity: Identity,
    sources: list[Source],
    mappers: list[Mapper],
    file: VerificationFile,
    overwriting: Overwriting,
) -> Iterator[int]:
    """Row by row into the file; the rows looked through so far, slice by slice."""
    doubt_of = _doubts(checkpoint)
    main = identity.settings["id_property"]
    is_linked = len(identity.settings.get("match", [main])) > 1
    position = 0
    for source, mapper in zip(sources, mappers, strict=True):
        for slice_ in source.slices(None):
            wanted: list[tuple[tuple[str, ...], Wanted, Doubt]] = []
            for row in slice_.rows:
                doubt = doubt_of(position)
                record = mapper.map(position, row) if doubt is not None else None
                if isinstance(record, Unsent) and record.key and record.outcome is Outcome.INVALID:
                    wanted.append((record.values, _gone(record), Doubt.CHANGED))
                if isinstance(record, Record) and doubt is not None:
                    wanted.append((record.values, _of(record, doubt, overwriting), doubt))
                    if record.id_property != main and not is_linked:
                        file.share(record.values)
                position += 1
            if is_linked:
                file.want_linked(wanted)
            else:
                file.want([(values[0], contact, doubt) for values, contact, doubt in wanted])
            yield position


def _of(record: Record, doubt: Doubt, overwriting: Overwriting) -> Wanted:
    """What may have been spared asks for nothing: HubSpot's own value is as good."""
    cells = {
        name: Cell(text, record.row, record.source)
        for name, text in (sent_properties(record).items() if doubt is Doubt.NONE else ())
        if overwriting.of(name) is Policy.OVERWRITE
    }
    return Wanted(0, record.id_property, record.key, record.row, record.source, cells)


def _gone(row: Unsent) -> Wanted:
    id_property, _, _ = row.values[0].partition("=")
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
