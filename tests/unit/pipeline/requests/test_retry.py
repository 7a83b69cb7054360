"""Whether and when a batch is sent again."""

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from support.builders import batch, error, error_at, record, reply, written
from uploader.hubspot.replies import no_reply
from uploader.model.settled_rows import Refusal
from uploader.model.stop import Cause
from uploader.pipeline.reply_verdict import Action, Refused, Verdict, classify
from uploader.pipeline.requests.retry import (
    BATCH_ATTEMPTS,
    RECORD_ATTEMPTS,
    History,
    Next,
    Tail,
    backoff_seconds,
    decide,
    judge_tail,
    retry_races,
    tail_wait_seconds,
)

# --- the backoff ---


@given(st.integers(-5, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_backoff_lies_between_its_floor_and_its_cap(failures, random):
    assert 0.1 <= backoff_seconds(failures, random) <= 30.0


@given(st.integers(0, 2_000), st.floats(0, 1, exclude_max=True))
def test_a_further_failure_never_shortens_the_backoff_of_the_same_random_number(failures, random):
    assert backoff_seconds(failures, random) <= backoff_seconds(failures + 1, random)


@given(st.integers(1, 50))
def test_the_random_number_spreads_the_backoff_over_its_whole_range(failures):
    assert backoff_seconds(failures, 0.0) == 0.1
    assert backoff_seconds(failures, 0.999) >= 0.9 * min(30.0, 0.5 * 2 ** (failures - 1))


# --- what counts as an attempt ---

_RETRY = Verdict(Action.RETRY)


def test_an_attempt_counts_only_if_another_request_has_succeeded_since_the_last_one():
    history = History(successes_seen=5)
    outage = history.after(_RETRY, 5).after(_RETRY, 5)
    assert (outage.attempts, outage.failures) == (0, 2)
    assert history.after(_RETRY, 6).after(_RETRY, 6).attempts == 1
    assert history.after(_RETRY, 6).after(_RETRY, 7).attempts == 2


@pytest.mark.parametrize("cause", [Cause.BURST, Cause.LOCKED, Cause.MIGRATION, Cause.DAILY])
def test_a_pause_never_counts(cause):
    action = Action.STOP if cause in {Cause.MIGRATION, Cause.DAILY} else Action.PAUSE
    history = History()
    for successes in range(100):
        history = history.after(Verdict(action, cause=cause), successes)
    assert (history.attempts, history.failures) == (0, 0)


@given(st.lists(st.sampled_from([429, 423]), min_size=1, max_size=30))
def test_no_number_of_pauses_uses_up_a_record(statuses):
    history = History()
    for count, status in enumerate(statuses):
        verdict = classify(batch(1), reply(status, body={}))
        history = history.after(verdict, count)
        assert decide(verdict, 1, history, whole=True) is Next.AT_ONCE


# --- what follows ---


def _verdict(action, **more):
    return Verdict(action, **more)


_REFUSAL = Refusal("VALIDATION_ERROR", "bad")
_TABLE = {
    "nothing left": (_verdict(Action.SETTLE), 0, History(), True, Next.FINISH),
    "a stop": (_verdict(Action.STOP), 3, History(), True, Next.STOP),
    "a stop that settled the rest": (_verdict(Action.STOP), 0, History(), False, Next.STOP),
    "a pause": (_verdict(Action.PAUSE), 3, History(), True, Next.AT_ONCE),
    "a first failure": (_RETRY, 3, History(attempts=1), True, Next.AGAIN),
    "a batch out of attempts": (_RETRY, 3, History(attempts=BATCH_ATTEMPTS), True, Next.HALVE),
    "a record out of a batch's attempts": (_RETRY, 1, History(attempts=BATCH_ATTEMPTS), True, Next.AGAIN),
    "a record out of attempts": (_RETRY, 1, History(attempts=RECORD_ATTEMPTS), True, Next.GIVE_UP),
    "a refused batch": (_verdict(Action.SPLIT, refusal=_REFUSAL), 4, History(), True, Next.HALVE),
    "a refused record": (_verdict(Action.SPLIT, refusal=_REFUSAL), 1, History(), True, Next.REFUSE),
    "a nameless error among settled ones": (_verdict(Action.SPLIT), 4, History(), False, Next.AT_ONCE),
    "a nameless error among open ones": (_verdict(Action.SPLIT), 4, History(), True, Next.HALVE),
    "a first 409": (
        _verdict(Action.SPLIT, refusal=_REFUSAL, conflict=True),
        4,
        History(conflicts=1),
        True,
        Next.AGAIN,
    ),
    "a second 409": (
        _verdict(Action.SPLIT, refusal=_REFUSAL, conflict=True),
        4,
        History(conflicts=2),
        True,
        Next.HALVE,
    ),
    "a 409 of one record": (
        _verdict(Action.SPLIT, refusal=_REFUSAL, conflict=True),
        1,
        History(conflicts=2),
        True,
        Next.REFUSE,
    ),
}


@pytest.mark.parametrize(("verdict", "size", "history", "whole", "expected"), _TABLE.values(), ids=_TABLE)
def test_each_verdict_has_its_next_step(verdict, size, history, whole, expected):
    assert decide(verdict, size, history, whole=whole) is expected


def test_a_half_starts_with_the_history_of_its_batch():
    half = History(attempts=3, failures=5, successes_seen=9, conflicts=1).of_half()
    assert (half.attempts, half.successes_seen, half.conflicts) == (BATCH_ATTEMPTS - 1, 9, 1)
    # One more counted failure halves it again.
    assert decide(_RETRY, 2, half.after(_RETRY, 10), whole=True) is Next.HALVE


def test_a_half_has_not_failed_yet():
    """What is known of its whole says when to halve again, not how long a record has been tried."""
    half = History(attempts=3, failures=9, failing_since=5.0, successes_before=4, probed=True).of_half()
    assert half.failing_since is None
    failed = half.after(_RETRY, 7).failed_at(400.0, 7)
    assert (failed.failing_since, failed.successes_before, failed.probed) == (400.0, 7, False)
    assert judge_tail(failed, 459.0) is judge_tail(failed, 401.0) is Tail.WAIT


# --- a record alone, with nothing under way that it could be compared with ---

_TRIED = History(attempts=4, failures=RECORD_ATTEMPTS, failing_since=100.0, probed=True)
_TAIL = {
    "its first failure": (History(failing_since=100.0), 100.0, Tail.WAIT),
    "before a minute": (replace(_TRIED, last_counted=True), 159.0, Tail.WAIT),
    "after a minute, another write has passed": (replace(_TRIED, last_counted=True), 160.0, Tail.END),
    "after a minute, nobody knows": (_TRIED, 160.0, Tail.ASK),
    "after a minute, nothing can be read": (replace(_TRIED, probed=False), 160.0, Tail.ASK),
    "after a pause, hardly tried": (replace(_TRIED, failures=2, last_counted=True), 200.0, Tail.WAIT),
    "after five minutes": (replace(_TRIED, failures=2), 400.0, Tail.END),
    "after five minutes, nothing can be read": (replace(_TRIED, probed=False), 400.0, Tail.ASK),
    "left out by sound answers": (replace(_TRIED, silent=True), 130.0, Tail.END),
    "left out, and not for long": (replace(_TRIED, silent=True), 129.0, Tail.WAIT),
}


@pytest.mark.parametrize(("history", "now", "expected"), _TAIL.values(), ids=_TAIL)
def test_a_record_alone_is_tried_for_so_long(history, now, expected):
    assert judge_tail(history, now) is expected


def test_the_first_failure_of_a_row_of_them_counts():
    history = History().failed_at(5.0, 3).failed_at(9.0, 4)
    assert (history.failing_since, history.successes_before) == (5.0, 3)


def test_a_failure_counts_after_a_success_since_the_last_one():
    history = History(successes_seen=3).after(_RETRY, 4)
    assert history.last_counted
    assert not history.after(_RETRY, 4).last_counted


@given(st.integers(0, 50), st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_no_backoff_goes_past_the_minute(failures, since, random):
    history = History(failures=failures, failing_since=100.0)
    seconds = tail_wait_seconds(history, 100.0 + since, random)
    assert 0 < seconds <= backoff_seconds(max(1, failures), random)
    assert since >= 60 or seconds <= 60 - since + 1e-9


# --- any record comes to its end ---


def _deliver(size, answer, rounds):
    """What becomes of a batch whose every request gets the same kind of answer, others succeeding meanwhile.

    Returns the number of requests, the records refused or given up, and whether the run stopped.
    """
    pieces, requests, ended, successes = [(batch(size), History())], 0, [], 0
    while pieces:
        records, history = pieces.pop()
        requests += 1
        successes += 1
        if requests > rounds:
            raise AssertionError(f"{len(records)} records are still open after {rounds} requests")
        verdict = classify(records, answer(records))
        history = history.after(verdict, successes)
        rest = list(verdict.unresolved)
        ended += [entry.record.position for entry in (*verdict.confirmed, *verdict.refused)]
        ended += [entry.position for entry in verdict.pending]
        following = decide(verdict, len(rest), history, whole=len(rest) == len(records))
        if following is Next.STOP:
            return requests, ended, True
        if following in {Next.REFUSE, Next.GIVE_UP}:
            assert len(rest) == 1
            ended.append(rest[0].position)
        elif following is Next.HALVE:
            middle = len(rest) // 2
            pieces += [(rest[:middle], history.of_half()), (rest[middle:], history.of_half())]
        elif following in {Next.AGAIN, Next.AT_ONCE}:
            pieces.append((rest, history))
        else:
            assert not rest
    return requests, ended, False


def _first(records):
    return records[0].position


_REPEATED = {
    "no answer": lambda records: no_reply("reset", maybe_applied=True),
    "500": lambda records: reply(500, body={"message": "internal error"}),
    "html": lambda records: reply(200, raw=b"<html>"),
    "nothing written": lambda records: reply(200, results=[]),
    "400": lambda records: reply(400, body={"message": "bad", "category": "VALIDATION_ERROR"}),
    "409": lambda records: reply(409, body={"message": "Contact already exists"}),
    "413": lambda records: reply(413, raw=b""),
    "all refused by name": lambda records: reply(
        207, results=[], errors=[error_at(r.position) for r in records]
    ),
    "one nameless error": lambda records: reply(207, results=[], errors=[error()]),
    "two nameless errors": lambda records: reply(207, results=[], errors=[error("a"), error("b")]),
    "a nameless error of the moment": lambda records: reply(
        207, results=[], errors=[error(category="INTERNAL_ERROR")]
    ),
    "written and refused at once, and a nameless error": lambda records: reply(
        207, results=[written(_first(records))], errors=[error_at(_first(records)), error()]
    ),
    "a nameless result and a nameless error": lambda records: reply(
        207, results=[written(_first(records), by="nameless")], errors=[error()]
    ),
    "refused for the moment by name, and a nameless error": lambda records: reply(
        207, results=[], errors=[error_at(_first(records), category="INTERNAL_ERROR"), error()]
    ),
    "too many results": lambda records: reply(200, results=[written(p, by="nameless") for p in range(200)]),
    "cancelled": lambda records: reply(200, results=[], batch_status="CANCELED"),
}


@pytest.mark.parametrize("answer", _REPEATED.values(), ids=_REPEATED)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_record_comes_to_its_end_even_if_the_same_answer_comes_for_ever(size, answer):
    _, ended, _ = _deliver(size, answer, rounds=200)
    assert sorted(ended) == list(range(size))


_PARTS = st.lists(
    st.sampled_from(["result", "nameless", "error", "moment", "nameless error", "nameless moment"]),
    max_size=4,
)


@given(_PARTS, st.sampled_from(["COMPLETE", "PENDING", "CANCELED"]), st.integers(1, 5))
def test_no_2xx_however_mixed_keeps_a_record_open_for_ever(parts, batch_status, size):
    def answer(records):
        at = _first(records)
        results = [
            written(at, by="nameless" if part == "nameless" else "trace")
            for part in parts
            if "result" in part
        ]
        results += [written(at, by="nameless") for part in parts if part == "nameless"]
        made = {
            "error": error_at(at),
            "moment": error_at(at, category="TIMEOUT"),
            "nameless error": error(),
            "nameless moment": error(category="TIMEOUT"),
        }
        errors = [made[part] for part in parts if part in made]
        return reply(207, results=results, errors=errors, batch_status=batch_status)

    _, ended, _ = _deliver(size, answer, rounds=300)
    assert sorted(ended) == list(range(size))


@pytest.mark.parametrize(
    ("bad", "most"), [([42], 15), (list(range(100)), 199), ([0, 99], 29)], ids=["one", "all", "two"]
)
def test_halving_finds_bad_records_at_the_price_that_is_promised(bad, most):
    def answer(records):
        if any(r.position in bad for r in records):
            return reply(400, body={"message": "bad", "category": "VALIDATION_ERROR"})
        return reply(200, results=[written(r.position) for r in records])

    requests, ended, stopped = _deliver(100, answer, rounds=1_000)
    assert requests <= most
    assert sorted(ended) == list(range(100))
    assert not stopped


def test_a_409_that_was_a_race_costs_one_request_more():
    seen = []

    def answer(records):
        seen.append(len(records))
        if len(seen) == 1:
            return reply(409, body={"message": "Contact already exists", "category": "CONFLICT"})
        return reply(200, results=[written(r.position) for r in records])

    assert _deliver(8, answer, rounds=10)[:1] == (2,)
    assert seen == [8, 8]


def conflict(number: int, **more) -> Refused:
    return Refused(record(number, **more), Refusal("CONFLICT", "Contact already exists. Existing ID: 7"))


def test_a_conflict_that_can_only_be_a_race_is_tried_once_more():
    verdict = Verdict(
        Action.SETTLE, refused=[conflict(1), Refused(record(2), Refusal("VALIDATION_ERROR", ""))]
    )
    spared = retry_races(verdict, 2, History())
    assert [r.position for r in spared.unresolved] == [1]
    assert [r.record.position for r in spared.refused] == [2]
    history = History().after(spared, 0)
    assert decide(spared, 1, history, whole=False) is Next.AGAIN
    alone = Verdict(Action.SETTLE, refused=[conflict(1)])
    assert retry_races(alone, 1, history) is alone


def test_a_conflict_that_comes_again_in_company_is_split_off():
    verdict = Verdict(Action.SETTLE, refused=[conflict(1)], unresolved=[record(2)])
    history = History(conflicts=1)
    spared = retry_races(verdict, 2, history)
    assert decide(spared, 2, history.after(spared, 0), whole=True) is Next.HALVE


def test_a_conflict_over_another_unique_value_is_final():
    verdict = Verdict(Action.SETTLE, refused=[conflict(1, id_property="plan", unique={"email": "a@x.com"})])
    assert retry_races(verdict, 1, History()) is verdict
