"""Jobs with links, killed at any moment: every link is made once, and the account is as if all went well.

The same other record many times, both ends in one file, ends that later rows create, links of refused rows,
primary companies that change from row to row.
"""

import random

import pytest

from support.links.runs import (
    KEY,
    PLAIN,
    PRIMARY,
    account,
    apply,
    counts,
    labels,
    listed,
    make_job,
    wanted_links,
)
from support.model.cases import Stop
from support.model.running import KillableCheckpoint, run_process
from uploader.associations import link_writer
from uploader.model.associations import LinkColumn

_BOSS = LinkColumn("boss", "contacts", "email")
_SEVERAL = LinkColumn("partners", "companies", KEY, label="Partner", separator=";")
_COLUMNS = (PLAIN, PRIMARY, _SEVERAL, _BOSS)


def _rows(count, companies, dice):
    def some(chance=0.5):
        return dice.choice([*companies, "gone"]) if dice.random() < chance else ""

    return [
        {
            "email": f"c{dice.randrange(count)}@x.com",
            "firstname": str(number),
            "account": some(),
            "main": some(),
            "partners": ";".join({some(1.0) for _ in range(dice.randrange(4))}),
            "boss": f"c{dice.randrange(count)}@x.com" if dice.random() < 0.4 else "",
        }
        for number in range(count)
    ]


def _faults(dice):
    endpoints = ("associate", "associations", "read", "upsert")
    return [
        {"kind": "reject", "share": 0.1, "endpoint": "upsert"},
        *(
            {"kind": kind, "applied": True, "rate": dice.choice([0.0, 0.2]), "endpoint": endpoint}
            for endpoint in endpoints
            for kind in ("reset", "truncate")
        ),
        {"kind": "status", "status": 429, "rate": 0.1, "endpoint": "associate"},
        {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "associate"},
        {"kind": "no_op", "rate": 0.1, "endpoint": "associate"},
        {"kind": "drop_results", "count": 2, "rate": 0.2, "endpoint": "associate"},
    ]


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 40))])
def test_every_link_is_made_once_whenever_the_process_is_killed(tmp_path, monkeypatch, seed):
    monkeypatch.setattr("uploader.jobs.opening.Checkpoint", KillableCheckpoint)
    monkeypatch.setattr(link_writer, "MOST_LINKS", 15)
    dice = random.Random(seed)
    companies, count = [f"A{n}" for n in range(8)], 80
    known = [f"c{n}@x.com" for n in range(0, count, 3)]
    before = [(one, dice.choice(companies), dice.choice(["", "Primary"])) for one in known[::2]]
    label = {"object_type": "contacts", "to": "companies", "label": "Partner"}
    simulator = account(companies, known, before, faults=_faults(dice), seed=seed, association_labels=[label])
    held = labels(simulator)
    rows = _rows(count, companies, dice)
    job = make_job(tmp_path / "a.csv", rows, simulator, _COLUMNS)
    job.seed = seed
    for _ in range(60):
        stop = Stop(dice.uniform(0, 1.5), dice.choice(["kill", "kill", "signal"]))
        summary = run_process(job, stop, batch_records=20)
        if summary is not None and summary.state == "complete":
            break
    summary = run_process(job, None, batch_records=20)
    assert summary.state == "complete", summary.reason
    outcomes = job.outcomes()
    wanted = wanted_links(rows, outcomes, _COLUMNS[:3], companies)
    assert labels(simulator) == apply(held, wanted)
    people = [one["properties"]["email"] for one in simulator.objects(1e9)]
    bosses = wanted_links(rows, outcomes, [_BOSS], people)
    assert _bosses(simulator) == {frozenset(pair[:2]) for pair in bosses}
    found = counts(summary)
    assert found["linked"] + found["already"] == len(wanted) + len(bosses)
    assert sum(found.values()) == summary.as_dict()["links"]["read"] == len(listed(job))


def _bosses(simulator):
    emails = {one["id"]: one["properties"]["email"] for one in simulator.objects(1e9)}
    ends = [(link["from"], link["to"]) for link in simulator.links(1e9)]
    return {
        frozenset((emails[of["id"]], emails[to["id"]]))
        for of, to in ends
        if of["type"] == to["type"] == "contacts"
    }
