"""Associations of records, and the answers of `associations/{from}/{to}/batch/read`. No I/O.

From the official spec (associations-v4.json), the changelog of February 2025 (1,000 ids a request) and bodies
that clients have recorded: a record without any association of the asked type is an error of its own in a
207, `NO_ASSOCIATIONS_FOUND`, and the ids of associated records are numbers. The length of a page is assumed.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from uploader.mockserver.account.object_types import CONTACTS, KINDS, Kind
from uploader.mockserver.bodies.batch_request import read_ids, read_list
from uploader.mockserver.bodies.error_bodies import Answer

MAX_INPUTS = 1_000
PAGE_RECORDS = 500


class Target(NamedTuple):
    """An object type that records are associated with."""

    name: str
    type_id: str
    singular: str
    scope: str  #: for reading; activities are read with the scope of contacts
    association_type: int  #: the type id of an unlabelled association from a contact


def _activity(name: str, type_id: str, singular: str, association_type: int) -> Target:
    return Target(name, type_id, singular, CONTACTS.read_scope, association_type)


_FROM_CONTACTS = {"contacts": 449, "companies": 279, "deals": 4, "tickets": 15, "p_cars": 1}
TARGETS = (
    _activity("calls", "0-48", "call", 193),
    _activity("emails", "0-49", "email", 197),
    _activity("meetings", "0-47", "meeting", 199),
    _activity("notes", "0-46", "note", 201),
    _activity("tasks", "0-27", "task", 203),
    _activity("communications", "0-18", "communication", 82),
    _activity("postal_mail", "0-116", "postal_mail", 454),
    *(
        Target(kind.name, kind.type_id, kind.singular.lower(), kind.read_scope, _FROM_CONTACTS[kind.name])
        for kind in KINDS
    ),
)
_BY_NAME = {name: target for target in TARGETS for name in (target.name, target.type_id)}


def find_target(name: str) -> Target | None:
    """The target with this name or id; None if there is none."""
    return _BY_NAME.get(name)


class Associations:
    """Ids of associated records, by record and type. They need not exist in this account."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, str, str], dict[int, None]] = {}

    def add(self, kind: Kind, record_id: int, to: str, ids: Iterable[object]) -> None:
        """Add associations. ValueError for an unknown type, or an id that is no number."""
        target = find_target(to)
        if target is None:
            raise ValueError(f"there is no object type {to!r} to associate with")
        held = self._ids.setdefault((record_id, kind.name, target.name), {})
        held.update(dict.fromkeys(int(str(one)) for one in ids))

    def read(
        self, kind: Kind, target: Target, inputs: Iterable[tuple[str, int]], live: Collection[str]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The results and errors of an answer. `live`: the ids of existing records."""
        results, errors = [], []
        for record_id, after in inputs:
            ids = self._ids.get((int(record_id), kind.name, target.name), {}) if record_id in live else {}
            page = [one for one in sorted(ids) if one > after]
            if page:
                results.append(_result(record_id, page, target))
            else:
                errors.append(_none_found(record_id, kind, target))
        return results, errors


def read_inputs(document: dict[str, Any]) -> list[tuple[str, int]] | Answer:
    """The requested ids, each with the associated record after which its page begins."""
    raw = read_list(document, "inputs")
    if isinstance(raw, Answer):
        return raw
    ids = read_ids(raw, MAX_INPUTS)
    if isinstance(ids, Answer):
        return ids
    after = [str(item.get("after") or 0) for item in raw]
    return [(one, int(start) if start.isdecimal() else 0) for one, start in zip(ids, after, strict=True)]


def _result(record_id: str, page: list[int], target: Target) -> dict[str, Any]:
    types = [{"category": "HUBSPOT_DEFINED", "typeId": target.association_type, "label": None}]
    to = [{"toObjectId": one, "associationTypes": types} for one in page[:PAGE_RECORDS]]
    answer: dict[str, Any] = {"from": {"id": record_id}, "to": to}
    if len(page) > PAGE_RECORDS:
        answer["paging"] = {"next": {"after": str(page[PAGE_RECORDS - 1])}}
    return answer


def _none_found(record_id: str, kind: Kind, target: Target) -> dict[str, Any]:
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
