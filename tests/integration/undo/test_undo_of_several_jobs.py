"""Jobs of one folder that wrote the same contacts are undone one after the other, the newest first."""

from contextlib import closing

import pytest

from support.jobs import Job, write_csv
from support.undo_runs import archived, by, change_records, counts, state, undo, uploaded
from uploader.cli.commands.undo import _next_steps
from uploader.undo.undo_file import UndoFile

C0, C1, C2 = (f"c{n}@example.com" for n in range(3))


def after(job: Job, name: str, rows, **options) -> Job:
    """A later job of the same folder and account."""
    later = Job(write_csv(job.source.with_name(name), rows), job.simulator, {"snapshot": True, **options})
    later._clock = job._clock + 600.0
    later.run_virtual()
    return later


def undone(job: Job, latest: Job, **options):
    job._clock = latest._clock + 600.0
    return undo(job, **options)


def to_undo_first(job: Job) -> list[str]:
    with closing(UndoFile(job.source.with_name(f"{job.source.name}.checkpoint.snapshot"))) as file:
        return [one.checkpoint.name for one in file.others.to_undo_first]


FIRST = [
    {"email": C0, "city": "Bonn", "phone": ""},
    {"email": C1, "city": "Bonn", "phone": "030 1234567"},
    {"email": C2, "city": "Bonn", "phone": ""},
]
CORRECTED = [
    {"email": C0, "phone": "+1 555 0100", "lifecyclestage": "customer"},
    {"email": C1, "phone": "+1 555 0101", "lifecyclestage": "customer"},
]


@pytest.mark.parametrize("jobs", [1, 2], ids=["one later job", "two later jobs"])
def test_values_that_the_undo_of_a_later_job_took_back_are_nobody_elses(tmp_path, jobs):
    held = [{"email": C1, "phone": "1", "city": "Ulm"}]
    first = uploaded(tmp_path, FIRST, held)
    second = after(first, "contacts.failures.csv", CORRECTED)
    latest = after(second, "last.csv", [{"email": C0, "phone": "+1 555 0199"}]) if jobs == 2 else second
    if latest is not second:
        assert counts(undone(latest, latest)[0]) == {"restored": 1}
    assert counts(undone(second, latest)[0]) == {"restored": 2}
    report, kept = undone(first, second)
    assert (counts(report), kept) == ({"archived": 2, "restored": 1}, [])
    assert state(first) == first.before


def test_what_others_wrote_after_the_undo_of_a_later_job_is_kept(tmp_path):
    app = "1512050"
    first = uploaded(tmp_path, FIRST)
    second = after(first, "contacts.failures.csv", CORRECTED)
    assert counts(undone(second, second)[0]) == {"restored": 2}
    change_records(second, [by(C0, phone="77"), by(C1, "INTEGRATION", app, phone="+1 555 0101")])
    report, kept = undone(first, second)
    assert counts(report) == {"archived": 1, "kept": 2}
    assert {(one.key, one.finding.property, one.finding.why) for one in kept} == {
        (C0, "phone", "changed by others since the job"),
        (C1, "phone", "it is not a value that the job sent"),
    }
    assert len(archived(first)) == 1


def test_a_newer_job_that_is_not_undone_is_named(tmp_path):
    first = uploaded(tmp_path, FIRST)
    second = after(first, "contacts.failures.csv", CORRECTED)
    after(second, "others.csv", [{"email": "x@example.com", "phone": "1"}])
    newest = after(second, "newest.csv", CORRECTED[:1])
    assert to_undo_first(first) == ["newest.csv.checkpoint", "contacts.failures.csv.checkpoint"]
    assert to_undo_first(newest) == []
    undone(newest, newest)
    assert to_undo_first(first) == ["contacts.failures.csv.checkpoint"]
    report, kept = undone(first, second, dry=True)
    assert counts(report) == {"archived": 1, "kept": 2}
    why = "a newer job has written it: contacts.failures.csv.checkpoint; undo that first"
    assert {one.finding.why for one in kept} == {why}
    newer, touched = _next_steps(2, "contacts", [f"kept: phone: {one.finding.why}" for one in kept])
    assert "undo those jobs first" in newer
    assert "--archive-touched" in touched
