"""Rows that share a key are found exactly, however they are sorted out on the disk."""

import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from uploader.records.duplicates import Keyed, OnDuplicate, Repeat
from uploader.storage.duplicates_file import KeySorter, Repeats, RepeatsWriter, belongs
from uploader.system.disk_buckets import Buckets

KEYS = st.lists(st.sampled_from([f"email=k{n}@x.com" for n in range(12)]), max_size=60)


def brute_force(keys, positions, rule):
    """Of each row whose key another has: the first of its key, or the last, and for that the first other."""
    places = {}
    for key, position in zip(keys, positions, strict=True):
        places.setdefault(key, []).append(position)
    found = []
    for same in places.values():
        kept = same.pop(-1 if rule is OnDuplicate.LAST else 0)
        found += [Repeat(kept, kept + 2, at, at + 2) for at in same[:1]]
        found += [Repeat(at, at + 2, kept, kept + 2) for at in same]
    return sorted(found)


def found_by(sorter, keys, positions):
    sorter.add(Keyed(keys, positions, [position + 2 for position in positions]))
    return [repeat for some in sorter.repeats() for repeat in some]


@given(KEYS, st.sampled_from(OnDuplicate), st.integers(1, 256), st.integers(0, 3), st.integers(1, 2_000))
def test_repeats_are_those_of_brute_force_for_any_number_of_buckets_and_parts(
    keys, rule, buckets, gap, part_bytes
):
    positions = [index * (gap + 1) for index in range(len(keys))]
    with tempfile.TemporaryDirectory() as folder:
        sorter = KeySorter(Path(folder), rule, buckets, part_bytes)
        found = found_by(sorter, keys, positions)
        assert sorted(found) == brute_force(keys, positions, rule)
        most = max(map(keys.count, keys), default=0)
        assert sorter.longest == (most if most > 1 else 0)
        assert list(Path(folder).iterdir()) == []  # nameless: nothing is left, however the process ends
        sorter.close()


def test_buckets_keep_their_order_across_what_is_written_and_what_is_not(tmp_path):
    buckets = Buckets(tmp_path, 3, 2, held=4)
    entries = [bytes((n % 5, n)) for n in range(103)]
    buckets.spread(entries)
    for bucket in range(3):
        wanted = b"".join(entry for entry in entries if entry[0] % 3 == bucket)
        assert b"".join(buckets.blocks(bucket)) == b"".join(buckets.blocks(bucket)) == wanted
        assert buckets.size_bytes(bucket) == len(wanted)
    buckets.close()


@given(st.sets(st.integers(0, 300_000), max_size=40), st.integers(0, 300_000), st.integers(0, 300_000))
def test_the_kept_file_gives_the_repeats_of_any_stretch(positions, first, stop):
    repeats = [Repeat(position, position + 2, position + 1, position + 3) for position in positions]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.repeats")
        writer = RepeatsWriter(path, 300_001)
        writer.add(repeats)
        writer.finish("the job", [0, 200_000])
        writer.close()
        assert path.stat().st_mode & 0o777 == 0o600
        assert belongs(path, "the job")
        assert not belongs(path, "another")
        kept = Repeats(path, ["a.csv", "b.csv"])
        assert list(kept) == sorted(repeats)
        wanted = {r.position: r for r in repeats if first <= r.position < stop}
        assert kept.among(first, stop) == wanted
        kept.close()


def test_the_other_row_is_named_with_its_source_where_that_is_another(tmp_path):
    writer = RepeatsWriter(tmp_path / "a.repeats", 10)
    writer.finish("", [0, 5])
    writer.close()
    kept = Repeats(tmp_path / "a.repeats", ["a.csv", "b.csv"])
    assert kept.other(Repeat(7, 4, 2, 4), 1) == "row 4 of a.csv"
    assert kept.other(Repeat(7, 4, 5, 2), 1) == "row 2"
    kept.close()
