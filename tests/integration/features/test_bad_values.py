"""`check` counts the values that options do not take, over all rows, and drafts what could replace them."""

import json
import re

import pytest

from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.check.as_json import bad_value_dicts
from uploader.cli.text.check.details import lines
from uploader.records.mapping_file import parse_mapping

STAGES = ["Prospect"] * 5 + ["prospect", "MQL", "mql", "MQL", "Lead", "customer", ""]


def stage_rows(count=240):
    return [
        {"email": f"c{i}@example.com", "Lifecycle Stage": STAGES[i % 12], "vip": "?"} for i in range(count)
    ]


def values_of(report):
    return {
        one.column: {value.text: (value.cells, value.near and value.near.value) for value in one.values}
        for one in report.bad_columns
    }


def test_distinct_bad_values_are_counted_with_the_options_and_near_ones(tmp_path):
    job = Job(write_csv(tmp_path / "a.csv", stage_rows()), make_simulator())
    report = check(job)
    assert values_of(report) == {
        "vip": {"?": (240, None)},
        "Lifecycle Stage": {"Prospect": (120, None), "MQL": (60, "marketingqualifiedlead")},
    }
    assert report.bad_columns[1].property == "lifecyclestage"
    shown = lines(report, job.settings(), ["check"])
    at = shown.index(f"{240:>16,}  BOOLEAN in vip")
    assert shown[at + 1] == f"{'':>18}1 value that vip does not take:"
    assert shown[at + 2] == f"{240:>22,}  ?: rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    assert sum("OPTION in Lifecycle Stage" in line for line in shown) == 1
    assert f"{60:>22,}  MQL (marketingqualifiedlead?): rows 8, 9, 10" in shown
    (takes,) = [line for line in shown if line.startswith(f"{'':>18}it takes ") and "evangelist" in line]
    assert "evangelist, lead, marketingqualifiedlead" in takes
    assert not [line for line in shown if "is not an option of the property" in line]
    first, second = bad_value_dicts(report.bad_columns)
    assert (first["column"], first["count"], first["complete"]) == ("vip", 240, True)
    assert second["values"][1] == {"value": "MQL", "count": 60, "near": "marketingqualifiedlead"}
    assert {"value": "lead", "label": "Lead"} in second["options"]


def test_what_is_left_out_of_rows_is_counted_as_well_and_what_is_replaced_is_not(tmp_path):
    job = Job(write_csv(tmp_path / "a.csv", stage_rows()), make_simulator(), {"on_bad_value": "drop"})
    report = check(job, translations={"Lifecycle Stage": {"mql": "marketingqualifiedlead"}, "vip": {"?": ""}})
    assert values_of(report) == {"Lifecycle Stage": {"Prospect": (120, None)}}


def test_each_bad_one_of_several_values_is_counted_and_fields_of_rows_too(tmp_path):
    source = tmp_path / "a.ndjson"
    cells = ["Rot;gruen", "red;Gruen", "red;green"]
    rows = [{"email": f"c{i}@example.com", "Farben": cell} for i, cell in enumerate(cells)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    colours = {"name": "colours", "label": "Farben", "type": "enumeration", "multiple": True}
    report = check(
        Job(source, make_simulator(properties=[{**colours, "options": ["red=Red", "green=Green"]}]))
    )
    assert values_of(report) == {"Farben": {"gruen": (2, "green"), "Rot": (1, None)}}
    assert report.bad_columns[0].property == "colours"


def test_stages_are_counted_with_the_names_that_the_account_has(tmp_path):
    rows = [
        {"external_id": str(i), "dealstage": stage}
        for i, stage in enumerate(["Closed-Won", "Neu", "Closed Lost"])
    ]
    options = {"object_type": "deals", "id_property": "external_id", "constants": {"pipeline": "default"}}
    report = check(Job(write_csv(tmp_path / "a.csv", rows), make_simulator(), options))
    assert values_of(report) == {"dealstage": {"Closed-Won": (1, "Closed Won"), "Neu": (1, None)}}


@pytest.mark.parametrize("constants", [{"lifecyclestage": "lead"}, {"vip": "maybe"}])
def test_a_draft_does_not_mind_values_of_all_records(tmp_path, constants):
    rows = [{"email": row["email"], "Lifecycle": row["Lifecycle Stage"]} for row in stage_rows()]
    report = check(
        Job(write_csv(tmp_path / "a.csv", rows), make_simulator()), drafts=True, constants=constants
    )
    assert report.problems
    assert '# "MQL" = "marketingqualifiedlead"' in report.draft.toml()


@pytest.mark.parametrize("key", ["email", "E-mail Address"])
def test_a_draft_has_the_values_of_columns_as_it_maps_them(tmp_path, key):
    rows = [
        {key: row["email"], "Stage of life": "", "Lifecycle": row["Lifecycle Stage"], "vip": "?"}
        for row in stage_rows()
    ]
    report = check(Job(write_csv(tmp_path / "a.csv", rows), make_simulator()), drafts=True)
    text = report.draft.toml()
    assert '# "MQL" = "marketingqualifiedlead"  # 60 cells; Marketing Qualified Lead?' in text
    assert '# "Prospect" = "OPTION"  # 120 cells' in text
    assert '# "?" = "OPTION"  # 240 cells' in text
    used = re.sub(r'^# (?="(?:MQL|Prospect)" = )', "", text, flags=re.MULTILINE)
    assert parse_mapping(used).values.replacements == {
        "Lifecycle": {"mql": "marketingqualifiedlead", "prospect": "OPTION"}
    }
    assert parse_mapping(text).values.replacements == {}
