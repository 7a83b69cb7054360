"""Bad values are counted by column, the most frequent first, in bounded memory."""

import random
from collections import Counter

from hypothesis import given, strategies as st

from uploader.jobs.scans.bad_values import BadValues
from uploader.model.rows import Fault


def bad(*texts, column="Stage", category="OPTION"):
    return Fault("is not an option", category, column, texts)


def counts_of(values, column="Stage"):
    return {one.text: one.count for one in values.columns[column].most_common()}


@given(st.lists(st.sampled_from(["a", "A", "b", "C", "c"]), min_size=1))
def test_without_too_many_values_the_counts_are_exact_and_case_does_not_matter(texts):
    found = BadValues()
    for text in texts:
        found.add(bad(text))
    wanted = Counter(text.lower() for text in texts)
    ((_, column),) = found
    assert (column.cells, column.is_complete) == (len(texts), True)
    assert {text.lower(): count for text, count in counts_of(found).items()} == wanted
    assert [one.count for one in column.most_common()] == sorted(wanted.values(), reverse=True)


def test_only_values_that_a_table_can_replace_are_counted():
    found = BadValues()
    for fault in (bad("x", category="DATE"), bad(category="BOOLEAN"), bad("y", category="BOOLEAN")):
        found.add(fault)
    assert counts_of(found) == {"y": 1}


def test_a_column_of_two_hundred_thousand_values_costs_the_memory_of_a_few_and_keeps_the_frequent_ones():
    found, dice = BadValues(most_values=2_000), random.Random(1)
    wanted = {"often": 900, "sometimes": 500}
    texts = [f"rare {number}" for number in range(200_000)]
    for text, count in wanted.items():
        for _ in range(count):
            texts[dice.randrange(len(texts))] = text
    for number, text in enumerate(texts):
        found.add(bad(text))
        if number == 100_000:
            found.add(bad("X", column="Tier"))
    column = found.columns["Stage"]
    assert len(column) <= 2_000
    assert not column.is_complete
    assert column.cells == len(texts)
    first, second = column.most_common(2)
    assert (first.text, second.text) == ("often", "sometimes")
    assert 0.9 * texts.count("often") <= first.count <= texts.count("often")
    assert (counts_of(found, "Tier"), found.columns["Tier"].is_complete) == ({"X": 1}, True)


def test_long_values_and_such_that_are_no_text_are_counted_and_not_kept():
    found = BadValues()
    for text in ("x" * 1_000, "\ud800", "short"):
        found.add(bad(text))
    column = found.columns["Stage"]
    assert (counts_of(found), column.cells, column.is_complete) == ({"short": 1}, 3, False)
