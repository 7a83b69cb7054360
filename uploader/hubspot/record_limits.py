"""The account's limit of records of a type, and how many it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uploader.hubspot.object_types import TYPE_IDS


@dataclass(frozen=True, slots=True)
class RecordLimit:
    """How many records of a type the account has, and may have."""

    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


def decode_record_limit(body: Mapping[str, Any] | None, object_type: str) -> RecordLimit | None:
    """The limit of an object type, from the reply of limits/records. Custom types share one limit."""
    body = body or {}
    wanted = {object_type.lower(), TYPE_IDS.get(object_type.lower(), "")} - {""}
    listed = body.get("hubspotDefinedObjectTypes")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and _names(entry) & wanted:
            return _record_limit(entry.get("usage"), entry.get("limit"))
    custom = body.get("customObjectTypes")
    if isinstance(custom, dict) and isinstance(custom.get("byObjectType"), list):
        for entry in custom["byObjectType"]:
            if isinstance(entry, dict) and _names(entry) & wanted:
                return _record_limit(custom.get("overallUsage"), custom.get("overallLimit"))
    return None


def _names(entry: Mapping[str, Any]) -> set[str]:
    return {str(entry.get(name) or "").lower() for name in ("objectTypeId", "singularLabel", "pluralLabel")}


def _record_limit(used: object, limit: object) -> RecordLimit | None:
    are_counts = type(used) is int and type(limit) is int
    return RecordLimit(used, limit) if are_counts else None  # type: ignore[arg-type]
