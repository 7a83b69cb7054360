"""A sieve never forgets, and seldom raises a false alarm."""

from hypothesis import given, strategies as st

from uploader.pipeline.seen_filter import Sieve


@given(st.lists(st.text()))
def test_the_seen_filter_finds_every_key_that_was_added(values):
    sieve = Sieve()
    for value in values:
        sieve.add(value)
    assert all(value in sieve for value in values)
    assert bool(sieve) == bool(values)


def test_the_seen_filter_takes_few_other_keys_for_seen():
    sieve = Sieve()
    for number in range(100_000):
        sieve.add(f"email={number}@example.com")
    others = sum(f"email={number}@example.org" in sieve for number in range(100_000))
    assert others < 1_000
