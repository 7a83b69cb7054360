"""Reading a job back: exactly what was changed is found, apart from what HubSpot changes by itself."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.killed_runs import killed
from support.mock_transport import make_simulator
from support.soaked import some
from support.verify_runs import change_records, counts, verify
from uploader.errors import CheckpointError, StorageError
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.write_policy import Only, Policy
from uploader.system.private_files import Lock
from uploader.verify.judge import Verdict


def uploaded(tmp_path, rows, *, quota="none", options=None, **scenario) -> Job:
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota=quota, **scenario), options or {}
    )
    job.run_virtual()
    return job


def test_what_was_changed_deleted_and_recased_behind_its_back_is_found_and_nothing_else(tmp_path):
    rows = contacts(2_000, city="Ulm")
    job = uploaded(tmp_path, rows)
    changed, deleted, recased = range(0, 370, 10), range(401, 406), range(700, 703)
    change_records(
        job,
        update=[
            *({"email": f"c{i}@example.com", "properties": {"city": f"Bonn {i}"}} for i in changed),
            *({"email": f"c{i}@example.com", "properties": {"email": f"C{i}@Example.com"}} for i in recased),
        ],
        archive=[f"c{i}@example.com" for i in deleted],
    )
    report, findings = verify(job)
    assert counts(report) == {"equal": 1_955, "differs": 37, "missing": 5, "hubspot": 3}
    assert report.exit_code == 1
    by = {verdict: [f for f in findings if f.verdict is verdict] for verdict in Verdict}
    assert [(f.row, f.property, f.wanted, f.found) for f in by[Verdict.DIFFERS]] == [
        (i + 2, "city", "Ulm", f"Bonn {i}") for i in changed
    ]
    assert [f.row for f in by[Verdict.MISSING]] == [i + 2 for i in deleted]
    assert [(f.row, f.property, f.found) for f in by[Verdict.ADJUSTED]] == [
        (i + 2, "email", f"C{i}@Example.com") for i in recased
    ]


def test_a_blank_word_is_verified_as_the_blank_that_was_written(tmp_path):
    words = {"": ("n/a",), "city": ("-",)}
    rows = [{"email": "a@x.com", "phone": "N/A", "city": "-"}, {"email": "n/a", "phone": "1", "city": ""}]
    options = {"blank_values": words, "cleared": frozenset({"city"}), "max_failures": FailureLimit(count=9)}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(), options)
    job.simulator.reset(0.0, [{"properties": {"email": "a@x.com", "phone": "123", "city": "Ulm"}}])
    assert job.run_virtual().tallies.outcomes["invalid"] == 1
    held = job.held()["a@x.com"]
    assert (held["phone"], held.get("city", "")) == ("123", "")
    report, findings = verify(job)
    assert (counts(report), findings) == ({"equal": 1}, [])


def test_what_hubspot_does_by_itself_is_no_difference(tmp_path):
    properties = [{"name": "size", "type": "number"}, {"name": "born", "type": "date"}]
    rows = [
        {"email": "Ann@X.com", "lifecyclestage": "lead", "size": "1.10", "born": "2022-01-01"},
        {"email": "bob@x.com", "lifecyclestage": "customer", "size": "7", "born": "2022-01-01"},
    ]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(properties=properties))
    job.simulator.reset(0.0, [{"properties": {"email": "ann@x.com", "lifecyclestage": "customer"}}])
    job.run_virtual()
    change_records(job, update=[{"email": "ann@x.com", "properties": {"size": "1.1"}}])
    report, findings = verify(job)
    assert (counts(report), report.exit_code) == ({"equal": 1, "hubspot": 1}, 0)
    assert {(f.property, f.found) for f in findings} == {
        ("lifecyclestage", "customer"),
        ("size", "1.1"),
    }
    assert all(f.note for f in findings)


PHONES = [{"name": "line", "type": "phone_number"}]
PERSON = {"type": "CRM_UI", "id": "userId:7"}


def test_a_value_in_hubspots_spelling_is_a_difference_if_others_wrote_it(tmp_path):
    """The history decides: in the account that respells, the job wrote it; in the other one a person did."""
    rows = [{"email": "a@x.com", "line": "+49 30 1234567"}]
    job = uploaded(tmp_path, rows, properties=PHONES, rules={"respells": True})
    report, (finding,) = verify(job)
    assert (counts(report), finding.found) == ({"hubspot": 1}, "+49301234567")
    (tmp_path / "other").mkdir()
    job = uploaded(tmp_path / "other", rows, properties=PHONES)
    job._clock += 5
    change = {"email": "a@x.com", "properties": {"line": "+49301234567"}, "source": PERSON}
    change_records(job, update=[change])
    report, (finding,) = verify(job)
    assert (counts(report), finding.note) == ({"differs": 1}, "written since by CRM_UI (userId:7)")


def test_a_later_stage_is_hubspots_doing_unless_others_wrote_it_after_the_job(tmp_path):
    rows = [{"email": "a@x.com", "lifecyclestage": "lead"}]
    there = [{"properties": {"email": "a@x.com", "lifecyclestage": "customer"}}]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none"))
    job.simulator.reset(0.0, there)
    job.run_virtual()
    assert counts(verify(job)[0]) == {"hubspot": 1}
    job._clock += 5
    change = {"email": "a@x.com", "properties": {"lifecyclestage": "evangelist"}, "source": PERSON}
    change_records(job, update=[change])
    report, (finding,) = verify(job)
    assert (counts(report), finding.note) == ({"differs": 1}, "written since by CRM_UI (userId:7)")


def test_the_last_row_of_a_key_counts_and_blanks_leave_what_was(tmp_path):
    rows = [
        {"email": "a@x.com", "firstname": "First", "city": "Ulm"},
        {"email": "A@X.com", "firstname": "Last", "city": ""},
        {"email": "nobody", "firstname": "x", "city": ""},
        {"email": "b@x.badtld", "firstname": "x", "city": ""},
    ]
    job = uploaded(tmp_path, rows)
    assert counts(verify(job)[0]) == {"equal": 1}
    change_records(job, update=[{"email": "a@x.com", "properties": {"firstname": "First", "city": "Rome"}}])
    _, findings = verify(job, restart=True)
    assert {(f.row, f.property, f.wanted) for f in findings} == {(2, "city", "Ulm"), (3, "firstname", "Last")}


def test_what_is_unknown_is_not_checked_and_says_why(tmp_path):
    rows = [*contacts(300), {"email": "c1@old.com", "firstname": "x"}]
    fault = {"kind": "status", "status": 502, "keys": ["c7@example.com"]}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", faults=[fault]))
    job.simulator.reset(
        0.0, [{"properties": {"email": "c1@example.com"}, "additional_emails": ["c1@old.com"]}]
    )
    job.run_virtual()
    report, _ = verify(job)
    assert counts(report) == {"equal": 298, "not checked": 3}
    assert report.doubts == {
        "a row of it was abandoned or is pending": 1,
        "several keys of the file led to it": 2,
    }
    assert report.exit_code == 1


def test_rows_that_are_still_to_be_sent_are_not_asked_for(tmp_path):
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(3_000)), make_simulator(latency_seconds=0.5))
    settled = job.run_virtual(stop_after=2.2).tallies.settled
    report, _ = verify(job)
    assert (counts(report), report.exit_code) == ({"equal": settled}, 0)
    assert (report.rows_written, report.rows_open) == (settled, report.rows - settled)
    assert not report.is_finished


def test_a_trial_is_verified_for_its_rows_alone(tmp_path):
    """Whatever is wrong with rows that come later, and whose keys they have."""
    rows = [*contacts(8, tier="gold"), {"email": "c1@example.com", "tier": "silver"}, {"email": "nobody"}]
    rows += [{"email": "c2@example.com", "tier": "bronze"}, *contacts(99, tier="platinum")]
    job = uploaded(tmp_path, rows, options={"limit": 10})
    report, findings = verify(job)
    assert (counts(report), findings, report.doubts, report.exit_code) == ({"equal": 8}, [], {}, 0)
    assert (report.rows, report.rows_written, report.rows_open) == (10, 9, 0)
    assert not report.is_finished


def test_rows_that_a_killed_job_may_have_sent_are_open_whatever_has_changed_since(tmp_path):
    rows = contacts(60, level="high")
    level = {"name": "level", "type": "enumeration", "options": ["high"]}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", properties=[level]))
    killed(job)
    job.simulator = make_simulator(quota="none", properties=[{**level, "options": ["low"]}])
    assert verify(job)[0].doubts.keys() == {"a row of it is still open, and may have been sent"}


@pytest.mark.parametrize("applies", [True, False])
def test_rows_that_a_killed_job_may_have_sent_are_not_checked(tmp_path, applies):
    rows = [
        *contacts(60, tier="gold"),
        *({"email": f"c{n}@example.com", "tier": "platinum"} for n in range(200)),
    ]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none"))
    left = killed(job, applies=applies)
    report, findings = verify(job)
    assert report.doubts.keys() == {"a row of it is still open, and may have been sent"}
    assert counts(report)["not checked"] >= len(left)
    assert (counts(report).keys() - {"equal", "not checked"}, findings) == (set(), [])


def test_interrupted_it_goes_on_where_it_stopped(tmp_path):
    job = uploaded(tmp_path, contacts(9_000), latency_seconds=0.5)
    change_records(job, archive=["c8999@example.com"])
    report, _ = verify(job, stop_after=11.5)
    done = sum(report.counts.values())
    assert 0 < done < 9_000
    assert (report.exit_code, report.end.cause) == (130, Cause.SIGNAL)
    before = job.simulator.stats()["requests"]
    report, _ = verify(job)
    assert counts(report) == {"equal": 8_999, "missing": 1}
    assert job.simulator.stats()["requests"] - before <= (9_000 - done) / 100 + 3


def test_a_sample_is_the_same_each_time_and_costs_its_share(tmp_path):
    job = uploaded(tmp_path, contacts(5_000))
    change_records(
        job, update=[{"email": f"c{i}@example.com", "properties": {"firstname": "x"}} for i in range(5_000)]
    )
    report, first = verify(job, sample=250)
    assert counts(report) == {"differs": 250}
    assert report.requests == 5
    _, second = verify(job, sample=250, restart=True)
    assert [f.row for f in first] == [f.row for f in second]


@pytest.mark.parametrize(
    "fault",
    some(
        {"kind": "status", "status": 503, "rate": 0.3},
        {"kind": "status", "status": 429, "shape": "burst", "rate": 0.2},
        {"kind": "truncate", "rate": 0.3},
        {"kind": "garble", "shape": "invalid_utf8", "rate": 0.3},
        soaked=[
            {"kind": "status", "status": 423, "rate": 0.3},
            {"kind": "reset", "rate": 0.3},
            {"kind": "garble", "shape": "html", "rate": 0.3},
        ],
    ),
    ids=lambda fault: f"{fault['kind']} {fault.get('status', fault.get('shape', ''))}",
)
def test_a_server_that_misbehaves_is_asked_again(tmp_path, fault):
    job = uploaded(tmp_path, contacts(1_000))
    change_records(job, archive=["c77@example.com"])
    job.simulator.change_scenario(make_simulator(faults=[{**fault, "endpoint": "read"}]).scenario)
    assert counts(verify(job)[0]) == {"equal": 999, "missing": 1}


def test_a_token_that_may_not_read_can_not_verify(tmp_path):
    job = uploaded(tmp_path, contacts(200))
    job.simulator.change_scenario(
        make_simulator(auth={"scopes": ["oauth", "crm.objects.contacts.write"]}).scenario
    )
    report, _ = verify(job)
    assert (report.end.cause, report.exit_code) == (Cause.SCOPE, 2)


UNTOLD = [{"kind": "status", "status": 403, "endpoint": name} for name in ("account", "token")]


@pytest.mark.parametrize(
    ("before", "now", "doubt"),
    [
        ([], [], ""),
        (UNTOLD, [], "(its token could not read it); verifying account 44237313"),
        (UNTOLD, UNTOLD, "(its token could not read it); verifying account unknown"),
        ([], UNTOLD, "wrote to account 44237313; this token may not read"),
    ],
)
def test_it_says_where_the_account_of_the_job_is_unknown(tmp_path, before, now, doubt):
    job = uploaded(tmp_path, contacts(30), faults=before)
    job.simulator.change_scenario(make_simulator(faults=now).scenario)
    report, _ = verify(job)
    assert doubt in report.account_doubt
    assert bool(report.account_doubt) == bool(doubt)
    assert report.exit_code == 0


def test_another_account_or_another_file_is_refused(tmp_path):
    job = uploaded(tmp_path, contacts(200))
    other = write_csv(tmp_path / "other.csv", contacts(201))
    with pytest.raises(CheckpointError, match="another file"):
        verify(job, source=(str(other),))
    job.simulator.change_scenario(make_simulator(account={"portal_id": 7}).scenario)
    with pytest.raises(CheckpointError, match="account 7"):
        verify(job)


def test_a_job_that_has_moved_on_is_verified_anew(tmp_path):
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(3_000)), make_simulator(latency_seconds=0.5))
    job.run_virtual(stop_after=2.2)
    verify(job)
    job.run_virtual()
    assert counts(verify(job)[0]) == {"equal": 3_000}
    before = job.simulator.stats()["requests"]
    change_records(job, update=[{"email": "c9@example.com", "properties": {"firstname": "Else"}}])
    assert counts(verify(job)[0]) == {"equal": 2_999, "differs": 1}
    assert job.simulator.stats()["requests"] - before == 33  # what was read before says nothing of now


def test_an_interrupted_look_is_not_taken_up_for_a_job_that_was_begun_anew(tmp_path):
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(3_000)), make_simulator(latency_seconds=0.5))
    job.run_virtual()
    report, _ = verify(job, stop_after=4.0, max_in_flight=1)
    assert 0 < report.left < 3_000
    job.run_virtual(restart=True)
    before = job.simulator.stats()["requests"]
    assert counts(verify(job)[0]) == {"equal": 3_000}
    assert job.simulator.stats()["requests"] - before == 33


def test_rows_keyed_by_another_property_are_found_by_it(tmp_path):
    rows = [{"external_id": f"K{i}", "email": f"c{i}@x.com", "city": "Ulm"} for i in range(250)]
    properties = [{"name": "external_id", "unique": True}]
    job = uploaded(tmp_path, rows, properties=properties, options={"id_property": "external_id"})
    change_records(job, update=[{"email": "c9@x.com", "properties": {"email": "new@x.com"}}])
    report, findings = verify(job)
    assert counts(report) == {"equal": 249, "differs": 1}
    assert [(f.row, f.property, f.found) for f in findings] == [(11, "email", "new@x.com")]


def test_a_contact_that_breaks_the_read_is_not_checked_and_keeps_nobody_else_from_it(tmp_path):
    job = uploaded(tmp_path, [{"email": f"c{i}@example.com", "city": "Ulm"} for i in range(300)])
    handle = job.simulator.handle

    def breaking(request, now):
        reply = handle(request, now)
        if request.path.endswith("batch/read") and b'"c5@example.com"' in request.body:
            return type(reply)(status=500, headers={}, body=b'{"status":"error","message":"internal error"}')
        return reply

    job.simulator.handle = breaking
    report, _ = verify(job)
    assert counts(report) == {"equal": 299, "not checked": 1}


@pytest.mark.parametrize("category", ["INTERNAL_ERROR", "RATE_LIMITS"])
def test_a_read_that_fails_for_the_moment_is_no_missing_contact(tmp_path, category):
    job = uploaded(tmp_path, contacts(300))
    refused = {"kind": "reject", "endpoint": "read", "category": category, "times": 2}
    job.simulator.change_scenario(make_simulator(faults=[refused, {**refused, "share": 0.3}]).scenario)
    assert counts(verify(job)[0]) == {"equal": 300}


@pytest.mark.parametrize("category", ["INTERNAL_ERROR", "FORBIDDEN"])
def test_a_contact_whose_reading_never_succeeds_is_not_checked_and_the_reason_is_named(tmp_path, category):
    job = uploaded(tmp_path, contacts(300))
    refused = {"kind": "reject", "endpoint": "read", "category": category, "keys": ["c5@example.com"]}
    job.simulator.change_scenario(make_simulator(faults=[refused]).scenario)
    report, findings = verify(job)
    assert (counts(report), findings, report.exit_code) == ({"equal": 299, "not checked": 1}, [], 1)
    assert report.doubts == {f"HubSpot's answer left it out ({category})": 1}


def of_two(tmp_path, **options) -> Job:
    """One contact is there already, and holds another name."""
    rows = [{"email": "old@x.com", "firstname": "New"}, {"email": "new@x.com", "firstname": "New"}]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none"), options)
    job.simulator.reset(0.0, [{"properties": {"email": "old@x.com", "firstname": "Old"}}])
    job.run_virtual()
    return job


def test_values_that_the_write_policy_preserved_are_not_compared(tmp_path):
    report, findings = verify(of_two(tmp_path, policy=Policy.FILL))
    assert (report.counts[Verdict.EQUAL], findings) == (2, [])


def test_a_row_that_was_skipped_is_not_asked_for(tmp_path):
    report, findings = verify(of_two(tmp_path, only_records=Only.NEW))
    assert (report.counts[Verdict.EQUAL], findings) == (1, [])


def test_findings_come_in_the_order_of_the_rows(tmp_path):
    rows = contacts(150)
    rows += [{"email": "c3@example.com", "firstname": "Later"}]
    job = uploaded(tmp_path, rows)
    changed = ["c3@example.com", "c140@example.com", "c7@example.com", "c90@example.com"]
    change_records(job, [{"email": email, "properties": {"firstname": "X"}} for email in changed])
    _, findings = verify(job)
    assert [finding.row for finding in findings] == [9, 92, 142, 152]


def test_a_job_that_is_running_is_not_verified_and_that_is_what_is_said(tmp_path):
    job = uploaded(tmp_path, contacts(10))
    lock = Lock(Path(f"{job.source}.checkpoint"))
    lock.acquire()
    try:
        with pytest.raises(CheckpointError, match="is still running; verify it when it has ended"):
            verify(job)
    finally:
        lock.release()


def test_killed_before_there_was_anything_in_its_file_it_begins_again(tmp_path):
    job = uploaded(tmp_path, contacts(10))
    Path(f"{job.source}.checkpoint.verify").touch(mode=0o600)
    assert counts(verify(job)[0]) == {"equal": 10}


def test_a_database_that_is_none_of_its_own_is_left_alone(tmp_path):
    job = uploaded(tmp_path, contacts(10))
    path = Path(f"{job.source}.checkpoint.verify")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    with pytest.raises(StorageError, match=re.escape(path.name)):
        verify(job)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
