"""Answers the endpoints of lists (v3). From the official schema. No I/O.

The words of refusals and the page's cursor are assumed; the sub-category of a taken name was reported.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.account.late_writes import LateWrites
from uploader.mockserver.account.lists import requests
from uploader.mockserver.account.lists.requests import Change
from uploader.mockserver.account.lists.store import STATIC, Lists, RecordList
from uploader.mockserver.account.object_store import ObjectStore
from uploader.mockserver.account.object_types import find_kind
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer, iso


class ListEndpoints:
    """The lists of one account."""

    def __init__(self, stores: Mapping[str, ObjectStore], late: LateWrites) -> None:
        self._stores = stores
        self._late = late
        self.lists = Lists(stores)

    def answer(self, exchange: Exchange) -> Answer:  # noqa: PLR0911  # a table
        match exchange.route.endpoint:
            case "create_list":
                return self._create(exchange)
            case "list_by_name":
                return self._named(exchange.route.argument, unquote(exchange.route.target))
            case "search_lists":
                return self._search(exchange)
        found = self.lists.by_id(exchange.route.item)
        if found is None:
            return requests.no_list(f"ID {exchange.route.item}")
        match exchange.route.endpoint:
            case "archive_list":
                return self._archive(found, exchange)
            case "memberships":
                return _members(found, exchange.request.query)
            case "add_members" | "remove_members" | "change_members":
                return self._change(found, exchange)
        return Answer(200, {"list": _shown(found)})

    def _create(self, exchange: Exchange) -> Answer:
        asked = requests.read_new_list(exchange.request.body)
        if isinstance(asked, Answer):
            return asked
        store = self._stores[asked.kind.name]
        if self.lists.is_taken(asked.name):
            return requests.name_taken(asked.name)
        made = self.lists.make(asked.name, store, asked.processing_type, iso(exchange.wall))
        self._late.write(exchange, lambda _: self.lists.keep(made))
        return Answer(200, {"list": _shown(made)})

    def _named(self, type_id: str, name: str) -> Answer:
        kind = find_kind(type_id)
        if kind is None:
            return error_bodies.unknown_object_type(type_id)
        found = self.lists.by_name(name, self._stores[kind.name])
        if found is None:
            return requests.no_list(f"name {name} and object type ID {type_id}")
        return Answer(200, {"list": _shown(found)})

    def _search(self, exchange: Exchange) -> Answer:
        asked = requests.read_search(exchange.request.body)
        if isinstance(asked, Answer):
            return asked
        found = [one for one in self.lists if _is_wanted(one, asked)]
        page = found[asked.offset : asked.offset + asked.most]
        end = asked.offset + len(page)
        body = {
            "lists": [_found(one) for one in page],
            "offset": end,
            "hasMore": end < len(found),
            "total": len(found),
        }
        return Answer(200, body)

    def _archive(self, found: RecordList, exchange: Exchange) -> Answer:
        def archive(at: str) -> None:
            found.deleted_at = at

        self._late.write(exchange, archive)
        return Answer(204, b"")

    def _change(self, found: RecordList, exchange: Exchange) -> Answer:
        """Unknown records are reported, those that are members already, or are none, are left out."""
        change = exchange.members
        if isinstance(change, Answer):
            return change
        if found.processing_type not in STATIC:
            return requests.not_static(found.name)
        rejected = exchange.rejected([*change.add, *change.remove])
        known = Change(*(self._known(found.store, ids, rejected) for ids in change))
        added: list[int] = []
        removed: list[int] = []

        def write(at: str) -> None:
            added.extend(found.add([int(one) for one in known.add], at))
            removed.extend(found.remove([int(one) for one in known.remove]))
            found.updated_at = at

        self._late.write(exchange, write)
        asked = [one for ids in change for one in ids]
        body = {
            "recordsIdsAdded": [str(one) for one in added],
            "recordIdsRemoved": [str(one) for one in removed],
            "recordIdsMissing": [
                one for one in dict.fromkeys(asked) if one in rejected or found.store.live(one) is None
            ],
        }
        return Answer(200, body)

    def _known(self, store: ObjectStore, ids: Sequence[str], rejected: Mapping[str, object]) -> list[str]:
        records = (store.live(one) for one in ids if one not in rejected)
        return [str(record.id) for record in records if record is not None]


def _is_wanted(one: RecordList, asked: requests.Search) -> bool:
    return (
        asked.query.lower() in one.name.lower()
        and asked.type_id in ("", one.store.kind.type_id)
        and (not asked.processing_types or one.processing_type in asked.processing_types)
        and (not asked.ids or one.id in asked.ids)
    )


def _members(found: RecordList, query: Mapping[str, str]) -> Answer:
    page = requests.read_page(query)
    if isinstance(page, Answer):
        return page
    after, limit = page
    members = [(record_id, at) for record_id, at in found.members.items() if int(record_id) > after]
    shown = members[:limit]
    results = [{"recordId": record_id, "membershipTimestamp": at} for record_id, at in shown]
    body: dict[str, Any] = {"results": results, "total": len(found.members)}
    if len(members) > limit:
        last = shown[-1][0]
        body["paging"] = {"next": {"after": last, "link": f"?after={last}&limit={limit}"}}
    return Answer(200, body)


def _shown(one: RecordList) -> dict[str, Any]:
    return {**_common(one), "size": len(one.members)}


def _found(one: RecordList) -> dict[str, Any]:
    return {**_common(one), "additionalProperties": {"hs_list_size": str(len(one.members))}}


def _common(one: RecordList) -> dict[str, Any]:
    return {
        "listId": one.id,
        "listVersion": one.version,
        "name": one.name,
        "objectTypeId": one.store.kind.type_id,
        "processingType": one.processing_type,
        "processingStatus": "COMPLETE",
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "createdById": "9586504",
        "updatedById": "9586504",
    }
