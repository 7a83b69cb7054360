"""One invocation of `check`: find what can be known before the first write. Nothing is written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from uploader.check.mapping_draft import draft, remark_on
from uploader.errors import SettingsError, SourceError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import DETAILS, LIMITS, PIPELINES, PROPERTIES, USAGE, lack_text
from uploader.hubspot.requests import MAX_INPUTS
from uploader.hubspot.schema import Schema
from uploader.hubspot.sign_in.token_info import TokenInfo, object_scopes, scope_texts, token_kind
from uploader.jobs.column_rules import (
    overwriting_rules,
    refuse_absent_keys,
    refuse_undecided_fields,
    rules_of,
)
from uploader.jobs.early_ending import Ending
from uploader.jobs.opening import open_sources, total_bytes
from uploader.jobs.preflight import TokenAndLimits, check_keys, check_named_portal, run_both
from uploader.jobs.scans.before_sending import Passes
from uploader.jobs.scans.formats import Orders
from uploader.jobs.scans.row_findings import Findings
from uploader.jobs.scans.survey import Survey, first_rows
from uploader.jobs.session import Seams, Session, early_end, exact_clock, reason_of
from uploader.jobs.summary import EarlyEnd, advice
from uploader.model.rows import Fault, readable
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.batcher import MAX_BATCH_BYTES
from uploader.pipeline.rate.forecast import Forecast, requests_by_halving, with_chain
from uploader.pipeline.rate.limiter import Quota
from uploader.records.column_problems import likely_key, resolve_leniently
from uploader.records.columns import Columns, MappingError, Rules, refuse_unknown
from uploader.records.duplicates import OnDuplicate
from uploader.records.mapper import Mapper
from uploader.records.values.convert import converter
from uploader.records.values.wrappings import unwrapped
from uploader.settings import Settings
from uploader.sources.source import Source
from uploader.system.blocking_calls import Offload

#: Shares of rows that HubSpot may refuse, for a forecast without multi-status.
REFUSED_SHARES = (0.001, 0.01, 1.0)
#: The quota of private apps in larger subscriptions, assumed if the account could not be read.
_USUAL_PER_SECOND = 19.0
#: Causes that pass with time; other causes that end the preflight are reported as problems.
_LATER = frozenset({Cause.OUTAGE, Cause.DAILY, Cause.MIGRATION})


@dataclass(frozen=True, slots=True)
class Column:
    """What a column means, as far as that is known."""

    source: int
    column: str
    property: str
    type: str = ""
    is_left_out: bool = False  #: by an option, or one of uploader's own columns
    is_undecided: bool = False  #: there is a problem about it
    remark: str = ""  #: about its values


@dataclass(slots=True)
class Report:
    """The result of a check."""

    sources: list[Source] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    unknown_owners: dict[str, Counter[str]] = field(default_factory=dict)  #: by property
    starts: list[int] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  #: for each of these `upload` would not start
    warnings: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    unseen: Sequence[str] = ()  #: effects of writing contacts that no request shows
    account: Account | None = None
    closer: TokenAndLimits | None = None
    token_kind: str = ""
    burst: Quota | None = None
    day_limit: int | None = None
    day_left: int | None = None
    batches: int = 0
    longest_chain: int = 0  #: number of rows of one key, which are written one after the other
    ahead: Forecast | None = None
    halved: dict[float, Forecast] = field(default_factory=dict)  #: by the share that is refused
    has_asked_quota: bool = False
    sample: int | None = None
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None
    draft: str = ""  #: text of a mapping file, if one was asked for
    drafted: str = ""  #: path of the file that it was written to
    would_stop: str = ""  #: why `upload` would stop before its end

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=False)
        if self.problems:
            return 2
        found = self.findings
        doubtful = (
            found.invalid
            or found.values_dropped
            or found.repeated_rows
            or found.shared_rows
            or self.warnings
            or self.would_stop
        )
        return int(bool(doubtful))


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
    ) -> None:
        """`sample`: read only this many rows of each source. `examples`: name this many rows for each kind of
        finding. `drafts`: also draft a mapping of the first source.
        """
        self.settings = settings
        self.session: Session | None = None  #: None before the first request
        self.report = Report(sample=sample, findings=Findings(examples))
        self.ending = Ending()
        self.passes = Passes(self.ending)
        self.bytes_total: int | None = None
        self._seams = seams or Seams()
        self._drafts = drafts

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
        report.unseen = NOT_VISIBLE if settings.rules.has_addresses else ()
        unless_ended = self.ending.unless_ended
        sources = await unless_ended(reader.run(lambda: open_sources(settings)))
        report.sources = sources
        self.bytes_total = total_bytes(sources)
        if settings.offline:
            report.not_checked.append(
                "the account: without a token it is unknown whether the properties exist, which values "
                "they accept, how much of the daily quota is left, and what the token may do"
            )
        else:
            async with Session(settings, self._seams, self.ending) as session:
                self.session = session
                await self._ask(session, sources)
        if self._drafts:
            report.draft = await unless_ended(reader.run(lambda: _draft(sources[0], self._schema)))
        survey = self._survey()
        await unless_ended(reader.run(self._add_remarks))
        await self._find_orders(survey, reader)
        report.starts = survey.starts
        try:
            await self.passes.read(survey.steps(report.sample), reader)
        finally:  # also after an incomplete pass
            if survey.broken:
                report.problems.append(survey.broken)
            self._judge_failures(survey)
            self._judge_owners()
            self._judge_sensitive()
            self._note_pipelines()
            self._make_forecast()

    # --- the account ---

    async def _ask(self, session: Session, sources: list[Source]) -> None:
        """Read the account, in a handful of requests. A wrong token or URL is reported as a problem: the file
        can be checked without the account.
        """
        report = self.report
        report.token_kind = token_kind(self.settings.token)
        try:
            account, report.closer = await self.ending.unless_ended(_read_account(session, sources))
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
        self._judge_account(account)
        self._note_account(session)

    @property
    def _schema(self) -> Schema | None:
        return self.report.account.schema if self.report.account else None

    def _judge_account(self, account: Account) -> None:
        """Report a problem if it is not the account that --portal names, or lacks a key's property."""
        settings, problems = self.settings, self.report.problems
        if settings.portal:
            with _collecting_problem(problems):
                check_named_portal(settings.portal, account)
        if account.schema is not None:
            with _collecting_problem(problems):
                check_keys(settings.rules, account.schema)

    def _note_account(self, session: Session) -> None:
        """Report quota and limits of the account, and what could not be checked about it."""
        report, account, day = self.report, session.account or Account(), session.sender.day
        report.burst = session.sender.log.slowest
        report.has_asked_quota = True
        report.day_limit, report.day_left = day.limit, day.left
        if not account.portal:
            report.not_checked.append(
                f"which account it is: the token may not read it (scope {account.scope(DETAILS)}), so a "
                "wrong account would go unnoticed"
            )
        if not account.kind:
            report.not_checked.append(
                "whether it is a production account, and its time zone: the token may not read it (scope "
                f"{account.scope(DETAILS)})"
            )
        if account.schema is None:
            report.not_checked.append(
                "whether the properties exist and accept these values: the token may not read it (scope "
                f"{account.scope(PROPERTIES)}); columns are mapped by their names"
            )
        if scope := account.lacking.get(USAGE):
            report.not_checked.append(
                f"when the account's day ends: the token may not read it (scope {scope})"
            )
        if report.closer is None:
            return
        self._note_scopes(report.closer.token)
        if report.closer.record_limit is None:
            scope = account.lacking.get(LIMITS)
            why = f"the token may not read it (scope {scope})" if scope else "HubSpot does not report it"
            report.not_checked.append(f"how many more records the account can hold: {why}")

    def _note_scopes(self, token: TokenInfo) -> None:
        report = self.report
        if token.scopes is None:
            report.not_checked.append(
                "what the token may do: HubSpot does not report it for this kind of token"
            )
            return
        problem, warnings = scope_texts(token.scopes, self.settings.object_type)
        report.problems += [problem] if problem else []
        report.warnings += warnings

    # --- the sources ---

    def _survey(self) -> Survey:
        """Make the mappers of all sources and the survey that reads their rows. Problems go to the report."""
        report, settings = self.report, self.settings
        schema = self._schema
        mappers: list[Mapper | None] = []
        try:
            if all(source.shape.columns for source in report.sources):
                refuse_unknown(settings.rules, [c for source in report.sources for c in source.shape.columns])
        except MappingError as error:
            report.problems += error.texts
        rules = self._with_sound_constants(schema)
        try:
            refuse_undecided_fields(report.sources, rules)
        except MappingError as error:
            report.problems += error.texts
        for index, source in enumerate(report.sources):
            columns = None
            if source.shape.columns:
                columns, found = self._resolve(index, source.shape.columns, rules)
                if columns is None:
                    mappers.append(None)
                    continue
                mappers.append(Mapper(index, rules_of(found, source), schema, columns))
                continue
            mappers.append(Mapper(index, rules_of(rules, source), schema, columns))
        self._note_rules(mappers)
        place = settings.checkpoint_path.absolute().parent
        return Survey(
            report.sources, mappers, place, report.findings, limit=settings.max_failures, finds_shared=True
        )

    def _note_rules(self, mappers: Sequence[Mapper | None]) -> None:
        """Report a problem if an option names a key or a column that does not exist."""
        report, settings = self.report, self.settings
        try:
            if None not in mappers:
                refuse_absent_keys(settings, [mapper.columns for mapper in mappers if mapper])
            overwriting_rules(settings, report.sources, self.report.account or Account())
        except (MappingError, SettingsError) as error:
            report.problems.append(str(error))

    def _with_sound_constants(self, schema: Schema | None) -> Rules:
        """The rules without invalid --set options, which are reported as problems."""
        rules = self.settings.rules
        for name, text in rules.constants.items():
            alone = replace(rules, constants={name: text})
            try:
                Mapper(0, alone, schema, None)
            except MappingError as error:
                self.report.problems += error.texts
                rules = replace(rules, constants={n: t for n, t in rules.constants.items() if n != name})
        return rules

    def _resolve(self, index: int, header: Sequence[str], rules: Rules) -> tuple[Columns | None, Rules]:
        """The columns of a source, None if they can't be mapped, and its rules. Problems go to the report."""
        report = self.report
        schema = self._schema
        if (
            schema is None
            and rules.id_property not in header
            and rules.id_property not in rules.mapped.values()
        ):
            # A label may name the key, but labels are not known: take a similar column, and report that.
            likely = likely_key(header, rules)
            if likely:
                rules = replace(rules, mapped={**rules.mapped, likely: rules.id_property})
                report.not_checked.append(
                    f"whether column {likely!r} is the property {rules.id_property!r}: assumed here; "
                    "`upload` checks it"
                )
        resolved = resolve_leniently(header, rules, schema)
        name = report.sources[index].name
        several = len(report.sources) > 1
        report.problems += [f"{name}: {text}" if several else text for text in resolved.problems]
        names = resolved.names
        kinds = schema.kinds if schema else {}
        for place, column in enumerate(header if resolved.is_header else ()):
            property_ = names.get(place, "")
            type_ = kinds[property_].type if property_ in kinds else ""
            unnamed = place not in names
            is_out = unnamed and (
                rules.leaves_out(column) or rules.only_suppresses(column) or column in rules.suppress_where
            )
            is_undecided = unnamed and not is_out and column != f"column {place + 1}"
            report.columns.append(Column(index, column, property_, type_, unnamed, is_undecided))
        return resolved.columns, rules

    def _add_remarks(self) -> None:
        """Add remarks to columns whose values may be of another type than the property. Blocks a little."""
        report, schema = self.report, self._schema
        for index, source in enumerate(report.sources):
            if schema is None or source.size_bytes is None or not source.shape.columns:
                continue
            rows = _first_cells(source)
            for place, column in enumerate(report.columns):
                if column.source == index and column.property and column.column in source.shape.columns:
                    at = source.shape.columns.index(column.column)
                    samples = [text for row in rows if (text := row[at].strip())]
                    report.columns[place] = replace(column, remark=remark_on(column.type, samples))

    async def _find_orders(self, survey: Survey, reader: Offload) -> None:
        orders = Orders(survey.sources, survey.mappers)
        self.report.problems += orders.asked_at_once().values()
        if not orders.are_needed:
            return
        await self.passes.read(orders.steps(self.report.sample), reader)
        rules, asked = orders.decided_leniently(self.settings.rules)
        self.report.problems += asked.values()
        if asked:
            self.report.not_checked.append(f"values of {', '.join(map(repr, asked))}: see the problem")
        schema = self._schema
        survey.mappers = [
            self._with_orders(mapper, rules, schema, frozenset(asked)) if mapper else None
            for mapper in survey.mappers
        ]

    def _with_orders(
        self, mapper: Mapper, rules: Rules, schema: Schema | None, undecided: frozenset[str]
    ) -> Mapper:
        """The mapper with the orders found, without undecided columns: all of their rows would be invalid."""
        columns = mapper.columns
        if columns is not None:
            kept = mapper.rules.match  # a row needs its key
            read = {
                i: name
                for i, name in columns.names.items()
                if name in kept or columns.column(i) not in undecided
            }
            columns = replace(columns, names=read)
        found = replace(
            mapper.rules,
            date_orders=rules.date_orders,
            decimals=rules.decimals,
            ignored=mapper.rules.ignored | undecided,
        )
        return Mapper(mapper.source, found, schema, columns)

    def _judge_failures(self, survey: Survey) -> None:
        if survey.stops_at is not None:
            failed, rows = survey.stops_at
            limit = self.settings.max_failures
            self.report.would_stop = (
                f"{failed:,} of the first {rows:,} rows are invalid (--max-failures {limit}); correct them, "
                "or raise --max-failures"
            )

    def _note_pipelines(self) -> None:
        """Report that names of pipelines and stages can't be checked, if a column has some."""
        account, schema = self.report.account, self._schema
        if account is None or schema is None or schema.pipelines is not None:
            return
        if names := sorted({column.property for column in self.report.columns} & schema.staged):
            self.report.not_checked.append(
                f"the values of {' and '.join(names)}: the token may not read pipelines (scope "
                f"{account.scope(PIPELINES)}), so only ids are accepted"
            )

    def _judge_sensitive(self) -> None:
        """Report a problem if the token may not write a sensitive property that a column or --set names."""
        schema, report = self._schema, self.report
        if schema is None or report.closer is None or report.closer.token.scopes is None:
            return
        scopes = object_scopes(self.settings.object_type)
        names = {column.property for column in report.columns} | self.settings.constants.keys()
        for name in sorted(names & schema.sensitive.keys()):
            needed = scopes.of_sensitive(schema.sensitive[name], "write")
            if needed not in report.closer.token.scopes | {""}:
                report.problems.append(f"{name!r} is a sensitive property: {lack_text([needed])} to write it")

    def _judge_owners(self) -> None:
        schema, report = self._schema, self.report
        for name, counts in report.findings.owners.items():
            convert = converter(name, name, schema, self.settings.rules)
            unknown = {who: n for who, n in counts.items() if convert and isinstance(convert(who), Fault)}
            if unknown:
                report.unknown_owners[name] = Counter(unknown)

    # --- the forecast ---

    def _make_forecast(self) -> None:
        report, found = self.report, self.report.findings
        if not found.sendable:
            return
        sent, rule = found.sendable, self.settings.on_duplicate
        if rule in {OnDuplicate.FIRST, OnDuplicate.LAST}:
            sent = max(1, sent - found.repeated_rows)
        bytes_sent = found.row_bytes * sent // max(1, found.rows)
        report.batches = max(-(-sent // MAX_INPUTS), -(-bytes_sent // MAX_BATCH_BYTES))
        reads = report.batches if self.settings.reads_first else 0
        report.longest_chain = found.longest_chain if rule is OnDuplicate.IN_ORDER else 0
        report.ahead = with_chain(self._forecast(report.batches + reads), report.longest_chain)
        per_batch = -(-sent // report.batches)
        for share in REFUSED_SHARES:
            report.halved[share] = self._forecast(
                reads + round(report.batches * requests_by_halving(per_batch, share))
            )
        record_limit = report.closer.record_limit if report.closer else None
        if record_limit is not None and record_limit.left < found.sendable:
            report.warnings.append(
                f"the account can hold {record_limit.left:,} more records, and the file has "
                f"{found.sendable:,} rows: unless enough of them exist already, HubSpot will refuse the "
                "last ones"
            )

    def _forecast(self, requests: int) -> Forecast:
        if self.session is not None and self.report.has_asked_quota:
            return self.session.forecast(requests)
        rate = self.settings.rate
        seconds = requests / (rate.per_second if rate else _USUAL_PER_SECOND)
        return Forecast(requests, requests, None, None, 0, None, seconds)


async def _read_account(session: Session, sources: list[Source]) -> tuple[Account, TokenAndLimits]:
    """Read all that a check needs of the account."""
    account = await session.read_account()

    async def read_properties() -> Account:
        return await session.with_named_values(sources, await session.read_properties(account))

    closer = session.preflight.read_token_and_limits(session.settings.token, session.settings.object_type)
    found = await run_both(read_properties(), closer)
    await session.wait_for_daily_usage()
    return found


@contextmanager
def _collecting_problem(problems: list[str]) -> Iterator[None]:
    """Add a SettingsError within to `problems` instead of raising it."""
    try:
        yield
    except SettingsError as error:
        problems.append(str(error))


def _draft(source: Source, schema: Schema | None) -> str:
    return draft(source.shape.columns, schema, _first_cells(source)).toml()


def _first_cells(source: Source) -> list[Sequence[str]]:
    """The cells of the first rows of a tabular source. The survey reports damage."""
    rows: list[Sequence[str]] = []
    with suppress(SourceError):
        for slice_ in first_rows(source, _TELLING_ROWS):
            contents = [readable(row.content) for row in unwrapped(slice_.rows)]
            rows += [content for content in contents if isinstance(content, list | tuple)]
    return rows


#: Number of rows that a mapping is drafted from.
_TELLING_ROWS = 1_000


#: Effects of writing contacts that no request shows; the manual says what to do about them (live-portal,
#: "Before a load").
NOT_VISIBLE = (
    "workflows that start when contacts are created or changed, and what they send",
    (
        "whether contacts created by this app become marketing contacts, which are billed (a setting of each "
        "app)"
    ),
    "notifications to owners that records are assigned to",
)
