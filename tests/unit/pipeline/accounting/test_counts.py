"""Counts of rows and outcomes, a batch at a time, against the rows one by one."""

import pytest
from hypothesis import given, strategies as st

from support.builders import record, reply, slice_of
from uploader.errors import AccountingError
from uploader.model.outcomes import Outcome
from uploader.model.records import Unsent
from uploader.model.rows import NO_KEY, Fault
from uploader.model.settled_rows import Refusal, Settlement, Tallies, skip_rule
from uploader.model.stop import StopRun
from uploader.model.watermark import Progress
from uploader.pipeline.accounting.counts import Accounting
from uploader.pipeline.failure_limits import FailureLimit
from uploader.storage.checkpoint_tables.progress_and_tallies import State


@st.composite
def _settlements(draw, position):
    outcome = draw(st.sampled_from(Outcome))
    if outcome in {Outcome.INVALID, Outcome.SKIPPED} and draw(st.booleans()):
        category = draw(st.sampled_from([NO_KEY, "EMAIL", "SUPPRESSED"]))
        unsent = Unsent(position, 0, position + 2, "", (), outcome, category, "why", b"")
        return Settlement(unsent, outcome, attempts=0, refusal=Refusal(category, "why"))
    one = record(position)
    one.dropped = tuple(draw(st.lists(st.just(Fault("no date")), max_size=2)))
    one.preserved = draw(st.integers(0, 2))
    refusal = draw(st.none() | st.builds(Refusal, st.sampled_from(["ONLY", "OTHER", ""]), st.just("why")))
    return Settlement(one, outcome, replayed=draw(st.booleans()), refusal=refusal)


@st.composite
def _batches(draw):
    order = draw(st.permutations(range(draw(st.integers(0, 12)))))
    settled = [draw(_settlements(position)) for position in order]
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    return [settled[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@given(_batches())
def test_a_batch_is_counted_as_its_rows_one_by_one(batches):
    accounting, expected = Accounting(State(), FailureLimit(share=1.0)), Tallies()
    rows = sum(map(len, batches))
    accounting.read(slice_of(0, rows))
    expected.rows = rows
    for batch in batches:
        counts = accounting.settle(batch)
        assert counts.total() == len(batch)
        for one in batch:
            is_unsent = isinstance(one.record, Unsent)
            expected.outcomes[one.outcome] += 1
            expected.replayed += one.replayed
            is_invalid = one.outcome is Outcome.INVALID
            expected.keyless += is_invalid and is_unsent and one.record.category == NO_KEY
            expected.values_dropped += 0 if is_unsent else len(one.record.dropped)
            expected.values_spared += 0 if is_unsent else one.record.preserved
            if one.outcome is Outcome.SKIPPED:
                rule = skip_rule(one)
                expected.skips[rule] = expected.skips.get(rule, 0) + 1
        assert accounting.tallies == expected
        assert accounting.state().tallies == expected
    assert accounting.state().progress.watermark == rows


def test_sums_that_do_not_add_up_are_a_bug():
    accounting = Accounting(State(), FailureLimit(share=1.0))
    accounting.read(slice_of(0, 2))
    accounting.settle([Settlement(record(0), Outcome.CREATED)])
    accounting.state()
    accounting.tallies.outcomes[Outcome.CREATED] += 1
    with pytest.raises(AccountingError, match="2 rows read, 2 outcomes counted, 1 positions settled"):
        accounting.state()


def test_a_run_ends_where_more_rows_fail_than_may_and_what_failed_before_counts_no_more():
    before = State(Progress(rows=5, watermark=5))
    before.tallies.outcomes[Outcome.REJECTED] = before.tallies.rows = 5
    accounting = Accounting(before, FailureLimit(1))
    accounting.read(slice_of(0, 9))
    accounting.settle([Settlement(record(5), Outcome.REJECTED, refusal=Refusal("OTHER", "no"))])
    accounting.check_failures()
    accounting.settle([Settlement(record(6), Outcome.ABANDONED, refusal=Refusal("OTHER", "no"))])
    with pytest.raises(StopRun, match="2 of 4 rows"):
        accounting.check_failures()


def test_rows_that_are_skipped_do_not_hide_how_many_of_those_sent_are_refused():
    accounting = Accounting(State(), FailureLimit(share=0.2))
    accounting.read(slice_of(0, 4_000))
    refusal = Refusal("OTHER", "no")
    accounting.settle([Settlement(record(at), Outcome.SKIPPED) for at in range(3_000)])
    accounting.settle([Settlement(record(3_000 + at), Outcome.UPDATED) for at in range(500)])
    accounting.settle(
        [Settlement(record(3_500 + at), Outcome.REJECTED, refusal=refusal) for at in range(500)]
    )
    with pytest.raises(StopRun, match="500 of 1,000 rows sent"):
        accounting.check_failures()


def test_replies_are_counted_by_the_status_that_they_name():
    accounting = Accounting(State(), FailureLimit(share=1.0))
    for status in ("COMPLETE", "COMPLETE", "PENDING", "ANYTHING"):
        accounting.count_reply(reply(200, batch_status=status), retried=status == "PENDING")
    assert accounting.tallies.batches == {"COMPLETE": 2, "PENDING": 1, "OTHER": 1}
    assert accounting.tallies.retries == 1
