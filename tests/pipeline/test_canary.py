"""The first rows go alone, are read back, and nothing else leaves before the user's word."""

from hub_transport import make_hub
from jobs import Job, contacts, write_csv

from uploader.core.canary import Review
from uploader.core.outcome import Cause

UPSERT, READ = "/crm/v3/objects/contacts/batch/upsert", "/crm/v3/objects/contacts/batch/read"
PRODUCTION = {"account_type": "STANDARD"}
WORKFLOW = {"who": "workflow", "name": "Routing", "property": "hs_lead_status", "value": "OPEN"}


class Judge:
    """Somebody who looks, and answers."""

    def __init__(self, *, says: bool) -> None:
        self.says = says
        self.seen: list[Review] = []

    async def __call__(self, review: Review) -> bool:
        self.seen.append(review)
        return self.says

    @property
    def review(self) -> Review:
        return self.seen[-1]


def job_of(tmp_path, rows, held=(), **scenario) -> Job:
    scenario = {"account": PRODUCTION, **scenario}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_hub(quota="none", **scenario))
    job.hub.reset(0.0, [{"properties": dict(properties)} for properties in held])
    return job


def test_a_hundred_rows_leave_and_the_others_wait_for_a_word(tmp_path):
    rows, nobody = contacts(3_000), Judge(says=False)
    job = job_of(tmp_path, rows)
    summary = job.run_virtual(judge=nobody)
    assert (summary.cause, summary.exit_code, summary.state) == (Cause.CANARY, 3, "stopped")
    assert "--approve-canary" in summary.reason
    assert sorted(job.held()) == sorted(row["email"] for row in rows[:100])
    assert (nobody.review.rows, nobody.review.as_sent, nobody.review.is_clean) == (100, 100, True)
    assert len(nobody.review.links) == 5
    assert all("/contacts/44237313/record/0-1/" in link for link in nobody.review.links)
    job.check(rows, summary)
    assert job._clock > 30


def test_the_same_command_looks_again_and_sends_nothing(tmp_path):
    rows, nobody = contacts(3_000), Judge(says=False)
    job = job_of(tmp_path, rows)
    job.run_virtual(judge=nobody)
    before, began = list(job.hub.objects(1e9)), job._clock
    summary = job.run_virtual(judge=nobody)
    assert (summary.exit_code, len(nobody.seen), nobody.seen[0] == nobody.seen[1]) == (3, 2, True)
    assert UPSERT not in job.transport.paths
    assert list(job.hub.objects(1e9)) == before
    assert job._clock - began < 30  # the workflows have had their time


def test_approved_it_goes_on_and_never_asks_again(tmp_path):
    rows, nobody = contacts(3_000), Judge(says=False)
    job = job_of(tmp_path, rows)
    job.run_virtual(judge=nobody)
    job.hub.change_scenario(
        make_hub(
            account=PRODUCTION, faults=[{"kind": "status", "status": 401, "requests": [12, 99]}]
        ).scenario
    )
    stopped = job.run_virtual(judge=nobody, approve_canary=True)
    assert stopped.cause is Cause.TOKEN
    job.hub.change_scenario(make_hub(account=PRODUCTION).scenario)
    summary = job.run_virtual(judge=nobody)
    assert (summary.exit_code, len(nobody.seen)) == (0, 1)
    job.check(rows, summary)
    assert summary.tallies.replayed == 0


def test_yes_at_the_question_goes_on_in_the_same_run(tmp_path):
    rows, judge = contacts(3_000), Judge(says=True)
    job = job_of(tmp_path, rows)
    summary = job.run_virtual(judge=judge)
    assert (summary.exit_code, len(judge.seen), judge.review.rows) == (0, 1, 100)
    job.check(rows, summary)
    assert summary.tallies.requests == len(job.transport.paths)
    assert summary.tallies.replayed == 0
