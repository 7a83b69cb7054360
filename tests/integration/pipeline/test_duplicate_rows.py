"""--on-duplicate: which rows of a key are written, whatever happens on the way."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.model.cases import COMMON, Writing, cases
from support.model.running import run_to_the_end, start
from support.verify_runs import verify
from uploader.cli.commands.status import read_summary
from uploader.cli.progress import Pace, line
from uploader.cli.text.summary import summary_text
from uploader.errors import CheckpointError
from uploader.model.outcomes import Outcome
from uploader.pipeline import feed
from uploader.records.duplicates import OnDuplicate
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import duplicates_path

FIRST, LAST, REJECT = OnDuplicate.FIRST, OnDuplicate.LAST, OnDuplicate.REJECT
#: Many rows share a key, and all are to be written.
KEPT = {"on_duplicate": OnDuplicate.IN_ORDER}


def repeated(count=400):
    """Rows far apart share a key, in other case, with other values."""
    rows = contacts(count)
    for index in (150, 390):
        rows[index] = {"email": " C7@Example.com", "firstname": f"again {index}"}
    return rows


@pytest.fixture
def job(tmp_path):
    return Job(write_csv(tmp_path / "contacts.csv", repeated()), make_simulator(latency_seconds=0.5))


def test_the_first_row_of_a_key_is_written_and_later_ones_are_skipped(job):
    summary = job.run_virtual(on_duplicate=FIRST)
    job.check(repeated(), summary)
    assert summary.tallies.outcomes[Outcome.SKIPPED] == 2
    assert job.held()["c7@example.com"]["firstname"] == "F7"
    assert {row for row, outcome in job.outcomes().items() if outcome == "skipped"} == {152, 392}
    assert summary.exit_code == 0


def test_the_last_row_of_a_key_is_written_and_earlier_ones_are_skipped(job):
    summary = job.run_virtual(on_duplicate=LAST)
    job.check(repeated(), summary)
    assert summary.tallies.outcomes[Outcome.SKIPPED] == 2
    assert job.held()["c7@example.com"]["firstname"] == "again 390"
    assert {row for row, outcome in job.outcomes().items() if outcome == "skipped"} == {9, 152}
    assert "row 392 has the same key and comes last" in results_text(job)
    assert (summary.exit_code, job.run_virtual(on_duplicate=LAST).tallies.requests) == (
        0,
        summary.tallies.requests,
    )


def test_a_last_row_that_cannot_be_sent_does_not_count(tmp_path):
    rows = contacts(10)
    rows += [{"email": "c3@example.com", "firstname": "good"}]
    rows += [{"email": "c3@example.com", "firstname": "bad", "score": "no number"}]
    source = write_csv(tmp_path / "contacts.csv", rows, ("email", "firstname", "score"))
    job = Job(source, make_simulator(properties=[{"name": "score", "type": "number"}]))
    summary = job.run_virtual(on_duplicate=LAST)
    assert job.outcomes() | {5: "skipped", 12: "created", 13: "invalid"} == job.outcomes()
    assert job.held()["c3@example.com"]["firstname"] == "good"
    assert summary.tallies.outcomes[Outcome.SKIPPED] == 1


def test_a_file_of_five_keys_is_one_request_where_the_last_rows_are_written(tmp_path):
    rows = [{"email": f"c{n % 5}@example.com", "firstname": f"F{n}"} for n in range(2_000)]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator())
    summary = job.run_virtual(on_duplicate=LAST)
    assert (summary.tallies.upserts, summary.tallies.outcomes[Outcome.SKIPPED]) == (1, 1_995)
    assert {one["firstname"] for one in job.held().values()} == {f"F{n}" for n in range(1_995, 2_000)}


def results_text(job):
    return job.settings().results_path.read_text(encoding="utf-8")


def test_all_rows_of_a_repeated_key_are_invalid_and_name_another(job):
    summary = job.run_virtual(on_duplicate=REJECT)
    job.check(repeated(), summary)
    assert "c7@example.com" not in job.held()
    letters = {letter.row: (letter.category, letter.message) for letter in job.dead_letters()}
    assert [letter.superseded for letter in job.dead_letters()] == [None] * 3
    assert letters == {
        9: ("DUPLICATE", "row 152 has the same key"),
        152: ("DUPLICATE", "row 9 has the same key"),
        392: ("DUPLICATE", "row 9 has the same key"),
    }
    assert summary.exit_code == 1


def test_without_the_option_all_rows_are_written_in_order(job):
    summary = job.run_virtual()
    job.check(repeated(), summary)
    assert job.held()["c7@example.com"]["firstname"] == "again 390"
    assert not duplicates_path(job.settings().checkpoint_path).exists()


class Noting(MockTransport):
    """Notes which of the upserts have a row of one key."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.has_key = []

    async def send(self, call, on_sent=lambda: None):
        if call.path.endswith("/upsert"):
            self.has_key.append(b"none@none.com" in call.body)
        return await super().send(call, on_sent)


def test_the_next_row_of_a_key_leaves_before_rows_that_can_wait(tmp_path):
    """It does not queue behind requests that wait for their permits."""
    rows = contacts(1_500)
    for row in rows[::10]:
        row["email"] = "none@none.com"
    simulator = make_simulator(latency_seconds=0.3, quota="100/10")
    job = Job(write_csv(tmp_path / "a.csv", rows), simulator, KEPT, make_transport=Noting, batch_records=10)
    job.check(rows, job.run_virtual())
    places = [at for at, has_key in enumerate(job.transport.has_key) if has_key]
    # Three others leave before the reply to the row before it, and a few after that, not a hundred.
    assert max(later - earlier for earlier, later in pairwise(places)) <= 12


def test_progress_says_when_only_rows_of_one_key_are_left(tmp_path):
    rows = [*contacts(300), *({"email": "none@none.com", "firstname": f"F{n}"} for n in range(40))]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(latency_seconds=0.5), KEPT)
    shown, kept = [], []

    def look(run):
        if (view := run.view()) is not None:
            shown.append(line(view, Pace()))
            kept.append(read_summary(job.settings().checkpoint_path))

    summary = job.run_virtual(on_tick=look)
    middle = len(shown) // 2
    assert "only these are left: " in shown[middle]
    message = r"rows share a value and are written one after the other, 0\.5\d* s each: about"
    assert re.search(message, shown[middle]), shown[middle]
    chain = kept[middle].as_dict()
    assert (chain["only_chains"], chain["reading_waits"]) == (True, False)
    assert 10 < chain["longest_chain"] < 30
    assert abs(chain["chain_seconds"] - 0.5 * chain["longest_chain"]) < 1
    assert "only these are left" in summary_text(kept[middle])
    assert (summary.as_dict()["longest_chain"], "is left" in summary_text(summary)) == (0, False)


def test_where_waiting_rows_fill_the_memory_reading_waits_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(feed, "MAX_OPEN_BYTES", 40_000)
    rows = [{"email": "none@none.com", "firstname": f"F{n}"} for n in range(500)]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(latency_seconds=0.05), KEPT)
    shown = []
    summary = job.run_virtual(
        on_tick=lambda run: shown.append(line(run.view(), Pace())) if run.view() is not None else None
    )
    assert summary.tallies.confirmed == 500
    assert any("reading has paused" in one for one in shown)


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_resume_goes_by_the_same_repeats_also_where_their_file_is_gone(job, is_lost):
    first = job.run_virtual(on_duplicate=FIRST, stop_after=1.2)
    assert first.state == "stopped"
    path = duplicates_path(job.settings().checkpoint_path)
    before = path.read_bytes()
    if is_lost:
        path.unlink()
    summary = job.run_virtual(on_duplicate=FIRST)
    job.check(repeated(), summary)
    assert path.read_bytes() == before
    assert summary.tallies.outcomes[Outcome.SKIPPED] == 2


def test_another_rule_is_another_job_once_rows_are_written(job):
    job.run_virtual(on_duplicate=FIRST, stop_after=2)
    with pytest.raises(CheckpointError, match="on_duplicate was 'first', is 'in-order'"):
        job.run_virtual()


def test_a_job_begun_before_the_rule_was_there_goes_on(job):
    job.run_virtual(stop_after=2)
    checkpoint = Checkpoint.open(job.settings().checkpoint_path)
    identity = checkpoint.identity()
    del identity.settings["on_duplicate"]
    checkpoint.accept(identity, "")
    checkpoint.close()
    assert job.run_virtual().state == "complete"


def test_rows_of_several_sources_share_keys_and_name_the_other_source(tmp_path):
    one, two = contacts(30), [*contacts(130)[30:], {"email": "c3@example.com", "firstname": "other"}]
    other = write_csv(tmp_path / "more.csv", two)
    job = Job(write_csv(tmp_path / "contacts.csv", one), make_simulator())
    summary = job.run_virtual(on_duplicate=REJECT, sources=(str(job.source), str(other)))
    assert summary.tallies.outcomes[Outcome.INVALID] == 2
    messages = {letter.source: letter.message for letter in job.dead_letters()}
    assert messages == {
        0: f"row 102 of {other} has the same key",
        1: f"row 5 of {job.source} has the same key",
    }


@settings(**COMMON, max_examples=settings.default.max_examples // 4)
@given(case=cases(), rule=st.sampled_from([FIRST, LAST, REJECT]))
def test_outcomes_follow_the_rule_whatever_fails_or_is_killed(case, rule, tmp_path_factory):
    """Each row has one outcome, and no key is written twice (first, last) or by one of several (reject)."""
    case = replace(case, match=case.match[:1], ndjson=False, writing=Writing())
    job = start(case, tmp_path_factory.mktemp("job"))
    job.options["on_duplicate"] = rule
    summary = run_to_the_end(case, job)
    outcomes = job.outcomes()
    job.check_sums(summary, outcomes)
    assert len(outcomes) == len(case.rows)
    rows_of = {}
    for number, row in enumerate(case.rows, 2):
        key = row[case.match[0]].strip().lower()
        if key and (case.match[0] != "email" or "@" in key):
            rows_of.setdefault(key, []).append(number)
    for numbers in rows_of.values():
        of_key = [outcomes[number] for number in numbers]
        if len(numbers) > 1 and rule is REJECT:
            assert set(of_key) == {"invalid"}
        elif rule is FIRST:
            assert set(of_key[1:]) <= {"skipped", "invalid"}
            assert of_key[0] != "skipped"
        elif rule is LAST:
            inputs = [outcome for outcome in of_key if outcome != "invalid"]
            assert set(inputs[:-1]) <= {"skipped"}
            assert "skipped" not in inputs[-1:]


@pytest.mark.parametrize("rule", [FIRST, LAST])
def test_what_was_skipped_is_not_missed_by_verify(job, rule):
    job.run_virtual(on_duplicate=rule)
    for is_lost in (False, True):
        if is_lost:
            duplicates_path(job.settings().checkpoint_path).unlink()
        report, _ = verify(job, restart=True)
        assert report.exit_code == 0, report
        assert sum(report.counts.values()) == 398
