"""The object types that records are associated with: the types of records, and activities. A table."""

from typing import NamedTuple

from uploader.mockserver.account.object_types import CONTACTS, KINDS


class Target(NamedTuple):
    """An object type that records are associated with."""

    name: str
    type_id: str
    singular: str
    read_scope: str
    write_scope: str

    @property
    def is_custom(self) -> bool:
        return self.type_id.startswith("2-")


def _activity(name: str, type_id: str, singular: str) -> Target:
    """Activities are read and written with the scopes of contacts."""
    return Target(name, type_id, singular, CONTACTS.read_scope, CONTACTS.write_scope)


ACTIVITIES = (
    _activity("calls", "0-48", "call"),
    _activity("emails", "0-49", "email"),
    _activity("meetings", "0-47", "meeting"),
    _activity("notes", "0-46", "note"),
    _activity("tasks", "0-27", "task"),
    _activity("communications", "0-18", "communication"),
    _activity("postal_mail", "0-116", "postal_mail"),
)
RECORDS = tuple(
    Target(kind.name, kind.type_id, kind.singular.lower(), kind.read_scope, kind.write_scope)
    for kind in KINDS
)
TARGETS = (*ACTIVITIES, *RECORDS)
_BY_NAME = {name: target for target in TARGETS for name in (target.name, target.type_id)}


def find_target(name: str) -> Target | None:
    """The target with this name or id; None if there is none."""
    return _BY_NAME.get(name)


def known_target(name: object) -> Target:
    """The target with this name or id. ValueError if there is none."""
    target = find_target(str(name))
    if target is None:
        raise ValueError(f"there is no object type {name!r} to associate with")
    return target
