"""What a checkpoint remembers, against a set of positions."""

import random

import pytest
from hypothesis import given, strategies as st

from support.builders import slice_of
from uploader.model.rows import Mark
from uploader.model.watermark import Progress, Resume
from uploader.pipeline.accounting.ledger import Ledger


def _prefix(settled):
    position = 0
    while position in settled:
        position += 1
    return position


def _ranges(settled):
    watermark, ranges = _prefix(settled), []
    for position in sorted(p for p in settled if p > watermark):
        if ranges and ranges[-1][1] == position:
            ranges[-1] = (ranges[-1][0], position + 1)
        else:
            ranges.append((position, position + 1))
    return watermark, tuple(ranges)


def _check(progress, settled, rows):
    assert (progress.watermark, progress.ranges) == _ranges(settled)
    assert progress.settled == len(settled)
    assert progress.rows == rows
    assert all(progress.is_settled(p) == (p in settled) for p in range(rows + 2))
    # Reading goes on at the start of a row that is not past the first open one.
    assert progress.resume.position <= progress.watermark
    if progress.resume.mark:
        assert progress.resume.mark == Mark(progress.resume.position * 10, progress.resume.position + 2)


@given(st.permutations(range(12)), st.lists(st.integers(0, 4), max_size=12), st.sets(st.integers(0, 12)))
def test_the_ledger_is_the_brute_force_prefix_under_any_settlement_order(order, sizes, looks):
    ledger, settled, first = Ledger(), set(), 0
    for size in [*sizes, 12]:
        size = min(size, 12 - first)  # noqa: PLW2901
        ledger.open(slice_of(first, size))
        first += size
    for count, position in enumerate(order):
        if count in looks:
            _check(ledger.progress(), settled, 12)
        ledger.settle(position)
        settled.add(position)
    _check(ledger.progress(), settled, 12)
    assert ledger.progress().watermark == 12
    assert ledger.progress().ranges == ()


@given(st.permutations(range(40)), st.lists(st.integers(1, 9), min_size=40, max_size=40))
def test_batches_are_settled_as_their_rows_one_by_one(order, sizes):
    """Neighbours stand together, as in batches, and a few positions elsewhere."""
    order, at_once, one_by_one, at = sorted(order[:30]) + order[30:], Ledger(), Ledger(), 0
    for ledger in (at_once, one_by_one):
        ledger.open(slice_of(0, 40))
    for size in sizes:
        at_once.settle_all(order[at : at + size])
        for position in order[at : at + size]:
            one_by_one.settle(position)
        assert at_once.progress() == one_by_one.progress()
        at += size


@pytest.mark.parametrize("positions", [[2], [0, 2], [1, 2, 2, 4], [4, 4], [3, 1, 2, 0], [0, 1, 1, 3]])
def test_a_position_is_settled_once_in_a_batch_too(positions):
    ledger = Ledger()
    ledger.open(slice_of(0, 9))
    if positions not in ([4, 4], [0, 1, 1, 3]):
        ledger.settle(2)
    with pytest.raises(ValueError, match="settled twice"):
        ledger.settle_all(positions)


@given(st.integers(0, 30), st.integers(1, 4), st.integers(0, 2**32))
def test_a_job_killed_any_number_of_times_settles_every_row_once(rows, lives, seed):
    """Each life reads on from the last commit, in slices cut anew, and forgets what came after it."""
    rng, committed, booked = random.Random(seed), Progress(), []
    for life in range(lives):
        ledger, uncommitted = Ledger(committed), []
        settled = {p for p in range(rows) if committed.is_settled(p)}
        assert sorted(booked) == sorted(settled)
        first, open_rows = committed.resume.position, []
        while first < rows or open_rows:
            steps = (["read"] if first < rows else []) + (["settle", "settle"] if open_rows else [])
            step = rng.choice([*steps, "commit", *(["kill"] if life < lives - 1 else [])])
            if step == "read":
                size = min(rng.randint(0, 5), rows - first)
                ledger.open(slice_of(first, size))
                open_rows += [p for p in range(first, first + size) if p not in settled]
                first += size
            elif step == "settle":
                position = open_rows.pop(rng.randrange(len(open_rows)))
                ledger.settle(position)
                settled.add(position)
                uncommitted.append(position)
            elif step == "commit":
                committed = ledger.progress()
                _check(committed, settled, max(first, committed.rows))
                booked += uncommitted
                uncommitted = []
            else:
                break
    booked += uncommitted
    assert sorted(booked) == list(range(rows))
    assert ledger.progress().settled == ledger.progress().rows == rows


@given(st.lists(st.integers(0, 9), max_size=40))
def test_a_row_settled_twice_is_never_counted_twice(positions):
    """The caller's own count then differs from the ledger's, and that is how a double is given away.

    A ledger that refuses the second one outright is as good.
    """
    ledger = Ledger()
    ledger.open(slice_of(0, 10))
    settled = set()
    for position in positions:
        try:
            ledger.settle(position)
        except (KeyError, ValueError):
            assert position in settled
        settled.add(position)
        assert ledger.progress().settled == len(settled)
        assert ledger.progress().watermark == _prefix(settled)


def test_rows_read_a_second_time_are_not_counted_again():
    ledger = Ledger(Progress(rows=10, watermark=4, ranges=((6, 8),), resume=Resume(2, 0, Mark(20, 4))))
    ledger.open(slice_of(2, 5))
    assert ledger.progress().rows == 10
    ledger.open(slice_of(7, 5))
    assert ledger.progress().rows == 12


def test_a_resumed_ledger_joins_ranges_of_before_and_after():
    ledger = Ledger(Progress(rows=10, watermark=2, ranges=((3, 5), (6, 9)), resume=Resume(2)))
    ledger.open(slice_of(2, 8))
    ledger.settle(5)
    assert ledger.progress().ranges == ((3, 9),)
    ledger.settle(2)
    assert (ledger.progress().watermark, ledger.progress().ranges) == (9, ())


def test_before_any_slice_is_read_the_way_back_is_the_one_of_the_checkpoint():
    progress = Progress(rows=10, watermark=4, resume=Resume(3, 1, Mark(30, 5)))
    assert Ledger(progress).progress() == progress
    assert Ledger().progress() == Progress()


def test_reading_goes_on_in_the_source_the_watermark_stands_in():
    ledger = Ledger()
    ledger.open(slice_of(0, 2, source=0))
    ledger.open(slice_of(2, 0, source=0))
    ledger.open(slice_of(2, 3, source=1, start=Mark(0, 1)))
    ledger.settle(1)
    assert ledger.progress().resume.source == 0
    ledger.settle(0)
    assert ledger.progress().resume == Resume(2, 1, Mark(0, 1))


@pytest.mark.parametrize(("position", "expected"), [(0, True), (3, False), (4, True), (5, True), (6, False)])
def test_a_range_ends_before_its_end(position, expected):
    assert Progress(rows=9, watermark=3, ranges=((4, 6),)).is_settled(position) is expected


@given(st.permutations(range(40)))
def test_memory_follows_the_open_rows_and_not_the_rows_read(order):
    ledger = Ledger()
    ledger.open(slice_of(0, 40))
    for count, position in enumerate(order, 1):
        ledger.settle(position)
        ranges = ledger.progress().ranges
        assert len(ranges) <= 40 - count + 1
        assert len(ledger._end_of) == len(ledger._firsts) == len(ranges)


def test_a_row_that_is_settled_in_the_checkpoint_cannot_be_settled_again():
    for position in (0, 2, 4, 5):
        ledger = Ledger(Progress(rows=9, watermark=3, ranges=((4, 6),)))
        with pytest.raises((KeyError, ValueError)):
            ledger.settle(position)
        assert ledger.progress().settled == 5
