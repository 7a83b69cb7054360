"""People on a list, or whose cells say so: their rows are skipped, and nothing of them reaches the server."""

import asyncio
import json
import random

import pytest

from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import combined
from support.verify_runs import change_records, counts, verify
from support.virtual_loop import run_virtual
from uploader.check.run import Check
from uploader.errors import CheckpointError, SettingsError
from uploader.jobs.session import Seams
from uploader.records.suppression_list import Suppression
from uploader.records.write_policy import Policy
from uploader.storage import checkpoint as checkpoint_module


def job_of(tmp_path, rows, *, ndjson=False, held=(), options=None, quota="none", **scenario) -> Job:
    if ndjson:
        source = tmp_path / "contacts.ndjson"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        source = write_csv(tmp_path / "contacts.csv", rows)
    job = Job(source, make_simulator(quota=quota, latency_seconds=0.1, **scenario), dict(options or {}))
    job.simulator.reset(0.0, [{"properties": dict(properties)} for properties in held])
    return job


def listen(job: Job) -> list[bytes]:
    """The body of every request, of whatever endpoint, in lower case."""
    sent_bodies: list[bytes] = []
    handle = job.simulator.handle

    def handle_and_hear(request, now):
        sent_bodies.append(request.body.lower())
        return handle(request, now)

    job.simulator.handle = handle_and_hear
    return sent_bodies


def is_sent(address: str, sent_bodies: list[bytes]) -> bool:
    return any(address.strip().lower().encode() in body for body in sent_bodies)


#: A mark, so that no address is part of another.
def address(number: int) -> str:
    return f"person{number}.{number % 7}@example.com"


def people(count: int) -> tuple[list[dict[str, str]], Suppression, set[int]]:
    """Rows of all kinds of spelling, a list of a tenth of them, and the numbers of those rows."""
    dice = random.Random(7)
    rows, numbers = [], set()
    for i in range(count):
        spelled = dice.choice([address(i), address(i).upper(), f"  {address(i)} "])
        rows.append({"email": spelled, "firstname": f"F{i}"})
        if i % 10 == 3:
            numbers.add(i + 2)
    rows.append({"email": address(3).title(), "firstname": "again"})
    numbers.add(count + 2)
    return rows, Suppression.of(address(i) for i in range(count) if i % 10 == 3), numbers


async def _run_and_vanish(job: Job, after: float, **options) -> None:
    """As a kill would: no drain, no commit."""
    task = asyncio.ensure_future(job.run(**options))
    await asyncio.sleep(after)
    checkpoint_module.Checkpoint.commit = lambda *_: None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("form", "looks"),
    combined(
        ["csv", "fields", "inputs", "by another key"],
        [False, True],
        usual=lambda form, looks: looks == (form != "csv"),
    ),
)
def test_suppressed_people_are_never_sent_whatever_fails_or_is_killed(tmp_path, monkeypatch, form, looks):
    rows, listed, numbers = people(1_000)
    shift = 0 if form in {"csv", "by another key"} else 1
    options = {"suppression": listed, "skip_unchanged": looks}
    sent_as = rows
    if form == "inputs":
        sent_as = [{"id": r["email"], "properties": {"firstname": r["firstname"]}} for r in rows]
    if form == "by another key":
        options["match"] = ("external_id",)
        sent_as = [{"external_id": f"e{i}", **row} for i, row in enumerate(rows)]
    faults = [
        {"kind": "status", "status": 503, "rate": 0.2},
        {"kind": "drop_results", "endpoint": "upsert", "count": 3, "rate": 0.3},
        {"kind": "reset", "applied": True, "rate": 0.1},
    ]
    job = job_of(tmp_path, sent_as, ndjson=bool(shift), options=options, faults=faults)
    sent_bodies = listen(job)
    clock = 0.0
    for after in (0.25, 0.55, 1.1):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_module.Checkpoint, "commit", checkpoint_module.Checkpoint.commit)
            run_virtual(_later(job, clock, after))
        clock += after + 0.01
    job._clock = clock
    summary = job.run_virtual()
    assert (summary.state, summary.exit_code) == ("complete", 0)
    outcomes = job.outcomes()
    assert {number for number, outcome in outcomes.items() if outcome == "skipped"} == {
        n - shift for n in numbers
    }
    assert summary.as_dict()["skipped"] == len(numbers)
    assert summary.as_dict()["skipped_because"] == {"SUPPRESSED": len(numbers)}
    assert not [i for i in range(1_000) if i % 10 == 3 and is_sent(address(i), sent_bodies)]
    assert is_sent(address(4), sent_bodies)
    assert len(job.held()) == 900
    report = counts(verify(job)[0])
    assert sum(report.values()) == 900
    assert report.keys() <= {"equal", "hubspot"}  # it re-cases addresses


async def _later(job: Job, clock: float, after: float) -> None:
    asyncio.get_running_loop()._jumping.now = clock
    await _run_and_vanish(job, after)


def test_suppressed_contacts_that_exist_stay_untouched(tmp_path):
    held = {"email": "bob@x.com", "external_id": "7", "firstname": "Old"}
    rows = [{"external_id": "7", "email": "BOB@x.com", "firstname": "New"}]
    options = {"match": ("external_id",), "suppression": Suppression.of(["bob@x.com"])}
    job = job_of(tmp_path, rows, held=[held], options=options)
    assert job.run_virtual().as_dict()["skipped"] == 1
    assert job.held()["bob@x.com"]["firstname"] == "Old"


def test_rows_whose_cells_say_so_are_skipped_and_the_column_is_not_sent(tmp_path):
    says = ["1", "0", "", "TRUE", "No", "perhaps"]
    rows = [{**row, "Email Opt Out": say} for row, say in zip(contacts(6), says, strict=True)]
    job = job_of(tmp_path, rows, options={"suppress_where": {"Email Opt Out": ()}})
    sent_bodies = listen(job)
    summary = job.run_virtual()
    outcomes = ["skipped", "created", "created", "skipped", "created", "invalid"]
    assert [job.outcomes()[number] for number in range(2, 8)] == outcomes
    assert summary.exit_code == 1
    assert not any(b"opt" in body for body in sent_bodies)
    assert [letter.category for letter in job.dead_letters()] == ["BOOLEAN"]


@pytest.mark.parametrize("ndjson", [False, True])
def test_an_opt_out_that_nobody_has_decided_stops_the_job_before_it_writes(tmp_path, ndjson):
    rows = [{**row, "HasOptedOutOfEmail": "0"} for row in contacts(300)]
    job = job_of(tmp_path, rows, ndjson=ndjson)
    with pytest.raises(SettingsError, match="--suppress-where"):
        job.run_virtual()
    assert job.simulator.stats()["upserts"] == 0
    assert job.run_virtual(ignored=frozenset({"HasOptedOutOfEmail"})).exit_code == 0
    assert len(job.held()) == 300


def test_a_field_that_tells_of_an_opt_out_further_down_makes_its_rows_invalid(tmp_path):
    rows = contacts(3_000)
    rows[2_999] = {**rows[2_999], "email_opt_out": "true"}
    job = job_of(tmp_path, rows, ndjson=True, properties=[{"name": "email_opt_out", "label": "O"}])
    summary = job.run_virtual()
    assert (summary.as_dict()["invalid"], len(job.held())) == (1, 2_999)


def test_going_on_with_another_list_is_refused_once_a_row_is_confirmed(tmp_path):
    rows = contacts(3_000)
    job = job_of(tmp_path, rows, quota="190/10", options={"suppression": Suppression.of(["c1@example.com"])})
    assert 0 < job.run_virtual(stop_after=1.5).as_dict()["created"] < 2_999
    longer = Suppression.of(["c1@example.com", "c2999@example.com"])
    for other in (longer, None):
        with pytest.raises(CheckpointError, match="suppress was '1 addresses"):
            job.run_virtual(suppression=other)
    assert job.run_virtual(suppression=longer, accept_changed_settings=True).state == "complete"
    assert not {"c1@example.com", "c2999@example.com"} & job.held().keys()


def test_every_record_carries_the_mark_of_the_run_and_verify_looks_for_it(tmp_path):
    job = job_of(tmp_path, contacts(250), options={"constants": {"tier": "Gold"}})
    job.run_virtual()
    assert {held["tier"] for held in job.held().values()} == {"gold"}
    assert counts(verify(job)[0]) == {"equal": 250}
    change_records(job, [{"email": "c7@example.com", "properties": {"tier": "silver"}}])
    report, findings = verify(job, restart=True)
    assert counts(report) == {"equal": 249, "differs": 1}
    assert [(one.property, one.wanted, one.found) for one in findings] == [("tier", "gold", "silver")]


def test_a_mark_is_set_whatever_may_happen_to_the_values_of_rows(tmp_path):
    held = [{"email": "c1@example.com", "firstname": "Old", "tier": "silver"}]
    rows = [{**row, "city": "Ulm"} for row in contacts(3)]
    job = job_of(tmp_path, rows, held=held, options={"constants": {"tier": "gold"}, "policy": Policy.FILL})
    assert job.run_virtual().exit_code == 0
    assert {one["tier"] for one in job.held().values()} == {"gold"}
    assert {n: job.held()["c1@example.com"][n] for n in ("firstname", "city")} == {
        "firstname": "Old",
        "city": "Ulm",
    }
    assert counts(verify(job)[0]) == {"equal": 3}


@pytest.mark.parametrize("ndjson", [False, True])
def test_a_mark_that_can_not_be_set_is_said_before_anything_is_written(tmp_path, ndjson):
    job = job_of(tmp_path, contacts(3), ndjson=ndjson)
    for constants in ({"nickname": "x"}, {"hubspot_owner_id": "nobody@x.com"}):
        with pytest.raises(SettingsError, match="--set"):
            job.run_virtual(constants=constants)
    assert job.simulator.stats()["upserts"] == 0


def test_going_on_without_the_mark_is_refused_once_a_row_is_confirmed(tmp_path):
    job = job_of(tmp_path, contacts(3_000), quota="190/10", options={"constants": {"tier": "Gold"}})
    assert job.run_virtual(stop_after=1.5).as_dict()["created"]
    with pytest.raises(CheckpointError, match=r"set was \{'tier': 'Gold'\}"):
        job.run_virtual(constants={})


def test_check_finds_what_upload_skips(tmp_path):
    rows, listed, numbers = people(400)
    rows[5]["email"] = rows[6]["email"]
    job = job_of(tmp_path, rows, options={"suppression": listed})

    async def check():
        seams = Seams(transport=lambda _: MockTransport(job.simulator), offload=lambda _: Inline())
        return await Check(job.settings(write_results=False), seams).run()

    report = run_virtual(check())
    found = report.findings
    assert (found.suppressed, found.skipped, found.sendable) == (
        len(numbers),
        len(numbers),
        401 - len(numbers),
    )
    assert found.repeated_rows == 1  # of those that are sent
    assert len(report.unseen) == 3
