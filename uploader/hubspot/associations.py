"""Requests and replies about associations: bodies of batches, what a reply says of each link, the types.

In    links, and replies as `reply_decoding` reads them.
Out   bytes to send; values.
Raise nothing.
From  the official OpenAPI schemas of associations v4, and answers as they were recorded: an error names the
      two ends of its link, or the records that do not exist
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import msgspec

from uploader.hubspot.error_objects import is_transient
from uploader.hubspot.json_values import as_text, as_texts
from uploader.hubspot.replies import Reply
from uploader.model.associations import AssociationType

#: Links in one request: reported are limits of 2,000 and of less. A refusal that names a limit is learned.
MOST_LINKS = 1_000
#: The documented cap of records whose associations are read at once.
MOST_READ = 1_000
#: The label of the company that a contact, deal or ticket has as its primary one, by HubSpot's own type.
HUBSPOT_DEFINED, PRIMARY = "HUBSPOT_DEFINED", "Primary"


class Pair(NamedTuple):
    """Two records, by HubSpot's ids."""

    from_id: str
    to_id: str


class LinkError(NamedTuple):
    """An error about links."""

    category: str  #: in capital letters
    message: str
    pairs: frozenset[Pair] = frozenset()  #: those that it names by both ends
    #: The records that do not exist, each with its type as HubSpot writes it ("" if it does not).
    absent: tuple[tuple[str, str], ...] = ()
    lacks_type: bool = False  #: the account does not have the type of link
    is_transient: bool = False


def encode_links(pairs: Iterable[tuple[Pair, AssociationType]]) -> bytes:
    """The body of batch/create."""
    return _ENCODER.encode(
        {
            "inputs": [
                {
                    "from": {"id": pair.from_id},
                    "to": {"id": pair.to_id},
                    "types": [{"associationCategory": type_.category, "associationTypeId": type_.type_id}],
                }
                for pair, type_ in pairs
            ]
        }
    )


_ENCODER = msgspec.json.Encoder()


def encode_ended_links(pairs: Iterable[Pair]) -> bytes:
    """The body of batch/archive."""
    return _ENCODER.encode(
        {"inputs": [{"from": {"id": pair.from_id}, "to": [{"id": pair.to_id}]} for pair in pairs]}
    )


def encode_label(label: str) -> bytes:
    """The body that creates a label. The name, which nobody sees, has to be unique among labels."""
    name = "_".join(_WORD.findall(label.lower()))
    if not label.isascii() or not name[:1].isalpha():
        name = f"label_{name}_{crc32(label.encode()):08x}"
    return _ENCODER.encode({"label": label, "name": name[:100]})


_WORD = re.compile(r"[a-z0-9]+")


def linked_pairs(reply: Reply) -> frozenset[Pair]:
    """The pairs that a reply to batch/create confirms."""
    return frozenset(
        Pair(as_text(one.get("fromObjectId")), as_text(one.get("toObjectId")))
        for one in _objects((reply.body or {}).get("results"))
    )


def link_errors(reply: Reply) -> list[LinkError]:
    """The errors of a reply to batch/create: those it lists, or itself if all of it was refused."""
    body = reply.body or {}
    return [_error_of(one) for one in (_objects(body.get("errors")) if reply.ok else [body])]


def _error_of(entry: Mapping[str, object]) -> LinkError:
    context = entry.get("context")
    context = context if isinstance(context, dict) else {}
    froms, tos = as_texts(context.get("fromObjectId")), as_texts(context.get("toObjectId"))
    ids, types = as_texts(context.get("objectId")), as_texts(context.get("objectType"))
    category = (as_text(entry.get("category")) or as_text(entry.get("errorType"))).strip().upper()
    return LinkError(
        category,
        _message(as_text(entry.get("message")), context),
        frozenset(map(Pair, froms, tos)) if len(froms) == len(tos) else frozenset(),
        tuple(zip(ids, types if len(types) == len(ids) else [""] * len(ids), strict=True)),
        lacks_type=_LACKS_TYPE in context,
        is_transient=is_transient(category),
    )


_LACKS_TYPE = "INVALID_ASSOCIATION_TYPE_ID"
_MOST_CHARACTERS = 500


def _message(message: str, context: Mapping[str, object]) -> str:
    """The message with the details that stand in the context, under keys in capital letters."""
    details = [text for key, value in context.items() if key.isupper() for text in as_texts(value)]
    text = ": ".join(part for part in (message, "; ".join(dict.fromkeys(details))) if part)
    return " ".join(text.split())[:_MOST_CHARACTERS]


def association_types(reply: Reply) -> tuple[AssociationType, ...]:
    """The types of links between two object types, from the reply that lists them."""
    found = _objects((reply.body or {}).get("results"))
    return tuple(
        AssociationType(as_text(one.get("category")), type_id, as_text(one.get("label")))
        for one in found
        if isinstance(type_id := one.get("typeId"), int)
    )


def is_primary(type_: AssociationType) -> bool:
    """Whether a record has only one record by this type: its primary company."""
    return type_.category == HUBSPOT_DEFINED and type_.label == PRIMARY


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
