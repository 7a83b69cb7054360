"""What a program gets is what the command prints: the same account, by both."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import uploader
from support.jobs import write_csv
from support.processes import TOKEN, run
from uploader import check_sync, failures_sync, preview_sync, undo_sync, upload_sync, verify_sync

#: What time, and the requests so far, make of a report.
PASSING = {"elapsed_seconds", "requests", "day_left", "ends_at", "seconds", "chain_seconds"}


def lasting(value):
    """The report without what passes."""
    if isinstance(value, dict):
        return {name: lasting(one) for name, one in value.items() if name not in PASSING}
    return [lasting(one) for one in value] if isinstance(value, list | tuple) else value


def test_a_program_gets_what_the_commands_print(tmp_path, hubspot_mock, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    hubspot = hubspot_mock(quota="1000/10")
    rows = [{"email": f"a{number}@example.com", "city": "Ulm"} for number in range(20)]
    write_csv(tmp_path / "a.csv", [*rows, {"email": "nobody", "city": "Bonn"}])
    same = {"token": TOKEN, "base_url": hubspot.url}
    at = ("--base-url", hubspot.url)

    def printed(*words):
        return lasting(json.loads(run(*words, *at, "--json", cwd=tmp_path).out))

    def got(report):
        assert report.ok == (report.exit_code == 0)
        return lasting(report.as_dict())

    assert got(check_sync("a.csv", **same)) == printed("check", "a.csv")
    assert got(preview_sync("a.csv", rows=3, **same)) == printed("preview", "a.csv", "--rows", "3")

    assert upload_sync("a.csv", snapshot=True, max_failures=5, add_to_list="New", **same).created == 20
    job = "a.csv.checkpoint"
    assert run("failures", job, "-o", "f.ndjson", cwd=tmp_path).code == 0
    lines = [json.loads(line) for line in (tmp_path / "f.ndjson").read_text().splitlines()]
    assert [row.as_dict() for row in failures_sync(job)] == lines

    hubspot.change_records(update=[{"email": "a1@example.com", "properties": {"city": "Bern"}}])
    verified = verify_sync(job, **same)
    listed = verified.output.read_text()
    assert got(verified) == printed("verify", job)
    assert verified.output.read_text() == listed

    assert got(undo_sync(job, dry_run=True, **same)) == printed("undo", job, "--dry-run")
    undone = got(undo_sync(job, **same))
    assert (undone["archived"], undone["kept"], undone["list"]["removed"]) == (19, 1, 20)
    assert got(verify_sync(job, **same)) == printed("verify", job)
    assert capfd.readouterr() == ("", "")


@pytest.mark.soak
def test_a_program_is_checked_by_mypy(tmp_path):
    """Keywords, their types and the types of reports: mypy knows them, and finds each mistake."""
    good = tmp_path / "good.py"
    good.write_text(GOOD)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    place = {**os.environ, "MYPYPATH": str(Path(uploader.__file__).parents[1])}
    ended = subprocess.run(
        [*command, good, wrong], capture_output=True, text=True, check=False, cwd=tmp_path, env=place
    )
    found = {
        (name, int(number))
        for name, number, kind in (
            line.split(":", 3)[:3] for line in ended.stdout.splitlines() if ".py:" in line
        )
        if kind == " error"
    }
    marked = {number for number, line in enumerate(WRONG.splitlines(), 1) if "# wrong" in line}
    assert found == {("wrong.py", number) for number in marked}, ended.stdout


GOOD = """
import ssl
from uploader import (
    Account, CheckReport, FailedRow, OAuth, OnDuplicate, Options, PreviewReport, Quota, Reserve, Row, Rows,
    Summary, Suppression, TokenFile, UndoOutcome, UndoReport, Uploader, Verdict, VerifyReport, check,
    failures, failures_sync, preview, undo, upload, upload_sync, verify, verify_sync,
)

SHARED: Options = {"token": "t", "map": {"Born": "date_of_birth"}, "set": {"source": "shop"}}


def approve(account: Account, rows: int | None) -> bool:
    return account.portal == "1" and bool(rows)


async def main() -> None:
    summary: Summary = await upload("a.csv", **SHARED)
    await upload("a.csv", checkpoint="a", yes=True, approve=approve, rate="100/10")
    await upload(
        Rows([{"email": "a"}]), token="t", rate=Quota(1, 1.0), daily_reserve=Reserve(1), share=0.5,
        on_duplicate=OnDuplicate.FIRST, suppress=Suppression.of(["a@b.com"]), ignore=["a"], only="b",
        blank_value={"a": ["n/a"]}, date_order="DMY", associate={"a": "companies.x"},
        ssl=ssl.create_default_context(),
        format="csv", tolerate=5, options={"a": "label"}, values={"a": {"b": "c"}}, max_duration="2h",
    )
    await upload("a.csv", oauth=OAuth("a", "b", "c"))
    checked: CheckReport = await check("a.csv", token_file=TokenFile("t"), sample=5)
    previewed: PreviewReport = await preview("a.csv", rows=5, token="t")
    verified: VerifyReport = await verify("a.csv.checkpoint", token="t", source=["b.csv"])
    undone: UndoReport = await undo("a.csv.checkpoint", token="t", dry_run=True, approve=approve)
    count: int = verified.counts[Verdict.EQUAL] + undone.counts[UndoOutcome.KEPT] + summary.created
    texts: list[str] = [*checked.problems, previewed.reason, str(count)]
    rows: list[FailedRow] = [row async for row in failures("a.csv.checkpoint", kind="transient")]
    async with Uploader(SHARED, portal=1, snapshot=True) as job:
        async for row in job.run("a.csv"):
            texts.append(row.key)
    print(rows, texts)


def without_a_loop() -> None:
    summary: Summary = upload_sync("a.csv", token="t", no_results=True)
    report: VerifyReport = verify_sync("a.csv.checkpoint", token="t", sample=5)
    print(summary.ok, report.ok, [row.cells for row in failures_sync("a.csv.checkpoint")])
"""

WRONG = """
from uploader import check, failures, undo, upload, upload_sync, verify


async def main() -> None:
    await upload("a.csv", tokn="t")  # wrong
    await upload("a.csv", token=5)  # wrong
    await upload("a.csv", mapped={"a": "b"})  # wrong
    await upload("a.csv", format="xml")  # wrong
    await upload("a.csv", snapshot="yes")  # wrong
    await upload("a.csv", ssl=True)  # wrong
    await check("a.csv", canary="5")  # wrong
    await verify("a.checkpoint", map={})  # wrong
    await undo("a.checkpoint", dry_run="yes")  # wrong
    upload_sync("a.csv", tokn="t")  # wrong
    (await check("a.csv")).nothing  # wrong
    [row async for row in failures("a.checkpoint", kind="some")]  # wrong
"""
