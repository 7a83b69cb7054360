"""One undo of the links that a job made, page by page: read what is linked now, decide by `link_plan`, end or
restore, read it again. What is decided follows from what is there, so a killed undo is begun again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from uploader.associations.existing_links import UNKNOWN, Linked, read_links
from uploader.associations.types import find_type, read_types
from uploader.errors import DeclinedError, SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.associations import Pair, encode_ended_links, encode_links, is_primary
from uploader.hubspot.replies import Reply, whole_error
from uploader.hubspot.requests import paths
from uploader.hubspot.transport import Call
from uploader.jobs.early_ending import Ending
from uploader.jobs.session import Connection, Seams, Session, early_end
from uploader.jobs.summary import EarlyEnd
from uploader.model.associations import AssociationType, LinkColumn
from uploader.model.settled_rows import Tallies
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.requests.attempts import Piece
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.questions import Questions
from uploader.settings import Settings
from uploader.storage.associations_file import AssociationsFile
from uploader.system.blocking_calls import Offload
from uploader.undo.around_records import check_portal, run_locked, settings_for
from uploader.undo.batch_worker import STALLS_SECONDS
from uploader.undo.created_others import CreatedOthers
from uploader.undo.link_plan import LinkPlan, LinkUndo, MadePair, by_outcome, plan
from uploader.undo.made_links import MadeLinks, count_outcomes
from uploader.undo.plan import UNDONE, UndoOutcome
from uploader.undo.would_be_gone import WouldBeGone

#: Pairs that are looked at together: as many links as one request may have.
_PAGE = 1_000
#: How often what was ended is looked for again; the first wait in seconds (it doubles).
_LOOKS_AGAIN, _LOOK_SECONDS = 4, 1.0
_REASONS = 5


@dataclass(slots=True)
class LinksReport:
    """The result. The counts and what is left add up to the links that the job made."""

    made: int = 0
    counts: dict[LinkUndo, int] = field(default_factory=lambda: dict.fromkeys(LinkUndo, 0))
    reasons: Sequence[tuple[str, int]] = ()  #: why links were kept or failed
    others_made: int = 0  #: records that the job created for its links, or may have
    others: dict[UndoOutcome, int] = field(default_factory=dict)  #: what became of them
    is_dry: bool = False  #: nothing was written: `counts` is what would be done
    requests: int = 0
    end: EarlyEnd | None = None

    @property
    def left(self) -> int:
        return self.made - sum(self.counts.values())

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=any(self.counts.values()))
        is_left = any(count for outcome, count in self.others.items() if outcome not in UNDONE)
        return int(is_left or bool(self.counts[LinkUndo.KEPT] + self.counts[LinkUndo.FAILED]))


#: Called before anything is written.
Approve = Callable[[Account, LinksReport], Awaitable[bool]]


class LinksUndo:
    """Call `run` once."""

    def __init__(
        self,
        settings: Settings,
        file: AssociationsFile,
        portal: str,
        seams: Seams | None = None,
        *,
        approve: Approve | None = None,
        dry: bool = False,
        gone: WouldBeGone | None = None,
    ) -> None:
        """`settings`: from `links_settings`; with `restart` all links are looked at again. `file`: open.
        `portal`: the account of the job. `dry`: write nothing, and report what would be done;
        `gone`: the links that would end are added to it.
        """
        self.settings = settings
        self.ending = Ending()
        self.report = LinksReport(is_dry=dry)
        self._file = file
        self._portal = portal
        self._seams = seams or Seams()
        self._approve = approve
        self._dry = dry
        self._gone = gone or WouldBeGone()
        self._tallies = Tallies()

    async def run(self) -> LinksReport:
        """Undo the links of the job. UploaderError if that can't start."""
        session: Session | None = None

        async def work(writer: Offload) -> None:
            nonlocal session
            async with Connection(self.settings, self._seams) as connection:
                session = self._session(connection, self.settings.object_type)
                async with session:
                    await self.ending.unless_ended(self._run(session, writer))
                await self.ending.unless_ended(self._archive_others(connection, writer))

        await run_locked(self.settings.checkpoint_path, self._seams, self.ending, work)
        self.report.requests = self._tallies.requests
        self.report.end = early_end(self.ending, session)
        return self.report

    def _session(self, connection: Connection, object_type: str) -> Session:
        settings = replace(self.settings, object_type=object_type)
        return Session(settings, self._seams, self.ending, self._tallies, connection=connection)

    async def _archive_others(self, connection: Connection, writer: Offload) -> None:
        """Archive the records that the job created for its links."""
        counts: Counter[UndoOutcome] = Counter()
        for place, column in enumerate(await writer.run(self._file.columns)):
            others = CreatedOthers(self._file, place, column.by)
            if not await writer.run(partial(others.page, "")):
                counts.update(await writer.run(others.counts))
                continue
            async with self._session(connection, column.object_type) as session:
                account = await session.read_properties(await session.read_account())
                app = await session.preflight.read_app_id(self.settings.token)
                found = await others.run(session, account, app, writer, is_dry=self._dry, gone=self._gone)
            counts.update(found if self._dry else await writer.run(others.counts))
        self.report.others = dict(counts)

    async def _run(self, session: Session, writer: Offload) -> None:
        account = await session.read_account()
        check_portal(self._file.path, self._portal, account)
        tools = session.tools(account, writer, writer)
        columns = await writer.run(self._file.columns)
        known = await read_types(dict.fromkeys(one.object_type for one in columns), tools)
        types = [_type_of(one, self.settings.object_type, known[one.object_type]) for one in columns]
        work = MadeLinks(self._file, self.settings.object_type, columns, types)
        report = self.report
        if self.settings.restart and not self._dry:
            await writer.run(work.reopen)
        report.made = await writer.run(work.begin)
        if not self._dry:
            report.counts = await writer.run(work.counts)
            report.counts[LinkUndo.FAILED] = 0  # they are tried again
        report.others_made = await writer.run(self._file.may_have_created)
        if (
            report.left + report.others_made
            and self._approve
            and not self._dry
            and not await self._approve(account, report)
        ):
            raise DeclinedError("nothing was undone")
        undo = _Pages(self.settings, work, tools, report, self._gone)
        try:
            await session.run_workers([undo.run()])
        finally:
            if not self._dry:
                report.counts = await writer.run(work.counts)
                report.reasons = await writer.run(partial(work.reasons, _REASONS))


class _Pages:
    """The pages of one undo."""

    def __init__(
        self,
        settings: Settings,
        work: MadeLinks,
        tools: Tools,
        report: LinksReport,
        gone: WouldBeGone,
    ) -> None:
        self._settings = settings
        self._work = work
        self._tools = tools
        self._report = report
        self._known_at = 0.0  # as for `Sender.send`, of the page
        self._outdated: set[int] = set()  # links that were not written in time: they are read again
        self._gone = gone

    async def run(self) -> None:
        run, tools, report = self._tools.writer.run, self._tools, self._report
        for object_type in self._work.object_types():
            after = Pair("", "")
            page: list[MadePair] = []
            while page or (page := await run(partial(self._work.page, object_type, after, _PAGE))):
                tools.attempts.check_wanted()
                after = max(after, page[-1].pair)
                self._known_at = tools.attempts.sender.stalled_seconds + STALLS_SECONDS
                self._outdated.clear()
                linked = await self._read(
                    self._settings.object_type, object_type, [one.pair.from_id for one in page]
                )
                turned = [one.former.bearer for one in page if one.former and one.former.is_turned]
                bearers = await self._read(object_type, self._settings.object_type, turned)
                plans = [
                    plan(one, linked.get(one.pair.from_id, UNKNOWN), _bearer(one, linked, bearers))
                    for one in page
                ]
                if report.is_dry:
                    outcomes = by_outcome(plans, {})
                    for outcome, count in count_outcomes(outcomes.values()).items():
                        report.counts[outcome] += count
                    self._note_gone(object_type, plans)
                else:
                    failed = await self._carry_out(object_type, plans)
                    done = [one for one in plans if not self._is_outdated(one)]
                    await run(partial(self._work.note, by_outcome(done, failed)))
                page = [one.made for one in plans if self._is_outdated(one)]

    def _is_outdated(self, one: LinkPlan) -> bool:
        return not self._outdated.isdisjoint(one.made.links)

    def _goes_on(self, one: LinkPlan, failed: Mapping[int, str]) -> bool:
        return failed.keys().isdisjoint(one.made.links) and not self._is_outdated(one)

    def _note_gone(self, to: str, plans: Sequence[LinkPlan]) -> None:
        for one in plans:
            if one.ends:
                pair = one.made.pair
                self._gone.add_link((self._settings.object_type, pair.from_id), (to, pair.to_id))

    async def _read(self, of: str, to: str, ids: Sequence[str]) -> dict[str, Linked]:
        if not ids:
            return {}
        path = paths(self._settings.api_version, of).associations.replace("{to}", to)
        return await read_links(list(dict.fromkeys(ids)), Reader(self._tools.attempts, path))

    async def _carry_out(self, to: str, plans: Sequence[LinkPlan]) -> dict[int, str]:
        """Write what is planned. Returns why links were not undone, by link."""
        failed: dict[int, str] = {}
        of = self._settings.object_type
        here = paths(self._settings.api_version, of)
        # A record that is to be the primary one again takes the label away from the job's one.
        for is_turned, ends in ((False, (of, to)), (True, (to, of))):
            restored = [one for one in plans if one.restore and _is_turned(one) is is_turned]
            await self._restore(*ends, restored, failed)
        labelled = [one for one in plans if one.labels and self._goes_on(one, failed)]
        await self._send(
            here.end_labels.replace("{to}", to),
            labelled,
            lambda some: encode_links((one.made.pair, label) for one in some for label in one.labels),
            failed,
        )
        ended = [one for one in plans if one.ends and self._goes_on(one, failed)]
        await self._send(
            here.dissociate.replace("{to}", to),
            ended,
            lambda some: encode_ended_links(one.made.pair for one in some),
            failed,
        )
        await self._look_again((of, to), [*labelled, *ended], _from_id, _is_left, failed)
        return failed

    async def _restore(self, of: str, to: str, plans: Sequence[LinkPlan], failed: dict[int, str]) -> None:
        """Give records their former primary ones back. `of`: the type of those that have them."""
        if not plans:
            return
        here = paths(self._settings.api_version, of)
        known = (await read_types({to: None}, replace(self._tools, paths=here)))[to]
        type_ = next(filter(is_primary, known), None)
        if type_ is None:
            _fail(plans, "the account has no primary records of this type any more", failed)
            return
        await self._send(
            here.associate.replace("{to}", to),
            plans,
            lambda some: encode_links((one.restore, type_) for one in some if one.restore),
            failed,
        )
        await self._look_again((of, to), plans, _bearer_id, _is_not_primary, failed)

    async def _send(
        self,
        path: str,
        plans: Sequence[LinkPlan],
        encode: Callable[[Sequence[LinkPlan]], bytes],
        failed: dict[int, str],
    ) -> None:
        async def settle(asked: Sequence[LinkPlan], reply: Reply) -> None:
            if not reply.ok:
                why = " ".join(whole_error(reply).message.split()) or f"HTTP {reply.status}"
                _fail(asked, why, failed)

        if plans:
            question = Questions(lambda some: Call("POST", path, encode(some)), settle, has_body=False)
            question.known_at = self._known_at
            for piece in await self._tools.attempts.run(question, [Piece(list(plans))]):
                self._outdated.update(link for one in piece.items for link in one.made.links)

    async def _look_again(
        self,
        ends: tuple[str, str],
        plans: Sequence[LinkPlan],
        looked_at: Callable[[LinkPlan], str],
        is_open: Callable[[LinkPlan, Linked], bool],
        failed: dict[int, str],
    ) -> None:
        """Read records until what was written shows: the replies do not name every link."""
        rest = [one for one in plans if self._goes_on(one, failed)]
        for wait in _waits():
            if rest:
                await asyncio.sleep(wait)
                linked = await self._read(*ends, [looked_at(one) for one in rest])
                rest = [one for one in rest if is_open(one, linked.get(looked_at(one), UNKNOWN))]
        _fail(rest, "HubSpot accepted the request, and nothing has changed", failed)


def _bearer(one: MadePair, linked: Mapping[str, Linked], bearers: Mapping[str, Linked]) -> Linked:
    if one.former is None:
        return UNKNOWN
    return (bearers if one.former.is_turned else linked).get(one.former.bearer, UNKNOWN)


def _from_id(one: LinkPlan) -> str:
    return one.made.pair.from_id


def _bearer_id(one: LinkPlan) -> str:
    return one.restore.from_id if one.restore else ""


def _is_turned(one: LinkPlan) -> bool:
    return one.made.former is not None and one.made.former.is_turned


def _fail(plans: Sequence[LinkPlan], why: str, failed: dict[int, str]) -> None:
    failed |= dict.fromkeys((link for one in plans for link in one.made.links), why)


def _is_not_primary(one: LinkPlan, linked: Linked) -> bool:
    return one.restore is None or linked.primary != one.restore.to_id


def _is_left(one: LinkPlan, linked: Linked) -> bool:
    """Whether what was to end is there."""
    if linked.to is None:
        return True
    there = linked.to.get(one.made.pair.to_id)
    if one.ends or there is None:
        return there is not None
    types = {(spec.category, spec.type_id) for spec in there}
    return any((label.category, label.type_id) in types for label in one.labels)


def _waits() -> Iterator[float]:
    yield 0.0
    for count in range(_LOOKS_AGAIN):
        yield _LOOK_SECONDS * 2**count


def _type_of(column: LinkColumn, object_type: str, known: Sequence[AssociationType]) -> AssociationType:
    """The type of a column's links. Of a label that the account has no more, one that no link has."""
    try:
        return find_type(column, object_type, known)
    except SettingsError:
        return AssociationType("", 0, column.label or "-")


def links_settings(file: AssociationsFile, checkpoint: Path, object_type: str, **options: object) -> Settings:
    """Settings for the account and object type of a job's links; `options` are this invocation's."""
    return settings_for(file.path, checkpoint, object_type, **options)
