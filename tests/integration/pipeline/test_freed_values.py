"""Unique values that one row frees and another row takes: a conflict is final only after all earlier rows."""

import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator


def job_of(tmp_path, rows, people, *, rules=None, faults=(), **options):
    simulator = make_simulator(quota="190/10", latency_seconds=0.3, rules=rules or {}, faults=list(faults))
    simulator.reset(0.0, [{"properties": person} for person in people])
    source = write_csv(tmp_path / "rows.csv", rows)
    return Job(source, simulator, {"id_property": "external_id", **options}, batch_records=10)


def row(external_id, email="", **rest):
    return {"external_id": external_id, "email": email, "firstname": "", **rest}


def moves(count):
    """Contacts with an address each; rows that give them another one, and then rows that take theirs."""
    people = [{"external_id": f"e{n}", "email": f"c{n}@x.com"} for n in range(count)]
    first = [row(f"e{n}", f"new{n}@x.com") for n in range(count)]
    return people, [*first, *(row(f"later{n}", f"c{n}@x.com", firstname=f"F{n}") for n in range(count))]


def check_moved(job, rows, summary):
    assert (summary.exit_code, summary.tallies.failed) == (0, 0)
    held = {c["external_id"]: c["email"] for c in job.held("external_id").values()}
    assert held == {one["external_id"]: one["email"] for one in rows}


@pytest.mark.parametrize("multi_status", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_an_address_that_an_earlier_row_frees_is_taken_by_a_later_one(tmp_path, seed, multi_status):
    """Nothing in the file links the two rows; every fourth request fails, and every third takes longer."""
    people, rows = moves(60)
    faults = [{"kind": "status", "status": 503, "every": 4}, {"kind": "delay", "seconds": 2.0, "every": 3}]
    job = job_of(tmp_path, rows, people, rules={"multi_status": multi_status}, faults=faults)
    job.seed = seed
    check_moved(job, rows, job.run_virtual())


def test_the_same_where_contacts_are_read_first(tmp_path):
    people, rows = moves(60)
    job = job_of(tmp_path, rows, people, skip_unchanged=True, snapshot=True)
    check_moved(job, rows, job.run_virtual())


def test_a_row_that_only_waited_has_had_no_attempt_more(tmp_path):
    """An address of a contact that no row frees is refused for good, in one attempt, and in few requests."""
    people = [{"external_id": f"p{n}", "email": f"c{n}@x.com"} for n in range(400)]
    rows = [row(f"e{n}", f"c{n}@x.com" if n % 4 == 0 else f"other{n}@x.com") for n in range(400)]
    job = job_of(tmp_path, rows, people)
    summary = job.run_virtual()
    letters = job.dead_letters()
    assert [(letter.row, letter.category, letter.attempts) for letter in letters] == [
        (n + 2, "CONFLICT", 1) for n in range(0, 400, 4)
    ]
    assert summary.tallies.upserts <= 60  # 40 for all rows once, and 10 for those that were refused


@pytest.mark.parametrize("lost", [True, False])
def test_a_conflict_after_a_lost_answer_is_settled_by_reading_the_contact(tmp_path, lost):
    """The attempt that was not answered may have written the row, and then the conflict is with itself."""
    answer_lost = {"kind": "reset", "applied": True, "requests": [1, 1], "keys": ["e7"]}
    faults = [
        *([answer_lost] if lost else []),
        {
            "kind": "reject",
            "category": "CONFLICT",
            "message": "Contact already exists",
            "keys": ["e7"],
            "requests": [2 if lost else 1, 99],
        },
    ]
    rows = [row(f"e{n}", f"c{n}@x.com", firstname=f"F{n}") for n in range(20)]
    job = job_of(tmp_path, rows, [], faults=faults)
    summary = job.run_virtual()
    assert summary.tallies.failed == (0 if lost else 1)
    assert job.outcomes()[9] == ("updated" if lost else "rejected")


def test_rows_of_several_batches_that_may_be_there_are_read_back_in_requests_of_a_hundred(tmp_path):
    """The first answers are lost though all was written; what is sent again is refused, in another order."""
    rows = [row(f"e{n}", f"c{n}@x.com", firstname=f"F{n}") for n in range(400)]
    keys = [one["external_id"] for one in rows]
    faults = [
        {"kind": "reset", "applied": True, "requests": [1, 4], "keys": keys},
        {"kind": "reject", "category": "CONFLICT", "keys": keys, "requests": [5, 999]},
        {"kind": "delay", "seconds": 2.0, "every": 3},
    ]
    job = job_of(tmp_path, rows, [], faults=faults)
    job.batch_records = 100
    summary = job.run_virtual()
    written = len(job.held("external_id"))
    assert written >= 300
    assert (summary.tallies.confirmed, summary.tallies.failed) == (written, 400 - written)
