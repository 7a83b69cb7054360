"""Which keys met in one contact, from what answers say: held against contacts whose keys are known."""

from hypothesis import given, strategies as st

from support.builders import record
from uploader.model.keys_of_one_contact import ConfirmedRow, UpdatedContacts
from uploader.model.outcomes import Outcome
from uploader.model.records import Unsent, lock_key
from uploader.model.settled_rows import Settlement
from uploader.pipeline.keys_of_one_contact import identity_conflicts, is_explained, updated_contacts


def confirmed(position: int, key: str, *more: str) -> ConfirmedRow:
    return ConfirmedRow(position, 0, position + 2, key, (lock_key("email", key), *more))


def values(*keys: str) -> set[str]:
    return {lock_key("email", key) for key in keys}


def test_a_key_that_comes_again_is_no_alias():
    before = UpdatedContacts(("1", "2"), (confirmed(0, "a"), confirmed(1, "b")))
    after = UpdatedContacts(("3", "1"), (confirmed(7, "c"), confirmed(8, "a")))
    assert is_explained([before, after])


def test_a_contact_that_comes_again_without_its_key_is_one():
    before = UpdatedContacts(("1", "2"), (confirmed(0, "a"), confirmed(1, "b")))
    after = UpdatedContacts(("1", "3"), (confirmed(7, "c"), confirmed(8, "d")))
    assert not is_explained([before, after])
    assert [
        (alias.row, alias.key) for alias in identity_conflicts("1", values("a", "c"), [before, after])
    ] == [
        (2, "a"),
        (9, "c"),
    ]


def test_a_contact_twice_in_one_answer_is_one():
    both = UpdatedContacts(("1", "1"), (confirmed(0, "a"), confirmed(1, "b")))
    assert not is_explained([both])


def test_a_repeated_key_does_not_hide_an_alias_beside_it():
    before = UpdatedContacts(("1", "2"), (confirmed(0, "a"), confirmed(1, "b")))
    after = UpdatedContacts(("1", "2"), (confirmed(7, "a"), confirmed(8, "c")))
    assert not is_explained([before, after])
    assert identity_conflicts("1", values("a"), [before, after]) == []
    assert [alias.key for alias in identity_conflicts("2", values("b", "c"), [before, after])] == ["b", "c"]


def test_rows_that_share_a_value_one_after_the_other_were_ordered():
    first, second = (
        UpdatedContacts(("1",), (confirmed(0, "a", "plan=x"),)),
        UpdatedContacts(("1",), (confirmed(5, "b", "plan=x"),)),
    )
    third = UpdatedContacts(("1",), (confirmed(9, "c"),))
    assert identity_conflicts("1", (), [first, second]) == []
    assert [alias.key for alias in identity_conflicts("1", (), [first, second, third])] == ["a", "b", "c"]


def test_a_key_that_the_contact_has_lost_is_noticed_unless_its_row_was_ordered():
    def by_id(position: int) -> UpdatedContacts:
        return UpdatedContacts(("1",), (ConfirmedRow(position, 0, position + 2, "k", ("external_id=k",)),))

    def by_address(*linked: str) -> UpdatedContacts:
        return UpdatedContacts(("1", "2"), (confirmed(5, "old", *linked), confirmed(6, "b")))

    held = {"external_id=k", *values("new")}
    (alias,) = identity_conflicts("1", held, [by_id(0), by_id(1), by_address()])
    assert (alias.position, alias.key) == (-1, "")
    assert identity_conflicts("1", held, [by_id(0), by_id(1), by_address("external_id=k")]) == []


def test_only_updates_are_followed_and_those_named_stand_alone():
    settlements = [
        Settlement(record(0), Outcome.CREATED, "10"),
        Settlement(record(1), Outcome.UPDATED, "11"),
        Settlement(record(2), Outcome.UPDATED),
        Settlement(record(3), Outcome.UPDATED),
        Settlement(record(4), Outcome.REJECTED),
        Settlement(Unsent(5, 0, 7, "", (), Outcome.INVALID, "", "", b""), Outcome.INVALID),
    ]
    named, nameless = updated_contacts(settlements, ["13", "12"])
    assert named.is_paired
    assert (named.ids, [row.position for row in named.rows]) == (("11",), [1])
    assert (nameless.ids, [row.position for row in nameless.rows]) == (("13", "12"), [2, 3])


@given(
    contact_of=st.lists(st.integers(0, 6), min_size=10, max_size=10),
    answers=st.lists(
        st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True), min_size=1, max_size=8
    ),
)
def test_exactly_the_contacts_that_several_keys_led_to_are_listed(contact_of, answers):
    """Key k always leads to contact `contact_of[k]`; answers name contacts only."""
    shown, position = [], 0
    for keys in answers:
        rows = [confirmed(position + place, str(key)) for place, key in enumerate(keys)]
        position += len(keys)
        shown.append(UpdatedContacts(tuple(sorted(str(contact_of[key]) for key in keys)), tuple(rows)))
    for contact in set(map(str, contact_of)):
        where = [reply for reply in shown if contact in reply.ids]
        keys = {str(key) for keys in answers for key in keys if str(contact_of[key]) == contact}
        if len(keys) > 1:
            assert not is_explained(where)
        owned = values(*(str(key) for key in range(10) if str(contact_of[key]) == contact))
        if not is_explained(where):
            rows = [row for reply in where for row in reply.rows if row.key in keys]
            listed = [alias.position for alias in identity_conflicts(contact, owned, where)]
            assert listed == ([row.position for row in rows] if len(keys) > 1 else [])
