"""The pass over links: the records of the rows that are settled are linked with others.

Each stage works in pages and commits what it has found out, so that a killed pass begins with what is left. A
link that was sent and not answered is sent again, which changes nothing if it was made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from msgspec import structs

from uploader.associations import other_ends
from uploader.associations.creation import EndCreator, records_of
from uploader.associations.existing_links import UNKNOWN, Linked, read_links
from uploader.associations.link_progress import LinkProgress, read_link_progress
from uploader.associations.link_verdict import Ends, Link, Refused
from uploader.associations.link_writer import LinkState, LinkWriter
from uploader.associations.links_list import check_place, write_links_list
from uploader.associations.results_of_another_job import check_results, read_known, read_pages
from uploader.associations.types import create_labels, resolve_types
from uploader.associations.work_list import End, FoundEnd, PlannedLink, RowKey, Wave, WorkList, bearer
from uploader.errors import AccountingError
from uploader.hubspot.associations import is_primary
from uploader.hubspot.object_types import noun
from uploader.hubspot.requests import MAX_INPUTS, MAX_SEARCHED, paths
from uploader.model.associations import AssociationType, KnownRecords, LinkColumn, LinkCounts, LinkOutcome
from uploader.model.follow_ups import LINKS
from uploader.model.records import lock_key
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.rate.in_flight_slots import Slots
from uploader.pipeline.read_matching import Answer, with_reason
from uploader.pipeline.requests.attempts import Piece
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.key_search import key_search_of
from uploader.pipeline.requests.record_ids import read_keys
from uploader.pipeline.requests.record_search import RecordSearch
from uploader.pipeline.requests.retry import History
from uploader.settings import Settings
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint

Item = TypeVar("Item")

_WORKERS = 16
#: A search finds a record only some seconds after it was made.
_INDEXED_SECONDS = 20.0
#: Rows whose keys are looked up together, which keeps the requests full.
_PAGE_ROWS = 3_200


class LinksFollowUp:
    """The links of a job."""

    name = LINKS

    def __init__(self, settings: Settings, known_records: Sequence[KnownRecords] = ()) -> None:
        """`known_records`: of other jobs; they need not be looked up."""
        self.stage = ""  #: what is done at the moment
        self.progress = LinkProgress()
        self.settings = settings
        self.known_records = known_records
        self._file = AssociationsFile(settings.checkpoint_path)
        self._types: Mapping[LinkColumn, AssociationType] = {}

    def open(self, job: str) -> None:
        """Open the file of links of a job that was begun before. CheckpointError."""
        self._file.open(job)
        self.progress = self._counted()

    @property
    def text(self) -> str:
        counts = self.progress.counts
        return f"links: {counts.read - counts.open:,} of {counts.read:,}, {self.stage}"

    def close(self) -> None:
        self._file.close()

    async def check(self, tools: Tools) -> Sequence[str]:
        """SettingsError if the account lacks the types of the links, or their list can't be written."""
        if self.settings.links_path is not None:
            await tools.reader.run(partial(check_place, self.settings.links_path))
        for one in filter(None, {one.results for one in self.settings.associations}):
            await tools.reader.run(partial(check_results, Path(one)))
        former = await tools.writer.run(self._file.columns) if self._file.is_open else []
        current = self.settings.associations
        columns = dict.fromkeys([*current, *(follower(one, current) for one in former)])
        self._types = await resolve_types(
            list(columns),
            self.settings.object_type,
            tools,
            creates_labels=self.settings.create_labels,
        )
        return ()

    async def run(self, tools: Tools, checkpoint: Checkpoint) -> None:
        run, settings = tools.writer.run, self.settings
        is_final = checkpoint.state().state == "complete"
        if not self._file.is_open:
            await run(partial(self._file.open, checkpoint.job_id()))
        columns = await run(self._follow_columns)
        followers = [follower(one, settings.associations) for one in columns]
        try:
            await run(partial(self._file.note_list_due, is_due=True))
            if any(one not in self._types for one in followers):
                self._types = await create_labels(followers, settings.object_type, tools)
            types = [self._types[one] for one in followers]
            work_list = WorkList(self._file, settings.object_type, columns, types)
            await _Pass(self, columns, work_list, tools, is_final=is_final).run()
        finally:
            await self.count(tools)
            if settings.links_path is not None:
                await run(partial(self._write_list, settings.links_path, checkpoint))
        if is_final and self.progress.open:
            raise AccountingError(f"{self.progress.open:,} links have no outcome")

    def _follow_columns(self) -> Sequence[LinkColumn]:
        """Give links that were not sent to the columns that the settings have now in the place of theirs.
        Returns all columns, by number.
        """
        current = self.settings.associations
        self._file.note_columns(current)
        columns = self._file.columns()
        followers = {number: columns.index(follower(one, current)) for number, one in enumerate(columns)}
        self._file.move_open({before: after for before, after in followers.items() if before != after})
        return columns

    def write_due_list(self, checkpoint: Checkpoint) -> None:
        """SettingsError if another file is in its place."""
        path = self.settings.links_path
        if path is not None and self._file.is_open and self._file.list_is_due():
            check_place(path)
            self._write_list(path, checkpoint)

    def _write_list(self, path: Path, checkpoint: Checkpoint) -> None:
        names = [one.name for one in checkpoint.identity().sources]
        write_links_list(path, self._file, names, self.settings.id_property)
        self._file.note_list_due(is_due=False)

    async def count(self, tools: Tools) -> None:
        self.progress = await tools.writer.run(self._counted)

    def _counted(self) -> LinkProgress:
        path = self.settings.links_path
        return read_link_progress(self._file, listed_in=path.name if path else "")

    def note(self, more: Mapping[LinkOutcome, int]) -> None:
        """Count links that have got their outcome."""
        counts = self.progress.counts
        outcomes = {one: counts.outcomes.get(one, 0) + more.get(one, 0) for one in LinkOutcome}
        self.progress = replace(self.progress, counts=LinkCounts(counts.read, outcomes))


def follower(column: LinkColumn, current: Sequence[LinkColumn]) -> LinkColumn:
    """The column of the settings in the place of a former one, if they were changed since. A former one that
    they do not have any more stays as it was.
    """
    if column in current:
        return column
    place = (column.column, column.object_type)
    same = [one for one in current if (one.column, one.object_type) == place]
    return same[0] if len(same) == 1 else column


class _Worker:
    """Works on one batch at a time, and has a slot for it. Others work while it waits out a backoff."""

    def __init__(self, tools: Tools, slots: Slots) -> None:
        self.is_in_flight = False  #: a request of this worker is in flight
        self.attempts = structs.replace(
            tools.attempts, sleep=self._sleep, note_in_flight=self._note_in_flight
        )
        self._slots = slots
        self._has_slot = False

    async def __aenter__(self) -> Self:
        await self._slots.enter()
        self._has_slot = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _note_in_flight(self, in_flight: bool) -> None:
        self.is_in_flight = in_flight

    def _leave(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self._slots.leave()

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._leave()
            await asyncio.sleep(seconds)
            await self.__aenter__()


class _Pass:
    """One pass over the links of a job."""

    def __init__(
        self,
        job: LinksFollowUp,
        columns: Sequence[LinkColumn],
        work_list: WorkList,
        tools: Tools,
        *,
        is_final: bool,
    ) -> None:
        """`is_final`: no rows are left that may create what is not there yet."""
        self._job = job
        self._columns = columns
        self._work_list = work_list
        self._tools = tools
        self._writer = tools.writer
        self._is_final = is_final
        self._slots = Slots(tools.attempts.sender)
        self._state = LinkState()
        self._busy = 0
        self._began = asyncio.get_running_loop().time()

    async def run(self) -> None:
        job, work_list, run = self._job, self._work_list, self._writer.run
        job.stage = "finding the records of the rows"
        await run(work_list.begin)
        await self._each_page(work_list.apply_rows)
        await job.count(self._tools)
        await self._share(self._rows_without_id(), self._find_rows)
        job.stage = "finding the other records"
        for place in await run(work_list.wanted_places):
            await self._find_others(place, self._columns[place])
        await self._each_page(partial(work_list.find_ends, is_final=self._is_final))
        waves = await run(work_list.plan)
        await job.count(self._tools)
        for wave in waves:
            job.stage = f"linking {noun(wave.object_type).many}"
            await self._share(self._batches(wave), partial(self._make, wave))
        await self._settle((), self._state.doubtful)
        await run(work_list.settle_repeats)

    async def _each_page(self, step: Callable[[int], int | None]) -> None:
        after: int | None = -1
        while after is not None:
            self._tools.attempts.check_wanted()
            after = await self._writer.run(partial(step, after))

    async def _share(self, batches: Iterator[Item], work: Callable[[_Worker, Item], Awaitable[None]]) -> None:
        """Give batches, which the writer's thread reads, to the workers until none is left."""

        async def serve(worker: _Worker) -> None:
            while (batch := await self._writer.run(lambda: next(batches, None))) is not None:
                async with worker:
                    self._busy += 1
                    try:
                        await work(worker, batch)
                    finally:
                        self._busy -= 1

        cap = self._tools.attempts.sender.cap
        workers = [_Worker(self._tools, self._slots) for _ in range(min(_WORKERS, cap.maximum))]

        async def drain(tasks: Collection[asyncio.Task[None]]) -> None:
            """Wait for the requests in flight: what they have made need not be sent again."""
            waiting = {task for task, one in zip(tasks, workers, strict=True) if one.is_in_flight}
            if waiting:
                await self._tools.wait_for_the_last(waiting)

        await self._tools.run_workers(map(serve, workers), drain)

    def _note_good_batch(self) -> None:
        """A batch was answered well: others need not wait for that any more."""
        self._tools.attempts.sender.note_good_batch()
        self._slots.wake()

    # --- the records of the rows ---

    def _rows_without_id(self) -> Iterator[Sequence[RowKey]]:
        """Rows of one key property each."""
        after = -1
        while page := self._work_list.rows_without_id(after, _PAGE_ROWS):
            after = page[-1].position
            for name in dict.fromkeys(row.id_property for row in page):
                rows = [row for row in page if row.id_property == name]
                by_key: dict[str, list[RowKey]] = {}
                for row in rows:
                    by_key.setdefault(lock_key(name, row.key), []).append(row)
                groups = list(by_key.values())
                for start in range(0, len(groups), MAX_INPUTS):
                    yield [row for group in groups[start : start + MAX_INPUTS] for row in group]

    async def _find_rows(self, worker: _Worker, rows: Sequence[RowKey]) -> None:
        """Read the ids of the rows' records by their keys."""
        name = rows[0].id_property
        keys = {lock_key(name, row.key): row.key for row in rows}
        paths = self._tools.paths
        search = key_search_of(paths, self._writer)
        reader = Reader(worker.attempts, paths.read, search=search)
        answers = await read_keys(name, list(keys.values()), reader)
        ids: dict[int, str] = {}
        unknown: dict[int, str] = {}
        for row in rows:
            answer = answers[name, lock_key(name, row.key)]
            if answer.held is not None and answer.is_definite:
                ids[row.position] = answer.held.id
            elif answer.answer is Answer.ABSENT:
                unknown[row.position] = "HubSpot has no record with the row's key any more"
            else:
                what = "HubSpot did not say which record has the row's key"
                unknown[row.position] = with_reason(what, answer.why)
        await self._writer.run(partial(self._work_list.note_row_ids, ids, unknown))
        self._note_good_batch()

    # --- the other records ---

    async def _find_others(self, place: int, column: LinkColumn) -> None:
        """Find the other records that a column's values name, and create those that are not there, if that
        was asked for.
        """
        job = self._job
        if column.results:
            await self._take_from_results(place, column)
        else:
            await self._take_known(place, column)
        await self._look_up(place, column)
        if not self._is_final:  # a later row may create what is not there
            return
        if other_ends.is_searched(column) and await self._writer.run(
            lambda: self._work_list.reopen_absent(place)
        ):
            job.stage = "searching once more for records that may be new"
            seconds = self._began + _INDEXED_SECONDS - asyncio.get_running_loop().time()
            await self._tools.run_workers([asyncio.sleep(seconds)])
            await self._look_up(place, column)
        is_asked = column.object_type in job.settings.create_missing
        if is_asked and other_ends.can_be_created(column):
            job.stage = f"creating {noun(column.object_type).many} that are missing"
            await self._share(self._absent_ends(place), partial(self._create, place, column))
            await self._look_up(place, column)  # those whose answers did not name an id

    async def _take_from_results(self, place: int, column: LinkColumn) -> None:
        """Note the ids of another job's records."""
        path = Path(column.results)
        pages = read_pages(path, column.by)
        while (page := await self._tools.reader.run(lambda: next(pages, None))) is not None:
            await self._writer.run(partial(self._work_list.note_results, place, page))
        why = f"{path.name} has no row with {column.by} "
        await self._writer.run(partial(self._work_list.end_results, place, why))

    async def _take_known(self, place: int, column: LinkColumn) -> None:
        """Note the ids that the results files of other jobs have of a column's records."""
        pages = read_known(self._job.known_records, column)
        while (page := await self._tools.reader.run(lambda: next(pages, None))) is not None:
            await self._writer.run(partial(self._work_list.note_results, place, page))

    async def _look_up(self, place: int, column: LinkColumn) -> None:
        there = paths(self._job.settings.api_version, column.object_type)

        async def look_up(worker: _Worker, ends: Sequence[End]) -> None:
            if other_ends.is_searched(column):
                by = RecordSearch(worker.attempts, there.search, column.by)
                found = await other_ends.search(ends, column, by)
            else:
                found = await other_ends.read(ends, column, Reader(worker.attempts, there.read))
            await self._writer.run(partial(self._work_list.note_ends, place, found))
            self._note_good_batch()

        most = MAX_SEARCHED if other_ends.is_searched(column) else MAX_INPUTS
        await self._share(self._open_ends(place, most), look_up)

    async def _create(self, place: int, column: LinkColumn, worker: _Worker, ends: Sequence[End]) -> None:
        await self._writer.run(partial(self._work_list.note_creating, place, ends))

        async def note(found: Mapping[str, FoundEnd]) -> None:
            await self._writer.run(partial(self._work_list.note_ends, place, found))

        there = paths(self._job.settings.api_version, column.object_type)
        creator = EndCreator(ends, column, there, note, is_tail=lambda: self._busy <= 1)
        history = History(successes_seen=worker.attempts.sender.write_successes)
        await worker.attempts.run(creator, [Piece(records_of(ends, column), history)])

    def _absent_ends(self, place: int) -> Iterator[Sequence[End]]:
        after = ""
        while page := self._work_list.absent_ends(place, after, MAX_INPUTS):
            after = page[-1].name
            yield page

    def _open_ends(self, place: int, most: int) -> Iterator[Sequence[End]]:
        after = ""
        while page := self._work_list.open_ends(place, after, most):
            after = page[-1].name
            yield page

    # --- the links ---

    def _batches(self, wave: Wave) -> Iterator[Sequence[PlannedLink]]:
        while batch := self._work_list.next_batch(wave, self._state.most):
            yield batch

    async def _make(self, wave: Wave, worker: _Worker, batch: Sequence[PlannedLink]) -> None:
        """Make the links that are not there. What was read before a long pause is read again after it."""
        known = {one.link.id: one for one in batch}
        pieces = [
            Piece([one.link for one in batch], History(successes_seen=worker.attempts.sender.write_successes))
        ]
        while pieces:
            pieces, in_doubt = await self._make_fresh(wave, worker, known, pieces)
            known |= {number: replace(known[number], is_sent=True) for number in in_doubt}

    async def _make_fresh(
        self, wave: Wave, worker: _Worker, known: Mapping[int, PlannedLink], pieces: Sequence[Piece[Link]]
    ) -> tuple[list[Piece[Link]], Collection[int]]:
        """Make links for as long as what is read of them is fresh. Returns those that were not sent in time,
        and all of which an earlier request may have been carried out. What was there before is noted before
        the first request leaves.
        """
        ends = Ends(self._job.settings.object_type, wave.object_type)
        writer = LinkWriter(
            worker.attempts,
            self._tools.paths,
            ends,
            self._state,
            self._settle,
            note_in_flight=self._slots.note_in_flight,
            note_good=self._note_good_batch,
            is_tail=lambda: self._busy <= 1,
        )
        batch = [known[link.id] for piece in pieces for link in piece.items]
        held = await self._read_before(worker, ends, batch)
        already = {one.link.id: one.link for one in batch if _is_there(one, ends, held)}
        await self._settle((), (), list(already.values()))
        todo = [one for one in batch if one.link.id not in already]
        left = [
            Piece([one for one in piece.items if one.id not in already], piece.history) for piece in pieces
        ]
        notes = [(one.link, *_former(one, ends, held)) for one in todo]
        await self._writer.run(partial(self._work_list.note_sent, notes))
        try:
            outdated = await worker.attempts.run(writer, [piece for piece in left if piece.items])
        finally:
            unsent = [one.link for one in todo if not one.is_sent and one.link.id not in writer.in_doubt]
            await self._writer.run(partial(self._work_list.note_unsent, unsent))
        return outdated, writer.in_doubt

    async def _read_before(
        self, worker: _Worker, ends: Ends, batch: Sequence[PlannedLink]
    ) -> Mapping[tuple[str, str], Linked]:
        """What records are linked with already, by end and id."""
        known: dict[tuple[str, str], Linked] = {}
        for end, of, to in (("from", ends.of, ends.to), ("to", ends.to, ends.of)):
            ids = list(dict.fromkeys(_looked_at(one, ends)[1] for one in batch if _is_read(one, ends, end)))
            if ids:
                path = paths(self._job.settings.api_version, of).associations.replace("{to}", to)
                found = await read_links(ids, Reader(worker.attempts, path))
                known |= {(end, one): linked for one, linked in found.items()}
        return known

    async def _settle(
        self, linked: Sequence[Link], refused: Sequence[Refused], already: Sequence[Link] = ()
    ) -> None:
        await self._writer.run(partial(self._work_list.settle, linked, already, refused))
        counts = dict.fromkeys(LinkOutcome, 0)
        counts[LinkOutcome.LINKED] += len(linked)
        counts[LinkOutcome.ALREADY] += len(already)
        for one in refused:
            counts[one.outcome] += 1
        self._job.note(counts)


def _looked_at(one: PlannedLink, ends: Ends) -> tuple[str, str]:
    """The end of a link whose links tell what is there, and its id. Which company is the primary one is told
    by the record that has it.
    """
    is_turned = is_primary(one.link.type) and bearer(ends.of, ends.to) == "to"
    return ("to", one.link.pair.to_id) if is_turned else ("from", one.link.pair.from_id)


def _is_read(one: PlannedLink, ends: Ends, end: str) -> bool:
    """Whether to read the links of an end. What was there before an earlier request is noted already. Records
    that the job has created are read, too: HubSpot, or a person, may have linked them since.
    """
    return not one.is_sent and _looked_at(one, ends)[0] == end


def _linked(one: PlannedLink, ends: Ends, known: Mapping[tuple[str, str], Linked]) -> Linked:
    looked_at = _looked_at(one, ends)
    return known.get(looked_at, UNKNOWN) if _is_read(one, ends, looked_at[0]) else Linked({})


def _other(one: PlannedLink, ends: Ends) -> str:
    return one.link.pair.from_id if _looked_at(one, ends)[0] == "to" else one.link.pair.to_id


def _is_there(one: PlannedLink, ends: Ends, known: Mapping[tuple[str, str], Linked]) -> bool:
    is_turned = _looked_at(one, ends)[0] == "to"
    return _linked(one, ends, known).has(_other(one, ends), one.link.type, is_turned=is_turned)


def _former(one: PlannedLink, ends: Ends, known: Mapping[tuple[str, str], Linked]) -> tuple[str | None, str]:
    """The types of the pair before, and the record that loses its place as the primary one."""
    linked, other = _linked(one, ends, known), _other(one, ends)
    displaced = linked.primary if is_primary(one.link.type) and linked.primary != other else ""
    return linked.types(other), displaced
