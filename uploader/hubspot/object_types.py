"""What HubSpot's types of objects are called, and what only contacts have. By name, or by id as in paths."""

from typing import NamedTuple

#: Only contacts have addresses, which are unique over all of them: elsewhere `email` is text like any other.
_CONTACTS = frozenset({"contacts", "0-1"})


class Noun(NamedTuple):
    one: str
    many: str


_NOUNS = {
    "contacts": Noun("contact", "contacts"),
    "0-1": Noun("contact", "contacts"),
    "companies": Noun("company", "companies"),
    "0-2": Noun("company", "companies"),
    "deals": Noun("deal", "deals"),
    "0-3": Noun("deal", "deals"),
    "tickets": Noun("ticket", "tickets"),
    "0-5": Noun("ticket", "tickets"),
}


def are_contacts(object_type: str) -> bool:
    return object_type in _CONTACTS


def type_id(object_type: str) -> str:
    """Its id, as in paths and links; "" of a custom object that is called by its name."""
    return TYPE_IDS.get(object_type, object_type if object_type[:1].isdigit() else "")


#: https://developers.hubspot.com/docs/guides/api/crm/understanding-the-crm
TYPE_IDS = {"contacts": "0-1", "companies": "0-2", "deals": "0-3", "tickets": "0-5"}


def noun(object_type: str) -> Noun:
    """The word for its records; custom objects' own is not known here."""
    return _NOUNS.get(object_type, Noun("record", "records"))
