"""What a read tells of records: which contact is theirs, and whether it holds what they asked for.

Reading only tells; a difference is no refusal. Only OBJECT_NOT_FOUND says that something is not there: what
another error names, and what nothing names, is unknown.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.schema import Kind
from uploader.hubspot.wire import Result, sent_properties
from uploader.model.records import EMAIL, Record, lock_key
from uploader.records.values.compare import Match, compare

#: Where HubSpot keeps a contact's further addresses, separated by semicolons.
OTHER_ADDRESSES = "hs_additional_emails"
#: How a record says which others were merged into it; the second one of contacts only.
MERGED_IDS = ("hs_merged_object_ids", "hs_all_contact_vids")


def wanted_properties(records: Sequence[Record]) -> list[str]:
    """What a read has to ask for to judge these records."""
    names = {name for record in records for name in sent_properties(record)}
    return with_other_addresses(names | {record.id_property for record in records})


def with_other_addresses(names: Collection[str]) -> list[str]:
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


class Answer(StrEnum):
    """What a read's answer says of one key."""

    HELD = "held"
    ABSENT = "absent"  #: HubSpot says that there is no such object
    AGAIN = "ask again"  #: a transient error, a contradiction, or nothing at all
    UNKNOWN = "unknown"  #: an error that another try won't change, and that doesn't say "absent"


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    answer: Answer
    held: Result | None = None
    why: str = ""  #: of AGAIN and UNKNOWN, as far as HubSpot says it

    @property
    def is_definite(self) -> bool:
        return self.answer in {Answer.HELD, Answer.ABSENT}


def answers_for(
    id_property: str, keys: Iterable[str], results: Sequence[Result], errors: Sequence[ErrorObject]
) -> list[KeyAnswer]:
    """What an answer says of each key that was asked for, in their order. `id_property` "": HubSpot's ids.

    The one place that says which objects are absent. Never by position.
    """
    held = _holders(id_property, results)
    blamed: dict[str, list[ErrorObject]] = {}
    for error in errors:
        for key in error.ids:
            blamed.setdefault(lock_key(id_property, key), []).append(error)
    values = [lock_key(id_property, key) for key in keys]
    return [_answer_of(held.get(value, ()), blamed.get(value, ())) for value in values]


def _answer_of(held: Sequence[Result], errors: Sequence[ErrorObject]) -> KeyAnswer:
    for error in errors:
        if error.is_transient:
            return KeyAnswer(Answer.AGAIN, why=error.code)
    if len(held) > 1 or (held and errors):
        return KeyAnswer(Answer.AGAIN, why="the answer contradicts itself")
    if held:
        return KeyAnswer(Answer.HELD, held[0])
    for error in errors:
        if not error.is_not_found:
            return KeyAnswer(Answer.UNKNOWN, why=error.code)
    return KeyAnswer(Answer.ABSENT) if errors else KeyAnswer(Answer.AGAIN)


def _holders(id_property: str, results: Sequence[Result]) -> dict[str, list[Result]]:
    """By unique value, what an answer shows of it: more than one where it contradicts itself.

    A contact whose primary address it is comes before one that has it as a further address. One that was
    merged into another is shown by that one.
    """
    first: dict[str, list[Result]] = {}
    further: dict[str, list[Result]] = {}
    for result in results:
        own = result.id if not id_property else _text(result.properties.get(id_property))
        main = lock_key(id_property, own)
        values = unique_values(result, [id_property]) if id_property else _own_ids(result)
        for value in values if result.id else ():
            holders = (first if value == main else further).setdefault(value, [])
            if result not in holders:
                holders.append(result)
    return further | first


def merged_ids(result: Result) -> set[str]:
    """The ids of the records that were merged into one, where `MERGED_IDS` were asked for."""
    parts = (part for name in MERGED_IDS for part in _text(result.properties.get(name)).split(";"))
    return {part.partition(":")[0].strip() for part in parts} - {"", result.id}


def _own_ids(result: Result) -> set[str]:
    return {lock_key("", one) for one in {result.id, *merged_ids(result)}}


def keys_to_retry(keys: Iterable[str], errors: Sequence[ErrorObject]) -> list[str]:
    """The keys that an error names which passes by itself: they are to be asked for again."""
    named = {lock_key("", key) for error in errors if error.is_transient for key in error.ids}
    return [key for key in keys if lock_key("", key) in named]


def match(
    records: Sequence[Record], results: Sequence[Result], errors: Sequence[ErrorObject]
) -> tuple[list[tuple[Record, Result | None]], dict[int, str]]:
    """Each record's contact, None where the answer says that there is none; and of whom it doesn't tell
    either, by position, with what HubSpot says of the reason ("" for nothing).

    The records are of one id property.
    """
    found: list[tuple[Record, Result | None]] = []
    unknown: dict[int, str] = {}
    if records:
        keys = [record.key for record in records]
        for record, one in zip(
            records, answers_for(records[0].id_property, keys, results, errors), strict=True
        ):
            if one.is_definite:
                found.append((record, one.held))
            else:
                unknown[record.position] = one.why
    return found, unknown


def with_reason(text: str, why: str) -> str:
    """What is said of an object that no answer tells of."""
    return f"{text} ({why})" if why else text


def unique_values(result: Result, names: Iterable[str]) -> set[str]:
    """What an object can be found by, as `lock_key` spells it; with `email` all its addresses."""
    held = [(name, _text(result.properties.get(name))) for name in names]
    if any(name == EMAIL for name, _ in held):
        held += [(EMAIL, text) for text in _text(result.properties.get(OTHER_ADDRESSES)).split(";")]
    return {lock_key(name, text) for name, text in held if text}


def _is_of(record: Record, result: Result) -> bool:
    return record.values[0] in unique_values(result, [record.id_property])


def _holds(wanted: Mapping[str, str], held: Mapping[str, object], kinds: Mapping[str, Kind]) -> bool:
    return all(
        compare(name, kinds.get(name, Kind()), text, _text(held.get(name))).match is not Match.DIFFERS
        for name, text in wanted.items()
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
