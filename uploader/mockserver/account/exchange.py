"""One request to the mock server, with what is decided about it. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uploader.mockserver.account.associations import requests
from uploader.mockserver.account.associations.requests import LinkInput
from uploader.mockserver.account.lists.requests import NO_CHANGE, Change
from uploader.mockserver.bodies import batch_reply
from uploader.mockserver.bodies.batch_request import Input, asked_for
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import ActiveFaults, Candidate, Reject
from uploader.mockserver.request_and_reply import Request
from uploader.mockserver.routes import Route

STRICT_VERSION = "2026-09"  # errors in the 200, validation enforced


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its decisions."""

    request: Request
    now: float
    wall: float
    correlation_id: str
    route: Route
    latency_seconds: float = 0.0
    inputs: Sequence[Input] | Answer = ()  #: of an upsert or update
    links: Sequence[LinkInput] | Answer = ()  #: to be made or ended
    members: Change | Answer = NO_CHANGE  #: of a list
    faults: ActiveFaults

    @property
    def candidates(self) -> Sequence[Candidate]:
        """What faults choose inputs by."""
        match self.route.endpoint:
            case "read":
                return [Candidate(key, {}) for key in asked_for(self.request.body)]
            case "associations":
                return [Candidate(key, {}) for key in asked_for(self.request.body, requests.MOST_READ)]
            case "associate" | "associate_default":
                links = () if isinstance(self.links, Answer) else self.links
                return [
                    Candidate(f"{one.from_id}-{one.to_id}", {"from": one.from_id, "to": one.to_id})
                    for one in links
                ]
            case "add_members" | "remove_members" | "change_members":
                return [Candidate(one, {}) for one in self._changed_members]
        if isinstance(self.inputs, Answer):
            return ()
        return [Candidate(one.key, one.properties) for one in self.inputs]

    @property
    def size(self) -> int:
        """How many inputs there are."""
        inputs = (self.inputs, self.links, self._changed_members)
        return sum(0 if isinstance(some, Answer) else len(some) for some in inputs)

    @property
    def weight(self) -> float:
        """How many records cost as much time. That a link or a member costs a twentieth is assumed."""
        records = 0 if isinstance(self.inputs, Answer) else len(self.inputs)
        return records + (self.size - records) / 20

    @property
    def _changed_members(self) -> Sequence[str]:
        return () if isinstance(self.members, Answer) else [*self.members.add, *self.members.remove]

    @property
    def is_strict(self) -> bool:
        return self.route.version == STRICT_VERSION

    def rejected(self, ids: Sequence[str]) -> dict[str, Reject]:
        """The ids that a fault refuses to read."""
        rejections = self.faults.rejections or {}
        return {key: rejections[place] for place, key in enumerate(ids) if place in rejections}

    def batch(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        """The body of a batch reply."""
        return batch_reply.batch(results, self.wall, self.wall + self.latency_seconds)
