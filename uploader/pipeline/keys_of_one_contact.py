"""Keys of the sources that turn out to be one contact, such as two addresses of the same person.

No file shows this, so the order of such rows cannot be kept. The replies show it, by the same HubSpot id.

In    for each reply, the ids of the contacts it updated and the rows that may be them. A reply to an update
      by e-mail does not show the key, so the row of a contact is certain only if there is one of each.
Out   which contacts have to be examined, and which rows met in them.
Rule  A key always leads to the same contact. So two replies may share as many contacts as they share keys; if
      they share more, two keys led to one contact.
      Created contacts are not followed: no row gives them a second address, and only a row with both keys
      gives them a second key.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

from uploader.model.keys_of_one_contact import ConfirmedRow, IdentityConflict, UpdatedContacts
from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, display_key
from uploader.model.settled_rows import Settlement


def updated_contacts(settlements: Sequence[Settlement], nameless_ids: Sequence[str]) -> list[UpdatedContacts]:
    """Return what one reply shows. `nameless_ids`: ids of confirmed rows for which the reply does not say
    which row is which.

    An unchanged row counts, too: a row with another key may have been about to change what was read.
    """
    found = [s for s in settlements if s.outcome in _THERE_BEFORE and isinstance(s.record, Record)]
    named = [s for s in found if s.hubspot_id]
    nameless = [s for s in found if not s.hubspot_id and s.outcome is Outcome.UPDATED]
    made = []
    if named:
        made.append(
            UpdatedContacts(tuple([s.hubspot_id for s in named]), _confirmed_rows(named), is_paired=True)
        )
    if nameless and nameless_ids:
        made.append(UpdatedContacts(tuple(nameless_ids), _confirmed_rows(nameless)))
    return made


_THERE_BEFORE = frozenset({Outcome.UPDATED, Outcome.UNCHANGED})


def is_explained(replies: Sequence[UpdatedContacts]) -> bool:
    """Whether one key alone can have led to the contact that all of these replies name."""
    if any(len(set(reply.ids)) < len(reply.ids) for reply in replies):
        return False  # two keys met in one reply, which hides one too few elsewhere
    return all(_share_as_many_keys(before, after) for before, after in pairwise(replies))


def identity_conflicts(
    hubspot_id: str, held: Collection[str], replies: Sequence[UpdatedContacts], main: str = EMAIL
) -> list[IdentityConflict]:
    """Return the rows that led to a contact by different keys. `held`: lock keys of the contact.

    Keys of another property than `main` are shown with its name. Returns nothing if every row shares a value
    with the one before: then the rows were written in order.
    """
    rows = {
        row.position: row
        for reply in replies
        for row in reply.rows
        if len(reply.rows) == 1 or row.lock_keys[0] in held
    }
    ordered = [rows[position] for position in sorted(rows)]
    if _are_of_several_properties(replies) and (len(ordered) < 2 or _has_lost_a_key(held, replies)):
        # A key of each led to it, and one of them is no longer the contact's.
        return [conflict_of_unread(hubspot_id)]
    if all(set(before.lock_keys) & set(after.lock_keys) for before, after in pairwise(ordered)):
        return []
    return [
        IdentityConflict(
            hubspot_id, row.position, row.source, row.row, display_key(row.key, row.lock_keys, main)
        )
        for row in ordered
    ]


def _are_of_several_properties(replies: Sequence[UpdatedContacts]) -> bool:
    names = {row.lock_keys[0].partition("=")[0] for reply in replies for row in reply.rows}
    return len(names) > 1


def _has_lost_a_key(held: Collection[str], replies: Sequence[UpdatedContacts]) -> bool:
    """Whether some reply names the contact, and none of its rows can be one of the contact as it is now."""
    return any(
        len(reply.rows) > 1 and all(set(held).isdisjoint(row.lock_keys) for row in reply.rows)
        for reply in replies
    )


def conflict_of_unread(hubspot_id: str) -> IdentityConflict:
    """The identity conflict of a contact that could not be read."""
    return IdentityConflict(hubspot_id, -1, 0, 0, "")


def _share_as_many_keys(before: UpdatedContacts, after: UpdatedContacts) -> bool:
    ids = set(before.ids) & set(after.ids)
    keys = {row.lock_keys[0] for row in before.rows} & {row.lock_keys[0] for row in after.rows}
    return len(ids) <= len(keys)


def _confirmed_rows(settlements: Sequence[Settlement]) -> tuple[ConfirmedRow, ...]:
    rows = [s.record for s in settlements]
    return tuple([ConfirmedRow(row.position, row.source, row.row, row.key, row.lock_keys) for row in rows])
