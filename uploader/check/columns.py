"""What each column of the sources means, with all problems at once instead of the first one.

The functions that take a report add to it what they find.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from uploader.check.bad_columns import options_of
from uploader.check.briefs import column_briefs, doubtful_brief
from uploader.check.mapping_draft import Draft, draft, remark_on
from uploader.check.report import Column, Report
from uploader.errors import SettingsError, SourceError
from uploader.hubspot.account import Account
from uploader.hubspot.object_types import are_contacts, noun
from uploader.hubspot.schema import Schema
from uploader.hubspot.stage_lookup import PIPELINES
from uploader.jobs.column_rules import (
    overwriting_rules,
    refuse_absent_keys,
    refuse_undecided_fields,
    refuse_unfit_replacements,
    rules_of,
)
from uploader.jobs.scans.row_findings import Findings, Surveyor
from uploader.jobs.scans.survey import Step, Survey, first_rows
from uploader.model.records import EMAIL
from uploader.model.rows import readable
from uploader.records.blank_words import BlankWords
from uploader.records.column_problems import likely_key, resolve_leniently
from uploader.records.columns import Columns, MappingError, Rules, refuse_unknown, resolve_name
from uploader.records.headers.recognition import Recognized, other_type, recognize
from uploader.records.headers.tables import usual_target
from uploader.records.mapper import Mapper, columns_of
from uploader.records.repeated_keys import question
from uploader.records.values.wrappings import unwrapped
from uploader.settings import Settings
from uploader.sources.source import Source

#: Number of rows that a mapping is drafted from.
_TELLING_ROWS = 1_000


def resolve_sources(report: Report, settings: Settings) -> list[Mapper | None]:
    """The mapper of each source, None if its columns can't be mapped."""
    try:
        if all(source.shape.columns for source in report.sources):
            refuse_unknown(settings.rules, [c for source in report.sources for c in source.shape.columns])
    except MappingError as error:
        report.problems += error.texts
    rules = _with_sound_constants(report, settings.rules)
    try:
        refuse_undecided_fields(report.sources, rules)
    except MappingError as error:
        report.problems += error.texts
    try:
        refuse_unfit_replacements(settings, report.schema)
    except MappingError as error:
        report.problems += error.texts
    mappers = [_mapper(report, index, rules) for index in range(len(report.sources))]
    _judge_named_columns(report, settings, mappers)
    return mappers


def _with_sound_constants(report: Report, rules: Rules) -> Rules:
    """The rules without invalid --set options, which are reported as problems."""
    for name, text in rules.constants.items():
        alone = replace(rules, constants={name: text})
        try:
            Mapper(0, alone, report.schema, None)
        except MappingError as error:
            report.problems += error.texts
            rules = replace(rules, constants={n: t for n, t in rules.constants.items() if n != name})
    return rules


def _mapper(report: Report, index: int, rules: Rules) -> Mapper | None:
    """The mapper of the source at `index`, None if its columns can't be mapped."""
    source, columns = report.sources[index], None
    if source.shape.columns:
        columns, rules = _resolve(report, index, rules)
        if columns is None:
            return None
    return Mapper(index, rules_of(rules, source), report.schema, columns)


def _resolve(report: Report, index: int, rules: Rules) -> tuple[Columns | None, Rules]:
    """The columns of a source, None if they can't be mapped, and its rules."""
    source, schema = report.sources[index], report.schema
    header = source.shape.columns
    if schema is None and rules.id_property not in {*header, *rules.mapped.values()}:
        # A label may name the key, but labels are not known: take a similar column, and report that.
        likely = likely_key(header, rules)
        if likely:
            rules = replace(rules, mapped={**rules.mapped, likely: rules.id_property})
            report.not_checked.append(
                f"whether column {likely!r} is the property {rules.id_property!r}: assumed here; `upload` "
                "checks it"
            )
    resolved = resolve_leniently(header, rules, schema)
    several = len(report.sources) > 1
    report.problems += [f"{source.name}: {text}" if several else text for text in resolved.problems]
    if resolved.is_header:
        columns = list(_columns(index, header, resolved.names, rules, schema))
        report.columns += columns
        where = f"{source.name}: " if several else ""
        briefs = column_briefs(columns, rules, schema, report.project)
        report.briefs |= {f"{where}{text}": f"{where}{brief}" for text, brief in briefs.items()}
    return resolved.columns, rules


def _columns(
    index: int, header: Sequence[str], names: Mapping[int, str], rules: Rules, schema: Schema | None
) -> Iterator[Column]:
    """What each column of a header means. `names`: cell index -> property, as far as is known."""
    kinds = schema.kinds if schema else {}
    for place, column in enumerate(header):
        property_ = names.get(place, "")
        type_ = kinds[property_].type if property_ in kinds else ""
        unnamed = place not in names
        is_out = unnamed and (
            rules.leaves_out(column) or rules.is_only_read(column) or column in rules.suppress_where
        )
        is_undecided = unnamed and not is_out and column != f"column {place + 1}"
        yield Column(index, column, property_, type_, unnamed, is_undecided)


def _judge_named_columns(report: Report, settings: Settings, mappers: Sequence[Mapper | None]) -> None:
    """Report a problem if an option names a key or a column that does not exist."""
    try:
        if None not in mappers:
            refuse_absent_keys(settings, [mapper.columns for mapper in mappers if mapper])
        overwriting_rules(settings, report.sources, report.account or Account())
    except (MappingError, SettingsError) as error:
        report.problems.append(str(error))


def add_remarks(report: Report, rules: Rules) -> None:
    """Add remarks to columns whose values may be of another type than the property. Blocks a little."""
    for index, source in enumerate(report.sources):
        if report.schema is None or not source.is_repeatable or not source.shape.columns:
            continue
        rows = _first_cells(source, rules)
        for place, column in enumerate(report.columns):
            if column.source == index and column.property and column.column in source.shape.columns:
                at = source.shape.columns.index(column.column)
                samples = [text for row in rows if (text := row[at].strip())]
                report.columns[place] = replace(column, remark=remark_on(column.type, samples))


def add_proposals(report: Report, rules: Rules) -> None:
    """Add what may be meant to columns that are undecided. Blocks a little."""
    for index, source in enumerate(report.sources):
        undecided = {one.column for one in report.columns if one.source == index and one.is_undecided}
        if not undecided or not source.is_repeatable or report.schema is None:
            continue
        taken = {one.property for one in report.columns if one.source == index}
        proposed = {
            one.column: one
            for one in drafted_mapping([source], report.schema, rules, [report.origins[index]]).columns
            if one.ignore or one.suppress or (one.property and one.property not in taken)
        }
        report.columns = [
            replace(one, proposal=proposed.get(one.column))
            if one.source == index and one.column in undecided
            else one
            for one in report.columns
        ]


def with_orders(mapper: Mapper, rules: Rules, schema: Schema | None, undecided: frozenset[str]) -> Mapper:
    """The mapper with the date and number orders of `rules`, without undecided columns: all of their rows
    would be invalid.
    """
    columns = mapper.columns
    if columns is not None:
        kept = mapper.rules.match  # a row needs its key
        read = {
            i: name for i, name in columns.names.items() if name in kept or columns.column(i) not in undecided
        }
        columns = replace(columns, names=read)
    found = replace(
        mapper.rules,
        date_orders=rules.date_orders,
        decimals=rules.decimals,
        ignored=mapper.rules.ignored | undecided,
    )
    return Mapper(mapper.source, found, schema, columns)


def note_doubtful_keys(report: Report, settings: Settings, mappers: Sequence[Mapper | None]) -> None:
    """Report a problem if a key stands for very many rows, and no setting decides on that."""
    found = report.findings
    report.doubtful_keys = found.keys.doubtful(found.rows)
    if report.doubtful_keys and settings.on_duplicate is None:
        text = question(report.doubtful_keys, lambda name: columns_of(name, mappers))
        report.problems.append(text)
        first = report.doubtful_keys[0]
        columns = [] if "=" in first.value else list(columns_of(first.property, mappers))
        report.briefs[text] = doubtful_brief(report.doubtful_keys, columns, report.project)


def origins_of(survey: Survey, object_type: str) -> list[Recognized]:
    """Where the sources are exported from, by their headers and last rows."""
    found = []
    for source, rows in zip(survey.sources, survey.last_rows, strict=True):
        contents = [readable(row.content) for row in rows]
        cells = [content for content in contents if isinstance(content, list | tuple)]
        found.append(recognize(source.shape.columns, cells, object_type))
    return found


def other_type_texts(header: Sequence[str], object_type: str) -> Iterator[str]:
    """A warning if the columns rather are those of records of another type, which the option names. Files of
    contacts often have columns of their companies and deals, too, and addresses.
    """
    if are_contacts(object_type) and any(usual_target(column) == EMAIL for column in header):
        return
    if (origin := other_type(header, object_type)).systems:
        other = origin.systems[0].object_type
        signs = ", ".join(map(repr, origin.signs[:3]))
        yield (
            f"the columns are those of {noun(other).many} in an export of {origin.name} ({signs}), and the "
            f"rows are to be written as {noun(object_type).many}; for {noun(other).many} use --object-type "
            f"{other}"
        )


def drafted_mapping(
    sources: Sequence[Source], schema: Schema | None, rules: Rules, origins: Sequence[Recognized]
) -> Draft:
    """A mapping file for the sources, drafted from their headers and first rows. Blocks a little."""
    drafts = [
        draft(
            source.shape.columns,
            schema,
            _first_cells(source, rules),
            origin,
            key=rules.id_property,
            object_type=rules.object_type,
        )
        for source, origin in zip(sources, origins, strict=True)
    ]
    columns = {one.column: one for drafted in reversed(drafts) for one in drafted.columns}
    named = dict.fromkeys(one.column for drafted in drafts for one in drafted.columns)
    return replace(drafts[0], columns=tuple(columns[name] for name in named))


def rules_as_drafted(report: Report, rules: Rules) -> Rules:
    """The rules with the drafted properties of columns that are undecided; the same rules if there are none.
    They serve to draft values, and nothing else.
    """
    schema, draft_ = report.schema, report.draft
    if schema is None or draft_ is None:
        return rules
    taken = {column.property for column in report.columns if column.source == 0 and column.property}
    undecided = {column.column for column in report.columns if column.source == 0 and column.is_undecided}
    drafted: dict[str, str] = {}
    for one in draft_.columns:
        is_new = one.property in schema.labels and one.property not in taken
        if one.column in undecided and not one.ignore and is_new:
            drafted[one.column] = one.property
            taken.add(one.property)
    return replace(rules, mapped={**rules.mapped, **drafted}) if drafted else rules


def names_as_drafted(source: Source, rules: Rules, schema: Schema) -> dict[int, str]:
    """The properties of a source's columns whose values may need a decision: texts, options and owners."""
    names = dict[int, str]()
    for index, column in enumerate(source.shape.columns):
        with suppress(MappingError):
            name = "" if rules.leaves_out(column) else resolve_name(column, rules, schema)
            kind = schema.kinds.get(name)
            is_text = kind is not None and kind.type == "string"
            is_one = is_text or name in {*rules.match, *schema.owned} or options_of(name, schema)
            if is_one and name not in names.values():
                names[index] = name
    return names


def survey_drafted(
    source: Source,
    names: Mapping[int, str],
    rules: Rules,
    schema: Schema,
    *,
    most_rows: int | None,
    found: Findings,
) -> Iterator[Step]:
    """Count what a source's columns hold as they are drafted, and no others. Blocks, in steps."""
    columns = Columns(names, header=tuple(source.shape.columns))
    # Of what all records get, a pipeline decides which stages there are. What is wrong with it is reported.
    kept = {n: t for n, t in rules.constants.items() if n in PIPELINES and n not in names.values()}
    try:
        mapper = Mapper(0, replace(rules_of(rules, source), constants=kept), schema, columns)
    except MappingError:
        mapper = Mapper(0, replace(rules_of(rules, source), constants={}), schema, columns)
    surveyor, position = Surveyor(mapper, found), 0
    with suppress(SourceError):  # the survey has reported it
        for rows in first_rows(source, most_rows):
            surveyor.look(position, rows)
            position += len(rows.rows)
            yield Step(position, min(source.bytes_read(), rows.end.offset))


def _first_cells(source: Source, rules: Rules) -> list[Sequence[str]]:
    """The cells of the first rows of a tabular source. The survey reports damage."""
    rows: list[Sequence[str]] = []
    words = BlankWords(rules.blank_values, source.shape.columns, rules.id_property)
    with suppress(SourceError):
        for slice_ in first_rows(source, _TELLING_ROWS):
            contents = [readable(row.content) for row in words.blanked(unwrapped(slice_.rows))]
            rows += [content for content in contents if isinstance(content, list | tuple)]
    return rows
