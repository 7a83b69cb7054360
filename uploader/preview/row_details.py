"""The first rows of a preview, each with its cells, what would be sent, and what HubSpot has now.

In    slices as they are read, the contact that was read for a row, its settlement.
Out   a `RowDetail` for each of the first rows that is settled.
Raise nothing.
Rules At most `most` rows are kept, and each text is cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.jobs.opening import Job
from uploader.model.associations import RowLinks
from uploader.model.column_names import folded
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Slice, Unsent, display_key
from uploader.model.rows import Fault, Unreadable, one_line, readable
from uploader.model.settled_rows import Settlement
from uploader.pipeline.requests.contact_reader import ReadContact
from uploader.preview.simulated_contact import in_hubspot, is_simulated
from uploader.preview.value_changes import REFUSED, kind_of, shortened, text_of
from uploader.records.columns import OWN_PREFIX, Columns, MappingError, Rules, resolve_name
from uploader.records.fields import flat_fields, spell
from uploader.sources.open import read_row_again

_Text = tuple[str, str, str]  #: column, property and text of a cell


@dataclass(frozen=True, slots=True)
class CellDetail:
    """One column of a row, or one property that no column has."""

    column: str  #: "" for a value that no column has, such as that of --set
    property: str  #: "" for a column that is left out
    cell: str
    sent: str | None = None  #: what would be sent; None for nothing, "" clears the property
    hubspot: str | None = None  #: what HubSpot has now, "" for no value; None if that was not read
    change: str = ""  #: of `value_changes.KINDS`; "" if the row asks for nothing
    reason: str = ""  #: why it is refused
    is_link: bool = False  #: the column names records to be linked


@dataclass(frozen=True, slots=True)
class LinkDetail:
    """One link that a row asks for."""

    column: str
    object_type: str
    by: str
    label: str
    value: str
    fault: str  #: why the value names no record; "": it may


@dataclass(frozen=True, slots=True)
class RowDetail:
    """One row, settled."""

    position: int
    source: int
    row: int
    key: str
    outcome: Outcome
    reason: str  #: of a row that would not be written
    contact: str  #: HubSpot's id; "" if there is no such contact, or none was read
    is_of_earlier_row: bool  #: an earlier row of the file would create the contact
    cells: tuple[CellDetail, ...]
    links: tuple[LinkDetail, ...] = ()


@dataclass(slots=True)
class RowDetails:
    """Collects the first rows: `most`, counted over all sources."""

    most: int = 0
    #: Rows to be written, with their texts: the bytes of a record are given up when it is settled.
    _open: dict[int, tuple[Record, list[_Text]]] = field(default_factory=dict)
    _looks: dict[int, ReadContact] = field(default_factory=dict)
    _links: dict[int, RowLinks] = field(default_factory=dict)
    _done: list[RowDetail] = field(default_factory=list)
    _job: Job | None = None

    def begin(self, job: Job) -> None:
        """Set the job. Call it before the first row."""
        self._job = job

    def rows(self) -> list[RowDetail]:
        """The rows that are settled, in file order."""
        return sorted(self._done, key=lambda one: one.position)

    def note_rows(self, slice_: Slice) -> None:
        if slice_.first >= self.most:
            return
        for record in slice_.records:
            if record.position < self.most:
                self._open[record.position] = record, self._named_texts(record)
        self._links |= {one.position: one for one in slice_.associations if one.position < self.most}
        for unsent in slice_.unsent:
            if unsent.position < self.most:
                texts = self._named_texts(unsent)
                why = unsent.all_reasons
                self._keep(unsent, texts, outcome=unsent.outcome, reason=why, faults=unsent.faults)

    def note_look(self, look: ReadContact) -> None:
        """Note the contact of a row. It may be read again; the last reading counts."""
        if look.record.position in self._open:
            self._looks[look.record.position] = look

    def note_settled(self, settlements: Sequence[Settlement]) -> None:
        for one in settlements:
            if one.record.position not in self._open:
                continue
            record, texts = self._open.pop(one.record.position)
            reason, look = one.refusal.message if one.refusal else "", self._looks.pop(record.position, None)
            self._keep(record, texts, outcome=one.outcome, reason=reason, faults=record.dropped, look=look)

    def _keep(
        self,
        row: Record | Unsent,
        texts: Sequence[_Text],
        *,
        outcome: Outcome,
        reason: str,
        faults: Sequence[Fault],
        look: ReadContact | None = None,
    ) -> None:
        assert self._job is not None
        contact = look.held.id if look and look.held else ""
        detail = RowDetail(
            position=row.position,
            source=row.source,
            row=row.row,
            key=shortened(display_key(row.key, row.lock_keys, self._job.settings.rules.id_property)),
            outcome=outcome,
            reason=shortened(reason),
            contact="" if is_simulated(contact) else contact,
            is_of_earlier_row=is_simulated(contact),
            cells=tuple(_cells(row, texts, look, faults, self._job.settings.rules)),
            links=tuple(self._links_of(row.position)),
        )
        self._done.append(detail)

    def _links_of(self, position: int) -> Iterator[LinkDetail]:
        assert self._job is not None
        found, columns = self._links.pop(position, None), self._job.settings.associations
        for one in found.values if found else ():
            of = columns[one.column]
            yield LinkDetail(
                of.column, of.object_type, of.by, of.label, shortened(one.value), shortened(one.fault)
            )

    def _named_texts(self, row: Record | Unsent) -> list[_Text]:
        """The row's cells, without the columns that `failures` adds."""
        assert self._job is not None
        rules, mapper = self._job.settings.rules, self._job.mappers[row.source]
        content = readable(read_row_again(self._job.sources[row.source].shape, row.raw))
        if isinstance(content, Unreadable):
            return []
        if isinstance(content, Mapping):
            texts = flat_fields(content, rules.id_property)
            named = [(column, self._resolved(column), spell(value) or "") for column, value in texts.items()]
        else:
            columns = mapper.columns or Columns({})
            named = [
                (columns.column(index), columns.names.get(index, ""), text)
                for index, text in enumerate(content)
            ]
        return [one for one in named if not one[0].startswith(OWN_PREFIX)]

    def _resolved(self, column: str) -> str:
        """The property of a field; "" if it is left out or has none."""
        assert self._job is not None
        rules = self._job.settings.rules
        if rules.leaves_out(column) or rules.is_only_read(column):
            return ""
        try:
            return resolve_name(column, rules, self._job.account.schema) or ""
        except MappingError:
            return ""


def _cells(
    row: Record | Unsent,
    texts: Sequence[_Text],
    look: ReadContact | None,
    faults: Sequence[Fault],
    rules: Rules,
) -> Iterator[CellDetail]:
    reasons: dict[str, list[str]] = {}
    for fault in faults:
        reasons.setdefault(fault.column, []).append(fault.reason)
    of_no_column = set(look.wanted if look else ()) - {name for _, name, _ in texts}
    for column, name, text in [*texts, *(("", name, "") for name in sorted(of_no_column))]:
        reason = one_line(reasons.get(column, ()))
        sent, held, change = _values(name, row, look)
        yield CellDetail(
            column=column,
            property=name,
            cell=shortened(text),
            sent=None if sent is None else shortened(sent),
            hubspot=None if held is None else shortened(held),
            change=REFUSED if reason else change,
            reason=shortened(reason),
            is_link=rules.has_links(folded(column)),
        )


def _values(name: str, row: Record | Unsent, look: ReadContact | None) -> tuple[str | None, str | None, str]:
    """What is sent of a property, what HubSpot has of it, and the change. None: nothing, or not known."""
    if look is None or look.decision is None:
        return None, None, ""
    there = in_hubspot(look.held)
    is_key = isinstance(row, Record) and name == row.id_property
    if not is_key and name not in look.wanted:
        return None, None, ""
    held = text_of(there.get(name)) if look.held and not is_simulated(look.held.id) else None
    if is_key:
        return (None if look.decision.outcome else row.key), held, ""
    change = kind_of(name, look.decision.changes[name], look.held)
    return look.decision.properties.get(name), held, change
