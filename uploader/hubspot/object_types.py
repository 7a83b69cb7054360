"""HubSpot's object types by name or id: their words, and what only contacts have."""

from typing import NamedTuple

from uploader.model.records import DOMAIN

#: Only contacts have unique addresses: in other types `email` is a text like any other.
_CONTACTS = frozenset({"contacts", "0-1"})


_COMPANIES = frozenset({"companies", "0-2"})


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


def is_searched(object_type: str, name: str) -> bool:
    """Whether records are matched by a property that is not unique, so that only a search finds who has it:
    companies by their domain.
    """
    return object_type in _COMPANIES and name == DOMAIN


def type_id(object_type: str) -> str:
    """The id of an object type, for paths and links; "" for a custom object given by name."""
    return TYPE_IDS.get(object_type, object_type if object_type[:1].isdigit() else "")


#: https://developers.hubspot.com/docs/guides/api/crm/understanding-the-crm
TYPE_IDS = {"contacts": "0-1", "companies": "0-2", "deals": "0-3", "tickets": "0-5"}


def type_name(object_type: str) -> str:
    """The name of an object type that is given by name or id; of a custom object what is given."""
    return _NAMES.get(object_type, object_type)


_NAMES = {type_id: name for name, type_id in TYPE_IDS.items()}


def noun(object_type: str) -> Noun:
    """The word for records of a type; "record" for custom objects."""
    return _NOUNS.get(object_type, Noun("record", "records"))
