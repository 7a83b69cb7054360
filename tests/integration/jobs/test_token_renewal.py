"""Signing in while a job runs: tokens end, are replaced and refused, and no row is lost for it."""

import asyncio
import json
import shlex
import sys
import tomllib
from functools import partial
from itertools import pairwise

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from uploader.errors import SettingsError
from uploader.hubspot.sign_in.credential_files import keep_refresh_token, read_oauth
from uploader.hubspot.sign_in.token_renewal import OAuth, TokenCommand, TokenFile
from uploader.mockserver.quota import parse_quota
from uploader.model.stop import Cause

ROWS = contacts(900)
CLIENT = {"client_id": "the-app", "client_secret": "its-secret", "refresh_tokens": ["r0"]}


def oauth_job(tmp_path, *, lifetime=20, rows=ROWS, faults=(), auth=None, quota="60/10") -> Job:
    auth_settings = {**CLIENT, "tokens": [], "token_lifetime_seconds": lifetime, **(auth or {})}
    simulator = make_simulator(latency_seconds=0.2, auth=auth_settings, faults=list(faults), quota=quota)
    sign_in = OAuth("the-app", "its-secret", "r0")
    return Job(
        write_csv(tmp_path / "contacts.csv", rows),
        simulator,
        {"token": "", "sign_in": sign_in},
        batch_records=10,
    )


def refreshes(job: Job) -> list[float]:
    return job.simulator.stats()["token_refreshes"]


def refused(job: Job) -> int:
    return job.simulator.stats()["by_status"].get("401", 0)


def test_a_token_is_renewed_ahead_of_its_end_once_each_time(tmp_path):
    rows = contacts(1_500)
    job = oauth_job(tmp_path, rows=rows, quota="30/10")
    summary = job.run_virtual()
    job.check(rows, summary)
    assert (summary.exit_code, refused(job)) == (0, 0)
    at = refreshes(job)
    assert len(at) >= 3
    # 75 % of 20 s, and what it takes for a request to be let out.
    assert all(14.9 <= later - earlier <= 16.0 for earlier, later in pairwise(at))


def test_a_token_that_ends_while_the_machine_sleeps_is_renewed_before_anything_leaves(tmp_path):
    job = oauth_job(tmp_path, lifetime=1_800)

    slept_at = []

    def sleep() -> None:
        slept_at.append(asyncio.get_running_loop().time())
        job.sleep_machine(3_600)

    summary = job.run_virtual(on_start=lambda _: asyncio.get_running_loop().call_later(5.0, sleep))
    job.check(ROWS, summary)
    assert (summary.exit_code, len(refreshes(job))) == (0, 2)
    # But for one that was just leaving.
    assert all(seen.at < slept_at[0] + 0.01 for seen in job.simulator.statistics.log if seen.status == "401")


def test_under_faults_and_stops_no_row_is_lost_and_every_expiry_costs_one_refresh(tmp_path):
    faults = [
        {"kind": "status", "status": 423, "endpoint": "upsert", "rate": 0.05},
        {"kind": "reset", "applied": True, "rate": 0.03},
    ]
    job = oauth_job(tmp_path, faults=faults)
    summary = job.run_virtual(stop_after=9.0)
    while summary.state != "complete":
        summary = job.run_virtual(stop_after=9.0)
    job.check(ROWS, summary)
    assert refused(job) == 0


def test_workers_that_wait_for_a_renewal_start_no_other(tmp_path):
    """The token endpoint takes its time, and hundreds of requests want to leave meanwhile."""
    slow = {"kind": "delay", "endpoint": "token", "seconds": 4.0}
    job = oauth_job(tmp_path, rows=contacts(1_500), faults=[slow], lifetime=40)
    summary = job.run_virtual()
    job.check(contacts(1_500), summary)
    at = refreshes(job)
    assert all(later - earlier >= 25 for earlier, later in pairwise(at))


def test_a_failing_token_endpoint_is_asked_again_while_the_old_token_serves(tmp_path):
    failing = {
        "kind": "status",
        "status": 503,
        "endpoint": "token",
        "from_seconds": 10,
        "until_seconds": 18.5,
    }
    job = oauth_job(tmp_path, rows=contacts(1_200), faults=[failing])
    summary = job.run_virtual()
    job.check(contacts(1_200), summary)
    assert (summary.exit_code, refused(job)) == (0, 0)


def test_a_refresh_token_that_is_refused_ends_the_job_as_a_token_fault(tmp_path):
    gone = {"kind": "status", "status": 400, "endpoint": "token", "from_seconds": 10}
    job = oauth_job(tmp_path, rows=contacts(1_200), faults=[gone])
    summary = job.run_virtual()
    assert (summary.state, summary.cause, summary.exit_code) == ("stopped", Cause.TOKEN, 78)
    assert "r0" not in summary.reason
    job.simulator.change_scenario(make_simulator(auth={**CLIENT, "tokens": []}).scenario)
    summary = job.run_virtual()
    job.check(contacts(1_200), summary)


def test_at_the_start_it_is_no_job_at_all(tmp_path):
    job = oauth_job(tmp_path, auth={"refresh_tokens": ["another"]})
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 2)


def test_a_token_endpoint_that_is_down_is_an_outage(tmp_path):
    job = oauth_job(tmp_path, faults=[{"kind": "status", "status": 503, "endpoint": "token", "rate": 1.0}])
    summary = job.run_virtual()
    assert (summary.state, summary.cause) == ("stopped", Cause.OUTAGE)


def test_a_token_revoked_ahead_of_its_end_is_renewed_after_one_refusal_for_all(tmp_path):
    """Many requests are in flight then: each is refused once, and sent again by the next token."""
    job = oauth_job(tmp_path, lifetime=1800)
    revoked = []

    def revoke(run):
        if not revoked and run.view() and run.view().tallies.settled > 200:
            token = run.session.sender.access.token
            revoked.append(token)
            scenario = make_simulator(auth={**CLIENT, "tokens": [], "expired": [token]}).scenario
            job.simulator.change_scenario(scenario)

    summary = job.run_virtual(on_tick=revoke)
    job.check(ROWS, summary)
    assert revoked
    assert (summary.exit_code, len(refreshes(job))) == (0, 2)
    assert 1 <= refused(job) <= 12
    assert summary.as_dict()["retries"] == 0


def test_a_fresh_token_that_is_refused_is_not_asked_for_again(tmp_path):
    refusing = {"kind": "status", "status": 401, "endpoint": "upsert", "requests": [20, 9_999]}
    job = oauth_job(tmp_path, lifetime=1800, faults=[refusing])
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 78)
    assert len(refreshes(job)) <= 3


@pytest.mark.parametrize("spelling", ["toml", "json"])
def test_a_refresh_token_that_is_replaced_is_kept_before_it_is_needed(tmp_path, spelling):
    held = {"client_id": "the-app", "client_secret": "its-secret", "refresh_token": "r0", "note": "keep me"}
    path = tmp_path / "app"
    text = json.dumps(held) if spelling == "json" else "".join(f'{k} = "{v}"\n' for k, v in held.items())
    path.write_text(text)
    link = tmp_path / "link"
    link.symlink_to(path)
    job = oauth_job(tmp_path, auth={"rotates_refresh_tokens": True})
    job.options["sign_in"] = read_oauth(link)
    summary = job.run_virtual(stop_after=20.0)
    while summary.state != "complete":  # each begins with what the last one has kept
        job.options["sign_in"] = read_oauth(link)
        summary = job.run_virtual(stop_after=20.0)
    job.check(ROWS, summary)
    read = json.loads if spelling == "json" else tomllib.loads
    kept = read(path.read_text())
    assert kept["refresh_token"].startswith("mock-refresh-")
    assert kept["note"] == "keep me"
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_renewal_goes_to_its_end_whatever_becomes_of_the_run(tmp_path):
    """Interrupted while the answer with the new refresh token is on its way: it is kept all the same."""
    path = tmp_path / "app.json"
    path.write_text(
        json.dumps({"client_id": "the-app", "client_secret": "its-secret", "refresh_token": "r0"})
    )
    slow = {"kind": "delay", "endpoint": "token", "seconds": 6.0}
    job = oauth_job(tmp_path, auth={"rotates_refresh_tokens": True}, faults=[slow])
    job.options["sign_in"] = read_oauth(path)
    job.run_virtual(stop_after=3.0, again_after=3.1)
    assert json.loads(path.read_text())["refresh_token"] == "mock-refresh-1"


def test_what_replaces_a_refresh_token_in_a_lost_file_is_told_and_the_job_goes_on(tmp_path, caplog):
    oauth = OAuth("the-app", "its-secret", "r0", str(tmp_path / "gone" / "app.json"))
    job = oauth_job(tmp_path, auth={"rotates_refresh_tokens": True})
    job.options["sign_in"] = oauth
    summary = job.run_virtual()
    job.check(ROWS, summary)
    assert "could not be saved" in caplog.text
    with pytest.raises(SettingsError):
        keep_refresh_token(oauth, "r1")


# --- a token file that comes to hold another token, or a program that comes to print one ---


#: Neither the account nor the token's own endpoint tells.
UNTOLD = tuple({"kind": "status", "status": 403, "endpoint": name} for name in ("account", "token"))


SIGN_INS = pytest.mark.parametrize(
    "sign_in", [TokenFile, lambda path: TokenCommand(f"cat {path}")], ids=["file", "command"]
)


def file_job(
    tmp_path, new_portal=None, new_token="second", faults=(), new_faults=(), *, sign_in=TokenFile
) -> tuple[Job, object]:
    path = tmp_path / "token"
    path.write_text("first\n")
    auth = {"tokens": ["first", "second"]}
    simulator = make_simulator(latency_seconds=0.2, auth=auth, faults=list(faults))
    job = Job(write_csv(tmp_path / "contacts.csv", ROWS), simulator, {"token": "first"}, batch_records=10)
    job.options["sign_in"] = sign_in(str(path))

    def replace(run):
        view = run.view()
        if view and view.tallies.settled > 200 and path.read_text() == "first\n":
            path.write_text(new_token)
            account = {"portal_id": new_portal} if new_portal else {}
            auth = {"tokens": ["second"]}
            scenario = make_simulator(auth=auth, account=account, faults=list(new_faults)).scenario
            simulator.change_scenario(scenario)
            job.written_before = simulator.statistics.records_written

    return job, replace


def run_file_job(job: Job, replace):
    """The transport begins with the file's token, as the real one does."""
    job.make_transport = partial(MockTransport, token="first")
    return job.run_virtual(on_tick=replace)


@SIGN_INS
def test_a_token_replaced_in_its_file_goes_on_without_loss(tmp_path, sign_in):
    job, replace = file_job(tmp_path, sign_in=sign_in)
    summary = run_file_job(job, replace)
    job.check(ROWS, summary)
    assert (summary.exit_code, summary.as_dict()["retries"]) == (0, 0)
    assert refused(job) >= 1


@SIGN_INS
def test_the_same_token_in_the_file_ends_the_job_as_before(tmp_path, sign_in):
    job, replace = file_job(tmp_path, new_token="first\n\n", sign_in=sign_in)
    summary = run_file_job(job, replace)
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 78)
    assert summary.reason.endswith("has no new token")


@SIGN_INS
def test_without_a_first_token_it_is_taken_before_the_first_request(tmp_path, sign_in):
    """As in a program, which need not get the first one itself."""
    job, replace = file_job(tmp_path, sign_in=sign_in)
    job.options["token"] = ""
    job.make_transport = partial(MockTransport, token="none yet")
    summary = job.run_virtual(on_tick=replace)
    job.check(ROWS, summary)
    assert summary.exit_code == 0
    assert [seen.status for seen in job.simulator.statistics.log][:1] == ["200"]


def test_a_token_command_is_run_once_for_each_refused_token(tmp_path):
    job, replace = file_job(tmp_path)
    runs = tmp_path / "runs"
    command = shlex.join(["sh", "-c", f"echo run >>{runs}; cat {tmp_path / 'token'}"])
    job.options |= {"sign_in": TokenCommand(command), "token": ""}
    summary = run_file_job(job, replace)
    job.check(ROWS, summary)
    assert refused(job) >= 1
    assert runs.read_text().split() == ["run"] * 2


def test_a_token_command_that_fails_later_ends_the_job_and_the_next_run_goes_on(tmp_path):
    job, replace = file_job(tmp_path, sign_in=lambda path: TokenCommand(f"grep -x first {path}"))
    summary = run_file_job(job, replace)
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 78)
    why = "the token command (grep) failed with exit code 1; run it by itself to see why"
    assert summary.reason == f"token refused: HTTP 401; {why}"
    job.options |= {"sign_in": TokenCommand(f"cat {tmp_path / 'token'}"), "token": ""}
    summary = job.run_virtual()
    job.check(ROWS, summary)
    assert summary.exit_code == 0


def test_a_token_command_that_fails_at_once_starts_no_job(tmp_path):
    job, _ = file_job(tmp_path, sign_in=lambda _: TokenCommand("false"))
    with pytest.raises(SettingsError, match=r"^the token command \(false\) failed with exit code 1"):
        job.run_virtual(token="")


def test_a_token_command_that_is_interrupted_with_the_run_is_no_fault(tmp_path):
    """Ctrl-C reaches both, and it is not certain which one ends first."""
    # Where the tests run in the background, interrupts are ignored at first.
    program = "import os, signal as s; s.signal(s.SIGINT, s.SIG_DFL); os.kill(os.getpid(), s.SIGINT)"
    command = shlex.join([sys.executable, "-c", program])
    job, replace = file_job(tmp_path, sign_in=lambda _: TokenCommand(command))
    summary = run_file_job(job, replace)
    assert summary.cause is Cause.SIGNAL


@pytest.mark.parametrize(
    ("portal", "before", "after", "reason"),
    [
        (999, (), (), "belongs to account 999; this job writes to account 44237313"),
        (999, (), UNTOLD, "may not read which account it belongs to; this job writes to account 44237313"),
        (999, UNTOLD, (), "belongs to account 999, and the former one could not read it"),
        (
            999,
            UNTOLD,
            UNTOLD,
            "may not read which account it belongs to, and the former one could not read it",
        ),
    ],
)
@pytest.mark.parametrize("quota", ["190/10", "none"])
def test_a_token_that_may_be_of_another_account_writes_nothing(  # noqa: PLR0917
    tmp_path, portal, before, after, reason, quota
):
    """Nor for those whose turn comes before the run has ended."""
    job, replace = file_job(tmp_path, new_portal=portal, faults=before, new_faults=after)
    job.simulator.change_quota(parse_quota(quota))
    summary = run_file_job(job, replace)
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 78)
    assert reason in summary.reason
    assert job.simulator.statistics.records_written == job.written_before


def test_a_token_replaced_before_the_account_is_told_is_asked_for_its_own(tmp_path):
    """The first one tells and is refused from then on: what comes after has to be of that account."""
    job, _ = file_job(tmp_path)
    answer = job.simulator.handle

    def handle(request, now):
        reply = answer(request, now)
        if request.path.endswith("/details") and (tmp_path / "token").read_text() == "first\n":
            (tmp_path / "token").write_text("second\n")
            other = make_simulator(auth={"tokens": ["second"]}, account={"portal_id": 999})
            job.simulator.change_scenario(other.scenario)
        return reply

    job.simulator.handle = handle
    summary = run_file_job(job, lambda _: None)
    assert summary.cause is Cause.TOKEN
    assert "account 999" in summary.reason
    assert not job.held()


# --- rare orders of events ---


def test_two_renewals_are_never_under_way_at_once_whoever_is_cancelled(tmp_path):
    """Who waited for the first is cancelled while its answer is on its way; the next asks for no other."""
    path = tmp_path / "app.json"
    held = {"client_id": "the-app", "client_secret": "its-secret", "refresh_token": "r0"}
    path.write_text(json.dumps(held))
    slow = {"kind": "delay", "endpoint": "token", "seconds": 3.0, "from_seconds": 5}
    auth = {"rotates_refresh_tokens": True, "token_lifetime_seconds": 20}
    for stop in (15.2, 15.6, 16.1, 17.0):
        job = oauth_job(tmp_path, rows=contacts(1_200), auth=auth, faults=[slow])
        job.options["sign_in"] = read_oauth(path)
        job.run_virtual(restart=True, stop_after=stop, drain_timeout_seconds=0.5)
        issued = len(refreshes(job))
        assert json.loads(path.read_text())["refresh_token"] == f"mock-refresh-{issued}"
        path.write_text(json.dumps(held))


def test_the_same_token_again_is_no_way_out(tmp_path):
    job = oauth_job(tmp_path, lifetime=1800, auth={"expired": ["mock-access-1", "mock-access-2"]})
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 2)


def test_an_upsert_that_is_refused_by_each_token_ends_the_job_though_reads_are_answered(tmp_path):
    refusing = {"kind": "status", "status": 401, "endpoint": "upsert", "from_seconds": 5}
    job = oauth_job(tmp_path, lifetime=1800, faults=[refusing], quota="190/10")
    summary = job.run_virtual(skip_unchanged=True)
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 78)
    assert len(refreshes(job)) <= 4


@pytest.mark.parametrize("lifetime", [0, 1, 4])
def test_a_token_that_is_over_as_it_comes_is_an_outage(tmp_path, lifetime):
    job = oauth_job(tmp_path, lifetime=lifetime)
    summary = job.run_virtual()
    assert (summary.state, summary.cause) == ("stopped", Cause.OUTAGE)
    assert "is valid for only" in summary.reason
    assert len(refreshes(job)) < 20


def test_nothing_new_leaves_after_a_stop_though_its_token_was_replaced(tmp_path):
    refusing = {"kind": "status", "status": 401, "endpoint": "upsert", "from_seconds": 8, "until_seconds": 9}
    slow = {"kind": "delay", "endpoint": "token", "seconds": 2.0, "from_seconds": 5}
    job = oauth_job(tmp_path, lifetime=1800, faults=[refusing, slow], quota="190/10", rows=contacts(3_000))
    summary = job.run_virtual(stop_after=9.2)
    late = [one for one in job.simulator.statistics.log if one.at > 9.5 and one.path.endswith("upsert")]
    assert (summary.cause, late) == (Cause.SIGNAL, [])


@pytest.mark.parametrize(
    "text",
    [
        'client_id = "a"\nclient_secret = "b"\nrefresh_token = \'r0\'  # it\n[db]\n"my key" = 1979-05-27\n',
        '{"n": 36893488147419103232, "client_id": "a", "client_secret": "b",\n "refresh_token" : "r\\"0"}',
    ],
)
def test_nothing_else_of_the_file_changes(tmp_path, text):
    path = tmp_path / "app"
    path.write_text(text)
    oauth = keep_refresh_token(read_oauth(path), 'r"1')
    again = read_oauth(path)
    assert oauth.refresh_token == again.refresh_token == 'r"1'
    assert path.read_text().replace('"r\\"1"', "X") == text.replace("'r0'", "X").replace('"r\\"0"', "X")


def test_a_file_in_which_no_new_token_can_be_kept_is_refused_before_there_is_one(tmp_path):
    path = tmp_path / "app"
    path.write_text('client_id = "a"\nclient_secret = "b"\nrefresh_token = """r0"""\n')
    with pytest.raises(SettingsError, match="could not be saved"):
        read_oauth(path)
