"""`--add-to-list`: the records that a job wrote are put into a static list."""

from contextlib import closing

import pytest

from support.follow_ups.list_runs import NAME, listing, members, names, requests, undo_list
from support.jobs import contacts
from support.mock_transport import make_simulator
from support.plans.runs import Plan
from uploader.cli import progress
from uploader.cli.commands import status
from uploader.errors import SettingsError
from uploader.lists import membership_task
from uploader.model.stop import Cause
from uploader.storage.checkpoint import Checkpoint


def addresses(rows) -> list[str]:
    return sorted(row["email"].lower() for row in rows)


def _not_in_list(job):
    """What `status --not-in-list` lists."""
    with closing(Checkpoint.open(job.settings().checkpoint_path, read_only=True)) as checkpoint:
        return list(status._not_in_list_lines(checkpoint))[1:]


def test_records_that_were_created_updated_and_unchanged_are_put_into_a_new_list(tmp_path):
    rows = [*contacts(350), {"email": "C3@Example.com", "firstname": "again"}, {"email": "nobody"}]
    job = listing(tmp_path, rows, contacts(120), options={"skip_unchanged": True})
    summary = job.run_virtual()
    job.check(rows, summary)
    assert sorted(members(job)) == addresses(contacts(350))
    assert summary.exit_code == 1  # for the invalid row
    found = summary.as_dict()["list"]
    assert (found["name"], found["made"], found["added"], found["open"]) == (NAME, True, 350, 0)
    assert requests(job)["memberships/add"] == 1
    assert requests(job)["v3/lists"] == 1


def test_a_finished_job_again_sends_nothing_and_gives_the_same_code(tmp_path):
    job = listing(tmp_path, contacts(30))
    first = job.run_virtual()
    again = job.run_virtual()
    assert job.transport.paths == []
    assert again.exit_code == first.exit_code == 0
    assert again.as_dict()["list"] == first.as_dict()["list"]


def test_members_of_the_list_stay_and_are_counted_as_already_there(tmp_path):
    held = contacts(60)
    job = listing(tmp_path, contacts(80), held, lists=[{"name": NAME, "members": held[40:]}])
    summary = job.run_virtual()
    assert sorted(members(job)) == addresses(contacts(80))
    found = summary.as_dict()["list"]
    assert (found["made"], found["added"], found["already"]) == (False, 60, 20)
    assert names(job) == [NAME]


def test_a_list_is_added_to_a_job_that_is_complete(tmp_path):
    job = listing(tmp_path, contacts(250), contacts(200), options={"add_to_list": ""})
    job.run_virtual()
    assert names(job) == []
    job.options["add_to_list"] = NAME
    summary = job.run_virtual()
    assert sorted(members(job)) == addresses(contacts(250))
    assert requests(job)["batch/upsert"] == 0
    assert requests(job)["batch/read"] == 2
    assert (summary.state, summary.exit_code) == ("complete", 0)


def test_requests_of_an_invocation_of_the_list_alone_are_counted(tmp_path):
    job = listing(tmp_path, contacts(30), options={"add_to_list": ""})
    before = job.run_virtual().tallies.requests
    job.options["add_to_list"] = NAME
    summary = job.run_virtual()
    assert summary.tallies.requests == before + len(job.transport.paths)
    assert job.run_virtual().tallies.requests == summary.tallies.requests


def test_at_the_limit_the_records_so_far_are_put_into_the_list(tmp_path):
    job = listing(tmp_path, contacts(300))
    summary = job.run_virtual(limit=120)
    assert (summary.exit_code, summary.cause) == (75, Cause.LIMIT)
    assert sorted(members(job)) == addresses(contacts(120))
    summary = job.run_virtual()
    assert summary.exit_code == 0
    assert sorted(members(job)) == addresses(contacts(300))


def test_a_resume_without_the_option_goes_on_with_the_list(tmp_path):
    job = listing(tmp_path, contacts(300))
    job.run_virtual(limit=120)
    job.options["add_to_list"] = ""
    job.run_virtual()
    assert sorted(members(job)) == addresses(contacts(300))


def test_rows_whose_record_is_gone_are_counted_and_the_job_ends_with_1(tmp_path):
    held = contacts(40)
    job = listing(tmp_path, contacts(40), held, options={"add_to_list": ""})
    job.run_virtual()
    job.simulator.change_records(job._clock, [], ["c5@example.com"])
    job.options["add_to_list"] = NAME
    summary = job.run_virtual()
    found = summary.as_dict()["list"]
    assert (found["added"], found["rows_without_id"], summary.exit_code) == (39, 1, 1)
    why = "HubSpot has no record with this key any more"
    assert summary.follow_ups["list"].line.endswith(f"39 added, 1 row without a record ({why})")
    assert job.run_virtual().exit_code == 1
    assert _not_in_list(job) == [("", 7, "c5@example.com", str(job.source), why)]


def test_a_record_that_hubspot_does_not_have_any_more_is_missing(tmp_path):
    job = listing(tmp_path, contacts(40), options={"add_to_list": ""})
    job.run_virtual()
    gone = next(job.simulator.objects(1e9))["id"]
    job.simulator.change_scenario(
        make_simulator(faults=[{"kind": "reject", "keys": [gone], "endpoint": "memberships"}]).scenario
    )
    job.options["add_to_list"] = NAME
    summary = job.run_virtual()
    found = summary.as_dict()["list"]
    assert (found["added"], found["missing"], found["open"], summary.exit_code) == (39, 1, 0, 1)
    assert _not_in_list(job) == [(int(gone), "", "", "", "HubSpot has no record with this id any more")]


def test_a_canary_that_waits_for_approval_is_not_put_into_the_list(tmp_path):
    job = listing(tmp_path, contacts(50))
    summary = job.run_virtual(canary=10, canary_wait_seconds=0.0)
    assert (summary.exit_code, names(job)) == (3, [])
    summary = job.run_virtual(canary=10, approve_canary=True)
    assert (summary.exit_code, len(members(job))) == (0, 50)


def test_a_signal_after_the_last_row_leaves_the_list_open(tmp_path):
    job = listing(tmp_path, contacts(50))

    def stop_at_the_end(run):
        close = run.pipeline.close

        async def close_and_stop():
            run.stop(2)
            return await close()

        run.pipeline.close = close_and_stop

    summary = job.run_virtual(on_start=stop_at_the_end)
    assert (summary.tallies.open, summary.state, summary.exit_code) == (0, "stopped", 130)
    assert names(job) == []
    assert job.run_virtual().exit_code == 0
    assert len(members(job)) == 50


def test_the_list_of_another_job_in_its_place_is_kept_aside(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual()
    for path in (job.settings().checkpoint_path, job.settings().results_path):
        path.unlink()
    job.run_virtual()
    assert undo_list(job).removed == 0  # they were there before this job
    assert undo_list(job, number=".1").removed == 30


def test_rows_that_a_new_results_file_lacks_are_counted(tmp_path):
    job = listing(tmp_path, contacts(60), options={"add_to_list": ""})
    job.run_virtual(limit=40)
    job.settings().results_path.write_text("changed")
    job.options["add_to_list"] = NAME
    summary = job.run_virtual(accept_changed_results=True)
    found = summary.as_dict()["list"]
    assert (found["added"], found["rows_not_in_results"], summary.exit_code) == (20, 40, 1)
    assert len(members(job)) == 20


def test_a_changed_results_file_of_a_complete_job_stops_the_list_with_a_line(tmp_path):
    job = listing(tmp_path, contacts(60), options={"add_to_list": ""})
    job.run_virtual()
    job.settings().results_path.write_text("changed")
    job.options["add_to_list"] = NAME
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.RESULTS, 78)
    assert "too short" in summary.reason
    summary = job.run_virtual(accept_changed_results=True)
    assert (summary.as_dict()["list"]["rows_not_in_results"], summary.exit_code) == (60, 1)


def test_only_the_rows_of_a_step_of_a_plan_are_followed_at_its_end(tmp_path):
    plan = Plan(tmp_path, make_simulator(quota="100/10"), rows=30)
    plan.write()
    plan.options["contacts"] = {"add_to_list": NAME}
    end = plan.run()
    assert (end.exit_code, end.as_dict()["totals"]["list"]["added"]) == (0, 30)
    log = [one.path for one in plan.simulator.statistics.log if "upsert" in one.path or "add" in one.path]
    assert log[-1].endswith("/memberships/add")
    requests_before = plan.simulator.stats()["requests"]
    assert plan.run().exit_code == 0
    assert plan.simulator.stats()["requests"] == requests_before


def test_a_list_of_several_object_types_is_refused_before_a_plan_begins(tmp_path):
    plan = Plan(tmp_path, make_simulator(quota="100/10"), rows=3)
    plan.write()
    with pytest.raises(SettingsError, match="steps companies and contacts put their records into the list"):
        plan.run(add_to_list=NAME)
    assert plan.simulator.stats()["requests"] == 0


def test_the_display_says_what_is_done_after_the_rows(tmp_path):
    seen = []
    faults = [{"kind": "delay", "seconds": 5, "endpoint": endpoint} for endpoint in ("memberships", "read")]
    job = listing(tmp_path, contacts(20), contacts(10), faults=faults)

    def look(run):
        if run.following is not None:
            seen.append(progress._before(run))
            assert progress._view(run, progress.Pace()) is None

    job.run_virtual(on_tick=look)
    assert list(dict.fromkeys(seen)) == [
        "all rows are settled; reading the ids of records for the list",
        f"all rows are settled; putting records into the list '{NAME}'",
    ]


def test_nothing_is_made_where_no_record_was_written(tmp_path):
    job = listing(tmp_path, [{"email": "nobody"}, {"email": "no one"}])
    summary = job.run_virtual()
    assert names(job) == []
    assert summary.as_dict()["list"]["open"] == 0


# --- refused before anything is sent ---


@pytest.mark.parametrize(
    ("lists", "text"),
    [
        ([{"name": NAME, "processing_type": "DYNAMIC"}], "is active: HubSpot finds its members by filters"),
        ([{"name": NAME, "type": "companies"}], "is of companies; use another name"),
    ],
)
def test_a_list_that_cannot_take_the_records_is_refused_before_anything_is_sent(tmp_path, lists, text):
    job = listing(tmp_path, contacts(30), lists=lists)
    with pytest.raises(SettingsError, match=text):
        job.run_virtual()
    assert list(job.simulator.objects(1e9)) == []


@pytest.mark.parametrize("scope", ["crm.lists.read", "crm.lists.write"])
def test_a_missing_scope_is_named_before_anything_is_sent(tmp_path, scope):
    scopes = ["oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.schemas.contacts.read"]
    others = [one for one in ("crm.lists.read", "crm.lists.write") if one != scope]
    job = listing(tmp_path, contacts(30), auth={"scopes": [*scopes, *others]})
    with pytest.raises(SettingsError, match=f"the token lacks the scope {scope}"):
        job.run_virtual()
    assert list(job.simulator.objects(1e9)) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"object_type": "p_cars", "id_property": "vin"}, "needs the id of the object type"),
        ({"add_to_list": " x"}, "is not the name of a list"),
        ({"add_to_list": "a\nb"}, "is not the name of a list"),
    ],
)
def test_settings_that_no_list_can_follow_are_refused(tmp_path, options, text):
    job = listing(tmp_path, contacts(1))
    with pytest.raises(SettingsError, match=text):
        job.settings(**options)


def test_a_job_without_a_results_file_is_refused(tmp_path):
    job = listing(tmp_path, contacts(1))
    with pytest.raises(SettingsError, match="remove --no-results"):
        job.run_virtual(write_results=False)


# --- a list that is changed meanwhile ---


def test_a_job_has_one_list(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual(limit=20)
    with pytest.raises(SettingsError, match=f"are in the list '{NAME}' .* and a job has one list"):
        job.run_virtual(add_to_list="Another")


def _delete(job):
    for one in job.simulator.account.lists:
        one.deleted_at = "2026-01-01"


def test_a_deleted_list_is_named_and_another_name_begins_anew(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual(limit=20)
    _delete(job)
    with pytest.raises(SettingsError, match="was deleted: restore it in HubSpot, or use another name"):
        job.run_virtual()
    summary = job.run_virtual(add_to_list="Another")
    assert sorted(members(job, "Another")) == addresses(contacts(30))
    assert summary.exit_code == 0


def test_a_list_that_turns_dynamic_while_rows_are_sent_stops_with_a_line(tmp_path):
    job = listing(tmp_path, contacts(30), lists=[{"name": NAME}])

    def turn(run):
        del run
        for one in job.simulator.account.lists:
            one.processing_type = "DYNAMIC"

    summary = job.run_virtual(on_start=turn)
    assert (summary.cause, summary.exit_code) == (Cause.LIST, 78)
    assert "is active" in summary.reason
    assert summary.tallies.open == 0
    for one in job.simulator.account.lists:
        one.processing_type = "MANUAL"
    assert job.run_virtual().exit_code == 0
    assert sorted(members(job)) == addresses(contacts(30))


def test_a_list_that_is_deleted_just_before_its_members_are_sent_stops_with_a_line(tmp_path, monkeypatch):
    job = listing(tmp_path, contacts(30), lists=[{"name": NAME}])
    real = membership_task.change_members

    def delete_first(*arguments, **named):
        _delete(job)
        return real(*arguments, **named)

    monkeypatch.setattr(membership_task, "change_members", delete_first)
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.LIST, 78)
    assert "was deleted meanwhile" in summary.reason
    assert requests(job)["memberships/add"] == 1


# --- the size of a request ---


def test_a_request_carries_as_many_records_as_hubspot_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("uploader.mockserver.account.lists.requests.MOST_MEMBERS", 300)
    monkeypatch.setattr(membership_task, "_FEW", 10)
    job = listing(tmp_path, contacts(1_000))
    summary = job.run_virtual()
    assert summary.exit_code == 0
    assert len(members(job)) == 1_000
    assert requests(job)["memberships/add"] == 2 + 4  # 1,000 and 500 are refused, four times 250 are taken


def test_only_the_first_request_finds_out_how_much_hubspot_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("uploader.mockserver.account.lists.requests.MOST_MEMBERS", 30)
    monkeypatch.setattr(membership_task, "MOST_MEMBERS", 200)
    monkeypatch.setattr(membership_task, "_FEW", 10)
    job = listing(tmp_path, contacts(1_000))
    assert job.run_virtual().exit_code == 0
    assert requests(job)["memberships/add"] == 3 + 8 + 32  # 200, 100 and 50 are refused


def test_refusals_that_have_nothing_to_do_with_size_stop_the_run(tmp_path):
    faults = [{"kind": "status", "status": 400, "endpoint": "memberships"}]
    job = listing(tmp_path, contacts(1_000), faults=faults)
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.LIST, 78)
    assert requests(job)["memberships/add"] <= 20
    job.simulator.change_scenario(make_simulator().scenario)
    assert job.run_virtual().exit_code == 0
    assert len(members(job)) == 1_000
