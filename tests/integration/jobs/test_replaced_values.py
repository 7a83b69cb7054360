"""Values that the user's tables replace: in a whole job, killed and continued, read back, and refused."""

import json

import pytest

from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.verify_runs import counts, verify
from uploader.errors import SettingsError

TABLES = {
    "Stage": {"Prospect": "lead", "MQL": "Marketing Qualified Lead", "n/a": ""},
    "email": {"boss": "boss@example.com"},
}
STAGES = {"Prospect": "lead", "mql": "marketingqualifiedlead", "N/A": None, "customer": "customer"}
SETTINGS = {"mapped": {"Stage": "lifecyclestage"}, "translations": TABLES}


def rows(count):
    spelled = list(STAGES)
    return [{"email": f"c{i}@example.com", "Stage": spelled[i % 4]} for i in range(count)]


def test_a_job_killed_on_its_way_writes_replacements_and_verifies_them(tmp_path):
    source = write_csv(tmp_path / "a.csv", [{"email": "Boss", "Stage": "Prospect"}, *rows(2_000)])
    job = Job(source, make_simulator(latency_seconds=0.3), SETTINGS)
    assert 0 < job.run_virtual(stop_after=1.5).tallies.confirmed < 2_001
    assert job.run_virtual().exit_code == 0
    held = job.held()
    assert held["boss@example.com"]["lifecyclestage"] == "lead"
    for row in rows(2_000):
        assert held[row["email"]].get("lifecyclestage") == STAGES[row["Stage"]], row
    report, findings = verify(job)
    assert (counts(report), findings) == ({"equal": 2_001}, [])


def test_fields_of_ndjson_and_stages_by_their_labels_are_replaced(tmp_path):
    source = tmp_path / "deals.ndjson"
    cells = [("a", "Abgeschlossen"), ("b", "Neu")]
    lines = [json.dumps({"external_id": one, "stage": stage}) for one, stage in cells]
    source.write_text("\n".join(lines) + "\n")
    options = {
        "object_type": "deals",
        "id_property": "external_id",
        "mapped": {"stage": "dealstage"},
        "translations": {"stage": {"abgeschlossen": "Closed Won", "neu": "Appointment Scheduled"}},
        "constants": {"pipeline": "Sales Pipeline"},
    }
    job = Job(source, make_simulator(), options)
    assert job.run_virtual().exit_code == 0
    held = {key: one["dealstage"] for key, one in job.held("external_id").items()}
    assert held == {"a": "closedwon", "b": "appointmentscheduled"}


def test_a_replacement_that_is_no_option_stops_before_the_first_write_with_its_line(tmp_path):
    places = {"Stage": {"prospect": "--mapping map.toml: line 7"}}
    wrong = {"translations": {"Stage": {"Prospect": "leadd"}}, "translation_places": places}
    job = Job(write_csv(tmp_path / "a.csv", rows(3)), make_simulator(), {**SETTINGS, **wrong})
    says = "--mapping map.toml: line 7: Stage: 'leadd' is not an option of the property; did you mean 'lead'?"
    with pytest.raises(SettingsError) as caught:
        job.run_virtual()
    assert str(caught.value) == says
    assert not [path for path in job.transport.paths if "batch" in path]
    assert check(job).problems == [says]


def test_a_table_for_a_column_that_does_not_exist_is_a_problem(tmp_path):
    job = Job(
        write_csv(tmp_path / "a.csv", rows(3)), make_simulator(), {"translations": {"Stge": {"a": "b"}}}
    )
    with pytest.raises(SettingsError, match="--values: there is no column 'Stge'"):
        job.run_virtual(mapped=SETTINGS["mapped"])


def test_a_blank_word_cannot_be_replaced(tmp_path):
    job = Job(write_csv(tmp_path / "a.csv", rows(3)), make_simulator(), SETTINGS)
    with pytest.raises(SettingsError, match="values: 'Stage': 'n/a' is a blank cell by --blank-value"):
        job.run_virtual(blank_values={"": ("N/A",)})
    assert job.run_virtual(blank_values={"": ("N/A",), "Stage": ()}).exit_code == 0


def test_two_values_that_differ_in_case_only_need_one_replacement(tmp_path):
    job = Job(write_csv(tmp_path / "a.csv", rows(3)), make_simulator())
    with pytest.raises(SettingsError, match="upper and lower case are the same"):
        job.run_virtual(translations={"Stage": {"a": "lead", "A": "customer"}})
