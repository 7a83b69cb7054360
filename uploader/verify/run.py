"""One invocation of `verify`: read the job's records back and compare them. Nothing is written."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

from msgspec import structs

from uploader.errors import CheckpointError
from uploader.hubspot.account import Account
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import MAX_INPUTS, MAX_INPUTS_WITH_HISTORY, encode_read
from uploader.jobs.early_ending import Ending
from uploader.jobs.opening import reopen_sources
from uploader.jobs.resume_checks import (
    account_doubt,
    check_portal,
    check_sources,
    has_older_rules,
    recorded_settings,
)
from uploader.jobs.session import Seams, Session, early_end, exact_clock
from uploader.jobs.summary import EarlyEnd
from uploader.model.outcomes import Outcome
from uploader.model.settings_periods import Period
from uploader.model.settled_rows import Tallies
from uploader.model.stop import StopRun
from uploader.pipeline.read_matching import with_other_keys
from uploader.pipeline.requests.contact_reader import Reader
from uploader.settings import Settings
from uploader.sources.source import Source
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.created_records_file import CreatedRecordsFile
from uploader.storage.file_names import verification_path
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import Lock
from uploader.verify.corrections import Correction
from uploader.verify.expected_values import Builder, doubts_of, find_period_mappings, former_settings
from uploader.verify.judge import Checked, Job, Verdict, Wanted, in_question, judge, with_history
from uploader.verify.links import LinkCheck, LinksReport
from uploader.verify.verify_file import VerificationFile

_READERS = 32
#: How far a machine's clock may differ from HubSpot's.
_CLOCKS_DIFFER_SECONDS = 300.0
_NOT_WRITTEN = (Outcome.REJECTED, Outcome.INVALID, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a later job did with failed rows of this one."""

    name: str  #: of its source
    rows: int
    rows_written: int


@dataclass(slots=True)
class Report:
    """The result of a verification."""

    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    doubts: dict[str, int] = field(default_factory=dict)
    left: int = 0  #: not read yet
    rows: int = 0  #: rows of the sources
    rows_written: int = 0  #: rows that were written, or may have been; several may be of one record
    rows_open: int = 0  #: rows that were read and have no outcome yet; few of them may have been sent
    rows_failed: int = 0
    corrected: list[Corrected] = field(default_factory=list)  #: by later jobs, whose rows are verified, too
    is_finished: bool = True  #: the job has sent all rows of its sources
    is_sample: bool = False
    requests: int = 0
    elapsed_seconds: float = 0.0
    has_older_rules: bool = False  #: values were read by older rules when they were written
    account_doubt: str = ""  #: why it may not be the account that the job wrote to
    links: LinksReport | None = None  #: None if the jobs have none
    end: EarlyEnd | None = None

    @property
    def records(self) -> int:
        return sum(self.counts.values()) + self.left

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=any(self.counts.values()))
        is_bad = any(self.counts[v] for v in (Verdict.DIFFERS, Verdict.MISSING, Verdict.UNCHECKED))
        return int(is_bad or (self.links is not None and not self.links.is_good))


class Verification:
    """Call `run` once; then `file` has the findings."""

    def __init__(
        self,
        settings: Settings,
        checkpoint: Checkpoint,
        seams: Seams | None = None,
        *,
        sample: int | None = None,
        corrections: Sequence[Correction] = (),
    ) -> None:
        """`settings`: from `job_settings`; with `settings.restart` an earlier verification is discarded.
        `corrections`: later jobs that uploaded failed rows, which are applied after the rows of the job.
        """
        self.settings = settings
        self.session: Session | None = None  #: None before the first request
        self.ending = Ending()
        self.file = VerificationFile(checkpoint.path)
        self.links = LinkCheck(self.file, settings)
        self.report = Report(is_sample=sample is not None)
        self.rows = 0  #: number of rows processed so far
        self.records = 0  #: number of records to be compared; 0 until it is known
        self.is_resumed = False  #: an earlier verification is continued
        self.seams = seams or Seams()
        self._checkpoint = checkpoint
        self._sample = sample
        self._periods = checkpoint.periods()
        self._corrections = corrections
        self._created: CreatedRecordsFile | None = None

    async def run(self) -> Report:
        """Verify the job. UploaderError if it can't start."""
        reader, writer, clock = self.seams.offload("reader"), self.seams.offload("writer"), exact_clock()
        began = clock()
        try:
            with ExitStack() as stack:
                await self._run(reader, writer, stack)
        finally:
            reader.close()
            writer.close()
        if self.ending.crash is not None:
            raise self.ending.crash
        report = self.report
        report.elapsed_seconds = clock() - began
        report.requests = self.session.sender.tallies.requests if self.session else 0
        report.end = early_end(self.ending, self.session)
        return report

    async def _run(self, reader: Offload, writer: Offload, stack: ExitStack) -> None:
        identity, name = self._checkpoint.identity(), self._checkpoint.path
        if Lock(name).is_held():
            raise CheckpointError(
                f"the job of {name} is still running; verify it when it has ended (`status --watch` waits "
                "for its end)"
            )
        lock = Lock(verification_path(self._checkpoint.path))
        lock.acquire()
        stack.callback(lock.release)
        with suppress(StopRun):
            unless_ended = self.ending.unless_ended
            sources = await unless_ended(reader.run(lambda: reopen_sources(self.settings, identity)))
            check_sources(self._checkpoint.path.name, identity, sources)
            async with Session(self.settings, self.seams, self.ending) as session:
                self.session = session
                account = await unless_ended(session.read_account_and_schema())
                check_portal(self._checkpoint.path, identity, account.portal)
                self.report.account_doubt = account_doubt(identity, account.portal)
                former = [
                    known for one in self._periods[:-1] if (known := former_settings(self.settings, one))
                ]
                account = await unless_ended(session.with_named_values(sources, account, former))
                for one in self._corrections:
                    account = await unless_ended(
                        session.with_named_values(one.sources, account, [one.settings])
                    )
                if self.settings.rules.is_searched:
                    self._created = CreatedRecordsFile(self._checkpoint.path, read_only=True)
                    stack.callback(self._created.close)
                self._open_links(len(sources), stack)
                stack.callback(writer.finish)
                if self.links.has_links:
                    await unless_ended(self.links.read_types(session.tools(account, reader, writer)))
                await self._verify(session, sources, account, writer)

    def _open_links(self, sources: int, stack: ExitStack) -> None:
        """Open the files of links. `sources`: how many the job has."""
        self.links.open(self._checkpoint, self.settings, 0, stack)
        first = sources
        for one in self._corrections:
            self.links.open(one.checkpoint, one.settings, first, stack)
            first += len(one.sources)
        if self.links.has_links:
            self.report.links = self.links.report

    async def _verify(
        self,
        session: Session,
        sources: list[Source],
        account: Account,
        writer: Offload,
    ) -> None:
        checkpoints = [self._checkpoint, *(one.checkpoint for one in self._corrections)]
        jobs = [fingerprint(one, one.identity(), one.periods()) for one in checkpoints]
        about: dict[str, object] = {"job": jobs, "sample": self._sample}
        about |= {"links": self.links.about} if self.links.has_links else {}
        self.is_resumed = self.file.open(about, restart=self.settings.restart)
        build = self._build(sources, account, writer)
        try:
            await self.ending.unless_ended(self.ending.guard(build))
            await writer.run(self._fill_report)
            self.records = self.report.records
            await self._read_all(session, account, writer)
            await self.links.read_all(session, writer, min(_READERS, self.settings.max_in_flight))
        finally:
            await writer.run(self._fill_report)

    def _fill_report(self) -> None:
        self.report.counts = self.file.counts()
        self.report.doubts = self.file.doubts()
        self.report.left = self.file.unsettled_count()
        self.report.has_older_rules = any(
            one.settings is not None and has_older_rules(one.settings)
            for one in self._periods
            if one.progress.settled or one.in_doubt_below
        )
        self.links.fill_report()
        state = self._checkpoint.state()
        tallies = state.tallies
        self.report.rows, self.report.rows_open = tallies.rows, tallies.open
        self.report.rows_failed = tallies.failed
        self.report.rows_written = _written(tallies)
        self.report.is_finished = state.state == "complete"
        states = [(one.name, one.checkpoint.state().tallies) for one in self._corrections]
        self.report.corrected = [Corrected(name, theirs.rows, _written(theirs)) for name, theirs in states]

    # --- expected values ---

    async def _build(self, sources: list[Source], account: Account, writer: Offload) -> None:
        """Build the expected values in slices, so that signals are handled in between."""
        if not await writer.run(lambda: self.file.is_built):
            await self._build_values(sources, account, writer)
        links = self.links.build(self._sample)
        while await writer.run(lambda: next(links, None)) is not None:
            pass

    async def _build_values(self, sources: list[Source], account: Account, writer: Offload) -> None:
        await writer.run(self.file.clear)
        jobs = [(self.settings, self._checkpoint, sources)]
        jobs += [(one.settings, one.checkpoint, one.sources) for one in self._corrections]
        firsts = [0, *accumulate(len(some) for _, _, some in jobs)]
        mapped = [
            find_period_mappings(settings, checkpoint.periods(), some, account, first)
            for (settings, checkpoint, some), first in zip(jobs, firsts, strict=False)
        ]
        matches = {name for mappings in mapped for mapping in mappings for name in mapping.match}
        for (_, checkpoint, some), mappings, first in zip(jobs, mapped, firsts, strict=False):
            main = checkpoint.identity().settings["id_property"]
            periods, is_linked, before = checkpoint.periods(), len(matches) > 1, self.rows
            builder = Builder(self.file, main, periods, mappings, is_linked=is_linked, first=first)
            known = checkpoint.state().known
            steps = builder.steps(some, known, doubts_of(checkpoint, _in_doubt_below(checkpoint)))
            while (rows := await writer.run(lambda steps=steps: next(steps, None))) is not None:  # type: ignore[misc]
                self.rows = before + rows
        await writer.run(lambda: self.file.finish(self._sample))

    # --- values in HubSpot ---

    async def _read_all(self, session: Session, account: Account, writer: Offload) -> None:
        batches = self.file.unsettled(MAX_INPUTS)
        kinds = account.schema.kinds if account.schema else {}
        attempts, search = (
            structs.replace(session.attempts, is_early=True),
            session.key_search(self._created, writer),
        )
        reader = Reader(attempts, session.paths.read, search=search)

        async def work() -> None:
            while batch := await writer.run(lambda: next(batches, None)):
                rest = batch
                for _ in range(2):  # what an answer leaves out is asked for once more
                    checked, unknown = judge(rest, await self._read(reader, rest), kinds)
                    checked = await self._with_histories(session, reader, checked)
                    rest = [contact for contact in rest if contact.number in unknown]
                    await writer.run(lambda checked=checked: self.file.settle(checked))  # type: ignore[misc]
                    for one in checked:
                        self.report.counts[one.verdict] += 1
                    if not rest:
                        break
                await writer.run(lambda unknown=unknown: self.file.mark_unknown(unknown))  # type: ignore[misc]

        await session.run_workers(work() for _ in range(min(_READERS, self.settings.max_in_flight)))

    async def _with_histories(
        self, session: Session, reader: Reader, checked: Sequence[Checked]
    ) -> list[Checked]:
        """The results, with the histories of values that HubSpot may have stored in a form of its own."""
        made = {one.number: one for one in checked}
        asked = [one for one in checked if in_question(one)]
        if not asked or (job := await self._job(session)) is None:
            return list(checked)
        for start in range(0, len(asked), MAX_INPUTS_WITH_HISTORY):
            some = {one.hubspot_id: one for one in asked[start : start + MAX_INPUTS_WITH_HISTORY]}
            names = sorted({name for one in some.values() for name in in_question(one)})
            reply = await reader.read(list(some), lambda ids, names=names: encode_read("", ids, [], names))  # type: ignore[misc]
            for held in reply.results:
                if one := some.get(held.id):
                    made[one.number] = with_history(one, held, job)
        return list(made.values())

    async def _job(self, session: Session) -> Job | None:
        """The job as histories show it; None if an earlier version did not store when it ran."""
        checkpoints = [self._checkpoint, *(one.checkpoint for one in self._corrections)]
        runs = [ran for checkpoint in checkpoints if (ran := checkpoint.invocations())]
        if len(runs) < len(checkpoints):
            return None
        app = await session.preflight.read_app_id(self.settings.token)
        off = _CLOCKS_DIFFER_SECONDS
        return Job(app, [(ran[0].began - off, ran[-1].seen + off) for ran in runs])

    async def _read(self, reader: Reader, batch: list[Wanted]) -> Reply:
        """Read a batch of contacts. A contact that makes the request fail is left out of the reply."""
        names = {name for contact in batch for name in contact.cells}
        asked = with_other_keys(names | {batch[0].id_property})
        return await reader.read_by(batch[0].id_property, [contact.key for contact in batch], asked)


def _written(tallies: Tallies) -> int:
    """The number of rows that were written, or may have been."""
    return tallies.rows - tallies.open - sum(tallies.outcomes[outcome] for outcome in _NOT_WRITTEN)


def _in_doubt_below(checkpoint: Checkpoint) -> int:
    return max(checkpoint.state().in_doubt_below, Lock(checkpoint.path).read_note())


def job_settings(identity: Identity, checkpoint: Checkpoint, **options: object) -> Settings:
    """The present settings of a job, from its checkpoint; `options` are this invocation's."""
    return Settings(
        checkpoint=checkpoint.path,
        write_results=False,
        **recorded_settings(identity.settings),
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )


def fingerprint(checkpoint: Checkpoint, identity: Identity, periods: Sequence[Period]) -> str:
    """A text that changes when the job is resumed or restarted."""
    tallies = checkpoint.state().tallies
    compared = repr((checkpoint.job_id(), identity, sorted(tallies.outcomes.items()), tallies.rows, periods))
    return sha256(compared.encode()).hexdigest()


def find_sources(identity: Identity, checkpoint: Checkpoint, named: tuple[str, ...]) -> tuple[str, ...]:
    """The paths of the job's sources: as named now, as recorded, or beside the checkpoint."""
    if named:
        return named
    found = []
    for source in identity.sources:
        beside = checkpoint.path.parent / source.name.rsplit("/", 1)[-1]
        if source.name == "-":
            raise CheckpointError(
                "the job read standard input; save the same data as a file, and give it with --source PATH"
            )
        found.append(source.name if Path(source.name).is_file() or not beside.is_file() else str(beside))
    return tuple(found)
