"""Finds the owner in HubSpot that a text names.

In    the pages of the owners endpoint, those of archived owners included.
Out   an owner's id, found by id, e-mail address or name; else a `Fault` whose reason completes a sentence
      that begins with the text.
Raise nothing.
Rules A name that two people share finds none. Of two entries with one address the active one is found.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/owners/guide
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from uploader.model.rows import Fault

#: Stands in a drafted owner map for the owner that the user has to fill in.
OWNER_TO_FILL_IN = "OWNER"

#: Owners of one name that are listed.
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Owner:
    """One entry of the owners endpoint."""

    id: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    archived: bool = False
    user_ids: tuple[str, ...] = ()  #: the same person's user ids, which look like owner ids and are none


class Owners:
    """The owners of an account, searchable by id, address and name."""

    def __init__(self, owners: Iterable[Owner]) -> None:
        listed = sorted(owners, key=lambda owner: owner.archived)
        self.active = tuple(owner for owner in listed if not owner.archived)
        self.ids = frozenset(owner.id for owner in listed)
        self._user_ids = frozenset(id_ for owner in listed for id_ in owner.user_ids)
        self._by_address: dict[str, Owner] = {}
        self._by_name: dict[str, list[Owner]] = {}
        for owner in listed:
            if owner.email:
                self._by_address.setdefault(owner.email.casefold(), owner)
            for name in _names(owner):
                self._by_name.setdefault(name, []).append(owner)

    def find(self, text: str) -> str | Fault:
        """The id of the owner that a text names."""
        if text in self.ids:
            return text
        if text.isdecimal():
            kind = (
                "is the id of a user, not of an owner"
                if text in self._user_ids
                else "is not the id of an owner"
            )
            return Fault(kind, "OWNER")
        if "@" in text:
            owner = self._by_address.get(text.casefold())
            return owner.id if owner else Fault("is not the address of an owner", "OWNER")
        if several := self.namesakes(text):
            who = owners_text(several)
            return Fault(
                f"is the name of several owners ({who}): map it to one of them with --owner-map", "OWNER"
            )
        named = self._by_name.get(_bare(text), [])
        return named[0].id if named else Fault("is not the name of an owner", "OWNER")

    def namesakes(self, text: str) -> tuple[Owner, ...]:
        """The owners that a name may mean, if there are several."""
        found: dict[str, Owner] = {}
        for owner in self._by_name.get(_bare(text), []):
            found.setdefault(owner.email.casefold() or owner.id, owner)
        return tuple(found.values()) if len(found) > 1 else ()


def owners_text(owners: Sequence[Owner]) -> str:
    """Owners by their ids and addresses, such as `4711 ann@x.com, 4712 ann@y.com`."""
    shown = (
        " ".join(filter(None, (one.id, one.email, "(archived)" if one.archived else "")))
        for one in owners[:_MOST_SHOWN]
    )
    more = f" and {len(owners) - _MOST_SHOWN} more" if len(owners) > _MOST_SHOWN else ""
    return ", ".join(shown) + more


def decode_owners(body: Mapping[str, object]) -> tuple[list[Owner], str]:
    """The owners of a page of the owners endpoint, and the next page's cursor, "" after the last.

    Malformed entries are ignored.
    """
    results = body.get("results")
    entries = [e for e in results if isinstance(e, dict)] if isinstance(results, list) else []
    owners = [
        Owner(
            str(entry["id"]),
            _text(entry, "email"),
            _text(entry, "firstName"),
            _text(entry, "lastName"),
            entry.get("archived") is True,
            tuple(str(entry[name]) for name in ("userId", "userIdIncludingInactive") if entry.get(name)),
        )
        for entry in entries
        if isinstance(entry.get("id"), str | int)
    ]
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    return owners, str(after or "")


def _text(entry: Mapping[str, object], name: str) -> str:
    value = entry.get(name)
    return value.strip() if isinstance(value, str) else ""


def _names(owner: Owner) -> set[str]:
    """The spellings of an owner's name: `First Last` and `Last, First`."""
    first, last = owner.first_name, owner.last_name
    return {
        name
        for name in (_bare(f"{first} {last}"), _bare(f"{last}, {first}") if first and last else "")
        if name
    }


def _bare(name: str) -> str:
    return " ".join(name.split()).casefold()
