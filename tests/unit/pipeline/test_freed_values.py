"""A value that an earlier row is about to free: a later row is refused for good only after that row."""

import random

from hypothesis import given, strategies as st

from support.builders import record
from uploader.pipeline.batcher import Batcher


def _row(position, contact, address):
    return record(position, contact, id_property="external_id", unique={"email": address})


@st.composite
def _moves(draw):
    """An account (address -> contact), and rows that pass one by one: each takes a free address."""
    contacts, addresses = "abcde", "uvwxyz"
    start = {
        address: contact for address, contact in zip(addresses, contacts, strict=False) if draw(st.booleans())
    }
    held, rows = dict(start), []
    for position in range(draw(st.integers(0, 25))):
        contact = draw(st.sampled_from(contacts))
        free = [address for address in addresses if held.get(address, contact) == contact]
        if not free:
            continue
        address = draw(st.sampled_from(free))
        _write(held, contact, address)
        rows.append(_row(position, contact, address))
    return start, rows, held


def _write(held, contact, address):
    """Whether the contact has the address now, and no other one."""
    if held.get(address, contact) != contact:
        return False
    for other in [one for one, owner in held.items() if owner == contact]:
        del held[other]
    held[address] = contact
    return True


def _address(row):
    return row.lock_keys[1].partition("=")[2]


@given(_moves(), st.integers(0, 2**32), st.integers(1, 5))
def test_no_row_is_refused_for_good_that_passes_in_file_order(moves, seed, max_records):
    """Batches are applied in any order, their rows in any order, and answered in any order."""
    held, rows, expected = moves
    rng, batcher, answers, left = random.Random(seed), Batcher(max_records), [], list(rows)
    while left or batcher.open_records:
        step = rng.choice(["add", "draw", "draw", "answer"])
        if step == "add" and left:
            batcher.add([left.pop(0)])
        elif step == "draw" and (batch := batcher.draw()):
            earliest = batcher.earliest
            passed = [row for row in rng.sample(batch, len(batch)) if _write(held, row.key, _address(row))]
            answers.append((batch, [row.position for row in passed], earliest))
        elif step == "answer" and answers:
            batch, passed, earliest = answers.pop(rng.randrange(len(answers)))
            batcher.settle([row for row in batch if row.position in passed])
            refused = [row for row in batch if row.position not in passed]
            assert not refused or not batcher.refuse(refused, earliest)
        else:
            assert left or answers or batcher.ready, "rows are open, and each waits for another"
    assert held == expected
    assert (batcher.open_bytes, batcher.waiting_records) == (0, 0)


def _refused_at_first(batcher, rows):
    """They are sent together with an earlier row, and refused."""
    earlier = record(0)
    batcher.add([earlier, *rows])
    earliest = batcher.earliest
    assert batcher.draw() == [earlier]
    sent = batcher.draw()
    assert batcher.refuse(sent, earliest) == []
    return earlier, sent


def test_a_refusal_is_final_where_every_earlier_row_was_settled():
    batcher = Batcher()
    row = _row(0, "a", "u")
    batcher.add([row])
    earliest = batcher.earliest
    assert batcher.refuse(batcher.draw(), earliest) == [row]
    batcher.settle([row])
    assert batcher.open_records == 0


def test_refused_rows_leave_together_once_every_earlier_row_is_settled():
    batcher = Batcher()
    rows = [_row(n, f"contact {n}", f"{n}@x.com") for n in range(1, 51)]
    earlier, sent = _refused_at_first(batcher, rows)
    assert sent == rows
    assert (batcher.draw(), batcher.waiting_records, batcher.ready) == ([], 50, 0)
    batcher.settle([earlier])
    assert (batcher.ready, batcher.waiting_records) == (50, 0)
    earliest = batcher.earliest
    again = batcher.draw()
    assert again == rows
    assert batcher.refuse(again, earliest) == rows
    batcher.settle(rows)
    assert batcher.open_records == 0


def test_a_record_refused_before_an_earlier_one_is_settled_is_not_sent_again():
    """If no other passes, nothing can have changed."""
    batcher = Batcher(max_records=2)
    rows = [_row(n, f"contact {n}", f"{n}@x.com") for n in range(1, 5)]
    earlier = record(0)
    batcher.add([earlier, *rows])
    earliest = batcher.earliest
    sent = [batcher.draw() for _ in range(3)]
    for some in sent:
        assert batcher.refuse([row for row in some if row is not earlier], earliest) == []
    batcher.settle([earlier])
    again, earliest = [batcher.draw() for _ in range(2)], batcher.earliest
    assert batcher.refuse(again[1], earliest) == []
    assert batcher.ready == 0
    assert batcher.refuse(again[0], earliest) == [*again[0], *again[1]]


def test_where_one_of_them_passes_the_others_leave_once_more():
    """It may have freed what they want."""
    batcher = Batcher()
    rows = [_row(n, f"contact {n}", f"{n}@x.com") for n in range(1, 4)]
    earlier, _ = _refused_at_first(batcher, rows)
    batcher.settle([earlier])
    again, earliest = batcher.draw(), batcher.earliest
    batcher.settle(again[:1])
    assert batcher.refuse(again[1:], earliest) == []
    assert batcher.draw() == again[1:]
    assert batcher.refuse(again[1:], earliest) == again[1:]


def test_a_later_row_waits_for_one_that_was_refused():
    batcher = Batcher()
    first = _row(1, "a", "u")
    earlier, _ = _refused_at_first(batcher, [first])
    later = _row(2, "a", "v")
    assert batcher.add([later]) == 1
    assert batcher.draw() == []
    batcher.settle([earlier])
    assert batcher.draw() == [first]
    batcher.settle([first])
    assert batcher.draw() == [later]
