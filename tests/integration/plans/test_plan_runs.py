"""A plan: checked as a whole, run in order, resumed as a whole."""

import json
import stat
from itertools import pairwise
from pathlib import Path

import pytest

from support.jobs import write_csv
from support.mock_transport import MockTransport, make_simulator
from support.plans.runs import NAMES, Plan, Watched
from uploader.errors import CheckpointError, DeclinedError, SettingsError
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import FailureLimit
from uploader.plans.run import Step
from uploader.settings import Settings


@pytest.fixture
def plan(tmp_path) -> Plan:
    found = Plan(tmp_path, make_simulator(quota="100/10", latency_seconds=0.1))
    found.write()
    return found


def states(plan: Plan) -> list[str]:
    return [one["state"] for one in json.loads(plan.record.read_text())["steps"]]


def test_steps_run_in_order_after_all_are_checked_and_one_question(plan):
    end = plan.run()
    assert (end.exit_code, end.state) == (0, "complete")
    assert plan.watched.checked_steps == plan.watched.ran_steps == [0, 1, 2]
    assert plan.watched.asked == ["44237313"]
    assert plan.upserts() == [name for name in NAMES for _ in range(6)]
    assert [plan.held(name) for name in NAMES] == [60, 60, 60]
    assert end.totals()["rows"] == end.totals()["created"] == 180
    assert states(plan) == ["complete"] * 3
    assert stat.S_IMODE(plan.record.stat().st_mode) == 0o600


def test_a_finished_plan_sends_nothing_and_gives_the_same_code(plan):
    first = plan.run()
    requests = plan.simulator.stats()["requests"]
    again = plan.run()
    assert (again.exit_code, again.totals()) == (first.exit_code, first.totals())
    assert plan.simulator.stats()["requests"] == requests
    assert plan.watched.asked == plan.watched.checked_steps == []


def test_a_problem_of_any_step_stops_all_before_anything_is_written(plan):
    plan.options["deals"] = {"mapped": {"dealname": "no_such_property"}}
    end = plan.run()
    assert (end.exit_code, end.state) == (2, "not started")
    assert plan.watched.checked_steps == [0, 1, 2]  # all problems are shown at once
    assert [bool(one.problems) for one in end.steps] == [False, False, True]
    assert plan.upserts() == []
    assert not list(plan.folder.glob("*.checkpoint*")) + list(plan.folder.glob("*.record*"))
    assert plan.watched.asked == []


def test_nothing_is_written_if_the_account_is_not_confirmed(plan):
    with pytest.raises(DeclinedError):
        plan.run(Watched(answer=False))
    assert plan.upserts() == []
    assert not plan.record.exists()
    assert plan.run().exit_code == 0


def test_a_step_that_stops_blocks_the_next_ones_and_the_same_command_resumes(plan):
    plan.options["contacts"] = {"max_failures": FailureLimit(count=0)}
    reject = {"kind": "reject", "keys": ["contacts7"]}
    plan.simulator = make_simulator(quota="100/10", faults=[reject])
    end = plan.run()
    by = end.stopped_by
    assert by is not None
    assert (end.exit_code, by.name, by.summary.cause) == (78, "contacts", Cause.FAILURES)
    assert [one.name for one in end.waiting] == ["deals"]
    assert states(plan) == ["complete", "stopped", "not started"]
    assert plan.held("deals") == 0
    plan.options.clear()
    end = plan.run(accept_changed_settings=True)
    assert end.exit_code == 1
    assert plan.watched.asked == []
    assert states(plan) == ["complete"] * 3
    assert plan.held("deals") == 60


def test_the_limit_of_rows_blocks_no_step(plan):
    end = plan.run(limit=20)
    assert end.exit_code == 75
    assert [plan.held(name) for name in NAMES] == [20, 20, 20]
    assert plan.run().exit_code == 0
    assert [plan.held(name) for name in NAMES] == [60, 60, 60]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_interrupted_plan_goes_on_where_it_was(plan, at):
    end = plan.run(Watched(stop_at=at))
    assert end.exit_code == 130
    assert len(end.waiting) == 2 - at
    assert plan.watched.ran_steps == [*range(at + 1)]
    again = plan.run()
    assert (again.exit_code, again.totals()["created"]) == (0, 180)
    assert plan.watched.asked == plan.watched.checked_steps == []


def test_the_longest_duration_is_of_all_steps_together(plan):
    plan.simulator = make_simulator(quota="10/10", latency_seconds=0.1)
    end = plan.run(max_duration_seconds=12.0)
    assert end.exit_code == 75
    assert end.waiting
    assert end.stopped_by.summary.cause is Cause.DURATION


def test_restart_discards_each_job_once_although_it_is_interrupted(plan):
    plan.run()
    end = plan.run(Watched(stop_at=1), restart=True)
    assert (end.exit_code, plan.watched.asked) == (130, ["44237313"])
    assert states(plan) == ["complete", "not started", "not started"]
    assert [one.state for one in end.steps] == ["complete", "stopped", "not started"]
    before = len(plan.upserts())
    end = plan.run()  # without the option
    assert end.exit_code == 0
    assert end.totals()["updated"] == 180
    assert plan.upserts()[before:].count("companies") == 0
    assert plan.upserts()[before:].count("deals") == 6
    assert plan.run().totals()["updated"] == 180  # and not once more


def test_a_changed_source_is_checked_again(plan):
    plan.run(Watched(stop_at=0))
    text = plan.source("deals").read_text()
    plan.source("deals").write_text(text + "more,More\n")
    plan.run()
    assert plan.watched.checked_steps == [2]


def test_a_new_step_is_asked_about(plan):
    steps = plan.steps
    plan.steps = lambda **options: steps(**options)[:2]
    assert plan.run().exit_code == 0
    plan.steps = steps
    assert plan.run().exit_code == 0
    assert (plan.watched.checked_steps, plan.watched.asked) == ([2], ["44237313"])


def test_a_step_with_another_checkpoint_than_before_is_refused(plan):
    plan.run(Watched(stop_at=1))
    plan.options["companies"] = {"checkpoint": plan.folder / "other.checkpoint"}
    with pytest.raises(CheckpointError, match=r'checkpoint = "companies\.csv\.checkpoint"'):
        plan.run()


def test_a_step_whose_checkpoint_is_gone_is_not_sent_again(plan):
    plan.run()
    for path in plan.folder.glob("companies.csv.*"):
        path.unlink()
    with pytest.raises(CheckpointError, match="step companies was begun before"):
        plan.run()
    assert plan.run(restart=True).exit_code == 0


def test_no_step_is_written_to_another_account(plan):
    plan.run(Watched(stop_at=0))
    plan.simulator = make_simulator(quota="100/10", account={"portal_id": 999})
    with pytest.raises(SettingsError, match=r"999"):
        plan.run(portal="999")
    end = plan.run()
    assert end.exit_code == 2
    assert plan.upserts() == []


def test_the_folder_of_a_plan_can_be_moved(plan, tmp_path):
    plan.run(Watched(stop_at=1))
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    plan.folder.rename(moved)
    plan.folder = moved
    assert plan.run().totals()["created"] == 180


def test_a_damaged_record_is_refused_in_one_line(plan):
    plan.record.write_text("{")
    with pytest.raises(CheckpointError, match=r"plan\.toml\.record\.json cannot be used: ") as error:
        plan.run()
    assert "\n" not in str(error.value)


def test_standard_input_cannot_be_a_source(plan):
    plan.options["deals"] = {"sources": ("-",), "checkpoint": Path("x")}
    with pytest.raises(SettingsError, match="step deals: a plan reads each source twice"):
        plan.run()


def test_all_steps_keep_to_one_quota(plan):
    plan.simulator = make_simulator(quota="10/10", latency_seconds=0.05)
    assert plan.run().exit_code == 0
    stats = plan.simulator.stats()
    assert (stats["most_in_window"], stats["throttled"]) == (10, 0)


def test_a_later_step_waits_for_no_window(plan):
    plan.simulator = make_simulator(quota="100/10", latency_seconds=0.1, rules={"rate_headers": False})
    plan.run()
    at = [one.at for one in plan.simulator.statistics.log if one.path.endswith("/batch/upsert")]
    assert max(later - earlier for earlier, later in pairwise(at)) < 5
    assert plan.simulator.stats()["throttled"] == 0


class Broken(MockTransport):
    """Every request after the first ones fails."""

    left = 20

    async def send(self, call, on_sent=lambda: None):
        self.left -= 1
        if self.left < 0:
            raise AssertionError("a bug")
        return await super().send(call, on_sent)


def test_a_bug_is_raised_and_leaves_the_plan_to_be_resumed(plan):
    plan.transport = Broken(plan.simulator)
    with pytest.raises(AssertionError, match="a bug"):
        plan.run()
    plan.transport = None
    assert plan.run().totals()["created"] == 180


def test_each_canary_is_approved_by_itself(plan):
    """Steps whose canary is not sent yet take no approval in advance."""
    options = {"canary": 10, "canary_wait_seconds": 0.0}
    for number in range(3):
        end = plan.run(**options, approve_canary=number > 0)
        assert end.exit_code == 3
        assert [plan.held(name) for name in NAMES] == [60] * number + [10] + [0] * (2 - number)
    assert plan.run(**options, approve_canary=True).exit_code == 0
    assert [plan.held(name) for name in NAMES] == [60] * 3


def test_a_company_that_an_earlier_step_created_by_domain_is_not_created_again(tmp_path):
    """The search shows it only a while later."""
    rules = {"search_lag_seconds": 60}
    plan = Plan(tmp_path, make_simulator(quota="100/10", latency_seconds=0.1, rules=rules))
    for name, numbers in (("customers", range(20)), ("prospects", range(10, 30))):
        write_csv(plan.source(name), [{"domain": f"d{n}.com", "name": name} for n in numbers])
    names = ("customers", "prospects")
    plan.steps = lambda **_: [
        Step(
            name,
            Settings(
                sources=(str(plan.source(name)),), token="t", object_type="companies", match=("domain",)
            ),
        )
        for name in names
    ]
    end = plan.run()
    assert (end.exit_code, end.totals()["created"], end.totals()["updated"]) == (0, 30, 10)
    found = [one["properties"]["domain"] for one in plan.simulator.objects(1e9, "companies")]
    assert sorted(found) == sorted(f"d{n}.com" for n in range(30))
