"""Takes the records out of a list that a job has put there, and deletes the list if the job made it and it is
empty then. What others have put there stays.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from uploader.errors import DeclinedError
from uploader.hubspot import lists
from uploader.hubspot.account import Account
from uploader.hubspot.lists import Change, RecordList
from uploader.hubspot.object_types import type_id
from uploader.jobs.early_ending import Ending
from uploader.jobs.session import Seams, Session, early_end
from uploader.jobs.summary import EarlyEnd
from uploader.lists.addition import is_of_request
from uploader.lists.doubts import settle_doubts
from uploader.lists.membership_task import MembershipTask, Room
from uploader.lists.named_list import find_list, not_static_text, read_list, refusal
from uploader.model.lists import Member
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.requests.attempts import Piece
from uploader.settings import Settings
from uploader.storage.list_file import ListFile
from uploader.system.blocking_calls import Offload
from uploader.undo.around_records import check_portal, run_locked, settings_for


@dataclass(slots=True)
class ListReport:
    """The result, over all undos of the list."""

    name: str
    list_id: str = ""  #: "" if the job has neither found nor made it
    removed: int = 0  #: records that were taken out
    left: int = 0  #: records that the job has put there, and that are not taken out
    is_made: bool = False  #: the job has made the list
    is_gone: bool = False  #: the list is not there, or not any more
    why_kept: str = ""  #: why a list that the job has made stays, or why records can't be taken out
    is_dry: bool = False  #: nothing was written
    requests: int = 0
    end: EarlyEnd | None = None

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=self.removed > 0)
        return int(self.left > 0 and (bool(self.why_kept) or not self.is_dry))


#: Called before anything is written.
Approve = Callable[[Account, ListReport], Awaitable[bool]]


class ListUndo:
    """Call `run` once."""

    def __init__(
        self,
        settings: Settings,
        file: ListFile,
        seams: Seams | None = None,
        *,
        approve: Approve | None = None,
        dry: bool = False,
    ) -> None:
        """`settings`: from `list_settings`. `file`: open. `dry`: write nothing, and report what would be
        done: the records that are left.
        """
        self.settings = settings
        self.ending = Ending()
        self.report = ListReport(file.about["name"], is_dry=dry)
        self._file = file
        self._seams = seams or Seams()
        self._approve = approve
        self._dry = dry

    async def run(self) -> ListReport:
        """Undo what the job did to the list. UploaderError if that can't start."""
        session: Session | None = None

        async def work(writer: Offload) -> None:
            nonlocal session
            async with Session(self.settings, self._seams, self.ending) as session:
                await self.ending.unless_ended(self._run(session, writer))

        await run_locked(self.settings.checkpoint_path, self._seams, self.ending, work)
        self.report.requests = session.sender.tallies.requests if session else 0
        self.report.end = early_end(self.ending, session)
        return self.report

    async def _run(self, session: Session, writer: Offload) -> None:
        account = await session.read_account()
        check_portal(self._file.path, self._file.about["portal"], account)
        tools = session.tools(account, writer, writer)
        found = await self._find(tools)
        self._count()
        if found is None:
            self.report.is_gone, self.report.left = True, 0
            return
        if not found.is_static:
            self.report.why_kept = not_static_text(found)
            return
        if not self._dry:
            await writer.run(self._file.doubt_unanswered)
            await settle_doubts(self._file, tools, found.id)
            self._count()
        is_work = self.report.left or self.report.is_made
        if is_work and self._approve and not self._dry and not await self._approve(account, self.report):
            raise DeclinedError("nothing was undone")
        if not self._dry:
            await self._remove_all(session, tools, found)

    async def _find(self, tools: Tools) -> RecordList | None:
        """The job's list; None if there is none, or it was deleted. An answer that was lost may have made
        it.
        """
        about = self._file.about
        self.report.list_id, self.report.is_made = about.get("list_id", ""), bool(about.get("made"))
        if self.report.list_id:
            return await read_list(tools, self.report.list_id)
        if not (sent_at := about.get("make_sent_at", "")):
            return None
        found = await find_list(tools, type_id(self.settings.object_type), about["name"])
        if found is None or not is_of_request(found, sent_at):
            return None
        self.report.list_id, self.report.is_made = found.id, True
        if not self._dry:
            await tools.writer.run(partial(self._file.note, list_id=found.id, made="1"))
        return found

    def _count(self) -> None:
        file, report = self._file, self.report
        report.removed = file.count(Member.REMOVED)
        report.left = file.count(Member.ADDED, Member.SENT, Member.DOUBT)

    async def _remove_all(self, session: Session, tools: Tools, found: RecordList) -> None:
        file, room = self._file, Room()

        async def note(sent: Sequence[int], change: Change, in_doubt: object) -> None:
            del change, in_doubt  # those that it does not name were taken out before
            await tools.writer.run(partial(file.note_answer, dict.fromkeys(sent, Member.REMOVED)))

        async def refuse() -> None:
            now = await read_list(tools, found.id)
            if now is None or not now.is_static:
                gone = f"the list {found.name!r} (id {found.id}) was deleted meanwhile"
                raise StopRun(Cause.LIST, not_static_text(now) if now else gone)

        async def work() -> None:
            while ids := await tools.writer.run(lambda: file.added(room.records)):
                task = MembershipTask(
                    tools.paths,
                    found.id,
                    room,
                    add=False,
                    in_doubt=(),
                    on_change=note,
                    on_refusal=refuse,
                )
                await tools.attempts.run(task, [Piece(ids)])

        try:
            await session.run_workers([work()])
        finally:
            self._count()
        if self.report.is_made:
            await self._delete_if_empty(tools, found)

    async def _delete_if_empty(self, tools: Tools, found: RecordList) -> None:
        reply = await tools.ask(lists.read_members(tools.paths, found.id))
        page = lists.decode_page(reply.body) if reply.ok else None
        if page is None and reply.status != 404:
            raise refusal(reply)
        if page is not None and page.members:
            self.report.why_kept = "it has members that the job has not put there"
            return
        reply = await tools.ask(lists.delete(tools.paths, found.id))
        if not reply.ok and reply.status != 404:
            raise refusal(reply)
        self.report.is_gone = True


def list_settings(file: ListFile, checkpoint: Path, **options: object) -> Settings:
    """Settings for the account and object type of a list; `options` are this invocation's."""
    return settings_for(file.path, checkpoint, file.about["object_type"], **options)
