"""Verify the links of a job, and of the jobs that corrected its rows: read what is linked, and compare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from msgspec import structs

from uploader.associations.existing_links import Linked, read_links
from uploader.associations.run import follower
from uploader.associations.types import find_type, read_types
from uploader.associations.work_list import bearer
from uploader.errors import SettingsError
from uploader.hubspot.associations import MOST_READ, is_primary
from uploader.hubspot.object_types import noun
from uploader.hubspot.requests import MAX_INPUTS, paths
from uploader.jobs.session import Session
from uploader.model.associations import AssociationType, LinkColumn, LinkCounts, LinkOutcome
from uploader.model.records import OWN_ID, lock_key
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.record_ids import read_keys
from uploader.settings import Settings
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.system.blocking_calls import Offload
from uploader.verify.link_judge import CheckedLink, LinkKind, LinkVerdict, judge_links
from uploader.verify.links_table import LinkedJob, LinkFinding, LinkPage, LinksTable
from uploader.verify.verify_file import VerificationFile


@dataclass(slots=True)
class LinksReport:
    """The result. The counts and what is left add up to the links that are compared: those that the jobs
    made, found, or had no answer for.
    """

    counts: dict[LinkVerdict, int] = field(default_factory=lambda: dict.fromkeys(LinkVerdict, 0))
    left: int = 0
    not_made: int = 0  #: links that ended as missing or rejected, and are not compared
    open: int = 0  #: links without an outcome, which are not compared

    @property
    def compared(self) -> int:
        return sum(self.counts.values()) + self.left

    @property
    def listed(self) -> int:
        """The links that are in the list of differences."""
        return self.compared - self.left - self.counts[LinkVerdict.EQUAL]

    @property
    def is_good(self) -> bool:
        return self.listed == self.counts[LinkVerdict.THERE]


class LinkCheck:
    """The links of one verification. Call `open`, `read_types`, `build` and `read_all`, in this order."""

    def __init__(self, file: VerificationFile, settings: Settings) -> None:
        """`settings`: of the job."""
        self.report = LinksReport()
        self._settings = settings
        self._table = LinksTable(file)
        self._jobs: list[LinkedJob] = []
        self._columns: list[tuple[LinkColumn, LinkColumn]] = []  # as made first, and as made later
        self._kinds: list[LinkKind] = []
        self._counts: list[LinkCounts] = []

    def open(self, checkpoint: Checkpoint, settings: Settings, first_source: int, stack: ExitStack) -> None:
        """Open the links of a job, if it has any. CheckpointError if they are gone."""
        if not checkpoint.has_links_file():
            return
        file = AssociationsFile(checkpoint.path)
        stack.callback(file.close)
        file.open(checkpoint.job_id(), read_only=True)
        main = checkpoint.identity().settings["id_property"]
        self._jobs.append(LinkedJob(file, main, first_source, len(self._columns)))
        self._columns += [(one, follower(one, settings.associations)) for one in file.columns()]
        counts = file.counts()
        self._counts.append(counts)
        self.report.open += counts.open
        for outcome in (LinkOutcome.MISSING, LinkOutcome.REJECTED):
            self.report.not_made += counts.outcomes[outcome]

    @property
    def has_links(self) -> bool:
        return bool(self._jobs)

    @property
    def about(self) -> str:
        """A text that changes when there are other links, or they are compared in another way."""
        return repr((self._counts, self._columns, self._kinds))

    async def read_types(self, tools: Tools) -> None:
        """Read the types of the links. StopRun."""
        known: dict[str, Sequence[AssociationType] | str] = {}
        for to in dict.fromkeys(column.object_type for column, _ in self._columns):
            try:
                known |= await read_types({to: None}, tools)
            except SettingsError as error:
                known[to] = str(error)
        own = self._settings.object_type
        self._kinds = [_kind(columns, own, known[columns[0].object_type]) for columns in self._columns]

    def build(self, sample: int | None) -> Iterator[int]:
        """Take the links from the files of the jobs, page by page; yields how many so far."""
        if self._jobs and not self._table.is_built:
            to = [column.object_type for column, _ in self._columns]
            yield from self._table.build(self._jobs, self._settings.object_type, to, self._kinds)
            self._table.finish(sample)

    def fill_report(self) -> None:
        if self._jobs and self._table.is_built:
            self.report.counts, self.report.left = self._table.counts()

    async def read_all(self, session: Session, writer: Offload, workers: int) -> None:
        """Read what the records are linked with, and compare. StopRun."""
        if not self._jobs:
            return
        pages = self._table.pages(MOST_READ)
        attempts = structs.replace(session.attempts, is_early=True)

        async def work() -> None:
            while page := await writer.run(lambda: next(pages, None)):
                await self._compare(page, attempts, writer)

        await session.run_workers(work() for _ in range(workers))

    async def _compare(self, page: LinkPage, attempts: Attempts, writer: Offload) -> None:
        linked = await self._read(page, list(page.links), attempts)
        checked = {
            one.number: one
            for record, links in page.links.items()
            for one in judge_links(links, self._kinds, linked[record])
        }
        await self._look_closer(page, linked, checked, attempts)
        await writer.run(lambda: self._table.settle(list(checked.values())))
        for one in checked.values():
            self.report.counts[one.verdict] += 1
            self.report.left -= 1

    async def _read(self, page: LinkPage, ids: Sequence[str], attempts: Attempts) -> dict[str, Linked]:
        path = paths(self._settings.api_version, page.of).associations.replace("{to}", page.to)
        return await read_links(ids, Reader(attempts, path)) if ids else {}

    async def _look_closer(
        self,
        page: LinkPage,
        linked: Mapping[str, Linked],
        checked: dict[int, CheckedLink],
        attempts: Attempts,
    ) -> None:
        """Judge the links of records that were merged into others again, and say which are missing because a
        record is not there any more.
        """
        missing = {
            record: lost
            for record, links in page.links.items()
            if (lost := [one for one in links if not one.note and checked[one.number].is_missing])
        }
        others = [one.other for lost in missing.values() for one in lost]
        records = await self._present_ids(page.of, missing, attempts)
        present = await self._present_ids(page.to, others, attempts)
        merged = [now for record, now in records.items() if now not in {"", record}]
        linked = {**linked, **await self._read(page, merged, attempts)}
        for record in missing:
            now = records.get(record, record)
            links = [
                one._replace(other=there or one.other, note=one.note or _gone(page.to, one.other, there))
                for one in page.links[record]
                for there in [present.get(one.other, one.other)]
            ]
            if not now:
                links = [one._replace(note=one.note or _gone(page.of, record, now)) for one in links]
            again = judge_links(links, self._kinds, linked[now or record])
            checked |= {one.number: one for one in again}

    async def _present_ids(self, object_type: str, ids: Iterable[str], attempts: Attempts) -> dict[str, str]:
        """The ids that records have now, by those they had: others if they were merged, "" if they are not
        there any more. Those that HubSpot does not tell are left out.
        """
        reader = Reader(attempts, paths(self._settings.api_version, object_type).read)
        asked = list(dict.fromkeys(ids))
        found: dict[str, str] = {}
        for start in range(0, len(asked), MAX_INPUTS):
            some = asked[start : start + MAX_INPUTS]
            answers = await read_keys(OWN_ID, some, reader)
            for one in some:
                answer = answers[OWN_ID, lock_key(OWN_ID, one)]
                if answer.is_definite:
                    found[one] = answer.held.id if answer.held else ""
        return found

    def findings(self) -> Iterator[tuple[LinkColumn, LinkFinding]]:
        """The links that are not as the jobs made them, each with its column, in the order of rows."""
        for finding in self._table.findings() if self._jobs else ():
            yield self._columns[finding.kind][0], finding


def _gone(object_type: str, hubspot_id: str, present_id: str) -> str:
    return "" if present_id else f"{noun(object_type).one} {hubspot_id} is not there any more"


def _kind(
    columns: tuple[LinkColumn, LinkColumn], own: str, known: Sequence[AssociationType] | str
) -> LinkKind:
    """How the links of a column are compared. `known`: the account's types, or why they are not known."""
    if isinstance(known, str):
        return LinkKind((), is_single=False, is_turned=False, why=known)
    types = tuple(dict.fromkeys(_type(one, own, known) for one in columns))
    end = bearer(own, columns[0].object_type) if all(map(is_primary, types)) else ""
    return LinkKind(types, is_single=bool(end), is_turned=end == "to")


def _type(column: LinkColumn, own: str, known: Sequence[AssociationType]) -> AssociationType:
    """The type of a column's links. Of a label that the account has no more, one that no link has."""
    try:
        return find_type(column, own, known)
    except SettingsError:
        return AssociationType("", 0, column.label)
