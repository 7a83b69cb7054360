"""Counts for `/_mock/stats`, and the last requests for `/_mock/log`."""

from collections import Counter, deque
from typing import Any, NamedTuple

LOGGED_REQUESTS = 100_000


class LoggedRequest(NamedTuple):
    """One request in the log."""

    at: float  #: seconds since the server started
    method: str
    path: str
    status: str  #: "reset" where no status was sent
    inputs: int


class Statistics:
    """Counts of requests, and a log of the last ones."""

    def __init__(self, in_flight: int = 0) -> None:
        self.by_status: Counter[str] = Counter()
        self.by_endpoint: Counter[str] = Counter()
        self.log: deque[LoggedRequest] = deque(maxlen=LOGGED_REQUESTS)
        self.accepted = 0  #: accepted by auth and quota
        self.throttled = 0  #: answered 429, by the quota or by a fault
        self.upserts = 0
        self.records_received = 0
        self.records_written = 0
        self.in_flight = in_flight
        self.most_in_flight = in_flight
        self.first_at: float | None = None
        self.last_at: float | None = None

    def arrived(self, at: float) -> None:
        self.first_at = at if self.first_at is None else self.first_at
        self.last_at = at
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def answered(self, seen: LoggedRequest, endpoint: str) -> None:
        self.by_endpoint[endpoint] += 1
        self.by_status[seen.status] += 1
        self.throttled += seen.status == "429"
        self.log.append(seen)

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": self.by_status.total(),
            "accepted": self.accepted,
            "throttled": self.throttled,
            "by_status": dict(sorted(self.by_status.items())),
            "by_endpoint": dict(sorted(self.by_endpoint.items())),
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "upserts": self.upserts,
            "records_received": self.records_received,
            "records_written": self.records_written,
            "first_request_at": self.first_at,
            "last_request_at": self.last_at,
        }
