"""The simulated account: records, properties, owners, late writes. No quotas, tokens or sockets.

Each method answers one endpoint for one `Exchange`. All writes happen here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

from uploader.mockserver.account import (
    admin_validation_rules,
    company_domains,
    pipelines,
    property_changes,
    search,
)
from uploader.mockserver.account.associations import requests
from uploader.mockserver.account.associations.definitions import Definitions
from uploader.mockserver.account.associations.endpoints import AssociationEndpoints
from uploader.mockserver.account.associations.links import Links
from uploader.mockserver.account.behaviour_switches import AccountInfo, Rules
from uploader.mockserver.account.default_properties import pipelines_of
from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.account.late_writes import LateWrites
from uploader.mockserver.account.lists.endpoints import ListEndpoints
from uploader.mockserver.account.lists.requests import read_change
from uploader.mockserver.account.lists.store import Lists
from uploader.mockserver.account.object_store import ObjectStore
from uploader.mockserver.account.object_types import KINDS, Kind, find_kind
from uploader.mockserver.account.owners import Owners
from uploader.mockserver.account.properties import definition, normalise
from uploader.mockserver.account.store import Record, Source
from uploader.mockserver.account.upsert_plan import Upserter, Write
from uploader.mockserver.bodies import batch_reply, error_bodies
from uploader.mockserver.bodies.batch_request import (
    MAX_INPUTS,
    MAX_INPUTS_WITH_HISTORY,
    Input,
    read_create,
    read_ids,
    read_list,
    read_object,
    read_upsert,
)
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import BatchStatus, Scenario
from uploader.mockserver.quota import RollingWindow
from uploader.mockserver.statistics import Statistics

DEFAULT_READ = ("email", "firstname", "lastname")
#: The source of seeded records, unless the seed names another.
SEED_SOURCE = Source("IMPORT", "28512344")
OTHER_USER = Source("CRM_UI", "userId:9586504", "", 9586504)


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
        self._random = random
        self.associations = AssociationEndpoints(
            self._stores, definitions, links, self._late, shuffle=random.shuffle
        )
        self.associations.change_scenario(scenario)
        self._list_endpoints = ListEndpoints(self._stores, self._late)
        self._searches = RollingWindow()
        self._reacted: set[tuple[int, int]] = set()  # (rule of `others`, record) pairs already applied
        self._changes = count(1)

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

    def answer(self, exchange: Exchange) -> Answer:  # noqa: C901, PLR0911, PLR0912  # a table
        match exchange.route.endpoint:
            case "owners":
                return self._owners.page(exchange.request.query)
            case "limits":
                return self._limits()
            case (
                "create_list"
                | "list_by_name"
                | "search_lists"
                | "list"
                | "archive_list"
                | "memberships"
                | "add_members"
                | "remove_members"
                | "change_members"
            ):
                return self._list_endpoints.answer(exchange)
        kind = find_kind(exchange.route.argument)
        if kind is None:
            return error_bodies.unknown_object_type(exchange.route.argument)
        store = self._stores[kind.name]
        match exchange.route.endpoint:
            case "upsert":
                return self._upsert(store, exchange)
            case "update":
                return self._update(store, exchange)
            case "create":
                return self._create(store, exchange)
            case "read":
                return self._read(store, exchange)
            case "archive":
                return self._archive(store, exchange)
            case (
                "associations"
                | "associate"
                | "associate_default"
                | "dissociate"
                | "end_labels"
                | "association_labels"
                | "association_limits"
                | "create_association_label"
                | "archive_association_label"
            ):
                return self.associations.answer(store, exchange)
            case "pipelines":
                return Answer(200, pipelines.listed(pipelines_of(kind, self._scenario.pipelines)))
            case "create_properties" | "create_property":
                return self._create_properties(store, exchange)
            case "archive_properties" | "archive_property":
                return self._archive_properties(store, exchange)
            case "search":
                return self._search(store, exchange)
            case "validations":
                return Answer(200, admin_validation_rules.listed(self._scenario.validations, kind.name))
        return self._properties(store, exchange)

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

    # upsert, batch/update

    def _upsert(self, store: ObjectStore, exchange: Exchange) -> Answer:
        if isinstance(exchange.inputs, Answer):
            return exchange.inputs
        if refused := self._lacks_scope(store.kind, self._sensitivities(store, exchange.inputs), "write"):
            return refused
        failure = exchange.faults.failure
        if failure is not None and not failure.applied and not isinstance(failure, BatchStatus):
            self._schedule_write(store, exchange, exchange.inputs, failure.late_seconds)
            return Answer(200, exchange.batch([]))
        return self._write_batch(store, exchange, exchange.inputs)

    def _sensitivities(self, store: ObjectStore, inputs: Iterable[Input]) -> set[str]:
        sensitive = store.catalogue.sensitive
        if not sensitive:
            return set()
        return {sensitive[name] for one in inputs for name in one.properties if name in sensitive}

    def _hidden(self, store: ObjectStore) -> set[str]:
        """The sensitive properties whose values the token may not read. That reads omit them is assumed."""
        scopes = self._scenario.auth.scopes
        levels = store.catalogue.sensitive.items()
        return {name for name, level in levels if store.kind.sensitive_scope(level, "read") not in scopes}

    def _lacks_scope(self, kind: Kind, sensitivities: set[str], verb: str) -> Answer | None:
        """The refusal of a request for sensitive properties, unless the token has the scopes. That a token
        without them is refused is assumed; only the scopes are documented.
        """
        needed = [kind.sensitive_scope(one, verb) for one in sorted(sensitivities - {"non_sensitive"})]
        missing = [scope for scope in needed if scope not in self._scenario.auth.scopes]
        shape = self._scenario.rules.scope_error_shape
        return error_bodies.missing_scopes(missing, shape) if missing else None

    def _update(self, store: ObjectStore, exchange: Exchange) -> Answer:
        """As upsert, by id or unique value, but creates nothing: unknown records are listed as errors."""
        if isinstance(exchange.inputs, Answer):
            return exchange.inputs
        upserter = self._upserter(store, exchange)
        known = {place: one for place, one in enumerate(exchange.inputs) if upserter.knows(one)}
        failure, rejections = exchange.faults.failure, exchange.faults.rejections or {}
        if failure is not None and not failure.applied and not isinstance(failure, BatchStatus):
            self._schedule_write(store, exchange, list(known.values()), failure.late_seconds)
            return Answer(200, exchange.batch([]))
        missing = [one for place, one in enumerate(exchange.inputs) if place not in known]
        shifted = {place: rejections[old] for place, old in enumerate(known) if old in rejections}
        exchange.faults = replace(exchange.faults, rejections=shifted)
        answer = self._write_batch(store, exchange, list(known.values()))
        if answer.status not in (200, 207) or not isinstance(answer.body, dict):
            return answer
        body = answer.body
        body["results"] = [{k: v for k, v in one.items() if k != "new"} for one in body["results"]]
        if missing:
            errors = [
                *body.get("errors", ()),
                batch_reply.not_found([one.key for one in missing], store.kind),
            ]
            body |= {"numErrors": len(errors), "errors": errors}
        return Answer(207 if "errors" in body and not exchange.is_strict else answer.status, body)

    def _create(self, store: ObjectStore, exchange: Exchange) -> Answer:
        """As upsert, but each input is a new record; the results have no `new`, and the status is 201."""
        answer = self._upsert(store, exchange)
        if answer.status not in (200, 207) or not isinstance(answer.body, dict):
            return answer
        body = answer.body
        body["results"] = [{k: v for k, v in one.items() if k != "new"} for one in body["results"]]
        return Answer(201 if answer.status == 200 else answer.status, body)

    def _write_batch(self, store: ObjectStore, exchange: Exchange, inputs: Sequence[Input]) -> Answer:
        failure, rules = exchange.faults.failure, exchange.faults.rules
        decision = self._upserter(store, exchange).decide(inputs)
        if decision.refused is not None:
            return decision.refused
        writes, kept_back = list(decision.writes), []
        if isinstance(failure, BatchStatus):
            shown = int(len(writes) * failure.results_share)
            writes, kept_back = writes[:shown], writes[shown:]
            if failure.applied:
                self._write(store, kept_back, exchange)
            else:
                self._schedule_write(
                    store, exchange, [write.input for write in kept_back], failure.late_seconds
                )
        body = exchange.batch(self._write(store, writes, exchange))
        return Answer(self._add_errors(body, decision.refusals, exchange, rules), body)

    def _add_errors(
        self, body: dict[str, Any], refusals: Sequence[Any], exchange: Exchange, rules: Rules
    ) -> int:
        if not refusals:
            return 200
        batch_reply.add_errors(body, refusals, rules)
        return 200 if rules.errors_in_200 or exchange.is_strict else 207

    def _upserter(self, store: ObjectStore, exchange: Exchange) -> Upserter:
        rules = [v for v in self._scenario.validations if v.object_type == store.kind.name]
        return Upserter(
            kind=store.kind,
            catalogue=store.catalogue,
            records=store.records,
            rules=exchange.faults.rules,
            portal_id=self.info.portal_id,
            country_code=self.info.country_code,
            strict_datetimes=exchange.is_strict,
            validations=rules if exchange.is_strict else (),
            rejections=exchange.faults.rejections,
            pipelines=pipelines_of(store.kind, self._scenario.pipelines),
            creates=exchange.route.endpoint == "create",
        )

    def _write(self, store: ObjectStore, writes: Sequence[Write], exchange: Exchange) -> list[dict[str, Any]]:
        at, ours = error_bodies.iso(exchange.wall), Source("INTEGRATION", str(self.info.app_id))
        rules = exchange.faults.rules
        results = []
        for write in writes:
            if write.record is None:
                record, stored = store.records.create(write.values, at, ours)
                result = batch_reply.created(record, stored, at, store.kind, self.info)
            else:
                record, stored = write.record, store.records.update(write.record, write.values, at, ours)
                result = batch_reply.updated(record, stored, at, store.kind, self.info)
            if rules.echo_trace_ids and write.input.trace_id:
                result["objectWriteTraceId"] = write.input.trace_id
            results.append(result)
            self._schedule_other_writers(store, write, record, exchange.now)
            self._schedule_company(store, write, record, exchange.now)
        self._statistics.records_written += len(results)
        if rules.results_order == "shuffled":
            self._random.shuffle(results)
        return results

    # late writes

    def _schedule_write(
        self, store: ObjectStore, exchange: Exchange, inputs: Sequence[Input], after_seconds: float | None
    ) -> None:
        if after_seconds is None or not inputs:
            return
        rules, ours = exchange.faults.rules, Source("INTEGRATION", str(self.info.app_id))
        due = exchange.now + after_seconds

        def write(at: str) -> None:
            # Checked only now: the records may have changed since the request.
            upserter = Upserter(
                kind=store.kind,
                catalogue=store.catalogue,
                records=store.records,
                rules=rules,
                portal_id=self.info.portal_id,
                country_code=self.info.country_code,
                creates=exchange.route.endpoint == "create",
            )
            is_update = exchange.route.endpoint == "update"
            known = [one for one in inputs if not is_update or upserter.knows(one)]
            for one in upserter.decide(known).writes:
                record = one.record
                if record is None:
                    record, _ = store.records.create(one.values, at, ours)
                else:
                    store.records.update(record, one.values, at, ours)
                self._schedule_company(store, one, record, due)
                self._statistics.records_written += 1

        self._late.add(due, write)

    def _schedule_company(self, store: ObjectStore, write: Write, record: Record, now: float) -> None:
        """HubSpot's own company for a contact whose address was written, where the account has that."""
        if self.info.companies_from_domains and store.kind.is_contacts and write.values.get("email"):
            due = now + self.info.companies_after_seconds
            self._late.add(due, lambda at: self._add_company(store, record, at))

    def _add_company(self, contacts: ObjectStore, record: Record, at: str) -> None:
        domain = company_domains.domain_of(record.properties.get("email", ""))
        if record.archived or not domain or self.associations.has_any(contacts, record, "companies"):
            return
        companies = self._stores["companies"].records
        company = companies.first_holder(normalise(domain))
        if company is None:
            values = company_domains.new_company(domain)
            company, _ = companies.create(values, at, company_domains.SOURCE)
        self.associations.associate(contacts, {"id": record.id, "to": "companies", "ids": [company.id]})

    def _schedule_other_writers(self, store: ObjectStore, write: Write, record: Record, now: float) -> None:
        for place, other in enumerate(self._scenario.others):
            seen = (place, record.id)
            if other.object_type != store.kind.name or seen in self._reacted:
                continue
            key = normalise(write.input.key)
            if other.reacts_to(place, key, write.values, new=write.record is None):
                self._reacted.add(seen)
                source = other.source(next(self._changes))
                values = None if other.archive else {other.property: other.value}
                self._late.add(now + other.after_seconds, _change_by_other(store, record, values, source))

    def apply_late_writes(self, now: float, wall: float) -> None:
        """Carry out the writes that are due."""
        self._late.carry_out(now, wall)

    # batch/read, batch/archive, properties, limits

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
        hidden = self._hidden(store)
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

    def _archive(self, store: ObjectStore, exchange: Exchange) -> Answer:
        document = read_object(exchange.request.body)
        raw = document if isinstance(document, Answer) else read_list(document, "inputs")
        ids = raw if isinstance(raw, Answer) else read_ids(raw, MAX_INPUTS)
        if isinstance(ids, Answer):
            return ids

        def archive(at: str) -> None:
            for key in ids:
                if (record := store.records.by_id(key)) is not None:
                    store.archive(record, at)

        self._late.write(exchange, archive)
        return Answer(204, b"")  # unknown ids are no error

    def _properties(self, store: ObjectStore, exchange: Exchange) -> Answer:
        query = exchange.request.query
        if exchange.request.has_flag("archived"):
            gone = [definition(one, place) for place, one in enumerate(store.archived_properties)]
            return Answer(200, {"results": gone})
        sensitivity = query.get("dataSensitivity", "non_sensitive")
        is_refused = exchange.faults.rules.sensitive_definitions == "refused"
        if is_refused and (refused := self._lacks_scope(store.kind, {sensitivity}, "read")):
            return refused
        return Answer(200, {"results": store.catalogue.definitions(sensitivity)})

    def _create_properties(self, store: ObjectStore, exchange: Exchange) -> Answer:
        document = read_object(exchange.request.body)
        if isinstance(document, Answer):
            return document
        is_single = exchange.route.endpoint == "create_property"
        raw = [document] if is_single else read_list(document, "inputs")
        inputs = raw if isinstance(raw, Answer) else property_changes.read_inputs(raw)
        if isinstance(inputs, Answer):
            return inputs
        sensitivities = {str(one.get("dataSensitivity", "non_sensitive")) for one in inputs}
        if refused := self._lacks_scope(store.kind, sensitivities, "write"):
            return refused
        plan = property_changes.plan(inputs, store.catalogue, error_bodies.iso(exchange.wall))
        if plan.refused and (is_single or not exchange.faults.rules.multi_status):
            return plan.refused[0].as_answer()
        self._late.write(exchange, lambda _: store.add_properties(plan.made))
        results = [property_changes.created(one) for one in plan.made]
        if is_single:
            return Answer(201, results[0])
        body = exchange.batch(results)
        if plan.refused:
            body |= {"errors": [one.as_entry() for one in plan.refused], "numErrors": len(plan.refused)}
        return Answer(207 if plan.refused else 201, body)

    def _archive_properties(self, store: ObjectStore, exchange: Exchange) -> Answer:
        if exchange.route.endpoint == "archive_property":
            names: list[str] | Answer = [exchange.route.target]
        else:
            document = read_object(exchange.request.body)
            raw = document if isinstance(document, Answer) else read_list(document, "inputs")
            names = raw if isinstance(raw, Answer) else property_changes.read_names(raw)
        if isinstance(names, Answer):
            return names
        known = store.catalogue.by_name
        if kept := [name for name in names if name in known and known[name].hubspot_defined]:
            return error_bodies.error(
                400, f"Property {kept[0]} is defined by HubSpot and cannot be archived.", "VALIDATION_ERROR"
            )
        self._late.write(exchange, lambda at: store.archive_properties(names, at))
        return Answer(204, b"")

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
        hidden = self._hidden(store)
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


def _change_by_other(
    store: ObjectStore, record: Record, values: Mapping[str, str] | None, source: Source
) -> Callable[[str], None]:
    def change(at: str) -> None:
        if record.archived:
            return
        if values is None:
            store.archive(record, at)
        else:
            store.records.update(record, values, at, source)

    return change


def _source(one: Mapping[str, Any], usual: Source) -> Source:
    """The `source` of a seed or change, such as {"type": "FORM", "id": "7"}; else `usual`."""
    return Source(**one["source"]) if "source" in one else usual


def _labels(kind: Kind) -> dict[str, str]:
    return {"objectTypeId": kind.type_id, "singularLabel": kind.singular, "pluralLabel": kind.plural}


def _share(usage: int, limit: int) -> dict[str, float]:
    return {"usage": usage, "percentage": round(100 * usage / limit, 3)}
