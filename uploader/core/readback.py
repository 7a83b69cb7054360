"""What a read tells of records: which contact is theirs, and whether it holds what they asked for.

Reading only tells; a difference is no refusal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from uploader.core.comparing import Kind, Match, compare
from uploader.core.error_objects import ErrorObject
from uploader.core.model import EMAIL, Record, closed_value
from uploader.core.wire import Result, sent_properties

#: Where HubSpot keeps a contact's further addresses, separated by semicolons.
OTHER_ADDRESSES = "hs_additional_emails"


def wanted_properties(records: Sequence[Record]) -> list[str]:
    """What a read has to ask for to judge these records."""
    names = {name for record in records for name in sent_properties(record)}
    return also_other_addresses(names | {record.id_property for record in records})


def also_other_addresses(names: Collection[str]) -> list[str]:
    """Who asks for an address asks for all of them. Types of objects that have none leave it out."""
    return sorted({*names, OTHER_ADDRESSES} if EMAIL in names else names)


def confirmed_by(
    record: Record,
    found: Sequence[Result],
    accepted_at: float | None = None,
    kinds: Mapping[str, Kind] = MappingProxyType({}),
) -> Result | None:
    """The object that holds all the record asked for, if one of `found` does.

    `accepted_at`: when HubSpot took the record on. What was not touched since held these values before, and
    the write may be yet to come. `kinds` are of the properties, by name, as far as known.
    """
    for result in found:
        if not _is_of(record, result) or not _holds(sent_properties(record), result.properties, kinds):
            continue
        updated_at = result.updated_at
        if accepted_at is None or updated_at is None or updated_at >= accepted_at:
            return result
    return None


def match(
    records: Sequence[Record], results: Sequence[Result], errors: Sequence[ErrorObject]
) -> tuple[list[tuple[Record, Result | None]], list[Record]]:
    """Each record's contact, None where the answer says that there is none; and whom it leaves out.

    Never by position. The records are of one id property.
    """
    names = {record.id_property for record in records}
    held: dict[str, Result] = {}
    for result in results:
        for value in unique_values(result, names):
            held.setdefault(value, result)
    gone = {key.strip().lower() for error in errors for key in error.ids}
    found: list[tuple[Record, Result | None]] = []
    left_out: list[Record] = []
    for record in records:
        contact = held.get(record.values[0])
        if contact is not None or record.key.strip().lower() in gone:
            found.append((record, contact))
        else:
            left_out.append(record)
    return found, left_out


def unique_values(result: Result, names: Iterable[str]) -> set[str]:
    """What an object can be found by, as `closed_value` spells it; with `email` all its addresses."""
    held = [(name, _text(result.properties.get(name))) for name in names]
    if any(name == EMAIL for name, _ in held):
        held += [(EMAIL, text) for text in _text(result.properties.get(OTHER_ADDRESSES)).split(";")]
    return {closed_value(name, text) for name, text in held if text}


def _is_of(record: Record, result: Result) -> bool:
    return record.values[0] in unique_values(result, [record.id_property])


def _holds(wanted: Mapping[str, str], held: Mapping[str, object], kinds: Mapping[str, Kind]) -> bool:
    return all(
        compare(name, kinds.get(name, Kind()), text, _text(held.get(name))).match is not Match.DIFFERS
        for name, text in wanted.items()
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
