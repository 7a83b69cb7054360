"""The values that options do not take, as text and as JSON, and what may have been meant."""

from collections.abc import Mapping, Sequence

from uploader.check.bad_columns import BadColumn, BadValue
from uploader.hubspot.owner_lookup import Owner, owners_text
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable

_SHOWN_VALUES, _SHOWN_OPTIONS = 20, 20


#: Kinds of values, where their code is not the word for them.
_KINDS = {
    "KEY": "no match key",
    "EMAIL": "no e-mail address",
    "DATE": "no date",
    "DATETIME": "no date and time",
    "NUMBER": "no number",
    "BOOLEAN": "neither true nor false",
    "OPTION": "no option of the property",
    "DOMAIN": "no domain",
    "OWNER": "unknown owner",
}


def kind_words(category: str) -> str:
    """What is wrong with values of a category, in words."""
    return _KINDS.get(category, category.replace("_", " ").lower())


def namesakes_text(text: str, owners: Sequence[Owner]) -> str:
    """That a name is that of several owners, with their ids."""
    return f"{printable(text, 40)} is the name of several owners: {printable(owners_text(owners))}"


def bad_value_lines(one: BadColumn, rows: Mapping[str, str]) -> list[str]:
    """The values of a column with their counts, and what its property takes. `rows`: where a value is found,
    by the value in small letters.
    """
    at_least = "" if one.is_complete else "more than "
    distinct = len(one.values) + one.others
    values = f"{at_least}{counted(distinct, 'value')}"
    texts = [f"{'':>18}{values} that {printable(one.property or 'the property', 60)} does not take:"]
    for value in one.values[:_SHOWN_VALUES]:
        where = f": {rows[value.text.casefold()]}" if value.text.casefold() in rows else ""
        texts.append(f"{value.cells:>22,}  {printable(value.text, 60)}{_meant(value)}{where}")
    if (hidden := distinct - _SHOWN_VALUES) > 0:
        texts.append(f"{'':>24}and {counted(hidden, 'rarer one')} (--json lists {len(one.values):,})")
    if one.options:
        texts.append(f"{'':>18}it takes {_listed(one)}")
    return texts


def _meant(value: BadValue) -> str:
    return f" ({printable(value.near.value, 60)}?)" if value.near else ""


def _listed(column: BadColumn) -> str:
    options = ", ".join(printable(option.value, 60) for option in column.options[:_SHOWN_OPTIONS])
    more = len(column.options) - _SHOWN_OPTIONS
    return f"{options} and {more:,} more (--json)" if more > 0 else options
