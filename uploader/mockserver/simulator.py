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

from uploader.mockserver.account.endpoints import Account
from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.account.store import Record
from uploader.mockserver.account.tokens import Tokens
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.documented_form import documented
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults import broken_replies
from uploader.mockserver.faults.broken_replies import ErrorContext
from uploader.mockserver.faults.latency import latency_seconds
from uploader.mockserver.faults.scenario import ActiveFaults, FaultSelector, Scenario, Status
from uploader.mockserver.quota import DailyCount, Day, Quota, RollingWindow
from uploader.mockserver.request_and_reply import Delivery, Reply, Request
from uploader.mockserver.routes import Route, find_route
from uploader.mockserver.settings import MockSettings
from uploader.mockserver.statistics import LoggedRequest, Statistics

#: Where no other is given, time 0 of the clock is the first second of 2026: runs repeat to the byte.
DEFAULT_EPOCH_SECONDS = 1_767_225_600.0
UNLIMITED_WINDOW_SECONDS = 10.0  # the span of "most in a window" where there is no quota
REMAINING = "X-HubSpot-RateLimit-Remaining"
UNKNOWN_ROUTE = Route("account", "v3")


class Simulator:
    """A simulated account with its tokens, quotas and faults."""

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
        links: Iterable[Mapping[str, Any]] = (),
        lists: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Start a new account with the same settings, and the scenario again. `objects`: by their type."""
        seed = self.settings.seed
        in_flight = self.statistics.in_flight
        # Separate generators, so that the faults never change the latencies.
        self._latency_random, self._fault_random, self._id_random, order, self._arrival_random = (
            Random(f"{seed} {purpose}")  # noqa: S311
            for purpose in ("latency", "faults", "ids", "order", "way")
        )
        # Replies in progress when an account is reset will end under the new one.
        self.statistics = Statistics(in_flight)
        self.account = Account(self.scenario, self.statistics, order)
        self.account.seed({"contacts": contacts, **(objects or {})}, error_bodies.iso(self.wall(now)))
        self.change_links(links)
        self.account.lists.seed(lists, error_bodies.iso(self.wall(now)))
        self._tokens = Tokens()
        self._windows: dict[str, RollingWindow] = {}
        self._day = DailyCount(self.scenario.account.daily_used)
        self._fault_selector = FaultSelector(self.scenario, seed)

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

    def change_links(
        self, add: Iterable[Mapping[str, Any]], remove: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Associate records, and end associations, as another user would; `control` has their form."""
        self.account.associations.change(add, remove)

    def merge(
        self, now: float, primary: Mapping[str, Any], other: Mapping[str, Any], object_type: str = "contacts"
    ) -> str:
        """Merge two records as another user would, each named by an id or a unique value; the new id."""
        return str(self.account.merge(object_type, primary, other, error_bodies.iso(self.wall(now))).id)

    def change_scenario(self, scenario: Scenario) -> None:
        """Use another scenario: records stay, and faults count anew, but not `from_seconds`."""
        self.scenario = scenario
        self.account.change_scenario(scenario)
        self._fault_selector = FaultSelector(scenario, self.settings.seed)

    def change_quota(self, quota: Quota | None) -> None:
        self.quota = quota

    def arrival_delay_seconds(self) -> float:
        """How long the next request travels before the transport hands it to `handle`."""
        return self.scenario.rules.arrival_jitter_seconds * self._arrival_random.random()

    def handle(self, request: Request, now: float) -> Reply:
        """The reply to a request. The transport calls `ended` once it is sent."""
        wall = self.wall(now)
        self.account.apply_late_writes(now, wall)
        self.statistics.arrived(now - self._started)
        route = find_route(request.method, request.path)
        exchange = Exchange(
            request=request,
            now=now,
            wall=wall,
            correlation_id=str(UUID(int=self._id_random.getrandbits(128), version=4)),
            route=route or UNKNOWN_ROUTE,
            faults=ActiveFaults(self.scenario.rules),
        )
        reply = self._reply(exchange, self._answer(exchange) if route else error_bodies.not_found())
        self._count(exchange, reply)
        return reply

    def complete_headers(self, reply: Reply, now: float) -> Reply:
        """The reply as sent at `now`: the scenario may compute a header only then."""
        window = self._windows.get(reply.remaining_of or "")
        if window is None or self.quota is None:
            return reply
        return replace(reply, headers={**reply.headers, REMAINING: self._remaining(window, self.quota, now)})

    def ended(self) -> None:
        self.statistics.in_flight -= 1

    def _answer(self, exchange: Exchange) -> Answer:
        if not exchange.route.is_token and (refused := self._admit(exchange)):
            return refused
        self.statistics.accepted += 1
        if exchange.route.endpoint == "upsert":
            self.statistics.upserts += 1
        self.account.read_inputs(exchange)
        self._select_faults(exchange)
        failure = exchange.faults.failure
        answer = broken_replies.change_results(failure, self._serve(exchange))
        return broken_replies.replace_answer(failure, answer, self._error_context(exchange))

    def _admit(self, exchange: Exchange) -> Answer | None:
        rules, auth = self.scenario.rules, self.scenario.auth
        if refused := self._tokens.check(exchange.request, exchange.route, auth, rules, exchange.wall):
            return refused
        self._day.ends_at(exchange.wall, self._day_of_account())
        if self._day.used >= self.settings.daily_quota:
            return self._throttled(error_bodies.day_exceeded(exchange.correlation_id))
        window = self._windows.setdefault(self._tokens.app_of(exchange.request), RollingWindow())
        if self.quota is None:
            window.used(exchange.now, UNLIMITED_WINDOW_SECONDS)
            window.add(exchange.now)
        elif not window.admit(exchange.now, self.quota, count_refused=rules.refused_calls_count):
            info = self.account.info
            return self._throttled(error_bodies.burst_exceeded(info.app_id, info.portal_id))
        self._day.used += 1
        return None

    def _throttled(self, answer: Answer) -> Answer:
        wait = self.scenario.rules.retry_after_seconds
        return answer if wait is None else Answer(answer.status, answer.body, {"Retry-After": str(wait)})

    def _select_faults(self, exchange: Exchange) -> None:
        first_at = self.statistics.first_at or 0.0
        elapsed = exchange.now - self._started - first_at
        candidates = exchange.candidates if self.scenario.faults else ()
        exchange.faults = self._fault_selector.select(
            exchange.route.fault_endpoint, candidates, elapsed, self._fault_random.random
        )
        exchange.latency_seconds = self._latency(exchange)

    def _latency(self, exchange: Exchange) -> float:
        random = self._latency_random.random()
        if exchange.faults.delay_seconds is not None:
            return exchange.faults.delay_seconds
        return latency_seconds(self.settings.latency_seconds, exchange.weight, random)

    def _error_context(self, exchange: Exchange) -> ErrorContext:
        candidates = exchange.candidates if isinstance(exchange.faults.failure, Status) else ()
        return ErrorContext(
            account=self.account.info,
            wall_seconds=exchange.wall,
            request_id=exchange.correlation_id,
            scope=next(iter(exchange.route.scopes), "oauth"),
            key=candidates[0].key if candidates else "",
        )

    def _serve(self, exchange: Exchange) -> Answer:
        """The answer of the endpoint, before faults change it."""
        info = self.account.info
        failure = exchange.faults.failure
        if exchange.route.endpoint == "refresh" and failure is not None and not failure.applied:
            return Answer(200, {})  # no token is issued; the fault replaces this answer
        if exchange.route.is_token:
            return self._tokens.answer(
                exchange.request, exchange.route, self.scenario.auth, info, exchange.wall
            )
        match exchange.route.endpoint:
            case "account":
                return self._details(exchange.wall)
            case "usage":
                return self._usage(exchange.wall)
        return self.account.answer(exchange)

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
        shape = self.scenario.rules.usage
        usage: dict[str, Any] = {
            "name": "private-apps-api-calls-daily",
            "usageLimit": self.settings.daily_quota,
            "currentUsage": self._day.used,
            "collectedAt": error_bodies.iso(wall),
            "fetchStatus": "SUCCESS",
            "resetsAt": error_bodies.iso(self._day.ends_at(wall, self._day_of_account())),
        }
        other = {"usageLimit": 500, "resetsAt": error_bodies.iso(wall + 60.0)}
        if shape == "contradicting":
            return Answer(200, {"results": [usage | other]})
        others = [usage | other | {"name": "public-apps-api-calls-daily"}] if shape == "among_others" else []
        return Answer(200, {"results": [*others, usage]})

    def _day_of_account(self) -> Day:
        return Day(self.account.info.time_zone, self.account.info.day_seconds)

    # sending

    def _reply(self, exchange: Exchange, answer: Answer) -> Reply:
        failure = exchange.faults.failure
        is_documented = exchange.faults.rules.reply_form == "documented"
        body, usual_type = _encode(answer, exchange.correlation_id, is_documented=is_documented)
        body = broken_replies.garble_body(failure, body)
        headers = {"Content-Type": broken_replies.content_type(failure, usual_type), **answer.headers}
        headers["Date"] = formatdate(exchange.wall + exchange.latency_seconds, usegmt=True)
        if not answer.headers.get("Content-Type"):  # pages of the edge have no HubSpot headers
            headers["x-hubspot-correlation-id"] = exchange.correlation_id
            headers |= self._rate_headers(exchange, answer.status)
        if (
            exchange.faults.rules.gzip
            and body
            and "gzip" in exchange.request.headers.get("accept-encoding", "")
        ):
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        delivery, sent_bytes, drip_seconds = broken_replies.delivery(failure, body)
        is_late = REMAINING in headers and exchange.faults.rules.remaining_at == "answer"
        return Reply(
            status=answer.status,
            headers=headers,
            body=body,
            delay_seconds=exchange.latency_seconds,
            delivery=delivery,
            sent_bytes=sent_bytes,
            drip_seconds=drip_seconds,
            is_faulty=failure is not None,
            remaining_of=self._tokens.app_of(exchange.request) if is_late else None,
        )

    def _rate_headers(self, exchange: Exchange, status: int) -> Mapping[str, str]:
        rules, window = exchange.faults.rules, self._windows.get(self._tokens.app_of(exchange.request))
        has_none = exchange.route.is_token or exchange.route.endpoint == "search"
        if not rules.rate_headers or window is None or has_none:
            return {}
        if status == 429 and not rules.headers_on_429:
            return {}
        headers: dict[str, str] = {}
        if self.quota is not None:
            headers = {
                "X-HubSpot-RateLimit-Max": str(self.quota.requests),
                REMAINING: self._remaining(window, self.quota, exchange.now),
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

    # inspection

    def wall(self, now: float) -> float:
        return self._epoch + now

    def _count(self, exchange: Exchange, reply: Reply) -> None:
        status = "reset" if reply.delivery is Delivery.RESET else str(reply.status)
        request = exchange.request
        at = exchange.now - self._started
        seen = LoggedRequest(at, request.method, request.path, status, exchange.size)
        self.statistics.answered(seen, exchange.route.endpoint)

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
        """All records of a type by id, archived ones too. ValueError for an unknown type."""
        self.account.apply_late_writes(now, self.wall(now))
        return map(_shown, self.account.records(object_type))

    def links(self, now: float) -> Iterator[dict[str, Any]]:
        """All associations, each once."""
        self.account.apply_late_writes(now, self.wall(now))
        return iter(self.account.associations.shown())

    def lists(self, now: float) -> Iterator[dict[str, Any]]:
        """All lists with their members, deleted ones too."""
        self.account.apply_late_writes(now, self.wall(now))
        return self.account.lists.shown()


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


def _encode(answer: Answer, correlation_id: str, *, is_documented: bool) -> tuple[bytes, str]:
    body = answer.body
    if isinstance(body, bytes):
        return body, error_bodies.JSON_TYPE
    if body is None:
        return b"", error_bodies.JSON_TYPE
    if body.get("status") == "error":
        body = {**body, "correlationId": correlation_id}
    if is_documented:
        body = documented(answer.status, body, correlation_id)
    return orjson.dumps(body), error_bodies.JSON_TYPE
