"""Links on their way from rows to the account: what is made, what each ends as, what it costs."""

from collections import Counter
from dataclasses import replace

import pytest

from support.jobs import Job, contacts, write_csv
from support.links.runs import (
    KEY,
    PLAIN,
    PRIMARY,
    account,
    apply,
    check_links,
    counts,
    labels,
    listed,
    make_job,
    stored,
    wanted_links,
)
from uploader.cli.text.summary import missing_links_lines
from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn
from uploader.model.records import OWN_ID
from uploader.records.write_policy import Only


def _rows(count, companies, **more):
    """Contacts of which each has one of the companies."""
    return [
        {**one, "account": companies[i % len(companies)], **more} for i, one in enumerate(contacts(count))
    ]


def _paths(job):
    """How many requests went to each endpoint of associations, and of reading companies."""
    found = Counter(path.partition("?")[0] for path in job.transport.paths)
    return {
        "linked": found["/crm/v4/associations/contacts/companies/batch/create"],
        "looked": found["/crm/v4/associations/contacts/companies/batch/read"],
        "read": found["/crm/v3/objects/companies/batch/read"] + found["/crm/v3/objects/contacts/batch/read"],
    }


def test_new_contacts_are_linked_with_their_companies(tmp_path):
    companies = [f"A{n}" for n in range(30)]
    rows = _rows(250, [*companies, "gone"])
    job = make_job(tmp_path / "a.csv", rows, account(companies), [PLAIN])
    summary = job.run_virtual()
    check_links(job, rows, summary, {}, companies)
    assert counts(summary) == {"linked": 242, "missing": 8}
    assert summary.exit_code == 1
    assert {one["note"] for one in listed(job) if one["outcome"] == "missing"} == {
        "HubSpot has no company with sf_id gone"
    }


def test_a_finished_job_sends_nothing_and_gives_the_same_code(tmp_path):
    rows = _rows(20, ["A", "gone"])
    job = make_job(tmp_path / "a.csv", rows, account(["A"]), [PLAIN])
    first = job.run_virtual()
    again = job.run_virtual()
    assert job.transport.paths == []
    assert (again.exit_code, again.as_dict()["links"]) == (1, first.as_dict()["links"])


def test_missing_links_are_made_by_another_job_that_writes_no_row_again(tmp_path):
    """As the end of the first one says. A restart would discard what undo needs."""
    rows = _rows(20, ["A", "gone"])
    job = make_job(tmp_path / "a.csv", rows, account(["A"]), [PLAIN])
    (text,) = missing_links_lines(job.run_virtual(snapshot=True), "the same command")
    for option in ("--skip-unchanged", "another --checkpoint", "another --results"):
        assert option in text
    companies = Job(
        write_csv(tmp_path / "companies.csv", [{KEY: "gone"}]),
        job.simulator,
        {"object_type": "companies", "id_property": KEY},
    )
    companies._clock = job._clock
    assert companies.run_virtual().exit_code == 0
    job._clock = companies._clock
    files = {"checkpoint": tmp_path / "2.checkpoint", "results": tmp_path / "2.csv"}
    summary = job.run_virtual(skip_unchanged=True, **files)
    assert counts(summary) == {"already": 10, "linked": 10}
    assert (summary.exit_code, summary.as_dict()["unchanged"]) == (0, 20)
    assert missing_links_lines(summary, "the same command") == []


def test_requests_are_two_for_1000_links_and_one_for_100_records_read(tmp_path):
    companies = [f"A{n}" for n in range(250)]
    rows = _rows(2_500, companies)
    job = make_job(tmp_path / "a.csv", rows, account(companies), [PLAIN])
    assert job.run_virtual().exit_code == 0
    assert _paths(job) == {"linked": 3, "looked": 3, "read": 3}


def test_links_that_were_there_are_told_from_those_that_are_made(tmp_path):
    companies = ["A", "B", "C"]
    rows = [
        {"email": "old1@x.com", "account": "A"},
        {"email": "old2@x.com", "account": "B"},
        {"email": "old3@x.com", "account": "C"},
        {"email": "new@x.com", "account": "C"},
    ]
    before = [("old1@x.com", "A", ""), ("old2@x.com", "A", "")]
    simulator = account(companies, ["old1@x.com", "old2@x.com", "old3@x.com"], before)
    held = labels(simulator)
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])
    summary = job.run_virtual()
    check_links(job, rows, summary, held, companies)
    assert [one["outcome"] for one in listed(job)] == ["already", "linked", "linked", "linked"]
    assert _paths(job)["looked"] == 1


def test_the_last_row_of_a_contact_makes_its_primary_company(tmp_path):
    companies = ["A", "B", "C", "D"]
    rows = [
        {"email": "ann@x.com", "main": main, "account": other}
        for main, other in [("A", "D"), ("B", "A"), ("A", ""), ("", "C"), ("C", "C"), ("C", "")]
    ] + [{"email": f"c{n}@x.com", "main": "B", "account": "A"} for n in range(5)]
    simulator = account(companies, ["ann@x.com"], [("ann@x.com", "D", "Primary")])
    held = labels(simulator)
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN, PRIMARY])
    summary = job.run_virtual()
    check_links(job, rows, summary, held, companies)
    outcomes = [(one["value"], one["label"], one["outcome"]) for one in listed(job)[:10]]
    assert outcomes == [
        ("D", "", "already"),
        ("A", "Primary", "linked"),
        ("A", "", "already"),
        ("B", "Primary", "linked"),
        ("A", "Primary", "linked"),
        ("C", "", "linked"),
        ("C", "", "already"),
        ("C", "Primary", "linked"),
        ("C", "Primary", "already"),
        ("A", "", "linked"),
    ]


def test_what_a_link_took_the_place_of_is_kept_for_undo(tmp_path):
    rows = [{"email": "ann@x.com", "main": "B", "account": "C"}]
    before = [("ann@x.com", "A", "Primary"), ("ann@x.com", "B", "")]
    simulator = account(["A", "B", "C"], ["ann@x.com"], before)
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN, PRIMARY])
    job.run_virtual()
    ids = {one["properties"][KEY]: one["id"] for one in simulator.objects(1e9, "companies")}
    assert stored(job, "SELECT value, before, displaced FROM links ORDER BY id") == [
        ("C", "", ""),
        ("B", "HUBSPOT_DEFINED=279", ids["A"]),
    ]


def test_links_of_rows_without_a_record_end_with_the_rows_reason(tmp_path):
    rows = [{"email": one, "account": "A"} for one in ("a@x.com", "b@x.com", "no address")]
    refuse = {"kind": "reject", "keys": ["a@x.com"]}
    job = make_job(tmp_path / "a.csv", rows, account(["A"], faults=[refuse]), [PLAIN])
    summary = job.run_virtual()
    assert counts(summary) == {"linked": 1, "missing": 1}
    assert [one["outcome"] for one in listed(job)] == ["missing", "linked"]
    assert listed(job)[0]["note"].startswith("the row is rejected: ")


def test_links_of_skipped_rows_are_not_counted(tmp_path):
    rows = [{"email": f"c{n}@x.com", "firstname": "F", "account": "A"} for n in range(4)]
    simulator = account(["A"], ["c1@x.com"])
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN], only_records=Only.NEW)
    summary = job.run_virtual()
    assert counts(summary) == {"linked": 3}
    assert ("c1@x.com", "A") not in labels(simulator)


def test_several_values_of_a_cell_are_links_of_their_own(tmp_path):
    column = replace(PLAIN, separator=";")
    rows = [{"email": "a@x.com", "account": "A; B ;;gone"}, {"email": "b@x.com", "account": "B"}]
    job = make_job(tmp_path / "a.csv", rows, account(["A", "B"]), [column])
    summary = job.run_virtual()
    check_links(job, rows, summary, {}, ["A", "B"])
    assert counts(summary) == {"linked": 3, "missing": 1}


def test_values_are_looked_up_once_in_whatever_spelling(tmp_path):
    rows = _rows(40, ["Acme", "ACME", " acme "])
    job = make_job(tmp_path / "a.csv", rows, account(["Acme"]), [PLAIN])
    assert counts(job.run_virtual()) == {"linked": 40}
    assert _paths(job)["read"] == 1


def test_ids_need_no_reading_and_the_reply_names_those_that_are_not_there(tmp_path):
    simulator = account(["A", "B"])
    ids = [one["id"] for one in simulator.objects(1e9, "companies")]
    rows = _rows(30, [*ids, "987654321", "x1"])
    job = make_job(tmp_path / "a.csv", rows, simulator, [LinkColumn("account", "companies", "id")])
    summary = job.run_virtual()
    assert counts(summary) == {"linked": 16, "missing": 14}
    assert _paths(job) == {"linked": 1, "looked": 1, "read": 0}
    assert {one["note"] for one in listed(job)} == {
        "",
        "HubSpot has no company with the id 987654321",
        "is no id of a record in HubSpot, which are numbers",
    }


def test_ids_that_were_filled_up_with_zeros_are_those_of_the_replies(tmp_path):
    simulator = account(["A"])
    (company,) = [one["id"] for one in simulator.objects(1e9, "companies")]
    ids = [company, f"0{company}", f"000{company}"]
    rows = [{**one, "to": value} for one, value in zip(contacts(3), ids, strict=True)]
    job = make_job(tmp_path / "a.csv", rows, simulator, [LinkColumn("to", "companies", OWN_ID)])
    assert counts(job.run_virtual()) == {"linked": 3}
    assert {one["to_id"] for one in listed(job)} == {company}


def test_companies_are_found_by_domain_and_ambiguous_ones_are_named(tmp_path):
    simulator = account(["a", "b"])
    simulator.reset(
        0.0, objects={"companies": [{"properties": {"domain": one}} for one in ("a.com", "b.com", "b.com")]}
    )
    rows = _rows(9, ["www.a.com", "b.com", "c.com"])
    job = make_job(tmp_path / "a.csv", rows, simulator, [LinkColumn("account", "companies", "domain")])
    assert counts(job.run_virtual()) == {"linked": 3, "missing": 6}
    notes = {one["value"]: one["note"] for one in listed(job)}
    assert notes["b.com"].startswith("ambiguous: 2 companies have domain b.com (")
    assert notes["c.com"] == "HubSpot has no company with domain c.com"


def test_both_ends_may_be_rows_of_the_same_file(tmp_path):
    """The end of a link may be created by a later row."""
    rows = [{"email": f"c{n}@x.com", "boss": f"c{n + 1}@x.com"} for n in range(120)]
    simulator = account([])
    job = make_job(tmp_path / "a.csv", rows, simulator, [LinkColumn("boss", "contacts", "email")])
    summary = job.run_virtual()
    assert counts(summary) == {"linked": 119, "missing": 1}
    assert len(list(simulator.links(1e9))) == 119


def test_at_a_limit_links_wait_for_ends_that_later_rows_may_create(tmp_path):
    rows = [{"email": f"c{n}@x.com", "boss": f"c{n + 5}@x.com"} for n in range(20)]
    simulator = account([])
    job = make_job(tmp_path / "a.csv", rows, simulator, [LinkColumn("boss", "contacts", "email")])
    first = job.run_virtual(limit=10)
    assert counts(first) == {"linked": 5, "open": 5}
    assert first.exit_code == 75
    assert counts(job.run_virtual()) == {"linked": 15, "missing": 5}
    assert len(list(simulator.links(1e9))) == 15


@pytest.mark.parametrize("column", [PLAIN, PRIMARY], ids=["first", "labelled"])
def test_at_a_limit_a_later_link_of_a_record_waits_for_an_earlier_one(tmp_path, column):
    """The primary company is that of the same row as without the limit."""
    companies = {
        "ann@x.com": ["late", "there", "other"],
        "bob@x.com": ["there", "late", "there"],
        "carl@x.com": ["there"],
    }
    rows = [{"email": one, column.column: key} for one, keys in companies.items() for key in keys]
    simulator = account(["early", "there", "other"])
    job = make_job(tmp_path / "a.csv", [*rows, *contacts(2)], simulator, [column])
    assert counts(job.run_virtual(limit=7)) == {"linked": 2, "open": 5}
    renamed = {KEY: "early", "properties": {KEY: "late"}}
    simulator.change_records(job._clock, [renamed], (), "companies")
    job.run_virtual()
    wanted = wanted_links(rows, job.outcomes(), [column], ["late", "there", "other"])
    assert labels(simulator) == apply({}, wanted)


def test_rows_by_another_object_type_are_linked_from_their_end(tmp_path):
    """A contact that two companies claim has the last one as its primary company."""
    simulator = account(["A", "B"], ["ann@x.com", "bob@x.com"], [("ann@x.com", "A", "")])
    rows = [
        {KEY: "A", "people": "ann@x.com;bob@x.com"},
        {KEY: "B", "people": "ann@x.com"},
    ]
    column = LinkColumn("people", "contacts", "email", label="Primary", separator=";")
    job = make_job(tmp_path / "a.csv", rows, simulator, [column], object_type="companies", id_property=KEY)
    assert counts(job.run_virtual()) == {"already": 1, "linked": 2}
    assert labels(simulator) == {
        ("ann@x.com", "A"): set(),
        ("ann@x.com", "B"): {"Primary"},
        ("bob@x.com", "A"): {"Primary"},
    }
    (former,) = [one["id"] for one in simulator.objects(1e9, "companies") if one["properties"][KEY] == "A"]
    assert stored(job, "SELECT displaced FROM links ORDER BY id") == [("",), ("",), (former,)]


def test_labels_of_the_account_are_found_by_name(tmp_path):
    label = {"object_type": "contacts", "to": "companies", "label": "Decision maker"}
    simulator = account(["A"], association_labels=[label])
    rows = _rows(3, ["A"])
    columns = [replace(PLAIN, label="decision MAKER")]
    job = make_job(tmp_path / "a.csv", rows, simulator, columns)
    assert counts(job.run_virtual()) == {"linked": 3}
    assert all("Decision maker" in one for one in labels(simulator).values())


def test_a_label_that_the_account_lacks_is_refused_before_a_row_is_sent(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(3, ["A"]), account(["A"]), [replace(PLAIN, label="Boss")])
    with pytest.raises(SettingsError, match="no label 'Boss' in this account; choose 'Primary', or have it"):
        job.run_virtual()
    assert list(job.simulator.objects(1e9)) == []


def test_the_limit_of_links_in_a_request_is_learned(tmp_path):
    rows = _rows(900, ["A", "B"])
    simulator = account(["A", "B"], rules={"most_links": 100})
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])
    assert counts(job.run_virtual()) == {"linked": 900}
    assert _paths(job)["linked"] <= 1 + 16


def test_a_limit_of_the_account_refuses_some_links_and_never_their_rows(tmp_path):
    limit = {"object_type": "companies", "to": "contacts", "most": 4}
    rows = _rows(10, ["A"])
    job = make_job(tmp_path / "a.csv", rows, account(["A"], association_limits=[limit]), [PLAIN])
    summary = job.run_virtual()
    assert summary.tallies.confirmed == 10
    assert counts(summary) == {"linked": 4, "rejected": 6}
    assert "ASSOCIATION_LIMIT" not in listed(job)[-1]["note"]
    assert "the most associations" in listed(job)[-1]["note"]


def test_a_file_in_the_place_of_the_list_is_not_overwritten(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(1, ["A"]), account(["A"]), [PLAIN])
    mine = tmp_path / "a.csv.links.csv"
    mine.write_text("my links\n")
    with pytest.raises(SettingsError, match="is no such list; move it away"):
        job.run_virtual()
    assert mine.read_text() == "my links\n"


def test_more_than_a_page_of_links_is_read(tmp_path):
    """The mock server shows 500 associated records a page."""
    addresses = [f"c{n}@x.com" for n in range(1_100)]
    simulator = account(["A"], addresses, [(one, "A", "") for one in addresses[:1_050]])
    column = LinkColumn("people", "contacts", "email", separator=";")
    rows = [{KEY: "A", "people": ";".join(addresses)}]
    job = make_job(tmp_path / "a.csv", rows, simulator, [column], object_type="companies", id_property=KEY)
    assert counts(job.run_virtual()) == {"already": 1_050, "linked": 50}


@pytest.mark.parametrize("version", ["2026-03", "2026-09"])
def test_links_are_made_by_every_version_of_the_api(tmp_path, version):
    simulator = account(["A"], ["c0@example.com"], rules={"link_statuses": "reported"})
    job = make_job(tmp_path / "a.csv", _rows(4, ["A", "gone"]), simulator, [PLAIN], api_version=version)
    assert counts(job.run_virtual()) == {"linked": 2, "missing": 2}


def test_ids_that_no_answer_named_are_read_100_a_request(tmp_path):
    """One read for 100 contacts, one for the links of 1,000, one request for 1,000 links."""
    rows = _rows(1_200, ["A", "B"])
    simulator = account(["A", "B"], [row["email"] for row in rows])
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])
    assert counts(job.run_virtual()) == {"linked": 1_200}
    assert _paths(job) == {"linked": 2, "looked": 2, "read": 12 + 1}


def test_a_company_that_hubspot_makes_is_not_primary_where_the_label_says_so(tmp_path):
    simulator = account(["A"], account={"companies_from_domains": True})
    rows = [{"email": f"c{n}@firm{n}.com", "main": "A"} for n in range(3)]
    job = make_job(tmp_path / "a.csv", rows, simulator, [PRIMARY])
    assert counts(job.run_virtual()) == {"linked": 3}
    held = labels(simulator)
    assert len(held) == 6
    assert {pair[1] for pair, names in held.items() if "Primary" in names} == {"A"}


def test_the_list_of_links_is_no_source_of_the_next_run(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(3, ["A"]), account(["A"]), [PLAIN])
    source, job.source = job.source, tmp_path / "*.csv"
    assert job.run_virtual(checkpoint_dir=tmp_path).exit_code == 0
    assert list(tmp_path.glob("*.links.csv"))
    again = job.run_virtual(checkpoint_dir=tmp_path, restart=True)
    assert (again.tallies.rows, again.exit_code) == (3, 0)
    assert source.exists()


def test_a_job_begun_anew_removes_the_list_of_the_former_one(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(3, ["A"]), account(["A"]), [PLAIN])
    job.run_virtual()
    path = tmp_path / "a.csv.links.csv"
    seen = []
    job.run_virtual(restart=True, on_start=lambda _: seen.append(path.exists()))
    assert (seen, path.exists()) == ([False], True)


def test_the_list_of_links_is_not_written_over_the_results(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(1, ["A"]), account(["A"]), [PLAIN])
    with pytest.raises(SettingsError, match="cannot be both the results file and the list of links"):
        job.run_virtual(results=tmp_path / "a.csv.links.csv")


def test_a_canary_that_is_all_of_the_rows_is_followed_by_the_links(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(10, ["A"]), account(["A"]), [PLAIN])
    summary = job.run_virtual(canary=100)
    assert (summary.state, summary.exit_code, counts(summary)) == ("complete", 0, {"linked": 10})


def test_no_link_is_made_before_the_canary_is_approved(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(10, ["A"]), account(["A"]), [PLAIN])
    assert job.run_virtual(canary=5).exit_code == 3
    assert labels(job.simulator) == {}
    assert counts(job.run_virtual(approve_canary=True)) == {"linked": 10}


@pytest.mark.parametrize("limits", [[None], [2, None]], ids=["one run", "two runs"])
def test_a_label_of_one_type_of_records_is_there_for_both_ends(tmp_path, limits):
    """HubSpot does not say which labels read the same from both ends: the second row finds the link."""
    label = {"object_type": "contacts", "to": "contacts", "label": "Colleague"}
    simulator = account(["A"], association_labels=[label])
    peers = [("a@x.com", "b@x.com"), ("b@x.com", ""), ("b@x.com", "a@x.com")]
    rows = [{"email": one, "peer": other} for one, other in peers]
    column = LinkColumn("peer", "contacts", "email", label="Colleague")
    job = make_job(tmp_path / "a.csv", rows, simulator, [column])
    for limit in limits:
        summary = job.run_virtual(limit=limit)
    assert counts(summary) == {"linked": 1, "already": 1}
    assert [one["labels"] for one in simulator.links(1e9)] == [["Colleague"]]
