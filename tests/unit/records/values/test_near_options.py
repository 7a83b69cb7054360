"""Which option somebody may have meant; nothing where two are as near."""

import pytest

from uploader.hubspot.schema import Option
from uploader.records.values.near_options import NearOptions

STAGES = [
    Option("Subscriber", "subscriber"),
    Option("Lead", "lead"),
    Option("Marketing Qualified Lead", "marketingqualifiedlead"),
    Option("Sales Qualified Lead", "salesqualifiedlead"),
    Option("Sales-Questioned Lead", "other", hidden=True),
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("MQL", "marketingqualifiedlead"),
        ("sql", "salesqualifiedlead"),
        ("Marketing-qualified lead", "marketingqualifiedlead"),
        ("Leads", "lead"),
        ("Subscribers", "subscriber"),
        ("Prospect", None),
        ("-", None),
        ("", None),
    ],
)
def test_the_nearest_option_is_proposed(text, value):
    found = NearOptions(STAGES).find(text)
    assert (found.value if found else None) == value


def test_where_two_options_are_as_near_none_is_proposed():
    options = [
        Option("Level 1", "a"),
        Option("Level 2", "b"),
        Option("New York", "c"),
        Option("No Yard", "d"),
    ]
    assert NearOptions(options).find("Level 3") is None
    assert NearOptions(options).find("NY") is None


def test_hidden_options_are_proposed_only_where_all_are_hidden():
    hidden = Option("Gold", "gold", hidden=True)
    assert NearOptions([hidden]).find("Golden") == hidden
    assert NearOptions([hidden, Option("Silver", "silver")]).find("Golden") is None
