"""Which rows wait for which, against a model that follows every chain of open rows."""

import random

from hypothesis import given, strategies as st

from support.builders import record
from support.conflicts import linked
from uploader.pipeline.conflict_groups import Groups

_VALUES = st.sampled_from("abcdefgh")
_ROWS = st.lists(st.lists(_VALUES, min_size=1, max_size=3), max_size=30)


def _rows(values):
    return [
        record(position, key, unique={f"u{n}": value for n, value in enumerate(others)})
        for position, (key, *others) in enumerate(values)
    ]


def _row(position, *values):
    (row,) = _rows([values])
    row.position, row.lock_keys = position, values
    return row


@given(_ROWS, st.integers(0, 2**32))
def test_a_row_waits_for_all_rows_it_is_linked_to_and_for_no_other(values, seed):
    """No row leaves before every earlier one linked to it by a chain of open rows is settled."""
    rng, groups = random.Random(seed), Groups()
    rows = [_row(position, *values) for position, values in enumerate(values)]
    still_open, waits, waiting = [], {}, set()
    coming = list(rows)
    while coming or still_open:
        free = [row for row in still_open if row.position not in waiting]
        if coming and (not free or rng.random() < 0.5):
            row = coming.pop(0)
            waits[row.position] = linked(row, still_open, waits)
            held = groups.join([row])
            assert held == ([row] if waits[row.position] else [])
            waiting |= {one.position for one in held}
            still_open.append(row)
        else:
            assert free, "rows are open, and each waits for another"
            settled = rng.sample(free, rng.randint(1, len(free)))
            still_open = [row for row in still_open if row not in settled]
            released = {row.position for row in groups.leave(settled)}
            left = {row.position for row in still_open}
            assert released == {position for position in waiting if not waits[position] & left}
            waiting -= released
        assert groups.waiting == len(waiting)
        assert set(groups._newest) == {value for row in still_open for value in row.lock_keys}
        assert max(1, groups.largest.open_rows) == max(1, _largest(still_open, waits))
        assert groups.linked >= groups.waiting
    assert not any(vars(groups).values())


@given(_ROWS, st.integers(0, 2**32))
def test_a_row_waits_for_the_commit_of_rows_with_another_key(values, seed):
    """Rows that stay until their commit: those with the same key are released before, no others are."""
    roll, groups = random.Random(seed), Groups()
    coming = [_row(position, *values) for position, values in enumerate(values)]
    still_open, settled, waits, waiting = [], [], {}, {}

    def awaited(row):
        """Rows that it waits for: open ones, and of the newest ones those that wait for their commit."""
        newest = waits[row.position] - set().union(*(waits[earlier] for earlier in waits[row.position]))
        in_the_way = [
            one for one in settled if one.position in newest and one.lock_keys[0] != row.lock_keys[0]
        ]
        return [one for one in still_open if one.position in waits[row.position]], in_the_way

    while coming or still_open or settled:
        free = [row for row in still_open if row.position not in waiting]
        step = roll.choice(["join"] * bool(coming) + ["settle"] * bool(free) + ["commit"] * bool(settled))
        found = []
        if step == "join":
            row = coming.pop(0)
            waits[row.position] = linked(row, [*still_open, *settled], waits)
            waiting |= {one.position: one for one in groups.join([row])}
            assert (row.position in waiting) == any(awaited(row))
            still_open.append(row)
        elif step == "settle":
            some = roll.sample(free, roll.randint(1, len(free)))
            still_open = [row for row in still_open if row not in some]
            stay = groups.must_stay(some)
            settled += some if stay else []
            found = groups.settle(some) if stay else groups.leave(some)
        else:
            count = roll.randint(1, len(settled))
            some, settled = settled[:count], settled[count:]
            found = groups.leave(some)
        released = {row.position for row in found}
        assert released == {position for position, row in waiting.items() if not any(awaited(row))}
        waiting = {position: row for position, row in waiting.items() if position not in released}
        assert groups.is_settled_awaited == any(awaited(row)[1] for row in waiting.values())
        assert groups.waiting == len(waiting)
        assert groups.linked <= len(still_open)
    assert not any(vars(groups).values())


def _largest(still_open, waits):
    sizes, left = [0], list(still_open)
    while left:
        members = linked(left[0], still_open, waits) | {left[0].position}
        sizes.append(len(members))
        left = [row for row in left if row.position not in members]
    return max(sizes)


def test_a_row_that_touches_two_groups_is_the_tail_of_both():
    groups = Groups()
    ann, bob = _row(0, "a"), _row(1, "b")
    both, later = _row(2, "a", "b"), _row(3, "b")
    assert groups.join([ann, bob, both, later]) == [both, later]
    assert groups.leave([ann]) == []
    assert groups.leave([bob]) == [both]
    assert groups.leave([both]) == [later]
    assert groups.leave([later]) == []


def test_a_value_that_a_later_row_frees_is_waited_for_while_any_row_has_it():
    """One by one the second row gives the address free and the third takes it; together they collide."""
    groups = Groups()
    rows = [_row(0, "id=1", "a"), _row(1, "id=1", "b"), _row(2, "id=2", "a")]
    assert groups.join(rows) == rows[1:]
    assert groups.leave(rows[:1]) == rows[1:2]
    assert groups.leave(rows[1:2]) == rows[2:]


def test_a_value_stays_in_its_group_until_the_last_row_that_has_it_is_settled():
    groups = Groups()
    rows = [_row(0, "a", "b"), _row(1, "b"), _row(2, "a")]
    assert groups.join(rows[:2]) == rows[1:2]
    assert groups.leave(rows[:1]) == rows[1:2]
    assert (groups.has("a"), groups.has("b")) == (False, True)
    assert groups.join(rows[2:]) == []


def test_rows_of_many_groups_that_are_joined_one_by_one_stay_cheap():
    """Each later row names a value of an ever earlier one: the way to the tail is walked once."""
    groups, count = Groups(), 3_000
    rows = [_row(n, "hot", f"own {n}") for n in range(count)]
    rows += [_row(count + n, f"own {count - n - 1}") for n in range(count)]
    assert len(groups.join(rows)) == 2 * count - 1
    steps = 0
    later = groups._later

    class Counted(dict):
        def get(self, key, default=None):
            nonlocal steps
            steps += 1
            return later.get(key, default)

        def __setitem__(self, key, value):
            later[key] = value

        def __delitem__(self, key):
            del later[key]

    groups._later = Counted()
    for row in rows:
        groups.leave([row])
    assert steps < 20 * len(rows)
