"""What `--add-to-list` does after the rows: the records that they wrote are put into a list.

Each step is on the disk before the next one, so that a kill at any moment leads to the same end: the ids of
the rows settled so far, then the list, then request by request what was added.
"""

import asyncio
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice

import msgspec

from uploader.errors import CheckpointError, SettingsError
from uploader.hubspot import lists
from uploader.hubspot.lists import Change, RecordList
from uploader.hubspot.object_types import type_id
from uploader.lists.doubts import MARGIN_SECONDS, settle_doubts
from uploader.lists.membership_task import MembershipTask, Room
from uploader.lists.named_list import check_list, find_list, not_static_text, plan_text, read_list, refusal
from uploader.model.follow_ups import RECORD_LIST
from uploader.model.lists import ListProgress, Member
from uploader.model.records import display_key
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.requests.attempts import Piece
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.key_search import key_search_of
from uploader.pipeline.requests.record_ids import RECORDS_THERE, RowWithId, with_ids
from uploader.settings import Settings
from uploader.storage import snapshot
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.list_file import ListFile, Nameless
from uploader.storage.rows_of_results import ResultRow, rows_of_results

#: Requests side by side: few, since a request takes very many records.
_WORKERS = 4
#: A list that appeared so long after the request to make it is another one.
_MAKING_SECONDS = 900.0


class ListAddition:
    """The list of one job. A `FollowUp`."""

    name = RECORD_LIST

    def __init__(self, settings: Settings, file: ListFile, recorded: str, settled: int) -> None:
        """`recorded`: the list that an earlier invocation has begun to fill; "" for none. `settled`: the
        number of rows that the job has settled.
        """
        self.text = ""
        self.list_name = settings.add_to_list or recorded
        self._settings = settings
        self._file = file
        self._recorded = recorded
        self._settled = settled
        self._type_id = type_id(settings.object_type)
        self._room = Room()
        self._done = self._left = 0  # records of this invocation

    # --- before the rows ---

    async def check(self, tools: Tools) -> Sequence[str]:
        """SettingsError if the list cannot take the records."""
        return [plan_text(self.list_name, await self._check(tools))]

    async def _check(self, tools: Tools) -> RecordList | None:
        """The list; None if it is to be made."""
        file = self._file
        list_id = await tools.writer.run(lambda: file.about.get("list_id", "")) if self._recorded else ""
        if not list_id:
            return await check_list(tools, self._type_id, self.list_name)
        found = await read_list(tools, list_id)
        if found is not None and self.list_name != self._recorded:
            raise SettingsError(
                f"--add-to-list {self.list_name!r}: the records of this job are in the list "
                f"{self._recorded!r} (id {list_id}), and a job has one list; use that name, or undo the job"
            )
        if found is None and self.list_name == self._recorded:
            raise SettingsError(
                f"the list {self._recorded!r} (id {list_id}), which has the records of this job, was "
                "deleted: restore it in HubSpot, or use another name with --add-to-list"
            )
        if found is not None and not found.is_static:
            raise SettingsError(f"{not_static_text(found)}; make it a static list again")
        return found or await check_list(tools, self._type_id, self.list_name)

    @property
    def progress(self) -> ListProgress:
        if not self._recorded:
            return ListProgress(self.list_name, rows_left=self._settled)
        return self._file.progress(self._settled)

    # --- after the rows ---

    async def run(self, tools: Tools, checkpoint: Checkpoint) -> None:
        """Put the records of all settled rows into the list. StopRun if that is not possible now."""
        self.text = "reading the ids of records for the list"
        await tools.writer.run(partial(self._begin, checkpoint))
        await self._collect(tools, checkpoint)
        self.text = f"putting records into the list {self.list_name!r}"
        first = await tools.writer.run(self._file.first_open)
        if first is None:
            return
        try:
            found = await self._find_or_make(tools)
            await self._add(tools, found.id, first - 1)
            await settle_doubts(self._file, tools, found.id)
        except SettingsError as error:  # someone has changed the list since `check`
            raise StopRun(Cause.LIST, str(error)) from error

    def write_due_list(self, checkpoint: Checkpoint) -> None:
        """It has none."""

    def _begin(self, checkpoint: Checkpoint) -> None:
        """Create the file, or take another list if that of an earlier invocation is gone."""
        if not self._recorded:
            snapshot.put_aside(self._file.path)  # of another job, or nothing is in it
            identity = checkpoint.identity()
            about = {"name": self.list_name, "job": checkpoint.job_id(), "portal": identity.portal}
            self._file.create({**about, "object_type": self._settings.object_type})
        elif self._recorded != self.list_name:
            self._file.begin_anew(self.list_name)
        self._recorded = self.list_name

    async def _collect(self, tools: Tools, checkpoint: Checkpoint) -> None:
        """Note the records of the rows that were settled since the last invocation."""
        file, writer = self._file, tools.writer
        settled = self._settled = checkpoint.state().tallies.settled
        lack = checkpoint.rows_not_in_results()
        known = int((await writer.run(lambda: file.about)).get("rows", 0))
        unlisted, rows = max(0, lack - known), max(known, lack)
        if rows >= settled:
            return
        search = key_search_of(tools.paths, tools.writer)
        reader = Reader(tools.attempts, tools.paths.read, search=search)
        some = self._rows(checkpoint, tools, rows - lack)
        try:
            async for page in with_ids(some, reader, tools.run_workers, tools.reader):
                rows += len(page)
                self.text = f"reading the ids of records for the list: {rows:,} of {settled:,} rows"
                await writer.run(partial(self._note_page, page, rows, unlisted))
                unlisted = 0
        except CheckpointError as error:
            if not self._settings.accept_changed_results:
                raise StopRun(Cause.RESULTS, str(error)) from error
        if rows < settled:  # the results file does not have them
            await writer.run(partial(file.add, (), (), settled, unlisted + settled - rows))

    def _rows(self, checkpoint: Checkpoint, tools: Tools, start: int) -> Iterator[ResultRow]:
        path, identity = self._settings.results_path, checkpoint.identity()
        assert path is not None
        schema = tools.account.schema
        keys = (*self._settings.match, *(sorted(schema.unique) if schema else ()))
        names = [source.name for source in identity.sources]
        return islice(rows_of_results(path, checkpoint.state().results, names, keys), start, None)

    def _note_page(self, page: Sequence[RowWithId], rows: int, unlisted: int) -> None:
        there = [one for one in page if one.row.outcome in RECORDS_THERE]
        ids = {int(one.hubspot_id) for one in there if one.hubspot_id.isdecimal()}
        main = self._settings.id_property
        nameless = [
            Nameless(
                one.row.source,
                one.row.row,
                display_key(one.row.key, [f"{one.row.id_property}="], main),
                one.why or "HubSpot's id is no number",
            )
            for one in there
            if not one.hubspot_id.isdecimal()
        ]
        self._file.add(ids, nameless, rows, unlisted)

    # --- the list ---

    async def _find_or_make(self, tools: Tools) -> RecordList:
        about = await tools.writer.run(lambda: self._file.about)
        list_id, name = about.get("list_id", ""), about["name"]
        found = await read_list(tools, list_id) if list_id else await find_list(tools, self._type_id, name)
        if found is None and list_id:
            raise StopRun(Cause.LIST, f"the list {name!r} (id {list_id}) was deleted meanwhile")
        if found is None:
            return await self._make(tools, name)
        if not found.is_static:
            raise StopRun(Cause.LIST, not_static_text(found))
        if not list_id:
            await self._keep(tools, found, is_ours=is_of_request(found, about.get("make_sent_at", "")))
        return found

    async def _make(self, tools: Tools, name: str) -> RecordList:
        """Make the list. A request whose answer was lost may have made it."""
        now = tools.server_now().timestamp()
        await tools.writer.run(partial(self._file.note, make_sent_at=str(now)))
        reply = await tools.ask(lists.create(tools.paths, self._type_id, name))
        found, is_ours = lists.decode_list(reply.body) if reply.ok else None, True
        if found is None:
            found = await find_list(tools, self._type_id, name)
            is_ours = found is not None and is_of_request(found, str(now))
        if found is None:
            raise refusal(reply)
        await self._keep(tools, found, is_ours=is_ours)
        return found

    async def _keep(self, tools: Tools, found: RecordList, *, is_ours: bool) -> None:
        await tools.writer.run(partial(self._file.note, list_id=found.id, made="1" if is_ours else ""))

    # --- its members ---

    async def _add(self, tools: Tools, list_id: str, after: int) -> None:
        """Send all records that are open, in requests as large as HubSpot takes."""
        file, writer = self._file, tools.writer
        self._done, self._left = 0, (await writer.run(partial(file.progress, 0))).open
        last = after

        def take() -> tuple[list[int], set[int]]:
            nonlocal last
            ids, again = file.take_unsent(last, self._room.records, tools.server_now().timestamp())
            last = ids[-1] if ids else last
            return ids, again

        in_flight: set[asyncio.Task[None] | None] = set()

        def note_in_flight(is_in_flight: bool) -> None:
            (in_flight.add if is_in_flight else in_flight.discard)(asyncio.current_task())

        attempts = msgspec.structs.replace(tools.attempts, note_in_flight=note_in_flight)

        async def work(most: float = math.inf) -> None:
            while most > 0:
                attempts.check_wanted()
                taken, most = await writer.run(take), most - 1
                if not taken[0]:
                    return
                task = MembershipTask(
                    tools.paths,
                    list_id,
                    self._room,
                    add=True,
                    in_doubt=taken[1],
                    on_change=partial(self._note, tools),
                    on_refusal=partial(self._refuse, tools),
                )
                await attempts.run(task, [Piece(taken[0])])

        async def drain(tasks: Collection[asyncio.Task[None]]) -> None:
            """Wait for the requests in flight: what they have added need not be sent again."""
            if waiting := set(tasks) & in_flight:
                await tools.wait_for_the_last(waiting)

        await tools.run_workers([work(1)], drain)  # alone: it shows how much a request may carry
        await tools.run_workers((work() for _ in range(_WORKERS)), drain)

    async def _note(
        self, tools: Tools, sent: Sequence[int], change: Change, in_doubt: Collection[int]
    ) -> None:
        await tools.writer.run(partial(self._file.note_answer, members_after(sent, change, in_doubt)))
        self._done += len(sent)
        self.text = f"putting records into the list {self.list_name!r}: {self._done:,} of {self._left:,}"

    async def _refuse(self, tools: Tools) -> None:
        """StopRun if the list is the reason why records were refused."""
        await self._find_or_make(tools)


def find_list_addition(
    settings: Settings, checkpoint: Checkpoint | None, stack: ExitStack
) -> list[ListAddition]:
    """The list that the settings name, or that an earlier invocation of the job has begun to fill."""
    file = ListFile(settings.checkpoint_path)
    stack.callback(file.close)
    is_begun = checkpoint is not None and file.open() and file.about["job"] == checkpoint.job_id()
    recorded = file.about["name"] if is_begun else ""
    if not recorded:
        file.close()
    if not settings.add_to_list and not recorded:
        return []
    if not settings.write_results:
        raise SettingsError("--add-to-list reads the records from the results file; remove --no-results")
    settled = checkpoint.state().tallies.settled if checkpoint else 0
    return [ListAddition(settings, file, recorded, settled)]


def members_after(sent: Sequence[int], change: Change, in_doubt: Collection[int]) -> Mapping[int, Member]:
    """What became of the records of an answered request. `in_doubt`: those that an earlier one may have
    added.
    """

    def state(one: int) -> Member:
        text = str(one)
        if text in change.added:
            return Member.ADDED
        if text in change.missing:
            return Member.MISSING
        return Member.DOUBT if one in in_doubt else Member.ALREADY

    return {one: state(one) for one in sent}


def is_of_request(found: RecordList, sent_at: str) -> bool:
    """Whether a list was made by the request that left then, whose answer was lost."""
    if not sent_at or found.created_at is None:
        return False
    return -MARGIN_SECONDS <= found.created_at - float(sent_at) <= _MAKING_SECONDS
