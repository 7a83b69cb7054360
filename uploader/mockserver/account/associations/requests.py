"""The bodies of requests for associations, read or refused. Pure.

That a batch of links takes 2,000 inputs, and a read 1,000, was reported and documented; see `most_links` of
`Rules`.
"""

from typing import Any, NamedTuple

from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.batch_request import read_ids, read_list, read_object, wrong_type
from uploader.mockserver.bodies.error_bodies import Answer

MOST_READ = 1_000


class LinkInput(NamedTuple):
    """One input: a pair of records, and the types to link them by or to end. To archive: no types."""

    from_id: str
    to_id: str
    types: tuple[tuple[str, int], ...] = ()  #: category and type id


def read_sources(document: dict[str, Any]) -> list[tuple[str, int]] | Answer:
    """The ids of a batch/read, each with the associated record after which its page begins."""
    raw = read_list(document, "inputs")
    if isinstance(raw, Answer):
        return raw
    ids = read_ids(raw, MOST_READ)
    if isinstance(ids, Answer):
        return ids
    after = [str(item.get("after") or 0) for item in raw]
    return [(one, int(start) if start.isdecimal() else 0) for one, start in zip(ids, after, strict=True)]


def read_links(body: bytes, most: int, *, have_types: bool) -> list[LinkInput] | Answer:
    """The inputs of batch/create, associate/default and labels/archive."""
    raw = _inputs(body)
    if isinstance(raw, Answer):
        return raw
    read: list[LinkInput] = []
    for item in raw:
        names = ("from", "to", "types") if have_types else ("from", "to")
        if not isinstance(item, dict):
            return wrong_type("BatchInput", item)
        if missing := [name for name in names if item.get(name) is None]:
            return error_bodies.missing_fields(missing)
        ids = read_ids([item["from"], item["to"]], 2)
        if isinstance(ids, Answer):
            return ids
        types = _types(item["types"]) if have_types else ()
        if isinstance(types, Answer):
            return types
        from_id, to_id = ids
        read.append(LinkInput(from_id, to_id, types))
    return error_bodies.too_many_inputs(most) if len(read) > most else read


def read_pairs(body: bytes, most: int) -> list[LinkInput] | Answer:
    """The inputs of batch/archive: each names one record and several others."""
    raw = _inputs(body)
    if isinstance(raw, Answer):
        return raw
    read: list[LinkInput] = []
    for item in raw:
        if not isinstance(item, dict):
            return wrong_type("BatchInput", item)
        if missing := [name for name in ("from", "to") if item.get(name) is None]:
            return error_bodies.missing_fields(missing)
        others = read_list(item, "to")
        ids = others if isinstance(others, Answer) else read_ids([item["from"], *others], len(others) + 1)
        if isinstance(ids, Answer):
            return ids
        read += [LinkInput(ids[0], one) for one in ids[1:]]
    return error_bodies.too_many_inputs(most) if len(raw) > most else read


def _inputs(body: bytes) -> list[Any] | Answer:
    document = read_object(body)
    return document if isinstance(document, Answer) else read_list(document, "inputs")


def _types(raw: object) -> tuple[tuple[str, int], ...] | Answer:
    if not isinstance(raw, list):
        return wrong_type("java.util.HashSet", raw)
    if not raw:
        return error_bodies.missing_fields(["types"])
    read: list[tuple[str, int]] = []
    for one in raw:
        if not isinstance(one, dict):
            return wrong_type("AssociationSpec", one)
        category, type_id = one.get("associationCategory"), one.get("associationTypeId")
        if category is None or type_id is None:
            return error_bodies.missing_fields(["associationCategory", "associationTypeId"])
        if type(type_id) is not int or not isinstance(category, str):
            return wrong_type("AssociationSpec", type_id)
        read.append((category, type_id))
    return tuple(read)


def read_label(document: dict[str, Any]) -> tuple[str, str, str | None] | Answer:
    """The name, the label and the label of the other direction in a new label's definition."""
    if missing := [name for name in ("label", "name") if not isinstance(document.get(name), str)]:
        return error_bodies.missing_fields(missing)
    inverse = document.get("inverseLabel")
    if inverse is not None and not isinstance(inverse, str):
        return wrong_type("java.lang.String", inverse)
    return document["name"], document["label"], inverse
