"""Draft a mapping of a file's columns, for the user to read, correct and approve.

In    a header, the account's properties (if known), and some rows.
Out   a `Draft`, and its text: a mapping file with a comment for each column.
Raise nothing.
Rules It is only a draft: nothing uses it before the user gives it to `upload`. Likely columns are mapped;
      uncertain ones are commented out, so that `upload` stops until somebody decides. Properties that HubSpot
      calculates are ignored. An opt-out is not a property: such columns are flagged and left to the user,
      even if a property has their name.
"""

import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import chain
from typing import NamedTuple

from uploader.check.bad_columns import BadColumn
from uploader.check.blank_candidates import Candidate, details, listed
from uploader.check.value_draft import add_to_table, toml_comment, toml_text, value_tables, with_value_tables
from uploader.hubspot.object_types import are_contacts
from uploader.hubspot.schema import Schema
from uploader.model.associations import NAME
from uploader.model.column_names import folded
from uploader.model.records import DOMAIN, EMAIL, OWN_ID
from uploader.records.columns import COSTLY, OWN_PREFIX
from uploader.records.headers.near_properties import NearProperties
from uploader.records.headers.recognition import Recognized, recognize
from uploader.records.headers.tables import ASK, IGNORE, KEY, OPT_OUT, usual_target
from uploader.records.known_headers import carries_consent, carries_opt_out, holds_whatever, names_ids
from uploader.records.values.date_numbers import dates_text, needs_unit, readings
from uploader.records.values.datetimes import DateOrder, as_moment, lacks_zone, orders_of
from uploader.records.values.options import BOOLEANS, Choices, clash_in, clashing_options

#: Stands in a draft for the property that the user has to fill in.
PROPERTY_TO_FILL_IN = "PROPERTY"


@dataclass(frozen=True, slots=True)
class Drafted:
    """One column."""

    column: str
    property: str = ""  #: "" with `ignore`: the column is left out; "" without: not known
    ignore: bool = False
    #: With `ignore`: what its ids may be links to, such as `companies`, or `companies.id` by HubSpot's own
    links: str = ""
    suppress: bool = False  #: its cells mark rows that must not be written
    is_sure: bool = False  #: written without a comment sign
    why: str = ""
    type: str = ""  #: of the property
    warnings: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    is_id: bool = False  #: holds ids that do not repeat, and has no usual property


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted mapping."""

    system: str  #: the system that the file seems to be exported from; "" if not known
    columns: tuple[Drafted, ...]
    values: tuple[BadColumn, ...] = ()  #: values that the properties do not take
    blanks: tuple[Candidate, ...] = ()  #: words that may be blanks in all columns

    def toml(self) -> str:
        """As a mapping file."""
        lines = [
            f"# {self.origin}",
            (
                "# Review it, decide on the columns that are commented out (remove the # of one line each), "
                "and use it"
            ),
            "# with --mapping in check, preview and upload.",
        ]
        blanks = [f"# {self.blank_line()}", ""] if self.blanks else []
        return "\n".join([*lines, "", *blanks]) + "\n" + self.columns_toml() + value_tables(self.values)

    def with_values(self, values: Sequence[BadColumn], words: Sequence[Candidate]) -> "Draft":
        """The draft with values that need a decision, and words that may be blanks."""
        of_column: dict[str, list[Candidate]] = {}
        for one in words:
            for column in () if one.is_for_all else one.columns:
                of_column.setdefault(column, []).append(one)
        return replace(
            self,
            columns=tuple(_with_words(one, of_column.get(one.column, ())) for one in self.columns),
            values=tuple(values),
            blanks=tuple(one for one in words if one.is_for_all),
        )

    def blank_line(self) -> str:
        """The words that may be blanks in all columns, as a mapping file has them, with their cells."""
        words = [one.word for one in self.blanks[:_WORDS]]
        cells = ", ".join(f"{one.cells:,}" for one in self.blanks[:_WORDS])
        count = f"cells: {cells}"
        return f"blank_values = {listed(words)}  # cells that hold one of these words are blank; {count}"

    @property
    def origin(self) -> str:
        """What it was drafted from, as a sentence or two."""
        seems = f" It looks like an export of {self.system}." if self.system else ""
        return f"Drafted from the file's header and its first rows.{seems}"

    def columns_toml(self) -> str:
        """The table of the columns alone."""
        return "\n".join(["[columns]", *chain.from_iterable(map(_lines, self.columns))]) + "\n"

    def added_to(self, mapping: str, undecided: Collection[str]) -> str:
        """The text of a mapping file that exists, with these undecided columns and the values added."""
        lines, named = mapping.rstrip("\n").split("\n"), tomllib.loads(mapping).get("columns", {})
        said = {one.column for one in self.columns if toml_text(one.column) in mapping}
        said.update(map(folded, named))
        new = [one for one in self.columns if one.column in undecided and one.column not in said]
        if new:
            add_to_table(lines, r"columns", list(chain.from_iterable(map(_lines, new))))
        return with_value_tables("\n".join(lines), self.values)


#: Words that may be blanks, of all columns and of one, that are written.
_WORDS = 10


def _with_words(one: Drafted, words: Sequence[Candidate]) -> Drafted:
    """The column with the words that may be blanks in it alone."""
    if not words or not one.property:
        return one
    counted = ", ".join(f"{toml_text(word.word)} ({word.columns[one.column]:,})" for word in words[:_WORDS])
    way = details(one.property, [word.word for word in words[:_WORDS]])
    return replace(one, warnings=(*one.warnings, f"no value? {counted}: use {way}"))


def _lines(one: Drafted) -> list[str]:
    """The lines of a column in a mapping file."""
    samples = ", ".join(toml_text(sample) for sample in one.samples) or "none"
    of_type = f" Type: {one.type}." if one.type else ""
    lines = ["", f"# {toml_comment(one.why)}.{of_type} Samples: {samples}"]
    lines += [f"# CAUTION: {toml_comment(warning)}" for warning in one.warnings]
    value = "{ ignore = true }" if one.ignore else toml_text(one.property or PROPERTY_TO_FILL_IN)
    if one.suppress:
        value = suppression(one.column)
    lines.append(f"{'' if one.is_sure else '# '}{toml_text(one.column)} = {value}")
    if not one.is_sure and not one.ignore:
        lines.append(f"# {toml_text(one.column)} = {{ ignore = true }}")
    if one.suppress:
        lines.append(f"# {toml_text(one.column)}: neither line, and {_LIST_THEM}")
    if one.links:
        lines.append(f"# {toml_text(one.column)} = {_link_table(one.links)}  # instead: links")
    return lines


_LIST_THEM = (
    'opt_outs = "list" above [columns] of a project file, or --opt-outs list: the rows are written, and '
    "their addresses listed"
)


def _link_table(links: str) -> str:
    """What makes links of a column. By which property the records have these ids, only the user knows."""
    objects, _, by = links.partition(".")
    more = {"id": ', separator = ";"', NAME: ", unique_names = true"}.get(by, "")
    return f"{{ associate = {toml_text(objects)}, by = {toml_text(by or PROPERTY_TO_FILL_IN)}{more} }}"


class _Guess(NamedTuple):
    target: str  #: a property, or IGNORE, OPT_OUT, ASK, KEY; IGNORE with what its ids may be links to
    why: str
    is_sure: bool


def draft(
    header: Sequence[str],
    schema: Schema | None,
    rows: Sequence[Sequence[str]],
    origin: Recognized | None = None,
    key: str = EMAIL,
    *,
    object_type: str = "contacts",
) -> Draft:
    """Draft a mapping. `rows`: cells of the first rows, as many as the header has; a few rows are enough.
    `origin`: where the file is from, by default by its header. `key`: the property that rows are matched
    by. `object_type`: of the rows.
    """
    origin = recognize(header, object_type=object_type) if origin is None else origin
    near = NearProperties(schema.labels) if schema else None
    drafted: list[Drafted] = []
    taken: dict[str, str] = {}
    for index, column in enumerate(header):
        if column.startswith(OWN_PREFIX):
            continue
        cells = [text for row in rows if (text := row[index].strip())]
        samples = tuple(dict.fromkeys(cells))
        guess = _guess(column, origin, schema, near, object_type)
        if guess.target.startswith(KEY):
            guess = _as_key(guess, key, header, schema, object_type)
        if not guess.target and near and schema:
            guess = _kin(column, near, schema, samples) or guess
        one = _drafted(column, guess, schema, samples, key)
        if one.property in taken and not one.ignore:
            other = f"{taken[one.property]!r} is mapped to the same property"
            one = Drafted(
                column, one.property, why=one.why, type=one.type, warnings=(other,), samples=one.samples
            )
        elif one.is_sure and one.property:
            taken[one.property] = column
        is_open = not (one.property or one.ignore or one.suppress)
        if is_open and names_ids(column) and 1 < len(cells) == len({text.lower() for text in cells}):
            one = replace(one, is_id=True)
        drafted.append(one)
    return Draft(origin.name, tuple(_with_unique(drafted, schema, {*taken, key}) if schema else drafted))


def _with_unique(drafted: Sequence[Drafted], schema: Schema, taken: Collection[str]) -> Iterator[Drafted]:
    """The columns; for one of ids the property with unique values that no column has, if there is one."""
    free = free_unique(schema, taken)
    is_clear = len(free) == 1 and sum(one.is_id for one in drafted) == 1
    such_as = f" such as {', '.join(free)}" if free else " (create one with unique = true)"
    for one in drafted:
        if one.is_id:
            advice = f"ids that do not repeat: rows can be matched by a property with unique values{such_as}"
            kind = schema.kinds.get(free[0]) if is_clear else None
            yield replace(
                one,
                property=free[0] if is_clear else "",
                type=kind.type if kind else "",
                warnings=(*one.warnings, advice),
            )
        else:
            yield one


def free_unique(schema: Schema, taken: Collection[str] = ()) -> list[str]:
    """The properties with unique values that can be written and are not taken."""
    return sorted(schema.unique - schema.read_only - {EMAIL, OWN_ID, *taken})


def _drafted(column: str, guess: _Guess, schema: Schema | None, samples: Sequence[str], key: str) -> Drafted:
    name, why, is_sure = guess
    shown = tuple(_shortened(sample) for sample in samples[:_SAMPLES])
    kind = schema.kinds.get(name) if schema else None
    type_ = kind.type if kind else ""
    warnings: tuple[str, ...] = ()
    ignore, links = name.startswith(IGNORE), name[1:] if name.startswith(IGNORE) else ""
    if name == OPT_OUT:
        warnings = (_OPT_OUT_TEXT,)
    elif name.startswith(COSTLY):
        ignore, is_sure, why = True, True, f"{why}: {name}, which can cost money and needs --allow"
    elif ignore or name in {ASK, ""} or schema is None:
        pass
    elif name not in schema.labels and name == key:
        warnings = (f"this account has no property {name} yet: create it, with unique = true",)
    elif name not in schema.labels:
        name, why, is_sure = "", f"{why}, but this account has no property {name}", False
    elif name in schema.read_only and not name == key == OWN_ID:
        ignore, is_sure = True, True
        why = f"{why}: {name}, which is read-only in HubSpot"
    else:
        why, warnings = f"{why}: {name}", tuple(_warnings(name, type_, schema, samples))
    property_ = "" if ignore or name in {ASK, OPT_OUT} else name
    return Drafted(column, property_, ignore, links, name == OPT_OUT, is_sure, why, type_, warnings, shown)


def _warnings(name: str, type_: str, schema: Schema, samples: Sequence[str]) -> list[str]:
    found = []
    orders = [one for one in map(orders_of, samples) if one] if type_ in {"date", "datetime"} else []
    if orders and len(frozenset.intersection(*orders)) == len(_DAY_OR_MONTH_FIRST):  # no sample decides
        found.append(f'day or month first? Use {{ property = "{name}", date_order = "DMY" }} or "MDY"')
    if type_ in {"date", "datetime"} and (number := next(filter(needs_unit, samples), "")):
        could_be = readings(number)
        found.append(
            f'{number} is a number: {dates_text(could_be)}? Use {{ property = "{name}", '
            f'date_order = "{next(iter(could_be))}" }}' + (" or another word" if len(could_be) > 1 else "")
        )
    if remark := remark_on(type_, samples):
        found.append(f"{remark}; create one in HubSpot and name it here")
    if type_ == "datetime" and any(lacks_zone(sample, None) for sample in samples):
        found.append(f'which time zone? Use {{ property = "{name}", timezone = "Europe/Berlin" }}')
    if name in schema.owned:
        found.append("owners by e-mail or name; for other ids give --owner-map")
    clashing = clashing_options(schema.options.get(name, ()))
    if any(clash_in(sample, clashing, "") for sample in samples):
        found.append(f'values or labels? Use {{ property = "{name}", options = "label" }} or "value"')
    if type_ == "bool" and any(sample.casefold() not in BOOLEANS for sample in samples):
        found.append("the samples are not all true or false")
    return found


#: A few other values among dates often mean that the date is not known.
_MOSTLY = 0.9


def remark_on(type_: str, samples: Sequence[str]) -> str:
    """A remark on values that the property accepts although they may be of another type; "" if none."""
    if type_ != "string" or sum(map(_is_date, samples)) <= _MOSTLY * len(samples):
        return ""
    return (
        "these are dates, and the property is a text: they are written unchanged. Use a property of type "
        "date to get dates"
    )


def _is_date(text: str) -> bool:
    """Whether a text is a date in any order; a plain number is not."""
    is_number = text.lstrip("-").isdecimal()
    return not is_number and any(
        isinstance(as_moment(text, order, UTC), str) for order in _DAY_OR_MONTH_FIRST
    )


_DAY_OR_MONTH_FIRST = (DateOrder.DMY, DateOrder.MDY)


def _as_key(
    guess: _Guess, key: str, header: Sequence[str], schema: Schema | None, object_type: str
) -> _Guess:
    """What a column with the system's own ids of its records is: it holds the key if the key is made for
    them, and may hold a key that no column has by its name.
    """
    fitting, why, _ = guess
    fitting = fitting.removeprefix(KEY)
    names = schema.labels.keys() if schema else ()
    is_free = not are_contacts(object_type) and key not in {OWN_ID, DOMAIN, *header}
    if key == fitting:
        return _Guess(key, f"{why}, by which rows are matched", is_sure=True)
    if fitting in names or is_free:
        return _Guess(fitting if fitting in names else key, why, is_sure=False)
    return _Guess(ASK, why, is_sure=False)


def _guess(
    column: str,
    origin: Recognized,
    schema: Schema | None,
    near: NearProperties | None,
    object_type: str,
) -> _Guess:
    if carries_opt_out(column):
        what = (
            "consent, where a no keeps from e-mail" if carries_consent(column) else "an opt-out or a bounce"
        )
        return _Guess(OPT_OUT, f"looks like {what}", is_sure=False)
    labels = schema.labels if schema else {}
    labelled = [name for name, label in labels.items() if label == column]
    if column in labels or len(labelled) == 1:
        by = "name" if column in labels else "label"
        return _Guess(column if column in labels else labelled[0], f"by {by}", is_sure=True)
    read_only = schema.read_only if schema else frozenset[str]()
    labelled = [name for name in near.labelled(column) if name not in read_only] if near else []
    if len(labelled) == 1:
        return _Guess(labelled[0], _SAME, is_sure=True)
    if target := origin.target(column):
        return _known(target, f"a name of {origin.name}")
    if target := usual_target(column, object_type):
        return _known(target, "a usual name")
    return _like(column, near)


def _like(column: str, near: NearProperties | None) -> _Guess:
    if near is None:
        return _Guess(column, "unchecked: the account's properties are unknown", is_sure=False)
    if same := near.same(column):
        several = f", and also of {' and '.join(same[1:])}" * (len(same) > 1)
        return _Guess(same[0], _SAME + several, is_sure=len(same) == 1)
    misspelled = near.misspelled(column)
    return _Guess(misspelled, "a similar name" if misspelled else NOTHING_SIMILAR, is_sure=False)


def _kin(column: str, near: NearProperties, schema: Schema, samples: Sequence[str]) -> _Guess | None:
    """The one property whose name ends alike and whose options the samples hold; None if there is none."""
    found = []
    for name in near.kin(column):
        choices = Choices(schema.options.get(name, ()))
        known = [sample for sample in samples if choices.has(sample)]
        if known and name not in schema.read_only and not name.startswith(COSTLY):
            found.append((name, known))
    if len(found) != 1:
        return None
    (name, known), such_as = found[0], ", ".join(map(_shortened, found[0][1][:_SAMPLES]))
    return _Guess(
        name, f"a similar name, with {such_as} among its {len(schema.options[name])} options", is_sure=False
    )


#: Why a column has no property in a draft.
NOTHING_SIMILAR = "no property with a similar name"


_SAME = "the same name, apart from case and punctuation"


def _known(target: str, whose: str) -> _Guess:
    if target.startswith(IGNORE) and target != IGNORE:
        objects, _, by = target[1:].partition(".")
        ids = {"id": f"HubSpot's ids of {objects}", NAME: f"names of {objects}"}.get(
            by, f"that system's ids of {objects}"
        )
        return _Guess(target, f"{whose}, for {ids}, which HubSpot keeps as links", is_sure=True)
    if target == IGNORE:
        return _Guess(IGNORE, f"{whose}, for data that HubSpot has no property for", is_sure=True)
    if target.startswith(KEY):
        return _Guess(target, f"{whose}, for that system's ids of these records", is_sure=False)
    if target == ASK:
        return _Guess(ASK, f"{whose}; HubSpot has no usual property for it", is_sure=False)
    if target.startswith(ASK):
        return _Guess(target[1:], f"{whose}; check its values", is_sure=False)
    return _Guess(target, whose, is_sure=True)


_SAMPLES, _SHOWN = 3, 24
_OPT_OUT_TEXT = (
    "HubSpot keeps opt-outs as subscriptions, not as a property: skip these rows, or have their addresses "
    'listed with --opt-outs list (in a project file opt_outs = "list"), and import that list before any mail '
    "is sent"
)


def suppression(column: str) -> str:
    """What suppresses the rows that such a column is about."""
    if carries_consent(column):
        return '{ suppress = ["no"] }'
    return '{ suppress = ["*"] }' if holds_whatever(column) else "{ suppress = true }"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
