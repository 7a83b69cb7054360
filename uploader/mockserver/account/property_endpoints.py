"""Answers the endpoints of properties: list, create and archive. No I/O."""

from uploader.mockserver.account import property_changes
from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.account.late_writes import LateWrites
from uploader.mockserver.account.object_store import ObjectStore
from uploader.mockserver.account.properties import definition
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.batch_request import read_list, read_object
from uploader.mockserver.bodies.error_bodies import Answer


def listed(store: ObjectStore, exchange: Exchange) -> Answer:
    query = exchange.request.query
    if exchange.request.has_flag("archived"):
        gone = [definition(one, place) for place, one in enumerate(store.archived_properties)]
        return Answer(200, {"results": gone})
    sensitivity = query.get("dataSensitivity", "non_sensitive")
    is_refused = exchange.faults.rules.sensitive_definitions == "refused"
    if is_refused and (refused := store.lacks_scope({sensitivity}, "read")):
        return refused
    return Answer(200, {"results": store.catalogue.definitions(sensitivity)})


def create(store: ObjectStore, exchange: Exchange, late: LateWrites) -> Answer:
    document = read_object(exchange.request.body)
    if isinstance(document, Answer):
        return document
    is_single = exchange.route.endpoint == "create_property"
    raw = [document] if is_single else read_list(document, "inputs")
    inputs = raw if isinstance(raw, Answer) else property_changes.read_inputs(raw)
    if isinstance(inputs, Answer):
        return inputs
    sensitivities = {str(one.get("dataSensitivity", "non_sensitive")) for one in inputs}
    if refused := store.lacks_scope(sensitivities, "write"):
        return refused
    plan = property_changes.plan(inputs, store.catalogue, error_bodies.iso(exchange.wall))
    if plan.refused and (is_single or not exchange.faults.rules.multi_status):
        return plan.refused[0].as_answer()
    late.write(exchange, lambda _: store.add_properties(plan.made))
    results = [property_changes.created(one) for one in plan.made]
    if is_single:
        return Answer(201, results[0])
    body = exchange.batch(results)
    if plan.refused:
        body |= {"errors": [one.as_entry() for one in plan.refused], "numErrors": len(plan.refused)}
    return Answer(207 if plan.refused else 201, body)


def archive(store: ObjectStore, exchange: Exchange, late: LateWrites) -> Answer:
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
    late.write(exchange, lambda at: store.archive_properties(names, at))
    return Answer(204, b"")
