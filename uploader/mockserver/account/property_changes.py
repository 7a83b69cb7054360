"""Properties that a client creates and archives. Pure: times come in.

The reply to a batch whose names exist is recorded (207, OBJECT_ALREADY_EXISTS, the name in `context`), the
rule about the options of a bool, too. The other texts, and that each invalid property is an error of its own,
are assumed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from uploader.mockserver.account.properties import Catalogue, Option, Property, definition
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.batch_request import MAX_INPUTS
from uploader.mockserver.bodies.error_bodies import Answer

REQUIRED = ("fieldType", "groupName", "label", "name", "type")
TYPES = ("bool", "date", "datetime", "enumeration", "number", "phone_number", "string")
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
MOST_UNIQUE = 10
#: What a list of properties tells, and the recorded reply to their creation does not.
NOT_IN_REPLY = ("createdAt", "updatedAt", "hubspotDefined")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a property is not created."""

    name: str
    message: str
    category: str = "VALIDATION_ERROR"
    sub_category: str = "Properties.INVALID_PROPERTY"

    @property
    def exists(self) -> bool:
        return self.category == "OBJECT_ALREADY_EXISTS"

    def as_entry(self) -> dict[str, Any]:
        return {
            "status": "error",
            "category": self.category,
            "subCategory": self.sub_category,
            "message": self.message,
            "context": {"name": [self.name]},
        }

    def as_answer(self) -> Answer:
        """The answer to the creation of this one alone, or to a batch that it fails."""
        status = 409 if self.exists else 400
        return error_bodies.error(
            status,
            self.message,
            self.category,
            subCategory=self.sub_category,
            context={"name": [self.name]},
        )


class Plan(NamedTuple):
    """What a request creates, and what it does not."""

    made: list[Property]
    refused: list[Refused]


def read_inputs(raw: Sequence[Any]) -> list[Mapping[str, Any]] | Answer:
    """The properties of a batch/create, or the answer that refuses all of them."""
    for item in raw:
        if not isinstance(item, Mapping):
            return error_bodies.invalid_json("Cannot construct instance of `PropertyCreate`")
        if missing := [name for name in REQUIRED if not isinstance(item.get(name), str)]:
            return error_bodies.missing_fields(missing)
        if item["type"] not in TYPES:
            return error_bodies.invalid_json(f"Cannot deserialize value of type `Type` from {item['type']!r}")
    return error_bodies.too_many_inputs(MAX_INPUTS) if len(raw) > MAX_INPUTS else list(raw)


def read_names(raw: Sequence[Any]) -> list[str] | Answer:
    """The names of a batch/archive, or the answer that refuses it."""
    if any(not isinstance(item, Mapping) or not isinstance(item.get("name"), str) for item in raw):
        return error_bodies.missing_fields(["name"])
    if len(raw) > MAX_INPUTS:
        return error_bodies.too_many_inputs(MAX_INPUTS)
    return [item["name"] for item in raw]


def plan(inputs: Sequence[Mapping[str, Any]], catalogue: Catalogue, at: str) -> Plan:
    """Decide on each property by itself."""
    known = set(catalogue.by_name)
    groups = {one.group for one in catalogue.by_name.values()} | {"contactinformation"}
    unique = sum(one.unique for one in catalogue.by_name.values())
    made: list[Property] = []
    refused: list[Refused] = []
    for item in inputs:
        fault = _fault(item, known, groups, unique)
        if fault is not None:
            refused.append(fault)
            continue
        made.append(_property(item, at))
        known.add(item["name"])
        unique += item.get("hasUniqueValue") is True
    return Plan(made, refused)


def _fault(item: Mapping[str, Any], known: set[str], groups: set[str], unique: int) -> Refused | None:
    name = item["name"]
    if name in known:
        return Refused(
            name,
            f"A property named '{name}' already exists.",
            "OBJECT_ALREADY_EXISTS",
            "Properties.PROPERTY_WITH_NAME_EXISTS",
        )
    message = _complaint(item, groups)
    if item.get("hasUniqueValue") is True and unique >= MOST_UNIQUE:
        message = f"The limit of {MOST_UNIQUE} unique properties is reached."
    return Refused(name, message) if message else None


def _complaint(item: Mapping[str, Any], groups: set[str]) -> str:
    """What is wrong with a definition by itself; "" if nothing is."""
    if not NAME.fullmatch(item["name"]):
        return f"Property name '{item['name']}' is not valid."
    if item["groupName"] not in groups:
        return f"Property group '{item['groupName']}' does not exist."
    values = [option.get("value") for option in item.get("options") or ()]
    if item["type"] == "bool" and sorted(map(str, values)) != ["false", "true"]:
        text = "Boolean properties must have exactly two options; one with a value of 'true', the other with"
        return f"{text} a value of 'false'."
    if item["type"] == "enumeration" and (not values or len(set(values)) < len(values)):
        return "Enumeration properties must have options with distinct values."
    return ""


def _property(item: Mapping[str, Any], at: str) -> Property:
    options = [Option(str(one["label"]), str(one["value"])) for one in item.get("options") or ()]
    return Property(
        name=item["name"],
        label=item["label"],
        type=item["type"],
        field_type=item["fieldType"],
        group=item["groupName"],
        options=tuple(options),
        unique=item.get("hasUniqueValue") is True,
        hubspot_defined=False,
        sensitivity=item.get("dataSensitivity", "non_sensitive"),
        description=item.get("description", ""),
        created_at=at,
    )


def created(property_: Property) -> dict[str, Any]:
    """The result for a property that was created."""
    body = definition(property_, -1)
    return {name: value for name, value in body.items() if name not in NOT_IN_REPLY}
