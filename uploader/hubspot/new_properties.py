"""Definitions of properties to be created or archived: request bodies, and replies decoded leniently.

In    definitions; the body of a reply, with any content.
Out   bytes to send; what was created, and what was not, by name.
Raise nothing.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide and the official schemas
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from uploader.hubspot.error_objects import CONFLICTS, ErrorObject, error_of
from uploader.hubspot.json_values import as_texts
from uploader.hubspot.replies import Reply
from uploader.hubspot.schema import Option, entries_of

#: The types of properties, each with the field of HubSpot's forms that is usual for it.
FIELD_OF_TYPE = {
    "string": "text",
    "number": "number",
    "bool": "booleancheckbox",
    "date": "date",
    "datetime": "date",
    "enumeration": "select",
    "phone_number": "phonenumber",
}
FIELD_TYPES = (
    "booleancheckbox",
    "calculation_equation",
    "checkbox",
    "date",
    "file",
    "html",
    "number",
    "phonenumber",
    "radio",
    "select",
    "text",
    "textarea",
)
#: HubSpot refuses a bool property without them.
_YES_AND_NO = (Option("True", "true"), Option("False", "false"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A property to be created."""

    name: str
    label: str
    type: str
    field_type: str
    group: str
    options: tuple[Option, ...] = ()
    description: str = ""
    is_unique: bool = False


def encode_definitions(definitions: Sequence[Definition]) -> bytes:
    """The body of a batch that creates properties."""
    return orjson.dumps({"inputs": [_encoded(one) for one in definitions]})


def _encoded(one: Definition) -> Mapping[str, object]:
    options = one.options or (_YES_AND_NO if one.type == "bool" else ())
    return {
        "name": one.name,
        "label": one.label,
        "type": one.type,
        "fieldType": one.field_type,
        "groupName": one.group,
        "description": one.description,
        "hasUniqueValue": one.is_unique,
        "options": [
            {"label": option.label, "value": option.value, "displayOrder": place, "hidden": option.hidden}
            for place, option in enumerate(options, 1)  # 0 counts as none
        ],
    }


def encode_names(names: Sequence[str]) -> bytes:
    """The body of a batch that archives properties."""
    return orjson.dumps({"inputs": [{"name": name} for name in names]})


def encode_count(name: str) -> bytes:
    """The body of a search that counts the records with a value of a property."""
    filters = [{"propertyName": name, "operator": "HAS_PROPERTY"}]
    body = {"filterGroups": [{"filters": filters}], "limit": 1, "after": "0", "properties": [], "sorts": []}
    return orjson.dumps(body)


def decode_count(body: Mapping[str, object] | None) -> int | None:
    """The number of records that a search found; None if the reply does not say."""
    total = (body or {}).get("total")
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None


@dataclass(frozen=True, slots=True)
class Created:
    """What a batch says of its properties."""

    made: frozenset[str]
    existing: frozenset[str]  #: not made, because properties with these names exist
    refused: Mapping[str, str]  #: name -> why
    nameless: str = ""  #: what an error says that names none

    @classmethod
    def decode(cls, reply: Reply) -> "Created":
        """Decode a reply of 2xx."""
        body = reply.body or {}
        named = [entry.get("name") for entry in entries_of(body) if isinstance(entry, dict)]
        existing: set[str] = set()
        refused: dict[str, str] = {}
        nameless = ""
        errors = body.get("errors")
        for entry in errors if isinstance(errors, list) else []:
            if not isinstance(entry, dict):
                continue
            context = entry.get("context")
            names = as_texts(context.get("name")) if isinstance(context, dict) else ()
            error = error_of(entry)
            nameless = nameless or (reason_of(error) if not names else "")
            if says_exists(error):
                existing.update(names)
            else:
                refused.update(dict.fromkeys(names, reason_of(error)))
        made = frozenset(name for name in named if isinstance(name, str))
        return cls(made, frozenset(existing), refused, nameless)


def says_exists(error: ErrorObject) -> bool:
    """Whether an error is that a property with this name exists."""
    return error.category in CONFLICTS


def reason_of(error: ErrorObject) -> str:
    return " ".join(error.message.split())[:500] or error.category or "no reason given"
