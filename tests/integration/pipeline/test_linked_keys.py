"""`--match external_id,email`: rows by either key alone, of a contact that an earlier row had both of."""

import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.soaked import some

#: Every fourth request fails, so that some rows are sent again while others go on.
FAULTS = [{"kind": "status", "status": 503, "every": 4}]


def row(external_id="", email="", firstname=""):
    return {"external_id": external_id, "email": email, "firstname": firstname}


def rows_of(people, between):
    """Both keys of each person, many others, then each person by one key and by the other."""
    first = [row(f"e{i}", f"c{i}@x.com", "first") for i in range(people)]
    others = [row(f"o{i}", "", "other") for i in range(between)]
    later = [
        one for i in range(people) for one in (row(f"e{i}", "", "by id"), row("", f"C{i}@x.com", "last"))
    ]
    return first + others + later


def job_of(tmp_path, rows, faults=FAULTS):
    simulator = make_simulator(quota="190/10", latency_seconds=0.3, faults=list(faults))
    return Job(
        write_csv(tmp_path / "rows.csv", rows),
        simulator,
        {"match": ("external_id", "email")},
        batch_records=10,
    )


def names(job):
    return {contact["firstname"] for email, contact in job.held().items() if email.startswith("c")}


@pytest.mark.parametrize("seed", some(0, 1, soaked=[2, 3]))
def test_rows_by_either_key_of_a_contact_are_written_in_file_order(tmp_path, seed):
    job = job_of(tmp_path, rows_of(30, 600))
    job.seed = seed
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["aliases"]) == (0, 0)
    assert names(job) == {"last"}


@pytest.mark.parametrize("seed", some(0, 1, soaked=[2, 3]))
def test_a_resumed_job_knows_what_earlier_rows_have_linked(tmp_path, seed):
    rows = rows_of(30, 600)
    job = job_of(tmp_path, rows)
    job.seed = seed
    first = job.run_virtual(on_tick=lambda run: run.stop(2) if run.view().tallies.settled > 60 else None)
    assert 60 < first.tallies.settled < 630
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["aliases"]) == (0, 0)
    assert names(job) == {"last"}
