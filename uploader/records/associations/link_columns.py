"""Link columns as the user gives them: `--associate`, the keys of a mapping file, and Python mappings.

In    `COLUMN=companies.sf_account_id`, with `@RESULTS` and `:Label` behind it if there are such; or a table.
Out   a `LinkColumn`, and back.
Raise `MappingError`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from uploader.hubspot.object_types import type_id
from uploader.model.associations import NAME, LinkColumn
from uploader.model.column_names import folded
from uploader.model.records import OWN_ID
from uploader.records.columns import OWN_ID_NAMES, MappingError

#: The keys of a mapping file beside `associate`, and whether each is a switch.
DETAILS = {"by": False, "label": False, "separator": False, "unique_names": True, "results": False}
#: The column is what stands before the last `=` that a type, a dot and a property follow.
_TEXT = re.compile(
    r"(?P<column>.*\S.*)=\s*(?P<type>[\w-]+)\.(?P<by>\w+)\s*(?:@(?P<results>[^:]+))?(?::(?P<label>.*))?",
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z0-9_\-]{1,200}")
#: Words for one record, which are easily taken for the name of the type.
_SINGULAR = {"contact": "contacts", "company": "companies", "deal": "deals", "ticket": "tickets"}


def parse_association(text: str) -> LinkColumn:
    """Read `COLUMN=companies.sf_account_id`, with `@companies.csv.results.csv` behind it if the ids are in
    another job's results, and `:Label` if the links have one.
    """
    found = _TEXT.fullmatch(text)
    label, results = ((found[name] or "").strip() if found else "" for name in ("label", "results"))
    if not found or (found["label"] is not None and not label):
        raise MappingError(
            f'{text!r} is not "COLUMN=OBJECTS.PROPERTY" or "COLUMN=OBJECTS.PROPERTY:LABEL", such as '
            '"AccountId=companies.sf_account_id:Primary"'
        )
    return LinkColumn(found["column"].strip(), found["type"], found["by"], label, results=results)


def association_text(one: LinkColumn) -> str | None:
    """What `parse_association` reads; None if `--associate` cannot say it."""
    by = "id" if one.by == OWN_ID else one.by
    text = f"{one.column}={one.object_type}.{by}" + (f"@{one.results}" if one.results else "")
    text += f":{one.label}" if one.label else ""
    try:
        is_whole = normal(parse_association(text)) == one
    except MappingError:
        is_whole = False
    return text if is_whole else None


def link_column(column: str, details: Mapping[str, Any]) -> LinkColumn:
    """Make the link column of a table that has `associate`. The types of its values are checked."""
    by = details.get("by", "")
    if not by:
        raise MappingError(
            'associate needs by: the property of the other records that the values are of, such as by = "id" '
            "(HubSpot's own)"
        )
    return LinkColumn(
        column,
        details["associate"],
        by,
        details.get("label", ""),
        details.get("separator", ""),
        details.get("unique_names", False),
        details.get("results", ""),
    )


def association_words(one: LinkColumn) -> str:
    """Describe a link column, for a reader."""
    by = "HubSpot's id" if one.by == OWN_ID else one.by
    found = f"{one.object_type} by {f'the ids in {one.results}' if one.results else by}"
    found += f", label {one.label}" if one.label else ""
    return found + (f", values separated by {one.separator!r}" if one.separator else "")


def read_association(column: str, given: object) -> LinkColumn:
    """Read what a Python program gives for a column: `companies.sf_account_id:Label`, or a table."""
    if isinstance(given, str):
        return parse_association(f"{column}={given}")
    known = {"associate": False, **DETAILS}
    if not isinstance(given, Mapping) or not isinstance(given.get("associate"), str):
        raise MappingError(
            f'{column!r} takes "companies.sf_account_id", or a mapping with "associate" and "by"'
        )
    for key, value in given.items():
        if key not in known:
            raise MappingError(f"{column!r}: unknown key {key!r}; known are {', '.join(known)}")
        if not isinstance(value, bool if known[key] else str):
            raise MappingError(f"{column!r}: {key} must be {'True or False' if known[key] else 'a text'}")
    try:
        return link_column(column, given)
    except MappingError as error:
        raise MappingError(f"{column!r}: {error}") from error


def as_details(one: LinkColumn) -> dict[str, Any]:
    """The table that `link_column` reads, without defaults."""
    table = {
        "associate": one.object_type,
        "by": "id" if one.by == OWN_ID else one.by,
        "label": one.label,
        "separator": one.separator,
        "unique_names": one.unique_names,
        "results": one.results,
    }
    return {key: value for key, value in table.items() if value}


def normal(one: LinkColumn) -> LinkColumn:
    """Return the column as the rest of the program compares it."""
    return replace(one, column=folded(one.column), by=OWN_ID if one.by in OWN_ID_NAMES else one.by)


def check_associations(columns: Sequence[LinkColumn], ignored: Iterable[str]) -> None:
    """Raise MappingError for the first of these columns that can never be used. They are `normal`."""
    seen = set[tuple[str, str, str]]()
    for one in columns:
        where = f"links of column {one.column!r}: "
        if meant := _SINGULAR.get(one.object_type):
            raise MappingError(f"{where}there is no object type {one.object_type!r}; use {meant}")
        for what, name in (("an object type", one.object_type), ("a property", one.by)):
            if not _NAME.fullmatch(name):
                raise MappingError(f"{where}{name!r} is not a valid HubSpot name of {what}")
        if one.column in set(map(folded, ignored)):
            raise MappingError(f"column {one.column!r} both links records and is ignored")
        if one.unique_names and one.by != NAME:
            raise MappingError(f"{where}unique_names is for by = {NAME!r} alone")
        _check_search(one, where)
        if (one.column, one.object_type, one.label) in seen:
            label = f" with the label {one.label!r}" if one.label else ""
            raise MappingError(f"{where}it is to be linked to {one.object_type} twice{label}")
        seen.add((one.column, one.object_type, one.label))


def _check_search(one: LinkColumn, where: str) -> None:
    """Refuse names, which a search may find more than once, unless the user is certain."""
    if one.by == NAME and not one.unique_names and not one.results and type_id(one.object_type):
        raise MappingError(
            f"{where}several {one.object_type} may share a name; if you are certain that none do, write "
            'unique_names = true beside by = "name" in the table of the column (mapping or project file); if '
            "not, use a unique property"
        )
