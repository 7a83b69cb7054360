"""`uploader check` in a real process: what it finds, its exit codes, and that it writes nothing; and what
`upload` asks before it writes into a production account.
"""

import gzip
import json
import os
import signal

import pytest

from support.processes import at_a_terminal, environment, holding, run, start, wait_until

BAD_KEYS = 12
#: Owners of the mock account.
ANN, BOB = "41629779", "41629780"


@pytest.fixture
def mock_url(hubspot_mock, request):
    return hubspot_mock(scenario=getattr(request, "param", {})).url


def account(**scenario):
    return pytest.mark.parametrize("mock_url", [scenario], indirect=True)


HEADER = "email,firstname,tier,hubspot_owner_id,num_notes"


def make(path, count=5_000, header=HEADER):
    """Faults planted far apart; where each is."""
    rows = [f"c{n}@example.com,F{n},gold,{ANN}," for n in range(count)]
    bad = [17 + 401 * n for n in range(BAD_KEYS)]
    for at in bad:
        rows[at] = f"nobody {at},F,gold,{ANN},"
    for at, first in ((4_990, 3), (2_500, 40), (3_000, 4)):
        rows[at] = f" C{first}@Example.COM,F,silver,{ANN},"
    rows[100] = f",F,gold,{BOB},"
    path.write_text("\n".join([header, *rows]) + "\n")
    return [at + 2 for at in bad]


def as_json(folder, *arguments, **variables):
    ended = run("check", *arguments, "--json", cwd=folder, env=environment(**variables))
    return ended.code, json.loads(ended.out)


def test_faults_are_found_exactly_with_their_rows_and_a_read_only_column_is_a_problem(tmp_path, mock_url):
    bad = make(tmp_path / "contacts.csv")
    code, report = as_json(tmp_path, "contacts.csv", "--examples", 50, HUBSPOT_BASE_URL=mock_url)
    assert code == report["exit_code"] == 2
    assert len(report["problems"]) == 1
    assert "num_notes" in report["problems"][0]
    assert (report["rows"], report["invalid"], report["no_key"]) == (5_000, BAD_KEYS + 1, 1)
    rows = [example["row"] for fault in report["faults"] for example in fault["examples"]]
    assert sorted(rows) == sorted([*bad, 102])
    assert (report["repeated_keys"], report["repeated_rows"]) == (3, 3)
    assert [(r["row"], r["first_row"]) for r in report["repeats"]] == [(2_502, 42), (3_002, 6), (4_992, 5)]
    assert report["owners"] == {"hubspot_owner_id": {ANN: 4_999, BOB: 1}}
    assert report["account"]["portal"] == "44237313"
    assert report["account"]["records_limit"] == 15_000_000
    assert "crm.objects.contacts.write" in report["account"]["scopes"]
    assert report["forecast"]["batches"] == 50
    assert report["requests"] <= 8  # two of them for owners, those who left apart
    assert [path.name for path in tmp_path.iterdir()] == ["contacts.csv"]


def test_the_longest_chain_of_one_key_is_counted_with_its_time(tmp_path, mock_url):
    rows = [f"{'none@none.com' if n % 4 == 0 else f'c{n}@x.com'},F{n}" for n in range(1_000)]
    (tmp_path / "contacts.csv").write_text("\n".join(["email,firstname", *rows]) + "\n")
    _, report = as_json(tmp_path, "contacts.csv", HUBSPOT_BASE_URL=mock_url)
    ahead = report["forecast"]
    assert (ahead["batches"], ahead["longest_chain"], ahead["chain_seconds"]) == (10, 250, 62.5)
    assert ahead["seconds"] >= 62.5
    assert ahead["requests"] > 200
    assert all(one["requests"] >= ahead["requests"] for one in ahead["without_multi_status"])
    ended = run("check", "contacts.csv", "--details", "--base-url", mock_url, cwd=tmp_path)
    assert "250 rows share one key and are written one after the other: about 1 min 02 s" in ended.out
    _, report = as_json(tmp_path, "contacts.csv", "--on-duplicate", "last", HUBSPOT_BASE_URL=mock_url)
    assert (report["forecast"]["longest_chain"], report["forecast"]["requests"]) == (0, 8)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (
            "--skip-unchanged",
            "10 batches: at most 20 requests (each batch is read first, and only what differs",
        ),
        ("--snapshot", "10 batches: 20 requests (each batch is read before it is written), "),
        ("--no-canary", "10 batches: 10 requests, "),
    ],
)
def test_requests_are_the_most_where_rows_may_turn_out_not_to_be_written(tmp_path, mock_url, option, text):
    (tmp_path / "contacts.csv").write_text("email\n" + "".join(f"c{n}@x.com\n" for n in range(1_000)))
    ended = run("check", "contacts.csv", option, "--base-url", mock_url, cwd=tmp_path)
    assert text in ended.out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--fill", "nickname"), "the column 'nickname', which does not exist"),
        (("--match", "email,external_id"), "no column is mapped to 'external_id'"),
    ],
)
def test_options_for_missing_columns_are_a_problem_as_in_upload(tmp_path, mock_url, options, text):
    (tmp_path / "contacts.csv").write_text("email,firstname\na@example.com,A\n")
    code, report = as_json(tmp_path, "contacts.csv", *options, HUBSPOT_BASE_URL=mock_url)
    assert code == 2
    assert [text in problem for problem in report["problems"]] == [True]


def test_owners_are_looked_up_although_another_column_is_a_problem(tmp_path, mock_url):
    (tmp_path / "a.csv").write_text(
        "email,hubspot_owner_id,num_notes\na@x.com,ann.lee@example.com,\nb@x.com,nobody@example.com,\n"
    )
    code, report = as_json(tmp_path, "a.csv", HUBSPOT_BASE_URL=mock_url)
    assert (code, len(report["problems"])) == (2, 1)
    (fault,) = report["faults"]
    assert (fault["category"], [one["row"] for one in fault["examples"]]) == ("OWNER", [3])


def test_without_the_column_it_would_run_and_with_nothing_wrong_all_is_well(tmp_path, mock_url):
    make(tmp_path / "contacts.csv")
    ended = run("check", "contacts.csv", "--ignore", "num_notes", "--base-url", mock_url, cwd=tmp_path)
    assert ended.code == 1, ended
    words = f"contacts.csv --ignore num_notes --base-url {mock_url} --portal 44237313"
    *_, preview, upload = ended.out.splitlines()
    assert preview.endswith(f": uploader preview {words}")
    assert upload.endswith(f": uploader upload {words} --snapshot")
    (tmp_path / "good.csv").write_text("email,firstname\na@example.com,A\n")
    ended = run("check", "good.csv", "--base-url", mock_url, cwd=tmp_path)
    assert ended.code == 0, ended
    assert "no problem found" in ended.out


def test_without_a_token_it_does_what_needs_none_and_says_what_was_left_out(tmp_path):
    make(tmp_path / "contacts.csv", header=HEADER.replace("email", "E-Mail"))
    variables = environment()
    del variables["HUBSPOT_ACCESS_TOKEN"]
    ended = run("check", "contacts.csv", "--json", cwd=tmp_path, env=variables)
    report = json.loads(ended.out)
    assert ended.code == 1
    assert report["account"] is None
    assert (report["invalid"], report["repeated_keys"]) == (BAD_KEYS + 1, 3)
    assert len(report["not_checked"]) == 2  # the account, and that E-Mail is taken for email


def test_what_stands_in_place_of_a_checkpoint_is_not_opened(tmp_path):
    (tmp_path / "contacts.csv").write_text("email\na@x.com\n")
    (tmp_path / "contacts.csv.checkpoint").write_text("of another program")
    variables = environment()
    del variables["HUBSPOT_ACCESS_TOKEN"]
    ended = run("check", "contacts.csv", cwd=tmp_path, env=variables)
    assert (ended.code, ended.out.splitlines()[-1]) == (
        0,
        "next: set HUBSPOT_ACCESS_TOKEN to the token, then uploader check contacts.csv",
    )


def test_a_sample_reads_the_first_rows_only(tmp_path, mock_url):
    make(tmp_path / "contacts.csv")
    code, report = as_json(
        tmp_path, "contacts.csv", "--sample", 1_000, "--ignore", "num_notes", HUBSPOT_BASE_URL=mock_url
    )
    assert (code, report["rows"], report["repeated_keys"]) == (1, 1_000, 0)


def test_standard_input_can_be_checked(tmp_path, mock_url):
    make(tmp_path / "contacts.csv")
    with (tmp_path / "contacts.csv").open() as file:
        process = start(
            *("check", "-", "--json", "--ignore", "num_notes", "--base-url", mock_url),
            cwd=tmp_path,
            stdin=file,
        )
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert json.loads(out)["repeated_keys"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["contacts.csv"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [("email,Shoe size", "Shoe size"), ("name,firstname", "no column is the id property")],
)
def test_columns_that_can_not_be_mapped_stop_it_and_the_rows_are_counted_all_the_same(
    tmp_path, mock_url, columns, problem
):
    (tmp_path / "a.csv").write_text(f"{columns}\na@example.com,A\nb@example.com,B\n")
    code, report = as_json(tmp_path, "a.csv", HUBSPOT_BASE_URL=mock_url)
    assert (code, report["rows"]) == (2, 2)
    assert problem in report["problems"][0]


@account(auth={"tokens": ["another"]})
def test_a_bad_token_is_a_problem_and_the_file_is_looked_at_all_the_same(tmp_path, mock_url):
    make(tmp_path / "contacts.csv")
    code, report = as_json(tmp_path, "contacts.csv", HUBSPOT_BASE_URL=mock_url)
    assert (code, report["rows"], report["repeated_keys"]) == (2, 5_000, 3)
    assert "token" in report["problems"][0].lower()


@account(auth={"scopes": ["oauth", "crm.objects.contacts.read"]})
def test_a_token_that_may_not_write_is_a_problem(tmp_path, mock_url):
    (tmp_path / "good.csv").write_text("email,firstname\na@example.com,A\n")
    code, report = as_json(tmp_path, "good.csv", HUBSPOT_BASE_URL=mock_url)
    assert code == 2
    assert "crm.objects.contacts.write" in report["problems"][0]
    # The properties could be read, so the scope for them is not missed.
    assert not any("crm.schemas.contacts.read" in text for text in report["warnings"])


def test_it_can_be_interrupted_and_leaves_nothing(tmp_path, mock_url):
    os.mkfifo(tmp_path / "endless.csv")
    process = start("check", "endless.csv", "--format", "csv", "--base-url", mock_url, cwd=tmp_path)
    with (tmp_path / "endless.csv").open("w") as pipe:
        pipe.write("email,firstname\n" + "".join(f"c{n}@example.com,A\n" for n in range(30_000)))
        pipe.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert [path.name for path in tmp_path.iterdir()] == ["endless.csv"]


# --- what upload asks ---

PRODUCTION = account(account={"account_type": "STANDARD"})


@PRODUCTION
def test_a_production_account_is_asked_about_and_no_means_that_nothing_is_written(tmp_path, mock_url):
    (tmp_path / "a.csv").write_text("email,firstname\na@example.com,A\n")
    for answer in ("n\n", "\n", "\x04"):
        code, seen = at_a_terminal(tmp_path, answer, "upload", "a.csv", "--base-url", mock_url)
        assert code == 2, seen
        assert "nothing was written" in seen
        assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    code, seen = at_a_terminal(tmp_path, "y\n", "upload", "a.csv", "--base-url", mock_url)
    assert code == 0, seen


@PRODUCTION
def test_yes_or_no_terminal_means_no_question(tmp_path, mock_url):
    (tmp_path / "a.csv").write_text("email,firstname\na@example.com,A\n")
    code, seen = at_a_terminal(tmp_path, "n\n", "upload", "a.csv", "--yes", "--base-url", mock_url)
    assert (code, "[y/N]" in seen) == (0, False), seen
    ended = run("upload", "a.csv", "--restart", "--yes", "--base-url", mock_url, cwd=tmp_path)
    assert ended.code == 0, ended


def test_a_job_that_goes_on_into_its_account_is_not_asked_about_again(tmp_path, hubspot_mock):
    production = {"account": {"account_type": "STANDARD"}}
    mock = hubspot_mock(scenario=holding(9, **production))
    (tmp_path / "a.csv").write_text("email,firstname\n" + "".join(f"c{n}@x.com,A\n" for n in range(3_000)))
    process = start("upload", "a.csv", "--yes", "--base-url", mock.url, cwd=tmp_path)
    results = tmp_path / "a.csv.results.csv"
    wait_until(lambda: results.exists() and results.stat().st_size > 0, process)
    process.kill()
    process.communicate()
    mock.change_scenario(production)
    code, seen = at_a_terminal(tmp_path, "n\n", "upload", "a.csv", "--base-url", mock.url)
    assert (code, "[y/N]" in seen) == (0, False), seen


def test_a_test_account_is_not_asked_about(tmp_path, mock_url):
    (tmp_path / "a.csv").write_text("email,firstname\na@example.com,A\n")
    code, seen = at_a_terminal(tmp_path, "n\n", "upload", "a.csv", "--base-url", mock_url)
    assert (code, "[y/N]" in seen) == (0, False), seen


def test_values_that_will_be_refused_are_found_exactly(tmp_path, mock_url):
    """12 bad dates, 7 unknown options, 2 unknown owners, far apart."""
    rows = [f"c{n}@example.com,2025-01-{n % 28 + 1:02},gold," for n in range(6_000)]
    dates, options, owners = range(30, 6_000, 500), range(71, 6_000, 900), (444, 5_555)
    for at in dates:
        rows[at] = f"c{at}@example.com,2025-02-30,gold,"
    for at in options:
        rows[at] = f"c{at}@example.com,2025-01-01,platinum{at},"
    for at in owners:
        rows[at] = f"c{at}@example.com,2025-01-01,gold,nobody{at}@example.com"
    (tmp_path / "a.csv").write_text("\n".join(["email,renewal_date,tier,hubspot_owner_id", *rows]) + "\n")
    code, report = as_json(tmp_path, "a.csv", "--examples", 50, HUBSPOT_BASE_URL=mock_url)
    found = {
        (fault["category"], fault["column"]): [example["row"] - 2 for example in fault["examples"]]
        for fault in report["faults"]
    }
    assert found == {
        ("DATE", "renewal_date"): list(dates),
        ("OPTION", "tier"): list(options),
        ("OWNER", "hubspot_owner_id"): list(owners),
    }
    assert code == 1


def test_a_column_whose_dates_fit_both_orders_is_stopped_at(tmp_path, mock_url):
    (tmp_path / "a.csv").write_text("email,renewal_date\na@x.com,01/02/2025\nb@x.com,03/04/2025\n")
    code, report = as_json(tmp_path, "a.csv", HUBSPOT_BASE_URL=mock_url)
    assert code == 2
    assert "--date-order" in report["problems"][0]
    for command in ("check", "upload"):
        ended = run(command, "a.csv", "--base-url", mock_url, cwd=tmp_path)
        assert ended.code == 2
        assert "--date-order" in ended.err + ended.out
    ended = run("upload", "a.csv", "--date-order", "renewal_date=DMY", "--base-url", mock_url, cwd=tmp_path)
    assert ended.code == 0, ended


def test_upload_reads_the_order_of_dates_from_all_rows(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    dates = ["01/02/2025"] * 3_000 + ["31/12/2025"]
    lines = [f"c{n}@x.com,{day}" for n, day in enumerate(dates)]
    (tmp_path / "a.csv").write_text("\n".join(["email,renewal_date", *lines]) + "\n")
    ended = run("upload", "a.csv", "--base-url", mock.url, cwd=tmp_path)
    assert ended.code == 0, ended
    held = {one["properties"]["email"]: one["properties"]["renewal_date"] for one in mock.contacts()}
    assert held["c0@x.com"] in {"2025-02-01", "1738368000000"}


def test_a_mapping_is_drafted_for_its_owner_alone_and_never_over_another_file(tmp_path, mock_url):
    make(tmp_path / "contacts.csv", header=HEADER.replace("firstname", "First name"))
    arguments = ("check", "contacts.csv", "--write-mapping", "map.toml", "--base-url", mock_url)
    ended = run(*arguments, cwd=tmp_path)
    assert ended.code == 2, ended  # num_notes can't be written
    drafted = tmp_path / "map.toml"
    assert drafted.stat().st_mode & 0o777 == 0o600
    assert "[columns]" in drafted.read_text()
    before = drafted.read_bytes()
    assert run(*arguments, cwd=tmp_path).code == 2
    assert drafted.read_bytes() == before


def test_where_too_many_rows_would_fail_it_says_that_upload_would_stop(tmp_path, mock_url):
    rows = [f"c{n}@example.com" if n % 10 else "nobody" for n in range(3_000)]
    rows[1_000:1_500] = ["nobody"] * 500
    (tmp_path / "bad.csv").write_text("\n".join(["email", *rows]))
    words = ("bad.csv", "--base-url", mock_url, "--yes", "--no-canary")
    ended = run("check", *words, cwd=tmp_path)
    assert ended.code == 1, ended
    verdict, *_, then = ended.out.splitlines()
    assert "upload would stop before the end" in verdict
    assert "are invalid (--max-failures 20%)" in verdict
    assert then == f"next: correct this, then uploader check {' '.join(words)}"
    stopped = run("upload", *words, cwd=tmp_path)
    assert stopped.code == 78, stopped
    more = run("check", *words, "--max-failures", 1_000, cwd=tmp_path)
    assert (more.code, "upload would run" in more.out) == (1, True)


def test_options_of_upload_are_accepted_and_another_account_is_a_problem(tmp_path, mock_url):
    (tmp_path / "a.csv").write_text("email\na@example.com\n")
    ways = "--yes --snapshot --canary 5 --restart --results r.csv -v --max-failures 3 --on-duplicate first"
    for command in ("check", "preview"):
        ended = run(command, "a.csv", "--base-url", mock_url, *ways.split(), cwd=tmp_path)
        assert ended.code == 0, ended
        text = ended.out if command == "check" else ended.err
        last = text.splitlines()[-1]
        assert last.endswith(f"uploader upload a.csv --base-url {mock_url} {ways} --portal 44237313"), last
        refused = run(command, "a.csv", "--base-url", mock_url, "--portal", "7", cwd=tmp_path)
        assert refused.code == 2
        assert "belongs to account 44237313" in refused.out + refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_it_ends_with_the_verdict_and_lists_undecided_and_ignored_columns_and_unknown_owners(
    tmp_path, mock_url
):
    people = [f"p{n}@example.com,someone{n % 25}@example.com" for n in range(100)]
    rows = [f"{person},x,y" for person in [*people, *["q@example.com,ann.lee@example.com"] * 3]]
    (tmp_path / "a.csv").write_text("\n".join(["email,hubspot_owner_id,Own note,Gone", *rows]))
    ended = run("check", "a.csv", "--ignore", "Gone", "--base-url", mock_url, "--details", cwd=tmp_path)
    assert ended.code == 2
    lines = ended.out.splitlines()
    assert ["Own", "note", "?", "100%", "1", "x"] in [line.split() for line in lines]
    assert "left out: Gone" in lines
    assert "         100  of them name 25 owners that this account does not have" in lines
    assert "              20  of 5 others (listed with --json)" in lines
    assert "               4  someone0@example.com" in lines
    assert lines[0] == "upload cannot start: 1 problem, see below"
    assert lines[-1] == f"next: correct this, then uploader check a.csv --ignore Gone --base-url {mock_url}"


def test_check_groups_rows_by_reason(tmp_path, mock_url):
    """Rows of one reason on one line, the share beside the limit, dates in a property of text."""
    lines = [
        f"c{n}@example.com,gold,{'nothing' if n % 2 else 'platinum'},{n % 28 + 1}/3/1980" for n in range(100)
    ]
    lines += ["nobody,gold,gold,1/3/1980", ",gold,gold,", "no@body,gold,iron,1/3/1980"]
    (tmp_path / "contacts.csv").write_text("\n".join(["email,firstname,tier,date_of_birth", *lines]) + "\n")
    ended = run("check", "contacts.csv", "--examples", 3, "--details", "--base-url", mock_url, cwd=tmp_path)
    assert ended.code == 1, ended
    text = [line.strip() for line in ended.out.splitlines()]
    assert "50  platinum: rows 2, 4" in text
    assert "50  nothing: row 3" in text
    assert any(
        line.startswith("103  invalid, 1 of them without a key (a row can have several") for line in text
    )
    assert (
        "100.0% of the rows; upload stops at more than --max-failures 20% (counted from 1,000 rows on)"
        in text
    )
    (born,) = [line for line in text if line.startswith("date_of_birth  date_of_birth (string)")]
    assert "these are dates, and the" in born
    assert sum("these are dates" in line for line in text) == 1


def test_an_archive_that_breaks_off_in_its_first_rows_is_a_problem_beside_the_others(tmp_path, mock_url):
    lines = ["email,no_such_property", *(f"c{n}@example.com,{n}" for n in range(600))]
    packed = gzip.compress("\n".join(lines).encode(), 0)
    (tmp_path / "contacts.csv.gz").write_bytes(packed[: len(packed) // 2])
    code, report = as_json(tmp_path, "contacts.csv.gz", HUBSPOT_BASE_URL=mock_url)
    assert code == 2
    assert len(report["problems"]) == 2
    assert "no_such_property" in report["problems"][0]
    assert report["rows"] > 100


def test_a_column_that_cannot_be_read_yet_is_the_only_problem_reported(tmp_path, mock_url):
    """The dates of another column tell their order all the same, and no row is invalid for the first."""
    lines = ["email,last_seen,renewal_date"]
    lines += [f"c{n}@example.com,{n % 28 + 1:02}.03.2024 10:00,{n % 28 + 1:02}.03.2024" for n in range(100)]
    (tmp_path / "contacts.csv").write_text("\n".join([*lines, "d@example.com,01.03.2024 10:00,31.02.2024"]))
    code, report = as_json(tmp_path, "contacts.csv", HUBSPOT_BASE_URL=mock_url)
    assert (code, len(report["problems"]), report["sendable"], report["invalid"]) == (2, 1, 100, 1)
    assert report["problems"][0].startswith("last_seen: no value has a time zone")
    assert any("'last_seen'" in text for text in report["not_checked"])
    assert [fault["column"] for fault in report["faults"]] == ["renewal_date"]
    ended = run("check", "contacts.csv", "--timezone", "UTC", "--base-url", mock_url, cwd=tmp_path)
    assert ended.code == 1, ended
