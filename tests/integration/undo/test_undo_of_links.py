"""`undo` takes back exactly the links that the job made; what others have linked or labelled since stays."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from support.jobs import Job, contacts
from support.links.runs import KEY, PLAIN, PRIMARY, Labels, account, counts as counts_of, labels, make_job
from support.links.undo_runs import undo
from support.mock_transport import make_simulator
from support.soaked import some
from uploader.errors import CheckpointError, DeclinedError
from uploader.mockserver.account.associations.links import Links
from uploader.model.associations import LinkColumn
from uploader.settings.speed import OnLongPause
from uploader.undo.created_others import CreatedOthers
from uploader.undo.link_plan import LinkUndo
from uploader.undo.links import LinksReport
from uploader.undo.plan import UndoOutcome


def counts(report: LinksReport) -> dict[str, int]:
    return {one.value: count for one, count in report.counts.items() if count}


def change(job: Job, *, add=(), remove=()) -> None:
    """What others do: links as address, company, label."""

    def named(links: Sequence[tuple[str, str, str]]):
        return [
            {
                "from": {"type": "contacts", "email": address},
                "to": {"type": "companies", KEY: key},
                **({"label": label} if label else {}),
            }
            for address, key, label in links
        ]

    job.simulator.account.associations.change(named(add), named(remove))


A, B = "a@x.com", "b@x.com"


@pytest.mark.parametrize("held", [[], [A, B]], ids=["contacts created", "contacts updated"])
def test_links_of_new_and_old_contacts_are_taken_back(tmp_path, held):
    rows = [{"email": A, "account": "c1"}, {"email": B, "account": "c2"}]
    job = make_job(tmp_path / "c.csv", rows, account(["c1", "c2"], held), [PLAIN])
    job.run_virtual()
    assert len(labels(job.simulator)) == 2
    report = undo(job)
    assert (counts(report), report.made, report.left, report.exit_code) == ({"unlinked": 2}, 2, 0, 0)
    assert labels(job.simulator) == {}
    again = undo(job)
    assert (counts(again), again.exit_code) == ({"unlinked": 2}, 0)


@pytest.mark.parametrize(("has_snapshot", "named"), [(True, "snapshot.1"), (False, "links.1")])
def test_links_of_a_job_that_was_begun_anew_are_taken_back_by_what_is_kept(tmp_path, has_snapshot, named):
    rows = [{"email": A, "account": "c1"}, {"email": B, "account": "c1"}]
    job = make_job(tmp_path / "c.csv", rows, account(["c1"], [A]), [PLAIN])
    job.run_virtual(snapshot=has_snapshot)
    notices: list[str] = []
    job.run_virtual(
        snapshot=has_snapshot, restart=True, on_tick=lambda run: notices.__setitem__(slice(None), run.notices)
    )
    assert (
        f"the former job has made 2 links, which stay: to take them back, give c.csv.checkpoint.{named} to "
        "`undo`"
    ) in notices
    report = undo(job, named=tmp_path / f"c.csv.checkpoint.{named}")
    assert (counts(report), labels(job.simulator)) == ({"unlinked": 2}, {})
    job.run_virtual(snapshot=has_snapshot, restart=True)
    assert undo(job).counts[LinkUndo.UNLINKED] == 2
    job.run_virtual(
        snapshot=has_snapshot, restart=True, on_tick=lambda run: notices.__setitem__(slice(None), run.notices)
    )
    assert not [one for one in notices if "former job" in one]


def test_what_was_linked_before_stays_and_loses_only_the_label(tmp_path):
    before = [(A, "c1", "Primary"), (A, "c2", ""), (B, "c1", "")]
    simulator = account(["c1", "c2"], [A, B], before)
    start = labels(simulator)
    rows = [{"email": A, "main": "c2"}, {"email": B, "main": "c1"}, {"email": A, "main": "c2"}]
    job = make_job(tmp_path / "c.csv", rows, simulator, [PRIMARY])
    job.run_virtual()
    assert labels(simulator) != start
    report = undo(job)
    assert (counts(report), report.exit_code) == ({"unlinked": 1}, 0)
    assert labels(simulator) == start


def test_a_primary_company_gets_its_place_back_over_several_that_the_job_made(tmp_path):
    simulator = account(["c0", "c1", "c2"], [A], [(A, "c0", "")])
    start = labels(simulator)
    rows = [{"email": A, "main": "c1"}, {"email": A, "main": "c2"}]
    job = make_job(tmp_path / "c.csv", rows, simulator, [PRIMARY])
    job.run_virtual()
    assert labels(simulator)[A, "c2"] == {"Primary"}
    report = undo(job)
    assert counts(report) == {"unlinked": 2}
    assert labels(simulator) == start


@pytest.mark.parametrize("column", [PLAIN, PRIMARY], ids=["plain", "labelled"])
def test_what_others_linked_before_the_pass_is_not_taken_back(tmp_path, column):
    """Links may be made days after their rows: a person has linked the new contacts meanwhile."""
    rows = [{"email": A, column.column: "c1"}, {"email": B, column.column: "c1"}, *contacts(200)]
    simulator = account(["c1", "c2"], quota="20/10")
    job = make_job(tmp_path / "c.csv", rows, simulator, [column])
    job.batch_records = 10
    assert 2 <= job.run_virtual(stop_after=4).tallies.confirmed < 200
    change(job, add=[(A, "c1", ""), (B, "c2", "")])
    held = labels(simulator)
    job.run_virtual()
    assert (B, "c1") in labels(simulator)
    assert counts(undo(job)) == {"unlinked": 1}
    assert labels(simulator) == held


@pytest.mark.parametrize("waits", [True, False], ids=["one run", "stopped meanwhile"])
def test_what_others_link_during_a_long_pause_is_not_taken_back(tmp_path, waits):
    """The first request was refused for a while: what was read before the pause is out of date."""
    pause = {"status": 477, "retry_after_seconds": 3_600, "endpoint": "associate", "times": 1}
    simulator = account(["c1"], faults=[{"kind": "status", **pause}])
    rows = [{"email": A, "account": "c1"}, {"email": B, "account": "c1"}]
    job = make_job(tmp_path / "c.csv", rows, simulator, [PLAIN])
    changed = []

    def meanwhile(run) -> None:
        if run.session.sender.pause_seconds and not changed:
            changed.append(change(job, add=[(A, "c1", "")]))

    if waits:
        summary = job.run_virtual(on_tick=meanwhile, on_long_pause=OnLongPause.WAIT)
    else:
        assert job.run_virtual().exit_code == 75
        change(job, add=[(A, "c1", "")])
        summary = job.run_virtual()
    assert counts_of(summary) == {"linked": 1, "already": 1}, summary.reason
    assert counts(undo(job)) == {"unlinked": 1}
    assert labels(simulator).keys() == {(A, "c1")}


def test_what_others_have_changed_since_stays(tmp_path):
    label = {"object_type": "contacts", "to": "companies", "label": "Buyer"}
    simulator = account(["c0", "c1", "c2"], [A, B], [(A, "c0", "")], association_labels=[label])
    rows = [{"email": A, "main": "c1"}, {"email": B, "main": "c2"}]
    job = make_job(tmp_path / "c.csv", rows, simulator, [PRIMARY])
    job.run_virtual()
    change(job, add=[(A, "c2", "Primary"), (B, "c2", "Buyer")])
    report = undo(job)
    assert counts(report) == {"unlinked": 1, "kept": 1}
    assert report.exit_code == 1
    assert report.reasons[0] == ("others have changed since which one is the primary one", 1)
    found = labels(simulator)
    assert found[A, "c2"] == {"Primary"}
    assert (A, "c1") not in found
    assert "Buyer" in found[B, "c2"]


def test_a_link_that_others_have_ended_is_gone(tmp_path):
    job = make_job(tmp_path / "c.csv", [{"email": A, "account": "c1"}], account(["c1"]), [PLAIN])
    job.run_virtual()
    change(job, remove=[(A, "c1", "")])
    report = undo(job)
    assert (counts(report), report.exit_code) == ({"gone": 1}, 0)


def test_what_others_change_during_a_long_pause_stays(tmp_path):
    label = {"object_type": "contacts", "to": "companies", "label": "Buyer"}
    pause = {"status": 429, "retry_after_seconds": 3_600, "endpoint": "dissociate", "requests": [1, 1]}
    more = {"association_labels": [label], "faults": [{"kind": "status", **pause}]}
    rows = [{"email": A, "account": "c1"}, {"email": B, "account": "c1"}]
    simulator = account(["c1"], [A, B], **more)
    job = make_job(tmp_path / "c.csv", rows, simulator, [PLAIN])
    job.run_virtual()

    async def approve(account, report) -> bool:
        asyncio.get_running_loop().call_later(1_800, lambda: change(job, add=[(A, "c1", "Buyer")]))
        return True

    report = undo(job, approve=approve, outage=7_200.0)
    assert counts(report) == {"unlinked": 1, "kept": 1}
    assert labels(simulator).keys() == {(A, "c1")}


def test_companies_give_contacts_their_primary_company_back(tmp_path):
    """The primary company is the contact's, which is the other end of these links."""
    simulator = account(["c0", "c1"], [A], [(A, "c0", "")])
    start = labels(simulator)
    column = LinkColumn("person", "contacts", "email", label="Primary")
    options = {"object_type": "companies", "match": (KEY,)}
    job = make_job(tmp_path / "c.csv", [{KEY: "c1", "person": A}], simulator, [column], **options)
    assert job.run_virtual().exit_code == 0
    assert labels(simulator)[A, "c1"] == {"Primary"}
    assert counts(undo(job)) == {"unlinked": 1}
    assert labels(simulator) == start


def test_a_dry_run_writes_nothing_and_tells_what_would_be_done(tmp_path):
    job = make_job(tmp_path / "c.csv", [{"email": A, "account": "c1"}], account(["c1"]), [PLAIN])
    job.run_virtual()
    held = labels(job.simulator)
    report = undo(job, dry=True)
    assert (counts(report), labels(job.simulator)) == ({"unlinked": 1}, held)
    assert not any("archive" in path for path in job.transport.paths)


def test_declined_or_with_the_token_of_another_account_nothing_is_written(tmp_path):
    job = make_job(tmp_path / "c.csv", [{"email": A, "account": "c1"}], account(["c1"]), [PLAIN])
    job.run_virtual()
    held = labels(job.simulator)

    async def decline(account, report) -> bool:
        assert report.left == 1
        return False

    with pytest.raises(DeclinedError):
        undo(job, approve=decline)
    with pytest.raises(CheckpointError, match="belongs to account 7"):
        undo(job, portal="7")
    assert labels(job.simulator) == held


def test_a_refused_batch_is_halved_and_the_link_at_fault_is_tried_again(tmp_path):
    rows = [{**one, "account": f"c{n % 7}"} for n, one in enumerate(contacts(40))]
    job = make_job(tmp_path / "c.csv", rows, account([f"c{n}" for n in range(7)]), [PLAIN])
    job.run_virtual()
    refused = {"kind": "status", "status": 400, "endpoint": "dissociate", "requests": [1, 999]}
    quiet = job.simulator.scenario
    job.simulator.change_scenario(make_simulator(faults=[refused]).scenario)
    report = undo(job)
    assert (counts(report), report.exit_code) == ({"failed": 40}, 1)
    job.simulator.change_scenario(quiet)
    report = undo(job)
    assert (counts(report), labels(job.simulator)) == ({"unlinked": 40}, {})


def test_a_link_that_stays_although_hubspot_accepted_its_end_has_failed(tmp_path, monkeypatch):
    job = make_job(tmp_path / "c.csv", [{"email": A, "account": "c1"}], account(["c1"]), [PLAIN])
    job.run_virtual()
    monkeypatch.setattr(Links, "remove", lambda self, link: None)
    report = undo(job)
    assert (counts(report), report.exit_code) == ({"failed": 1}, 1)
    assert report.reasons == [("HubSpot accepted the request, and nothing has changed", 1)]


def test_companies_that_were_created_for_links_are_archived_unless_others_worked_with_them(tmp_path):
    simulator = account(["c0"], [A])
    rows = [
        {"email": A, "account": "c0"},
        {"email": B, "account": "n1"},
        {"email": "d@x.com", "account": "n2"},
    ]
    options = {"create_missing": frozenset({"companies"})}
    job = make_job(tmp_path / "c.csv", rows, simulator, [PLAIN], **options)
    assert job.run_virtual().exit_code == 0
    companies = {one["properties"][KEY]: one["id"] for one in simulator.objects(1e9, "companies")}
    note = {"from": {"type": "companies", "id": companies["n2"]}, "to": {"type": "notes", "id": 5}}
    simulator.account.associations.change([note], [])
    dry = undo(job, dry=True)
    assert (dry.others, dry.others_made) == ({UndoOutcome.ARCHIVED: 1, UndoOutcome.KEPT: 1}, 2)
    report = undo(job)
    assert (report.others, report.exit_code) == ({UndoOutcome.ARCHIVED: 1, UndoOutcome.KEPT: 1}, 1)
    live = [one["properties"][KEY] for one in simulator.objects(1e9, "companies") if not one["archived"]]
    assert sorted(live) == ["c0", "n2"]
    again = undo(job)
    assert again.others == report.others
    simulator.account.associations.change([], [note])
    restarted = undo(job, restart=True)
    assert (restarted.others, restarted.exit_code) == ({UndoOutcome.ARCHIVED: 2}, 0)


def _job_that_created_companies(path, keys):
    rows = [{**one, "account": key} for one, key in zip(contacts(len(keys)), keys, strict=True)]
    options = {"create_missing": frozenset({"companies"})}
    job = make_job(path, rows, account([]), [PLAIN], **options)
    assert job.run_virtual().exit_code == 0
    return job


def test_created_companies_are_looked_at_again_after_a_long_pause(tmp_path):
    """Others may have worked with them meanwhile."""
    job = _job_that_created_companies(tmp_path / "c.csv", ["n1", "n2"])
    pause = {"status": 429, "retry_after_seconds": 3_600, "endpoint": "archive", "requests": [1, 1]}
    job.simulator.change_scenario(make_simulator(faults=[{"kind": "status", **pause}]).scenario)
    report = undo(job)
    assert (report.others, report.exit_code) == ({UndoOutcome.ARCHIVED: 2}, 0)
    reads = [path for path in job.transport.paths if path.startswith("/crm/v3/objects/companies/batch/read")]
    assert len(reads) >= 3  # before the pause, after it, and after the archiving


def test_created_companies_that_a_killed_undo_archived_count_as_archived(tmp_path, monkeypatch):
    job = _job_that_created_companies(tmp_path / "c.csv", ["n1", "n2"])
    with monkeypatch.context() as patch:
        patch.setattr(CreatedOthers, "note", _fail)
        with pytest.raises(OSError, match="killed"):
            undo(job)
    report = undo(job)
    assert (report.others, report.exit_code) == ({UndoOutcome.ARCHIVED: 2}, 0)


def _fail(*_):
    raise OSError("killed")


@pytest.mark.parametrize("seed", some(0, 1, soaked=[2, 3]))
def test_killed_again_and_again_under_faults_the_account_is_as_before(tmp_path, seed):
    draw = random.Random(seed)
    keys = [f"c{n}" for n in range(30)]
    rows = [
        {**one, "account": draw.choice(["", *keys]), "main": draw.choice(["", *keys])}
        for one in contacts(300)
    ]
    held = [row["email"] for row in rows if draw.random() < 0.5]
    before = [(one, draw.choice(keys), draw.choice(["", "Primary"])) for one in held if draw.random() < 0.7]
    simulator = account(keys, held, before)
    start: Labels = labels(simulator)
    job = make_job(tmp_path / "c.csv", rows, simulator, [PLAIN, PRIMARY])
    assert job.run_virtual().exit_code == 0
    faults = [
        {"kind": "status", "status": 503, "endpoint": one, "rate": 0.2}
        for one in ("dissociate", "associations", "associate")
    ]
    faults += [{"kind": "reset", "applied": True, "endpoint": "dissociate", "rate": 0.3}]
    job.simulator.change_scenario(make_simulator(faults=faults, latency_seconds=0.3).scenario)
    for _ in range(4):
        undo(job, kill_after=draw.uniform(0.5, 3.0))
    report = undo(job)
    assert (report.left, report.exit_code) == (0, 0)
    assert report.made == report.counts[LinkUndo.UNLINKED] + report.counts[LinkUndo.GONE]
    # A contact whose first company the job linked: that was its primary one.
    assert labels(simulator) == start
