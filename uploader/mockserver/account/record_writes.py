"""Answers the endpoints that write records: batch upsert, update, create and archive. No I/O.

What follows a write by itself is here, too: other writers that react, and companies of HubSpot's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

from uploader.mockserver.account import company_domains
from uploader.mockserver.account.associations.endpoints import AssociationEndpoints
from uploader.mockserver.account.behaviour_switches import AccountInfo, Rules
from uploader.mockserver.account.default_properties import pipelines_of
from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.account.late_writes import LateWrites
from uploader.mockserver.account.object_store import ObjectStore
from uploader.mockserver.account.properties import normalise
from uploader.mockserver.account.store import Record, Source
from uploader.mockserver.account.upsert_plan import Upserter, Write
from uploader.mockserver.bodies import batch_reply, error_bodies
from uploader.mockserver.bodies.batch_request import MAX_INPUTS, Input, read_ids, read_list, read_object
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import BatchStatus, Scenario
from uploader.mockserver.statistics import Statistics


class RecordWrites:
    """Writes the records of one account."""

    def __init__(
        self,
        stores: Mapping[str, ObjectStore],
        associations: AssociationEndpoints,
        late: LateWrites,
        *,
        statistics: Statistics,
        random: Random,
        scenario: Scenario,
    ) -> None:
        self._stores = stores
        self._associations = associations
        self._late = late
        self._statistics = statistics
        self._random = random
        self._scenario = scenario
        self._reacted: set[tuple[int, int]] = set()  # (rule of `others`, record) pairs already applied
        self._changes = count(1)

    def change_scenario(self, scenario: Scenario) -> None:
        self._scenario = scenario

    @property
    def _info(self) -> AccountInfo:
        return self._scenario.account

    def answer(self, store: ObjectStore, exchange: Exchange) -> Answer:
        match exchange.route.endpoint:
            case "update":
                return self._update(store, exchange)
            case "create":
                return self._create(store, exchange)
            case "archive":
                return self._archive(store, exchange)
        return self._upsert(store, exchange)

    def _upsert(self, store: ObjectStore, exchange: Exchange) -> Answer:
        if isinstance(exchange.inputs, Answer):
            return exchange.inputs
        sensitive = store.catalogue.sensitive
        levels = {sensitive[name] for one in exchange.inputs for name in one.properties if name in sensitive}
        if refused := store.lacks_scope(levels, "write"):
            return refused
        failure = exchange.faults.failure
        if failure is not None and not failure.applied and not isinstance(failure, BatchStatus):
            self._schedule_write(store, exchange, exchange.inputs, failure.late_seconds)
            return Answer(200, exchange.batch([]))
        return self._write_batch(store, exchange, exchange.inputs)

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
            portal_id=self._info.portal_id,
            country_code=self._info.country_code,
            strict_datetimes=exchange.is_strict,
            validations=rules if exchange.is_strict else (),
            rejections=exchange.faults.rejections,
            pipelines=pipelines_of(store.kind, self._scenario.pipelines),
            creates=exchange.route.endpoint == "create",
        )

    def _write(self, store: ObjectStore, writes: Sequence[Write], exchange: Exchange) -> list[dict[str, Any]]:
        at, ours = error_bodies.iso(exchange.wall), Source("INTEGRATION", str(self._info.app_id))
        rules = exchange.faults.rules
        results = []
        for write in writes:
            if write.record is None:
                record, stored = store.records.create(write.values, at, ours)
                result = batch_reply.created(record, stored, at, store.kind, self._info)
            else:
                record, stored = write.record, store.records.update(write.record, write.values, at, ours)
                result = batch_reply.updated(record, stored, at, store.kind, self._info)
            if rules.echo_trace_ids and write.input.trace_id:
                result["objectWriteTraceId"] = write.input.trace_id
            results.append(result)
            self._schedule_other_writers(store, write, record, exchange.now)
            self._schedule_company(store, write, record, exchange.now)
        self._statistics.records_written += len(results)
        if rules.results_order == "shuffled":
            self._random.shuffle(results)
        return results

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

    # late writes

    def _schedule_write(
        self, store: ObjectStore, exchange: Exchange, inputs: Sequence[Input], after_seconds: float | None
    ) -> None:
        if after_seconds is None or not inputs:
            return
        rules, ours = exchange.faults.rules, Source("INTEGRATION", str(self._info.app_id))
        due = exchange.now + after_seconds

        def write(at: str) -> None:
            # Checked only now: the records may have changed since the request.
            upserter = Upserter(
                kind=store.kind,
                catalogue=store.catalogue,
                records=store.records,
                rules=rules,
                portal_id=self._info.portal_id,
                country_code=self._info.country_code,
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
        if self._info.companies_from_domains and store.kind.is_contacts and write.values.get("email"):
            due = now + self._info.companies_after_seconds
            self._late.add(due, lambda at: self._add_company(store, record, at))

    def _add_company(self, contacts: ObjectStore, record: Record, at: str) -> None:
        domain = company_domains.domain_of(record.properties.get("email", ""))
        if record.archived or not domain or self._associations.has_any(contacts, record, "companies"):
            return
        companies = self._stores["companies"].records
        company = companies.first_holder(normalise(domain))
        if company is None:
            values = company_domains.new_company(domain)
            company, _ = companies.create(values, at, company_domains.SOURCE)
        self._associations.associate(contacts, {"id": record.id, "to": "companies", "ids": [company.id]})

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
