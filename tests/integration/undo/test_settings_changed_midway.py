"""A job whose settings changed half-way: undo and verify go by those that applied to each row."""

import asyncio
import random
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.model.running import KillableCheckpoint, KillableTransport, KillableWriter, Killed
from support.undo_runs import counts, state, undo
from support.verify_runs import change_records, counts as verdicts, verify
from support.virtual_loop import run_virtual
from uploader.cli.text.undo_state import undone_text
from uploader.errors import CheckpointError, StorageError
from uploader.jobs import opening
from uploader.jobs.session import Seams
from uploader.jobs.upload import Run
from uploader.records.write_policy import Policy
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import snapshot_path
from uploader.storage.rows_without_snapshot import list_rows_without_snapshot
from uploader.undo.job.as_json import undone_dict
from uploader.undo.job.state import undone_before
from uploader.verify.run import fingerprint

ROWS = 180


def begun(tmp_path, rows=None, held=None, **scenario) -> Job:
    rows = contacts(ROWS, city="Bonn") if rows is None else rows
    simulator = make_simulator(quota="190/10", latency_seconds=0.5, **scenario)
    options = {"canary": 0, "max_in_flight": 2}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), simulator, options, batch_records=20)
    if held is None:
        held = [{"email": f"c{n}@example.com", "firstname": f"Old {n}", "city": "Ulm"} for n in range(ROWS)]
    job.simulator.reset(0.0, [{"properties": dict(one)} for one in held])
    job.before = state(job)
    return job


def half(job: Job, **options) -> int:
    """An invocation that is stopped in order once it has written twenty rows; all it has written."""
    before = confirmed(job)
    summary = job.run_virtual(
        on_start=lambda run: _when(run, lambda: _written(run) >= before + 20, lambda: run.stop(2)),
        accept_changed_settings=True,
        **options,
    )
    assert summary.state == "stopped"
    assert before < summary.tallies.confirmed < ROWS
    return summary.tallies.confirmed - before


def _written(run: Run) -> int:
    return run.view().tallies.confirmed


def _when(run: Run, is_so, act) -> None:
    """Act once something is so, in the loop's own time."""

    async def watch() -> None:
        while not is_so():  # noqa: ASYNC110  # numbers of the run, which sets no event
            await asyncio.sleep(0.01)
        act()

    run._watching = asyncio.ensure_future(watch())


def confirmed(job: Job) -> int:
    path = Path(f"{job.source}.checkpoint")
    if not path.exists():
        return 0
    with closing(Checkpoint.open(path, read_only=True)) as opened:
        return opened.state().tallies.confirmed


def finish(job: Job, **options) -> None:
    assert job.run_virtual(accept_changed_settings=True, **options).state == "complete"


def _others_have_arrived(run: Run) -> bool:
    collector = run.pipeline.collector
    return collector.tallies.sent >= collector.committed.tallies.confirmed + 40


def _others_have_just_left(run: Run) -> bool:
    """So that no commit knows of them."""
    collector = run.pipeline.collector
    return collector._sent_below > collector.committed.in_doubt_below


def kill(job: Job, monkeypatch, is_time=_others_have_arrived, **options) -> None:
    """An invocation that ends as by SIGKILL once twenty rows are committed and others have left."""
    with monkeypatch.context() as context:
        context.setattr(opening, "Checkpoint", KillableCheckpoint)
        run_virtual(_killed(job, is_time, options))


async def _killed(job: Job, is_time, options) -> None:
    loop = asyncio.get_running_loop()
    loop._jumping.now = getattr(job, "_clock", 0.0)
    killed = KillableCheckpoint.killed = Killed()
    transport = KillableTransport(job.simulator, killed)
    seams = Seams(
        batch_records=job.batch_records,
        transport=lambda _: transport,
        offload=lambda _: KillableWriter(killed),
        random_number=random.Random(1).random,
        wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
    )
    run = Run(job.settings(accept_changed_settings=True, **options), seams)

    def strike() -> None:
        killed.is_dead = True
        run.stop(9)
        run.stop(2)

    def has_begun() -> bool:
        return run.pipeline is not None and run.pipeline.collector.committed.tallies.confirmed >= 20

    _when(run, lambda: has_begun() and is_time(run), strike)
    with suppress(StorageError):
        await run.run()
    assert killed.is_dead
    job._clock = loop.time()


def checkpoint_of(job: Job) -> Path:
    return Path(f"{job.source}.checkpoint")


def still_written(job: Job, city: str = "Bonn") -> int:
    return sum(one.get("city") == city for one in state(job).values())


# --- undo ---


def test_rows_written_before_the_snapshot_was_switched_on_are_counted_and_the_exit_code_says_so(tmp_path):
    job = begun(tmp_path)
    without = half(job)
    finish(job, snapshot=True)
    report, kept = undo(job)
    assert (counts(report), kept) == ({"restored": ROWS - without}, [])
    assert (report.unkept.written, report.unkept.unsure, report.unkept.unknown) == (without, 0, "")
    assert report.unkept.rows == ((0, without),)
    assert report.exit_code == 1
    assert still_written(job) == without
    listed = [
        (one.row, one.source, one.outcome)
        for one in list_rows_without_snapshot(checkpoint_of(job), report.unkept)
    ]
    assert sorted(listed) == [(number, 0, "updated") for number in range(2, without + 2)]


def test_rows_written_after_the_snapshot_was_left_out_are_counted_and_the_exit_code_says_so(tmp_path):
    job = begun(tmp_path)
    kept = half(job, snapshot=True)
    finish(job)
    report, _ = undo(job)
    assert counts(report) == {"restored": kept}
    assert (report.unkept.written, report.unkept.unsure) == (ROWS - kept, 0)
    assert report.exit_code == 1
    assert still_written(job) == ROWS - kept
    listed = [one.row for one in list_rows_without_snapshot(checkpoint_of(job), report.unkept)]
    assert sorted(listed) == list(range(kept + 2, ROWS + 2))


def test_rows_are_listed_as_far_as_the_results_file_names_them(tmp_path):
    job = begun(tmp_path)
    first = half(job)
    results = Path(f"{job.source}.results.csv")
    results.unlink()
    second = half(job, accept_changed_results=True)
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert report.unkept.written == first + second
    listed = [one.row for one in list_rows_without_snapshot(checkpoint_of(job), report.unkept)]
    assert sorted(listed) == list(range(first + 2, first + second + 2))
    results.write_text(results.read_text().replace("updated", "created"))
    with pytest.raises(CheckpointError):
        list(list_rows_without_snapshot(checkpoint_of(job), report.unkept))


def test_a_dry_run_and_a_second_undo_say_the_same(tmp_path):
    job = begun(tmp_path)
    without = half(job)
    finish(job, snapshot=True)
    reports = [undo(job, dry=True)[0], undo(job)[0], undo(job)[0], undo(job, restart=True)[0]]
    assert [(one.unkept.written, one.exit_code) for one in reports] == [(without, 1)] * 4


def test_status_and_report_say_it_of_an_undone_job(tmp_path):
    job = begun(tmp_path)
    without = half(job)
    finish(job, snapshot=True)
    undo(job)
    assert undone_dict(undone_before(checkpoint_of(job)))["rows_without_snapshot"] == without
    assert any(f"{without:,} rows" in line for line in undone_text(checkpoint_of(job)))


def test_with_a_snapshot_from_start_to_end_nothing_is_missing_however_the_mapping_changed(tmp_path):
    job = begun(tmp_path)
    half(job, snapshot=True, mapped={"city": "jobtitle"})
    finish(job, snapshot=True)
    report, kept = undo(job)
    assert (counts(report), kept, report.exit_code) == ({"restored": ROWS}, [], 0)
    assert report.unkept.is_empty
    assert state(job) == job.before


def test_what_a_killed_run_may_have_sent_without_a_snapshot_is_in_doubt(tmp_path, monkeypatch):
    job = begun(tmp_path)
    kill(job, monkeypatch)
    settled = confirmed(job)
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert report.unkept.written == settled
    assert report.unkept.unsure > 0
    assert report.unkept.unsure_rows[0][0] >= settled
    # What had arrived before the kill stays, and is among what is told.
    assert still_written(job) <= settled + report.unkept.unsure
    assert report.exit_code == 1


def test_what_left_after_the_last_commit_of_a_killed_run_is_in_doubt_too(tmp_path, monkeypatch):
    job = begun(tmp_path)
    kill(job, monkeypatch, _others_have_just_left)
    with closing(Checkpoint.open(checkpoint_of(job), read_only=True)) as opened:
        committed, settled = opened.state().in_doubt_below, opened.state().progress.settled
    left = int(Path(f"{job.source}.checkpoint.lock").read_text())
    assert left > committed
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert report.unkept.unsure == left - settled
    assert still_written(job) <= left


def test_status_counts_what_left_after_the_last_commit_as_undo_does(tmp_path, monkeypatch):
    job = begun(tmp_path)
    half(job, snapshot=True)
    kill(job, monkeypatch, _others_have_just_left)
    report, _ = undo(job)
    assert report.unkept.unsure > 0
    undone = undone_dict(undone_before(checkpoint_of(job)))
    assert (undone["rows_without_snapshot"], undone["rows_perhaps_without_snapshot"]) == (
        report.unkept.written,
        report.unkept.unsure,
    )


def test_killed_between_the_switch_and_the_first_commit_the_doubt_stays(tmp_path, monkeypatch):
    job = begun(tmp_path)
    kill(job, monkeypatch)
    with closing(Checkpoint.open(checkpoint_of(job), read_only=True)) as opened:
        settled, noted = opened.state().progress.settled, opened.periods()
    assert len(noted) == 1
    with monkeypatch.context() as context:
        context.setattr(opening, "KeysOfOneContactFile", _die)
        with pytest.raises(StorageError):
            job.run_virtual(accept_changed_settings=True, snapshot=True)
    with closing(Checkpoint.open(checkpoint_of(job), read_only=True)) as opened:
        former, present = opened.periods()
    assert (former.has_snapshot, former.progress.settled, present.has_snapshot) == (False, settled, True)
    assert former.in_doubt_below > settled
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert report.unkept.written == settled
    assert report.unkept.unsure == former.in_doubt_below - settled
    assert report.exit_code == 1


def _die(*_: object) -> None:
    raise StorageError("killed")


def test_a_contact_that_was_also_written_without_a_snapshot_keeps_that_value(tmp_path):
    """The second row's value is none that the snapshot knows of, so it may be anybody's."""
    rows = [*contacts(100, city="Bonn"), *contacts(1, city="Mainz")]
    job = begun(tmp_path, rows)
    half(job, snapshot=True)
    finish(job)
    report, kept = undo(job)
    (held,) = (one for one in state(job).values() if one["email"] == "c0@example.com")
    assert (held["firstname"], held["city"]) == ("Old 0", "Mainz")
    assert [(one.finding.property, one.finding.now) for one in kept] == [("city", "Mainz")]
    assert report.exit_code == 1


def test_a_snapshot_that_is_missing_on_the_way_leaves_its_rows_without_one(tmp_path):
    job = begun(tmp_path)
    lost = half(job, snapshot=True)
    snapshot_path(checkpoint_of(job)).unlink()
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert counts(report) == {"restored": ROWS - lost}
    assert (report.unkept.written, report.exit_code) == (lost, 1)


def test_the_snapshot_of_a_first_run_that_was_killed_before_any_row_is_not_missed(tmp_path, monkeypatch):
    job = begun(tmp_path)
    with monkeypatch.context() as context:
        context.setattr(opening, "KeysOfOneContactFile", _die)
        with pytest.raises(StorageError):
            job.run_virtual(snapshot=True)
    assert not snapshot_path(checkpoint_of(job)).exists()
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert (counts(report), report.exit_code) == ({"restored": ROWS}, 0)


def test_a_job_that_was_started_over_leaves_with_its_snapshot_what_that_does_not_know(tmp_path):
    job = begun(tmp_path)
    without = half(job)
    half(job, snapshot=True)
    finish(job, restart=True, snapshot=True)
    aside, _ = undo(job, f"{job.source}.checkpoint.snapshot.1", dry=True)
    assert (aside.unkept.written, aside.unkept.unknown, aside.exit_code) == (without, "", 1)
    newest, _ = undo(job)
    assert (newest.unkept.is_empty, newest.exit_code) == (True, 0)


def test_a_job_that_had_its_snapshot_throughout_is_undone_after_a_restart_too(tmp_path):
    job = begun(tmp_path)
    half(job, snapshot=True)
    assert job.run_virtual(restart=True, snapshot=True).state == "complete"
    undo(job)
    report, _ = undo(job, f"{job.source}.checkpoint.snapshot.1")
    assert report.unkept.is_empty
    assert report.exit_code == 0
    assert state(job) == job.before


@pytest.mark.parametrize("how", ["gone", "damaged", "another's"])
def test_without_the_jobs_own_checkpoint_rows_without_a_snapshot_are_unknown(tmp_path, how):
    job = begun(tmp_path)
    half(job)
    finish(job, snapshot=True)
    path = checkpoint_of(job)
    if how == "another's":
        _execute(path, "UPDATE job SET value = '\"another\"' WHERE name = 'id'")
    else:
        path.unlink()
        path.with_name(path.name + "-wal").unlink(missing_ok=True)
        if how == "damaged":
            path.write_bytes(b"SQLite format 3\0" + b"x" * 2_000)
    report, _ = undo(job)
    assert "checkpoint" in report.unkept.unknown
    assert report.exit_code == 1


def test_a_finished_job_that_is_run_again_with_other_settings_changes_nothing(tmp_path):
    job = begun(tmp_path)
    finish(job, snapshot=True)
    finish(job)
    finish(job, snapshot=True, mapped={"city": "jobtitle"})
    report, _ = undo(job)
    assert (counts(report), report.exit_code) == ({"restored": ROWS}, 0)


# --- files of earlier versions ---


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _as_before_periods(job: Job) -> None:
    """The checkpoint as a version left it that recorded changes alone."""
    _execute(checkpoint_of(job), "DROP TABLE periods")


def test_rows_without_a_snapshot_are_unknown_in_an_older_file_that_switched_it(tmp_path):
    job = begun(tmp_path)
    half(job)
    half(job, snapshot=True)
    _as_before_periods(job)
    looked_at, _ = undo(job, dry=True)
    assert (bool(looked_at.unkept.unknown), looked_at.exit_code) == (True, 1)
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert (bool(report.unkept.unknown), report.exit_code) == (True, 1)


def test_an_older_files_unchanged_settings_are_known(tmp_path):
    job = begun(tmp_path)
    half(job, snapshot=True)
    _as_before_periods(job)
    finish(job, snapshot=True)
    report, _ = undo(job)
    assert (counts(report), report.exit_code) == ({"restored": ROWS}, 0)


def test_rows_of_an_older_files_changed_mapping_are_not_compared_and_listed(tmp_path):
    job = begun(tmp_path)
    first = half(job, mapped={"city": "jobtitle"})
    first += half(job)
    _as_before_periods(job)
    finish(job)
    report, findings = verify(job)
    assert verdicts(report) == {"equal": ROWS - first, "not checked": first}
    assert sorted(one.row for one in findings) == list(range(2, first + 2))
    assert (set(report.doubts.values()), report.exit_code) == ({first}, 1)
    assert all("not recorded" in why for why in report.doubts)


def test_rows_that_have_no_key_by_the_present_settings_are_counted_all_the_same(tmp_path):
    rows = [{**one, "mail": one["email"]} for one in contacts(ROWS, city="Bonn")]
    for one in rows[:5]:
        one["mail"] = ""
    job = begun(tmp_path, rows)
    first = half(job, ignored=frozenset({"mail"}))
    first += half(job, mapped={"mail": "email"}, ignored=frozenset({"email"}))
    _as_before_periods(job)
    finish(job, mapped={"mail": "email"}, ignored=frozenset({"email"}))
    report, _ = verify(job)
    assert verdicts(report) == {"equal": ROWS - first, "not checked": first}


def test_an_older_files_switched_snapshot_does_not_matter_to_verify(tmp_path):
    job = begun(tmp_path)
    half(job)
    half(job, snapshot=True)
    _as_before_periods(job)
    finish(job, snapshot=True)
    report, _ = verify(job)
    assert (verdicts(report), report.exit_code) == ({"equal": ROWS}, 0)


# --- verify ---


def test_a_column_that_was_ignored_later_is_compared_of_the_rows_that_had_it(tmp_path):
    job = begun(tmp_path)
    first = half(job)
    finish(job, ignored=frozenset({"city"}))
    change_records(
        job, [{"email": f"c{n}@example.com", "properties": {"city": "Trier"}} for n in (3, first + 3)]
    )
    report, findings = verify(job)
    assert verdicts(report) == {"equal": ROWS - 1, "differs": 1}
    assert [(one.row, one.property, one.wanted, one.found) for one in findings] == [
        (5, "city", "Bonn", "Trier")
    ]


def test_a_column_that_was_mapped_otherwise_before_is_compared_as_it_was(tmp_path):
    job = begun(tmp_path)
    half(job, mapped={"city": "jobtitle"})
    finish(job)
    report, findings = verify(job)
    assert (verdicts(report), findings, report.exit_code) == ({"equal": ROWS}, [], 0)
    change_records(job, [{"email": "c3@example.com", "properties": {"jobtitle": "Trier"}}])
    report, findings = verify(job)
    assert [(one.row, one.property, one.wanted) for one in findings] == [(5, "jobtitle", "Bonn")]


def test_values_spelled_otherwise_before_are_compared_as_they_were(tmp_path):
    rows = [{**one, "born": "03.04.2001"} for one in contacts(ROWS)]
    held = [{"email": f"c{n}@example.com"} for n in range(ROWS)]
    job = begun(tmp_path, rows, held, properties=[{"name": "born", "type": "date"}])
    first = half(job, date_orders={"born": "DMY"}, constants={"jobtitle": "First"})
    finish(job, date_orders={"born": "MDY"}, constants={"jobtitle": "Second"})
    found = [one["properties"] for one in job.simulator.objects(1e9)]
    assert sum(one["born"] == "2001-04-03" for one in found) == first
    report, findings = verify(job)
    assert (verdicts(report), findings) == ({"equal": ROWS}, [])


def test_rows_of_one_contact_ask_for_what_the_last_one_of_its_own_settings_did(tmp_path):
    """Of each property the last row that wrote it counts, by what it was mapped to then."""
    rows = [*contacts(100, city="Bonn"), *contacts(20, city="Mainz")]
    job = begun(tmp_path, rows)
    first = half(job, mapped={"city": "jobtitle"})
    assert first < 100
    finish(job)
    report, findings = verify(job)
    assert (verdicts(report), findings) == ({"equal": 100}, [])
    addresses = {"c0@example.com": {"jobtitle": "Bonn", "city": "Mainz"}}
    held = {one["email"]: one for one in state(job).values()}
    assert addresses.items() <= {a: {n: held[a].get(n) for n in addresses[a]} for a in addresses}.items()


def test_a_value_that_a_later_row_may_only_fill_in_is_compared_with_the_earlier_one(tmp_path):
    rows = [*contacts(100, city="Bonn"), *contacts(20, city="Mainz")]
    job = begun(tmp_path, rows)
    half(job)
    finish(job, policy=Policy.FILL)
    report, findings = verify(job)
    assert (verdicts(report), findings) == ({"equal": 100}, [])
    change_records(job, [{"email": "c3@example.com", "properties": {"city": "Trier"}}])
    report, _ = verify(job)
    assert verdicts(report) == {"equal": 99, "differs": 1}


def test_a_value_that_a_later_row_has_filled_in_is_as_good_as_the_earlier_one(tmp_path):
    rows = [*contacts(20, city="Bonn"), *contacts(140)[20:], *contacts(20, city="Mainz")]
    job = begun(tmp_path, rows)
    half(job)
    change_records(job, [{"email": "c3@example.com", "properties": {"city": ""}}])
    finish(job, policy=Policy.FILL)
    (held,) = (one for one in state(job).values() if one["email"] == "c3@example.com")
    assert held["city"] == "Mainz"
    report, findings = verify(job)
    assert (verdicts(report), findings) == ({"equal": 140}, [])


def test_what_a_killed_run_may_have_sent_is_as_good_as_what_stood_there(tmp_path, monkeypatch):
    """The second rows of c0 to c99 had arrived with their city when the run was killed, unknown to it; later
    settings leave the city out.
    """
    rows = [*contacts(20, city="Bonn"), *contacts(20, city="Mainz"), *contacts(100)[20:]]
    job = begun(tmp_path, rows)
    kill(job, monkeypatch)
    finish(job, ignored=frozenset({"city"}))
    held = [one.get("city") for one in state(job).values()]
    assert (held.count("Mainz"), held.count("Bonn")) == (20, 0)
    report, findings = verify(job)
    assert (findings, report.exit_code) == ([], 0)


def test_a_row_skipped_later_may_have_been_sent_before(tmp_path, monkeypatch):
    rows = [
        *contacts(20, city="Bonn", optout=""),
        *contacts(20, city="Mainz", optout="yes"),
        *contacts(100, city="Bonn", optout="")[20:],
    ]
    job = begun(tmp_path, rows)
    kill(job, monkeypatch, ignored=frozenset({"optout"}))
    finish(job, ignored=frozenset({"optout"}), suppress_where={"optout": ()})
    assert still_written(job, "Mainz") == 20
    report, findings = verify(job)
    assert (findings, report.exit_code) == ([], 0)


def test_rows_of_settings_that_can_not_be_applied_any_more_are_not_compared_and_listed(tmp_path):
    job = begun(tmp_path)
    first = half(job, constants={"jobtitle": "First"})
    finish(job)
    job.simulator.change_scenario(
        make_simulator(properties=[{"name": "jobtitle", "type": "string", "read_only": True}]).scenario
    )
    report, findings = verify(job)
    assert verdicts(report) == {"equal": ROWS - first, "not checked": first}
    assert {one.verdict.value for one in findings} == {"not checked"}
    assert len(findings) == first
    assert report.exit_code == 1


def test_rows_of_another_type_of_objects_are_not_compared_and_have_no_common_snapshot(tmp_path):
    rows = [{"external_id": f"e{n}", "name": "N", "email": f"c{n}@example.com"} for n in range(ROWS)]
    job = begun(tmp_path, rows, [])
    ignoring = {"id_property": "external_id", "ignored": frozenset({"name", "email"}), "snapshot": True}
    first = half(job, **ignoring)
    others = {**ignoring, "object_type": "companies", "ignored": frozenset({"email"})}
    with pytest.raises(CheckpointError, match="use --object-type contacts"):
        job.run_virtual(accept_changed_settings=True, **others)
    finish(job, **{**others, "snapshot": False})
    report, findings = verify(job)
    assert verdicts(report) == {"equal": ROWS - first, "not checked": first}
    assert len(findings) == first
    assert all("cannot be applied" in why for why in report.doubts)
    undone, _ = undo(job)
    assert (counts(undone), undone.unkept.written) == ({"archived": first}, ROWS - first)


def test_settings_that_are_refused_begin_no_period(tmp_path):
    job = begun(tmp_path)
    half(job)
    with pytest.raises(CheckpointError):
        job.run_virtual(ignored=frozenset({"city"}))
    with closing(Checkpoint.open(checkpoint_of(job), read_only=True)) as opened:
        assert len(opened.periods()) == 1


def test_a_verification_that_was_begun_by_other_settings_is_not_taken_up(tmp_path):
    job = begun(tmp_path)
    half(job)
    with closing(Checkpoint.open(checkpoint_of(job))) as opened:
        before = fingerprint(opened, opened.identity(), opened.periods())
        opened.note_missing_snapshot(0)
        assert fingerprint(opened, opened.identity(), opened.periods()) != before
