"""Two keys of the sources that turn out to be one contact: an address and another of the same person.

No file tells, so no order can be kept between such rows; the answers tell, by the same HubSpot id.

In    sightings: one answer each, the ids of the contacts it updated and the rows that may be them. An update
      by e-mail comes back nameless, so which row is which contact is known only where there is one of each.
Out   which contacts are to be looked at, and which rows met in them.
Rule  A key always leads to the same contact. So of two answers that share contacts, as many are explained as
      they share keys; one more, and two keys have met.
      Created contacts are not followed: nothing a file holds gives them a second address, and a second key
      only in a row that closes both.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

from uploader.model.keys_of_one_contact import ConfirmedRow, IdentityConflict, Sighting
from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, display_key
from uploader.model.settlements import Settlement


def sightings(settlements: Sequence[Settlement], nameless_ids: Sequence[str]) -> list[Sighting]:
    """What one answer shows; `nameless_ids` are of the confirmed rows that it did not name.

    A row is unchanged by what was read, which another key's row may have been about to change.
    """
    found = [s for s in settlements if s.outcome in _THERE_BEFORE and isinstance(s.record, Record)]
    named = [s for s in found if s.hubspot_id]
    nameless = [s for s in found if not s.hubspot_id and s.outcome is Outcome.UPDATED]
    made = []
    if named:
        made.append(Sighting(tuple([s.hubspot_id for s in named]), _confirmed_rows(named), is_paired=True))
    if nameless and nameless_ids:
        made.append(Sighting(tuple(nameless_ids), _confirmed_rows(nameless)))
    return made


_THERE_BEFORE = frozenset({Outcome.UPDATED, Outcome.UNCHANGED})


def is_explained(seen_in: Sequence[Sighting]) -> bool:
    """Whether one key alone can have led to the contact that all of these answers name."""
    if any(len(set(sighting.ids)) < len(sighting.ids) for sighting in seen_in):
        return False  # two keys met in one answer: that makes up for one too few elsewhere
    return all(_share_as_many_keys(before, after) for before, after in pairwise(seen_in))


def identity_conflicts(
    hubspot_id: str, held: Collection[str], seen_in: Sequence[Sighting], main: str = EMAIL
) -> list[IdentityConflict]:
    """The rows that led to a contact by different keys; `held` are its unique values, as `lock_key`.

    Keys of other properties than `main` are told with its name.

    None where every row shares a value with the one before: those were written in their order.
    """
    rows = {
        row.position: row
        for sighting in seen_in
        for row in sighting.rows
        if len(sighting.rows) == 1 or row.values[0] in held
    }
    ordered = [rows[position] for position in sorted(rows)]
    if len(ordered) < 2 and _are_of_several_properties(seen_in):
        # A key of each led to it, and one of them is no longer the contact's.
        return [conflict_of_unread(hubspot_id)]
    if all(set(before.values) & set(after.values) for before, after in pairwise(ordered)):
        return []
    return [
        IdentityConflict(
            hubspot_id, row.position, row.source, row.row, display_key(row.key, row.values, main)
        )
        for row in ordered
    ]


def _are_of_several_properties(seen_in: Sequence[Sighting]) -> bool:
    names = {row.values[0].partition("=")[0] for sighting in seen_in for row in sighting.rows}
    return len(names) > 1


def conflict_of_unread(hubspot_id: str) -> IdentityConflict:
    """For a contact that could not be read."""
    return IdentityConflict(hubspot_id, -1, 0, 0, "")


def _share_as_many_keys(before: Sighting, after: Sighting) -> bool:
    ids = set(before.ids) & set(after.ids)
    keys = {row.values[0] for row in before.rows} & {row.values[0] for row in after.rows}
    return len(ids) <= len(keys)


def _confirmed_rows(settlements: Sequence[Settlement]) -> tuple[ConfirmedRow, ...]:
    rows = [s.record for s in settlements]
    return tuple([ConfirmedRow(row.position, row.source, row.row, row.key, row.values) for row in rows])
