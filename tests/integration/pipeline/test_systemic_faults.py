"""A fault that all rows share is not theirs: the run stops early, they stay open, and it says what to do."""

import json
from pathlib import Path

import pytest

from support.jobs import Job, contacts
from support.mock_transport import make_simulator
from support.soaked import some
from uploader.cli.text.summary import ending_text
from uploader.model.stop import Cause

#: A token that may write contacts, and not look at their properties.
WRITING_ONLY = {"auth": {"scopes": ["oauth", "crm.objects.contacts.write"]}}


def ndjson(tmp_path: Path, rows, **scenario) -> Job:
    source = tmp_path / "contacts.ndjson"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Job(source, make_simulator(quota="190/10", latency_seconds=0.3, **scenario))


@pytest.mark.parametrize(
    ("field", "schema"),
    some(
        *(("favourite", "unknown"), ("hs_object_id", "known")),
        soaked=[("favourite", "known"), ("hs_object_id", "unknown")],
    ),
)
def test_a_field_of_every_row_that_is_no_property_is_a_column_all_the_same(tmp_path, schema, field):
    scenario = WRITING_ONLY if schema == "unknown" else {}
    job = ndjson(tmp_path, contacts(5_000, **{field: "1"}), **scenario)
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.PROPERTY, 2)
    assert field in summary.reason
    assert summary.tallies.settled == 0
    assert summary.tallies.requests <= 20
    summary = job.run_virtual(ignored=frozenset({field}))
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 5_000)


@pytest.mark.parametrize("scenario", [{}, WRITING_ONLY], ids=["schema known", "schema unknown"])
def test_a_field_of_some_rows_is_a_fault_of_those(tmp_path, scenario):
    rows = [{**row, "favourite": "blue"} if i % 7 == 0 else row for i, row in enumerate(contacts(700))]
    job = ndjson(tmp_path, rows, **scenario)
    summary = job.run_virtual()
    assert (summary.state, summary.exit_code) == ("complete", 1)
    assert summary.tallies.failed == 100
    assert summary.as_dict()["created"] == 600


def test_a_field_that_every_row_has_from_here_on_stops_the_run_with_those_rows_open(tmp_path):
    rows = [*contacts(2_050), *({**row, "favourite": "blue"} for row in contacts(9_000)[2_050:])]
    job = ndjson(tmp_path, rows, **WRITING_ONLY)
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.PROPERTY, 78)
    again = {"ignored": frozenset({"favourite"}), "accept_changed_settings": True}
    summary = job.run_virtual(**again)
    assert summary.as_dict()["created"] + summary.tallies.failed == 9_000
    assert summary.tallies.failed <= 50  # of the batch that has rows of both kinds


@pytest.mark.parametrize("latency", [0.3, 3.0, 10.0])
def test_a_slow_line_makes_a_systemic_fault_no_dearer(tmp_path, latency):
    job = ndjson(tmp_path, contacts(5_000, favourite="1"), **WRITING_ONLY)
    job.simulator = make_simulator(quota="190/10", latency_seconds=latency, **WRITING_ONLY)
    summary = job.run_virtual()
    assert (summary.cause, summary.tallies.settled) == (Cause.PROPERTY, 0)
    assert summary.tallies.requests <= 20


def test_a_name_that_nothing_can_have_is_told_like_any_other(tmp_path):
    rows = contacts(600)
    rows[300]['na"me'] = "x"
    summary = ndjson(tmp_path, rows, **WRITING_ONLY).run_virtual()
    assert (summary.exit_code, summary.tallies.failed, summary.tallies.confirmed) == (1, 1, 599)


def test_a_reason_that_is_a_sentence_of_hubspot_ends_without_its_full_stop(tmp_path):
    """What to do follows it."""
    faults = [{"kind": "status", "status": 401, "endpoint": "any"}]
    text = ending_text(ndjson(tmp_path, contacts(3), faults=faults).run_virtual())
    assert " ago; provide a valid token" in text
