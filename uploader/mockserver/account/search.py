"""The search for records by their properties. Pure. From the official schema.

It finds live records only. A property has a value if it is not empty.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uploader.mockserver.account.object_types import Kind
from uploader.mockserver.account.properties import does_not_exist, normalise
from uploader.mockserver.account.store import Record
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.quota import Quota

#: For all apps of an account together; replies have no headers of it.
QUOTA = Quota(5, 1.0)
MOST_RESULTS = 200
#: Other operators of HubSpot are not simulated.
OPERATORS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "HAS_PROPERTY": lambda held, _: bool(held),
    "NOT_HAS_PROPERTY": lambda held, _: not held,
    "EQ": lambda held, wanted: bool(held) and normalise(held) in wanted,
    "IN": lambda held, wanted: bool(held) and normalise(held) in wanted,
}


def find(
    document: Mapping[str, Any], records: Sequence[Record], kind: Kind, known: Mapping[str, object]
) -> tuple[list[Record], int, str] | Answer:
    """The records of a page, how many there are of all pages, and the place of the next page ("" for none).
    `known`: the properties by name.
    """
    groups = document.get("filterGroups") or []
    for one in (filter_ for group in groups for filter_ in group.get("filters", ())):
        if one.get("propertyName") not in known:
            return error_bodies.invalid_values([does_not_exist(str(one.get("propertyName")))], 0)
        if one.get("operator") not in OPERATORS:
            return error_bodies.error(400, f"operator {one.get('operator')} is not simulated")
    limit, after = document.get("limit", 10), str(document.get("after") or "0")
    if not isinstance(limit, int) or not 0 <= limit <= MOST_RESULTS or not after.isdecimal():
        return error_bodies.error(400, f"limit must be at most {MOST_RESULTS}", "VALIDATION_ERROR")
    found = [one for one in records if not one.archived and _matches(one, groups, kind)]
    start = int(after)
    end = start + limit
    return found[start:end], len(found), str(end) if end < len(found) and limit else ""


def _matches(record: Record, groups: Sequence[Mapping[str, Any]], kind: Kind) -> bool:
    """Whether all filters of a group hold, for any of the groups."""
    return not groups or any(
        all(_holds(record, one, kind) for one in group.get("filters", ())) for group in groups
    )


def _holds(record: Record, filter_: Mapping[str, Any], kind: Kind) -> bool:
    held = record.value(filter_["propertyName"], kind.derived) or ""
    wanted = [*(filter_.get("values") or ()), *([filter_["value"]] if "value" in filter_ else [])]
    return OPERATORS[filter_["operator"]](held, [normalise(str(one)) for one in wanted])
