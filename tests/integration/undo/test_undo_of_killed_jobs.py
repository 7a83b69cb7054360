"""Undo of a job that was killed: what was there before is what was there before its first write, not before
its first reading, and what others wrote between the kill and the resume.
"""

import sqlite3
from contextlib import closing

import pytest

from support.jobs import Job, contacts, write_csv
from support.killed_runs import killed
from support.mock_transport import make_simulator
from support.soaked import combined
from support.undo_runs import archived, counts, id_of, state, undo
from uploader.errors import StorageError
from uploader.storage import snapshot as snapshot_module

ROWS = 120
#: Every other row's contact is there.
HELD = [{"email": f"c{n}@example.com", "firstname": f"Old {n}", "city": "Ulm"} for n in range(0, ROWS, 2)]
PERSON = {"type": "CRM_UI", "id": "userId:7"}


def make_job(tmp_path, rows=None, **options) -> Job:
    rows = rows or contacts(ROWS, city="Bonn")
    simulator = make_simulator(quota="30/10", latency_seconds=0.5)  # so that rows wait that are read already
    options = {"snapshot": True, "max_in_flight": 6, **options}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), simulator, options)
    job.simulator.reset(0.0, [{"properties": dict(one)} for one in HELD])
    return job


def kept(job: Job) -> set[str]:
    with closing(sqlite3.connect(f"{job.source}.checkpoint.snapshot")) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM contacts")}


def set_city(job: Job, emails, city: str, source=PERSON) -> None:
    job._clock += 3_600
    update = [{"email": one, "properties": {"city": city}, "source": source} for one in emails]
    job.simulator.change_records(job._clock, update, ())
    job._clock += 3_600


def create_by_another_job(job: Job, emails, **values: str) -> None:
    """Of the same app; without `values` with just what the job's rows have."""
    job._clock += 3_600
    rows = [
        {"email": row["email"], **values} if values else row
        for row in contacts(ROWS, city="Bonn")
        if row["email"] in emails
    ]
    other = Job(write_csv(job.source.with_name("other.csv"), rows), job.simulator, {})
    other._clock = job._clock
    assert other.run_virtual().as_dict()["created"] == len(rows)
    job._clock = other._clock + 3_600


def power_cut(job: Job, monkeypatch) -> None:
    """Nothing proves any more what had left."""
    monkeypatch.setattr(snapshot_module, "boot_id", lambda: "after the power cut")


@pytest.mark.parametrize("applies", [True, False], ids=["arrived", "lost"])
@pytest.mark.parametrize("is_power_cut", [False, True], ids=["kill", "power cut"])
def test_what_a_person_wrote_between_is_what_was_there_unless_the_job_had_written(
    tmp_path, monkeypatch, is_power_cut, applies
):
    job = make_job(tmp_path)
    before = state(job)
    left = killed(job, applies=applies)
    there = {one["email"] for one in HELD}
    never = kept(job) & there - left - {one["email"] for one in state(job).values() if one["city"] == "Bonn"}
    assert never
    assert left & there
    touched = sorted(never)[::2] + sorted(left & there)[::2]
    set_city(job, touched, "Trier")
    if is_power_cut:
        power_cut(job, monkeypatch)
    assert job.run_virtual().state == "complete"
    report, listed = undo(job)
    wanted = dict(before)
    for email in touched:
        if email in never or not applies:
            wanted[id_of(job, email)] = {**before[id_of(job, email)], "city": "Trier"}
    assert state(job) == wanted
    assert (report.exit_code, listed) == (0, [])


@pytest.mark.parametrize("applies", [True, False], ids=["arrived", "lost"])
@pytest.mark.parametrize("is_power_cut", [False, True], ids=["kill", "power cut"])
def test_what_another_job_created_between_is_not_archived(tmp_path, monkeypatch, is_power_cut, applies):
    job = make_job(tmp_path)
    before = state(job)
    killed(job, applies=applies)
    absent = sorted(kept(job) - {one["email"] for one in state(job).values()})
    assert absent
    create_by_another_job(job, absent, firstname="Other", phone="123")
    others = {one: held for one, held in state(job).items() if held["email"] in absent}
    if is_power_cut:
        power_cut(job, monkeypatch)
    assert job.run_virtual().state == "complete"
    report, listed = undo(job)
    assert state(job) == before | others
    assert (report.exit_code, listed) == (0, [])


@pytest.mark.parametrize(
    ("goes_on", "is_power_cut", "applies"),
    combined(*[[True, False]] * 3, usual=lambda *three: sum(three) % 2 == 0),
)
def test_a_killed_job_is_undone(tmp_path, monkeypatch, goes_on, is_power_cut, applies):
    job = make_job(tmp_path)
    before = state(job)
    for at_upsert in (3, 2, 4):
        killed(job, at_upsert=at_upsert, applies=applies)
    if is_power_cut:
        power_cut(job, monkeypatch)
    assert not goes_on or job.run_virtual().state == "complete"
    report, listed = undo(job)
    assert state(job) == before
    # Of what nobody finds, nobody can say that it was never created.
    assert {one.finding.why for one in listed} <= {
        "its key matches no contact, and it is unknown whether the job created one"
    }
    assert not goes_on or (report.exit_code, listed) == (0, [])


@pytest.mark.parametrize("goes_on", [True, False], ids=["goes on", "ends there"])
def test_what_another_job_created_long_after_a_lost_request_is_not_archived(tmp_path, goes_on):
    """Of the same app, and with the same values: but no request is on its way for an hour."""
    job = make_job(tmp_path)
    before = state(job)
    lost = sorted(killed(job, applies=False) - {one["email"] for one in state(job).values()})
    assert lost
    create_by_another_job(job, lost)
    others = {one: held for one, held in state(job).items() if held["email"] in lost}
    assert not goes_on or job.run_virtual().state == "complete"
    report, listed = undo(job)
    assert state(job) == before | others
    # Nobody knows what the other job found, if this one has not read it.
    assert {one.hubspot_id for one in listed} == (set() if goes_on else set(others))
    assert report.exit_code == (0 if goes_on else 1)


def test_a_value_that_hubspot_stores_in_a_form_of_its_own_is_kept_and_listed_after_a_kill(tmp_path):
    """It is not what was sent, and yet the job may have written it."""
    job = make_job(tmp_path)
    left = killed(job, applies=True)
    records = job.simulator.account._store("contacts").records
    for email in left:
        record = records.owner("email", email)
        record.packed = record.packed.replace(b'"Bonn"', b'"Bonn (DE)"')
        record.history = tuple(
            (at, source, packed.replace(b'"Bonn"', b'"Bonn (DE)"')) for at, source, packed in record.history
        )
    job._clock += 3_600
    report, listed = undo(job)
    assert {one["email"] for one in state(job).values() if one["city"] == "Bonn (DE)"} == left
    assert {one.key for one in listed} == left
    assert report.exit_code == 1


def test_rows_that_never_left_are_nothing_to_undo_after_a_kill(tmp_path):
    """Another job of the same app creates just what they would have."""
    job = make_job(tmp_path)
    before = state(job)
    left = killed(job)
    absent = kept(job) - {one["email"] for one in state(job).values()}
    assert absent
    assert not absent & left
    create_by_another_job(job, absent)
    others = {one: held for one, held in state(job).items() if held["email"] in absent}
    report, listed = undo(job)
    assert state(job) == before | others
    assert (report.exit_code, listed) == (0, [])


def test_a_killed_job_that_is_started_over_can_still_be_undone(tmp_path):
    """Its checkpoint is gone, which knew what had been sent."""
    job = make_job(tmp_path)
    before = state(job)
    killed(job)
    absent = kept(job) - {one["email"] for one in state(job).values()}
    job._clock += 3_600
    job.run_virtual(restart=True)
    undo(job)
    create_by_another_job(job, absent)
    others = {one: held for one, held in state(job).items() if held["email"] in absent}
    report, listed = undo(job, f"{job.source}.checkpoint.snapshot.1")
    assert state(job) == before | others
    assert (report.exit_code, listed) == (0, [])


def test_a_later_rows_property_is_read_anew_if_it_never_left(tmp_path):
    """The contact's entry stands: an earlier row has written another property."""
    first = [{"email": f"c{n}@example.com", "city": "Bonn", "phone": ""} for n in range(0, 20, 2)]
    second = [{"email": f"c{n}@example.com", "city": "", "phone": "1"} for n in range(0, 20, 2)]
    job = make_job(tmp_path, [*first, *second])
    before = state(job)
    # The second upsert, of the later rows, never leaves.
    snapshot_keep = snapshot_module.SnapshotFile.keep
    emails = [one["email"] for one in second]

    def keep_and_die(self, formers):
        snapshot_keep(self, formers)
        if any("phone" in former.sent for former in formers):
            raise StorageError("killed")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(snapshot_module.SnapshotFile, "keep", keep_and_die)
        killed_now(job)
    assert {state(job)[one]["city"] for one in before if before[one]["email"] in emails} == {"Bonn"}
    job._clock += 3_600
    update = [{"email": one, "properties": {"phone": "7"}, "source": PERSON} for one in emails]
    job.simulator.change_records(job._clock, update, ())
    job._clock += 3_600
    assert job.run_virtual().state == "complete"
    undo(job)
    wanted = {
        one: {**held, "phone": "7"} if held["email"] in emails else held for one, held in before.items()
    }
    assert state(job) == wanted


def killed_now(job: Job) -> None:
    """As a kill in that very moment: nothing is taken out any more, and nothing noted."""

    async def no_close(self) -> None:
        return

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("uploader.pipeline.requests.contact_reader.PreWriteReader.close", no_close)
        assert job.run_virtual().state == "stopped"


def test_what_a_history_does_not_tell_is_kept_and_listed(tmp_path, monkeypatch):
    """It is unknown whether the job had written, and the history no longer has the earlier versions."""
    job = make_job(tmp_path)
    before = state(job)
    left = killed(job, applies=True)
    one = min(left & {held["email"] for held in HELD})
    record = job.simulator.account._store("contacts").records.owner("email", one)
    record.history = record.history[-1:] * 20
    assert job.run_virtual().state == "complete"
    report, listed = undo(job)
    assert [(each.key, each.finding.property) for each in listed] == [(one, "city"), (one, "firstname")]
    assert {each.finding.why for each in listed} == {
        "it may have been written before the job was killed, and its history does not show the former value"
    }
    assert report.exit_code == 1
    wanted = {
        **before[id_of(job, one)],
        "city": "Bonn",
        "firstname": state(job)[id_of(job, one)]["firstname"],
    }
    assert state(job) == before | {id_of(job, one): wanted}


def test_a_snapshot_of_0_6_2_is_undone_by_what_histories_tell(tmp_path):
    """It has no positions, so what was open when the job was killed is in doubt."""
    job = make_job(tmp_path)
    before = state(job)
    killed(job)
    absent = sorted(kept(job) - {one["email"] for one in state(job).values()})
    with closing(sqlite3.connect(f"{job.source}.checkpoint.snapshot")) as connection:
        connection.executescript(
            "UPDATE contacts SET kept_at = seen_at; ALTER TABLE contacts DROP COLUMN seen_at;"
            "DROP TABLE reached; DROP TABLE readings; DELETE FROM about WHERE name = 'boot';"
            "ALTER TABLE sent DROP COLUMN reading; ALTER TABLE former DROP COLUMN reading;"
            "ALTER TABLE former DROP COLUMN later; ALTER TABLE former DROP COLUMN later_text;"
        )
    create_by_another_job(job, absent, firstname="Other", phone="123")
    others = {one: held for one, held in state(job).items() if held["email"] in absent}
    assert job.run_virtual().state == "complete"
    report, _ = undo(job)
    assert state(job) == before | others
    assert not archived(job) & others.keys()
    assert (counts(report)["restored"], report.exit_code) == (len(HELD) + len(others), 0)


@pytest.mark.parametrize("applies", [True, False])
def test_another_key_of_a_contact_created_in_flight_does_not_make_it_older(tmp_path, applies):
    """What the job created is archived; what another job created instead keeps its values."""
    rows = [
        *({"email": f"a{n}@x.com", "customer_no": f"K{n}", "city": "Bonn", "phone": ""} for n in range(4)),
        *({"email": "", "customer_no": f"K{n}", "city": "Kiel", "phone": "7"} for n in range(4)),
    ]
    simulator = make_simulator(
        quota="none", latency_seconds=0.2, properties=[{"name": "customer_no", "unique": True}]
    )
    simulator.reset(0.0, [])
    options = {"snapshot": True, "max_in_flight": 1, "match": ("email", "customer_no")}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), simulator, options)
    assert len(killed(job, at_upsert=1, applies=applies)) == 4
    job._clock += 3_600
    if not applies:
        mine = [{"email": f"a{n}@x.com", "customer_no": f"K{n}", "firstname": "Other"} for n in range(4)]
        other = Job(write_csv(tmp_path / "other.csv", mine), simulator, {})
        other._clock = job._clock
        assert other.run_virtual().as_dict()["created"] == 4
        job._clock = other._clock + 3_600
    before = {} if applies else state(job)
    assert job.run_virtual().state == "complete"
    assert {one["city"] for one in state(job).values()} == {"Kiel"}
    job._clock += 3_600
    report, listed = undo(job)
    assert (state(job), report.exit_code, listed) == (before, 0, [])


@pytest.mark.parametrize("applies", [True, False])
def test_keys_that_a_lost_request_may_have_created_contacts_of_are_counted(tmp_path, applies):
    """Where a person changed the key of such a contact, nobody can find it."""
    rows = [{"email": f"b{n}@x.com", "city": "Bonn"} for n in range(3)]
    simulator = make_simulator(quota="none", latency_seconds=0.2)
    simulator.reset(0.0, [])
    job = Job(write_csv(tmp_path / "contacts.csv", rows), simulator, {"snapshot": True, "max_in_flight": 1})
    killed(job, at_upsert=1, applies=applies)
    job._clock += 3_600
    if applies:
        change = {"email": "b1@x.com", "properties": {"email": "new@x.com"}, "source": PERSON}
        simulator.change_records(job._clock, [change], ())
        job._clock += 3_600
    assert job.run_virtual().state == "complete"
    job._clock += 3_600
    report, _ = undo(job)
    assert report.twice_absent == (1 if applies else 3)
    assert [one["email"] for one in state(job).values()] == (["new@x.com"] if applies else [])
