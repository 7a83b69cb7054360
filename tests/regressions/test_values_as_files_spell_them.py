"""Values of real files that were written wrong, or refused although they were right."""

import pytest

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
