"""Undo keeps a contact that the job created and people or other apps have worked with since."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.soaked import some
from support.undo_runs import (
    archived,
    association_reads,
    by,
    change_records,
    counts,
    id_of,
    people,
    rows_for,
    state,
    under,
    undo,
    uploaded,
    writes,
)
from uploader.errors import DeclinedError
from uploader.mockserver.account.behaviour_switches import Auth
from uploader.model.stop import Cause
from uploader.undo.associated_records import TYPES
from uploader.undo.undo_file import UndoFile

C0, C1, C2, C3 = (f"c{n}@example.com" for n in range(4))


def associate(job: Job, *links: tuple[str, str, int]) -> None:
    """Each an address, the type of objects, and how many of them."""
    associations = [{"email": email, "to": to, "ids": range(1, count + 1)} for email, to, count in links]
    job.simulator.change_records(job._clock, [], [], "contacts", associations)


def reasons(kept) -> dict[str, str]:
    """By key, why the whole contact is kept."""
    assert all(one.finding.property == "" for one in kept)
    return {one.key: one.finding.why for one in kept}


def without(*scopes: str) -> dict[str, object]:
    return {"scopes": [one for one in Auth().scopes if one not in scopes]}


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_a_contact_with_an_activity_a_deal_or_a_ticket_is_kept_and_listed(tmp_path, kind):
    job = uploaded(tmp_path, rows_for(5), people(2))
    associate(job, (C3, kind.name, 1))
    preview, listed = undo(job, dry=True)
    report, kept = undo(job)
    assert counts(report) == {"archived": 2, "restored": 2, "kept": 1}
    assert report.exit_code == 1
    assert reasons(kept) == {C3: f"1 {kind.one} is associated with it"}
    assert state(job).keys() == job.before.keys() | {id_of(job, C3)}
    assert (counts(preview), listed) == (counts(report), kept)


def test_all_that_is_associated_is_counted_in_one_finding(tmp_path):
    job = uploaded(tmp_path, contacts(2))
    associate(job, (C0, "notes", 2), (C0, "deals", 1), (C0, "companies", 1))
    report, kept = undo(job)
    assert (counts(report), report.values_kept) == ({"archived": 1, "kept": 1}, 0)
    assert reasons(kept) == {C0: "2 notes and 1 deal are associated with it"}


def test_a_company_alone_keeps_no_contact(tmp_path):
    """HubSpot associates it itself, by the domain of the address."""
    job = uploaded(tmp_path, contacts(2))
    associate(job, (C0, "companies", 1))
    report, kept = undo(job)
    assert (counts(report), kept, state(job)) == ({"archived": 2}, [], {})


def test_a_contact_that_was_there_before_goes_back_whatever_is_associated_with_it(tmp_path):
    job = uploaded(tmp_path, rows_for(2), people(2))
    associate(job, (C0, "notes", 2))
    report, kept = undo(job)
    assert (counts(report), kept, state(job)) == ({"restored": 2}, [], job.before)
    assert association_reads(job) == []


def test_what_only_hubspot_has_written_since_is_archived(tmp_path):
    job = uploaded(tmp_path, contacts(4))
    own = ("CALCULATED", "DATA_ENRICHMENT", "INTERNAL_PROCESSING", "PROPERTY_DEFAULT_VALUE")
    change_records(job, [by(f"c{n}@example.com", source, "", phone="1") for n, source in enumerate(own)])
    report, kept = undo(job)
    assert (counts(report), kept, state(job)) == ({"archived": 4}, [], {})


def test_a_value_that_a_person_wrote_keeps_the_contact_though_the_job_wrote_over_it(tmp_path):
    """The job was stopped in between, and its later row sets the value again."""
    rows = [*contacts(1, city="Bonn"), *contacts(1, city="Ulm")]
    job = uploaded(tmp_path, rows[:1])
    change_records(job, [by(C0, city="Trier")])
    job.simulator.change_records(
        job._clock + 1,
        [by(C0, "INTEGRATION", str(job.simulator.scenario.account.app_id), city="Bonn")],
        [],
    )
    report, kept = undo(job)
    assert counts(report) == {"kept": 1}
    (one,) = kept
    assert (one.finding.property, one.finding.now, one.finding.source) == (
        "city",
        "Bonn",
        "CRM_UI (userId:7)",
    )


# --- archived all the same ---


def test_archive_touched_archives_them_without_looking_at_associations(tmp_path):
    job = uploaded(tmp_path, rows_for(6), people(2))
    associate(job, (C2, "notes", 2))
    change_records(job, [by(C3, phone="1"), by(C0, city="Trier")])
    report, kept = undo(job, archive_touched=True)
    # Of a contact that was there before, a value that somebody else has written stays.
    assert counts(report) == {"archived": 4, "restored": 1, "kept": 1}
    assert [(one.key, one.finding.property) for one in kept] == [(C0, "city")]
    assert state(job).keys() == job.before.keys()
    assert association_reads(job) == []


def test_archive_touched_after_an_undo_archives_what_that_has_kept(tmp_path):
    job = uploaded(tmp_path, rows_for(6), people(2))
    associate(job, (C2, "notes", 2))
    change_records(job, [by(C3, phone="1"), by(C0, city="Trier")])
    first, _ = undo(job)
    assert counts(first) == {"archived": 2, "restored": 1, "kept": 3}
    again, _ = undo(job)
    assert (counts(again), writes(job)) == (counts(first), 0)
    report, kept = undo(job, archive_touched=True)
    assert counts(report) == {"archived": 4, "restored": 1, "kept": 1}
    assert [one.key for one in kept] == [C0]
    assert state(job).keys() == job.before.keys()


def test_who_declines_to_archive_touched_loses_nothing_of_what_an_undo_has_kept(tmp_path):
    job = uploaded(tmp_path, rows_for(6), people(2))
    associate(job, (C2, "notes", 2))
    change_records(job, [by(C3, phone="1"), by(C0, city="Trier")])
    first, listed = undo(job)
    asked = []

    async def no(account, created, others) -> bool:
        asked.append((created, others))
        return False

    with pytest.raises(DeclinedError):
        undo(job, archive_touched=True, approve=no)
    assert asked == [(2, 0)]
    again, kept = undo(job)
    assert (counts(again), kept, again.is_old) == (counts(first), listed, True)


def test_archive_touched_is_offered_only_for_what_it_would_archive(tmp_path):
    """A contact into which another one was merged stays, whatever is said."""
    job = uploaded(tmp_path, rows_for(6))
    associate(job, (C2, "notes", 2))
    change_records(job, [by(C1, phone="1")])
    job.simulator.account._store("contacts").records.owner("email", C3).merged = (17,)
    report, _ = undo(job)
    assert counts(report) == {"archived": 3, "kept": 3}
    file = UndoFile(Path(f"{job.source}.checkpoint.snapshot"))
    try:
        assert file.open()
        assert file.kept_created() == 2
    finally:
        file.close()
    again, _ = undo(job, archive_touched=True)
    assert counts(again) == {"archived": 5, "kept": 1}


# --- what the token can't see ---


def test_a_token_that_may_not_read_tickets_keeps_what_the_job_created_and_names_the_scope(tmp_path):
    job = uploaded(tmp_path, rows_for(5), people(2))
    associate(job, (C3, "notes", 1))
    job.simulator.change_scenario(make_simulator(auth=without("tickets")).scenario)
    preview, listed = undo(job, dry=True)
    report, kept = undo(job)
    unknown = "it is unknown whether tickets are associated with it: the token lacks the scope tickets"
    assert reasons(kept) == {
        C2: unknown,
        C3: f"1 note is associated with it; {unknown}",
        "c4@example.com": unknown,
    }
    assert (counts(report), report.exit_code) == ({"restored": 2, "kept": 3}, 1)
    assert (counts(preview), listed) == (counts(report), kept)
    # With the scope, all of them are looked at again.
    job.simulator.change_scenario(make_simulator().scenario)
    report, kept = undo(job, restart=True)
    assert (counts(report), reasons(kept)) == (
        {"archived": 2, "as_before": 2, "kept": 1},
        {C3: "1 note is associated with it"},
    )


def test_all_missing_scopes_are_named_and_each_is_asked_for_once(tmp_path):
    job = uploaded(tmp_path, contacts(250))
    scopes = without("tickets", "crm.objects.deals.read")
    job.simulator.change_scenario(make_simulator(auth=scopes).scenario)
    report, kept = undo(job, max_in_flight=1)
    assert counts(report) == {"kept": 250}
    (why,) = set(reasons(kept).values())
    assert "deals are associated with it: the token lacks the scope crm.objects.deals.read" in why
    assert "tickets are associated with it: the token lacks the scope tickets" in why
    assert association_reads(job).count("tickets") == 1
    report, _ = undo(job, archive_touched=True)
    assert (counts(report), state(job)) == ({"archived": 250}, {})


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_of_associations_stops_no_undo(tmp_path, status):
    job = uploaded(tmp_path, rows_for(4), people(2))
    fault = {"kind": "status", "status": status, "endpoint": "associations", "rate": 1.0}
    report, kept = under(job, fault)
    assert counts(report) == {"restored": 2, "kept": 2}
    assert all(why.startswith("it is unknown whether") for why in reasons(kept).values())


def test_what_an_answer_leaves_out_keeps_the_contact(tmp_path):
    """Those with a note are results, the others errors: with no results, the former are left out."""
    job = uploaded(tmp_path, contacts(3))
    associate(job, (C1, "notes", 1))
    report, kept = under(job, {"kind": "drop_results", "count": 9, "endpoint": "associations", "rate": 1.0})
    assert counts(report) == {"archived": 2, "kept": 1}
    assert reasons(kept) == {
        C1: "it is unknown whether notes are associated with it: HubSpot did not list them"
    }


def test_an_answer_that_leaves_some_out_once_is_asked_for_again(tmp_path):
    job = uploaded(tmp_path, contacts(3))
    associate(job, (C1, "notes", 1))
    report, kept = under(job, {"kind": "drop_results", "count": 9, "endpoint": "associations", "first": 4})
    assert (counts(report), reasons(kept)) == (
        {"archived": 2, "kept": 1},
        {C1: "1 note is associated with it"},
    )


@pytest.mark.parametrize(
    ("category", "times", "why"),
    [
        ("INTERNAL_ERROR", {"first": 3}, "1 note is associated with it"),
        ("INTERNAL_ERROR", {"rate": 1.0}, "did not list them (INTERNAL_ERROR)"),
        ("VALIDATION_ERROR", {"rate": 1.0}, "did not list them (VALIDATION_ERROR)"),
        ("", {"rate": 1.0}, "did not list them (an error of unknown category)"),
    ],
)
def test_an_error_about_one_contact_keeps_it_unless_it_passes(tmp_path, category, times, why):
    job = uploaded(tmp_path, contacts(20))
    associate(job, (C1, "notes", 1))
    fault = {"kind": "reject", "endpoint": "associations", "category": category, "message": "no"}
    report, kept = under(job, {**fault, "keys": [id_of(job, C1)], **times})
    assert counts(report) == {"archived": 19, "kept": 1}
    (reason,) = reasons(kept).values()
    assert why in reason


def test_one_contact_that_breaks_the_question_keeps_no_other(tmp_path):
    job = uploaded(tmp_path, contacts(20))
    poison = id_of(job, C1)
    handle = job.simulator.handle

    def break_on_poison(request, now):
        reply = handle(request, now)
        body = orjson.loads(request.body) if "/associations/" in request.path else {}
        is_poisoned = any(one["id"] == poison for one in body.get("inputs", ()))
        return replace(reply, status=500, body=b"{}") if is_poisoned else reply

    job.simulator.handle = break_on_poison
    report, kept = undo(job)
    assert counts(report) == {"archived": 19, "kept": 1}
    (why,) = reasons(kept).values()
    assert "HubSpot did not list them (HTTP_500)" in why


# --- a server that misbehaves ---


@pytest.mark.soak
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "first": 5},
        {"kind": "status", "status": 503, "first": 3},
        {"kind": "status", "status": 423, "first": 3},
        {"kind": "status", "status": 429, "first": 3},
        {"kind": "reset", "first": 3},
        {"kind": "truncate", "first": 3},
        {"kind": "garble", "shape": "html", "first": 2},
        {"kind": "garble", "shape": "wrong_types", "first": 2},
        {"kind": "status", "status": 503, "rate": 0.3},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('status', fault.get('shape', ''))}",
)
def test_a_passing_failure_of_association_reads_keeps_nothing_more(tmp_path, fault):
    job = uploaded(tmp_path, rows_for(250), people(50))
    associate(job, ("c99@example.com", "deals", 1))
    report, kept = under(job, {**fault, "endpoint": "associations"})
    assert counts(report) == {"archived": 199, "restored": 50, "kept": 1}
    assert reasons(kept) == {"c99@example.com": "1 deal is associated with it"}


@pytest.mark.parametrize(
    ("fault", "cause", "code"),
    some(
        ({"status": 503}, Cause.OUTAGE, 75),
        soaked=[({"status": 429, "shape": "daily"}, Cause.DAILY, 75), ({"status": 401}, Cause.TOKEN, 78)],
    ),
)
def test_an_outage_of_association_reads_stops_and_the_same_command_goes_on(tmp_path, fault, cause, code):
    job = uploaded(tmp_path, rows_for(250), people(50))
    associate(job, ("c99@example.com", "deals", 1))
    fault = {"kind": "status", "endpoint": "associations", "rate": 1.0, **fault}
    report, _ = under(job, fault, outage_seconds=30.0)
    assert (report.end.cause, report.left, archived(job), writes(job)) == (cause, 250, set(), 0)
    assert report.exit_code in {code, 2}
    job.simulator.change_scenario(make_simulator().scenario)
    report, _ = undo(job)
    assert counts(report) == {"archived": 199, "restored": 50, "kept": 1}


@pytest.mark.parametrize("kill_after", some(2.0, 8.0, soaked=[3.5, 5.0, 6.5, 9.5, 11.0, 12.5]))
def test_killed_at_any_moment_it_decides_the_same(tmp_path, kill_after):
    job = uploaded(tmp_path, rows_for(250), people(50), latency_seconds=0.4)
    associate(job, *((f"c{n}@example.com", "notes", 1) for n in range(60, 250, 10)))
    undo(job, kill_after=kill_after, max_in_flight=2)
    # Somebody takes up another contact before the undo goes on.
    left = [held["email"] for held in state(job).values() if held["email"] == "c99@example.com"]
    associate(job, *((email, "calls", 1) for email in left))
    report, kept = undo(job, max_in_flight=2)
    assert counts(report) == {"archived": 200 - 19 - len(left), "restored": 50, "kept": 19 + len(left)}
    assert set(reasons(kept)) == {f"c{n}@example.com" for n in range(60, 250, 10)} | set(left)
    assert len(state(job)) == 50 + 19 + len(left)


def test_interrupted_while_it_reads_associations_it_archives_nothing_more(tmp_path):
    slow = {"kind": "delay", "seconds": 5.0, "endpoint": "associations", "rate": 1.0}
    job = uploaded(tmp_path, contacts(50))
    job.simulator.change_scenario(make_simulator(faults=[slow]).scenario)
    report, _ = undo(job, stop_after=12.0)
    assert (report.exit_code, report.left, writes(job)) == (130, 50, 0)
    job.simulator.change_scenario(make_simulator().scenario)
    report, _ = undo(job)
    assert counts(report) == {"archived": 50}


@pytest.mark.parametrize(
    ("endpoint", "number"),
    some(("archive", 1), soaked=[("associations", 5), ("associations", 9)]),
)
def test_after_a_day_s_pause_contacts_are_looked_at_again(tmp_path, endpoint, number):
    """The day's quota is used up before notes are read, or after; people go on working meanwhile."""
    job = uploaded(tmp_path, rows_for(250), people(50))
    fault = {"kind": "status", "status": 429, "shape": "daily", "endpoint": endpoint}
    job.simulator.change_scenario(make_simulator(faults=[{**fault, "requests": [number, number]}]).scenario)
    at_work = _work_when_the_day_is_spent(job, [(f"c{n}@example.com", "notes", 1) for n in range(50, 250)])
    report, kept = undo(job, on_long_pause="wait", max_in_flight=1)
    assert at_work
    assert counts(report) == {"restored": 50, "kept": 200}
    assert len(reasons(kept)) == 200


@pytest.mark.parametrize("number", [5, 9])
def test_after_the_machine_has_slept_contacts_are_looked_at_again(tmp_path, number):
    """While it reads what is associated, or before it archives."""
    job = uploaded(tmp_path, rows_for(90), people(20))
    handle, asked = job.simulator.handle, []

    def handle_and_sleep(request, now):
        reply = handle(request, now)
        asked.extend([request.path] if "/associations/" in request.path else [])
        if len(asked) == number:
            asked.append("the machine sleeps")
            job.sleep_machine(8 * 3_600)
            associations = [{"email": f"c{n}@example.com", "to": "notes", "ids": [1]} for n in range(20, 90)]
            job.simulator.change_records(now, [], [], "contacts", associations)
        return reply

    job.simulator.handle = handle_and_sleep
    report, kept = undo(job, max_in_flight=1)
    assert "the machine sleeps" in asked
    assert counts(report) == {"restored": 20, "kept": 70}
    assert len(reasons(kept)) == 70


def test_after_a_day_s_pause_a_value_that_somebody_has_changed_stays(tmp_path):
    job = uploaded(tmp_path, rows_for(50), people(50))
    fault = {"kind": "status", "status": 429, "shape": "daily", "endpoint": "update", "requests": [1, 1]}
    job.simulator.change_scenario(make_simulator(faults=[fault]).scenario)
    at_work = _work_when_the_day_is_spent(job, [], [by("c7@example.com", city="Trier")])
    report, kept = undo(job, on_long_pause="wait")
    assert at_work
    assert counts(report) == {"restored": 49, "kept": 1}
    assert [(one.key, one.finding.now) for one in kept] == [("c7@example.com", "Trier")]


def _work_when_the_day_is_spent(job: Job, links, update=()) -> list[float]:
    """When it happened: an hour after the answer that the day's quota is used up; empty until then."""
    handle, refused, at_work = job.simulator.handle, [], []

    def handle_and_work(request, now):
        if refused and not at_work and now > refused[0] + 3_600:
            at_work.append(now)
            associations = [{"email": email, "to": to, "ids": [1]} for email, to, _ in links]
            job.simulator.change_records(now, update, [], "contacts", associations)
        reply = handle(request, now)
        if reply.status == 429:
            refused.append(now)
        return reply

    job.simulator.handle = handle_and_work
    return at_work


# --- what it costs ---


def test_a_few_workers_ask_about_many_contacts_at_once(tmp_path):
    job = uploaded(tmp_path, contacts(1_000))
    report, _ = undo(job, max_in_flight=2)
    assert counts(report) == {"archived": 1_000}
    assert sorted(association_reads(job)) == sorted([one.name for one in TYPES] * 2)


@pytest.mark.soak
def test_association_reads_keep_to_the_quota_and_are_counted(tmp_path):
    job = uploaded(tmp_path, contacts(1_500), quota="50/10", latency_seconds=0.2)
    before = job.simulator.stats()["requests"]
    report, _ = undo(job)
    assert (report.exit_code, job.simulator.stats()["throttled"]) == (0, 0)
    assert report.requests == job.simulator.stats()["requests"] - before
    assert len(association_reads(job)) == 15 * len(TYPES)


# --- other objects, other versions ---


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_records_of_other_types_are_kept_too(tmp_path, version):
    rows = [{"serial": f"S{n}", "dealname": "Big"} for n in range(3)]
    extra = {"name": "serial", "object_type": "deals", "unique": True}
    options = {"object_type": "deals", "id_property": "serial", "snapshot": True, "api_version": version}
    job = Job(
        write_csv(tmp_path / "deals.csv", rows), make_simulator(quota="none", properties=[extra]), options
    )
    job.run_virtual()
    job.simulator.change_records(job._clock, [], [], "deals", [{"serial": "S1", "to": "tickets", "ids": [7]}])
    report, kept = undo(job, api_version=version)
    assert counts(report) == {"archived": 2, "kept": 1}
    assert reasons(kept) == {"S1": "1 ticket is associated with it"}
    assert "deals" not in association_reads(job)
