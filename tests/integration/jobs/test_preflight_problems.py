"""What keeps a job from starting is named before the first write, and all of it at once."""

import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.errors import SettingsError

ROW = {"email": "a@example.com", "Nonsense": "1", "renewal_date": "01/02/2025", "num_notes": "3"}


def job_of(tmp_path, rows, **options) -> Job:
    simulator = make_simulator()
    return Job(write_csv(tmp_path / "a.csv", rows), simulator, options)


def test_columns_and_orders_are_named_together(tmp_path):
    job = job_of(tmp_path, [ROW])
    with pytest.raises(SettingsError) as refused:
        job.run_virtual(mapped={"Phone": "phone"})
    text = str(refused.value)
    assert text.startswith("4 problems: (1) ")
    for part in ("'Phone'; the columns are", "'Nonsense'", "num_notes", "--date-order"):
        assert part in text
    assert list(job.simulator.objects(1e9, "contacts")) == []


def test_times_without_a_zone_are_asked_for_before_the_first_write(tmp_path):
    rows = [{"email": f"c{i}@example.com", "last_seen": f"2025-01-31 10:{i:02}"} for i in range(50)]
    job = job_of(tmp_path, rows)
    with pytest.raises(SettingsError, match='--timezone "last_seen=NAME"'):
        job.run_virtual()
    assert not (tmp_path / "a.csv.checkpoint").exists()
    assert job.run_virtual(timezones={"last_seen": "Europe/Berlin"}).tallies.confirmed == 50


def test_without_a_key_the_other_columns_are_named_all_the_same(tmp_path):
    job = job_of(tmp_path, [{"E-mail": "a@example.com", "First Name": "A", "Nonsense": "1", "Opt out": ""}])
    with pytest.raises(SettingsError) as refused:
        job.run_virtual()
    text = str(refused.value)
    assert text.startswith("3 problems: ")
    for part in (
        "'Opt out' tells",
        'map one with --map "E-mail=email"',
        "name or label 'E-mail', 'Nonsense'",
    ):
        assert part in text
