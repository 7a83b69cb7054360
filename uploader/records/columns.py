"""Which column is which property: by the user's mapping, by names and labels; and what is missing.

In    a header, the user's rules, and what HubSpot knows of its properties, if known.
Out   `Columns`, resolved for a whole source.
Raise `MappingError` for what is wrong with a whole file.
Rules A column acts by its property's exact name, its exact label, or the user's mapping, never by likeness.
      For a column that tells who has opted out or whose address bounces, the user must decide before anything
      starts. Properties that make contacts cost money must be allowed by name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.hubspot.object_types import are_contacts, is_searched
from uploader.hubspot.schema import Schema
from uploader.model.associations import LinkColumn
from uploader.model.column_names import folded, quoted
from uploader.model.records import EMAIL, OWN_ID
from uploader.records.headers.near_properties import NearProperties
from uploader.records.headers.tables import ASK, usual_target
from uploader.records.known_headers import (
    bare,
    carries_consent,
    carries_opt_out,
    holds_whatever,
    may_mean_either,
)
from uploader.records.not_a_row import row_in_header
from uploader.records.suppression_list import Suppression
from uploader.records.values.datetimes import DateOrder

#: Columns that `failures` adds; never properties.
OWN_PREFIX = "uploader_"
SUPERSEDED = "uploader_superseded"
#: A column of files made for spreadsheets (--spreadsheet-safe), whose cells differ from the source's.
TO_LOOK_AT = "uploader_to_look_at"
#: Properties that hold addresses, of contacts.
ADDRESSES = (EMAIL, "hs_additional_emails", "work_email")
#: What --opt-outs takes: the rows are written and their addresses listed, or they are skipped.
LIST, SKIP = "list", "skip"
#: The column of HubSpot's own id in its exports; how users may call that id.
EXPORTED_ID, OWN_ID_NAMES = "Record ID", frozenset({"id", OWN_ID})
#: Prefix of properties that decide whether a contact costs money.
COSTLY = "hs_marketable_"


class MappingError(ValueError):
    """The columns cannot be mapped. Each text tells the user what to do."""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return numbered(self.texts)


class NoKeyColumnError(MappingError):
    """No column is a property that rows are matched by."""


def numbered(texts: Sequence[str]) -> str:
    """Return all problems in one line."""
    if len(texts) < 2:
        return "".join(texts)
    return f"{len(texts)} problems: " + "; ".join(f"({n}) {text}" for n, text in enumerate(texts, 1))


_BY_COLUMN = (
    *("mapped", "ignored", "only", "cleared", "date_orders", "decimals", "timezones", "suppress_where"),
    *("blank_values", "translations"),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The user's settings for columns and rows. In tables by column, "" stands for all columns that are
    not named.
    """

    id_property: str = EMAIL  #: the first of `match`; given alone, the only one
    match: tuple[str, ...] = ()  #: the properties a row is matched by: the first that it has
    object_type: str = "contacts"
    mapped: Mapping[str, str] = field(default_factory=dict)  #: column -> property, as the user maps it
    ignored: frozenset[str] = frozenset()  #: columns that the user leaves out
    only: frozenset[str] = frozenset()  #: if there are any, all other columns are left out
    cleared: frozenset[str] = frozenset()  #: columns whose blanks clear the property
    blank_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: by column: words for a blank
    date_orders: Mapping[str, DateOrder] = field(default_factory=dict)  #: by column, given or inferred
    decimals: Mapping[str, str] = field(default_factory=dict)  #: by column: "." or ","
    #: By column: "value" or "label", of a text that is one option's value and another one's label.
    option_readings: Mapping[str, str] = field(default_factory=dict)
    timezones: Mapping[str, str] = field(default_factory=dict)  #: by column: of date-times without a zone
    owner_map: Mapping[str, str] = field(default_factory=dict)  #: their owner -> HubSpot's e-mail or id
    #: By column: word, as `translation.word` folds it -> what replaces it; "": a blank cell.
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drop_bad_values: bool = False  #: values that cannot be converted are left out, instead of their rows
    include_superseded: bool = False
    has_numbers: bool = False  #: the source's format has numbers of its own, beside texts
    suppression: Suppression | None = None  #: addresses that must not be written to
    #: Column -> the values that suppress a row; none: a usual yes. See `convert.is_yes`.
    suppress_where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    opt_outs: str = ""  #: what becomes of rows that say "opted out": LIST or SKIP; "": undecided
    #: Columns of consent in a source whose rows name their fields: a row without one has not agreed.
    consent_fields: frozenset[str] = frozenset()
    constants: Mapping[str, str] = field(default_factory=dict)  #: property -> its value in all records
    allowed: frozenset[str] = frozenset()  #: properties that cost money and that the user allows
    associations: tuple[LinkColumn, ...] = ()  #: columns that name records to be linked

    def __post_init__(self) -> None:
        match = self.match or (self.id_property,)
        object.__setattr__(self, "match", match)
        object.__setattr__(self, "id_property", match[0])
        for name in _BY_COLUMN:
            columns = getattr(self, name)
            if any(folded(column) != column for column in columns):
                pairs = (
                    columns.items() if isinstance(columns, Mapping) else zip(columns, columns, strict=True)
                )
                found = {folded(column): value for column, value in pairs}
                object.__setattr__(self, name, found if isinstance(columns, Mapping) else frozenset(found))

    @property
    def has_addresses(self) -> bool:
        """Whether `email` is an address, and unique whatever the API says of it."""
        return are_contacts(self.object_type)

    @property
    def is_by_own_id(self) -> bool:
        """Whether records are updated by HubSpot's own id, and so never created."""
        return self.id_property == OWN_ID

    @property
    def is_searched(self) -> bool:
        """Whether who has a key is found by search, since the key is not unique."""
        return is_searched(self.object_type, self.id_property)

    def is_own_id(self, column: str) -> bool:
        """Whether a column, by the user's mapping or its own name, holds the ids by which records are
        updated.
        """
        names = OWN_ID_NAMES if column in self.mapped else {OWN_ID, EXPORTED_ID}
        return self.is_by_own_id and self.mapped.get(column, column) in names

    def is_unwritable(self, name: str, schema: Schema | None) -> bool:
        """Whether HubSpot refuses values of the property. A key is no value."""
        is_key = self.is_by_own_id and name == OWN_ID
        return schema is not None and name in schema.read_only and not is_key

    def leaves_out(self, column: str) -> bool:
        """Whether the user leaves the column out, or it is one of our own."""
        is_other = bool(self.only) and column not in self.only and not self.is_undecided(column)
        return is_other or column in self.ignored or column.startswith(OWN_PREFIX)

    def is_undecided(self, column: str) -> bool:
        """Whether the column tells who must not be written to, and the user has not decided what to do
        with it. Where a no suppresses, an option without a value would skip those who have agreed.
        """
        suppresses = bool(self.suppress_where.get(column)) or not carries_consent(column)
        is_told = bool(self.opt_outs) and not may_mean_either(column)
        is_read = suppresses if column in self.suppress_where else is_told
        has_word = column in self.mapped or column in self.ignored or is_read
        return not has_word and self.has_addresses and _is_opt_out(column)

    def tells_opt_outs(self, column: str) -> bool:
        """Whether rows that say "opted out" in this column are listed or skipped by --opt-outs. A column that
        is written, too, or not among those of --only; not one that the user leaves out by name, nor one
        whose name leaves open what it tells, unless its rows are skipped.
        """
        is_clear = column in self.suppress_where or not may_mean_either(column)
        is_read = bool(self.opt_outs) and column not in self.ignored and is_clear
        return is_read and self.has_addresses and _is_opt_out(column)

    def is_only_read(self, column: str) -> bool:
        """Whether the column is used for suppression or for links only and not sent, even if it has the name
        of a property.
        """
        if column in self.mapped:
            return False
        is_named = column in self.suppress_where or self.tells_opt_outs(column)
        return self.has_links(column) or (is_named and self.has_addresses and _is_opt_out(column))

    def has_links(self, column: str) -> bool:
        """Whether the column names records to be linked."""
        return any(one.column == column for one in self.associations)

    @property
    def suppresses(self) -> bool:
        """Whether any row may be suppressed, or its address listed."""
        return self.suppression is not None or bool(self.suppress_where) or bool(self.opt_outs)


def _is_opt_out(column: str) -> bool:
    return not column.startswith(OWN_PREFIX) and carries_opt_out(column)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one source, resolved."""

    names: Mapping[int, str]  #: cell index -> property
    nameless: tuple[int, ...] = ()  #: cells of columns without a name, which must be blank
    superseded: int | None = None
    header: tuple[str, ...] = field(default=(), compare=False)  #: all columns, as the source names them
    #: Cells with addresses of the row's person, including columns that are left out.
    addresses: tuple[int, ...] = field(default=(), compare=False)

    def column(self, index: int) -> str:
        """Return the source's name for the column of a cell."""
        return self.header[index] if index < len(self.header) else f"column {index + 1}"


def resolve_columns(header: Sequence[str], rules: Rules, schema: Schema | None) -> Columns:
    """Decide for each column which property it is. Without a `schema`, every name counts as a property."""
    names: dict[int, str] = {}
    nameless, unmapped = [], []
    superseded = None
    if TO_LOOK_AT in header:
        raise MappingError(
            "this file was written with --spreadsheet-safe, which changes cells; write it again without "
            "that option, and upload the new file"
        )
    refuse_row_as_header(header, rules)
    refuse_undecided([column for column in header if rules.is_undecided(column)])
    for index, column in enumerate(header):
        if column == SUPERSEDED:
            superseded = index
        elif rules.leaves_out(column) or rules.is_only_read(column):
            continue
        elif column == f"column {index + 1}" and column not in rules.mapped:
            nameless += [] if column in rules.suppress_where else [index]
        else:
            name = resolve_name(column, rules, schema)
            if name:
                names[index] = name
            elif column not in rules.suppress_where:
                unmapped.append(column)
    if set(rules.match).isdisjoint(names.values()):
        proposed = quoted(f"{_key_column(header, rules, schema)}={rules.id_property}")
        raise NoKeyColumnError(
            f"no column is the id property {' or '.join(map(repr, rules.match))} (columns: "
            f"{_listed(header)}); map one with --map "
            f"{proposed}, or choose another property with "
            f"{'--id-property' if len(rules.match) == 1 else '--match'}"
        )
    if unmapped:
        raise MappingError(unmapped_text(unmapped, schema))
    _refuse_clashes(header, names)
    _refuse_read_only({names[i]: header[i] for i in names}, rules, schema)
    _refuse_clearing_keys({names[i]: header[i] for i in names}, rules)
    _refuse_costly({names[i]: header[i] for i in names}, rules)
    _refuse_constants({names[i]: header[i] for i in names}, rules)
    addresses = _addresses(header, rules, schema)
    return Columns(names, tuple(nameless), superseded, tuple(header), addresses)


def refuse_row_as_header(header: Sequence[str], rules: Rules) -> None:
    """Raise MappingError if the first line is a person and not a header, whatever its cells are mapped to."""
    named = row_in_header(header)
    if not named:
        keys = {column for column, name in rules.mapped.items() if name in rules.match}
        named = next((column for column in header if column in keys and _NO_LETTER.fullmatch(column)), "")
    if named:
        raise MappingError(
            f"the first line has {named!r}, so it looks like a row and not like a header, and would be lost; "
            "write a line with the names of the columns above it, such as "
            f"{','.join([rules.id_property, *_USUAL_NAMES][: len(header)])}"
        )


#: A key such as 12345 or +49 30 1234.
_NO_LETTER = re.compile(r"[\W\d_]*\d{3}[\W\d_]*")
_USUAL_NAMES = ("firstname", "lastname")


def resolve_name(column: str, rules: Rules, schema: Schema | None) -> str:
    """Return the property of a column; "" if it has none."""
    is_own_id = rules.is_own_id(column)
    if column in rules.mapped:
        return OWN_ID if is_own_id else _target(column, rules.mapped[column], schema)
    if schema is None or column in schema.labels:
        return OWN_ID if is_own_id else column
    named = [name for name, label in schema.labels.items() if folded(label) == column]
    if is_own_id and not named:
        return OWN_ID
    if len(named) > 1:
        raise MappingError(
            f"column {column!r} is the label of {' and '.join(sorted(named))}; choose one, for example with "
            f"--map {quoted(f'{column}={min(named)}')}"
        )
    return named[0] if named else ""


def _target(column: str, given: str, schema: Schema | None) -> str:
    """Return the property that the user names, by its name or else its label."""
    if schema is None or given in schema.labels:
        return given
    named = [name for name, label in schema.labels.items() if folded(label) == folded(given)]
    if len(named) == 1:
        return named[0]
    if named:
        raise MappingError(
            f"{column!r} cannot be mapped to {given!r}, which is the label of {' and '.join(sorted(named))}"
        )
    near = NearProperties(schema.labels)
    close = (*near.same(given), near.misspelled(given))[0]
    meant = f"; did you mean {close}?" if close else ""
    raise MappingError(
        f"{column!r} cannot be mapped to {given!r}: {schema.no_property('with that name or label')}{meant}"
    )


def recorded_columns(header: Sequence[str], names: Mapping[int, str]) -> Columns:
    """Return the columns of a job begun earlier, as they were resolved then."""
    superseded = [index for index, column in enumerate(header) if column == SUPERSEDED]
    return Columns(names, (), superseded[0] if superseded else None, tuple(header))


def refuse_unknown(rules: Rules, header: Sequence[str]) -> None:
    """Raise MappingError if the rules name columns that do not exist."""
    named: dict[str, Iterable[str]] = {
        "--map or --ignore": rules.mapped.keys() | rules.ignored,
        "--only": rules.only,
        "--clear": rules.cleared,
        "--blank-value": rules.blank_values,
        "--date-order": rules.date_orders,
        "--decimal": rules.decimals,
        "--options": rules.option_readings,
        "--timezone": rules.timezones,
        "--values": rules.translations,
        "--suppress-where": rules.suppress_where,
        "--associate": [one.column for one in rules.associations],
    }
    if rules.opt_outs and not any(map(rules.tells_opt_outs, header)):
        raise MappingError(
            f"--opt-outs {rules.opt_outs}: no column tells of opt-outs by its name (columns: "
            f"{_listed(header)}); if one does, skip its rows with --suppress-where, else leave --opt-outs out"
        )
    unknown = {option: sorted(set(columns) - set(header) - {""}) for option, columns in named.items()}
    texts = [
        f"{option}: there is no column {_listed(names)}; the columns are {_listed(header)}"
        for option, names in unknown.items()
        if names
    ]
    for word in rules.blank_values.get("", ()):
        column, equals, rest = word.rpartition("=")
        if equals and folded(column) in header:
            texts.append(
                f'blank_values: {word!r} is a word of all columns; for one, write "{folded(column)}" = '
                f'{{ property = "PROPERTY", blank_values = ["{rest.strip()}"] }}; in a project file also '
                f'blank_value = ["{word}"]'
            )
    if texts:
        raise MappingError(*texts)


def unmapped_text(unmapped: Sequence[str], schema: Schema | None) -> str:
    """Return the message about columns that are no property."""
    likely = _likely_properties(unmapped[:8], schema)
    words = ["--map " + quoted(f"{column}={name or 'PROPERTY'}") for column, name in likely.items()]
    which = f"with the name or label {_listed(unmapped)}"
    none = schema.no_property(which) if schema else f"this account has no property {which}"
    return (
        f"{none}; map each column, for example with {' '.join(words)}, or leave it out with --ignore "
        f"{quoted(unmapped[0])}; `check` with --write-mapping drafts a mapping of all columns, and with "
        "--write-properties the properties that are missing"
    )


def _likely_properties(columns: Sequence[str], schema: Schema | None) -> Mapping[str, str]:
    """By column, a property that it may be, or ""; it is only proposed, never used."""
    labels = {n: t for n, t in schema.labels.items() if n not in schema.read_only} if schema else {}
    near = NearProperties(labels)

    def likely(column: str) -> str:
        usual = usual_target(column).removeprefix(ASK)
        if usual in labels:
            return usual
        same = near.same(column)
        return same[0] if same else near.misspelled(column)

    return {column: likely(column) if labels else "" for column in columns}


def _key_column(header: Sequence[str], rules: Rules, schema: Schema | None) -> str:
    """Return a column that may be the key, for a message."""
    if rules.is_by_own_id:
        ids = [column for column in header if bare(column) == "id" or bare(column).startswith("recordid")]
        return ids[0] if len(ids) == 1 else "COLUMN"
    likely = _likely_properties(header, schema)
    return next((column for column, name in likely.items() if name == rules.id_property), "COLUMN")


def _refuse_clashes(header: Sequence[str], names: Mapping[int, str]) -> None:
    first: dict[str, int] = {}
    for index, name in names.items():
        if name in first:
            raise MappingError(
                f"columns {header[first[name]]!r} and {header[index]!r} are both mapped to {name!r}; leave "
                f"one out with --ignore {quoted(header[index])}"
            )
        first[name] = index


def _refuse_read_only(columns: Mapping[str, str], rules: Rules, schema: Schema | None) -> None:
    for name, column in columns.items():
        if rules.is_unwritable(name, schema):
            by_it = ", or update records by it with --id-property id" if name == OWN_ID else ""
            raise MappingError(
                f"column {column!r} is the property {name!r}, which is read-only in HubSpot; leave it out "
                f"with --ignore {quoted(column)}{by_it}"
            )


def _refuse_clearing_keys(columns: Mapping[str, str], rules: Rules) -> None:
    for name in (rules.id_property, EMAIL):
        if columns.get(name) in rules.cleared:
            raise MappingError(f"--clear {columns[name]!r}: {name!r} is the key and cannot be cleared")


def refuse_undecided(columns: Sequence[str]) -> None:
    """Raise MappingError if there are columns that `Rules.is_undecided` names."""
    if columns:
        raise MappingError(*map(undecided_text, by_kind(columns)))


def by_kind(columns: Sequence[str]) -> list[Sequence[str]]:
    """Return columns that are undecided by kind: those of opt-outs, those that may tell either, consents."""
    kinds = [[c for c in columns if _kind(c) == kind] for kind in ("opt-outs", "either", "consents")]
    return [kind for kind in kinds if kind]


def _kind(column: str) -> str:
    """What kind of column about opt-outs it is. A message is about columns of one kind."""
    return "consents" if carries_consent(column) else "either" if may_mean_either(column) else "opt-outs"


def undecided_text(columns: Sequence[str]) -> str:
    """Return the message about columns of one kind that tell who must not be written to."""
    tells = "tells" if len(columns) == 1 else "tell"
    lists = (
        "write these rows and have their addresses listed for HubSpot's opt-out import with --opt-outs list, "
    )
    if carries_consent(columns[0]):
        words = [f"--suppress-where {quoted(column + '=no')}" for column in columns[:8]]
        what = f"{tells} who has agreed to receive e-mail (no: not to write to them)"
        values = "=no: also false, 0 and the like, and blank cells; =VALUE: rows with another value"
    else:
        words = [
            f"--suppress-where {quoted(column + '=*' * holds_whatever(column))}" for column in columns[:8]
        ]
        what = f"{tells} who has opted out or whose address bounces"
        if may_mean_either(columns[0]):
            what = (
                "may tell who has opted out or whose address bounces (the name leaves open what a yes means, "
                "so --opt-outs does not read it)"
            )
            lists = ""
        values = "=VALUE: rows with another value than yes, =*: rows with any value"
    return (
        f"{_listed(columns)} {what}, and HubSpot can send e-mail to every contact it has. Decide: {lists}"
        f"skip the rows with {' '.join(words)} ({values}), write the column with --map "
        f"{quoted(f'{columns[0]}=PROPERTY')}, or leave it out with --ignore {quoted(columns[0])}"
    )


def _refuse_costly(columns: Mapping[str, str], rules: Rules) -> None:
    for name, column in columns.items():
        if name.startswith(COSTLY) and name not in rules.allowed:
            raise MappingError(
                f"column {column!r} is the property {name!r}: {COSTLY_TEXT}. Leave it out with --ignore "
                f"{quoted(column)}, or allow it with --allow {name}"
            )


COSTLY_TEXT = "it makes contacts marketing contacts, which are paid for, or keeps them from it"


def _refuse_constants(columns: Mapping[str, str], rules: Rules) -> None:
    for name in rules.constants:
        if name in columns and name not in {EMAIL, *rules.match}:  # these have a reason of their own
            raise MappingError(
                f"--set {name}: column {columns[name]!r} is mapped to that property, too; leave it out with "
                f"--ignore {quoted(columns[name])}, or remove --set"
            )


def _addresses(header: Sequence[str], rules: Rules, schema: Schema | None) -> tuple[int, ...]:
    """Return what `address_cells` does, if addresses are compared or listed."""
    lists = rules.opt_outs == LIST and any(map(rules.tells_opt_outs, header))
    if rules.suppression is None and not lists:
        return ()
    found = address_cells(header, rules, schema)
    if not found:
        what = "--opt-outs list lists" if rules.suppression is None else "--suppress compares"
        raise MappingError(
            f"{what} addresses, and no column is email (columns: {_listed(header)}); map one with --map "
            '"COLUMN=email"'
        )
    return found


def address_cells(header: Sequence[str], rules: Rules, schema: Schema | None) -> tuple[int, ...]:
    """Return the indexes of cells that hold addresses of the row's person."""
    return tuple(i for i, column in enumerate(header) if _name_at_all(column, rules, schema) in ADDRESSES)


def _name_at_all(column: str, rules: Rules, schema: Schema | None) -> str:
    try:
        return resolve_name(column, rules, schema)
    except MappingError:
        return ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
