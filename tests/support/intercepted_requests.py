"""For tests of reported problems: a job over a file, what it sent, and a hand in what it is answered."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.mockserver.messages import Reply, Request
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
    """A job over these rows; `there` are the contacts the account begins with."""
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
    """A contact that is there before, with its further addresses."""
    return {"properties": {"email": email, **properties}, "additional_emails": others}


def upserts(run: Job) -> list[LoggedRequest]:
    return [seen for seen in run.simulator.statistics.log if seen.path.endswith("/batch/upsert")]


class Heard(NamedTuple):
    """An upsert as it arrived, and when its answer was out."""

    at: float
    answered_at: float
    body: dict[str, Any]


def listen(run: Job) -> list[Heard]:
    """Every upsert that arrives from now on."""
    heard: list[Heard] = []
    handle = run.simulator.handle

    def handle_and_hear(request: Request, now: float) -> Reply:
        reply = handle(request, now)
        if request.path.endswith("/batch/upsert"):
            until = now + reply.delay_seconds + reply.drip_seconds
            heard.append(Heard(now, until, orjson.loads(request.body)))
        return reply

    run.simulator.handle = handle_and_hear
    return heard


def retouch(run: Job, change: Callable[[Reply], Reply]) -> None:
    """Every answer goes through `change`: for what no scenario can say."""
    handle = run.simulator.handle
    run.simulator.handle = lambda request, now: change(handle(request, now))


def mend(run: Job, **scenario: object) -> None:
    """The double behaves otherwise from now on."""
    run.simulator.change_scenario(make_simulator(**scenario).scenario)
