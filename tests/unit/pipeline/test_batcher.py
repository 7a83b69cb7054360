"""Which records travel together, against a model that looks at every pair of them."""

import random
from dataclasses import dataclass, field

from hypothesis import given, strategies as st

from support.builders import batch, record
from support.conflicts import linked
from uploader.hubspot.requests import MAX_INPUTS
from uploader.model.records import Record
from uploader.pipeline.batcher import Batcher

_VALUES = st.sampled_from("abcdef")


@dataclass
class Model:
    """Every record by the letter of the rule: it waits for the open records that it is linked to."""

    open: list[Record] = field(default_factory=list)  # in source order, drawn ones too
    drawn: list[Record] = field(default_factory=list)
    waits: dict[int, set[int]] = field(default_factory=dict)  # position -> positions, settled ones too

    def add(self, records):
        for row in records:
            self.waits[row.position] = linked(row, self.open, self.waits)
            self.open.append(row)

    def may_leave(self):
        still_open = {record.position for record in self.open}
        return [
            record
            for record in self.open
            if record not in self.drawn and not self.waits[record.position] & still_open
        ]


@st.composite
def _records(draw):
    made = []
    for position in range(draw(st.integers(0, 25))):
        id_property = draw(st.sampled_from(["email", "email", "external_id"]))
        others = {"external_id": "email", "email": "external_id"}
        unique = {others[id_property]: draw(_VALUES)} if draw(st.booleans()) else {}
        key = draw(st.sampled_from(["a", " A", "b", "c", "d", "e", "f"]))
        weight = {"note": "x" * draw(st.integers(0, 300))}
        made.append(record(position, key, id_property=id_property, properties=weight, unique=unique))
    return made


@given(_records(), st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([150, 600, 2_000, 2**21]))
def test_batches_are_as_if_the_rows_were_applied_one_at_a_time(records, seed, max_records, max_bytes):
    """Adding, drawing, putting back and settling in any order; then everything has been drawn once."""
    rng = random.Random(seed)
    batcher, model, added, log = Batcher(max_records, max_bytes), Model(), 0, []
    while added < len(records) or model.open:
        choices = ["draw"]
        choices += ["add"] if added < len(records) else []
        choices += ["settle", "settle", "put back"] if model.drawn else []
        step = rng.choice(choices)
        if step == "add":
            more = records[added : added + rng.randint(1, 3)]
            waiting = len(model.open) - len(model.drawn) - len(model.may_leave())
            model.add(more)
            waiting_now = len(model.open) - len(model.drawn) - len(model.may_leave())
            assert batcher.add(more) == waiting_now - waiting
            added += len(more)
        elif step == "settle":
            settled = rng.sample(model.drawn, rng.randint(1, len(model.drawn)))
            model.drawn = [record for record in model.drawn if record not in settled]
            model.open = [record for record in model.open if record not in settled]
            batcher.settle(settled)
        elif step == "put back":
            unsent = rng.choice(model.drawn)
            batcher.put_back([unsent])
            model.drawn.remove(unsent)
            log.remove(unsent.position)
        else:
            expected = model.may_leave()
            drawn = batcher.draw()
            _check(drawn, expected, batcher)
            model.drawn += drawn
            log += [record.position for record in drawn]
        assert batcher.ready == len(model.may_leave())
        assert batcher.open_records == len(model.open)
        assert batcher.open_bytes == sum(record.size_bytes for record in model.open)
        assert batcher.waiting_records == len(model.open) - len(model.drawn) - batcher.ready
        if step == "draw" and added == len(records) and not model.drawn:
            assert not model.open, "nothing is in flight, records are open, and none may leave"
    assert sorted(log) == list(range(len(records)))
    assert (batcher.open_records, batcher.open_bytes, batcher.waiting_records) == (0, 0, 0)
    assert not any(vars(batcher._groups).values())
    assert not any(batcher._ready.values())


def _check(drawn, expected, batcher):
    if not expected:
        assert drawn == []
        return
    # The earliest that may leave leads, and only those of its id property travel with it, in source order.
    mates = [record for record in expected if record.id_property == expected[0].id_property]
    assert drawn == mates[: len(drawn)]
    assert 1 <= len(drawn) <= batcher.max_records
    assert len({record.id_property for record in drawn}) == 1
    values = [value for record in drawn for value in record.lock_keys]
    assert len(values) == len(set(values))
    assert _weight(drawn) <= batcher.max_bytes or len(drawn) == 1
    if len(drawn) < min(len(mates), batcher.max_records):
        assert _weight(mates[: len(drawn) + 1]) > batcher.max_bytes


def _weight(records):
    return sum(record.size_bytes for record in records)


def test_a_batch_is_full_at_the_documented_hundred():
    batcher = Batcher()
    for entry in batch(250):
        batcher.add([entry])
    assert [len(batcher.draw()) for _ in range(4)] == [100, 100, 50, 0]
    assert MAX_INPUTS == 100


def test_a_record_heavier_than_a_batch_travels_alone():
    batcher = Batcher(max_bytes=500)
    heavy = record(1, properties={"note": "x" * 5_000})
    for entry in (record(0), heavy, record(2)):
        batcher.add([entry])
    assert [[r.position for r in batcher.draw()] for _ in range(3)] == [[0], [1], [2]]


def test_a_batch_may_weigh_exactly_what_is_allowed_and_not_a_byte_more():
    records = batch(3)
    weight = _weight(records)
    for max_bytes, expected in ((weight, 3), (weight - 1, 2)):
        batcher = Batcher(max_bytes=max_bytes)
        for entry in records:
            batcher.add([entry])
        assert len(batcher.draw()) == expected


def test_rows_of_one_key_leave_one_after_the_other_in_file_order():
    batcher = Batcher()
    for position in range(4):
        batcher.add([record(position, "Ann@x.com" if position % 2 else " ann@X.COM")])
    for position in range(4):
        (drawn,) = batcher.draw()
        assert drawn.position == position
        assert batcher.draw() == []
        assert batcher.ready == 0
        batcher.settle([drawn])
        assert batcher.ready == (position < 3)


def test_a_record_waits_for_any_unique_value_not_only_its_key():
    batcher = Batcher()
    first = record(0, "1", id_property="external_id", unique={"email": "a@x.com"})
    second = record(1, "a@x.com")
    batcher.add([first, second])
    assert batcher.draw() == [first]
    assert batcher.draw() == []
    batcher.settle([first])
    assert batcher.draw() == [second]


def test_a_record_waits_for_the_commit_of_one_that_shares_a_value_and_not_the_key():
    batcher = Batcher()
    first = record(0, "1", id_property="external_id", unique={"email": "a@x.com"})
    same, other = record(1, "1", id_property="external_id"), record(2, "a@x.com")
    batcher.add([first, same, other])
    assert batcher.draw() == [first]
    assert batcher.keeps_locks([first])
    assert batcher.settle([first], keeps_locks=True) == [same]
    assert (batcher.draw(), batcher.awaits_commit) == ([same], False)
    assert batcher.keeps_locks([same])  # or the one that waits for it would not wait for the first one
    assert batcher.settle([same], keeps_locks=True) == []
    assert (batcher.draw(), batcher.awaits_commit, batcher.has_only_chains) == ([], True, True)
    assert batcher.commit([first, same]) == [other]
    assert batcher.draw() == [other]
    assert not batcher.keeps_locks([other])


def test_a_record_that_waits_for_one_value_locks_its_other_ones():
    """Otherwise the third row would overtake the second."""
    batcher = Batcher()
    first, second, third = (
        record(0, "a@x.com"),
        record(1, "a@x.com", unique={"external_id": "7"}),
        record(2, "7", id_property="external_id"),
    )
    for entry in (first, second, third):
        batcher.add([entry])
    assert batcher.draw() == [first]
    assert batcher.draw() == []
    batcher.settle([first])
    assert batcher.draw() == [second]
    batcher.settle([second])
    assert batcher.draw() == [third]


def test_records_in_doubt_are_known_while_they_are_open():
    batcher = Batcher()
    first, second = record(0, "a@x.com"), record(1, "a@x.com")
    for entry in (first, second):
        batcher.add([entry])
    for entry in (first, second):
        assert not batcher.has_in_doubt()
        assert batcher.draw() == [entry]
        entry.in_doubt = True
        assert batcher.has_in_doubt()
        batcher.settle([entry])
    assert not batcher.has_in_doubt()


def test_rows_released_at_once_leave_in_one_batch_before_later_ones():
    batcher = Batcher(max_records=10)
    first, again = batch(5), [record(5 + n, f"person{n}@example.com") for n in range(5)]
    batcher.add([*first, *again, *batch(20, 10)])
    assert batcher.waiting_records == 5
    assert batcher.draw() == [*first, *batch(5, 10)]
    batcher.settle(first)
    assert [row.position for row in batcher.draw()] == [5, 6, 7, 8, 9, 15, 16, 17, 18, 19]


def test_rows_of_one_value_delay_no_other_row():
    """Thousands of a placeholder address, each with a key of its own, and one in a hundred of all rows."""
    batcher = Batcher()
    rows = [
        record(
            n,
            f"key {n}",
            id_property="external_id",
            unique={"email": "none@none.com" if n % 10 == 0 else f"{n}@x.com"},
        )
        for n in range(20_000)
    ]
    batcher.add(rows)
    assert batcher.waiting_records == 1_999
    drawn = []
    while some := batcher.draw():
        drawn += some
    assert [row.position for row in drawn] == [0, *(n for n in range(20_000) if n % 10)]
    batcher.settle(drawn)
    left = []
    while some := batcher.draw():
        left += some
        batcher.settle(some)
    assert [row.position for row in left] == list(range(10, 20_000, 10))
    assert batcher.open_records == batcher.open_bytes == 0
