"""HubSpot's error objects, decoded leniently: which inputs they concern, and which properties.

From  https://developers.hubspot.com/docs/api-reference/error-handling and answers as they were seen
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from uploader.hubspot.json_values import as_text, as_texts

#: Errors after which the same request may succeed.
_TRANSIENT = frozenset(
    {
        "RATE_LIMIT",
        "RATE_LIMITS",
        "INTERNAL_ERROR",
        "TIMEOUT",
        "REQUEST_TIMEOUT",
        "SERVICE_UNAVAILABLE",
        "LOCKED",
        "MIGRATION_IN_PROGRESS",
    }
)
_NOT_FOUND = "OBJECT_NOT_FOUND"
#: Where an error names its inputs; the last one is for associations.
_ID_KEYS = ("ids", "id", "fromObjectId")
_CODE = re.compile(r"[A-Z0-9_]{1,60}")


@dataclass(frozen=True, slots=True)
class PropertyFault:
    """An error about one property, with its code."""

    code: str
    name: str
    text: str = field(default="", compare=False)  #: HubSpot's words


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """One entry of `errors[]`, or a whole error body. It may concern any number of inputs."""

    category: str  #: in capital letters
    message: str
    trace_ids: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    existing_id: str = ""
    faults: tuple[PropertyFault, ...] = ()
    sub_category: str = ""  #: in capital letters

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return is_transient(self.category)

    @property
    def is_not_found(self) -> bool:
        """Whether it says that the object does not exist. No other error does."""
        return (self.category or self.sub_category) == _NOT_FOUND

    @property
    def code(self) -> str:
        """The category if it is a code. Other text could contain personal data, so it is replaced."""
        return self.category if _CODE.fullmatch(self.category) else "an error of unknown category"

    @property
    def plain_text(self) -> str:
        """The texts of the faults, where the message wraps them in JSON; else ""."""
        named = [(fault.name, fault.text) for fault in self.faults if fault.text]
        return "; ".join(f"{name}: {text}" if name else text for name, text in named)


def is_transient(category: str) -> bool:
    """Whether the same request may succeed a moment after an error of this category."""
    return category in _TRANSIENT


def errors_of(value: object) -> list[ErrorObject]:
    """The entries of a reply's `errors`; empty if that is no list."""
    if not isinstance(value, list):
        return []
    return [
        error_of(entry) if isinstance(entry, dict) else ErrorObject("", as_text(entry)[:500])
        for entry in value
    ]


def error_of(entry: Mapping[str, object]) -> ErrorObject:
    """One entry of `errors`, or an error reply's whole body."""
    context = entry.get("context")
    context = context if isinstance(context, dict) else {}
    message = as_text(entry.get("message"))
    existing = as_texts(context.get("existingId"))
    return ErrorObject(
        category=(as_text(entry.get("category")) or as_text(entry.get("errorType"))).strip().upper(),
        message=message,
        trace_ids=as_texts(context.get("objectWriteTraceId")) + as_texts(entry.get("objectWriteTraceId")),
        ids=tuple(one for name in _ID_KEYS for one in as_texts(context.get(name))),
        existing_id=existing[0] if existing else _existing_id(message) or _identity(entry),
        faults=faults_of(message, entry.get("errors")),
        sub_category=as_text(entry.get("subCategory")).strip().upper().rpartition(".")[2],
    )


_EXISTING = re.compile(r"Existing ID: (\d+)")


def _existing_id(message: str) -> str:
    found = _EXISTING.search(message)
    return found[1] if found else ""


def _identity(entry: Mapping[str, object]) -> str:
    """The id of the existing contact, in another format of a conflict."""
    profile = entry.get("identityProfile")
    return as_text(profile.get("vid")) if isinstance(profile, dict) else ""


_EMBEDDED = "Property values were not valid: "
_DECODER = json.JSONDecoder()
_DOES_NOT_EXIST = re.compile(r'Property "([^"]+)" does not exist')
_READ_ONLY = re.compile(r'"([^"]+)" is a (?:calculated|read only) property')


def faults_of(message: str, errors: object) -> tuple[PropertyFault, ...]:
    """The errors about properties: as JSON inside the message, in a nested `errors[]`, or in its words."""
    found = [*_embedded_faults(message), *_nested_faults(errors)]
    if not found:
        found = [PropertyFault("PROPERTY_DOESNT_EXIST", name) for name in _DOES_NOT_EXIST.findall(message)]
        found += [PropertyFault("READ_ONLY_VALUE", name) for name in _READ_ONLY.findall(message)]
    return tuple(dict.fromkeys(found))


def _embedded_faults(message: str) -> list[PropertyFault]:
    start = message.find(_EMBEDDED)
    if start < 0:
        return []
    try:
        # raw_decode: text may follow the list.
        entries, _ = _DECODER.raw_decode(message[start + len(_EMBEDDED) :])
    except (ValueError, RecursionError):
        return []
    return [
        PropertyFault(as_text(entry.get("error")), as_text(entry.get("name")), as_text(entry.get("message")))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    ]


def _nested_faults(errors: object) -> list[PropertyFault]:
    faults = []
    for entry in errors if isinstance(errors, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("context"), dict):
            code = as_text(entry.get("code")) or as_text(entry.get("error"))
            faults += [PropertyFault(code, name) for name in as_texts(entry["context"].get("propertyName"))]
    return faults


#: The categories of a 409, for a batch or a record.
CONFLICTS = frozenset({"CONFLICT", "OBJECT_ALREADY_EXISTS"})
#: In the message where another record has the unique value.
_TAKEN = "already has that value"


def is_value_taken(category: str, message: str) -> bool:
    """Whether a record is refused because another one has its unique value."""
    return category in CONFLICTS or category == "HTTP_409" or _TAKEN in message
