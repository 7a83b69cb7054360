"""The expected values for `verify`: what a job's rows ask for, each by the settings that applied to it.

Raise `SettingsError` if the present settings can't be applied any more. If former settings can't, the rows
written with them are in doubt.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from uploader.errors import ChangedRowsError, SettingsError, SourceError
from uploader.hubspot.account import Account
from uploader.hubspot.requests import sent_properties
from uploader.jobs.column_rules import overwriting_rules, rules_of
from uploader.jobs.resume_checks import recorded_settings
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Unsent
from uploader.model.rows import Mark, Row, RowSlice
from uploader.model.settings_periods import Period, period_of, uncertain_periods
from uploader.records.columns import MappingError, recorded_columns
from uploader.records.mapper import Mapper
from uploader.records.write_policy import Policy, WritePolicy
from uploader.settings import Settings
from uploader.sources.source import Source
from uploader.storage.checkpoint import Checkpoint
from uploader.verify.judge import Cell, Doubt, Wanted
from uploader.verify.verify_file import VerificationFile


@dataclass(frozen=True, slots=True)
class PeriodMapping:
    """How the rows of a period were mapped and written."""

    match: tuple[str, ...]
    mappers: Sequence[Mapper]  #: by source; those of the present settings if there is a doubt
    overwriting: WritePolicy
    doubt: Doubt = Doubt.NONE  #: why the period's own mapping is not known


def find_period_mappings(
    settings: Settings, periods: Sequence[Period], sources: list[Source], account: Account, first: int = 0
) -> list[PeriodMapping]:
    """The mapping of each period. `settings`: those of the last one. `first`: number of the first source."""
    present = periods[-1].settings
    assert present is not None
    now = _period_mapping(settings, present, sources, account, first)
    mappings = []
    for period in periods[:-1]:
        mapping = replace(now, doubt=Doubt.UNKNOWN if period.settings is None else Doubt.UNUSABLE)
        former = former_settings(settings, period)
        if former is not None and period.settings is not None:
            with suppress(SettingsError):
                mapping = _period_mapping(former, period.settings, sources, account, first)
        mappings.append(mapping)
    return [*mappings, now]


def former_settings(settings: Settings, period: Period) -> Settings | None:
    """The settings of a period; None if they can't be applied to the records that are read now."""
    known = period.settings
    if known is None or known["object_type"] != settings.object_type:
        return None
    recorded = recorded_settings(known)
    with suppress(SettingsError):
        return replace(settings, **recorded, id_property=recorded["match"][0])
    return None


def _period_mapping(
    settings: Settings, known: Mapping[str, Any], sources: list[Source], account: Account, first: int
) -> PeriodMapping:
    """The mapping of one period, with its columns as they were resolved then: labels may have changed.

    SettingsError if the columns can't be mapped any more, such as after a property was deleted.
    """
    mappers = []
    for index, (source, names) in enumerate(zip(sources, known["columns"], strict=True)):
        recorded = {int(column): name for column, name in names.items()} if names else None
        columns = recorded_columns(source.shape.columns, recorded) if recorded is not None else None
        try:
            mappers.append(Mapper(first + index, rules_of(settings.rules, source), account.schema, columns))
        except MappingError as error:
            raise SettingsError(str(error)) from error
    return PeriodMapping(settings.match, mappers, overwriting_rules(settings, sources, account))


class _Rows:
    """A slice of rows, mapped as a whole the first time that a mapping is asked for."""

    def __init__(self, source: int, first: int, rows: Sequence[Row]) -> None:
        self._source = source
        self._first = first
        self._rows = rows
        self._mapped: dict[int, Sequence[Record | Unsent]] = {}  # by id of the mapping

    def mapped(self, mapping: PeriodMapping, position: int) -> Record | Unsent:
        if id(mapping) not in self._mapped:
            self._mapped[id(mapping)] = mapping.mappers[self._source].map(self._first, self._rows)
        return self._mapped[id(mapping)][position - self._first]


def _unchanged(source: Source, known: Sequence[Mark]) -> Iterator[RowSlice]:
    """The slices of a source. SourceError if rows before a known mark have changed."""
    try:
        yield from source.slices(None, known)
    except ChangedRowsError as error:
        raise SourceError(
            f"{source.name}: its rows have changed since the upload, and verify compares records with the "
            "rows as they were; give a copy from then with --source"
        ) from error


class Builder:
    """Writes the expected values into the file, row by row, each by the settings that applied to it."""

    def __init__(
        self,
        file: VerificationFile,
        main: str,
        periods: Sequence[Period],
        mappings: Sequence[PeriodMapping],
        *,
        is_linked: bool,
        first: int = 0,
    ) -> None:
        """`mappings`: one for each period. `main`: the job's main id property. `is_linked`: rows of any job
        in the file have several. `first`: number of the first source; above 0, rows are corrected ones.
        """
        self._file = file
        self._main = main
        self._periods = periods
        self._mappings = mappings
        self._is_linked = is_linked
        self._first = first
        self._wanted: list[tuple[tuple[str, ...], Wanted, Doubt]] = []
        self._rows = _Rows(0, 0, ())

    def steps(
        self,
        sources: list[Source],
        known: Mapping[int, Sequence[Mark]],
        doubt_of: Callable[[int], Doubt | None],
    ) -> Iterator[int]:
        """Process all rows, slice by slice; yields the number of rows so far. `known`: marks of the job, by
        source. SourceError if the rows before one of them have changed.
        """
        position = 0
        for index, source in enumerate(sources):
            for slice_ in _unchanged(source, known.get(index, ())):
                self._rows = _Rows(index, position, slice_.rows)
                for _ in slice_.rows:
                    self._add_row(position, doubt_of(position))
                    position += 1
                self._store()
                yield position

    def _add_row(self, position: int, doubt: Doubt | None) -> None:
        mapping = self._mappings[period_of(self._periods, position)]
        unsure = uncertain_periods(self._periods, position)
        formers = [self._mappings[i] for i in unsure]
        if doubt is None:
            self._may_have_been_sent(position, formers)
            return
        doubt = mapping.doubt or next((former.doubt for former in formers if former.doubt), doubt)
        record = self._rows.mapped(mapping, position)
        if isinstance(record, Record):
            wanted = _wanted_of_record(record, doubt, mapping.overwriting)
            if len(self._mappings) > 1 and doubt is Doubt.NONE:
                sent = [_sent(self._rows.mapped(former, position)) for former in formers]
                wanted = replace(wanted, others=_others(record, wanted.cells, sent))
            self._wanted.append((record.lock_keys, wanted, doubt))
            if record.id_property != self._main and not self._is_linked:
                self._file.note_shared_values(record.lock_keys)
        elif record.outcome is Outcome.SKIPPED and not mapping.doubt:
            if doubt is not Doubt.OPEN:
                self._add_unsent(position, record, Doubt.NOW_SKIPPED)
        elif mapping.doubt or record.key:
            changed = Doubt.OPEN if doubt is Doubt.OPEN else Doubt.CHANGED
            self._add_unsent(position, record, mapping.doubt or changed)

    def _add_unsent(self, position: int, record: Unsent, doubt: Doubt) -> None:
        """Note a row that was written and cannot be mapped any more, whether it has a key or not."""
        if record.key and record.lock_keys:
            self._wanted.append((record.lock_keys, _wanted_of_unsent(record), doubt))
        else:
            nameless = Wanted(0, self._main, "", record.row, record.source, {})
            self._wanted.append(((f"{self._main}=\nrow {self._first} {position}",), nameless, doubt))

    def _may_have_been_sent(self, position: int, formers: Sequence[PeriodMapping]) -> None:
        """Note the values of a row that was not written but may have been sent under other settings."""
        for former in formers:
            record = self._rows.mapped(former, position)
            if isinstance(record, Record):
                self._store()  # values are applied in row order
                others = {name: (text,) for name, text in sent_properties(record).items()}
                self._file.allow_values(record.lock_keys[0], others, former.doubt)

    def _store(self) -> None:
        wanted, self._wanted = self._wanted, []
        if self._is_linked:
            self._file.add_linked_rows(wanted, are_corrected=bool(self._first))
        else:
            rows = [(values[0], contact, doubt) for values, contact, doubt in wanted]
            self._file.add_rows(rows, are_corrected=bool(self._first))


def _wanted_of_record(record: Record, doubt: Doubt, overwriting: WritePolicy) -> Wanted:
    """What a record asks for. Values that may be preserved are left out: HubSpot's value is as good."""
    cells = {
        name: Cell(text, record.row, record.source)
        for name, text in (sent_properties(record).items() if doubt is Doubt.NONE else ())
        if overwriting.of(name) is Policy.OVERWRITE
    }
    return Wanted(0, record.id_property, record.key, record.row, record.source, cells)


def _wanted_of_unsent(row: Unsent) -> Wanted:
    id_property, _, _ = row.lock_keys[0].partition("=")
    return Wanted(0, id_property, row.key, row.row, row.source, {})


def _others(
    record: Record, cells: Mapping[str, Cell], sent: Sequence[Mapping[str, str]]
) -> dict[str, Collection[str]]:
    """The values that a contact may also hold, by property, since a row may have been written with them.

    For a property that the row certainly wrote there are none.
    """
    others: dict[str, Collection[str]] = dict.fromkeys(cells, ())
    for properties in (sent_properties(record), *sent):
        for name, text in properties.items():
            if name not in cells:
                others[name] = {*others.get(name, ()), text}
    return others


def _sent(record: Record | Unsent) -> dict[str, str]:
    return sent_properties(record) if isinstance(record, Record) else {}


def doubts_of(checkpoint: Checkpoint, in_doubt_below: int) -> Callable[[int], Doubt | None]:
    """A function that says what is known of a position: Doubt.NONE if its row was confirmed, None if it was
    never written. Call it in file order. `in_doubt_below`: open rows below this position may have been sent.
    """
    progress = checkpoint.state().progress
    conflicts = {conflict.position for conflict in checkpoint.identity_conflicts()}
    unconfirmed = checkpoint.unconfirmed()
    ahead: list[tuple[int, str]] = []

    def doubt_of(position: int) -> Doubt | None:
        while not ahead or ahead[-1][0] < position:
            ahead[:] = [next(unconfirmed, (2**63, ""))]
        if ahead[-1][0] == position:
            unsure = ahead[-1][1] in {Outcome.ABANDONED.value, Outcome.PENDING.value}
            return Doubt.UNSURE if unsure else None
        if not progress.is_settled(position):
            return Doubt.OPEN if position < in_doubt_below else None
        return Doubt.ALIAS if position in conflicts else Doubt.NONE

    return doubt_of
