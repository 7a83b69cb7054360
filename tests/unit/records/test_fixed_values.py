"""`--set`: one value for all records; and what costs money is written by the user's word alone."""

import pytest

from support.builders import row
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Kind, Option, Schema
from uploader.model.outcomes import Outcome
from uploader.records.columns import MappingError, Rules, resolve_columns
from uploader.records.mapper import Mapper

SCHEMA = Schema(
    labels={
        "email": "Email",
        "firstname": "First",
        "tier": "Tier",
        "born": "Born",
        "score": "Score",
        "member_no": "No",
        "hs_marketable_status": "Marketing contact status",
    },
    read_only=frozenset({"score"}),
    unique=frozenset({"member_no"}),
    kinds={"tier": Kind("enumeration"), "born": Kind("date")},
    options={"tier": (Option("Gold", "gold"),)},
)


def mapper(rules, header=("email", "firstname")):
    return Mapper(0, rules, SCHEMA, resolve_columns(header, rules, SCHEMA))


def properties(mapped):
    return sent_properties(mapped)


def test_every_record_gets_it_as_hubspot_spells_it_whatever_the_form_of_its_row():
    rules = Rules(constants={"tier": "Gold", "born": "2026-07-01"})
    given = {"tier": "gold", "born": "2026-07-01"}
    assert properties(mapper(rules).map(0, [row(["a@x.com", ""])])[0]) == given
    named = Mapper(0, rules, SCHEMA, None)
    assert properties(named.map(0, [row({"email": "a@x.com"})])[0]) == given
    assert properties(named.map(0, [row({"id": "a@x.com", "properties": {"firstname": "F"}})])[0]) == {
        "firstname": "F",
        **given,
    }


@pytest.mark.parametrize(
    ("constants", "says"),
    [
        ({"nickname": "x"}, "this account has no property 'nickname'"),
        ({"score": "1"}, "read-only in HubSpot"),
        ({"tier": "platinum"}, "--set tier=platinum: the value is not an option of the property"),
        ({"born": "soon"}, "--set born=soon: the value"),
        ({"email": "a@x.com"}, "a unique property"),
        ({"member_no": "7"}, "a unique property"),
        ({"firstname": "F"}, "column 'firstname' is mapped to that property, too"),
        ({"hs_marketable_status": "true"}, "--allow hs_marketable_status"),
    ],
)
def test_properties_that_cannot_be_the_same_in_all_records_are_refused(constants, says):
    with pytest.raises(MappingError) as caught:
        mapper(Rules(constants=constants))
    assert says in str(caught.value)


def test_a_row_of_its_own_fields_can_not_say_otherwise():
    named = Mapper(0, Rules(constants={"tier": "Gold"}), SCHEMA, None)
    for content in ({"email": "a@x.com", "tier": "x"}, {"id": "a@x.com", "properties": {"tier": "gold"}}):
        assert named.map(0, [row(content)])[0].outcome is Outcome.INVALID


@pytest.mark.parametrize("column", ["hs_marketable_status", "Marketing contact status"])
def test_a_property_that_costs_money_is_refused_unless_it_is_allowed(column):
    with pytest.raises(MappingError, match=r"paid for.*--allow hs_marketable_status"):
        mapper(Rules(), ("email", column))
    with pytest.raises(MappingError, match="paid for"):
        mapper(Rules(mapped={"M": "hs_marketable_status"}), ("email", "M"))
    field = Mapper(0, Rules(), SCHEMA, None).map(0, [row({"email": "a@x.com", column: "true"})])[0]
    assert (field.outcome, field.category) == (Outcome.INVALID, "PROPERTY")
    allowed = Rules(allowed=frozenset({"hs_marketable_status"}))
    sent = mapper(allowed, ("email", column)).map(0, [row(["a@x.com", "true"])])[0]
    assert properties(sent) == {"hs_marketable_status": "true"}
