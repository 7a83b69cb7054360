"""The bodies of replies about associations. Values in, values out.

From the official schemas, and bodies that clients have recorded: a record without any association of the
asked type is an error of its own in a 207, `NO_ASSOCIATIONS_FOUND`; ids of associated records are numbers; a
link that is refused names what is not valid in its context. Assumed: the length of a page, that an error of a
batch names both ends (`fromObjectId`, `toObjectId`), and the words about a limit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from uploader.mockserver.account.associations.definitions import AssociationType, Definitions
from uploader.mockserver.account.associations.links import Link, Types
from uploader.mockserver.account.associations.requests import LinkInput
from uploader.mockserver.account.associations.targets import Target
from uploader.mockserver.account.behaviour_switches import Rules
from uploader.mockserver.account.object_types import Kind
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer

PAGE_RECORDS = 500
INVALID = "One or more associations are invalid"


def associated(record_id: str, held: Mapping[int, Types], after: int) -> dict[str, Any] | None:
    """The result of a read: a page of the associated records; None if there is none."""
    page = [one for one in sorted(held) if one > after]
    if not page:
        return None
    to = [
        {"toObjectId": one, "associationTypes": [type_.as_json() for type_ in held[one]]}
        for one in page[:PAGE_RECORDS]
    ]
    answer: dict[str, Any] = {"from": {"id": record_id}, "to": to}
    if len(page) > PAGE_RECORDS:
        answer["paging"] = {"next": {"after": str(page[PAGE_RECORDS - 1])}}
    return answer


def none_found(record_id: str, kind: Kind, target: Target) -> dict[str, Any]:
    """The error for a record without associations, or for one that does not exist."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {target.singular} is associated with {kind.singular.lower()} {record_id}.",
        "context": {
            "fromObjectId": [record_id],
            "fromObjectType": [kind.singular.lower()],
            "toObjectType": [target.singular],
        },
    }


def linked(link: Link, held: Types, kind: Kind, target: Target) -> dict[str, Any]:
    """The result of batch/create: all labels of the pair."""
    return {
        "fromObjectTypeId": kind.type_id,
        "fromObjectId": link.from_id,
        "toObjectTypeId": target.type_id,
        "toObjectId": link.to_id,
        "labels": [one.label for one in held if one.label is not None],
    }


def linked_by_default(link: Link, opposite: AssociationType) -> list[dict[str, Any]]:
    """The results of associate/default: one a direction."""
    here, there = {"id": str(link.from_id)}, {"id": str(link.to_id)}
    return [
        {"from": here, "to": there, "associationSpec": link.types[0].as_spec()},
        {"from": there, "to": here, "associationSpec": opposite.as_spec()},
    ]


def invalid_ids(names: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The context for records that do not exist, each by its type and id."""
    types = [kind.upper() for kind, _ in names]
    return {
        "INVALID_OBJECT_IDS": [f"{kind.upper()}={one} is not valid" for kind, one in names],
        "objectId": [one for _, one in names],
        "objectType": types,
    }


def invalid_types(types: Sequence[tuple[str, int]]) -> dict[str, list[str]]:
    specs = [f"{category}={type_id}" for category, type_id in types]
    return {
        "associationSpec": specs,
        "INVALID_ASSOCIATION_TYPE_ID": [f"{one} is not a valid association definition id" for one in specs],
    }


def beyond_limit(reason: str) -> dict[str, list[str]]:
    return {"ASSOCIATION_LIMIT_EXCEEDED": [reason]}


def refused(
    one: LinkInput,
    context: Mapping[str, list[str]],
    category: str = "VALIDATION_ERROR",
    message: str = INVALID,
) -> dict[str, Any]:
    """The error of a 207 for one link."""
    ends = {"fromObjectId": [one.from_id], "toObjectId": [one.to_id]}
    return {"status": "error", "category": category, "message": message, "context": {**context, **ends}}


def add_errors(body: dict[str, Any], errors: Sequence[dict[str, Any]], rules: Rules) -> None:
    """Add `errors` and `numErrors` to a body, in the shape that the rules have it."""
    if not rules.errors_listed:
        return
    entries = list(errors)
    if rules.errors_without_trace_id:
        entries = [{**one, "context": {}} for one in entries]
    elif rules.group_errors != "none":
        entries = _grouped(entries)
    count = {"objects": len(entries), "records": len(errors), "zero": 0}[rules.num_errors]
    body |= {"errors": entries, "numErrors": count}


def _grouped(errors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One error for all links of a category, with the first one's message and the ends of all."""
    groups: dict[str, dict[str, Any]] = {}
    for one in errors:
        group = groups.setdefault(one["category"], {**one, "context": {}})
        for name, values in one["context"].items():
            group["context"].setdefault(name, []).extend(values)
    return list(groups.values())


def refused_batch(context: Mapping[str, list[str]]) -> Answer:
    return error_bodies.error(400, INVALID, "VALIDATION_ERROR", context=dict(context))


def definitions(types: Sequence[AssociationType]) -> Answer:
    return Answer(200, {"results": [one.as_json() for one in types]})


def limits(of: str, to: str, known: Definitions) -> Answer:
    """The limits that an admin has set, with all types of the pair that have none left out."""
    results = [
        {**type_.as_json(), "userEnforcedMaxToObjectIds": most} for type_, most in known.limits(of, to)
    ]
    return Answer(200, {"results": results})
