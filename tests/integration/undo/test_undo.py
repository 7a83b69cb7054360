"""Undo: the account is as it was before, but for what others have touched, and that is listed."""

from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.model.running import KillableTransport
from support.soaked import combined, some
from support.undo_runs import (
    UndoOutcome,
    archived,
    by,
    change_records,
    counts,
    id_of,
    people,
    rows_for,
    state,
    under,
    undo,
    uploaded,
    writes,
)
from uploader.cli.text.undo_state import undone_text
from uploader.errors import CheckpointError, DeclinedError
from uploader.model.stop import Cause
from uploader.records.write_policy import Policy
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.undo_progress import read_undo_progress
from uploader.system.private_files import Lock


def test_after_undo_the_account_is_as_before_the_job(tmp_path):
    job = uploaded(tmp_path, rows_for(250), people(120))
    assert state(job) != job.before
    report, kept = undo(job)
    assert state(job) == job.before
    assert len(archived(job)) == 130
    assert (counts(report), kept, report.exit_code) == ({"archived": 130, "restored": 120}, [], 0)
    # The account; then 2 to find the created, 3 to read them, 9 for what is associated with each hundred of
    # them, 2 to archive, 2 to look; of the changed 3 to read them, 2 to clear stages that went ahead, 2 to
    # write.
    assert report.requests <= 4 + 2 + 3 + 2 * 9 + 2 + 2 + 3 + 2 + 2


def test_a_second_undo_writes_nothing(tmp_path):
    job = uploaded(tmp_path, rows_for(50), people(20))
    first, _ = undo(job)
    again, _ = undo(job)
    assert counts(again) == counts(first)
    assert writes(job) == 0
    assert not [*tmp_path.glob("*-wal"), *tmp_path.glob("*-shm")]  # it has read checkpoint and snapshot
    anew, _ = undo(job, restart=True)
    assert (counts(anew), writes(job), anew.exit_code) == ({"as_before": 50}, 0, 0)


def test_what_others_have_touched_since_is_kept_and_listed(tmp_path):
    job = uploaded(tmp_path, rows_for(40), people(20))
    changed, created = "c3@example.com", "c30@example.com"
    change_records(
        job,
        [
            by(changed, city="Trier"),
            by("c4@example.com", phone="1"),  # nothing that the job wrote
            by("c5@example.com", city="Bonn"),  # our value, but somebody else's decision now
            by(created, phone="1"),
            by("c31@example.com", "AUTOMATION_PLATFORM", "enrollmentId:1", hs_lead_status="OPEN"),
            by("c32@example.com", "INTEGRATION", "999999", city="Trier"),
            by("c33@example.com", "FORM", "7", firstname="Me"),
            by("c34@example.com", "CALCULATED", "", phone="1"),
            by("c35@example.com", "INTEGRATION", "1512050", city="Trier"),  # our app, but not this job
            by("c36@example.com", "INTEGRATION", "1512050", phone="1"),
            by("c6@example.com", "INTEGRATION", "1512050", city="Trier"),
        ],
        archive=["c7@example.com", "c37@example.com"],
    )
    held = state(job)
    report, kept = undo(job)
    keepers = {f"c{n}@example.com" for n in (30, 31, 32, 33, 35, 36)}
    mixed = {changed, "c5@example.com", "c6@example.com"}
    assert counts(report) == {
        "archived": 20 - 6 - 1,
        "gone": 2,
        "kept": 6 + 3,
        "restored": 20 - 3 - 1,
    }
    assert report.exit_code == 1
    after = state(job)
    for email in keepers:
        assert after[id_of(job, email)] == held[id_of(job, email)]
    for email in mixed:
        was = job.before[id_of(job, email)]
        city = {"city": held[id_of(job, email)]["city"]}
        assert after[id_of(job, email)] == {**was, **city}
    rest = {one for one in job.before if one in after} - {id_of(job, email) for email in mixed}
    phone = {**job.before[id_of(job, "c4@example.com")], "phone": "1"}
    assert {one: after[one] for one in rest} == {
        one: phone if one == id_of(job, "c4@example.com") else job.before[one] for one in rest
    }
    reported = {(one.key, one.finding.property): one.finding for one in kept}
    assert reported.keys() == {
        *((email, "city") for email in mixed),
        (created, "phone"),
        ("c31@example.com", "hs_lead_status"),
        ("c32@example.com", "city"),
        ("c33@example.com", "firstname"),
        ("c35@example.com", "city"),
        ("c36@example.com", "phone"),
        ("c37@example.com", ""),
        ("c7@example.com", ""),
    }
    found = reported[changed, "city"]
    assert (found.ours, found.now, found.source) == ("Bonn", "Trier", "CRM_UI (userId:7)")
    assert "AUTOMATION_PLATFORM" in reported["c31@example.com", "hs_lead_status"].source


def test_a_contact_somebody_else_created_meanwhile_is_not_archived(tmp_path):
    """Its row was refused; the contact came from a form, and holds nothing of ours."""
    refuse = {"kind": "reject", "keys": ["c1@example.com"], "category": "VALIDATION_ERROR", "message": "no"}
    job = uploaded(tmp_path, contacts(3), faults=[refuse])
    job.simulator.change_scenario(make_simulator().scenario)
    talk = job.simulator.account.seed
    talk(
        {"contacts": [{"properties": {"email": "c1@example.com"}, "source": {"type": "FORM"}}]}, "2026-01-02"
    )
    report, kept = undo(job)
    assert (counts(report), kept) == ({"archived": 2}, [])
    assert [held["email"] for held in state(job).values()] == ["c1@example.com"]


def test_an_undo_that_was_killed_was_begun(tmp_path):
    """Its first request was sent, and nothing of it is settled."""
    job = uploaded(tmp_path, contacts(200), latency_seconds=1.0)
    undo(job, kill_after=28.5, max_in_flight=1)
    assert sum(not one["archived"] for one in job.simulator.objects(1e9)) == 100
    (text,) = undone_text(Path(f"{job.source}.checkpoint"))
    assert text.startswith("an undo of the job was begun: some of 200 records may be archived")


def test_an_undo_that_was_declined_was_not_begun(tmp_path):
    """Before it asks, it settles a contact that it does not find."""

    async def no(*_: object) -> bool:
        return False

    failing = {"kind": "reject", "category": "INTERNAL_ERROR", "keys": ["c1@example.com"]}
    job = uploaded(tmp_path, contacts(3), faults=[failing])
    with pytest.raises(DeclinedError):
        undo(job, approve=no)
    checkpoint = Path(f"{job.source}.checkpoint")
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        assert read_undo_progress(checkpoint, opened.job_id()).outcomes == {"gone": 1}
    assert undone_text(checkpoint) == []


def test_a_row_that_was_refused_left_nothing_to_undo(tmp_path):
    refuse = {"kind": "reject", "keys": ["c1@example.com", "c2@example.com"], "category": "VALIDATION_ERROR"}
    job = uploaded(tmp_path, rows_for(4), people(2), faults=[{**refuse, "message": "no"}])
    report, _ = undo(job)
    assert (counts(report), report.exit_code) == ({"archived": 1, "restored": 1}, 0)
    assert state(job) == job.before


def test_repeated_keys_and_several_keys_of_one_contact(tmp_path):
    rows = [
        {"email": "old@x.com", "firstname": "A", "city": ""},
        {"email": "new@x.com", "firstname": "A", "city": "A"},
        *contacts(150, city=""),
        {"email": "OLD@x.com", "firstname": "B", "city": "C"},
        {"email": "older@x.com", "firstname": "D", "city": ""},
        {"email": "NEW@x.com", "firstname": "B", "city": "C"},
    ]
    two = {"properties": {"email": "old@x.com", "firstname": "Old"}, "additional_emails": ["older@x.com"]}
    job = uploaded(tmp_path, rows, additional=[two])
    report, _ = undo(job)
    assert state(job) == job.before
    assert counts(report) == {"archived": 151, "restored": 1, "alias": 1}


def test_a_contact_reached_by_another_key_after_the_job_had_created_it_is_archived(tmp_path):
    """For the second key it was there already, and what it held then was the job's."""
    rows = [
        {"external_id": "7", "email": "a@x.com", "city": "Bonn"},
        {"external_id": "", "email": "a@x.com", "city": "Ulm"},
    ]
    job = uploaded(tmp_path, rows, options={"match": ("external_id", "email")})
    assert len(state(job)) == 1
    report, kept = undo(job)
    assert (counts(report), kept, state(job)) == ({"archived": 1, "alias": 1}, [], {})


def test_only_what_was_written_under_the_users_rules_goes_back(tmp_path):
    held = [{"email": "c0@example.com", "firstname": "Old", "phone": "1"}, {"email": "c1@example.com"}]
    rows = contacts(3, phone="2", city="Bonn")
    rules = {"firstname": Policy.FILL, "phone": Policy.CREATE_ONLY}
    job = uploaded(tmp_path, rows, held, options={"policies": rules, "skip_unchanged": True})
    # Somebody sets to our value what we have not written.
    change_records(job, [by("c0@example.com", phone="2")])
    report, _ = undo(job)
    expected = {
        **job.before,
        id_of(job, "c0@example.com"): {**held[0], "lifecyclestage": "lead", "phone": "2"},
    }
    assert state(job) == expected
    assert (counts(report), report.values_restored) == ({"archived": 1, "restored": 2}, 3)


def test_stages_go_back_by_way_of_none(tmp_path):
    held = [
        {"email": "a@x.com", "lifecyclestage": "subscriber"},
        {"email": "b@x.com", "lifecyclestage": "customer"},
    ]
    rows = [{"email": f"{name}@x.com", "lifecyclestage": "opportunity"} for name in "abc"]
    job = uploaded(tmp_path, rows, held)
    report, kept = undo(job)
    assert state(job) == job.before
    assert counts(report) == {"archived": 1, "restored": 1, "as_before": 1}  # b's was never changed
    assert kept == []


def test_a_dry_run_writes_nothing_and_says_what_will_be_done(tmp_path):
    job = uploaded(tmp_path, rows_for(120), people(60))
    change_records(job, [by("c3@example.com", city="Trier"), by("c90@example.com", phone="1")])
    held = state(job)
    reported, listed = undo(job, dry=True)
    assert (state(job), writes(job)) == (held, 0)
    assert not Path(f"{job.source}.checkpoint.undo").exists()
    done, kept = undo(job)
    assert (counts(reported), listed, reported.values_restored) == (counts(done), kept, done.values_restored)


def test_a_snapshot_put_aside_undoes_its_own_job(tmp_path):
    job = uploaded(tmp_path, rows_for(6), people(3))
    before, middle = job.before, state(job)
    write_csv(job.source, [{**row, "city": "Köln"} for row in rows_for(6)])
    job.run_virtual(restart=True)
    report, _ = undo(job)
    assert (state(job), counts(report)) == (middle, {"restored": 6})
    report, kept = undo(job, f"{job.source}.checkpoint.snapshot.1")
    assert Path(f"{job.source}.checkpoint.undo.1").exists()
    assert (state(job), counts(report), kept) == (before, {"archived": 3, "restored": 3}, [])


def test_what_the_job_does_after_an_undo_is_undone_too(tmp_path):
    job = uploaded(
        tmp_path, rows_for(200), people(50), faults=[{"kind": "status", "status": 401, "requests": [2, 99]}]
    )
    report, _ = undo(job)
    assert counts(report)["archived"]
    assert state(job) == job.before
    job.simulator.change_scenario(make_simulator().scenario)
    assert job.run_virtual().state == "complete"
    report, _ = undo(job)
    assert (state(job), report.keys) == (job.before, 200)


# --- refused before anything ---


def refused(job: Job, error=CheckpointError, **options) -> str:
    held = state(job)
    with pytest.raises(error) as raised:
        undo(job, **options)
    assert (state(job), writes(job)) == (held, 0)
    return str(raised.value)


def test_another_account_is_left_alone(tmp_path):
    job = uploaded(tmp_path, rows_for(4), people(2))
    job.simulator.change_scenario(make_simulator(account={"portal_id": 77}).scenario)
    assert "belongs to account 44237313, this token to account 77" in refused(job)


def test_a_token_that_may_not_say_whose_it_is_undoes_nothing(tmp_path):
    job = uploaded(tmp_path, rows_for(4), people(2))
    silent = [{"kind": "status", "status": 403, "endpoint": name} for name in ("account", "token")]
    job.simulator.change_scenario(
        make_simulator(faults=[{**fault, "rate": 1.0} for fault in silent]).scenario
    )
    assert "may not read its account" in refused(job)


def test_a_job_that_is_running_is_not_undone(tmp_path):
    job = uploaded(tmp_path, rows_for(4), people(2))
    lock = Lock(Path(f"{job.source}.checkpoint"))
    lock.acquire()
    try:
        assert "another process is using" in refused(job)
    finally:
        lock.release()


def test_a_job_without_a_snapshot_and_a_file_of_another_kind(tmp_path):
    job = uploaded(tmp_path, rows_for(4), options={"snapshot": False})
    assert "only a job that was run with --snapshot" in refused(job)
    Path(f"{job.source}.checkpoint.snapshot").write_bytes(job.source.read_bytes())
    assert "is not a snapshot of uploader" in refused(job)
    Path(f"{job.source}.checkpoint").rename(f"{job.source}.checkpoint.snapshot")
    assert "is not a snapshot of uploader" in refused(job)


def test_a_declined_undo_writes_nothing(tmp_path):
    job = uploaded(tmp_path, rows_for(5), people(2))
    asked = []

    async def no(account, created, others) -> bool:
        asked.append((account.portal, created, others))
        return False

    assert refused(job, DeclinedError, approve=no) == "nothing was undone"
    assert asked == [("44237313", 3, 2)]


def test_properties_that_may_not_be_read_stop_it(tmp_path):
    job = uploaded(tmp_path, rows_for(4), people(2))
    fault = {"kind": "status", "status": 403, "endpoint": "properties", "rate": 1.0}
    job.simulator.change_scenario(make_simulator(faults=[fault]).scenario)
    report, _ = undo(job)
    assert (report.end.cause, report.exit_code, writes(job)) == (Cause.SCOPE, 2, 0)


# --- a server that misbehaves ---


PASSING = {
    "503": {"kind": "status", "status": 503, "applied": True, "first": 3},
    "reset, applied": {"kind": "reset", "applied": True, "first": 3},
    "reset": {"kind": "reset", "applied": False, "first": 3},
    "423": {"kind": "status", "status": 423, "first": 3},
    "429": {"kind": "status", "status": 429, "first": 3},
    "garbled": {"kind": "garble", "shape": "html", "first": 2},
    "truncated": {"kind": "truncate", "first": 2},
}
#: Each fault once, and what is hardest to repeat: an update that was made without an answer.
TYPICAL = {("archive", "reset, applied"), ("archive", "423"), ("archive", "truncated")}
TYPICAL |= {("read", "503"), ("read", "429"), ("read", "garbled")}
TYPICAL |= {("update", "503"), ("update", "reset, applied"), ("update", "reset")}


@pytest.mark.parametrize(
    ("endpoint", "name"),
    combined(["archive", "update", "read"], PASSING, usual=lambda *one: one in TYPICAL),
)
def test_passing_faults_cost_only_time(tmp_path, name, endpoint):
    fault = PASSING[name]
    job = uploaded(tmp_path, rows_for(120), people(60))
    report, _ = under(job, {**fault, "endpoint": endpoint})
    assert state(job) == job.before
    assert report.exit_code == 0
    assert counts(report).keys() <= {"archived", "restored", "as_before"}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "batch_status", "status": "PENDING", "results_share": 0.5, "applied": True},
        {"kind": "drop_results", "count": 30},
        {"kind": "no_op", "applied": False},
        {"kind": "rules", "rules": {"errors_in_200": True, "echo_trace_ids": False}},
    ],
    ids=lambda fault: fault["kind"],
)
def test_an_update_that_is_not_confirmed_is_made_sure_of(tmp_path, fault):
    job = uploaded(tmp_path, rows_for(100), people(100))
    report, _ = under(job, {**fault, "endpoint": "update", "first": 2})
    assert (state(job), counts(report)) == (job.before, {"restored": 100})


def test_what_hubspot_refuses_is_listed_with_its_reason_and_the_others_go_on(tmp_path):
    job = uploaded(tmp_path, rows_for(250), people(120))
    victims = [id_of(job, f"c{n}@example.com") for n in (5, 50)]
    refuse = {
        "kind": "reject",
        "keys": victims,
        "category": "VALIDATION_ERROR",
        "message": "a@b.de is not nice",
    }
    report, kept = under(job, {**refuse, "endpoint": "update"})
    assert counts(report) == {"archived": 130, "restored": 118, "failed": 2}
    assert [(one.outcome, one.hubspot_id) for one in kept] == [(UndoOutcome.FAILED, one) for one in victims]
    assert {one.finding.why for one in kept} == {"VALIDATION_ERROR: (an address) is not nice"}
    after = state(job)
    assert {one for one in job.before if after[one] != job.before[one]} == set(victims)
    assert report.exit_code == 1


def test_a_stage_that_was_cleared_and_not_written_back_goes_back_when_the_undo_is_begun_anew(tmp_path):
    """Clearing it succeeded, and writing the former one was refused."""
    held = [{"email": "a@x.com", "city": "Ulm", "lifecyclestage": "lead"}]
    job = uploaded(tmp_path, [{"email": "a@x.com", "city": "Bonn", "lifecyclestage": "customer"}], held)
    refuse = {"kind": "reject", "endpoint": "update", "requests": [2, 2]}
    job.simulator.change_scenario(make_simulator(faults=[refuse]).scenario)
    report, _ = undo(job)
    assert counts(report) == {"failed": 1}
    assert "lifecyclestage" not in next(iter(state(job).values()))
    job.simulator.change_scenario(make_simulator().scenario)
    report, kept = undo(job, restart=True)
    assert (counts(report), kept) == ({"restored": 1}, [])
    assert state(job) == job.before


def test_a_stage_that_a_workflow_sets_at_once_again_is_not_taken_for_restored(tmp_path):
    held = [{"email": "a@x.com", "city": "Ulm", "lifecyclestage": "lead"}]
    job = uploaded(tmp_path, [{"email": "a@x.com", "city": "Bonn", "lifecyclestage": "customer"}], held)
    again = {"who": "workflow", "property": "lifecyclestage", "value": "customer", "on": "updated"}
    job.simulator.change_scenario(
        make_simulator(others=[{**again, "match": {"lifecyclestage": ""}}]).scenario
    )
    report, kept = undo(job)
    assert counts(report) == {"failed": 1}
    assert [one.finding.why for one in kept] == ["HubSpot has another value of lifecyclestage"]
    assert next(iter(state(job).values()))["lifecyclestage"] == "customer"


def test_an_archive_that_did_not_happen_is_no_archive(tmp_path):
    job = uploaded(tmp_path, rows_for(5))
    report, kept = under(job, {"kind": "no_op", "applied": False, "endpoint": "archive", "rate": 1.0})
    assert (counts(report), len(state(job))) == ({"failed": 5}, 5)
    assert {one.finding.why for one in kept} == {"it was not archived, although HubSpot accepted the request"}


def test_an_archive_that_is_refused_for_good_is_told(tmp_path):
    job = uploaded(tmp_path, rows_for(3))
    report, kept = under(job, {"kind": "status", "status": 400, "endpoint": "archive", "rate": 1.0})
    assert (counts(report), len(state(job))) == ({"failed": 3}, 3)
    assert "refused by the scenario" in kept[0].finding.why


@pytest.mark.parametrize(
    ("when", "category", "which"),
    some(
        *(("upload", "INTERNAL_ERROR", "all"), ("upload", "RATE_LIMITS", "some")),
        *(("undo", "INTERNAL_ERROR", "some"), ("undo", "RATE_LIMITS", "all")),
        soaked=[
            *(("upload", "INTERNAL_ERROR", "some"), ("upload", "RATE_LIMITS", "all")),
            *(("undo", "INTERNAL_ERROR", "all"), ("undo", "RATE_LIMITS", "some")),
        ],
    ),
)
def test_a_read_that_fails_for_the_moment_says_nothing_of_its_contacts(tmp_path, when, category, which):
    share = {} if which == "all" else {"share": 0.3}
    refused = {"kind": "reject", "endpoint": "read", "category": category, "times": 4, **share}
    faults = [refused] if when == "upload" else []
    job = uploaded(tmp_path, rows_for(120), people(60), faults=faults)
    report, kept = under(job, *([refused] if when == "undo" else []))
    assert (state(job), kept, report.exit_code) == (job.before, [], 0)
    assert counts(report) == {"archived": 60, "restored": 60}


@pytest.mark.parametrize("category", ["INTERNAL_ERROR", "FORBIDDEN"])
def test_contacts_whose_reading_never_succeeds_are_listed_as_failed_and_stay(tmp_path, category):
    job = uploaded(tmp_path, rows_for(20), people(10))
    victims = [id_of(job, f"c{n}@example.com") for n in (5, 15)]
    held = state(job)
    refused = {"kind": "reject", "endpoint": "read", "category": category}
    report, kept = under(job, {**refused, "keys": victims})
    assert counts(report) == {"archived": 9, "restored": 9, "failed": 2}
    assert {one.finding.why for one in kept} == {f"HubSpot did not answer for it ({category})"}
    assert {one: state(job)[one] for one in victims} == {one: held[one] for one in victims}
    assert report.exit_code == 1


def test_an_archive_that_can_not_be_read_back_is_no_archive(tmp_path):
    """The contact is still there, and what reads it answers with an error of another kind."""
    job = uploaded(tmp_path, rows_for(5))
    victim = id_of(job, "c3@example.com")
    no_op = {"kind": "no_op", "applied": False, "endpoint": "archive", "rate": 1.0}
    unread = {
        "kind": "reject",
        "endpoint": "read",
        "category": "FORBIDDEN",
        "keys": [victim],
        "requests": [2, 999],
    }
    report, kept = under(job, no_op, unread)
    assert (counts(report), len(state(job))) == ({"failed": 5}, 5)
    whys = {one.hubspot_id: one.finding.why for one in kept}
    assert whys[victim] == "HubSpot did not answer for it (FORBIDDEN)"


def test_contacts_that_no_answer_speaks_of_are_not_touched(tmp_path):
    job = uploaded(tmp_path, rows_for(10), people(10))
    held = state(job)
    report, _ = under(job, {"kind": "drop_results", "count": 100, "endpoint": "read", "rate": 1.0})
    assert (counts(report), state(job), writes(job)) == ({"failed": 10}, held, 0)


@pytest.mark.parametrize(
    ("fault", "cause", "code"),
    [
        ({"status": 401}, Cause.TOKEN, 78),
        ({"status": 403}, Cause.SCOPE, 78),
        ({"status": 429, "shape": "daily"}, Cause.DAILY, 75),
        ({"status": 477}, Cause.MIGRATION, 75),
        ({"status": 503}, Cause.OUTAGE, 75),
    ],
)
def test_it_stops_with_the_right_code_and_goes_on_later(tmp_path, fault, cause, code):
    job = uploaded(tmp_path, rows_for(120), people(50))
    # After what was created is archived.
    fault = {"kind": "status", "rate": 1.0, "endpoint": "any", "from_seconds": 0.0, **fault}
    report, _ = under(job, {**fault, "endpoint": "update"}, outage_seconds=30.0)
    assert (report.end.cause, report.exit_code, report.left) == (cause, code, 50)
    job.simulator.change_scenario(make_simulator().scenario)
    report, _ = undo(job)
    assert (counts(report), state(job)) == ({"archived": 70, "restored": 50}, job.before)


def test_a_signal_ends_it_and_the_same_command_goes_on(tmp_path):
    job = uploaded(tmp_path, rows_for(1_000), people(500), quota="50/10", latency_seconds=0.5)
    report, _ = undo(job, stop_after=3.0)
    assert (report.exit_code, report.end.reason) == (130, "interrupted")
    assert report.left > 0
    report, _ = undo(job)
    assert (counts(report), state(job)) == ({"archived": 500, "restored": 500}, job.before)


def test_undo_keeps_to_the_quota(tmp_path):
    job = uploaded(tmp_path, rows_for(500), people(200), quota="20/10", latency_seconds=0.2)
    report, _ = undo(job)
    assert (report.exit_code, state(job)) == (0, job.before)
    assert job.simulator.stats()["throttled"] == 0


@pytest.mark.parametrize("version", ["2026-03", "2026-09"])
def test_undo_works_with_every_version_of_the_api(tmp_path, version):
    job = uploaded(tmp_path, rows_for(30), people(20), options={"api_version": version})
    change_records(job, archive=["c3@example.com"])
    report, _ = undo(job, api_version=version)
    assert counts(report) == {"archived": 10, "restored": 19, "gone": 1}
    assert all(version in path for path in job.transport.paths if "/batch/" in path)


def test_undo_of_other_object_types(tmp_path):
    rows = [{"serial": f"S{n}", "city": "Bonn"} for n in range(4)]
    extra = {"name": "serial", "object_type": "companies", "unique": True}
    source = write_csv(tmp_path / "companies.csv", rows)
    options = {"object_type": "companies", "id_property": "serial", "snapshot": True}
    job = Job(source, make_simulator(quota="none", properties=[extra]), options)
    job.simulator.reset(0.0, (), {"companies": [{"properties": {"serial": "S1", "city": "Ulm"}}]})
    before = state(job, "companies")
    assert job.run_virtual().exit_code == 0
    report, _ = undo(job)
    assert (counts(report), state(job, "companies")) == ({"archived": 3, "restored": 1}, before)


@pytest.mark.parametrize("lacking", ["city", ""], ids=["of one property", "of all"])
def test_what_an_answer_lacks_the_history_of_is_kept_and_listed(tmp_path, monkeypatch, lacking):
    """Nobody can tell then that a created contact is the job's, or a value of one that was there."""

    class Forgetful(KillableTransport):
        async def send(self, call, on_sent=lambda: None):
            reply = await super().send(call, on_sent)
            if b"propertiesWithHistory" not in (call.body or b""):
                return reply
            results = [
                structs.replace(
                    one,
                    history={
                        name: versions
                        for name, versions in one.history.items()
                        if lacking and name != lacking
                    },
                )
                for one in reply.results
            ]
            return structs.replace(reply, results=tuple(results))

    job = uploaded(tmp_path, rows_for(2), people(1))
    held = state(job)
    monkeypatch.setattr("support.undo_runs.KillableTransport", Forgetful)
    report, kept = undo(job)
    assert (counts(report), report.exit_code) == ({"kept": 2}, 1)
    whys = {one.finding.why for one in kept if one.finding.property in {"city", ""}}
    assert whys == {"HubSpot returned no history that shows who wrote it"}
    assert {one["city"] for one in state(job).values()} == {"Bonn"}
    assert state(job).keys() == held.keys()
