"""The account behind the endpoints: contacts, properties, late writes. No quota, no token, no socket.

Each method answers one endpoint for one `Visit`. Writes happen here and nowhere else.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from uploader.mockserver import answers, envelope
from uploader.mockserver.answers import Answer
from uploader.mockserver.defaults import contact_properties
from uploader.mockserver.exchange import Request
from uploader.mockserver.faults import BatchStatus, Candidate, Scenario, Struck
from uploader.mockserver.inputs import (
    MAX_INPUTS,
    MAX_INPUTS_WITH_HISTORY,
    Input,
    read_ids,
    read_list,
    read_object,
    read_upsert,
)
from uploader.mockserver.owners import Owners
from uploader.mockserver.properties import Catalogue, normalise
from uploader.mockserver.routes import Route
from uploader.mockserver.rules import AccountInfo, Rules
from uploader.mockserver.statistics import Statistics
from uploader.mockserver.store import Contact, Contacts
from uploader.mockserver.upsert import Upserter, Write

CONTACT_TYPES = ("contacts", "0-1")
STRICT_VERSION = "2026-09"  # errors in the 200, validation enforced
DEFAULT_READ = ("email", "firstname", "lastname")


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request on its way through the double."""

    request: Request
    now: float
    wall: float
    correlation_id: str
    route: Route
    latency_seconds: float = 0.0
    inputs: Sequence[Input] | Answer = ()  #: of an upsert
    struck: Struck

    @property
    def candidates(self) -> Sequence[Candidate]:
        if isinstance(self.inputs, Answer):
            return ()
        return [Candidate(one.key, one.properties) for one in self.inputs]


class Account:
    def __init__(self, scenario: Scenario, statistics: Statistics, random: Random) -> None:
        self.info: AccountInfo = scenario.account
        self._owners = Owners(scenario.owners)
        self._catalogue = Catalogue(contact_properties(scenario.properties, self._owners.user_ids))
        self.contacts = Contacts(self._catalogue.unique, self._catalogue.multiple)
        self._statistics = statistics
        self._random = random
        self._late: list[tuple[float, int, Sequence[Input], Rules]] = []
        self._order = count()

    def adopt(self, scenario: Scenario) -> None:
        self.info = scenario.account
        self._owners = Owners(scenario.owners)
        self._catalogue = Catalogue(contact_properties(scenario.properties, self._owners.user_ids))
        self.contacts.adopt(self._catalogue.unique, self._catalogue.multiple)

    def seed(self, contacts: Iterable[Mapping[str, Any]], at: str) -> None:
        """As they come, unchecked: a test may want what HubSpot would refuse today."""
        for contact in contacts:
            properties = {str(k): str(v) for k, v in contact.get("properties", {}).items()}
            if "email" in properties:
                properties["email"] = properties["email"].strip().lower()
            additional = tuple(str(a).strip().lower() for a in contact.get("additional_emails", ()))
            self.contacts.create(properties, at, additional)

    def meddle(self, update: Iterable[Mapping[str, Any]], archive: Iterable[str], at: str) -> None:
        """Unchecked, as `seed`; ValueError for an address that nobody has."""
        for change in update:
            values = {str(k): str(v) for k, v in change.get("properties", {}).items()}
            self.contacts.update(self._known(change["email"]), values, at)
        for address in archive:
            self.contacts.archive(self._known(address))

    def _known(self, address: str) -> Contact:
        contact = self.contacts.owner("email", normalise(address))
        if contact is None:
            raise ValueError(f"no contact has the address {address!r}")
        return contact

    def answer(self, visit: Visit) -> Answer:  # noqa: PLR0911  # a table of endpoints
        route = visit.route
        if route.argument and route.argument not in CONTACT_TYPES:
            return answers.unknown_object_type(route.argument)
        match route.endpoint:
            case "upsert":
                return self._upsert(visit)
            case "read":
                return self._read(visit)
            case "archive":
                return self._archive(visit)
            case "properties":
                return self._properties(visit)
            case "owners":
                return self._owners.page(visit.request.query)
            case "limits":
                return self._limits()
        raise AssertionError(route.endpoint)

    # upsert

    def read_inputs(self, request: Request) -> Sequence[Input] | Answer:
        inputs = read_upsert(request.body)
        if not isinstance(inputs, Answer):
            self._statistics.records_received += len(inputs)
        return inputs

    def _upsert(self, visit: Visit) -> Answer:
        if isinstance(visit.inputs, Answer):
            return visit.inputs
        mishap, rules = visit.struck.mishap, visit.struck.rules
        if mishap is not None and not mishap.applied and not isinstance(mishap, BatchStatus):
            self._write_later(visit, visit.inputs, mishap.late_seconds)
            return Answer(200, self._batch([], visit))
        decision = self._upserter(visit).decide(visit.inputs)
        if decision.refused is not None:
            return decision.refused
        writes, kept_back = list(decision.writes), []
        if isinstance(mishap, BatchStatus):
            shown = int(len(writes) * mishap.results_share)
            writes, kept_back = writes[:shown], writes[shown:]
            if mishap.applied:
                self._write(kept_back, visit)
            else:
                self._write_later(visit, [write.input for write in kept_back], mishap.late_seconds)
        body = self._batch(self._write(writes, visit), visit)
        return Answer(self._add_errors(body, decision.refusals, visit, rules), body)

    def _add_errors(self, body: dict[str, Any], refusals: Sequence[Any], visit: Visit, rules: Rules) -> int:
        if not refusals:
            return 200
        envelope.add_errors(body, refusals, rules)
        return 200 if rules.errors_in_200 or visit.route.version == STRICT_VERSION else 207

    def _upserter(self, visit: Visit) -> Upserter:
        return Upserter(
            catalogue=self._catalogue,
            contacts=self.contacts,
            rules=visit.struck.rules,
            portal_id=self.info.portal_id,
            strict_datetimes=visit.route.version == STRICT_VERSION,
            rejections=visit.struck.rejections,
        )

    def _write(self, writes: Sequence[Write], visit: Visit) -> list[dict[str, Any]]:
        at = answers.iso(visit.wall)
        rules = visit.struck.rules
        results = []
        for write in writes:
            if write.contact is None:
                contact, stored = self.contacts.create(write.values, at)
                result = envelope.created(contact, stored, at, self.info)
            else:
                stored = self.contacts.update(write.contact, write.values, at)
                result = envelope.updated(write.contact, stored, at, self.info)
            if rules.echo_trace_ids and write.input.trace_id:
                result["objectWriteTraceId"] = write.input.trace_id
            results.append(result)
        self._statistics.records_written += len(results)
        if rules.results_order == "shuffled":
            self._random.shuffle(results)
        return results

    def _batch(self, results: list[dict[str, Any]], visit: Visit) -> dict[str, Any]:
        return envelope.batch(results, visit.wall, visit.wall + visit.latency_seconds)

    # writes that come late

    def _write_later(self, visit: Visit, inputs: Sequence[Input], after_seconds: float | None) -> None:
        if after_seconds is not None and inputs:
            due = visit.now + after_seconds
            heapq.heappush(self._late, (due, next(self._order), inputs, visit.struck.rules))

    def write_late(self, now: float, wall: float) -> None:
        """Whatever has come due since; judged as of now, for the contacts may have changed meanwhile."""
        while self._late and self._late[0][0] <= now:
            due, _, inputs, rules = heapq.heappop(self._late)
            upserter = Upserter(
                catalogue=self._catalogue, contacts=self.contacts, rules=rules, portal_id=self.info.portal_id
            )
            at = answers.iso(wall - (now - due))
            for write in upserter.decide(inputs).writes:
                if write.contact is None:
                    self.contacts.create(write.values, at)
                else:
                    self.contacts.update(write.contact, write.values, at)
                self._statistics.records_written += 1

    # batch/read, batch/archive, properties

    def _read(self, visit: Visit) -> Answer:
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
        if id_property and (not isinstance(id_property, str) or id_property not in self._catalogue.unique):
            return answers.non_unique_property(str(id_property))
        archived = visit.request.query.get("archived") == "true"
        found = {key: self._find(id_property, key, archived=archived) for key in ids}
        contacts = dict.fromkeys(contact for contact in found.values() if contact is not None)
        results = [envelope.read(c, [*(names or DEFAULT_READ)], history, self.info) for c in contacts]
        body = self._batch(results, visit)
        missing = [key for key, contact in found.items() if contact is None]
        if missing:
            body |= {"numErrors": 1, "errors": [envelope.not_found(missing)]}
        return Answer(207 if missing else 200, body)

    def _find(self, id_property: str, key: str, *, archived: bool) -> Contact | None:
        if not id_property:
            contact = self.contacts.by_id(key)
            return contact if contact is not None and contact.archived == archived else None
        if archived:
            return self.contacts.archived_owner(id_property, normalise(key))
        return self.contacts.owner(id_property, normalise(key))

    def _archive(self, visit: Visit) -> Answer:
        document = read_object(visit.request.body)
        raw = document if isinstance(document, Answer) else read_list(document, "inputs")
        ids = raw if isinstance(raw, Answer) else read_ids(raw, MAX_INPUTS)
        if isinstance(ids, Answer):
            return ids
        mishap = visit.struck.mishap
        if mishap is None or mishap.applied:
            for key in ids:
                if (contact := self.contacts.by_id(key)) is not None:
                    self.contacts.archive(contact)
        return Answer(204, b"")  # unknown ids are no error

    def _properties(self, visit: Visit) -> Answer:
        query = visit.request.query
        if query.get("archived") == "true":
            return Answer(200, {"results": []})
        return Answer(
            200, {"results": self._catalogue.definitions(query.get("dataSensitivity", "non_sensitive"))}
        )

    def _limits(self) -> Answer:
        limit, usage = self.info.record_limit, len(self.contacts)
        share = {"limit": limit, "usage": usage, "percentage": round(100 * usage / limit, 3)}
        contacts = {"objectTypeId": "0-1", "singularLabel": "Contact", "pluralLabel": "Contacts", **share}
        custom = {"byObjectType": [], "overallLimit": limit, "overallPercentage": 0, "overallUsage": 0}
        return Answer(200, {"hubspotDefinedObjectTypes": [contacts], "customObjectTypes": custom})
