"""The examples of the manual's page "Python": each is a whole program, is typed, and runs."""

import sqlite3
from contextlib import closing

import pytest

from support.jobs import contacts, write_csv
from support.manual.programs import check_types, examples, run_example

EXAMPLES = examples("python.md")


def test_one_call_uploads_a_file(tmp_path, hubspot_mock):
    hubspot = hubspot_mock()
    write_csv(tmp_path / "contacts.csv", contacts(250))
    assert "results.csv; 250 are new" in run_example(EXAMPLES["Upload a file"], tmp_path, hubspot.url)
    assert len(hubspot.contacts()) == 250
    sent = hubspot.stats()["accepted"]
    assert "results.csv; 250 are new" in run_example(EXAMPLES["Upload a file"], tmp_path, hubspot.url)
    assert hubspot.stats()["accepted"] == sent


def test_a_loop_over_a_database_tells_what_failed_each_time(tmp_path, hubspot_mock):
    hubspot = hubspot_mock()
    with closing(sqlite3.connect(tmp_path / "crm.sqlite")) as crm:
        crm.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, email, firstname, born)")
        people = [(f"p{number}@example.com", f"P{number}", "1990-01-31") for number in range(300)]
        people[7] = ("nobody", "N", None)
        people[250] = ("b@example.badtld", "B", None)
        crm.executemany("INSERT INTO customers (email, firstname, born) VALUES (?, ?, ?)", people)
        crm.commit()
    first = run_example(EXAMPLES["Follow every row"], tmp_path, hubspot.url).splitlines()
    assert first[-1] == "complete 300 rows, 2 failed"
    assert {line.partition(":")[0] for line in first[:-1]} == {"crm, row 8", "crm, row 251"}
    assert len(hubspot.contacts()) == 298
    assert sorted(run_example(EXAMPLES["Follow every row"], tmp_path, hubspot.url).splitlines()) == sorted(
        first
    )


@pytest.mark.soak
def test_two_jobs_run_side_by_side(tmp_path, hubspot_mock):
    hubspot = hubspot_mock()
    printed = run_example(EXAMPLES["Run several jobs in one loop"], tmp_path, hubspot.url)
    assert printed.splitlines() == ["north: complete", "south: complete"]
    assert len(hubspot.contacts()) == 600


def test_messages_of_a_queue_are_acknowledged(tmp_path, hubspot_mock):
    hubspot = hubspot_mock()
    printed = run_example(EXAMPLES["Queues and webhooks"], tmp_path, hubspot.url)
    assert printed.splitlines() == ["complete 250 rows, 250 created"]
    assert len(hubspot.contacts()) == 250
    assert [path.name for path in tmp_path.iterdir()] == ["example.py"]


def test_a_job_is_checked_uploaded_verified_and_its_undo_planned(tmp_path, hubspot_mock):
    hubspot = hubspot_mock()
    write_csv(tmp_path / "contacts.csv", [*contacts(20), {"email": "nobody", "firstname": "Nemo"}])
    assert run_example(EXAMPLES["Check, preview, verify, undo"], tmp_path, hubspot.url).splitlines() == [
        "20 created, 1 failed",
        "row 22: EMAIL, Nemo",
        "20 of 20 records are as uploaded",
        "undo would archive 20",
    ]


@pytest.mark.soak
def test_a_query_is_uploaded_by_the_url_of_its_database(tmp_path, hubspot_mock):
    hubspot = hubspot_mock()
    with closing(sqlite3.connect(tmp_path / "crm.sqlite")) as crm, crm:
        crm.execute("CREATE TABLE customers (email, firstname)")
        crm.executemany(
            "INSERT INTO customers VALUES (?, ?)", ((f"p{n}@example.com", "P") for n in range(250))
        )
    run_example(EXAMPLES["Rows of a database"], tmp_path, hubspot.url)
    assert len(hubspot.contacts()) == 250


@pytest.mark.soak
def test_the_examples_are_typed(tmp_path):
    check_types(EXAMPLES.values(), tmp_path)
