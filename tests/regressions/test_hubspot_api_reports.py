"""The pains that users of HubSpot's API report, in the order of that list and by their numbers in it.

Each has a test, some have two. Where the pain is not of batch upsert itself, the test is about the same
mistake as far as it can be made here:

6, 15   The search index lags behind. Nothing is searched for here: the upsert itself tells what is there.
18      Property histories halve what a batch may ask for. What is read back asks for none.
21      The answers of v1 spelled a field in two ways. So may those of other versions.
23      OAuth's token endpoint has limits of its own. Here it is asked no more than whose a token is.
24      Blanks wiped values, or nothing could be cleared. Here blanks are left out; clearing is not on offer.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from support.intercepted_requests import (
    change_replies,
    change_scenario,
    existing,
    job,
    record_upserts,
    upserts,
)
from support.jobs import contacts
from uploader.model.stop import Cause
from uploader.pipeline.rate.limiter import Quota
from uploader.storage.checkpoint import Checkpoint


def keyed(count):
    """Rows with a key of their own beside the address, which may be somebody else's."""
    return [{"external_id": f"k{i}", "email": f"c{i}@example.com", "city": "Ulm"} for i in range(count)]


BY_ID = {"id_property": "external_id"}


def test_one_conflicting_contact_does_not_take_its_whole_batch_along(tmp_path):
    """Pain 1: one conflict made batch upsert answer 409 for all 100, and the sync died (airbyte#76340)."""
    rows = keyed(250)
    run = job(tmp_path, rows, there=[existing("c7@example.com")], options=BY_ID, rules={"conflict": "batch"})
    summary = run.run_virtual()
    run.check(rows, summary, key="external_id")
    assert (summary.as_dict()["created"], summary.as_dict()["rejected"]) == (249, 1)
    assert run.outcomes()[9] == "rejected"
    assert len(upserts(run)) <= 3 + 1 + 14


@pytest.mark.parametrize("body", ["with_id", "without_id", "identity"])
def test_a_409_in_place_of_a_207_still_ends_at_the_row(tmp_path, body):
    """Pain 2: "Batch Upsert return 409 instead of 207", in each of the bodies that were recorded."""
    rules = {"conflict": "batch", "conflict_body": body}
    run = job(tmp_path, keyed(100), there=[existing("c7@example.com")], options=BY_ID, rules=rules)
    run.run_virtual()
    (letter,) = run.dead_letters()
    assert (letter.row, letter.message.startswith("Contact already exists")) == (9, True)


def test_every_sending_has_its_inputs_wrapper(tmp_path):
    """Pain 3: a retry path dropped `inputs`; HubSpot said COMPLETE and wrote nothing (rudder#5147)."""
    rows = contacts(500)
    rows[5]["email"] = "c5@example.badtld"
    faults = [{"kind": "status", "status": 503, "rate": 0.3}, {"kind": "drop_results", "rate": 0.3}]
    run = job(tmp_path, rows, rules={"multi_status": False}, faults=faults)
    received = record_upserts(run)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.tallies.retries > 3
    assert all(upsert.body.keys() == {"inputs"} and upsert.body["inputs"] for upsert in received)


def test_a_2xx_with_neither_results_nor_errors_confirms_nothing(tmp_path):
    """Pain 4: it took a detector of its own to see that nothing had been written (rudder#5167)."""
    rows = contacts(500)
    run = job(tmp_path, rows, faults=[{"kind": "no_op", "rate": 0.5}])
    run.check(rows, run.run_virtual())
    assert len(run.held()) == 500


def test_nothing_but_empty_2xx_is_an_outage_with_all_rows_open(tmp_path):
    """Pain 4, where it does not pass."""
    run = job(tmp_path, contacts(500), faults=[{"kind": "no_op"}], options={"outage_seconds": 60.0})
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.OUTAGE, 75)
    assert summary.tallies.settled == 0


def test_a_numeric_key_goes_out_as_a_string(tmp_path):
    """Pain 5: numeric lookup ids must be strings (rudder#5416)."""
    rows = [
        {"external_id": 12345, "score": 7},
        {"id": 12345678901234567890, "idProperty": "external_id", "properties": {"score": 1.5}},
    ]
    run = job(tmp_path, rows, ndjson=True, options=BY_ID)
    summary = run.run_virtual()
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 2)
    scores = {key: held["score"] for key, held in run.held("external_id").items()}
    assert scores == {"12345": "7", "12345678901234567890": "1.5"}


def test_no_search_decides_between_create_and_update(tmp_path):
    """Pain 6: the search index lagged behind, and creates ran into 409s (rudder#5421)."""
    rows = contacts(300, city="Ulm") + contacts(300, city="Bonn")
    fault = {"kind": "batch_status", "status": "PENDING", "late_seconds": 5, "times": 2}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert {seen.path.rpartition("/")[2] for seen in run.simulator.statistics.log} == {
        "details",
        "private-apps",
        "contacts",
        "upsert",
        "read",
    }


def test_each_of_several_conflicts_in_a_batch_is_named(tmp_path):
    """Pain 7: the error of a batch names the first existing contact only (python#51)."""
    rows, places = keyed(100), (3, 50, 51)
    there = [existing(rows[place]["email"]) for place in places]
    run = job(tmp_path, rows, there=there, options=BY_ID, rules={"conflict": "batch"})
    run.check(rows, run.run_virtual(), key="external_id")
    ids = {contact["properties"]["email"]: contact["id"] for contact in run.simulator.objects(1e9)}
    assert [(letter.row, letter.existing_id) for letter in run.dead_letters()] == [
        (place + 2, ids[rows[place]["email"]]) for place in places
    ]


def test_a_success_by_address_has_changed_the_contact(tmp_path):
    """Pain 8: an address as `id` without `idProperty` answered success and changed nothing (nodejs#548)."""
    rows = contacts(150, city="Ulm")
    run = job(tmp_path, rows, there=[existing(row["email"], city="Bonn") for row in rows])
    received = record_upserts(run)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.as_dict()["updated"] == 150
    assert {one["idProperty"] for upsert in received for one in upsert.body["inputs"]} == {"email"}


def test_an_id_property_that_is_not_unique_stops_the_run_with_its_rows_open(tmp_path):
    """Pain 8, its other half: "non-unique 0-1 property" refuses every batch alike."""
    message = "Unable to perform update/upsert by non-unique 0-1 property email"
    rows = contacts(5_000)
    run = job(tmp_path, rows, faults=[{"kind": "status", "status": 400, "message": message}])
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.ID_PROPERTY, 2)
    assert (summary.tallies.settled, len(upserts(run))) == (0, 1)


def test_hs_object_id_is_no_key_of_an_upsert(tmp_path):
    """Pain 9: it fails every batch with 400 (action-destinations#3957). Such rows are updates."""
    run = job(tmp_path, [{"hs_object_id": "1", "city": "Ulm"}], options={"id_property": "hs_object_id"})
    assert run.run_virtual().as_dict()["rejected"] == 1
    assert not upserts(run)


def test_a_row_that_calls_hs_object_id_its_key_is_invalid_alone(tmp_path):
    """Pain 9, where rows name their own key."""
    rows = [
        {"id": "171", "idProperty": "hs_object_id", "properties": {"firstname": "A"}},
        {"id": "b@x.com", "idProperty": "email", "properties": {"firstname": "B"}},
    ]
    run = job(tmp_path, rows, ndjson=True)
    run.run_virtual()
    assert run.outcomes() == {1: "invalid", 2: "created"}
    # Two of them for owners, two for sensitive properties: any row may name them.
    assert run.simulator.stats()["by_status"] == {"200": 8}


@pytest.mark.parametrize("granted", [True, False], ids=["by record", "by batch"])
def test_one_mistyped_domain_does_not_abort_the_run(tmp_path, granted):
    """Pain 10: one INVALID_EMAIL aborted the whole run (marketing-automation#174)."""
    rows = contacts(1_000)
    rows[444]["email"] = "c444@example.con"
    run = job(tmp_path, rows, rules={"multi_status": granted})
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.as_dict()["created"] == 999
    (letter,) = run.dead_letters()
    assert (letter.row, "c444@example.con" in letter.message) == (446, True)


def test_duplicates_in_the_file_never_meet_in_a_batch(tmp_path):
    """Pain 11: 400 of 525 contacts were lost to "Duplicate IDs found in batch input"."""
    rows = contacts(525)
    for place in range(5, 525, 5):
        rows[place]["email"] = f" C{place - 3}@Example.com"
    run = job(tmp_path, rows)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.as_dict()["created"], summary.as_dict()["updated"]) == (421, 104)
    assert run.simulator.stats()["by_status"].keys() == {"200"}


def test_the_watermark_does_not_pass_a_batch_that_was_refused_for_duplicates(tmp_path):
    """Pain 11: "Duplicate IDs found in batch input", and the watermark went on past them."""
    rows = contacts(525)
    message = "Duplicate IDs found in batch input: [c150@example.com]. IDs must be unique"
    fault = {"kind": "status", "status": 400, "message": message, "keys": ["c150@example.com"]}
    run = job(tmp_path, rows, faults=[fault])
    run.run_virtual(stop_after=1.2)
    checkpoint = Checkpoint.open(Path(f"{run.source}.checkpoint"), read_only=True)
    progress = checkpoint.state().progress
    checkpoint.close()
    assert progress.watermark <= 150 < progress.settled
    change_scenario(run)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.as_dict()["created"] == 525


def test_a_429_is_not_raised_straight_through(tmp_path):
    """Pain 12: the retries that were asked for left POST out (python#117). Here every request is struck."""
    rows = contacts(900)
    endpoints = ("account", "properties", "upsert", "read")
    faults = [{"kind": "status", "status": 429, "endpoint": where, "first": 1} for where in endpoints]
    pending = {"kind": "batch_status", "status": "PENDING", "applied": True, "times": 2}
    run = job(tmp_path, rows, faults=[*faults, pending])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert summary.tallies.throttled == run.simulator.stats()["throttled"] == 4


def test_99_in_ten_seconds_hit_no_rolling_limit_of_99(tmp_path):
    """Pain 13: a reservoir of 99 every ten seconds still ran into TEN_SECONDLY_ROLLING (nodejs#416)."""
    rows = contacts(2_500)
    run = job(tmp_path, rows, quota="99/10", options={"rate": Quota(99, 10.0), "write_results": False})
    run.batch_records = 10
    assert run.run_virtual().exit_code == 0
    assert (run.simulator.stats()["throttled"], run.simulator.stats()["most_in_window"]) == (0, 99)


def test_a_null_is_not_sent_as_if_it_cleared(tmp_path):
    """Pain 14: `null` is answered with 200 and clears nothing (nodejs#324)."""
    rows = [{"email": "ann@x.com", "city": None, "firstname": "Ann"}]
    run = job(tmp_path, rows, ndjson=True, there=[existing("ann@x.com", city="Ulm")])
    received = record_upserts(run)
    assert run.run_virtual().exit_code == 0
    assert [one["properties"] for upsert in received for one in upsert.body["inputs"]] == [
        {"firstname": "Ann"}
    ]
    assert run.held()["ann@x.com"]["city"] == "Ulm"


def test_a_contact_that_exists_already_is_updated(tmp_path):
    """Pain 15: search said absent, create said "Contact already exists". So may a race, for a moment."""
    rows = contacts(300, city="Ulm")
    there = [existing(f"new{i}@example.com", row["email"]) for i, row in enumerate(rows[::3])]
    fault = {"kind": "status", "status": 409, "keys": ["c150@example.com"], "times": 1}
    run = job(tmp_path, rows, there=there, faults=[fault])
    summary = run.run_virtual()
    assert (summary.as_dict()["created"], summary.as_dict()["updated"]) == (200, 100)
    assert len(run.held()) == 300


@pytest.mark.parametrize("conflict", ["batch", "record"])
def test_two_rows_of_one_contact_do_not_break_up_their_batch(tmp_path, conflict):
    """Pain 16: two users shared a contact by a secondary address; the batch fell back to singles."""
    rows = contacts(100, city="Ulm")
    rows[30]["email"], rows[60]["email"] = "ann@x.com", "ann.old@x.com"
    rows[60]["city"] = "Bonn"
    there = [existing("ann@x.com", "ann.old@x.com")]
    run = job(tmp_path, rows, there=there, rules={"conflict": conflict})
    summary = run.run_virtual()
    assert (summary.as_dict()["created"], summary.as_dict()["updated"]) == (98, 2)
    assert run.held()["ann@x.com"]["city"] in {"Ulm", "Bonn"}
    assert len(upserts(run)) <= 16
    assert summary.as_dict()["aliases"] == 1


@pytest.mark.parametrize("inside", [False, True], ids=["a column", "in properties, too"])
def test_a_secondary_address_does_not_become_the_primary_one(tmp_path, inside):
    """Pain 17: `email` in properties overwrites the address of a contact matched by another (ruby#111)."""
    rows = [{"email": "ann.old@x.com", "city": "Ulm"}]
    if inside:
        rows = [{"id": "ann.old@x.com", "idProperty": "email", "properties": rows[0]}]
    run = job(tmp_path, rows, ndjson=inside, there=[existing("ann@x.com", "ann.old@x.com")])
    assert run.run_virtual().exit_code == 0
    (contact,) = run.simulator.objects(1e9)
    assert (contact["properties"]["email"], contact["properties"]["city"]) == ("ann@x.com", "Ulm")


def test_a_hundred_rows_are_read_back_by_one_request(tmp_path):
    """Pain 18: with property histories 50 inputs are the most, and a backlog never shrank."""
    rows = contacts(100)
    fault = {"kind": "batch_status", "status": "PENDING", "results_share": 0, "applied": True, "times": 1}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["pending"]) == (0, 0)
    reads = [seen.status for seen in run.simulator.statistics.log if seen.path.endswith("/batch/read")]
    assert reads == ["200"]


def test_a_500_under_load_is_no_rows_fault(tmp_path):
    """Pain 19: random 500s under load, "a cheaper 429" (php#192)."""
    rows = contacts(2_000)
    run = job(tmp_path, rows, faults=[{"kind": "status", "status": 500, "rate": 0.5}])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 2_000)


@pytest.mark.parametrize("code", [201, 202, 299])
def test_a_success_may_have_another_2xx_than_before(tmp_path, code):
    """Pain 20: 201 became 200 overnight, and an SDK took success for an error (php#506)."""
    rows = contacts(300)
    rows[5]["email"] = "c5@example.badtld"
    run = job(tmp_path, rows)
    change_replies(run, lambda reply: replace(reply, status=code if reply.status < 300 else reply.status))
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.as_dict()["created"], summary.as_dict()["rejected"]) == (299, 1)
    assert len(upserts(run)) == 3


def _lower_keys(value):
    if isinstance(value, dict):
        return {key.lower(): _lower_keys(inner) for key, inner in value.items()}
    return [_lower_keys(inner) for inner in value] if isinstance(value, list) else value


def test_fields_that_are_spelled_otherwise_confirm_and_lose_nobody(tmp_path):
    """Pain 21: `failureMessages` in one answer, `failuremessages` in the next."""
    rows = contacts(300)
    for place in (5, 250):
        rows[place]["email"] += ".badtld"
    run = job(tmp_path, rows, rules={"echo_trace_ids": True})
    change_replies(run, lambda reply: replace(reply, body=orjson.dumps(_lower_keys(reply.json()))))
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [letter.row for letter in run.dead_letters()] == [7, 252]
    assert summary.as_dict()["created"] == 298


def test_three_errors_on_the_way_are_one_outcome_of_the_row(tmp_path):
    """Pain 22: 401, then 404, then 409 for one upsert, and customers saw three errors (segment-docs#6244)."""
    rows = contacts(250)
    run = job(tmp_path, rows)
    for status, cause in ((401, Cause.TOKEN), (404, Cause.ADDRESS)):
        change_scenario(run, faults=[{"kind": "status", "status": status, "keys": ["c0@example.com"]}])
        assert run.run_virtual().cause is cause
    change_scenario(run, faults=[{"kind": "status", "status": 409, "keys": ["c0@example.com"], "times": 1}])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 250)
    assert run.dead_letters() == []


def test_a_retry_after_is_obeyed_and_uses_up_no_attempt(tmp_path):
    """Pain 23: ignoring `Retry-After` exhausted the retries (posthog#64726)."""
    rows = contacts(100)
    fault = {"kind": "status", "status": 429, "retry_after_seconds": 45, "first": 12}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0
    sent = upserts(run)
    assert len(sent) == 13
    assert all(after.at - before.at >= 45 for before, after in pairwise(sent))


@pytest.mark.parametrize("status", [429, 503])
def test_the_token_endpoint_is_asked_again_when_it_is_throttled(tmp_path, status):
    """Pain 23: it has limits of its own. To be throttled there is not to be refused."""
    untold = {"kind": "status", "status": 403, "endpoint": "account"}
    run = job(tmp_path, contacts(3_000))
    run.run_virtual(stop_after=1.5)
    change_scenario(
        run, faults=[untold, {"kind": "status", "status": status, "endpoint": "token", "first": 1}]
    )
    assert run.run_virtual().exit_code == 0


@pytest.mark.parametrize("ndjson", [False, True], ids=["CSV", "NDJSON"])
@pytest.mark.parametrize("blank", ["", "  "], ids=["empty", "spaces"])
def test_a_blank_cell_wipes_nothing(tmp_path, blank, ndjson):
    """Pain 24: empty strings wiped what the contact held (activepieces#10037)."""
    rows = [{"email": "ann@x.com", "firstname": "Ann", "city": blank}]
    run = job(tmp_path, rows, ndjson=ndjson, there=[existing("ann@x.com", city="Ulm")])
    assert run.run_virtual().exit_code == 0
    held = run.held()["ann@x.com"]
    assert (held["firstname"], held["city"]) == ("Ann", "Ulm")
