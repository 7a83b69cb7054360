"""`migrate`: three objects in one plan, killed again and again."""

import json
import random
import re
import signal
import stat
from functools import partial
from pathlib import Path

import pytest

import uploader
from support.jobs import write_csv
from support.processes import (
    TOKEN,
    at_a_terminal,
    dialogue,
    end,
    environment,
    holding,
    kill,
    run,
    start,
    wait_until,
)
from uploader.plans.record_file import RecordFile
from uploader.system.private_files import Lock

NAMES = ("companies", "contacts", "deals")
COUNTS = {"companies": 150, "contacts": 450, "deals": 150}
#: To records of an earlier and of a later step.
LINKS = {"contacts": ("companies", "Company"), "companies": ("deals", "Deal")}
#: Small batches of work, so that a process can be killed within a step.
FAST = ("--rate", "100000/10")


def write_plan(folder, url, *, more="", of_deals="", counts=COUNTS):
    for name in NAMES:
        rows = [{"external_id": f"{name}{i}", "Title": f"N{i}"} for i in range(counts[name])]
        if links := LINKS.get(name):
            other, column = links
            rows = [{**row, column: f"{other}{i % counts[other]}"} for i, row in enumerate(rows)]
        write_csv(folder / f"{name}.csv", rows)
    titles = {"companies": "name", "contacts": "lastname", "deals": "dealname"}
    steps = "".join(
        f'[[step]]\nobject_type = "{name}"\nsource = "{name}.csv"\nid_property = "external_id"\n'
        f'{of_deals if name == "deals" else ""}[step.columns]\n"Title" = "{titles[name]}"\n{_link(name)}'
        for name in NAMES
    )
    path = folder / "plan.toml"
    path.write_text(f'base_url = "{url}"\n{more}{steps}')
    return path


def _link(name):
    if name not in LINKS:
        return ""
    other, column = LINKS[name]
    return f'"{column}" = {{ step = "{other}" }}\n'


def linked(mock):
    """The links of the account, by the keys of both records."""
    keys = {one["id"]: one["properties"]["external_id"] for name in NAMES for one in mock.objects(name)}
    return sorted(tuple(sorted((keys[one["from"]["id"]], keys[one["to"]["id"]]))) for one in mock.links())


def wanted_links(counts=COUNTS):
    pairs = [
        (f"{name}{i}", f"{other}{i % counts[other]}")
        for name, (other, _) in LINKS.items()
        for i in range(counts[name])
    ]
    return sorted(tuple(sorted(pair)) for pair in pairs)


def held(mock):
    """The records of the account by object type: key -> how many."""
    return {name: sorted(one["properties"]["external_id"] for one in mock.objects(name)) for name in NAMES}


def wanted(counts=COUNTS):
    return {name: sorted(f"{name}{i}" for i in range(counts[name])) for name in NAMES}


def writes(mock):
    """The number of requests that write rows or links."""
    return sum(one["path"].endswith(("/upsert", "/create", "/default")) for one in mock.log())


def has_come_to(mock, process, upserts):
    return process.poll() is not None or writes(mock) > upserts


@pytest.mark.soak
def test_a_plan_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.02)
    write_plan(tmp_path, mock.url)
    moments = random.Random(7)
    upserts = 0
    for _ in range(5):
        process = start("migrate", "plan.toml", *FAST, "--json", cwd=tmp_path)
        goal = upserts + moments.randint(1, 3)
        wait_until(partial(has_come_to, mock, process, goal))
        kill(process)
        upserts = writes(mock)
    last = run("migrate", "plan.toml", *FAST, "--json", cwd=tmp_path)
    assert last.code == 0, last.err
    assert held(mock) == wanted()
    assert linked(mock) == wanted_links()
    steps = last.summary["steps"]
    assert [(one["name"], one["rows"], one["state"], one["exit_code"]) for one in steps] == [
        (name, COUNTS[name], "complete", 0) for name in NAMES
    ]
    totals = last.summary["totals"]
    assert totals["rows"] == sum(COUNTS.values()) == totals["created"] + totals["updated"]
    links = totals["links"]
    assert (links["read"], links["linked"] + links["already"], links["open"]) == (600, 600, 0)
    for name in NAMES:
        lines = (tmp_path / f"{name}.csv.results.csv").read_text().splitlines()[1:]
        assert sorted(int(line.split(",")[0]) for line in lines) == list(range(2, COUNTS[name] + 2))
    assert stat.S_IMODE((tmp_path / "plan.toml.record.json").stat().st_mode) == 0o600
    requests = mock.stats()["requests"]
    again = run("migrate", "plan.toml", "--json", cwd=tmp_path)
    assert (again.code, again.summary["totals"]) == (0, totals)
    assert "nothing was sent: all steps are finished already" in again.err
    assert mock.stats()["requests"] == requests


def test_two_processes_do_not_run_one_plan(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.2)
    write_plan(tmp_path, mock.url)
    first = start("migrate", "plan.toml", cwd=tmp_path)
    wait_until(lambda: mock.stats()["upserts"] > 0, first)
    second = run("migrate", "plan.toml", cwd=tmp_path)
    assert (second.code, "another process is using plan.toml.record.json" in second.err) == (2, True)
    kill(first)


def test_a_problem_is_shown_with_its_step_and_nothing_is_written(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0)
    write_plan(tmp_path, mock.url)
    text = (tmp_path / "plan.toml").read_text().replace('"dealname"', '"no_such"')
    (tmp_path / "plan.toml").write_text(text)
    ended = run("migrate", "plan.toml", "--json", "--summary-file", "s.json", cwd=tmp_path)
    assert ended.code == 2
    assert ended.summary["state"] == "not started"
    assert [len(one.get("problems", ())) for one in ended.summary["steps"]] == [0, 0, 1]
    assert "step 3 of 3, deals: upload cannot start: 1 problem" in ended.err
    assert "nothing was written: correct the problems of deals" in ended.err
    assert json.loads((tmp_path / "s.json").read_text())["exit_code"] == 2
    assert mock.stats()["upserts"] == 0


def test_a_step_that_stops_is_named_with_those_that_wait(tmp_path, hubspot_mock):
    fault = {"kind": "reject", "keys": ["contacts7"]}
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0, scenario={"faults": [fault]})
    write_plan(tmp_path, mock.url, more='max_failures = "0"\n')
    ended = run("migrate", "plan.toml", cwd=tmp_path)
    assert ended.code == 78
    last = ended.err.splitlines()[-1]
    assert last.startswith("stopped: step contacts: too many rows failed")
    assert "steps companies, deals wait until it is complete" in last
    assert held(mock)["deals"] == []
    assert [line.split()[0] for line in ended.out.splitlines()[2:6]] == [*NAMES, "all"]


def test_it_asks_once_at_a_terminal(tmp_path, hubspot_mock):
    counts = dict.fromkeys(NAMES, 3)
    mock = hubspot_mock(
        quota="100000/10", latency_seconds=0.0, scenario={"account": {"account_type": "STANDARD"}}
    )
    write_plan(tmp_path, mock.url, more="no_canary = true\n", counts=counts)
    code, seen = at_a_terminal(tmp_path, "n\n", "migrate", "plan.toml")
    assert (code, mock.stats()["upserts"]) == (2, 0)
    assert "contacts: 3 rows into contacts by external_id; values that HubSpot has are replaced" in seen
    code, seen = at_a_terminal(tmp_path, "y\n", "migrate", "plan.toml")
    assert (code, seen.count("[y/N]")) == (0, 1)
    assert held(mock) == wanted(counts)


def test_nobody_to_ask_is_no_approval(tmp_path, hubspot_mock):
    mock = hubspot_mock(
        quota="100000/10", latency_seconds=0.0, scenario={"account": {"account_type": "STANDARD"}}
    )
    write_plan(tmp_path, mock.url, more="no_canary = true\n", counts=dict.fromkeys(NAMES, 3))
    ended = run("migrate", "plan.toml", cwd=tmp_path)
    assert (ended.code, mock.stats()["upserts"]) == (2, 0)
    assert "add --portal 44237313 if it is the right one" in ended.err
    assert run("migrate", "plan.toml", "--portal", "44237313", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("migrate",), "name the plan: a project file with [[step]] tables"),
        (("migrate", "none.toml"), "cannot read --project none.toml"),
        (("migrate", "plan.toml", "-f", "plan.toml"), "name the plan once"),
        (("migrate", "plan.toml", "--checkpoint", "x"), "--checkpoint names a file of one step"),
        (("migrate", "plan.toml#deals"), "plan.toml#deals is one step, and migrate runs all"),
        (("migrate", "-f", "plan.toml#deals"), "plan.toml#deals is no plan, or is one step of one"),
        (("upload", "-f", "plan.toml"), "plan.toml is a plan of 3 steps"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, words, why):
    write_plan(tmp_path, "http://127.0.0.1:1")
    ended = run(*words, cwd=tmp_path)
    assert (ended.code, why in ended.err) == (2, True), ended.err
    assert len(ended.err.splitlines()) == 1
    assert TOKEN not in ended.err


def test_ctrl_c_stops_and_the_same_command_resumes(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.1)
    write_plan(tmp_path, mock.url)
    process = start("migrate", "plan.toml", "--max-in-flight", "1", cwd=tmp_path)
    wait_until(lambda: mock.stats()["upserts"] > 2, process)
    process.send_signal(signal.SIGINT)
    ended = end(process)
    assert ended.code == 130
    assert "steps companies, deals wait until it is complete" in ended.err.splitlines()[-1]
    again = run("migrate", "plan.toml", cwd=tmp_path)
    assert (again.code, "can be sent" in again.err) == (0, False)  # another process checked it before
    assert held(mock) == wanted()


@pytest.fixture
def small(tmp_path, hubspot_mock):
    """A plan whose steps are uploaded, each with three rows, of which one of the contacts is refused."""
    fault = {"kind": "reject", "keys": ["contacts1"]}
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0, scenario={"faults": [fault]})
    write_plan(tmp_path, mock.url, more="snapshot = true\nmax_failures = 3\n", counts=dict.fromkeys(NAMES, 3))
    assert run("migrate", "plan.toml", cwd=tmp_path).code == 1
    return mock


def test_commands_that_are_given_a_plan_go_through_its_steps(tmp_path, small):
    state = run("status", "-f", "plan.toml", "--json", cwd=tmp_path).summary
    assert [(one["name"], one["created"], one["rejected"]) for one in state["steps"]] == [
        ("companies", 3, 0),
        ("contacts", 2, 1),
        ("deals", 3, 0),
    ]
    assert state["totals"]["created"] == 8
    assert "contacts" in run("status", "-f", "plan.toml", cwd=tmp_path).out
    failed = run("failures", "-f", "plan.toml", "-o", "failed.csv", cwd=tmp_path)
    assert failed.code == 0
    assert "contacts1" in (tmp_path / "failed.contacts.csv").read_text()
    assert "uploader upload failed.contacts.csv -f 'plan.toml#contacts'" in failed.err
    verified = run("verify", "-f", "plan.toml", "--json", cwd=tmp_path)
    assert (verified.code, [one["equal"] for one in verified.summary["steps"]]) == (0, [3, 2, 3])
    assert verified.err.endswith("plan.toml, all steps: as uploaded, apart from HubSpot's own changes\n")
    checked = run("check", "-f", "plan.toml", "--sample", "1", "--json", cwd=tmp_path)
    assert [one["name"] for one in checked.summary["steps"]] == list(NAMES)
    assert small.stats()["upserts"] == 3


def test_a_plan_has_a_page_that_leads_to_the_pages_of_its_steps(tmp_path, small):
    assert run("report", "-f", "plan.toml", cwd=tmp_path).code == 0
    page = (tmp_path / "plan.toml.report.html").read_text()
    for name in NAMES:
        assert f'<a href="{name}.csv.checkpoint.report.html">{name}</a>' in page
        assert (tmp_path / f"{name}.csv.checkpoint.report.html").exists()
    assert "Of 9 rows, 8 (88.9 %) are in HubSpot as the file has them" in page
    assert "<p>contacts: links: 2 linked, 1 missing" in page
    heads = re.findall(r"<th(?: class=\"n\")?>(.*?)</th>", page)
    assert heads == ["Step", "What", "rows", "created", "updated", "rejected", "State"]  # none that is empty
    assert run("report", "-f", "plan.toml", "-o", "p.html", cwd=tmp_path).code == 0
    assert '<a href="p.deals.html">deals</a>' in (tmp_path / "p.html").read_text()
    assert run("report", "-f", "plan.toml", "-o", "-", cwd=tmp_path).code == 2


def test_a_plan_is_undone_from_the_last_step_and_purged(tmp_path, small):
    dry = run("undo", "-f", "plan.toml", "--dry-run", "--json", cwd=tmp_path)
    undone = run("undo", "-f", "plan.toml", "--yes", "--json", cwd=tmp_path)
    assert undone.code == 0, undone.err
    # Deals of the plan keep none of its companies, although they are still there in a dry run.
    assert [one["archived"] for one in dry.summary["steps"]] == [
        one["archived"] for one in undone.summary["steps"]
    ]
    assert dry.code == 0, dry.err
    assert [(one["name"], one["archived"]) for one in undone.summary["steps"]] == [
        ("deals", 3),
        ("contacts", 2),
        ("companies", 3),
    ]
    assert all(one["archived"] for name in NAMES for one in small.objects(name))
    again = run("migrate", "plan.toml", cwd=tmp_path)
    assert "before the undo" in again.out
    assert all(f"{name}: the job was undone" in again.err for name in NAMES)
    assert again.err.endswith("complete, and undone since; to upload all steps again: --restart\n")
    assert run("report", "-f", "plan.toml", cwd=tmp_path).code == 0
    for page in (tmp_path / "plan.toml.report.html", tmp_path / "deals.csv.checkpoint.report.html"):
        text = page.read_text()
        assert "were in HubSpot as the file has them, before the undo" in text
        assert "the job was undone" in text
    assert "before the undo" in run("status", "-f", "plan.toml", cwd=tmp_path).out
    purged = run("purge", "-f", "plan.toml", "--yes", cwd=tmp_path)
    assert purged.code == 0, purged.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"{n}.csv" for n in NAMES), "plan.toml"]


def test_a_checkpoint_of_another_file_is_found_before_anything_is_written(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    write_plan(tmp_path, mock.url, counts=dict.fromkeys(NAMES, 3))
    (tmp_path / "old.csv").write_text("external_id,dealname\nold,Old\n")
    words = ("--object-type", "deals", "--id-property", "external_id", "--base-url", mock.url)
    assert run("upload", "old.csv", *words, "--checkpoint", "deals.csv.checkpoint", cwd=tmp_path).code == 0
    (tmp_path / "old.csv.results.csv").rename(tmp_path / "deals.csv.results.csv")
    refused = run("migrate", "plan.toml", "--yes", cwd=tmp_path)
    assert refused.code == 2
    assert "uploader: step deals: deals.csv.checkpoint belongs to another file than deals.csv" in refused.err
    assert (mock.objects("companies"), mock.objects("contacts")) == ([], [])


def test_what_became_of_a_step_s_rows_is_said_once(tmp_path, hubspot_mock):
    write_plan(tmp_path, hubspot_mock().url, counts=dict.fromkeys(NAMES, 3))
    ended = run("migrate", "plan.toml", "--yes", cwd=tmp_path)
    assert ended.err.count("step 1 of 3, companies: complete; 3 rows: 3 created") == 1, ended.err
    assert "step 1 of 3, companies: links: 3 linked\n" in ended.err


def test_properties_are_created_in_the_account_of_a_plan(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    write_plan(tmp_path, mock.url, counts=dict.fromkeys(NAMES, 3))
    (tmp_path / "new.toml").write_text(
        'object_type = "deals"\n[[property]]\nname = "origin"\nlabel = "Origin"\ntype = "string"\n'
        'field_type = "text"\ngroup = "dealinformation"\n'
    )
    created = run("create-properties", "new.toml", "-f", "plan.toml", "--yes", cwd=tmp_path)
    assert created.code == 0, created
    assert created.err.endswith("with these properties: uploader check -f plan.toml\n")


def test_the_undo_of_a_plan_asks_once(tmp_path, small):
    code, seen = at_a_terminal(tmp_path, "n\n", "undo", "-f", "plan.toml")
    assert (code, "nothing was done" in seen) == (2, True)
    assert not any(one["archived"] for name in NAMES for one in small.objects(name))
    code, seen, _ = dialogue(
        tmp_path, lambda seen: "y\n" if "[y/N]" in seen else None, "undo", "-f", "plan.toml"
    )
    assert (code, seen.count("[y/N]")) == (0, 1)
    assert all(one["archived"] for name in NAMES for one in small.objects(name))


def test_a_plan_is_not_undone_in_part(tmp_path, small):
    for path in tmp_path.glob("contacts.csv.checkpoint.snapshot*"):
        path.unlink()
    undone = run("undo", "-f", "plan.toml", "--yes", cwd=tmp_path)
    assert (undone.code, undone.out) == (2, "")
    assert "nothing was undone, since not all steps can be" in undone.err
    assert not any(one["archived"] for name in NAMES for one in small.objects(name))


def test_an_error_of_a_step_names_it_and_no_line_of_another_step(tmp_path):
    path = write_plan(tmp_path, "http://127.0.0.1:1")
    path.write_text(path.read_text().replace('step = "companies"', 'step = "companies", by = "name"'))
    refused = run("check", "-f", "plan.toml", cwd=tmp_path, env=environment(HUBSPOT_ACCESS_TOKEN=""))
    assert refused.code == 2
    assert refused.err.startswith("uploader: step contacts: links of column ")
    assert "unique_names = true" in refused.err
    assert "set by line" not in refused.err


def test_steps_that_were_checked_without_a_token_are_checked_again_before_they_are_uploaded(tmp_path):
    write_plan(tmp_path, "http://127.0.0.1:1")
    checked = run("check", "-f", "plan.toml", cwd=tmp_path, env=environment(HUBSPOT_ACCESS_TOKEN=""))
    assert checked.code in {0, 1}
    assert checked.err.endswith(
        "set HUBSPOT_ACCESS_TOKEN to the token, then check all steps again: uploader check -f plan.toml\n"
    )


def test_a_plan_is_followed_with_its_steps_until_it_is_killed(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0, scenario=holding(1))
    write_plan(tmp_path, mock.url)
    process = start("migrate", "plan.toml", cwd=tmp_path)
    wait_until(lambda: mock.stats()["upserts"] > 0, process)
    following = start("status", "--watch", "--interval", "0.2", "--json", "-f", "plan.toml", cwd=tmp_path)
    first = json.loads(following.stdout.readline())
    assert [one["name"] for one in first["steps"]] == list(NAMES)
    assert "running" in {one["state"] for one in first["steps"]}
    kill(process)
    rest, _ = following.communicate(timeout=60)
    last = json.loads(rest.splitlines()[-1])
    assert (following.returncode, last["state"]) == (0, "stopped")
    assert "running" not in {one["state"] for one in last["steps"]}
    plain = run("status", "--watch", "-f", "plan.toml", cwd=tmp_path)
    assert plain.code == 0
    assert "companies: " in plain.out.splitlines()[0]
    assert plain.out.splitlines()[-1] == "to continue: uploader migrate plan.toml"


def test_a_step_is_followed_until_its_links_are_made_or_no_process_works_on_its_plan(tmp_path, hubspot_mock):
    """Its links follow the rows of all steps. Here those of the next step are not answered."""
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0, scenario=holding(2))
    write_plan(tmp_path, mock.url)
    process = start("migrate", "plan.toml", cwd=tmp_path)
    checkpoint = tmp_path / "companies.csv.checkpoint"
    wait_until(lambda: checkpoint.exists() and not Lock(checkpoint).is_held(), process)
    followed = [
        start("status", "--watch", "--interval", "0.2", "--json", *job, cwd=tmp_path)
        for job in (("-f", "plan.toml#companies"), (checkpoint,))
    ]
    for one in followed:
        for _ in range(2):
            line = json.loads(one.stdout.readline())
            assert (line["rows"], line["open"], line["state"]) == (150, 0, "running")
    assert "to continue" not in run("status", checkpoint, cwd=tmp_path).out
    kill(process)
    for one in followed:
        rest, _ = one.communicate(timeout=60)
        assert (one.returncode, json.loads(rest.splitlines()[-1])["state"]) == (0, "stopped")


def test_a_plan_that_is_between_two_steps_is_running(tmp_path, hubspot_mock):
    """Its lock says so; no step is at work."""
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0, scenario=holding(1))
    write_plan(tmp_path, mock.url)
    process = start("migrate", "plan.toml", cwd=tmp_path)
    wait_until(lambda: mock.stats()["upserts"] > 0, process)
    kill(process)
    held = RecordFile(tmp_path / "plan.toml")
    held.acquire()
    end = run("status", "-f", "plan.toml", "--json", cwd=tmp_path).summary
    states = [(one["state"], one["reason"]) for one in end["steps"]]
    assert (end["state"], states) == ("running", [("waiting", ""), ("not started", ""), ("not started", "")])
    assert "to continue" not in run("status", "-f", "plan.toml", cwd=tmp_path).out
    held.release()
    assert run("status", "-f", "plan.toml", "--json", cwd=tmp_path).summary["state"] == "stopped"


def test_steps_that_were_not_begun_are_left_out_and_a_job_is_not_named_twice(tmp_path, small):
    for path in tmp_path.glob("deals.csv.*"):
        path.unlink()
    verified = run("verify", "-f", "plan.toml", "--json", cwd=tmp_path)
    assert [one["name"] for one in verified.summary["steps"]] == ["companies", "contacts"]
    assert "step deals is left out: it was not begun" in verified.err
    twice = run("verify", "companies.csv.checkpoint", "-f", "plan.toml", cwd=tmp_path)
    assert (twice.code, "plan.toml is a plan, so leave the CHECKPOINT out" in twice.err) == (2, True)
    listed = run("status", "--pending", "-f", "plan.toml", cwd=tmp_path)
    assert (listed.code, "are about one job; name a step" in listed.err) == (2, True)


def test_the_check_of_a_plan_tells_links_to_its_files_from_links_to_nothing(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0)
    write_plan(tmp_path, mock.url, counts={"companies": 4, "contacts": 6, "deals": 3})
    source = tmp_path / "contacts.csv"
    source.write_text(source.read_text().replace("companies3", "nobody"))
    checked = run("check", "-f", "plan.toml", "--json", cwd=tmp_path)
    found = {one["step"]: one for one in checked.summary["links"]}
    assert (found["contacts"]["in_files_of_the_plan"], found["contacts"]["missing"]) == (5, 1)
    assert found["contacts"]["most_missing"] == [{"value": "nobody", "links": 1}]
    assert (found["companies"]["in_files_of_the_plan"], found["companies"]["missing"]) == (4, 0)
    migrated = run("migrate", "plan.toml", cwd=tmp_path)
    assert migrated.code == 1
    text = "neither in the account nor in a file of this plan: nobody (1)"
    assert text in migrated.err
    assert text in run("check", "-f", "plan.toml", cwd=tmp_path).out
    assert "links: 9 linked, 1 missing" in migrated.out
    assert re.search(
        r"contacts: links: 5 linked, 1 missing; see \S*contacts\.csv\.links\.csv\n", migrated.err
    )
    assert "contacts: the note of each missing link says why" in migrated.err


def test_the_page_has_a_plan_for_a_file_of_two_objects(tmp_path, hubspot_mock):
    page = (Path(uploader.__file__).parent / "docs/plans.md").read_text()
    plans = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (plan,) = [one for one in plans if "on_duplicate" in one]
    (tmp_path / "plan.toml").write_text(plan)
    rows = [f"c{i}@example.com,F{i},Co {i % 2},k{i % 2}\n" for i in range(4)]
    (tmp_path / "people.csv").write_text("email,First Name,Company,Company key\n" + "".join(rows))
    mock = hubspot_mock(quota="100000/10")
    ended = run("migrate", "plan.toml", "--base-url", mock.url, cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert "step 2 of 2, contacts: no problem found" in ended.err
    assert (len(mock.objects("companies")), len(mock.objects("contacts")), len(mock.links())) == (2, 4, 4)


def test_a_step_that_would_stop_is_a_problem_of_the_plan_s_check(tmp_path, hubspot_mock):
    """As it is for migrate, which does not begin then."""
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0)
    write_plan(tmp_path, mock.url, counts=dict.fromkeys(NAMES, 3), of_deals="max_failures = 1\n")
    write_csv(tmp_path / "deals.csv", [{"external_id": "", "Title": "N"}] * 3)
    checked = run("check", "-f", "plan.toml", cwd=tmp_path)
    assert (checked.code, "upload would stop before the end" in checked.out) == (2, True)
    assert "uploader migrate" not in checked.out + checked.err
    assert "uploader upload" not in checked.out
    assert checked.err.endswith("then check all steps again: uploader check -f plan.toml\n")
    assert run("migrate", "plan.toml", cwd=tmp_path).code == 2
