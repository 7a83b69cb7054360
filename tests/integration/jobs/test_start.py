"""What is asked before the first batch: side by side where nothing depends on it, never too much of it."""

import asyncio
from collections import defaultdict
from pathlib import Path

import pytest

from support.check_runs import check
from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.undo_runs import undo
from support.verify_runs import counts, verify
from support.virtual_loop import run_virtual
from uploader.errors import SettingsError
from uploader.jobs.preflight import run_both
from uploader.mockserver.request_and_reply import Request
from uploader.model.stop import Cause
from uploader.pipeline.rate.limiter import EARLY_READS

WINDOW_SECONDS = 10.0
#: The same for every request, so that rounds of requests can be distinguished.
LATENCY_SECONDS = 0.3
LATENCY = {"kind": "delay", "endpoint": "any", "seconds": LATENCY_SECONDS}
NO_HEADERS = {"rate_headers": False}
ACCOUNT, USAGE, TOKEN = "details", "private-apps", "access-token-info"


def job_of(folder: Path, rows=None, *, faults=(), quota="190/10", **scenario) -> Job:
    simulator = make_simulator(quota=quota, faults=[LATENCY, *faults], **scenario)
    return Job(write_csv(folder / "contacts.csv", rows or contacts(3)), simulator)


def owned(count: int) -> list[dict[str, str]]:
    return contacts(count, hubspot_owner_id="ann.lee@example.com")


def rounds(job: Job) -> list[list[str]]:
    """What left after so many answers' time, by the last part of its path."""
    found: dict[int, list[str]] = defaultdict(list)
    sent = job.transport.sent_at
    for at, path in zip(sent, job.transport.paths, strict=True):
        found[round((at - sent[0]) / LATENCY_SECONDS)].append(path.partition("?")[0].rpartition("/")[2])
    return [sorted(found[number]) for number in range(max(found) + 1)]


def sent_at(job: Job, end: str) -> list[float]:
    sent = zip(job.transport.sent_at, job.transport.paths, strict=True)
    return [at for at, path in sent if path.partition("?")[0].endswith(end)]


def fill_window(job: Job, requests: int) -> None:
    """A predecessor has sent so many, and was killed."""
    headers = {"authorization": "Bearer test-token"}
    for _ in range(requests):
        job.simulator.handle(Request(method="GET", path="/account-info/v3/details", headers=headers), 0.0)
        job.simulator.ended()
    job._clock = 0.1


# --- with the header ---


def test_an_upload_asks_in_three_rounds_and_the_first_batch_is_the_fourth(tmp_path):
    job = job_of(tmp_path, owned(3))
    assert job.run_virtual().tallies.confirmed == 3
    assert rounds(job)[:4] == [[ACCOUNT], ["contacts", USAGE], ["owners", "owners"], ["upsert"]]


def test_check_asks_in_three_rounds(tmp_path):
    job = job_of(tmp_path, owned(3))
    report = check(job)
    assert not report.problems
    assert report.account.schema.owners is not None
    assert rounds(job) == [[ACCOUNT], [TOKEN, "contacts", USAGE, "records"], ["owners", "owners"]]


def test_a_key_that_is_none_is_a_finding_and_nothing_is_asked_twice(tmp_path):
    job = job_of(tmp_path, owned(3))
    report = check(job, match=("firstname",))
    assert any("--id-property" in problem for problem in report.problems)
    assert report.closer is not None
    assert len(job.transport.paths) == len(set(job.transport.paths))


def test_undo_asks_for_the_app_beside_the_properties(tmp_path):
    job = job_of(tmp_path)
    job.run_virtual(snapshot=True)
    undo(job)
    assert rounds(job)[:2] == [[ACCOUNT], [TOKEN, "contacts", USAGE]]


def test_a_token_that_may_not_say_the_account_is_asked_by_itself_and_once(tmp_path):
    """Another token may take its place; it has to be of the same account."""
    faults = [{"kind": "status", "endpoint": "account", "status": 403}]
    job = job_of(tmp_path, faults=faults)
    assert check(job).account.portal == "44237313"
    assert rounds(job)[:3] == [[ACCOUNT], [TOKEN], ["contacts", USAGE, "records"]]


@pytest.mark.parametrize("usage", [{"kind": "delay", "seconds": 300}, {"kind": "status", "status": 500}])
def test_the_first_batch_does_not_wait_for_what_is_only_shown(tmp_path, usage):
    job = job_of(tmp_path, faults=[{**usage, "endpoint": "usage"}])
    assert job.run_virtual().tallies.confirmed == 3
    assert rounds(job)[:3] == [[ACCOUNT], ["contacts", USAGE], ["upsert"]]
    assert job._clock < 60


def test_rows_are_estimated_while_the_account_is_asked(tmp_path):
    class Slow(Inline):
        """A reader whose calls take longer than the first request."""

        async def run(self, call):
            await asyncio.sleep(2 * LATENCY_SECONDS)
            return await super().run(call)

    job = job_of(tmp_path)
    job.offload = lambda name: Slow() if name == "reader" else Inline()
    shown = []

    async def approve(_, rows):
        shown.append((rows, asyncio.get_running_loop().time()))
        return True

    job.run_virtual(approve=approve)
    [(rows, at)] = shown
    assert rows == 3
    assert at == pytest.approx(4 * LATENCY_SECONDS, abs=0.01)


def test_requests_side_by_side_that_are_refused_for_the_moment_are_asked_again(tmp_path):
    faults = [
        {"kind": "status", "endpoint": one, "status": 429, "shape": "burst", "times": 1}
        for one in ("properties", "limits", "token", "usage")
    ]
    job = job_of(tmp_path, faults=faults)
    report = check(job)
    assert report.end is None
    assert report.closer.token.scopes
    assert report.closer.record_limit is not None


@pytest.mark.parametrize("slow", ["properties", "token", "limits", "usage"])
def test_the_same_problem_is_told_whatever_is_answered_first(tmp_path, slow):
    """The properties' refusal ends it; the others fail, too."""
    faults = [
        {"kind": "status", "endpoint": "properties", "status": 404},
        {"kind": "status", "endpoint": "token", "status": 401},
        {"kind": "status", "endpoint": "limits", "status": 400},
        {"kind": "status", "endpoint": "usage", "status": 401},
        {"kind": "delay", "endpoint": slow, "seconds": 3},
    ]
    job = job_of(tmp_path, faults=faults)
    report = check(job)
    [problem] = [one for one in report.problems if "/crm/v3/properties/contacts" in one]
    assert report.problems == [problem]


@pytest.mark.parametrize("after", [0.1, 0.45, 0.75])
def test_a_signal_while_requests_are_side_by_side_ends_them_all(tmp_path, after):
    job = job_of(tmp_path, owned(3))
    report = check(job, stop_after=after)
    assert report.end.cause is Cause.SIGNAL
    assert max(job.transport.sent_at) < after
    assert job._clock < after + LATENCY_SECONDS / 10


# --- without it ---


def test_check_does_not_wait_for_an_empty_window(tmp_path):
    job = job_of(tmp_path, owned(3), quota="none")
    report = check(job)
    assert not report.problems
    assert report.account.schema.owners is not None
    assert rounds(job) == [[ACCOUNT], [TOKEN, "contacts", "records"], ["owners", "owners"]]


def test_verify_of_few_rows_does_not_wait_for_an_empty_window(tmp_path):
    job = job_of(tmp_path, owned(150), quota="none")
    job.run_virtual()
    began = job._clock
    report, _ = verify(job)
    assert counts(report) == {"equal": 150}
    assert job._clock - began < WINDOW_SECONDS / 2


def test_only_the_first_write_waits_until_the_window_is_empty(tmp_path):
    job = job_of(tmp_path, owned(3), rules=NO_HEADERS)
    assert job.run_virtual().tallies.confirmed == 3
    before, [upsert] = [at for at in job.transport.sent_at if at < WINDOW_SECONDS], sent_at(job, "upsert")
    assert len(before) == len(job.transport.sent_at) - 1
    assert WINDOW_SECONDS <= upsert < WINDOW_SECONDS + LATENCY_SECONDS


def test_more_than_a_few_reads_wait_for_the_window(tmp_path):
    job = job_of(tmp_path, contacts(900), rules=NO_HEADERS)
    job.run_virtual()
    began = job._clock
    report, _ = verify(job)
    assert counts(report) == {"equal": 900}
    early = [at for at in job.transport.sent_at if at < began + WINDOW_SECONDS]
    assert len(early) == 1 + EARLY_READS


def test_pages_of_owners_beyond_a_few_wait_for_the_window(tmp_path):
    owners = [{"id": str(number), "email": f"o{number}@example.com"} for number in range(1, 3_001)]
    job = job_of(tmp_path, contacts(3, hubspot_owner_id="o7@example.com"), rules=NO_HEADERS, owners=owners)
    assert job.run_virtual().tallies.confirmed == 3
    assert len([at for at in job.transport.sent_at if at < WINDOW_SECONDS]) == 1 + EARLY_READS


def test_in_a_window_that_a_killed_predecessor_filled_few_are_refused_and_all_is_written(tmp_path):
    job = job_of(tmp_path, owned(300), quota="100/10", rules=NO_HEADERS)
    fill_window(job, 100)
    summary = job.run_virtual()
    assert summary.tallies.confirmed == 300
    assert summary.tallies.throttled <= 1 + EARLY_READS
    refused = [seen.at for seen in job.simulator.statistics.log if seen.status == "429"]
    assert refused
    assert max(refused) < WINDOW_SECONDS
    assert min(sent_at(job, "upsert")) >= WINDOW_SECONDS


@pytest.mark.parametrize("sent", [99, 100])
def test_check_right_after_a_killed_predecessor_gets_its_answers_and_few_refusals(tmp_path, sent):
    job = job_of(tmp_path, owned(3), quota="100/10", rules=NO_HEADERS)
    fill_window(job, sent)
    report = check(job)
    assert not report.problems
    assert report.closer.token.scopes
    assert job.simulator.statistics.throttled <= 1 + EARLY_READS


# --- side by side ---


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_of_two_errors_the_first_ones_is_raised_whichever_comes_earlier(first, second):
    async def fail(seconds, text):
        await asyncio.sleep(seconds)
        raise SettingsError(text)

    with pytest.raises(SettingsError, match=r"^first$"):
        run_virtual(run_both(fail(first, "first"), fail(second, "second")))


def test_what_is_under_way_beside_an_error_is_ended():
    ended = []

    async def last():
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def fail():
        await asyncio.sleep(1)
        raise SettingsError("so")

    async def run():
        with pytest.raises(SettingsError):
            await run_both(fail(), last())
        assert ended == [pytest.approx(1, abs=0.01)]  # the loop would end it, too

    run_virtual(run())
