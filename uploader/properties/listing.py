"""The properties of an object type as a list, and which of them a word names.

In    the entries of the properties endpoint, and the `Schema` decoded from them.
Out   `ListedProperty` values, by name.
Raise nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from uploader.hubspot.schema import Option, Schema
from uploader.hubspot.stage_lookup import PIPELINES
from uploader.model.records import EMAIL
from uploader.records.known_headers import bare


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProperty:
    """One property of the account."""

    name: str
    label: str
    type: str
    field_type: str  #: how HubSpot's forms show it
    group: str
    #: None: the property lists none, since it is no enumeration or the options are owners,
    #: pipelines or stages
    options: tuple[Option, ...] | None
    holds: str  #: "owners", "pipelines" or "stages" if the values are their ids; else ""
    is_unique: bool
    is_read_only: bool
    is_hidden: bool
    sensitivity: str  #: "" for properties that are not sensitive
    is_custom: bool  #: not defined by HubSpot

    def is_named_by(self, word: str) -> bool:
        """Whether the name or label holds a word; case and, for a whole phrase, punctuation do not count."""
        texts = (self.name, self.label)
        plain = bare(word)
        return any(word.casefold() in text.casefold() for text in texts) or (
            plain != "" and any(plain in bare(text) for text in texts)
        )


def listed_properties(
    entries: Iterable[object], schema: Schema, *, has_addresses: bool
) -> list[ListedProperty]:
    """All properties by name. `has_addresses`: the type is contacts, whose `email` is always unique."""
    named = {str(e["name"]): e for e in entries if isinstance(e, dict) and isinstance(e.get("name"), str)}
    return [
        ListedProperty(
            name=name,
            label=schema.labels[name],
            type=schema.kinds[name].type,
            field_type=_text(entry, "fieldType"),
            group=_text(entry, "groupName"),
            options=schema.options.get(name),
            holds=_holds(name, schema),
            is_unique=name in schema.unique or (has_addresses and name == EMAIL),
            is_read_only=name in schema.read_only,
            is_hidden=entry.get("hidden") is True,
            sensitivity=schema.sensitive.get(name, ""),
            is_custom=entry.get("hubspotDefined") is False,
        )
        for name, entry in sorted(named.items())
        if name in schema.labels
    ]


def _holds(name: str, schema: Schema) -> str:
    if name in schema.owned:
        return "owners"
    if name not in schema.staged:
        return ""
    return "pipelines" if name in PIPELINES else "stages"


def _text(entry: Mapping[str, object], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The properties to show, and how many a word named that are left out because they are hidden."""

    shown: Sequence[ListedProperty]
    hidden: int


def choose(properties: Iterable[ListedProperty], word: str, *, with_hidden: bool) -> Chosen:
    """The properties that a word names; all for ""."""
    named = [one for one in properties if one.is_named_by(word)] if word else list(properties)
    shown = [one for one in named if with_hidden or not one.is_hidden]
    return Chosen(shown, len(named) - len(shown))
