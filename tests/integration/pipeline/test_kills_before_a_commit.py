"""Rows move values between contacts, and the process is killed when some are written and not committed.

Those are sent again. The account must end as that of a job that was not killed.
"""

import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.model.cases import Stop
from support.model.running import KillableCheckpoint, reading, run_process
from support.soaked import some
from uploader.jobs import opening
from uploader.pipeline.collector import COMMIT_SECONDS
from uploader.records.duplicates import OnDuplicate
from uploader.records.write_policy import Only

LATENCY_SECONDS = 0.02
COLUMNS = ("external_id", "email", "firstname", "city")
#: The contact of a row by address alone loses this address to another one.
BY_EITHER_KEY = [
    ("k1", "v2@x.com", "Ann", ""),
    ("", "v2@x.com", "", "Ulm"),
    ("k1", "v1@x.com", "Anne", ""),
    ("k2", "v2@x.com", "Bob", ""),
    ("k3", "v3@x.com", "Cem", ""),
    ("k1", "v9@x.com", "", ""),
    ("", "v1@x.com", "", "Bonn"),
]
#: The address of the first row is taken by the third one.
BY_ONE_KEY = [
    ("k1", "v1@x.com", "Ann", ""),
    ("k1", "v2@x.com", "", "Ulm"),
    ("k2", "v1@x.com", "Bob", ""),
    ("k1", "", "", "Bonn"),
]


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)


def job_of(folder, lines, match, *, there=(), **options) -> Job:
    folder.mkdir()
    rows = [dict(zip(COLUMNS, line, strict=True)) for line in lines]
    properties = [{"name": "external_id", "unique": True}]
    simulator = make_simulator(latency_seconds=LATENCY_SECONDS, properties=properties)
    simulator.reset(0.0, there)
    return Job(write_csv(folder / "rows.csv", rows), simulator, {"match": match, **options})


def run(job, stop=None, most_open=30_000):
    with reading(slice_rows=1, most_open=most_open):
        return run_process(job, stop, batch_records=3)


def contacts_of(job):
    held = [contact["properties"] for contact in job.simulator.objects(1e9)]
    return sorted(tuple(one.get(name, "") for name in COLUMNS) for one in held)


@pytest.mark.parametrize("most_open", some(2, soaked=[30_000]))
@pytest.mark.parametrize(
    ("keys", "kind"),
    some(
        *(("either key", "kill in a commit"), ("one key", "kill")),
        soaked=[("either key", "kill"), ("one key", "kill in a commit")],
    ),
)
def test_rows_sent_again_find_their_contacts(tmp_path, keys, kind, most_open):
    either = (BY_EITHER_KEY, ("external_id", "email"))
    lines, match = either if keys == "either key" else (BY_ONE_KEY, ("external_id",))
    calm = job_of(tmp_path / "calm", lines, match)
    assert run(calm, most_open=most_open).exit_code == 0
    for step in range(15):
        job = job_of(tmp_path / str(step), lines, match)
        run(job, Stop(step * LATENCY_SECONDS, kind), most_open)
        assert run(job, most_open=most_open).exit_code == 0
        assert set(job.outcomes().values()) <= {"created", "updated"}
        assert contacts_of(job) == contacts_of(calm), f"killed in step {step}"


def test_rows_that_wait_for_nothing_but_a_commit_get_it_at_once(tmp_path):
    """Two contacts exchange an address; each row can only leave when the one before it is committed."""
    lines = [(f"k{n % 2}", f"v{n % 3}@x.com", str(n), "") for n in range(60)]
    kept = {"on_duplicate": OnDuplicate.IN_ORDER}
    job = job_of(tmp_path / "job", lines, ("external_id", "email"), **kept)
    assert run(job).tallies.settled == 60
    assert job._clock < 60 * (LATENCY_SECONDS + COMMIT_SECONDS / 2)


#: The first row has only its key, which is the address that the second one gives to its own contact.
BY_A_KEY_THAT_MOVES = [("", "a@x.com", "Old", "Bonn"), ("", "b@x.com", "", ""), ("k2", "a@x.com", "", "")]


@pytest.mark.parametrize("kind", some("kill in a commit", soaked=["kill"]))
def test_a_row_by_a_key_that_a_later_row_moves_is_committed_first(tmp_path, kind):
    """Sent again, it would find the contact to which the later row has given the address."""
    there = [{"properties": {"external_id": "k2", "city": "Ulm"}}]
    match, only = ("external_id", "email"), {"only_records": Only.EXISTING}
    calm = job_of(tmp_path / "calm", BY_A_KEY_THAT_MOVES, match, there=there, **only)
    run(calm)
    for step in range(1, 24):
        job = job_of(tmp_path / f"{step}", BY_A_KEY_THAT_MOVES, match, there=there, **only)
        run(job, Stop(step * LATENCY_SECONDS / 2, kind))
        run(job)
        assert (contacts_of(job), job.outcomes()) == (contacts_of(calm), calm.outcomes()), step
