"""What is written over what HubSpot holds: by rule, value by value."""

from hypothesis import given, strategies as st

from uploader.hubspot.schema import Kind
from uploader.model.outcomes import Outcome
from uploader.records.values.respellings import Respellings
from uploader.records.write_policy import Change, Only, Policy, WritePolicy, decide

NAMES = st.sampled_from(["firstname", "city", "phone"])
CELLS = st.dictionaries(NAMES, st.sampled_from(["", "A", "B"]))
RULES = st.builds(
    WritePolicy,
    policy=st.sampled_from(Policy),
    by_property=st.dictionaries(NAMES, st.sampled_from(Policy)),
    only=st.sampled_from(Only),
    skip_unchanged=st.booleans(),
)


def made(wanted, held, rules=None, *, kinds=None, in_doubt=False):
    return decide(wanted, held, rules or WritePolicy(), kinds or {}, Respellings(), in_doubt=in_doubt)


def after(held, decision):
    """What HubSpot holds once the decision is carried out; a blank is nothing."""
    merged = {**(held or {}), **(decision.properties if decision.outcome is None else {})}
    return {name: text for name, text in merged.items() if text}


@given(CELLS, st.none() | CELLS, RULES)
def test_the_values_held_afterwards_follow_from_the_rules_alone(wanted, held, rules):
    is_new = held is None
    is_left_out = rules.only is (Only.EXISTING if is_new else Only.NEW)
    expected = dict(held or {})
    for name, text in wanted.items():
        policy = rules.of(name)
        allowed = is_new or policy is Policy.OVERWRITE or (policy is Policy.FILL and not expected.get(name))
        if allowed and not is_left_out:
            expected[name] = text
    decision = made(wanted, held, rules)
    assert after(held, decision) == {name: text for name, text in expected.items() if text}
    assert (decision.outcome is Outcome.SKIPPED) is is_left_out
    assert decision.changes.keys() == wanted.keys()


@given(CELLS, CELLS, RULES)
def test_what_may_have_been_written_is_unchanged_only_where_all_values_are_anothers(wanted, held, rules):
    decision = made(wanted, held, rules, in_doubt=True)
    if decision.outcome is Outcome.UNCHANGED:
        assert wanted
        assert all(held.get(name, "") != text for name, text in wanted.items())


def test_a_lost_row_whose_only_value_a_person_has_filled_is_unchanged():
    rules = WritePolicy(policy=Policy.FILL)
    theirs = made({"city": "Ours"}, {"city": "Theirs"}, rules, in_doubt=True)
    assert (theirs.outcome, dict(theirs.properties)) == (Outcome.UNCHANGED, {})
    ours = made({"city": "Ours", "phone": "1"}, {"city": "Ours", "phone": "2"}, rules, in_doubt=True)
    assert ours.outcome is Outcome.UPDATED  # the telephone was there before the row was first sent


@given(CELLS, CELLS)
def test_values_that_are_there_are_not_sent_where_the_user_says_so(wanted, held):
    decision = made(wanted, held, WritePolicy(skip_unchanged=True))
    assert all(held.get(name, "") != text for name, text in decision.properties.items())
    assert (decision.outcome is Outcome.UNCHANGED) is (after(held, decision) == after(held, made({}, held)))


def test_a_row_that_names_only_its_key_creates_a_contact_and_leaves_one_that_is_there():
    assert made({}, None).outcome is None
    assert made({}, {"email": "a@x.com"}).outcome is Outcome.UNCHANGED


def test_another_spelling_of_a_value_is_the_same_value():
    kinds = {"birthday": Kind("date"), "amount": Kind("number")}
    wanted = {"birthday": "2025-12-31", "amount": "1.50"}
    held = {"birthday": "1767139200000", "amount": "1.5"}
    decision = made(wanted, held, WritePolicy(skip_unchanged=True), kinds=kinds)
    assert decision.outcome is Outcome.UNCHANGED
    assert set(decision.changes.values()) == {Change.SAME}


def test_each_change_has_its_name():
    wanted = {"a": "1", "b": "2", "c": "", "d": "4", "e": "5", "lifecyclestage": "lead"}
    held = {"b": "0", "c": "3", "d": "4", "e": "0", "lifecyclestage": "customer"}
    kinds = {"lifecyclestage": Kind("enumeration", stages=("lead", "customer"))}
    decision = made(wanted, held, WritePolicy(by_property={"e": Policy.FILL}), kinds=kinds)
    assert dict(decision.changes) == {
        "a": Change.SET,
        "b": Change.OVERWRITTEN,
        "c": Change.CLEARED,
        "d": Change.SAME,
        "e": Change.PRESERVED,
        "lifecyclestage": Change.KEPT,
    }
    assert "e" not in decision.properties


def test_only_new_leaves_a_contact_that_appeared_after_a_lost_answer_unless_it_holds_what_was_sent():
    """Somebody else may have created it: the row is confirmed only by all of its own values."""
    rules = WritePolicy(only=Only.NEW)
    theirs = made({"firstname": "A", "city": "B"}, {"firstname": "A", "city": "Theirs"}, rules, in_doubt=True)
    assert (theirs.outcome, dict(theirs.properties)) == (Outcome.SKIPPED, {})
    ours = made({"firstname": "A", "city": "B"}, {"firstname": "A", "city": "B"}, rules, in_doubt=True)
    assert (ours.outcome, dict(ours.properties)) == (Outcome.UPDATED, {})
    never_sent = made({"firstname": "A"}, {"firstname": "A"}, rules)
    assert never_sent.outcome is Outcome.SKIPPED
