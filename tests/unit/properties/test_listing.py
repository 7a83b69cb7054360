"""The account's properties as a list, and which of them a word names."""

import pytest

from uploader.hubspot.schema import Option, Schema
from uploader.properties.listing import choose, listed_properties

ENTRIES = [
    {"name": "last_seen", "label": "Last seen", "type": "datetime", "fieldType": "date"},
    {
        "name": "email",
        "label": "E-Mail",
        "type": "string",
        "fieldType": "text",
        "groupName": "contactinformation",
        "hubspotDefined": True,
    },
    {
        "name": "tier",
        "label": "Tier",
        "type": "enumeration",
        "fieldType": "select",
        "options": [{"label": "Gold", "value": "gold", "hidden": True}],
        "hidden": True,
        "hubspotDefined": False,
    },
    {"name": "pipeline", "label": "Pipeline", "type": "enumeration", "externalOptions": True, "options": []},
    {"name": "diagnosis", "label": "Diagnosis", "type": "string", "dataSensitivity": "highly_sensitive"},
    {"label": "without a name"},
    "no entry",
]


def listed(*, has_addresses=True):
    schema = Schema.decode({"results": ENTRIES}, has_addresses=has_addresses)
    return listed_properties(ENTRIES, schema, has_addresses=has_addresses)


def test_properties_are_listed_by_name_with_what_the_account_says_of_them():
    found = {one.name: one for one in listed()}
    assert list(found) == ["diagnosis", "email", "last_seen", "pipeline", "tier"]
    email, tier = found["email"], found["tier"]
    assert (email.label, email.type, email.field_type, email.group, email.options) == (
        "E-Mail",
        "string",
        "text",
        "contactinformation",
        None,
    )
    assert (email.is_custom, tier.is_custom, tier.is_hidden) == (False, True, True)
    assert tier.options == (Option("Gold", "gold", hidden=True),)
    assert (found["pipeline"].holds, found["pipeline"].options) == ("pipelines", None)
    assert found["diagnosis"].sensitivity == "highly_sensitive"


def test_the_address_of_contacts_is_unique_whatever_the_account_says():
    assert [one.name for one in listed() if one.is_unique] == ["email"]
    assert [one.name for one in listed(has_addresses=False) if one.is_unique] == []


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("SEEN", ["last_seen"]),
        ("last seen", ["last_seen"]),
        ("e-mail", ["email"]),
        ("t_s", ["last_seen"]),
        ("-", ["email"]),
        ("gold", []),
        ("", ["diagnosis", "email", "last_seen", "pipeline"]),
    ],
)
def test_a_word_names_properties_by_name_or_label_in_any_case(word, names):
    assert [one.name for one in choose(listed(), word, with_hidden=False).shown] == names


def test_hidden_properties_are_left_out_and_counted_unless_asked_for():
    assert choose(listed(), "tier", with_hidden=False).hidden == 1
    chosen = choose(listed(), "tier", with_hidden=True)
    assert ([one.name for one in chosen.shown], chosen.hidden) == (["tier"], 0)
