"""One file with everything at once: each kind is counted by itself, and the upload does what was counted."""

import asyncio

import pytest

from support.jobs import Job
from support.mock_transport import make_simulator
from uploader.check.as_json import as_dict
from uploader.check.run import Check
from uploader.cli.text.check.details import lines
from uploader.records.duplicates import OnDuplicate

HEADER = "email,firstname,lastname,phone,city,zip\n"
GOOD = "".join(f"c{n}@x.com,Ann,Lee,+49 30 {n},Bonn,0{n}\n" for n in range(20))
FAULTS = (
    "NULL,Nina,Key,1,Bonn,1\n"  # a word for nothing as a key
    "d1@x.com,Dan,Lee,p:+4930,Bonn,1\n"  # a telephone number as lead forms write it
    'd2@x.com,Dan,Lee,1.23457E+11,Bonn,"=""01234"""\n'  # lost digits; a wrapped text
    "d3@gmail.con,Dan,Lee,1,Bonn,1\n"  # a domain that does not exist
    "\u200bd4@x.com\ufeff,Dan,Lee,1,Bonn,1\n"  # invisible characters around an address
    "d5@x.com,RenÃ©e,Lee,1,K\ufffdln,1\n"  # a double encoding; a lost character
    "d6@x.com,N/A,\\N,1,#N/A,1\n"  # words for nothing in other columns
    "nobody,Dan,Lee,1,Bonn,1\n"  # no address
    + HEADER  # repeated in the middle
    + 'd7@x.com,"Dan\nthe ""second""",Lee,1,Bonn,1\n'  # several lines and quotes in a cell
    "D1@X.com,Dan,Lee,2,Bonn,1\n"  # a repeated key
    "\n"
    "Confidential Information - Do Not Distribute\n"  # a footer
)


def test_check_counts_each_kind_and_upload_agrees(tmp_path):
    source = tmp_path / "contacts.csv"
    source.write_text(HEADER + GOOD + FAULTS, encoding="utf-8")
    job = Job(source, make_simulator(quota="none"))
    settings = job.settings(offline=True)
    report = asyncio.run(Check(settings).run())
    found = as_dict(report)
    counts = ("rows", "sendable", "invalid", "skipped", "repeated_rows")
    assert {name: found[name] for name in counts} == {
        "rows": 32, "sendable": 28, "invalid": 2, "skipped": 2, "repeated_rows": 1,
    }  # fmt: skip
    assert {one["category"]: one["count"] for one in found["remarks"]} == {
        "PHONE_PREFIX": 1, "LOST_DIGITS": 1, "TOP_LEVEL_DOMAIN": 1, "WRONG_ENCODING": 1, "LOST_CHARACTERS": 1,
    }  # fmt: skip
    assert found["words_for_nothing"] == {
        "email": {"NULL": 1}, "firstname": {"N/A": 1}, "lastname": {"\\N": 1}, "city": {"#N/A": 1},
    }  # fmt: skip
    assert sum(group["count"] for group in found["not_rows"]) == 2
    assert len(lines(report, settings, ())) > 20

    summary = job.run_virtual().as_dict()
    done = {name: summary[name] for name in ("created", "updated", "rejected", "invalid", "skipped")}
    assert done == {"created": 26, "updated": 1, "rejected": 1, "invalid": 2, "skipped": 2}
    held = job.held()
    assert held["d2@x.com"]["zip"] == "01234"
    assert held["d7@x.com"]["firstname"] == 'Dan\nthe "second"'
    assert "d4@x.com" in held


@pytest.mark.parametrize("rule", list(OnDuplicate))
def test_upload_says_what_looks_wrong_where_it_reads_all_rows_anyway(tmp_path, rule):
    source = tmp_path / "contacts.csv"
    source.write_text(HEADER + GOOD + FAULTS, encoding="utf-8")
    job, notices = Job(source, make_simulator(quota="none")), []
    job.run_virtual(on_start=lambda run: notices.extend(run.notices), on_duplicate=rule)
    found = [one for one in notices if "`check`" in one]
    if rule is OnDuplicate.IN_ORDER:
        assert not found
    else:
        (notice,) = found
        assert notice.startswith("5 texts look wrong, and are sent: "), notice
        assert "; `check` shows their rows" in notice
