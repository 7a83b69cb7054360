"""How many records of a type an account holds, and may hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uploader.hubspot.object_types import TYPE_IDS


@dataclass(frozen=True, slots=True)
class Room:
    """How many records of the type the account holds, and may hold."""

    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


def decode_room(body: Mapping[str, Any] | None, object_type: str) -> Room | None:
    """From the answer of limits/records; of a custom type, what is left to all of them together."""
    body = body or {}
    wanted = {object_type.lower(), TYPE_IDS.get(object_type.lower(), "")} - {""}
    listed = body.get("hubspotDefinedObjectTypes")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and _names(entry) & wanted:
            return _room(entry.get("usage"), entry.get("limit"))
    custom = body.get("customObjectTypes")
    if isinstance(custom, dict) and isinstance(custom.get("byObjectType"), list):
        for entry in custom["byObjectType"]:
            if isinstance(entry, dict) and _names(entry) & wanted:
                return _room(custom.get("overallUsage"), custom.get("overallLimit"))
    return None


def _names(entry: Mapping[str, Any]) -> set[str]:
    return {str(entry.get(name) or "").lower() for name in ("objectTypeId", "singularLabel", "pluralLabel")}


def _room(used: object, limit: object) -> Room | None:
    are_counts = type(used) is int and type(limit) is int
    return Room(used, limit) if are_counts else None  # type: ignore[arg-type]
