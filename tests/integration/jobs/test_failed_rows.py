"""What `failures` makes of a job's dead letters."""

import csv
import json
import sys
from pathlib import Path

import openpyxl
import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.cli import main
from uploader.cli.commands.failures import failures_command, top_reasons, unused
from uploader.cli.commands.upload import _report
from uploader.pipeline.failure_limits import FailureLimit


def listed(capsys, source, *options: str) -> list[dict[str, str]]:
    assert main.run(["failures", f"{source}.checkpoint", *options]) == 0
    return list(csv.DictReader(capsys.readouterr().out.splitlines()))


def test_those_that_may_pass_as_they_are_are_parted_from_those_to_be_mended(tmp_path, capsys):
    rows = [*contacts(150), {"email": "nobody"}, {"email": ""}]
    faults = [
        {"kind": "status", "status": 500, "keys": ["c3@example.com"]},
        {"kind": "reject", "keys": ["c7@example.com"]},
    ]
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, make_simulator(quota="none", faults=faults)).run_virtual()
    found = {
        kind: [
            (line["uploader_row"], line["uploader_outcome"])
            for line in listed(capsys, source, "--kind", kind)
        ]
        for kind in ("transient", "permanent", "all")
    }
    assert found["transient"] == [("5", "abandoned")]
    assert found["permanent"] == [("9", "rejected"), ("152", "invalid"), ("153", "invalid")]
    assert sorted(found["all"]) == sorted(found["transient"] + found["permanent"])


def test_of_several_of_one_key_that_all_failed_each_is_sent_again_in_order(tmp_path, capsys):
    rows = contacts(120)
    rows[10] = {"email": "c5@example.com", "firstname": "second"}
    rows[20] = {"email": "C5@example.com", "firstname": "third"}
    simulator = make_simulator(quota="none", faults=[{"kind": "reject", "keys": ["c5@example.com"]}])
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, simulator).run_virtual()
    letters = listed(capsys, source, "--kind", "permanent")
    assert [(one["uploader_row"], one["uploader_superseded"], one["firstname"]) for one in letters] == [
        ("7", "", "F5"),
        ("12", "", "second"),
        ("22", "", "third"),
    ]


def test_strangers_that_share_a_key_which_is_none_all_arrive_once_it_is_mended(tmp_path, capsys):
    rows = [*contacts(100), *({"email": "n/a", "firstname": f"stranger {i}"} for i in range(14))]
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, make_simulator(quota="none")).run_virtual()
    letters = listed(capsys, source)
    for number, letter in enumerate(letters):
        letter["email"] = f"s{number}@example.com"
    mended, simulator = write_csv(tmp_path / "mended.csv", letters), make_simulator(quota="none")
    summary = Job(mended, simulator).run_virtual()
    assert summary.exit_code == 0
    assert summary.tallies.confirmed == len(list(simulator.objects(1e9, "contacts"))) == 14


@pytest.mark.parametrize(
    ("encoding", "delimiter", "mark"),
    [
        ("utf-8", ";", False),
        ("utf-8-sig", ";", True),
        ("windows-1252", ";", True),
        ("utf-8", "\t", False),
        ("utf-8", "^", False),
    ],
)
def test_its_file_is_spelled_as_the_source_was(tmp_path, capsys, encoding, delimiter, mark):
    rows = ["email|firstname", "nobody|M\u00fcller, Ann", "a@example.com|B"]
    source = tmp_path / "contacts.csv"
    source.write_text("\n".join(rows).replace("|", delimiter), encoding=encoding)
    encoding_option = {"encoding": encoding} if encoding == "windows-1252" else {}
    odd = {"delimiter": delimiter} if delimiter == "^" else {}
    Job(source, make_simulator(quota="none"), {**encoding_option, **odd}).run_virtual()
    output = tmp_path / "failed.csv"
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(output)]) == 0
    assert ("--delimiter ^" in capsys.readouterr().err.replace("'", "")) == bool(odd)
    assert output.read_bytes().startswith(b"\xef\xbb\xbf") == mark
    text = output.read_text(encoding="utf-8-sig")
    assert text.startswith(f"email{delimiter}firstname{delimiter}uploader_row{delimiter}")
    output.write_text(text.replace("nobody", "m@example.com", 1), encoding="utf-8-sig" if mark else "utf-8")
    again = Job(output, make_simulator(quota="none"), odd)
    assert again.run_virtual().exit_code == 0
    assert again.held()["m@example.com"]["firstname"] == "M\u00fcller, Ann"


def test_it_names_all_that_is_wrong_with_its_row(tmp_path, capsys):
    rows = [{"email": "nobody", "firstname": "A", "tier": "platinum"}]
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, make_simulator(quota="none")).run_virtual()
    (letter,) = listed(capsys, source)
    assert set(letter["uploader_message"].split("; ")) == {
        "'nobody' is not an e-mail address",
        "tier: 'platinum' is not an option of the property",
    }


def test_the_reasons_that_are_named_add_up(tmp_path):
    columns = ("email", "renewal_date", "last_seen", "score", "vip", "tier", "hubspot_owner_id")
    good = ("2024-01-31", "2024-01-31T10:00:00Z", "1", "true", "gold", "41629779")
    rows = [dict(zip(columns, ("a@example.com", *good), strict=True))]
    for place, column in enumerate(columns):
        for number in range(place + 1):
            rows.append({**rows[0], "email": f"{column}{number}@example.com", column: "x"})
    source = write_csv(tmp_path / "contacts.csv", rows, columns)
    summary = Job(
        source, make_simulator(quota="none"), {"max_failures": FailureLimit(count=100)}
    ).run_virtual()
    reasons = top_reasons(source.with_name("contacts.csv.checkpoint"))
    assert sum(count for _, count in reasons) == summary.tallies.failed == 28
    assert reasons[-1] == ("further rows, for 2 other reasons", 3)


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_reasons_of_failed_rows_that_fail_again_are_shown_as_at_first(tmp_path, ending):
    """Their file holds the former reasons, which are the same texts and no values of people."""
    rows = [{"email": f"c{n}@example.com", "tier": "platinum"} for n in range(3)]
    limits = {"max_failures": FailureLimit(count=100)}
    source, job = write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none")
    Job(source, job, limits).run_virtual()
    again = tmp_path / f"again.{ending}"
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(again)]) == 0
    Job(again, job, limits).run_virtual()
    first, second = (top_reasons(tmp_path / f"{one.name}.checkpoint") for one in (source, again))
    assert first == second == [("invalid: tier: ... is not an option of the property", 3)]
    page = tmp_path / "page.html"
    assert main.run(["report", f"{again}.checkpoint", "-o", str(page)]) == 0
    assert "tier: ... is not an option of the property" in page.read_text()


def test_an_apostrophe_in_the_name_of_a_column_shows_no_value(tmp_path):
    columns = ("email", "Manager's tier")
    rows = [{"email": "a@example.com", "Manager's tier": "Eve Smith's own"}]
    source = write_csv(tmp_path / "contacts.csv", rows, columns)
    mapped = {"mapped": {"Manager's tier": "tier"}, "max_failures": FailureLimit(count=100)}
    Job(source, make_simulator(quota="none"), mapped).run_virtual()
    ((reason, count),) = top_reasons(source.with_name("contacts.csv.checkpoint"))
    assert (reason, count) == ("invalid: Manager's tier: ... is not an option of the property", 1)


def test_a_second_file_of_failures_is_still_called_so(tmp_path):
    first = tmp_path / "contacts.failures.csv"
    assert unused(first) == first
    first.touch()
    assert unused(first).name == "contacts.failures-2.csv"
    unused(first).touch()
    assert (
        unused(first).name == unused(tmp_path / "contacts.failures-2.csv").name == "contacts.failures-3.csv"
    )


def write_ndjson(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"email": "a@x.com", "phone": ["1", ["2"]]}, "row 2 holds a list or an object in 'phone'"),
        ({"email": "a@x.com", "phone": {"home": "1"}}, "row 2 holds a list or an object in 'phone'"),
        (
            {"idProperty": "crm_id", "id": "5", "properties": {"email": "nobody", "firstname": "A"}},
            "row 2 has its own idProperty",
        ),
    ],
)
def test_a_row_that_cells_would_make_another_one_of_is_written_as_ndjson_alone(
    tmp_path, capsys, row, message
):
    """Taken back from a CSV, a list would be a text, and the record would be looked for by another key."""
    source = write_ndjson(tmp_path / "c.ndjson", [*contacts(1), row])
    simulator = make_simulator(quota="none", properties=[{"name": "crm_id", "unique": True}])
    simulator.change_scenario(simulator.scenario)
    Job(source, simulator, {"max_failures": FailureLimit(count=9)}).run_virtual()
    checkpoint, output = f"{source}.checkpoint", tmp_path / "mend.csv"
    assert main.run(["failures", checkpoint, "-o", str(output)]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()
    assert main.run(["failures", checkpoint, "-o", str(output), "--spreadsheet-safe"]) == 0
    assert main.run(["failures", checkpoint, "-o", str(tmp_path / "mend.ndjson")]) == 0
    (line,) = (tmp_path / "mend.ndjson").read_text(encoding="utf-8").splitlines()
    assert row.items() <= json.loads(line).items()


@pytest.mark.parametrize(
    ("decimals", "texts", "wanted"),
    [
        ({"num": ","}, ["12,5", 1.125, 1.5], [None, None, "1.5"]),
        ({"": ","}, ["12,5", 1.125, 1.5], [None, None, "1.5"]),
        ({}, ["12,5", 1.125, 1.5], ["12.5", "1.125", "1.5"]),  # CSV would be found to have decimal commas
    ],
)
def test_a_number_with_a_point_among_decimal_commas_is_written_as_ndjson_alone(
    tmp_path, capsys, decimals, texts, wanted
):
    """Taken back from a CSV of decimal commas, 1.125 would be 1125."""
    keys = [f"c{number}@x.com" for number in range(3)]
    source = write_ndjson(
        tmp_path / "c.ndjson", [{"email": key, "num": text} for key, text in zip(keys, texts, strict=True)]
    )
    number = {"name": "num", "type": "number"}
    refused = [{"kind": "reject", "keys": keys if not decimals else keys[1:]}]
    simulator = make_simulator(quota="none", faults=refused, properties=[number])
    Job(source, simulator, {"decimals": decimals}).run_virtual()
    checkpoint, output = f"{source}.checkpoint", tmp_path / "mend.csv"
    assert main.run(["failures", checkpoint, "-o", str(output)]) == 2
    assert "has a number with a point in 'num', a column of decimal commas" in capsys.readouterr().err
    assert failures_command(Path(checkpoint)).endswith(".failures.ndjson")
    assert main.run(["failures", checkpoint, "-o", str(output.with_suffix(".ndjson"))]) == 0
    again = Job(output.with_suffix(".ndjson"), make_simulator(quota="none", properties=[number]))
    again.run_virtual(decimals=decimals)
    held = again.held()
    assert [held.get(key, {}).get("num") for key in keys] == wanted


@pytest.mark.parametrize(
    ("decimals", "number"), [({}, 1.125), ({"num": "."}, 1.5), ({"num": ","}, 1000), ({"other": ","}, 1.5)]
)
def test_a_number_that_csv_does_not_change_is_written_as_csv(tmp_path, decimals, number):
    source = write_ndjson(tmp_path / "c.ndjson", [{"email": "c@x.com", "num": number, "other": "1"}])
    properties = [{"name": "num", "type": "number"}, {"name": "other", "type": "number"}]
    refused = [{"kind": "reject", "keys": ["c@x.com"]}]
    simulator = make_simulator(quota="none", faults=refused, properties=properties)
    Job(source, simulator, {"decimals": decimals}).run_virtual()
    assert failures_command(Path(f"{source}.checkpoint")).endswith(".failures.csv")
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(tmp_path / "mend.csv")]) == 0


def workbook_rows(path) -> list[dict[str, str]]:
    header, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_a_workbook_of_failed_rows_is_sent_again_in_order_once_it_is_mended(tmp_path, capsys):
    """Rows of one key and of several categories: the last one is what the record holds in the end."""
    rows = [{**one, "city": "", "renewal_date": ""} for one in contacts(120)]
    rows[10] = {"email": "c5@example.com", "firstname": "=1+1", "city": "00123"}
    rows[20] = {"email": "C5@example.com", "firstname": "third", "city": "Rome", "renewal_date": "2025-02-30"}
    rows[30] = {"email": "c5@@example.com", "firstname": "fourth"}
    faults = [{"kind": "reject", "keys": ["c5@example.com"]}]
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, make_simulator(quota="none", faults=faults)).run_virtual()
    output = tmp_path / "failed.xlsx"
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(output)]) == 0
    assert "4 failed rows" in capsys.readouterr().err
    found = workbook_rows(output)
    assert list(found[0])[:3] == ["uploader_category", "uploader_message", "uploader_outcome"]
    assert [(one["uploader_row"], one["firstname"]) for one in found] == [
        *(("7", "F5"), ("12", "=1+1"), ("22", "third"), ("32", "fourth")),
    ]
    book = openpyxl.load_workbook(output)
    header = [cell.value for cell in book.active[1]]
    book.active.cell(4, header.index("renewal_date") + 1).value = "2025-02-28"
    book.active.cell(5, header.index("email") + 1).value = "c5@example.com"
    book.save(output)
    again = Job(output, make_simulator(quota="none"))
    assert again.run_virtual().exit_code == 0
    assert again.held()["c5@example.com"].items() >= {"firstname": "fourth", "city": "Rome"}.items()


def test_columns_without_a_name_are_none_in_a_workbook_either(tmp_path):
    source = tmp_path / "contacts.csv"
    source.write_text("email,,firstname,\nnobody,,A,\na@x.com,stray,B,\n")
    Job(source, make_simulator(quota="none"), {"max_failures": FailureLimit(count=9)}).run_virtual()
    output = tmp_path / "failed.xlsx"
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(output)]) == 0
    again = Job(output, make_simulator(quota="none"), {"max_failures": FailureLimit(count=9)})
    again.run_virtual()
    assert again.outcomes() == {2: "invalid", 3: "invalid"}


@pytest.mark.parametrize("text", ["1.250", "1234.5"])
def test_a_text_that_a_workbook_would_make_another_number_of_is_refused(tmp_path, capsys, text):
    """In a column of decimal commas it is 1250 or no number; a workbook has numbers of its own."""
    source = write_csv(
        tmp_path / "c.csv", [{"email": "c@x.com", "num": text}, {"email": "d@x.com", "num": "1,5"}]
    )
    refused = [{"kind": "reject", "keys": ["c@x.com", "d@x.com"]}]
    simulator = make_simulator(quota="none", faults=refused, properties=[{"name": "num", "type": "number"}])
    options = {"max_failures": FailureLimit(count=9), "decimals": {"num": ","}}
    Job(source, simulator, options).run_virtual()
    output = tmp_path / "failed.xlsx"
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(output)]) == 2
    assert "Excel cannot express; use -o FILE.csv" in capsys.readouterr().err
    assert not output.exists()


def test_rows_that_no_cell_holds_are_refused_in_a_workbook_as_in_csv(tmp_path, capsys):
    rows = [{"email": "nobody", "phone": ["1", ["2"]]}, {"email": "nobody", "address": "x" * 40_000}]
    for place, message in enumerate(
        ["holds a list or an object in 'phone'", "has a text of 40,000 characters"]
    ):
        source = write_ndjson(tmp_path / f"{place}.ndjson", [rows[place]])
        Job(source, make_simulator(quota="none"), {"max_failures": FailureLimit(count=9)}).run_virtual()
        assert main.run(["failures", f"{source}.checkpoint", "-o", str(tmp_path / "failed.xlsx")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "failed.xlsx").exists()


def test_without_openpyxl_one_line_says_what_is_missing(tmp_path, capsys, monkeypatch):
    source = write_csv(tmp_path / "contacts.csv", [{"email": "nobody"}])
    Job(source, make_simulator(quota="none")).run_virtual()
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(tmp_path / "failed.xlsx")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the extra `xlsx`" in line
    assert not (tmp_path / "failed.xlsx").exists()


def test_before_a_job_has_ended_no_file_of_its_failures_is_proposed_for_upload(tmp_path, capsys):
    """Row 2 has failed; of the same contact a row is still to come, and would be overwritten by it."""
    rows = [{"email": "a@x.badtld", "firstname": "old"}, *contacts(3_000)]
    source = write_csv(tmp_path / "contacts.csv", rows)
    job = Job(source, make_simulator(latency_seconds=0.5))
    stopped = job.run_virtual(stop_after=3.0)
    assert stopped.state == "stopped"
    _report(stopped, job.settings(), [], as_json=False)
    assert "to look at the failed rows (1): uploader failures" in capsys.readouterr().err
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(tmp_path / "early.csv")]) == 0
    message = capsys.readouterr().err
    assert "the job has not ended" in message
    assert "uploader upload" not in message
    ended = job.run_virtual()
    _report(ended, job.settings(), [], as_json=False)
    assert "to correct the failed rows (1): uploader failures" in capsys.readouterr().err
    assert main.run(["failures", f"{source}.checkpoint", "-o", str(tmp_path / "late.csv")]) == 0
    assert "uploader upload" in capsys.readouterr().err
