"""Contacts as they would be after the rows before: simulated ids, and the values that HubSpot has now."""

from collections.abc import Mapping

from uploader.hubspot.replies import Result

_PREFIX = "preview:"


def simulated_id(number: int) -> str:
    """A simulated id, for a contact that the job would create."""
    return f"{_PREFIX}{number}"


def is_simulated(contact: str) -> bool:
    return contact.startswith(_PREFIX)


class SimulatedResult(Result, frozen=True, gc=False):
    """A contact as it would be after the rows before, with the values that HubSpot has now."""

    in_hubspot: Mapping[str, object] = {}  #: none of a contact that the job would create


def in_hubspot(held: Result | None) -> Mapping[str, object]:
    """The values of a contact that HubSpot has now."""
    if held is None:
        return {}
    return held.in_hubspot if isinstance(held, SimulatedResult) else held.properties
