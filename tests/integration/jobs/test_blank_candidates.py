"""What check proposes as blank words is in the file, can be pasted, and then is proposed no more."""

import shlex

from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.check.as_json import as_dict
from uploader.check.blank_candidates import mapping_lines
from uploader.cli.options.columns import column_settings
from uploader.cli.text.check.details import lines
from uploader.records.mapping_file import parse_mapping

PROPERTIES = [{"name": "answer", "type": "enumeration", "options": ["None", "Gold"]}]
ROWS = [
    {"EMAIL": "a@x.com", "Tel": "000000", "city": "N/A", "answer": "None", "lastname": "none"},
    {"EMAIL": "none@none.com", "Tel": "-", "city": "n/a", "answer": "none", "lastname": "Lee"},
    {"EMAIL": "NULL", "Tel": "n/a", "city": "none", "answer": "gold", "lastname": "."},
    {"EMAIL": "b@x.com", "Tel": "0", "city": "#N/A", "answer": "-", "lastname": 'say "x"'},
]
WANTED = {
    "n/a": {"city": 2, "Tel": 1},
    "-": {"Tel": 1, "answer": 1},
    "000000": {"Tel": 1},
    "0": {"Tel": 1},
    "#N/A": {"city": 1},
    ".": {"lastname": 1},
    "none": {"city": 1, "lastname": 1},
    "none@none.com": {"EMAIL": 1},
}


def made(tmp_path, **options) -> Job:
    mapped = {"EMAIL": "email", "Tel": "phone"}
    simulator = make_simulator(quota="none", properties=PROPERTIES)
    return Job(write_csv(tmp_path / "a.csv", ROWS), simulator, {"mapped": mapped, **options})


def test_candidates_are_counted_by_column_without_values_of_the_property_and_words_that_are_no_key(tmp_path):
    found = {one["word"]: one["columns"] for one in as_dict(check(made(tmp_path)))["blank_candidates"]}
    assert {word.lower(): columns for word, columns in found.items()} == {
        word.lower(): columns for word, columns in WANTED.items()
    }


def test_the_options_work_when_they_are_pasted(tmp_path):
    job = made(tmp_path)
    text = next(one for one in lines(check(job), job.settings(), ["check"]) if "--blank-value" in one)
    words = shlex.split(text.partition("add ")[2])
    assert set(words[::2]) == {"--blank-value"}
    assert {"n/a", "-"} <= {entry.lower() for entry in words[1::2]}  # in several columns
    assert "none" not in words[1::2]  # it is an option of another property
    assert {"city=none", "lastname=none", "Tel=000000", "EMAIL=none@none.com"} <= set(words[1::2])
    blank = read_options(words[1::2])
    assert as_dict(check(made(tmp_path, blank_values=blank)))["blank_candidates"] == []


def read_options(entries):
    nothing = dict.fromkeys(("mapped", "ignored", "only", "cleared", "date_orders", "decimals"), ())
    nothing |= dict.fromkeys(("option_readings", "timezones", "associations", "create_missing"), ())
    nothing |= dict.fromkeys(("on_bad_value", "owner_map", "mapping", "values"))
    return column_settings({**nothing, "blank_values": tuple(entries)})["blank_values"]


def test_the_lines_for_the_mapping_file_keep_the_words_it_has(tmp_path):
    before = {"": ("x",), "Tel": ("1",)}
    job = made(tmp_path, blank_values=before, repeated_options={"--mapping": ("m.toml",)})
    report = check(job)
    shown = lines(report, job.settings(), ["check"])
    assert any("or write in m.toml" in one for one in shown)
    written = mapping_lines(report.blank_candidates, report.names, job.settings().rules)
    assert all(any(line in one for one in shown) for line in written)
    first, *columns = written
    parsed = parse_mapping("\n".join([first, "[columns]", *columns]))
    assert "x" in parsed.blank_values[""]
    assert "1" in parsed.blank_values["Tel"]
    assert (parsed.mapped["Tel"], parsed.mapped["lastname"]) == ("phone", "lastname")
    again = made(tmp_path, blank_values=parsed.blank_values)
    assert as_dict(check(again))["blank_candidates"] == []


def test_a_project_file_is_named_as_a_mapping_file_is(tmp_path):
    job = made(tmp_path, repeated_options={"--project": (str(tmp_path / "p.toml"),)})
    assert any("or write in p.toml" in one for one in lines(check(job), job.settings(), ["check"]))


def test_fields_of_rows_are_looked_at_too(tmp_path):
    job = made(tmp_path)
    job.source = tmp_path / "a.ndjson"
    job.source.write_text('{"EMAIL": "a@x.com", "Tel": 0}\n{"EMAIL": "b@x.com", "Tel": "0"}\n')
    (found,) = as_dict(check(job))["blank_candidates"]
    assert (found["word"], found["columns"], found["options"]) == ("0", {"Tel": 2}, ["Tel=0"])
