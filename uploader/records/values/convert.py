"""A value converted to HubSpot's form, by its property's type.

In    the text of one value, trimmed and not blank; what HubSpot says of the property; the user's rules.
Out   the text to send; a text that HubSpot accepts stays as it is. Else a `Fault`, whose reason continues the
      sentence that names the value.
Raise nothing because of a value.
Rules Without a schema nothing is converted. Text and phone numbers stay as they are. A value with one meaning
      is converted; one with two is refused, with what to do; see `datetimes`, `numbers`, `options`, and
      `hubspot.owner_lookup`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from uploader.hubspot.schema import Schema
from uploader.hubspot.stage_lookup import STAGES, Pipelines
from uploader.model.records import DOMAIN, OWN_ID
from uploader.model.rows import Fault
from uploader.records.columns import MappingError, Rules
from uploader.records.values.datetimes import as_date, as_moment
from uploader.records.values.lists import convert_parts
from uploader.records.values.numbers import as_number, as_own_number
from uploader.records.values.options import BOOLEANS, option_finder
from uploader.records.values.respellings import bare_domain

#: Converts a value's text to the text that is sent.
Converter = Callable[[str], str | Fault]

Value = TypeVar("Value")

#: HubSpot's limit for a text.
MOST_CHARACTERS = 65_536

#: Texts that are remembered with what became of them, by column, and how long they may be.
_REMEMBERED, _SHORT = 4_096, 200
_TYPES = frozenset({"date", "datetime", "number", "bool"})


def is_converted(name: str, schema: Schema | None) -> bool:
    """Whether the values of a property may need another spelling."""
    if schema is None or name not in schema.kinds:
        return False
    if name in schema.staged:
        return schema.pipelines is not None
    kind = schema.kinds[name]
    return kind.type in _TYPES or kind.is_boolean or name in schema.owned or bool(schema.options.get(name))


def converter(name: str, column: str, schema: Schema | None, rules: Rules) -> Converter | None:
    """Return the function that converts the values of a column; None if they stay as they are."""
    is_key = name == rules.id_property and (rules.is_by_own_id or rules.is_searched)
    as_key = _AS_KEY[name] if is_key else None
    if as_key is not None or schema is None or not is_converted(name, schema):
        return as_key
    kind = schema.kinds[name]
    if name in schema.staged or name in schema.owned:
        return _finder(name, schema, rules)
    if kind.type == "number":
        read_number = as_own_number if rules.has_numbers else as_number
        return partial(read_number, decimal=setting_of(column, rules.decimals))
    if kind.type == "bool":
        labels = {option.label.casefold(): option.value for option in schema.options.get(name, ())}
        return partial(_as_boolean, spellings={**BOOLEANS, **labels})
    if kind.type == "enumeration":
        reading = setting_of(column, rules.option_readings)
        return _remembering(option_finder(kind, schema.options.get(name, ()), reading))
    read = as_date if kind.type == "date" else as_moment
    order, zone = setting_of(column, rules.date_orders), setting_of(column, rules.timezones)
    return _remembering(partial(read, order=order, zone=find_zone(zone) if zone else None))


def _finder(name: str, schema: Schema, rules: Rules) -> Converter:
    """The function that finds what a column's values name: owners, pipelines or stages."""
    if name in schema.staged and schema.pipelines is not None:
        pipelines = schema.pipelines
        return StageConverter(pipelines, STAGES[name]) if name in STAGES else pipelines.find
    convert: Converter = partial(_as_owner, schema=schema, known=_folded(rules.owner_map))
    return _remembering(
        partial(convert_parts, convert=convert) if schema.kinds[name].is_multiple else convert
    )


@dataclass(frozen=True, slots=True)
class StageConverter:
    """Converts the stage of a pipeline. A row may name the pipeline, too: rows are given in pairs."""

    pipelines: Pipelines
    pipeline_property: str

    def __call__(self, text: str, pipeline: str | None = "") -> str | Fault:
        return self.pipelines.find_stage(text, pipeline)


def setting_of(column: str, table: Mapping[str, Value]) -> Value | None:
    """Return the user's setting for a column, else the one for all columns."""
    return table.get(column, table.get(""))


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone of that name. MappingError if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise MappingError(f"--timezone {name!r} is not a time zone such as Europe/Berlin or UTC") from error


#: Of a column's values: whatever is not blank.
ANY = "*"


def is_yes(text: str, values: tuple[str, ...]) -> bool | None:
    """Whether a cell has one of these values, in any case; without any values, whether it is a usual yes.

    None if it is neither a usual yes nor a usual no.
    """
    word = text.strip().casefold()
    if not word:
        return False
    if not values:
        meaning = BOOLEANS.get(word)
        return None if meaning is None else meaning == "true"
    return ANY in values or any(word == value.strip().casefold() for value in values)


#: Of a column that tells who has agreed: a usual no, or a blank.
NO = "no"


def lacks_consent(text: str, values: tuple[str, ...]) -> bool | None:
    """Whether a cell says that somebody has not agreed: it has one of these values.

    The value `no` is any usual no, and a blank. Alone, it leaves None for what is neither a yes nor a no.
    """
    given = {value.strip().casefold() for value in values}
    if NO not in given:
        return is_yes(text, values)
    word = text.strip().casefold()
    meaning = BOOLEANS.get(word)
    if not word or meaning == "false" or word in given or ANY in given:
        return True
    return None if meaning is None and given == {NO} else False


def text_fault(text: str) -> Fault | None:
    """Return what makes a text unfit for any property, or None."""
    if "\0" in text:
        return Fault("holds a NUL byte", "TEXT")
    if len(text) > MOST_CHARACTERS:
        return Fault(f"has {len(text):,} characters; HubSpot accepts {MOST_CHARACTERS:,}", "TEXT")
    return None if is_text(text) else Fault("holds half of a surrogate pair, which is not valid text", "TEXT")


def is_text(text: str) -> bool:
    """Whether the text can be encoded in UTF-8."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def _remembering(convert: Converter) -> Converter:
    remembered = lru_cache(_REMEMBERED)(convert)

    def convert_once(text: str) -> str | Fault:
        return remembered(text) if len(text) <= _SHORT else convert(text)

    return convert_once


def _as_own_id(text: str) -> str | Fault:
    """An id without leading zeros, so that two rows of one record have the same key."""
    if text.isascii() and text.isdecimal():
        return text.lstrip("0") or text
    return Fault(
        "is no id of a record: HubSpot's own ids are whole numbers, such as 171596044870", "RECORD_ID"
    )


def _as_domain(text: str) -> str | Fault:
    """A domain as HubSpot keeps it, so that two rows of one company have the same key."""
    domain = bare_domain(text)
    if _DOMAIN.fullmatch(domain):
        return domain
    return Fault("is no domain of a company, such as example.com", "DOMAIN")


_DOMAIN = re.compile(r"(?=.{4,253}$)[^\s@/,;:.]+(\.[^\s@/,;:.]+)+")
#: Keys that are no values like others.
_AS_KEY: Mapping[str, Converter] = {OWN_ID: _as_own_id, DOMAIN: _as_domain}


def _as_boolean(text: str, spellings: Mapping[str, str]) -> str | Fault:
    return spellings.get(text.casefold()) or Fault("is neither true nor false", "BOOLEAN")


def _as_owner(text: str, schema: Schema, known: Mapping[str, str]) -> str | Fault:
    meant = known.get(text.casefold(), text)
    if not meant:
        return ""  # no owner, as the user maps it
    if schema.owners is not None:
        found = schema.owners.find(meant)
        if isinstance(found, Fault) and meant != text:
            return Fault(f"is mapped to {meant!r} by --owner-map, which {found.reason}", found.category)
        return found
    if meant.isdecimal():
        return meant
    return Fault(
        "is not the id of an owner, and the account's owners could not be read: give the token the scope "
        f"{schema.owners_scope}, or map owners to ids with --owner-map",
        "OWNER",
    )


def _folded(owner_map: Mapping[str, str]) -> dict[str, str]:
    return {theirs.casefold(): ours for theirs, ours in owner_map.items()}
