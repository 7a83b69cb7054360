"""What `check`, `preview`, `status` and `report` say of the list that records are put into."""

import re

import pytest

from support.check_runs import check
from support.follow_ups.list_runs import NAME, listing, undo_list
from support.jobs import contacts
from support.mock_transport import make_simulator
from support.processes import run
from uploader.check.as_json import as_dict
from uploader.cli.commands.report import render
from uploader.cli.commands.status import read_summary
from uploader.cli.text.check.screen import screen
from uploader.cli.text.summary import summary_text
from uploader.preview.run import _list_notices

WORDS = ["check", "contacts.csv"]


def test_check_says_whether_the_list_is_there(tmp_path):
    job = listing(tmp_path, contacts(3))
    report = check(job)
    assert as_dict(report)["list"] == {"name": NAME, "id": None, "size": None}
    shown = screen(report, job.settings(), WORDS)
    more = "; up to 1 request more read the ids of updated ones"
    assert (
        f"the records are put into the list '{NAME}', which does not exist yet and will be made{more}"
        in shown
    )
    assert more not in "".join(screen(report, job.settings(snapshot=True), WORDS))
    job = listing(tmp_path, contacts(3), contacts(2), lists=[{"name": NAME, "members": contacts(2)}])
    report = check(job)
    assert as_dict(report)["list"] == {"name": NAME, "id": "1", "size": 2}
    shown = screen(report, job.settings(), WORDS)
    assert f"the records are put into the list '{NAME}' (id 1, 2 members){more}" in shown
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("lists", "scenario", "problem"),
    [
        ([{"name": NAME, "processing_type": "DYNAMIC"}], {}, "is active"),
        ([{"name": NAME, "type": "companies"}], {}, "is of companies"),
        ((), {"auth": {"scopes": ["oauth", "crm.objects.contacts.write"]}}, "crm.lists.read"),
    ],
)
def test_check_names_what_would_refuse_the_list(tmp_path, lists, scenario, problem):
    report = check(listing(tmp_path, contacts(3), lists=lists, **scenario))
    assert any(problem in text for text in report.problems), report.problems
    assert report.exit_code == 2
    assert report.record_list is None


def test_preview_says_that_it_leaves_the_list_out(tmp_path):
    job = listing(tmp_path, contacts(3))
    assert _list_notices(job.settings()) == [f"the upload would put the records into the list {NAME!r}"]
    assert _list_notices(job.settings(add_to_list="")) == []


def test_status_and_report_tell_how_far_the_list_is(tmp_path):
    job = listing(
        tmp_path, contacts(30), faults=[{"kind": "status", "status": 400, "endpoint": "memberships"}]
    )
    job.run_virtual()
    path = job.settings().checkpoint_path
    stopped = read_summary(path)
    assert (stopped.state, stopped.reason) == ("stopped", "what follows the rows is not complete")
    assert stopped.as_dict()["list"]["open"] == 30
    refused = run("purge", path, cwd=tmp_path)
    assert refused.code == 2
    assert re.search(f"list '{NAME}' .*: 30 open.*--unfinished", refused.err)
    job.simulator.change_scenario(make_simulator().scenario)
    job.run_virtual()
    ended = read_summary(path)
    line = f"list {NAME!r} (id 1, made by the job): 30 added"
    assert ended.state == "complete"
    assert line in summary_text(ended)
    assert line.replace("'", "&#39;") in render(path).decode()
    undo_list(job)
    assert "30 taken out by undo" in summary_text(read_summary(path))
