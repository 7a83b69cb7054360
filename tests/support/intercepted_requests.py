"""For tests of reported problems: a job over a file, its requests, and changed replies."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.mockserver.request_and_reply import Reply, Request
from uploader.mockserver.statistics import LoggedRequest


def job(
    tmp_path: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    there: Sequence[Mapping[str, Any]] = (),
    ndjson: bool = False,
    options: Mapping[str, Any] | None = None,
    quota: str = "190/10",
    latency_seconds: float = 0.1,
    **scenario: object,
) -> Job:
    """A job over these rows; `there` are the contacts that exist before."""
    if ndjson:
        source = tmp_path / "contacts.ndjson"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        source = write_csv(tmp_path / "contacts.csv", rows)
    run = Job(
        source, make_simulator(quota=quota, latency_seconds=latency_seconds, **scenario), dict(options or {})
    )
    run.simulator.reset(0.0, there)
    return run


def existing(email: str, *others: str, **properties: str) -> dict[str, Any]:
    """A contact that exists before the job, with additional addresses."""
    return {"properties": {"email": email, **properties}, "additional_emails": others}


def upserts(run: Job) -> list[LoggedRequest]:
    return [seen for seen in run.simulator.statistics.log if seen.path.endswith("/batch/upsert")]


class ReceivedUpsert(NamedTuple):
    """An upsert as it arrived, and when its reply was sent."""

    at: float
    answered_at: float
    body: dict[str, Any]


def record_upserts(run: Job) -> list[ReceivedUpsert]:
    """A list that every later upsert is added to."""
    received: list[ReceivedUpsert] = []
    handle = run.simulator.handle

    def handle_and_hear(request: Request, now: float) -> Reply:
        reply = handle(request, now)
        if request.path.endswith("/batch/upsert"):
            until = now + reply.delay_seconds + reply.drip_seconds
            received.append(ReceivedUpsert(now, until, orjson.loads(request.body)))
        return reply

    run.simulator.handle = handle_and_hear
    return received


def change_replies(run: Job, change: Callable[[Reply], Reply]) -> None:
    """Pass every reply through `change`, for faults that no scenario has."""
    handle = run.simulator.handle
    run.simulator.handle = lambda request, now: change(handle(request, now))


def change_scenario(run: Job, **scenario: object) -> None:
    """Use another scenario from now on."""
    run.simulator.change_scenario(make_simulator(**scenario).scenario)
