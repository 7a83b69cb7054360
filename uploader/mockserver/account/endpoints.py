"""The account behind the endpoints: records, properties, owners, late writes. No quota, no token, no socket.

Each method answers one endpoint for one `Visit`. Writes happen here and nowhere else.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from uploader.mockserver.account import admin_validation_rules, associations
from uploader.mockserver.account.associations import Associations, find_target
from uploader.mockserver.account.behaviour_switches import AccountInfo, Rules
from uploader.mockserver.account.default_properties import properties_of
from uploader.mockserver.account.object_types import KINDS, Kind, find_kind
from uploader.mockserver.account.owners import Owners
from uploader.mockserver.account.properties import Catalogue, normalise
from uploader.mockserver.account.store import Record, Records, Source
from uploader.mockserver.account.upsert_plan import Upserter, Write
from uploader.mockserver.bodies import batch_reply, error_bodies
from uploader.mockserver.bodies.batch_request import (
    MAX_INPUTS,
    MAX_INPUTS_WITH_HISTORY,
    Input,
    asked_for,
    read_ids,
    read_list,
    read_object,
    read_upsert,
)
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import BatchStatus, Candidate, Reject, Scenario, Struck
from uploader.mockserver.messages import Request
from uploader.mockserver.routes import Route
from uploader.mockserver.statistics import Statistics

STRICT_VERSION = "2026-09"  # errors in the 200, validation enforced
DEFAULT_READ = ("email", "firstname", "lastname")
#: Whoever wrote what was there before, unless a seed says otherwise.
BEFORE = Source("IMPORT", "28512344")
BEHIND_ITS_BACK = Source("CRM_UI", "userId:9586504", "", 9586504)


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request on its way through the double."""

    request: Request
    now: float
    wall: float
    correlation_id: str
    route: Route
    latency_seconds: float = 0.0
    inputs: Sequence[Input] | Answer = ()  #: of an upsert or update
    struck: Struck

    @property
    def candidates(self) -> Sequence[Candidate]:
        if self.route.endpoint in ("read", "associations"):
            limit = associations.MAX_INPUTS if self.route.endpoint == "associations" else MAX_INPUTS
            return [Candidate(key, {}) for key in asked_for(self.request.body, limit)]
        if isinstance(self.inputs, Answer):
            return ()
        return [Candidate(one.key, one.properties) for one in self.inputs]

    @property
    def is_strict(self) -> bool:
        return self.route.version == STRICT_VERSION


class Shelf:
    """The records of one type, and what is known of their properties."""

    def __init__(self, kind: Kind, scenario: Scenario, owners: Owners) -> None:
        self.kind = kind
        self.catalogue = Catalogue(properties_of(kind, scenario.properties, owners.user_ids))
        self.records = Records(self.catalogue.unique, self.catalogue.multiple, kind.derived)

    def adopt(self, scenario: Scenario, owners: Owners) -> None:
        self.catalogue = Catalogue(properties_of(self.kind, scenario.properties, owners.user_ids))
        self.records.adopt(self.catalogue.unique, self.catalogue.multiple)

    def known(self, named: Mapping[str, Any]) -> Record:
        """The live record of an `id`, or of the unique value in `named`. ValueError where nobody has it."""
        if "id" in named:
            record = self.records.by_id(str(named["id"]))
            if record is not None and not record.archived:
                return record
        for name in sorted(self.catalogue.unique & named.keys()):
            if (record := self.records.owner(name, normalise(str(named[name])))) is not None:
                return record
        raise ValueError(f"no {self.kind.singular.lower()} is known by {dict(named)!r}")


class Account:
    def __init__(self, scenario: Scenario, statistics: Statistics, random: Random) -> None:
        self._scenario = scenario
        self._owners = Owners(scenario.owners)
        self._shelves = {kind.name: Shelf(kind, scenario, self._owners) for kind in KINDS}
        self._associations = Associations()
        self._statistics = statistics
        self._random = random
        self._late: list[tuple[float, int, Callable[[str], None]]] = []
        self._order = count()
        self._followed: set[tuple[int, int]] = set()  # rules of others, and the records they have touched
        self._changes = count(1)

    @property
    def info(self) -> AccountInfo:
        return self._scenario.account

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(shelf.records) for name, shelf in self._shelves.items()}

    def adopt(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._owners = Owners(scenario.owners)
        for shelf in self._shelves.values():
            shelf.adopt(scenario, self._owners)

    def records(self, object_type: str) -> Iterator[Record]:
        """By id, archived ones too. ValueError for a type that is not there."""
        return iter(self._shelf(object_type).records)

    def _shelf(self, object_type: str) -> Shelf:
        kind = find_kind(object_type)
        if kind is None:
            raise ValueError(f"there is no object type {object_type!r}")
        return self._shelves[kind.name]

    def seed(self, objects: Mapping[str, Iterable[Mapping[str, Any]]], at: str) -> None:
        """As they come, unchecked: a test may want what HubSpot would refuse today."""
        for object_type, records in objects.items():
            shelf = self._shelf(object_type)
            for one in records:
                properties = {str(k): str(v) for k, v in one.get("properties", {}).items()}
                if shelf.kind.is_contacts and "email" in properties:
                    properties["email"] = properties["email"].strip().lower()
                additional = tuple(str(a).strip().lower() for a in one.get("additional_emails", ()))
                since = str(one.get("created_at", at))
                shelf.records.create(properties, since, _source(one, BEFORE), additional)

    def change_records(
        self,
        object_type: str,
        update: Iterable[Mapping[str, Any]],
        archive: Iterable[object],
        at: str,
        associate: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Unchecked, as `seed`; ValueError for a record that nobody has."""
        shelf = self._shelf(object_type)
        for change in update:
            values = {str(k): str(v) for k, v in change.get("properties", {}).items()}
            shelf.records.update(shelf.known(change), values, at, _source(change, BEHIND_ITS_BACK))
        for named in archive:
            told = named if isinstance(named, Mapping) else {"id": named, "email": named}
            shelf.records.archive(shelf.known(told), at)
        for link in associate:
            record_id = shelf.known({name: one for name, one in link.items() if name not in ("to", "ids")}).id
            self._associations.add(shelf.kind, record_id, str(link.get("to")), link.get("ids", ()))

    def merge(
        self, object_type: str, primary: Mapping[str, Any], other: Mapping[str, Any], at: str
    ) -> Record:
        """Merge two records, each named by an id or a unique value; ValueError as `change_records`."""
        shelf = self._shelf(object_type)
        return shelf.records.merge(shelf.known(primary), shelf.known(other), at)

    def answer(self, visit: Visit) -> Answer:  # noqa: PLR0911  # a table of endpoints
        match visit.route.endpoint:
            case "owners":
                return self._owners.page(visit.request.query)
            case "limits":
                return self._limits()
        kind = find_kind(visit.route.argument)
        if kind is None:
            return error_bodies.unknown_object_type(visit.route.argument)
        shelf = self._shelves[kind.name]
        match visit.route.endpoint:
            case "upsert":
                return self._upsert(shelf, visit)
            case "update":
                return self._update(shelf, visit)
            case "read":
                return self._read(shelf, visit)
            case "archive":
                return self._archive(shelf, visit)
            case "associations":
                return self._associated(shelf, visit)
            case "validations":
                return Answer(200, admin_validation_rules.listed(self._scenario.validations, kind.name))
        return self._properties(shelf, visit)

    # upsert, batch/update

    def read_inputs(self, request: Request) -> Sequence[Input] | Answer:
        inputs = read_upsert(request.body)
        if not isinstance(inputs, Answer):
            self._statistics.records_received += len(inputs)
        return inputs

    def _upsert(self, shelf: Shelf, visit: Visit) -> Answer:
        if isinstance(visit.inputs, Answer):
            return visit.inputs
        mishap = visit.struck.mishap
        if mishap is not None and not mishap.applied and not isinstance(mishap, BatchStatus):
            self._write_later(shelf, visit, visit.inputs, mishap.late_seconds)
            return Answer(200, self._batch([], visit))
        return self._write_batch(shelf, visit, visit.inputs)

    def _update(self, shelf: Shelf, visit: Visit) -> Answer:
        """As upsert, by id or unique value, but that nothing is created: what is not there is listed."""
        if isinstance(visit.inputs, Answer):
            return visit.inputs
        mishap = visit.struck.mishap
        if mishap is not None and not mishap.applied and not isinstance(mishap, BatchStatus):
            return Answer(200, self._batch([], visit))
        upserter = self._upserter(shelf, visit)
        missing = [one for one in visit.inputs if not upserter.knows(one)]
        answer = self._write_batch(shelf, visit, [one for one in visit.inputs if upserter.knows(one)])
        if answer.status not in (200, 207) or not isinstance(answer.body, dict):
            return answer
        body = answer.body
        body["results"] = [{k: v for k, v in one.items() if k != "new"} for one in body["results"]]
        if missing:
            errors = [
                *body.get("errors", ()),
                batch_reply.not_found([one.key for one in missing], shelf.kind),
            ]
            body |= {"numErrors": len(errors), "errors": errors}
        return Answer(207 if "errors" in body and not visit.is_strict else answer.status, body)

    def _write_batch(self, shelf: Shelf, visit: Visit, inputs: Sequence[Input]) -> Answer:
        mishap, rules = visit.struck.mishap, visit.struck.rules
        decision = self._upserter(shelf, visit).decide(inputs)
        if decision.refused is not None:
            return decision.refused
        writes, kept_back = list(decision.writes), []
        if isinstance(mishap, BatchStatus):
            shown = int(len(writes) * mishap.results_share)
            writes, kept_back = writes[:shown], writes[shown:]
            if mishap.applied:
                self._write(shelf, kept_back, visit)
            else:
                self._write_later(shelf, visit, [write.input for write in kept_back], mishap.late_seconds)
        body = self._batch(self._write(shelf, writes, visit), visit)
        return Answer(self._add_errors(body, decision.refusals, visit, rules), body)

    def _add_errors(self, body: dict[str, Any], refusals: Sequence[Any], visit: Visit, rules: Rules) -> int:
        if not refusals:
            return 200
        batch_reply.add_errors(body, refusals, rules)
        return 200 if rules.errors_in_200 or visit.is_strict else 207

    def _upserter(self, shelf: Shelf, visit: Visit) -> Upserter:
        rules = [v for v in self._scenario.validations if v.object_type == shelf.kind.name]
        return Upserter(
            kind=shelf.kind,
            catalogue=shelf.catalogue,
            records=shelf.records,
            rules=visit.struck.rules,
            portal_id=self.info.portal_id,
            strict_datetimes=visit.is_strict,
            validations=rules if visit.is_strict else (),
            rejections=visit.struck.rejections,
        )

    def _write(self, shelf: Shelf, writes: Sequence[Write], visit: Visit) -> list[dict[str, Any]]:
        at, ours = error_bodies.iso(visit.wall), Source("INTEGRATION", str(self.info.app_id))
        rules = visit.struck.rules
        results = []
        for write in writes:
            if write.record is None:
                record, stored = shelf.records.create(write.values, at, ours)
                result = batch_reply.created(record, stored, at, shelf.kind, self.info)
            else:
                record, stored = write.record, shelf.records.update(write.record, write.values, at, ours)
                result = batch_reply.updated(record, stored, at, shelf.kind, self.info)
            if rules.echo_trace_ids and write.input.trace_id:
                result["objectWriteTraceId"] = write.input.trace_id
            results.append(result)
            self._let_others_follow(shelf, write, record, visit.now)
        self._statistics.records_written += len(results)
        if rules.results_order == "shuffled":
            self._random.shuffle(results)
        return results

    def _batch(self, results: list[dict[str, Any]], visit: Visit) -> dict[str, Any]:
        return batch_reply.batch(results, visit.wall, visit.wall + visit.latency_seconds)

    # writes that come late

    def _later(self, due: float, happen: Callable[[str], None]) -> None:
        heapq.heappush(self._late, (due, next(self._order), happen))

    def _write_later(
        self, shelf: Shelf, visit: Visit, inputs: Sequence[Input], after_seconds: float | None
    ) -> None:
        if after_seconds is None or not inputs:
            return
        rules, ours = visit.struck.rules, Source("INTEGRATION", str(self.info.app_id))

        def write(at: str) -> None:
            # Judged when it happens, for the records may have changed meanwhile.
            upserter = Upserter(
                kind=shelf.kind,
                catalogue=shelf.catalogue,
                records=shelf.records,
                rules=rules,
                portal_id=self.info.portal_id,
            )
            for one in upserter.decide(inputs).writes:
                if one.record is None:
                    shelf.records.create(one.values, at, ours)
                else:
                    shelf.records.update(one.record, one.values, at, ours)
                self._statistics.records_written += 1

        self._later(visit.now + after_seconds, write)

    def _let_others_follow(self, shelf: Shelf, write: Write, record: Record, now: float) -> None:
        for place, other in enumerate(self._scenario.others):
            seen = (place, record.id)
            if other.object_type != shelf.kind.name or seen in self._followed:
                continue
            key = normalise(write.input.key)
            if other.follows(place, key, write.values, new=write.record is None):
                self._followed.add(seen)
                source = other.source(next(self._changes))
                values = None if other.archive else {other.property: other.value}
                self._later(now + other.after_seconds, _by_another(shelf, record, values, source))

    def write_late(self, now: float, wall: float) -> None:
        """Whatever has come due since."""
        while self._late and self._late[0][0] <= now:
            due, _, happen = heapq.heappop(self._late)
            happen(error_bodies.iso(wall - (now - due)))

    # batch/read, associations, batch/archive, properties, limits

    def _read(self, shelf: Shelf, visit: Visit) -> Answer:
        document = read_object(visit.request.body)
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
        if id_property and (not isinstance(id_property, str) or id_property not in shelf.catalogue.unique):
            return error_bodies.non_unique_property(str(id_property), shelf.kind)
        archived = visit.request.asks("archived")
        rejected = _rejected(visit, ids)
        asked = [key for key in ids if key not in rejected]
        found = {key: _find(shelf, id_property, key, archived=archived) for key in asked}
        records = dict.fromkeys(record for record in found.values() if record is not None)
        wanted = names or (DEFAULT_READ if shelf.kind.is_contacts else ())
        results = [batch_reply.read(one, wanted, history, shelf.kind, self.info) for one in records]
        body = self._batch(results, visit)
        missing = [key for key, record in found.items() if record is None]
        errors = [batch_reply.not_found(missing, shelf.kind)] if missing else []
        errors += batch_reply.unread(rejected)
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Answer(207 if errors and not visit.is_strict else 200, body)

    def _associated(self, shelf: Shelf, visit: Visit) -> Answer:
        target = find_target(visit.route.target)
        if target is None:
            return error_bodies.unknown_object_type(visit.route.target)
        document = read_object(visit.request.body)
        inputs = document if isinstance(document, Answer) else associations.read_inputs(document)
        if isinstance(inputs, Answer):
            return inputs
        rejected = _rejected(visit, [one for one, _ in inputs])
        asked = [(one, after) for one, after in inputs if one not in rejected]
        live = {one for one, _ in asked if _find(shelf, "", one, archived=False) is not None}
        results, errors = self._associations.read(shelf.kind, target, asked, live)
        errors += batch_reply.unread(rejected, "fromObjectId")
        body = self._batch(results, visit)
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Answer(207 if errors else 200, body)

    def _archive(self, shelf: Shelf, visit: Visit) -> Answer:
        document = read_object(visit.request.body)
        raw = document if isinstance(document, Answer) else read_list(document, "inputs")
        ids = raw if isinstance(raw, Answer) else read_ids(raw, MAX_INPUTS)
        if isinstance(ids, Answer):
            return ids
        mishap = visit.struck.mishap
        if mishap is None or mishap.applied:
            for key in ids:
                if (record := shelf.records.by_id(key)) is not None:
                    shelf.records.archive(record, error_bodies.iso(visit.wall))
        return Answer(204, b"")  # unknown ids are no error

    def _properties(self, shelf: Shelf, visit: Visit) -> Answer:
        query = visit.request.query
        if visit.request.asks("archived"):
            return Answer(200, {"results": []})
        sensitivity = query.get("dataSensitivity", "non_sensitive")
        return Answer(200, {"results": shelf.catalogue.definitions(sensitivity)})

    def _limits(self) -> Answer:
        """Whether there is room for more records; the example in the documentation has the percentage so."""
        limit = self.info.record_limit
        shelves = self._shelves.values()
        told = [
            {**_labels(s.kind), "limit": limit, **_share(len(s.records), limit)}
            for s in shelves
            if not s.kind.is_custom
        ]
        custom = [s for s in shelves if s.kind.is_custom]
        used = sum(len(s.records) for s in custom)
        by_type = [{**_labels(s.kind), "usage": len(s.records)} for s in custom]
        overall = {
            "byObjectType": by_type,
            "overallLimit": limit,
            "overallPercentage": _share(used, limit)["percentage"],
            "overallUsage": used,
        }
        return Answer(200, {"hubspotDefinedObjectTypes": told, "customObjectTypes": overall})


def _rejected(visit: Visit, ids: Sequence[str]) -> dict[str, Reject]:
    """Which of the ids a fault keeps from being read."""
    rejections = visit.struck.rejections or {}
    return {key: rejections[place] for place, key in enumerate(ids) if place in rejections}


def _find(shelf: Shelf, id_property: str, key: str, *, archived: bool) -> Record | None:
    if not id_property:
        record = shelf.records.by_id(key)
        return record if record is not None and record.archived == archived else None
    if archived:
        return shelf.records.archived_owner(id_property, normalise(key))
    return shelf.records.owner(id_property, normalise(key))


def _by_another(
    shelf: Shelf, record: Record, values: Mapping[str, str] | None, source: Source
) -> Callable[[str], None]:
    def change(at: str) -> None:
        if record.archived:
            return
        if values is None:
            shelf.records.archive(record, at)
        else:
            shelf.records.update(record, values, at, source)

    return change


def _source(one: Mapping[str, Any], usual: Source) -> Source:
    """Of a seed or a change; `source` says who wrote it, such as {"type": "FORM", "id": "7"}."""
    return Source(**one["source"]) if "source" in one else usual


def _labels(kind: Kind) -> dict[str, str]:
    return {"objectTypeId": kind.type_id, "singularLabel": kind.singular, "pluralLabel": kind.plural}


def _share(usage: int, limit: int) -> dict[str, float]:
    return {"usage": usage, "percentage": round(100 * usage / limit, 3)}
