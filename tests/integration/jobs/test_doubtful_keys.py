"""A key of very many rows stops a job before its first write, until the user decides."""

import asyncio

import pytest

from support.check_runs import check
from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.check.as_json import as_dict
from uploader.check.run import Check
from uploader.cli.text.check.details import lines
from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.jobs.column_rules import resolve_mappers
from uploader.jobs.opening import open_sources
from uploader.jobs.scans import first_keys
from uploader.model.outcomes import Outcome
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.duplicates import OnDuplicate
from uploader.sources.python_rows import ProgramRows

NOBODY = [{"email": "None@none.com", "firstname": f"N{n}"} for n in range(3)]
LOOSE = FailureLimit(count=1_000)


def made(tmp_path, rows, **options) -> Job:
    return Job(
        write_csv(tmp_path / "a.csv", rows), make_simulator(quota="none"), {"max_failures": LOOSE, **options}
    )


def refused(job, **options):
    """What an upload says that stops before its first write."""
    with pytest.raises(SettingsError) as caught:
        job.run_virtual(**options)
    assert not list(job.simulator.objects(1e9))
    assert not job.settings().checkpoint_path.exists()
    return str(caught.value)


def test_an_address_of_nobody_on_several_rows_stops_upload_and_check_with_the_same_question(tmp_path):
    job = made(tmp_path, [*contacts(50), *NOBODY])
    text = refused(job)
    assert text.startswith("'none@none.com' is the email of 3 rows")
    report = check(job)
    assert (report.problems, report.exit_code) == ([text], 2)
    assert f"PROBLEM: {text}" in lines(report, job.settings(), ["check"])
    assert as_dict(report)["most_repeated_keys"] == [
        {"property": "email", "key": "none@none.com", "rows": 3, "doubtful": True}
    ]


@pytest.mark.parametrize(
    ("decision", "outcomes"),
    [
        ({"blank_values": {"email": ("none@none.com",)}}, {"invalid": 3}),
        ({"suppress_where": {"email": ("none@none.com",)}}, {"skipped": 3}),
        ({"on_duplicate": OnDuplicate.IN_ORDER}, {"created": 1, "updated": 2}),
        ({"on_duplicate": OnDuplicate.LAST}, {"created": 1, "skipped": 2}),
        ({"on_duplicate": OnDuplicate.REJECT}, {"invalid": 3}),
    ],
    ids=["blank", "skip", "in order", "last", "reject"],
)
def test_each_decision_lets_it_run(tmp_path, decision, outcomes):
    job = made(tmp_path, NOBODY, **decision)
    report = check(job)
    assert report.problems == []
    tallies = job.run_virtual().tallies
    assert {outcome.value: count for outcome, count in tallies.outcomes.items() if count} == outcomes


@pytest.mark.parametrize(("rows", "stops"), [(20, False), (21, True)])
def test_any_key_of_many_rows_stops_a_job(tmp_path, rows, stops):
    job = made(
        tmp_path, [*contacts(100), *({"email": "info@x.com", "firstname": f"N{n}"} for n in range(rows))]
    )
    assert bool(check(job).problems) is stops
    if stops:
        assert "'info@x.com' is the email of 21 rows" in refused(job)
    else:
        assert job.run_virtual().exit_code == 0


def test_keys_are_counted_over_all_sources_and_formats(tmp_path):
    other = tmp_path / "b.ndjson"
    other.write_text('{"Mail": " NONE@none.com"}\n{"Mail": "b@x.com"}\n')
    job = made(tmp_path, [*contacts(5), NOBODY[0]], mapped={"Mail": "email"})
    job.options["sources"] = (str(job.source), str(other))
    text = refused(job)
    assert "'none@none.com' is the email of 2 rows" in text
    assert '--blank-value "email=none@none.com" --blank-value "Mail=none@none.com"' in text
    assert check(job).problems == [text]
    words = {"email": ("none@none.com",), "Mail": ("none@none.com",)}
    assert job.run_virtual(blank_values=words).tallies.outcomes[Outcome.INVALID] == 2


def test_only_the_first_rows_are_looked_at_and_the_question_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(first_keys, "MOST_ROWS", 600)
    early, late = [*NOBODY, *contacts(1_000)], [*contacts(1_000), *NOBODY]
    assert "of 3 of the first 600 rows (`check` counts all): these rows" in refused(made(tmp_path, early))
    job = made(tmp_path, late)
    assert check(job).problems
    assert job.run_virtual().exit_code == 0


def test_a_key_is_compared_with_the_rows_of_the_whole_file_although_few_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(first_keys, "MOST_ROWS", 500)
    rows = [*({"email": "info@x.com", "firstname": f"N{n}"} for n in range(24)), *contacts(26_000)]
    job = made(tmp_path, rows)
    report = check(job)
    assert report.problems == []
    assert report.findings.keys.most_repeated() == [("email", "info@x.com", 24)]  # exact
    assert job.run_virtual().exit_code == 0


def test_a_stream_is_not_looked_at_and_the_files_beside_it_are(tmp_path):
    job = made(tmp_path, [*NOBODY, *({"email": "info@x.com", "firstname": f"N{n}"} for n in range(30))])
    sources = ("crm", str(job.source))
    job.options |= {
        "sources": sources,
        "given": frozenset({"crm"}),
        "checkpoint": tmp_path / "crm.checkpoint",
    }
    account = Account(schema=None)
    opened = open_sources(job.settings(), [ProgramRows(iter(contacts(5)), "crm")])
    first = first_keys.FirstKeys(opened, resolve_mappers(job.settings(), opened, account))
    assert list(first.steps())
    text = first.question(None)
    # How many rows the stream has is not known, so that 30 may be few.
    assert "'none@none.com' is the email of 3 of the first 33 rows" in text
    assert "info@x.com" not in text


def test_a_job_that_has_begun_is_not_asked_again(tmp_path):
    job = made(tmp_path, [*contacts(3_000), *NOBODY])
    job.simulator = make_simulator(latency_seconds=0.3)
    first = job.run_virtual(stop_after=1.5, on_duplicate=OnDuplicate.IN_ORDER)
    assert 0 < first.tallies.confirmed < 3_000
    assert job.run_virtual().exit_code == 0
    assert job.run_virtual().exit_code == 0


def test_suppressed_rows_and_lines_that_are_no_rows_are_not_counted(tmp_path):
    rows = [{**row, "firstname": "x", "Opted out": "1"} for row in NOBODY] + [{"email": "a@x.com"}]
    job = made(tmp_path, rows, suppress_where={"Opted out": ()})
    assert job.run_virtual().tallies.outcomes[Outcome.SKIPPED] == 3


def test_without_an_account_the_keys_are_counted_too(tmp_path):
    job = made(tmp_path, NOBODY)
    report = asyncio.run(Check(job.settings(offline=True)).run())
    assert len(report.problems) == 1


def test_a_sample_is_judged_by_its_own_rows(tmp_path):
    job = made(tmp_path, [*NOBODY, *contacts(30)])
    report = asyncio.run(Check(job.settings(offline=True), sample=2).run())
    assert "of 2 rows" in report.problems[0]
