"""What a read says of records: which contact is theirs, and whether it holds what was sent.

A difference is no refusal. Only OBJECT_NOT_FOUND means that a contact is absent; a contact that another error
names, or that nothing names, is unknown.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.replies import Result
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Kind
from uploader.model.records import EMAIL, OWN_ID, Record, lock_key
from uploader.pipeline.value_authors import is_of_app
from uploader.records.values.compare import compare, may_be_respelled

#: Where HubSpot keeps a contact's further addresses, separated by semicolons.
OTHER_ADDRESSES = "hs_additional_emails"
#: Properties that name the records merged into one; the second exists only for contacts.
MERGED_IDS = ("hs_merged_object_ids", "hs_all_contact_vids")


def wanted_properties(records: Sequence[Record]) -> list[str]:
    """Return the properties that a read must ask for to judge these records."""
    names = {name for record in records for name in sent_properties(record)}
    return with_other_keys(names | {record.id_property for record in records})


def with_other_keys(names: Collection[str]) -> list[str]:
    """Add the properties of further addresses if `email` is among the names, and those of merged records if
    HubSpot's own id is. Object types without them ignore them.
    """
    addresses = {OTHER_ADDRESSES} if EMAIL in names else frozenset[str]()
    merged = MERGED_IDS if OWN_ID in names else ()
    return sorted({*names, *addresses, *merged})


def confirmed_by(
    record: Record,
    found: Sequence[Result],
    accepted_at: float | None = None,
    kinds: Mapping[str, Kind] = MappingProxyType({}),
) -> Result | None:
    """Return the object of `found` that holds all that the record asked for, or None.

    `accepted_at`: when HubSpot accepted the record. An object not changed since then held these values
    before, so the write may still be to come. `kinds`: of the properties, by name, as far as known.
    """
    for result in found:
        if not _is_of(record, result) or not _holds(sent_properties(record), result.properties, kinds):
            continue
        updated_at = result.updated_at
        if accepted_at is None or updated_at is None or updated_at >= accepted_at:
            return result
    return None


def in_question(
    record: Record, held: Result, accepted_at: float | None, kinds: Mapping[str, Kind]
) -> list[str]:
    """Return the properties whose history has to show whether the record was written: those that may hold
    what was sent in a form of HubSpot's own. None of them if others differ, or nothing was written since.
    """
    if accepted_at is None or not _is_of(record, held) or (held.updated_at or 0.0) < accepted_at:
        return []
    wanted = sent_properties(record)
    found = {name: _text(held.properties.get(name)) for name in wanted}
    differing = [name for name in wanted if not _holds({name: wanted[name]}, found, kinds)]
    may_be_held = all(
        may_be_respelled(name, kinds.get(name, Kind()), wanted[name], found[name]) for name in differing
    )
    return differing if may_be_held else []


def confirmed_by_history(names: Sequence[str], held: Result, accepted_at: float, app: str) -> bool:
    """Whether our app wrote all these properties since HubSpot accepted the record. `app`: its id; "", if it
    is not known, confirms nothing, for any app may have written such a value.
    """
    latest = [held.latest(name) for name in names]
    return bool(names and app) and all(
        one and is_of_app(one, app) and (one.at or 0.0) >= accepted_at for one in latest
    )


class Answer(StrEnum):
    """What a read says of one key."""

    HELD = "held"
    ABSENT = "absent"  #: HubSpot says that there is no such object
    AGAIN = "ask again"  #: a transient error, a contradiction, or nothing at all
    UNKNOWN = "unknown"  #: an error that another try won't change, and that doesn't say "absent"


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """What a read says of one key, with the object that has it."""

    answer: Answer
    held: Result | None = None
    why: str = ""  #: of AGAIN and UNKNOWN, as far as HubSpot says it

    @property
    def is_definite(self) -> bool:
        return self.answer in {Answer.HELD, Answer.ABSENT}


def answers_for(
    id_property: str, keys: Iterable[str], results: Sequence[Result], errors: Sequence[ErrorObject]
) -> list[KeyAnswer]:
    """Return the answer for each key that was asked for, in their order.

    `id_property` "" or OWN_ID: the keys are HubSpot's own ids.

    Only this function decides that an object is absent. Nothing is matched by position.
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
    """Return the results that have each unique value; several if the reply contradicts itself.

    A contact with the address as its primary one comes before a contact with it as a further address. A
    merged contact is represented by the one it was merged into.
    """
    first: dict[str, list[Result]] = {}
    further: dict[str, list[Result]] = {}
    for result in results:
        is_by_id = id_property in {"", OWN_ID}
        main = lock_key(id_property, result.id if is_by_id else _text(result.properties.get(id_property)))
        values = _own_ids(result, id_property) if is_by_id else unique_values(result, [id_property])
        for value in values if result.id else ():
            holders = (first if value == main else further).setdefault(value, [])
            if result not in holders:
                holders.append(result)
    return further | first


def merged_ids(result: Result) -> set[str]:
    """Return the ids of the records merged into one. `MERGED_IDS` must have been asked for."""
    parts = (part for name in MERGED_IDS for part in _text(result.properties.get(name)).split(";"))
    return {part.partition(":")[0].strip() for part in parts} - {"", result.id}


def _own_ids(result: Result, name: str) -> set[str]:
    return {lock_key(name, one) for one in {result.id, *merged_ids(result)}}


def keys_to_retry(keys: Iterable[str], errors: Sequence[ErrorObject]) -> list[str]:
    """Return the keys that a transient error names."""
    named = {lock_key("", key) for error in errors if error.is_transient for key in error.ids}
    return [key for key in keys if lock_key("", key) in named]


def match(
    records: Sequence[Record], results: Sequence[Result], errors: Sequence[ErrorObject]
) -> tuple[list[tuple[Record, Result | None]], dict[int, str]]:
    """Return each record with its contact, or None if HubSpot has none; and by position the records that the
    reply says nothing of, with HubSpot's reason ("" for none).

    The records have one id property.
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
    """Return a text about an object that no reply covers, with the reason if there is one."""
    return f"{text} ({why})" if why else text


def unique_values(result: Result, names: Collection[str]) -> set[str]:
    """Return the lock keys by which an object can be found; for `email`, those of all its addresses; for
    HubSpot's own id, also those of the records merged into it.
    """
    held = [(name, _text(result.properties.get(name))) for name in names]
    if any(name == EMAIL for name, _ in held):
        held += [(EMAIL, text) for text in _text(result.properties.get(OTHER_ADDRESSES)).split(";")]
    own = _own_ids(result, OWN_ID) if OWN_ID in names else set[str]()
    return {lock_key(name, text) for name, text in held if text} | own


def _is_of(record: Record, result: Result) -> bool:
    return record.lock_keys[0] in unique_values(result, [record.id_property])


def _holds(wanted: Mapping[str, str], held: Mapping[str, object], kinds: Mapping[str, Kind]) -> bool:
    return all(
        compare(name, kinds.get(name, Kind()), text, _text(held.get(name))).is_same
        for name, text in wanted.items()
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
