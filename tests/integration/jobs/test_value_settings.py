"""How a job's values are read stays as it was begun: orders of dates, settings, owners on many pages."""

import csv

import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.errors import CheckpointError
from uploader.jobs.scans.formats import Orders

ROWS = [
    {"email": f"c{i}@example.com", "renewal_date": "01.02.2025", "score": "1,5", "vip": "yes", "city": ""}
    for i in range(300)
]
#: The last row tells how all others are read.
TELLING = {"email": "last@example.com", "renewal_date": "31.01.2024", "score": "1,5", "vip": "", "city": ""}


def begun(tmp_path, **options) -> Job:
    """A job that was stopped on its way."""
    job = Job(
        write_csv(tmp_path / "a.csv", [*ROWS, TELLING]),
        make_simulator(latency_seconds=0.3),
        options,
        batch_records=10,
    )
    summary = job.run_virtual(stop_after=1.5)
    assert 0 < summary.tallies.confirmed < len(ROWS)
    return job


def no_survey(*_):
    raise AssertionError("all rows are read again")


def test_an_order_that_all_rows_told_is_kept_and_they_are_not_read_again(tmp_path, monkeypatch):
    job = begun(tmp_path)
    monkeypatch.setattr(Orders, "steps", no_survey)
    assert job.run_virtual().exit_code == 0
    dates = {held["renewal_date"] for name, held in job.held().items() if name != "last@example.com"}
    assert dates == {"2025-02-01"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"date_orders": {"renewal_date": "MDY"}}, "date_orders was"),
        ({"decimals": {"score": "."}}, "decimals was"),
        ({"option_readings": {"": "label"}}, "option_readings was"),
        ({"timezones": {"": "Europe/Berlin"}}, "timezones was"),
        ({"on_bad_value": "drop"}, "on_bad_value was"),
        ({"owner_map": {"Ann": "ann.lee@example.com"}}, "owner_map differs"),
        ({"translations": {"city": {"Bonn": "Ulm"}}}, "values differs"),
        ({"cleared": frozenset({"city"})}, "clear was"),
        ({"blank_values": {"city": ("none",)}}, "blank_values was"),
        ({"only": frozenset({"email", "renewal_date", "score"})}, "only was"),
    ],
)
def test_going_on_with_values_read_in_another_way_is_refused(tmp_path, options, says):
    job = begun(tmp_path)
    with pytest.raises(CheckpointError, match=says):
        job.run_virtual(**options)
    assert job.run_virtual().exit_code == 0


def test_a_blank_word_in_another_case_is_the_same_setting(tmp_path):
    job = begun(tmp_path, blank_values={"": ("n/a", "-")})
    assert job.run_virtual(blank_values={"": ("-", " N/A")}).exit_code == 0


def test_owners_are_found_on_whatever_page_they_stand(tmp_path):
    def owner(number, **more):
        return {"id": str(10_000 + number), "email": f"o{number}@example.com", **more}

    owners = [owner(number) for number in range(1_200)]
    owners += [owner(number, archived=True) for number in range(2_000, 2_700)]
    wanted = {"first": 0, "page-end": 499, "page-begin": 500, "last": 1_199, "gone": 2_699}
    rows = [
        {"email": f"{name}@x.com", "hubspot_owner_id": f"o{number}@example.com"}
        for name, number in wanted.items()
    ]
    job = Job(write_csv(tmp_path / "a.csv", rows), make_simulator(owners=owners))
    assert job.run_virtual().exit_code == 0
    held = {name.partition("@")[0]: one["hubspot_owner_id"] for name, one in job.held().items()}
    assert held == {name: str(10_000 + number) for name, number in wanted.items()}
    asked = [path for path in job.transport.paths if "/owners" in path]
    assert len(asked) == 3 + 2


def test_values_that_are_left_out_are_told_row_by_row(tmp_path):
    rows = [{"email": f"c{i}@example.com", "renewal_date": "2025-02-01"} for i in range(250)]
    rows[120]["renewal_date"] = "soon"
    job = Job(write_csv(tmp_path / "a.csv", rows), make_simulator(), {"on_bad_value": "drop"})
    assert job.run_virtual().tallies.values_dropped == 1
    with (tmp_path / "a.csv.results.csv").open(encoding="utf-8", newline="") as file:
        noted = [(line["row"], line["note"]) for line in csv.DictReader(file) if line["note"]]
    ((row, note),) = noted
    assert row == "122"
    assert note.startswith("left out: renewal_date: 'soon'")
