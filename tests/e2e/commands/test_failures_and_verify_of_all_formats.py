"""What comes after an upload, of every format: its failures as a file, mended and sent; the job verified."""

import csv
import json
import shlex

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.processes import run
from support.soaked import some

COLUMNS = ("email", "firstname", "renewal_date", "num")
ROWS = [(f"c{n}@example.com", f"Ünal {n}", f"{n % 28 + 1:02}.03.2025", str(n)) for n in range(40)]
BAD = ("nobody", 'Jürgen, "Jo"', "05.04.2025", "7")
ALL = [*ROWS[:20], BAD, *ROWS[20:]]


def write_csv(path, encoding="utf-8", delimiter=",", rows=ALL):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([COLUMNS, *rows])


def write_parquet(path):
    columns = zip(*ALL, strict=True)
    pq.write_table(pa.table(dict(zip(COLUMNS, map(list, columns), strict=True))), path, row_group_size=7)


def write_xlsx(path):
    book = openpyxl.Workbook()
    book.active.append(["email", "other"])
    book.active.append(["x@example.com", "x"])
    sheet = book.create_sheet("Second")
    for row in (COLUMNS, *ALL):
        sheet.append(row)
    book.save(path)


def write_json(path, encoding="utf-8"):
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in ALL]
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding=encoding)


def write_ndjson_of_csv(path):
    """What begins with a bracket, and is CSV all the same."""
    write_csv(path)
    path.write_text("[email],firstname,renewal_date,num" + path.read_text()[len(",".join(COLUMNS)) :])


#: The options for the source, and how it is written.
CASES = {
    "parquet": ((), write_parquet),
    "xlsx": (("--sheet", "Second"), write_xlsx),
    "json": (("--date-order", "DMY"), write_json),
    "json utf-16": (("--date-order", "DMY"), lambda path: write_json(path, "utf-16")),
    "utf-16": ((), lambda path: write_csv(path, "utf-16")),
    "windows-1252": (("--encoding", "windows-1252"), lambda path: write_csv(path, "windows-1252")),
    "delimiter": (("--delimiter", "^"), lambda path: write_csv(path, delimiter="^")),
    "format": (("--format", "csv", "--map", "[email]=email"), write_ndjson_of_csv),
}


def mended_workbook(path):
    """Correct the address of the only row, as a person would in Excel."""
    book = openpyxl.load_workbook(path)
    header, row = book.active.iter_rows()
    for name, cell in zip(header, row, strict=True):
        if name.value in {"email", "[email]"}:
            cell.value = "mended@example.com"
    book.save(path)


def test_a_workbook_of_failures_is_sent_with_the_printed_command(tmp_path, hubspot_mock):
    write_csv(tmp_path / "contacts.csv", "windows-1252", ";")
    mock = hubspot_mock()
    (tmp_path / "job.toml").write_text(
        'source = "contacts.csv"\nencoding = "windows-1252"\ndelimiter = ";"\nformat = "csv"\n'
        f'base_url = "{mock.url}"\nmax_failures = 9\n[columns]\n"num" = "numemployees"\n'
    )
    assert run("upload", "-f", "job.toml", cwd=tmp_path).code == 1
    ended = run("failures", "-f", "job.toml", "-o", "failed.xlsx", cwd=tmp_path)
    assert ended.code == 0, ended
    mended_workbook(tmp_path / "failed.xlsx")
    words = shlex.split(ended.err.splitlines()[-1].partition(": uploader ")[2])
    assert words[:2] == ["upload", "failed.xlsx"]
    again = run(*words, "--json", cwd=tmp_path)
    assert (again.code, again.summary["created"]) == (0, 1), again
    held = {one["email"]: one for one in (c["properties"] for c in mock.contacts())}
    assert held["mended@example.com"]["firstname"] == BAD[1]


@pytest.mark.parametrize(
    "kind",
    some(
        *("parquet", "xlsx", "json utf-16", "delimiter", "format"), soaked=["json", "utf-16", "windows-1252"]
    ),
)
def test_failures_are_written_mended_and_sent_and_the_job_is_verified(tmp_path, hubspot_mock, kind):
    options, write = CASES[kind]
    write(tmp_path / "contacts")
    mock = hubspot_mock()
    more = ("--map", "num=numemployees", "--base-url", mock.url)
    ended = run("upload", "contacts", *options, *more, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["created"], ended.summary["invalid"]) == (1, 40, 1), ended
    ended = run("verify", "contacts.checkpoint", "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["equal"]) == (0, 40), ended
    ended = run("failures", "contacts.checkpoint", "-o", "failed.csv", cwd=tmp_path)
    # The file is in UTF-8, and its few dates tell nothing: the job's order of them is said.
    assert "--date-order" in ended.err
    assert "--encoding" not in ended.err
    with (tmp_path / "failed.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.reader(list(file)[1:], delimiter="^" if kind == "delimiter" else ",")
    assert tuple(row[:4]) == BAD
    mended = (tmp_path / "failed.csv").read_text(encoding="utf-8").replace("nobody", "jo@example.com")
    (tmp_path / "failed.csv").write_text(mended, encoding="utf-8")
    words = shlex.split(ended.err.split("uploader upload failed.csv")[1])
    ended = run("upload", "failed.csv", *words, "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["created"]) == (0, 1), ended
    held = {one["properties"]["email"]: one["properties"] for one in mock.contacts()}
    assert (held["jo@example.com"]["firstname"], held["jo@example.com"]["numemployees"]) == (BAD[1], "7")


def test_sources_of_several_kinds_are_each_read_as_they_were(tmp_path, hubspot_mock):
    write_csv(tmp_path / "a.csv", delimiter=";", rows=ROWS[:10])
    write_csv(tmp_path / "b.csv", encoding="utf-16", delimiter="\t", rows=ROWS[10:20])
    write_json(tmp_path / "c.json")
    mock = hubspot_mock()
    more = ("--map", "num=numemployees", "--date-order", "DMY", "--base-url", mock.url)
    ended = run("upload", "a.csv", "b.csv", "c.json", *more, cwd=tmp_path)
    assert ended.code == 1, ended
    ended = run("verify", "a.csv.checkpoint", "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["contacts"], ended.summary["equal"]) == (0, 40, 40), ended


def test_the_command_for_failures_repeats_the_write_policy(tmp_path, hubspot_mock):
    """Else the mended rows would overwrite what the job had to leave."""
    write_csv(tmp_path / "a.csv")
    mock = hubspot_mock()
    options = ("--write", "fill", "--create-only", "firstname", "--only-new", "--on-duplicate", "first")
    more = ("--map", "num=numemployees", "--base-url", mock.url)
    ended = run("upload", "a.csv", *options, *more, cwd=tmp_path)
    assert ended.code == 1, ended
    ended = run("failures", "a.csv.checkpoint", "-o", "failed.csv", cwd=tmp_path)
    for words in ("--write fill", "--create-only firstname", "--only-new", "--on-duplicate first"):
        assert words in ended.err
