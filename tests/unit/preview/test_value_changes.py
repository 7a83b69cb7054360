"""What a run would do to values, counted: by property, with examples that are few and of many properties."""

import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.replies import Result
from uploader.hubspot.schema import Kind
from uploader.mockserver.account.store import merge
from uploader.model.rows import Fault
from uploader.preview.simulated_contact import SimulatedResult
from uploader.preview.value_changes import (
    EXAMPLE_KINDS,
    MOST_NAMES,
    OTHERS,
    REFUSED,
    REWRITTEN,
    Tally,
    after_writing,
    kind_of,
)
from uploader.records.values.respellings import Respellings
from uploader.records.write_policy import Change, Decision, WritePolicy, decide

NAMES = st.sampled_from(["firstname", "city", "phone", "lifecyclestage", "interests"])
TEXTS = st.sampled_from(["", "A", "B", "a;b", ";b;c", ";c", "lead", "customer", "other"])
#: Of a property without a type nobody knows what HubSpot does to its values.
KINDS = {"interests": Kind("enumeration", is_multiple=True), "lifecyclestage": Kind("enumeration")}


@given(st.dictionaries(NAMES, TEXTS), st.dictionaries(NAMES, TEXTS))
def test_what_is_held_after_a_write_is_what_hubspot_would_hold(held, wanted):
    """The mock server, which shares no code with us, writes the same over the same."""
    expected = merge(held, wanted, frozenset(["interests"]))
    for name, text in wanted.items():
        assert after_writing(name, text, held.get(name, ""), KINDS.get(name, Kind())) == expected[name]


@given(st.lists(st.tuples(st.dictionaries(NAMES, TEXTS), st.none() | st.dictionaries(NAMES, TEXTS))))
def test_every_value_is_counted_once_and_shown_as_it_is(rows):
    tally = Tally(3, KINDS)
    asked = 0
    for number, (wanted, held) in enumerate(rows):
        decision = decide(wanted, held, WritePolicy(), KINDS, Respellings())
        contact = None if held is None else Result("1", properties=held)
        tally.writes(source=0, row=number, decision=decision, wanted=wanted, held=contact)
        asked += len(wanted)
    assert sum(counts.total() for counts in tally.properties.values()) == asked
    for kind in EXAMPLE_KINDS:
        kept = tally.examples(kind)
        assert len(kept) <= 3
        assert len({one.row for one in kept}) == len(kept)
        assert bool(kept) == bool(tally.total(kind))
        for one in tally.examples(kind):
            wanted, held = rows[one.row]
            assert one.asked == wanted[one.property]
            assert one.before == (held or {}).get(one.property, "")


def write_one(tally: Tally, row: int, name: str, change: Change = Change.SET) -> None:
    tally.writes(source=0, row=row, decision=Decision({}, {name: change}), wanted={name: "A"}, held=None)


def test_examples_are_of_as_many_properties_as_there_is_room_for_and_in_order():
    tally = Tally(4)
    for row in range(100):
        write_one(tally, row, "a")
    for row, name in enumerate("bcd", 100):
        write_one(tally, row, name)
    write_one(tally, 200, "d")
    assert [(one.row, one.property) for one in tally.examples("set")] == [
        *((0, "a"), (100, "b")),
        *((101, "c"), (102, "d")),
    ]


def test_no_example_is_kept_where_none_is_wanted():
    tally = Tally(0)
    write_one(tally, 1, "a")
    tally.refuses(0, 2, [("a", Fault("bad", "DATE", "a"))])
    assert [tally.examples(kind) for kind in EXAMPLE_KINDS] == [[]] * len(EXAMPLE_KINDS)
    assert dict(tally.properties["a"]) == {"set": 1, REFUSED: 1}


def test_names_without_end_take_no_memory_without_end():
    tally = Tally(2)
    for row in range(MOST_NAMES + 50):
        write_one(tally, row, f"p{row}")
    assert len(tally.properties) == MOST_NAMES + 1
    assert tally.properties[OTHERS]["set"] == 50


def test_long_values_are_cut():
    tally = Tally()
    text = "x" * 70_000
    tally.writes(
        source=0,
        row=1,
        decision=Decision({}, {"a": Change.OVERWRITTEN}),
        wanted={"a": text},
        held=Result("1", properties={"a": text}),
    )
    (one,) = tally.examples("overwritten")
    assert max(len(one.before), len(one.asked), len(one.after)) < 250


def test_what_is_wrong_is_counted_by_category_and_property_and_a_row_without_columns_too():
    tally = Tally()
    tally.refuses(0, 3, [("renewal_date", Fault("no day", "DATE", "Renewal"))])
    tally.refuses(0, 4, [("", Fault("torn", "UNREADABLE"))])
    assert dict(tally.faults) == {("DATE", "renewal_date"): 1, ("UNREADABLE", ""): 1}
    assert [(one.property, one.reason) for one in tally.examples(REFUSED)] == [
        *(("renewal_date", "no day"), ("", "torn")),
    ]


def test_examples_of_a_kind_are_of_different_rows_and_of_the_rarest_property_of_each():
    tally = Tally(3)
    for row in range(4):
        changes = dict.fromkeys(("a", "b", "c"), Change.SET)
        tally.writes(
            source=0, row=row, decision=Decision({}, changes), wanted=dict.fromkeys("abc", "A"), held=None
        )
    assert [(one.row, one.property) for one in tally.examples("set")] == [(0, "a"), (1, "b"), (2, "c")]


@pytest.mark.parametrize("change", [Change.OVERWRITTEN, Change.CLEARED])
def test_a_value_of_an_earlier_row_is_told_from_one_of_hubspot(change):
    def kind(in_hubspot: dict[str, str]) -> str:
        return kind_of("a", change, SimulatedResult("1", properties={"a": "x"}, in_hubspot=in_hubspot))

    assert kind({"a": "x"}) == change.value
    assert kind({"a": "before"}) == kind({}) == REWRITTEN
    assert kind_of("a", change, Result("1", properties={"a": "x"})) == change.value
