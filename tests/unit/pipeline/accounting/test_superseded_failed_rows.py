"""Which rows wrote a value of an earlier failed row."""

from hypothesis import given, strategies as st

from support.builders import record
from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import Unsent
from uploader.model.settled_rows import Refusal, Settlement
from uploader.pipeline.accounting.superseded_failed_rows import FailedValues, SeenFilter
from uploader.storage.checkpoint_tables.failed_and_pending_rows import Superseding, other_lock_keys


@given(st.lists(st.text()), st.lists(st.text()))
def test_the_seen_filter_finds_every_key_that_was_added(values, others):
    seen = SeenFilter()
    for value in values:
        seen.add(value)
    found = seen.maybe_seen([*values, *others])
    assert found[: len(values)] == values
    assert bool(seen) == bool(values)


def test_the_seen_filter_takes_few_other_keys_for_seen():
    seen = SeenFilter()
    for number in range(100_000):
        seen.add(f"email={number}@example.com")
    others = [f"email={number}@example.org" for number in range(100_000)]
    assert len(seen.maybe_seen(others)) < 3_000


def test_the_seen_filter_finds_every_key_however_many_there_are():
    keys = [f"email={number}@example.com" for number in range(10_500)]
    seen = SeenFilter()
    for key in keys[:-600]:
        seen.add(key)
    assert seen.maybe_seen(keys) == keys[:-600]
    for key in keys[-600:]:
        seen.add(key)
    assert seen.maybe_seen(keys) == keys


_OUTCOMES = st.sampled_from(
    [Outcome.CREATED, Outcome.UPDATED, Outcome.REJECTED, Outcome.PENDING, Outcome.SKIPPED]
)


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5), _OUTCOMES, st.booleans()), max_size=4
        ),
        max_size=6,
    )
)
def test_rows_supersede_as_if_each_was_settled_alone(batches):
    """Keys, and plans beside them; a failed row may say that another record has its values."""
    failed, position, keys, beside = FailedValues((), ()), 0, set(), set()
    for rows in batches:
        settlements = []
        for key, plan, outcome, is_conflict in rows:
            unique = {} if plan is None else {"plan": str(plan)}
            refusal = Refusal("CONFLICT" if is_conflict else "OTHER", "no")
            one = record(position, f"{key}@x.com", unique=unique)
            settlements.append(Settlement(one, outcome, refusal=refusal))
            position += 1
        for one in settlements:
            if one.outcome in DEAD_LETTERS:
                keys.update(one.record.lock_keys[:1])
                beside.update(other_lock_keys(one))
        expected = []
        for one in settlements:
            if one.outcome in DEAD_LETTERS or one.outcome is Outcome.SKIPPED:
                continue
            main, *_ = one.record.lock_keys
            hit = [value for value in one.record.lock_keys if value in keys]
            hit += [main] if main in beside and main not in hit else []
            expected += [Superseding(one.record.position, one.record.row, v, is_key=v == main) for v in hit]
        assert failed.settle(settlements, {one.outcome for one in settlements}) == expected


def test_failed_rows_of_earlier_invocations_are_remembered():
    failed = FailedValues(["email=a@x.com"], ["email=b@x.com"])
    later = [Settlement(record(at, key), Outcome.CREATED) for at, key in enumerate(["a@x.com", "b@x.com"])]
    found = failed.settle(later, {Outcome.CREATED})
    assert [(one.position, one.lock_key, one.is_key) for one in found] == [
        (0, "email=a@x.com", True),
        (1, "email=b@x.com", True),
    ]


def test_a_row_without_a_key_leaves_nothing_to_be_superseded():
    failed = FailedValues((), ())
    unsent = Unsent(0, 0, 2, "", (), Outcome.INVALID, "KEY", "no key", b"")
    assert failed.settle([Settlement(unsent, Outcome.INVALID)], {Outcome.INVALID}) == []
    assert failed.settle([Settlement(record(1), Outcome.CREATED)], {Outcome.CREATED}) == []
