"""Runs undo in virtual time, with kills if wanted, and reads the account."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.model.running import KillableTransport, KillableWriter, Killed
from support.virtual_loop import run_virtual
from uploader.errors import StorageError
from uploader.jobs.session import Seams
from uploader.undo.plan import UndoOutcome
from uploader.undo.run import Report, Undo, undo_settings
from uploader.undo.undo_file import Kept, UndoFile, find

STAGES = ("lead", "subscriber", "customer")
State = dict[str, dict[str, str]]


def undo(
    job: Job,
    named: str = "",
    *,
    stop_after=None,
    kill_after=None,
    dry=False,
    archive_touched=False,
    approve=None,
    **options,
) -> tuple[Report | None, list[Kept]]:
    """One invocation of undo; the report is None if it was killed."""

    async def run() -> tuple[Report | None, list[Kept]]:
        loop = asyncio.get_running_loop()
        loop._jumping.now = getattr(job, "_clock", 0.0)
        killed = Killed()
        transport = job.transport = KillableTransport(job.simulator, killed)
        seams = Seams(
            transport=lambda _: transport,
            offload=lambda _: KillableWriter(killed),
            random_number=random.Random(job.seed).random,
            wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
        )
        snapshot, checkpoint = find(Path(named or f"{job.source}.checkpoint"))
        file = UndoFile(snapshot)
        undoing = Undo(
            undo_settings(file, checkpoint, token="test-token", **options),
            file,
            seams,
            approve=approve,
            dry=dry,
            archive_touched=archive_touched,
        )

        def strike() -> None:
            killed.is_dead = True
            undoing.ending.stop(9)
            undoing.ending.stop(9)

        if stop_after is not None:
            loop.call_later(stop_after, undoing.ending.stop, 2)
        if kill_after is not None:
            loop.call_later(kill_after, strike)
        try:
            report = await undoing.run()
            return (None, []) if killed.is_dead else (report, [] if report.end else list(file.kept()))
        except StorageError:
            assert killed.is_dead
            return None, []
        finally:
            file.close()
            job._clock = loop.time()

    return run_virtual(run())


def counts(report: Report) -> dict[str, int]:
    assert sum(report.counts.values()) + report.left == report.keys
    return {outcome.name.lower(): count for outcome, count in report.counts.items() if count}


def state(job: Job, object_type: str = "contacts") -> State:
    """The properties of the live records, by id; without blanks."""
    held = {}
    for one in job.simulator.objects(1e9, object_type):
        if not one["archived"]:
            default = {"lifecyclestage": "lead"} if object_type == "contacts" else {}
            held[one["id"]] = {k: v for k, v in {**default, **one["properties"]}.items() if v}
    return held


def archived(job: Job) -> set[str]:
    return {one["id"] for one in job.simulator.objects(1e9) if one["archived"]}


def id_of(job: Job, email: str) -> str:
    return next(one["id"] for one in job.simulator.objects(1e9) if one["properties"].get("email") == email)


def writes(job: Job) -> int:
    transport: MockTransport = job.transport
    return sum(not path.endswith("/batch/read") and "/batch/" in path for path in transport.paths)


def association_reads(job: Job) -> list[str]:
    """The object types whose associations the last undo has read, in order."""
    transport: MockTransport = job.transport
    return [path.split("/")[-3] for path in transport.paths if "/associations/" in path]


def people(count: int, **same: str) -> list[dict[str, str]]:
    """Contacts c0 to c<count>."""
    return [
        {
            "email": f"c{n}@example.com",
            "firstname": f"Old {n}",
            "city": "Ulm" if n % 3 else "",
            "lifecyclestage": STAGES[n % 3],
            **same,
        }
        for n in range(count)
    ]


def rows_for(count: int, **same: str) -> list[dict[str, str]]:
    return contacts(count, city="Bonn", lifecyclestage="opportunity", **same)


def uploaded(tmp_path, rows, held=(), *, quota="none", options=None, additional=(), **scenario) -> Job:
    """A job that has run with a snapshot; `job.before` is the account before it."""
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota=quota, **scenario), options or {}
    )
    job.options.setdefault("snapshot", True)
    job.simulator.reset(0.0, [{"properties": dict(one)} for one in held] + list(additional))
    job.before = state(job)
    job.run_virtual()
    return job


def change_records(job: Job, update=(), archive=()) -> None:
    job._clock += 120.0
    job.simulator.change_records(job._clock, update, archive)


def by(email: str, source: str = "CRM_UI", source_id: str = "userId:7", **properties: str) -> dict:
    return {"email": email, "properties": properties, "source": {"type": source, "id": source_id}}


def under(job: Job, *faults, **options):
    job.simulator.change_scenario(make_simulator(faults=list(faults)).scenario)
    return undo(job, **options)


__all__ = [
    "UndoOutcome",
    "archived",
    "association_reads",
    "by",
    "change_records",
    "counts",
    "id_of",
    "people",
    "rows_for",
    "state",
    "under",
    "undo",
    "uploaded",
    "writes",
]
