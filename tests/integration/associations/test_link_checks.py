"""What is found out about links before the first write, by `check` and by `upload`."""

import pytest

from support.check_runs import check
from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.check import links as link_counts
from uploader.check.as_json import as_dict
from uploader.cli.text.check.details import lines
from uploader.cli.text.check.page import page_content
from uploader.cli.text.check.screen import screen, without_missing
from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn

_BY_ID = LinkColumn("account", "companies", "external_id", "Primary")


def job_of(tmp_path, rows, *associations, **scenario):
    """A job in an account with 300 companies A0, A1, ..."""
    simulator = make_simulator(**scenario)
    companies = [{"properties": {"external_id": f"A{n}", "domain": f"a{n % 299}.com"}} for n in range(300)]
    simulator.reset(0.0, objects={"companies": companies})
    return Job(write_csv(tmp_path / "a.csv", rows), simulator, options={"associations": associations})


def contacts_of(accounts):
    return [
        {**one, "account": account} for one, account in zip(contacts(len(accounts)), accounts, strict=True)
    ]


def test_missing_companies_are_counted_the_most_frequent_first(tmp_path):
    accounts = [f"A{n % 250}" for n in range(500)] + ["gone"] * 5 + ["Gone", "b", "b", "", "1E+12"]
    job = job_of(tmp_path, contacts_of(accounts), _BY_ID)
    report = check(job)
    (one,) = as_dict(report)["links"]
    assert one == {
        "column": "account", "object_type": "companies", "by": "external_id", "label": "Primary",
        "links": 509, "values": 252, "faults": 1, "missing": 8, "missing_values": 2, "unknown": 0,
        "most_missing": [
            {"value": "gone", "links": 6, "reason": "HubSpot has no company with external_id gone"},
            {"value": "b", "links": 2, "reason": "HubSpot has no company with external_id b"},
        ],
    }  # fmt: skip
    reads = [path for path in job.transport.paths if path.endswith("companies/batch/read")]
    assert len(reads) == 3
    assert report.exit_code == 1
    assert as_dict(report)["forecast"]["requests"] == 6 + 3 + 2  # rows, other records, links
    text = "\n".join(screen(report, job.settings(), ["check", "a.csv"]))
    assert "first look at the links to records that are not there" in text
    assert "9  of 509 links lead to no record: account to companies by external_id, label Primary: " in text
    assert "gone (6), b (2)" in text
    assert "links: account" in text
    narrow = " ".join(screen(report, job.settings(), ["check", "a.csv"], 80))
    assert "9  of 509 links lead to no record: account to companies by" in narrow
    of_step = without_missing(report)
    assert (of_step.exit_code, of_step.links[0].faults) == (1, 1)
    of_step.is_step = True
    of_plan = "\n".join(screen(of_step, job.settings(), ["check", "a.csv"]))
    assert "1  of 509 links leads to no record: " in of_plan
    assert "gone (6)" not in of_plan
    assert "next: " not in of_plan
    assert "uploader upload" not in of_plan
    content = page_content(report, job.settings(), ["check", "a.csv"])
    (kind,) = dict(content["kinds"])["Links to records that are not there"]
    assert (kind.cells, list(kind.examples[:2])) == (9, ["gone (6)", "b (2)"])
    assert report.automatic_companies in "".join(content["notes"])
    details = "\n".join(lines(report, job.settings(), ["check", "a.csv"]))
    assert "8  are not in the account, of 2 values:" in details
    assert "1  name no record: is a number in E notation" in details


def test_companies_by_domain_are_searched_for_and_ambiguous_ones_are_told(tmp_path):
    by_domain = LinkColumn("account", "companies", "domain")
    job = job_of(tmp_path, contacts_of(["a1.com", "https://www.A0.com/", "none.com"]), by_domain)
    (one,) = as_dict(check(job))["links"]
    reasons = {missing["value"]: missing["reason"] for missing in one["most_missing"]}
    assert reasons.keys() == {"https://www.A0.com/", "none.com"}
    assert "ambiguous: 2 companies" in reasons["https://www.A0.com/"]


def test_records_that_are_rows_of_the_same_file_will_be_there(tmp_path):
    rows = [
        {"external_id": "A1", "parent": ""},
        {"external_id": "New", "parent": "A1"},
        {"external_id": "B", "parent": "NEW"},
        {"external_id": "C", "parent": "gone"},
    ]
    job = job_of(tmp_path, rows, LinkColumn("parent", "companies", "external_id", "Parent Company"))
    job.options |= {"object_type": "companies", "id_property": "external_id"}
    (one,) = as_dict(check(job))["links"]
    assert (one["links"], one["missing"], one["unknown"]) == (3, 1, 0)
    assert [missing["value"] for missing in one["most_missing"]] == ["gone"]
    assert job.run_virtual().follow_ups["links"].as_dict()["linked"] == 2


def test_ids_of_hubspot_are_looked_up(tmp_path):
    rows = contacts_of(["1", "2", "99999", "x"])
    job = job_of(tmp_path, rows, LinkColumn("account", "companies", "id"))
    first = next(iter(job.simulator.objects(0.0, "companies")))["id"]
    rows[0]["account"] = rows[1]["account"] = first
    write_csv(job.source, rows)
    (one,) = as_dict(check(job))["links"]
    assert (one["links"], one["missing"], one["faults"]) == (4, 1, 1)


def test_only_so_many_values_are_looked_up(tmp_path, monkeypatch):
    monkeypatch.setattr(link_counts, "_MOST_READS", 1)
    job = job_of(tmp_path, contacts_of([f"B{n}" for n in range(150)]), _BY_ID)
    report = check(job)
    assert (report.links[0].missing, report.links[0].unknown) == (100, 50)
    assert any("50 links of column 'account'" in text for text in report.not_checked)


def test_short_ids_of_salesforce_that_only_differ_in_case_are_warned_of(tmp_path):
    ids = ["001A0000006Vabc", "001A0000006VABC", "001A0000006Vabd", "acme.com", "ACME.com"]
    (text,) = check(job_of(tmp_path, contacts_of(ids), _BY_ID)).warnings
    assert "1 ids differ from another one only in upper and lower case, such as 001A0000006Vabc and" in text
    assert check(job_of(tmp_path, contacts_of(ids[2:]), _BY_ID)).warnings == []


def test_a_link_column_without_any_value_is_warned_of(tmp_path):
    job = job_of(tmp_path, contacts_of(["", "NULL"]), _BY_ID)
    assert [text for text in check(job).warnings if "has a link in column 'account'" in text]


def test_without_a_token_links_are_counted_alone(tmp_path):
    job = job_of(tmp_path, contacts_of(["A1", "b"]), _BY_ID)
    report = check(job, token="", offline=True)
    assert (report.links[0].links, report.links[0].missing, report.links[0].unknown) == (2, 0, 2)


def test_it_is_said_that_hubspot_makes_companies_of_domains(tmp_path):
    job = job_of(tmp_path, contacts_of(["A1"]), _BY_ID)
    text = check(job).automatic_companies
    assert "primary company is the one of column 'account'" in text
    assert text in "\n".join(screen(check(job), job.settings(), ["check", "a.csv"]))
    unlabelled = check(job, associations=(LinkColumn("account", "companies", "id"),))
    assert "label its links Primary" in unlabelled.automatic_companies
    of_deals = check(job, associations=(LinkColumn("account", "deals", "id"),))
    assert of_deals.automatic_companies == ""
    notices = []
    job.run_virtual(on_start=lambda run: notices.extend(run.notices))
    assert text in notices
    assert "links of column 'account' to companies by external_id, label Primary" in notices


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (LinkColumn("account", "butterflies", "id"), "does not know the object type 'butterflies'"),
        (LinkColumn("account", "companies", "externl_id"), r"did you mean external_id\?"),
        (
            LinkColumn("account", "companies", "phone"),
            r"choose one of customer_number, external_id, id \(Hub",
        ),
        (LinkColumn("account", "deals", "domain"), "no property of deals with the name 'domain'"),
        (
            LinkColumn("account", "companies", "id", "Boss"),
            "choose 'Primary', or have it created with --c",
        ),
        (LinkColumn("acount", "companies", "external_id"), "there is no column 'acount'"),
    ],
)
def test_links_that_can_never_be_made_stop_the_job_before_it_starts(tmp_path, column, text):
    job = job_of(tmp_path, contacts_of(["A1"]), column)
    ignored = {"ignored": frozenset({"account"})} if column.column != "account" else {}
    with pytest.raises(SettingsError, match=text):
        job.run_virtual(**ignored)
    assert job.simulator.stats()["upserts"] == 0
    report = check(job, **ignored)
    assert report.exit_code == 2
    assert job.simulator.stats()["upserts"] == 0


def test_a_results_file_that_is_none_is_a_problem(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n")
    for name, text in (("other.csv", "is not a results file of uploader"), ("gone.csv", "cannot read")):
        column = LinkColumn("account", "companies", "external_id", results=str(tmp_path / name))
        job = job_of(tmp_path, contacts_of(["A1"]), column)
        (problem,) = check(job).problems
        assert text in problem
        with pytest.raises(SettingsError, match=text):
            job.run_virtual()


def test_a_name_that_the_user_says_is_unique_is_taken(tmp_path):
    job = job_of(tmp_path, contacts_of(["A1"]), LinkColumn("account", "companies", "name", unique_names=True))
    assert check(job).problems == []


@pytest.mark.parametrize(
    ("lacking", "text"),
    [
        (
            ("companies.read", "companies.write"),
            r"scope crm\.objects\.companies\.write and the scope crm\.obj",
        ),
        (("contacts.read",), r"lacks the scope crm\.objects\.contacts\.read"),
    ],
)
def test_scopes_that_links_need_are_named_before_the_first_write(tmp_path, lacking, text):
    names = {f"{name}.{kind}" for name in ("contacts", "companies") for kind in ("read", "write")}
    scopes = ["oauth", "crm.schemas.contacts.read", *(f"crm.objects.{one}" for one in names - {*lacking})]
    job = job_of(tmp_path, contacts_of(["A1"]), _BY_ID, auth={"scopes": scopes})
    with pytest.raises(SettingsError, match=text):
        job.run_virtual()
    assert job.simulator.stats()["upserts"] == 0
