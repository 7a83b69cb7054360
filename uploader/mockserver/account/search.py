"""The search for records by their properties. Pure. From the official schema, the guide and the changelog.

It finds live records only. A property has a value if it is not empty. `IN` compares texts with lower-case
values alone. Guide and changelog disagree on how many filters a search takes: the lower figures are used.
New records are found only after a while, which is documented; how long is a rule.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from uploader.mockserver.account.object_types import Kind
from uploader.mockserver.account.properties import Property, does_not_exist, normalise
from uploader.mockserver.account.store import Record
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.quota import Quota

#: For all apps of an account together; replies have no headers of it.
QUOTA = Quota(5, 1.0)
MOST_RESULTS = 200
MOST_OF_ALL_PAGES = 10_000
MOST_GROUPS, MOST_FILTERS, MOST_IN_A_GROUP, MOST_VALUES = 5, 18, 6, 100
#: Other operators of HubSpot are not simulated.
OPERATORS = ("HAS_PROPERTY", "NOT_HAS_PROPERTY", "EQ", "IN")

Test = Callable[[Record], bool]


def find(
    document: Mapping[str, Any], records: Iterable[Record], kind: Kind, known: Mapping[str, Property]
) -> tuple[list[Record], int, str] | Answer:
    """The records of a page, how many there are of all pages, and the place of the next page ("" for none).
    `known`: the properties by name.
    """
    groups = [list(group.get("filters", ())) for group in document.get("filterGroups") or []]
    if refused := _refuse(groups, known):
        return refused
    limit, after = document.get("limit", 10), str(document.get("after") or "0")
    if not isinstance(limit, int) or not 0 <= limit <= MOST_RESULTS or not after.isdecimal():
        return _invalid(f"limit must be at most {MOST_RESULTS}")
    start = int(after)
    end = start + limit
    if end > MOST_OF_ALL_PAGES:
        return _invalid(f"The search has no results beyond the first {MOST_OF_ALL_PAGES}")
    tests = [[_test(one, kind, known) for one in group] for group in groups]
    live = (one for one in records if not one.archived)
    found = [one for one in live if not tests or any(all(test(one) for test in group) for group in tests)]
    return found[start:end], len(found), str(end) if end < len(found) and limit else ""


def _refuse(groups: Sequence[Sequence[Mapping[str, Any]]], known: Mapping[str, Property]) -> Answer | None:
    sizes = [len(group) for group in groups]
    if len(sizes) > MOST_GROUPS or sum(sizes) > MOST_FILTERS or max(sizes, default=0) > MOST_IN_A_GROUP:
        text = (
            f"at most {MOST_GROUPS} filter groups, {MOST_IN_A_GROUP} filters in each, {MOST_FILTERS} in all"
        )
        return _invalid(f"A search takes {text}")
    for one in (filter_ for group in groups for filter_ in group):
        if one.get("propertyName") not in known:
            return error_bodies.invalid_values([does_not_exist(str(one.get("propertyName")))], 0)
        if one.get("operator") not in OPERATORS:
            return error_bodies.error(400, f"operator {one.get('operator')} is not simulated")
        if len(one.get("values") or ()) > MOST_VALUES:
            return _invalid(f"A filter takes at most {MOST_VALUES} values")
    return None


def _test(filter_: Mapping[str, Any], kind: Kind, known: Mapping[str, Property]) -> Test:
    """What a filter asks of a record."""
    name, operator = filter_["propertyName"], filter_["operator"]

    def held(record: Record) -> str:
        return record.value(name, kind.derived) or ""

    match operator:
        case "HAS_PROPERTY":
            return lambda record: bool(held(record))
        case "NOT_HAS_PROPERTY":
            return lambda record: not held(record)
        case "EQ":
            value = normalise(str(filter_.get("value", "")))
            return lambda record: bool(held(record)) and normalise(held(record)) == value
    values = {str(one) for one in filter_.get("values") or ()}
    wanted = values if known[name].type == "string" else {normalise(one) for one in values}
    return lambda record: bool(held(record)) and normalise(held(record)) in wanted


def _invalid(text: str) -> Answer:
    return error_bodies.error(400, text, "VALIDATION_ERROR")
