"""The `/_mock/` endpoints for tests. Their requests are not counted or limited, and have no faults.

GET  /_mock/stats              counts, as JSON
GET  /_mock/objects/TYPE       every record of a type (contacts, companies, 0-3, p_cars, ...) by id, as NDJSON
GET  /_mock/links              every association once, as NDJSON
GET  /_mock/lists              every list with its members, as NDJSON
GET  /_mock/log                the last 100,000 requests, as NDJSON
POST /_mock/reset              a new account; body, optional: {"contacts": [{"properties": {},
                               "additional_emails": [], "created_at": "2026-01-31T09:00:00.000Z"}],
                               "objects": {"deals": [{"properties": {}}]}, "links": [], "lists": [{"name":
                               "VIP", "type": "contacts", "members": [{"email": "a@x.com"}]}]} to begin
                               with; a list's "processing_type" is MANUAL, unless it is given
POST /_mock/objects/TYPE       changes by another user: {"update": [{"email": "a@x.com", "properties": {}}],
                               "archive": ["a@x.com"]}; values are not checked. Records are named by
                               `id` or by a unique value; "source": {"type": "FORM", "id": "7"} says who.
                               "associate": [{"email": "a@x.com", "to": "notes", "ids": [1, 2]}] associates
                               them with others (activities, or records of a type), which need not exist
POST /_mock/links              associations made and ended by another user: {"add": [{"from": {"type":
                               "contacts", "email": "a@x.com"}, "to": {"type": "companies", "id": "7"},
                               "label": "Primary"}], "remove": []}; without a label, the unlabelled one;
                               with one, "remove" removes only that.
                               These are the "links" of a reset, too
POST /_mock/scenario           the body, a scenario as JSON, replaces the present one
POST /_mock/quota              {"quota": "100/10"} or {"quota": "none"}
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from uploader.mockserver.account.object_types import find_kind
from uploader.mockserver.bodies.error_bodies import JSON_TYPE
from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.quota import parse_quota
from uploader.mockserver.request_and_reply import Reply, Request
from uploader.mockserver.simulator import Simulator

PREFIX = "/_mock/"
OBJECTS = "objects/"
NDJSON_TYPE = "application/x-ndjson"


def control(simulator: Simulator, request: Request, now: float) -> Reply | Iterator[dict[str, Any]]:
    """A reply, or the lines of an NDJSON stream."""
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "stats":
            simulator.account.apply_late_writes(now, simulator.wall(now))
            return _json(200, simulator.stats())
        case "GET", "log":
            return (seen._asdict() for seen in list(simulator.statistics.log))
        case "GET", ("links" | "lists") as what:
            return simulator.links(now) if what == "links" else simulator.lists(now)
        case "POST", ("reset" | "links" | "scenario" | "quota") as order:
            return _order(simulator, order, request.body, now)
        case method, path if find_kind(object_type := path.removeprefix(OBJECTS)) and OBJECTS in path:
            return (
                simulator.objects(now, object_type)
                if method == "GET"
                else _order(simulator, path, request.body, now)
            )
    return _json(404, {"error": f"no such control: {request.method} {request.path}"})


def _order(simulator: Simulator, order: str, body: bytes, now: float) -> Reply:
    try:
        document = orjson.loads(body) if body.strip() else {}
        if not isinstance(document, dict):
            return _json(400, {"error": "expected a JSON object"})
        _carry_out(simulator, order, document, now)
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # the latter three: malformed seeds
        return _json(400, {"error": str(error)})
    return _json(200, {})


def _carry_out(simulator: Simulator, order: str, document: Mapping[str, Any], now: float) -> None:
    match order:
        case "reset":
            links, lists = (document.get(name, ()) for name in ("links", "lists"))
            simulator.reset(now, document.get("contacts", ()), document.get("objects"), links, lists)
        case "links":
            simulator.change_links(document.get("add", ()), document.get("remove", ()))
        case "scenario":
            simulator.change_scenario(Scenario.parse(document))
        case "quota":
            simulator.change_quota(parse_quota(str(document.get("quota"))))
        case _:
            object_type = order.removeprefix(OBJECTS)
            update, archive, associate = (document.get(n, ()) for n in ("update", "archive", "associate"))
            simulator.change_records(now, update, archive, object_type, associate)


def _json(status: int, body: Mapping[str, Any]) -> Reply:
    return Reply(status=status, headers={"Content-Type": JSON_TYPE}, body=orjson.dumps(body))
