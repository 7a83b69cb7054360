"""What the account shows of properties that a request may have made, and how existing ones differ."""

from pathlib import Path

import pytest

from uploader.hubspot.new_properties import Definition
from uploader.hubspot.schema import Option, Schema
from uploader.properties.creation import difference, settle_asked
from uploader.properties.creation_record import CreationRecord, Entry, State

ASKED_AT = "2026-05-01T10:00:00.000Z"


def record(state=State.ASKED):
    return CreationRecord(Path("x.json"), "7", "contacts", {"a": Entry(state, ASKED_AT)})


@pytest.mark.parametrize(
    ("created_at", "state"),
    [
        ("2026-05-01T10:00:03.000Z", State.CREATED),
        ("2026-05-01T09:59:59.000Z", State.CREATED),  # HubSpot's clock is known to a second
        ("2026-04-30T10:00:00.000Z", State.EXISTING),  # restored from the archive by somebody else
        ("", State.EXISTING),
        ("yesterday", State.EXISTING),
    ],
)
def test_what_was_asked_for_is_ours_if_it_was_created_since(created_at, state):
    one = record()
    assert settle_asked(one, {"a": created_at})
    assert one.entries["a"].state is state


def test_what_is_not_there_stays_asked_for_and_what_is_settled_stays_so():
    one = record()
    assert not settle_asked(one, {"b": ASKED_AT})
    assert one.entries["a"].state is State.ASKED
    for state in (State.EXISTING, State.REFUSED, State.ARCHIVED):
        other = record(state)
        assert not settle_asked(other, {"a": ASKED_AT})
        assert other.entries["a"].state is state


def test_the_time_of_creation_is_noted_once():
    one = record(State.CREATED)
    assert settle_asked(one, {"a": ASKED_AT})
    assert not settle_asked(one, {"a": "2027-01-01T00:00:00.000Z"})
    assert one.entries["a"].created_at == ASKED_AT


SCHEMA = Schema.decode(
    {
        "results": [
            {
                "name": "a",
                "label": "A",
                "type": "enumeration",
                "options": [{"label": "X", "value": "x"}],
            },
            {"name": "b", "label": "B", "type": "string", "hasUniqueValue": True},
        ]
    }
)


@pytest.mark.parametrize(
    ("name", "type_", "options", "unique", "difference_"),
    [
        ("a", "enumeration", ("x",), False, ""),
        ("a", "enumeration", ("x", "y"), False, "it lacks the option 'y'"),
        ("a", "string", (), False, "it has the type enumeration, not string"),
        ("a", "enumeration", ("x",), True, "it has no unique values"),
        ("b", "string", (), True, ""),
        ("b", "string", (), False, ""),
    ],
)
def test_an_existing_property_differs_in_what_decides_its_values(name, type_, options, unique, difference_):
    wanted = Definition(
        name=name,
        label="Another label",
        type=type_,
        field_type="text",
        group="another",
        options=tuple(Option(value, value) for value in options),
        is_unique=unique,
    )
    assert difference(wanted, SCHEMA) == difference_
