"""Which account is written into, and the first rows that go alone: in real processes, with and without a
terminal.
"""

import shlex

import pytest

from support.processes import dialogue, run, start, wait_until

PORTAL = "44237313"
WORKFLOW = {"who": "workflow", "name": "Routing", "property": "hs_lead_status", "value": "OPEN", "share": 0.3}


@pytest.fixture
def production(hubspot_mock):
    return hubspot_mock(scenario={"account": {"account_type": "STANDARD"}, "others": [WORKFLOW]})


@pytest.fixture
def folder(tmp_path):
    rows = "".join(f"c{n}@example.com,F{n}\n" for n in range(700))
    (tmp_path / "a.csv").write_text(f"email,firstname\n{rows}")
    return tmp_path


def at_a_terminal(folder, answers, *arguments):
    """Run a command whose streams are a terminal; type the next answer whenever it asks."""
    left = iter(answers)
    code, seen, _ = dialogue(folder, lambda shown: next(left, None) if "[y/N]" in shown else None, *arguments)
    return code, seen


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_another_account_than_the_one_named_is_not_written_to(folder, production):
    ended = run("upload", "a.csv", "--portal", "123", "--base-url", production.url, cwd=folder)
    assert ended.code == 2, ended
    assert "--portal 123" in ended.err
    assert f"account {PORTAL}" in ended.err
    assert (production.stats()["upserts"], files(folder)) == (0, ["a.csv"])


def test_a_production_account_is_refused_where_the_user_cannot_be_asked(folder, production):
    ended = run("upload", "a.csv", "--base-url", production.url, cwd=folder)
    assert ended.code == 2, ended
    assert f"add --portal {PORTAL} " in ended.err
    assert (production.stats()["upserts"], files(folder)) == (0, ["a.csv"])


def test_a_token_that_may_not_tell_its_account_needs_a_yes(folder, hubspot_mock):
    scenario = {"faults": [{"kind": "status", "status": 403, "endpoint": "account"}]}
    mock = hubspot_mock(scenario={**scenario, "auth": {"scopes": ["crm.objects.contacts.write"]}})
    ended = run("upload", "a.csv", "--base-url", mock.url, cwd=folder)
    assert (ended.code, mock.stats()["upserts"]) == (2, 0), ended
    assert "--portal" in ended.err or "--yes" in ended.err


def test_without_a_terminal_it_ends_after_the_canary_and_says_how_to_go_on(folder, production):
    command = ("upload", "a.csv", "--portal", PORTAL, "--canary-wait", "0", "--base-url", production.url)
    ended = run(*command, "--json", cwd=folder)
    assert ended.code == 3, ended
    assert (ended.summary["state"], ended.summary["created"]) == ("stopped", 100)
    assert "the canary waits for approval" in ended.summary["reason"]
    assert "CHANGED: hs_lead_status by AUTOMATION_PLATFORM 'Routing'" in ended.err
    assert "/record/0-1/" not in ended.err  # records of a mock server have no page in HubSpot
    assert len(production.contacts()) == 100

    status = run("status", "a.csv.checkpoint", cwd=folder)
    assert "waits for approval" in status.out
    assert "with --approve-canary added" in status.out

    (line,) = (line for line in ended.err.splitlines() if line.startswith("to continue: "))
    words = shlex.split(line.removeprefix("to continue: "))
    assert words[0] == "uploader"
    ended = run(*words[1:], cwd=folder)
    assert ended.code == 0, ended
    assert len(production.contacts()) == 700


def test_a_run_says_first_where_it_writes_and_how_much(folder, production):
    ended = run("upload", "a.csv", "--yes", "--skip-unchanged", "--base-url", production.url, cwd=folder)
    assert ended.code == 0, ended
    first, second, *_ = ended.err.splitlines()
    assert first == f"contacts into account {PORTAL} (STANDARD), by email; app.hubspot.com, US/Eastern"
    assert second.startswith(
        "about 700 rows left: at most 14 requests (each batch is read first, and only what differs"
    )


def test_yes_means_no_canary_and_a_number_means_one(folder, production):
    command = ("upload", "a.csv", "--yes", "--canary-wait", "0", "--base-url", production.url)
    assert run(*command, "--canary", "20", cwd=folder).code == 3
    assert len(production.contacts()) == 20
    assert run(*command, "--restart", cwd=folder).code == 0


def test_senseless_numbers_are_refused(folder, production):
    for words in (
        ("--canary", "0"),
        ("--canary", "10", "--no-canary"),
        ("--canary-wait", "-1"),
        ("--portal", "x"),
    ):
        ended = run("upload", "a.csv", "--yes", *words, "--base-url", production.url, cwd=folder)
        assert (ended.code, words[0] in ended.err) == (2, True), ended
    assert production.stats()["upserts"] == 0


def test_at_a_terminal_it_asks_twice(folder, production):
    command = ("upload", "a.csv", "--canary-wait", "0", "--base-url", production.url)
    code, seen = at_a_terminal(folder, ["y\n", "n\n"], *command)
    assert (code, seen.count("[y/N]")) == (3, 2), seen
    assert "by AUTOMATION_PLATFORM 'Routing'" in seen
    assert seen.index("by email") < seen.index("[y/N]")
    assert len(production.contacts()) == 100
    code, seen = at_a_terminal(folder, ["y\n"], *command)
    assert (code, seen.count("[y/N]")) == (0, 1), seen
    assert len(production.contacts()) == 700


def test_killed_while_it_waits_it_is_read_back_by_the_next(folder, production):
    command = ("upload", "a.csv", "--portal", PORTAL, "--base-url", production.url)
    process = start(*command, "--canary-wait", "600", cwd=folder)
    wait_until(lambda: production.stats()["upserts"] == 1, process)
    process.kill()
    process.communicate()
    again = [*command, "--canary-wait", "0"]
    ended = run(*again, cwd=folder)
    assert (ended.code, len(production.contacts())) == (3, 100), ended
    process = start(*again, "--approve-canary", "--rate", "2/1", cwd=folder)
    wait_until(lambda: len(production.contacts()) > 100, process)
    process.kill()
    process.communicate()
    ended = run(*again, cwd=folder)
    assert (ended.code, len(production.contacts())) == (0, 700), ended
    lines = (folder / "a.csv.results.csv").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 701
