"""The simulated account: who answers an `Exchange`, by its endpoint. No tokens or sockets.

Reads, searches and record limits are answered here. The tests' own requests change records here, too.
"""

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any

from uploader.mockserver.account import (
    admin_validation_rules,
    pipelines,
    property_endpoints,
    search,
)
from uploader.mockserver.account.associations import requests
from uploader.mockserver.account.associations.definitions import Definitions
from uploader.mockserver.account.associations.endpoints import AssociationEndpoints
from uploader.mockserver.account.associations.links import Links
from uploader.mockserver.account.behaviour_switches import AccountInfo
from uploader.mockserver.account.default_properties import pipelines_of
from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.account.late_writes import LateWrites
from uploader.mockserver.account.lists.endpoints import ListEndpoints
from uploader.mockserver.account.lists.requests import read_change
from uploader.mockserver.account.lists.store import Lists
from uploader.mockserver.account.object_store import ObjectStore
from uploader.mockserver.account.object_types import KINDS, Kind, find_kind
from uploader.mockserver.account.owners import Owners
from uploader.mockserver.account.properties import normalise
from uploader.mockserver.account.record_writes import RecordWrites
from uploader.mockserver.account.store import Record, Source
from uploader.mockserver.bodies import batch_reply, error_bodies
from uploader.mockserver.bodies.batch_request import (
    MAX_INPUTS,
    MAX_INPUTS_WITH_HISTORY,
    read_create,
    read_ids,
    read_list,
    read_object,
    read_upsert,
)
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.quota import RollingWindow
from uploader.mockserver.statistics import Statistics

DEFAULT_READ = ("email", "firstname", "lastname")
#: The source of seeded records, unless the seed names another.
SEED_SOURCE = Source("IMPORT", "28512344")
OTHER_USER = Source("CRM_UI", "userId:9586504", "", 9586504)
#: Endpoints of the folders `lists` and `associations`.
_OF_LISTS = frozenset(
    {
        "create_list",
        "list_by_name",
        "search_lists",
        "list",
        "archive_list",
        "memberships",
        "add_members",
        "remove_members",
        "change_members",
    }
)
_OF_ASSOCIATIONS = frozenset(
    {
        "associations",
        "associate",
        "associate_default",
        "dissociate",
        "end_labels",
        "association_labels",
        "association_limits",
        "create_association_label",
        "archive_association_label",
    }
)


class Account:
    """Answers the endpoints of one simulated account."""

    def __init__(self, scenario: Scenario, statistics: Statistics, random: Random) -> None:
        self._scenario = scenario
        self._owners = Owners(scenario.owners)
        self._late = LateWrites()
        definitions = Definitions()
        links = Links(definitions)
        self._stores = {kind.name: ObjectStore(kind, scenario, self._owners, links) for kind in KINDS}
        self._statistics = statistics
        self.associations = AssociationEndpoints(
            self._stores, definitions, links, self._late, shuffle=random.shuffle
        )
        self.associations.change_scenario(scenario)
        self._writes = RecordWrites(
            self._stores,
            self.associations,
            self._late,
            statistics=statistics,
            random=random,
            scenario=scenario,
        )
        self._list_endpoints = ListEndpoints(self._stores, self._late)
        self._searches = RollingWindow()

    @property
    def info(self) -> AccountInfo:
        return self._scenario.account

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(store.records) for name, store in self._stores.items()}

    def change_scenario(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._owners = Owners(scenario.owners)
        for store in self._stores.values():
            store.change_scenario(scenario, self._owners)
        self.associations.change_scenario(scenario)
        self._writes.change_scenario(scenario)

    def records(self, object_type: str) -> Iterator[Record]:
        """All records by id, archived ones too. ValueError for an unknown object type."""
        return iter(self._store(object_type).records)

    @property
    def lists(self) -> Lists:
        return self._list_endpoints.lists

    def _store(self, object_type: str) -> ObjectStore:
        kind = find_kind(object_type)
        if kind is None:
            raise ValueError(f"there is no object type {object_type!r}")
        return self._stores[kind.name]

    def seed(self, objects: Mapping[str, Iterable[Mapping[str, Any]]], at: str) -> None:
        """Create records without checks: a test may need values that HubSpot would refuse."""
        for object_type, records in objects.items():
            store = self._store(object_type)
            for one in records:
                properties = {str(k): str(v) for k, v in one.get("properties", {}).items()}
                if store.kind.is_contacts and "email" in properties:
                    properties["email"] = properties["email"].strip().lower()
                additional = tuple(str(a).strip().lower() for a in one.get("additional_emails", ()))
                since = str(one.get("created_at", at))
                store.records.create(properties, since, _source(one, SEED_SOURCE), additional)

    def change_records(
        self,
        object_type: str,
        update: Iterable[Mapping[str, Any]],
        archive: Iterable[object],
        at: str,
        associate: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Update, archive and associate records, unchecked. ValueError for an unknown record."""
        store = self._store(object_type)
        for change in update:
            values = {str(k): str(v) for k, v in change.get("properties", {}).items()}
            store.records.update(store.known(change), values, at, _source(change, OTHER_USER))
        for named in archive:
            fields = named if isinstance(named, Mapping) else {"id": named, "email": named}
            store.archive(store.known(fields), at)
        for link in associate:
            self.associations.associate(store, link)

    def merge(
        self, object_type: str, primary: Mapping[str, Any], other: Mapping[str, Any], at: str
    ) -> Record:
        """Merge two records, each named by an id or a unique value; ValueError as `change_records`."""
        store = self._store(object_type)
        return store.merge(store.known(primary), store.known(other), at)

    def answer(self, exchange: Exchange) -> Answer:
        endpoint = exchange.route.endpoint
        if endpoint == "owners":
            return self._owners.page(exchange.request.query)
        if endpoint == "limits":
            return self._limits()
        if endpoint in _OF_LISTS:
            return self._list_endpoints.answer(exchange)
        kind = find_kind(exchange.route.argument)
        if kind is None:
            return error_bodies.unknown_object_type(exchange.route.argument)
        store = self._stores[kind.name]
        if endpoint in _OF_ASSOCIATIONS:
            return self.associations.answer(store, exchange)
        return self._answer_of(store, exchange)

    def _answer_of(self, store: ObjectStore, exchange: Exchange) -> Answer:  # noqa: PLR0911  # a table
        """Answer an endpoint of one object type."""
        scenario = self._scenario
        match exchange.route.endpoint:
            case "upsert" | "update" | "create" | "archive":
                return self._writes.answer(store, exchange)
            case "read":
                return self._read(store, exchange)
            case "search":
                return self._search(store, exchange)
            case "create_properties" | "create_property":
                return property_endpoints.create(store, exchange, self._late)
            case "archive_properties" | "archive_property":
                return property_endpoints.archive(store, exchange, self._late)
            case "pipelines":
                return Answer(200, pipelines.listed(pipelines_of(store.kind, scenario.pipelines)))
            case "validations":
                return Answer(200, admin_validation_rules.listed(scenario.validations, store.kind.name))
        return property_endpoints.listed(store, exchange)

    def read_inputs(self, exchange: Exchange) -> None:
        """Read the inputs, or the answer that refuses them."""
        body, most = exchange.request.body, self._scenario.rules.most_links
        match exchange.route.endpoint:
            case "upsert" | "update":
                exchange.inputs = read_upsert(body)
                self._statistics.records_received += exchange.size
            case "create":
                exchange.inputs = read_create(body)
                self._statistics.records_received += exchange.size
            case "associate" | "end_labels":
                exchange.links = requests.read_links(body, most, have_types=True)
            case "associate_default":
                exchange.links = requests.read_links(body, most, have_types=False)
            case "dissociate":
                exchange.links = requests.read_pairs(body, most)
            case ("add_members" | "remove_members" | "change_members") as verb:
                exchange.members = read_change(body, verb)

    def apply_late_writes(self, now: float, wall: float) -> None:
        """Carry out the writes that are due."""
        self._late.carry_out(now, wall)

    def _read(self, store: ObjectStore, exchange: Exchange) -> Answer:
        document = read_object(exchange.request.body)
        if isinstance(document, Answer):
            return document
        lists = [read_list(document, name) for name in ("properties", "propertiesWithHistory", "inputs")]
        if refused := next((found for found in lists if isinstance(found, Answer)), None):
            return refused
        names, history, raw = (found for found in lists if not isinstance(found, Answer))
        ids = read_ids(raw, MAX_INPUTS_WITH_HISTORY if history else MAX_INPUTS)
        if isinstance(ids, Answer):
            return ids
        id_property = document.get("idProperty") or ""
        if id_property and (not isinstance(id_property, str) or id_property not in store.catalogue.unique):
            return error_bodies.non_unique_property(str(id_property), store.kind)
        archived = exchange.request.has_flag("archived")
        rejected = exchange.rejected(ids)
        asked = [key for key in ids if key not in rejected]
        found = {key: _find(store, id_property, key, archived=archived) for key in asked}
        records = dict.fromkeys(record for record in found.values() if record is not None)
        hidden = store.hidden
        history = [name for name in history if name not in hidden]
        wanted = [n for n in names or (DEFAULT_READ if store.kind.is_contacts else ()) if n not in hidden]
        results = [batch_reply.read(one, wanted, history, store.kind, self.info) for one in records]
        body = exchange.batch(results)
        missing = [key for key, record in found.items() if record is None]
        errors = [batch_reply.not_found(missing, store.kind)] if missing else []
        errors += batch_reply.unread(rejected)
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Answer(207 if errors and not exchange.is_strict else 200, body)

    def _search(self, store: ObjectStore, exchange: Exchange) -> Answer:
        if not self._searches.admit(exchange.now, search.QUOTA, count_refused=False):
            return error_bodies.search_exceeded()
        document = read_object(exchange.request.body)
        if isinstance(document, Answer):
            return document
        lag = exchange.faults.rules.search_lag_seconds
        indexed = error_bodies.iso(exchange.wall - lag) if lag else ""
        records = (one for one in store.records if not indexed or one.created_at <= indexed)
        found = search.find(document, records, store.kind, store.catalogue.by_name)
        if isinstance(found, Answer):
            return found
        shown, total, after = found
        hidden = store.hidden
        names = document.get("properties") or (DEFAULT_READ if store.kind.is_contacts else ())
        names = [name for name in names if name not in hidden]
        results = [batch_reply.read(one, names, (), store.kind, self.info) for one in shown]
        paging = {"paging": {"next": {"after": after}}} if after else {}
        return Answer(200, {"total": total, "results": results, **paging})

    def _limits(self) -> Answer:
        """The record limits and their use; percentages have the form of the documentation's example."""
        limit = self.info.record_limit
        stores = self._stores.values()
        entries = [
            {**_labels(s.kind), "limit": limit, **_share(len(s.records), limit)}
            for s in stores
            if not s.kind.is_custom
        ]
        custom = [s for s in stores if s.kind.is_custom]
        used = sum(len(s.records) for s in custom)
        by_type = [{**_labels(s.kind), "usage": len(s.records)} for s in custom]
        overall = {
            "byObjectType": by_type,
            "overallLimit": limit,
            "overallPercentage": _share(used, limit)["percentage"],
            "overallUsage": used,
        }
        return Answer(200, {"hubspotDefinedObjectTypes": entries, "customObjectTypes": overall})


def _find(store: ObjectStore, id_property: str, key: str, *, archived: bool) -> Record | None:
    if not id_property:
        record = store.records.by_id(key)
        return record if record is not None and record.archived == archived else None
    if archived:
        return store.records.archived_owner(id_property, normalise(key))
    return store.records.owner(id_property, normalise(key))


def _source(one: Mapping[str, Any], usual: Source) -> Source:
    """The `source` of a seed or change, such as {"type": "FORM", "id": "7"}; else `usual`."""
    return Source(**one["source"]) if "source" in one else usual


def _labels(kind: Kind) -> dict[str, str]:
    return {"objectTypeId": kind.type_id, "singularLabel": kind.singular, "pluralLabel": kind.plural}


def _share(usage: int, limit: int) -> dict[str, float]:
    return {"usage": usage, "percentage": round(100 * usage / limit, 3)}
