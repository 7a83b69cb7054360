"""Contacts that are read before they are written: which writes are saved, what that costs, what is stored."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import some
from uploader.errors import CheckpointError
from uploader.mockserver.quota import parse_quota
from uploader.model.stop import Cause
from uploader.pipeline.feed import LINGER_SECONDS
from uploader.records.write_policy import Only, Policy
from uploader.settings.speed import OnLongPause


def job_of(tmp_path, rows, held=(), **scenario) -> Job:
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", **scenario))
    job.simulator.reset(0.0, [{"properties": dict(properties)} for properties in held])
    return job


def upserts(job: Job) -> int:
    return job.transport.paths.count("/crm/v3/objects/contacts/batch/upsert")


def test_the_same_file_again_is_read_and_not_written(tmp_path):
    rows = contacts(250)
    job = job_of(tmp_path, rows)
    job.run_virtual()
    before = list(job.simulator.objects(1e9))
    summary = job.run_virtual(restart=True, skip_unchanged=True)
    assert (summary.exit_code, summary.as_dict()["unchanged"], upserts(job)) == (0, 250, 0)
    assert list(job.simulator.objects(1e9)) == before
    assert set(job.outcomes().values()) == {"unchanged"}


def test_without_the_properties_types_only_identical_text_is_unchanged(tmp_path):
    rows = [{"email": "a@x.com", "jobtitle": "1.10"}, {"email": "b@x.com", "jobtitle": "5.0"}]
    rows.append({"email": "c@x.com", "jobtitle": "7"})
    held = [{"email": "a@x.com", "jobtitle": "1.1"}, {"email": "b@x.com", "jobtitle": "5"}, rows[2]]
    unreadable = {"kind": "status", "endpoint": "properties", "status": 403}
    job = job_of(tmp_path, rows, held, faults=[unreadable])
    summary = job.run_virtual(skip_unchanged=True)
    assert job.outcomes() == {2: "updated", 3: "updated", 4: "unchanged"}
    assert [job.held()[row["email"]]["jobtitle"] for row in rows] == ["1.10", "5.0", "7"]
    assert summary.exit_code == 0


def test_fill_and_create_only_leave_what_is_there_and_count_it(tmp_path):
    rows = [
        {"email": "old@x.com", "firstname": "New", "city": "New", "phone": "New"},
        {"email": "new@x.com", "firstname": "New", "city": "New", "phone": "New"},
    ]
    job = job_of(tmp_path, rows, [{"email": "old@x.com", "firstname": "Old", "phone": "Old"}])
    summary = job.run_virtual(policies={"firstname": Policy.FILL, "city": Policy.CREATE_ONLY})
    held = job.held()
    assert {n: held["old@x.com"].get(n, "") for n in ("firstname", "city", "phone")} == {
        "firstname": "Old",
        "city": "",
        "phone": "New",
    }
    assert held["new@x.com"]["firstname"] == held["new@x.com"]["city"] == "New"
    assert (summary.as_dict()["values_spared"], summary.exit_code) == (2, 0)


@pytest.mark.parametrize(("only", "written"), [(Only.EXISTING, "old@x.com"), (Only.NEW, "new@x.com")])
def test_only_existing_or_only_new_contacts_are_written(tmp_path, only, written):
    rows = [{"email": "old@x.com", "firstname": "F"}, {"email": "new@x.com", "firstname": "F"}]
    job = job_of(tmp_path, rows, [{"email": "old@x.com"}])
    summary = job.run_virtual(only_records=only)
    assert [name for name, held in job.held().items() if held.get("firstname") == "F"] == [written]
    assert (summary.as_dict()["skipped"], summary.exit_code) == (1, 0)
    assert summary.as_dict()["skipped_because"] == {"ONLY": 1}


def test_a_rule_for_a_missing_column_is_refused(tmp_path):
    job = job_of(tmp_path, contacts(3))
    with pytest.raises(Exception, match="fill names the column 'nickname', which does not exist"):
        job.run_virtual(policies={"nickname": Policy.FILL})


def test_a_contact_that_no_answer_speaks_of_is_not_written(tmp_path):
    """What it holds is not known, so nobody knows what would be overwritten."""
    drop = {"kind": "drop_results", "endpoint": "read", "count": 1, "rate": 1.0}
    job = job_of(tmp_path, contacts(3), [{"email": "c1@example.com", "firstname": "Old"}], faults=[drop])
    summary = job.run_virtual(policy=Policy.FILL)
    assert job.held()["c1@example.com"]["firstname"] == "Old"
    assert (summary.as_dict()["abandoned"], summary.exit_code) == (1, 1)


TRANSIENT = ["INTERNAL_ERROR", "RATE_LIMITS"]


def reads_refused(category, **fault):
    """Reads of which some contacts are answered with an error of that category."""
    return {"kind": "reject", "endpoint": "read", "category": category, **fault}


@pytest.mark.parametrize("share", [{}, {"share": 0.3}], ids=["all", "some"])
@pytest.mark.parametrize("category", TRANSIENT)
def test_a_read_that_fails_for_the_moment_is_asked_again_before_anything_is_decided(
    tmp_path, category, share
):
    rows = contacts(300, city="Bonn")
    held = [{**row, "city": "Ulm"} for row in rows]
    for options, expected in (
        ({"policy": Policy.FILL}, {"unchanged": 300}),
        ({"only_records": Only.EXISTING}, {"updated": 300}),
        ({"only_records": Only.NEW}, {"skipped": 300}),
    ):
        job = job_of(tmp_path, rows, held, faults=[reads_refused(category, times=4, **share)])
        summary = job.run_virtual(restart=True, **options)
        outcomes = {name: count for name, count in summary.tallies.outcomes.items() if count}
        assert (outcomes, summary.exit_code) == (expected, 0)


@pytest.mark.parametrize("category", [*TRANSIENT, "FORBIDDEN"])
@pytest.mark.parametrize(
    "options",
    [
        {"policy": Policy.FILL},
        {"only_records": Only.EXISTING},
        {"only_records": Only.NEW},
        {"snapshot": True},
    ],
    ids=["fill", "only-existing", "only-new", "snapshot"],
)
def test_a_contact_whose_reading_never_succeeds_is_not_written_and_the_reason_is_named(
    tmp_path, category, options
):
    rows = contacts(5, city="Bonn")
    held = [{**row, "city": "Ulm"} for row in rows[:3]]
    job = job_of(tmp_path, rows, held, faults=[reads_refused(category, keys=["c1@example.com"])])
    job.options = options
    summary = job.run_virtual()
    assert (job.outcomes()[3], summary.as_dict()["abandoned"], summary.exit_code) == ("abandoned", 1, 1)
    assert job.held()["c1@example.com"]["city"] == "Ulm"
    (letter,) = job.dead_letters()
    assert category in letter.message
    if "snapshot" in options:
        assert "c1@example.com" not in kept(job)


def test_an_outage_reported_contact_by_contact_is_not_the_rows_fault(tmp_path):
    job = job_of(tmp_path, contacts(300), faults=[reads_refused("INTERNAL_ERROR")])
    summary = job.run_virtual(skip_unchanged=True, outage_seconds=60.0)
    assert (summary.state, summary.cause, summary.tallies.settled) == ("stopped", Cause.OUTAGE, 0)


def test_a_last_attempt_is_read_back_until_there_is_an_answer(tmp_path):
    """It was written, though no reply confirmed it; the first reads of it fail for the moment."""
    lost = {"kind": "reset", "applied": True, "keys": ["c7@example.com"]}
    job = job_of(tmp_path, contacts(120), faults=[lost])
    unread = make_simulator(quota="none", faults=[reads_refused("INTERNAL_ERROR")]).handle
    handle, left = job.simulator.handle, [2]

    def failing(request, now):
        if request.path.endswith("batch/read") and b'"firstname"' in request.body and left[0]:
            left[0] -= 1
            return unread(request, now)
        return handle(request, now)

    job.simulator.handle = failing
    summary = job.run_virtual()
    assert (left, summary.as_dict()["abandoned"], job.outcomes()[9]) == ([0], 0, "updated")


def test_a_token_that_may_not_read_stops_the_job_before_it_writes(tmp_path):
    refused = {"kind": "status", "endpoint": "read", "status": 403, "rate": 1.0}
    job = job_of(tmp_path, contacts(3), faults=[refused])
    summary = job.run_virtual(snapshot=True)
    assert (summary.state, summary.exit_code, upserts(job)) == ("stopped", 2, 0)


def test_a_row_is_told_that_was_unchanged_until_another_key_of_its_contact_wrote(tmp_path):
    """Both are read before either is written: the file's order can't be kept, so it has to be told."""
    rows = [{"email": "one@x.com", "city": "New"}, {"email": "two@x.com", "city": "Old"}]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none"))
    person = {"properties": {"email": "one@x.com", "city": "Old"}, "additional_emails": ["two@x.com"]}
    job.simulator.reset(0.0, [person])
    summary = job.run_virtual(skip_unchanged=True)
    assert (list(job.outcomes().values()), job.held()["one@x.com"]["city"]) == (
        ["unchanged", "updated"],
        "New",
    )
    assert summary.as_dict()["aliases"] == 1


def test_an_outage_of_reading_alone_is_not_the_rows_fault(tmp_path):
    down = {"kind": "status", "endpoint": "read", "status": 503, "rate": 1.0}
    job = job_of(tmp_path, contacts(300), faults=[down])
    summary = job.run_virtual(skip_unchanged=True, outage_seconds=60.0)
    assert (summary.state, summary.cause, summary.tallies.settled) == ("stopped", Cause.OUTAGE, 0)
    job.simulator.change_scenario(make_simulator().scenario)
    assert job.run_virtual(skip_unchanged=True).as_dict()["created"] == 300


def test_what_somebody_writes_while_the_job_waits_for_the_next_day_is_looked_at_again(tmp_path):
    """The day ends between reading and writing: what was read is old when the write may leave."""
    rows = [{"email": f"c{n}@x.com", "firstname": "Ours", "city": "Ours"} for n in range(3)]
    spent = {"kind": "status", "endpoint": "upsert", "status": 429, "shape": "daily", "first": 1}
    held = [{"email": "c0@x.com", "city": "Old"}, {"email": "c1@x.com"}]
    job = job_of(tmp_path, rows, held, faults=[spent], account={"day_seconds": 1_800})
    job.simulator.change_quota(parse_quota("190/10"))  # without it nobody asks when the day ends
    meddled = []

    def change_records(run):
        if run.session.sender.pausing is Cause.DAILY and not meddled:
            changes = [
                {"email": "c1@x.com", "properties": {"firstname": "Theirs"}},
                {"email": "c0@x.com", "properties": {"city": ""}},
            ]
            meddled.append(job.simulator.change_records(asyncio.get_running_loop().time(), changes, []))

    options = {"on_long_pause": OnLongPause.WAIT, "policy": Policy.FILL, "snapshot": True}
    summary = job.run_virtual(on_tick=change_records, **options)
    assert meddled
    assert (summary.exit_code, summary.as_dict()["values_spared"], upserts(job)) == (0, 1, 2)
    there = {name: (one["firstname"], one["city"]) for name, one in job.held().items()}
    ours = ("Ours", "Ours")
    assert there == {"c0@x.com": ours, "c1@x.com": ("Theirs", "Ours"), "c2@x.com": ours}
    # And what goes back is what stood there last, not what was read before the pause.
    assert formers(job) == {
        ("c0@x.com", "firstname"): "",
        ("c0@x.com", "city"): "",
        ("c1@x.com", "city"): "",
    }


def _sleep(job):
    job.sleep_machine(8 * 3_600)


def _sleep_and_set_the_clock_back(job):
    job.sleep_machine(8 * 3_600)
    job.clock_ahead_seconds -= 3_600


def _stop(job):
    """By Ctrl-Z, say: both clocks go on, and the process does not run."""
    asyncio.get_running_loop()._jumping.now += 8 * 3_600


def _freeze(job):
    """With a wall clock that was set back meanwhile."""
    _stop(job)
    job.clock_ahead_seconds -= 9 * 3_600


@pytest.mark.parametrize(
    ("stand_still", "late", "connect_seconds"),
    some(
        *((_sleep, 0.0, 0.0), (_stop, 0.0, 0.0), (_sleep_and_set_the_clock_back, 0.3, 0.0)),
        *((_freeze, 0.0, 3.0), (_sleep, 0.0, 3.0)),
        soaked=[
            *((_sleep_and_set_the_clock_back, 0.0, 0.0), (_freeze, 0.0, 0.0)),
            *((_sleep, 0.3, 0.0), (_stop, 0.3, 0.0), (_freeze, 0.3, 0.0)),
            *((_sleep_and_set_the_clock_back, 0.0, 3.0), (_stop, 0.0, 3.0)),
        ],
    ),
)
def test_what_somebody_writes_while_the_machine_sleeps_is_looked_at_again(
    tmp_path, stand_still, late, connect_seconds
):
    """Whether contacts were read, are being read, or wait to be written, for their turn or a connection: none
    is written by what was read eight hours ago.
    """
    job = job_of(tmp_path, contacts(300, city="Ours"), [{"email": row["email"]} for row in contacts(300)])
    job.simulator.change_quota(parse_quota("50/10"))
    job.make_transport = partial(MockTransport, connect_seconds=connect_seconds)
    job.simulator.settings = replace(job.simulator.settings, latency_seconds=0.5)
    job.batch_records = 20
    theirs = []

    def wake() -> None:
        stand_still(job)
        theirs.extend(name for name, held in job.held().items() if not held.get("city"))
        changes = [{"email": name, "properties": {"city": "Theirs"}} for name in theirs]
        job.simulator.change_records(asyncio.get_running_loop().time(), changes, [])

    def start(_):
        asyncio.get_running_loop().call_later(5.0 + late, wake)

    summary = job.run_virtual(policy=Policy.FILL, on_start=start)
    held = job.held()
    assert len(theirs) > 40
    assert {held[name]["city"] for name in theirs} == {"Theirs"}
    assert (summary.exit_code, summary.as_dict()["values_spared"]) == (0, len(theirs))


class _Slow(Inline):
    """A disk that takes so many seconds for each batch of a snapshot, the last of them for all others."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)

    async def run(self, call):
        if getattr(getattr(call, "func", None), "__name__", "") == "keep":
            await asyncio.sleep(self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0])
        return await super().run(call)


@pytest.mark.parametrize("seconds", [(1_200.0, 0.0), (1_200.0,)], ids=["once", "always"])
def test_what_somebody_writes_while_the_disk_stands_still_is_looked_at_again(tmp_path, seconds):
    """And the job ends, however slow the disk is."""
    rows = [{"email": f"c{n}@x.com", "city": "Ours"} for n in range(3)]
    job = job_of(tmp_path, rows, [{"email": row["email"]} for row in rows])
    disk = _Slow(*seconds)
    job.offload = lambda _: disk
    meddled = []

    def change_records(run):
        now = asyncio.get_running_loop().time()
        if now > 600 and not meddled:
            change = {"email": "c1@x.com", "properties": {"city": "Theirs"}}
            meddled.append(job.simulator.change_records(now, [change], []))

    summary = job.run_virtual(on_tick=change_records, policy=Policy.FILL, snapshot=True, stop_after=10_000.0)
    assert meddled
    assert (summary.exit_code, summary.as_dict()["values_spared"], upserts(job)) == (0, 1, 1)
    assert [held["city"] for _, held in sorted(job.held().items())] == ["Ours", "Theirs", "Ours"]


def test_the_same_while_the_disk_stands_still_for_links(tmp_path):
    """Between the read and the write of a batch, a row that is settled at once has its keys linked."""
    rows = [{"external_id": f"e{n}", "email": f"c{n}@x.com", "city": "Ours"} for n in range(3)]
    people = [{**row, "city": "Ours" if n == 0 else ""} for n, row in enumerate(rows)]
    job = job_of(tmp_path, rows, people)
    asked = []
    handle = job.simulator.handle

    def note(request, now):
        asked.append(request.path.rsplit("/", 1)[1])
        return handle(request, now)

    job.simulator.handle = note

    class StandsStill(Inline):
        has_stood = False

        async def run(self, call):
            if asked[-1:] == ["read"] and not StandsStill.has_stood:
                StandsStill.has_stood = True
                await asyncio.sleep(150)
                change = {"email": "c1@x.com", "properties": {"city": "Theirs"}}
                job.simulator.change_records(asyncio.get_running_loop().time(), [change], [])
                await asyncio.sleep(150)
            return await super().run(call)

    job.offload = lambda name: StandsStill() if name == "writer" else Inline()
    summary = job.run_virtual(policy=Policy.FILL, match=("external_id", "email"), skip_unchanged=True)
    assert StandsStill.has_stood
    assert (summary.exit_code, job.held()["c1@x.com"]["city"]) == (0, "Theirs")


def test_records_in_doubt_are_read_again_after_a_long_pause_too(tmp_path):
    """Their write is lost, a long pause begins, and a person fills what is still empty."""
    rows = [{"email": f"c{n}@x.com", "city": "Ours"} for n in range(3)]
    lost = {"kind": "reset", "applied": False, "first": 1}
    pause = {"kind": "status", "status": 477, "retry_after_seconds": 600, "requests": [2, 2]}
    job = job_of(tmp_path, rows, [{"email": "c0@x.com"}, {"email": "c1@x.com"}], faults=[lost, pause])
    meddled = []

    def change_records(run):
        if run.session.sender.pausing is Cause.MIGRATION and not meddled:
            change = {"email": "c1@x.com", "properties": {"city": "Theirs"}}
            meddled.append(job.simulator.change_records(asyncio.get_running_loop().time(), [change], []))

    summary = job.run_virtual(on_tick=change_records, on_long_pause=OnLongPause.WAIT, policy=Policy.FILL)
    assert meddled
    assert (summary.exit_code, summary.as_dict()["values_spared"]) == (0, 1)
    assert {name: held["city"] for name, held in job.held().items()} == {
        "c0@x.com": "Ours",
        "c1@x.com": "Theirs",
        "c2@x.com": "Ours",
    }


def test_only_new_leaves_a_contact_that_somebody_created_after_a_lost_answer(tmp_path):
    rows = [{"email": f"c{n}@x.com", "city": "Ours"} for n in range(3)]
    lost = {"kind": "reset", "applied": False, "first": 1}
    pause = {"kind": "status", "status": 477, "retry_after_seconds": 600, "requests": [2, 2]}
    job = job_of(tmp_path, rows, faults=[lost, pause])
    meddled = []

    def create(run):
        if run.session.sender.pausing is Cause.MIGRATION and not meddled:
            theirs = {"properties": {"email": "c1@x.com", "city": "Theirs"}}
            meddled.append(job.simulator.account.seed({"contacts": [theirs]}, "2026-01-01T00:00:09Z"))

    options = {"on_long_pause": OnLongPause.WAIT, "only_records": Only.NEW}
    summary = job.run_virtual(on_tick=create, **options)
    assert meddled
    assert {name: held["city"] for name, held in job.held().items()}["c1@x.com"] == "Theirs"
    assert job.outcomes() == {2: "created", 3: "skipped", 4: "created"}
    assert summary.exit_code == 0


@pytest.mark.parametrize("policy", [Policy.FILL, Policy.CREATE_ONLY])
def test_a_record_that_is_read_again_and_again_is_given_up_all_the_same(tmp_path, policy):
    """Its backoffs add up to more than what was read stays good for; its attempts go on being counted."""
    broken = {"kind": "status", "status": 500, "keys": ["c1@example.com"]}
    rows = contacts(2_000)
    job = job_of(tmp_path, rows, faults=[broken])
    job.simulator.change_quota(parse_quota("10/10"))
    summary = job.run_virtual(policy=policy, stop_after=7_200)
    assert (summary.as_dict()["abandoned"], summary.as_dict()["created"]) == (1, 1_999)
    assert sum(seen.status == "500" for seen in job.simulator.statistics.log) < 40


# --- full batches of what is to be written ---


def changed_job(tmp_path, rows, changed, *, quota="none", batch_records=10, **scenario) -> Job:
    """HubSpot holds all rows but the values of the changed ones, by their places."""
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows),
        make_simulator(quota=quota, latency_seconds=0.2, **scenario),
        {"skip_unchanged": True},
        batch_records=batch_records,
    )
    held = {
        row["email"]: {**row, "city": "Old"} if place in changed else row for place, row in enumerate(rows)
    }
    job.simulator.reset(0.0, [{"properties": properties} for properties in held.values()])
    return job


@pytest.mark.parametrize("options", some({}, soaked=[{"snapshot": True}]))
def test_rows_that_remain_to_be_written_travel_in_full_batches(tmp_path, options):
    rows = contacts(4_000, city="New")
    job = changed_job(tmp_path, rows, range(0, 4_000, 20), quota="190/10")
    summary = job.run_virtual(**options)
    job.check(rows, summary)
    assert (summary.as_dict()["updated"], summary.as_dict()["unchanged"]) == (200, 3_800)
    assert summary.tallies.requests <= 432
    assert upserts(job) <= 22


def test_what_was_read_is_written_before_it_grows_old(tmp_path):
    """Few rows change and the quota is small: a full batch would take minutes."""
    rows = contacts(3_000, city="New")
    job = changed_job(tmp_path, rows, range(0, 3_000, 300), quota="10/10")
    summary = job.run_virtual()
    job.check(rows, summary)
    assert job.transport.paths.count("/crm/v3/objects/contacts/batch/read") == 300
    assert 5 <= upserts(job) <= 10


def test_what_was_read_is_written_while_another_read_has_no_answer(tmp_path):
    """The last batch of the source could still fill the one that waits."""
    rows = contacts(30, city="New")
    slow = {"kind": "delay", "endpoint": "read", "keys": ["c29@example.com"], "seconds": 40.0}
    job = changed_job(tmp_path, rows, range(0, 30, 10), faults=[slow])
    summary = job.run_virtual()
    job.check(rows, summary)
    sent = list(zip(job.transport.paths, job.transport.sent_at, strict=True))
    [first, *_] = [at for path, at in sent if path.endswith("upsert")]
    [*_, last] = [at for path, at in sent if path.endswith("batch/read")]
    assert first - last < 40.0


def test_a_row_that_another_waits_for_is_not_kept_until_its_batch_is_full(tmp_path):
    """Of one contact come twenty rows, each read once the one before is written; no other row changes."""
    rows = [{"email": "hot@x.com", "firstname": "F", "city": f"C{n}"} for n in range(20)]
    rows += contacts(4_000, city="New")
    job = changed_job(tmp_path, rows, (), quota="190/10", batch_records=4)
    settled = []

    def look(run):
        if not settled and job.held()["hot@x.com"]["city"] == "C18":
            settled.append(run.view().tallies.settled)

    job.simulator.change_records(0.0, [{"email": "hot@x.com", "properties": {"city": "Old"}}], [])
    summary = job.run_virtual(on_tick=look, max_in_flight=4)
    job.check(rows, summary)
    assert settled[0] < 3_000


def test_what_waits_to_be_written_when_the_run_is_stopped_stays_open_and_out_of_the_snapshot(tmp_path):
    rows = contacts(3_000, city="New")
    changed = range(0, 3_000, 100)
    job = changed_job(tmp_path, rows, changed, quota="10/10", batch_records=20)
    summary = job.run_virtual(snapshot=True, stop_after=100.0)
    written = {name for name, held in job.held().items() if held["city"] == "New"}
    ours = {f"c{place}@example.com" for place in changed}
    assert summary.state == "stopped"
    assert 0 < len(ours & written) < len(ours)
    assert kept(job) == ours & written
    assert summary.as_dict()["updated"] == len(kept(job))
    summary = job.run_virtual(snapshot=True)
    job.check(rows, summary)
    assert (summary.state, kept(job)) == ("complete", ours)


@pytest.mark.parametrize(
    ("canary", "changed"), [(10, range(0, 600, 20)), (20, range(15, 600)), (25, range(600))]
)
def test_a_canary_counts_the_rows_that_are_written(tmp_path, canary, changed):
    async def approve(review):
        reviewed.append((review.rows, sum(held["city"] == "New" for held in job.held().values()) - unchanged))
        return True

    reviewed = []
    rows = contacts(600, city="New")
    unchanged = 600 - len(changed)
    job = changed_job(tmp_path, rows, changed)
    summary = job.run_virtual(canary=canary, judge=approve)
    job.check(rows, summary)
    assert (summary.as_dict()["updated"], reviewed) == (len(changed), [(canary, canary)])


def test_a_canary_does_not_wait_for_rows_that_may_not_leave(tmp_path):
    async def decline(_):
        return False

    job = changed_job(tmp_path, contacts(600, city="New"), range(600))
    job.run_virtual(canary=5, judge=decline)
    read, written = (
        next(
            at
            for at, path in zip(job.transport.sent_at, job.transport.paths, strict=True)
            if path.endswith(end)
        )
        for end in ("batch/read", "batch/upsert")
    )
    assert written - read < LINGER_SECONDS


def test_rows_of_two_keys_are_written_by_their_own(tmp_path):
    """A batch is of one id property: those of the other wait in another batch."""
    rows = [
        {"email": f"a{n}@x.com", "external_id": "", "city": "New"}
        if n % 2
        else {"email": "", "external_id": f"{n}", "city": "New"}
        for n in range(410)
    ]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none"), batch_records=10)
    job.simulator.reset(0.0, [{"properties": row} for place, row in enumerate(rows) if place % 10 > 1])
    summary = job.run_virtual(skip_unchanged=True, match=("email", "external_id"))
    # 41 of each key: five batches of either, where nine would hold all.
    assert (summary.exit_code, summary.as_dict()["created"], upserts(job)) == (0, 82, 10)


# --- the snapshot ---


def formers(job: Job) -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(f"{job.source}.checkpoint.snapshot")) as connection:
        return {
            (key, name): text
            for key, name, text in connection.execute(
                "SELECT key, property, text FROM former JOIN contacts USING (hubspot_id)"
            )
        }


def test_the_first_snapshot_of_a_contact_wins(tmp_path):
    rows = [
        {"email": "old@x.com", "firstname": "A", "city": ""},
        *contacts(150, city=""),
        {"email": "OLD@x.com", "firstname": "B", "city": "C"},
    ]
    job = job_of(tmp_path, rows, [{"email": "old@x.com", "firstname": "Old"}])
    job.run_virtual(snapshot=True)
    assert job.held()["old@x.com"]["firstname"] == "B"
    assert formers(job) == {("old@x.com", "firstname"): "Old", ("old@x.com", "city"): ""}


def test_what_a_killed_run_wrote_is_not_taken_for_what_was_there(tmp_path):
    """The write arrives, its answer does not, and the process ends: the next reads our own value."""
    rows = [{"email": "old@x.com", "firstname": "A"}, {"email": "new@x.com", "firstname": "A"}]
    lost = {"kind": "reset", "applied": True, "rate": 1.0}
    job = job_of(tmp_path, rows, [{"email": "old@x.com", "firstname": "Old"}], faults=[lost])
    job.run_virtual(snapshot=True, stop_after=20.0)
    assert job.held()["old@x.com"]["firstname"] == "A"
    job.simulator.change_scenario(make_simulator().scenario)
    summary = job.run_virtual(snapshot=True)
    assert summary.state == "complete"
    assert formers(job) == {("old@x.com", "firstname"): "Old"}


def test_what_the_job_wrote_by_one_key_is_not_taken_for_what_was_there_by_the_other(tmp_path):
    rows = [
        {"email": "new@x.com", "external_id": "7", "firstname": "Ours"},
        {"email": "", "external_id": "7", "firstname": "Later"},
        {"email": "", "external_id": "8", "firstname": "Later"},
    ]
    job = job_of(tmp_path, rows, [{"email": "old@x.com", "external_id": "8", "firstname": "Old"}])
    job.run_virtual(snapshot=True, match=("email", "external_id"))
    assert job.held()["new@x.com"]["firstname"] == "Later"
    assert formers(job) == {("8", "firstname"): "Old"}


def test_a_snapshot_of_another_job_is_kept_for_it(tmp_path):
    job = job_of(tmp_path, contacts(3), [{"email": "c1@example.com", "firstname": "Old"}])
    job.run_virtual(snapshot=True)
    job.run_virtual(snapshot=True, restart=True)
    aside = tmp_path / "contacts.csv.checkpoint.snapshot.1"
    with closing(sqlite3.connect(aside)) as connection:
        assert [text for (text,) in connection.execute("SELECT text FROM former")] == ["Old"]
    assert formers(job)[("c1@example.com", "firstname")] == "F1"


def test_going_on_without_the_snapshot_is_refused(tmp_path):
    refused = {"kind": "status", "status": 401, "requests": [3, 99]}
    job = job_of(tmp_path, contacts(500), faults=[refused])
    assert job.run_virtual(snapshot=True).as_dict()["created"]
    job.simulator.change_scenario(make_simulator().scenario)
    with pytest.raises(CheckpointError, match="snapshot was True, is None"):
        job.run_virtual()


def kept(job: Job) -> set[str]:
    with closing(sqlite3.connect(f"{job.source}.checkpoint.snapshot")) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM contacts")}


def test_what_was_refused_or_never_left_is_not_in_the_snapshot(tmp_path):
    """Whoever writes it later is not this job, and undo would take it for its own."""
    refused = {"kind": "reject", "keys": ["c3@example.com"]}
    job = job_of(tmp_path, contacts(9), [{"email": "c5@example.com", "firstname": "Old"}], faults=[refused])
    assert job.run_virtual(snapshot=True).as_dict()["rejected"] == 1
    assert kept(job) == {f"c{i}@example.com" for i in range(9) if i != 3}
    spent = {"kind": "status", "status": 429, "shape": "daily", "rate": 1.0}
    job.simulator.change_scenario(make_simulator(faults=[spent]).scenario)
    summary = job.run_virtual(snapshot=True, restart=True)
    assert (summary.state, summary.tallies.settled, kept(job), formers(job)) == ("stopped", 0, set(), {})


def test_pauses_that_follow_each_other_count_together(tmp_path):
    """The day's end, and then a moment of 429: the reading is of yesterday all the same."""
    rows = [{"email": f"c{n}@x.com", "firstname": "Ours"} for n in range(3)]
    spent = {"kind": "status", "endpoint": "upsert", "status": 477, "retry_after_seconds": 50, "first": 3}
    job = job_of(tmp_path, rows, [{"email": "c1@x.com"}], faults=[spent])
    meddled = []

    def change_records(run):
        if run.session.sender.pausing and not meddled:
            change = {"email": "c1@x.com", "properties": {"firstname": "Theirs"}}
            meddled.append(job.simulator.change_records(asyncio.get_running_loop().time(), [change], []))

    summary = job.run_virtual(on_tick=change_records, on_long_pause=OnLongPause.WAIT, policy=Policy.FILL)
    assert (summary.exit_code, job.held()["c1@x.com"]["firstname"]) == (0, "Theirs")


def test_reads_go_side_by_side_before_anything_is_written(tmp_path):
    """A first batch is answered well, too, where reading it shows that nothing of it is to be written."""
    rows = contacts(3_000)
    job = job_of(tmp_path, rows, rows, latency_seconds=3.0)
    out = []
    summary = job.run_virtual(on_tick=lambda run: out.append(run.view().in_flight), skip_unchanged=True)
    assert (summary.as_dict()["unchanged"], upserts(job)) == (3_000, 0)
    assert max(out) > 20
