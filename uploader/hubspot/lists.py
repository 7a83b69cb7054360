"""Lists of records, which HubSpot also calls segments: requests, and what replies say.

In    ids and names; the bodies of replies, with any content.
Out   calls, and values; None where a body says nothing.
Raise nothing.
From  the official OpenAPI schema of lists v3
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import orjson

from uploader.hubspot.json_values import as_moment, as_text, as_texts
from uploader.hubspot.requests import Paths
from uploader.hubspot.transport import Call

READ_SCOPE, WRITE_SCOPE = "crm.lists.read", "crm.lists.write"
#: Records in one request: an assumption. The official schema (lists v3, memberships/add) names no cap; of its
#: neighbours, memberships/add-from and the removal of all members, it says that they take lists of less than
#: 100,000. A refusal halves it (`lists.membership_task`).
MOST_MEMBERS = 100_000
#: The documented caps of a page.
_MOST_READ, _MOST_FOUND = 250, 500
#: Lists whose members are put there, and not found by filters.
_STATIC = frozenset({"MANUAL", "SNAPSHOT"})


class RecordList(NamedTuple):
    """A list, as HubSpot describes it."""

    id: str
    name: str
    type_id: str  #: of its records, such as 0-1
    is_static: bool
    size: int | None  #: None where the reply does not say
    created_at: float | None  #: by HubSpot's clock, in seconds since 1970


class Change(NamedTuple):
    """What a change of members did. Records that it does not name were members already, or were none."""

    added: frozenset[str]
    removed: frozenset[str]
    missing: frozenset[str]  #: HubSpot has no such records


class Page(NamedTuple):
    """A page of members."""

    members: Mapping[str, float | None]  #: when each was added, by HubSpot's clock
    after: str  #: where the next one begins; "" for none


def find_by_name(paths: Paths, type_id: str, name: str) -> Call:
    return Call("GET", f"{paths.lists}/object-type-id/{quote(type_id)}/name/{quote(name, safe='')}")


def find_by_id(paths: Paths, list_id: str) -> Call:
    return Call("GET", f"{paths.lists}/{quote(list_id)}")


def search(paths: Paths, name: str, offset: int) -> Call:
    """Lists of any type with this name, and others whose names contain it."""
    body = {"query": name, "count": _MOST_FOUND, "offset": offset, "additionalProperties": []}
    return Call("POST", f"{paths.lists}/search", orjson.dumps(body))


def create(paths: Paths, type_id: str, name: str) -> Call:
    body = {"name": name, "objectTypeId": type_id, "processingType": "MANUAL"}
    return Call("POST", paths.lists, orjson.dumps(body))


def delete(paths: Paths, list_id: str) -> Call:
    return Call("DELETE", f"{paths.lists}/{quote(list_id)}")


def change_members(paths: Paths, list_id: str, ids: Sequence[int], *, add: bool) -> Call:
    """Add records to a list, or remove them."""
    verb = "add" if add else "remove"
    body = orjson.dumps(list(map(str, ids)))
    return Call("PUT", f"{paths.lists}/{quote(list_id)}/memberships/{verb}", body)


def read_members(paths: Paths, list_id: str, after: str = "") -> Call:
    where = f"&after={quote(after)}" if after else ""
    return Call("GET", f"{paths.lists}/{quote(list_id)}/memberships?limit={_MOST_READ}{where}")


def decode_list(body: Mapping[str, object] | None) -> RecordList | None:
    """The list in the reply to a request for one, or to the making of one."""
    inner = (body or {}).get("list")
    return _list(inner) if isinstance(inner, Mapping) else None


def decode_found(body: Mapping[str, object] | None) -> tuple[list[RecordList], bool]:
    """The lists of a search, and whether there are more."""
    body = body or {}
    found = body.get("lists")
    lists = [_list(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return [one for one in lists if one is not None], body.get("hasMore") is True


def _list(value: Mapping[str, object]) -> RecordList | None:
    list_id, kind = as_text(value.get("listId")), as_text(value.get("processingType"))
    if not list_id or not kind:
        return None
    size = value.get("size")
    return RecordList(
        list_id,
        as_text(value.get("name")),
        as_text(value.get("objectTypeId")),
        kind in _STATIC,
        size if isinstance(size, int) else None,
        as_moment(as_text(value.get("createdAt"))),
    )


def decode_change(body: Mapping[str, object] | None) -> Change | None:
    """What a change did; None for a body that says nothing of it. HubSpot writes one field in two ways."""
    body = body or {}
    added, other = body.get("recordsIdsAdded"), body.get("recordIdsAdded")
    fields = (added if isinstance(added, list) else other, *map(body.get, _CHANGES))
    if not any(isinstance(one, list) for one in fields):
        return None
    return Change(*(frozenset(as_texts(one)) for one in fields))


_CHANGES = ("recordIdsRemoved", "recordIdsMissing")


def decode_page(body: Mapping[str, object] | None) -> Page | None:
    body = body or {}
    results = body.get("results")
    if not isinstance(results, list):
        return None
    members = {
        as_text(one.get("recordId")): as_moment(as_text(one.get("membershipTimestamp")))
        for one in results
        if isinstance(one, Mapping)
    }
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    after = as_text(following.get("after")) if isinstance(following, Mapping) else ""
    return Page(members, after)
