"""`check` drafts properties for the columns that have none."""

import json

from support.check_runs import check
from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.properties.definitions_file import parse_definitions


def job(tmp_path, rows, name="contacts.csv", **scenario):
    return Job(write_csv(tmp_path / name, rows), make_simulator(quota="none", **scenario))


def definitions(report):
    return {one.label: one for one in parse_definitions(report.properties_draft).definitions}


def test_only_columns_without_a_property_are_drafted_from_all_rows(tmp_path):
    rows = [
        {
            "email": f"c{n}@x.com",
            "First Name": "A",
            "last_seen": "x",
            "Shoe Size": str(n),
            "Joined": "2024-01-02",
        }
        for n in range(3_000)
    ]
    rows[2_999]["Shoe Size"] = "big"
    report = check(job(tmp_path, rows), drafts_properties=True)
    found = definitions(report)
    assert {label: one.type for label, one in found.items()} == {"Shoe Size": "string", "Joined": "date"}
    assert "drafted from all 3,000 rows" in report.properties_draft
    assert "2,999 of 3,000 values are numbers" in report.properties_draft
    sampled = check(job(tmp_path, rows), drafts_properties=True)
    assert sampled.findings.rows == 3_000


def test_of_a_sample_only_its_rows_count(tmp_path):
    rows = [{"email": f"c{n}@x.com", "Shoe Size": str(n) if n < 10 else "big"} for n in range(100)]
    report = check(job(tmp_path, rows), drafts_properties=True, sample=10)
    assert definitions(report)["Shoe Size"].type == "number"
    assert "drafted from the first 10 rows" in report.properties_draft


def test_without_the_option_nothing_is_drafted_and_without_a_need_the_draft_is_empty(tmp_path):
    assert check(job(tmp_path, [{"email": "a@x.com", "Shoe Size": "1"}])).properties_draft == ""
    report = check(job(tmp_path, [{"email": "a@x.com", "city": "Ulm"}]), drafts_properties=True)
    assert (report.properties_draft, report.exit_code) == ("", 0)


def test_columns_left_out_mapped_or_told_otherwise_get_none(tmp_path):
    row = {
        "email": "a@x.com",
        "Town": "x",
        "Internal": "x",
        "Old": "x",
        "Email Opt Out": "1",
        "createdate": "2024-01-01",
        "Number": "7",
    }
    report = check(
        job(tmp_path, [row]),
        drafts_properties=True,
        mapped={"Old": "city", "Number": "member_number"},
        ignored=frozenset({"Internal"}),
    )
    found = definitions(report)
    assert {label: one.name for label, one in found.items()} == {"Number": "member_number"}
    assert "# Column 'Email Opt Out' gets none: opt-outs are subscriptions" in report.properties_draft
    assert "# Column 'Town' gets none: it is probably the property city." in report.properties_draft
    assert "Internal" not in report.properties_draft


def test_blank_words_and_lines_that_are_no_rows_do_not_count(tmp_path):
    rows = [{"email": f"c{n}@x.com", "Size": "n/k" if n % 2 else str(n)} for n in range(10)]
    one = job(tmp_path, rows)
    with one.source.open("a") as file:
        file.write('"Copyright 2024 ACME. All rights reserved.",\n,\nTotal,20\n')
    report = check(one, drafts_properties=True, blank_values={"Size": ("N/K",)})
    assert definitions(report)["Size"].type == "number"
    assert '"Size": 5 of 11 rows' in report.properties_draft


def test_a_column_of_several_files_is_one_property(tmp_path):
    first = write_csv(tmp_path / "a.csv", [{"email": "a@x.com", "Size": "1"}])
    second = write_csv(tmp_path / "b.csv", [{"email": "b@x.com", "Size": "L", "Other": "x"}])
    one = Job(first, make_simulator(quota="none"), {"sources": (str(first), str(second))})
    report = check(one, drafts_properties=True)
    assert {label: one.type for label, one in definitions(report).items()} == {
        "Size": "string",
        "Other": "string",
    }


def test_fields_of_rows_that_name_them_are_drafted(tmp_path):
    path = tmp_path / "rows.ndjson"
    rows = [
        {"email": "a@x.com", "size": 7, "tags": ["a", "b"], "ok": True},
        {"idProperty": "email", "id": "b@x.com", "properties": {"size": 8.5, "city": "Ulm"}},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = check(Job(path, make_simulator(quota="none")), drafts_properties=True)
    assert {label: one.type for label, one in definitions(report).items()} == {
        "size": "number",
        "tags": "string",
        "ok": "bool",
    }


def test_a_token_that_may_not_read_properties_drafts_none_and_it_is_told(tmp_path):
    fault = {"kind": "status", "status": 403, "endpoint": "properties"}
    report = check(job(tmp_path, contacts(3), faults=[fault]), drafts_properties=True)
    assert report.properties_draft == ""
    assert any("which columns lack a property" in text for text in report.not_checked)


def test_properties_of_companies_are_drafted_for_companies(tmp_path):
    one = job(tmp_path, [{"customer_number": "1", "Size": "7"}])
    report = check(one, drafts_properties=True, object_type="companies", match=("customer_number",))
    file = parse_definitions(report.properties_draft)
    assert (file.object_type, file.definitions[0].group) == ("companies", "companyinformation")


def test_a_key_that_the_account_lacks_is_a_text_with_unique_values(tmp_path):
    one = job(tmp_path, [{"email": "a@x.com", "Member No": "17", "member_code": "4"}])
    keys = {"match": ("email", "member_number", "member_code"), "mapped": {"Member No": "member_number"}}
    found = definitions(check(one, drafts_properties=True, **keys))
    assert {label: (d.name, d.type, d.is_unique) for label, d in found.items()} == {
        "Member No": ("member_number", "string", True),
        "member_code": ("member_code", "string", True),
    }
