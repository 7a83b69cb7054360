"""`uploader undo` as a user runs it: real processes, killed on the way, over real sockets."""

import csv
import os
import pty
import stat
import subprocess
import sys

import pytest

from support.processes import environment, holding, kill, run, start, wait_until

CHECKPOINT = "contacts.csv.checkpoint"


def write(path, count) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("email", "city", "lifecyclestage"))
        lines.writerows((f"c{number}@example.com", "Ulm", "opportunity") for number in range(count))


def uploaded(folder, hubspot_mock, count, held, **options):
    """A mock server after a job with a snapshot, and what it held before."""
    write(folder / "contacts.csv", count)
    people = [
        {"properties": {"email": f"c{n}@example.com", "city": f"Old {n}", "lifecyclestage": "lead"}}
        for n in range(held)
    ]
    mock = hubspot_mock(quota="100000/10", **options)
    mock.reset(people)
    before = state(mock)
    ended = run("upload", "contacts.csv", "--snapshot", "--yes", *fast(mock), cwd=folder)
    assert ended.code == 0, ended
    return mock, before


def fast(mock) -> tuple[str, ...]:
    return ("--base-url", mock.url, "--rate", "1000/1")


def state(mock) -> dict[str, dict[str, str]]:
    live = (one for one in mock.contacts() if not one["archived"])
    return {one["id"]: {name: text for name, text in one["properties"].items() if text} for one in live}


@pytest.mark.soak
def test_killed_and_taken_up_it_leaves_the_account_as_before_but_for_what_others_touched(
    tmp_path, hubspot_mock
):
    mock, before = uploaded(tmp_path, hubspot_mock, 1_200, 600, latency_seconds=0.05)
    mock.change_records(
        update=[
            {"email": "c7@example.com", "properties": {"city": "Trier"}},
            {"email": "c800@example.com", "properties": {"phone": "1"}},
        ],
        archive=["c8@example.com"],
    )
    held = state(mock)
    undo = ("undo", CHECKPOINT, *fast(mock), "--max-in-flight", "2", "--json", "--yes")
    dry_run = run(*undo, "--dry-run", cwd=tmp_path)
    assert (dry_run.code, state(mock)) == (1, held), dry_run
    for more in (12, 30):
        before_it = mock.stats()["requests"]
        mock.change_scenario(holding(more + 8, endpoint="any"))
        process = start(*undo, cwd=tmp_path)
        wait_until(lambda least=before_it + more: mock.stats()["requests"] > least, process)
        kill(process)
    mock.change_scenario({})
    ended = run(*undo, cwd=tmp_path)
    assert ended.code == 1, ended
    names = ("contacts", "archived", "restored", "as_before", "kept", "gone", "failed", "alias", "left")
    expected = dict(zip(names, (1_200, 599, 598, 0, 2, 1, 0, 0, 0), strict=True))
    assert {name: ended.summary[name] for name in names} == expected
    assert {name: dry_run.summary[name] for name in names} == expected
    after = state(mock)
    ids = {one["properties"]["email"]: one["id"] for one in mock.contacts()}
    created = ids["c800@example.com"]
    assert after[created] == held[created]
    assert after.keys() - before.keys() == {created}
    changed = ids["c7@example.com"]
    assert after[changed] == {**before[changed], "city": "Trier"}
    rest = before.keys() - {changed, ids["c8@example.com"]}
    assert {one: after[one] for one in rest} == {one: before[one] for one in rest}
    listed = tmp_path / "contacts.csv.kept.csv"
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / f"{CHECKPOINT}.undo").stat().st_mode) == 0o600
    with listed.open(encoding="utf-8", newline="") as file:
        lines = {line["key"]: line for line in csv.DictReader(file)}
    assert {key: (line["outcome"], line["property"], line["now"]) for key, line in lines.items()} == {
        "c7@example.com": ("kept", "city", "Trier"),
        "c8@example.com": ("gone", "", ""),
        "c800@example.com": ("kept", "phone", "1"),
    }
    assert "example.com" not in ended.err
    dry_run = run(*undo, "--dry-run", cwd=tmp_path)
    assert dry_run.summary["as_before"] > 1_150
    assert "the job was undone" in dry_run.err
    assert 'counted above as "unchanged: nothing to do"' in dry_run.err
    verified = run("verify", CHECKPOINT, *undo[2:-1], cwd=tmp_path)
    assert verified.summary["undone"]["archived"] == ended.summary["archived"]
    assert "the job was undone" in verified.err.partition("missing")[0]
    assert "are to be expected: the job was undone" in verified.err
    for verb in ("check", "preview"):
        words = run(verb, "contacts.csv", *fast(mock), cwd=tmp_path)
        assert " --restart --snapshot" in words.out + words.err, words


def test_contacts_that_people_have_worked_with_are_kept_until_archive_touched_is_said(tmp_path, hubspot_mock):
    mock, before = uploaded(tmp_path, hubspot_mock, 6, 2)
    scopes = ["oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.deals.read"]
    rules = {"sensitive_definitions": "refused"}
    mock.change_scenario({"auth": {"scopes": scopes}, "rules": rules})
    mock.change_records(associate=[{"email": "c3@example.com", "to": "notes", "ids": [1, 2]}])
    undo = ("undo", CHECKPOINT, *fast(mock), "--yes")
    ended = run(*undo, cwd=tmp_path)
    assert (ended.code, len(state(mock))) == (1, 6)
    unknown = "it is unknown whether tickets are associated with it: the token lacks the scope tickets"
    assert f"3  kept: the whole record: {unknown}" in ended.err
    assert "4 contacts that the job created are kept, because others" in ended.err
    assert "if the token lacks a scope, grant it, then run this command again with --restart" in ended.err
    mock.change_scenario({"auth": {"scopes": [*scopes, "tickets"]}, "rules": rules})
    ended = run(*undo, "--restart", cwd=tmp_path)
    assert ended.code == 1
    assert "1  kept: the whole record: 2 notes are associated with it" in ended.err
    assert "1 contact that the job created is kept, because others" in ended.err
    assert "lacks a scope" not in ended.err
    assert "crm.objects.contacts.sensitive.read.v2" in ended.err  # others may have filled what it hides
    with (tmp_path / "contacts.csv.kept.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["key"], line["property"], line["why"]) == (
        "c3@example.com",
        "",
        "2 notes are associated with it",
    )
    ended = run(*undo, "--archive-touched", "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["archived"], ended.summary["kept"]) == (0, 4, 0)
    assert state(mock) == before


def test_rows_without_a_snapshot_are_counted_listed_and_told(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", 50)
    mock = hubspot_mock(quota="100000/10")
    upload = ("upload", "contacts.csv", "--yes", *fast(mock))
    assert run(*upload, "--canary", "10", "--canary-wait", "0", cwd=tmp_path).code == 3
    changed = ("--snapshot", "--accept-changed-settings", "--approve-canary")
    assert run(*upload, *changed, cwd=tmp_path).code == 0
    undo = ("undo", CHECKPOINT, *fast(mock), "--yes")
    dry_run = run(*undo, "--dry-run", cwd=tmp_path)
    assert dry_run.code == 1
    assert (
        "written without --snapshot, so not undone: 10 rows (among the rows 1 to 10, counted" in dry_run.out
    )
    ended = run(*undo, "--json", cwd=tmp_path)
    assert ended.code == 1, ended
    names = ("contacts", "archived", "rows_without_snapshot", "rows_perhaps_without_snapshot")
    assert [ended.summary[name] for name in names] == [40, 40, 10, 0]
    assert ended.summary["without_snapshot_unknown"] == ""
    assert len(state(mock)) == 10
    with (tmp_path / "contacts.csv.kept.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert sorted((int(line["row"]), line["key"], line["source"]) for line in lines) == [
        (number + 2, f"c{number}@example.com", "1") for number in range(10)
    ]
    assert {line["outcome"] for line in lines} == {"no snapshot"}
    assert {line["hubspot_id"] for line in lines} == state(mock).keys()
    status = run("status", CHECKPOINT, cwd=tmp_path)
    assert "written without --snapshot, so not undone: 10 rows" in status.out
    assert run("status", CHECKPOINT, "--json", cwd=tmp_path).summary["undone"]["rows_without_snapshot"] == 10


def test_without_a_results_file_the_rows_without_a_snapshot_are_told_by_their_places(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", 50)
    mock = hubspot_mock(quota="100000/10")
    upload = ("upload", "contacts.csv", "--yes", "--no-results", *fast(mock))
    assert run(*upload, "--canary", "10", "--canary-wait", "0", cwd=tmp_path).code == 3
    changed = ("--snapshot", "--accept-changed-settings", "--approve-canary")
    assert run(*upload, *changed, cwd=tmp_path).code == 0
    ended = run("undo", CHECKPOINT, *fast(mock), "--yes", cwd=tmp_path)
    assert ended.code == 1
    assert "10 rows (among the rows 1 to 10, counted" in ended.out
    assert "10 rows without a snapshot cannot be listed: the results file does not list them" in ended.err
    assert not (tmp_path / "contacts.csv.kept.csv").exists()


def test_a_production_account_needs_yes_where_the_user_cannot_be_asked(tmp_path, hubspot_mock):
    scenario = {"account": {"account_type": "STANDARD"}}
    mock, before = uploaded(tmp_path, hubspot_mock, 20, 10, scenario=scenario)
    held = state(mock)
    refused = run("undo", CHECKPOINT, *fast(mock), cwd=tmp_path)
    assert (refused.code, state(mock)) == (2, held)
    assert "--dry-run, then add --yes" in refused.err
    assert run("undo", CHECKPOINT, *fast(mock), "--dry-run", cwd=tmp_path).code == 0
    assert run("undo", CHECKPOINT, *fast(mock), "--yes", cwd=tmp_path).code == 0
    assert state(mock) == before


def test_undo_on_a_terminal_asks_before_it_writes(tmp_path, hubspot_mock):
    mock, before = uploaded(tmp_path, hubspot_mock, 20, 10)
    held = state(mock)

    def answered(word: bytes) -> tuple[int, str]:
        master, slave = pty.openpty()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "uploader", "undo", CHECKPOINT, *fast(mock)],
                cwd=tmp_path,
                env=environment(),
                stdin=slave,
                stdout=subprocess.PIPE,
                stderr=slave,
            )
            printed = b""
            while b"[y/N]" not in printed:
                printed += os.read(master, 1_000)
            os.write(master, word + b"\n")
            process.communicate(timeout=60)
            return process.returncode, printed.decode()
        finally:
            os.close(master)
            os.close(slave)

    code, question = answered(b"no")
    assert (code, state(mock)) == (2, held)
    assert "archive up to 10 records that the job created, and restore values of up to 10 others" in question
    assert (answered(b"y")[0], state(mock)) == (0, before)


def test_another_account_no_snapshot_and_a_foreign_list(tmp_path, hubspot_mock):
    mock, _ = uploaded(tmp_path, hubspot_mock, 4, 2)
    other = hubspot_mock(scenario={"account": {"portal_id": 77}})
    ended = run("undo", CHECKPOINT, *fast(other), "--yes", cwd=tmp_path)
    assert ended.code == 2
    assert "belongs to account 44237313, this token to account 77" in ended.err
    ended = run("undo", CHECKPOINT, *fast(mock), "--yes", "-o", "contacts.csv", cwd=tmp_path)
    assert (ended.code, "is no list of what was kept" in ended.err) == (2, True)
    ended = run("undo", "contacts.csv", *fast(mock), "--yes", cwd=tmp_path)
    assert (ended.code, "only a job that was run with --snapshot can be undone" in ended.err) == (2, True)
