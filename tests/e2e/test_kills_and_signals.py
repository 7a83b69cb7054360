"""Real processes: killed, interrupted, piped; what they leave behind, and who may read it."""

import csv
import signal
import stat
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from support.jobs import Job
from support.mock_transport import make_simulator
from support.processes import TOKEN, end, environment, holding, kill, run, start, start_python, wait_until
from uploader.cli.commands.status import read_summary
from uploader.errors import CheckpointError

FAST = ("--rate", "100000/10", "--json")


def rows_of(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Repeated keys in varied case, bad addresses of both kinds, blanks."""
    rng = Random(seed)
    rows = []
    for number in range(count):
        kind = rng.random()
        address = f"c{number}@example.com"
        if kind < 0.05 and number:
            address = f"C{rng.randrange(number)}@Example.Com"
        elif kind < 0.07:
            address = f"c{number}@example.badtld" if number % 2 else "no address"
        rows.append((address, f"First {number}" if rng.random() < 0.9 else ""))
    return rows


def write(path: Path, rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("email", "firstname"))
        lines.writerows(rows)


def expected(rows) -> tuple[dict[str, str], int, int]:
    """What applying the rows in order makes; computed here, by nobody else's rules."""
    held: dict[str, str] = {}
    rejected = invalid = 0
    for address, first in rows:
        if "@" not in address:
            invalid += 1
        elif address.endswith(".badtld"):
            rejected += 1
        else:
            held[address.lower()] = first or held.get(address.lower(), "")
    return held, rejected, invalid


def check(mock, folder: Path, rows, summary) -> None:
    held, rejected, invalid = expected(rows)
    found = {c["properties"]["email"]: c["properties"].get("firstname") or "" for c in mock.contacts()}
    assert found == held
    assert (summary["rejected"], summary["invalid"]) == (rejected, invalid)
    assert summary["created"] + summary["updated"] == len(rows) - rejected - invalid
    assert (summary["rows"], summary["open"], summary["state"]) == (len(rows), 0, "complete")
    assert len(held) - summary["created"] <= summary["replayed"]
    with (folder / "contacts.csv.results.csv").open(encoding="utf-8", newline="") as file:
        results = [int(line["row"]) for line in csv.DictReader(file)]
    assert sorted(results) == list(range(2, len(rows) + 2))


def settled(folder: Path, source: str = "contacts.csv") -> int:
    try:
        return read_summary(folder / f"{source}.checkpoint").tallies.settled
    except CheckpointError:
        return 0


@pytest.mark.parametrize("quota", [pytest.param("100000/10", marks=pytest.mark.soak), "190/10"])
def test_killed_again_and_again_the_job_ends_as_if_it_never_was(tmp_path, hubspot_mock, quota):
    rows = rows_of(2_500 if quota == "190/10" else 6_000)
    write(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(quota=quota, latency_seconds=0.1)
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--rate", "1000/1", "--json")
    for share in (0.1, 0.4, 0.6):
        target = int(share * len(rows))
        mock.change_scenario(holding((target - mock.stats()["records_received"]) // 100 + 10))
        process = start(*command, cwd=tmp_path)
        wait_until(lambda target=target: mock.stats()["records_received"] >= target, process)
        kill(process)
        assert read_summary(tmp_path / "contacts.csv.checkpoint").state == "stopped"
    mock.change_scenario({})
    ended = run(*command, cwd=tmp_path)
    assert ended.code == 1, ended
    check(mock, tmp_path, rows, ended.summary)
    assert mock.stats()["throttled"] == 0


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param(signal.SIGHUP, marks=pytest.mark.soak),
    ],
)
def test_a_signal_drains_and_the_same_command_finishes_sending_nothing_twice(tmp_path, hubspot_mock, number):
    rows = rows_of(5_000)
    write(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(latency_seconds=0.3)
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--max-in-flight", "4", "--json")
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: settled(tmp_path) > 500, process)
    ended = kill(process, number)
    assert ended.code == (130 if number is signal.SIGINT else 143)
    assert ended.summary["state"] == "stopped"
    ended = run(*command, cwd=tmp_path)
    check(mock, tmp_path, rows, ended.summary)
    _, _, invalid = expected(rows)
    assert mock.stats()["records_received"] == len(rows) - invalid


def test_a_second_signal_stops_at_once(tmp_path, hubspot_mock):
    rows = rows_of(2_000)
    write(tmp_path / "contacts.csv", rows)
    fault = {"kind": "delay", "seconds": 3_600, "requests": [2, 99]}
    mock = hubspot_mock(scenario={"faults": [fault]})
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--json")
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: mock.stats()["upserts"] > 3, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    wait_until(lambda: "stopping" in process.stderr.readline())
    assert kill(process, signal.SIGINT).code == 130
    mock.change_scenario({})
    check(mock, tmp_path, rows, run(*command, cwd=tmp_path).summary)


def test_under_nohup_a_hang_up_is_ignored(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", rows_of(3_000))
    mock = hubspot_mock(latency_seconds=0.2)
    process = subprocess.Popen(
        ["nohup", *start_arguments("upload", "contacts.csv", "--base-url", mock.url, "--json")],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: settled(tmp_path) > 100, process)
    ended = kill(process, signal.SIGHUP)
    assert ended.summary["state"] == "complete"


def start_arguments(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "uploader", *arguments]


def test_a_dead_terminal_does_not_stop_the_run(tmp_path, hubspot_mock):
    rows = rows_of(300)
    write(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(latency_seconds=0.2)
    process = start("upload", "contacts.csv", "--base-url", mock.url, cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    process.wait(timeout=60)
    assert read_summary(tmp_path / "contacts.csv.checkpoint").state == "complete"


def test_a_checkpoint_in_use_is_refused_and_status_says_running(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", rows_of(5_000))
    mock = hubspot_mock(scenario=holding(9))
    command = ("upload", "contacts.csv", "--base-url", mock.url)
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: settled(tmp_path) > 100, process)
    second = run(*command, cwd=tmp_path)
    assert second.code == 2
    assert "another process" in second.err
    assert run("status", "contacts.csv.checkpoint", "--json", cwd=tmp_path).summary["state"] == "running"
    kill(process)
    assert run("status", "contacts.csv.checkpoint", "--json", cwd=tmp_path).summary["state"] == "stopped"


def test_stdin_is_a_source_and_is_piped_again_to_resume(tmp_path, hubspot_mock):
    rows = rows_of(4_000)
    write(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(latency_seconds=0.2, scenario=holding(15))
    command = (
        "upload",
        "-",
        "--checkpoint",
        "contacts.csv.checkpoint",
        "--results",
        "contacts.csv.results.csv",
    )
    command = (*command, "--base-url", mock.url, "--json")
    with (tmp_path / "contacts.csv").open("rb") as piped:
        process = start(*command, cwd=tmp_path, stdin=piped)
        wait_until(lambda: settled(tmp_path) > 500, process)
        kill(process)
    mock.change_scenario({})
    with (tmp_path / "contacts.csv").open("rb") as piped:
        ended = end(start(*command, cwd=tmp_path, stdin=piped))
    check(mock, tmp_path, rows, ended.summary)


def test_stdin_that_was_cut_off_stops_a_run_before_its_last_row(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    (tmp_path / "cut.csv").write_text("email,firstname,city\na@x.com,Ann,Bonn\nb@x.com,Bob,Lond")

    def piped(verb, *options, **variables):
        env = environment(HUBSPOT_BASE_URL=mock.url, **variables)
        with (tmp_path / "cut.csv").open("rb") as stdin:
            return end(start(verb, "-", *options, "--json", cwd=tmp_path, env=env, stdin=stdin))

    place = ("--checkpoint", "job.checkpoint")
    checked = piped("check")
    assert (checked.code, checked.summary["problems"][0].partition(":")[0]) == (2, "standard input")
    assert piped("check", "--accept-unfinished-last-line").code == 0
    assert "may have been cut off" in piped("preview").summary["reason"]
    stopped = piped("upload", *place)
    assert (stopped.code, stopped.summary["created"], stopped.summary["state"]) == (78, 1, "stopped")
    assert "--accept-unfinished-last-line" in stopped.err
    ended = piped("upload", *place, UPLOADER_ACCEPT_UNFINISHED_LAST_LINE="1")
    assert (ended.code, ended.summary["created"], ended.summary["open"]) == (0, 2, 0)
    assert [contact["properties"]["city"] for contact in mock.contacts()] == ["Bonn", "Lond"]
    reported = "cut.csv: the last line has no line break"
    sent = run("upload", "cut.csv", "--base-url", mock.url, cwd=tmp_path)
    assert (sent.code, sent.err.count(reported)) == (0, 1)
    assert reported in run("check", "cut.csv", "--base-url", mock.url, cwd=tmp_path).out
    assert reported in run("preview", "cut.csv", "--base-url", mock.url, cwd=tmp_path).err


def test_the_token_is_found_nowhere_and_files_are_for_their_owner(tmp_path, hubspot_mock):
    rows = rows_of(2_500)
    write(tmp_path / "contacts.csv", rows)
    faults = [{"kind": "status", "status": 503, "rate": 0.3}, {"kind": "reset", "rate": 0.1}]
    mock = hubspot_mock(latency_seconds=0.1, scenario={"faults": faults})
    few = ("--max-in-flight", "4")  # of the file much is left when it is looked at
    process = start_python("upload", "contacts.csv", "--base-url", mock.url, *few, "--verbose", cwd=tmp_path)
    wait_until(lambda: settled(tmp_path) > 100, process)
    words = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout
    assert ("contacts.csv" in words, TOKEN in words) == (True, False)
    for file in tmp_path.glob("contacts.csv.*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    ended = end(process)
    assert ended.code == 1, ended
    written = run("failures", "contacts.csv.checkpoint", "-o", "failures.csv", cwd=tmp_path)
    assert stat.S_IMODE((tmp_path / "failures.csv").stat().st_mode) == 0o600
    for text in (ended.out, ended.err, written.out, written.err):
        assert TOKEN not in text
    for file in tmp_path.iterdir():
        assert TOKEN.encode() not in file.read_bytes(), file


def test_dead_letters_go_back_into_upload_as_they_are(tmp_path, hubspot_mock):
    rows = rows_of(500)
    write(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(quota="100000/10")
    run("upload", "contacts.csv", "--base-url", mock.url, *FAST, cwd=tmp_path)
    for name in ("failures.csv", "failures.ndjson"):
        assert run("failures", "contacts.csv.checkpoint", "-o", name, cwd=tmp_path).code == 0
        _, rejected, invalid = expected(rows)
        again = run("upload", name, "--base-url", mock.url, *FAST, "--max-failures", "100%", cwd=tmp_path)
        assert (again.summary["rejected"], again.summary["invalid"]) == (rejected, invalid), again
    with (tmp_path / "failures.csv").open(encoding="utf-8", newline="") as file:
        letters = list(csv.DictReader(file))
    mended = [{**letter, "email": f"mended{i}@example.com"} for i, letter in enumerate(letters)]
    with (tmp_path / "mended.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, list(mended[0]))
        lines.writeheader()
        lines.writerows(mended)
    assert run("upload", "mended.csv", "--base-url", mock.url, *FAST, cwd=tmp_path).code == 0
    assert {f"mended{i}@example.com" for i in range(len(mended))} <= {
        contact["properties"]["email"] for contact in mock.contacts()
    }


def test_a_row_whose_key_a_later_row_wrote_is_marked_and_skipped(tmp_path, hubspot_mock):
    (tmp_path / "contacts.csv").write_text(
        "email,tier,firstname\n"
        "a@example.com,platinum,first\n"  # refused: no such option
        "a@example.com,gold,second\n"
    )
    mock = hubspot_mock(quota="100000/10")
    run("upload", "contacts.csv", "--base-url", mock.url, *FAST, cwd=tmp_path)
    run("failures", "contacts.csv.checkpoint", "-o", "failures.csv", cwd=tmp_path)
    with (tmp_path / "failures.csv").open(encoding="utf-8", newline="") as file:
        (letter,) = csv.DictReader(file)
    assert (letter["uploader_row"], letter["uploader_superseded"]) == ("2", "3")
    (tmp_path / "failures.csv").write_text(
        (tmp_path / "failures.csv").read_text().replace("platinum", "silver")
    )
    again = run("upload", "failures.csv", "--base-url", mock.url, *FAST, cwd=tmp_path)
    assert (again.code, again.summary["skipped"]) == (0, 1)
    (contact,) = mock.contacts()
    assert (contact["properties"]["firstname"], contact["properties"]["tier"]) == ("second", "gold")
    again = run(
        "upload",
        "failures.csv",
        "--base-url",
        mock.url,
        *FAST,
        "--include-superseded",
        "--restart",
        cwd=tmp_path,
    )
    assert again.summary["updated"] == 1


def test_what_a_killed_run_had_sent_is_known_exactly(tmp_path, hubspot_mock):
    """Every contact is there before: each second sending is answered `new: false`, and is called replayed."""
    rows = [(f"c{number}@example.com", "x") for number in range(4_000)]
    write(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.2, scenario=holding(25))
    mock.reset([{"properties": {"email": address}} for address, _ in rows])
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--rate", "20/1", "--json")
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: mock.stats()["records_received"] >= 1_500, process)
    kill(process)
    mock.change_scenario({})
    ended = run(*command, cwd=tmp_path)
    sent_twice = mock.stats()["records_received"] - len(rows)
    assert sent_twice > 0
    # What left the killed process may not have arrived: at most what one request holds.
    assert sent_twice <= ended.summary["replayed"] <= sent_twice + 100


@pytest.mark.parametrize("option", ["--checkpoint", "--results"])
def test_restart_never_removes_a_source_or_what_is_not_ours(tmp_path, hubspot_mock, option):
    write(tmp_path / "contacts.csv", rows_of(10))
    content = (tmp_path / "contacts.csv").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "contacts.csv")
    (tmp_path / "diary.txt").write_text("precious")
    for place in ("contacts.csv", "link", "diary.txt"):
        ended = run(
            "upload",
            "contacts.csv",
            option,
            place,
            "--restart",
            "--base-url",
            hubspot_mock().url,
            cwd=tmp_path,
        )
        assert ended.code == 2, ended
    assert (tmp_path / "contacts.csv").read_bytes() == content
    assert (tmp_path / "diary.txt").read_text() == "precious"


def test_restart_removes_nothing_while_the_job_cannot_start(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", rows_of(300))
    mock = hubspot_mock(quota="100000/10")
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--json")
    first = run(*command, cwd=tmp_path)
    mock.change_scenario({"auth": {"tokens": ["another"]}})
    assert run(*command, "--restart", cwd=tmp_path).code == 2
    assert run("status", "contacts.csv.checkpoint", "--json", cwd=tmp_path).summary == first.summary


def test_failures_overwrites_nothing_and_names_the_command_that_takes_its_file(tmp_path, hubspot_mock):
    (tmp_path / "contacts.csv").write_text("E-Mail,Old id\nno address,7\nb@example.com,8\n")
    mock = hubspot_mock(quota="100000/10")
    words = ("--map", "E-Mail=email", "--ignore", "Old id")
    ended = run("upload", "contacts.csv", *words, "--base-url", mock.url, cwd=tmp_path)
    assert "invalid: ... is not an e-mail address" in ended.err
    assert "failures contacts.csv.checkpoint -o contacts.failures.csv" in ended.err
    before = (tmp_path / "contacts.csv").read_bytes()
    for name in ("contacts.csv", "contacts.csv.results.csv"):
        refused = run("failures", "contacts.csv.checkpoint", "-o", name, cwd=tmp_path)
        assert (refused.code, "exists" in refused.err) == (2, True)
    assert (tmp_path / "contacts.csv").read_bytes() == before
    written = run("failures", "contacts.csv.checkpoint", "-o", "contacts.failures.csv", cwd=tmp_path)
    command = "upload contacts.failures.csv --map E-Mail=email --ignore 'Old id'"
    assert command in written.err
    mended = (tmp_path / "contacts.failures.csv").read_text().replace("no address", "a@example.com", 1)
    (tmp_path / "contacts.failures.csv").write_text(mended)
    assert run("upload", "contacts.failures.csv", *words, "--base-url", mock.url, cwd=tmp_path).code == 0


def test_a_job_that_was_finished_before_says_that_nothing_was_sent(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", rows_of(10))
    mock = hubspot_mock()
    run("upload", "contacts.csv", "--base-url", mock.url, cwd=tmp_path)
    ended = run("upload", "contacts.csv", "--base-url", "http://127.0.0.1:9", cwd=tmp_path)
    assert ended.code == 0
    assert "nothing was sent" in ended.err
    assert "44237313" in ended.err


def test_a_name_that_is_no_checkpoint_is_told_from_a_damaged_one(tmp_path):
    write(tmp_path / "contacts.csv", rows_of(10))
    ended = run("status", "contacts.csv", cwd=tmp_path)
    assert (ended.code, "give the .checkpoint file" in ended.err) == (2, True)


@pytest.mark.soak
def test_each_command_starts_with_an_interpreter_of_its_own(tmp_path, hubspot_mock):
    """As a user starts it, with all that it imports itself."""
    write(tmp_path / "contacts.csv", [(f"c{i}@example.com", "x") for i in range(5)])
    way, job = ("--base-url", hubspot_mock().url), "contacts.csv.checkpoint"
    for at_once in (
        [("check", "contacts.csv", *way), ("preview", "contacts.csv", *way)],
        [("upload", "contacts.csv", *way, "--snapshot")],
        [("status", job), ("failures", job), ("verify", job, *way), ("report", job)],
        [("undo", job, *way, "--yes")],
        [("purge", job, "--yes")],
    ):
        started = [start_python(*words, cwd=tmp_path) for words in at_once]
        ended = [end(process) for process in started]
        assert {one.code for one in ended} == {0}, ended
    assert [path.name for path in tmp_path.iterdir()] == ["contacts.csv"]


def test_without_arguments_the_help_is_shown(tmp_path):
    ended = run(cwd=tmp_path)
    assert ended.code == 2
    assert "Commands:" in ended.err
    assert "uploader: Usage" not in ended.err


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="caught signals are read from /proc")
def test_a_signal_ends_a_run_that_waits_for_a_pipe(tmp_path):
    command = ("upload", "-", "--checkpoint", "job.checkpoint", "--base-url", "http://127.0.0.1:9", "--json")
    process = start(*command, cwd=tmp_path, stdin=subprocess.PIPE)
    # Nothing comes; the handlers stand once the status file of the process shows them.
    wait_until(lambda: _catches(process.pid, signal.SIGINT), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert process.stdin is not None
    process.stdin.close()
    assert process.stdout is not None
    assert process.stderr is not None
    assert "Fatal" not in process.stderr.read()
    process.stdout.close()
    process.stderr.close()


def test_a_signal_ends_a_run_whose_pipe_stays_open(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    command = ("upload", "-", "--checkpoint", "contacts.csv.checkpoint", "--base-url", mock.url, "--json")
    process = start(*command, cwd=tmp_path, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write("email,firstname\n" + "".join(f"c{i}@example.com,F{i}\n" for i in range(5_000)))
    process.stdin.flush()
    wait_until(lambda: settled(tmp_path) > 500, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    ended = end(process)
    assert "Fatal" not in ended.err
    assert ended.summary["state"] == "stopped"


def _catches(pid: int, number: signal.Signals) -> bool:
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = next(line.split()[1] for line in text.splitlines() if line.startswith("SigCgt"))
    # SIGTERM's handler is ours alone; Python itself catches SIGINT.
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1) and bool(int(caught, 16) >> (number - 1) & 1)


def test_pending_rows_are_named_by_status(tmp_path, monkeypatch):
    """They are waited for in virtual time: half a minute."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "contacts.csv", [(f"c{i}@example.com", "x") for i in range(5)])
    fault = {"kind": "batch_status", "status": "PENDING", "results_share": 0.6, "times": 1}
    simulator = make_simulator(quota="none", rules={"results_order": "input"}, faults=[fault])
    ended = Job(Path("contacts.csv"), simulator).run_virtual()
    assert (ended.exit_code, ended.as_dict()["pending"]) == (1, 2)
    listed = run("status", "contacts.csv.checkpoint", "--pending", cwd=tmp_path).out.splitlines()
    assert listed == [
        "row,key,source",
        "5,c3@example.com,contacts.csv",
        "6,c4@example.com,contacts.csv",
    ]


def test_a_file_of_few_keys_ends_right_and_status_says_why_it_is_slow(tmp_path, hubspot_mock):
    rows = [(f"c{i % 5}@example.com", f"F{i}") for i in range(1_000)]
    write(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.0)
    words = ("upload", "contacts.csv", "--base-url", mock.url, *FAST)
    asked = run(*words, cwd=tmp_path)
    assert (asked.code, mock.stats()["upserts"]) == (2, 0)
    assert "'c0@example.com' is the email of 200 rows" in asked.err
    ended = run(*words, "--on-duplicate", "in-order", cwd=tmp_path)
    check(mock, tmp_path, rows, ended.summary)
    assert mock.stats()["upserts"] >= 200
    words = run("status", "contacts.csv.checkpoint", cwd=tmp_path).out
    assert "995 rows waited for an earlier one" in words
    assert "a request carried 5.0 rows of at most 100" in words


def test_a_killed_job_knows_the_companies_that_it_created(tmp_path, hubspot_mock):
    """HubSpot's search does not find them yet, and creates a second one if it is asked twice."""
    rules = {"search_lag_seconds": 3_600}
    mock = hubspot_mock(scenario=holding(0, endpoint="update", rules=rules))
    rows = [f"d{n % 100}.com,Name {n}" for n in range(200)]
    (tmp_path / "rows.csv").write_text("\n".join(["domain,name", *rows, ""]), encoding="utf-8")
    key = ("--object-type", "companies", "--id-property", "domain", "--on-duplicate", "in-order")
    command = ("upload", "rows.csv", "--base-url", mock.url, *key, "--json")
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: settled(tmp_path, "rows.csv") == 100, process)
    kill(process)
    mock.change_scenario({"rules": rules})
    ended = run(*command, cwd=tmp_path)
    assert (ended.code, ended.summary["rows"], ended.summary["open"]) == (0, 200, 0)
    assert ended.summary["created"] + ended.summary["updated"] == 200
    held = {one["properties"]["domain"]: one["properties"]["name"] for one in mock.objects("companies")}
    assert held == {f"d{n}.com": f"Name {100 + n}" for n in range(100)}
    assert len(mock.objects("companies")) == 100
