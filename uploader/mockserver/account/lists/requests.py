"""The bodies of requests for lists, read or refused. Pure.

Documented: the fields, a most of 100,000 members a request, and which lists take members.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from uploader.mockserver.account.lists.store import PROCESSING_TYPES, STATIC
from uploader.mockserver.account.object_types import Kind, find_kind
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.batch_request import read_list, read_object, wrong_type
from uploader.mockserver.bodies.error_bodies import Answer

MOST_MEMBERS = 100_000
MOST_FOUND, MOST_ON_A_PAGE = 500, 250


class NewList(NamedTuple):
    """A list to be made."""

    name: str
    kind: Kind
    processing_type: str


class Change(NamedTuple):
    """Records to be added to a list, and removed from it."""

    add: Sequence[str] = ()
    remove: Sequence[str] = ()


NO_CHANGE = Change()


def read_new_list(body: bytes) -> NewList | Answer:
    document = read_object(body)
    if isinstance(document, Answer):
        return document
    names = ("name", "objectTypeId", "processingType")
    if missing := [name for name in names if not isinstance(document.get(name), str) or not document[name]]:
        return error_bodies.missing_fields(missing)
    kind, processing_type = find_kind(document["objectTypeId"]), document["processingType"]
    if kind is None or kind.type_id != document["objectTypeId"]:
        return error_bodies.unknown_object_type(document["objectTypeId"])
    if processing_type not in PROCESSING_TYPES:
        return _invalid(f"processingType must be one of {', '.join(PROCESSING_TYPES)}")
    if processing_type != "MANUAL" and not isinstance(document.get("filterBranch"), Mapping):
        return _invalid(f"A {processing_type} list needs a filterBranch")
    return NewList(document["name"], kind, processing_type)


def read_change(body: bytes, verb: str) -> Change | Answer:
    """The records of memberships/add, /remove or /add-and-remove."""
    if verb == "change_members":
        document = read_object(body)
        if isinstance(document, Answer):
            return document
        add, remove = (_read_ids(read_list(document, f"recordIdsTo{name}")) for name in ("Add", "Remove"))
        if isinstance(add, Answer):
            return add
        return remove if isinstance(remove, Answer) else Change(add, remove)
    try:
        ids = _read_ids(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        return error_bodies.invalid_json(error.msg, error.lineno, error.colno)
    if isinstance(ids, Answer):
        return ids
    return Change(add=ids) if verb == "add_members" else Change(remove=ids)


def _read_ids(raw: Any) -> list[str] | Answer:  # noqa: ANN401 - whatever the body holds
    if isinstance(raw, Answer):
        return raw
    if not isinstance(raw, list):
        return wrong_type("java.util.LinkedHashSet", raw)
    for one in raw:
        if type(one) not in (str, int):
            return wrong_type("java.lang.String", one)
    return (
        error_bodies.too_many_inputs(MOST_MEMBERS) if len(raw) > MOST_MEMBERS else [str(one) for one in raw]
    )


class Search(NamedTuple):
    """Which lists are wanted."""

    query: str
    type_id: str
    processing_types: Sequence[str]
    ids: Sequence[str]
    offset: int
    most: int


def read_search(body: bytes) -> Search | Answer:
    document = read_object(body)
    if isinstance(document, Answer):
        return document
    offset, count = document.get("offset") or 0, document.get("count", 20)
    if type(offset) is not int or type(count) is not int or not 0 <= count <= MOST_FOUND or offset < 0:
        return _invalid(f"count must be at most {MOST_FOUND}")
    ids, types = (read_list(document, name) for name in ("listIds", "processingTypes"))
    if isinstance(ids, Answer):
        return ids
    if isinstance(types, Answer):
        return types
    texts = [str(document.get(name) or "") for name in ("query", "objectTypeId")]
    return Search(texts[0], texts[1], [str(one) for one in types], [str(one) for one in ids], offset, count)


def read_page(query: Mapping[str, str]) -> tuple[int, int] | Answer:
    """After which record a page of members begins, and how long it is."""
    limit, after = query.get("limit", "100"), query.get("after", "0")
    if "before" in query:
        return error_bodies.error(400, "before is not simulated")
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST_ON_A_PAGE or not after.isdecimal():
        return _invalid(f"limit must lie between 1 and {MOST_ON_A_PAGE}")
    return int(after), int(limit)


def not_static(name: str) -> Answer:
    return _invalid(f"Members of the list '{name}' cannot be changed: it is none of {' and '.join(STATIC)}.")


def name_taken(name: str) -> Answer:
    text = f"List name '{name}' must be unique."
    return error_bodies.error(400, text, "VALIDATION_ERROR", subCategory="ILS.DUPLICATE_LIST_NAMES")


def no_list(what: str) -> Answer:
    return error_bodies.error(404, f"List does not exist with {what}.", "OBJECT_NOT_FOUND")


def _invalid(text: str) -> Answer:
    return error_bodies.error(400, text, "VALIDATION_ERROR")
