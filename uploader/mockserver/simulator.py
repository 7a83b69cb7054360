"""The mock server's logic without sockets or clock: `Simulator.handle(request, now)` gives a `Reply`.

In    requests in order of arrival; `now` in seconds of any monotonic clock, never running back.
Out   a reply that says what to send, after how long, and how the connection ends.
Order of a real request: route, token, quota, then the faults of the scenario, then the endpoint.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from email.utils import formatdate
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from uploader.mockserver.account.endpoints import Account, Visit
from uploader.mockserver.account.store import Record
from uploader.mockserver.account.tokens import Tokens
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults import broken_replies
from uploader.mockserver.faults.broken_replies import Occasion
from uploader.mockserver.faults.latency import latency_seconds
from uploader.mockserver.faults.scenario import Scenario, Status, Strikes, Struck
from uploader.mockserver.messages import Delivery, Reply, Request
from uploader.mockserver.quota import DailyCount, Day, Quota, RollingWindow
from uploader.mockserver.routes import Route, find_route
from uploader.mockserver.settings import MockSettings
from uploader.mockserver.statistics import Seen, Statistics

#: Where no other is given, time 0 of the clock is the first second of 2026: runs repeat to the byte.
DEFAULT_EPOCH_SECONDS = 1_767_225_600.0
UNLIMITED_WINDOW_SECONDS = 10.0  # the span of "most in a window" where there is no quota
REMAINING = "X-HubSpot-RateLimit-Remaining"
NOWHERE = Route("account", "v3")


class Simulator:
    def __init__(
        self,
        settings: MockSettings | None = None,
        *,
        started: float = 0.0,
        epoch_seconds: float = DEFAULT_EPOCH_SECONDS,
    ) -> None:
        """`epoch_seconds` is the wall clock when the monotonic clock of `now` shows 0."""
        self.settings = settings or MockSettings()
        self.quota = self.settings.quota
        self.scenario = self.settings.scenario
        self._started = started
        self._epoch = epoch_seconds
        self.statistics = Statistics()
        self.reset(started)

    def reset(
        self,
        now: float,
        contacts: Iterable[Mapping[str, Any]] = (),
        objects: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    ) -> None:
        """Start a new account with the same settings, and the scenario again. `objects`: by their type."""
        seed = self.settings.seed
        in_flight = self.statistics.in_flight
        # Separate streams, so that the roll of a fault never shifts a latency.
        self._latency_random, self._fault_random, self._id_random, order, self._way_random = (
            Random(f"{seed} {purpose}")  # noqa: S311
            for purpose in ("latency", "faults", "ids", "order", "way")
        )
        # Replies still on their way when an account is reset will end under the new one.
        self.statistics = Statistics(in_flight)
        self.account = Account(self.scenario, self.statistics, order)
        self.account.seed({"contacts": contacts, **(objects or {})}, error_bodies.iso(self.wall(now)))
        self._tokens = Tokens()
        self._windows: dict[str, RollingWindow] = {}
        self._day = DailyCount(self.scenario.account.daily_used)
        self._strikes = Strikes(self.scenario, seed)

    def change_records(
        self,
        now: float,
        update: Iterable[Mapping[str, Any]],
        archive: Iterable[object],
        object_type: str = "contacts",
        associate: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Change records as another user would; each is named by an id or a unique value."""
        self.account.change_records(object_type, update, archive, error_bodies.iso(self.wall(now)), associate)

    def merge(
        self, now: float, primary: Mapping[str, Any], other: Mapping[str, Any], object_type: str = "contacts"
    ) -> str:
        """Merge two records as another user would, each named by an id or a unique value; the new id."""
        return str(self.account.merge(object_type, primary, other, error_bodies.iso(self.wall(now))).id)

    def change_scenario(self, scenario: Scenario) -> None:
        """Contacts and counts stay; faults count from here, `from_seconds` still from the first request."""
        self.scenario = scenario
        self.account.adopt(scenario)
        self._strikes = Strikes(scenario, self.settings.seed)

    def change_quota(self, quota: Quota | None) -> None:
        self.quota = quota

    def way_seconds(self) -> float:
        """How long the next request has been on its way when it is handed to `handle`."""
        return self.scenario.rules.arrival_jitter_seconds * self._way_random.random()

    def handle(self, request: Request, now: float) -> Reply:
        """The transport calls `ended` once this reply is sent."""
        wall = self.wall(now)
        self.account.write_late(now, wall)
        self.statistics.arrived(now - self._started)
        route = find_route(request.method, request.path)
        visit = Visit(
            request=request,
            now=now,
            wall=wall,
            correlation_id=str(UUID(int=self._id_random.getrandbits(128), version=4)),
            route=route or NOWHERE,
            struck=Struck(self.scenario.rules),
        )
        reply = self._reply(visit, self._answer(visit) if route else error_bodies.not_found())
        self._count(visit, reply)
        return reply

    def at_answer(self, reply: Reply, now: float) -> Reply:
        """The reply as it is sent at `now`: a header may tell of that moment."""
        window = self._windows.get(reply.remaining_of or "")
        if window is None or self.quota is None:
            return reply
        return replace(reply, headers={**reply.headers, REMAINING: self._remaining(window, self.quota, now)})

    def ended(self) -> None:
        self.statistics.in_flight -= 1

    def _answer(self, visit: Visit) -> Answer:
        if not visit.route.is_token and (refused := self._admit(visit)):
            return refused
        self.statistics.accepted += 1
        if visit.route.endpoint == "upsert":
            self.statistics.upserts += 1
        if visit.route.endpoint in ("upsert", "update"):
            visit.inputs = self.account.read_inputs(visit.request)
        self._strike(visit)
        mishap = visit.struck.mishap
        answer = broken_replies.reshaped(mishap, self._serve(visit))
        return broken_replies.replaced(mishap, answer, self._occasion(visit))

    def _admit(self, visit: Visit) -> Answer | None:
        rules, auth = self.scenario.rules, self.scenario.auth
        if refused := self._tokens.check(visit.request, visit.route, auth, rules, visit.wall):
            return refused
        self._day.ends_at(visit.wall, self._day_of_account())
        if self._day.used >= self.settings.daily_quota:
            return self._throttled(error_bodies.day_exceeded(visit.correlation_id))
        window = self._windows.setdefault(self._tokens.app_of(visit.request), RollingWindow())
        if self.quota is None:
            window.used(visit.now, UNLIMITED_WINDOW_SECONDS)
            window.add(visit.now)
        elif not window.admit(visit.now, self.quota, count_refused=rules.refused_calls_count):
            info = self.account.info
            return self._throttled(error_bodies.burst_exceeded(info.app_id, info.portal_id))
        self._day.used += 1
        return None

    def _throttled(self, answer: Answer) -> Answer:
        wait = self.scenario.rules.retry_after_seconds
        return answer if wait is None else Answer(answer.status, answer.body, {"Retry-After": str(wait)})

    def _strike(self, visit: Visit) -> None:
        first_at = self.statistics.first_at or 0.0
        elapsed = visit.now - self._started - first_at
        candidates = visit.candidates if self.scenario.faults else ()
        visit.struck = self._strikes.strike(
            visit.route.fault_endpoint, candidates, elapsed, self._fault_random.random
        )
        visit.latency_seconds = self._latency(visit, _size(visit))

    def _latency(self, visit: Visit, records: int) -> float:
        roll = self._latency_random.random()
        if visit.struck.delay_seconds is not None:
            return visit.struck.delay_seconds
        return latency_seconds(self.settings.latency_seconds, records, roll)

    def _occasion(self, visit: Visit) -> Occasion:
        candidates = visit.candidates if isinstance(visit.struck.mishap, Status) else ()
        return Occasion(
            account=self.account.info,
            wall_seconds=visit.wall,
            request_id=visit.correlation_id,
            scope=next(iter(visit.route.scopes), "oauth"),
            key=candidates[0].key if candidates else "",
        )

    def _serve(self, visit: Visit) -> Answer:
        info = self.account.info
        mishap = visit.struck.mishap
        if visit.route.endpoint == "refresh" and mishap is not None and not mishap.applied:
            return Answer(200, {})  # no token is issued; what hides it takes this answer's place
        if visit.route.is_token:
            return self._tokens.answer(visit.request, visit.route, self.scenario.auth, info, visit.wall)
        match visit.route.endpoint:
            case "account":
                return self._details(visit.wall)
            case "usage":
                return self._usage(visit.wall)
        return self.account.answer(visit)

    def _details(self, wall: float) -> Answer:
        info = self.account.info
        offset = datetime.fromtimestamp(wall, ZoneInfo(info.time_zone)).strftime("%z")
        minutes = int(f"{offset[0]}1") * (int(offset[1:3]) * 60 + int(offset[3:5]))
        body: dict[str, Any] = {
            "portalId": info.portal_id,
            "accountType": info.account_type,
            "timeZone": info.time_zone,
            "companyCurrency": info.currency,
            "additionalCurrencies": [],
            "utcOffset": f"{offset[:3]}:{offset[3:5]}",
            "utcOffsetMilliseconds": minutes * 60_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }
        return Answer(200, body)

    def _usage(self, wall: float) -> Answer:
        usage = {
            "name": "private-apps-api-calls-daily",
            "usageLimit": self.settings.daily_quota,
            "currentUsage": self._day.used,
            "collectedAt": error_bodies.iso(wall),
            "fetchStatus": "SUCCESS",
            "resetsAt": error_bodies.iso(self._day.ends_at(wall, self._day_of_account())),
        }
        return Answer(200, {"results": [usage]})

    def _day_of_account(self) -> Day:
        return Day(self.account.info.time_zone, self.account.info.day_seconds)

    # sending

    def _reply(self, visit: Visit, answer: Answer) -> Reply:
        mishap = visit.struck.mishap
        body, usual_type = _encode(answer, visit.correlation_id)
        body = broken_replies.garbled(mishap, body)
        headers = {"Content-Type": broken_replies.content_type(mishap, usual_type), **answer.headers}
        headers["Date"] = formatdate(visit.wall + visit.latency_seconds, usegmt=True)
        if not answer.headers.get("Content-Type"):  # the edge's own pages know nothing of HubSpot's headers
            headers["x-hubspot-correlation-id"] = visit.correlation_id
            headers |= self._rate_headers(visit, answer.status)
        if visit.struck.rules.gzip and body and "gzip" in visit.request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        delivery, sent_bytes, drip_seconds = broken_replies.delivery(mishap, body)
        is_late = REMAINING in headers and visit.struck.rules.remaining_at == "answer"
        return Reply(
            status=answer.status,
            headers=headers,
            body=body,
            delay_seconds=visit.latency_seconds,
            delivery=delivery,
            sent_bytes=sent_bytes,
            drip_seconds=drip_seconds,
            remaining_of=self._tokens.app_of(visit.request) if is_late else None,
        )

    def _rate_headers(self, visit: Visit, status: int) -> Mapping[str, str]:
        rules, window = visit.struck.rules, self._windows.get(self._tokens.app_of(visit.request))
        if not rules.rate_headers or window is None or visit.route.is_token:
            return {}
        if status == 429 and not rules.headers_on_429:
            return {}
        headers: dict[str, str] = {}
        if self.quota is not None:
            headers = {
                "X-HubSpot-RateLimit-Max": str(self.quota.requests),
                REMAINING: self._remaining(window, self.quota, visit.now),
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(round(self.quota.window_seconds * 1000)),
            }
        if rules.daily_headers:
            headers["X-HubSpot-RateLimit-Daily"] = str(self.settings.daily_quota)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(
                max(0, self.settings.daily_quota - self._day.used)
            )
        return headers

    def _remaining(self, window: RollingWindow, quota: Quota, now: float) -> str:
        return str(max(0, quota.requests - window.used(now, quota.window_seconds)))

    # looking at it

    def wall(self, now: float) -> float:
        return self._epoch + now

    def _count(self, visit: Visit, reply: Reply) -> None:
        status = "reset" if reply.delivery is Delivery.RESET else str(reply.status)
        request = visit.request
        at = visit.now - self._started
        self.statistics.answered(Seen(at, request.method, request.path, status, _size(visit)))

    def stats(self) -> dict[str, Any]:
        windows = self._windows.values()
        return {
            **self.statistics.as_json(),
            "most_in_window": max((window.most for window in windows), default=0),
            "contacts": self.account.counts["contacts"],
            "objects": self.account.counts,
            "quota": str(self.quota) if self.quota else "none",
            "token_refreshes": [round(at - self.wall(self._started), 3) for at in self._tokens.refreshes],
            "window_seconds": self.quota.window_seconds if self.quota else UNLIMITED_WINDOW_SECONDS,
        }

    def objects(self, now: float, object_type: str = "contacts") -> Iterator[dict[str, Any]]:
        """Every record of a type by id, archived ones too. ValueError for a type that is not there."""
        self.account.write_late(now, self.wall(now))
        return map(_shown, self.account.records(object_type))


def _shown(record: Record) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "properties": record.properties,
        "additional_emails": record.additional_emails,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "archived": record.archived,
        "writes": record.writes,
    }


def _size(visit: Visit) -> int:
    return 0 if isinstance(visit.inputs, Answer) else len(visit.inputs)


def _encode(answer: Answer, correlation_id: str) -> tuple[bytes, str]:
    body = answer.body
    if isinstance(body, bytes):
        return body, error_bodies.JSON_TYPE
    if body is None:
        return b"", error_bodies.JSON_TYPE
    if body.get("status") == "error":
        body = {**body, "correlationId": correlation_id}
    return orjson.dumps(body), error_bodies.JSON_TYPE
