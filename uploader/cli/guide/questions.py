"""What the guide asks, of what a check found. A report and the text of the project file in, questions out.

Rules What the file says already is not asked again. A guess is proposed, and taken by nothing but an answer.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from zoneinfo import available_timezones

from uploader.check.bad_columns import BadColumn, BadValue, owner_columns
from uploader.check.blank_candidates import Candidate
from uploader.check.mapping_draft import NOTHING_SIMILAR, Drafted, free_unique, suppression
from uploader.check.mapping_edits import (
    Value,
    decisions,
    with_blank_word,
    with_column,
    with_match,
    with_replacement,
    with_setting,
)
from uploader.check.report import Column, Report
from uploader.cli.guide.answers import Choice, Question
from uploader.hubspot.schema import Option, Schema
from uploader.model.column_names import folded
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.properties.draft import name_for
from uploader.records.blank_words import words_of
from uploader.records.columns import COSTLY, LIST
from uploader.records.headers.near_properties import NearProperties
from uploader.records.known_headers import bare, may_mean_either
from uploader.records.mapping_file import MappingFile
from uploader.records.repeated_keys import KeyCount
from uploader.records.values.datetimes import DateOrder
from uploader.records.values.options import LABEL, VALUE

#: How a column can be read, by the key of a mapping file; of the time zones there are many.
_READINGS: Mapping[str, Sequence[str]] = {
    "date_order": tuple(map(str, DateOrder)),
    "decimal": (".", ","),
    "options": (VALUE, LABEL),
    "timezone": (),
}
_MEANS = {
    "DMY": "31/12/2025",
    "MDY": "12/31/2025",
    ".": "1,234.5",
    ",": "1.234,5",
    VALUE: "as the value of an option",
    LABEL: "as the label of an option",
}
#: What a problem says before it names an option.
_ADVICE = re.compile(r"[;:] (?:choose with|give one with|choose|use) $")
#: Properties that are proposed for a column, options that are listed for a value.
_PROPOSED, _OPTIONS = 3, 9
#: How alike two names have to be, from 0 to 1, to be listed.
_ALIKE = 0.75


# --- columns ---


def column_questions(report: Report, text: str, *, has_addresses: bool = True) -> list[Question]:
    """A question for each column that is undecided, opt-outs last. `has_addresses`: of contacts."""
    schema, file = report.schema, decisions(text)
    assert schema is not None
    assert report.draft is not None
    decided = set(map(folded, {*file.mapped, *file.ignored, *file.suppress_where, *file.linked}))
    undecided = {one.column for one in report.columns if one.is_undecided} - decided
    drafted = [one for one in report.draft.columns if one.column in undecided]
    drafted.sort(key=lambda one: one.suppress)
    return [
        replace(
            _opt_out_question(one, schema, has_addresses=has_addresses)
            if one.suppress
            else _column_question(one, schema),
            title=f'Column "{one.column}" ({at} of {len(drafted)} to be decided)',
            beside=_beside(one, report.columns),
        )
        for at, one in enumerate(drafted, 1)
    ]


def _beside(drafted: Drafted, columns: Sequence[Column]) -> Mapping[str, str]:
    """The other columns of the same sources, with their properties."""
    sources = {one.source for one in columns if one.column == drafted.column}
    return {
        one.column: one.property for one in columns if one.source in sources and one.column != drafted.column
    }


def _column_question(one: Drafted, schema: Schema) -> Question:
    properties = _properties(one.column, schema)
    proposals = _proposals(one, list(properties), schema)
    why = "no property of this name; these are the nearest" if proposals else one.why
    one = replace(one, why=why) if one.why == NOTHING_SIMILAR else one
    new = Choice(
        f"create the property {name_for(one.column, schema.labels)}{', with unique values' * one.is_id}",
        write=partial(_with_new, column=one.column, schema=schema),
    )
    return Question(
        one.column,
        _about(one),
        [properties[name] for name in proposals],
        is_proposed=one.property in properties,
        letters={"s": _left_out(one.column), "c": new},
        known=list(properties.values()),
        what="properties",
    )


def _opt_out_question(one: Drafted, schema: Schema, *, has_addresses: bool) -> Question:
    form, listing = suppression(one.column), partial(with_setting, key="opt_outs", value=LIST)
    what = "write such rows, list their addresses for HubSpot's import"
    listed = Choice(what, write=listing, skips_group=True)  # of all such columns
    skipped = Choice(f"skip the rows that it marks: {form}", write=_as(one.column, _details(form)))
    is_read = has_addresses and not may_mean_either(one.column)
    return Question(
        one.column,
        _about(one),
        [listed, skipped] if is_read else [skipped],
        is_proposed=True,
        letters={"s": _left_out(one.column)},
        known=list(_properties(one.column, schema).values()),
        what="properties",
        group="opt-outs" if is_read else "",
    )


def _about(one: Drafted) -> Sequence[str]:
    samples = f"Samples: {'; '.join(map(printable, one.samples)) or 'none'}"
    return (samples, _sentence(one.why), *(f"CAUTION: {warning}" for warning in one.warnings))


def _left_out(column: str) -> Choice:
    return Choice("leave the column out", write=_as(column, {"ignore": True}))


def _properties(column: str, schema: Schema) -> Mapping[str, Choice]:
    """By name, the properties that a column can be."""
    return {
        name: _property(column, name, schema)
        for name in sorted(schema.labels)
        if name not in schema.read_only and not name.startswith(COSTLY)
    }


def _proposals(one: Drafted, names: Sequence[str], schema: Schema) -> list[str]:
    """The drafted property, then those with similar names."""
    by_text = {bare(text): name for name in names for text in (schema.labels[name], name)}
    close = difflib.get_close_matches(bare(one.column), by_text, n=2 * _PROPOSED, cutoff=_ALIKE)
    found = [one.property] if one.property in names else []
    if one.is_id:
        found += [name for name in free_unique(schema) if name in names]
    found += NearProperties({name: schema.labels[name] for name in names}).kin(one.column)
    return list(dict.fromkeys([*found, *(by_text[text] for text in close)]))[:_PROPOSED]


def _property(column: str, name: str, schema: Schema) -> Choice:
    kind = schema.kinds.get(name)
    about = f"{schema.labels[name]} ({kind.type})" if kind and kind.type else schema.labels[name]
    about += ", unique values" * (name in schema.unique)
    return Choice(name, about, _as(column, {"property": name}), name)


def _as(column: str, details: Mapping[str, Value]) -> partial[str]:
    return partial(with_column, column=column, details=details)


def _details(form: str) -> Mapping[str, Value]:
    found: Mapping[str, Value] = tomllib.loads(f"column = {form}")["column"]
    return found


def _with_new(text: str, column: str, schema: Schema) -> str:
    """The text with a property that does not exist yet: see `new_properties`."""
    taken = {*schema.labels, *decisions(text).mapped.values()}
    return with_column(text, column, {"property": name_for(column, taken)})


def new_properties(text: str, schema: Schema) -> dict[str, str]:
    """Column -> property, of the properties in the file that the account lacks."""
    labels = {folded(label) for label in schema.labels.values()}
    mapped = decisions(text).mapped.items()
    return {
        column: name for column, name in mapped if name not in schema.labels and folded(name) not in labels
    }


# --- what the cells hold ---


def reading_questions(report: Report) -> list[Question]:
    """A question for each column whose dates, numbers or options can be read in several ways."""
    return [
        _reading_question(column, key, part)
        for column, text in report.open_readings.items()
        for part in text.split(f"; {column}: ")
        for key in _READINGS
        if _option_of(key) in part
    ]


def _reading_question(column: str, key: str, text: str) -> Question:
    about, _, advice = text.removeprefix(f"{column}: ").partition(_option_of(key))
    known = [
        Choice(word, _MEANS.get(word, ""), _as(column, {key: word}))
        for word in _READINGS[key] or sorted(available_timezones())
    ]
    return Question(
        f'Column "{column}"',
        (_sentence(_ADVICE.sub("", about)),),
        [one for one in known if f"={one.name}" in advice] if _READINGS[key] else (),
        letters={"s": Choice("decide later")},
        known=() if _READINGS[key] else known,
        what="time zones",
    )


def _option_of(key: str) -> str:
    return f"--{key.replace('_', '-')} "


def key_questions(report: Report) -> list[Question]:
    """A question for each key that stands for so many rows that `upload` would stop."""
    return [_key_question(one, _columns_of(one.property, report)) for one in report.doubtful_keys]


def _columns_of(name: str, report: Report) -> list[str]:
    return list(dict.fromkeys(one.column for one in report.columns if one.property == name)) or [name]


def _key_question(key: KeyCount, columns: Sequence[str]) -> Question:
    keep = partial(with_setting, key="on_duplicate", value="in-order")
    return Question(
        f'"{printable(key.value, 60)}" is the {key.property} of {key.rows:,} rows',
        ("All of them would become one record.",),
        [
            Choice("it is a blank", write=partial(with_blank_word, word=key.value, columns=columns)),
            Choice("skip these rows", write=partial(_with_skipped, key=key, columns=columns)),
            Choice("keep all repeated keys, in file order", write=keep, skips_group=True),
        ],
        letters={"s": Choice("decide later")},
        group="keys",
    )


def match_questions(report: Report, match: Sequence[str]) -> list[Question]:
    """A question if rows without a key have a value of another unique property. `match`: the keys."""
    found = report.findings
    if not found.other_keys:
        return []
    names = report.wider_match(match)
    have = [f"{count:,} of them have {name}." for name, count in found.other_keys.most_common()]
    return [
        Question(
            f"{counted(found.keyless, 'row')} without {' or '.join(match)}",
            ("Rows are matched by it, so these are not sent.", *have),
            [Choice(f"match rows by {', else by '.join(names)}", write=partial(with_match, names=names))],
            is_proposed=True,
            letters={"s": Choice(f"match by {' or '.join(match)} alone: these rows will not be uploaded")},
        )
    ]


def _with_skipped(text: str, key: KeyCount, columns: Sequence[str]) -> str:
    """The text with the rows of a key skipped."""
    for column in columns:
        former = decisions(text).suppress_where.get(column, ())
        details: Mapping[str, Value] = {"property": key.property, "suppress": [*former, key.value]}
        text = with_column(text, column, details)
    return text


def blank_questions(report: Report, keys: Sequence[str], text: str) -> list[Question]:
    """A question for each word that may stand for a blank. `keys`: the properties of match keys."""
    of_keys, file = {one.column for one in report.columns if one.property in keys}, decisions(text)
    kept = {one.value.lower() for one in report.doubtful_keys}
    skipped = {(folded(name), word.lower()) for name, words in file.suppress_where.items() for word in words}
    return _numbered(
        [
            _blank_question(one, of_keys)
            for one in report.blank_candidates
            if not all(
                (column in of_keys and one.word.lower() in kept) or (column, one.word.lower()) in skipped
                for column in one.columns
            )
        ]
    )


def _blank_question(one: Candidate, of_keys: set[str]) -> Question:
    columns_text = ", ".join(f"{printable(column, 60)} ({cells:,})" for column, cells in one.columns.items())
    # For all columns, a project file takes `a=b` for a column and its word.
    is_for_all = one.is_for_all and "=" not in one.word
    columns = [] if is_for_all else list(one.columns)
    of_key = [column for column in one.columns if column in of_keys]
    caution = [f"CAUTION: rows without {of_key[0]!r}, their key, are not sent"] if of_key else []
    where = "in all columns" if is_for_all else "in this column" if len(columns) == 1 else "in these columns"
    return Question(
        f'"{printable(one.word, 60)}" may stand for no value: {_cells(one.cells)}',
        (f"Columns: {columns_text}", *caution),
        [Choice(f"it is a blank {where}", write=partial(with_blank_word, word=one.word, columns=columns))],
        is_proposed=True,
        letters={"s": Choice("it is a value")},
    )


def bad_values(report: Report, text: str) -> list[BadColumn]:
    """The values that their properties do not take, without those that are blanks by now."""
    return _without_blanks(report.bad_columns, text)


def _without_blanks(columns: Sequence[BadColumn], text: str) -> list[BadColumn]:
    file = decisions(text)
    found = []
    for column in columns:
        values = [one for one in column.values if not _is_blank(one.text, column.column, file)]
        if values:
            found.append(column._replace(values=values))
    return found


def value_questions(columns: Sequence[BadColumn], *, are_dropped: bool = False) -> list[Question]:
    """A question for each value that the property of its column does not take. `are_dropped`: such values are
    left out of their rows, which are sent.
    """
    until_then = _LEFT_OUT if are_dropped else _NOT_SENT
    found = [(column, value) for column in columns for value in column.values]
    return _numbered([_value_question(column, value, until_then) for column, value in found])


def _numbered(questions: Sequence[Question]) -> list[Question]:
    """The questions with their numbers, if there are several."""
    count = len(questions)
    return [
        replace(one, title=f"{one.title} ({at} of {count})") if count > 1 else one
        for at, one in enumerate(questions, 1)
    ]


#: What becomes of values that nobody has decided about.
_NOT_SENT, _LEFT_OUT = "until then, its rows are not uploaded", "until then, it is left out of its rows"


def _value_question(column: BadColumn, value: BadValue, until_then: str) -> Question:
    known = [
        Choice(
            one.value, one.label if one.label != one.value else "", _value_write(column.column, value, one)
        )
        for one in column.options
        if not one.hidden
    ]
    near = value.near.value if value.near else None
    known.sort(key=lambda one: one.name != near)
    return Question(
        f'Column "{column.column}": "{printable(value.text, 60)}", {_cells(value.cells)}',
        (f"{column.property or 'Its property'} does not take it, unless the option is added in HubSpot.",),
        known[:_OPTIONS],
        is_proposed=near is not None,
        letters={
            "s": Choice(f"decide later: {until_then}"),
            "e": Choice("empty: send nothing for it", write=_value_write(column.column, value, _NONE)),
            "n": Choice("decide later about it and the others of this column", skips_group=True),
        },
        known=known,
        what="options",
        group=column.column,
    )


_NONE = Option("", "")


def _value_write(column: str, value: BadValue, option: Option) -> partial[str]:
    return partial(with_replacement, column=column, value=value.text, replacement=option.value)


# --- owners ---


def unknown_owners(report: Report, text: str) -> list[BadColumn]:
    """The owners that the account does not have, as values of their columns."""
    names = {column: name for name in report.unknown_owners for column in _columns_of(name, report)}
    owners = owner_columns(report.unknown_owners, names, report.schema)
    return _without_blanks(list(owners), text)


def owner_questions(columns: Sequence[BadColumn], *, are_dropped: bool = False) -> list[Question]:
    """A question for each owner that the account does not have. `are_dropped`: see `value_questions`."""
    until_then = _LEFT_OUT if are_dropped else _NOT_SENT
    found = [(column, value) for column in columns for value in column.values]
    return _numbered([_owner_question(column, value, until_then) for column, value in found])


def _owner_question(column: BadColumn, value: BadValue, until_then: str) -> Question:
    title = f'Owner "{printable(value.text, 60)}", {_cells(value.cells)}'
    about = (
        f'Column "{column.column}". The account has no such owner, unless the user is added in HubSpot.',
    )
    return replace(_value_question(column, value, until_then), title=title, about=about, what="owners")


def _is_blank(text: str, column: str, file: MappingFile) -> bool:
    return text.strip().lower() in words_of(folded(column), file.blank_values)


def _cells(count: int) -> str:
    return counted(count, "cell")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
