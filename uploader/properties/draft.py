"""Draft definitions of properties for the columns that have none, to be reviewed and created.

In    columns with their profiles, and the properties of the account.
Out   the text of a file as `definitions_file` reads it, with a comment on each column.
Raise nothing.
Rules It is only a draft: nothing is created before the user gives it to `create-properties`. No name and no
      label of an existing property is used. What is uncertain, and that a text could be an enumeration, is
      commented out.
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from uploader.hubspot.object_types import type_name
from uploader.properties.column_profile import ColumnProfile, Inference
from uploader.properties.definitions_file import is_valid_name

#: HubSpot keeps these beginnings for its own properties.
_RESERVED = ("hs_", "hubspot_")
#: Before a name that cannot stand by itself.
_PREFIX = "custom_"
_MOST_CHARACTERS = 100
_SAMPLES, _SHOWN = 3, 40
#: Letters that Unicode does not take apart.
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
_GROUPS = {
    "contacts": "contactinformation",
    "companies": "companyinformation",
    "deals": "dealinformation",
    "tickets": "ticketinformation",
}


@dataclass(frozen=True, slots=True)
class MissingProperty:
    """A column without a property."""

    profile: ColumnProfile
    wanted: str = ""  #: the name that a mapping gives it; "" if it gives none
    doubt: str = ""  #: why the column may need no property of its own


def default_group(object_type: str, groups: Sequence[str]) -> str:
    """The group for new properties: the usual one of the object type, else that of most properties.
    `groups`: of all properties of the account.
    """
    usual = _GROUPS.get(type_name(object_type), "")
    if usual and (usual in groups or not groups):
        return usual
    return Counter(group for group in groups if group).most_common(1)[0][0] if any(groups) else usual


def name_for(column: str, taken: Collection[str]) -> str:
    """A valid name for a property of this column, which is none of the `taken` ones."""
    plain = unicodedata.normalize("NFKD", column.casefold().translate(_LETTERS)).lower()  # letters of styles
    letters = (c if c.isascii() and c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    name = "_".join("".join(letters).split())
    if not name[:1].isalpha() or name.startswith(_RESERVED):
        name = f"{_PREFIX}{name or 'property'}"
    name = name[:_MOST_CHARACTERS].rstrip("_")
    number, found = 2, name
    while found in taken:
        ending = f"_{number}"
        number, found = number + 1, name[: _MOST_CHARACTERS - len(ending)] + ending
    return found


def draft_text(
    columns: Iterable[MissingProperty],
    passed_over: Iterable[str],
    *,
    object_type: str,
    group: str,
    names: Collection[str],
    labels: Collection[str],
    keys: Collection[str] = (),
    where: str,
) -> str:
    """The text of the file. `passed_over`: remarks on columns that get no definition; `names` and `labels`:
    of existing properties; `keys`: names of the properties that rows are matched by; `where`: what was read,
    and in which account the columns have no property.
    """
    lines = [
        f"# {_comment(where)}",
        "# Review it: a definition is created as it stands here, and its type can hardly be changed later.",
        "# Delete what you do not want. A definition that is commented out may not be needed: remove the #",
        "# of its lines to have it created. Then give the file to the command create-properties.",
        *(f"# {_comment(remark)}" for remark in passed_over),
        "",
        f"object_type = {_quoted(object_type)}",
    ]
    taken = set(names)
    for one in columns:
        is_free = is_valid_name(one.wanted) and one.wanted not in taken
        name = one.wanted if is_free else name_for(one.profile.column, taken)
        taken.add(name)
        column = one.profile.column
        label = f"{column} ({name})" if column in labels else column
        lines += ["", *_lines_of(one, name, label, group, is_key=name in keys)]
    return "\n".join(lines) + "\n"


def _lines_of(one: MissingProperty, name: str, label: str, group: str, *, is_key: bool) -> Iterator[str]:
    profile, found = one.profile, one.profile.inference()
    if is_key or profile.is_unique:  # a text is compared as it stands, a number is not
        found = Inference("string", "text", found.remarks)
    yield f"# Column {_quoted(profile.column)}: {_comment(_counts(profile))}"
    for remark in found.remarks:
        yield f"# CAUTION: {_comment(remark)}"
    if one.doubt:
        yield f"# Is it needed? {_comment(one.doubt)}"
    sign = "# " if one.doubt or not profile.filled else ""
    yield f"{sign}[[property]]"
    for key, value in (
        ("name", name),
        ("label", label),
        ("type", found.type),
        ("field_type", found.field_type),
        ("group", group),
    ):
        yield f"{sign}{key} = {_quoted(value)}"
    if is_key:
        yield f"{sign}unique = true  # rows are matched by it"
    elif profile.is_unique:
        yield f"{sign}unique = true  # ids that do not repeat: rows can be matched by it; not to be set later"
    if found.options:
        yield from _enumeration(found)


def _enumeration(found: Inference) -> Iterator[str]:
    field_type = "checkbox" if found.is_multiple else "select"
    what = "checkboxes" if found.is_multiple else "a dropdown"
    yield f"# Only these values occur, so it can be {what}, with no other values. If you want that, delete"
    yield "# the lines type and field_type above, and remove the # of these three lines:"
    yield '# type = "enumeration"'
    yield f"# field_type = {_quoted(field_type)}"
    yield f"# options = [{', '.join(map(_quoted, found.options))}]"


def _counts(profile: ColumnProfile) -> str:
    several = (
        f"{len(profile.distinct):,}" if profile.are_all_distinct else f"more than {len(profile.distinct):,}"
    )
    commonest = ", ".join(
        f"{_quoted(text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...')} ({count:,})"
        for text, count in profile.distinct.most_common(_SAMPLES)
    )
    counted = f"{profile.filled:,} of {profile.rows:,} rows"
    return f"{counted}, {several} different values: {commonest}" if commonest else counted


def _quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
