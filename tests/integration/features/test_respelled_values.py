"""An account that stores values in its own spelling: they are still what the job wrote."""

import asyncio

import pytest

from support.intercepted_requests import existing, job, record_upserts
from support.jobs import Job, write_csv
from support.undo_runs import archived, by, change_records, counts as undone, state, undo
from support.verify_runs import counts, verify

APP = "1512050"
PROPERTIES = [
    {"name": "domain"},
    {
        "name": "lifecyclestage",
        "type": "enumeration",
        "options": ["98211533=Trial", "lead", "98211534=Client"],
    },
]
#: As a file has them; the account stores none of these texts as it is.
GIVEN = {
    "phone": "+49 (0)30 / 123 456",
    "whatsapp": "0049 151-2345678",
    "score": "007.50",
    "domain": "HTTPS://Acme.COM",
    "renewal_date": "31.12.2026",
    "last_seen": "2026-12-31T10:00:00.000+01:00",
    "lifecyclestage": "Client",
}
STORED = {
    "phone": "+4930123456",
    "whatsapp": "+491512345678",
    "score": "7.5",
    "domain": "acme.com",
    "renewal_date": "1798675200000",
    "last_seen": "2026-12-31T09:00:00Z",
    "lifecyclestage": "98211534",
}
FORMER = {
    "phone": "+4930999999",
    "whatsapp": "+491519999999",
    "score": "1",
    "domain": "old.example",
    "renewal_date": "1798588800000",
    "last_seen": "2026-12-30T09:00:00Z",
    "lifecyclestage": "98211533",
}
RULES = {"respells": True}


def run_of(tmp_path, **scenario):
    rows = [{"email": "New@x.com", **GIVEN}, {"email": "old@x.com", **GIVEN}]
    run = job(
        tmp_path,
        rows,
        there=[existing("old@x.com", **FORMER)],
        rules=RULES,
        properties=PROPERTIES,
        options={"snapshot": True},
        **scenario,
    )
    run.before = state(run)
    return run


def stored(run, email="old@x.com"):
    held = run.held()[email]
    return {name: held.get(name) for name in STORED}


def test_respelled_values_are_verified_sent_once_and_taken_back(tmp_path):
    run = run_of(tmp_path)
    assert run.run_virtual().as_dict()["created"] == 1
    assert stored(run) == stored(run, "new@x.com") == STORED
    report, findings = verify(run)
    assert counts(report) == {"hubspot": 2}
    assert {one.property for one in findings} >= {"phone", "whatsapp", "score", "domain", "renewal_date"}
    report, kept = undo(run)
    assert (undone(report), kept) == ({"archived": 1, "restored": 1}, [])
    assert state(run) == run.before
    assert len(archived(run)) == 1


def test_a_value_in_a_form_that_only_hubspot_knows_is_taken_back_by_its_history(tmp_path):
    """The account adds a country code. No text shows whether `030 123456` became `+4930123456`."""
    rows = [{"email": name, "phone": "030 123456"} for name in ("new@x.com", "old@x.com")]
    there = [existing("old@x.com", phone="+4930999999")]
    account = {"country_code": "49"}
    run = job(tmp_path, rows, there=there, rules=RULES, account=account, options={"snapshot": True})
    run.before = state(run)
    run.run_virtual()
    assert run.held()["old@x.com"]["phone"] == "+4930123456"
    assert counts(verify(run)[0]) == {"hubspot": 2}
    report, kept = undo(run)
    assert (undone(report), kept) == ({"archived": 1, "restored": 1}, [])
    assert state(run) == run.before


def test_a_value_in_an_unknown_form_is_the_jobs_if_its_history_says_so(tmp_path):
    rows = [{"email": f"{name}@x.com", "website": "acme.com"} for name in "abc"]
    there = [existing(row["email"], website="https://old.example") for row in rows]
    run = job(tmp_path, rows, there=there, rules=RULES, options={"snapshot": True})
    run.run_virtual()
    change_records(run, update=[by("a@x.com", website="www.acme.com"), by("b@x.com", website="else")])
    report, findings = verify(run)
    assert counts(report) == {"hubspot": 1, "differs": 2}
    assert [one.note for one in findings] == [
        "written since by CRM_UI (userId:7)",
        "",
        "HubSpot stores it in this form",
    ]
    report, _ = undo(run)
    assert undone(report) == {"restored": 1, "kept": 2}
    assert run.held()["c@x.com"]["website"] == "https://old.example"


def test_the_account_shows_which_respelled_values_need_not_be_sent_again(tmp_path):
    """The second job learns it from the answer to its first batch, by country and notation."""
    rows = [
        {"email": f"p{n}@x.com", **GIVEN, "phone": f"+49 (0)30 / {n:03} 456", "domain": f"https://{n}.com/"}
        for n in range(500)
    ]
    there = [existing(f"p{n}@x.com", **FORMER) for n in range(0, 500, 2)]
    run = job(tmp_path, rows, there=there, rules=RULES, properties=PROPERTIES, options={"snapshot": True})
    before = state(run)
    run.run_virtual()
    written, received = state(run), record_upserts(run)
    later = Job(write_csv(tmp_path / "later.csv", rows), run.simulator, {"skip_unchanged": True})
    later._clock = run._clock
    assert later.run_virtual().as_dict()["unchanged"] == 400
    assert [len(one.body["inputs"]) for one in received] == [100]
    sent = {name for one in received[0].body["inputs"] for name in one["properties"]}
    assert sent - {"email"} == {"domain", "phone", "whatsapp"}
    assert state(run) == written
    assert counts(verify(later)[0]) == {"hubspot": 500}
    run._clock = later._clock
    report, kept = undo(run)
    assert (undone(report), kept) == ({"archived": 250, "restored": 250}, [])
    assert state(run) == before


def test_in_an_account_that_completes_phone_numbers_those_are_sent_again(tmp_path):
    """The country may be the contact's, and no text shows what another contact's number becomes."""
    rows = [{"email": f"p{n}@x.com", "phone": f"030 123 {n:03}"} for n in range(300)]
    account = {"country_code": "49"}
    run = job(tmp_path, rows, rules=RULES, account=account)
    run.run_virtual()
    written = state(run)
    assert run.run_virtual(restart=True, skip_unchanged=True).as_dict()["updated"] == 300
    assert state(run) == written


def test_respelled_values_of_a_pending_write_are_found_by_reading_back(tmp_path):
    pending = {"kind": "batch_status", "status": "PENDING", "results_share": 0.0, "applied": True}
    run = run_of(tmp_path, faults=[pending])
    assert run.run_virtual().as_dict()["pending"] == 0
    assert set(run.outcomes().values()) == {"updated"}


@pytest.mark.parametrize(("applied", "outcome"), [(True, "updated"), (False, "pending")])
def test_a_pending_value_in_an_unknown_form_is_found_by_its_history(tmp_path, applied, outcome):
    """Another app has changed another value meanwhile, so the contact alone shows nothing."""
    rows = [{"email": "a@x.com", "website": "acme.com"}]
    pending = {"kind": "batch_status", "status": "PENDING", "results_share": 0.0, "applied": applied}
    others = [{"who": "workflow", "property": "city", "value": "Ulm", "after_seconds": 0.5}]
    there = [existing("a@x.com", website="https://acme.com")]
    run = job(tmp_path, rows, there=there, rules=RULES, faults=[pending], others=others)
    run.run_virtual()
    assert run.outcomes() == {2: outcome}


@pytest.mark.parametrize(
    ("held", "given"),
    [
        ({"phone": "+491701234567"}, {"phone": "+49 (170) 123-4567"}),
        ({"domain": "acme.com"}, {"domain": "https://acme.com/"}),
    ],
)
def test_what_an_account_keeps_as_typed_is_sent(tmp_path, held, given):
    rows = [{"email": f"p{n}@x.com", **given} for n in range(300)]
    there = [existing(row["email"], **held) for row in rows]
    run = job(tmp_path, rows, there=there, properties=PROPERTIES, options={"skip_unchanged": True})
    run.run_virtual()
    assert set(run.outcomes().values()) == {"updated"}
    assert all(run.held()[row["email"]].items() >= given.items() for row in rows)


@pytest.mark.parametrize(
    ("name", "sent", "later"),
    [("score", "100", "10"), ("firstname", "Alexander", "Alex"), ("jobtitle", "CEO", "Not the CEO")],
)
def test_a_part_of_a_value_is_not_what_hubspot_made_of_it(tmp_path, name, sent, later):
    """The same app has written it within the job's time."""
    run = job(tmp_path, [{"email": "a@x.com", name: sent}], options={"snapshot": True})
    run.run_virtual()
    change_records(run, update=[by("a@x.com", "INTEGRATION", APP, **{name: later})])
    report, findings = verify(run)
    assert counts(report) == {"differs": 1}
    assert [one.found for one in findings] == [later]


@pytest.mark.parametrize(
    ("name", "sent", "theirs", "former"),
    [
        ("score", "100", "10", "5"),
        ("city", "Bonn", "Bonn-Beuel", "Ulm"),
        ("phone", "+49 170 1234567", "+491701234567", "1"),
        ("phone", "030 1234567", "+49301234567", "1"),
    ],
)
def test_a_value_of_another_app_confirms_no_pending_write(tmp_path, name, sent, theirs, former):
    pending = {"kind": "batch_status", "status": "PENDING", "results_share": 0.0}
    there = [existing("a@x.com", **{name: former})]
    run = job(tmp_path, [{"email": "a@x.com", name: sent}], there=there, faults=[pending])
    changed = [by("a@x.com", "INTEGRATION", "999", **{name: theirs})]

    def change(_) -> None:
        if changed and any("upsert" in path for path in run.transport.paths):
            now = asyncio.get_running_loop().time()
            run.simulator.change_records(now, [changed.pop()], [])

    run.run_virtual(on_tick=change)
    assert not changed
    assert run.held()["a@x.com"][name] == theirs
    assert run.outcomes() == {2: "pending"}
