"""Who must not come back, marks and money, on the real command line: exit codes, messages, not one write."""

import csv
import hashlib
import json
import shlex

import pytest

from support.processes import environment, holding, kill, run, start, wait_until

LISTED = 40  # every so many rows somebody is on the list


def make(path, count=400, more="", cell=""):
    rows = [f"Person{n}@Example.com,F{n}{cell}" for n in range(count)]
    path.write_text("\n".join([f"email,firstname{more}", *rows]) + "\n")
    return {n for n in range(count) if n % LISTED == 7}


def address(number):
    return f"person{number}@example.com"


def make_lists(folder, numbers):
    """A half of the people by address, the other by digest."""
    half = sorted(numbers)[: len(numbers) // 2]
    names = [f'"{address(n).upper()}","a, b"' for n in half]
    (folder / "unsubscribed.csv").write_text("\n".join(["E-Mail,Note", *names]) + "\n", encoding="utf-8-sig")
    digests = [hashlib.sha256(address(n).encode()).hexdigest() for n in sorted(numbers) if n not in half]
    (folder / "digests.txt").write_text("\n".join(["# from the mailer", "", *digests]))
    return ("--suppress", "unsubscribed.csv", "--suppress", "digests.txt")


def outcomes(folder):
    with (folder / "contacts.csv.results.csv").open(encoding="utf-8", newline="") as file:
        return {int(line["row"]): line["outcome"] for line in csv.DictReader(file)}


def test_suppressed_people_are_skipped_also_when_the_run_is_killed(tmp_path, hubspot_mock):
    numbers = make(tmp_path / "contacts.csv", 4_000)
    lists = make_lists(tmp_path, numbers)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.05)
    command = ("upload", "contacts.csv", *lists, "--base-url", mock.url, "--json")
    for share in (0.2, 0.6):
        mock.change_scenario(holding(int(share * 40) + 5 - mock.stats()["records_received"] // 100))
        process = start(*command, cwd=tmp_path)
        wait_until(lambda share=share: mock.stats()["records_received"] >= share * 4_000, process)
        kill(process)
    mock.change_scenario({})
    ended = run(*command, cwd=tmp_path)
    assert (ended.code, ended.summary["skipped"], ended.summary["state"]) == (0, len(numbers), "complete")
    held = {contact["properties"]["email"] for contact in mock.contacts()}
    assert held == {address(n) for n in range(4_000)} - {address(n) for n in numbers}
    assert {row - 2 for row, outcome in outcomes(tmp_path).items() if outcome == "skipped"} == numbers
    assert ended.summary["skipped_because"] == {"SUPPRESSED": len(numbers)}
    assert f"suppressed: {len(numbers)} addresses" in ended.err
    assert not any(address(n) in (ended.out + ended.err).lower() for n in numbers)
    ended = run("verify", "contacts.csv.checkpoint", "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["contacts"], ended.summary["missing"]) == (0, 4_000 - len(numbers), 0)
    ended = run("failures", "contacts.csv.checkpoint", "-o", "f.csv", cwd=tmp_path)
    assert "0 failed rows" in ended.err


def test_check_counts_them_and_says_the_command_with_the_lists(tmp_path, hubspot_mock):
    numbers = make(tmp_path / "contacts.csv")
    lists = make_lists(tmp_path, numbers)
    url = hubspot_mock().url
    arguments = ("check", "contacts.csv", *lists, "--set", "tier=Gold", "--base-url", url)
    ended = run(*arguments, "--details", cwd=tmp_path)
    assert ended.code == 0, ended
    assert f"{len(numbers)}  skipped: suppressed (--suppress, --suppress-where, --opt-outs)" in ended.out
    assert " ".join(lists) in ended.out.splitlines()[-1]
    assert "--set tier=Gold" in ended.out.splitlines()[-1]
    (unseen,) = [line for line in ended.out.splitlines() if line.startswith("Not visible to uploader: ")]
    for what in ("workflows", "marketing contacts", "notifications", "uploader help live-portal"):
        assert what in unseen
    report = json.loads(run(*arguments, "--json", cwd=tmp_path).out)
    assert (report["suppressed"], len(report["unseen"])) == (len(numbers), 3)


@pytest.mark.parametrize(
    "text", ["a@x.com\nbob at x.com\n", "Name\na@x.com\n", "", "# nobody\n", "a@x.com\n\xff"]
)
def test_a_list_that_is_none_stops_it_and_shows_nobody(tmp_path, hubspot_mock, text):
    make(tmp_path / "contacts.csv")
    (tmp_path / "list.txt").write_bytes(text.encode("latin-1"))
    mock = hubspot_mock()
    ended = run("upload", "contacts.csv", "--suppress", "list.txt", "--base-url", mock.url, cwd=tmp_path)
    assert ended.code == 2, ended
    assert "--suppress list.txt" in ended.err
    assert "a@x.com" not in ended.err
    assert "bob" not in ended.err
    assert mock.stats()["requests"] == 0


@pytest.mark.parametrize(
    ("column", "answer"),
    [
        ("HasOptedOutOfEmail", '--suppress-where "HasOptedOutOfEmail"'),
        ("UNSUB_TIME", '--suppress-where "UNSUB_TIME=*"'),
        ("Email Bounced", '--ignore "Email Bounced"'),
    ],
)
def test_an_undecided_opt_out_is_exit_2_with_the_next_command_and_no_write(
    tmp_path, hubspot_mock, column, answer
):
    make(tmp_path / "contacts.csv", more=f",{column}", cell=",0")
    mock = hubspot_mock()
    talk = ("--base-url", mock.url)
    for command in ("check", "upload"):
        for more in ((), ("--only", "email", "--only", "firstname")):
            ended = run(command, "contacts.csv", *more, *talk, cwd=tmp_path)
            assert ended.code == 2, ended
            assert answer in ended.out + ended.err
    assert mock.stats()["upserts"] == 0
    assert not (tmp_path / "contacts.csv.checkpoint").exists()
    ended = run("upload", "contacts.csv", "--suppress-where", f"{column}=0", *talk, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["skipped"]) == (0, 400)
    assert mock.stats()["upserts"] == 0


def test_a_mapping_file_and_options_say_the_same(tmp_path, hubspot_mock):
    make(tmp_path / "contacts.csv", more=",Opted out,Marketing status", cell=",,subscribed")
    text = (tmp_path / "contacts.csv").read_text().replace("F7,,", "F7,yes,").replace("F9,,s", "F9,,uns")
    (tmp_path / "contacts.csv").write_text(text)
    (tmp_path / "m.toml").write_text('[columns]\n"Opted out" = { suppress = true }\n')
    where = ("--suppress-where", "Marketing status=Unsubscribed", "--mapping", "m.toml")
    mock = hubspot_mock()
    ended = run("upload", "contacts.csv", *where, "--base-url", mock.url, "--json", cwd=tmp_path)
    assert ended.code == 0, ended
    skipped = {row for row, outcome in outcomes(tmp_path).items() if outcome == "skipped"}
    assert skipped == {int(n) for n in range(2, 402) if f"F{n - 2},y" in text or f"F{n - 2},,uns" in text}
    assert len(skipped) == 2
    assert all("marketing" not in str(contact).lower() for contact in mock.contacts())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "nickname=x"), "no property 'nickname'"),
        (("--set", "num_notes=1"), "read-only in HubSpot"),
        (("--set", "score=many"), "--set score=many"),
        (("--set", "firstname=F"), "is mapped to that property, too"),
        (("--set", "firstname"), "PROPERTY=VALUE"),
        (("--set", "hs_marketable_until_renewal=true"), "--allow hs_marketable_until_renewal"),
        (("--map", "firstname=hs_marketable_until_renewal"), "--allow hs_marketable_until_renewal"),
        (("--allow", "firstname"), "--allow firstname"),
        (("--suppress-where", "Nothing=1"), "Nothing"),
        (("--suppress-where", "firstname="), "--suppress-where"),
    ],
)
def test_senseless_suppression_options_are_exit_2_and_no_write(tmp_path, hubspot_mock, arguments, says):
    make(tmp_path / "contacts.csv")
    mock = hubspot_mock()
    for command in ("check", "upload"):
        ended = run(command, "contacts.csv", *arguments, "--base-url", mock.url, cwd=tmp_path)
        assert ended.code == 2, ended
        assert says in ended.out + ended.err
    assert mock.stats()["upserts"] == 0


def test_the_mark_of_a_run_is_on_every_record_and_what_costs_is_written_when_allowed(tmp_path, hubspot_mock):
    make(tmp_path / "contacts.csv", more=",Costly", cell=",true")
    mock = hubspot_mock()
    words = ("--map", "Costly=hs_marketable_until_renewal", "--allow", "hs_marketable_until_renewal")
    ended = run("upload", "contacts.csv", *words, "--set", "tier=gold", "--base-url", mock.url, cwd=tmp_path)
    assert ended.code == 0, ended
    held = [contact["properties"] for contact in mock.contacts()]
    assert {(one["tier"], one["hs_marketable_until_renewal"]) for one in held} == {("gold", "true")}


def test_the_command_for_mended_rows_keeps_people_out(tmp_path, hubspot_mock):
    numbers = make(tmp_path / "contacts.csv", more=",Opted out", cell=",no")
    lists = make_lists(tmp_path, numbers)
    text = (tmp_path / "contacts.csv").read_text().replace("Person9@", "Person 9@")
    (tmp_path / "contacts.csv").write_text(text)
    words = (*lists, "--suppress-where", "Opted out", "--set", "tier=gold")
    url = hubspot_mock().url
    assert run("upload", "contacts.csv", *words, "--base-url", url, cwd=tmp_path).code == 1
    ended = run("failures", "contacts.csv.checkpoint", "-o", "f.csv", cwd=tmp_path)
    for word in (" ".join(lists), "--suppress-where 'Opted out'", "--set tier=gold"):
        assert word in ended.err
    again = shlex.split(ended.err.splitlines()[-1].partition(": uploader ")[2])
    assert run(*again, "--base-url", url, "--json", cwd=tmp_path).summary["invalid"] == 1


def test_check_without_a_token_stops_at_opt_outs_too(tmp_path):
    make(tmp_path / "contacts.csv", more=",unsubscribed", cell=",0")
    variables = environment()
    del variables["HUBSPOT_ACCESS_TOKEN"]
    assert run("check", "contacts.csv", cwd=tmp_path, env=variables).code == 2


def test_opt_outs_are_listed_also_when_the_run_is_killed(tmp_path, hubspot_mock):
    numbers = make(tmp_path / "contacts.csv", 4_000, more=",Opted out", cell=",no")
    text = (tmp_path / "contacts.csv").read_text()
    for number in numbers:
        text = text.replace(f"F{number},no\n", f"F{number},yes\n")
    (tmp_path / "contacts.csv").write_text(text)
    opted_out = [address(number) for number in sorted(numbers)]
    path = tmp_path / "contacts.csv.optouts.csv"
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.05)
    options = ("--opt-outs", "list", "--base-url", mock.url)
    ended = run("check", "contacts.csv", *options, cwd=tmp_path)
    assert ended.out.splitlines()[1].startswith(
        f"OPT-OUTS: {len(numbers)} rows say so, with {len(numbers)} addresses: "
    )
    assert "import that list in HubSpot as an opt-out list before anything is mailed" in ended.out
    assert "\nopt-outs: Opted out\n" in ended.out
    assert not path.exists()
    for share in (0.2, 0.6):
        mock.change_scenario(holding(int(share * 40) + 5 - mock.stats()["records_received"] // 100))
        process = start("upload", "contacts.csv", *options, cwd=tmp_path)
        wait_until(lambda share=share: mock.stats()["records_received"] >= share * 4_000, process)
        kill(process)
        held = {contact["properties"]["email"] for contact in mock.contacts()}
        assert held & set(opted_out) <= set(path.read_text().split())
    mock.change_scenario({})
    ended = run("upload", "contacts.csv", *options, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["opt_outs"], len(mock.contacts())) == (0, len(numbers), 4_000)
    line = f"opt-outs: {len(numbers)} addresses in contacts.csv.optouts.csv: import that list in HubSpot"
    assert line in ended.err
    assert path.read_text().splitlines() == ["Email", *opted_out]
    assert line in run("status", "contacts.csv.checkpoint", cwd=tmp_path).out
    run("report", "contacts.csv.checkpoint", cwd=tmp_path)
    assert line in (tmp_path / "contacts.csv.checkpoint.report.html").read_text()
    ended = run("verify", "contacts.csv.checkpoint", "--base-url", mock.url, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["missing"]) == (0, 0)
    ended = run("purge", "contacts.csv.checkpoint", "--yes", "--with-opt-outs", cwd=tmp_path)
    assert "contacts.csv.optouts.csv: the addresses that opted out" in ended.err
    assert not path.exists()
