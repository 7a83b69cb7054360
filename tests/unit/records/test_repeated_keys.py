"""Keys of very many rows are found and counted exactly, in bounded memory."""

import random
from collections import Counter

from hypothesis import given, strategies as st

from uploader.records.duplicates import Keyed, OnDuplicate
from uploader.records.repeated_keys import KeyCount, RepeatedKeys, most_of_one_key, question, share_to_come
from uploader.storage.duplicates_file import KeySorter

SLICE = 500


def counted(keys, folder=None, **options):
    """Keys as a pass over the rows counts them, slice by slice."""
    found, sorter = RepeatedKeys(**options), folder and KeySorter(folder)
    for first in range(0, len(keys), SLICE):
        part = keys[first : first + SLICE]
        found.add(part)
        if sorter:
            sorter.add(Keyed(part, range(first, first + len(part)), range(first, first + len(part))))
    if sorter:
        found.settle(len(keys), sorter.count)
        sorter.close()
    return found


@given(st.lists(st.sampled_from("abcdefgh"), max_size=80), st.integers(0, 1_000))
def test_of_more_keys_than_are_kept_no_frequent_one_is_forgotten(letters, seed):
    """At most 4 keys are kept, so that a key of more than a fifth of the rows is never forgotten."""
    keys = [f"id={letter}" for letter in letters]
    random.Random(seed).shuffle(keys)
    found = RepeatedKeys(most_keys=4)
    for key in keys:
        found.add([key])
    for key, rows in Counter(keys).items():
        assert rows * 5 <= len(keys) or key in found._counts


def test_the_counts_are_exact_although_rarer_keys_are_forgotten(tmp_path):
    keys = [f"email=c{i}@x.com" for i in range(60_000)]
    keys += ["email=info@x.com"] * 300 + ["email=none@none.com"] * 2 + ["email=few@x.com"] * 55
    random.Random(5).shuffle(keys)
    found = counted(keys, tmp_path, most_keys=2_000)
    assert found.doubtful(len(keys)) == [
        KeyCount("email", "info@x.com", 300),
        KeyCount("email", "none@none.com", 2),
    ]
    assert found.most_repeated()[0] == KeyCount("email", "info@x.com", 300)


def test_memory_does_not_grow_with_the_number_of_different_keys():
    found = RepeatedKeys(most_keys=100)
    for first in range(0, 100_000, SLICE):
        found.add([f"email=c{i}@x.com" for i in range(first, first + SLICE)])
        found.add([f"email=none@site{i}.com" for i in range(first, first + 20)])
        assert len(found._counts) <= 200 + SLICE
    assert len(found._placeholders) <= 1_000


def test_a_key_is_doubtful_beyond_20_rows_and_a_thousandth_of_all():
    assert [most_of_one_key(rows) for rows in (0, 1_000, 20_000, 21_000, 10_000_000)] == [
        20, 20, 20, 21, 10_000,
    ]  # fmt: skip
    for rows, is_doubtful in ((20, False), (21, True)):
        found = counted(["id=7"] * rows + ["id=8"])
        assert found.doubtful(rows + 1) == [KeyCount("id", "7", 21)] * is_doubtful


def test_an_address_of_nobody_is_doubtful_on_two_rows():
    keys = ["email=none@none.com", "email=a@x.com", "email=none@none.com", "email=a@x.com", "email=no@no.com"]
    assert counted(keys).doubtful(5) == [KeyCount("email", "none@none.com", 2)]


def test_the_question_names_what_can_be_done_by_the_columns_name():
    text = question([KeyCount("email", "none@none.com", 1_522)], lambda _: ['E "mail"'])
    assert text.startswith("'none@none.com' is the email of 1,522 rows: these rows would become one record.")
    for option in ("--blank-value", "--suppress-where"):
        assert f"{option} 'E \"mail\"=none@none.com'" in text
    assert "--on-duplicate in-order" in text


def test_the_question_proposes_no_option_that_cannot_be_read():
    text = question([KeyCount("id", "a=b", 30)], lambda name: [name])
    assert "--blank-value" not in text
    assert "--suppress-where" not in text


def test_the_question_names_some_keys_and_counts_the_others():
    text = question([KeyCount("id", str(n), 30) for n in range(9)], lambda name: [name])
    assert "6 more keys are those of many rows: each of these would become one record" in text


def test_rows_of_several_buckets_are_counted(tmp_path):
    sorter = KeySorter(tmp_path, OnDuplicate.IN_ORDER, buckets=3)
    keys = [f"id={n % 40}" for n in range(1_000)]
    sorter.add(Keyed(keys, range(1_000), range(1_000)))
    assert sorter.count(["id=1", "id=2", "id=none"]) == {"id=1": 25, "id=2": 25, "id=none": 0}
    sorter.close()


def test_a_key_is_expected_again_only_if_it_has_many_rows_that_do_not_stand_together():
    assert share_to_come(200, 5_000, 30) == 0.04
    assert share_to_come(20, 5_000, 30) == 0.0
    assert share_to_come(200, 5_000, 4_000) == 0.0  # a sorted file: its rows are over
    assert share_to_come(0, 0, 0) == 0.0
