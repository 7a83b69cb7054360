"""What another job of the same app wrote later is kept, also where it looks like a form of what was sent."""

import pytest

from support.undo_runs import archived, by, change_records, counts, state, undo, uploaded

APP = "1512050"
KEY = "c0@example.com"
DAYS = 3 * 86_400.0
DOMAIN = [{"name": "domain"}]


@pytest.mark.parametrize(
    ("name", "sent", "later"),
    [
        ("lifecyclestage", "lead", "customer"),
        ("phone", "030 1234567", "+49301234567"),
        ("phone", "+49 (170) 123-4567", "+491701234567"),
        ("interests", ";sailing", "chess;sailing;music"),
        ("domain", "https://www.acme.com/shop", "acme.com"),
    ],
)
@pytest.mark.parametrize("former", [{}, {"city": "Ulm"}], ids=["created", "changed"])
def test_a_later_value_of_the_same_app_is_kept(tmp_path, name, sent, later, former):
    held = [{"email": KEY, **former}] if former else []
    job = uploaded(tmp_path, [{"email": KEY, name: sent}], held, properties=DOMAIN)
    job._clock += DAYS
    change_records(job, [by(KEY, "INTEGRATION", APP, **{name: later})])
    report, kept = undo(job)
    assert (counts(report), [one.finding.property for one in kept]) == ({"kept": 1}, [name])
    assert not archived(job)
    assert [one[name] for one in state(job).values()] == [later]


@pytest.mark.parametrize("later", ["sailing;chess;music", "hiking;sailing;music"])
def test_choices_that_were_replaced_or_added_to_since_are_kept(tmp_path, later):
    job = uploaded(
        tmp_path, [{"email": KEY, "interests": ";sailing"}], [{"email": KEY, "interests": "hiking"}]
    )
    job._clock += DAYS
    change_records(job, [by(KEY, "INTEGRATION", APP, interests=later)])
    report, kept = undo(job)
    assert (counts(report), len(kept)) == ({"kept": 1}, 1)
    assert [one["interests"] for one in state(job).values()] == [later]


@pytest.mark.parametrize(
    ("name", "former", "sent"),
    [
        ("phone", "+49 (170) 123-4567", "+491701234567"),
        ("domain", "https://Acme.com/", "acme.com"),
        ("interests", "hiking", ";sailing"),
    ],
)
def test_a_former_value_in_another_spelling_is_restored(tmp_path, name, former, sent):
    job = uploaded(tmp_path, [{"email": KEY, name: sent}], [{"email": KEY, name: former}], properties=DOMAIN)
    assert counts(undo(job)[0]) == {"restored": 1}
    assert state(job) == job.before


def test_a_sensitive_property_that_a_person_has_filled_keeps_a_created_record(tmp_path):
    properties = [{"name": "diagnosis", "sensitive": True}]
    job = uploaded(tmp_path, [{"email": KEY, "firstname": "A"}], properties=properties)
    change_records(job, [by(KEY, diagnosis="written by a nurse")])
    report, kept = undo(job)
    assert (counts(report), [one.finding.property for one in kept]) == ({"kept": 1}, ["diagnosis"])
    assert not archived(job)
