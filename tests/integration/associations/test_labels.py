"""Labels of links that the account lacks are created on request, and not otherwise."""

import pytest

from support.check_runs import check
from support.jobs import contacts
from support.links.runs import KEY, account, labels, make_job
from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn
from uploader.model.stop import Cause

_BOSS = LinkColumn("boss", "companies", KEY, "Boss")
_BUYER = LinkColumn("buyer", "companies", KEY, "Käufer")
_LABEL_PATH = "/labels"


def _rows():
    return [{**one, "boss": "A", "buyer": "A" if n else ""} for n, one in enumerate(contacts(2))]


def _posts(job):
    return [path for path in job.transport.paths if path.endswith(_LABEL_PATH)]


def test_without_the_option_the_job_does_not_start(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(), account("A"), [_BOSS, _BUYER])
    with pytest.raises(SettingsError, match="no label 'Boss' in this account; choose 'Primary', or have it"):
        job.run_virtual()
    assert job.simulator.stats()["upserts"] == 0
    report = check(job)
    assert [text for text in report.problems if "no label 'Boss'" in text]
    assert [text for text in report.problems if "no label 'Käufer'" in text]


def test_labels_are_created_once_and_after_the_rows_links_have_them(tmp_path):
    job = make_job(tmp_path / "a.csv", _rows(), account("A"), [_BOSS, _BUYER], create_labels=True)
    assert check(job).problems == []
    assert job.run_virtual().exit_code == 0
    assert labels(job.simulator) == {
        ("c0@example.com", "A"): {"Primary", "Boss"},
        ("c1@example.com", "A"): {"Primary", "Boss", "Käufer"},
    }
    assert check(job, create_labels=False).problems == []  # they are there now


def test_a_label_whose_answer_was_lost_is_not_made_twice(tmp_path):
    faults = [{"kind": "reset", "applied": True, "endpoint": "change_association_labels", "first": 1}]
    simulator = account("A", faults=faults)
    job = make_job(tmp_path / "a.csv", _rows(), simulator, [_BOSS, _BUYER], create_labels=True)
    assert job.run_virtual().exit_code == 0
    assert labels(job.simulator)["c0@example.com", "A"] >= {"Boss"}


def test_a_label_that_hubspot_refuses_stops_the_job_which_goes_on_later(tmp_path):
    made = [{"object_type": "contacts", "to": "companies", "label": f"L{n}"} for n in range(50)]
    job = make_job(
        tmp_path / "a.csv",
        _rows(),
        account("A", association_labels=made),
        [_BOSS, _BUYER],
        create_labels=True,
    )
    summary = job.run_virtual()
    assert (summary.cause, summary.tallies.open) == (Cause.LABEL, 0)
    assert "'Boss' of companies could not be created: The limit of 50 association labels" in summary.reason
    again = job.run_virtual(
        associations=(_BOSS_PLAIN, _BUYER_PLAIN), create_labels=False, accept_changed_settings=True
    )
    assert again.exit_code == 0


_BOSS_PLAIN, _BUYER_PLAIN = (LinkColumn(one.column, "companies", KEY, "L1") for one in (_BOSS, _BUYER))
