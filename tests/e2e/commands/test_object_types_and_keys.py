"""The command line of other objects, other versions and several keys, in real processes."""

import csv
from pathlib import Path

from support.jobs import write_csv
from support.processes import run


def results(folder: Path) -> list[dict[str, str]]:
    with (folder / "rows.csv.results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_companies_by_the_newest_version_and_what_failed_of_them_again(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    rows = [
        {"external_id": f"e{i}", "name": f"N{i}", "tier": "tin" if i % 50 == 7 else "gold"}
        for i in range(300)
    ]
    write_csv(tmp_path / "rows.csv", rows)
    options = ("--base-url", mock.url, "--object-type", "companies", "--id-property", "external_id")
    ended = run("upload", "rows.csv", *options, "--api-version", "2026-09", "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["created"], ended.summary["invalid"]) == (1, 294, 6)
    assert "companies into account 44237313" in ended.err
    assert len(mock.objects("companies")) == 294
    assert mock.contacts() == []
    ended = run("failures", "rows.csv.checkpoint", "-o", "mended.csv", cwd=tmp_path)
    assert "--id-property external_id --object-type companies" in ended.err
    mended = (tmp_path / "mended.csv").read_text(encoding="utf-8").replace(",tin,", ",silver,")
    (tmp_path / "mended.csv").write_text(mended, encoding="utf-8")
    ended = run("upload", "mended.csv", *options, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["created"]) == (0, 6)
    ended = run("verify", "rows.csv.checkpoint", "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["equal"]) == (0, 300)  # those uploaded from the failures, too


def test_companies_by_domain(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    mock.reset(objects={"companies": [{"properties": {"domain": f"d{n}.com"}} for n in (0, 1, 1)]})
    rows = [{"domain": f"https://www.D{n}.com", "name": f"N{n}"} for n in range(5)]
    write_csv(tmp_path / "rows.csv", rows)
    options = ("--base-url", mock.url, "--object-type", "companies", "--id-property", "domain")
    ended = run("upload", "rows.csv", *options, "--snapshot", "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["created"], ended.summary["updated"]) == (1, 3, 1)
    assert "companies are found by search" in ended.err
    ended = run("failures", "rows.csv.checkpoint", "-o", "failed.csv", cwd=tmp_path)
    with (tmp_path / "failed.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["domain"], line["uploader_category"]) == ("https://www.D1.com", "AMBIGUOUS")
    ended = run("verify", "rows.csv.checkpoint", "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["equal"]) == (0, 4)
    ended = run("undo", "rows.csv.checkpoint", "--base-url", mock.url, "--yes", "--json", cwd=tmp_path)
    assert ended.code == 0
    assert sum(not one["archived"] for one in mock.objects("companies")) == 3
    ended = run("purge", "rows.csv.checkpoint", "--yes", cwd=tmp_path)
    assert ended.code == 0
    assert not (tmp_path / "rows.csv.checkpoint.created").exists()


def test_rows_by_the_first_key_they_have(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    rows = [
        {"external_id": "e1", "email": "a@x.com", "city": "Ulm"},
        {"external_id": "", "email": "b@x.com", "city": "Bonn"},
        {"external_id": "", "email": "", "city": "Trier"},
        {"external_id": "", "email": "c@x.badtld", "city": "Trier"},
    ]
    write_csv(tmp_path / "rows.csv", rows)
    options = ("--base-url", mock.url, "--match", "external_id, email")
    ended = run("upload", "rows.csv", *options, cwd=tmp_path)
    assert ended.code == 1
    assert "contacts into account 44237313 (DEVELOPER_TEST), by external_id, else email;" in ended.err
    assert "1 without a key" in " ".join(ended.out.replace("(", " ").split())
    keys = {line["row"]: line["key"] for line in results(tmp_path)}
    assert keys == {"2": "e1", "3": "email=b@x.com", "4": "", "5": "email=c@x.badtld"}
    ended = run("failures", "rows.csv.checkpoint", "-o", "failed.csv", cwd=tmp_path)
    assert "--match external_id,email" in ended.err
    with (tmp_path / "failed.csv").open(encoding="utf-8", newline="") as file:
        assert [line["uploader_category"] for line in csv.DictReader(file)] == ["KEY", "VALIDATION_ERROR"]
    ended = run("verify", "rows.csv.checkpoint", "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["equal"]) == (0, 2)


def test_an_export_of_hubspot_goes_back_as_it_came_and_creates_no_record(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    mock.reset([{"properties": {"email": f"c{n}@x.com", "firstname": f"F{n}"}} for n in range(250)])
    rows = [
        {
            "Record ID": held["id"],
            "First Name": held["properties"]["firstname"],
            "Email": held["properties"]["email"],
            "City": "Bonn",
            "Create Date": "2025-12-31 10:00",
            "Last Activity Date": "",
            "Associated Company IDs": "9",
            "Marketing contact status": "Marketing contact",
        }
        for held in mock.contacts()
    ]
    write_csv(tmp_path / "rows.csv", rows)
    gone = [rows[n] for n in (3, 140, 249)]
    mock.change_records(archive=[one["Email"] for one in gone])
    options = ("--id-property", "id", "--base-url", mock.url)
    ended = run("check", "rows.csv", *options, "--write-mapping", "map.toml", cwd=tmp_path)
    assert (ended.code, '"Record ID" = "hs_object_id"' in (tmp_path / "map.toml").read_text()) == (2, True)
    ended = run("upload", "rows.csv", *options, "--mapping", "map.toml", "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["updated"], ended.summary["rejected"]) == (1, 247, 3)
    ended = run("failures", "rows.csv.checkpoint", "-o", "failed.csv", cwd=tmp_path)
    assert "--id-property hs_object_id" in ended.err
    with (tmp_path / "failed.csv").open(encoding="utf-8", newline="") as file:
        failed = {line["Record ID"]: line["uploader_category"] for line in csv.DictReader(file)}
    assert failed == {one["Record ID"]: "OBJECT_NOT_FOUND" for one in gone}
    held = {one["id"]: one["properties"].get("city") for one in mock.contacts()}
    lost = {one["Record ID"] for one in gone}
    assert held == {row["Record ID"]: None if row["Record ID"] in lost else "Bonn" for row in rows}
    assert {line["hubspot_id"] for line in results(tmp_path) if line["outcome"] == "updated"} == (
        held.keys() - lost
    )
    assert mock.stats()["upserts"] == 0


def test_findings_of_verify_name_the_property_of_the_key(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    rows = [
        {"external_id": "e1", "email": "", "city": "U"},
        {"external_id": "", "email": "b@x.com", "city": "B"},
    ]
    write_csv(tmp_path / "rows.csv", rows)
    options = ("--base-url", mock.url)
    assert run("upload", "rows.csv", "--match", "external_id,email", *options, cwd=tmp_path).code == 0
    mock.change_records(
        [
            {"external_id": "e1", "properties": {"city": "X"}},
            {"email": "b@x.com", "properties": {"city": "X"}},
        ]
    )
    ended = run("verify", "rows.csv.checkpoint", "-o", "found.csv", *options, cwd=tmp_path)
    assert ended.code == 1
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        assert [line["key"] for line in csv.DictReader(file)] == ["e1", "email=b@x.com"]


def test_wrong_key_options_are_reported_in_one_line(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    write_csv(tmp_path / "rows.csv", [{"external_id": "e1", "name": "N", "domain": "x.com"}])
    companies = ("--base-url", mock.url, "--object-type", "companies")
    for options, text in (
        (companies, "--object-type companies: give the unique property"),
        ((*companies, "--id-property", "name"), "choose one of customer_number, domain, external_id"),
        ((*companies, "--id-property", "external_id", "--match", "external_id"), "not both"),
        ((*companies, "--match", "external_id,"), "not a list of properties"),
        ((*companies, "--match", "external_id,customer_number"), "no column is mapped to 'customer_number'"),
    ):
        ended = run("upload", "rows.csv", *options, cwd=tmp_path)
        assert ended.code == 2, ended
        assert text in ended.err
        assert "Traceback" not in ended.err
    assert mock.objects("companies") == []
