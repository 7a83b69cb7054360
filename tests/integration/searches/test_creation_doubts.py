"""Requests to create a company that got no answer: when it may be created once more, and when not."""

import asyncio
import random

import pytest

from support.builders import record
from support.inline_thread import Inline
from support.mock_transport import MockTransport, make_simulator
from support.virtual_loop import run_virtual
from uploader.hubspot.requests import paths
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.trusted_clock import Clocks
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.key_search import DOUBT_SECONDS, LATEST_SECONDS, KeySearch
from uploader.pipeline.searched_records import MOST_TRIES, SearchedRecords
from uploader.pipeline.sender import Sender
from uploader.storage.created_records_file import CreatedRecordsFile

PATHS = paths("v3", "companies")


class Doubtful:
    """A job in which a request to create `a.com` got no answer `ago` seconds before it began."""

    def __init__(self, tmp_path, ago=0.0, **rules) -> None:
        self.simulator = make_simulator(quota="190/10", latency_seconds=0.1, rules=rules)
        loop = asyncio.get_running_loop()
        self.file = CreatedRecordsFile(tmp_path / "a.checkpoint")
        transport = MockTransport(self.simulator)
        self.sender = Sender(transport, SendLog(), InFlightCap(9, 9), Tallies(), Clocks(loop.time))
        self.attempts = Attempts(self.sender, lambda _: None, random.Random(0).random)
        self.record = record(0, "a.com", id_property="domain")
        self.file.begin(["a.com"], self.now() - ago)
        search = KeySearch(PATHS, self.file, Inline())
        self.searched = SearchedRecords(search, self.file, Inline(), self.now)

    def now(self) -> float:
        return self.simulator.wall(asyncio.get_running_loop().time())

    def create(self, domain="a.com") -> None:
        now = asyncio.get_running_loop().time()
        held = [one["properties"] for one in self.simulator.objects(now, "companies")]
        self.simulator.reset(
            now, objects={"companies": [{"properties": one} for one in [*held, {"domain": domain}]]}
        )

    async def settle(self, *, passes=None):
        """The settlements, and the seconds that it took."""

        async def writes_pass():
            return passes

        began = self.now()
        settled = await self.searched.settle_doubts([self.record], self.attempts, asyncio.sleep, writes_pass)
        return settled, self.now() - began

    async def found(self):
        return await self.searched.find([self.record], self.attempts)


@pytest.fixture
def doubtful(tmp_path, closed_at_end):
    def make(*arguments, **rules) -> Doubtful:
        job = Doubtful(tmp_path, *arguments, **rules)
        closed_at_end(job.file)
        return job

    return make


def run(make):
    return run_virtual(make())


@pytest.mark.parametrize("ago", [0.0, 10_000.0])
def test_what_is_found_late_is_not_created_again(doubtful, ago):
    """Whenever an earlier process noted its request, it may have left just before the job began."""

    async def work():
        job = doubtful(ago)
        asyncio.get_running_loop().call_later(100.0, job.create)
        settled, seconds = await job.settle()
        found = await job.found()
        return settled, seconds, [one.contact_id for one in found.ready]

    settled, seconds, ids = run(work)
    assert (settled, len(ids), ids != [""]) == ([], 1, True)
    assert 100.0 <= seconds < DOUBT_SECONDS


def test_what_no_search_finds_in_time_may_be_created(doubtful):
    async def work():
        job = doubtful()
        settled, seconds = await job.settle()
        return settled, seconds, [one.contact_id for one in (await job.found()).ready]

    settled, seconds, ids = run(work)
    assert (settled, ids) == ([], [""])
    assert DOUBT_SECONDS <= seconds < DOUBT_SECONDS + 60.0


def test_a_search_that_lags_more_proves_nothing(doubtful):
    """It does not find what an answer has named since, either."""

    async def work():
        job = doubtful()
        await job.searched.note({"b.com": "77"})
        settled, seconds = await job.settle()
        return settled, seconds, await job.found()

    (settled,), seconds, found = run(work)
    assert (settled.outcome, settled.refusal.category) == (Outcome.ABANDONED, "NO_ANSWER")
    assert seconds >= LATEST_SECONDS
    assert len(found.in_doubt) == 1


def test_a_search_that_finds_what_was_created_since_is_up_to_date(doubtful):
    async def work():
        job = doubtful()
        job.create("b.com")
        await job.searched.note({"b.com": "77"})
        settled, seconds = await job.settle()
        return settled, seconds

    settled, seconds = run(work)
    assert settled == []
    assert seconds < DOUBT_SECONDS + 60.0


def test_what_hubspot_has_accepted_is_never_created_again(doubtful):
    async def work():
        job = doubtful()
        await job.searched.accept(["a.com"])
        settled, _ = await job.settle()
        return settled, await job.found()

    (settled,), found = run(work)
    assert settled.outcome is Outcome.PENDING
    assert len(found.in_doubt) == 1


def test_several_companies_leave_it_unknown_which_is_ours(doubtful):
    async def work():
        job = doubtful()
        job.create()
        job.create()
        settled, _ = await job.settle()
        return settled

    (settled,) = run(work)
    assert (settled.outcome, settled.refusal.category) == (Outcome.ABANDONED, "AMBIGUOUS")


@pytest.mark.parametrize("passes", [True, False, None])
def test_a_company_that_never_gets_an_answer_is_abandoned_if_writes_succeed(doubtful, passes):
    async def work():
        job, sizes = doubtful(), []
        for _ in range(MOST_TRIES):
            settled, _ = await job.settle(passes=passes)
            if settled:
                return settled, sizes
            sizes.append(max(map(len, job.searched.at_once([job.record] * 150))))
            await job.searched.begin([job.record])
        return [], sizes

    settled, sizes = run(work)
    if passes:
        assert [one.outcome for one in settled] == [Outcome.ABANDONED]
        assert sizes == [20, 5, 1, 1]
    else:
        assert (settled, sizes) == ([], [100] * MOST_TRIES)
