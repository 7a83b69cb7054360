"""The ids of settled rows: named by the answers, else read by key."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.virtual_loop import run_virtual
from uploader.jobs.early_ending import Ending
from uploader.jobs.session import Seams, Session
from uploader.model.outcomes import Outcome
from uploader.pipeline.requests import record_ids
from uploader.pipeline.requests.contact_reader import Reader
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.rows_of_results import rows_of_results

READ = "/crm/v3/objects/contacts/batch/read"


def _uploaded(tmp_path, rows, held=(), *, options=None, **scenario) -> Job:
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", **scenario), options or {}
    )
    job.simulator.reset(0.0, [{"properties": dict(one)} for one in held])
    job.run_virtual()
    return job


def _rows(job: Job):
    checkpoint = Checkpoint.open(Path(f"{job.source}.checkpoint"), read_only=True)
    names = [source.name for source in checkpoint.identity().sources]
    extent = checkpoint.state().results
    checkpoint.close()
    return rows_of_results(Path(f"{job.source}.results.csv"), extent, names, job.settings().match)


def _located(job: Job):
    """All rows with their ids, found in a session of their own."""

    async def find():
        loop = asyncio.get_running_loop()
        loop._jumping.now = job._clock
        job.transport = MockTransport(job.simulator)
        seams = Seams(
            lambda _: job.transport,
            lambda _: Inline(),
            lambda: 0.5,
            lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
        )
        async with Session(job.settings(), seams, Ending()) as session:
            reader = Reader(session.attempts, session.paths.read)
            pages = record_ids.with_ids(_rows(job), reader, session.run_workers, Inline())
            return [one async for page in pages for one in page]

    return run_virtual(find())


def _ids(job: Job) -> dict[str, str]:
    return {
        one["properties"]["email"]: one["id"] for one in job.simulator.objects(1e9) if not one["archived"]
    }


def test_each_written_row_gets_the_id_of_its_record(tmp_path):
    rows = [*contacts(330), {"email": "C7@Example.com", "firstname": "again"}, {"email": "nobody"}]
    job = _uploaded(tmp_path, rows, contacts(250))
    *written, invalid = sorted(_located(job), key=lambda one: one.row.row)
    ids = _ids(job)
    assert [one.hubspot_id for one in written] == [ids[row["email"].lower()] for row in rows[:-1]]
    assert (invalid.row.outcome, invalid.hubspot_id, invalid.why) == (
        Outcome.INVALID,
        "",
        "the row is invalid",
    )


def test_keys_of_each_property_are_read_by_it(tmp_path):
    held = [{"external_id": f"X{n}", "email": f"c{n}@example.com"} for n in range(30)]
    rows = [{**one, "external_id": one["external_id"] if n % 2 else ""} for n, one in enumerate(held)]
    options = {"match": ("external_id", "email")}
    job = _uploaded(tmp_path, rows, held, options=options)
    found = sorted(_located(job), key=lambda one: one.row.row)
    ids = _ids(job)
    assert [one.hubspot_id for one in found] == [ids[one["email"]] for one in held]
    assert {one.row.id_property for one in found} == {"external_id", "email"}


def test_only_keys_without_an_id_are_read_and_each_once(tmp_path):
    rows = [*contacts(300), *[{"email": f"C{n}@example.com", "firstname": "again"} for n in range(50)]]
    job = _uploaded(tmp_path, rows, contacts(120))
    _located(job)
    assert job.transport.paths == [READ] * 2  # 120 contacts were there before


def test_pages_hold_a_bounded_number_of_rows_and_full_requests(tmp_path, monkeypatch):
    monkeypatch.setattr(record_ids, "_MOST_KEYS", 100)
    monkeypatch.setattr(record_ids, "_MOST_ROWS", 400)
    job = _uploaded(tmp_path, contacts(1_000), contacts(500))
    pages = []
    page_of = record_ids._page
    monkeypatch.setattr(record_ids, "_page", lambda rows: pages.append(page_of(rows)) or pages[-1])
    assert len(_located(job)) == 1_000
    assert len(job.transport.paths) == 5
    assert max(map(len, pages)) <= 400


def test_a_record_that_is_gone_has_no_id_and_a_reason(tmp_path):
    job = _uploaded(tmp_path, contacts(3), contacts(3))
    job.simulator.change_records(job._clock, [], ["c1@example.com"])
    found = {one.row.key: one for one in _located(job)}
    assert found["c1@example.com"].hubspot_id == ""
    assert found["c1@example.com"].why == "HubSpot has no record with this key any more"
    assert found["c0@example.com"].hubspot_id == _ids(job)["c0@example.com"]


def test_reads_are_repeated_through_faults(tmp_path):
    job = _uploaded(tmp_path, contacts(400), contacts(400))
    faults = [{"kind": "status", "status": status, "rate": 0.3, "endpoint": "read"} for status in (429, 503)]
    job.simulator.change_scenario(make_simulator(faults=faults).scenario)
    ids = _ids(job)
    assert {one.row.key: one.hubspot_id for one in _located(job)} == ids


def test_contacts_that_were_read_first_are_not_read_for_their_ids(tmp_path):
    job = _uploaded(tmp_path, contacts(150, city="Bonn"), contacts(150), options={"snapshot": True})
    found = _located(job)
    assert job.transport.paths == []
    assert {one.row.key: one.hubspot_id for one in found} == _ids(job)
