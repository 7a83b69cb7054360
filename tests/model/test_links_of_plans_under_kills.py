"""Plans with links, killed at any moment: every link is made once, to whichever step its records belong.

Links to records of an earlier step, of a later one and of the same file (also to the row itself, and to rows
that come later); the same other record many times; rows that are refused, and records that are nowhere.
"""

import csv
import random
from collections import Counter
from contextlib import contextmanager

import pytest

from support.jobs import write_csv
from support.mock_transport import make_simulator
from support.model.running import KillableCheckpoint
from support.plans.runs import NAMES, Plan
from uploader.associations import link_writer
from uploader.associations.work_list import FoundEnd, WorkList
from uploader.errors import StorageError
from uploader.model.associations import LinkColumn
from uploader.plans.run import PlanRun

KEY = "external_id"
_ROWS = 24
COLUMNS = {
    "companies": (LinkColumn("Deal", "deals", KEY), LinkColumn("Parent", "companies", KEY)),
    "contacts": (LinkColumn("Company", "companies", KEY), LinkColumn("Boss", "contacts", KEY)),
    "deals": (LinkColumn("Contacts", "contacts", KEY, separator=";"),),
}


def make_plan(folder, dice):
    plan = Plan(folder, make_simulator(quota="100/10", latency_seconds=0.1, faults=_faults(dice)))
    plan.options = {name: {"associations": columns} for name, columns in COLUMNS.items()}
    rows = {name: [_row(name, number, dice) for number in range(_ROWS)] for name in NAMES}
    for name, some in rows.items():
        write_csv(plan.source(name), some)
    return plan, rows


def _row(name, number, dice):
    def other(of, chance=0.7):
        # Few different ones, so that they repeat; the last of them is nowhere.
        return f"{of}{dice.choice([*range(0, _ROWS, 3), _ROWS])}" if dice.random() < chance else ""

    links = {
        column.column: ";".join({other(column.object_type, 1.0) for _ in range(dice.randrange(4))})
        if column.separator
        else other(column.object_type)
        for column in COLUMNS[name]
    }
    return {KEY: f"{name}{number}", **links}


def _faults(dice):
    return [
        {"kind": "reject", "share": 0.1, "endpoint": "upsert"},
        *(
            {"kind": kind, "applied": True, "rate": dice.choice([0.0, 0.2]), "endpoint": endpoint}
            for endpoint in ("associate", "associations", "read", "upsert")
            for kind in ("reset", "truncate")
        ),
        {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "associate"},
        {"kind": "no_op", "rate": 0.1, "endpoint": "associate"},
        {"kind": "drop_results", "count": 2, "rate": 0.2, "endpoint": "associate"},
    ]


def check(plan, rows, end):
    """The account has the links of rows that were written, to records that were; all are accounted for."""
    keys = {
        (name, one["id"]): one["properties"][KEY]
        for name in NAMES
        for one in plan.simulator.objects(1e9, name)
        if one["properties"].get(KEY)
    }
    written = set(keys.values())
    asked = [
        (row[KEY], value, column)
        for name, columns in COLUMNS.items()
        for row in rows[name]
        for column in columns
        for value in row[column.column].split(column.separator or None)
        if value
    ]
    wanted = {frozenset((of, to)) for of, to, _ in asked if of in written and to in written}
    held = Counter(
        frozenset(keys[one[side]["type"], one[side]["id"]] for side in ("from", "to"))
        for one in plan.simulator.links(1e9)
    )
    itself = {pair for pair in wanted if len(pair) == 1}
    assert held.keys() - itself == wanted - itself
    outcomes = Counter(one["outcome"] for name in NAMES for one in _listed(plan, name))
    sums = end.follow_up_totals()["links"]
    assert {name: count for name, count in sums.items() if count and name != "read"} == outcomes
    assert sums["read"] == sum(outcomes.values()) == len(asked)
    assert outcomes["missing"] == sum(of not in written or to not in written for of, to, _ in asked)


def _listed(plan, name):
    with plan.source(name).with_name(f"{name}.csv.links.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@contextmanager
def mortal(monkeypatch):
    """Processes that are killed write nothing more, also not to the record of the plan."""
    write = PlanRun._write

    def noted(run, step):
        if KillableCheckpoint.killed.is_dead:
            raise StorageError("killed")
        write(run, step)

    with monkeypatch.context() as patch:
        patch.setattr("uploader.jobs.opening.Checkpoint", KillableCheckpoint)
        patch.setattr(PlanRun, "_write", noted)
        patch.setattr(link_writer, "MOST_LINKS", 15)
        yield


def run_case(folder, seed, monkeypatch):
    dice = random.Random(seed)
    plan, rows = make_plan(folder, dice)
    with mortal(monkeypatch):
        for _ in range(40):
            end = plan.run_killed(dice.uniform(0, 4))
            if end is not None and end.state == "complete":
                break
        end = plan.run()
    assert end.state == "complete", end
    check(plan, rows, end)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 30))])
def test_every_link_of_a_plan_is_made_once_whenever_it_is_killed(tmp_path, monkeypatch, seed):
    run_case(tmp_path, seed, monkeypatch)


def _link_each_step_at_once(patch):
    """The links of a step follow its own rows, so that records of later steps are not there yet."""

    async def run_all(plan, number, connection):
        return await plan._run_step(number, connection)

    patch.setattr(PlanRun, "_run_rows", run_all)


def _lose_links_to_rows_of_the_file(patch):
    """Other records that the same job has written are taken for missing."""
    note = WorkList.note_ends

    def forgetful(work, place, found):
        ids = {one for (one,) in work._file.connection.execute("SELECT hubspot_id FROM rows")}
        absent = {name: FoundEnd(why="not there") for name, one in found.items() if one.hubspot_id in ids}
        note(work, place, {**found, **absent})

    patch.setattr(WorkList, "note_ends", forgetful)


@pytest.mark.parametrize("bug", [_link_each_step_at_once, _lose_links_to_rows_of_the_file])
def test_a_planted_bug_of_links_is_found(tmp_path, monkeypatch, bug):
    with monkeypatch.context() as patch:
        bug(patch)
        with pytest.raises(AssertionError):
            run_case(tmp_path, 0, monkeypatch)
