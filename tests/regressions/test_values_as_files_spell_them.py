"""Values of real files that were written wrong, or refused although they were right."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import uploader
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.errors import SettingsError


def job_of(tmp_path, column, texts, **options):
    rows = [{"email": f"c{number}@x.com", column: text} for number, text in enumerate(texts)]
    return Job(write_csv(tmp_path / "a.csv", rows), make_simulator(quota="none"), options)


def held(job, name):
    return [properties.get(name) for _, properties in sorted(job.held().items())]


# --- numbers in date columns ---


@pytest.mark.parametrize("name", ["renewal_date", "last_seen"])
def test_seconds_since_1970_do_not_become_a_day_in_january_1970(tmp_path, name):
    """1728000000 is 2024-10-04, and as milliseconds, which HubSpot takes, 1970-01-21."""
    job = job_of(tmp_path, name, ["1728000000", "1728086400"])
    with pytest.raises(SettingsError) as asked:
        job.run_virtual()
    assert f"{name}: row 2 has 1728000000, which could be 2024-10-04 (SECONDS)" in str(asked.value)
    assert f'--date-order "{name}=SECONDS" or =MILLISECONDS' in str(asked.value)
    assert job.held() == {}
    assert job.run_virtual(date_orders={name: "SECONDS"}).exit_code == 0
    assert [value[:10] for value in held(job, name)] == ["2024-10-04", "2024-10-05"]


def test_a_few_numbers_among_dates_are_the_fault_of_their_rows(tmp_path):
    job = job_of(tmp_path, "renewal_date", ["2025-01-01", "45657", "31.12.2025", "1735603200000"])
    summary = job.run_virtual()
    assert (summary.exit_code, summary.tallies.confirmed) == (1, 3)
    (letter,) = job.dead_letters()
    assert "could be 2024-12-31 (SERIAL)" in letter.message
    assert held(job, "renewal_date") == ["2025-01-01", "2025-12-31", "2024-12-31"]


# --- options ---

CHECKBOX = {"name": "agreed", "type": "enumeration", "checkbox": True}


@pytest.mark.parametrize(
    ("options", "texts", "values"),
    [
        ((), ["yes", "0", "TRUE"], ["true", "false", "true"]),
        (("true=Yes", "false=No"), ["Ja", "nein", "x"], ["true", "false"]),
        (("Y=Agreed", "N=Not yet"), ["yes", "off", "agreed"], ["Y", "N", "Y"]),
        (("1=On", "0=Off", "no=Maybe"), ["no", "off", "1"], ["no", "0", "1"]),  # an option has the word
    ],
)
def test_a_single_checkbox_that_is_an_enumeration_takes_the_boolean_words(tmp_path, options, texts, values):
    job = job_of(tmp_path, "agreed", texts)
    if not options:
        options = ("true", "false")
    job.simulator = make_simulator(quota="none", properties=[{**CHECKBOX, "options": list(options)}])
    job.run_virtual()
    assert held(job, "agreed") == values


COUNTRIES = {
    "name": "country_code",
    "type": "enumeration",
    "options": ["CA=California", "Canada=CA", "US=USA"],
}


def test_a_cell_that_is_the_label_of_one_option_and_the_value_of_another_is_asked_for(tmp_path):
    job = job_of(tmp_path, "country_code", ["US", "CA", "USA"])
    job.simulator = make_simulator(quota="none", properties=[COUNTRIES])
    with pytest.raises(SettingsError) as asked:
        job.run_virtual()
    assert "country_code: row 3: 'CA' is the value of one option and the label of the option" in str(
        asked.value
    )
    assert '--options "country_code=value" or =label' in str(asked.value)
    assert job.run_virtual(option_readings={"country_code": "label"}).exit_code == 0
    assert held(job, "country_code") == ["US", "Canada", "US"]


def test_rows_that_are_read_once_say_what_to_do_about_such_a_cell(tmp_path):
    source = tmp_path / "a.ndjson"
    source.write_text(
        '{"email": "a@x.com", "country_code": "CA"}\n{"email": "b@x.com", "country_code": "US"}\n'
    )
    job = Job(source, make_simulator(quota="none", properties=[COUNTRIES]))
    job.run_virtual()
    (letter,) = job.dead_letters()
    assert '--options "country_code=value" or =label' in letter.message


# --- time zones ---


def test_a_machine_without_zone_files_knows_the_time_zones(tmp_path):
    """A slim container refused `--timezone Europe/Berlin` as no time zone."""
    code = "from uploader.records.values.convert import find_zone; print(find_zone('Europe/Berlin'))"
    environment = {"PYTHONTZPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout == "Europe/Berlin\n", run.stderr
    named = tomllib.loads((Path(uploader.__file__).parents[1] / "pyproject.toml").read_text())
    assert any(one.startswith("tzdata") for one in named["project"]["dependencies"])
