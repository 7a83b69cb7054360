"""The first rows go alone, are read back, and nothing else leaves before the user's word."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.soaked import some
from support.undo_runs import undo
from support.virtual_loop import run_virtual
from uploader.canary.assessment import Change, Review
from uploader.errors import CheckpointError, DeclinedError, SettingsError
from uploader.model.canary import Canary
from uploader.model.outcomes import Outcome
from uploader.model.stop import Cause
from uploader.records.write_policy import Only
from uploader.storage.checkpoint import Checkpoint
from uploader.undo.job.state import has_to_begin_anew

UPSERT = "/crm/v3/objects/contacts/batch/upsert"
PRODUCTION = {"account_type": "STANDARD"}
WORKFLOW = {"who": "workflow", "name": "Routing", "property": "hs_lead_status", "value": "OPEN"}


class Judge:
    """Somebody who looks, and answers."""

    def __init__(self, *, says: bool) -> None:
        self.says = says
        self.seen: list[Review] = []

    async def __call__(self, review: Review) -> bool:
        self.seen.append(review)
        return self.says

    @property
    def review(self) -> Review:
        return self.seen[-1]


def job_of(tmp_path, rows, held=(), **scenario) -> Job:
    scenario = {"account": PRODUCTION, **scenario}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", **scenario))
    job.simulator.reset(0.0, [{"properties": dict(properties)} for properties in held])
    return job


def test_a_hundred_rows_leave_and_the_others_wait_for_a_word(tmp_path):
    rows, nobody = contacts(3_000), Judge(says=False)
    job = job_of(tmp_path, rows)
    summary = job.run_virtual(judge=nobody)
    assert (summary.cause, summary.exit_code, summary.state) == (Cause.CANARY, 3, "stopped")
    assert "--approve-canary" in summary.reason
    assert sorted(job.held()) == sorted(row["email"] for row in rows[:100])
    assert (nobody.review.rows, nobody.review.as_sent, nobody.review.is_clean) == (100, 100, True)
    assert len(nobody.review.links) == 5
    assert all("/contacts/44237313/record/0-1/" in link for link in nobody.review.links)
    job.check(rows, summary)
    assert job._clock > 30


def test_a_read_that_fails_for_the_moment_is_no_missing_contact(tmp_path):
    nobody = Judge(says=False)
    unread = {"kind": "reject", "endpoint": "read", "category": "INTERNAL_ERROR", "first": 2}
    job = job_of(tmp_path, contacts(300), faults=[unread])
    job.run_virtual(judge=nobody)
    assert (nobody.review.as_sent, nobody.review.is_clean) == (100, True)


def test_a_contact_whose_reading_never_succeeds_is_unread_and_not_missing(tmp_path):
    nobody = Judge(says=False)
    unread = {"kind": "reject", "endpoint": "read", "category": "FORBIDDEN", "keys": ["c3@example.com"]}
    job = job_of(tmp_path, contacts(300), faults=[unread])
    job.run_virtual(judge=nobody)
    assert (nobody.review.as_sent, nobody.review.missing, nobody.review.unread) == (99, 0, 1)


def test_the_same_command_looks_again_and_sends_nothing(tmp_path):
    rows, nobody = contacts(3_000), Judge(says=False)
    job = job_of(tmp_path, rows)
    job.run_virtual(judge=nobody)
    before, began = list(job.simulator.objects(1e9)), job._clock
    summary = job.run_virtual(judge=nobody)
    assert (summary.exit_code, len(nobody.seen), nobody.seen[0] == nobody.seen[1]) == (3, 2, True)
    assert UPSERT not in job.transport.paths
    assert list(job.simulator.objects(1e9)) == before
    assert job._clock - began < 30  # the workflows have had their time


def test_approved_it_goes_on_and_never_asks_again(tmp_path):
    rows, nobody = contacts(3_000), Judge(says=False)
    job = job_of(tmp_path, rows)
    job.run_virtual(judge=nobody)
    job.simulator.change_scenario(
        make_simulator(
            account=PRODUCTION, faults=[{"kind": "status", "status": 401, "requests": [12, 99]}]
        ).scenario
    )
    stopped = job.run_virtual(judge=nobody, approve_canary=True)
    assert stopped.cause is Cause.TOKEN
    job.simulator.change_scenario(make_simulator(account=PRODUCTION).scenario)
    summary = job.run_virtual(judge=nobody)
    assert (summary.exit_code, len(nobody.seen)) == (0, 1)
    job.check(rows, summary)
    assert summary.tallies.replayed == 0


def test_yes_at_the_question_goes_on_in_the_same_run(tmp_path):
    rows, judge = contacts(3_000), Judge(says=True)
    job = job_of(tmp_path, rows)
    summary = job.run_virtual(judge=judge)
    assert (summary.exit_code, len(judge.seen), judge.review.rows) == (0, 1, 100)
    job.check(rows, summary)
    assert summary.tallies.requests == len(job.transport.paths)
    assert summary.tallies.replayed == 0


def test_a_yes_at_the_question_is_kept(tmp_path):
    rows, judge = contacts(3_000), Judge(says=True)
    job = job_of(tmp_path, rows, faults=[{"kind": "status", "status": 401, "requests": [14, 99]}])
    assert job.run_virtual(judge=judge).cause is Cause.TOKEN
    assert 100 < len(job.held()) < 3_000
    job.simulator.change_scenario(make_simulator(account=PRODUCTION).scenario)
    summary = job.run_virtual(judge=Judge(says=False))
    assert (summary.exit_code, len(judge.seen)) == (0, 1)
    job.check(rows, summary)


@pytest.mark.parametrize("options", [{"approve_canary": True}, {"canary": 0}, {}])
@pytest.mark.parametrize("is_killed", [False, True])
def test_a_canary_that_was_undone_is_not_approved(tmp_path, options, is_killed):
    """Its rows would be missing among the others, and nobody would be told. All can be sent anew."""
    rows = contacts(300)
    job = job_of(tmp_path, rows, latency_seconds=1.0)
    job.run_virtual(judge=Judge(says=False), canary=200, snapshot=True)
    undo(job, kill_after=26.0 if is_killed else None, max_in_flight=1)
    left = sum(not one["archived"] for one in job.simulator.objects(1e9))
    assert left == (100 if is_killed else 0)
    judge = Judge(says=True)
    with pytest.raises(CheckpointError, match="undone since; to begin anew, use --restart"):
        job.run_virtual(judge=judge, snapshot=True, **options)
    assert (judge.seen, job.transport.paths) == ([], [])
    summary = job.run_virtual(judge=judge, snapshot=True, restart=True)
    assert (summary.exit_code, len(judge.seen)) == (0, 1)
    job.check(rows, summary)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_job_that_ended_with_its_canary_is_complete_after_an_undo(tmp_path, is_killed):
    """No other rows wait for an approval, so the job does not go on without those of the canary."""
    job = job_of(tmp_path, contacts(200), latency_seconds=1.0)
    assert job.run_virtual(judge=Judge(says=False), canary=200, snapshot=True).state == "complete"
    undo(job, kill_after=28.5 if is_killed else None, max_in_flight=1)
    left = sum(not one["archived"] for one in job.simulator.objects(1e9))
    assert left == (100 if is_killed else 0)
    summary = job.run_virtual(judge=Judge(says=False), canary=200, snapshot=True)
    assert (summary.state, summary.exit_code, job.transport.paths) == ("complete", 0, [])
    assert has_to_begin_anew(Path(f"{job.source}.checkpoint")) is not is_killed


def test_an_undo_that_was_declined_leaves_the_canary_to_be_approved(tmp_path):
    async def no(*_: object) -> bool:
        return False

    # An undo settles a contact that it does not find before it asks.
    failing = {"kind": "reject", "category": "INTERNAL_ERROR", "keys": ["c7@example.com"]}
    job = job_of(tmp_path, contacts(300), faults=[failing])
    job.run_virtual(judge=Judge(says=False), canary=100, snapshot=True)
    with pytest.raises(DeclinedError):
        undo(job, approve=no)
    assert job.run_virtual(snapshot=True, approve_canary=True).state == "complete"
    assert len(job.held()) == 299


# --- what is noticed ---


def test_a_workflow_is_noticed_and_named_by_property_and_source(tmp_path):
    """It sets what the file doesn't even hold; a person changes what it does hold, and another is deleted."""
    human = {"who": "human", "property": "city", "value": "Ulm", "after_seconds": 20}
    others = [
        {**WORKFLOW, "share": 0.3},
        {**human, "keys": ["c3@example.com", "c4@example.com"]},
        {"who": "human", "archive": True, "keys": ["c5@example.com"], "after_seconds": 10},
    ]
    nobody = Judge(says=False)
    job = job_of(tmp_path, contacts(500, city="Bonn"), others=others)
    job.run_virtual(judge=nobody)
    seen = nobody.review
    routed = [held for held in job.held().values() if held.get("hs_lead_status") == "OPEN"]
    by_workflow = seen.changes[Change("hs_lead_status", "AUTOMATION_PLATFORM", "Routing")]
    assert by_workflow.count == len(routed) > 10
    assert by_workflow.source_id.startswith("enrollmentId:")
    by_human = seen.changes[Change("city", "CRM_UI")]
    assert (by_human.count, by_human.row in {5, 6}, by_human.source_id) == (2, True, "userId:9586504")
    assert len(seen.changes) == 2
    assert (seen.missing, seen.missing_rows, seen.different) == (1, [7], 0)
    assert seen.as_sent + seen.changed + seen.missing == seen.contacts == 100
    assert not seen.is_clean


def test_a_late_workflow_is_waited_for(tmp_path):
    nobody = Judge(says=False)
    job = job_of(tmp_path, contacts(500), others=[{**WORKFLOW, "after_seconds": 25}])
    job.run_virtual(judge=nobody, canary_wait_seconds=5.0)
    assert nobody.review.changes == {}
    job.run_virtual(judge=nobody, canary_wait_seconds=40.0)
    assert nobody.review.changed == 100


def test_an_earlier_value_is_not_reported_as_a_change(tmp_path):
    """Nor is what the job itself wrote earlier, or HubSpot's own rules make of it."""
    held = [
        {"email": f"c{i}@example.com", "city": "Old", "lifecyclestage": "customer", "hs_lead_status": "NEW"}
        for i in range(40)
    ]
    nobody = Judge(says=False)
    job = job_of(tmp_path, contacts(300, city="Bonn", lifecyclestage="lead"), held)
    job.run_virtual(judge=nobody)
    seen = nobody.review
    assert (seen.changes, seen.differences, seen.adjusted, seen.as_sent) == ({}, {}, 40, 60)
    ((name, rule),) = seen.adjustments
    assert (name, "does not go back" in rule) == ("lifecyclestage", True)
    assert seen.is_clean


def test_rows_that_failed_are_told_with_their_reasons(tmp_path):
    rows = contacts(300)
    for at in (5, 7):
        rows[at]["email"] = f"c{at}@example.badtld"
    nobody = Judge(says=False)
    job = job_of(tmp_path, rows)
    job.run_virtual(judge=nobody)
    ((outcome, reason), place), *others = nobody.review.failed.items()
    assert (outcome, place.count, place.row, others) == (Outcome.REJECTED, 2, 7, [])
    assert "badtld" not in reason  # what is shown holds no address
    assert (nobody.review.rows, nobody.review.contacts, nobody.review.is_clean) == (100, 98, False)


def test_rows_of_one_contact_are_judged_by_the_later_one(tmp_path):
    rows = contacts(300)
    rows[50] = {"email": "C3@example.com", "firstname": "Later"}
    nobody = Judge(says=False)
    job = job_of(tmp_path, rows)
    job.run_virtual(judge=nobody, canary=150)
    assert job.held()["c3@example.com"]["firstname"] == "Later"
    assert (nobody.review.rows, nobody.review.as_sent) == (150, 149)


def test_records_of_two_keys_are_both_read(tmp_path):
    rows = [
        {
            "external_id": "" if i % 2 else f"e{i}",
            "email": f"c{i}@example.com" if i % 2 else "",
            "city": "Bonn",
        }
        for i in range(600)
    ]
    nobody = Judge(says=False)
    job = job_of(tmp_path, rows)
    job.run_virtual(judge=nobody, match=("external_id", "email"))
    assert (nobody.review.rows, nobody.review.as_sent) == (100, 100)


# --- how many ---


@pytest.mark.parametrize(("canary", "held"), [(1, 1), (10, 10), (250, 250), (None, 100)])
def test_no_row_more_leaves_than_was_said(tmp_path, canary, held):
    job, nobody = job_of(tmp_path, contacts(3_000)), Judge(says=False)
    summary = job.run_virtual(judge=nobody, canary=canary)
    assert (summary.exit_code, len(job.held()), nobody.review.as_sent) == (3, held, held)


@pytest.mark.parametrize("rows", [1, 100])
def test_a_job_that_ends_with_its_canary_asks_nothing(tmp_path, rows):
    job, nobody = job_of(tmp_path, contacts(rows)), Judge(says=False)
    assert job.run_virtual(judge=nobody).exit_code == 0
    assert (len(job.held()), nobody.seen) == (rows, [])


def test_rows_that_never_leave_do_not_count(tmp_path):
    rows = [*contacts(60), *[{"email": "no mail", "firstname": "F"}] * 60, *contacts(3_000)[60:]]
    job, nobody = job_of(tmp_path, rows), Judge(says=False)
    job.run_virtual(judge=nobody)
    assert sorted(job.held()) == sorted(row["email"] for row in contacts(100))


def test_rows_that_are_read_and_not_written_do_not_count(tmp_path):
    rows = contacts(3_000)
    job, nobody = job_of(tmp_path, rows, rows[:450]), Judge(says=False)
    summary = job.run_virtual(judge=nobody, only_records=Only.NEW)
    assert (nobody.review.rows, nobody.review.as_sent, summary.exit_code) == (100, 100, 3)
    assert len(job.held()) == 550


def test_there_is_no_canary_on_a_test_account_or_without_a_judge(tmp_path):
    rows = contacts(300)
    job = job_of(tmp_path, rows, account={"account_type": "SANDBOX"})
    assert job.run_virtual(judge=Judge(says=False)).exit_code == 0
    job.simulator = make_simulator(quota="none", account=PRODUCTION)
    job._clock = 0.0
    assert job.run_virtual(restart=True).exit_code == 0
    job.simulator = make_simulator(quota="none")
    job._clock = 0.0
    summary = job.run_virtual(restart=True, canary=20)
    assert (summary.exit_code, len(job.held())) == (3, 20)


def test_an_account_of_unknown_kind_has_a_canary(tmp_path):
    untold = {"kind": "status", "status": 403, "endpoint": "account"}
    job, nobody = job_of(tmp_path, contacts(300), faults=[untold]), Judge(says=False)
    assert job.run_virtual(judge=nobody).exit_code == 3
    assert nobody.review.as_sent == 100


# --- what is reported ---


@pytest.mark.parametrize("ahead", [3_600, -3_600])
def test_it_begins_by_hubspot_s_clock_and_not_by_the_machine_s(tmp_path, ahead):
    """Histories are compared with that."""
    job = job_of(tmp_path, contacts(300))
    job.clock_ahead_seconds = ahead
    job.run_virtual(judge=Judge(says=False), canary_wait_seconds=5.0)
    checkpoint = Checkpoint.open(job.source.with_name("contacts.csv.checkpoint"), read_only=True)
    canary = checkpoint.canary()
    checkpoint.close()
    assert job.simulator.wall(0.0) - 1 <= canary.begun_at <= canary.sent_at <= job.simulator.wall(job._clock)


def test_approving_a_canary_that_was_not_sent_writes_nothing(tmp_path):
    job = job_of(tmp_path, contacts(300))
    with pytest.raises(SettingsError, match="no canary to approve yet"):
        job.run_virtual(judge=Judge(says=True), approve_canary=True)
    assert (job.held(), [path.name for path in tmp_path.iterdir()]) == ({}, ["contacts.csv"])


def test_another_number_than_before_is_refused(tmp_path):
    job, nobody = job_of(tmp_path, contacts(300)), Judge(says=False)
    job.run_virtual(judge=nobody, canary=20)
    with pytest.raises(SettingsError, match="one of 20 rows"):
        job.run_virtual(judge=nobody, canary=30)
    summary = job.run_virtual(judge=nobody, canary=20, approve_canary=True)
    assert summary.exit_code == 0


def test_no_canary_counts_as_approval(tmp_path):
    job, nobody = job_of(tmp_path, contacts(300)), Judge(says=False)
    job.run_virtual(judge=nobody)
    assert job.run_virtual(judge=nobody, canary=0).exit_code == 0
    assert len(nobody.seen) == 1


def test_the_account_that_was_named_has_to_be_it(tmp_path):
    job = job_of(tmp_path, contacts(300))
    with pytest.raises(SettingsError, match=r"--portal 1: .* account 44237313"):
        job.run_virtual(portal="1")
    assert [path.name for path in tmp_path.iterdir()] == ["contacts.csv"]
    assert UPSERT not in job.transport.paths
    assert job.run_virtual(portal="44237313").exit_code == 0


# --- it is killed ---


async def killed(job: Job, seconds: float, **options: object) -> None:
    """As a kill: nothing is settled after it."""
    loop = asyncio.get_running_loop()
    loop._jumping.now = getattr(job, "_clock", 0.0)
    run = asyncio.ensure_future(job.run(**options))
    await asyncio.sleep(seconds)
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    job._clock = loop.time()


def kept(job: Job) -> Canary | None:
    checkpoint = Checkpoint.open(job.source.with_name("contacts.csv.checkpoint"), read_only=True)
    try:
        return checkpoint.canary()
    finally:
        checkpoint.close()


@pytest.mark.parametrize("moments", some([0.3, 1.2, 2.2, 34.0], soaked=[[0.8, 1.6, 5.0, 15.0, 37.0]]))
def test_killed_at_any_moment_it_is_looked_at_before_anything_else_leaves(tmp_path, moments):
    """Before the first row, with rows in flight, while it waits, and in the review."""
    rows, nobody = contacts(400), Judge(says=False)
    for number, seconds in enumerate(moments):
        folder = tmp_path / str(number)
        folder.mkdir()
        job = Job(
            write_csv(folder / "contacts.csv", rows),
            make_simulator(quota="none", latency_seconds=0.4, account=PRODUCTION),
        )
        run_virtual(killed(job, seconds, judge=nobody, canary=120))
        assert len(job.held()) <= 120, seconds
        job._clock += 1.0
        summary = job.run_virtual(judge=nobody, canary=120)
        assert (summary.exit_code, len(job.held()), nobody.review.as_sent) == (3, 120, 120), seconds
        job.check(rows, summary)
        run_virtual(killed(job, 12.0, judge=nobody, canary=120, approve_canary=True))
        asked = len(nobody.seen)
        assert kept(job).approved
        summary = job.run_virtual(judge=nobody, canary=120)
        assert (summary.exit_code, len(nobody.seen)) == (0, asked)
        job.check(rows, summary)


def test_a_signal_while_it_waits_is_handled_and_nothing_is_lost(tmp_path):
    rows, nobody = contacts(1_000), Judge(says=False)
    job = job_of(tmp_path, rows)
    summary = job.run_virtual(judge=nobody, stop_after=20.0)
    assert (summary.cause, summary.exit_code, nobody.seen) == (Cause.SIGNAL, 130, [])
    summary = job.run_virtual(judge=nobody)
    assert (summary.exit_code, nobody.review.as_sent, len(job.held())) == (3, 100, 100)


def test_an_outage_while_it_is_read_back_stops_the_run_and_it_is_read_later(tmp_path):
    rows, nobody = contacts(2_000), Judge(says=True)
    down = {"kind": "status", "status": 503, "endpoint": "any", "from_seconds": 20}
    job = job_of(tmp_path, rows, faults=[down])
    summary = job.run_virtual(judge=nobody, outage_seconds=60.0)
    assert (summary.cause, summary.exit_code, len(job.held()), nobody.seen) == (Cause.OUTAGE, 75, 100, [])
    job.simulator.change_scenario(make_simulator(account=PRODUCTION).scenario)
    summary = job.run_virtual(judge=nobody)
    assert (summary.exit_code, nobody.review.as_sent) == (0, 100)
    job.check(rows, summary)


def test_what_it_sent_is_kept_no_longer_than_it_is_needed(tmp_path):
    job, nobody = job_of(tmp_path, contacts(300)), Judge(says=False)
    job.run_virtual(judge=nobody)

    def count() -> int:
        with closing(sqlite3.connect(f"{job.source}.checkpoint")) as connection:
            return connection.execute("SELECT count(*) FROM canary").fetchone()[0]

    assert count() == 100
    job.run_virtual(judge=nobody, approve_canary=True)
    assert count() == 0
