"""One invocation of `undo` for created properties: archive those that are still empty."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from uploader.errors import DeclinedError, SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.new_properties import decode_count, encode_count, encode_names, reason_of
from uploader.hubspot.object_types import noun
from uploader.hubspot.replies import Reply, whole_error
from uploader.hubspot.requests import MAX_INPUTS
from uploader.hubspot.transport import Call
from uploader.jobs.early_ending import Ending
from uploader.jobs.session import Seams, Session, early_end, exact_clock
from uploader.jobs.summary import EarlyEnd
from uploader.model.stop import StopRun
from uploader.pipeline.requests.attempts import Piece
from uploader.pipeline.requests.questions import Questions
from uploader.properties.creation import settle_asked
from uploader.properties.creation_record import CreationRecord, State, read_record
from uploader.properties.run import created_at_by_name, read_account_and_properties
from uploader.settings import Settings
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import Lock


@dataclass(slots=True)
class Report:
    """The result. Each property that was created is in one of the lists, or left."""

    portal: str = ""
    archived: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  #: archived by others, or by an earlier undo
    kept: dict[str, str] = field(default_factory=dict)  #: name -> why
    left: list[str] = field(default_factory=list)
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=bool(self.archived))
        return int(bool(self.kept))


#: Asks whether these properties may be archived.
Approve = Callable[[Account, Sequence[str]], Coroutine[Any, Any, bool]]


class Removal:
    """Call `run` once."""

    def __init__(
        self,
        settings: Settings,
        record: CreationRecord,
        seams: Seams | None = None,
        *,
        approve: Approve | None = None,
        dry: bool = False,
    ) -> None:
        """`settings`: from `account_settings`, for the object type of the record. `dry`: archive nothing;
        then `left` names what would be archived.
        """
        self.settings = settings
        self.ending = Ending()
        self.session: Session | None = None  #: None before the first request
        self.report = Report()
        self._path = record.path
        self._seams = seams or Seams()
        self._approve = approve
        self._dry = dry

    async def run(self) -> Report:
        """Archive the properties that no record has a value of. UploaderError if that can't begin."""
        report, clock = self.report, exact_clock()
        writer, began = self._seams.offload("writer"), clock()
        lock = Lock(self._path)
        lock.acquire()
        try:
            record = read_record(self._path)  # as it is under the lock
            async with Session(self.settings, self._seams, self.ending) as session:
                self.session = session
                with suppress(StopRun):
                    await self._run(session, record, writer)
                report.requests = session.sender.tallies.requests
                report.end = early_end(self.ending, session)
        finally:
            lock.release()
            writer.close()
        if self.ending.crash is not None:
            raise self.ending.crash
        report.elapsed_seconds = clock() - began
        return report

    async def _run(self, session: Session, record: CreationRecord, writer: Offload) -> None:
        report = self.report
        account = await self.ending.unless_ended(read_account_and_properties(session))
        if account.portal != record.portal:
            raise SettingsError(
                f"{self._path.name} belongs to account {record.portal}, this token to account "
                f"{account.portal or 'unknown'}; use a token of account {record.portal}"
            )
        report.portal = account.portal
        present = created_at_by_name(session)
        settle_asked(record, present)
        names = record.named(State.CREATED)
        report.gone = [name for name in names if name not in present]
        # One that was archived and created anew by somebody else is not ours.
        others = [n for n in names if n in present and present[n] != record.entries[n].created_at]
        report.kept = dict.fromkeys(others, "it is another property now: created anew by others")
        report.left = [name for name in names if name in present and name not in others]
        await self._keep_used(session)
        if not report.left or self._dry:
            return
        if self._approve and not await self.ending.unless_ended(self._approve(account, report.left)):
            raise DeclinedError("nothing was archived")
        await self._archive(session, record, writer)

    async def _keep_used(self, session: Session) -> None:
        """Ask for each property whether a record has a value of it, and keep those."""
        report, one = self.report, noun(self.settings.object_type)
        names = [*report.kept, *report.left]  # replies come in any order

        async def settle(items: Sequence[str], reply: Reply) -> None:
            [name] = items
            count = decode_count(reply.body) if reply.ok else None
            if count == 0:
                return
            report.left.remove(name)
            if count is None:
                why = reason_of(whole_error(reply)) if not reply.ok else "the reply does not say"
                report.kept[name] = f"it is not known whether it is empty: {why}"
            else:
                word = one.one if count == 1 else one.many
                report.kept[name] = f"{count:,} {word} {'has' if count == 1 else 'have'} a value"

        questions = Questions(
            lambda items: Call("POST", session.paths.search, encode_count(items[0]), is_search=True), settle
        )

        async def ask() -> None:
            await session.attempts.run(questions, [Piece([name]) for name in list(report.left)])

        await session.run_workers([ask()])
        report.kept = {name: report.kept[name] for name in names if name in report.kept}

    async def _archive(self, session: Session, record: CreationRecord, writer: Offload) -> None:
        report = self.report

        async def settle(items: Sequence[str], reply: Reply) -> None:
            report.left = [name for name in report.left if name not in items]
            if reply.ok:
                report.archived += items
                record.note(items, State.ARCHIVED)
                await writer.run(record.write)
            else:
                report.kept.update(dict.fromkeys(items, reason_of(whole_error(reply))))

        path = f"{session.paths.properties}/batch/archive"
        questions = Questions(lambda items: Call("POST", path, encode_names(items)), settle, has_body=False)
        batches = [report.left[at : at + MAX_INPUTS] for at in range(0, len(report.left), MAX_INPUTS)]

        async def send() -> None:
            await session.attempts.run(questions, [Piece(batch) for batch in batches])

        await session.run_workers([send()])
