"""Filled cells, different values and samples of a column, exact up to a bound, in bounded memory."""

from hypothesis import given, strategies as st

from uploader.jobs.scans.column_counts import MOST_DISTINCT, ColumnCounts

SLICES = st.lists(st.lists(st.sampled_from(["", "a", "b", "A", "c", "d"]), min_size=1), max_size=5)


def counted(slices):
    counts = ColumnCounts()
    for texts in slices:
        assert set(counts.add(texts)) == set(texts)
    return counts


@given(SLICES)
def test_counts_are_those_of_all_cells(slices):
    counts, texts = counted(slices), [text for texts in slices for text in texts]
    different = list(dict.fromkeys(filter(None, texts)))
    assert (counts.cells, counts.filled) == (len(texts), len(texts) - texts.count(""))
    assert (counts.distinct, counts.is_exact) == (len(different), True)
    assert counts.samples == different[:3]


def test_of_very_many_values_only_a_bound_is_known_and_none_is_kept():
    slices = [[f"v{number % 1_500}", ""] for number in range(3_000)]
    counts = counted(slices)
    assert (counts.cells, counts.filled) == (6_000, 3_000)
    assert (counts.distinct, counts.is_exact) == (MOST_DISTINCT, False)
    assert not counts._seen
    exact = counted([[f"v{number}"] for number in range(MOST_DISTINCT)] * 2)
    assert (exact.distinct, exact.is_exact) == (MOST_DISTINCT, True)


def test_a_share_of_no_cells_is_none():
    assert (ColumnCounts().share, counted([["a", ""]]).share) == (0, 0.5)
