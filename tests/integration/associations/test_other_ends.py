"""How the other records of links are found, and created where that is asked for."""

from dataclasses import replace

import pytest

from support.jobs import Job, contacts, write_csv
from support.links.runs import KEY, PLAIN, account, counts, labels, listed, make_job
from uploader.errors import SettingsError
from uploader.mockserver.faults.scenario import Scenario
from uploader.model.associations import LinkColumn
from uploader.settings import Settings


def _rows(count, companies):
    return [{**one, "account": companies[i % len(companies)]} for i, one in enumerate(contacts(count))]


def _companies_job(path, simulator, rows, **options):
    named = {"object_type": "companies", "id_property": KEY, **options}
    return Job(write_csv(path, rows), simulator, options=named)


def _companies(simulator):
    return {one["properties"].get(KEY) for one in simulator.objects(1e9, "companies")}


# --- ids from another job's results file ---


def test_ids_come_from_the_results_of_another_job(tmp_path):
    """Those that it does not name are read; a row that failed has no record."""
    simulator = account(["A0", "A1"], faults=[{"kind": "reject", "keys": ["A3"]}])
    rows = [{KEY: f"A{n}", "name": f"N{n}"} for n in range(5)]
    companies = _companies_job(tmp_path / "companies.csv", simulator, rows)
    companies.run_virtual()
    results = f"{companies.source}.results.csv"
    column = replace(PLAIN, results=results)
    job = make_job(tmp_path / "a.csv", _rows(12, ["A0", "a1", "A2", "A3", "A4", "A9"]), simulator, [column])
    assert counts(job.run_virtual()) == {"linked": 8, "missing": 4}
    notes = {one["value"]: one["note"] for one in listed(job)}
    assert notes["A3"] == "row 5 of companies.csv.results.csv is rejected"
    assert notes["A9"] == f"companies.csv.results.csv has no row with {KEY} A9"
    assert (
        job.transport.paths.count("/crm/v3/objects/companies/batch/read") == 1
    )  # of those that were updated
    assert {key for _, key in labels(simulator)} == {"A0", "A1", "A2", "A4"}


def test_a_row_that_failed_does_not_hide_one_of_the_same_key_that_did_not(tmp_path):
    results = tmp_path / "companies.csv.results.csv"
    simulator = account(["A", "B"])
    ids = {one["properties"][KEY]: one["id"] for one in simulator.objects(1e9, "companies")}
    results.write_text(
        "row,key,hubspot_id,outcome,source,note\n"
        f"2,A,,rejected,x,\n3,a,{ids['A']},created,x,\n4,B,,rejected,x,\n5,B,,updated,x,\n6,B,,rejected,x,\n"
    )
    job = make_job(
        tmp_path / "a.csv", _rows(4, ["A", "B"]), simulator, [replace(PLAIN, results=str(results))]
    )
    assert counts(job.run_virtual()) == {"linked": 4}


@pytest.mark.parametrize("content", [None, "name,id\n"])
def test_a_file_that_has_no_results_is_refused_before_a_row_is_sent(tmp_path, content):
    results = tmp_path / "r.csv"
    if content:
        results.write_text(content)
    job = make_job(
        tmp_path / "a.csv", _rows(2, ["A"]), account(["A"]), [replace(PLAIN, results=str(results))]
    )
    with pytest.raises(SettingsError, match=r"r\.csv"):
        job.run_virtual()
    assert list(job.simulator.objects(1e9)) == []


# --- search ---


def test_what_a_search_does_not_find_yet_is_searched_for_once_more(tmp_path):
    """A record made a moment ago shows in searches only some seconds later."""
    simulator = account([])
    column = LinkColumn("account", "companies", "domain")
    job = make_job(tmp_path / "a.csv", _rows(10, ["new.com"]), simulator, [column])

    def make(run):
        if run.following is not None and "once more" in run.following.text:
            known = [one["id"] for one in simulator.objects(1e9, "companies")]
            if not known:
                simulator.account.seed(
                    {"companies": [{"properties": {"domain": "new.com"}}]}, "2026-01-01T00:00:00Z"
                )

    assert counts(job.run_virtual(on_tick=make)) == {"linked": 10}


# --- created ---


def test_missing_companies_are_created_once_by_their_keys(tmp_path):
    rows = _rows(500, [f"A{n}" for n in range(250)])
    simulator = account(["A0", "A1"])
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN], create_missing=frozenset({"companies"}))
    summary = job.run_virtual()
    assert counts(summary) == {"linked": 500, "others_created": 248}
    assert _companies(simulator) == {f"A{n}" for n in range(250)}
    assert job.transport.paths.count("/crm/v3/objects/companies/batch/upsert") == 3


def test_created_companies_are_known_as_such_whatever_happens_to_the_answers(tmp_path):
    faults = [
        {"kind": "status", "status": 502, "every": 2, "applied": True, "endpoint": "upsert"},
        {"kind": "reset", "every": 3, "applied": True, "endpoint": "upsert"},
    ]
    simulator = account(["A0"], faults=faults)
    rows = _rows(300, [f"A{n}" for n in range(150)])
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN], create_missing=frozenset({"companies"}))
    for after in (3.0, 4.0, 5.0):
        job.run_virtual(stop_after=after, again_after=after)
    summary = job.run_virtual()
    assert counts(summary) == {"linked": 300, "others_created": 149}


def test_a_company_whose_creation_was_not_answered_counts_as_created(tmp_path):
    lost = {"kind": "status", "status": 502, "keys": ["A1"], "times": 1, "applied": True}
    job = make_job(
        tmp_path / "a.csv",
        _rows(4, ["A0", "A1"]),
        account(["A0"], faults=[lost]),
        [PLAIN],
        create_missing=frozenset({"companies"}),
    )
    assert counts(job.run_virtual()) == {"linked": 4, "others_created": 1}


def test_a_company_that_cannot_be_created_is_missing_with_the_reason(tmp_path):
    simulator = account([])
    refuse = {"kind": "reject", "keys": ["B"]}
    properties = [{"name": KEY, "unique": True, "object_type": "companies"}]
    simulator.change_scenario(Scenario.parse({"properties": properties, "faults": [refuse]}))
    job = make_job(
        tmp_path / "a.csv",
        _rows(4, ["A", "B"]),
        simulator,
        [PLAIN],
        create_missing=frozenset({"companies"}),
    )
    assert counts(job.run_virtual()) == {"linked": 2, "missing": 2, "others_created": 1}
    (note,) = {one["note"] for one in listed(job) if one["outcome"] == "missing"}
    assert note.startswith("the company could not be created: ")


def test_nothing_is_created_while_later_rows_may_create_it(tmp_path):
    rows = [{"email": f"c{n}@x.com", "boss": f"c{n + 5}@x.com"} for n in range(20)]
    simulator = account([])
    job = make_job(
        tmp_path / "a.csv",
        rows,
        simulator,
        [LinkColumn("boss", "contacts", "email")],
        create_missing=frozenset({"contacts"}),
    )
    job.run_virtual(limit=10)
    assert len(list(simulator.objects(1e9))) == 10
    assert counts(job.run_virtual()) == {"linked": 20, "others_created": 5}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (replace(PLAIN, by="domain"), "only by a unique property"),
        (replace(PLAIN, object_type="deals"), "no column"),
    ],
)
def test_what_cannot_be_created_is_said_at_once(column, text):
    with pytest.raises(SettingsError, match=text):
        Settings(
            sources=("a.csv",), token="t", associations=(column,), create_missing=frozenset({"companies"})
        )


@pytest.mark.parametrize("other", ["p_cars", "deals", "tickets", "0-3"])
def test_records_of_other_types_are_linked_too(tmp_path, other):
    simulator = account([])
    simulator.reset(0.0, objects={other: [{"properties": {}}, {"properties": {}}]})
    ids = [one["id"] for one in simulator.objects(1e9, other)]
    rows = [{"email": "a@x.com", "it": ";".join(ids)}, {"email": "b@x.com", "it": ids[0]}]
    column = LinkColumn("it", other, "id", separator=";")
    job = make_job(tmp_path / "a.csv", rows, simulator, [column])
    assert counts(job.run_virtual()) == {"linked": 3}
    assert len(list(simulator.links(1e9))) == 3
