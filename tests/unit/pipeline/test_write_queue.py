"""Records that were read, on their way into full batches."""

import math

from hypothesis import given, strategies as st

from support.builders import record
from uploader.pipeline.sender import FRESH_SECONDS
from uploader.pipeline.write_queue import AWAITED_SECONDS, HOLD_SECONDS, QueuedWrite, WriteQueue


def write(position: int, *, by: str = "email", known_at: float = 0.0, at: float = 0.0, stalled: float = 0.0):
    one = record(position, f"c{position}@x.com", id_property=by)
    return QueuedWrite(one, one.properties, known_at, at, stalled)


def positions(batch):
    return [one.record.position for one in batch]


_DUES = st.lists(st.sampled_from(["email", "plan"]), max_size=60).flatmap(
    lambda names: st.permutations([write(place, by=name) for place, name in enumerate(names)])
)


@given(_DUES, st.integers(1, 20), st.integers(1, 2_000))
def test_all_that_is_queued_is_drawn_once_in_batches_within_their_limits(writes, max_records, max_bytes):
    queue = WriteQueue(max_records, max_bytes)
    queue.add(writes)
    drawn = []
    while batch := queue.draw():
        assert positions(batch) == sorted(positions(batch))
        assert len({one.record.id_property for one in batch}) == 1
        assert len(batch) <= max_records
        assert len(batch) == 1 or sum(one.record.size_bytes for one in batch) <= max_bytes
        drawn += positions(batch)
    assert sorted(drawn) == list(range(len(writes)))
    assert (len(queue), queue.leaves_at) == (0, math.inf)


def test_a_full_batch_goes_first_and_then_the_one_that_has_to_leave():
    queue = WriteQueue(2, 10_000, is_awaited=lambda one: one.position == 1)
    queue.add([write(1, by="plan"), write(2), write(3), write(4, by="other", known_at=-20.0)])
    assert queue.is_full
    assert queue.leaves_at == AWAITED_SECONDS
    assert positions(queue.draw()) == [2, 3]
    assert not queue.is_full
    queue.add([write(5)])
    assert [positions(queue.draw()) for _ in range(3)] == [[1], [4], [5]]


def test_a_batch_is_full_where_the_next_record_would_be_too_heavy():
    first, second, third = write(1), write(2), write(3)
    queue = WriteQueue(100, first.record.size_bytes + second.record.size_bytes)
    queue.add([first, second])
    assert not queue.is_full
    queue.add([third])
    assert queue.is_full
    assert positions(queue.draw()) == [1, 2]


@given(st.floats(0, 1e6), st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_a_record_leaves_before_what_was_read_of_it_is_too_old(at, age, waited, stalled):
    """Whatever part of the time nothing could be sent at all."""
    one = write(1, known_at=50.0 - age, at=at, stalled=50.0)
    assert math.isclose(one.leaves_at(is_awaited=False), at + HOLD_SECONDS - age, abs_tol=1e-6)
    assert one.leaves_at(is_awaited=True) <= at + AWAITED_SECONDS
    known_at = one.known_now(at + waited, 50.0 + stalled)
    # As old as it was, and as long as it has waited, by the loop's clock or by the sender's.
    assert math.isclose(50.0 + stalled - known_at, age + max(waited, stalled), abs_tol=1e-6)
    assert HOLD_SECONDS < FRESH_SECONDS
