"""An account that stores values in its own spelling: they are still what the job wrote."""

import pytest

from support.intercepted_requests import existing, job, upserts
from support.undo_runs import archived, by, change_records, counts as undone, state, undo
from support.verify_runs import counts, verify

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


def test_respelled_values_are_not_sent_again(tmp_path):
    run = run_of(tmp_path)
    run.run_virtual()
    sent = len(upserts(run))
    again = run.run_virtual(restart=True, skip_unchanged=True)
    assert again.as_dict()["unchanged"] == 2
    assert len(upserts(run)) == sent


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
