"""A preview tells what the run then does, and writes nothing: random jobs, and what is easy to miss."""

import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings

from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.model.cases import COMMON, cases
from support.model.running import start
from support.virtual_loop import run_virtual
from uploader.cli.text.preview import lines
from uploader.hubspot.requests import paths
from uploader.hubspot.transport import Call
from uploader.jobs.pipeline import Parts
from uploader.jobs.session import Seams
from uploader.jobs.upload import Run
from uploader.model.associations import LinkColumn
from uploader.model.outcomes import Outcome
from uploader.pipeline.requests.contact_reader import ReadContact
from uploader.pipeline.sender import Sender
from uploader.preview import run as preview_run
from uploader.preview.as_json import as_dict
from uploader.preview.read_only_client import ReadOnly
from uploader.preview.row_counts import RowCounts
from uploader.preview.run import Preview
from uploader.preview.value_changes import REFUSED, REWRITTEN
from uploader.records.duplicates import OnDuplicate
from uploader.records.write_policy import Change, Only, Policy

#: What a job that only reads may POST.
QUESTIONS = ("/batch/read", "/search", "/access-token-info")


def job_of(tmp_path, rows, held=(), **scenario) -> Job:
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", **scenario))
    job.simulator.reset(0.0, [{"properties": dict(properties)} for properties in held])
    return job


def seams_of(job: Job, batch_records: int) -> Seams:
    loop = asyncio.get_running_loop()
    loop._jumping.now = getattr(job, "_clock", 0.0)
    job.transport = MockTransport(job.simulator)
    return Seams(
        transport=lambda _: job.transport,
        offload=lambda _: Inline(),
        random_number=random.Random(job.seed).random,
        wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
        batch_records=batch_records,
    )


def preview(job: Job, batch_records=100, *, sample=None, examples=5, rows=0, stop_after=None, **options):
    async def run():
        seams, loop = seams_of(job, batch_records), asyncio.get_running_loop()
        ahead = Preview(job.settings(**options), seams, sample=sample, examples=examples, rows=rows)
        if stop_after is not None:
            loop.call_later(stop_after, ahead.ending.stop, 2)
        try:
            return await ahead.preview()
        finally:
            job._clock = loop.time()

    seen = len(job.simulator.statistics.log)
    before = list(job.simulator.objects(1e9))
    report = run_virtual(run())
    assert list(job.simulator.objects(1e9)) == before
    for one in list(job.simulator.statistics.log)[seen:]:
        assert one.method == "GET" or (one.method == "POST" and one.path.endswith(QUESTIONS)), one
    return report


@dataclass
class Watched:
    """A real run, and what it was seen to do."""

    summary: object = None
    looks: list[ReadContact] = field(default_factory=list)
    refused: Counter = field(default_factory=Counter)
    before: dict[str, dict] = field(default_factory=dict)  #: by id, the values before the run

    def kind_of(self, look: ReadContact, name: str, change: Change) -> str:
        """The kind of a change, by what the account held before the run."""
        if change not in {Change.OVERWRITTEN, Change.CLEARED}:
            return change.value
        before = self.before.get(look.held.id, {}).get(name) or ""
        return change.value if before == look.held.properties[name] else REWRITTEN


def watched_run(job: Job, batch_records=100, **options) -> Watched:
    settings = job.settings(**options)
    objects = job.simulator.objects(1e9, settings.object_type)
    seen = Watched(before={one["id"]: dict(one["properties"]) for one in objects})

    def note_rows(slice_) -> None:
        for one in slice_.unsent:
            if one.outcome is Outcome.INVALID:
                seen.refused.update(fault.column for fault in one.faults if fault.column)

    def note_look(look) -> None:
        seen.refused.update(fault.column for fault in look.record.dropped)
        seen.looks.append(look)

    async def run():
        parts = Parts(on_rows=note_rows, on_look=note_look)
        one = Run(settings, seams_of(job, batch_records), parts=parts)
        try:
            return await one.run()
        finally:
            job._clock = asyncio.get_running_loop().time()

    seen.summary = run_virtual(run())
    return seen


def changes_of(job: Job, seen: Watched) -> dict[str, Counter]:
    """By property, of the rows that were not rejected."""
    outcomes, found = job.outcomes(), {}
    for look in seen.looks:
        if outcomes[look.record.row] != "rejected" and look.decision is not None:
            for name, change in look.decision.changes.items():
                found.setdefault(name, Counter())[seen.kind_of(look, name, change)] += 1
    return found


def changes_told(report) -> dict[str, Counter]:
    """The same of a preview."""
    changes = {
        name: Counter({kind: n for kind, n in counts.items() if kind != REFUSED})
        for name, counts in report.tally.properties.items()
    }
    return {name: counts for name, counts in changes.items() if counts}


def outcomes_of(summary) -> dict[str, int]:
    return {outcome.value: n for outcome, n in summary.tallies.outcomes.items() if n}


def predictable(case):
    """Without faults and without what only HubSpot knows; where an order can't be kept, one at a time."""
    is_ordered = case.match == ("email",) and all(len(addresses) == 1 for addresses, _ in case.seeded)
    rows = [row for row in case.rows if "badtld" not in row["email"]]
    # A refusal that no answer lists ends as abandoned.
    rules = {**case.scenario["rules"], "errors_listed": True}
    return replace(
        case,
        rows=rows or [{**case.rows[0], "email": "p0@x.com"}],
        scenario={**case.scenario, "rules": rules, "faults": []},
        # Two addresses of one contact in one batch are an identity conflict; its effect is not predicted.
        seeded=[(addresses[:1], values) for addresses, values in case.seeded],
        max_in_flight=case.max_in_flight if is_ordered else 1,
        # Kept for undo, which a preview has nothing to do with.
        writing=replace(case.writing, snapshot=False),
    )


def test_its_figures_are_those_of_the_run_that_follows(request):
    @settings(max_examples=request.config.getoption("--cases"), **COMMON)
    @given(cases(most_stops=0).map(predictable))
    def figures(case):
        with tempfile.TemporaryDirectory(prefix="uploader-preview-test-") as folder:
            job = start(case, Path(folder))
            files = sorted(path.name for path in Path(folder).iterdir())
            report = preview(job, case.batch_records)
            assert sorted(path.name for path in Path(folder).iterdir()) == files
            seen = watched_run(job, case.batch_records)
            assert outcomes_of(report.summary) == outcomes_of(seen.summary)
            assert changes_told(report) == changes_of(job, seen)
            changes = {name: n for name, c in report.tally.properties.items() if (n := c[REFUSED])}
            conflicts = {name: n for (kind, name), n in report.tally.faults.items() if kind == "CONFLICT"}
            assert Counter(changes) - Counter(conflicts) == seen.refused
            assert sum(conflicts.values()) == outcomes_of(seen.summary).get("rejected", 0)

    figures()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"policy": Policy.FILL},
        {"policies": {"firstname": Policy.CREATE_ONLY}},
        {"only_records": Only.NEW},
        {"only_records": Only.EXISTING},
        {"skip_unchanged": True},
        {"on_duplicate": OnDuplicate.FIRST},
        {"on_duplicate": OnDuplicate.REJECT},
        {"cleared": frozenset({"city"})},
    ],
)
def test_an_ordinary_run_that_reads_nothing_first_or_only_by_its_rules_does_the_same(tmp_path, options):
    """Several batches, repeated keys far apart, contacts that were there; nobody watches this run."""
    rows = [
        {"email": f"c{n % 130}@x.com", "firstname": f"F{n % 7}", "city": "Rome" if n % 3 else ""}
        for n in range(250)
    ]
    rows[100]["email"] = "nobody"
    held = [{"email": f"c{n}@x.com", "firstname": f"F{n % 7}", "city": "Oslo"} for n in range(0, 130, 4)]
    job = job_of(tmp_path, rows, held)
    report = preview(job, **options)
    summary = job.run_virtual(**options)
    assert outcomes_of(report.summary) == outcomes_of(summary)
    assert report.exit_code == summary.exit_code == 1
    assert report.tally.total("spared") == summary.tallies.values_spared


@pytest.mark.parametrize("options", [{}, {"policy": Policy.FILL}, {"skip_unchanged": True}])
def test_rows_by_hubspots_own_id_update_or_are_rejected_as_in_the_run(tmp_path, options):
    """Among them one of a deleted record, one of a record merged into another, and two of one record."""
    held = [{"email": f"c{n}@x.com", "city": "Oslo" if n % 2 else ""} for n in range(9)]
    job = job_of(tmp_path, contacts(1), held)
    ids = [one["id"] for one in job.simulator.objects(0.0)]
    job.simulator.change_records(0.0, [], [ids[3]])
    job.simulator.merge(0.0, {"id": ids[5]}, {"id": ids[6]})
    rows = [{"Record ID": one, "city": "Rome", "email": f"c{n}@x.com"} for n, one in enumerate(ids)]
    rows[4]["email"] = "c0@x.com"  # of another record
    rows += [{**rows[1], "city": "Bonn"}, {"Record ID": "12", "city": "Rome", "email": ""}]
    del rows[5:7]
    rows.append({"Record ID": ids[6], "city": "Bari", "email": ""})
    write_csv(job.source, rows)
    options = {"id_property": "id", **options}
    report = preview(job, **options)
    seen = watched_run(job, **options)
    assert outcomes_of(report.summary) == outcomes_of(seen.summary)
    assert outcomes_of(report.summary)["rejected"] == (
        2 if "policy" in options else 3
    )  # nothing is sent there
    assert changes_told(report) == changes_of(job, seen)
    absent = {name: n for (kind, name), n in report.tally.faults.items() if kind == "OBJECT_NOT_FOUND"}
    assert absent == {"hs_object_id": 2}


@pytest.mark.parametrize("options", [{}, {"policy": Policy.FILL}, {"skip_unchanged": True}])
def test_companies_by_domain_are_updated_created_or_rejected_as_in_the_run(tmp_path, options):
    """Among them a domain of two companies, and two rows of one that would be created."""
    held = [{"domain": f"d{n}.com", "city": "Oslo" if n % 2 else ""} for n in (0, 1, 2, 3, 3)]
    rows = [{"domain": f"www.D{n}.com", "city": "Rome"} for n in range(9)]
    rows += [{"domain": "d7.com", "city": "Bonn"}, {"domain": "a@d8.com", "city": "Bonn"}]
    job = job_of(tmp_path, rows)
    job.simulator.reset(-900.0, objects={"companies": [{"properties": one} for one in held]})
    options = {"object_type": "companies", "id_property": "domain", **options}
    before = list(job.simulator.objects(1e9, "companies"))
    report = preview(job, **options)
    assert list(job.simulator.objects(1e9, "companies")) == before
    seen = watched_run(job, **options)
    assert outcomes_of(report.summary) == outcomes_of(seen.summary)
    assert outcomes_of(report.summary)["created"] == 5
    assert outcomes_of(report.summary)["rejected"] == 1
    assert changes_told(report) == changes_of(job, seen)


def test_a_row_with_only_its_key_is_sent_unless_a_rule_skips_it(tmp_path):
    job = job_of(tmp_path, [{"email": "a@x.com", "firstname": ""}], [{"email": "a@x.com"}])
    report = preview(job)
    assert outcomes_of(report.summary) == outcomes_of(job.run_virtual()) == {"updated": 1}


def test_the_second_row_of_a_key_sees_what_the_first_would_have_written(tmp_path):
    rows = [
        {"email": "new@x.com", "firstname": "A", "lifecyclestage": "customer"},
        {"email": "New@x.com", "firstname": "B", "lifecyclestage": "lead"},
        {"email": "new@x.com", "firstname": "B", "lifecyclestage": ""},
    ]
    report = preview(job_of(tmp_path, rows))
    assert outcomes_of(report.summary) == {"created": 1, "updated": 2}
    assert dict(report.tally.properties["firstname"]) == {"set": 1, "rewritten": 1, "unchanged": 1}
    assert dict(report.tally.properties["lifecyclestage"]) == {"set": 1, "kept": 1}
    kept = report.tally.examples("kept")[0]
    assert (kept.row, kept.before, kept.asked, kept.after) == (3, "customer", "lead", "customer")
    # One read is all: of a contact that is not there yet, nobody but us knows anything.
    assert report.requests == 3


def test_the_first_rows_are_shown_with_what_is_sent_and_what_hubspot_has_now(tmp_path):
    rows = [
        {"email": "A@x.com", "firstname": "Ann", "city": "", "renewal_date": "31/12/2025", "Note": "call"},
        {"email": "a@x.com", "firstname": "Anna", "city": "Rome", "renewal_date": "", "Note": ""},
        {"email": "new@x.com", "firstname": "N", "city": "", "renewal_date": "", "Note": ""},
        {"email": "new@x.com", "firstname": "M", "city": "", "renewal_date": "", "Note": ""},
        {"email": "b@x.com", "firstname": "B", "city": "", "renewal_date": "2025-02-30", "Note": ""},
        {"email": "a@x.com", "firstname": "not shown", "city": "", "renewal_date": "", "Note": ""},
    ]
    job = job_of(tmp_path, rows, [{"email": "a@x.com", "firstname": "Old", "city": "Oslo"}])
    (held,) = job.simulator.objects(0.0)
    report = preview(job, rows=5, ignored=frozenset(["Note"]), policies={"city": Policy.FILL})
    first, second, third, fourth, fifth = report.rows
    assert [(one.row, one.outcome.value) for one in report.rows] == [
        *((2, "updated"), (3, "updated"), (4, "created"), (5, "updated"), (6, "invalid")),
    ]
    assert [one.contact for one in report.rows] == [held["id"], held["id"], "", "", ""]
    assert [one.is_of_earlier_row for one in report.rows] == [False, False, False, True, False]
    assert [(c.column, c.cell, c.sent, c.hubspot, c.change) for c in first.cells] == [
        ("email", "A@x.com", "A@x.com", "a@x.com", ""),
        ("firstname", "Ann", "Ann", "Old", "overwritten"),
        ("city", "", None, None, ""),
        ("renewal_date", "31/12/2025", "2025-12-31", "", "set"),
        ("Note", "call", None, None, ""),
    ]
    # Of what HubSpot has now, an earlier row of the file has changed nothing yet.
    assert [(c.column, c.sent, c.hubspot, c.change) for c in second.cells][1:3] == [
        *(("firstname", "Anna", "Old", "rewritten"), ("city", None, "Oslo", "spared")),
    ]
    assert [(c.sent, c.hubspot) for c in third.cells][:2] == [("new@x.com", None), ("N", None)]
    assert [(c.sent, c.hubspot) for c in fourth.cells][:2] == [("new@x.com", None), ("M", None)]
    assert "2025-02-30" in fifth.reason
    assert (fifth.cells[3].sent, fifth.cells[3].change, fifth.cells[3].reason) == (
        None,
        REFUSED,
        fifth.reason,
    )


def test_the_first_rows_of_objects_and_of_several_sources_are_shown_with_fixed_values(tmp_path):
    path = tmp_path / "rows.ndjson"
    path.write_text('{"id": "a@x.com", "properties": {"firstname": "A"}}\n{"email": "b@x.com", "age": 7}\n')
    more = write_csv(tmp_path / "more.csv", [{"email": "c@x.com"}, {"email": "d@x.com"}])
    job = job_of(tmp_path, contacts(1))
    options = {
        "sources": (str(path), str(more)),
        "constants": {"city": "Rome"},
        "ignored": frozenset(["age"]),
    }
    report = preview(job, rows=3, **options)
    assert [(one.source, one.key) for one in report.rows] == [(0, "a@x.com"), (0, "b@x.com"), (1, "c@x.com")]
    cells = [[(c.column, c.property, c.cell, c.sent) for c in one.cells] for one in report.rows]
    assert cells[0] == [
        ("email", "email", "a@x.com", "a@x.com"),
        ("firstname", "firstname", "A", "A"),
        ("", "city", "", "Rome"),
    ]
    assert cells[1][1] == ("age", "", "7", None)
    assert cells[2][-1] == ("", "city", "", "Rome")


def test_an_address_that_moves_is_found_where_it_went(tmp_path):
    """`k1` takes a new address; its old one is nobody's then, and a row of the new one is a row of `k1`."""
    rows = [
        {"external_id": "k1", "email": "new@x.com", "firstname": "", "city": "A"},
        {"external_id": "", "email": "new@x.com", "firstname": "B", "city": ""},
        {"external_id": "", "email": "old@x.com", "firstname": "C", "city": ""},
    ]
    held = [{"external_id": "k1", "email": "old@x.com", "firstname": "Old"}]
    unique = [{"name": "external_id", "unique": True}]
    job = job_of(tmp_path, rows, held, properties=unique)
    options = {"match": ("external_id", "email"), "max_in_flight": 1}
    report = preview(job, 1, **options)
    seen = watched_run(job, 1, **options)
    assert outcomes_of(report.summary) == outcomes_of(seen.summary) == {"updated": 2, "created": 1}
    assert changes_told(report) == changes_of(job, seen)
    assert dict(report.tally.properties["firstname"]) == {"overwritten": 1, "set": 1}


def test_a_further_address_that_becomes_the_primary_one_changes_places_with_it(tmp_path):
    rows = [
        {"external_id": "k1", "email": "second@x.com", "city": "A"},
        {"external_id": "", "email": "first@x.com", "city": "B"},
    ]
    job = job_of(tmp_path, rows, properties=[{"name": "external_id", "unique": True}])
    person = {"external_id": "k1", "email": "first@x.com"}
    job.simulator.reset(0.0, [{"properties": person, "additional_emails": ["second@x.com"]}])
    options = {"match": ("external_id", "email"), "max_in_flight": 1}
    report = preview(job, 1, **options)
    seen = watched_run(job, 1, **options)
    assert outcomes_of(report.summary) == outcomes_of(seen.summary) == {"updated": 2}
    assert changes_told(report) == changes_of(job, seen)


def test_an_address_of_another_contact_is_refused_as_hubspot_would(tmp_path):
    rows = [{"external_id": "k1", "email": "taken@x.com"}, {"external_id": "k2", "email": "free@x.com"}]
    unique = [{"name": "external_id", "unique": True}]
    job = job_of(tmp_path, rows, [{"email": "taken@x.com"}], properties=unique)
    report = preview(job, match=("external_id",))
    assert outcomes_of(report.summary) == {"created": 1, "rejected": 1}
    assert outcomes_of(job.run_virtual(match=("external_id",))) == {"created": 1, "rejected": 1}
    assert report.exit_code == 1
    (refused,) = report.tally.examples(REFUSED)
    assert (refused.row, refused.property) == (2, "email")


@pytest.mark.parametrize(
    ("object_type", "name"), [("companies", "name"), ("p_cars", "model"), ("0-3", "dealname")]
)
def test_other_records_than_contacts_are_looked_at_in_the_same_way(tmp_path, object_type, name):
    rows = [{"external_id": f"E{n % 80}", name: f"N{n % 90}"} for n in range(150)]
    job = Job(
        write_csv(tmp_path / "rows.csv", rows),
        make_simulator(properties=[{"name": "external_id", "unique": True, "object_type": object_type}]),
        {"id_property": "external_id", "object_type": object_type},
    )
    held = [{"properties": {"external_id": f"e{n}", name: "Before"}} for n in range(40)]
    job.simulator.reset(0.0, (), {object_type: held})
    report = preview(job)
    seen = watched_run(job)
    assert outcomes_of(report.summary) == outcomes_of(seen.summary) == {"created": 40, "updated": 110}
    assert changes_told(report) == changes_of(job, seen)


@pytest.mark.parametrize("category", ["INTERNAL_ERROR", "FORBIDDEN"])
def test_a_value_whose_owner_is_not_known_is_told_with_the_reason(tmp_path, category):
    rows = [{"email": "taken@x.com", "external_id": "1"}, {"email": "free@x.com", "external_id": "2"}]
    unread = {"kind": "reject", "endpoint": "read", "category": category, "keys": ["taken@x.com"]}
    unique = [{"name": "external_id", "unique": True}]
    job = job_of(tmp_path, rows, [{"email": "taken@x.com"}], properties=unique, faults=[unread])
    report = preview(job, match=("external_id",))
    (example,) = report.tally.examples(REFUSED)
    assert (example.row, example.property) == (2, "email")
    assert category in example.reason


def test_two_addresses_of_one_contact_are_told_of(tmp_path):
    job = job_of(tmp_path, [{"email": "a@x.com", "city": "A"}, {"email": "b@x.com", "city": "B"}])
    job.simulator.reset(0.0, [{"properties": {"email": "a@x.com"}, "additional_emails": ["b@x.com"]}])
    report = preview(job, 1, max_in_flight=1)
    assert dict(report.tally.properties["city"]) == {"set": 1, "rewritten": 1}
    assert report.summary.tallies.aliases == 1


def test_values_that_are_left_out_are_refused_and_their_rows_are_not(tmp_path):
    rows = [{"email": f"c{n}@x.com", "renewal_date": "2025-02-30" if n < 3 else ""} for n in range(5)]
    job = job_of(tmp_path, rows)
    report = preview(job, on_bad_value="drop")
    assert outcomes_of(report.summary) == outcomes_of(job.run_virtual(on_bad_value="drop")) == {"created": 5}
    assert dict(report.tally.properties["renewal_date"]) == {REFUSED: 3}
    assert report.summary.tallies.values_dropped == 3
    assert [one.row for one in report.tally.examples(REFUSED)] == [2, 3, 4]


# --- servers that misbehave ---


def test_a_server_that_misbehaves_is_asked_again_and_the_figures_stay_right(tmp_path):
    faults = [
        {"kind": "status", "endpoint": "read", "status": 503, "rate": 0.3},
        {"kind": "reset", "endpoint": "read", "rate": 0.2},
        {"kind": "drop_results", "endpoint": "read", "count": 2, "rate": 0.2},
    ]
    rows = [{"email": f"c{n % 350}@x.com", "firstname": f"F{n % 9}"} for n in range(600)]
    job = job_of(tmp_path, rows, [{"email": f"c{n}@x.com"} for n in range(100)], faults=faults)
    report = preview(job, 20)
    job.simulator.change_scenario(make_simulator().scenario)
    tallies = report.summary.tallies
    assert tallies.rows == tallies.settled == 600
    unread = tallies.outcomes[Outcome.ABANDONED]
    assert unread < 20
    assert sum(report.tally.properties["firstname"].values()) == 600 - unread


@pytest.mark.parametrize(("status", "code"), [(401, 2), (477, 75)])
def test_a_refusal_of_all_reads_ends_it_with_what_was_found(tmp_path, status, code):
    closed = {"kind": "status", "endpoint": "read", "status": status, "requests": [9, 999_999]}
    job = job_of(tmp_path, contacts(9_000), faults=[closed])
    report = preview(job)
    looked_at = report.summary.tallies.outcomes[Outcome.CREATED]
    assert (report.exit_code, report.end is not None) == (code, True)
    assert report.tally.properties["firstname"]["set"] == looked_at > 0


# --- a sample, an interruption, a job that has begun ---


def test_a_sample_is_of_the_first_rows_and_judged_by_all(tmp_path):
    """The first row's key comes again beyond the sample, and the order of dates shows only there."""
    rows = [{"email": f"c{n}@x.com", "renewal_date": "01/02/2025"} for n in range(300)]
    rows[290] = {"email": "c0@x.com", "renewal_date": "31/12/2025"}
    job = job_of(tmp_path, rows)
    report = preview(job, sample=120, on_duplicate=OnDuplicate.REJECT)
    assert outcomes_of(report.summary) == {"created": 119, "invalid": 1}
    assert report.tally.examples("set")[0].after in {"2025-02-01", "1738368000000"}
    assert report.requests == 2 + 2


def test_a_sample_goes_on_into_the_next_source(tmp_path):
    job = job_of(tmp_path, contacts(30))
    more = write_csv(tmp_path / "more.csv", contacts(30))
    report = preview(job, sample=40, sources=(str(job.source), str(more)))
    assert outcomes_of(report.summary) == {"created": 30, "updated": 10}


def test_interrupted_it_tells_what_it_has_found_and_its_sums_agree(tmp_path):
    job = job_of(tmp_path, contacts(5_000))
    job.simulator.change_quota(make_simulator(quota="20/10").settings.quota)
    report = preview(job, stop_after=15.0)
    created = report.summary.tallies.outcomes[Outcome.CREATED]
    assert 0 < created < 5_000
    assert report.tally.properties["firstname"]["set"] == created
    assert (report.exit_code, report.end is not None) == (130, True)


def test_a_job_that_has_begun_is_told_of_and_left_alone(tmp_path):
    job = job_of(tmp_path, contacts(250))
    job.run_virtual()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    report = preview(job)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert outcomes_of(report.summary) == {"updated": 250}
    assert any("contacts.csv.checkpoint exists" in notice for notice in report.notices)


def test_too_many_failures_do_not_end_it_and_are_told(tmp_path):
    rows = contacts(1_500)
    for n in range(0, 1_500, 3):
        rows[n]["email"] = f"nobody {n}"
    job = job_of(tmp_path, rows)
    report = preview(job)
    assert outcomes_of(report.summary) == {"created": 1_000, "invalid": 500}
    assert report.would_stop
    assert job.run_virtual().state == "stopped"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_temporary_files_are_gone_whatever_happens(tmp_path, monkeypatch):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    folder = tmp_path / "job"
    folder.mkdir()
    job = job_of(folder, contacts(3_000))
    made, original = [], RowCounts.note_rows

    def note(self, slice_):
        (inside,) = place.iterdir()
        made.append((mode_of(inside), {file.name: mode_of(file) for file in inside.iterdir()}))
        original(self, slice_)

    monkeypatch.setattr(RowCounts, "note_rows", note)
    preview(job, on_duplicate=OnDuplicate.FIRST)
    mode, files = made[0]
    assert mode == 0o700
    assert {"overlay", "preview.checkpoint"} <= files.keys()
    assert {mode & 0o077 for mode in files.values()} == {0}
    assert list(place.iterdir()) == []
    refused = {"kind": "status", "status": 403, "endpoint": "read", "rate": 1.0}
    job.simulator.change_scenario(make_simulator(faults=[refused]).scenario)
    assert preview(job).exit_code == 2
    with pytest.raises(Exception, match="nickname"):
        preview(job, policies={"nickname": Policy.FILL})
    assert list(place.iterdir()) == []


# --- the guard ---


def test_nothing_that_writes_can_leave_whatever_the_layers_above_do(tmp_path, monkeypatch):
    job = job_of(tmp_path, contacts(3))

    def honest(*arguments, simulation, **named):
        """As if somebody had taken the simulation away: its upserts are really sent."""
        del simulation
        return Sender(*arguments, **named)

    monkeypatch.setattr(preview_run, "SimulatedSender", honest)

    async def run():
        return await Preview(job.settings(), seams_of(job, 100)).preview()

    with pytest.raises(RuntimeError, match=r"about to send POST .*batch/upsert"):
        run_virtual(run())
    assert any("batch/read" in one.path for one in job.simulator.statistics.log)
    assert not any("upsert" in one.path for one in job.simulator.statistics.log)
    assert job.simulator.account.counts["contacts"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/crm/v3/objects/contacts/batch/upsert", b"{}"),
        ("POST", "/crm/v3/objects/contacts/batch/archive", b"{}"),
        ("POST", "/crm/v3/objects/contacts/batch/read/../upsert", b"{}"),
        ("POST", "/crm/v3/objects/contacts", b"{}"),
        ("PATCH", "/crm/v3/objects/contacts/batch/read", b"{}"),
        ("DELETE", "/crm/v3/objects/contacts/1", None),
        ("GET", "/crm/v3/objects/contacts/1", b"{}"),
    ],
)
def test_the_read_only_client_refuses_every_write(method, path, body):
    async def run():
        simulator, known = make_simulator(), paths("v3", "contacts")
        guard = ReadOnly(MockTransport(simulator), known)
        with pytest.raises(RuntimeError, match="only reads"):
            await guard.send(Call(method, path, body))
        assert not simulator.statistics.log
        assert (await guard.send(Call("GET", known.account))).ok

    run_virtual(run())


def test_the_links_of_the_rows_are_counted_and_those_of_the_first_rows_named(tmp_path):
    rows = [
        {"email": "a@x.com", "account": "A1", "deals": "7;x"},
        {"email": "b@x.com", "account": "", "deals": "8"},
        {"email": "", "account": "A2", "deals": "9"},
    ]
    columns = (
        LinkColumn("account", "companies", "external_id", "Primary"),
        LinkColumn("deals", "deals", "id", separator=";"),
    )
    report = preview(job_of(tmp_path, rows), rows=2, associations=columns)
    assert [(one["column"], one["links"]) for one in as_dict(report)["links"]] == [
        ("account", 1),
        ("deals", 3),
    ]
    first, second = as_dict(report)["row_details"]
    assert [(one["object_type"], one["value"], bool(one["fault"])) for one in first["links"]] == [
        ("companies", "A1", False), ("deals", "7", False), ("deals", "x", True)
    ]  # fmt: skip
    assert [one["value"] for one in second["links"]] == ["8"]
    assert [one["is_link"] for one in first["cells"]] == [False, True, True]
    text = "\n".join(lines(report, 100))
    assert "1  links of account to companies by external_id, label Primary" in text
    assert "link by account: companies A1, label Primary" in text
    assert "link by deals: deals x: is no id of a record in HubSpot" in text
