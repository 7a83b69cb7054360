"""One invocation of `check`: find what can be known before the first write. Nothing is written."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from uploader.associations.automatic_companies import automatic_companies_text
from uploader.check.account import (
    judge_account,
    judge_sensitive_properties,
    look_at_list,
    note_account,
    note_pipelines,
    read_account,
    unknown_owners,
)
from uploader.check.bad_columns import bad_columns, owner_columns
from uploader.check.blank_candidates import blank_candidates
from uploader.check.briefs import reading_briefs
from uploader.check.columns import (
    add_proposals,
    add_remarks,
    drafted_mapping,
    names_as_drafted,
    note_doubtful_keys,
    origins_of,
    other_type_texts,
    resolve_sources,
    rules_as_drafted,
    survey_drafted,
    with_orders,
)
from uploader.check.forecast import warn_of_record_limit, workload_of
from uploader.check.links import ComesWithPlan, label_problems, look_links_up, results_problems
from uploader.check.mapping_draft import Draft
from uploader.check.missing_properties import MissingProperties
from uploader.check.report import Report
from uploader.hubspot.account import Account
from uploader.hubspot.sign_in.token_info import token_kind
from uploader.jobs.early_ending import Ending
from uploader.jobs.link_checks import find_link_problems
from uploader.jobs.opening import open_sources, total_bytes
from uploader.jobs.scans.before_sending import Passes
from uploader.jobs.scans.formats import Orders
from uploader.jobs.scans.link_values import LinkValues
from uploader.jobs.scans.row_findings import Findings
from uploader.jobs.scans.survey import Survey
from uploader.jobs.session import Connection, Seams, Session, early_end, exact_clock, reason_of
from uploader.jobs.summary import advice
from uploader.model.records import Record
from uploader.model.stop import Cause, StopRun
from uploader.records.headers.recognition import recognize
from uploader.settings import Settings
from uploader.sources.source import Source
from uploader.system.blocking_calls import Offload

#: Causes that pass with time; other causes that end the preflight are reported as problems.
_LATER = frozenset({Cause.OUTAGE, Cause.DAILY, Cause.MIGRATION})
#: Effects of writing contacts that no request shows; the manual says what to do about them (live-portal,
#: "Before an upload").
NOT_VISIBLE = (
    "workflows that start when contacts are created or changed, and what they send",
    (
        "whether contacts created by this app become marketing contacts, which are billed (a setting of each "
        "app)"
    ),
    "notifications to owners that records are assigned to",
)


class Check:
    """Call `run` once."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams | None = None,
        *,
        sample: int | None = None,
        examples: int = 10,
        drafts: bool = False,
        drafts_properties: bool = False,
        connection: Connection | None = None,
        ending: Ending | None = None,
        note_records: Callable[[Sequence[Record]], None] | None = None,
        note_links: Callable[[LinkValues], None] | None = None,
        comes_with_plan: ComesWithPlan | None = None,
    ) -> None:
        """`sample`: read only this many rows of each source. `examples`: name this many rows for each kind of
        finding. `drafts`: also draft a mapping of the sources. `drafts_properties`: also draft the
        properties that the columns lack. `connection`: one that other runs use, too.
        `ending`: pass one to end the check from outside. `note_records`, `note_links`: called with the
        records of all rows, slice by slice, and then with the values of their links. `comes_with_plan`
        returns those of a column's values that need not be looked up.
        """
        self.settings = settings
        self.session: Session | None = None  #: None before the first request
        named = settings.repeated_options.get("--project", ("",))
        self.report = Report(
            project=named[0].rpartition("/")[2], sample=sample or settings.limit, findings=Findings(examples)
        )
        self.ending = ending or Ending()
        self.passes = Passes(self.ending)
        self.bytes_total: int | None = None
        self.link_values: LinkValues | None = None  #: the values of link columns, which are looked up last
        self._seams = seams or Seams()
        self._connection = connection
        self._note_records = note_records
        self._note_links = note_links
        self._comes_with_plan = comes_with_plan
        self._drafts = drafts
        self._drafts_properties = drafts_properties
        self._can_find_links = False
        self._groups: list[str] = []  # of the account's properties

    async def run(self) -> Report:
        """Check account and sources. UploaderError if there is nothing to check."""
        reader, clock = self._seams.offload("reader"), exact_clock()
        began = clock()
        try:
            with suppress(StopRun):
                await self._run(reader)
        finally:
            reader.close()
        report = self.report
        report.elapsed_seconds = clock() - began
        report.requests = self.session.sender.tallies.requests if self.session else 0
        report.end = early_end(self.ending, self.session)
        return report

    async def _run(self, reader: Offload) -> None:
        report, settings = self.report, self.settings
        report.automatic_companies = automatic_companies_text(settings.object_type, settings.associations)
        report.unseen = NOT_VISIBLE if settings.rules.has_addresses else ()
        unless_ended = self.ending.unless_ended
        sources = await unless_ended(reader.run(lambda: open_sources(settings)))
        report.sources = sources
        report.origins = [
            recognize(source.shape.columns, object_type=settings.object_type) for source in sources
        ]
        for source in sources:
            report.warnings += other_type_texts(source.shape.columns, settings.object_type)
        self.bytes_total = total_bytes(sources)
        if self._note_links is None:  # in a plan an earlier step may write them
            report.problems += await unless_ended(
                reader.run(partial(results_problems, settings.associations))
            )
        if settings.offline:
            report.not_checked.append(
                "the account: without a token it is unknown whether the properties exist, which values "
                "they accept, how much of the daily quota is left, and what the token may do"
            )
            await self._check_sources(sources, reader)
            return
        async with Session(settings, self._seams, self.ending, connection=self._connection) as session:
            self.session = session
            await self._check_account(session, sources, reader)
            report.account_problems = tuple(report.problems)
            await self._check_sources(sources, reader)

    async def _check_sources(self, sources: list[Source], reader: Offload) -> None:
        """Check columns and rows, now that the account is known as far as it can be."""
        report, settings, unless_ended = self.report, self.settings, self.ending.unless_ended
        if self._drafts:
            report.draft = await self._drafted(reader)
        if self._drafts_properties:
            await self._draft_properties(sources, reader)
        mappers = resolve_sources(report, settings)
        await unless_ended(reader.run(lambda: add_remarks(report, settings.rules)))
        place = settings.checkpoint_path.absolute().parent
        limit = settings.max_failures
        survey = Survey(sources, mappers, place, report.findings, limit=limit, finds_shared=True)
        survey.counted = {
            column.column for column in report.columns if column.property or column.is_undecided
        }
        await self._find_orders(survey, reader)
        with LinkValues(place, settings.associations, settings.object_type) as values:
            self.link_values = values
            survey.link_values = values if settings.associations else None
            survey.note_records = self._note_records
            await self._check_rows(survey, reader)
            await self._check_links(values, reader)
        report.origins = origins_of(survey, settings.object_type)
        await unless_ended(reader.run(lambda: add_proposals(report, settings.rules)))
        if report.draft is not None and report.draft.system != report.origins[0].name:
            report.draft = await self._drafted(reader)
        if report.draft is not None:
            report.draft = await self._with_values(report.draft, survey, reader)

    async def _drafted(self, reader: Offload) -> Draft:
        """Draft a mapping of the sources."""
        report = self.report
        make = partial(drafted_mapping, report.sources, report.schema, self.settings.rules, report.origins)
        return await self.ending.unless_ended(reader.run(make))

    async def _check_account(self, session: Session, sources: list[Source], reader: Offload) -> None:
        """Read the account, in a handful of requests. A wrong token or URL is reported as a problem: the file
        can be checked without the account.
        """
        report = self.report
        try:
            reads = read_account(session, sources, drafts=self._drafts)
            account, report.closer = await self.ending.unless_ended(reads)
            await self.ending.unless_ended(look_at_list(report, session, account, reader))
        except StopRun:
            cause = self.ending.cause
            if cause is None or cause is Cause.SIGNAL or cause in _LATER:
                raise
            report.problems.append(f"{reason_of(self.ending, session)}; {advice(cause)}")
            report.not_checked.append("the account: see the problem")
            self.ending.clear()
            return
        finally:
            report.account = session.account
            report.token_kind = token_kind(session.token)
        listed = [one for one in session.preflight.listed if isinstance(one, dict)]
        self._groups = [str(one.get("groupName") or "") for one in listed]
        judge_account(report, self.settings, account)
        await self._check_link_columns(session, account, reader)
        note_account(report, session)

    async def _check_link_columns(self, session: Session, account: Account, reader: Offload) -> None:
        """Ask the account for what link columns name."""
        report, settings = self.report, self.settings
        if not settings.associations:
            return
        links = await self.ending.unless_ended(find_link_problems(settings, session.preflight))
        report.problems += links.problems
        report.not_checked += links.not_checked
        self._can_find_links = not links.problems
        if self._can_find_links:
            tools = session.tools(account, reader, reader)
            report.problems += await self.ending.unless_ended(label_problems(settings, tools))

    async def _draft_properties(self, sources: list[Source], reader: Offload) -> None:
        """Draft the properties that the columns lack, from all rows."""
        report = self.report
        if report.schema is None:
            report.not_checked.append("which columns lack a property: the properties could not be read")
            return
        missing = MissingProperties(sources, self.settings.rules, report.schema)
        await self.passes.read(missing.steps(report.sample), reader)
        portal = report.account.portal if report.account else ""
        report.properties_draft = missing.text(portal, self._groups)

    async def _find_orders(self, survey: Survey, reader: Offload) -> None:
        """Infer from the rows how dates and numbers are written, and have the survey read them so."""
        report, orders = self.report, Orders(survey.sources, survey.mappers)
        report.open_readings = dict(orders.asked_at_once())
        report.problems += report.open_readings.values()
        if not orders.are_needed:
            return
        await self.passes.read(orders.steps(report.sample), reader)
        rules, asked = orders.decided_leniently(self.settings.rules)
        report.problems += asked.values()
        report.open_readings |= asked
        report.briefs |= reading_briefs(report.open_readings, report.names, report.project)
        if asked:
            report.not_checked.append(f"values of {', '.join(map(repr, asked))}: see the problem")
        survey.mappers = [
            with_orders(mapper, rules, report.schema, frozenset(asked)) if mapper else None
            for mapper in survey.mappers
        ]

    async def _check_rows(self, survey: Survey, reader: Offload) -> None:
        """Read every row, or those of a sample, and judge what they show."""
        report, settings = self.report, self.settings
        report.starts = survey.starts
        try:
            await self.passes.read(survey.steps(report.sample), reader)
        finally:  # also after an incomplete pass
            if survey.broken:
                report.problems.append(survey.broken)
            if survey.stops_at is not None:
                failed, rows = survey.stops_at
                report.would_stop = (
                    f"{failed:,} of the first {rows:,} rows are invalid (--max-failures "
                    f"{settings.max_failures}); correct them, or raise --max-failures"
                )
            found = report.findings.bad_values
            report.bad_columns = list(bad_columns(found, settings.rules, report.schema))
            nothings, rules = report.findings.nothings, settings.rules
            report.blank_candidates = blank_candidates(nothings, report.names, rules, report.schema)
            note_doubtful_keys(report, settings, survey.mappers)
            owners = report.findings.owners
            report.unknown_owners = unknown_owners(owners, report.schema, settings.rules)
            judge_sensitive_properties(report, settings)
            note_pipelines(report)
            report.workload = workload_of(report, settings, self.session)
            warn_of_record_limit(report, settings)

    async def _check_links(self, values: LinkValues, reader: Offload) -> None:
        """Look up what the rows are to be linked with."""
        if self.settings.associations:
            session = self.session if self._can_find_links else None
            look_up = look_links_up(self.report, values, session, reader, self._comes_with_plan)
            await self.ending.unless_ended(look_up)
            self.report.workload = workload_of(self.report, self.settings, self.session)
        if self._note_links is not None:
            await reader.run(partial(self._note_links, values))

    async def _with_values(self, draft: Draft, survey: Survey, reader: Offload) -> Draft:
        """The draft with the values that need a decision: those found, and those of the first source as it is
        drafted.
        """
        report, rules, found = self.report, self.settings.rules, self.report.findings
        schema, drafted = report.schema, rules_as_drafted(report, rules)
        names = report.names
        if schema is None or (drafted is rules and survey.mappers[0] is not None):
            bad, nothings, owners = report.bad_columns, found.nothings, found.owners
        else:
            more, source = Findings(0), survey.sources[0]
            used = names_as_drafted(source, drafted, schema)
            steps = survey_drafted(source, used, drafted, schema, most_rows=report.sample, found=more)
            await self.passes.read(steps, reader)
            more.bad_values.columns.update(found.bad_values.columns)
            bad = list(bad_columns(more.bad_values, drafted, schema))
            nothings, owners = {**more.nothings, **found.nothings}, {**more.owners, **found.owners}
            known = {column: name for column, name in names.items() if name}
            names = {source.shape.columns[index]: name for index, name in used.items()} | known
        words = blank_candidates(nothings, names, rules, schema)
        unknown = owner_columns(unknown_owners(owners, schema, rules), names, schema)
        return draft.with_values([*bad, *unknown], words)
