"""`verify` reads the links of a job back: what others have changed is found, and nothing else."""

import random
from contextlib import closing

import pytest

from support.inline_thread import Inline
from support.jobs import Job, Rows, contacts
from support.links.runs import KEY, PLAIN, PRIMARY, account, counts, labels, listed, make_job
from support.mock_transport import MockTransport
from support.verify_runs import change_records, link_counts, verify
from support.virtual_loop import run_virtual
from uploader.cli import main
from uploader.errors import CheckpointError, StorageError
from uploader.jobs.session import Seams
from uploader.mockserver.faults.scenario import Scenario
from uploader.model.associations import LinkColumn
from uploader.pipeline.failure_limits import FailureLimit
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.undo.links import LinksUndo, links_settings
from uploader.verify import links as verified_links
from uploader.verify.links_table import LinksTable

BUYER = LinkColumn("buyer", "companies", KEY, label="Buyer")
LABEL = {"object_type": "contacts", "to": "companies", "label": "Buyer"}
COMPANIES = [f"co{i}" for i in range(5)]
A, B = "a@x.com", "b@x.com"


def linked_job(tmp_path, rows: Rows, columns, before=(), held=(), **scenario) -> Job:
    """A complete job, of the file `c.csv`."""
    simulator = account(COMPANIES, held, before, association_labels=[LABEL], **scenario)
    job = make_job(tmp_path / "c.csv", rows, simulator, columns)
    job.run_virtual()
    return job


def change(job: Job, *, add=(), remove=()) -> None:
    """What others do: links as address, company, label."""
    job.simulator.account.associations.change(_named(add), _named(remove))


def _named(links):
    return [
        {
            "from": {"type": "contacts", "email": address},
            "to": {"type": "companies", KEY: key},
            **({"label": label} if label else {}),
        }
        for address, key, label in links
    ]


def found(job: Job) -> dict[tuple[int, str], str]:
    """The verdict on each link that is not equal, by row and value."""
    return {(one.row, one.value): one.verdict.value for one in job.link_findings}


def ids(job: Job, object_type: str, name: str) -> dict[str, str]:
    return {one["properties"].get(name, ""): one["id"] for one in job.simulator.objects(1e9, object_type)}


@pytest.mark.parametrize("is_there", [False, True], ids=["contacts created", "contacts updated"])
def test_exactly_what_others_changed_is_found(tmp_path, is_there):
    rows = [
        {**one, "account": f"co{i % 4}", "main": f"co{(i + 1) % 4}", "buyer": f"co{(i + 2) % 4}"}
        for i, one in enumerate(contacts(60))
    ]
    held = [row["email"] for row in rows] if is_there else ()
    job = linked_job(tmp_path, rows, [PLAIN, PRIMARY, BUYER], held=held)
    report, _ = verify(job)
    assert (link_counts(report), found(job), report.exit_code) == ({"equal": 180}, {}, 0)
    change(
        job,
        add=[("c8@example.com", "co4", "Primary"), ("c12@example.com", "co0", "Primary")],
        remove=[
            ("c0@example.com", "co0", ""),  # the plain link
            ("c4@example.com", "co2", "Buyer"),
            ("c5@example.com", "co2", "Primary"),
        ],
    )
    change_records(job, archive=["c16@example.com"])
    report, findings = verify(job)
    assert found(job) == {
        (2, "co0"): "link missing",
        (6, "co2"): "label missing",
        (7, "co2"): "label missing",
        (10, "co1"): "other primary",
        (14, "co1"): "other primary",
        **dict.fromkeys([(18, "co0"), (18, "co1"), (18, "co2")], "link missing"),
    }
    assert link_counts(report) == {"equal": 172, "link missing": 4, "label missing": 2, "other primary": 2}
    assert report.links.compared == 180
    assert [one.row for one in findings] == [18]  # the archived record is missing, too
    company, person = ids(job, "companies", KEY), ids(job, "contacts", "email")
    one = next(one for one in job.link_findings if one.row == 10)
    assert (one.from_id, one.to_id) == (person["c8@example.com"], company["co1"])
    assert (one.key, one.note) == ("c8@example.com", f"{company['co4']} is the primary one")


def test_the_primary_company_is_that_of_the_last_row(tmp_path):
    rows = [
        {"email": A, "main": "co0; co1", "account": "co3"},
        {"email": B, "main": "co0", "account": ""},
        {"email": A, "main": "co2", "account": ""},
        {"email": A, "main": "co1", "account": ""},
    ]
    main = LinkColumn("main", "companies", KEY, label="Primary", separator=";")
    job = linked_job(tmp_path, rows, [PLAIN, main])
    report, _ = verify(job)
    assert (link_counts(report), found(job)) == ({"equal": 6}, {})
    change(job, add=[(A, "co2", "Primary")])  # which an earlier row asks for
    report, _ = verify(job)
    # Both links ask for the same company.
    assert found(job) == {(2, "co1"): "other primary", (5, "co1"): "other primary"}
    assert report.exit_code == 1


def test_primary_companies_are_read_from_the_contacts_in_a_job_of_companies(tmp_path):
    rows = [{KEY: f"co{i}", "person": f"c{i}@example.com"} for i in range(3)]
    column = LinkColumn("person", "contacts", "email", label="Primary")
    simulator = account(COMPANIES, [f"c{i}@example.com" for i in range(3)], [("c0@example.com", "co4", "")])
    options = {"object_type": "companies", "id_property": KEY}
    job = make_job(tmp_path / "c.csv", rows, simulator, [column], **options)
    assert counts(job.run_virtual()) == {"linked": 3}
    report, _ = verify(job)
    assert (link_counts(report), found(job)) == ({"equal": 3}, {})
    change(job, add=[("c1@example.com", "co3", "Primary")], remove=[("c2@example.com", "co2", "")])
    verify(job)
    assert found(job) == {(3, "c1@example.com"): "other primary", (4, "c2@example.com"): "link missing"}
    company, person = ids(job, "companies", KEY), ids(job, "contacts", "email")
    one = next(one for one in job.link_findings if one.row == 3)
    assert (one.from_id, one.to_id) == (company["co1"], person["c1@example.com"])


@pytest.mark.parametrize("is_made", [True, False], ids=["there", "missing"])
def test_a_pending_link_is_said_to_be_there_or_not(tmp_path, is_made):
    fault = {"kind": "status", "status": 500, "endpoint": "associate"}
    rows = [{"email": A, "main": "co0"}, {"email": B, "main": "co1"}]
    simulator = account(COMPANIES)
    fault["match"] = {"to": ids_of(simulator)["co1"]}
    simulator.change_scenario(Scenario.parse({**SCENARIO, "faults": [fault]}))
    job = make_job(tmp_path / "c.csv", rows, simulator, [PRIMARY])
    assert counts(job.run_virtual()) == {"linked": 1, "pending": 1}
    simulator.change_scenario(Scenario.parse(SCENARIO))
    change(job, add=[(B, "co1", "Primary")] if is_made else ())
    report, _ = verify(job)
    there = "pending link there" if is_made else "pending link missing"
    assert link_counts(report) == {"equal": 1, there: 1}
    assert found(job) == {(3, "co1"): there}
    assert report.exit_code == (0 if is_made else 1)


SCENARIO = {"properties": [{"name": KEY, "unique": True, "object_type": "companies"}]}


def ids_of(simulator) -> dict[str, str]:
    return {one["properties"][KEY]: one["id"] for one in simulator.objects(1e9, "companies")}


def test_links_are_read_a_thousand_records_a_request_and_a_stopped_verify_continues(tmp_path, monkeypatch):
    rows = [{**one, "account": f"co{i % 5}"} for i, one in enumerate(contacts(230))]
    job = linked_job(tmp_path, rows, [PLAIN])
    change(job, remove=[("c7@example.com", "co2", ""), ("c222@example.com", "co2", "")])
    report, _ = verify(job)
    assert report.links.compared == 230
    read = [path for path in job.transport.paths if "/associations/contacts/companies/batch/read" in path]
    assert len(read) == 1
    monkeypatch.setattr(verified_links, "MOST_READ", 10)
    stopped, _ = verify(job, stop_after=1.8, max_in_flight=1)
    assert stopped.exit_code == 130
    assert 0 < stopped.links.left < 230
    assert stopped.links.compared == 230
    before = stopped.links.compared - stopped.links.left
    report, _ = verify(job, max_in_flight=1)
    assert (link_counts(report), report.links.left) == ({"equal": 228, "link missing": 2}, 0)
    read = [path for path in job.transport.paths if "/associations/contacts/companies/batch/read" in path]
    assert len(read) == (230 - before) // 10


def test_links_that_could_not_be_read_are_counted_apart(tmp_path):
    rows = [{"email": A, "account": "co0"}, {"email": B, "account": "co1"}]
    job = linked_job(tmp_path, rows, [PLAIN])
    rejected = {"kind": "reject", "keys": [ids(job, "contacts", "email")[B]], "endpoint": "associations"}
    job.simulator.change_scenario(Scenario.parse({**SCENARIO, "faults": [rejected]}))
    report, _ = verify(job)
    assert link_counts(report) == {"equal": 1, "link not checked": 1}
    assert (found(job), report.exit_code) == ({(3, "co1"): "link not checked"}, 1)


def test_links_without_a_record_are_not_compared_and_a_sample_reads_its_records_only(tmp_path):
    rows = [{**one, "account": "nobody" if i == 3 else f"co{i % 5}"} for i, one in enumerate(contacts(40))]
    job = linked_job(tmp_path, rows, [PLAIN])
    report, _ = verify(job)
    assert (report.links.compared, report.links.not_made, report.exit_code) == (39, 1, 0)
    report, _ = verify(job, sample=7)
    assert (report.links.compared, link_counts(report)) == (7, {"equal": 7})


def test_links_that_undo_has_taken_back_are_missing_with_that_reason(tmp_path):
    job = linked_job(tmp_path, [{"email": A, "account": "co0"}], [PLAIN], held=[A])
    path = job.settings().checkpoint_path
    with (
        closing(Checkpoint.open(path, read_only=True)) as checkpoint,
        closing(AssociationsFile(path)) as file,
    ):
        file.open(checkpoint.job_id())
        settings = links_settings(file, path, "contacts", token="t")
        seams = Seams(transport=lambda _: MockTransport(job.simulator), offload=lambda _: Inline())
        assert (
            run_virtual(LinksUndo(settings, file, checkpoint.identity().portal, seams).run()).exit_code == 0
        )
    verify(job)
    (one,) = job.link_findings
    assert (one.verdict.value, one.note) == ("link missing", "it was taken back by `undo`")


def test_a_job_without_links_asks_for_none(tmp_path):
    simulator = account(COMPANIES)
    job = make_job(tmp_path / "c.csv", [{"email": A}], simulator, [])
    job.run_virtual()
    report, _ = verify(job)
    assert report.links is None
    assert not [path for path in job.transport.paths if "associations" in path]


def test_a_missing_file_of_links_is_an_error(tmp_path):
    job = linked_job(tmp_path, [{"email": A, "account": "co0"}], [PLAIN])
    (tmp_path / "c.csv.checkpoint.links").unlink()
    with pytest.raises(CheckpointError, match="restore it"):
        verify(job)


def test_a_label_that_the_account_has_no_more_is_missing_from_its_links(tmp_path):
    job = linked_job(tmp_path, [{"email": A, "buyer": "co0", "account": "co1"}], [PLAIN, BUYER])
    associations = job.simulator.account.associations
    label = associations._definitions.labelled("contacts", "companies", "Buyer")
    associations._end_label("contacts", "companies", label)
    report, _ = verify(job)
    assert found(job) == {(2, "co0"): "label missing"}
    assert link_counts(report) == {"equal": 1, "label missing": 1}


def test_the_links_of_corrected_rows_are_verified_with_the_job(tmp_path):
    """The company of the corrected row is the primary one, since its link was made last."""
    loose = {"max_failures": FailureLimit(share=1.0)}
    rows = [{"email": A, "tier": "gold", "main": "co0"}, {"email": A, "tier": "platinum", "main": "co1"}]
    job = make_job(tmp_path / "c.csv", rows, account(COMPANIES), [PRIMARY], **loose)
    assert counts(job.run_virtual()) == {"linked": 1}
    failed = tmp_path / "failed.csv"
    assert main.run(["failures", f"{job.source}.checkpoint", "-o", str(failed)]) == 0
    failed.write_text(failed.read_text().replace("platinum", "silver"))
    later = Job(failed, job.simulator, job.options)
    later._clock = job._clock + 600.0
    assert counts(later.run_virtual()) == {"linked": 1}
    job._clock = later._clock + 600.0
    report, _ = verify(job)
    assert (link_counts(report), report.exit_code) == ({"equal": 2}, 0)
    change(job, add=[(A, "co0", "Primary")])
    report, _ = verify(job)
    (one,) = job.link_findings
    assert (one.verdict.value, one.value, one.source) == ("other primary", "co1", 1)


def test_records_that_were_merged_or_archived_since_are_told_apart(tmp_path):
    rows = [{"email": f"p{i}@x.com", "account": f"co{i}", "main": f"co{i}"} for i in range(4)]
    job = linked_job(tmp_path, rows, [PLAIN, PRIMARY])
    company, person = ids(job, "companies", KEY), ids(job, "contacts", "email")
    simulator, now = job.simulator, job._clock
    simulator.merge(now, {"id": company["co4"]}, {"id": company["co0"]}, "companies")
    simulator.merge(now, {"id": person["p0@x.com"]}, {"id": person["p1@x.com"]})
    simulator.change_records(now, (), [{"id": company["co2"]}], "companies")
    simulator.change_records(now, (), [{"id": person["p3@x.com"]}])
    report, _ = verify(job)
    notes = {(one.row, one.verdict.value, one.note) for one in job.link_findings}
    assert {one for one in notes if one[0] > 3} == {
        (4, "link missing", f"company {company['co2']} is not there any more"),
        (5, "link missing", f"contact {person['p3@x.com']} is not there any more"),
    }
    # The merged contact has one primary company.
    assert [verdict for row, verdict, _ in notes if row <= 3] == ["other primary"]
    assert report.links.compared == 8


_FAULTS = [
    {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "any"},
    {"kind": "status", "status": 429, "rate": 0.05, "endpoint": "any"},
    {"kind": "reset", "rate": 0.1, "endpoint": "associations"},
    {"kind": "truncate", "rate": 0.2, "endpoint": "associations"},
]


@pytest.mark.parametrize("seed", range(2))
def test_random_changes_are_found_through_faults_as_an_oracle_says(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(verified_links, "MOST_READ", 25)
    chance = random.Random(seed)
    rows = [
        {
            "email": f"c{chance.randrange(100)}@x.com",
            "firstname": str(number),
            "account": chance.choice([*COMPANIES, "", "gone"]),
            "main": chance.choice([*COMPANIES, "", ""]),
        }
        for number in range(150)
    ]
    job = linked_job(tmp_path, rows, [PLAIN, PRIMARY])
    pairs = sorted(labels(job.simulator))
    change(
        job,
        remove=[
            *((*pair, "") for pair in chance.sample(pairs, 9)),
            *((*pair, "Primary") for pair in chance.sample(pairs, 9)),
        ],
        add=[(email, chance.choice(COMPANIES), "Primary") for email, _ in chance.sample(pairs, 9)],
    )
    scenario = {**SCENARIO, "association_labels": [LABEL], "faults": _FAULTS}
    job.simulator.change_scenario(Scenario.parse(scenario))
    report, _ = verify(job)
    assert {(one.row, one.kind): one.verdict.value for one in job.link_findings} == _oracle(job)
    made = [one for one in listed(job) if one["outcome"] in {"linked", "already"}]
    assert report.links.compared == sum(report.links.counts.values()) == len(made)


def _oracle(job: Job) -> dict[tuple[int, int], str]:
    """What is wrong with the links, by row and column, of the account and the list of links."""
    now = labels(job.simulator)
    made = [one for one in listed(job) if one["outcome"] in {"linked", "already"}]
    mains = {one["key"]: one["value"] for one in made if one["label"]}
    wrong: dict[tuple[int, int], str] = {}
    for one in made:
        pair, place = (one["key"], one["value"]), (int(one["row"]), int(bool(one["label"])))
        if pair not in now:
            wrong[place] = "link missing"
        elif one["label"] and mains[one["key"]] == one["value"] and "Primary" not in now[pair]:
            has_other = any("Primary" in held for (email, _), held in now.items() if email == one["key"])
            wrong[place] = "other primary" if has_other else "label missing"
    return wrong


def test_links_that_were_taken_from_their_file_in_part_are_taken_anew(tmp_path, monkeypatch):
    rows = [{**one, "account": "co0"} for one in contacts(30)]
    job = linked_job(tmp_path, rows, [PLAIN])
    with monkeypatch.context() as broken:
        broken.setattr(LinksTable, "finish", _disk_full)
        report, _ = verify(job)
        assert report.end is not None
        assert report.end.reason.endswith("disk full")
    report, _ = verify(job)
    assert link_counts(report) == {"equal": 30}


def _disk_full(*_: object) -> None:
    raise StorageError("disk full")


def test_links_of_a_stopped_job_are_still_to_be_made_and_not_compared(tmp_path):
    rows = [{**one, "account": "co0"} for one in contacts(300)]
    job = make_job(tmp_path / "c.csv", rows, account(COMPANIES), [PLAIN], max_in_flight=1)
    assert job.run_virtual(stop_after=1.0).exit_code == 130
    report, _ = verify(job)
    assert report.links.compared == 0
    assert 0 < report.links.open <= 300
    assert job.run_virtual().exit_code == 0
    report, _ = verify(job)
    assert (link_counts(report), report.links.open) == ({"equal": 300}, 0)
