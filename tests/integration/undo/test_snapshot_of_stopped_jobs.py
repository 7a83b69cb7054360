"""What was written, or may have been, is in the snapshot whatever ends the run; what never left is not."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import combined, some
from support.undo_runs import counts, id_of, state, undo
from uploader.errors import StorageError
from uploader.hubspot.replies import no_reply
from uploader.jobs.upload import Run
from uploader.mockserver.bodies.error_bodies import iso
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.requests.contact_reader import PreWriteReader
from uploader.storage import checkpoint as checkpoint_module
from uploader.storage.snapshot import SnapshotFile
from uploader.undo.plan import MAYBE_CREATED

ROWS = 240
HELD = [{"email": f"c{n}@example.com", "city": "Ulm"} for n in range(0, ROWS, 2)]


class Watched(MockTransport):
    """Tells of each upsert when the server has applied it, before the answer comes."""

    on_upsert: Callable[[int], None] = staticmethod(lambda _: None)
    upserts = 0

    async def _answer(self, call, loop):
        reply = await super()._answer(call, loop)
        if call.path.endswith("/batch/upsert"):
            self.upserts += 1
            self.on_upsert(self.upserts)
        return reply


def make_job(tmp_path, rows=ROWS, held=HELD, *, latency_seconds=0.01, **options) -> Job:
    simulator = make_simulator(quota="9000/10", latency_seconds=latency_seconds)
    options = {"snapshot": True, "max_in_flight": 4, **options}
    source = write_csv(tmp_path / "contacts.csv", contacts(rows, city="Bonn"))
    job = Job(source, simulator, options, batch_records=20)
    job.make_transport = Watched
    job.simulator.reset(0.0, [{"properties": dict(one)} for one in held])
    return job


def kept(job: Job) -> set[str]:
    with closing(sqlite3.connect(f"{job.source}.checkpoint.snapshot")) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM contacts")}


def written(job: Job) -> set[str]:
    return {held["email"] for held in state(job).values() if held.get("city") == "Bonn"}


def fail_from_now_on(monkeypatch, owner: type, name: str) -> None:
    def full(*_, **__) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(owner, name, full)


def crash(*_) -> None:
    raise ZeroDivisionError


def stop_twice(run: Run) -> None:
    run.stop(2)
    run.stop(2)


def run_until(job: Job, end: str, monkeypatch, *, in_threads: bool) -> None:
    """Until a few upserts have arrived at the server; then the run ends so."""
    runs: list[Run] = []
    tasks: list[asyncio.Task] = []
    ends = {
        "drain": lambda: runs[0].stop(2),
        "second signal": lambda: stop_twice(runs[0]),
        "cancelled": lambda: tasks[0].cancel("by a test"),
        "crash": crash,
        "disk full at a commit": lambda: fail_from_now_on(
            monkeypatch, checkpoint_module.Checkpoint, "commit"
        ),
        "disk full at a snapshot": lambda: fail_from_now_on(monkeypatch, SnapshotFile, "keep"),
        "too many failures": lambda: None,
    }
    run = job.run

    async def noted(**options):
        tasks.append(asyncio.current_task())
        return await run(**options)

    monkeypatch.setattr(Watched, "on_upsert", staticmethod(lambda count: ends[end]() if count >= 5 else None))
    monkeypatch.setattr(job, "run", noted)
    if end == "too many failures":
        job.simulator.change_scenario(make_simulator(latency_seconds=0.01, faults=[REFUSED]).scenario)
    start = job.run_in_threads if in_threads else job.run_virtual
    with suppress(ZeroDivisionError, asyncio.CancelledError):
        start(on_start=runs.append)


REFUSED = {"kind": "reject", "share": 0.3}
ENDS = [
    *("drain", "second signal", "cancelled", "crash", "too many failures"),
    *("disk full at a commit", "disk full at a snapshot"),
]


@pytest.mark.parametrize(
    ("end", "in_threads"),
    combined(
        ENDS,
        [False, True],
        usual=lambda end, in_threads: in_threads == (end in {"cancelled", "disk full at a commit"}),
    ),
)
def test_what_was_written_is_kept_whatever_ends_the_run(tmp_path, monkeypatch, end, in_threads):
    job = make_job(tmp_path)
    before = state(job)
    with monkeypatch.context() as patched:
        run_until(job, end, patched, in_threads=in_threads)
    assert written(job)
    assert len(written(job)) < ROWS or end == "disk full at a commit"  # which comes when it comes
    assert written(job) <= kept(job)
    if end in {"drain", "too many failures"}:
        assert kept(job) == written(job)
    unsure = kept(job) - written(job)
    report, listed = undo(job)
    assert state(job) == before
    # What may have been on its way is listed, where nobody can say that it never arrived.
    assert {one.key for one in listed} <= unsure
    assert {one.finding.why for one in listed} <= {MAYBE_CREATED}
    assert report.exit_code == bool(listed)


@pytest.mark.parametrize(
    "end",
    some(
        *("cancelled", "disk full at a commit"),
        soaked=["drain", "second signal", "crash", "too many failures", "disk full at a snapshot"],
    ),
)
def test_a_job_that_ended_early_goes_on_and_is_undone(tmp_path, monkeypatch, end):
    job = make_job(tmp_path)
    before = state(job)
    with monkeypatch.context() as patched:
        run_until(job, end, patched, in_threads=True)
    job.simulator.change_scenario(make_simulator().scenario)
    assert job.run_virtual(max_failures=FailureLimit(share=1.0)).state == "complete"
    report, listed = undo(job)
    assert (state(job), report.exit_code, listed) == (before, 0, [])


def test_a_snapshot_under_way_when_its_worker_is_cancelled_is_taken_out_again(tmp_path, monkeypatch):
    """The thread goes on with what the worker no longer waits for."""
    job = make_job(tmp_path)
    entered, released = threading.Event(), threading.Event()
    keep, close = SnapshotFile.keep, PreWriteReader.close

    def slow_keep(self, formers):
        entered.set()
        assert released.wait(30)
        return keep(self, formers)

    async def late_close(self):
        released.set()
        await close(self)

    def started(run: Run) -> None:
        def stop() -> None:
            entered.wait(30)
            loop.call_soon_threadsafe(run.stop, 2)

        loop = asyncio.get_running_loop()
        threading.Thread(target=stop, daemon=True).start()

    with monkeypatch.context() as patched:
        patched.setattr(SnapshotFile, "keep", slow_keep)
        patched.setattr(PreWriteReader, "close", late_close)
        summary = job.run_in_threads(on_start=started)
    assert (summary.exit_code, written(job)) == (130, set())
    assert kept(job) == set()
    # A person sets another value, and that is what was there before the job.
    address = HELD[0]["email"]
    job._clock += 3_600
    by = {"type": "CRM_UI", "id": "userId:7"}
    job.simulator.change_records(
        job._clock, [{"email": address, "properties": {"city": "Trier"}, "source": by}], ()
    )
    before = state(job)
    job._clock += 3_600
    assert job.run_in_threads().state == "complete"
    undo(job)
    assert state(job)[id_of(job, address)]["city"] == "Trier"
    assert state(job) == before


def test_a_removal_is_finished_when_its_worker_is_cancelled(tmp_path, monkeypatch):
    """Refused rows are removed before they are settled, and settled although their worker is cancelled."""
    job = make_job(tmp_path, rows=20, held=(), max_failures=FailureLimit(share=1.0))
    job.simulator.change_scenario(make_simulator(latency_seconds=0.01, faults=[REFUSED]).scenario)
    entered, released = threading.Event(), threading.Event()
    forget = SnapshotFile.forget

    def slow_forget(self, *what):
        entered.set()
        assert released.wait(30)
        return forget(self, *what)

    def started(run: Run) -> None:
        def stop() -> None:
            entered.wait(30)
            loop.call_soon_threadsafe(run.stop, 2)
            loop.call_soon_threadsafe(run.stop, 2)
            loop.call_soon_threadsafe(released.set)

        loop = asyncio.get_running_loop()
        threading.Thread(target=stop, daemon=True).start()

    with monkeypatch.context() as patched:
        patched.setattr(SnapshotFile, "forget", slow_forget)
        summary = job.run_in_threads(on_start=started)
    assert (summary.tallies.open, summary.tallies.failed > 0) == (0, True)
    assert kept(job) == written(job)


def test_what_is_kept_of_refused_rows_does_not_pile_up(tmp_path):
    """Neither in memory nor in the snapshot."""
    simulator = make_simulator(quota="190/10", latency_seconds=0.5, faults=[{"kind": "reject", "share": 0.5}])
    options = {"snapshot": True, "max_in_flight": 4, "max_failures": FailureLimit(share=1.0)}
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(6_000)), simulator, options)
    seen = []

    def look(run: Run) -> None:
        seen.append((run.pipeline.collector.tallies.failed, len(run.pipeline.pre_reader.unwritten)))

    summary = job.run_virtual(on_tick=look)
    assert max(failed for failed, _ in seen) > 1_500
    assert max(count for _, count in seen) <= 800  # what is read and has not left
    assert kept(job) == set(job.held())
    assert summary.tallies.failed == 6_000 - len(job.held())


def test_a_row_that_is_refused_leaves_what_earlier_rows_of_its_contact_have_kept(tmp_path):
    """By its key, and by another key of the same contact."""
    rows = [
        {"email": "a@x.com", "city": "Bonn", "phone": ""},
        {"email": "b@x.com", "city": "Bonn", "phone": ""},
        *({"email": f"c{n}@x.com"} for n in range(150)),
        {"email": "a@x.com", "city": "refuse", "phone": "2"},
        {"email": "b@x.com", "city": "refuse", "phone": "2"},
    ]
    refuse = {"kind": "reject", "match": {"city": "refuse"}}
    simulator = make_simulator(quota="none", faults=[refuse])
    job = Job(write_csv(tmp_path / "c.csv", rows), simulator, {"snapshot": True})
    both = {"properties": {"email": "a@x.com", "city": "Ulm", "phone": "1"}, "additional_emails": ["b@x.com"]}
    job.simulator.reset(0.0, [both])
    before = state(job)
    job.run_virtual(max_failures=FailureLimit(share=1.0))
    # The job has never written the telephone: what others make of it is no concern of undo's.
    job._clock += 3_600
    by = {"type": "CRM_UI", "id": "userId:7"}
    job.simulator.change_records(
        job._clock, [{"email": "a@x.com", "properties": {"phone": "3"}, "source": by}], ()
    )
    report, listed = undo(job)
    one = id_of(job, "a@x.com")
    assert state(job)[one] == {**before[one], "phone": "3"}
    assert (counts(report)["restored"], listed) == (1, [])


PERSON = {"type": "CRM_UI", "id": "userId:7"}


class Asleep(MockTransport):
    """The machine sleeps for a night at the first upsert: before it leaves, or until its connection broke."""

    job: Job
    end = ""
    change_records: Callable[[float], None] = staticmethod(lambda _: None)
    has_slept = False

    def _sleep(self) -> None:
        self.has_slept = True
        self.job.sleep_machine(8 * 3_600)
        self.change_records(asyncio.get_running_loop().time())

    async def send(self, call, on_sent=lambda: None):
        if call.path.endswith("/batch/upsert") and not self.has_slept and self.end == "never left":
            self._sleep()
        return await super().send(call, on_sent)

    async def _answer(self, call, loop):
        if call.path.endswith("/batch/upsert") and not self.has_slept:
            if self.end == "applied":
                await super()._answer(call, loop)
            self._sleep()
            return no_reply("the connection broke: reset", maybe_applied=True)
        return await super()._answer(call, loop)


def after_a_night(tmp_path, monkeypatch, end: str, held: dict[str, str] | None, change_records) -> Job:
    """A job of one row that is complete, and read its contact again after a night in its first request."""
    job = make_job(tmp_path, rows=1, held=[held] if held else [], latency_seconds=0.2)
    job.make_transport = Asleep
    monkeypatch.setattr(Asleep, "job", job, raising=False)
    monkeypatch.setattr(Asleep, "end", end)
    monkeypatch.setattr(Asleep, "change_records", staticmethod(lambda now: change_records(job, now)))
    assert job.run_virtual().state == "complete"
    assert sum(path.endswith("/batch/read") for path in job.transport.paths) == 2
    job._clock += 3_600
    return job


@pytest.mark.parametrize(
    ("end", "city"), [("never left", "Trier"), ("not applied", "Trier"), ("applied", "Ulm")]
)
def test_what_a_person_wrote_before_a_row_was_read_again_was_there(tmp_path, monkeypatch, end, city):
    """Unless the request before had been applied: then it is the value before that."""

    def set_city(job: Job, now: float) -> None:
        change = {"email": "c0@example.com", "properties": {"city": "Trier"}, "source": PERSON}
        job.simulator.change_records(now, [change], ())

    held = {"email": "c0@example.com", "city": "Ulm"}
    job = after_a_night(tmp_path, monkeypatch, end, held, set_city)
    assert [one["city"] for one in state(job).values()] == ["Bonn"]
    report, listed = undo(job)
    assert [one["city"] for one in state(job).values()] == [city]
    assert (report.exit_code, listed) == (0, [])


@pytest.mark.parametrize("end", ["never left", "not applied"])
def test_what_another_job_created_before_a_row_was_read_again_is_not_archived(tmp_path, monkeypatch, end):
    ours = {"type": "INTEGRATION", "id": "1512050"}

    def create(job: Job, now: float) -> None:
        values = {"email": "c0@example.com", "phone": "123"}
        job.simulator.account.seed(
            {"contacts": [{"properties": values, "source": ours}]}, iso(job.simulator.wall(now))
        )

    job = after_a_night(tmp_path, monkeypatch, end, None, create)
    assert [one["city"] for one in state(job).values()] == ["Bonn"]
    undo(job)
    assert [one["phone"] for one in state(job).values()] == ["123"]


def test_a_row_given_up_takes_out_its_own_reading_and_not_that_of_a_later_row(tmp_path):
    """It never arrived. The later row of its contact was written, long before the run ends."""

    class Unreachable(MockTransport):
        async def send(self, call, *others):
            if call.path.endswith("/batch/upsert") and b'"First"' in call.body:
                return no_reply("refused", maybe_applied=False)
            return await super().send(call, *others)

    rows = contacts(400, city="Bonn")
    rows[10] = {"email": "x@x.com", "firstname": "First", "city": "Bonn"}
    rows[390] = {"email": "x@x.com", "firstname": "Second", "city": "Mainz"}
    job = Job(write_csv(tmp_path / "c.csv", rows), make_simulator(latency_seconds=0.2), {"snapshot": True})
    job.batch_records = 20
    job.make_transport = Unreachable
    job.simulator.reset(0.0, [{"properties": {"email": "x@x.com", "firstname": "Old", "city": "Ulm"}}])
    before = state(job)
    summary = job.run_virtual()
    assert (summary.state, summary.as_dict()["abandoned"], summary.as_dict()["updated"]) == ("complete", 1, 1)
    undo(job)
    assert state(job) == before


def test_a_run_that_reads_and_sends_nothing_keeps_a_lost_write_in_doubt(tmp_path):
    """It lands after that reading. The run that goes on finds our own values there."""
    lost = {"kind": "reset", "applied": False, "late_seconds": 100, "first": 1}
    job = make_job(tmp_path, rows=1, held=(), latency_seconds=1.0)
    job.simulator.change_scenario(make_simulator(latency_seconds=1.0, faults=[lost]).scenario)

    def stop_once_it_is_lost(run: Run) -> None:
        if any("upsert" in path for path in job.transport.paths) and run.session.sender.in_flight == 0:
            run.stop(2)

    def stop_while_it_reads(run: Run) -> None:
        asyncio.get_running_loop().call_later(0.5, run.stop, 2)

    job.run_virtual(on_tick=stop_once_it_is_lost)
    summary = job.run_virtual(on_start=stop_while_it_reads)
    assert (summary.tallies.open, [path for path in job.transport.paths if "upsert" in path]) == (1, [])
    job._clock += 300
    assert job.run_virtual().state == "complete"
    assert written(job) == {"c0@example.com"}
    undo(job)
    assert state(job) == {}
