"""The request that the simulator gets and the reply that a transport sends. Values only.

Times are in seconds; header names of requests are in lower case. A transport (aiohttp's, or a test's in
virtual time) waits `delay_seconds`, calls `Simulator.complete_headers`, treats the connection as `delivery`
says, and calls `Simulator.ended`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrives."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def has_flag(self, name: str) -> bool:
        """Whether the query sets this flag; the official client for Python writes "True"."""
        return self.query.get(name, "").lower() == "true"


class Delivery(StrEnum):
    """How a reply is sent."""

    SEND = "send"  #: the whole reply
    RESET = "reset"  #: nothing; the connection is broken
    TRUNCATE = (
        "truncate"  #: status, headers and the first `sent_bytes` of the body, then the connection is broken
    )
    DRIP = "drip"  #: all of it, the body spread over `drip_seconds`


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply, and how to send it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0.0
    delivery: Delivery = Delivery.SEND
    sent_bytes: int = 0
    drip_seconds: float = 0.0
    is_faulty: bool = False  #: a fault of the scenario made it what it is
    remaining_of: str | None = None  #: the app whose remaining requests `complete_headers` counts

    def json(self) -> Any:  # noqa: ANN401 - whatever the body holds
        return orjson.loads(self.body)
