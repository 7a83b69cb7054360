"""A file as a spreadsheet leaves it, into the mock account: right values, or a clear reason each."""

import csv
import gzip
import json
import os
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.verify_runs import counts, verify
from uploader.errors import SourceError
from uploader.mockserver.simulator import Simulator
from uploader.pipeline.failure_limits import FailureLimit
from uploader.storage.checkpoint import Checkpoint

COLUMNS = [
    "email",
    "firstname",
    "score",
    "renewal_date",
    "last_seen",
    "vip",
    "tier",
    "interests",
    "hubspot_owner_id",
]
WIDE = [f"x{i}" for i in range(291)]
GOOD = [
    *("a@example.com", "=cmd() 😀", "1.234,5", "31.12.2025", "31.12.2025 10:00"),
    *("TRUE", "Gold", "Chess, Music", "Bob Stone"),
]


def write(tmp_path, rows):
    path = tmp_path / "habits.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file, delimiter=";")
        lines.writerow([*COLUMNS, *WIDE])
        lines.writerows([*row, *("" for _ in WIDE)] for row in rows)
    return path


def bad(number, column, text):
    row = [f"b{number}@example.com", *("" for _ in COLUMNS[1:])]
    row[COLUMNS.index(column)] = text
    return row


BAD = [
    ("score", "1e400", "NUMBER"),
    ("score", "NaN", "NUMBER"),
    ("score", "50%", "NUMBER"),
    ("renewal_date", "31.02.2025", "DATE"),
    ("last_seen", "1767139200", "DATETIME"),
    ("vip", "maybe", "BOOLEAN"),
    ("tier", "platinum", "OPTION"),
    ("hubspot_owner_id", "Chris Miller", "OWNER"),
    ("firstname", "a\0b", "TEXT"),
    ("firstname", "z" * 65_537, "TEXT"),
]
ROWS = [
    GOOD,
    ["big@example.com", "n" * 60_000, "9007199254740993", "", "", "", "", "", ""],
    *(bad(i, column, text) for i, (column, text, _) in enumerate(BAD)),
]
OPTIONS = {"timezones": {"": "Europe/Berlin"}, "ignored": frozenset(WIDE)}


def job(tmp_path, **options):

    same = {**OPTIONS, "max_failures": FailureLimit(count=100), **options}
    return Job(write(tmp_path, ROWS), Simulator(), same)


def test_each_value_is_right_or_has_a_clear_reason(tmp_path):
    run = job(tmp_path)
    summary = run.run_virtual()
    assert (summary.tallies.confirmed, summary.tallies.failed, summary.tallies.open) == (2, len(BAD), 0)
    held = run.held()
    good = held["a@example.com"]
    assert good["firstname"] == "=cmd() 😀"
    assert good["score"] == "1234.5"
    assert good["renewal_date"] == "2025-12-31"
    assert good["last_seen"] == "2025-12-31T09:00:00.000Z"
    assert (good["vip"], good["tier"], good["interests"]) == ("true", "gold", "chess;music")
    assert good["hubspot_owner_id"] == "41629780"
    assert held["big@example.com"]["score"] == "9007199254740993"
    assert len(held["big@example.com"]["firstname"]) == 60_000
    letters = run.dead_letters()
    assert [letter.category for letter in letters] == [category for _, _, category in BAD]
    for letter, (column, _, _) in zip(letters, BAD, strict=True):
        assert column in letter.message


def test_values_left_out_are_counted_once_over_stops(tmp_path):
    rows = [bad(i, "score", "x") for i in range(1_500)]
    run = Job(write(tmp_path, rows), Simulator(), {**OPTIONS, "on_bad_value": "drop"})
    seen: set[int] = set()
    for step in range(60):
        summary = run.run_virtual(stop_after=0.5 + step * 0.05)
        assert summary.tallies.values_dropped == summary.tallies.settled
        seen.add(summary.tallies.settled)
        if summary.state == "complete":
            break
    assert seen - {0, len(rows)}, "no stop came while rows were on their way"
    assert summary.tallies.values_dropped == summary.tallies.confirmed == len(rows)


def test_a_changed_spelling_is_another_job(tmp_path):
    run = job(tmp_path)
    run.run_virtual()
    checkpoint = Checkpoint.open(tmp_path / "habits.csv.checkpoint", read_only=True)
    try:
        assert checkpoint.identity().settings["timezones"] == {"": "Europe/Berlin"}
    finally:
        checkpoint.close()


def test_verify_spells_values_as_the_job_did(tmp_path):
    run = job(tmp_path, on_bad_value="drop")
    run.run_virtual()
    report, findings = verify(run)
    assert report.exit_code == 0, (counts(report), findings)
    assert sum(counts(report).values()) == len(ROWS)


def test_numbers_of_a_parquet_file_are_not_read_as_the_texts_of_another_source(tmp_path):
    source = write_csv(tmp_path / "a.csv", [{"email": "a@x.com", "score": "1,5"}])
    people = [f"p{i}@x.com" for i in range(3)]
    pq.write_table(pa.table({"email": people, "score": [1.234, 12.0, 1234.0]}), tmp_path / "b.parquet")
    sources = (str(source), str(tmp_path / "b.parquet"))
    job = Job(source, make_simulator(quota="none"), {"sources": sources})
    summary = job.run_virtual()
    assert {name: held["score"] for name, held in job.held().items()} == {
        "a@x.com": "1.5",
        "p1@x.com": "12",
        "p2@x.com": "1234",
    }
    assert (summary.exit_code, [letter.key for letter in job.dead_letters()]) == (1, ["p0@x.com"])


def test_a_source_that_breaks_off_has_not_told_all_of_its_dates(tmp_path):
    """Read again, it may go on to rows that say otherwise: the network is like that."""
    lines = ["email,renewal_date", "a@x.com,31.12.2025", *(f"c{i}@x.com,01.02.2025" for i in range(10_000))]
    whole = gzip.compress("\n".join(lines).encode())
    source = tmp_path / "a.csv.gz"
    source.write_bytes(whole[: len(whole) // 2])
    job = Job(source, make_simulator(quota="none"))
    with pytest.raises(SourceError, match="ends in the middle"):
        job.run_virtual()
    assert job.held() == {}
    summary = job.run_virtual(date_orders={"renewal_date": "DMY"})  # what is good of it
    assert summary.as_dict()["created"] > 1_000


def test_an_owner_is_found_that_only_a_late_row_names_in_a_stream_that_is_read_once(tmp_path):
    rows = [{"email": f"c{i}@x.com", "firstname": "F"} for i in range(600)]
    rows[590]["hubspot_owner_id"] = "Bob Stone"
    text = "".join(json.dumps(row) + "\n" for row in rows)
    pipe = tmp_path / "rows"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=(text,), daemon=True).start()
    job = Job(pipe, make_simulator(quota="none"), {"format": "ndjson"})
    summary = job.run_virtual(checkpoint=tmp_path / "job.checkpoint", write_results=False)
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 600)
    assert job.held()["c590@x.com"]["hubspot_owner_id"] == "41629780"
