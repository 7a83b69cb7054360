"""Undo knows created contacts by their id, archives none that was there before, and lists who is missing."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.killed_runs import killed
from support.mock_transport import MockTransport, make_simulator
from support.soaked import some
from support.undo_runs import (
    UndoOutcome,
    archived,
    change_records,
    counts,
    id_of,
    people,
    rows_for,
    state,
    undo,
    uploaded,
    writes,
)
from uploader.hubspot.replies import Result, Version
from uploader.mockserver.bodies.error_bodies import iso
from uploader.storage.snapshot import Former, SnapshotFile
from uploader.undo.plan import (
    CREATED_LOST,
    DELETED_SINCE,
    MAYBE_CREATED,
    MERGED_SINCE,
    TAKEN_OVER,
    Plan,
    Portal,
    plan,
)
from uploader.undo.undo_file import UndoFile

DAY = 86_400.0
OURS = {"type": "INTEGRATION", "id": "1512050"}
PERSON = {"type": "CRM_UI", "id": "userId:7"}


def snapshot_of(job: Job) -> Path:
    return Path(f"{job.source}.checkpoint.snapshot")


def as_of_0_6_2(job: Job) -> None:
    """The snapshot as that version left it, by a machine whose clock was right."""
    with closing(sqlite3.connect(snapshot_of(job))) as connection:
        connection.executescript(
            "UPDATE contacts SET kept_at = seen_at; ALTER TABLE contacts DROP COLUMN seen_at;"
            "DROP TABLE reached;"
        )


def undo_of_0_6_2(job: Job, script: str = "") -> None:
    """The undo file as that version left it."""
    with closing(sqlite3.connect(f"{job.source}.checkpoint.undo")) as connection:
        connection.executescript(
            "DROP TABLE archived; ALTER TABLE keys DROP COLUMN contact; ALTER TABLE keys DROP COLUMN how;"
            f"ALTER TABLE keys DROP COLUMN absent_at; {script}"
        )


def move_address(job: Job, address: str, owner: str) -> None:
    """Its contact is merged into another one that keeps its id, as HubSpot merged until 2025."""
    records = job.simulator.account._store("contacts").records
    loser, winner = records.owner("email", address), records.owner("email", owner)
    if loser is not winner:
        records.archive(loser, "2027-03-01T00:00:00.000Z")
    winner.additional_emails = (address,)
    records._owners["email"][address] = winner


def older(email: str = "a@x.com", **properties: str) -> dict[str, object]:
    """A contact of last year's migration, by the same app."""
    return {"properties": {"email": email, "firstname": "Ann", "city": "Ulm", **properties}, "source": OURS}


def a_year_later(tmp_path, emails, held=(), **options) -> Job:
    rows = [{"email": email, "city": "Bonn"} for email in emails]
    job = Job(
        write_csv(tmp_path / "c.csv", rows), make_simulator(quota="none"), {"snapshot": True, **options}
    )
    job.simulator.reset(0.0, held)
    job._clock = 365 * DAY
    assert job.run_virtual().exit_code == 0
    job._clock += DAY
    return job


def corrected(email: str, source=PERSON) -> dict[str, object]:
    return {"email": email, "properties": {"email": "new@example.com"}, "source": source}


def outcomes_and_reasons(kept) -> dict[str, tuple[UndoOutcome, str]]:
    return {one.key: (one.outcome, one.finding.why) for one in kept}


# --- what the job created is found by its id ---


@pytest.mark.parametrize("source", [PERSON, OURS])
def test_a_created_contact_whose_address_was_corrected_is_kept_and_listed(tmp_path, source):
    job = uploaded(tmp_path, rows_for(5))
    change_records(job, [corrected("c1@example.com", source)])
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"archived": 4, "kept": 1}, 1)
    assert [(one.key, one.finding.property, one.finding.now) for one in kept] == [
        ("c1@example.com", "email", "new@example.com")
    ]
    assert [held["email"] for held in state(job).values()] == ["new@example.com"]


def test_a_created_contact_that_was_deleted_is_listed(tmp_path):
    job = uploaded(tmp_path, rows_for(3))
    change_records(job, archive=["c1@example.com"])
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"archived": 2, "gone": 1}, 1)
    assert outcomes_and_reasons(kept) == {"c1@example.com": (UndoOutcome.GONE, DELETED_SINCE)}


@pytest.mark.parametrize("source", [PERSON, OURS])
def test_a_contact_that_others_created_anew_under_the_same_key_is_not_the_jobs(tmp_path, source):
    """Not even where the same app wrote the same values."""
    job = uploaded(tmp_path, rows_for(3))
    values = dict(state(job)[id_of(job, "c1@example.com")])
    change_records(job, archive=["c1@example.com"])
    job.simulator.account.seed(
        {"contacts": [{"properties": values, "source": source}]}, "2026-01-03T00:00:00.000Z"
    )
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"archived": 2, "gone": 1}, 1)
    assert outcomes_and_reasons(kept) == {"c1@example.com": (UndoOutcome.GONE, DELETED_SINCE)}
    assert list(state(job).values()) == [values]


def test_a_contact_that_vanished_between_read_and_write_is_taken_back_as_created(tmp_path):
    """Its key has two contacts: the one that was there, and the one that the job created."""
    simulator = make_simulator(quota="1/10")
    job = Job(write_csv(tmp_path / "contacts.csv", rows_for(3)), simulator, {"snapshot": True})
    simulator.reset(0.0, [{"properties": one} for one in people(3)])
    first = id_of(job, "c1@example.com")

    def vanish(run) -> None:
        with closing(sqlite3.connect(snapshot_of(job))) as connection:
            is_read = connection.execute("SELECT count(*) FROM contacts").fetchone()[0]
        if is_read and first not in archived(job):
            simulator.change_records(run.session.clocks.loop(), (), ["c1@example.com"])

    assert job.run_virtual(on_tick=vanish).as_dict()["created"] == 1
    assert len(state(job)) == 3
    report, kept = undo(job)
    assert counts(report) == {"restored": 2, "gone": 1, "archived": 1}
    assert [(one.outcome, one.hubspot_id) for one in kept] == [(UndoOutcome.GONE, first)]
    assert {one["email"] for one in state(job).values()} == {"c0@example.com", "c2@example.com"}


@pytest.mark.parametrize("stored", ["Bonn", "Bonn (DE)"])
@pytest.mark.parametrize("source", [PERSON, OURS])
def test_a_contact_that_others_created_between_read_and_write_is_not_archived(tmp_path, source, stored):
    """By the reply to the write it existed, though the read had not found it. HubSpot may have
    `stored` what was sent in a form of its own.
    """

    class Overtaken(MockTransport):
        async def send(self, call, on_sent=lambda: None):
            if call.path.endswith("/batch/upsert"):
                at = self.simulator.wall(asyncio.get_running_loop().time())
                values = {"email": "c1@example.com", "city": "Bonn"}
                self.simulator.account.seed({"contacts": [{"properties": values, "source": source}]}, iso(at))
            return await super().send(call, on_sent)

    path = write_csv(tmp_path / "c.csv", contacts(2, city="Bonn"))
    job = Job(path, make_simulator(quota="none"), {"snapshot": True}, make_transport=Overtaken)
    job.simulator.reset(0.0, [])
    summary = job.run_virtual().as_dict()
    assert (summary["created"], summary["updated"]) == (1, 1)
    record = job.simulator.account._store("contacts").records.owner("email", "c1@example.com")
    record.packed = record.packed.replace(b'"Bonn"', f'"{stored}"'.encode())
    job._clock += DAY
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"archived": 1, "kept": 1}, 1)
    assert {(one.key, one.finding.property) for one in kept} == {
        ("c1@example.com", "city"),
        ("c1@example.com", "firstname"),
    }
    assert [one["email"] for one in state(job).values()] == ["c1@example.com"]


def test_an_unconfirmed_key_without_a_contact_is_listed(tmp_path):
    fault = {"kind": "batch_status", "status": "PENDING", "results_share": 0.0, "applied": False, "rate": 1.0}
    job = uploaded(tmp_path, rows_for(2), faults=[fault])
    job.simulator.change_scenario(make_simulator().scenario)
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"gone": 2}, 1)
    assert {why for _, why in outcomes_and_reasons(kept).values()} == {MAYBE_CREATED}


def test_a_row_that_was_refused_before_a_kill_created_no_contact(tmp_path):
    """The kill left its entry in the snapshot; the checkpoint knows that it was refused."""
    refuse = {"kind": "reject", "keys": ["c1@example.com"], "category": "VALIDATION_ERROR", "message": "no"}
    job = uploaded(tmp_path, contacts(3), faults=[refuse])
    snapshot = SnapshotFile(Path(f"{job.source}.checkpoint"), UndoFile(snapshot_of(job)).about)
    snapshot.keep([Former("email=c1@example.com", "email", "c1@example.com", "", 3, 0, {}, {})])
    snapshot.close()
    report, kept = undo(job)
    assert (counts(report), kept, report.exit_code) == ({"archived": 2, "as_before": 1}, [], 0)
    Path(f"{job.source}.checkpoint").unlink()
    report, kept = undo(job, restart=True)
    assert counts(report) == {"as_before": 2, "gone": 1}
    assert outcomes_and_reasons(kept) == {"c1@example.com": (UndoOutcome.GONE, MAYBE_CREATED)}


def test_a_refused_row_does_not_hide_a_later_row_of_its_key_that_was_in_flight_at_a_kill(tmp_path):
    refuse = {"kind": "reject", "keys": ["c1@example.com"], "category": "VALIDATION_ERROR", "message": "no"}
    job = uploaded(tmp_path, contacts(3), faults=[refuse])
    snapshot = SnapshotFile(Path(f"{job.source}.checkpoint"), UndoFile(snapshot_of(job)).about)
    for position, city in ((1, "Bonn"), (3, "Kiel")):
        sent = {"city": city}
        former = ("email=c1@example.com", "email", "c1@example.com", "", position + 2, 0, {}, sent)
        snapshot.keep([Former(*former, position=position)])
    snapshot.close()
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"archived": 2, "gone": 1}, 1)
    assert outcomes_and_reasons(kept) == {"c1@example.com": (UndoOutcome.GONE, MAYBE_CREATED)}


def test_a_confirmed_key_with_an_unknown_id_is_listed_once_it_has_no_contact(tmp_path):
    """The first answer is lost, and that to the second sending names nobody."""
    fault = {"kind": "reset", "applied": True, "first": 1, "endpoint": "upsert"}
    job = uploaded(tmp_path, rows_for(3), faults=[fault])
    change_records(job, [corrected("c1@example.com")])
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"archived": 2, "gone": 1}, 1)
    assert outcomes_and_reasons(kept) == {"c1@example.com": (UndoOutcome.GONE, CREATED_LOST)}


@pytest.mark.parametrize("category", ["INTERNAL_ERROR", "FORBIDDEN"])
def test_a_key_that_can_not_be_looked_up_is_listed_as_failed(tmp_path, category):
    job = uploaded(tmp_path, rows_for(4))
    as_of_0_6_2(job)
    fault = {"kind": "reject", "endpoint": "read", "category": category, "keys": ["c1@example.com"]}
    job.simulator.change_scenario(make_simulator(faults=[fault]).scenario)
    report, kept = undo(job)
    assert counts(report) == {"archived": 3, "failed": 1}
    assert outcomes_and_reasons(kept) == {
        "c1@example.com": (UndoOutcome.FAILED, f"HubSpot did not answer for it ({category})")
    }


# --- what was there before is not archived ---


@pytest.mark.parametrize("is_old", [False, True])
def test_a_contact_of_the_file_that_took_over_a_created_ones_address_is_restored(tmp_path, is_old):
    job = a_year_later(tmp_path, ["a@x.com", "b@x.com"], [older()])
    move_address(job, "b@x.com", "a@x.com")
    if is_old:
        as_of_0_6_2(job)
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"restored": 1, "gone": 1}, 1)
    assert outcomes_and_reasons(kept) == {
        "b@x.com": (UndoOutcome.GONE, TAKEN_OVER if is_old else DELETED_SINCE)
    }
    (held,) = state(job).values()
    assert (held["email"], held["city"]) == ("a@x.com", "Ulm")


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("city", ["Ulm", "Bonn"])
def test_an_older_contact_that_took_over_a_created_ones_address_is_left_alone(tmp_path, city, is_old):
    """Even where it holds the very value that the job sent."""
    job = a_year_later(tmp_path, ["b@x.com"], [older(city=city)])
    move_address(job, "b@x.com", "a@x.com")
    if is_old:
        as_of_0_6_2(job)
    held = state(job)
    report, kept = undo(job)
    assert (counts(report), report.exit_code, writes(job)) == ({"gone": 1}, 1, 0)
    assert outcomes_and_reasons(kept) == {
        "b@x.com": (UndoOutcome.GONE, TAKEN_OVER if is_old else DELETED_SINCE)
    }
    assert state(job) == held


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("is_primary", [False, True])
@pytest.mark.parametrize("emails", [["b@x.com"], ["a@x.com", "b@x.com"]])
def test_what_a_merge_made_of_a_created_and_an_older_contact_is_kept(tmp_path, emails, is_primary, is_old):
    """It has a new id, and answers to both of theirs."""
    job = a_year_later(tmp_path, emails, [older()])
    two = [{"email": "a@x.com"}, {"email": "b@x.com"}]
    made = job.simulator.merge(job._clock, *(reversed(two) if is_primary else two))
    if is_old:
        as_of_0_6_2(job)
    held = state(job)
    job._clock += DAY
    report, kept = undo(job)
    assert (counts(report), report.exit_code, writes(job)) == ({"gone": len(emails)}, 1, 0)
    found = outcomes_and_reasons(kept)
    assert found["b@x.com"] == (UndoOutcome.GONE, TAKEN_OVER if is_old else MERGED_SINCE)
    assert found.get("a@x.com") in {None, (UndoOutcome.GONE, MERGED_SINCE)}
    assert {one.finding.now for one in kept} == {made}
    assert state(job) == held


def test_two_created_contacts_that_were_merged_are_kept(tmp_path):
    job = a_year_later(tmp_path, ["a@x.com", "b@x.com"])
    job.simulator.merge(job._clock, {"email": "a@x.com"}, {"email": "b@x.com"})
    report, kept = undo(job)
    assert (counts(report), writes(job)) == ({"gone": 2}, 0)
    assert {why for _, why in outcomes_and_reasons(kept).values()} == {MERGED_SINCE}


def test_an_older_contact_that_a_later_row_wrote_by_a_created_ones_key_is_restored(tmp_path):
    """The address moved while the job ran: what the older one held then is kept as a former value."""
    rows = [{"email": "b@x.com", "city": "Bonn"}, {"email": "b@x.com", "city": "Kiel"}]
    job = Job(write_csv(tmp_path / "c.csv", rows), make_simulator(quota="1/10"), {"snapshot": True})
    job.simulator.reset(0.0, [older()])
    job._clock = 365 * DAY

    def move(run) -> None:
        if run.pipeline.collector.tallies.settled == 1 and len(state(job)) == 2:
            move_address(job, "b@x.com", "a@x.com")

    assert job.run_virtual(on_tick=move).as_dict()["updated"] == 1
    assert [one["city"] for one in state(job).values()] == ["Kiel"]
    report, kept = undo(job)
    assert counts(report) == {"restored": 1, "gone": 1}
    assert outcomes_and_reasons(kept) == {"b@x.com": (UndoOutcome.GONE, DELETED_SINCE)}
    assert [one["city"] for one in state(job).values()] == ["Ulm"]


def test_a_contact_that_was_there_by_one_key_is_not_judged_as_created_by_another(tmp_path):
    """The job was killed, so that nobody knows whether the other key's row was written."""
    about = {"job": "1", "portal": "44237313", "object_type": "contacts"}
    snapshot = SnapshotFile(tmp_path / "c.csv.checkpoint", about)
    for key, hubspot_id in (("b@x.com", ""), ("a@x.com", "5"), ("b@x.com", "5")):
        held = {"city": "Ulm"} if hubspot_id else {}
        snapshot.keep([Former(f"email={key}", "email", key, hubspot_id, 2, 0, held, {"city": "Bonn"})])
    snapshot.close()
    file = UndoFile(tmp_path / "c.csv.checkpoint.snapshot")
    try:
        file.open()
        while file.copy():
            pass
        file.gather()
        assert list(file.traces(10, created=True)) == []
        ((trace,),) = file.traces(10, created=False)
        assert [(one.key, one.finding.why) for one in file.kept()] == [("b@x.com", TAKEN_OVER)]
    finally:
        file.close()
    assert (trace.was_there, trace.absences, trace.former) == (True, [], {"city": "Ulm"})


# --- undone twice, and by files of 0.6.2 ---


def test_what_an_earlier_undo_archived_is_as_before(tmp_path):
    job = uploaded(tmp_path, rows_for(20), people(5))
    change_records(job, archive=["c9@example.com"])
    undo(job)
    expected = {"as_before": 19, "gone": 1}
    for options in ({"dry": True}, {"restart": True}, {"restart": True}, {"dry": True}):
        report, kept = undo(job, **options)
        assert (counts(report), report.exit_code) == (expected, 1)
        assert outcomes_and_reasons(kept) == {"c9@example.com": (UndoOutcome.GONE, DELETED_SINCE)}
    assert state(job) == job.before


def test_what_an_earlier_undo_was_about_to_archive_is_found_by_its_id(tmp_path):
    """No answer named it, and its address was corrected before the undo was begun anew."""
    job = uploaded(tmp_path, rows_for(3))
    with closing(sqlite3.connect(snapshot_of(job))) as connection:
        connection.execute("DELETE FROM reached")
        connection.commit()
    stop = {"kind": "status", "status": 401, "endpoint": "archive"}
    job.simulator.change_scenario(make_simulator(faults=[stop]).scenario)
    assert undo(job)[0].end is not None
    job.simulator.change_scenario(make_simulator().scenario)
    change_records(job, [corrected("c1@example.com")])
    report, kept = undo(job, restart=True)
    assert (counts(report), report.exit_code) == ({"archived": 2, "kept": 1}, 1)
    assert {one.key for one in kept} == {"c1@example.com"}
    assert [one["email"] for one in state(job).values()] == ["new@example.com"]


def test_an_undo_file_that_can_not_be_read_is_begun_anew_where_that_is_asked(tmp_path):
    job = uploaded(tmp_path, rows_for(3))
    Path(f"{job.source}.checkpoint.undo").write_bytes(b"no database at all" * 100)
    report, _ = undo(job, restart=True)
    assert counts(report) == {"archived": 3}


@pytest.mark.parametrize(
    ("endpoint", "first", "done"), some(("archive", 2, 100), ("update", 1, 200), soaked=[("archive", 1, 0)])
)
def test_a_half_done_undo_of_0_6_2_goes_on(tmp_path, endpoint, first, done):
    job = uploaded(tmp_path, rows_for(400), people(200))
    as_of_0_6_2(job)
    stop = {"kind": "status", "status": 401, "endpoint": endpoint, "requests": [first, 999]}
    job.simulator.change_scenario(make_simulator(faults=[stop]).scenario)
    assert undo(job, max_in_flight=1)[0].end is not None
    job.simulator.change_scenario(make_simulator().scenario)
    assert len(archived(job)) == done
    undo_of_0_6_2(job)
    report, _ = undo(job)
    assert (counts(report), state(job)) == ({"archived": 200, "restored": 200}, job.before)


def test_a_key_without_a_contact_that_0_6_2_took_for_undone_is_listed(tmp_path):
    job = uploaded(tmp_path, contacts(3))
    as_of_0_6_2(job)
    change_records(job, [corrected("c1@example.com")])
    assert counts(undo(job)[0]) == {"archived": 2, "gone": 1}
    undo_of_0_6_2(job, "UPDATE keys SET fate = 'as before' WHERE fate = 'gone'; DELETE FROM findings;")
    for is_old in (False, True):
        report, kept = undo(job)
        assert (counts(report), report.exit_code) == ({"archived": 2, "gone": 1}, 1)
        assert (outcomes_and_reasons(kept), report.is_old) == (
            {"c1@example.com": (UndoOutcome.GONE, MAYBE_CREATED)},
            is_old,
        )


def test_a_snapshot_of_0_6_2_is_undone(tmp_path):
    job = uploaded(tmp_path, rows_for(6), people(3))
    as_of_0_6_2(job)
    change_records(job, archive=["c5@example.com"])
    report, kept = undo(job)
    assert counts(report) == {"archived": 2, "restored": 3, "gone": 1}
    assert outcomes_and_reasons(kept) == {"c5@example.com": (UndoOutcome.GONE, MAYBE_CREATED)}


def test_what_an_earlier_attempt_was_about_to_write_stays_known(tmp_path):
    """Both may have been written: what is found so later was written back, and is no less restored."""
    job = uploaded(tmp_path, contacts(1, city="Bonn"), [{"email": "c0@example.com", "firstname": "Old"}])
    file = UndoFile(snapshot_of(job))
    try:
        file.open()
        while file.copy():
            pass
        file.gather()
        ((trace,),) = file.traces(10, created=False)
        for values in ({"firstname": "Old"}, {"city": ""}):
            file.decide([Plan(trace.number, trace.hubspot_id, UndoOutcome.RESTORED, restore=values)])
        ((trace,),) = file.traces(10, created=False)
    finally:
        file.close()
    assert trace.restoring == {"firstname": "Old", "city": ""}
    versions = {name: [Version(text, "", "INTEGRATION", "1512050")] for name, text in trace.former.items()}
    held = Result(trace.hubspot_id, False, "", dict(trace.former), history=versions)
    made = plan(trace, held, Portal("1512050", frozenset(trace.former), {}))
    assert (made.outcome, made.restored_before) == (UndoOutcome.RESTORED, 2)


def rows_of_one_key() -> list[dict[str, str]]:
    """Its second row comes once the first one's batch is long confirmed."""
    first = {"email": "a@x.com", "city": "Bonn"}
    return [first, *({"email": f"b{n}@x.com", "city": "Bonn"} for n in range(30)), first | {"city": "Kiel"}]


@pytest.mark.parametrize("then", ["undone", "finished", "corrected"])
def test_a_second_contact_of_a_key_created_in_flight_is_found(tmp_path, then):
    """The first one, whose id is known, was archived by an undo in between."""
    simulator = make_simulator(quota="none", latency_seconds=0.2)
    simulator.reset(0.0, [])
    options = {"snapshot": True, "max_in_flight": 1}
    job = Job(write_csv(tmp_path / "contacts.csv", rows_of_one_key()), simulator, options)
    killed(job, at_upsert=3)
    job._clock += 3_600
    undo(job)
    assert state(job) == {}
    job._clock += 3_600
    assert "a@x.com" in killed(job, at_upsert=2)
    job._clock += 3_600
    if then == "finished":
        assert job.run_virtual().state == "complete"
        job._clock += 3_600
    if then == "corrected":
        change = {"email": "a@x.com", "properties": {"email": "new@x.com"}, "source": PERSON}
        simulator.change_records(job._clock, [change], ())
        job._clock += 3_600
    report, listed = undo(job)
    if then == "corrected":
        assert [(one.key, one.finding.why) for one in listed] == [("a@x.com", MAYBE_CREATED)]
        assert (len(state(job)), report.exit_code) == (1, 1)
    else:
        assert (state(job), listed, report.exit_code) == ({}, [], 0)
