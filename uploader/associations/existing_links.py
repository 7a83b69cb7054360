"""Reads which records are linked with others already, and by which types."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from uploader.hubspot.associations import HUBSPOT_DEFINED, MOST_READ, PRIMARY
from uploader.hubspot.replies import Associated, AssociationSpec
from uploader.hubspot.requests import encode_ids, encode_pages
from uploader.model.associations import AssociationType
from uploader.pipeline.requests.contact_reader import Reader


class Linked(NamedTuple):
    """The records that one is linked with, each with the types; None if that is not known."""

    to: Mapping[str, Sequence[AssociationSpec]] | None

    def types(self, other: str) -> str | None:
        """The types by which it is linked with another record, as text; "" for none, None if not known."""
        if self.to is None:
            return None
        return ",".join(f"{one.category}={one.type_id}" for one in self.to.get(other, ()))

    def has(self, other: str, type_: AssociationType, *, is_turned: bool) -> bool:
        """Whether it is linked with another record by a type; any will do if the type has no label.

        `is_turned`: the type is that of the other direction, which only its label tells.
        """
        types = (self.to or {}).get(other, ())
        if not type_.label:
            return bool(types)
        if is_turned:
            return any(map(_is_primary, types))
        return any((one.category, one.type_id) == (type_.category, type_.type_id) for one in types)

    @property
    def primary(self) -> str:
        """The record that is its primary one; "" for none."""
        return next((one for one, types in (self.to or {}).items() if any(map(_is_primary, types))), "")


UNKNOWN = Linked(None)


def _is_primary(one: AssociationSpec) -> bool:
    return one.category == HUBSPOT_DEFINED and one.label == PRIMARY


async def read_links(ids: Sequence[str], reader: Reader) -> dict[str, Linked]:
    """Read what each record is linked with. StopRun if no request can succeed."""
    found: dict[str, Linked] = {}
    for start in range(0, len(ids), MOST_READ):
        found |= await _read(ids[start : start + MOST_READ], reader)
    return found


async def _read(ids: Sequence[str], reader: Reader) -> dict[str, Linked]:
    linked: dict[str, dict[str, Sequence[AssociationSpec]]] = {}
    rest = list(ids)
    pages: dict[str, str] = {}  # the records that have a further page, and what names it
    for _ in range(2):  # what an answer leaves out is asked for once more
        reply = await reader.read(rest, encode_ids)
        known = {one for error in reply.errors if error.is_not_found for one in error.ids}
        for result in reply.results:
            if result.associated is not None and result.id in rest:
                linked.setdefault(result.id, {}).update(_by_id(result.associated))
                pages[result.id] = result.after
        linked |= {one: linked.get(one, {}) for one in known}
        rest = [one for one in rest if one not in linked]
        if not rest:
            break
    while more := {one: after for one, after in pages.items() if after}:
        reply = await reader.read(list(more), _encode(more))
        pages = {}
        for result in reply.results:
            if result.id in more and result.associated is not None:
                linked[result.id].update(_by_id(result.associated))
                pages[result.id] = "" if result.after == more[result.id] else result.after
        unread = more.keys() - pages.keys()
        for one in unread:
            del linked[one]
    return {one: Linked(linked[one]) if one in linked else UNKNOWN for one in ids}


def _by_id(associated: Sequence[Associated]) -> dict[str, Sequence[AssociationSpec]]:
    return {one.id: one.types for one in associated}


def _encode(pages: Mapping[str, str]) -> Callable[[Sequence[str]], bytes]:
    return lambda ids: encode_pages([(one, pages[one]) for one in ids])
